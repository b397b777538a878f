/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What number.c, number_slow.c and the CSV kernels share: eight digits at once, rounding of w × 10^q, exact powers.
 */
#ifndef SKIMPI_NUMBER_INTERNAL_H
#define SKIMPI_NUMBER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SKIMPI_INFINITE_BITS ((uint64_t)0x7ff << 52)

extern const double skimpi_exact_powers_of_ten[23];

/* The eight bytes at p, the first in the lowest byte. */
static inline uint64_t skimpi_load_eight(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline bool skimpi_eight_digits(const char *p)
{
    uint64_t v = skimpi_load_eight(p);
    return (((v + 0x4646464646464646) | (v - 0x3030303030303030)) & 0x8080808080808080) == 0;
}

/* The value of eight digits: pairs, then fours, then all, in three multiplications. */
static inline uint32_t skimpi_eight_value(const char *p)
{
    uint64_t v = skimpi_load_eight(p) - 0x3030303030303030;
    v = v * 10 + (v >> 8);
    return (uint32_t)(((v & 0x000000ff000000ff) * 0x000f424000000064 +
                       ((v >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
                      32);
}

/* Bits of the double nearest to w × 10^q; w > 0. */
uint64_t skimpi_number_round(uint64_t w, int64_t q);

/*
 * Bits of the double nearest to a decimal of any number of digits: [digits, end) holds digits and, unless point is NULL,
 * one point; times 10^exponent.
 */
uint64_t skimpi_number_many_digits(const char *digits, const char *end, const char *point, int64_t exponent);

#endif
