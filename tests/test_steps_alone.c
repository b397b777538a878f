/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Models of steps alone: fitted from text, stores and arrays, saved and applied; what they refuse; weights; plans that
 * hold; every allocation refused once; damaged ones.
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

/* ---- steps alone ---------------------------------------------------------------------------------------------------------- */

static void begin_alone(job_setup *setup, const char *input)
{
    begin_setup(setup, NULL, input, NULL);
    add_step(setup, "simple_imputer");
    add_step(setup, "standard_scaler");
    add_param(setup, "simple_imputer__add_indicator", "true");
    add_param(setup, "simple_imputer__strategy", "median");
}

/* With a target or without, from text or a store: the same steps; and those of a model that has an estimator. */
static void steps_alone(void **state)
{
    (void)state;
    write_table("a.csv",
                (table_options){ .rows = 2500, .columns = 4, .classes = 2, .missing_every = 5, .padding = 300 });
    convert("a.csv", "a.store", "y", "padding");
    job_setup setup;
    begin_alone(&setup, "a.csv");
    setup.options.target = "y";
    add_drop(&setup, "padding");
    skimp_model *model = fit_setup(&setup), *stored, *loaded = NULL, *whole;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_string_equal(skimp_model_estimator(model), "pipeline");
    assert_string_equal(find_meta(model, "params"), "{}");
    assert_null(find_array(model, "classes_"));
    begin_alone(&setup, "a.store");
    stored = fit_setup(&setup);
    assert_same_models(model, stored);
    begin_alone(&setup, "a.csv");
    add_drop(&setup, "padding");
    add_drop(&setup, "y");
    skimp_model_destroy(stored);
    stored = fit_setup(&setup);
    assert_same_models(model, stored);
    assert_null(find_meta(stored, "target"));
    skimp_model_destroy(stored);
    begin_alone(&setup, "a.csv");
    setup.options.estimator = "logistic_regression";
    setup.options.target = "y";
    add_drop(&setup, "padding");
    whole = fit_setup(&setup);
    const double *one = find_array(model, "1.standard_scaler.mean_")->data;
    const double *two = find_array(whole, "1.standard_scaler.mean_")->data;
    assert_memory_equal(one, two, 5 * sizeof(double));

    assert_ok(skimp_model_save(model, in_temporary("a.safetensors"), &error));
    assert_ok(skimp_model_load(&loaded, NULL, in_temporary("a.safetensors"), &error));
    result expected, found;
    begin_setup(&setup, NULL, "a.csv", NULL);
    apply(whole, &setup, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F64, &expected);
    apply_threads(loaded, &setup, SKIMP_APPLY_TRANSFORM, &found);
    assert_same_results(&expected, &found);
    free_result(&found);
    free_result(&expected);

    for (skimp_apply_kind kind = SKIMP_APPLY_LABEL; kind < SKIMP_APPLY_TRANSFORM; kind++) {
        begin_result(&found, kind, SKIMP_DTYPE_F64);
        assert_int_equal(try_apply(loaded, &setup, &found, &error), SKIMP_ERROR_PARAM);
        assert_non_null(strstr(error.message, "steps alone"));
        assert_int_equal(found.calls, 0);
    }
    assert_int_equal(try_predict(loaded, "a.csv", "p.csv", false, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "steps alone"));
    skimp_job *job = NULL;
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_int_equal(skimp_job_score(job, loaded, &error), SKIMP_ERROR_PARAM);
    skimp_job_destroy(job);
    skimp_model_destroy(whole);
    skimp_model_destroy(loaded);
    skimp_model_destroy(model);
}

/* No step at all: text is one-hot encoded, and a missing number stays one. */
static void encodes_alone(void **state)
{
    (void)state;
    write_text("t.csv", "a,t,y\n1,x,0\n2,,1\n,y,1\n");
    write_text("u.csv", "t,a\nz,5\ny,6\n");
    job_setup setup;
    begin_setup(&setup, "pipeline", "t.csv", NULL);
    add_drop(&setup, "y");
    skimp_model *model = fit_setup(&setup), *loaded = NULL;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_string_equal(skimp_model_estimator(model), "pipeline");
    assert_string_equal(find_meta(model, "steps"), "[]");
    assert_string_equal(find_meta(model, "feature_names"), "[\"a\", \"t_x\", \"t_y\", \"t_nan\"]");
    assert_ok(skimp_model_save(model, in_temporary("t.safetensors"), &error));
    assert_ok(skimp_model_load(&loaded, NULL, in_temporary("t.safetensors"), &error));
    result r;
    begin_setup(&setup, NULL, "t.csv", NULL);
    apply_threads(loaded, &setup, SKIMP_APPLY_TRANSFORM, &r);
    const double *out = r.values;
    const double expected[] = { 1, 1, 0, 0, 2, 0, 0, 1, NAN, 0, 1, 0 };
    assert_int_equal(r.shape.n_columns, 4);
    for (unsigned i = 0; i < 12; i++) {
        assert_true(isnan(expected[i]) ? isnan(out[i]) : out[i] == expected[i]);
    }
    free_result(&r);
    begin_setup(&setup, NULL, "u.csv", NULL);
    apply_threads(loaded, &setup, SKIMP_APPLY_TRANSFORM, &r);
    static const double other[] = { 5, 0, 0, 0, 6, 0, 1, 0 };
    assert_memory_equal(r.values, other, sizeof other);
    free_result(&r);
    skimp_model_destroy(loaded);
    skimp_model_destroy(model);
}

/* What steps alone cannot have. */
static void steps_alone_refuse(void **state)
{
    (void)state;
    write_text("w.csv", "a,b\n1,2\n3,4\n");
    job_setup setup;
    skimp_error error;
    begin_alone(&setup, "w.csv");
    setup.options.holdout = 0.5;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "hold-out"));
    begin_alone(&setup, "w.csv");
    setup.options.checkpoint = "w.checkpoint";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "checkpoint"));
    begin_setup(&setup, NULL, "w.csv", NULL);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "no estimator"));
    begin_alone(&setup, "w.csv");
    skimp_job *job = NULL;
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_int_equal(skimp_job_convert(job, in_temporary("w.store"), &error), SKIMP_ERROR_PARAM);
    skimp_job_destroy(job);
    assert_int_equal(access(in_temporary("w.store"), F_OK), -1);
}

/* Missing values that every step bears go through; infinite ones do not. */
static void missing_stays(void **state)
{
    (void)state;
    double values[] = { 1, NAN, 3, 10, 20, NAN };
    skimp_data data = SKIMP_DATA_INIT;
    data.n_rows = 3;
    data.n_columns = 2;
    data.dtype = SKIMP_DTYPE_F64;
    data.values = values;
    data.row_stride = sizeof(double);
    data.column_stride = 3 * sizeof(double);
    job_setup setup;
    begin_arrays(&setup, NULL, &data);
    add_step(&setup, "max_abs_scaler");
    skimp_model *model = fit_setup(&setup);
    result r;
    begin_arrays(&setup, NULL, &data);
    apply_threads(model, &setup, SKIMP_APPLY_TRANSFORM, &r);
    const double *out = r.values;
    assert_true(out[0] == 1.0 / 3 && out[1] == 0.5 && isnan(out[2]) && out[3] == 1 && out[4] == 1 && isnan(out[5]));
    free_result(&r);
    values[1] = INFINITY;
    skimp_error error;
    begin_result(&r, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F64);
    assert_int_equal(try_apply(model, &setup, &r, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "infinity"));
    free_result(&r);
    add_step(&setup, "max_abs_scaler");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    skimp_model_destroy(model);
}

/* Alone, a scaler counts rows by their weights, as rows that are there so often; before an estimator it does not. */
static void weights_count_alone(void **state)
{
    (void)state;
    FILE *weighted = fopen(in_temporary("w.csv"), "w"), *repeated = fopen(in_temporary("r.csv"), "w");
    assert_true(weighted != NULL && repeated != NULL);
    fprintf(weighted, "a,b,y,w\n");
    fprintf(repeated, "a,b,y\n");
    for (uint64_t r = 0; r < 500; r++) {
        const int times = (int)(r % 4);
        char row[64];
        snprintf(row, sizeof row, "%.6g,%s,%u", array_number(r, 0, SKIMP_DTYPE_F64), r % 7 == 0 ? "" : "3.5",
                 (unsigned)r % 2);
        fprintf(weighted, "%s,%d\n", row, times);
        for (int i = 0; i < times; i++) {
            fprintf(repeated, "%s\n", row);
        }
    }
    fclose(weighted);
    fclose(repeated);
    skimp_model *models[3];
    for (unsigned k = 0; k < 3; k++) {
        job_setup setup;
        begin_setup(&setup, k == 2 ? "ridge" : NULL, k == 1 ? "r.csv" : "w.csv", "y");
        setup.options.weight = k == 1 ? NULL : "w";
        if (k == 2) {
            add_step(&setup, "simple_imputer");
        }
        add_step(&setup, "standard_scaler");
        models[k] = fit_setup(&setup);
    }
    static const char *const names[] = { "mean_", "var_", "scale_" };
    for (unsigned k = 0; k < 3; k++) {
        char alone[64], before[64];
        snprintf(alone, sizeof alone, "0.standard_scaler.%s", names[k]);
        snprintf(before, sizeof before, "1.standard_scaler.%s", names[k]);
        const skimp_array one = *find_array(models[0], alone), two = *find_array(models[1], alone),
                          other = *find_array(models[2], before);
        for (unsigned j = 0; j < 2; j++) {
            const double expected = ((const double *)two.data)[j];
            assert_true(fabs(((const double *)one.data)[j] - expected) <= 1e-12 * fabs(expected) + 1e-12);
        }
        assert_true(fabs(((const double *)other.data)[0] - ((const double *)two.data)[0]) > 1e-6);
    }
    const skimp_array seen = *find_array(models[0], "0.standard_scaler.n_samples_seen_"),
                      rows = *find_array(models[1], "0.standard_scaler.n_samples_seen_");
    assert_string_equal(seen.dtype, "F64");
    assert_int_equal(array_values(&seen), 2);
    for (unsigned j = 0; j < 2; j++) {
        assert_true(((const double *)seen.data)[j] == (double)((const int64_t *)rows.data)[j]);
        assert_true(array_values(&rows) == 2);
    }
    for (unsigned k = 0; k < 3; k++) {
        skimp_model_destroy(models[k]);
    }
}

/* ---- plans and budgets ------------------------------------------------------------------------------------------------------ */

/* Steps alone charge what was planned, and not much less; exactly the smallest budget works. */
static void plan_holds(const job_setup *setup)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL, *again = NULL;
    const skimp_plan *plan = NULL;
    assert_ok(skimp_job_create(&job, &setup->options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_ok(skimp_job_fit(job, &model, &error));
    const uint64_t peak = skimp_job_report(job)->charged_peak_bytes, planned = plan->peak_bytes,
                   minimum = plan->minimum_bytes;
    if (peak > planned || (double)planned > 1.25 * (double)peak + (256 << 10)) {
        fail_msg("planned %llu, charged %llu", (unsigned long long)planned, (unsigned long long)peak);
    }
    assert_true(skimp_job_report(job)->converged);
    assert_true(isnan(skimp_job_report(job)->objective));
    skimp_job_destroy(job);

    job_setup tight = *setup;
    tight.options.max_memory = minimum;
    again = fit_setup(&tight);
    assert_same_models(model, again);
    tight.options.max_memory = minimum - (64 << 10);
    assert_int_equal(try_fit(&tight, &error), SKIMP_ERROR_BUDGET);
    assert_true(error.minimum_bytes > tight.options.max_memory && error.minimum_bytes <= minimum);
    skimp_model_destroy(again);
    skimp_model_destroy(model);
}

static void plans_hold(void **state)
{
    (void)state;
    const uint64_t rows = SANITIZED ? 20000 : 100000;
    void *block = NULL;
    skimp_data data;
    sparse_blocks blocks;
    job_setup setup;
    make_matrix(&data, &block, rows, 20, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    for (unsigned steps = 0; steps < 3; steps++) {
        begin_arrays(&setup, NULL, &data);
        add_step(&setup, steps == 1 ? "simple_imputer" : "standard_scaler");
        if (steps == 2) {
            add_step(&setup, "min_max_scaler");
        }
        plan_holds(&setup);
    }
    free(block);
    make_sparse(&data, &blocks, rows / 20, 500, &(sparse_variant){ .dtype = SKIMP_DTYPE_F64 }, sparse_number);
    begin_arrays(&setup, NULL, &data);
    add_step(&setup, "max_abs_scaler");
    plan_holds(&setup);
    free_sparse(&blocks);
    write_table("p.csv",
                (table_options){ .rows = (unsigned)rows / 4, .columns = 12, .classes = 2, .missing_every = 9 });
    begin_alone(&setup, "p.csv");
    plan_holds(&setup);
    write_table(
        "q.csv",
        (table_options){ .rows = (unsigned)rows / 4, .columns = 4, .text = true, .classes = 2, .missing_every = 9 });
    begin_setup(&setup, "pipeline", "q.csv", NULL);
    plan_holds(&setup);
    write_svmlight("p.svm", (table_options){ .rows = (unsigned)rows / 4, .columns = 12, .classes = 2 });
    begin_setup(&setup, NULL, "p.svm", NULL);
    add_step(&setup, "max_abs_scaler");
    plan_holds(&setup);
}

/* ---- what goes wrong ---------------------------------------------------------------------------------------------------- */

static void bears_faults(void **state)
{
    (void)state;
    write_table("f.csv", (table_options){ .rows = 60, .columns = 2, .text = true, .classes = 2, .missing_every = 5 });
    write_svmlight("f.svm", (table_options){ .rows = 60, .columns = 6, .classes = 2 });
    for (unsigned form = 0; form < 5; form++) {
        const bool is_sparse = form == 3;
        job_setup setup, over;
        skimp_error error = SKIMP_ERROR_INIT;
        if (is_sparse) {
            begin_setup(&setup, NULL, "f.svm", NULL);
            add_step(&setup, "max_abs_scaler");
        } else if (form == 4) {
            begin_setup(&setup, "pipeline", "f.csv", NULL);
        } else {
            begin_alone(&setup, "f.csv");
            setup.options.estimator = form == 1 ? "logistic_regression" : NULL;
            setup.options.target = "y";
        }
        setup.options.n_threads = 1;
        begin_setup(&over, NULL, is_sparse ? "f.svm" : "f.csv", NULL);
        over.options.n_threads = 1;
        over.options.drop_missing = form == 2;
        const skimp_apply_kind kind = form == 1 ? SKIMP_APPLY_PROBABILITY : SKIMP_APPLY_TRANSFORM;
        uint64_t borne = 0;
        /* A fit of the steps, and applying them: each allocation refused once. */
        for (uint64_t nth = 1;; nth++) {
            skimp_job *job = NULL;
            skimp_model *model = NULL;
            error = (skimp_error)SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, false);
            skimp_status status = skimp_job_create(&job, &setup.options, &error);
            status = status == SKIMP_OK ? skimp_job_fit(job, &model, &error) : status;
            skimpi_fault_set(0, false);
            assert_true((status == SKIMP_OK) == (model != NULL));
            skimp_job_destroy(job);
            skimp_model_destroy(model);
            assert_int_equal(skimpi_leaked_bytes(), 0);
            if (status == SKIMP_OK && nth > 400) {
                break;
            }
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
            borne += status != SKIMP_OK;
        }
        skimp_model *model = fit_setup(&setup);
        for (uint64_t nth = 1;; nth++) {
            result r;
            begin_result(&r, kind, SKIMP_DTYPE_F64);
            skimpi_fault_set(nth, false);
            const skimp_status status = try_apply(model, &over, &r, &error);
            const bool is_through = skimpi_fault_set(0, false) < nth;
            free_result(&r);
            if (is_through) {
                assert_int_equal(status, SKIMP_OK);
                break;
            }
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
            borne += status != SKIMP_OK;
        }
        assert_true(borne > 60);
        skimp_model_destroy(model);
    }
}

/* ---- damaged models of steps alone ------------------------------------------------------------------------------------- */

typedef struct spoiling {
    const char *meta, *value; /* metadata that are changed (NULL value: left out) */
    const char *array;        /* array that is left out, or added … */
    const void *data;         /* … as this, of F64 */
} spoiling;

static void refuses_spoiled(void **state)
{
    (void)state;
    static const double two[] = { 0, 1 };
    static const spoiling spoilings[] = {
        { .meta = "estimator", .value = "pipelin" },
        { .meta = "estimator", .value = "ridge" },
        { .meta = "estimator", .value = "logistic_regression" },
        { .meta = "estimator", .value = "standard_scaler" },
        { .meta = "steps" },
        { .meta = "steps", .value = "[]" },
        { .meta = "steps", .value = "{}" },
        { .meta = "steps", .value = "[{\"name\": \"pipeline\", \"estimator\": \"pipeline\", \"params\": {}}]" },
        { .meta = "params" },
        { .meta = "params", .value = "{\"alpha\": 1}" },
        { .meta = "params", .value = "[]" },
        { .meta = "params", .value = "3" },
        { .meta = "n_features", .value = "5" },
        { .meta = "n_features", .value = "0" },
        { .meta = "data", .value = "sparse" },
        { .array = "classes_", .data = two },
        { .array = "0.simple_imputer.columns" },
        { .array = "0.simple_imputer.statistics_" },
        { .array = "1.standard_scaler.mean_" },
        { .array = "column_types" },
    };
    write_text("h.csv", "a,b\n1,2\n,5\n4,\n");
    job_setup setup;
    begin_alone(&setup, "h.csv");
    skimp_model *model = fit_setup(&setup);
    for (size_t k = 0; k < 1 + sizeof spoilings / sizeof *spoilings; k++) {
        const spoiling none = { 0 }, *how = k == 0 ? &none : &spoilings[k - 1];
        skimp_setting meta[32];
        skimp_array arrays[32];
        size_t n_meta = 0, n_arrays = 0;
        for (size_t i = 0; skimp_model_meta(model, i, &meta[n_meta].name, &meta[n_meta].value); i++) {
            const bool is_meant = how->meta != NULL && strcmp(how->meta, meta[n_meta].name) == 0;
            meta[n_meta].value = is_meant ? how->value : meta[n_meta].value;
            n_meta += meta[n_meta].value != NULL;
        }
        for (size_t i = 0; skimp_model_array(model, i, &arrays[n_arrays]); i++) {
            n_arrays += how->array == NULL || strcmp(how->array, arrays[n_arrays].name) != 0;
        }
        if (how->data != NULL) {
            arrays[n_arrays++] =
                (skimp_array){ .name = how->array, .dtype = "F64", .n_dims = 1, .shape = { 2 }, .data = how->data };
        }
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_model *spoiled = NULL;
        result r;
        begin_result(&r, SKIMP_APPLY_TRANSFORM, SKIMP_DTYPE_F64);
        begin_setup(&setup, NULL, "h.csv", NULL);
        skimp_status status = skimp_model_of_arrays(&spoiled, NULL, meta, n_meta, arrays, n_arrays, &error);
        if (status == SKIMP_OK) {
            status = try_apply(spoiled, &setup, &r, &error);
        }
        if (k == 0) {
            assert_ok(status);
        } else if (status != SKIMP_ERROR_DATA && status != SKIMP_ERROR_PARAM) {
            fail_msg("spoiling %zu (%s %s): %d %s", k - 1, how->meta, how->array, status, error.message);
        }
        free_result(&r);
        skimp_model_destroy(spoiled);
    }
    skimp_model_destroy(model);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

int main(void)
{
    prefer_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(steps_alone, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(encodes_alone, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(steps_alone_refuse, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(missing_stays, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(weights_count_alone, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(plans_hold, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(bears_faults, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(refuses_spoiled, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
