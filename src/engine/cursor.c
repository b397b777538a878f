/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rows of a kept store given back as arrays, chunk by chunk in the order of the file: for those who compute with them
 * themselves.  Numbers are where the decoder has them; of text columns the texts stand in one block, made at the start.
 */
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"

typedef struct texts {
    char *text;
    int64_t *offsets;
    uint64_t n, bytes;
} texts;

struct skimpi_cursor {
    skimp_job *job;
    skimpi_decoder *decoder;
    skimpi_scan scan;
    skimp_data_column *columns; /* features, in the order of the file */
    uint32_t n_columns;
    texts *texts; /* per category slot, then of a text target */
    uint32_t n_texts;
    int32_t *labels; /* codes of a text target, for the rows of a chunk */
    uint32_t n_labels;
};

void skimpi_cursor_destroy(skimpi_cursor *cursor)
{
    if (cursor == NULL) {
        return;
    }
    skimp_budget *budget = cursor->job->budget;
    skimpi_decoder_destroy(cursor->decoder);
    for (uint32_t d = 0; cursor->texts != NULL && d < cursor->n_texts; d++) {
        const texts *t = &cursor->texts[d];
        skimp_free(budget, SKIMP_TAG_CATEGORIES, t->text, t->bytes, 1);
        skimp_free(budget, SKIMP_TAG_CATEGORIES, t->offsets, t->n + 1, sizeof *t->offsets);
    }
    skimp_free(budget, SKIMP_TAG_CATEGORIES, cursor->texts, cursor->n_texts, sizeof *cursor->texts);
    skimp_free(budget, SKIMP_TAG_CHUNKS, cursor->labels, cursor->n_labels, sizeof *cursor->labels);
    skimp_free(budget, SKIMP_TAG_OTHER, cursor->columns, cursor->n_columns, sizeof *cursor->columns);
    skimp_free(budget, SKIMP_TAG_OTHER, cursor, 1, sizeof *cursor);
}

static skimp_status take_texts(skimpi_cursor *cursor, uint32_t d, const skimpi_dictionary *dictionary,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = cursor->job->budget;
    texts *t = &cursor->texts[d];
    const uint32_t n = skimpi_dictionary_size(dictionary);
    uint64_t bytes = 0, at = 0;
    size_t length = 0;
    for (uint32_t code = 0; code < n; code++) {
        (void)skimpi_dictionary_text(dictionary, code, &length);
        bytes += length;
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, bytes, 1, (void **)&t->text, error));
    t->bytes = bytes;
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_CATEGORIES, (size_t)n + 1, sizeof *t->offsets, (void **)&t->offsets, error));
    t->n = n;
    for (uint32_t code = 0; code < n; code++) {
        const char *text = skimpi_dictionary_text(dictionary, code, &length);
        memcpy(t->text + at, text, length);
        at += length;
        t->offsets[code + 1] = (int64_t)at;
    }
out:
    return status;
}

static skimp_status check_store(const skimp_job *job, skimp_error *error)
{
    const skimpi_schema *schema = job->schema;
    if (!job->store_is_input || job->arrays != NULL) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "chunks are given back of a chunk store (skimp convert)");
    }
    if (job->is_spent || job->is_planned) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "a job runs once: make another");
    }
    if (schema->hash_bits > 0 && schema->n_category > 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "the store keeps hashes of texts, which cannot be given back");
    }
    if (schema->sparse && !schema->index64 && schema->n_sparse_features > (uint64_t)INT32_MAX + 1) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "the store has column indices beyond 2^31 - 1");
    }
    return SKIMP_OK;
}

static skimp_status cursor_create(skimpi_cursor **out, skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const bool is_text = schema->target >= 0 && schema->target_type == SKIMPI_TYPE_CATEGORY;
    skimpi_cursor *cursor = NULL;
    SKIMPI_TRY(check_store(job, error));
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, 1, sizeof *cursor, (void **)&cursor, error));
    cursor->job = job;
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, schema->n_numeric + schema->n_category,
                           sizeof *cursor->columns, (void **)&cursor->columns, error));
    cursor->n_columns = schema->n_numeric + schema->n_category;
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_CATEGORIES, schema->n_category + 1, sizeof *cursor->texts,
                           (void **)&cursor->texts, error));
    cursor->n_texts = schema->n_category + 1;
    for (uint32_t d = 0; d < schema->n_category + is_text; d++) {
        SKIMPI_TRY(take_texts(cursor, d, schema->dictionaries[d], error));
    }
    if (is_text) {
        const uint32_t n = skimpi_store_summary(job->store)->largest_chunk_rows;
        SKIMPI_TRY(
            skimp_alloc(job->budget, SKIMP_TAG_CHUNKS, n, sizeof *cursor->labels, (void **)&cursor->labels, error));
        cursor->n_labels = n;
    }
    SKIMPI_TRY(skimpi_decoder_create(&cursor->decoder, job->store, NULL, error));
    skimpi_scan_begin(job->store, &cursor->scan);
    *out = cursor;
    cursor = NULL;
out:
    skimpi_cursor_destroy(cursor);
    return status;
}

/* ---- chunks --------------------------------------------------------------------------------------------------------- */

static skimp_data_column numbers(const char *name, const float *f32, const double *f64)
{
    const skimp_dtype dtype = f32 != NULL ? SKIMP_DTYPE_F32 : SKIMP_DTYPE_F64;
    return (skimp_data_column){ .name = name,
                                .dtype = dtype,
                                .values = f32 != NULL ? (const void *)f32 : (const void *)f64,
                                .stride = (int64_t)skimp_dtype_bytes(dtype) };
}

/* A missing code is -1 as it stands. */
static skimp_data_column codes(const char *name, const void *values, const texts *of)
{
    return (skimp_data_column){ .name = name,
                                .dtype = SKIMP_DTYPE_I32,
                                .values = values,
                                .stride = sizeof(int32_t),
                                .n_categories = of->n,
                                .text = of->text,
                                .offsets = of->offsets,
                                .offsets_dtype = SKIMP_DTYPE_I64 };
}

static void give_columns(skimpi_cursor *cursor, const skimpi_chunk *chunk, skimp_data *out)
{
    const skimpi_schema *schema = cursor->job->schema;
    uint32_t k = 0;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        if (column->role != SKIMPI_ROLE_FEATURE) {
            continue;
        }
        if (column->type == SKIMPI_TYPE_CATEGORY) {
            cursor->columns[k++] = codes(column->name, chunk->codes[column->slot].codes, &cursor->texts[column->slot]);
        } else {
            const skimpi_dense_column *dense = &chunk->dense[column->slot];
            cursor->columns[k++] = numbers(column->name, dense->f32, dense->f64);
        }
    }
    out->kind = SKIMP_DATA_COLUMNS;
    out->n_columns = cursor->n_columns;
    out->columns = cursor->columns;
}

static void give_sparse(const skimpi_cursor *cursor, const skimpi_chunk *chunk, skimp_data *out)
{
    const skimpi_csr_block *csr = &chunk->csr;
    out->kind = SKIMP_DATA_CSR;
    out->n_columns = cursor->job->schema->n_sparse_features;
    out->nonzeros = csr->indptr[chunk->n_rows];
    out->indptr = csr->indptr;
    out->indptr_dtype = SKIMP_DTYPE_I32;
    out->indices = csr->indices != NULL ? (const void *)csr->indices : (const void *)csr->indices64;
    out->indices_dtype = csr->indices != NULL ? SKIMP_DTYPE_I32 : SKIMP_DTYPE_I64;
    out->dtype = csr->f32 != NULL ? SKIMP_DTYPE_F32 : csr->f64 != NULL ? SKIMP_DTYPE_F64 : SKIMP_DTYPE_NONE;
    out->values = csr->f32 != NULL ? (const void *)csr->f32 : (const void *)csr->f64;
}

static void give_target(skimpi_cursor *cursor, const skimpi_chunk *chunk, skimp_data *out)
{
    const skimpi_schema *schema = cursor->job->schema;
    const char *name = schema->sparse ? "label" : schema->columns[schema->target].name;
    if (cursor->labels == NULL) {
        out->target = numbers(name, NULL, chunk->target);
        return;
    }
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        cursor->labels[i] = isnan(chunk->target[i]) ? -1 : (int32_t)chunk->target[i];
    }
    out->target = codes(name, cursor->labels, &cursor->texts[schema->n_category]);
}

/* What has been made for the chunks is all that they take. */
static skimp_status hold_to_limit(skimp_job *job, skimp_error *error)
{
    const uint64_t limit = skimpi_job_limit(job), peak = skimp_budget_peak(job->budget);
    if (peak > limit) {
        const skimp_status status =
            skimpi_fail(error, SKIMP_ERROR_BUDGET, "a budget of %.1f MiB is too small to read '%s': it takes %.1f MiB",
                        (double)limit / 0x1p20, job->options.inputs[0], ceil((double)peak / 0x1p20 * 10) / 10);
        if (error != NULL) {
            error->limit = limit;
            error->requested = error->minimum_bytes = peak;
        }
        skimpi_cursor_destroy(job->cursor);
        job->cursor = NULL;
        return status;
    }
    skimpi_job_hold_to_limit(job);
    return SKIMP_OK;
}

skimp_status skimp_job_next_chunk(skimp_job *job, skimp_data *chunk, bool *end, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_chunk *found = NULL;
    *chunk = (skimp_data)SKIMP_DATA_INIT;
    *end = false;
    if (job->cursor == NULL) {
        SKIMPI_TRY(cursor_create(&job->cursor, job, error));
        SKIMPI_TRY(hold_to_limit(job, error));
        job->is_spent = true;
    }
    do { /* of some rows only, chunks may have none */
        if (skimpi_job_cancelled(job)) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_CANCELLED, "interrupted"));
        }
        SKIMPI_TRY(skimpi_scan_next(job->store, &job->cursor->scan, job->cursor->decoder, &found, end, error));
    } while (!*end && found->n_rows == 0);
    if (*end) {
        return SKIMP_OK;
    }
    if (job->schema->sparse) {
        give_sparse(job->cursor, found, chunk);
    } else {
        give_columns(job->cursor, found, chunk);
    }
    chunk->n_rows = found->n_rows;
    if (found->target != NULL) {
        give_target(job->cursor, found, chunk);
    }
    if (found->weight != NULL) {
        const char *name = job->schema->sparse ? "weight" : job->schema->columns[job->schema->weight].name;
        chunk->weight = numbers(name, NULL, found->weight);
    }
out:
    return status;
}
