/* SPDX-License-Identifier: BSD-3-Clause */
/* Symmetric eigenvalues: A V = V Λ and Vᵀ V = I to rounding, in ascending order, for easy and awkward matrices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

static void check(size_t n, size_t ld, const double *lower)
{
    double *v = calloc(n * ld + 1, sizeof *v), *values = calloc(n + 1, sizeof *values),
           *scratch = calloc(2 * n + 1, sizeof *scratch);
    assert_non_null(v);
    assert_non_null(values);
    assert_non_null(scratch);
    memcpy(v, lower, n * ld * sizeof *v);
    values[n] = 55;
    scratch[2 * n] = 66;
    assert_true(skimpi_symmetric_eigen(n, v, ld, values, scratch));
    assert_true(values[n] == 55 && scratch[2 * n] == 66);
    double norm = 0;
    for (size_t i = 0; i < n; i++) {
        norm = fmax(norm, fabs(values[i]));
        assert_true(i == 0 || values[i - 1] <= values[i]);
    }
    double bound = 8 * (double)(n + 4) * DBL_EPSILON;
    for (size_t e = 0; e < n; e++) {
        for (size_t i = 0; i < n; i++) {
            long double sum = 0;
            for (size_t j = 0; j < n; j++) {
                sum += (long double)lower[i >= j ? i * ld + j : j * ld + i] * (long double)v[e * ld + j];
            }
            assert_true(fabsl(sum - (long double)values[e] * (long double)v[e * ld + i]) <=
                        (long double)(bound * norm));
        }
        for (size_t o = 0; o <= e; o++) {
            assert_true(fabs(skimpi_dot(n, v + e * ld, v + o * ld) - (e == o)) <= bound);
        }
    }
    free(v);
    free(values);
    free(scratch);
}

static void test_random(void **state)
{
    (void)state;
    skimpi_random random;
    skimpi_random_seed(&random, 3);
    for (size_t n = 0; n <= 60; n = n < 12 ? n + 1 : n * 3 / 2) {
        for (int kind = 0; kind < 6; kind++) {
            size_t ld = n + (size_t)kind % 2;
            double *a = calloc(n * ld + 1, sizeof *a);
            assert_non_null(a);
            for (size_t i = 0; i < n; i++) {
                for (size_t j = 0; j <= i; j++) {
                    double x = skimpi_random_double(&random) - 0.5;
                    a[i * ld + j] = kind == 0   ? x                                   /* full */
                                    : kind == 1 ? x * pow(10, -(double)(i + j) / 2)   /* graded */
                                    : kind == 2 ? (i == j)                            /* one eigenvalue */
                                    : kind == 3 ? (double)((i % 3 + 1) * (j % 3 + 1)) /* rank one */
                                    : kind == 4 ? x * 1e200 * (i - j <= 1)            /* huge, tridiagonal */
                                                : 1e-200 * x * (double)((i + j) % 2); /* tiny, with holes */
                }
            }
            check(n, ld, a);
            free(a);
        }
    }
}

static void test_known(void **state)
{
    (void)state;
    /* The second difference: 2 - 2 cos(k π / (n + 1)). */
    enum { N = 20 };
    double a[N * N] = { 0 }, values[N], scratch[2 * N];
    for (size_t i = 0; i < N; i++) {
        a[i * N + i] = 2;
        if (i > 0) {
            a[i * N + i - 1] = -1;
        }
    }
    assert_true(skimpi_symmetric_eigen(N, a, N, values, scratch));
    for (size_t k = 0; k < N; k++) {
        assert_true(fabs(values[k] - (2 - 2 * cos((double)(k + 1) * 3.14159265358979323846 / (N + 1)))) < 1e-14);
    }
}

static void test_not_finite(void **state)
{
    (void)state;
    double a[4] = { 1, 0, (double)NAN, 1 }, values[2], scratch[4];
    assert_false(skimpi_symmetric_eigen(2, a, 2, values, scratch));
    double b[4] = { 1, 0, 0, (double)INFINITY };
    assert_false(skimpi_symmetric_eigen(2, b, 2, values, scratch));
}

static void test_hypot(void **state)
{
    (void)state;
    const double values[] = { 0, 1e-320, 3, -4, 1e-200, -1e200, 1.7e308, 0.1 };
    const size_t n = sizeof values / sizeof *values;
    for (size_t i = 0; i < n * n; i++) {
        const double a = values[i / n], b = values[i % n], expected = hypot(a, b);
        assert_true(fabs(skimpi_hypot(a, b) - expected) <= 2 * DBL_EPSILON * expected || isinf(expected));
    }
    assert_true(skimpi_hypot(3, -4) == 5);
    assert_true(isinf(skimpi_hypot(-(double)INFINITY, (double)INFINITY)) && isinf(skimpi_hypot(1, (double)INFINITY)));
    assert_true(isnan(skimpi_hypot((double)NAN, 1)) && isnan(skimpi_hypot(1, (double)NAN)) &&
                isnan(skimpi_hypot((double)NAN, (double)NAN)) && isnan(skimpi_hypot((double)NAN, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_known),
                                        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_hypot) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
