/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data in batches: the same model whatever their sizes, for any number of threads, and that of an NPY file of the same
 * numbers; texts whose codes differ from batch to batch; what may not change between batches; errors of their owner; plans
 * that hold; every allocation refused once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "frame_data.h"
#include "batch_data.h"
#include "sanitizers.h"

static skimp_model *fit_batches(const char *estimator, const char *step, const skimp_data *whole, uint64_t rows,
                                unsigned threads)
{
    source s;
    job_setup setup;
    const skimp_data data = batches_of(&s, whole, rows);
    begin_data(&setup, estimator, &data);
    if (step != NULL) {
        add_step(&setup, step);
    }
    setup.options.n_threads = threads;
    skimp_model *model = fit_setup(&setup);
    free_source(&s);
    return model;
}

/* ---- the same model ----------------------------------------------------------------------------------------------------- */

static double class_of(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)column, (void)dtype;
    return skimpi_mix64(row) % 100 < 40 + row % 7;
}

static void write_floats(const char *name, const skimp_data *data)
{
    FILE *file = fopen(in_temporary(name), "wb");
    assert_non_null(file);
    char header[128];
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    const int n =
        snprintf(header + 10, sizeof header - 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (%u, %u), }",
                 (unsigned)data->n_rows, (unsigned)data->n_columns + 1);
    header[10 + n] = ' ';
    header[127] = '\n';
    assert_int_equal(fwrite(header, 1, sizeof header, file), sizeof header);
    for (uint64_t r = 0; r < data->n_rows; r++) {
        const float *row = (const float *)data->values + r * data->n_columns, y = (float)class_of(r, 0, 0);
        assert_int_equal(fwrite(row, sizeof *row, data->n_columns, file), data->n_columns);
        assert_int_equal(fwrite(&y, sizeof y, 1, file), 1);
    }
    assert_int_equal(fclose(file), 0);
}

static void any_batches(const skimp_data *whole, const char *estimator, const char *step, const skimp_model *expected)
{
    static const uint64_t sizes[] = { 1, 7, 1000, 4097, 1000000 };
    for (unsigned i = SANITIZED ? 1 : 0; i < sizeof sizes / sizeof *sizes; i++) {
        static const unsigned threads[] = { 1, 2, 5 };
        for (unsigned t = 0; t < 3; t++) {
            skimp_model *found = fit_batches(estimator, step, whole, sizes[i], threads[t]);
            assert_same_models(expected, found);
            skimp_model_destroy(found);
        }
    }
}

static void matrix_as_npy(void **state)
{
    (void)state;
    skimp_data whole;
    void *block, *target;
    job_setup setup;
    make_matrix(&whole, &block, 9001, 11, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    whole.target = make_column(&target, 9001, 0, SKIMP_DTYPE_U8, class_of);
    write_floats("f.npy", &whole);
    static const char *const estimators[] = { "logistic_regression", "ridge", "sgd_classifier" };
    for (unsigned i = 0; i < 3; i++) {
        begin_setup(&setup, estimators[i], "f.npy", "x11");
        setup.options.format = "npy";
        skimp_model *expected = fit_setup(&setup);
        skimp_model *found = fit_batches(estimators[i], NULL, &whole, 500, 2);
        const skimp_array coef = *find_array(expected, "coef_"), other = *find_array(found, "coef_");
        assert_int_equal(array_values(&coef), 11);
        assert_memory_equal(coef.data, other.data, 11 * sizeof(double));
        any_batches(&whole, estimators[i], NULL, found);
        skimp_model_destroy(expected);
        skimp_model_destroy(found);
    }
    free(block);
    free(target);
}

static void sparse_batches(void **state)
{
    (void)state;
    static const sparse_variant variants[] = {
        { .dtype = SKIMP_DTYPE_F32 },
        { .dtype = SKIMP_DTYPE_F64, .wide_indptr = true, .wide_indices = true, .repeated = true, .before = 3 },
        { .ones = true, .unordered = true },
    };
    for (unsigned i = 0; i < 3; i++) {
        skimp_data whole;
        sparse_blocks blocks;
        void *target;
        job_setup setup;
        make_sparse(&whole, &blocks, 6000, 60, &variants[i], sparse_number);
        whole.target = make_column(&target, 6000, 0, SKIMP_DTYPE_F64, class_of);
        skimp_model *first = fit_batches("logistic_regression", NULL, &whole, 333, 2);
        any_batches(&whole, "logistic_regression", NULL, first);
        begin_data(&setup, "logistic_regression", &whole);
        skimp_model *expected = fit_setup(&setup);
        assert_true(largest_difference(expected, first, "coef_") < 1e-9);
        skimp_model_destroy(expected);
        skimp_model_destroy(first);
        free_sparse(&blocks);
        free(target);
    }
}

/* Texts, labels, weights, gaps: as from the whole frame; and the model over batches as over a file. */
static void frame_in_batches(void **state)
{
    (void)state;
    frame f;
    make_frame(&f, 6000);
    write_frame("f.csv", &f);
    job_setup setup;
    begin_data(&setup, "logistic_regression", &f.data);
    add_step(&setup, "simple_imputer");
    skimp_model *expected = fit_setup(&setup);
    skimp_model *first = fit_batches("logistic_regression", "simple_imputer", &f.data, 100, 2);
    assert_true(largest_difference(expected, first, "coef_") < 1e-6);
    assert_string_equal(find_meta(expected, "feature_names"), find_meta(first, "feature_names"));
    const skimp_array classes = *find_array(first, "classes_");
    assert_memory_equal(classes.data, "maybe\0no\0yes", sizeof "maybe\0no\0yes");
    any_batches(&f.data, "logistic_regression", "simple_imputer", first);

    predict_file(first, "f.csv", "from_csv", true);
    for (unsigned rows = 1; rows <= 10000; rows *= 100) {
        source s;
        skimp_job *job = NULL;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_data data = batches_of(&s, &f.data, rows);
        begin_data(&setup, NULL, &data);
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_predict(job, first, in_temporary("out"), true, &error));
        assert_int_equal(skimp_job_report(job)->rows, 6000);
        skimp_job_destroy(job);
        assert_same_files("out", "from_csv");
        assert_int_equal(again(&s, NULL), SKIMP_OK);
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_score(job, first, &error));
        assert_true(metric(skimp_job_report(job), "accuracy") > 0.6);
        skimp_job_destroy(job);
        /* A store of them, and rows dropped on the way. */
        again(&s, NULL);
        setup.options.drop_missing = rows == 1;
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_convert(job, in_temporary("kept"), &error));
        const skimp_report *report = skimp_job_report(job);
        assert_int_equal(report->rows + report->rows_missing, 6000);
        assert_true((report->rows_missing > 500) == (rows == 1));
        skimp_job_destroy(job);
        free_source(&s);
    }
    begin_setup(&setup, "logistic_regression", "kept", NULL);
    add_step(&setup, "simple_imputer");
    skimp_model *kept = fit_setup(&setup);
    assert_true(largest_difference(first, kept, "coef_") < 1e-9);
    skimp_model_destroy(kept);
    skimp_model_destroy(expected);
    skimp_model_destroy(first);
    free_frame(&f);
}

/* Texts that are hashed, a target by comparison of text, a column that is left out. */
static void roles_of_batches(void **state)
{
    (void)state;
    frame f;
    job_setup setup;
    source s;
    make_frame(&f, 3000);
    f.data.weight = (skimp_data_column){ 0 };
    skimp_data data = batches_of(&s, &f.data, 77);
    for (unsigned form = 0; form < 2; form++) {
        skimp_model *models[2];
        for (unsigned i = 0; i < 2; i++) {
            begin_data(&setup, "logistic_regression", i == 0 ? &f.data : &data);
            setup.options.target = form == 0 ? "y==\"yes\"" : "x0>1.5";
            setup.options.hash_bits = 5;
            add_drop(&setup, "x1");
            if (form == 1) {
                f.data.target.values = i == 0 ? NULL : f.labels; /* own_texts looks at it */
            }
            again(&s, NULL);
            if (form == 1 && i == 1) {
                skimp_error error;
                assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
                assert_non_null(strstr(error.message, "comes with a target"));
                models[1] = NULL;
                continue;
            }
            models[i] = fit_setup(&setup);
        }
        if (form == 0) {
            assert_true(largest_difference(models[0], models[1], "coef_") < 1e-6);
            assert_string_equal(find_meta(models[1], "target"), "y==\"yes\"");
        }
        skimp_model_destroy(models[0]);
        skimp_model_destroy(models[1]);
    }
    f.data.target.values = f.labels;
    free_source(&s);
    free_frame(&f);
}

/* ---- what may not be ------------------------------------------------------------------------------------------------------ */

typedef struct script {
    skimp_data batches[4];
    unsigned n, at;
} script;

static skimp_status next_of_script(void *context, skimp_data *batch, bool *end, skimp_error *error)
{
    (void)error;
    script *s = context;
    *end = s->at == s->n;
    if (!*end) {
        *batch = s->batches[s->at++];
    }
    return SKIMP_OK;
}

static void refuse(script *s, skimp_status expected, const char *words)
{
    job_setup setup;
    skimp_error error;
    skimp_data data = SKIMP_DATA_INIT;
    data.kind = SKIMP_DATA_BATCHES;
    data.next = next_of_script;
    data.context = s;
    s->at = 0;
    begin_data(&setup, "ridge", &data);
    assert_int_equal(try_fit(&setup, &error), expected);
    if (strstr(error.message, words) == NULL) {
        fail_msg("'%s' does not say '%s'", error.message, words);
    }
}

static void unlike_batches(void **state)
{
    (void)state;
    skimp_data one, other, sparse;
    void *blocks[2], *targets[2];
    sparse_blocks sparse_block;
    const sparse_variant v = { .dtype = SKIMP_DTYPE_F64 };
    make_matrix(&one, &blocks[0], 100, 4, SKIMP_DTYPE_F64, LAYOUT_C, array_number);
    make_matrix(&other, &blocks[1], 50, 4, SKIMP_DTYPE_I16, LAYOUT_FORTRAN, array_number);
    make_sparse(&sparse, &sparse_block, 30, 4, &v, sparse_number);
    one.target = make_column(&targets[0], 100, 0, SKIMP_DTYPE_F64, array_number);
    other.target = make_column(&targets[1], 50, 0, SKIMP_DTYPE_I8, array_number);
    sparse.target = one.target;
    skimp_data empty = one, narrow = other, nameless = other, bare = other;
    empty.n_rows = 0;
    narrow.n_columns = 3;
    bare.target.values = NULL;
    /* Another type and layout is no matter, nor is a batch without rows. */
    script s = { .batches = { empty, one, other, empty }, .n = 4 };
    job_setup setup;
    skimp_data data = SKIMP_DATA_INIT;
    data.kind = SKIMP_DATA_BATCHES;
    data.next = next_of_script;
    data.context = &s;
    begin_data(&setup, "ridge", &data);
    skimp_model_destroy(fit_setup(&setup));
    s = (script){ .batches = { one, narrow }, .n = 2 };
    refuse(&s, SKIMP_ERROR_DATA, "begins with row 100 is a table of 3 columns, the first one is a table of 4");
    s = (script){ .batches = { one, sparse }, .n = 2 };
    refuse(&s, SKIMP_ERROR_DATA, "is sparse of 4 columns");
    s = (script){ .batches = { one, other, bare }, .n = 3 };
    refuse(&s, SKIMP_ERROR_DATA, "begins with row 150 and the first one, only one has a target");
    static const char *const names[] = { "a", "b", "c", "d" }, *const others[] = { "a", "b", "d", "c" };
    s = (script){ .batches = { one, other, nameless }, .n = 3 };
    s.batches[0].names = names;
    s.batches[1].names = others;
    refuse(&s, SKIMP_ERROR_DATA, "has other column names");
    s = (script){ .n = 0 };
    refuse(&s, SKIMP_ERROR_DATA, "no rows");
    s = (script){ .batches = { empty, empty }, .n = 2 };
    refuse(&s, SKIMP_ERROR_DATA, "no rows");
    s = (script){ .batches = { one }, .n = 1 };
    s.batches[0].kind = SKIMP_DATA_CSC;
    refuse(&s, SKIMP_ERROR_PARAM, "a batch is a matrix, columns or CSR");
    s.batches[0] = one;
    s.batches[0].values = NULL;
    refuse(&s, SKIMP_ERROR_PARAM, "values are NULL");
    /* Rows are counted through all batches. */
    ((double *)blocks[0])[4 * 7 + 2] = NAN;
    s = (script){ .batches = { other, one }, .n = 2 };
    refuse(&s, SKIMP_ERROR_DATA, "column 'x2': Input X contains NaN (in row 57)");
    ((double *)blocks[0])[4 * 7 + 2] = 0;
    int32_t *indices = sparse_block.indices;
    indices[sparse.nonzeros - 1] = 4;
    s = (script){ .batches = { sparse, sparse }, .n = 2 };
    s.batches[0].n_rows = 10;
    refuse(&s, SKIMP_ERROR_DATA, "has column index 4, but there are 4 columns");
    free(blocks[0]);
    free(blocks[1]);
    free(targets[0]);
    free(targets[1]);
    free_sparse(&sparse_block);
}

static void text_for_numbers(void **state)
{
    (void)state;
    frame f;
    make_frame(&f, 100);
    skimp_data_column numbers[4];
    memcpy(numbers, f.columns, sizeof numbers);
    numbers[3].offsets = NULL;
    numbers[3].n_categories = 0;
    script s = { .batches = { f.data, f.data }, .n = 2 };
    s.batches[1].columns = numbers;
    refuse(&s, SKIMP_ERROR_DATA, "begins with row 100 has numbers in column 'day', where the first batch has text");
    ((int16_t *)f.days)[50] = 9;
    s.batches[1] = f.data;
    refuse(&s, SKIMP_ERROR_DATA, "row 50 has a code that is none of the 7 categories");
    free_frame(&f);
}

static void owner_fails(void **state)
{
    (void)state;
    frame f;
    make_frame(&f, 500);
    for (unsigned at = 1; at <= 5; at += 2) {
        source s;
        job_setup setup;
        skimp_error error;
        skimp_data data = batches_of(&s, &f.data, 100);
        s.fails_at = at;
        begin_data(&setup, "logistic_regression", &data);
        assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_IO);
        assert_string_equal(error.message, "the owner's own words");
        free_source(&s);
    }
    free_frame(&f);
}

/* ---- plans ------------------------------------------------------------------------------------------------------------------ */

static void plan_of_batches(const skimp_data *whole, uint64_t rows, bool is_told, const char *estimator,
                            const char *step)
{
    source s;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL, *expected = NULL;
    const skimp_plan *plan = NULL;
    skimp_data data = batches_of(&s, whole, rows);
    data.n_rows = is_told ? whole->n_rows : 0;
    begin_data(&setup, estimator, &data);
    if (step != NULL) {
        add_step(&setup, step);
    }
    uint64_t budgets[3] = { setup.options.max_memory, 0, 0 };
    for (unsigned i = 0; i < 3; i++) {
        again(&s, NULL);
        setup.options.max_memory = budgets[i];
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_plan(job, &plan, &error));
        assert_false(plan->exact);
        assert_int_equal(plan->rows, is_told ? whole->n_rows : 16 * rows);
        budgets[1] = i == 0 ? plan->peak_bytes : budgets[1];
        budgets[2] = i == 0 ? plan->minimum_bytes : budgets[2];
        const uint64_t peak = plan->peak_bytes;
        assert_ok(skimp_job_fit(job, &model, &error));
        const skimp_report *report = skimp_job_report(job);
        assert_int_equal(report->rows, whole->n_rows);
        if (is_told && report->charged_peak_bytes > peak) {
            for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
                print_message("  %-12s %10llu %10llu\n", skimp_tag_name((skimp_tag)tag),
                              (unsigned long long)plan->memory[tag], (unsigned long long)report->memory[tag]);
            }
            fail_msg("%s in %llu bytes: planned %llu, charged %llu", estimator, (unsigned long long)budgets[i],
                     (unsigned long long)peak, (unsigned long long)report->charged_peak_bytes);
        }
        assert_true(report->charged_peak_bytes <= budgets[i]);
        skimp_job_destroy(job);
        if (expected == NULL) {
            expected = model;
        } else {
            assert_same_models(expected, model);
            skimp_model_destroy(model);
        }
    }
    /* Refused after one batch at most, with what works, even where they come once and planning does not fit. */
    const uint64_t too_small[] = { budgets[2] - (64u << 10), 64u << 10, 1000, 1 };
    data.rewind = NULL;
    data.each_pass = false;
    for (unsigned k = 0; k < 4; k++) {
        again(&s, NULL);
        setup.options.max_memory = too_small[k];
        skimp_status status = skimp_job_create(&job, &setup.options, &error);
        if (status == SKIMP_OK) {
            status = skimp_job_fit(job, &model, &error);
        }
        assert_int_equal(status, SKIMP_ERROR_BUDGET);
        assert_true(s.n_batches <= 1);
        assert_true(error.minimum_bytes + (64u << 10) >= budgets[2] && error.minimum_bytes <= budgets[2] + (64u << 10));
        skimp_job_destroy(job);
        job = NULL;
        again(&s, NULL);
        setup.options.max_memory = error.minimum_bytes;
        error = (skimp_error)SKIMP_ERROR_INIT;
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_fit(job, &model, &error));
        assert_true(skimp_job_report(job)->charged_peak_bytes <= setup.options.max_memory);
        assert_same_models(expected, model);
        skimp_model_destroy(model);
        skimp_job_destroy(job);
        job = NULL;
    }
    skimp_model_destroy(expected);
    free_source(&s);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

static void plans_hold(void **state)
{
    (void)state;
    frame f;
    skimp_data whole;
    void *block, *target;
    make_frame(&f, 20000);
    plan_of_batches(&f.data, 1000, true, "logistic_regression", "simple_imputer");
    plan_of_batches(&f.data, 3000, false, "logistic_regression", "simple_imputer");
    plan_of_batches(&f.data, 20000, true, "sgd_classifier", "simple_imputer");
    free_frame(&f);
    make_matrix(&whole, &block, 20000, 28, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    whole.target = make_column(&target, 20000, 0, SKIMP_DTYPE_F32, class_of);
    plan_of_batches(&whole, 4000, true, "logistic_regression", NULL);
    plan_of_batches(&whole, 100, true, "ridge", "standard_scaler");
    free(block);
    free(target);
    sparse_blocks blocks;
    const sparse_variant v = { .dtype = SKIMP_DTYPE_F64 };
    make_sparse(&whole, &blocks, 9000, 200, &v, sparse_number);
    whole.target = make_column(&target, 9000, 0, SKIMP_DTYPE_F32, class_of);
    plan_of_batches(&whole, 1000, true, "logistic_regression", NULL);
    free_sparse(&blocks);
    free(target);
}

/* ---- faults ----------------------------------------------------------------------------------------------------------------- */

static skimp_status travel(const skimp_data *whole, const char *step, skimp_error *error)
{
    job_setup setup;
    source s;
    skimp_status status = SKIMP_OK;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_data data = batches_of(&s, whole, 20);
    char output[2048];
    snprintf(output, sizeof output, "%s/output", temporary);
    begin_data(&setup, "logistic_regression", &data);
    if (step != NULL) {
        add_step(&setup, step);
    }
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_fit(job, &model, error));
    skimp_job_destroy(job);
    job = NULL;
    again(&s, NULL);
    setup.options.estimator = NULL;
    setup.options.n_steps = setup.options.n_params = 0;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_predict(job, model, output, false, error));
out:
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    free_source(&s);
    return status;
}

static void faults(void **state)
{
    (void)state;
    for (unsigned form = 0; form < 2; form++) {
        frame f = { 0 };
        skimp_data whole;
        sparse_blocks blocks = { 0 };
        void *target = NULL;
        const sparse_variant v = { .dtype = SKIMP_DTYPE_F64 };
        skimp_error error = SKIMP_ERROR_INIT;
        if (form == 0) {
            make_frame(&f, 90);
            whole = f.data;
        } else {
            make_sparse(&whole, &blocks, 62, 5, &v, sparse_number);
            whole.target = make_column(&target, 62, 0, SKIMP_DTYPE_F32, class_of);
        }
        const char *step = form == 0 ? "simple_imputer" : NULL;
        assert_ok(travel(&whole, step, &error));
        skimpi_fault_set(0, false);
        assert_ok(travel(&whole, step, &error));
        const uint64_t all = skimpi_fault_set(0, false);
        unsigned borne = 0;
        for (uint64_t nth = 1; nth <= all; nth += SANITIZED ? 3 : 1) {
            error = (skimp_error)SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, nth % 2 == 0);
            const skimp_status status = travel(&whole, step, &error);
            skimpi_fault_set(0, false);
            if (skimpi_leaked_bytes() != 0) {
                fail_msg("refusing allocation %u leaks", (unsigned)nth);
            }
            borne += status == SKIMP_OK;
            if (status != SKIMP_OK && status != SKIMP_ERROR_NOMEM && status != SKIMP_ERROR_BUDGET) {
                fail_msg("refusing allocation %u of %u gave %s: %s", (unsigned)nth, (unsigned)all,
                         skimp_status_name(status), error.message);
            }
        }
        assert_true(borne < all / 4);
        free_frame(&f);
        free_sparse(&blocks);
        free(target);
    }
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 1); /* thousands of small files are made */
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(matrix_as_npy, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(sparse_batches, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(frame_in_batches, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(roles_of_batches, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(unlike_batches, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(text_for_numbers, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(owner_fails, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(plans_hold, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(faults, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
