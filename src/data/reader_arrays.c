/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reader of the caller's arrays: for what goes through an ingest (predict, score, convert; rows that are dropped for what
 * they miss; CSC, which must be turned).  A unit is a chunk of the arrays; its values become doubles, codes those of the
 * dictionaries.
 *
 * Rows of CSC are collected by a cursor for each column (8 bytes, charged under "input"), which go down the columns
 * together, unit by unit: so units are read in order.
 */
#include <math.h>
#include <string.h>

#include "data/arrays_internal.h"
#include "data/dictionary.h"
#include "data/distinct_count.h"

#define BLOCK_VALUES 1024u

typedef struct arrays_reader {
    skimp_budget *budget;
    skimpi_arrays *arrays;
    const skimpi_reader_options *options;
    skimpi_arrays_survey_columns survey;
    uint64_t *cursors; /* CSC: n_columns of the data */
} arrays_reader;

static void arrays_close(skimpi_reader *opaque)
{
    arrays_reader *reader = (arrays_reader *)opaque;
    if (reader != NULL) {
        skimp_budget *budget = reader->budget;
        skimpi_arrays_survey_end(&reader->survey, budget);
        skimp_free(budget, SKIMP_TAG_INPUT, reader->cursors, reader->arrays->data->n_columns, sizeof(uint64_t));
        skimp_free(budget, SKIMP_TAG_INPUT, reader, 1, sizeof *reader);
    }
}

/* ---- what a sample would say ---------------------------------------------------------------------------------------- */

/* What a value of a type takes at most in a store, and when it is decoded from one. */
static void judge(skimp_dtype dtype, double *bytes, skimpi_decoded_size *decoded)
{
    const size_t item = skimp_dtype_bytes(dtype);
    const uint8_t value = skimpi_gathers_to_float(dtype) ? sizeof(float) : sizeof(double);
    *bytes = dtype == SKIMP_DTYPE_F16 ? 4 : item == 0 ? 1 : (double)item;
    *decoded = (skimpi_decoded_size){ value, value };
}

static void judge_columns(skimpi_arrays_survey_columns *survey, const skimpi_arrays *arrays)
{
    for (uint32_t c = 0; c < survey->n_columns; c++) {
        const skimp_data_column column = arrays->schema->sparse
                                             ? skimpi_plain_column(arrays->data->dtype, arrays->data->values)
                                             : skimpi_arrays_column(arrays, c);
        judge(column.dtype, &survey->numeric_bytes[c], &survey->decoded[c]);
        if (skimpi_is_category(&column) && column.n_categories > 0) {
            int64_t end;
            int32_t narrow;
            const char *last =
                (const char *)column.offsets + column.n_categories * skimp_dtype_bytes(column.offsets_dtype);
            if (column.offsets_dtype == SKIMP_DTYPE_I32) {
                memcpy(&narrow, last, sizeof narrow);
                end = narrow;
            } else {
                memcpy(&end, last, sizeof end);
            }
            survey->categories[c] = (uint32_t)column.n_categories;
            survey->category_bytes[c] = (double)end / (double)column.n_categories;
        }
    }
    if (arrays->schema->sparse && arrays->data->values == NULL) {
        survey->numeric_bytes[0] = 0;
    }
}

skimp_status skimpi_arrays_survey_begin(skimpi_arrays_survey_columns *survey, const skimpi_arrays *arrays,
                                        skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = arrays->budget;
    void *block;
    *survey = (skimpi_arrays_survey_columns){ .n_columns = arrays->schema->sparse ? 1 : arrays->schema->n_columns };
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, survey->n_columns, sizeof(double), &block, error));
    survey->numeric_bytes = block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, survey->n_columns, sizeof(double), &block, error));
    survey->category_bytes = block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, survey->n_columns, sizeof(uint32_t), &block, error));
    survey->distinct = block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, survey->n_columns, sizeof(uint32_t), &block, error));
    survey->categories = block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, survey->n_columns, sizeof(skimpi_decoded_size), &block, error));
    survey->decoded = block;
    judge_columns(survey, arrays);
out:
    if (status != SKIMP_OK) {
        skimpi_arrays_survey_end(survey, budget);
    }
    return status;
}

void skimpi_arrays_survey_end(skimpi_arrays_survey_columns *survey, skimp_budget *budget)
{
    skimp_free(budget, SKIMP_TAG_INPUT, survey->numeric_bytes, survey->n_columns, sizeof(double));
    skimp_free(budget, SKIMP_TAG_INPUT, survey->category_bytes, survey->n_columns, sizeof(double));
    skimp_free(budget, SKIMP_TAG_INPUT, survey->distinct, survey->n_columns, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_INPUT, survey->categories, survey->n_columns, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_INPUT, survey->decoded, survey->n_columns, sizeof(skimpi_decoded_size));
    *survey = (skimpi_arrays_survey_columns){ 0 };
}

skimp_status skimpi_arrays_reader(skimpi_reader **out, skimpi_arrays *arrays, const skimpi_reader_options *options,
                                  skimpi_sample *sample, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = arrays->budget;
    const skimp_data *data = arrays->data;
    arrays_reader *reader = NULL;
    void *block;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, 1, sizeof *reader, &block, error));
    reader = block;
    reader->budget = budget;
    reader->arrays = arrays;
    reader->options = options;
    SKIMPI_TRY(skimpi_arrays_survey_begin(&reader->survey, arrays, error));
    if (data->kind == SKIMP_DATA_CSC) {
        SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, data->n_columns, sizeof(uint64_t), &block, error));
        reader->cursors = block;
    }
    *sample = (skimpi_sample){
        .text_bytes = skimpi_arrays_bytes(arrays),
        .exact_rows = true,
        .n_rows = data->n_rows,
        .row_bytes = 1, /* units are measured in rows */
        .nonzeros_per_row = (double)arrays->nonzeros / (double)skimpi_max_u64(data->n_rows, 1),
        .unit_nonzeros = arrays->chunk_nonzeros,
        .n_sparse_features = arrays->schema->sparse ? data->n_columns : 0,
        .categories = reader->survey.categories,
        .category_bytes = reader->survey.category_bytes,
        .numeric_bytes = reader->survey.numeric_bytes,
        .decoded = reader->survey.decoded,
        .distinct = arrays->schema->sparse ? NULL : reader->survey.distinct,
        .target_bytes = sizeof(double),
    };
    *out = (skimpi_reader *)reader;
out:
    if (status != SKIMP_OK) {
        arrays_close((skimpi_reader *)reader);
    }
    return status;
}

skimp_status skimpi_arrays_survey(const skimpi_arrays *arrays, skimpi_sample *sample, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t n_rows = arrays->data->n_rows;
    skimpi_distinct distinct = { { 0 } };
    double values[BLOCK_VALUES];
    if (arrays->target.values == NULL) {
        return SKIMP_OK;
    }
    if (arrays->source != NULL && skimpi_is_category(&arrays->target)) {
        /* Of a table the sample's settling knows more. */
        const uint32_t n = (uint32_t)arrays->target.n_categories;
        sample->classes = arrays->schema->sparse ? n : sample->classes;
        return SKIMP_OK;
    }
    for (uint64_t first = 0; first < n_rows; first += BLOCK_VALUES) {
        const uint32_t n = (uint32_t)skimpi_min_u64(n_rows - first, BLOCK_VALUES);
        SKIMPI_TRY(skimpi_arrays_read_target(arrays, first, n, values, error));
        for (uint32_t i = 0; i < n; i++) {
            if (!isnan(values[i])) {
                skimpi_distinct_note(&distinct, values[i]);
            }
        }
    }
    sample->classes = sample->classes_seen = skimpi_distinct_count(&distinct);
out:
    return status;
}

/* ---- units ---------------------------------------------------------------------------------------------------------- */

static uint64_t arrays_unit_bytes(const skimpi_reader *opaque, const skimpi_schema *schema)
{
    (void)schema;
    return ((const arrays_reader *)opaque)->arrays->chunk_rows;
}

static uint64_t arrays_unit_count(const skimpi_reader *opaque)
{
    return ((const arrays_reader *)opaque)->arrays->n_chunks;
}

void skimpi_arrays_raw_numbers(const skimpi_arrays *arrays, uint64_t first, uint32_t n, skimpi_raw *raw, uint32_t to)
{
    for (uint32_t at = 0; at < n; at += SKIMPI_ARRAYS_BLOCK_ROWS) {
        const uint32_t count = n - at < SKIMPI_ARRAYS_BLOCK_ROWS ? n - at : SKIMPI_ARRAYS_BLOCK_ROWS;
        for (uint32_t r = 0; r < arrays->n_runs; r++) {
            const skimpi_array_run *run = &arrays->runs[r];
            skimp_data_column column = run->first;
            for (uint32_t j = run->slot; j < run->slot + run->n; j++) {
                skimpi_gather_f64(&column, first + at, count, raw->numeric + (size_t)j * raw->capacity + to + at);
                column.values = (const char *)column.values + (int64_t)run->column_stride;
            }
        }
    }
}

static skimp_status read_table(const arrays_reader *reader, uint64_t first, uint32_t n, skimpi_raw *raw,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_arrays *arrays = reader->arrays;
    skimpi_arrays_raw_numbers(arrays, first, n, raw, 0);
    for (uint32_t j = 0; j < arrays->n_codes; j++) {
        SKIMPI_TRY(skimpi_arrays_read_codes(arrays, j, first, n, NULL, raw->codes + (size_t)j * raw->capacity, error));
    }
out:
    return status;
}

skimp_status skimpi_arrays_raw_csr(const skimpi_arrays *arrays, uint64_t first, uint32_t n, skimpi_raw *raw,
                                   uint32_t to, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_data *data = arrays->data;
    const uint32_t before = to > 0 ? raw->row_end[to - 1] : 0;
    uint64_t begin = 0;
    SKIMPI_TRY(skimpi_csr_read_rows(arrays, first, n, raw->row_end + to, &begin, error));
    const uint32_t nonzeros = n > 0 ? raw->row_end[to + n - 1] : 0;
    if (nonzeros > raw->nonzero_capacity - before) {
        SKIMPI_TRY(skimpi_arrays_changed(error));
    }
    for (uint32_t i = to; i < to + n; i++) {
        raw->row_end[i] += before;
    }
    SKIMPI_TRY(skimpi_csr_read_indices(arrays, begin, nonzeros, raw->indices != NULL ? raw->indices + before : NULL,
                                       raw->indices64 != NULL ? raw->indices64 + before : NULL, error));
    if (data->values == NULL) {
        for (uint32_t i = before; i < before + nonzeros; i++) {
            raw->values[i] = 1;
        }
    } else {
        const uint64_t item = skimp_dtype_bytes(data->dtype);
        const skimp_data_column column = skimpi_plain_column(data->dtype, (const uint8_t *)data->values + begin * item);
        skimpi_gather_f64(&column, 0, nonzeros, raw->values + before);
    }
out:
    return status;
}

void skimpi_arrays_raw_distinct(skimpi_raw *raw)
{
    skimpi_csr_block csr = { .indices = raw->indices, .indices64 = raw->indices64, .f64 = raw->values };
    skimpi_csr_make_distinct(&csr, raw->n_rows, raw->row_end);
    raw->nonzeros = raw->n_rows > 0 ? raw->row_end[raw->n_rows - 1] : 0;
}

static skimp_status read_sparse(arrays_reader *reader, const skimpi_schema *schema, uint64_t index, uint64_t first,
                                uint32_t n, skimpi_raw *raw, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_arrays *arrays = reader->arrays;
    const skimp_data *data = arrays->data;
    SKIMPI_TRY(skimpi_raw_reserve(raw, schema, n, arrays->chunk_nonzeros, error));
    if (data->kind == SKIMP_DATA_CSC) {
        skimpi_csr_block csr = { .indices = raw->indices, .indices64 = raw->indices64, .f64 = raw->values };
        if (index == 0) {
            skimpi_csc_begin(arrays, reader->cursors);
        }
        SKIMPI_TRY(skimpi_csc_read_rows(arrays, first, n, reader->cursors, &csr, raw->row_end, error));
    } else {
        SKIMPI_TRY(skimpi_arrays_raw_csr(arrays, first, n, raw, 0, error));
    }
    raw->n_rows = n;
    skimpi_arrays_raw_distinct(raw);
    raw->largest_index = data->n_columns;
out:
    return status;
}

/* ---- rows that miss something --------------------------------------------------------------------------------------- */

static bool may_stay(const skimpi_reader_options *options, uint32_t column)
{
    return options->may_miss != NULL && options->may_miss[column] != 0;
}

static bool row_misses(const skimpi_reader_options *options, const skimpi_schema *schema, const skimpi_raw *raw,
                       uint32_t row)
{
    bool misses = raw->target != NULL && !options->target_optional && isnan(raw->target[row]);
    misses |= raw->weight != NULL && isnan(raw->weight[row]);
    for (uint32_t j = 0; j < schema->n_numeric && !misses; j++) {
        misses = isnan(raw->numeric[(size_t)j * raw->capacity + row]) && !may_stay(options, schema->numeric[j]);
    }
    for (uint32_t j = 0; j < schema->n_category && !misses; j++) {
        misses = raw->codes[(size_t)j * raw->capacity + row] == SKIMPI_CODE_MISSING &&
                 !may_stay(options, schema->category[j]);
    }
    if (schema->sparse && !may_stay(options, 0)) {
        for (uint32_t at = row > 0 ? raw->row_end[row - 1] : 0; at < raw->row_end[row] && !misses; at++) {
            misses = isnan(raw->values[at]);
        }
    }
    return misses;
}

static void keep_row(const skimpi_schema *schema, skimpi_raw *raw, uint32_t row, uint32_t kept)
{
    for (uint32_t j = 0; j < schema->n_numeric; j++) {
        double *values = raw->numeric + (size_t)j * raw->capacity;
        values[kept] = values[row];
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        uint32_t *codes = raw->codes + (size_t)j * raw->capacity;
        codes[kept] = codes[row];
    }
    if (raw->target != NULL) {
        raw->target[kept] = raw->target[row];
    }
    if (raw->weight != NULL) {
        raw->weight[kept] = raw->weight[row];
    }
}

void skimpi_arrays_drop_missing(const skimpi_reader_options *options, const skimpi_schema *schema, skimpi_raw *raw)
{
    uint32_t kept = 0, begin = 0, end = 0;
    for (uint32_t row = 0; row < raw->n_rows; row++) {
        const bool misses = row_misses(options, schema, raw, row);
        const uint32_t row_end = schema->sparse ? raw->row_end[row] : 0, n = row_end - begin;
        if (!misses) {
            keep_row(schema, raw, row, kept);
            if (schema->sparse) {
                memmove(raw->values + end, raw->values + begin, n * sizeof *raw->values);
                if (raw->indices64 != NULL) {
                    memmove(raw->indices64 + end, raw->indices64 + begin, n * sizeof *raw->indices64);
                } else {
                    memmove(raw->indices + end, raw->indices + begin, n * sizeof *raw->indices);
                }
                end += n;
                /* Rows yet to come begin where this one ended: its end is needed no more. */
                raw->row_end[kept] = end;
            }
            kept++;
        }
        begin = row_end;
    }
    raw->nonzeros = schema->sparse ? end : 0;
    raw->rows_missing = raw->n_rows - kept;
    raw->n_rows = kept;
}

static skimp_status arrays_read_unit(skimpi_reader *opaque, const skimpi_schema *schema, skimpi_input *input,
                                     uint64_t index, skimpi_raw *raw, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    arrays_reader *reader = (arrays_reader *)opaque;
    const skimpi_arrays *arrays = reader->arrays;
    uint64_t first = 0;
    uint32_t n = 0;
    (void)input;
    skimpi_raw_clear(raw);
    skimpi_arrays_chunk(arrays, index, &first, &n);
    if (n > arrays->chunk_rows) {
        SKIMPI_TRY(skimpi_arrays_changed(error));
    }
    SKIMPI_TRY(skimpi_raw_reserve(raw, schema, n, 0, error));
    if (schema->sparse) {
        SKIMPI_TRY(read_sparse(reader, schema, index, first, n, raw, error));
    } else {
        SKIMPI_TRY(read_table(reader, first, n, raw, error));
    }
    if (raw->target != NULL) {
        SKIMPI_TRY(skimpi_arrays_read_target(arrays, first, n, raw->target, error));
    }
    if (raw->weight != NULL) {
        skimpi_gather_f64(&arrays->weight, first, n, raw->weight);
    }
    raw->n_rows = n;
    raw->lines = n;
    if (reader->options->on_missing == SKIMPI_MISSING_DROP) {
        skimpi_arrays_drop_missing(reader->options, schema, raw);
    }
out:
    return status;
}

const skimpi_reader_class skimpi_reader_arrays = {
    .name = "arrays",
    .is_text = false,
    .close = arrays_close,
    .unit_bytes = arrays_unit_bytes,
    .unit_count = arrays_unit_count,
    .read_unit = arrays_read_unit,
};
