/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunk stores in memory and in spill files: what went in comes out, whatever the place; exact bounds; moving out when
 * the budget refuses; failures of memory and disk; the summary.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "data/encoding.h"
#include "os/os.h"
#include "store_data.h"

#define CHUNKS 40u
#define ROWS 1500u

static uint32_t rows_of(uint32_t chunk)
{
    return chunk % 5 == 4 ? 1 : ROWS - 13 * chunk;
}

static void fill(skimpi_raw *raw, const skimpi_schema *schema, uint32_t chunk)
{
    if (schema->sparse) {
        data_fill_sparse(raw, schema, rows_of(chunk), 20, chunk % 3, chunk);
    } else {
        data_fill_table(raw, schema, rows_of(chunk), chunk);
    }
}

/* A digest of all that a chunk shows. */
static uint64_t digest(const skimpi_chunk *chunk)
{
    skimpi_checksum_state state;
    skimpi_checksum_begin(&state);
    skimpi_checksum_add(&state, &chunk->index, sizeof(chunk->index));
    skimpi_checksum_add(&state, &chunk->first_row, sizeof(chunk->first_row));
    skimpi_checksum_add(&state, &chunk->n_rows, sizeof(chunk->n_rows));
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *d = &chunk->dense[j];
        assert_true((d->f32 != NULL) != (d->f64 != NULL));
        assert_int_equal((uintptr_t)(d->f32 != NULL ? (void *)d->f32 : (void *)d->f64) % 64, 0);
        skimpi_checksum_add(&state, &d->feature, sizeof(d->feature));
        skimpi_checksum_add(&state, d->f32 != NULL ? (void *)d->f32 : (void *)d->f64,
                            chunk->n_rows * (d->f32 != NULL ? 4u : 8u));
    }
    for (uint32_t j = 0; j < chunk->n_codes; j++) {
        skimpi_checksum_add(&state, &chunk->codes[j].n_codes, sizeof(uint32_t));
        skimpi_checksum_add(&state, chunk->codes[j].codes, chunk->n_rows * sizeof(uint32_t));
    }
    if (chunk->has_csr) {
        const skimpi_csr_block *csr = &chunk->csr;
        uint64_t n = csr->indptr[chunk->n_rows];
        skimpi_checksum_add(&state, csr->indptr, (chunk->n_rows + 1) * sizeof(uint32_t));
        skimpi_checksum_add(&state, csr->indices != NULL ? (void *)csr->indices : (void *)csr->indices64,
                            n * (csr->indices != NULL ? 4 : 8));
        skimpi_checksum_add(&state, "fd1", 1);
        if (csr->f32 != NULL || csr->f64 != NULL) {
            skimpi_checksum_add(&state, csr->f32 != NULL ? (void *)csr->f32 : (void *)csr->f64,
                                n * (csr->f32 != NULL ? 4 : 8));
        }
    }
    skimpi_checksum_add(&state, chunk->target, chunk->n_rows * sizeof(double));
    if (chunk->weight != NULL) {
        skimpi_checksum_add(&state, chunk->weight, chunk->n_rows * sizeof(double));
    }
    return skimpi_checksum_end(&state);
}

/* What a chunk must be, given the raw chunk that it came from. */
static void check_chunk(const skimpi_chunk *chunk, const skimpi_raw *raw, const skimpi_schema *schema)
{
    assert_int_equal(chunk->n_rows, raw->n_rows);
    assert_int_equal(chunk->n_dense, schema->sparse ? 0 : schema->n_numeric);
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *d = &chunk->dense[j];
        const double *from = raw->numeric + (size_t)j * raw->capacity;
        skimpi_column_scan scan;
        skimpi_column_scan_run(from, raw->n_rows, &scan);
        double allowed = ldexp(scan.maximum - scan.minimum, -21);
        for (uint32_t i = 0; i < raw->n_rows; i++) {
            double got = d->f32 != NULL ? (double)d->f32[i] : d->f64[i];
            assert_true(got != got ? from[i] != from[i] : got == from[i] || fabs(got - from[i]) <= allowed);
        }
    }
    for (uint32_t j = 0; j < chunk->n_codes; j++) {
        assert_int_equal(chunk->codes[j].slot, j);
        assert_int_equal(chunk->codes[j].n_codes, j == 0 ? 5 : 400);
        assert_memory_equal(chunk->codes[j].codes, raw->codes + (size_t)j * raw->capacity,
                            raw->n_rows * sizeof(uint32_t));
    }
    assert_int_equal(chunk->has_csr, schema->sparse);
    if (schema->sparse) {
        const skimpi_csr_block *csr = &chunk->csr;
        assert_int_equal(csr->indptr[0], 0);
        assert_memory_equal(csr->indptr + 1, raw->row_end, raw->n_rows * sizeof(uint32_t));
        assert_true((csr->indices64 != NULL) == schema->index64 && (csr->indices != NULL) != schema->index64);
        for (uint64_t i = 0; i < raw->nonzeros; i++) {
            uint64_t index = schema->index64 ? csr->indices64[i] : csr->indices[i];
            assert_int_equal(index, schema->index64 ? raw->indices64[i] : raw->indices[i]);
            double value = csr->f32 != NULL ? (double)csr->f32[i] : csr->f64 != NULL ? csr->f64[i] : 1;
            assert_true(fabs(value - raw->values[i]) <= ldexp(fabs(raw->values[i]), -24));
            assert_true(raw->values[i] < 1e8 || value == raw->values[i]);
        }
    }
    assert_memory_equal(chunk->target, raw->target, raw->n_rows * sizeof(double));
    assert_true((chunk->weight != NULL) == (raw->weight != NULL));
    if (chunk->weight != NULL) {
        assert_memory_equal(chunk->weight, raw->weight, raw->n_rows * sizeof(double));
    }
}

static skimpi_schema *schema_of(skimp_budget *budget, int which)
{
    return which == 0   ? data_table(budget, DATA_KINDS, 2)
           : which == 1 ? data_sparse(budget, 50000, false)
                        : data_sparse(budget, (uint64_t)1 << 40, true);
}

/* Fills a store of a place, spilling it after chunk spill_at, and reads it in order and at random. */
static uint64_t fill_and_read(int which, skimpi_place place, uint32_t spill_at, uint32_t *lengths)
{
    skimp_budget *budget = data_budget(0);
    skimpi_schema *schema = schema_of(budget, which);
    skimpi_raw raw;
    skimpi_store *store;
    skimpi_encoder *encoder;
    skimpi_store_options options = {
        .place = place, .spill_directory = ".", .allow_tmpfs = true, .expected_bytes = 1 << 20
    };
    assert_int_equal(skimpi_raw_create(&raw, budget, schema, 1, 1, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
    assert_int_equal(skimpi_encoder_create(&encoder, store, 1, 1, 1, NULL), SKIMP_OK);
    for (uint32_t c = 0; c < CHUNKS; c++) {
        fill(&raw, schema, c);
        assert_int_equal(data_append(store, encoder, &raw, c, 2 + c * ROWS, NULL), SKIMP_OK);
        if (c == spill_at) {
            assert_int_equal(skimpi_store_spill(store, NULL), SKIMP_OK);
            assert_int_equal(skimpi_store_place(store), SKIMPI_PLACE_SPILL);
        }
    }
    assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
    skimpi_encoder_destroy(encoder);
    const skimpi_summary *summary = skimpi_store_summary(store);
    assert_int_equal(summary->n_chunks, CHUNKS);
    skimpi_decoder *decoder;
    uint64_t before = skimp_budget_tag_in_use(budget, SKIMP_TAG_CHUNKS);
    assert_int_equal(skimpi_decoder_create(&decoder, store, NULL, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_CHUNKS) - before,
                     skimpi_decoder_bytes(schema, summary->largest_chunk_rows, summary->largest_chunk_bytes,
                                          &summary->largest_area, NULL, skimpi_store_place(store)));
    uint64_t digests[CHUNKS], sum = 0, rows = 0;
    for (int pass = 0; pass < 2; pass++) {
        skimpi_scan scan;
        skimpi_chunk *chunk;
        bool done;
        skimpi_scan_begin(store, &scan);
        rows = 0;
        for (uint32_t c = 0;; c++) {
            assert_int_equal(skimpi_scan_next(store, &scan, decoder, &chunk, &done, NULL), SKIMP_OK);
            if (done) {
                assert_int_equal(c, CHUNKS);
                break;
            }
            assert_int_equal(chunk->index, c);
            assert_int_equal(chunk->first_row, rows);
            rows += chunk->n_rows;
            fill(&raw, schema, c);
            check_chunk(chunk, &raw, schema);
            digests[c] = digest(chunk);
            sum = skimpi_mix64(sum ^ digests[c]);
            /* A chunk is its worker's to change; the store is not touched by it. */
            chunk->target[0] = -77;
            if (chunk->n_dense != 0 && chunk->dense[4].f32 != NULL) {
                chunk->dense[4].f32[0] = -77;
            }
        }
        assert_int_equal(rows, summary->n_rows);
        assert_int_equal(atomic_load(&scan.bytes_done), summary->store_bytes);
        if (pass == 0) {
            if (spill_at == CHUNKS) {
                assert_int_equal(skimpi_store_spill(store, NULL), SKIMP_OK);
            }
            sum = 0;
        }
    }
    for (uint32_t k = 0; k < CHUNKS; k++) {
        uint32_t c = k * 17 % CHUNKS;
        skimpi_chunk *chunk;
        assert_int_equal(skimpi_store_read_chunk(store, decoder, c, &chunk, NULL), SKIMP_OK);
        assert_int_equal(digest(chunk), digests[c]);
    }
    if (lengths != NULL) {
        *lengths = (uint32_t)summary->store_bytes;
    }
    skimpi_decoder_destroy(decoder);
    skimpi_store_destroy(store);
    skimpi_raw_destroy(&raw, schema);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
    return sum;
}

static void every_place_gives_the_same(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        uint32_t bytes, other;
        uint64_t memory = fill_and_read(which, SKIMPI_PLACE_MEMORY, UINT32_MAX, &bytes);
        assert_true(bytes > 1 << 20 || which == 1); /* more than an extent */
        assert_true(fill_and_read(which, SKIMPI_PLACE_SPILL, UINT32_MAX, &other) == memory);
        assert_int_equal(bytes, other);
        assert_true(fill_and_read(which, SKIMPI_PLACE_MEMORY, 0, NULL) == memory);
        assert_true(fill_and_read(which, SKIMPI_PLACE_MEMORY, CHUNKS / 2, NULL) == memory);
        assert_true(fill_and_read(which, SKIMPI_PLACE_MEMORY, CHUNKS, NULL) == memory);
    }
}

/* ---- exact bounds -------------------------------------------------------------------------------------------------- */

static void bounds_are_exact(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        for (uint32_t rows = 1; rows <= 20000; rows *= 11) {
            uint64_t nonzeros = which == 0 ? 0 : (uint64_t)rows * 13;
            skimp_budget *budget = data_budget(0);
            skimpi_schema *schema = schema_of(budget, which);
            skimpi_store *store;
            skimpi_encoder *encoder;
            skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY };
            assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
            assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_STORE),
                             skimpi_store_bytes(schema, 0, SKIMPI_PLACE_MEMORY));
            uint64_t before = skimp_budget_in_use(budget);
            const uint64_t encoded = rows % 2 != 0 ? 0 : 64 * (uint64_t)rows;
            assert_int_equal(skimpi_encoder_create(&encoder, store, rows, nonzeros, encoded, NULL), SKIMP_OK);
            assert_int_equal(skimp_budget_in_use(budget) - before,
                             skimpi_encoder_bytes(schema, rows, nonzeros, encoded));
            /* A chunk of that size fits without growing, and takes what the store's plan says. */
            skimpi_raw raw;
            assert_int_equal(skimpi_raw_create(&raw, budget, schema, rows, nonzeros, NULL), SKIMP_OK);
            if (which == 0) {
                data_fill_table(&raw, schema, rows, 1);
            } else {
                data_fill_sparse(&raw, schema, rows, 6, 2, 1);
            }
            before = skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE);
            assert_int_equal(data_append(store, encoder, &raw, 0, 2, NULL), SKIMP_OK);
            assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE), before);
            assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
            const skimpi_summary *summary = skimpi_store_summary(store);
            uint64_t targets = 2 * skimp_alloc_cost(summary->n_target_values * sizeof(double));
            assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_STORE) -
                                 (summary->n_target_values != 0 ? targets : 0),
                             skimpi_store_bytes(schema, summary->store_bytes, SKIMPI_PLACE_MEMORY));
            assert_true(summary->store_bytes <= skimpi_chunk_bound(schema, rows, raw.nonzeros));
            skimpi_raw_destroy(&raw, schema);
            skimpi_encoder_destroy(encoder);
            skimpi_store_destroy(store);
            skimpi_schema_destroy(schema);
            assert_int_equal(skimp_budget_destroy(budget), 0);
        }
    }
}

static uint64_t floats(uint64_t n)
{
    return (n + 15) / 16 * 64;
}

/* One chunk of 100 rows, counted by hand; and decoders take that much, whatever is asked of them. */
static void areas_are_exact(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        skimp_budget *budget = data_budget(0);
        skimpi_schema *schema = which == 0 ? data_table(budget, 7, 2) : schema_of(budget, which);
        skimpi_raw raw;
        skimpi_store *store;
        skimpi_encoder *encoder;
        skimpi_store_options store_options = { .place = SKIMPI_PLACE_MEMORY,
                                               .spill_directory = ".",
                                               .allow_tmpfs = true };
        assert_int_equal(skimpi_raw_create(&raw, budget, schema, 100, 2000, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_create(&store, budget, schema, &store_options, NULL), SKIMP_OK);
        assert_int_equal(skimpi_encoder_create(&encoder, store, 100, 2000, 0, NULL), SKIMP_OK);
        if (which == 0) {
            data_fill_table(&raw, schema, 100, 1);
        } else {
            data_fill_sparse(&raw, schema, 100, 6, which == 1 ? 0 : 2, 1);
        }
        assert_int_equal(data_append(store, encoder, &raw, 0, 2, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
        const skimpi_summary *summary = skimpi_store_summary(store);
        const uint64_t n = raw.nonzeros, rows = floats(100);
        /*
         * The table: kinds 0, 1, 4 and 5 are floats, 4 and 5 as they are stored; 2, 3 and 6 doubles, 6 as it is stored;
         * codes; a target of integers and a weight of doubles. Sparse: ones with short indices; doubles with long ones.
         */
        const skimpi_area wanted[3] = {
            { (4 + 2) * rows + (3 + 2) * 2 * rows, (2 + 2) * rows + (2 + 1) * 2 * rows, 0 },
            { floats(101) + floats(n) + 2 * rows, floats(n), floats(n) },
            { floats(101) + 2 * floats(n) + 2 * floats(n) + 2 * rows, 0, 0 },
        };
        const skimpi_area area = summary->largest_area;
        assert_int_equal(area.memory, wanted[which].memory);
        assert_int_equal(area.file, wanted[which].file);
        assert_int_equal(area.ones, wanted[which].ones);
        for (int spilled = 0; spilled < 2; spilled++) {
            if (spilled) {
                assert_int_equal(skimpi_store_spill(store, NULL), SKIMP_OK);
            }
            for (int asked = 0; asked < 4; asked++) {
                skimpi_decoder_options options = { .with_weight = (asked & 1) != 0, .with_values = (asked & 2) != 0 };
                skimpi_decoder *decoder;
                skimpi_chunk *chunk;
                uint64_t before = skimp_budget_tag_in_use(budget, SKIMP_TAG_CHUNKS);
                assert_int_equal(skimpi_decoder_create(&decoder, store, &options, NULL), SKIMP_OK);
                uint64_t charged = skimp_budget_tag_in_use(budget, SKIMP_TAG_CHUNKS) - before;
                assert_int_equal(charged, skimpi_decoder_bytes(schema, 100, summary->largest_chunk_bytes, &area,
                                                               &options, skimpi_store_place(store)));
                uint64_t more =
                    (options.with_weight && which != 0 ? 2 * rows : 0) + (options.with_values ? area.ones : 0);
                skimpi_area both = { area.memory + more, area.file + more, 0 };
                assert_int_equal(charged, skimpi_decoder_bytes(schema, 100, summary->largest_chunk_bytes, &both, NULL,
                                                               skimpi_store_place(store)));
                assert_int_equal(skimpi_store_read_chunk(store, decoder, 0, &chunk, NULL), SKIMP_OK);
                assert_true((chunk->weight != NULL) == (which == 0 || options.with_weight));
                assert_true(which != 1 || (chunk->csr.f32 != NULL) == options.with_values);
                for (uint64_t i = 0; which == 1 && options.with_values && i < n; i++) {
                    assert_true(chunk->csr.f32[i] == 1);
                }
                for (uint32_t i = 0; which != 0 && options.with_weight && i < 100; i++) {
                    assert_true(chunk->weight[i] == 1);
                }
                skimpi_decoder_destroy(decoder);
            }
        }
        skimpi_encoder_destroy(encoder);
        skimpi_store_destroy(store);
        skimpi_raw_destroy(&raw, schema);
        skimpi_schema_destroy(schema);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

/* ---- the budget refuses -------------------------------------------------------------------------------------------- */

static void moves_out_when_the_budget_refuses(void **state)
{
    (void)state;
    uint64_t wanted = fill_and_read(0, SKIMPI_PLACE_MEMORY, UINT32_MAX, NULL), peak = 0;
    for (int with_directory = 0; with_directory < 2; with_directory++) {
        skimp_budget *root = data_budget(0);
        skimpi_schema *schema = schema_of(root, 0);
        skimpi_raw raw;
        assert_int_equal(skimpi_raw_create(&raw, root, schema, ROWS, 0, NULL), SKIMP_OK);
        skimp_budget *budget;
        uint64_t encoder_bytes = skimpi_encoder_bytes(schema, ROWS, 0, 0);
        skimp_budget_options limited = { .size = sizeof(limited),
                                         .parent = root,
                                         .limit = encoder_bytes + (1 << 20) + (200 << 10) };
        assert_int_equal(skimp_budget_create(&budget, &limited, NULL), SKIMP_OK);
        skimpi_store *store;
        skimpi_encoder *encoder;
        skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY,
                                         .spill_directory = with_directory ? "." : NULL,
                                         .allow_tmpfs = true };
        assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
        assert_int_equal(skimpi_encoder_create(&encoder, store, ROWS, 0, 0, NULL), SKIMP_OK);
        skimp_status status = SKIMP_OK;
        skimp_error error = SKIMP_ERROR_INIT;
        for (uint32_t c = 0; c < CHUNKS && status == SKIMP_OK; c++) {
            fill(&raw, schema, c);
            status = data_append(store, encoder, &raw, c, 2 + c * ROWS, &error);
        }
        if (with_directory) {
            assert_int_equal(status, SKIMP_OK);
            assert_int_equal(skimpi_store_place(store), SKIMPI_PLACE_SPILL);
            assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
            skimpi_encoder_destroy(encoder);
            skimpi_decoder *decoder;
            skimpi_scan scan;
            skimpi_chunk *chunk;
            bool done = false;
            uint64_t sum = 0;
            assert_int_equal(skimpi_decoder_create(&decoder, store, NULL, NULL), SKIMP_OK);
            skimpi_scan_begin(store, &scan);
            while (skimpi_scan_next(store, &scan, decoder, &chunk, &done, NULL) == SKIMP_OK && !done) {
                sum = skimpi_mix64(sum ^ digest(chunk));
            }
            assert_true(done && sum == wanted);
            skimpi_decoder_destroy(decoder);
        } else {
            assert_int_equal(status, SKIMP_ERROR_BUDGET);
            assert_int_equal(error.code, SKIMP_ERROR_BUDGET);
            assert_true(error.requested != 0 && error.limit == limited.limit);
            skimpi_encoder_destroy(encoder);
        }
        peak = skimp_budget_peak(budget);
        assert_true(peak <= limited.limit);
        skimpi_store_destroy(store);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        skimpi_raw_destroy(&raw, schema);
        skimpi_schema_destroy(schema);
        assert_int_equal(skimp_budget_destroy(root), 0);
    }
}

static uint64_t reclaim_by_spilling(void *context, uint64_t wanted)
{
    skimpi_store *store = *(skimpi_store **)context;
    if (store == NULL || skimpi_store_place(store) != SKIMPI_PLACE_MEMORY) {
        return 0;
    }
    uint64_t bytes = 1 << 20;
    return wanted == 0 || skimpi_store_spill(store, NULL) == SKIMP_OK ? bytes : 0;
}

/* The store itself asks for the memory that makes the budget reclaim by spilling it. */
static void reclaiming_spills_the_store_that_grows(void **state)
{
    (void)state;
    skimp_budget *root = data_budget(0);
    skimpi_schema *schema = schema_of(root, 0);
    skimpi_raw raw;
    assert_int_equal(skimpi_raw_create(&raw, root, schema, ROWS, 0, NULL), SKIMP_OK);
    skimp_budget *budget;
    skimpi_store *store = NULL;
    skimpi_encoder *encoder;
    uint64_t soft = skimpi_encoder_bytes(schema, ROWS, 0, 0) + (1 << 20) + (200 << 10);
    skimp_budget_options limits = {
        .size = sizeof(limits), .parent = root, .limit = soft + (8 << 20), .soft_limit = soft
    };
    skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY, .spill_directory = ".", .allow_tmpfs = true };
    assert_int_equal(skimp_budget_create(&budget, &limits, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_on_reclaim(budget, reclaim_by_spilling, &store, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
    assert_int_equal(skimpi_encoder_create(&encoder, store, ROWS, 0, 0, NULL), SKIMP_OK);
    for (uint32_t c = 0; c < CHUNKS; c++) {
        fill(&raw, schema, c);
        assert_int_equal(data_append(store, encoder, &raw, c, 2 + c * ROWS, NULL), SKIMP_OK);
    }
    assert_int_equal(skimpi_store_place(store), SKIMPI_PLACE_SPILL);
    assert_true(skimp_budget_tag_in_use(budget, SKIMP_TAG_STORE) < 1 << 20);
    skimp_budget_off_reclaim(budget, reclaim_by_spilling, &store);
    skimpi_encoder_destroy(encoder);
    skimpi_store_destroy(store);
    assert_int_equal(skimp_budget_destroy(budget), 0);
    skimpi_raw_destroy(&raw, schema);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(root), 0);
}

/* ---- failures ------------------------------------------------------------------------------------------------------ */

static skimp_status whole_life(int which, skimpi_place place, const skimpi_schema *schema, skimp_budget *budget,
                               skimpi_raw *raws, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_store *store = NULL;
    skimpi_encoder *encoder = NULL;
    skimpi_decoder *decoder = NULL;
    skimpi_store_options options = { .place = place,
                                     .spill_directory = place == SKIMPI_PLACE_SPILL ? "." : NULL,
                                     .allow_tmpfs = true };
    SKIMPI_TRY(skimpi_store_create(&store, budget, schema, &options, error));
    SKIMPI_TRY(skimpi_encoder_create(&encoder, store, 1, 1, 1, error));
    for (uint32_t c = 0; c < 3; c++) {
        SKIMPI_TRY(data_append(store, encoder, &raws[c], c, 2 + c * ROWS, error));
    }
    SKIMPI_TRY(skimpi_store_finish(store, &encoder, 1, error));
    SKIMPI_TRY(skimpi_decoder_create(&decoder, store, NULL, error));
    skimpi_scan scan;
    skimpi_chunk *chunk;
    bool done = false;
    skimpi_scan_begin(store, &scan);
    while (!done) {
        SKIMPI_TRY(skimpi_scan_next(store, &scan, decoder, &chunk, &done, error));
        if (!done) {
            check_chunk(chunk, &raws[chunk->index], schema);
        }
    }
out:
    (void)which;
    skimpi_decoder_destroy(decoder);
    skimpi_encoder_destroy(encoder);
    skimpi_store_destroy(store);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        for (int place = SKIMPI_PLACE_MEMORY; place <= SKIMPI_PLACE_SPILL; place++) {
            skimp_budget *budget = data_budget(0);
            skimpi_schema *schema = schema_of(budget, which);
            skimpi_raw raws[3];
            for (uint32_t c = 0; c < 3; c++) {
                assert_int_equal(skimpi_raw_create(&raws[c], budget, schema, 1, 1, NULL), SKIMP_OK);
                fill(&raws[c], schema, c);
            }
            uint64_t before = skimp_budget_in_use(budget), nth = 1;
            for (;; nth++) {
                skimp_error error = SKIMP_ERROR_INIT;
                skimpi_fault_set(nth, nth % 2 == 0);
                skimp_status status = whole_life(which, (skimpi_place)place, schema, budget, raws, &error);
                uint64_t made = skimpi_fault_set(0, false);
                assert_int_equal(skimp_budget_in_use(budget), before);
                if (status == SKIMP_OK) {
                    assert_true(made < nth);
                    break;
                }
                assert_int_equal(error.code, SKIMP_ERROR_NOMEM);
            }
            assert_true(nth > 8);
            for (uint32_t c = 0; c < 3; c++) {
                skimpi_raw_destroy(&raws[c], schema);
            }
            skimpi_schema_destroy(schema);
            assert_int_equal(skimp_budget_destroy(budget), 0);
        }
    }
}

static void unfit_spill_directories(void **state)
{
    (void)state;
    skimp_budget *budget = data_budget(0);
    skimpi_schema *schema = schema_of(budget, 0);
    skimpi_store *store;
    skimp_error error = SKIMP_ERROR_INIT;
    skimpi_store_options options = { .place = SKIMPI_PLACE_SPILL, .spill_directory = "/nonexistent/here" };
    uint64_t before = skimp_budget_in_use(budget);
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, &error), SKIMP_ERROR_IO);
    assert_non_null(strstr(error.message, "/nonexistent/here"));
    assert_null(store);
    uint64_t free_bytes;
    bool is_memory;
    if (skimpi_os_disk("/dev/shm", &free_bytes, &is_memory, NULL) == SKIMP_OK && is_memory) {
        error = (skimp_error)SKIMP_ERROR_INIT;
        options.spill_directory = "/dev/shm";
        assert_int_equal(skimpi_store_create(&store, budget, schema, &options, &error), SKIMP_ERROR_IO);
        assert_non_null(strstr(error.message, "--spill-dir"));
        options.allow_tmpfs = true;
        assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
        skimpi_store_destroy(store);
    }
    error = (skimp_error)SKIMP_ERROR_INIT;
    options = (skimpi_store_options){
        .place = SKIMPI_PLACE_SPILL, .spill_directory = ".", .allow_tmpfs = true, .expected_bytes = (uint64_t)1 << 60
    };
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, &error), SKIMP_ERROR_IO);
    assert_true(error.requested > options.expected_bytes);
    options = (skimpi_store_options){ .place = SKIMPI_PLACE_SPILL };
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_ERROR_PARAM);
    options = (skimpi_store_options){ .place = SKIMPI_PLACE_FILE };
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_budget_in_use(budget), before);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* A directory that cannot be written to: spilling fails, and the store is in memory as before. */
static void a_failed_spill_leaves_the_store(void **state)
{
    (void)state;
    skimp_budget *budget = data_budget(0);
    skimpi_schema *schema = schema_of(budget, 0);
    skimpi_raw raw;
    skimpi_store *store;
    skimpi_encoder *encoder;
    skimpi_decoder *decoder;
    skimpi_chunk *chunk;
    skimp_error error = SKIMP_ERROR_INIT;
    skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY, .spill_directory = "/proc/self" };
    assert_int_equal(skimpi_raw_create(&raw, budget, schema, 1, 1, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
    assert_int_equal(skimpi_encoder_create(&encoder, store, 1, 1, 1, NULL), SKIMP_OK);
    fill(&raw, schema, 0);
    assert_int_equal(data_append(store, encoder, &raw, 0, 2, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_spill(store, &error), SKIMP_ERROR_IO);
    assert_int_equal(skimpi_store_place(store), SKIMPI_PLACE_MEMORY);
    assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
    assert_int_equal(skimpi_decoder_create(&decoder, store, NULL, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_read_chunk(store, decoder, 0, &chunk, NULL), SKIMP_OK);
    check_chunk(chunk, &raw, schema);
    assert_int_equal(skimpi_store_read_chunk(store, decoder, 1, &chunk, NULL), SKIMP_ERROR_INTERNAL);
    skimpi_decoder_destroy(decoder);
    skimpi_encoder_destroy(encoder);
    skimpi_store_destroy(store);
    skimpi_raw_destroy(&raw, schema);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* ---- the summary --------------------------------------------------------------------------------------------------- */

static void summary_says_what_was_there(void **state)
{
    (void)state;
    skimp_budget *budget = data_budget(0);
    skimpi_schema *schema = data_table(budget, 2, 1);
    skimpi_raw raw;
    skimpi_store *store;
    skimpi_encoder *encoders[2];
    skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY };
    assert_int_equal(skimpi_raw_create(&raw, budget, schema, 4, 0, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
    for (int e = 0; e < 2; e++) {
        assert_int_equal(skimpi_encoder_create(&encoders[e], store, 4, 0, 0, NULL), SKIMP_OK);
    }
    for (uint64_t c = 0; c < 6; c++) {
        skimpi_raw_clear(&raw);
        raw.n_rows = 4;
        raw.lines = 4;
        for (uint32_t i = 0; i < 4; i++) {
            double x = (double)(4 * c + i);
            raw.numeric[i] = c >= 3 && i == 2 ? NAN : x;
            raw.numeric[raw.capacity + i] = i == 1 ? -INFINITY : i == 3 && c == 5 ? INFINITY : -x;
            raw.codes[i] = i == 0 ? SKIMPI_CODE_MISSING : i;
            raw.target[i] = c == 4 ? NAN : (double)(i % 3) - 0.5 * (c == 0);
            raw.weight[i] = 2;
        }
        if (c == 3) { /* where rows were left out, no line is known */
            raw.rows_bad = 2;
            raw.rows_missing = 1;
        }
        assert_int_equal(data_append(store, encoders[c % 2], &raw, c, 2 + c * ROWS, NULL), SKIMP_OK);
    }
    /* A unit without rows is counted too. */
    skimpi_raw_clear(&raw);
    raw.rows_bad = 5;
    assert_int_equal(skimpi_encoder_encode(encoders[0], &raw, 99, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_finish(store, encoders, 2, NULL), SKIMP_OK);
    const skimpi_summary *s = skimpi_store_summary(store);
    assert_int_equal(s->n_rows, 24);
    assert_int_equal(s->largest_chunk_rows, 4);
    assert_int_equal(s->rows_bad, 7);
    assert_int_equal(s->rows_missing, 1);
    assert_int_equal(s->numeric[0].n_missing, 3);
    assert_true(s->numeric[0].minimum == 0 && s->numeric[0].maximum == 23);
    assert_int_equal(s->numeric[0].first_missing_row, 2 + 4 * ROWS + 2);
    assert_int_equal(s->numeric[0].n_infinite, 0);
    assert_int_equal(s->numeric[1].n_infinite, 7);
    assert_int_equal(s->numeric[1].first_infinite_row, 3);
    assert_true(s->numeric[1].minimum == -22 && s->numeric[1].maximum == 0);
    assert_int_equal(s->category_missing[0], 6);
    assert_int_equal(s->target.n_missing, 4);
    assert_true(s->weight.minimum == 2 && s->weight.maximum == 2);
    static const double values[] = { -0.5, 0, 0.5, 1, 1.5, 2 };
    static const uint64_t counts[] = { 2, 8, 1, 4, 1, 4 };
    assert_int_equal(s->n_target_values, 6);
    for (int i = 0; i < 6; i++) {
        assert_true(s->target_values[i] == values[i]);
        assert_int_equal(s->target_counts[i], counts[i]);
    }
    skimpi_encoder_destroy(encoders[0]);
    skimpi_encoder_destroy(encoders[1]);
    skimpi_store_destroy(store);
    skimpi_raw_destroy(&raw, schema);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* As many classes as there may be, and one more. */
static void many_target_values(void **state)
{
    (void)state;
    for (uint32_t n = SKIMPI_MAX_CLASSES; n <= SKIMPI_MAX_CLASSES + 1; n++) {
        skimp_budget *budget = data_budget(0);
        skimpi_schema *schema = data_table(budget, 1, 0);
        skimpi_raw raw;
        skimpi_store *store;
        skimpi_encoder *encoder;
        skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY };
        assert_int_equal(skimpi_raw_create(&raw, budget, schema, n, 0, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
        assert_int_equal(skimpi_encoder_create(&encoder, store, n, 0, 0, NULL), SKIMP_OK);
        skimpi_raw_clear(&raw);
        raw.n_rows = n;
        for (uint32_t i = 0; i < n; i++) {
            raw.target[i] = (double)(i * 7919u % n) * 0.1;
        }
        assert_int_equal(data_append(store, encoder, &raw, 0, 2, NULL), SKIMP_OK);
        assert_int_equal(skimpi_encoder_encode(encoder, &raw, 0, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_place_chunk(store, encoder, 1, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_write_chunk(store, encoder, NULL), SKIMP_OK);
        assert_true(skimp_budget_tag_peak(budget, SKIMP_TAG_STORE) <=
                    skimpi_store_bytes(schema, 4 << 20, SKIMPI_PLACE_MEMORY) + SKIMPI_TARGET_SET_BYTES);
        assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
        const skimpi_summary *s = skimpi_store_summary(store);
        assert_int_equal(s->n_target_values, n > SKIMPI_MAX_CLASSES ? 0 : n);
        assert_true((s->target_values == NULL) == (n > SKIMPI_MAX_CLASSES));
        for (uint32_t i = 0; i < s->n_target_values; i++) {
            assert_true(s->target_values[i] == i * 0.1);
            assert_int_equal(s->target_counts[i], 2);
        }
        skimpi_encoder_destroy(encoder);
        skimpi_store_destroy(store);
        skimpi_raw_destroy(&raw, schema);
        skimpi_schema_destroy(schema);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

/* ---- many chunks, many threads --------------------------------------------------------------------------------------- */

/* More chunks than the index has entries: any of them is still found. */
static void a_small_index_finds_many_chunks(void **state)
{
    (void)state;
    const uint64_t n = 20000;
    skimp_budget *budget = data_budget(0);
    skimpi_schema *schema = data_table(budget, 1, 0);
    skimpi_raw raw;
    skimpi_store *store;
    skimpi_encoder *encoder;
    skimpi_decoder *decoder;
    skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY };
    assert_int_equal(skimpi_raw_create(&raw, budget, schema, 2, 0, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
    assert_int_equal(skimpi_encoder_create(&encoder, store, 2, 0, 0, NULL), SKIMP_OK);
    for (uint64_t c = 0; c < n; c++) {
        skimpi_raw_clear(&raw);
        raw.n_rows = 1 + c % 2;
        raw.numeric[0] = (double)c;
        raw.numeric[1] = (double)c + 0.5;
        raw.target[0] = raw.target[1] = 0;
        raw.weight[0] = raw.weight[1] = 1;
        assert_int_equal(data_append(store, encoder, &raw, c, 2 + c * ROWS, NULL), SKIMP_OK);
    }
    assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
    assert_int_equal(skimpi_decoder_create(&decoder, store, NULL, NULL), SKIMP_OK);
    for (uint64_t k = 0; k < n; k++) {
        skimpi_chunk *chunk;
        uint64_t c = k * 7919 % n;
        assert_int_equal(skimpi_store_read_chunk(store, decoder, c, &chunk, NULL), SKIMP_OK);
        assert_int_equal(chunk->index, c);
        assert_int_equal(chunk->first_row, c + c / 2);
        assert_true(chunk->dense[0].f32[0] == (float)c);
    }
    assert_true(sizeof(double) * 4096 <= 65536);
    skimpi_decoder_destroy(decoder);
    skimpi_encoder_destroy(encoder);
    skimpi_store_destroy(store);
    skimpi_raw_destroy(&raw, schema);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

typedef struct team {
    const skimpi_schema *schema;
    skimpi_store *store;
    skimpi_turns *turns;
    skimpi_raw raws[5];
    skimpi_encoder *encoders[5];
    skimpi_decoder *decoders[5];
    skimpi_scan scan;
    atomic_uint_fast64_t next;
    atomic_uint_fast64_t sum;
    uint64_t digests[CHUNKS];
    bool spill;
} team;

static skimp_status write_work(void *context, unsigned worker, skimp_error *error)
{
    team *t = context;
    skimp_status status = SKIMP_OK;
    for (uint64_t c; (c = atomic_fetch_add(&t->next, 1)) < CHUNKS;) {
        fill(&t->raws[worker], t->schema, (uint32_t)c);
        SKIMPI_TRY(skimpi_encoder_encode(t->encoders[worker], &t->raws[worker], 1, error));
        assert_true(skimpi_turns_wait(t->turns, c));
        SKIMPI_TRY(skimpi_store_place_chunk(t->store, t->encoders[worker], c, error));
        skimpi_turns_pass(t->turns, c);
        if (t->spill && c == CHUNKS / 3) {
            SKIMPI_TRY(skimpi_store_spill(t->store, error));
        }
        SKIMPI_TRY(skimpi_store_write_chunk(t->store, t->encoders[worker], error));
    }
out:
    return status;
}

static skimp_status read_work(void *context, unsigned worker, skimp_error *error)
{
    team *t = context;
    skimp_status status = SKIMP_OK;
    for (;;) {
        skimpi_chunk *chunk;
        bool done;
        SKIMPI_TRY(skimpi_scan_next(t->store, &t->scan, t->decoders[worker], &chunk, &done, error));
        if (done) {
            break;
        }
        t->digests[chunk->index] = digest(chunk);
    }
out:
    return status;
}

static void same_from_any_number_of_threads(void **state)
{
    (void)state;
    uint64_t wanted = fill_and_read(0, SKIMPI_PLACE_MEMORY, UINT32_MAX, NULL);
    for (int round = 0; round < 6; round++) {
        unsigned n = round % 3 == 0 ? 1 : round % 3 == 1 ? 2 : 5;
        skimp_budget *budget = data_budget(0);
        static team t;
        memset(&t, 0, sizeof(t));
        skimpi_schema *schema = schema_of(budget, 0);
        skimpi_pool *pool;
        skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY,
                                         .spill_directory = ".",
                                         .allow_tmpfs = true,
                                         .write_back_early = round % 2 == 0 };
        t.schema = schema;
        t.spill = round >= 3;
        assert_int_equal(skimpi_pool_create(&pool, budget, n, NULL), SKIMP_OK);
        assert_int_equal(skimpi_turns_create(&t.turns, budget, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_create(&t.store, budget, schema, &options, NULL), SKIMP_OK);
        for (unsigned w = 0; w < n; w++) {
            assert_int_equal(skimpi_raw_create(&t.raws[w], budget, schema, 1, 1, NULL), SKIMP_OK);
            assert_int_equal(skimpi_encoder_create(&t.encoders[w], t.store, 1, 1, 1, NULL), SKIMP_OK);
        }
        assert_int_equal(skimpi_pool_run(pool, write_work, &t, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_finish(t.store, t.encoders, n, NULL), SKIMP_OK);
        for (unsigned w = 0; w < n; w++) {
            assert_int_equal(skimpi_decoder_create(&t.decoders[w], t.store, NULL, NULL), SKIMP_OK);
        }
        skimpi_scan_begin(t.store, &t.scan);
        assert_int_equal(skimpi_pool_run(pool, read_work, &t, NULL), SKIMP_OK);
        uint64_t sum = 0;
        for (uint32_t c = 0; c < CHUNKS; c++) {
            sum = skimpi_mix64(sum ^ t.digests[c]);
        }
        assert_true(sum == wanted);
        for (unsigned w = 0; w < n; w++) {
            skimpi_decoder_destroy(t.decoders[w]);
            skimpi_encoder_destroy(t.encoders[w]);
            skimpi_raw_destroy(&t.raws[w], schema);
        }
        skimpi_store_destroy(t.store);
        skimpi_turns_destroy(t.turns);
        skimpi_pool_destroy(pool);
        skimpi_schema_destroy(schema);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

/* ---- options ---------------------------------------------------------------------------------------------------- */

static void decoder_options_place_features(void **state)
{
    (void)state;
    skimp_budget *budget = data_budget(0);
    skimpi_schema *schema = data_table(budget, 2, 2);
    skimpi_raw raw;
    skimpi_store *store;
    skimpi_encoder *encoder;
    skimpi_decoder *decoder;
    skimpi_chunk *chunk;
    uint32_t reversed[5] = { 4, 3, 2, 1, 0 };
    const uint32_t *ranks[2] = { reversed, NULL };
    const uint64_t features[2] = { 3, 500 }, code_features[2] = { 4, 10 };
    const uint32_t n_codes[2] = { 5, 300 };
    skimpi_decoder_options options = {
        .ranks = ranks, .features = features, .code_features = code_features, .n_codes = n_codes
    };
    skimpi_store_options store_options = { .place = SKIMPI_PLACE_MEMORY };
    assert_int_equal(skimpi_raw_create(&raw, budget, schema, 1, 1, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_create(&store, budget, schema, &store_options, NULL), SKIMP_OK);
    assert_int_equal(skimpi_encoder_create(&encoder, store, 1, 1, 1, NULL), SKIMP_OK);
    data_fill_table(&raw, schema, 100, 5);
    assert_int_equal(skimpi_decoder_create(&decoder, store, NULL, NULL), SKIMP_ERROR_INTERNAL);
    assert_int_equal(data_append(store, encoder, &raw, 0, 2, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_place_chunk(store, encoder, 0, NULL), SKIMP_ERROR_INTERNAL);
    assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
    assert_int_equal(skimpi_decoder_create(&decoder, store, &options, NULL), SKIMP_OK);
    assert_int_equal(skimpi_store_read_chunk(store, decoder, 0, &chunk, NULL), SKIMP_OK);
    assert_int_equal(chunk->dense[0].feature, 3);
    assert_int_equal(chunk->dense[1].feature, 500);
    assert_int_equal(chunk->codes[0].feature, 4);
    assert_int_equal(chunk->codes[1].feature, 10);
    assert_int_equal(chunk->codes[1].n_codes, 300);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t code = raw.codes[i];
        assert_int_equal(chunk->codes[0].codes[i], code < 5 ? 4 - code : code);
        assert_int_equal(chunk->codes[1].codes[i], raw.codes[raw.capacity + i]);
    }
    skimpi_decoder_destroy(decoder);
    skimpi_encoder_destroy(encoder);
    skimpi_store_destroy(store);
    skimpi_raw_destroy(&raw, schema);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_gives_the_same),
        cmocka_unit_test(bounds_are_exact),
        cmocka_unit_test(areas_are_exact),
        cmocka_unit_test(moves_out_when_the_budget_refuses),
        cmocka_unit_test(reclaiming_spills_the_store_that_grows),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(unfit_spill_directories),
        cmocka_unit_test(a_failed_spill_leaves_the_store),
        cmocka_unit_test(summary_says_what_was_there),
        cmocka_unit_test(many_target_values),
        cmocka_unit_test(a_small_index_finds_many_chunks),
        cmocka_unit_test(same_from_any_number_of_threads),
        cmocka_unit_test(decoder_options_place_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
