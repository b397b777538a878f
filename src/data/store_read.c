/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a chunk store: claiming chunks of a scan, reading ahead, checking, decoding.
 *
 * From a file, a chunk is read into the decoder's buffer, and the chunk handed out points straight into it wherever a
 * column is stored as it is needed; the rest is decoded beside it.  From memory, all columns are decoded (or copied: the
 * chunk may be changed in place, the store may not).  Of a store of the caller's arrays, chunks are made by arrays_store.c;
 * those of a source come as bytes from source.c, and go on as if they had been read from a file.
 */
#include <inttypes.h>
#include <string.h>

#include "data/decimal.h"
#include "data/dictionary.h"
#include "data/store_internal.h"

/* While a file is scanned, this much ahead is asked for, in steps. */
#define AHEAD_STEP ((uint64_t)4 << 20)
#define AHEAD_DISTANCE ((uint64_t)8 << 20)

/* ---- the decoder --------------------------------------------------------------------------------------------------- */

/* The decoder's block: itself, the chunk's lists, the area, columns that steps add, the file buffer. */
typedef struct layout {
    uint64_t dense, codes, keep, area, spare, file, total;
} layout;

static uint32_t spare_columns(const skimpi_decoder_options *options)
{
    return options->spare_floats + options->spare_doubles;
}

/* What all columns of a chunk take as doubles, and a CSR block with room for as many entries again: in any place. */
static uint64_t widest_area(const skimpi_schema *schema, uint32_t rows, const skimpi_decoder_options *options)
{
    uint64_t doubles = (uint64_t)(schema->target >= 0) + (schema->weight >= 0) + schema->n_numeric;
    uint64_t bytes = skimpi_mul_sat(doubles, skimpi_column_bytes(rows, sizeof(double)));
    if (schema->sparse) {
        uint64_t entries = skimpi_mul_sat(options->nonzeros, (uint64_t)1 << options->csr_doublings);
        bytes = skimpi_add_sat(bytes, skimpi_column_bytes((uint64_t)rows + 1, sizeof(uint32_t)));
        bytes = skimpi_add_sat(bytes, skimpi_column_bytes(entries, schema->index64 ? 8 : 4));
        return skimpi_add_sat(bytes, skimpi_column_bytes(entries, sizeof(double)));
    }
    return skimpi_add_sat(bytes, skimpi_mul_sat(schema->n_category, skimpi_column_bytes(rows, sizeof(uint32_t))));
}

static layout lay_out(const skimpi_schema *schema, uint32_t rows, uint64_t encoded_bytes, const skimpi_area *area,
                      const skimpi_decoder_options *options, skimpi_place place)
{
    layout l;
    uint64_t wanted = place == SKIMPI_PLACE_MEMORY ? area->memory : area->file;
    if (options->as_doubles || (options->csr_doublings > 0 && schema->sparse)) {
        wanted = widest_area(schema, rows, options);
    } else if (options->with_values) {
        wanted = skimpi_add_sat(wanted, area->ones);
    }
    if (options->with_weight && schema->weight < 0) {
        wanted = skimpi_add_sat(wanted, skimpi_column_bytes(rows, sizeof(double)));
    }
    l.dense = skimpi_round_up(sizeof(skimpi_decoder), 64);
    l.codes = l.dense +
              skimpi_round_up(((uint64_t)schema->n_numeric + spare_columns(options)) * sizeof(skimpi_dense_column), 64);
    l.keep = l.codes + skimpi_round_up((uint64_t)schema->n_category * sizeof(skimpi_code_column), 64);
    l.area = l.keep + (options->select ? skimpi_round_up(rows, 64) : 0);
    l.spare = skimpi_add_sat(l.area, wanted);
    l.file = skimpi_add_sat(l.spare, skimpi_mul_sat(options->spare_floats, skimpi_column_bytes(rows, sizeof(float))));
    l.file = skimpi_add_sat(l.file, skimpi_mul_sat(options->spare_doubles, skimpi_column_bytes(rows, sizeof(double))));
    l.total = place == SKIMPI_PLACE_MEMORY ? l.file : skimpi_add_sat(l.file, encoded_bytes);
    /* Blocks of 4 KiB and more are aligned as the columns must be. */
    l.total = skimpi_max_u64(l.total, 4096);
    return l;
}

static const skimpi_decoder_options no_options;

uint64_t skimpi_decoder_bytes(const skimpi_schema *schema, uint32_t rows, uint64_t encoded_bytes,
                              const skimpi_area *area, const skimpi_decoder_options *options, skimpi_place place)
{
    return skimp_alloc_cost(
        lay_out(schema, rows, encoded_bytes, area, options != NULL ? options : &no_options, place).total);
}

skimp_status skimpi_decoder_create(skimpi_decoder **out, skimpi_store *store, const skimpi_decoder_options *options,
                                   skimp_error *error)
{
    const skimpi_schema *schema = store->schema;
    const skimpi_summary *summary = &store->summary;
    skimpi_place place = skimpi_store_place(store);
    skimpi_decoder_options wanted = options != NULL ? *options : no_options;
    wanted.nonzeros = summary->largest_chunk_nonzeros;
    wanted.select = store->selection != NULL;
    layout l = lay_out(schema, summary->largest_chunk_rows, summary->largest_chunk_bytes, &summary->largest_area,
                       &wanted, place);
    void *block;
    *out = NULL;
    if (!store->finished) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "a chunk store is read before it is finished");
    }
    skimp_status status = skimp_alloc(store->budget, SKIMP_TAG_CHUNKS, l.total, 1, &block, error);
    if (status != SKIMP_OK) {
        return status;
    }
    skimpi_decoder *decoder = block;
    decoder->store = store;
    decoder->options = wanted;
    decoder->total = l.total;
    decoder->chunk.dense = (skimpi_dense_column *)((uint8_t *)block + l.dense);
    decoder->chunk.codes = (skimpi_code_column *)((uint8_t *)block + l.codes);
    decoder->keep = (uint8_t *)block + l.keep;
    decoder->area = (uint8_t *)block + l.area;
    decoder->area_bytes = l.spare - l.area;
    decoder->chunk.spare = spare_columns(&wanted) > 0 ? (uint8_t *)block + l.spare : NULL;
    decoder->file = place == SKIMPI_PLACE_MEMORY ? NULL : (uint8_t *)block + l.file;
    *out = decoder;
    return SKIMP_OK;
}

void skimpi_decoder_destroy(skimpi_decoder *decoder)
{
    if (decoder != NULL) {
        skimp_budget *budget = decoder->store->budget;
        if (decoder->file_bytes != 0) {
            skimp_free(budget, SKIMP_TAG_CHUNKS, decoder->file, decoder->file_bytes, 1);
        }
        skimp_free(budget, SKIMP_TAG_CHUNKS, decoder, decoder->total, 1);
    }
}

void skimpi_decoder_take_rows(skimpi_decoder *decoder, bool takes_rows)
{
    decoder->takes_rows = takes_rows;
}

/* A store that was spilled after the decoder was made: it needs a buffer to read into. (Its area is more than large enough.) */
static skimp_status need_file_buffer(skimpi_decoder *decoder, skimp_error *error)
{
    uint64_t bytes = skimpi_max_u64(decoder->store->summary.largest_chunk_bytes, 4096);
    void *block;
    skimp_status status = skimp_alloc(decoder->store->budget, SKIMP_TAG_CHUNKS, bytes, 1, &block, error);
    if (status == SKIMP_OK) {
        decoder->file = block;
        decoder->file_bytes = bytes;
    }
    return status;
}

/* ---- headers ------------------------------------------------------------------------------------------------------- */

static skimp_status damaged(const skimpi_store *store, uint64_t index, const char *what, skimp_error *error)
{
    if (store->place == SKIMPI_PLACE_FILE) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, store->path, 0, NULL,
                              "chunk %" PRIu64 " of the store is damaged: %s", index, what);
    }
    return skimpi_fail_at(error, SKIMP_ERROR_IO, store->spill_directory, 0, NULL,
                          "chunk %" PRIu64 " came back from the spill file with other bytes than were written: %s",
                          index, what);
}

static skimp_status check_header(const skimpi_store *store, const skimpi_chunk_header *header, uint64_t index,
                                 uint64_t offset, skimp_error *error)
{
    const skimpi_summary *summary = &store->summary;
    if (header->magic != SKIMPI_CHUNK_MAGIC ||
        header->header_checksum != skimpi_checksum(header, offsetof(skimpi_chunk_header, header_checksum))) {
        return damaged(store, index, "its header's checksum is wrong", error);
    }
    const uint64_t n_rows = store->selection != NULL ? store->selection->n_all : summary->n_rows;
    uint32_t n_columns = skimpi_chunk_columns(store->schema);
    bool sound = header->index == index && header->n_columns == n_columns && header->bytes % SKIMPI_CHUNK_ALIGN == 0 &&
                 header->bytes >= skimpi_chunk_head_bytes(n_columns) && header->bytes <= summary->largest_chunk_bytes &&
                 header->bytes <= store->end - offset && header->n_rows != 0 &&
                 header->n_rows <= summary->largest_chunk_rows && header->nonzeros <= summary->largest_chunk_nonzeros &&
                 header->nonzeros <= UINT32_MAX && header->first_row <= n_rows &&
                 header->n_rows <= n_rows - header->first_row;
    return sound ? SKIMP_OK : damaged(store, index, "its header contradicts the store's", error);
}

/* Reads the header at an offset. Needs `content`. */
static skimp_status read_header(skimpi_store *store, uint64_t index, uint64_t offset, skimpi_chunk_header *header,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    size_t got;
    if (offset > store->end || store->end - offset < sizeof(*header)) {
        return damaged(store, index, "it lies outside the store", error);
    }
    if (store->place == SKIMPI_PLACE_MEMORY) {
        uint64_t available;
        memcpy(header, skimpi_store_piece(store, offset, &available), sizeof(*header));
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_os_pread(store->fd, skimpi_store_name(store), header, sizeof(*header),
                               skimpi_store_base(store) + offset, &got, error));
    if (got != sizeof(*header)) {
        return damaged(store, index, "the file ends before it", error);
    }
    SKIMPI_TRY(check_header(store, header, index, offset, error));
out:
    return status;
}

/* ---- decoding ------------------------------------------------------------------------------------------------------ */

/* Where the columns of a chunk come from: a buffer, or (NULL) the store's memory from an offset on. */
typedef struct source {
    const skimpi_store *store;
    uint8_t *file;
    uint64_t chunk; /* offset of the chunk in the store */
} source;

static uint8_t *piece(const source *from, uint64_t at, uint64_t *available)
{
    if (from->file != NULL) {
        *available = UINT64_MAX;
        return from->file + at;
    }
    return skimpi_store_piece(from->store, from->chunk + at, available);
}

static void *take(skimpi_decoder *decoder, uint64_t n, uint64_t width)
{
    void *taken = decoder->area + decoder->area_used;
    decoder->area_used += skimpi_column_bytes(n, width);
    return taken;
}

/* Values of a column from position `at` on, through as many pieces as it lies in. */
typedef void piece_fn(const skimpi_chunk_column *column, const void *bytes, size_t n, void *out, const void *context);

static void for_pieces(const source *from, uint64_t at, const skimpi_chunk_column *column, uint64_t n,
                       uint64_t out_width, void *out, piece_fn *decode, const void *context)
{
    uint64_t width = skimpi_encoding_width(column->encoding);
    if (width == 0) {
        decode(column, NULL, n, out, context);
        return;
    }
    for (uint64_t done = 0; done < n;) {
        uint64_t available;
        const uint8_t *bytes = piece(from, at + done * width, &available);
        uint64_t count = skimpi_min_u64(n - done, available / width);
        decode(column, bytes, count, (uint8_t *)out + done * out_width, context);
        done += count;
    }
}

static void decode_floats(const skimpi_chunk_column *column, const void *bytes, size_t n, void *out,
                          const void *context)
{
    (void)context;
    skimpi_decode_to_float(column, bytes, n, out);
}

static void decode_doubles(const skimpi_chunk_column *column, const void *bytes, size_t n, void *out,
                           const void *context)
{
    (void)context;
    skimpi_decode_to_double(column, bytes, n, out);
}

typedef struct ranks {
    const uint32_t *rank;
    uint32_t n;
} ranks;

static void decode_codes(const skimpi_chunk_column *column, const void *bytes, size_t n, void *out, const void *context)
{
    const ranks *r = context;
    skimpi_decode_codes(column, bytes, n, r->rank, r->n, out);
}

static void decode_indices32(const skimpi_chunk_column *column, const void *bytes, size_t n, void *out,
                             const void *context)
{
    (void)context;
    skimpi_decode_indices(column, bytes, n, out, NULL);
}

static void decode_indices64(const skimpi_chunk_column *column, const void *bytes, size_t n, void *out,
                             const void *context)
{
    (void)context;
    skimpi_decode_indices(column, bytes, n, NULL, out);
}

/* The same of decimals, block by block: one that lies in two pieces is put together first. */
static void decimals_of(const source *from, uint64_t at, const skimpi_chunk_column *column, uint64_t n, float *out)
{
    const uint64_t block = skimpi_decimal_block_bytes(column);
    for (uint64_t done = 0; done < n;) {
        uint64_t available, rest;
        const uint64_t where = at + done / SKIMPI_DECIMAL_BLOCK * block;
        const uint8_t *bytes = piece(from, where, &available);
        uint64_t count = skimpi_min_u64(n - done, available / block * SKIMPI_DECIMAL_BLOCK);
        if (count > 0) {
            skimpi_decimal_decode(column, bytes, count, out + done);
        } else {
            uint8_t whole[SKIMPI_DECIMAL_BLOCK_MOST];
            const uint64_t first = skimpi_min_u64(available, block);
            memcpy(whole, bytes, first);
            memcpy(whole + first, piece(from, where + first, &rest), block - first);
            count = skimpi_min_u64(n - done, SKIMPI_DECIMAL_BLOCK);
            skimpi_decimal_decode(column, whole, count, out + done);
        }
        done += count;
    }
}

/* A column as floats, or as doubles; in place where it is stored so. */
static float *floats_of(skimpi_decoder *decoder, const source *from, uint64_t at, const skimpi_chunk_column *column,
                        uint64_t n)
{
    if (from->file != NULL && column->encoding == SKIMPI_ENC_F32) {
        return (float *)(from->file + at);
    }
    float *out = take(decoder, n, sizeof(*out));
    if (column->encoding == SKIMPI_ENC_DECIMAL) {
        decimals_of(from, at, column, n, out);
    } else {
        for_pieces(from, at, column, n, sizeof(*out), out, decode_floats, NULL);
    }
    return out;
}

static double *doubles_of(skimpi_decoder *decoder, const source *from, uint64_t at, const skimpi_chunk_column *column,
                          uint64_t n)
{
    if (from->file != NULL && column->encoding == SKIMPI_ENC_F64) {
        return (double *)(from->file + at);
    }
    double *out = take(decoder, n, sizeof(*out));
    if (column->encoding == SKIMPI_ENC_DECIMAL) {
        /* The floats that they are kept for, in the second half until each becomes a double. */
        float *floats = (float *)out + n, value;
        decimals_of(from, at, column, n, floats);
        for (uint64_t i = 0; i < n; i++) {
            memcpy(&value, floats + i, sizeof(value));
            out[i] = (double)value;
        }
    } else {
        for_pieces(from, at, column, n, sizeof(*out), out, decode_doubles, NULL);
    }
    return out;
}

/* A column that decodes to values of `width` bytes. In a file it is used in place where it is stored in that encoding. */
static void add_to_area(skimpi_area *area, const skimpi_chunk_column *column, unsigned as_needed, uint64_t n,
                        uint64_t width)
{
    uint64_t bytes = skimpi_column_bytes(n, width);
    area->memory += bytes;
    area->file += column->encoding == as_needed ? 0 : bytes;
}

/* Follows the decoding below, `take` by `take`. */
skimpi_area skimpi_chunk_area(const skimpi_schema *schema, const skimpi_chunk_header *header,
                              const skimpi_chunk_column *columns)
{
    skimpi_area area = { 0 };
    uint64_t n = header->n_rows;
    uint32_t next = 0;
    if (schema->sparse) {
        add_to_area(&area, &columns[0], SKIMPI_ENC_U32, n + 1, sizeof(uint32_t));
        add_to_area(&area, &columns[1], schema->index64 ? SKIMPI_ENC_U64 : SKIMPI_ENC_U32, header->nonzeros,
                    schema->index64 ? sizeof(uint64_t) : sizeof(uint32_t));
        if (columns[2].encoding == SKIMPI_ENC_CONSTANT) {
            area.ones = skimpi_column_bytes(header->nonzeros, sizeof(float));
        } else {
            add_to_area(&area, &columns[2], columns[2].encoding, header->nonzeros,
                        skimpi_encoding_width(columns[2].encoding));
        }
        next = 3;
    }
    for (; next < schema->n_numeric && !schema->sparse; next++) {
        bool is_float = skimpi_decodes_to_float(&columns[next]);
        add_to_area(&area, &columns[next], is_float ? SKIMPI_ENC_F32 : SKIMPI_ENC_F64, n,
                    is_float ? sizeof(float) : sizeof(double));
    }
    for (uint32_t j = 0; j < schema->n_category && !schema->sparse; j++, next++) {
        add_to_area(&area, &columns[next], SKIMPI_ENC_COUNT, n, sizeof(uint32_t));
    }
    for (; next < header->n_columns; next++) { /* target, weight */
        add_to_area(&area, &columns[next], SKIMPI_ENC_F64, n, sizeof(double));
    }
    return area;
}

/* The number of codes of a category column, when the caller does not say. */
static uint32_t codes_in(const skimpi_schema *schema, uint32_t slot)
{
    if (schema->hash_bits != 0) {
        return (uint32_t)1 << schema->hash_bits;
    }
    const skimpi_dictionary *dictionary = schema->dictionaries != NULL ? schema->dictionaries[slot] : NULL;
    return dictionary != NULL ? skimpi_dictionary_size(dictionary) : 0;
}

static const skimpi_chunk_column *descriptor(const source *from, uint32_t i)
{
    uint64_t available;
    return (const skimpi_chunk_column *)piece(
        from, sizeof(skimpi_chunk_header) + (uint64_t)i * sizeof(skimpi_chunk_column), &available);
}

static uint64_t decode_table(skimpi_decoder *decoder, const source *from, uint64_t at)
{
    const skimpi_schema *schema = decoder->store->schema;
    const skimpi_decoder_options *options = &decoder->options;
    skimpi_chunk *chunk = &decoder->chunk;
    uint32_t n = chunk->n_rows;
    for (uint32_t j = 0; j < schema->n_numeric; j++) {
        const skimpi_chunk_column *column = descriptor(from, j);
        skimpi_dense_column *dense = &chunk->dense[j];
        *dense = (skimpi_dense_column){ .feature = options->features != NULL ? options->features[j] : j };
        if (!options->as_doubles && skimpi_decodes_to_float(column)) {
            dense->f32 = floats_of(decoder, from, at, column, n);
        } else {
            dense->f64 = doubles_of(decoder, from, at, column, n);
        }
        at += skimpi_column_encoded_bytes(column, n);
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        const skimpi_chunk_column *column = descriptor(from, schema->n_numeric + j);
        skimpi_code_column *codes = &chunk->codes[j];
        *codes = (skimpi_code_column){ .slot = j };
        codes->feature = options->code_features != NULL ? options->code_features[j] : schema->n_numeric + j;
        codes->n_codes = options->n_codes != NULL ? options->n_codes[j] : codes_in(schema, j);
        /* Of a selection, codes are first to become those of the texts that are left. */
        const bool is_ranked = options->ranks != NULL && decoder->store->selection == NULL;
        ranks r = { is_ranked ? options->ranks[j] : NULL, codes_in(schema, j) };
        codes->codes = take(decoder, n, sizeof(*codes->codes));
        for_pieces(from, at, column, n, sizeof(*codes->codes), codes->codes, decode_codes, &r);
        at += skimpi_column_encoded_bytes(column, n);
    }
    chunk->n_dense = schema->n_numeric;
    chunk->n_codes = schema->n_category;
    return at;
}

/* Columns are used in place where they are stored as they are needed, and need no room after them. */
static uint64_t decode_sparse(skimpi_decoder *decoder, const source *from, uint64_t nonzeros, uint64_t at)
{
    const skimpi_chunk_column *columns[3] = { descriptor(from, 0), descriptor(from, 1), descriptor(from, 2) };
    const skimpi_decoder_options *options = &decoder->options;
    skimpi_chunk *chunk = &decoder->chunk;
    skimpi_csr_block *csr = &chunk->csr;
    uint64_t n = (uint64_t)chunk->n_rows + 1, entries = nonzeros << options->csr_doublings;
    bool wide = decoder->store->schema->index64, in_place = from->file != NULL && options->csr_doublings == 0;
    chunk->has_csr = true;
    *csr = (skimpi_csr_block){ .room = entries - nonzeros };
    if (from->file != NULL) {
        csr->indptr = (uint32_t *)(from->file + at);
    } else {
        csr->indptr = take(decoder, n, sizeof(uint32_t));
        for_pieces(from, at, columns[0], n, sizeof(uint32_t), csr->indptr, decode_indices32, NULL);
    }
    at += skimpi_column_encoded_bytes(columns[0], n);
    if (in_place && columns[1]->encoding == (wide ? SKIMPI_ENC_U64 : SKIMPI_ENC_U32)) {
        csr->indices = wide ? NULL : (uint32_t *)(from->file + at);
        csr->indices64 = wide ? (uint64_t *)(from->file + at) : NULL;
    } else if (wide) {
        csr->indices64 = take(decoder, entries, sizeof(uint64_t));
        for_pieces(from, at, columns[1], nonzeros, sizeof(uint64_t), csr->indices64, decode_indices64, NULL);
    } else {
        csr->indices = take(decoder, entries, sizeof(uint32_t));
        for_pieces(from, at, columns[1], nonzeros, sizeof(uint32_t), csr->indices, decode_indices32, NULL);
    }
    at += skimpi_column_encoded_bytes(columns[1], nonzeros);
    const skimpi_encoding encoding = (skimpi_encoding)columns[2]->encoding;
    if (encoding == SKIMPI_ENC_CONSTANT && !options->with_values) {
        return at;
    }
    if (encoding == SKIMPI_ENC_F64 || options->as_doubles) {
        if (in_place && encoding == SKIMPI_ENC_F64) {
            csr->f64 = (double *)(from->file + at);
        } else {
            csr->f64 = take(decoder, entries, sizeof(double));
            for_pieces(from, at, columns[2], nonzeros, sizeof(double), csr->f64, decode_doubles, NULL);
        }
    } else if (in_place && encoding == SKIMPI_ENC_F32) {
        csr->f32 = (float *)(from->file + at);
    } else {
        csr->f32 = take(decoder, entries, sizeof(float));
        for_pieces(from, at, columns[2], nonzeros, sizeof(float), csr->f32, decode_floats, NULL);
    }
    return at + skimpi_column_encoded_bytes(columns[2], nonzeros);
}

/*
 * The descriptors of a chunk from a file: encodings that may be there, lengths that add up to the chunk, and an area that
 * decoders were made for.
 */
static skimp_status check_columns(const skimpi_store *store, const source *from, const skimpi_chunk_header *header,
                                  skimp_error *error)
{
    const skimpi_schema *schema = store->schema;
    const uint32_t numbers = 1u << SKIMPI_ENC_CONSTANT | 1u << SKIMPI_ENC_U8 | 1u << SKIMPI_ENC_U16 |
                             1u << SKIMPI_ENC_U32 | 1u << SKIMPI_ENC_F32 | 1u << SKIMPI_ENC_F64;
    const uint32_t codes =
        1u << SKIMPI_ENC_CONSTANT | 1u << SKIMPI_ENC_U8 | 1u << SKIMPI_ENC_U16 | 1u << SKIMPI_ENC_U32;
    const uint32_t sparse[3] = { 1u << SKIMPI_ENC_U32,
                                 1u << SKIMPI_ENC_U16 | 1u << SKIMPI_ENC_U32 |
                                     (schema->index64 ? 1u << SKIMPI_ENC_U64 : 0),
                                 1u << SKIMPI_ENC_CONSTANT | 1u << SKIMPI_ENC_F32 | 1u << SKIMPI_ENC_F64 };
    uint64_t end = skimpi_chunk_head_bytes(header->n_columns);
    for (uint32_t i = 0; i < header->n_columns; i++) {
        const skimpi_chunk_column *column = descriptor(from, i);
        bool is_sparse = schema->sparse && i < 3;
        bool is_code = !schema->sparse && i >= schema->n_numeric && i < schema->n_numeric + schema->n_category;
        bool is_feature = !schema->sparse && i < schema->n_numeric;
        bool is_decimal = is_feature && column->encoding == SKIMPI_ENC_DECIMAL && skimpi_decimal_is_sound(column);
        uint32_t allowed = is_sparse ? sparse[i] : is_code ? codes : numbers;
        if (column->encoding >= SKIMPI_ENC_COUNT || ((allowed >> column->encoding & 1) == 0 && !is_decimal) ||
            (is_sparse && column->encoding == SKIMPI_ENC_CONSTANT && column->base != 1)) {
            return damaged(store, header->index, "a column has an encoding that it cannot have", error);
        }
        uint64_t n = !is_sparse ? header->n_rows : i == 0 ? (uint64_t)header->n_rows + 1 : header->nonzeros;
        end += skimpi_column_encoded_bytes(column, n);
    }
    if (end != header->bytes) {
        return damaged(store, header->index, "its columns do not add up to its length", error);
    }
    skimpi_area area = skimpi_chunk_area(schema, header, descriptor(from, 0)), most = store->summary.largest_area;
    bool fits = area.file <= most.file && area.ones <= most.ones;
    return fits ? SKIMP_OK : damaged(store, header->index, "its columns take more room than the store says", error);
}

/* What kernels will use as places: row ends that ascend to the number of non-zeros, indices below the number of features. */
static skimp_status check_csr(const skimpi_store *store, const skimpi_chunk *chunk, uint64_t nonzeros,
                              skimp_error *error)
{
    const skimpi_csr_block *csr = &chunk->csr;
    bool sound = csr->indptr[0] == 0 && csr->indptr[chunk->n_rows] == nonzeros;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        sound &= csr->indptr[i] <= csr->indptr[i + 1];
    }
    uint64_t largest = 0;
    if (csr->indices != NULL) {
        uint32_t largest32 = 0;
        for (uint64_t i = 0; i < nonzeros; i++) {
            largest32 = csr->indices[i] > largest32 ? csr->indices[i] : largest32;
        }
        largest = largest32;
    } else {
        for (uint64_t i = 0; i < nonzeros; i++) {
            largest = skimpi_max_u64(largest, csr->indices64[i]);
        }
    }
    sound &= nonzeros == 0 || largest < store->schema->n_sparse_features;
    return sound ? SKIMP_OK : damaged(store, chunk->index, "its sparse rows or indices are out of bounds", error);
}

/* What lies in `from`, which is sound, as the decoder's chunk. */
static skimp_status decode(skimpi_decoder *decoder, const skimpi_chunk_header *header, const source *from,
                           skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_store *store = decoder->store;
    skimpi_chunk *chunk = &decoder->chunk;
    if (store->schema->sparse && header->nonzeros << decoder->options.csr_doublings > UINT32_MAX) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "chunk %" PRIu64 " is too large for what the steps add to it",
                           header->index);
    }
    decoder->area_used = 0;
    chunk->index = header->index;
    chunk->first_row = header->first_row;
    chunk->n_rows = header->n_rows;
    chunk->row_state = NULL;
    uint64_t at = skimpi_chunk_head_bytes(header->n_columns);
    uint32_t next;
    if (store->schema->sparse) {
        at = decode_sparse(decoder, from, header->nonzeros, at);
        next = 3;
        if (from->file != NULL && store->place != SKIMPI_PLACE_SOURCE) {
            SKIMPI_TRY(check_csr(store, chunk, header->nonzeros, error));
        }
    } else {
        at = decode_table(decoder, from, at);
        next = store->schema->n_numeric + store->schema->n_category;
    }
    chunk->target = NULL;
    chunk->weight = NULL;
    if (store->schema->target >= 0) {
        const skimpi_chunk_column *column = descriptor(from, next++);
        chunk->target = doubles_of(decoder, from, at, column, header->n_rows);
        at += skimpi_column_encoded_bytes(column, header->n_rows);
    }
    if (store->schema->weight >= 0) {
        chunk->weight = doubles_of(decoder, from, at, descriptor(from, next), header->n_rows);
    } else if (decoder->options.with_weight) {
        chunk->weight = take(decoder, header->n_rows, sizeof(double));
        for (uint32_t i = 0; i < header->n_rows; i++) {
            chunk->weight[i] = 1;
        }
    }
    if (store->selection != NULL) {
        skimpi_selection_apply(store, decoder);
    }
out:
    return status;
}

/* Reads, checks and decodes the chunk at an offset. Needs `content`, and the file buffer unless the store is in memory. */
static skimp_status read_at(skimpi_store *store, skimpi_decoder *decoder, const skimpi_chunk_header *header,
                            uint64_t offset, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    source from = { .store = store,
                    .file = store->place == SKIMPI_PLACE_MEMORY ? NULL : decoder->file,
                    .chunk = offset };
    if (store->selection != NULL && !skimpi_selection_any(store->selection, header->first_row, header->n_rows)) {
        skimpi_selection_skip(store, decoder, header);
        return SKIMP_OK;
    }
    if (from.file != NULL) {
        size_t got;
        SKIMPI_TRY(skimpi_os_pread(store->fd, skimpi_store_name(store), from.file, header->bytes,
                                   skimpi_store_base(store) + offset, &got, error));
        if (got != header->bytes || memcmp(from.file, header, sizeof(*header)) != 0) {
            return damaged(store, header->index, "it changed while it was read", error);
        }
        if (skimpi_checksum(from.file + sizeof(*header), header->bytes - sizeof(*header)) != header->checksum) {
            return damaged(store, header->index, "its checksum is wrong", error);
        }
        SKIMPI_TRY(check_columns(store, &from, header, error));
    }
    SKIMPI_TRY(decode(decoder, header, &from, error));
out:
    return status;
}

skimp_status skimpi_decoder_take(skimpi_decoder *decoder, const uint8_t *bytes, skimp_error *error)
{
    const skimpi_chunk_header *header = (const skimpi_chunk_header *)bytes;
    const source from = { .store = decoder->store, .file = decoder->file };
    memcpy(decoder->file, bytes, header->bytes);
    return decode(decoder, header, &from, error);
}

bool skimpi_store_has_room(const skimpi_store *store, const uint8_t *bytes)
{
    const skimpi_chunk_header *header = (const skimpi_chunk_header *)bytes;
    const skimpi_chunk_column *columns = (const skimpi_chunk_column *)(header + 1);
    const skimpi_area area = skimpi_chunk_area(store->schema, header, columns), most = store->summary.largest_area;
    return header->bytes <= store->summary.largest_chunk_bytes && header->n_rows <= store->summary.largest_chunk_rows &&
           header->nonzeros <= store->summary.largest_chunk_nonzeros && area.file <= most.file &&
           area.ones <= most.ones;
}

/* ---- scans --------------------------------------------------------------------------------------------------------- */

void skimpi_scan_begin(skimpi_store *store, skimpi_scan *scan)
{
    (void)store;
    atomic_store(&scan->next, 0);
    atomic_store(&scan->bytes_done, 0);
    scan->position = 0;
}

/* Asks for what lies ahead of [offset, offset + bytes), when that crosses a step; at the start of a scan for all of the distance. */
static void read_ahead(const skimpi_store *store, uint64_t offset, uint64_t bytes)
{
    uint64_t from = offset == 0 ? 0 : (offset - 1) / AHEAD_STEP * AHEAD_STEP + AHEAD_DISTANCE;
    uint64_t to = (offset + bytes - 1) / AHEAD_STEP * AHEAD_STEP + AHEAD_DISTANCE;
    to = skimpi_min_u64(to, store->end);
    if (store->place != SKIMPI_PLACE_MEMORY && to > from) {
        skimpi_os_will_need(store->fd, skimpi_store_base(store) + from, to - from);
    }
}

/* Holds `content` with a buffer to read into, should the store be on disk. */
static skimp_status enter(skimpi_store *store, skimpi_decoder *decoder, skimp_error *error)
{
    for (;;) {
        pthread_rwlock_rdlock(&store->content);
        if (store->place == SKIMPI_PLACE_MEMORY || decoder->file != NULL) {
            return SKIMP_OK;
        }
        pthread_rwlock_unlock(&store->content);
        skimp_status status = need_file_buffer(decoder, error);
        if (status != SKIMP_OK) {
            return status;
        }
    }
}

static skimp_status read_arrays(skimpi_store *store, skimpi_scan *scan, skimpi_decoder *decoder, uint64_t index,
                                skimpi_chunk **chunk, skimp_error *error)
{
    skimp_status status = skimpi_arrays_read(store, decoder, index, error);
    if (status == SKIMP_OK) {
        *chunk = &decoder->chunk;
        if (scan != NULL) {
            atomic_fetch_add(&scan->bytes_done, store->summary.store_bytes / store->summary.n_chunks);
        }
    }
    return status;
}

skimp_status skimpi_scan_next(skimpi_store *store, skimpi_scan *scan, skimpi_decoder *decoder, skimpi_chunk **chunk,
                              bool *done, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_chunk_header header;
    *chunk = NULL;
    *done = false;
    if (store->arrays != NULL) {
        const uint64_t claimed = atomic_fetch_add(&scan->next, 1);
        *done = claimed >= store->summary.n_chunks;
        return *done ? SKIMP_OK : read_arrays(store, scan, decoder, claimed, chunk, error);
    }
    SKIMPI_TRY(enter(store, decoder, error));
    pthread_mutex_lock(&store->lock);
    uint64_t offset = scan->position;
    uint64_t index = atomic_load(&scan->next);
    *done = index >= store->summary.n_chunks;
    if (!*done) {
        status = read_header(store, index, offset, &header, error);
        if (status == SKIMP_OK) {
            scan->position = offset + header.bytes;
            atomic_store(&scan->next, index + 1);
            read_ahead(store, offset, header.bytes);
        }
    }
    pthread_mutex_unlock(&store->lock);
    if (status == SKIMP_OK && !*done) {
        status = read_at(store, decoder, &header, offset, error);
        if (status == SKIMP_OK) {
            *chunk = &decoder->chunk;
            atomic_fetch_add(&scan->bytes_done, header.bytes);
            skimpi_store_drop_behind(store, offset, header.bytes);
        }
    }
    pthread_rwlock_unlock(&store->content);
out:
    return status;
}

skimp_status skimpi_store_read_chunk(skimpi_store *store, skimpi_decoder *decoder, uint64_t index, skimpi_chunk **chunk,
                                     skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_chunk_header header;
    *chunk = NULL;
    if (index >= store->summary.n_chunks) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "there is no chunk %" PRIu64, index);
    }
    if (store->arrays != NULL) {
        return read_arrays(store, NULL, decoder, index, chunk, error);
    }
    SKIMPI_TRY(enter(store, decoder, error));
    uint64_t at = index >> store->index_shift << store->index_shift;
    uint64_t offset = store->index[index >> store->index_shift];
    status = read_header(store, at, offset, &header, error);
    while (status == SKIMP_OK && at < index) {
        offset += header.bytes;
        status = read_header(store, ++at, offset, &header, error);
    }
    if (status == SKIMP_OK) {
        status = read_at(store, decoder, &header, offset, error);
    }
    if (status == SKIMP_OK) {
        *chunk = &decoder->chunk;
    }
    pthread_rwlock_unlock(&store->content);
out:
    return status;
}
