/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * linear_regression and ridge: the classes.  See least_squares.h for the problem.
 *
 * Narrow (up to 1024 features, or w ≥ 0): one pass for the moments, a direct solution (least_squares_solve.c), then
 * passes for the exact gradient, each with a correction, until the correction is nothing.  Two passes are usual.
 *
 * Wide: a pass for means and scales, then conjugate gradients on the normal equations (Hestenes & Stiefel 1952,
 * preconditioned by the diagonal), one pass an iteration, restarted from an exact gradient when it says that it is
 * done.  Without a penalty and with fewer rows than features the diagonal is left out: the iterates then stay in the
 * rows' span and end at the solution of least norm, as LSQR's do.
 *
 * A solver's name chooses nothing.
 */
#include <math.h>
#include <string.h>

#include "estimator/least_squares.h"
#include "kernel/kernel.h"

#define STEP_DONE 1e-9 /* narrow: relative size of a correction that ends the fit */
#define STEP_GOOD 1e-6 /* … that counts as converged when there is no more progress */
#define REFINED_AT_MOST 8
#define GRADIENT_DONE 1e-9   /* wide: of the scaled gradient against the residual's norm */
#define GRADIENT_NOISE 1e-12 /* … against the target's norm, where the residual vanishes */
#define RESTARTS_AT_MOST 20
#define ITERATIONS_AT_MOST 10000

static const skimp_param linear_regression_params[] = {
    { .name = "fit_intercept",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "whether to fit an intercept" },
    { .name = "copy_X",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "accepted for scikit-learn's sake; the data are never changed" },
    { .name = "tol",
      .type = SKIMP_PARAM_FLOAT,
      .default_value = "1e-06",
      .minimum = 0,
      .maximum = INFINITY,
      .help =
          "directions with singular values below this share of the largest (columns scaled) are taken for collinear" },
    { .name = "n_jobs",
      .type = SKIMP_PARAM_INT,
      .default_value = "null",
      .may_be_null = true,
      .minimum = -INFINITY,
      .maximum = INFINITY,
      .help = "accepted for scikit-learn's sake; threads are chosen for the whole job" },
    { .name = "positive",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "false",
      .help = "force the coefficients to be positive or zero" },
    { .name = NULL },
};

static const skimp_param ridge_params[] = {
    { .name = "alpha",
      .type = SKIMP_PARAM_FLOAT,
      .default_value = "1.0",
      .minimum = 0,
      .maximum = INFINITY,
      .help = "strength of the L2 penalty" },
    { .name = "fit_intercept",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "whether to fit an intercept (not penalised)" },
    { .name = "copy_X",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "true",
      .help = "accepted for scikit-learn's sake; the data are never changed" },
    { .name = "max_iter",
      .type = SKIMP_PARAM_INT,
      .default_value = "null",
      .may_be_null = true,
      .minimum = 1,
      .maximum = INFINITY,
      .help = "most iterations of conjugate gradients (wide data only)" },
    { .name = "tol",
      .type = SKIMP_PARAM_FLOAT,
      .default_value = "0.0001",
      .minimum = 0,
      .maximum = INFINITY,
      .help = "precision asked for; the solution is at least this exact" },
    { .name = "solver",
      .type = SKIMP_PARAM_CHOICE,
      .default_value = "auto",
      .choices = "auto|svd|cholesky|lsqr|sparse_cg|sag|saga|lbfgs",
      .help = "scikit-learn's names; all find the same solution here" },
    { .name = "positive",
      .type = SKIMP_PARAM_BOOL,
      .default_value = "false",
      .help = "force the coefficients to be positive or zero (solver auto or lbfgs)" },
    { .name = "random_state",
      .type = SKIMP_PARAM_INT,
      .default_value = "null",
      .may_be_null = true,
      .minimum = 0,
      .maximum = 4294967295.0,
      .help = "accepted for scikit-learn's sake; nothing here is random" },
    { .name = NULL },
};

/* ---- shape and memory -------------------------------------------------------------------------------------------- */

static skimp_status find_shape(const skimpi_problem *problem, const skimpi_params *params, least_squares_shape *shape,
                               skimp_error *error)
{
    bool ridge = strcmp(skimpi_params_info(params)->name, "ridge") == 0;
    uint64_t p = problem->n_features;
    *shape = (least_squares_shape){
        .n_features = p,
        .n_dense = problem->n_dense,
        .n_code_columns = problem->n_code_columns,
        .fit_intercept = skimpi_params_number(params, "fit_intercept") != 0,
        .positive = skimpi_params_number(params, "positive") != 0,
        .alpha = ridge ? skimpi_params_number(params, "alpha") : 0,
        .tolerance = skimpi_params_number(params, "tol"),
    };
    shape->narrow = p <= LEAST_SQUARES_NARROW || shape->positive;
    shape->is_ridge = ridge;
    shape->has_rows = problem->has_rows && !shape->narrow;
    shape->has_singular = shape->narrow && !ridge && !shape->positive;
    /* A Gram matrix a lane where it is small; beyond, as many as a modest budget holds. */
    shape->lanes = shape->narrow ? (p <= 64     ? 16
                                    : p <= 256  ? 8
                                    : p <= 512  ? 4
                                    : p <= 1024 ? 2
                                                : 1)
                                 : (p <= 8192      ? 16
                                    : p <= 65536   ? 8
                                    : p <= 262144  ? 4
                                    : p <= 1048576 ? 2
                                                   : 1);
    uint64_t rows = 32768 / (problem->n_dense == 0 ? 1 : problem->n_dense) / 16 * 16;
    shape->tile_rows = rows < 64 ? 64 : rows > 1024 ? 1024 : (uint32_t)rows;
    if (problem->chunk_rows > 0) { /* a chunk that is shorter is one tile: the same sums in less room */
        shape->tile_rows =
            (uint32_t)skimpi_min_u64(shape->tile_rows, skimpi_round_up((uint64_t)problem->chunk_rows, 16));
    }
    shape->max_iter = skimpi_min_u64(skimpi_mul_sat(p, 10), ITERATIONS_AT_MOST);
    if (!isfinite(shape->alpha)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "alpha must be finite");
    }
    if (ridge) {
        const char *solver = skimpi_params_text(params, "solver");
        if (strcmp(solver, "lbfgs") == 0 && !shape->positive) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "solver lbfgs needs positive=true, as in scikit-learn; use solver=auto");
        }
        if (shape->positive && strcmp(solver, "lbfgs") != 0 && strcmp(solver, "auto") != 0) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "solver %s does not take positive=true; use solver=auto or lbfgs", solver);
        }
        if (!skimpi_params_is_null(params, "max_iter")) {
            double most = skimpi_params_number(params, "max_iter");
            shape->max_iter = most < 1e15 ? (uint64_t)most : (uint64_t)1e15;
        }
    }
    return SKIMP_OK;
}

/* Places the arrays in a block, or only measures when block is NULL. */
static uint64_t lay_out(least_squares *self, const least_squares_shape *shape, char *block)
{
    uint64_t p = shape->n_features,
             vector = skimpi_round_up((size_t)skimpi_min_u64(p, UINT64_MAX / 64), 8) * sizeof(double);
    uint64_t square = shape->narrow ? skimpi_mul_sat(p, vector) : 0;
    uint64_t sizes[14] = {
        vector,
        vector,
        vector,
        vector,
        vector,
        shape->narrow ? 0 : vector,
        shape->narrow ? 0 : vector,
        shape->narrow ? 0 : vector,
        shape->has_singular ? vector : 0,
        skimpi_round_up((size_t)skimpi_min_u64(p, UINT64_MAX / 64), 64),
        square,
        shape->positive ? square : 0,
        shape->narrow ? 4 * vector : 0,
        least_squares_point_bytes(shape),
    };
    uint64_t starts[15] = { 0 };
    for (unsigned i = 0; i < 14; i++) {
        starts[i + 1] = skimpi_add_sat(starts[i], sizes[i]);
    }
    if (block != NULL) {
        double **const vectors[9] = { &self->coef,  &self->mean,           &self->scale,
                                      &self->step,  &self->gradient,       &self->direction,
                                      &self->image, &self->preconditioned, &self->singular };
        for (unsigned i = 0; i < 9; i++) {
            *vectors[i] = (double *)(void *)(block + starts[i]);
        }
        self->dense = (uint8_t *)block + starts[9];
        self->matrix = (double *)(void *)(block + starts[10]);
        self->normal = (double *)(void *)(block + starts[11]);
        self->work = (double *)(void *)(block + starts[12]);
        self->point = (unsigned char *)block + starts[13];
        self->saved_bytes = starts[12];
    }
    return starts[14];
}

static skimp_status plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                         skimp_error *error)
{
    least_squares_shape shape;
    skimp_status status = find_shape(problem, params, &shape, error);
    if (status != SKIMP_OK) {
        return status;
    }
    double n = (double)problem->n_rows, p = (double)shape.n_features;
    double values = n * (double)(problem->n_dense + problem->n_code_columns) + (double)problem->nonzeros;
    *needs = (skimpi_needs){
        .lanes = shape.lanes,
        .state_bytes =
            skimpi_add_sat(skimp_alloc_cost(sizeof(least_squares)), skimp_alloc_cost(lay_out(NULL, &shape, NULL))),
        .lane_bytes = least_squares_lane_bytes(&shape),
        .worker_bytes = least_squares_worker_bytes(&shape),
        .model_bytes = skimpi_add_sat(skimpi_mul_sat(shape.n_features, (shape.has_singular ? 2 : 1) * sizeof(double)),
                                      8 * sizeof(double)),
        .passes_expected = shape.narrow ? 2 : 60,
        .passes_max = shape.narrow ? 1 + REFINED_AT_MOST : (double)shape.max_iter + 2 + RESTARTS_AT_MOST,
        .seconds_per_pass = 2e-9 * values + (shape.narrow ? 1e-11 * n * p * p : 0),
    };
    return SKIMP_OK;
}

static void destroy(void *opaque)
{
    least_squares *self = opaque;
    if (self == NULL) {
        return;
    }
    skimp_free(self->budget, SKIMP_TAG_SOLVER, self->block, self->block_bytes, 1);
    skimp_free(self->budget, SKIMP_TAG_SOLVER, self, 1, sizeof *self);
}

static skimp_status create(least_squares **out, skimp_budget *budget, uint64_t block_bytes, skimp_error *error)
{
    void *memory = NULL;
    *out = NULL;
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, 1, sizeof(least_squares), &memory, error));
    least_squares *self = memory;
    self->budget = budget;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, block_bytes, 1, &self->block, error));
    self->block_bytes = block_bytes;
    *out = self;
out:
    if (status != SKIMP_OK && memory != NULL) {
        skimp_free(budget, SKIMP_TAG_SOLVER, memory, 1, sizeof(least_squares));
    }
    return status;
}

static skimp_status begin(void **out, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                          skimpi_warnings *warnings, skimp_error *error)
{
    least_squares_shape shape;
    least_squares *self = NULL;
    skimp_status status = SKIMP_OK;
    *out = NULL;
    SKIMPI_TRY(find_shape(problem, params, &shape, error));
    if (problem->n_rows == 0) {
        status = skimpi_fail(error, SKIMP_ERROR_DATA, "there are no rows to fit on");
        goto out;
    }
    SKIMPI_TRY(create(&self, budget, lay_out(NULL, &shape, NULL), error));
    self->warnings = warnings;
    self->feature_names = problem->feature_names;
    self->shape = shape;
    lay_out(self, &shape, self->block);
    self->progress.next = shape.narrow ? PASS_MOMENTS : PASS_SCALES;
    self->progress.objective = (double)NAN;
    *out = self;
out:
    return status;
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

static skimp_status next_pass(void *opaque, skimpi_pass *pass, skimp_error *error)
{
    (void)error;
    least_squares *self = opaque;
    uint64_t p = self->shape.n_features;
    *pass = (skimpi_pass){ .is_done = self->progress.next == 0, .kind = self->progress.next };
    pass->takes_rows = self->shape.has_rows;
    if (pass->kind == PASS_RESIDUAL || pass->kind == PASS_PRODUCT) {
        size_t header = skimpi_round_up(sizeof(least_squares_point), 64),
               vector = (least_squares_point_bytes(&self->shape) - header) / 2;
        const double *at = pass->kind == PASS_RESIDUAL ? self->coef : self->direction;
        least_squares_point *point = (least_squares_point *)(void *)self->point;
        point->target_centre = self->progress.target_mean;
        point->centre_dot_point = skimpi_dot(p, self->mean, at);
        memcpy(self->point + header, at, p * sizeof(double));
        memcpy(self->point + header + vector, self->mean, p * sizeof(double));
        pass->parameters = self->point;
        pass->parameter_bytes = least_squares_point_bytes(&self->shape);
    }
    return SKIMP_OK;
}

static skimp_status consume(const void *opaque, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                            void *scratch, skimp_error *error)
{
    const least_squares *self = opaque;
    if (chunk->target == NULL && pass->kind != PASS_PRODUCT) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "least squares was given no target");
    }
    if (self->shape.has_rows && chunk->rows.values == NULL && chunk->n_rows > 0) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "least squares was promised rows, and was given columns");
    }
    least_squares_consume(&self->shape, pass->kind, pass->parameters, chunk, lane, scratch);
    return SKIMP_OK;
}

static void merge(const void *opaque, const skimpi_pass *pass, void *into, const void *from)
{
    const least_squares *self = opaque;
    least_squares_merge(&self->shape, pass->kind, into, from);
}

static double penalty(const least_squares *self)
{
    double norm = skimpi_norm2(self->shape.n_features, self->coef);
    return self->shape.alpha > 0 ? self->shape.alpha * norm * norm : 0;
}

/* out := what a pass scattered, centred: sparse features are centred only now. */
static void take_gradient(const least_squares *self, const void *lane, double *out)
{
    const double *sums = least_squares_lane_array(&self->shape, lane, 0, false);
    double residual_sum = ((const least_squares_lane *)lane)->residual_sum;
    for (uint64_t j = 0; j < self->shape.n_features; j++) {
        out[j] = self->dense[j] ? sums[j] : sums[j] - self->mean[j] * residual_sum;
    }
}

/* The gradient (negative, halved) and the objective at coef. */
static skimp_status take_residual(least_squares *self, const void *lane, skimp_error *error)
{
    const least_squares_lane *head = lane;
    least_squares_progress *progress = &self->progress;
    take_gradient(self, lane, self->gradient);
    for (uint64_t j = 0; j < self->shape.n_features; j++) {
        self->gradient[j] = self->scale[j] == 0 ? 0 : self->gradient[j] - self->shape.alpha * self->coef[j];
    }
    progress->residual_shift = self->shape.fit_intercept ? head->residual_sum / progress->weight : 0;
    progress->objective = head->residual_squares + penalty(self);
    progress->has_objective = 1;
    if (!isfinite(progress->objective)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "least squares has no finite objective: values are too large");
    }
    return SKIMP_OK;
}

static skimp_status end_narrow(least_squares *self, const void *lane, skimp_error *error)
{
    least_squares_progress *progress = &self->progress;
    skimp_status status = SKIMP_OK;
    double before = progress->last_step;
    SKIMPI_TRY(take_residual(self, lane, error));
    SKIMPI_TRY(least_squares_correct(self, error));
    double gain = skimpi_dot(self->shape.n_features, self->gradient, self->step);
    progress->objective = fmax(progress->objective - fmax(gain, 0), 0);
    progress->n_refined++;
    progress->n_iter = progress->n_refined;
    bool first = progress->n_refined == 1;
    if (progress->last_step <= STEP_DONE) {
        progress->converged = 1;
        progress->next = 0;
    } else if (progress->n_refined == REFINED_AT_MOST || (!first && progress->last_step > before / 2)) {
        progress->converged = progress->last_step <= STEP_GOOD;
        progress->next = 0;
        if (!progress->converged) {
            least_squares_warn_inexact(self);
        }
    }
    if (progress->next == 0 && self->shape.has_singular) {
        least_squares_singular(self);
    }
out:
    return status;
}

static skimp_status start_wide(least_squares *self, const void *lane, skimp_error *error)
{
    const least_squares_lane *head = lane;
    least_squares_progress *progress = &self->progress;
    uint64_t p = self->shape.n_features;
    const double *centre = least_squares_lane_array(&self->shape, lane, 0, false),
                 *sums = least_squares_lane_array(&self->shape, lane, 1, false);
    const double *squares = least_squares_lane_array(&self->shape, lane, 2, false);
    double n = head->weight;
    if (!(n > 0)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "the weights of all rows are zero");
    }
    memcpy(self->dense, least_squares_lane_marks(&self->shape, lane, false), p);
    progress->weight = n;
    progress->n_rows = head->n_rows;
    bool centred = self->shape.fit_intercept;
    progress->target_mean = centred ? head->target_centre + head->target_sum / n : 0;
    progress->target_squares =
        centred ? fmax(head->target_squares - head->target_sum * (head->target_sum / n), 0) : head->target_squares;
    if (!isfinite(head->target_squares)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "values of the target are too large: their squares have no finite sum");
    }
    for (uint64_t j = 0; j < p; j++) {
        double moment = squares[j];
        self->mean[j] = centred ? centre[j] + sums[j] / n : 0;
        if (centred) {
            moment -= sums[j] * (sums[j] / n);
        }
        if (!isfinite(moment)) {
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0,
                                  self->feature_names != NULL ? self->feature_names[j] : NULL,
                                  "values are too large: their squares have no finite sum");
        }
        double rounding = 1e-15 * self->mean[j];
        self->scale[j] = moment > 0 && moment > n * rounding * rounding ? sqrt(moment + self->shape.alpha) : 0;
        self->coef[j] = 0;
    }
    least_squares_warn_columns(self);
    if (self->shape.alpha == 0 && progress->n_rows <= (double)p) {
        double largest = skimpi_norm_inf(p, self->scale);
        for (uint64_t j = 0; j < p; j++) {
            self->scale[j] = self->scale[j] == 0 ? 0 : largest;
        }
    }
    progress->best = (double)INFINITY;
    progress->next = PASS_RESIDUAL;
    return SKIMP_OK;
}

/* preconditioned := D⁻² gradient; returns their product. */
static double precondition(least_squares *self)
{
    for (uint64_t j = 0; j < self->shape.n_features; j++) {
        self->preconditioned[j] = self->scale[j] == 0 ? 0 : self->gradient[j] / self->scale[j] / self->scale[j];
    }
    return skimpi_dot(self->shape.n_features, self->gradient, self->preconditioned);
}

/* An exact gradient: done, or the start of another round of conjugate gradients. */
static skimp_status end_wide_residual(least_squares *self, const void *lane, skimp_error *error)
{
    least_squares_progress *progress = &self->progress;
    uint64_t p = self->shape.n_features;
    skimp_status status = take_residual(self, lane, error);
    if (status != SKIMP_OK) {
        return status;
    }
    double squares = ((const least_squares_lane *)lane)->residual_squares;
    double size = sqrt(progress->objective > 0 ? fmax(squares, progress->objective) : 0);
    double norm = sqrt(precondition(self));
    double tolerance = fmin(self->shape.tolerance, GRADIENT_DONE);
    tolerance = fmax(tolerance, GRADIENT_NOISE);
    progress->wanted = fmax(tolerance * size, GRADIENT_NOISE * sqrt(progress->target_squares));
    progress->wanted = fmax(progress->wanted, least_squares_target_noise(self));
    progress->n_refined++;
    bool stuck = progress->n_refined > 1 && norm > progress->best / 2;
    progress->best = fmin(progress->best, norm);
    if (norm <= progress->wanted || stuck || progress->n_refined > RESTARTS_AT_MOST ||
        progress->n_iter >= self->shape.max_iter) {
        double enough = fmax(fmin(self->shape.tolerance, STEP_GOOD) * size, progress->wanted);
        progress->converged = norm <= enough;
        progress->next = 0;
        if (!progress->converged) {
            skimpi_warn(self->warnings,
                        "conjugate gradients did not converge in %llu iterations: relative gradient %.1g",
                        (unsigned long long)progress->n_iter, size > 0 ? norm / size : norm);
        }
        return SKIMP_OK;
    }
    memset(self->step, 0, p * sizeof(double));
    memcpy(self->direction, self->preconditioned, p * sizeof(double));
    progress->inner_norm = norm * norm;
    progress->inner_start = norm * norm;
    progress->inner_iter = 0;
    progress->next = PASS_PRODUCT;
    return SKIMP_OK;
}

static void end_wide_product(least_squares *self, const void *lane)
{
    least_squares_progress *progress = &self->progress;
    uint64_t p = self->shape.n_features;
    take_gradient(self, lane, self->image);
    for (uint64_t j = 0; j < p; j++) {
        self->image[j] = self->scale[j] == 0 ? 0 : self->image[j] + self->shape.alpha * self->direction[j];
    }
    double curvature = skimpi_dot(p, self->direction, self->image);
    progress->n_iter++;
    progress->inner_iter++;
    bool end = !(curvature > 0) || !isfinite(curvature);
    if (!end) {
        double length = progress->inner_norm / curvature;
        skimpi_axpy(p, length, self->direction, self->step);
        skimpi_axpy(p, -length, self->image, self->gradient);
        double before = progress->inner_norm;
        progress->inner_norm = precondition(self);
        double factor = progress->inner_norm / before;
        for (uint64_t j = 0; j < p; j++) {
            self->direction[j] = self->preconditioned[j] + factor * self->direction[j];
        }
        /* What recurrences say of the gradient is believed over ten digits, no more. */
        end = sqrt(progress->inner_norm) <= fmax(progress->wanted / 2, 1e-10 * sqrt(progress->inner_start)) ||
              progress->n_iter >= self->shape.max_iter || !isfinite(progress->inner_norm);
    }
    if (end) {
        skimpi_axpy(p, 1, self->step, self->coef);
        progress->next = PASS_RESIDUAL;
    }
}

static void set_intercept(least_squares *self)
{
    const least_squares_progress *progress = &self->progress;
    self->intercept = self->shape.fit_intercept ? progress->target_mean + progress->residual_shift -
                                                      skimpi_dot(self->shape.n_features, self->mean, self->coef)
                                                : 0;
}

static skimp_status end_pass(void *opaque, const skimpi_pass *pass, const void *lane, skimp_error *error)
{
    least_squares *self = opaque;
    skimp_status status = SKIMP_OK;
    switch (pass->kind) {
    case PASS_MOMENTS:
        SKIMPI_TRY(least_squares_start(self, lane, error));
        self->progress.next = PASS_RESIDUAL;
        break;
    case PASS_SCALES:
        SKIMPI_TRY(start_wide(self, lane, error));
        break;
    case PASS_RESIDUAL:
        if (self->shape.narrow) {
            SKIMPI_TRY(end_narrow(self, lane, error));
        } else {
            SKIMPI_TRY(end_wide_residual(self, lane, error));
        }
        break;
    default:
        end_wide_product(self, lane);
        break;
    }
    set_intercept(self);
out:
    return status;
}

static double progress_value(const void *opaque)
{
    const least_squares *self = opaque;
    return self->progress.has_objective ? self->progress.objective : (double)NAN;
}

static void result(const void *opaque, skimpi_outcome *outcome)
{
    const least_squares *self = opaque;
    *outcome = (skimpi_outcome){
        .objective = self->progress.objective,
        .n_iter = self->shape.narrow ? 1 : self->progress.n_iter,
        .converged = self->progress.converged != 0,
    };
}

/*
 * ---- checkpoints and models
 * ------------------------------------------------------------------------------------------
 */

static skimp_status state_save(const void *opaque, skimpi_buffer *out, skimp_error *error)
{
    const least_squares *self = opaque;
    skimp_status status = skimpi_buffer_append(out, &self->progress, sizeof self->progress, error);
    return status != SKIMP_OK ? status : skimpi_buffer_append(out, self->block, self->saved_bytes, error);
}

static skimp_status state_load(void *opaque, const void *bytes, size_t n, skimp_error *error)
{
    least_squares *self = opaque;
    least_squares_progress progress;
    if (n != sizeof progress + self->saved_bytes) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of least squares has the wrong size");
    }
    memcpy(&progress, bytes, sizeof progress);
    bool first = progress.next == (self->shape.narrow ? PASS_MOMENTS : PASS_SCALES);
    bool later =
        progress.next == 0 || progress.next == PASS_RESIDUAL || (!self->shape.narrow && progress.next == PASS_PRODUCT);
    int32_t least = self->shape.narrow && later ? FACTOR_CHOLESKY : FACTOR_NONE;
    int32_t most = !self->shape.narrow ? FACTOR_NONE : self->shape.positive ? FACTOR_BOUNDED : FACTOR_EIGEN;
    if (!(first || later) || progress.n_null > self->shape.n_features || progress.factor < least ||
        progress.factor > most || (self->shape.positive && later && progress.factor != FACTOR_BOUNDED) ||
        progress.n_refined > REFINED_AT_MOST + RESTARTS_AT_MOST || !(progress.n_rows >= 0)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of least squares holds impossible values");
    }
    self->progress = progress;
    memcpy(self->block, (const char *)bytes + sizeof progress, self->saved_bytes);
    set_intercept(self);
    return SKIMP_OK;
}

static skimp_status tensor_name(skimpi_buffer *name, const char *prefix, const char *attribute, skimp_error *error)
{
    name->length = 0;
    return skimpi_buffer_printf(name, error, "%s%s", prefix, attribute);
}

/* A vector of n numbers (of 8 bytes). */
static skimp_status add(skimpi_tensors *tensors, skimpi_buffer *name, const char *prefix, const char *attribute,
                        skimpi_dtype dtype, uint64_t n, const void *values, skimp_error *error)
{
    void *data;
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(tensor_name(name, prefix, attribute, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, name->data, dtype, 1, &n, &data, error));
    memcpy(data, values, n * sizeof(double));
out:
    return status;
}

/* scikit-learn's name for what was done. */
static const char *solver_name(const least_squares *self)
{
    return !self->shape.narrow                       ? "sparse_cg"
           : self->progress.factor == FACTOR_BOUNDED ? "lbfgs"
           : self->progress.factor == FACTOR_EIGEN   ? "svd"
                                                     : "cholesky";
}

static skimp_status save(const void *opaque, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    const least_squares *self = opaque;
    const least_squares_progress *progress = &self->progress;
    skimpi_buffer name;
    skimpi_buffer_init(&name, self->budget, SKIMP_TAG_MODEL);
    skimp_status status = SKIMP_OK;
    uint64_t p = self->shape.n_features;
    SKIMPI_TRY(add(tensors, &name, prefix, "coef_", SKIMPI_F64, p, self->coef, error));
    SKIMPI_TRY(add(tensors, &name, prefix, "intercept_", SKIMPI_F64, 1, &self->intercept, error));
    if (self->shape.has_singular) {
        uint64_t rank = progress->rank, n = (uint64_t)fmin((double)p, progress->n_rows);
        SKIMPI_TRY(add(tensors, &name, prefix, "rank_", SKIMPI_I64, 1, &rank, error));
        SKIMPI_TRY(add(tensors, &name, prefix, "singular_", SKIMPI_F64, n, self->singular, error));
    }
    if (self->shape.is_ridge) {
        const char *solver = solver_name(self);
        int64_t n_iter = self->shape.narrow ? 1 : (int64_t)progress->n_iter;
        SKIMPI_TRY(add(tensors, &name, prefix, "n_iter_", SKIMPI_I64, 1, &n_iter, error));
        SKIMPI_TRY(tensor_name(&name, prefix, "solver_", error));
        SKIMPI_TRY(skimpi_tensors_add_strings(tensors, name.data, &solver, 1, error));
    }
out:
    skimpi_buffer_free(&name);
    return status;
}

static skimp_status load(void **out, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                         const skimpi_problem *problem, const skimpi_params *params, skimp_error *error)
{
    (void)params;
    least_squares *self = NULL;
    skimpi_buffer name;
    skimpi_buffer_init(&name, budget, SKIMP_TAG_MODEL);
    const skimpi_tensor *coef, *intercept;
    skimp_status status = SKIMP_OK;
    uint64_t one = 1, p = problem->n_features;
    *out = NULL;
    SKIMPI_TRY(tensor_name(&name, prefix, "coef_", error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, name.data, SKIMPI_F64, 1, &p, &coef, error));
    SKIMPI_TRY(tensor_name(&name, prefix, "intercept_", error));
    SKIMPI_TRY(skimpi_tensors_need(tensors, name.data, SKIMPI_F64, 1, &one, &intercept, error));
    SKIMPI_TRY(create(&self, budget, skimpi_mul_sat(p, sizeof(double)), error));
    self->coef = self->block;
    self->shape.n_features = p;
    memcpy(self->coef, coef->data, p * sizeof(double));
    memcpy(&self->intercept, intercept->data, sizeof self->intercept);
    *out = self;
out:
    skimpi_buffer_free(&name);
    return status;
}

static unsigned outputs(const void *opaque, skimpi_predict_kind kind, const char **why)
{
    (void)opaque;
    if (kind != SKIMPI_PREDICT_LABEL) {
        *why = "a regressor predicts values; it has no probabilities and no decision function";
        return 0;
    }
    return 1;
}

static skimp_status predict(const void *opaque, skimpi_predict_kind kind, const skimpi_chunk *chunk, double *out,
                            size_t stride, void *scratch, skimp_error *error)
{
    (void)kind;
    (void)scratch;
    (void)error;
    const least_squares *self = opaque;
    skimpi_kernels_get()->margins(chunk, 1, self->coef, self->shape.n_features, &self->intercept, out, stride);
    return SKIMP_OK;
}

static uint64_t predict_worker_bytes(const skimpi_problem *problem, const skimpi_params *params)
{
    (void)problem;
    (void)params;
    return 0;
}

#define LEAST_SQUARES_FUNCTIONS                                                                                        \
    .plan = plan, .begin = begin, .next_pass = next_pass, .consume = consume, .merge = merge, .end_pass = end_pass,    \
    .progress = progress_value, .state_save = state_save, .state_load = state_load, .result = result, .save = save,    \
    .load = load, .destroy = destroy, .outputs = outputs, .predict = predict,                                          \
    .predict_worker_bytes = predict_worker_bytes

const skimpi_estimator_class skimpi_class_linear_regression = {
    .info = { .name = "linear_regression",
              .class_name = "LinearRegression",
              .module = "linear_model",
              .kind = SKIMP_REGRESSOR,
              .help = "ordinary least squares",
              .params = linear_regression_params },
    LEAST_SQUARES_FUNCTIONS,
};

const skimpi_estimator_class skimpi_class_ridge = {
    .info = { .name = "ridge",
              .class_name = "Ridge",
              .module = "linear_model",
              .kind = SKIMP_REGRESSOR,
              .help = "least squares with an L2 penalty",
              .params = ridge_params },
    LEAST_SQUARES_FUNCTIONS,
};
