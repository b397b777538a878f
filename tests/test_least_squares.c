/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * linear_regression and ridge: scikit-learn's coefficients, whatever the chunks and lanes; offsets, scales, collinear
 * and constant columns; sparse data, wide and narrow; non-negative solutions; checkpoints, models, failing allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drive_class.h"
#include "expected_data.h"
#include "hostile_model.h"
#include "sklearn_expected.h"

extern const skimpi_estimator_class skimpi_class_linear_regression, skimpi_class_ridge;
#define LINEAR (&skimpi_class_linear_regression)
#define RIDGE (&skimpi_class_ridge)

static const char *const no_pairs[] = { NULL };

/*
 * Fits with several chunk sizes and lanes, with and without checkpoints; each must give `expected` (coef and
 * intercept).
 */
static void expect(const skimpi_estimator_class *class_, const char *const *pairs, const regression_data *d,
                   const char *kinds, bool weighted, const double *expected, double threshold)
{
    static const unsigned lane_counts[] = { 1, 3, 16 };
    static const uint32_t chunk_rows[] = { 1, 7, 64, 4000 };
    drive_data data = { .n_rows = d->n,
                        .n_columns = d->p,
                        .x = d->x,
                        .kinds = kinds,
                        .target = d->y,
                        .weight = weighted ? d->weight : NULL };
    double largest = 0;
    for (size_t j = 0; j <= d->p; j++) {
        largest = fmax(largest, fabs(expected[j]));
    }
    for (size_t r = 0; r < sizeof chunk_rows / sizeof *chunk_rows; r++) {
        drive_chunks *c = drive_make(&data, chunk_rows[r]);
        for (size_t l = 0; l < sizeof lane_counts / sizeof *lane_counts; l++) {
            drive_fit fit = { .checkpoint = l == 1 };
            drive_well(class_, pairs, c, lane_counts[l], &fit);
            skimpi_outcome outcome;
            class_->result(fit.self, &outcome);
            assert_true(outcome.converged);
            /* The objective, from the fitted model's own predictions. */
            double *out = calloc(d->n, sizeof *out), objective = 0;
            for (size_t k = 0; k < c->n; k++) {
                assert_int_equal(class_->predict(fit.self, SKIMPI_PREDICT_LABEL, &c->chunks[k],
                                                 out + c->chunks[k].first_row, d->n, NULL, NULL),
                                 SKIMP_OK);
            }
            for (size_t i = 0; i < d->n; i++) {
                objective += (weighted ? d->weight[i] : 1) * (d->y[i] - out[i]) * (d->y[i] - out[i]);
            }
            free(out);
            skimpi_tensors *tensors;
            drive_reload(class_, &fit, c, &tensors);
            double alpha = class_ == RIDGE ? skimpi_params_number(fit.params, "alpha") : 0;
            for (size_t j = 0; j < d->p; j++) {
                double coef = drive_tensor(tensors, "0.coef_", j);
                drive_near(coef, expected[j], threshold, threshold * largest);
                objective += alpha * coef * coef;
            }
            drive_near(drive_tensor(tensors, "0.intercept_", 0), expected[d->p], threshold, threshold * largest);
            drive_near(outcome.objective, objective, 1e-9, 1e-20);
            skimpi_tensors_destroy(tensors);
            drive_end(class_, &fit);
        }
        drive_release(c);
    }
}

static void test_parity(void **state)
{
    (void)state;
    regression_data d = data_regression(1, 100, 6);
    static const char *const through_zero[] = { "fit_intercept", "false", NULL };
    static const char *const alpha[] = { "alpha", "20", NULL };
    static const char *const alpha_through_zero[] = { "alpha", "20", "fit_intercept", "false", NULL };
    expect(LINEAR, no_pairs, &d, NULL, false, expected_linear, 1e-11);
    expect(LINEAR, no_pairs, &d, NULL, true, expected_linear_weighted, 1e-11);
    expect(LINEAR, through_zero, &d, NULL, false, expected_linear_through_zero, 1e-11);
    expect(RIDGE, alpha, &d, NULL, false, expected_ridge, 1e-11);
    expect(RIDGE, alpha, &d, NULL, true, expected_ridge_weighted, 1e-11);
    expect(RIDGE, alpha_through_zero, &d, NULL, false, expected_ridge_through_zero, 1e-11);
    data_free(&d);
}

/* `expected`: the rank, then the singular values (those that are rounding there are rounding here). */
static void expect_singular(const char *const *pairs, const regression_data *d, bool weighted, const double *expected)
{
    drive_data data = {
        .n_rows = d->n, .n_columns = d->p, .x = d->x, .target = d->y, .weight = weighted ? d->weight : NULL
    };
    size_t n = d->n < d->p ? d->n : d->p;
    drive_chunks *c = drive_make(&data, 30);
    drive_fit fit = { .checkpoint = true };
    drive_well(LINEAR, pairs, c, 3, &fit);
    skimpi_tensors *tensors;
    drive_reload(LINEAR, &fit, c, &tensors);
    assert_true(drive_tensor(tensors, "0.rank_", 0) == expected[0]);
    assert_int_equal(skimpi_tensors_find(tensors, "0.singular_")->n_values, n);
    for (size_t k = 0; k < n; k++) {
        drive_near(drive_tensor(tensors, "0.singular_", k), expected[1 + k], 1e-12, 1e-14 * expected[1]);
    }
    skimpi_tensors_destroy(tensors);
    drive_end(LINEAR, &fit);
    drive_release(c);
}

static void test_rank_and_singular_values(void **state)
{
    (void)state;
    static const char *const through_zero[] = { "fit_intercept", "false", NULL };
    regression_data d = data_regression(1, 100, 6), few = data_regression(3, 5, 9), collinear = data_collinear(2, 80);
    expect_singular(no_pairs, &d, false, expected_linear_singular);
    expect_singular(no_pairs, &d, true, expected_linear_weighted_singular);
    expect_singular(through_zero, &d, false, expected_linear_through_zero_singular);
    expect_singular(no_pairs, &collinear, false, expected_collinear_singular);
    expect_singular(no_pairs, &collinear, true, expected_collinear_weighted_singular);
    expect_singular(no_pairs, &few, false, expected_few_rows_singular);
    /* Columns 1e6 u and 0.6 u + 0.8 v, u ⊥ v: the small one would lose four digits if squares were taken. */
    double x[8], y[4] = { 1, 2, 3, 5 };
    for (int i = 0; i < 4; i++) {
        double u = i < 2 ? 0.5 : -0.5, v = i % 2 == 0 ? 0.5 : -0.5;
        x[2 * i] = 1e6 * u;
        x[2 * i + 1] = 0.6 * u + 0.8 * v;
    }
    drive_data units = { .n_rows = 4, .n_columns = 2, .x = x, .target = y };
    drive_chunks *c = drive_make(&units, 4);
    drive_fit fit = { 0 };
    drive_well(LINEAR, no_pairs, c, 1, &fit);
    skimpi_tensors *tensors;
    drive_reload(LINEAR, &fit, c, &tensors);
    double first = drive_tensor(tensors, "0.singular_", 0), second = drive_tensor(tensors, "0.singular_", 1);
    drive_near(first * second, 8e5, 1e-9, 0);
    drive_near(first * first + second * second, 1e12 + 1, 1e-13, 0);
    skimpi_tensors_destroy(tensors);
    drive_end(LINEAR, &fit);
    drive_release(c);
    data_free(&d);
    data_free(&few);
    data_free(&collinear);
}

static void test_positive(void **state)
{
    (void)state;
    regression_data d = data_regression(1, 100, 6);
    static const char *const positive[] = { "positive", "true", NULL };
    static const char *const ridge_positive[] = { "positive", "true", "alpha", "20", "solver", "lbfgs", NULL };
    expect(LINEAR, positive, &d, NULL, false, expected_linear_positive, 1e-9);
    expect(RIDGE, ridge_positive, &d, NULL, false, expected_ridge_positive, 1e-5);
    data_free(&d);
}

/* What a ridge model says of its making, in scikit-learn's words. */
static void test_ridge_names_its_solver(void **state)
{
    (void)state;
    regression_data d = data_collinear(2, 80);
    static const struct {
        const char *pairs[5];
        const char *solver;
    } cases[] = {
        { { "solver", "sag" }, "cholesky" },
        { { "positive", "true" }, "lbfgs" },
        { { "alpha", "0" }, "svd" }, /* collinear columns */
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        drive_data data = { .n_rows = d.n, .n_columns = d.p, .x = d.x, .target = d.y };
        drive_chunks *c = drive_make(&data, 30);
        drive_fit fit = { 0 };
        drive_well(RIDGE, cases[k].pairs, c, 2, &fit);
        skimpi_tensors *tensors;
        drive_reload(RIDGE, &fit, c, &tensors);
        assert_string_equal(skimpi_tensors_find(tensors, "0.solver_")->data, cases[k].solver);
        assert_true(drive_tensor(tensors, "0.n_iter_", 0) == 1);
        assert_null(skimpi_tensors_find(tensors, "0.singular_"));
        skimpi_tensors_destroy(tensors);
        drive_end(RIDGE, &fit);
        drive_release(c);
    }
    data_free(&d);
}

/* Non-negative solutions are optimal by their gradients, with collinear columns among them too. */
static void test_positive_is_optimal(void **state)
{
    (void)state;
    enum { N = 120, P = 40 };
    static const char *const pairs[] = { "positive", "true", NULL };
    regression_data d = data_regression(11, N, P);
    for (size_t i = 0; i < N; i++) {
        d.x[i * P + 39] = d.x[i * P + 5];
        d.x[i * P + 38] = d.x[i * P + 5] + d.x[i * P + 6];
    }
    drive_data data = { .n_rows = N, .n_columns = P, .x = d.x, .target = d.y };
    drive_chunks *c = drive_make(&data, 50);
    drive_fit fit = { 0 };
    drive_well(LINEAR, pairs, c, 2, &fit);
    double out[N], size = 0;
    for (size_t k = 0; k < c->n; k++) {
        assert_int_equal(
            LINEAR->predict(fit.self, SKIMPI_PREDICT_LABEL, &c->chunks[k], out + c->chunks[k].first_row, N, NULL, NULL),
            SKIMP_OK);
    }
    for (size_t i = 0; i < N; i++) {
        out[i] = d.y[i] - out[i];
        size += fabs(out[i]);
    }
    skimpi_tensors *tensors;
    drive_reload(LINEAR, &fit, c, &tensors);
    for (size_t j = 0; j < P; j++) {
        double gradient = 0, coef = drive_tensor(tensors, "0.coef_", j);
        for (size_t i = 0; i < N; i++) {
            gradient += out[i] * (d.x[i * P + j] - (double)j);
        }
        assert_true(coef >= 0);
        assert_true(gradient <= 1e-8 * size);
        assert_true(coef == 0 || gradient >= -1e-8 * size);
    }
    skimpi_tensors_destroy(tensors);
    drive_end(LINEAR, &fit);
    drive_release(c);
    data_free(&d);
}

static void test_collinear(void **state)
{
    (void)state;
    regression_data d = data_collinear(2, 80);
    expect(LINEAR, no_pairs, &d, NULL, false, expected_collinear, 1e-9);
    expect(LINEAR, no_pairs, &d, NULL, true, expected_collinear_weighted, 1e-9);
    expect(RIDGE, no_pairs, &d, NULL, false, expected_collinear_ridge, 1e-9);

    drive_data data = { .n_rows = d.n, .n_columns = d.p, .x = d.x, .target = d.y };
    drive_chunks *c = drive_make(&data, 30);
    drive_fit fit = { 0 };
    drive_well(LINEAR, no_pairs, c, 2, &fit);
    assert_true(drive_warned(&fit, "constant columns have coefficient 0: x4"));
    assert_true(
        drive_warned(&fit, "collinear (rank 3 of 6): the solution of least norm was taken: x0, x1, x2, x3, x5"));
    drive_end(LINEAR, &fit);
    drive_release(c);
    data_free(&d);
    d = data_regression(3, 5, 9);
    expect(LINEAR, no_pairs, &d, NULL, false, expected_few_rows, 1e-8);
    static const char *const alpha[] = { "alpha", "0.5", NULL };
    expect(RIDGE, alpha, &d, NULL, false, expected_few_rows_ridge, 1e-9);
    data_free(&d);
}

/* Units and origins change the coefficients by what they are, and the predictions not at all. */
static void test_scales_and_offsets(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        regression_data d = data_regression(1, 100, 6);
        double expected[7], unit[6];
        memcpy(expected, expected_linear, sizeof expected);
        for (size_t j = 0; j < 6; j++) {
            unit[j] = kind == 0 ? ldexp(1, (int)j * 40 - 100) : kind == 1 ? pow(10, (double)j * 12 - 30) : 1;
            for (size_t i = 0; i < d.n; i++) {
                /* Offsets of 2^30 leave 22 bits: as many as the data have after this. */
                double x = kind == 2 ? floor(d.x[i * 6 + j] * 0x1p22) / 0x1p22 : d.x[i * 6 + j];
                d.x[i * 6 + j] = kind == 2 ? x + 0x1p30 : x * unit[j];
            }
            expected[j] /= unit[j];
        }
        drive_data data = { .n_rows = d.n, .n_columns = d.p, .x = d.x, .target = d.y };
        drive_chunks *c = drive_make(&data, 33);
        for (unsigned lanes = 1; lanes <= 3; lanes += 2) {
            drive_fit fit = { 0 };
            drive_well(LINEAR, no_pairs, c, lanes, &fit);
            assert_int_equal(skimpi_warnings_count(fit.warnings), kind == 2);
            assert_int_equal(drive_warned(&fit, "standard deviations from zero"), kind == 2);
            assert_int_equal(drive_warned(&fit, "x0, x1, x2, x3, x4, x5"), kind == 2);
            skimpi_tensors *tensors;
            drive_reload(LINEAR, &fit, c, &tensors);
            for (size_t j = 0; j < 6; j++) {
                drive_near(drive_tensor(tensors, "0.coef_", j) * unit[j], expected_linear[j], kind == 2 ? 1e-5 : 1e-9,
                           0);
            }
            skimpi_tensors_destroy(tensors);
            drive_end(LINEAR, &fit);
        }
        drive_release(c);
        data_free(&d);
    }
}

/*
 * With an offset, the same bits of x must give the same coefficients as without it: to rounding, not to 1e9 times it.
 */
static void test_offset_loses_nothing(void **state)
{
    (void)state;
    enum { N = 500, P = 4 };
    double *x = calloc(N * P, sizeof *x), y[N], coef[2][P];
    assert_non_null(x);
    for (int shifted = 0; shifted < 2; shifted++) {
        for (size_t i = 0; i < N; i++) {
            y[i] = 0.5 * data_uniform(20, i, 99);
            for (size_t j = 0; j < P; j++) {
                double u = floor(data_uniform(20, i, j) * 0x1p20) / 0x1p20;
                y[i] += (double)(j + 1) * u;
                x[i * P + j] = u + (shifted ? 0x1p30 : 0);
            }
            y[i] += shifted ? 1e9 : 0;
        }
        drive_data data = { .n_rows = N, .n_columns = P, .x = x, .target = y };
        drive_chunks *c = drive_make(&data, 60);
        drive_fit fit = { 0 };
        drive_well(LINEAR, no_pairs, c, 3, &fit);
        skimpi_tensors *tensors;
        drive_reload(LINEAR, &fit, c, &tensors);
        for (size_t j = 0; j < P; j++) {
            coef[shifted][j] = drive_tensor(tensors, "0.coef_", j);
        }
        skimpi_tensors_destroy(tensors);
        drive_end(LINEAR, &fit);
        drive_release(c);
    }
    for (size_t j = 0; j < P; j++) {
        drive_near(coef[1][j], coef[0][j], 1e-7, 0); /* the target's own rounding at 1e9 is 1e-7 */
    }
    free(x);
}

/* Hilbert-like columns: condition 1e7. The corrections must make up for the squared condition of the Gram matrix. */
static void test_ill_conditioned(void **state)
{
    (void)state;
    enum { N = 200, P = 6 };
    double *x = calloc(N * P, sizeof *x), y[N];
    assert_non_null(x);
    static const char *const pairs[] = { "tol", "0", NULL };
    for (size_t i = 0; i < N; i++) {
        double t = (double)i / N;
        y[i] = 0;
        for (size_t j = 0; j < P; j++) {
            x[i * P + j] = floor(pow(t, (double)(j + 1)) * 0x1p40) / 0x1p40;
            y[i] += x[i * P + j] * (double)(j + 1);
        }
    }
    drive_data data = { .n_rows = N, .n_columns = P, .x = x, .target = y };
    drive_chunks *c = drive_make(&data, 64);
    drive_fit fit = { 0 };
    drive_well(LINEAR, pairs, c, 2, &fit);
    skimpi_tensors *tensors;
    drive_reload(LINEAR, &fit, c, &tensors);
    for (size_t j = 0; j < P; j++) {
        drive_near(drive_tensor(tensors, "0.coef_", j), (double)(j + 1), 1e-8, 0);
    }
    skimpi_tensors_destroy(tensors);
    drive_end(LINEAR, &fit);
    drive_release(c);
    free(x);
}

/* One data set as double columns, as floats, as CSR of both widths, and with codes: always the same solution. */
static void test_forms(void **state)
{
    (void)state;
    enum { N = 150, P = 7 };
    static const char *const kinds[] = { "ddddddd", "fdfdfdf", "ddsssss", "sssssss" };
    double x[N * P], y[N], first[P];
    for (size_t i = 0; i < N; i++) {
        y[i] = 1 + 0.1 * data_uniform(5, i, 100);
        for (size_t j = 0; j < P; j++) {
            double u = data_uniform(5, i, j);
            x[i * P + j] = j > 1 && u < 0.3 ? 0 : (double)(float)u;
            y[i] += x[i * P + j] * (double)j;
        }
    }
    for (size_t k = 0; k < 4; k++) {
        drive_data data = {
            .n_rows = N, .n_columns = P, .x = x, .kinds = kinds[k], .target = y, .csr_wide = k == 3, .csr_f64 = k == 3
        };
        drive_chunks *c = drive_make(&data, 40);
        drive_fit fit = { 0 };
        drive_well(LINEAR, no_pairs, c, 3, &fit);
        skimpi_tensors *tensors;
        drive_reload(LINEAR, &fit, c, &tensors);
        for (size_t j = 0; j < P; j++) {
            double coef = drive_tensor(tensors, "0.coef_", j);
            if (k == 0) {
                first[j] = coef;
            }
            drive_near(coef, first[j], 1e-11, 1e-12);
        }
        skimpi_tensors_destroy(tensors);
        drive_end(LINEAR, &fit);
        drive_release(c);
    }
}

/* One-hot columns with an intercept are collinear by nature: means of the groups come out, and no warning. */
static void test_one_hot(void **state)
{
    (void)state;
    enum { N = 90 };
    double x[N], y[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)(i % 3);
        y[i] = x[i] * 10 + (i % 2 ? 1 : -1);
    }
    drive_data data = { .n_rows = N, .n_columns = 1, .x = x, .kinds = "c", .n_codes = 3, .target = y };
    drive_chunks *c = drive_make(&data, 40);
    drive_fit fit = { 0 };
    drive_well(LINEAR, no_pairs, c, 2, &fit);
    assert_int_equal(skimpi_warnings_count(fit.warnings), 0);
    double out[N];
    for (size_t k = 0; k < c->n; k++) {
        assert_int_equal(
            LINEAR->predict(fit.self, SKIMPI_PREDICT_LABEL, &c->chunks[k], out + c->chunks[k].first_row, N, NULL, NULL),
            SKIMP_OK);
    }
    for (size_t i = 0; i < N; i++) {
        drive_near(out[i], x[i] * 10, 1e-12, 1e-12);
    }
    skimpi_tensors *tensors;
    drive_reload(LINEAR, &fit, c, &tensors);
    double sum =
        drive_tensor(tensors, "0.coef_", 0) + drive_tensor(tensors, "0.coef_", 1) + drive_tensor(tensors, "0.coef_", 2);
    drive_near(sum, 0, 0, 1e-11); /* least norm */
    skimpi_tensors_destroy(tensors);
    drive_end(LINEAR, &fit);
    drive_release(c);
}

/*
 * Wide: the gradient of the objective vanishes; few rows: it interpolates. Dense columns with offsets among the sparse
 * ones.
 */
static void test_wide(void **state)
{
    (void)state;
    enum { P = 1100 };
    static const char *const alpha[] = { "alpha", "0.3", NULL };
    char kinds[P];
    memset(kinds, 's', P);
    kinds[0] = kinds[1] = 'd';
    for (int kind = 0; kind < 3; kind++) { /* ridge; many rows; few rows */
        size_t n = kind == 1 ? 3000 : 400;
        double *x = calloc(n * P, sizeof *x), *y = calloc(n, sizeof *y), *r = calloc(n, sizeof *r),
               *weight = calloc(n, sizeof *weight);
        assert_non_null(x);
        assert_non_null(y);
        assert_non_null(r);
        assert_non_null(weight);
        for (size_t i = 0; i < n; i++) {
            x[i * P] = 1e6 + data_uniform(6, i, 0);
            x[i * P + 1] = data_uniform(6, i, 1) * 100;
            for (size_t k = 0; k < 12; k++) {
                x[i * P + 2 + skimpi_mix64(i * 100 + k) % (P - 2)] = (double)(float)data_uniform(6, i, 10 + k);
            }
            y[i] = 5 + data_uniform(6, i, 5000) + data_uniform(6, i, 0);
            weight[i] = 0.5 + fabs(data_uniform(6, i, 5001));
        }
        drive_data data = { .n_rows = n, .n_columns = P, .x = x, .kinds = kinds, .target = y, .weight = weight };
        drive_chunks *c = drive_make(&data, 250);
        const skimpi_estimator_class *class_ = kind == 0 ? RIDGE : LINEAR;
        drive_fit fit = { .checkpoint = kind == 1 };
        drive_well(class_, kind == 0 ? alpha : no_pairs, c, 3, &fit);
        skimpi_outcome outcome;
        class_->result(fit.self, &outcome);
        assert_true(outcome.converged);
        assert_true(outcome.n_iter > 1);
        double size = 0, mean = 0;
        for (size_t k = 0; k < c->n; k++) {
            assert_int_equal(class_->predict(fit.self, SKIMPI_PREDICT_LABEL, &c->chunks[k], r + c->chunks[k].first_row,
                                             n, NULL, NULL),
                             SKIMP_OK);
        }
        for (size_t i = 0; i < n; i++) {
            r[i] = weight[i] * (y[i] - r[i]);
            size += fabs(r[i]);
            mean += r[i];
        }
        skimpi_tensors *tensors;
        drive_reload(class_, &fit, c, &tensors);
        assert_true(fabs(mean) <= 1e-6 * size + 1e-6);
        for (size_t j = 0; j < P; j++) {
            double gradient = kind == 0 ? -0.3 * drive_tensor(tensors, "0.coef_", j) : 0;
            for (size_t i = 0; i < n; i++) {
                gradient += r[i] * (x[i * P + j] - (j == 0 ? 1e6 : 0));
            }
            assert_true(fabs(gradient) <= 1e-6 * size + 1e-4);
        }
        if (kind == 2) {
            assert_true(size < 1e-4); /* 400 rows, 1100 columns */
        }
        if (kind == 0) {
            assert_string_equal(skimpi_tensors_find(tensors, "0.solver_")->data, "sparse_cg");
            assert_true(drive_tensor(tensors, "0.n_iter_", 0) == (double)outcome.n_iter);
        }
        assert_true((skimpi_tensors_find(tensors, "0.solver_") != NULL) == (kind == 0));
        assert_null(skimpi_tensors_find(tensors, "0.singular_")); /* nor is there a matrix to have them of */
        skimpi_tensors_destroy(tensors);
        drive_end(class_, &fit);
        drive_release(c);
        free(x);
        free(y);
        free(r);
        free(weight);
    }
}

/* A target that is constant, but for rounding: nothing is left to correct, and nothing to warn of. */
static void test_constant_targets(void **state)
{
    (void)state;
    enum { N = 300, P = 4 };
    static const double constants[] = { 0.1, 2.5, -1e9 / 3, 0 };
    double *x = calloc(N * P, sizeof *x), y[N], weight[N];
    assert_non_null(x);
    for (size_t i = 0; i < N * P; i++) {
        x[i] = data_uniform(40, i, 0);
    }
    for (size_t k = 0; k < 16; k++) {
        const skimpi_estimator_class *class_ = k % 2 == 0 ? LINEAR : RIDGE;
        const double constant = constants[k / 2 % 4];
        for (size_t i = 0; i < N; i++) {
            y[i] = constant;
            weight[i] = 0.5 + fabs(data_uniform(41, i, 0));
        }
        for (size_t p = 1; p <= P; p += P - 1) {
            drive_data data = { .n_rows = N, .n_columns = p, .x = x, .target = y, .weight = k < 8 ? NULL : weight };
            drive_chunks *c = drive_make(&data, 17);
            drive_fit fit = { 0 };
            drive_well(class_, no_pairs, c, 3, &fit);
            skimpi_outcome outcome;
            class_->result(fit.self, &outcome);
            assert_true(outcome.converged);
            assert_int_equal(skimpi_warnings_count(fit.warnings), 0);
            skimpi_tensors *tensors;
            drive_reload(class_, &fit, c, &tensors);
            for (size_t j = 0; j < p; j++) {
                drive_near(drive_tensor(tensors, "0.coef_", j), 0, 0, 1e-14 * (1 + fabs(constant)));
            }
            skimpi_tensors_destroy(tensors);
            drive_end(class_, &fit);
            drive_release(c);
        }
    }
    free(x);
}

/*
 * Amounts in cents and their total, kept as floats: the total is off by their rounding.  A small penalty must not take that for
 * something to learn from; the solution is that of the columns as they were written.
 */
static void test_rounded_collinear(void **state)
{
    (void)state;
    enum { N = 2000, P = 3 };
    static const char *const alphas[] = { "1", "0.001", "1e-06", "1e-10", "0" };
    double *x = calloc(N * P, sizeof *x), *y = calloc(N, sizeof *y);
    assert_true(x != NULL && y != NULL);
    double xy[2] = { 0 }, xx[3] = { 0 }, mean[3] = { 0 };
    for (size_t i = 0; i < N; i++) {
        long a = (long)((data_uniform(42, i, 0) + 1) * 10000), b = (long)((data_uniform(42, i, 1) + 1) * 10000);
        x[P * i] = (double)a / 100;
        x[P * i + 1] = (double)b / 100;
        x[P * i + 2] = (double)(a + b) / 100;
        y[i] = 0.3 * x[P * i] - 0.1 * x[P * i + 1] + data_uniform(42, i, 2);
        mean[0] += x[P * i] / N;
        mean[1] += x[P * i + 1] / N;
        mean[2] += y[i] / N;
    }
    /* Without a penalty: y on a and b, (u, v); then the least norm of w with w_a + w_t = u, w_b + w_t = v. */
    for (size_t i = 0; i < N; i++) {
        double a = x[P * i] - mean[0], b = x[P * i + 1] - mean[1], t = y[i] - mean[2];
        xx[0] += a * a;
        xx[1] += a * b;
        xx[2] += b * b;
        xy[0] += a * t;
        xy[1] += b * t;
    }
    double det = xx[0] * xx[2] - xx[1] * xx[1], u = (xy[0] * xx[2] - xy[1] * xx[1]) / det,
           v = (xy[1] * xx[0] - xy[0] * xx[1]) / det, wanted[3] = { u - (u + v) / 3, v - (u + v) / 3, (u + v) / 3 };
    drive_data data = { .n_rows = N, .n_columns = P, .x = x, .kinds = "fff", .target = y };
    drive_chunks *c = drive_make(&data, 300);
    for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
        const char *const pairs[] = { "alpha", alphas[k], NULL };
        drive_fit fit = { 0 };
        drive_well(RIDGE, pairs, c, 3, &fit);
        /* A penalty has one solution; without one that would be held, the columns are named. */
        assert_int_equal(
            drive_warned(&fit, "collinear (rank 2 of 3): the solution of least norm was taken: x0, x1, x2"), k >= 3);
        assert_int_equal(skimpi_warnings_count(fit.warnings), k >= 3);
        skimpi_tensors *tensors;
        drive_reload(RIDGE, &fit, c, &tensors);
        for (size_t j = 0; j < P; j++) {
            drive_near(drive_tensor(tensors, "0.coef_", j), wanted[j], 1e-5, 0);
        }
        skimpi_tensors_destroy(tensors);
        drive_end(RIDGE, &fit);
    }
    drive_release(c);
    /* What floats hold is no rounding: a column that differs by little, but does, is learnt from. */
    for (size_t i = 0; i < N; i++) {
        x[P * i + 1] = floor(data_uniform(42, i, 0) * 0x1p10);
        x[P * i] = x[P * i + 1] + (i % 100 == 0 ? 0.5 : 0);
        x[P * i + 2] = data_uniform(42, i, 1);
        y[i] = 3 * x[P * i] - x[P * i + 1];
    }
    c = drive_make(&data, 300);
    const char *const pairs[] = { "alpha", "1e-9", NULL };
    drive_fit fit = { 0 };
    drive_well(RIDGE, pairs, c, 3, &fit);
    skimpi_tensors *tensors;
    drive_reload(RIDGE, &fit, c, &tensors);
    drive_near(drive_tensor(tensors, "0.coef_", 0), 3, 1e-6, 0);
    drive_near(drive_tensor(tensors, "0.coef_", 1), -1, 1e-6, 0);
    skimpi_tensors_destroy(tensors);
    drive_end(RIDGE, &fit);
    drive_release(c);
    free(x);
    free(y);
}

static void test_awkward(void **state)
{
    (void)state;
    /* A constant target; one row; no spread at all. */
    double x[6] = { 1, 2, 3, 4, 5, 6 }, constant[6] = { 4, 4, 4, 4, 4, 4 }, zero[6] = { 0 };
    drive_data data = { .n_rows = 6, .n_columns = 1, .x = x, .target = constant };
    const double *targets[2] = { constant, zero };
    for (size_t k = 0; k < 2; k++) {
        for (size_t n = 1; n <= 6; n += 5) {
            data.n_rows = n;
            data.target = targets[k];
            drive_chunks *c = drive_make(&data, 4);
            drive_fit fit = { 0 };
            drive_well(LINEAR, no_pairs, c, 2, &fit);
            skimpi_outcome outcome;
            LINEAR->result(fit.self, &outcome);
            assert_true(outcome.converged && outcome.objective < 1e-25);
            skimpi_tensors *tensors;
            drive_reload(LINEAR, &fit, c, &tensors);
            drive_near(drive_tensor(tensors, "0.coef_", 0), 0, 0, 1e-14);
            drive_near(drive_tensor(tensors, "0.intercept_", 0), targets[k][0], 1e-14, 1e-14);
            skimpi_tensors_destroy(tensors);
            drive_end(LINEAR, &fit);
            drive_release(c);
        }
    }
    data = (drive_data){ .n_rows = 6, .n_columns = 1, .x = x, .target = constant, .weight = zero };
    drive_chunks *c = drive_make(&data, 4);
    drive_badly(LINEAR, no_pairs, c, SKIMP_ERROR_DATA, "weights|zero");
    drive_release(c);
    double huge[6] = { 1e200, 2e200, 3e200, -1e200, 1e180, 0 };
    data = (drive_data){ .n_rows = 6, .n_columns = 1, .x = huge, .target = x };
    c = drive_make(&data, 4);
    drive_badly(LINEAR, no_pairs, c, SKIMP_ERROR_DATA, "x0|too large");
    drive_release(c);
    data = (drive_data){ .n_rows = 6, .n_columns = 1, .x = x, .target = huge };
    c = drive_make(&data, 4);
    drive_badly(LINEAR, no_pairs, c, SKIMP_ERROR_DATA, "target|too large");
    static const char *const lbfgs[] = { "solver", "lbfgs", NULL };
    static const char *const sag[] = { "solver", "sag", "positive", "true", NULL };
    static const char *const alpha[] = { "alpha", "-1", NULL };
    drive_badly(RIDGE, lbfgs, c, SKIMP_ERROR_PARAM, "positive=true");
    drive_badly(RIDGE, sag, c, SKIMP_ERROR_PARAM, "sag");
    drive_badly(RIDGE, alpha, c, SKIMP_ERROR_PARAM, "alpha");
    drive_release(c);
}

static void test_refuses(void **state)
{
    (void)state;
    double x[6] = { 1, 2, 3, 4, 5, 6 };
    drive_data data = { .n_rows = 6, .n_columns = 1, .x = x, .target = x };
    drive_chunks *c = drive_make(&data, 4);
    drive_fit fit = { 0 };
    drive_well(LINEAR, no_pairs, c, 1, &fit);
    const char *why = NULL;
    assert_int_equal(LINEAR->outputs(fit.self, SKIMPI_PREDICT_LABEL, &why), 1);
    assert_int_equal(LINEAR->outputs(fit.self, SKIMPI_PREDICT_PROBABILITY, &why), 0);
    assert_non_null(why);
    /* Checkpoints that are cut short, or hold what cannot be. */
    skimpi_buffer saved;
    skimpi_buffer_init(&saved, fit.budget, SKIMP_TAG_OTHER);
    assert_int_equal(LINEAR->state_save(fit.self, &saved, NULL), SKIMP_OK);
    assert_int_equal(LINEAR->state_load(fit.self, saved.data, saved.length - 1, NULL), SKIMP_ERROR_DATA);
    for (size_t i = 0; i < 24; i++) {
        unsigned char *byte = (unsigned char *)saved.data + i, before = *byte;
        *byte = 0x7f;
        skimp_status status = LINEAR->state_load(fit.self, saved.data, saved.length, NULL);
        assert_true(status == SKIMP_OK || status == SKIMP_ERROR_DATA);
        assert_true(i >= 8 || status == SKIMP_ERROR_DATA); /* next, factor */
        *byte = before;
    }
    assert_int_equal(LINEAR->state_load(fit.self, saved.data, saved.length, NULL), SKIMP_OK);
    skimpi_buffer_free(&saved);
    /* A model of another width. */
    skimpi_tensors *tensors;
    drive_reload(LINEAR, &fit, c, &tensors);
    skimpi_problem other = c->problem;
    other.n_features = 2;
    void *self = NULL;
    assert_int_equal(LINEAR->load(&self, fit.budget, tensors, "0.", &other, fit.params, NULL), SKIMP_ERROR_DATA);
    assert_null(self);
    hostile_claim(LINEAR, tensors, "0.", c->problem, fit.params, "0.coef_");
    skimpi_tensors_destroy(tensors);
    drive_end(LINEAR, &fit);
    drive_release(c);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    double x[6] = { 1, 2, 3, 4, 5, 7 };
    drive_data data = { .n_rows = 6, .n_columns = 1, .x = x, .target = x };
    drive_chunks *c = drive_make(&data, 4);
    drive_fit fit = { 0 };
    drive_well(LINEAR, no_pairs, c, 1, &fit);
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        skimpi_fault_set(nth, nth % 2 == 0);
        void *self = NULL, *loaded = NULL;
        skimpi_tensors *tensors = NULL;
        skimp_status status = LINEAR->begin(&self, fit.budget, &c->problem, fit.params, NULL, NULL);
        assert_true((status == SKIMP_OK) == (self != NULL));
        skimp_status made = skimpi_tensors_create(&tensors, fit.budget, NULL);
        skimp_status saved = made == SKIMP_OK ? LINEAR->save(fit.self, tensors, "", NULL) : made;
        skimp_status read =
            saved == SKIMP_OK ? LINEAR->load(&loaded, fit.budget, tensors, "", &c->problem, fit.params, NULL) : saved;
        assert_true((read == SKIMP_OK) == (loaded != NULL));
        failed = status != SKIMP_OK || read != SKIMP_OK;
        skimpi_fault_set(0, false);
        if (self != NULL) {
            LINEAR->destroy(self);
        }
        if (loaded != NULL) {
            LINEAR->destroy(loaded);
        }
        skimpi_tensors_destroy(tensors);
        assert_true(nth < 200);
    }
    drive_end(LINEAR, &fit);
    drive_release(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_rank_and_singular_values),
        cmocka_unit_test(test_positive),
        cmocka_unit_test(test_ridge_names_its_solver),
        cmocka_unit_test(test_positive_is_optimal),
        cmocka_unit_test(test_collinear),
        cmocka_unit_test(test_scales_and_offsets),
        cmocka_unit_test(test_offset_loses_nothing),
        cmocka_unit_test(test_ill_conditioned),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_one_hot),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_constant_targets),
        cmocka_unit_test(test_rounded_collinear),
        cmocka_unit_test(test_awkward),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
