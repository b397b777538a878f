/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The systems of narrow least squares, solved between passes.
 *
 * With M the co-moment matrix of the centred columns and D = diag(sqrt(M_jj + α)), the scaled matrix A = D⁻¹ (M + αI)
 * D⁻¹ has ones on its diagonal, whatever the units of the columns; equilibration by columns is within √p of the best
 * scaling there is (van der Sluis 1969).  A constant column has no D: its coefficient is 0.
 *
 *   Cholesky   when no pivot is small.
 *   Eigen      otherwise: directions in which the data vary by less than (tol² / p, or what rounding leaves) are cut
 *              off, and the solution of least norm is taken: least in the columns' own units, as numpy's lstsq gives it,
 *              and as a penalty on exactly collinear columns does.  The directions that were cut off, N, become D⁻¹N
 *              there; the solution is made orthogonal to them.  Rounding is that of columns kept as floats too, which
 *              makes what was collinear in the text (a total in cents) vary by a little noise that a small α would not
 *              hold down.
 *   Bounded    w ≥ 0: block principal pivoting (Portugal, Júdice & Vicente 1994; Kim & Park 2011, algorithm 1) on
 *              A + μI about the last solution (a proximal step, so that collinear columns do no harm).
 *
 * A is made of squares, so a solution from it has an error of κ² ε.  Corrections from the exact gradient Xᵀ S (y - Xw)
 * - αw, one pass each, bring that down to what the data determine (corrected semi-normal equations: Björck, Numerical
 * Methods for Least Squares Problems, 2.9.2; he shows that one is nearly always enough).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "estimator/least_squares.h"
#include "kernel/kernel.h"

#define SMALL_PIVOT 1e-8    /* of a matrix with ones on the diagonal */
#define SMALL_RIDGE 1e-6    /* the same with a penalty, under which the rounding of columns to floats is felt */
#define FLOAT_NOISE 0x1p-48 /* eight times the mean square of what rounding to a float does to a number, relative */
#define TARGET_NOISE (8 * DBL_EPSILON)
#define PROXIMAL 1e-10  /* μ of the bounded problem */
#define FAR_OFFSET 1e7  /* standard deviations from where on a user must know */
#define NAMED_COLUMNS 8 /* in a warning */

static const char *feature_name(const least_squares *self, uint64_t j, char text[32])
{
    if (self->feature_names != NULL) {
        return self->feature_names[j];
    }
    unsigned long long number = j;
    char digits[24];
    size_t n = 0, at = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text[at++] = '#';
    while (n > 0) {
        text[at++] = digits[--n];
    }
    text[at] = 0;
    return text;
}

static void name_columns(const least_squares *self, const double *share, double at_least, char *text, size_t size)
{
    size_t at = 0;
    unsigned named = 0;
    uint64_t more = 0;
    char number[32];
    text[0] = 0;
    for (uint64_t j = 0; j < self->shape.n_features; j++) {
        if (!(share[j] >= at_least)) {
            continue;
        }
        const char *name = feature_name(self, j, number);
        size_t length = strlen(name);
        if (named == NAMED_COLUMNS || at + length + 40 > size) {
            more++;
            continue;
        }
        if (named++ > 0) {
            memcpy(text + at, ", ", 2);
            at += 2;
        }
        memcpy(text + at, name, length + 1);
        at += length;
    }
    if (more > 0 && at + 20 < size) {
        memcpy(text + at, " and others", 12);
    }
}

void least_squares_warn_inexact(least_squares *self)
{
    double *share = self->step, largest = 0;
    char names[200];
    for (uint64_t j = 0; j < self->shape.n_features; j++) {
        share[j] = fabs(share[j] * self->scale[j]);
        largest = fmax(largest, share[j]);
    }
    name_columns(self, share, largest / 2, names, sizeof names);
    skimpi_warn(self->warnings, "coefficients are exact to %.1g only: columns are nearly collinear: %s",
                self->progress.last_step, names);
}

/* The solution does not mind, as columns are centred; the data, and predictions, have lost digits. */
static void warn_far(least_squares *self)
{
    double *far = self->step, farthest = 0;
    for (uint64_t j = 0; j < self->shape.n_features; j++) {
        far[j] = self->scale[j] == 0 ? 0 : sqrt(self->progress.weight) * fabs(self->mean[j]) / self->scale[j];
        farthest = fmax(farthest, far[j]);
    }
    if (farthest >= FAR_OFFSET) {
        char names[200];
        name_columns(self, far, FAR_OFFSET, names, sizeof names);
        skimpi_warn(self->warnings,
                    "columns are up to %.1g standard deviations from zero, where double precision cannot tell %.1g of "
                    "one from nothing: subtract the offset, or scale them (--step standard_scaler): %s",
                    farthest, farthest * DBL_EPSILON, names);
    }
}

/* scale[j] is 0 for columns without spread; those of one-hot features that did not occur go without saying. */
void least_squares_warn_columns(least_squares *self)
{
    double *share = self->step;
    bool any = false;
    for (uint64_t j = 0; j < self->shape.n_features; j++) {
        share[j] = self->scale[j] == 0 && (self->dense[j] || (self->shape.n_code_columns == 0 && self->shape.narrow));
        any = any || share[j] > 0;
    }
    if (any) {
        char names[200];
        name_columns(self, share, 0.5, names, sizeof names);
        skimpi_warn(self->warnings, "constant columns have coefficient 0: %s", names);
    }
    warn_far(self);
}

/* ---- eigen ------------------------------------------------------------------------------------------------------- */

/*
 * The first n_null rows of the matrix, eigenvectors of the scaled problem, become an orthonormal basis of the same
 * directions in the columns' own units.  A feature that has no real part in them (only rounding) is left out first,
 * lest its units blow that rounding up.
 */
static void unscale_null(least_squares *self, bool warns)
{
    uint64_t p = self->shape.n_features, n_null = self->progress.n_null;
    double *share = self->work, *matrix = self->matrix;
    for (uint64_t j = 0; j < p; j++) {
        double sum = 0;
        for (uint64_t e = 0; e < n_null; e++) {
            sum += matrix[e * p + j] * matrix[e * p + j];
        }
        share[j] = sqrt(sum);
    }
    if (warns && n_null > self->shape.n_code_columns && !self->progress.warned) {
        char names[200];
        name_columns(self, share, 1e-3, names, sizeof names);
        skimpi_warn(self->warnings,
                    "columns are collinear (rank %llu of %llu): the solution of least norm was taken: %s",
                    (unsigned long long)self->progress.rank, (unsigned long long)p, names);
        self->progress.warned = 1;
    }
    uint64_t kept = 0;
    for (uint64_t e = 0; e < n_null; e++) {
        double *row = matrix + e * p, largest = 0;
        for (uint64_t j = 0; j < p; j++) {
            row[j] = share[j] < 1e-6 || self->scale[j] == 0 ? 0 : row[j] / self->scale[j];
            largest = fmax(largest, fabs(row[j]));
        }
        if (largest == 0 || !isfinite(largest)) {
            continue;
        }
        for (uint64_t j = 0; j < p; j++) {
            row[j] /= largest;
        }
        double before = skimpi_norm2(p, row);
        for (unsigned twice = 0; twice < 2; twice++) {
            for (uint64_t f = 0; f < kept; f++) {
                skimpi_axpy(p, -skimpi_dot(p, matrix + f * p, row), matrix + f * p, row);
            }
        }
        double norm = skimpi_norm2(p, row);
        if (norm <= 1e-10 * before) {
            continue;
        }
        double *place = matrix + kept++ * p;
        for (uint64_t j = 0; j < p; j++) {
            place[j] = row[j] / norm;
        }
    }
    self->progress.n_null = kept;
}

/* Coefficients without any part in the directions that the data say nothing of. */
static void project(least_squares *self)
{
    uint64_t p = self->shape.n_features;
    for (uint64_t e = 0; e < self->progress.n_null; e++) {
        const double *row = self->matrix + e * p;
        skimpi_axpy(p, -skimpi_dot(p, row, self->coef), row, self->coef);
    }
}

/* What the rounding of columns to floats makes of a direction of the scaled problem, at most. */
static double float_noise(const least_squares *self, const double *direction)
{
    double sum = 0;
    for (uint64_t j = 0; j < self->shape.n_features; j++) {
        if (self->dense[j] == LEAST_SQUARES_FLOATS && self->scale[j] != 0) {
            double far = sqrt(self->progress.weight) * self->mean[j] / self->scale[j];
            sum += direction[j] * direction[j] * (1 + far * far);
        }
    }
    return FLOAT_NOISE * sum;
}

/* What the penalty adds to a direction of the scaled problem. */
static double penalty_in(const least_squares *self, const double *direction)
{
    double sum = 0;
    for (uint64_t j = 0; j < self->shape.n_features && self->shape.alpha > 0; j++) {
        double part = self->scale[j] == 0 ? 0 : direction[j] / self->scale[j];
        sum += part * part * self->shape.alpha;
    }
    return sum;
}

/* Moves the directions to cut off to the front; returns their number. is_loose: the penalty does not hold one of them. */
static uint64_t part_null(const least_squares *self, double *values, double cut, bool *is_loose)
{
    uint64_t p = self->shape.n_features, n_null = 0;
    *is_loose = false;
    for (uint64_t e = 0; e < p; e++) {
        double *row = self->matrix + e * p, *front = self->matrix + n_null * p;
        if (values[e] - penalty_in(self, row) > fmax(cut, float_noise(self, row))) {
            continue;
        }
        for (uint64_t j = 0; j < p && row != front; j++) {
            double moved = row[j];
            row[j] = front[j];
            front[j] = moved;
        }
        double value = values[e];
        *is_loose = *is_loose || value <= (self->shape.alpha > 0 ? cut : (double)INFINITY);
        values[e] = values[n_null];
        values[n_null++] = value;
    }
    return n_null;
}

/*
 * The kept eigenvectors q become q / sqrt(λ), so that A⁺ is the sum of their outer products. Row e of the matrix:
 * eigenvector e.
 */
static skimp_status factor_eigen(least_squares *self, skimp_error *error)
{
    uint64_t p = self->shape.n_features;
    double *values = self->work;
    if (!skimpi_symmetric_eigen(p, self->matrix, p, values, self->work + p)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "the columns' products are not finite numbers: values are too large");
    }
    double rounding = 8 * (double)p * DBL_EPSILON * values[p - 1];
    double wanted =
        self->shape.alpha > 0 ? 0 : self->shape.tolerance * self->shape.tolerance / (double)p * values[p - 1];
    bool is_loose;
    uint64_t n_null = part_null(self, values, fmax(rounding, wanted), &is_loose), n_left_out = 0;
    for (uint64_t e = n_null; e < p; e++) {
        double factor = 1 / sqrt(values[e]);
        for (uint64_t j = 0; j < p; j++) {
            self->matrix[e * p + j] *= factor;
        }
    }
    for (uint64_t j = 0; j < p; j++) {
        n_left_out += self->scale[j] == 0;
    }
    self->progress.factor = FACTOR_EIGEN;
    /* Columns that were left out stand in the matrix as ones on the diagonal: they are not of the rank. */
    self->progress.rank = p - n_null - n_left_out;
    self->progress.n_null = n_null;
    uint64_t cut_off = n_null;
    unscale_null(self, is_loose);
    /* What unscale_null dropped must not be taken for eigenvectors. */
    for (uint64_t e = self->progress.n_null; e < cut_off; e++) {
        memset(self->matrix + e * p, 0, p * sizeof(double));
    }
    return SKIMP_OK;
}

/* ---- bounded ----------------------------------------------------------------------------------------------------- */

/*
 * minimise ½ xᵀ(A + μI)x - bᵀx, x ≥ 0, by block principal pivoting: exchange every index that is infeasible while that
 * lowers their number; after three failures the last one alone, which always ends (Murty's rule).
 * work: 3 p (the dual, the compact solution, and a copy of the passive indices).
 */
static bool bounded_solve(least_squares *self, const double *b, double *x)
{
    uint64_t p = self->shape.n_features;
    double *dual = self->work, *compact = self->work + p;
    uint8_t *passive = (uint8_t *)(void *)(self->work + 2 * p);
    uint64_t fewest = p + 1, tries = 3;
    for (uint64_t j = 0; j < p; j++) {
        passive[j] = x[j] > 0;
    }
    for (uint64_t round = 0; round < 20 * p + 100; round++) {
        uint64_t n = 0;
        for (uint64_t j = 0; j < p; j++) {
            if (passive[j]) {
                uint64_t m = 0;
                for (uint64_t k = 0; k <= j; k++) {
                    if (passive[k]) {
                        self->matrix[n * p + m++] = self->normal[j * p + k] + (j == k ? PROXIMAL : 0);
                    }
                }
                compact[n++] = b[j];
            }
        }
        if (skimpi_cholesky(n, self->matrix, p) < n) {
            return false;
        }
        skimpi_cholesky_solve(n, self->matrix, p, compact);
        for (uint64_t j = 0, m = 0; j < p; j++) {
            x[j] = passive[j] ? compact[m++] : 0;
        }
        uint64_t infeasible = 0, last = 0;
        for (uint64_t j = 0; j < p; j++) {
            const double *row = self->normal + j * p;
            double sum = skimpi_dot(j + 1, row, x) - b[j];
            for (uint64_t k = j + 1; k < p; k++) {
                sum += self->normal[k * p + j] * x[k];
            }
            dual[j] = sum;
            if (passive[j] ? x[j] < 0 : sum < -1e-13 * (1 + fabs(b[j]))) {
                infeasible++;
                last = j;
            }
        }
        if (infeasible == 0) {
            return true;
        }
        bool all = infeasible < fewest;
        if (all) {
            fewest = infeasible;
            tries = 3;
        } else if (tries > 0) {
            tries--;
            all = true;
        }
        for (uint64_t j = 0; j < p; j++) {
            if ((all || j == last) && (passive[j] ? x[j] < 0 : dual[j] < -1e-13 * (1 + fabs(b[j])))) {
                passive[j] = !passive[j];
            }
        }
    }
    return false;
}

/*
 * ---- start and correct
 * ------------------------------------------------------------------------------------------------
 */

/* step := the solution of the factored system for the unscaled right-hand side in gradient. */
static void apply_factor(least_squares *self)
{
    uint64_t p = self->shape.n_features;
    double *b = self->step;
    for (uint64_t j = 0; j < p; j++) {
        b[j] = self->scale[j] == 0 ? 0 : self->gradient[j] / self->scale[j];
    }
    if (self->progress.factor == FACTOR_CHOLESKY) {
        skimpi_cholesky_solve(p, self->matrix, p, b);
    } else {
        double *x = self->work;
        memset(x, 0, p * sizeof *x);
        for (uint64_t e = self->progress.n_null; e < p; e++) {
            const double *row = self->matrix + e * p;
            skimpi_axpy(p, skimpi_dot(p, row, b), row, x);
        }
        memcpy(b, x, p * sizeof *b);
    }
    for (uint64_t j = 0; j < p; j++) {
        b[j] = self->scale[j] == 0 ? 0 : b[j] / self->scale[j];
    }
}

/* step := the bounded solution about coef, less coef. False: numbers would not have it. */
static bool bounded_step(least_squares *self)
{
    uint64_t p = self->shape.n_features;
    double *b = self->work + 3 * p, *x = self->step;
    for (uint64_t j = 0; j < p; j++) {
        x[j] = self->coef[j] * self->scale[j];
    }
    for (uint64_t j = 0; j < p; j++) { /* b = (A + μI) x + g */
        double sum = skimpi_dot(j + 1, self->normal + j * p, x) + PROXIMAL * x[j];
        for (uint64_t k = j + 1; k < p; k++) {
            sum += self->normal[k * p + j] * x[k];
        }
        b[j] = sum + (self->scale[j] == 0 ? 0 : self->gradient[j] / self->scale[j]);
    }
    bool solved = bounded_solve(self, b, x);
    for (uint64_t j = 0; j < p; j++) {
        x[j] = self->scale[j] == 0 ? 0 : x[j] / self->scale[j] - self->coef[j];
    }
    return solved;
}

static double scaled_norm(const least_squares *self, const double *x)
{
    double sum = 0, largest = 0;
    uint64_t p = self->shape.n_features;
    for (uint64_t j = 0; j < p; j++) {
        largest = fmax(largest, fabs(x[j] * self->scale[j]));
    }
    for (uint64_t j = 0; j < p && largest > 0; j++) {
        double v = x[j] * self->scale[j] / largest;
        sum += v * v;
    }
    return largest * sqrt(sum);
}

double least_squares_target_noise(const least_squares *self)
{
    const least_squares_progress *progress = &self->progress;
    double size = fmax(sqrt(progress->weight) * fabs(progress->target_mean), sqrt(progress->target_squares));
    return TARGET_NOISE * size;
}

skimp_status least_squares_correct(least_squares *self, skimp_error *error)
{
    uint64_t p = self->shape.n_features;
    if (self->progress.factor == FACTOR_BOUNDED) {
        if (!bounded_step(self)) {
            skimpi_warn(self->warnings, "the non-negative solution may not be exact: pivoting did not end");
        }
    } else {
        apply_factor(self);
    }
    double step = scaled_norm(self, self->step);
    for (uint64_t j = 0; j < p; j++) {
        self->coef[j] += self->step[j];
        if (self->shape.positive) {
            self->coef[j] = fmax(self->coef[j], 0);
        }
    }
    if (self->progress.factor == FACTOR_EIGEN) {
        project(self);
    }
    double now = scaled_norm(self, self->coef);
    self->progress.last_step = step <= least_squares_target_noise(self) ? 0 : step / now;
    if (!isfinite(now) || !isfinite(step)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "least squares has no finite solution: values are too large");
    }
    return SKIMP_OK;
}

skimp_status least_squares_start(least_squares *self, const void *lane, skimp_error *error)
{
    const least_squares_shape *shape = &self->shape;
    uint64_t p = shape->n_features, q = p + 2;
    const double *centre = least_squares_lane_array(shape, lane, 0, true),
                 *gram = least_squares_lane_array(shape, lane, 1, true);
    const double *sums = gram + (q - 1) * q, *products = gram + p * q;
    double n = sums[q - 1];
    memcpy(self->dense, least_squares_lane_marks(shape, lane, true), p);
    self->progress.weight = n;
    self->progress.n_rows = ((const least_squares_lane *)lane)->n_rows;
    if (!(n > 0)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "the weights of all rows are zero");
    }
    bool centred = shape->fit_intercept;
    self->progress.target_mean = centred ? centre[p] + sums[p] / n : 0;
    self->progress.target_squares = centred ? fmax(products[p] - sums[p] * (sums[p] / n), 0) : products[p];
    for (uint64_t j = 0; j < p; j++) {
        double moment = gram[j * q + j];
        self->mean[j] = centred ? centre[j] + sums[j] / n : 0;
        if (centred) {
            moment -= sums[j] * (sums[j] / n);
        }
        if (!isfinite(moment) || !isfinite(self->mean[j])) {
            char number[32];
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, feature_name(self, j, number),
                                  "values are too large: their squares have no finite sum");
        }
        /* A column whose spread is of its mean's rounding is constant. */
        double rounding = 4 * DBL_EPSILON * self->mean[j];
        self->scale[j] = moment > 0 && moment > n * rounding * rounding ? sqrt(moment + shape->alpha) : 0;
        self->gradient[j] = centred ? products[j] - sums[p] * (sums[j] / n) : products[j];
        self->coef[j] = 0;
    }
    if (!isfinite(products[p])) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "values of the target are too large: their squares have no finite sum");
    }
    double *matrix = shape->positive ? self->normal : self->matrix;
    for (uint64_t a = 0; a < p; a++) {
        for (uint64_t b = 0; b < a; b++) {
            bool both = self->scale[a] != 0 && self->scale[b] != 0;
            double v = gram[a * q + b] - (centred ? sums[a] * (sums[b] / n) : 0);
            matrix[a * p + b] = both ? v / self->scale[a] / self->scale[b] : 0;
        }
        matrix[a * p + a] = 1;
    }
    least_squares_warn_columns(self);
    if (shape->positive) {
        self->progress.factor = FACTOR_BOUNDED;
        return least_squares_correct(self, error);
    }
    bool good = skimpi_cholesky(p, self->matrix, p) == p;
    double least = 1;
    uint64_t rank = 0;
    for (uint64_t j = 0; j < p; j++) {
        least = fmin(least, self->matrix[j * p + j]);
        rank += self->scale[j] != 0;
    }
    if (good && least * least >= (shape->alpha > 0 ? SMALL_RIDGE : SMALL_PIVOT)) {
        self->progress.factor = FACTOR_CHOLESKY;
        self->progress.rank = rank;
    } else {
        for (uint64_t a = 0; a < p; a++) {
            for (uint64_t b = 0; b < a; b++) {
                bool both = self->scale[a] != 0 && self->scale[b] != 0;
                double v = gram[a * q + b] - (centred ? sums[a] * (sums[b] / n) : 0);
                self->matrix[a * p + b] = both ? v / self->scale[a] / self->scale[b] : 0;
            }
            self->matrix[a * p + a] = 1;
        }
        skimp_status status = factor_eigen(self, error);
        if (status != SKIMP_OK) {
            return status;
        }
    }
    return least_squares_correct(self, error);
}
