/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The AVX2 + FMA family: vectors of four doubles and eight floats.
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

#define TARGET __attribute__((target("avx2,fma")))
#define NAME(x) avx2_##x
#define VD __m256d
#define VDL 4
#define VF __m256
#define VFL 8
#define WIDE_VECTORS 2
#define WIDE_COLUMNS 2
#define WIDE_ROWS 2
#define RANK_ROWS 4
#define TILE_ROWS 4

SKIMPI_INLINE TARGET __m256i lanes_mask(size_t n)
{
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)n), _mm256_setr_epi64x(0, 1, 2, 3));
}

SKIMPI_INLINE TARGET __m256d cvt_n(const float *p, size_t n)
{
    __m128i mask = _mm_cmpgt_epi32(_mm_set1_epi32((int)n), _mm_setr_epi32(0, 1, 2, 3));
    return _mm256_cvtps_pd(_mm_maskload_ps(p, mask));
}

SKIMPI_INLINE TARGET double sum_pd(__m256d v)
{
    __m128d half = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
}

SKIMPI_INLINE TARGET float largest_ps(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

#define vd_set1(a) _mm256_set1_pd(a)
#define vd_load(p) _mm256_loadu_pd(p)
#define vd_store(p, v) _mm256_storeu_pd(p, v)
#define vd_load_n(p, n) _mm256_maskload_pd(p, lanes_mask(n))
#define vd_store_n(p, v, n) _mm256_maskstore_pd(p, lanes_mask(n), v)
#define vd_cvt(p) _mm256_cvtps_pd(_mm_loadu_ps(p))
#define vd_cvt_n(p, n) cvt_n(p, n)
#define vd_fma(a, b, c) _mm256_fmadd_pd(a, b, c)
#define vd_add(a, b) _mm256_add_pd(a, b)
#define vd_sub(a, b) _mm256_sub_pd(a, b)
#define vd_mul(a, b) _mm256_mul_pd(a, b)
#define vd_sum(v) sum_pd(v)
#define vd_min(a, b) _mm256_min_pd(a, b)
#define vd_max(a, b) _mm256_max_pd(a, b)
#define vd_if_number(x, v) _mm256_and_pd(_mm256_cmp_pd(x, x, _CMP_ORD_Q), v)
#define vd_to_floats(p, v) _mm_storeu_ps(p, _mm256_cvtpd_ps(v))
#define vf_set1(a) _mm256_set1_ps(a)
#define vf_load(p) _mm256_loadu_ps(p)
#define vf_store(p, v) _mm256_storeu_ps(p, v)
#define vf_sub(a, b) _mm256_sub_ps(a, b)
#define vf_max_abs(v, m) _mm256_max_ps(m, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v))
#define vf_largest(v) largest_ps(v)
#define vf_from_doubles(low, high) _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low))

#define CSR_MARGINS skimpi_csr_margins
#include "kernel/kernel_simd.inc"

/* ---- transposes -------------------------------------------------------------------------------------------------- */

SKIMPI_INLINE TARGET void transpose_pd(__m256d v[4])
{
    __m256d t0 = _mm256_unpacklo_pd(v[0], v[1]), t1 = _mm256_unpackhi_pd(v[0], v[1]);
    __m256d t2 = _mm256_unpacklo_pd(v[2], v[3]), t3 = _mm256_unpackhi_pd(v[2], v[3]);
    v[0] = _mm256_permute2f128_pd(t0, t2, 0x20);
    v[1] = _mm256_permute2f128_pd(t1, t3, 0x20);
    v[2] = _mm256_permute2f128_pd(t0, t2, 0x31);
    v[3] = _mm256_permute2f128_pd(t1, t3, 0x31);
}

SKIMPI_INLINE TARGET void transpose_ps(__m256 v[8])
{
    __m256 t[8], u[8];
    UNROLL
    for (unsigned i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
    UNROLL
    for (unsigned i = 0; i < 8; i += 4) { /* u[i + q]: column q of each 128-bit lane, of rows i … i + 3 */
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    UNROLL
    for (unsigned q = 0; q < 4; q++) {
        v[q] = _mm256_permute2f128_ps(u[q], u[4 + q], 0x20);
        v[4 + q] = _mm256_permute2f128_ps(u[q], u[4 + q], 0x31);
    }
}

/* ---- gram: float, then double ------------------------------------------------------------------------------------ */

#define T float
#define V __m256
#define VL 8
#define GNAME(x) avx2_f32_##x
#define v_load(p) _mm256_loadu_ps(p)
#define v_store(p, v) _mm256_storeu_ps(p, v)
#define v_set1(a) _mm256_set1_ps(a)
#define v_mul(a, b) _mm256_mul_ps(a, b)
#define v_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define v_transpose transpose_ps
#define v_to_vd vd_cvt
#define prepare avx2_prepare_f32
#define prepare_weights avx2_weights_f32
#include "kernel/kernel_gram_simd.inc"
#include "kernel/kernel_gram_undef.inc"

#define T double
#define V __m256d
#define VL 4
#define GNAME(x) avx2_f64_##x
#define v_load(p) _mm256_loadu_pd(p)
#define v_store(p, v) _mm256_storeu_pd(p, v)
#define v_set1(a) _mm256_set1_pd(a)
#define v_mul(a, b) _mm256_mul_pd(a, b)
#define v_fma(a, b, c) _mm256_fmadd_pd(a, b, c)
#define v_transpose transpose_pd
#define v_to_vd vd_load
#define prepare avx2_prepare_f64
#define prepare_weights avx2_weights_f64
#include "kernel/kernel_gram_simd.inc"
#include "kernel/kernel_gram_undef.inc"

static void gram(const skimpi_chunk *chunk, const double *d, const double *centre, double *out, size_t ld, bool exact,
                 void *scratch)
{
    if (exact) {
        avx2_f64_gram(chunk, d, centre, out, ld, scratch);
    } else {
        avx2_f32_gram(chunk, d, centre, out, ld, scratch);
    }
    skimpi_sparse_gram(chunk, d, centre, out, ld, scratch);
}

const skimpi_family skimpi_family_avx2 = {
    .kernels = { .family = "avx2",
                 .margins = avx2_margins,
                 .scatter = avx2_scatter,
                 .squares = avx2_squares,
                 .gram = gram,
                 .row_margins = avx2_row_margins,
                 .row_scatter = avx2_row_scatter,
                 .row_moments = avx2_row_moments },
    .rank_update = avx2_rank_update,
    .rotate = avx2_rotate,
    .moments = avx2_moments,
    .range = avx2_range,
    .affine = avx2_affine,
};

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
