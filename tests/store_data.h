/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data sets made by hand for tests of the store: schemas, raw chunks filled from a seed, and what must come back.
 */
#ifndef SKIMP_TEST_STORE_DATA_H
#define SKIMP_TEST_STORE_DATA_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/store.h"

static inline skimp_budget *data_budget(uint64_t limit)
{
    skimp_budget *budget = NULL;
    skimp_budget_options options = { .size = sizeof(options), .limit = limit };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

/* Numeric columns, then category columns, then a target and a weight. */
static inline skimpi_schema *data_table(skimp_budget *budget, uint32_t n_numeric, uint32_t n_category)
{
    skimpi_schema *schema = NULL;
    uint32_t n = n_numeric + n_category + 2;
    assert_int_equal(skimpi_schema_create(&schema, budget, n, NULL), SKIMP_OK);
    for (uint32_t i = 0; i < n; i++) {
        char name[32];
        int length = snprintf(name, sizeof(name), "column %u", i);
        assert_int_equal(skimpi_schema_set_name(schema, i, name, (size_t)length, NULL), SKIMP_OK);
        schema->columns[i].type =
            i >= n_numeric && i < n_numeric + n_category ? SKIMPI_TYPE_CATEGORY : SKIMPI_TYPE_NUMERIC;
        schema->columns[i].role = i == n - 2   ? SKIMPI_ROLE_TARGET
                                  : i == n - 1 ? SKIMPI_ROLE_WEIGHT
                                               : SKIMPI_ROLE_FEATURE;
    }
    schema->target = n - 2;
    schema->weight = n - 1;
    assert_int_equal(skimpi_schema_settle(schema, NULL), SKIMP_OK);
    for (uint32_t j = 0; j < n_category; j++) {
        for (uint32_t code = 0; code < (j == 0 ? 5u : 400u); code++) {
            char text[32];
            uint32_t got;
            int length = snprintf(text, sizeof(text), "text %u", code);
            uint64_t hash = skimpi_dictionary_hash(text, (size_t)length);
            assert_int_equal(skimpi_dictionary_insert(schema->dictionaries[j], text, (size_t)length, hash, &got, NULL),
                             SKIMP_OK);
            assert_int_equal(got, code);
        }
    }
    return schema;
}

static inline skimpi_schema *data_sparse(skimp_budget *budget, uint64_t n_features, bool index64)
{
    skimpi_schema *schema = NULL;
    assert_int_equal(skimpi_schema_create(&schema, budget, 0, NULL), SKIMP_OK);
    schema->sparse = true;
    schema->index64 = index64;
    schema->target = 0;
    schema->n_sparse_features = n_features;
    assert_int_equal(skimpi_schema_settle(schema, NULL), SKIMP_OK);
    return schema;
}

/* A number of a kind: each kind wants another encoding. */
#define DATA_KINDS 15
static inline double data_number(skimpi_random *r, uint32_t kind)
{
    double u = skimpi_random_double(r);
    switch (kind % DATA_KINDS) {
    case 0:
        return 7.25; /* constant */
    case 1:
        return floor(u * 200) - 100; /* bytes */
    case 2:
        return u < 0.2 ? NAN : floor(u * 60000) + 1e9; /* pairs of bytes, far from 0, with missing ones */
    case 3:
        return floor(u * 4e9) - 1e12; /* 32 bits */
    case 4:
        return (double)(float)(u * 1e30); /* floats exactly */
    case 5:
        return u - 0.5; /* floats will do */
    case 6:
        return 1e9 + u; /* they will not */
    case 7:
        return u < 0.1 ? -0.0 : floor(u * 3); /* a zero with a sign */
    case 8:
        return u < 0.1 ? -INFINITY : u < 0.2 ? INFINITY : u * 3e-310;
    case 9:
        return u < 0.5 ? 1e300 * u : -1e-300;
    case 10:
        return NAN;
    case 11:
        return floor(u * 800000 - 300000) / 100000; /* five digits: 20 bits */
    case 12:
        return u < 0.1 ? NAN : floor(u * 4000) / 10; /* 12 bits, with missing ones */
    case 13:
        return floor(u * 1e7) / 1000; /* 24 bits */
    default:
        return u < 0.3 ? NAN : floor(u * 10);
    }
}

static inline void data_fill_table(skimpi_raw *raw, const skimpi_schema *schema, uint32_t n_rows, uint64_t seed)
{
    skimpi_random r;
    skimpi_random_seed(&r, seed);
    assert_int_equal(skimpi_raw_reserve(raw, schema, n_rows, 0, NULL), SKIMP_OK);
    skimpi_raw_clear(raw);
    raw->n_rows = n_rows;
    raw->lines = n_rows;
    for (uint32_t j = 0; j < schema->n_numeric; j++) {
        for (uint32_t i = 0; i < n_rows; i++) {
            raw->numeric[(size_t)j * raw->capacity + i] = data_number(&r, j);
        }
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        uint32_t n_codes = j == 0 ? 5 : 400;
        for (uint32_t i = 0; i < n_rows; i++) {
            uint64_t code = skimpi_random_below(&r, n_codes + 1);
            raw->codes[(size_t)j * raw->capacity + i] = code == n_codes ? SKIMPI_CODE_MISSING : (uint32_t)code;
        }
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        raw->target[i] = (double)skimpi_random_below(&r, 3);
        raw->weight[i] = 1 + skimpi_random_double(&r);
    }
}

/* Rows of 0 … 2 × mean - 1 entries. kind: 0 all ones, 1 floats, 2 doubles that are all large in feature 0, present in every row. */
static inline void data_fill_sparse(skimpi_raw *raw, const skimpi_schema *schema, uint32_t n_rows, uint32_t mean,
                                    uint32_t kind, uint64_t seed)
{
    skimpi_random r;
    skimpi_random_seed(&r, seed);
    assert_int_equal(skimpi_raw_reserve(raw, schema, n_rows, (uint64_t)n_rows * (2 * mean + 1), NULL), SKIMP_OK);
    skimpi_raw_clear(raw);
    raw->n_rows = n_rows;
    raw->lines = n_rows;
    uint64_t step = schema->n_sparse_features / (2 * mean + 1);
    for (uint32_t i = 0; i < n_rows; i++) {
        uint64_t index = 0, n = skimpi_random_below(&r, 2 * mean);
        for (uint64_t k = 0; k <= n; k++) {
            if (k == 0 && kind != 2) {
                continue;
            }
            uint64_t at = raw->nonzeros++;
            double u = skimpi_random_double(&r);
            raw->values[at] = kind == 0 ? 1 : kind == 1 ? u : k == 0 ? 1e9 + u : u;
            if (schema->index64) {
                raw->indices64[at] = index;
            } else {
                raw->indices[at] = (uint32_t)index;
            }
            raw->largest_index = skimpi_max_u64(raw->largest_index, index + 1);
            index += 1 + skimpi_random_below(&r, step);
        }
        raw->row_end[i] = (uint32_t)raw->nonzeros;
        raw->target[i] = skimpi_random_double(&r);
    }
}

/* Encodes and writes chunk `chunk`; the caller has room in raw. */
static inline skimp_status data_append(skimpi_store *store, skimpi_encoder *encoder, const skimpi_raw *raw,
                                       uint64_t chunk, uint64_t first_line, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_encoder_encode(encoder, raw, first_line, error));
    SKIMPI_TRY(skimpi_store_place_chunk(store, encoder, chunk, error));
    SKIMPI_TRY(skimpi_store_write_chunk(store, encoder, error));
out:
    return status;
}

#endif
