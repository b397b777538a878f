/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Newton's method for F(w) = f(w) + Σ l1_j |w_j| with the full Hessian of f.
 *
 * Step without l1: H d = -g by Cholesky of the equilibrated S H S, S = diag(H)^-1/2.  With l1 (proximal Newton: Lee, Sun &
 * Saunders 2014, algorithm 1): d minimises gᵀd + dᵀHd / 2 + Σ l1_j |w_j + d_j|, by cyclic coordinate descent
 * (Friedman, Hastie & Tibshirani 2010, section 2.2, covariance updates).
 * Line search: backtracking from t = 1 on F(w + t d) ≤ F(w) - 1e-4 t Δ, Δ = -(gᵀd + Σ l1_j (|w_j + d_j| - |w_j|)).
 *
 * Each request asks for value, gradient and Hessian at the trial point in one pass, since the full step is nearly always taken.
 * Where the last Hessian contracts well (the more so where it is cheap, n ≤ CHEAP), only the gradient is asked for and the old
 * factor is used again (chord steps); and where the step is expected to end at the solution, or (n > CHEAP) so near that one
 * further chord step will.
 *
 * What is expected: a Newton step leads from a gain g (the decrease that the quadratic model predicts) to c g², near the
 * solution; c is what the last full step showed.  The solution of a sample of every s-th chunk lies n (s - 1) / 2N above the
 * minimum over all N rows, in the mean (Wilks 1938: twice the sum over rows is χ² with n degrees of freedom).  So a coarse
 * level (solver.h) ends when its next point will be nearer to its solution than that error; the level after it is the one that
 * leaves the fewest passes; and a level that begins much further off than expected (rows that lie together are alike)
 * multiplies what is expected of the next.  Where the start is worse than what one step from w = 0 leaves, the sample has
 * led astray: the last level then begins at w = 0.  All this is about the number of passes, never about where they end.
 *
 * A singular Hessian is bent: multiples of the equilibrated identity are added until Cholesky succeeds, which from
 * w = 0 tends to the solution of least norm.  Before that, a Hessian that was summed in floats is asked for again in doubles.
 * Directions that double precision cannot tell from null ones keep their gradient for ever: where bent steps (or with l1, those
 * whose coordinate descent did not end) gain nothing worth a pass and do not get better, that is the end.
 *
 * Border: the first n_border parameters may be those of a large one-hot column, whose block of the Hessian is diagonal, B.
 * With A the block of the others and R (n_border × the others) between them, the others' step solves the Schur complement
 *     (A - Rᵀ B⁻¹ R) d_A = -(g_A - Rᵀ B⁻¹ g_B),      d_B = -B⁻¹ (g_B + R d_A).
 * R is kept in floats: what they lose is far under what a Newton step needs.
 *
 * The block: header, then w, trial, g, d, scale, diagonal, work (n doubles each), matrix (of the others), border (floats).  The
 * matrix: what arrives in the lower triangle is kept in the upper; the lower becomes the factor; the diagonal is kept apart.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel.h"
#include "solver/solver.h"

#define CHEAP 96       /* up to here a Hessian costs little more than a gradient */
#define CONTRACTS 0.02 /* gain over the last gain: the old Hessian will do */
#define CONTRACTS_WELL 1e-3
#define CHORD_CURVING 4.0 /* Newton's error is K e², a later step's by that Hessian 2 K e: of gains, c and 4 c */
#define COARSE_ITERATIONS 25
#define CURVING_LEFT 0.4    /* steps on the last levels curve less than those that led there */
#define LEAST_CURVING 0.01  /* rounding, and floats in the Hessian */
#define CLEARLY 0.05        /* c × gain under which steps are as expected */
#define STEADY 4.0          /* c that grew by more from step to step tells nothing */
#define LIKELY_SURPRISE 1.5 /* a sample's error over the expected one */
#define CHECKED_STRIDE 32 /* from a sample as small as this another small one is gone to first, to see how good it is */
#define ASTRAY (1.0 / 32) /* of the gain at w = 0: a step from there leaves less than this */
#define MANY_PASSES 50.0
#define SMALLEST_STEP 0x1p-30
#define STUCK 5           /* slow steps in a row, by a model that could not be solved, that gain nothing */
#define BORDER_PIVOT 1e-8 /* the border's floats: no pivot of less is real */
#define FLOAT_PIVOT 1e-4  /* of a Hessian with errors of 1e-6: under it the step is not to be trusted */

typedef struct newton {
    skimpi_solver_options options;
    uint32_t level;
    uint32_t kind; /* of the request: skimpi_request_kind */
    uint32_t stop;
    uint32_t exact;    /* Hessians in doubles */
    uint32_t is_fresh; /* the trial is a level's first point: nothing to compare with */
    uint32_t has_factor;
    uint32_t level_iterations;
    uint32_t slow;      /* steps in a row that gained little */
    uint32_t is_newton; /* d is by the Hessian at w, not by an older one */
    uint32_t is_steady; /* curving is to be relied on */
    uint32_t is_bent;   /* the model was not solved as it is: the Hessian was bent, or coordinate descent did not end */
    uint32_t reserved;
    double passes; /* so far */
    uint64_t n_iter;
    uint64_t weak_pivots, weak_parameter;
    double t;         /* step length of the trial */
    double objective; /* F at w */
    double optimality;
    double decrease; /* Δ of d */
    double gain;     /* what the quadratic model predicts of d */
    double l1;
    double first_gain; /* at w = 0, on the first level; infinity: it does not matter */
    double curving;    /* c; 0: not known */
    double slope;      /* optimality over the square root of the gain */
    double surprise;   /* gain where the level began over what was expected */
    double worst;      /* F at a start that was given, at most; infinity: there is none */
    uint64_t coarser;  /* stride of the level before; 0: there is none */
} newton;

enum { W, TRIAL, GRADIENT, DIRECTION, SCALE, DIAGONAL, WORK, VECTORS };

static inline double *vector(const newton *s, unsigned which)
{
    return (double *)((char *)s + skimpi_round_up(sizeof(newton), 64)) + (size_t)which * s->options.n;
}

static inline size_t inner(const newton *s)
{
    return s->options.n - s->options.n_border;
}
static inline double *matrix(const newton *s)
{
    return vector(s, VECTORS);
}
static inline float *border(const newton *s)
{
    return (float *)(matrix(s) + inner(s) * inner(s));
}

static uint64_t newton_bytes(const skimpi_solver_options *options)
{
    uint64_t rest = options->n - options->n_border;
    uint64_t doubles = skimpi_add_sat(skimpi_mul_sat(options->n, VECTORS), skimpi_mul_sat(rest, rest));
    uint64_t floats = skimpi_mul_sat(skimpi_mul_sat(options->n_border, rest), sizeof(float));
    return skimpi_add_sat(skimpi_round_up(sizeof(newton), 64),
                          skimpi_add_sat(skimpi_mul_sat(doubles, sizeof(double)), floats));
}

static void newton_init(void *block, const skimpi_solver_options *options)
{
    newton *s = block;
    memcpy(&s->options, options, sizeof *options); /* padding too: check compares bytes */
    s->kind = SKIMPI_REQUEST_HESSIAN;
    s->exact = options->n_border > 0; /* the Schur complement is what cancellation leaves */
    s->is_fresh = 1;
    s->t = 1.0;
    s->objective = NAN;
    s->optimality = NAN;
    s->first_gain = INFINITY;
    s->surprise = LIKELY_SURPRISE;
    s->worst = INFINITY;
}

static void newton_start(void *block, const double *point, double worst)
{
    newton *s = block;
    s->level = s->options.n_levels - 1;
    s->worst = worst;
    memcpy(vector(s, TRIAL), point, s->options.n * sizeof(double));
}

static bool is_last_level(const newton *s)
{
    return s->level + 1 == s->options.n_levels;
}

static void newton_request(void *block, skimpi_request *request)
{
    newton *s = block;
    *request = (skimpi_request){
        .kind = s->stop != SKIMPI_STOP_NONE ? SKIMPI_REQUEST_DONE : (skimpi_request_kind)s->kind,
        .point = vector(s, TRIAL),
        .hessian = matrix(s),
        .border_diagonal = vector(s, DIAGONAL),
        .border = border(s),
        .exact = s->exact,
        .stride = s->options.stride[s->level],
        .penalty_factor = s->options.penalty_factor[s->level],
    };
}

static double l1_weight(const newton *s, size_t j)
{
    return j < s->options.n_l1 ? s->l1 : s->l1 * s->options.l1_rest;
}

static double l1_value(const newton *s, const double *w)
{
    double sum = 0.0;
    if (s->options.has_l1) {
        for (size_t j = 0; j < s->options.n; j++) {
            sum += l1_weight(s, j) * fabs(w[j]);
        }
    }
    return sum;
}

/* Keeps the matrix that has arrived in the upper triangle and the diagonal. False: it is not finite. */
static bool keep_matrix(newton *s)
{
    size_t m = inner(s), first = s->options.n_border;
    double *a = matrix(s), *diagonal = vector(s, DIAGONAL), *scale = vector(s, SCALE);
    double sum = 0.0;
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < i; j++) {
            a[j * m + i] = a[i * m + j];
            sum += a[i * m + j] * 0.0;
        }
        diagonal[first + i] = a[i * m + i];
    }
    for (size_t i = 0; i < s->options.n; i++) {
        sum += diagonal[i] * 0.0;
        scale[i] = diagonal[i] > 0.0 ? 1.0 / sqrt(diagonal[i]) : 0.0;
        if (!isfinite(scale[i])) {
            scale[i] = 0.0;
        }
    }
    for (size_t i = 0; i < first * m; i++) {
        sum += (double)border(s)[i] * 0.0;
    }
    return sum == 0.0;
}

/* Lower triangle: A - Rᵀ B⁻¹ R, equilibrated by A's diagonal. */
static void equilibrate(newton *s, double jitter)
{
    size_t m = inner(s), first = s->options.n_border;
    double *a = matrix(s), *row = vector(s, WORK);
    const double *scale = vector(s, SCALE) + first, *border_scale = vector(s, SCALE);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < i; j++) {
            a[i * m + j] = a[j * m + i] * scale[i] * scale[j];
        }
        a[i * m + i] = 1.0 + jitter;
    }
    for (size_t b = 0; b < first; b++) {
        const float *r = border(s) + b * m;
        for (size_t j = 0; j < m; j++) {
            row[j] = (double)r[j] * scale[j] * border_scale[b];
        }
        for (size_t i = 0; i < m; i++) {
            double x = row[i];
            for (size_t j = 0; j <= i && x != 0.0; j++) {
                a[i * m + j] -= x * row[j];
            }
        }
    }
}

/* Factors the equilibrated matrix + jitter I in the lower triangle. Returns the matrix's size, or the pivot that failed. */
static size_t factor(newton *s, double jitter)
{
    size_t m = inner(s);
    double *a = matrix(s);
    equilibrate(s, jitter);
    size_t pivot = skimpi_cholesky(m, a, m);
    if (pivot < m) {
        return pivot;
    }
    /* A pivot that is all rounding passes by chance: it is singular too. */
    double least = jitter > 0.0              ? 0.5 * jitter
                   : !s->exact               ? FLOAT_PIVOT
                   : s->options.n_border > 0 ? BORDER_PIVOT
                                             : 64.0 * DBL_EPSILON;
    for (size_t i = 0; i < m; i++) {
        if (!(a[i * m + i] * a[i * m + i] > least)) {
            return i;
        }
    }
    return m;
}

/* Makes the factor of the matrix, bent if need be. False: the matrix is needed again, in doubles. */
static bool make_factor(newton *s)
{
    size_t m = inner(s);
    size_t pivot = factor(s, 0.0);
    if (pivot < m && !s->exact) {
        s->exact = 1;
        return false;
    }
    if (pivot < m) {
        if (is_last_level(s)) {
            s->weak_pivots++;
            s->weak_parameter = s->options.n_border + pivot;
        }
        double jitter = s->options.n_border > 0 ? BORDER_PIVOT : 1e-10;
        while (factor(s, jitter) < m && jitter < 1e6) {
            jitter *= 100.0;
        }
    }
    s->is_bent = pivot < m;
    s->has_factor = 1;
    return true;
}

/* out = H x by the upper triangle, the diagonal and the border */
static void multiply(const newton *s, const double *x, double *out)
{
    size_t m = inner(s), first = s->options.n_border;
    const double *a = matrix(s), *diagonal = vector(s, DIAGONAL);
    for (size_t i = 0; i < s->options.n; i++) {
        out[i] = diagonal[i] * x[i];
    }
    for (size_t i = 0; i < m; i++) {
        const double *row = a + i * m;
        double sum = 0.0, xi = x[first + i];
        for (size_t j = i + 1; j < m; j++) {
            sum += row[j] * x[first + j];
            out[first + j] += row[j] * xi;
        }
        out[first + i] += sum;
    }
    for (size_t b = 0; b < first; b++) {
        const float *r = border(s) + b * m;
        double sum = 0.0;
        for (size_t j = 0; j < m; j++) {
            sum += (double)r[j] * x[first + j];
            out[first + j] += (double)r[j] * x[b];
        }
        out[b] += sum;
    }
}

/* q += step × column j of H */
static void add_column(const newton *s, size_t j, double step, double *q)
{
    size_t m = inner(s), first = s->options.n_border;
    const double *a = matrix(s);
    q[j] += vector(s, DIAGONAL)[j] * step;
    if (j < first) {
        const float *r = border(s) + j * m;
        for (size_t i = 0; i < m; i++) {
            q[first + i] += (double)r[i] * step;
        }
        return;
    }
    size_t k = j - first;
    for (size_t b = 0; b < first; b++) {
        q[b] += (double)border(s)[b * m + k] * step;
    }
    for (size_t i = 0; i < k; i++) {
        q[first + i] += a[i * m + k] * step;
    }
    for (size_t i = k + 1; i < m; i++) {
        q[first + i] += a[k * m + i] * step;
    }
}

static double soft(double x, double threshold)
{
    return x > threshold ? x - threshold : x < -threshold ? x + threshold : 0.0;
}

/*
 * Coordinate descent for the model with l1. q = g + H d is kept up to date; a coordinate's step is
 * soft(H_jj (w_j + d_j) - q_j, l1_j) / H_jj - (w_j + d_j).  Full sweeps alternate with sweeps over what is not zero.
 */
static void descend_coordinates(newton *s)
{
    size_t n = s->options.n;
    const double *w = vector(s, W), *g = vector(s, GRADIENT), *diagonal = vector(s, DIAGONAL);
    double *d = vector(s, DIRECTION), *q = vector(s, WORK);
    memset(d, 0, n * sizeof(double));
    memcpy(q, g, n * sizeof(double));
    double first = 0.0;
    bool all = true;
    s->is_bent = 1;
    for (unsigned sweep = 0; sweep < 2000; sweep++) {
        double largest = 0.0; /* decrease of the model by one coordinate */
        for (size_t j = 0; j < n; j++) {
            double h = diagonal[j], now = w[j] + d[j];
            if (!(h > 0.0) || (!all && now == 0.0)) {
                continue;
            }
            double next = soft(h * now - q[j], l1_weight(s, j)) / h;
            double step = next - now;
            if (step == 0.0) {
                continue;
            }
            d[j] = next - w[j];
            add_column(s, j, step, q);
            largest = fmax(largest, h * step * step);
        }
        first = fmax(first, largest);
        if (largest <= 1e-16 * first) {
            if (all) {
                s->is_bent = 0;
                break;
            }
            all = true;
        } else {
            all = false;
        }
    }
}

/* H d = -g by the factor */
static void solve(newton *s)
{
    size_t m = inner(s), first = s->options.n_border;
    const double *g = vector(s, GRADIENT), *scale = vector(s, SCALE);
    double *d = vector(s, DIRECTION), *others = d + first;
    for (size_t j = 0; j < m; j++) {
        others[j] = -g[first + j];
    }
    for (size_t b = 0; b < first; b++) {
        const float *r = border(s) + b * m;
        double ratio = g[b] * scale[b] * scale[b];
        for (size_t j = 0; j < m; j++) {
            others[j] += (double)r[j] * ratio;
        }
    }
    for (size_t j = 0; j < m; j++) {
        others[j] *= scale[first + j];
    }
    skimpi_cholesky_solve(m, matrix(s), m, others);
    for (size_t j = 0; j < m; j++) {
        others[j] *= scale[first + j];
    }
    for (size_t b = 0; b < first; b++) {
        const float *r = border(s) + b * m;
        double sum = g[b];
        for (size_t j = 0; j < m; j++) {
            sum += (double)r[j] * others[j];
        }
        d[b] = -sum * scale[b] * scale[b];
    }
}

static void newton_direction(newton *s)
{
    size_t n = s->options.n;
    const double *w = vector(s, W), *g = vector(s, GRADIENT);
    double *d = vector(s, DIRECTION), *work = vector(s, WORK);
    if (s->options.has_l1) {
        descend_coordinates(s);
    } else {
        solve(s);
    }
    double change = skimpi_dot(n, g, d);
    if (s->options.has_l1) {
        for (size_t j = 0; j < n; j++) {
            change += l1_weight(s, j) * (fabs(w[j] + d[j]) - fabs(w[j]));
        }
    }
    multiply(s, d, work);
    s->decrease = -change;
    s->gain = -change - 0.5 * skimpi_dot(n, d, work);
    if (!(s->gain >= 0.25 * s->decrease)) { /* a bent or stale matrix: the model cannot say */
        s->gain = 0.5 * s->decrease;
    }
}

static void make_trial(newton *s)
{
    const double *w = vector(s, W), *d = vector(s, DIRECTION);
    double *trial = vector(s, TRIAL);
    for (size_t j = 0; j < s->options.n; j++) {
        trial[j] = w[j] + s->t * d[j];
    }
}

/* Is the trial good enough? Where F can no longer tell, what it predicts is under its rounding. */
static bool is_accepted(const newton *s, double objective)
{
    double rounding = 32.0 * DBL_EPSILON * fmax(fabs(s->objective), s->options.floor);
    return objective <= s->objective - 1e-4 * s->t * s->decrease + rounding;
}

/* ---- what is expected ------------------------------------------------------------------------------------------------- */

/* Of the solution of a sample: what is left to gain over all of n_rows rows. */
static double sample_gain(const newton *s, uint64_t stride, double n_rows)
{
    return s->surprise * 0.5 * (double)s->options.n * (double)(stride - 1) / n_rows;
}

static double next_gain(const newton *s, double gain)
{
    return fmin(s->curving * gain * gain, gain);
}

static bool is_end(const newton *s, double gain)
{
    const skimpi_solver_options *o = &s->options;
    return s->slope * sqrt(gain) <= o->tol && gain <= o->gap * fmax(fabs(s->objective), o->floor);
}

/* Passes over all the data from a point of this gain on, the one that finds the end included. */
static double passes_from(const newton *s, double gain)
{
    double passes = 1.0;
    while (passes < MANY_PASSES && !is_end(s, gain)) {
        gain = next_gain(s, gain);
        passes++;
    }
    return passes;
}

/*
 * Do two gradients end it, by a factor that is new?  The Hessian at a point leaves of the gain at a later one what the gain
 * at its own tells.
 */
static bool factor_will_do(const newton *s)
{
    double share = CHORD_CURVING * s->curving * s->gain;
    return s->options.n > CHEAP && s->is_newton && s->is_steady && !s->is_bent && !s->options.has_l1 &&
           share <= CONTRACTS && is_end(s, share * next_gain(s, s->gain));
}

/* Where to go from a coarse level: to the last, or by a larger sample that saves more than the pass over it costs. */
static uint32_t next_level(const newton *s, double rows)
{
    const skimpi_solver_options *o = &s->options;
    uint32_t best = o->n_levels - 1;
    uint64_t stride = o->stride[s->level];
    if (s->coarser == 0 && stride >= CHECKED_STRIDE) {
        return s->level + 1;
    }
    double n_rows = rows * (double)stride;
    double least = passes_from(s, sample_gain(s, stride, n_rows));
    for (uint32_t level = s->level + 1; s->is_steady && level + 1 < o->n_levels; level++) {
        double passes = 1.0 / (double)o->stride[level] + passes_from(s, sample_gain(s, o->stride[level], n_rows));
        if (passes < least) {
            least = passes;
            best = level;
        }
    }
    return best;
}

static void enter_level(newton *s, uint32_t level)
{
    s->coarser = s->options.stride[s->level];
    s->level = level;
    s->level_iterations = 0;
    s->slow = 0;
    s->is_fresh = 1;
    s->kind = SKIMPI_REQUEST_HESSIAN;
}

/* What the point that was reached tells of those to come; before: the gain at the one before. False: the sample led astray. */
static bool learn(newton *s, const skimpi_answer *answer, double before, bool was_newton)
{
    bool is_start = s->level_iterations == 0;
    if (is_start && s->coarser == 0) {
        s->first_gain = s->gain;
    } else if (is_start) {
        double stride = (double)s->options.stride[s->level];
        double expected = 0.5 * (double)s->options.n * ((double)s->coarser - stride) / (answer->rows * stride);
        s->surprise = fmax(LIKELY_SURPRISE, s->gain / expected);
        if (s->gain > ASTRAY * s->first_gain) {
            s->first_gain = INFINITY; /* once is enough */
            return false;
        }
    } else if (was_newton && s->t == 1.0 && isfinite(before)) {
        double curving = fmax(CURVING_LEFT * s->gain / (before * before), LEAST_CURVING);
        s->is_steady = curving <= STEADY * s->curving;
        s->curving = curving;
    }
    s->slope = s->optimality / sqrt(s->gain);
    return true;
}

/* ---- steps ------------------------------------------------------------------------------------------------------------ */

static void finish(newton *s, skimpi_stop stop)
{
    if (is_last_level(s)) {
        s->stop = stop;
    } else {
        enter_level(s, s->options.n_levels - 1);
    }
}

/* The direction is known: stop, change level, or go on. */
static void decide(newton *s, const skimpi_answer *answer, double gain_before)
{
    const skimpi_solver_options *o = &s->options;
    double size = fmax(fabs(s->objective), o->floor);
    s->t = 1.0;
    make_trial(s);
    if (!is_last_level(s)) {
        double noise = fmax(0.1 * (double)o->n / fmax(answer->rows, 1.0), o->gap * size);
        bool is_near = s->is_steady && s->curving * s->gain <= CLEARLY && next_gain(s, s->gain) <= noise;
        if (is_near || s->gain <= noise || s->level_iterations >= COARSE_ITERATIONS) {
            enter_level(s, next_level(s, answer->rows));
            return;
        }
    } else if (s->optimality <= o->tol && s->gain <= o->gap * size) {
        finish(s, SKIMPI_STOP_CONVERGED);
        return;
    } else if (s->gain <= 2.0 * DBL_EPSILON * size && s->gain > 0.5 * gain_before) {
        /* F has long stopped telling, and the gradient no longer falls either. */
        finish(s, s->optimality <= o->tol ? SKIMPI_STOP_CONVERGED : SKIMPI_STOP_ROUNDING);
        return;
    } else if (s->is_bent && s->slow >= STUCK && s->gain <= o->gap * size) {
        finish(s, s->optimality <= o->tol ? SKIMPI_STOP_CONVERGED : SKIMPI_STOP_ROUNDING);
        return;
    } else if (s->n_iter >= o->max_iter) {
        finish(s, s->optimality <= o->tol ? SKIMPI_STOP_CONVERGED : SKIMPI_STOP_MAX_ITER);
        return;
    }
    bool contracts = s->gain <= CONTRACTS * gain_before;
    s->slow = !contracts && s->gain > 0.2 * gain_before ? s->slow + 1 : 0;
    if (s->slow >= 3) {
        s->exact = 1; /* the floats of the Hessian may be why */
    }
    bool will_do = s->gain <= (o->n > CHEAP ? CONTRACTS : CONTRACTS_WELL) * gain_before && isfinite(gain_before);
    will_do |= is_last_level(s) && s->is_newton && s->is_steady && is_end(s, 2.0 * next_gain(s, s->gain));
    will_do |= is_last_level(s) && factor_will_do(s);
    s->kind = will_do ? SKIMPI_REQUEST_GRADIENT : SKIMPI_REQUEST_HESSIAN;
    s->level_iterations++;
    s->n_iter += is_last_level(s);
}

static void take_answer(newton *s, const skimpi_answer *answer)
{
    size_t n = s->options.n;
    double gain_before = s->is_fresh ? INFINITY : s->gain;
    bool was_newton = s->is_newton;
    s->l1 = answer->l1;
    double objective = answer->value + l1_value(s, vector(s, TRIAL));
    bool has_matrix = s->kind == SKIMPI_REQUEST_HESSIAN;
    if (s->worst < INFINITY && !(objective <= s->worst)) {
        s->worst = INFINITY;
        s->level = 0;
        memset(vector(s, TRIAL), 0, n * sizeof(double));
        return;
    }
    s->worst = INFINITY;
    if (s->is_fresh ? !isfinite(objective) : !is_accepted(s, objective)) {
        if (s->is_fresh && skimpi_norm_inf(n, vector(s, TRIAL)) > 0.0) {
            memset(vector(s, TRIAL), 0, n * sizeof(double)); /* a coarse level went astray */
            memset(vector(s, W), 0, n * sizeof(double));
            return;
        }
        if (s->is_fresh || s->t < SMALLEST_STEP) {
            finish(s, s->is_fresh                       ? SKIMPI_STOP_NOT_FINITE
                      : s->optimality <= s->options.tol ? SKIMPI_STOP_CONVERGED
                                                        : SKIMPI_STOP_ROUNDING);
            return;
        }
        /* The minimum of the parabola through both values and the slope. */
        double rise = objective - s->objective, best = 0.5 * s->t * s->t * s->decrease / (rise + s->t * s->decrease);
        s->t = isfinite(best) ? fmin(fmax(best, 0.1 * s->t), 0.5 * s->t) : 0.1 * s->t;
        make_trial(s);
        s->kind = SKIMPI_REQUEST_HESSIAN; /* what the old one stood for is gone */
        return;
    }
    memcpy(vector(s, W), vector(s, TRIAL), n * sizeof(double));
    memcpy(vector(s, GRADIENT), answer->gradient, n * sizeof(double));
    s->objective = objective;
    s->optimality = answer->optimality;
    if (has_matrix) {
        bool is_finite = keep_matrix(s);
        if (!is_finite && s->exact) {
            finish(s, SKIMPI_STOP_NOT_FINITE);
            return;
        }
        if (!is_finite || (!s->options.has_l1 && !make_factor(s))) {
            s->exact = 1;
            s->is_fresh = 1; /* the same point once more */
            return;
        }
    }
    newton_direction(s);
    if (!isfinite(s->gain)) {
        finish(s, SKIMPI_STOP_NOT_FINITE);
        return;
    }
    s->is_newton = has_matrix;
    if (!learn(s, answer, gain_before, was_newton)) {
        memset(vector(s, TRIAL), 0, n * sizeof(double));
        enter_level(s, s->options.n_levels - 1);
        return;
    }
    s->is_fresh = 0;
    decide(s, answer, gain_before);
}

static void newton_step(void *block, const skimpi_answer *answer)
{
    newton *s = block;
    s->passes += 1.0 / (double)s->options.stride[s->level];
    take_answer(s, answer);
    if (s->stop != SKIMPI_STOP_NONE) {
        return;
    }
    if (!is_last_level(s) && s->passes > SKIMPI_COARSE_PASSES) {
        memcpy(vector(s, TRIAL), vector(s, W), s->options.n * sizeof(double));
        enter_level(s, s->options.n_levels - 1);
    } else if (s->passes + 1.0 > s->options.max_passes) {
        s->stop = s->optimality <= s->options.tol ? SKIMPI_STOP_CONVERGED : SKIMPI_STOP_MAX_ITER;
    }
}

static void newton_solution(const void *block, skimpi_solution *solution)
{
    const newton *s = block;
    *solution = (skimpi_solution){
        .point = vector(s, W),
        .objective = is_last_level(s) && !(s->is_fresh && s->stop == SKIMPI_STOP_NONE) ? s->objective : NAN,
        .optimality = s->optimality,
        .n_iter = s->n_iter,
        .stop = (skimpi_stop)s->stop,
        .weak_pivots = s->weak_pivots,
        .weak_parameter = s->weak_parameter,
    };
}

static bool newton_check(const void *block, const skimpi_solver_options *options)
{
    const newton *s = block;
    return memcmp(&s->options, options, sizeof *options) == 0 && s->level < options->n_levels &&
           (s->kind == SKIMPI_REQUEST_HESSIAN || s->kind == SKIMPI_REQUEST_GRADIENT) &&
           s->stop <= SKIMPI_STOP_NOT_FINITE && s->exact <= 1 && s->is_bent <= 1 && s->passes >= 0.0 &&
           s->is_fresh <= 1 && s->has_factor <= 1 && s->weak_parameter < options->n;
}

const skimpi_solver skimpi_solver_newton = {
    .name = "newton",
    .bytes = newton_bytes,
    .init = newton_init,
    .start = newton_start,
    .request = newton_request,
    .step = newton_step,
    .solution = newton_solution,
    .check = newton_check,
};
