/* SPDX-License-Identifier: BSD-3-Clause */
/* A model whose metadata claim more than its arrays hold. */
#ifndef HOSTILE_MODEL_H
#define HOSTILE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "estimator/estimator.h"

/* load, told of 2^40 features, refuses the model by the tensor's name, and has not asked for memory by then. */
static inline void hostile_claim(const skimpi_estimator_class *class_, const skimpi_tensors *tensors,
                                 const char *prefix, skimpi_problem problem, const skimpi_params *params,
                                 const char *tensor)
{
    const skimp_budget_options options = { .size = sizeof options, .limit = 16u << 20 };
    skimp_budget *budget = NULL;
    skimp_error error = SKIMP_ERROR_INIT;
    void *self = NULL;
    bool is_sparse = problem.n_sparse > 0;
    problem.n_features = UINT64_C(1) << 40;
    problem.n_dense = is_sparse ? 0 : problem.n_features;
    problem.n_sparse = is_sparse ? problem.n_features : 0;
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    uint64_t before = skimp_budget_peak(budget);
    assert_int_equal(class_->load(&self, budget, tensors, prefix, &problem, params, &error), SKIMP_ERROR_DATA);
    assert_null(self);
    assert_non_null(strstr(error.message, tensor));
    assert_true(skimp_budget_peak(budget) < before + 1024);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

#endif
