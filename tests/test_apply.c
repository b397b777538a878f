/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Models applied into memory, over arrays, files and kept stores: the same bits for any number of threads, and what
 * predict writes; rows that are dropped; budgets; what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "apply_result.h"

/* A store keeps numbers to the digits that they need: what is made of them is the same to about as many. */
static void assert_near_results(const result *a, const result *b)
{
    const double *one = a->values, *two = b->values;
    assert_int_equal(a->shape.n_rows, b->shape.n_rows);
    assert_int_equal(a->shape.n_columns, b->shape.n_columns);
    assert_int_equal(a->shape.nonzeros, b->shape.nonzeros);
    if (a->shape.is_sparse) {
        assert_memory_equal(a->indptr, b->indptr, (a->shape.n_rows + 1) * sizeof(int64_t));
        assert_memory_equal(a->indices, b->indices, a->shape.nonzeros * sizeof(int64_t));
    }
    for (uint64_t i = 0; i < (a->shape.is_sparse ? a->shape.nonzeros : a->shape.n_rows * a->shape.n_columns); i++) {
        assert_true(fabs(one[i] - two[i]) < 1e-5 * (1 + fabs(one[i])));
    }
}

/* ---- what predict writes ------------------------------------------------------------------------------------------------ */

/* Labels and probabilities are those of the lines that predict writes. */
static void assert_as_predicted(const skimp_model *model, const char *input, const result *label, const result *proba)
{
    static const char *const names[] = { "no", "yes", "maybe" };
    predict_file(model, input, "predicted.csv", proba != NULL);
    size_t n = 0;
    char *text = read_whole(in_temporary("predicted.csv"), &n), *line = strchr(text, '\n') + 1;
    const uint64_t n_classes = proba != NULL ? proba->shape.n_columns : 0;
    const skimp_array *classes = find_array(model, "classes_");
    for (uint64_t row = 0; row < label->shape.n_rows; row++) {
        const double value = ((const double *)label->values)[row];
        char *at = line;
        if (classes == NULL) {
            assert_true(strtod(line, &at) == value);
        } else if (classes->dtype[0] == 'F') {
            assert_true(strtod(line, &at) == ((const double *)classes->data)[(unsigned)value]);
        } else {
            const char *name = classes->data;
            for (unsigned k = 0; k < (unsigned)value; k++) {
                name += strlen(name) + 1;
            }
            assert_true(strcmp(name, names[0]) == 0 || strcmp(name, names[1]) == 0 || strcmp(name, names[2]) == 0);
            assert_memory_equal(line, name, strlen(name));
            at += strlen(name);
        }
        for (uint64_t k = 0; k < n_classes; k++) {
            assert_int_equal(*at, ',');
            assert_true(strtod(at + 1, &at) == ((const double *)proba->values)[row * n_classes + k]);
        }
        assert_int_equal(*at, '\n');
        line = at + 1;
    }
    assert_int_equal(*line, '\0');
    free(text);
}

/* Text labels and a text column, steps, gaps: of a CSV and of a store of it. */
static void tables_as_predicted(void **state)
{
    (void)state;
    write_table("t.csv", (table_options){ .rows = 3000,
                                          .columns = 3,
                                          .text = true,
                                          .text_label = true,
                                          .classes = 3,
                                          .missing_every = 7,
                                          .padding = 400 });
    convert("t.csv", "t.store", "y", "padding");
    job_setup setup;
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_drop(&setup, "padding");
    add_step(&setup, "simple_imputer");
    add_step(&setup, "standard_scaler");
    add_param(&setup, "simple_imputer__add_indicator", "true");
    skimp_model *model = fit_setup(&setup);
    for (skimp_apply_kind kind = SKIMP_APPLY_DECISION; kind <= SKIMP_APPLY_TRANSFORM; kind++) {
        result file, store, label;
        begin_setup(&setup, NULL, "t.csv", NULL);
        apply_threads(model, &setup, kind, &file);
        assert_int_equal(file.shape.n_rows, 3000);
        assert_int_equal(file.shape.n_columns, kind == SKIMP_APPLY_TRANSFORM ? 3 + 7 + 1 : 3);
        if (kind == SKIMP_APPLY_PROBABILITY) {
            apply_threads(model, &setup, SKIMP_APPLY_LABEL, &label);
            assert_as_predicted(model, "t.csv", &label, &file);
            free_result(&label);
        }
        begin_setup(&setup, NULL, "t.store", NULL);
        apply_threads(model, &setup, kind, &store);
        assert_near_results(&file, &store);
        if (kind == SKIMP_APPLY_PROBABILITY) {
            apply_threads(model, &setup, SKIMP_APPLY_LABEL, &label);
            assert_as_predicted(model, "t.store", &label, &store);
            free_result(&label);
        }
        free_result(&store);
        free_result(&file);
    }
    skimp_model_destroy(model);
}

/* One-hot columns, numbers scaled, the mark of what was missing: each where it belongs. */
static void transforms_table(void **state)
{
    (void)state;
    write_text("s.csv", "a,day,b,y\n1,tue,4,0\n,mon,8,1\n3,tue,6,0\n");
    job_setup setup;
    begin_setup(&setup, "ridge", "s.csv", "y");
    add_step(&setup, "simple_imputer");
    add_step(&setup, "max_abs_scaler@b");
    add_param(&setup, "simple_imputer__add_indicator", "true");
    skimp_model *model = fit_setup(&setup);
    write_text("n.csv", "a,day,b\n5,mon,2\n,sun,4\n");
    begin_setup(&setup, NULL, "n.csv", NULL);
    result wide, narrow;
    apply(model, &setup, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F64, &wide);
    apply(model, &setup, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F32, &narrow);
    static const double expected[] = { 5, 1, 0, 0.25, 0, 2, 0, 0, 0.5, 1 };
    assert_int_equal(wide.shape.n_rows, 2);
    assert_int_equal(wide.shape.n_columns, 5);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(((const double *)wide.values)[i] == expected[i]);
        assert_true(((const float *)narrow.values)[i] == (float)expected[i]);
    }
    free_result(&wide);
    free_result(&narrow);
    skimp_model_destroy(model);
}

/* Arrays in any layout, as an NPY file of the same numbers; into memory of any strides, and other types. */
static void matrices(void **state)
{
    (void)state;
    const uint64_t rows = 4000, columns = 12;
    skimp_data data;
    void *block = NULL, *labels = NULL;
    make_matrix(&data, &block, rows, columns, SKIMP_DTYPE_F64, LAYOUT_FORTRAN, array_number);
    int8_t *y = labels = must_allocate(rows);
    for (uint64_t r = 0; r < rows; r++) {
        y[r] = (int8_t)(array_number(r, 0, SKIMP_DTYPE_F64) + array_number(r, 1, SKIMP_DTYPE_F64) > 1 ? 5 : -3);
    }
    data.target = (skimp_data_column){ .dtype = SKIMP_DTYPE_I8, .values = y, .stride = 1 };
    job_setup setup;
    begin_arrays(&setup, "logistic_regression", &data);
    add_step(&setup, "standard_scaler");
    skimp_model *model = fit_setup(&setup);
    free(block);
    for (skimp_apply_kind kind = SKIMP_APPLY_LABEL; kind <= SKIMP_APPLY_TRANSFORM; kind++) {
        result first = { 0 };
        for (unsigned layout = 0; layout < LAYOUT_COUNT; layout++) {
            result r, turned;
            make_matrix(&data, &block, rows, columns, SKIMP_DTYPE_F64, (array_layout)layout, array_number);
            begin_arrays(&setup, NULL, &data);
            apply_threads(model, &setup, kind, &r);
            assert_int_equal(r.calls, 1);
            assert_int_equal(r.shape.n_columns, kind == SKIMP_APPLY_TRANSFORM     ? columns
                                                : kind == SKIMP_APPLY_PROBABILITY ? 2
                                                                                  : 1);
            begin_result(&turned, kind, SKIMP_DTYPE_F64);
            turned.by_column = true;
            skimp_error error;
            assert_ok(try_apply(model, &setup, &turned, &error));
            const double *here = r.values, *there = turned.values;
            for (uint64_t i = 0; i < rows * r.shape.n_columns; i++) {
                const uint64_t c = r.shape.n_columns - 1 - i % r.shape.n_columns;
                assert_true(here[i] == there[c * rows + i / r.shape.n_columns]);
            }
            free_result(&turned);
            free(block);
            if (layout > 0) {
                assert_same_results(&first, &r);
                free_result(&r);
            } else {
                first = r;
            }
        }
        if (kind == SKIMP_APPLY_LABEL) {
            make_matrix(&data, &block, rows, columns, SKIMP_DTYPE_F64, LAYOUT_C, array_number);
            begin_arrays(&setup, NULL, &data);
            result whole, narrow;
            apply(model, &setup, kind, SKIMP_DTYPE_I64, &whole);
            apply(model, &setup, kind, SKIMP_DTYPE_I32, &narrow);
            unsigned ones = 0;
            for (uint64_t i = 0; i < rows; i++) {
                const double label = ((const double *)first.values)[i];
                assert_true((double)((const int64_t *)whole.values)[i] == label);
                assert_true((double)((const int32_t *)narrow.values)[i] == label);
                ones += label == 1;
            }
            assert_in_range(ones, rows / 10, rows - rows / 10);
            free_result(&whole);
            free_result(&narrow);
            free(block);
        }
        free_result(&first);
    }
    free(labels);
    skimp_model_destroy(model);
}

static void regressors_of_npy(void **state)
{
    (void)state;
    write_npy("r.npy", (table_options){ .rows = 20000, .columns = 4 });
    job_setup setup;
    begin_setup(&setup, "ridge", "r.npy", "x4");
    skimp_model *model = fit_setup(&setup);
    result r;
    begin_setup(&setup, NULL, "r.npy", NULL);
    apply_threads(model, &setup, SKIMP_APPLY_LABEL, &r);
    assert_int_equal(r.calls, 1);
    assert_as_predicted(model, "r.npy", &r, NULL);
    free_result(&r);
    skimp_model_destroy(model);
}

/* ---- sparse ----------------------------------------------------------------------------------------------------------- */

/* CSR out of svmlight, its store, CSR and CSC arrays, all the same; and the numbers divided by the largest of their column. */
static void sparse_transformed(void **state)
{
    (void)state;
    const uint64_t rows = 3000, columns = 40;
    sparse_blocks blocks;
    skimp_data data;
    job_setup setup;
    result first = { 0 };
    skimp_model *model = NULL;
    for (unsigned form = 0; form < 5; form++) {
        const sparse_variant variant = { .by_column = form == 1,
                                         .wide_indices = form == 2,
                                         .wide_indptr = form == 3,
                                         .unordered = form == 4,
                                         .repeated = form == 4,
                                         .before = form == 2 ? 3 : 0,
                                         .dtype = form == 2 ? SKIMP_DTYPE_F32 : SKIMP_DTYPE_F64 };
        make_sparse(&data, &blocks, rows, columns, &variant, sparse_number);
        if (form == 0) {
            begin_arrays(&setup, NULL, &data);
            add_step(&setup, "max_abs_scaler");
            model = fit_setup(&setup);
        }
        begin_arrays(&setup, NULL, &data);
        result r;
        apply_threads(model, &setup, SKIMP_APPLY_TRANSFORM, &r);
        assert_true(r.shape.is_sparse);
        const double *scale = find_array(model, "0.max_abs_scaler.scale_")->data;
        uint64_t at = 0;
        for (uint64_t i = 0; i < rows; i++) {
            assert_int_equal(((const int64_t *)r.indptr)[i], at);
            for (uint64_t j = 0; j < columns; j++) {
                const double value = sparse_number(i, j, variant.dtype);
                if (value != 0) {
                    assert_int_equal(((const int64_t *)r.indices)[at], j);
                    assert_true(fabs(((const double *)r.values)[at] - value / scale[j]) < 1e-15 * fabs(value));
                    at++;
                }
            }
        }
        assert_int_equal(r.shape.nonzeros, at);
        result narrow;
        begin_result(&narrow, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F32);
        narrow.options.indices_dtype = SKIMP_DTYPE_I32;
        skimp_error error;
        assert_ok(try_apply(model, &setup, &narrow, &error));
        for (uint64_t k = 0; k < at; k++) {
            assert_int_equal(((const int32_t *)narrow.indices)[k], ((const int64_t *)r.indices)[k]);
            assert_true(((const float *)narrow.values)[k] == (float)((const double *)r.values)[k]);
        }
        assert_int_equal(((const int32_t *)narrow.indptr)[rows], at);
        free_result(&narrow);
        free_sparse(&blocks);
        if (form == 0) {
            first = r;
            continue;
        }
        if (form != 2) { /* other numbers */
            assert_same_results(&first, &r);
        }
        free_result(&r);
    }
    free_result(&first);
    skimp_model_destroy(model);
}

static void sparse_files(void **state)
{
    (void)state;
    write_svmlight("s.svm", (table_options){ .rows = 3000, .columns = 9, .classes = 3, .padding = 300 });
    convert("s.svm", "s.store", NULL, NULL);
    job_setup setup;
    begin_setup(&setup, "logistic_regression", "s.svm", NULL);
    add_step(&setup, "max_abs_scaler");
    skimp_model *model = fit_setup(&setup);
    for (skimp_apply_kind kind = SKIMP_APPLY_LABEL; kind <= SKIMP_APPLY_TRANSFORM; kind++) {
        result file, store;
        begin_setup(&setup, NULL, "s.svm", NULL);
        apply_threads(model, &setup, kind, &file);
        begin_setup(&setup, NULL, "s.store", NULL);
        apply_threads(model, &setup, kind, &store);
        assert_near_results(&file, &store);
        assert_true(file.shape.is_sparse == (kind == SKIMP_APPLY_TRANSFORM));
        if (kind == SKIMP_APPLY_LABEL) {
            assert_as_predicted(model, "s.svm", &file, NULL);
            assert_as_predicted(model, "s.store", &store, NULL);
        }
        free_result(&file);
        free_result(&store);
    }
    skimp_model_destroy(model);
}

/* ---- rows that are dropped ------------------------------------------------------------------------------------------------ */

static void drops_rows(void **state)
{
    (void)state;
    write_table("d.csv", (table_options){ .rows = 2000, .columns = 3, .missing_every = 3, .padding = 500 });
    convert("d.csv", "d.store", "y", "padding");
    job_setup setup;
    begin_setup(&setup, NULL, "d.csv", "y");
    add_drop(&setup, "padding");
    add_step(&setup, "standard_scaler");
    skimp_model *model = fit_setup(&setup);
    result all, dropped;
    for (unsigned form = 0; form < 2; form++) {
        begin_setup(&setup, NULL, form == 0 ? "d.csv" : "d.store", NULL);
        apply_threads(model, &setup, SKIMP_APPLY_TRANSFORM, &all);
        setup.options.drop_missing = true;
        apply_threads(model, &setup, SKIMP_APPLY_TRANSFORM, &dropped);
        assert_int_equal(all.shape.n_rows, 2000);
        assert_int_equal(dropped.shape.n_rows, 2000 - 666);
        uint64_t kept = 0;
        for (uint64_t row = 0; row < 2000; row++) {
            const double *values = (const double *)all.values + row * 3;
            assert_true(isnan(values[0]) == (row % 3 == 2));
            if (row % 3 != 2) {
                assert_memory_equal(values, (const double *)dropped.values + kept++ * 3, 3 * sizeof(double));
            }
        }
        free_result(&all);
        free_result(&dropped);
    }
    /* None is left. */
    write_text("e.csv", "x0,x1,x2\n,1,2\n,3,4\n");
    begin_setup(&setup, NULL, "e.csv", NULL);
    setup.options.drop_missing = true;
    skimp_error error;
    begin_result(&dropped, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F64);
    assert_int_equal(try_apply(model, &setup, &dropped, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "no rows"));
    skimp_model_destroy(model);
}

/* ---- budgets ------------------------------------------------------------------------------------------------------------ */

/*
 * Too small a budget is refused with the smallest that works: exactly that.  One that does not even hold the job's opening
 * names what this takes; the next one what all of it does.
 */
static void budget_is_exact(const skimp_model *model, job_setup *setup, skimp_apply_kind kind, const result *expected)
{
    result r;
    skimp_error error;
    uint64_t minimum = 1 << 20;
    for (unsigned tries = 0;; tries++) {
        setup->options.max_memory = minimum;
        begin_result(&r, kind, SKIMP_DTYPE_F64);
        if (try_apply(model, setup, &r, &error) == SKIMP_OK) {
            assert_in_range(tries, 1, 2);
            break;
        }
        assert_int_equal(error.code, SKIMP_ERROR_BUDGET);
        assert_int_equal(r.calls, 0);
        assert_true(error.minimum_bytes > minimum);
        minimum = error.minimum_bytes;
    }
    assert_true(minimum > expected->shape.n_rows * expected->shape.n_columns * sizeof(double));
    assert_same_results(expected, &r);
    free_result(&r);
    setup->options.max_memory = minimum - 4096;
    begin_result(&r, kind, SKIMP_DTYPE_F64);
    assert_int_equal(try_apply(model, setup, &r, &error), SKIMP_ERROR_BUDGET);
    assert_int_equal(error.minimum_bytes, minimum);
    assert_int_equal(r.calls, 0);
}

static void budgets_are_exact(void **state)
{
    (void)state;
    write_table("b.csv", (table_options){ .rows = 30000, .columns = 6, .classes = 2 });
    convert("b.csv", "b.store", "y", NULL);
    job_setup setup;
    begin_setup(&setup, "logistic_regression", "b.csv", "y");
    add_step(&setup, "standard_scaler");
    skimp_model *model = fit_setup(&setup);
    const uint64_t rows = 200000;
    void *block = NULL;
    skimp_data data;
    make_matrix(&data, &block, rows, 6, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    for (skimp_apply_kind kind = SKIMP_APPLY_PROBABILITY; kind <= SKIMP_APPLY_TRANSFORM; kind++) {
        for (unsigned form = 0; form < 3; form++) {
            result expected;
            if (form == 2) {
                begin_arrays(&setup, NULL, &data);
            } else {
                begin_setup(&setup, NULL, form == 0 ? "b.csv" : "b.store", NULL);
            }
            apply(model, &setup, kind, SKIMP_DTYPE_F64, &expected);
            budget_is_exact(model, &setup, kind, &expected);
            free_result(&expected);
        }
    }
    free(block);
    skimp_model_destroy(model);
}

/* More rows than the sample said: more is asked for as they come; where the budget does not have it, it says what would. */
static void outgrows_forecast(void **state)
{
    (void)state;
    FILE *file = fopen(in_temporary("g.csv"), "w");
    assert_non_null(file);
    fprintf(file, "a,b\n");
    uint64_t rows = 0;
    /* Short rows lie between the places that the sample looks at. */
    for (unsigned block = 0; block < 40; block++) {
        for (unsigned i = 0; i < 60000; i++, rows++) {
            fprintf(file, i < 200 ? "1.2345678901234567,-3.1234567890123456\n" : "1,2\n");
        }
    }
    fclose(file);
    write_text("f.csv", "a,b\n1,2\n3,5\n");
    job_setup setup;
    begin_setup(&setup, NULL, "f.csv", NULL);
    add_step(&setup, "standard_scaler");
    skimp_model *model = fit_setup(&setup);
    result r;
    begin_setup(&setup, NULL, "g.csv", NULL);
    apply(model, &setup, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F64, &r);
    assert_int_equal(r.shape.n_rows, rows);
    assert_true(r.calls >= 2);
    free_result(&r);
    skimp_model_destroy(model);
}

/* ---- what goes wrong ---------------------------------------------------------------------------------------------------- */

/* The caller has no memory, at the first call or a later one; options that make no sense; a job runs once. */
static void refuses(void **state)
{
    (void)state;
    write_table("r.csv", (table_options){ .rows = 500, .columns = 3, .padding = 3000 });
    job_setup setup;
    begin_setup(&setup, "ridge", "r.csv", "y");
    add_drop(&setup, "padding");
    skimp_model *model = fit_setup(&setup);
    begin_setup(&setup, NULL, "r.csv", NULL);
    skimp_error error;
    result r;
    for (unsigned call = 1; call <= 2; call++) {
        begin_result(&r, SKIMP_APPLY_LABEL, SKIMP_DTYPE_F64);
        r.fail_at = call;
        assert_int_equal(try_apply(model, &setup, &r, &error), SKIMP_ERROR_NOMEM);
        assert_string_equal(error.message, "the caller has none");
        free_result(&r);
    }
    static const struct {
        skimp_apply_kind kind;
        skimp_dtype dtype, indices;
    } bad[] = {
        { SKIMP_APPLY_LABEL, SKIMP_DTYPE_I64, SKIMP_DTYPE_I64 }, /* of a regressor */
        { SKIMP_APPLY_LABEL, SKIMP_DTYPE_U8, SKIMP_DTYPE_I64 },
        { SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_I32, SKIMP_DTYPE_I64 },
        { SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F64, SKIMP_DTYPE_U32 },
        { SKIMP_APPLY_DECISION, SKIMP_DTYPE_F64, SKIMP_DTYPE_I64 },
        { SKIMP_APPLY_PROBABILITY, SKIMP_DTYPE_F64, SKIMP_DTYPE_I64 },
        { (skimp_apply_kind)9, SKIMP_DTYPE_F64, SKIMP_DTYPE_I64 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin_result(&r, bad[i].kind, bad[i].dtype);
        r.options.indices_dtype = bad[i].indices;
        assert_int_equal(try_apply(model, &setup, &r, &error), SKIMP_ERROR_PARAM);
        assert_int_equal(r.calls, 0);
    }
    begin_result(&r, SKIMP_APPLY_LABEL, SKIMP_DTYPE_F64);
    r.options.size--;
    assert_int_equal(try_apply(model, &setup, &r, &error), SKIMP_ERROR_PARAM);
    begin_result(&r, SKIMP_APPLY_LABEL, SKIMP_DTYPE_F64);
    r.options.reserve = NULL;
    assert_int_equal(try_apply(model, &setup, &r, &error), SKIMP_ERROR_PARAM);

    skimp_job *job = NULL;
    error = (skimp_error)SKIMP_ERROR_INIT;
    begin_result(&r, SKIMP_APPLY_LABEL, SKIMP_DTYPE_F64);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_apply(job, model, &r.options, &error));
    assert_int_equal(skimp_job_apply(job, model, &r.options, &error), SKIMP_ERROR_PARAM);
    skimp_job_destroy(job);
    free_result(&r);
    skimp_model_destroy(model);
}

int main(void)
{
    prefer_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tables_as_predicted, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(transforms_table, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(matrices, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(regressors_of_npy, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(sparse_transformed, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(sparse_files, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(drops_rows, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(budgets_are_exact, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(outgrows_forecast, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(refuses, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
