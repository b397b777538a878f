/* SPDX-License-Identifier: BSD-3-Clause */
/* Failing: the first failure wins, messages are one line of whole characters, names of statuses, saturating sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/base.h"

static void the_first_failure_wins(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_fail(&error, SKIMP_ERROR_IO, "disk %d", 1), SKIMP_ERROR_IO);
    assert_int_equal(skimpi_fail(&error, SKIMP_ERROR_DATA, "disk %d", 2), SKIMP_ERROR_DATA);
    assert_int_equal(skimpi_fail_at(&error, SKIMP_ERROR_DATA, "f", 3, "c", "later"), SKIMP_ERROR_DATA);
    assert_int_equal(error.code, SKIMP_ERROR_IO);
    assert_string_equal(error.message, "disk 1");
    assert_string_equal(error.file, "");
    assert_int_equal(error.row, 0);
    assert_int_equal(skimpi_fail(NULL, SKIMP_ERROR_PARAM, "no one listens"), SKIMP_ERROR_PARAM);
    assert_int_equal(skimpi_fail_at(NULL, SKIMP_ERROR_PARAM, "f", 3, "c", "nor here"), SKIMP_ERROR_PARAM);
}

static void place_is_told_as_far_as_known(void **state)
{
    static const struct {
        const char *file;
        uint64_t row;
        const char *column;
        const char *expected;
    } cases[] = {
        { "a.csv", 7, "age", "a.csv:7: column 'age': no number" },
        { "a.csv", 0, NULL, "a.csv: no number" },
        { "a.csv", 7, NULL, "a.csv:7: no number" },
        { "a.csv", 0, "age", "a.csv: column 'age': no number" },
        { NULL, 7, "age", "row 7: column 'age': no number" },
        { NULL, 0, "age", "column 'age': no number" },
        { NULL, 0, NULL, "no number" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(
            skimpi_fail_at(&error, SKIMP_ERROR_DATA, cases[i].file, cases[i].row, cases[i].column, "no %s", "number"),
            SKIMP_ERROR_DATA);
        assert_string_equal(error.message, cases[i].expected);
        assert_string_equal(error.file, cases[i].file != NULL ? cases[i].file : "");
        assert_string_equal(error.column, cases[i].column != NULL ? cases[i].column : "");
        assert_int_equal(error.row, cases[i].row);
    }
}

static void messages_are_one_line(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_fail_at(&error, SKIMP_ERROR_DATA, "a\nb\033[2J", 1, "c\rd", "x\n"), SKIMP_ERROR_DATA);
    assert_string_equal(error.message, "a?b?[2J:1: column 'c?d': x?");
}

/* Whatever the length, what is cut off is cut between characters. */
static void long_texts_are_cut_between_characters(void **state)
{
    static const char *const letters[] = { "x", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
    char name[4000];
    (void)state;
    for (size_t letter = 0; letter < 4; letter++) {
        size_t width = strlen(letters[letter]);
        for (size_t lead = 0; lead < 4; lead++) {
            memset(name, 'a', lead);
            size_t length = lead;
            while (length + width < sizeof(name)) {
                memcpy(name + length, letters[letter], width);
                length += width;
            }
            name[length] = '\0';
            skimp_error error = SKIMP_ERROR_INIT;
            assert_int_equal(skimpi_fail_at(&error, SKIMP_ERROR_DATA, name, 9, name, "%s", name), SKIMP_ERROR_DATA);
            const struct {
                const char *text;
                size_t size;
            } fields[] = { { error.file, sizeof(error.file) }, { error.column, sizeof(error.column) } };
            for (size_t f = 0; f < 2; f++) {
                size_t kept = strlen(fields[f].text);
                assert_in_range(kept, fields[f].size - 1 - 3, fields[f].size - 1);
                assert_int_equal((kept - lead) % width, 0);
                assert_memory_equal(fields[f].text, name, kept);
            }
            size_t before = strlen(error.file) + strlen(":9: column '': ") + strlen(error.column);
            size_t kept = strlen(error.message);
            assert_in_range(kept, sizeof(error.message) - 1 - 3, sizeof(error.message) - 1);
            assert_int_equal((kept - before - lead) % width, 0);
            error = (skimp_error)SKIMP_ERROR_INIT;
            assert_int_equal(skimpi_fail(&error, SKIMP_ERROR_DATA, "%s", name), SKIMP_ERROR_DATA);
            assert_int_equal((strlen(error.message) - lead) % width, 0);
        }
    }
}

static void statuses_have_names(void **state)
{
    (void)state;
    assert_string_equal(skimp_status_name(SKIMP_OK), "ok");
    assert_string_equal(skimp_status_name(SKIMP_ERROR_BUDGET), "budget");
    assert_string_equal(skimp_status_name(SKIMP_ERROR_NOMEM), "nomem");
    assert_string_equal(skimp_status_name(SKIMP_ERROR_IO), "io");
    assert_string_equal(skimp_status_name(SKIMP_ERROR_DATA), "data");
    assert_string_equal(skimp_status_name(SKIMP_ERROR_PARAM), "param");
    assert_string_equal(skimp_status_name(SKIMP_ERROR_CANCELLED), "cancelled");
    assert_string_equal(skimp_status_name(SKIMP_ERROR_INTERNAL), "internal");
    assert_string_equal(skimp_status_name(-3), "internal");
}

static void sizes_saturate(void **state)
{
    (void)state;
    assert_true(skimpi_mul_sat(3, 5) == 15);
    assert_true(skimpi_mul_sat(UINT64_MAX / 2, 3) == UINT64_MAX);
    assert_true(skimpi_mul_sat(UINT64_MAX, 0) == 0);
    assert_true(skimpi_add_sat(3, 5) == 8);
    assert_true(skimpi_add_sat(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(skimpi_round_up(1, 8) == 8 && skimpi_round_up(8, 8) == 8 && skimpi_round_up(0, 8) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_failure_wins), cmocka_unit_test(place_is_told_as_far_as_known),
        cmocka_unit_test(messages_are_one_line),  cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(statuses_have_names),    cmocka_unit_test(sizes_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
