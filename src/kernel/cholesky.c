/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cholesky factorisation A = L Lᵀ of the lower triangle, row-major, in place; right-looking and blocked (Golub & Van
 * Loan, Matrix Computations, 4th ed., 4.2.7): a block of columns is factored, the rows below it are solved against it,
 * and what remains is updated by their products, where nearly all of the time goes.
 */
#include <math.h>

#include "kernel/kernel_internal.h"

#define BLOCK SKIMPI_PANEL_COLUMNS

/* Factors the n × n block at a, n ≤ BLOCK; returns n, or the row of the bad pivot. */
static size_t factor_block(size_t n, double *a, size_t ld)
{
    for (size_t j = 0; j < n; j++) {
        double *row = a + j * ld;
        for (size_t k = 0; k < j; k++) {
            row[k] = (row[k] - skimpi_dot(k, row, a + k * ld)) / a[k * ld + k];
        }
        double pivot = row[j] - skimpi_dot(j, row, row);
        if (!(pivot > 0) || !isfinite(pivot)) {
            return j;
        }
        row[j] = sqrt(pivot);
    }
    return n;
}

/* Each of n rows at x becomes the solution y of L y = row, where L is the k × k block whose transpose is in lt. */
static void solve_rows(size_t n, size_t k, const double *restrict lt, double *x, size_t ld)
{
    for (size_t i = 0; i < n; i++) {
        double *restrict row = x + i * ld;
        for (size_t j = 0; j < k; j++) {
            double y = row[j] / lt[j * BLOCK + j];
            row[j] = y;
            skimpi_axpy(k - j - 1, -y, lt + j * BLOCK + j + 1, row + j + 1);
        }
    }
}

size_t skimpi_cholesky(size_t n, double *a, size_t ld)
{
    const skimpi_family *family = skimpi_family_get();
    double lt[BLOCK * BLOCK];
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t k = n - first < BLOCK ? n - first : BLOCK, below = n - first - k;
        double *block = a + first * ld + first;
        size_t done = factor_block(k, block, ld);
        if (done < k) {
            return first + done;
        }
        if (below == 0) {
            break;
        }
        for (size_t i = 0; i < k; i++) {
            for (size_t j = 0; j <= i; j++) {
                lt[j * BLOCK + i] = block[i * ld + j];
            }
        }
        double *rows = block + k * ld;
        solve_rows(below, k, lt, rows, ld);
        family->rank_update(below, k, rows, ld, rows + k, ld);
    }
    return n;
}

void skimpi_cholesky_solve(size_t n, const double *l, size_t ld, double *x)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (x[i] - skimpi_dot(i, l + i * ld, x)) / l[i * ld + i];
    }
    for (size_t i = n; i-- > 0;) {
        x[i] /= l[i * ld + i];
        skimpi_axpy(i, -x[i], l + i * ld, x);
    }
}
