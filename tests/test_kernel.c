/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every family of kernels against a plain computation in long double, over chunks of every make: dense columns of both
 * types, codes (unknown ones among them), CSR blocks of all six kinds, features in any order, all tails.  Residuals are
 * compared with the sum of the absolute values of what was added up, times a threshold per type.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel_internal.h"

#define MAX_ROWS 1200
#define GUARD 12345.0

static const char *const families[] = { "reference", "avx2", "avx512" };
#define N_FAMILIES (sizeof families / sizeof *families)

typedef struct fixture {
    skimpi_chunk chunk;
    uint64_t n_features;
    void *owned[4096];
    size_t n_owned;
    skimpi_random random;
} fixture;

static void *own(fixture *f, size_t bytes)
{
    void *block = aligned_alloc(64, skimpi_round_up(bytes + 64, 64));
    assert_non_null(block);
    memset(block, 0xff, skimpi_round_up(bytes + 64, 64)); /* NaN: what must not be used */
    assert_true(f->n_owned < sizeof f->owned / sizeof *f->owned);
    f->owned[f->n_owned++] = block;
    return block;
}

static void release(fixture *f)
{
    for (size_t i = 0; i < f->n_owned; i++) {
        free(f->owned[i]);
    }
    free(f);
}

static double normal(fixture *f)
{
    return skimpi_random_double(&f->random) + skimpi_random_double(&f->random) + skimpi_random_double(&f->random) - 1.5;
}

typedef struct shape {
    uint32_t n_rows, n_dense, f64_every; /* every how many-th column is f64; 0: none */
    uint32_t n_codes, codes_each;
    uint32_t csr_width, csr_row;
    int csr_kind;     /* value 0 f32, 1 f64, 2 ones; + 3 for 64-bit indices */
    bool shared;      /* codes of one range of features (hashed) */
    bool interleaved; /* codes between the dense columns */
    double offset, scale;
} shape;

static fixture *make(const shape *s, uint64_t seed)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    skimpi_random_seed(&f->random, seed);
    skimpi_chunk *c = &f->chunk;
    c->n_rows = s->n_rows;
    c->n_dense = s->n_dense;
    c->n_codes = s->n_codes;
    c->dense = own(f, s->n_dense * sizeof *c->dense);
    c->codes = own(f, s->n_codes * sizeof *c->codes);
    size_t stride = skimpi_column_stride(s->n_rows);
    uint64_t feature = 0;
    uint32_t codes_made = 0;
    for (uint32_t j = 0; j < s->n_dense; j++) {
        bool is_f64 = s->f64_every != 0 && j % s->f64_every == s->f64_every - 1;
        c->dense[j] = (skimpi_dense_column){ .feature = feature++ };
        double scale = s->scale == 0 ? 1 : pow(s->scale, (double)j / (double)s->n_dense);
        if (is_f64) {
            c->dense[j].f64 = own(f, stride * sizeof(double));
        } else {
            c->dense[j].f32 = own(f, stride * sizeof(float));
        }
        for (uint32_t i = 0; i < s->n_rows; i++) {
            double x = (normal(f) + s->offset) * scale;
            if (is_f64) {
                c->dense[j].f64[i] = x;
            } else {
                c->dense[j].f32[i] = (float)x;
            }
        }
        if (s->interleaved && j % 2 == 0 && codes_made < s->n_codes) {
            c->codes[codes_made++].feature = feature;
            feature += s->codes_each;
        }
    }
    while (codes_made < s->n_codes) {
        c->codes[codes_made++].feature = feature;
        feature += s->shared && codes_made < s->n_codes ? 0 : s->codes_each;
    }
    for (uint32_t j = 0; j < s->n_codes; j++) {
        c->codes[j].n_codes = s->codes_each;
        c->codes[j].slot = j;
        c->codes[j].codes = own(f, s->n_rows * sizeof(uint32_t));
        for (uint32_t i = 0; i < s->n_rows; i++) {
            uint64_t code = skimpi_random_below(&f->random, s->codes_each + 2);
            c->codes[j].codes[i] = code > s->codes_each ? UINT32_MAX : (uint32_t)code;
        }
    }
    if (s->csr_width > 0) {
        c->has_csr = true;
        skimpi_csr_block *csr = &c->csr;
        csr->feature = feature;
        feature += s->csr_width;
        csr->indptr = own(f, (s->n_rows + 1) * sizeof(uint32_t));
        size_t most = (size_t)s->n_rows * s->csr_row;
        uint32_t *i32 = own(f, most * sizeof *i32);
        uint64_t *i64 = own(f, most * sizeof *i64);
        float *f32 = own(f, most * sizeof *f32);
        double *f64 = own(f, most * sizeof *f64);
        uint32_t at = 0;
        for (uint32_t i = 0; i < s->n_rows; i++) {
            csr->indptr[i] = at;
            uint32_t n = (uint32_t)skimpi_random_below(&f->random, s->csr_row + 1);
            for (uint32_t k = 0; k < n; k++, at++) {
                i32[at] = (uint32_t)skimpi_random_below(&f->random, s->csr_width); /* may repeat in a row */
                i64[at] = i32[at];
                f32[at] = (float)normal(f);
                f64[at] = f32[at];
            }
        }
        csr->indptr[s->n_rows] = at;
        csr->indices = s->csr_kind < 3 ? i32 : NULL;
        csr->indices64 = s->csr_kind < 3 ? NULL : i64;
        csr->f32 = s->csr_kind % 3 == 0 ? f32 : NULL;
        csr->f64 = s->csr_kind % 3 == 1 ? f64 : NULL;
    }
    f->n_features = feature;
    return f;
}

/* The chunk as a full matrix of long doubles, n_rows × n_features. */
static long double *expand(const fixture *f)
{
    const skimpi_chunk *c = &f->chunk;
    long double *x = calloc((size_t)c->n_rows * f->n_features + 1, sizeof *x);
    assert_non_null(x);
    for (uint32_t i = 0; i < c->n_rows; i++) {
        long double *row = x + i * f->n_features;
        for (uint32_t j = 0; j < c->n_dense; j++) {
            row[c->dense[j].feature] =
                c->dense[j].f32 != NULL ? (long double)c->dense[j].f32[i] : (long double)c->dense[j].f64[i];
        }
        for (uint32_t j = 0; j < c->n_codes; j++) {
            if (c->codes[j].codes[i] < c->codes[j].n_codes) {
                row[c->codes[j].feature + c->codes[j].codes[i]] += 1;
            }
        }
        for (uint32_t at = c->has_csr ? c->csr.indptr[i] : 0; c->has_csr && at < c->csr.indptr[i + 1]; at++) {
            uint64_t k = c->csr.feature + (c->csr.indices != NULL ? c->csr.indices[at] : c->csr.indices64[at]);
            row[k] += c->csr.f32 != NULL   ? (long double)c->csr.f32[at]
                      : c->csr.f64 != NULL ? (long double)c->csr.f64[at]
                                           : 1;
        }
    }
    return x;
}

static void assert_near(double got, long double want, long double size, double threshold)
{
    long double bound = (size + fabsl(want)) * (long double)threshold + 1e-300L;
    if (!(fabsl((long double)got - want) <= bound)) {
        fail_msg("got %.17g, want %.17Lg, residual %.3Lg over %.3Lg", got, want, fabsl((long double)got - want), bound);
    }
}

static void check_shape(const skimpi_kernels *kernels, const shape *s, unsigned n_outputs, bool with_null)
{
    fixture *f = make(s, 7 + s->n_rows);
    const skimpi_chunk *c = &f->chunk;
    size_t n = c->n_rows, p = f->n_features, ld = p + 3, stride = n + 5;
    long double *x = expand(f);
    double *coef = own(f, n_outputs * ld * sizeof(double)), *intercept = own(f, n_outputs * sizeof(double));
    double *out = own(f, n_outputs * stride * sizeof(double)), *r = own(f, n_outputs * stride * sizeof(double));
    double *gradient = own(f, n_outputs * ld * sizeof(double)), *d = own(f, (n + 1) * sizeof(double)),
           *sums = own(f, (p + 1) * sizeof(double));
    double *centre = own(f, (p + 1) * sizeof(double));
    for (unsigned k = 0; k < n_outputs; k++) {
        intercept[k] = normal(f);
        for (size_t j = 0; j < ld; j++) {
            coef[k * ld + j] = normal(f);
            gradient[k * ld + j] = j < p ? (double)j : GUARD;
        }
        for (size_t i = 0; i < stride; i++) {
            out[k * stride + i] = GUARD;
            r[k * stride + i] = i < n ? normal(f) : (double)NAN;
        }
    }
    for (size_t i = 0; i < n; i++) {
        d[i] = skimpi_random_double(&f->random);
    }
    memset(centre, 0, p * sizeof *centre);
    for (uint32_t j = 0; j < c->n_dense; j++) {
        centre[c->dense[j].feature] =
            with_null ? 0 : s->offset * (s->scale == 0 ? 1 : pow(s->scale, (double)j / (double)s->n_dense)) + 0.01;
    }

    kernels->margins(c, n_outputs, coef, ld, with_null ? NULL : intercept, out, stride);
    kernels->scatter(c, n_outputs, r, stride, gradient, ld);
    for (unsigned k = 0; k < n_outputs; k++) {
        for (size_t i = 0; i < stride; i++) {
            if (i >= n) {
                assert_true(out[k * stride + i] == GUARD);
                continue;
            }
            long double want = with_null ? 0 : (long double)intercept[k], size = fabsl(want);
            for (size_t j = 0; j < p; j++) {
                want += (long double)coef[k * ld + j] * x[i * p + j];
                size += fabsl((long double)coef[k * ld + j] * x[i * p + j]);
            }
            assert_near(out[k * stride + i], want, size, 8 * DBL_EPSILON);
        }
        for (size_t j = 0; j < ld; j++) {
            if (j >= p) {
                assert_true(gradient[k * ld + j] == GUARD);
                continue;
            }
            long double want = (long double)j, size = (long double)j;
            for (size_t i = 0; i < n; i++) {
                want += (long double)r[k * stride + i] * x[i * p + j];
                size += fabsl((long double)r[k * stride + i] * x[i * p + j]);
            }
            assert_near(gradient[k * ld + j], want, size, 16 * DBL_EPSILON);
        }
    }

    for (size_t j = 0; j <= p; j++) {
        sums[j] = j < p ? 1 : GUARD;
    }
    bool repeats = s->csr_width > 0; /* squares are of values, not of their sums: a row's repeats are left out here */
    kernels->squares(c, with_null ? NULL : d, sums);
    assert_true(sums[p] == GUARD);
    for (size_t j = 0; j < p; j++) {
        if (repeats && j >= c->csr.feature) {
            break;
        }
        long double want = 1;
        for (size_t i = 0; i < n; i++) {
            want += (with_null ? 1 : (long double)d[i]) * x[i * p + j] * x[i * p + j];
        }
        assert_near(sums[j], want, want, 16 * DBL_EPSILON);
    }

    uint64_t scratch_bytes = skimpi_gram_scratch_bytes(c->n_dense, p);
    unsigned char *scratch = own(f, scratch_bytes);
    double *gram = own(f, (p * ld + 1) * sizeof(double));
    for (int exact = 0; exact < 2; exact++) {
        for (size_t i = 0; i <= p * ld; i++) {
            gram[i] = GUARD;
        }
        for (size_t a = 0; a < p; a++) {
            for (size_t b = 0; b <= a; b++) {
                gram[a * ld + b] = 0.5;
            }
        }
        memset(scratch, 0xff, scratch_bytes);
        memset(scratch + scratch_bytes, 0x5a, 64);
        kernels->gram(c, with_null ? NULL : d, with_null ? NULL : centre, gram, ld, exact == 1, scratch);
        for (size_t i = 0; i < 64; i++) {
            assert_int_equal(scratch[scratch_bytes + i], 0x5a);
        }
        /* A float product's error is of the sizes of its columns, not of its own. */
        long double *length = calloc(p + 1, sizeof *length);
        assert_non_null(length);
        for (size_t a = 0; a < p; a++) {
            for (size_t i = 0; i < n; i++) {
                long double v = x[i * p + a] - (long double)centre[a];
                length[a] += (with_null ? 1 : (long double)d[i]) * v * v;
            }
            length[a] = sqrtl(length[a]);
        }
        for (size_t a = 0; a < p; a++) {
            for (size_t b = 0; b < ld; b++) {
                if (b > a) {
                    assert_true(gram[a * ld + b] == GUARD);
                    continue;
                }
                long double want = 0.5, size = 0.5;
                for (size_t i = 0; i < n; i++) {
                    long double v = (with_null ? 1 : (long double)d[i]) * (x[i * p + a] - (long double)centre[a]) *
                                    (x[i * p + b] - (long double)centre[b]);
                    want += v;
                    size += fabsl(v);
                }
                /* The threshold of a centred value: the rounding of the difference, where the offset is large. */
                assert_near(gram[a * ld + b], want, exact ? size : 0.5 + length[a] * length[b],
                            exact ? 32 * DBL_EPSILON : 2e-6);
            }
        }
        free(length);
    }
    free(x);
    release(f);
}

static void for_each_family(const shape *shapes, size_t n_shapes, unsigned n_outputs)
{
    unsigned tried = 0;
    for (size_t k = 0; k < N_FAMILIES; k++) {
        const skimpi_kernels *kernels = skimpi_kernels_named(families[k]);
        if (kernels == NULL) {
            continue;
        }
        tried++;
        assert_string_equal(kernels->family, families[k]);
        for (size_t i = 0; i < n_shapes; i++) {
            check_shape(kernels, &shapes[i], n_outputs, false);
            check_shape(kernels, &shapes[i], n_outputs, true);
        }
    }
    assert_true(tried >= 1);
}

static void test_row_counts(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= 70; n++) {
        shape s = { .n_rows = n, .n_dense = 5, .f64_every = n % 3 };
        for_each_family(&s, 1, 1);
    }
    shape s[] = { { .n_rows = 255, .n_dense = 3 },
                  { .n_rows = 256, .n_dense = 3 },
                  { .n_rows = 257, .n_dense = 3 },
                  { .n_rows = MAX_ROWS, .n_dense = 4, .f64_every = 2 } };
    for_each_family(s, sizeof s / sizeof *s, 1);
}

static void test_column_counts(void **state)
{
    (void)state;
    for (uint32_t p = 0; p <= 40; p++) {
        shape s = { .n_rows = 37, .n_dense = p, .f64_every = p % 5 };
        for_each_family(&s, 1, 1);
    }
    shape s[] = { { .n_rows = 90, .n_dense = 129 }, { .n_rows = 70, .n_dense = 200, .f64_every = 1 } };
    for_each_family(s, sizeof s / sizeof *s, 1);
}

static void test_outputs(void **state)
{
    (void)state;
    shape s[] = {
        { .n_rows = 83, .n_dense = 9, .f64_every = 4 },
        { .n_rows = 16, .n_dense = 4 },
        { .n_rows = 83, .n_dense = 3, .n_codes = 2, .codes_each = 5, .csr_width = 11, .csr_row = 4 },
    };
    for (unsigned k = 1; k <= 9; k++) {
        for_each_family(s, sizeof s / sizeof *s, k);
    }
}

static void test_codes(void **state)
{
    (void)state;
    shape s[] = {
        { .n_rows = 301, .n_codes = 3, .codes_each = 7 },
        { .n_rows = 301, .n_dense = 10, .n_codes = 3, .codes_each = 7 },
        { .n_rows = 301, .n_dense = 11, .f64_every = 2, .n_codes = 4, .codes_each = 3, .interleaved = true },
        { .n_rows = 1, .n_dense = 1, .n_codes = 1, .codes_each = 1, .interleaved = true },
        { .n_rows = 20, .n_dense = 2, .n_codes = 1, .codes_each = 100 },
        { .n_rows = 201, .n_dense = 9, .n_codes = 4, .codes_each = 6, .shared = true },
        { .n_rows = 201, .n_dense = 2, .n_codes = 3, .codes_each = 2, .shared = true, .csr_width = 5, .csr_row = 3 },
    };
    for_each_family(s, sizeof s / sizeof *s, 1);
}

static void test_csr(void **state)
{
    (void)state;
    for (int kind = 0; kind < 6; kind++) {
        shape s[] = {
            { .n_rows = 60, .csr_width = 90, .csr_row = 70, .csr_kind = kind },
            { .n_rows = 0, .csr_width = 5, .csr_row = 3, .csr_kind = kind },
            { .n_rows = 290,
              .n_dense = 9,
              .f64_every = 3,
              .n_codes = 2,
              .codes_each = 4,
              .csr_width = 13,
              .csr_row = 6,
              .csr_kind = kind,
              .interleaved = true },
        };
        for_each_family(s, sizeof s / sizeof *s, 1);
    }
}

/* Columns from 1e-15 to 1e15 and 1e-30 to 1e30: in float their products leave its range. */
static void test_scales(void **state)
{
    (void)state;
    shape s[] = {
        { .n_rows = 100, .n_dense = 20, .scale = 1e30 },
        { .n_rows = 100, .n_dense = 20, .scale = 1e-30 },
        { .n_rows = 100, .n_dense = 20, .f64_every = 1, .scale = 1e60 },
        { .n_rows = 300, .n_dense = 20, .f64_every = 1, .scale = 1e-120 },
        { .n_rows = 100, .n_dense = 20, .f64_every = 2, .scale = 1e37, .n_codes = 1, .codes_each = 3 },
    };
    for_each_family(s, sizeof s / sizeof *s, 1);
}

static void test_offsets(void **state)
{
    (void)state;
    shape s[] = { { .n_rows = 300, .n_dense = 9, .offset = 100 },
                  { .n_rows = 300, .n_dense = 9, .f64_every = 1, .offset = 1e9 } };
    for_each_family(s, sizeof s / sizeof *s, 1);
}

/* Weights of any size, negative ones too (the blocks of a multinomial Hessian). */
static void test_weights(void **state)
{
    (void)state;
    static const double sizes[] = { 1e-200, 1e-30, -1, 1e30, 0 };
    shape s = { .n_rows = 70, .n_dense = 6 };
    fixture *f = make(&s, 3);
    double d[70], gram[36], want[36];
    void *scratch = own(f, skimpi_gram_scratch_bytes(6, 6));
    for (size_t k = 0; k < N_FAMILIES; k++) {
        const skimpi_kernels *kernels = skimpi_kernels_named(families[k]);
        for (size_t w = 0; kernels != NULL && w < sizeof sizes / sizeof *sizes; w++) {
            for (size_t i = 0; i < 70; i++) {
                d[i] = sizes[w];
            }
            memset(gram, 0, sizeof gram);
            memset(want, 0, sizeof want);
            kernels->gram(&f->chunk, d, NULL, gram, 6, false, scratch);
            kernels->gram(&f->chunk, NULL, NULL, want, 6, true, scratch);
            for (size_t a = 0; a < 6; a++) {
                for (size_t b = 0; b <= a; b++) {
                    double bound = 2e-6 * fabs(sizes[w]) * sqrt(want[a * 6 + a] * want[b * 6 + b]);
                    assert_true(fabs(gram[a * 6 + b] - sizes[w] * want[a * 6 + b]) <= bound);
                }
            }
        }
    }
    release(f);
}

/* Indices of 2^31 and over, in 32 bits: addressed through a pointer that lies that far below the coefficients. */
static void test_high_indices(void **state)
{
    (void)state;
    enum { N = 20 };
    uint32_t indptr[2] = { 0, N }, indices[N];
    double coef[N], out[1];
    for (uint32_t i = 0; i < N; i++) {
        indices[i] = 0x80000000u + i;
        coef[i] = i + 1;
    }
    skimpi_chunk chunk = { .n_rows = 1, .has_csr = true, .csr = { .indptr = indptr, .indices = indices } };
    const double *shifted = (const double *)((uintptr_t)coef - ((uintptr_t)0x80000000u * sizeof *coef));
    for (size_t k = 0; k < N_FAMILIES; k++) {
        const skimpi_kernels *kernels = skimpi_kernels_named(families[k]);
        if (kernels != NULL) {
            kernels->margins(&chunk, 1, shifted, 0, NULL, out, 1);
            assert_true(out[0] == N * (N + 1) / 2);
        }
    }
}

static void test_vectors(void **state)
{
    (void)state;
    double x[100] = { 0 }, y[100] = { 0 };
    skimpi_random random;
    skimpi_random_seed(&random, 1);
    for (size_t n = 0; n < 100; n++) {
        long double dot = 0, size = 0, square = 0;
        double largest = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = skimpi_random_double(&random) - 0.5;
            y[i] = skimpi_random_double(&random) - 0.5;
            dot += (long double)x[i] * (long double)y[i];
            size += fabsl((long double)x[i] * (long double)y[i]);
            square += (long double)x[i] * (long double)x[i];
            largest = fmax(largest, fabs(x[i]));
        }
        assert_near(skimpi_dot(n, x, y), dot, size, 8 * DBL_EPSILON);
        assert_near(skimpi_norm2(n, x), sqrtl(square), 0, 8 * DBL_EPSILON);
        assert_true(skimpi_norm_inf(n, x) == largest);
        double z[100];
        memcpy(z, y, sizeof z);
        skimpi_axpy(n, 2.5, x, z);
        for (size_t i = 0; i < 100; i++) {
            assert_true(z[i] == (i < n ? y[i] + 2.5 * x[i] : y[i]));
        }
    }
    double huge[3] = { 3e300, 4e300, 0 }, tiny[3] = { 3e-300, -4e-300, 0 }, hole[3] = { 1, (double)NAN, 2 };
    assert_near(skimpi_norm2(3, huge), 5e300L, 0, 4 * DBL_EPSILON);
    assert_near(skimpi_norm2(3, tiny) * 1e290, 5e-10L, 0, 16 * DBL_EPSILON);
    assert_true(isnan(skimpi_norm_inf(3, hole)));
    assert_true(isnan(skimpi_norm2(3, hole)));
}

static void test_dense_rows(void **state)
{
    (void)state;
    shape s = { .n_rows = 50, .n_dense = 7, .f64_every = 3 };
    fixture *f = make(&s, 5);
    double rows[11 * 9];
    skimpi_chunk_dense_rows(&f->chunk, 39, 11, rows, 9);
    for (size_t i = 0; i < 11; i++) {
        for (size_t j = 0; j < 7; j++) {
            const skimpi_dense_column *column = &f->chunk.dense[j];
            assert_true(rows[i * 9 + j] == (column->f32 != NULL ? (double)column->f32[39 + i] : column->f64[39 + i]));
        }
    }
    release(f);
}

static void test_columns(void **state)
{
    (void)state;
    const skimpi_family *all[] = {
        &skimpi_family_reference,
#if defined(__x86_64__)
        &skimpi_family_avx2,
        &skimpi_family_avx512,
#endif
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        if (skimpi_kernels_named(all[k]->kernels.family) == NULL) {
            continue;
        }
        for (size_t n = 0; n < 50; n++) {
            for (int is_f32 = 0; is_f32 < 2; is_f32++) {
                float f32[64];
                double f64[64], out[3], least, largest;
                long double sum = 0, squares = 0, count = 0, low = INFINITY, high = -INFINITY;
                for (size_t i = 0; i < 64; i++) {
                    double x = i < n ? 3 + sin((double)(i * i + n)) : 1e30;
                    f32[i] = i % 7 == 3 ? NAN : (float)x;
                    f64[i] = i % 7 == 3 ? (double)NAN : (double)f32[i];
                    if (i < n && i % 7 != 3) {
                        long double v = (long double)f64[i] - 2.5L;
                        count++;
                        sum += v;
                        squares += v * v;
                        low = fminl(low, (long double)f64[i]);
                        high = fmaxl(high, (long double)f64[i]);
                    }
                }
                void *column = is_f32 ? (void *)f32 : (void *)f64;
                all[k]->moments(column, is_f32, n, 2.5, out);
                assert_true(out[0] == (double)count);
                assert_near(out[1], sum, count, 8 * DBL_EPSILON);
                assert_near(out[2], squares, squares, 8 * DBL_EPSILON);
                assert_true(all[k]->range(column, is_f32, n, &least, &largest) == (size_t)count);
                assert_true(least == (double)low && largest == (double)high);
                double before[64];
                memcpy(before, f64, sizeof before);
                all[k]->affine(column, is_f32, n, 2.5, 4, -1);
                for (size_t i = 0; i < 64; i++) {
                    double want = i < n ? (before[i] - 2.5) * 4 - 1 : before[i], got = is_f32 ? (double)f32[i] : f64[i];
                    assert_true(isnan(want) ? isnan(got) : fabs(got - want) <= fabs(want) * (is_f32 ? 1e-6 : 1e-15));
                }
            }
        }
    }
}

/* Floats and doubles about an offset lose nothing when it is taken off; a column without a shift keeps its bits. */
static void test_shift(void **state)
{
    (void)state;
    enum { N = 33 };
    float floats[N], *f32 = aligned_alloc(64, 256), *kept = aligned_alloc(64, 256);
    double *f64 = aligned_alloc(64, 512);
    const double shifts[4] = { 4096.25, 0, 0, 0x1p40 };
    assert_true(f32 != NULL && f64 != NULL && kept != NULL);
    for (size_t i = 0; i < N; i++) {
        floats[i] = (float)i / 16;
        f32[i] = 4096.25f + floats[i];
        f64[i] = 0x1p40 + (double)floats[i];
        kept[i] = i % 2 == 0 ? -0.0f : NAN;
    }
    skimpi_dense_column columns[3] = { { .feature = 0, .f32 = f32 },
                                       { .feature = 1, .f32 = kept },
                                       { .feature = 3, .f64 = f64 } };
    skimpi_chunk chunk = { .n_rows = N, .n_dense = 3, .dense = columns };
    skimpi_chunk_shift(&chunk, shifts);
    for (size_t i = 0; i < N; i++) {
        assert_true(f32[i] == floats[i] && f64[i] == (double)floats[i]);
        assert_true(i % 2 == 0 ? kept[i] == 0 && signbit(kept[i]) : isnan(kept[i]));
    }
    free(f32);
    free(f64);
    free(kept);
}

static void test_dispatch(void **state)
{
    (void)state;
    assert_non_null(skimpi_kernels_named("reference"));
    assert_null(skimpi_kernels_named("abacus"));
    assert_ptr_equal(skimpi_kernels_get(), skimpi_kernels_named(skimpi_kernels_get()->family));
    assert_true(skimpi_gram_scratch_bytes(UINT64_MAX / 2, UINT64_MAX) == UINT64_MAX);
    assert_true(skimpi_gram_scratch_bytes(0, 0) >= 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_counts), cmocka_unit_test(test_column_counts), cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_codes),      cmocka_unit_test(test_csr),           cmocka_unit_test(test_scales),
        cmocka_unit_test(test_offsets),    cmocka_unit_test(test_weights),       cmocka_unit_test(test_high_indices),
        cmocka_unit_test(test_vectors),    cmocka_unit_test(test_dense_rows),    cmocka_unit_test(test_columns),
        cmocka_unit_test(test_shift),      cmocka_unit_test(test_dispatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
