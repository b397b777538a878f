/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the tests and the fuzz target of the CSV reader: reads a text as the ingest does, unit by unit, with the guess
 * about each unit's start checked, and keeps all rows in memory.  Uses malloc, as tests may.
 */
#ifndef CSV_HARNESS_H
#define CSV_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/csv_scan.h"
#include "data/dictionary.h"
#include "data/number.h"

typedef struct csv_table {
    skimpi_schema *schema;
    skimpi_sample sample;
    uint64_t n_rows, capacity;
    double *numeric; /* row-major: numeric slots, then codes, then target, then weight */
    uint32_t width;
    uint64_t rows_bad, rows_missing, first_bad_line, lines, wrong_guesses;
    skimp_error failure; /* row is the line in the file */
} csv_table;

typedef struct csv_case {
    const char *text;
    size_t length;
    skimpi_reader_options options;
    skimpi_roles roles;
    size_t unit_bytes;   /* 0: all in one */
    size_t tail;         /* bytes fetched beyond a unit at first */
    const char *kernels; /* NULL: the best */
} csv_case;

/* Writes the text to a file in the working directory, whose name goes to path. */
static inline void csv_write_file(const csv_case *c, char path[64])
{
    snprintf(path, 64, "csv_harness_%ld.csv", (long)getpid());
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(c->text, 1, c->length, f) != c->length || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

static inline void csv_append(csv_table *t, const skimpi_raw *raw)
{
    const skimpi_schema *schema = t->schema;
    t->width = schema->n_numeric + schema->n_category + 2;
    if (t->n_rows + raw->n_rows > t->capacity) {
        t->capacity = 2 * (t->n_rows + raw->n_rows);
        t->numeric = realloc(t->numeric, t->capacity * t->width * sizeof(double));
    }
    for (uint32_t i = 0; i < raw->n_rows; i++) {
        double *row = t->numeric + (t->n_rows + i) * t->width;
        for (uint32_t j = 0; j < schema->n_numeric; j++) {
            *row++ = raw->numeric[(size_t)j * raw->capacity + i];
        }
        for (uint32_t j = 0; j < schema->n_category; j++) {
            *row++ = raw->codes[(size_t)j * raw->capacity + i];
        }
        *row++ = raw->target != NULL ? raw->target[i] : 0;
        *row++ = raw->weight != NULL ? raw->weight[i] : 0;
    }
    t->n_rows += raw->n_rows;
}

static inline double csv_commit_code(const uint32_t *codes, double code)
{
    bool fresh = code >= SKIMPI_CODE_FRESH && code < SKIMPI_CODE_UNKNOWN;
    return fresh ? codes[(uint32_t)code - SKIMPI_CODE_FRESH] : code;
}

static inline skimp_status csv_commit(skimpi_schema *schema, skimpi_raw *raw, skimp_error *error)
{
    const skimpi_fresh *fresh = raw->fresh.data;
    size_t n = raw->fresh.length / sizeof(*fresh);
    uint32_t *codes = malloc((n + 1) * sizeof(*codes));
    skimp_status status = SKIMP_OK;
    for (size_t i = 0; i < n; i++) {
        SKIMPI_TRY(skimpi_dictionary_insert(schema->dictionaries[fresh[i].slot],
                                            (const char *)raw->fresh_text.data + fresh[i].offset, fresh[i].length,
                                            fresh[i].hash, &codes[i], error));
    }
    for (uint32_t i = 0; i < raw->n_rows; i++) {
        for (uint32_t j = 0; j < schema->n_category; j++) {
            uint32_t *code = &raw->codes[(size_t)j * raw->capacity + i];
            *code = (uint32_t)csv_commit_code(codes, *code);
        }
        if (raw->target != NULL && schema->target_type == SKIMPI_TYPE_CATEGORY) {
            raw->target[i] = csv_commit_code(codes, raw->target[i]);
        }
    }
out:
    free(codes);
    return status;
}

/* Parses a unit from `begin`; the text it is given lies at the end of a block of its own, with its padding and no more. */
static inline skimp_status csv_parse_unit(const csv_case *c, skimpi_reader *reader, csv_table *t, uint64_t index,
                                          size_t begin, size_t end, skimpi_raw *raw, skimp_error *error)
{
    const skimpi_reader_class *class = &skimpi_reader_csv;
    size_t tail = c->tail;
    for (;;) {
        size_t fetched = end + tail < c->length ? end + tail : c->length;
        char *block = malloc(fetched - begin + SKIMPI_NUMBER_PADDING);
        memcpy(block, c->text + begin, fetched - begin);
        memset(block + fetched - begin, '"', SKIMPI_NUMBER_PADDING);
        skimpi_unit unit = { .index = index,
                             .text = block,
                             .length = fetched - begin,
                             .begin = 0,
                             .end = end - begin,
                             .is_last = fetched == c->length };
        bool more = false;
        skimp_status status = class->parse(reader, t->schema, &unit, raw, &more, error);
        free(block);
        if (status != SKIMP_OK || !more) {
            return status;
        }
        tail = 2 * tail + 1;
    }
}

static inline void csv_table_free(csv_table *t)
{
    skimpi_schema_destroy(t->schema);
    free(t->numeric);
    memset(t, 0, sizeof(*t));
}

/* Reads all of it. Failures in the data are in t->failure; others are returned. */
static inline skimp_status csv_read(skimp_budget *budget, const csv_case *c, csv_table *t, skimp_error *error)
{
    const skimpi_reader_class *class = &skimpi_reader_csv;
    skimp_status status = SKIMP_OK;
    skimpi_input *input = NULL;
    skimpi_reader *reader = NULL;
    skimpi_raw raw = { 0 };
    char path[64];
    memset(t, 0, sizeof(*t));
    csv_write_file(c, path);
    SKIMPI_TRY(skimpi_input_open(&input, budget, path, error));
    SKIMPI_TRY(class->open(&reader, budget, input, &c->options, &t->schema, &t->sample, error));
    if (c->kernels != NULL && !skimpi_csv_use_kernels(reader, c->kernels)) {
        goto out;
    }
    SKIMPI_TRY(skimpi_schema_assign(t->schema, &c->roles, path, error));
    skimpi_sample_settle(&t->sample, t->schema);
    SKIMPI_TRY(skimpi_raw_create(&raw, budget, t->schema, 4, 0, error));
    size_t unit_bytes = c->unit_bytes != 0 ? c->unit_bytes : c->length + 1;
    size_t expected = class->data_start(reader), line = class->data_line(reader);
    for (uint64_t i = expected / unit_bytes; i * unit_bytes < c->length && t->failure.code == SKIMP_OK; i++) {
        size_t from = i * unit_bytes, end = from + unit_bytes < c->length ? from + unit_bytes : c->length;
        if (expected >= end && i * unit_bytes > class->data_start(reader)) {
            continue; /* no row starts in this unit */
        }
        size_t begin = expected;
        if (from > class->data_start(reader)) {
            /* What the unit's own text says, from the byte before it on. */
            size_t fetched = end + c->tail < c->length ? end + c->tail : c->length;
            char *block = malloc(fetched - from + 1);
            memcpy(block, c->text + from - 1, fetched - from + 1);
            begin = from - 1 + class->find_start(reader, block, fetched - from + 1, 1);
            free(block);
        }
        if (begin < end) {
            SKIMPI_TRY(csv_parse_unit(c, reader, t, i, begin, end, &raw, error));
        }
        if (begin != expected) {
            t->wrong_guesses++;
            SKIMPI_TRY(csv_parse_unit(c, reader, t, i, expected, end, &raw, error));
            begin = expected;
        }
        expected = begin + raw.consumed;
        SKIMPI_TRY(csv_commit(t->schema, &raw, error));
        csv_append(t, &raw);
        if (raw.first_bad_line != 0 && t->first_bad_line == 0) {
            t->first_bad_line = line + raw.first_bad_line - 1;
        }
        if (raw.failure.code != SKIMP_OK) {
            t->failure = raw.failure;
            t->failure.row += line;
        }
        t->rows_bad += raw.rows_bad;
        t->rows_missing += raw.rows_missing;
        line += raw.lines;
    }
    t->lines = line;
out:
    skimpi_raw_destroy(&raw, t->schema);
    if (reader != NULL) {
        class->close(reader);
        t->sample = (skimpi_sample){ .text_bytes = t->sample.text_bytes,
                                     .n_rows = t->sample.n_rows,
                                     .row_bytes = t->sample.row_bytes,
                                     .longest_row = t->sample.longest_row,
                                     .target_bytes = t->sample.target_bytes,
                                     .classes = t->sample.classes };
    }
    skimpi_input_close(input);
    unlink(path);
    return status;
}

#endif
