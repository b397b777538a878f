/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast one core turns CSV text into raw chunks: the reader alone, on text that is in memory already.
 *
 *   micro_csv FILE [TARGET [DROP[,DROP…]]]
 *
 * Prints MB/s and time-stamp ticks a byte of the best of some rounds, for each set of kernels that this CPU has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "data/csv_scan.h"
#include "data/dictionary.h"
#include "data/number.h"

#define ROUNDS 7

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t ticks(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return 0;
#endif
}

static void check(skimp_status status, const skimp_error *error)
{
    if (status != SKIMP_OK) {
        fprintf(stderr, "micro_csv: %s\n", error->message);
        exit(1);
    }
}

/* Enters the unit's new texts, as the ingest does. */
static void commit(const skimpi_schema *schema, const skimpi_raw *raw, skimp_error *error)
{
    const skimpi_fresh *fresh = raw->fresh.data;
    for (size_t i = 0; i < raw->fresh.length / sizeof(*fresh); i++) {
        uint32_t code;
        check(skimpi_dictionary_insert(schema->dictionaries[fresh[i].slot],
                                       (const char *)raw->fresh_text.data + fresh[i].offset, fresh[i].length,
                                       fresh[i].hash, &code, error),
              error);
    }
}

static uint64_t parse_all(skimpi_reader *reader, const skimpi_schema *schema, const char *text, size_t length,
                          skimpi_raw *raw, skimp_error *error)
{
    const skimpi_reader_class *class = &skimpi_reader_csv;
    size_t unit_bytes = class->unit_bytes(reader, schema), begin = class->data_start(reader);
    uint64_t rows = 0;
    for (size_t i = begin / unit_bytes; i * unit_bytes < length; i++) {
        size_t end = (i + 1) * unit_bytes < length ? (i + 1) * unit_bytes : length;
        skimpi_unit unit = { .index = i, .text = text, .length = length, .begin = begin, .end = end, .is_last = true };
        bool more;
        check(class->parse(reader, schema, &unit, raw, &more, error), error);
        if (raw->failure.code != SKIMP_OK) {
            check(raw->failure.code, &raw->failure);
        }
        commit(schema, raw, error);
        rows += raw->n_rows;
        begin = raw->consumed;
    }
    return rows;
}

int main(int argc, char **argv)
{
    skimp_error error = SKIMP_ERROR_INIT;
    if (argc < 2) {
        fprintf(stderr, "usage: micro_csv FILE [TARGET [DROP[,DROP...]]]\n");
        return 2;
    }
    skimp_budget *budget;
    skimp_budget_options limits = { .size = sizeof(limits) };
    check(skimp_budget_create(&budget, &limits, &error), &error);
    skimpi_input *input;
    check(skimpi_input_open(&input, budget, argv[1], &error), &error);
    size_t length = skimpi_input_file_size(input), got = 0;
    char *text = calloc(1, length + SKIMPI_NUMBER_PADDING);
    for (size_t at = 0; text != NULL && at < length; at += got) {
        check(skimpi_input_pread(input, text + at, length - at, at, &got, &error), &error);
    }
    skimpi_reader_options options = { .header = -1 };
    skimpi_reader *reader;
    skimpi_schema *schema;
    skimpi_sample sample;
    double t = seconds();
    check(skimpi_reader_csv.open(&reader, budget, input, &options, &schema, &sample, &error), &error);
    printf("sample: %.1f ms, %llu rows expected, longest %llu\n", 1e3 * (seconds() - t),
           (unsigned long long)sample.n_rows, (unsigned long long)sample.longest_row);
    const char *drop[64];
    skimpi_roles roles = { .target = argc > 2 ? argv[2] : NULL, .drop = drop };
    for (char *name = argc > 3 ? strtok(argv[3], ",") : NULL; name != NULL && roles.n_drop < 64;
         name = strtok(NULL, ",")) {
        drop[roles.n_drop++] = name;
    }
    check(skimpi_schema_assign(schema, &roles, argv[1], &error), &error);
    skimpi_raw raw;
    size_t unit_bytes = skimpi_reader_csv.unit_bytes(reader, schema);
    check(skimpi_raw_create(&raw, budget, schema, (uint32_t)((double)unit_bytes / sample.row_bytes * 1.1) + 64, 0,
                            &error),
          &error);
    const char *const names[] = { "portable", "avx2", "avx512" };
    for (size_t k = 0; k < 3; k++) {
        if (!skimpi_csv_use_kernels(reader, names[k])) {
            continue;
        }
        double best = 1e9;
        uint64_t best_ticks = UINT64_MAX, rows = 0;
        for (int round = 0; round < ROUNDS; round++) {
            double begin = seconds();
            uint64_t tick = ticks();
            rows = parse_all(reader, schema, text, length, &raw, &error);
            tick = ticks() - tick;
            double spent = seconds() - begin;
            best = spent < best ? spent : best;
            best_ticks = tick < best_ticks ? tick : best_ticks;
        }
        printf("%-8s %10llu rows  %8.1f MB/s  %.2f ticks a byte\n", names[k], (unsigned long long)rows,
               (double)length / best / 1e6, (double)best_ticks / (double)length);
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        printf("  %s: %u categories, %u expected\n", schema->columns[schema->category[j]].name,
               (unsigned)skimpi_dictionary_size(schema->dictionaries[j]),
               (unsigned)sample.categories[schema->category[j]]);
    }
    skimpi_raw_destroy(&raw, schema);
    skimpi_reader_csv.close(reader);
    skimpi_schema_destroy(schema);
    skimpi_input_close(input);
    free(text);
    return skimp_budget_destroy(budget) != 0;
}
