/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inputs through a model of steps into a kept store: the columns and rows of it, whatever the inputs are; the same bytes for
 * any number of threads; budgets that are exact; every allocation refused once; nothing left of what failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "apply_result.h"
#include "sanitizers.h"

static skimp_status try_through(const skimp_model *model, const job_setup *setup, const char *store, skimp_error *error)
{
    skimp_job *job = NULL;
    *error = (skimp_error)SKIMP_ERROR_INIT;
    skimp_status status = skimp_job_create(&job, &setup->options, error);
    if (status == SKIMP_OK) {
        status = skimp_job_convert_through(job, model, in_temporary(store), error);
        assert_true(skimp_job_report(job)->charged_peak_bytes <= skimp_budget_limit(job->budget));
    }
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    assert_int_equal(error->code, status);
    return status;
}

/* The same store whatever the threads. */
static void through(const skimp_model *model, job_setup *setup, const char *store)
{
    skimp_error error;
    setup->options.n_threads = 1;
    assert_ok(try_through(model, setup, store, &error));
    for (unsigned threads = 2; threads <= 5; threads += 3) {
        setup->options.n_threads = threads;
        assert_ok(try_through(model, setup, "other.store", &error));
        assert_same_files(store, "other.store");
    }
}

/* ---- rows of a store ---------------------------------------------------------------------------------------------------- */

static void print_value(FILE *out, const skimp_data_column *column, uint64_t i)
{
    if (column->offsets != NULL) {
        const int32_t code = ((const int32_t *)column->values)[i];
        const int64_t *offsets = column->offsets;
        assert_int_equal(column->offsets_dtype, SKIMP_DTYPE_I64);
        fprintf(out, "%.*s", code < 0 ? 0 : (int)(offsets[code + 1] - offsets[code]),
                code < 0 ? "" : column->text + offsets[code]);
    } else {
        const double value = column->dtype == SKIMP_DTYPE_F32 ? (double)((const float *)column->values)[i]
                                                              : ((const double *)column->values)[i];
        fprintf(out, "%g", value);
    }
}

/* The rows as lines; names first, then * before the target and + before the weight. */
static void assert_rows(const char *store, const char *expected)
{
    job_setup setup;
    skimp_job *job = NULL;
    skimp_data chunk;
    bool end = false, is_first = true;
    skimp_error error = SKIMP_ERROR_INIT;
    char text[4096];
    FILE *out = fmemopen(text, sizeof text, "w");
    begin_setup(&setup, NULL, store, NULL);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    for (;;) {
        assert_ok(skimp_job_next_chunk(job, &chunk, &end, &error));
        if (end) {
            break;
        }
        for (uint64_t c = 0; is_first && c < chunk.n_columns; c++) {
            fprintf(out, "%s%s", c > 0 ? "," : "", chunk.columns[c].name);
        }
        is_first = false;
        for (uint64_t i = 0; i < chunk.n_rows; i++) {
            fputc('\n', out);
            for (uint64_t c = 0; c < chunk.n_columns; c++) {
                fprintf(out, c > 0 ? "," : "");
                print_value(out, &chunk.columns[c], i);
            }
            if (chunk.target.values != NULL) {
                fputc('*', out);
                print_value(out, &chunk.target, i);
            }
            if (chunk.weight.values != NULL) {
                fputc('+', out);
                print_value(out, &chunk.weight, i);
            }
        }
    }
    fclose(out);
    skimp_job_destroy(job);
    assert_string_equal(text, expected);
}

/* What the model makes of the inputs is what a model of nothing makes of the store. */
static void assert_as_applied(const skimp_model *model, job_setup *setup, const char *store, uint64_t n_columns)
{
    result source;
    job_setup over;
    skimp_job *job = NULL;
    skimp_data chunk;
    skimp_error error = SKIMP_ERROR_INIT;
    bool end = false;
    uint64_t row = 0;
    apply(model, setup, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F64, &source);
    begin_setup(&over, NULL, store, NULL);
    assert_ok(skimp_job_create(&job, &over.options, &error));
    assert_int_equal(source.shape.n_columns, n_columns);
    for (;; row += chunk.n_rows) {
        assert_ok(skimp_job_next_chunk(job, &chunk, &end, &error));
        if (end) {
            break;
        }
        const double *values = (const double *)source.values + row * n_columns;
        for (uint64_t i = 0; chunk.kind == SKIMP_DATA_COLUMNS && i < chunk.n_rows; i++) {
            for (uint64_t c = 0; c < n_columns; c++) {
                const skimp_data_column *column = &chunk.columns[c];
                const double here = column->dtype == SKIMP_DTYPE_F32 ? (double)((const float *)column->values)[i]
                                                                     : ((const double *)column->values)[i];
                assert_true(fabs(here - values[i * n_columns + c]) < 1e-5 * (1 + fabs(here)));
            }
        }
        if (chunk.kind == SKIMP_DATA_CSR) {
            const int64_t *ends = (const int64_t *)source.indptr + row;
            assert_int_equal(chunk.indptr_dtype, SKIMP_DTYPE_I32);
            assert_int_equal(chunk.nonzeros, ends[chunk.n_rows] - ends[0]);
            for (uint64_t k = 0; k < chunk.nonzeros; k++) {
                const double here = chunk.dtype == SKIMP_DTYPE_F32 ? (double)((const float *)chunk.values)[k]
                                                                   : ((const double *)chunk.values)[k];
                assert_int_equal(((const int32_t *)chunk.indices)[k],
                                 ((const int64_t *)source.indices)[ends[0] + (int64_t)k]);
                assert_true(fabs(here - ((const double *)source.values)[ends[0] + (int64_t)k]) <
                            1e-5 * (1 + fabs(here)));
            }
        }
    }
    assert_int_equal(row, source.shape.n_rows);
    skimp_job_destroy(job);
    free_result(&source);
}

/* ---- tables -------------------------------------------------------------------------------------------------------------- */

/* Columns in their order, marks of gaps last by their names; texts stay, also missing ones; unknown ones are one text. */
static void rows_of_text(void **state)
{
    (void)state;
    write_text("s.csv", "a,day,b,y,w\n1,tue,4,no,1\n,mon,8,yes,2\n3,,6,no,3\n");
    job_setup setup;
    begin_setup(&setup, NULL, "s.csv", "y");
    setup.options.weight = "w";
    add_step(&setup, "simple_imputer");
    add_step(&setup, "max_abs_scaler@b");
    add_param(&setup, "simple_imputer__add_indicator", "true");
    skimp_model *model = fit_setup(&setup);
    write_text("n.csv", "extra,b,day,y,a,w\n0,2,mon,maybe,5,0.5\n0,4,sun,no,,2\n0,16,,no,7,1\n");
    static const char *const names = "a,day,b,missingindicator_a\n";
    char expected[256];
    begin_setup(&setup, NULL, "n.csv", NULL);
    through(model, &setup, "plain.store");
    snprintf(expected, sizeof expected, "%s5,mon,0.25,0\n2,(unknown),0.5,1\n7,,2,0", names);
    assert_rows("plain.store", expected);
    begin_setup(&setup, NULL, "n.csv", "y");
    setup.options.weight = "w";
    through(model, &setup, "roles.store");
    snprintf(expected, sizeof expected, "%s5,mon,0.25,0*maybe+0.5\n2,(unknown),0.5,1*no+2\n7,,2,0*no+1", names);
    assert_rows("roles.store", expected);
    /* Of a store of the same, whose roles were chosen when it was made. */
    begin_setup(&setup, NULL, "n.csv", "y");
    setup.options.weight = "w";
    skimp_job *job = NULL;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_convert(job, in_temporary("n.store"), &error));
    skimp_job_destroy(job);
    begin_setup(&setup, NULL, "n.store", NULL);
    through(model, &setup, "again.store");
    assert_rows("again.store", expected);
    /* Some rows of it. */
    static const uint8_t rows[] = { 5 };
    setup.options.rows = rows;
    setup.options.n_rows = 3;
    through(model, &setup, "some.store");
    snprintf(expected, sizeof expected, "%s5,mon,0.25,0*maybe+0.5\n7,,2,0*no+1", names);
    assert_rows("some.store", expected);
    /* A comparison is what the target is, there too. */
    begin_setup(&setup, NULL, "n.csv", "w>1");
    through(model, &setup, "over.store");
    snprintf(expected, sizeof expected, "%s5,mon,0.25,0*0\n2,(unknown),0.5,1*1\n7,,2,0*0", names);
    assert_rows("over.store", expected);
    begin_setup(&setup, "ridge", "over.store", "w>1");
    skimp_model *fitted = fit_setup(&setup);
    assert_string_equal(find_meta(fitted, "target"), "w>1");
    skimp_model_destroy(fitted);
    skimp_model_destroy(model);
}

/* A text that is called what unknown ones are is known. */
static void knows_unknown(void **state)
{
    (void)state;
    write_text("s.csv", "a,day\n1,(unknown)\n2,mon\n");
    job_setup setup;
    begin_setup(&setup, NULL, "s.csv", NULL);
    add_step(&setup, "max_abs_scaler");
    skimp_model *model = fit_setup(&setup);
    write_text("n.csv", "a,day\n2,(unknown)\n4,tue\n");
    begin_setup(&setup, NULL, "n.csv", NULL);
    through(model, &setup, "n.store");
    assert_rows("n.store", "a,day\n1,(unknown)\n2,(unknown 2)");
    skimp_model_destroy(model);
}

/* An estimator that learns from the store is the one that learns after the same steps. */
static void teaches_the_same(void **state)
{
    (void)state;
    write_table("t.csv", (table_options){ .rows = 6000,
                                          .columns = 3,
                                          .text = true,
                                          .text_label = true,
                                          .classes = 3,
                                          .missing_every = 7,
                                          .padding = 300 });
    convert("t.csv", "t.store", "y", "padding");
    job_setup setup;
    begin_setup(&setup, NULL, "t.csv", "y");
    add_drop(&setup, "padding");
    add_step(&setup, "simple_imputer");
    add_step(&setup, "standard_scaler");
    skimp_model *steps = fit_setup(&setup), *whole, *after;
    setup.options.estimator = "logistic_regression";
    whole = fit_setup(&setup);
    for (unsigned form = 0; form < 2; form++) {
        begin_setup(&setup, NULL, form == 0 ? "t.csv" : "t.store", form == 0 ? "y" : NULL);
        through(steps, &setup, "through.store");
        begin_setup(&setup, "logistic_regression", "through.store", NULL);
        after = fit_setup(&setup);
        const skimp_array *one = find_array(whole, "coef_"), *two = find_array(after, "coef_");
        assert_int_equal(array_values(one), 3 * (3 + 7));
        assert_int_equal(array_values(one), array_values(two));
        for (uint64_t i = 0; i < array_values(one); i++) {
            assert_true(fabs(((const double *)one->data)[i] - ((const double *)two->data)[i]) < 1e-4);
        }
        assert_string_equal(find_meta(whole, "feature_names"), find_meta(after, "feature_names"));
        skimp_model_destroy(after);
    }
    skimp_model_destroy(whole);
    skimp_model_destroy(steps);
}

/* Arrays, with their own target and weight; and NPY. */
static void matrices(void **state)
{
    (void)state;
    const uint64_t rows = 20000;
    skimp_data data;
    void *block = NULL;
    make_matrix(&data, &block, rows, 5, SKIMP_DTYPE_F32, LAYOUT_FORTRAN, array_number);
    double *y = must_allocate(rows * sizeof *y);
    for (uint64_t r = 0; r < rows; r++) {
        y[r] = (double)(r % 3);
    }
    data.target = data.weight = (skimp_data_column){ .dtype = SKIMP_DTYPE_F64, .values = y, .stride = sizeof *y };
    job_setup setup;
    begin_arrays(&setup, NULL, &data);
    add_step(&setup, "standard_scaler");
    skimp_model *model = fit_setup(&setup);
    begin_arrays(&setup, NULL, &data);
    through(model, &setup, "m.store");
    assert_as_applied(model, &setup, "m.store", 5);
    job_setup over;
    skimp_job *job = NULL;
    skimp_data chunk;
    bool end = false;
    skimp_error error = SKIMP_ERROR_INIT;
    uint64_t row = 0;
    begin_setup(&over, NULL, "m.store", NULL);
    assert_ok(skimp_job_create(&job, &over.options, &error));
    for (;;) {
        assert_ok(skimp_job_next_chunk(job, &chunk, &end, &error));
        for (uint64_t i = 0; !end && i < chunk.n_rows; i++, row++) {
            assert_true(((const double *)chunk.target.values)[i] == (double)(row % 3));
            assert_true(((const double *)chunk.weight.values)[i] == (double)(row % 3));
        }
        if (end) {
            break;
        }
    }
    assert_int_equal(row, rows);
    skimp_job_destroy(job);
    free(block);
    free(y);
    skimp_model_destroy(model);
}

static void sparse(void **state)
{
    (void)state;
    write_svmlight("s.svm", (table_options){ .rows = 4000, .columns = 9, .classes = 3, .padding = 300 });
    convert("s.svm", "s.store", NULL, NULL);
    job_setup setup;
    begin_setup(&setup, NULL, "s.svm", NULL);
    add_step(&setup, "max_abs_scaler");
    skimp_model *model = fit_setup(&setup), *after;
    for (unsigned form = 0; form < 2; form++) {
        begin_setup(&setup, NULL, form == 0 ? "s.svm" : "s.store", NULL);
        through(model, &setup, "through.store");
        assert_as_applied(model, &setup, "through.store", 9);
        begin_setup(&setup, "logistic_regression", "through.store", NULL);
        after = fit_setup(&setup);
        assert_int_equal(find_array(after, "classes_")->shape[0], 3);
        skimp_model_destroy(after);
    }
    skimp_model_destroy(model);
}

/* ---- budgets --------------------------------------------------------------------------------------------------------------- */

/* The smallest budget that a refusal names works, and nothing less does; what is refused leaves nothing. */
static void budget_is_exact(const skimp_model *model, job_setup *setup)
{
    skimp_error error;
    uint64_t minimum = 1 << 20;
    assert_ok(try_through(model, setup, "expected.store", &error));
    const int entries = count_entries();
    for (unsigned tries = 0;; tries++) {
        setup->options.max_memory = minimum;
        if (try_through(model, setup, "tight.store", &error) == SKIMP_OK) {
            assert_in_range(tries, 1, 2);
            break;
        }
        assert_int_equal(error.code, SKIMP_ERROR_BUDGET);
        assert_true(error.minimum_bytes > minimum);
        assert_int_equal(count_entries(), entries);
        minimum = error.minimum_bytes;
    }
    assert_same_files("expected.store", "tight.store");
    setup->options.max_memory = minimum - 4096;
    assert_int_equal(try_through(model, setup, "less.store", &error), SKIMP_ERROR_BUDGET);
    assert_int_equal(error.minimum_bytes, minimum);
    assert_int_equal(count_entries(), entries + 1);
    remove(in_temporary("tight.store"));
}

static void budgets_are_exact(void **state)
{
    (void)state;
    write_table("b.csv",
                (table_options){ .rows = 60000, .columns = 6, .classes = 3, .text = true, .text_label = true });
    convert("b.csv", "b.store", "y", NULL);
    write_svmlight("b.svm", (table_options){ .rows = 30000, .columns = 9, .classes = 3 });
    convert("b.svm", "s.store", NULL, NULL);
    for (unsigned form = 0; form < 5; form++) {
        static const char *const inputs[] = { "b.csv", "b.store", "b.svm", "s.store", NULL };
        void *block = NULL;
        skimp_data data;
        job_setup setup;
        const bool is_sparse = form == 2 || form == 3;
        if (form < 4) {
            begin_setup(&setup, NULL, inputs[form], form == 0 ? "y" : NULL);
        } else {
            make_matrix(&data, &block, 200000, 6, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
            begin_arrays(&setup, NULL, &data);
        }
        add_step(&setup, is_sparse ? "max_abs_scaler" : "standard_scaler");
        skimp_model *model = fit_setup(&setup);
        setup.options.n_steps = 0;
        budget_is_exact(model, &setup);
        skimp_model_destroy(model);
        free(block);
    }
}

/* ---- what goes wrong -------------------------------------------------------------------------------------------------------- */

static void faults(void **state)
{
    (void)state;
    write_table("f.csv",
                (table_options){
                    .rows = 300, .columns = 3, .text = true, .classes = 2, .text_label = true, .missing_every = 5 });
    convert("f.csv", "f.store", "y", NULL);
    job_setup setup;
    begin_setup(&setup, NULL, "f.csv", "y");
    add_step(&setup, "simple_imputer");
    add_param(&setup, "simple_imputer__add_indicator", "true");
    skimp_model *model = fit_setup(&setup);
    for (unsigned form = 0; form < 2; form++) {
        skimp_error error;
        unsigned borne = 0;
        begin_setup(&setup, NULL, form == 0 ? "f.csv" : "f.store", form == 0 ? "y" : NULL);
        setup.options.n_threads = 1;
        const int entries = count_entries();
        for (uint64_t nth = 1;; nth += SANITIZED ? 3 : 1) {
            skimpi_fault_set(nth, false);
            const skimp_status status = try_through(model, &setup, "fault.store", &error);
            const bool is_through = skimpi_fault_set(0, false) < nth;
            assert_int_equal(count_entries(), entries + (status == SKIMP_OK));
            if (is_through) {
                assert_int_equal(status, SKIMP_OK);
                break;
            }
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
            borne += status != SKIMP_OK;
            remove(in_temporary("fault.store"));
        }
        remove(in_temporary("fault.store"));
        assert_true(borne > (SANITIZED ? 20 : 60));
    }
    skimp_model_destroy(model);
}

static void refuses(void **state)
{
    (void)state;
    write_table("r.csv", (table_options){ .rows = 500, .columns = 3, .classes = 2 });
    convert("r.csv", "r.store", "y", NULL);
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    begin_setup(&setup, "ridge", "r.csv", "y");
    skimp_model *predicts = fit_setup(&setup), *steps;
    const int entries = count_entries();
    begin_setup(&setup, NULL, "r.csv", NULL);
    assert_int_equal(try_through(predicts, &setup, "no.store", &error), SKIMP_ERROR_PARAM);
    add_step(&setup, "max_abs_scaler"); /* of y, too */
    steps = fit_setup(&setup);
    setup.options.n_steps = 0;
    setup.options.target = "y";
    assert_int_equal(try_through(steps, &setup, "no.store", &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "cannot be the target"));
    setup.options.target = NULL;
    setup.options.weight = "y";
    assert_int_equal(try_through(steps, &setup, "no.store", &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "cannot be the weight"));
    begin_setup(&setup, NULL, "r.store", NULL);
    assert_int_equal(try_through(steps, &setup, "no.store", &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "cannot be the target"));
    begin_setup(&setup, NULL, "r.csv", NULL);
    assert_int_equal(try_through(steps, &setup, "none/no.store", &error), SKIMP_ERROR_IO);
    volatile int cancel = 1;
    write_table("long.csv", (table_options){ .rows = 60000, .columns = 3, .classes = 2 });
    begin_setup(&setup, NULL, "long.csv", NULL);
    setup.options.cancel = &cancel;
    assert_int_equal(try_through(steps, &setup, "no.store", &error), SKIMP_ERROR_CANCELLED);
    remove(in_temporary("long.csv"));
    /* A row that cannot be transformed, after others that were written. */
    write_text("inf.csv", "x0,x1,x2,y\n1,2,3,4\n1,inf,3,4\n");
    begin_setup(&setup, NULL, "inf.csv", NULL);
    assert_int_equal(try_through(steps, &setup, "no.store", &error), SKIMP_ERROR_DATA);
    remove(in_temporary("inf.csv"));
    assert_int_equal(count_entries(), entries);
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, "r.csv", NULL);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_convert_through(job, steps, in_temporary("r2.store"), &error));
    assert_int_equal(skimp_job_convert_through(job, steps, in_temporary("r2.store"), &error), SKIMP_ERROR_PARAM);
    skimp_job_destroy(job);
    skimp_model_destroy(predicts);
    skimp_model_destroy(steps);
}

/* ---- where there is room for spilling ----------------------------------------------------------------------------------------- */

static void spills_to_disks(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimp_spill_check("/no/such/directory", &error), SKIMP_ERROR_IO);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimp_spill_check("/dev/shm", &error), SKIMP_ERROR_IO);
    assert_non_null(strstr(error.message, "is memory, not a disk"));
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_ok(skimp_spill_check("/var/tmp", &error));
}

int main(void)
{
    prefer_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_of_text, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(knows_unknown, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(teaches_the_same, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(matrices, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(sparse, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(budgets_are_exact, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(faults, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(refuses, make_temporary, remove_temporary),
        cmocka_unit_test(spills_to_disks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
