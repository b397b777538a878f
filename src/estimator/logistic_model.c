/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fitted logistic regression: its arrays (coef_ K × p, intercept_ K, n_iter_), its predictions, and the state that a
 * checkpoint keeps of a fit under way.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "estimator/logistic.h"

#define NAME_BYTES 256

/* ---- checkpoint ------------------------------------------------------------------------------------------------------- */

/* Then: the centres, the shifts, the solver's block, and the model (K (p + 1)) once it is fitted. */
typedef struct saved_state {
    char magic[8];
    uint64_t p, n_outputs, n, solver_bytes;
    uint64_t is_fitted, has_centres, has_shifts, n_moments, worst, n_iter, converged;
    double weight, objective;
} saved_state;

static const char STATE_MAGIC[8] = "logreg2";

static uint64_t model_values(const logistic *self)
{
    return self->shape.n_outputs * (self->shape.p + 1);
}

skimp_status skimpi_logistic_state_save(const void *self_, skimpi_buffer *out, skimp_error *error)
{
    const logistic *self = self_;
    const logistic_shape *shape = &self->shape;
    skimp_status status = SKIMP_OK;
    saved_state saved = {
        .p = shape->p,
        .n_outputs = shape->n_outputs,
        .n = shape->n,
        .solver_bytes = shape->solver_bytes,
        .is_fitted = self->is_fitted,
        .has_centres = self->has_centres,
        .has_shifts = self->has_shifts,
        .n_moments = self->n_moments,
        .worst = self->worst,
        .n_iter = self->n_iter,
        .converged = self->converged,
        .weight = self->weight,
        .objective = self->objective,
    };
    memcpy(saved.magic, STATE_MAGIC, sizeof saved.magic);
    SKIMPI_TRY(skimpi_buffer_append(out, &saved, sizeof saved, error));
    SKIMPI_TRY(skimpi_buffer_append(out, self->centre, 2 * shape->n_centres * sizeof(double), error));
    SKIMPI_TRY(skimpi_buffer_append(out, self->solver, shape->solver_bytes, error));
    if (self->is_fitted) {
        SKIMPI_TRY(skimpi_buffer_append(out, self->pass->values, model_values(self) * sizeof(double), error));
    }
out:
    return status;
}

skimp_status skimpi_logistic_state_load(void *self_, const void *bytes, size_t n, skimp_error *error)
{
    logistic *self = self_;
    const logistic_shape *shape = &self->shape;
    saved_state saved;
    size_t fixed = sizeof saved + 2 * shape->n_centres * sizeof(double) + shape->solver_bytes,
           model = model_values(self) * sizeof(double);
    if (n < fixed) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "logistic_regression: the checkpoint is cut short");
    }
    memcpy(&saved, bytes, sizeof saved);
    bool is_known = memcmp(saved.magic, STATE_MAGIC, sizeof saved.magic) == 0 && saved.is_fitted <= 1 &&
                    saved.has_centres <= 1 && saved.has_shifts <= 1 && saved.n_moments <= 2 && saved.converged <= 1;
    if (!is_known || saved.p != shape->p || saved.n_outputs != shape->n_outputs || saved.n != shape->n ||
        saved.solver_bytes != shape->solver_bytes || n != fixed + (saved.is_fitted ? model : 0) ||
        saved.worst >= shape->n || ((saved.has_centres || saved.has_shifts) && !shape->is_centred)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "logistic_regression: the checkpoint is of another model or damaged");
    }
    const char *at = (const char *)bytes + sizeof saved;
    memcpy(self->centre, at, 2 * shape->n_centres * sizeof(double)); /* and the shifts */
    at += 2 * shape->n_centres * sizeof(double);
    memcpy(self->solver, at, shape->solver_bytes);
    at += shape->solver_bytes;
    if (!shape->solver->check(self->solver, &shape->options)) {
        memset(self->solver, 0, shape->solver_bytes);
        shape->solver->init(self->solver, &shape->options);
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "logistic_regression: the checkpoint is of another model or damaged");
    }
    if (saved.is_fitted) {
        memcpy(self->pass->values, at, model);
    }
    self->is_fitted = saved.is_fitted;
    if (saved.has_centres) {
        skimpi_logistic_take_centres(self);
    }
    self->has_shifts = saved.has_shifts;
    self->n_moments = saved.n_moments;
    self->worst = saved.worst;
    self->n_iter = saved.n_iter;
    self->converged = saved.converged;
    self->weight = saved.weight;
    self->objective = saved.objective;
    return SKIMP_OK;
}

/* ---- fitted arrays ---------------------------------------------------------------------------------------------------- */

static skimp_status attribute(const char *prefix, const char *name, char out[NAME_BYTES], skimp_error *error)
{
    int length = snprintf(out, NAME_BYTES, "%s%s", prefix, name);
    return length < NAME_BYTES ? SKIMP_OK
                               : skimpi_fail(error, SKIMP_ERROR_INTERNAL, "tensor name too long: %s%s", prefix, name);
}

uint64_t skimpi_logistic_model_bytes(const logistic_shape *shape)
{
    uint64_t coef = skimpi_mul_sat(skimpi_mul_sat(shape->n_outputs, shape->p), sizeof(double));
    uint64_t names = 3 * skimp_alloc_cost(NAME_BYTES);
    return skimp_alloc_cost(coef) + skimp_alloc_cost(shape->n_outputs * sizeof(double)) +
           skimp_alloc_cost(sizeof(int32_t)) + names;
}

skimp_status skimpi_logistic_save(const void *self_, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    const logistic *self = self_;
    uint64_t k = self->shape.n_outputs, p = self->shape.p;
    skimp_status status = SKIMP_OK;
    char name[NAME_BYTES];
    void *data;
    SKIMPI_TRY(attribute(prefix, "coef_", name, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, name, SKIMPI_F64, 2, (const uint64_t[]){ k, p }, &data, error));
    memcpy(data, self->pass->values, k * p * sizeof(double));
    SKIMPI_TRY(attribute(prefix, "intercept_", name, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, name, SKIMPI_F64, 1, &k, &data, error));
    memcpy(data, self->pass->values + k * p, k * sizeof(double));
    SKIMPI_TRY(attribute(prefix, "n_iter_", name, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, name, SKIMPI_I32, 1, (const uint64_t[]){ 1 }, &data, error));
    *(int32_t *)data = (int32_t)skimpi_min_u64(self->n_iter, INT32_MAX);
out:
    return status;
}

/* A shape of a model without a solver. */
static skimp_status model_shape(const skimpi_problem *problem, logistic_shape *shape, skimp_error *error)
{
    memset(shape, 0, sizeof *shape);
    shape->p = problem->n_features;
    shape->n_classes = problem->n_classes;
    shape->n_outputs = problem->n_classes > 2 ? problem->n_classes : 1;
    shape->n_dense = problem->n_dense;
    shape->n_code_columns = problem->n_code_columns;
    shape->has_csr = problem->n_sparse > 0;
    shape->border_first = shape->p;
    shape->state_doubles = skimpi_mul_sat(2 * shape->n_outputs, skimpi_add_sat(shape->p, 1));
    shape->tile_rows = skimpi_logistic_tile_rows(shape->n_outputs);
    if (problem->n_classes < 2 || shape->state_doubles > (UINT64_C(1) << 48)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "logistic_regression: a model of %u classes and %llu features is damaged",
                           problem->n_classes, (unsigned long long)problem->n_features);
    }
    return SKIMP_OK;
}

skimp_status skimpi_logistic_find(const skimpi_tensors *tensors, const char *prefix, const logistic_shape *shape,
                                  const double **coef, const double **intercept, skimp_error *error)
{
    const skimpi_tensor *found;
    skimp_status status = SKIMP_OK;
    char name[NAME_BYTES];
    bool is_finite = true;
    SKIMPI_TRY(attribute(prefix, "coef_", name, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_F64, 2, (const uint64_t[]){ shape->n_outputs, shape->p },
                                   &found, error));
    *coef = found->data;
    SKIMPI_TRY(attribute(prefix, "intercept_", name, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_F64, 1, &shape->n_outputs, &found, error));
    *intercept = found->data;
    for (uint64_t i = 0; i < shape->n_outputs * shape->p; i++) {
        is_finite = is_finite && isfinite((*coef)[i]);
    }
    for (uint64_t i = 0; i < shape->n_outputs; i++) {
        is_finite = is_finite && isfinite((*intercept)[i]);
    }
    if (!is_finite) {
        status =
            skimpi_fail(error, SKIMP_ERROR_DATA, "logistic_regression: the model holds numbers that are not finite");
    }
out:
    return status;
}

skimp_status skimpi_logistic_load(void **out, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                                  const skimpi_problem *problem, const skimpi_params *params, skimp_error *error)
{
    (void)params;
    logistic_shape shape;
    logistic *self = NULL;
    const skimpi_tensor *n_iter;
    const double *coef, *intercept;
    skimp_status status = SKIMP_OK;
    char name[NAME_BYTES];
    *out = NULL;
    SKIMPI_TRY(model_shape(problem, &shape, error));
    SKIMPI_TRY(skimpi_logistic_find(tensors, prefix, &shape, &coef, &intercept, error));
    SKIMPI_TRY(attribute(prefix, "n_iter_", name, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_I32, 1, (const uint64_t[]){ 1 }, &n_iter, error));
    SKIMPI_TRY(skimpi_logistic_create(&self, budget, SKIMP_TAG_MODEL, problem, &shape, error));
    memcpy(self->pass->values, coef, shape.n_outputs * shape.p * sizeof(double));
    memcpy(self->pass->values + shape.n_outputs * shape.p, intercept, shape.n_outputs * sizeof(double));
    self->n_iter = (uint64_t)(*(const int32_t *)n_iter->data > 0 ? *(const int32_t *)n_iter->data : 0);
    self->is_fitted = true;
    *out = self;
    self = NULL;
out:
    skimpi_logistic_destroy(self);
    return status;
}

/* ---- predictions ------------------------------------------------------------------------------------------------------ */

unsigned skimpi_logistic_outputs(const void *self_, skimpi_predict_kind kind, const char **why)
{
    (void)why;
    const logistic *self = self_;
    switch (kind) {
    case SKIMPI_PREDICT_LABEL:
        return 1;
    case SKIMPI_PREDICT_DECISION:
        return (unsigned)self->shape.n_outputs;
    case SKIMPI_PREDICT_PROBABILITY:
        return self->shape.n_classes;
    }
    return 0;
}

uint64_t skimpi_logistic_predict_worker_bytes(const skimpi_problem *problem, const skimpi_params *params)
{
    (void)params;
    logistic_shape shape;
    skimp_error ignored = { .code = SKIMP_OK };
    return model_shape(problem, &shape, &ignored) == SKIMP_OK ? skimpi_logistic_lay_out(&shape, NULL, NULL) : 0;
}

static void predict_tile(const logistic *self, skimpi_predict_kind kind, const skimpi_chunk *tile,
                         const logistic_scratch *s, double *out, size_t stride)
{
    uint64_t k = self->shape.n_outputs, p = self->shape.p, ld = self->shape.tile_rows;
    const double *coef = self->pass->values;
    self->kernels->margins(tile, (unsigned)k, coef, p, coef + k * p, s->margins, ld);
    for (uint32_t i = 0; i < tile->n_rows && kind == SKIMPI_PREDICT_LABEL; i++) {
        uint64_t best = k == 1 && s->margins[i] > 0.0;
        for (uint64_t l = 1; l < k; l++) {
            best = s->margins[l * ld + i] > s->margins[best * ld + i] ? l : best;
        }
        out[i] = (double)best;
    }
    if (kind == SKIMPI_PREDICT_LABEL) {
        return;
    }
    bool is_pair = kind == SKIMPI_PREDICT_PROBABILITY && k == 1;
    for (uint64_t l = 0; l < k; l++) {
        memcpy(out + (l + is_pair) * stride, s->margins + l * ld, tile->n_rows * sizeof(double));
    }
    if (is_pair) {
        for (uint32_t i = 0; i < tile->n_rows; i++) {
            out[i] = -s->margins[i];
        }
        skimpi_sigmoid(tile->n_rows, out);
        skimpi_sigmoid(tile->n_rows, out + stride);
    } else if (kind == SKIMPI_PREDICT_PROBABILITY) {
        skimpi_softmax(tile->n_rows, self->shape.n_classes, out, stride);
    }
}

skimp_status skimpi_logistic_predict(const void *self_, skimpi_predict_kind kind, const skimpi_chunk *chunk,
                                     double *out, size_t stride, void *worker_scratch, skimp_error *error)
{
    (void)error;
    const logistic *self = self_;
    logistic_scratch s;
    skimpi_logistic_lay_out(&self->shape, worker_scratch, &s);
    skimpi_chunk tile;
    for (uint32_t first = 0; skimpi_logistic_tile(self, chunk, first, &s, &tile); first += tile.n_rows) {
        predict_tile(self, kind, &tile, &s, out + first, stride);
    }
    return SKIMP_OK;
}
