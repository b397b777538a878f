/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cholesky: L Lᵀ gives A back and A x = b is solved, at sizes around every block; bad pivots are found where they are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

/* B Bᵀ + n I of a random B: positive definite. Above the diagonal lies what must not be touched. */
static double *make(size_t n, size_t ld, uint64_t seed)
{
    skimpi_random random;
    skimpi_random_seed(&random, seed);
    double *b = calloc(n * n + 1, sizeof *b), *a = calloc(n * ld + 1, sizeof *a);
    assert_non_null(a);
    assert_non_null(b);
    for (size_t i = 0; i < n * n; i++) {
        b[i] = skimpi_random_double(&random) - 0.5;
    }
    for (size_t i = 0; i < n * ld; i++) {
        a[i] = 777;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            a[i * ld + j] = skimpi_dot(n, b + i * n, b + j * n) + (i == j ? 0.1 : 0);
        }
    }
    free(b);
    return a;
}

static void test_factor_and_solve(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 2, 3, 7, 8, 16, 17, 47, 48, 49, 63, 96, 97, 130, 200 };
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s], ld = n + s % 3;
        double *a = make(n, ld, s), *l = calloc(n * ld + 1, sizeof *l), *x = calloc(n + 1, sizeof *x);
        assert_non_null(l);
        assert_non_null(x);
        memcpy(l, a, n * ld * sizeof *a);
        assert_int_equal(skimpi_cholesky(n, l, ld), n);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < ld; j++) {
                if (j > i) {
                    assert_true(l[i * ld + j] == 777);
                    continue;
                }
                long double sum = 0;
                for (size_t k = 0; k <= j; k++) {
                    sum += (long double)l[i * ld + k] * (long double)l[j * ld + k];
                }
                double bound = (double)(n + 8) * DBL_EPSILON * sqrt(a[i * ld + i] * a[j * ld + j]);
                assert_true(fabsl(sum - (long double)a[i * ld + j]) <= (long double)bound);
            }
            x[i] = sin((double)i);
        }
        skimpi_cholesky_solve(n, l, ld, x);
        double largest = skimpi_norm_inf(n, x);
        for (size_t i = 0; i < n; i++) {
            long double residual = -sinl((long double)i), size = 0;
            for (size_t j = 0; j < n; j++) {
                double v = a[i > j ? i * ld + j : j * ld + i];
                residual += (long double)v * (long double)x[j];
                size += fabsl((long double)v);
            }
            assert_true(fabsl(residual) <= size * (long double)(largest * (double)(n + 8) * DBL_EPSILON));
        }
        free(a);
        free(l);
        free(x);
    }
}

static void test_bad_pivots(void **state)
{
    (void)state;
    static const size_t places[] = { 0, 1, 30, 47, 48, 95, 119 };
    for (size_t s = 0; s < sizeof places / sizeof *places; s++) {
        size_t n = 120;
        double *a = make(n, n, 5);
        a[places[s] * n + places[s]] = -1;
        assert_int_equal(skimpi_cholesky(n, a, n), places[s]);
        free(a);
        a = make(n, n, 5);
        a[places[s] * n + places[s]] = (double)NAN;
        assert_int_equal(skimpi_cholesky(n, a, n), places[s]);
        free(a);
    }
    double zero = 0;
    assert_int_equal(skimpi_cholesky(1, &zero, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_factor_and_solve), cmocka_unit_test(test_bad_pivots) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
