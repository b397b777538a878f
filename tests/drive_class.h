/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs an estimator class over hand-made chunks, as the engine would: any number of lanes, any chunk size.  Include
 * after cmocka.h.  Whatever fails inside fails the test, unless the caller asks for the status.
 */
#ifndef DRIVE_CLASS_H
#define DRIVE_CLASS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "estimator/estimator.h"

/*
 * Rows and columns as plain numbers. Columns are kinds of 'd' (double), 'f' (float), 's' (CSR; these come last), 'c'
 * (one-hot codes).
 */
typedef struct drive_data {
    size_t n_rows, n_columns;
    const double *x;               /* row-major */
    const char *kinds;             /* one letter a column; NULL: all 'd' */
    uint32_t n_codes;              /* of each 'c' column; values at or over it are unknown */
    const double *target, *weight; /* NULL: none */
    bool csr_wide, csr_f64;        /* 64-bit indices; doubles */
} drive_data;

typedef struct drive_chunks {
    skimpi_chunk *chunks;
    size_t n;
    skimpi_problem problem;
    const char *names[64];
    char name_text[64][8];
    void *owned[65536];
    size_t n_owned;
} drive_chunks;

static inline void *drive_own(drive_chunks *c, size_t bytes)
{
    void *block = aligned_alloc(64, (bytes + 128) / 64 * 64);
    assert_non_null(block);
    memset(block, 0xff, (bytes + 128) / 64 * 64); /* NaN: padding must not be used */
    assert_true(c->n_owned < sizeof c->owned / sizeof *c->owned);
    c->owned[c->n_owned++] = block;
    return block;
}

static inline void drive_release(drive_chunks *c)
{
    for (size_t i = 0; i < c->n_owned; i++) {
        free(c->owned[i]);
    }
    free(c);
}

static inline drive_chunks *drive_make(const drive_data *data, uint32_t chunk_rows)
{
    drive_chunks *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->n = (data->n_rows + chunk_rows - 1) / chunk_rows;
    c->chunks = drive_own(c, c->n * sizeof *c->chunks);
    memset(c->chunks, 0, c->n * sizeof *c->chunks);
    uint64_t feature = 0, n_sparse = 0, n_dense = 0, n_coded = 0, nonzeros = 0, first_sparse = 0;
    for (size_t j = 0; j < data->n_columns; j++) {
        char kind = data->kinds == NULL ? 'd' : data->kinds[j];
        if (kind == 's') {
            first_sparse = n_sparse++ == 0 ? feature : first_sparse;
        }
        n_dense += kind == 'd' || kind == 'f';
        n_coded += kind == 'c';
        feature += kind == 'c' ? data->n_codes : 1;
    }
    for (size_t k = 0; k < c->n; k++) {
        skimpi_chunk *chunk = &c->chunks[k];
        size_t first = k * chunk_rows, n = data->n_rows - first < chunk_rows ? data->n_rows - first : chunk_rows;
        size_t stride = skimpi_column_stride((uint32_t)n);
        chunk->index = k;
        chunk->first_row = first;
        chunk->n_rows = (uint32_t)n;
        chunk->dense = drive_own(c, n_dense * sizeof *chunk->dense);
        chunk->codes = drive_own(c, n_coded * sizeof *chunk->codes);
        uint64_t at = 0;
        for (size_t j = 0; j < data->n_columns; j++) {
            char kind = data->kinds == NULL ? 'd' : data->kinds[j];
            if (kind == 'd' || kind == 'f') {
                skimpi_dense_column *column = &chunk->dense[chunk->n_dense++];
                *column = (skimpi_dense_column){ .feature = at };
                if (kind == 'd') {
                    column->f64 = drive_own(c, stride * sizeof(double));
                } else {
                    column->f32 = drive_own(c, stride * sizeof(float));
                }
                for (size_t i = 0; i < n; i++) {
                    double x = data->x[(first + i) * data->n_columns + j];
                    if (kind == 'd') {
                        column->f64[i] = x;
                    } else {
                        column->f32[i] = (float)x;
                    }
                }
            } else if (kind == 'c') {
                skimpi_code_column *column = &chunk->codes[chunk->n_codes];
                *column = (skimpi_code_column){ .feature = at,
                                                .n_codes = data->n_codes,
                                                .slot = chunk->n_codes,
                                                .codes = drive_own(c, n * sizeof(uint32_t)) };
                chunk->n_codes++;
                for (size_t i = 0; i < n; i++) {
                    column->codes[i] = (uint32_t)data->x[(first + i) * data->n_columns + j];
                }
            }
            at += kind == 'c' ? data->n_codes : 1;
        }
        if (n_sparse > 0) {
            chunk->has_csr = true;
            skimpi_csr_block *csr = &chunk->csr;
            csr->feature = first_sparse;
            csr->indptr = drive_own(c, (n + 1) * sizeof(uint32_t));
            uint32_t *narrow = drive_own(c, n * n_sparse * sizeof(uint32_t));
            uint64_t *wide = drive_own(c, n * n_sparse * sizeof(uint64_t));
            float *f32 = drive_own(c, n * n_sparse * sizeof(float));
            double *f64 = drive_own(c, n * n_sparse * sizeof(double));
            uint32_t filled = 0;
            for (size_t i = 0; i < n; i++) {
                csr->indptr[i] = filled;
                uint64_t sparse = 0;
                for (size_t j = 0; j < data->n_columns; j++) {
                    if (data->kinds != NULL && data->kinds[j] == 's') {
                        double x = data->x[(first + i) * data->n_columns + j];
                        if (x != 0) {
                            narrow[filled] = (uint32_t)sparse;
                            wide[filled] = sparse;
                            f32[filled] = (float)x;
                            f64[filled] = x;
                            filled++;
                        }
                        sparse++;
                    }
                }
            }
            csr->indptr[n] = filled;
            nonzeros += filled;
            csr->indices = data->csr_wide ? NULL : narrow;
            csr->indices64 = data->csr_wide ? wide : NULL;
            csr->f32 = data->csr_f64 ? NULL : f32;
            csr->f64 = data->csr_f64 ? f64 : NULL;
        }
        if (data->target != NULL) {
            chunk->target = drive_own(c, n * sizeof(double));
            memcpy(chunk->target, data->target + first, n * sizeof(double));
        }
        if (data->weight != NULL) {
            chunk->weight = drive_own(c, n * sizeof(double));
            memcpy(chunk->weight, data->weight + first, n * sizeof(double));
        }
    }
    c->problem = (skimpi_problem){
        .n_rows = data->n_rows,
        .is_exact = true,
        .n_features = feature,
        .n_dense = n_dense,
        .n_code_columns = n_coded,
        .n_sparse = n_sparse,
        .nonzeros = nonzeros,
        .chunk_rows = chunk_rows,
        .n_chunks = c->n,
        .weighted = data->weight != NULL,
        .n_threads = 1,
    };
    if (feature <= 64) {
        for (uint64_t j = 0; j < feature; j++) {
            snprintf(c->name_text[j], sizeof c->name_text[j], "x%u", (unsigned)j);
            c->names[j] = c->name_text[j];
        }
        c->problem.feature_names = c->names;
    }
    return c;
}

/* The arrays of a chunk's CSR block with room for as many entries again. */
static inline void drive_widen(drive_chunks *c, skimpi_chunk *chunk, bool wide, bool f64)
{
    skimpi_csr_block *csr = &chunk->csr;
    const size_t n = csr->indptr[chunk->n_rows];
    if (wide) {
        csr->indices64 = memcpy(drive_own(c, 2 * n * sizeof(uint64_t)), csr->indices64, n * sizeof(uint64_t));
    } else {
        csr->indices = memcpy(drive_own(c, 2 * n * sizeof(uint32_t)), csr->indices, n * sizeof(uint32_t));
    }
    if (f64) {
        csr->f64 = memcpy(drive_own(c, 2 * n * sizeof(double)), csr->f64, n * sizeof(double));
    } else {
        csr->f32 = memcpy(drive_own(c, 2 * n * sizeof(float)), csr->f32, n * sizeof(float));
    }
    csr->room = n;
}

/* What the reading would have counted of n_columns dense columns of x; the caller's. NaN: missing. */
static inline skimpi_column_spread *drive_spreads(drive_chunks *c, const drive_data *data)
{
    skimpi_column_spread *spreads = drive_own(c, data->n_columns * sizeof *spreads);
    double *column = drive_own(c, (data->n_rows + 1) * sizeof *column);
    for (size_t j = 0; j < data->n_columns; j++) {
        size_t missing = 0;
        for (size_t i = 0; i < data->n_rows; i++) {
            column[i] = data->x[i * data->n_columns + j];
            missing += column[i] != column[i];
        }
        skimpi_column_spread_find(column, data->n_rows, missing, data->kinds != NULL && data->kinds[j] == 'f',
                                  &spreads[j]);
    }
    return spreads;
}

static inline skimp_budget *drive_budget(uint64_t limit)
{
    skimp_budget_options options = { .size = sizeof options, .limit = limit };
    skimp_budget *budget = NULL;
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

/* Parameters as name, value, …, NULL. */
static inline skimp_status drive_params(skimpi_params **out, skimp_budget *budget, const skimpi_estimator_class *class_,
                                        const char *const *pairs, skimp_error *error)
{
    skimp_status status = skimpi_params_create(out, budget, &class_->info, error);
    for (size_t i = 0; status == SKIMP_OK && pairs != NULL && pairs[i] != NULL; i += 2) {
        status = skimpi_params_set(*out, pairs[i], pairs[i + 1], error);
    }
    return status;
}

typedef struct drive_fit {
    skimp_budget *budget;
    skimpi_params *params;
    skimpi_warnings *warnings;
    void *self;
    unsigned passes;
    skimpi_needs needs;
    bool checkpoint; /* set before: saves and loads the state after each pass, into a new self */
} drive_fit;

static inline void drive_end(const skimpi_estimator_class *class_, drive_fit *fit)
{
    if (fit->self != NULL) {
        class_->destroy(fit->self);
    }
    skimpi_warnings_destroy(fit->warnings);
    skimpi_params_destroy(fit->params);
    assert_int_equal(skimp_budget_destroy(fit->budget), 0);
}

/* One pass over lanes; `state_bytes` of the plan are checked against what the fit holds. */
static inline skimp_status drive_pass(const skimpi_estimator_class *class_, drive_fit *fit, const drive_chunks *c,
                                      unsigned lanes, bool *done, skimp_error *error)
{
    skimpi_pass pass;
    skimp_status status = class_->next_pass(fit->self, &pass, error);
    *done = status == SKIMP_OK && pass.is_done;
    if (status != SKIMP_OK || *done) {
        return status;
    }
    size_t lane_bytes = skimpi_round_up(fit->needs.lane_bytes + 64, 64),
           worker_bytes = skimpi_round_up(fit->needs.worker_bytes + 64, 64);
    unsigned char *block = aligned_alloc(64, lane_bytes * lanes), *worker = aligned_alloc(64, worker_bytes);
    assert_non_null(block);
    assert_non_null(worker);
    memset(block, 0, lane_bytes * lanes);
    memset(worker, 0xff, worker_bytes);
    for (unsigned l = 0; l < lanes; l++) {
        unsigned char *lane = block + l * lane_bytes;
        memset(lane + fit->needs.lane_bytes, 0x77, lane_bytes - fit->needs.lane_bytes);
        if (class_->lane_begin != NULL) {
            class_->lane_begin(fit->self, &pass, lane);
        }
        for (size_t k = l; status == SKIMP_OK && k < c->n; k += lanes) {
            status = class_->consume(fit->self, &pass, &c->chunks[k], lane, worker, error);
        }
        for (size_t i = fit->needs.lane_bytes; i < lane_bytes; i++) {
            assert_int_equal(lane[i], 0x77);
        }
        for (size_t i = fit->needs.worker_bytes; i < worker_bytes; i++) {
            assert_int_equal(worker[i], 0xff);
        }
        if (l > 0 && status == SKIMP_OK) {
            class_->merge(fit->self, &pass, block, lane);
        }
    }
    if (status == SKIMP_OK) {
        status = class_->end_pass(fit->self, &pass, block, error);
        fit->passes++;
    }
    free(block);
    free(worker);
    assert_true(skimp_budget_tag_peak(fit->budget, SKIMP_TAG_SOLVER) +
                    skimp_budget_tag_peak(fit->budget, SKIMP_TAG_STATISTICS) <=
                fit->needs.state_bytes);
    return status;
}

static inline skimp_status drive_resume(const skimpi_estimator_class *class_, drive_fit *fit, const drive_chunks *c,
                                        skimp_error *error)
{
    skimpi_buffer state;
    skimpi_buffer_init(&state, fit->budget, SKIMP_TAG_OTHER);
    skimp_status status = class_->state_save(fit->self, &state, error);
    if (status == SKIMP_OK) {
        class_->destroy(fit->self);
        fit->self = NULL;
        status = class_->begin(&fit->self, fit->budget, &c->problem, fit->params, fit->warnings, error);
    }
    if (status == SKIMP_OK) {
        status = class_->state_load(fit->self, state.data, state.length, error);
    }
    skimpi_buffer_free(&state);
    return status;
}

static inline skimp_status drive_run(const skimpi_estimator_class *class_, const char *const *pairs,
                                     const drive_chunks *c, unsigned lanes, drive_fit *fit, skimp_error *error)
{
    bool checkpoint = fit->checkpoint;
    *fit = (drive_fit){ .budget = drive_budget(0), .checkpoint = checkpoint };
    skimp_status status = skimpi_warnings_create(&fit->warnings, fit->budget, error);
    status = status != SKIMP_OK ? status : drive_params(&fit->params, fit->budget, class_, pairs, error);
    status = status != SKIMP_OK ? status : class_->plan(&c->problem, fit->params, &fit->needs, error);
    status = status != SKIMP_OK
                 ? status
                 : class_->begin(&fit->self, fit->budget, &c->problem, fit->params, fit->warnings, error);
    bool done = false;
    while (status == SKIMP_OK && !done) {
        status = drive_pass(class_, fit, c, lanes, &done, error);
        if (status == SKIMP_OK && !done && checkpoint) {
            status = drive_resume(class_, fit, c, error);
        }
        assert_true(fit->passes <= fit->needs.passes_max);
    }
    return status;
}

/* A fit that must succeed. */
static inline void drive_well(const skimpi_estimator_class *class_, const char *const *pairs, const drive_chunks *c,
                              unsigned lanes, drive_fit *fit)
{
    skimp_error error = SKIMP_ERROR_INIT;
    if (drive_run(class_, pairs, c, lanes, fit, &error) != SKIMP_OK) {
        fail_msg("%s: %s", class_->info.name, error.message);
    }
}

/* A fit that must fail, saying all of `words` (separated by |). */
static inline void drive_badly(const skimpi_estimator_class *class_, const char *const *pairs, const drive_chunks *c,
                               skimp_status wanted, const char *words)
{
    skimp_error error = SKIMP_ERROR_INIT;
    drive_fit fit = { 0 };
    assert_int_equal(drive_run(class_, pairs, c, 2, &fit, &error), wanted);
    char text[256];
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, "|"); word != NULL; word = strtok(NULL, "|")) {
        if (strstr(error.message, word) == NULL) {
            fail_msg("'%s' is not in: %s", word, error.message);
        }
    }
    drive_end(class_, &fit);
}

/* The model as tensors, loaded back into a new self. */
static inline void drive_reload(const skimpi_estimator_class *class_, drive_fit *fit, const drive_chunks *c,
                                skimpi_tensors **tensors)
{
    assert_int_equal(skimpi_tensors_create(tensors, fit->budget, NULL), SKIMP_OK);
    assert_int_equal(class_->save(fit->self, *tensors, "0.", NULL), SKIMP_OK);
    class_->destroy(fit->self);
    fit->self = NULL;
    assert_int_equal(class_->load(&fit->self, fit->budget, *tensors, "0.", &c->problem, fit->params, NULL), SKIMP_OK);
}

static inline double drive_tensor(const skimpi_tensors *tensors, const char *name, uint64_t i)
{
    const skimpi_tensor *tensor = skimpi_tensors_find(tensors, name);
    if (tensor == NULL) {
        fail_msg("no tensor %s", name);
        return 0;
    }
    assert_true(i < tensor->n_values);
    return tensor->dtype == SKIMPI_I64 ? (double)((const int64_t *)tensor->data)[i] : ((const double *)tensor->data)[i];
}

static inline bool drive_warned(const drive_fit *fit, const char *words)
{
    for (size_t i = 0; i < skimpi_warnings_count(fit->warnings); i++) {
        if (strstr(skimpi_warnings_at(fit->warnings, i), words) != NULL) {
            return true;
        }
    }
    return false;
}

static inline void drive_near(double got, double want, double relative, double absolute)
{
    if (isnan(got) && isnan(want)) {
        return;
    }
    if (!(fabs(got - want) <= relative * fabs(want) + absolute)) {
        fail_msg("got %.17g, want %.17g", got, want);
    }
}

#endif
