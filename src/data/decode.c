/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decoding: plain loops that the compiler turns into vectors, stamped out for AVX2 and AVX-512 as well.  All forms give
 * the same values.  Any bytes are allowed: what they could make of sizes is checked by the reader (store_read.c).
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/encoding.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Integers up to 2^24 are floats. */
#define FLOAT_INTEGERS 16777216.0

bool skimpi_decodes_to_float(const skimpi_chunk_column *column)
{
    double base = column->base;
    switch (column->encoding) {
    case SKIMPI_ENC_CONSTANT:
        return base != base || isinf(base) || (fabs(base) <= FLT_MAX && (double)(float)base == base);
    case SKIMPI_ENC_U8:
    case SKIMPI_ENC_U16:
        return base >= -FLOAT_INTEGERS && base <= FLOAT_INTEGERS - UINT16_MAX;
    case SKIMPI_ENC_F32:
    case SKIMPI_ENC_DECIMAL:
        return true;
    default:
        return false;
    }
}

/* NaN is added where a value is missing: choosing between it and the value would keep the compiler from making vectors. */
static ALWAYS_INLINE void u8_to_f32(const uint8_t *restrict in, size_t n, int32_t base, float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        float missing = in[i] == UINT8_MAX ? NAN : 0;
        out[i] = (float)(base + (int32_t)in[i]) + missing;
    }
}

static ALWAYS_INLINE void u16_to_f32(const uint16_t *restrict in, size_t n, int32_t base, float *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        float missing = in[i] == UINT16_MAX ? NAN : 0;
        out[i] = (float)(base + (int32_t)in[i]) + missing;
    }
}

static ALWAYS_INLINE void u8_to_f64(const uint8_t *restrict in, size_t n, double base, double *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        double missing = in[i] == UINT8_MAX ? NAN : 0;
        out[i] = base + (double)in[i] + missing;
    }
}

static ALWAYS_INLINE void u16_to_f64(const uint16_t *restrict in, size_t n, double base, double *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        double missing = in[i] == UINT16_MAX ? NAN : 0;
        out[i] = base + (double)in[i] + missing;
    }
}

static ALWAYS_INLINE void u32_to_f64(const uint32_t *restrict in, size_t n, double base, double *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        double missing = in[i] == UINT32_MAX ? NAN : 0;
        out[i] = base + (double)in[i] + missing;
    }
}

static ALWAYS_INLINE void f32_to_f64(const float *restrict in, size_t n, double *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (double)in[i];
    }
}

static ALWAYS_INLINE void to_float_body(const skimpi_chunk_column *column, const void *bytes, size_t n, float *out)
{
    float base = (float)column->base;
    switch (column->encoding) {
    case SKIMPI_ENC_CONSTANT:
        for (size_t i = 0; i < n; i++) {
            out[i] = base;
        }
        break;
    case SKIMPI_ENC_U8:
        u8_to_f32(bytes, n, (int32_t)column->base, out);
        break;
    case SKIMPI_ENC_U16:
        u16_to_f32(bytes, n, (int32_t)column->base, out);
        break;
    default: /* F32 */
        memcpy(out, bytes, n * sizeof(float));
        break;
    }
}

static ALWAYS_INLINE void to_double_body(const skimpi_chunk_column *column, const void *bytes, size_t n, double *out)
{
    switch (column->encoding) {
    case SKIMPI_ENC_CONSTANT:
        for (size_t i = 0; i < n; i++) {
            out[i] = column->base;
        }
        break;
    case SKIMPI_ENC_U8:
        u8_to_f64(bytes, n, column->base, out);
        break;
    case SKIMPI_ENC_U16:
        u16_to_f64(bytes, n, column->base, out);
        break;
    case SKIMPI_ENC_U32:
        u32_to_f64(bytes, n, column->base, out);
        break;
    case SKIMPI_ENC_F32:
        f32_to_f64(bytes, n, out);
        break;
    default: /* F64 */
        memcpy(out, bytes, n * sizeof(double));
        break;
    }
}

/* The two special codes keep their place at the top of every width. */
static ALWAYS_INLINE void codes_body(const skimpi_chunk_column *column, const void *bytes, size_t n,
                                     uint32_t *restrict out)
{
    const uint8_t *restrict in8 = bytes;
    const uint16_t *restrict in16 = bytes;
    uint32_t base;
    switch (column->encoding) {
    case SKIMPI_ENC_CONSTANT:
        base = column->base >= 0 && column->base <= UINT32_MAX ? (uint32_t)column->base : SKIMPI_CODE_MISSING;
        for (size_t i = 0; i < n; i++) {
            out[i] = base;
        }
        break;
    case SKIMPI_ENC_U8:
        for (size_t i = 0; i < n; i++) {
            out[i] = (uint32_t)in8[i] | (in8[i] >= UINT8_MAX - 1 ? 0xffffff00u : 0);
        }
        break;
    case SKIMPI_ENC_U16:
        for (size_t i = 0; i < n; i++) {
            out[i] = (uint32_t)in16[i] | (in16[i] >= UINT16_MAX - 1 ? 0xffff0000u : 0);
        }
        break;
    default: /* U32 */
        memcpy(out, bytes, n * sizeof(*out));
        break;
    }
}

static ALWAYS_INLINE void indices_body(const skimpi_chunk_column *column, const void *bytes, size_t n,
                                       uint32_t *restrict out)
{
    const uint16_t *restrict in16 = bytes;
    if (column->encoding == SKIMPI_ENC_U16) {
        for (size_t i = 0; i < n; i++) {
            out[i] = in16[i];
        }
    } else {
        memcpy(out, bytes, n * sizeof(*out));
    }
}

typedef struct loops {
    void (*to_float)(const skimpi_chunk_column *, const void *, size_t, float *);
    void (*to_double)(const skimpi_chunk_column *, const void *, size_t, double *);
    void (*codes)(const skimpi_chunk_column *, const void *, size_t, uint32_t *);
    void (*indices)(const skimpi_chunk_column *, const void *, size_t, uint32_t *);
} loops;

static void to_float_plain(const skimpi_chunk_column *column, const void *bytes, size_t n, float *out)
{
    to_float_body(column, bytes, n, out);
}
static void to_double_plain(const skimpi_chunk_column *column, const void *bytes, size_t n, double *out)
{
    to_double_body(column, bytes, n, out);
}
static void codes_plain(const skimpi_chunk_column *column, const void *bytes, size_t n, uint32_t *out)
{
    codes_body(column, bytes, n, out);
}
static void indices_plain(const skimpi_chunk_column *column, const void *bytes, size_t n, uint32_t *out)
{
    indices_body(column, bytes, n, out);
}
static const loops plain_loops = { to_float_plain, to_double_plain, codes_plain, indices_plain };

#if defined(__x86_64__)
SKIMPI_TARGET_AVX2 static void to_float_avx2(const skimpi_chunk_column *column, const void *bytes, size_t n, float *out)
{
    to_float_body(column, bytes, n, out);
}
SKIMPI_TARGET_AVX2 static void to_double_avx2(const skimpi_chunk_column *column, const void *bytes, size_t n,
                                              double *out)
{
    to_double_body(column, bytes, n, out);
}
SKIMPI_TARGET_AVX2 static void codes_avx2(const skimpi_chunk_column *column, const void *bytes, size_t n, uint32_t *out)
{
    codes_body(column, bytes, n, out);
}
SKIMPI_TARGET_AVX2 static void indices_avx2(const skimpi_chunk_column *column, const void *bytes, size_t n,
                                            uint32_t *out)
{
    indices_body(column, bytes, n, out);
}
static const loops avx2_loops = { to_float_avx2, to_double_avx2, codes_avx2, indices_avx2 };

SKIMPI_TARGET_AVX512 static void to_float_avx512(const skimpi_chunk_column *column, const void *bytes, size_t n,
                                                 float *out)
{
    to_float_body(column, bytes, n, out);
}
SKIMPI_TARGET_AVX512 static void to_double_avx512(const skimpi_chunk_column *column, const void *bytes, size_t n,
                                                  double *out)
{
    to_double_body(column, bytes, n, out);
}
SKIMPI_TARGET_AVX512 static void codes_avx512(const skimpi_chunk_column *column, const void *bytes, size_t n,
                                              uint32_t *out)
{
    codes_body(column, bytes, n, out);
}
SKIMPI_TARGET_AVX512 static void indices_avx512(const skimpi_chunk_column *column, const void *bytes, size_t n,
                                                uint32_t *out)
{
    indices_body(column, bytes, n, out);
}
static const loops avx512_loops = { to_float_avx512, to_double_avx512, codes_avx512, indices_avx512 };
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

void skimpi_decode_to_float(const skimpi_chunk_column *column, const void *bytes, size_t n, float *out)
{
    best_loops()->to_float(column, bytes, n, out);
}

void skimpi_decode_to_double(const skimpi_chunk_column *column, const void *bytes, size_t n, double *out)
{
    best_loops()->to_double(column, bytes, n, out);
}

void skimpi_decode_codes(const skimpi_chunk_column *column, const void *bytes, size_t n, const uint32_t *rank,
                         uint32_t n_ranks, uint32_t *out)
{
    best_loops()->codes(column, bytes, n, out);
    if (rank != NULL && n_ranks != 0) {
        for (size_t i = 0; i < n; i++) {
            out[i] = out[i] < n_ranks ? rank[out[i]] : out[i];
        }
    }
}

void skimpi_decode_indices(const skimpi_chunk_column *column, const void *bytes, size_t n, uint32_t *out32,
                           uint64_t *out64)
{
    if (out32 != NULL) {
        best_loops()->indices(column, bytes, n, out32);
    } else if (column->encoding == SKIMPI_ENC_U64) {
        memcpy(out64, bytes, n * sizeof(*out64));
    } else if (column->encoding == SKIMPI_ENC_U32) {
        for (size_t i = 0; i < n; i++) {
            out64[i] = ((const uint32_t *)bytes)[i];
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            out64[i] = ((const uint16_t *)bytes)[i];
        }
    }
}
