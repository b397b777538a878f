/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference family: every kernel in plain C, for any machine.  The faster families are tested against it.
 */
#include <math.h>
#include <string.h>

#include "kernel/kernel_internal.h"

static inline double dense_value(const skimpi_dense_column *column, size_t i)
{
    return column->f32 != NULL ? (double)column->f32[i] : column->f64[i];
}

/* ---- rows of the caller ------------------------------------------------------------------------------------------- */

static inline double row_value(const skimpi_row_block *rows, uint32_t i, size_t j, const double *centre)
{
    const uint8_t *row = rows->values + (int64_t)i * rows->stride;
    double value;
    if (rows->is_f32) {
        float narrow;
        memcpy(&narrow, row + j * sizeof narrow, sizeof narrow);
        value = (double)narrow;
    } else {
        memcpy(&value, row + j * sizeof value, sizeof value);
    }
    return centre == NULL ? value : value - centre[rows->feature + j];
}

static void row_margins(const skimpi_row_block *rows, uint32_t n, const double *centre, unsigned n_outputs,
                        const double *coef, size_t ld, const double *intercept, double *out, size_t stride)
{
    for (unsigned k = 0; k < n_outputs; k++) {
        const double *w = coef + k * ld + rows->feature;
        for (uint32_t i = 0; i < n; i++) {
            double s[4] = { 0 };
            for (size_t j = 0; j < rows->n_columns; j++) {
                s[j % 4] += w[j] * row_value(rows, i, j, centre);
            }
            out[k * stride + i] = (intercept == NULL ? 0 : intercept[k]) + ((s[0] + s[1]) + (s[2] + s[3]));
        }
    }
}

static void row_scatter(const skimpi_row_block *rows, uint32_t n, const double *centre, unsigned n_outputs,
                        const double *r, size_t stride, double *gradient, size_t ld)
{
    for (unsigned k = 0; k < n_outputs; k++) {
        double *g = gradient + k * ld + rows->feature;
        for (uint32_t i = 0; i < n; i++) {
            for (size_t j = 0; j < rows->n_columns; j++) {
                g[j] += r[k * stride + i] * row_value(rows, i, j, centre);
            }
        }
    }
}

static void row_moments(const skimpi_row_block *rows, uint32_t n, const double *centre, const double *d, double *sums,
                        double *squares)
{
    for (uint32_t i = 0; i < n; i++) {
        const double weight = d == NULL ? 1 : d[i];
        for (size_t j = 0; j < rows->n_columns; j++) {
            const double x = row_value(rows, i, j, centre);
            squares[rows->feature + j] += weight * x * x;
            if (sums != NULL) {
                sums[rows->feature + j] += weight * x;
            }
        }
    }
}

/* ---- chunks -------------------------------------------------------------------------------------------------------- */

static void margins(const skimpi_chunk *chunk, unsigned n_outputs, const double *coef, size_t ld,
                    const double *intercept, double *out, size_t stride)
{
    if (chunk->rows.values != NULL) {
        row_margins(&chunk->rows, chunk->n_rows, NULL, n_outputs, coef, ld, intercept, out, stride);
        return;
    }
    for (unsigned k = 0; k < n_outputs; k++) {
        double *m = out + k * stride;
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            m[i] = intercept == NULL ? 0 : intercept[k];
        }
        for (uint32_t j = 0; j < chunk->n_dense; j++) {
            const skimpi_dense_column *column = &chunk->dense[j];
            double w = coef[k * ld + column->feature];
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                m[i] += w * dense_value(column, i);
            }
        }
    }
    skimpi_codes_margins(chunk, n_outputs, coef, ld, out, stride);
    if (chunk->has_csr) {
        skimpi_csr_margins(chunk, n_outputs, coef, ld, out, stride);
    }
}

static void scatter(const skimpi_chunk *chunk, unsigned n_outputs, const double *r, size_t stride, double *gradient,
                    size_t ld)
{
    if (chunk->rows.values != NULL) {
        row_scatter(&chunk->rows, chunk->n_rows, NULL, n_outputs, r, stride, gradient, ld);
        return;
    }
    for (unsigned k = 0; k < n_outputs; k++) {
        for (uint32_t j = 0; j < chunk->n_dense; j++) {
            const skimpi_dense_column *column = &chunk->dense[j];
            double s[4] = { 0 };
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                s[i % 4] += r[k * stride + i] * dense_value(column, i);
            }
            gradient[k * ld + column->feature] += (s[0] + s[1]) + (s[2] + s[3]);
        }
    }
    skimpi_sparse_scatter(chunk, n_outputs, r, stride, gradient, ld);
}

static void squares(const skimpi_chunk *chunk, const double *d, double *sums)
{
    if (chunk->rows.values != NULL) {
        row_moments(&chunk->rows, chunk->n_rows, NULL, d, NULL, sums);
        return;
    }
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *column = &chunk->dense[j];
        double s[4] = { 0 };
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            double x = dense_value(column, i);
            s[i % 4] += (d == NULL ? 1 : d[i]) * x * x;
        }
        sums[column->feature] += (s[0] + s[1]) + (s[2] + s[3]);
    }
    skimpi_sparse_squares(chunk, d, sums);
}

/* Columns of a panel are packed one after the other, centred, and once more times d; always in double. */
static void gram(const skimpi_chunk *chunk, const double *d, const double *centre, double *out, size_t ld, bool exact,
                 void *scratch)
{
    (void)exact;
    size_t padded = skimpi_round_up(chunk->n_dense, SKIMPI_GRAM_STRIP);
    size_t panel_rows = skimpi_gram_rows(padded);
    double *x = scratch, *dx = x + panel_rows * padded;
    for (size_t row = 0; chunk->n_dense > 0 && row < chunk->n_rows; row += panel_rows) {
        size_t n = chunk->n_rows - row < panel_rows ? chunk->n_rows - row : panel_rows;
        for (uint32_t j = 0; j < chunk->n_dense; j++) {
            const skimpi_dense_column *column = &chunk->dense[j];
            double c = centre == NULL ? 0 : centre[column->feature];
            for (size_t i = 0; i < n; i++) {
                double v = dense_value(column, row + i) - c;
                x[j * panel_rows + i] = v;
                dx[j * panel_rows + i] = d == NULL ? v : d[row + i] * v;
            }
        }
        for (uint32_t a = 0; a < chunk->n_dense; a++) {
            double *line = out + chunk->dense[a].feature * ld;
            for (uint32_t b = 0; b <= a; b++) {
                line[chunk->dense[b].feature] += skimpi_dot(n, dx + a * panel_rows, x + b * panel_rows);
            }
        }
    }
    skimpi_sparse_gram(chunk, d, centre, out, ld, scratch);
}

static void rank_update(size_t n, size_t k, const double *p, size_t ldp, double *c, size_t ldc)
{
    for (size_t a = 0; a < n; a++) {
        for (size_t b = 0; b <= a; b++) {
            c[a * ldc + b] -= skimpi_dot(k, p + a * ldp, p + b * ldp);
        }
    }
}

static void rotate(size_t n, double c, double s, double *x, double *y)
{
    for (size_t i = 0; i < n; i++) {
        double xi = x[i], yi = y[i];
        x[i] = c * xi - s * yi;
        y[i] = s * xi + c * yi;
    }
}

static double column_value(const void *column, bool is_f32, size_t i)
{
    return is_f32 ? (double)((const float *)column)[i] : ((const double *)column)[i];
}

static void moments(const void *column, bool is_f32, size_t n, double centre, double out[3])
{
    double count = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double x = column_value(column, is_f32, i) - centre;
        if (x == x) {
            count++;
            sum += x;
            squares += x * x;
        }
    }
    out[0] = count;
    out[1] = sum;
    out[2] = squares;
}

static size_t range(const void *column, bool is_f32, size_t n, double *least, double *largest)
{
    size_t count = 0;
    double low = (double)INFINITY, high = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        double x = column_value(column, is_f32, i);
        count += x == x;
        low = x < low ? x : low;
        high = x > high ? x : high;
    }
    *least = low;
    *largest = high;
    return count;
}

static void affine(void *column, bool is_f32, size_t n, double shift, double factor, double add)
{
    for (size_t i = 0; i < n; i++) {
        double x = (column_value(column, is_f32, i) - shift) * factor + add;
        if (is_f32) {
            ((float *)column)[i] = (float)x;
        } else {
            ((double *)column)[i] = x;
        }
    }
}

const skimpi_family skimpi_family_reference = {
    .kernels = { .family = "reference",
                 .margins = margins,
                 .scatter = scatter,
                 .squares = squares,
                 .gram = gram,
                 .row_margins = row_margins,
                 .row_scatter = row_scatter,
                 .row_moments = row_moments },
    .rank_update = rank_update,
    .rotate = rotate,
    .moments = moments,
    .range = range,
    .affine = affine,
};
