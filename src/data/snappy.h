/* SPDX-License-Identifier: BSD-3-Clause */
/* Decompression of a block in Snappy's raw format, as the pages of Parquet files hold it. */
#ifndef SKIMPI_SNAPPY_H
#define SKIMPI_SNAPPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes behind both blocks that may be read (of the source) and written (of the text). */
#define SKIMPI_SNAPPY_SLACK 16u

/* Makes exactly out_bytes of text. False: the block is damaged, or of another length. */
bool skimpi_snappy_decode(const uint8_t *in, size_t in_bytes, uint8_t *out, size_t out_bytes);

#endif
