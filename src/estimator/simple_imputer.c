/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simple_imputer: missing values of a column become its mean, median or most frequent value, or a constant.
 *
 * The number of columns stays as it is: where scikit-learn would drop a column without any value, it is filled with
 * zeros (statistics_ says NaN, as there), which no linear model can tell from its being dropped.
 */
#include <math.h>
#include <string.h>

#include "data/json_value.h"
#include "estimator/simple_imputer.h"
#include "kernel/kernel.h"

#define TILE 1024

typedef struct simple_imputer {
    skimpi_transformer base; /* one vector: the statistics */
    imputer_shape shape;
    double missing; /* NaN, or the number that stands for it */
    double fill;    /* of strategy constant */
    bool keep_empty;
    imputer_feature *features; /* median, most_frequent */
    unsigned passes;
    bool done;
} simple_imputer;

static const skimp_param params_table[] = {
    { .name = "missing_values",
      .type = SKIMP_PARAM_JSON,
      .default_value = "NaN",
      .help = "what stands for a missing value: NaN (also an empty field) or a number" },
    { .name = "strategy",
      .type = SKIMP_PARAM_CHOICE,
      .default_value = "mean",
      .choices = "mean|median|most_frequent|constant",
      .help = "what to fill in" },
    { .name = "fill_value",
      .type = SKIMP_PARAM_JSON,
      .default_value = "null",
      .may_be_null = true,
      .help = "the constant to fill in; null: 0" },
    { .name = "copy",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "accepted for scikit-learn's sake; the data are never changed" },
    { .name = "add_indicator",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "false",
      .help = "not possible here: a step does not add columns" },
    { .name = "keep_empty_features",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "false",
      .help = "fill columns without any value with 0 (or fill_value) without a warning" },
    { .name = NULL },
};

typedef struct settings {
    imputer_shape shape;
    double missing, fill;
    bool keep_empty;
} settings;

static bool read_number(const char *text, double *number)
{
    skimpi_json value;
    if (!skimpi_json_check(text, strlen(text), &value, NULL) || skimpi_json_kind_of(value) != SKIMPI_JSON_NUMBER) {
        return false;
    }
    *number = skimpi_json_number(value);
    return true;
}

static skimp_status read_settings(const skimpi_problem *problem, const skimpi_params *params, settings *out,
                                  skimp_error *error)
{
    const char *strategy = skimpi_params_text(params, "strategy");
    *out = (settings){ .shape = { .n_features = problem->n_features, .n_sparse = problem->n_sparse } };
    out->shape.strategy = strcmp(strategy, "mean") == 0            ? IMPUTE_MEAN
                          : strcmp(strategy, "median") == 0        ? IMPUTE_MEDIAN
                          : strcmp(strategy, "most_frequent") == 0 ? IMPUTE_MOST_FREQUENT
                                                                   : IMPUTE_CONSTANT;
    imputer_search_shape(&out->shape);
    out->keep_empty = skimpi_params_number(params, "keep_empty_features") != 0;
    if (skimpi_params_number(params, "add_indicator") != 0) {
        return skimpi_fail(
            error, SKIMP_ERROR_PARAM,
            "simple_imputer: add_indicator=true would add columns, which a step cannot do; leave it false");
    }
    if (!read_number(skimpi_params_text(params, "missing_values"), &out->missing)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "simple_imputer: missing_values must be NaN or a number, not %s",
                           skimpi_params_text(params, "missing_values"));
    }
    if (problem->n_sparse > 0 && out->missing == 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "simple_imputer: missing_values cannot be 0 in sparse data");
    }
    if (!skimpi_params_is_null(params, "fill_value") &&
        (!read_number(skimpi_params_text(params, "fill_value"), &out->fill) || isnan(out->fill))) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "simple_imputer: fill_value must be a number, not %s",
                           skimpi_params_text(params, "fill_value"));
    }
    out->fill = out->shape.strategy == IMPUTE_CONSTANT ? out->fill : 0;
    return SKIMP_OK;
}

static bool searches(const imputer_shape *shape)
{
    return shape->strategy == IMPUTE_MEDIAN || shape->strategy == IMPUTE_MOST_FREQUENT;
}

/* Whether what the reading counted is all that is needed: the mean, or whether there is any value. */
static bool takes_spreads(const settings *s)
{
    return !searches(&s->shape) && isnan(s->missing) && s->shape.n_sparse == 0;
}

static skimp_status plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                         skimp_error *error)
{
    settings s;
    skimp_status status = read_settings(problem, params, &s, error);
    if (status != SKIMP_OK) {
        return status;
    }
    uint64_t lane =
        searches(&s.shape) ? imputer_search_lane_bytes(&s.shape) : skimpi_moments_bytes(problem->n_features);
    uint64_t features = searches(&s.shape) ? skimpi_mul_sat(problem->n_features, sizeof(imputer_feature)) : 0;
    double most = s.shape.strategy == IMPUTE_MEDIAN          ? imputer_search_passes(&s.shape)
                  : s.shape.strategy == IMPUTE_MOST_FREQUENT ? 2 + 8 * (double)problem->n_rows / (double)s.shape.slots
                                                             : 1;
    *needs = (skimpi_needs){
        .lanes = skimpi_transformer_lanes(lane),
        .state_bytes =
            skimpi_add_sat(skimpi_transformer_bytes(sizeof(simple_imputer), problem, 1), skimp_alloc_cost(features)),
        .lane_bytes = lane,
        .worker_bytes = TILE * sizeof(double),
        .model_bytes = skimpi_mul_sat(problem->n_features, sizeof(double)),
        .passes_expected = s.shape.strategy == IMPUTE_MEDIAN           ? 3
                           : problem->has_spreads && takes_spreads(&s) ? 0
                                                                       : 1,
        .passes_max = most,
        .seconds_per_pass = (searches(&s.shape) ? 4e-9 : 1e-9) *
                            ((double)problem->n_rows * (double)problem->n_dense + (double)problem->nonzeros),
    };
    return SKIMP_OK;
}

static void destroy(void *opaque)
{
    simple_imputer *self = opaque;
    if (self != NULL) {
        skimp_free(self->base.budget, SKIMP_TAG_STATISTICS, self->features, self->base.n_features,
                   sizeof *self->features);
        skimpi_transformer_destroy(self);
    }
}

static skimp_status create(void **out, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                           bool fitting, skimp_error *error)
{
    settings s;
    skimp_status status = SKIMP_OK;
    *out = NULL;
    SKIMPI_TRY(read_settings(problem, params, &s, error));
    SKIMPI_TRY(skimpi_transformer_create(out, sizeof(simple_imputer), budget, problem, 1, error));
    simple_imputer *self = *out;
    self->shape = s.shape;
    self->missing = s.missing;
    self->fill = s.fill;
    self->keep_empty = s.keep_empty;
    if (fitting && searches(&s.shape)) {
        SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STATISTICS, problem->n_features, sizeof *self->features,
                               (void **)&self->features, error));
    }
out:
    if (status != SKIMP_OK) {
        destroy(*out);
        *out = NULL;
    }
    return status;
}

static void warn_empty(const simple_imputer *self)
{
    const double *statistics = skimpi_transformer_vector(&self->base, 0);
    for (uint64_t j = 0; j < self->base.n_features && !self->keep_empty; j++) {
        if (isnan(statistics[j])) {
            if (self->base.feature_names != NULL) {
                skimpi_warn(self->base.warnings, "column %s has no values at all: it is filled with %g",
                            self->base.feature_names[j], self->fill);
            } else {
                skimpi_warn(self->base.warnings, "feature %llu has no values at all: it is filled with %g",
                            (unsigned long long)j, self->fill);
            }
        }
    }
}

/* The mean is there, or whatever else is filled in. */
static void set_statistic(simple_imputer *self, uint64_t j, double seen, double mean)
{
    skimpi_transformer_vector(&self->base, 0)[j] =
        seen > 0 && self->shape.strategy == IMPUTE_CONSTANT ? self->fill : mean;
}

static void finish(simple_imputer *self)
{
    double *statistics = skimpi_transformer_vector(&self->base, 0);
    self->done = true;
    for (uint64_t j = 0; j < self->base.n_features && self->keep_empty; j++) {
        statistics[j] = isnan(statistics[j]) ? self->fill : statistics[j];
    }
    warn_empty(self);
}

static skimp_status begin(void **out, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                          skimpi_warnings *warnings, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    settings s;
    SKIMPI_TRY(read_settings(problem, params, &s, error));
    SKIMPI_TRY(create(out, budget, problem, params, true, error));
    simple_imputer *self = *out;
    self->base.warnings = warnings;
    if (problem->spreads != NULL && takes_spreads(&s)) {
        for (uint64_t j = 0; j < problem->n_features; j++) {
            const skimpi_column_spread *spread = skimpi_problem_spread(problem, j);
            set_statistic(self, j, spread->count, spread->count > 0 ? spread->mean : (double)NAN);
        }
        finish(self);
    }
out:
    return status;
}

static skimp_status next_pass(void *opaque, skimpi_pass *pass, skimp_error *error)
{
    (void)error;
    const simple_imputer *self = opaque;
    *pass = (skimpi_pass){ .is_done = self->done, .kind = 1 + (int)self->passes };
    if (searches(&self->shape)) {
        pass->parameters = self->features;
        pass->parameter_bytes = self->base.n_features * sizeof *self->features;
    }
    return SKIMP_OK;
}

static void lane_begin(const void *opaque, const skimpi_pass *pass, void *lane)
{
    const simple_imputer *self = opaque;
    if (searches(&self->shape)) {
        imputer_search_begin(&self->shape, pass->parameters, lane);
    }
}

/* NaN in the data, where another number stands for what is missing. */
static skimp_status refuse_nan(const simple_imputer *self, uint64_t feature, skimp_error *error)
{
    const char *name = self->base.feature_names != NULL ? self->base.feature_names[feature] : NULL;
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name,
                          "values are missing (NaN), but simple_imputer's missing_values is %.17g", self->missing);
}

static void add_values(const simple_imputer *self, const skimpi_pass *pass, void *lane, uint64_t feature,
                       const double *x, size_t n)
{
    if (searches(&self->shape)) {
        imputer_search_add(&self->shape, pass->parameters, (unsigned)pass->kind - 1, lane, feature, x, n);
    } else {
        skimpi_moments m = skimpi_moments_of(lane, self->base.n_features);
        skimpi_moments_add_column(&m, feature, NULL, x, n);
    }
}

static skimp_status consume(const void *opaque, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                            void *scratch, skimp_error *error)
{
    const simple_imputer *self = opaque;
    double *x = scratch;
    bool nan_is_missing = isnan(self->missing);
    skimpi_moments m = skimpi_moments_of(lane, self->base.n_features);
    if (searches(&self->shape)) {
        imputer_search_rows(lane, (double)chunk->n_rows);
    } else {
        *m.n_rows += (double)chunk->n_rows;
    }
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *column = &chunk->dense[j];
        if (nan_is_missing && !searches(&self->shape)) {
            skimpi_moments_add_column(&m, column->feature, column->f32, column->f64, chunk->n_rows);
            continue;
        }
        double stands_for = column->f32 != NULL ? (double)(float)self->missing : self->missing;
        for (uint32_t first = 0; first < chunk->n_rows; first += TILE) {
            uint32_t n = chunk->n_rows - first < TILE ? chunk->n_rows - first : TILE;
            for (uint32_t i = 0; i < n; i++) {
                x[i] = column->f32 != NULL ? (double)column->f32[first + i] : column->f64[first + i];
                if (!nan_is_missing) {
                    if (isnan(x[i])) {
                        return refuse_nan(self, column->feature, error);
                    }
                    x[i] = x[i] == stands_for ? (double)NAN : x[i];
                }
            }
            add_values(self, pass, lane, column->feature, x, n);
        }
    }
    if (chunk->has_csr && self->base.n_sparse > 0) {
        double stands_for = chunk->csr.f32 != NULL ? (double)(float)self->missing : self->missing;
        for (size_t at = 0; at < chunk->csr.indptr[chunk->n_rows]; at++) {
            uint64_t feature = skimpi_csr_feature(&chunk->csr, at);
            double value = skimpi_csr_number(&chunk->csr, at);
            if (!nan_is_missing && isnan(value)) {
                return refuse_nan(self, feature, error);
            }
            value = !nan_is_missing && value == stands_for ? (double)NAN : value;
            if (searches(&self->shape)) {
                add_values(self, pass, lane, feature, &value, 1);
            } else {
                skimpi_moments_add_value(&m, feature, value);
            }
        }
    }
    return SKIMP_OK;
}

static void merge(const void *opaque, const skimpi_pass *pass, void *into, const void *from)
{
    const simple_imputer *self = opaque;
    if (searches(&self->shape)) {
        imputer_search_merge(&self->shape, pass->parameters, into, from);
    } else {
        skimpi_moments a = skimpi_moments_of(into, self->base.n_features),
                       b = skimpi_moments_of((void *)(uintptr_t)from, self->base.n_features);
        skimpi_moments_merge(&a, &b, self->base.n_features);
    }
}

static skimp_status end_pass(void *opaque, const skimpi_pass *pass, const void *lane, skimp_error *error)
{
    (void)error;
    simple_imputer *self = opaque;
    double *statistics = skimpi_transformer_vector(&self->base, 0);
    if (searches(&self->shape)) {
        self->done = imputer_search_end(&self->shape, self->features, (unsigned)pass->kind - 1, lane, statistics);
    } else {
        skimpi_moments m = skimpi_moments_of((void *)(uintptr_t)lane, self->base.n_features);
        for (uint64_t j = 0; j < self->base.n_features; j++) {
            double seen, mean, variance;
            skimpi_moments_finish(&m, j, j >= self->base.n_features - self->base.n_sparse, &seen, &mean, &variance);
            set_statistic(self, j, seen, mean);
        }
        self->done = true;
    }
    self->passes++;
    if (self->done) {
        finish(self);
    }
    return SKIMP_OK;
}

/*
 * ---- checkpoints, models
 * -----------------------------------------------------------------------------------------------
 */

static skimp_status state_save(const void *opaque, skimpi_buffer *out, skimp_error *error)
{
    const simple_imputer *self = opaque;
    uint64_t head[2] = { self->passes, self->done };
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_append(out, head, sizeof head, error));
    SKIMPI_TRY(skimpi_buffer_append(out, skimpi_transformer_vector(&self->base, 0),
                                    self->base.n_features * sizeof(double), error));
    if (self->features != NULL) {
        SKIMPI_TRY(skimpi_buffer_append(out, self->features, self->base.n_features * sizeof *self->features, error));
    }
out:
    return status;
}

static skimp_status state_load(void *opaque, const void *bytes, size_t n, skimp_error *error)
{
    simple_imputer *self = opaque;
    uint64_t head[2];
    size_t statistics = self->base.n_features * sizeof(double),
           features = self->features != NULL ? self->base.n_features * sizeof *self->features : 0;
    if (n != sizeof head + statistics + features) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of simple_imputer has the wrong size");
    }
    memcpy(head, bytes, sizeof head);
    if (head[0] > 1000000000 || head[1] > 1) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of simple_imputer holds impossible values");
    }
    self->passes = (unsigned)head[0];
    self->done = head[1] == 1;
    memcpy(skimpi_transformer_vector(&self->base, 0), (const char *)bytes + sizeof head, statistics);
    if (features > 0) {
        memcpy(self->features, (const char *)bytes + sizeof head + statistics, features);
    }
    return SKIMP_OK;
}

static skimp_status save(const void *opaque, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    const simple_imputer *self = opaque;
    return skimpi_transformer_save(&self->base, tensors, prefix, "statistics_",
                                   skimpi_transformer_vector(&self->base, 0), error);
}

static skimp_status load(void **out, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                         const skimpi_problem *problem, const skimpi_params *params, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *out = NULL;
    SKIMPI_TRY(create(out, budget, problem, params, false, error));
    simple_imputer *self = *out;
    SKIMPI_TRY(skimpi_transformer_load(&self->base, tensors, prefix, "statistics_",
                                       skimpi_transformer_vector(&self->base, 0), error));
    self->done = true;
out:
    if (status != SKIMP_OK) {
        destroy(*out);
        *out = NULL;
    }
    return status;
}

/*
 * ---- transform
 * ---------------------------------------------------------------------------------------------------------
 */

/* Plain loops, one a kind, which compilers make vectors of: every pass over the data goes through here. */
static void fill_in(const simple_imputer *self, float *f32, double *f64, size_t n, double statistic)
{
    double value = isnan(statistic) ? self->fill : statistic, missing = self->missing;
    if (f32 != NULL) {
        float small = (float)value, stands_for = (float)missing;
        if (isnan(missing)) {
            for (size_t i = 0; i < n; i++) {
                f32[i] = f32[i] != f32[i] ? small : f32[i];
            }
        } else {
            for (size_t i = 0; i < n; i++) {
                f32[i] = f32[i] == stands_for ? small : f32[i];
            }
        }
    } else if (f64 != NULL) {
        if (isnan(missing)) {
            for (size_t i = 0; i < n; i++) {
                f64[i] = f64[i] != f64[i] ? value : f64[i];
            }
        } else {
            for (size_t i = 0; i < n; i++) {
                f64[i] = f64[i] == missing ? value : f64[i];
            }
        }
    }
}

static void transform(const void *opaque, skimpi_chunk *chunk)
{
    const simple_imputer *self = opaque;
    const double *statistics = skimpi_transformer_vector(&self->base, 0);
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        skimpi_dense_column *column = &chunk->dense[j];
        fill_in(self, column->f32, column->f64, chunk->n_rows, statistics[column->feature]);
    }
    if (chunk->has_csr && self->base.n_sparse > 0) {
        skimpi_csr_block *csr = &chunk->csr;
        for (size_t at = 0; at < csr->indptr[chunk->n_rows]; at++) {
            fill_in(self, csr->f32 != NULL ? csr->f32 + at : NULL, csr->f64 != NULL ? csr->f64 + at : NULL, 1,
                    statistics[skimpi_csr_feature(csr, at)]);
        }
    }
}

static bool only_fills(const skimpi_params *params)
{
    double missing;
    return read_number(skimpi_params_text(params, "missing_values"), &missing) && isnan(missing);
}

const skimpi_estimator_class skimpi_class_simple_imputer = {
    .info = { .name = "simple_imputer",
              .class_name = "SimpleImputer",
              .module = "impute",
              .kind = SKIMP_TRANSFORMER,
              .help = "fill in missing values",
              .params = params_table },
    .plan = plan,
    .begin = begin,
    .next_pass = next_pass,
    .lane_begin = lane_begin,
    .consume = consume,
    .merge = merge,
    .end_pass = end_pass,
    .progress = skimpi_transformer_progress,
    .state_save = state_save,
    .state_load = state_load,
    .result = skimpi_transformer_result,
    .save = save,
    .load = load,
    .destroy = destroy,
    .transform = transform,
    .accepts_missing = true,
    .removes_missing = true,
    .only_fills = only_fills,
};
