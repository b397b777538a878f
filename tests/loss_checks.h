/* SPDX-License-Identifier: BSD-3-Clause */
/* What every loss must hold, for the tests of the losses. */
#ifndef SKIMP_TEST_LOSS_CHECKS_H
#define SKIMP_TEST_LOSS_CHECKS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loss/loss.h"

/* Central differences of value and first, at margins that avoid the kinks (multiples of 0.05 plus 0.0125). */
static inline void check_derivatives(const skimpi_loss *loss, const double *targets, size_t n_targets, double parameter)
{
    const double h = 1e-6;
    for (size_t k = 0; k < n_targets; k++) {
        double t = targets[k];
        for (int i = -80; i <= 80; i++) {
            double m = 0.05 * i + 0.0125;
            double slope = (loss->value(t, m + h, parameter) - loss->value(t, m - h, parameter)) / (2 * h);
            assert_true(fabs(slope - loss->first(t, m, parameter)) < 1e-7 * (1 + fabs(slope)));
            double bend = (loss->first(t, m + h, parameter) - loss->first(t, m - h, parameter)) / (2 * h);
            assert_true(fabs(bend - loss->second(t, m, parameter)) < 1e-7 * (1 + fabs(bend)));
        }
    }
}

/* evaluate against the scalar functions, for lengths around the width of its blocks, with and without weights. */
static inline void check_evaluate(const skimpi_loss *loss, bool classes, double parameter)
{
    double target[37], weight[37], margin[37], gradient[38], curvature[38];
    for (size_t i = 0; i < 37; i++) {
        target[i] = classes ? (double)(i % 3 == 0) : sin((double)i) * 3;
        weight[i] = 0.25 * (double)(i % 5);
        margin[i] = cos((double)(i * i)) * 4;
    }
    for (size_t n = 0; n <= 37; n++) {
        for (int weighted = 0; weighted < 2; weighted++) {
            gradient[n] = curvature[n] = 42;
            double sum = 0;
            double got = loss->evaluate(n, target, weighted ? weight : NULL, margin, parameter, gradient, curvature);
            for (size_t i = 0; i < n; i++) {
                double w = weighted ? weight[i] : 1;
                sum += w * loss->value(target[i], margin[i], parameter);
                assert_true(gradient[i] == w * loss->first(target[i], margin[i], parameter));
                assert_true(curvature[i] == w * loss->second(target[i], margin[i], parameter));
            }
            assert_true(fabs(got - sum) <= 1e-13 * (1 + fabs(sum)));
            assert_true(gradient[n] == 42 && curvature[n] == 42);
            assert_true(loss->evaluate(n, target, weighted ? weight : NULL, margin, parameter, NULL, NULL) == got);
        }
    }
}

#endif
