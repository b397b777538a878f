/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sgd_classifier and sgd_regressor: parameters and meaning as in scikit-learn's SGDClassifier and SGDRegressor,
 *
 *     minimise  1/n Σ w_i loss(y_i, x_i·coef + intercept) + alpha (l1_ratio |coef|₁ + (1 - l1_ratio) |coef|² / 2),
 *
 * by the path of solver/sgd.c; w_i is the row's weight times its class's.
 * Several classes are learnt one against the rest, all in the same pass; in the problem of class k, its rows are
 * weighed by class_weight[k] and the rest by 1.  The score of early stopping knows the rows' own weights only.
 */
#include <float.h>
#include <math.h>

#include "estimator/sgd_fit.h"

/* ---- parameters: those that both have, in the order of scikit-learn's signatures ---------------------------------- */

#define PARAMS_OBJECTIVE                                                                                               \
    { .name = "penalty",                                                                                               \
      .type = SKIMP_PARAM_CHOICE,                                                                                      \
      .default_value = "l2",                                                                                           \
      .may_be_null = true,                                                                                             \
      .choices = "l2|l1|elasticnet",                                                                                   \
      .help = "penalty on the coefficients; null for none" },                                                          \
        { .name = "alpha",                                                                                             \
          .type = SKIMP_PARAM_FLOAT,                                                                                   \
          .default_value = "0.0001",                                                                                   \
          .minimum = 0,                                                                                                \
          .maximum = DBL_MAX,                                                                                          \
          .help = "strength of the penalty; also sets learning_rate=optimal" },                                        \
        { .name = "l1_ratio",                                                                                          \
          .type = SKIMP_PARAM_FLOAT,                                                                                   \
          .default_value = "0.15",                                                                                     \
          .may_be_null = true,                                                                                         \
          .minimum = 0,                                                                                                \
          .maximum = 1,                                                                                                \
          .help = "share of l1 in penalty=elasticnet" },                                                               \
        { .name = "fit_intercept",                                                                                     \
          .type = SKIMP_PARAM_BOOL,                                                                                    \
          .default_value = "true",                                                                                     \
          .help = "whether there is an intercept, which is not penalised" },                                           \
        { .name = "max_iter",                                                                                          \
          .type = SKIMP_PARAM_INT,                                                                                     \
          .default_value = "1000",                                                                                     \
          .minimum = 1,                                                                                                \
          .maximum = 1e15,                                                                                             \
          .help = "largest number of passes over the data" },                                                          \
        { .name = "tol",                                                                                               \
          .type = SKIMP_PARAM_FLOAT,                                                                                   \
          .default_value = "0.001",                                                                                    \
          .may_be_null = true,                                                                                         \
          .minimum = 0,                                                                                                \
          .maximum = INFINITY,                                                                                         \
          .help = "an epoch must improve the objective (with early_stopping: the score) by this; null: all max_iter "  \
                  "epochs" },                                                                                          \
        { .name = "shuffle",                                                                                           \
          .type = SKIMP_PARAM_BOOL,                                                                                    \
          .default_value = "true",                                                                                     \
          .help = "whether rows are visited in a random order" },                                                      \
        { .name = "verbose",                                                                                           \
          .type = SKIMP_PARAM_INT,                                                                                     \
          .default_value = "0",                                                                                        \
          .help = "accepted for compatibility: progress is shown on a terminal" },                                     \
    {                                                                                                                  \
        .name = "epsilon", .type = SKIMP_PARAM_FLOAT, .default_value = "0.1", .minimum = 0, .maximum = DBL_MAX,        \
        .help = "the epsilon of the losses huber, epsilon_insensitive and squared_epsilon_insensitive"                 \
    }

#define PARAMS_PATH(schedule, exponent)                                                                                \
    { .name = "random_state",                                                                                          \
      .type = SKIMP_PARAM_INT,                                                                                         \
      .default_value = "null",                                                                                         \
      .may_be_null = true,                                                                                             \
      .minimum = 0,                                                                                                    \
      .maximum = 0x1p53,                                                                                               \
      .help = "seed of the order of rows and of the validation rows; null is 0" },                                     \
        { .name = "learning_rate",                                                                                     \
          .type = SKIMP_PARAM_CHOICE,                                                                                  \
          .default_value = schedule,                                                                                   \
          .choices = "constant|optimal|invscaling|adaptive|pa1|pa2",                                                   \
          .help = "schedule of the steps" },                                                                           \
        { .name = "eta0",                                                                                              \
          .type = SKIMP_PARAM_FLOAT,                                                                                   \
          .default_value = "0.01",                                                                                     \
          .minimum = 0,                                                                                                \
          .maximum = DBL_MAX,                                                                                          \
          .minimum_is_open = true,                                                                                     \
          .help = "first step of constant, invscaling and adaptive; C of pa1 and pa2" },                               \
        { .name = "power_t",                                                                                           \
          .type = SKIMP_PARAM_FLOAT,                                                                                   \
          .default_value = exponent,                                                                                   \
          .minimum = -DBL_MAX,                                                                                         \
          .maximum = DBL_MAX,                                                                                          \
          .help = "exponent of invscaling: eta0 / t^power_t" },                                                        \
        { .name = "early_stopping",                                                                                    \
          .type = SKIMP_PARAM_BOOL,                                                                                    \
          .default_value = "false",                                                                                    \
          .help = "whether to stop by the score on rows kept from training" },                                         \
        { .name = "validation_fraction",                                                                               \
          .type = SKIMP_PARAM_FLOAT,                                                                                   \
          .default_value = "0.1",                                                                                      \
          .minimum = 0,                                                                                                \
          .maximum = 0x1.fffffffffffffp-1,                                                                             \
          .minimum_is_open = true,                                                                                     \
          .help = "share of rows that early_stopping keeps from training" },                                           \
    {                                                                                                                  \
        .name = "n_iter_no_change", .type = SKIMP_PARAM_INT, .default_value = "5", .minimum = 1, .maximum = 1e15,      \
        .help = "epochs in a row without progress after which it stops"                                                \
    }

#define PARAMS_LAST                                                                                                    \
    { .name = "warm_start",                                                                                            \
      .type = SKIMP_PARAM_BOOL,                                                                                        \
      .default_value = "false",                                                                                        \
      .help = "accepted for compatibility: a model to begin at is an option of the job" },                             \
    {                                                                                                                  \
        .name = "average", .type = SKIMP_PARAM_JSON, .default_value = "false",                                         \
        .help = "true: coefficients averaged over all steps; k: from step k on"                                        \
    }

static const skimp_param classifier_params[] = {
    { .name = "loss",
      .type = SKIMP_PARAM_CHOICE,
      .default_value = "hinge",
      .choices = "hinge|log_loss|modified_huber|squared_hinge|perceptron|squared_error|huber|epsilon_insensitive|"
                 "squared_epsilon_insensitive",
      .help = "what is minimised: hinge is a linear support vector machine, log_loss logistic regression" },
    PARAMS_OBJECTIVE,
    { .name = "n_jobs",
      .type = SKIMP_PARAM_INT,
      .default_value = "null",
      .may_be_null = true,
      .help = "accepted for compatibility: all classes learn in the same pass" },
    PARAMS_PATH("optimal", "0.5"),
    { .name = "class_weight",
      .type = SKIMP_PARAM_JSON,
      .default_value = "null",
      .may_be_null = true,
      .help = "balanced, or an object of label: weight" },
    PARAMS_LAST,
    { .name = NULL },
};

static const skimp_param regressor_params[] = {
    { .name = "loss",
      .type = SKIMP_PARAM_CHOICE,
      .default_value = "squared_error",
      .choices = "squared_error|huber|epsilon_insensitive|squared_epsilon_insensitive",
      .help = "what is minimised" },
    PARAMS_OBJECTIVE,
    PARAMS_PATH("invscaling", "0.25"),
    PARAMS_LAST,
    { .name = NULL },
};

/* ---- classes ------------------------------------------------------------------------------------------------------- */

#define SGD_FUNCTIONS                                                                                                  \
    .plan = skimpi_sgd_fit_plan, .begin = skimpi_sgd_fit_begin, .next_pass = skimpi_sgd_fit_next_pass,                 \
    .consume = skimpi_sgd_fit_consume, .merge = skimpi_sgd_fit_merge, .end_pass = skimpi_sgd_fit_end_pass,             \
    .consume_window = skimpi_sgd_consume_window, .progress = skimpi_sgd_fit_progress,                                  \
    .state_save = skimpi_sgd_fit_state_save, .state_load = skimpi_sgd_fit_state_load, .result = skimpi_sgd_fit_result, \
    .save = skimpi_sgd_model_save, .load = skimpi_sgd_model_load, .destroy = skimpi_sgd_fit_destroy,                   \
    .outputs = skimpi_sgd_model_outputs, .predict = skimpi_sgd_model_predict,                                          \
    .predict_worker_bytes = skimpi_sgd_model_predict_bytes, .start = skimpi_sgd_fit_start, .learns_in_parts = true

extern const skimpi_estimator_class skimpi_class_sgd_classifier;
const skimpi_estimator_class skimpi_class_sgd_classifier = {
    .info = {
        .name = "sgd_classifier",
        .class_name = "SGDClassifier",
        .module = "linear_model",
        .kind = SKIMP_CLASSIFIER,
        .help = "linear classifiers by stochastic gradient descent: support vector machine, logistic regression, …",
        .params = classifier_params,
    },
    SGD_FUNCTIONS,
    .weighs_classes = true,
};

extern const skimpi_estimator_class skimpi_class_sgd_regressor;
const skimpi_estimator_class skimpi_class_sgd_regressor = {
    .info = {
        .name = "sgd_regressor",
        .class_name = "SGDRegressor",
        .module = "linear_model",
        .kind = SKIMP_REGRESSOR,
        .help = "linear regression by stochastic gradient descent, with robust losses",
        .params = regressor_params,
    },
    SGD_FUNCTIONS,
};
