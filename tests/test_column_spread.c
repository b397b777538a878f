/* SPDX-License-Identifier: BSD-3-Clause */
/* Mean and squares of columns: near to exact, the same bits by every loop, missing values left out, parts put together. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "data/column_spread.h"
#include "data/encoding.h"

enum { MOST = 3000 };

static double values[MOST];

static uint64_t fill(size_t n, double offset, double scale, unsigned missing_every, uint64_t seed)
{
    uint64_t missing = 0, x = seed * 2654435761u + 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        values[i] = offset + scale * ((double)(x >> 11) * 0x1p-53 - 0.5);
        if (missing_every > 0 && (x >> 40) % missing_every == 0) {
            values[i] = (double)NAN;
            missing++;
        }
    }
    return missing;
}

static skimpi_column_spread exactly(size_t n, bool as_floats)
{
    long double sum = 0, squares = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (values[i] == values[i]) {
            sum += as_floats ? (float)values[i] : values[i];
            count++;
        }
    }
    const long double mean = count > 0 ? sum / count : 0;
    for (size_t i = 0; i < n; i++) {
        if (values[i] == values[i]) {
            const long double d = (as_floats ? (float)values[i] : values[i]) - mean;
            squares += d * d;
        }
    }
    return (skimpi_column_spread){ (double)count, (double)mean, (double)squares };
}

static void assert_near(const skimpi_column_spread *found, const skimpi_column_spread *wanted)
{
    assert_true(found->count == wanted->count);
    const double deviation = wanted->count > 0 ? sqrt(wanted->squares / wanted->count) : 0;
    assert_true(fabs(found->mean - wanted->mean) <= 1e-15 * fabs(wanted->mean) + 1e-13 * deviation);
    /* Means of parts are rounded where they are, however near to each other. */
    const double rounding = 1e-15 * fabs(wanted->mean) * deviation * wanted->count;
    assert_true(fabs(found->squares - wanted->squares) <= 1e-12 * wanted->squares + rounding);
}

static void is_near_to_exact(void **state)
{
    (void)state;
    static const double offsets[] = { 0, 1, -1e9, 1e-30, 12345.678 };
    static const double scales[] = { 1, 1e-30, 1e30, 100 };
    static const unsigned every[] = { 0, 3, 1 };
    for (size_t n = 0; n < MOST; n += n < 40 ? 1 : 617) {
        for (size_t k = 0; k < 5 * 4 * 3 * 2; k++) {
            const bool as_floats = k % 2 == 1;
            const uint64_t missing = fill(n, offsets[k / 2 % 5], scales[k / 10 % 4], every[k / 40], n + k);
            const skimpi_column_spread wanted = exactly(n, as_floats);
            skimpi_column_spread found, again;
            skimpi_column_spread_find(values, n, missing, as_floats, &found);
            assert_near(&found, &wanted);
            for (int loops = SKIMPI_LOOPS_PLAIN; loops < SKIMPI_LOOPS_AVX512; loops++) {
                skimpi_encoding_limit(loops);
                skimpi_column_spread_find(values, n, missing, as_floats, &again);
                skimpi_encoding_limit(SKIMPI_LOOPS_AVX512);
                assert_memory_equal(&again, &found, sizeof found);
            }
            /* In two parts; a part may be without values. */
            size_t first = n / 3;
            uint64_t first_missing = 0;
            for (size_t i = 0; i < first; i++) {
                first_missing += values[i] != values[i];
            }
            skimpi_column_spread whole = { 0 }, part;
            skimpi_column_spread_find(values, first, first_missing, as_floats, &part);
            skimpi_column_spread_merge(&whole, &part);
            skimpi_column_spread_find(values + first, n - first, missing - first_missing, as_floats, &part);
            skimpi_column_spread_merge(&whole, &part);
            assert_near(&whole, &wanted);
        }
    }
}

/* A constant is told to the last bit, in as many parts as it comes in. */
static void constants_do_not_spread(void **state)
{
    (void)state;
    static const double constants[] = { 0.1, -1e300, 3e-310, 123456789.123 };
    for (size_t k = 0; k < 4; k++) {
        skimpi_column_spread whole = { 0 }, part;
        for (size_t n = 1; n < 200; n += 13) {
            for (size_t i = 0; i < n; i++) {
                values[i] = constants[k];
            }
            values[n] = (double)NAN;
            skimpi_column_spread_find(values, n + n % 2, n % 2, false, &part);
            assert_true(part.mean == constants[k] && part.squares == 0 && part.count == (double)n);
            skimpi_column_spread_merge(&whole, &part);
            assert_true(whole.mean == constants[k] && whole.squares == 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_near_to_exact),
        cmocka_unit_test(constants_do_not_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
