/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * min_max_scaler: x → low + (x - min) × (high - low) / (max - min), each column for itself.  Missing values stay
 * missing and count for nothing.  A range of under 10 ε counts as 1, as in scikit-learn.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "data/json_value.h"
#include "estimator/scaler.h"
#include "kernel/kernel.h"

typedef struct min_max_scaler {
    skimpi_transformer base;
    double low, high;
    bool clip;
} min_max_scaler;

enum { LEAST, LARGEST, N_VECTORS };
/* In the model; it is loaded from the first two. */
static const char *const names[] = { [LEAST] = "data_min_", [LARGEST] = "data_max_", "data_range_", "scale_", "min_" };

static const skimp_param params_table[] = {
    { .name = "feature_range",
      .type = SKIMP_PARAM_JSON,
      .default_value = "[0, 1]",
      .help = "the range to scale to: [low, high]" },
    { .name = "copy",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "accepted for scikit-learn's sake; the data are never changed" },
    { .name = "clip",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "false",
      .help = "cut values of other data to the range" },
    { .name = NULL },
};

static skimp_status read_range(const skimpi_params *params, double range[2], skimp_error *error)
{
    const char *text = skimpi_params_text(params, "feature_range");
    skimpi_json value, key, item;
    bool good = skimpi_json_check(text, strlen(text), &value, NULL) &&
                skimpi_json_kind_of(value) == SKIMPI_JSON_ARRAY && skimpi_json_count(value) == 2;
    skimpi_json_items items = { 0 };
    if (good) {
        items = skimpi_json_begin(value);
    }
    for (unsigned i = 0; good && i < 2; i++) {
        good = skimpi_json_next(&items, &key, &item);
        range[i] = good ? skimpi_json_number(item) : 0;
        good = good && isfinite(range[i]);
    }
    if (!good) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "min_max_scaler: feature_range must be two numbers, [low, high], not %s", text);
    }
    if (range[0] >= range[1]) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "min_max_scaler: the first number of feature_range must be less than the second, not %s",
                           text);
    }
    return SKIMP_OK;
}

static skimp_status plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                         skimp_error *error)
{
    double range[2];
    skimp_status status = read_range(params, range, error);
    if (status != SKIMP_OK) {
        return status;
    }
    if (problem->n_sparse > 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "min_max_scaler does not take sparse data; max_abs_scaler does");
    }
    uint64_t lane = skimpi_ranges_bytes(problem->n_features);
    *needs = (skimpi_needs){
        .lanes = skimpi_transformer_lanes(lane),
        .state_bytes = skimpi_transformer_bytes(sizeof(min_max_scaler), problem, N_VECTORS),
        .lane_bytes = lane,
        .model_bytes = skimpi_mul_sat(problem->n_features, 5 * sizeof(double)),
        .passes_expected = 1,
        .passes_max = 1,
        .seconds_per_pass = 5e-10 * (double)problem->n_rows * (double)problem->n_dense,
    };
    return SKIMP_OK;
}

static void configure(min_max_scaler *self, const double range[2], const skimpi_params *params)
{
    self->low = range[0];
    self->high = range[1];
    self->clip = skimpi_params_number(params, "clip") != 0;
}

static skimp_status begin(void **out, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                          skimpi_warnings *warnings, skimp_error *error)
{
    (void)warnings;
    double range[2];
    skimp_status status = SKIMP_OK;
    *out = NULL;
    SKIMPI_TRY(read_range(params, range, error));
    SKIMPI_TRY(skimpi_transformer_create(out, sizeof(min_max_scaler), budget, problem, N_VECTORS, error));
    configure(*out, range, params);
out:
    return status;
}

static skimp_status start(void *opaque, const skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    min_max_scaler *self = opaque;
    const double *values[N_VECTORS];
    SKIMPI_TRY(skimpi_scaler_start(&self->base, tensors, prefix, names, values, N_VECTORS, NULL, error));
    for (uint64_t j = 0; j < self->base.n_features; j++) {
        const double least = values[LEAST][j], largest = values[LARGEST][j];
        if (isnan(least) != isnan(largest) || least > largest || isinf(least) || isinf(largest)) {
            SKIMPI_TRY(skimpi_scaler_bad_start(prefix, names[LEAST], error));
        }
        skimpi_transformer_vector(&self->base, LEAST)[j] = least;
        skimpi_transformer_vector(&self->base, LARGEST)[j] = largest;
    }
out:
    return status;
}

static skimp_status end_pass(void *opaque, const skimpi_pass *pass, const void *lane, skimp_error *error)
{
    (void)pass;
    (void)error;
    min_max_scaler *self = opaque;
    skimpi_ranges r = skimpi_ranges_of(lane, self->base.n_features);
    for (uint64_t j = 0; j < self->base.n_features; j++) {
        bool any = r.least[j] <= r.largest[j];
        double *least = &skimpi_transformer_vector(&self->base, LEAST)[j],
               *largest = &skimpi_transformer_vector(&self->base, LARGEST)[j];
        /* fmin and fmax pass over NaN: a column that had no value may have one now. */
        *least = fmin(any ? r.least[j] : (double)NAN, self->base.has_start ? *least : (double)NAN);
        *largest = fmax(any ? r.largest[j] : (double)NAN, self->base.has_start ? *largest : (double)NAN);
    }
    self->base.n_rows += (uint64_t)*r.n_rows;
    self->base.passes_done = 1;
    return SKIMP_OK;
}

static double factor_of(const min_max_scaler *self, uint64_t j)
{
    double range =
        skimpi_transformer_vector(&self->base, LARGEST)[j] - skimpi_transformer_vector(&self->base, LEAST)[j];
    return (self->high - self->low) / (range < 10 * DBL_EPSILON ? 1 : range);
}

/* scikit-learn's attributes are all made of the least and the largest value. */
static skimp_status save(const void *opaque, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    const min_max_scaler *self = opaque;
    const double *least = skimpi_transformer_vector(&self->base, LEAST),
                 *largest = skimpi_transformer_vector(&self->base, LARGEST);
    skimpi_buffer values;
    skimpi_buffer_init(&values, self->base.budget, SKIMP_TAG_MODEL);
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_reserve(&values, self->base.n_features * sizeof(double), error));
    double *v = values.data;
    for (unsigned k = 0; k < 5; k++) {
        for (uint64_t j = 0; j < self->base.n_features; j++) {
            v[j] = k == 0   ? least[j]
                   : k == 1 ? largest[j]
                   : k == 2 ? largest[j] - least[j]
                   : k == 3 ? factor_of(self, j)
                            : self->low - least[j] * factor_of(self, j);
        }
        SKIMPI_TRY(skimpi_transformer_save(&self->base, tensors, prefix, names[k], v, error));
    }
    SKIMPI_TRY(skimpi_transformer_save_seen(&self->base, tensors, prefix, NULL, error));
out:
    skimpi_buffer_free(&values);
    return status;
}

static skimp_status load(void **out, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                         const skimpi_problem *problem, const skimpi_params *params, skimp_error *error)
{
    double range[2];
    skimp_status status = SKIMP_OK;
    *out = NULL;
    if (problem->n_sparse > 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "min_max_scaler does not take sparse data");
    }
    SKIMPI_TRY(read_range(params, range, error));
    SKIMPI_TRY(
        skimpi_scaler_load(out, sizeof(min_max_scaler), names, N_VECTORS, budget, tensors, prefix, problem, error));
    configure(*out, range, params);
out:
    return status;
}

static void transform(const void *opaque, skimpi_chunk *chunk)
{
    const min_max_scaler *self = opaque;
    const double *least = skimpi_transformer_vector(&self->base, LEAST);
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        skimpi_dense_column *column = &chunk->dense[j];
        skimpi_column_affine(column->f32, column->f64, chunk->n_rows, least[column->feature],
                             factor_of(self, column->feature), self->low);
        if (self->clip) {
            skimpi_transformer_clip(column->f32, column->f64, chunk->n_rows, self->low, self->high);
        }
    }
}

const skimpi_estimator_class skimpi_class_min_max_scaler = {
    .info = { .name = "min_max_scaler",
              .class_name = "MinMaxScaler",
              .module = "preprocessing",
              .kind = SKIMP_TRANSFORMER,
              .help = "scale columns to a range",
              .params = params_table },
    .lane_begin = skimpi_ranges_begin,
    .consume = skimpi_ranges_consume,
    .merge = skimpi_ranges_merge,
    SKIMPI_SCALER_FUNCTIONS,
};
