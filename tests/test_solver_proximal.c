/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The proximal quasi-Newton step against the model it minimises: B made anew by the BFGS formula, full and in double.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "solver/solver_proximal.h"

#define N 12

typedef struct model {
    skimpi_proximal state;
    float rows[N * SKIMPI_PROXIMAL_FLOATS];
    double diagonal[N], w[N], gradient[N], d[N];
    uint64_t moves[N];
    double b[N][N];
} model;

static double random_in(skimpi_random *r)
{
    return 2 * skimpi_random_double(r) - 1;
}

static skimpi_proximal_problem problem_of(model *m, double l1)
{
    return (skimpi_proximal_problem){ .n = N,
                                      .n_l1 = N - 1,
                                      .l1 = l1,
                                      .l1_rest = 0,
                                      .w = m->w,
                                      .gradient = m->gradient,
                                      .diagonal = m->diagonal,
                                      .d = m->d,
                                      .moves = m->moves,
                                      .rows = m->rows };
}

/* B of the pairs s_i and H s_i over diag(D), floats as the step has them. */
static void add_pairs(model *m, unsigned n_pairs, unsigned seed)
{
    skimpi_random r;
    skimpi_random_seed(&r, seed);
    double root[N][N], h[N][N];
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            root[i][j] = random_in(&r) + (i == j ? 1 : 0);
        }
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            h[i][j] = i == j ? 0.1 : 0;
            for (int k = 0; k < N; k++) {
                h[i][j] += root[k][i] * root[k][j];
            }
        }
    }
    for (int i = 0; i < N; i++) {
        m->diagonal[i] = h[i][i];
        m->b[i][i] = h[i][i];
    }
    unsigned first = n_pairs > SKIMPI_PROXIMAL_PAIRS ? n_pairs - SKIMPI_PROXIMAL_PAIRS : 0;
    for (unsigned k = 0; k < n_pairs; k++) {
        double from[N] = { 0 }, to[N], y[N] = { 0 }, zero[N] = { 0 }, bs[N] = { 0 }, sy = 0, sbs = 0;
        for (int j = 0; j < N; j++) {
            to[j] = (double)(float)random_in(&r);
        }
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                y[i] += h[i][j] * to[j];
            }
            y[i] = (double)(float)y[i];
            sy += y[i] * to[i];
        }
        skimpi_proximal_remember(&m->state, m->rows, N, from, to, zero, y);
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                bs[i] += m->b[i][j] * to[j];
            }
            sbs += bs[i] * to[i];
        }
        for (int i = 0; i < N; i++) {
            for (int j = 0; k >= first && j < N; j++) {
                m->b[i][j] += y[i] * y[j] / sy - bs[i] * bs[j] / sbs;
            }
        }
    }
    assert_int_equal(m->state.n_pairs, n_pairs < SKIMPI_PROXIMAL_PAIRS ? n_pairs : SKIMPI_PROXIMAL_PAIRS);
}

static double l1_of(double l1, int j)
{
    return j < N - 1 ? l1 : 0;
}

static double model_at(const model *m, double l1, const double *d)
{
    double sum = 0;
    for (int i = 0; i < N; i++) {
        sum += m->gradient[i] * d[i] + l1_of(l1, i) * (fabs(m->w[i] + d[i]) - fabs(m->w[i]));
        for (int j = 0; j < N; j++) {
            sum += 0.5 * d[i] * m->b[i][j] * d[j];
        }
    }
    return sum;
}

/* The least value of the model, by many sweeps of coordinate descent. */
static double least_of(const model *m, double l1)
{
    double d[N] = { 0 };
    for (int sweep = 0; sweep < 20000; sweep++) {
        for (int i = 0; i < N; i++) {
            double slope = m->gradient[i], curvature = m->b[i][i], now = m->w[i] + d[i], cut = l1_of(l1, i);
            for (int j = 0; j < N; j++) {
                slope += m->b[i][j] * d[j];
            }
            double free = curvature * now - slope;
            d[i] = (free > cut ? (free - cut) / curvature : free < -cut ? (free + cut) / curvature : 0) - m->w[i];
        }
    }
    return model_at(m, l1, d);
}

static void steps_lower_the_model(void **state)
{
    (void)state;
    static const unsigned pairs[] = { 0, 1, 4, 10, 17 };
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        for (unsigned seed = 1; seed <= 5; seed++) {
            model *m = calloc(1, sizeof *m);
            skimpi_random r;
            skimpi_random_seed(&r, 100 + seed);
            add_pairs(m, pairs[k], seed);
            for (int j = 0; j < N; j++) {
                m->w[j] = j % 3 == 0 ? 0 : random_in(&r);
                m->gradient[j] = random_in(&r);
            }
            double l1 = 0.3, slope, expected = 0;
            skimpi_proximal_problem q = problem_of(m, l1);
            double fall = skimpi_proximal_step(&m->state, &q, &slope), least = least_of(m, l1);
            for (int j = 0; j < N; j++) {
                expected += m->gradient[j] * m->d[j] + l1_of(l1, j) * (fabs(m->w[j] + m->d[j]) - fabs(m->w[j]));
            }
            assert_true(fabs(slope - expected) < 1e-12 && slope < 0);
            assert_true(fabs(fall + model_at(m, l1, m->d)) < 1e-5 * fall);
            /* It ends near the least value: to what the last sweep gave, and the coordinates that were left out. */
            assert_true(fall > -0.9 * least && fall < -(1 + 1e-5) * least);
            free(m);
        }
    }
}

static void zeros_stay_that_want_to(void **state)
{
    (void)state;
    model *m = calloc(1, sizeof *m);
    for (int j = 0; j < N; j++) {
        m->diagonal[j] = j == 3 ? 0 : 2;
        m->gradient[j] = j < 6 ? 0.2 : -1;
        m->w[j] = j == 0 ? 0.05 : 0;
    }
    double slope;
    skimpi_proximal_problem q = problem_of(m, 0.5);
    double fall = skimpi_proximal_step(&m->state, &q, &slope);
    assert_true(m->w[0] + m->d[0] == 0); /* to zero, exactly */
    for (int j = 1; j < N - 1; j++) {
        assert_true(m->d[j] == (j < 6 ? 0 : 0.25)); /* (1 - 0.5) / 2 */
    }
    assert_true(m->d[N - 1] == 0.5); /* without l1 */
    assert_true(fall > 0 && slope < -fall);
    free(m);
}

static void pairs_without_curvature_are_refused(void **state)
{
    (void)state;
    model *m = calloc(1, sizeof *m);
    double from[N] = { 0 }, to[N] = { 1, 2 }, flat[N] = { 0 }, bent[N] = { -1 }, infinite[N] = { INFINITY };
    skimpi_proximal_remember(&m->state, m->rows, N, from, to, flat, flat);
    skimpi_proximal_remember(&m->state, m->rows, N, from, to, flat, bent);
    skimpi_proximal_remember(&m->state, m->rows, N, from, to, flat, infinite);
    assert_int_equal(m->state.n_pairs, 0);
    bent[0] = 1;
    for (int k = 0; k < 25; k++) { /* nor do they spoil what is there */
        skimpi_proximal_remember(&m->state, m->rows, N, from, to, flat, k % 2 == 0 ? bent : infinite);
    }
    assert_int_equal(m->state.n_pairs, SKIMPI_PROXIMAL_PAIRS);
    for (unsigned i = 0; i < SKIMPI_PROXIMAL_FLOATS * N; i++) {
        assert_true(isfinite(m->rows[i]));
    }
    skimpi_proximal_forget(&m->state);
    assert_int_equal(m->state.n_pairs, 0);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_lower_the_model),
        cmocka_unit_test(zeros_stay_that_want_to),
        cmocka_unit_test(pairs_without_curvature_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
