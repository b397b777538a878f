/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the scalers and the imputer share: a fitted array of numbers for each feature, the sums of a column's moments,
 * and applying x → (x - shift) × factor + add to dense columns and CSR values.
 *
 * A transformer's features are 0 … n_features - 1: dense columns by their own index, then those of a CSR block. 
 * One-hot codes are none of its business.
 */
#ifndef SKIMPI_TRANSFORMER_H
#define SKIMPI_TRANSFORMER_H

#include "estimator/estimator.h"

typedef struct skimpi_transformer {
    skimp_budget *budget;
    skimpi_warnings *warnings;
    const char *const *feature_names;
    uint64_t n_features, n_sparse;
    uint64_t n_rows;  /* seen in the fit */
    bool has_start;   /* the vectors, and n_rows, are those of a model to go on from, until the pass ends */
    bool is_weighted; /* rows count by their weights, and so does n_samples_seen_ */
    unsigned n_vectors;
    double *vectors; /* n_vectors × n_features */
    unsigned passes_done;
    size_t self_bytes; /* of the struct that this one begins */
} skimpi_transformer;

/* Allocates a zeroed struct of self_bytes that begins with a skimpi_transformer, and its vectors. */
SKIMP_CHECKED skimp_status skimpi_transformer_create(void **out, size_t self_bytes, skimp_budget *budget,
                                                     const skimpi_problem *problem, unsigned n_vectors,
                                                     skimp_error *error);
void skimpi_transformer_destroy(void *self);
uint64_t skimpi_transformer_bytes(size_t self_bytes, const skimpi_problem *problem, unsigned n_vectors);
static inline double *skimpi_transformer_vector(const skimpi_transformer *self, unsigned k)
{
    return self->vectors + k * self->n_features;
}

/* One double vector [n_features] under prefix + name. */
SKIMP_CHECKED skimp_status skimpi_transformer_save(const skimpi_transformer *self, skimpi_tensors *tensors,
                                                   const char *prefix, const char *name, const double *values,
                                                   skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_transformer_load(const skimpi_transformer *self, const skimpi_tensors *tensors,
                                                   const char *prefix, const char *name, double *values,
                                                   skimp_error *error);
/* n_samples_seen_: one number, or one a feature where they differ; I64, of weights F64. */
SKIMP_CHECKED skimp_status skimpi_transformer_save_seen(const skimpi_transformer *self, skimpi_tensors *tensors,
                                                        const char *prefix, const double *seen, skimp_error *error);

/* Checkpoints: n_rows, passes_done and the vectors. */
SKIMP_CHECKED skimp_status skimpi_transformer_state_save(const void *self, skimpi_buffer *out, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_transformer_state_load(void *self, const void *bytes, size_t n, skimp_error *error);
void skimpi_transformer_result(const void *self, skimpi_outcome *outcome);
double skimpi_transformer_progress(const void *self);

/* As many lanes as a modest budget holds, of bytes_each. */
unsigned skimpi_transformer_lanes(uint64_t bytes_each);

/*
 * Divides the values of a CSR block by divisor[feature]. The block must have values: implicit ones cannot be changed.
 */
void skimpi_transformer_divide_csr(skimpi_chunk *chunk, const double *divisor);
/* Cuts values to [low, high]; NaN stays. Exactly one of f32 and f64 is set, or neither (implicit ones). */
void skimpi_transformer_clip(float *f32, double *f64, size_t n, double low, double high);
uint64_t skimpi_csr_feature(const skimpi_csr_block *csr, size_t at);
double skimpi_csr_number(const skimpi_csr_block *csr, size_t at);

/* ---- moments of columns ------------------------------------------------------------------------------------------ */

/*
 * Sums about a centre, one of each for a feature: how many values, Σ (x - c), Σ (x - c)², and how many are missing. 
 * The centre is the mean of the lane's first chunk (CSR: the first value), and moves after the mean when that goes far,
 * so that offsets cost nothing; lanes are combined as Chan, Golub & LeVeque (1983, eq. 2.1) do.  A lane begins with it:
 * 1 + 5 n_features doubles.
 */
typedef struct skimpi_moments {
    double *n_rows;
    double *count, *centre, *sum, *squares, *missing;
} skimpi_moments;

uint64_t skimpi_moments_bytes(uint64_t n_features);
skimpi_moments skimpi_moments_of(void *lane, uint64_t n_features);
void skimpi_moments_add_column(const skimpi_moments *m, uint64_t feature, const float *f32, const double *f64,
                               size_t n);
void skimpi_moments_add_value(const skimpi_moments *m, uint64_t feature, double x);
/* A value of a row of that weight. */
void skimpi_moments_add_weighted(const skimpi_moments *m, uint64_t feature, double x, double weight);
void skimpi_moments_merge(const skimpi_moments *into, const skimpi_moments *from, uint64_t n_features);
/*
 * Of a whole column, implicit zeros included: the number of values, their mean and variance (NaN where there are none).
 */
void skimpi_moments_finish(const skimpi_moments *m, uint64_t feature, bool is_sparse, double *seen, double *mean,
                           double *variance);

#endif
