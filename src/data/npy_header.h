/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The header of an NPY file (versions 1 to 3 of NumPy's format): what the array is, from bytes that nobody vouches for.
 */
#ifndef SKIMPI_NPY_HEADER_H
#define SKIMPI_NPY_HEADER_H

#include "base/base.h"

typedef enum skimpi_npy_type {
    SKIMPI_NPY_F32,
    SKIMPI_NPY_F64,
    SKIMPI_NPY_I8,
    SKIMPI_NPY_I16,
    SKIMPI_NPY_I32,
    SKIMPI_NPY_I64,
    SKIMPI_NPY_U8,
    SKIMPI_NPY_U16,
    SKIMPI_NPY_U32,
    SKIMPI_NPY_U64
} skimpi_npy_type;

typedef struct skimpi_npy_header {
    skimpi_npy_type type; /* bool is U8 */
    unsigned item_bytes;
    bool swapped; /* the other byte order than the machine's */
    bool fortran; /* column by column */
    uint64_t n_rows;
    uint64_t n_columns;  /* 1 for one dimension */
    uint64_t data_start; /* offset of the first value */
    uint64_t data_bytes;
} skimpi_npy_header;

#define SKIMPI_NPY_PREFIX 12u /* bytes that give the length of the header */
#define SKIMPI_NPY_HEADER_LIMIT (64u << 10)

/* The bytes to look at for the header, from the first SKIMPI_NPY_PREFIX ones. DATA when it is no NPY file. */
SKIMP_CHECKED skimp_status skimpi_npy_header_bytes(const char *bytes, size_t n, const char *file, size_t *wanted,
                                                   skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_npy_header_read(const char *bytes, size_t n, const char *file, skimpi_npy_header *out,
                                                  skimp_error *error);

#endif
