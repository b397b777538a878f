/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Models: what a fit leaves.  Tensors carry scikit-learn's attribute names (a step's under "<index>.<step>."), and beside
 * them what it takes to read new data in the same way:
 *
 *   columns, column_types, column_places   the input columns that are features: names, 0 number / 1 text, place in the file
 *   categories.<n>, category_missing       sorted categories of the n-th text column; whether missing is one more
 *   classes_                               class labels (F64, or text)
 *   <index>.<step>.columns                 numeric columns that the step works on, or
 *   <index>.<step>.text_columns            text columns
 *
 * The metadata (docs/formats/model.md) is for people and other programs: estimator, params, steps, feature_names, …
 */
#include <stdio.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/json_value.h"
#include "engine/engine.h"

#define METADATA_NAMES_MAX (1u << 20) /* bytes of feature names that go into the metadata too */
#define SMALL_PARTS (16u << 10)       /* parameters and the like, the list of the arrays and their names */

uint64_t skimpi_model_json_bytes(const char *text, size_t length)
{
    uint64_t bytes = length + 2;
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        bytes += c == '"' || c == '\\' ? 1 : c < 0x20 ? 5 : 0;
    }
    return bytes;
}

static skimp_status append_json_text(skimpi_buffer *out, const char *text, size_t length, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_append(out, "\"", 1, error));
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            SKIMPI_TRY(skimpi_buffer_printf(out, error, "\\%c", c));
        } else if (c < 0x20) {
            SKIMPI_TRY(skimpi_buffer_printf(out, error, "\\u%04x", c));
        } else {
            SKIMPI_TRY(skimpi_buffer_append(out, text + i, 1, error));
        }
    }
    SKIMPI_TRY(skimpi_buffer_append(out, "\"", 1, error));
out:
    return status;
}

static skimp_status append_params(skimpi_buffer *out, const skimpi_params *params, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *separator = "{";
    for (const skimp_param *param = skimpi_params_info(params)->params; param->name != NULL; param++) {
        const char *text = skimpi_params_text(params, param->name);
        skimpi_json ignored;
        SKIMPI_TRY(skimpi_buffer_printf(out, error, "%s\"%s\": ", separator, param->name));
        if (strcmp(text, "NaN") != 0 && skimpi_json_check(text, strlen(text), &ignored, NULL)) {
            SKIMPI_TRY(skimpi_buffer_append(out, text, strlen(text), error));
        } else {
            SKIMPI_TRY(append_json_text(out, text, strlen(text), error)); /* a choice; inf, NaN */
        }
        separator = ", ";
    }
    SKIMPI_TRY(skimpi_buffer_append(out, separator[0] == '{' ? "{}" : "}", separator[0] == '{' ? 2 : 1, error));
out:
    return status;
}

static skimp_status set_meta_buffer(skimpi_tensors *tensors, const char *key, skimpi_buffer *text, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_append(text, "", 1, error));
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, key, text->data, error));
    text->length = 0;
out:
    return status;
}

static skimp_status list_names(skimpi_tensors *tensors, const skimpi_buffer *names, skimpi_buffer *text,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *separator = "[", *const end = names->data + names->length;
    uint64_t bytes = sizeof("[]");
    for (const char *at = names->data; at < end; at += strlen(at) + 1) {
        bytes += skimpi_model_json_bytes(at, strlen(at)) + strlen(", ");
    }
    SKIMPI_TRY(skimpi_buffer_reserve(text, bytes, error)); /* what was planned */
    for (const char *at = names->data; at < end; at += strlen(at) + 1) {
        SKIMPI_TRY(skimpi_buffer_append(text, separator, strlen(separator), error));
        SKIMPI_TRY(append_json_text(text, at, strlen(at), error));
        separator = ", ";
    }
    SKIMPI_TRY(skimpi_buffer_append(text, "]", 1, error));
    SKIMPI_TRY(set_meta_buffer(tensors, "feature_names", text, error));
out:
    return status;
}

static skimp_status save_metadata(skimp_model *model, const skimp_job *job, const skimpi_design *design,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    skimpi_tensors *tensors = model->tensors;
    skimpi_buffer text, names;
    char number[32];
    skimpi_buffer_init(&text, model->budget, SKIMP_TAG_MODEL);
    skimpi_buffer_init(&names, model->budget, SKIMP_TAG_MODEL);
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "skimp_version", skimp_version(), error));
    const skimpi_stage *estimator = &job->pipeline.estimator;
    const bool has_estimator = estimator->class != NULL;
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "estimator",
                                       has_estimator ? estimator->class->info.name : SKIMPI_STEPS_ALONE, error));
    if (has_estimator) {
        SKIMPI_TRY(append_params(&text, estimator->params, error));
    } else {
        SKIMPI_TRY(skimpi_buffer_append(&text, "{}", 2, error));
    }
    SKIMPI_TRY(set_meta_buffer(tensors, "params", &text, error));
    SKIMPI_TRY(skimpi_buffer_append(&text, "[", 1, error));
    for (unsigned i = 0; i < job->pipeline.n_steps; i++) {
        const skimpi_stage *stage = &job->pipeline.steps[i];
        SKIMPI_TRY(skimpi_buffer_printf(&text, error, "%s{\"name\": \"%s\", \"estimator\": \"%s\", \"params\": ",
                                        i > 0 ? ", " : "", stage->name, stage->class->info.name));
        SKIMPI_TRY(append_params(&text, stage->params, error));
        SKIMPI_TRY(skimpi_buffer_append(&text, "}", 1, error));
    }
    SKIMPI_TRY(skimpi_buffer_append(&text, "]", 1, error));
    SKIMPI_TRY(set_meta_buffer(tensors, "steps", &text, error));
    SKIMPI_TRY(skimpi_target_text(schema, &names, error));
    if (names.length > 0) { /* steps alone may have none */
        SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "target", names.data, error));
    }
    names.length = 0;
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "data", schema->sparse ? "sparse" : "table", error));
    snprintf(number, sizeof number, "%u", schema->hash_bits);
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "hash_bits", number, error));
    snprintf(number, sizeof number, "%llu", (unsigned long long)design->n_features);
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "n_features", number, error));
    snprintf(number, sizeof number, "%llu", (unsigned long long)skimpi_schema_inputs(schema));
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "n_features_in", number, error));
    snprintf(number, sizeof number, "%llu", (unsigned long long)job->report.n_iter);
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "n_iter", number, error));
    if (!schema->sparse && schema->hash_bits == 0 && design->n_features <= SKIMPI_MAX_NAMED_FEATURES &&
        !job->pipeline.frame.lacks_names) {
        SKIMPI_TRY(skimpi_design_names(design, &job->pipeline.frame, schema, &names, error));
    }
    if (names.length > 0 && names.length <= METADATA_NAMES_MAX) {
        SKIMPI_TRY(list_names(tensors, &names, &text, error));
    }
out:
    skimpi_buffer_free(&text);
    skimpi_buffer_free(&names);
    return status;
}

/* Strings given one by one, as skimpi_tensors_add_strings lays them out. */
static skimp_status add_text(skimpi_tensors *tensors, const char *name, const skimpi_buffer *text, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *data = NULL;
    const uint64_t shape[] = { text->length };
    SKIMPI_TRY(skimpi_tensors_add(tensors, name, SKIMPI_U8, 1, shape, &data, error));
    if (text->length > 0) {
        memcpy(data, text->data, text->length);
    }
out:
    return status;
}

static skimp_status save_categories(skimp_model *model, const skimp_job *job, const skimpi_design *design,
                                    uint32_t ordinal, uint32_t slot, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_dictionary *dictionary = job->schema->dictionaries[slot];
    const uint32_t n = skimpi_dictionary_size(dictionary);
    uint32_t *sorted = NULL;
    uint64_t bytes = 0;
    char name[64], *to = NULL;
    SKIMPI_TRY(skimp_alloc(model->budget, SKIMP_TAG_MODEL, n, sizeof *sorted, (void **)&sorted, error));
    for (uint32_t code = 0; code < n; code++) {
        sorted[design->ranks[slot][code]] = code;
    }
    for (uint32_t k = 0; k < design->n_texts[slot]; k++) {
        size_t length = 0;
        (void)skimpi_dictionary_text(dictionary, sorted[k], &length);
        bytes += length + 1;
    }
    snprintf(name, sizeof name, "categories.%u", ordinal);
    SKIMPI_TRY(skimpi_tensors_add(model->tensors, name, SKIMPI_U8, 1, &bytes, (void **)&to, error));
    for (uint32_t k = 0; k < design->n_texts[slot]; k++) {
        size_t length = 0;
        const char *category = skimpi_dictionary_text(dictionary, sorted[k], &length);
        memcpy(to, category, length);
        to += length + 1;
    }
out:
    skimp_free(model->budget, SKIMP_TAG_MODEL, sorted, n, sizeof *sorted);
    return status;
}

static skimp_status save_columns(skimp_model *model, const skimp_job *job, const skimpi_design *design,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    skimpi_tensors *tensors = model->tensors;
    skimpi_buffer names;
    uint8_t *types = NULL, *missing = NULL;
    uint32_t *places = NULL;
    const uint64_t n = (uint64_t)schema->n_numeric + schema->n_category, n_category = schema->n_category;
    skimpi_buffer_init(&names, model->budget, SKIMP_TAG_MODEL);
    SKIMPI_TRY(skimpi_tensors_add(tensors, "column_types", SKIMPI_U8, 1, &n, (void **)&types, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, "column_places", SKIMPI_U32, 1, &n, (void **)&places, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, "category_missing", SKIMPI_U8, 1, &n_category, (void **)&missing, error));
    uint32_t k = 0, ordinal = 0;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        if (column->role != SKIMPI_ROLE_FEATURE) {
            continue;
        }
        SKIMPI_TRY(skimpi_buffer_append(&names, column->name, strlen(column->name) + 1, error));
        types[k] = column->type == SKIMPI_TYPE_CATEGORY;
        places[k] = c;
        k++;
        if (column->type == SKIMPI_TYPE_CATEGORY) {
            if (schema->hash_bits == 0) {
                missing[ordinal] = design->n_codes[column->slot] > design->n_texts[column->slot];
                SKIMPI_TRY(save_categories(model, job, design, ordinal, column->slot, error));
            }
            ordinal++;
        }
    }
    SKIMPI_TRY(add_text(tensors, "columns", &names, error));
out:
    skimpi_buffer_free(&names);
    return status;
}

static skimp_status save_classes(skimp_model *model, const skimp_job *job, const skimpi_classes *classes,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_tensors *tensors = model->tensors;
    skimpi_buffer text;
    skimpi_buffer_init(&text, model->budget, SKIMP_TAG_MODEL);
    if (classes->is_text) {
        for (uint32_t k = 0; k < classes->n_classes; k++) {
            size_t length = 0;
            const char *label = skimpi_dictionary_text(job->schema->dictionaries[job->schema->n_category],
                                                       (uint32_t)classes->values[k], &length);
            SKIMPI_TRY(skimpi_buffer_append(&text, label, length, error));
            SKIMPI_TRY(skimpi_buffer_append(&text, "", 1, error));
        }
        SKIMPI_TRY(add_text(tensors, "classes_", &text, error));
    } else if (classes->n_classes > 0) {
        const uint64_t n = classes->n_classes;
        double *values = NULL;
        SKIMPI_TRY(skimpi_tensors_add(tensors, "classes_", SKIMPI_F64, 1, &n, (void **)&values, error));
        memcpy(values, classes->values, n * sizeof *values);
    }
out:
    skimpi_buffer_free(&text);
    return status;
}

/*
 * The metadata come first: the names (for which a column's categories are put in order), their list and its copy, of which
 * the last stays.  Then come the columns, with their names; and the categories, with a column's order.  Of what is put
 * together in, the texts are as long as they are here.
 */
uint64_t skimpi_model_bytes(const skimp_job *job, const skimpi_forecast *f, uint64_t arrays)
{
    const skimpi_schema *schema = job->schema;
    const uint64_t n_columns = schema->sparse ? 0 : (uint64_t)schema->n_numeric + schema->n_category;
    const bool has_names =
        !schema->sparse && schema->hash_bits == 0 && skimpi_forecast_features(f) <= SKIMPI_MAX_NAMED_FEATURES;
    const uint64_t names = has_names ? skimp_alloc_cost(f->names) : 0;
    const uint64_t list = has_names && f->names <= METADATA_NAMES_MAX ? skimp_alloc_cost(f->names_json) : 0;
    const uint64_t columns = skimp_alloc_cost(f->column_names);
    const uint64_t order = skimp_alloc_cost(f->most_categories * sizeof(uint32_t));
    uint64_t rest = skimpi_add_sat(arrays, skimpi_add_sat(columns, f->category_texts));
    rest = skimpi_add_sat(rest, n_columns * (2 + (1 + job->pipeline.n_steps) * sizeof(uint32_t)));
    rest = skimpi_add_sat(rest, (f->new_floats + f->new_doubles) * job->pipeline.n_steps * sizeof(uint32_t));
    rest = skimpi_add_sat(rest, skimpi_max_u64(order, columns + columns / 2));
    return skimpi_add_sat(list + SMALL_PARTS, skimpi_max_u64(names + skimpi_max_u64(order, list), rest));
}

skimp_status skimpi_model_create(skimp_model **out, skimp_job *job, const skimpi_design *design,
                                 const skimpi_classes *classes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = NULL;
    skimp_model *model = NULL;
    char prefix[96];
    const skimp_budget_options options = { .size = sizeof options,
                                           .limit = skimp_budget_limit(job->budget),
                                           .parent = job->budget };
    *out = NULL;
    SKIMPI_TRY(skimp_budget_create(&budget, &options, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_MODEL, 1, sizeof *model, (void **)&model, error));
    model->budget = budget;
    SKIMPI_TRY(skimpi_tensors_create(&model->tensors, budget, error));
    SKIMPI_TRY(save_metadata(model, job, design, error));
    SKIMPI_TRY(save_columns(model, job, design, error));
    SKIMPI_TRY(save_classes(model, job, classes, error));
    for (unsigned i = 0; i < job->pipeline.n_steps; i++) {
        const skimpi_stage *stage = &job->pipeline.steps[i];
        const uint64_t n = stage->n_inputs;
        uint32_t *columns = NULL;
        snprintf(prefix, sizeof prefix, "%u.%s.%scolumns", i, stage->name, stage->on_text ? "text_" : "");
        SKIMPI_TRY(skimpi_tensors_add(model->tensors, prefix, SKIMPI_U32, 1, &n, (void **)&columns, error));
        if (n > 0) {
            memcpy(columns, stage->inputs, n * sizeof *columns);
        }
        snprintf(prefix, sizeof prefix, "%u.%s.", i, stage->name);
        SKIMPI_TRY(stage->class->save(stage->fitted, model->tensors, prefix, error));
    }
    if (job->pipeline.estimator.class != NULL) {
        SKIMPI_TRY(job->pipeline.estimator.class->save(job->pipeline.estimator.fitted, model->tensors, "", error));
    }
    /* It outlives the job, which is charged for it as long as it lasts. */
    skimpi_budget_detach(budget);
    SKIMPI_TRY(skimp_budget_charge(job->budget, SKIMP_TAG_MODEL, skimp_budget_in_use(budget), error));
    job->model_charge = skimp_budget_in_use(budget);
    *out = model;
out:
    if (status != SKIMP_OK) {
        if (model != NULL) {
            skimp_model_destroy(model);
        } else {
            skimpi_budget_end(budget);
        }
    }
    return status;
}

bool skimpi_model_is_steps(const skimpi_tensors *tensors)
{
    const char *name = skimpi_tensors_meta(tensors, "estimator");
    return name != NULL && strcmp(name, SKIMPI_STEPS_ALONE) == 0;
}

/* Do these tensors say that they are a model, of an estimator that is known here? */
static skimp_status check_model(const skimp_model *model, const char *path, skimp_error *error)
{
    const char *name = skimpi_tensors_meta(model->tensors, "estimator");
    if (name == NULL || skimpi_tensors_meta(model->tensors, "skimp_version") == NULL) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL, "these tensors are no skimp model");
    }
    const skimpi_estimator_class *class = skimpi_estimator_class_find(name);
    if (!skimpi_model_is_steps(model->tensors) && (class == NULL || class->info.kind == SKIMP_TRANSFORMER)) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL,
                              "this model's estimator '%.64s' is not known here", name);
    }
    return SKIMP_OK;
}

skimp_status skimp_model_load(skimp_model **out, skimp_budget *parent, const char *path, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = NULL;
    skimp_model *model = NULL;
    const skimp_budget_options options = { .size = sizeof options, .parent = parent };
    *out = NULL;
    SKIMPI_TRY(skimp_budget_create(&budget, &options, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_MODEL, 1, sizeof *model, (void **)&model, error));
    model->budget = budget;
    SKIMPI_TRY(skimpi_tensors_read(&model->tensors, budget, path, error));
    SKIMPI_TRY(check_model(model, path, error));
    *out = model;
out:
    if (status != SKIMP_OK) {
        if (model != NULL) {
            skimp_model_destroy(model);
        } else {
            skimpi_budget_end(budget);
        }
    }
    return status;
}

static const char *const dtype_names[] = {
    [SKIMPI_F64] = "F64", [SKIMPI_F32] = "F32", [SKIMPI_I64] = "I64", [SKIMPI_U64] = "U64",
    [SKIMPI_I32] = "I32", [SKIMPI_U32] = "U32", [SKIMPI_U8] = "U8"
};
#define N_DTYPES (sizeof dtype_names / sizeof *dtype_names)

static skimp_status borrow_array(skimp_model *model, const skimp_array *array, skimp_error *error)
{
    unsigned dtype = 0;
    while (dtype < N_DTYPES && strcmp(dtype_names[dtype], array->dtype) != 0) {
        dtype++;
    }
    if (dtype == N_DTYPES || array->n_dims > 4 || array->data == NULL) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "array '%s': type '%s' in %u dimensions is not one of a model",
                           array->name, array->dtype, array->n_dims);
    }
    return skimpi_tensors_borrow(model->tensors, array->name, (skimpi_dtype)dtype, array->n_dims, array->shape,
                                 array->data, error);
}

skimp_status skimp_model_of_arrays(skimp_model **out, skimp_budget *parent, const skimp_setting *meta, size_t n_meta,
                                   const skimp_array *arrays, size_t n_arrays, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = NULL;
    skimp_model *model = NULL;
    const skimp_budget_options options = { .size = sizeof options, .parent = parent };
    *out = NULL;
    SKIMPI_TRY(skimp_budget_create(&budget, &options, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_MODEL, 1, sizeof *model, (void **)&model, error));
    model->budget = budget;
    SKIMPI_TRY(skimpi_tensors_create(&model->tensors, budget, error));
    for (size_t i = 0; i < n_meta; i++) {
        SKIMPI_TRY(skimpi_tensors_set_meta(model->tensors, meta[i].name, meta[i].value, error));
    }
    for (size_t i = 0; i < n_arrays; i++) {
        SKIMPI_TRY(borrow_array(model, &arrays[i], error));
    }
    SKIMPI_TRY(check_model(model, NULL, error));
    *out = model;
out:
    if (status != SKIMP_OK) {
        if (model != NULL) {
            skimp_model_destroy(model);
        } else {
            skimpi_budget_end(budget);
        }
    }
    return status;
}

skimp_status skimp_model_save(const skimp_model *model, const char *path, skimp_error *error)
{
    return skimpi_tensors_write(model->tensors, path, error);
}

void skimp_model_destroy(skimp_model *model)
{
    if (model == NULL) {
        return;
    }
    skimp_budget *budget = model->budget;
    skimpi_tensors_destroy(model->tensors);
    skimp_free(budget, SKIMP_TAG_MODEL, model, 1, sizeof *model);
    skimpi_budget_end(budget);
}

const char *skimp_model_estimator(const skimp_model *model)
{
    return skimpi_tensors_meta(model->tensors, "estimator");
}

uint64_t skimp_model_bytes(const skimp_model *model)
{
    return skimp_budget_in_use(model->budget);
}

bool skimp_model_meta(const skimp_model *model, size_t i, const char **key, const char **value)
{
    if (i >= skimpi_tensors_meta_count(model->tensors)) {
        return false;
    }
    skimpi_tensors_meta_at(model->tensors, i, key, value);
    return true;
}

bool skimp_model_array(const skimp_model *model, size_t i, skimp_array *out)
{
    if (i >= skimpi_tensors_count(model->tensors)) {
        return false;
    }
    const skimpi_tensor *tensor = skimpi_tensors_at(model->tensors, i);
    *out = (skimp_array){
        .name = tensor->name, .dtype = dtype_names[tensor->dtype], .n_dims = tensor->n_dims, .data = tensor->data
    };
    memcpy(out->shape, tensor->shape, sizeof out->shape);
    return true;
}
