/* SPDX-License-Identifier: BSD-3-Clause */
/* Small data sets in chunks, and what the engine does with an estimator, for the tests of SGD. */
#ifndef SKIMP_TEST_SGD_DATA_H
#define SKIMP_TEST_SGD_DATA_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "estimator/estimator.h"

typedef enum layout_kind {
    DENSE_F32,
    DENSE_F64,
    SPARSE,
    SPARSE_WIDE
} layout_kind; /* SPARSE_WIDE: 64-bit indices, double values, an offset */

typedef struct data_set {
    uint32_t n, d, n_classes;
    double *x; /* n × d */
    double *target;
    double *weight;              /* NULL: ones */
    const double *class_weights; /* NULL: ones */
} data_set;

static inline double gauss(skimpi_random *r)
{
    double u = 1 - skimpi_random_double(r), v = skimpi_random_double(r);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static inline data_set make_data(uint32_t n, uint32_t d, uint32_t n_classes, uint64_t seed)
{
    skimpi_random r;
    skimpi_random_seed(&r, seed);
    data_set s = { .n = n,
                   .d = d,
                   .n_classes = n_classes,
                   .x = calloc((size_t)n * d, sizeof(double)),
                   .target = calloc(n, sizeof(double)) };
    for (uint32_t i = 0; i < n; i++) {
        double score = 0.3, best = -INFINITY;
        for (uint32_t j = 0; j < d; j++) {
            s.x[(size_t)i * d + j] = gauss(&r);
            score += (j % 2 != 0 ? -1.0 : 1.0) * s.x[(size_t)i * d + j] / (1 + j);
        }
        score += 0.5 * gauss(&r);
        s.target[i] = n_classes == 0 ? score : score > 0 ? 1 : 0;
        for (uint32_t k = 0; n_classes > 2 && k < n_classes; k++) {
            double own = s.x[(size_t)i * d + k % d] * (k < d ? 1 : -1) + 0.2 * gauss(&r);
            if (own > best) {
                best = own;
                s.target[i] = k;
            }
        }
    }
    return s;
}

static inline void free_data(data_set *s)
{
    free(s->x);
    free(s->target);
    free(s->weight);
}

static inline int by_target(const void *a, const void *b)
{
    double x = **(const double *const *)a, y = **(const double *const *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

/* The rows in the order of their targets. */
static inline void sort_data(data_set *s)
{
    const double **order = malloc(s->n * sizeof(*order));
    double *x = malloc((size_t)s->n * s->d * sizeof(double)), *target = malloc(s->n * sizeof(double));
    for (uint32_t i = 0; i < s->n; i++) {
        order[i] = &s->target[i];
    }
    qsort(order, s->n, sizeof(*order), by_target);
    for (uint32_t i = 0; i < s->n; i++) {
        size_t from = (size_t)(order[i] - s->target);
        memcpy(x + (size_t)i * s->d, s->x + from * s->d, s->d * sizeof(double));
        target[i] = s->target[from];
    }
    free(order);
    free(s->x);
    free(s->target);
    s->x = x;
    s->target = target;
}

/* ---- chunks -------------------------------------------------------------------------------------------------------- */

typedef struct chunk_set {
    uint32_t n;
    skimpi_chunk *chunks;
} chunk_set;

static inline chunk_set make_chunks(const data_set *s, uint32_t chunk_rows, layout_kind kind)
{
    chunk_set set = { .n = (s->n + chunk_rows - 1) / chunk_rows };
    set.chunks = calloc(set.n, sizeof(skimpi_chunk));
    for (uint32_t c = 0; c < set.n; c++) {
        skimpi_chunk *chunk = &set.chunks[c];
        uint32_t first = c * chunk_rows, rows = s->n - first < chunk_rows ? s->n - first : chunk_rows;
        size_t stride = skimpi_column_stride(rows);
        *chunk = (skimpi_chunk){ .index = c, .first_row = first, .n_rows = rows };
        chunk->target = calloc(stride, sizeof(double));
        memcpy(chunk->target, s->target + first, rows * sizeof(double));
        if (s->weight != NULL) {
            chunk->weight = calloc(stride, sizeof(double));
            memcpy(chunk->weight, s->weight + first, rows * sizeof(double));
        }
        if (kind == DENSE_F32 || kind == DENSE_F64) {
            chunk->n_dense = s->d;
            chunk->dense = calloc(s->d, sizeof(skimpi_dense_column));
            for (uint32_t j = 0; j < s->d; j++) {
                chunk->dense[j].feature = j;
                void *values = aligned_alloc(64, stride * sizeof(double));
                memset(values, 0, stride * sizeof(double));
                chunk->dense[j].f32 = kind == DENSE_F32 ? values : NULL;
                chunk->dense[j].f64 = kind == DENSE_F64 ? values : NULL;
                for (uint32_t i = 0; i < rows; i++) {
                    double v = s->x[(size_t)(first + i) * s->d + j];
                    if (kind == DENSE_F32) {
                        chunk->dense[j].f32[i] = (float)v;
                    } else {
                        chunk->dense[j].f64[i] = v;
                    }
                }
            }
            continue;
        }
        /* Zeros are left out, as a sparse file leaves them out. */
        size_t most = (size_t)rows * s->d + 1;
        chunk->has_csr = true;
        chunk->csr.indptr = calloc(rows + 1, sizeof(uint32_t));
        chunk->csr.indices = kind == SPARSE ? calloc(most, sizeof(uint32_t)) : NULL;
        chunk->csr.indices64 = kind == SPARSE_WIDE ? calloc(most, sizeof(uint64_t)) : NULL;
        chunk->csr.f32 = kind == SPARSE ? calloc(most, sizeof(float)) : NULL;
        chunk->csr.f64 = kind == SPARSE_WIDE ? calloc(most, sizeof(double)) : NULL;
        uint32_t at = 0;
        for (uint32_t i = 0; i < rows; i++) {
            for (uint32_t j = 0; j < s->d; j++) {
                double v = (double)(float)s->x[(size_t)(first + i) * s->d + j];
                if (v != 0) {
                    if (kind == SPARSE) {
                        chunk->csr.indices[at] = j;
                        chunk->csr.f32[at] = (float)v;
                    } else {
                        chunk->csr.indices64[at] = j;
                        chunk->csr.f64[at] = v;
                    }
                    at++;
                }
            }
            chunk->csr.indptr[i + 1] = at;
        }
    }
    return set;
}

static inline void free_chunks(chunk_set *set)
{
    for (uint32_t c = 0; c < set->n; c++) {
        skimpi_chunk *chunk = &set->chunks[c];
        for (uint32_t j = 0; j < chunk->n_dense; j++) {
            free(chunk->dense[j].f32);
            free(chunk->dense[j].f64);
        }
        free(chunk->dense);
        free(chunk->csr.indptr);
        free(chunk->csr.indices);
        free(chunk->csr.indices64);
        free(chunk->csr.f32);
        free(chunk->csr.f64);
        free(chunk->target);
        free(chunk->weight);
    }
    free(set->chunks);
}

/* ---- the engine's part --------------------------------------------------------------------------------------------- */

typedef struct fitted {
    skimp_budget *budget;
    const skimpi_estimator_class *class;
    skimpi_params *params;
    skimpi_problem problem;
    skimpi_needs needs;
    void *self;
    skimpi_outcome outcome;
    uint64_t peak; /* charged during the fit */
} fitted;

typedef struct setting {
    const char *name, *value;
} setting;

static inline skimpi_problem problem_of(const data_set *s, const chunk_set *set, layout_kind kind)
{
    bool is_dense = kind == DENSE_F32 || kind == DENSE_F64;
    skimpi_problem p = {
        .n_rows = s->n,
        .is_exact = true,
        .n_features = s->d,
        .n_dense = is_dense ? s->d : 0,
        .n_sparse = is_dense ? 0 : s->d,
        .nonzeros = is_dense ? 0 : (uint64_t)s->n * s->d,
        .n_classes = s->n_classes,
        .chunk_rows = set->chunks[0].n_rows,
        .n_chunks = set->n,
        .class_weights = s->class_weights,
        .weighted = s->weight != NULL,
        .n_threads = 1,
    };
    return p;
}

static inline skimp_status run_window_pass(fitted *f, const skimpi_pass *pass, const chunk_set *set, void *scratch,
                                           skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_chunk **order = malloc(set->n * sizeof(*order));
    skimpi_random r;
    skimpi_random_seed(&r, pass->shuffle_seed);
    for (uint32_t i = 0; i < set->n; i++) {
        uint32_t j = pass->shuffle ? (uint32_t)skimpi_random_below(&r, i + 1) : i;
        order[i] = order[j];
        order[j] = &set->chunks[i];
    }
    for (uint32_t first = 0; status == SKIMP_OK && first < set->n; first += f->needs.window) {
        unsigned n = set->n - first < f->needs.window ? set->n - first : f->needs.window;
        status = f->class->consume_window(f->self, pass, order + first, n, scratch, error);
    }
    free(order);
    return status;
}

static inline skimp_status run_lanes(fitted *f, const skimpi_pass *pass, const chunk_set *set, void *scratch,
                                     skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *lanes[SKIMPI_MAX_LANES];
    for (unsigned l = 0; l < f->needs.lanes; l++) {
        lanes[l] = calloc(1, f->needs.lane_bytes);
    }
    for (uint32_t c = 0; status == SKIMP_OK && c < set->n; c++) {
        status = f->class->consume(f->self, pass, &set->chunks[c], lanes[c % f->needs.lanes], scratch, error);
    }
    for (unsigned l = 1; l < f->needs.lanes; l++) {
        f->class->merge(f->self, pass, lanes[0], lanes[l]);
    }
    if (status == SKIMP_OK) {
        status = f->class->end_pass(f->self, pass, lanes[0], error);
    }
    for (unsigned l = 0; l < f->needs.lanes; l++) {
        free(lanes[l]);
    }
    return status;
}

/* Fits; with `resumes`, every pass is run by a new self that has loaded what the last one saved. */
static inline skimp_status run_fit(fitted *f, const chunk_set *set, bool resumes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer state;
    skimpi_buffer_init(&state, f->budget, SKIMP_TAG_OTHER);
    void *scratch = NULL;
    SKIMPI_TRY(f->class->plan(&f->problem, f->params, &f->needs, error));
    scratch = aligned_alloc(64, skimpi_round_up(f->needs.worker_bytes, 64));
    memset(scratch, 0x5a, f->needs.worker_bytes);
    SKIMPI_TRY(f->class->begin(&f->self, f->budget, &f->problem, f->params, NULL, error));
    for (;;) {
        skimpi_pass pass = { 0 };
        SKIMPI_TRY(f->class->next_pass(f->self, &pass, error));
        if (pass.is_done) {
            break;
        }
        if (pass.sequential) {
            SKIMPI_TRY(run_window_pass(f, &pass, set, scratch, error));
            SKIMPI_TRY(f->class->end_pass(f->self, &pass, NULL, error));
        } else {
            SKIMPI_TRY(run_lanes(f, &pass, set, scratch, error));
        }
        if (resumes) {
            state.length = 0;
            SKIMPI_TRY(f->class->state_save(f->self, &state, error));
            f->class->destroy(f->self);
            f->self = NULL;
            SKIMPI_TRY(f->class->begin(&f->self, f->budget, &f->problem, f->params, NULL, error));
            SKIMPI_TRY(f->class->state_load(f->self, state.data, state.length, error));
        }
    }
    f->class->result(f->self, &f->outcome);
    f->peak = skimp_budget_tag_peak(f->budget, SKIMP_TAG_SOLVER);
out:
    free(scratch);
    skimpi_buffer_free(&state);
    return status;
}

/* settings end with a NULL name. The budget is the caller's. */
static inline skimp_status fit_on(fitted *f, skimp_budget *budget, const char *estimator, const setting *settings,
                                  const data_set *s, const chunk_set *set, layout_kind kind, bool resumes,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *f = (fitted){ .budget = budget,
                   .class = skimpi_estimator_class_find(estimator),
                   .problem = problem_of(s, set, kind) };
    assert_non_null(f->class);
    SKIMPI_TRY(skimpi_params_create(&f->params, budget, &f->class->info, error));
    for (; settings->name != NULL; settings++) {
        SKIMPI_TRY(skimpi_params_set(f->params, settings->name, settings->value, error));
    }
    SKIMPI_TRY(run_fit(f, set, resumes, error));
out:
    return status;
}

static inline void free_fitted(fitted *f)
{
    if (f->self != NULL) {
        f->class->destroy(f->self);
    }
    skimpi_params_destroy(f->params);
}

static inline fitted fit_data(skimp_budget *budget, const char *estimator, const setting *settings, const data_set *s,
                              uint32_t chunk_rows, layout_kind kind, bool resumes)
{
    fitted f;
    skimp_error error = SKIMP_ERROR_INIT;
    chunk_set set = make_chunks(s, chunk_rows, kind);
    skimp_status status = fit_on(&f, budget, estimator, settings, s, &set, kind, resumes, &error);
    if (status != SKIMP_OK) {
        fail_msg("%s", error.message);
    }
    free_chunks(&set);
    return f;
}

/* Share of rows whose predicted label is right (classifiers), or R². */
static inline double score(const fitted *f, const data_set *s, layout_kind kind)
{
    chunk_set set = make_chunks(s, s->n, kind);
    skimpi_problem problem = problem_of(s, &set, kind);
    uint64_t bytes = f->class->predict_worker_bytes(&problem, f->params);
    void *scratch = malloc(bytes + 1);
    double *out = calloc(skimpi_column_stride(s->n), sizeof(double)), right = 0, rest = 0, mean = 0, spread = 0;
    assert_int_equal(f->class->predict(f->self, SKIMPI_PREDICT_LABEL, &set.chunks[0], out, skimpi_column_stride(s->n),
                                       scratch, NULL),
                     SKIMP_OK);
    for (uint32_t i = 0; i < s->n; i++) {
        mean += s->target[i] / s->n;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        right += out[i] == s->target[i] ? 1 : 0;
        rest += (out[i] - s->target[i]) * (out[i] - s->target[i]);
        spread += (s->target[i] - mean) * (s->target[i] - mean);
    }
    free(scratch);
    free(out);
    free_chunks(&set);
    return s->n_classes > 0 ? right / s->n : 1 - rest / spread;
}

#endif
