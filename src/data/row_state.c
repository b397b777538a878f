/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Row state: see row_state.h.
 *
 * The spill file: the state of all rows, in their order; after it 8 bytes for each chunk, the checksum of the chunk's part
 * as it was last written.  0 there says that it is not known: the part was never written, and reads as zeros; or it came
 * from a checkpoint, whose own checksum was looked at.  So neither takes memory, however many chunks there are.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "data/encoding.h"
#include "data/row_state.h"
#include "data/spill.h"
#include "os/os.h"

/* As store.c: pages of a file that are this far behind are dropped, in steps; written ones have reached the disk by then. */
#define DROP_STEP ((uint64_t)4 << 20)
#define DROP_DISTANCE ((uint64_t)8 << 20)

typedef struct slot { /* a chunk at hand */
    bool is_open;
    uint64_t index, first_row, n_rows;
    uint64_t checksum; /* SPILL: as it was opened */
} slot;

struct skimpi_row_state {
    skimp_budget *budget;
    skimpi_row_state_options options;
    uint8_t *memory;      /* MEMORY: the state of all rows */
    uint8_t *buffers;     /* SPILL: one for each slot */
    int fd;               /* SPILL; -1 otherwise */
    pthread_mutex_t lock; /* of the slots' rows */
    slot slots[];
};

/* ---- sizes ----------------------------------------------------------------------------------------------------------- */

/* Blocks of 4 KiB and more are aligned to 64 bytes. */
static uint64_t aligned_block(uint64_t bytes)
{
    return skimpi_max_u64(bytes, 4096);
}

uint64_t skimpi_row_state_bytes(const skimpi_row_state_options *options)
{
    return skimpi_mul_sat(options->n_rows, options->row_bytes);
}

static uint64_t head_bytes(const skimpi_row_state_options *options)
{
    return sizeof(skimpi_row_state) + options->n_slots * sizeof(slot);
}

/* Of a slot's buffer; a multiple of 64. */
static uint64_t buffer_stride(const skimpi_row_state_options *options)
{
    return skimpi_mul_sat(skimpi_add_sat(skimpi_mul_sat(options->chunk_rows, options->row_bytes), 63) / 64, 64);
}

static uint64_t all_buffers(const skimpi_row_state_options *options)
{
    return aligned_block(skimpi_mul_sat(options->n_slots, buffer_stride(options)));
}

uint64_t skimpi_row_state_store_bytes(const skimpi_row_state_options *options)
{
    const uint64_t head = skimp_alloc_cost(head_bytes(options));
    return options->place != SKIMPI_PLACE_MEMORY
               ? head
               : skimpi_add_sat(head, skimp_alloc_cost(aligned_block(skimpi_row_state_bytes(options))));
}

uint64_t skimpi_row_state_buffer_bytes(const skimpi_row_state_options *options)
{
    return options->place == SKIMPI_PLACE_MEMORY ? 0 : skimp_alloc_cost(all_buffers(options));
}

/* Where the checksums begin. */
static uint64_t checksums_at(const skimpi_row_state_options *options)
{
    return skimpi_mul_sat(skimpi_add_sat(skimpi_row_state_bytes(options), 7) / 8, 8);
}

uint64_t skimpi_row_state_disk_bytes(const skimpi_row_state_options *options)
{
    return options->place == SKIMPI_PLACE_MEMORY
               ? 0
               : skimpi_add_sat(checksums_at(options), skimpi_mul_sat(options->n_chunks, sizeof(uint64_t)));
}

/* ---- making ------------------------------------------------------------------------------------------------------------ */

skimp_status skimpi_row_state_check_disk(const skimpi_row_state_options *options, uint64_t others, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *directory = options->spill_directory;
    const uint64_t own = skimpi_row_state_disk_bytes(options), wanted = skimpi_add_sat(own, others);
    uint64_t free_bytes;
    SKIMPI_TRY(skimpi_spill_disk(directory, options->allow_tmpfs, &free_bytes, error));
    if (free_bytes < wanted) {
        if (error != NULL && error->code == SKIMP_OK) {
            error->requested = wanted;
        }
        return skimpi_fail_at(error, SKIMP_ERROR_IO, directory, 0, NULL,
                              "%" PRIu64 " bytes of disk are needed, %" PRIu64
                              " of them for what the estimator keeps for each row, and %" PRIu64
                              " are free; name another directory with --spill-dir",
                              wanted, own, free_bytes);
    }
out:
    return status;
}

/* What the system said of the spill file, and what to do about it; unless a deeper failure had its say before. */
static skimp_status advise(skimp_status status, bool was_clear, skimp_error *error)
{
    if (status == SKIMP_ERROR_IO && was_clear) {
        const size_t used = strlen(error->message);
        snprintf(error->message + used, sizeof error->message - used,
                 " (the spill file of what the estimator keeps for each row); name another directory with --spill-dir");
    }
    return status;
}

static bool is_clear(const skimp_error *error)
{
    return error != NULL && error->code == SKIMP_OK;
}

static skimp_status open_spill(skimpi_row_state *rows, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_row_state_options *options = &rows->options;
    const bool clear = is_clear(error);
    SKIMPI_TRY(skimpi_row_state_check_disk(options, 0, error));
    SKIMPI_TRY(skimpi_os_spill_file(&rows->fd, options->spill_directory, error));
    status = advise(skimpi_os_reserve(rows->fd, options->spill_directory, skimpi_row_state_disk_bytes(options), error),
                    clear, error);
out:
    return status;
}

skimp_status skimpi_row_state_create(skimpi_row_state **out, skimp_budget *budget,
                                     const skimpi_row_state_options *options, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_row_state *rows = NULL;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STORE, head_bytes(options), 1, (void **)&rows, error));
    rows->budget = budget;
    rows->options = *options;
    rows->fd = -1;
    pthread_mutex_init(&rows->lock, NULL);
    if (options->place == SKIMPI_PLACE_MEMORY) {
        SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STORE, aligned_block(skimpi_row_state_bytes(options)), 1,
                               (void **)&rows->memory, error));
    } else {
        SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CHUNKS, all_buffers(options), 1, (void **)&rows->buffers, error));
        SKIMPI_TRY(open_spill(rows, error));
    }
    *out = rows;
    rows = NULL;
out:
    skimpi_row_state_destroy(rows);
    return status;
}

void skimpi_row_state_destroy(skimpi_row_state *rows)
{
    if (rows == NULL) {
        return;
    }
    const skimpi_row_state_options options = rows->options;
    skimpi_os_close(rows->fd);
    skimp_free(rows->budget, SKIMP_TAG_STORE, rows->memory, aligned_block(skimpi_row_state_bytes(&options)), 1);
    skimp_free(rows->budget, SKIMP_TAG_CHUNKS, rows->buffers, all_buffers(&options), 1);
    pthread_mutex_destroy(&rows->lock);
    skimp_free(rows->budget, SKIMP_TAG_STORE, rows, head_bytes(&options), 1);
}

uint64_t skimpi_row_state_size(const skimpi_row_state *rows)
{
    return skimpi_row_state_bytes(&rows->options);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------------ */

/* Takes the chunk's rows for a slot. False: they are not rows of the data, or another slot has some of them. */
static bool take_rows(skimpi_row_state *rows, slot *own, const skimpi_chunk *chunk)
{
    const skimpi_row_state_options *options = &rows->options;
    const uint64_t first = chunk->first_row, n = chunk->n_rows;
    bool is_free = chunk->index < options->n_chunks && n <= options->chunk_rows && first <= options->n_rows &&
                   n <= options->n_rows - first;
    pthread_mutex_lock(&rows->lock);
    for (unsigned i = 0; i < options->n_slots; i++) {
        const slot *other = &rows->slots[i];
        is_free &= !other->is_open || first >= other->first_row + other->n_rows || other->first_row >= first + n;
    }
    if (is_free) {
        *own = (slot){ .is_open = true, .index = chunk->index, .first_row = first, .n_rows = n };
    }
    pthread_mutex_unlock(&rows->lock);
    return is_free;
}

static void leave_rows(skimpi_row_state *rows, slot *own)
{
    pthread_mutex_lock(&rows->lock);
    own->is_open = false;
    pthread_mutex_unlock(&rows->lock);
}

static uint8_t *buffer_of(const skimpi_row_state *rows, const slot *own)
{
    return rows->buffers + (size_t)(own - rows->slots) * buffer_stride(&rows->options);
}

static uint64_t checksum_of(const void *bytes, size_t n)
{
    const uint64_t checksum = skimpi_checksum(bytes, n);
    return checksum != 0 ? checksum : 1; /* 0: not known */
}

static uint64_t checksum_at(const skimpi_row_state *rows, const slot *own)
{
    return checksums_at(&rows->options) + own->index * sizeof(uint64_t);
}

/* Reads from the spill file; what lies past its end was never written. */
static skimp_status read_spill(const skimpi_row_state *rows, void *bytes, size_t n, uint64_t at, skimp_error *error)
{
    size_t got = 0;
    const bool clear = is_clear(error);
    const skimp_status status =
        advise(skimpi_os_pread(rows->fd, rows->options.spill_directory, bytes, n, at, &got, error), clear, error);
    memset((uint8_t *)bytes + got, 0, n - got);
    return status;
}

static skimp_status write_spill(const skimpi_row_state *rows, const void *bytes, size_t n, uint64_t at,
                                skimp_error *error)
{
    const bool clear = is_clear(error);
    return advise(skimpi_os_pwrite(rows->fd, rows->options.spill_directory, bytes, n, at, error), clear, error);
}

static skimp_status read_chunk(const skimpi_row_state *rows, slot *own, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t row_bytes = rows->options.row_bytes;
    uint8_t *buffer = buffer_of(rows, own);
    uint64_t known = 0;
    SKIMPI_TRY(read_spill(rows, buffer, own->n_rows * row_bytes, own->first_row * row_bytes, error));
    SKIMPI_TRY(read_spill(rows, &known, sizeof known, checksum_at(rows, own), error));
    own->checksum = checksum_of(buffer, own->n_rows * row_bytes);
    if (known != 0 && known != own->checksum) {
        status = skimpi_fail_at(error, SKIMP_ERROR_IO, rows->options.spill_directory, 0, NULL,
                                "what the estimator keeps for the rows of chunk %" PRIu64
                                " came back from the spill file with other bytes than were written; name another "
                                "directory with --spill-dir",
                                own->index);
    }
out:
    return status;
}

/* With write_back_early: what was written goes to the disk now, and what lies well behind leaves the page cache. */
static void care_for_cache(const skimpi_row_state *rows, uint64_t at, uint64_t bytes, bool was_written)
{
    const uint64_t from = at / DROP_STEP, to = (at + bytes) / DROP_STEP;
    if (!rows->options.write_back_early) {
        return;
    }
    if (was_written) {
        skimpi_os_write_back(rows->fd, at, bytes);
    }
    if (to > from && from * DROP_STEP >= DROP_DISTANCE) {
        skimpi_os_dont_need(rows->fd, from * DROP_STEP - DROP_DISTANCE, (to - from) * DROP_STEP);
    }
}

static skimp_status write_chunk(const skimpi_row_state *rows, const slot *own, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t bytes = own->n_rows * rows->options.row_bytes, at = own->first_row * rows->options.row_bytes;
    const uint8_t *buffer = buffer_of(rows, own);
    const uint64_t checksum = checksum_of(buffer, bytes);
    const bool is_changed = checksum != own->checksum;
    if (is_changed) {
        SKIMPI_TRY(write_spill(rows, buffer, bytes, at, error));
        SKIMPI_TRY(write_spill(rows, &checksum, sizeof checksum, checksum_at(rows, own), error));
    }
    care_for_cache(rows, at, bytes, is_changed);
out:
    return status;
}

skimp_status skimpi_row_state_open(skimpi_row_state *rows, unsigned slot_number, skimpi_chunk *chunk,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    slot *own = &rows->slots[slot_number];
    if (!take_rows(rows, own, chunk)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "chunk %" PRIu64 " has rows that are not its own: the chunk store is damaged", chunk->index);
    }
    if (rows->memory != NULL) {
        chunk->row_state = rows->memory + own->first_row * rows->options.row_bytes;
        return SKIMP_OK;
    }
    SKIMPI_TRY(read_chunk(rows, own, error));
    chunk->row_state = buffer_of(rows, own);
out:
    if (status != SKIMP_OK) {
        leave_rows(rows, own);
    }
    return status;
}

skimp_status skimpi_row_state_close(skimpi_row_state *rows, unsigned slot_number, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    slot *own = &rows->slots[slot_number];
    if (!own->is_open) {
        return SKIMP_OK;
    }
    if (rows->memory == NULL) {
        status = write_chunk(rows, own, error);
    }
    leave_rows(rows, own);
    return status;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------------- */

skimp_status skimpi_row_state_save(skimpi_row_state *rows, int fd, const char *path, uint64_t offset,
                                   uint64_t *checksum, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t bytes = skimpi_row_state_size(rows);
    if (rows->memory != NULL) {
        *checksum = skimpi_checksum(rows->memory, bytes);
        return skimpi_os_pwrite(fd, path, rows->memory, bytes, offset, error);
    }
    skimpi_checksum_state sum;
    skimpi_checksum_begin(&sum);
    for (uint64_t done = 0; done < bytes;) {
        const uint64_t n = skimpi_min_u64(all_buffers(&rows->options), bytes - done);
        SKIMPI_TRY(read_spill(rows, rows->buffers, n, done, error));
        skimpi_checksum_add(&sum, rows->buffers, n);
        SKIMPI_TRY(skimpi_os_pwrite(fd, path, rows->buffers, n, offset + done, error));
        care_for_cache(rows, done, n, false);
        done += n;
    }
    *checksum = skimpi_checksum_end(&sum);
out:
    return status;
}

skimp_status skimpi_row_state_load(skimpi_row_state *rows, int fd, const char *path, uint64_t offset,
                                   uint64_t *checksum, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t bytes = skimpi_row_state_size(rows);
    skimpi_checksum_state sum;
    skimpi_checksum_begin(&sum);
    for (uint64_t done = 0; done < bytes;) {
        const uint64_t n = rows->memory != NULL ? bytes : skimpi_min_u64(all_buffers(&rows->options), bytes - done);
        uint8_t *to = rows->memory != NULL ? rows->memory : rows->buffers;
        size_t got = 0;
        SKIMPI_TRY(skimpi_os_pread(fd, path, to, n, offset + done, &got, error));
        if (got < n) {
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL, "was cut short while it was read");
        }
        skimpi_checksum_add(&sum, to, n);
        if (rows->memory == NULL) {
            SKIMPI_TRY(write_spill(rows, to, n, done, error));
            care_for_cache(rows, done, n, true);
        }
        done += n;
    }
    *checksum = skimpi_checksum_end(&sum);
out:
    return status;
}
