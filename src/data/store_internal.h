/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of a chunk store.  Shared by store.c (where chunks are), store_write.c, store_read.c and store_file.c.
 *
 * Chunks lie one after the other in one space of offsets, whatever the place.  In memory that space is made of extents
 * of 256 KiB, found through two levels of pointers that never move: so the waste is one extent, nothing is copied as the
 * store grows, and a chunk may straddle extents (each column starts at a multiple of 64, and an extent ends at one).
 *
 * The index keeps the offset of every 2^index_shift-th chunk; the headers in between say how long each is.
 *
 * Locks.  `content` is held for reading while bytes in extents are touched, for writing while the store moves to a spill
 * file.  Nothing is allocated while either lock is held: an allocation may reclaim, and reclaiming may spill.
 */
#ifndef SKIMPI_STORE_INTERNAL_H
#define SKIMPI_STORE_INTERNAL_H

#include <pthread.h>

#include "data/encoding.h"
#include "data/store.h"
#include "data/target_set.h"
#include "os/os.h"

#define SKIMPI_EXTENT_BYTES ((uint64_t)256 << 10)
#define SKIMPI_EXTENT_FANOUT 1024u
#define SKIMPI_INDEX_ENTRIES 4096u
#define SKIMPI_STORE_FILE_HEAD 4096u /* the chunks of a kept file start here */

typedef struct skimpi_store_head {
    char magic[16];
    uint32_t version;
    uint32_t reserved;
} skimpi_store_head;

typedef struct skimpi_store_trailer { /* the last bytes of a kept file */
    uint64_t footer_offset;
    uint64_t footer_bytes;
    uint64_t footer_checksum; /* XXH3-64 */
    uint64_t file_bytes;
    char magic[16];
    uint64_t version;  /* as in the head, where no checksum guards it; 0 in version 2 */
    uint64_t checksum; /* XXH3-64 of the 56 bytes before it */
} skimpi_store_trailer;
_Static_assert(sizeof(skimpi_store_trailer) == 64, "the trailer is 64 bytes");

/* The rows of a store that are seen (store_rows.c). */
typedef struct skimpi_selection {
    const uint8_t *rows; /* the caller's: a bit for each row of the store */
    uint64_t n_all;      /* rows of the store */
    uint64_t n_blocks;
    uint64_t *before; /* per block of rows: those before it that are seen */
    /* Once they were looked at: */
    uint32_t n_dictionaries; /* of the text columns, and of a text target */
    uint32_t *n_texts;       /* per dictionary, what it had */
    uint32_t **codes;        /* per dictionary, what each text is among those that are left; NULL: the same */
    uint8_t **occurs;        /* per dictionary, while they are being looked at: what was seen */
} skimpi_selection;

struct skimpi_store {
    skimp_budget *budget;
    const skimpi_schema *schema;
    char *path; /* FILE */
    char *spill_directory;
    bool allow_tmpfs, write_back_early, finished;
    uint64_t expected_bytes;

    pthread_mutex_t lock; /* of scans and of the counters below while chunks are placed */
    pthread_rwlock_t content;
    skimpi_place place;
    int fd;                   /* SPILL and FILE; -1 otherwise */
    skimpi_os_output *output; /* FILE, until it is finished */
    uint64_t reserved;        /* bytes of disk that are ours */
    uint64_t end;             /* offset after the last chunk */
    uint64_t n_extents;
    uint8_t **extents[SKIMPI_EXTENT_FANOUT];

    unsigned index_shift;
    uint64_t index[SKIMPI_INDEX_ENTRIES]; /* SOURCE: the checksums of these chunks' headers */

    skimpi_summary summary;
    skimpi_target_set targets;

    struct skimpi_arrays *arrays; /* CALLER: where the chunks come from; else NULL */
    skimpi_selection *selection;  /* FILE: some rows only; else NULL */
};

struct skimpi_decoder {
    skimpi_store *store;
    skimpi_decoder_options options;
    skimpi_chunk chunk;
    uint64_t total;  /* bytes of this block */
    bool takes_rows; /* where they can be had */
    uint8_t *keep;   /* of a selection: the chunk's rows that are in it */
    uint8_t *area;   /* decoded columns */
    uint64_t area_bytes, area_used;
    uint8_t *file;       /* the chunk as it is in a file; NULL while the store is in memory */
    uint64_t file_bytes; /* of a block of its own, for a store that moved to disk later; else 0 */
};

/* Where the chunks of a place start in its file. */
static inline uint64_t skimpi_store_base(const skimpi_store *store)
{
    return store->place == SKIMPI_PLACE_FILE ? SKIMPI_STORE_FILE_HEAD : 0;
}

/* What errors call the file of a store. */
static inline const char *skimpi_store_name(const skimpi_store *store)
{
    return store->place == SKIMPI_PLACE_FILE ? store->path : store->spill_directory;
}

/* Bytes at an offset of a store in memory, and how many there are in a row. Needs `content`. */
static inline uint8_t *skimpi_store_piece(const skimpi_store *store, uint64_t offset, uint64_t *available)
{
    uint64_t extent = offset / SKIMPI_EXTENT_BYTES;
    *available = SKIMPI_EXTENT_BYTES - offset % SKIMPI_EXTENT_BYTES;
    return store->extents[extent / SKIMPI_EXTENT_FANOUT][extent % SKIMPI_EXTENT_FANOUT] + offset % SKIMPI_EXTENT_BYTES;
}

/* A store with its summary's arrays, of place MEMORY, empty. */
SKIMP_CHECKED skimp_status skimpi_store_new(skimpi_store **out, skimp_budget *budget, const skimpi_schema *schema,
                                            skimp_error *error);
/* Makes room in memory for the offsets below `end`; moves to a spill file where the budget refuses. One caller at a time. */
SKIMP_CHECKED skimp_status skimpi_store_grow(skimpi_store *store, uint64_t end, skimp_error *error);
/* Reserves disk for the offsets below `end`. */
SKIMP_CHECKED skimp_status skimpi_store_reserve(skimpi_store *store, uint64_t end, skimp_error *error);
/* Enters chunk `number`, which starts at `offset`, into the index. Numbers come in order. */
void skimpi_store_index_add(skimpi_store *store, uint64_t number, uint64_t offset);
/* With write_back_early: what of a file lies well behind [offset, offset + bytes) leaves the page cache. */
void skimpi_store_drop_behind(const skimpi_store *store, uint64_t offset, uint64_t bytes);

/* What a chunk with these descriptors takes when it is decoded, exactly. */
skimpi_area skimpi_chunk_area(const skimpi_schema *schema, const skimpi_chunk_header *header,
                              const skimpi_chunk_column *columns);

void skimpi_column_summary_init(skimpi_column_summary *summary);
uint32_t skimpi_summary_columns(const skimpi_schema *schema);              /* entries of summary->numeric */
static inline uint32_t skimpi_summary_spreads(const skimpi_schema *schema) /* and of summary->spreads */
{
    return schema->sparse ? 0 : schema->n_numeric;
}

/* SOURCE: a chunk as the encoder has it, which is no larger than those of the store, decoded. */
SKIMP_CHECKED skimp_status skimpi_decoder_take(skimpi_decoder *decoder, const uint8_t *bytes, skimp_error *error);
/* SOURCE: is a chunk, by its header and what it decodes to, one that decoders of this store have room for? */
bool skimpi_store_has_room(const skimpi_store *store, const uint8_t *bytes);

/* Chunk `index` of a store of the caller's arrays (arrays_store.c). */
SKIMP_CHECKED skimp_status skimpi_arrays_read(skimpi_store *store, skimpi_decoder *decoder, uint64_t index,
                                              skimp_error *error);

/* ---- store_rows.c ---- */

void skimpi_selection_free(skimpi_store *store);
/* Is any of these rows of the store seen? */
bool skimpi_selection_any(const skimpi_selection *selection, uint64_t first, uint32_t n);
/* Makes a decoded chunk, whose codes are as stored, that of the rows that are seen. */
void skimpi_selection_apply(const skimpi_store *store, skimpi_decoder *decoder);
/* A chunk of which no row is seen, without reading it. */
void skimpi_selection_skip(const skimpi_store *store, skimpi_decoder *decoder, const skimpi_chunk_header *header);
/* The look at all rows: begin, note for each chunk (with a cache for each worker), end. */
SKIMP_CHECKED skimp_status skimpi_selection_begin(skimpi_store *store, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_selection_note(skimpi_store *store, const skimpi_chunk *chunk,
                                                 skimpi_target_cache *cache, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_selection_end(skimpi_store *store, skimp_error *error);

/* Writes schema, summary and index after the chunks, and the trailer; the file then takes its name. */
SKIMP_CHECKED skimp_status skimpi_store_file_begin(skimpi_store *store, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_store_file_finish(skimpi_store *store, skimp_error *error);

#endif
