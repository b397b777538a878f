/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job's inputs, as a model's steps leave them, into a kept store.
 *
 * Every worker makes a chunk of the inputs one of the model's, puts it together as a reader would give it, and encodes
 * it; in its turn the chunk gets its place, and is written beside the others.  So the store is the same bytes whatever
 * the threads and the budget.  Target and weight are those of the inputs.  What columns there are: through_schema.c.
 */
#include <string.h>

#include "data/dictionary.h"
#include "engine/through.h"

typedef struct through_worker {
    skimpi_encoder *encoder;
    skimpi_raw raw; /* of a table; of sparse data a view of the chunk */
    bool has_raw;
} through_worker;

typedef struct through_state {
    skimpi_apply base; /* first: the run knows only this */
    skimpi_schema *schema;
    skimpi_store *store;
    through_worker *workers;
    unsigned n_workers;
    _Atomic uint8_t *unknown; /* per category slot: there was a text that the model does not know */
} through_state;

/* ---- chunks as readers give them --------------------------------------------------------------------------------- */

/* Codes as the store has them: missing ones set apart, and what is unknown to the model the text after the known. */
static void put_codes(through_state *state, uint32_t slot, const skimpi_code_column *column, uint32_t n, uint32_t *to)
{
    const skimpi_design *design = &state->base.applied.design;
    const uint32_t n_texts = design->n_texts[column->slot], missing = design->missing_codes[column->slot];
    bool has_unknown = false;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t code = column->codes[i];
        const bool is_unknown = code >= n_texts && code != missing;
        has_unknown |= is_unknown;
        to[i] = code < n_texts ? code : is_unknown ? n_texts : SKIMPI_CODE_MISSING;
    }
    if (has_unknown) {
        atomic_store(&state->unknown[slot], 1);
    }
}

static skimp_status put_table(through_state *state, through_worker *own, const skimpi_chunk *chunk, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_raw *raw = &own->raw;
    const uint32_t n = chunk->n_rows;
    skimpi_raw_clear(raw);
    SKIMPI_TRY(skimpi_raw_reserve(raw, state->schema, n, 0, error));
    for (uint32_t k = 0; k < chunk->n_dense; k++) {
        const skimpi_dense_column *column = &chunk->dense[k];
        double *to = raw->numeric + (size_t)k * raw->capacity;
        for (uint32_t i = 0; column->f64 == NULL && i < n; i++) {
            to[i] = (double)column->f32[i];
        }
        if (column->f64 != NULL) {
            memcpy(to, column->f64, n * sizeof *to);
        }
    }
    for (uint32_t k = 0; k < chunk->n_codes; k++) {
        put_codes(state, k, &chunk->codes[k], n, raw->codes + (size_t)k * raw->capacity);
    }
    if (raw->target != NULL) {
        memcpy(raw->target, chunk->target, n * sizeof *raw->target);
    }
    for (uint32_t i = 0; raw->weight != NULL && i < n; i++) {
        raw->weight[i] = chunk->weight != NULL ? chunk->weight[i] : 1;
    }
    raw->n_rows = n;
out:
    return status;
}

/* CSR is encoded where it lies. */
static void view_sparse(through_worker *own, const skimpi_chunk *chunk)
{
    const skimpi_csr_block *csr = &chunk->csr;
    const uint64_t n = csr->indptr[chunk->n_rows];
    own->raw = (skimpi_raw){ .n_rows = chunk->n_rows,
                             .capacity = chunk->n_rows,
                             .target = chunk->target,
                             .weight = chunk->weight,
                             .nonzeros = n,
                             .nonzero_capacity = n,
                             .row_end = csr->indptr + 1,
                             .indices = csr->indices,
                             .indices64 = csr->indices64,
                             .values = csr->f64 };
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t index = csr->indices64 != NULL ? csr->indices64[i] : csr->indices[i];
        own->raw.largest_index = skimpi_max_u64(own->raw.largest_index, index + 1);
    }
}

static skimp_status use_chunk(skimpi_apply *apply, skimpi_apply_worker *worker, const skimpi_chunk *chunk,
                              skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    through_state *state = (through_state *)apply;
    through_worker *own = &state->workers[worker - apply->workers];
    if (chunk->has_csr) {
        view_sparse(own, chunk);
    } else {
        SKIMPI_TRY(put_table(state, own, chunk, error));
    }
    SKIMPI_TRY(skimpi_encoder_encode(own->encoder, &own->raw, chunk->first_row + 1, error));
    if (!skimpi_turns_wait(apply->turns, chunk->index)) {
        goto out; /* another worker failed, and its error is the one to report */
    }
    if (chunk->n_rows > 0) {
        SKIMPI_TRY(
            skimpi_store_place_chunk(state->store, own->encoder, skimpi_store_summary(state->store)->n_chunks, error));
    }
    skimpi_turns_pass(apply->turns, chunk->index);
    if (chunk->n_rows > 0) {
        SKIMPI_TRY(skimpi_store_write_chunk(state->store, own->encoder, error));
    }
out:
    return status;
}

/* ---- what it takes ----------------------------------------------------------------------------------------------- */

/* Values in a CSR chunk, after the steps. */
static uint64_t chunk_nonzeros(const through_state *state)
{
    const skimp_job *job = state->base.job;
    uint64_t n = job->stored != NULL ? job->forecast.unit_nonzeros : job->forecast.unit_nonzeros / 4 * 5;
    for (unsigned i = 0; i < state->base.applied.pipeline.n_steps; i++) {
        n <<= state->base.applied.pipeline.steps[i].changes.grows_csr;
    }
    return n;
}

/* Distinct targets to be counted: as many as a kept store has, or as the sample lets expect. */
static uint64_t target_bytes(const through_state *state)
{
    const skimp_job *job = state->base.job;
    if (state->schema->target < 0) {
        return skimpi_plan_targets(0);
    }
    if (job->stored == NULL) {
        const bool is_text = state->schema->target_type == SKIMPI_TYPE_CATEGORY;
        const uint64_t classes = job->forecast.classes;
        return skimpi_add_sat(job->forecast.target_bytes,
                              is_text ? skimpi_dictionary_bytes(classes, classes * 32, UINT64_MAX) : 0);
    }
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    return skimpi_plan_targets(summary->n_target_values > 0 ? summary->n_target_values : summary->n_rows);
}

/* On disk, about: a number as a float, the more so as scaled ones have all digits. */
static uint64_t expected_bytes(const through_state *state)
{
    const skimpi_schema *schema = state->schema;
    const skimpi_forecast *f = &state->base.job->forecast;
    const uint64_t row = 4 * ((uint64_t)schema->n_numeric + (schema->weight >= 0)) + schema->n_category +
                         (schema->target >= 0) + (schema->sparse ? sizeof(uint32_t) : 0);
    uint64_t nonzeros = f->nonzeros;
    for (unsigned i = 0; i < state->base.applied.pipeline.n_steps; i++) {
        nonzeros <<= state->base.applied.pipeline.steps[i].changes.grows_csr;
    }
    return skimpi_add_sat(skimpi_mul_sat(f->rows, row),
                          skimpi_mul_sat(nonzeros, 4 + (schema->n_sparse_features > UINT16_MAX ? 4 : 2)));
}

static skimp_status prepare(through_state *state, const skimp_model *model, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = state->base.job;
    SKIMPI_TRY(skimpi_apply_begin(&state->base, model, false, error));
    SKIMPI_TRY(skimpi_through_schema(&state->schema, &state->base.applied, model, error));
    const uint32_t rows = skimpi_apply_rows(job);
    const uint64_t nonzeros = chunk_nonzeros(state);
    const uint64_t fixed = skimpi_store_bytes(state->schema, 0, SKIMPI_PLACE_FILE) + skimpi_store_writing_bytes() +
                           target_bytes(state) + skimpi_through_finish_bytes(state->schema) +
                           skimp_alloc_cost(state->schema->n_category);
    const uint64_t raw = state->schema->sparse ? 0 : skimpi_raw_bytes(state->schema, rows, 0);
    const skimpi_apply_cost cost = {
        .fixed = fixed,
        .worker = skimpi_add_sat(skimpi_encoder_bytes(state->schema, rows, nonzeros, 0),
                                 skimpi_add_sat(raw, sizeof(through_worker))),
    };
    SKIMPI_TRY(skimpi_apply_prepare(&state->base, &cost, error));
out:
    return status;
}

static skimp_status create_workers(through_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = state->base.job;
    const uint32_t rows = skimpi_apply_rows(job);
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, state->base.n_workers, sizeof *state->workers,
                           (void **)&state->workers, error));
    state->n_workers = state->base.n_workers;
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, state->schema->n_category, sizeof *state->unknown,
                           (void **)&state->unknown, error));
    for (unsigned w = 0; w < state->n_workers; w++) {
        through_worker *own = &state->workers[w];
        SKIMPI_TRY(skimpi_encoder_create(&own->encoder, state->store, rows, chunk_nonzeros(state), 0, error));
        if (!state->schema->sparse) {
            SKIMPI_TRY(skimpi_raw_create(&own->raw, job->budget, state->schema, rows, 0, error));
            own->has_raw = true;
        }
    }
out:
    return status;
}

static void destroy(through_state *state)
{
    skimp_budget *budget = state->base.job->budget;
    for (unsigned w = 0; state->workers != NULL && w < state->n_workers; w++) {
        skimpi_encoder_destroy(state->workers[w].encoder);
        if (state->workers[w].has_raw) {
            skimpi_raw_destroy(&state->workers[w].raw, state->schema);
        }
    }
    skimp_free(budget, SKIMP_TAG_OTHER, state->workers, state->n_workers, sizeof *state->workers);
    if (state->schema != NULL) {
        skimp_free(budget, SKIMP_TAG_OTHER, (void *)state->unknown, state->schema->n_category, sizeof *state->unknown);
    }
    skimpi_store_destroy(state->store);
    skimpi_schema_destroy(state->schema);
    skimpi_apply_end(&state->base);
}

/* The encoders' summaries, in the order of the workers. */
static skimp_status finish(through_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = state->base.job;
    skimpi_encoder **encoders = NULL;
    SKIMPI_TRY(skimpi_through_finish(state->schema, job, state->unknown, error));
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, state->n_workers, sizeof(skimpi_encoder *), (void **)&encoders,
                           error));
    for (unsigned w = 0; w < state->n_workers; w++) {
        encoders[w] = state->workers[w].encoder;
    }
    SKIMPI_TRY(skimpi_store_finish(state->store, encoders, state->n_workers, error));
    const skimpi_summary *summary = skimpi_store_summary(state->store);
    job->report.nonzeros = summary->nonzeros;
    job->report.disk_bytes += summary->store_bytes;
out:
    skimp_free(job->budget, SKIMP_TAG_OTHER, (void *)encoders, state->n_workers, sizeof(skimpi_encoder *));
    return status;
}

skimp_status skimp_job_convert_through(skimp_job *job, const skimp_model *model, const char *path, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    through_state state = { .base = { .job = job, .use = use_chunk } };
    skimpi_job_phase(job, "transforming");
    if (!skimpi_model_is_steps(model->tensors)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "this model predicts: it is a model of steps alone that data are transformed through");
    }
    job->keeps_roles = true;
    SKIMPI_TRY(prepare(&state, model, error));
    const skimpi_store_options options = { .place = SKIMPI_PLACE_FILE,
                                           .path = path,
                                           .expected_bytes = expected_bytes(&state),
                                           .write_back_early = job->layout.in_container };
    SKIMPI_TRY(skimpi_store_create(&state.store, job->budget, state.schema, &options, error));
    SKIMPI_TRY(create_workers(&state, error));
    SKIMPI_TRY(skimpi_apply_run(&state.base, error));
    SKIMPI_TRY(finish(&state, error));
out:
    destroy(&state);
    if (status == SKIMP_ERROR_BUDGET && error != NULL && error->minimum_bytes == 0) {
        error->minimum_bytes = skimpi_max_u64(job->layout.minimum, skimpi_add_sat(error->in_use, error->requested));
    }
    return status;
}
