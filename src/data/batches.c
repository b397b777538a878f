/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches: data that its owner gives piece by piece (include/skimp/data.h).  One after the other takes the place of the
 * arrays; each must have the columns that the first had.
 */
#include <inttypes.h>
#include <string.h>

#include "data/arrays_internal.h"
#include "data/dictionary.h"

/* Of the names that a batch gives its columns; 0: it gives none. */
static uint64_t hash_names(const skimp_data *data)
{
    uint64_t hash = 0;
    for (uint64_t c = 0; c < data->n_columns; c++) {
        const char *name = data->kind == SKIMP_DATA_COLUMNS ? data->columns[c].name
                           : data->names != NULL            ? data->names[c]
                                                            : NULL;
        hash = name == NULL ? hash : skimpi_mix64(hash + c + skimpi_dictionary_hash(name, strlen(name)));
    }
    return hash;
}

static skimp_status other_type(uint64_t first_row, const char *name, bool is_text, skimp_error *error)
{
    return skimpi_arrays_fail(error, first_row, name,
                              "the batch that begins with row %" PRIu64 " has %s in column '%.100s', where the first "
                              "batch has %s",
                              first_row, is_text ? "text" : "numbers", name, is_text ? "numbers" : "text");
}

/* Has the batch the first one's columns? Those that are not used may be of another type. */
static skimp_status check_alike(const skimpi_arrays *arrays, skimp_error *error)
{
    const skimp_data *data = arrays->data;
    const skimpi_schema *schema = arrays->schema;
    const uint64_t row = arrays->rows_before, hash = data->kind == SKIMP_DATA_CSR ? 0 : hash_names(data);
    const bool is_sparse = data->kind == SKIMP_DATA_CSR;
    const uint64_t n_columns = is_sparse ? arrays->n_sparse : arrays->n_columns;
    if (is_sparse != schema->sparse || data->n_columns != n_columns) {
        return skimpi_arrays_fail(error, row, NULL,
                                  "the batch that begins with row %" PRIu64 " is %s of %" PRIu64 " columns, the first "
                                  "one is %s of %" PRIu64,
                                  row, is_sparse ? "sparse" : "a table", data->n_columns,
                                  schema->sparse ? "sparse" : "a table", n_columns);
    }
    if ((data->target.values != NULL) != arrays->has_target || (data->weight.values != NULL) != arrays->has_weight) {
        const bool is_target = (data->target.values != NULL) != arrays->has_target;
        return skimpi_arrays_fail(error, row, NULL,
                                  "of the batch that begins with row %" PRIu64 " and the first one, only one has a %s",
                                  row, is_target ? "target" : "weight");
    }
    if (hash != 0 && arrays->names_hash != 0 && hash != arrays->names_hash) {
        return skimpi_arrays_fail(
            error, row, NULL, "the batch that begins with row %" PRIu64 " has other column names than the first", row);
    }
    if (is_sparse) {
        const bool is_text = skimpi_is_category(&data->target);
        return schema->target >= 0 && is_text != arrays->target_is_text ? other_type(row, "target", is_text, error)
                                                                        : SKIMP_OK;
    }
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimp_data_column column = skimpi_arrays_column(arrays, c);
        const skimpi_column *like = &schema->columns[c];
        if (like->role != SKIMPI_ROLE_DROPPED && skimpi_is_category(&column) != (like->type == SKIMPI_TYPE_CATEGORY)) {
            return other_type(row, like->name, skimpi_is_category(&column), error);
        }
    }
    return SKIMP_OK;
}

bool skimpi_batches_each_pass(const skimpi_arrays *arrays)
{
    return arrays->source != NULL && arrays->source->each_pass && arrays->source->rewind != NULL;
}

void skimpi_batches_watch(skimpi_arrays *arrays, const volatile int *cancel)
{
    arrays->cancel = cancel;
}

void skimpi_batches_allow_any(skimpi_arrays *arrays)
{
    arrays->chunk_rows = SKIMPI_ARRAYS_CHUNK_SPAN / SKIMPI_ARRAYS_ROW_SPAN + 1;
    arrays->chunk_nonzeros = arrays->nonzeros;
}

/* ---- code of the caller ---------------------------------------------------------------------------------------------- */

static _Thread_local unsigned within_caller;

static void begin_caller(skimpi_arrays *arrays)
{
    within_caller++;
    atomic_store(&arrays->awaited, 1);
}

static void end_caller(skimpi_arrays *arrays)
{
    atomic_store(&arrays->awaited, 0);
    atomic_fetch_add(&arrays->n_batches, 1);
    within_caller--;
}

bool skimpi_batches_are_awaited(const skimpi_arrays *arrays, uint64_t *n)
{
    *n = arrays != NULL ? atomic_load(&arrays->n_batches) : 0;
    return arrays != NULL && atomic_load(&arrays->awaited) != 0;
}

bool skimpi_batches_within_caller(void)
{
    return within_caller > 0;
}

skimp_status skimpi_batches_rewind(skimpi_arrays *arrays, skimp_error *error)
{
    const skimp_data *source = arrays->source;
    arrays->rows_before = 0;
    arrays->batch = (skimp_data)SKIMP_DATA_INIT;
    begin_caller(arrays);
    const skimp_status status = source->rewind(source->context, error);
    end_caller(arrays);
    return status;
}

skimp_status skimpi_batches_next(skimpi_arrays *arrays, bool *end, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_data *source = arrays->source;
    const bool is_first = arrays->schema == NULL;
    arrays->rows_before += arrays->batch.n_rows;
    arrays->batch = (skimp_data)SKIMP_DATA_INIT;
    *end = false;
    if (arrays->cancel != NULL && *arrays->cancel != 0) { /* of small batches, many make a unit */
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_CANCELLED, "interrupted"));
    }
    begin_caller(arrays);
    status = source->next(source->context, &arrays->batch, end, error);
    end_caller(arrays);
    SKIMPI_TRY(status);
    if (*end) {
        arrays->batch = (skimp_data)SKIMP_DATA_INIT;
        return SKIMP_OK;
    }
    if (arrays->batch.kind == SKIMP_DATA_CSC || arrays->batch.kind == SKIMP_DATA_BATCHES) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "a batch is a matrix, columns or CSR"));
    }
    SKIMPI_TRY(skimpi_arrays_check(&arrays->batch, error));
    if (is_first) {
        arrays->names_hash = arrays->batch.kind == SKIMP_DATA_CSR ? 0 : hash_names(&arrays->batch);
        arrays->n_sparse = arrays->batch.n_columns;
        arrays->target_is_text = skimpi_is_category(&arrays->batch.target);
        return SKIMP_OK; /* create goes on with it */
    }
    SKIMPI_TRY(check_alike(arrays, error));
    if (arrays->schema->sparse) {
        SKIMPI_TRY(skimpi_csr_measure(arrays, error));
        skimpi_batches_allow_any(arrays);
    }
out:
    return status;
}
