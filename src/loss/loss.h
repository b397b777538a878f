/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Losses, shared by all solvers: one small table of functions each.
 *
 * A loss is l(y, m) of a target y and a margin m = x·w + b.  parameter: the loss's own number (epsilon of huber and
 * epsilon-insensitive losses), else ignored.  Classification losses take y as -1/+1 when `labels` is set by the caller's
 * convention below: targets arrive as class index 0/1 and are mapped y = 2 t - 1 inside.
 */
#ifndef SKIMPI_LOSS_H
#define SKIMPI_LOSS_H

#include "base/base.h"

typedef struct skimpi_loss {
    const char *name;    /* scikit-learn's: "log_loss", "squared_error", "hinge", … */
    bool classification; /* targets are 0/1 */
    bool smooth;         /* has a continuous derivative; `second` is meaningful */
    /* one value: the loss, and its first and second derivative by the margin */
    double (*value)(double target, double margin, double parameter);
    double (*first)(double target, double margin, double parameter);
    double (*second)(double target, double margin, double parameter);
    /*
     * n values: returns Σ w_i l_i; gradient[i] = w_i l'_i and curvature[i] = w_i l''_i where not NULL (weight NULL: ones).
     * Pairwise or blocked sums in a fixed order, vectorised.
     */
    double (*evaluate)(size_t n, const double *target, const double *weight, const double *margin, double parameter,
                       double *gradient, double *curvature);
} skimpi_loss;

const skimpi_loss *skimpi_loss_find(const char *name); /* NULL: none such */

/*
 * Multinomial log loss of K classes: margins and gradient are [k × stride + i]; target is the class index.
 * Returns Σ w_i (logsumexp_k m_ik - m_i,target). gradient[k] = w_i (p_ik - [k = target]); probabilities (may be NULL, may
 * alias gradient's memory only if gradient is NULL) = p_ik.
 */
double skimpi_multinomial_evaluate(size_t n, unsigned n_classes, const double *target, const double *weight,
                                   const double *margins, size_t stride, double *gradient, double *probabilities);

/* Probabilities for predict: binary (n_outputs 1 -> p of class 1) and softmax, in place of margins. */
void skimpi_sigmoid(size_t n, double *margin_to_probability);
void skimpi_softmax(size_t n, unsigned n_classes, double *margins, size_t stride);

#endif
