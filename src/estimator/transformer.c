/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the scalers and the imputer share (see transformer.h).
 */
#include <math.h>
#include <string.h>

#include "estimator/transformer.h"
#include "kernel/kernel.h"

/*
 * ---- memory
 * ----------------------------------------------------------------------------------------------------------
 */

uint64_t skimpi_transformer_bytes(size_t self_bytes, const skimpi_problem *problem, unsigned n_vectors)
{
    uint64_t vectors = skimpi_mul_sat(problem->n_features, n_vectors * sizeof(double));
    return skimpi_add_sat(skimp_alloc_cost(self_bytes), skimp_alloc_cost(vectors));
}

skimp_status skimpi_transformer_create(void **out, size_t self_bytes, skimp_budget *budget,
                                       const skimpi_problem *problem, unsigned n_vectors, skimp_error *error)
{
    void *block = NULL, *vectors = NULL;
    skimp_status status = SKIMP_OK;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STATISTICS, 1, self_bytes, &block, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_STATISTICS, problem->n_features, n_vectors * sizeof(double), &vectors, error));
    skimpi_transformer *self = block;
    *self = (skimpi_transformer){
        .budget = budget,
        .n_features = problem->n_features,
        .n_sparse = problem->n_sparse,
        .feature_names = problem->feature_names,
        .n_vectors = n_vectors,
        .vectors = vectors,
        .self_bytes = self_bytes,
    };
    *out = self;
out:
    if (status != SKIMP_OK) {
        skimp_free(budget, SKIMP_TAG_STATISTICS, block, 1, self_bytes);
    }
    return status;
}

void skimpi_transformer_destroy(void *opaque)
{
    skimpi_transformer *self = opaque;
    if (self != NULL) {
        skimp_free(self->budget, SKIMP_TAG_STATISTICS, self->vectors, self->n_features,
                   self->n_vectors * sizeof(double));
        skimp_free(self->budget, SKIMP_TAG_STATISTICS, self, 1, self->self_bytes);
    }
}

unsigned skimpi_transformer_lanes(uint64_t bytes_each)
{
    uint64_t lanes = ((uint64_t)4 << 20) / (bytes_each == 0 ? 1 : bytes_each);
    return lanes >= SKIMPI_MAX_LANES ? SKIMPI_MAX_LANES : lanes >= 4 ? 4 : lanes >= 2 ? 2 : 1;
}

/*
 * ---- tensors
 * ---------------------------------------------------------------------------------------------------------
 */

static skimp_status full_name(skimpi_buffer *name, const char *prefix, const char *attribute, skimp_error *error)
{
    return skimpi_buffer_printf(name, error, "%s%s", prefix, attribute);
}

skimp_status skimpi_transformer_save(const skimpi_transformer *self, skimpi_tensors *tensors, const char *prefix,
                                     const char *name, const double *values, skimp_error *error)
{
    skimpi_buffer text;
    skimpi_buffer_init(&text, self->budget, SKIMP_TAG_MODEL);
    void *data;
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(full_name(&text, prefix, name, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, text.data, SKIMPI_F64, 1, &self->n_features, &data, error));
    memcpy(data, values, self->n_features * sizeof(double));
out:
    skimpi_buffer_free(&text);
    return status;
}

skimp_status skimpi_transformer_load(const skimpi_transformer *self, const skimpi_tensors *tensors, const char *prefix,
                                     const char *name, double *values, skimp_error *error)
{
    skimpi_buffer text;
    skimpi_buffer_init(&text, self->budget, SKIMP_TAG_MODEL);
    const skimpi_tensor *tensor;
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(full_name(&text, prefix, name, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, text.data, SKIMPI_F64, 1, &self->n_features, &tensor, error));
    memcpy(values, tensor->data, self->n_features * sizeof(double));
out:
    skimpi_buffer_free(&text);
    return status;
}

skimp_status skimpi_transformer_save_seen(const skimpi_transformer *self, skimpi_tensors *tensors, const char *prefix,
                                          const double *seen, skimp_error *error)
{
    skimpi_buffer text;
    skimpi_buffer_init(&text, self->budget, SKIMP_TAG_MODEL);
    void *data;
    skimp_status status = SKIMP_OK;
    uint64_t n = 1;
    for (uint64_t j = 1; seen != NULL && j < self->n_features; j++) {
        n = seen[j] != seen[0] ? self->n_features : n;
    }
    SKIMPI_TRY(full_name(&text, prefix, "n_samples_seen_", error));
    if (self->is_weighted && seen != NULL) {
        SKIMPI_TRY(skimpi_tensors_add(tensors, text.data, SKIMPI_F64, 1, &n, &data, error));
        memcpy(data, seen, skimpi_min_u64(n, self->n_features) * sizeof(double));
        goto out;
    }
    SKIMPI_TRY(skimpi_tensors_add(tensors, text.data, SKIMPI_I64, 1, &n, &data, error));
    for (uint64_t j = 0; j < n; j++) {
        ((int64_t *)data)[j] = seen == NULL || self->n_features == 0 ? (int64_t)self->n_rows : (int64_t)seen[j];
    }
out:
    skimpi_buffer_free(&text);
    return status;
}

/*
 * ---- checkpoints
 * ------------------------------------------------------------------------------------------------------
 */

skimp_status skimpi_transformer_state_save(const void *opaque, skimpi_buffer *out, skimp_error *error)
{
    const skimpi_transformer *self = opaque;
    uint64_t head[2] = { self->n_rows, self->passes_done };
    skimp_status status = skimpi_buffer_append(out, head, sizeof head, error);
    return status != SKIMP_OK
               ? status
               : skimpi_buffer_append(out, self->vectors, self->n_vectors * self->n_features * sizeof(double), error);
}

skimp_status skimpi_transformer_state_load(void *opaque, const void *bytes, size_t n, skimp_error *error)
{
    skimpi_transformer *self = opaque;
    uint64_t head[2];
    size_t vectors = self->n_vectors * self->n_features * sizeof(double);
    if (n != sizeof head + vectors) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of a step has the wrong size");
    }
    memcpy(head, bytes, sizeof head);
    if (head[1] > 1) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of a step holds impossible values");
    }
    self->n_rows = head[0];
    self->passes_done = (unsigned)head[1];
    memcpy(self->vectors, (const char *)bytes + sizeof head, vectors);
    return SKIMP_OK;
}

void skimpi_transformer_result(const void *opaque, skimpi_outcome *outcome)
{
    (void)opaque;
    *outcome = (skimpi_outcome){ .objective = (double)NAN, .n_iter = 1, .converged = true };
}

double skimpi_transformer_progress(const void *opaque)
{
    (void)opaque;
    return (double)NAN;
}

/*
 * ---- CSR
 * --------------------------------------------------------------------------------------------------------------
 */

uint64_t skimpi_csr_feature(const skimpi_csr_block *csr, size_t at)
{
    return csr->feature + (csr->indices != NULL ? csr->indices[at] : csr->indices64[at]);
}

double skimpi_csr_number(const skimpi_csr_block *csr, size_t at)
{
    return csr->f32 != NULL ? (double)csr->f32[at] : csr->f64 != NULL ? csr->f64[at] : 1;
}

void skimpi_transformer_divide_csr(skimpi_chunk *chunk, const double *divisor)
{
    const skimpi_csr_block *csr = &chunk->csr;
    for (size_t at = 0; at < csr->indptr[chunk->n_rows]; at++) {
        double by = divisor[skimpi_csr_feature(csr, at)];
        if (csr->f32 != NULL) {
            csr->f32[at] = (float)((double)csr->f32[at] / by);
        } else if (csr->f64 != NULL) {
            csr->f64[at] /= by;
        }
    }
}

void skimpi_transformer_clip(float *f32, double *f64, size_t n, double low, double high)
{
    if (f32 != NULL) {
        float least = (float)low, largest = (float)high;
        for (size_t i = 0; i < n; i++) {
            f32[i] = f32[i] < least ? least : f32[i] > largest ? largest : f32[i];
        }
    } else if (f64 != NULL) {
        for (size_t i = 0; i < n; i++) {
            f64[i] = f64[i] < low ? low : f64[i] > high ? high : f64[i];
        }
    }
}

/*
 * ---- moments
 * ----------------------------------------------------------------------------------------------------------
 */

uint64_t skimpi_moments_bytes(uint64_t n_features)
{
    return skimpi_mul_sat(skimpi_add_sat(1, skimpi_mul_sat(5, n_features)), sizeof(double));
}

skimpi_moments skimpi_moments_of(void *lane, uint64_t n_features)
{
    double *at = lane;
    return (skimpi_moments){
        at, at + 1, at + 1 + n_features, at + 1 + 2 * n_features, at + 1 + 3 * n_features, at + 1 + 4 * n_features
    };
}

void skimpi_moments_add_column(const skimpi_moments *m, uint64_t feature, const float *f32, const double *f64, size_t n)
{
    double sums[3], centre = m->centre[feature], count = m->count[feature];
    if (count == 0) {
        /* No mean yet to stay near to: the column's own, from a first look about one of its values. */
        centre = 0;
        for (size_t i = 0; i < n; i++) {
            double x = f32 != NULL ? (double)f32[i] : f64[i];
            if (x == x) {
                centre = x;
                break;
            }
        }
        skimpi_column_moments(f32, f64, n, centre, sums);
        centre += sums[0] > 0 ? sums[1] / sums[0] : 0;
    }
    skimpi_column_moments(f32, f64, n, centre, sums);
    m->missing[feature] += (double)n - sums[0];
    if (sums[0] == 0) {
        return;
    }
    count += sums[0];
    double sum = m->sum[feature] + sums[1], squares = m->squares[feature] + sums[2], mean = sum / count;
    if (mean * mean * count > squares / 2) {
        /* The mean has left the centre behind, by more than the spread: a new centre, before squares cancel. */
        double moved = centre + mean, by = moved - centre;
        squares = fmax(squares - by * (2 * sum - count * by), 0);
        sum -= count * by;
        centre = moved;
    }
    m->count[feature] = count;
    m->centre[feature] = centre;
    m->sum[feature] = sum;
    m->squares[feature] = squares;
}

void skimpi_moments_add_value(const skimpi_moments *m, uint64_t feature, double x)
{
    if (!(x == x)) {
        m->missing[feature]++;
        return;
    }
    if (m->count[feature] == 0) {
        m->centre[feature] = x;
    }
    double v = x - m->centre[feature];
    m->count[feature]++;
    m->sum[feature] += v;
    m->squares[feature] += v * v;
}

void skimpi_moments_add_weighted(const skimpi_moments *m, uint64_t feature, double x, double weight)
{
    if (weight == 0) {
        return;
    }
    if (!(x == x)) {
        m->missing[feature] += weight;
        return;
    }
    if (m->count[feature] == 0) {
        m->centre[feature] = x;
    }
    double v = x - m->centre[feature];
    m->count[feature] += weight;
    m->sum[feature] += weight * v;
    m->squares[feature] += weight * v * v;
}

void skimpi_moments_merge(const skimpi_moments *into, const skimpi_moments *from, uint64_t n_features)
{
    *into->n_rows += *from->n_rows;
    for (uint64_t j = 0; j < n_features; j++) {
        into->missing[j] += from->missing[j];
        double n = from->count[j];
        if (n == 0) {
            continue;
        }
        if (into->count[j] == 0) {
            into->centre[j] = from->centre[j];
        }
        double shift = (from->centre[j] - into->centre[j]) + from->sum[j] / n;
        into->count[j] += n;
        into->sum[j] += n * shift;
        into->squares[j] += (from->squares[j] - from->sum[j] * (from->sum[j] / n)) + n * shift * shift;
    }
}

void skimpi_moments_finish(const skimpi_moments *m, uint64_t feature, bool is_sparse, double *seen, double *mean,
                           double *variance)
{
    double n = m->count[feature], all = is_sparse ? *m->n_rows - m->missing[feature] : n;
    double average = n > 0 ? m->centre[feature] + m->sum[feature] / n : 0;
    double squares = n > 0 ? fmax(m->squares[feature] - m->sum[feature] * (m->sum[feature] / n), 0) : 0;
    *seen = all;
    if (!(all > 0)) {
        *mean = *variance = (double)NAN;
        return;
    }
    /* n values with that mean, and all - n zeros. */
    *mean = n == all ? average : average * (n / all);
    *variance = (squares + (n == all ? 0 : n * ((all - n) / all) * average * average)) / all;
}
