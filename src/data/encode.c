/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Encoding: one look at a column tells what it needs, a second one writes it.
 *
 * The plain loops are the reference; on x86 the look has AVX2 and AVX-512 forms, and the loops that write are compiled
 * for each of them too.  All forms give the same bytes.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/encoding.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))

static atomic_int loops_limit = SKIMPI_LOOPS_AVX512;

void skimpi_encoding_limit(int loops)
{
    atomic_store(&loops_limit, loops);
}

int skimpi_encoding_loops(void)
{
    int best = SKIMPI_LOOPS_PLAIN;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        best = SKIMPI_LOOPS_AVX512;
    } else if (__builtin_cpu_supports("avx2")) {
        best = SKIMPI_LOOPS_AVX2;
    }
#endif
    int limit = atomic_load_explicit(&loops_limit, memory_order_relaxed);
    return best < limit ? best : limit;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

uint32_t skimpi_chunk_columns(const skimpi_schema *schema)
{
    uint32_t extra = (schema->target >= 0) + (schema->weight >= 0);
    return (schema->sparse ? 3 : schema->n_numeric + schema->n_category) + extra;
}

uint64_t skimpi_chunk_head_bytes(uint32_t n_columns)
{
    return sizeof(skimpi_chunk_header) +
           skimpi_round_up((size_t)n_columns * sizeof(skimpi_chunk_column), SKIMPI_CHUNK_ALIGN);
}

/* count columns of n values of `width` bytes, or UINT64_MAX. */
static uint64_t columns_sat(uint64_t count, uint64_t n, uint64_t width)
{
    return n > (UINT64_MAX >> 8) ? UINT64_MAX : skimpi_mul_sat(count, skimpi_column_bytes(n, width));
}

static uint64_t bound(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros)
{
    uint64_t bytes = columns_sat((schema->target >= 0) + (schema->weight >= 0), rows, 8);
    if (schema->sparse) {
        bytes = skimpi_add_sat(bytes, columns_sat(1, (uint64_t)rows + 1, 4));
        bytes = skimpi_add_sat(bytes, columns_sat(1, nonzeros, schema->index64 ? 8 : 4));
        return skimpi_add_sat(bytes, columns_sat(1, nonzeros, 8));
    }
    bytes = skimpi_add_sat(bytes, columns_sat(schema->n_numeric, rows, 8));
    return skimpi_add_sat(bytes, columns_sat(schema->n_category, rows, 4));
}

uint64_t skimpi_chunk_decoded_bound(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros)
{
    return bound(schema, rows, nonzeros);
}

uint64_t skimpi_chunk_bound(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros)
{
    return skimpi_add_sat(bound(schema, rows, nonzeros), skimpi_chunk_head_bytes(skimpi_chunk_columns(schema)));
}

/* ---- one look at a column ------------------------------------------------------------------------------------------ */

/* What a look gathers; the forms below each add values to it. Infinities are in the extremes until the end. */
typedef struct look {
    double low, high;
    uint64_t first; /* bits */
    uint64_t missing;
    bool differs, not_integer, not_float;
} look;

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

#define NEGATIVE_ZERO 0x8000000000000000u

static void look_plain(look *l, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = v[i];
        uint64_t bits = bits_of(x);
        l->low = x < l->low ? x : l->low;
        l->high = x > l->high ? x : l->high;
        l->missing += x != x;
        l->differs |= bits != l->first;
        /* A double of 2^52 or more has no fraction; below, adding 1.5 × 2^52 and taking it away rounds to an integer. */
        double whole = fabs(x) < 4503599627370496.0 ? (x + 6755399441055744.0) - 6755399441055744.0 : x;
        l->not_integer |= bits == NEGATIVE_ZERO || (x == x && whole != x);
        l->not_float |= x == x && fabs(x) <= FLT_MAX ? (double)(float)x != x : x == x && fabs(x) <= DBL_MAX;
    }
}

#if defined(__x86_64__)
SKIMPI_TARGET_AVX2 static void look_avx2(look *l, const double *v, size_t n)
{
    __m256d low = _mm256_set1_pd(l->low), high = _mm256_set1_pd(l->high);
    __m256i first = _mm256_set1_epi64x((long long)l->first), same = _mm256_set1_epi64x(-1),
            missing = _mm256_setzero_si256();
    __m256i zero = _mm256_set1_epi64x((long long)NEGATIVE_ZERO);
    __m256d fraction = _mm256_setzero_pd(), rounds = _mm256_setzero_pd();
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256d x = _mm256_loadu_pd(v + i);
        __m256i bits = _mm256_castpd_si256(x);
        low = _mm256_min_pd(x, low); /* the second operand where one is NaN */
        high = _mm256_max_pd(x, high);
        missing = _mm256_sub_epi64(missing, _mm256_castpd_si256(_mm256_cmp_pd(x, x, _CMP_UNORD_Q)));
        same = _mm256_and_si256(same, _mm256_cmpeq_epi64(bits, first));
        __m256d whole = _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        fraction = _mm256_or_pd(fraction, _mm256_cmp_pd(x, whole, _CMP_NEQ_OQ));
        fraction = _mm256_or_pd(fraction, _mm256_castsi256_pd(_mm256_cmpeq_epi64(bits, zero)));
        rounds = _mm256_or_pd(rounds, _mm256_cmp_pd(x, _mm256_cvtps_pd(_mm256_cvtpd_ps(x)), _CMP_NEQ_OQ));
    }
    double lows[4], highs[4];
    uint64_t counts[4];
    _mm256_storeu_pd(lows, low);
    _mm256_storeu_pd(highs, high);
    _mm256_storeu_si256((__m256i *)counts, missing);
    for (int k = 0; k < 4; k++) {
        l->low = lows[k] < l->low ? lows[k] : l->low;
        l->high = highs[k] > l->high ? highs[k] : l->high;
        l->missing += counts[k];
    }
    l->differs |= _mm256_movemask_epi8(same) != -1;
    l->not_integer |= _mm256_movemask_pd(fraction) != 0;
    l->not_float |= _mm256_movemask_pd(rounds) != 0;
    look_plain(l, v + i, n - i);
}

SKIMPI_TARGET_AVX512 static void look_avx512(look *l, const double *v, size_t n)
{
    __m512d low = _mm512_set1_pd(l->low), high = _mm512_set1_pd(l->high);
    __m512i first = _mm512_set1_epi64((long long)l->first), zero = _mm512_set1_epi64((long long)NEGATIVE_ZERO);
    __m512i missing = _mm512_setzero_si512(), one = _mm512_set1_epi64(1);
    __mmask8 differs = 0, fraction = 0, rounds = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m512d x = _mm512_loadu_pd(v + i);
        __m512i bits = _mm512_castpd_si512(x);
        low = _mm512_min_pd(x, low);
        high = _mm512_max_pd(x, high);
        missing = _mm512_mask_add_epi64(missing, _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q), missing, one);
        differs |= _mm512_cmpneq_epi64_mask(bits, first);
        __m512d whole = _mm512_roundscale_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        fraction |= _mm512_cmp_pd_mask(x, whole, _CMP_NEQ_OQ) | _mm512_cmpeq_epi64_mask(bits, zero);
        rounds |= _mm512_cmp_pd_mask(x, _mm512_cvtps_pd(_mm512_cvtpd_ps(x)), _CMP_NEQ_OQ);
    }
    l->low = _mm512_reduce_min_pd(low);
    l->high = _mm512_reduce_max_pd(high);
    l->missing += (uint64_t)_mm512_reduce_add_epi64(missing);
    l->differs |= differs != 0;
    l->not_integer |= fraction != 0;
    l->not_float |= rounds != 0;
    look_plain(l, v + i, n - i);
}
#endif

static void look_at(look *l, const double *v, size_t n)
{
    switch (skimpi_encoding_loops()) {
#if defined(__x86_64__)
    case SKIMPI_LOOPS_AVX512:
        look_avx512(l, v, n);
        break;
    case SKIMPI_LOOPS_AVX2:
        look_avx2(l, v, n);
        break;
#endif
    default:
        look_plain(l, v, n);
        break;
    }
}

void skimpi_column_scan_run(const double *values, size_t n, skimpi_column_scan *scan)
{
    look l = { .low = INFINITY, .high = -INFINITY, .first = n != 0 ? bits_of(values[0]) : 0 };
    look_at(&l, values, n);
    *scan = (skimpi_column_scan){ .minimum = l.low,
                                  .maximum = l.high,
                                  .n_missing = l.missing,
                                  .first = n != 0 ? values[0] : 0,
                                  .constant = !l.differs,
                                  .integers = !l.not_integer,
                                  .floats = !l.not_float };
    if (n != l.missing && (l.low == -INFINITY || l.high == INFINITY)) {
        scan->integers = false;
        scan->minimum = INFINITY;
        scan->maximum = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            double x = values[i];
            bool finite = fabs(x) <= DBL_MAX;
            scan->n_infinite += !finite && x == x;
            scan->minimum = finite && x < scan->minimum ? x : scan->minimum;
            scan->maximum = finite && x > scan->maximum ? x : scan->maximum;
        }
    }
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* Whether rounding to floats moves values by at most 2^-21 of their spread: |v| 2^-24 ≤ 2^-21 (max - min). */
static bool spread_allows_float(double minimum, double maximum)
{
    double spread = maximum - minimum;
    double largest = fmax(fabs(minimum), fabs(maximum));
    return largest <= FLT_MAX && spread >= FLT_MIN && largest <= 8 * spread;
}

skimpi_chunk_column skimpi_encoding_choose(const skimpi_column_scan *scan, bool exact)
{
    skimpi_chunk_column column = { .encoding = SKIMPI_ENC_F64 };
    bool any_finite = scan->minimum <= scan->maximum;
    double range = scan->maximum - scan->minimum;
    if (scan->constant || (!any_finite && scan->n_infinite == 0)) {
        column.encoding = SKIMPI_ENC_CONSTANT;
        column.base = scan->first;
    } else if (scan->integers && range <= UINT8_MAX - 1) {
        column.encoding = SKIMPI_ENC_U8;
    } else if (scan->integers && range <= UINT16_MAX - 1) {
        column.encoding = SKIMPI_ENC_U16;
    } else if (scan->floats) {
        column.encoding = SKIMPI_ENC_F32;
    } else if (scan->integers && range <= UINT32_MAX - 1) {
        column.encoding = SKIMPI_ENC_U32;
    } else if (!exact && any_finite && spread_allows_float(scan->minimum, scan->maximum)) {
        column.encoding = SKIMPI_ENC_F32;
    }
    if (column.encoding == SKIMPI_ENC_U8 || column.encoding == SKIMPI_ENC_U16 || column.encoding == SKIMPI_ENC_U32) {
        column.base = scan->minimum;
    }
    return column;
}

void skimpi_decoded_size_expect(const skimpi_column_scan *scan, uint8_t *memory, uint8_t *file)
{
    skimpi_chunk_column column = skimpi_encoding_choose(scan, false);
    bool is_float = skimpi_decodes_to_float(&column);
    *memory = is_float ? sizeof(float) : sizeof(double);
    *file = scan->integers || is_float ? *memory : 0;
}

/* The loops below are stamped out for each instruction set: through int32 where that holds the code, as vectors like it. */
static ALWAYS_INLINE void to_u8(const double *restrict v, size_t n, double base, uint8_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        double code = v[i] - base;
        out[i] = (uint8_t)(int32_t)(code == code ? code : UINT8_MAX);
    }
}

static ALWAYS_INLINE void to_u16(const double *restrict v, size_t n, double base, uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        double code = v[i] - base;
        out[i] = (uint16_t)(int32_t)(code == code ? code : UINT16_MAX);
    }
}

static ALWAYS_INLINE void to_u32(const double *restrict v, size_t n, double base, uint32_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        double code = v[i] - base;
        out[i] = (uint32_t)(int64_t)(code == code ? code : UINT32_MAX);
    }
}

static ALWAYS_INLINE void to_f32(const double *restrict v, size_t n, float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)v[i];
    }
}

static ALWAYS_INLINE void numbers_body(const skimpi_chunk_column *column, const double *values, size_t n, void *out)
{
    switch (column->encoding) {
    case SKIMPI_ENC_U8:
        to_u8(values, n, column->base, out);
        break;
    case SKIMPI_ENC_U16:
        to_u16(values, n, column->base, out);
        break;
    case SKIMPI_ENC_U32:
        to_u32(values, n, column->base, out);
        break;
    case SKIMPI_ENC_F32:
        to_f32(values, n, out);
        break;
    case SKIMPI_ENC_F64:
        memcpy(out, values, n * sizeof(double));
        break;
    default:
        break;
    }
}

static ALWAYS_INLINE void halve_body(const uint32_t *restrict in, size_t n, uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint16_t)in[i];
    }
}

static ALWAYS_INLINE void quarter_body(const uint32_t *restrict in, size_t n, uint8_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)in[i];
    }
}

/* Largest code but the two special ones; whether there is any of those; how many are missing; whether all are alike. */
typedef struct code_look {
    uint32_t largest;
    uint32_t missing;
    bool constant;
} code_look;

static ALWAYS_INLINE code_look look_at_codes_body(const uint32_t *codes, size_t n)
{
    uint32_t largest = 2, missing = 0, differs = 0, first = n != 0 ? codes[0] : 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t code = codes[i] + 2; /* the special ones become 0 and 1 */
        largest = code > largest ? code : largest;
        missing += codes[i] == SKIMPI_CODE_MISSING ? 1 : 0;
        differs |= codes[i] ^ first;
    }
    return (code_look){ .largest = largest - 2, .missing = missing, .constant = differs == 0 };
}

/* Whether no value too small for a float's full precision loses digits as one. */
static ALWAYS_INLINE bool small_survive_body(const double *values, size_t n)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < n; i++) {
        lost |= (uint64_t)(fabs(values[i]) < FLT_MIN) & (uint64_t)((double)(float)values[i] != values[i]);
    }
    return lost == 0;
}

static void numbers_plain(const skimpi_chunk_column *column, const double *values, size_t n, void *out)
{
    numbers_body(column, values, n, out);
}
static void halve_plain(const uint32_t *in, size_t n, uint16_t *out)
{
    halve_body(in, n, out);
}
static void quarter_plain(const uint32_t *in, size_t n, uint8_t *out)
{
    quarter_body(in, n, out);
}
static code_look look_at_codes_plain(const uint32_t *codes, size_t n)
{
    return look_at_codes_body(codes, n);
}
static bool small_survive_plain(const double *values, size_t n)
{
    return small_survive_body(values, n);
}

typedef struct loops {
    void (*numbers)(const skimpi_chunk_column *, const double *, size_t, void *);
    void (*halve)(const uint32_t *, size_t, uint16_t *);
    void (*quarter)(const uint32_t *, size_t, uint8_t *);
    code_look (*look_at_codes)(const uint32_t *, size_t);
    bool (*small_survive)(const double *, size_t);
} loops;

static const loops plain_loops = { numbers_plain, halve_plain, quarter_plain, look_at_codes_plain,
                                   small_survive_plain };

#if defined(__x86_64__)
SKIMPI_TARGET_AVX2 static void numbers_avx2(const skimpi_chunk_column *column, const double *values, size_t n,
                                            void *out)
{
    numbers_body(column, values, n, out);
}
SKIMPI_TARGET_AVX2 static void halve_avx2(const uint32_t *in, size_t n, uint16_t *out)
{
    halve_body(in, n, out);
}
SKIMPI_TARGET_AVX2 static void quarter_avx2(const uint32_t *in, size_t n, uint8_t *out)
{
    quarter_body(in, n, out);
}
SKIMPI_TARGET_AVX2 static code_look look_at_codes_avx2(const uint32_t *codes, size_t n)
{
    return look_at_codes_body(codes, n);
}
SKIMPI_TARGET_AVX2 static bool small_survive_avx2(const double *values, size_t n)
{
    return small_survive_body(values, n);
}

SKIMPI_TARGET_AVX512 static void numbers_avx512(const skimpi_chunk_column *column, const double *values, size_t n,
                                                void *out)
{
    numbers_body(column, values, n, out);
}
SKIMPI_TARGET_AVX512 static void halve_avx512(const uint32_t *in, size_t n, uint16_t *out)
{
    halve_body(in, n, out);
}
SKIMPI_TARGET_AVX512 static void quarter_avx512(const uint32_t *in, size_t n, uint8_t *out)
{
    quarter_body(in, n, out);
}
SKIMPI_TARGET_AVX512 static code_look look_at_codes_avx512(const uint32_t *codes, size_t n)
{
    return look_at_codes_body(codes, n);
}
SKIMPI_TARGET_AVX512 static bool small_survive_avx512(const double *values, size_t n)
{
    return small_survive_body(values, n);
}

static const loops avx2_loops = { numbers_avx2, halve_avx2, quarter_avx2, look_at_codes_avx2, small_survive_avx2 };
static const loops avx512_loops = { numbers_avx512, halve_avx512, quarter_avx512, look_at_codes_avx512,
                                    small_survive_avx512 };
#endif

static const loops *best_loops(void)
{
    switch (skimpi_encoding_loops()) {
#if defined(__x86_64__)
    case SKIMPI_LOOPS_AVX512:
        return &avx512_loops;
    case SKIMPI_LOOPS_AVX2:
        return &avx2_loops;
#endif
    default:
        return &plain_loops;
    }
}

/* Zeros from the last value to the end of the column; returns the column's bytes. */
static uint64_t finish_column(unsigned encoding, uint64_t n, void *out)
{
    uint64_t width = skimpi_encoding_width(encoding);
    uint64_t bytes = skimpi_column_bytes(n, width);
    memset((char *)out + n * width, 0, bytes - n * width);
    return bytes;
}

uint64_t skimpi_encode_numbers(const skimpi_chunk_column *column, const double *values, uint32_t n, void *out)
{
    best_loops()->numbers(column, values, n, out);
    return finish_column(column->encoding, n, out);
}

/* ---- codes and sparse blocks ------------------------------------------------------------------------------------- */

/* Codes as they are, in bytes or pairs of them: MISSING and UNKNOWN are all ones and all ones but the last in every width. */
uint64_t skimpi_encode_codes(const uint32_t *codes, uint32_t n, skimpi_chunk_column *column, void *out,
                             uint64_t *n_missing)
{
    const loops *best = best_loops();
    code_look l = best->look_at_codes(codes, n);
    *n_missing = l.missing;
    *column = (skimpi_chunk_column){ .encoding = SKIMPI_ENC_U32 };
    if (n == 0 || l.constant) {
        column->encoding = SKIMPI_ENC_CONSTANT;
        column->base = n != 0 ? codes[0] : 0;
    } else if (l.largest < UINT8_MAX - 1) {
        column->encoding = SKIMPI_ENC_U8;
        best->quarter(codes, n, out);
    } else if (l.largest < UINT16_MAX - 1) {
        column->encoding = SKIMPI_ENC_U16;
        best->halve(codes, n, out);
    } else {
        memcpy(out, codes, (size_t)n * sizeof(*codes));
    }
    return finish_column(column->encoding, n, out);
}

skimpi_chunk_column skimpi_indices_choose(uint64_t limit)
{
    return (skimpi_chunk_column){ .encoding = limit > (uint64_t)UINT32_MAX + 1   ? SKIMPI_ENC_U64
                                              : limit > (uint64_t)UINT16_MAX + 1 ? SKIMPI_ENC_U32
                                                                                 : SKIMPI_ENC_U16 };
}

uint64_t skimpi_encode_indices(const uint32_t *indices, const uint64_t *indices64, uint64_t n,
                               const skimpi_chunk_column *column, void *out)
{
    if (column->encoding == SKIMPI_ENC_U64) {
        memcpy(out, indices64, n * sizeof(*indices64));
    } else if (column->encoding == SKIMPI_ENC_U32) {
        if (indices != NULL) {
            memcpy(out, indices, n * sizeof(*indices));
        } else {
            for (uint64_t i = 0; i < n; i++) {
                ((uint32_t *)out)[i] = (uint32_t)indices64[i];
            }
        }
    } else if (indices != NULL) {
        best_loops()->halve(indices, n, out);
    } else {
        for (uint64_t i = 0; i < n; i++) {
            ((uint16_t *)out)[i] = (uint16_t)indices64[i];
        }
    }
    return finish_column(column->encoding, n, out);
}

typedef struct common_feature {
    uint64_t index;
    double minimum, maximum;
} common_feature;

static uint64_t index_at(const skimpi_csr_view *csr, uint64_t i)
{
    return csr->indices != NULL ? csr->indices[i] : csr->indices64[i];
}

/* The number of entries of the shortest row, and which row that is. */
static uint64_t shortest_row(const skimpi_csr_view *csr, uint32_t *row)
{
    uint64_t shortest = UINT64_MAX;
    for (uint32_t r = 0; r < csr->n_rows; r++) {
        const uint64_t length = csr->row_end[r] - (r != 0 ? csr->row_end[r - 1] : 0);
        if (length < shortest) {
            shortest = length;
            *row = r;
        }
    }
    return shortest;
}

/*
 * Follows the features that are present in every row, starting from the shortest row, in `common`, which has room for
 * that row's entries.  In data that is sparse none are left after a few rows.
 */
static bool common_features_allow_floats(const skimpi_csr_view *csr, common_feature *common)
{
    uint32_t shortest = 0;
    uint64_t n_common = shortest_row(csr, &shortest);
    uint64_t begin = shortest != 0 ? csr->row_end[shortest - 1] : 0;
    for (uint64_t i = 0; i < n_common; i++) {
        common[i] = (common_feature){ index_at(csr, begin + i), csr->values[begin + i], csr->values[begin + i] };
    }
    begin = 0;
    for (uint32_t r = 0; r < csr->n_rows && n_common != 0; r++) {
        uint64_t end = csr->row_end[r], kept = 0, at = begin;
        for (uint64_t i = 0; i < n_common; i++) {
            while (at < end && index_at(csr, at) < common[i].index) {
                at++;
            }
            if (at < end && index_at(csr, at) == common[i].index) {
                double x = csr->values[at];
                common_feature c = common[i];
                c.minimum = x < c.minimum ? x : c.minimum;
                c.maximum = x > c.maximum ? x : c.maximum;
                common[kept++] = c;
            }
        }
        n_common = kept;
        begin = end;
    }
    for (uint64_t i = 0; i < n_common; i++) {
        double low = common[i].minimum, high = common[i].maximum;
        bool exact = low == high && (double)(float)low == low;
        if (!exact && !spread_allows_float(low, high)) {
            return false;
        }
    }
    return true;
}

/* May they become floats, if the features that are in every row allow it? */
static bool may_be_floats(const skimpi_csr_view *csr, const skimpi_column_scan *scan)
{
    return csr->n_rows >= 3 && scan->n_infinite + scan->n_missing == 0 &&
           fmax(-scan->minimum, scan->maximum) <= FLT_MAX && best_loops()->small_survive(csr->values, csr->nonzeros);
}

uint64_t skimpi_values_scratch(const skimpi_csr_view *csr, const skimpi_column_scan *scan)
{
    uint32_t row = 0;
    return scan->floats || csr->n_rows < 3 ? 0 : shortest_row(csr, &row) * sizeof(common_feature);
}

skimpi_chunk_column skimpi_values_choose(const skimpi_csr_view *csr, const skimpi_column_scan *scan, void *scratch)
{
    skimpi_chunk_column column = { .encoding = SKIMPI_ENC_F64 };
    if (csr->nonzeros == 0 || (scan->constant && scan->first == 1)) {
        column.encoding = SKIMPI_ENC_CONSTANT;
        column.base = 1;
    } else if (scan->floats || (may_be_floats(csr, scan) && common_features_allow_floats(csr, scratch))) {
        column.encoding = SKIMPI_ENC_F32;
    }
    return column;
}

uint64_t skimpi_encode_values(const skimpi_csr_view *csr, const skimpi_chunk_column *column, void *out)
{
    if (column->encoding == SKIMPI_ENC_CONSTANT) {
        return 0;
    }
    best_loops()->numbers(column, csr->values, csr->nonzeros, out);
    return finish_column(column->encoding, csr->nonzeros, out);
}
