/* SPDX-License-Identifier: BSD-3-Clause */
/* Random numbers: the published sequence, the range and evenness of what is made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

/* xoshiro256++ from the state {1, 2, 3, 4}: the values that its authors' code gives. */
static void follows_the_published_sequence(void **state)
{
    static const uint64_t expected[] = { 41943041u,
                                         58720359u,
                                         3588806011781223u,
                                         3591011842654386u,
                                         9228616714210784205u,
                                         9973669472204895162u,
                                         14011001112246962877u,
                                         12406186145184390807u,
                                         15849039046786891736u,
                                         10450023813501588000u };
    (void)state;
    skimpi_random r = { { 1, 2, 3, 4 } };
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
        assert_int_equal(skimpi_random_u64(&r), expected[i]);
    }
}

/* splitmix64 seeded with 0 begins with these two numbers. */
static void seeds_by_splitmix64(void **state)
{
    (void)state;
    skimpi_random r;
    skimpi_random_seed(&r, 0);
    assert_true(r.s[0] == 0xe220a8397b1dcdafu);
    assert_true(r.s[1] == 0x6e789e6aa1b965f4u);
    skimpi_random again;
    skimpi_random_seed(&again, 0);
    assert_memory_equal(&r, &again, sizeof(r));
    skimpi_random_seed(&again, 1);
    assert_memory_not_equal(&r, &again, sizeof(r));
}

static void doubles_fill_the_unit_interval(void **state)
{
    (void)state;
    skimpi_random r;
    skimpi_random_seed(&r, 7);
    unsigned tenths[10] = { 0 };
    for (int i = 0; i < 100000; i++) {
        double x = skimpi_random_double(&r);
        assert_true(x >= 0.0 && x < 1.0);
        tenths[(int)(x * 10)]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(tenths[i], 9500, 10500); /* five standard deviations */
    }
}

static void bounded_numbers_are_even(void **state)
{
    (void)state;
    skimpi_random r;
    skimpi_random_seed(&r, 11);
    assert_int_equal(skimpi_random_below(&r, 0), 0);
    assert_int_equal(skimpi_random_below(&r, 1), 0);
    unsigned seen[7] = { 0 };
    for (int i = 0; i < 70000; i++) {
        seen[skimpi_random_below(&r, 7)]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(seen[i], 9500, 10500);
    }
    /* With a bound of 3/4 of the range a plain multiplication would give even numbers below it twice as often. */
    uint64_t bound = 3 * ((uint64_t)1 << 62);
    unsigned thirds[3] = { 0 };
    for (int i = 0; i < 30000; i++) {
        uint64_t x = skimpi_random_below(&r, bound);
        assert_true(x < bound);
        thirds[x % 3]++;
    }
    for (int i = 0; i < 3; i++) {
        assert_in_range(thirds[i], 9500, 10500);
    }
}

static void mixing_is_one_to_one_on_a_sample(void **state)
{
    (void)state;
    assert_true(skimpi_mix64(0) == 0xe220a8397b1dcdafu);
    for (uint64_t i = 0; i < 1000; i++) {
        for (uint64_t k = i + 1; k < 1000; k++) {
            assert_true(skimpi_mix64(i) != skimpi_mix64(k));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_published_sequence),   cmocka_unit_test(seeds_by_splitmix64),
        cmocka_unit_test(doubles_fill_the_unit_interval),   cmocka_unit_test(bounded_numbers_are_even),
        cmocka_unit_test(mixing_is_one_to_one_on_a_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
