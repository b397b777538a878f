/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the quasi-Newton solver, with l1: the step that minimises the model
 *
 *     g·d + ½ dᵀB d + Σ_j l1_j |w_j + d_j|
 *
 * without another look at the data (see solver_proximal.c).
 */
#ifndef SKIMPI_SOLVER_PROXIMAL_H
#define SKIMPI_SOLVER_PROXIMAL_H

#include "base/base.h"

#define SKIMPI_PROXIMAL_PAIRS 10
#define SKIMPI_PROXIMAL_FLOATS 32 /* of each parameter: three for each pair, and B's diagonal */

/* The part of the solver's state that the model has beside its floats. */
typedef struct skimpi_proximal {
    uint32_t n_pairs, next; /* pairs so far (at most SKIMPI_PROXIMAL_PAIRS); where the next one goes */
    double sy[SKIMPI_PROXIMAL_PAIRS];
    double weight[2 * SKIMPI_PROXIMAL_PAIRS]; /* B = diag(D) + Σ weight_c r_c r_cᵀ */
} skimpi_proximal;

typedef struct skimpi_proximal_problem {
    size_t n, n_l1; /* l1_j is l1 for the first n_l1 parameters, and l1_rest for the others */
    double l1, l1_rest;
    const double *w, *gradient, *diagonal;
    double *d;       /* the step */
    uint64_t *moves; /* scratch, n: the coordinates that may move */
    float *rows;     /* n × SKIMPI_PROXIMAL_FLOATS */
} skimpi_proximal_problem;

/* Takes the pair s = to - from, y = the gradients' difference, unless it shows no curvature. */
void skimpi_proximal_remember(skimpi_proximal *p, float *rows, size_t n, const double *from, const double *to,
                              const double *gradient_from, const double *gradient_to);

void skimpi_proximal_forget(skimpi_proximal *p); /* all pairs */

/* Finds the step; returns by how much the model falls, and g·d + Σ l1_j (|w_j + d_j| - |w_j|) in *slope. */
double skimpi_proximal_step(skimpi_proximal *p, const skimpi_proximal_problem *problem, double *slope);

#endif
