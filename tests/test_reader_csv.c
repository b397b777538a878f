/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CSV reader: dialect, types, missing values, failures and their places; the same rows wherever the text is cut into
 * units, whatever the kernels; against a plain reader of the same dialect on random texts; failing allocations.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "csv_harness.h"

static skimp_budget *budget;

static int begin(void **state)
{
    (void)state;
    skimp_budget_options options = { .size = sizeof(options) };
    return skimp_budget_create(&budget, &options, NULL) != SKIMP_OK;
}

static int end(void **state)
{
    (void)state;
    return skimp_budget_destroy(budget) != 0;
}

static csv_case plain(const char *text)
{
    return (csv_case){ .text = text, .length = strlen(text), .options = { .header = -1 }, .tail = 16 };
}

static csv_table read_ok(const csv_case *c)
{
    csv_table t;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status = csv_read(budget, c, &t, &error);
    if (status != SKIMP_OK) {
        fail_msg("%s", error.message);
    }
    if (t.failure.code != SKIMP_OK) {
        fail_msg("line %llu: %s", (unsigned long long)t.failure.row, t.failure.message);
    }
    return t;
}

static double cell(const csv_table *t, uint64_t row, uint32_t column)
{
    assert_true(row < t->n_rows && column < t->width);
    return t->numeric[row * t->width + column];
}

static const char *code_text(const csv_table *t, uint32_t slot, double code)
{
    static char text[256];
    size_t length;
    if (code == SKIMPI_CODE_MISSING) {
        return "(missing)";
    }
    assert_true(code < skimpi_dictionary_size(t->schema->dictionaries[slot]));
    const char *bytes = skimpi_dictionary_text(t->schema->dictionaries[slot], (uint32_t)code, &length);
    assert_true(length < sizeof(text));
    memcpy(text, bytes, length);
    text[length] = '\0';
    return text;
}

static void same_tables(const csv_table *a, const csv_table *b, const char *what, size_t unit)
{
    if (a->failure.code != b->failure.code ||
        (a->failure.code != SKIMP_OK &&
         (a->failure.row != b->failure.row || strcmp(a->failure.message, b->failure.message) != 0))) {
        fail_msg("%s, units of %zu: failure '%s' in line %llu, not '%s' in %llu", what, unit, b->failure.message,
                 (unsigned long long)b->failure.row, a->failure.message, (unsigned long long)a->failure.row);
    }
    if (a->failure.code != SKIMP_OK) {
        return;
    }
    if (a->n_rows != b->n_rows || a->rows_bad != b->rows_bad || a->rows_missing != b->rows_missing ||
        a->first_bad_line != b->first_bad_line || a->lines != b->lines) {
        fail_msg("%s, units of %zu: %llu rows, %llu bad from line %llu, %llu missing, %llu lines; not %llu, %llu from "
                 "%llu, %llu, %llu",
                 what, unit, (unsigned long long)b->n_rows, (unsigned long long)b->rows_bad,
                 (unsigned long long)b->first_bad_line, (unsigned long long)b->rows_missing,
                 (unsigned long long)b->lines, (unsigned long long)a->n_rows, (unsigned long long)a->rows_bad,
                 (unsigned long long)a->first_bad_line, (unsigned long long)a->rows_missing,
                 (unsigned long long)a->lines);
    }
    for (uint64_t i = 0; i < a->n_rows * a->width; i++) {
        if (memcmp(&a->numeric[i], &b->numeric[i], sizeof(double)) != 0 &&
            !(isnan(a->numeric[i]) && isnan(b->numeric[i]))) {
            fail_msg("%s, units of %zu: row %llu, place %u: %.17g, not %.17g", what, unit,
                     (unsigned long long)(i / a->width), (unsigned)(i % a->width), b->numeric[i], a->numeric[i]);
        }
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------------ */

static void numbers_of_all_forms(void **state)
{
    (void)state;
    csv_case c = plain("a,b,c\n1,-2.5,+3\n 4 ,5e3,.5\n1e-400,inf,-Infinity\n\"7\",\" 9 "
                       "\",8.\n-0,12345678901234567890,1234567.8901234567890123\n");
    csv_table t = read_ok(&c);
    const double expected[] = {
        1, -2.5, 3, 4, 5000, .5, 0, INFINITY, -INFINITY, 7, 9, 8, -0.0, 12345678901234567890.0, 1234567.8901234567890123
    };
    assert_int_equal(t.n_rows, 5);
    assert_int_equal(t.schema->n_numeric, 3);
    for (uint32_t i = 0; i < 15; i++) {
        double value = cell(&t, i / 3, i % 3);
        assert_memory_equal(&value, &expected[i], sizeof(double));
    }
    csv_table_free(&t);
}

static void missing_values(void **state)
{
    (void)state;
    csv_case c = plain("a,b,c\n1,x,1\n,,2\nNA,NA,3\nn/a,\"\",4\nnan,null,5\n -NaN ,<NA>,6\n\"NULL\",\"NA\",7\n");
    csv_table t = read_ok(&c);
    assert_int_equal(t.n_rows, 7);
    assert_int_equal(t.schema->n_numeric, 2);
    assert_int_equal(t.schema->n_category, 1);
    for (uint32_t i = 1; i < 7; i++) {
        assert_true(isnan(cell(&t, i, 0)));
        assert_true(cell(&t, i, 1) == i + 1);
        assert_true(cell(&t, i, 2) == SKIMPI_CODE_MISSING);
    }
    assert_string_equal(code_text(&t, 0, cell(&t, 0, 2)), "x");
    csv_table_free(&t);
    c.options.on_missing = SKIMPI_MISSING_DROP;
    t = read_ok(&c);
    assert_int_equal(t.n_rows, 1);
    assert_int_equal(t.rows_missing, 6);
    csv_table_free(&t);
    static const uint8_t may_miss[] = { 1, 1, 0 };
    c.options.may_miss = may_miss;
    t = read_ok(&c);
    assert_int_equal(t.n_rows, 7);
    csv_table_free(&t);
}

/* Rows that are dropped or skipped leave no category behind. */
static void skipped_rows_enter_no_texts(void **state)
{
    (void)state;
    csv_case c = plain("t,n,u\na,1,x\nb,,y\nc,3,z\nd,4,\n");
    c.options.on_missing = SKIMPI_MISSING_DROP;
    csv_table t = read_ok(&c);
    assert_int_equal(t.n_rows, 2);
    assert_int_equal(t.rows_missing, 2);
    assert_int_equal(skimpi_dictionary_size(t.schema->dictionaries[0]), 2);
    assert_int_equal(skimpi_dictionary_size(t.schema->dictionaries[1]), 2);
    assert_string_equal(code_text(&t, 0, cell(&t, 1, 1)), "c");
    assert_string_equal(code_text(&t, 1, cell(&t, 1, 2)), "z");
    csv_table_free(&t);
}

static void quotes(void **state)
{
    (void)state;
    csv_case c = plain("name,v\n\"a,b\",1\n\"line\nbreak\",2\n\"say "
                       "\"\"hi\"\"\",3\nin\"side,4\n\"ab\"cd,5\n\"\",6\n\"a,b\",7\n\"x\r\ny\",8\n");
    csv_table t = read_ok(&c);
    const char *expected[] = { "a,b", "line\nbreak", "say \"hi\"", "in\"side", "abcd", "(missing)", "a,b", "x\r\ny" };
    assert_int_equal(t.n_rows, 8);
    for (uint32_t i = 0; i < 8; i++) {
        assert_string_equal(code_text(&t, 0, cell(&t, i, 1)), expected[i]);
        assert_true(cell(&t, i, 0) == i + 1);
    }
    assert_int_equal(t.lines, 12);
    csv_table_free(&t);
}

static void line_ends_and_blank_lines(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a,b\n1,2\n3,4\n",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r1,2\r3,4\r",
        "a,b\n1,2\n3,4",
        "\xef\xbb\xbf"
        "a,b\n1,2\n3,4\n",
        "\n\na,b\n\n1,2\n\n\n3,4\n\n",
        "a,b\n1,2\n  \n3,4\n \t \n",
        "a,b\r\n\r\n1,2\r\n3,4",
        "\"a\",\"b\"\n\"1\",\"2\"\r\n3,4\r",
        "a;b\n1;2\n3;4\n",
        "a\tb\n1\t2\n3\t4\n",
        "a|b\n1|2\n3|4\n",
        "a b\n1 2\n3 4\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        csv_case c = plain(texts[i]);
        csv_table t = read_ok(&c);
        assert_int_equal(t.n_rows, 2);
        assert_int_equal(t.schema->n_numeric, 2);
        assert_string_equal(t.schema->columns[0].name, "a");
        assert_string_equal(t.schema->columns[1].name, "b");
        for (uint32_t k = 0; k < 4; k++) {
            assert_true(cell(&t, k / 2, k % 2) == k + 1);
        }
        csv_table_free(&t);
    }
}

/* A text has spaces; a file whose fields they separate has as many in all rows, and numbers between them. */
static void spaces_separate_or_do_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t n_columns, n_rows;
    } cases[] = {
        { "text\nhello world\nfine weather\n", 1, 2 },
        { "some text\nhello world\nfine weather\n", 1, 2 },
        { "text\na b c\nd e\nf\n", 1, 3 },
        { "room\nRoom 12\nRoom 13\n", 1, 2 },
        { "text\nthe 3 of them\nno 4 at all\nfour\n", 1, 3 },
        { "text,n\nhello world,1\nfine weather,2\n", 2, 2 },
        { "a b\n1 2\n3 4\n\n", 2, 2 },
        { "1 2\n3 4\n", 2, 2 },
        { "A11 6 x\nA12 48 y\n", 3, 2 },
        { "kind n\nA11 6\nA12 NA\n", 2, 2 },
        { "1 2 3\n", 3, 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        csv_case c = plain(cases[i].text);
        csv_table t = read_ok(&c);
        assert_int_equal(t.schema->n_columns, cases[i].n_columns);
        assert_int_equal(t.n_rows, cases[i].n_rows);
        csv_table_free(&t);
    }
}

static void headers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int header;
        uint32_t rows;
        const char *first;
    } cases[] = {
        { "1,2\n3,4\n", -1, 2, "x0" },      { "a,b\n3,4\n", -1, 1, "a" },        { "0,1\n3.5,4\n", -1, 1, "0" },
        { ",0,1\n0,3.5,4\n", -1, 1, "x0" }, { "x,y\nu,v\n", -1, 1, "x" },        { "x,y\nu,v\n", 0, 2, "x0" },
        { "1,2\n3,4\n", 1, 1, "1" },        { " a , \"b\"\n3,4\n", -1, 1, "a" }, { "a\n", -1, 0, "a" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        csv_case c = plain(cases[i].text);
        c.options.header = cases[i].header;
        csv_table t = read_ok(&c);
        assert_int_equal(t.n_rows, cases[i].rows);
        assert_string_equal(t.schema->columns[0].name, cases[i].first);
        csv_table_free(&t);
    }
}

static void types_from_the_sample(void **state)
{
    (void)state;
    csv_case c = plain("n,flag,day,stamp,us,clock,zip,gap\n1,true,2013-01-01,2013-01-01T05:00:00Z,01/02/"
                       "2013,12:30,007,\n2,false,2013-01-02,2013-01-01 06:00:00.5+02:00,12/31/13,1:05:07 PM,12-3,\n");
    const char *const drop[] = { "day", "stamp", "us", "clock" };
    c.roles = (skimpi_roles){ .drop = drop, .n_drop = 4 };
    csv_table t = read_ok(&c);
    const uint8_t expected[] = { SKIMPI_TYPE_NUMERIC, SKIMPI_TYPE_CATEGORY, SKIMPI_TYPE_DATE,     SKIMPI_TYPE_DATE,
                                 SKIMPI_TYPE_DATE,    SKIMPI_TYPE_DATE,     SKIMPI_TYPE_CATEGORY, SKIMPI_TYPE_NUMERIC };
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(t.schema->columns[i].type, expected[i]);
    }
    csv_table_free(&t);
    c.roles.n_drop = 2;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(csv_read(budget, &c, &t, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "--drop us,clock"));
    assert_string_equal(error.column, "us");
    csv_table_free(&t);
}

static void targets(void **state)
{
    (void)state;
    const char *text = "x,d,c,w\n1,10,AA,1\n2,20,BB,2\n3,,AA,3\n4,15,\"CC\",4\n";
    static const struct {
        const char *target;
        double expected[4]; /* -1: missing */
    } cases[] = {
        { "d>15", { 0, 1, -1, 0 } },   { "d >= 15", { 0, 1, -1, 1 } }, { "d<15", { 1, 0, -1, 0 } },
        { "d <=15", { 1, 0, -1, 1 } }, { "d==20", { 0, 1, -1, 0 } },   { "d = 20", { 0, 1, -1, 0 } },
        { "d!=20", { 1, 0, -1, 1 } },  { "d", { 10, 20, -1, 15 } },    { "c == \"AA\"", { 1, 0, 1, 0 } },
        { "c!=AA", { 0, 1, 0, 1 } },   { "c='CC'", { 0, 0, 0, 1 } },   { "c", { 0, 1, 0, 2 } },
        { "1>1e1", { 0, 1, -1, 1 } },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        csv_case c = plain(text);
        c.roles = (skimpi_roles){ .target = cases[i].target, .weight = "w" };
        csv_table t = read_ok(&c);
        for (uint32_t k = 0; k < 4; k++) {
            double value = cell(&t, k, t.width - 2);
            if (!(cases[i].expected[k] < 0 ? isnan(value) : value == cases[i].expected[k])) {
                fail_msg("%s: row %u gives %g, not %g", cases[i].target, (unsigned)k, value, cases[i].expected[k]);
            }
            assert_true(cell(&t, k, t.width - 1) == k + 1);
        }
        csv_table_free(&t);
    }
    csv_case c = plain(text);
    c.roles.target = "d";
    c.options.on_missing = SKIMPI_MISSING_DROP;
    csv_table t = read_ok(&c);
    assert_int_equal(t.n_rows, 3);
    csv_table_free(&t);
    c.options.target_optional = true;
    t = read_ok(&c);
    assert_int_equal(t.n_rows, 4);
    csv_table_free(&t);
}

static void hashing(void **state)
{
    (void)state;
    csv_case c = plain("a,b\nx,x\ny,x\nx,y\n");
    c.roles.hash_bits = 20;
    csv_table t = read_ok(&c);
    assert_null(t.schema->dictionaries[0]);
    assert_true(cell(&t, 0, 0) == cell(&t, 2, 0));
    assert_true(cell(&t, 0, 1) == cell(&t, 1, 1));
    assert_true(cell(&t, 0, 0) != cell(&t, 1, 0));
    assert_true(cell(&t, 0, 0) != cell(&t, 0, 1)); /* the column's name counts */
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(cell(&t, i / 2, i % 2) < 1 << 20);
    }
    csv_table_free(&t);
}

/* ---- failures ----------------------------------------------------------------------------------------------------------- */

static void failures_name_their_place(void **state)
{
    (void)state;
    /* 60 good rows before, so that bad ones are a small part of the sample. */
    char text[4096], start[1024] = "a,b\n";
    for (int i = 0; i < 60; i++) {
        strcat(start, i == 7 ? "\"1\",\"2\"\n" : i == 9 ? "\n1,2\n" : "1,2\n");
    }
    static const struct {
        const char *row;
        const char *says;
        const char *column;
    } cases[] = {
        { "1,abc\n", "text 'abc' in a column of numbers", "b" },
        { "1 2,3\n", "text '1 2'", "a" },
        { "\"1,000\",3\n", "text '\"1,000\"'", "a" },
        { "2013-01-01,3\n", "date '2013-01-01'", "a" },
        { "1,\tx\x01\n", "text '\\tx\\x01'", "b" },
        { "1,2,3\n", "3 fields where 2 are expected", "" },
        { "1\n", "1 field where 2 are expected", "" },
        { "1,\"2\n3,4\n", "not closed", "" },
        { "1,2\xff\n", "text", "b" },
        { "1,12345678901234567890123456789012345678901234567890123456789z\n", "\xe2\x80\xa6", "b" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        snprintf(text, sizeof(text), "%s%s%s", start, cases[i].row, "5,6\n7,x\n");
        for (size_t unit = 0; unit < 200; unit += 37) {
            csv_case c = plain(text);
            c.unit_bytes = unit;
            skimp_error error = SKIMP_ERROR_INIT;
            csv_table t;
            assert_int_equal(csv_read(budget, &c, &t, &error), SKIMP_OK);
            if (t.failure.code != SKIMP_ERROR_DATA || strstr(t.failure.message, cases[i].says) == NULL) {
                fail_msg("%s: failure %d, %s", cases[i].row, t.failure.code, t.failure.message);
            }
            assert_string_equal(t.failure.column, cases[i].column);
            assert_int_equal(t.failure.row, 63);
            csv_table_free(&t);
        }
    }
    /* A NUL byte. */
    snprintf(text, sizeof(text), "%s1,#\n5,6\n", start);
    csv_case c = plain(text);
    *strchr(text, '#') = '\0';
    skimp_error error = SKIMP_ERROR_INIT;
    csv_table t;
    assert_int_equal(csv_read(budget, &c, &t, &error), SKIMP_OK);
    assert_int_equal(t.failure.row, 63);
    assert_non_null(strstr(t.failure.message, "NUL"));
    csv_table_free(&t);
}

static void bad_rows_are_skipped_and_counted(void **state)
{
    (void)state;
    char text[4096] = "a,t,b\n";
    for (int i = 0; i < 40; i++) {
        strcat(text, "1,u,2\n");
    }
    strcat(text, "x,v,2\n1,w,2,3\n1,w\n3,u,4\n1,z,\"\n");
    for (size_t unit = 0; unit < 100; unit += 11) {
        csv_case c = plain(text);
        c.options.on_bad_row = SKIMPI_BAD_ROW_SKIP;
        c.unit_bytes = unit;
        csv_table t = read_ok(&c);
        assert_int_equal(t.n_rows, 41);
        assert_int_equal(t.rows_bad, 4);
        assert_int_equal(t.first_bad_line, 42);
        assert_int_equal(skimpi_dictionary_size(t.schema->dictionaries[0]), 1);
        assert_true(cell(&t, 40, 0) == 3 && cell(&t, 40, 1) == 4);
        csv_table_free(&t);
    }
}

static void hopeless_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
        const char *says;
    } cases[] = {
        { "", 0, "is empty" },
        { "\n \n\r\n", 5, "" },
        { "\xff\xfe"
          "a\0",
          4, "UTF-16" },
        { "\"abc", 4, "not closed" },
        { "a\0b,c\n1,2\n", 10, "NUL" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        csv_case c = { .text = cases[i].text, .length = cases[i].length, .options = { .header = -1 }, .tail = 4 };
        skimp_error error = SKIMP_ERROR_INIT;
        csv_table t;
        assert_int_equal(csv_read(budget, &c, &t, &error), SKIMP_ERROR_DATA);
        assert_non_null(strstr(error.message, cases[i].says));
        csv_table_free(&t);
    }
}

/* A row with far more fields than a batch holds, and a very long field. */
static void very_long_rows(void **state)
{
    (void)state;
    size_t n = 100000;
    char *text = malloc(3 * n + 4096);
    size_t at = (size_t)sprintf(text, "a,b\n");
    for (int i = 0; i < 30; i++) {
        at += (size_t)sprintf(text + at, "1,2\n");
    }
    for (size_t i = 0; i < n; i++) {
        text[at++] = '1';
        text[at++] = ',';
    }
    at += (size_t)sprintf(text + at, "\n3,4\n1,");
    memset(text + at, ' ', n);
    memcpy(text + at + n, "7\n", 3);
    for (int skip = 0; skip < 2; skip++) {
        csv_case c = plain(text);
        c.options.on_bad_row = skip ? SKIMPI_BAD_ROW_SKIP : SKIMPI_BAD_ROW_ERROR;
        c.unit_bytes = 1000;
        csv_table t;
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(csv_read(budget, &c, &t, &error), SKIMP_OK);
        if (skip) {
            assert_int_equal(t.n_rows, 32);
            assert_int_equal(t.rows_bad, 1);
            assert_true(cell(&t, 31, 1) == 7);
        } else {
            assert_non_null(strstr(t.failure.message, "100001 fields"));
            assert_int_equal(t.failure.row, 32);
        }
        csv_table_free(&t);
    }
    free(text);
}

/* ---- cuts ---------------------------------------------------------------------------------------------------------------- */

static void any_cut_gives_the_same_rows(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a,t,b\n1,x,2\n\"3\",\"y,z\",4\r\n5,\"new\nline\",6\n\n7,\"\"\"q\"\"\",8\n9,\"a\r\nb,\n\",10\r11,in\"side\","
        "12\n13,\"t\"\"\",14\n15,,16\r\n17,\"end\n\",18",
        "t\n\"a\n\"\n\"\n\nb\"\nc\n\"\"\"\n\"\"\n\"\"\"\n\"d\"\"\"\n",
        "t,u\n\"a,1\n\",\"2\n,\"\n\"b,3\n,,,\n\",\"4\"\n\"c\n\n\n\",5\n\"d\",\"6\n\n\"\n",
        "a,b\r1,2\r\r3,4\r\n5,6\n\r7,8\r",
    };
    const char *const kernels[] = { "portable", "avx2", "avx512" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        csv_case c = plain(texts[i]);
        c.options.delimiter = ',';
        c.options.header = 1;
        csv_table whole = read_ok(&c);
        for (size_t k = 0; k < 3; k++) {
            if (skimpi_csv_kernels_find(kernels[k]) == NULL) {
                continue;
            }
            c.kernels = kernels[k];
            for (size_t unit = 1; unit <= c.length + 1; unit++) {
                c.unit_bytes = unit;
                for (c.tail = 0; c.tail < 20; c.tail += 9) {
                    csv_table t = read_ok(&c);
                    same_tables(&whole, &t, texts[i], unit);
                    csv_table_free(&t);
                }
            }
        }
        csv_table_free(&whole);
    }
}

/* ---- random texts against a plain reader ------------------------------------------------------------------------------------ */

typedef struct plain_rows {
    char fields[1000][160];
    size_t n_fields, n_rows;
    uint8_t widths[1000];
} plain_rows;

/* Byte by byte, as the dialect's description says; text of fields, unquoted. */
static void read_plainly(const char *text, size_t length, plain_rows *out)
{
    size_t p = 0;
    out->n_fields = out->n_rows = 0;
    while (p < length) {
        size_t begin_field = out->n_fields;
        bool quoted_any = false;
        for (;;) {
            char *field = out->fields[out->n_fields++];
            size_t n = 0;
            if (p < length && text[p] == '"') {
                quoted_any = true;
                for (p++; p < length; p++) {
                    if (text[p] == '"' && p + 1 < length && text[p + 1] == '"') {
                        p++;
                    } else if (text[p] == '"') {
                        p++;
                        break;
                    }
                    field[n++] = text[p];
                }
            }
            while (p < length && text[p] != ',' && text[p] != '\n' && text[p] != '\r') {
                field[n++] = text[p++];
            }
            field[n] = '\0';
            if (p >= length || text[p] != ',') {
                break;
            }
            p++;
        }
        if (p < length) {
            p += text[p] == '\r' && p + 1 < length && text[p + 1] == '\n' ? 2 : 1;
        }
        size_t width = out->n_fields - begin_field;
        if (width == 1 && !quoted_any && strspn(out->fields[begin_field], " ") == strlen(out->fields[begin_field])) {
            out->n_fields = begin_field; /* blank */
        } else {
            out->widths[out->n_rows++] = (uint8_t)width;
        }
    }
}

static size_t random_field(skimpi_random *r, char *out)
{
    static const char *const pieces[] = {
        "a", "bc", "1", "2.5", " ", "-7e2", "NA", "x\"y", "longer than sixteen bytes", "\xc3\xa9"
    };
    char inner[64] = "";
    uint64_t n = skimpi_random_below(r, 3);
    for (uint64_t i = 0; i < n; i++) {
        strcat(inner, pieces[skimpi_random_below(r, 10)]);
    }
    size_t at = 0;
    if (skimpi_random_below(r, 3) == 0) {
        out[at++] = '"';
        static const char special[] = ",\n\"\r";
        for (const char *p = inner; *p != '\0'; p++) {
            if (skimpi_random_below(r, 4) == 0) {
                char c = special[skimpi_random_below(r, 4)];
                out[at++] = c;
                if (c == '"') {
                    out[at++] = c;
                }
            }
            out[at++] = *p;
            if (*p == '"') {
                out[at++] = '"';
            }
        }
        out[at++] = '"';
    } else {
        strcpy(out, inner);
        at = strlen(inner);
    }
    return at;
}

static void random_texts_as_a_plain_reader(void **state)
{
    (void)state;
    skimpi_random r;
    skimpi_random_seed(&r, 11);
    char *text = malloc(1 << 16);
    plain_rows *expected = malloc(sizeof(*expected));
    const char *const kernels[] = { "portable", "avx2", "avx512" };
    for (int round = 0; round < 400; round++) {
        size_t at = (size_t)sprintf(text, "c,d,e\n");
        uint64_t rows = skimpi_random_below(&r, 60);
        for (uint64_t i = 0; i < rows; i++) {
            for (int k = 0; k < 3; k++) {
                at += random_field(&r, text + at);
                text[at++] = k < 2 ? ',' : skimpi_random_below(&r, 3) > 0 ? '\n' : '\r';
            }
            if (text[at - 1] == '\r' && skimpi_random_below(&r, 2) == 0) {
                text[at++] = '\n';
            }
        }
        /* All columns text, whatever the random fields are. */
        at += (size_t)sprintf(text + at, "p,q,r\n");
        text[at] = '\0';
        read_plainly(text, at, expected);
        csv_case c = { .text = text,
                       .length = at,
                       .options = { .header = 1, .delimiter = ',' },
                       .tail = skimpi_random_below(&r, 100) };
        c.unit_bytes = skimpi_random_below(&r, 3) == 0 ? 0 : 1 + skimpi_random_below(&r, 300);
        c.kernels = kernels[round % 3];
        if (skimpi_csv_kernels_find(c.kernels) == NULL) {
            c.kernels = NULL;
        }
        csv_table t = read_ok(&c);
        assert_int_equal(t.n_rows, expected->n_rows - 1);
        for (size_t i = 0; i < t.n_rows; i++) {
            assert_int_equal(expected->widths[i + 1], 3);
            for (uint32_t k = 0; k < 3; k++) {
                const skimpi_column *column = &t.schema->columns[k];
                const char *field = expected->fields[3 * (i + 1) + k];
                uint32_t place = column->slot + (column->type == SKIMPI_TYPE_CATEGORY ? t.schema->n_numeric : 0);
                double value = cell(&t, i, place);
                if (column->type == SKIMPI_TYPE_CATEGORY) {
                    const char *found = code_text(&t, column->slot, value);
                    bool missing = skimpi_csv_is_missing(field, strlen(field));
                    assert_string_equal(found, missing ? "(missing)" : field);
                } else {
                    char *stop;
                    double expected_value = strtod(field, &stop);
                    assert_true(stop == field ? isnan(value) : value == expected_value);
                }
            }
        }
        csv_table_free(&t);
    }
    free(expected);
    free(text);
}

/* Random decimals of up to 20 bytes through every kernel, against strtod. */
static void kernels_read_what_strtod_reads(void **state)
{
    (void)state;
    enum { ROWS = 20000, COLUMNS = 7 };
    char *text = malloc((size_t)ROWS * COLUMNS * 24);
    double *expected = malloc(sizeof(double) * ROWS * COLUMNS);
    skimpi_random r;
    skimpi_random_seed(&r, 5);
    size_t at = (size_t)sprintf(text, "a,b,c,d,e,f,g\n");
    for (size_t i = 0; i < ROWS * COLUMNS; i++) {
        char number[32];
        size_t n = 0, digits = 1 + skimpi_random_below(&r, 17), point = skimpi_random_below(&r, digits + 6);
        if (skimpi_random_below(&r, 2) == 0) {
            number[n++] = '-';
        }
        for (size_t k = 0; k < digits; k++) {
            if (k == point) {
                number[n++] = '.';
            }
            number[n++] = (char)('0' + skimpi_random_below(&r, 10));
        }
        number[n] = '\0';
        expected[i] = strtod(number, NULL);
        at += (size_t)sprintf(text + at, "%s%s", number, i % COLUMNS < COLUMNS - 1 ? "," : i % 2 == 0 ? "\n" : "\r\n");
    }
    const char *const kernels[] = { "portable", "avx2", "avx512" };
    for (size_t k = 0; k < 3; k++) {
        csv_case c = { .text = text,
                       .length = at,
                       .options = { .header = 1 },
                       .tail = 300,
                       .unit_bytes = 40000,
                       .kernels = kernels[k] };
        if (skimpi_csv_kernels_find(kernels[k]) == NULL) {
            continue;
        }
        csv_table t = read_ok(&c);
        assert_int_equal(t.n_rows, ROWS);
        for (uint32_t i = 0; i < ROWS * COLUMNS; i++) {
            double value = cell(&t, i / COLUMNS, i % COLUMNS);
            assert_memory_equal(&value, &expected[i], sizeof(value));
        }
        csv_table_free(&t);
    }
    free(expected);
    free(text);
}

/* ---- sample ---------------------------------------------------------------------------------------------------------------- */

static void the_sample_expects_what_comes(void **state)
{
    (void)state;
    enum { ROWS = 120000 };
    char *text = malloc((size_t)ROWS * 64);
    skimpi_random r;
    skimpi_random_seed(&r, 3);
    size_t at = (size_t)sprintf(text, "id,small,real,kind,key,y\n");
    for (int i = 0; i < ROWS; i++) {
        at += (size_t)sprintf(text + at, "%d,%d,%.6f,k%d,u%d,%d\n", i, (int)skimpi_random_below(&r, 100),
                              skimpi_random_double(&r), (int)skimpi_random_below(&r, 300), i,
                              (int)skimpi_random_below(&r, 7));
    }
    csv_case c = { .text = text, .length = at, .options = { .header = -1 } };
    char path[64];
    csv_write_file(&c, path);
    skimpi_input *input;
    skimpi_reader *reader;
    skimpi_schema *schema;
    skimpi_sample sample;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_input_open(&input, budget, path, &error), SKIMP_OK);
    uint64_t before = skimp_budget_in_use(budget);
    assert_int_equal(skimpi_reader_csv.open(&reader, budget, input, &c.options, &schema, &sample, &error), SKIMP_OK);
    assert_true(skimp_budget_in_use(budget) - before < 16 << 10); /* the sample's own text is gone */
    assert_true(fabs((double)sample.n_rows / ROWS - 1) < 0.02);
    assert_true(sample.longest_row >= 30 && sample.longest_row <= 64);
    skimpi_roles roles = { .target = "y" };
    assert_int_equal(skimpi_schema_assign(schema, &roles, path, &error), SKIMP_OK);
    skimpi_sample_settle(&sample, schema);
    assert_int_equal(sample.classes, 7);
    assert_true(sample.target_bytes == 1);
    /* the ids of a chunk lie close together */
    assert_true(sample.numeric_bytes[0] == 2 && sample.numeric_bytes[1] == 1 && sample.numeric_bytes[2] == 3);
    for (int slot = 0; slot < 3; slot++) { /* all decode to floats, and may be stored in less */
        assert_int_equal(sample.decoded[slot].memory, 4);
        assert_int_equal(sample.decoded[slot].file, 4);
    }
    assert_in_range(sample.categories[0], 300, 330);
    assert_in_range(sample.categories[1], ROWS * 99 / 100, ROWS * 101 / 100);
    assert_int_equal(schema->n_category, 2);
    skimpi_reader_csv.close(reader);
    skimpi_schema_destroy(schema);
    skimpi_input_close(input);
    unlink(path);
    free(text);
}

static void further_files_must_agree(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = { { "a,b\n5,6\n", NULL }, { "a,c\n5,6\n", "'c'" }, { "a\n5\n", "1 columns where the first has 2" } };
    for (size_t i = 0; i < 3; i++) {
        csv_case first = plain("a,b\n1,2\n"), second = plain(cases[i].text);
        char path[64];
        skimpi_input *input;
        skimpi_reader *reader;
        skimpi_schema *schema;
        skimpi_sample sample;
        skimp_error error = SKIMP_ERROR_INIT;
        csv_write_file(&first, path);
        assert_int_equal(skimpi_input_open(&input, budget, path, &error), SKIMP_OK);
        assert_int_equal(skimpi_reader_csv.open(&reader, budget, input, &first.options, &schema, &sample, &error),
                         SKIMP_OK);
        skimpi_input_close(input);
        csv_write_file(&second, path);
        assert_int_equal(skimpi_input_open(&input, budget, path, &error), SKIMP_OK);
        skimp_status status = skimpi_reader_csv.reopen(reader, input, schema, &sample, &error);
        assert_int_equal(status, cases[i].says == NULL ? SKIMP_OK : SKIMP_ERROR_DATA);
        if (cases[i].says != NULL) {
            assert_non_null(strstr(error.message, cases[i].says));
        }
        assert_int_equal(skimpi_reader_csv.data_start(reader), 4);
        skimpi_input_close(input);
        skimpi_reader_csv.close(reader);
        skimpi_schema_destroy(schema);
        unlink(path);
    }
}

/* ---- memory ----------------------------------------------------------------------------------------------------------------- */

static void survives_failing_allocations(void **state)
{
    (void)state;
    csv_case c = plain("a,t,y\n1,x,u\n2,\"y \"\"z\",v\n3,w,u\n4,p,u\n5,q,v\n6,r,u\n");
    c.roles.target = "y";
    c.unit_bytes = 20;
    uint64_t in_use = skimp_budget_in_use(budget);
    for (uint64_t n = 1;; n++) {
        csv_table t;
        skimp_error error = SKIMP_ERROR_INIT;
        (void)skimpi_fault_set(n, n % 2 == 0);
        skimp_status status = csv_read(budget, &c, &t, &error);
        uint64_t made = skimpi_fault_set(0, false);
        csv_table_free(&t);
        assert_int_equal(skimp_budget_in_use(budget), in_use);
        if (status == SKIMP_OK && made < n) {
            break;
        }
        if (status == SKIMP_OK) {
            continue; /* room to grow that was only a wish */
        }
        assert_true(status == SKIMP_ERROR_BUDGET || status == SKIMP_ERROR_NOMEM);
        assert_int_equal(error.code, status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_all_forms),
        cmocka_unit_test(missing_values),
        cmocka_unit_test(skipped_rows_enter_no_texts),
        cmocka_unit_test(quotes),
        cmocka_unit_test(line_ends_and_blank_lines),
        cmocka_unit_test(spaces_separate_or_do_not),
        cmocka_unit_test(headers),
        cmocka_unit_test(types_from_the_sample),
        cmocka_unit_test(targets),
        cmocka_unit_test(hashing),
        cmocka_unit_test(failures_name_their_place),
        cmocka_unit_test(bad_rows_are_skipped_and_counted),
        cmocka_unit_test(hopeless_files),
        cmocka_unit_test(very_long_rows),
        cmocka_unit_test(any_cut_gives_the_same_rows),
        cmocka_unit_test(random_texts_as_a_plain_reader),
        cmocka_unit_test(kernels_read_what_strtod_reads),
        cmocka_unit_test(the_sample_expects_what_comes),
        cmocka_unit_test(further_files_must_agree),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
