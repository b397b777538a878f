/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A quasi-Newton method for F(w) = f(w) + Σ l1_j |w_j| with many parameters: L-BFGS (Nocedal & Wright 2006, algorithm 7.4)
 * whose initial matrix is not a multiple of the identity but a sample's Hessian,
 *
 *     B = diag(c) + α H_sample(w),   c_j = max(D_j - α D_sample,j, 0.05 D_j),   D = diag(H(w₀)) over all the data,
 *
 * applied by INNER steps of conjugate gradients preconditioned with D, each of which costs a pass over the sample alone.  The
 * diagonal of B is that of all the data, so that a feature the sample lacks keeps its curvature; α < 1 holds the sample's
 * chance correlations down.  One outer iteration costs one pass over all the data, for value and gradient.
 * (Subsampled Hessians: Byrd, Chin, Neveitt & Nocedal 2011; as a preconditioner of L-BFGS, and the figures: docs/decisions/0003.)
 *
 * On coarse levels (solver.h), and where the data is too small to be sampled, B is the Hessian of the level itself.
 *
 * With l1 the initial matrix is D alone, and the step minimises the model with its l1 part: solver_proximal.c.
 *
 * Line search: backtracking on F(trial) ≤ F(w) + 1e-4 t (gᵀd + Σ l1_j (|w_j + d_j| - |w_j|)).  f is convex, so pairs with sᵀy > 0
 * come by themselves.
 *
 * The block: header, 8 vectors of n doubles, then MEMORY pairs (s, y) of n floats: a preconditioner needs no more.  With l1:
 * 5 vectors, then solver_proximal.c's floats.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel.h"
#include "solver/solver.h"
#include "solver/solver_proximal.h"

#define MEMORY 10
#define INNER 3
#define MOST_INNER 24
#define SLOW 0.4 /* a fall over the one before it: from here on B must become better */
#define COARSE_INNER 10
#define COARSE_ITERATIONS 3
#define L1_COARSE_STEPS 10
#define L1_STEPS 5      /* that count as an iteration: they do about what one with conjugate gradients does */
#define L1_REFRESH 5    /* steps after which D is taken anew for the first time; then after twice as many each time */
#define L1_DIAGONAL 2.0 /* what D is multiplied by then, and when a step was too long: it is no bound of H */
#define L1_STEADY 5     /* steps that must agree that nothing is left: D hides flat directions until steps lead there */
#define ALPHA 0.85
#define STALE 5
#define SMALLEST_STEP 0x1p-30
#define ROUNDING (32.0 * DBL_EPSILON) /* of F, relative */

typedef enum phase { PHASE_POINT, PHASE_SAMPLE, PHASE_PRODUCT } phase;

typedef struct quasi {
    skimpi_solver_options options;
    uint32_t level;
    uint32_t phase;
    uint32_t stop;
    uint32_t is_fresh; /* the trial is a level's first point: nothing to compare with */
    uint32_t level_iterations;
    uint32_t inner; /* steps of conjugate gradients so far */
    uint32_t n_pairs, next_pair;
    uint32_t inner_limit;
    uint32_t stale;        /* steps in a row without a smaller gradient, where F cannot tell any more */
    uint32_t steady;       /* steps in a row from which nothing is left to gain */
    uint32_t n_falls;      /* of `falls` that hold something */
    uint64_t model_stride; /* of the sample in B; 1: B is the Hessian itself */
    double falls[3];       /* what the last steps lowered F by; the newest first */
    uint64_t n_iter;
    double passes;          /* so far */
    double least_predicted; /* gain */
    double t;               /* step length of the trial */
    double objective;       /* F at w */
    double optimality;
    double slope; /* of F along d, negative */
    double l1;
    double rz, first_rz; /* of conjugate gradients: rᵀz now, and at first */
    double worst;        /* F at a start that was given, at most; infinity: there is none */
    double inverse_sy[MEMORY];
    double weight[MEMORY];    /* of the two loops: what the first leaves to the second */
    skimpi_proximal proximal; /* with l1 */
} quasi;

enum { W, TRIAL, GRADIENT, DIRECTION, DIAGONAL, L1_VECTORS, CORRECTION = L1_VECTORS, RESIDUAL, SEARCH, VECTORS };

static inline double *vector(const quasi *s, unsigned which)
{
    return (double *)((char *)s + skimpi_round_up(sizeof(quasi), 64)) + (size_t)which * s->options.n;
}

static inline float *pair_s(const quasi *s, unsigned i)
{
    return (float *)vector(s, VECTORS) + (size_t)(2 * i) * s->options.n;
}
static inline float *pair_y(const quasi *s, unsigned i)
{
    return (float *)vector(s, VECTORS) + (size_t)(2 * i + 1) * s->options.n;
}

static inline float *proximal_rows(const quasi *s)
{
    return (float *)vector(s, L1_VECTORS);
}

static uint64_t quasi_bytes(const skimpi_solver_options *options)
{
    uint64_t a_parameter = options->has_l1 ? L1_VECTORS * sizeof(double) + SKIMPI_PROXIMAL_FLOATS * sizeof(float)
                                           : VECTORS * sizeof(double) + 2 * MEMORY * sizeof(float);
    return skimpi_add_sat(skimpi_round_up(sizeof(quasi), 64), skimpi_mul_sat(options->n, a_parameter));
}

static void quasi_init(void *block, const skimpi_solver_options *options)
{
    quasi *s = block;
    memcpy(&s->options, options, sizeof *options); /* padding too: check compares bytes */
    s->is_fresh = 1;
    s->inner_limit = INNER;
    s->model_stride = options->model_stride;
    s->t = 1.0;
    s->objective = NAN;
    s->optimality = NAN;
    s->worst = INFINITY;
}

static void quasi_start(void *block, const double *point, double worst)
{
    quasi *s = block;
    s->level = s->options.n_levels - 1;
    s->worst = worst;
    memcpy(vector(s, TRIAL), point, s->options.n * sizeof(double));
}

static bool is_last_level(const quasi *s)
{
    return s->level + 1 == s->options.n_levels;
}

/* Is B made of a sample (else of the level itself)? */
static bool has_sample(const quasi *s)
{
    return is_last_level(s) && s->model_stride > 1 && !s->options.has_l1;
}

/* With l1: D at the start of a level is soon not D at w. */
static bool wants_diagonal(const quasi *s)
{
    uint32_t times = s->level_iterations / L1_REFRESH;
    return s->options.has_l1 && !s->is_fresh && s->level_iterations % L1_REFRESH == 0 && (times & (times - 1)) == 0;
}

/* Is the request of the sample in B? */
static bool is_sampled(const quasi *s)
{
    return s->phase != PHASE_POINT && has_sample(s);
}
static uint64_t stride(const quasi *s)
{
    return is_sampled(s) ? s->model_stride : s->options.stride[s->level];
}

static void quasi_request(void *block, skimpi_request *request)
{
    quasi *s = block;
    *request = (skimpi_request){
        .kind = s->stop != SKIMPI_STOP_NONE ? SKIMPI_REQUEST_DONE
                : s->phase == PHASE_PRODUCT ? SKIMPI_REQUEST_PRODUCT
                                            : SKIMPI_REQUEST_GRADIENT,
        .point = vector(s, s->phase == PHASE_POINT ? TRIAL : W),
        .direction = vector(s, SEARCH),
        .with_diagonal = s->phase == PHASE_SAMPLE || (s->phase == PHASE_POINT && (s->is_fresh || wants_diagonal(s))),
        .stride = stride(s),
        .penalty_factor = is_sampled(s) ? 0.0 : s->options.penalty_factor[s->level],
    };
}

/* ---- l1 ---------------------------------------------------------------------------------------------------------------- */

static double l1_weight(const quasi *s, size_t j)
{
    return j < s->options.n_l1 ? s->l1 : s->l1 * s->options.l1_rest;
}

static double l1_value(const quasi *s, const double *w)
{
    double sum = 0.0;
    if (s->options.has_l1) {
        for (size_t j = 0; j < s->options.n; j++) {
            sum += l1_weight(s, j) * fabs(w[j]);
        }
    }
    return sum;
}

/* ---- the two loops ------------------------------------------------------------------------------------------------------ */

static double dot_float(size_t n, const float *a, const double *b)
{
    double sum[4] = { 0 };
    size_t j = 0;
    for (; j + 4 <= n; j += 4) {
        for (size_t k = 0; k < 4; k++) {
            sum[k] += (double)a[j + k] * b[j + k];
        }
    }
    for (; j < n; j++) {
        sum[0] += (double)a[j] * b[j];
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

static void add_float(size_t n, double factor, const float *a, double *b)
{
    for (size_t j = 0; j < n; j++) {
        b[j] += factor * (double)a[j];
    }
}

static unsigned pair_at(const quasi *s, unsigned age) /* age 0: the newest */
{
    return (s->next_pair + MEMORY - 1 - age) % MEMORY;
}

static void first_loop(quasi *s, double *q)
{
    size_t n = s->options.n;
    for (unsigned age = 0; age < s->n_pairs; age++) {
        unsigned i = pair_at(s, age);
        s->weight[i] = s->inverse_sy[i] * dot_float(n, pair_s(s, i), q);
        add_float(n, -s->weight[i], pair_y(s, i), q);
    }
}

static void second_loop(const quasi *s, double *z)
{
    size_t n = s->options.n;
    for (unsigned age = s->n_pairs; age-- > 0;) {
        unsigned i = pair_at(s, age);
        double beta = s->inverse_sy[i] * dot_float(n, pair_y(s, i), z);
        add_float(n, s->weight[i] - beta, pair_s(s, i), z);
    }
}

static void remember_step(quasi *s, const double *gradient)
{
    size_t n = s->options.n;
    unsigned i = s->next_pair;
    const double *w = vector(s, W), *trial = vector(s, TRIAL), *g = vector(s, GRADIENT);
    if (s->options.has_l1) {
        skimpi_proximal_remember(&s->proximal, proximal_rows(s), n, w, trial, g, gradient);
        return;
    }
    float *ps = pair_s(s, i), *py = pair_y(s, i);
    double sy = 0.0, ss = 0.0, yy = 0.0;
    for (size_t j = 0; j < n; j++) {
        ps[j] = (float)(trial[j] - w[j]);
        py[j] = (float)(gradient[j] - g[j]);
        sy += (double)ps[j] * (double)py[j];
        ss += (double)ps[j] * (double)ps[j];
        yy += (double)py[j] * (double)py[j];
    }
    if (sy > 1e-12 * sqrt(ss) * sqrt(yy) && isfinite(1.0 / sy)) {
        s->inverse_sy[i] = 1.0 / sy;
        s->next_pair = (i + 1) % MEMORY;
        s->n_pairs += s->n_pairs < MEMORY;
    } else {
        s->n_pairs -= s->n_pairs == MEMORY; /* it lies where the oldest was */
    }
}

/* ---- the direction ------------------------------------------------------------------------------------------------------- */

static void make_trial(quasi *s)
{
    const double *w = vector(s, W), *d = vector(s, DIRECTION);
    double *trial = vector(s, TRIAL);
    for (size_t j = 0; j < s->options.n; j++) {
        trial[j] = w[j] + s->t * d[j];
    }
}

/* z = q / D, where D is not 0 */
static void divide_by_diagonal(const quasi *s, const double *q, double *z)
{
    const double *diagonal = vector(s, DIAGONAL);
    for (size_t j = 0; j < s->options.n; j++) {
        z[j] = diagonal[j] > 0.0 ? q[j] / diagonal[j] : 0.0;
    }
}

/* What a step would gain, about, from what is at hand: half of gᵀ H⁻¹ g with D in the place of B. */
static double predicted_gain(quasi *s)
{
    size_t n = s->options.n;
    const double *g = vector(s, GRADIENT);
    double *q = vector(s, RESIDUAL), *z = vector(s, DIRECTION);
    memcpy(q, g, n * sizeof(double));
    first_loop(s, q);
    divide_by_diagonal(s, q, z);
    second_loop(s, z);
    return 0.5 * skimpi_dot(n, z, g);
}

/* With l1: the direction itself, and what the model says that it gains. */
static double proximal_gain(quasi *s)
{
    const skimpi_proximal_problem problem = {
        .n = s->options.n,
        .n_l1 = s->options.n_l1,
        .l1 = s->l1,
        .l1_rest = s->l1 * s->options.l1_rest,
        .w = vector(s, W),
        .gradient = vector(s, GRADIENT),
        .diagonal = vector(s, DIAGONAL),
        .d = vector(s, DIRECTION),
        .moves = (uint64_t *)(void *)vector(s, TRIAL),
        .rows = proximal_rows(s),
    };
    return skimpi_proximal_step(&s->proximal, &problem, &s->slope);
}

static void next_level(quasi *s)
{
    s->level++;
    s->level_iterations = 0;
    s->n_pairs = 0;
    s->next_pair = 0;
    skimpi_proximal_forget(&s->proximal);
    s->is_fresh = 1;
    s->phase = PHASE_POINT;
}

/* The direction is there: a trial. */
static void take_direction(quasi *s)
{
    bool last = is_last_level(s), has_l1 = s->options.has_l1;
    s->t = 1.0;
    make_trial(s);
    s->phase = PHASE_POINT;
    s->n_iter += last && (!has_l1 || s->level_iterations % L1_STEPS == 0);
    s->level_iterations++;
    if (!last && s->level_iterations >= (has_l1 ? L1_COARSE_STEPS : COARSE_ITERATIONS - s->level)) {
        next_level(s);
    }
}

/* Second half of the two loops. */
static void end_direction(quasi *s)
{
    size_t n = s->options.n;
    const double *g = vector(s, GRADIENT);
    double *d = vector(s, DIRECTION);
    second_loop(s, d);
    s->slope = -skimpi_dot(n, g, d);
    if (!(s->slope < 0.0) || !isfinite(s->slope)) {
        divide_by_diagonal(s, g, d);
        s->slope = -skimpi_dot(n, g, d);
        s->n_pairs = 0;
    }
    for (size_t j = 0; j < n; j++) {
        d[j] = -d[j];
    }
    take_direction(s);
}

/*
 * What is left to gain if F goes on falling geometrically as it did in the last steps.  Where H is badly conditioned this sees what
 * predicted_gain, which has D in the place of B, cannot.
 */
static double remaining_gain(const quasi *s, double predicted)
{
    if (s->n_falls < 3) {
        return 10.0 * predicted;
    }
    double ratio = fmin(fmax(sqrt(fmax(s->falls[0], 0.0) / s->falls[2]), 0.1), 0.99);
    return fmax(predicted, s->falls[0] * ratio / (1.0 - ratio));
}

/* After a slow step: more conjugate gradients, then a larger sample. True: the sample's diagonal is needed again. */
static bool improve_model(quasi *s)
{
    if (!is_last_level(s) || s->n_falls < 2 || s->falls[0] < SLOW * s->falls[1]) {
        return false;
    }
    s->n_falls = 1; /* judged again after two more steps */
    if (s->inner_limit < MOST_INNER) {
        s->inner_limit *= 2;
    } else if (s->model_stride > 1) {
        s->model_stride /= 2;
        return s->model_stride > 1;
    }
    return false;
}

/* Gradient and diagonals are there: stop, or start conjugate gradients on B z = q. */
static void begin_direction(quasi *s)
{
    const skimpi_solver_options *o = &s->options;
    size_t n = o->n;
    double predicted = o->has_l1 ? proximal_gain(s) : predicted_gain(s), gain = remaining_gain(s, predicted),
           size = fmax(fabs(s->objective), o->floor);
    if (is_last_level(s)) {
        /* F has long stopped telling, or does not fall: does the gradient still? */
        bool is_level = s->n_falls > 0 && s->falls[0] <= ROUNDING * size;
        bool is_stale = (is_level || predicted <= 2.0 * DBL_EPSILON * size) && predicted > 0.5 * s->least_predicted;
        s->stale = is_stale ? s->stale + 1 : 0;
        s->least_predicted = s->n_iter == 0 ? predicted : fmin(predicted, s->least_predicted);
        s->steady = s->optimality <= o->tol && gain <= o->gap * size ? s->steady + 1 : 0;
        if (!isfinite(gain)) {
            s->stop = SKIMPI_STOP_NOT_FINITE;
        } else if (s->steady >= (o->has_l1 ? L1_STEADY : 1)) {
            s->stop = SKIMPI_STOP_CONVERGED;
        } else if (s->stale >= STALE) {
            s->stop = s->optimality <= o->tol ? SKIMPI_STOP_CONVERGED : SKIMPI_STOP_ROUNDING;
        } else if (s->n_iter >= o->max_iter && (!o->has_l1 || s->level_iterations % L1_STEPS == 0)) {
            s->stop = s->optimality <= o->tol ? SKIMPI_STOP_CONVERGED : SKIMPI_STOP_MAX_ITER;
        }
        if (s->stop != SKIMPI_STOP_NONE) {
            return;
        }
    } else if (!(predicted > o->gap * size)) {
        memcpy(vector(s, TRIAL), vector(s, W), n * sizeof(double));
        next_level(s);
        return;
    }
    if (o->has_l1) {
        take_direction(s);
        return;
    }
    if (improve_model(s)) {
        s->phase = PHASE_SAMPLE;
        return;
    }
    double *r = vector(s, RESIDUAL), *z = vector(s, DIRECTION), *p = vector(s, SEARCH);
    memcpy(r, vector(s, GRADIENT), n * sizeof(double));
    first_loop(s, r);
    divide_by_diagonal(s, r, p);
    memset(z, 0, n * sizeof(double));
    s->rz = s->first_rz = skimpi_dot(n, r, p);
    s->inner = 0;
    s->phase = PHASE_PRODUCT;
}

static void inner_step(quasi *s, const double *product)
{
    size_t n = s->options.n;
    double *r = vector(s, RESIDUAL), *z = vector(s, DIRECTION), *p = vector(s, SEARCH);
    const double *diagonal = vector(s, DIAGONAL), *correction = vector(s, CORRECTION);
    bool sampled = has_sample(s);
    double curvature = 0.0;
    for (size_t j = 0; j < n; j++) {
        double h = sampled ? ALPHA * product[j] + correction[j] * p[j] : product[j];
        curvature += p[j] * h;
    }
    double step = s->rz / curvature;
    if (!(curvature > 0.0) || !isfinite(step)) {
        if (s->inner == 0) {
            memcpy(z, p, n * sizeof(double));
        }
        end_direction(s);
        return;
    }
    double rz = 0.0;
    for (size_t j = 0; j < n; j++) {
        double h = sampled ? ALPHA * product[j] + correction[j] * p[j] : product[j];
        z[j] += step * p[j];
        r[j] -= step * h;
        rz += diagonal[j] > 0.0 ? r[j] * r[j] / diagonal[j] : 0.0;
    }
    s->inner++;
    double goal = sampled ? 1e-4 : 0.1; /* of the squared norm */
    if (s->inner >= (is_last_level(s) ? s->inner_limit : COARSE_INNER) || rz <= goal * s->first_rz) {
        end_direction(s);
        return;
    }
    double beta = rz / s->rz;
    for (size_t j = 0; j < n; j++) {
        p[j] = (diagonal[j] > 0.0 ? r[j] / diagonal[j] : 0.0) + beta * p[j];
    }
    s->rz = rz;
}

/* ---- points ---------------------------------------------------------------------------------------------------------------- */

static bool is_accepted(const quasi *s, double objective)
{
    double rounding = ROUNDING * fmax(fabs(s->objective), s->options.floor);
    return objective <= s->objective + 1e-4 * s->t * s->slope + rounding;
}

static void shorten(quasi *s, double objective)
{
    for (size_t j = 0; s->options.has_l1 && s->t == 1.0 && j < s->options.n; j++) { /* of the next model */
        vector(s, DIAGONAL)[j] *= L1_DIAGONAL;
    }
    double best = -0.5 * s->t * s->t * s->slope / (objective - s->objective - s->t * s->slope);
    s->t = isfinite(best) ? fmin(fmax(best, 0.1 * s->t), 0.5 * s->t) : 0.1 * s->t;
    make_trial(s);
}

static void take_point(quasi *s, const skimpi_answer *answer)
{
    size_t n = s->options.n;
    double *trial = vector(s, TRIAL);
    s->l1 = answer->l1;
    double objective = answer->value + l1_value(s, trial);
    if (s->worst < INFINITY && !(objective <= s->worst)) {
        s->worst = INFINITY;
        s->level = 0;
        memset(trial, 0, n * sizeof(double));
        return;
    }
    s->worst = INFINITY;
    if (s->is_fresh ? !isfinite(objective) : !is_accepted(s, objective)) {
        if (!s->is_fresh && s->t >= SMALLEST_STEP) {
            shorten(s, objective);
        } else if (!s->is_fresh && s->proximal.n_pairs > 0) {
            skimpi_proximal_forget(&s->proximal); /* the model is at fault */
            begin_direction(s);
        } else if (s->is_fresh && skimpi_norm_inf(n, trial) > 0.0) {
            memset(trial, 0, n * sizeof(double)); /* a coarse level went astray */
        } else if (!is_last_level(s)) {
            memset(trial, 0, n * sizeof(double));
            next_level(s);
        } else {
            s->stop = s->is_fresh                       ? SKIMPI_STOP_NOT_FINITE
                      : s->optimality <= s->options.tol ? SKIMPI_STOP_CONVERGED
                                                        : SKIMPI_STOP_ROUNDING;
        }
        return;
    }
    if (!s->is_fresh) {
        remember_step(s, answer->gradient);
        s->falls[2] = s->falls[1];
        s->falls[1] = s->falls[0];
        s->falls[0] = s->objective - objective;
        s->n_falls += s->n_falls < 3;
        for (size_t j = 0; wants_diagonal(s) && j < n; j++) {
            double *d = &vector(s, DIAGONAL)[j];
            *d = fmax(L1_DIAGONAL * answer->diagonal[j], 0.05 * *d);
        }
    } else {
        s->n_falls = 0;
        memcpy(vector(s, DIAGONAL), answer->diagonal, n * sizeof(double));
    }
    memcpy(vector(s, W), trial, n * sizeof(double));
    memcpy(vector(s, GRADIENT), answer->gradient, n * sizeof(double));
    s->objective = objective;
    s->optimality = answer->optimality;
    if (s->is_fresh && has_sample(s)) {
        s->is_fresh = 0;
        s->phase = PHASE_SAMPLE;
        return;
    }
    s->is_fresh = 0;
    begin_direction(s);
}

static void take_answer(quasi *s, const skimpi_answer *answer)
{
    switch ((phase)s->phase) {
    case PHASE_POINT:
        take_point(s, answer);
        break;
    case PHASE_SAMPLE:
        for (size_t j = 0; j < s->options.n; j++) {
            double d = vector(s, DIAGONAL)[j];
            vector(s, CORRECTION)[j] = fmax(d - ALPHA * answer->diagonal[j], 0.05 * d);
        }
        begin_direction(s);
        break;
    case PHASE_PRODUCT:
        inner_step(s, answer->product);
        break;
    }
}

static void quasi_step(void *block, const skimpi_answer *answer)
{
    quasi *s = block;
    s->passes += 1.0 / (double)stride(s);
    take_answer(s, answer);
    if (s->stop != SKIMPI_STOP_NONE) {
        return;
    }
    if (!is_last_level(s) && s->passes > SKIMPI_COARSE_PASSES) {
        s->level = s->options.n_levels - 2;
        memcpy(vector(s, TRIAL), vector(s, W), s->options.n * sizeof(double));
        next_level(s);
    } else if (s->passes + 1.0 > s->options.max_passes) {
        s->stop = s->optimality <= s->options.tol ? SKIMPI_STOP_CONVERGED : SKIMPI_STOP_MAX_ITER;
    }
}

static void quasi_solution(const void *block, skimpi_solution *solution)
{
    const quasi *s = block;
    *solution = (skimpi_solution){
        .point = vector(s, W),
        .objective = is_last_level(s) && !s->is_fresh ? s->objective : NAN,
        .optimality = s->optimality,
        .n_iter = s->n_iter,
        .stop = (skimpi_stop)s->stop,
    };
}

static bool quasi_check(const void *block, const skimpi_solver_options *options)
{
    const quasi *s = block;
    return memcmp(&s->options, options, sizeof *options) == 0 && s->level < options->n_levels &&
           s->phase <= (options->has_l1 ? PHASE_POINT : PHASE_PRODUCT) && s->stop <= SKIMPI_STOP_NOT_FINITE &&
           s->is_fresh <= 1 && s->n_pairs <= MEMORY && s->next_pair < MEMORY &&
           s->proximal.n_pairs <= SKIMPI_PROXIMAL_PAIRS && s->proximal.next < SKIMPI_PROXIMAL_PAIRS &&
           s->inner_limit >= 1 && s->n_falls <= 3 && s->model_stride >= 1 && s->model_stride <= options->model_stride;
}

const skimpi_solver skimpi_solver_quasi = {
    .name = "quasi",
    .bytes = quasi_bytes,
    .init = quasi_init,
    .start = quasi_start,
    .request = quasi_request,
    .step = quasi_step,
    .solution = quasi_solution,
    .check = quasi_check,
};
