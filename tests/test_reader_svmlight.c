/* SPDX-License-Identifier: BSD-3-Clause */
/* svmlight: what a row may look like, what is refused and how, cuts into units, samples, refused memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "data/number.h"
#include "data/reader.h"
#include "memory_file.h"

static const skimpi_reader_class *const class = &skimpi_reader_svmlight;
static const skimpi_reader_options usual = { .zero_based = -1 };

/* A reader open on a text, and the text where units can be parsed from it. */
typedef struct opened {
    skimp_budget *budget;
    memory_file file;
    skimpi_input *input;
    skimpi_reader *reader;
    skimpi_schema *schema;
    skimpi_sample sample;
    char *text;
    size_t length;
    skimpi_raw raw;
} opened;

static skimp_status open_text(opened *o, const char *text, size_t length, const skimpi_reader_options *options,
                              const char *target, skimp_error *error)
{
    skimp_budget_options budget_options = { .size = sizeof(budget_options), .limit = 32u << 20 };
    *o = (opened){ .file = memory_file_make(text, length), .length = length };
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimp_budget_create(&o->budget, &budget_options, error));
    o->text = malloc(length + SKIMPI_NUMBER_PADDING);
    memcpy(o->text, text, length);
    memset(o->text + length, '7', SKIMPI_NUMBER_PADDING); /* digits: reading on beyond the end must not go unseen */
    SKIMPI_TRY(skimpi_input_open(&o->input, o->budget, o->file.path, error));
    SKIMPI_TRY(class->open(&o->reader, o->budget, o->input, options, &o->schema, &o->sample, error));
    SKIMPI_TRY(skimpi_schema_assign(o->schema, &(skimpi_roles){ .target = target }, "file", error));
    SKIMPI_TRY(skimpi_raw_create(&o->raw, o->budget, o->schema, 1, 1, error)); /* so small that it must grow */
out:
    return status;
}

static void close_text(opened *o)
{
    if (o->schema != NULL) {
        skimpi_raw_destroy(&o->raw, o->schema);
    }
    class->close(o->reader);
    skimpi_schema_destroy(o->schema);
    skimpi_input_close(o->input);
    if (o->budget != NULL) {
        assert_true(skimp_budget_destroy(o->budget) == 0);
    }
    free(o->text);
    memory_file_close(&o->file);
}

static void open_well(opened *o, const char *text, const skimpi_reader_options *options, const char *target)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status = open_text(o, text, strlen(text), options, target, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, SKIMP_OK);
}

static void parse_all(opened *o)
{
    bool more = true;
    skimpi_unit unit = {
        .text = o->text, .length = o->length, .begin = class->data_start(o->reader), .end = o->length, .is_last = true
    };
    assert_int_equal(class->parse(o->reader, o->schema, &unit, &o->raw, &more, NULL), SKIMP_OK);
    assert_false(more);
    if (o->raw.failure.code == SKIMP_OK) {
        assert_int_equal(o->raw.consumed, o->length);
    }
}

/* The rows as one line of text: label|index:value index:value;… */
static const char *rows_of(const skimpi_raw *raw)
{
    static char out[1 << 16];
    char number[32];
    size_t n = 0;
    uint32_t k = 0;
    for (uint32_t i = 0; i < raw->n_rows; i++) {
        if (raw->target != NULL) {
            skimpi_number_format(raw->target[i], number);
            n += (size_t)sprintf(out + n, "%s", number);
        }
        n += (size_t)sprintf(out + n, "|");
        for (bool first = true; k < raw->row_end[i]; k++, first = false) {
            uint64_t index = raw->indices64 != NULL ? raw->indices64[k] : raw->indices[k];
            skimpi_number_format(raw->values[k], number);
            n += (size_t)sprintf(out + n, "%s%llu:%s", first ? "" : " ", (unsigned long long)index, number);
        }
        n += (size_t)sprintf(out + n, ";");
        assert_true(n < sizeof(out) - 4096);
    }
    out[n] = '\0';
    assert_int_equal(k, raw->nonzeros);
    return out;
}

static void reads(const char *text, const char *rows)
{
    opened o;
    open_well(&o, text, &usual, "label");
    parse_all(&o);
    assert_string_equal(o.raw.failure.message, "");
    assert_string_equal(rows_of(&o.raw), rows);
    close_text(&o);
}

static void reads_what_rows_may_look_like(void **state)
{
    (void)state;
    reads("1 1:0.5 3:2\n-1 2:1\n", "1|0:0.5 2:2;-1|1:1;");
    reads("+1 1:0.5\r\n-1.5\t2:-0.25\t 3:1e-3 \r\n", "1|0:0.5;-1.5|1:-0.25 2:0.001;");
    reads("3\n2 \n1 1:1", "3|;2|;1|0:1;");                  /* no features; no line feed at the end */
    reads("# comment\n\n  \n1 2:3 # 5:6\n# end", "1|1:3;"); /* no rows; a comment behind a row */
    reads("1 2:3#x\n", "1|1:3;");
    reads("  7  1:1   2:2\n", "7|0:1 1:2;");
    reads("1 qid:12 1:1\n2 qid:-3 2:1\n3 qid:4\n", "1|0:1;2|1:1;3|;");
    reads("1 0:1 1:2\n", "1|0:1 1:2;");             /* an index 0: zero-based */
    reads("1 3:3 1:1 2:2\n", "1|0:1 1:2 2:3;");     /* sorted */
    reads("1 1:0 2:0.0 3:-0\n", "1|0:0 1:0 2:-0;"); /* zeros are kept */
    reads("1 1:inf 2:-Infinity 3:nan\n", "1|0:inf 1:-inf 2:nan;");
    reads("1 0000000001:1 00000000000000000000000002:2\n", "1|0:1 1:2;");
    reads("1 9223372036854775807:1\n0 1:2\n", "1|9223372036854775806:1;0|0:2;");
    reads("1 4294967296:1\n", "1|4294967295:1;"); /* the last index of 32 bits */
    reads("\xef\xbb\xbf"
          "1 1:1\n",
          "1|0:1;");
    reads("nan 1:1\n", "nan|0:1;"); /* a missing label is for the job to judge */
    reads("1e3 1:1\n0.1 2:2", "1000|0:1;0.1|1:2;");
}

/* Every form of number, beside what the general parser makes of it, bit for bit. */
static void reads_numbers_to_the_nearest_double(void **state)
{
    (void)state;
    static const char *const numbers[] = {
        "0.1",
        "0.12",
        "0.0123456",
        "0.12345678",
        "0.123456789",
        "0.1234567890123456",
        "0.9007199254740993",
        "0.9007199254740992",
        "0.9007199254740991",
        "0.12345678901234567",
        "0.123456789012345678901234567890",
        "1.5",
        "9.99999999",
        "12.5",
        "1234.5678",
        "12345.678",
        "1234.1234567890123456",
        "1234567.1",
        "12345678",
        "123456789012345678901234567890",
        "7",
        "-7",
        "-0.5",
        "-12.25",
        "1.",
        ".5",
        "-.5",
        "+0.5",
        "+3",
        "1e5",
        "0.1e-5",
        "1.5E+10",
        "2e-320",
        "1e400",
        "-1e400",
        "1e-400",
        "0.0",
        "-0.0",
        "00.5",
        "007",
        "0.30000000000000004",
        "5e-324",
        "1.7976931348623157e308",
        "0.00000000",
        "0.00000001",
        "0.0000000000000001",
        "3.0000000000000004",
    };
    char text[128];
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        /* At the end of the text only the careful way is taken; with a long comment behind it the fast one. */
        for (int far = 0; far < 2; far++) {
            opened o;
            double expected;
            size_t length = strlen(numbers[i]);
            snprintf(text, sizeof(text), "1 1:%s%s", numbers[i],
                     far ? " 2:1 # so that there are bytes enough behind it" : "");
            memset(text + 100, 0, 28);
            assert_ptr_equal(skimpi_number_parse(text + 4, text + 4 + length, &expected), text + 4 + length);
            open_well(&o, text, &usual, "label");
            parse_all(&o);
            assert_int_equal(o.raw.failure.code, SKIMP_OK);
            assert_int_equal(o.raw.nonzeros, far ? 2 : 1);
            assert_memory_equal(&o.raw.values[0], &expected, sizeof(expected));
            close_text(&o);
        }
    }
}

/* Random digits: the same comparison, many times over. */
static void reads_random_numbers_to_the_nearest_double(void **state)
{
    (void)state;
    static char text[1 << 20];
    skimpi_random random;
    skimpi_random_seed(&random, 11);
    size_t n = (size_t)sprintf(text, "1");
    for (unsigned i = 1; i <= 20000; i++) {
        n += (size_t)sprintf(text + n, " %u:%s", i, skimpi_random_below(&random, 4) == 0 ? "-" : "");
        for (uint64_t k = 1 + skimpi_random_below(&random, 6); k-- > 0;) {
            text[n++] = (char)('0' + skimpi_random_below(&random, 10));
        }
        if (skimpi_random_below(&random, 8) != 0) {
            text[n++] = '.';
            for (uint64_t k = 1 + skimpi_random_below(&random, 18); k-- > 0;) {
                text[n++] = (char)('0' + skimpi_random_below(&random, 10));
            }
        }
    }
    text[n] = '\0';
    opened o;
    open_well(&o, text, &usual, "label");
    parse_all(&o);
    assert_string_equal(o.raw.failure.message, "");
    assert_int_equal(o.raw.nonzeros, 20000);
    const char *p = text;
    for (unsigned i = 0; i < 20000; i++) {
        assert_int_equal(o.raw.indices[i], i);
        p = strchr(p, ':') + 1;
        assert_true(strtod(p, NULL) == o.raw.values[i]);
    }
    close_text(&o);
}

#define OUTCOME 4096

/* What a text other than the one that was opened parses to, in words. */
static void outcome(opened *o, const char *text, size_t length, char out[OUTCOME])
{
    bool more = true;
    memcpy(o->text, text, length);
    memset(o->text + length, '7', SKIMPI_NUMBER_PADDING);
    skimpi_unit unit = { .text = o->text, .length = length, .end = length, .is_last = true };
    o->raw.failure = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(class->parse(o->reader, o->schema, &unit, &o->raw, &more, NULL), SKIMP_OK);
    assert_false(more);
    const skimp_error *failure = &o->raw.failure;
    snprintf(out, OUTCOME, "%s %llu %s", rows_of(&o->raw), (unsigned long long)failure->row, failure->message);
}

/* A pair ends where the careful way says, whatever byte follows it and however long it is. */
static void ends_pairs_as_the_careful_way_does(void **state)
{
    (void)state;
    static const char comment[] = "\n# so that there are bytes enough behind it for the fast way\n";
    static const char *const values[] = { "5",
                                          "-5",
                                          "0.5",
                                          "-0.25",
                                          "12.75",
                                          "0.123456789012",
                                          "123456.5",
                                          "00000000000000000.5",
                                          "0.000000000000000000000000000000015625" };
    char text[256], careful[OUTCOME], fast[OUTCOME];
    unsigned refused = 0, read = 0;
    opened o;
    memset(text, ' ', 200);
    memcpy(text, "1 1:1", 5);
    text[200] = '\0';
    open_well(&o, text, &usual, "label");
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        for (int c = 0; c < 256; c++) {
            size_t length = (size_t)sprintf(text, "1 3:%s", values[i]);
            text[length++] = (char)c;
            length += (size_t)sprintf(text + length, "4:7");
            outcome(&o, text, length, careful);
            refused += o.raw.failure.code != SKIMP_OK;
            read += o.raw.failure.code == SKIMP_OK && o.raw.nonzeros == 2;
            memcpy(text + length, comment, sizeof(comment));
            outcome(&o, text, length + sizeof(comment) - 1, fast);
            assert_string_equal(fast, careful);
        }
    }
    /* Space, tab, vertical tab, form feed and carriage return separate; a line feed makes a row without a label. */
    assert_int_equal(read, 5 * sizeof(values) / sizeof(*values));
    assert_true(refused > 200 * sizeof(values) / sizeof(*values));
    close_text(&o);
}

static void refuses(const char *text, uint64_t row, const char *message)
{
    opened o;
    skimp_error error = SKIMP_ERROR_INIT;
    /* A good row first: otherwise there would be no sample. */
    char *whole = malloc(strlen(text) + 100);
    sprintf(whole, "1 1:1\n%s", text);
    assert_int_equal(open_text(&o, whole, strlen(whole), &usual, "label", &error), SKIMP_OK);
    parse_all(&o);
    assert_int_equal(o.raw.failure.code, SKIMP_ERROR_DATA);
    assert_int_equal(o.raw.failure.row, row);
    assert_non_null(strstr(o.raw.failure.message, message));
    assert_string_equal(rows_of(&o.raw), "1|0:1;"); /* nothing of the row stays */
    close_text(&o);

    /* Left out and counted, when that is asked for. */
    skimpi_reader_options skip = usual;
    skip.on_bad_row = SKIMPI_BAD_ROW_SKIP;
    strcat(whole, "\n2 2:2");
    open_well(&o, whole, &skip, "label");
    parse_all(&o);
    assert_int_equal(o.raw.failure.code, SKIMP_OK);
    assert_string_equal(rows_of(&o.raw), "1|0:1;2|1:2;");
    assert_int_equal(o.raw.rows_bad, 1);
    assert_int_equal(o.raw.first_bad_line, row + 1);
    close_text(&o);
    free(whole);
}

static void refuses_rows_that_are_wrong(void **state)
{
    (void)state;
    refuses("2 2:1 x", 1, "'x' is not index:value");
    refuses("\n# c\n2 2:1 3", 3, "'3' is not index:value");
    refuses("2 :1", 1, "':1' is not index:value");
    refuses("2 -1:1", 1, "'-1:1' is not index:value");
    refuses("2 1 :1", 1, "'1' is not index:value");
    refuses("2 1.5:1", 1, "'1.5:1' is not index:value");
    refuses("2 2:1:3 3:4 5:6 7:8 9:10 11:12 13:14", 1, "the value in '2:1:3' is not a number");
    refuses("2 2:", 1, "the value in '2:' is not a number");
    refuses("2 2: 3", 1, "the value in '2:' is not a number");
    refuses("2 2:0.5x", 1, "the value in '2:0.5x' is not a number");
    refuses("2 2:0x1p3", 1, "is not a number");
    refuses("2 2:1_0", 1, "is not a number");
    refuses("2 2:1\x01", 1, "the value in '2:1?' is not a number");
    refuses("spam 1:1", 1, "the label 'spam' is not a number");
    refuses("1,2 1:1", 1, "several labels ('1,2')");
    refuses("3:1 4:1", 1, "has no label: it begins with '3:1'");
    refuses("2 qid:x 1:1", 1, "'qid:x' is not qid: and a whole number");
    refuses("2 qid:1.5 1:1", 1, "is not qid:");
    refuses("2 qid:- 1:1", 1, "is not qid:");
    refuses("2 3:1 4:1 3:2", 1, "the index 3 comes twice");
    refuses("2 3:1 3:2", 1, "the index 3 comes twice");
    refuses("2 9223372036854775808:1", 1, "over 2^63 - 1");
    refuses("2 99999999999999999999999999:1", 1, "over 2^63 - 1");
    refuses("2 1:1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1, "aaaa...' is not");
}

/* A NUL is a byte like any other that does not belong there. */
static void refuses_nul_bytes(void **state)
{
    (void)state;
    static const char text[] = "1 1:1\n2 2:1\0 3:1\n";
    opened o;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(open_text(&o, text, sizeof(text) - 1, &usual, "label", &error), SKIMP_OK);
    parse_all(&o);
    assert_int_equal(o.raw.failure.code, SKIMP_ERROR_DATA);
    assert_non_null(strstr(o.raw.failure.message, "'2:1?' is not a number"));
    close_text(&o);
}

/* The sample of a long file does not see its middle, where an index 0 and one of 64 bits stand. */
static void tells_of_what_the_sample_did_not_show(void **state)
{
    (void)state;
    static const char *const rows[] = { "2 0:1 2:1", "2 4294967297:1" };
    static const char *const messages[] = { "say --zero-based true", "say --index64" };
    const size_t line = 10;
    const size_t lines = 300000;
    char *text = malloc(line * lines + 100);
    for (int k = 0; k < 2; k++) {
        size_t n = 0;
        for (size_t i = 0; i < lines; i++) {
            n += (size_t)sprintf(text + n, i == 20000 ? "%s\n" : "1 1:1 2:1\n", rows[k]);
        }
        for (int said = 0; said < 2; said++) {
            opened o;
            skimp_error error = SKIMP_ERROR_INIT;
            skimpi_reader_options options = usual;
            options.zero_based = said && k == 0 ? 1 : -1;
            options.index64 = said && k == 1;
            assert_int_equal(open_text(&o, text, n, &options, "label", &error), SKIMP_OK);
            assert_int_equal(o.schema->zero_based, said && k == 0);
            assert_int_equal(o.schema->index64, said && k == 1);
            parse_all(&o);
            if (said) {
                assert_int_equal(o.raw.failure.code, SKIMP_OK);
                assert_int_equal(o.raw.n_rows, lines);
                assert_true(o.raw.largest_index == (k == 0 ? 3u : 4294967297u));
            } else {
                assert_int_equal(o.raw.failure.code, SKIMP_ERROR_DATA);
                assert_int_equal(o.raw.failure.row, 20000);
                assert_non_null(strstr(o.raw.failure.message, messages[k]));
            }
            close_text(&o);
        }
    }
    free(text);
    opened o;
    skimpi_reader_options one_based = usual;
    one_based.zero_based = 0;
    open_well(&o, "1 1:1\n1 0:1\n", &one_based, "label");
    parse_all(&o);
    assert_non_null(strstr(o.raw.failure.message, "as --zero-based false says"));
    close_text(&o);
}

static void compares_and_drops(void **state)
{
    (void)state;
    static const char text[] = "1 1:1\nnan 2:1\n3 3:nan\n2 4:1\n";
    opened o;
    skimpi_reader_options options = usual;
    options.on_missing = SKIMPI_MISSING_DROP;
    open_well(&o, text, &options, "label>1");
    parse_all(&o);
    assert_string_equal(rows_of(&o.raw), "0|0:1;1|3:1;");
    assert_int_equal(o.raw.rows_missing, 2);
    close_text(&o);
    const uint8_t may_miss = 1;
    options.may_miss = &may_miss;
    open_well(&o, text, &options, "label>1");
    parse_all(&o);
    assert_string_equal(rows_of(&o.raw), "0|0:1;1|2:nan;1|3:1;");
    assert_int_equal(o.raw.rows_missing, 1);
    close_text(&o);
    options.target_optional = true;
    open_well(&o, text, &options, "label>1");
    parse_all(&o);
    assert_string_equal(rows_of(&o.raw), "0|0:1;nan|1:1;1|2:nan;1|3:1;");
    close_text(&o);
}

static void predicts_without_labels(void **state)
{
    (void)state;
    opened o;
    skimpi_reader_options options = usual;
    options.target_optional = true;
    open_well(&o, "1:1 2:2\nnan 2:1\n3 3:1\n", &options, "label");
    parse_all(&o);
    assert_string_equal(rows_of(&o.raw), "nan|0:1 1:2;nan|1:1;3|2:1;");
    close_text(&o);
    /* Where no label is wanted, it may be anything or nothing. */
    open_well(&o, "1:1 2:2\n5 qid:3 2:1\n1,2 3:1\n", &usual, NULL);
    parse_all(&o);
    assert_null(o.raw.target);
    assert_string_equal(rows_of(&o.raw), "|0:1 1:2;|1:1;|2:1;");
    close_text(&o);
    open_well(&o, "1 2:2\nspam\n", &usual, NULL);
    parse_all(&o);
    assert_non_null(strstr(o.raw.failure.message, "the label 'spam' is not a number"));
    close_text(&o);
}

/* Rows in any order of indices: short ones and long ones, the worst orders, of 32 and of 64 bits. */
static void sorts_long_rows(void **state)
{
    (void)state;
    enum { N = 5000 };
    static char text[64 * N];
    skimpi_random random;
    skimpi_random_seed(&random, 3);
    for (int wide = 0; wide < 2; wide++) {
        for (int kind = 0; kind < 4; kind++) {
            for (unsigned count = 2; count <= N; count = count < 40 ? count + 1 : count * 5) {
                static uint64_t order[N];
                opened o;
                for (unsigned i = 0; i < count; i++) {
                    order[i] = kind == 0 ? count - i : kind == 1 ? (i + count / 2) % count + 1 : i + 1;
                }
                for (unsigned i = count; kind == 3 && i-- > 1;) {
                    uint64_t j = skimpi_random_below(&random, i + 1);
                    uint64_t held = order[i];
                    order[i] = order[j];
                    order[j] = held;
                }
                size_t n = (size_t)sprintf(text, "1");
                for (unsigned i = 0; i < count; i++) {
                    n += (size_t)sprintf(text + n, " %llu:%llu", (unsigned long long)order[i] + ((uint64_t)wide << 40),
                                         (unsigned long long)order[i]);
                }
                open_well(&o, text, &usual, "label");
                parse_all(&o);
                assert_string_equal(o.raw.failure.message, "");
                assert_int_equal(o.raw.nonzeros, count);
                for (unsigned i = 0; i < count; i++) {
                    assert_true(o.raw.values[i] == i + 1);
                    assert_true((wide ? o.raw.indices64[i] : o.raw.indices[i]) == i + ((uint64_t)wide << 40));
                }
                close_text(&o);
            }
        }
    }
}

static const char tricky[] =
    "# head\n1 1:0.5 3:-2.25 # x:y\n\n-1.5 qid:7 2:1e-3\t4:12345.678901234567\r\n2\n 3 9:1 5:2 7:3 \n"
    "#\n\n4 1:1\n5 1:0.0123456 2:0.0234567 3:0.0345678 4:0.0456789 5:0.0567891 6:0.0678912 7:0.0789123\n6 2:inf";

/*
 * Every way of cutting a text in two, and every size of unit: the same rows.  As the ingest does it: where a unit begins
 * is guessed from its own bytes and the one before; a unit is asked for again with more text when it says so.
 */
static void cuts_give_the_same_rows(void **state)
{
    (void)state;
    opened o;
    char whole[1024];
    open_well(&o, tricky, &usual, "label");
    parse_all(&o);
    assert_int_equal(o.raw.failure.code, SKIMP_OK);
    assert_int_equal(o.raw.n_rows, 7);
    uint64_t lines = o.raw.lines;
    strcpy(whole, rows_of(&o.raw));
    for (size_t unit_bytes = 1; unit_bytes <= o.length; unit_bytes++) {
        char joined[1024] = "";
        size_t expected_begin = 0;
        uint64_t joined_lines = 0;
        for (size_t from = 0; from < o.length; from += unit_bytes) {
            size_t end = from + unit_bytes;
            size_t begin = class->find_start(o.reader, o.text, o.length, from);
            if (begin < expected_begin) {
                begin = expected_begin;
            }
            assert_int_equal(begin, begin < end || from == 0 || end < expected_begin ? expected_begin : begin);
            for (size_t length = end < o.length ? end : o.length;; length++) {
                char *copy =
                    malloc(length + SKIMPI_NUMBER_PADDING); /* exactly: the sanitizer sees what is read beyond */
                memcpy(copy, o.text, length);
                memset(copy + length, '9', SKIMPI_NUMBER_PADDING);
                skimpi_unit unit = {
                    .text = copy, .length = length, .begin = expected_begin, .end = end, .is_last = length == o.length
                };
                bool more;
                assert_int_equal(class->parse(o.reader, o.schema, &unit, &o.raw, &more, NULL), SKIMP_OK);
                free(copy);
                if (!more) {
                    break;
                }
                assert_true(length < o.length);
            }
            strcat(joined, rows_of(&o.raw));
            joined_lines += o.raw.lines;
            expected_begin = o.raw.consumed;
        }
        assert_string_equal(joined, whole);
        assert_int_equal(joined_lines, lines);
        assert_int_equal(expected_begin, o.length);
    }
    close_text(&o);
}

static void finds_where_rows_start(void **state)
{
    (void)state;
    opened o;
    open_well(&o, tricky, &usual, "label");
    for (size_t from = 0; from <= o.length; from++) {
        size_t expected = from;
        while (expected > 0 && expected < o.length && o.text[expected - 1] != '\n') {
            expected++;
        }
        assert_int_equal(class->find_start(o.reader, o.text, o.length, from), expected);
    }
    close_text(&o);
}

static void samples_what_there_is(void **state)
{
    (void)state;
    enum { ROWS = 40000 };
    char *text = malloc(ROWS * 64);
    size_t n = 0;
    for (unsigned i = 0; i < ROWS; i++) {
        n += (size_t)sprintf(text + n, "%u %u:0.125 %u:0.1\n", i % 3, 1 + i % 50, 1000 + i);
    }
    opened o;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(open_text(&o, text, n, &usual, "label", &error), SKIMP_OK);
    assert_true(o.sample.text_bytes == n);
    assert_false(o.sample.exact_rows);
    assert_in_range(o.sample.n_rows, ROWS - 400, ROWS + 400);
    assert_true(o.sample.nonzeros_per_row == 2.0);
    assert_int_equal(o.sample.longest_row, strlen("2 50:0.125 40000:0.1\n"));
    assert_int_equal(o.sample.n_sparse_features, 1000 + ROWS - 1); /* the end of the file is looked at */
    assert_true(o.sample.numeric_bytes[0] == 4.0);
    assert_true(o.sample.target_bytes == 1.0);
    assert_int_equal(o.sample.classes, 3);
    assert_true(o.schema->sparse && !o.schema->zero_based && !o.schema->index64);
    assert_int_equal(class->unit_bytes(o.reader, o.schema), 256 << 10);
    /* The input was left unread. */
    char first[8];
    size_t got;
    assert_int_equal(skimpi_input_read(o.input, first, 8, &got, NULL), SKIMP_OK);
    assert_memory_equal(first, text, 8);
    close_text(&o);

    /* One row, far longer than the sample. */
    n = (size_t)sprintf(text, "1");
    for (unsigned i = 0; n < 2000000; i++) {
        n += (size_t)sprintf(text + n, " %u:1", i);
    }
    assert_int_equal(open_text(&o, text, n, &usual, "label", &error), SKIMP_OK);
    assert_true(o.schema->zero_based);
    assert_true(o.sample.longest_row >= 128 << 10);
    assert_true(o.sample.nonzeros_per_row > 10000);
    assert_int_equal(class->unit_bytes(o.reader, o.schema), 512 << 10);
    parse_all(&o);
    assert_int_equal(o.raw.n_rows, 1);
    close_text(&o);
    free(text);
}

static void refuses_files_without_rows(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        uint64_t row;
    } cases[] = {
        { "", "it has no rows", 0 },
        { "\n\n# nothing\n", "no row of svmlight text", 0 },
        { "# head\nspam\na,b,c\n", "the label 'spam'", 2 },
        { "{\"a\": 1}", "'{\"a\":'", 1 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        opened o;
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(open_text(&o, cases[i].text, strlen(cases[i].text), &usual, "label", &error),
                         SKIMP_ERROR_DATA);
        assert_non_null(strstr(error.message, cases[i].message));
        assert_int_equal(error.row, cases[i].row);
        close_text(&o);
    }
}

/* A further file of the same data: sampled anew, by the schema that there is. */
static void opens_further_files(void **state)
{
    (void)state;
    opened o;
    open_well(&o, "1 0:1 5:2\n", &usual, "label");
    memory_file file = memory_file_make("\xef\xbb\xbf"
                                        "1 1:1 8:2\n",
                                        13);
    skimpi_input *second;
    skimpi_sample sample;
    assert_int_equal(skimpi_input_open(&second, o.budget, file.path, NULL), SKIMP_OK);
    assert_int_equal(class->reopen(o.reader, second, o.schema, &sample, NULL), SKIMP_OK);
    assert_int_equal(class->data_start(o.reader), 3);
    assert_int_equal(sample.n_sparse_features, 9);
    skimpi_input_close(second);
    close_text(&o);
    memory_file_close(&file);
}

static void bears_refused_memory(void **state)
{
    (void)state;
    for (int for_good = 0; for_good < 2; for_good++) {
        for (uint64_t nth = 1;; nth++) {
            opened o;
            skimp_error error = SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, for_good != 0);
            skimp_status status = open_text(&o, tricky, sizeof(tricky) - 1, &usual, "label", &error);
            if (status == SKIMP_OK) {
                bool more;
                skimpi_unit unit = { .text = o.text, .length = o.length, .end = o.length, .is_last = true };
                status = class->parse(o.reader, o.schema, &unit, &o.raw, &more, &error);
            }
            uint64_t made = skimpi_fault_set(0, false);
            if (made < nth) {
                assert_int_equal(status, SKIMP_OK);
                assert_true(nth > 8);
                close_text(&o);
                break;
            }
            assert_true(status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
            assert_int_equal(error.code, status);
            close_text(&o);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_rows_may_look_like),
        cmocka_unit_test(reads_numbers_to_the_nearest_double),
        cmocka_unit_test(reads_random_numbers_to_the_nearest_double),
        cmocka_unit_test(ends_pairs_as_the_careful_way_does),
        cmocka_unit_test(refuses_rows_that_are_wrong),
        cmocka_unit_test(refuses_nul_bytes),
        cmocka_unit_test(tells_of_what_the_sample_did_not_show),
        cmocka_unit_test(compares_and_drops),
        cmocka_unit_test(predicts_without_labels),
        cmocka_unit_test(sorts_long_rows),
        cmocka_unit_test(cuts_give_the_same_rows),
        cmocka_unit_test(finds_where_rows_start),
        cmocka_unit_test(samples_what_there_is),
        cmocka_unit_test(refuses_files_without_rows),
        cmocka_unit_test(opens_further_files),
        cmocka_unit_test(bears_refused_memory),
    };
    return cmocka_run_group_tests_name("reader_svmlight", tests, NULL, NULL);
}
