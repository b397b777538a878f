/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside SGD: what sgd.c and its kernel for rows of moderate length (sgd_wide.c) share.
 */
#ifndef SKIMPI_SGD_INTERNAL_H
#define SKIMPI_SGD_INTERNAL_H

#include "solver/sgd.h"

typedef struct skimpi_sgd_feature {
    double v;
    float g;             /* G_j */
    float inverse_root;  /* 1 / √G_j; 0 before the first gradient */
    float inverse_scale; /* learned scales: 1 / s_j; FLT_MAX before the first value. Fixed scales: 1 */
    float d;
    float pull;    /* 1 / s_j²: what the l2 penalty's slope is multiplied by */
    uint32_t last; /* step of this pass up to which penalties and averages are done */
} skimpi_sgd_feature;
_Static_assert(sizeof(skimpi_sgd_feature) == 32, "two features to a cache line");

/* What holds for all features of one step of one problem. */
typedef struct skimpi_sgd_rates {
    float eta, gamma; /* η_t and γ_t */
    float l2, l1;
    double weight; /* h_i: of the row in this problem */
    uint32_t now;
    uint32_t average_from; /* steps of this pass after which averages are taken; UINT32_MAX: none */
    bool counts_norm;      /* the first problem of a row does */
} skimpi_sgd_rates;

typedef struct skimpi_sgd_sums {
    double margin;
    double norm;  /* Σ (x / s)² */
    double reach; /* Σ η_j (x / s)² */
} skimpi_sgd_sums;

/*
 * A row of at most SKIMPI_SGD_WIDE entries, read from its features once and written back once; between, arrays.
 * Entries are padded to a multiple of 8 with zeros on the spare features.
 */
#define SKIMPI_SGD_WIDE 512
typedef struct skimpi_sgd_wide {
    uint32_t n;       /* padded */
    uint32_t n_fixed; /* the first ones */
    skimpi_sgd_feature *features[SKIMPI_SGD_WIDE];
    _Alignas(64) double v[SKIMPI_SGD_WIDE];
    _Alignas(64) float x[SKIMPI_SGD_WIDE]; /* after look: x / s */
    _Alignas(64) float g[SKIMPI_SGD_WIDE];
    _Alignas(64) float inverse_root[SKIMPI_SGD_WIDE];
    _Alignas(64) float rate[SKIMPI_SGD_WIDE]; /* η_t d_j after look, η_j after adapt */
    skimpi_sgd_feature spare[8];
} skimpi_sgd_wide;

typedef struct skimpi_sgd_debt {
    float due, received;
} skimpi_sgd_debt;

typedef struct skimpi_sgd_problem_state {
    double intercept, intercept_g, intercept_sum;
    double loss_sum, plain_loss_sum; /* of the pass: with the rows' weights, and without */
    double penalty;                  /* at the end of the pass before */
    double slow;                     /* ADAPTIVE's factor */
    double weight, weighted;         /* Σ h_i, and how many rows had one */
    uint64_t averaged;               /* steps in the averages */
    uint64_t is_active;
} skimpi_sgd_problem_state;

typedef struct skimpi_sgd_head {
    uint64_t rows; /* of all passes */
    uint64_t pass_rows;
    double norms; /* N_t */
} skimpi_sgd_head;

struct skimpi_sgd {
    skimp_budget *budget;
    skimpi_sgd_options options;
    double t0; /* OPTIMAL */
    bool implicit;
    uint32_t now; /* steps since the features were last brought up to date */
    void *block;  /* head, problems, features, debts, sums */
    size_t bytes;
    skimpi_sgd_head *head;
    skimpi_sgd_problem_state *problems;
    skimpi_sgd_feature *features;
    skimpi_sgd_debt *debts;
    double *sums;
    bool is_wide; /* this CPU and these penalties can go eight features at a time */
    skimpi_sgd_wide wide;
};

/* Of a problem's weights now. */
double skimpi_sgd_penalty(const skimpi_sgd *sgd, uint32_t problem);

#define SKIMPI_SGD_LARGER 1.000001f /* x / s of the largest value so far may round to a little over 1 */
/* A learned scale meets a value larger than any before it. */
void skimpi_sgd_grow(skimpi_sgd_feature *f, float size, bool adapts);

bool skimpi_sgd_wide_runs(void); /* on this CPU */
/* Appends entries. */
void skimpi_sgd_wide_take(skimpi_sgd_wide *w, skimpi_sgd_feature *features, const uint32_t *index, const float *value,
                          uint32_t n);
/* l2 penalties caught up; margin, norm; adapts false: reach and rates too. */
void skimpi_sgd_wide_look(skimpi_sgd_wide *w, const skimpi_sgd_rates *r, bool adapts, skimpi_sgd_sums *sums);
void skimpi_sgd_wide_adapt(skimpi_sgd_wide *w, const skimpi_sgd_rates *r, float slope_squared, skimpi_sgd_sums *sums);
/* Moves by slope, and writes back. */
void skimpi_sgd_wide_store(skimpi_sgd_wide *w, const skimpi_sgd_rates *r, double slope);

#endif
