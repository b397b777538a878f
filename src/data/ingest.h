/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ingest: reads inputs once, by all workers, and fills the chunk store.  Each worker fetches a unit, parses it,
 * waits its turn to have the guess about its start checked and its new categories entered, encodes, and writes.
 * Files follow one another; a unit never spans two.  Sequential inputs (gz, zst, pipes) are fetched under a lock.
 */
#ifndef SKIMPI_INGEST_H
#define SKIMPI_INGEST_H

#include "data/store.h"

typedef struct skimpi_ingest_options {
    const char *const *paths;
    size_t n_paths;
    const skimpi_reader_class *reader_class;
    skimpi_reader *reader;     /* open on the first input */
    skimpi_input *first_input; /* already open (its sample was taken); owned by the caller */
    skimpi_schema *schema;
    skimpi_store *store; /* NULL: nothing is stored (predict: observe only) */
    skimpi_pool *pool;
    uint32_t rows_hint; /* rows and non-zeros of a unit: sizes of the first buffers */
    uint64_t nonzeros_hint;
    uint64_t fresh_hint, fresh_text_hint; /* new texts of a unit, at most: how many, their bytes (0: not known) */
    uint64_t encoded_hint;                /* bytes of an encoded unit (0: as many as it can take) */
    const char *spool_directory;          /* for inputs that must be copied to disk to be read */
    bool allow_tmpfs;
    uint64_t
        text_hint; /* text of all inputs, when it is known to be less than a unit: sizes the first text buffers (0: not known) */
    uint64_t longest_row; /* bytes, from the sample (0: unknown): how much is fetched beyond a unit at first */
    const volatile int
        *cancel_reading;       /* may be NULL; the same for reads of the later inputs that may wait for ever (pipes) */
    const _Atomic int *cancel; /* may be NULL; non-zero: stop with CANCELLED */
    /*
     * Called for every unit with its committed raw chunk, on the worker that holds it, in no order (NULL: not at all).
     * `chunk` is the chunk's number, first_row the rows before it. An ordered observer (predict) uses skimpi_turns.
     */
    skimp_status (*observe)(void *context, unsigned worker, uint64_t chunk, uint64_t first_row, const skimpi_raw *raw,
                            skimp_error *error);
    void *context;
    /* Progress, from one worker at a time (NULL: none): bytes of the inputs and rows done. */
    void (*progress)(void *context, uint64_t bytes, uint64_t rows);
} skimpi_ingest_options;

typedef struct skimpi_ingest_result {
    uint64_t n_rows, n_chunks, bytes, rows_bad, rows_missing, first_bad_line;
    uint64_t spooled; /* bytes on disk, of inputs that had to be copied there */
} skimpi_ingest_result;

SKIMP_CHECKED skimp_status skimpi_ingest_run(skimp_budget *budget, const skimpi_ingest_options *options,
                                             skimpi_ingest_result *result, skimp_error *error);

/* What a run charges for `workers` workers, by tag ("input", "parse", encoders included): the same sums, for plans. */
typedef struct skimpi_ingest_cost {
    uint64_t input, parse;
} skimpi_ingest_cost;
skimpi_ingest_cost skimpi_ingest_plan(const skimpi_schema *schema, uint64_t unit_bytes, uint64_t longest_row,
                                      uint32_t rows, uint64_t nonzeros, uint64_t encoded, unsigned workers,
                                      bool with_store);

#endif
