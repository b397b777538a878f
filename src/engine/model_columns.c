/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which columns of new inputs are a model's: by name, or by place where the inputs have none; and its categories, which
 * become the dictionaries of its text columns.
 */
#include <stdio.h>
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"

/* Columns of the inputs; of arrays those of the data, without the target and the weight that came with them. */
static uint32_t input_columns(const skimp_job *job)
{
    return job->arrays != NULL ? skimpi_arrays_columns(job->arrays) : job->schema->n_columns;
}

/* Are the names made up (x0, x1, …), so that columns go by place? */
static bool has_no_header(const skimpi_schema *schema, uint32_t n_columns)
{
    char name[16];
    for (uint32_t c = 0; c < n_columns; c++) {
        snprintf(name, sizeof name, "x%u", c);
        if (strcmp(schema->columns[c].name, name) != 0) {
            return false;
        }
    }
    return true;
}

/* The columns of the inputs by name: the first of each name, and whether there is a second. */
typedef struct name_index {
    skimpi_dictionary *names;
    uint32_t *first;    /* per name */
    uint8_t *is_double; /* per name */
    uint32_t n_columns;
} name_index;

static void index_destroy(name_index *index, skimp_budget *budget)
{
    skimpi_dictionary_destroy(index->names);
    skimp_free(budget, SKIMP_TAG_OTHER, index->first, index->n_columns, sizeof *index->first);
    skimp_free(budget, SKIMP_TAG_OTHER, index->is_double, index->n_columns, 1);
}

static skimp_status index_create(name_index *index, const skimpi_schema *schema, skimp_budget *budget,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *index = (name_index){ .n_columns = schema->n_columns };
    SKIMPI_TRY(skimpi_dictionary_create(&index->names, budget, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_OTHER, schema->n_columns, sizeof *index->first, (void **)&index->first, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, schema->n_columns, 1, (void **)&index->is_double, error));
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const char *name = schema->columns[c].name;
        const size_t length = strlen(name);
        const uint32_t next = skimpi_dictionary_size(index->names);
        uint32_t code = 0;
        SKIMPI_TRY(
            skimpi_dictionary_insert(index->names, name, length, skimpi_dictionary_hash(name, length), &code, error));
        if (code == next) {
            index->first[code] = c;
        } else {
            index->is_double[code] = 1;
        }
    }
out:
    if (status != SKIMP_OK) {
        index_destroy(index, budget);
    }
    return status;
}

/* What a column is to become, and whether it can. */
static skimp_status take_column(const skimpi_applied *applied, uint32_t c, const char *name, bool is_text,
                                skimp_error *error)
{
    skimpi_schema *schema = applied->job->schema;
    skimpi_column *column = &schema->columns[c];
    const char *file = applied->job->options.inputs[0];
    if (applied->job->stored != NULL) {
        const skimp_status status = skimpi_stored_may_read(applied->job, c, name, error);
        if (status != SKIMP_OK) {
            return status;
        }
    }
    if (!is_text && column->type != SKIMPI_TYPE_NUMERIC) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, name,
                              "this column holds %s, but the model was trained on numbers",
                              column->type == SKIMPI_TYPE_DATE ? "dates" : "text");
    }
    if (is_text && column->type != SKIMPI_TYPE_CATEGORY && !schema->delimited) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, name,
                              "this column holds numbers, but the model was trained on text");
    }
    column->type = is_text ? SKIMPI_TYPE_CATEGORY : SKIMPI_TYPE_NUMERIC;
    return SKIMP_OK;
}

/* Columns go by name; where the inputs have made-up names (no header) and not the model's, by place. */
static skimp_status match_names(const skimpi_applied *applied, const name_index *index, const skimpi_tensors *tensors,
                                uint32_t n_model, uint32_t *of_column, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = applied->job->schema;
    const char *names = NULL, *missing = NULL, *file = applied->job->options.inputs[0];
    uint64_t bytes = 0;
    const skimpi_tensor *places = NULL;
    const uint64_t n = n_model;
    SKIMPI_TRY(skimpi_model_strings(tensors, "columns", &names, &bytes, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, "column_places", SKIMPI_U32, 1, &n, &places, error));
    const char *at = names;
    for (uint32_t k = 0; k < n_model; k++) {
        if (at >= names + bytes) {
            SKIMPI_TRY(skimpi_model_damaged(error, "columns"));
        }
        const size_t length = strlen(at);
        const uint32_t code = skimpi_dictionary_find(index->names, at, length, skimpi_dictionary_hash(at, length));
        if (code == SKIMPI_CODE_UNKNOWN) {
            missing = missing == NULL ? at : missing;
        } else if (index->is_double[code]) {
            SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, at,
                                      "is the name of two columns, and the model was trained on one"));
        } else {
            of_column[k] = index->first[code];
        }
        at += length + 1;
    }
    if (missing == NULL) {
        goto out;
    }
    const uint32_t n_columns = input_columns(applied->job);
    const bool is_alike = n_columns == n_model, by_place = has_no_header(schema, n_columns);
    at = names;
    for (uint32_t k = 0; k < n_model; k++) {
        of_column[k] = is_alike ? k : ((const uint32_t *)places->data)[k];
        if (!by_place || of_column[k] >= n_columns) {
            SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                                      "there is no column '%.100s', which the model was trained on", missing));
        }
        /* Messages speak of the model's columns, and hashes of text depend on their names. */
        SKIMPI_TRY(skimpi_schema_set_name(schema, of_column[k], at, strlen(at), error));
        at += strlen(at) + 1;
    }
out:
    return status;
}

/* The inputs' column for each of the model's: of_column[k]; keep[c] says which are used. */
static skimp_status match_columns(const skimpi_applied *applied, const skimpi_tensors *tensors, uint32_t n_model,
                                  const uint8_t *types, uint32_t *of_column, uint8_t *keep, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = applied->job->schema;
    name_index index = { 0 };
    SKIMPI_TRY(index_create(&index, schema, applied->job->budget, error));
    status = match_names(applied, &index, tensors, n_model, of_column, error);
    index_destroy(&index, applied->job->budget);
    SKIMPI_TRY(status);
    for (uint32_t k = 0; k < n_model; k++) {
        const uint32_t c = of_column[k];
        if (keep[c]) {
            SKIMPI_TRY(skimpi_model_damaged(error, "column_places"));
        }
        keep[c] = 1;
        SKIMPI_TRY(take_column(applied, c, schema->columns[c].name, types[k] != 0, error));
    }
out:
    return status;
}

static skimp_status assign_roles(const skimpi_applied *applied, const uint8_t *keep, const char *target,
                                 uint32_t hash_bits, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_job *job = applied->job;
    skimpi_schema *schema = job->schema;
    /* Labels that were text are text here too, whatever they look like in this file. */
    const int64_t column =
        target != NULL && applied->classes.is_text ? skimpi_schema_find(schema, target, strlen(target)) : -1;
    if (column >= 0 && schema->delimited) {
        schema->columns[column].type = SKIMPI_TYPE_CATEGORY;
    }
    const skimpi_roles roles = {
        .target = target, .weight = skimpi_applied_weight(job), .keep = keep, .hash_bits = hash_bits
    };
    SKIMPI_TRY(skimpi_job_assign(job, &roles, job->keeps_roles, error));
    if (schema->target >= 0 && keep[schema->target]) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "'%.100s' is one of the columns that the model predicts from: it cannot be the target",
                               target));
    }
    if (schema->weight >= 0 && keep[schema->weight]) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "'%.100s' is one of the columns that the model was fitted on: it cannot be the weight",
                               roles.weight));
    }
out:
    return status;
}

skimp_status skimpi_model_fill(skimpi_dictionary *dictionary, const char *text, uint64_t bytes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (const char *at = text; at < text + bytes; at += strlen(at) + 1) {
        uint32_t code = 0;
        const uint32_t expected = skimpi_dictionary_size(dictionary);
        const size_t length = strlen(at);
        SKIMPI_TRY(skimpi_dictionary_insert(dictionary, at, length, skimpi_dictionary_hash(at, length), &code, error));
        if (code != expected) {
            SKIMPI_TRY(skimpi_model_damaged(error, "a category that is there twice"));
        }
    }
out:
    return status;
}

static skimp_status load_categories(skimpi_applied *applied, const skimpi_tensors *tensors, uint32_t ordinal,
                                    uint32_t slot, bool missing, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *text = NULL;
    uint64_t bytes = 0;
    char name[64];
    snprintf(name, sizeof name, "categories.%u", ordinal);
    SKIMPI_TRY(skimpi_model_strings(tensors, name, &text, &bytes, error));
    SKIMPI_TRY(skimpi_model_fill(applied->job->schema->dictionaries[slot], text, bytes, error));
    const uint32_t n = skimpi_dictionary_size(applied->job->schema->dictionaries[slot]);
    applied->design.n_texts[ordinal] = applied->design.missing_codes[ordinal] = n;
    applied->design.n_codes[ordinal] = n + missing;
out:
    return status;
}

/* The slots of the model's columns in the schema, and what text columns are encoded to. */
static skimp_status load_slots(skimpi_applied *applied, const skimpi_tensors *tensors, const uint8_t *types,
                               const uint32_t *of_column, uint32_t n, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = applied->job->schema;
    skimp_budget *budget = applied->job->budget;
    const skimpi_tensor *missing = NULL;
    uint32_t numeric = 0, ordinal = 0;
    for (uint32_t k = 0; k < n; k++) {
        ordinal += types[k] != 0;
    }
    const uint64_t n_category = ordinal;
    SKIMPI_TRY(skimpi_tensors_need(tensors, "category_missing", SKIMPI_U8, 1, &n_category, &missing, error));
    SKIMPI_TRY(skimpi_design_reserve(&applied->design, budget, n - ordinal, ordinal, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_OTHER, n - ordinal, sizeof(uint32_t), (void **)&applied->numeric_slots, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_OTHER, ordinal, sizeof(uint32_t), (void **)&applied->category_slots, error));
    ordinal = 0;
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t slot = schema->columns[of_column[k]].slot;
        if (types[k] == 0) {
            applied->numeric_slots[numeric++] = slot;
            continue;
        }
        applied->category_slots[ordinal] = slot;
        applied->design.n_codes[ordinal] = applied->design.n_texts[ordinal] = applied->design.missing_codes[ordinal] =
            1u << schema->hash_bits;
        if (schema->hash_bits == 0) {
            SKIMPI_TRY(load_categories(applied, tensors, ordinal, slot, ((const uint8_t *)missing->data)[ordinal] != 0,
                                       error));
        }
        ordinal++;
    }
out:
    return status;
}

skimp_status skimpi_applied_columns(skimpi_applied *applied, const skimpi_tensors *tensors, const char *target,
                                    skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = applied->job;
    const skimpi_schema *schema = job->schema;
    const skimpi_tensor *types = NULL;
    const uint64_t any = UINT64_MAX;
    uint32_t *of_column = NULL;
    uint8_t *keep = NULL;
    uint64_t n = 0, hash_bits = 0;
    SKIMPI_TRY(skimpi_model_number(tensors, "hash_bits", 28, &hash_bits, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, "column_types", SKIMPI_U8, 1, &any, &types, error));
    n = types->n_values;
    if (n > input_columns(job)) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, NULL,
                                  "%u columns, but the model was trained on %llu", input_columns(job),
                                  (unsigned long long)n));
    }
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, n, sizeof *of_column, (void **)&of_column, error));
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, schema->n_columns, 1, (void **)&keep, error));
    SKIMPI_TRY(match_columns(applied, tensors, (uint32_t)n, types->data, of_column, keep, error));
    SKIMPI_TRY(assign_roles(applied, keep, target, (uint32_t)hash_bits, error));
    SKIMPI_TRY(load_slots(applied, tensors, types->data, of_column, (uint32_t)n, error));
out:
    skimp_free(job->budget, SKIMP_TAG_OTHER, of_column, n, sizeof *of_column);
    skimp_free(job->budget, SKIMP_TAG_OTHER, keep, schema->n_columns, 1);
    return status;
}
