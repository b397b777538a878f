/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is looked at of the caller's arrays before all of them is: the categories that occur, and the distinct targets.
 * So the encoded features and the classes are known when a job is planned.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "data/arrays_internal.h"
#include "data/dictionary.h"

#define BLOCK_VALUES 1024u

static const char *column_name(const skimpi_schema *schema, int64_t column)
{
    return schema->sparse ? "target" : schema->columns[column].name;
}

/* ---- categories ----------------------------------------------------------------------------------------------------- */

const char *skimpi_category_text(const skimp_data_column *column, uint64_t k, size_t *length)
{
    const size_t item = skimp_dtype_bytes(column->offsets_dtype);
    int64_t ends[2];
    for (int i = 0; i < 2; i++) {
        int32_t narrow;
        const char *at = (const char *)column->offsets + (k + (uint64_t)i) * item;
        if (item == sizeof narrow) {
            memcpy(&narrow, at, sizeof narrow);
            ends[i] = narrow;
        } else {
            memcpy(&ends[i], at, sizeof ends[i]);
        }
    }
    *length = (size_t)(ends[1] - ends[0]);
    return *length > 0 ? column->text + ends[0] : "";
}

skimp_status skimpi_arrays_bad_code(const skimpi_arrays *arrays, const skimp_data_column *column, uint64_t row,
                                    const char *name, skimp_error *error)
{
    row += arrays->rows_before;
    return skimpi_arrays_fail(error, row, name, "row %" PRIu64 " has a code that is none of the %" PRIu64 " categories",
                              row, column->n_categories);
}

/* Marks the categories that occur, and counts what is missing. */
static skimp_status look_at_codes(const skimpi_arrays *arrays, const skimp_data_column *column, const char *name,
                                  uint8_t *occurs, uint64_t *missing, skimp_error *error)
{
    const uint64_t n_rows = arrays->data->n_rows;
    uint32_t codes[BLOCK_VALUES];
    *missing = 0;
    for (uint64_t first = 0; first < n_rows; first += BLOCK_VALUES) {
        const uint32_t n = (uint32_t)skimpi_min_u64(n_rows - first, BLOCK_VALUES);
        uint64_t bad;
        skimpi_gather_codes(column, first, n, codes, &bad);
        if (bad != UINT64_MAX) {
            return skimpi_arrays_bad_code(arrays, column, bad, name, error);
        }
        for (uint32_t i = 0; i < n; i++) {
            if (codes[i] == SKIMPI_CODE_MISSING) {
                ++*missing;
            } else {
                occurs[codes[i]] = 1;
            }
        }
    }
    return SKIMP_OK;
}

/* The code of a category among those of the schema: looked up, or entered. */
static skimp_status code_of(const skimpi_arrays *arrays, uint32_t slot, const char *text, size_t length, bool fixed,
                            uint32_t *code, skimp_error *error)
{
    skimpi_dictionary *dictionary = arrays->schema->dictionaries[slot];
    const uint64_t hash = skimpi_dictionary_hash(text, length);
    if (fixed) {
        *code = skimpi_dictionary_find(dictionary, text, length, hash);
        return SKIMP_OK;
    }
    return skimpi_dictionary_insert(dictionary, text, length, hash, code, error);
}

/* `slot`: of the dictionary. Fills map with codes, or (of a target) values with what they mean. */
static skimp_status enter_column(const skimpi_arrays *arrays, const skimp_data_column *column, uint32_t slot,
                                 const char *name, bool fixed, uint32_t *map, double *values, uint64_t *missing,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = arrays->schema;
    const uint64_t n = column->n_categories, name_hash = skimpi_dictionary_hash(name, strlen(name));
    const bool hashed = map != NULL && schema->hash_bits > 0, compared = map == NULL && schema->comparison_text != NULL;
    uint8_t *occurs = NULL;
    SKIMPI_TRY(skimp_alloc(arrays->budget, SKIMP_TAG_CATEGORIES, n, 1, (void **)&occurs, error));
    if (!fixed) {
        SKIMPI_TRY(look_at_codes(arrays, column, name, occurs, missing, error));
    }
    for (uint64_t k = 0; k < n; k++) {
        size_t length = 0;
        const char *text = skimpi_category_text(column, k, &length);
        uint32_t code = SKIMPI_CODE_UNKNOWN;
        if (!fixed && !occurs[k]) {
            text = NULL;
        } else if (memchr(text, '\0', length) != NULL) {
            SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name,
                                      "category %" PRIu64 " has a NUL in its text", k));
        } else if (hashed) {
            code = skimpi_dictionary_hash_code(name_hash, text, length, schema->hash_bits);
        } else if (compared) {
            const bool equal =
                strlen(schema->comparison_text) == length && memcmp(schema->comparison_text, text, length) == 0;
            code = equal == (schema->comparison == SKIMPI_CMP_EQ);
        } else {
            SKIMPI_TRY(code_of(arrays, slot, text, length, fixed, &code, error));
        }
        if (map != NULL) {
            map[k] = code;
        } else {
            values[k] = code;
        }
    }
out:
    skimp_free(arrays->budget, SKIMP_TAG_CATEGORIES, occurs, n, 1);
    return status;
}

skimp_status skimpi_arrays_enter_categories(skimpi_arrays *arrays, bool fixed, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = arrays->schema;
    void *block = NULL;
    uint64_t missing;
    for (uint32_t slot = 0; slot < arrays->n_codes; slot++) {
        skimpi_array_codes *codes = &arrays->codes[slot];
        const uint32_t c = schema->category[slot];
        codes->column = skimpi_arrays_column(arrays, c);
        SKIMPI_TRY(skimp_alloc(arrays->budget, SKIMP_TAG_CATEGORIES, codes->column.n_categories, sizeof *codes->map,
                               &block, error));
        codes->map = block;
        SKIMPI_TRY(enter_column(arrays, &codes->column, slot, schema->columns[c].name, fixed, codes->map, NULL,
                                &codes->missing, error));
    }
    if (arrays->target.values != NULL && skimpi_is_category(&arrays->target)) {
        SKIMPI_TRY(skimp_alloc(arrays->budget, SKIMP_TAG_CATEGORIES, arrays->target.n_categories,
                               sizeof *arrays->target_map, &block, error));
        arrays->target_map = block;
        SKIMPI_TRY(enter_column(arrays, &arrays->target, schema->n_category, column_name(schema, schema->target), fixed,
                                NULL, arrays->target_map, &missing, error));
    }
out:
    return status;
}

skimp_status skimpi_arrays_read_codes(const skimpi_arrays *arrays, uint32_t slot, uint64_t first, uint32_t n,
                                      const uint32_t *rank, uint32_t *out, skimp_error *error)
{
    const skimpi_array_codes *codes = &arrays->codes[slot];
    uint64_t bad;
    skimpi_gather_codes(&codes->column, first, n, out, &bad);
    if (bad != UINT64_MAX) {
        return skimpi_arrays_bad_code(arrays, &codes->column, bad,
                                      arrays->schema->columns[arrays->schema->category[slot]].name, error);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t code = out[i] == SKIMPI_CODE_MISSING ? out[i] : codes->map[out[i]];
        out[i] = rank != NULL && code < SKIMPI_CODE_UNKNOWN ? rank[code] : code;
    }
    return SKIMP_OK;
}

/* ---- the target ----------------------------------------------------------------------------------------------------- */

skimp_status skimpi_arrays_read_target(const skimpi_arrays *arrays, uint64_t first, uint32_t n, double *out,
                                       skimp_error *error)
{
    const skimpi_schema *schema = arrays->schema;
    const skimp_data_column *target = &arrays->target;
    if (!skimpi_is_category(target)) {
        skimpi_gather_f64(target, first, n, out);
        for (uint32_t i = 0; schema->comparison != SKIMPI_CMP_NONE && i < n; i++) {
            out[i] = skimpi_schema_compare(schema, out[i]);
        }
        return SKIMP_OK;
    }
    for (uint32_t done = 0; done < n; done += BLOCK_VALUES) {
        uint32_t codes[BLOCK_VALUES];
        const uint32_t count = n - done < BLOCK_VALUES ? n - done : BLOCK_VALUES;
        uint64_t bad;
        skimpi_gather_codes(target, first + done, count, codes, &bad);
        if (bad != UINT64_MAX) {
            return skimpi_arrays_bad_code(arrays, target, bad, column_name(schema, schema->target), error);
        }
        for (uint32_t i = 0; i < count; i++) {
            out[done + i] = codes[i] == SKIMPI_CODE_MISSING ? (double)NAN : arrays->target_map[codes[i]];
        }
    }
    return SKIMP_OK;
}

/* Most targets have two values, or few: those of a block are counted as two where they are two. */
static skimp_status count_block(skimpi_target_set *set, skimpi_target_cache *cache, const double *values, uint32_t n,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const double one = values[0];
    uint32_t other_at = 1, ones = 0, others = 0;
    while (other_at < n && values[other_at] == one) {
        other_at++;
    }
    const double other = other_at < n ? values[other_at] : (double)NAN;
    for (uint32_t i = 0; i < n; i++) {
        ones += values[i] == one;
        others += values[i] == other;
    }
    if (ones + others < n) {
        return skimpi_target_set_add(set, cache, values, n, error);
    }
    SKIMPI_TRY(skimpi_target_set_add_one(set, cache, one, ones, error));
    if (others > 0) {
        SKIMPI_TRY(skimpi_target_set_add_one(set, cache, other, others, error));
    }
out:
    return status;
}

skimp_status skimpi_arrays_count_targets(skimpi_arrays *arrays, skimpi_target_set *set, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_target_cache *cache = NULL;
    double values[BLOCK_VALUES];
    const uint64_t n_rows = arrays->data->n_rows;
    SKIMPI_TRY(skimp_alloc(arrays->budget, SKIMP_TAG_STORE, 1, sizeof *cache, (void **)&cache, error));
    for (uint64_t first = 0; first < n_rows && !atomic_load(&set->overflowed); first += BLOCK_VALUES) {
        const uint32_t n = (uint32_t)skimpi_min_u64(n_rows - first, BLOCK_VALUES);
        SKIMPI_TRY(skimpi_arrays_read_target(arrays, first, n, values, error));
        SKIMPI_TRY(count_block(set, cache, values, n, error));
    }
    SKIMPI_TRY(skimpi_target_set_flush(set, cache, error));
out:
    skimp_free(arrays->budget, SKIMP_TAG_STORE, cache, 1, sizeof *cache);
    return status;
}
