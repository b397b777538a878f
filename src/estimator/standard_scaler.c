/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * standard_scaler: z = (x - mean) / standard deviation, each column for itself.  Missing values stay missing and count
 * for nothing; a column that cannot be told from a constant (by the error bound of two-pass variance, Chan, Golub &
 * LeVeque 1983, as scikit-learn takes it) is centred and not scaled.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "estimator/scaler.h"
#include "kernel/kernel.h"

typedef struct standard_scaler {
    skimpi_transformer base;
    bool with_mean, with_std;
} standard_scaler;

enum { MEAN, SCALE, VARIANCE, SEEN, N_VECTORS }; /* the first two make a loaded model, as far as it needs them */

static const skimp_param params_table[] = {
    { .name = "copy",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "accepted for scikit-learn's sake; the data are never changed" },
    { .name = "with_mean",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "centre the columns (not possible on sparse data)" },
    { .name = "with_std",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "scale the columns to unit variance" },
    { .name = NULL },
};

static skimp_status plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                         skimp_error *error)
{
    if (problem->n_sparse > 0 && skimpi_params_number(params, "with_mean") != 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "standard_scaler cannot centre sparse data: set with_mean=false");
    }
    uint64_t lane = skimpi_moments_bytes(problem->n_features);
    *needs = (skimpi_needs){
        .lanes = skimpi_transformer_lanes(lane),
        .state_bytes = skimpi_transformer_bytes(sizeof(standard_scaler), problem, N_VECTORS),
        .lane_bytes = lane,
        .model_bytes = skimpi_mul_sat(problem->n_features, N_VECTORS * sizeof(double)),
        .passes_expected = problem->has_spreads ? 0 : 1,
        .passes_max = 1,
        .seconds_per_pass =
            1e-9 * (double)problem->n_rows * (double)problem->n_dense + 3e-9 * (double)problem->nonzeros,
    };
    return SKIMP_OK;
}

static void configure(standard_scaler *self, const skimpi_params *params)
{
    self->with_mean = skimpi_params_number(params, "with_mean") != 0;
    self->with_std = skimpi_params_number(params, "with_std") != 0;
}

/* What is known of a feature: how many values, mean and variance. */
static void set_feature(standard_scaler *self, uint64_t j, double n, double mean, double variance)
{
    skimpi_transformer *base = &self->base;
    double bound = n * mean * DBL_EPSILON;
    bool constant = variance <= n * DBL_EPSILON * variance + bound * bound;
    skimpi_transformer_vector(base, SEEN)[j] = n;
    skimpi_transformer_vector(base, MEAN)[j] = mean;
    skimpi_transformer_vector(base, VARIANCE)[j] = variance;
    skimpi_transformer_vector(base, SCALE)[j] = constant ? 1 : sqrt(variance);
}

/* The feature's values so far, and n more with that mean and variance: Chan, Golub & LeVeque 1983, eq. 1.5. */
static void add_values(standard_scaler *self, uint64_t j, double n, double mean, double variance)
{
    const skimpi_transformer *base = &self->base;
    const double before = skimpi_transformer_vector(base, SEEN)[j], all = before + n;
    if (before > 0 && n > 0) {
        const double mean_before = skimpi_transformer_vector(base, MEAN)[j], apart = mean - mean_before;
        variance = (before * skimpi_transformer_vector(base, VARIANCE)[j] + n * variance +
                    apart * apart * (before * (n / all))) /
                   all;
        mean = mean_before + apart * (n / all);
    }
    if (n > 0 || before == 0) {
        set_feature(self, j, all, mean, variance);
    }
}

/* The reading has counted: no pass is needed. */
static void take_spreads(standard_scaler *self, const skimpi_problem *problem)
{
    for (uint64_t j = 0; j < problem->n_features; j++) {
        const skimpi_column_spread *spread = skimpi_problem_spread(problem, j);
        bool any = spread->count > 0;
        set_feature(self, j, spread->count, any ? spread->mean : (double)NAN,
                    any ? spread->squares / spread->count : (double)NAN);
    }
    self->base.n_rows = problem->n_rows;
    self->base.passes_done = 1;
}

static skimp_status begin(void **out, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                          skimpi_warnings *warnings, skimp_error *error)
{
    (void)warnings;
    skimp_status status = skimpi_transformer_create(out, sizeof(standard_scaler), budget, problem, N_VECTORS, error);
    if (status == SKIMP_OK) {
        configure(*out, params);
        ((standard_scaler *)*out)->base.is_weighted = problem->weighted;
        if (problem->spreads != NULL && problem->n_sparse == 0) {
            take_spreads(*out, problem);
        }
    }
    return status;
}

/* What is not used is not saved either: a mean of 0, no variance. */
static skimp_status start(void *opaque, const skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    static const char *const names[] = { "mean_", "var_" };
    skimp_status status = SKIMP_OK;
    standard_scaler *self = opaque;
    skimpi_transformer *base = &self->base;
    const double *values[2] = { NULL, NULL };
    const bool is_known = base->passes_done == 1; /* the reading has counted: that is what is added */
    double *seen = skimpi_transformer_vector(base, is_known ? SCALE : SEEN); /* scales are made anew */
    SKIMPI_TRY(skimpi_scaler_start(base, tensors, prefix, names, values,
                                   self->with_std    ? 2
                                   : self->with_mean ? 1
                                                     : 0,
                                   seen, error));
    for (uint64_t j = 0; j < base->n_features; j++) {
        const double n = seen[j], mean = values[0] != NULL ? values[0][j] : 0,
                     variance = values[1] != NULL ? values[1][j] : 0;
        if (n > 0 && !(isfinite(mean) && variance >= 0 && isfinite(variance))) {
            SKIMPI_TRY(skimpi_scaler_bad_start(prefix, isfinite(mean) ? "var_" : "mean_", error));
        }
        if (is_known) {
            add_values(self, j, n, mean, variance);
        } else {
            set_feature(self, j, n, n > 0 ? mean : (double)NAN, n > 0 ? variance : (double)NAN);
        }
    }
out:
    return status;
}

static void consume_weighted(const skimpi_moments *m, const skimpi_chunk *chunk, bool has_csr)
{
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        *m->n_rows += chunk->weight[i];
        for (size_t at = has_csr ? chunk->csr.indptr[i] : 0; has_csr && at < chunk->csr.indptr[i + 1]; at++) {
            skimpi_moments_add_weighted(m, skimpi_csr_feature(&chunk->csr, at), skimpi_csr_number(&chunk->csr, at),
                                        chunk->weight[i]);
        }
    }
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *column = &chunk->dense[j];
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            skimpi_moments_add_weighted(
                m, column->feature, column->f32 != NULL ? (double)column->f32[i] : column->f64[i], chunk->weight[i]);
        }
    }
}

static skimp_status consume(const void *opaque, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                            void *scratch, skimp_error *error)
{
    (void)pass;
    (void)scratch;
    (void)error;
    const standard_scaler *self = opaque;
    skimpi_moments m = skimpi_moments_of(lane, self->base.n_features);
    if (self->base.is_weighted && chunk->weight != NULL) {
        consume_weighted(&m, chunk, chunk->has_csr && self->base.n_sparse > 0);
        return SKIMP_OK;
    }
    *m.n_rows += (double)chunk->n_rows;
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        skimpi_moments_add_column(&m, chunk->dense[j].feature, chunk->dense[j].f32, chunk->dense[j].f64, chunk->n_rows);
    }
    if (chunk->has_csr && self->base.n_sparse > 0) {
        for (size_t at = 0; at < chunk->csr.indptr[chunk->n_rows]; at++) {
            skimpi_moments_add_value(&m, skimpi_csr_feature(&chunk->csr, at), skimpi_csr_number(&chunk->csr, at));
        }
    }
    return SKIMP_OK;
}

static void merge(const void *opaque, const skimpi_pass *pass, void *into, const void *from)
{
    (void)pass;
    const standard_scaler *self = opaque;
    skimpi_moments a = skimpi_moments_of(into, self->base.n_features),
                   b = skimpi_moments_of((void *)(uintptr_t)from, self->base.n_features);
    skimpi_moments_merge(&a, &b, self->base.n_features);
}

static skimp_status end_pass(void *opaque, const skimpi_pass *pass, const void *lane, skimp_error *error)
{
    (void)pass;
    (void)error;
    standard_scaler *self = opaque;
    skimpi_transformer *base = &self->base;
    skimpi_moments m = skimpi_moments_of((void *)(uintptr_t)lane, base->n_features);
    for (uint64_t j = 0; j < base->n_features; j++) {
        double seen, mean, variance;
        skimpi_moments_finish(&m, j, j >= base->n_features - base->n_sparse, &seen, &mean, &variance);
        add_values(self, j, seen, mean, variance);
    }
    base->n_rows += (uint64_t)*m.n_rows;
    base->passes_done = 1;
    return SKIMP_OK;
}

static skimp_status save(const void *opaque, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    const standard_scaler *self = opaque;
    const skimpi_transformer *base = &self->base;
    skimp_status status = SKIMP_OK;
    if (self->with_mean || self->with_std) {
        SKIMPI_TRY(
            skimpi_transformer_save(base, tensors, prefix, "mean_", skimpi_transformer_vector(base, MEAN), error));
    }
    if (self->with_std) {
        SKIMPI_TRY(
            skimpi_transformer_save(base, tensors, prefix, "var_", skimpi_transformer_vector(base, VARIANCE), error));
        SKIMPI_TRY(
            skimpi_transformer_save(base, tensors, prefix, "scale_", skimpi_transformer_vector(base, SCALE), error));
    }
    SKIMPI_TRY(skimpi_transformer_save_seen(base, tensors, prefix, skimpi_transformer_vector(base, SEEN), error));
out:
    return status;
}

static skimp_status load(void **out, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                         const skimpi_problem *problem, const skimpi_params *params, skimp_error *error)
{
    static const char *const names[] = { [MEAN] = "mean_", [SCALE] = "scale_" };
    unsigned n = skimpi_params_number(params, "with_std") != 0 ? 2 : skimpi_params_number(params, "with_mean") != 0;
    if (problem->n_sparse > 0 && skimpi_params_number(params, "with_mean") != 0) {
        *out = NULL;
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "standard_scaler cannot centre sparse data");
    }
    skimp_status status =
        skimpi_scaler_load(out, sizeof(standard_scaler), names, n, budget, tensors, prefix, problem, error);
    if (status == SKIMP_OK) {
        configure(*out, params);
    }
    return status;
}

static void transform(const void *opaque, skimpi_chunk *chunk)
{
    const standard_scaler *self = opaque;
    const double *mean = skimpi_transformer_vector(&self->base, MEAN),
                 *scale = skimpi_transformer_vector(&self->base, SCALE);
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        skimpi_dense_column *column = &chunk->dense[j];
        uint64_t feature = column->feature;
        skimpi_column_affine(column->f32, column->f64, chunk->n_rows, self->with_mean ? mean[feature] : 0,
                             self->with_std ? 1 / scale[feature] : 1, 0);
    }
    if (chunk->has_csr && self->base.n_sparse > 0 && self->with_std) {
        skimpi_transformer_divide_csr(chunk, scale);
    }
}

const skimpi_estimator_class skimpi_class_standard_scaler = {
    .info = { .name = "standard_scaler",
              .class_name = "StandardScaler",
              .module = "preprocessing",
              .kind = SKIMP_TRANSFORMER,
              .help = "centre columns and scale them to unit variance",
              .params = params_table },
    .consume = consume,
    .merge = merge,
    SKIMPI_SCALER_FUNCTIONS,
};
