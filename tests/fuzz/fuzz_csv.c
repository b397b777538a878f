/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a CSV file.  The first four bytes draw the parameters: kernels, delimiter, header, what to do with bad
 * rows and missing values, the size of a unit, how much is fetched beyond it.  Whatever the text: the rows are the same as
 * those of the portable kernels on one unit, and nothing is left allocated.
 */
#include <math.h>

#include "../csv_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static skimp_budget *budget;

static skimp_status read_case(const csv_case *c, csv_table *t)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status = csv_read(budget, c, t, &error);
    if (status != SKIMP_OK && (error.code != (int)status || error.message[0] == '\0')) {
        abort();
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const kernels[] = { "portable", "avx2", "avx512" };
    static const char delimiters[] = { 0, ',', '\t', ';' };
    if (size < 4) {
        return 0;
    }
    skimp_budget_options limits = { .size = sizeof(limits), .limit = 256u << 20 };
    if (skimp_budget_create(&budget, &limits, NULL) != SKIMP_OK) {
        abort();
    }
    csv_case c = { .text = (const char *)data + 4, .length = size - 4 };
    c.options = (skimpi_reader_options){ .delimiter = delimiters[data[0] & 3],
                                         .header = (data[0] >> 2) % 3 - 1,
                                         .on_bad_row = data[0] >> 6 & 1,
                                         .on_missing = data[0] >> 7 };
    c.roles = (skimpi_roles){ .target = data[1] & 1   ? "0"
                                        : data[1] & 2 ? "1>0"
                                                      : NULL,
                              .hash_bits = data[1] & 4 ? 5 : 0 };
    csv_case other = c;
    c.kernels = "portable";
    c.tail = size;
    other.kernels = kernels[data[1] >> 4 & 3 ? (data[1] >> 4 & 3) - 1 : 2];
    if (skimpi_csv_kernels_find(other.kernels) == NULL) {
        other.kernels = NULL;
    }
    other.unit_bytes = 1 + data[2];
    other.tail = data[3];
    csv_table a, b;
    skimp_status first = read_case(&c, &a), second = read_case(&other, &b);
    if (first != second || a.failure.code != b.failure.code || a.failure.row != b.failure.row) {
        abort();
    }
    if (first == SKIMP_OK && a.failure.code == SKIMP_OK) {
        if (a.n_rows != b.n_rows || a.rows_bad != b.rows_bad || a.rows_missing != b.rows_missing ||
            a.first_bad_line != b.first_bad_line || a.lines != b.lines) {
            abort();
        }
        for (uint64_t i = 0; i < a.n_rows * a.width; i++) {
            if (memcmp(&a.numeric[i], &b.numeric[i], sizeof(double)) != 0 &&
                !(isnan(a.numeric[i]) && isnan(b.numeric[i]))) {
                abort();
            }
        }
    }
    csv_table_free(&a);
    csv_table_free(&b);
    if (skimp_budget_destroy(budget) != 0) {
        abort();
    }
    return 0;
}
