/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Solvers: state machines that never scan data themselves.
 *
 * Each step takes the answer to the last request and makes the next.  Whoever drives the solver (an estimator's
 * next_pass/end_pass) turns requests into passes.  All state of a solver is one flat block without pointers into
 * itself (offsets instead), so that a checkpoint is a copy of it, and the request can be asked for again at any time.
 *
 * The problem: minimise F(w) = f(w) + Σ_j l1_j |w_j| over n parameters: f smooth and convex (the data's mean loss and smooth
 * penalties).  The driver adds smooth penalties to its answers; the l1 part is the solver's.
 *
 * Levels: a solver may first solve coarser problems, which are made of every stride-th chunk of the data with penalties
 * `penalty_factor` times as strong (a sample needs more of them), and start each level where the one before ended.
 * Strides fall from level to level; a solver may leave levels out, but for the last, the problem itself: stride 1, factor 1.
 */
#ifndef SKIMPI_SOLVER_H
#define SKIMPI_SOLVER_H

#include "base/base.h"

typedef enum skimpi_request_kind {
    SKIMPI_REQUEST_DONE,
    SKIMPI_REQUEST_GRADIENT, /* f and its gradient at point */
    SKIMPI_REQUEST_HESSIAN,  /* f, gradient and the full Hessian at point */
    SKIMPI_REQUEST_PRODUCT   /* Hessian at point times direction */
} skimpi_request_kind;

typedef struct skimpi_request {
    skimpi_request_kind kind;
    const double *point;     /* n; owned by the solver, valid until the next step */
    const double *direction; /* n, PRODUCT only */
    double *hessian; /* HESSIAN: where to put it, lower triangle, row-major; of the parameters behind the border */
    double *border_diagonal; /* n_border: diagonal of the border's block */
    float *border;           /* n_border × (n - n_border): the border's rows against the others */
    bool with_diagonal;      /* GRADIENT: the Hessian's diagonal is wanted too (preconditioner) */
    bool exact;              /* HESSIAN: in double throughout; else a relative error of 1e-6 will do */
    uint64_t stride;         /* 1: all the data; s: every s-th chunk */
    double penalty_factor;   /* all penalties times this */
} skimpi_request;

typedef struct skimpi_answer {
    double value; /* f, without the l1 part */
    double
        optimality; /* largest absolute entry of F's gradient (the subgradient of least norm), as the user counts it */
    double l1;      /* l1_j of the first n_l1 parameters, penalty_factor included; the others': l1 × l1_rest */
    double rows;    /* that the pass saw */
    const double *gradient; /* n, of f */
    const double *diagonal; /* n */
    const double *product;  /* n */
} skimpi_answer;

#define SKIMPI_MAX_LEVELS 9
#define SKIMPI_COARSE_PASSES 20 /* after so many the last level begins, wherever the others are */
#define SKIMPI_FEWEST_PASSES (SKIMPI_COARSE_PASSES + 4)

typedef struct skimpi_solver_options {
    uint64_t n;
    uint64_t n_border; /* Newton: so many parameters at first have no mixed second derivatives (a one-hot column) */
    uint64_t n_l1;     /* parameters whose l1 weight is `l1`; the rest (intercepts) have l1 × l1_rest */
    double l1_rest;
    bool has_l1;
    double tol;        /* the optimality to reach, at least */
    double gap;        /* and the predicted decrease of F, relative to F */
    double floor;      /* F that counts as 0: what is predicted under gap × floor is no gain */
    uint64_t max_iter; /* outer iterations on the last level */
    double max_passes; /* over all the data, in all; over every s-th chunk: 1/s of one. At least SKIMPI_FEWEST_PASSES */
    unsigned n_levels; /* at least 1 */
    uint64_t stride[SKIMPI_MAX_LEVELS];
    double penalty_factor[SKIMPI_MAX_LEVELS];
    uint64_t model_stride; /* of Hessian products for a preconditioner, on the last level (quasi) */
} skimpi_solver_options;

typedef enum skimpi_stop {
    SKIMPI_STOP_NONE,      /* still at work */
    SKIMPI_STOP_CONVERGED, /* tol and gap are reached */
    SKIMPI_STOP_ROUNDING,  /* nothing can be gained in double precision */
    SKIMPI_STOP_MAX_ITER,  /* or max_passes */
    SKIMPI_STOP_NOT_FINITE /* the numbers overflow at the best point known */
} skimpi_stop;

/* What a solver says of itself, at any time. */
typedef struct skimpi_solution {
    const double *point; /* n: the best known */
    double objective;    /* F at the point, NaN before the last level */
    double optimality;
    uint64_t n_iter; /* outer iterations on the last level */
    skimpi_stop stop;
    uint64_t weak_pivots;    /* steps that had to bend a singular Hessian */
    uint64_t weak_parameter; /* and the parameter that the last of them failed at */
} skimpi_solution;

/* A solver: all its functions work on the flat block. */
typedef struct skimpi_solver {
    const char *name;
    uint64_t (*bytes)(const skimpi_solver_options *options); /* of the block; UINT64_MAX: too large to address */
    void (*init)(void *block, const skimpi_solver_options *options); /* block: zeroed; starts at w = 0 */
    /*
     * After init: begins at this point, on the last level.  Where F is over `worst` there (that of w = 0), or no number, the
     * point is dropped, and all goes as if there had been none.
     */
    void (*start)(void *block, const double *point, double worst);
    void (*request)(void *block, skimpi_request *request);
    void (*step)(void *block, const skimpi_answer *answer);
    void (*solution)(const void *block, skimpi_solution *solution);
    /* Is this block one that the solver can go on with under these options (hostile bytes of the right size)? */
    bool (*check)(const void *block, const skimpi_solver_options *options);
} skimpi_solver;

/* Newton's method with the full Hessian: narrow problems. */
extern const skimpi_solver skimpi_solver_newton;
/* Quasi-Newton, preconditioned with Hessian products on a sample: wide problems. */
extern const skimpi_solver skimpi_solver_quasi;

#endif
