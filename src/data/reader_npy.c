/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reader of NumPy's NPY files: one array of numbers, rows by columns, or one column.
 *
 * Columns are named x0, x1, …; any of them may be the target or the weight.  A unit is so many rows that they make
 * 256 KiB of doubles: a function of the shape alone.  Values become doubles: integers beyond 2^53 lose digits.
 * A plain file is read by all workers with pread: row by row (C order), or a piece of each column that is used (Fortran
 * order).  A compressed file or a pipe is read in order; in Fortran order it is copied to a file on disk before.
 *
 * Nothing is allocated for a unit: bytes come through a small buffer on the stack, or straight into place.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/decimal.h"
#include "data/distinct_count.h"
#include "data/encoding.h"
#include "data/npy_header.h"
#include "data/reader.h"

#define UNIT_VALUES 32768u /* 256 KiB of doubles */
#define UNIT_ROWS_LEAST 16u
#define BLOCK_VALUES 1024u    /* on the stack at once */
#define SAMPLE_VALUES 131072u /* 1 MiB of doubles */
#define SAMPLE_PLACES 8u
#define SAMPLE_ROWS 512u /* from each place at most */

typedef struct npy_reader {
    skimp_budget *budget;
    const skimpi_reader_options *options;
    skimpi_npy_header header; /* of the input that was opened last */
    uint64_t next_unit;       /* of an input that is read in order */
    uint32_t n_columns;       /* of the arrays below */
    double *numeric_bytes;
    skimpi_decoded_size *decoded;
    uint32_t *distinct;
} npy_reader;

/* Where values come from: a file at any place, a stream in order, or bytes that were peeked. */
typedef struct source {
    skimpi_input *input;
    const char *peeked; /* or NULL */
} source;

/* Where the values of a column go: rows of a raw chunk, or of a sample. */
typedef struct sink {
    const skimpi_schema *schema; /* NULL: a sample */
    skimpi_raw *raw;
    double *sample;
    size_t stride;
} sink;

static double *column_of(const sink *to, uint32_t column)
{
    if (to->schema == NULL) {
        return to->sample + column * to->stride;
    }
    const skimpi_column *c = &to->schema->columns[column];
    switch ((skimpi_role)c->role) {
    case SKIMPI_ROLE_FEATURE:
        return to->raw->numeric + (size_t)c->slot * to->raw->capacity;
    case SKIMPI_ROLE_TARGET:
        return to->raw->target;
    case SKIMPI_ROLE_WEIGHT:
        return to->raw->weight;
    case SKIMPI_ROLE_DROPPED:
        break;
    }
    return NULL;
}

/* ---- values --------------------------------------------------------------------------------------------------- */

static void swap_items(unsigned char *bytes, size_t n, unsigned item_bytes)
{
    for (size_t i = 0; i < n; i++, bytes += item_bytes) {
        for (unsigned k = 0; k < item_bytes / 2; k++) {
            unsigned char held = bytes[k];
            bytes[k] = bytes[item_bytes - 1 - k];
            bytes[item_bytes - 1 - k] = held;
        }
    }
}

#define CONVERT(type)                                                                                                  \
    for (size_t i = 0; i < n; i++) {                                                                                   \
        type item;                                                                                                     \
        memcpy(&item, bytes + i * sizeof(item), sizeof(item));                                                         \
        out[i] = (double)item;                                                                                         \
    }                                                                                                                  \
    break

/* n items as they are in the file (they are swapped in place where need be) to doubles. */
static void convert(const skimpi_npy_header *header, unsigned char *bytes, size_t n, double *out)
{
    if (header->swapped) {
        swap_items(bytes, n, header->item_bytes);
    }
    switch (header->type) {
    case SKIMPI_NPY_F32:
        CONVERT(float);
    case SKIMPI_NPY_F64:
        CONVERT(double);
    case SKIMPI_NPY_I8:
        CONVERT(int8_t);
    case SKIMPI_NPY_I16:
        CONVERT(int16_t);
    case SKIMPI_NPY_I32:
        CONVERT(int32_t);
    case SKIMPI_NPY_I64:
        CONVERT(int64_t);
    case SKIMPI_NPY_U8:
        CONVERT(uint8_t);
    case SKIMPI_NPY_U16:
        CONVERT(uint16_t);
    case SKIMPI_NPY_U32:
        CONVERT(uint32_t);
    case SKIMPI_NPY_U64:
        CONVERT(uint64_t);
    }
}

/* n values from item `at` of the array on. */
static skimp_status fetch(const npy_reader *reader, const source *from, uint64_t at, size_t n, double *out,
                          skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_npy_header *header = &reader->header;
    const bool as_it_is = header->type == SKIMPI_NPY_F64 && !header->swapped;
    uint64_t offset = header->data_start + at * header->item_bytes;
    while (n > 0) {
        unsigned char block[BLOCK_VALUES * sizeof(double)];
        size_t count = as_it_is ? n : n < sizeof(block) / header->item_bytes ? n : sizeof(block) / header->item_bytes;
        size_t bytes = count * header->item_bytes;
        void *to = as_it_is ? (void *)out : block;
        size_t got = bytes;
        if (from->peeked != NULL) {
            memcpy(to, from->peeked + offset, bytes);
        } else if (skimpi_input_seekable(from->input)) {
            SKIMPI_TRY(skimpi_input_pread(from->input, to, bytes, offset, &got, error));
        } else {
            SKIMPI_TRY(skimpi_input_read(from->input, to, bytes, &got, error));
        }
        if (got < bytes) {
            uint64_t row = (offset + got - header->data_start) / header->item_bytes / header->n_columns;
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, skimpi_input_name(from->input), row + 1, NULL,
                                  "the array has %llu rows, but the file ends in this one",
                                  (unsigned long long)header->n_rows);
        }
        if (!as_it_is) {
            convert(header, block, count, out);
        }
        out += count;
        offset += bytes;
        n -= count;
    }
out:
    return status;
}

/* C order: whole rows through a block where they fit it, else pieces of a row. */
static skimp_status load_rows(const npy_reader *reader, const source *from, uint64_t first, uint32_t rows,
                              const sink *to, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint32_t n_columns = (uint32_t)reader->header.n_columns;
    double block[BLOCK_VALUES];
    if (n_columns > BLOCK_VALUES) {
        for (uint32_t row = 0; row < rows; row++) {
            for (uint32_t column = 0; column < n_columns;) {
                uint32_t n = n_columns - column < BLOCK_VALUES ? n_columns - column : BLOCK_VALUES;
                SKIMPI_TRY(fetch(reader, from, (first + row) * n_columns + column, n, block, error));
                for (uint32_t i = 0; i < n; i++) {
                    double *out = column_of(to, column + i);
                    if (out != NULL) {
                        out[row] = block[i];
                    }
                }
                column += n;
            }
        }
        return SKIMP_OK;
    }
    const uint32_t rows_a_block = BLOCK_VALUES / n_columns;
    for (uint32_t row = 0; row < rows; row += rows_a_block) {
        uint32_t n = rows - row < rows_a_block ? rows - row : rows_a_block;
        SKIMPI_TRY(fetch(reader, from, (first + row) * n_columns, (size_t)n * n_columns, block, error));
        for (uint32_t column = 0; column < n_columns; column++) {
            double *out = column_of(to, column);
            for (uint32_t i = 0; i < n && out != NULL; i++) {
                out[row + i] = block[i * n_columns + column];
            }
        }
    }
out:
    return status;
}

static skimp_status load_columns(const npy_reader *reader, const source *from, uint64_t first, uint32_t rows,
                                 const sink *to, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint32_t column = 0; column < reader->header.n_columns; column++) {
        double *out = column_of(to, column);
        if (out != NULL) {
            SKIMPI_TRY(fetch(reader, from, column * reader->header.n_rows + first, rows, out, error));
        }
    }
out:
    return status;
}

static skimp_status load(const npy_reader *reader, const source *from, uint64_t first, uint32_t rows, const sink *to,
                         skimp_error *error)
{
    return reader->header.fortran ? load_columns(reader, from, first, rows, to, error)
                                  : load_rows(reader, from, first, rows, to, error);
}

/* ---- units ---------------------------------------------------------------------------------------------------- */

static uint32_t unit_rows(const npy_reader *reader)
{
    uint64_t rows = UNIT_VALUES / reader->header.n_columns;
    return (uint32_t)(rows > UNIT_ROWS_LEAST ? rows : UNIT_ROWS_LEAST);
}

static uint64_t npy_unit_count(const skimpi_reader *opaque)
{
    const npy_reader *reader = (const npy_reader *)opaque;
    uint32_t rows = unit_rows(reader);
    return reader->header.n_rows / rows + (reader->header.n_rows % rows != 0);
}

static bool npy_is_scattered(const skimpi_reader *opaque)
{
    return ((const npy_reader *)opaque)->header.fortran;
}

static uint64_t npy_unit_bytes(const skimpi_reader *opaque, const skimpi_schema *schema)
{
    const npy_reader *reader = (const npy_reader *)opaque;
    (void)schema;
    return unit_rows(reader) * reader->header.n_columns * reader->header.item_bytes;
}

/* Is a value of this column enough to drop its row when it is missing? */
static bool drops_row(const npy_reader *reader, const skimpi_column *column, uint32_t number)
{
    const skimpi_reader_options *options = reader->options;
    return column->role != SKIMPI_ROLE_DROPPED && !(options->may_miss != NULL && options->may_miss[number] != 0) &&
           !(column->role == SKIMPI_ROLE_TARGET && options->target_optional);
}

static void drop_missing(const npy_reader *reader, const skimpi_schema *schema, skimpi_raw *raw)
{
    const sink at = { .schema = schema, .raw = raw };
    uint32_t kept = 0;
    for (uint32_t row = 0; row < raw->n_rows; row++) {
        bool missing = false;
        for (uint32_t c = 0; c < schema->n_columns && !missing; c++) {
            missing = drops_row(reader, &schema->columns[c], c) && isnan(column_of(&at, c)[row]);
        }
        for (uint32_t c = 0; c < schema->n_columns && !missing && kept < row; c++) {
            double *values = column_of(&at, c);
            if (values != NULL) {
                values[kept] = values[row];
            }
        }
        kept += !missing;
    }
    raw->rows_missing = raw->n_rows - kept;
    raw->n_rows = kept;
}

/* An input that is read in order: the header is passed over before the first unit, and nothing may follow the last. */
static skimp_status pass_header(npy_reader *reader, skimpi_input *input, uint64_t index, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (index == 0) {
        char skipped[256];
        for (uint64_t left = reader->header.data_start; left > 0;) {
            size_t got;
            SKIMPI_TRY(skimpi_input_read(input, skipped, left < sizeof(skipped) ? (size_t)left : sizeof(skipped), &got,
                                         error));
            if (got == 0) {
                return skimpi_fail_at(error, SKIMP_ERROR_DATA, skimpi_input_name(input), 0, NULL,
                                      "the file ends within its NPY header");
            }
            left -= got;
        }
        reader->next_unit = 0;
    }
    if (index != reader->next_unit) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "unit %llu of '%s' is asked for out of order",
                           (unsigned long long)index, skimpi_input_name(input));
    }
    reader->next_unit++;
out:
    return status;
}

static skimp_status too_long(const npy_reader *reader, skimpi_input *input, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, skimpi_input_name(input), 0, NULL,
                          "bytes follow the %llu rows of the array", (unsigned long long)reader->header.n_rows);
}

static skimp_status npy_read_unit(skimpi_reader *opaque, const skimpi_schema *schema, skimpi_input *input,
                                  uint64_t index, skimpi_raw *raw, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    npy_reader *reader = (npy_reader *)opaque;
    const source from = { .input = input };
    const sink to = { .schema = schema, .raw = raw };
    const bool in_order = !skimpi_input_seekable(input);
    uint64_t first = index * unit_rows(reader);
    uint32_t rows = (uint32_t)skimpi_min_u64(unit_rows(reader), reader->header.n_rows - first);
    skimpi_raw_clear(raw);
    SKIMPI_TRY(skimpi_raw_reserve(raw, schema, rows, 0, error));
    if (in_order) {
        SKIMPI_TRY(pass_header(reader, input, index, error));
    }
    SKIMPI_TRY(load(reader, &from, first, rows, &to, error));
    if (!in_order && skimpi_input_file_size(input) > reader->header.data_start + reader->header.data_bytes) {
        SKIMPI_TRY(too_long(reader, input, error)); /* of a copy on disk it is known only now */
    }
    if (in_order && first + rows == reader->header.n_rows) {
        char more;
        size_t got;
        SKIMPI_TRY(skimpi_input_read(input, &more, 1, &got, error));
        if (got != 0) {
            SKIMPI_TRY(too_long(reader, input, error));
        }
    }
    raw->n_rows = rows;
    raw->lines = rows;
    if (reader->options->on_missing == SKIMPI_MISSING_DROP && reader->header.type <= SKIMPI_NPY_F64) {
        drop_missing(reader, schema, raw);
    }
    for (uint32_t i = 0; i < raw->n_rows && raw->target != NULL; i++) {
        raw->target[i] = skimpi_schema_compare(schema, raw->target[i]);
    }
out:
    return status;
}

/* ---- sample --------------------------------------------------------------------------------------------------- */

/* Bytes that a value takes in the store if nothing but its type is known. */
static double type_bytes(skimpi_npy_type type, unsigned item_bytes)
{
    return type == SKIMPI_NPY_F32 || item_bytes == 4 ? 4.0 : item_bytes == 8 ? 8.0 : item_bytes;
}

static void judge(npy_reader *reader, const double *sample, size_t rows, bool whole)
{
    for (uint32_t column = 0; column < reader->n_columns; column++) {
        const double *values = sample + column * rows;
        skimpi_column_scan scan;
        skimpi_distinct distinct = { { 0 } };
        unsigned digits = 0;
        skimpi_column_scan_run(values, rows, &scan);
        scan.constant = scan.constant && whole; /* it may not be so in all of the file */
        skimpi_chunk_column encoded = skimpi_encoding_choose(&scan, false);
        skimpi_decoded_size_expect(&scan, &reader->decoded[column].memory, &reader->decoded[column].file);
        for (size_t i = 0; i < rows; i++) {
            if (!isnan(values[i])) {
                skimpi_distinct_note(&distinct, values[i]);
                digits = skimpi_decimal_digits(values[i], digits);
            }
        }
        reader->numeric_bytes[column] = encoded.encoding == SKIMPI_ENC_F32
                                            ? skimpi_decimal_expect(&scan, digits)
                                            : (double)skimpi_encoding_width(encoded.encoding);
        reader->distinct[column] = skimpi_distinct_count(&distinct);
    }
}

/* Reads rows from a few places (or the first ones) and judges the columns by them. */
static skimp_status survey(npy_reader *reader, skimpi_input *input, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_npy_header *header = &reader->header;
    void *block = NULL;
    source from = { .input = input };
    uint64_t most = SAMPLE_VALUES / header->n_columns;
    unsigned places = SAMPLE_PLACES;
    uint64_t rows = most / SAMPLE_PLACES < SAMPLE_ROWS ? most / SAMPLE_PLACES : SAMPLE_ROWS;
    if (!skimpi_input_seekable(input) && header->fortran) {
        rows = 0; /* the first bytes tell of the first column only */
    } else if (!skimpi_input_seekable(input)) {
        size_t got;
        SKIMPI_TRY(skimpi_input_peek(input, (size_t)skimpi_min_u64(header->data_start + header->data_bytes, 1u << 20),
                                     &from.peeked, &got, error));
        rows =
            skimpi_min_u64(SAMPLE_PLACES * rows, (got - header->data_start) / (header->n_columns * header->item_bytes));
        places = 1;
    } else if (rows * places >= header->n_rows) {
        rows = header->n_rows;
        places = 1;
    }
    for (uint32_t column = 0; column < reader->n_columns; column++) {
        reader->numeric_bytes[column] = type_bytes(header->type, header->item_bytes);
        reader->decoded[column] = (skimpi_decoded_size){ sizeof(double), sizeof(double) };
    }
    if (rows > 0) {
        SKIMPI_TRY(skimp_alloc(reader->budget, SKIMP_TAG_INPUT, (size_t)(rows * places) * reader->n_columns,
                               sizeof(double), &block, error));
        for (unsigned i = 0; i < places; i++) {
            uint64_t first = i == 0 ? 0 : i == places - 1 ? header->n_rows - rows : header->n_rows / places * i;
            const sink to = { .sample = (double *)block + i * rows, .stride = (size_t)(rows * places) };
            SKIMPI_TRY(load(reader, &from, first, (uint32_t)rows, &to, error));
        }
        judge(reader, block, (size_t)(rows * places), rows == header->n_rows);
    }
out:
    skimp_free(reader->budget, SKIMP_TAG_INPUT, block, (size_t)(rows * places) * reader->n_columns, sizeof(double));
    return status;
}

static void describe_sample(const npy_reader *reader, skimpi_sample *sample)
{
    const skimpi_npy_header *header = &reader->header;
    *sample = (skimpi_sample){
        .text_bytes = header->data_start + header->data_bytes,
        .exact_rows = true,
        .n_rows = header->n_rows,
        .row_bytes = (double)(header->n_columns * header->item_bytes),
        .longest_row = header->n_columns * header->item_bytes,
        .numeric_bytes = reader->numeric_bytes,
        .decoded = reader->decoded,
        .distinct = reader->distinct,
    };
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

static skimp_status read_header(npy_reader *reader, skimpi_input *input, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *name = skimpi_input_name(input);
    const char *bytes;
    size_t got;
    size_t wanted;
    SKIMPI_TRY(skimpi_input_peek(input, SKIMPI_NPY_PREFIX, &bytes, &got, error));
    SKIMPI_TRY(skimpi_npy_header_bytes(bytes, got, name, &wanted, error));
    SKIMPI_TRY(skimpi_input_peek(input, wanted > SKIMPI_NPY_PREFIX ? wanted : SKIMPI_NPY_PREFIX, &bytes, &got, error));
    SKIMPI_TRY(skimpi_npy_header_read(bytes, got, name, &reader->header, error));
    const skimpi_npy_header *header = &reader->header;
    if (skimpi_input_seekable(input)) {
        uint64_t size = skimpi_input_file_size(input);
        if (size < header->data_start + header->data_bytes) {
            uint64_t rows =
                header->fortran ? 0 : (size - header->data_start) / (header->n_columns * header->item_bytes);
            SKIMPI_TRY(skimpi_fail_at(
                error, SKIMP_ERROR_DATA, name, 0, NULL,
                "the file ends too early: its array of %llu rows takes %llu bytes, and it has %llu (%llu whole rows)",
                (unsigned long long)header->n_rows, (unsigned long long)(header->data_start + header->data_bytes),
                (unsigned long long)size, (unsigned long long)rows));
        }
        if (size > header->data_start + header->data_bytes) {
            SKIMPI_TRY(too_long(reader, input, error));
        }
    }
out:
    return status;
}

static void npy_close(skimpi_reader *opaque)
{
    npy_reader *reader = (npy_reader *)opaque;
    if (reader != NULL) {
        skimp_free(reader->budget, SKIMP_TAG_INPUT, reader->numeric_bytes, reader->n_columns, sizeof(double));
        skimp_free(reader->budget, SKIMP_TAG_INPUT, reader->decoded, reader->n_columns, sizeof(skimpi_decoded_size));
        skimp_free(reader->budget, SKIMP_TAG_INPUT, reader->distinct, reader->n_columns, sizeof(uint32_t));
        skimp_free(reader->budget, SKIMP_TAG_INPUT, reader, 1, sizeof *reader);
    }
}

static skimp_status make_schema(const npy_reader *reader, skimpi_schema **out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = NULL;
    SKIMPI_TRY(skimpi_schema_create(&schema, reader->budget, reader->n_columns, error));
    for (uint32_t column = 0; column < reader->n_columns; column++) {
        char name[16];
        int length = snprintf(name, sizeof(name), "x%u", column);
        SKIMPI_TRY(skimpi_schema_set_name(schema, column, name, (size_t)length, error));
        schema->columns[column].type = SKIMPI_TYPE_NUMERIC;
    }
    *out = schema;
out:
    if (status != SKIMP_OK) {
        skimpi_schema_destroy(schema);
    }
    return status;
}

/* Gives back what was peeked, where it can be read again. */
static skimp_status leave_unread(skimpi_input *input, skimp_error *error)
{
    return skimpi_input_file_size(input) != UINT64_MAX ? skimpi_input_rewind(input, error) : SKIMP_OK;
}

static skimp_status npy_open(skimpi_reader **out, skimp_budget *budget, skimpi_input *input,
                             const skimpi_reader_options *options, skimpi_schema **schema, skimpi_sample *sample,
                             skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    npy_reader *reader = NULL;
    void *block;
    *out = NULL;
    *schema = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, 1, sizeof *reader, &block, error));
    reader = block;
    reader->budget = budget;
    reader->options = options;
    SKIMPI_TRY(read_header(reader, input, error));
    reader->n_columns = (uint32_t)reader->header.n_columns;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, reader->n_columns, sizeof(double), &block, error));
    reader->numeric_bytes = block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, reader->n_columns, sizeof(skimpi_decoded_size), &block, error));
    reader->decoded = block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, reader->n_columns, sizeof(uint32_t), &block, error));
    reader->distinct = block;
    SKIMPI_TRY(survey(reader, input, error));
    SKIMPI_TRY(leave_unread(input, error));
    describe_sample(reader, sample);
    SKIMPI_TRY(make_schema(reader, schema, error));
    *out = (skimpi_reader *)reader;
out:
    if (status != SKIMP_OK) {
        npy_close((skimpi_reader *)reader);
    }
    return status;
}

static skimp_status npy_reopen(skimpi_reader *opaque, skimpi_input *input, const skimpi_schema *schema,
                               skimpi_sample *sample, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    npy_reader *reader = (npy_reader *)opaque;
    SKIMPI_TRY(read_header(reader, input, error));
    if (reader->header.n_columns != schema->n_columns) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, skimpi_input_name(input), 0, NULL,
                                  "it has %llu columns, the files before it have %u",
                                  (unsigned long long)reader->header.n_columns, schema->n_columns));
    }
    SKIMPI_TRY(leave_unread(input, error));
    describe_sample(reader, sample);
out:
    return status;
}

const skimpi_reader_class skimpi_reader_npy = {
    .name = "npy",
    .is_text = false,
    .open = npy_open,
    .reopen = npy_reopen,
    .close = npy_close,
    .unit_bytes = npy_unit_bytes,
    .unit_count = npy_unit_count,
    .is_scattered = npy_is_scattered,
    .read_unit = npy_read_unit,
};
