/* SPDX-License-Identifier: BSD-3-Clause */
/* Some rows of a chunk, seen as a chunk: what passes that work in tiles give to kernels. */
#ifndef SKIMPI_ROW_VIEW_H
#define SKIMPI_ROW_VIEW_H

#include "data/chunk.h"

/*
 * Rows first … first + n - 1: no value is copied, only descriptors, to dense (as many as the chunk has dense columns) and
 * codes.  Columns stay aligned where first is a multiple of 16.  Its indptr does not start at 0, which kernels allow.
 */
skimpi_chunk skimpi_row_view(const skimpi_chunk *chunk, uint32_t first, uint32_t n, skimpi_dense_column *dense,
                             skimpi_code_column *codes);

#endif
