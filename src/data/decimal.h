/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Columns of numbers that were written with few digits, kept as integers of few bits: (base + code) / 10^digits.
 *
 * Only for what would else be kept as floats, and only where every value comes back as that very float: how a column is
 * kept changes no result.  base and base + code are integers up to 2^24, which are floats; so is 10^digits up to 10^10
 * (5^10 < 2^24); a float division rounds once.
 *
 * Codes lie in blocks of 16: their low 8 bits (8 and 12 bits a code) or 16 bits (16, 20, 24) one after the other, then
 * what is left of them: 4 bits each, code i and code i + 8 sharing byte i, or 8 bits each.  All ones: missing.
 */
#ifndef SKIMPI_DECIMAL_H
#define SKIMPI_DECIMAL_H

#include "data/encoding.h"

#define SKIMPI_DECIMAL_BLOCK 16u
#define SKIMPI_DECIMAL_BLOCK_MOST 48u /* bytes */
#define SKIMPI_DECIMAL_DIGITS 10u     /* at most */

static inline uint64_t skimpi_decimal_block_bytes(const skimpi_chunk_column *column)
{
    return 2 * (uint64_t)column->bits;
}

/* Whether a descriptor says something that can be decoded. */
bool skimpi_decimal_is_sound(const skimpi_chunk_column *column);

/* Of a column that would be kept as floats: sets *column, writes its bytes and returns how many; 0: it is no such column. */
uint64_t skimpi_decimal_encode(const double *values, uint32_t n, const skimpi_column_scan *scan,
                               skimpi_chunk_column *column, void *out);
void skimpi_decimal_decode(const skimpi_chunk_column *column, const void *bytes, size_t n, float *out);

/* For samples: the digits that a column needs so far (from 0 on), with one more of its values; more than are possible: none. */
unsigned skimpi_decimal_digits(double value, unsigned digits);
/* And the bits of its codes; 0: it cannot be kept so. */
unsigned skimpi_decimal_bits(double minimum, double maximum, unsigned digits);
/* Bytes that a value of a column of floats is expected to take, going by a sample that needs so many digits. */
double skimpi_decimal_expect(const skimpi_column_scan *sample, unsigned digits);

#endif
