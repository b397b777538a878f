/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simple_imputer's parts: the class (simple_imputer.c), the search for medians and modes (imputer_search.c), sparse
 * features (imputer_csr.c), and text columns (imputer_text.c).
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
    uint64_t n_missing;        /* and missing ones */
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

/*
 * Is x the number that stands for a missing one?  A float that it was rounded to is, whatever type x has become since: chunks
 * hold floats where they serve, and give them as doubles where these are asked for.
 */
static inline bool imputer_stands_for(double missing, double x)
{
    return x == missing || x == (double)(float)missing;
}

/* ---- sparse features -------------------------------------------------------------------------------------------------- */

typedef struct imputer_csr {
    uint64_t n_features;
    double missing;           /* NaN, or the number that stands for it */
    const double *statistics; /* to be filled in */
    const double *marks;      /* per feature: number from 1 of its indicator, or 0; NULL: there are none */
    const double *places;     /* per feature: its place among those that stay, or -1; NULL: all do */
} imputer_csr;

/* Fills in, takes features out and adds indicators after those that stay: at most one for each entry, for which there is room. */
void imputer_csr_transform(const imputer_csr *how, skimpi_chunk *chunk);

/* ---- text columns -------------------------------------------------------------------------------------------------- */

#define IMPUTER_TEXT_LENGTH 64 /* what plans expect of a statistic that is a text */

/* The parameters, checked. */
typedef struct imputer_settings {
    imputer_shape shape;
    bool keep_empty, add_indicator;
    double missing, fill;                 /* numbers */
    const char *missing_text, *fill_text; /* text, as the parameters have them; missing_text NULL: NaN */
} imputer_settings;

typedef struct imputer_text {
    uint64_t n;    /* columns; 0: the step works on numbers */
    char *missing; /* the text that stands for a missing value; NULL: NaN does */
    char **fills;  /* the statistics; NULL: the column has none, and goes no further */
    /* while fitting */
    const skimpi_texts *texts;
    const char *fill;        /* the parameter */
    uint32_t *missing_codes; /* per column */
    uint64_t *places;        /* of each column's counts in a lane */
    uint64_t lane_end;
} imputer_text;

skimp_status imputer_text_settings(const skimpi_problem *problem, const skimpi_params *params, imputer_settings *out,
                                   skimp_error *error);
/* Sets what differs from numbers, and adds to state_bytes. */
void imputer_text_plan(const skimpi_problem *problem, const imputer_settings *s, skimpi_needs *needs);
/* Room for statistics (create), and for a fit besides (begin). destroy takes what either left. */
skimp_status imputer_text_create(imputer_text *text, skimp_budget *budget, const skimpi_problem *problem,
                                 const imputer_settings *s, skimp_error *error);
skimp_status imputer_text_begin(imputer_text *text, skimp_budget *budget, const skimpi_problem *problem,
                                const imputer_settings *s, skimp_error *error);
void imputer_text_destroy(imputer_text *text, skimp_budget *budget);
skimp_status imputer_text_consume(const imputer_text *text, const skimpi_chunk *chunk, const char *const *names,
                                  uint64_t *lane, skimp_error *error);
void imputer_text_merge(const imputer_text *text, uint64_t *into, const uint64_t *from);
/* n_missing: per column, of the fit. */
skimp_status imputer_text_end(imputer_text *text, skimp_budget *budget, const imputer_shape *shape, bool keep_empty,
                              const uint64_t *lane, double *n_missing, skimp_error *error);
skimp_status imputer_text_state_save(const imputer_text *text, skimpi_buffer *out, skimp_error *error);
skimp_status imputer_text_state_load(imputer_text *text, skimp_budget *budget, const void *bytes, size_t n,
                                     skimp_error *error);
skimp_status imputer_text_save(const imputer_text *text, skimp_budget *budget, skimpi_tensors *tensors,
                               const char *prefix, skimp_error *error);
skimp_status imputer_text_load(imputer_text *text, skimp_budget *budget, const skimpi_tensors *tensors,
                               const char *prefix, skimp_error *error);

#endif
