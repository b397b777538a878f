/* SPDX-License-Identifier: BSD-3-Clause */
/* Decimals: every value comes back as the float that it would have been, in as few bits as are promised, by every loop. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "data/decimal.h"

enum { MOST = 500 };

typedef struct bytes {
    _Alignas(64) uint8_t b[MOST * 8 + 128];
} bytes;

static bool same_float(float a, float b)
{
    return a != a ? b != b : memcmp(&a, &b, sizeof a) == 0;
}

/* Encodes by every loop, decodes by every loop, in parts too. Returns the bits, 0 when it is no column of decimals. */
static unsigned round_trip(const double *values, uint32_t n)
{
    static bytes encoded, again;
    static float found[MOST + 1];
    skimpi_column_scan scan;
    skimpi_chunk_column column = { .encoding = SKIMPI_ENC_F32 }, other;
    skimpi_column_scan_run(values, n, &scan);
    memset(&encoded, 0xee, sizeof encoded);
    const uint64_t used = skimpi_decimal_encode(values, n, &scan, &column, encoded.b);
    for (int loops = SKIMPI_LOOPS_PLAIN; loops <= SKIMPI_LOOPS_AVX512; loops++) {
        skimpi_encoding_limit(loops);
        other = (skimpi_chunk_column){ .encoding = SKIMPI_ENC_F32 };
        memset(&again, 0xee, sizeof again);
        assert_int_equal(skimpi_decimal_encode(values, n, &scan, &other, again.b), used);
        assert_memory_equal(&other, &column, sizeof column);
        assert_true(used == 0 || memcmp(&again, &encoded, sizeof again) == 0);
        for (uint32_t part = 0; used > 0 && part < n; part += SKIMPI_DECIMAL_BLOCK * 3) {
            found[n] = 0.25F;
            skimpi_decimal_decode(&column,
                                  encoded.b + part / SKIMPI_DECIMAL_BLOCK * skimpi_decimal_block_bytes(&column),
                                  n - part, found + part);
            for (uint32_t i = part; i < n; i++) {
                assert_true(same_float(found[i], (float)values[i]));
            }
            assert_true(found[n] == 0.25F);
        }
    }
    if (used == 0) {
        assert_int_equal(column.encoding, SKIMPI_ENC_F32);
        return 0;
    }
    assert_int_equal(column.encoding, SKIMPI_ENC_DECIMAL);
    assert_true(skimpi_decimal_is_sound(&column) && skimpi_decodes_to_float(&column));
    assert_int_equal(used, skimpi_column_encoded_bytes(&column, n));
    assert_int_equal(used % SKIMPI_CHUNK_ALIGN, 0);
    for (uint64_t i = (n + 15) / 16 * skimpi_decimal_block_bytes(&column); i < used; i++) {
        assert_int_equal(encoded.b[i], 0);
    }
    assert_int_equal(encoded.b[used], 0xee);
    return column.bits;
}

static void few_digits_take_few_bits(void **state)
{
    (void)state;
    static const uint32_t ranges[] = {
        200, 255, 256, 4000, 4095, 4096, 65535, 65536, 800000, 1048576, 9999999, 16777215
    };
    static const unsigned bits[] = { 8, 8, 12, 12, 12, 16, 16, 20, 20, 24, 24, 24 };
    static double values[MOST];
    skimpi_random r;
    skimpi_random_seed(&r, 5);
    for (unsigned digits = 0; digits <= SKIMPI_DECIMAL_DIGITS; digits++) {
        for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
            for (uint32_t n = 2; n <= MOST; n += n < 40 ? 1 : 83) {
                const double low = skimpi_random_below(&r, 2) != 0 ? 0 : -floor(ranges[k] / 2.0);
                const bool misses = skimpi_random_below(&r, 3) == 0;
                for (uint32_t i = 0; i < n; i++) {
                    const double code = i == 0   ? 0
                                        : i == 1 ? ranges[k] - 1
                                                 : (double)skimpi_random_below(&r, ranges[k]);
                    char text[64];
                    snprintf(text, sizeof text, "%.0fe-%u", low + code, digits);
                    values[i] = i > 1 && misses && i % 7 == 3 ? (double)NAN : strtod(text, NULL);
                }
                assert_true(round_trip(values, n) <= bits[k]); /* fewer, where all end in zeros */
                assert_true(round_trip(values, n) > 0);
                if (n > 100 && digits < 8) {
                    assert_int_equal(round_trip(values, n), bits[k]);
                }
            }
        }
    }
}

static void others_stay_as_they_are(void **state)
{
    (void)state;
    static double values[MOST];
    static const double strange[] = { 1.0 / 3, -0.0, INFINITY, 1e8, 0.12345678901, 3e-40, -1e30 };
    for (size_t k = 0; k < sizeof strange / sizeof *strange; k++) {
        for (uint32_t place = 0; place < MOST; place += 33) {
            for (uint32_t i = 0; i < MOST; i++) {
                values[i] = i == place ? strange[k] : (double)(i % 97) / 4;
            }
            assert_int_equal(round_trip(values, MOST), 0);
        }
    }
    for (uint32_t i = 0; i < MOST; i++) { /* nothing there; and too far apart */
        values[i] = (double)NAN;
    }
    assert_int_equal(round_trip(values, MOST), 0);
    values[0] = 0.1;
    values[1] = 2e6;
    assert_int_equal(round_trip(values, 2), 0);
    values[1] = 1e6;
    assert_int_equal(round_trip(values, 2), 24);
}

/* A sample's digits and bits are those of the column. */
static void samples_tell(void **state)
{
    (void)state;
    unsigned digits = 0;
    assert_int_equal(digits = skimpi_decimal_digits(17, digits), 0);
    assert_int_equal(digits = skimpi_decimal_digits(0.25, digits), 2);
    assert_int_equal(digits = skimpi_decimal_digits(-1.5, digits), 2);
    assert_int_equal(digits = skimpi_decimal_digits((double)NAN, digits), 2);
    assert_int_equal(digits = skimpi_decimal_digits(3.1416, digits), 4);
    assert_int_equal(skimpi_decimal_bits(-1.5, 17, digits), 20);
    assert_int_equal(skimpi_decimal_bits(0, 0.0254, digits), 8);
    assert_int_equal(skimpi_decimal_bits(0, 0.0255, digits), 12);
    assert_int_equal(skimpi_decimal_bits(0, 1e9, digits), 0);
    assert_int_equal(skimpi_decimal_bits(-INFINITY, INFINITY, digits), 0);
    assert_int_equal(skimpi_decimal_bits(INFINITY, -INFINITY, 0), 0);
    skimpi_column_scan scan = { .minimum = -1.5, .maximum = 17 };
    assert_true(skimpi_decimal_expect(&scan, digits) == 2.5);
    scan.maximum = 102; /* too near to what 20 bits hold */
    assert_true(skimpi_decimal_bits(-1.5, 102, digits) == 20 && skimpi_decimal_expect(&scan, digits) == 3);
    scan.n_infinite = 1;
    assert_true(skimpi_decimal_expect(&scan, digits) == 4);
    digits = skimpi_decimal_digits(1.0 / 3, digits);
    assert_true(digits > SKIMPI_DECIMAL_DIGITS);
    assert_int_equal(skimpi_decimal_bits(0, 1, digits), 0);
}

/* Descriptors that lie make other numbers, and no harm. */
static void lies_do_no_harm(void **state)
{
    (void)state;
    static bytes from;
    static float out[MOST];
    static const double bases[] = { 0, NAN, INFINITY, 1e300, -5e-324 };
    memset(&from, 0xa5, sizeof from);
    for (unsigned bits = 0; bits < 256; bits++) {
        skimpi_chunk_column column = { .encoding = SKIMPI_ENC_DECIMAL, .bits = (uint8_t)bits };
        const bool is_width = bits == 8 || bits == 12 || bits == 16 || bits == 20 || bits == 24;
        assert_true(skimpi_decimal_is_sound(&column) == is_width);
        for (size_t k = 0; is_width && k < 5; k++) {
            column.base = bases[k];
            column.digits = (uint8_t)(k * 2);
            skimpi_decimal_decode(&column, from.b, MOST, out);
        }
        column.digits = SKIMPI_DECIMAL_DIGITS + 1;
        assert_false(skimpi_decimal_is_sound(&column));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_digits_take_few_bits),
        cmocka_unit_test(others_stay_as_they_are),
        cmocka_unit_test(samples_tell),
        cmocka_unit_test(lies_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
