/* SPDX-License-Identifier: BSD-3-Clause */
/* Which reader an input gets: by format, by path, by its first bytes; what cannot be read is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/reader.h"

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

static void finds(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text, *format;
        const skimpi_reader_class *expected; /* NULL: refused */
        skimp_status status;
        const char *says;
    } cases[] = {
        { "find_a.csv", "1 1:2\n", NULL, &skimpi_reader_csv, SKIMP_OK, "" },
        { "find_a.TSV", "a\tb\n", "auto", &skimpi_reader_csv, SKIMP_OK, "" },
        { "find_a.svm", "a,b\n", NULL, &skimpi_reader_svmlight, SKIMP_OK, "" },
        { "find_a.npy", "a,b\n", NULL, &skimpi_reader_npy, SKIMP_OK, "" },
        { "find_a.csv.zst", "a,b\n", NULL, &skimpi_reader_csv, SKIMP_OK, "" },
        { "find_a.libsvm.gz", "a,b\n", NULL, &skimpi_reader_svmlight, SKIMP_OK, "" },
        { "find_a.csv", "1 1:2\n", "svmlight", &skimpi_reader_svmlight, SKIMP_OK, "" },
        { "find_a.npy", "a,b\n", "csv", &skimpi_reader_csv, SKIMP_OK, "" },
        { "find_a", "\x93NUMPY\1", NULL, &skimpi_reader_npy, SKIMP_OK, "" },
        { "find_a.txt", "# a comment\n\n-1 3:0.5 7:1e-3\n", NULL, &skimpi_reader_svmlight, SKIMP_OK, "" },
        { "find_a.data", "1 qid:3 1:2\n", NULL, &skimpi_reader_svmlight, SKIMP_OK, "" },
        { "find_a.data", "1,2 1:2\n", NULL, &skimpi_reader_svmlight, SKIMP_OK, "" },
        { "find_a", "12:30,1\n", NULL, &skimpi_reader_csv, SKIMP_OK, "" },
        { "find_a", "1 2 3\n", NULL, &skimpi_reader_csv, SKIMP_OK, "" },
        { "find_a", "", NULL, &skimpi_reader_csv, SKIMP_OK, "" },
        { "find_a.parquet", "PAR1....", NULL, NULL, SKIMP_ERROR_DATA, "Parquet" },
        { "find_a.csv", "PK\3\4....", NULL, NULL, SKIMP_ERROR_DATA, "zip" },
        { "find_a.csv", "a,b\n", "excel", NULL, SKIMP_ERROR_PARAM, "'excel'" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        FILE *f = fopen(cases[i].path, "wb");
        assert_non_null(f);
        fputs(cases[i].text, f);
        assert_int_equal(fclose(f), 0);
        skimpi_input *input;
        skimp_error error = SKIMP_ERROR_INIT;
        const skimpi_reader_class *found = NULL;
        assert_int_equal(skimpi_input_open(&input, budget, cases[i].path, &error), SKIMP_OK);
        assert_int_equal(skimpi_reader_find(&found, cases[i].format, input, &error), cases[i].status);
        if (cases[i].status == SKIMP_OK) {
            assert_ptr_equal(found, cases[i].expected);
        }
        assert_non_null(strstr(error.message, cases[i].says));
        skimpi_input_close(input);
        unlink(cases[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(finds) };
    return cmocka_run_group_tests(tests, begin, end);
}
