/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * New rows as a model's chunks: its columns in its order, the texts that it knows, its steps applied.  Numbers are doubles
 * whatever the rows come from, so that a model says the same of a text and of the store that was made of it.
 */
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"

/* ---- workers --------------------------------------------------------------------------------------------------------- */

/* How many times steps may make CSR blocks twice as long. */
static unsigned csr_doublings(const skimpi_applied *applied)
{
    unsigned n = 0;
    for (unsigned i = 0; i < applied->pipeline.n_steps; i++) {
        n += applied->pipeline.steps[i].changes.grows_csr;
    }
    return n;
}

/* Columns that steps add, for a chunk of so many rows. */
static uint64_t spare_bytes(const skimpi_applied *applied, uint32_t rows)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < applied->pipeline.n_steps; i++) {
        const skimpi_changes *changes = &applied->pipeline.steps[i].changes;
        bytes += changes->new_floats * sizeof(float) + changes->new_doubles * sizeof(double);
    }
    return skimpi_mul_sat(bytes, skimpi_column_stride(rows));
}

uint64_t skimpi_applied_row_bytes(const skimpi_applied *applied)
{
    return spare_bytes(applied, 16) / 16;
}

uint64_t skimpi_applied_nonzero_bytes(const skimpi_applied *applied)
{
    const unsigned doublings = csr_doublings(applied);
    return doublings > 0 ? (uint64_t)(sizeof(double) + (applied->job->schema->index64 ? 8 : 4)) << doublings : 0;
}

uint64_t skimpi_applied_worker_bytes(const skimpi_applied *applied)
{
    const uint64_t n_ids = applied->pipeline.frame.n_ids, n_category = applied->design.n_category;
    return skimp_alloc_cost(n_ids * sizeof(skimpi_dense_column)) +
           skimp_alloc_cost(n_category * sizeof(skimpi_code_column)) +
           skimpi_view_bytes(n_ids, applied->design.n_category);
}

skimp_status skimpi_applied_worker_create(skimpi_applied_worker *worker, const skimpi_applied *applied,
                                          skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = applied->job->budget;
    const uint32_t n_ids = applied->pipeline.frame.n_ids, n_category = applied->design.n_category;
    *worker = (skimpi_applied_worker){ 0 };
    skimpi_buffer_init(&worker->spare, budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&worker->indptr, budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&worker->indices, budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&worker->values, budget, SKIMP_TAG_CHUNKS);
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CHUNKS, n_ids, sizeof *worker->dense, (void **)&worker->dense, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_CHUNKS, n_category, sizeof *worker->codes, (void **)&worker->codes, error));
    SKIMPI_TRY(skimpi_view_create(&worker->view, budget, n_ids, n_category, error));
out:
    if (status != SKIMP_OK) {
        skimpi_applied_worker_destroy(worker, applied);
    }
    return status;
}

void skimpi_applied_worker_destroy(skimpi_applied_worker *worker, const skimpi_applied *applied)
{
    skimp_budget *budget = applied->job->budget;
    const uint32_t n_ids = applied->pipeline.frame.n_ids, n_category = applied->design.n_category;
    skimpi_buffer_free(&worker->spare);
    skimpi_buffer_free(&worker->indptr);
    skimpi_buffer_free(&worker->indices);
    skimpi_buffer_free(&worker->values);
    skimp_free(budget, SKIMP_TAG_CHUNKS, worker->dense, n_ids, sizeof *worker->dense);
    skimp_free(budget, SKIMP_TAG_CHUNKS, worker->codes, n_category, sizeof *worker->codes);
    skimpi_view_destroy(&worker->view, budget, n_ids, n_category);
    *worker = (skimpi_applied_worker){ 0 };
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

uint64_t skimpi_applied_unfit(const double *values, uint64_t n, bool may_miss)
{
    uint64_t at = 0;
    while (at < n && (isfinite(values[at]) || (may_miss && isnan(values[at])))) {
        at++;
    }
    return at;
}

skimp_status skimpi_applied_refuse(const skimp_job *job, double value, uint64_t line, const char *column,
                                   skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.n_inputs == 1 ? job->options.inputs[0] : NULL, line,
                          column,
                          isnan(value) ? "missing value: the model has no step that imputes it; drop such rows "
                                         "(--on-missing drop), or train with one"
                                       : "infinite value: mend the data");
}

static skimp_status check_numbers(const skimpi_applied *applied, const skimpi_raw *raw, const double *values,
                                  uint64_t n, bool may_miss, const char *column, skimp_error *error)
{
    const uint64_t at = skimpi_applied_unfit(values, n, may_miss);
    if (at == n) {
        return SKIMP_OK;
    }
    uint64_t row = at;
    if (raw->row_end != NULL) {
        for (row = 0; raw->row_end[row] <= at; row++) {}
    }
    /* Lines can be told where every row of the unit is one. */
    const bool is_line = raw->rows_bad == 0 && raw->rows_missing == 0 &&
                         (raw->lines == 0 || raw->lines == raw->n_rows || raw->lines + 1 == raw->n_rows);
    const uint64_t line = is_line ? raw->first_line + row : 0;
    if (applied->job->arrays != NULL) {
        const skimpi_column_summary found = { .n_missing = isnan(values[at]),
                                              .n_infinite = !isnan(values[at]),
                                              .first_missing_row = line,
                                              .first_infinite_row = line };
        return skimpi_job_check_values(&found, "X", column, false, error);
    }
    return skimpi_applied_refuse(applied->job, values[at], line, column, error);
}

/* ---- chunks ---------------------------------------------------------------------------------------------------------- */

/* Indices of 64 bits may become 32 bits wide where they lie: they are bytes here, which a type does not set apart. */
static uint64_t index_at(const skimpi_csr_block *csr, size_t at)
{
    uint64_t index;
    if (csr->indices64 == NULL) {
        return csr->indices[at];
    }
    memcpy(&index, csr->indices64 + at, sizeof index);
    return index;
}

static void put_index(skimpi_csr_block *csr, size_t at, uint64_t index)
{
    const uint32_t index32 = (uint32_t)index;
    if (csr->indices != NULL) {
        memcpy(csr->indices + at, &index32, sizeof index32);
    } else {
        memcpy(csr->indices64 + at, &index, sizeof index);
    }
}

skimp_status skimpi_applied_sparse(const skimpi_applied *applied, skimpi_applied_worker *worker,
                                   const skimpi_csr_block *from, uint32_t n_rows, uint64_t *unknown, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_csr_block to = *from;
    const uint64_t n = from->indptr[n_rows];
    const unsigned doublings = csr_doublings(applied);
    /* Indices that 32 bits hold have 32 bits, whatever the rows come with: there are loops for each, which may sum otherwise. */
    const bool narrow = applied->n_sparse_in << doublings <= UINT32_MAX;
    void *indices = from->indices64 != NULL ? (void *)from->indices64 : from->indices;
    if (doublings > 0) {
        const uint64_t room = n << doublings;
        if (room > UINT32_MAX) {
            return skimpi_fail(error, SKIMP_ERROR_DATA, "rows have too many values for what the steps add to them");
        }
        SKIMPI_TRY(skimpi_buffer_reserve(&worker->indices, room * (narrow ? 4 : 8) + 1, error));
        SKIMPI_TRY(skimpi_buffer_reserve(&worker->values, room * sizeof(double) + 1, error));
        indices = worker->indices.data;
        to.f64 = worker->values.data;
        to.room = room - n;
    }
    to.indices = narrow ? indices : NULL;
    to.indices64 = narrow ? NULL : indices;
    uint32_t kept = 0, at = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        for (const uint32_t end = from->indptr[i + 1]; at < end; at++) {
            const uint64_t index = index_at(from, at);
            if (index >= applied->n_sparse_in) {
                ++*unknown;
                continue;
            }
            put_index(&to, kept, index);
            if (to.f64 != NULL) {
                to.f64[kept] = from->f64[at];
            }
            kept++;
        }
        to.indptr[i + 1] = kept;
    }
    worker->chunk.has_csr = true;
    worker->chunk.csr = to;
out:
    return status;
}

skimp_status skimpi_applied_steps(const skimpi_applied *applied, skimpi_applied_worker *worker, uint64_t *unknown,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_chunk *chunk = &worker->chunk;
    const uint64_t spare = spare_bytes(applied, chunk->n_rows);
    if (spare > 0) {
        /* Blocks of 4 KiB and more are aligned as columns must be. */
        SKIMPI_TRY(skimpi_buffer_reserve(&worker->spare, skimpi_max_u64(spare, 4096), error));
        chunk->spare = worker->spare.data;
    }
    skimpi_pipeline_transform(&applied->pipeline, applied->pipeline.n_steps, chunk, &worker->view);
    skimpi_design_finish_chunk(&applied->design, &applied->pipeline.frame, chunk);
    for (uint32_t k = 0; k < chunk->n_codes && applied->job->schema->hash_bits == 0; k++) {
        const skimpi_code_column *column = &chunk->codes[k];
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            *unknown += column->codes[i] >= column->n_codes;
        }
    }
out:
    return status;
}

skimp_status skimpi_applied_chunk(const skimpi_applied *applied, skimpi_applied_worker *worker, uint64_t index,
                                  uint64_t first_row, const skimpi_raw *raw, uint64_t *unknown, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = applied->job->schema;
    const skimpi_design *design = &applied->design;
    const uint8_t *may_miss = applied->job->may_miss;
    worker->chunk = (skimpi_chunk){ .index = index,
                                    .first_row = first_row,
                                    .n_rows = raw->n_rows,
                                    .n_dense = design->n_numeric,
                                    .n_codes = design->n_category,
                                    .dense = worker->dense,
                                    .codes = worker->codes,
                                    .target = raw->target,
                                    .weight = raw->weight };
    for (uint32_t k = 0; k < design->n_numeric; k++) {
        const uint32_t slot = applied->numeric_slots[k], c = schema->numeric[slot];
        double *values = raw->numeric + (size_t)slot * raw->capacity;
        SKIMPI_TRY(check_numbers(applied, raw, values, raw->n_rows, may_miss[c], schema->columns[c].name, error));
        worker->dense[k] = (skimpi_dense_column){ .feature = design->features[k], .f64 = values };
    }
    for (uint32_t k = 0; k < design->n_category; k++) {
        worker->codes[k] =
            (skimpi_code_column){ .feature = design->code_features[k],
                                  .n_codes = design->n_codes[k],
                                  .slot = k,
                                  .codes = raw->codes + (size_t)applied->category_slots[k] * raw->capacity };
    }
    if (schema->sparse) {
        SKIMPI_TRY(check_numbers(applied, raw, raw->values, raw->nonzeros, may_miss[0], NULL, error));
        SKIMPI_TRY(skimpi_buffer_reserve(&worker->indptr, ((size_t)raw->n_rows + 1) * sizeof(uint32_t), error));
        uint32_t *indptr = worker->indptr.data;
        indptr[0] = 0;
        memcpy(indptr + 1, raw->row_end, raw->n_rows * sizeof *indptr);
        const skimpi_csr_block csr = { .indptr = indptr,
                                       .indices = raw->indices64 != NULL ? NULL : raw->indices,
                                       .indices64 = raw->indices64,
                                       .f64 = raw->values };
        SKIMPI_TRY(skimpi_applied_sparse(applied, worker, &csr, raw->n_rows, unknown, error));
    }
    SKIMPI_TRY(skimpi_applied_steps(applied, worker, unknown, error));
out:
    return status;
}
