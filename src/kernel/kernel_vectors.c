/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Vectors of doubles, and rows out of columns.  The order of the sums is the same on every machine: eight interleaved
 * partial sums (which compilers turn into whatever vectors there are), then the rest.
 */
#include <math.h>

#include "kernel/kernel_internal.h"

typedef double eight __attribute__((vector_size(64), aligned(8), may_alias));

double skimpi_dot(size_t n, const double *x, const double *y)
{
    eight s = { 0 }, t = { 0 };
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s += *(const eight *)(x + i) * *(const eight *)(y + i);
        t += *(const eight *)(x + i + 8) * *(const eight *)(y + i + 8);
    }
    s += t;
    double sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    for (; i < n; i++) {
        sum += x[i] * y[i];
    }
    return sum;
}

/* Squares that overflow or vanish are scaled by the largest entry first. */
double skimpi_norm2(size_t n, const double *x)
{
    double sum = skimpi_dot(n, x, x);
    if (sum > 1e-280 && sum < 1e300) {
        return sqrt(sum);
    }
    double largest = skimpi_norm_inf(n, x);
    if (largest == 0 || !isfinite(largest)) {
        return largest;
    }
    int exponent;
    frexp(largest, &exponent);
    sum = 0;
    for (size_t i = 0; i < n; i++) {
        double v = ldexp(x[i], -exponent);
        sum += v * v;
    }
    return ldexp(sqrt(sum), exponent);
}

double skimpi_norm_inf(size_t n, const double *x)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        double v = fabs(x[i]);
        if (!(v <= largest)) { /* so that NaN is not lost */
            largest = v;
            if (isnan(v)) {
                break;
            }
        }
    }
    return largest;
}

void skimpi_axpy(size_t n, double a, const double *x, double *y)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        *(eight *)(y + i) += a * *(const eight *)(x + i);
    }
    for (; i < n; i++) {
        y[i] += a * x[i];
    }
}

void skimpi_chunk_dense_rows(const skimpi_chunk *chunk, uint32_t first, uint32_t n, double *out, size_t ld)
{
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *column = &chunk->dense[j];
        if (column->f32 != NULL) {
            for (uint32_t i = 0; i < n; i++) {
                out[i * ld + j] = (double)column->f32[first + i];
            }
        } else {
            for (uint32_t i = 0; i < n; i++) {
                out[i * ld + j] = column->f64[first + i];
            }
        }
    }
}

void skimpi_column_moments(const float *f32, const double *f64, size_t n, double centre, double out[3])
{
    skimpi_family_get()->moments(f32 != NULL ? (const void *)f32 : (const void *)f64, f32 != NULL, n, centre, out);
}

size_t skimpi_column_range(const float *f32, const double *f64, size_t n, double *least, double *largest)
{
    return skimpi_family_get()->range(f32 != NULL ? (const void *)f32 : (const void *)f64, f32 != NULL, n, least,
                                      largest);
}

void skimpi_column_affine(float *f32, double *f64, size_t n, double shift, double factor, double add)
{
    skimpi_family_get()->affine(f32 != NULL ? (void *)f32 : (void *)f64, f32 != NULL, n, shift, factor, add);
}

void skimpi_chunk_shift(skimpi_chunk *chunk, const double *shifts)
{
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *column = &chunk->dense[j];
        if (shifts[column->feature] != 0.0) {
            skimpi_column_affine(column->f32, column->f64, chunk->n_rows, shifts[column->feature], 1.0, 0.0);
        }
    }
}
