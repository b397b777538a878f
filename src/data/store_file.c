/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kept stores: the file around the chunks (docs/formats/store.md).
 *
 *   head (4096 bytes: magic, version) | chunks | footer: schema, dictionaries, summary, index | trailer (64 bytes)
 *
 * The footer is written and read through a window of 64 KiB, whatever its size.  When a store is opened, its footer's
 * checksum is compared before anything of it is used; that keeps accidents away.  A file made to deceive has a right
 * checksum, so every number is still held against what is left of the file before it sizes or indexes anything.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/store_internal.h"

#define VERSION 3u
#define OLDEST 2u /* that is still read: without the spread of columns */
#define WINDOW_BYTES ((size_t)64 << 10)
#define MAX_HASH_BITS 30u
#define NO_TEXT UINT32_MAX

static const char magic[16] = "\x89skimp store\r\n\x1a";

bool skimpi_store_recognise(const char *bytes, size_t n)
{
    return n >= sizeof(magic) && memcmp(bytes, magic, sizeof(magic)) == 0;
}

/* ---- the window: footer bytes in order, one way or the other ------------------------------------------------------ */

typedef struct window {
    skimp_budget *budget;
    const char *path;
    int fd;
    uint64_t offset; /* in the file, of what follows the buffer's contents (reading) or of its first byte (writing) */
    uint64_t left;   /* reading: bytes of the footer that are not in the buffer yet */
    uint8_t *buffer;
    size_t used, filled;
    skimpi_checksum_state checksum;
} window;

static skimp_status window_open(window *w, skimp_budget *budget, int fd, const char *path, uint64_t offset,
                                skimp_error *error)
{
    void *block;
    *w = (window){ .budget = budget, .path = path, .fd = fd, .offset = offset };
    skimp_status status = skimp_alloc(budget, SKIMP_TAG_STORE, WINDOW_BYTES, 1, &block, error);
    if (status == SKIMP_OK) {
        w->buffer = block;
        skimpi_checksum_begin(&w->checksum);
    }
    return status;
}

static void window_close(window *w)
{
    skimp_free(w->budget, SKIMP_TAG_STORE, w->buffer, WINDOW_BYTES, 1);
    w->buffer = NULL;
}

static skimp_status flush(window *w, skimp_error *error)
{
    skimp_status status = skimpi_os_pwrite(w->fd, w->path, w->buffer, w->used, w->offset, error);
    skimpi_checksum_add(&w->checksum, w->buffer, w->used);
    w->offset += w->used;
    w->used = 0;
    return status;
}

static skimp_status put(window *w, const void *bytes, size_t n, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint8_t *from = bytes;
    while (n != 0) {
        size_t part = skimpi_min_u64(n, WINDOW_BYTES - w->used);
        memcpy(w->buffer + w->used, from, part);
        w->used += part;
        from += part;
        n -= part;
        if (w->used == WINDOW_BYTES) {
            SKIMPI_TRY(flush(w, error));
        }
    }
out:
    return status;
}

static skimp_status put_u32(window *w, uint32_t value, skimp_error *error)
{
    return put(w, &value, sizeof(value), error);
}

static skimp_status put_text(window *w, const char *text, size_t length, skimp_error *error)
{
    skimp_status status = put_u32(w, (uint32_t)length, error);
    return status == SKIMP_OK ? put(w, text, length, error) : status;
}

static skimp_status damaged(const char *path, const char *what, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL, "the chunk store is damaged: %s", what);
}

/* Bytes of the footer that have not been taken. */
static uint64_t left(const window *w)
{
    return w->left + (w->filled - w->used);
}

static skimp_status get(window *w, void *bytes, size_t n, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint8_t *to = bytes;
    if (n > left(w)) {
        return damaged(w->path, "its footer ends too soon", error);
    }
    while (n != 0) {
        if (w->used == w->filled) {
            size_t got, want = skimpi_min_u64(WINDOW_BYTES, w->left);
            SKIMPI_TRY(skimpi_os_pread(w->fd, w->path, w->buffer, want, w->offset, &got, error));
            if (got != want) {
                return damaged(w->path, "it was cut short while it was read", error);
            }
            w->offset += want;
            w->left -= want;
            w->used = 0;
            w->filled = want;
        }
        size_t part = skimpi_min_u64(n, w->filled - w->used);
        memcpy(to, w->buffer + w->used, part);
        w->used += part;
        to += part;
        n -= part;
    }
out:
    return status;
}

static skimp_status get_u32(window *w, uint32_t *value, skimp_error *error)
{
    return get(w, value, sizeof(*value), error);
}

/* A text into `text`, NUL-terminated there; *present false where there is none (allowed only if present is given). */
static skimp_status get_text(window *w, skimpi_buffer *text, bool *present, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint32_t length;
    SKIMPI_TRY(get_u32(w, &length, error));
    if (present != NULL) {
        *present = length != NO_TEXT;
        if (!*present) {
            return SKIMP_OK;
        }
    }
    if (length > left(w)) {
        return damaged(w->path, "a text in its footer is longer than the footer", error);
    }
    SKIMPI_TRY(skimpi_buffer_reserve(text, (size_t)length + 1, error));
    SKIMPI_TRY(get(w, text->data, length, error));
    ((char *)text->data)[length] = '\0';
    text->length = length;
out:
    return status;
}

/* ---- schema -------------------------------------------------------------------------------------------------------- */

typedef struct schema_record {
    uint8_t sparse, delimited, index64, zero_based, target_type, comparison, reserved[2];
    uint32_t hash_bits, n_columns;
    int64_t target, weight;
    double comparison_value;
    uint64_t n_sparse_features;
} schema_record;
_Static_assert(sizeof(schema_record) == 48, "no padding");

static uint32_t dictionary_count(const skimpi_schema *schema)
{
    return schema->n_category + 1;
}

static skimp_status put_schema(window *w, const skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    schema_record record = { .sparse = schema->sparse,
                             .delimited = schema->delimited,
                             .index64 = schema->index64,
                             .zero_based = schema->zero_based,
                             .target_type = schema->target_type,
                             .comparison = schema->comparison,
                             .hash_bits = schema->hash_bits,
                             .n_columns = schema->n_columns,
                             .target = schema->target,
                             .weight = schema->weight,
                             .comparison_value = schema->comparison_value,
                             .n_sparse_features = schema->n_sparse_features };
    SKIMPI_TRY(put(w, &record, sizeof(record), error));
    if (schema->comparison_text == NULL) {
        SKIMPI_TRY(put_u32(w, NO_TEXT, error));
    } else {
        SKIMPI_TRY(put_text(w, schema->comparison_text, strlen(schema->comparison_text), error));
    }
    for (uint32_t i = 0; i < schema->n_columns; i++) {
        const skimpi_column *column = &schema->columns[i];
        const char *name = column->name != NULL ? column->name : "";
        SKIMPI_TRY(put(w, &column->role, 1, error));
        SKIMPI_TRY(put(w, &column->type, 1, error));
        SKIMPI_TRY(put_text(w, name, strlen(name), error));
    }
    for (uint32_t i = 0; schema->dictionaries != NULL && i < dictionary_count(schema); i++) {
        const skimpi_dictionary *dictionary = schema->dictionaries[i];
        uint32_t size = dictionary != NULL ? skimpi_dictionary_size(dictionary) : 0;
        if (dictionary == NULL) {
            continue;
        }
        SKIMPI_TRY(put_u32(w, size, error));
        for (uint32_t code = 0; code < size; code++) {
            size_t length;
            const char *text = skimpi_dictionary_text(dictionary, code, &length);
            SKIMPI_TRY(put_text(w, text, length, error));
        }
    }
out:
    return status;
}

static bool record_is_sound(const schema_record *r, uint64_t footer_left)
{
    bool flags = r->sparse <= 1 && r->delimited <= 1 && r->index64 <= 1 && r->zero_based <= 1;
    bool kinds = r->target_type <= SKIMPI_TYPE_CATEGORY && r->comparison <= SKIMPI_CMP_NE &&
                 r->hash_bits <= MAX_HASH_BITS &&
                 (r->comparison == SKIMPI_CMP_NONE || r->target_type == SKIMPI_TYPE_NUMERIC);
    int64_t n_targets = r->sparse != 0 ? 1 : (int64_t)r->n_columns;
    bool places = r->target >= -1 && r->target < n_targets && r->weight >= -1 && r->weight < (int64_t)r->n_columns &&
                  (r->target < 0 || r->target != r->weight);
    bool shape = r->sparse != 0
                     ? r->n_columns == 0 && r->target_type == SKIMPI_TYPE_NUMERIC &&
                           r->n_sparse_features <= (r->index64 != 0 ? (uint64_t)INT64_MAX : (uint64_t)UINT32_MAX + 1)
                     : r->n_columns <= footer_left / 6 && r->n_columns <= INT32_MAX && r->index64 == 0;
    return flags && kinds && places && shape;
}

static skimp_status get_columns(window *w, skimpi_schema *schema, skimpi_buffer *text, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint32_t i = 0; i < schema->n_columns; i++) {
        skimpi_column *column = &schema->columns[i];
        SKIMPI_TRY(get(w, &column->role, 1, error));
        SKIMPI_TRY(get(w, &column->type, 1, error));
        SKIMPI_TRY(get_text(w, text, NULL, error));
        bool sound = column->role <= SKIMPI_ROLE_DROPPED && column->type <= SKIMPI_TYPE_DATE &&
                     (column->role == SKIMPI_ROLE_TARGET) == (schema->target == (int64_t)i) &&
                     (column->role == SKIMPI_ROLE_WEIGHT) == (schema->weight == (int64_t)i) &&
                     (column->role == SKIMPI_ROLE_DROPPED || column->type != SKIMPI_TYPE_DATE);
        if (!sound) {
            return damaged(w->path, "a column has a role or type that it cannot have", error);
        }
        SKIMPI_TRY(skimpi_schema_set_name(schema, i, text->data, text->length, error));
    }
out:
    return status;
}

static skimp_status get_dictionary(window *w, skimpi_dictionary *dictionary, skimpi_buffer *text, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint32_t size;
    SKIMPI_TRY(get_u32(w, &size, error));
    if (size > SKIMPI_MAX_CATEGORIES || size > left(w) / sizeof(uint32_t)) {
        return damaged(w->path, "a dictionary has more entries than its footer has room for", error);
    }
    for (uint32_t i = 0; i < size; i++) {
        uint32_t code;
        SKIMPI_TRY(get_text(w, text, NULL, error));
        uint64_t hash = skimpi_dictionary_hash(text->data, text->length);
        SKIMPI_TRY(skimpi_dictionary_insert(dictionary, text->data, text->length, hash, &code, error));
        if (code != i) {
            return damaged(w->path, "a dictionary holds a text twice", error);
        }
    }
out:
    return status;
}

static skimp_status get_schema(window *w, skimpi_schema **out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    schema_record r;
    skimpi_schema *schema = NULL;
    skimpi_buffer text;
    bool present;
    skimpi_buffer_init(&text, w->budget, SKIMP_TAG_STORE);
    *out = NULL;
    SKIMPI_TRY(get(w, &r, sizeof(r), error));
    if (!record_is_sound(&r, left(w))) {
        SKIMPI_TRY(damaged(w->path, "its schema contradicts itself", error));
    }
    SKIMPI_TRY(skimpi_schema_create(&schema, w->budget, r.n_columns, error));
    schema->sparse = r.sparse != 0;
    schema->delimited = r.delimited != 0;
    schema->index64 = r.index64 != 0;
    schema->zero_based = r.zero_based != 0;
    schema->target_type = r.target_type;
    schema->comparison = r.comparison;
    schema->hash_bits = r.hash_bits;
    schema->target = r.target;
    schema->weight = r.weight;
    schema->comparison_value = r.comparison_value;
    schema->n_sparse_features = r.n_sparse_features;
    SKIMPI_TRY(get_text(w, &text, &present, error));
    if (present) {
        SKIMPI_TRY(
            skimpi_string_copy(w->budget, SKIMP_TAG_OTHER, text.data, text.length, &schema->comparison_text, error));
    }
    SKIMPI_TRY(get_columns(w, schema, &text, error));
    SKIMPI_TRY(skimpi_schema_settle(schema, error));
    for (uint32_t i = 0; i < dictionary_count(schema); i++) {
        if (schema->dictionaries[i] != NULL) {
            SKIMPI_TRY(get_dictionary(w, schema->dictionaries[i], &text, error));
        }
    }
    *out = schema;
    schema = NULL;
out:
    skimpi_buffer_free(&text);
    skimpi_schema_destroy(schema);
    return status;
}

/* ---- summary and index --------------------------------------------------------------------------------------------- */

typedef struct summary_record {
    uint64_t n_rows, n_chunks, nonzeros, largest_chunk_rows, largest_chunk_nonzeros, largest_chunk_bytes;
    skimpi_area largest_area;
    uint64_t data_hash, rows_bad, rows_missing;
    uint32_t n_target_values, index_shift;
} summary_record;
_Static_assert(sizeof(summary_record) == 104, "no padding");
_Static_assert(sizeof(skimpi_column_summary) == 48, "no padding");
_Static_assert(sizeof(skimpi_column_spread) == 24, "no padding");

static uint64_t index_entries(uint64_t n_chunks, unsigned shift)
{
    return n_chunks == 0 ? 0 : ((n_chunks - 1) >> shift) + 1;
}

static skimp_status put_summary(window *w, const skimpi_store *store, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_summary *s = &store->summary;
    summary_record record = { s->n_rows,
                              s->n_chunks,
                              s->nonzeros,
                              s->largest_chunk_rows,
                              s->largest_chunk_nonzeros,
                              s->largest_chunk_bytes,
                              s->largest_area,
                              s->data_hash,
                              s->rows_bad,
                              s->rows_missing,
                              s->n_target_values,
                              store->index_shift };
    SKIMPI_TRY(put(w, &record, sizeof(record), error));
    SKIMPI_TRY(put(w, s->numeric, skimpi_summary_columns(store->schema) * sizeof(*s->numeric), error));
    SKIMPI_TRY(put(w, &s->target, sizeof(s->target), error));
    SKIMPI_TRY(put(w, &s->weight, sizeof(s->weight), error));
    SKIMPI_TRY(put(w, s->spreads, skimpi_summary_spreads(store->schema) * sizeof(*s->spreads), error));
    SKIMPI_TRY(put(w, s->category_missing, store->schema->n_category * sizeof(*s->category_missing), error));
    SKIMPI_TRY(put(w, s->target_values, s->n_target_values * sizeof(*s->target_values), error));
    SKIMPI_TRY(put(w, s->target_counts, s->n_target_values * sizeof(*s->target_counts), error));
    SKIMPI_TRY(put(w, store->index, index_entries(s->n_chunks, store->index_shift) * sizeof(*store->index), error));
out:
    return status;
}

static bool summary_is_sound(const summary_record *r, const skimpi_store *store)
{
    const skimpi_area *area = &r->largest_area;
    uint64_t most = skimpi_chunk_decoded_bound(
        store->schema, (uint32_t)skimpi_min_u64(r->largest_chunk_rows, UINT32_MAX), r->largest_chunk_nonzeros);
    return r->n_chunks <= r->n_rows && r->largest_chunk_rows <= r->n_rows && r->largest_chunk_rows <= UINT32_MAX &&
           r->n_rows <= INT64_MAX && (r->n_chunks == 0) == (store->end == 0) &&
           (r->n_chunks == 0) == (r->n_rows == 0) && r->n_chunks <= store->end / sizeof(skimpi_chunk_header) &&
           r->largest_chunk_bytes <= store->end && r->largest_chunk_nonzeros <= r->nonzeros && area->memory <= most &&
           area->file <= area->memory && area->ones <= most &&
           (area->memory | area->file | area->ones) % SKIMPI_CHUNK_ALIGN == 0 &&
           r->nonzeros <= (store->schema->sparse ? store->end : 0) && r->n_target_values <= SKIMPI_MAX_CLASSES &&
           r->index_shift < 64 && index_entries(r->n_chunks, r->index_shift) <= SKIMPI_INDEX_ENTRIES;
}

static skimp_status get_targets(window *w, skimpi_store *store, uint32_t n, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_summary *s = &store->summary;
    const skimpi_schema *schema = store->schema;
    void *block;
    if (n == 0) {
        return SKIMP_OK;
    }
    /* The count is set only when both blocks are there: destroy frees them by it. */
    SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_STORE, n, sizeof(double), &block, error));
    s->target_values = block;
    status = skimp_alloc(store->budget, SKIMP_TAG_STORE, n, sizeof(uint64_t), &block, error);
    if (status != SKIMP_OK) {
        skimp_free(store->budget, SKIMP_TAG_STORE, s->target_values, n, sizeof(double));
        s->target_values = NULL;
        goto out;
    }
    s->target_counts = block;
    s->n_target_values = n;
    SKIMPI_TRY(get(w, s->target_values, n * sizeof(double), error));
    SKIMPI_TRY(get(w, s->target_counts, n * sizeof(uint64_t), error));
    bool text = schema->target_type == SKIMPI_TYPE_CATEGORY && schema->target >= 0;
    double n_texts = text ? skimpi_dictionary_size(schema->dictionaries[schema->n_category]) : 0;
    for (uint32_t i = 0; i < n; i++) {
        double value = s->target_values[i];
        bool sound = schema->target >= 0 && value == value && (i == 0 || value > s->target_values[i - 1]) &&
                     s->target_counts[i] != 0 &&
                     (!text || (value >= 0 && value < n_texts && value == (double)(uint32_t)value));
        if (!sound) {
            return damaged(w->path, "its list of target values is out of order", error);
        }
    }
out:
    return status;
}

/* No more values than rows, and sums of squares that could be some. */
static bool spreads_are_sound(const skimpi_summary *s, uint32_t n)
{
    bool sound = true;
    for (uint32_t j = 0; j < n; j++) {
        sound &= s->spreads[j].count >= 0 && s->spreads[j].count <= (double)s->n_rows && !(s->spreads[j].squares < 0);
    }
    return sound;
}

static skimp_status get_summary(window *w, skimpi_store *store, uint32_t version, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_summary *s = &store->summary;
    summary_record r;
    SKIMPI_TRY(get(w, &r, sizeof(r), error));
    if (!summary_is_sound(&r, store)) {
        return damaged(w->path, "its summary contradicts itself", error);
    }
    s->n_rows = r.n_rows;
    s->n_chunks = r.n_chunks;
    s->nonzeros = r.nonzeros;
    s->largest_chunk_rows = (uint32_t)r.largest_chunk_rows;
    s->largest_chunk_nonzeros = r.largest_chunk_nonzeros;
    s->largest_chunk_bytes = r.largest_chunk_bytes;
    s->largest_area = r.largest_area;
    s->store_bytes = store->end;
    s->data_hash = r.data_hash;
    s->rows_bad = r.rows_bad;
    s->rows_missing = r.rows_missing;
    store->index_shift = r.index_shift;
    SKIMPI_TRY(get(w, s->numeric, skimpi_summary_columns(store->schema) * sizeof(*s->numeric), error));
    SKIMPI_TRY(get(w, &s->target, sizeof(s->target), error));
    SKIMPI_TRY(get(w, &s->weight, sizeof(s->weight), error));
    s->has_spreads = version > OLDEST;
    if (s->has_spreads) {
        uint32_t spreads = skimpi_summary_spreads(store->schema);
        SKIMPI_TRY(get(w, s->spreads, spreads * sizeof(*s->spreads), error));
        if (!spreads_are_sound(s, spreads)) {
            return damaged(w->path, "the spread of a column contradicts itself", error);
        }
    }
    SKIMPI_TRY(get(w, s->category_missing, store->schema->n_category * sizeof(*s->category_missing), error));
    SKIMPI_TRY(get_targets(w, store, r.n_target_values, error));
    uint64_t n = index_entries(r.n_chunks, r.index_shift);
    SKIMPI_TRY(get(w, store->index, n * sizeof(*store->index), error));
    bool sound = left(w) == 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t offset = store->index[i];
        sound &= offset < store->end && offset % SKIMPI_CHUNK_ALIGN == 0 &&
                 (i == 0 ? offset == 0 : offset > store->index[i - 1]);
    }
    if (!sound) {
        return damaged(w->path, "its index is out of order", error);
    }
out:
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

/* The directory of a path, for its free space. */
static void directory_of(const char *path, char directory[4096])
{
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    snprintf(directory, 4096, "%.*s", length, slash == NULL ? "." : path);
}

skimp_status skimpi_store_file_begin(skimpi_store *store, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block = NULL;
    char directory[4096];
    uint64_t free_bytes;
    bool is_memory;
    directory_of(store->path, directory);
    SKIMPI_TRY(skimpi_os_disk(directory, &free_bytes, &is_memory, error));
    uint64_t wanted = skimpi_add_sat(store->expected_bytes, store->expected_bytes / 20);
    if (free_bytes < wanted) {
        if (error != NULL && error->code == SKIMP_OK) {
            error->requested = wanted;
        }
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_IO, store->path, 0, NULL,
                                  "the store needs %" PRIu64 " bytes of disk and %" PRIu64 " are free", wanted,
                                  free_bytes));
    }
    SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_STORE, 1, sizeof(*store->output), &block, error));
    SKIMPI_TRY(skimpi_os_output_begin(block, store->path, error));
    store->output = block;
    block = NULL;
    store->fd = store->output->fd;
    store->place = SKIMPI_PLACE_FILE;
    skimpi_store_head head = { .version = VERSION };
    memcpy(head.magic, magic, sizeof(magic));
    char bytes[SKIMPI_STORE_FILE_HEAD] = { 0 };
    memcpy(bytes, &head, sizeof(head));
    SKIMPI_TRY(skimpi_os_pwrite(store->fd, store->path, bytes, sizeof(bytes), 0, error));
out:
    skimp_free(store->budget, SKIMP_TAG_STORE, block, 1, sizeof(*store->output));
    return status;
}

uint64_t skimpi_store_writing_bytes(void)
{
    return skimp_alloc_cost(WINDOW_BYTES) + skimp_alloc_cost(sizeof(skimpi_os_output));
}

skimp_status skimpi_store_file_finish(skimpi_store *store, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_store_trailer trailer = { .footer_offset = SKIMPI_STORE_FILE_HEAD + store->end, .version = VERSION };
    window w;
    SKIMPI_TRY(window_open(&w, store->budget, store->fd, store->path, trailer.footer_offset, error));
    SKIMPI_TRY(put_schema(&w, store->schema, error));
    SKIMPI_TRY(put_summary(&w, store, error));
    SKIMPI_TRY(flush(&w, error));
    trailer.footer_bytes = w.offset - trailer.footer_offset;
    trailer.footer_checksum = skimpi_checksum_end(&w.checksum);
    trailer.file_bytes = w.offset + sizeof(trailer);
    memcpy(trailer.magic, magic, sizeof(magic));
    trailer.checksum = skimpi_checksum(&trailer, offsetof(skimpi_store_trailer, checksum));
    SKIMPI_TRY(skimpi_os_pwrite(store->fd, store->path, &trailer, sizeof(trailer), w.offset, error));
    skimpi_os_output *output = store->output;
    store->output = NULL;
    store->fd = -1;
    status = skimpi_os_output_commit(output, error);
    skimp_free(store->budget, SKIMP_TAG_STORE, output, 1, sizeof(*output));
    SKIMPI_TRY(status);
    SKIMPI_TRY(skimpi_os_open(&store->fd, store->path, error));
out:
    window_close(&w);
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static skimp_status check_file(int fd, const char *path, skimpi_store_trailer *trailer, uint32_t *version,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_os_stat stat;
    skimpi_store_head head;
    size_t got;
    SKIMPI_TRY(skimpi_os_fstat(fd, path, &stat, error));
    SKIMPI_TRY(skimpi_os_pread(fd, path, &head, sizeof(head), 0, &got, error));
    if (got != sizeof(head) || memcmp(head.magic, magic, sizeof(magic)) != 0) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL, "is not a chunk store");
    }
    if (head.version < OLDEST || head.version > VERSION) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL,
                              "is a chunk store of version %u; this program reads versions %u to %u", head.version,
                              OLDEST, VERSION);
    }
    *version = head.version;
    if (stat.size < SKIMPI_STORE_FILE_HEAD + sizeof(*trailer)) {
        return damaged(path, "it was cut short", error);
    }
    SKIMPI_TRY(skimpi_os_pread(fd, path, trailer, sizeof(*trailer), stat.size - sizeof(*trailer), &got, error));
    if (got != sizeof(*trailer) || memcmp(trailer->magic, magic, sizeof(magic)) != 0 ||
        trailer->checksum != skimpi_checksum(trailer, offsetof(skimpi_store_trailer, checksum))) {
        return damaged(path, "its end is missing; it was cut short, or has something after it", error);
    }
    bool sound = trailer->version == (head.version == OLDEST ? 0 : head.version) && trailer->file_bytes == stat.size &&
                 trailer->footer_offset >= SKIMPI_STORE_FILE_HEAD && trailer->footer_offset % SKIMPI_CHUNK_ALIGN == 0 &&
                 trailer->footer_offset <= stat.size - sizeof(*trailer) &&
                 trailer->footer_bytes == stat.size - sizeof(*trailer) - trailer->footer_offset;
    return sound ? SKIMP_OK : damaged(path, "its trailer contradicts its length", error);
out:
    return status;
}

static void window_rewind(window *w, const skimpi_store_trailer *trailer)
{
    w->offset = trailer->footer_offset;
    w->left = trailer->footer_bytes;
    w->used = 0;
    w->filled = 0;
}

static skimp_status check_footer(window *w, const skimpi_store_trailer *trailer, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint8_t byte;
    window_rewind(w, trailer);
    while (left(w) != 0) {
        SKIMPI_TRY(get(w, &byte, 1, error));
        skimpi_checksum_add(&w->checksum, w->buffer, w->filled);
        w->used = w->filled;
    }
    if (skimpi_checksum_end(&w->checksum) != trailer->footer_checksum) {
        return damaged(w->path, "its footer's checksum is wrong", error);
    }
    window_rewind(w, trailer);
out:
    return status;
}

skimp_status skimpi_store_open(skimpi_store **out, skimp_budget *budget, const char *path, skimpi_schema **schema,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_store *store = NULL;
    skimpi_store_trailer trailer;
    window w = { 0 };
    int fd = -1;
    uint32_t version = 0;
    *out = NULL;
    *schema = NULL;
    SKIMPI_TRY(skimpi_os_open(&fd, path, error));
    SKIMPI_TRY(check_file(fd, path, &trailer, &version, error));
    SKIMPI_TRY(window_open(&w, budget, fd, path, trailer.footer_offset, error));
    SKIMPI_TRY(check_footer(&w, &trailer, error));
    SKIMPI_TRY(get_schema(&w, schema, error));
    SKIMPI_TRY(skimpi_store_new(&store, budget, *schema, error));
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_STORE, path, strlen(path), &store->path, error));
    store->end = trailer.footer_offset - SKIMPI_STORE_FILE_HEAD;
    SKIMPI_TRY(get_summary(&w, store, version, error));
    store->place = SKIMPI_PLACE_FILE;
    store->finished = true;
    store->fd = fd;
    fd = -1;
    *out = store;
    store = NULL;
out:
    window_close(&w);
    skimpi_os_close(fd);
    skimpi_store_destroy(store);
    if (status != SKIMP_OK) {
        skimpi_schema_destroy(*schema);
        *schema = NULL;
    }
    return status;
}
