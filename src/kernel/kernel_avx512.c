/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The AVX-512 family (F, DQ, VL): vectors of eight doubles and sixteen floats, with masks for the tails.
 */
#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernel/kernel_internal.h"

#ifdef __clang__ /* which takes minutes to instrument these loops; gcc's sanitizers see to them */
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#endif

#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma")))
#define NAME(x) avx512_##x
#define VD __m512d
#define VDL 8
#define VF __m512
#define VFL 16
#define WIDE_VECTORS 4
#define WIDE_COLUMNS 4
#define WIDE_ROWS 4
#define RANK_ROWS 8
#define TILE_ROWS 8

#define vd_set1(a) _mm512_set1_pd(a)
#define vd_load(p) _mm512_loadu_pd(p)
#define vd_store(p, v) _mm512_storeu_pd(p, v)
#define vd_mask(n) ((__mmask8)((1u << (n)) - 1))
#define vd_load_n(p, n) _mm512_maskz_loadu_pd(vd_mask(n), p)
#define vd_store_n(p, v, n) _mm512_mask_storeu_pd(p, vd_mask(n), v)
#define vd_cvt(p) _mm512_cvtps_pd(_mm256_loadu_ps(p))
#define vd_cvt_n(p, n) _mm512_cvtps_pd(_mm256_maskz_loadu_ps(vd_mask(n), p))
#define vd_fma(a, b, c) _mm512_fmadd_pd(a, b, c)
#define vd_add(a, b) _mm512_add_pd(a, b)
#define vd_sub(a, b) _mm512_sub_pd(a, b)
#define vd_mul(a, b) _mm512_mul_pd(a, b)
#define vd_sum(v) _mm512_reduce_add_pd(v)
#define vd_min(a, b) _mm512_min_pd(a, b)
#define vd_max(a, b) _mm512_max_pd(a, b)
#define vd_if_number(x, v) _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, x, _CMP_ORD_Q), v)
#define vd_to_floats(p, v) _mm256_storeu_ps(p, _mm512_cvtpd_ps(v))
#define vf_set1(a) _mm512_set1_ps(a)
#define vf_load(p) _mm512_loadu_ps(p)
#define vf_store(p, v) _mm512_storeu_ps(p, v)
#define vf_sub(a, b) _mm512_sub_ps(a, b)
#define vf_max_abs(v, m) _mm512_max_ps(m, _mm512_abs_ps(v))
#define vf_largest(v) _mm512_reduce_max_ps(v)
#define vf_from_doubles(low, high)                                                                                     \
    _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1)

/* ---- CSR margins by gathers -------------------------------------------------------------------------------------- */

/* Gathers take signed offsets, so an unsigned index is shifted down by 2^31 and the base up: any 32 bits are right. */
SKIMPI_INLINE TARGET __m512d gather_index32(const double *shifted, const uint32_t *index, __mmask8 mask)
{
    __m256i at = _mm256_xor_si256(_mm256_maskz_loadu_epi32(mask, index), _mm256_set1_epi32((int)0x80000000u));
    return _mm512_mask_i32gather_pd(_mm512_setzero_pd(), mask, at, shifted, 8);
}

enum { VALUE_F32, VALUE_F64, VALUE_ONE };

SKIMPI_INLINE TARGET __m512d csr_products(const skimpi_csr_block *csr, const double *shifted, size_t at, __mmask8 mask,
                                          const int kind, __m512d sum)
{
    __m512d w = gather_index32(shifted, csr->indices + at, mask);
    if (kind == VALUE_F32) {
        return _mm512_fmadd_pd(w, _mm512_cvtps_pd(_mm256_maskz_loadu_ps(mask, csr->f32 + at)), sum);
    }
    if (kind == VALUE_F64) {
        return _mm512_fmadd_pd(w, _mm512_maskz_loadu_pd(mask, csr->f64 + at), sum);
    }
    return _mm512_add_pd(w, sum);
}

SKIMPI_INLINE TARGET void csr_rows(const skimpi_csr_block *csr, uint32_t n_rows, const double *w, double *m,
                                   const int kind)
{
    const double *shifted = (const double *)((uintptr_t)w + ((uintptr_t)1 << 34));
    for (uint32_t i = 0; i < n_rows; i++) {
        size_t at = csr->indptr[i], end = csr->indptr[i + 1];
        __m512d even = _mm512_setzero_pd(), odd = _mm512_setzero_pd();
        for (; at + 16 <= end; at += 16) {
            even = csr_products(csr, shifted, at, 0xff, kind, even);
            odd = csr_products(csr, shifted, at + 8, 0xff, kind, odd);
        }
        for (; at < end; at += 8) {
            even = csr_products(csr, shifted, at, end - at >= 8 ? 0xff : vd_mask(end - at), kind, even);
        }
        m[i] += _mm512_reduce_add_pd(_mm512_add_pd(even, odd));
    }
}

static TARGET void avx512_csr_margins(const skimpi_chunk *chunk, unsigned n_outputs, const double *coef, size_t ld,
                                      double *out, size_t stride)
{
    const skimpi_csr_block *csr = &chunk->csr;
    if (csr->indices == NULL) {
        skimpi_csr_margins(chunk, n_outputs, coef, ld, out, stride);
        return;
    }
    for (unsigned k = 0; k < n_outputs; k++) {
        const double *w = coef + k * ld + csr->feature;
        if (csr->f32 != NULL) {
            csr_rows(csr, chunk->n_rows, w, out + k * stride, VALUE_F32);
        } else if (csr->f64 != NULL) {
            csr_rows(csr, chunk->n_rows, w, out + k * stride, VALUE_F64);
        } else {
            csr_rows(csr, chunk->n_rows, w, out + k * stride, VALUE_ONE);
        }
    }
}
#define CSR_MARGINS avx512_csr_margins

#include "kernel/kernel_simd.inc"

/* ---- transposes -------------------------------------------------------------------------------------------------- */

SKIMPI_INLINE TARGET void transpose_pd(__m512d v[8])
{
    __m512d t[8], u[8];
    UNROLL
    for (unsigned i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_pd(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_pd(v[i], v[i + 1]);
    }
    UNROLL
    for (unsigned i = 0; i < 8; i += 4) {
        UNROLL
        for (unsigned h = 0; h < 2; h++) {
            u[i + h] = _mm512_shuffle_f64x2(t[i + h], t[i + 2 + h], 0x88);     /* lanes 0, 2 */
            u[i + 2 + h] = _mm512_shuffle_f64x2(t[i + h], t[i + 2 + h], 0xdd); /* lanes 1, 3 */
        }
    }
    UNROLL
    for (unsigned h = 0; h < 4; h++) {
        v[h] = _mm512_shuffle_f64x2(u[h], u[4 + h], 0x88);
        v[4 + h] = _mm512_shuffle_f64x2(u[h], u[4 + h], 0xdd);
    }
}

SKIMPI_INLINE TARGET void transpose_ps(__m512 v[16])
{
    __m512 t[16], u[16];
    UNROLL
    for (unsigned i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    UNROLL
    for (unsigned i = 0; i < 16; i += 4) { /* u[i + q]: column q of each 128-bit lane, of rows i … i + 3 */
        u[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    UNROLL
    for (unsigned q = 0; q < 4; q++) { /* then 4 × 4 lanes */
        __m512 low0 = _mm512_shuffle_f32x4(u[q], u[4 + q], 0x88),
               low1 = _mm512_shuffle_f32x4(u[8 + q], u[12 + q], 0x88);
        __m512 high0 = _mm512_shuffle_f32x4(u[q], u[4 + q], 0xdd),
               high1 = _mm512_shuffle_f32x4(u[8 + q], u[12 + q], 0xdd);
        v[q] = _mm512_shuffle_f32x4(low0, low1, 0x88);
        v[8 + q] = _mm512_shuffle_f32x4(low0, low1, 0xdd);
        v[4 + q] = _mm512_shuffle_f32x4(high0, high1, 0x88);
        v[12 + q] = _mm512_shuffle_f32x4(high0, high1, 0xdd);
    }
}

/* ---- gram: float, then double ------------------------------------------------------------------------------------ */

#define T float
#define V __m512
#define VL 16
#define GNAME(x) avx512_f32_##x
#define v_load(p) _mm512_loadu_ps(p)
#define v_store(p, v) _mm512_storeu_ps(p, v)
#define v_set1(a) _mm512_set1_ps(a)
#define v_mul(a, b) _mm512_mul_ps(a, b)
#define v_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define v_transpose transpose_ps
#define v_to_vd vd_cvt
#define prepare avx512_prepare_f32
#define prepare_weights avx512_weights_f32
#include "kernel/kernel_gram_simd.inc"
#include "kernel/kernel_gram_undef.inc"

#define T double
#define V __m512d
#define VL 8
#define GNAME(x) avx512_f64_##x
#define v_load(p) _mm512_loadu_pd(p)
#define v_store(p, v) _mm512_storeu_pd(p, v)
#define v_set1(a) _mm512_set1_pd(a)
#define v_mul(a, b) _mm512_mul_pd(a, b)
#define v_fma(a, b, c) _mm512_fmadd_pd(a, b, c)
#define v_transpose transpose_pd
#define v_to_vd vd_load
#define prepare avx512_prepare_f64
#define prepare_weights avx512_weights_f64
#include "kernel/kernel_gram_simd.inc"
#include "kernel/kernel_gram_undef.inc"

static void gram(const skimpi_chunk *chunk, const double *d, const double *centre, double *out, size_t ld, bool exact,
                 void *scratch)
{
    if (exact) {
        avx512_f64_gram(chunk, d, centre, out, ld, scratch);
    } else {
        avx512_f32_gram(chunk, d, centre, out, ld, scratch);
    }
    skimpi_sparse_gram(chunk, d, centre, out, ld, scratch);
}

const skimpi_family skimpi_family_avx512 = {
    .kernels = { .family = "avx512",
                 .margins = avx512_margins,
                 .scatter = avx512_scatter,
                 .squares = avx512_squares,
                 .gram = gram,
                 .row_margins = avx512_row_margins,
                 .row_scatter = avx512_row_scatter,
                 .row_moments = avx512_row_moments },
    .rank_update = avx512_rank_update,
    .rotate = avx512_rotate,
    .moments = avx512_moments,
    .range = avx512_range,
    .affine = avx512_affine,
};

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
