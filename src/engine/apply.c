/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model applied into the caller's memory.
 *
 * Where the number of rows is known, dense results have their memory before the run, and every worker writes its chunks
 * to their rows, side by side.  Else (text, rows that are dropped, CSR) chunks are written in turns, one after the other,
 * and more memory is asked for whenever what there is has filled up.
 */
#include <math.h>
#include <string.h>

#include "engine/apply_run.h"

#define BLOCK_ROWS 64u /* rows that are written at once, column by column */

typedef struct into_state {
    skimpi_apply base; /* first: the run knows only this */
    const skimp_apply_options *options;
    bool is_known; /* the memory is there for all rows, from the beginning */
    skimp_apply_shape shape;
    skimp_apply_memory memory;
    uint64_t rows, nonzeros; /* written so far, in turns */
    uint64_t planned, charged;
} into_state;

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

static uint64_t shape_cost(const into_state *state, const skimp_apply_shape *shape)
{
    const uint64_t value = skimp_dtype_bytes(state->options->dtype);
    const uint64_t index = skimp_dtype_bytes(state->options->indices_dtype);
    const uint64_t made = skimpi_mul_sat(shape->n_rows, state->options->row_bytes);
    const uint64_t beside = made > 0 ? skimp_alloc_cost(made) : 0;
    if (!shape->is_sparse) {
        return skimpi_add_sat(skimp_alloc_cost(skimpi_mul_sat(skimpi_mul_sat(shape->n_rows, shape->n_columns), value)),
                              beside);
    }
    const uint64_t entries = skimpi_add_sat(skimp_alloc_cost(skimpi_mul_sat(shape->nonzeros, value)),
                                            skimp_alloc_cost(skimpi_mul_sat(shape->nonzeros, index)));
    return skimpi_add_sat(skimpi_add_sat(entries, beside), skimp_alloc_cost(skimpi_mul_sat(shape->n_rows + 1, index)));
}

/* What would do, where the data turned out to be more than its sample said: if the rest is like what was seen. */
static void name_minimum(const into_state *state, const skimp_apply_shape *shape, skimp_error *error)
{
    const skimp_job *job = state->base.job;
    const uint64_t all = job->forecast.text_bytes, seen = atomic_load(&state->base.bytes);
    const double share = all > 0 && seen > 0 && seen < all ? (double)seen / (double)all : 1;
    const double needed = (double)shape_cost(state, shape) / share;
    if (error != NULL && error->minimum_bytes == 0) {
        error->minimum_bytes = skimpi_add_sat(job->layout.peak - skimpi_min_u64(job->layout.peak, state->planned),
                                              needed < 0x1p62 ? (uint64_t)needed : UINT64_MAX / 4);
    }
}

/* Has the memory be of this shape, which is charged for. */
static skimp_status ask(into_state *state, const skimp_apply_shape *shape, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = state->base.job->budget;
    const uint64_t cost = shape_cost(state, shape);
    if (cost > state->charged) {
        status = skimp_budget_charge(budget, SKIMP_TAG_OUTPUT, cost - state->charged, error);
        if (status == SKIMP_ERROR_BUDGET) {
            name_minimum(state, shape, error);
        }
        SKIMPI_TRY(status);
        state->charged = cost;
    }
    SKIMPI_TRY(state->options->reserve(state->options->context, shape, &state->memory, error));
    state->shape = *shape;
    if (cost < state->charged) {
        skimp_budget_uncharge(budget, SKIMP_TAG_OUTPUT, state->charged - cost);
        state->charged = cost;
    }
out:
    return status;
}

static uint64_t grown(uint64_t there, uint64_t needed, uint64_t expected)
{
    return needed <= there ? there : there == 0 ? skimpi_max_u64(needed, expected) : needed + needed / 8;
}

/* The memory that the data is expected to take; of CSR, steps may make it longer. */
static skimp_apply_shape expected_shape(const into_state *state)
{
    const skimpi_forecast *f = &state->base.job->forecast;
    skimp_apply_shape shape = state->shape;
    shape.n_rows = f->rows;
    shape.nonzeros = f->nonzeros;
    for (unsigned i = 0; i < state->base.applied.pipeline.n_steps; i++) {
        shape.nonzeros <<= state->base.applied.pipeline.steps[i].changes.grows_csr;
    }
    return shape;
}

/* Room for further rows, in turns. */
static skimp_status grow(into_state *state, uint64_t n_rows, uint64_t nonzeros, skimp_error *error)
{
    const skimp_apply_shape expected = expected_shape(state);
    skimp_apply_shape shape = state->shape;
    shape.n_rows = grown(shape.n_rows, state->rows + n_rows, expected.n_rows);
    if (shape.is_sparse) {
        shape.nonzeros = grown(shape.nonzeros, state->nonzeros + nonzeros, expected.nonzeros);
    }
    if (shape.n_rows == state->shape.n_rows && shape.nonzeros == state->shape.nonzeros) {
        return SKIMP_OK;
    }
    return ask(state, &shape, error);
}

/* ---- dense ---------------------------------------------------------------------------------------------------------------- */

#define PUT_VALUES(type)                                                                                               \
    for (uint32_t i = 0; i < n; i++) {                                                                                 \
        *(type *)(void *)(to + i * stride) = (type)(f64 != NULL ? f64[i] : (double)f32[i]);                            \
    }

/* Values of a column, as doubles or floats, to places `stride` bytes apart. */
static void put_column(skimp_dtype dtype, uint8_t *to, int64_t stride, uint32_t n, const double *f64, const float *f32)
{
    if (dtype == SKIMP_DTYPE_F32) {
        PUT_VALUES(float)
    } else if (dtype == SKIMP_DTYPE_I32) {
        PUT_VALUES(int32_t)
    } else if (dtype == SKIMP_DTYPE_I64) {
        PUT_VALUES(int64_t)
    } else {
        PUT_VALUES(double)
    }
}

static uint8_t *place_of(const into_state *state, uint64_t row, uint64_t column)
{
    return (uint8_t *)state->memory.values + (int64_t)row * state->memory.row_stride +
           (int64_t)column * state->memory.column_stride;
}

static void put_zeros(const into_state *state, uint64_t row, uint32_t n)
{
    const size_t bytes = skimp_dtype_bytes(state->options->dtype);
    for (uint32_t i = 0; i < n; i++) {
        for (uint64_t c = 0; c < state->shape.n_columns; c++) {
            memset(place_of(state, row + i, c), 0, bytes);
        }
    }
}

/* Codes are ones in the columns of their categories; hashed ones may fall together, and add up. */
static void put_codes(const into_state *state, const skimpi_code_column *column, uint64_t row, uint32_t from,
                      uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t code = column->codes[from + i];
        if (code >= column->n_codes) {
            continue;
        }
        void *to = place_of(state, row + i, column->feature + code);
        if (state->options->dtype == SKIMP_DTYPE_F32) {
            *(float *)to += 1;
        } else {
            *(double *)to += 1;
        }
    }
}

static void put_features(const into_state *state, const skimpi_chunk *chunk, uint64_t row)
{
    for (uint32_t from = 0; from < chunk->n_rows; from += BLOCK_ROWS) {
        const uint32_t n = (uint32_t)skimpi_min_u64(BLOCK_ROWS, chunk->n_rows - from);
        if (chunk->n_codes > 0) {
            put_zeros(state, row + from, n);
        }
        for (uint32_t k = 0; k < chunk->n_dense; k++) {
            const skimpi_dense_column *column = &chunk->dense[k];
            put_column(state->options->dtype, place_of(state, row + from, column->feature), state->memory.row_stride, n,
                       column->f64 != NULL ? column->f64 + from : NULL,
                       column->f32 != NULL ? column->f32 + from : NULL);
        }
        for (uint32_t k = 0; k < chunk->n_codes; k++) {
            put_codes(state, &chunk->codes[k], row + from, from, n);
        }
    }
}

static void put_rows(const into_state *state, const skimpi_outputs *outputs, const skimpi_chunk *block, uint64_t row)
{
    const skimp_apply_kind kind = state->options->kind;
    const skimpi_buffer *columns = kind == SKIMP_APPLY_LABEL      ? &outputs->label
                                   : kind == SKIMP_APPLY_DECISION ? &outputs->decision
                                                                  : &outputs->probability;
    for (uint64_t c = 0; c < state->shape.n_columns; c++) {
        put_column(state->options->dtype, place_of(state, row, c), state->memory.row_stride, block->n_rows,
                   (const double *)columns->data + c * outputs->stride, NULL);
    }
}

/* ---- CSR ------------------------------------------------------------------------------------------------------------------ */

static void put_index(const into_state *state, void *list, uint64_t at, uint64_t index)
{
    if (state->options->indices_dtype == SKIMP_DTYPE_I32) {
        ((int32_t *)list)[at] = (int32_t)index;
    } else {
        ((int64_t *)list)[at] = (int64_t)index;
    }
}

static void put_csr(const into_state *state, const skimpi_chunk *chunk)
{
    const skimpi_csr_block *csr = &chunk->csr;
    const uint32_t n = csr->indptr[chunk->n_rows];
    const double one = 1;
    const size_t bytes = skimp_dtype_bytes(state->options->dtype);
    if (state->rows == 0) {
        put_index(state, state->memory.indptr, 0, 0);
    }
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        put_index(state, state->memory.indptr, state->rows + i + 1, state->nonzeros + csr->indptr[i + 1]);
    }
    for (uint32_t i = 0; i < n; i++) {
        put_index(state, state->memory.indices, state->nonzeros + i,
                  csr->indices != NULL ? csr->indices[i] : csr->indices64[i]);
    }
    /* Neither kind of values: all are ones. */
    uint8_t *to = (uint8_t *)state->memory.values + state->nonzeros * bytes;
    const bool has_values = csr->f64 != NULL || csr->f32 != NULL;
    if (has_values) {
        put_column(state->options->dtype, to, (int64_t)bytes, n, csr->f64, csr->f32);
    }
    for (uint32_t i = 0; !has_values && i < n; i++) {
        put_column(state->options->dtype, to + i * bytes, 0, 1, &one, NULL);
    }
}

static skimp_status check_indices(const into_state *state, uint64_t nonzeros, skimp_error *error)
{
    if (state->options->indices_dtype == SKIMP_DTYPE_I32 && nonzeros > INT32_MAX) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "indices of 32 bits cannot count more than %d values", INT32_MAX);
    }
    return SKIMP_OK;
}

/* ---- running ----------------------------------------------------------------------------------------------------------- */

/* Places for the chunk's rows, from *row on: those of its number where the memory is there, else in turns what it comes to. */
static skimp_status find_place(into_state *state, const skimpi_chunk *chunk, uint64_t *row, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t n_rows = state->shape.n_rows;
    const uint64_t nonzeros = state->shape.is_sparse && chunk->n_rows > 0 ? chunk->csr.indptr[chunk->n_rows] : 0;
    *row = state->is_known ? chunk->first_row : state->rows;
    if (!state->is_known && chunk->n_rows > 0) {
        SKIMPI_TRY(check_indices(state, state->nonzeros + nonzeros, error));
        SKIMPI_TRY(grow(state, chunk->n_rows, nonzeros, error));
    } else if (state->is_known && (*row > n_rows || chunk->n_rows > n_rows - *row)) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "there are more rows than the data says it has"));
    }
out:
    return status;
}

/* The chunk, or the first block of its outputs, is ready: the rest is made as it is written. */
static skimp_status put_chunk(into_state *state, skimpi_apply_worker *own, const skimpi_chunk *chunk,
                              skimpi_chunk *block, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t row = 0;
    SKIMPI_TRY(find_place(state, chunk, &row, error));
    if (chunk->n_rows == 0) {
        return SKIMP_OK;
    }
    if (state->shape.is_sparse) {
        put_csr(state, chunk);
    } else if (state->options->kind == SKIMP_APPLY_TRANSFORM) {
        put_features(state, chunk, row);
    } else {
        put_rows(state, &own->outputs, block, row);
        for (uint32_t first = block->n_rows; first < chunk->n_rows; first += block->n_rows) {
            SKIMPI_TRY(skimpi_outputs_predict(&own->outputs, chunk, first, block, error));
            put_rows(state, &own->outputs, block, row + first);
        }
    }
    if (!state->is_known) {
        state->rows += chunk->n_rows;
        state->nonzeros += state->shape.is_sparse ? chunk->csr.indptr[chunk->n_rows] : 0;
    }
out:
    return status;
}

static skimp_status use_chunk(skimpi_apply *apply, skimpi_apply_worker *own, const skimpi_chunk *chunk,
                              skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    into_state *state = (into_state *)apply;
    skimpi_chunk block;
    if (chunk->n_rows > 0 && skimpi_wanted_columns(&apply->wanted) > 0) {
        SKIMPI_TRY(skimpi_outputs_predict(&own->outputs, chunk, 0, &block, error));
    }
    if (state->is_known) {
        SKIMPI_TRY(put_chunk(state, own, chunk, &block, error));
        goto out;
    }
    if (!skimpi_turns_wait(apply->turns, chunk->index)) {
        goto out; /* another worker failed, and its error is the one to report */
    }
    SKIMPI_TRY(put_chunk(state, own, chunk, &block, error));
    skimpi_turns_pass(apply->turns, chunk->index);
out:
    return status;
}

/* ---- what is wanted ----------------------------------------------------------------------------------------------------- */

static bool is_whole(skimp_dtype dtype)
{
    return dtype == SKIMP_DTYPE_I32 || dtype == SKIMP_DTYPE_I64;
}

static skimp_status check_options(const skimp_apply_options *options, skimp_error *error)
{
    if (options->size != sizeof *options) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "skimp_apply_options.size is %zu, this library's is %zu: initialise with "
                           "SKIMP_APPLY_OPTIONS_INIT",
                           options->size, sizeof *options);
    }
    const bool is_real = options->dtype == SKIMP_DTYPE_F32 || options->dtype == SKIMP_DTYPE_F64;
    if (options->reserve == NULL || (unsigned)options->kind > SKIMP_APPLY_TRANSFORM ||
        !is_whole(options->indices_dtype) ||
        !(is_real || (is_whole(options->dtype) && options->kind == SKIMP_APPLY_LABEL))) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "results are of type F64 or F32, labels of a classifier also I32 or "
                           "I64; indices of I32 or I64; and reserve must be there");
    }
    return SKIMP_OK;
}

/* Columns of the result, and the estimator's outputs that they are. */
static skimp_status choose_columns(into_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_apply *apply = &state->base;
    const char *why = "this estimator has none";
    state->shape = (skimp_apply_shape){ .n_columns = 1 };
    switch (state->options->kind) {
    case SKIMP_APPLY_TRANSFORM:
        state->shape.n_columns = apply->applied.design.n_features;
        state->shape.is_sparse = apply->job->schema->sparse;
        if (state->shape.is_sparse && state->options->indices_dtype == SKIMP_DTYPE_I32 &&
            state->shape.n_columns > INT32_MAX) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "indices of 32 bits cannot tell %llu columns apart",
                                   (unsigned long long)state->shape.n_columns));
        }
        break;
    case SKIMP_APPLY_LABEL:
        apply->wanted.n_label = 1;
        if (is_whole(state->options->dtype) && apply->applied.classes.n_classes == 0) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "a regressor's values are not whole: F64 or F32"));
        }
        break;
    case SKIMP_APPLY_DECISION:
        state->shape.n_columns = apply->wanted.n_decision = skimpi_apply_columns(apply, SKIMPI_PREDICT_DECISION, &why);
        break;
    case SKIMP_APPLY_PROBABILITY:
        state->shape.n_columns = apply->wanted.n_probability =
            skimpi_apply_columns(apply, SKIMPI_PREDICT_PROBABILITY, &why);
        break;
    }
    if (state->options->kind != SKIMP_APPLY_TRANSFORM && state->shape.n_columns == 0) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: %s",
                               state->options->kind == SKIMP_APPLY_DECISION ? "decision" : "probability", why));
    }
out:
    return status;
}

static skimp_status apply_into(into_state *state, const skimp_model *model, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = state->base.job;
    SKIMPI_TRY(skimpi_apply_begin(&state->base, model, false, error));
    SKIMPI_TRY(choose_columns(state, error));
    state->is_known =
        job->forecast.exact && !state->shape.is_sparse && !job->options.drop_missing && !job->options.skip_bad_rows;
    skimp_apply_shape expected = expected_shape(state);
    state->planned = shape_cost(state, &expected);
    const skimpi_apply_cost cost = { .fixed = state->planned };
    SKIMPI_TRY(skimpi_apply_prepare(&state->base, &cost, error));
    if (state->is_known) {
        expected.is_last = true;
        expected.nonzeros = 0;
        SKIMPI_TRY(ask(state, &expected, error));
    }
    SKIMPI_TRY(skimpi_apply_run(&state->base, error));
    if (state->is_known && job->report.rows != state->shape.n_rows) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "there are fewer rows than the data says it has"));
    }
    if (!state->is_known) {
        skimp_apply_shape all = state->shape;
        all.n_rows = state->rows;
        all.nonzeros = state->nonzeros;
        all.is_last = true;
        SKIMPI_TRY(ask(state, &all, error));
    }
    job->report.nonzeros = state->nonzeros;
out:
    return status;
}

skimp_status skimp_job_apply(skimp_job *job, const skimp_model *model, const skimp_apply_options *options,
                             skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    into_state state = { .base = { .job = job, .use = use_chunk }, .options = options };
    skimpi_job_phase(job, options->kind == SKIMP_APPLY_TRANSFORM ? "transforming" : "predicting");
    SKIMPI_TRY(check_options(options, error));
    if (options->kind != SKIMP_APPLY_TRANSFORM) {
        SKIMPI_TRY(skimpi_apply_needs_estimator(model, error));
    }
    SKIMPI_TRY(apply_into(&state, model, error));
out:
    skimp_budget_uncharge(job->budget, SKIMP_TAG_OUTPUT, state.charged);
    skimpi_apply_end(&state.base);
    return status;
}
