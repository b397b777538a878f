/* SPDX-License-Identifier: BSD-3-Clause */
/* Passes over batches that can begin again.  See source.h. */
#include "data/source.h"

#include <inttypes.h>
#include <pthread.h>

#include "data/store_internal.h"

#define HINT                                                                                                           \
    "; a fit reads them once a pass, and they must be the same rows in the same order each time (an iterator is read " \
    "once, and kept)"
#define SHOWN 60 /* bytes of a text in a message */

typedef struct source_worker {
    skimpi_raw raw;
    skimpi_encoder *encoder;
} source_worker;

struct skimpi_source {
    skimp_budget *budget;
    skimpi_store *store;
    skimpi_source_options options;
    pthread_mutex_t lock;     /* of what the pass has come to */
    uint64_t stride;          /* of the pass */
    uint64_t next, first_row; /* the unit that comes next */
    bool has_ended;
    _Atomic uint64_t hash; /* of the chunks so far */
    uint64_t failed; /* the first chunk that was not as it was, and what was wrong with it; UINT64_MAX: none yet */
    skimp_error failure;
    source_worker workers[];
};

static uint64_t own_bytes(unsigned workers)
{
    return sizeof(skimpi_source) + workers * sizeof(source_worker);
}

uint64_t skimpi_source_bytes(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros, uint64_t encoded,
                             unsigned workers)
{
    const uint64_t each =
        skimpi_add_sat(skimpi_raw_bytes(schema, rows, nonzeros), skimpi_encoder_bytes(schema, rows, nonzeros, encoded));
    return skimpi_add_sat(skimp_alloc_cost(own_bytes(workers)), skimpi_mul_sat(workers, each));
}

skimp_status skimpi_source_create(skimpi_source **out, skimp_budget *budget, skimpi_store *store,
                                  const skimpi_source_options *options, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_source *source = NULL;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_PARSE, 1, own_bytes(options->workers), (void **)&source, error));
    source->budget = budget;
    source->store = store;
    source->options = *options;
    pthread_mutex_init(&source->lock, NULL);
    for (unsigned w = 0; w < options->workers; w++) {
        source_worker *worker = &source->workers[w];
        SKIMPI_TRY(skimpi_raw_create(&worker->raw, budget, options->schema, options->rows, options->nonzeros, error));
        SKIMPI_TRY(
            skimpi_encoder_create(&worker->encoder, store, options->rows, options->nonzeros, options->encoded, error));
    }
    *out = source;
    source = NULL;
out:
    skimpi_source_destroy(source);
    return status;
}

void skimpi_source_destroy(skimpi_source *source)
{
    if (source == NULL) {
        return;
    }
    for (unsigned w = 0; w < source->options.workers; w++) {
        if (source->workers[w].raw.budget != NULL) {
            skimpi_raw_destroy(&source->workers[w].raw, source->options.schema);
        }
        skimpi_encoder_destroy(source->workers[w].encoder);
    }
    pthread_mutex_destroy(&source->lock);
    skimp_free(source->budget, SKIMP_TAG_PARSE, source, 1, own_bytes(source->options.workers));
}

/* ---- a pass --------------------------------------------------------------------------------------------------------- */

skimp_status skimpi_source_begin(skimpi_source *source, uint64_t stride, skimp_error *error)
{
    source->stride = skimpi_max_u64(stride, 1);
    source->next = source->first_row = 0;
    source->has_ended = false;
    source->failed = UINT64_MAX;
    atomic_store(&source->hash, 0);
    return skimpi_batches_again(source->options.reader, source->options.schema, error);
}

static skimp_status fail_count(const skimpi_source *source, bool is_more, skimp_error *error)
{
    const uint64_t n_rows = source->store->summary.n_rows;
    if (is_more) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "the batches have more rows than the %" PRIu64 " that they had the first time" HINT, n_rows);
    }
    return skimpi_fail(error, SKIMP_ERROR_DATA,
                       "the batches have %" PRIu64 " rows, and had %" PRIu64 " the first time" HINT, source->first_row,
                       n_rows);
}

/* The next unit that the pass wants, taken from the batches by one caller at a time. *done: there is none. */
static skimp_status take_wanted(skimpi_source *source, source_worker *worker, uint64_t *index, uint64_t *first_row,
                                bool *done, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_source_options *options = &source->options;
    const skimpi_summary *summary = &source->store->summary;
    bool is_wanted = false;
    while (!is_wanted && !source->has_ended) {
        uint32_t n_rows = 0;
        *index = source->next;
        *first_row = source->first_row;
        is_wanted = *index % source->stride == 0;
        if (source->stride > 1 && *index > (summary->n_chunks - 1) / source->stride * source->stride) {
            source->has_ended = true;
            break;
        }
        skimpi_raw_clear(&worker->raw);
        SKIMPI_TRY(skimpi_batches_take(options->reader, options->schema, &worker->raw, !is_wanted, &n_rows, error));
        if (n_rows == 0) {
            source->has_ended = true;
            if (source->first_row < summary->n_rows) {
                SKIMPI_TRY(fail_count(source, false, error));
            }
            break;
        }
        if (n_rows > summary->n_rows - source->first_row) {
            SKIMPI_TRY(fail_count(source, true, error));
        }
        source->next++;
        source->first_row += n_rows;
    }
    *done = source->has_ended;
out:
    /* After a failure none may ask for more: a unit that was taken, and not made, keeps its batch. */
    source->has_ended = source->has_ended || status != SKIMP_OK;
    return status;
}

/* Units are taken in order, and each that was taken is checked: so the first that is wrong is the same for any threads. */
static void note_failure(skimpi_source *source, uint64_t index, const skimp_error *error)
{
    pthread_mutex_lock(&source->lock);
    source->has_ended = true;
    if (error != NULL && index < source->failed) {
        source->failed = index;
        source->failure = *error;
    }
    pthread_mutex_unlock(&source->lock);
}

void skimpi_source_first_failure(const skimpi_source *source, skimp_error *error)
{
    if (error != NULL && source->failed != UINT64_MAX) {
        *error = source->failure;
    }
}

/* A text that the dictionaries do not have. */
static skimp_status check_texts(const skimpi_source *source, const skimpi_raw *raw, uint64_t first_row,
                                skimp_error *error)
{
    const skimpi_schema *schema = source->options.schema;
    const skimpi_fresh *fresh = raw->fresh.data;
    if (raw->fresh.length == 0) {
        return SKIMP_OK;
    }
    const bool is_target = fresh->slot == schema->n_category;
    const char *name = !is_target       ? schema->columns[schema->category[fresh->slot]].name
                       : schema->sparse ? "target"
                                        : schema->columns[schema->target].name;
    const int shown = fresh->length < SHOWN ? (int)fresh->length : SHOWN;
    return skimpi_fail_at(
        error, SKIMP_ERROR_DATA, NULL, 0, name,
        "rows %" PRIu64 " to %" PRIu64 " have '%.*s', which the batches did not have the first time" HINT, first_row,
        first_row + raw->n_rows - 1, shown, (const char *)raw->fresh_text.data + fresh->offset);
}

/* Is the chunk what it was?  One that is larger than any was must not be decoded. */
static skimp_status check_bytes(skimpi_source *source, const uint8_t *bytes, skimp_error *error)
{
    const skimpi_store *store = source->store;
    const skimpi_chunk_header *header = (const skimpi_chunk_header *)bytes;
    const uint64_t every = ((uint64_t)1 << store->index_shift) - 1;
    const bool is_known = (header->index & every) == 0;
    const uint64_t known = is_known ? store->index[header->index >> store->index_shift] : header->header_checksum;
    atomic_fetch_add(&source->hash, skimpi_mix64(header->header_checksum));
    if (known == header->header_checksum && skimpi_store_has_room(store, bytes)) {
        return SKIMP_OK;
    }
    return skimpi_fail(error, SKIMP_ERROR_DATA,
                       "rows %" PRIu64 " to %" PRIu64 " of the batches are not what they were the first time" HINT,
                       header->first_row, header->first_row + header->n_rows - 1);
}

skimp_status skimpi_source_next(skimpi_source *source, unsigned worker, skimpi_decoder *decoder, skimpi_chunk **chunk,
                                uint64_t *ordinal, bool *done, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    source_worker *own = &source->workers[worker];
    const skimpi_source_options *options = &source->options;
    uint64_t index = 0, first_row = 0;
    *chunk = NULL;
    *done = false;
    pthread_mutex_lock(&source->lock);
    status = take_wanted(source, own, &index, &first_row, done, error);
    pthread_mutex_unlock(&source->lock);
    if (status == SKIMP_OK && *done) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(status);
    SKIMPI_TRY(skimpi_reader_batches.read_unit(options->reader, options->schema, NULL, index, &own->raw, error));
    SKIMPI_TRY(check_texts(source, &own->raw, first_row, error));
    SKIMPI_TRY(skimpi_encoder_encode(own->encoder, &own->raw, first_row + 1, error));
    const uint8_t *bytes = skimpi_encoder_chunk(own->encoder, index, first_row);
    SKIMPI_TRY(check_bytes(source, bytes, error));
    SKIMPI_TRY(skimpi_decoder_take(decoder, bytes, error));
    *chunk = &decoder->chunk;
    *ordinal = index / source->stride;
out:
    if (status != SKIMP_OK) {
        note_failure(source, index, error);
    }
    return status;
}

skimp_status skimpi_source_end(skimpi_source *source, skimp_error *error)
{
    if (source->stride > 1 || atomic_load(&source->hash) == source->store->summary.data_hash) {
        return SKIMP_OK;
    }
    return skimpi_fail(error, SKIMP_ERROR_DATA, "the rows of the batches are not what they were the first time" HINT);
}
