/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Values of any type and stride as floats, doubles and codes; and blocked transposition, for rows of floats or doubles
 * side by side (C order), which every pass goes through.
 *
 * A tile of 8 × 8 floats (4 × 4 doubles) is transposed in registers.  Two tiles, one below the other, fill whole cache
 * lines of the columns; then comes the next pair to the right: so rows are read from left to right, a few at a time, which
 * is how the machine reads ahead best.
 */
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "data/arrays_internal.h"
#include "data/dictionary.h"

/* ---- one type ------------------------------------------------------------------------------------------------------- */

/* Half precision: the same digits with another exponent's bias; what has no exponent counts in units of 2^-24. */
static inline float half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 31, digits = half & 1023;
    const float small = (float)digits * 0x1p-24f;
    uint32_t bits = exponent == 31 ? 0x7f800000u | digits << 13 : (exponent + 112) << 23 | digits << 13;
    if (exponent == 0) {
        memcpy(&bits, &small, sizeof bits);
    }
    bits |= sign;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#define AS_IT_IS(x) (x)

/* Values may be anywhere, so they are loaded byte by byte as far as the language is concerned. */
#define GATHER(name, type, out_type, convert)                                                                          \
    static void name(const uint8_t *restrict from, int64_t stride, uint32_t n, void *restrict to)                      \
    {                                                                                                                  \
        out_type *restrict out = to;                                                                                   \
        type value;                                                                                                    \
        if (stride == (int64_t)sizeof value) {                                                                         \
            for (uint32_t i = 0; i < n; i++) {                                                                         \
                memcpy(&value, from + i * sizeof value, sizeof value);                                                 \
                out[i] = (out_type)convert(value);                                                                     \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (uint32_t i = 0; i < n; i++) {                                                                             \
            memcpy(&value, from + (int64_t)i * stride, sizeof value);                                                  \
            out[i] = (out_type)convert(value);                                                                         \
        }                                                                                                              \
    }
#define GATHERS(type, ctype, convert)                                                                                  \
    GATHER(type##_to_f32, ctype, float, convert)                                                                       \
    GATHER(type##_to_f64, ctype, double, convert)

GATHERS(i8, int8_t, AS_IT_IS)
GATHERS(i16, int16_t, AS_IT_IS)
GATHERS(u8, uint8_t, AS_IT_IS)
GATHERS(u16, uint16_t, AS_IT_IS)
GATHERS(f16, uint16_t, half_to_float)
GATHERS(f32, float, AS_IT_IS)
GATHER(i32_to_f64, int32_t, double, AS_IT_IS)
GATHER(i64_to_f64, int64_t, double, AS_IT_IS)
GATHER(u32_to_f64, uint32_t, double, AS_IT_IS)
GATHER(u64_to_f64, uint64_t, double, AS_IT_IS)
GATHER(f64_to_f64, double, double, AS_IT_IS)

/* Codes: what is no category becomes UNKNOWN here already, so that it fits 32 bits. */
#define NEVER(value) false
#define BELOW_ZERO(value) ((value) < 0)
#define GATHER_CODES(type, ctype, is_missing)                                                                          \
    static void type##_to_codes(const uint8_t *from, int64_t stride, uint32_t n, uint64_t limit, uint32_t *out)        \
    {                                                                                                                  \
        ctype value;                                                                                                   \
        for (uint32_t i = 0; i < n; i++) {                                                                             \
            memcpy(&value, from + (int64_t)i * stride, sizeof value);                                                  \
            out[i] = is_missing(value)          ? SKIMPI_CODE_MISSING                                                  \
                     : (uint64_t)value >= limit ? SKIMPI_CODE_UNKNOWN                                                  \
                                                : (uint32_t)value;                                                     \
        }                                                                                                              \
    }

GATHER_CODES(i8, int8_t, BELOW_ZERO)
GATHER_CODES(i16, int16_t, BELOW_ZERO)
GATHER_CODES(i32, int32_t, BELOW_ZERO)
GATHER_CODES(i64, int64_t, BELOW_ZERO)
GATHER_CODES(u8, uint8_t, NEVER)
GATHER_CODES(u16, uint16_t, NEVER)
GATHER_CODES(u32, uint32_t, NEVER)
GATHER_CODES(u64, uint64_t, NEVER)

typedef struct gatherers {
    void (*to_f32)(const uint8_t *, int64_t, uint32_t, void *); /* NULL: not all are floats */
    void (*to_f64)(const uint8_t *, int64_t, uint32_t, void *);
    void (*to_codes)(const uint8_t *, int64_t, uint32_t, uint64_t, uint32_t *);
} gatherers;

static const gatherers by_type[] = {
    [SKIMP_DTYPE_BOOL] = { u8_to_f32, u8_to_f64, u8_to_codes },
    [SKIMP_DTYPE_I8] = { i8_to_f32, i8_to_f64, i8_to_codes },
    [SKIMP_DTYPE_I16] = { i16_to_f32, i16_to_f64, i16_to_codes },
    [SKIMP_DTYPE_I32] = { NULL, i32_to_f64, i32_to_codes },
    [SKIMP_DTYPE_I64] = { NULL, i64_to_f64, i64_to_codes },
    [SKIMP_DTYPE_U8] = { u8_to_f32, u8_to_f64, u8_to_codes },
    [SKIMP_DTYPE_U16] = { u16_to_f32, u16_to_f64, u16_to_codes },
    [SKIMP_DTYPE_U32] = { NULL, u32_to_f64, u32_to_codes },
    [SKIMP_DTYPE_U64] = { NULL, u64_to_f64, u64_to_codes },
    [SKIMP_DTYPE_F16] = { f16_to_f32, f16_to_f64, NULL },
    [SKIMP_DTYPE_F32] = { f32_to_f32, f32_to_f64, NULL },
    [SKIMP_DTYPE_F64] = { NULL, f64_to_f64, NULL },
};

bool skimpi_gathers_to_float(skimp_dtype dtype)
{
    return dtype == SKIMP_DTYPE_BIT || by_type[dtype].to_f32 != NULL;
}

/* ---- a column ------------------------------------------------------------------------------------------------------- */

static inline bool bit_at(const uint8_t *bits, uint64_t place)
{
    return bits[place / 8] >> place % 8 & 1;
}

/* Calls for each row whose value is missing. Eight rows that are all there are passed over at once. */
#define FOR_MISSING(column, first, n, i, action)                                                                       \
    for (uint64_t i = 0, place = (column)->validity_offset + (first); (column)->validity != NULL && i < (n);           \
         i++, place++) {                                                                                               \
        if (place % 8 == 0 && (column)->validity[place / 8] == 0xff) {                                                 \
            i += 7;                                                                                                    \
            place += 7;                                                                                                \
        } else if (!bit_at((column)->validity, place)) {                                                               \
            action;                                                                                                    \
        }                                                                                                              \
    }

static const uint8_t *value_at(const skimp_data_column *column, uint64_t row)
{
    return (const uint8_t *)column->values + (int64_t)row * column->stride;
}

void skimpi_gather_f32(const skimp_data_column *column, uint64_t first, uint32_t n, float *out)
{
    if (column->dtype == SKIMP_DTYPE_BIT) {
        for (uint32_t i = 0; i < n; i++) {
            out[i] = bit_at(column->values, column->bit_offset + first + i);
        }
    } else {
        by_type[column->dtype].to_f32(value_at(column, first), column->stride, n, out);
    }
    FOR_MISSING(column, first, n, i, out[i] = NAN)
}

void skimpi_gather_f64(const skimp_data_column *column, uint64_t first, uint32_t n, double *out)
{
    if (column->dtype == SKIMP_DTYPE_BIT) {
        for (uint32_t i = 0; i < n; i++) {
            out[i] = bit_at(column->values, column->bit_offset + first + i);
        }
    } else {
        by_type[column->dtype].to_f64(value_at(column, first), column->stride, n, out);
    }
    FOR_MISSING(column, first, n, i, out[i] = NAN)
}

void skimpi_gather_codes(const skimp_data_column *column, uint64_t first, uint32_t n, uint32_t *out, uint64_t *bad)
{
    by_type[column->dtype].to_codes(value_at(column, first), column->stride, n, column->n_categories, out);
    FOR_MISSING(column, first, n, i, out[i] = SKIMPI_CODE_MISSING)
    uint32_t i = 0;
    while (i < n && out[i] != SKIMPI_CODE_UNKNOWN) {
        i++;
    }
    *bad = i < n ? first + i : UINT64_MAX;
}

/* ---- tiles ---------------------------------------------------------------------------------------------------------- */

#define STRIP_F32 16u /* rows that fill a cache line of a column */
#define STRIP_F64 8u

/* What tiles leave: some rows of some columns, one by one. */
#define PIECE(name, type)                                                                                              \
    static void name(const uint8_t *values, int64_t row_stride, uint32_t n_rows, uint32_t n_columns, type *out,        \
                     size_t stride)                                                                                    \
    {                                                                                                                  \
        for (uint32_t c = 0; c < n_columns; c++) {                                                                     \
            for (uint32_t i = 0; i < n_rows; i++) {                                                                    \
                memcpy(out + c * stride + i, values + (int64_t)i * row_stride + c * sizeof *out, sizeof *out);         \
            }                                                                                                          \
        }                                                                                                              \
    }
PIECE(piece_f32, float)
PIECE(piece_f64, double)

#if defined(__x86_64__)
#define TILE SKIMPI_TARGET_AVX2 static inline __attribute__((always_inline))

/* Four columns of eight rows: the columns of rows 0 … 3 in one half of the registers, of rows 4 … 7 in the other. */
TILE void tile_f32(const uint8_t *from, int64_t row_stride, float *out, size_t stride)
{
    __m256 row[4];
    for (int i = 0; i < 4; i++) {
        const __m128 upper = _mm_loadu_ps((const float *)(from + i * row_stride));
        const __m128 lower = _mm_loadu_ps((const float *)(from + (i + 4) * row_stride));
        row[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(upper), lower, 1);
    }
    const __m256 low01 = _mm256_unpacklo_ps(row[0], row[1]), high01 = _mm256_unpackhi_ps(row[0], row[1]);
    const __m256 low23 = _mm256_unpacklo_ps(row[2], row[3]), high23 = _mm256_unpackhi_ps(row[2], row[3]);
    _mm256_storeu_ps(out, _mm256_shuffle_ps(low01, low23, 0x44));
    _mm256_storeu_ps(out + stride, _mm256_shuffle_ps(low01, low23, 0xee));
    _mm256_storeu_ps(out + 2 * stride, _mm256_shuffle_ps(high01, high23, 0x44));
    _mm256_storeu_ps(out + 3 * stride, _mm256_shuffle_ps(high01, high23, 0xee));
}

/* Two columns of four rows. */
TILE void tile_f64(const uint8_t *from, int64_t row_stride, double *out, size_t stride)
{
    __m256d row[2];
    for (int i = 0; i < 2; i++) {
        const __m128d upper = _mm_loadu_pd((const double *)(from + i * row_stride));
        const __m128d lower = _mm_loadu_pd((const double *)(from + (i + 2) * row_stride));
        row[i] = _mm256_insertf128_pd(_mm256_castpd128_pd256(upper), lower, 1);
    }
    _mm256_storeu_pd(out, _mm256_unpacklo_pd(row[0], row[1]));
    _mm256_storeu_pd(out + stride, _mm256_unpackhi_pd(row[0], row[1]));
}

#define STRIPS(name, type, tile, piece, strip, tile_rows, tile_columns)                                                \
    SKIMPI_TARGET_AVX2 static uint32_t name(const uint8_t *values, int64_t row_stride, uint32_t n_rows,                \
                                            uint32_t n_columns, type *out, size_t stride)                              \
    {                                                                                                                  \
        uint32_t row = 0;                                                                                              \
        for (; row + (strip) <= n_rows; row += (strip)) {                                                              \
            const uint8_t *from = values + (int64_t)row * row_stride;                                                  \
            uint32_t c = 0;                                                                                            \
            for (; c + (tile_columns) <= n_columns; c += (tile_columns)) {                                             \
                type *to = out + c * stride + row;                                                                     \
                tile(from + c * sizeof *out, row_stride, to, stride);                                                  \
                tile(from + (tile_rows)*row_stride + c * sizeof *out, row_stride, to + (tile_rows), stride);           \
            }                                                                                                          \
            piece(from + c * sizeof *out, row_stride, (strip), n_columns - c, out + c * stride + row, stride);         \
        }                                                                                                              \
        return row;                                                                                                    \
    }
STRIPS(strips_f32, float, tile_f32, piece_f32, STRIP_F32, 8, 4)
STRIPS(strips_f64, double, tile_f64, piece_f64, STRIP_F64, 4, 2)
#endif

#define TILES(name, type, strips, piece, strip)                                                                        \
    void name(const uint8_t *values, int64_t row_stride, uint32_t n_rows, uint32_t n_columns, type *out,               \
              size_t stride)                                                                                           \
    {                                                                                                                  \
        uint32_t row = 0;                                                                                              \
        if (skimpi_encoding_loops() != SKIMPI_LOOPS_PLAIN) {                                                           \
            row = strips(values, row_stride, n_rows, n_columns, out, stride);                                          \
        }                                                                                                              \
        for (; row < n_rows; row += (strip)) {                                                                         \
            const uint32_t n = n_rows - row < (strip) ? n_rows - row : (strip);                                        \
            piece(values + (int64_t)row * row_stride, row_stride, n, n_columns, out + row, stride);                    \
        }                                                                                                              \
    }

#if !defined(__x86_64__)
#define strips_f32(values, row_stride, n_rows, n_columns, out, stride) 0
#define strips_f64(values, row_stride, n_rows, n_columns, out, stride) 0
#endif
TILES(skimpi_gather_tiles_f32, float, strips_f32, piece_f32, STRIP_F32)
TILES(skimpi_gather_tiles_f64, double, strips_f64, piece_f64, STRIP_F64)
