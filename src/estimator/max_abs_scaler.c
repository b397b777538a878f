/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * max_abs_scaler: x → x / max |x|, each column for itself; sparse data stays sparse.  Missing values stay missing and
 * count for nothing.  A largest value of under 10 ε counts as 1, as in scikit-learn.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "estimator/scaler.h"
#include "kernel/kernel.h"

typedef struct max_abs_scaler {
    skimpi_transformer base;
    bool clip;
} max_abs_scaler;

enum { LARGEST, SCALE, N_VECTORS };
static const char *const names[] = { [LARGEST] = "max_abs_", [SCALE] = "scale_" };

static const skimp_param params_table[] = {
    { .name = "copy",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "accepted for scikit-learn's sake; the data are never changed" },
    { .name = "clip",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "false",
      .help = "cut values of other data to [-1, 1]" },
    { .name = NULL },
};

static skimp_status plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                         skimp_error *error)
{
    (void)params;
    (void)error;
    uint64_t lane = skimpi_ranges_bytes(problem->n_features);
    *needs = (skimpi_needs){
        .lanes = skimpi_transformer_lanes(lane),
        .state_bytes = skimpi_transformer_bytes(sizeof(max_abs_scaler), problem, N_VECTORS),
        .lane_bytes = lane,
        .model_bytes = skimpi_mul_sat(problem->n_features, 2 * sizeof(double)),
        .passes_expected = 1,
        .passes_max = 1,
        .seconds_per_pass =
            5e-10 * (double)problem->n_rows * (double)problem->n_dense + 2e-9 * (double)problem->nonzeros,
    };
    return SKIMP_OK;
}

static void configure(max_abs_scaler *self, const skimpi_params *params)
{
    self->clip = skimpi_params_number(params, "clip") != 0;
}

static skimp_status begin(void **out, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                          skimpi_warnings *warnings, skimp_error *error)
{
    (void)warnings;
    skimp_status status = skimpi_transformer_create(out, sizeof(max_abs_scaler), budget, problem, N_VECTORS, error);
    if (status == SKIMP_OK) {
        configure(*out, params);
    }
    return status;
}

static skimp_status start(void *opaque, const skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    max_abs_scaler *self = opaque;
    const double *largest;
    SKIMPI_TRY(skimpi_scaler_start(&self->base, tensors, prefix, &names[LARGEST], &largest, 1, NULL, error));
    for (uint64_t j = 0; j < self->base.n_features; j++) {
        if (largest[j] < 0 || isinf(largest[j])) {
            SKIMPI_TRY(skimpi_scaler_bad_start(prefix, names[LARGEST], error));
        }
        skimpi_transformer_vector(&self->base, LARGEST)[j] = largest[j];
    }
out:
    return status;
}

static skimp_status end_pass(void *opaque, const skimpi_pass *pass, const void *lane, skimp_error *error)
{
    (void)pass;
    (void)error;
    max_abs_scaler *self = opaque;
    skimpi_ranges r = skimpi_ranges_of(lane, self->base.n_features);
    for (uint64_t j = 0; j < self->base.n_features; j++) {
        /* A sparse column without a value is all zeros, a dense one all missing. */
        bool any = r.least[j] <= r.largest[j], sparse = j >= self->base.n_features - self->base.n_sparse;
        double *largest = &skimpi_transformer_vector(&self->base, LARGEST)[j], before = *largest;
        *largest = any ? fmax(fabs(r.least[j]), fabs(r.largest[j])) : sparse ? 0 : (double)NAN;
        *largest = self->base.has_start ? fmax(*largest, before) : *largest;
        skimpi_transformer_vector(&self->base, SCALE)[j] = *largest >= 10 * DBL_EPSILON ? *largest : 1;
    }
    self->base.n_rows += (uint64_t)*r.n_rows;
    self->base.passes_done = 1;
    return SKIMP_OK;
}

static skimp_status save(const void *opaque, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    const max_abs_scaler *self = opaque;
    skimp_status status = SKIMP_OK;
    for (unsigned k = 0; k < N_VECTORS; k++) {
        SKIMPI_TRY(skimpi_transformer_save(&self->base, tensors, prefix, names[k],
                                           skimpi_transformer_vector(&self->base, k), error));
    }
    SKIMPI_TRY(skimpi_transformer_save_seen(&self->base, tensors, prefix, NULL, error));
out:
    return status;
}

static skimp_status load(void **out, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                         const skimpi_problem *problem, const skimpi_params *params, skimp_error *error)
{
    skimp_status status =
        skimpi_scaler_load(out, sizeof(max_abs_scaler), names, N_VECTORS, budget, tensors, prefix, problem, error);
    if (status == SKIMP_OK) {
        configure(*out, params);
    }
    return status;
}

static void transform(const void *opaque, skimpi_chunk *chunk)
{
    const max_abs_scaler *self = opaque;
    const double *scale = skimpi_transformer_vector(&self->base, SCALE);
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        skimpi_dense_column *column = &chunk->dense[j];
        skimpi_column_affine(column->f32, column->f64, chunk->n_rows, 0, 1 / scale[column->feature], 0);
        if (self->clip) {
            skimpi_transformer_clip(column->f32, column->f64, chunk->n_rows, -1, 1);
        }
    }
    if (chunk->has_csr && self->base.n_sparse > 0) {
        skimpi_transformer_divide_csr(chunk, scale);
        if (self->clip) {
            skimpi_transformer_clip(chunk->csr.f32, chunk->csr.f64, chunk->csr.indptr[chunk->n_rows], -1, 1);
        }
    }
}

const skimpi_estimator_class skimpi_class_max_abs_scaler = {
    .info = { .name = "max_abs_scaler",
              .class_name = "MaxAbsScaler",
              .module = "preprocessing",
              .kind = SKIMP_TRANSFORMER,
              .help = "scale columns by their largest absolute value",
              .params = params_table },
    .lane_begin = skimpi_ranges_begin,
    .consume = skimpi_ranges_consume,
    .merge = skimpi_ranges_merge,
    SKIMPI_SCALER_FUNCTIONS,
};
