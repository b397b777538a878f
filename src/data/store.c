/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The chunk store: where its chunks are.  See store_internal.h.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "data/spill.h"
#include "data/store_internal.h"

/* Pages of a file that are this far behind are dropped, in steps; written ones have reached the disk by then. */
#define DROP_STEP ((uint64_t)4 << 20)
#define DROP_DISTANCE ((uint64_t)8 << 20)

uint32_t skimpi_summary_columns(const skimpi_schema *schema)
{
    return schema->sparse ? 1 : schema->n_numeric;
}

void skimpi_column_summary_init(skimpi_column_summary *summary)
{
    *summary = (skimpi_column_summary){ .minimum = INFINITY, .maximum = -INFINITY };
}

uint64_t skimpi_store_bytes(const skimpi_schema *schema, uint64_t encoded, skimpi_place place)
{
    uint64_t bytes = skimp_alloc_cost(sizeof(skimpi_store));
    uint64_t summaries = skimpi_mul_sat(skimpi_summary_columns(schema), sizeof(skimpi_column_summary));
    bytes = skimpi_add_sat(bytes, skimp_alloc_cost(summaries));
    bytes = skimpi_add_sat(bytes,
                           skimp_alloc_cost((uint64_t)skimpi_summary_spreads(schema) * sizeof(skimpi_column_spread)));
    bytes = skimpi_add_sat(bytes, skimp_alloc_cost((uint64_t)schema->n_category * sizeof(uint64_t)));
    if (place == SKIMPI_PLACE_MEMORY && encoded != 0) {
        uint64_t extents = (encoded - 1) / SKIMPI_EXTENT_BYTES + 1;
        uint64_t blocks = (extents - 1) / SKIMPI_EXTENT_FANOUT + 1;
        bytes = skimpi_add_sat(bytes, skimpi_mul_sat(extents, skimp_alloc_cost(SKIMPI_EXTENT_BYTES)));
        bytes =
            skimpi_add_sat(bytes, skimpi_mul_sat(blocks, skimp_alloc_cost(SKIMPI_EXTENT_FANOUT * sizeof(uint8_t *))));
    }
    return bytes;
}

skimp_status skimpi_store_new(skimpi_store **out, skimp_budget *budget, const skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint32_t n = skimpi_summary_columns(schema);
    void *block;
    skimpi_store *store = NULL;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STORE, 1, sizeof(*store), &block, error));
    store = block;
    store->budget = budget;
    store->schema = schema;
    store->fd = -1;
    pthread_mutex_init(&store->lock, NULL);
    pthread_rwlock_init(&store->content, NULL);
    skimpi_target_set_init(&store->targets, budget);
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STORE, n, sizeof(skimpi_column_summary), &block, error));
    store->summary.numeric = block;
    for (uint32_t i = 0; i < n; i++) {
        skimpi_column_summary_init(&store->summary.numeric[i]);
    }
    skimpi_column_summary_init(&store->summary.target);
    skimpi_column_summary_init(&store->summary.weight);
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STORE, skimpi_summary_spreads(schema), sizeof(skimpi_column_spread),
                           &block, error));
    store->summary.spreads = block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STORE, schema->n_category, sizeof(uint64_t), &block, error));
    store->summary.category_missing = block;
    *out = store;
    store = NULL;
out:
    skimpi_store_destroy(store);
    return status;
}

/* Opens the spill file, once its directory has been found fit for what is there and what is to come. */
static skimp_status open_spill(skimpi_store *store, int *fd, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *directory = store->spill_directory;
    uint64_t free_bytes;
    *fd = -1;
    SKIMPI_TRY(skimpi_spill_disk(directory, store->allow_tmpfs, &free_bytes, error));
    uint64_t wanted = skimpi_max_u64(store->end, skimpi_add_sat(store->expected_bytes, store->expected_bytes / 20));
    if (free_bytes < wanted) {
        if (error != NULL && error->code == SKIMP_OK) {
            error->requested = wanted;
        }
        return skimpi_fail_at(error, SKIMP_ERROR_IO, directory, 0, NULL,
                              "the chunk store needs %" PRIu64 " bytes of disk and %" PRIu64
                              " are free; name another directory with --spill-dir",
                              wanted, free_bytes);
    }
    SKIMPI_TRY(skimpi_os_spill_file(fd, directory, error));
out:
    return status;
}

skimp_status skimpi_store_create(skimpi_store **out, skimp_budget *budget, const skimpi_schema *schema,
                                 const skimpi_store_options *options, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_store *store = NULL;
    *out = NULL;
    if ((options->place == SKIMPI_PLACE_SPILL && options->spill_directory == NULL) ||
        (options->place == SKIMPI_PLACE_FILE && options->path == NULL)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "a chunk store outside memory needs a %s",
                           options->place == SKIMPI_PLACE_FILE ? "path" : "spill directory");
    }
    SKIMPI_TRY(skimpi_store_new(&store, budget, schema, error));
    store->allow_tmpfs = options->allow_tmpfs;
    store->write_back_early = options->write_back_early;
    store->expected_bytes = options->expected_bytes;
    if (options->spill_directory != NULL) {
        SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_STORE, options->spill_directory,
                                      strlen(options->spill_directory), &store->spill_directory, error));
    }
    if (options->place == SKIMPI_PLACE_FILE) {
        SKIMPI_TRY(
            skimpi_string_copy(budget, SKIMP_TAG_STORE, options->path, strlen(options->path), &store->path, error));
        SKIMPI_TRY(skimpi_store_file_begin(store, error));
    } else if (options->place == SKIMPI_PLACE_SPILL) {
        SKIMPI_TRY(open_spill(store, &store->fd, error));
        store->place = SKIMPI_PLACE_SPILL;
    } else {
        store->place = options->place;
    }
    *out = store;
    store = NULL;
out:
    skimpi_store_destroy(store);
    return status;
}

static void free_extents(skimpi_store *store)
{
    for (uint64_t i = 0; i < store->n_extents; i++) {
        skimp_free(store->budget, SKIMP_TAG_STORE, store->extents[i / SKIMPI_EXTENT_FANOUT][i % SKIMPI_EXTENT_FANOUT],
                   SKIMPI_EXTENT_BYTES, 1);
    }
    for (uint32_t i = 0; i < SKIMPI_EXTENT_FANOUT; i++) {
        skimp_free(store->budget, SKIMP_TAG_STORE, store->extents[i], SKIMPI_EXTENT_FANOUT, sizeof(uint8_t *));
        store->extents[i] = NULL;
    }
    store->n_extents = 0;
}

void skimpi_store_destroy(skimpi_store *store)
{
    if (store == NULL) {
        return;
    }
    skimp_budget *budget = store->budget;
    skimpi_summary *summary = &store->summary;
    if (store->output != NULL) {
        skimpi_os_output_abandon(store->output);
        skimp_free(budget, SKIMP_TAG_STORE, store->output, 1, sizeof(*store->output));
    } else {
        skimpi_os_close(store->fd);
    }
    free_extents(store);
    skimpi_selection_free(store);
    skimpi_target_set_free(&store->targets);
    skimp_free(budget, SKIMP_TAG_STORE, summary->target_values, summary->n_target_values, sizeof(double));
    skimp_free(budget, SKIMP_TAG_STORE, summary->target_counts, summary->n_target_values, sizeof(uint64_t));
    skimp_free(budget, SKIMP_TAG_STORE, summary->numeric, skimpi_summary_columns(store->schema),
               sizeof(skimpi_column_summary));
    skimp_free(budget, SKIMP_TAG_STORE, summary->spreads, skimpi_summary_spreads(store->schema),
               sizeof(skimpi_column_spread));
    skimp_free(budget, SKIMP_TAG_STORE, summary->category_missing, store->schema->n_category, sizeof(uint64_t));
    skimpi_string_free(budget, SKIMP_TAG_STORE, store->path);
    skimpi_string_free(budget, SKIMP_TAG_STORE, store->spill_directory);
    pthread_rwlock_destroy(&store->content);
    pthread_mutex_destroy(&store->lock);
    skimp_free(budget, SKIMP_TAG_STORE, store, 1, sizeof(*store));
}

const skimpi_summary *skimpi_store_summary(const skimpi_store *store)
{
    return &store->summary;
}

skimpi_place skimpi_store_place(const skimpi_store *store)
{
    skimpi_store *locked = (skimpi_store *)store;
    pthread_rwlock_rdlock(&locked->content);
    skimpi_place place = store->place;
    pthread_rwlock_unlock(&locked->content);
    return place;
}

bool skimpi_store_is_finished(const skimpi_store *store)
{
    return store->finished;
}

void skimpi_store_index_add(skimpi_store *store, uint64_t number, uint64_t offset)
{
    if (number >> store->index_shift == SKIMPI_INDEX_ENTRIES) {
        for (uint32_t i = 0; i < SKIMPI_INDEX_ENTRIES / 2; i++) {
            store->index[i] = store->index[2 * i];
        }
        store->index_shift++;
    }
    if ((number & (((uint64_t)1 << store->index_shift) - 1)) == 0) {
        store->index[number >> store->index_shift] = offset;
    }
}

void skimpi_store_drop_behind(const skimpi_store *store, uint64_t offset, uint64_t bytes)
{
    uint64_t from = offset / DROP_STEP, to = (offset + bytes) / DROP_STEP;
    if (store->write_back_early && to > from && to * DROP_STEP > DROP_DISTANCE) {
        uint64_t end = to * DROP_STEP - DROP_DISTANCE;
        uint64_t begin = end > (to - from) * DROP_STEP ? end - (to - from) * DROP_STEP : 0;
        skimpi_os_dont_need(store->fd, skimpi_store_base(store) + begin, end - begin);
    }
}

/* ---- growing and spilling ------------------------------------------------------------------------------------------ */

skimp_status skimpi_store_spill(skimpi_store *store, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    int fd = -1;
    pthread_rwlock_wrlock(&store->content);
    if (store->place != SKIMPI_PLACE_MEMORY) {
        goto out;
    }
    if (store->spill_directory == NULL) {
        status = skimpi_fail(error, SKIMP_ERROR_PARAM, "the chunk store has no directory to spill to");
        goto out;
    }
    SKIMPI_TRY(open_spill(store, &fd, error));
    SKIMPI_TRY(skimpi_os_reserve(fd, store->spill_directory, store->end, error));
    /* Extents are let go only when all of them are written: a full disk leaves the store as it was. */
    for (uint64_t offset = 0; offset < store->end; offset += SKIMPI_EXTENT_BYTES) {
        uint64_t available;
        const uint8_t *bytes = skimpi_store_piece(store, offset, &available);
        uint64_t n = skimpi_min_u64(available, store->end - offset);
        SKIMPI_TRY(skimpi_os_pwrite(fd, store->spill_directory, bytes, n, offset, error));
        if (store->write_back_early) {
            skimpi_os_write_back(fd, offset, n);
        }
    }
    free_extents(store);
    store->reserved = store->end;
    store->fd = fd;
    store->place = SKIMPI_PLACE_SPILL;
    fd = -1;
out:
    skimpi_os_close(fd);
    pthread_rwlock_unlock(&store->content);
    return status;
}

/* One more extent, if the store is still in memory. */
static skimp_status add_extent(skimpi_store *store, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *extent = NULL, *block = NULL;
    uint64_t number = store->n_extents;
    bool first_of_block = number % SKIMPI_EXTENT_FANOUT == 0;
    if (number == (uint64_t)SKIMPI_EXTENT_FANOUT * SKIMPI_EXTENT_FANOUT) {
        return skimpi_fail(error, SKIMP_ERROR_BUDGET, "a chunk store in memory holds at most 1 TiB");
    }
    if (first_of_block) {
        SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_STORE, SKIMPI_EXTENT_FANOUT, sizeof(uint8_t *), &block, error));
    }
    SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_STORE, SKIMPI_EXTENT_BYTES, 1, &extent, error));
    pthread_rwlock_wrlock(&store->content);
    if (store->place == SKIMPI_PLACE_MEMORY) {
        if (first_of_block) {
            store->extents[number / SKIMPI_EXTENT_FANOUT] = block;
            block = NULL;
        }
        store->extents[number / SKIMPI_EXTENT_FANOUT][number % SKIMPI_EXTENT_FANOUT] = extent;
        store->n_extents++;
        extent = NULL;
    }
    pthread_rwlock_unlock(&store->content);
out:
    skimp_free(store->budget, SKIMP_TAG_STORE, extent, SKIMPI_EXTENT_BYTES, 1);
    skimp_free(store->budget, SKIMP_TAG_STORE, block, SKIMPI_EXTENT_FANOUT, sizeof(uint8_t *));
    return status;
}

skimp_status skimpi_store_grow(skimpi_store *store, uint64_t end, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    while (skimpi_store_place(store) == SKIMPI_PLACE_MEMORY && store->n_extents * SKIMPI_EXTENT_BYTES < end) {
        skimp_error refused = SKIMP_ERROR_INIT;
        status = add_extent(store, &refused);
        if ((status == SKIMP_ERROR_BUDGET || status == SKIMP_ERROR_NOMEM) && store->spill_directory != NULL) {
            status = skimpi_store_spill(store, error);
        } else if (status != SKIMP_OK && error != NULL && error->code == SKIMP_OK) {
            *error = refused;
        }
        if (status != SKIMP_OK) {
            return status;
        }
    }
    return status;
}

skimp_status skimpi_store_reserve(skimpi_store *store, uint64_t end, skimp_error *error)
{
    /* Steps of an eighth of what is expected: few system calls, and little is taken that is not used. */
    uint64_t step = skimpi_min_u64(skimpi_max_u64(store->expected_bytes / 8, (uint64_t)4 << 20), (uint64_t)256 << 20);
    if (store->place != SKIMPI_PLACE_SPILL || end <= store->reserved) {
        return SKIMP_OK;
    }
    uint64_t wanted = skimpi_add_sat(end, step);
    skimp_status status = skimpi_os_reserve(store->fd, store->spill_directory, wanted, NULL);
    if (status != SKIMP_OK) {
        wanted = end;
        status = skimpi_os_reserve(store->fd, store->spill_directory, wanted, error);
    }
    if (status == SKIMP_OK) {
        store->reserved = wanted;
    }
    return status;
}
