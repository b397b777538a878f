/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fitted model of sgd_classifier and sgd_regressor: coef_, intercept_, n_iter_ and t_; decisions, labels and
 * probabilities.  Probabilities are scikit-learn's: for log_loss the sigmoid, for modified_huber (clip(m, -1, 1) + 1) / 2;
 * with several classes, each class against the rest, brought to the sum 1.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "estimator/sgd_fit.h"
#include "kernel/kernel.h"

#define TILE_ROWS 1024
#define NAME_BYTES 128

uint64_t skimpi_sgd_model_bytes(const skimpi_sgd_plan *plan)
{
    uint64_t k = plan->options.n_problems;
    uint64_t bytes = skimp_alloc_cost(sizeof(skimpi_sgd_fit));
    bytes = skimpi_add_sat(
        bytes, skimp_alloc_cost(skimpi_mul_sat(skimpi_mul_sat(k, plan->options.n_features), sizeof(double))));
    bytes =
        skimpi_add_sat(bytes, skimp_alloc_cost(k * sizeof(double)) + skimp_alloc_cost(k * sizeof(skimpi_sgd_problem)) +
                                  skimp_alloc_cost(k * sizeof(skimpi_sgd_epoch)));
    bytes = skimpi_add_sat(bytes, skimp_alloc_cost(skimpi_mul_sat(plan->n_dense, sizeof(skimpi_sgd_column))));
    return skimpi_add_sat(bytes, skimp_alloc_cost(skimpi_mul_sat(plan->n_dense + 1, sizeof(skimpi_sgd_moments))));
}

/* What a loaded model has. */
static skimp_status allocate_weights(skimpi_sgd_fit *fit, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    size_t k = fit->plan.options.n_problems;
    void *block;
    SKIMPI_TRY(skimp_alloc(fit->budget, SKIMP_TAG_SOLVER, k, sizeof(double), &block, error));
    fit->intercept = block;
    SKIMPI_TRY(
        skimp_alloc(fit->budget, SKIMP_TAG_SOLVER, k * fit->plan.options.n_features, sizeof(double), &block, error));
    fit->coef = block;
out:
    return status;
}

skimp_status skimpi_sgd_allocate_model(skimpi_sgd_fit *fit, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    size_t k = fit->plan.options.n_problems;
    void *block;
    SKIMPI_TRY(skimp_alloc(fit->budget, SKIMP_TAG_SOLVER, k, sizeof(skimpi_sgd_problem), &block, error));
    fit->problems = block;
    SKIMPI_TRY(skimp_alloc(fit->budget, SKIMP_TAG_SOLVER, fit->plan.n_dense, sizeof(skimpi_sgd_column), &block, error));
    fit->columns = block;
    SKIMPI_TRY(
        skimp_alloc(fit->budget, SKIMP_TAG_SOLVER, fit->plan.n_dense + 1, sizeof(skimpi_sgd_moments), &block, error));
    fit->moments = block;
    SKIMPI_TRY(skimp_alloc(fit->budget, SKIMP_TAG_SOLVER, k, sizeof(skimpi_sgd_epoch), &block, error));
    fit->epochs = block;
    SKIMPI_TRY(allocate_weights(fit, error));
out:
    return status;
}

void skimpi_sgd_fit_destroy(void *self)
{
    skimpi_sgd_fit *fit = self;
    if (fit == NULL) {
        return;
    }
    size_t k = fit->plan.options.n_problems;
    skimpi_sgd_destroy(fit->solver);
    skimp_free(fit->budget, SKIMP_TAG_SOLVER, fit->problems, k, sizeof(skimpi_sgd_problem));
    skimp_free(fit->budget, SKIMP_TAG_SOLVER, fit->columns, fit->plan.n_dense, sizeof(skimpi_sgd_column));
    skimp_free(fit->budget, SKIMP_TAG_SOLVER, fit->moments, fit->plan.n_dense + 1, sizeof(skimpi_sgd_moments));
    skimp_free(fit->budget, SKIMP_TAG_SOLVER, fit->epochs, k, sizeof(skimpi_sgd_epoch));
    skimp_free(fit->budget, SKIMP_TAG_SOLVER, fit->intercept, k, sizeof(double));
    skimp_free(fit->budget, SKIMP_TAG_SOLVER, fit->coef, k * fit->plan.options.n_features, sizeof(double));
    skimp_free(fit->budget, SKIMP_TAG_SOLVER, fit->window, fit->window_bytes, 1);
    skimp_free(fit->budget, SKIMP_TAG_SOLVER, fit, 1, sizeof(*fit));
}

void skimpi_sgd_take_weights(skimpi_sgd_fit *fit)
{
    uint64_t n = fit->plan.options.n_features;
    for (uint32_t k = 0; k < fit->plan.options.n_problems; k++) {
        double *w = fit->coef + k * n;
        fit->intercept[k] = skimpi_sgd_weights(fit->solver, k, w);
        for (uint64_t c = 0; fit->progress.has_layout && c < fit->plan.n_dense; c++) {
            const skimpi_sgd_column *column = &fit->columns[c];
            w[column->feature] = column->scale > 0 ? w[column->feature] / column->scale : 0;
            fit->intercept[k] -= w[column->feature] * column->mean;
        }
    }
}

/* ---- saved form ---------------------------------------------------------------------------------------------------- */

skimp_status skimpi_sgd_add(skimpi_tensors *tensors, const char *prefix, const char *name, skimpi_dtype dtype,
                            unsigned n_dims, const uint64_t *shape, void **data, skimp_error *error)
{
    char full[NAME_BYTES];
    if (snprintf(full, sizeof(full), "%s%s", prefix, name) >= (int)sizeof(full)) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "the prefix of a model's arrays is too long");
    }
    return skimpi_tensors_add(tensors, full, dtype, n_dims, shape, data, error);
}

static skimp_status add(skimpi_tensors *tensors, const char *prefix, const char *name, skimpi_dtype dtype,
                        unsigned n_dims, const uint64_t *shape, const void *values, size_t bytes, skimp_error *error)
{
    void *data;
    skimp_status status = skimpi_sgd_add(tensors, prefix, name, dtype, n_dims, shape, &data, error);
    if (status == SKIMP_OK) {
        memcpy(data, values, bytes);
    }
    return status;
}

skimp_status skimpi_sgd_model_save(const void *self, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_sgd_fit *fit = self;
    uint64_t k = fit->plan.options.n_problems, n = fit->plan.options.n_features;
    uint64_t shape[2] = { k, n }, one = 1;
    bool is_classifier = fit->plan.options.is_classifier;
    int64_t n_iter = (int64_t)fit->progress.n_iter;
    double t = fit->progress.steps + (double)fit->progress.n_iter * fit->progress.validation_rows + 1;
    /* A regressor's coef_ is a vector. */
    SKIMPI_TRY(add(tensors, prefix, "coef_", SKIMPI_F64, is_classifier ? 2 : 1, is_classifier ? shape : shape + 1,
                   fit->coef, k * n * sizeof(double), error));
    SKIMPI_TRY(add(tensors, prefix, "intercept_", SKIMPI_F64, 1, &k, fit->intercept, k * sizeof(double), error));
    SKIMPI_TRY(add(tensors, prefix, "n_iter_", SKIMPI_I64, 1, &one, &n_iter, sizeof(n_iter), error));
    SKIMPI_TRY(add(tensors, prefix, "t_", SKIMPI_F64, 1, &one, &t, sizeof(t), error));
    SKIMPI_TRY(skimpi_sgd_save_kept(fit, tensors, prefix, error));
out:
    return status;
}

static skimp_status look_up(const skimpi_tensors *tensors, const char *prefix, const char *name, bool may_lack,
                            skimpi_dtype dtype, unsigned n_dims, const uint64_t *shape, const void **values,
                            skimp_error *error)
{
    char full[NAME_BYTES];
    const skimpi_tensor *tensor;
    *values = NULL;
    if (snprintf(full, sizeof(full), "%s%s", prefix, name) >= (int)sizeof(full)) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "the prefix of a model's arrays is too long");
    }
    if (may_lack && skimpi_tensors_find(tensors, full) == NULL) {
        return SKIMP_OK;
    }
    skimp_status status = skimpi_tensors_need(tensors, full, dtype, n_dims, shape, &tensor, error);
    *values = status == SKIMP_OK ? tensor->data : NULL;
    return status;
}

skimp_status skimpi_sgd_need(const skimpi_tensors *tensors, const char *prefix, const char *name, skimpi_dtype dtype,
                             unsigned n_dims, const uint64_t *shape, const void **values, skimp_error *error)
{
    return look_up(tensors, prefix, name, false, dtype, n_dims, shape, values, error);
}

skimp_status skimpi_sgd_find(const skimpi_tensors *tensors, const char *prefix, const char *name, skimpi_dtype dtype,
                             unsigned n_dims, const uint64_t *shape, const void **values, skimp_error *error)
{
    return look_up(tensors, prefix, name, true, dtype, n_dims, shape, values, error);
}

/* Nothing is allocated, and no parameter read, before the arrays are known to be as large as the metadata claim. */
skimp_status skimpi_sgd_model_load(void **self, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                                   const skimpi_problem *problem, const skimpi_params *params, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_sgd_fit *fit = NULL;
    void *block;
    bool is_classifier = skimpi_params_info(params)->kind == SKIMP_CLASSIFIER;
    uint64_t k = skimpi_sgd_problems(is_classifier, problem), n = problem->n_features, one = 1, shape[2] = { k, n };
    const void *coef = NULL, *intercept = NULL, *n_iter = NULL, *t = NULL;
    *self = NULL;
    SKIMPI_TRY(skimpi_sgd_need(tensors, prefix, "coef_", SKIMPI_F64, is_classifier ? 2 : 1,
                               is_classifier ? shape : shape + 1, &coef, error));
    SKIMPI_TRY(skimpi_sgd_need(tensors, prefix, "intercept_", SKIMPI_F64, 1, &k, &intercept, error));
    SKIMPI_TRY(skimpi_sgd_need(tensors, prefix, "n_iter_", SKIMPI_I64, 1, &one, &n_iter, error));
    SKIMPI_TRY(skimpi_sgd_need(tensors, prefix, "t_", SKIMPI_F64, 1, &one, &t, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, 1, sizeof(*fit), &block, error));
    fit = block;
    fit->budget = budget;
    fit->n_classes = problem->n_classes;
    fit->name = skimpi_params_info(params)->name;
    SKIMPI_TRY(skimpi_sgd_read_params(&fit->plan, problem, params, error));
    SKIMPI_TRY(allocate_weights(fit, error));
    memcpy(fit->coef, coef, k * n * sizeof(double));
    memcpy(fit->intercept, intercept, k * sizeof(double));
    fit->progress = (skimpi_sgd_progress){ .phase = SKIMPI_SGD_DONE,
                                           .n_iter = (uint64_t) * (const int64_t *)n_iter,
                                           .objective = NAN,
                                           .converged = 1,
                                           .steps = *(const double *)t - 1 };
    *self = fit;
    fit = NULL;
out:
    skimpi_sgd_fit_destroy(fit);
    return status;
}

/* ---- predictions --------------------------------------------------------------------------------------------------- */

unsigned skimpi_sgd_model_outputs(const void *self, skimpi_predict_kind kind, const char **why)
{
    const skimpi_sgd_fit *fit = self;
    const skimpi_sgd_options *o = &fit->plan.options;
    if (kind == SKIMPI_PREDICT_LABEL) {
        return 1;
    }
    if (!o->is_classifier) {
        *why = "a regressor has values only";
        return 0;
    }
    if (kind == SKIMPI_PREDICT_DECISION) {
        return o->n_problems;
    }
    if (strcmp(o->loss->name, "log_loss") != 0 && strcmp(o->loss->name, "modified_huber") != 0) {
        *why = "sgd_classifier has probabilities with loss=log_loss and loss=modified_huber only";
        return 0;
    }
    return fit->n_classes;
}

/* Scratch of predict_class: some rows of a chunk, and their decisions for some classes. */
typedef struct label_scratch {
    double margins[SKIMPI_SGD_TILE_OUTPUTS * TILE_ROWS], best[TILE_ROWS];
    skimpi_dense_column columns[]; /* skimpi_sgd_view_bytes */
} label_scratch;

uint64_t skimpi_sgd_view_bytes(uint64_t n_dense, uint64_t n_code_columns)
{
    return skimpi_add_sat(skimpi_mul_sat(n_dense, sizeof(skimpi_dense_column)),
                          skimpi_mul_sat(n_code_columns, sizeof(skimpi_code_column)));
}

uint32_t skimpi_sgd_margins(const skimpi_sgd_fit *fit, const skimpi_chunk *rows, uint32_t first, double *out,
                            size_t stride)
{
    const skimpi_sgd_options *o = &fit->plan.options;
    uint32_t n = (uint32_t)skimpi_min_u64(o->n_problems - first, SKIMPI_SGD_TILE_OUTPUTS);
    skimpi_kernels_get()->margins(rows, n, fit->coef + (size_t)first * o->n_features, o->n_features,
                                  fit->intercept + first, out, stride);
    return n;
}

/* The class of the largest decision. */
static void predict_class(const skimpi_sgd_fit *fit, const skimpi_chunk *chunk, double *out, label_scratch *s)
{
    const skimpi_sgd_options *o = &fit->plan.options;
    for (uint32_t start = 0; start < chunk->n_rows; start += TILE_ROWS) {
        uint32_t n = chunk->n_rows - start < TILE_ROWS ? chunk->n_rows - start : TILE_ROWS;
        skimpi_chunk rows =
            skimpi_row_view(chunk, start, n, s->columns, (skimpi_code_column *)(void *)(s->columns + chunk->n_dense));
        for (uint32_t first = 0; first < o->n_problems; first += SKIMPI_SGD_TILE_OUTPUTS) {
            uint32_t outputs = skimpi_sgd_margins(fit, &rows, first, s->margins, TILE_ROWS);
            for (uint32_t i = 0; i < n; i++) {
                for (uint32_t k = 0; k < outputs; k++) {
                    double m = s->margins[k * TILE_ROWS + i];
                    if (first + k == 0 || m > s->best[i]) {
                        s->best[i] = m;
                        out[start + i] = first + k;
                    }
                }
            }
        }
    }
}

/* From decisions to probabilities, in place; two classes: the second column is made from the first. */
static void probabilities(const skimpi_sgd_fit *fit, uint32_t n, double *out, size_t stride)
{
    const skimpi_sgd_options *o = &fit->plan.options;
    bool is_log = strcmp(o->loss->name, "log_loss") == 0;
    for (uint32_t k = 0; k < o->n_problems; k++) {
        double *p = out + k * stride;
        if (is_log) {
            skimpi_sigmoid(n, p);
        } else {
            for (uint32_t i = 0; i < n; i++) {
                p[i] = (fmax(-1, fmin(1, p[i])) + 1) / 2;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (o->n_problems == 1) {
            out[stride + i] = out[i];
            out[i] = 1 - out[i];
            continue;
        }
        double sum = 0;
        for (uint32_t k = 0; k < o->n_problems; k++) {
            sum += out[k * stride + i];
        }
        for (uint32_t k = 0; k < o->n_problems; k++) {
            out[k * stride + i] =
                sum > 0 ? out[k * stride + i] / sum : 1.0 / o->n_problems; /* no class wants it: all alike */
        }
    }
}

skimp_status skimpi_sgd_model_predict(const void *self, skimpi_predict_kind kind, const skimpi_chunk *chunk,
                                      double *out, size_t stride, void *worker_scratch, skimp_error *error)
{
    (void)error;
    const skimpi_sgd_fit *fit = self;
    const skimpi_sgd_options *o = &fit->plan.options;
    if (kind == SKIMPI_PREDICT_LABEL && o->n_problems > 1) {
        predict_class(fit, chunk, out, worker_scratch);
        return SKIMP_OK;
    }
    skimpi_kernels_get()->margins(chunk, o->n_problems, fit->coef, o->n_features, fit->intercept, out, stride);
    if (kind == SKIMPI_PREDICT_LABEL && o->is_classifier) {
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            out[i] = out[i] > 0 ? 1 : 0;
        }
    } else if (kind == SKIMPI_PREDICT_PROBABILITY) {
        probabilities(fit, chunk->n_rows, out, stride);
    }
    return SKIMP_OK;
}

uint64_t skimpi_sgd_model_predict_bytes(const skimpi_problem *problem, const skimpi_params *params)
{
    bool has_classes = skimpi_params_info(params)->kind == SKIMP_CLASSIFIER && problem->n_classes > 2;
    uint64_t columns = skimpi_sgd_view_bytes(problem->n_dense, problem->n_code_columns);
    return has_classes ? skimpi_add_sat(sizeof(label_scratch), columns) : 0;
}
