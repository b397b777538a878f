/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model over a kept chunk store, as over the text that the store was made from: the same columns by name, the same
 * chunks, the same order, and the same predictions bit for bit where the store keeps the digits.
 *
 * A store has dictionaries of its own; their texts are looked up once in the model's, and codes then go through a table.
 * Roles that were given when the store was made do not bind the model: the target, the weight and the features are columns
 * with names.  What was left out then cannot be had, nor can the values of a target of which a comparison was kept.
 */
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"

/* Where in a chunk of the store a column is. */
typedef enum source_kind { SOURCE_NONE, SOURCE_NUMERIC, SOURCE_CODES, SOURCE_TARGET, SOURCE_WEIGHT } source_kind;

typedef struct source {
    source_kind kind;
    uint32_t column, slot; /* of the store */
    uint32_t *table;       /* codes: what each text of the store is to the model; NULL: the same */
    uint32_t n_texts;      /* codes at or over this are unknown */
} source;

typedef struct stored_worker {
    skimpi_decoder *decoder;
    uint8_t *keep;         /* rows that stay, where rows with missing values are dropped */
    skimpi_buffer targets; /* codes of text as doubles, where the target is a text column of the store */
    skimpi_buffer codes;   /* the other way round, where a text column is the target of the store */
    uint64_t n_rows, n_dropped;
} stored_worker;

struct skimpi_stored {
    const skimpi_applied *applied;
    skimp_job *job;
    source *numeric, *category; /* per column of the model */
    source target;
    bool is_compared; /* the store keeps the comparison that the target is */
    stored_worker *workers;
    unsigned n_workers;
    skimpi_stored_observe *observe;
    skimpi_stored_progress *progress;
    void *context;
    skimpi_scan scan;
    _Atomic uint64_t bytes, rows;
    _Atomic int failed;
};

/* ---- the view of a store ----------------------------------------------------------------------------------------------- */

skimp_status skimpi_stored_view(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *view = NULL;
    SKIMPI_TRY(skimpi_schema_copy(&view, job->budget, job->schema, error));
    job->stored = job->schema;
    job->schema = view;
out:
    return status;
}

static skimp_status only_compared(const skimp_job *job, const char *name, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer target;
    skimpi_buffer_init(&target, job->budget, SKIMP_TAG_OTHER);
    SKIMPI_TRY(skimpi_target_text(job->stored, &target, error));
    SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, name,
                              "the store keeps '%.200s' of this column, and not its values",
                              (const char *)target.data));
out:
    skimpi_buffer_free(&target);
    return status;
}

skimp_status skimpi_stored_may_read(const skimp_job *job, uint32_t column, const char *name, skimp_error *error)
{
    const skimpi_schema *stored = job->stored;
    const uint8_t role = stored->columns[column].role;
    if (role == SKIMPI_ROLE_DROPPED) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, name,
                              "this column was left out when the store was made (--drop)");
    }
    return role == SKIMPI_ROLE_TARGET && stored->comparison != SKIMPI_CMP_NONE ? only_compared(job, name, error)
                                                                               : SKIMP_OK;
}

/* ---- columns and texts ----------------------------------------------------------------------------------------------- */

static source source_of(const skimpi_schema *stored, uint32_t column)
{
    const skimpi_column *found = &stored->columns[column];
    source from = { .column = column, .slot = found->slot };
    if (found->role == SKIMPI_ROLE_TARGET) {
        from.kind = SOURCE_TARGET;
        from.slot = stored->n_category; /* of its dictionary */
    } else if (found->role == SKIMPI_ROLE_WEIGHT) {
        from.kind = SOURCE_WEIGHT;
    } else {
        from.kind = found->type == SKIMPI_TYPE_CATEGORY ? SOURCE_CODES : SOURCE_NUMERIC;
    }
    return from;
}

/* What a text of the store is in column c of the model's schema. */
static uint32_t code_in_model(const skimpi_schema *schema, uint32_t c, const skimpi_dictionary *known, const char *text,
                              size_t length)
{
    if (known != NULL) {
        return skimpi_dictionary_find(known, text, length, skimpi_dictionary_hash(text, length));
    }
    const char *name = schema->columns[c].name;
    return skimpi_dictionary_hash_code(skimpi_dictionary_hash(name, strlen(name)), text, length, schema->hash_bits);
}

/* The table of a text column. known: the model's dictionary; NULL: it hashes texts. */
static skimp_status make_table(const skimp_job *job, source *from, const skimpi_dictionary *known, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *stored = job->stored, *schema = job->schema;
    const skimpi_dictionary *texts = stored->dictionaries[from->slot];
    const char *name = schema->columns[from->column].name;
    if (from->kind == SOURCE_CODES && stored->hash_bits > 0) {
        const bool same_name = strcmp(stored->columns[from->column].name, name) == 0;
        if (known != NULL || stored->hash_bits != schema->hash_bits || !same_name) {
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, name,
                                  "the store keeps hashes of this column's texts (--hash-bits %u%s), which the model "
                                  "was not trained on",
                                  (unsigned)stored->hash_bits, same_name ? "" : ", under another name");
        }
        from->n_texts = 1u << stored->hash_bits;
        return SKIMP_OK;
    }
    from->n_texts = skimpi_dictionary_size(texts);
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_CATEGORIES, from->n_texts, sizeof *from->table, (void **)&from->table,
                           error));
    for (uint32_t code = 0; code < from->n_texts; code++) {
        size_t length = 0;
        const char *text = skimpi_dictionary_text(texts, code, &length);
        from->table[code] = code_in_model(schema, from->column, known, text, length);
    }
out:
    return status;
}

/* 1 where a text of the store compares as the target asks, 0 where not. */
static skimp_status compare_texts(const skimp_job *job, source *from, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const skimpi_dictionary *texts = job->stored->dictionaries[from->slot];
    const char *right = schema->comparison_text;
    from->n_texts = skimpi_dictionary_size(texts);
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_CATEGORIES, from->n_texts, sizeof *from->table, (void **)&from->table,
                           error));
    for (uint32_t code = 0; code < from->n_texts; code++) {
        size_t length = 0;
        const char *text = skimpi_dictionary_text(texts, code, &length);
        const bool equal = strlen(right) == length && memcmp(right, text, length) == 0;
        from->table[code] = equal == (schema->comparison == SKIMPI_CMP_EQ);
    }
out:
    return status;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The target that the model (or --target) asks for, from what the store keeps. */
static skimp_status find_target(skimpi_stored *own, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_job *job = own->job;
    const skimpi_schema *stored = job->stored, *schema = job->schema;
    const char *name = schema->sparse || schema->target < 0 ? "label" : schema->columns[schema->target].name;
    if (schema->target < 0) {
        return SKIMP_OK;
    }
    if (schema->sparse) {
        own->target = (source){ .kind = SOURCE_TARGET };
        if (stored->target < 0) {
            SKIMPI_TRY(
                skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, name, "the store keeps no labels"));
        }
    } else {
        own->target = source_of(stored, (uint32_t)schema->target);
    }
    if (own->target.kind == SOURCE_TARGET && stored->comparison != SKIMPI_CMP_NONE) {
        own->is_compared = schema->comparison == stored->comparison &&
                           schema->comparison_value == stored->comparison_value &&
                           same_text(schema->comparison_text, stored->comparison_text);
        if (!own->is_compared) {
            SKIMPI_TRY(only_compared(job, name, error));
        }
        return SKIMP_OK;
    }
    if (!schema->sparse) {
        SKIMPI_TRY(skimpi_stored_may_read(job, (uint32_t)schema->target, name, error));
    }
    if (schema->sparse || schema->columns[schema->target].type != SKIMPI_TYPE_CATEGORY) {
        return SKIMP_OK;
    }
    if (own->target.kind == SOURCE_CODES && stored->hash_bits > 0) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, name,
                                  "the store keeps hashes of this column's texts, which cannot be a target"));
    }
    if (schema->comparison_text != NULL) {
        SKIMPI_TRY(compare_texts(job, &own->target, error));
    } else {
        SKIMPI_TRY(make_table(job, &own->target, schema->dictionaries[schema->n_category], error));
    }
out:
    return status;
}

/* Numbers that no model was trained on, as far as the store says; chunks are looked at besides. */
static skimp_status check_summary(const skimpi_stored *own, const source *from, bool may_miss, const char *name,
                                  skimp_error *error)
{
    const skimpi_summary *summary = skimpi_store_summary(own->job->store);
    const skimpi_column_summary *column = from->kind == SOURCE_TARGET   ? &summary->target
                                          : from->kind == SOURCE_WEIGHT ? &summary->weight
                                                                        : &summary->numeric[from->slot];
    if (skimpi_store_is_selected(own->job->store)) {
        return SKIMP_OK; /* it is of all rows */
    }
    if (column->n_infinite > 0) {
        return skimpi_applied_refuse(own->job, INFINITY, column->first_infinite_row, name, error);
    }
    return column->n_missing > 0 && !may_miss && !own->job->options.drop_missing
               ? skimpi_applied_refuse(own->job, NAN, column->first_missing_row, name, error)
               : SKIMP_OK;
}

/* Where the store's own target and weight are wanted, neither can be one of the model's columns. */
static skimp_status check_role(const skimpi_stored *own, const source *from, const char *name, skimp_error *error)
{
    if (!own->job->keeps_roles || (from->kind != SOURCE_TARGET && from->kind != SOURCE_WEIGHT)) {
        return SKIMP_OK;
    }
    return skimpi_fail(error, SKIMP_ERROR_PARAM,
                       "'%.100s' is one of the columns that the model was fitted on: it cannot be the %s", name,
                       from->kind == SOURCE_TARGET ? "target" : "weight");
}

static skimp_status find_columns(skimpi_stored *own, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_applied *applied = own->applied;
    const skimpi_schema *stored = own->job->stored, *schema = own->job->schema;
    const uint8_t *may_miss = own->job->may_miss;
    for (uint32_t k = 0; k < applied->design.n_numeric; k++) {
        const uint32_t c = schema->numeric[applied->numeric_slots[k]];
        own->numeric[k] = source_of(stored, c);
        SKIMPI_TRY(check_role(own, &own->numeric[k], schema->columns[c].name, error));
        SKIMPI_TRY(check_summary(own, &own->numeric[k], may_miss[c] != 0, schema->columns[c].name, error));
    }
    if (schema->sparse) {
        SKIMPI_TRY(check_summary(own, &(source){ .kind = SOURCE_NUMERIC }, may_miss[0] != 0, NULL, error));
    }
    for (uint32_t k = 0; k < applied->design.n_category; k++) {
        const uint32_t slot = applied->category_slots[k];
        own->category[k] = source_of(stored, schema->category[slot]);
        SKIMPI_TRY(check_role(own, &own->category[k], schema->columns[schema->category[slot]].name, error));
        SKIMPI_TRY(make_table(own->job, &own->category[k], schema->dictionaries[slot], error));
    }
    SKIMPI_TRY(find_target(own, error));
out:
    return status;
}

skimp_status skimpi_stored_create(skimpi_stored **out, const skimpi_applied *applied, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = applied->job;
    skimpi_stored *own = NULL;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, 1, sizeof *own, (void **)&own, error));
    own->applied = applied;
    own->job = job;
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, applied->design.n_numeric, sizeof *own->numeric,
                           (void **)&own->numeric, error));
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, applied->design.n_category, sizeof *own->category,
                           (void **)&own->category, error));
    SKIMPI_TRY(find_columns(own, error));
    *out = own;
    own = NULL;
out:
    skimpi_stored_destroy(own);
    return status;
}

static void free_table(skimp_budget *budget, source *from)
{
    skimp_free(budget, SKIMP_TAG_CATEGORIES, from->table, from->n_texts, sizeof *from->table);
}

static void destroy_workers(skimpi_stored *own)
{
    skimp_budget *budget = own->job->budget;
    const uint32_t rows = skimpi_store_summary(own->job->store)->largest_chunk_rows;
    for (unsigned w = 0; own->workers != NULL && w < own->n_workers; w++) {
        stored_worker *worker = &own->workers[w];
        skimpi_decoder_destroy(worker->decoder);
        skimp_free(budget, SKIMP_TAG_CHUNKS, worker->keep, rows, 1);
        if (worker->targets.budget != NULL) {
            skimpi_buffer_free(&worker->targets);
            skimpi_buffer_free(&worker->codes);
        }
    }
    skimp_free(budget, SKIMP_TAG_CHUNKS, own->workers, own->n_workers, sizeof *own->workers);
    own->workers = NULL;
}

void skimpi_stored_destroy(skimpi_stored *own)
{
    if (own == NULL) {
        return;
    }
    skimp_budget *budget = own->job->budget;
    const skimpi_design *design = &own->applied->design;
    destroy_workers(own);
    for (uint32_t k = 0; own->category != NULL && k < design->n_category; k++) {
        free_table(budget, &own->category[k]);
    }
    free_table(budget, &own->target);
    skimp_free(budget, SKIMP_TAG_OTHER, own->numeric, design->n_numeric, sizeof *own->numeric);
    skimp_free(budget, SKIMP_TAG_OTHER, own->category, design->n_category, sizeof *own->category);
    skimp_free(budget, SKIMP_TAG_OTHER, own, 1, sizeof *own);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------------- */

static double *numbers_of(const skimpi_chunk *chunk, const source *from)
{
    return from->kind == SOURCE_TARGET   ? chunk->target
           : from->kind == SOURCE_WEIGHT ? chunk->weight
                                         : chunk->dense[from->slot].f64;
}

static uint32_t translate(const source *from, uint32_t code)
{
    if (code == SKIMPI_CODE_MISSING) {
        return code;
    }
    return code >= from->n_texts ? SKIMPI_CODE_UNKNOWN : from->table != NULL ? from->table[code] : code;
}

/* Codes of a text target as doubles, or what they compare to; a missing one is NaN. */
static double target_of(const source *from, double code)
{
    const bool is_code = code >= 0 && code < from->n_texts;
    return isnan(code) ? code : (double)(is_code ? translate(from, (uint32_t)code) : SKIMPI_CODE_UNKNOWN);
}

/* The target of a chunk as a reader would give it. */
static skimp_status take_target(const skimpi_stored *own, stored_worker *worker, const skimpi_chunk *chunk,
                                double **target, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const source *from = &own->target;
    *target = NULL;
    if (from->kind == SOURCE_NONE) {
        return SKIMP_OK;
    }
    if (from->kind == SOURCE_CODES) {
        const uint32_t *codes = chunk->codes[from->slot].codes;
        SKIMPI_TRY(skimpi_buffer_reserve(&worker->targets, skimpi_max_u64(chunk->n_rows, 1) * sizeof(double), error));
        double *values = worker->targets.data;
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            values[i] = codes[i] == SKIMPI_CODE_MISSING ? (double)NAN : (double)translate(from, codes[i]);
        }
        *target = values;
        return SKIMP_OK;
    }
    *target = numbers_of(chunk, from);
    for (uint32_t i = 0; i < chunk->n_rows && !own->is_compared; i++) {
        (*target)[i] =
            from->n_texts > 0 ? target_of(from, (*target)[i]) : skimpi_schema_compare(own->job->schema, (*target)[i]);
    }
out:
    return status;
}

static void drop_nan(const double *values, uint32_t n, uint8_t *keep)
{
    for (uint32_t i = 0; i < n; i++) {
        keep[i] &= values[i] == values[i];
    }
}

/* Leaves out the rows that a reader would drop: a value is missing that no step takes away. */
static void drop_rows(const skimpi_stored *own, stored_worker *worker, skimpi_chunk *chunk)
{
    const skimpi_applied *applied = own->applied;
    const skimpi_schema *schema = own->job->schema;
    const uint8_t *may_miss = own->job->may_miss;
    const uint32_t n = chunk->n_rows;
    uint8_t *keep = worker->keep;
    memset(keep, 1, n);
    for (uint32_t k = 0; k < applied->design.n_numeric; k++) {
        if (!may_miss[schema->numeric[applied->numeric_slots[k]]]) {
            drop_nan(numbers_of(chunk, &own->numeric[k]), n, keep);
        }
    }
    for (uint32_t k = 0; k < applied->design.n_category; k++) {
        const uint32_t *codes =
            own->category[k].kind == SOURCE_CODES ? chunk->codes[own->category[k].slot].codes : NULL;
        if (may_miss[schema->category[applied->category_slots[k]]]) {
            continue;
        }
        for (uint32_t i = 0; i < n && codes != NULL; i++) {
            keep[i] &= codes[i] != SKIMPI_CODE_MISSING;
        }
        if (codes == NULL) {
            drop_nan(chunk->target, n, keep);
        }
    }
    for (uint32_t i = 0; chunk->has_csr && !may_miss[0] && chunk->csr.f64 != NULL && i < n; i++) {
        for (uint32_t at = chunk->csr.indptr[i]; at < chunk->csr.indptr[i + 1]; at++) {
            keep[i] &= chunk->csr.f64[at] == chunk->csr.f64[at];
        }
    }
    if (own->target.kind == SOURCE_CODES) {
        const uint32_t *codes = chunk->codes[own->target.slot].codes;
        for (uint32_t i = 0; i < n; i++) {
            keep[i] &= codes[i] != SKIMPI_CODE_MISSING;
        }
    } else if (own->target.kind != SOURCE_NONE) {
        drop_nan(numbers_of(chunk, &own->target), n, keep);
    }
    skimpi_chunk_compact(chunk, keep);
    worker->n_dropped += n - chunk->n_rows;
}

/* A text column of the model, from codes of the store. */
static skimp_status take_codes(stored_worker *worker, const source *from, const skimpi_chunk *chunk, uint32_t **out,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint32_t n = chunk->n_rows;
    uint32_t *codes = NULL;
    if (from->kind == SOURCE_CODES) {
        codes = chunk->codes[from->slot].codes;
        for (uint32_t i = 0; i < n; i++) {
            codes[i] = translate(from, codes[i]);
        }
    } else {
        SKIMPI_TRY(skimpi_buffer_reserve(&worker->codes, skimpi_max_u64(n, 1) * sizeof *codes, error));
        codes = worker->codes.data;
        for (uint32_t i = 0; i < n; i++) {
            const double code = chunk->target[i];
            codes[i] = isnan(code)                         ? SKIMPI_CODE_MISSING
                       : code >= 0 && code < from->n_texts ? translate(from, (uint32_t)code)
                                                           : SKIMPI_CODE_UNKNOWN;
        }
    }
    *out = codes;
out:
    return status;
}

skimp_status skimpi_stored_chunk(skimpi_stored *own, unsigned number, skimpi_chunk *from, skimpi_applied_worker *out,
                                 uint64_t *unknown, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    stored_worker *worker = &own->workers[number];
    const skimpi_applied *applied = own->applied;
    const skimpi_design *design = &applied->design;
    const skimpi_schema *schema = own->job->schema;
    const uint8_t *may_miss = own->job->may_miss;
    double *target = own->job->keeps_roles ? from->target : NULL;
    if (own->job->options.drop_missing) {
        drop_rows(own, worker, from);
    }
    if (!own->job->keeps_roles) {
        SKIMPI_TRY(take_target(own, worker, from, &target, error));
    }
    out->chunk = (skimpi_chunk){ .index = from->index,
                                 .first_row = from->first_row,
                                 .n_rows = from->n_rows,
                                 .n_dense = design->n_numeric,
                                 .n_codes = design->n_category,
                                 .dense = out->dense,
                                 .codes = out->codes,
                                 .target = target,
                                 .weight = own->job->keeps_roles ? from->weight : NULL };
    for (uint32_t k = 0; k < design->n_numeric; k++) {
        const uint32_t c = schema->numeric[applied->numeric_slots[k]];
        double *values = numbers_of(from, &own->numeric[k]);
        const uint64_t at = skimpi_applied_unfit(values, from->n_rows, may_miss[c] != 0);
        if (at < from->n_rows) {
            SKIMPI_TRY(skimpi_applied_refuse(own->job, values[at], 0, schema->columns[c].name, error));
        }
        out->dense[k] = (skimpi_dense_column){ .feature = design->features[k], .f64 = values };
    }
    for (uint32_t k = 0; k < design->n_category; k++) {
        uint32_t *codes = NULL;
        SKIMPI_TRY(take_codes(worker, &own->category[k], from, &codes, error));
        out->codes[k] = (skimpi_code_column){
            .feature = design->code_features[k], .n_codes = design->n_codes[k], .slot = k, .codes = codes
        };
    }
    if (from->has_csr) {
        const uint64_t n = from->csr.indptr[from->n_rows];
        const uint64_t at = from->csr.f64 != NULL ? skimpi_applied_unfit(from->csr.f64, n, may_miss[0] != 0) : n;
        if (at < n) {
            SKIMPI_TRY(skimpi_applied_refuse(own->job, from->csr.f64[at], 0, NULL, error));
        }
        SKIMPI_TRY(skimpi_applied_sparse(applied, out, &from->csr, from->n_rows, unknown, error));
    }
    SKIMPI_TRY(skimpi_applied_steps(applied, out, unknown, error));
    worker->n_rows += from->n_rows;
out:
    return status;
}

/* ---- running ---------------------------------------------------------------------------------------------------------- */

static void ask_for_doubles(const skimp_job *job, bool has_steps, skimpi_decoder_options *options)
{
    *options = (skimpi_decoder_options){ .as_doubles = true,
                                         .with_values = has_steps,
                                         .select = job->options.rows != NULL,
                                         .nonzeros = skimpi_store_summary(job->store)->largest_chunk_nonzeros };
}

uint64_t skimpi_stored_worker_bytes(const skimp_job *job, bool has_steps)
{
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    const uint64_t rows = summary->largest_chunk_rows;
    skimpi_decoder_options options;
    ask_for_doubles(job, has_steps, &options);
    const uint64_t decoder =
        skimpi_decoder_bytes(job->stored, summary->largest_chunk_rows, summary->largest_chunk_bytes,
                             &summary->largest_area, &options, SKIMPI_PLACE_FILE);
    /* The mask, targets and codes beside. */
    return skimpi_add_sat(decoder, skimp_alloc_cost(rows) + skimp_alloc_cost(rows * sizeof(double)) +
                                       skimp_alloc_cost(rows * sizeof(uint32_t)) + sizeof(stored_worker));
}

static skimp_status run_worker(void *context, unsigned worker, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_stored *own = context;
    const skimpi_summary *summary = skimpi_store_summary(own->job->store);
    const uint64_t share = summary->store_bytes / skimpi_max_u64(summary->n_chunks, 1);
    while (!atomic_load(&own->failed)) {
        skimpi_chunk *chunk = NULL;
        bool done = false;
        if (skimpi_job_cancelled(own->job)) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_CANCELLED, "interrupted"));
        }
        skimpi_pool_ask(own->job->pool, worker);
        SKIMPI_TRY(skimpi_scan_next(own->job->store, &own->scan, own->workers[worker].decoder, &chunk, &done, error));
        if (done) {
            break;
        }
        skimpi_pool_got(own->job->pool, worker);
        const uint32_t n_rows = chunk->n_rows;
        SKIMPI_TRY(own->observe(own->context, worker, chunk, error));
        own->progress(own->context, atomic_fetch_add(&own->bytes, share) + share,
                      atomic_fetch_add(&own->rows, n_rows) + n_rows);
    }
out:
    if (status != SKIMP_OK) {
        atomic_store(&own->failed, 1);
    }
    return status;
}

static skimp_status create_workers(skimpi_stored *own, bool has_steps, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = own->job->budget;
    const uint32_t rows = skimpi_store_summary(own->job->store)->largest_chunk_rows;
    skimpi_decoder_options decoder;
    ask_for_doubles(own->job, has_steps, &decoder);
    own->n_workers = skimpi_pool_size(own->job->pool);
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_CHUNKS, own->n_workers, sizeof *own->workers, (void **)&own->workers, error));
    for (unsigned w = 0; w < own->n_workers; w++) {
        stored_worker *worker = &own->workers[w];
        skimpi_buffer_init(&worker->targets, budget, SKIMP_TAG_CHUNKS);
        skimpi_buffer_init(&worker->codes, budget, SKIMP_TAG_CHUNKS);
        SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CHUNKS, rows, 1, (void **)&worker->keep, error));
        SKIMPI_TRY(skimpi_decoder_create(&worker->decoder, own->job->store, &decoder, error));
    }
out:
    return status;
}

skimp_status skimpi_stored_run(skimpi_stored *own, bool has_steps, skimpi_stored_observe *observe,
                               skimpi_stored_progress *progress, void *context, skimpi_ingest_result *result,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *result = (skimpi_ingest_result){ 0 };
    own->observe = observe;
    own->progress = progress;
    own->context = context;
    SKIMPI_TRY(create_workers(own, has_steps, error));
    skimpi_scan_begin(own->job->store, &own->scan);
    SKIMPI_TRY(skimpi_pool_run(own->job->pool, run_worker, own, error));
    for (unsigned w = 0; w < own->n_workers; w++) {
        result->n_rows += own->workers[w].n_rows;
        result->rows_missing += own->workers[w].n_dropped;
    }
    result->n_chunks = skimpi_store_summary(own->job->store)->n_chunks;
    if (result->n_rows == 0) {
        SKIMPI_TRY(
            skimpi_fail_at(error, SKIMP_ERROR_DATA, own->job->options.inputs[0], 0, NULL, "%s",
                           result->rows_missing != 0 ? "no rows: all were dropped for missing values" : "no rows"));
    }
out:
    destroy_workers(own);
    return status;
}
