/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Least squares, shared by linear_regression and ridge: the state of a fit and the parts of it.
 *
 *     minimise  Σ s_i (y_i - x_i·w - b)² + α ‖w‖²      (s: weights; b only with fit_intercept; w ≥ 0 with positive)
 *
 * least_squares.c          the classes, plans, passes, models
 * least_squares_passes.c   what a pass sums over chunks
 * least_squares_solve.c    the systems that are solved between passes
 * least_squares_singular.c singular values, which scikit-learn's LinearRegression keeps
 */
#ifndef SKIMPI_LEAST_SQUARES_H
#define SKIMPI_LEAST_SQUARES_H

#include "estimator/estimator.h"

#define LEAST_SQUARES_NARROW 1024 /* features up to here: one Gram matrix; beyond: conjugate gradients */

typedef enum least_squares_pass {
    PASS_MOMENTS = 1, /* narrow: weighted moments of (x, y, 1) */
    PASS_SCALES,      /* wide: means and squares of the columns */
    PASS_RESIDUAL,    /* gradient and residual sum of squares at a point */
    PASS_PRODUCT      /* wide: XᵀSX times a direction */
} least_squares_pass;

#define LEAST_SQUARES_FLOATS 2 /* the mark of a dense column that comes as floats; of other dense ones: 1 */

/* How the narrow system was factored. */
typedef enum least_squares_factor { FACTOR_NONE, FACTOR_CHOLESKY, FACTOR_EIGEN, FACTOR_BOUNDED } least_squares_factor;

/* The problem's shape, from which sizes follow. */
typedef struct least_squares_shape {
    uint64_t n_features, n_dense, n_code_columns;
    uint32_t tile_rows;
    bool narrow, fit_intercept, positive;
    bool has_rows;               /* wide: all passes get the caller's rows */
    bool is_ridge, has_singular; /* has_singular: singular values are part of the model */
    double alpha, tolerance;
    uint64_t max_iter; /* of conjugate gradients */
    unsigned lanes;
} least_squares_shape;

/* A lane: this header, then arrays. MOMENTS: centre (p + 2), gram (p + 2)², dense marks; others: three of p, marks. */
typedef struct least_squares_lane {
    double n_rows;                                    /* rows seen, weights aside */
    double weight;                                    /* Σ s */
    double target_centre, target_sum, target_squares; /* SCALES: of y - target_centre */
    double residual_sum;                              /* RESIDUAL, PRODUCT: Σ s r */
    double residual_squares;                          /* Σ s r² */
} least_squares_lane;

/* The parameters of RESIDUAL and PRODUCT: this header, then point (p) and centre (p). */
typedef struct least_squares_point {
    double target_centre;
    double centre_dot_point; /* Σ_j centre_j point_j */
} least_squares_point;

/* All that changes from pass to pass and is not an array: saved in checkpoints as it is. */
typedef struct least_squares_progress {
    int32_t next; /* the kind of the coming pass; 0: done */
    int32_t factor;
    uint64_t rank;   /* narrow: of the centred matrix; 0: unknown */
    uint64_t n_null; /* FACTOR_EIGEN: directions cut off, the first rows of the matrix */
    uint64_t n_iter, n_refined;
    double weight, n_rows, target_mean, target_squares; /* target_squares: Σ s (y - mean)² */
    double residual_shift;                              /* what the last exact pass found the intercept to be off by */
    double objective;
    double last_step;               /* relative size of the last correction */
    double inner_start, inner_norm; /* conjugate gradients: rᵀM⁻¹r at the start and now */
    uint64_t inner_iter;
    double wanted; /* wide: the gradient to reach */
    double best;   /* wide: least gradient so far */
    uint8_t converged, has_objective, warned, unused[5];
} least_squares_progress;

typedef struct least_squares {
    skimp_budget *budget;
    skimpi_warnings *warnings;
    const char *const *feature_names;
    least_squares_shape shape;
    least_squares_progress progress;
    void *block; /* all arrays below; the first saved_bytes of it make a checkpoint */
    size_t block_bytes, saved_bytes;
    double *coef, *mean, *scale, *step,
        *gradient; /* scale: square roots of the diagonal; 0 for a column that is left out */
    double *direction, *image, *preconditioned; /* wide */
    double *singular;                           /* has_singular: p, descending, once the fit is done */
    uint8_t *dense;                             /* marks: which features are dense columns, and what of */
    double *matrix;                             /* narrow: p × p, factored */
    double *normal;                             /* positive: the scaled matrix itself */
    double *work;                               /* narrow: 4 p */
    unsigned char *point;                       /* least_squares_point and its arrays */
    double intercept;
} least_squares;

/* ---- least_squares_passes.c -------------------------------------------------------------------------------------- */

uint64_t least_squares_lane_bytes(const least_squares_shape *shape);
uint64_t least_squares_worker_bytes(const least_squares_shape *shape);
uint64_t least_squares_point_bytes(const least_squares_shape *shape);
void least_squares_consume(const least_squares_shape *shape, int kind, const void *parameters,
                           const skimpi_chunk *chunk, void *lane, void *scratch);
void least_squares_merge(const least_squares_shape *shape, int kind, void *into, const void *from);

/* The arrays of a lane. */
double *least_squares_lane_array(const least_squares_shape *shape, const void *lane, unsigned which, bool moments);
uint8_t *least_squares_lane_marks(const least_squares_shape *shape, const void *lane, bool moments);

/* ---- least_squares_solve.c --------------------------------------------------------------------------------------- */

/* From the moments' lane: means, scales, the factored matrix, and the first solution. */
SKIMP_CHECKED skimp_status least_squares_start(least_squares *self, const void *lane, skimp_error *error);
/* The correction that the exact gradient asks for: coef += step, and its relative size in progress.last_step. */
SKIMP_CHECKED skimp_status least_squares_correct(least_squares *self, skimp_error *error);
/* The norm of a correction that is nothing but the rounding of the target. */
double least_squares_target_noise(const least_squares *self);
/* That the last correction, in step, was no small one. Spoils the step. */
void least_squares_warn_inexact(least_squares *self);
/* Of columns that are constant, or far from zero. Spoils the step. */
void least_squares_warn_columns(least_squares *self);

/* ---- least_squares_singular.c ------------------------------------------------------------------------------------ */

/* The singular values, when no more corrections are wanted: the factored matrix is spoiled. */
void least_squares_singular(least_squares *self);

#endif
