/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Row state: bytes that an estimator keeps for every row from pass to pass (dual variables, scores, distances), beside the
 * chunk store: in memory when the plan says that it fits, else in an unnamed spill file.
 *
 * The state of all rows is one array in the order of the rows, zero at first.  A chunk's part of it begins at the chunk's
 * first row, and row i of the chunk *as the estimator sees it* has the i-th element: rows that are held out take no part,
 * so where some are, the end of the chunk's part lies idle.  (Which rows are held out is a function of their numbers, so a
 * row finds its own state again in every pass.)
 *
 * A chunk is opened in a *slot* before it is consumed, and closed after.  In memory, the chunk then points into the array.
 * On disk, its part is read into the slot's buffer, and written back when it was changed; which its checksum tells, that
 * also tells when the disk gives back other bytes than it was given.  All buffers are made once.
 */
#ifndef SKIMPI_ROW_STATE_H
#define SKIMPI_ROW_STATE_H

#include "data/chunk.h"
#include "data/store.h"

typedef struct skimpi_row_state skimpi_row_state;

typedef struct skimpi_row_state_options {
    skimpi_place place;          /* MEMORY or SPILL */
    const char *spill_directory; /* SPILL; must outlive the state */
    bool allow_tmpfs;            /* a spill directory in memory is refused otherwise */
    bool write_back_early;       /* the container's limit is the budget: as the store does */
    uint64_t row_bytes;          /* of one row; not 0 */
    uint64_t n_rows, n_chunks;   /* of the store */
    uint32_t chunk_rows;         /* of its largest chunk */
    unsigned n_slots;            /* chunks that are open at once */
} skimpi_row_state_options;

SKIMP_CHECKED skimp_status skimpi_row_state_create(skimpi_row_state **out, skimp_budget *budget,
                                                   const skimpi_row_state_options *options, skimp_error *error);
void skimpi_row_state_destroy(skimpi_row_state *rows);

/* For plans, exactly what create charges: under "store", and under "chunks" (the slots' buffers of a state on disk). */
uint64_t skimpi_row_state_store_bytes(const skimpi_row_state_options *options);
uint64_t skimpi_row_state_buffer_bytes(const skimpi_row_state_options *options);
/* The state of all rows; and what the spill file takes, 0 in memory. */
uint64_t skimpi_row_state_bytes(const skimpi_row_state_options *options);
uint64_t skimpi_row_state_disk_bytes(const skimpi_row_state_options *options);
/* Refuses a directory that has no room for the state and `others` bytes that will lie there too, or that is memory. */
SKIMP_CHECKED skimp_status skimpi_row_state_check_disk(const skimpi_row_state_options *options, uint64_t others,
                                                       skimp_error *error);

/*
 * Sets chunk->row_state, which is the chunk's alone until close: a chunk that shares rows with one that is open in another
 * slot is refused (DATA: only a store that was made to deceive has such).  Any number of threads, a slot for each.
 */
SKIMP_CHECKED skimp_status skimpi_row_state_open(skimpi_row_state *rows, unsigned slot, skimpi_chunk *chunk,
                                                 skimp_error *error);
/* Keeps what the chunk's state is now. Does nothing for a slot in which no chunk is open. */
SKIMP_CHECKED skimp_status skimpi_row_state_close(skimpi_row_state *rows, unsigned slot, skimp_error *error);

/*
 * Between passes: writes the state of all rows to a file at an offset, or takes it from there before the first pass.
 * *checksum: XXH3-64 of it.  The bytes are the same wherever the state is.
 */
SKIMP_CHECKED skimp_status skimpi_row_state_save(skimpi_row_state *rows, int fd, const char *path, uint64_t offset,
                                                 uint64_t *checksum, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_row_state_load(skimpi_row_state *rows, int fd, const char *path, uint64_t offset,
                                                 uint64_t *checksum, skimp_error *error);
uint64_t skimpi_row_state_size(const skimpi_row_state *rows); /* how many bytes that is */

#endif
