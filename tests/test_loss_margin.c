/* SPDX-License-Identifier: BSD-3-Clause */
/* The losses of margins against their definitions, finite differences and their own scalar functions. */
#include "loss_checks.h"

static double hinge(double z)
{
    return z < 1 ? 1 - z : 0;
}
static double squared_hinge(double z)
{
    return z < 1 ? (1 - z) * (1 - z) : 0;
}
static double modified_huber(double z)
{
    return z >= 1 ? 0 : z >= -1 ? (1 - z) * (1 - z) : -4 * z;
}
static double perceptron(double z)
{
    return z < 0 ? -z : 0;
}

static const struct {
    const char *name;
    double (*value)(double z);
    bool smooth;
} losses[] = {
    { "hinge", hinge, false },
    { "squared_hinge", squared_hinge, true },
    { "modified_huber", modified_huber, true },
    { "perceptron", perceptron, false },
};

static void test_definitions(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        const skimpi_loss *loss = skimpi_loss_find(losses[k].name);
        assert_non_null(loss);
        assert_true(loss->classification);
        assert_int_equal(loss->smooth, losses[k].smooth);
        for (double m = -3.05; m < 3; m += 0.1) {
            assert_true(fabs(loss->value(1, m, 0) - losses[k].value(m)) < 1e-12);
            assert_true(fabs(loss->value(0, m, 0) - losses[k].value(-m)) < 1e-12);
        }
    }
}

static void test_derivatives(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        check_derivatives(skimpi_loss_find(losses[k].name), (const double[]){ 0, 1 }, 2, 0);
    }
}

static void test_steep_side_at_the_kink(void **state)
{
    (void)state;
    assert_true(skimpi_loss_find("perceptron")->first(1, 0, 0) == -1);
    assert_true(skimpi_loss_find("perceptron")->first(0, 0, 0) == 1);
    assert_true(skimpi_loss_find("hinge")->first(1, 1, 0) == -1);
}

static void test_evaluate(void **state)
{
    (void)state;
    for (size_t k = 0; k < 4; k++) {
        check_evaluate(skimpi_loss_find(losses[k].name), true, 0);
    }
    assert_null(skimpi_loss_find("hing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_derivatives),
        cmocka_unit_test(test_steep_side_at_the_kink),
        cmocka_unit_test(test_evaluate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
