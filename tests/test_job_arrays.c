/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs over arrays of the caller: the same model as from files with the same numbers, the same bits for any layout and
 * number of threads.  (Plans, refusals and what else is done with arrays: test_job_arrays_use.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "sanitizers.h"

#define ROWS 5000u
#define COLUMNS 11u

/* Numbers that are floats, on different scales. */
static double feature(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)dtype;
    const double value = (double)(skimpi_mix64(row * 131 + column) % 4001) / 256 - 8;
    return column % 3 == 0 ? value : column % 3 == 1 ? value * 16 : value / 8;
}

static double score(uint64_t row)
{
    double sum = 0.5;
    for (unsigned c = 0; c < COLUMNS; c++) {
        sum += feature(row, c, SKIMP_DTYPE_F64) * (c % 2 == 0 ? 0.25 : -0.0625);
    }
    return (double)(float)(sum + (double)(skimpi_mix64(row + 7) % 1000) / 250 - 2);
}

/* Column 0: a class of three; 1: a number; 2: a weight. */
static double beside(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)dtype;
    const double number = score(row);
    return column == 0 ? (number < -2 ? 3 : number < 2 ? 7 : 8) : column == 1 ? number : 0.5 + (double)(row % 4);
}

/* An NPY of floats: the features, the target, the weight. */
static void write_floats(const char *name, bool classes, number_fn *number)
{
    FILE *file = fopen(in_temporary(name), "wb");
    assert_non_null(file);
    char header[128];
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    const int n = snprintf(header + 10, sizeof header - 10,
                           "{'descr': '<f4', 'fortran_order': False, 'shape': (%u, %u), }", ROWS, COLUMNS + 2);
    header[10 + n] = ' ';
    header[127] = '\n';
    fwrite(header, 1, sizeof header, file);
    for (unsigned r = 0; r < ROWS; r++) {
        float row[COLUMNS + 2];
        for (unsigned c = 0; c < COLUMNS; c++) {
            row[c] = (float)number(r, c, SKIMP_DTYPE_F32);
        }
        row[COLUMNS] = (float)beside(r, classes ? 0 : 1, SKIMP_DTYPE_F32);
        row[COLUMNS + 1] = (float)beside(r, 2, SKIMP_DTYPE_F32);
        fwrite(row, sizeof *row, COLUMNS + 2, file);
    }
    assert_int_equal(fclose(file), 0);
}

/* The same as arrays. */
typedef struct table {
    skimp_data data;
    skimp_data_column columns[COLUMNS];
    void *blocks[3];
} table;

static void make_table(table *t, skimp_dtype dtype, array_layout layout, bool classes, number_fn *number)
{
    make_matrix(&t->data, &t->blocks[0], ROWS, COLUMNS, dtype, layout, number);
    t->data.target =
        make_column(&t->blocks[1], ROWS, classes ? 0 : 1, classes ? SKIMP_DTYPE_U8 : SKIMP_DTYPE_F32, beside);
    t->data.weight = make_column(&t->blocks[2], ROWS, 2, SKIMP_DTYPE_F64, beside);
}

/* Its matrix as a list of columns. */
static void as_columns(table *t)
{
    for (unsigned c = 0; c < COLUMNS; c++) {
        t->columns[c] =
            (skimp_data_column){ .dtype = t->data.dtype,
                                 .values = (const char *)t->data.values + (int64_t)c * t->data.column_stride,
                                 .stride = t->data.row_stride };
    }
    t->data.kind = SKIMP_DATA_COLUMNS;
    t->data.columns = t->columns;
}

static void free_table(table *t)
{
    for (unsigned i = 0; i < 3; i++) {
        free(t->blocks[i]);
    }
}

static void begin_data(job_setup *setup, const char *estimator, const skimp_data *data)
{
    begin_setup(setup, estimator, "unused", NULL);
    setup->options.n_inputs = 0;
    setup->options.data = data;
}

static void begin_floats(job_setup *setup, const char *estimator, const char *file)
{
    static char target[16], weight[16];
    snprintf(target, sizeof target, "x%u", COLUMNS);
    snprintf(weight, sizeof weight, "x%u", COLUMNS + 1);
    begin_setup(setup, estimator, file, target);
    setup->options.format = "npy";
    setup->options.weight = weight;
}

static double distance(const skimp_model *a, const skimp_model *b, const char *name)
{
    const skimp_array one = *find_array(a, name), two = *find_array(b, name);
    double largest = 0, scale = 0;
    assert_int_equal(array_values(&one), array_values(&two));
    for (uint64_t i = 0; i < array_values(&one); i++) {
        const double x = ((const double *)one.data)[i], y = ((const double *)two.data)[i];
        largest = fmax(largest, fabs(x - y));
        scale = fmax(scale, fabs(x));
    }
    return scale > 0 ? largest / scale : largest;
}

static void assert_near(const skimp_model *a, const skimp_model *b, double most)
{
    const double coef = distance(a, b, "coef_"), intercept = distance(a, b, "intercept_");
    if (!(coef <= most && intercept <= most)) {
        fail_msg("coef_ differs by %g, intercept_ by %g", coef, intercept);
    }
}

/* ---- the same as from files ------------------------------------------------------------------------------------------- */

typedef struct recipe {
    const char *estimator, *step, *other_step;
    bool classes;
    double holdout;
    const char *param, *value;
} recipe;

static const recipe recipes[] = {
    { .estimator = "logistic_regression", .classes = true },
    { .estimator = "logistic_regression",
      .step = "standard_scaler",
      .classes = true,
      .param = "class_weight",
      .value = "balanced" },
    { .estimator = "ridge" },
    { .estimator = "linear_regression", .step = "min_max_scaler@x1,x4", .other_step = "max_abs_scaler" },
    { .estimator = "sgd_classifier", .step = "standard_scaler", .classes = true, .holdout = 0.25 },
    { .estimator = "sgd_regressor", .step = "standard_scaler" },
};

static void begin_recipe(job_setup *setup, const recipe *r)
{
    if (r->step != NULL) {
        add_step(setup, r->step);
    }
    if (r->other_step != NULL) {
        add_step(setup, r->other_step);
    }
    if (r->param != NULL) {
        add_param(setup, r->param, r->value);
    }
    setup->options.holdout = r->holdout;
}

/* Floats: the same chunks, so the same bits; doubles that are floats and small integers: the same numbers. */
static void same_as_npy(void **state)
{
    (void)state;
    for (unsigned k = 0; k < sizeof recipes / sizeof *recipes; k++) {
        const recipe *r = &recipes[k];
        job_setup setup;
        table t;
        write_floats("f.npy", r->classes, feature);
        begin_floats(&setup, r->estimator, "f.npy");
        begin_recipe(&setup, r);
        skimp_model *expected = fit_setup(&setup), *found;
        make_table(&t, SKIMP_DTYPE_F32, LAYOUT_C, r->classes, feature);
        begin_data(&setup, r->estimator, &t.data);
        begin_recipe(&setup, r);
        found = fit_setup(&setup);
        /* Means of a file's columns are gathered as it is read: in another order, so with other last digits. */
        const bool has_means = r->step != NULL && strcmp(r->step, "standard_scaler") == 0;
        if (has_means) {
            assert_near(expected, found, 1e-5);
        } else {
            assert_same_models(expected, found);
        }
        assert_string_equal(find_meta(found, "target"), "target");
        assert_string_equal(find_meta(found, "feature_names"), find_meta(expected, "feature_names"));
        skimp_model_destroy(found);
        free_table(&t);
        make_table(&t, SKIMP_DTYPE_F64, LAYOUT_C, r->classes, feature);
        begin_data(&setup, r->estimator, &t.data);
        begin_recipe(&setup, r);
        found = fit_setup(&setup);
        assert_near(expected, found, r->step == NULL ? 1e-12 : 1e-5); /* a step rounds floats to floats */
        skimp_model_destroy(found);
        skimp_model_destroy(expected);
        free_table(&t);
    }
}

static double integer_feature(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    return array_number(row, column, dtype == SKIMP_DTYPE_F32 ? SKIMP_DTYPE_I16 : dtype);
}

static void integers_as_npy(void **state)
{
    (void)state;
    static const skimp_dtype dtypes[] = { SKIMP_DTYPE_I8, SKIMP_DTYPE_I32, SKIMP_DTYPE_I64, SKIMP_DTYPE_F64 };
    job_setup setup;
    write_floats("i.npy", false, integer_feature);
    begin_floats(&setup, "ridge", "i.npy");
    skimp_model *expected = fit_setup(&setup);
    for (unsigned k = 0; k < 4; k++) {
        table t;
        make_table(&t, dtypes[k], LAYOUT_FORTRAN, false, dtypes[k] == SKIMP_DTYPE_F64 ? array_number : integer_feature);
        if (dtypes[k] == SKIMP_DTYPE_F64) { /* not the same numbers: the comparison can fail */
            begin_data(&setup, "ridge", &t.data);
            skimp_model *other = fit_setup(&setup);
            assert_true(distance(expected, other, "coef_") > 1e-3);
            skimp_model_destroy(other);
        } else {
            begin_data(&setup, "ridge", &t.data);
            skimp_model *found = fit_setup(&setup);
            assert_near(expected, found, 1e-12);
            skimp_model_destroy(found);
        }
        free_table(&t);
    }
    skimp_model_destroy(expected);
}

/* Any way in which the numbers lie, matrix or columns, for 1, 2 and 5 threads. */
static void same_bits(void **state)
{
    (void)state;
    static const unsigned threads[] = { 1, 2, 5 };
    for (unsigned k = 0; k < sizeof recipes / sizeof *recipes; k += SANITIZED ? 2 : 1) {
        const recipe *r = &recipes[k];
        skimp_model *expected = NULL;
        for (unsigned way = 0; way < 2 * LAYOUT_COUNT; way++) {
            job_setup setup;
            table t;
            make_table(&t, SKIMP_DTYPE_F32, (array_layout)(way / 2), r->classes, feature);
            if (way % 2 == 1) {
                as_columns(&t);
            }
            begin_data(&setup, r->estimator, &t.data);
            begin_recipe(&setup, r);
            setup.options.n_threads = threads[way % 3];
            skimp_model *found = fit_setup(&setup);
            free_table(&t); /* a model is free of what it was learnt from */
            if (expected == NULL) {
                expected = found;
                continue;
            }
            assert_same_models(expected, found);
            skimp_model_destroy(found);
        }
        skimp_model_destroy(expected);
    }
}

/* ---- sparse ------------------------------------------------------------------------------------------------------------ */

#define SPARSE_ROWS 3000u
#define SPARSE_COLUMNS 60u

static double sparse_floats(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)dtype;
    return sparse_number(row, column, SKIMP_DTYPE_F32);
}

static double sparse_score(uint64_t row)
{
    double sum = (double)(skimpi_mix64(row + 3) % 1000) / 500 - 1;
    for (unsigned c = 0; c < SPARSE_COLUMNS; c++) {
        sum += sparse_number(row, c, SKIMP_DTYPE_F32) * (c % 7 == 0 ? 0.02 : c % 5 == 0 ? -0.03 : 0);
    }
    return sum;
}

static double sparse_beside(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)dtype;
    return column == 0 ? sparse_score(row) > 0.2 : column == 1 ? sparse_score(row) : 1 + (double)(row % 3);
}

static void write_sparse(const char *name, bool classes)
{
    FILE *file = fopen(in_temporary(name), "w");
    assert_non_null(file);
    for (unsigned r = 0; r < SPARSE_ROWS; r++) {
        fprintf(file, "%.17g", sparse_beside(r, classes ? 0 : 1, SKIMP_DTYPE_F64));
        for (unsigned c = 0; c < SPARSE_COLUMNS; c++) {
            const double value = sparse_number(r, c, SKIMP_DTYPE_F32);
            if (value != 0) {
                fprintf(file, " %u:%.9g", c + 1, value);
            }
        }
        fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
}

static void sparse_as_svmlight(void **state)
{
    (void)state;
    static const char *const estimators[] = { "logistic_regression", "ridge", "sgd_classifier" };
    for (unsigned k = 0; k < 3; k++) {
        const bool classes = k != 1;
        job_setup setup;
        void *target;
        skimp_model *by_row = NULL;
        write_sparse("s.svm", classes);
        begin_setup(&setup, estimators[k], "s.svm", NULL);
        setup.options.format = "svmlight";
        if (k == 1) {
            add_step(&setup, "max_abs_scaler"); /* rounds floats to floats */
        }
        if (k != 2) {
            add_param(&setup, "tol", "1e-10");
        }
        skimp_model *expected = fit_setup(&setup);
        const skimp_data_column y = make_column(&target, SPARSE_ROWS, classes ? 0 : 1, SKIMP_DTYPE_F64, sparse_beside);
        for (unsigned bits = 0; bits < 16; bits++) {
            const sparse_variant v = { .by_column = bits & 1,
                                       .wide_indices = bits & 2,
                                       .unordered = (bits & 5) == 4,
                                       .repeated = (bits & 9) == 8,
                                       .dtype = bits & 2 ? SKIMP_DTYPE_F32 : SKIMP_DTYPE_F64 };
            skimp_data data;
            sparse_blocks blocks;
            make_sparse(&data, &blocks, SPARSE_ROWS, SPARSE_COLUMNS, &v, sparse_floats);
            data.target = y;
            setup.options.n_inputs = 0;
            setup.options.format = NULL;
            setup.options.data = &data;
            setup.options.n_threads = 1 + bits % 3;
            skimp_model *found = fit_setup(&setup);
            free_sparse(&blocks);
            /* Sequential fits go by chunks, which are others here: how far they end apart says nothing. */
            const bool is_rounded = k == 1 && v.dtype == SKIMP_DTYPE_F32; /* by the step; of the file's values too */
            const bool alike = v.by_column || k == 0 || is_rounded;
            assert_near(expected, found, k == 2 ? 0.5 : alike ? 1e-12 : 1e-6);
            if (v.by_column || v.dtype == SKIMP_DTYPE_F64 || k == 2) {
                skimp_model_destroy(found);
            } else if (by_row == NULL) {
                by_row = found;
            } else {
                /* Whatever the order of a row's entries: only the last digits of sums depend on it. */
                assert_near(by_row, found, 1e-12);
                skimp_model_destroy(found);
            }
        }
        skimp_model_destroy(by_row);
        skimp_model_destroy(expected);
        free(target);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_as_npy, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(integers_as_npy, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(same_bits, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(sparse_as_svmlight, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
