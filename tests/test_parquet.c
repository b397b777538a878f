/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers of Parquet files: pages of both versions, levels, dictionaries, codecs, read in any steps; every allocation that
 * fails; the memory that is promised; every byte damaged and every length cut short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "base/base.h"
#include "data/parquet_page.h"
#include "data/runs.h"
#include "data/snappy.h"
#include "memory_file.h"
#include "skimp/parquet.h"

/* ---- a writer ----------------------------------------------------------------------------------------------------- */

typedef struct bytes {
    uint8_t data[1 << 16];
    size_t n;
} bytes;

static void put(bytes *to, const void *from, size_t n)
{
    assert_true(to->n + n <= sizeof to->data);
    memcpy(to->data + to->n, from, n);
    to->n += n;
}

static void put_byte(bytes *to, unsigned byte)
{
    const uint8_t b = (uint8_t)byte;
    put(to, &b, 1);
}

static void put_varint(bytes *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        put_byte(to, (unsigned)(value & 0x7f) | 0x80);
    }
    put_byte(to, (unsigned)value);
}

/* A field of Thrift's compact protocol that holds an integer: the number of the one before is known. */
static void put_field(bytes *to, unsigned step, int64_t value)
{
    put_byte(to, step << 4 | 5);
    put_varint(to, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

enum { V1, V2 };

typedef struct form {
    skimp_parquet_codec codec;
    int version;
    bool may_miss, has_dictionary, with_statistics;
    bool packed; /* levels and codes in groups of 8, else in runs */
    skimp_dtype dtype;
} form;

/* Snappy as a writer with no time makes it: literals of 1 to 70 bytes, and copies of what is repeated. */
static void put_snappy(bytes *to, const uint8_t *text, size_t n)
{
    put_varint(to, n);
    for (size_t at = 0; at < n;) {
        size_t offset = 0, length = 0;
        for (size_t back = 1; back <= 40 && back <= at; back++) {
            size_t same = 0;
            while (same < 64 && at + same < n && text[at + same] == text[at + same - back]) {
                same++;
            }
            if (same > length) {
                length = same;
                offset = back;
            }
        }
        if (length >= 4 && length < 12 && at % 2 == 0) {
            put_byte(to, 1 | (unsigned)(length - 4) << 2 | (unsigned)(offset >> 8) << 5);
            put_byte(to, (unsigned)offset & 0xff);
        } else if (length >= 4) {
            const uint8_t wide[4] = { (uint8_t)offset };
            put_byte(to, (at % 3 == 0 ? 3u : 2u) | (unsigned)(length - 1) << 2);
            put(to, wide, at % 3 == 0 ? 4 : 2);
        } else {
            length = 1 + at % 70;
            length = length < n - at ? length : n - at;
            put_byte(to, length <= 60 ? (unsigned)(length - 1) << 2 : 60u << 2);
            if (length > 60) {
                put_byte(to, (unsigned)length - 1);
            }
            put(to, text + at, length);
        }
        at += length;
    }
}

static void put_compressed(bytes *to, skimp_parquet_codec codec, const uint8_t *text, size_t n)
{
    if (codec == SKIMP_PARQUET_PLAIN) {
        put(to, text, n);
    } else if (codec == SKIMP_PARQUET_SNAPPY) {
        put_snappy(to, text, n);
    } else {
        to->n += ZSTD_compress(to->data + to->n, sizeof to->data - to->n, text, n, 1);
    }
}

static void put_runs(bytes *to, const uint32_t *numbers, uint32_t n, unsigned bits, bool packed)
{
    for (uint32_t i = 0; i < n && !packed;) {
        uint32_t same = 1;
        while (i + same < n && numbers[i + same] == numbers[i]) {
            same++;
        }
        put_varint(to, (uint64_t)same << 1);
        put(to, &numbers[i], (bits + 7) / 8);
        i += same;
    }
    if (packed) {
        put_varint(to, (uint64_t)((n + 7) / 8) << 1 | 1);
        uint8_t groups[4096] = { 0 };
        for (uint32_t i = 0; i < n; i++) {
            for (unsigned k = 0; k < bits; k++) {
                const size_t bit = (size_t)i * bits + k;
                groups[bit / 8] |= (uint8_t)((numbers[i] >> k & 1) << bit % 8);
            }
        }
        put(to, groups, (size_t)((n + 7) / 8) * bits);
    }
}

static uint64_t value_of(uint32_t row)
{
    return row % 7 == 0 ? 0x4059000000000000u : (uint64_t)(row % 50) * 0x0101010101u;
}

static bool is_there(const form *f, uint32_t row)
{
    return !f->may_miss || (row % 5 != 3 && (row / 100) % 4 != 2);
}

static void put_header(bytes *to, const form *f, int kind, size_t text_bytes, size_t stored_bytes, uint32_t n,
                       int encoding, size_t level_bytes)
{
    static const int struct_of[] = { [SKIMPI_PAGE_DATA] = 5, [SKIMPI_PAGE_DICTIONARY] = 7, [SKIMPI_PAGE_DATA_2] = 8 };
    put_field(to, 1, kind);
    put_field(to, 1, (int64_t)text_bytes);
    put_field(to, 1, (int64_t)stored_bytes);
    put_byte(to, (unsigned)(struct_of[kind] - 3) << 4 | 12);
    put_field(to, 1, n);
    if (kind == SKIMPI_PAGE_DATA_2) {
        put_field(to, 1, 0);
        put_field(to, 1, n);
        put_field(to, 1, encoding);
        put_field(to, 1, (int64_t)level_bytes);
        put_field(to, 1, 0);
        put_byte(to, 1 << 4 | (f->codec == SKIMP_PARQUET_PLAIN ? 2 : 1));
    } else {
        put_field(to, 1, encoding);
    }
    if (kind == SKIMPI_PAGE_DATA) {
        put_field(to, 1, SKIMPI_PAGE_RLE);
        put_field(to, 1, SKIMPI_PAGE_RLE);
    }
    if (f->with_statistics && kind == SKIMPI_PAGE_DATA) {
        const uint8_t binary[] = { 0x18, 3, 'm', 'a', 'x', 0x18, 0, 0x29, 0x25, 2, 4, 0 }; /* and a list */
        put_byte(to, 1 << 4 | 12);
        put(to, binary, sizeof binary);
    }
    put_byte(to, 0);
    put_byte(to, 0);
}

/* A page of rows first … first + n - 1, values of the dictionary 50 at most. */
static void put_page(bytes *to, const form *f, uint32_t first, uint32_t n, bool coded)
{
    static bytes levels, text, stored;
    static uint32_t numbers[4096];
    const size_t size = skimp_dtype_bytes(f->dtype);
    uint32_t n_there = 0;
    levels.n = text.n = stored.n = 0;
    for (uint32_t i = 0; i < n; i++) {
        numbers[i] = is_there(f, first + i);
    }
    if (f->may_miss) {
        put_runs(&levels, numbers, n, 1, f->packed);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (is_there(f, first + i)) {
            numbers[n_there++] = first + i;
        }
    }
    if (f->version == V1 && f->may_miss) {
        const uint32_t length = (uint32_t)levels.n;
        put(&text, &length, 4);
        put(&text, levels.data, levels.n);
    }
    if (coded) {
        for (uint32_t i = 0; i < n_there; i++) {
            numbers[i] = numbers[i] % 7 == 0 ? 50 : numbers[i] % 50;
        }
        put_byte(&text, 6);
        put_runs(&text, numbers, n_there, 6, f->packed);
    } else {
        for (uint32_t i = 0; i < n_there; i++) {
            const uint64_t value = value_of(numbers[i]);
            put(&text, &value, size);
        }
    }
    const size_t raw = f->version == V2 ? levels.n : 0;
    put(&stored, levels.data, raw);
    put_compressed(&stored, f->codec, text.data, text.n);
    put_header(to, f, f->version == V2 ? SKIMPI_PAGE_DATA_2 : SKIMPI_PAGE_DATA, raw + text.n, stored.n, n,
               coded ? SKIMPI_PAGE_RLE_DICTIONARY : SKIMPI_PAGE_PLAIN, raw);
    put(to, stored.data, stored.n);
}

enum { ROWS = 1000 };

/* A chunk of ROWS rows: pages of 300, of which the last is plain. */
static void put_chunk(bytes *to, const form *f)
{
    static bytes text, stored;
    const size_t size = skimp_dtype_bytes(f->dtype);
    text.n = stored.n = 0;
    if (f->has_dictionary) {
        for (uint32_t i = 0; i < 51; i++) {
            const uint64_t value = i == 50 ? value_of(0) : (uint64_t)i * 0x0101010101u;
            put(&text, &value, size);
        }
        put_compressed(&stored, f->codec, text.data, text.n);
        put_header(to, f, SKIMPI_PAGE_DICTIONARY, text.n, stored.n, 51, SKIMPI_PAGE_PLAIN, 0);
        put(to, stored.data, stored.n);
    }
    for (uint32_t first = 0; first < ROWS; first += 300) {
        put_page(to, f, first, first + 300 < ROWS ? 300 : ROWS - first, f->has_dictionary && first < 900);
    }
}

/* ---- reading it --------------------------------------------------------------------------------------------------- */

static skimp_parquet_column column_of(const form *f, uint64_t offset, uint64_t n_bytes)
{
    return (skimp_parquet_column){ .name = "c",
                                   .offset = offset,
                                   .bytes = n_bytes,
                                   .text_bytes = 20000,
                                   .dtype = f->dtype,
                                   .codec = f->codec,
                                   .may_miss = f->may_miss };
}

/* Reads all rows, `step` at a time, of two columns that are the same chunk; and, when `checks`, that they are right. */
static skimp_status read_chunk(skimp_budget *budget, const char *path, const form *f, uint64_t n_bytes, uint32_t step,
                               bool checks, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_parquet *reader = NULL;
    static uint64_t values[2][ROWS + 1];
    static uint8_t bits[2][ROWS / 8 + 2];
    void *const places[2] = { values[0], values[1] };
    uint8_t *const validity[2] = { bits[0], bits[1] };
    const skimp_parquet_column columns[2] = { column_of(f, 4, n_bytes), column_of(f, 4, n_bytes) };
    const size_t size = skimp_dtype_bytes(f->dtype);
    SKIMPI_TRY(skimp_parquet_open(&reader, budget, path, 2, error));
    for (int group = 0; group < 2; group++) {
        SKIMPI_TRY(skimp_parquet_group(reader, columns, error));
        for (uint32_t first = 0; first < ROWS; first += step) {
            const uint32_t n = first + step < ROWS ? step : ROWS - first;
            uint32_t n_missing[2], expected = 0;
            memset(bits, 0xa5, sizeof bits);
            memset(values, 0xa5, sizeof values);
            SKIMPI_TRY(skimp_parquet_read(reader, n, places, validity, n_missing, error));
            for (uint32_t i = 0; checks && i < n; i++) {
                const uint64_t value = is_there(f, first + i) ? value_of(first + i) : 0;
                expected += !is_there(f, first + i);
                assert_memory_equal((const char *)values[1] + i * size, &value, size);
                assert_true(n_missing[1] == 0 || (bits[1][i / 8] >> i % 8 & 1) == is_there(f, first + i));
            }
            const uint8_t untouched[8] = { 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5 };
            assert_memory_equal((const char *)values[0] + n * size, untouched, size);
            assert_true(bits[0][(n + 7) / 8] == 0xa5);
            assert_true(!checks || (n_missing[0] == expected && n_missing[1] == expected));
        }
    }
out:
    skimp_parquet_close(reader);
    return status;
}

static skimp_budget *new_budget(uint64_t limit)
{
    skimp_budget *budget;
    const skimp_budget_options options = { .size = sizeof options, .limit = limit };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

static bool next_form(form *f, unsigned i)
{
    static const skimp_dtype dtypes[] = { SKIMP_DTYPE_F64, SKIMP_DTYPE_I32, SKIMP_DTYPE_I64, SKIMP_DTYPE_F32 };
    *f = (form){ .codec = (skimp_parquet_codec)(i % 3),
                 .version = i / 3 % 2 == 0 ? V1 : V2,
                 .may_miss = i / 6 % 2 == 1,
                 .has_dictionary = i / 12 % 2 == 1,
                 .packed = i / 24 % 2 == 1,
                 .with_statistics = i % 5 == 0,
                 .dtype = dtypes[i % 4] };
    return i < 48;
}

static void every_form_in_any_steps(void **state)
{
    (void)state;
    static const uint32_t steps[] = { 1, 7, 300, 333, 1000 };
    form f;
    for (unsigned i = 0; next_form(&f, i); i++) {
        static bytes file;
        skimp_budget *budget = new_budget(0);
        file.n = 0;
        put(&file, "PAR1", 4);
        put_chunk(&file, &f);
        memory_file memory = memory_file_make(file.data, file.n);
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            skimp_error error = SKIMP_ERROR_INIT;
            if (read_chunk(budget, memory.path, &f, file.n - 4, steps[k], true, &error) != SKIMP_OK) {
                fail_msg("form %u: %s", i, error.message);
            }
        }
        memory_file_close(&memory);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

static void more_rows_than_there_are(void **state)
{
    (void)state;
    const form f = { .dtype = SKIMP_DTYPE_F64 };
    static bytes file;
    static uint64_t values[ROWS + 1];
    file.n = 0;
    put_chunk(&file, &f);
    memory_file memory = memory_file_make(file.data, file.n);
    skimp_budget *budget = new_budget(0);
    skimp_parquet *reader;
    skimp_error error = SKIMP_ERROR_INIT;
    const skimp_parquet_column column = column_of(&f, 0, file.n);
    void *const place = values;
    uint8_t *const validity = NULL;
    uint32_t n_missing;
    assert_int_equal(skimp_parquet_open(&reader, budget, memory.path, 1, &error), SKIMP_OK);
    assert_int_equal(skimp_parquet_group(reader, &column, &error), SKIMP_OK);
    assert_int_equal(skimp_parquet_read(reader, ROWS + 1, &place, &validity, &n_missing, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "fewer values than rows"));
    assert_string_equal(error.column, "c");
    skimp_parquet_close(reader);
    memory_file_close(&memory);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* Each allocation that fails, and each budget that is too small, ends it cleanly; the peak is enough. */
static void allocations_that_fail(void **state)
{
    (void)state;
    form f;
    for (unsigned i = 0; next_form(&f, i); i += 7) {
        static bytes file;
        skimp_error error = SKIMP_ERROR_INIT;
        file.n = 0;
        put(&file, "PAR1", 4);
        put_chunk(&file, &f);
        memory_file memory = memory_file_make(file.data, file.n);
        skimp_budget *budget = new_budget(0);
        assert_int_equal(read_chunk(budget, memory.path, &f, file.n - 4, 100, true, &error), SKIMP_OK);
        const uint64_t peak = skimp_budget_peak(budget);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        bool done = false;
        for (uint64_t nth = 1; !done; nth++) {
            budget = new_budget(0);
            error = (skimp_error)SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, false);
            const skimp_status status = read_chunk(budget, memory.path, &f, file.n - 4, 100, false, &error);
            done = skimpi_fault_set(0, false) < nth;
            assert_true(status == SKIMP_OK || (!done && error.code == SKIMP_ERROR_NOMEM));
            assert_int_equal(skimp_budget_destroy(budget), 0);
        }
        for (uint64_t limit = peak; limit + 4096 > peak && limit > 2048; limit -= 512) {
            budget = new_budget(limit);
            error = (skimp_error)SKIMP_ERROR_INIT;
            const skimp_status status = read_chunk(budget, memory.path, &f, file.n - 4, 100, false, &error);
            assert_true(limit == peak ? status == SKIMP_OK : status == SKIMP_OK || status == SKIMP_ERROR_BUDGET);
            assert_int_equal(skimp_budget_destroy(budget), 0);
        }
        memory_file_close(&memory);
    }
}

/* Whatever byte is another, and wherever the file ends, reading ends, with an error or with values. */
static void damaged_files(void **state)
{
    (void)state;
    form f;
    for (unsigned i = 0; next_form(&f, i); i += 5) {
        static bytes file;
        file.n = 0;
        put(&file, "PAR1", 4);
        put_chunk(&file, &f);
        skimp_budget *budget = new_budget(1 << 20);
        for (size_t at = 4; at < file.n; at += 1 + at / 40) {
            for (unsigned bit = 0; bit < 8; bit += 3) {
                skimp_error error = SKIMP_ERROR_INIT;
                file.data[at] ^= (uint8_t)(1u << bit);
                memory_file memory = memory_file_make(file.data, file.n);
                const skimp_status status = read_chunk(budget, memory.path, &f, file.n - 4, 400, false, &error);
                assert_true(status == SKIMP_OK || status == SKIMP_ERROR_DATA);
                memory_file_close(&memory);
                file.data[at] ^= (uint8_t)(1u << bit);
            }
            skimp_error error = SKIMP_ERROR_INIT;
            memory_file memory = memory_file_make(file.data, at);
            assert_int_equal(read_chunk(budget, memory.path, &f, file.n - 4, 400, false, &error), SKIMP_ERROR_DATA);
            assert_int_equal(read_chunk(budget, memory.path, &f, at - 4, 400, false, &error), SKIMP_ERROR_DATA);
            memory_file_close(&memory);
        }
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

/* ---- parts -------------------------------------------------------------------------------------------------------- */

static void snappy_by_its_description(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        size_t n;
        size_t n_out; /* 0: refused */
    } cases[] = {
        { "\x00", "", 1, 0 + 0 },
        { "\x05\x10hello", "hello", 7, 5 },
        { "\x08\x04"
          "ab\x16\x02\x00",
          "abababab", 7, 8 },
        { "\x08\x00"
          "a\x0d\x01",
          "aaaaaaaa", 5, 8 },
        { "\x08\x04"
          "ab\x17\x02\x00\x00\x00",
          "abababab", 9, 8 },
        { "\x05\xf0\x04hello", "hello", 8, 5 },
        { "\x05\xf4\x04\x00hello", "hello", 9, 5 },
        { "\x05\x10hell", "", 6, 0 },
        { "\x04\x10hello", "", 7, 0 },
        { "\x06\x10hello", "", 7, 0 },
        { "\x08\x04"
          "ab\x16\x03\x00",
          "", 7, 0 },
        { "\x08\x04"
          "ab\x16\x00\x00",
          "", 7, 0 },
        { "\x08\x04"
          "ab\x16\x02",
          "", 6, 0 },
        { "\xff\xff\xff\xff\xff\xff", "", 6, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t in[64] = { 0 }, out[64];
        memset(out, 0xee, sizeof out);
        memcpy(in, cases[i].in, cases[i].n);
        const bool expected = cases[i].n_out > 0 || i == 0;
        assert_int_equal(skimpi_snappy_decode(in, cases[i].n, out,
                                              cases[i].n_out > 0 ? cases[i].n_out
                                              : i == 0           ? 0
                                                                 : 8),
                         expected);
        assert_memory_equal(out, cases[i].out, cases[i].n_out);
    }
}

static void runs_of_every_width(void **state)
{
    (void)state;
    for (unsigned bits = 1; bits <= 32; bits++) {
        static bytes packed;
        static uint32_t numbers[200], found[200];
        for (uint32_t i = 0; i < 200; i++) {
            const uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15u;
            numbers[i] = (uint32_t)(mixed >> 20) & (bits == 32 ? UINT32_MAX : (1u << bits) - 1);
        }
        for (int is_packed = 0; is_packed < 2; is_packed++) {
            packed.n = 0;
            put_runs(&packed, numbers, 200, bits, is_packed);
            skimpi_runs runs;
            skimpi_runs_begin(&runs, packed.data, packed.n, bits);
            for (uint32_t at = 0; at < 200; at += 50) {
                assert_true(skimpi_runs_read(&runs, 50, found + at));
            }
            assert_memory_equal(found, numbers, sizeof numbers);
            assert_false(skimpi_runs_read(&runs, 1, found));
        }
    }
    const uint8_t same[] = { (100 << 1 & 0x7f) | 0x80, 1, 1, 2 << 1, 0, 3, 0x55 };
    skimpi_runs runs;
    uint32_t value = 9;
    skimpi_runs_begin(&runs, same, sizeof same, 1);
    assert_int_equal(skimpi_runs_same(&runs, 60, &value), 60);
    assert_int_equal(value, 1);
    assert_int_equal(skimpi_runs_same(&runs, 60, &value), 40);
    assert_int_equal(skimpi_runs_same(&runs, 60, &value), 2);
    assert_int_equal(value, 0);
    assert_int_equal(skimpi_runs_same(&runs, 60, &value), 0);
}

static void headers_that_are_cut_short(void **state)
{
    (void)state;
    static bytes header;
    const form f = { .with_statistics = true, .dtype = SKIMP_DTYPE_F64 };
    skimpi_page page;
    header.n = 0;
    put_header(&header, &f, SKIMPI_PAGE_DATA, 1000, 900, 77, SKIMPI_PAGE_PLAIN, 0);
    for (size_t n = 0; n < header.n; n++) {
        assert_false(skimpi_page_parse(header.data, n, &page));
    }
    assert_true(skimpi_page_parse(header.data, header.n + 5, &page));
    assert_int_equal(page.header_bytes, header.n);
    assert_int_equal(page.text_bytes, 1000);
    assert_int_equal(page.stored_bytes, 900);
    assert_int_equal(page.n_values, 77);
    uint8_t deep[64];
    memset(deep, 0x1c, sizeof deep); /* structs within structs */
    assert_false(skimpi_page_parse(deep, sizeof deep, &page));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_in_any_steps),    cmocka_unit_test(more_rows_than_there_are),
        cmocka_unit_test(allocations_that_fail),      cmocka_unit_test(damaged_files),
        cmocka_unit_test(snappy_by_its_description),  cmocka_unit_test(runs_of_every_width),
        cmocka_unit_test(headers_that_are_cut_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
