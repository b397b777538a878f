/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside logistic regression: what its files share.
 *
 *   logistic_regression.c   the class: parameters, plan, begin, passes in order, warnings, result
 *   logistic_centres.c      where columns are centred, and shifted
 *   logistic_passes.c       what a pass sums over chunks (consume, merge)
 *   logistic_model.c        save, load, predict; state of a checkpoint
 *
 * The objective, as in scikit-learn's user guide, for K outputs (1 for two classes, else one a class):
 *     C Σ_i s_i loss_i(w, b) + (1 - l1_ratio) / 2 ‖w‖² + l1_ratio ‖w‖₁
 * Solvers get it divided by C Σ s_i (or Σ s_i when C is infinite): mean loss + λ2 / 2 ‖w‖² + λ1 ‖w‖₁.  With solver=liblinear the
 * intercept is b = intercept_scaling × v, and v is penalised like a coefficient.
 *
 * Parameters of a solver: K × p coefficients, row by row, then K intercepts if there are any.  They are those of *centred* columns:
 * with centres c_j (means; dense columns only) the intercept is b' = b + Σ c_j w_j, so that an offset of 1e9 does not couple
 * every column with the intercept.  Gradients: g_w = G_w - c G_b, where G is the gradient of what the user sees.  A column whose
 * mean is over OFFSET standard deviations comes with a shift near its mean taken off (skimpi_pass.shifts), as its margins would
 * have no digits left otherwise: c is then the mean that is left, and G the gradient as of the column that was shifted.  With a border
 * (solver_newton.c: a large one-hot column) the border's coefficients come first: skimpi_logistic_place.
 */
#ifndef SKIMPI_LOGISTIC_H
#define SKIMPI_LOGISTIC_H

#include "estimator/estimator.h"
#include "estimator/row_view.h"
#include "kernel/kernel.h"
#include "loss/loss.h"
#include "solver/solver.h"

typedef enum logistic_kind { LOGISTIC_MOMENTS, LOGISTIC_GRADIENT, LOGISTIC_HESSIAN, LOGISTIC_PRODUCT } logistic_kind;

/* All that follows from the problem's shape and the parameters. */
typedef struct logistic_shape {
    uint64_t p;         /* features */
    uint64_t n_outputs; /* K */
    uint64_t n;         /* solver parameters */
    uint64_t n_dense, n_code_columns;
    uint32_t n_classes;
    uint32_t tile_rows;    /* rows at once, a multiple of 16 */
    uint64_t border_first; /* features of the column whose parameters border the Newton matrix: see solver.h */
    uint64_t border;       /* how many; 0: none */
    uint64_t inner;        /* solver parameters less those */
    bool has_intercept;
    bool is_centred;
    bool has_csr;
    double C; /* infinity: no penalty */
    double l1_ratio;
    double
        intercept_penalty; /* λ2 of an intercept is λ2 × this², λ1 is λ1 × this: 0, or 1 / intercept_scaling for liblinear */
    uint64_t n_centres;     /* p, or 0 where nothing is centred; and so many shifts */
    uint64_t state_doubles; /* behind struct logistic: see there */
    uint64_t solver_bytes;
    unsigned lanes;
    uint64_t lane_bytes, worker_bytes;
    const skimpi_solver *solver;
    skimpi_solver_options options;
} logistic_shape;

/* Read-only in a pass: the header, then coefficients of n_rows outputs (K, or 2 K: point and direction), then their intercepts. */
typedef struct logistic_pass {
    uint32_t kind;
    uint32_t n_rows;
    uint32_t with_diagonal;
    uint32_t exact;
    double reserved[6];
    double values[];
} logistic_pass;

typedef struct logistic_lane {
    double value, weight, rows;
    double reserved[5];
    double sums
        []; /* gradient (or product, or moments): K p + K; then diagonal: K p + K; or Hessian: inner × inner, border, and border × inner floats */
} logistic_lane;

/* The estimator. One block: this, the solver's block, then doubles: the pass, n_centres twice, gradient (or product) n, diagonal n, inner centres (if any). */
typedef struct logistic {
    skimp_budget *budget;
    skimp_tag tag;
    size_t bytes;
    skimpi_warnings *warnings;
    skimpi_problem problem;
    logistic_shape shape;
    const skimpi_kernels *kernels;
    const skimpi_loss *loss; /* two classes */
    bool is_fitted;          /* pass.values are the model */
    bool has_centres;
    bool has_shifts;    /* some column has one: pass.shifts */
    uint64_t n_moments; /* passes for the moments so far: one, or two where columns are shifted far */
    uint64_t worst;     /* the solver's parameter with the largest gradient at the last point over all rows */
    double weight;      /* Σ s_i of the last pass over all rows */
    double objective;
    uint64_t n_iter;
    bool converged;
    void *solver;
    double *centre, *shift, *gradient, *diagonal, *product;
    double *inner_centre;                       /* centres of the features that are not the border's */
    const double *start_coef, *start_intercept; /* where the solver is to begin; NULL: at 0 */
    logistic_pass *pass;
} logistic;

/* Checks the parameters and works the shape out. */
skimp_status skimpi_logistic_shape(const skimpi_problem *problem, const skimpi_params *params, logistic_shape *shape,
                                   skimp_error *error);
uint64_t skimpi_logistic_bytes(const logistic_shape *shape);
/* A self with its arrays laid out, charged to tag. */
skimp_status skimpi_logistic_create(logistic **out, skimp_budget *budget, skimp_tag tag, const skimpi_problem *problem,
                                    const logistic_shape *shape, skimp_error *error);
void skimpi_logistic_destroy(void *self);
/* logistic_centres.c: the centres are there, inner ones too, and from now on they count. */
void skimpi_logistic_take_centres(logistic *self);

/* The solver's place of a feature's coefficient; the number of a feature that is not the border's among those. */
static inline uint64_t skimpi_logistic_place(const logistic_shape *shape, uint64_t feature)
{
    uint64_t first = shape->border_first;
    return feature >= first + shape->border ? feature : feature < first ? feature + shape->border : feature - first;
}
static inline uint64_t skimpi_logistic_inner(const logistic_shape *shape, uint64_t feature)
{
    return feature < shape->border_first ? feature : feature - shape->border;
}

/* logistic_centres.c */
/* The moments of a pass become shifts and centres. False: they are wanted once more, of the columns as they now come. */
bool skimpi_logistic_take_moments(logistic *self, const logistic_lane *lane);
/* What all the columns' means, shifts included, add to an output's intercept. */
double skimpi_logistic_offset(const logistic *self, const double *coef);
/* "column 'x'", in `name` */
const char *skimpi_logistic_feature_name(const logistic *self, uint64_t feature, char *name, size_t size);

/* logistic_passes.c */
/* A worker's scratch. */
typedef struct logistic_scratch {
    skimpi_dense_column *dense;
    skimpi_code_column *codes;
    double *margins;                  /* 2 K × tile_rows */
    double *first;                    /* K × tile_rows: r, or what a product scatters */
    double *second;                   /* K × tile_rows: D, or probabilities */
    double *row;                      /* tile_rows */
    skimpi_dense_column *inner_dense; /* with a border: the columns without it, renumbered */
    skimpi_code_column *inner_codes;
    void *gram; /* Newton only */
} logistic_scratch;
uint32_t skimpi_logistic_tile_rows(uint64_t n_outputs);
/* Lays the scratch out in block; returns its bytes. Both may be NULL: only counts. */
uint64_t skimpi_logistic_lay_out(const logistic_shape *shape, void *block, logistic_scratch *scratch);
/* The tile of a chunk that begins at row `first`; false: there is none. */
bool skimpi_logistic_tile(const logistic *self, const skimpi_chunk *chunk, uint32_t first, const logistic_scratch *s,
                          skimpi_chunk *tile);
skimp_status skimpi_logistic_consume(const void *self, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                                     void *worker_scratch, skimp_error *error);
void skimpi_logistic_merge(const void *self, const skimpi_pass *pass, void *into, const void *from);

/* logistic_model.c */
skimp_status skimpi_logistic_state_save(const void *self, skimpi_buffer *out, skimp_error *error);
skimp_status skimpi_logistic_state_load(void *self, const void *bytes, size_t n, skimp_error *error);
skimp_status skimpi_logistic_save(const void *self, skimpi_tensors *tensors, const char *prefix, skimp_error *error);
/* Coefficients and intercepts in a model's arrays, where they lie: of the shape's size, and finite (DATA). */
skimp_status skimpi_logistic_find(const skimpi_tensors *tensors, const char *prefix, const logistic_shape *shape,
                                  const double **coef, const double **intercept, skimp_error *error);
skimp_status skimpi_logistic_load(void **self, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                                  const skimpi_problem *problem, const skimpi_params *params, skimp_error *error);
unsigned skimpi_logistic_outputs(const void *self, skimpi_predict_kind kind, const char **why);
skimp_status skimpi_logistic_predict(const void *self, skimpi_predict_kind kind, const skimpi_chunk *chunk, double *out,
                                     size_t stride, void *worker_scratch, skimp_error *error);
uint64_t skimpi_logistic_predict_worker_bytes(const skimpi_problem *problem, const skimpi_params *params);
uint64_t skimpi_logistic_model_bytes(const logistic_shape *shape);

#endif
