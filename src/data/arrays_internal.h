/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of the caller's arrays, shared by the files that arrays.h lists.
 */
#ifndef SKIMPI_ARRAYS_INTERNAL_H
#define SKIMPI_ARRAYS_INTERNAL_H

#include "data/arrays.h"
#include "data/store_internal.h"

/* A chunk of a table: so many values, as of an NPY file, so that sums over chunks agree with its. */
#define SKIMPI_ARRAYS_CHUNK_VALUES 32768u
#define SKIMPI_ARRAYS_CHUNK_ROWS_LEAST 16u

/*
 * Row r of CSR stands at indptr[r] + 4 r, and a chunk is the rows that stand within the same 32768: a function of indptr
 * alone, found by bisection.  One that a longer row covers wholly has no rows.
 */
#define SKIMPI_ARRAYS_CHUNK_SPAN 32768u
#define SKIMPI_ARRAYS_ROW_SPAN 4u

/* Rows that are gathered at once where a block of rows is looked at column by column. */
#define SKIMPI_ARRAYS_BLOCK_ROWS 128u

typedef enum skimpi_gathering {
    SKIMPI_GATHER_WHOLE,  /* column by column: each lies in one piece */
    SKIMPI_GATHER_BLOCKS, /* a block of rows at a time: columns share cache lines */
    SKIMPI_GATHER_TILES   /* the same, and the columns are neighbours: transposed in registers */
} skimpi_gathering;

/* Numeric slots slot … slot + n - 1, at constant distances. */
typedef struct skimpi_array_run {
    uint32_t slot, n;
    skimp_data_column first;
    uint64_t column_stride; /* modulo 2^64 */
    skimpi_gathering how;
} skimpi_array_run;

/* A column of categories: the dictionary's code (or hash) of each, SKIMPI_CODE_UNKNOWN: none. */
typedef struct skimpi_array_codes {
    skimp_data_column column;
    uint32_t *map; /* n_categories */
    uint64_t missing;
} skimpi_array_codes;

/* What is known of CSR's rows. */
enum { SKIMPI_ROWS_UNORDERED = 1, SKIMPI_ROWS_REPEAT = 2 };

struct skimpi_arrays {
    skimp_budget *budget;
    const skimp_data *data;
    skimpi_schema *schema; /* its maker's */
    /* batches */
    const skimp_data *source;   /* where they come from; NULL: all of the data is there */
    skimp_data batch;           /* the one that is there now: `data` points to it */
    uint64_t rows_before;       /* of the batches before it */
    uint64_t names_hash;        /* of its columns, where they have names; 0: they have none */
    uint64_t n_sparse;          /* columns, of sparse data */
    const volatile int *cancel; /* the caller's wish to stop, or NULL */
    _Atomic int awaited;        /* a batch is being asked for */
    _Atomic uint64_t n_batches; /* that were asked for */
    bool target_is_text;        /* of sparse data */
    bool has_target, has_weight;
    uint32_t n_columns; /* of a table, its own */

    /* chunks */
    uint32_t chunk_rows;     /* of the largest */
    uint64_t chunk_nonzeros; /* of the largest */
    uint64_t n_chunks;
    uint64_t span;                    /* CSC: rows of a chunk */
    uint64_t first_nonzero, nonzeros; /* CSR, CSC: indptr[0], and what lies between it and the last */
    _Atomic int row_order;            /* CSR: flags, complete once the arrays were scanned */

    /* bound */
    skimpi_array_run *runs;
    uint32_t n_runs, most_runs; /* most: entries that there are */
    skimpi_array_codes *codes;  /* per category slot */
    uint32_t n_codes;
    skimp_data_column target, weight; /* with the role; values NULL: none */
    double *target_map;               /* categories: the value of each */
};

/* What a sample of the data would say, column by column (sparse: one entry); all under "input". */
typedef struct skimpi_arrays_survey_columns {
    uint32_t n_columns;
    double *numeric_bytes, *category_bytes;
    uint32_t *distinct, *categories;
    skimpi_decoded_size *decoded;
} skimpi_arrays_survey_columns;

/* ---- arrays.c ---- */

/* What can be checked without looking at values: PARAM. */
skimp_status skimpi_arrays_check(const skimp_data *data, skimp_error *error);
/* Where the columns of each slot lie in the batch that is there now; for the first one, once the roles are assigned, bind does it. */
void skimpi_arrays_rebind(skimpi_arrays *arrays);
/* Column c of a table's schema. */
skimp_data_column skimpi_arrays_column(const skimpi_arrays *arrays, uint32_t c);
/* What a decoder's chunks take. */
skimpi_area skimpi_arrays_area(const skimpi_arrays *arrays);
/* The rows of a chunk. */
void skimpi_arrays_chunk(const skimpi_arrays *arrays, uint64_t index, uint64_t *first, uint32_t *n);
/* A column of n values of `width` bytes in a decoder: neighbours do not begin at the same set of the cache. */
static inline uint64_t skimpi_arrays_column_bytes(uint64_t n, uint64_t width)
{
    const uint64_t bytes = skimpi_column_bytes(n, width);
    return bytes < 2048 ? bytes : bytes | SKIMPI_CHUNK_ALIGN;
}

static inline bool skimpi_arrays_is_sparse(const skimpi_arrays *arrays)
{
    return arrays->data->kind == SKIMP_DATA_CSR || arrays->data->kind == SKIMP_DATA_CSC;
}

static inline bool skimpi_is_category(const skimp_data_column *column)
{
    return column->offsets != NULL;
}

/* DATA about a row, counted from 0, which the message must name itself; column: NULL, or its name. */
skimp_status skimpi_arrays_fail(skimp_error *error, uint64_t row, const char *column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- arrays_gather.c ---- */

/* Values of this type are all floats. */
bool skimpi_gathers_to_float(skimp_dtype dtype);
/* Rows first … first + n - 1 of a column; missing ones are NaN. Codes are numbers here. */
void skimpi_gather_f32(const skimp_data_column *column, uint64_t first, uint32_t n, float *out);
void skimpi_gather_f64(const skimp_data_column *column, uint64_t first, uint32_t n, double *out);
/* Codes: SKIMPI_CODE_MISSING where missing or negative; SKIMPI_CODE_UNKNOWN where not below n_categories: *bad then is the first such row. */
void skimpi_gather_codes(const skimp_data_column *column, uint64_t first, uint32_t n, uint32_t *out, uint64_t *bad);
/* n_rows × n_columns values that are neighbours in a row, to columns `stride` values apart. */
void skimpi_gather_tiles_f32(const uint8_t *values, int64_t row_stride, uint32_t n_rows, uint32_t n_columns, float *out,
                             size_t stride);
void skimpi_gather_tiles_f64(const uint8_t *values, int64_t row_stride, uint32_t n_rows, uint32_t n_columns,
                             double *out, size_t stride);
/* Values as they lie in a row, of a type: a column without strides. */
static inline skimp_data_column skimpi_plain_column(skimp_dtype dtype, const void *values)
{
    return (skimp_data_column){ .dtype = dtype, .values = values, .stride = (int64_t)skimp_dtype_bytes(dtype) };
}

/* ---- reader_arrays.c ---- */

skimp_status skimpi_arrays_survey_begin(skimpi_arrays_survey_columns *columns, const skimpi_arrays *arrays,
                                        skimp_error *error);
void skimpi_arrays_survey_end(skimpi_arrays_survey_columns *columns, skimp_budget *budget);
/* Numbers of rows first … first + n - 1 of the arrays, to rows `to` … of raw. */
void skimpi_arrays_raw_numbers(const skimpi_arrays *arrays, uint64_t first, uint32_t n, skimpi_raw *raw, uint32_t to);
/* The same of CSR: appended to raw, which has `to` rows. */
skimp_status skimpi_arrays_raw_csr(const skimpi_arrays *arrays, uint64_t first, uint32_t n, skimpi_raw *raw,
                                   uint32_t to, skimp_error *error);
/* Of sparse rows, the values of an index that repeats are added up. */
void skimpi_arrays_raw_distinct(skimpi_raw *raw);
/* Leaves out the rows in which something is missing that may not be. */
void skimpi_arrays_drop_missing(const skimpi_reader_options *options, const skimpi_schema *schema, skimpi_raw *raw);

/* ---- batches.c ---- */

/* Fetches the next batch, in place of the one that was there. *end: there is none, and no more will be asked for. */
skimp_status skimpi_batches_next(skimpi_arrays *arrays, bool *end, skimp_error *error);
/* Begins again: the next batch is the first. */
skimp_status skimpi_batches_rewind(skimpi_arrays *arrays, skimp_error *error);
/* Of CSR: how large chunks are follows from all batches, not from this one, so any may be read from it. */
void skimpi_batches_allow_any(skimpi_arrays *arrays);

/* ---- arrays_target.c ---- */

const char *skimpi_category_text(const skimp_data_column *column, uint64_t k, size_t *length);
/* DATA: `row` of the arrays has a code that is no category. */
skimp_status skimpi_arrays_bad_code(const skimpi_arrays *arrays, const skimp_data_column *column, uint64_t row,
                                    const char *name, skimp_error *error);
skimp_status skimpi_arrays_enter_categories(skimpi_arrays *arrays, bool fixed, skimp_error *error);
skimp_status skimpi_arrays_count_targets(skimpi_arrays *arrays, skimpi_target_set *set, skimp_error *error);
/* The targets of some rows: numbers, compared where there is a comparison; codes of the dictionary. NaN: missing. */
skimp_status skimpi_arrays_read_target(const skimpi_arrays *arrays, uint64_t first, uint32_t n, double *out,
                                       skimp_error *error);
/* The codes of some rows, by the dictionary; then by rank, where there is one. */
skimp_status skimpi_arrays_read_codes(const skimpi_arrays *arrays, uint32_t slot, uint64_t first, uint32_t n,
                                      const uint32_t *rank, uint32_t *out, skimp_error *error);

/* ---- arrays_csr.c ---- */

/* DATA: indptr or indices are not what they were when the job was made. */
skimp_status skimpi_arrays_changed(skimp_error *error);

/* Checks indptr (PARAM, DATA) and finds the sizes of chunks. */
skimp_status skimpi_csr_measure(skimpi_arrays *arrays, skimp_error *error);
uint64_t skimpi_csr_first_row(const skimpi_arrays *arrays, uint64_t chunk);
/*
 * Rows first … first + n - 1: where each ends, counted from the first's begin, which is entry *begin of the arrays.
 * DATA: indptr is not what it was.
 */
skimp_status skimpi_csr_read_rows(const skimpi_arrays *arrays, uint64_t first, uint32_t n, uint32_t *row_end,
                                  uint64_t *begin, skimp_error *error);
/* Indices begin … begin + n - 1, all of them checked: out32 or out64 (may be NULL both: they are only checked). */
skimp_status skimpi_csr_read_indices(const skimpi_arrays *arrays, uint64_t begin, uint64_t n, uint32_t *out32,
                                     uint64_t *out64, skimp_error *error);
/*
 * Makes rows ascending and distinct, adding up the values of an index that repeats: row ends move up.  Of csr, the
 * indices and values count.
 */
void skimpi_csr_make_distinct(skimpi_csr_block *csr, uint32_t n_rows, uint32_t *row_end);
/* SKIMPI_ROWS_ flags. Spoils the order of the indices. */
int skimpi_csr_order(const skimpi_csr_block *csr, uint32_t n_rows, const uint32_t *row_end);
/* CSC: the rows of a chunk, for which each column's cursor stands; they move on.  out: indices, f64; room for chunk_nonzeros. */
skimp_status skimpi_csc_read_rows(const skimpi_arrays *arrays, uint64_t first, uint32_t n, uint64_t *cursors,
                                  skimpi_csr_block *out, uint32_t *row_end, skimp_error *error);
void skimpi_csc_begin(const skimpi_arrays *arrays, uint64_t *cursors);

#endif
