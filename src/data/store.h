/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The chunk store: the binary copy of the data that later passes read; in memory, in a spill file that vanishes with
 * the process, or in a file to keep (`skimp convert`).  Format: docs/formats/store.md.
 *
 * Writing: many workers encode, each into its own encoder, then append in the order of the chunks (the ingest's turns
 * give the place; the bytes are written in parallel).  Reading: many workers, each with its own decoder, claim the next
 * chunk of a *scan*, which reads ahead (posix_fadvise) so that the disk works while they compute.
 *
 * Encoding, per column and chunk, from the values alone: constant; integers as base + unsigned 8/16/32 bits; float32
 * where the column's spread within the chunk allows it (the rounding error is at most 2^-21 of the spread, or the value
 * is exactly a float); else float64.  Codes in 8, 16 or 32 bits.  CSR: indices in 16, 32 or 64 bits, values absent
 * (all 1), float32 or float64.  Each chunk carries XXH3-64 of its bytes, checked on every read from a file.
 * A store that is opened from a path is hostile: every length and offset is checked before use.
 */
#ifndef SKIMPI_STORE_H
#define SKIMPI_STORE_H

#include "data/chunk.h"
#include "data/column_spread.h"
#include "data/reader.h"

typedef struct skimpi_store skimpi_store;

/* What is known of every numeric feature (and the target, the weight) once the data has been read. Exact, any order. */
typedef struct skimpi_column_summary {
    uint64_t n_missing, n_infinite;
    double minimum, maximum;    /* of the finite values; +inf/-inf when there are none */
    uint64_t first_missing_row; /* line number, 0: none */
    uint64_t first_infinite_row;
} skimpi_column_summary;

/* Bytes that a decoder keeps beside a chunk's own: for columns that are not used as they are stored. */
typedef struct skimpi_area {
    uint64_t memory; /* the store is in memory: of all columns */
    uint64_t file;   /* it is in a file: of those that cannot be used in place; at most `memory` */
    uint64_t ones;   /* and, of either, for CSR values that are left out, where they are wanted (with_values) */
} skimpi_area;

#define SKIMPI_MAX_CLASSES 65536
typedef struct skimpi_summary {
    uint64_t n_rows, n_chunks, nonzeros;
    uint32_t largest_chunk_rows;
    uint64_t largest_chunk_nonzeros, largest_chunk_bytes; /* encoded */
    skimpi_area largest_area;                             /* each the largest of any chunk */
    uint64_t store_bytes;
    uint64_t data_hash; /* sum of mixed chunk checksums: tells data apart (checkpoints); not the texts of categories */
    uint64_t rows_bad, rows_missing; /* skipped, dropped */
    skimpi_column_summary *numeric;  /* per numeric slot; sparse: one, of all values */
    skimpi_column_summary target, weight;
    skimpi_column_spread *spreads; /* per numeric slot of a table, of the numbers as they are kept */
    bool has_spreads;              /* not of arrays that the caller holds, nor of kept stores of version 2 */
    uint64_t *category_missing;    /* per category slot */
    double *target_values;         /* distinct targets, ascending; NULL when more than SKIMPI_MAX_CLASSES */
    uint64_t *target_counts;       /* rows of each */
    uint32_t n_target_values;
} skimpi_summary;

typedef enum skimpi_place {
    SKIMPI_PLACE_MEMORY,
    SKIMPI_PLACE_SPILL,
    SKIMPI_PLACE_FILE,
    SKIMPI_PLACE_CALLER, /* arrays that the caller holds (arrays.h): nothing is stored */
    SKIMPI_PLACE_SOURCE /* chunks are encoded anew for each pass (source.h): nothing is stored but what tells them apart */
} skimpi_place;

typedef struct skimpi_store_options {
    skimpi_place place;
    const char *path;            /* FILE: where to keep it (written atomically: it appears at finish) */
    const char *spill_directory; /* SPILL, and MEMORY when it has to move out */
    bool allow_tmpfs;            /* a spill directory in memory is refused otherwise */
    uint64_t
        expected_bytes; /* disk space is checked for this (× 1.05) and reserved as it grows; a full disk is an IO error */
    bool
        write_back_early; /* the container's limit is the budget: have pages written as they come, drop them from the cache */
} skimpi_store_options;

/* The schema must outlive the store. Memory, under "store": see skimpi_store_bytes. */
SKIMP_CHECKED skimp_status skimpi_store_create(skimpi_store **out, skimp_budget *budget, const skimpi_schema *schema,
                                               const skimpi_store_options *options, skimp_error *error);
/* Opens a kept store; makes the schema (to be destroyed by the caller after the store). */
SKIMP_CHECKED skimp_status skimpi_store_open(skimpi_store **out, skimp_budget *budget, const char *path,
                                             skimpi_schema **schema, skimp_error *error);
bool skimpi_store_recognise(const char *bytes, size_t n); /* do these first bytes begin a store? */
void skimpi_store_destroy(skimpi_store *store);
/*
 * For plans, under "store": what create charges and, of a store in memory, what `encoded` bytes of chunks add to it.
 * While the data is read, counting the distinct targets takes up to SKIMPI_TARGET_SET_BYTES more (with a handful of
 * classes 28 KiB); once it has been read, 16 bytes for each of them.
 */
#define SKIMPI_TARGET_SET_BYTES ((uint64_t)1800 << 10)
uint64_t skimpi_store_bytes(const skimpi_schema *schema, uint64_t encoded, skimpi_place place);
/* What it takes further to write one that is kept. */
uint64_t skimpi_store_writing_bytes(void);
const skimpi_summary *skimpi_store_summary(const skimpi_store *store);
skimpi_place skimpi_store_place(const skimpi_store *store); /* now */
bool skimpi_store_is_finished(const skimpi_store *store);   /* it is complete, and so is its summary */

/* Moves an in-memory store to a spill file (the soft limit's first measure). Appends may go on. */
SKIMP_CHECKED skimp_status skimpi_store_spill(skimpi_store *store, skimp_error *error);

/* ---- some rows of a kept store ---- */
/*
 * From here on the store is these rows alone: row r of its n_rows, where bit r % 8 of rows[r / 8] is set (`rows` must outlive
 * it).  Chunks, their first_row and the summary's n_rows are theirs; chunks of which no row is seen are there, and empty.
 * The rest of the summary, and the dictionaries, are bounds until the rows have been looked at (skimpi_arrays_scan, then
 * skimpi_store_settle_rows, which leaves only the texts in `schema` that these rows have: the store's own schema).
 * PARAM: it has another number of rows.
 */
SKIMP_CHECKED skimp_status skimpi_store_select(skimpi_store *store, const uint8_t *rows, uint64_t n_rows,
                                               skimp_error *error);
bool skimpi_store_is_selected(const skimpi_store *store);
bool skimpi_store_has_bounds(const skimpi_store *store); /* selected, and not looked at yet */
SKIMP_CHECKED skimp_status skimpi_store_settle_rows(skimpi_store *store, skimpi_schema *schema, skimp_error *error);
/* For plans, before they were looked at, under "categories": what scan and settling add. */
uint64_t skimpi_store_rows_bytes(const skimpi_store *store);

/* ---- writing ---- */
typedef struct skimpi_encoder skimpi_encoder; /* one for each worker */
/*
 * Room for chunks of so many rows and non-zeros (CSR), and, where encoded > 0, that take so many bytes when encoded: it
 * grows when a chunk takes more.
 */
SKIMP_CHECKED skimp_status skimpi_encoder_create(skimpi_encoder **out, skimpi_store *store, uint32_t rows,
                                                 uint64_t nonzeros, uint64_t encoded, skimp_error *error);
void skimpi_encoder_destroy(skimpi_encoder *encoder);
/* What create charges. */
uint64_t skimpi_encoder_bytes(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros, uint64_t encoded);
/* Encodes a committed raw chunk (no FRESH codes) and gathers its summary. Parallel. first_line: line number of the unit's first line. */
SKIMP_CHECKED skimp_status skimpi_encoder_encode(skimpi_encoder *encoder, const skimpi_raw *raw, uint64_t first_line,
                                                 skimp_error *error);
/* The bytes of the chunk that was encoded, as number `index` of the store. */
const uint8_t *skimpi_encoder_chunk(skimpi_encoder *encoder, uint64_t index, uint64_t first_row);
/* Takes the chunk's place (in order, one caller at a time). */
SKIMP_CHECKED skimp_status skimpi_store_place_chunk(skimpi_store *store, skimpi_encoder *encoder, uint64_t index,
                                                    skimp_error *error);
/* Writes the bytes to the place that was taken. Parallel. */
SKIMP_CHECKED skimp_status skimpi_store_write_chunk(skimpi_store *store, skimpi_encoder *encoder, skimp_error *error);
/* Merges the encoders' summaries and completes the store; a FILE appears under its name. */
SKIMP_CHECKED skimp_status skimpi_store_finish(skimpi_store *store, skimpi_encoder *const *encoders, unsigned n,
                                               skimp_error *error);

/* ---- reading ---- */
typedef struct skimpi_decoder skimpi_decoder; /* one for each worker: buffers for the largest chunk, exactly */
typedef struct skimpi_decoder_options {
    const uint32_t *const *ranks;  /* per category slot: code -> sorted code (NULL: as they are) */
    const uint64_t *features;      /* per numeric slot: its feature in the encoded space (NULL: the slot) */
    const uint64_t *code_features; /* per category slot: feature of code 0 */
    const uint32_t *n_codes;       /* per category slot */
    bool
        with_weight; /* chunk->weight is never NULL: ones where the data has no weights (class weights are multiplied in) */
    bool with_values; /* CSR values are never left out: ones are written out for transformers to change */
    bool read_only;   /* the CSR block will not be changed: of the caller's arrays, it may be these themselves */
    bool as_doubles;  /* numbers are doubles, whatever they are stored as: what a reader makes of text */
    uint32_t spare_floats, spare_doubles; /* columns that steps add: their room in chunk->dense and chunk->spare */
    uint32_t csr_doublings;               /* a CSR block has room to become twice as long, so many times */
    uint64_t nonzeros; /* as_doubles, csr_doublings: of the largest chunk (for plans: create knows it) */
    bool select;       /* the store is some rows of a file (for plans: create knows it) */
} skimpi_decoder_options;
SKIMP_CHECKED skimp_status skimpi_decoder_create(skimpi_decoder **out, skimpi_store *store,
                                                 const skimpi_decoder_options *options, skimp_error *error);
void skimpi_decoder_destroy(skimpi_decoder *decoder);
/* From here on chunks may be row blocks, and are where skimpi_arrays_has_rows and the decoder is read_only. */
void skimpi_decoder_take_rows(skimpi_decoder *decoder, bool takes_rows);
/*
 * Exactly what create charges for chunks of at most these sizes, read from `place`. (A store that is spilled later:
 * encoded_bytes more, once it is read from.) options: NULL, or what weights and values are wanted.
 */
uint64_t skimpi_decoder_bytes(const skimpi_schema *schema, uint32_t rows, uint64_t encoded_bytes,
                              const skimpi_area *area, const skimpi_decoder_options *options, skimpi_place place);

typedef struct skimpi_scan { /* a pass over all chunks, shared by the workers */
    _Atomic uint64_t next;   /* chunk */
    uint64_t position;       /* of the store, for the reader's use, under the store's lock */
    _Atomic uint64_t bytes_done;
} skimpi_scan;
void skimpi_scan_begin(skimpi_store *store, skimpi_scan *scan);
/* Claims, reads, checks and decodes the next chunk. *done when there is none left. */
SKIMP_CHECKED skimp_status skimpi_scan_next(skimpi_store *store, skimpi_scan *scan, skimpi_decoder *decoder,
                                            skimpi_chunk **chunk, bool *done, skimp_error *error);
/* Reads one chunk by number (SGD's shuffled order). */
SKIMP_CHECKED skimp_status skimpi_store_read_chunk(skimpi_store *store, skimpi_decoder *decoder, uint64_t index,
                                                   skimpi_chunk **chunk, skimp_error *error);

/* Keeps only the rows whose keep[i] is set: compacts a decoded chunk in place. */
void skimpi_chunk_compact(skimpi_chunk *chunk, const uint8_t *keep);

#endif
