/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Raw chunks: what one unit parses to.  Memory is taken once for each worker and reused; only a unit with more rows,
 * non-zeros or new texts than any before makes it grow.
 *
 * One block holds all arrays with a value for each row: numeric columns, target, weight, codes, row_end; a second one
 * holds values and indices of the non-zeros.  So growing either succeeds or leaves everything as it was.
 */
#include <string.h>

#include "data/csv_scan.h"
#include "data/dictionary.h"
#include "data/reader.h"

#define FRESH_ENTRIES 256u
#define FRESH_TEXT 4096u
#define FRESH_SLOTS 512u /* a power of two */

/*
 * Rows rounded up so that columns do not all begin at the same set of the cache: an odd multiple of 64 bytes.  Kernels read
 * columns 16 values at a time: so many are there of the last one too.
 */
static uint32_t row_capacity(uint32_t rows)
{
    uint64_t lines = ((uint64_t)rows + 15) / 16 * 2 | 1;
    return (uint32_t)skimpi_min_u64(8 * lines, UINT32_MAX & ~7u);
}

static uint32_t wide_columns(const skimpi_schema *schema)
{
    return schema->n_numeric + (schema->target >= 0) + (schema->weight >= 0);
}

static size_t row_size(const skimpi_schema *schema)
{
    return sizeof(double) * wide_columns(schema) + sizeof(uint32_t) * ((size_t)schema->n_category + schema->sparse);
}

static size_t nonzero_size(const skimpi_schema *schema)
{
    return sizeof(double) + (schema->index64 ? sizeof(uint64_t) : sizeof(uint32_t));
}

static bool has_fresh(const skimpi_schema *schema)
{
    return (schema->n_category > 0 && schema->hash_bits == 0) || schema->target_type == SKIMPI_TYPE_CATEGORY;
}

/* Sets the arrays' pointers into the block of rows. */
static void place_rows(skimpi_raw *raw, const skimpi_schema *schema, char *block)
{
    size_t capacity = raw->capacity;
    double *wide = (double *)block;
    raw->numeric = wide;
    wide += schema->n_numeric * capacity;
    raw->target = schema->target >= 0 ? wide : NULL;
    wide += schema->target >= 0 ? capacity : 0;
    raw->weight = schema->weight >= 0 ? wide : NULL;
    wide += schema->weight >= 0 ? capacity : 0;
    raw->codes = (uint32_t *)wide;
    raw->row_end = schema->sparse ? raw->codes + schema->n_category * capacity : NULL;
}

static skimp_status reserve_rows(skimpi_raw *raw, const skimpi_schema *schema, uint32_t rows, skimp_error *error)
{
    uint32_t old = raw->capacity, capacity = row_capacity(rows);
    if (raw->numeric != NULL && capacity <= old) {
        return SKIMP_OK;
    }
    void *block = raw->numeric;
    size_t size = row_size(schema);
    skimp_status status = skimp_realloc(raw->budget, SKIMP_TAG_PARSE, &block, old, capacity, size, error);
    if (status != SKIMP_OK) {
        return status;
    }
    /* Columns move to their new places, the last one first. */
    char *bytes = block;
    size_t wide = wide_columns(schema), columns = wide + schema->n_category + schema->sparse;
    for (size_t c = columns; c-- > 1 && raw->n_rows > 0;) {
        size_t before = c <= wide ? c * sizeof(double) : wide * sizeof(double) + (c - wide) * sizeof(uint32_t);
        memmove(bytes + before * capacity, bytes + before * old,
                raw->n_rows * (c < wide ? sizeof(double) : sizeof(uint32_t)));
    }
    raw->capacity = capacity;
    place_rows(raw, schema, block);
    return SKIMP_OK;
}

static skimp_status reserve_nonzeros(skimpi_raw *raw, const skimpi_schema *schema, uint64_t nonzeros,
                                     skimp_error *error)
{
    uint64_t old = raw->nonzero_capacity, capacity = skimpi_max_u64(skimpi_round_up(nonzeros, 16), 16);
    if (!schema->sparse || (raw->values != NULL && capacity <= old)) {
        return SKIMP_OK;
    }
    void *block = raw->values;
    skimp_status status =
        skimp_realloc(raw->budget, SKIMP_TAG_PARSE, &block, old, capacity, nonzero_size(schema), error);
    if (status != SKIMP_OK) {
        return status;
    }
    char *bytes = block;
    size_t index_size = schema->index64 ? sizeof(uint64_t) : sizeof(uint32_t);
    memmove(bytes + capacity * sizeof(double), bytes + old * sizeof(double), raw->nonzeros * index_size);
    raw->nonzero_capacity = capacity;
    raw->values = (double *)block;
    void *indices = bytes + capacity * sizeof(double);
    raw->indices = schema->index64 ? NULL : indices;
    raw->indices64 = schema->index64 ? indices : NULL;
    return SKIMP_OK;
}

skimp_status skimpi_raw_create(skimpi_raw *raw, skimp_budget *budget, const skimpi_schema *schema, uint32_t rows,
                               uint64_t nonzeros, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *raw = (skimpi_raw){ .budget = budget };
    skimpi_buffer_init(&raw->fresh, budget, SKIMP_TAG_PARSE);
    skimpi_buffer_init(&raw->fresh_text, budget, SKIMP_TAG_PARSE);
    skimpi_buffer_init(&raw->fresh_index, budget, SKIMP_TAG_PARSE);
    skimpi_buffer_init(&raw->unquoted, budget, SKIMP_TAG_PARSE);
    skimpi_buffer_init(&raw->scratch, budget, SKIMP_TAG_PARSE);
    SKIMPI_TRY(reserve_rows(raw, schema, rows, error));
    SKIMPI_TRY(reserve_nonzeros(raw, schema, nonzeros, error));
    if (has_fresh(schema)) {
        SKIMPI_TRY(skimpi_buffer_reserve(&raw->fresh, FRESH_ENTRIES * sizeof(skimpi_fresh), error));
        SKIMPI_TRY(skimpi_buffer_reserve(&raw->fresh_text, FRESH_TEXT, error));
        SKIMPI_TRY(skimpi_buffer_reserve(&raw->fresh_index, FRESH_SLOTS * sizeof(uint32_t), error));
    }
    if (schema->delimited) {
        SKIMPI_TRY(skimpi_buffer_reserve(&raw->scratch, skimpi_csv_scratch_bytes(schema), error));
    }
    skimpi_raw_clear(raw);
out:
    if (status != SKIMP_OK) {
        skimpi_raw_destroy(raw, schema);
    }
    return status;
}

uint64_t skimpi_raw_bytes(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros)
{
    uint64_t bytes = skimp_alloc_cost(skimpi_mul_sat(row_capacity(rows), row_size(schema)));
    if (schema->sparse) {
        bytes +=
            skimp_alloc_cost(skimpi_mul_sat(skimpi_max_u64(skimpi_round_up(nonzeros, 16), 16), nonzero_size(schema)));
    }
    if (has_fresh(schema)) {
        bytes += skimp_alloc_cost(FRESH_ENTRIES * sizeof(skimpi_fresh)) + skimp_alloc_cost(FRESH_TEXT) +
                 skimp_alloc_cost(FRESH_SLOTS * sizeof(uint32_t));
    }
    if (schema->delimited) {
        bytes += skimp_alloc_cost(skimpi_csv_scratch_bytes(schema));
    }
    return bytes;
}

uint64_t skimpi_raw_fresh_bytes(uint64_t n_fresh, uint64_t text_bytes)
{
    uint64_t bytes = 0, slots = FRESH_SLOTS;
    while (3 * slots < 4 * n_fresh) {
        slots *= 2;
    }
    bytes += n_fresh > FRESH_ENTRIES ? skimp_alloc_cost(skimpi_mul_sat(n_fresh, sizeof(skimpi_fresh))) : 0;
    bytes += text_bytes > FRESH_TEXT ? skimp_alloc_cost(text_bytes) : 0;
    return bytes + (slots > FRESH_SLOTS ? skimp_alloc_cost(slots * sizeof(uint32_t)) : 0);
}

skimp_status skimpi_raw_expect(skimpi_raw *raw, uint64_t n_fresh, uint64_t text_bytes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (n_fresh == 0) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_buffer_reserve(&raw->fresh, n_fresh * sizeof(skimpi_fresh), error));
    SKIMPI_TRY(skimpi_buffer_reserve(&raw->fresh_text, text_bytes, error));
out:
    return status;
}

skimp_status skimpi_raw_reserve(skimpi_raw *raw, const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros,
                                skimp_error *error)
{
    skimp_status status = reserve_rows(raw, schema, rows, error);
    return status == SKIMP_OK ? reserve_nonzeros(raw, schema, nonzeros, error) : status;
}

void skimpi_raw_clear(skimpi_raw *raw)
{
    raw->n_rows = 0;
    raw->nonzeros = 0;
    raw->largest_index = 0;
    if (raw->fresh.length > 0) {
        memset(raw->fresh_index.data, 0, raw->fresh_index.length);
    }
    raw->fresh.length = 0;
    raw->fresh_text.length = 0;
    raw->fresh_index.length = raw->fresh_index.data != NULL ? FRESH_SLOTS * sizeof(uint32_t) : 0;
    raw->lines = 0;
    raw->rows_bad = 0;
    raw->rows_missing = 0;
    raw->first_bad_line = 0;
    raw->failure.code = SKIMP_OK;
    raw->consumed = 0;
}

void skimpi_raw_destroy(skimpi_raw *raw, const skimpi_schema *schema)
{
    if (raw->budget == NULL) {
        return;
    }
    skimp_free(raw->budget, SKIMP_TAG_PARSE, raw->numeric, raw->capacity, row_size(schema));
    skimp_free(raw->budget, SKIMP_TAG_PARSE, raw->values, raw->nonzero_capacity, nonzero_size(schema));
    skimpi_buffer_free(&raw->fresh);
    skimpi_buffer_free(&raw->fresh_text);
    skimpi_buffer_free(&raw->fresh_index);
    skimpi_buffer_free(&raw->unquoted);
    skimpi_buffer_free(&raw->scratch);
    *raw = (skimpi_raw){ 0 };
}

/* ---- texts that are new to this unit ------------------------------------------------------------------------------ */

/* A slot of fresh_index holds the number of a fresh text + 1; 0 is empty. It is at most three quarters full. */
static uint64_t fresh_place(uint64_t hash, uint32_t slot, uint64_t mask)
{
    return (hash + slot * 0x9e3779b97f4a7c15u) & mask;
}

static skimp_status grow_fresh_index(skimpi_raw *raw, skimp_error *error)
{
    size_t slots = raw->fresh_index.length / sizeof(uint32_t) * 2;
    skimp_status status = skimpi_buffer_reserve(&raw->fresh_index, slots * sizeof(uint32_t), error);
    if (status != SKIMP_OK) {
        return status;
    }
    uint32_t *index = raw->fresh_index.data;
    raw->fresh_index.length = slots * sizeof(uint32_t);
    memset(index, 0, raw->fresh_index.length);
    const skimpi_fresh *fresh = raw->fresh.data;
    for (uint32_t i = 0; i < raw->fresh.length / sizeof(skimpi_fresh); i++) {
        uint64_t place = fresh_place(fresh[i].hash, fresh[i].slot, slots - 1);
        while (index[place] != 0) {
            place = (place + 1) & (slots - 1);
        }
        index[place] = i + 1;
    }
    return SKIMP_OK;
}

skimp_status skimpi_raw_code(skimpi_raw *raw, const skimpi_schema *schema, uint32_t slot, const char *text,
                             size_t length, bool fixed, uint32_t *code, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t hash = skimpi_dictionary_hash(text, length);
    *code = skimpi_dictionary_find(schema->dictionaries[slot], text, length, hash);
    if (*code != SKIMPI_CODE_UNKNOWN || fixed) {
        return SKIMP_OK;
    }
    if (raw->fresh_index.length == 0) { /* made without room for texts: the schema's roles were set later */
        SKIMPI_TRY(skimpi_buffer_reserve(&raw->fresh_index, FRESH_SLOTS * sizeof(uint32_t), error));
        raw->fresh_index.length = FRESH_SLOTS * sizeof(uint32_t);
    }
    uint32_t n = (uint32_t)(raw->fresh.length / sizeof(skimpi_fresh));
    if (4 * ((size_t)n + 1) > raw->fresh_index.length / sizeof(uint32_t) * 3) {
        SKIMPI_TRY(grow_fresh_index(raw, error));
    }
    const skimpi_fresh *fresh = raw->fresh.data;
    uint32_t *index = raw->fresh_index.data;
    uint64_t mask = raw->fresh_index.length / sizeof(uint32_t) - 1;
    uint64_t place = fresh_place(hash, slot, mask);
    for (; index[place] != 0; place = (place + 1) & mask) {
        const skimpi_fresh *other = &fresh[index[place] - 1];
        if (other->hash == hash && other->slot == slot && other->length == length &&
            (length == 0 || memcmp((const char *)raw->fresh_text.data + other->offset, text, length) == 0)) {
            *code = SKIMPI_CODE_FRESH + index[place] - 1;
            return SKIMP_OK;
        }
    }
    skimpi_fresh new_text = {
        .slot = slot, .length = (uint32_t)length, .offset = raw->fresh_text.length, .hash = hash
    };
    SKIMPI_TRY(skimpi_buffer_append(&raw->fresh_text, text, length, error));
    status = skimpi_buffer_append(&raw->fresh, &new_text, sizeof(new_text), error);
    if (status != SKIMP_OK) {
        raw->fresh_text.length -= length;
        return status;
    }
    index[place] = n + 1;
    *code = SKIMPI_CODE_FRESH + n;
out:
    return status;
}
