/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passes over batches that can begin again: a store of place SOURCE has gone through an ingest, which has found its chunks,
 * summary and dictionaries, and kept none of its bytes.  For each pass after that the batches are asked for anew, cut into
 * the same units, encoded as they were encoded for the store and decoded from that: so a pass sees the chunks that a store
 * in memory or on disk would give, bit for bit.
 *
 * The rows must be the same each time.  Of each chunk (of many chunks: of every 2^n-th) the checksum is compared when it
 * comes, and of each pass that reads all chunks the sum over all of them at its end; the number of rows and the texts at
 * once.  What differs is DATA.
 */
#ifndef SKIMPI_SOURCE_H
#define SKIMPI_SOURCE_H

#include "data/arrays.h"

typedef struct skimpi_source skimpi_source;

typedef struct skimpi_source_options {
    skimpi_reader *reader; /* of batches, which an ingest has read to their end */
    skimpi_schema *schema;
    unsigned workers;
    uint32_t rows; /* of the largest unit, and its non-zeros */
    uint64_t nonzeros;
    uint64_t encoded; /* as skimpi_encoder_create takes it */
} skimpi_source_options;

/* The store is of place SOURCE, and finished.  Memory, under "parse": exactly skimpi_source_bytes. */
SKIMP_CHECKED skimp_status skimpi_source_create(skimpi_source **out, skimp_budget *budget, skimpi_store *store,
                                                const skimpi_source_options *options, skimp_error *error);
void skimpi_source_destroy(skimpi_source *source);
uint64_t skimpi_source_bytes(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros, uint64_t encoded,
                             unsigned workers);

/* A pass over chunks 0, stride, 2 × stride, …: those between are only counted, and what comes after the last is not asked for. */
SKIMP_CHECKED skimp_status skimpi_source_begin(skimpi_source *source, uint64_t stride, skimp_error *error);
/* By all workers: the next chunk of the pass, decoded, and its place among them.  *done: there is none left. */
SKIMP_CHECKED skimp_status skimpi_source_next(skimpi_source *source, unsigned worker, skimpi_decoder *decoder,
                                              skimpi_chunk **chunk, uint64_t *ordinal, bool *done, skimp_error *error);
/* After a pass that a chunk has failed: the failure of the first that did, whichever worker reported its own. */
void skimpi_source_first_failure(const skimpi_source *source, skimp_error *error);
/* Once all workers have seen the end of the pass: was all of it as the first time? */
SKIMP_CHECKED skimp_status skimpi_source_end(skimpi_source *source, skimp_error *error);

#endif
