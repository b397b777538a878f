/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keeping some rows of a chunk, in place.
 */
#include <string.h>

#include "data/chunk.h"
#include "data/store.h"

/* Each value is written where the next one that is kept belongs: no branch to guess wrongly. */
static void compact_f32(float *values, uint32_t n, const uint8_t *keep)
{
    for (uint32_t i = 0, kept = 0; i < n; i++) {
        values[kept] = values[i];
        kept += keep[i] != 0;
    }
}

static void compact_f64(double *values, uint32_t n, const uint8_t *keep)
{
    for (uint32_t i = 0, kept = 0; i < n; i++) {
        values[kept] = values[i];
        kept += keep[i] != 0;
    }
}

static void compact_u32(uint32_t *values, uint32_t n, const uint8_t *keep)
{
    for (uint32_t i = 0, kept = 0; i < n; i++) {
        values[kept] = values[i];
        kept += keep[i] != 0;
    }
}

static void compact_csr(skimpi_csr_block *csr, uint32_t n_rows, const uint8_t *keep)
{
    uint32_t kept = 0, end = 0, begin = csr->indptr[0];
    for (uint32_t i = 0; i < n_rows; i++) {
        uint32_t next = csr->indptr[i + 1];
        if (keep[i] != 0) {
            size_t n = next - begin;
            if (end != begin) {
                if (csr->indices != NULL) {
                    memmove(csr->indices + end, csr->indices + begin, n * sizeof(*csr->indices));
                } else {
                    memmove(csr->indices64 + end, csr->indices64 + begin, n * sizeof(*csr->indices64));
                }
                if (csr->f32 != NULL) {
                    memmove(csr->f32 + end, csr->f32 + begin, n * sizeof(*csr->f32));
                } else if (csr->f64 != NULL) {
                    memmove(csr->f64 + end, csr->f64 + begin, n * sizeof(*csr->f64));
                }
            }
            end += (uint32_t)n;
            csr->indptr[++kept] = end;
        }
        begin = next;
    }
}

void skimpi_chunk_compact(skimpi_chunk *chunk, const uint8_t *keep)
{
    uint32_t n = chunk->n_rows, kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        kept += keep[i] != 0;
    }
    if (kept == n) {
        return;
    }
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        if (chunk->dense[j].f32 != NULL) {
            compact_f32(chunk->dense[j].f32, n, keep);
        } else {
            compact_f64(chunk->dense[j].f64, n, keep);
        }
    }
    for (uint32_t j = 0; j < chunk->n_codes; j++) {
        compact_u32(chunk->codes[j].codes, n, keep);
    }
    if (chunk->target != NULL) {
        compact_f64(chunk->target, n, keep);
    }
    if (chunk->weight != NULL) {
        compact_f64(chunk->weight, n, keep);
    }
    if (chunk->has_csr) {
        compact_csr(&chunk->csr, n, keep);
    }
    chunk->n_rows = kept;
}
