/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrays of the caller (include/skimp/data.h) as chunks: a store of place CALLER whose chunks are ranges of rows, and a
 * reader for what goes through an ingest.
 *
 *   arrays.c          the description checked, the schema, where each column lies
 *   arrays_target.c   what is looked at before the data is: categories that occur, distinct targets
 *   arrays_gather.c   values of any type and stride as floats, doubles and codes; blocked transposition
 *   arrays_csr.c      chunks of CSR: where they begin, rows checked and made distinct
 *   arrays_store.c    the store: chunks for decoders, the summary
 *   reader_arrays.c   the reader; CSC, by a cursor for each column
 *   batches.c         batches: one after the other takes the arrays' place, and must be like the first
 *   reader_batches.c  their reader, and what the first batch says of the others
 *   source.c          batches read anew for each pass
 *
 * Of batches the arrays are, at any time, the batch that was fetched last.
 *
 * The arrays are trusted to stay as they are while a job runs, and to be as long as they were said to be; what they hold
 * is not trusted.  Whatever is used as a place (indptr, indices, codes) is checked whenever it is read.
 */
#ifndef SKIMPI_ARRAYS_H
#define SKIMPI_ARRAYS_H

#include "data/ingest.h"
#include "skimp/data.h"

typedef struct skimpi_arrays skimpi_arrays;

/*
 * Checks what can be checked without looking at values (PARAM), and makes the schema, roles not yet assigned.  A table's
 * schema has the data's columns and after them the target and the weight, where there are any.  `data`, and all it points
 * to, must outlive the arrays.
 */
SKIMP_CHECKED skimp_status skimpi_arrays_create(skimpi_arrays **out, skimp_budget *budget, const skimp_data *data,
                                                skimpi_schema **schema, skimp_error *error);
void skimpi_arrays_destroy(skimpi_arrays *arrays);

uint32_t skimpi_arrays_columns(const skimpi_arrays *arrays); /* of a table, target and weight not counted; sparse: 0 */
bool skimpi_arrays_has_target(const skimpi_arrays *arrays);
uint64_t skimpi_arrays_bytes(const skimpi_arrays *arrays); /* that the caller holds, of values, indices and indptr */
uint64_t skimpi_arrays_map_bytes(
    const skimpi_arrays *arrays); /* bound, under "categories": what bind adds to dictionaries */
bool skimpi_arrays_in_order(const skimpi_arrays *arrays); /* CSC: rows can only be read one after the other */
bool skimpi_arrays_are_batches(const skimpi_arrays *arrays);

/*
 * skimpi_schema_assign for these arrays.  The target and the weight that came with them have their roles where they are
 * wanted: then roles->target and roles->weight are NULL, or name just these (the target may be compared: "target>15").
 */
SKIMP_CHECKED skimp_status skimpi_arrays_assign(skimpi_arrays *arrays, const skimpi_roles *roles, bool with_target,
                                                bool with_weight, skimp_error *error);

/*
 * Once the roles are assigned: where the columns of each slot lie; and, unless the dictionaries are `fixed` (they hold a
 * model's categories), the categories that occur entered into them.
 */
SKIMP_CHECKED skimp_status skimpi_arrays_bind(skimpi_arrays *arrays, bool fixed, skimp_error *error);

/*
 * The arrays, bound, as a store.  Its summary has the distinct targets, where `with_classes`, and the missing categories;
 * what it says of values comes with skimpi_arrays_scan.  Memory: skimpi_store_bytes; while targets are counted
 * SKIMPI_TARGET_SET_BYTES at most.  The arrays must outlive it.
 */
SKIMP_CHECKED skimp_status skimpi_arrays_store(skimpi_store **out, skimpi_arrays *arrays, bool with_classes,
                                               skimp_error *error);

/*
 * Looks at every value, by all workers: completes the summary, of arrays or of the rows that were selected of a kept store.
 * Memory: a decoder for each worker, while it runs.
 */
typedef struct skimpi_arrays_scan_options {
    skimpi_pool *pool;
    bool with_hash;                                                 /* summary.data_hash is wanted */
    const _Atomic int *cancel;                                      /* may be NULL; non-zero: CANCELLED */
    void (*progress)(void *context, uint64_t bytes, uint64_t rows); /* may be NULL */
    void *context;
} skimpi_arrays_scan_options;
SKIMP_CHECKED skimp_status skimpi_arrays_scan(skimpi_store *store, const skimpi_arrays_scan_options *options,
                                              skimp_error *error);

/* The reader, and what a sample would say, exactly.  The arrays must be bound before a unit is read, and outlive it. */
extern const skimpi_reader_class skimpi_reader_arrays;
SKIMP_CHECKED skimp_status skimpi_arrays_reader(skimpi_reader **out, skimpi_arrays *arrays,
                                                const skimpi_reader_options *options, skimpi_sample *sample,
                                                skimp_error *error);
/* The same of batches, by the first of them. */
extern const skimpi_reader_class skimpi_reader_batches;
SKIMP_CHECKED skimp_status skimpi_batches_reader(skimpi_reader **out, skimpi_arrays *arrays,
                                                 const skimpi_reader_options *options, skimpi_sample *sample,
                                                 skimp_error *error);
/*
 * For passes after the first over batches that can begin again.  take: the unit that comes next, one caller at a time,
 * into `raw`, which was cleared (then read_unit makes the rest of it); or skipped; n_rows 0: there is none.
 */
SKIMP_CHECKED skimp_status skimpi_batches_again(skimpi_reader *reader, const skimpi_schema *schema, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_batches_take(skimpi_reader *reader, const skimpi_schema *schema, skimpi_raw *raw,
                                               bool skip, uint32_t *n_rows, skimp_error *error);
/* Of sparse batches, the most that a unit of those that were read has had, where an index that repeats counts each time. */
uint64_t skimpi_batches_nonzeros(const skimpi_reader *reader);
/* Can they begin again, and shall they for each pass? */
bool skimpi_batches_each_pass(const skimpi_arrays *arrays);
/* Is a batch being asked for now?  *n: how many there have been.  NULL, and other arrays: no. */
bool skimpi_batches_are_awaited(const skimpi_arrays *arrays, uint64_t *n);
/* Does this thread run code of the caller that was asked for a batch? */
bool skimpi_batches_within_caller(void);
/* Asking for further batches ends once this is not 0; NULL: never. */
void skimpi_batches_watch(skimpi_arrays *arrays, const volatile int *cancel);
/* Bound: are they one matrix of floats or doubles whose rows lie in one piece each, and nothing else? */
bool skimpi_arrays_has_rows(const skimpi_arrays *arrays);
/* Bound, and the sample settled: how many distinct targets there are (about, where there are many), by looking at all that is there. */
SKIMP_CHECKED skimp_status skimpi_arrays_survey(const skimpi_arrays *arrays, skimpi_sample *sample, skimp_error *error);

#endif
