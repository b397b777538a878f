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

/*
 * How many kinds to expect among `total` draws when n of them showed d kinds, `once` of them once and `twice` twice (Chao
 * 1984; extrapolated as in Chao et al. 2014, equation 9).
 */
static inline double skimpi_distinct_expect(double d, double once, double twice, double n, double total)
{
    if (once == 0 || n <= 1 || total <= n) {
        return d;
    }
    double unseen = (n - 1) / n * (twice > 0 ? once * once / (2 * twice) : once * (once - 1) / 2);
    if (unseen <= 0) {
        unseen = once;
    }
    double grown = unseen * -expm1((total - n) * log1p(-once / (n * unseen + once)));
    return d + grown;
}

#endif
