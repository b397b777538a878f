/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arithmetic on chunks and small dense matrices.  Every kernel has a plain reference (kernel_reference.c) and may have
 * faster ones chosen at run time per CPU; within one family results are the same bits for any number of threads,
 * because a call works on one chunk alone and sums in a fixed order.
 *
 * Feature space: vectors over features have n_features entries (ld ≥ n_features apart for several outputs).  Sums are
 * accumulated in double.  None of these allocates.
 *
 * Rows of the caller (skimpi_row_block) are margins', scatter's and squares' too; those that begin with row_ take a centre
 * off each value before anything is multiplied by it: with x = 1e9 + u, x·w has no digits left for u.
 */
#ifndef SKIMPI_KERNEL_H
#define SKIMPI_KERNEL_H

#include <math.h>

#include "data/chunk.h"

typedef struct skimpi_kernels {
    const char *family; /* "reference", "avx2", "avx512" */

    /* out[k × stride + i] = intercept[k] + Σ_j coef[k × ld + j] x_ij   (intercept may be NULL) */
    void (*margins)(const skimpi_chunk *chunk, unsigned n_outputs, const double *coef, size_t ld,
                    const double *intercept, double *out, size_t stride);
    /* gradient[k × ld + j] += Σ_i r[k × stride + i] x_ij */
    void (*scatter)(const skimpi_chunk *chunk, unsigned n_outputs, const double *r, size_t stride, double *gradient,
                    size_t ld);
    /* sums[j] += Σ_i d_i x_ij²      (d may be NULL: ones) */
    void (*squares)(const skimpi_chunk *chunk, const double *d, double *sums);
    /*
     * Lower triangle of the n_features × n_features row-major matrix gram (leading dimension ld):
     * gram[a × ld + b] += Σ_i d_i (x_ia - c_a)(x_ib - c_b), a ≥ b; d and c (centres; dense features only, 0 for others) may be NULL.
     * exact: products and sums in double; else products of floats summed in float over at most 256 rows, then in double
     * (relative error about 1e-6: enough for a Newton matrix).
     * scratch: skimpi_gram_scratch_bytes, 64-byte aligned.
     */
    void (*gram)(const skimpi_chunk *chunk, const double *d, const double *centre, double *gram, size_t ld, bool exact,
                 void *scratch);

    /* Of n rows, x being a value less its column's centre; centre may be NULL, and is indexed by feature as coef is. */
    void (*row_margins)(const skimpi_row_block *rows, uint32_t n, const double *centre, unsigned n_outputs,
                        const double *coef, size_t ld, const double *intercept, double *out, size_t stride);
    void (*row_scatter)(const skimpi_row_block *rows, uint32_t n, const double *centre, unsigned n_outputs,
                        const double *r, size_t stride, double *gradient, size_t ld);
    /* sums[j] += Σ_i d_i x_ij, squares[j] += Σ_i d_i x_ij²      (d and sums may be NULL) */
    void (*row_moments)(const skimpi_row_block *rows, uint32_t n, const double *centre, const double *d, double *sums,
                        double *squares);
} skimpi_kernels;

const skimpi_kernels *skimpi_kernels_get(void);                 /* the fastest this CPU runs; fixed for the process */
const skimpi_kernels *skimpi_kernels_named(const char *family); /* NULL when this CPU lacks it (tests) */
uint64_t skimpi_gram_scratch_bytes(uint64_t n_dense, uint64_t n_features);

/* Rows first … first + n - 1 of the dense columns, row-major: out[i × ld + d] for the d-th dense column (SGD, small tiles). */
void skimpi_chunk_dense_rows(const skimpi_chunk *chunk, uint32_t first, uint32_t n, double *out, size_t ld);

/* ---- single columns (transformers); NaN is a missing value ---- */

/* out = number of values, Σ (x - centre), Σ (x - centre)². Exactly one of f32 and f64 is not NULL. */
void skimpi_column_moments(const float *f32, const double *f64, size_t n, double centre, double out[3]);
/* The least and the largest value, and their number: *least = INFINITY and *largest = -INFINITY where there is none. */
size_t skimpi_column_range(const float *f32, const double *f64, size_t n, double *least, double *largest);
/* x = (x - shift) × factor + add, computed in double. */
void skimpi_column_affine(float *f32, double *f64, size_t n, double shift, double factor, double add);

/* Takes shifts[feature] off the dense columns, in place; a shift of 0 leaves a column's bits alone. */
void skimpi_chunk_shift(skimpi_chunk *chunk, const double *shifts);

/* ---- vectors: double, length n ---- */
double skimpi_dot(size_t n, const double *x, const double *y);
double skimpi_norm2(size_t n, const double *x);
double skimpi_norm_inf(size_t n, const double *x);
void skimpi_axpy(size_t n, double a, const double *x, double *y);
/* sqrt(a² + b²) without overflow: the C library's hypot gives other bits from one version to the next. */
static inline double skimpi_hypot(double a, double b)
{
    const double x = fabs(a), y = fabs(b), most = x > y ? x : y, ratio = (x > y ? y : x) / most;
    return most > 0 && most < (double)INFINITY ? most * sqrt(1 + ratio * ratio) : x + y;
}

/* ---- dense symmetric matrices: n × n, row-major, lower triangle, leading dimension ld ---- */

/* Cholesky A = L Lᵀ in place. Returns n when done, else the index of the first pivot that is not positive (A is spoiled). */
size_t skimpi_cholesky(size_t n, double *a, size_t ld);
void skimpi_cholesky_solve(size_t n, const double *l, size_t ld, double *x); /* L Lᵀ x = b in place */
/*
 * Eigenvalues (ascending, in values) and eigenvectors (rows of `a` on return) of a symmetric matrix: Householder
 * tridiagonalisation, implicit QL (Golub & Van Loan 8.3). scratch: 2 n doubles. Returns false if it did not converge.
 */
bool skimpi_symmetric_eigen(size_t n, double *a, size_t ld, double *values, double *scratch);

#endif
