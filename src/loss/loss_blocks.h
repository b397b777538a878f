/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop of a loss over n rows, from its scalar functions: eight sums side by side, added up in a fixed order, so that
 * the compiler may put them in vectors without changing a bit.
 */
#ifndef SKIMPI_LOSS_BLOCKS_H
#define SKIMPI_LOSS_BLOCKS_H

#include "loss/loss.h"

typedef double skimpi_loss_scalar(double target, double margin, double parameter);

static inline __attribute__((always_inline)) double skimpi_loss_blocks(
    skimpi_loss_scalar *value, skimpi_loss_scalar *first, skimpi_loss_scalar *second, size_t n, const double *target,
    const double *weight, const double *margin, double parameter, double *gradient, double *curvature)
{
    double sums[8] = { 0 };
    for (size_t start = 0; start < n; start += 8) {
        size_t rows = n - start < 8 ? n - start : 8;
        for (size_t i = 0; i < rows; i++) {
            double t = target[start + i], m = margin[start + i], w = weight != NULL ? weight[start + i] : 1;
            sums[i] += w * value(t, m, parameter);
            if (gradient != NULL) {
                gradient[start + i] = w * first(t, m, parameter);
            }
            if (curvature != NULL) {
                curvature[start + i] = w * second(t, m, parameter);
            }
        }
    }
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/* The table `skimpi_loss_<word>` of a loss whose scalar functions are <word>_value, <word>_first and <word>_second. */
#define SKIMPI_LOSS_TABLE(word, is_classification, is_smooth)                                                          \
    static double word##_evaluate(size_t n, const double *target, const double *weight, const double *margin,          \
                                  double parameter, double *gradient, double *curvature)                               \
    {                                                                                                                  \
        return skimpi_loss_blocks(word##_value, word##_first, word##_second, n, target, weight, margin, parameter,     \
                                  gradient, curvature);                                                                \
    }                                                                                                                  \
    extern const skimpi_loss skimpi_loss_##word;                                                                       \
    const skimpi_loss skimpi_loss_##word = {                                                                           \
        .name = #word,                                                                                                 \
        .classification = is_classification,                                                                           \
        .smooth = is_smooth,                                                                                           \
        .value = word##_value,                                                                                         \
        .first = word##_first,                                                                                         \
        .second = word##_second,                                                                                       \
        .evaluate = word##_evaluate,                                                                                   \
    }

#endif
