/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model over new inputs: which of their columns are the model's, its categories as dictionaries, its steps and
 * estimator loaded, and raw chunks seen as the chunks it was fitted on.  A model file is hostile: what it says is checked
 * before it is used.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/json_value.h"
#include "engine/engine.h"

static skimp_status bad_model(skimp_error *error, const char *what)
{
    return skimpi_fail(error, SKIMP_ERROR_DATA, "the model is damaged: %s", what);
}

static skimp_status need_strings(const skimpi_tensors *tensors, const char *name, const char **text, uint64_t *bytes,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensor *tensor = NULL;
    const uint64_t any = UINT64_MAX;
    SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_U8, 1, &any, &tensor, error));
    *text = tensor->data;
    *bytes = tensor->n_values;
    if (*bytes > 0 && (*text)[*bytes - 1] != '\0') {
        SKIMPI_TRY(bad_model(error, name));
    }
out:
    return status;
}

/* A whole number of the metadata, at most `most`. */
static skimp_status meta_number(const skimpi_tensors *tensors, const char *key, uint64_t most, uint64_t *out,
                                skimp_error *error)
{
    const char *text = skimpi_tensors_meta(tensors, key);
    uint64_t value = 0;
    bool sound = text != NULL && *text != '\0';
    for (; sound && *text != '\0'; text++) {
        sound = *text >= '0' && *text <= '9' && value <= most / 10;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return sound && value <= most ? SKIMP_OK : bad_model(error, key);
}

/* ---- pipeline from metadata ------------------------------------------------------------------------------------------ */

static skimp_status set_params(skimpi_params *params, skimpi_json object, skimp_budget *budget, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char *text = NULL;
    size_t capacity = 0;
    skimpi_json key, item;
    if (skimpi_json_kind_of(object) != SKIMPI_JSON_OBJECT) {
        return bad_model(error, "parameters");
    }
    skimpi_json_items items = skimpi_json_begin(object);
    while (skimpi_json_next(&items, &key, &item)) {
        char name[64];
        skimpi_json_string(key, name, sizeof name);
        const bool is_text = skimpi_json_kind_of(item) == SKIMPI_JSON_STRING;
        capacity = item.length + 1;
        SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, capacity, 1, (void **)&text, error));
        if (is_text) {
            skimpi_json_string(item, text, capacity);
        } else {
            memcpy(text, item.text, item.length);
        }
        status = skimpi_params_set(params, name, text, error);
        skimp_free(budget, SKIMP_TAG_OTHER, text, capacity, 1);
        SKIMPI_TRY(status);
    }
out:
    return status;
}

static skimp_status load_stage(skimpi_stage *stage, skimpi_applied *applied, bool is_step, const char *name,
                               const char *class_name, skimpi_json params, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = applied->job->budget;
    snprintf(stage->name, sizeof stage->name, "%s", name);
    stage->class = skimpi_estimator_class_find(class_name);
    if (stage->class == NULL || (stage->class->info.kind == SKIMP_TRANSFORMER) != is_step) {
        return bad_model(error, is_step ? "an unknown step" : "an unknown estimator");
    }
    SKIMPI_TRY(skimpi_params_create(&stage->params, budget, &stage->class->info, error));
    SKIMPI_TRY(set_params(stage->params, params, budget, error));
out:
    return status;
}

static skimp_status load_step(skimpi_applied *applied, const skimpi_tensors *tensors, unsigned i, skimpi_json step,
                              uint64_t n_sparse, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char name[64] = "", class_name[64] = "", prefix[96];
    skimpi_json key, item, params = { "{}", 2 };
    if (skimpi_json_kind_of(step) != SKIMPI_JSON_OBJECT) {
        return bad_model(error, "a step");
    }
    skimpi_json_items items = skimpi_json_begin(step);
    while (skimpi_json_next(&items, &key, &item)) {
        if (skimpi_json_string_is(key, "name", 4)) {
            skimpi_json_string(item, name, sizeof name);
        } else if (skimpi_json_string_is(key, "estimator", 9)) {
            skimpi_json_string(item, class_name, sizeof class_name);
        } else if (skimpi_json_string_is(key, "params", 6)) {
            params = item;
        }
    }
    skimpi_stage *stage = &applied->pipeline.steps[i];
    applied->pipeline.n_steps = i + 1;
    SKIMPI_TRY(load_stage(stage, applied, true, name, class_name, params, error));
    const skimpi_tensor *columns = NULL;
    const uint64_t any = UINT64_MAX;
    snprintf(prefix, sizeof prefix, "%u.%s.columns", i, name);
    SKIMPI_TRY(skimpi_tensors_need(tensors, prefix, SKIMPI_U32, 1, &any, &columns, error));
    if (n_sparse == 0) {
        const uint32_t *slots = columns->data;
        if (columns->n_values > applied->n_numeric) {
            SKIMPI_TRY(bad_model(error, prefix));
        }
        stage->n_inputs = (uint32_t)columns->n_values;
        stage->n_slots_allocated = applied->n_numeric;
        SKIMPI_TRY(skimp_alloc(applied->job->budget, SKIMP_TAG_OTHER, applied->n_numeric, sizeof *stage->slots,
                               (void **)&stage->slots, error));
        SKIMPI_TRY(skimp_alloc(applied->job->budget, SKIMP_TAG_OTHER, applied->n_numeric, 1, (void **)&stage->has_slot,
                               error));
        for (uint32_t k = 0; k < stage->n_inputs; k++) {
            if (slots[k] >= applied->n_numeric || (k > 0 && slots[k] <= slots[k - 1])) {
                SKIMPI_TRY(bad_model(error, prefix));
            }
            stage->slots[k] = slots[k];
            stage->has_slot[slots[k]] = 1;
        }
    }
    const skimpi_problem problem = { .is_exact = true,
                                     .n_features = stage->n_inputs + n_sparse,
                                     .n_dense = stage->n_inputs,
                                     .n_sparse = n_sparse,
                                     .n_threads = 1 };
    snprintf(prefix, sizeof prefix, "%u.%s.", i, name);
    SKIMPI_TRY(
        stage->class->load(&stage->fitted, applied->job->budget, tensors, prefix, &problem, stage->params, error));
out:
    return status;
}

static skimp_status load_pipeline(skimpi_applied *applied, const skimpi_tensors *tensors, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_json steps = { "[]", 2 }, params = { "{}", 2 }, key, item;
    const char *text = skimpi_tensors_meta(tensors, "steps");
    applied->pipeline.budget = applied->job->budget;
    if (text == NULL || !skimpi_json_check(text, strlen(text), &steps, NULL) ||
        skimpi_json_kind_of(steps) != SKIMPI_JSON_ARRAY || skimpi_json_count(steps) > SKIMPI_MAX_STEPS) {
        SKIMPI_TRY(bad_model(error, "its steps"));
    }
    skimpi_json_items items = skimpi_json_begin(steps);
    for (unsigned i = 0; skimpi_json_next(&items, &key, &item); i++) {
        SKIMPI_TRY(load_step(applied, tensors, i, item, applied->problem.n_sparse, error));
    }
    text = skimpi_tensors_meta(tensors, "params");
    if (text == NULL || !skimpi_json_check(text, strlen(text), &params, NULL)) {
        SKIMPI_TRY(bad_model(error, "its params"));
    }
    const char *name = skimpi_tensors_meta(tensors, "estimator");
    skimpi_stage *estimator = &applied->pipeline.estimator;
    SKIMPI_TRY(load_stage(estimator, applied, false, name, name, params, error));
    SKIMPI_TRY(estimator->class->load(&estimator->fitted, applied->job->budget, tensors, "", &applied->problem,
                                      estimator->params, error));
out:
    return status;
}

/* ---- columns ----------------------------------------------------------------------------------------------------------- */

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
    if (!is_text && column->type != SKIMPI_TYPE_NUMERIC) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, name,
                              "this column holds %s, but the model was trained on numbers",
                              column->type == SKIMPI_TYPE_DATE ? "dates" : "text");
    }
    if (is_text && !schema->delimited && column->type != SKIMPI_TYPE_CATEGORY) {
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
    SKIMPI_TRY(need_strings(tensors, "columns", &names, &bytes, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, "column_places", SKIMPI_U32, 1, &n, &places, error));
    const char *at = names;
    for (uint32_t k = 0; k < n_model; k++) {
        if (at >= names + bytes) {
            SKIMPI_TRY(bad_model(error, "columns"));
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
            SKIMPI_TRY(bad_model(error, "column_places"));
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
    const skimpi_roles roles = { .target = target, .keep = keep, .hash_bits = hash_bits };
    SKIMPI_TRY(skimpi_job_assign(job, &roles, false, error));
    if (schema->target >= 0 && keep[schema->target]) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "'%.100s' is one of the columns that the model predicts from: it cannot be the target",
                               target));
    }
out:
    return status;
}

static skimp_status fill_dictionary(skimpi_dictionary *dictionary, const char *text, uint64_t bytes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (const char *at = text; at < text + bytes; at += strlen(at) + 1) {
        uint32_t code = 0;
        const uint32_t expected = skimpi_dictionary_size(dictionary);
        const size_t length = strlen(at);
        SKIMPI_TRY(skimpi_dictionary_insert(dictionary, at, length, skimpi_dictionary_hash(at, length), &code, error));
        if (code != expected) {
            SKIMPI_TRY(bad_model(error, "a category that is there twice"));
        }
    }
out:
    return status;
}

static skimp_status load_categories(skimpi_applied *applied, const skimpi_tensors *tensors, uint32_t ordinal,
                                    uint32_t slot, bool missing, uint64_t *feature, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *text = NULL;
    uint64_t bytes = 0;
    char name[64];
    snprintf(name, sizeof name, "categories.%u", ordinal);
    SKIMPI_TRY(need_strings(tensors, name, &text, &bytes, error));
    SKIMPI_TRY(fill_dictionary(applied->job->schema->dictionaries[slot], text, bytes, error));
    const uint32_t n = skimpi_dictionary_size(applied->job->schema->dictionaries[slot]);
    applied->code_features[ordinal] = *feature;
    applied->n_codes[ordinal] = n + missing;
    applied->missing_codes[ordinal] = n;
    *feature += n + missing;
out:
    return status;
}

static skimp_status load_columns(skimpi_applied *applied, const skimpi_tensors *tensors, const char *target,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = applied->job;
    skimpi_schema *schema = job->schema;
    skimp_budget *budget = job->budget;
    const skimpi_tensor *types = NULL, *missing = NULL;
    const uint64_t any = UINT64_MAX;
    uint32_t *of_column = NULL;
    uint8_t *keep = NULL;
    uint64_t n = 0, feature = 0, hash_bits = 0, n_features = 0;
    SKIMPI_TRY(meta_number(tensors, "hash_bits", 28, &hash_bits, error));
    SKIMPI_TRY(meta_number(tensors, "n_features", SKIMPI_MAX_FEATURES, &n_features, error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, "column_types", SKIMPI_U8, 1, &any, &types, error));
    n = types->n_values;
    if (n > input_columns(job)) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, NULL,
                                  "%u columns, but the model was trained on %llu", input_columns(job),
                                  (unsigned long long)n));
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n, sizeof *of_column, (void **)&of_column, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, schema->n_columns, 1, (void **)&keep, error));
    SKIMPI_TRY(match_columns(applied, tensors, (uint32_t)n, types->data, of_column, keep, error));
    SKIMPI_TRY(assign_roles(applied, keep, target, (uint32_t)hash_bits, error));
    for (uint64_t k = 0; k < n; k++) {
        applied->n_numeric += !((const uint8_t *)types->data)[k];
    }
    applied->n_category = (uint32_t)n - applied->n_numeric;
    const uint64_t n_category = applied->n_category;
    SKIMPI_TRY(skimpi_tensors_need(tensors, "category_missing", SKIMPI_U8, 1, &n_category, &missing, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, applied->n_numeric, sizeof(uint32_t),
                           (void **)&applied->numeric_slots, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, applied->n_numeric, sizeof(uint64_t),
                           (void **)&applied->numeric_features, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_OTHER, n_category, sizeof(uint32_t), (void **)&applied->category_slots, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_OTHER, n_category, sizeof(uint64_t), (void **)&applied->code_features, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n_category, sizeof(uint32_t), (void **)&applied->n_codes, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_OTHER, n_category, sizeof(uint32_t), (void **)&applied->missing_codes, error));
    uint32_t numeric = 0, ordinal = 0;
    for (uint64_t k = 0; k < n; k++) {
        const uint32_t slot = schema->columns[of_column[k]].slot;
        if (((const uint8_t *)types->data)[k] == 0) {
            applied->numeric_slots[numeric] = slot;
            applied->numeric_features[numeric++] = feature++;
            continue;
        }
        applied->category_slots[ordinal] = slot;
        if (hash_bits == 0) {
            SKIMPI_TRY(load_categories(applied, tensors, ordinal, slot, ((const uint8_t *)missing->data)[ordinal] != 0,
                                       &feature, error));
        }
        ordinal++;
    }
    for (uint32_t k = 0; hash_bits > 0 && k < ordinal; k++) {
        applied->code_features[k] = feature;
        applied->n_codes[k] = applied->missing_codes[k] = 1u << hash_bits;
    }
    applied->n_features = feature + (hash_bits > 0 && ordinal > 0 ? (uint64_t)1 << hash_bits : 0);
    if (applied->n_features != n_features) {
        SKIMPI_TRY(bad_model(error, "n_features"));
    }
out:
    skimp_free(budget, SKIMP_TAG_OTHER, of_column, n, sizeof *of_column);
    skimp_free(budget, SKIMP_TAG_OTHER, keep, schema->n_columns, 1);
    return status;
}

static skimp_status load_classes(skimpi_applied *applied, const skimpi_tensors *tensors, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensor *values = skimpi_tensors_find(tensors, "classes_");
    skimpi_classes *classes = &applied->classes;
    skimp_budget *budget = applied->job->budget;
    *classes = (skimpi_classes){ .budget = budget };
    if (values == NULL) {
        return SKIMP_OK; /* a regressor */
    }
    uint64_t n = values->n_values, bytes = 0;
    const char *text = NULL;
    classes->is_text = values->dtype == SKIMPI_U8;
    if (classes->is_text) {
        SKIMPI_TRY(need_strings(tensors, "classes_", &text, &bytes, error));
        n = 0;
        for (uint64_t i = 0; i < bytes; i++) {
            n += text[i] == '\0';
        }
    }
    if (n < 2 || n > SKIMPI_MAX_CLASSES || values->n_dims != 1 || (!classes->is_text && values->dtype != SKIMPI_F64)) {
        SKIMPI_TRY(bad_model(error, "classes_"));
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, n, sizeof(double), (void **)&classes->values, error));
    classes->n_classes = (uint32_t)n;
    if (!classes->is_text) {
        memcpy(classes->values, values->data, n * sizeof(double));
        goto out;
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, n, sizeof(uint32_t), (void **)&classes->of_code, error));
    classes->n_of_code = (uint32_t)n;
    for (uint32_t k = 0; k < n; k++) {
        classes->of_code[k] = k;
        classes->values[k] = k;
    }
out:
    return status;
}

/* Text labels live in the schema's target dictionary, which must be there even when the target is not read. */
static skimp_status load_class_text(skimpi_applied *applied, const skimpi_tensors *tensors, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = applied->job->schema;
    const char *text = NULL;
    uint64_t bytes = 0;
    const bool is_text = schema->target_type == SKIMPI_TYPE_CATEGORY;
    if (schema->target >= 0 && is_text != applied->classes.is_text) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, applied->job->options.inputs[0], 0,
                              schema->sparse ? "label" : schema->columns[schema->target].name,
                              "this target holds %s, but the model was trained on %s", is_text ? "text" : "numbers",
                              is_text ? "numbers" : "text");
    }
    if (!applied->classes.is_text) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(need_strings(tensors, "classes_", &text, &bytes, error));
    if (schema->dictionaries[schema->n_category] == NULL) {
        SKIMPI_TRY(skimpi_dictionary_create(&schema->dictionaries[schema->n_category], applied->job->budget, error));
    }
    SKIMPI_TRY(fill_dictionary(schema->dictionaries[schema->n_category], text, bytes, error));
out:
    return status;
}

/* Where a missing value may stay because a step takes it away. */
static skimp_status allow_missing(const skimpi_applied *applied, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = applied->job;
    SKIMPI_TRY(skimpi_job_arrays(job, error));
    if (job->schema->sparse) {
        job->may_miss[0] = skimpi_pipeline_may_miss(&applied->pipeline, 0);
    }
    for (uint32_t k = 0; k < applied->n_numeric; k++) {
        job->may_miss[job->schema->numeric[applied->numeric_slots[k]]] =
            skimpi_pipeline_may_miss(&applied->pipeline, k);
    }
out:
    return status;
}

skimp_status skimpi_applied_create(skimpi_applied *applied, skimp_job *job, const skimp_model *model, bool with_target,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensors *tensors = model->tensors;
    *applied = (skimpi_applied){ .job = job };
    if (job->is_spent || job->is_settled) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "a job runs once: make another"));
    }
    job->is_spent = true;
    if (job->store_is_input) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "'%s' is a chunk store: give predict and score the original files",
                               job->options.inputs[0]));
    }
    const char *kind = skimpi_tensors_meta(tensors, "data");
    const bool sparse = kind != NULL && strcmp(kind, "sparse") == 0;
    if (sparse != job->schema->sparse) {
        SKIMPI_TRY(skimpi_fail_at(
            error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, NULL, "the model was trained on %s, this is %s",
            sparse ? "sparse data (svmlight)" : "a table", sparse ? "a table" : "sparse data (svmlight)"));
    }
    const char *target = NULL;
    if (with_target) {
        target = job->options.target != NULL ? job->options.target : skimpi_tensors_meta(tensors, "target");
        if (target == NULL) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                                   "the model does not say what its target was: name the column (--target)"));
        }
    }
    SKIMPI_TRY(load_classes(applied, tensors, error));
    if (sparse) {
        const skimpi_roles roles = { .target = target };
        SKIMPI_TRY(skimpi_job_assign(job, &roles, false, error));
        SKIMPI_TRY(meta_number(tensors, "n_features", SKIMPI_MAX_FEATURES, &applied->n_features, error));
    } else {
        SKIMPI_TRY(load_columns(applied, tensors, target, error));
    }
    SKIMPI_TRY(load_class_text(applied, tensors, error));
    skimpi_job_settle(job);
    job->reader_options.fixed_categories = true;
    job->reader_options.target_optional = !with_target;
    applied->problem = (skimpi_problem){
        .is_exact = true,
        .n_features = applied->n_features,
        .n_dense = applied->n_numeric,
        .n_code_columns = applied->n_category,
        .n_sparse = sparse ? applied->n_features : 0,
        .n_classes = applied->classes.n_classes,
        .n_threads = 1,
    };
    SKIMPI_TRY(load_pipeline(applied, tensors, error));
    if ((applied->pipeline.estimator.class->info.kind == SKIMP_CLASSIFIER) != (applied->classes.n_classes > 0)) {
        SKIMPI_TRY(bad_model(error, "classes_"));
    }
    SKIMPI_TRY(allow_missing(applied, error));
out:
    if (status != SKIMP_OK) {
        skimpi_applied_destroy(applied);
    }
    return status;
}

void skimpi_applied_destroy(skimpi_applied *applied)
{
    if (applied->job == NULL) {
        return;
    }
    skimp_budget *budget = applied->job->budget;
    skimpi_pipeline_destroy(&applied->pipeline);
    if (applied->classes.budget != NULL) {
        skimpi_classes_destroy(&applied->classes);
    }
    skimp_free(budget, SKIMP_TAG_OTHER, applied->numeric_slots, applied->n_numeric, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_OTHER, applied->numeric_features, applied->n_numeric, sizeof(uint64_t));
    skimp_free(budget, SKIMP_TAG_OTHER, applied->category_slots, applied->n_category, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_OTHER, applied->code_features, applied->n_category, sizeof(uint64_t));
    skimp_free(budget, SKIMP_TAG_OTHER, applied->n_codes, applied->n_category, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_OTHER, applied->missing_codes, applied->n_category, sizeof(uint32_t));
    *applied = (skimpi_applied){ 0 };
}

/* ---- raw chunks as the model's ------------------------------------------------------------------------------------------- */

skimp_status skimpi_applied_worker_create(skimpi_applied_worker *worker, const skimpi_applied *applied,
                                          skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = applied->job->budget;
    *worker = (skimpi_applied_worker){ 0 };
    skimpi_buffer_init(&worker->indptr, budget, SKIMP_TAG_CHUNKS);
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CHUNKS, applied->n_numeric, sizeof *worker->dense, (void **)&worker->dense,
                           error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_CHUNKS, applied->n_numeric, sizeof *worker->view, (void **)&worker->view, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CHUNKS, applied->n_category, sizeof *worker->codes,
                           (void **)&worker->codes, error));
out:
    if (status != SKIMP_OK) {
        skimpi_applied_worker_destroy(worker, applied);
    }
    return status;
}

void skimpi_applied_worker_destroy(skimpi_applied_worker *worker, const skimpi_applied *applied)
{
    skimp_budget *budget = applied->job->budget;
    skimpi_buffer_free(&worker->indptr);
    skimp_free(budget, SKIMP_TAG_CHUNKS, worker->dense, applied->n_numeric, sizeof *worker->dense);
    skimp_free(budget, SKIMP_TAG_CHUNKS, worker->view, applied->n_numeric, sizeof *worker->view);
    skimp_free(budget, SKIMP_TAG_CHUNKS, worker->codes, applied->n_category, sizeof *worker->codes);
    *worker = (skimpi_applied_worker){ 0 };
}

/* Numbers that no model was trained on: a missing one that no step takes away, and infinity. */
static skimp_status check_numbers(const skimpi_applied *applied, const skimpi_raw *raw, const double *values,
                                  uint64_t n, bool may_miss, const char *column, skimp_error *error)
{
    const skimp_job *job = applied->job;
    uint64_t at = 0;
    while (at < n && (isfinite(values[at]) || (may_miss && isnan(values[at])))) {
        at++;
    }
    if (at == n) {
        return SKIMP_OK;
    }
    uint64_t row = at;
    if (raw->row_end != NULL) {
        for (row = 0; raw->row_end[row] <= at; row++) {}
    }
    /* Lines can be told where every row of the unit is one. */
    const bool is_line = raw->rows_bad == 0 && raw->rows_missing == 0 &&
                         (raw->lines == 0 || raw->lines == raw->n_rows || raw->lines + 1 == raw->n_rows);
    if (job->arrays != NULL) {
        const skimpi_column_summary found = { .n_missing = isnan(values[at]),
                                              .n_infinite = !isnan(values[at]),
                                              .first_missing_row = is_line ? raw->first_line + row : 0,
                                              .first_infinite_row = is_line ? raw->first_line + row : 0 };
        return skimpi_job_check_values(&found, "X", column, false, error);
    }
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.n_inputs == 1 ? job->options.inputs[0] : NULL,
                          is_line ? raw->first_line + row : 0, column,
                          isnan(values[at]) ? "missing value: the model has no step that imputes it; drop such rows "
                                              "(--on-missing drop), or train with one"
                                            : "infinite value: mend the data");
}

/* Sparse rows without the features that the model does not know; these are counted. */
static skimp_status sparse_chunk(const skimpi_applied *applied, skimpi_applied_worker *worker, const skimpi_raw *raw,
                                 uint64_t *unknown, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_reserve(&worker->indptr, ((size_t)raw->n_rows + 1) * sizeof(uint32_t), error));
    uint32_t *indptr = worker->indptr.data, kept = 0, from = 0;
    SKIMPI_TRY(check_numbers(applied, raw, raw->values, raw->nonzeros, applied->job->may_miss[0], NULL, error));
    indptr[0] = 0;
    for (uint32_t i = 0; i < raw->n_rows; i++) {
        for (; from < raw->row_end[i]; from++) {
            const uint64_t index = raw->indices64 != NULL ? raw->indices64[from] : raw->indices[from];
            if (index >= applied->n_features) {
                ++*unknown;
                continue;
            }
            if (raw->indices64 != NULL) {
                raw->indices64[kept] = index;
            } else {
                raw->indices[kept] = (uint32_t)index;
            }
            raw->values[kept++] = raw->values[from];
        }
        indptr[i + 1] = kept;
    }
    worker->chunk.has_csr = true;
    worker->chunk.csr = (skimpi_csr_block){ .indptr = indptr,
                                            .indices = raw->indices64 != NULL ? NULL : raw->indices,
                                            .indices64 = raw->indices64,
                                            .f64 = raw->values };
out:
    return status;
}

skimp_status skimpi_applied_chunk(const skimpi_applied *applied, skimpi_applied_worker *worker, uint64_t index,
                                  uint64_t first_row, const skimpi_raw *raw, uint64_t *unknown, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = applied->job->schema;
    skimpi_chunk *chunk = &worker->chunk;
    *chunk = (skimpi_chunk){ .index = index,
                             .first_row = first_row,
                             .n_rows = raw->n_rows,
                             .n_dense = applied->n_numeric,
                             .n_codes = applied->n_category,
                             .dense = worker->dense,
                             .codes = worker->codes,
                             .target = raw->target };
    for (uint32_t k = 0; k < applied->n_numeric; k++) {
        const uint32_t slot = applied->numeric_slots[k], c = schema->numeric[slot];
        double *values = raw->numeric + (size_t)slot * raw->capacity;
        SKIMPI_TRY(check_numbers(applied, raw, values, raw->n_rows, applied->job->may_miss[c], schema->columns[c].name,
                                 error));
        worker->dense[k] = (skimpi_dense_column){ .feature = applied->numeric_features[k], .f64 = values };
    }
    for (uint32_t k = 0; k < applied->n_category; k++) {
        uint32_t *codes = raw->codes + (size_t)applied->category_slots[k] * raw->capacity;
        for (uint32_t i = 0; i < raw->n_rows; i++) {
            if (codes[i] == SKIMPI_CODE_MISSING) {
                codes[i] = applied->missing_codes[k];
                *unknown += applied->missing_codes[k] >= applied->n_codes[k] && schema->hash_bits == 0;
            } else if (codes[i] == SKIMPI_CODE_UNKNOWN) {
                ++*unknown;
            }
        }
        worker->codes[k] = (skimpi_code_column){
            .feature = applied->code_features[k], .n_codes = applied->n_codes[k], .slot = k, .codes = codes
        };
    }
    if (schema->sparse) {
        SKIMPI_TRY(sparse_chunk(applied, worker, raw, unknown, error));
    }
    skimpi_pipeline_transform(&applied->pipeline, applied->pipeline.n_steps, chunk, worker->view);
out:
    return status;
}
