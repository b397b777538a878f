/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels on rows where the caller has them, every family against a plain computation in long double: all tails of rows and
 * columns, both types, any address and stride, with centres and without; nothing but the rows is read, nothing but the
 * columns' sums is written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

#define GUARD 12345.0
#define MAX_OUTPUTS 9u

static const char *const families[] = { "reference", "avx2", "avx512" };
#define N_FAMILIES (sizeof families / sizeof *families)

typedef struct shape {
    uint32_t n_rows;
    uint64_t n_columns, feature;
    bool is_f32, backwards;
    size_t offset;  /* of the first value, from an aligned address */
    size_t padding; /* bytes between rows */
    unsigned n_outputs;
    double mean; /* of every column: its centre, nearly */
} shape;

typedef struct fixture {
    skimpi_row_block rows;
    uint8_t *block;
    size_t bytes;
    long double *values; /* n_rows × n_columns */
} fixture;

/* Vectors over features with a guard at either end, in blocks of their own: a sanitizer sees whoever goes beyond. */
static double *vector(size_t n, double value)
{
    double *x = malloc((n + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i <= n; i++) {
        x[i] = i < n ? value : GUARD;
    }
    return x;
}

static void make(fixture *f, const shape *s, skimpi_random *random)
{
    const size_t item = s->is_f32 ? sizeof(float) : sizeof(double), row = s->n_columns * item + s->padding;
    f->bytes = s->offset + (s->n_rows > 0 ? (s->n_rows - 1) * row + s->n_columns * item : 0);
    f->block = malloc(f->bytes + 1);
    f->values = calloc((size_t)s->n_rows * s->n_columns + 1, sizeof *f->values);
    assert_true(f->block != NULL && f->values != NULL);
    memset(f->block, 0xff, f->bytes + 1); /* NaN: what must not be used */
    f->rows = (skimpi_row_block){ .values = f->block + s->offset + (s->backwards ? (s->n_rows - 1) * row : 0),
                                  .stride = s->backwards ? -(int64_t)row : (int64_t)row,
                                  .feature = s->feature,
                                  .n_columns = s->n_columns,
                                  .is_f32 = s->is_f32 };
    for (uint32_t i = 0; i < s->n_rows; i++) {
        uint8_t *at = (uint8_t *)(uintptr_t)f->rows.values + (int64_t)i * f->rows.stride;
        for (size_t j = 0; j < s->n_columns; j++, at += item) {
            const double x = s->mean + skimpi_random_double(random) - 0.5;
            const float narrow = (float)x;
            memcpy(at, s->is_f32 ? (const void *)&narrow : (const void *)&x, item);
            f->values[i * s->n_columns + j] = s->is_f32 ? (long double)narrow : (long double)x;
        }
    }
}

static void assert_near(double got, long double want, long double size, double threshold)
{
    const long double bound = (size + fabsl(want)) * (long double)threshold + 1e-300L;
    if (!(fabsl((long double)got - want) <= bound)) {
        fail_msg("got %.17g, want %.17Lg, residual %.3Lg over %.3Lg", got, want, fabsl((long double)got - want), bound);
    }
}

/* Of n values about `first`: the others are as they were. */
static void assert_beside(const double *x, size_t n, size_t first, size_t count, double value)
{
    for (size_t j = 0; j < n; j++) {
        assert_true((j >= first && j < first + count) || x[j] == value);
    }
    assert_true(x[n] == GUARD);
}

static void check_moments(const skimpi_kernels *kernels, const shape *s, const fixture *f, const double *centre,
                          const double *d)
{
    const size_t p = s->feature + s->n_columns;
    double *squares = vector(p, 1), *sums = vector(p, 2), *alone = vector(p, 1);
    kernels->row_moments(&f->rows, s->n_rows, centre, d, sums, squares);
    kernels->row_moments(&f->rows, s->n_rows, centre, d, NULL, alone);
    assert_beside(squares, p, s->feature, s->n_columns, 1);
    assert_beside(sums, p, s->feature, s->n_columns, 2);
    assert_memory_equal(squares, alone, p * sizeof *squares);
    for (size_t j = 0; j < s->n_columns; j++) {
        long double sum = 2, size = 2, square = 1;
        for (uint32_t i = 0; i < s->n_rows; i++) {
            const long double weight = d != NULL ? (long double)d[i] : 1;
            const long double x =
                f->values[i * s->n_columns + j] - (centre != NULL ? (long double)centre[s->feature + j] : 0);
            sum += weight * x;
            size += fabsl(weight * x);
            square += weight * x * x;
        }
        assert_near(sums[s->feature + j], sum, size, 16 * DBL_EPSILON);
        assert_near(squares[s->feature + j], square, square, 16 * DBL_EPSILON);
    }
    free(squares);
    free(sums);
    free(alone);
}

static void check(const skimpi_kernels *kernels, const shape *s, bool with_null)
{
    skimpi_random random;
    fixture f;
    skimpi_random_seed(&random, s->n_rows + 1000 * s->n_columns);
    make(&f, s, &random);
    const size_t n = s->n_rows, p = s->feature + s->n_columns, ld = p + 3, stride = n + 2, k_all = s->n_outputs;
    double *coef = vector(k_all * ld, 0), *out = vector(k_all * stride, GUARD), *r = vector(k_all * stride, 0),
           *gradient = vector(k_all * ld, 0.25), *d = vector(n, 0), *centre = with_null ? NULL : vector(p, 0),
           *intercept = vector(k_all, 0);
    for (size_t i = 0; i < k_all * ld; i++) {
        coef[i] = skimpi_random_double(&random) - 0.5;
    }
    for (size_t i = 0; i < k_all * stride; i++) {
        r[i] = skimpi_random_double(&random) - 0.5;
    }
    for (size_t i = 0; i < n; i++) {
        d[i] = skimpi_random_double(&random);
    }
    for (size_t j = 0; !with_null && j < p; j++) {
        centre[j] = s->mean + 0.015625 * (double)(j % 3);
    }
    for (size_t k = 0; k < k_all; k++) {
        intercept[k] = (double)k - 2;
    }
    kernels->row_margins(&f.rows, s->n_rows, centre, s->n_outputs, coef, ld, with_null ? NULL : intercept, out, stride);
    kernels->row_scatter(&f.rows, s->n_rows, centre, s->n_outputs, r, stride, gradient, ld);
    for (size_t k = 0; k < k_all; k++) {
        for (size_t i = 0; i < n; i++) {
            long double want = with_null ? 0 : (long double)intercept[k], size = fabsl(want);
            for (size_t j = 0; j < s->n_columns; j++) {
                const long double x =
                    f.values[i * s->n_columns + j] - (with_null ? 0 : (long double)centre[s->feature + j]);
                want += (long double)coef[k * ld + s->feature + j] * x;
                size += fabsl((long double)coef[k * ld + s->feature + j] * x);
            }
            assert_near(out[k * stride + i], want, size, 16 * DBL_EPSILON);
        }
        assert_true(out[k * stride + n] == GUARD && out[k * stride + n + 1] == GUARD);
        for (size_t j = 0; j < ld; j++) {
            if (j < s->feature || j >= p) {
                assert_true(gradient[k * ld + j] == 0.25);
                continue;
            }
            long double want = 0.25, size = 0.25;
            for (size_t i = 0; i < n; i++) {
                const long double x =
                    f.values[i * s->n_columns + j - s->feature] - (with_null ? 0 : (long double)centre[j]);
                want += (long double)r[k * stride + i] * x;
                size += fabsl((long double)r[k * stride + i] * x);
            }
            assert_near(gradient[k * ld + j], want, size, 16 * DBL_EPSILON);
        }
    }
    check_moments(kernels, s, &f, centre, with_null ? NULL : d);

    /* A chunk of such rows. */
    const skimpi_chunk chunk = { .n_rows = s->n_rows, .rows = f.rows };
    double *of_chunk = vector(k_all * stride, GUARD), *of_rows = vector(k_all * stride, GUARD),
           *one = vector(k_all * ld, 1), *two = vector(k_all * ld, 1);
    kernels->margins(&chunk, s->n_outputs, coef, ld, intercept, of_chunk, stride);
    kernels->row_margins(&f.rows, s->n_rows, NULL, s->n_outputs, coef, ld, intercept, of_rows, stride);
    assert_memory_equal(of_chunk, of_rows, k_all * stride * sizeof *of_rows);
    kernels->scatter(&chunk, s->n_outputs, r, stride, one, ld);
    kernels->row_scatter(&f.rows, s->n_rows, NULL, s->n_outputs, r, stride, two, ld);
    kernels->squares(&chunk, d, one);
    kernels->row_moments(&f.rows, s->n_rows, NULL, d, NULL, two);
    assert_memory_equal(one, two, k_all * ld * sizeof *one);

    double *const vectors[] = { coef, out, r, gradient, d, centre, intercept, of_chunk, of_rows, one, two };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        free(vectors[i]);
    }
    free(f.block);
    free(f.values);
}

static void for_each_family(const shape *s)
{
    unsigned tried = 0;
    for (size_t k = 0; k < N_FAMILIES; k++) {
        const skimpi_kernels *kernels = skimpi_kernels_named(families[k]);
        if (kernels != NULL) {
            tried++;
            check(kernels, s, false);
            check(kernels, s, true);
        }
    }
    assert_true(tried >= 1);
}

static void rows_and_columns(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 2; type++) {
        for (uint32_t n = 0; n <= 19; n++) {
            for_each_family(&(shape){ .n_rows = n, .n_columns = 21, .is_f32 = type == 1, .n_outputs = 1 });
        }
        for (uint64_t p = 1; p <= 50; p++) {
            for_each_family(&(shape){ .n_rows = 11, .n_columns = p, .is_f32 = type == 1, .n_outputs = 1 + p % 5 });
        }
        for_each_family(&(shape){ .n_rows = 37, .n_columns = 1003, .is_f32 = type == 1, .n_outputs = 1 });
    }
}

static void outputs(void **state)
{
    (void)state;
    for (unsigned k = 1; k <= MAX_OUTPUTS; k++) {
        for (uint32_t n = 1; n <= 9; n += 4) {
            for_each_family(&(shape){ .n_rows = n, .n_columns = 43, .feature = 2, .n_outputs = k });
            for_each_family(&(shape){ .n_rows = n, .n_columns = 43, .is_f32 = true, .n_outputs = k });
        }
    }
}

/* Where the rows lie says nothing of what they hold. */
static void places(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < 9; offset += 1 + offset % 3) {
        for (unsigned form = 0; form < 8; form++) {
            const shape s = { .n_rows = 13,
                              .n_columns = 35,
                              .feature = form % 3,
                              .is_f32 = form & 1,
                              .backwards = form & 2,
                              .offset = offset,
                              .padding = form & 4 ? 3 : 0,
                              .n_outputs = 1 + 4 * (form & 1) };
            for_each_family(&s);
        }
    }
    /* One row many times over. */
    double row[30], out[5], coef[30];
    for (size_t j = 0; j < 30; j++) {
        row[j] = coef[j] = (double)j;
    }
    const skimpi_row_block rows = { .values = (const uint8_t *)row, .n_columns = 30 };
    skimpi_kernels_get()->row_margins(&rows, 5, NULL, 1, coef, 30, NULL, out, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(out[i] == 29 * 30 * 59 / 6);
    }
}

/* What is left of a value at 1e9 once its centre is off has all its digits. */
static void far_from_zero(void **state)
{
    (void)state;
    for_each_family(&(shape){ .n_rows = 21, .n_columns = 67, .mean = 1e9, .n_outputs = 1 });
    for_each_family(&(shape){ .n_rows = 21, .n_columns = 67, .mean = 1e4, .is_f32 = true, .n_outputs = 5 });
}

/* A row's margin has the same bits whichever rows come with it. */
static void margins_of_one_row(void **state)
{
    (void)state;
    const shape s = { .n_rows = 11, .n_columns = 77, .is_f32 = true, .n_outputs = 5 };
    skimpi_random random;
    fixture f;
    double coef[5 * 77], all[5 * 11], one[5];
    skimpi_random_seed(&random, 4);
    make(&f, &s, &random);
    for (size_t j = 0; j < 5 * 77; j++) {
        coef[j] = skimpi_random_double(&random) - 0.5;
    }
    for (size_t k = 0; k < N_FAMILIES; k++) {
        const skimpi_kernels *kernels = skimpi_kernels_named(families[k]);
        if (kernels == NULL) {
            continue;
        }
        kernels->row_margins(&f.rows, 11, NULL, 5, coef, 77, NULL, all, 11);
        for (uint32_t i = 0; i < 11; i++) {
            skimpi_row_block row = f.rows;
            row.values += (int64_t)i * row.stride;
            kernels->row_margins(&row, 1, NULL, 5, coef, 77, NULL, one, 1);
            for (size_t m = 0; m < 5; m++) {
                assert_true(one[m] == all[m * 11 + i]);
            }
        }
    }
    free(f.block);
    free(f.values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_columns),
        cmocka_unit_test(outputs),
        cmocka_unit_test(places),
        cmocka_unit_test(far_from_zero),
        cmocka_unit_test(margins_of_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
