/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stochastic gradient descent on linear models that needs no tuning to be sane: see sgd.c for the mathematics.
 *
 * Unlike the other solvers it makes no requests: rows are pushed through skimpi_sgd_step in the order to visit.  All of
 * its state is one flat block (skimpi_sgd_state), so that a checkpoint is a copy of it.
 */
#ifndef SKIMPI_SGD_H
#define SKIMPI_SGD_H

#include "loss/loss.h"

typedef enum skimpi_sgd_schedule {
    SKIMPI_SGD_CONSTANT,   /* η = eta0 */
    SKIMPI_SGD_OPTIMAL,    /* η ≤ 1 / (α (t + t0)), and for each feature no more than what its own gradients say */
    SKIMPI_SGD_INVSCALING, /* η = eta0 / t^power_t */
    SKIMPI_SGD_ADAPTIVE,   /* η = eta0, divided by 5 when a problem no longer improves */
    SKIMPI_SGD_PA1,        /* passive-aggressive, I and II */
    SKIMPI_SGD_PA2
} skimpi_sgd_schedule;

typedef struct skimpi_sgd_options {
    const skimpi_loss *loss;
    double loss_parameter;
    skimpi_sgd_schedule schedule;
    double alpha;  /* of the schedule */
    double l2, l1; /* penalty: l2 / 2 Σ w² + l1 Σ |w|, beside the mean loss */
    double eta0, power_t;
    bool fit_intercept;
    double intercept_rate;       /* the intercept's share of η (scikit-learn: 0.01 on sparse data, else 1) */
    double unit;                 /* what a margin is measured in: 1 for classes, the spread of the targets for values */
    uint64_t average_from;       /* average the steps from this one on (1 is the first); 0: no averages */
    uint64_t n_features;         /* under 2^32 */
    uint32_t n_problems;         /* 1, or one for each class against the rest */
    const double *class_weights; /* one for each class, kept by the caller until destroy; NULL: ones */
    bool plain;                  /* without the CPU's vectors (tests) */
    bool is_classifier;          /* targets are class indices; one problem: class 1 against class 0 */
} skimpi_sgd_options;

/*
 * A row: features of fixed scale (values already brought to about 1, see skimpi_sgd_fix) and CSR entries, whose scale is
 * learned on the way.  csr_base is added to every index.
 */
typedef struct skimpi_sgd_row {
    const uint32_t *fixed_index;
    const float *fixed_value;
    uint32_t n_fixed;
    uint32_t n_csr;
    uint64_t csr_base;
    const uint32_t *index; /* exactly one of index and index64, when n_csr is not 0 */
    const uint64_t *index64;
    const float *f32; /* one of f32 and f64, or neither: ones */
    const double *f64;
    double target, weight;
} skimpi_sgd_row;

typedef struct skimpi_sgd skimpi_sgd;

uint64_t skimpi_sgd_bytes(const skimpi_sgd_options *options); /* what create charges, under "solver" */
SKIMP_CHECKED skimp_status skimpi_sgd_create(skimpi_sgd **out, skimp_budget *budget, const skimpi_sgd_options *options,
                                             skimp_error *error);
void skimpi_sgd_destroy(skimpi_sgd *sgd);

/* Before the first step: this feature's values come divided by `scale` (0: it is constant, and comes as zeros). */
void skimpi_sgd_fix(skimpi_sgd *sgd, uint64_t feature, double scale);

/* Before the first step: what margins are measured in, when it was not known at create. */
void skimpi_sgd_set_unit(skimpi_sgd *sgd, double unit);

/*
 * What the rows of a problem's class (is_positive), or of the others, are weighed by: with one class against the rest,
 * the rest weighs 1 (as in scikit-learn).
 */
static inline double skimpi_sgd_class_weight(const skimpi_sgd_options *o, uint32_t problem, bool is_positive)
{
    const double *weights = o->class_weights;
    return weights == NULL ? 1 : o->n_problems == 1 ? weights[is_positive ? 1 : 0] : is_positive ? weights[problem] : 1;
}

/* One row, for every problem that is still learning. */
void skimpi_sgd_step(skimpi_sgd *sgd, const skimpi_sgd_row *row);

/* A problem's pass over the data: mean losses, each row's before its step, plus a penalty. */
typedef struct skimpi_sgd_epoch {
    double objective; /* losses with all weights, the penalty at the end */
    double weighted;  /* the same with the mean of the penalty over the pass (passive-aggressive: without) */
    double plain;     /* the same with the losses without any weights: what scikit-learn's stop rule looks at */
} skimpi_sgd_epoch;

/* Ends a pass over the data: brings all weights up to date. Returns false when a weight is not finite any more. */
bool skimpi_sgd_end_pass(skimpi_sgd *sgd, skimpi_sgd_epoch *epochs);

/* A problem that has stopped learns no more; ADAPTIVE: divides its rate by 5 (false: it is at 1e-6 already). */
void skimpi_sgd_stop(skimpi_sgd *sgd, uint32_t problem);
bool skimpi_sgd_is_active(const skimpi_sgd *sgd, uint32_t problem);
bool skimpi_sgd_slow_down(skimpi_sgd *sgd, uint32_t problem);

/*
 * Weights of a problem after end_pass (averages where asked for and begun), in the units that rows come in:
 * features of fixed scale still per scaled value.  Returns the intercept.
 */
double skimpi_sgd_weights(const skimpi_sgd *sgd, uint32_t problem, double *coef);
double skimpi_sgd_steps(const skimpi_sgd *sgd); /* rows seen, in all passes */

/* ---- going on where another fit ended (sgd_past.c) ---- */

/* All but the weights of a problem: before the first step, after skimpi_sgd_fix. */
typedef struct skimpi_sgd_past {
    double intercept, average_intercept;
    uint64_t averaged;       /* steps in the averages */
    double gradients;        /* G of the intercept */
    double weight, weighted; /* of the rows so far: Σ h_i, and how many rows had a weight */
} skimpi_sgd_past;

/* A problem's weight of a feature, in the units that rows come in, and the root of its G. */
typedef struct skimpi_sgd_weight {
    double coef, average, root;
} skimpi_sgd_weight;

void skimpi_sgd_set_rows(skimpi_sgd *sgd, uint64_t rows, double norms);     /* steps so far; N_t */
void skimpi_sgd_set_scale(skimpi_sgd *sgd, uint64_t feature, double scale); /* a learned scale; not 0 */
void skimpi_sgd_set_weight(skimpi_sgd *sgd, uint32_t problem, uint64_t feature, const skimpi_sgd_weight *weight);
/* Once the problem's weights are set. */
void skimpi_sgd_set_past(skimpi_sgd *sgd, uint32_t problem, const skimpi_sgd_past *past);

/* The same of a fit that ended, without averages; *scale: what a learned scale is (0: no value yet), else 1. */
void skimpi_sgd_get_weight(const skimpi_sgd *sgd, uint32_t problem, uint64_t feature, skimpi_sgd_weight *weight,
                           double *scale);
void skimpi_sgd_get_past(const skimpi_sgd *sgd, uint32_t problem, skimpi_sgd_past *past);
double skimpi_sgd_norms(const skimpi_sgd *sgd);

/* The flat state, between passes. */
void *skimpi_sgd_state(skimpi_sgd *sgd, size_t *bytes);
const void *skimpi_sgd_state_const(const skimpi_sgd *sgd, size_t *bytes);

#endif
