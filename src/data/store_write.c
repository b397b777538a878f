/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing to a chunk store: encoders, which turn raw chunks into bytes and gather the summary as they look at every
 * column anyway; the place of a chunk; the end.
 */
#include <string.h>

#include "data/decimal.h"
#include "data/store_internal.h"

/* A file to keep goes to the disk in steps of this, while it grows: so that its end need not wait for all of it. */
#define WRITE_BACK_STEP ((uint64_t)4 << 20)

struct skimpi_encoder {
    skimpi_store *store;
    uint8_t *bytes; /* the chunk */
    uint64_t capacity;
    uint64_t offset; /* its place */
    skimpi_area area;
    skimpi_column_summary *numeric;
    skimpi_column_spread *spreads; /* of the chunk */
    uint64_t *category_missing;
    skimpi_column_summary target, weight;
    uint64_t rows_bad, rows_missing;
    skimpi_target_cache targets;
};

/* The encoder's own block: itself and its part of the summary. */
static uint64_t own_bytes(const skimpi_schema *schema)
{
    uint64_t bytes = skimpi_mul_sat(skimpi_summary_columns(schema), sizeof(skimpi_column_summary));
    bytes += (uint64_t)skimpi_summary_spreads(schema) * sizeof(skimpi_column_spread);
    return skimpi_add_sat(sizeof(skimpi_encoder) + (uint64_t)schema->n_category * sizeof(uint64_t), bytes);
}

/*
 * Room for the chunk.  It is encoded column by column, each with room for what it takes (codes of text: the most that they
 * can), so that many values of few digits do not take what many of all digits would.
 */
#define DECIMAL_ROOM 256u /* beside the floats that decimals take the place of: the last block */
static uint64_t first_capacity(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros, uint64_t encoded)
{
    const uint64_t most = skimpi_chunk_bound(schema, rows, nonzeros);
    return encoded == 0
               ? most
               : skimpi_min_u64(most,
                                skimpi_add_sat(encoded, skimpi_column_bytes(rows, sizeof(uint32_t)) + DECIMAL_ROOM));
}

uint64_t skimpi_encoder_bytes(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros, uint64_t encoded)
{
    return skimpi_add_sat(skimp_alloc_cost(own_bytes(schema)),
                          skimp_alloc_cost(first_capacity(schema, rows, nonzeros, encoded)));
}

skimp_status skimpi_encoder_create(skimpi_encoder **out, skimpi_store *store, uint32_t rows, uint64_t nonzeros,
                                   uint64_t encoded, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = store->schema;
    uint32_t n = skimpi_summary_columns(schema);
    uint64_t capacity = first_capacity(schema, rows, nonzeros, encoded);
    void *block = NULL;
    skimpi_encoder *encoder = NULL;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_PARSE, own_bytes(schema), 1, &block, error));
    encoder = block;
    encoder->store = store;
    encoder->numeric = (skimpi_column_summary *)(encoder + 1);
    encoder->spreads = (skimpi_column_spread *)(encoder->numeric + n);
    encoder->category_missing = (uint64_t *)(encoder->spreads + skimpi_summary_spreads(schema));
    for (uint32_t i = 0; i < n; i++) {
        skimpi_column_summary_init(&encoder->numeric[i]);
    }
    skimpi_column_summary_init(&encoder->target);
    skimpi_column_summary_init(&encoder->weight);
    SKIMPI_TRY(skimp_alloc(store->budget, SKIMP_TAG_PARSE, capacity, 1, &block, error));
    encoder->bytes = block;
    encoder->capacity = capacity;
    *out = encoder;
    encoder = NULL;
out:
    skimpi_encoder_destroy(encoder);
    return status;
}

void skimpi_encoder_destroy(skimpi_encoder *encoder)
{
    if (encoder != NULL) {
        skimp_budget *budget = encoder->store->budget;
        skimp_free(budget, SKIMP_TAG_PARSE, encoder->bytes, encoder->capacity, 1);
        skimp_free(budget, SKIMP_TAG_PARSE, encoder, own_bytes(encoder->store->schema), 1);
    }
}

/* ---- encoding ------------------------------------------------------------------------------------------------------ */

/*
 * The line of a row.  It is known where each row of the unit is one line; 0 where rows were left out, or hold newlines
 * inside quotes, so that nothing tells on which line a row is.
 */
static uint64_t line_of(const skimpi_raw *raw, uint64_t first_line, uint64_t row)
{
    bool whole = raw->rows_bad == 0 && raw->rows_missing == 0;
    bool one_each = raw->lines == 0 || raw->lines == raw->n_rows || raw->lines + 1 == raw->n_rows;
    return whole && one_each ? first_line + row : 0;
}

static uint64_t row_of_value(const skimpi_raw *raw, const double *values, uint64_t i)
{
    uint64_t row = i;
    if (values == raw->values && raw->row_end != NULL) {
        for (row = 0; raw->row_end[row] <= i; row++) {}
    }
    return row;
}

static void note_first(uint64_t *first, uint64_t line)
{
    if (line != 0 && (*first == 0 || line < *first)) {
        *first = line;
    }
}

static void note(skimpi_column_summary *summary, const skimpi_column_scan *scan, const skimpi_raw *raw,
                 const double *values, uint64_t first_line)
{
    summary->minimum = scan->minimum < summary->minimum ? scan->minimum : summary->minimum;
    summary->maximum = scan->maximum > summary->maximum ? scan->maximum : summary->maximum;
    summary->n_missing += scan->n_missing;
    summary->n_infinite += scan->n_infinite;
    if (scan->n_missing != 0) {
        uint64_t i = 0;
        while (values[i] == values[i]) {
            i++;
        }
        note_first(&summary->first_missing_row, line_of(raw, first_line, row_of_value(raw, values, i)));
    }
    if (scan->n_infinite != 0) {
        uint64_t i = 0;
        while (!__builtin_isinf(values[i])) {
            i++;
        }
        note_first(&summary->first_infinite_row, line_of(raw, first_line, row_of_value(raw, values, i)));
    }
}

static skimp_status make_room(skimpi_encoder *encoder, uint64_t bytes, skimp_error *error)
{
    if (bytes <= encoder->capacity) {
        return SKIMP_OK;
    }
    void *block = encoder->bytes;
    skimp_status status =
        skimp_realloc(encoder->store->budget, SKIMP_TAG_PARSE, &block, encoder->capacity, bytes, 1, error);
    if (status == SKIMP_OK) {
        encoder->bytes = block;
        encoder->capacity = bytes;
    }
    return status;
}

/* The descriptor of column i of the chunk. */
static skimpi_chunk_column *descriptor(const skimpi_encoder *encoder, uint32_t i)
{
    return (skimpi_chunk_column *)(encoder->bytes + sizeof(skimpi_chunk_header)) + i;
}

/*
 * Column i, of numbers: summary, spread (of features), descriptor, and the bytes from *at on, which becomes where the next
 * column starts.
 */
static skimp_status encode_numbers(skimpi_encoder *encoder, uint32_t i, skimpi_column_summary *summary,
                                   skimpi_column_spread *spread, const skimpi_raw *raw, const double *values,
                                   uint64_t first_line, bool exact, uint64_t *at, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_column_scan scan;
    skimpi_column_scan_run(values, raw->n_rows, &scan);
    const skimpi_chunk_column chosen = skimpi_encoding_choose(&scan, exact);
    const bool are_floats = chosen.encoding == SKIMPI_ENC_F32;
    const uint64_t room = skimpi_column_encoded_bytes(&chosen, raw->n_rows) + (are_floats ? DECIMAL_ROOM : 0);
    SKIMPI_TRY(make_room(encoder, *at + room, error));
    skimpi_chunk_column *column = descriptor(encoder, i);
    uint8_t *to = encoder->bytes + *at;
    note(summary, &scan, raw, values, first_line);
    *column = chosen;
    uint64_t bytes = 0;
    if (spread != NULL) {
        if (!encoder->store->finished) {
            skimpi_column_spread_find(values, raw->n_rows, scan.n_missing, are_floats, spread); /* as they are kept */
        }
        bytes = are_floats ? skimpi_decimal_encode(values, raw->n_rows, &scan, column, to) : 0;
    }
    *at += bytes > 0 ? bytes : (uint64_t)(skimpi_encode_numbers(column, values, raw->n_rows, to));
out:
    return status;
}

static skimp_status encode_table(skimpi_encoder *encoder, const skimpi_raw *raw, uint64_t first_line, uint64_t *at,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = encoder->store->schema;
    for (uint32_t j = 0; j < schema->n_numeric; j++) {
        SKIMPI_TRY(encode_numbers(encoder, j, &encoder->numeric[j], &encoder->spreads[j], raw,
                                  raw->numeric + (size_t)j * raw->capacity, first_line, false, at, error));
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        uint64_t missing;
        SKIMPI_TRY(make_room(encoder, *at + skimpi_column_bytes(raw->n_rows, sizeof(uint32_t)), error));
        *at += skimpi_encode_codes(raw->codes + (size_t)j * raw->capacity, raw->n_rows,
                                   descriptor(encoder, schema->n_numeric + j), encoder->bytes + *at, &missing);
        encoder->category_missing[j] += missing;
    }
out:
    return status;
}

static skimp_status encode_sparse(skimpi_encoder *encoder, const skimpi_raw *raw, uint64_t first_line, uint64_t *at,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_csr_view csr = { raw->n_rows,    raw->nonzeros, raw->row_end, raw->indices64 == NULL ? raw->indices : NULL,
                            raw->indices64, raw->values };
    uint64_t n = (uint64_t)raw->n_rows + 1;
    const uint64_t ends = skimpi_column_bytes(n, sizeof(uint32_t));
    const skimpi_chunk_column indices = skimpi_indices_choose(raw->largest_index);
    SKIMPI_TRY(make_room(encoder, *at + ends + skimpi_column_encoded_bytes(&indices, raw->nonzeros), error));
    uint8_t *to = encoder->bytes + *at;
    *descriptor(encoder, 0) = (skimpi_chunk_column){ .encoding = SKIMPI_ENC_U32 };
    *descriptor(encoder, 1) = indices;
    memset(to, 0, sizeof(uint32_t));
    memcpy(to + sizeof(uint32_t), raw->row_end, (n - 1) * sizeof(uint32_t));
    memset(to + n * sizeof(uint32_t), 0, ends - n * sizeof(uint32_t));
    *at += ends + skimpi_encode_indices(csr.indices, csr.indices64, raw->nonzeros, &indices, to + ends);
    skimpi_column_scan scan;
    skimpi_column_scan_run(raw->values, raw->nonzeros, &scan);
    note(&encoder->numeric[0], &scan, raw, raw->values, first_line);
    SKIMPI_TRY(make_room(encoder, *at + skimpi_values_scratch(&csr, &scan), error));
    const skimpi_chunk_column values = skimpi_values_choose(&csr, &scan, encoder->bytes + *at);
    SKIMPI_TRY(make_room(encoder, *at + skimpi_column_encoded_bytes(&values, raw->nonzeros), error));
    *descriptor(encoder, 2) = values;
    *at += skimpi_encode_values(&csr, &values, encoder->bytes + *at);
out:
    return status;
}

static skimp_status count_targets(skimpi_encoder *encoder, const skimpi_raw *raw, const skimpi_chunk_column *column,
                                  const uint8_t *bytes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_target_set *set = &encoder->store->targets;
    if (column->encoding == SKIMPI_ENC_U8) {
        uint32_t counts[4][UINT8_MAX + 1] = { { 0 } }; /* four, so that equal neighbours do not wait for each other */
        for (uint32_t i = 0; i < raw->n_rows; i++) {
            counts[i % 4][bytes[i]]++;
        }
        for (uint32_t code = 0; code < UINT8_MAX; code++) {
            uint64_t count = (uint64_t)counts[0][code] + counts[1][code] + counts[2][code] + counts[3][code];
            if (count != 0) {
                SKIMPI_TRY(skimpi_target_set_add_one(set, &encoder->targets, column->base + code, count, error));
            }
        }
    } else {
        SKIMPI_TRY(skimpi_target_set_add(set, &encoder->targets, raw->target, raw->n_rows, error));
    }
    SKIMPI_TRY(skimpi_target_set_flush(set, &encoder->targets, error));
out:
    return status;
}

skimp_status skimpi_encoder_encode(skimpi_encoder *encoder, const skimpi_raw *raw, uint64_t first_line,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = encoder->store->schema;
    const uint32_t n_columns = skimpi_chunk_columns(schema);
    uint64_t at = skimpi_chunk_head_bytes(n_columns);
    encoder->rows_bad += raw->rows_bad;
    encoder->rows_missing += raw->rows_missing;
    if (raw->n_rows == 0) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(make_room(encoder, at, error));
    /* What pads the descriptors is zero too; unused bits of theirs are set by assignment. */
    memset(descriptor(encoder, 0), 0, at - sizeof(skimpi_chunk_header));
    if (schema->sparse) {
        SKIMPI_TRY(encode_sparse(encoder, raw, first_line, &at, error));
    } else {
        SKIMPI_TRY(encode_table(encoder, raw, first_line, &at, error));
    }
    uint32_t next = schema->sparse ? 3 : schema->n_numeric + schema->n_category;
    if (schema->target >= 0) {
        const uint64_t from = at;
        SKIMPI_TRY(
            encode_numbers(encoder, next, &encoder->target, NULL, raw, raw->target, first_line, true, &at, error));
        if (!encoder->store->finished) {
            SKIMPI_TRY(count_targets(encoder, raw, descriptor(encoder, next), encoder->bytes + from, error));
        }
        next++;
    }
    if (schema->weight >= 0) {
        SKIMPI_TRY(
            encode_numbers(encoder, next, &encoder->weight, NULL, raw, raw->weight, first_line, true, &at, error));
    }
    const skimpi_chunk_column *columns = descriptor(encoder, 0);
    skimpi_chunk_header *header = (skimpi_chunk_header *)encoder->bytes;
    *header = (skimpi_chunk_header){
        .magic = SKIMPI_CHUNK_MAGIC, .n_rows = raw->n_rows, .nonzeros = raw->nonzeros, .n_columns = n_columns
    };
    header->bytes = at;
    header->checksum = skimpi_checksum(columns, header->bytes - sizeof(*header));
    encoder->area = skimpi_chunk_area(schema, header, columns);
out:
    return status;
}

/* ---- placing and writing ------------------------------------------------------------------------------------------- */

const uint8_t *skimpi_encoder_chunk(skimpi_encoder *encoder, uint64_t index, uint64_t first_row)
{
    skimpi_chunk_header *header = (skimpi_chunk_header *)encoder->bytes;
    header->index = index;
    header->first_row = first_row;
    header->header_checksum = skimpi_checksum(header, offsetof(skimpi_chunk_header, header_checksum));
    return encoder->bytes;
}

skimp_status skimpi_store_place_chunk(skimpi_store *store, skimpi_encoder *encoder, uint64_t index, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_chunk_header *header = (const skimpi_chunk_header *)encoder->bytes;
    skimpi_summary *summary = &store->summary;
    uint64_t end = store->end + header->bytes;
    if (index != summary->n_chunks || store->finished) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "chunk %llu is not the next of the store",
                           (unsigned long long)index);
    }
    SKIMPI_TRY(skimpi_store_grow(store, end, error));
    SKIMPI_TRY(skimpi_store_reserve(store, end, error));
    (void)skimpi_encoder_chunk(encoder, index, summary->n_rows);
    summary->data_hash += skimpi_mix64(header->header_checksum); /* which covers the bytes and the place */
    encoder->offset = store->end;
    skimpi_store_index_add(store, index, store->place == SKIMPI_PLACE_SOURCE ? header->header_checksum : store->end);
    summary->n_chunks++;
    summary->n_rows += header->n_rows;
    summary->nonzeros += header->nonzeros;
    summary->largest_chunk_rows =
        header->n_rows > summary->largest_chunk_rows ? header->n_rows : summary->largest_chunk_rows;
    summary->largest_chunk_nonzeros = skimpi_max_u64(summary->largest_chunk_nonzeros, header->nonzeros);
    summary->largest_chunk_bytes = skimpi_max_u64(summary->largest_chunk_bytes, header->bytes);
    summary->largest_area = (skimpi_area){ skimpi_max_u64(summary->largest_area.memory, encoder->area.memory),
                                           skimpi_max_u64(summary->largest_area.file, encoder->area.file),
                                           skimpi_max_u64(summary->largest_area.ones, encoder->area.ones) };
    for (uint32_t j = 0; j < skimpi_summary_spreads(store->schema); j++) {
        skimpi_column_spread_merge(&summary->spreads[j], &encoder->spreads[j]);
    }
    /* Another thread may be moving what is below the end to disk. */
    pthread_rwlock_rdlock(&store->content);
    store->end = end;
    pthread_rwlock_unlock(&store->content);
out:
    return status;
}

/*
 * The step before the one in which what was written now ends, once for each: chunks that others are still writing there
 * are few, and a page that is changed again after this is written again at the end.
 */
static void write_back_behind(const skimpi_store *store, uint64_t at, uint64_t bytes)
{
    uint64_t step = (at + bytes) / WRITE_BACK_STEP;
    if (step != at / WRITE_BACK_STEP && step >= 2) {
        skimpi_os_write_back(store->fd, (step - 2) * WRITE_BACK_STEP, WRITE_BACK_STEP);
    }
}

skimp_status skimpi_store_write_chunk(skimpi_store *store, skimpi_encoder *encoder, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t bytes = ((const skimpi_chunk_header *)encoder->bytes)->bytes;
    pthread_rwlock_rdlock(&store->content);
    if (store->place == SKIMPI_PLACE_MEMORY) {
        for (uint64_t done = 0; done < bytes;) {
            uint64_t available;
            uint8_t *to = skimpi_store_piece(store, encoder->offset + done, &available);
            uint64_t n = skimpi_min_u64(available, bytes - done);
            skimpi_os_populate(to, n);
            memcpy(to, encoder->bytes + done, n);
            done += n;
        }
    } else if (store->place != SKIMPI_PLACE_SOURCE) {
        uint64_t at = skimpi_store_base(store) + encoder->offset;
        status = skimpi_os_pwrite(store->fd, skimpi_store_name(store), encoder->bytes, bytes, at, error);
        if (status == SKIMP_OK && store->write_back_early) {
            skimpi_os_write_back(store->fd, at, bytes);
            skimpi_store_drop_behind(store, encoder->offset, bytes);
        } else if (status == SKIMP_OK && store->place == SKIMPI_PLACE_FILE) {
            write_back_behind(store, at, bytes);
        }
    }
    pthread_rwlock_unlock(&store->content);
    return status;
}

/* ---- the end ------------------------------------------------------------------------------------------------------- */

static void merge_column(skimpi_column_summary *into, const skimpi_column_summary *from)
{
    into->n_missing += from->n_missing;
    into->n_infinite += from->n_infinite;
    into->minimum = from->minimum < into->minimum ? from->minimum : into->minimum;
    into->maximum = from->maximum > into->maximum ? from->maximum : into->maximum;
    note_first(&into->first_missing_row, from->first_missing_row);
    note_first(&into->first_infinite_row, from->first_infinite_row);
}

skimp_status skimpi_store_finish(skimpi_store *store, skimpi_encoder *const *encoders, unsigned n, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_summary *summary = &store->summary;
    for (unsigned e = 0; e < n; e++) {
        for (uint32_t j = 0; j < skimpi_summary_columns(store->schema); j++) {
            merge_column(&summary->numeric[j], &encoders[e]->numeric[j]);
        }
        for (uint32_t j = 0; j < store->schema->n_category; j++) {
            summary->category_missing[j] += encoders[e]->category_missing[j];
        }
        merge_column(&summary->target, &encoders[e]->target);
        merge_column(&summary->weight, &encoders[e]->weight);
        summary->rows_bad += encoders[e]->rows_bad;
        summary->rows_missing += encoders[e]->rows_missing;
    }
    summary->has_spreads = true;
    summary->store_bytes = store->end;
    SKIMPI_TRY(skimpi_target_set_take(&store->targets, &summary->target_values, &summary->target_counts,
                                      &summary->n_target_values, error));
    if (store->place == SKIMPI_PLACE_FILE) {
        SKIMPI_TRY(skimpi_store_file_finish(store, error));
    }
    store->finished = true;
out:
    return status;
}
