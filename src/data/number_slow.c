/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decimals of more than 19 digits.  The first 19 significant ones, w, give w × 10^q ≤ value < (w + 1) × 10^q.  Where both
 * ends round to the same double that is the answer.  Otherwise the ends round to two neighbours, and the value is
 * compared with the point halfway between them, exactly, in integers of a fixed size.
 *
 * Size: a halfway point has at most 768 significant digits, so that what follows them only says "more than": it is kept
 * as one further digit 1.  769 digits are 2555 bits.  The other side is an odd 54-bit number × 5^a × 2^b with
 * a ≤ 342 + 769 (2580 bits) and b ≤ a: 3745 bits and some; 64 words of 64 bits hold it.
 */
#include "data/number.h"
#include "data/number_internal.h"

#define MAX_DIGITS 768
#define MAX_WORDS 72

typedef struct big {
    uint32_t n; /* words in use; the highest is not 0 */
    uint64_t words[MAX_WORDS];
} big;

/* a = a × factor + add */
static void big_step(big *a, uint64_t factor, uint64_t add)
{
    uint64_t carry = add;
    for (uint32_t i = 0; i < a->n; i++) {
        unsigned __int128 t = (unsigned __int128)a->words[i] * factor + carry;
        a->words[i] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
    if (carry != 0) {
        a->words[a->n++] = carry;
    }
}

static void big_times_power_of_five(big *a, uint64_t power)
{
    for (; power >= 27; power -= 27) {
        big_step(a, 7450580596923828125, 0);
    }
    uint64_t rest = 1;
    for (; power > 0; power--) {
        rest *= 5;
    }
    big_step(a, rest, 0);
}

static void big_shift_left(big *a, uint64_t bits)
{
    uint32_t words = (uint32_t)(bits / 64), part = (uint32_t)(bits % 64);
    if (part != 0) {
        uint64_t carry = 0;
        for (uint32_t i = 0; i < a->n; i++) {
            uint64_t word = a->words[i];
            a->words[i] = word << part | carry;
            carry = word >> (64 - part);
        }
        if (carry != 0) {
            a->words[a->n++] = carry;
        }
    }
    if (words != 0) {
        memmove(a->words + words, a->words, a->n * sizeof(a->words[0]));
        memset(a->words, 0, words * sizeof(a->words[0]));
        a->n += words;
    }
}

static int big_compare(const big *a, const big *b)
{
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    for (uint32_t i = a->n; i-- > 0;) {
        if (a->words[i] != b->words[i]) {
            return a->words[i] < b->words[i] ? -1 : 1;
        }
    }
    return 0;
}

/*
 * Compares the decimal with the point halfway between the double `bits` and the one above it.  *count significant digits
 * begin at `first` (a digit that is not 0), the last of them worth 10^exponent.
 */
static int compare_with_halfway(const char *first, const char *end, int64_t count, int64_t exponent, uint64_t bits)
{
    big value = { .n = 0 }, halfway = { .n = 1 };
    int64_t taken = 0;
    bool more = false;
    uint64_t part = 0, scale = 1;
    for (const char *p = first; p < end; p++) {
        if (*p == '.') {
            continue;
        }
        if (taken == MAX_DIGITS) {
            if (*p != '0') {
                more = true;
                break;
            }
            continue;
        }
        part = part * 10 + (uint64_t)(*p - '0');
        scale *= 10;
        taken++;
        if (scale == 10000000000000000000u) {
            big_step(&value, scale, part);
            part = 0;
            scale = 1;
        }
    }
    big_step(&value, scale, part);
    exponent += count - taken;
    if (more) {
        big_step(&value, 10, 1);
        exponent--;
    }
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int64_t biased = (int64_t)(bits >> 52);
    uint64_t mantissa = biased != 0 ? fraction | (uint64_t)1 << 52 : fraction;
    int64_t two = (biased != 0 ? biased : 1) - 1075 - 1; /* halfway = (2 × mantissa + 1) × 2^two */
    halfway.words[0] = 2 * mantissa + 1;
    if (exponent >= 0) {
        big_times_power_of_five(&value, (uint64_t)exponent);
    } else {
        big_times_power_of_five(&halfway, (uint64_t)-exponent);
    }
    two -= exponent; /* value × 2^exponent against halfway × 2^two: move all to one side */
    if (two >= 0) {
        big_shift_left(&halfway, (uint64_t)two);
    } else {
        big_shift_left(&value, (uint64_t)-two);
    }
    return big_compare(&value, &halfway);
}

uint64_t skimpi_number_many_digits(const char *digits, const char *end, const char *point, int64_t exponent)
{
    const char *p = digits;
    while (p < end && (*p == '0' || *p == '.')) {
        p++;
    }
    if (p == end) {
        return 0;
    }
    const char *first = p;
    /* Significant digits in all, and what the last of them is worth. */
    bool has_point = point != NULL && point >= first;
    int64_t count = end - first - has_point;
    exponent -= point != NULL ? end - point - 1 : 0;
    uint64_t w = 0;
    int64_t taken = 0;
    for (; p < end && taken < 19; p++) {
        if (*p != '.') {
            w = w * 10 + (uint64_t)(*p - '0');
            taken++;
        }
    }
    int64_t q = exponent + count - taken;
    uint64_t low = skimpi_number_round(w, q);
    if (count == taken) {
        return low;
    }
    /* w + 1 has at most 20 digits and is below 2^64. */
    uint64_t high = skimpi_number_round(w + 1, q);
    if (low == high) {
        return low;
    }
    int order = compare_with_halfway(first, end, count, exponent, low);
    if (order == 0) {
        return low + (low & 1);
    }
    return order < 0 ? low : high;
}
