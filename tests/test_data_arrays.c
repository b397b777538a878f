/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrays of the caller as chunks: every type in every layout, bitmaps, categories, CSR and CSC in their variants, against
 * the numbers that they were made from; descriptions that are wrong, and sparse arrays that are hostile or change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "array_data.h"
#include "data/arrays_internal.h"
#include "data/dictionary.h"
#include "sanitizers.h"
#include "store_data.h"

/* Arrays bound to their roles, as a store or a reader: what an engine would make of them. */
typedef struct bound {
    skimp_budget *budget;
    skimpi_arrays *arrays;
    skimpi_schema *schema;
    skimpi_store *store;
} bound;

static skimp_status try_bind(bound *b, const skimp_data *data, bool as_store, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_roles roles = { .target = NULL };
    *b = (bound){ .budget = data_budget(0) };
    *error = (skimp_error)SKIMP_ERROR_INIT;
    SKIMPI_TRY(skimpi_arrays_create(&b->arrays, b->budget, data, &b->schema, error));
    SKIMPI_TRY(skimpi_arrays_assign(b->arrays, &roles, true, true, error));
    SKIMPI_TRY(skimpi_arrays_bind(b->arrays, false, error));
    if (as_store) {
        SKIMPI_TRY(skimpi_arrays_store(&b->store, b->arrays, true, error));
    }
out:
    return status;
}

static void unbind(bound *b)
{
    skimpi_store_destroy(b->store);
    skimpi_arrays_destroy(b->arrays);
    skimpi_schema_destroy(b->schema);
    assert_int_equal(skimp_budget_destroy(b->budget), 0);
}

static void bind(bound *b, const skimp_data *data)
{
    skimp_error error;
    if (try_bind(b, data, true, &error) != SKIMP_OK) {
        fail_msg("%s", error.message);
    }
}

static double value_of(const skimpi_dense_column *column, uint32_t row)
{
    assert_true((column->f32 == NULL) != (column->f64 == NULL));
    return column->f32 != NULL ? (double)column->f32[row] : column->f64[row];
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

typedef struct expectation {
    number_fn *number;
    skimp_dtype dtype;
    uint32_t columns;
} expectation;

/* All chunks, by a scan; the numeric columns are those of the expectation. */
static void expect_chunks(bound *b, const expectation *e)
{
    skimpi_decoder *decoder = NULL;
    skimpi_scan scan;
    skimpi_chunk *chunk;
    uint64_t rows = 0;
    bool done;
    const skimpi_decoder_options options = { .read_only = true };
    assert_int_equal(skimpi_decoder_create(&decoder, b->store, &options, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_tag_in_use(b->budget, SKIMP_TAG_CHUNKS),
                     skimpi_decoder_bytes(b->schema, skimpi_store_summary(b->store)->largest_chunk_rows, 0,
                                          &skimpi_store_summary(b->store)->largest_area, &options,
                                          SKIMPI_PLACE_CALLER));
    skimpi_scan_begin(b->store, &scan);
    for (;;) {
        assert_int_equal(skimpi_scan_next(b->store, &scan, decoder, &chunk, &done, NULL), SKIMP_OK);
        if (done) {
            break;
        }
        assert_int_equal(chunk->first_row, rows);
        assert_int_equal(chunk->n_dense, e->columns);
        for (uint32_t j = 0; j < e->columns; j++) {
            assert_int_equal(
                (uintptr_t)(chunk->dense[j].f32 != NULL ? (void *)chunk->dense[j].f32 : (void *)chunk->dense[j].f64) %
                    64,
                0);
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                const double expected = e->number(rows + i, j, e->dtype), found = value_of(&chunk->dense[j], i);
                if (!same(expected, found)) {
                    fail_msg("row %u column %u: %.17g, not %.17g", (unsigned)(rows + i), j, found, expected);
                }
            }
        }
        rows += chunk->n_rows;
    }
    assert_int_equal(rows, skimpi_store_summary(b->store)->n_rows);
    skimpi_decoder_destroy(decoder);
}

/* The same through the reader, as doubles. */
static void expect_units(const skimp_data *data, const expectation *e)
{
    bound b;
    skimp_error error;
    const skimpi_reader_options options = { 0 };
    skimpi_reader *reader = NULL;
    skimpi_sample sample;
    skimpi_raw raw;
    uint64_t rows = 0;
    assert_int_equal(try_bind(&b, data, false, &error), SKIMP_OK);
    assert_int_equal(skimpi_arrays_reader(&reader, b.arrays, &options, &sample, &error), SKIMP_OK);
    assert_int_equal(sample.n_rows, data->n_rows);
    assert_int_equal(skimpi_raw_create(&raw, b.budget, b.schema, 1, 1, &error), SKIMP_OK);
    for (uint64_t unit = 0; unit < skimpi_reader_arrays.unit_count(reader); unit++) {
        assert_int_equal(skimpi_reader_arrays.read_unit(reader, b.schema, NULL, unit, &raw, &error), SKIMP_OK);
        for (uint32_t j = 0; j < e->columns; j++) {
            for (uint32_t i = 0; i < raw.n_rows; i++) {
                assert_true(same(raw.numeric[(size_t)j * raw.capacity + i], e->number(rows + i, j, e->dtype)));
            }
        }
        rows += raw.n_rows;
    }
    assert_int_equal(rows, data->n_rows);
    skimpi_raw_destroy(&raw, b.schema);
    skimpi_reader_arrays.close(reader);
    unbind(&b);
}

static double number_with_gaps(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    if (skimpi_mix64(row + 7 * column) % 11 == 0) {
        return NAN;
    }
    const double small[] = { 0, -0.0, 0x1p-24, -0x1.8p-15, 65504, 1023 * 0x1p-24, 0x1p-14 };
    return dtype == SKIMP_DTYPE_F16 && row < 7 ? small[row] : array_number(row, column, dtype);
}

static void types_and_layouts(void **state)
{
    (void)state;
    static const uint32_t shapes[][2] = { { 1, 1 }, { 7, 3 }, { 40, 28 }, { 33, 13 }, { 3000, 12 }, { 70, 1100 } };
    for (int loops = SKIMPI_LOOPS_PLAIN; loops <= SKIMPI_LOOPS_AVX2; loops++) {
        skimpi_encoding_limit(loops);
        for (unsigned s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            for (skimp_dtype dtype = SKIMP_DTYPE_BOOL; dtype <= SKIMP_DTYPE_F64; dtype++) {
                for (array_layout layout = 0; layout < LAYOUT_COUNT; layout++) {
                    skimp_data data;
                    void *block;
                    bound b;
                    number_fn *number = dtype >= SKIMP_DTYPE_F16 ? number_with_gaps : array_number;
                    make_matrix(&data, &block, shapes[s][0], shapes[s][1], dtype, layout, number);
                    const expectation e = { number, dtype, shapes[s][1] };
                    bind(&b, &data);
                    expect_chunks(&b, &e);
                    unbind(&b);
                    expect_units(&data, &e);
                    free(block);
                }
            }
            if (SANITIZED && shapes[s][1] == 28) {
                break;
            }
        }
    }
    skimpi_encoding_limit(SKIMPI_LOOPS_AVX512);
}

/* Columns of a frame: some beside each other, some alone, some left out by having another role. */
static void frames(void **state)
{
    (void)state;
    enum { ROWS = 2100, COLUMNS = 9 };
    skimp_data block = SKIMP_DATA_INIT, data = SKIMP_DATA_INIT;
    skimp_data_column columns[COLUMNS];
    void *wide, *alone[2], *target;
    make_matrix(&block, &wide, ROWS, COLUMNS, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    for (unsigned c = 0; c < COLUMNS; c++) {
        columns[c] = (skimp_data_column){ .dtype = SKIMP_DTYPE_F32,
                                          .values = (const char *)block.values + c * sizeof(float),
                                          .stride = block.row_stride };
    }
    columns[3] = make_column(&alone[0], ROWS, 3, SKIMP_DTYPE_F32, array_number);
    columns[8] = make_column(&alone[1], ROWS, 8, SKIMP_DTYPE_F32, array_number);
    columns[5].name = "five";
    data.kind = SKIMP_DATA_COLUMNS, data.n_rows = ROWS, data.n_columns = COLUMNS, data.columns = columns;
    data.target = make_column(&target, ROWS, 77, SKIMP_DTYPE_I8, array_number);
    data.target.name = "five"; /* a target beside the data has a name of its own */
    bound b;
    bind(&b, &data);
    assert_string_equal(b.schema->columns[0].name, "x0");
    assert_string_equal(b.schema->columns[COLUMNS].name, "five_");
    assert_int_equal(b.schema->target, COLUMNS);
    const expectation e = { array_number, SKIMP_DTYPE_F32, COLUMNS };
    expect_chunks(&b, &e);
    const skimpi_summary *summary = skimpi_store_summary(b.store);
    assert_int_equal(summary->n_target_values, 251);
    assert_true(summary->target_values[0] == -125);
    unbind(&b);
    free(wide);
    free(alone[0]);
    free(alone[1]);
    free(target);
}

/* ---- bitmaps and categories ------------------------------------------------------------------------------------------ */

static bool is_there(uint64_t row)
{
    return row % 64 < 40 || skimpi_mix64(row) % 3 != 0;
}

static uint8_t *make_bits(uint64_t rows, uint64_t offset, bool (*is_set)(uint64_t row))
{
    uint8_t *bits = must_allocate((rows + offset + 7) / 8);
    for (uint64_t r = 0; r < rows; r++) {
        bits[(offset + r) / 8] |= (uint8_t)(is_set(r) << (offset + r) % 8);
    }
    return bits;
}

static bool is_odd_number(uint64_t row)
{
    return array_number(row, 1, SKIMP_DTYPE_BIT) != 0;
}

static double missing_or_number(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    return is_there(row) ? array_number(row, column, column == 1 ? SKIMP_DTYPE_BIT : dtype) : NAN;
}

static void bitmaps(void **state)
{
    (void)state;
    enum { ROWS = 5003 };
    for (uint64_t offset = 0; offset < 9; offset += 4) {
        skimp_data data = SKIMP_DATA_INIT;
        skimp_data_column columns[2];
        void *block;
        uint8_t *validity = make_bits(ROWS, offset, is_there), *bits = make_bits(ROWS, offset + 3, is_odd_number);
        columns[0] = make_column(&block, ROWS, 0, SKIMP_DTYPE_I16, array_number);
        columns[0].validity = validity;
        columns[0].validity_offset = offset;
        columns[1] = (skimp_data_column){ .dtype = SKIMP_DTYPE_BIT,
                                          .values = bits,
                                          .bit_offset = offset + 3,
                                          .validity = validity,
                                          .validity_offset = offset };
        data.kind = SKIMP_DATA_COLUMNS, data.n_rows = ROWS, data.n_columns = 2, data.columns = columns;
        const expectation e = { missing_or_number, SKIMP_DTYPE_I16, 2 };
        bound b;
        bind(&b, &data);
        expect_chunks(&b, &e);
        unbind(&b);
        expect_units(&data, &e);
        free(block);
        free(validity);
        free(bits);
    }
}

static const char category_text[] = "bluegreenredbluewhite";
static const int32_t category_ends[] = { 0, 4, 9, 12, 16, 21, 21 }; /* blue green red blue white "" */

/* Codes of rows: white (4) never occurs, -1 is missing. */
static int8_t code_of_row(uint64_t row)
{
    static const int8_t codes[] = { 0, 1, 2, 3, 5, -1, 1, 2 };
    return codes[skimpi_mix64(row + 99) % 8];
}

static double code_number(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)column, (void)dtype;
    return code_of_row(row);
}

static skimp_data_column make_codes(void **block, uint64_t rows, skimp_dtype dtype)
{
    skimp_data_column column = make_column(block, rows, 0, dtype, code_number);
    column.n_categories = 6;
    column.text = category_text;
    column.offsets = category_ends;
    column.offsets_dtype = SKIMP_DTYPE_I32;
    return column;
}

static const char *expected_text(uint64_t row)
{
    static const char *const texts[] = { "blue", "green", "red", "blue", "white", "" };
    return code_of_row(row) < 0 ? NULL : texts[code_of_row(row)];
}

static void categories(void **state)
{
    (void)state;
    enum { ROWS = 9000 };
    static const skimp_dtype dtypes[] = { SKIMP_DTYPE_I8, SKIMP_DTYPE_I16, SKIMP_DTYPE_I32, SKIMP_DTYPE_I64 };
    for (unsigned t = 0; t < 4; t++) {
        skimp_data data = SKIMP_DATA_INIT;
        skimp_data_column column;
        void *block, *target;
        data.kind = SKIMP_DATA_COLUMNS, data.n_rows = ROWS, data.n_columns = 1, data.columns = &column;
        column = make_codes(&block, ROWS, dtypes[t]);
        data.target = make_codes(&target, ROWS, dtypes[t]);
        bound b;
        bind(&b, &data);
        /* "blue" twice is one, "white" is none. */
        assert_int_equal(b.schema->n_category, 1);
        assert_int_equal(skimpi_dictionary_size(b.schema->dictionaries[0]), 4);
        assert_int_equal(skimpi_dictionary_size(b.schema->dictionaries[1]), 4);
        uint64_t missing = 0;
        uint32_t rank[4];
        const uint32_t *ranks[] = { rank };
        assert_int_equal(skimpi_dictionary_rank(b.schema->dictionaries[0], rank, NULL), SKIMP_OK);
        const skimpi_decoder_options options = { .ranks = ranks };
        skimpi_decoder *decoder = NULL;
        assert_int_equal(skimpi_decoder_create(&decoder, b.store, &options, NULL), SKIMP_OK);
        for (uint64_t k = skimpi_store_summary(b.store)->n_chunks; k-- > 0;) {
            skimpi_chunk *chunk;
            assert_int_equal(skimpi_store_read_chunk(b.store, decoder, k, &chunk, NULL), SKIMP_OK);
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                const char *expected = expected_text(chunk->first_row + i);
                size_t length;
                if (expected == NULL) {
                    assert_int_equal(chunk->codes[0].codes[i], SKIMPI_CODE_MISSING);
                    assert_true(isnan(chunk->target[i]));
                    missing++;
                    continue;
                }
                /* Sorted: "" blue green red. */
                static const char *const sorted[] = { "", "blue", "green", "red" };
                assert_string_equal(sorted[chunk->codes[0].codes[i]], expected);
                const char *text =
                    skimpi_dictionary_text(b.schema->dictionaries[1], (uint32_t)chunk->target[i], &length);
                assert_int_equal(length, strlen(expected));
                assert_memory_equal(text, expected, length);
            }
        }
        assert_int_equal(skimpi_store_summary(b.store)->category_missing[0], missing);
        skimpi_decoder_destroy(decoder);
        unbind(&b);
        free(block);
        free(target);
    }
}

/* ---- sparse ------------------------------------------------------------------------------------------------------------ */

/* One row of a chunk or a unit: ascending, distinct (unless only its sums count), and what it was made from. */
static void expect_row(uint64_t row, uint64_t columns, const sparse_variant *v, const skimpi_csr_block *csr,
                       uint32_t begin, uint32_t end, bool ascending)
{
    double *found = must_allocate(columns * sizeof *found);
    uint64_t before = 0, expected = 0;
    for (uint32_t at = begin; at < end; at++) {
        const uint64_t index = csr->indices != NULL ? csr->indices[at] : csr->indices64[at];
        assert_true(index < columns);
        assert_true(!ascending || at == begin || index > before);
        assert_true(found[index] == 0); /* distinct */
        found[index] = csr->f32 != NULL ? (double)csr->f32[at] : csr->f64 != NULL ? csr->f64[at] : 1;
        before = index;
    }
    for (uint64_t c = 0; c < columns; c++) {
        double value = sparse_number(row, c, v->dtype);
        expected += value != 0;
        value = v->ones ? (value != 0) * (v->repeated ? 2 : 1) : value;
        if (found[c] != value) {
            fail_msg("row %u column %u: %g, not %g", (unsigned)row, (unsigned)c, found[c], value);
        }
    }
    assert_int_equal(end - begin, expected);
    free(found);
}

static skimp_status scan_all(bound *b, unsigned threads, skimp_error *error)
{
    skimpi_pool *pool = NULL;
    skimp_status status = skimpi_pool_create(&pool, b->budget, threads, error);
    const skimpi_arrays_scan_options options = { .pool = pool, .with_hash = true };
    if (status == SKIMP_OK) {
        status = skimpi_arrays_scan(b->store, &options, error);
    }
    skimpi_pool_destroy(pool);
    return status;
}

static void expect_sparse_chunks(const skimp_data *data, const sparse_variant *v)
{
    bound b;
    skimp_error error = SKIMP_ERROR_INIT;
    bind(&b, data);
    assert_int_equal(scan_all(&b, 2, &error), SKIMP_OK);
    const skimpi_summary *summary = skimpi_store_summary(b.store);
    for (int read_only = 0; read_only < 2; read_only++) {
        const skimpi_decoder_options options = { .read_only = read_only, .with_values = !read_only };
        skimpi_decoder *decoder = NULL;
        uint64_t rows = 0, nonzeros = 0;
        assert_int_equal(skimpi_decoder_create(&decoder, b.store, &options, NULL), SKIMP_OK);
        for (uint64_t k = 0; k < summary->n_chunks; k++) {
            skimpi_chunk *chunk;
            assert_int_equal(skimpi_store_read_chunk(b.store, decoder, k, &chunk, &error), SKIMP_OK);
            const skimpi_csr_block *csr = &chunk->csr;
            const char *in_place = (const char *)data->indices + 4 * (v->before + nonzeros);
            assert_true(chunk->has_csr && csr->indptr[0] == 0);
            assert_int_equal(chunk->first_row, rows);
            assert_true(chunk->n_rows <= summary->largest_chunk_rows);
            assert_true(csr->indptr[chunk->n_rows] <= summary->largest_chunk_nonzeros);
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                expect_row(rows + i, data->n_columns, v, csr, csr->indptr[i], csr->indptr[i + 1], !v->unordered);
            }
            /* Used where they lie, when they can be. */
            assert_true((read_only && !v->wide_indices && !v->repeated) == ((const char *)csr->indices == in_place));
            assert_true(!v->ones || v->repeated || (csr->f32 != NULL) == !read_only);
            rows += chunk->n_rows;
            nonzeros += csr->indptr[chunk->n_rows];
        }
        assert_int_equal(rows, data->n_rows);
        skimpi_decoder_destroy(decoder);
    }
    unbind(&b);
}

static void expect_sparse_units(const skimp_data *data, const sparse_variant *v)
{
    bound b;
    skimp_error error = SKIMP_ERROR_INIT;
    const skimpi_reader_options options = { 0 };
    skimpi_reader *reader = NULL;
    skimpi_sample sample;
    skimpi_raw raw;
    uint64_t rows = 0;
    assert_int_equal(try_bind(&b, data, false, &error), SKIMP_OK);
    assert_int_equal(skimpi_arrays_reader(&reader, b.arrays, &options, &sample, &error), SKIMP_OK);
    assert_int_equal(skimpi_raw_create(&raw, b.budget, b.schema, 1, 1, &error), SKIMP_OK);
    for (int again = 0; again < 2; again++, rows = 0) { /* what is read in order can begin anew */
        for (uint64_t unit = 0; unit < skimpi_reader_arrays.unit_count(reader); unit++) {
            if (skimpi_reader_arrays.read_unit(reader, b.schema, NULL, unit, &raw, &error) != SKIMP_OK) {
                fail_msg("%s", error.message);
            }
            const skimpi_csr_block csr = { .indices = raw.indices, .indices64 = raw.indices64, .f64 = raw.values };
            for (uint32_t i = 0; i < raw.n_rows; i++) {
                expect_row(rows + i, data->n_columns, v, &csr, i > 0 ? raw.row_end[i - 1] : 0, raw.row_end[i], true);
            }
            rows += raw.n_rows;
        }
        assert_int_equal(rows, data->n_rows);
    }
    skimpi_raw_destroy(&raw, b.schema);
    skimpi_reader_arrays.close(reader);
    unbind(&b);
}

static void sparse_variants(void **state)
{
    (void)state;
    static const skimp_dtype dtypes[] = { SKIMP_DTYPE_F32, SKIMP_DTYPE_F64, SKIMP_DTYPE_I8, SKIMP_DTYPE_I64,
                                          SKIMP_DTYPE_F16 };
    static const uint32_t shapes[][2] = { { 9, 4 }, { 1500, 300 }, { 30, 40000 }, { 20000, 3 } };
    for (unsigned s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (unsigned bits = 0; bits < 64; bits++) {
            skimp_data data;
            sparse_blocks blocks;
            const sparse_variant v = { .wide_indptr = bits & 1,
                                       .wide_indices = bits & 2,
                                       .ones = (bits & 12) == 12,
                                       .unordered = bits & 16,
                                       .repeated = bits & 32,
                                       .before = bits % 3,
                                       .dtype = dtypes[bits % 5] };
            if ((s > 1 && bits % 7 != 0) || (SANITIZED && s > 0 && bits % 9 != 0)) {
                continue;
            }
            make_sparse(&data, &blocks, shapes[s][0], shapes[s][1], &v, sparse_number);
            expect_sparse_chunks(&data, &v);
            expect_sparse_units(&data, &v);
            free_sparse(&blocks);
            if (v.unordered) {
                continue; /* CSC must be in order */
            }
            sparse_variant turned = v;
            turned.by_column = true;
            turned.repeated = false;
            make_sparse(&data, &blocks, shapes[s][0], shapes[s][1], &turned, sparse_number);
            expect_sparse_units(&data, &turned);
            free_sparse(&blocks);
        }
    }
}

/* A column may be there twice for a row in CSC as well. */
static void repeated_in_csc(void **state)
{
    (void)state;
    static const int32_t indptr[] = { 0, 3, 4 }, indices[] = { 1, 1, 2, 1 };
    static const double values[] = { 2, 3, 4, 5 };
    const skimp_dtype narrow = SKIMP_DTYPE_I32;
    const skimp_data data = { .size = sizeof data,
                              .kind = SKIMP_DATA_CSC,
                              .n_rows = 3,
                              .n_columns = 2,
                              .nonzeros = 4,
                              .dtype = SKIMP_DTYPE_F64,
                              .values = values,
                              .indptr = indptr,
                              .indptr_dtype = narrow,
                              .indices = indices,
                              .indices_dtype = narrow };
    bound b;
    skimp_error error;
    skimpi_reader *reader = NULL;
    skimpi_sample sample;
    skimpi_raw raw;
    const skimpi_reader_options options = { 0 };
    assert_int_equal(try_bind(&b, &data, false, &error), SKIMP_OK);
    assert_int_equal(skimpi_arrays_reader(&reader, b.arrays, &options, &sample, &error), SKIMP_OK);
    assert_int_equal(skimpi_raw_create(&raw, b.budget, b.schema, 1, 1, &error), SKIMP_OK);
    assert_int_equal(skimpi_reader_arrays.read_unit(reader, b.schema, NULL, 0, &raw, &error), SKIMP_OK);
    assert_int_equal(raw.nonzeros, 3);
    assert_true(raw.row_end[0] == 0 && raw.row_end[1] == 2 && raw.row_end[2] == 3);
    assert_true(raw.values[0] == 5 && raw.values[1] == 5 && raw.values[2] == 4);
    assert_true(raw.indices[0] == 0 && raw.indices[1] == 1 && raw.indices[2] == 0);
    skimpi_raw_destroy(&raw, b.schema);
    skimpi_reader_arrays.close(reader);
    unbind(&b);
}

/* ---- summaries --------------------------------------------------------------------------------------------------------- */

static double number_with_accidents(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    if (column == 2 && (row == 1999 || row == 401)) {
        return NAN;
    }
    if (column == 3 && row % 800 == 799) {
        return row % 1600 == 799 ? -INFINITY : INFINITY;
    }
    return array_number(row, column, dtype);
}

static void summaries(void **state)
{
    (void)state;
    enum { ROWS = 4001, COLUMNS = 6 };
    static const skimp_dtype dtypes[] = { SKIMP_DTYPE_F16, SKIMP_DTYPE_F32, SKIMP_DTYPE_F64 };
    for (unsigned t = 0; t < 3; t++) {
        uint64_t hash = 0;
        for (unsigned threads = 1; threads <= 5; threads += 2) {
            skimp_data data;
            void *block;
            bound b;
            skimp_error error;
            make_matrix(&data, &block, ROWS, COLUMNS, dtypes[t], threads == 3 ? LAYOUT_FORTRAN : LAYOUT_C,
                        number_with_accidents);
            bind(&b, &data);
            assert_int_equal(scan_all(&b, threads, &error), SKIMP_OK);
            const skimpi_summary *summary = skimpi_store_summary(b.store);
            for (unsigned c = 0; c < COLUMNS; c++) {
                const skimpi_column_summary *column = &summary->numeric[c];
                double low = INFINITY, high = -INFINITY;
                for (uint64_t r = 0; r < ROWS; r++) {
                    const double value = number_with_accidents(r, c, dtypes[t]);
                    low = isfinite(value) && value < low ? value : low;
                    high = isfinite(value) && value > high ? value : high;
                }
                assert_true(column->minimum == low && column->maximum == high);
                assert_int_equal(column->n_missing, c == 2 ? 2 : 0);
                assert_int_equal(column->first_missing_row, c == 2 ? 402 : 0);
                assert_int_equal(column->n_infinite, c == 3 ? 5 : 0);
                assert_int_equal(column->first_infinite_row, c == 3 ? 800 : 0);
            }
            assert_true(hash == 0 || hash == summary->data_hash);
            hash = summary->data_hash;
            assert_true(hash != 0);
            unbind(&b);
            free(block);
        }
    }
}

/* ---- what is refused --------------------------------------------------------------------------------------------------- */

static void refuses(const skimp_data *data, skimp_status expected, const char *words)
{
    bound b;
    skimp_error error;
    const skimp_status status = try_bind(&b, data, true, &error);
    if (status != expected || strstr(error.message, words) == NULL) {
        fail_msg("%s, not %s: %s", skimp_status_name(status), words, error.message);
    }
    unbind(&b);
}

static void wrong_descriptions(void **state)
{
    (void)state;
    void *block, *y;
    skimp_data good, data;
    make_matrix(&good, &block, 10, 3, SKIMP_DTYPE_F64, LAYOUT_C, array_number);
    good.target = make_column(&y, 10, 0, SKIMP_DTYPE_I8, array_number);
#define WITH(change, status, words)                                                                                    \
    data = good;                                                                                                       \
    change;                                                                                                            \
    refuses(&data, status, words)
    WITH(data.values = NULL, SKIMP_ERROR_PARAM, "NULL");
    WITH(data.dtype = SKIMP_DTYPE_NONE, SKIMP_ERROR_PARAM, "dtype");
    WITH(data.dtype = SKIMP_DTYPE_BIT, SKIMP_ERROR_PARAM, "dtype");
    WITH(data.dtype = (skimp_dtype)99, SKIMP_ERROR_PARAM, "dtype");
    WITH(data.kind = (skimp_data_kind)9, SKIMP_ERROR_PARAM, "kind");
    WITH(data.n_columns = 0, SKIMP_ERROR_PARAM, "columns");
    WITH(data.n_columns = UINT32_MAX, SKIMP_ERROR_PARAM, "columns");
    WITH(data.n_rows = UINT64_MAX, SKIMP_ERROR_PARAM, "columns");
    WITH(data.n_rows = (uint64_t)1 << 61, SKIMP_ERROR_PARAM, "memory");
    WITH(data.row_stride = INT64_MIN, SKIMP_ERROR_PARAM, "memory");
    WITH(data.row_stride = INT64_MAX, SKIMP_ERROR_PARAM, "memory");
    WITH(data.column_stride = INT64_MAX / 2, SKIMP_ERROR_PARAM, "memory");
    WITH(data.column_stride = -((int64_t)1 << 61), SKIMP_ERROR_PARAM, "memory");
    WITH(data.target.dtype = SKIMP_DTYPE_NONE, SKIMP_ERROR_PARAM, "target");
    WITH(data.target.stride = INT64_MIN / 2, SKIMP_ERROR_PARAM, "memory");
    WITH(data.kind = SKIMP_DATA_COLUMNS, SKIMP_ERROR_PARAM, "columns");
    const char *const doubled[] = { "a", "b", "a" };
    WITH(data.names = doubled, SKIMP_ERROR_DATA, "two columns");
    skimp_data_column codes = data.target;
    codes.offsets = category_ends;
    codes.offsets_dtype = SKIMP_DTYPE_I32;
    codes.text = category_text;
    codes.n_categories = 6;
    WITH(data.target = codes, SKIMP_ERROR_DATA, "none of the 6 categories");
    WITH(data.target = codes; data.target.dtype = SKIMP_DTYPE_F32, SKIMP_ERROR_PARAM, "integers");
    WITH(data.target = codes; data.target.offsets_dtype = SKIMP_DTYPE_U32, SKIMP_ERROR_PARAM, "offsets");
    WITH(data.target = codes; data.target.text = NULL, SKIMP_ERROR_PARAM, "offsets");
    WITH(data.target = codes; data.target.n_categories = (uint64_t)1 << 27, SKIMP_ERROR_PARAM, "categories");
    WITH(data.weight = codes, SKIMP_ERROR_PARAM, "weight");
    static const int32_t descending[] = { 0, 4, 3 };
    WITH(data.target = codes; data.target.offsets = descending;
         data.target.n_categories = 2, SKIMP_ERROR_PARAM, "ascend");
    static const int8_t zeros[10];
    static const int32_t two[] = { 0, 3 };
    WITH(data.target = codes; data.target.values = zeros; data.target.text = "a\0b"; data.target.offsets = two;
         data.target.n_categories = 1, SKIMP_ERROR_DATA, "NUL");
    skimp_data_column columns[] = { data.target, { .dtype = SKIMP_DTYPE_F32, .stride = 4 } };
    WITH(data.kind = SKIMP_DATA_COLUMNS; data.columns = columns; data.n_columns = 2, SKIMP_ERROR_PARAM, "NULL");
    free(block);
    free(y);
}

/* Sparse arrays that say they are longer than they are, go backwards, or point outside. */
static void hostile_sparse(void **state)
{
    (void)state;
    static const int64_t far = (int64_t)1 << 40;
    for (unsigned bits = 0; bits < 8; bits++) {
        const sparse_variant v = {
            .wide_indptr = bits & 1, .wide_indices = bits & 2, .by_column = bits & 4, .dtype = SKIMP_DTYPE_F32
        };
        skimp_data data;
        sparse_blocks blocks;
        make_sparse(&data, &blocks, 60, 20, &v, sparse_number);
        const skimp_data good = data;
        const uint64_t outer = v.by_column ? 20 : 60;
        data.nonzeros--;
        refuses(&data, SKIMP_ERROR_DATA, "indptr ends");
        data = good;
        put_offset(blocks.indptr, v.wide_indptr, outer, v.wide_indptr ? far : INT32_MAX);
        refuses(&data, SKIMP_ERROR_DATA, "indptr ends");
        put_offset(blocks.indptr, v.wide_indptr, outer, 0);
        refuses(&data, SKIMP_ERROR_DATA, "less than the one before");
        put_offset(blocks.indptr, v.wide_indptr, outer, (int64_t)good.nonzeros);
        put_offset(blocks.indptr, v.wide_indptr, 0, -1);
        refuses(&data, SKIMP_ERROR_DATA, "negative");
        put_offset(blocks.indptr, v.wide_indptr, 0, 0);
        data.indptr = NULL;
        refuses(&data, SKIMP_ERROR_PARAM, "NULL");
        data = good;
        data.indices = NULL;
        refuses(&data, SKIMP_ERROR_PARAM, "NULL");
        data = good;
        data.indices_dtype = SKIMP_DTYPE_U32;
        refuses(&data, SKIMP_ERROR_PARAM, "I32 or I64");
        data = good;
        data.nonzeros = (uint64_t)1 << 62;
        refuses(&data, SKIMP_ERROR_PARAM, "memory");
        data = good;
        data.n_rows = (uint64_t)1 << 61;
        data.n_columns = (uint64_t)1 << 45;
        refuses(&data, SKIMP_ERROR_PARAM, "columns");
        free_sparse(&blocks);
    }
}

/* Indices outside, found when they are read; and arrays that change between one look and the next. */
static void indices_outside(void **state)
{
    (void)state;
    static const int64_t outside[] = { -1, 20, INT32_MIN, INT32_MAX };
    for (unsigned bits = 0; bits < 8; bits++) {
        const sparse_variant v = { .wide_indices = bits & 1, .by_column = bits & 2, .dtype = SKIMP_DTYPE_F64 };
        const bool in_place = bits & 4;
        skimp_data data;
        sparse_blocks blocks;
        make_sparse(&data, &blocks, 60, 20, &v, sparse_number);
        for (unsigned k = 0; k < 4; k++) {
            bound b;
            skimp_error error;
            const uint64_t at = data.nonzeros - 3;
            int64_t index = v.by_column && outside[k] == 20 ? 60 : outside[k];
            int64_t before = 0;
            memcpy(&before, (char *)blocks.indices + at * (v.wide_indices ? 8 : 4), v.wide_indices ? 8 : 4);
            if (v.by_column) { /* seen at once */
                put_offset(blocks.indices, v.wide_indices, at, index);
                refuses(&data, SKIMP_ERROR_DATA, "row index");
                put_offset(blocks.indices, v.wide_indices, at, before);
                continue;
            }
            bind(&b, &data);
            const skimpi_decoder_options options = { .read_only = in_place };
            skimpi_decoder *decoder = NULL;
            skimpi_chunk *chunk;
            assert_int_equal(skimpi_decoder_create(&decoder, b.store, &options, NULL), SKIMP_OK);
            assert_int_equal(skimpi_store_read_chunk(b.store, decoder, 0, &chunk, NULL), SKIMP_OK);
            put_offset(blocks.indices, v.wide_indices, at, index);
            error = (skimp_error)SKIMP_ERROR_INIT;
            assert_int_equal(skimpi_store_read_chunk(b.store, decoder, 0, &chunk, &error), SKIMP_ERROR_DATA);
            assert_non_null(strstr(error.message, "column index"));
            assert_true(error.row >= 58 && error.row <= 60);
            error = (skimp_error)SKIMP_ERROR_INIT;
            assert_int_equal(scan_all(&b, 2, &error), SKIMP_ERROR_DATA);
            put_offset(blocks.indices, v.wide_indices, at, before);
            skimpi_decoder_destroy(decoder);
            unbind(&b);
        }
        free_sparse(&blocks);
    }
}

static void changed_meanwhile(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 200; k++) {
        const sparse_variant v = { .by_column = k % 2, .wide_indptr = k % 4 < 2, .dtype = SKIMP_DTYPE_F64 };
        skimp_data data;
        sparse_blocks blocks;
        bound b;
        skimp_error error;
        skimpi_reader *reader = NULL;
        skimpi_sample sample;
        skimpi_raw raw;
        const skimpi_reader_options options = { 0 };
        make_sparse(&data, &blocks, 400, 150, &v, sparse_number);
        assert_int_equal(try_bind(&b, &data, !v.by_column, &error), SKIMP_OK);
        assert_int_equal(skimpi_arrays_reader(&reader, b.arrays, &options, &sample, &error), SKIMP_OK);
        assert_int_equal(skimpi_raw_create(&raw, b.budget, b.schema, 1, 1, &error), SKIMP_OK);
        /* Anything may come of it but a read outside, which the sanitizers would see. */
        const uint64_t outer = v.by_column ? 150 : 400, where = skimpi_mix64(k) % (outer + 1);
        put_offset(blocks.indptr, v.wide_indptr, where,
                   (int64_t)(skimpi_mix64(k + 1) % (2 * data.nonzeros)) - (int64_t)data.nonzeros / 2);
        if (k % 3 == 0) {
            put_offset(blocks.indices, false, skimpi_mix64(k + 2) % data.nonzeros,
                       (int64_t)(skimpi_mix64(k + 3) % 900) - 300);
        }
        for (uint64_t unit = 0; unit < skimpi_reader_arrays.unit_count(reader); unit++) {
            error = (skimp_error)SKIMP_ERROR_INIT;
            const skimp_status status = skimpi_reader_arrays.read_unit(reader, b.schema, NULL, unit, &raw, &error);
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_DATA);
        }
        if (!v.by_column) {
            error = (skimp_error)SKIMP_ERROR_INIT;
            const skimp_status status = scan_all(&b, 2, &error);
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_DATA);
        }
        skimpi_raw_destroy(&raw, b.schema);
        skimpi_reader_arrays.close(reader);
        unbind(&b);
        free_sparse(&blocks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_and_layouts), cmocka_unit_test(frames),
        cmocka_unit_test(bitmaps),           cmocka_unit_test(categories),
        cmocka_unit_test(sparse_variants),   cmocka_unit_test(repeated_in_csc),
        cmocka_unit_test(summaries),         cmocka_unit_test(wrong_descriptions),
        cmocka_unit_test(hostile_sparse),    cmocka_unit_test(indices_outside),
        cmocka_unit_test(changed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
