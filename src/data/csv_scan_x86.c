/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CSV kernels for x86-64 with AVX2, and with AVX-512 (BW, VL, DQ, VBMI2).
 *
 * Numbers.  A field of up to 16 bytes is loaded at its beginning and shifted to the right end of a register; what lies
 * left of it becomes 0.  Comparisons give the masks of digits and point: together they must cover the field.  A second
 * shuffle closes the gap that the point leaves, and three multiply-adds join pairs, fours and eights of digits.  The
 * result w ≤ 2^53 over an exact power of ten is correctly rounded (Clinger 1990).  There is no branch on the data: a
 * field of another form only lengthens the list of slow ones.
 */
#include "data/csv_scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "data/number_internal.h"

/* Loaded at `length`: the shuffle that moves the first `length` bytes to the end and makes the rest 0. */
static const uint8_t shift_right[32]
    __attribute__((aligned(32))) = { 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128,
                                     0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,  15 };

/* close_gap[p]: the shuffle that drops byte p; the bytes before it move up by one. 16 drops nothing. */
#define ROW(p, i) ((i) > (p) ? (i) : (i) == 0 ? 128 : (i)-1)
#define GAP(p)                                                                                                         \
    {                                                                                                                  \
        ROW(p, 0), ROW(p, 1), ROW(p, 2), ROW(p, 3), ROW(p, 4), ROW(p, 5), ROW(p, 6), ROW(p, 7), ROW(p, 8), ROW(p, 9),  \
            ROW(p, 10), ROW(p, 11), ROW(p, 12), ROW(p, 13), ROW(p, 14), ROW(p, 15)                                     \
    }
static const uint8_t close_gap[17][16] __attribute__((aligned(16))) = {
    GAP(0),
    GAP(1),
    GAP(2),
    GAP(3),
    GAP(4),
    GAP(5),
    GAP(6),
    GAP(7),
    GAP(8),
    GAP(9),
    GAP(10),
    GAP(11),
    GAP(12),
    GAP(13),
    GAP(14),
    GAP(15),
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
};
#undef GAP
#undef ROW

/* A point at byte p of 16 leaves 15 - p digits after it. */
static const double scale_of[17] = { 1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7,
                                     1e6,  1e5,  1e4,  1e3,  1e2,  1e1,  1e0, 1e0 };

/* ---- AVX2 ---------------------------------------------------------------------------------------------------------- */

#define AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))

AVX2 static inline uint64_t equal_avx2(__m256i a, __m256i b, __m256i value)
{
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, value));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, value));
    return low | (uint64_t)high << 32;
}

AVX2 static inline skimpi_csv_masks masks_avx2(const char *block, char delimiter)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)block), b = _mm256_loadu_si256((const __m256i *)(block + 32));
    return (skimpi_csv_masks){
        .delimiter = equal_avx2(a, b, _mm256_set1_epi8(delimiter)),
        .lf = equal_avx2(a, b, _mm256_set1_epi8('\n')),
        .cr = equal_avx2(a, b, _mm256_set1_epi8('\r')),
        .quote = equal_avx2(a, b, _mm256_set1_epi8('"')),
        .nul = equal_avx2(a, b, _mm256_setzero_si256()),
    };
}

AVX2 static inline void emit_avx2(uint32_t *out, uint64_t bits, uint32_t base)
{
    unsigned n = (unsigned)__builtin_popcountll(bits);
    for (unsigned i = 0; i < n; i += 8, out += 8) {
        for (unsigned k = 0; k < 8; k++) {
            out[k] = base + (uint32_t)_tzcnt_u64(bits);
            bits = _blsr_u64(bits);
        }
    }
}

#define SCAN_NAME scan_avx2
#define SCAN_TARGET AVX2
#define SCAN_MASKS masks_avx2
#define SCAN_EMIT emit_avx2
#include "data/csv_scan_loop.h"

/* Rows from … to - 1, one by one. */
AVX2 static uint32_t numbers_single(const skimpi_csv_batch *batch, const uint32_t *first, uint32_t from, uint32_t to,
                                    uint32_t column, bool trim, double *out, uint32_t *slow)
{
    const __m128i zero_digit = _mm_set1_epi8('0'), nine = _mm_set1_epi8(9), point = _mm_set1_epi8('.');
    const __m128i tens = _mm_set1_epi16(0x010a), hundreds = _mm_set1_epi32(0x00010064),
                  myriads = _mm_set1_epi32(0x00012710);
    const char *base = batch->base;
    const uint32_t *ends = batch->ends + column;
    uint32_t n_slow = 0;
    for (uint32_t i = from; i < to; i++) {
        const uint32_t *end_of = ends + first[i];
        uint32_t begin = end_of[-1] + 1, end = end_of[0];
        if (trim) {
            end -= end > begin && base[end - 1] == '\r';
        }
        uint32_t negative = base[begin] == '-';
        begin += negative;
        uint32_t length = end - begin;
        bool too_long = length > 16;
        length = too_long ? 16 : length;
        __m128i x = _mm_loadu_si128((const __m128i *)(base + begin));
        x = _mm_shuffle_epi8(x, _mm_loadu_si128((const __m128i *)(shift_right + length)));
        __m128i digits = _mm_sub_epi8(x, zero_digit);
        __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, nine), digits);
        uint32_t digit_bits = (uint32_t)_mm_movemask_epi8(is_digit);
        uint32_t point_bits = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, point));
        uint32_t gap = _tzcnt_u32(point_bits | 0x10000);
        uint32_t field = (0xffffu << (16 - length)) & 0xffff;
        digits = _mm_shuffle_epi8(_mm_and_si128(digits, is_digit), _mm_load_si128((const __m128i *)close_gap[gap]));
        __m128i joined = _mm_madd_epi16(_mm_maddubs_epi16(digits, tens), hundreds);
        joined = _mm_madd_epi16(_mm_packus_epi32(joined, joined), myriads);
        uint64_t halves = (uint64_t)_mm_cvtsi128_si64(joined);
        uint64_t w = (halves & 0xffffffff) * 100000000 + (halves >> 32);
        double value = (double)(int64_t)w / scale_of[gap];
        bool fast = ((digit_bits | point_bits) == field) & ((point_bits & (point_bits - 1)) == 0) & (digit_bits != 0) &
                    !too_long & (w <= (uint64_t)1 << 53);
        __m128d signed_value =
            _mm_or_pd(_mm_set_sd(value), _mm_castsi128_pd(_mm_cvtsi64_si128((int64_t)((uint64_t)negative << 63))));
        _mm_store_sd(out + i, signed_value);
        slow[n_slow] = i;
        n_slow += !fast;
    }
    return n_slow;
}

AVX2 static uint32_t csv_numbers_avx2(const skimpi_csv_batch *batch, const uint32_t *first, uint32_t n_rows,
                                      uint32_t column, bool trim, double *out, uint32_t *slow)
{
    return numbers_single(batch, first, 0, n_rows, column, trim, out, slow);
}

const skimpi_csv_kernels skimpi_csv_avx2 = { "avx2", scan_avx2, csv_numbers_avx2 };

/* ---- AVX-512 ------------------------------------------------------------------------------------------------------- */

#define AVX512                                                                                                         \
    __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl,avx512dq,avx512cd,avx512vbmi2")))

AVX512 static inline skimpi_csv_masks masks_avx512(const char *block, char delimiter)
{
    __m512i x = _mm512_loadu_si512(block);
    return (skimpi_csv_masks){
        .delimiter = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(delimiter)),
        .lf = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\n')),
        .cr = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\r')),
        .quote = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('"')),
        .nul = _mm512_testn_epi8_mask(x, x),
    };
}

AVX512 static inline void emit_avx512(uint32_t *out, uint64_t bits, uint32_t base)
{
    static const uint8_t places[64] __attribute__((aligned(64))) = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
    };
    __m512i packed = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(places));
    __m512i offset = _mm512_set1_epi32((int)base);
    _mm512_storeu_si512(out, _mm512_add_epi32(offset, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed))));
    unsigned n = (unsigned)__builtin_popcountll(bits);
    if (__builtin_expect(n > 16, 0)) {
        _mm512_storeu_si512(out + 16,
                            _mm512_add_epi32(offset, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 1))));
        _mm512_storeu_si512(out + 32,
                            _mm512_add_epi32(offset, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 2))));
        _mm512_storeu_si512(out + 48,
                            _mm512_add_epi32(offset, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 3))));
    }
}

#define SCAN_NAME scan_avx512
#define SCAN_TARGET AVX512
#define SCAN_MASKS masks_avx512
#define SCAN_EMIT emit_avx512
#include "data/csv_scan_loop.h"

/*
 * Eight rows at once, their last 16 bytes in the 128-bit lanes of two registers: even rows in one, odd rows in the other,
 * so that packing the two gives the rows in order.  A mask of 16 bits a lane says what belongs to the field.  A group
 * with a field of another form, or longer than 16 bytes, is left to numbers_single.
 */
AVX512 static uint32_t csv_numbers_avx512(const skimpi_csv_batch *batch, const uint32_t *first, uint32_t n_rows,
                                          uint32_t column, bool trim, double *out, uint32_t *slow)
{
    const __m512i zero_digit = _mm512_set1_epi8('0'), nine = _mm512_set1_epi8(9), point = _mm512_set1_epi8('.'),
                  minus = _mm512_set1_epi8('-');
    const __m512i tens = _mm512_set1_epi16(0x010a), hundreds = _mm512_set1_epi32(0x00010064),
                  myriads = _mm512_set1_epi32(0x00012710);
    const __m512i hundred_millions = _mm512_set1_epi64(100000000), exact = _mm512_set1_epi64((long long)1 << 53),
                  sign = _mm512_set1_epi64((long long)((uint64_t)1 << 63));
    const __m512d low_powers = _mm512_setr_pd(1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7),
                  high_powers = _mm512_setr_pd(1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15);
    const __m128i split = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const char *base = batch->base;
    const uint32_t *ends = batch->ends + column;
    uint32_t n_slow = 0, i = 0;
    for (; i + 8 <= n_rows; i += 8) {
        const char *at[8];
        uint32_t over = 0;
        uint64_t field[2] = { 0, 0 };
#pragma GCC unroll 8
        for (unsigned k = 0; k < 8; k++) {
            const uint32_t *end_of = ends + first[i + k];
            uint32_t before = end_of[-1], end = end_of[0];
            if (trim) {
                end -= end > before + 1 && base[end - 1] == '\r';
            }
            uint32_t length = end - before - 1;
            over |= length + 15; /* 32 or more when the length is over 16 */
            field[k & 1] |= (uint64_t)(uint16_t)(0xffff0000u >> (length & 31)) << (16 * (k >> 1));
            at[k] = base + end - 16;
        }
        /* The first fields of a batch may begin less than 16 bytes into the text. */
        if (__builtin_expect(over >= 32 || at[0] <= base, 0)) {
            n_slow += numbers_single(batch, first, i, i + 8, column, trim, out, slow + n_slow);
            continue;
        }
#define LANES(a, b, c, d)                                                                                              \
    _mm512_inserti32x4(                                                                                                \
        _mm512_inserti32x4(_mm512_inserti32x4(_mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)at[a])),         \
                                              _mm_loadu_si128((const __m128i *)at[b]), 1),                             \
                           _mm_loadu_si128((const __m128i *)at[c]), 2),                                                \
        _mm_loadu_si128((const __m128i *)at[d]), 3)
        __m512i x0 = LANES(0, 2, 4, 6), x1 = LANES(1, 3, 5, 7);
#undef LANES
        const uint64_t tops = 0x8000800080008000;
        __m512i d0 = _mm512_sub_epi8(x0, zero_digit), d1 = _mm512_sub_epi8(x1, zero_digit);
        uint64_t digits0 = _mm512_mask_cmple_epu8_mask(field[0], d0, nine),
                 digits1 = _mm512_mask_cmple_epu8_mask(field[1], d1, nine);
        uint64_t points0 = _mm512_mask_cmpeq_epi8_mask(field[0], x0, point),
                 points1 = _mm512_mask_cmpeq_epi8_mask(field[1], x1, point);
        /* A minus counts as a field's first byte: the lowest bit of its lane's mask. */
        uint64_t minus0 = _mm512_mask_cmpeq_epi8_mask(field[0] & ~((field[0] & ~tops) << 1), x0, minus);
        uint64_t minus1 = _mm512_mask_cmpeq_epi8_mask(field[1] & ~((field[1] & ~tops) << 1), x1, minus);
        uint64_t other = (field[0] ^ (digits0 | points0 | minus0)) | (field[1] ^ (digits1 | points1 | minus1));
        /* From here on 16 bits a row, in the rows' order. */
        __m128i points = _mm_unpacklo_epi16(_mm_cvtsi64_si128((int64_t)points0), _mm_cvtsi64_si128((int64_t)points1));
        __m128i digits = _mm_unpacklo_epi16(_mm_cvtsi64_si128((int64_t)digits0), _mm_cvtsi64_si128((int64_t)digits1));
        __m128i signs = _mm_unpacklo_epi16(_mm_cvtsi64_si128((int64_t)minus0), _mm_cvtsi64_si128((int64_t)minus1));
        __m128i below = _mm_sub_epi16(points, _mm_set1_epi16(1));
        __mmask8 two_points = _mm_test_epi16_mask(points, below);
        /* Bytes up to the point move up by one, over it. */
        __m128i moved = _mm_maskz_mov_epi16(_mm_test_epi16_mask(points, points), _mm_xor_si128(points, below));
        moved = _mm_shuffle_epi8(moved, split);
        d0 = _mm512_maskz_mov_epi8(digits0, d0);
        d1 = _mm512_maskz_mov_epi8(digits1, d1);
        d0 = _mm512_mask_mov_epi8(d0, (uint64_t)_mm_cvtsi128_si64(moved), _mm512_bslli_epi128(d0, 1));
        d1 = _mm512_mask_mov_epi8(d1, (uint64_t)_mm_extract_epi64(moved, 1), _mm512_bslli_epi128(d1, 1));
        d0 = _mm512_madd_epi16(_mm512_maddubs_epi16(d0, tens), hundreds);
        d1 = _mm512_madd_epi16(_mm512_maddubs_epi16(d1, tens), hundreds);
        __m512i halves = _mm512_madd_epi16(_mm512_packus_epi32(d0, d1), myriads);
        __m512i w = _mm512_add_epi64(_mm512_mul_epu32(halves, hundred_millions), _mm512_srli_epi64(halves, 32));
        /* 63 - its place leading zeros are before a point in byte p of 16: 15 - p digits follow, and 48 is 0 in 4 bits. */
        __m512i places = _mm512_lzcnt_epi64(_mm512_cvtepu16_epi64(points));
        __m512d value = _mm512_div_pd(_mm512_cvtepi64_pd(w), _mm512_permutex2var_pd(low_powers, places, high_powers));
        __m512i bits = _mm512_castpd_si512(value);
        bits = _mm512_mask_or_epi64(bits, _mm_test_epi16_mask(signs, signs), bits, sign);
        __mmask8 inexact = _mm512_cmpgt_epu64_mask(w, exact);
        if (__builtin_expect(other != 0 || (two_points | inexact | (__mmask8)~_mm_test_epi16_mask(digits, digits)) != 0,
                             0)) {
            n_slow += numbers_single(batch, first, i, i + 8, column, trim, out, slow + n_slow);
            continue;
        }
        _mm512_storeu_si512(out + i, bits);
    }
    return n_slow + numbers_single(batch, first, i, n_rows, column, trim, out, slow + n_slow);
}

const skimpi_csv_kernels skimpi_csv_avx512 = { "avx512", scan_avx512, csv_numbers_avx512 };

#endif
