/* SPDX-License-Identifier: BSD-3-Clause */
/* The losses of residuals against their definitions, finite differences and their own scalar functions. */
#include "loss_checks.h"

static double squared(double r, double e)
{
    (void)e;
    return 0.5 * r * r;
}
static double huber(double r, double e)
{
    return fabs(r) <= e ? 0.5 * r * r : e * (fabs(r) - 0.5 * e);
}
static double insensitive(double r, double e)
{
    return fabs(r) > e ? fabs(r) - e : 0;
}
static double squared_insensitive(double r, double e)
{
    return insensitive(r, e) * insensitive(r, e);
}

static const struct {
    const char *name;
    double (*value)(double r, double epsilon);
    bool smooth;
} losses[] = {
    { "squared_error", squared, true },
    { "huber", huber, true },
    { "epsilon_insensitive", insensitive, false },
    { "squared_epsilon_insensitive", squared_insensitive, true },
};

static void test_definitions(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        const skimpi_loss *loss = skimpi_loss_find(losses[k].name);
        assert_non_null(loss);
        assert_false(loss->classification);
        assert_int_equal(loss->smooth, losses[k].smooth);
        for (double epsilon = 0; epsilon < 2; epsilon += 0.3) {
            for (double m = -3.05; m < 3; m += 0.1) {
                assert_true(fabs(loss->value(0.4, m, epsilon) - losses[k].value(m - 0.4, epsilon)) < 1e-12);
            }
        }
    }
}

static void test_derivatives(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        check_derivatives(skimpi_loss_find(losses[k].name), (const double[]){ -1, 0, 2 }, 3, 0.1);
        check_derivatives(skimpi_loss_find(losses[k].name), (const double[]){ -1, 0, 2 }, 3, 1.35);
    }
}

static void test_evaluate(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        check_evaluate(skimpi_loss_find(losses[k].name), false, 0.1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_derivatives),
        cmocka_unit_test(test_evaluate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
