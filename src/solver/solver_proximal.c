/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The step of a proximal quasi-Newton method (Lee, Sun & Saunders, "Proximal Newton-type methods for minimizing composite
 * functions", SIAM J. Optim. 24, 2014, algorithm 1; with L-BFGS and coordinate descent: Scheinberg & Tang, Math. Program.
 * 160, 2016).
 *
 * B is the BFGS matrix of the last pairs (s, y) over B₀ = diag(D), unrolled into rank one terms (Nocedal & Wright 2006,
 * 6.19 and 7.24):
 *
 *     B_{k+1} = B_k + y yᵀ / (yᵀs) - a aᵀ / (sᵀa),   a = B_k s
 *
 * so that a parameter's row of B is its 2 m numbers y_j, a_j, and a step of coordinate descent costs 2 m multiplications:
 * the model's gradient is g + D d + Σ_c weight_c r_c (r_cᵀd), and the r_cᵀd are kept.  Coordinates that are 0 and whose
 * gradient does not pull them off it stay out; when that changes, the next step has them.
 */
#include <math.h>
#include <string.h>

#include "solver/solver_proximal.h"

#define PAIRS SKIMPI_PROXIMAL_PAIRS
#define TERMS (2 * PAIRS)
#define FLOATS SKIMPI_PROXIMAL_FLOATS
#define MOST_SWEEPS 60
#define SWEEPS_DONE 1e-2     /* of the first sweep's fall of the model: less saves no pass */
#define LEAST_CURVATURE 1e-3 /* of D */

/* A row: y of each pair, a of each pair, s of each pair, B's diagonal. */
enum { Y = 0, A = PAIRS, S = 2 * PAIRS, CURVATURE = 3 * PAIRS };
_Static_assert(CURVATURE < FLOATS, "a row holds them all");

void skimpi_proximal_remember(skimpi_proximal *p, float *rows, size_t n, const double *from, const double *to,
                              const double *gradient_from, const double *gradient_to)
{
    unsigned i = p->next;
    double sy = 0, ss = 0, yy = 0;
    for (size_t j = 0; j < n; j++) {
        double s = to[j] - from[j], y = gradient_to[j] - gradient_from[j];
        sy += s * y;
        ss += s * s;
        yy += y * y;
    }
    if (!(sy > 1e-12 * sqrt(ss) * sqrt(yy)) || !isfinite(1 / sy)) {
        return;
    }
    p->sy[i] = 0;
    for (size_t j = 0; j < n; j++) {
        float s = (float)(to[j] - from[j]), y = (float)(gradient_to[j] - gradient_from[j]);
        rows[j * FLOATS + S + i] = s;
        rows[j * FLOATS + Y + i] = y;
        p->sy[i] += (double)s * (double)y;
    }
    p->next = (i + 1) % PAIRS;
    p->n_pairs += p->n_pairs < PAIRS;
}

void skimpi_proximal_forget(skimpi_proximal *p)
{
    p->n_pairs = p->next = 0;
}

static float *row_of(const skimpi_proximal_problem *q, uint64_t j)
{
    return q->rows + j * FLOATS;
}

static double l1_of(const skimpi_proximal_problem *q, uint64_t j)
{
    return j < q->n_l1 ? q->l1 : q->l1_rest;
}

/* Four sums side by side. */
static double dot_terms(const double *along, const float *row)
{
    double sum[4] = { 0 };
    for (unsigned c = 0; c < TERMS; c += 4) {
        for (unsigned k = 0; k < 4; k++) {
            sum[k] += along[c + k] * (double)row[c + k];
        }
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}
_Static_assert(TERMS % 4 == 0, "dot_terms goes by fours");

/* Coordinates that are not 0, that want to leave it, or that a pair has moved; only their rows of B are needed. */
static size_t find_moves(const skimpi_proximal *p, const skimpi_proximal_problem *q)
{
    size_t n = 0;
    for (uint64_t j = 0; j < q->n; j++) {
        const float *row = row_of(q, j);
        bool moves = q->w[j] != 0 || fabs(q->gradient[j]) > l1_of(q, j);
        for (unsigned i = 0; i < p->n_pairs; i++) {
            moves = moves || row[S + i] != 0;
        }
        q->d[j] = 0;
        if (moves && q->diagonal[j] > 0) {
            q->moves[n++] = j;
        }
    }
    return n;
}

/* The terms of B, oldest pair first. A pair that has lost its curvature to rounding is left out. */
static void unroll(skimpi_proximal *p, const skimpi_proximal_problem *q, size_t n)
{
    memset(p->weight, 0, sizeof p->weight);
    for (unsigned age = p->n_pairs; age-- > 0;) {
        unsigned i = (p->next + PAIRS - 1 - age) % PAIRS;
        double along[TERMS] = { 0 }, sa = 0;
        for (size_t k = 0; k < n; k++) {
            const float *row = row_of(q, q->moves[k]);
            double s = (double)row[S + i];
            for (unsigned c = 0; c < TERMS && s != 0; c++) {
                along[c] += s * (double)row[c];
            }
        }
        for (unsigned c = 0; c < TERMS; c++) {
            along[c] *= p->weight[c];
        }
        for (size_t k = 0; k < n; k++) {
            float *row = row_of(q, q->moves[k]);
            double s = (double)row[S + i], a = q->diagonal[q->moves[k]] * s + dot_terms(along, row);
            row[A + i] = (float)a;
            sa += s * a;
        }
        if (sa > 0 && p->sy[i] > 0 && isfinite(1 / sa) && isfinite(1 / p->sy[i])) {
            p->weight[Y + i] = 1 / p->sy[i];
            p->weight[A + i] = -1 / sa;
        }
    }
    for (size_t k = 0; k < n; k++) {
        float *row = row_of(q, q->moves[k]);
        double diagonal = q->diagonal[q->moves[k]], curvature = diagonal;
        for (unsigned c = 0; c < TERMS; c++) {
            curvature += p->weight[c] * (double)row[c] * (double)row[c];
        }
        row[CURVATURE] = (float)fmax(curvature, LEAST_CURVATURE * diagonal);
    }
}

/* One sweep over the coordinates; returns by how much the model falls. */
static double sweep(const skimpi_proximal *p, const skimpi_proximal_problem *q, size_t n, double *along)
{
    double fall = 0;
    for (size_t k = 0; k < n; k++) {
        uint64_t j = q->moves[k];
        const float *row = row_of(q, j);
        double w = q->w[j], now = w + q->d[j], l1 = l1_of(q, j), curvature = (double)row[CURVATURE];
        double slope = q->gradient[j] + q->diagonal[j] * q->d[j] + dot_terms(along, row);
        double free = curvature * now - slope;
        double next = free > l1 ? (free - l1) / curvature : free < -l1 ? (free + l1) / curvature : 0, step = next - now;
        if (step == 0) {
            continue;
        }
        q->d[j] = next - w;
        fall -= step * (slope + 0.5 * curvature * step) + l1 * (fabs(next) - fabs(now));
        for (unsigned c = 0; c < TERMS; c++) {
            along[c] += step * p->weight[c] * (double)row[c];
        }
    }
    return fall;
}

double skimpi_proximal_step(skimpi_proximal *p, const skimpi_proximal_problem *q, double *slope)
{
    double along[TERMS] = { 0 }, fall = 0, first = 0;
    size_t n = find_moves(p, q);
    unroll(p, q, n);
    for (unsigned i = 0; i < MOST_SWEEPS; i++) {
        double more = sweep(p, q, n, along);
        fall += more;
        first = i == 0 ? more : first;
        if (!(more > SWEEPS_DONE * first)) {
            break;
        }
    }
    *slope = 0;
    for (size_t k = 0; k < n; k++) {
        uint64_t j = q->moves[k];
        double w = q->w[j];
        *slope += q->gradient[j] * q->d[j] + l1_of(q, j) * (fabs(w + q->d[j]) - fabs(w));
    }
    return fall;
}
