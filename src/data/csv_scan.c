/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where fields and rows end: 64 bytes become five masks (delimiter, LF, CR, quote, NUL); outside quotes the set bits of
 * the first two, and CR without LF, are the ends.
 *
 * Blocks with quotes.  The running parity of the quotes is what lies inside, if each quote that opens follows a
 * separator or the quote before it (a doubled one) and each that closes is followed by a separator or a quote.  That is
 * checked, in a few operations on the masks; a block that is not so is walked quote by quote.
 */
#include "data/csv_scan.h"

#include <string.h>

#include "data/number_internal.h"

/* ---- quotes ----------------------------------------------------------------------------------------------------------- */

static uint64_t prefix_parity(uint64_t bits)
{
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    return bits;
}

/* The exact walk: state by state over the special bytes of the block. */
static uint64_t walk_block(skimpi_csv_batch *batch, uint64_t separators, uint64_t quotes, unsigned n_valid)
{
    enum { START, FIELD, QUOTED, AFTER_QUOTE };
    int state = batch->in_quotes ? QUOTED : batch->after_quote ? AFTER_QUOTE : batch->at_start ? START : FIELD;
    uint64_t ends = 0;
    unsigned next = 0; /* the byte after the last special one */
    for (uint64_t rest = separators | quotes; rest != 0; rest &= rest - 1) {
        unsigned p = (unsigned)__builtin_ctzll(rest);
        if (p > next && state != QUOTED) {
            state = FIELD;
        }
        next = p + 1;
        if (quotes >> p & 1) {
            state = state == QUOTED ? AFTER_QUOTE : state == FIELD ? FIELD : QUOTED;
        } else if (state != QUOTED) {
            ends |= (uint64_t)1 << p;
            state = START;
        }
    }
    if (next < n_valid && state != QUOTED) {
        state = FIELD;
    }
    batch->in_quotes = state == QUOTED;
    batch->after_quote = state == AFTER_QUOTE;
    batch->at_start = state == START;
    return ends;
}

uint64_t skimpi_csv_quoted_block(skimpi_csv_batch *batch, uint64_t separators, uint64_t quotes, unsigned n_valid,
                                 uint64_t cr)
{
    uint64_t inside =
        prefix_parity(quotes) ^
        (batch->in_quotes ? ~(uint64_t)0 : 0); /* from an opening quote up to, not with, the closing one */
    uint64_t opening = quotes & inside, closing = quotes & ~inside;
    uint64_t ends = separators & ~inside;
    uint64_t may_open = (ends | closing) << 1 | (batch->at_start || batch->after_quote);
    uint64_t after_closing = closing << 1 | batch->after_quote;
    uint64_t valid = n_valid == 64 ? ~(uint64_t)0 : ((uint64_t)1 << n_valid) - 1;
    if ((opening & ~may_open) != 0 || (after_closing & valid & ~(separators | quotes | cr)) != 0) {
        return walk_block(batch, separators, quotes, n_valid);
    }
    uint64_t last = (uint64_t)1 << (n_valid - 1);
    batch->in_quotes = (inside & last) != 0;
    batch->after_quote = (closing & last) != 0;
    batch->at_start = (ends & last) != 0;
    return ends;
}

/* ---- portable --------------------------------------------------------------------------------------------------------- */

static inline void emit_bits(uint32_t *out, uint64_t bits, uint32_t base)
{
    while (bits != 0) {
        for (int i = 0; i < 8; i++) {
            out[i] = base + (uint32_t)__builtin_ctzll(bits | (uint64_t)1 << 63);
            bits &= bits - 1;
        }
        out += 8;
    }
}

/* The bits of the bytes of v that are 0, exactly. */
static inline uint64_t zero_bytes(uint64_t v)
{
    uint64_t low = 0x7f7f7f7f7f7f7f7f;
    uint64_t flags = ~(((v & low) + low) | v | low); /* 0x80 where the byte is 0 */
    return (flags >> 7) * 0x0102040810204080 >> 56;
}

static inline skimpi_csv_masks portable_masks(const char *block, char delimiter)
{
    skimpi_csv_masks m = { 0 };
    const uint64_t each = 0x0101010101010101;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t v = skimpi_load_eight(block + 8 * i);
        m.delimiter |= zero_bytes(v ^ each * (unsigned char)delimiter) << (8 * i);
        m.lf |= zero_bytes(v ^ each * '\n') << (8 * i);
        m.cr |= zero_bytes(v ^ each * '\r') << (8 * i);
        m.quote |= zero_bytes(v ^ each * '"') << (8 * i);
        m.nul |= zero_bytes(v) << (8 * i);
    }
    return m;
}

#define SCAN_NAME portable_scan
#define SCAN_TARGET
#define SCAN_MASKS portable_masks
#define SCAN_EMIT emit_bits
#include "data/csv_scan_loop.h"

/* Plain decimals, eight digits at a time. */
static uint32_t portable_numbers(const skimpi_csv_batch *batch, const uint32_t *first, uint32_t n_rows, uint32_t column,
                                 bool trim, double *out, uint32_t *slow)
{
    uint32_t n_slow = 0;
    for (uint32_t i = 0; i < n_rows; i++) {
        const uint32_t *end_of = batch->ends + first[i] + column;
        const char *p = batch->base + end_of[-1] + 1, *end = batch->base + end_of[0];
        end -= trim && end > p && end[-1] == '\r';
        bool negative = *p == '-';
        p += negative;
        uint64_t w = 0;
        const char *digits = p;
        if (end - p >= 8 && skimpi_eight_digits(p)) {
            w = skimpi_eight_value(p);
            p += 8;
        }
        while (p < end && (unsigned char)(*p - '0') < 10) {
            w = w * 10 + (uint64_t)(*p++ - '0');
        }
        int64_t n_digits = p - digits, fraction = 0;
        if (p < end && *p == '.') {
            const char *point = ++p;
            if (end - p >= 8 && skimpi_eight_digits(p)) {
                w = w * 100000000 + skimpi_eight_value(p);
                p += 8;
            }
            while (p < end && (unsigned char)(*p - '0') < 10) {
                w = w * 10 + (uint64_t)(*p++ - '0');
            }
            fraction = p - point;
            n_digits += fraction;
        }
        if (p != end || n_digits == 0 || n_digits > 15) {
            slow[n_slow++] = i;
            continue;
        }
        double value = (double)(int64_t)w / skimpi_exact_powers_of_ten[fraction];
        out[i] = negative ? -value : value;
    }
    return n_slow;
}

const skimpi_csv_kernels skimpi_csv_portable = { "portable", portable_scan, portable_numbers };

const skimpi_csv_kernels *skimpi_csv_kernels_find(const char *name)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                __builtin_cpu_supports("popcnt");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd") &&
                  __builtin_cpu_supports("avx512vbmi2");
    if (avx512 && (name == NULL || strcmp(name, "avx512") == 0)) {
        return &skimpi_csv_avx512;
    }
    if (avx2 && (name == NULL || strcmp(name, "avx2") == 0)) {
        return &skimpi_csv_avx2;
    }
#endif
    return name == NULL || strcmp(name, "portable") == 0 ? &skimpi_csv_portable : NULL;
}
