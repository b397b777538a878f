/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * About how many distinct numbers a sample holds: exact for few, at most 4096 (linear counting: Whang et al. 1990).
 */
#ifndef SKIMPI_DISTINCT_COUNT_H
#define SKIMPI_DISTINCT_COUNT_H

#include <math.h>
#include <string.h>

#include "base/base.h"

#define SKIMPI_DISTINCT_BITS 4096u

typedef struct skimpi_distinct {
    uint64_t bits[SKIMPI_DISTINCT_BITS / 64];
} skimpi_distinct;

static inline void skimpi_distinct_note(skimpi_distinct *set, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t place = skimpi_mix64(bits) % SKIMPI_DISTINCT_BITS;
    set->bits[place / 64] |= (uint64_t)1 << place % 64;
}

static inline uint32_t skimpi_distinct_count(const skimpi_distinct *set)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SKIMPI_DISTINCT_BITS / 64; i++) {
        n += (unsigned)__builtin_popcountll(set->bits[i]);
    }
    double share = (double)n / SKIMPI_DISTINCT_BITS;
    double guess = share < 0.62 ? 0.5 - SKIMPI_DISTINCT_BITS * log1p(-share) : SKIMPI_DISTINCT_BITS;
    return guess < SKIMPI_DISTINCT_BITS ? (uint32_t)guess : SKIMPI_DISTINCT_BITS;
}

#endif
