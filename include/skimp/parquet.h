/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers of a Parquet file.  Its footer is the caller's to read (pyarrow does): what it says of where the chunks of columns
 * lie is given here, and some rows at a time of all of them come back, in the caller's arrays.
 *
 *     skimp_parquet *reader;
 *     skimp_parquet_open(&reader, budget, "train.parquet", 2, &error);
 *     for each row group
 *         skimp_parquet_group(reader, columns, &error)
 *         while there are rows
 *             skimp_parquet_read(reader, n, arrays, validity, n_missing, &error)
 *     skimp_parquet_close(reader);
 *
 * What it reads: columns that are not nested, of 32- and 64-bit integers and floats, plain or with a dictionary, not
 * compressed or with Snappy or Zstandard, pages of either version.  Others are refused (DATA) or not to be given.
 *
 * Memory, under "input": for each column its largest page and its largest dictionary, and once the largest page as it
 * stands in the file.  No page may be larger than its chunk, by the footer.  Everything read is held to be hostile.
 *
 * Threads: one at a time for each reader; readers of one file do not know of each other.
 */
#ifndef SKIMP_PARQUET_H
#define SKIMP_PARQUET_H

#include <stdbool.h>
#include <stdint.h>

#include "skimp/budget.h"
#include "skimp/data.h"
#include "skimp/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum skimp_parquet_codec { SKIMP_PARQUET_PLAIN, SKIMP_PARQUET_SNAPPY, SKIMP_PARQUET_ZSTD } skimp_parquet_codec;

/* A column of a row group. */
typedef struct skimp_parquet_column {
    const char *name;          /* for messages; must live until the next group */
    uint64_t offset;           /* of its first page, that of the dictionary where there is one */
    uint64_t bytes;            /* in the file, headers of pages included */
    uint64_t text_bytes;       /* the same, decompressed: no page is larger */
    skimp_dtype dtype;         /* I32, I64, F32 or F64 */
    skimp_parquet_codec codec; /* of its pages */
    bool may_miss;             /* optional: each value has a level, which says if it is there */
} skimp_parquet_column;

typedef struct skimp_parquet skimp_parquet;

/* Opens a file, of which n_columns columns (1 … 2^20) are to be read. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_parquet_open(skimp_parquet **out, skimp_budget *budget, const char *path,
                                                        uint32_t n_columns, skimp_error *error);
/* Goes on with a row group: n_columns of them. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_parquet_group(skimp_parquet *reader, const skimp_parquet_column *columns,
                                                         skimp_error *error);
/*
 * The next n_rows of each column, to values[c].  Where some are missing, n_missing[c] is how many, their values are 0, and
 * validity[c] has a bit for each row, least significant first, 0 where it is missing; else it is left as it was.
 * validity[c] may be NULL where the column has no missing values by its schema.  DATA: the file is damaged, or has fewer.
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_parquet_read(skimp_parquet *reader, uint32_t n_rows, void *const *values,
                                                        uint8_t *const *validity, uint32_t *n_missing,
                                                        skimp_error *error);
SKIMP_API void skimp_parquet_close(skimp_parquet *reader); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
