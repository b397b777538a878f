/* SPDX-License-Identifier: BSD-3-Clause */
/* The JSON checker and its accessors: what is valid, what is not, and what is read back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/json_value.h"

/* Checks an exact copy, so that a read past its end is seen by the sanitizer. */
static bool is_valid(const char *text, size_t length)
{
    char *copy = malloc(length == 0 ? 1 : length);
    memcpy(copy, text, length);
    skimpi_json value;
    size_t bad_at = 0;
    bool good = skimpi_json_check(copy, length, &value, &bad_at);
    assert_true(good || bad_at <= length);
    free(copy);
    return good;
}

static void test_valid(void **state)
{
    (void)state;
    static const char *const good[] = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1.5e+10",
        "1E5",
        "0.25",
        "\"\"",
        "\"a\\u00e9\\n\\\"\"",
        "\"\\ud83d\\ude00\"",
        "[]",
        "{}",
        " [ 1 , 2 ] ",
        "{\"a\":1,\"b\":[true,null,{\"c\":\"d\"}]}",
        "NaN",
        "Infinity",
        "-Infinity",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "\t\n\r 1",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(is_valid(good[i], strlen(good[i])));
    }
}

static void test_invalid(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "--1",
        "-",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\u0000\"",
        "\"\n\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{1:2}",
        "1 2",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xc3\"",
        "nan",
        "inf",
        "-NaN",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (is_valid(bad[i], strlen(bad[i]))) {
            fail_msg("'%s' is taken for JSON", bad[i]);
        }
    }
    assert_false(is_valid("1\0", 2));
}

static void test_every_cut_is_invalid(void **state)
{
    (void)state;
    static const char text[] = "{\"ab\\u00e9\":[1.5e-3,true,null,\"\xc3\xa9\"],\"x\":{\"y\":-2}}";
    assert_true(is_valid(text, strlen(text)));
    for (size_t n = 0; n < strlen(text); n++) {
        assert_false(is_valid(text, n));
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * SKIMPI_JSON_DEPTH + 2];
    memset(text, '[', SKIMPI_JSON_DEPTH + 1);
    memset(text + SKIMPI_JSON_DEPTH + 1, ']', SKIMPI_JSON_DEPTH + 1);
    assert_false(is_valid(text, sizeof(text)));
    assert_true(is_valid(text + 1, sizeof(text) - 2));
}

static skimpi_json value_of(const char *text)
{
    skimpi_json value;
    assert_true(skimpi_json_check(text, strlen(text), &value, NULL));
    return value;
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(skimpi_json_number(value_of(" -1.5e3 ")) == -1500);
    assert_true(skimpi_json_number(value_of("0.1")) == 0.1);
    assert_true(skimpi_json_number(value_of("1e999")) == INFINITY);
    assert_true(skimpi_json_number(value_of("-Infinity")) == -INFINITY);
    assert_true(isnan(skimpi_json_number(value_of("NaN"))));
    assert_true(isnan(skimpi_json_number(value_of("\"1\""))));
    assert_true(skimpi_json_true(value_of("true")));
    assert_false(skimpi_json_true(value_of("false")));
}

static void test_strings(void **state)
{
    (void)state;
    char out[16];
    skimpi_json value = value_of("\"a\\u00e9\\ud83d\\ude00\\t\"");
    assert_int_equal(skimpi_json_string(value, out, sizeof(out)), 8);
    assert_string_equal(out, "a\xc3\xa9\xf0\x9f\x98\x80\t");
    assert_true(skimpi_json_string_is(value, "a\xc3\xa9\xf0\x9f\x98\x80\t", 8));
    assert_false(skimpi_json_string_is(value, "a\xc3\xa9\xf0\x9f\x98\x80", 7));
    assert_false(skimpi_json_string_is(value, "a", 1));
    assert_false(skimpi_json_string_is(value_of("5"), "5", 1));
    assert_int_equal(skimpi_json_string(value, out, 5), 8); /* cut between characters */
    assert_string_equal(out, "a\xc3\xa9");
    assert_int_equal(skimpi_json_string(value, out, 0), 8);
}

static void test_items(void **state)
{
    (void)state;
    skimpi_json value = value_of("{ \"0\" : 1 , \"spam, ham\" : [ 2 , 3 ] }"), key, item;
    skimpi_json_items items = skimpi_json_begin(value);
    assert_true(skimpi_json_next(&items, &key, &item));
    assert_true(skimpi_json_string_is(key, "0", 1) && skimpi_json_number(item) == 1);
    assert_true(skimpi_json_next(&items, &key, &item));
    assert_true(skimpi_json_string_is(key, "spam, ham", 9));
    skimpi_json_items pair = skimpi_json_begin(item);
    assert_true(skimpi_json_next(&pair, &key, &item) && skimpi_json_number(item) == 2 && key.length == 0);
    assert_true(skimpi_json_next(&pair, &key, &item) && skimpi_json_number(item) == 3);
    assert_false(skimpi_json_next(&pair, &key, &item));
    assert_false(skimpi_json_next(&items, &key, &item));
    assert_int_equal(skimpi_json_count(value), 2);
    assert_int_equal(skimpi_json_count(value_of("[]")), 0);
    assert_int_equal(skimpi_json_count(value_of("7")), 0);
}

static void test_compact(void **state)
{
    (void)state;
    char out[64];
    skimpi_json value = value_of(" { \"a b\" : [ 1 ,\t2 ] ,\n\"c\" : \"\\\" \" } ");
    size_t n = skimpi_json_compact(value, out);
    assert_int_equal(n, strlen("{\"a b\":[1,2],\"c\":\"\\\" \"}"));
    assert_memory_equal(out, "{\"a b\":[1,2],\"c\":\"\\\" \"}", n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid), cmocka_unit_test(test_invalid), cmocka_unit_test(test_every_cut_is_invalid),
        cmocka_unit_test(test_depth), cmocka_unit_test(test_numbers), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_items), cmocka_unit_test(test_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
