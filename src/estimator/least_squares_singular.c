/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Singular values of the centred and weighted columns √S (X - 1 meanᵀ), from what the narrow solution leaves behind.
 *
 * With the scaled matrix A = L Lᵀ (or Q Λ Qᵀ without the directions that were cut off) and the columns' scales D they are
 * those of the p × p matrix D L (D Q √Λ).  Its square is not formed: errors are roundings of the largest one, as LAPACK's
 * are.  Directions that the solution cut off count as 0.
 *
 *   1. Householder reflections from both sides make it bidiagonal, B (Golub & Van Loan, Matrix Computations, 4th ed.,
 *      5.4.8), here by rows.
 *   2. The eigenvalues of [0 Bᵀ; B 0], shuffled to be tridiagonal with zeros on the diagonal, are ± the singular values
 *      (8.6.1).  Each is found by bisection on the number of eigenvalues below a point (8.4.1), eight at a time.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "estimator/least_squares.h"
#include "kernel/kernel.h"

#define AT_ONCE 8
#define HALVINGS 56 /* to less than the rounding of the largest */

/* Rows of the matrix, over `largest`: D L, or (transposed) D Q √Λ; what is stored of the latter is Q / √Λ. */
static void unfactor(least_squares *self, double largest)
{
    uint64_t p = self->shape.n_features;
    for (uint64_t i = 0; i < p; i++) {
        double *row = self->matrix + i * p;
        if (self->progress.factor == FACTOR_CHOLESKY) {
            for (uint64_t j = 0; j < p; j++) {
                row[j] = j <= i ? row[j] * (self->scale[i] / largest) : 0;
            }
            continue;
        }
        double square = i < self->progress.n_null ? 0 : skimpi_dot(p, row, row);
        for (uint64_t j = 0; j < p; j++) {
            row[j] = square > 0 ? row[j] / square * (self->scale[j] / largest) : 0;
        }
    }
}

/* The reflection I - v vᵀ that turns x into (s, 0, …, 0): v in place of x. Returns s; v is 0 where x is. */
static double reflect(uint64_t n, double *x)
{
    double length = skimpi_norm2(n, x), s = x[0] > 0 ? -length : length;
    if (length == 0) {
        return 0;
    }
    x[0] -= s;
    double norm = skimpi_norm2(n, x) / sqrt(2);
    for (uint64_t k = 0; k < n; k++) {
        x[k] /= norm;
    }
    return s;
}

/* off := d_0, e_0, d_1, e_1, …, d_{p-1}. scratch: 2 p. */
static void bidiagonalise(uint64_t p, double *a, double *off, double *scratch)
{
    double *u = scratch, *w = scratch + p;
    for (uint64_t k = 0; k < p; k++) {
        uint64_t rows = p - k, rest = p - k - 1;
        for (uint64_t i = 0; i < rows; i++) {
            u[i] = a[(k + i) * p + k];
        }
        off[2 * k] = reflect(rows, u);
        if (rest == 0) {
            return;
        }
        memset(w, 0, rest * sizeof *w);
        for (uint64_t i = 0; i < rows; i++) {
            skimpi_axpy(rest, u[i], a + (k + i) * p + k + 1, w);
        }
        double *v = a + k * p + k + 1;
        skimpi_axpy(rest, -u[0], w, v);
        off[2 * k + 1] = reflect(rest, v);
        for (uint64_t i = 1; i < rows; i++) {
            double *row = a + (k + i) * p + k + 1;
            skimpi_axpy(rest, -u[i], w, row);
            skimpi_axpy(rest, -skimpi_dot(rest, row, v), v, row);
        }
    }
}

/* Of the n eigenvalues of the tridiagonal matrix with zeros on the diagonal, how many are below each of the points. */
static void count_below(uint64_t n, const double *off, const double *points, uint64_t *counts)
{
    double q[AT_ONCE];
    for (unsigned t = 0; t < AT_ONCE; t++) {
        q[t] = -points[t];
        counts[t] = q[t] < 0;
    }
    for (uint64_t i = 1; i < n; i++) {
        double square = off[i - 1] * off[i - 1];
        for (unsigned t = 0; t < AT_ONCE; t++) {
            double before = fabs(q[t]) < DBL_MIN ? -DBL_MIN : q[t];
            q[t] = -points[t] - square / before;
            counts[t] += q[t] < 0;
        }
    }
}

void least_squares_singular(least_squares *self)
{
    uint64_t p = self->shape.n_features;
    double largest = skimpi_norm_inf(p, self->scale), *off = self->work, bound = 0;
    if (largest == 0) {
        return; /* all columns are constant: zeros, as the block began */
    }
    unfactor(self, largest);
    bidiagonalise(p, self->matrix, off, self->work + 2 * p);
    for (uint64_t i = 0; i + 1 < 2 * p; i++) { /* Gershgorin */
        bound = fmax(bound, fabs(off[i]) + (i > 0 ? fabs(off[i - 1]) : 0));
    }
    for (uint64_t first = 0; first < p; first += AT_ONCE) {
        double low[AT_ONCE] = { 0 }, high[AT_ONCE], middle[AT_ONCE];
        uint64_t counts[AT_ONCE];
        for (unsigned t = 0; t < AT_ONCE; t++) {
            high[t] = bound;
        }
        for (unsigned halving = 0; halving < HALVINGS; halving++) {
            for (unsigned t = 0; t < AT_ONCE; t++) {
                middle[t] = (low[t] + high[t]) / 2;
            }
            count_below(2 * p, off, middle, counts);
            for (unsigned t = 0; t < AT_ONCE;
                 t++) { /* the (first + t)-th largest of p has p - 1 - first - t below it */
                bool is_below = counts[t] + first + t >= 2 * p;
                high[t] = is_below ? middle[t] : high[t];
                low[t] = is_below ? low[t] : middle[t];
            }
        }
        for (unsigned t = 0; t < AT_ONCE && first + t < p; t++) {
            self->singular[first + t] = high[t] * largest;
        }
    }
}
