/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes the checksums of a damaged chunk store right again, as someone would who made the file to deceive; and looks at
 * everything that a store gives, holding it to what readers of chunks rely on.
 */
#ifndef SKIMP_TEST_STORE_REPAIR_H
#define SKIMP_TEST_STORE_REPAIR_H

#include <stdlib.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/store_internal.h"

static inline void store_repair(uint8_t *bytes, size_t size)
{
    skimpi_store_trailer trailer;
    if (size < SKIMPI_STORE_FILE_HEAD + sizeof(trailer)) {
        return;
    }
    uint64_t body = size - sizeof(trailer);
    memcpy(&trailer, bytes + body, sizeof(trailer));
    if (trailer.footer_offset < SKIMPI_STORE_FILE_HEAD || trailer.footer_offset > body) {
        trailer.footer_offset = SKIMPI_STORE_FILE_HEAD;
    }
    trailer.footer_offset -= trailer.footer_offset % SKIMPI_CHUNK_ALIGN;
    trailer.footer_bytes = body - trailer.footer_offset;
    trailer.file_bytes = size;
    trailer.footer_checksum = skimpi_checksum(bytes + trailer.footer_offset, trailer.footer_bytes);
    memcpy(trailer.magic, bytes, sizeof(trailer.magic));
    uint32_t version;
    memcpy(&version, bytes + offsetof(skimpi_store_head, version), sizeof(version));
    trailer.version = version == 2 ? 0 : version;
    trailer.checksum = skimpi_checksum(&trailer, offsetof(skimpi_store_trailer, checksum));
    memcpy(bytes + body, &trailer, sizeof(trailer));
    for (uint64_t at = SKIMPI_STORE_FILE_HEAD; trailer.footer_offset - at >= sizeof(skimpi_chunk_header);) {
        skimpi_chunk_header header;
        memcpy(&header, bytes + at, sizeof(header));
        uint64_t n = header.bytes;
        if (n < sizeof(header) || n > trailer.footer_offset - at || n % SKIMPI_CHUNK_ALIGN != 0) {
            n = sizeof(header);
        }
        header.checksum = skimpi_checksum(bytes + at + sizeof(header), n - sizeof(header));
        header.header_checksum = skimpi_checksum(&header, offsetof(skimpi_chunk_header, header_checksum));
        memcpy(bytes + at, &header, sizeof(header));
        at += n;
    }
}

static inline void store_demand(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Touches all values of a chunk. */
static inline double store_look_at_chunk(const skimpi_chunk *chunk, const skimpi_schema *schema)
{
    double sum = 0;
    store_demand(chunk->n_rows != 0);
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        store_demand((chunk->dense[j].f32 != NULL) != (chunk->dense[j].f64 != NULL));
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            sum += chunk->dense[j].f32 != NULL ? (double)chunk->dense[j].f32[i] : chunk->dense[j].f64[i];
        }
    }
    for (uint32_t j = 0; j < chunk->n_codes; j++) {
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            sum += chunk->codes[j].codes[i] < chunk->codes[j].n_codes;
        }
    }
    if (chunk->has_csr) {
        const skimpi_csr_block *csr = &chunk->csr;
        store_demand(csr->indptr[0] == 0);
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            store_demand(csr->indptr[i] <= csr->indptr[i + 1]);
            for (uint32_t k = csr->indptr[i]; k < csr->indptr[i + 1]; k++) {
                store_demand((csr->indices != NULL ? csr->indices[k] : csr->indices64[k]) < schema->n_sparse_features);
                sum += csr->f32 != NULL ? (double)csr->f32[k] : csr->f64 != NULL ? csr->f64[k] : 1;
            }
        }
    }
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        sum += (chunk->target != NULL ? chunk->target[i] : 0) + (chunk->weight != NULL ? chunk->weight[i] : 0);
    }
    return sum;
}

/* Opens a store and reads all of it, in order and by number. A failure has a message that names the file. */
static inline skimp_status store_look_at(skimp_budget *budget, const char *path, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_store *store = NULL;
    skimpi_schema *schema = NULL;
    skimpi_decoder *decoder = NULL;
    skimpi_scan scan;
    skimpi_chunk *chunk;
    volatile double sum = 0;
    bool done = false;
    SKIMPI_TRY(skimpi_store_open(&store, budget, path, &schema, error));
    const skimpi_summary *summary = skimpi_store_summary(store);
    for (uint32_t i = 0; schema->dictionaries != NULL && i <= schema->n_category; i++) {
        const skimpi_dictionary *dictionary = schema->dictionaries[i];
        for (uint32_t code = 0; dictionary != NULL && code < skimpi_dictionary_size(dictionary); code++) {
            size_t length;
            sum += skimpi_dictionary_text(dictionary, code, &length) != NULL ? (double)length : 0;
        }
    }
    for (uint32_t i = 1; i < summary->n_target_values; i++) {
        store_demand(summary->target_values[i - 1] < summary->target_values[i]);
    }
    SKIMPI_TRY(skimpi_decoder_create(&decoder, store, NULL, error));
    skimpi_scan_begin(store, &scan);
    for (uint64_t c = 0; !done; c++) {
        SKIMPI_TRY(skimpi_scan_next(store, &scan, decoder, &chunk, &done, error));
        if (!done) {
            store_demand(chunk->index == c && chunk->first_row + chunk->n_rows <= summary->n_rows);
            sum += store_look_at_chunk(chunk, schema);
        }
    }
    for (uint64_t c = 0; c < summary->n_chunks && c < 50; c++) {
        SKIMPI_TRY(skimpi_store_read_chunk(store, decoder, c * 7 % summary->n_chunks, &chunk, error));
        sum += store_look_at_chunk(chunk, schema);
    }
out:
    skimpi_decoder_destroy(decoder);
    skimpi_store_destroy(store);
    skimpi_schema_destroy(schema);
    return status;
}

#endif
