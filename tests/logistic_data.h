/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Problems for the tests of logistic regression, made of a hash of integers as make_logistic_expected.py makes them, cut into
 * chunks; and a small engine: passes, lanes in any order, a checkpoint after any pass.
 */
#ifndef TESTS_LOGISTIC_DATA_H
#define TESTS_LOGISTIC_DATA_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "estimator/estimator.h"
#include "kernel/kernel.h"

typedef struct data {
    skimpi_problem problem;
    skimpi_chunk *chunks;
    double *x;          /* rows × features */
    double *y, *weight; /* weight: ones where there is none */
    uint64_t *code_feature;
    uint32_t *code_size;
} data;

static inline uint64_t hash_of(uint64_t a, uint64_t b, uint64_t c)
{
    return skimpi_mix64((a << 48) ^ (b << 24) ^ c);
}
static inline double hash_uniform(uint64_t a, uint64_t b, uint64_t c)
{
    return (double)(hash_of(a, b, c) >> 11) * 0x1p-52 - 1.0;
}

static void *zeroed(size_t count, size_t size)
{
    void *block = aligned_alloc(64, skimpi_round_up(count * size + 256, 64));
    assert_non_null(block);
    memset(block, 0, skimpi_round_up(count * size + 256, 64));
    return block;
}

/* Chunks of chunk_rows rows from dense x: feature kinds by place. even dense columns are float, odd double. */
static void cut(data *d, unsigned dense, unsigned codes, unsigned sparse, unsigned chunk_rows, bool weighted)
{
    size_t rows = d->problem.n_rows, width = d->problem.n_features;
    d->problem.chunk_rows = chunk_rows;
    d->problem.n_chunks = (rows + chunk_rows - 1) / chunk_rows;
    d->chunks = zeroed(d->problem.n_chunks, sizeof(skimpi_chunk));
    for (size_t c = 0; c < d->problem.n_chunks; c++) {
        skimpi_chunk *chunk = &d->chunks[c];
        size_t first = c * chunk_rows, n = rows - first < chunk_rows ? rows - first : chunk_rows;
        chunk->index = c;
        chunk->first_row = first;
        chunk->n_rows = (uint32_t)n;
        chunk->n_dense = dense;
        chunk->dense = zeroed(dense, sizeof(skimpi_dense_column));
        for (unsigned j = 0; j < dense; j++) {
            chunk->dense[j].feature = j;
            bool is_float = true;
            for (size_t i = 0; i < rows; i++) {
                is_float = is_float && (double)(float)d->x[i * width + j] == d->x[i * width + j];
            }
            if (is_float) {
                chunk->dense[j].f32 = zeroed(n, sizeof(float));
            } else {
                chunk->dense[j].f64 = zeroed(n, sizeof(double));
            }
            for (size_t i = 0; i < n; i++) {
                double value = d->x[(first + i) * width + j];
                if (is_float) {
                    chunk->dense[j].f32[i] = (float)value;
                } else {
                    chunk->dense[j].f64[i] = value;
                }
            }
        }
        chunk->n_codes = codes > 0;
        if (codes > 0) {
            chunk->codes = zeroed(1, sizeof(skimpi_code_column));
            *chunk->codes =
                (skimpi_code_column){ .feature = dense, .n_codes = codes, .codes = zeroed(n, sizeof(uint32_t)) };
            for (size_t i = 0; i < n; i++) {
                chunk->codes->codes[i] = codes;
                for (unsigned k = 0; k < codes; k++) {
                    if (d->x[(first + i) * width + dense + k] != 0.0) {
                        chunk->codes->codes[i] = k;
                    }
                }
            }
        }
        chunk->has_csr = sparse > 0;
        if (sparse > 0) {
            skimpi_csr_block *csr = &chunk->csr;
            size_t at = 0;
            csr->feature = dense + codes;
            csr->indptr = zeroed(n + 1, sizeof(uint32_t));
            csr->indices = zeroed(n * sparse, sizeof(uint32_t));
            csr->f32 = zeroed(n * sparse, sizeof(float));
            for (size_t i = 0; i < n; i++) {
                for (unsigned j = 0; j < sparse; j++) {
                    double value = d->x[(first + i) * width + dense + codes + j];
                    if (value != 0.0) {
                        csr->indices[at] = j;
                        csr->f32[at++] = (float)value;
                    }
                }
                csr->indptr[i + 1] = (uint32_t)at;
            }
        }
        chunk->target = zeroed(n, sizeof(double));
        memcpy(chunk->target, d->y + first, n * sizeof(double));
        if (weighted) {
            chunk->weight = zeroed(n, sizeof(double));
            memcpy(chunk->weight, d->weight + first, n * sizeof(double));
        }
    }
}

static void free_data(data *d)
{
    for (size_t c = 0; c < d->problem.n_chunks; c++) {
        skimpi_chunk *chunk = &d->chunks[c];
        for (unsigned j = 0; j < chunk->n_dense; j++) {
            free(chunk->dense[j].f32);
            free(chunk->dense[j].f64);
        }
        free(chunk->dense);
        if (chunk->codes != NULL) {
            free(chunk->codes->codes);
        }
        free(chunk->codes);
        free(chunk->csr.indptr);
        free(chunk->csr.indices);
        free(chunk->csr.f32);
        free(chunk->target);
        free(chunk->weight);
    }
    free(d->chunks);
    free(d->x);
    free(d->y);
    free(d->weight);
    free(d->code_feature);
    free(d->code_size);
}

/* A problem with room for x and y, to be filled and then cut. */
static data blank(unsigned rows, unsigned dense, unsigned codes, unsigned sparse, unsigned classes, bool weighted)
{
    data d = { .problem = { .n_rows = rows,
                            .is_exact = true,
                            .n_features = dense + codes + sparse,
                            .n_dense = dense,
                            .n_code_columns = codes > 0,
                            .n_sparse = sparse,
                            .nonzeros = sparse > 0 ? 5 * (uint64_t)rows : 0,
                            .n_classes = classes,
                            .weighted = weighted,
                            .n_threads = 2 } };
    d.x = zeroed(rows * d.problem.n_features, sizeof(double));
    d.y = zeroed(rows, sizeof(double));
    d.weight = zeroed(rows, sizeof(double));
    d.code_feature = zeroed(1, sizeof(uint64_t));
    d.code_size = zeroed(1, sizeof(uint32_t));
    d.code_feature[0] = dense;
    d.code_size[0] = codes;
    d.problem.code_features = d.code_feature;
    d.problem.code_sizes = d.code_size;
    for (unsigned i = 0; i < rows; i++) {
        d.weight[i] = 1.0;
    }
    return d;
}

static data make_data(unsigned rows, unsigned dense, unsigned codes, unsigned sparse, unsigned classes, bool weighted,
                      unsigned seed, unsigned chunk_rows)
{
    data d = blank(rows, dense, codes, sparse, classes, weighted);
    size_t width = d.problem.n_features;
    unsigned seen[64] = { 0 };
    assert_true(classes <= 64);
    for (unsigned i = 0; i < rows; i++) {
        double *x = d.x + i * width;
        for (unsigned j = 0; j < dense; j++) {
            double value = hash_uniform(seed, i, j) * (1 + j % 3) + 0.5 * (j % 2);
            x[j] = j % 2 == 0 ? (double)(float)value : value;
        }
        if (codes > 0) {
            uint64_t code = hash_of(seed, i, 1000) % (codes + 1);
            if (code < codes) {
                x[dense + code] = 1.0;
            }
        }
        for (unsigned k = 0; k < (sparse > 0 ? 5 : 0); k++) {
            uint64_t j = hash_of(seed, i, 2000 + k) % (sparse / 5) * 5 + k;
            x[dense + codes + j] = (double)(float)hash_uniform(seed, i, 3000 + k);
        }
        double best = -1e300;
        for (unsigned c = 0; c < classes; c++) {
            double score = 0.75 * hash_uniform(seed, i, 4000 + c);
            for (unsigned j = 0; j < (dense < 4 ? dense : 4); j++) {
                score += x[j] * hash_uniform(seed, 5000 + c, j);
            }
            if (score > best) {
                best = score;
                d.y[i] = c;
            }
        }
        seen[(unsigned)d.y[i]] = 1;
        if (weighted) {
            d.weight[i] = 0.5 + fabs(hash_uniform(seed, i, 6000)) * 2;
        }
    }
    unsigned place[64], n = 0; /* only classes that occur */
    for (unsigned c = 0; c < classes; c++) {
        place[c] = n;
        n += seen[c];
    }
    d.problem.n_classes = n;
    for (unsigned i = 0; i < rows; i++) {
        d.y[i] = place[(unsigned)d.y[i]];
    }
    cut(&d, dense, codes, sparse, chunk_rows, weighted);
    return d;
}

static skimp_budget *new_budget(uint64_t limit)
{
    skimp_budget *budget;
    skimp_budget_options options = { .size = sizeof options, .limit = limit };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

/* "name=value name=value …" */
static skimpi_params *new_params(skimp_budget *budget, const skimpi_estimator_class *class, const char *settings)
{
    skimpi_params *params;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_params_create(&params, budget, &class->info, NULL), SKIMP_OK);
    char text[1000], *save = NULL;
    snprintf(text, sizeof text, "%s", settings);
    for (char *word = strtok_r(text, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        if (skimpi_params_set(params, word, value, &error) != SKIMP_OK) {
            fail_msg("%s", error.message);
        }
    }
    return params;
}

/* A copy of a chunk with its dense columns shifted, as the engine has them shifted in place. */
static skimpi_chunk shifted(const skimpi_chunk *chunk, const double *shifts)
{
    skimpi_chunk copy = *chunk;
    copy.dense = zeroed(chunk->n_dense, sizeof *copy.dense);
    for (unsigned j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *from = &chunk->dense[j];
        size_t size = from->f32 != NULL ? sizeof(float) : sizeof(double);
        void *values = zeroed(chunk->n_rows, size);
        memcpy(values, from->f32 != NULL ? (void *)from->f32 : (void *)from->f64, chunk->n_rows * size);
        copy.dense[j] = (skimpi_dense_column){ .feature = from->feature,
                                               .f32 = from->f32 != NULL ? values : NULL,
                                               .f64 = from->f32 != NULL ? NULL : values };
    }
    skimpi_chunk_shift(&copy, shifts);
    return copy;
}

static void free_shifted(skimpi_chunk *chunk)
{
    for (unsigned j = 0; j < chunk->n_dense; j++) {
        free(chunk->dense[j].f32);
        free(chunk->dense[j].f64);
    }
    free(chunk->dense);
}

/* One pass. order: lanes are run in an order of their own, each from its first chunk to its last. */
static skimp_status one_pass(const skimpi_estimator_class *class, void *self, const skimpi_pass *pass, const data *d,
                             const skimpi_needs *needs, unsigned order, skimp_error *error)
{
    uint64_t stride = pass->chunk_stride < 1 ? 1 : pass->chunk_stride;
    char *lanes = zeroed(needs->lanes, needs->lane_bytes), *scratch = zeroed(1, needs->worker_bytes);
    for (unsigned step = 0; step < needs->lanes; step++) {
        unsigned lane =
            order % 2 == 0 ? (step + order) % needs->lanes : (needs->lanes - 1 + order - step) % needs->lanes;
        for (uint64_t i = lane; i * stride < d->problem.n_chunks; i += needs->lanes) {
            skimpi_chunk chunk = d->chunks[i * stride];
            if (pass->shifts != NULL) {
                chunk = shifted(&d->chunks[i * stride], pass->shifts);
            }
            assert_int_equal(class->consume(self, pass, &chunk, lanes + lane * needs->lane_bytes, scratch, error),
                             SKIMP_OK);
            if (pass->shifts != NULL) {
                free_shifted(&chunk);
            }
        }
        memset(scratch, (int)step, needs->worker_bytes); /* nothing may live on in the scratch */
    }
    for (unsigned lane = 1; lane < needs->lanes; lane++) {
        class->merge(self, pass, lanes, lanes + lane * needs->lane_bytes);
    }
    skimp_status status = class->end_pass(self, pass, lanes, error);
    free(lanes);
    free(scratch);
    return status;
}

typedef struct fitted {
    void *self;
    skimpi_needs needs;
    skimpi_outcome outcome;
    unsigned passes;
    skimp_status status;
    skimp_error error;
} fitted;

/* Fits. resume: after that many passes the state moves to a new self (0: never). */
static fitted fit(const skimpi_estimator_class *class, skimp_budget *budget, const data *d, const skimpi_params *params,
                  unsigned order, unsigned resume, skimpi_warnings *warnings)
{
    fitted f = { .status = SKIMP_OK };
    f.status = class->plan(&d->problem, params, &f.needs, &f.error);
    if (f.status == SKIMP_OK) {
        f.status = class->begin(&f.self, budget, &d->problem, params, warnings, &f.error);
    }
    while (f.status == SKIMP_OK) {
        skimpi_pass pass;
        assert_int_equal(class->next_pass(f.self, &pass, &f.error), SKIMP_OK);
        if (pass.is_done) {
            class->result(f.self, &f.outcome);
            break;
        }
        assert_true(f.passes++ < 100000);
        f.status = one_pass(class, f.self, &pass, d, &f.needs, order, &f.error);
        if (f.status == SKIMP_OK && f.passes == resume) {
            skimpi_buffer state;
            skimp_budget *other = new_budget(0);
            skimpi_buffer_init(&state, other, SKIMP_TAG_OTHER);
            assert_int_equal(class->state_save(f.self, &state, NULL), SKIMP_OK);
            class->destroy(f.self);
            assert_int_equal(class->begin(&f.self, budget, &d->problem, params, NULL, NULL), SKIMP_OK);
            assert_int_equal(class->state_load(f.self, state.data, state.length, NULL), SKIMP_OK);
            skimpi_buffer_free(&state);
            assert_int_equal(skimp_budget_destroy(other), 0);
        }
    }
    return f;
}

#endif
