/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model over new inputs: its columns there (model_columns.c), its steps, classes and estimator.  A model file is hostile:
 * what it says is checked before it is used.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/json_value.h"
#include "engine/engine.h"

skimp_status skimpi_model_damaged(skimp_error *error, const char *what)
{
    return skimpi_fail(error, SKIMP_ERROR_DATA, "the model is damaged: %s", what);
}

skimp_status skimpi_model_strings(const skimpi_tensors *tensors, const char *name, const char **text, uint64_t *bytes,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensor *tensor = NULL;
    const uint64_t any = UINT64_MAX;
    SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_U8, 1, &any, &tensor, error));
    *text = tensor->data;
    *bytes = tensor->n_values;
    if (*bytes > 0 && (*text)[*bytes - 1] != '\0') {
        SKIMPI_TRY(skimpi_model_damaged(error, name));
    }
out:
    return status;
}

skimp_status skimpi_model_number(const skimpi_tensors *tensors, const char *key, uint64_t most, uint64_t *out,
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
    return sound && value <= most ? SKIMP_OK : skimpi_model_damaged(error, key);
}

/* ---- pipeline from metadata ------------------------------------------------------------------------------------------ */

static skimp_status set_params(skimpi_params *params, skimpi_json object, skimp_budget *budget, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char *text = NULL;
    size_t capacity = 0;
    skimpi_json key, item;
    if (skimpi_json_kind_of(object) != SKIMPI_JSON_OBJECT) {
        return skimpi_model_damaged(error, "parameters");
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
        return skimpi_model_damaged(error, is_step ? "an unknown step" : "an unknown estimator");
    }
    SKIMPI_TRY(skimpi_params_create(&stage->params, budget, &stage->class->info, error));
    SKIMPI_TRY(set_params(stage->params, params, budget, error));
out:
    return status;
}

/* The columns that a step works on, which must be among those that there are when it comes. */
static skimp_status load_inputs(skimpi_stage *stage, const skimpi_applied *applied, const skimpi_tensors *tensors,
                                unsigned i, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_frame *frame = &applied->pipeline.frame;
    const skimpi_tensor *columns = NULL;
    const uint64_t any = UINT64_MAX;
    char name[96];
    snprintf(name, sizeof name, "%u.%s.text_columns", i, stage->name);
    stage->on_text = skimpi_tensors_find(tensors, name) != NULL;
    if (!stage->on_text) {
        snprintf(name, sizeof name, "%u.%s.columns", i, stage->name);
    }
    SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_U32, 1, &any, &columns, error));
    if (applied->job->schema->sparse) {
        return stage->on_text ? skimpi_model_damaged(error, name) : SKIMP_OK;
    }
    const uint32_t *wanted = columns->data;
    const uint32_t *there = stage->on_text ? frame->text : frame->dense;
    const uint32_t n_there = stage->on_text ? frame->n_text : frame->n_dense;
    uint32_t at = 0;
    /* Flags, as a fit has them: they take the columns out of the frame. */
    stage->n_flags = stage->on_text ? frame->n_category : frame->n_ids;
    SKIMPI_TRY(skimp_alloc(applied->job->budget, SKIMP_TAG_OTHER, stage->n_flags, 1, (void **)&stage->has_slot, error));
    for (uint64_t k = 0; k < columns->n_values; k++) {
        while (at < n_there && there[at] < wanted[k]) {
            at++;
        }
        if (at == n_there || there[at] != wanted[k] || (stage->on_text && !stage->class->handles_text)) {
            SKIMPI_TRY(skimpi_model_damaged(error, name));
        }
        stage->has_slot[there[at++]] = 1;
    }
    SKIMPI_TRY(skimpi_frame_bind(frame, stage, error));
out:
    return status;
}

static skimp_status load_step(skimpi_applied *applied, const skimpi_tensors *tensors, unsigned i, skimpi_json step,
                              skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char name[64] = "", class_name[64] = "", prefix[96];
    skimpi_json key, item, params = { "{}", 2 };
    if (skimpi_json_kind_of(step) != SKIMPI_JSON_OBJECT) {
        return skimpi_model_damaged(error, "a step");
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
    SKIMPI_TRY(load_inputs(stage, applied, tensors, i, error));
    const uint64_t n_sparse = applied->pipeline.frame.n_sparse;
    const skimpi_problem problem = { .is_exact = true,
                                     .n_features = stage->n_inputs + n_sparse,
                                     .n_dense = stage->on_text ? 0 : stage->n_inputs,
                                     .n_code_columns = stage->on_text ? stage->n_inputs : 0,
                                     .n_sparse = n_sparse,
                                     .hash_bits = applied->job->schema->hash_bits,
                                     .n_threads = 1 };
    snprintf(prefix, sizeof prefix, "%u.%s.", i, name);
    SKIMPI_TRY(
        stage->class->load(&stage->fitted, applied->job->budget, tensors, prefix, &problem, stage->params, error));
    SKIMPI_TRY(skimpi_frame_advance(&applied->pipeline.frame, stage, NULL, error));
out:
    return status;
}

/* The feature space that the steps leave, which must be that of the model. */
static skimp_status place_features(skimpi_applied *applied, const skimpi_tensors *tensors, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = applied->job;
    skimpi_design *design = &applied->design;
    const skimpi_frame *frame = &applied->pipeline.frame;
    uint64_t n_features = 0;
    SKIMPI_TRY(skimpi_model_number(tensors, "n_features", SKIMPI_MAX_FEATURES, &n_features, error));
    if (job->schema->sparse) {
        design->n_features = design->n_sparse = frame->n_sparse;
    } else {
        SKIMPI_TRY(skimpi_recode_bind(&applied->pipeline, applied->pipeline.n_steps, design, job->schema,
                                      applied->category_slots, error));
        SKIMPI_TRY(skimpi_design_place(design, frame, skimpi_tensors_find(tensors, "column_types")->data,
                                       job->schema->hash_bits, error));
    }
    if (design->n_features != n_features) {
        SKIMPI_TRY(skimpi_model_damaged(error, "n_features"));
    }
    applied->problem = (skimpi_problem){
        .is_exact = true,
        .n_features = design->n_features,
        .n_dense = design->n_dense,
        .n_code_columns = design->n_code_columns,
        .n_sparse = design->n_sparse,
        .n_classes = applied->classes.n_classes,
        .n_threads = 1,
    };
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
        SKIMPI_TRY(skimpi_model_damaged(error, "its steps"));
    }
    skimpi_json_items items = skimpi_json_begin(steps);
    for (unsigned i = 0; skimpi_json_next(&items, &key, &item); i++) {
        SKIMPI_TRY(load_step(applied, tensors, i, item, error));
    }
    SKIMPI_TRY(place_features(applied, tensors, error));
    text = skimpi_tensors_meta(tensors, "params");
    if (text == NULL || !skimpi_json_check(text, strlen(text), &params, NULL)) {
        SKIMPI_TRY(skimpi_model_damaged(error, "its params"));
    }
    if (skimpi_model_is_steps(tensors)) {
        if (skimpi_json_kind_of(params) != SKIMPI_JSON_OBJECT || skimpi_json_count(params) > 0) {
            SKIMPI_TRY(skimpi_model_damaged(error, "its params: there is no estimator"));
        }
        applied->pipeline.keeps_missing = !applied->job->options.drop_missing;
        return SKIMP_OK;
    }
    const char *name = skimpi_tensors_meta(tensors, "estimator");
    skimpi_stage *estimator = &applied->pipeline.estimator;
    SKIMPI_TRY(load_stage(estimator, applied, false, name, name, params, error));
    SKIMPI_TRY(estimator->class->load(&estimator->fitted, applied->job->budget, tensors, "", &applied->problem,
                                      estimator->params, error));
out:
    return status;
}

/* ---- classes ------------------------------------------------------------------------------------------------------------ */

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
        SKIMPI_TRY(skimpi_model_strings(tensors, "classes_", &text, &bytes, error));
        n = 0;
        for (uint64_t i = 0; i < bytes; i++) {
            n += text[i] == '\0';
        }
    }
    if (n < 2 || n > SKIMPI_MAX_CLASSES || values->n_dims != 1 || (!classes->is_text && values->dtype != SKIMPI_F64)) {
        SKIMPI_TRY(skimpi_model_damaged(error, "classes_"));
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
    if (schema->target >= 0 && is_text != applied->classes.is_text && !applied->job->keeps_roles) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, applied->job->options.inputs[0], 0,
                              schema->sparse ? "label" : schema->columns[schema->target].name,
                              "this target holds %s, but the model was trained on %s", is_text ? "text" : "numbers",
                              is_text ? "numbers" : "text");
    }
    if (!applied->classes.is_text) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_model_strings(tensors, "classes_", &text, &bytes, error));
    if (schema->dictionaries[schema->n_category] == NULL) {
        SKIMPI_TRY(skimpi_dictionary_create(&schema->dictionaries[schema->n_category], applied->job->budget, error));
    }
    SKIMPI_TRY(skimpi_model_fill(schema->dictionaries[schema->n_category], text, bytes, error));
out:
    return status;
}

/* Where a missing value may stay because a step takes it away. */
static skimp_status allow_missing(const skimpi_applied *applied, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = applied->job;
    const skimpi_schema *schema = job->schema;
    SKIMPI_TRY(skimpi_job_arrays(job, error));
    if (schema->sparse) {
        job->may_miss[0] = skimpi_pipeline_may_miss(&applied->pipeline, false, 0);
    }
    for (uint32_t k = 0; k < applied->design.n_numeric; k++) {
        job->may_miss[schema->numeric[applied->numeric_slots[k]]] =
            skimpi_pipeline_may_miss(&applied->pipeline, false, k);
    }
    for (uint32_t k = 0; k < applied->design.n_category; k++) {
        job->may_miss[schema->category[applied->category_slots[k]]] =
            skimpi_pipeline_may_miss(&applied->pipeline, true, k);
    }
out:
    return status;
}

const char *skimpi_applied_weight(const skimp_job *job)
{
    return job->keeps_roles && !job->store_is_input ? job->options.weight : NULL;
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
    if (job->keeps_roles && !job->store_is_input) {
        target = job->options.target != NULL ? job->options.target : sparse && job->arrays == NULL ? "label" : NULL;
    }
    if (job->store_is_input) {
        SKIMPI_TRY(skimpi_stored_view(job, error));
    }
    SKIMPI_TRY(load_classes(applied, tensors, error));
    if (sparse) {
        const skimpi_roles roles = { .target = target, .weight = skimpi_applied_weight(job) };
        SKIMPI_TRY(skimpi_job_assign(job, &roles, job->keeps_roles, error));
        SKIMPI_TRY(skimpi_model_number(tensors, "n_features_in", SKIMPI_MAX_FEATURES, &applied->n_sparse_in, error));
    } else {
        SKIMPI_TRY(skimpi_applied_columns(applied, tensors, target, error));
    }
    SKIMPI_TRY(load_class_text(applied, tensors, error));
    if (job->stored == NULL) {
        skimpi_job_settle(job);
    }
    job->reader_options.fixed_categories = true;
    job->reader_options.target_optional = !with_target;
    job->reader_options.target_grows = job->keeps_roles;
    SKIMPI_TRY(skimpi_frame_begin(&applied->pipeline.frame, job->budget, applied->design.n_numeric,
                                  applied->design.n_category, applied->n_sparse_in, error));
    SKIMPI_TRY(load_pipeline(applied, tensors, error));
    if (skimpi_pipeline_classifies(&applied->pipeline) != (applied->classes.n_classes > 0)) {
        SKIMPI_TRY(skimpi_model_damaged(error, "classes_"));
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
    skimp_free(budget, SKIMP_TAG_OTHER, applied->numeric_slots, applied->design.n_numeric, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_OTHER, applied->category_slots, applied->design.n_category, sizeof(uint32_t));
    skimpi_pipeline_destroy(&applied->pipeline);
    if (applied->classes.budget != NULL) {
        skimpi_classes_destroy(&applied->classes);
    }
    if (applied->design.budget != NULL) {
        skimpi_design_destroy(&applied->design);
    }
    *applied = (skimpi_applied){ 0 };
}
