/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Some rows of a kept store, as if it held only these: what cross-validation reads its folds through.  Nothing is copied: a
 * chunk is decoded and loses the rows that are not seen (or, where none is, is not read); rows are counted anew.
 *
 * What the summary says of the rows that are seen (classes, missing values, extremes) takes a look at all of them.  Texts
 * that none of them has then leave the dictionaries, and codes become places among those that are left.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/store_internal.h"

#define BLOCK_ROWS 4096u /* a multiple of 64 */

static uint64_t word_at(const uint8_t *rows, uint64_t n_rows, uint64_t first)
{
    uint64_t word = 0;
    const uint64_t bytes = (n_rows + 7) / 8 - first / 8;
    memcpy(&word, rows + first / 8, bytes < sizeof word ? bytes : sizeof word);
    return word;
}

/* Rows of [first, end), which lie in a block, that are seen; first is a multiple of 64. */
static uint64_t count_rows(const skimpi_selection *selection, uint64_t first, uint64_t end)
{
    uint64_t n = 0;
    for (uint64_t at = first; at < end; at += 64) {
        uint64_t word = word_at(selection->rows, selection->n_all, at);
        if (end - at < 64) {
            word &= ((uint64_t)1 << (end - at)) - 1;
        }
        n += (unsigned)__builtin_popcountll(word);
    }
    return n;
}

/* Rows before `row` that are seen. */
static uint64_t rows_before(const skimpi_selection *selection, uint64_t row)
{
    const uint64_t block = row / BLOCK_ROWS;
    return selection->before[block] + count_rows(selection, block * BLOCK_ROWS, row);
}

static bool is_seen(const skimpi_selection *selection, uint64_t row)
{
    return (selection->rows[row / 8] >> row % 8 & 1) != 0;
}

void skimpi_selection_free(skimpi_store *store)
{
    skimpi_selection *selection = store->selection;
    skimp_budget *budget = store->budget;
    if (selection == NULL) {
        return;
    }
    for (uint32_t d = 0; d < selection->n_dictionaries; d++) {
        if (selection->codes != NULL) {
            skimp_free(budget, SKIMP_TAG_CATEGORIES, selection->codes[d], selection->n_texts[d], sizeof(uint32_t));
        }
        if (selection->occurs != NULL) {
            skimp_free(budget, SKIMP_TAG_CATEGORIES, selection->occurs[d], selection->n_texts[d], 1);
        }
    }
    skimp_free(budget, SKIMP_TAG_OTHER, selection->codes, selection->n_dictionaries, sizeof *selection->codes);
    skimp_free(budget, SKIMP_TAG_OTHER, selection->occurs, selection->n_dictionaries, sizeof *selection->occurs);
    skimp_free(budget, SKIMP_TAG_OTHER, selection->n_texts, selection->n_dictionaries, sizeof *selection->n_texts);
    skimp_free(budget, SKIMP_TAG_OTHER, selection->before, selection->n_blocks + 1, sizeof *selection->before);
    skimp_free(budget, SKIMP_TAG_OTHER, selection, 1, sizeof *selection);
    store->selection = NULL;
}

static uint32_t texts_of(const skimpi_schema *schema, uint32_t d)
{
    return schema->dictionaries != NULL && schema->dictionaries[d] != NULL
               ? skimpi_dictionary_size(schema->dictionaries[d])
               : 0;
}

skimp_status skimpi_store_select(skimpi_store *store, const uint8_t *rows, uint64_t n_rows, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = store->budget;
    void *block = NULL;
    if (store->place != SKIMPI_PLACE_FILE || store->selection != NULL) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "rows are selected of kept stores, and once");
    }
    if (n_rows != store->summary.n_rows) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%" PRIu64 " rows to choose from, but the store has %" PRIu64,
                           n_rows, store->summary.n_rows);
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, 1, sizeof *store->selection, &block, error));
    skimpi_selection *selection = store->selection = block;
    selection->rows = rows;
    selection->n_all = n_rows;
    selection->n_blocks = n_rows / BLOCK_ROWS + 1;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, selection->n_blocks + 1, sizeof *selection->before, &block, error));
    selection->before = block;
    for (uint64_t b = 0; b < selection->n_blocks; b++) {
        const uint64_t first = b * BLOCK_ROWS, end = skimpi_min_u64(first + BLOCK_ROWS, n_rows);
        selection->before[b + 1] = selection->before[b] + count_rows(selection, first, end);
    }
    selection->n_dictionaries = store->schema->n_category + 1;
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_OTHER, selection->n_dictionaries, sizeof *selection->n_texts, &block, error));
    selection->n_texts = block;
    for (uint32_t d = 0; d < selection->n_dictionaries; d++) {
        selection->n_texts[d] = texts_of(store->schema, d);
    }
    store->summary.n_rows = selection->before[selection->n_blocks];
    store->summary.has_spreads = false; /* they are of all rows */
out:
    if (status != SKIMP_OK) {
        skimpi_selection_free(store);
    }
    return status;
}

bool skimpi_store_is_selected(const skimpi_store *store)
{
    return store->selection != NULL;
}

bool skimpi_store_has_bounds(const skimpi_store *store)
{
    return store->selection != NULL && store->selection->codes == NULL;
}

/* ---- chunks --------------------------------------------------------------------------------------------------------- */

bool skimpi_selection_any(const skimpi_selection *selection, uint64_t first, uint32_t n)
{
    return rows_before(selection, first + n) > rows_before(selection, first);
}

/* Codes as they are stored become those of the texts that are left, and then ranks, where these are wanted. */
static void translate(const skimpi_store *store, const skimpi_decoder *decoder, uint32_t d, uint32_t n, uint32_t *codes)
{
    const skimpi_selection *selection = store->selection;
    const uint32_t *map = selection->codes != NULL ? selection->codes[d] : NULL;
    const uint32_t *rank = decoder->options.ranks != NULL ? decoder->options.ranks[d] : NULL;
    const uint32_t n_all = selection->n_texts[d], n_left = rank != NULL ? texts_of(store->schema, d) : 0;
    for (uint32_t i = 0; i < n && (map != NULL || rank != NULL); i++) {
        uint32_t code = codes[i];
        code = map != NULL && code < n_all ? map[code] : code;
        codes[i] = code < n_left ? rank[code] : code;
    }
}

void skimpi_selection_apply(const skimpi_store *store, skimpi_decoder *decoder)
{
    const skimpi_selection *selection = store->selection;
    const uint32_t target = store->schema->n_category;
    skimpi_chunk *chunk = &decoder->chunk;
    const uint64_t first = chunk->first_row;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        decoder->keep[i] = is_seen(selection, first + i);
    }
    skimpi_chunk_compact(chunk, decoder->keep);
    chunk->first_row = rows_before(selection, first);
    for (uint32_t j = 0; j < chunk->n_codes; j++) {
        translate(store, decoder, j, chunk->n_rows, chunk->codes[j].codes);
    }
    const uint32_t *map = selection->codes != NULL ? selection->codes[target] : NULL;
    for (uint32_t i = 0; i < chunk->n_rows && map != NULL; i++) {
        const double code = chunk->target[i];
        if (code >= 0 && code < selection->n_texts[target]) {
            chunk->target[i] = map[(uint32_t)code];
        }
    }
}

void skimpi_selection_skip(const skimpi_store *store, skimpi_decoder *decoder, const skimpi_chunk_header *header)
{
    const skimpi_schema *schema = store->schema;
    const bool as_doubles = decoder->options.as_doubles;
    skimpi_chunk *chunk = &decoder->chunk;
    void *nothing = decoder->file; /* no row is looked at, but the ends of none are */
    memset(nothing, 0, SKIMPI_CHUNK_ALIGN);
    decoder->area_used = 0;
    chunk->index = header->index;
    chunk->first_row = rows_before(store->selection, header->first_row);
    chunk->n_rows = 0;
    chunk->n_dense = schema->n_numeric;
    chunk->n_codes = schema->n_category;
    chunk->has_csr = schema->sparse;
    for (uint32_t j = 0; j < schema->n_numeric; j++) {
        chunk->dense[j] = (skimpi_dense_column){ .feature = j,
                                                 .f32 = as_doubles ? NULL : nothing,
                                                 .f64 = as_doubles ? nothing : NULL };
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        chunk->codes[j] = (skimpi_code_column){ .slot = j, .codes = nothing };
    }
    chunk->csr = (skimpi_csr_block){ .indptr = nothing,
                                     .indices = schema->index64 ? NULL : nothing,
                                     .indices64 = schema->index64 ? nothing : NULL,
                                     .f64 = nothing };
    chunk->target = schema->target >= 0 ? nothing : NULL;
    chunk->weight = schema->weight >= 0 || decoder->options.with_weight ? nothing : NULL;
    chunk->row_state = NULL;
}

/* ---- the look at all rows ------------------------------------------------------------------------------------------- */

skimp_status skimpi_selection_begin(skimpi_store *store, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = store->budget;
    skimpi_selection *selection = store->selection;
    skimpi_summary *summary = &store->summary;
    void *block = NULL;
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_OTHER, selection->n_dictionaries, sizeof *selection->occurs, &block, error));
    selection->occurs = block;
    for (uint32_t d = 0; d < selection->n_dictionaries; d++) {
        if (selection->n_texts[d] > 0) {
            SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, selection->n_texts[d], 1, &block, error));
            selection->occurs[d] = block;
        }
    }
    for (uint32_t i = 0; i < skimpi_summary_columns(store->schema); i++) {
        skimpi_column_summary_init(&summary->numeric[i]);
    }
    skimpi_column_summary_init(&summary->target);
    skimpi_column_summary_init(&summary->weight);
    memset(summary->category_missing, 0, store->schema->n_category * sizeof *summary->category_missing);
    skimp_free(budget, SKIMP_TAG_STORE, summary->target_values, summary->n_target_values, sizeof(double));
    skimp_free(budget, SKIMP_TAG_STORE, summary->target_counts, summary->n_target_values, sizeof(uint64_t));
    summary->target_values = NULL;
    summary->target_counts = NULL;
    summary->n_target_values = 0;
    summary->nonzeros = 0;
    summary->data_hash = 0;
out:
    return status;
}

/* Any worker may set a flag, to the same value. */
static void note_text(uint8_t *occurs, uint32_t code)
{
    __atomic_store_n(&occurs[code], 1, __ATOMIC_RELAXED);
}

skimp_status skimpi_selection_note(skimpi_store *store, const skimpi_chunk *chunk, skimpi_target_cache *cache,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_selection *selection = store->selection;
    const uint32_t target = store->schema->n_category, n = chunk->n_rows;
    for (uint32_t j = 0; j < chunk->n_codes; j++) {
        const uint32_t *codes = chunk->codes[j].codes;
        uint64_t missing = 0;
        for (uint32_t i = 0; i < n; i++) {
            missing += codes[i] == SKIMPI_CODE_MISSING;
            if (codes[i] < selection->n_texts[j]) {
                note_text(selection->occurs[j], codes[i]);
            }
        }
        __atomic_fetch_add(&store->summary.category_missing[j], missing, __ATOMIC_RELAXED);
    }
    for (uint32_t i = 0; i < n && selection->n_texts[target] > 0 && chunk->target != NULL; i++) {
        const double code = chunk->target[i];
        if (code >= 0 && code < selection->n_texts[target]) {
            note_text(selection->occurs[target], (uint32_t)code);
        }
    }
    if (chunk->has_csr) {
        __atomic_fetch_add(&store->summary.nonzeros, chunk->csr.indptr[n], __ATOMIC_RELAXED);
    }
    if (chunk->target != NULL) {
        SKIMPI_TRY(skimpi_target_set_add(&store->targets, cache, chunk->target, n, error));
        SKIMPI_TRY(skimpi_target_set_flush(&store->targets, cache, error));
    }
out:
    return status;
}

skimp_status skimpi_selection_end(skimpi_store *store, skimp_error *error)
{
    skimpi_summary *summary = &store->summary;
    return skimpi_target_set_take(&store->targets, &summary->target_values, &summary->target_counts,
                                  &summary->n_target_values, error);
}

/* The dictionary without the texts that no row has, in the order that it was in. */
static skimp_status shorten(skimpi_store *store, skimpi_schema *schema, uint32_t d, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_selection *selection = store->selection;
    skimpi_dictionary *shorter = NULL;
    void *block = NULL;
    const uint32_t n = selection->n_texts[d];
    SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_CATEGORIES, n, sizeof(uint32_t), &block, error));
    selection->codes[d] = block;
    SKIMPI_TRY(skimpi_dictionary_create(&shorter, schema->budget, error));
    for (uint32_t code = 0; code < n; code++) {
        size_t length = 0;
        const char *text = skimpi_dictionary_text(schema->dictionaries[d], code, &length);
        selection->codes[d][code] = SKIMPI_CODE_UNKNOWN;
        if (selection->occurs[d][code] != 0) {
            SKIMPI_TRY(skimpi_dictionary_insert(shorter, text, length, skimpi_dictionary_hash(text, length),
                                                &selection->codes[d][code], error));
        }
    }
    skimpi_dictionary_destroy(schema->dictionaries[d]);
    schema->dictionaries[d] = shorter;
    shorter = NULL;
out:
    skimpi_dictionary_destroy(shorter);
    return status;
}

skimp_status skimpi_store_settle_rows(skimpi_store *store, skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_selection *selection = store->selection;
    void *block = NULL;
    SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_OTHER, selection->n_dictionaries, sizeof *selection->codes, &block,
                           error));
    selection->codes = block;
    for (uint32_t d = 0; d < selection->n_dictionaries; d++) {
        uint32_t n_left = 0;
        for (uint32_t code = 0; code < selection->n_texts[d]; code++) {
            n_left += selection->occurs[d][code];
        }
        if (n_left < selection->n_texts[d]) {
            SKIMPI_TRY(shorten(store, schema, d, error));
        }
        skimp_free(store->budget, SKIMP_TAG_CATEGORIES, selection->occurs[d], selection->n_texts[d], 1);
        selection->occurs[d] = NULL;
    }
out:
    return status;
}

uint64_t skimpi_store_rows_bytes(const skimpi_store *store)
{
    const skimpi_selection *selection = store->selection;
    uint64_t bytes = 0, largest = 0;
    for (uint32_t d = 0; d < selection->n_dictionaries; d++) {
        const uint32_t n = selection->n_texts[d];
        uint64_t text = 0, longest = 0;
        for (uint32_t code = 0; code < n; code++) {
            size_t length = 0;
            (void)skimpi_dictionary_text(store->schema->dictionaries[d], code, &length);
            text += length + 1;
            longest = skimpi_max_u64(longest, length);
        }
        bytes += n > 0 ? skimp_alloc_cost(n) + skimp_alloc_cost(n * sizeof(uint32_t)) : 0;
        largest = skimpi_max_u64(largest, n > 0 ? skimpi_dictionary_bytes(n, text, longest) : 0);
    }
    return bytes + largest; /* a dictionary, and the shorter one that takes its place */
}
