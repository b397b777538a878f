/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is done with arrays of the caller in jobs: roles, categories, bitmaps, predict and score, convert, rows dropped,
 * checkpoints; plans that are exact and hold; messages; every allocation refused once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "frame_data.h"
#include "sanitizers.h"

/* ---- frames ------------------------------------------------------------------------------------------------------------- */

static void fill_gaps(job_setup *setup, bool marked)
{
    add_step(setup, "simple_imputer");
    if (marked) { /* days too; and both say where */
        add_step(setup, "simple_imputer@text");
        add_param(setup, "simple_imputer__add_indicator", "true");
        add_param(setup, "simple_imputer-2__add_indicator", "true");
        add_param(setup, "simple_imputer-2__strategy", "constant");
    }
}

/* Features, categories, labels, weights and what is missing: as from a CSV of the same rows. */
static void frame_as_csv(void **state)
{
    (void)state;
    frame f;
    make_frame(&f, 6000);
    write_frame("f.csv", &f);
    for (unsigned form = 0; form < 4; form++) {
        const bool hashed = form % 2 == 1, marked = form >= 2;
        job_setup setup;
        begin_setup(&setup, "logistic_regression", "f.csv", "y");
        setup.options.weight = "weight";
        setup.options.hash_bits = hashed ? 5 : 0;
        fill_gaps(&setup, marked);
        add_param(&setup, "tol", "1e-12");
        skimp_model *expected = fit_setup(&setup);
        begin_data(&setup, "logistic_regression", &f.data);
        setup.options.hash_bits = hashed ? 5 : 0;
        fill_gaps(&setup, marked);
        add_param(&setup, "tol", "1e-12");
        skimp_model *found = fit_setup(&setup);
        assert_true(largest_difference(expected, found, "coef_") < 1e-9);
        assert_true(largest_difference(expected, found, "intercept_") < 1e-9);
        if (!hashed) {
            assert_string_equal(find_meta(expected, "feature_names"), find_meta(found, "feature_names"));
            assert_non_null(strstr(find_meta(found, "feature_names"), marked ? "day_missing_value" : "day_nan"));
            assert_null(strstr(find_meta(found, "feature_names"), "day_sun"));
            const char *const marks = "missingindicator_x1\", \"missingindicator_day\"]";
            assert_true((strstr(find_meta(found, "feature_names"), marks) != NULL) == marked);
        }
        assert_string_equal(find_meta(found, "target"), "y");
        const skimp_array classes = *find_array(found, "classes_");
        assert_int_equal(array_values(&classes), sizeof "maybe\0no\0yes");
        assert_memory_equal(classes.data, "maybe\0no\0yes", sizeof "maybe\0no\0yes");

        /* Either model over either form of the data. */
        skimp_error error = SKIMP_ERROR_INIT;
        const char *const outputs[] = { "a", "b" };
        const skimp_model *models[] = { expected, found };
        double accuracy[2];
        predict_file(expected, "f.csv", "from_csv", true);
        for (unsigned m = 0; m < 2; m++) {
            skimp_job *job = NULL;
            begin_data(&setup, NULL, &f.data);
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            assert_ok(skimp_job_predict(job, models[m], in_temporary(outputs[m]), true, &error));
            assert_int_equal(skimp_job_report(job)->rows, 6000);
            skimp_job_destroy(job);
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            assert_ok(skimp_job_score(job, models[m], &error));
            accuracy[m] = metric(skimp_job_report(job), "accuracy");
            skimp_job_destroy(job);
        }
        assert_same_files("a", "from_csv");
        assert_true(accuracy[0] == accuracy[1] && accuracy[0] > 0.6);
        skimp_model_destroy(expected);
        skimp_model_destroy(found);
    }
    free_frame(&f);
}

static void roles_by_name(void **state)
{
    (void)state;
    frame f;
    job_setup setup;
    skimp_error error;
    make_frame(&f, 700);
    const skimp_data_column target = f.data.target, weight = f.data.weight;
    f.data.target = f.data.weight = (skimp_data_column){ 0 };
    /* A column of the frame is the target, by comparison; another the weight; a third is left out. */
    begin_data(&setup, "logistic_regression", &f.data);
    setup.options.target = "x0>1.5";
    add_drop(&setup, "x1");
    skimp_model *model = fit_setup(&setup);
    assert_string_equal(find_meta(model, "target"), "x0>1.5");
    assert_string_equal(find_meta(model, "n_features"), "8"); /* x2; six days and none */
    skimp_model_destroy(model);
    setup.options.target = "day==\"tue\"";
    setup.options.weight = NULL;
    begin_data(&setup, "logistic_regression", &f.data);
    setup.options.target = "day==\"tue\"";
    add_drop(&setup, "x1");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA); /* some days are missing */
    assert_non_null(strstr(error.message, "Input y contains NaN (the first of 14 in row 49)"));
    assert_int_equal(error.row, 50);
    setup.options.target = "label";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "no column 'label'"));
    /* What came with the data has its role: another cannot be named. */
    f.data.target = target;
    f.data.weight = weight;
    begin_data(&setup, "logistic_regression", &f.data);
    setup.options.target = "x0";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "comes with a target"));
    setup.options.target = "y==\"yes\"";
    add_drop(&setup, "x1");
    model = fit_setup(&setup);
    assert_string_equal(find_meta(model, "target"), "y==\"yes\"");
    skimp_model_destroy(model);
    setup.options.weight = "x0";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "comes with a weight"));
    setup.options.weight = NULL;
    setup.options.target = NULL;
    setup.options.estimator = "ridge";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "holds text"));
    free_frame(&f);
}

/* ---- what goes through an ingest ---------------------------------------------------------------------------------------- */

static void rows_dropped(void **state)
{
    (void)state;
    frame f, whole;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *found = NULL;
    const skimp_plan *plan = NULL;
    make_frame(&f, 4000);
    make_frame(&whole, 4000);
    uint64_t kept = 0;
    for (uint64_t r = 0; r < 4000; r++) {
        if (!is_gap(r) && day_of(r) >= 0) {
            memcpy(whole.numbers + 3 * kept, f.numbers + 3 * r, 3 * sizeof(double));
            whole.days[kept] = f.days[r];
            whole.labels[kept] = f.labels[r];
            whole.weights[kept++] = f.weights[r];
        }
    }
    whole.data.n_rows = kept;
    whole.columns[1].validity = NULL;
    begin_data(&setup, "logistic_regression", &whole.data);
    add_param(&setup, "tol", "1e-12");
    skimp_model *expected = fit_setup(&setup);
    setup.options.data = &f.data;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "column 'x1': Input X contains NaN (the first of "));
    error = (skimp_error)SKIMP_ERROR_INIT;
    setup.options.drop_missing = true;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_string_equal(plan->store, "memory");
    assert_string_equal(skimp_job_format(job), "arrays");
    assert_ok(skimp_job_fit(job, &found, &error));
    assert_int_equal(skimp_job_report(job)->rows, kept);
    assert_int_equal(skimp_job_report(job)->rows_missing, 4000 - kept);
    assert_true(skimp_job_report(job)->charged_peak_bytes <= plan->peak_bytes);
    skimp_job_destroy(job);
    assert_true(largest_difference(expected, found, "coef_") < 1e-9);
    skimp_model_destroy(found);
    skimp_model_destroy(expected);
    free_frame(&f);
    free_frame(&whole);
}

static void converted(void **state)
{
    (void)state;
    frame f;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    make_frame(&f, 5000);
    begin_data(&setup, NULL, &f.data);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_convert(job, in_temporary("kept"), &error));
    skimp_job_destroy(job);
    begin_setup(&setup, "logistic_regression", "kept", NULL);
    add_step(&setup, "simple_imputer");
    add_param(&setup, "tol", "1e-12");
    skimp_model *expected = fit_setup(&setup);
    setup.options.n_inputs = 0;
    setup.options.data = &f.data;
    skimp_model *found = fit_setup(&setup);
    assert_true(largest_difference(expected, found, "coef_") < 1e-9);
    skimp_model_destroy(expected);
    skimp_model_destroy(found);
    free_frame(&f);
}

static void resumed(void **state)
{
    (void)state;
    frame f;
    job_setup setup;
    skimp_error error;
    make_frame(&f, 3000);
    begin_data(&setup, "sgd_classifier", &f.data);
    add_step(&setup, "simple_imputer");
    add_param(&setup, "tol", "null");
    add_param(&setup, "max_iter", "3");
    skimp_model *expected = fit_setup(&setup);
    char path[2048];
    snprintf(path, sizeof path, "%s", in_temporary("checkpoint"));
    setup.options.checkpoint = path;
    for (int again = 0; again < 2; again++) { /* the second time from where the first ended */
        skimp_model *found = fit_setup(&setup);
        assert_same_models(expected, found);
        skimp_model_destroy(found);
    }
    f.numbers[3 * 2999] += 1;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "of another job"));
    skimp_model_destroy(expected);
    free_frame(&f);
}

/* ---- plans ---------------------------------------------------------------------------------------------------------------- */

typedef struct shape {
    const char *estimator, *step;
    char form; /* f: frame; m: matrix of floats; s: CSR; n: CSR that misses values; c: CSC */
    uint64_t rows, columns;
    unsigned threads;
    double holdout;
    bool checkpoint, drop_missing, marked;
    unsigned hash_bits;
} shape;

typedef struct shape_blocks {
    frame f;
    sparse_blocks sparse;
    void *matrix, *target;
} shape_blocks;

static double class_of(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)column, (void)dtype;
    return skimpi_mix64(row) % 100 < 40;
}

static double gappy_number(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    const double number = sparse_number(row, column, dtype);
    return number != 0 && skimpi_mix64(row * 7 + column) % 5 == 0 ? (double)NAN : number;
}

static void make_shape(const shape *s, shape_blocks *blocks, skimp_data *data)
{
    *blocks = (shape_blocks){ .matrix = NULL };
    if (s->form == 'f') {
        make_frame(&blocks->f, s->rows);
        *data = blocks->f.data;
        return;
    }
    if (s->form == 'm') {
        make_matrix(data, &blocks->matrix, s->rows, s->columns, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    } else {
        const sparse_variant v = { .by_column = s->form == 'c',
                                   .wide_indices = s->rows % 2 == 1,
                                   .repeated = s->form == 's' && s->rows % 4 == 2,
                                   .dtype = SKIMP_DTYPE_F64 };
        make_sparse(data, &blocks->sparse, s->rows, s->columns, &v, s->form == 'n' ? gappy_number : sparse_number);
    }
    data->target = make_column(&blocks->target, s->rows, 0, SKIMP_DTYPE_F32, class_of);
}

static void free_shape(shape_blocks *blocks)
{
    free_frame(&blocks->f);
    free_sparse(&blocks->sparse);
    free(blocks->matrix);
    free(blocks->target);
}

static void begin_shape(job_setup *setup, const shape *s, const skimp_data *data)
{
    begin_data(setup, s->estimator, data);
    if (s->step != NULL) {
        add_step(setup, s->step);
    }
    if (s->marked) {
        add_param(setup, "simple_imputer__add_indicator", "true");
    }
    setup->options.n_threads = s->threads;
    setup->options.holdout = s->holdout;
    setup->options.hash_bits = s->hash_bits;
    setup->options.drop_missing = s->drop_missing;
    setup->options.spill_to_memory = true;
    if (UNDER_TSAN && strcmp(s->estimator, "ridge") != 0) {
        add_param(setup, "max_iter", "2"); /* all the memory is in use by then */
    }
    if (s->checkpoint) {
        static char path[2048];
        snprintf(path, sizeof path, "%s", in_temporary("checkpoint"));
        unlink(path);
        setup->options.checkpoint = path;
    }
}

static skimp_model *fits_within(const shape *s, const skimp_data *data, uint64_t budget)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    begin_shape(&setup, s, data);
    setup.options.max_memory = budget;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_true(plan->exact);
    assert_string_equal(plan->store, s->form == 'c' ? "disk" : s->drop_missing ? plan->store : "caller");
    const skimp_status status = skimp_job_fit(job, &model, &error);
    const skimp_report *report = skimp_job_report(job);
    if (status != SKIMP_OK || report->charged_peak_bytes > plan->peak_bytes) {
        for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
            print_message("  %-12s %10llu %10llu\n", skimp_tag_name((skimp_tag)tag),
                          (unsigned long long)plan->memory[tag], (unsigned long long)report->memory[tag]);
        }
        fail_msg("%s %c %u x %u: in %llu bytes: planned %llu, charged %llu: %s", s->estimator, s->form,
                 (unsigned)s->rows, (unsigned)s->columns, (unsigned long long)budget,
                 (unsigned long long)plan->peak_bytes, (unsigned long long)report->charged_peak_bytes, error.message);
    }
    /* What chunks, categories and counts of targets take is planned for just these, but for small blocks ("other"). */
    static const skimp_tag tags[] = { SKIMP_TAG_CHUNKS, SKIMP_TAG_CATEGORIES, SKIMP_TAG_STORE };
    for (unsigned i = 0; i < 3 && strcmp(plan->store, "caller") == 0 && s->holdout == 0; i++) {
        if (report->memory[tags[i]] > plan->memory[tags[i]] + (16u << 10)) {
            fail_msg("%s %c: %s took %llu, planned %llu", s->estimator, s->form, skimp_tag_name(tags[i]),
                     (unsigned long long)report->memory[tags[i]], (unsigned long long)plan->memory[tags[i]]);
        }
    }
    assert_true(report->charged_peak_bytes <= budget);
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    return model;
}

static void holds_for(const shape *s)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    shape_blocks blocks;
    skimp_data data;
    make_shape(s, &blocks, &data);
    begin_shape(&setup, s, &data);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    const uint64_t minimum = plan->minimum_bytes, peak = plan->peak_bytes;
    assert_int_equal(plan->rows, s->rows);
    skimp_job_destroy(job);
    skimp_model *expected = fits_within(s, &data, setup.options.max_memory);
    const uint64_t budgets[] = { peak, minimum };
    for (unsigned i = 0; i < 2; i++) {
        skimp_model *found = fits_within(s, &data, budgets[i]);
        assert_same_models(expected, found);
        skimp_model_destroy(found);
    }
    /* 64 KiB less: refused, naming a budget that works, before anything is looked at. */
    begin_shape(&setup, s, &data);
    setup.options.max_memory = minimum - (64u << 10);
    skimp_status status = skimp_job_create(&job, &setup.options, &error);
    if (status == SKIMP_OK) {
        status = skimp_job_fit(job, &model, &error);
        assert_true(skimp_job_report(job)->passes == 0);
    }
    assert_int_equal(status, SKIMP_ERROR_BUDGET);
    assert_true(error.minimum_bytes >= minimum - (16u << 10) && error.minimum_bytes <= minimum + (64u << 10));
    skimp_job_destroy(job);
    skimp_model_destroy(expected);
    free_shape(&blocks);
}

static void plans_hold(void **state)
{
    (void)state;
    static const shape shapes[] = {
        { .estimator = "logistic_regression", .form = 'm', .rows = 300, .columns = 4, .threads = 1 },
        { .estimator = "logistic_regression", .form = 'm', .rows = 20000, .columns = 28, .threads = 2 },
        { .estimator = "logistic_regression", .form = 'm', .rows = 900, .columns = 700, .threads = 3, .holdout = 0.2 },
        { .estimator = "logistic_regression",
          .form = 'f',
          .rows = 30000,
          .threads = 2,
          .step = "simple_imputer",
          .checkpoint = true },
        { .estimator = "logistic_regression",
          .form = 'f',
          .rows = 30000,
          .threads = 2,
          .step = "simple_imputer",
          .hash_bits = 10 },
        { .estimator = "logistic_regression",
          .form = 'f',
          .rows = 30000,
          .threads = 2,
          .step = "simple_imputer",
          .marked = true },
        { .estimator = "logistic_regression",
          .form = 'n',
          .rows = 9003,
          .columns = 200,
          .threads = 2,
          .step = "simple_imputer",
          .marked = true },
        { .estimator = "logistic_regression", .form = 's', .rows = 9002, .columns = 200, .threads = 2 },
        { .estimator = "logistic_regression",
          .form = 's',
          .rows = 9001,
          .columns = 200,
          .threads = 2,
          .step = "max_abs_scaler" },
        { .estimator = "logistic_regression", .form = 'c', .rows = 9000, .columns = 200, .threads = 2 },
        { .estimator = "ridge", .form = 'm', .rows = 9000, .columns = 40, .threads = 2, .step = "standard_scaler" },
        { .estimator = "ridge", .form = 's', .rows = 5000, .columns = 50, .threads = 2, .holdout = 0.1 },
        { .estimator = "sgd_classifier", .form = 'm', .rows = 30000, .columns = 9, .threads = 2 },
        { .estimator = "sgd_classifier", .form = 's', .rows = 9000, .columns = 90, .threads = 2 },
        { .estimator = "sgd_classifier", .form = 'f', .rows = 20000, .threads = 2, .drop_missing = true },
    };
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i += SANITIZED ? 3 : 1) {
        holds_for(&shapes[i]);
    }
}

/* ---- messages ------------------------------------------------------------------------------------------------------------- */

static void messages(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error;
    skimp_data data;
    void *block, *target, *weight;
    make_matrix(&data, &block, 4000, 5, SKIMP_DTYPE_F64, LAYOUT_C, array_number);
    data.target = make_column(&target, 4000, 0, SKIMP_DTYPE_F64, class_of);
    data.weight = make_column(&weight, 4000, 3, SKIMP_DTYPE_F64, class_of);
    double *x = block, *y = target, *w = weight;
    begin_data(&setup, "logistic_regression", &data);
    static const double bad[] = { NAN, INFINITY };
    for (unsigned k = 0; k < 2; k++) {
        const double x_before = x[5 * 3333 + 2], y_before = y[17];
        x[5 * 3333 + 2] = bad[k];
        assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
        assert_int_equal(error.row, 3334);
        assert_string_equal(error.column, "x2");
        assert_string_equal(error.message,
                            k == 0 ? "column 'x2': Input X contains NaN (in row 3333); impute missing values first "
                                     "(SimpleImputer), or leave such rows out"
                                   : "column 'x2': Input X contains infinity or a value too large (in row 3333)");
        x[5 * 3333 + 2] = x_before;
        y[17] = bad[k];
        assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
        assert_int_equal(error.row, 18);
        assert_non_null(strstr(error.message, k == 0 ? "Input y contains NaN (in row 17)" : "Input y contains inf"));
        y[17] = y_before;
    }
    w[3] = -2;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "Negative values"));
    w[3] = 1;
    skimp_model *model = fit_setup(&setup);

    /* Over other arrays: too few columns, and a value that nothing imputes. */
    skimp_job *job = NULL;
    begin_data(&setup, NULL, &data);
    x[5 * 1234] = NAN;
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_int_equal(skimp_job_predict(job, model, in_temporary("out"), false, &error), SKIMP_ERROR_DATA);
    assert_int_equal(error.row, 1235);
    assert_non_null(strstr(error.message, "column 'x0': Input X contains NaN (in row 1234)"));
    skimp_job_destroy(job);
    data.n_columns = 4;
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_int_equal(skimp_job_predict(job, model, in_temporary("out"), false, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "4 columns, but the model was trained on 5"));
    skimp_job_destroy(job);
    skimp_model_destroy(model);

    data.n_columns = 5;
    data.target.values = NULL;
    begin_data(&setup, "ridge", &data);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "no target"));
    data.size = 8;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    data.size = sizeof data;
    data.target.values = target;
    add_input(&setup, "t.csv");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "one of them"));
    setup.options.n_inputs = 0;
    data.n_rows = 0;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "no rows"));
    free(block);
    free(target);
    free(weight);
}

/* ---- faults --------------------------------------------------------------------------------------------------------------- */

static skimp_status travel(const shape *s, const skimp_data *data, skimp_error *error)
{
    job_setup setup;
    skimp_status status = SKIMP_OK;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan;
    char output[2048];
    snprintf(output, sizeof output, "%s/output", temporary);
    begin_shape(&setup, s, data);
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_plan(job, &plan, error));
    SKIMPI_TRY(skimp_job_fit(job, &model, error));
    skimp_job_destroy(job);
    job = NULL;
    setup.options.estimator = NULL;
    setup.options.n_steps = setup.options.n_params = 0;
    setup.options.checkpoint = NULL;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_predict(job, model, output, false, error));
    skimp_job_destroy(job);
    job = NULL;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_score(job, model, error));
out:
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    return status;
}

static void faults(void **state)
{
    (void)state;
    static const shape shapes[] = {
        { .estimator = "logistic_regression",
          .form = 'f',
          .rows = 90,
          .threads = 2,
          .step = "simple_imputer",
          .marked = true },
        { .estimator = "sgd_classifier", .form = 'f', .rows = 90, .threads = 2, .drop_missing = true },
        { .estimator = "ridge", .form = 'm', .rows = 60, .columns = 3, .threads = 1, .checkpoint = true },
        { .estimator = "logistic_regression", .form = 's', .rows = 62, .columns = 5, .threads = 2 },
        { .estimator = "ridge", .form = 'c', .rows = 60, .columns = 5, .threads = 2 },
    };
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *s = &shapes[i];
        shape_blocks blocks;
        skimp_data data;
        skimp_error error = SKIMP_ERROR_INIT;
        make_shape(s, &blocks, &data);
        assert_ok(travel(s, &data, &error));
        skimpi_fault_set(0, false);
        assert_ok(travel(s, &data, &error));
        const uint64_t all = skimpi_fault_set(0, false);
        unsigned borne = 0;
        for (uint64_t nth = 1; nth <= all; nth += SANITIZED ? 3 : 1) {
            error = (skimp_error)SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, nth % 2 == 0);
            const skimp_status status = travel(s, &data, &error);
            skimpi_fault_set(0, false);
            if (skimpi_leaked_bytes() != 0) {
                fail_msg("%s %c: refusing allocation %u leaks", s->estimator, s->form, (unsigned)nth);
            }
            borne += status == SKIMP_OK;
            if (status != SKIMP_OK && status != SKIMP_ERROR_NOMEM && status != SKIMP_ERROR_BUDGET) {
                fail_msg("%s %c: refusing allocation %u of %u gave %s: %s", s->estimator, s->form, (unsigned)nth,
                         (unsigned)all, skimp_status_name(status), error.message);
            }
            assert_true(status == SKIMP_OK || error.message[0] != '\0');
        }
        assert_true(borne < all / 4);
        error = (skimp_error)SKIMP_ERROR_INIT;
        assert_ok(travel(s, &data, &error));
        free_shape(&blocks);
    }
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 1); /* thousands of small files are made */
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frame_as_csv, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(roles_by_name, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(rows_dropped, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(converted, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(resumed, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(plans_hold, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(messages, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(faults, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
