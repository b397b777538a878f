/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers of few digits as integers of few bits.  The plain loops are the reference; AVX-512 has forms of its own, and the
 * plain ones are compiled for AVX2 too.  All give the same bytes and values.
 */
#include <math.h>
#include <string.h>

#include "data/decimal.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define BLOCK SKIMPI_DECIMAL_BLOCK
#define LARGEST 16777216.0 /* 2^24: up to here integers are floats */
#define LOOK 32u           /* values that tell whether the others are worth a look */

static const double powers[SKIMPI_DECIMAL_DIGITS + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10 };

/* To the nearest integer, ties to even; |x| < 2^51. */
static ALWAYS_INLINE double whole(double x)
{
    return (x + 6755399441055744.0) - 6755399441055744.0;
}

static ALWAYS_INLINE uint32_t float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* Does the value, as a float, come back from so many digits? */
static bool fits(double value, unsigned digits)
{
    double scaled = value * powers[digits];
    return fabs(scaled) <= LARGEST &&
           float_bits((float)whole(scaled) / (float)powers[digits]) == float_bits((float)value);
}

unsigned skimpi_decimal_digits(double value, unsigned digits)
{
    while (value == value && digits <= SKIMPI_DECIMAL_DIGITS && !fits(value, digits)) {
        digits++;
    }
    return digits;
}

unsigned skimpi_decimal_bits(double minimum, double maximum, unsigned digits)
{
    static const uint8_t widths[] = { 8, 12, 16, 20, 24 };
    if (digits > SKIMPI_DECIMAL_DIGITS || !(minimum <= maximum)) {
        return 0;
    }
    double low = whole(fmax(minimum * powers[digits], -2 * LARGEST)),
           high = whole(fmin(maximum * powers[digits], 2 * LARGEST));
    if (low < -LARGEST || high > LARGEST || low > high) {
        return 0;
    }
    for (unsigned i = 0; i < sizeof(widths); i++) {
        if (high - low < (double)((1u << widths[i]) - 1)) { /* all ones are taken */
            return widths[i];
        }
    }
    return 0;
}

double skimpi_decimal_expect(const skimpi_column_scan *sample, unsigned digits)
{
    /*
     * A chunk has fewer rows than the sample, mostly, and so a smaller range; where a value lies further out than all that
     * was seen, it seldom needs the next width, which is for a range 16 times as large.
     */
    const double margin = (sample->maximum - sample->minimum) / 16;
    const unsigned bits =
        sample->n_infinite > 0 ? 0 : skimpi_decimal_bits(sample->minimum - margin, sample->maximum + margin, digits);
    return bits > 0 ? bits / 8.0 : sizeof(float);
}

bool skimpi_decimal_is_sound(const skimpi_chunk_column *column)
{
    return column->digits <= SKIMPI_DECIMAL_DIGITS && column->bits >= 8 && column->bits <= 24 && column->bits % 4 == 0;
}

/* ---- plain loops --------------------------------------------------------------------------------------------------- */

/* The bits beside the low ones: 0, 4 or 8. */
static ALWAYS_INLINE unsigned high_bits(unsigned bits)
{
    return bits < 16 ? bits - 8 : bits - 16;
}

static ALWAYS_INLINE void pack_block(const uint32_t *codes, unsigned bits, uint8_t *out)
{
    const unsigned high = high_bits(bits), low = bits - high;
    for (unsigned i = 0; i < BLOCK; i++) {
        if (low == 8) {
            out[i] = (uint8_t)codes[i];
        } else {
            const uint16_t word = (uint16_t)codes[i];
            memcpy(out + 2 * i, &word, sizeof(word));
        }
    }
    out += BLOCK * low / 8;
    for (unsigned i = 0; high == 8 && i < BLOCK; i++) {
        out[i] = (uint8_t)(codes[i] >> low);
    }
    for (unsigned i = 0; high == 4 && i < BLOCK / 2; i++) {
        out[i] = (uint8_t)((codes[i] >> low) | (codes[i + BLOCK / 2] >> low << 4));
    }
}

static ALWAYS_INLINE void unpack_block(const uint8_t *in, unsigned bits, uint32_t *codes)
{
    const unsigned high = high_bits(bits), low = bits - high;
    for (unsigned i = 0; i < BLOCK; i++) {
        if (low == 8) {
            codes[i] = in[i];
        } else {
            uint16_t word;
            memcpy(&word, in + 2 * i, sizeof(word));
            codes[i] = word;
        }
    }
    in += BLOCK * low / 8;
    for (unsigned i = 0; high == 8 && i < BLOCK; i++) {
        codes[i] |= (uint32_t)in[i] << low;
    }
    for (unsigned i = 0; high == 4 && i < BLOCK / 2; i++) {
        codes[i] |= (uint32_t)(in[i] & 15) << low;
        codes[i + BLOCK / 2] |= (uint32_t)(in[i] >> 4) << low;
    }
}

/* Whole blocks. False: a value does not come back. */
static ALWAYS_INLINE bool encode_body(const skimpi_chunk_column *column, const double *values, size_t n_blocks,
                                      uint8_t *out)
{
    const double scale = powers[column->digits], base = column->base;
    const float float_scale = (float)scale, float_base = (float)base;
    const uint32_t missing = (1u << column->bits) - 1;
    uint32_t lost = 0;
    for (size_t b = 0; b < n_blocks; b++) {
        uint32_t codes[BLOCK];
        for (unsigned i = 0; i < BLOCK; i++) {
            const double x = values[b * BLOCK + i], known = x == x ? x : 0;
            const uint32_t code = (uint32_t)(int32_t)(whole(known * scale) - base);
            const float back = ((float)(int32_t)code + float_base) / float_scale;
            const uint32_t same = float_bits(back) == float_bits((float)known) ? 0 : 1;
            lost |= x == x ? same : 0;
            codes[i] = x == x ? code : missing;
        }
        pack_block(codes, column->bits, out + b * 2 * column->bits);
    }
    return lost == 0;
}

static ALWAYS_INLINE void decode_body(const skimpi_chunk_column *column, const uint8_t *in, size_t n_blocks, float *out)
{
    const float scale = (float)powers[column->digits], base = (float)column->base;
    const uint32_t missing = (1u << column->bits) - 1;
    for (size_t b = 0; b < n_blocks; b++) {
        uint32_t codes[BLOCK];
        unpack_block(in + b * 2 * column->bits, column->bits, codes);
        for (unsigned i = 0; i < BLOCK; i++) {
            const float nothing = codes[i] == missing ? NAN : 0;
            out[b * BLOCK + i] = ((float)(int32_t)codes[i] + base) / scale + nothing;
        }
    }
}

static bool encode_plain(const skimpi_chunk_column *column, const double *values, size_t n_blocks, uint8_t *out)
{
    return encode_body(column, values, n_blocks, out);
}

static void decode_plain(const skimpi_chunk_column *column, const uint8_t *in, size_t n_blocks, float *out)
{
    decode_body(column, in, n_blocks, out);
}

#if defined(__x86_64__)
SKIMPI_TARGET_AVX2 static bool encode_avx2(const skimpi_chunk_column *column, const double *values, size_t n_blocks,
                                           uint8_t *out)
{
    return encode_body(column, values, n_blocks, out);
}

SKIMPI_TARGET_AVX2 static void decode_avx2(const skimpi_chunk_column *column, const uint8_t *in, size_t n_blocks,
                                           float *out)
{
    decode_body(column, in, n_blocks, out);
}

/* ---- AVX-512: a block at once ---------------------------------------------------------------------------------------- */

SKIMPI_TARGET_AVX512 static ALWAYS_INLINE void pack_avx512(__m512i codes, unsigned bits, uint8_t *out)
{
    const unsigned high = high_bits(bits), low = bits - high;
    if (low == 8) {
        _mm_storeu_si128((__m128i *)out, _mm512_cvtepi32_epi8(codes));
    } else {
        _mm256_storeu_si256((__m256i *)out, _mm512_cvtepi32_epi16(codes));
    }
    if (high > 0) {
        const __m128i rest = _mm512_cvtepi32_epi8(_mm512_srli_epi32(codes, low));
        if (high == 8) {
            _mm_storeu_si128((__m128i *)(out + 2 * low), rest);
        } else {
            const __m128i upper = _mm_slli_epi16(_mm_unpackhi_epi64(rest, rest), 4);
            _mm_storel_epi64((__m128i *)(out + 2 * low), _mm_or_si128(rest, upper));
        }
    }
}

SKIMPI_TARGET_AVX512 static ALWAYS_INLINE __m512i unpack_avx512(const uint8_t *in, unsigned bits)
{
    const unsigned high = high_bits(bits), low = bits - high;
    __m512i codes = low == 8 ? _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)in))
                             : _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)in));
    if (high > 0) {
        __m128i rest;
        if (high == 8) {
            rest = _mm_loadu_si128((const __m128i *)(in + 2 * low));
        } else {
            const __m128i pairs = _mm_loadl_epi64((const __m128i *)(in + 2 * low)), nibble = _mm_set1_epi8(15);
            rest = _mm_unpacklo_epi64(_mm_and_si128(pairs, nibble), _mm_and_si128(_mm_srli_epi16(pairs, 4), nibble));
        }
        codes = _mm512_or_si512(codes, _mm512_slli_epi32(_mm512_cvtepu8_epi32(rest), low));
    }
    return codes;
}

SKIMPI_TARGET_AVX512 static ALWAYS_INLINE bool encode_width(const skimpi_chunk_column *column, const double *values,
                                                            size_t n_blocks, unsigned bits, uint8_t *out)
{
    const __m512d scale = _mm512_set1_pd(powers[column->digits]), base = _mm512_set1_pd(column->base);
    const __m512 float_scale = _mm512_set1_ps((float)powers[column->digits]),
                 float_base = _mm512_set1_ps((float)column->base);
    const __m512i missing = _mm512_set1_epi32((1 << bits) - 1);
    __mmask16 lost = 0;
    for (size_t b = 0; b < n_blocks; b++) {
        const __m512d x = _mm512_loadu_pd(values + b * BLOCK), y = _mm512_loadu_pd(values + b * BLOCK + 8);
        const __mmask16 known =
            (__mmask16)(_mm512_cmp_pd_mask(x, x, _CMP_ORD_Q) | (unsigned)_mm512_cmp_pd_mask(y, y, _CMP_ORD_Q) << 8);
        const __m512d wx = _mm512_roundscale_pd(_mm512_mul_pd(x, scale), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                      wy = _mm512_roundscale_pd(_mm512_mul_pd(y, scale), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        const __m256i cx = _mm512_cvtpd_epi32(_mm512_sub_pd(wx, base)),
                      cy = _mm512_cvtpd_epi32(_mm512_sub_pd(wy, base));
        const __m512i codes = _mm512_inserti64x4(_mm512_castsi256_si512(cx), cy, 1);
        const __m512 floats = _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(x)), _mm512_cvtpd_ps(y), 1);
        const __m512 back = _mm512_div_ps(_mm512_add_ps(_mm512_cvtepi32_ps(codes), float_base), float_scale);
        lost |= _mm512_mask_cmpneq_epi32_mask(known, _mm512_castps_si512(back), _mm512_castps_si512(floats));
        pack_avx512(_mm512_mask_mov_epi32(missing, known, codes), bits, out + b * 2 * bits);
    }
    return lost == 0;
}

SKIMPI_TARGET_AVX512 static ALWAYS_INLINE void decode_width(const skimpi_chunk_column *column, const uint8_t *in,
                                                            size_t n_blocks, unsigned bits, float *out)
{
    const __m512 scale = _mm512_set1_ps((float)powers[column->digits]), base = _mm512_set1_ps((float)column->base);
    const __m512 nothing = _mm512_set1_ps(NAN);
    const __m512i missing = _mm512_set1_epi32((1 << bits) - 1);
    for (size_t b = 0; b < n_blocks; b++) {
        const __m512i codes = unpack_avx512(in + b * 2 * bits, bits);
        const __m512 values = _mm512_div_ps(_mm512_add_ps(_mm512_cvtepi32_ps(codes), base), scale);
        const __mmask16 unknown = _mm512_cmpeq_epi32_mask(codes, missing);
        _mm512_storeu_ps(out + b * BLOCK, _mm512_mask_mov_ps(values, unknown, nothing));
    }
}

SKIMPI_TARGET_AVX512 static bool encode_avx512(const skimpi_chunk_column *column, const double *values, size_t n_blocks,
                                               uint8_t *out)
{
    switch (column->bits) {
    case 8:
        return encode_width(column, values, n_blocks, 8, out);
    case 12:
        return encode_width(column, values, n_blocks, 12, out);
    case 16:
        return encode_width(column, values, n_blocks, 16, out);
    case 20:
        return encode_width(column, values, n_blocks, 20, out);
    default:
        return encode_width(column, values, n_blocks, 24, out);
    }
}

SKIMPI_TARGET_AVX512 static void decode_avx512(const skimpi_chunk_column *column, const uint8_t *in, size_t n_blocks,
                                               float *out)
{
    switch (column->bits) {
    case 8:
        decode_width(column, in, n_blocks, 8, out);
        break;
    case 12:
        decode_width(column, in, n_blocks, 12, out);
        break;
    case 16:
        decode_width(column, in, n_blocks, 16, out);
        break;
    case 20:
        decode_width(column, in, n_blocks, 20, out);
        break;
    default:
        decode_width(column, in, n_blocks, 24, out);
        break;
    }
}
#endif

/* ---- columns --------------------------------------------------------------------------------------------------------- */

static bool encode_blocks(const skimpi_chunk_column *column, const double *values, size_t n_blocks, uint8_t *out)
{
    switch (skimpi_encoding_loops()) {
#if defined(__x86_64__)
    case SKIMPI_LOOPS_AVX512:
        return encode_avx512(column, values, n_blocks, out);
    case SKIMPI_LOOPS_AVX2:
        return encode_avx2(column, values, n_blocks, out);
#endif
    default:
        return encode_plain(column, values, n_blocks, out);
    }
}

static void decode_blocks(const skimpi_chunk_column *column, const uint8_t *in, size_t n_blocks, float *out)
{
    switch (skimpi_encoding_loops()) {
#if defined(__x86_64__)
    case SKIMPI_LOOPS_AVX512:
        decode_avx512(column, in, n_blocks, out);
        break;
    case SKIMPI_LOOPS_AVX2:
        decode_avx2(column, in, n_blocks, out);
        break;
#endif
    default:
        decode_plain(column, in, n_blocks, out);
        break;
    }
}

/* The column with the digits and bits that its descriptor says. False: a value does not come back. */
static bool encode_column(const skimpi_chunk_column *column, const double *values, uint32_t n, uint8_t *out)
{
    const size_t n_blocks = n / BLOCK, rest = n % BLOCK;
    if (!encode_blocks(column, values, n_blocks, out)) {
        return false;
    }
    if (rest > 0) {
        double last[BLOCK];
        for (size_t i = 0; i < BLOCK; i++) {
            last[i] = i < rest ? values[n_blocks * BLOCK + i] : (double)NAN;
        }
        return encode_blocks(column, last, 1, out + n_blocks * skimpi_decimal_block_bytes(column));
    }
    return true;
}

uint64_t skimpi_decimal_encode(const double *values, uint32_t n, const skimpi_column_scan *scan,
                               skimpi_chunk_column *column, void *out)
{
    unsigned digits = 0;
    if (scan->n_infinite > 0) {
        return 0;
    }
    for (uint32_t i = 0; i < n && i < LOOK; i++) {
        digits = skimpi_decimal_digits(values[i], digits);
    }
    for (;; digits++) {
        const unsigned bits = skimpi_decimal_bits(scan->minimum, scan->maximum, digits);
        if (bits == 0) {
            return 0;
        }
        skimpi_chunk_column decimal = { .encoding = SKIMPI_ENC_DECIMAL,
                                        .digits = (uint8_t)digits,
                                        .bits = (uint8_t)bits };
        decimal.base = whole(scan->minimum * powers[digits]);
        if (encode_column(&decimal, values, n, out)) {
            const uint64_t used = (n + BLOCK - 1) / BLOCK * skimpi_decimal_block_bytes(&decimal);
            const uint64_t bytes = skimpi_column_encoded_bytes(&decimal, n);
            memset((uint8_t *)out + used, 0, bytes - used);
            *column = decimal;
            return bytes;
        }
    }
}

void skimpi_decimal_decode(const skimpi_chunk_column *column, const void *bytes, size_t n, float *out)
{
    const size_t n_blocks = n / BLOCK, rest = n % BLOCK;
    decode_blocks(column, bytes, n_blocks, out);
    if (rest > 0) {
        float last[BLOCK];
        decode_blocks(column, (const uint8_t *)bytes + n_blocks * skimpi_decimal_block_bytes(column), 1, last);
        memcpy(out + n_blocks * BLOCK, last, rest * sizeof(*out));
    }
}
