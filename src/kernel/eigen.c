/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eigenvalues and eigenvectors of a symmetric matrix: Householder tridiagonalisation (Golub & Van Loan, Matrix
 * Computations, 4th ed., 8.3.1), then QL iterations with implicit shifts (8.3.3, EISPACK's tql2).
 *
 * Everything runs along rows: reflections are applied to the whole symmetric matrix by rows, and the eigenvectors are
 * kept as rows, so that a rotation acts on two contiguous ones.
 */
#include <float.h>
#include <math.h>

#include "kernel/kernel_internal.h"

/*
 * A = Q T Qᵀ for the full symmetric `a`, column n-1 first.  On return values and off hold T's diagonal and what is
 * left of it (off[0] is 0); row i of `a` holds, in its first i entries, the Householder vector v of step i, scaled so
 * that its reflection is I - v vᵀ (zero: no reflection).
 */
static void tridiagonalise(size_t n, double *a, size_t ld, double *values, double *off)
{
    for (size_t i = n - 1; i >= 2; i--) {
        double *v = a + i * ld; /* the first i entries: row (and column) i left of the diagonal */
        values[i] = v[i];
        double rest = skimpi_norm2(i - 1, v), last = v[i - 1];
        if (rest == 0) {
            off[i] = last;
            for (size_t k = 0; k < i; k++) {
                v[k] = 0;
            }
            continue;
        }
        /* H v = (0, …, 0, s): u = v - s e, with the sign that does not cancel; normalised to uᵀu = 2. */
        double length = skimpi_hypot(rest, last), s = last > 0 ? -length : length;
        double u_last = last - s;
        double norm = skimpi_hypot(rest, u_last) / sqrt(2);
        for (size_t k = 0; k + 1 < i; k++) {
            v[k] /= norm;
        }
        v[i - 1] = u_last / norm;
        off[i] = s;
        /* B := H B H = B - v wᵀ - w vᵀ, with p = B v and w = p - (pᵀv / 2) v; B is the leading i × i block. */
        double *p = off; /* its first i entries are not in use yet */
        for (size_t k = 0; k < i; k++) {
            p[k] = skimpi_dot(i, a + k * ld, v);
        }
        skimpi_axpy(i, -skimpi_dot(i, p, v) / 2, v, p);
        for (size_t k = 0; k < i; k++) {
            skimpi_axpy(i, -v[k], p, a + k * ld);
            skimpi_axpy(i, -p[k], v, a + k * ld);
        }
    }
    if (n > 1) {
        values[1] = a[ld + 1];
        off[1] = a[ld];
        a[ld] = 0;
    }
    values[0] = a[0];
    off[0] = 0;
}

/*
 * Rows of `a` become those of Qᵀ, Q = H_{n-1} … H_2: step i turns the leading i × i block into it, given the leading
 * (i-1)-block's, because H_i acts on the first i coordinates alone.
 */
static void accumulate(size_t n, double *a, size_t ld, double *p)
{
    for (size_t i = 0; i < n; i++) {
        double *v = a + i * ld; /* in place of row i, whose vector is used up here */
        if (i >= 2) {
            /* Qᵀ := Qᵀ H on the first i coordinates: row k loses (row_k · v) v. */
            for (size_t k = 0; k < i; k++) {
                p[k] = skimpi_dot(i, a + k * ld, v);
            }
            for (size_t k = 0; k < i; k++) {
                skimpi_axpy(i, -p[k], v, a + k * ld);
            }
        }
        for (size_t k = 0; k < i; k++) {
            v[k] = 0;
            a[k * ld + i] = 0;
        }
        v[i] = 1;
    }
}

/* QL with implicit shifts on (values, off), rotating the rows of `a` along. */
static bool diagonalise(size_t n, double *a, size_t ld, double *d, double *off)
{
    const skimpi_family *family = skimpi_family_get();
    for (size_t i = 1; i < n; i++) {
        off[i - 1] = off[i];
    }
    off[n - 1] = 0;
    for (size_t l = 0; l < n; l++) {
        for (unsigned iteration = 0;; iteration++) {
            size_t m = l;
            while (m + 1 < n && fabs(off[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1])) && fabs(off[m]) > DBL_MIN) {
                m++;
            }
            if (m == l) {
                break;
            }
            if (iteration == 60) {
                return false;
            }
            double g = (d[l + 1] - d[l]) / (2 * off[l]);
            double r = skimpi_hypot(g, 1);
            g = d[m] - d[l] + off[l] / (g + (g >= 0 ? r : -r));
            double s = 1, c = 1, p = 0;
            size_t i = m;
            while (i-- > l) {
                double f = s * off[i], b = c * off[i];
                r = skimpi_hypot(f, g);
                off[i + 1] = r;
                if (r == 0) { /* deflated on the way */
                    d[i + 1] -= p;
                    off[m] = 0;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                family->rotate(n, c, s, a + i * ld, a + (i + 1) * ld);
            }
            if (r == 0 && i + 1 > l) {
                continue;
            }
            d[l] -= p;
            off[l] = g;
            off[m] = 0;
        }
    }
    return true;
}

bool skimpi_symmetric_eigen(size_t n, double *a, size_t ld, double *values, double *scratch)
{
    if (n == 0) {
        return true;
    }
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        double row = skimpi_norm_inf(i + 1, a + i * ld);
        if (!(row <= largest)) {
            largest = row;
        }
    }
    if (!isfinite(largest)) {
        return false;
    }
    /* Scaled by a power of two to about 1, so that squares neither overflow nor vanish; and made full. */
    int exponent = 0;
    if (largest > 0) {
        frexp(largest, &exponent);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k <= i; k++) {
            a[i * ld + k] = ldexp(a[i * ld + k], -exponent);
            a[k * ld + i] = a[i * ld + k];
        }
    }
    double *off = scratch, *p = scratch + n;
    tridiagonalise(n, a, ld, values, off);
    accumulate(n, a, ld, p);
    if (!diagonalise(n, a, ld, values, off)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) { /* ascending, vectors along */
        size_t least = i;
        for (size_t k = i + 1; k < n; k++) {
            least = values[k] < values[least] ? k : least;
        }
        if (least != i) {
            double t = values[i];
            values[i] = values[least];
            values[least] = t;
            for (size_t k = 0; k < n; k++) {
                t = a[i * ld + k];
                a[i * ld + k] = a[least * ld + k];
                a[least * ld + k] = t;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = ldexp(values[i], exponent);
    }
    return true;
}
