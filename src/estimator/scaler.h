/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the scalers share beyond transformer.h: they are fitted in one pass, and read back from a model the same way.
 */
#ifndef SKIMPI_SCALER_H
#define SKIMPI_SCALER_H

#include "estimator/transformer.h"

#define SKIMPI_SCALER_MAX_NAMES 4

/*
 * A fitted scaler of self_bytes whose vector k is the array prefix + names[k], k < n.  Nothing is allocated before all the
 * arrays are known to be there in their shapes: a model that claims more features than it holds costs nothing.
 */
SKIMP_CHECKED skimp_status skimpi_scaler_load(void **out, size_t self_bytes, const char *const *names, unsigned n,
                                              skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                                              const skimpi_problem *problem, skimp_error *error);
skimp_status skimpi_scaler_next_pass(void *self, skimpi_pass *pass, skimp_error *error);
/*
 * To go on from a model: prefix + names[k] of n_features each into values[k], k < n; and n_samples_seen_, one for each
 * feature, into seen (NULL: one, into self->n_rows).  From then on self->has_start.  DATA: a shape, or what is no number of rows.
 */
SKIMP_CHECKED skimp_status skimpi_scaler_start(skimpi_transformer *self, const skimpi_tensors *tensors,
                                               const char *prefix, const char *const *names, const double **values,
                                               unsigned n, double *seen, skimp_error *error);
/* DATA: the array cannot be what a scaler saved. */
skimp_status skimpi_scaler_bad_start(const char *prefix, const char *name, skimp_error *error);

/* ---- ranges of columns: what a pass of min_max_scaler and max_abs_scaler gathers ----------------------------------- */

/* A lane: the number of rows, then the least and the largest stored value of each feature; least > largest: none. */
typedef struct skimpi_ranges {
    double *n_rows, *least, *largest;
} skimpi_ranges;
uint64_t skimpi_ranges_bytes(uint64_t n_features);
skimpi_ranges skimpi_ranges_of(const void *lane, uint64_t n_features);
void skimpi_ranges_begin(const void *self, const skimpi_pass *pass, void *lane);
skimp_status skimpi_ranges_consume(const void *self, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                                   void *scratch, skimp_error *error);
void skimpi_ranges_merge(const void *self, const skimpi_pass *pass, void *into, const void *from);

/* ---- classes ----------------------------------------------------------------------------------------------------- */

/* Of a class: what is the same for all, and functions that each scaler's file has under these names. */
#define SKIMPI_SCALER_FUNCTIONS                                                                                        \
    .plan = plan, .begin = begin, .next_pass = skimpi_scaler_next_pass, .end_pass = end_pass,                          \
    .progress = skimpi_transformer_progress, .state_save = skimpi_transformer_state_save,                              \
    .state_load = skimpi_transformer_state_load, .result = skimpi_transformer_result, .save = save, .load = load,      \
    .destroy = skimpi_transformer_destroy, .transform = transform, .accepts_missing = true, .start = start,            \
    .learns_in_parts = true

#endif
