/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrays of the caller as data: what a job learns from, predicts or scores may lie in memory that the caller holds, and
 * is not copied.  skimp_data says where it lies; skimp_job_options.data points to one, in place of inputs.
 *
 * Three kinds.  A *matrix*: one type, any two strides (C order, Fortran order, slices, reversed).  *Columns*: a frame, one
 * type and stride a column, with Arrow's bitmaps of what is missing, and categories by codes.  *CSR* and *CSC*: sparse, as
 * scipy.sparse holds them.  With any of them a target and a weight for each row.
 *
 *     skimp_data data = SKIMP_DATA_INIT;              // 2,000,000 × 28 floats in C order, labels of one byte
 *     data.n_rows = 2000000, data.n_columns = 28;
 *     data.dtype = SKIMP_DTYPE_F32, data.values = x;
 *     data.row_stride = 28 * sizeof(float), data.column_stride = sizeof(float);
 *     data.target = (skimp_data_column){ .dtype = SKIMP_DTYPE_U8, .values = y, .stride = 1 };
 *     skimp_job_options options = SKIMP_JOB_OPTIONS_INIT;
 *     options.estimator = "logistic_regression";
 *     options.data = &data;
 *     … skimp_job_create, skimp_job_fit as with files
 *
 * Ownership: skimp_job_create copies the struct, the list of columns and the names.  Values, bitmaps, category texts and
 * their offsets, indices and indptr stay the caller's, who must keep them, unchanged, until the job is destroyed.  They
 * need not be aligned; numbers are in the machine's byte order.
 *
 * Memory: for each worker one chunk of rows, and 4 bytes for each category.  A chunk of a table has as many rows as make
 * 256 KiB of doubles, at least 16 (the columns of target and weight count), and is copied into the worker's buffer, as
 * floats where the type allows (bool, 8- and 16-bit integers, f16, f32), else as doubles.  A chunk of CSR is the rows
 * that begin within 32768 values (a row counts for 4 more): it is used where it lies, unless values or indices are of
 * another type than f32, f64 and 32 bits (64 where n_columns needs them), a step changes values, or a row names a column
 * twice.  Nothing grows with the number of rows.  CSC is turned into rows once, into a spill file (its disk is planned; in
 * memory where the spill directory is memory itself): 8 bytes for each column, and chunks of 131072 values on average.
 * Data of which rows with missing values are dropped (skimp_job_options.drop_missing) is copied into a store as files are.
 * predict, score, apply and convert read the arrays as files too, a chunk at a time.
 *
 * Plans are exact: the target, the codes of categories and indptr (of CSC the indices) are looked at for them, nothing
 * else.  The first pass of a fit checks every value.
 *
 * What is the same: the model, bit for bit, for any number of threads, strides, layout (matrix or columns) and budget.
 * A table of f32 gives the bits that an NPY file of the same columns in the same order gives (target and weight behind
 * them); integers, and doubles that are floats, give the same model up to the rounding of sums (1e-12).  But the means of
 * a standard_scaler come about in another order for files, and steps round what is held as floats to floats; and doubles
 * that a file's store rounds to floats are not rounded here.  And wide tables of f32 or f64 (1025 columns, of logistic
 * regression 256) whose rows each lie in one piece are learnt from row by row: the same bits for any address and distance
 * of rows, but those of another layout, or a file, up to the rounding of sums.
 *
 * Missing values are NaN, or 0 bits of `validity`, or negative codes.  Infinite values are an error, and so are missing
 * ones that no step takes away.  Errors are DATA; the message names the row, counted from 0, and the column; skimp_error.row
 * is that number + 1.
 */
#ifndef SKIMP_DATA_H
#define SKIMP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skimp/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum skimp_dtype {
    SKIMP_DTYPE_NONE,
    SKIMP_DTYPE_BOOL, /* one byte: 0, or 1 */
    SKIMP_DTYPE_I8,
    SKIMP_DTYPE_I16,
    SKIMP_DTYPE_I32,
    SKIMP_DTYPE_I64, /* beyond 2^53 rounded to the nearest double */
    SKIMP_DTYPE_U8,
    SKIMP_DTYPE_U16,
    SKIMP_DTYPE_U32,
    SKIMP_DTYPE_U64,
    SKIMP_DTYPE_F16, /* IEEE 754 half precision */
    SKIMP_DTYPE_F32,
    SKIMP_DTYPE_F64,
    SKIMP_DTYPE_BIT /* columns only: one bit, least significant first, as Arrow's booleans */
} skimp_dtype;

/* A value for each row: a column of a frame, the target, the weight. */
typedef struct skimp_data_column {
    const char *name;         /* NULL: "x0", "x1", … by its place; "target"; "weight" */
    skimp_dtype dtype;        /* of the values, or of the codes */
    const void *values;       /* of row 0; NULL: there is no target (weight) */
    int64_t stride;           /* bytes from a row to the next; may be negative, or 0. BIT: not used */
    uint64_t bit_offset;      /* BIT: place of row 0's bit from `values` on */
    const uint8_t *validity;  /* NULL, or a bit for each row, least significant first: 0 where the value is missing */
    uint64_t validity_offset; /* place of row 0's bit */
    /*
     * Categories: values are codes (integers), 0 … n_categories - 1; a negative one is missing.  The text of category k
     * is bytes offsets[k] … offsets[k + 1] - 1 of `text`, UTF-8 without NUL.  Categories that no row has are left out,
     * as scikit-learn's OneHotEncoder leaves them out; the same text under two codes is one category.
     */
    uint64_t n_categories;     /* at most 2^26 */
    const char *text;          /* may be NULL when it is empty */
    const void *offsets;       /* n_categories + 1 of them; NULL: the column holds numbers */
    skimp_dtype offsets_dtype; /* I32 or I64 */
} skimp_data_column;

typedef enum skimp_data_kind {
    SKIMP_DATA_MATRIX,
    SKIMP_DATA_COLUMNS,
    SKIMP_DATA_CSR,
    SKIMP_DATA_CSC,
    SKIMP_DATA_BATCHES
} skimp_data_kind;

struct skimp_data;
/*
 * Gives the next batch, in *batch, which is as SKIMP_DATA_INIT leaves it; or sets *end, when there is none.  An error ends
 * the job, and is what the job reports.
 */
typedef skimp_status skimp_next_fn(void *context, struct skimp_data *batch, bool *end, skimp_error *error);
/* Begins again: `next` then gives the first batch of the same rows, in batches of any sizes. */
typedef skimp_status skimp_rewind_fn(void *context, skimp_error *error);

typedef struct skimp_data {
    size_t size; /* sizeof(skimp_data) */
    skimp_data_kind kind;
    uint64_t n_rows, n_columns; /* columns: less than 2^32 - 4, of CSR and CSC less than 2^44; batches: none */
    /* matrix; of CSR and CSC the non-zeros: one after the other, strides not used; values NULL: each is 1 */
    skimp_dtype dtype;
    const void *values;                /* of row 0, column 0 */
    int64_t row_stride, column_stride; /* bytes; may be negative */
    const char *const *names;          /* matrix: of the columns; NULL: "x0", "x1", … */
    /* columns */
    const skimp_data_column *columns; /* n_columns */
    /* CSR, CSC. In a row (of CSC: a column) indices may come in any order (of CSC: ascending) and repeat: values add up. */
    uint64_t nonzeros;         /* entries of values and indices: indptr is checked against it */
    const void *indptr;        /* n_rows + 1 (CSC: n_columns + 1) */
    skimp_dtype indptr_dtype;  /* I32 or I64 */
    const void *indices;       /* columns (CSC: rows), from 0 */
    skimp_dtype indices_dtype; /* I32 or I64 */
    /*
     * For each row; values NULL: none.  A column of the data can be the target or the weight instead, by its name in
     * skimp_job_options.target and weight.  options.target may also compare: "target>15".  The target may have
     * categories: labels that are text.
     */
    skimp_data_column target, weight;
    /* batches */
    skimp_next_fn *next;
    skimp_rewind_fn
        *rewind; /* NULL: they come once, so a budget that does not even hold the planning is not told the smallest */
    /*
     * With `rewind`: a fit has the batches begin again for each pass over the rows after the first, and keeps nothing of
     * them, in memory or on disk (plan: store "source").  The model is the same, bit for bit.  Rows that are not those of
     * the first time are DATA.  What is read in another order (SGD with shuffle) or loses rows on the way (drop_missing)
     * is kept all the same, as batches that come once are.
     */
    bool each_pass;
    void *context;
} skimp_data;

#define SKIMP_DATA_INIT                                                                                                \
    {                                                                                                                  \
        .size = sizeof(skimp_data)                                                                                     \
    }

/* Bytes of a value; 0: BIT, NONE and what is none of them. */
SKIMP_API size_t skimp_dtype_bytes(skimp_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif
