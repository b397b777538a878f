/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The distinct values of the target and how many rows have each, up to SKIMPI_MAX_CLASSES of them; what a classifier's
 * classes are made from.  Shared by the encoders, each of which counts in a small table of its own first.
 */
#ifndef SKIMPI_TARGET_SET_H
#define SKIMPI_TARGET_SET_H

#include <pthread.h>

#include "base/base.h"

typedef struct skimpi_target_count {
    double value;
    uint64_t count; /* 0: the slot is free */
} skimpi_target_count;

typedef struct skimpi_target_set {
    skimp_budget *budget;
    pthread_mutex_t lock;
    skimpi_target_count *slots; /* NULL before the first value and after overflow */
    uint32_t n_slots, n_values;
    atomic_bool overflowed;
} skimpi_target_set;

void skimpi_target_set_init(skimpi_target_set *set, skimp_budget *budget);
void skimpi_target_set_free(skimpi_target_set *set);
/* What a set of so many values takes while it grows to that; of this, what it takes then. */
uint64_t skimpi_target_set_bytes(uint64_t n_values, uint64_t *last);

#define SKIMPI_TARGET_CACHE_SLOTS 256
typedef struct skimpi_target_cache { /* one for each encoder; empty between chunks */
    skimpi_target_count slots[SKIMPI_TARGET_CACHE_SLOTS];
    uint32_t n_values;
} skimpi_target_cache;

/* Counts the values but NaN. Any thread, with a cache of its own. -0 counts as 0. */
SKIMP_CHECKED skimp_status skimpi_target_set_add(skimpi_target_set *set, skimpi_target_cache *cache,
                                                 const double *values, size_t n, skimp_error *error);
/* Counts one value `count` times through the cache, and moves the cache's counts to the set. */
SKIMP_CHECKED skimp_status skimpi_target_set_add_one(skimpi_target_set *set, skimpi_target_cache *cache, double value,
                                                     uint64_t count, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_target_set_flush(skimpi_target_set *set, skimpi_target_cache *cache,
                                                   skimp_error *error);
/*
 * Ends the counting: the values ascending and their counts, as blocks of *n entries charged under "store" (both NULL and
 * *n 0 where there are none or too many).  The set is empty after.
 */
SKIMP_CHECKED skimp_status skimpi_target_set_take(skimpi_target_set *set, double **values, uint64_t **counts,
                                                  uint32_t *n, skimp_error *error);

#endif
