/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pipeline: steps and the estimator at the end, found by name, with their parameters and columns.
 *
 * A step works on all numeric columns unless "@text" or "@a,b" says otherwise, and sees them as a feature space of its
 * own (0 … n_inputs - 1), whatever their place in the data.  Sparse data is one CSR block, on which every step works.
 */
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"

static void release_slots(skimpi_stage *stage, skimp_budget *budget)
{
    skimp_free(budget, SKIMP_TAG_OTHER, stage->slots, stage->n_slots_allocated, sizeof *stage->slots);
    skimp_free(budget, SKIMP_TAG_OTHER, stage->has_slot, stage->n_slots_allocated, 1);
    stage->slots = NULL;
    stage->has_slot = NULL;
}

static void stage_destroy(skimpi_stage *stage, skimp_budget *budget)
{
    if (stage->fitted != NULL) {
        stage->class->destroy(stage->fitted);
    }
    skimpi_params_destroy(stage->params);
    skimpi_string_free(budget, SKIMP_TAG_OTHER, stage->columns);
    release_slots(stage, budget);
    *stage = (skimpi_stage){ 0 };
}

void skimpi_pipeline_destroy(skimpi_pipeline *pipeline)
{
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        stage_destroy(&pipeline->steps[i], pipeline->budget);
    }
    stage_destroy(&pipeline->estimator, pipeline->budget);
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
    if (estimator != NULL) {
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

static skimp_status bind_named(skimpi_stage *stage, const skimpi_schema *schema, skimp_error *error)
{
    if (stage->columns[0] == '\0') {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s@: name the columns after the @, with commas between them",
                           stage->name);
    }
    for (const char *at = stage->columns; *at != '\0';) {
        const char *comma = strchr(at, ',');
        const size_t length = comma != NULL ? (size_t)(comma - at) : strlen(at);
        const int64_t found = skimpi_schema_find(schema, at, length);
        const skimpi_column *column = found >= 0 ? &schema->columns[found] : NULL;
        if (column == NULL || column->role != SKIMPI_ROLE_FEATURE) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s: there is no feature column '%.*s'", stage->name,
                               (int)length, at);
        }
        if (column->type != SKIMPI_TYPE_NUMERIC) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s works on numbers, but column '%s' holds text",
                               stage->name, column->name);
        }
        stage->has_slot[column->slot] = 1;
        at += length + (comma != NULL);
    }
    return SKIMP_OK;
}

skimp_status skimpi_pipeline_bind(skimpi_pipeline *pipeline, const skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        skimpi_stage *stage = &pipeline->steps[i];
        if (schema->sparse) {
            if (stage->columns != NULL) {
                SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "step %s@%s: sparse data has no named columns",
                                       stage->name, stage->columns));
            }
            continue;
        }
        release_slots(stage, pipeline->budget);
        SKIMPI_TRY(
            skimp_alloc(pipeline->budget, SKIMP_TAG_OTHER, schema->n_numeric, 1, (void **)&stage->has_slot, error));
        stage->n_slots_allocated = schema->n_numeric;
        SKIMPI_TRY(skimp_alloc(pipeline->budget, SKIMP_TAG_OTHER, schema->n_numeric, sizeof *stage->slots,
                               (void **)&stage->slots, error));
        if (stage->columns == NULL) {
            memset(stage->has_slot, 1, schema->n_numeric);
        } else if (strcmp(stage->columns, "text") == 0) {
            SKIMPI_TRY(skimpi_fail(
                error, SKIMP_ERROR_PARAM,
                "step %s@text: this step works on numbers; text columns are one-hot encoded (or hashed: --hash-bits)",
                stage->name));
        } else {
            SKIMPI_TRY(bind_named(stage, schema, error));
        }
        stage->n_inputs = 0;
        for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
            if (stage->has_slot[slot]) {
                stage->slots[stage->n_inputs++] = slot;
            }
        }
    }
out:
    return status;
}

bool skimpi_pipeline_may_miss(const skimpi_pipeline *pipeline, uint32_t slot)
{
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        const skimpi_stage *stage = &pipeline->steps[i];
        if (stage->has_slot != NULL && !stage->has_slot[slot]) {
            continue;
        }
        if (stage->class->removes_missing) {
            return true;
        }
        if (!stage->class->accepts_missing) {
            return false;
        }
    }
    return false;
}

bool skimpi_pipeline_sees_data(const skimpi_pipeline *pipeline, unsigned step, const skimpi_summary *summary)
{
    const skimpi_stage *stage = &pipeline->steps[step];
    for (unsigned i = 0; i < step; i++) {
        const skimpi_stage *before = &pipeline->steps[i];
        const bool only_fills = before->class->only_fills != NULL && before->class->only_fills(before->params);
        for (uint32_t k = 0; k < stage->n_inputs; k++) {
            const uint32_t slot = stage->slots[k];
            const bool may_miss = summary != NULL && summary->numeric[slot].n_missing > 0;
            if (before->has_slot[slot] && (!only_fills || may_miss)) {
                return false;
            }
        }
    }
    return true;
}

void skimpi_stage_view(const skimpi_stage *stage, const skimpi_chunk *chunk, skimpi_chunk *out,
                       skimpi_dense_column *view)
{
    *out = *chunk;
    out->n_codes = 0;
    if (stage->slots == NULL) {
        return;
    }
    /* A decoder gives one dense column a numeric slot, in order. */
    for (uint32_t i = 0; i < stage->n_inputs; i++) {
        view[i] = chunk->dense[stage->slots[i]];
        view[i].feature = i;
    }
    out->dense = view;
    out->n_dense = stage->n_inputs;
}

void skimpi_pipeline_transform(const skimpi_pipeline *pipeline, unsigned n, skimpi_chunk *chunk,
                               skimpi_dense_column *view)
{
    for (unsigned i = 0; i < n; i++) {
        const skimpi_stage *stage = &pipeline->steps[i];
        skimpi_chunk part;
        skimpi_stage_view(stage, chunk, &part, view);
        stage->class->transform(stage->fitted, &part);
    }
}
