/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pipeline: steps and the estimator at the end, found by name, with their parameters and columns.
 *
 * A step works on all numeric columns (those that steps before it added too) unless "@text" or "@a,b" says otherwise, and
 * sees them as a feature space of its own (0 … n_inputs - 1), whatever their place in the data.  Sparse data is one CSR
 * block, on which every step works.
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"

static void release_flags(skimpi_stage *stage, skimp_budget *budget)
{
    skimp_free(budget, SKIMP_TAG_OTHER, stage->has_slot, stage->n_flags, 1);
    stage->has_slot = NULL;
    stage->n_flags = 0;
}

static void stage_destroy(skimpi_stage *stage, skimp_budget *budget)
{
    if (stage->fitted != NULL) {
        stage->class->destroy(stage->fitted);
    }
    skimpi_params_destroy(stage->params);
    skimpi_string_free(budget, SKIMP_TAG_OTHER, stage->columns);
    skimp_free(budget, SKIMP_TAG_OTHER, stage->inputs, stage->n_inputs, sizeof *stage->inputs);
    skimp_free(budget, SKIMP_TAG_OTHER, stage->recoded, stage->n_inputs, sizeof *stage->recoded);
    skimp_free(budget, SKIMP_TAG_OTHER, stage->recoded_to, stage->n_inputs, sizeof *stage->recoded_to);
    release_flags(stage, budget);
    *stage = (skimpi_stage){ 0 };
}

void skimpi_pipeline_destroy(skimpi_pipeline *pipeline)
{
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        stage_destroy(&pipeline->steps[i], pipeline->budget);
    }
    stage_destroy(&pipeline->estimator, pipeline->budget);
    skimpi_frame_destroy(&pipeline->frame);
    pipeline->n_steps = 0;
}

static skimp_status find_class(const char *name, size_t length, bool step, const skimpi_estimator_class **out,
                               skimp_error *error)
{
    char copy[64];
    if (length >= sizeof copy) {
        length = sizeof copy - 1;
    }
    memcpy(copy, name, length);
    copy[length] = '\0';
    const skimpi_estimator_class *class = skimpi_estimator_class_find(copy);
    if (class != NULL && (class->info.kind == SKIMP_TRANSFORMER) == step) {
        *out = class;
        return SKIMP_OK;
    }
    char known[512] = "";
    size_t used = 0;
    for (unsigned i = 0; (class = skimpi_estimator_class_at(i)) != NULL; i++) {
        if ((class->info.kind == SKIMP_TRANSFORMER) == step && used < sizeof known) {
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", class->info.name);
        }
    }
    return skimpi_fail(error, SKIMP_ERROR_PARAM, "there is no %s '%s'; there are: %s", step ? "step" : "estimator",
                       copy, known);
}

/* "name", "name@columns"; a second one of a kind is called name-2. */
static skimp_status add_step(skimpi_pipeline *pipeline, const char *text, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (pipeline->n_steps == SKIMPI_MAX_STEPS) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "more than %d steps", SKIMPI_MAX_STEPS);
    }
    skimpi_stage *stage = &pipeline->steps[pipeline->n_steps];
    *stage = (skimpi_stage){ 0 };
    const char *at = strchr(text, '@');
    const size_t length = at != NULL ? (size_t)(at - text) : strlen(text);
    SKIMPI_TRY(find_class(text, length, true, &stage->class, error));
    pipeline->n_steps++; /* destroy takes care of it from here */
    unsigned same = 1;
    for (unsigned i = 0; i + 1 < pipeline->n_steps; i++) {
        same += pipeline->steps[i].class == stage->class;
    }
    if (same == 1) {
        snprintf(stage->name, sizeof stage->name, "%s", stage->class->info.name);
    } else {
        snprintf(stage->name, sizeof stage->name, "%s-%u", stage->class->info.name, same);
    }
    if (at != NULL) {
        SKIMPI_TRY(
            skimpi_string_copy(pipeline->budget, SKIMP_TAG_OTHER, at + 1, strlen(at + 1), &stage->columns, error));
    }
    SKIMPI_TRY(skimpi_params_create(&stage->params, pipeline->budget, &stage->class->info, error));
out:
    return status;
}

static skimp_status set_param(skimpi_pipeline *pipeline, const skimp_setting *setting, skimp_error *error)
{
    const char *split = strstr(setting->name, "__");
    if (split == NULL) {
        if (pipeline->estimator.class == NULL) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM, "parameter '%s' without an estimator", setting->name);
        }
        return skimpi_params_set(pipeline->estimator.params, setting->name, setting->value, error);
    }
    const size_t length = (size_t)(split - setting->name);
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        if (strlen(pipeline->steps[i].name) == length && memcmp(pipeline->steps[i].name, setting->name, length) == 0) {
            return skimpi_params_set(pipeline->steps[i].params, split + 2, setting->value, error);
        }
    }
    return skimpi_fail(error, SKIMP_ERROR_PARAM, "parameter '%s': there is no step '%.*s'; add it with --step",
                       setting->name, (int)length, setting->name);
}

skimp_status skimpi_pipeline_create(skimpi_pipeline *pipeline, skimp_budget *budget, const char *estimator,
                                    const skimp_setting *params, size_t n_params, const char *const *steps,
                                    size_t n_steps, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *pipeline = (skimpi_pipeline){ .budget = budget };
    for (size_t i = 0; i < n_steps; i++) {
        SKIMPI_TRY(add_step(pipeline, steps[i], error));
    }
    pipeline->is_alone = estimator != NULL && strcmp(estimator, SKIMPI_STEPS_ALONE) == 0;
    if (estimator != NULL && !pipeline->is_alone) {
        SKIMPI_TRY(find_class(estimator, strlen(estimator), false, &pipeline->estimator.class, error));
        snprintf(pipeline->estimator.name, sizeof pipeline->estimator.name, "%s", pipeline->estimator.class->info.name);
        SKIMPI_TRY(skimpi_params_create(&pipeline->estimator.params, budget, &pipeline->estimator.class->info, error));
    }
    for (size_t i = 0; i < n_params; i++) {
        SKIMPI_TRY(set_param(pipeline, &params[i], error));
    }
out:
    if (status != SKIMP_OK) {
        skimpi_pipeline_destroy(pipeline);
    }
    return status;
}

bool skimpi_stage_has_param(const skimpi_stage *stage, const char *name)
{
    for (const skimp_param *param = stage->class->info.params; param->name != NULL; param++) {
        if (strcmp(param->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The column of a name after @, which must be a feature of the kind that the step works on. */
static skimp_status find_named(const skimpi_stage *stage, const skimpi_schema *schema, const char *name, size_t length,
                               const skimpi_column **out, skimp_error *error)
{
    const int64_t found = skimpi_schema_find(schema, name, length);
    const skimpi_column *column = found >= 0 ? &schema->columns[found] : NULL;
    if (column == NULL || column->role != SKIMPI_ROLE_FEATURE) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s: there is no feature column '%.*s'", stage->name,
                           (int)length, name);
    }
    if (column->type != SKIMPI_TYPE_NUMERIC && !stage->class->handles_text) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s works on numbers, but column '%s' holds text",
                           stage->name, column->name);
    }
    *out = column;
    return SKIMP_OK;
}

static size_t name_length(const char *at)
{
    return strcspn(at, ",");
}

static const char *next_name(const char *at)
{
    at += name_length(at);
    return *at == ',' ? at + 1 : at;
}

static skimp_status bind_named(skimpi_stage *stage, skimp_budget *budget, const skimpi_schema *schema,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_column *column = NULL, *first = NULL;
    if (stage->columns[0] == '\0') {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s@: name the columns after the @, with commas between them",
                           stage->name);
    }
    for (const char *at = stage->columns; *at != '\0'; at = next_name(at)) {
        SKIMPI_TRY(find_named(stage, schema, at, name_length(at), &column, error));
        first = first == NULL ? column : first;
        if ((column->type == SKIMPI_TYPE_NUMERIC) != (first->type == SKIMPI_TYPE_NUMERIC)) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                                   "step %s@%s: '%s' holds numbers and '%s' text: give each kind a step of its own",
                                   stage->name, stage->columns,
                                   column->type == SKIMPI_TYPE_NUMERIC ? column->name : first->name,
                                   column->type == SKIMPI_TYPE_NUMERIC ? first->name : column->name));
        }
    }
    stage->on_text = first->type != SKIMPI_TYPE_NUMERIC;
    const uint32_t n = stage->on_text ? schema->n_category : schema->n_numeric;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n, 1, (void **)&stage->has_slot, error));
    stage->n_flags = n;
    stage->n_named = 0;
    for (const char *at = stage->columns; *at != '\0'; at = next_name(at)) {
        SKIMPI_TRY(find_named(stage, schema, at, name_length(at), &column, error));
        stage->n_named += !stage->has_slot[column->slot];
        stage->has_slot[column->slot] = 1;
    }
out:
    return status;
}

static skimp_status bind_text(skimpi_stage *stage, const skimpi_schema *schema, skimp_error *error)
{
    if (!stage->class->handles_text) {
        return skimpi_fail(
            error, SKIMP_ERROR_PARAM,
            "step %s@text: this step works on numbers; text columns are one-hot encoded (or hashed: --hash-bits)",
            stage->name);
    }
    if (schema->n_category == 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s@text: there is no text column", stage->name);
    }
    stage->on_text = true;
    stage->n_named = schema->n_category;
    return SKIMP_OK;
}

skimp_status skimpi_pipeline_bind(skimpi_pipeline *pipeline, const skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        skimpi_stage *stage = &pipeline->steps[i];
        if (schema->sparse && stage->columns != NULL) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s@%s: sparse data has no named columns",
                                   stage->name, stage->columns));
        }
        release_flags(stage, pipeline->budget);
        stage->on_text = false;
        stage->n_named = schema->n_numeric;
        if (stage->columns != NULL && strcmp(stage->columns, "text") == 0) {
            SKIMPI_TRY(bind_text(stage, schema, error));
        } else if (stage->columns != NULL) {
            SKIMPI_TRY(bind_named(stage, pipeline->budget, schema, error));
        }
    }
out:
    return status;
}

bool skimpi_pipeline_on_text(const skimpi_pipeline *pipeline)
{
    bool on_text = false;
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        on_text |= pipeline->steps[i].on_text;
    }
    return on_text;
}

bool skimpi_pipeline_may_miss(const skimpi_pipeline *pipeline, bool text, uint32_t slot)
{
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        const skimpi_stage *stage = &pipeline->steps[i];
        if (stage->on_text != text || (stage->has_slot != NULL && !stage->has_slot[slot])) {
            continue;
        }
        if (stage->class->removes_missing) {
            return true;
        }
        if (!stage->class->accepts_missing) {
            return false;
        }
    }
    return pipeline->keeps_missing;
}

/* Is this numeric column of the inputs one that the stage was given? */
static bool takes_slot(const skimpi_stage *stage, uint32_t slot)
{
    return !stage->on_text && (stage->has_slot == NULL || stage->has_slot[slot]);
}

bool skimpi_pipeline_sees_data(const skimpi_pipeline *pipeline, unsigned step, const skimpi_schema *schema,
                               const skimpi_summary *summary)
{
    const skimpi_stage *stage = &pipeline->steps[step];
    for (unsigned i = 0; i < step; i++) {
        const skimpi_stage *before = &pipeline->steps[i];
        const bool only_fills = before->class->only_fills != NULL && before->class->only_fills(before->params);
        for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
            const bool may_miss = summary != NULL && summary->numeric[slot].n_missing > 0;
            if (takes_slot(stage, slot) && takes_slot(before, slot) && (!only_fills || may_miss)) {
                return false;
            }
        }
    }
    return !stage->on_text;
}
