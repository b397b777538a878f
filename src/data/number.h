/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text to number, correctly rounded: always the double nearest to the decimal text (ties to even), as Python's float.
 */
#ifndef SKIMPI_NUMBER_H
#define SKIMPI_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads the longest number at `text` (sign, digits, fraction, exponent; inf, infinity, nan in any case), never past
 * `end`.  Returns the first byte after it, or NULL when there is none.  No leading spaces.  A number too large is ±inf,
 * too small ±0, as strtod gives.  At least SKIMPI_NUMBER_PADDING bytes after `end` must be readable (their contents do
 * not matter).
 */
#define SKIMPI_NUMBER_PADDING 64
const char *skimpi_number_parse(const char *text, const char *end, double *out);

/* The shortest decimal that reads back as the same double (or float): at most 32 bytes, NUL-terminated. Returns its length. */
size_t skimpi_number_format(double value, char *out);

#endif
