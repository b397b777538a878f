/* SPDX-License-Identifier: BSD-3-Clause */
/* Log losses against long double arithmetic, at every alignment of the tail, and where numbers are hostile. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "loss/loss.h"

#define ROWS 1003

static double uniform(skimpi_random *random, double low, double high)
{
    return low + (high - low) * skimpi_random_double(random);
}

/* |a - b| in units of the last place of b (a long double). */
static double ulps(double a, long double b)
{
    if (b == 0.0L) {
        return a == 0.0 ? 0.0 : INFINITY;
    }
    int exponent;
    (void)frexpl(b, &exponent);
    return (double)(fabsl((long double)a - b) / ldexpl(1.0L, exponent - 53));
}

static void exact(double target, double margin, long double *value, long double *first, long double *second)
{
    long double z = (2.0L * target - 1.0L) * margin;
    long double e = expl(-fabsl(z));
    *value = log1pl(e) + (z < 0 ? -z : 0.0L);
    *first = -(2.0L * target - 1.0L) * (z > 0 ? e / (1 + e) : 1 / (1 + e));
    *second = e / (1 + e) / (1 + e);
}

static void values_and_derivatives_are_accurate(void **state)
{
    (void)state;
    const skimpi_loss *loss = skimpi_loss_find("log_loss");
    assert_non_null(loss);
    skimpi_random random;
    skimpi_random_seed(&random, 7);
    static const double scales[] = { 1e-300, 1e-17, 1e-9, 1e-3, 0.5, 1.0, 3.0, 30.0, 300.0, 700.0 };
    for (size_t s = 0; s < sizeof(scales) / sizeof(scales[0]); s++) {
        for (int i = 0; i < 20000; i++) {
            double margin = uniform(&random, -scales[s], scales[s]);
            double target = (double)(skimpi_random_u64(&random) & 1), gradient, curvature;
            long double v, f, c;
            exact(target, margin, &v, &f, &c);
            double value = loss->evaluate(1, &target, NULL, &margin, 0.0, &gradient, &curvature);
            assert_true(ulps(value, v) <= 2.5);
            assert_true(ulps(gradient, f) <= 3.5);
            assert_true(ulps(curvature, c) <= 4.5);
            assert_true(ulps(loss->value(target, margin, 0.0), v) <= 2.5);
            assert_true(ulps(loss->first(target, margin, 0.0), f) <= 3.5);
            assert_true(ulps(loss->second(target, margin, 0.0), c) <= 4.5);
        }
    }
}

static void sums_do_not_depend_on_what_is_asked_for(void **state)
{
    (void)state;
    const skimpi_loss *loss = skimpi_loss_find("log_loss");
    skimpi_random random;
    skimpi_random_seed(&random, 8);
    static double target[ROWS + 1], weight[ROWS + 1], margin[ROWS + 1], g[ROWS], c[ROWS], g2[ROWS], c2[ROWS];
    for (size_t i = 0; i <= ROWS; i++) {
        target[i] = (double)(skimpi_random_u64(&random) & 1);
        weight[i] = uniform(&random, 0.0, 3.0);
        margin[i] = uniform(&random, -20.0, 20.0);
    }
    for (size_t offset = 0; offset < 2; offset++) {
        for (size_t n = 0; n <= ROWS - offset; n = n < 40 ? n + 1 : n * 2 + 1) {
            const double *t = target + offset, *w = weight + offset, *m = margin + offset;
            double both = loss->evaluate(n, t, w, m, 0.0, g, c);
            double only = loss->evaluate(n, t, w, m, 0.0, g2, NULL);
            double none = loss->evaluate(n, t, w, m, 0.0, NULL, NULL);
            double curved = loss->evaluate(n, t, w, m, 0.0, NULL, c2);
            assert_memory_equal(&both, &only, sizeof both);
            assert_memory_equal(&both, &none, sizeof both);
            assert_memory_equal(&both, &curved, sizeof both);
            if (n > 0) {
                assert_memory_equal(g, g2, n * sizeof(double));
                assert_memory_equal(c, c2, n * sizeof(double));
            }
            long double expected = 0.0L, v, f, s;
            for (size_t i = 0; i < n; i++) {
                exact(t[i], m[i], &v, &f, &s);
                expected += w[i] * v;
                assert_true(ulps(g[i], w[i] * f) <= 4.5);
                assert_true(ulps(c[i], w[i] * s) <= 5.5);
            }
            assert_true(fabsl(both - expected) <= 1e-15L * fabsl(expected));
            double unweighted = loss->evaluate(n, t, NULL, m, 0.0, g, c);
            double unweighted_value = loss->evaluate(n, t, NULL, m, 0.0, NULL, NULL);
            assert_memory_equal(&unweighted, &unweighted_value, sizeof unweighted);
            expected = 0.0L;
            for (size_t i = 0; i < n; i++) {
                exact(t[i], m[i], &v, &f, &s);
                expected += v;
            }
            assert_true(fabsl(unweighted - expected) <= 1e-15L * fabsl(expected));
        }
    }
}

static void extremes_stay_finite_and_nan_is_seen(void **state)
{
    (void)state;
    const skimpi_loss *loss = skimpi_loss_find("log_loss");
    static const double margins[] = { 0.0, -0.0, 709.0, -709.0, 1e5, -1e5, 1e300, -1e300 };
    for (size_t i = 0; i < sizeof(margins) / sizeof(margins[0]); i++) {
        for (int t = 0; t < 2; t++) {
            double target = t, gradient, curvature;
            double value = loss->evaluate(1, &target, NULL, &margins[i], 0.0, &gradient, &curvature);
            double z = (2 * target - 1) * margins[i];
            assert_true(isfinite(value) && value >= 0.0);
            assert_true(value >= -z && value <= fmax(0.0, -z) + 0.7);
            assert_true(fabs(gradient) <= 1.0 && gradient * (2 * target - 1) <= 0.0);
            assert_true(curvature >= 0.0 && curvature <= 0.25);
        }
    }
    double target = 1.0, margin = NAN;
    assert_true(isnan(loss->evaluate(1, &target, NULL, &margin, 0.0, NULL, NULL)));
}

static void multinomial_matches_long_double(void **state)
{
    (void)state;
    enum { STRIDE = 48 };
    static const unsigned class_counts[] = { 2, 3, 7, 100 };
    skimpi_random random;
    skimpi_random_seed(&random, 9);
    for (size_t c = 0; c < 4; c++) {
        unsigned k = class_counts[c];
        double *margins = malloc(k * STRIDE * sizeof(double)), *g = malloc(k * STRIDE * sizeof(double));
        double *p = malloc(k * STRIDE * sizeof(double)), *p_only = malloc(k * STRIDE * sizeof(double));
        double target[STRIDE], weight[STRIDE];
        for (size_t n = 1; n <= 41; n++) {
            for (size_t i = 0; i < n; i++) {
                target[i] = (double)skimpi_random_below(&random, k);
                weight[i] = uniform(&random, 0.1, 2.0);
                for (unsigned l = 0; l < k; l++) {
                    margins[l * STRIDE + i] = uniform(&random, -9.0, 9.0) * (i % 5 == 0 ? 50.0 : 1.0);
                }
            }
            double value = skimpi_multinomial_evaluate(n, k, target, weight, margins, STRIDE, g, p);
            double alone = skimpi_multinomial_evaluate(n, k, target, weight, margins, STRIDE, NULL, p_only);
            double nothing = skimpi_multinomial_evaluate(n, k, target, weight, margins, STRIDE, NULL, NULL);
            assert_memory_equal(&value, &alone, sizeof value);
            assert_memory_equal(&value, &nothing, sizeof value);
            long double expected = 0.0L;
            for (size_t i = 0; i < n; i++) {
                long double top = margins[i], sum = 0.0L;
                for (unsigned l = 1; l < k; l++) {
                    top = fmaxl(top, margins[l * STRIDE + i]);
                }
                for (unsigned l = 0; l < k; l++) {
                    sum += expl(margins[l * STRIDE + i] - top);
                }
                expected += weight[i] * (logl(sum) + top - margins[(size_t)target[i] * STRIDE + i]);
                for (unsigned l = 0; l < k; l++) {
                    long double q = expl(margins[l * STRIDE + i] - top) / sum;
                    assert_true(fabsl(p[l * STRIDE + i] - q) <= 1e-15L);
                    assert_memory_equal(&p[l * STRIDE + i], &p_only[l * STRIDE + i], sizeof(double));
                    assert_true(fabsl(g[l * STRIDE + i] - weight[i] * (q - (l == (unsigned)target[i]))) <= 2e-15L);
                }
            }
            assert_true(fabsl(value - expected) <= 1e-14L * fabsl(expected));
            skimpi_softmax(n, k, margins, STRIDE);
            for (size_t i = 0; i < n; i++) {
                for (unsigned l = 0; l < k; l++) {
                    assert_true(fabs(margins[l * STRIDE + i] - p[l * STRIDE + i]) <= 1e-15);
                }
            }
        }
        free(margins);
        free(g);
        free(p);
        free(p_only);
    }
}

static void sigmoid_has_both_tails(void **state)
{
    (void)state;
    double m[] = { 0.0, 40.0, -40.0, 800.0, -700.0 };
    skimpi_sigmoid(5, m);
    assert_true(m[0] == 0.5 && m[1] > 0.999 && m[1] <= 1.0 && m[3] == 1.0);
    assert_true(fabs(m[2] - exp(-40.0)) <= 1e-15 * exp(-40.0));
    assert_true(fabs(m[4] - exp(-700.0)) <= 1e-15 * exp(-700.0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_derivatives_are_accurate),
        cmocka_unit_test(sums_do_not_depend_on_what_is_asked_for),
        cmocka_unit_test(extremes_stay_finite_and_nan_is_seen),
        cmocka_unit_test(multinomial_matches_long_double),
        cmocka_unit_test(sigmoid_has_both_tails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
