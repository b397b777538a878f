/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text to double and back, both exact.
 *
 * Reading a decimal w × 10^q (w: up to 19 digits):
 *   1. Clinger (1990): w ≤ 2^53 and |q| ≤ 22: one exact multiplication or division by an exact power of ten.
 *   2. Eisel-Lemire (Lemire, "Number parsing at a gigabyte per second", 2021, algorithm 1): w times a 128-bit
 *      approximation of 5^q decides the rounding; Mushtak and Lemire (2023) prove that it always does for w < 2^64.
 *   3. More than 19 digits: w and w + 1 bracket the value. Where they round differently, number_slow.c compares exactly.
 *
 * Writing: Schubfach (Giulietti 2020), the shortest digits in the interval that rounds to the value, nearest to it.
 */
#include "data/number.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "data/number_internal.h"
#include "data/number_powers.h"

_Static_assert(FLT_EVAL_METHOD == 0, "doubles must be rounded at each operation");

const double skimpi_exact_powers_of_ten[23] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* floor(q × log2(10)) for |q| ≤ 400. */
static int floor_log2_pow10(int q)
{
    return (q * 1741647) >> 19;
}

/* The double nearest to w × 10^q, as bits; w > 0. */
uint64_t skimpi_number_round(uint64_t w, int64_t q)
{
    if (q < -342) {
        return 0;
    }
    if (q > 308) {
        return SKIMPI_INFINITE_BITS;
    }
    int leading = __builtin_clzll(w);
    w <<= leading;
    const uint64_t *power = skimpi_powers_of_five[q - SKIMPI_POWER_FIRST];
    unsigned __int128 product = (unsigned __int128)w * power[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    /* The low word of the power matters only where the bits below the rounding bit are all ones. */
    if ((high & 0x1ff) == 0x1ff) {
        uint64_t carry = (uint64_t)(((unsigned __int128)w * power[1]) >> 64);
        low += carry;
        high += low < carry;
    }
    int upper = (int)(high >> 63);
    int shift = upper + 64 - 52 - 3;
    uint64_t mantissa = high >> shift; /* 54 bits: one more than a double holds */
    int exponent = floor_log2_pow10((int)q) + 63 + upper - leading + 1023;
    if (exponent <= 0) {
        if (1 - exponent >= 64) {
            return 0;
        }
        mantissa >>= 1 - exponent;
        mantissa += mantissa & 1;
        mantissa >>= 1;
        return mantissa; /* 2^52 becomes the smallest normal number by itself */
    }
    /* A tie is only possible for small |q|; it shows as a product without lower bits. Round to even then. */
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == high) {
        mantissa &= ~(uint64_t)1;
    }
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= (uint64_t)1 << 53) {
        mantissa = (uint64_t)1 << 52;
        exponent++;
    }
    if (exponent >= 0x7ff) {
        return SKIMPI_INFINITE_BITS;
    }
    return (mantissa & (((uint64_t)1 << 52) - 1)) | (uint64_t)exponent << 52;
}

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Does text begin with `word` (lower case letters), in any case? */
static bool begins(const char *text, const char *end, const char *word, size_t length)
{
    if ((size_t)(end - text) < length) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if ((text[i] | 0x20) != word[i]) {
            return false;
        }
    }
    return true;
}

static const char *parse_word(const char *p, const char *end, bool negative, double *out)
{
    if (begins(p, end, "inf", 3)) {
        *out = negative ? -INFINITY : INFINITY;
        return p + (begins(p, end, "infinity", 8) ? 8 : 3);
    }
    if (begins(p, end, "nan", 3)) {
        *out = NAN;
        return p + 3;
    }
    return NULL;
}

/* Appends the digits at p to *w, eight at a time. They wrap after 19; the caller counts. */
static const char *take_digits(const char *p, const char *end, uint64_t *w)
{
    uint64_t value = *w;
    while (end - p >= 8 && skimpi_eight_digits(p)) {
        value = value * 100000000 + skimpi_eight_value(p);
        p += 8;
    }
    while (p < end && is_digit(*p)) {
        value = value * 10 + (uint64_t)(*p++ - '0');
    }
    *w = value;
    return p;
}

const char *skimpi_number_parse(const char *text, const char *end, double *out)
{
    const char *p = text;
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
    }
    uint64_t w = 0;
    const char *digits = p;
    p = take_digits(p, end, &w);
    int64_t n_digits = p - digits;
    int64_t q = 0;
    const char *point = NULL;
    if (p < end && *p == '.') {
        point = p++;
        p = take_digits(p, end, &w);
        q = -(p - point - 1);
        n_digits -= q;
    }
    if (n_digits == 0) {
        return parse_word(digits, end, negative, out);
    }
    const char *digits_end = p;
    int64_t written = 0; /* the exponent as written */
    if (p < end && (*p | 0x20) == 'e') {
        const char *e = p + 1;
        bool minus = false;
        if (e < end && (*e == '-' || *e == '+')) {
            minus = *e == '-';
            e++;
        }
        if (e < end && is_digit(*e)) {
            for (; e < end && is_digit(*e); e++) {
                /* 10^17 is beyond what any text that fits in memory could balance. */
                written = written < 100000000000000000 ? written * 10 + (*e - '0') : written;
            }
            written = minus ? -written : written;
            p = e;
        }
    }
    q += written;
    uint64_t bits;
    if (n_digits <= 19) {
        if (w <= (uint64_t)1 << 53 && q >= -22 && q <= 22) {
            double value = (double)w;
            value = q < 0 ? value / skimpi_exact_powers_of_ten[-q] : value * skimpi_exact_powers_of_ten[q];
            *out = negative ? -value : value;
            return p;
        }
        bits = w == 0 ? 0 : skimpi_number_round(w, q);
    } else {
        bits = skimpi_number_many_digits(digits, digits_end, point, written);
    }
    *out = from_bits(bits | (uint64_t)negative << 63);
    return p;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* The upper 64 bits of g × c / 2^64, made odd when something was cut off. */
static uint64_t round_to_odd(uint64_t g_high, uint64_t g_low, uint64_t c)
{
    uint64_t x = (uint64_t)(((unsigned __int128)g_low * c) >> 64);
    unsigned __int128 y = (unsigned __int128)g_high * c + x;
    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

/* The shortest digits × 10^exponent that round to the positive, finite double with these fields (Giulietti, section 9). */
static uint64_t shortest(uint64_t fraction, int biased, int *exponent)
{
    uint64_t c = biased != 0 ? fraction | (uint64_t)1 << 52 : fraction;
    int q = biased != 0 ? biased - 1075 : -1074;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) {
        *exponent = 0;
        return c >> -q;
    }
    bool odd = c & 1;
    bool closer = fraction == 0 && biased > 1; /* the neighbour below is only half as far */
    int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
    int h = q + floor_log2_pow10(-k) + 1;
    const uint64_t *power = skimpi_powers_of_five[-k - SKIMPI_POWER_FIRST];
    uint64_t g_high = power[0], g_low = power[1];
    if (-k > 55 || -k < -27) { /* the table rounds these down; here they must be rounded up */
        g_low++;
        g_high += g_low == 0;
    }
    uint64_t below = round_to_odd(g_high, g_low, (4 * c - 2 + closer) << h);
    uint64_t exact = round_to_odd(g_high, g_low, 4 * c << h);
    uint64_t above = round_to_odd(g_high, g_low, (4 * c + 2) << h);
    uint64_t lower = below + odd, upper = above - odd;
    uint64_t s = exact / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
        if (down != up) {
            *exponent = k + 1;
            return tens + up;
        }
    }
    *exponent = k;
    bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
    if (down != up) {
        return s + up;
    }
    uint64_t middle = 4 * s + 2;
    return s + (exact > middle || (exact == middle && (s & 1) != 0));
}

size_t skimpi_number_format(double value, char *out)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    char *p = out;
    if (isnan(value)) {
        memcpy(out, "nan", 4);
        return 3;
    }
    if (bits >> 63) {
        *p++ = '-';
    }
    bits &= ~((uint64_t)1 << 63);
    if (bits == SKIMPI_INFINITE_BITS) {
        memcpy(p, "inf", 4);
        return (size_t)(p - out) + 3;
    }
    if (bits == 0) {
        memcpy(p, "0", 2);
        return (size_t)(p - out) + 1;
    }
    int exponent;
    uint64_t digits = shortest(bits & (((uint64_t)1 << 52) - 1), (int)(bits >> 52), &exponent);
    while (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    char text[20];
    int n = 0;
    for (uint64_t rest = digits; rest != 0; rest /= 10) {
        text[19 - n++] = (char)('0' + rest % 10);
    }
    const char *first = text + 20 - n;
    int place = n + exponent; /* digits before the point */
    if (place > 16 || place < -3) {
        *p++ = *first;
        if (n > 1) {
            *p++ = '.';
            memcpy(p, first + 1, (size_t)n - 1);
            p += n - 1;
        }
        *p++ = 'e';
        int e = place - 1;
        *p++ = e < 0 ? '-' : '+';
        e = e < 0 ? -e : e;
        if (e >= 100) {
            *p++ = (char)('0' + e / 100);
        }
        *p++ = (char)('0' + e / 10 % 10);
        *p++ = (char)('0' + e % 10);
    } else if (place <= 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = place; i < 0; i++) {
            *p++ = '0';
        }
        memcpy(p, first, (size_t)n);
        p += n;
    } else {
        for (int i = 0; i < place || i < n; i++) {
            if (i == place) {
                *p++ = '.';
            }
            *p++ = i < n ? first[i] : '0';
        }
    }
    *p = '\0';
    return (size_t)(p - out);
}
