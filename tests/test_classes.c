/* SPDX-License-Identifier: BSD-3-Clause */
/* Targets become class indices: numbers and codes, any length, and what is no class is told. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"

enum { LONGEST = 21 };

/* Index of a value among the classes, by looking at all of them. */
static double plain_index(const skimpi_classes *classes, double value)
{
    for (uint32_t k = 0; k < classes->n_classes; k++) {
        if (classes->is_text ? value == k : classes->values[k] == value) {
            return classes->is_text ? classes->of_code[k] : k;
        }
    }
    return classes->n_classes;
}

/* Every length, with a stranger at each place, and without one. */
static void check(const skimpi_classes *classes, const double *values, double stranger)
{
    for (uint32_t n = 0; n <= LONGEST; n++) {
        for (uint32_t odd = 0; odd <= n; odd++) {
            double target[LONGEST + 1], wanted[LONGEST + 1];
            target[n] = wanted[n] = 0.25; /* past the end: must stay */
            for (uint32_t i = 0; i < n; i++) {
                target[i] = i == odd ? stranger : values[(i * 5 + n) % classes->n_classes];
                wanted[i] = plain_index(classes, target[i]);
            }
            assert_true(skimpi_classes_map(classes, n, target) == (odd == n));
            assert_memory_equal(target, wanted, (n + 1) * sizeof *target);
        }
    }
}

static void numbers_become_indices(void **state)
{
    (void)state;
    double values[] = { -1, 0, 2.5, 1e300, INFINITY };
    const double strangers[] = { NAN, 7, -1e300 };
    for (uint32_t n = 2; n <= 5; n++) {
        for (size_t s = 0; s < 3; s++) {
            const skimpi_classes classes = { .n_classes = n, .values = values };
            check(&classes, values, strangers[s]);
        }
    }
    /* Zero is zero, whatever its sign. */
    double zeros[3] = { -0.0, 0.0, -1 };
    const skimpi_classes two = { .n_classes = 2, .values = values };
    assert_true(skimpi_classes_map(&two, 3, zeros));
    assert_true(zeros[0] == 1 && zeros[1] == 1 && zeros[2] == 0);
}

static void codes_become_indices(void **state)
{
    (void)state;
    double codes[] = { 0, 1, 2 };
    uint32_t of_code[] = { 2, 0, 1 };
    const skimpi_classes classes = { .n_classes = 3, .is_text = true, .of_code = of_code, .n_of_code = 3 };
    const double strangers[] = { NAN, 3, -1, INFINITY };
    for (size_t s = 0; s < 4; s++) {
        check(&classes, codes, strangers[s]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_become_indices),
        cmocka_unit_test(codes_become_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
