/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast one core parses svmlight text: micro_svmlight FILE [REPEATS] reads the first 64 MiB of the file, parses it in
 * units into one raw chunk, REPEATS times, and prints the best MB/s.
 */
#include <stdio.h>
#include <stdlib.h>

#include "data/number.h"
#include "data/reader.h"
#include "os/os.h"

#define MOST_TEXT (64u << 20)

static void demand(skimp_status status, const skimp_error *error)
{
    if (status != SKIMP_OK) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: micro_svmlight FILE [REPEATS]\n");
        return 2;
    }
    int repeats = argc > 2 ? atoi(argv[2]) : 5;
    const skimpi_reader_class *class = &skimpi_reader_svmlight;
    const skimpi_reader_options reader_options = { .zero_based = -1 };
    const skimp_budget_options budget_options = { .size = sizeof(budget_options) };
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_budget *budget;
    skimpi_input *input;
    skimpi_reader *reader;
    skimpi_schema *schema;
    skimpi_sample sample;
    skimpi_raw raw;
    void *block;
    demand(skimp_budget_create(&budget, &budget_options, &error), &error);
    demand(skimpi_input_open(&input, budget, argv[1], &error), &error);
    demand(class->open(&reader, budget, input, &reader_options, &schema, &sample, &error), &error);
    demand(skimpi_schema_assign(schema, &(skimpi_roles){ .target = "label" }, argv[1], &error), &error);
    demand(skimp_alloc(budget, SKIMP_TAG_INPUT, MOST_TEXT + SKIMPI_NUMBER_PADDING, 1, &block, &error), &error);
    demand(skimpi_raw_create(&raw, budget, schema, 1024, 32768, &error), &error);
    size_t length;
    demand(skimpi_input_read(input, block, MOST_TEXT, &length, &error), &error);
    printf("sample: %.1f bytes and %.1f non-zeros a row, %llu features, longest row %llu, %g bytes a value, units of "
           "%llu KiB\n",
           sample.row_bytes, sample.nonzeros_per_row, (unsigned long long)sample.n_sparse_features,
           (unsigned long long)sample.longest_row, sample.numeric_bytes[0],
           (unsigned long long)class->unit_bytes(reader, schema) >> 10);

    double best = 1e30;
    uint64_t rows = 0;
    uint64_t nonzeros = 0;
    size_t at = 0;
    for (int i = 0; i < repeats; i++) {
        double begun = skimpi_os_seconds();
        rows = nonzeros = 0;
        at = class->data_start(reader);
        for (bool more = false; at < length && !more;) {
            size_t end = at + class->unit_bytes(reader, schema);
            skimpi_unit unit = { .text = block, .length = length, .begin = at, .end = end < length ? end : length };
            demand(class->parse(reader, schema, &unit, &raw, &more, &error), &error);
            demand((skimp_status)raw.failure.code, &raw.failure);
            rows += raw.n_rows;
            nonzeros += raw.nonzeros;
            at = raw.consumed;
        }
        double seconds = skimpi_os_seconds() - begun;
        best = seconds < best ? seconds : best;
    }
    printf("%zu bytes, %llu rows, %llu non-zeros: %.0f MB/s, %.1f ns a non-zero\n", at, (unsigned long long)rows,
           (unsigned long long)nonzeros, (double)at / best / 1e6, best * 1e9 / (double)nonzeros);
    skimpi_raw_destroy(&raw, schema);
    skimp_free(budget, SKIMP_TAG_INPUT, block, MOST_TEXT + SKIMPI_NUMBER_PADDING, 1);
    class->close(reader);
    skimpi_schema_destroy(schema);
    skimpi_input_close(input);
    return skimp_budget_destroy(budget) == 0 ? 0 : 1;
}
