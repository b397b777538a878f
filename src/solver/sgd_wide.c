/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SGD's step for rows of moderate length, eight features at a time (AVX2): the same formulas as look, adapt and move in
 * sgd.c.  A feature's 32 bytes are one load; eight of them are transposed into one vector a field.
 */
#include <math.h>

#include "solver/sgd_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))

bool skimpi_sgd_wide_runs(void)
{
    return __builtin_cpu_supports("avx2");
}

/* Fields of eight features: v (two vectors of four), then one vector each. */
typedef struct fields {
    __m256d v_low, v_high;
    __m256 g, inverse_root, inverse_scale, d, pull;
    __m256i last;
} fields;

static inline TARGET fields load_fields(skimpi_sgd_feature *const *f)
{
    __m256 r0 = _mm256_loadu_ps((const float *)(const void *)f[0]),
           r1 = _mm256_loadu_ps((const float *)(const void *)f[1]);
    __m256 r2 = _mm256_loadu_ps((const float *)(const void *)f[2]),
           r3 = _mm256_loadu_ps((const float *)(const void *)f[3]);
    __m256 r4 = _mm256_loadu_ps((const float *)(const void *)f[4]),
           r5 = _mm256_loadu_ps((const float *)(const void *)f[5]);
    __m256 r6 = _mm256_loadu_ps((const float *)(const void *)f[6]),
           r7 = _mm256_loadu_ps((const float *)(const void *)f[7]);
    /* Halves: the first 16 bytes of features i and i + 4 side by side, then the second 16. */
    __m256 a0 = _mm256_permute2f128_ps(r0, r4, 0x20), b0 = _mm256_permute2f128_ps(r0, r4, 0x31);
    __m256 a1 = _mm256_permute2f128_ps(r1, r5, 0x20), b1 = _mm256_permute2f128_ps(r1, r5, 0x31);
    __m256 a2 = _mm256_permute2f128_ps(r2, r6, 0x20), b2 = _mm256_permute2f128_ps(r2, r6, 0x31);
    __m256 a3 = _mm256_permute2f128_ps(r3, r7, 0x20), b3 = _mm256_permute2f128_ps(r3, r7, 0x31);
    fields o;
    /* a_i: v (64 bits), g, inverse_root of feature i | of feature i + 4 */
    __m256d v01 = _mm256_unpacklo_pd(_mm256_castps_pd(a0), _mm256_castps_pd(a1)); /* v0 v1 | v4 v5 */
    __m256d v23 = _mm256_unpacklo_pd(_mm256_castps_pd(a2), _mm256_castps_pd(a3)); /* v2 v3 | v6 v7 */
    o.v_low = _mm256_permute2f128_pd(v01, v23, 0x20);
    o.v_high = _mm256_permute2f128_pd(v01, v23, 0x31);
    __m256 t01 = _mm256_unpackhi_ps(a0, a1), t23 = _mm256_unpackhi_ps(a2, a3); /* g0 g1 r0 r1 | … */
    o.g = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(t01), _mm256_castps_pd(t23)));
    o.inverse_root = _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(t01), _mm256_castps_pd(t23)));
    /* b_i: inverse_scale, d, pull, last */
    __m256 l01 = _mm256_unpacklo_ps(b0, b1), l23 = _mm256_unpacklo_ps(b2, b3), h01 = _mm256_unpackhi_ps(b0, b1),
           h23 = _mm256_unpackhi_ps(b2, b3);
    o.inverse_scale = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(l01), _mm256_castps_pd(l23)));
    o.d = _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(l01), _mm256_castps_pd(l23)));
    o.pull = _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(h01), _mm256_castps_pd(h23)));
    o.last = _mm256_castpd_si256(_mm256_unpackhi_pd(_mm256_castps_pd(h01), _mm256_castps_pd(h23)));
    return o;
}

static inline TARGET double sum_pd(__m256d x)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(s) + _mm_cvtsd_f64(_mm_unpackhi_pd(s, s));
}

static inline TARGET double sum_ps(__m256 x)
{
    return sum_pd(
        _mm256_add_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))));
}

TARGET void skimpi_sgd_wide_take(skimpi_sgd_wide *w, skimpi_sgd_feature *features, const uint32_t *index,
                                 const float *value, uint32_t n)
{
    uint32_t at = w->n;
    for (uint32_t i = 0; i < n; i++) {
        w->features[at + i] = features + index[i];
        __builtin_prefetch(w->features[at + i]); /* all of the row at once saves a sixth of the time */
        w->x[at + i] = value[i];
    }
    w->n = at + n;
}

/* Values larger than any before among the learned ones of a block: bits of `larger` (seldom any). */
static __attribute__((noinline)) void grow_some(const skimpi_sgd_wide *w, uint32_t at, int larger, bool adapts)
{
    for (uint32_t i = at; i < at + 8; i++) {
        if (i >= w->n_fixed && (larger >> (i - at) & 1) != 0) {
            skimpi_sgd_grow(w->features[i], fabsf(w->x[i]), adapts);
        }
    }
}

TARGET void skimpi_sgd_wide_look(skimpi_sgd_wide *w, const skimpi_sgd_rates *r, bool adapts, skimpi_sgd_sums *sums)
{
    const __m256 eta = _mm256_set1_ps(r->eta), gamma = _mm256_set1_ps(r->gamma), l2 = _mm256_set1_ps(r->l2),
                 one = _mm256_set1_ps(1);
    const __m256 size_bits = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)),
                 largest = _mm256_set1_ps(SKIMPI_SGD_LARGER);
    const __m256i now = _mm256_set1_epi32((int)r->now);
    __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
    __m256 norm = _mm256_setzero_ps(), reach = _mm256_setzero_ps();
    for (uint32_t i = 0; i < w->n; i += 8) {
        fields f = load_fields(w->features + i);
        __m256 x = _mm256_mul_ps(_mm256_load_ps(w->x + i), f.inverse_scale);
        int larger = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_and_ps(x, size_bits), largest, _CMP_GT_OQ));
        if (__builtin_expect(larger != 0, 0) && i + 8 > w->n_fixed) {
            grow_some(w, i, larger, adapts);
            f = load_fields(w->features + i);
            x = _mm256_mul_ps(_mm256_load_ps(w->x + i), f.inverse_scale);
        }
        __m256 missed = _mm256_cvtepi32_ps(_mm256_sub_epi32(now, f.last));
        __m256 top = _mm256_mul_ps(eta, f.d), own = _mm256_mul_ps(gamma, f.inverse_root);
        __m256 rate = adapts ? _mm256_min_ps(own, top) : top;
        /* a / (1 + a); a may be infinite, and the share is 1 then */
        __m256 a = _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(rate, missed), l2), f.pull);
        a = _mm256_min_ps(a, _mm256_set1_ps(1e30f));
        __m256 share = _mm256_div_ps(a, _mm256_add_ps(one, a));
        __m256d v_low = _mm256_sub_pd(f.v_low, _mm256_mul_pd(f.v_low, _mm256_cvtps_pd(_mm256_castps256_ps128(share))));
        __m256d v_high =
            _mm256_sub_pd(f.v_high, _mm256_mul_pd(f.v_high, _mm256_cvtps_pd(_mm256_extractf128_ps(share, 1))));
        low = _mm256_add_pd(low, _mm256_mul_pd(v_low, _mm256_cvtps_pd(_mm256_castps256_ps128(x))));
        high = _mm256_add_pd(high, _mm256_mul_pd(v_high, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))));
        __m256 square = _mm256_mul_ps(x, x);
        norm = _mm256_add_ps(norm, square);
        reach = _mm256_add_ps(reach, _mm256_mul_ps(f.d, square));
        _mm256_store_pd(w->v + i, v_low);
        _mm256_store_pd(w->v + i + 4, v_high);
        _mm256_store_ps(w->x + i, x);
        _mm256_store_ps(w->g + i, f.g);
        _mm256_store_ps(w->inverse_root + i, f.inverse_root);
        _mm256_store_ps(w->rate + i, top);
    }
    sums->margin += sum_pd(_mm256_add_pd(low, high));
    sums->norm += sum_ps(norm);
    sums->reach += adapts ? 0 : sum_ps(reach);
}

TARGET void skimpi_sgd_wide_adapt(skimpi_sgd_wide *w, const skimpi_sgd_rates *r, float slope_squared,
                                  skimpi_sgd_sums *sums)
{
    const __m256 gamma = _mm256_set1_ps(r->gamma), slopes = _mm256_set1_ps(slope_squared), one = _mm256_set1_ps(1),
                 zero = _mm256_setzero_ps();
    __m256 reach = _mm256_setzero_ps();
    for (uint32_t i = 0; i < w->n; i += 8) {
        __m256 x = _mm256_load_ps(w->x + i), square = _mm256_mul_ps(x, x);
        __m256 g = _mm256_add_ps(_mm256_load_ps(w->g + i), _mm256_mul_ps(slopes, square));
        __m256 root = _mm256_and_ps(_mm256_cmp_ps(g, zero, _CMP_GT_OQ), _mm256_div_ps(one, _mm256_sqrt_ps(g)));
        __m256 rate = _mm256_min_ps(_mm256_mul_ps(gamma, root), _mm256_load_ps(w->rate + i));
        reach = _mm256_add_ps(reach, _mm256_mul_ps(rate, square));
        _mm256_store_ps(w->g + i, g);
        _mm256_store_ps(w->inverse_root + i, root);
        _mm256_store_ps(w->rate + i, rate);
    }
    sums->reach += sum_ps(reach);
}

TARGET void skimpi_sgd_wide_store(skimpi_sgd_wide *w, const skimpi_sgd_rates *r, double slope)
{
    const __m256d u = _mm256_set1_pd(slope);
    for (uint32_t i = 0; i < w->n; i += 8) {
        __m256 step = _mm256_mul_ps(_mm256_load_ps(w->rate + i), _mm256_load_ps(w->x + i));
        __m256d low =
            _mm256_sub_pd(_mm256_load_pd(w->v + i), _mm256_mul_pd(u, _mm256_cvtps_pd(_mm256_castps256_ps128(step))));
        __m256d high = _mm256_sub_pd(_mm256_load_pd(w->v + i + 4),
                                     _mm256_mul_pd(u, _mm256_cvtps_pd(_mm256_extractf128_ps(step, 1))));
        __m256 g = _mm256_load_ps(w->g + i), root = _mm256_load_ps(w->inverse_root + i);
        __m256d p = _mm256_castps_pd(_mm256_unpacklo_ps(g, root)),
                q = _mm256_castps_pd(_mm256_unpackhi_ps(g, root)); /* 0 1 | 4 5, 2 3 | 6 7 */
        __m256d pair_low = _mm256_permute2f128_pd(p, q, 0x20), pair_high = _mm256_permute2f128_pd(p, q, 0x31);
        __m256d even_low = _mm256_unpacklo_pd(low, pair_low),
                odd_low = _mm256_unpackhi_pd(low, pair_low); /* 0 | 2, 1 | 3 */
        __m256d even_high = _mm256_unpacklo_pd(high, pair_high), odd_high = _mm256_unpackhi_pd(high, pair_high);
        skimpi_sgd_feature *const *f = w->features + i;
        _mm_storeu_pd(&f[0]->v, _mm256_castpd256_pd128(even_low));
        _mm_storeu_pd(&f[1]->v, _mm256_castpd256_pd128(odd_low));
        _mm_storeu_pd(&f[2]->v, _mm256_extractf128_pd(even_low, 1));
        _mm_storeu_pd(&f[3]->v, _mm256_extractf128_pd(odd_low, 1));
        _mm_storeu_pd(&f[4]->v, _mm256_castpd256_pd128(even_high));
        _mm_storeu_pd(&f[5]->v, _mm256_castpd256_pd128(odd_high));
        _mm_storeu_pd(&f[6]->v, _mm256_extractf128_pd(even_high, 1));
        _mm_storeu_pd(&f[7]->v, _mm256_extractf128_pd(odd_high, 1));
        for (unsigned k = 0; k < 8; k++) {
            f[k]->last = r->now;
        }
    }
}

#endif
