/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the columns of logistic regression are centred, and shifted.  With an intercept that is not penalised a column x and
 * x - s are the same column: the model differs in the intercept alone, by s w.  In double precision they are not the same.
 * The margins x·w + b of a column at 1e9 standard deviations from zero carry an error of 1e-7 a row, the objective cannot tell steps
 * apart, and the gradient 1e9 Σ r cannot fall under any tolerance.  So such a column comes to the passes with s ≈ mean taken
 * off, which is exact there, value by value (Sterbenz 1974), and s goes back into the intercept of what is saved.
 *
 * Mean and variance come from Σ x and Σ x² of a first pass (a sample's, where there is one): they tell |mean| from standard
 * deviations up to some 1e7.  Where the variance is under CLEAR² mean², a second pass over the shifted columns settles it.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "estimator/logistic.h"

#define OFFSET 100.0   /* standard deviations */
#define CLEAR 1e-5     /* standard deviation over mean that the first pass can tell */
#define FAR_OFFSET 1e7 /* standard deviations from where on a user must know */
#define FINEST 0x1p-40 /* standard deviation over shift under which all of the mean's digits are taken */
#define QUANTUM_BITS 2 /* a shift is a multiple of the standard deviation's power of two over 2^this */

const char *skimpi_logistic_feature_name(const logistic *self, uint64_t feature, char *name, size_t size)
{
    if (self->problem.feature_names != NULL) {
        snprintf(name, size, "column '%s'", self->problem.feature_names[feature]);
    } else {
        snprintf(name, size, "feature %llu", (unsigned long long)feature);
    }
    return name;
}

void skimpi_logistic_take_centres(logistic *self)
{
    const logistic_shape *shape = &self->shape;
    for (uint64_t j = 0; j < shape->p; j++) {
        if (j < shape->border_first || j >= shape->border_first + shape->border) {
            self->inner_centre[skimpi_logistic_inner(shape, j)] = self->centre[j];
        }
    }
    self->has_centres = true;
}

double skimpi_logistic_offset(const logistic *self, const double *coef)
{
    double sum = self->has_centres ? skimpi_dot(self->shape.p, self->centre, coef) : 0.0;
    return self->has_shifts ? sum + skimpi_dot(self->shape.p, self->shift, coef) : sum;
}

/* Near the mean, and with so few digits that floats are shifted without rounding too. */
static double shift_of(double mean, double deviation)
{
    double quantum = deviation > FINEST * fabs(mean) ? ldexp(1.0, ilogb(deviation) - QUANTUM_BITS) : 0.0;
    return quantum > 0.0 ? rint(mean / quantum) * quantum : mean;
}

static void warn_of_offset(const logistic *self, uint64_t feature, double deviation)
{
    char name[200];
    double far = fabs(self->shift[feature]) / deviation;
    if (deviation > 0.0 && far >= FAR_OFFSET) {
        skimpi_warn(self->warnings,
                    "logistic_regression: %s is %.1g standard deviations from zero, where double precision cannot tell "
                    "%.1g of one from nothing: subtract the offset, or scale the columns (--step standard_scaler)",
                    skimpi_logistic_feature_name(self, feature, name, sizeof name), far, far * DBL_EPSILON);
    }
}

bool skimpi_logistic_take_moments(logistic *self, const logistic_lane *lane)
{
    const logistic_shape *shape = &self->shape;
    const double *squares = lane->sums + shape->n_outputs * (shape->p + 1);
    bool is_second = self->n_moments > 0, is_clear = true;
    for (uint64_t j = 0; j < shape->p; j++) {
        double mean = lane->sums[j] / lane->weight, variance = squares[j] / lane->weight - mean * mean;
        double deviation = sqrt(fmax(variance, 0.0));
        if (is_second && self->shift[j] != 0.0 && isfinite(mean)) {
            double shift = shift_of(self->shift[j] + mean, deviation);
            bool is_whole = !(deviation > FINEST * fabs(shift));
            self->centre[j] = is_whole ? 0.0 : (self->shift[j] - shift) + mean;
            self->shift[j] = shift;
            warn_of_offset(self, j, deviation);
        } else if (!is_second) {
            bool is_offset = isfinite(variance) && OFFSET * deviation < fabs(mean);
            self->shift[j] = is_offset ? shift_of(mean, deviation) : 0.0;
            self->centre[j] = isfinite(mean) ? mean - self->shift[j] : 0.0;
            self->has_shifts = self->has_shifts || is_offset;
            is_clear = is_clear && !(is_offset && deviation < CLEAR * fabs(mean));
        }
    }
    self->n_moments++;
    if (is_second || is_clear) {
        skimpi_logistic_take_centres(self);
    }
    return self->has_centres;
}
