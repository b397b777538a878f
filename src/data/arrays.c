/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrays of the caller: the description checked, the schema, the roles, and where the columns of each slot lie.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "data/arrays_internal.h"
#include "data/dictionary.h"

#define COLUMNS_MOST (UINT32_MAX - 4)
#define SPARSE_COLUMNS_MOST ((uint64_t)1 << 44)
#define EXTENT_MOST ((uint64_t)INT64_MAX / 2)
#define TILE_COLUMNS_LEAST 4u
#define NAME_BYTES 160u

skimp_status skimpi_arrays_fail(skimp_error *error, uint64_t row, const char *column, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const bool is_first = error != NULL && error->code == SKIMP_OK;
    const skimp_status status = skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, column, "%s", text);
    if (is_first) {
        error->row = row + 1;
    }
    return status;
}

size_t skimp_dtype_bytes(skimp_dtype dtype)
{
    static const uint8_t bytes[] = {
        [SKIMP_DTYPE_BOOL] = 1, [SKIMP_DTYPE_I8] = 1,  [SKIMP_DTYPE_I16] = 2, [SKIMP_DTYPE_I32] = 4,
        [SKIMP_DTYPE_I64] = 8,  [SKIMP_DTYPE_U8] = 1,  [SKIMP_DTYPE_U16] = 2, [SKIMP_DTYPE_U32] = 4,
        [SKIMP_DTYPE_U64] = 8,  [SKIMP_DTYPE_F16] = 2, [SKIMP_DTYPE_F32] = 4, [SKIMP_DTYPE_F64] = 8,
    };
    return (unsigned)dtype < sizeof bytes ? bytes[dtype] : 0;
}

/* ---- what the description says ------------------------------------------------------------------------------------ */

/* The addresses from the lowest to the highest byte of n × m values: none may lie outside what can be addressed. */
static skimp_status check_extent(const void *values, uint64_t n, int64_t stride, uint64_t m, int64_t other_stride,
                                 size_t item, const char *what, skimp_error *error)
{
    const int64_t strides[2] = { stride, other_stride };
    const uint64_t counts[2] = { n, m };
    uint64_t below = 0, above = item;
    for (int i = 0; i < 2; i++) {
        const uint64_t step = strides[i] < 0 ? -(uint64_t)strides[i] : (uint64_t)strides[i];
        const uint64_t bytes = skimpi_mul_sat(counts[i] - 1, step);
        below = strides[i] < 0 ? skimpi_add_sat(below, bytes) : below;
        above = strides[i] < 0 ? above : skimpi_add_sat(above, bytes);
    }
    if (above > EXTENT_MOST || below > (uintptr_t)values || above > UINTPTR_MAX - (uintptr_t)values) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: its rows and strides reach beyond all memory", what);
    }
    return SKIMP_OK;
}

static bool is_integer(skimp_dtype dtype)
{
    return dtype >= SKIMP_DTYPE_BOOL && dtype <= SKIMP_DTYPE_U64;
}

static bool is_offset(skimp_dtype dtype)
{
    return dtype == SKIMP_DTYPE_I32 || dtype == SKIMP_DTYPE_I64;
}

static int64_t offset_at(const void *offsets, skimp_dtype dtype, uint64_t i)
{
    int32_t narrow;
    int64_t wide;
    if (dtype == SKIMP_DTYPE_I32) {
        memcpy(&narrow, (const char *)offsets + i * sizeof narrow, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, (const char *)offsets + i * sizeof wide, sizeof wide);
    return wide;
}

static skimp_status check_categories(const skimp_data_column *column, const char *what, skimp_error *error)
{
    if (!is_integer(column->dtype)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: codes of categories are integers", what);
    }
    if (!is_offset(column->offsets_dtype)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: offsets of categories are I32 or I64", what);
    }
    if (column->n_categories > SKIMPI_MAX_CATEGORIES) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: %" PRIu64 " categories; there can be %u", what,
                           column->n_categories, SKIMPI_MAX_CATEGORIES);
    }
    int64_t before = offset_at(column->offsets, column->offsets_dtype, 0);
    bool sound = before >= 0;
    for (uint64_t k = 1; k <= column->n_categories; k++) {
        const int64_t offset = offset_at(column->offsets, column->offsets_dtype, k);
        sound = sound && offset >= before && offset - before <= INT32_MAX;
        before = offset;
    }
    if (!sound || (before > 0 && column->text == NULL)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "%s: offsets of categories must ascend from 0 or more, within text", what);
    }
    return SKIMP_OK;
}

static skimp_status check_column(const skimp_data *data, const skimp_data_column *column, const char *what,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const size_t item = skimp_dtype_bytes(column->dtype);
    const bool is_bit = column->dtype == SKIMP_DTYPE_BIT;
    if (item == 0 && !is_bit) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: its dtype is none of skimp_dtype's", what);
    }
    if (data->n_rows == 0) {
        return SKIMP_OK;
    }
    if (column->values == NULL) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: its values are NULL", what);
    }
    if (is_bit) {
        SKIMPI_TRY(check_extent(column->values, 1, 0, skimpi_add_sat(column->bit_offset, data->n_rows) / 8 + 1, 1, 1,
                                what, error));
    } else {
        SKIMPI_TRY(check_extent(column->values, data->n_rows, column->stride, 1, 0, item, what, error));
    }
    if (column->validity != NULL) {
        SKIMPI_TRY(check_extent(column->validity, 1, 0, skimpi_add_sat(column->validity_offset, data->n_rows) / 8 + 1,
                                1, 1, what, error));
    }
    if (skimpi_is_category(column)) {
        SKIMPI_TRY(check_categories(column, what, error));
    }
out:
    return status;
}

static skimp_status check_matrix(const skimp_data *data, skimp_error *error)
{
    const size_t item = skimp_dtype_bytes(data->dtype);
    if (item == 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "the matrix: its dtype is none of those a matrix can have");
    }
    if (data->n_rows == 0) {
        return SKIMP_OK;
    }
    if (data->values == NULL) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "the matrix: its values are NULL");
    }
    return check_extent(data->values, data->n_rows, data->row_stride, data->n_columns, data->column_stride, item,
                        "the matrix", error);
}

static skimp_status check_sparse(const skimp_data *data, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t outer = data->kind == SKIMP_DATA_CSR ? data->n_rows : data->n_columns;
    if (!is_offset(data->indptr_dtype) || !is_offset(data->indices_dtype)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "indptr and indices of sparse data are I32 or I64");
    }
    if (data->values != NULL && skimp_dtype_bytes(data->dtype) == 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "sparse data: its dtype is none of those it can have");
    }
    if (data->indptr == NULL || (data->nonzeros > 0 && data->indices == NULL)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "sparse data: its indptr or indices are NULL");
    }
    SKIMPI_TRY(check_extent(data->indptr, 1, 0, skimpi_add_sat(outer, 1),
                            (int64_t)skimp_dtype_bytes(data->indptr_dtype), 8, "indptr", error));
    if (data->nonzeros > 0) {
        SKIMPI_TRY(check_extent(data->indices, 1, 0, data->nonzeros, (int64_t)skimp_dtype_bytes(data->indices_dtype), 8,
                                "indices", error));
    }
    if (data->nonzeros > 0 && data->values != NULL) {
        SKIMPI_TRY(check_extent(data->values, 1, 0, data->nonzeros, (int64_t)skimp_dtype_bytes(data->dtype), 8,
                                "the sparse values", error));
    }
out:
    return status;
}

skimp_status skimpi_arrays_check(const skimp_data *data, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const bool is_sparse = data->kind == SKIMP_DATA_CSR || data->kind == SKIMP_DATA_CSC;
    if (!is_sparse && data->kind != SKIMP_DATA_MATRIX && data->kind != SKIMP_DATA_COLUMNS) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "skimp_data.kind is none of skimp_data_kind's");
    }
    const uint64_t most = is_sparse ? SPARSE_COLUMNS_MOST : COLUMNS_MOST;
    if (data->n_columns == 0 || data->n_columns > most || data->n_rows > EXTENT_MOST) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "data of %" PRIu64 " rows and %" PRIu64 " columns: there must be from 1 to %" PRIu64
                           " columns",
                           data->n_rows, data->n_columns, most);
    }
    if (data->kind == SKIMP_DATA_MATRIX) {
        SKIMPI_TRY(check_matrix(data, error));
    } else if (is_sparse) {
        SKIMPI_TRY(check_sparse(data, error));
    } else if (data->columns == NULL) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "the list of columns is NULL"));
    }
    for (uint64_t c = 0; data->kind == SKIMP_DATA_COLUMNS && c < data->n_columns; c++) {
        char what[NAME_BYTES];
        snprintf(what, sizeof what, "column %" PRIu64 " (%.100s)", c,
                 data->columns[c].name != NULL ? data->columns[c].name : "no name");
        SKIMPI_TRY(check_column(data, &data->columns[c], what, error));
    }
    if (data->target.values != NULL) {
        SKIMPI_TRY(check_column(data, &data->target, "the target", error));
    }
    if (data->weight.values != NULL) {
        SKIMPI_TRY(check_column(data, &data->weight, "the weight", error));
        if (skimpi_is_category(&data->weight)) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "the weight: it must be numbers, not categories"));
        }
    }
out:
    return status;
}

/* ---- the schema ---------------------------------------------------------------------------------------------------- */

static const char *given_name(const skimp_data *data, uint32_t c)
{
    if (data->kind == SKIMP_DATA_COLUMNS) {
        return data->columns[c].name;
    }
    return data->names != NULL ? data->names[c] : NULL;
}

/* The target and the weight stand beside the data's columns: their names are made different from all of those. */
static skimp_status name_beside(skimpi_schema *schema, uint32_t c, const char *name, skimp_error *error)
{
    char text[NAME_BYTES];
    int length = snprintf(text, sizeof text, "%.100s", name);
    while (skimpi_schema_find(schema, text, (size_t)length) >= 0 && length < (int)sizeof text - 1) {
        text[length++] = '_';
        text[length] = '\0';
    }
    return skimpi_schema_set_name(schema, c, text, (size_t)length, error);
}

static skimp_status make_table_schema(const skimpi_arrays *arrays, skimpi_schema **out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_data *data = arrays->data;
    skimpi_schema *schema = NULL;
    uint32_t next = arrays->n_columns;
    SKIMPI_TRY(skimpi_schema_create(&schema, arrays->budget, next + arrays->has_target + arrays->has_weight, error));
    for (uint32_t c = 0; c < arrays->n_columns; c++) {
        char made_up[16];
        const char *name = given_name(data, c);
        if (name == NULL) {
            snprintf(made_up, sizeof made_up, "x%u", c);
            name = made_up;
        }
        SKIMPI_TRY(skimpi_schema_set_name(schema, c, name, strlen(name), error));
        const bool is_category = data->kind == SKIMP_DATA_COLUMNS && skimpi_is_category(&data->columns[c]);
        schema->columns[c].type = is_category ? SKIMPI_TYPE_CATEGORY : SKIMPI_TYPE_NUMERIC;
    }
    if (arrays->has_target) {
        schema->columns[next].type = skimpi_is_category(&data->target) ? SKIMPI_TYPE_CATEGORY : SKIMPI_TYPE_NUMERIC;
        SKIMPI_TRY(name_beside(schema, next++, data->target.name != NULL ? data->target.name : "target", error));
    }
    if (arrays->has_weight) {
        schema->columns[next].type = SKIMPI_TYPE_NUMERIC;
        SKIMPI_TRY(name_beside(schema, next, data->weight.name != NULL ? data->weight.name : "weight", error));
    }
    *out = schema;
    schema = NULL;
out:
    skimpi_schema_destroy(schema);
    return status;
}

static skimp_status make_sparse_schema(const skimpi_arrays *arrays, skimpi_schema **out, skimp_error *error)
{
    skimp_status status = skimpi_schema_create(out, arrays->budget, 0, error);
    if (status == SKIMP_OK) {
        (*out)->sparse = true;
        (*out)->zero_based = true;
        (*out)->n_sparse_features = arrays->data->n_columns;
        (*out)->index64 = arrays->data->n_columns > UINT32_MAX - 1;
    }
    return status;
}

skimp_status skimpi_arrays_create(skimpi_arrays **out, skimp_budget *budget, const skimp_data *data,
                                  skimpi_schema **schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block = NULL;
    skimpi_arrays *arrays = NULL;
    *out = NULL;
    *schema = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, 1, sizeof *arrays, &block, error));
    arrays = block;
    arrays->budget = budget;
    arrays->data = data;
    if (data->kind == SKIMP_DATA_BATCHES) {
        bool end = false;
        arrays->source = data;
        data = arrays->data = &arrays->batch;
        SKIMPI_TRY(skimpi_batches_next(arrays, &end, error));
        if (end) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "no rows: the first batch is the end"));
        }
    } else {
        SKIMPI_TRY(skimpi_arrays_check(data, error));
    }
    arrays->has_target = data->target.values != NULL;
    arrays->has_weight = data->weight.values != NULL;
    if (skimpi_arrays_is_sparse(arrays)) {
        SKIMPI_TRY(skimpi_csr_measure(arrays, error));
        SKIMPI_TRY(make_sparse_schema(arrays, schema, error));
    } else {
        arrays->n_columns = (uint32_t)data->n_columns;
        const uint64_t values = data->n_columns + arrays->has_target + arrays->has_weight;
        arrays->chunk_rows =
            (uint32_t)skimpi_max_u64(SKIMPI_ARRAYS_CHUNK_VALUES / values, SKIMPI_ARRAYS_CHUNK_ROWS_LEAST);
        arrays->n_chunks = data->n_rows / arrays->chunk_rows + (data->n_rows % arrays->chunk_rows != 0);
        if (arrays->source == NULL) {
            arrays->chunk_rows = (uint32_t)skimpi_min_u64(arrays->chunk_rows, skimpi_max_u64(data->n_rows, 1));
        }
        SKIMPI_TRY(make_table_schema(arrays, schema, error));
    }
    arrays->schema = *schema;
    *out = arrays;
    arrays = NULL;
out:
    skimpi_arrays_destroy(arrays);
    return status;
}

/* What bind made. */
static void unbind(skimpi_arrays *arrays)
{
    skimp_budget *budget = arrays->budget;
    for (uint32_t j = 0; arrays->codes != NULL && j < arrays->n_codes; j++) {
        skimp_free(budget, SKIMP_TAG_CATEGORIES, arrays->codes[j].map, arrays->codes[j].column.n_categories,
                   sizeof(uint32_t));
    }
    skimp_free(budget, SKIMP_TAG_OTHER, arrays->codes, arrays->n_codes, sizeof *arrays->codes);
    skimp_free(budget, SKIMP_TAG_OTHER, arrays->runs, arrays->most_runs, sizeof *arrays->runs);
    skimp_free(budget, SKIMP_TAG_CATEGORIES, arrays->target_map, arrays->target.n_categories, sizeof(double));
    arrays->codes = NULL;
    arrays->runs = NULL;
    arrays->target_map = NULL;
    arrays->target = arrays->weight = (skimp_data_column){ 0 };
}

void skimpi_arrays_destroy(skimpi_arrays *arrays)
{
    if (arrays != NULL) {
        unbind(arrays);
        skimp_free(arrays->budget, SKIMP_TAG_OTHER, arrays, 1, sizeof *arrays);
    }
}

uint32_t skimpi_arrays_columns(const skimpi_arrays *arrays)
{
    return arrays->n_columns;
}

bool skimpi_arrays_has_target(const skimpi_arrays *arrays)
{
    return arrays->has_target;
}

static uint64_t column_bytes(const skimp_data *data, const skimp_data_column *column)
{
    const uint64_t bits = column->dtype == SKIMP_DTYPE_BIT ? 1 : 8 * skimp_dtype_bytes(column->dtype);
    return skimpi_mul_sat(data->n_rows, bits) / 8;
}

uint64_t skimpi_arrays_bytes(const skimpi_arrays *arrays)
{
    const skimp_data *data = arrays->data;
    uint64_t bytes = 0;
    if (data->kind == SKIMP_DATA_MATRIX) {
        bytes = skimpi_mul_sat(skimpi_mul_sat(data->n_rows, data->n_columns), skimp_dtype_bytes(data->dtype));
    } else if (skimpi_arrays_is_sparse(arrays)) {
        const uint64_t item =
            skimp_dtype_bytes(data->indices_dtype) + (data->values != NULL ? skimp_dtype_bytes(data->dtype) : 0);
        const uint64_t outer = data->kind == SKIMP_DATA_CSR ? data->n_rows : data->n_columns;
        bytes = skimpi_add_sat(skimpi_mul_sat(arrays->nonzeros, item),
                               skimpi_mul_sat(outer, skimp_dtype_bytes(data->indptr_dtype)));
    } else {
        for (uint64_t c = 0; c < data->n_columns; c++) {
            bytes = skimpi_add_sat(bytes, column_bytes(data, &data->columns[c]));
        }
    }
    bytes = skimpi_add_sat(bytes, arrays->has_target ? column_bytes(data, &data->target) : 0);
    return skimpi_add_sat(bytes, arrays->has_weight ? column_bytes(data, &data->weight) : 0);
}

/* A code for each category of a batch (reader_batches.c). */
static uint64_t batch_map_bytes(const skimpi_arrays *arrays)
{
    const skimpi_schema *schema = arrays->schema;
    uint64_t bytes = skimp_alloc_cost(arrays->target.n_categories * sizeof(uint32_t));
    for (uint32_t slot = 0; slot < schema->n_category; slot++) {
        const skimp_data_column column = skimpi_arrays_column(arrays, schema->category[slot]);
        bytes += skimp_alloc_cost(column.n_categories * sizeof(uint32_t));
    }
    return bytes;
}

uint64_t skimpi_arrays_map_bytes(const skimpi_arrays *arrays)
{
    if (arrays->source != NULL) {
        return batch_map_bytes(arrays);
    }
    uint64_t bytes = arrays->target_map != NULL ? skimp_alloc_cost(arrays->target.n_categories * sizeof(double)) : 0;
    for (uint32_t slot = 0; slot < arrays->n_codes; slot++) {
        bytes += skimp_alloc_cost(arrays->codes[slot].column.n_categories * sizeof(uint32_t));
    }
    return bytes;
}

bool skimpi_arrays_in_order(const skimpi_arrays *arrays)
{
    return arrays->data->kind == SKIMP_DATA_CSC;
}

bool skimpi_arrays_are_batches(const skimpi_arrays *arrays)
{
    return arrays->source != NULL;
}

void skimpi_arrays_chunk(const skimpi_arrays *arrays, uint64_t index, uint64_t *first, uint32_t *n)
{
    const uint64_t n_rows = arrays->data->n_rows;
    if (arrays->data->kind == SKIMP_DATA_CSR) {
        *first = skimpi_csr_first_row(arrays, index);
        /* indptr may have been changed meanwhile: then there may be far too many, which skimpi_csr_read_rows refuses. */
        *n = (uint32_t)skimpi_min_u64(skimpi_csr_first_row(arrays, index + 1) - *first, UINT32_MAX);
        return;
    }
    const uint64_t span = arrays->data->kind == SKIMP_DATA_CSC ? arrays->span : arrays->chunk_rows;
    *first = index * span;
    *n = (uint32_t)skimpi_min_u64(span, n_rows - *first);
}

skimp_data_column skimpi_arrays_column(const skimpi_arrays *arrays, uint32_t c)
{
    const skimp_data *data = arrays->data;
    if (c >= arrays->n_columns) {
        return arrays->has_target && c == arrays->n_columns ? data->target : data->weight;
    }
    if (data->kind == SKIMP_DATA_COLUMNS) {
        return data->columns[c];
    }
    return (skimp_data_column){ .dtype = data->dtype,
                                .values = data->n_rows == 0
                                              ? NULL
                                              : (const char *)data->values + (int64_t)c * data->column_stride,
                                .stride = data->row_stride };
}

/* ---- roles --------------------------------------------------------------------------------------------------------- */

static skimp_status assign_table(skimpi_arrays *arrays, const skimpi_roles *roles, bool own_target, bool own_weight,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = arrays->schema;
    const uint32_t target = arrays->n_columns, weight = target + arrays->has_target;
    skimpi_roles all = *roles;
    if (own_target && all.target == NULL) {
        all.target = schema->columns[target].name;
    }
    if (own_weight && all.weight == NULL) {
        all.weight = schema->columns[weight].name;
    }
    SKIMPI_TRY(skimpi_schema_assign(schema, &all, NULL, error));
    if ((own_target && schema->target != (int64_t)target) || (own_weight && schema->weight != (int64_t)weight)) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "the data comes with a %s, and '%s' names another: give one of them",
                               own_target && schema->target != (int64_t)target ? "target" : "weight",
                               own_target && schema->target != (int64_t)target ? all.target : all.weight));
    }
    for (uint32_t c = arrays->n_columns; c < schema->n_columns; c++) {
        if (schema->columns[c].role == SKIMPI_ROLE_FEATURE) {
            schema->columns[c].role = SKIMPI_ROLE_DROPPED;
            SKIMPI_TRY(skimpi_schema_settle(schema, error));
        }
    }
out:
    return status;
}

static skimp_status assign_sparse(skimpi_arrays *arrays, const skimpi_roles *roles, bool own_target, bool own_weight,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = arrays->schema;
    if (roles->weight != NULL || roles->n_drop > 0 || (roles->target != NULL && !own_target)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "sparse data has no columns with names: '%s' cannot be its target, its weight or left out",
                           roles->weight != NULL ? roles->weight
                           : roles->n_drop > 0   ? roles->drop[0]
                                                 : roles->target);
    }
    const skimpi_roles all = { .target = !own_target ? NULL : roles->target != NULL ? roles->target : "target" };
    SKIMPI_TRY(skimpi_schema_assign(schema, &all, NULL, error));
    schema->weight = own_weight ? 0 : -1;
    if (own_target && skimpi_is_category(&arrays->data->target)) {
        if (schema->comparison != SKIMPI_CMP_NONE) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                                   "the target holds text, which '%s' cannot be compared with", roles->target));
        }
        schema->target_type = SKIMPI_TYPE_CATEGORY;
        SKIMPI_TRY(skimpi_schema_settle(schema, error));
    }
out:
    return status;
}

skimp_status skimpi_arrays_assign(skimpi_arrays *arrays, const skimpi_roles *roles, bool with_target, bool with_weight,
                                  skimp_error *error)
{
    const bool own_target = with_target && arrays->has_target, own_weight = with_weight && arrays->has_weight;
    return skimpi_arrays_is_sparse(arrays) ? assign_sparse(arrays, roles, own_target, own_weight, error)
                                           : assign_table(arrays, roles, own_target, own_weight, error);
}

/* ---- where the columns of a slot lie -------------------------------------------------------------------------------- */

/* Does the column go on the run, and at which distance? */
static bool extends(const skimpi_array_run *run, const skimp_data_column *column, uint64_t *column_stride)
{
    const uint64_t last = (uint64_t)(uintptr_t)run->first.values + (run->n - 1) * run->column_stride;
    *column_stride = (uint64_t)(uintptr_t)column->values - last;
    return column->dtype == run->first.dtype && column->dtype != SKIMP_DTYPE_BIT &&
           column->stride == run->first.stride && column->validity == NULL && run->first.validity == NULL &&
           (run->n == 1 || *column_stride == run->column_stride);
}

static skimpi_gathering how_to_gather(const skimpi_array_run *run)
{
    const int64_t item = (int64_t)skimp_dtype_bytes(run->first.dtype);
    const bool tiles = run->first.dtype == SKIMP_DTYPE_F32 || run->first.dtype == SKIMP_DTYPE_F64;
    if (run->first.dtype == SKIMP_DTYPE_BIT || run->first.stride == item || run->first.stride == -item) {
        return SKIMPI_GATHER_WHOLE;
    }
    return tiles && run->n >= TILE_COLUMNS_LEAST && run->column_stride == (uint64_t)item ? SKIMPI_GATHER_TILES
                                                                                         : SKIMPI_GATHER_BLOCKS;
}

/* Counts the runs, and writes them where there is room for them. */
static uint32_t find_runs(const skimpi_arrays *arrays, skimpi_array_run *runs)
{
    const skimpi_schema *schema = arrays->schema;
    skimpi_array_run run = { .n = 0 };
    uint32_t n = 0;
    for (uint32_t slot = 0; slot <= schema->n_numeric; slot++) {
        skimp_data_column column = { 0 };
        uint64_t column_stride = 0;
        if (slot < schema->n_numeric) {
            column = skimpi_arrays_column(arrays, schema->numeric[slot]);
            if (run.n > 0 && extends(&run, &column, &column_stride)) {
                run.n++;
                run.column_stride = column_stride;
                continue;
            }
        }
        if (run.n > 0) {
            run.how = how_to_gather(&run);
            if (runs != NULL) {
                runs[n] = run;
            }
            n++;
        }
        run = (skimpi_array_run){ .slot = slot, .n = 1, .first = column };
    }
    return n;
}

void skimpi_arrays_rebind(skimpi_arrays *arrays)
{
    const skimpi_schema *schema = arrays->schema;
    if (schema->target >= 0) {
        arrays->target = schema->sparse ? arrays->data->target : skimpi_arrays_column(arrays, (uint32_t)schema->target);
    }
    if (schema->weight >= 0) {
        arrays->weight = schema->sparse ? arrays->data->weight : skimpi_arrays_column(arrays, (uint32_t)schema->weight);
    }
    if (!schema->sparse) {
        arrays->n_runs = find_runs(arrays, arrays->runs);
    }
}

skimp_status skimpi_arrays_bind(skimpi_arrays *arrays, bool fixed, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = arrays->schema;
    void *block = NULL;
    unbind(arrays);
    if (!schema->sparse) {
        /* A further batch may have its columns at other places: then there may be as many runs as columns. */
        const uint32_t n = arrays->source != NULL ? schema->n_numeric : find_runs(arrays, NULL);
        SKIMPI_TRY(skimp_alloc(arrays->budget, SKIMP_TAG_OTHER, n, sizeof *arrays->runs, &block, error));
        arrays->runs = block;
        arrays->most_runs = n;
    }
    skimpi_arrays_rebind(arrays);
    if (arrays->source != NULL) {
        return SKIMP_OK; /* categories are entered as they come */
    }
    if (!schema->sparse) {
        SKIMPI_TRY(
            skimp_alloc(arrays->budget, SKIMP_TAG_OTHER, schema->n_category, sizeof *arrays->codes, &block, error));
        arrays->codes = block;
        arrays->n_codes = schema->n_category;
    }
    SKIMPI_TRY(skimpi_arrays_enter_categories(arrays, fixed, error));
out:
    return status;
}

skimpi_area skimpi_arrays_area(const skimpi_arrays *arrays)
{
    const skimpi_schema *schema = arrays->schema;
    const uint64_t rows = arrays->chunk_rows;
    uint64_t bytes = ((uint64_t)(schema->target >= 0) + (schema->weight >= 0)) * skimpi_column_bytes(rows, 8);
    if (schema->sparse) {
        const skimp_data *data = arrays->data;
        const uint64_t value = data->values == NULL || skimpi_gathers_to_float(data->dtype) ? 4 : 8;
        bytes += skimpi_column_bytes(rows + 1, sizeof(uint32_t));
        bytes += skimpi_column_bytes(arrays->chunk_nonzeros, schema->index64 ? 8 : 4);
        bytes += skimpi_column_bytes(arrays->chunk_nonzeros, value);
    }
    for (uint32_t r = 0; r < arrays->n_runs; r++) {
        const uint64_t value = skimpi_gathers_to_float(arrays->runs[r].first.dtype) ? 4 : 8;
        bytes += arrays->runs[r].n * skimpi_arrays_column_bytes(rows, value);
    }
    bytes += schema->n_category * skimpi_column_bytes(rows, sizeof(uint32_t));
    return (skimpi_area){ .memory = bytes, .file = bytes };
}
