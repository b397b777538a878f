/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sgd_classifier and sgd_regressor share: the fit (sgd_fit.c), the order of rows (sgd_window.c), the fitted model
 * (sgd_model.c), and going on from one (sgd_start.c).
 */
#ifndef SKIMPI_SGD_FIT_H
#define SKIMPI_SGD_FIT_H

#include "estimator/estimator.h"
#include "estimator/row_view.h"
#include "solver/sgd.h"

/* What parameters and shape say: no memory, no state. */
typedef struct skimpi_sgd_plan {
    skimpi_sgd_options options;
    uint64_t max_iter, n_iter_no_change, seed;
    double tol;                 /* -inf: never stops */
    double validation_fraction; /* 0: none */
    bool shuffle;
    bool needs_statistics; /* a pass for means and spreads comes first */
    bool partial;          /* one epoch of a longer fit */
    bool is_kept;          /* the model has what it takes to go on from it as if it had not ended */
    uint64_t n_dense, n_code_columns, n_sparse;
    uint32_t tile_rows; /* rows that are gathered at a time */
} skimpi_sgd_plan;

enum { SKIMPI_SGD_STATISTICS, SKIMPI_SGD_TRAIN, SKIMPI_SGD_VALIDATE, SKIMPI_SGD_EVALUATE, SKIMPI_SGD_DONE };

/* Mean and spread of a column, merged by Chan, Golub & LeVeque (1983). */
typedef struct skimpi_sgd_moments {
    double n, mean, m2;
} skimpi_sgd_moments;

/* What changes from pass to pass, beside the solver's state and the arrays below: a checkpoint has all three. */
typedef struct skimpi_sgd_progress {
    uint32_t phase, has_layout;
    uint64_t n_iter;
    double objective, converged;
    double target_spread;
    double steps;           /* rows trained on, in all epochs together */
    double validation_rows; /* kept from training */
} skimpi_sgd_progress;

typedef struct skimpi_sgd_problem {
    double best;          /* plain loss of an epoch, or validation score */
    double best_weighted; /* loss with weights */
    uint64_t stale;       /* passes without progress */
} skimpi_sgd_problem;

typedef struct skimpi_sgd_column {
    double mean, scale; /* scale 0: constant */
    uint64_t feature;
} skimpi_sgd_column;

/* A row of what is kept of a problem, in the model. */
enum { SKIMPI_SGD_GRADIENTS, SKIMPI_SGD_WEIGHT, SKIMPI_SGD_WEIGHTED, SKIMPI_SGD_KEPT };

/* Arrays of the model to go on from, where they lie; NULL: it has none such. */
typedef struct skimpi_sgd_start {
    const double *coef, *intercept;                   /* NULL: there is no such model */
    const double *standard_coef, *standard_intercept; /* without averages */
    const skimpi_sgd_moments *moments;                /* n_dense + 1 */
    const double *problems;                           /* n_problems × SKIMPI_SGD_KEPT */
    const double *norms;
    const float *roots, *scales; /* n_problems × n_features, n_features */
    double steps;
} skimpi_sgd_start;

typedef struct skimpi_sgd_fit {
    skimp_budget *budget;
    skimpi_sgd_plan plan;
    uint32_t n_classes; /* 0: values */
    skimpi_warnings *warnings;
    const char *name; /* of the estimator, for messages */
    skimpi_sgd_progress progress;
    skimpi_sgd *solver;           /* NULL in a loaded model */
    skimpi_sgd_problem *problems; /* n_problems */
    skimpi_sgd_column *columns;   /* n_dense */
    skimpi_sgd_moments *moments;  /* n_dense, then the target's: of all rows so far; NULL in a loaded model */
    skimpi_sgd_start start;
    double *coef, *intercept; /* n_problems × n_features, n_problems */
    skimpi_sgd_epoch *epochs; /* n_problems: the last pass */
    void *window;             /* scratch of consume_window; NULL in a loaded model */
    uint64_t window_bytes;
} skimpi_sgd_fit;

/* One against the rest where classes are several. */
static inline uint32_t skimpi_sgd_problems(bool is_classifier, const skimpi_problem *problem)
{
    return is_classifier && problem->n_classes > 2 ? problem->n_classes : 1;
}
skimp_status skimpi_sgd_read_params(skimpi_sgd_plan *plan, const skimpi_problem *problem, const skimpi_params *params,
                                    skimp_error *error);

/* ---- sgd_fit.c ---- */
skimp_status skimpi_sgd_fit_plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                                 skimp_error *error);
skimp_status skimpi_sgd_fit_begin(void **self, skimp_budget *budget, const skimpi_problem *problem,
                                  const skimpi_params *params, skimpi_warnings *warnings, skimp_error *error);
skimp_status skimpi_sgd_fit_next_pass(void *self, skimpi_pass *pass, skimp_error *error);
skimp_status skimpi_sgd_fit_consume(const void *self, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                                    void *worker_scratch, skimp_error *error);
void skimpi_sgd_fit_merge(const void *self, const skimpi_pass *pass, void *into, const void *from);
skimp_status skimpi_sgd_fit_end_pass(void *self, const skimpi_pass *pass, const void *lane, skimp_error *error);
double skimpi_sgd_fit_progress(const void *self);
skimp_status skimpi_sgd_fit_state_save(const void *self, skimpi_buffer *out, skimp_error *error);
skimp_status skimpi_sgd_fit_state_load(void *self, const void *bytes, size_t n, skimp_error *error);
void skimpi_sgd_fit_result(const void *self, skimpi_outcome *outcome);
void skimpi_sgd_fit_destroy(void *self);
/* Is the row kept from training, to stop by? */
static inline bool skimpi_sgd_is_validation(const skimpi_sgd_plan *plan, uint64_t row)
{
    return plan->validation_fraction > 0 &&
           (double)(skimpi_mix64(row ^ skimpi_mix64(plan->seed ^ 0x5eed)) >> 11) * 0x1p-53 < plan->validation_fraction;
}

void skimpi_sgd_merge_moments(skimpi_sgd_moments *into, const skimpi_sgd_moments *from);

/* ---- sgd_start.c ---- */
skimp_status skimpi_sgd_fit_start(void *self, const skimpi_tensors *tensors, const char *prefix, skimp_error *error);
/* Before features are fixed: columns that are constant here but have a weight are none; learned scales. */
void skimpi_sgd_start_scales(skimpi_sgd_fit *fit, const skimpi_chunk *chunk);
/* Once they are: the solver's weights, and all that rates are made of. */
void skimpi_sgd_start_weights(skimpi_sgd_fit *fit);
/* What going on takes, beside scikit-learn's attributes: bytes, and the arrays. */
uint64_t skimpi_sgd_kept_bytes(const skimpi_sgd_plan *plan);
skimp_status skimpi_sgd_save_kept(const skimpi_sgd_fit *fit, skimpi_tensors *tensors, const char *prefix,
                                  skimp_error *error);

/* ---- sgd_window.c ---- */
uint64_t skimpi_sgd_window_bytes(const skimpi_sgd_plan *plan, uint32_t chunk_rows, unsigned window);
skimp_status skimpi_sgd_consume_window(void *self, const skimpi_pass *pass, const skimpi_chunk *const *chunks,
                                       unsigned n_chunks, void *worker_scratch, skimp_error *error);

/* ---- sgd_model.c ---- */
/* Descriptors of a row view: dense columns, then code columns. */
uint64_t skimpi_sgd_view_bytes(uint64_t n_dense, uint64_t n_code_columns);
/* Margins of some rows for problems first … of the next SKIMPI_SGD_TILE_OUTPUTS, as far as there are; how many. */
#define SKIMPI_SGD_TILE_OUTPUTS 8u
uint32_t skimpi_sgd_margins(const skimpi_sgd_fit *fit, const skimpi_chunk *rows, uint32_t first, double *out,
                            size_t stride);
/* Takes the solver's weights into coef and intercept, in the units of the data. */
void skimpi_sgd_take_weights(skimpi_sgd_fit *fit);
skimp_status skimpi_sgd_allocate_model(skimpi_sgd_fit *fit, skimp_error *error);
uint64_t skimpi_sgd_model_bytes(const skimpi_sgd_plan *plan);
/* A new array of the model, of zeros, at *data. */
skimp_status skimpi_sgd_add(skimpi_tensors *tensors, const char *prefix, const char *name, skimpi_dtype dtype,
                            unsigned n_dims, const uint64_t *shape, void **data, skimp_error *error);
skimp_status skimpi_sgd_need(const skimpi_tensors *tensors, const char *prefix, const char *name, skimpi_dtype dtype,
                             unsigned n_dims, const uint64_t *shape, const void **values, skimp_error *error);
/* The same of an array that need not be there: *values NULL. */
skimp_status skimpi_sgd_find(const skimpi_tensors *tensors, const char *prefix, const char *name, skimpi_dtype dtype,
                             unsigned n_dims, const uint64_t *shape, const void **values, skimp_error *error);
skimp_status skimpi_sgd_model_save(const void *self, skimpi_tensors *tensors, const char *prefix, skimp_error *error);
skimp_status skimpi_sgd_model_load(void **self, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                                   const skimpi_problem *problem, const skimpi_params *params, skimp_error *error);
unsigned skimpi_sgd_model_outputs(const void *self, skimpi_predict_kind kind, const char **why);
skimp_status skimpi_sgd_model_predict(const void *self, skimpi_predict_kind kind, const skimpi_chunk *chunk,
                                      double *out, size_t stride, void *worker_scratch, skimp_error *error);
uint64_t skimpi_sgd_model_predict_bytes(const skimpi_problem *problem, const skimpi_params *params);

#endif
