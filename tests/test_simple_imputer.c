/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simple_imputer: scikit-learn's statistics for any chunks and lanes; medians and modes against sorting, over many
 * columns and distributions, dense and sparse; empty columns, numbers that stand for missing values; checkpoints and
 * models.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drive_class.h"
#include "expected_data.h"
#include "sklearn_expected.h"

extern const skimpi_estimator_class skimpi_class_simple_imputer;
#define IMPUTER (&skimpi_class_simple_imputer)

static const unsigned lane_counts[] = { 1, 3, 16 };

static void expect(const char *const *pairs, const drive_data *data, uint32_t chunk_rows, unsigned lanes,
                   const double *expected, double threshold)
{
    drive_chunks *c = drive_make(data, chunk_rows);
    drive_fit fit = { .checkpoint = lanes == 3 };
    drive_well(IMPUTER, pairs, c, lanes, &fit);
    skimpi_tensors *tensors;
    drive_reload(IMPUTER, &fit, c, &tensors);
    for (size_t j = 0; j < data->n_columns; j++) {
        drive_near(drive_tensor(tensors, "0.statistics_", j), expected[j], threshold, 0);
    }
    skimpi_tensors_destroy(tensors);
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

static void test_parity(void **state)
{
    (void)state;
    static const char *const mean[] = { NULL };
    static const char *const median[] = { "strategy", "median", NULL };
    static const char *const mode[] = { "strategy", "most_frequent", NULL };
    static const char *const number[] = { "missing_values", "5.25", "keep_empty_features", "true", NULL };
    double *x = data_holes(4, 200, 6);
    drive_data data = { .n_rows = 200, .n_columns = 6, .x = x };
    for (size_t l = 0; l < 3; l++) {
        for (uint32_t rows = 1; rows <= 256; rows *= 16) {
            expect(mean, &data, rows, lane_counts[l], expected_imputer_mean, 1e-14);
            expect(median, &data, rows, lane_counts[l], expected_imputer_median, 0);
            expect(mode, &data, rows, lane_counts[l], expected_imputer_most_frequent, 0);
        }
    }
    for (size_t i = 0; i < 1200; i++) {
        x[i] = isnan(x[i]) ? 0.5 : x[i];
    }
    expect(number, &data, 64, 3, expected_imputer_of_number, 1e-14);
    free(x);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* By sorting: the median and the (least) mode of each column; NaN where there is no value. */
static void by_sorting(const double *x, size_t n, size_t p, double *medians, double *modes)
{
    double *sorted = calloc(n + 1, sizeof *sorted);
    assert_non_null(sorted);
    for (size_t j = 0; j < p; j++) {
        size_t m = 0;
        for (size_t i = 0; i < n; i++) {
            if (!isnan(x[i * p + j])) {
                sorted[m++] = x[i * p + j] + 0.0;
            }
        }
        qsort(sorted, m, sizeof *sorted, compare);
        medians[j] = m == 0 ? (double)NAN : (sorted[(m - 1) / 2] + sorted[m / 2]) / 2;
        size_t best = 0;
        modes[j] = (double)NAN;
        for (size_t i = 0; i < m;) {
            size_t end = i;
            while (end < m && sorted[end] == sorted[i]) {
                end++;
            }
            if (end - i > best) {
                best = end - i;
                modes[j] = sorted[i];
            }
            i = end;
        }
    }
    free(sorted);
}

static double draw(uint64_t seed, size_t i, size_t j)
{
    double u = data_uniform(seed, i, j);
    switch (j % 9) {
    case 0:
        return u; /* all different */
    case 1:
        return floor(u * 3);
    case 2:
        return i % 2 ? 1e-300 * u : -1e300 * u; /* the digits part at the first */
    case 3:
        return 1e9 + floor(u * 4) * 0x1p-20; /* … and at the last */
    case 4:
        return i % 3 == 0 ? -0.0 : u > 0 ? 0.0 : -1;
    case 5:
        return (double)NAN;
    case 6:
        return i < 3 ? u : (double)NAN;
    case 7:
        return (double)(float)(u * 100);
    default:
        return floor(u * 1000) / 7;
    }
}

static void check_search(size_t n, size_t p, const char *kinds, bool csr_f64)
{
    double *x = calloc(n * p, sizeof *x), *medians = calloc(p, sizeof *medians), *modes = calloc(p, sizeof *modes);
    assert_non_null(x);
    static const char *const median[] = { "strategy", "median", NULL };
    static const char *const mode[] = { "strategy", "most_frequent", NULL };
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < p; j++) {
            double v = draw(n, i, j);
            x[i * p + j] = kinds == NULL || csr_f64 ? v : (double)(float)v;
        }
    }
    by_sorting(x, n, p, medians, modes);
    drive_data data = { .n_rows = n, .n_columns = p, .x = x, .kinds = kinds, .csr_f64 = csr_f64 };
    for (size_t l = 0; l < 3; l++) {
        expect(median, &data, 70, lane_counts[l], medians, 0);
        expect(mode, &data, 70, lane_counts[l], modes, 0);
    }
    free(x);
    free(medians);
    free(modes);
}

static void test_search(void **state)
{
    (void)state;
    static const size_t rows[] = { 1, 2, 3, 4, 50, 51, 700 };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        check_search(rows[k], 9, NULL, false);
        check_search(rows[k], 9, "sssssssss", true);
        check_search(rows[k], 1, NULL, false);
    }
    check_search(300, 70, NULL, false);  /* smaller digits */
    check_search(40, 1100, NULL, false); /* smaller still, and small tables */
}

/* More distinct values than a table holds: 1100 columns have tables of 64 slots. */
static void test_many_distinct(void **state)
{
    (void)state;
    check_search(500, 1100, NULL, false);
}

static void test_transform(void **state)
{
    (void)state;
    double nan = (double)NAN, x[12] = { 1, nan, 5, nan, nan, 5, 4, nan, -1, nan, nan, 5 };
    drive_data data = { .n_rows = 4, .n_columns = 3, .x = x };
    static const struct {
        const char *pairs[9];
        double fill[3];
        bool warns;
    } cases[] = {
        { { NULL }, { 2.5, NAN, 3.5 }, true },
        { { "strategy", "median" }, { 2.5, NAN, 5 }, true },
        { { "strategy", "most_frequent", "keep_empty_features", "true" }, { 1, 0, 5 }, false },
        { { "strategy", "constant", "fill_value", "-7" }, { -7, NAN, -7 }, true },
        { { "strategy", "constant", "fill_value", "-7", "keep_empty_features", "true" }, { -7, -7, -7 }, false },
        { { "strategy", "constant" }, { 0, NAN, 0 }, true },
        { { "missing_values", "NaN", "fill_value", "9" }, { 2.5, NAN, 3.5 }, true },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        for (int form = 0; form < 4; form++) { /* 2, 3: what the reading counted is known; means need no more */
            data.kinds = form % 2 == 0 ? "ddd" : "fdf";
            drive_chunks *c = drive_make(&data, 3);
            drive_fit fit = { 0 };
            if (form >= 2) {
                c->problem.has_spreads = true;
                c->problem.spreads = drive_spreads(c, &data);
            }
            drive_well(IMPUTER, cases[k].pairs, c, 2, &fit);
            assert_true(IMPUTER->only_fills(fit.params));
            const bool is_search = k == 1 || k == 2;
            assert_true((fit.passes == 0) == (form >= 2 && !is_search));
            assert_true(drive_warned(&fit, "a column without any value is left out: x1") == cases[k].warns);
            assert_int_equal(skimpi_warnings_count(fit.warnings), cases[k].warns);
            skimpi_tensors *tensors;
            drive_reload(IMPUTER, &fit, c, &tensors);
            skimpi_changes changes = { 0 };
            IMPUTER->changes(fit.self, &changes);
            assert_int_equal(changes.new_floats + changes.new_doubles, 0);
            for (uint32_t j = 0; j < 3; j++) {
                assert_int_equal(IMPUTER->drops(fit.self, j), j == 1 && cases[k].warns);
            }
            for (size_t b = 0; b < c->n; b++) {
                IMPUTER->transform(fit.self, &c->chunks[b]);
                for (size_t i = 0; i < c->chunks[b].n_rows; i++) {
                    for (size_t j = 0; j < 3; j++) {
                        const skimpi_dense_column *column = &c->chunks[b].dense[j];
                        double before = x[(c->chunks[b].first_row + i) * 3 + j],
                               got = column->f32 != NULL ? (double)column->f32[i] : column->f64[i];
                        /* What a column that goes holds is nobody's business. */
                        assert_true((j == 1 && cases[k].warns) || got == (isnan(before) ? cases[k].fill[j] : before));
                    }
                }
            }
            skimpi_tensors_destroy(tensors);
            drive_end(IMPUTER, &fit);
            drive_release(c);
        }
    }
}

static void test_number_stands_for_missing(void **state)
{
    (void)state;
    double x[8] = { 1, -999.1, 3, 4, -999.1, 6, 8, 2 };
    drive_data data = { .n_rows = 4, .n_columns = 2, .x = x, .kinds = "fd" };
    static const char *const pairs[] = { "missing_values", "-999.1", NULL };
    drive_chunks *c = drive_make(&data, 4);
    drive_fit fit = { 0 };
    c->problem.has_spreads = true; /* of all numbers, -999.1 among them: of no use */
    c->problem.spreads = drive_spreads(c, &data);
    drive_well(IMPUTER, pairs, c, 1, &fit);
    assert_true(fit.passes == 1 && !IMPUTER->only_fills(fit.params));
    IMPUTER->transform(fit.self, &c->chunks[0]);
    assert_true(c->chunks[0].dense[0].f32[2] == 4);
    assert_true(c->chunks[0].dense[1].f64[0] == 4);
    drive_end(IMPUTER, &fit);
    drive_release(c);
    x[3] = (double)NAN;
    c = drive_make(&data, 4);
    drive_badly(IMPUTER, pairs, c, SKIMP_ERROR_DATA, "x1|missing");
    drive_release(c);
}

/* ---- indicators ------------------------------------------------------------------------------------------------------- */

/* The problem as the engine would have it, for a step of its own: no more than what the chunks say. */
static void test_indicators(void **state)
{
    (void)state;
    const double nan = (double)NAN;
    const double x[15] = { 1, nan, 5, nan, 3, nan, 2, 5, 4, nan, nan, 6, nan, 6, nan };
    static const char *const strategies[] = { "mean", "median", "most_frequent", "constant" };
    for (size_t k = 0; k < 8; k++) {
        for (int form = 0; form < 4; form++) { /* 2, 3: what the reading counted is known */
            const char *const pairs[] = { "strategy", strategies[k % 4], "add_indicator", "true", NULL };
            const drive_data data = { .n_rows = 5, .n_columns = 3, .x = x, .kinds = form % 2 == 0 ? "fdf" : "dfd" };
            drive_chunks *c = drive_make(&data, 2);
            drive_fit fit = { .checkpoint = k >= 4 };
            c->problem.has_spreads = form >= 2;
            c->problem.spreads = form >= 2 ? drive_spreads(c, &data) : NULL;
            skimpi_tensors *tensors;
            skimpi_changes changes = { 0 };
            drive_well(IMPUTER, pairs, c, 2, &fit);
            assert_int_equal(fit.needs.new_floats, 3);
            assert_true(fit.needs.may_drop);
            drive_reload(IMPUTER, &fit, c, &tensors);
            const double features[] = { 0, 1, 2 };
            for (uint64_t i = 0; i < 3; i++) {
                assert_true(drive_tensor(tensors, "0.indicator_.features_", i) == features[i]);
            }
            IMPUTER->changes(fit.self, &changes);
            assert_int_equal(changes.new_floats, 3);
            assert_int_equal(changes.new_doubles, 0);
            for (size_t b = 0; b < c->n; b++) {
                float marks[3][16];
                skimpi_dense_column added[3] = { { .f32 = marks[0] }, { .f32 = marks[1] }, { .f32 = marks[2] } };
                IMPUTER->extend(fit.self, &c->chunks[b], NULL, added);
                for (size_t i = 0; i < c->chunks[b].n_rows; i++) {
                    for (size_t j = 0; j < 3; j++) {
                        assert_true(marks[j][i] == (float)isnan(x[(c->chunks[b].first_row + i) * 3 + j]));
                    }
                }
            }
            skimpi_buffer name;
            skimpi_buffer_init(&name, fit.budget, SKIMP_TAG_OTHER);
            assert_int_equal(IMPUTER->name_new(fit.self, 1, c->names, &name, NULL), SKIMP_OK);
            assert_string_equal(name.data, "missingindicator_x1");
            skimpi_buffer_free(&name);
            skimpi_tensors_destroy(tensors);
            drive_end(IMPUTER, &fit);
            drive_release(c);
        }
    }
}

/* Only columns that miss values have one; a column that the plan knows to be complete takes no room. */
static void test_indicators_of_some(void **state)
{
    (void)state;
    const double x[8] = { 1, 7, 2, -9, 3, 8, 4, -9 };
    const char *const pairs[] = {
        "add_indicator", "true", "missing_values", "-9", "keep_empty_features", "true", NULL
    };
    const drive_data data = { .n_rows = 4, .n_columns = 2, .x = x };
    drive_chunks *c = drive_make(&data, 3);
    c->problem.n_complete = 2; /* of NaN: that says nothing of -9 */
    drive_fit fit = { 0 };
    skimpi_changes changes = { 0 };
    float marks[16];
    skimpi_dense_column added = { .f32 = marks };
    drive_well(IMPUTER, pairs, c, 3, &fit);
    assert_int_equal(fit.needs.new_floats, 2);
    assert_false(fit.needs.may_drop);
    IMPUTER->changes(fit.self, &changes);
    assert_int_equal(changes.new_floats, 1);
    IMPUTER->extend(fit.self, &c->chunks[0], NULL, &added);
    assert_true(marks[0] == 0 && marks[1] == 1 && marks[2] == 0);
    skimpi_buffer name;
    skimpi_buffer_init(&name, fit.budget, SKIMP_TAG_OTHER);
    assert_int_equal(IMPUTER->name_new(fit.self, 0, c->names, &name, NULL), SKIMP_OK);
    assert_string_equal(name.data, "missingindicator_x1");
    skimpi_buffer_free(&name);
    drive_end(IMPUTER, &fit);
    const char *const nan_pairs[] = { "add_indicator", "true", NULL };
    c->problem.n_complete = 1;
    c->problem.n_empty = 1;
    drive_well(IMPUTER, nan_pairs, c, 3, &fit);
    assert_int_equal(fit.needs.new_floats, 1);
    assert_int_equal(fit.needs.drops, 1);
    IMPUTER->changes(fit.self, &changes);
    assert_int_equal(changes.new_floats, 0);
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

/* ---- sparse features ----------------------------------------------------------------------------------------------------- */

/* Value of a feature in a row of a CSR block; every feature at most once, ascending. */
static double sparse_at(const skimpi_csr_block *csr, uint32_t row, uint64_t feature)
{
    double found = 0;
    uint64_t last = UINT64_MAX;
    for (uint32_t at = csr->indptr[row]; at < csr->indptr[row + 1]; at++) {
        const uint64_t index = csr->indices != NULL ? csr->indices[at] : csr->indices64[at];
        assert_true(last == UINT64_MAX || index > last);
        last = index;
        if (index == feature) {
            found = csr->f32 != NULL ? (double)csr->f32[at] : csr->f64[at];
        }
    }
    return found;
}

static void test_sparse_columns(void **state)
{
    (void)state;
    enum { ROWS = 40, COLUMNS = 7 };
    static double x[ROWS * COLUMNS];
    const double nan = (double)NAN;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COLUMNS; j++) {
            const double u = data_uniform(7, i, j);
            x[i * COLUMNS + j] = u < 0.4 ? 0 : u < 0.6 && j % 2 == 0 ? nan : floor(8 * u);
        }
        x[i * COLUMNS] = x[i * COLUMNS + 6] = nan; /* the first and the last have no value */
    }
    for (int form = 0; form < 16; form++) {
        const bool keeps = (form & 1) != 0, marks = (form & 2) != 0, wide = (form & 4) != 0;
        const char *const pairs[] = { "add_indicator",
                                      marks ? "true" : "false",
                                      "keep_empty_features",
                                      keeps ? "true" : "false",
                                      "strategy",
                                      wide ? "median" : "mean",
                                      NULL };
        const drive_data data = { .n_rows = ROWS,
                                  .n_columns = COLUMNS,
                                  .x = x,
                                  .kinds = "sssssss",
                                  .csr_wide = wide,
                                  .csr_f64 = (form & 8) != 0 };
        drive_chunks *c = drive_make(&data, 9); /* which leaves room: every feature of every row has a place */
        drive_fit fit = { 0 };
        skimpi_tensors *tensors;
        skimpi_changes changes = { .n_sparse = COLUMNS };
        drive_well(IMPUTER, pairs, c, 3, &fit);
        assert_int_equal(fit.needs.doubles_csr, marks);
        assert_int_equal(fit.needs.new_sparse, marks ? COLUMNS : 0);
        drive_reload(IMPUTER, &fit, c, &tensors);
        IMPUTER->changes(fit.self, &changes);
        const uint64_t n_kept = keeps ? COLUMNS : COLUMNS - 2;
        assert_int_equal(changes.n_sparse, n_kept + (marks ? 4 : 0)); /* 0, 2, 4 and 6 miss values */
        assert_int_equal(changes.new_floats, 0);
        assert_int_equal(changes.grows_csr, marks);
        for (size_t b = 0; b < c->n; b++) {
            skimpi_chunk *chunk = &c->chunks[b];
            const uint32_t before = chunk->csr.indptr[chunk->n_rows];
            chunk->csr.room = before;
            if (marks) {
                drive_widen(c, chunk, data.csr_wide, data.csr_f64);
            }
            IMPUTER->transform(fit.self, chunk);
            uint32_t n_marked = 0;
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                const double *row = x + (chunk->first_row + i) * COLUMNS;
                for (uint64_t j = 0; j < COLUMNS; j++) {
                    const bool goes = !keeps && (j == 0 || j == 6);
                    const double want = !isnan(row[j]) ? row[j] : drive_tensor(tensors, "0.statistics_", j);
                    if (!goes) {
                        drive_near(sparse_at(&chunk->csr, i, j - !keeps), want, 1e-6, 0);
                    }
                    if (marks && j % 2 == 0) {
                        assert_true(sparse_at(&chunk->csr, i, n_kept + j / 2) == isnan(row[j]));
                        n_marked += isnan(row[j]);
                    }
                }
            }
            assert_true(!marks || chunk->csr.room == before - n_marked);
        }
        skimpi_tensors_destroy(tensors);
        drive_end(IMPUTER, &fit);
        drive_release(c);
    }
}

/* A number that was rounded to a float stands for a missing one as doubles too: so a store gives it to a model. */
static void test_rounded_number(void **state)
{
    (void)state;
    double x[4] = { 1, (double)(float)-999.1, 3, -999.1 };
    const char *const pairs[] = { "missing_values", "-999.1", "add_indicator", "true", NULL };
    const drive_data data = { .n_rows = 4, .n_columns = 1, .x = x };
    drive_chunks *c = drive_make(&data, 4);
    drive_fit fit = { 0 };
    float marks[16];
    skimpi_dense_column added = { .f32 = marks };
    drive_well(IMPUTER, pairs, c, 1, &fit);
    IMPUTER->extend(fit.self, &c->chunks[0], NULL, &added);
    IMPUTER->transform(fit.self, &c->chunks[0]);
    const double *column = c->chunks[0].dense[0].f64;
    assert_true(column[0] == 1 && column[1] == 2 && column[2] == 3 && column[3] == 2);
    assert_true(marks[0] == 0 && marks[1] == 1 && marks[2] == 0 && marks[3] == 1);
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

static void test_refuses(void **state)
{
    (void)state;
    double x[2] = { 1, 2 };
    drive_data data = { .n_rows = 2, .n_columns = 1, .x = x };
    drive_chunks *c = drive_make(&data, 4);
    static const char *const bad[][4] = { { "missing_values", "none_such", NULL },
                                          { "fill_value", "text", NULL },
                                          { "strategy", "modus", NULL } };
    static const char *const words[] = { "missing_values", "fill_value|simple_imputer@text", "strategy" };
    for (size_t k = 0; k < 3; k++) {
        drive_badly(IMPUTER, bad[k], c, SKIMP_ERROR_PARAM, words[k]);
    }
    drive_release(c);
    data.kinds = "s";
    c = drive_make(&data, 4);
    static const char *const zero[] = { "missing_values", "0", NULL };
    drive_badly(IMPUTER, zero, c, SKIMP_ERROR_PARAM, "sparse|0");
    drive_release(c);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    double x[4] = { 1, 2, 2, (double)NAN };
    static const char *const median[] = { "strategy", "median", "add_indicator", "true", NULL };
    drive_data data = { .n_rows = 4, .n_columns = 1, .x = x };
    drive_chunks *c = drive_make(&data, 3);
    drive_fit fit = { 0 };
    drive_well(IMPUTER, median, c, 1, &fit);
    skimpi_buffer saved;
    skimpi_buffer_init(&saved, fit.budget, SKIMP_TAG_OTHER);
    assert_int_equal(IMPUTER->state_save(fit.self, &saved, NULL), SKIMP_OK);
    assert_int_equal(IMPUTER->state_load(fit.self, saved.data, saved.length - 1, NULL), SKIMP_ERROR_DATA);
    ((uint64_t *)saved.data)[1] = 2;
    assert_int_equal(IMPUTER->state_load(fit.self, saved.data, saved.length, NULL), SKIMP_ERROR_DATA);
    skimpi_buffer_free(&saved);
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        skimpi_fault_set(nth, nth % 2 == 0);
        void *self = NULL, *loaded = NULL;
        skimpi_tensors *tensors = NULL;
        skimp_status status = IMPUTER->begin(&self, fit.budget, &c->problem, fit.params, NULL, NULL);
        assert_true((status == SKIMP_OK) == (self != NULL));
        skimp_status made = skimpi_tensors_create(&tensors, fit.budget, NULL);
        made = made == SKIMP_OK ? IMPUTER->save(fit.self, tensors, "", NULL) : made;
        made = made == SKIMP_OK ? IMPUTER->load(&loaded, fit.budget, tensors, "", &c->problem, fit.params, NULL) : made;
        assert_true((made == SKIMP_OK) == (loaded != NULL));
        failed = status != SKIMP_OK || made != SKIMP_OK;
        skimpi_fault_set(0, false);
        IMPUTER->destroy(self);
        IMPUTER->destroy(loaded);
        skimpi_tensors_destroy(tensors);
        assert_true(nth < 300);
    }
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parity),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_many_distinct),
        cmocka_unit_test(test_transform),
        cmocka_unit_test(test_number_stands_for_missing),
        cmocka_unit_test(test_rounded_number),
        cmocka_unit_test(test_indicators),
        cmocka_unit_test(test_indicators_of_some),
        cmocka_unit_test(test_sparse_columns),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
