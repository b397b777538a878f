/* SPDX-License-Identifier: BSD-3-Clause */
/* Text to number and back: against strtod on random and hard texts; never beyond the end; the shortest text that reads back. */
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
#include "data/number.h"

#define LONGEST 4000

/* The text with digits after its end, which must not be taken. */
static void check(const char *text)
{
    static char padded[LONGEST + SKIMPI_NUMBER_PADDING];
    size_t length = strlen(text);
    assert_true(length <= LONGEST);
    memcpy(padded, text, length);
    memset(padded + length, '7', SKIMPI_NUMBER_PADDING);
    char *stop;
    double expected = strtod(text, &stop), value = 12345;
    const char *end = skimpi_number_parse(padded, padded + length, &value);
    if (stop == text) {
        assert_null(end);
        return;
    }
    if (end == NULL || end - padded != stop - text ||
        (memcmp(&value, &expected, sizeof(value)) != 0 && !(isnan(value) && isnan(expected)))) {
        fail_msg("'%.200s': %a, not %a", text, value, expected);
    }
}

static void forms(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "+1",
        "1.",
        ".5",
        "-.5",
        "1e5",
        "1E+5",
        "1e-5",
        "1e",
        "1e+",
        "1ex",
        "1.5.2",
        "1-2",
        "00012",
        "000.000",
        "1e0000000000000000000000001",
        "0e999999999999999999999",
        "1e999999999999999999999",
        "1e-999999999999999999999",
        "",
        "-",
        "+",
        ".",
        "-.",
        "e5",
        ".e5",
        "abc",
        "--1",
        "+-1",
        "inf",
        "-Infinity",
        "INF",
        "iNfInItY",
        "infinit",
        "nan",
        "NaN",
        "-nan",
        "in",
        "na",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "9007199254740993",
        "9007199254740992.99999999999999999999999",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999",
        "123456789012345678901234567890",
        "0.000000000000000000000000000000000000000000001",
        "1e22",
        "1e23",
        "8.5e22",
        "123456789e-30",
        "7.1e-10",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
        "6929495644600919.5",
        "3.2378839133029012895883524125015321748630e-172",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        check(texts[i]);
    }
    double value;
    static const char hex[SKIMPI_NUMBER_PADDING + 4] = "0x10";
    assert_ptr_equal(skimpi_number_parse(hex, hex + 4, &value), hex + 1);
    assert_true(value == 0);
}

static void random_doubles_and_their_texts(void **state)
{
    (void)state;
    skimpi_random r;
    skimpi_random_seed(&r, 1);
    char text[64];
    for (int i = 0; i < 1000000; i++) {
        uint64_t bits = skimpi_random_u64(&r);
        double value, back;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) {
            continue;
        }
        snprintf(text, sizeof(text), "%.*g", 1 + (int)skimpi_random_below(&r, 25), value);
        check(text);
        size_t length = skimpi_number_format(value, text);
        assert_int_equal(length, strlen(text));
        assert_true(length < 32);
        back = strtod(text, NULL);
        assert_memory_equal(&back, &value, sizeof(value));
    }
}

/* Decimals of 1 to 30 digits with a point anywhere: what files hold. */
static void random_decimals(void **state)
{
    (void)state;
    skimpi_random r;
    skimpi_random_seed(&r, 2);
    char text[64];
    for (int i = 0; i < 1000000; i++) {
        size_t n = 0, digits = 1 + skimpi_random_below(&r, 30), point = skimpi_random_below(&r, 40);
        for (size_t k = 0; k < digits; k++) {
            if (k == point) {
                text[n++] = '.';
            }
            text[n++] = (char)('0' + skimpi_random_below(&r, 10));
        }
        text[n] = '\0';
        if (skimpi_random_below(&r, 4) == 0) {
            snprintf(text + n, sizeof(text) - n, "e%d", (int)skimpi_random_below(&r, 700) - 350);
        }
        check(text);
    }
}

/* Around the points halfway between neighbours, exactly and off by one digit far behind; subnormals too. */
static void halfway_points(void **state)
{
    (void)state;
    skimpi_random r;
    skimpi_random_seed(&r, 3);
    static char text[LONGEST + 1];
    for (int i = 0; i < 60000; i++) {
        uint64_t bits = skimpi_random_u64(&r) >> 1;
        bits = i % 4 == 0 ? bits & 0x001fffffffffffff : i % 4 == 1 ? (bits & 0xffff) << 47 : bits;
        uint64_t above_bits = bits + 1;
        double value, above;
        memcpy(&value, &bits, sizeof(value));
        memcpy(&above, &above_bits, sizeof(above));
        if (!isfinite(value) || !isfinite(above)) {
            continue;
        }
        /* A long double holds the middle exactly, and prints all of its digits. */
        snprintf(text, sizeof(text), "%.1200Le", ((long double)value + above) / 2);
        check(text);
        char exponent[16];
        char *e = strchr(text, 'e');
        strcpy(exponent, e);
        size_t cut = 2 + skimpi_random_below(&r, (uint64_t)(e - text - 2));
        char kept = text[cut];
        text[cut] = (char)('0' + skimpi_random_below(&r, 10));
        check(text);
        text[cut] = kept;
        size_t more = skimpi_random_below(&r, 800);
        memset(e, '0', more);
        strcpy(e + more, i % 2 == 0 ? "1" : "");
        strcat(text, exponent);
        check(text);
        memmove(text + cut, strchr(text, 'e'), strlen(strchr(text, 'e')) + 1);
        check(text);
    }
}

static void formats_as_people_write(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        { 0, "0" },
        { -0.0, "-0" },
        { 1, "1" },
        { -2.5, "-2.5" },
        { 0.1, "0.1" },
        { 100, "100" },
        { 1e15, "1000000000000000" },
        { 1e16, "1e+16" },
        { 1e17, "1e+17" },
        { 123456.789, "123456.789" },
        { 0.0001, "0.0001" },
        { 0.00001, "1e-05" },
        { 1.5e-7, "1.5e-07" },
        { 5e-324, "5e-324" },
        { 1.7976931348623157e308, "1.7976931348623157e+308" },
        { 9007199254740993.0, "9007199254740992" },
        { 0.3, "0.3" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { INFINITY, "inf" },
        { -INFINITY, "-inf" },
        { NAN, "nan" },
        { 1e23, "1e+23" },
        { 5.684341886080802e-14, "5.684341886080802e-14" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[32];
        assert_int_equal(skimpi_number_format(cases[i].value, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

/* No text with fewer digits reads back: %.*g gives the nearest one of each length. */
static void no_shorter_text_reads_back(void **state)
{
    (void)state;
    skimpi_random r;
    skimpi_random_seed(&r, 4);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = skimpi_random_u64(&r);
        double value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value)) {
            continue;
        }
        char text[32], other[40];
        skimpi_number_format(value, text);
        int seen = 0, digits = 0; /* up to the last that is not 0 */
        for (const char *p = text; *p != '\0' && *p != 'e'; p++) {
            seen += *p >= '0' && *p <= '9' && (seen > 0 || *p != '0');
            digits = *p >= '1' && *p <= '9' ? seen : digits;
        }
        if (digits > 1) {
            snprintf(other, sizeof(other), "%.*e", digits - 2, value);
            assert_true(strtod(other, NULL) != value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(random_doubles_and_their_texts),
        cmocka_unit_test(random_decimals),
        cmocka_unit_test(halfway_points),
        cmocka_unit_test(formats_as_people_write),
        cmocka_unit_test(no_shorter_text_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
