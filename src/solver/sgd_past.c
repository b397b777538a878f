/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where SGD begins when it goes on from another fit, and what it leaves to one that goes on: weights, the sums G_j and N_t
 * that rates are made of, averages.  The formulas are those of sgd.c; l1's debts begin anew, as in scikit-learn.
 */
#include <float.h>
#include <math.h>

#include "solver/sgd_internal.h"

void skimpi_sgd_set_rows(skimpi_sgd *sgd, uint64_t rows, double norms)
{
    sgd->head->rows = rows;
    sgd->head->norms = norms;
}

void skimpi_sgd_set_scale(skimpi_sgd *sgd, uint64_t j, double scale)
{
    const float s = (float)fmin(fmax(scale, FLT_MIN), 1e30);
    for (uint32_t k = 0; k < sgd->options.n_problems; k++) {
        skimpi_sgd_feature *f = &sgd->features[k * sgd->options.n_features + j];
        f->inverse_scale = 1 / s;
        f->d = s < 1 ? s * s : 1;
        f->pull = fminf(f->inverse_scale * f->inverse_scale, 1e30f);
    }
}

void skimpi_sgd_set_weight(skimpi_sgd *sgd, uint32_t k, uint64_t j, const skimpi_sgd_weight *weight)
{
    const size_t i = k * sgd->options.n_features + j;
    skimpi_sgd_feature *f = &sgd->features[i];
    f->v = weight->coef / (double)f->inverse_scale;
    f->g = (float)fmin(weight->root * weight->root, 1e38);
    f->inverse_root = f->g > 0 ? 1 / sqrtf(f->g) : 0;
    if (sgd->sums != NULL) {
        sgd->sums[i] = weight->average; /* times the steps in it: set_past */
    }
}

void skimpi_sgd_set_past(skimpi_sgd *sgd, uint32_t k, const skimpi_sgd_past *past)
{
    const uint64_t n = sgd->options.n_features;
    skimpi_sgd_problem_state *pr = &sgd->problems[k];
    pr->intercept = past->intercept;
    pr->intercept_g = past->gradients;
    pr->weight = past->weight;
    pr->weighted = past->weighted;
    if (sgd->sums != NULL) {
        pr->averaged = past->averaged;
        pr->intercept_sum = past->average_intercept * (double)past->averaged;
        for (uint64_t j = 0; j < n; j++) {
            sgd->sums[k * n + j] *= (double)past->averaged;
        }
    }
    pr->penalty = skimpi_sgd_penalty(sgd, k);
}

void skimpi_sgd_get_weight(const skimpi_sgd *sgd, uint32_t k, uint64_t j, skimpi_sgd_weight *weight, double *scale)
{
    const size_t i = k * sgd->options.n_features + j;
    const skimpi_sgd_feature *f = &sgd->features[i];
    const bool is_known = f->inverse_scale < FLT_MAX;
    *weight = (skimpi_sgd_weight){ .coef = is_known ? f->v * (double)f->inverse_scale : 0, .root = sqrt((double)f->g) };
    *scale = is_known ? 1 / (double)f->inverse_scale : 0;
}

void skimpi_sgd_get_past(const skimpi_sgd *sgd, uint32_t k, skimpi_sgd_past *past)
{
    const skimpi_sgd_problem_state *pr = &sgd->problems[k];
    *past = (skimpi_sgd_past){ .intercept = pr->intercept,
                               .averaged = pr->averaged,
                               .gradients = pr->intercept_g,
                               .weight = pr->weight,
                               .weighted = pr->weighted };
}

double skimpi_sgd_norms(const skimpi_sgd *sgd)
{
    return sgd->head->norms;
}
