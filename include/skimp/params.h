/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parameters of estimators and steps: each is declared once, in its estimator's table, from which come the checks, the
 * command's flags and help, the man pages, the Python signatures and the docs.
 */
#ifndef SKIMP_PARAMS_H
#define SKIMP_PARAMS_H

#include <stdbool.h>

#include "skimp/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum skimp_param_type {
    SKIMP_PARAM_BOOL,
    SKIMP_PARAM_INT,
    SKIMP_PARAM_FLOAT,
    SKIMP_PARAM_CHOICE, /* one of `choices` */
    SKIMP_PARAM_JSON    /* free form, checked by the estimator (class_weight, a pair of numbers, …) */
} skimp_param_type;

typedef struct skimp_param {
    const char *name; /* scikit-learn's */
    skimp_param_type type;
    const char *default_value; /* as the command line takes it: JSON, or a bare string; "null" for None */
    bool may_be_null;
    double minimum, maximum; /* INT and FLOAT, both inclusive unless `open` */
    bool minimum_is_open;
    const char *choices; /* CHOICE: separated by '|' */
    const char *help;    /* one line */
} skimp_param;

typedef enum skimp_estimator_kind { SKIMP_CLASSIFIER, SKIMP_REGRESSOR, SKIMP_TRANSFORMER } skimp_estimator_kind;

/* What there is to say of an estimator before it is used. Entries and strings are static. */
typedef struct skimp_estimator_info {
    const char *name;       /* "logistic_regression" */
    const char *class_name; /* "LogisticRegression" */
    const char *module;     /* scikit-learn's: "linear_model" */
    skimp_estimator_kind kind;
    const char *help;          /* one line */
    const skimp_param *params; /* ended by an entry without a name */
} skimp_estimator_info;

SKIMP_API unsigned skimp_estimator_count(void);
SKIMP_API const skimp_estimator_info *skimp_estimator_at(unsigned i);
SKIMP_API const skimp_estimator_info *skimp_estimator_find(const char *name); /* NULL: none such */

#ifdef __cplusplus
}
#endif
#endif
