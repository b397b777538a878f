/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Losses of the margin z = y m, y = 2 t - 1 in {-1, +1}:
 *
 *     hinge             max(0, 1 - z)
 *     squared_hinge     max(0, 1 - z)²
 *     modified_huber    max(0, 1 - z)² where z ≥ -1, else -4 z        (Zhang, ICML'04)
 *     perceptron        max(0, -z)
 *
 * At its kink a loss takes the slope of the steep side, as scikit-learn does: a perceptron that knows nothing yet learns.
 */
#include <math.h>

#include "loss/loss_blocks.h"

static inline double sign_of(double t)
{
    return 2 * t - 1;
}

static double hinge_value(double t, double m, double unused)
{
    (void)unused;
    return fmax(0, 1 - sign_of(t) * m);
}

static double hinge_first(double t, double m, double unused)
{
    (void)unused;
    double y = sign_of(t);
    return y * m <= 1 ? -y : 0;
}

static double zero_second(double t, double m, double unused)
{
    (void)t;
    (void)m;
    (void)unused;
    return 0;
}
#define hinge_second zero_second
#define perceptron_second zero_second

static double squared_hinge_value(double t, double m, double unused)
{
    (void)unused;
    double h = fmax(0, 1 - sign_of(t) * m);
    return h * h;
}

static double squared_hinge_first(double t, double m, double unused)
{
    (void)unused;
    double y = sign_of(t);
    return -2 * y * fmax(0, 1 - y * m);
}

static double squared_hinge_second(double t, double m, double unused)
{
    (void)unused;
    return sign_of(t) * m < 1 ? 2 : 0;
}

/* With h = max(0, 1 - z) and c = min(h, 2): c² + 4 (h - c). */
static double modified_huber_value(double t, double m, double unused)
{
    (void)unused;
    double h = fmax(0, 1 - sign_of(t) * m), c = fmin(h, 2);
    return c * c + 4 * (h - c);
}

static double modified_huber_first(double t, double m, double unused)
{
    (void)unused;
    double y = sign_of(t);
    return -2 * y * fmin(fmax(0, 1 - y * m), 2);
}

static double modified_huber_second(double t, double m, double unused)
{
    (void)unused;
    double z = sign_of(t) * m;
    return z < 1 && z > -1 ? 2 : 0;
}

static double perceptron_value(double t, double m, double unused)
{
    (void)unused;
    return fmax(0, -sign_of(t) * m);
}

static double perceptron_first(double t, double m, double unused)
{
    (void)unused;
    double y = sign_of(t);
    return y * m <= 0 ? -y : 0;
}

SKIMPI_LOSS_TABLE(hinge, true, false);
SKIMPI_LOSS_TABLE(squared_hinge, true, true);
SKIMPI_LOSS_TABLE(modified_huber, true, true);
SKIMPI_LOSS_TABLE(perceptron, true, false);
