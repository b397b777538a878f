/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fits that go on from a model: options.start, options.classes, options.partial.  The start is as hostile as a model file:
 * that it is of this estimator, these steps, columns, categories and classes is checked here; the shapes of its arrays are,
 * by each class's `start`.  Its arrays stay where they are.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/json_value.h"
#include "engine/engine.h"

static const skimpi_tensors *start_of(const skimp_job *job)
{
    return job->options.start != NULL ? job->options.start->tensors : NULL;
}

/* What messages call the estimator, or the last of the steps alone. */
static const char *class_name(const skimp_job *job)
{
    const skimpi_pipeline *pipeline = &job->pipeline;
    return pipeline->estimator.class != NULL ? pipeline->estimator.class->info.class_name
           : pipeline->n_steps > 0           ? pipeline->steps[pipeline->n_steps - 1].class->info.class_name
                                             : SKIMPI_STEPS_ALONE;
}

/* Do steps go on from the start's?  Before an estimator that begins at its coefficients they are fitted anew. */
static bool steps_go_on(const skimp_job *job)
{
    return job->options.partial || job->pipeline.estimator.class == NULL;
}

/* ---- before the data ------------------------------------------------------------------------------------------------------ */

static skimp_status check_classes_option(const skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_labels labels;
    if (job->options.classes == NULL) {
        return SKIMP_OK;
    }
    if (!skimpi_pipeline_classifies(&job->pipeline)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "classes are for a classifier");
    }
    if (job->options.start != NULL) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "a fit that goes on from a model has that model's classes");
    }
    SKIMPI_TRY(skimpi_start_labels(job, &labels, error));
out:
    return status;
}

/* The start's steps, one after the other, must be the job's. */
static skimp_status check_steps(const skimp_job *job, const skimpi_tensors *tensors, skimp_error *error)
{
    const skimpi_pipeline *pipeline = &job->pipeline;
    const char *text = skimpi_tensors_meta(tensors, "steps");
    skimpi_json steps, step, key, item;
    if (text == NULL || !skimpi_json_check(text, strlen(text), &steps, NULL) ||
        skimpi_json_kind_of(steps) != SKIMPI_JSON_ARRAY) {
        return skimpi_model_damaged(error, "its steps");
    }
    const size_t n = skimpi_json_count(steps);
    if (n != pipeline->n_steps) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "the model to go on from has %zu steps, this fit %u", n,
                           pipeline->n_steps);
    }
    skimpi_json_items list = skimpi_json_begin(steps);
    for (unsigned i = 0; skimpi_json_next(&list, &key, &step); i++) {
        const skimpi_stage *stage = &pipeline->steps[i];
        bool has_name = false, has_class = false;
        skimpi_json_items items = skimpi_json_begin(step);
        while (skimpi_json_next(&items, &key, &item)) {
            has_name |=
                skimpi_json_string_is(key, "name", 4) && skimpi_json_string_is(item, stage->name, strlen(stage->name));
            has_class |= skimpi_json_string_is(key, "estimator", 9) &&
                         skimpi_json_string_is(item, stage->class->info.name, strlen(stage->class->info.name));
        }
        if (!has_name || !has_class) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "step %u of the model to go on from is not the %s that it is in this fit", i,
                               stage->name);
        }
    }
    return SKIMP_OK;
}

/* Can these classes do what they are asked for? */
static skimp_status check_stages(const skimp_job *job, skimp_error *error)
{
    const skimpi_pipeline *pipeline = &job->pipeline;
    const bool has_start = job->options.start != NULL, has_estimator = pipeline->estimator.class != NULL;
    for (unsigned i = 0; i < pipeline->n_steps + has_estimator; i++) {
        const skimpi_stage *stage = i < pipeline->n_steps ? &pipeline->steps[i] : &pipeline->estimator;
        const bool starts = has_start && (i == pipeline->n_steps || steps_go_on(job));
        if (starts && stage->class->start == NULL) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s cannot go on from a model: it is fitted anew each time",
                               stage->name);
        }
        if (job->options.partial && !stage->class->learns_in_parts) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s does not learn in parts: fit it on all the data at once",
                               stage->name);
        }
    }
    return SKIMP_OK;
}

skimp_status skimpi_start_check(const skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensors *tensors = start_of(job);
    const bool goes_on = tensors != NULL || job->options.partial || job->options.classes != NULL;
    if (goes_on && !skimpi_pipeline_fits(&job->pipeline)) {
        return SKIMP_OK; /* neither estimator nor steps: the fit refuses */
    }
    SKIMPI_TRY(check_stages(job, error));
    SKIMPI_TRY(check_classes_option(job, error));
    if (tensors == NULL) {
        return SKIMP_OK;
    }
    const char *name = skimpi_tensors_meta(tensors, "estimator");
    const char *own =
        job->pipeline.estimator.class != NULL ? job->pipeline.estimator.class->info.name : SKIMPI_STEPS_ALONE;
    if (name == NULL || strcmp(name, own) != 0) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "the model to go on from is a %.64s, this fit one of %s",
                               name != NULL ? name : "model of nothing", own));
    }
    SKIMPI_TRY(check_steps(job, tensors, error));
out:
    return status;
}

/* ---- columns ------------------------------------------------------------------------------------------------------------------ */

/* scikit-learn's words. */
static skimp_status wrong_width(const skimp_job *job, uint64_t here, uint64_t there, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.n_inputs == 1 ? job->options.inputs[0] : NULL, 0, NULL,
                          "X has %llu features, but %s is expecting %llu features as input", (unsigned long long)here,
                          class_name(job), (unsigned long long)there);
}

/* Is this a name that columns without one are given? */
static bool is_made_up(const char *name)
{
    char digits[16];
    unsigned number = 0;
    return sscanf(name, "x%9u", &number) == 1 && snprintf(digits, sizeof digits, "x%u", number) > 0 &&
           strcmp(name, digits) == 0;
}

static skimp_status wrong_column(const skimp_job *job, const char *name, const char *what, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, name,
                          "this column %s the model to go on from was trained on", what);
}

/* Columns in the same order, by name where both sides have names. */
static skimp_status check_table(const skimp_job *job, const skimpi_tensors *tensors, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const uint64_t n = (uint64_t)schema->n_numeric + schema->n_category, any = UINT64_MAX;
    const skimpi_tensor *types = NULL;
    const char *names = NULL;
    uint64_t bytes = 0;
    SKIMPI_TRY(skimpi_tensors_need(tensors, "column_types", SKIMPI_U8, 1, &any, &types, error));
    SKIMPI_TRY(skimpi_model_strings(tensors, "columns", &names, &bytes, error));
    if (types->n_values != n) {
        SKIMPI_TRY(wrong_width(job, n, types->n_values, error));
    }
    const char *at = names;
    uint64_t k = 0;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        if (column->role != SKIMPI_ROLE_FEATURE) {
            continue;
        }
        if (at >= names + bytes) {
            SKIMPI_TRY(skimpi_model_damaged(error, "columns"));
        }
        const bool is_text = column->type == SKIMPI_TYPE_CATEGORY;
        const bool is_other = strcmp(at, column->name) != 0;
        const bool has_names = is_other && !is_made_up(at) && !is_made_up(column->name);
        if (has_names || (is_other && skimpi_schema_find(schema, at, strlen(at)) >= 0)) {
            SKIMPI_TRY(wrong_column(job, column->name, "is not in the place of one that", error));
        }
        if (is_text != (((const uint8_t *)types->data)[k] != 0)) {
            SKIMPI_TRY(wrong_column(job, column->name,
                                    is_text ? "holds text, not numbers as" : "holds numbers, not text as", error));
        }
        at += strlen(at) + 1;
        k++;
    }
out:
    return status;
}

skimp_status skimpi_start_columns(const skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = job->schema;
    const skimpi_tensors *tensors = start_of(job);
    uint64_t hash_bits = 0, n_features = 0;
    if (tensors == NULL) {
        return SKIMP_OK;
    }
    const char *kind = skimpi_tensors_meta(tensors, "data");
    const bool sparse = kind != NULL && strcmp(kind, "sparse") == 0;
    if (sparse != schema->sparse) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, NULL,
                                  "the model to go on from was trained on %s, this is %s",
                                  sparse ? "sparse data" : "a table", schema->sparse ? "sparse data" : "a table"));
    }
    SKIMPI_TRY(skimpi_model_number(tensors, "hash_bits", 28, &hash_bits, error));
    if (hash_bits != schema->hash_bits) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "the model to go on from has %llu hash bits, this fit %u",
                               (unsigned long long)hash_bits, schema->hash_bits));
    }
    if (!sparse) {
        SKIMPI_TRY(check_table(job, tensors, error));
        goto out;
    }
    SKIMPI_TRY(skimpi_model_number(tensors, "n_features_in", SKIMPI_MAX_FEATURES, &n_features, error));
    /* Arrays say how wide they are; a file's last columns may just be empty. */
    if (job->arrays != NULL ? schema->n_sparse_features != n_features : schema->n_sparse_features > n_features) {
        SKIMPI_TRY(wrong_width(job, schema->n_sparse_features, n_features, error));
    }
    schema->n_sparse_features = n_features;
out:
    return status;
}

/* All categories of the start, sorted as there, are the column's, sorted. */
static bool has_categories(const skimp_job *job, const skimpi_design *design, uint32_t slot, const char *text,
                           uint64_t bytes)
{
    const skimpi_dictionary *dictionary = job->schema->dictionaries[slot];
    uint32_t k = 0;
    for (const char *at = text; at < text + bytes; at += strlen(at) + 1) {
        const size_t length = strlen(at);
        const uint32_t code = skimpi_dictionary_find(dictionary, at, length, skimpi_dictionary_hash(at, length));
        if (code == SKIMPI_CODE_UNKNOWN || design->ranks[slot][code] != k++) {
            return false;
        }
    }
    return k == design->n_texts[slot];
}

skimp_status skimpi_start_features(const skimp_job *job, const skimpi_design *design, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const skimpi_tensors *tensors = start_of(job);
    const skimpi_tensor *missing = NULL;
    const uint64_t n_category = schema->n_category;
    uint64_t n_features = 0;
    uint32_t ordinal = 0;
    if (tensors == NULL) {
        return SKIMP_OK;
    }
    for (uint32_t c = 0; !schema->sparse && schema->hash_bits == 0 && c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        const char *text = NULL;
        uint64_t bytes = 0;
        char name[64];
        if (column->role != SKIMPI_ROLE_FEATURE || column->type != SKIMPI_TYPE_CATEGORY) {
            continue;
        }
        snprintf(name, sizeof name, "categories.%u", ordinal);
        SKIMPI_TRY(skimpi_model_strings(tensors, name, &text, &bytes, error));
        SKIMPI_TRY(skimpi_tensors_need(tensors, "category_missing", SKIMPI_U8, 1, &n_category, &missing, error));
        const bool has_missing = design->n_codes[column->slot] > design->n_texts[column->slot];
        if (!has_categories(job, design, column->slot, text, bytes) ||
            has_missing != (((const uint8_t *)missing->data)[ordinal] != 0)) {
            SKIMPI_TRY(wrong_column(job, column->name, "has not the categories that", error));
        }
        ordinal++;
    }
    SKIMPI_TRY(skimpi_model_number(tensors, "n_features", SKIMPI_MAX_FEATURES, &n_features, error));
    if (n_features != design->n_features) {
        SKIMPI_TRY(wrong_width(job, design->n_features, n_features, error));
    }
out:
    return status;
}

/* ---- classes ------------------------------------------------------------------------------------------------------------------- */

static skimp_status bad_classes(bool is_option, skimp_error *error)
{
    return is_option ? skimpi_fail(error, SKIMP_ERROR_PARAM,
                                   "classes must be whole numbers or texts, ascending, each there once")
                     : skimpi_model_damaged(error, "classes_");
}

/* Texts in the order of their bytes, each there once. */
static bool read_texts(skimpi_labels *labels)
{
    const char *before = NULL, *const end = labels->text + labels->text_bytes;
    bool sound = labels->text_bytes == 0 || end[-1] == '\0';
    for (const char *at = labels->text; sound && at < end; at += strlen(at) + 1) {
        sound = before == NULL || strcmp(before, at) < 0;
        before = at;
        labels->n++;
    }
    return sound;
}

static bool read_numbers(const skimpi_labels *labels)
{
    bool sound = true;
    for (uint64_t k = 0; sound && k < labels->n; k++) {
        const double value = labels->values[k];
        sound = isfinite(value) && value == floor(value) && (k == 0 || labels->values[k - 1] < value);
    }
    return sound;
}

skimp_status skimpi_start_labels(const skimp_job *job, skimpi_labels *labels, skimp_error *error)
{
    const skimpi_tensors *tensors = start_of(job);
    const skimp_array *given = job->options.classes;
    *labels = (skimpi_labels){ 0 };
    if (!skimpi_pipeline_classifies(&job->pipeline) || (tensors == NULL && given == NULL)) {
        return SKIMP_OK;
    }
    bool sound = true;
    uint64_t n = 0;
    const void *data = NULL;
    if (given != NULL) {
        labels->is_text = given->dtype != NULL && strcmp(given->dtype, "U8") == 0;
        sound = given->n_dims == 1 && given->data != NULL &&
                (labels->is_text || (given->dtype != NULL && strcmp(given->dtype, "F64") == 0));
        n = given->shape[0];
        data = given->data;
    } else {
        const skimpi_tensor *tensor = skimpi_tensors_find(tensors, "classes_");
        sound = tensor != NULL && tensor->n_dims == 1 && (tensor->dtype == SKIMPI_U8 || tensor->dtype == SKIMPI_F64);
        labels->is_text = sound && tensor->dtype == SKIMPI_U8;
        n = sound ? tensor->n_values : 0;
        data = sound ? tensor->data : NULL;
    }
    if (!sound) {
        return bad_classes(given != NULL, error);
    }
    if (labels->is_text) {
        labels->text = data;
        labels->text_bytes = n;
    } else {
        labels->values = data;
        labels->n = n;
    }
    if (!(labels->is_text ? read_texts(labels) : n <= SKIMPI_MAX_CLASSES && read_numbers(labels)) ||
        labels->n > SKIMPI_MAX_CLASSES) {
        return bad_classes(given != NULL, error);
    }
    if (labels->n < 2) {
        return given == NULL
                   ? bad_classes(false, error)
                   : skimpi_fail(error, SKIMP_ERROR_PARAM,
                                 "The number of classes has to be greater than one; got %u class", (unsigned)labels->n);
    }
    return SKIMP_OK;
}

skimp_status skimpi_start_forecast(const skimp_job *job, skimpi_forecast *f, bool grows, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    skimpi_labels labels;
    if (schema->sparse && start_of(job) != NULL) {
        f->n_sparse = f->features = skimpi_max_u64(f->n_sparse, schema->n_sparse_features);
    }
    SKIMPI_TRY(skimpi_start_labels(job, &labels, error));
    if (labels.n > 0) {
        f->classes = (uint32_t)labels.n;
    }
    if (labels.n > 0 && labels.is_text && grows) {
        const skimpi_dictionary *dictionary =
            schema->dictionaries != NULL ? schema->dictionaries[schema->n_category] : NULL;
        f->category_memory += dictionary != NULL ? skimpi_dictionary_growth(dictionary, labels.n, labels.text_bytes)
                                                 : skimpi_dictionary_bytes(labels.n, labels.text_bytes, UINT64_MAX);
    }
out:
    return status;
}

/* ---- stages --------------------------------------------------------------------------------------------------------------------- */

/* The columns that a step worked on are those that it works on. */
static skimp_status check_inputs(const skimp_job *job, const skimpi_stage *stage, unsigned number, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensor *columns = NULL;
    const uint64_t n = stage->n_inputs;
    char name[96];
    snprintf(name, sizeof name, "%u.%s.%scolumns", number, stage->name, stage->on_text ? "text_" : "");
    SKIMPI_TRY(skimpi_tensors_need(start_of(job), name, SKIMPI_U32, 1, &n, &columns, error));
    if (n > 0 && memcmp(columns->data, stage->inputs, n * sizeof *stage->inputs) != 0) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "step %s of the model to go on from works on other columns",
                               stage->name));
    }
out:
    return status;
}

skimp_status skimpi_start_stage(const skimp_job *job, skimpi_stage *stage, unsigned number, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char prefix[96] = "";
    if (start_of(job) == NULL) {
        return SKIMP_OK;
    }
    if (number < job->pipeline.n_steps && !steps_go_on(job)) {
        return SKIMP_OK;
    }
    if (number < job->pipeline.n_steps) {
        SKIMPI_TRY(check_inputs(job, stage, number, error));
        snprintf(prefix, sizeof prefix, "%u.%s.", number, stage->name);
    }
    SKIMPI_TRY(stage->class->start(stage->fitted, start_of(job), prefix, error));
out:
    return status;
}

uint64_t skimpi_start_hash(const skimp_job *job, uint64_t hash)
{
    const skimpi_tensors *tensors = start_of(job);
    for (size_t i = 0; tensors != NULL && i < skimpi_tensors_count(tensors); i++) {
        const skimpi_tensor *tensor = skimpi_tensors_at(tensors, i);
        const bool is_wide = tensor->dtype == SKIMPI_F64 || tensor->dtype == SKIMPI_I64 || tensor->dtype == SKIMPI_U64;
        const size_t width = is_wide ? 8 : tensor->dtype == SKIMPI_U8 ? 1 : 4;
        hash = XXH3_64bits_withSeed(tensor->name, strlen(tensor->name), hash);
        hash = XXH3_64bits_withSeed(tensor->data, tensor->n_values * width, hash);
    }
    return hash;
}
