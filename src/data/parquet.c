/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Columns of a Parquet file, in step (apache/parquet-format: README.md, Encodings.md).  A column's chunk is a run of pages:
 * at most one dictionary, then pages of values, each with levels that say which values are there.  Of each column one page
 * is held, decompressed; what its values are is made of it as they are asked for.
 */
#include "skimp/parquet.h"

#include <string.h>

#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_customMem */
#include <zstd.h>

#include "data/input_codec.h"
#include "data/parquet_page.h"
#include "data/runs.h"
#include "data/snappy.h"
#include "os/os.h"

#define BLOCK_VALUES 1024u
#define HEADER_BYTES 4096u /* of a page of numbers, with its statistics: a hundred or so */
#define SLACK 16u          /* behind blocks of bytes */

_Static_assert(SLACK >= SKIMPI_SNAPPY_SLACK && SLACK >= SKIMPI_RUNS_SLACK, "blocks may be read beyond their ends");

typedef struct parquet_column {
    skimp_parquet_column about;
    uint64_t at; /* of its bytes, those of the next page */
    skimpi_buffer page, dictionary;
    uint64_t n_dictionary; /* values */
    bool has_dictionary;
    uint64_t left; /* values of the page, missing ones too */
    skimpi_runs levels;
    bool is_coded;                /* values are places in the dictionary: */
    skimpi_runs codes;            /* these; else */
    const uint8_t *values, *last; /* they stand here */
} parquet_column;

struct skimp_parquet {
    skimp_budget *budget;
    char *path;
    int fd;
    uint32_t n_columns;
    parquet_column *columns;
    skimpi_buffer stored; /* a page as it is in the file */
    ZSTD_DCtx *zstd;      /* NULL: not used yet */
    skimpi_codec_memory zstd_memory;
    uint8_t header[HEADER_BYTES];
    uint32_t codes[BLOCK_VALUES], levels[BLOCK_VALUES];
};

void skimp_parquet_close(skimp_parquet *reader)
{
    if (reader == NULL) {
        return;
    }
    skimp_budget *budget = reader->budget;
    for (uint32_t c = 0; reader->columns != NULL && c < reader->n_columns; c++) {
        skimpi_buffer_free(&reader->columns[c].page);
        skimpi_buffer_free(&reader->columns[c].dictionary);
    }
    skimp_free(budget, SKIMP_TAG_INPUT, reader->columns, reader->n_columns, sizeof *reader->columns);
    skimpi_buffer_free(&reader->stored);
    ZSTD_freeDCtx(reader->zstd);
    if (reader->fd >= 0) {
        skimpi_os_close(reader->fd);
    }
    skimpi_string_free(budget, SKIMP_TAG_INPUT, reader->path);
    skimp_free(budget, SKIMP_TAG_INPUT, reader, 1, sizeof *reader);
}

skimp_status skimp_parquet_open(skimp_parquet **out, skimp_budget *budget, const char *path, uint32_t n_columns,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_parquet *reader = NULL;
    void *block = NULL;
    *out = NULL;
    if (n_columns == 0 || n_columns > 1u << 20) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "a reader of Parquet is for 1 to 2^20 columns, not %u", n_columns);
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, 1, sizeof *reader, &block, error));
    reader = block;
    reader->budget = budget;
    reader->fd = -1;
    reader->n_columns = n_columns;
    reader->zstd_memory.budget = budget;
    skimpi_buffer_init(&reader->stored, budget, SKIMP_TAG_INPUT);
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_INPUT, path, strlen(path), &reader->path, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, n_columns, sizeof *reader->columns, &block, error));
    reader->columns = block;
    for (uint32_t c = 0; c < n_columns; c++) {
        skimpi_buffer_init(&reader->columns[c].page, budget, SKIMP_TAG_INPUT);
        skimpi_buffer_init(&reader->columns[c].dictionary, budget, SKIMP_TAG_INPUT);
    }
    SKIMPI_TRY(skimpi_os_open(&reader->fd, path, error));
    *out = reader;
    reader = NULL;
out:
    skimp_parquet_close(reader);
    return status;
}

skimp_status skimp_parquet_group(skimp_parquet *reader, const skimp_parquet_column *columns, skimp_error *error)
{
    for (uint32_t c = 0; c < reader->n_columns; c++) {
        parquet_column *column = &reader->columns[c];
        const skimp_dtype dtype = columns[c].dtype;
        if (dtype != SKIMP_DTYPE_I32 && dtype != SKIMP_DTYPE_I64 && dtype != SKIMP_DTYPE_F32 &&
            dtype != SKIMP_DTYPE_F64) {
            return skimpi_fail_at(error, SKIMP_ERROR_PARAM, reader->path, 0, columns[c].name,
                                  "a reader of Parquet is for numbers of 32 and 64 bits");
        }
        column->about = columns[c];
        column->at = 0;
        column->left = 0;
        column->has_dictionary = false;
    }
    return SKIMP_OK;
}

/* ---- pages -------------------------------------------------------------------------------------------------------- */

static skimp_status damaged(const skimp_parquet *reader, const parquet_column *column, const char *what,
                            skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, reader->path, 0, column->about.name,
                          "byte %llu of the file: the Parquet data is damaged (%s)",
                          (unsigned long long)skimpi_add_sat(column->about.offset, column->at), what);
}

/* Fills `to` with bytes of a column's chunk: those from `at` on. */
static skimp_status read_bytes(const skimp_parquet *reader, const parquet_column *column, uint64_t at, void *to,
                               size_t bytes, skimp_error *error)
{
    size_t got = 0;
    const uint64_t offset = skimpi_add_sat(column->about.offset, at);
    if (skimpi_add_sat(offset, bytes) > INT64_MAX) {
        return damaged(reader, column, "it is said to lie beyond the end of the file", error);
    }
    const skimp_status status = skimpi_os_pread(reader->fd, reader->path, to, bytes, offset, &got, error);
    return status == SKIMP_OK && got < bytes ? damaged(reader, column, "the file ends within it", error) : status;
}

static skimp_status find_page(skimp_parquet *reader, parquet_column *column, skimpi_page *page, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t room = column->about.bytes - column->at;
    if (room == 0) {
        SKIMPI_TRY(damaged(reader, column, "it has fewer values than rows", error));
    }
    const size_t n = (size_t)skimpi_min_u64(room, HEADER_BYTES);
    SKIMPI_TRY(read_bytes(reader, column, column->at, reader->header, n, error));
    if (!skimpi_page_parse(reader->header, n, page)) {
        SKIMPI_TRY(damaged(reader, column, "the header of a page", error));
    }
    if (page->stored_bytes < 0 || (uint64_t)page->stored_bytes > room - page->header_bytes || page->text_bytes < 0 ||
        (uint64_t)page->text_bytes > column->about.text_bytes) {
        SKIMPI_TRY(damaged(reader, column, "the size of a page", error));
    }
out:
    return status;
}

static void *zstd_allocate(void *memory, size_t size)
{
    return skimpi_codec_allocate(memory, 1, size);
}

static void zstd_release(void *memory, void *block)
{
    skimpi_codec_release(memory, block);
}

static skimp_status decode_zstd(skimp_parquet *reader, const parquet_column *column, const uint8_t *stored,
                                size_t stored_bytes, uint8_t *text, size_t text_bytes, skimp_error *error)
{
    if (reader->zstd == NULL) {
        reader->zstd = ZSTD_createDCtx_advanced((ZSTD_customMem){ zstd_allocate, zstd_release, &reader->zstd_memory });
        if (reader->zstd == NULL) {
            return skimpi_codec_refused(&reader->zstd_memory, error);
        }
    }
    const size_t made = ZSTD_decompressDCtx(reader->zstd, text, text_bytes, stored, stored_bytes);
    return made == text_bytes ? SKIMP_OK : damaged(reader, column, "Zstandard", error);
}

/* A page's bytes behind the first `as_is` of them, which are not compressed, to `to` and what follows it. */
static skimp_status load_page(skimp_parquet *reader, parquet_column *column, const skimpi_page *page, size_t as_is,
                              skimpi_buffer *to, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const size_t stored_bytes = (size_t)page->stored_bytes, text_bytes = (size_t)page->text_bytes;
    const uint64_t at = column->at + page->header_bytes;
    skimpi_buffer *stored = &reader->stored;
    SKIMPI_TRY(skimpi_buffer_reserve(to, text_bytes + SLACK, error));
    if (column->about.codec == SKIMP_PARQUET_PLAIN || page->is_plain) {
        if (stored_bytes != text_bytes) {
            SKIMPI_TRY(damaged(reader, column, "the size of a page", error));
        }
        SKIMPI_TRY(read_bytes(reader, column, at, to->data, text_bytes, error));
    } else {
        SKIMPI_TRY(skimpi_buffer_reserve(stored, stored_bytes + SLACK, error));
        SKIMPI_TRY(read_bytes(reader, column, at, stored->data, stored_bytes, error));
        const uint8_t *from = stored->data;
        uint8_t *text = to->data;
        memcpy(text, from, as_is);
        if (text_bytes == as_is) {
            /* nothing is left to decompress, and a writer may have left it out */
        } else if (column->about.codec == SKIMP_PARQUET_ZSTD) {
            SKIMPI_TRY(decode_zstd(reader, column, from + as_is, stored_bytes - as_is, text + as_is, text_bytes - as_is,
                                   error));
        } else if (!skimpi_snappy_decode(from + as_is, stored_bytes - as_is, text + as_is, text_bytes - as_is)) {
            SKIMPI_TRY(damaged(reader, column, "Snappy", error));
        }
    }
    column->at += page->header_bytes + stored_bytes;
out:
    return status;
}

static skimp_status load_dictionary(skimp_parquet *reader, parquet_column *column, const skimpi_page *page,
                                    skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const size_t size = skimp_dtype_bytes(column->about.dtype);
    const bool is_plain = page->encoding == SKIMPI_PAGE_PLAIN || page->encoding == SKIMPI_PAGE_PLAIN_DICTIONARY;
    if (!is_plain || page->n_values < 0 || (uint64_t)page->n_values > (uint64_t)page->text_bytes / size) {
        SKIMPI_TRY(damaged(reader, column, "the dictionary", error));
    }
    SKIMPI_TRY(load_page(reader, column, page, 0, &column->dictionary, error));
    column->n_dictionary = (uint64_t)page->n_values;
    column->has_dictionary = true;
out:
    return status;
}

/* Where the levels end and the values begin, in a page of either version that is loaded. */
static skimp_status begin_levels(skimp_parquet *reader, parquet_column *column, const skimpi_page *page,
                                 const uint8_t **values, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint8_t *bytes = column->page.data;
    const size_t all = (size_t)page->text_bytes;
    size_t n = (size_t)page->definition_bytes; /* of the second version; checked */
    if (page->kind == SKIMPI_PAGE_DATA && column->about.may_miss) {
        if (page->levels_encoding != SKIMPI_PAGE_RLE || all < 4) {
            SKIMPI_TRY(damaged(reader, column, "the levels of a page", error));
        }
        n = (size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
        bytes += 4;
        if (n > all - 4) {
            SKIMPI_TRY(damaged(reader, column, "the levels of a page", error));
        }
    }
    skimpi_runs_begin(&column->levels, bytes, n, 1);
    *values = bytes + n;
out:
    return status;
}

static skimp_status load_values(skimp_parquet *reader, parquet_column *column, const skimpi_page *page,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    size_t as_is = 0;
    const uint8_t *values = NULL;
    if (page->n_values < 0) {
        SKIMPI_TRY(damaged(reader, column, "the number of a page's values", error));
    }
    if (page->kind == SKIMPI_PAGE_DATA_2) {
        const int64_t most = page->stored_bytes < page->text_bytes ? page->stored_bytes : page->text_bytes;
        if (page->repetition_bytes != 0 || page->definition_bytes < 0 || page->definition_bytes > most) {
            SKIMPI_TRY(damaged(reader, column, "the levels of a page", error));
        }
        as_is = (size_t)page->definition_bytes;
    }
    SKIMPI_TRY(load_page(reader, column, page, as_is, &column->page, error));
    SKIMPI_TRY(begin_levels(reader, column, page, &values, error));
    column->values = values;
    column->last = (const uint8_t *)column->page.data + page->text_bytes;
    column->is_coded = page->encoding != SKIMPI_PAGE_PLAIN;
    column->left = (uint64_t)page->n_values;
    if (!column->is_coded) {
        return SKIMP_OK;
    }
    const bool is_known =
        page->encoding == SKIMPI_PAGE_RLE_DICTIONARY || page->encoding == SKIMPI_PAGE_PLAIN_DICTIONARY;
    if (!is_known || !column->has_dictionary) {
        SKIMPI_TRY(damaged(reader, column, is_known ? "a dictionary is missing" : "the encoding of a page", error));
    }
    if (values < column->last) { /* a page without values may leave this out */
        if (*values > SKIMPI_RUNS_MOST_BITS) {
            SKIMPI_TRY(damaged(reader, column, "places in a dictionary", error));
        }
        skimpi_runs_begin(&column->codes, values + 1, (size_t)(column->last - values) - 1, *values);
    } else {
        skimpi_runs_begin(&column->codes, values, 0, 0);
    }
out:
    return status;
}

static skimp_status next_page(skimp_parquet *reader, parquet_column *column, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_page page;
    SKIMPI_TRY(find_page(reader, column, &page, error));
    if (page.kind == SKIMPI_PAGE_DICTIONARY) {
        SKIMPI_TRY(load_dictionary(reader, column, &page, error));
    } else if (page.kind == SKIMPI_PAGE_DATA || page.kind == SKIMPI_PAGE_DATA_2) {
        SKIMPI_TRY(load_values(reader, column, &page, error));
    } else { /* an index, or what a later version of the format knows */
        column->at += page.header_bytes + (uint64_t)page.stored_bytes;
    }
out:
    return status;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

#define GATHER(type)                                                                                                   \
    do {                                                                                                               \
        for (uint32_t i = 0; i < n; i++) {                                                                             \
            memcpy(to + i * sizeof(type), dictionary + (size_t)codes[i] * sizeof(type), sizeof(type));                 \
        }                                                                                                              \
    } while (0)

/* n values of the dictionary, 1024 at most. False: there are not so many codes, or one is of no value. */
static bool look_up(skimp_parquet *reader, parquet_column *column, uint32_t n, uint8_t *to)
{
    const uint8_t *dictionary = column->dictionary.data;
    uint32_t *codes = reader->codes, most = 0;
    if (!skimpi_runs_read(&column->codes, n, codes)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        most = codes[i] > most ? codes[i] : most;
    }
    if (most >= column->n_dictionary) {
        return false;
    }
    if (skimp_dtype_bytes(column->about.dtype) == 8) {
        GATHER(uint64_t);
    } else {
        GATHER(uint32_t);
    }
    return true;
}

/* The next n values that are there. */
static skimp_status take_values(skimp_parquet *reader, parquet_column *column, uint32_t n, uint8_t *to,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const size_t size = skimp_dtype_bytes(column->about.dtype);
    if (!column->is_coded) {
        if ((size_t)(column->last - column->values) / size < n) {
            SKIMPI_TRY(damaged(reader, column, "a page has fewer values than it says", error));
        }
        memcpy(to, column->values, n * size);
        column->values += n * size;
        return SKIMP_OK;
    }
    for (uint32_t done = 0; done < n; done += BLOCK_VALUES) {
        const uint32_t count = n - done < BLOCK_VALUES ? n - done : BLOCK_VALUES;
        if (!look_up(reader, column, count, to + done * size)) {
            SKIMPI_TRY(damaged(reader, column, "places in a dictionary", error));
        }
    }
out:
    return status;
}

/* Where the values of some rows go. */
typedef struct rows_place {
    uint8_t *values;
    uint8_t *validity;
    uint32_t n_rows;    /* of the arrays */
    uint32_t first;     /* row */
    uint32_t n_missing; /* of them before */
} rows_place;

static void miss(rows_place *place, uint32_t row, size_t size)
{
    if (place->n_missing++ == 0) {
        memset(place->validity, 0xff, ((size_t)place->n_rows + 7) / 8);
    }
    memset(place->values + row * size, 0, size);
    place->validity[row / 8] &= (uint8_t) ~(1u << row % 8);
}

/* Some rows of a column's page, n at most, to `place`, which goes on behind them. */
static skimp_status take_rows(skimp_parquet *reader, parquet_column *column, uint32_t n, rows_place *place,
                              skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const size_t size = skimp_dtype_bytes(column->about.dtype);
    uint8_t *values = place->values + place->first * size;
    uint32_t level = 1, n_there = 0;
    const uint32_t n_same = column->about.may_miss ? skimpi_runs_same(&column->levels, n, &level) : n;
    if (n_same > 0) {
        n = n_same;
        SKIMPI_TRY(level != 0 ? take_values(reader, column, n, values, error) : SKIMP_OK);
        for (uint32_t i = 0; level == 0 && i < n; i++) {
            miss(place, place->first + i, size);
        }
    } else {
        n = n < BLOCK_VALUES ? n : BLOCK_VALUES;
        if (!skimpi_runs_read(&column->levels, n, reader->levels)) {
            SKIMPI_TRY(damaged(reader, column, "the levels of a page", error));
        }
        for (uint32_t i = 0; i < n; i++) {
            n_there += reader->levels[i];
        }
        SKIMPI_TRY(take_values(reader, column, n_there, values, error));
        for (uint32_t i = n; i-- > 0;) { /* to their rows, the last one first */
            if (reader->levels[i] != 0) {
                n_there--;
                memmove(values + i * size, values + n_there * size, size);
            } else {
                miss(place, place->first + i, size);
            }
        }
    }
    place->first += n;
    column->left -= n;
out:
    return status;
}

skimp_status skimp_parquet_read(skimp_parquet *reader, uint32_t n_rows, void *const *values, uint8_t *const *validity,
                                uint32_t *n_missing, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint32_t c = 0; c < reader->n_columns; c++) {
        parquet_column *column = &reader->columns[c];
        rows_place place = { .values = values[c], .validity = validity[c], .n_rows = n_rows };
        while (place.first < n_rows) {
            while (column->left == 0) {
                SKIMPI_TRY(next_page(reader, column, error));
            }
            const uint32_t n = (uint32_t)skimpi_min_u64(n_rows - place.first, column->left);
            SKIMPI_TRY(take_rows(reader, column, n, &place, error));
        }
        n_missing[c] = place.n_missing;
    }
out:
    return status;
}
