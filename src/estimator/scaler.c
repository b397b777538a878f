/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the scalers share (see scaler.h).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "estimator/scaler.h"
#include "kernel/kernel.h"

#define NAME_BYTES 160

skimp_status skimpi_scaler_load(void **out, size_t self_bytes, const char *const *names, unsigned n,
                                skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                                const skimpi_problem *problem, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensor *found[SKIMPI_SCALER_MAX_NAMES];
    char name[NAME_BYTES];
    *out = NULL;
    for (unsigned k = 0; k < n; k++) {
        snprintf(name, sizeof(name), "%s%s", prefix, names[k]);
        SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_F64, 1, &problem->n_features, &found[k], error));
    }
    SKIMPI_TRY(skimpi_transformer_create(out, self_bytes, budget, problem, n, error));
    skimpi_transformer *self = *out;
    for (unsigned k = 0; k < n; k++) {
        memcpy(skimpi_transformer_vector(self, k), found[k]->data, problem->n_features * sizeof(double));
    }
    self->passes_done = 1;
out:
    return status;
}

skimp_status skimpi_scaler_bad_start(const char *prefix, const char *name, skimp_error *error)
{
    return skimpi_fail(error, SKIMP_ERROR_DATA, "the model to go on from is damaged: %s%s", prefix, name);
}

static skimp_status start_seen(skimpi_transformer *self, const skimpi_tensors *tensors, const char *prefix,
                               double *seen, skimp_error *error)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%sn_samples_seen_", prefix);
    const skimpi_tensor *found = skimpi_tensors_find(tensors, name);
    const bool is_whole = found != NULL && found->dtype == SKIMPI_I64;
    bool is_sound = found != NULL && (is_whole || found->dtype == SKIMPI_F64) && found->n_dims == 1 &&
                    (found->n_values == 1 || (seen != NULL && found->n_values == self->n_features));
    for (uint64_t j = 0; is_sound && j < (seen != NULL ? self->n_features : 1); j++) {
        const uint64_t at = found->n_values == 1 ? 0 : j;
        const double rows = is_whole ? (double)((const int64_t *)found->data)[at] : ((const double *)found->data)[at];
        is_sound = rows >= 0 && rows <= 0x1p53;
        if (is_sound && seen != NULL) {
            seen[j] = rows;
        } else if (is_sound) {
            self->n_rows = (uint64_t)rows;
        }
    }
    return is_sound ? SKIMP_OK : skimpi_scaler_bad_start(prefix, "n_samples_seen_", error);
}

skimp_status skimpi_scaler_start(skimpi_transformer *self, const skimpi_tensors *tensors, const char *prefix,
                                 const char *const *names, const double **values, unsigned n, double *seen,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensor *found;
    char name[NAME_BYTES];
    for (unsigned k = 0; k < n; k++) {
        snprintf(name, sizeof(name), "%s%s", prefix, names[k]);
        SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_F64, 1, &self->n_features, &found, error));
        values[k] = found->data;
    }
    SKIMPI_TRY(start_seen(self, tensors, prefix, seen, error));
    self->has_start = true;
out:
    return status;
}

skimp_status skimpi_scaler_next_pass(void *opaque, skimpi_pass *pass, skimp_error *error)
{
    (void)error;
    const skimpi_transformer *self = opaque;
    *pass = (skimpi_pass){ .is_done = self->passes_done == 1, .kind = 1 };
    return SKIMP_OK;
}

/* ---- ranges of columns ------------------------------------------------------------------------------------------- */

uint64_t skimpi_ranges_bytes(uint64_t n_features)
{
    return skimpi_mul_sat(skimpi_add_sat(1, skimpi_mul_sat(2, n_features)), sizeof(double));
}

skimpi_ranges skimpi_ranges_of(const void *lane, uint64_t n_features)
{
    double *at = (double *)(uintptr_t)lane;
    return (skimpi_ranges){ at, at + 1, at + 1 + n_features };
}

void skimpi_ranges_begin(const void *opaque, const skimpi_pass *pass, void *lane)
{
    (void)pass;
    const skimpi_transformer *self = opaque;
    skimpi_ranges r = skimpi_ranges_of(lane, self->n_features);
    for (uint64_t j = 0; j < self->n_features; j++) {
        r.least[j] = (double)INFINITY;
        r.largest[j] = -(double)INFINITY;
    }
}

static void widen(const skimpi_ranges *r, uint64_t feature, double low, double high) /* NaN is passed over */
{
    r->least[feature] = fmin(r->least[feature], low);
    r->largest[feature] = fmax(r->largest[feature], high);
}

skimp_status skimpi_ranges_consume(const void *opaque, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                                   void *scratch, skimp_error *error)
{
    (void)pass, (void)scratch, (void)error;
    const skimpi_transformer *self = opaque;
    skimpi_ranges r = skimpi_ranges_of(lane, self->n_features);
    *r.n_rows += (double)chunk->n_rows;
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *column = &chunk->dense[j];
        double low, high;
        skimpi_column_range(column->f32, column->f64, chunk->n_rows, &low, &high);
        widen(&r, column->feature, low, high);
    }
    for (size_t at = 0; chunk->has_csr && self->n_sparse > 0 && at < chunk->csr.indptr[chunk->n_rows]; at++) {
        double x = skimpi_csr_number(&chunk->csr, at);
        widen(&r, skimpi_csr_feature(&chunk->csr, at), x, x);
    }
    return SKIMP_OK;
}

void skimpi_ranges_merge(const void *opaque, const skimpi_pass *pass, void *into, const void *from)
{
    (void)pass;
    const skimpi_transformer *self = opaque;
    skimpi_ranges r = skimpi_ranges_of(into, self->n_features), theirs = skimpi_ranges_of(from, self->n_features);
    *r.n_rows += *theirs.n_rows;
    for (uint64_t j = 0; j < self->n_features; j++) {
        widen(&r, j, theirs.least[j], theirs.largest[j]);
    }
}
