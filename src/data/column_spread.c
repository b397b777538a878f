/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The spread of columns.  Sums are taken in sixteen parts, value i in part i mod 16, whatever the processor does at once, and
 * without fused operations.
 */
#include <math.h>

#include "data/column_spread.h"
#include "data/encoding.h"

/* Vectors go by address: by value, what they are passed in depends on the processor. */
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define PARTS 16

typedef double v8d __attribute__((vector_size(64)));
typedef double v8d_unaligned __attribute__((vector_size(64), aligned(8)));
typedef float v8f __attribute__((vector_size(32)));
typedef long long v8i __attribute__((vector_size(64)));

/* The parts' sum, always in the same order. */
static ALWAYS_INLINE double total(const v8d *low, const v8d *high)
{
    v8d s = *low + *high;
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* What is known of the values: constants where the body is stamped out, so that each case has its own loop. */
typedef struct kind {
    bool may_miss, as_floats;
} kind;

/* *d = eight values less centre; 0 for NaN. */
static ALWAYS_INLINE void differences(const double *values, double centre, kind k, v8d *d)
{
    v8d x = *(const v8d_unaligned *)values;
    if (k.as_floats) {
        x = __builtin_convertvector(__builtin_convertvector(x, v8f), v8d);
    }
    x -= centre;
    *d = k.may_miss ? (v8d)((v8i)x & (x == x)) : x;
}

/* Σ (x - centre) and Σ (x - centre)² */
static ALWAYS_INLINE void sums_of_kind(const double *values, size_t n, kind k, double centre, double sums[2])
{
    v8d low = { 0 }, high = { 0 }, low_squares = { 0 }, high_squares = { 0 }, d;
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS) {
        differences(values + i, centre, k, &d);
        low += d;
        low_squares += d * d;
        differences(values + i + PARTS / 2, centre, k, &d);
        high += d;
        high_squares += d * d;
    }
    if (i < n) {
        double rest[PARTS];
        kind padded = k; /* with NaN, which counts for nothing */
        padded.may_miss = true;
        for (size_t j = 0; j < PARTS; j++) {
            rest[j] = i + j < n ? values[i + j] : (double)NAN;
        }
        differences(rest, centre, padded, &d);
        low += d;
        low_squares += d * d;
        differences(rest + PARTS / 2, centre, padded, &d);
        high += d;
        high_squares += d * d;
    }
    sums[0] = total(&low, &high);
    sums[1] = total(&low_squares, &high_squares);
}

static ALWAYS_INLINE void sums_body(const double *values, size_t n, kind k, double centre, double sums[2])
{
    if (k.may_miss) {
        sums_of_kind(values, n, (kind){ true, k.as_floats }, centre, sums);
    } else if (k.as_floats) {
        sums_of_kind(values, n, (kind){ false, true }, centre, sums);
    } else {
        sums_of_kind(values, n, (kind){ false, false }, centre, sums);
    }
}

static void sums_plain(const double *values, size_t n, kind k, double centre, double sums[2])
{
    sums_body(values, n, k, centre, sums);
}

#if defined(__x86_64__)
SKIMPI_TARGET_AVX2 static void sums_avx2(const double *values, size_t n, kind k, double centre, double sums[2])
{
    sums_body(values, n, k, centre, sums);
}

SKIMPI_TARGET_AVX512 static void sums_avx512(const double *values, size_t n, kind k, double centre, double sums[2])
{
    sums_body(values, n, k, centre, sums);
}
#endif

static void find_sums(const double *values, size_t n, kind k, double centre, double sums[2])
{
    switch (skimpi_encoding_loops()) {
#if defined(__x86_64__)
    case SKIMPI_LOOPS_AVX512:
        sums_avx512(values, n, k, centre, sums);
        break;
    case SKIMPI_LOOPS_AVX2:
        sums_avx2(values, n, k, centre, sums);
        break;
#endif
    default:
        sums_plain(values, n, k, centre, sums);
        break;
    }
}

void skimpi_column_spread_find(const double *values, size_t n, size_t n_missing, bool as_floats,
                               skimpi_column_spread *out)
{
    const kind k = { .may_miss = n_missing > 0, .as_floats = as_floats };
    *out = (skimpi_column_spread){ .count = (double)(n - n_missing) };
    if (n == n_missing) {
        return;
    }
    size_t i = 0;
    while (values[i] != values[i]) {
        i++;
    }
    const double first = as_floats ? (double)(float)values[i] : values[i];
    double sums[2];
    find_sums(values, n, k, first, sums);
    out->mean = first + sums[0] / out->count;
    find_sums(values, n, k, out->mean, sums);
    /* What the mean is off by, rounded as it is. */
    double off = sums[0] / out->count;
    out->mean += off;
    out->squares = fmax(sums[1] - sums[0] * off, 0);
}

void skimpi_column_spread_merge(skimpi_column_spread *into, const skimpi_column_spread *from)
{
    if (!(from->count > 0)) {
        return;
    }
    if (!(into->count > 0)) {
        *into = *from;
        return;
    }
    double count = into->count + from->count, share = from->count / count, apart = from->mean - into->mean;
    into->mean += apart * share;
    into->squares += from->squares + apart * apart * (into->count * share);
    into->count = count;
}
