/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Schemas: names, roles, the target's comparison, slots.
 */
#include "data/schema.h"

#include <string.h>

#include "base/near_name.h"
#include "data/dictionary.h"
#include "data/number.h"

#define MAX_HASH_BITS 30

skimp_status skimpi_schema_create(skimpi_schema **out, skimp_budget *budget, uint32_t n_columns, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block = NULL;
    skimpi_schema *schema = NULL;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, 1, sizeof(skimpi_schema), &block, error));
    schema = block;
    *schema = (skimpi_schema){ .budget = budget, .target = -1, .weight = -1 };
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n_columns, sizeof(skimpi_column), &block, error));
    schema->columns = block;
    schema->n_columns = n_columns;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n_columns, sizeof(uint32_t), &block, error));
    schema->numeric = block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n_columns, sizeof(uint32_t), &block, error));
    schema->category = block;
    *out = schema;
    schema = NULL;
out:
    skimpi_schema_destroy(schema);
    return status;
}

static void destroy_dictionaries(skimpi_schema *schema)
{
    if (schema->dictionaries != NULL) {
        for (uint32_t i = 0; i <= schema->n_category; i++) {
            skimpi_dictionary_destroy(schema->dictionaries[i]);
        }
        skimp_free(schema->budget, SKIMP_TAG_OTHER, schema->dictionaries, (size_t)schema->n_category + 1,
                   sizeof(skimpi_dictionary *));
        schema->dictionaries = NULL;
    }
}

void skimpi_schema_destroy(skimpi_schema *schema)
{
    if (schema == NULL) {
        return;
    }
    skimp_budget *budget = schema->budget;
    destroy_dictionaries(schema);
    for (uint32_t i = 0; schema->columns != NULL && i < schema->n_columns; i++) {
        skimpi_string_free(budget, SKIMP_TAG_OTHER, schema->columns[i].name);
    }
    skimpi_string_free(budget, SKIMP_TAG_OTHER, schema->comparison_text);
    skimp_free(budget, SKIMP_TAG_OTHER, schema->columns, schema->n_columns, sizeof(skimpi_column));
    skimp_free(budget, SKIMP_TAG_OTHER, schema->numeric, schema->n_columns, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_OTHER, schema->category, schema->n_columns, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_OTHER, schema, 1, sizeof(skimpi_schema));
}

skimp_status skimpi_schema_set_name(skimpi_schema *schema, uint32_t column, const char *name, size_t length,
                                    skimp_error *error)
{
    char *copy;
    skimp_status status = skimpi_string_copy(schema->budget, SKIMP_TAG_OTHER, name, length, &copy, error);
    if (status == SKIMP_OK) {
        skimpi_string_free(schema->budget, SKIMP_TAG_OTHER, schema->columns[column].name);
        schema->columns[column].name = copy;
    }
    return status;
}

skimp_status skimpi_schema_copy(skimpi_schema **out, skimp_budget *budget, const skimpi_schema *from,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *copy = NULL;
    *out = NULL;
    SKIMPI_TRY(skimpi_schema_create(&copy, budget, from->n_columns, error));
    copy->sparse = from->sparse;
    copy->n_sparse_features = from->n_sparse_features;
    copy->index64 = from->index64;
    copy->zero_based = from->zero_based;
    for (uint32_t c = 0; c < from->n_columns; c++) {
        const char *name = from->columns[c].name;
        copy->columns[c].type = from->columns[c].type;
        if (name != NULL) {
            SKIMPI_TRY(skimpi_schema_set_name(copy, c, name, strlen(name), error));
        }
    }
    *out = copy;
    copy = NULL;
out:
    skimpi_schema_destroy(copy);
    return status;
}

static const char *name_of(const skimpi_schema *schema, uint32_t column)
{
    return schema->columns[column].name != NULL ? schema->columns[column].name : "";
}

int64_t skimpi_schema_find(const skimpi_schema *schema, const char *name, size_t length)
{
    for (uint32_t i = 0; i < schema->n_columns; i++) {
        const char *other = name_of(schema, i);
        if (strncmp(other, name, length) == 0 && other[length] == '\0') {
            return i;
        }
    }
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9' || number >= schema->n_columns) {
            return -1;
        }
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    return length > 0 && number < schema->n_columns ? (int64_t)number : -1;
}

static skimp_status unknown_column(const skimpi_schema *schema, const char *what, const char *name, size_t length,
                                   const char *file, skimp_error *error)
{
    skimpi_near_names near;
    char text[SKIMPI_NEAR_TEXT];
    skimpi_near_names_begin(&near, name, length);
    for (uint32_t i = 0; i < schema->n_columns; i++) {
        skimpi_near_names_offer(&near, name_of(schema, i), strlen(name_of(schema, i)));
    }
    return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, NULL, "there is no column '%.*s' (%s) among %u%s",
                          (int)(length > 100 ? 100 : length), name, what, (unsigned)schema->n_columns,
                          skimpi_near_names_text(&near, text));
}

/* ---- the target ---------------------------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_space(**text)) {
        (*text)++;
        (*length)--;
    }
    while (*length > 0 && is_space((*text)[*length - 1])) {
        (*length)--;
    }
}

static skimpi_comparison comparison_at(const char *text, size_t *length)
{
    *length = text[0] != '\0' && text[1] == '=' ? 2 : 1;
    switch (text[0]) {
    case '>':
        return *length == 2 ? SKIMPI_CMP_GE : SKIMPI_CMP_GT;
    case '<':
        return *length == 2 ? SKIMPI_CMP_LE : SKIMPI_CMP_LT;
    case '=':
        return SKIMPI_CMP_EQ;
    case '!':
        return *length == 2 ? SKIMPI_CMP_NE : SKIMPI_CMP_NONE;
    default:
        return SKIMPI_CMP_NONE;
    }
}

/* The target's column: a name (sparse data has one label, under a few names). */
static int64_t find_target(const skimpi_schema *schema, const char *name, size_t length)
{
    if (!schema->sparse) {
        return skimpi_schema_find(schema, name, length);
    }
    static const char *const names[] = { "label", "target", "y", "0" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            return 0;
        }
    }
    return -1;
}

static skimp_status unknown_target(const skimpi_schema *schema, const char *name, size_t length, const char *file,
                                   skimp_error *error)
{
    if (schema->sparse) {
        return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, NULL,
                              "the target of svmlight data is called 'label', not '%.*s'",
                              (int)(length > 100 ? 100 : length), name);
    }
    return unknown_column(schema, "target", name, length, file, error);
}

/* The right side of a comparison: a number, or text in quotes or bare. */
static skimp_status set_right_side(skimpi_schema *schema, const char *right, size_t length, const char *file,
                                   skimp_error *error)
{
    const char *column = schema->sparse ? "label" : name_of(schema, (uint32_t)schema->target);
    bool category = !schema->sparse && schema->columns[schema->target].type == SKIMPI_TYPE_CATEGORY;
    bool quoted = length >= 2 && (right[0] == '"' || right[0] == '\'') && right[length - 1] == right[0];
    if (quoted) {
        right++;
        length -= 2;
    }
    if (category) {
        if (schema->comparison != SKIMPI_CMP_EQ && schema->comparison != SKIMPI_CMP_NE) {
            return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, column,
                                  "holds text, which can be compared by == and != only");
        }
        return skimpi_string_copy(schema->budget, SKIMP_TAG_OTHER, right, length, &schema->comparison_text, error);
    }
    char padded[128 + SKIMPI_NUMBER_PADDING] = { 0 };
    if (length < 128) {
        memcpy(padded, right, length);
    }
    const char *end = length < 128 ? skimpi_number_parse(padded, padded + length, &schema->comparison_value) : NULL;
    if (end != padded + length || schema->comparison_value != schema->comparison_value) {
        return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, column,
                              "holds numbers: it cannot be compared with '%.*s'", (int)(length > 100 ? 100 : length),
                              right);
    }
    return SKIMP_OK;
}

static skimp_status assign_target(skimpi_schema *schema, const char *target, const char *file, skimp_error *error)
{
    const char *left = target;
    size_t length = strlen(target);
    const char *right = NULL;
    schema->target = find_target(schema, target, length);
    /* A column's name may hold these signs itself: the first one with a column's name before it counts. */
    for (const char *p = target; schema->target < 0 && *p != '\0'; p++) {
        size_t sign;
        skimpi_comparison comparison = comparison_at(p, &sign);
        if (comparison == SKIMPI_CMP_NONE) {
            continue;
        }
        const char *name = target;
        size_t name_length = (size_t)(p - target);
        trim(&name, &name_length);
        if (right == NULL) {
            left = name;
            length = name_length;
        }
        right = p + sign;
        schema->target = find_target(schema, name, name_length);
        schema->comparison = (uint8_t)comparison;
        p += sign - 1;
    }
    if (schema->target < 0) {
        return unknown_target(schema, left, length, file, error);
    }
    skimpi_column *column = schema->sparse ? NULL : &schema->columns[schema->target];
    if (column != NULL) {
        column->role = SKIMPI_ROLE_TARGET;
        if (column->type == SKIMPI_TYPE_DATE) {
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, column->name,
                                  "holds dates, which cannot be a target");
        }
    }
    if (schema->comparison != SKIMPI_CMP_NONE) {
        size_t right_length = strlen(right);
        trim(&right, &right_length);
        return set_right_side(schema, right, right_length, file, error);
    }
    schema->target_type = column != NULL ? column->type : SKIMPI_TYPE_NUMERIC;
    return SKIMP_OK;
}

/* ---- roles --------------------------------------------------------------------------------------------------------- */

static skimp_status assign_weight(skimpi_schema *schema, const char *weight, const char *file, skimp_error *error)
{
    if (schema->sparse) {
        return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, NULL,
                              "svmlight data has no columns: '%s' cannot be the weight", weight);
    }
    schema->weight = skimpi_schema_find(schema, weight, strlen(weight));
    if (schema->weight < 0) {
        return unknown_column(schema, "weight", weight, strlen(weight), file, error);
    }
    skimpi_column *column = &schema->columns[schema->weight];
    if (column->role == SKIMPI_ROLE_TARGET) {
        return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, column->name, "is both the target and the weight");
    }
    if (column->type != SKIMPI_TYPE_NUMERIC) {
        return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, column->name, "holds %s: a weight must be a number",
                              column->type == SKIMPI_TYPE_DATE ? "dates" : "text");
    }
    column->role = SKIMPI_ROLE_WEIGHT;
    return SKIMP_OK;
}

static skimp_status assign_dropped(skimpi_schema *schema, const skimpi_roles *roles, const char *file,
                                   skimp_error *error)
{
    for (size_t i = 0; i < roles->n_drop; i++) {
        const char *name = roles->drop[i];
        size_t length = strlen(name);
        if (schema->sparse) {
            return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, NULL,
                                  "svmlight data has no columns: '%s' cannot be dropped", name);
        }
        int64_t found = skimpi_schema_find(schema, name, length);
        if (found < 0) {
            return unknown_column(schema, "drop", name, length, file, error);
        }
        skimpi_column *column = &schema->columns[found];
        if (column->role == SKIMPI_ROLE_TARGET || column->role == SKIMPI_ROLE_WEIGHT) {
            return skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, column->name, "is the %s: it cannot be dropped",
                                  column->role == SKIMPI_ROLE_TARGET ? "target" : "weight");
        }
        /* All columns of this name: otherwise columns with the same name could not be got rid of. */
        for (uint32_t c = (uint32_t)found; c < schema->n_columns; c++) {
            if (c == found ||
                (strcmp(name_of(schema, c), name) == 0 && schema->columns[c].role == SKIMPI_ROLE_FEATURE)) {
                schema->columns[c].role = SKIMPI_ROLE_DROPPED;
            }
        }
    }
    return SKIMP_OK;
}

static skimp_status check_dates(const skimpi_schema *schema, const char *file, skimp_error *error)
{
    char names[512];
    size_t used = 0;
    const char *first = NULL;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        size_t length = strlen(name_of(schema, c));
        if (column->type != SKIMPI_TYPE_DATE || column->role != SKIMPI_ROLE_FEATURE) {
            continue;
        }
        first = first == NULL ? name_of(schema, c) : first;
        if (used + length + 2 < sizeof(names)) {
            used += used > 0 ? (names[used] = ',', 1u) : 0;
            memcpy(names + used, name_of(schema, c), length + 1);
            used += length;
        }
    }
    if (first == NULL) {
        return SKIMP_OK;
    }
    names[used] = '\0';
    return skimpi_fail_at(
        error, SKIMP_ERROR_DATA, file, 0, first,
        "holds dates or times, which are not numbers: leave them out with --drop %s, or turn them into numbers first",
        names);
}

static skimp_status check_duplicates(const skimpi_schema *schema, const char *file, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_dictionary *names = NULL;
    SKIMPI_TRY(skimpi_dictionary_create(&names, schema->budget, error));
    uint32_t used = 0;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        if (schema->columns[c].role == SKIMPI_ROLE_DROPPED) {
            continue;
        }
        const char *name = name_of(schema, c);
        size_t length = strlen(name);
        uint32_t code;
        SKIMPI_TRY(skimpi_dictionary_insert(names, name, length, skimpi_dictionary_hash(name, length), &code, error));
        if (code != used++) {
            SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, name,
                                      "is the name of two columns: rename one, or drop one by its number (--drop "
                                      "NUMBER; the first column is 0)"));
        }
    }
out:
    skimpi_dictionary_destroy(names);
    return status;
}

skimp_status skimpi_schema_settle(skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block;
    destroy_dictionaries(schema);
    schema->n_numeric = 0;
    schema->n_category = 0;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        skimpi_column *column = &schema->columns[c];
        column->slot = 0;
        if (column->role == SKIMPI_ROLE_FEATURE && column->type == SKIMPI_TYPE_CATEGORY) {
            column->slot = schema->n_category;
            schema->category[schema->n_category++] = c;
        } else if (column->role == SKIMPI_ROLE_FEATURE) {
            column->slot = schema->n_numeric;
            schema->numeric[schema->n_numeric++] = c;
        }
    }
    SKIMPI_TRY(skimp_alloc(schema->budget, SKIMP_TAG_OTHER, (size_t)schema->n_category + 1, sizeof(skimpi_dictionary *),
                           &block, error));
    schema->dictionaries = block;
    for (uint32_t i = 0; i < schema->n_category && schema->hash_bits == 0; i++) {
        SKIMPI_TRY(skimpi_dictionary_create(&schema->dictionaries[i], schema->budget, error));
    }
    if (schema->target >= 0 && schema->target_type == SKIMPI_TYPE_CATEGORY) {
        SKIMPI_TRY(skimpi_dictionary_create(&schema->dictionaries[schema->n_category], schema->budget, error));
    }
out:
    return status;
}

skimp_status skimpi_schema_assign(skimpi_schema *schema, const skimpi_roles *roles, const char *file,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    schema->target = -1;
    schema->weight = -1;
    schema->target_type = SKIMPI_TYPE_NUMERIC;
    schema->comparison = SKIMPI_CMP_NONE;
    skimpi_string_free(schema->budget, SKIMP_TAG_OTHER, schema->comparison_text);
    schema->comparison_text = NULL;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        schema->columns[c].role = SKIMPI_ROLE_FEATURE;
    }
    if (roles->hash_bits > MAX_HASH_BITS) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "hash bits must be 1 to %d, not %u", MAX_HASH_BITS,
                               (unsigned)roles->hash_bits));
    }
    if (roles->hash_bits > 0 && schema->sparse) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, NULL,
                                  "svmlight data has no text columns: there is nothing to hash (--hash-bits)"));
    }
    schema->hash_bits = roles->hash_bits;
    if (roles->target != NULL) {
        SKIMPI_TRY(assign_target(schema, roles->target, file, error));
    }
    if (roles->weight != NULL) {
        SKIMPI_TRY(assign_weight(schema, roles->weight, file, error));
    }
    SKIMPI_TRY(assign_dropped(schema, roles, file, error));
    for (uint32_t c = 0; roles->keep != NULL && c < schema->n_columns; c++) {
        if (!roles->keep[c] && schema->columns[c].role == SKIMPI_ROLE_FEATURE) {
            schema->columns[c].role = SKIMPI_ROLE_DROPPED;
        }
    }
    SKIMPI_TRY(check_dates(schema, file, error));
    SKIMPI_TRY(check_duplicates(schema, file, error));
    SKIMPI_TRY(skimpi_schema_settle(schema, error));
    if (!schema->sparse && schema->n_numeric + schema->n_category == 0) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_PARAM, file, 0, NULL, "no column is left to learn from"));
    }
out:
    return status;
}

uint64_t skimpi_schema_inputs(const skimpi_schema *schema)
{
    return schema->sparse ? schema->n_sparse_features : (uint64_t)schema->n_numeric + schema->n_category;
}
