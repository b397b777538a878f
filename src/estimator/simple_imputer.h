/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simple_imputer's parts: the class (simple_imputer.c) and the search for medians and modes (imputer_search.c).
 */
#ifndef SKIMPI_SIMPLE_IMPUTER_H
#define SKIMPI_SIMPLE_IMPUTER_H

#include "estimator/transformer.h"

typedef enum imputer_strategy { IMPUTE_MEAN, IMPUTE_MEDIAN, IMPUTE_MOST_FREQUENT, IMPUTE_CONSTANT } imputer_strategy;

/* Doubles as integers in the same order; -0 is 0. */
static inline uint64_t imputer_key(double x)
{
    union {
        double number;
        uint64_t bits;
    } u = { x + 0.0 };
    return u.bits >> 63 ? ~u.bits : u.bits | (uint64_t)1 << 63;
}

static inline double imputer_number(uint64_t key)
{
    union {
        uint64_t bits;
        double number;
    } u = { key >> 63 ? key & ~((uint64_t)1 << 63) : ~key };
    return u.number;
}

/* What a search knows of a feature between passes. */
typedef struct imputer_feature {
    uint64_t prefix;           /* median: the lower one's digits so far; mode: the first hash not counted yet */
    uint64_t below;            /* median: the lower one's place among those with its prefix */
    uint64_t n;                /* values in all */
    uint64_t upper;            /* median: key of the upper one, when the digits have parted from the lower one's */
    uint64_t best, best_count; /* most_frequent: key and number of the best so far */
    uint32_t done;
    uint32_t split; /* median: upper is known to be another value */
} imputer_feature;

typedef struct imputer_shape {
    uint64_t n_features, n_sparse;
    imputer_strategy strategy;
    unsigned digit_bits; /* median */
    uint64_t slots;      /* most_frequent: of a table, a power of two */
} imputer_shape;

void imputer_search_shape(imputer_shape *shape);
uint64_t imputer_search_lane_bytes(const imputer_shape *shape);
double imputer_search_passes(const imputer_shape *shape);
/* Makes a zeroed lane ready. */
void imputer_search_begin(const imputer_shape *shape, const imputer_feature *features, void *lane);
/* n values of a feature; missing ones are NaN. pass: how many came before. */
void imputer_search_add(const imputer_shape *shape, const imputer_feature *features, unsigned pass, void *lane,
                        uint64_t feature, const double *x, size_t n);
void imputer_search_rows(void *lane, double n_rows);
void imputer_search_merge(const imputer_shape *shape, const imputer_feature *features, void *into, const void *from);
/* Takes a pass in; statistics of what is done are set. False: another pass is needed. */
bool imputer_search_end(const imputer_shape *shape, imputer_feature *features, unsigned pass, const void *lane,
                        double *statistics);

#endif
