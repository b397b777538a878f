/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the columns of a store are that a model of steps writes: through.h.
 *
 * A text that the model does not know is zeros in all columns of its categories.  In the store it becomes one text that
 * stands for all such, so that a model fitted on what the same steps made of known texts does not know it either; a
 * missing value stays missing, for there may be a category for it.
 */
#include <stdio.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/json_value.h"
#include "engine/through.h"

#define UNKNOWN_TEXT 32u /* bytes of the text that stands for unknown ones, at most */

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* The names of the columns that steps added, which come last among the model's features. */
typedef struct new_names {
    bool are_known;
    skimpi_json_items items; /* from the first of them on */
} new_names;

static new_names find_names(const skimpi_applied *applied, const skimp_model *model)
{
    new_names names = { 0 };
    skimpi_json list, key, item;
    const char *text = skimpi_tensors_meta(model->tensors, "feature_names");
    const skimpi_design *design = &applied->design;
    if (text == NULL || !skimpi_json_check(text, strlen(text), &list, NULL) ||
        skimpi_json_kind_of(list) != SKIMPI_JSON_ARRAY || skimpi_json_count(list) != design->n_features) {
        return names;
    }
    names.are_known = true;
    names.items = skimpi_json_begin(list);
    for (uint64_t k = 0; k < design->first_new; k++) {
        (void)skimpi_json_next(&names.items, &key, &item);
    }
    return names;
}

static skimp_status name_new(skimpi_schema *schema, uint32_t column, new_names *names, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_json key, item;
    skimpi_buffer text;
    char made_up[16];
    skimpi_buffer_init(&text, schema->budget, SKIMP_TAG_OTHER);
    if (!names->are_known || !skimpi_json_next(&names->items, &key, &item) ||
        skimpi_json_kind_of(item) != SKIMPI_JSON_STRING) {
        const int n = snprintf(made_up, sizeof made_up, "x%u", (unsigned)column);
        return skimpi_schema_set_name(schema, column, made_up, (size_t)n, error);
    }
    const size_t length = skimpi_json_string(item, made_up, sizeof made_up);
    SKIMPI_TRY(skimpi_buffer_reserve(&text, length + 1, error));
    (void)skimpi_json_string(item, text.data, length + 1);
    SKIMPI_TRY(skimpi_schema_set_name(schema, column, text.data, length, error));
out:
    skimpi_buffer_free(&text);
    return status;
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

/* Where the target and the weight are: a kept store's own schema, or that of the reading. */
static const skimpi_schema *roles_of(const skimp_job *job)
{
    return job->stored != NULL ? job->stored : job->schema;
}

static skimp_status copy_name(skimpi_schema *to, uint32_t column, const skimpi_schema *from, uint32_t from_column,
                              skimp_error *error)
{
    const char *name = from->columns[from_column].name;
    return skimpi_schema_set_name(to, column, name, strlen(name), error);
}

static skimp_status set_features(skimpi_schema *out, const skimpi_applied *applied, const skimp_model *model,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_frame *frame = &applied->pipeline.frame;
    const skimpi_design *design = &applied->design;
    const skimpi_schema *schema = applied->job->schema;
    new_names names = find_names(applied, model);
    uint32_t dense = 0, text = 0;
    for (uint32_t c = 0; dense < frame->n_dense || text < frame->n_text; c++) {
        const bool has_dense = dense < frame->n_dense, has_text = text < frame->n_text;
        const uint32_t id = has_dense ? frame->dense[dense] : 0, slot = has_text ? frame->text[text] : 0;
        const bool is_new = has_dense && id >= frame->n_numeric;
        const bool is_text = has_text && (!has_dense || is_new || design->code_features[slot] <= design->features[id]);
        if (is_text) {
            out->columns[c].type = SKIMPI_TYPE_CATEGORY;
            SKIMPI_TRY(copy_name(out, c, schema, schema->category[applied->category_slots[slot]], error));
            text++;
            continue;
        }
        if (is_new) {
            SKIMPI_TRY(name_new(out, c, &names, error));
        } else {
            SKIMPI_TRY(copy_name(out, c, schema, schema->numeric[applied->numeric_slots[id]], error));
        }
        dense++;
    }
out:
    return status;
}

static skimp_status set_role(skimpi_schema *out, uint32_t c, skimpi_role role, int64_t from, const skimpi_schema *roles,
                             skimp_error *error)
{
    out->columns[c].role = (uint8_t)role;
    out->columns[c].type = roles->columns[from].type;
    return copy_name(out, c, roles, (uint32_t)from, error);
}

/* The comparison that the target is comes with it. */
static skimp_status set_target(skimpi_schema *out, const skimpi_schema *roles, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    out->target_type = roles->target_type;
    out->comparison = roles->comparison;
    out->comparison_value = roles->comparison_value;
    if (roles->comparison_text != NULL) {
        SKIMPI_TRY(skimpi_string_copy(out->budget, SKIMP_TAG_OTHER, roles->comparison_text,
                                      strlen(roles->comparison_text), &out->comparison_text, error));
    }
out:
    return status;
}

/* The first n texts of a dictionary. */
static skimp_status copy_texts(skimpi_dictionary *to, const skimpi_dictionary *from, uint32_t n, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint32_t k = 0; k < n; k++) {
        size_t length = 0;
        uint32_t code = 0;
        const char *text = skimpi_dictionary_text(from, k, &length);
        SKIMPI_TRY(skimpi_dictionary_insert(to, text, length, skimpi_dictionary_hash(text, length), &code, error));
    }
out:
    return status;
}

static skimp_status fill_dictionaries(skimpi_schema *out, const skimpi_applied *applied, const skimpi_schema *roles,
                                      skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = applied->job->schema;
    for (uint32_t k = 0; out->hash_bits == 0 && k < out->n_category; k++) {
        const uint32_t slot = applied->pipeline.frame.text[k];
        SKIMPI_TRY(copy_texts(out->dictionaries[k], schema->dictionaries[applied->category_slots[slot]],
                              applied->design.n_texts[slot], error));
    }
    if (out->target >= 0 && out->target_type == SKIMPI_TYPE_CATEGORY && applied->job->stored != NULL) {
        const skimpi_dictionary *labels = roles->dictionaries[roles->n_category];
        SKIMPI_TRY(copy_texts(out->dictionaries[out->n_category], labels, skimpi_dictionary_size(labels), error));
    }
out:
    return status;
}

skimp_status skimpi_through_schema(skimpi_schema **out, const skimpi_applied *applied, const skimp_model *model,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_frame *frame = &applied->pipeline.frame;
    const skimp_job *job = applied->job;
    const skimpi_schema *roles = roles_of(job);
    const bool has_target = roles->target >= 0, has_weight = roles->weight >= 0, is_sparse = job->schema->sparse;
    const uint32_t n = frame->n_dense + frame->n_text;
    skimpi_schema *made = NULL;
    *out = NULL;
    SKIMPI_TRY(skimpi_schema_create(&made, job->budget, is_sparse ? 0 : n + has_target + has_weight, error));
    made->hash_bits = job->schema->hash_bits;
    made->target = !has_target ? -1 : is_sparse ? roles->target : (int64_t)n;
    made->weight = !has_weight ? -1 : is_sparse ? roles->weight : (int64_t)n + has_target;
    SKIMPI_TRY(set_target(made, roles, error));
    if (is_sparse) {
        made->sparse = true;
        made->n_sparse_features = applied->design.n_sparse;
        made->index64 = applied->design.n_sparse > UINT32_MAX;
        made->zero_based = roles->zero_based;
    } else {
        SKIMPI_TRY(set_features(made, applied, model, error));
        if (has_target) {
            SKIMPI_TRY(set_role(made, n, SKIMPI_ROLE_TARGET, roles->target, roles, error));
        }
        if (has_weight) {
            SKIMPI_TRY(set_role(made, n + has_target, SKIMPI_ROLE_WEIGHT, roles->weight, roles, error));
        }
    }
    SKIMPI_TRY(skimpi_schema_settle(made, error));
    SKIMPI_TRY(fill_dictionaries(made, applied, roles, error));
    *out = made;
    made = NULL;
out:
    skimpi_schema_destroy(made);
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

uint64_t skimpi_through_finish_bytes(const skimpi_schema *schema)
{
    uint64_t bytes = 0;
    for (uint32_t slot = 0; schema->hash_bits == 0 && slot < schema->n_category; slot++) {
        bytes = skimpi_add_sat(bytes, skimpi_dictionary_growth(schema->dictionaries[slot], 1, UNKNOWN_TEXT));
    }
    return bytes;
}

/* A text that no category has. */
static skimp_status enter_unknown(skimpi_dictionary *dictionary, skimp_error *error)
{
    const uint32_t n = skimpi_dictionary_size(dictionary);
    char text[UNKNOWN_TEXT] = "(unknown)";
    size_t length = strlen(text);
    uint64_t hash = skimpi_dictionary_hash(text, length);
    for (unsigned k = 2; skimpi_dictionary_find(dictionary, text, length, hash) != SKIMPI_CODE_UNKNOWN; k++) {
        length = (size_t)snprintf(text, sizeof text, "(unknown %u)", k);
        hash = skimpi_dictionary_hash(text, length);
    }
    uint32_t code = n;
    return skimpi_dictionary_insert(dictionary, text, length, hash, &code, error);
}

skimp_status skimpi_through_finish(skimpi_schema *schema, skimp_job *job, const _Atomic uint8_t *unknown,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint32_t slot = 0; slot < schema->n_category; slot++) {
        if (unknown[slot] != 0) {
            SKIMPI_TRY(enter_unknown(schema->dictionaries[slot], error));
        }
    }
    if (schema->target >= 0 && schema->target_type == SKIMPI_TYPE_CATEGORY && job->stored == NULL) {
        skimpi_dictionary **read = &job->schema->dictionaries[job->schema->n_category];
        skimpi_dictionary **empty = &schema->dictionaries[schema->n_category], *taken = *read;
        *read = *empty;
        *empty = taken;
    }
out:
    return status;
}
