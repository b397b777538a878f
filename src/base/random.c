/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers: xoshiro256++ 1.0 (Blackman & Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47,
 * 2021), seeded with splitmix64 as its authors advise; bounded integers by multiplication (Lemire, "Fast random integer
 * generation in an interval", ACM TOMACS 29, 2019).
 */
#include "base/base.h"

static inline uint64_t rotate_left(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

void skimpi_random_seed(skimpi_random *r, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        r->s[i] = skimpi_mix64(seed + i * 0x9e3779b97f4a7c15u);
    }
}

uint64_t skimpi_random_u64(skimpi_random *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double skimpi_random_double(skimpi_random *r)
{
    return (double)(skimpi_random_u64(r) >> 11) * 0x1p-53;
}

uint64_t skimpi_random_below(skimpi_random *r, uint64_t bound)
{
    if (bound == 0) {
        return 0;
    }
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)skimpi_random_u64(r) * bound;
    uint64_t low = (uint64_t)product;
    if (low < bound) {
        uint64_t threshold = (0 - bound) % bound; /* 2^64 mod bound: the products below it are one too many */
        while (low < threshold) {
            product = (wide)skimpi_random_u64(r) * bound;
            low = (uint64_t)product;
        }
    }
    return (uint64_t)(product >> 64);
}
