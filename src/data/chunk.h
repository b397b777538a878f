/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chunk: some rows, as estimators and transformers see them.
 *
 * A chunk is a list of columns and blocks over one feature space 0 … n_features - 1 (after encoding): dense columns
 * (float or double, contiguous, one array a column), one-hot columns given by their codes (never expanded), and at most
 * one CSR block.  The memory belongs to the worker that decoded it; transformers change it in place.  (Where nothing will,
 * and the decoder was told so, a CSR block may be the caller's arrays themselves: arrays.h.)
 * Rows that the caller holds come, to a pass that takes them so, as a row block in place of dense columns.
 * Everything a chunk holds is a function of the data alone, so that sums over it are the same for any budget or threads.
 */
#ifndef SKIMPI_CHUNK_H
#define SKIMPI_CHUNK_H

#include "base/base.h"

typedef struct skimpi_dense_column {
    uint64_t feature;
    float *
        f32; /* exactly one of f32 and f64 is set; n_rows values, 64-byte aligned, readable up to a multiple of 16 values */
    double *f64;
} skimpi_dense_column;

typedef struct skimpi_code_column {
    uint64_t feature; /* of code 0 */
    uint32_t n_codes; /* codes at or over this are all zeros (unknown) */
    uint32_t slot;    /* category slot in the schema */
    uint32_t *codes;  /* n_rows */
} skimpi_code_column;

typedef struct skimpi_csr_block {
    uint64_t feature;  /* of index 0 */
    uint32_t *indptr;  /* n_rows + 1; indptr[0] is 0 */
    uint32_t *indices; /* exactly one of indices and indices64 is set */
    uint64_t *indices64;
    float *f32; /* one of f32 and f64, or neither: every value is 1 */
    double *f64;
    uint64_t room; /* so many further entries fit */
} skimpi_csr_block;

/* Rows of a matrix where the caller has it: read only, at any address. */
typedef struct skimpi_row_block {
    const uint8_t *values; /* the first row; NULL: there is no such block */
    int64_t stride;        /* bytes from one row to the next */
    uint64_t feature;      /* of its first column */
    uint64_t n_columns;    /* neighbours in a row */
    bool is_f32;           /* floats; else doubles */
} skimpi_row_block;

typedef struct skimpi_chunk {
    uint64_t index;     /* its place among the chunks of the data set */
    uint64_t first_row; /* rows before it */
    uint32_t n_rows;
    uint32_t n_dense, n_codes;
    skimpi_dense_column *dense; /* ascending in feature */
    skimpi_code_column *codes;
    bool has_csr;
    skimpi_csr_block csr;
    skimpi_row_block rows; /* then there is nothing else: no dense columns, codes or CSR */
    double *target;        /* n_rows or NULL. Classifiers: class index 0 … n_classes - 1 */
    double *weight;        /* n_rows or NULL: all 1. Class weights are already in it */
    void *row_state;       /* row_state_bytes × n_rows, or NULL */
    void *spare;           /* memory of the columns that steps add, which have places in dense after n_dense; or NULL */
} skimpi_chunk;

/* Bytes between the columns of a decoded chunk: rows rounded up so that each column is aligned and padded. */
static inline size_t skimpi_column_stride(uint32_t n_rows)
{
    return skimpi_round_up(n_rows, 16);
}

#endif
