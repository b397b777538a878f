/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Losses of the residual r = m - y; ε is the loss's parameter:
 *
 *     squared_error                  r² / 2
 *     huber                          r² / 2 where |r| ≤ ε, else ε (|r| - ε / 2)
 *     epsilon_insensitive            max(0, |r| - ε)
 *     squared_epsilon_insensitive    max(0, |r| - ε)²
 */
#include <math.h>

#include "loss/loss_blocks.h"

static double squared_error_value(double y, double m, double unused)
{
    (void)unused;
    double r = m - y;
    return r * r / 2;
}

static double squared_error_first(double y, double m, double unused)
{
    (void)unused;
    return m - y;
}

static double squared_error_second(double y, double m, double unused)
{
    (void)y;
    (void)m;
    (void)unused;
    return 1;
}

/* With c = min(|r|, ε): c (|r| - c / 2). */
static double huber_value(double y, double m, double epsilon)
{
    double a = fabs(m - y), c = fmin(a, epsilon);
    return c * (a - c / 2);
}

static double huber_first(double y, double m, double epsilon)
{
    return fmax(-epsilon, fmin(epsilon, m - y));
}

static double huber_second(double y, double m, double epsilon)
{
    return fabs(m - y) <= epsilon ? 1 : 0;
}

static double epsilon_insensitive_value(double y, double m, double epsilon)
{
    return fmax(0, fabs(m - y) - epsilon);
}

static double epsilon_insensitive_first(double y, double m, double epsilon)
{
    double r = m - y;
    return fabs(r) > epsilon ? copysign(1, r) : 0;
}

static double epsilon_insensitive_second(double y, double m, double epsilon)
{
    (void)y;
    (void)m;
    (void)epsilon;
    return 0;
}

static double squared_epsilon_insensitive_value(double y, double m, double epsilon)
{
    double h = fmax(0, fabs(m - y) - epsilon);
    return h * h;
}

static double squared_epsilon_insensitive_first(double y, double m, double epsilon)
{
    double r = m - y;
    return copysign(2 * fmax(0, fabs(r) - epsilon), r);
}

static double squared_epsilon_insensitive_second(double y, double m, double epsilon)
{
    return fabs(m - y) > epsilon ? 2 : 0;
}

SKIMPI_LOSS_TABLE(squared_error, false, true);
SKIMPI_LOSS_TABLE(huber, false, true);
SKIMPI_LOSS_TABLE(epsilon_insensitive, false, false);
SKIMPI_LOSS_TABLE(squared_epsilon_insensitive, false, true);
