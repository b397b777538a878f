/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers of the pages of a Parquet file. */
#ifndef SKIMPI_PARQUET_PAGE_H
#define SKIMPI_PARQUET_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum skimpi_page_kind {
    SKIMPI_PAGE_DATA = 0,
    SKIMPI_PAGE_INDEX = 1,
    SKIMPI_PAGE_DICTIONARY = 2,
    SKIMPI_PAGE_DATA_2 = 3
} skimpi_page_kind;

/* Of values and levels, as the format numbers them. */
enum { SKIMPI_PAGE_PLAIN = 0, SKIMPI_PAGE_PLAIN_DICTIONARY = 2, SKIMPI_PAGE_RLE = 3, SKIMPI_PAGE_RLE_DICTIONARY = 8 };

typedef struct skimpi_page {
    size_t header_bytes;
    int64_t kind;
    int64_t text_bytes, stored_bytes; /* behind the header: decompressed, as they stand in the file */
    int64_t n_values;                 /* missing ones too */
    int64_t encoding, levels_encoding;
    /* second version: levels come first, and are not compressed */
    int64_t definition_bytes, repetition_bytes;
    bool is_plain; /* nor is what follows them */
} skimpi_page;

/* Reads a header. False: it is damaged, or does not end within the bytes. Numbers may be any, negative ones too. */
bool skimpi_page_parse(const uint8_t *bytes, size_t n, skimpi_page *out);

#endif
