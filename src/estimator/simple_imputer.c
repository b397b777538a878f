/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simple_imputer: missing values of a column become its mean, median or most frequent value, or a constant; of text columns
 * see imputer_text.c.
 *
 * A column without any value goes no further (statistics_ says NaN), unless keep_empty_features.  With add_indicator, a new
 * column for each that missed a value in the fit says where values are missing.  Sparse features do the same within the CSR
 * block, renumbered; there, a feature that is absent from some row has a value: 0.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/json_value.h"
#include "estimator/simple_imputer.h"
#include "kernel/kernel.h"

#define TILE 1024

typedef struct simple_imputer {
    skimpi_transformer base; /* vectors: see below */
    imputer_shape shape;
    double missing; /* NaN, or the number that stands for it */
    double fill;    /* of strategy constant */
    bool keep_empty, add_indicator;
    imputer_feature *features; /* median, most_frequent */
    imputer_text text;         /* n > 0: of text columns, and no numbers */
    unsigned passes;
    bool done;
} simple_imputer;

/* The statistics; of text columns, how many values were missing. */
static double *statistics_of(const simple_imputer *self)
{
    return skimpi_transformer_vector(&self->base, 0);
}

/* add_indicator: 0, or the number from 1 of a feature's indicator; how many values were missing while that is not known. */
static double *marks_of(const simple_imputer *self)
{
    return skimpi_transformer_vector(&self->base, 1);
}

/* Sparse features, some of which may go: the place of each among those that stay, or -1. */
static double *places_of(const simple_imputer *self)
{
    return skimpi_transformer_vector(&self->base, 1 + (unsigned)self->add_indicator);
}

static unsigned vectors_of(const imputer_settings *s)
{
    return 1 + (unsigned)s->add_indicator + (s->shape.n_sparse > 0 && !s->keep_empty);
}

static const skimp_param params_table[] = {
    { .name = "missing_values",
      .type = SKIMP_PARAM_JSON,
      .default_value = "NaN",
      .help = "what stands for a missing value: NaN (also an empty field) or a number; of text columns, a text" },
    { .name = "strategy",
      .type = SKIMP_PARAM_CHOICE,
      .default_value = "mean",
      .choices = "mean|median|most_frequent|constant",
      .help = "what to fill in" },
    { .name = "fill_value",
      .type = SKIMP_PARAM_JSON,
      .default_value = "null",
      .may_be_null = true,
      .help = "the constant to fill in; null: 0, of text columns missing_value" },
    { .name = "copy",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "accepted for scikit-learn's sake; the data are never changed" },
    { .name = "add_indicator",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "false",
      .help = "add a column for each that misses values in training, 1 where they are missing" },
    { .name = "keep_empty_features",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "false",
      .help = "fill columns without any value with 0 (or fill_value), instead of leaving them out" },
    { .name = NULL },
};

static bool read_number(const char *text, double *number)
{
    skimpi_json value;
    if (!skimpi_json_check(text, strlen(text), &value, NULL) || skimpi_json_kind_of(value) != SKIMPI_JSON_NUMBER) {
        return false;
    }
    *number = skimpi_json_number(value);
    return true;
}

static skimp_status read_numbers(const skimpi_problem *problem, const skimpi_params *params, imputer_settings *out,
                                 skimp_error *error)
{
    if (!read_number(skimpi_params_text(params, "missing_values"), &out->missing)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "simple_imputer: missing_values must be NaN or a number, not %s",
                           skimpi_params_text(params, "missing_values"));
    }
    if (problem->n_sparse > 0 && out->missing == 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "simple_imputer: missing_values cannot be 0 in sparse data");
    }
    if (!skimpi_params_is_null(params, "fill_value") &&
        (!read_number(skimpi_params_text(params, "fill_value"), &out->fill) || isnan(out->fill))) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "simple_imputer: fill_value must be a number, not %s (text columns want a step of their "
                           "own: simple_imputer@text)",
                           skimpi_params_text(params, "fill_value"));
    }
    out->fill = out->shape.strategy == IMPUTE_CONSTANT ? out->fill : 0;
    return SKIMP_OK;
}

static skimp_status read_settings(const skimpi_problem *problem, const skimpi_params *params, imputer_settings *out,
                                  skimp_error *error)
{
    const char *strategy = skimpi_params_text(params, "strategy");
    *out = (imputer_settings){ .shape = { .n_features = problem->n_features, .n_sparse = problem->n_sparse } };
    out->shape.strategy = strcmp(strategy, "mean") == 0            ? IMPUTE_MEAN
                          : strcmp(strategy, "median") == 0        ? IMPUTE_MEDIAN
                          : strcmp(strategy, "most_frequent") == 0 ? IMPUTE_MOST_FREQUENT
                                                                   : IMPUTE_CONSTANT;
    imputer_search_shape(&out->shape);
    out->keep_empty = skimpi_params_number(params, "keep_empty_features") != 0;
    out->add_indicator = skimpi_params_number(params, "add_indicator") != 0;
    return problem->n_code_columns > 0 ? imputer_text_settings(problem, params, out, error)
                                       : read_numbers(problem, params, out, error);
}

/* Numbers that take several passes. */
static bool searches(const imputer_shape *shape)
{
    return shape->strategy == IMPUTE_MEDIAN || shape->strategy == IMPUTE_MOST_FREQUENT;
}

/* Whether what the reading counted is all that is needed: the mean, or how many values there are. */
static bool takes_spreads(const skimpi_problem *problem, const imputer_settings *s)
{
    return !searches(&s->shape) && isnan(s->missing) && problem->n_features == problem->n_dense;
}

/* Columns that may miss values: all that are not known to be complete, where NaN is what is missing. */
static uint64_t may_miss(const skimpi_problem *problem, const imputer_settings *s)
{
    const bool is_nan = problem->n_code_columns > 0 ? s->missing_text == NULL : isnan(s->missing);
    return is_nan ? problem->n_features - skimpi_min_u64(problem->n_complete, problem->n_features)
                  : problem->n_features;
}

static skimp_status plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                         skimp_error *error)
{
    imputer_settings s;
    skimp_status status = read_settings(problem, params, &s, error);
    if (status != SKIMP_OK) {
        return status;
    }
    const uint64_t n_missing = may_miss(problem, &s), n_new = s.add_indicator ? n_missing : 0;
    *needs = (skimpi_needs){
        .state_bytes = skimpi_transformer_bytes(sizeof(simple_imputer), problem, vectors_of(&s)),
        .worker_bytes = TILE * sizeof(double),
        .new_floats = problem->n_sparse > 0 ? 0 : n_new,
        .new_sparse = problem->n_sparse > 0 ? n_new : 0,
        .doubles_csr = problem->n_sparse > 0 && n_new > 0,
        .may_drop = !s.keep_empty && n_missing > 0,
        .drops = s.keep_empty || !isnan(s.missing) ? 0 : problem->n_empty,
    };
    if (problem->n_code_columns > 0) {
        imputer_text_plan(problem, &s, needs);
        return SKIMP_OK;
    }
    uint64_t lane =
        searches(&s.shape) ? imputer_search_lane_bytes(&s.shape) : skimpi_moments_bytes(problem->n_features);
    uint64_t features = searches(&s.shape) ? skimpi_mul_sat(problem->n_features, sizeof(imputer_feature)) : 0;
    needs->lanes = skimpi_transformer_lanes(lane);
    needs->lane_bytes = lane;
    needs->state_bytes = skimpi_add_sat(needs->state_bytes, skimp_alloc_cost(features));
    needs->model_bytes = skimpi_mul_sat(problem->n_features, sizeof(double) * (1 + s.add_indicator));
    needs->passes_expected = s.shape.strategy == IMPUTE_MEDIAN                    ? 3
                             : problem->has_spreads && takes_spreads(problem, &s) ? 0
                                                                                  : 1;
    needs->passes_max = s.shape.strategy == IMPUTE_MEDIAN ? imputer_search_passes(&s.shape)
                        : s.shape.strategy == IMPUTE_MOST_FREQUENT
                            ? 2 + 8 * (double)problem->n_rows / (double)s.shape.slots
                            : 1;
    needs->seconds_per_pass = (searches(&s.shape) ? 4e-9 : 1e-9) *
                              ((double)problem->n_rows * (double)problem->n_dense + (double)problem->nonzeros);
    return SKIMP_OK;
}

static void destroy(void *opaque)
{
    simple_imputer *self = opaque;
    if (self != NULL) {
        skimp_free(self->base.budget, SKIMP_TAG_STATISTICS, self->features, self->base.n_features,
                   sizeof *self->features);
        imputer_text_destroy(&self->text, self->base.budget);
        skimpi_transformer_destroy(self);
    }
}

static skimp_status create(void **out, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                           bool fitting, skimp_error *error)
{
    imputer_settings s;
    skimp_status status = SKIMP_OK;
    *out = NULL;
    SKIMPI_TRY(read_settings(problem, params, &s, error));
    SKIMPI_TRY(skimpi_transformer_create(out, sizeof(simple_imputer), budget, problem, vectors_of(&s), error));
    simple_imputer *self = *out;
    self->shape = s.shape;
    self->missing = s.missing;
    self->fill = s.fill;
    self->keep_empty = s.keep_empty;
    self->add_indicator = s.add_indicator;
    if (problem->n_code_columns > 0) {
        SKIMPI_TRY(imputer_text_create(&self->text, budget, problem, &s, error));
        if (fitting) {
            SKIMPI_TRY(imputer_text_begin(&self->text, budget, problem, &s, error));
        }
    } else if (fitting && searches(&s.shape)) {
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

static bool drops(const void *opaque, uint32_t column)
{
    const simple_imputer *self = opaque;
    return self->text.n > 0 ? self->text.fills[column] == NULL
                            : !self->keep_empty && isnan(statistics_of(self)[column]);
}

/* One warning that names the columns that go. */
static void warn_empty(const simple_imputer *self)
{
    char names[200] = "";
    size_t used = 0;
    uint64_t n = 0;
    for (uint64_t j = 0; j < self->base.n_features; j++) {
        if (!drops(self, (uint32_t)j)) {
            continue;
        }
        const char *separator = n++ > 0 ? ", " : "";
        if (used < sizeof names && self->base.feature_names != NULL) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", separator, self->base.feature_names[j]);
        } else if (used < sizeof names) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%llu", separator, (unsigned long long)j);
        }
    }
    if (n > 0) {
        skimpi_warn(self->base.warnings, "%s without any value %s left out: %s%s",
                    self->base.feature_names != NULL ? (n == 1 ? "a column" : "columns")
                                                     : (n == 1 ? "a feature" : "features"),
                    n == 1 ? "is" : "are", names, used < sizeof names ? "" : "…");
    }
}

/* Numbers the features that have an indicator (marks: how many of their values were missing) and those that stay. */
static void number_features(simple_imputer *self)
{
    const uint64_t n = self->base.n_features;
    double next = 1, place = 0;
    for (uint64_t j = 0; j < n && self->add_indicator; j++) {
        marks_of(self)[j] = marks_of(self)[j] > 0 ? next++ : 0;
    }
    for (uint64_t j = 0; j < n && self->base.n_sparse > 0 && !self->keep_empty; j++) {
        places_of(self)[j] = drops(self, (uint32_t)j) ? -1 : place++;
    }
}

static uint64_t indicators_of(const simple_imputer *self)
{
    uint64_t n = 0;
    for (uint64_t j = 0; j < self->base.n_features && self->add_indicator; j++) {
        n += marks_of(self)[j] > 0;
    }
    return n;
}

/* The mean is there, or whatever else is filled in; so many values are missing. */
static void set_statistic(simple_imputer *self, uint64_t j, double seen, double mean, double n_missing)
{
    statistics_of(self)[j] = seen > 0 && self->shape.strategy == IMPUTE_CONSTANT ? self->fill : mean;
    if (self->add_indicator) {
        marks_of(self)[j] = n_missing;
    }
}

static void finish(simple_imputer *self)
{
    double *statistics = statistics_of(self);
    self->done = true;
    for (uint64_t j = 0; j < self->base.n_features && self->keep_empty && self->text.n == 0; j++) {
        statistics[j] = isnan(statistics[j]) ? self->fill : statistics[j];
    }
    warn_empty(self);
    number_features(self);
}

static skimp_status begin(void **out, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                          skimpi_warnings *warnings, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    imputer_settings s;
    SKIMPI_TRY(read_settings(problem, params, &s, error));
    SKIMPI_TRY(create(out, budget, problem, params, true, error));
    simple_imputer *self = *out;
    self->base.warnings = warnings;
    if (problem->spreads != NULL && takes_spreads(problem, &s)) {
        for (uint64_t j = 0; j < problem->n_features; j++) {
            const skimpi_column_spread *spread = skimpi_problem_spread(problem, j);
            set_statistic(self, j, spread->count, spread->count > 0 ? spread->mean : (double)NAN,
                          (double)problem->n_rows - spread->count);
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
    if (self->features != NULL) {
        pass->parameters = self->features;
        pass->parameter_bytes = self->base.n_features * sizeof *self->features;
    }
    return SKIMP_OK;
}

static void lane_begin(const void *opaque, const skimpi_pass *pass, void *lane)
{
    const simple_imputer *self = opaque;
    if (self->features != NULL) {
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
    if (self->text.n > 0) {
        return imputer_text_consume(&self->text, chunk, self->base.feature_names, lane, error);
    }
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
        for (uint32_t first = 0; first < chunk->n_rows; first += TILE) {
            uint32_t n = chunk->n_rows - first < TILE ? chunk->n_rows - first : TILE;
            for (uint32_t i = 0; i < n; i++) {
                x[i] = column->f32 != NULL ? (double)column->f32[first + i] : column->f64[first + i];
                if (!nan_is_missing) {
                    if (isnan(x[i])) {
                        return refuse_nan(self, column->feature, error);
                    }
                    x[i] = imputer_stands_for(self->missing, x[i]) ? (double)NAN : x[i];
                }
            }
            add_values(self, pass, lane, column->feature, x, n);
        }
    }
    if (chunk->has_csr && self->base.n_sparse > 0) {
        for (size_t at = 0; at < chunk->csr.indptr[chunk->n_rows]; at++) {
            uint64_t feature = skimpi_csr_feature(&chunk->csr, at);
            double value = skimpi_csr_number(&chunk->csr, at);
            if (!nan_is_missing && isnan(value)) {
                return refuse_nan(self, feature, error);
            }
            value = !nan_is_missing && imputer_stands_for(self->missing, value) ? (double)NAN : value;
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
    if (self->text.n > 0) {
        imputer_text_merge(&self->text, into, from);
    } else if (searches(&self->shape)) {
        imputer_search_merge(&self->shape, pass->parameters, into, from);
    } else {
        skimpi_moments a = skimpi_moments_of(into, self->base.n_features),
                       b = skimpi_moments_of((void *)(uintptr_t)from, self->base.n_features);
        skimpi_moments_merge(&a, &b, self->base.n_features);
    }
}

/* ---- the end of a fit ------------------------------------------------------------------------------------------------------ */

static void end_moments(simple_imputer *self, const void *lane)
{
    skimpi_moments m = skimpi_moments_of((void *)(uintptr_t)lane, self->base.n_features);
    for (uint64_t j = 0; j < self->base.n_features; j++) {
        double seen, mean, variance;
        skimpi_moments_finish(&m, j, j >= self->base.n_features - self->base.n_sparse, &seen, &mean, &variance);
        set_statistic(self, j, seen, mean, m.missing[j]);
    }
}

static skimp_status end_pass(void *opaque, const skimpi_pass *pass, const void *lane, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    simple_imputer *self = opaque;
    double *statistics = statistics_of(self);
    self->done = true;
    if (self->text.n > 0) {
        SKIMPI_TRY(
            imputer_text_end(&self->text, self->base.budget, &self->shape, self->keep_empty, lane, statistics, error));
        for (uint64_t j = 0; j < self->base.n_features && self->add_indicator; j++) {
            marks_of(self)[j] = statistics[j];
        }
    } else if (searches(&self->shape)) {
        self->done = imputer_search_end(&self->shape, self->features, (unsigned)pass->kind - 1, lane, statistics);
        for (uint64_t j = 0; j < self->base.n_features && self->add_indicator; j++) {
            marks_of(self)[j] = (double)self->features[j].n_missing;
        }
    } else {
        end_moments(self, lane);
    }
    self->passes++;
    if (self->done) {
        finish(self);
    }
out:
    return status;
}

/*
 * ---- checkpoints, models
 * -----------------------------------------------------------------------------------------------
 */

static size_t vector_bytes(const simple_imputer *self)
{
    return self->base.n_vectors * self->base.n_features * sizeof(double);
}

static skimp_status state_save(const void *opaque, skimpi_buffer *out, skimp_error *error)
{
    const simple_imputer *self = opaque;
    uint64_t head[2] = { self->passes, self->done };
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_append(out, head, sizeof head, error));
    SKIMPI_TRY(skimpi_buffer_append(out, self->base.vectors, vector_bytes(self), error));
    if (self->features != NULL) {
        SKIMPI_TRY(skimpi_buffer_append(out, self->features, self->base.n_features * sizeof *self->features, error));
    }
    if (self->text.n > 0) {
        SKIMPI_TRY(imputer_text_state_save(&self->text, out, error));
    }
out:
    return status;
}

static skimp_status state_load(void *opaque, const void *bytes, size_t n, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    simple_imputer *self = opaque;
    uint64_t head[2];
    const char *at = bytes;
    size_t features = self->features != NULL ? self->base.n_features * sizeof *self->features : 0,
           fixed = sizeof head + vector_bytes(self) + features;
    if (n < fixed || (n > fixed && self->text.n == 0)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of simple_imputer has the wrong size");
    }
    memcpy(head, at, sizeof head);
    if (head[0] > 1000000000 || head[1] > 1) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of simple_imputer holds impossible values");
    }
    self->passes = (unsigned)head[0];
    self->done = head[1] == 1;
    memcpy(self->base.vectors, at + sizeof head, vector_bytes(self));
    if (features > 0) {
        memcpy(self->features, at + sizeof head + vector_bytes(self), features);
    }
    /* What numbers the columns follows from the counts, which are not to be believed. */
    for (uint64_t j = 0; j < self->base.n_features && self->add_indicator; j++) {
        marks_of(self)[j] = marks_of(self)[j] > 0;
    }
    if (self->text.n > 0) {
        SKIMPI_TRY(imputer_text_state_load(&self->text, self->base.budget, at + fixed, n - fixed, error));
    }
    if (self->done) {
        number_features(self);
    }
out:
    return status;
}

static skimp_status indicator_name(skimpi_buffer *name, const char *prefix, skimp_error *error)
{
    return skimpi_buffer_printf(name, error, "%sindicator_.features_", prefix);
}

static skimp_status save(const void *opaque, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    const simple_imputer *self = opaque;
    skimp_status status = SKIMP_OK;
    skimpi_buffer name;
    void *data = NULL;
    skimpi_buffer_init(&name, self->base.budget, SKIMP_TAG_MODEL);
    if (self->text.n > 0) {
        SKIMPI_TRY(imputer_text_save(&self->text, self->base.budget, tensors, prefix, error));
    } else {
        SKIMPI_TRY(skimpi_transformer_save(&self->base, tensors, prefix, "statistics_", statistics_of(self), error));
    }
    if (self->add_indicator) {
        const uint64_t n = indicators_of(self);
        SKIMPI_TRY(indicator_name(&name, prefix, error));
        SKIMPI_TRY(skimpi_tensors_add(tensors, name.data, SKIMPI_I64, 1, &n, &data, error));
        for (uint64_t j = 0, k = 0; j < self->base.n_features; j++) {
            if (marks_of(self)[j] > 0) {
                ((int64_t *)data)[k++] = (int64_t)j;
            }
        }
    }
out:
    skimpi_buffer_free(&name);
    return status;
}

static skimp_status load_indicator(simple_imputer *self, const skimpi_tensors *tensors, const char *prefix,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer name;
    const skimpi_tensor *tensor = NULL;
    const uint64_t any = UINT64_MAX;
    int64_t last = -1;
    skimpi_buffer_init(&name, self->base.budget, SKIMP_TAG_MODEL);
    SKIMPI_TRY(indicator_name(&name, prefix, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, name.data, SKIMPI_I64, 1, &any, &tensor, error));
    for (uint64_t k = 0; k < tensor->n_values; k++) {
        const int64_t feature = ((const int64_t *)tensor->data)[k];
        if (feature <= last || (uint64_t)feature >= self->base.n_features) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "the model is damaged: %s", (const char *)name.data));
        }
        marks_of(self)[feature] = 1;
        last = feature;
    }
out:
    skimpi_buffer_free(&name);
    return status;
}

static skimp_status load(void **out, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                         const skimpi_problem *problem, const skimpi_params *params, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *out = NULL;
    SKIMPI_TRY(create(out, budget, problem, params, false, error));
    simple_imputer *self = *out;
    if (self->text.n > 0) {
        SKIMPI_TRY(imputer_text_load(&self->text, budget, tensors, prefix, error));
    } else {
        SKIMPI_TRY(skimpi_transformer_load(&self->base, tensors, prefix, "statistics_", statistics_of(self), error));
    }
    if (self->add_indicator) {
        SKIMPI_TRY(load_indicator(self, tensors, prefix, error));
    }
    number_features(self);
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
            double rounded = (double)(float)missing;
            for (size_t i = 0; i < n; i++) {
                f64[i] = f64[i] == missing || f64[i] == rounded ? value : f64[i];
            }
        }
    }
}

static void transform(const void *opaque, skimpi_chunk *chunk)
{
    const simple_imputer *self = opaque;
    const double *statistics = statistics_of(self);
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        skimpi_dense_column *column = &chunk->dense[j];
        fill_in(self, column->f32, column->f64, chunk->n_rows, statistics[column->feature]);
    }
    if (chunk->has_csr && self->base.n_sparse > 0) {
        const imputer_csr how = { .n_features = self->base.n_features,
                                  .missing = self->missing,
                                  .statistics = statistics,
                                  .marks = self->add_indicator ? marks_of(self) : NULL,
                                  .places = self->keep_empty ? NULL : places_of(self) };
        imputer_csr_transform(&how, chunk);
    }
}

/*
 * ---- columns
 * ------------------------------------------------------------------------------------------------------------
 */

static void changes(const void *opaque, skimpi_changes *out)
{
    const simple_imputer *self = opaque;
    const uint64_t n = indicators_of(self);
    if (self->base.n_sparse == 0) {
        out->new_floats = (uint32_t)n;
        return;
    }
    for (uint64_t j = 0; j < self->base.n_features; j++) {
        out->n_sparse -= drops(self, (uint32_t)j);
    }
    out->n_sparse += n;
    out->grows_csr = n > 0;
}

static void mark_floats(const float *x, size_t n, double missing, float *out)
{
    const float stands_for = (float)missing;
    const bool is_nan = isnan(missing);
    for (size_t i = 0; i < n; i++) {
        out[i] = (is_nan ? x[i] != x[i] : x[i] == stands_for) ? 1 : 0;
    }
}

static void mark_doubles(const double *x, size_t n, double missing, float *out)
{
    const double rounded = (double)(float)missing;
    const bool is_nan = isnan(missing);
    for (size_t i = 0; i < n; i++) {
        out[i] = (is_nan ? x[i] != x[i] : x[i] == missing || x[i] == rounded) ? 1 : 0;
    }
}

static void extend(const void *opaque, const skimpi_chunk *chunk, const uint32_t *recoded,
                   skimpi_dense_column *new_columns)
{
    const simple_imputer *self = opaque;
    for (uint32_t j = 0; j < self->base.n_features; j++) {
        if (!(marks_of(self)[j] > 0)) {
            continue;
        }
        float *out = (new_columns++)->f32;
        if (self->text.n > 0) {
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                out[i] = chunk->codes[j].codes[i] == recoded[j] ? 1 : 0;
            }
        } else if (chunk->dense[j].f32 != NULL) {
            mark_floats(chunk->dense[j].f32, chunk->n_rows, self->missing, out);
        } else {
            mark_doubles(chunk->dense[j].f64, chunk->n_rows, self->missing, out);
        }
    }
}

static skimp_status name_new(const void *opaque, uint32_t new_column, const char *const *names, skimpi_buffer *out,
                             skimp_error *error)
{
    const simple_imputer *self = opaque;
    uint64_t j = 0;
    while (j + 1 < self->base.n_features && marks_of(self)[j] != (double)new_column + 1) {
        j++;
    }
    return skimpi_buffer_printf(out, error, "missingindicator_%s", names[j]);
}

static void recode(const void *opaque, uint32_t column, skimpi_recoding *out)
{
    const simple_imputer *self = opaque;
    *out = (skimpi_recoding){ .from = self->text.missing,
                              .to = self->text.fills[column],
                              .was_used = statistics_of(self)[column] > 0 };
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
    .handles_text = true,
    .only_fills = only_fills,
    .changes = changes,
    .drops = drops,
    .extend = extend,
    .name_new = name_new,
    .recode = recode,
};
