/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The schema: what the columns of a data set are, and what the job wants of them.
 *
 * A data set is a *table* (CSV, TSV, NPY, arrays: numeric and category columns by name) or *sparse* (svmlight: one
 * label and index:value pairs).  Readers make the schema from a sample; the job's options give the roles.  After that
 * it is read-only, but for the dictionaries (categories grow while text is parsed) and n_sparse_features.
 */
#ifndef SKIMPI_SCHEMA_H
#define SKIMPI_SCHEMA_H

#include "base/base.h"

typedef enum skimpi_role {
    SKIMPI_ROLE_FEATURE,
    SKIMPI_ROLE_TARGET,
    SKIMPI_ROLE_WEIGHT,
    SKIMPI_ROLE_DROPPED /* not parsed at all */
} skimpi_role;

typedef enum skimpi_type {
    SKIMPI_TYPE_NUMERIC,
    SKIMPI_TYPE_CATEGORY, /* text: one-hot codes, or hashed with hash_bits */
    SKIMPI_TYPE_DATE      /* looks like dates or times: refused with a hint unless dropped (only a sample says so) */
} skimpi_type;

typedef struct skimpi_column {
    char *name;    /* owned by the schema */
    uint8_t role;  /* skimpi_role */
    uint8_t type;  /* skimpi_type */
    uint32_t slot; /* its place among the columns of its role and type: index into raw/chunk arrays */
} skimpi_column;

/* --target 'arr_delay>15': 1 where the comparison holds, 0 where not, missing where the value is missing. */
typedef enum skimpi_comparison {
    SKIMPI_CMP_NONE,
    SKIMPI_CMP_GT,
    SKIMPI_CMP_GE,
    SKIMPI_CMP_LT,
    SKIMPI_CMP_LE,
    SKIMPI_CMP_EQ,
    SKIMPI_CMP_NE
} skimpi_comparison;

typedef struct skimpi_schema {
    skimp_budget *budget;
    bool sparse;
    bool delimited;     /* table: read from delimited text (its raw chunks carry the scratch of csv_scan.h) */
    uint32_t n_columns; /* table: columns of the file, in order (0 when sparse) */
    skimpi_column *columns;
    uint32_t n_numeric;  /* numeric features */
    uint32_t *numeric;   /* their column indices */
    uint32_t n_category; /* category features */
    uint32_t *category;  /* their column indices */
    int64_t target;      /* column index, or -1: none; sparse: 0 when the label is wanted */
    int64_t weight;      /* column index, or -1 */
    uint8_t target_type; /* NUMERIC, or CATEGORY: text labels; codes are in raw/chunk target as doubles */
    uint8_t comparison;  /* skimpi_comparison */
    double comparison_value;
    char *comparison_text;      /* right side when it is text ('carrier=="AA"'), else NULL; the target is then 0/1 */
    uint32_t hash_bits;         /* 0: dictionaries; else text features are hashed into 2^hash_bits shared features */
    uint64_t n_sparse_features; /* sparse: 1 + largest index seen (0-based) */
    bool index64;               /* sparse: some index needs 64 bits */
    bool zero_based;            /* sparse: indices start at 0 (found in the sample, or by option); else 1 */
    struct skimpi_dictionary **dictionaries; /* n_category of them, then one for a text target (or NULL) */
} skimpi_schema;

SKIMP_CHECKED skimp_status skimpi_schema_create(skimpi_schema **out, skimp_budget *budget, uint32_t n_columns,
                                                skimp_error *error);
void skimpi_schema_destroy(skimpi_schema *schema);
SKIMP_CHECKED skimp_status skimpi_schema_set_name(skimpi_schema *schema, uint32_t column, const char *name,
                                                  size_t length, skimp_error *error);
/* The columns of another schema, by name and type, without roles: none is dropped, nor the target or the weight. */
SKIMP_CHECKED skimp_status skimpi_schema_copy(skimpi_schema **out, skimp_budget *budget, const skimpi_schema *from,
                                              skimp_error *error);
/* Index of a column by name, else by number ("3"), or -1. */
int64_t skimpi_schema_find(const skimpi_schema *schema, const char *name, size_t length);

typedef struct skimpi_roles {
    const char *target;      /* NULL: none; "label", or "arr_delay>15" */
    const char *weight;      /* NULL: none */
    const char *const *drop; /* names; unknown ones are an error that lists near names */
    size_t n_drop;
    const uint8_t *keep; /* NULL, or per column: 0: dropped, unless it is the target or the weight */
    uint32_t hash_bits;
} skimpi_roles;

/*
 * Gives the columns their roles and slots and makes the dictionaries.  Errors (PARAM, naming the column and near
 * names): unknown target, weight or drop; a date column that is not dropped; a text weight; duplicate column names
 * among those used.
 */
SKIMP_CHECKED skimp_status skimpi_schema_assign(skimpi_schema *schema, const skimpi_roles *roles, const char *file,
                                                skimp_error *error);
/*
 * Second half of assign, for those who set roles and types themselves: slots, lists of numeric and category columns,
 * and empty dictionaries (none for features when hash_bits is set), from roles, types, target and target_type.
 */
SKIMP_CHECKED skimp_status skimpi_schema_settle(skimpi_schema *schema, skimp_error *error);
/* The target that a number in the target's column means: the comparison's 0 or 1, or itself. NaN stays NaN. */
static inline double skimpi_schema_compare(const skimpi_schema *schema, double value)
{
    double right = schema->comparison_value;
    if (schema->comparison == SKIMPI_CMP_NONE || value != value) {
        return value;
    }
    switch ((skimpi_comparison)schema->comparison) {
    case SKIMPI_CMP_GT:
        return value > right;
    case SKIMPI_CMP_GE:
        return value >= right;
    case SKIMPI_CMP_LT:
        return value < right;
    case SKIMPI_CMP_LE:
        return value <= right;
    case SKIMPI_CMP_EQ:
        return value == right;
    default:
        return value != right;
    }
}
/* Features before encoding: numeric + category (table), n_sparse_features (sparse). */
uint64_t skimpi_schema_inputs(const skimpi_schema *schema);

#endif
