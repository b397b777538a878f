/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registry: every estimator and step, one line each.  A line names an estimator; its file defines
 *
 *     const skimpi_estimator_class skimpi_class_<name> = { … };
 */
#include <string.h>

#include "estimator/estimator.h"

#define ESTIMATORS(X)                                                                                                  \
    X(linear_regression)                                                                                               \
    X(logistic_regression)                                                                                             \
    X(max_abs_scaler)                                                                                                  \
    X(min_max_scaler)                                                                                                  \
    X(ridge)                                                                                                           \
    X(sgd_classifier)                                                                                                  \
    X(sgd_regressor)                                                                                                   \
    X(simple_imputer)                                                                                                  \
    X(standard_scaler)

#define DECLARE(name) extern const skimpi_estimator_class skimpi_class_##name;
#define POINT_TO(name) &skimpi_class_##name,

ESTIMATORS(DECLARE)

static const skimpi_estimator_class *const classes[] = { ESTIMATORS(POINT_TO) NULL };

const skimpi_estimator_class *skimpi_estimator_class_at(unsigned i)
{
    return i < skimp_estimator_count() ? classes[i] : NULL;
}

const skimpi_estimator_class *skimpi_estimator_class_find(const char *name)
{
    for (unsigned i = 0; classes[i] != NULL; i++) {
        if (strcmp(classes[i]->info.name, name) == 0) {
            return classes[i];
        }
    }
    return NULL;
}

unsigned skimp_estimator_count(void)
{
    return (unsigned)(sizeof(classes) / sizeof(classes[0])) - 1;
}

const skimp_estimator_info *skimp_estimator_at(unsigned i)
{
    const skimpi_estimator_class *class = skimpi_estimator_class_at(i);
    return class != NULL ? &class->info : NULL;
}

const skimp_estimator_info *skimp_estimator_find(const char *name)
{
    const skimpi_estimator_class *class = skimpi_estimator_class_find(name);
    return class != NULL ? &class->info : NULL;
}
