/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests: the same numbers as arrays of every type and layout, and as CSR and CSC in their variants.  Every block is
 * exactly as long as it must be, so that a sanitizer sees whoever reads beyond.
 */
#ifndef SKIMP_TEST_ARRAY_DATA_H
#define SKIMP_TEST_ARRAY_DATA_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "skimp/data.h"

/* A number that every type holds exactly; negative ones where the type has them. */
static inline double array_number(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    const uint64_t hash = skimpi_mix64(row * 1000003 + column);
    switch (dtype) {
    case SKIMP_DTYPE_BOOL:
    case SKIMP_DTYPE_BIT:
        return (double)(hash % 2);
    case SKIMP_DTYPE_U8:
    case SKIMP_DTYPE_U16:
    case SKIMP_DTYPE_U32:
    case SKIMP_DTYPE_U64:
        return (double)(hash % 251);
    case SKIMP_DTYPE_F16:
        return (double)(hash % 2001) / 8 - 125;
    case SKIMP_DTYPE_F32:
        return (double)(float)((double)(hash % 1000003) / 7919 - 60);
    case SKIMP_DTYPE_F64:
        return (double)(hash % 1000003) / 7919 - 60;
    default:
        return (double)(hash % 251) - 125;
    }
}

static inline uint16_t half_of(double value)
{
    const float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const int exponent = (int)(bits >> 23 & 255) - 112;
    if (isnan(value) || isinf(value)) {
        return (uint16_t)(sign | 0x7c00 | (isnan(value) ? 0x200 : 0));
    }
    if (exponent <= 0) {
        return (uint16_t)(sign | (uint16_t)lrint(fabs(value) * 0x1p24));
    }
    return (uint16_t)(sign | exponent << 10 | (bits >> 13 & 1023));
}

#define PUT(type)                                                                                                      \
    do {                                                                                                               \
        const type put_ = (type)value;                                                                                 \
        memcpy(at, &put_, sizeof put_);                                                                                \
    } while (0)

static inline void put_number(void *at, skimp_dtype dtype, double value)
{
    const uint16_t half = half_of(value);
    switch (dtype) {
    case SKIMP_DTYPE_BOOL:
    case SKIMP_DTYPE_U8:
        PUT(uint8_t);
        break;
    case SKIMP_DTYPE_I8:
        PUT(int8_t);
        break;
    case SKIMP_DTYPE_I16:
        PUT(int16_t);
        break;
    case SKIMP_DTYPE_I32:
        PUT(int32_t);
        break;
    case SKIMP_DTYPE_I64:
        PUT(int64_t);
        break;
    case SKIMP_DTYPE_U16:
        PUT(uint16_t);
        break;
    case SKIMP_DTYPE_U32:
        PUT(uint32_t);
        break;
    case SKIMP_DTYPE_U64:
        PUT(uint64_t);
        break;
    case SKIMP_DTYPE_F16:
        memcpy(at, &half, sizeof half);
        break;
    case SKIMP_DTYPE_F32:
        PUT(float);
        break;
    default:
        PUT(double);
        break;
    }
}

static inline void *must_allocate(size_t bytes)
{
    void *block = calloc(bytes > 0 ? bytes : 1, 1);
    assert_non_null(block);
    return block;
}

typedef enum array_layout {
    LAYOUT_C,
    LAYOUT_FORTRAN,
    LAYOUT_PADDED,    /* C, with something between the rows, and begun at an odd address */
    LAYOUT_SLICED,    /* C, every second column of a wider one */
    LAYOUT_BACKWARDS, /* C, last row first, last column first */
    LAYOUT_FORTRAN_BACKWARDS,
    LAYOUT_COUNT
} array_layout;

typedef double number_fn(uint64_t row, uint64_t column, skimp_dtype dtype);

/* A matrix; *block is to be freed. */
static inline void make_matrix(skimp_data *data, void **block, uint64_t rows, uint64_t columns, skimp_dtype dtype,
                               array_layout layout, number_fn *number)
{
    const int64_t item = (int64_t)skimp_dtype_bytes(dtype), n_rows = (int64_t)rows, n_columns = (int64_t)columns;
    const bool fortran = layout == LAYOUT_FORTRAN || layout == LAYOUT_FORTRAN_BACKWARDS;
    int64_t row_stride = fortran ? item : item * n_columns, column_stride = fortran ? item * n_rows : item, start = 0;
    size_t bytes = (size_t)(item * n_rows * n_columns);
    if (layout == LAYOUT_PADDED) {
        row_stride += 3;
        start = 1;
        bytes = (size_t)(start + row_stride * (n_rows - 1) + item * n_columns);
    } else if (layout == LAYOUT_SLICED) {
        row_stride *= 2;
        column_stride *= 2;
        bytes = (size_t)(row_stride * (n_rows - 1) + column_stride * (n_columns - 1) + item);
    } else if (layout == LAYOUT_BACKWARDS || layout == LAYOUT_FORTRAN_BACKWARDS) {
        start = (n_rows - 1) * row_stride + (n_columns - 1) * column_stride;
        row_stride = -row_stride;
        column_stride = -column_stride;
    }
    char *values = must_allocate(bytes);
    *block = values;
    for (int64_t r = 0; r < n_rows; r++) {
        for (int64_t c = 0; c < n_columns; c++) {
            put_number(values + start + r * row_stride + c * column_stride, dtype,
                       number((uint64_t)r, (uint64_t)c, dtype));
        }
    }
    *data = (skimp_data)SKIMP_DATA_INIT;
    data->n_rows = rows;
    data->n_columns = columns;
    data->dtype = dtype;
    data->values = values + start;
    data->row_stride = row_stride;
    data->column_stride = column_stride;
}

/* A column of its own. */
static inline skimp_data_column make_column(void **block, uint64_t rows, uint64_t column, skimp_dtype dtype,
                                            number_fn *number)
{
    const size_t item = skimp_dtype_bytes(dtype);
    char *values = must_allocate(rows * item);
    for (uint64_t r = 0; r < rows; r++) {
        put_number(values + r * item, dtype, number(r, column, dtype));
    }
    *block = values;
    return (skimp_data_column){ .dtype = dtype, .values = values, .stride = (int64_t)item };
}

/* ---- sparse --------------------------------------------------------------------------------------------------------- */

/* What is at a place: about a fifth of the places hold something; row 5 is full, row 6 empty. */
static inline double sparse_number(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    const uint64_t hash = skimpi_mix64(row * 77773 + column * 31 + 5);
    if (row == 6 || (row != 5 && hash % 5 != 0)) {
        return 0;
    }
    const double value = array_number(row, column, dtype);
    return value == 0 ? 1 : value;
}

typedef struct sparse_variant {
    bool by_column, wide_indptr, wide_indices, ones;
    bool unordered;  /* entries of a row from the last to the first */
    bool repeated;   /* each entry in two, one after all the others, with parts that are exact */
    uint64_t before; /* entries that belong to no row: indptr[0] */
    skimp_dtype dtype;
} sparse_variant;

typedef struct sparse_blocks {
    void *indptr, *indices, *values;
} sparse_blocks;

static inline void free_sparse(sparse_blocks *blocks)
{
    free(blocks->indptr);
    free(blocks->indices);
    free(blocks->values);
}

static inline void put_offset(void *offsets, bool wide, uint64_t i, int64_t value)
{
    const int32_t narrow = (int32_t)value;
    if (wide) {
        memcpy((char *)offsets + i * sizeof value, &value, sizeof value);
    } else {
        memcpy((char *)offsets + i * sizeof narrow, &narrow, sizeof narrow);
    }
}

static inline void make_sparse(skimp_data *data, sparse_blocks *blocks, uint64_t rows, uint64_t columns,
                               const sparse_variant *v, number_fn *number)
{
    const uint64_t outer = v->by_column ? columns : rows, inner = v->by_column ? rows : columns;
    uint64_t nonzeros = v->before;
    for (uint64_t i = 0; i < rows * columns; i++) {
        nonzeros += (number(i / columns, i % columns, v->dtype) != 0) * (v->repeated ? 2 : 1);
    }
    const size_t item = skimp_dtype_bytes(v->dtype);
    blocks->indptr = must_allocate((outer + 1) * (v->wide_indptr ? 8 : 4));
    blocks->indices = must_allocate(nonzeros * (v->wide_indices ? 8 : 4));
    blocks->values = v->ones ? NULL : must_allocate(nonzeros * item);
    uint64_t at = v->before;
    put_offset(blocks->indptr, v->wide_indptr, 0, (int64_t)at);
    for (uint64_t i = 0; i < outer; i++) {
        for (int half = 0; half < 1 + v->repeated; half++) {
            for (uint64_t k = 0; k < inner; k++) {
                const uint64_t j = v->unordered ? inner - 1 - k : k;
                const double value = v->by_column ? number(j, i, v->dtype) : number(i, j, v->dtype);
                if (value == 0) {
                    continue;
                }
                put_offset(blocks->indices, v->wide_indices, at, (int64_t)j);
                if (!v->ones) {
                    const bool is_float = v->dtype >= SKIMP_DTYPE_F16;
                    const double part = is_float ? value / 2 : half == 0 ? value - 1 : 1;
                    put_number((char *)blocks->values + at * item, v->dtype, v->repeated ? part : value);
                }
                at++;
            }
        }
        put_offset(blocks->indptr, v->wide_indptr, i + 1, (int64_t)at);
    }
    assert_int_equal(at, nonzeros);
    *data = (skimp_data)SKIMP_DATA_INIT;
    data->kind = v->by_column ? SKIMP_DATA_CSC : SKIMP_DATA_CSR;
    data->n_rows = rows;
    data->n_columns = columns;
    data->nonzeros = nonzeros;
    data->dtype = v->ones ? SKIMP_DTYPE_NONE : v->dtype;
    data->values = blocks->values;
    data->indptr = blocks->indptr;
    data->indptr_dtype = v->wide_indptr ? SKIMP_DTYPE_I64 : SKIMP_DTYPE_I32;
    data->indices = blocks->indices;
    data->indices_dtype = v->wide_indices ? SKIMP_DTYPE_I64 : SKIMP_DTYPE_I32;
}

#endif
