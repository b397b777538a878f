/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pass: every chunk of the store once, decoded, transformed and given to a consumer, by all workers.
 *
 * Lane l of L consumes chunks l, l + L, l + 2L, … in that order.  Workers claim chunks in file order, decode and
 * transform them side by side, and wait only when the lane's chunk before theirs is still being consumed; so the sums in
 * a lane do not depend on the number of workers.
 */
#include <math.h>
#include <string.h>

#include "engine/engine.h"
#include "kernel/kernel.h"
#include "os/os.h"

/*
 * Class weights are multiplied into the rows' weights (but for a class that weighs_classes), steps change values and add
 * columns: all must be there then.
 */
static void ask_for_room(const skimp_job *job, const skimpi_forecast *forecast, skimpi_decoder_options *options)
{
    const skimpi_stage *estimator = &job->pipeline.estimator;
    options->with_values = job->pipeline.n_steps > 0;
    options->spare_floats = (uint32_t)forecast->new_floats;
    options->spare_doubles = (uint32_t)forecast->new_doubles;
    options->csr_doublings = forecast->csr_doublings;
    options->nonzeros = forecast->unit_nonzeros;
    options->select = job->options.rows != NULL;
    options->read_only = job->pipeline.n_steps == 0 && job->options.holdout == 0;
    options->with_weight = estimator->class != NULL && !estimator->class->weighs_classes &&
                           skimpi_stage_has_param(estimator, "class_weight") &&
                           !skimpi_params_is_null(estimator->params, "class_weight");
}

uint64_t skimpi_reading_decoder_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place)
{
    skimpi_decoder_options options = { 0 };
    ask_for_room(job, forecast, &options);
    return skimpi_decoder_bytes(job->schema, forecast->unit_rows, forecast->chunk_bytes, &forecast->area, &options,
                                place);
}

uint64_t skimpi_reading_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place,
                              unsigned workers)
{
    const uint64_t decoder = skimpi_reading_decoder_bytes(job, forecast, place);
    const uint64_t n_ids = job->schema->n_numeric + forecast->new_floats + forecast->new_doubles;
    const uint64_t views = skimpi_view_bytes(n_ids, job->schema->n_category);
    const uint64_t mask = job->options.holdout > 0 ? skimp_alloc_cost(forecast->unit_rows) : 0;
    return skimpi_mul_sat(workers, decoder + views + mask) + 2 * skimp_alloc_cost(workers * sizeof(void *)) +
           skimp_alloc_cost(workers * sizeof(skimpi_view));
}

uint64_t skimpi_reading_source_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place,
                                     unsigned workers)
{
    return place != SKIMPI_PLACE_SOURCE ? 0
                                        : skimpi_source_bytes(job->schema, forecast->unit_rows, forecast->unit_nonzeros,
                                                              skimpi_encoded_hint(forecast), workers);
}

void skimpi_reading_decoder_options(const skimpi_reading *reading, skimpi_decoder_options *options)
{
    skimpi_design_decoder(reading->design, options);
    ask_for_room(reading->job, &reading->job->forecast, options);
}

skimp_status skimpi_reading_create(skimpi_reading *reading, skimp_job *job, skimpi_store *store,
                                   const skimpi_pipeline *pipeline, const skimpi_design *design,
                                   const skimpi_classes *classes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_summary *summary = skimpi_store_summary(store);
    *reading = (skimpi_reading){
        .job = job,
        .store = store,
        .budget = job->budget,
        .pipeline = pipeline,
        .design = design,
        .classes = classes,
        .pool = job->pool,
        .workers = skimpi_pool_size(job->pool),
        .n_ids = job->schema->n_numeric + job->forecast.new_floats + job->forecast.new_doubles,
        .mask_rows = summary->largest_chunk_rows,
        .holdout = job->options.holdout,
        .holdout_seed = job->options.seed,
    };
    const unsigned workers = reading->workers;
    skimpi_decoder_options options;
    skimpi_reading_decoder_options(reading, &options);
    if (skimpi_store_place(store) == SKIMPI_PLACE_SOURCE) {
        const skimpi_source_options own = { .reader = job->reader,
                                            .schema = job->schema,
                                            .workers = workers,
                                            .rows = job->forecast.unit_rows,
                                            .nonzeros = job->forecast.unit_nonzeros,
                                            .encoded = skimpi_encoded_hint(&job->forecast) };
        SKIMPI_TRY(skimpi_source_create(&reading->source, reading->budget, store, &own, error));
    }
    SKIMPI_TRY(
        skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, workers, sizeof(void *), (void **)&reading->decoders, error));
    SKIMPI_TRY(
        skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, workers, sizeof(skimpi_view), (void **)&reading->views, error));
    SKIMPI_TRY(
        skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, workers, sizeof(void *), (void **)&reading->masks, error));
    for (unsigned w = 0; w < workers; w++) {
        SKIMPI_TRY(skimpi_decoder_create(&reading->decoders[w], store, &options, error));
        SKIMPI_TRY(skimpi_view_create(&reading->views[w], reading->budget, reading->n_ids, design->n_category, error));
        if (reading->holdout > 0) {
            SKIMPI_TRY(skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, reading->mask_rows, 1,
                                   (void **)&reading->masks[w], error));
        }
    }
out:
    if (status != SKIMP_OK) {
        skimpi_reading_destroy(reading);
    }
    return status;
}

void skimpi_reading_destroy(skimpi_reading *reading)
{
    skimpi_source_destroy(reading->source);
    for (unsigned w = 0; w < reading->workers; w++) {
        if (reading->decoders != NULL) {
            skimpi_decoder_destroy(reading->decoders[w]);
        }
        if (reading->views != NULL) {
            skimpi_view_destroy(&reading->views[w], reading->budget, reading->n_ids, reading->design->n_category);
        }
        if (reading->masks != NULL) {
            skimp_free(reading->budget, SKIMP_TAG_CHUNKS, reading->masks[w], reading->mask_rows, 1);
        }
    }
    skimp_free(reading->budget, SKIMP_TAG_CHUNKS, reading->decoders, reading->workers, sizeof(void *));
    skimp_free(reading->budget, SKIMP_TAG_CHUNKS, reading->views, reading->workers, sizeof(skimpi_view));
    skimp_free(reading->budget, SKIMP_TAG_CHUNKS, reading->masks, reading->workers, sizeof(void *));
    *reading = (skimpi_reading){ 0 };
}

skimp_status skimpi_reading_finish_chunk(const skimpi_reading *reading, unsigned worker, skimpi_chunk *chunk,
                                         unsigned n_steps, skimpi_rows rows, skimp_error *error)
{
    if (reading->holdout > 0) {
        uint8_t *keep = reading->masks[worker];
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            keep[i] = skimpi_held_out(chunk->first_row + i, reading->holdout_seed, reading->holdout) ==
                      (rows == SKIMPI_ROWS_HELD_OUT);
        }
        skimpi_chunk_compact(chunk, keep);
    }
    const skimpi_classes *classes = reading->classes;
    if (classes != NULL && classes->n_classes > 0 && chunk->target != NULL) {
        const bool are_known = skimpi_classes_map(classes, chunk->n_rows, chunk->target);
        if (!are_known && reading->source != NULL) {
            return skimpi_fail(error, SKIMP_ERROR_DATA,
                               "rows %llu to %llu of the batches have a target that they did not have the first time",
                               (unsigned long long)chunk->first_row,
                               (unsigned long long)chunk->first_row + chunk->n_rows - 1);
        }
        if (!are_known) {
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, reading->job->options.inputs[0], 0, NULL,
                                  "chunk %llu holds a target that the store does not list: the store is damaged",
                                  (unsigned long long)chunk->index);
        }
        if (classes->weights != NULL && chunk->weight != NULL &&
            !reading->job->pipeline.estimator.class->weighs_classes) {
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                chunk->weight[i] *= classes->weights[(uint32_t)chunk->target[i]];
            }
        }
    }
    skimpi_pipeline_transform(reading->pipeline, n_steps, chunk, &reading->views[worker]);
    if (n_steps == reading->pipeline->n_steps) {
        skimpi_design_finish_chunk(reading->design, &reading->pipeline->frame, chunk);
    }
    return SKIMP_OK;
}

typedef struct pass_state {
    skimpi_reading *reading;
    const skimpi_pass_options *options;
    skimpi_scan scan;
    _Atomic uint64_t next; /* strided passes */
    _Atomic uint64_t bytes, rows;
    skimpi_turns *turns[SKIMPI_MAX_LANES];
    _Atomic int failed;
} pass_state;

static void break_turns(pass_state *state)
{
    atomic_store(&state->failed, 1);
    for (unsigned lane = 0; lane < state->options->lanes; lane++) {
        skimpi_turns_break(state->turns[lane]);
    }
}

/* The next chunk and its place in the order of this pass. */
static skimp_status claim(pass_state *state, unsigned worker, skimpi_chunk **chunk, uint64_t *ordinal, bool *done,
                          skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_reading *reading = state->reading;
    const uint64_t stride = state->options->chunk_stride;
    if (reading->source != NULL) {
        return skimpi_source_next(reading->source, worker, reading->decoders[worker], chunk, ordinal, done, error);
    }
    if (stride <= 1) {
        SKIMPI_TRY(skimpi_scan_next(reading->store, &state->scan, reading->decoders[worker], chunk, done, error));
        if (!*done) {
            *ordinal = (*chunk)->index;
        }
        return SKIMP_OK;
    }
    *ordinal = atomic_fetch_add(&state->next, 1);
    *done = *ordinal >= (skimpi_store_summary(reading->store)->n_chunks + stride - 1) / stride;
    if (!*done) {
        SKIMPI_TRY(skimpi_store_read_chunk(reading->store, reading->decoders[worker], *ordinal * stride, chunk, error));
    }
out:
    return status;
}

static skimp_status pass_worker(void *context, unsigned worker, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    pass_state *state = context;
    const skimpi_pass_options *options = state->options;
    skimpi_reading *reading = state->reading;
    const skimpi_summary *summary = skimpi_store_summary(reading->store);
    while (!atomic_load(&state->failed)) {
        if (skimpi_job_cancelled(reading->job)) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_CANCELLED, "interrupted"));
        }
        skimpi_chunk *chunk = NULL;
        uint64_t ordinal = 0;
        bool done = false;
        skimpi_pool_ask(reading->pool, worker);
        SKIMPI_TRY(claim(state, worker, &chunk, &ordinal, &done, error));
        if (done) {
            break;
        }
        skimpi_pool_got(reading->pool, worker);
        SKIMPI_TRY(skimpi_reading_finish_chunk(reading, worker, chunk, options->n_steps, options->rows, error));
        if (options->shifts != NULL) {
            skimpi_chunk_shift(chunk, options->shifts);
        }
        if (reading->row_state != NULL && chunk->n_rows > 0) {
            SKIMPI_TRY(skimpi_row_state_open(reading->row_state, worker, chunk, error));
        }
        const unsigned lane = (unsigned)(ordinal % options->lanes);
        if (!skimpi_turns_wait(state->turns[lane], ordinal / options->lanes)) {
            break; /* another worker failed, and its error is the one to report */
        }
        if (chunk->n_rows > 0) {
            status =
                options->consume(options->context, chunk, options->lane_data != NULL ? options->lane_data[lane] : NULL,
                                 options->worker_data != NULL ? options->worker_data[worker] : NULL, error);
        }
        SKIMPI_TRY(status);
        skimpi_turns_pass(state->turns[lane], ordinal / options->lanes);
        if (reading->row_state != NULL) {
            SKIMPI_TRY(skimpi_row_state_close(reading->row_state, worker, error));
        }
        const uint64_t rows = atomic_fetch_add(&state->rows, chunk->n_rows) + chunk->n_rows;
        const uint64_t share = summary->n_chunks > 0 ? summary->store_bytes / summary->n_chunks : 0;
        skimpi_job_progress(reading->job, atomic_fetch_add(&state->bytes, share) + share,
                            options->chunk_stride > 1 ? summary->store_bytes / options->chunk_stride
                                                      : summary->store_bytes,
                            rows, options->objective);
    }
out:
    if (status != SKIMP_OK) {
        break_turns(state);
    }
    return status;
}

skimp_status skimpi_reading_pass(skimpi_reading *reading, const skimpi_pass_options *options, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    pass_state state = { .reading = reading, .options = options };
    for (unsigned lane = 0; lane < options->lanes; lane++) {
        SKIMPI_TRY(skimpi_turns_create(&state.turns[lane], reading->budget, error));
    }
    if (reading->source != NULL) {
        SKIMPI_TRY(skimpi_source_begin(reading->source, options->chunk_stride, error));
    }
    for (unsigned w = 0; w < reading->workers; w++) {
        skimpi_decoder_take_rows(reading->decoders[w], options->takes_rows && options->shifts == NULL);
    }
    skimpi_scan_begin(reading->store, &state.scan);
    status = skimpi_pool_run(reading->pool, pass_worker, &state, error);
    if (reading->source != NULL && status != SKIMP_OK) {
        skimpi_source_first_failure(reading->source, error);
        status = error != NULL ? (skimp_status)error->code : status;
    }
    SKIMPI_TRY(status);
    if (reading->source != NULL) {
        SKIMPI_TRY(skimpi_source_end(reading->source, error));
    }
out:
    for (unsigned lane = 0; lane < options->lanes; lane++) {
        skimpi_turns_destroy(state.turns[lane]);
    }
    return status;
}
