/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plans against what jobs charge, over a grid of shapes: exactly the smallest budget works, 64 KiB less is refused before
 * the data is read, and the charged peak is within the plan while its assumptions hold; what happens when they do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "sanitizers.h"

typedef struct shape {
    const char *estimator, *steps[2];
    char form; /* c: CSV, s: svmlight, n: NPY, k: kept store of the CSV */
    table_options table;
    double holdout;
    bool checkpoint;
    unsigned hash_bits, threads;
} shape;

/* As many chunks of fewer rows where each row takes longer. */
static table_options lengthened(table_options table)
{
    if (UNDER_TSAN && table.rows >= 10000 && table.categories == 0) {
        table.rows /= 6;
        table.padding = 250;
    }
    return table;
}

/* Under a sanitizer, iterations enough to use all the memory, and for the threads to meet. */
static void add_iterations(job_setup *setup, const char *estimator)
{
    if (UNDER_TSAN && (strncmp(estimator, "sgd", 3) == 0 || strcmp(estimator, "logistic_regression") == 0)) {
        add_param(setup, "max_iter", "2");
    }
}

static void setup_shape(job_setup *setup, const shape *s)
{
    begin_setup(setup, s->estimator, "data", s->form == 'c' ? "y" : NULL);
    static char column[16];
    snprintf(column, sizeof column, "x%u", s->table.columns);
    setup->options.target = s->form == 'n' ? column : setup->options.target;
    setup->options.format = s->form == 'c' ? "csv" : s->form == 's' ? "svmlight" : s->form == 'n' ? "npy" : "store";
    for (unsigned i = 0; i < 2 && s->steps[i] != NULL; i++) {
        add_step(setup, s->steps[i]);
    }
    setup->options.holdout = s->holdout;
    setup->options.hash_bits = s->hash_bits;
    setup->options.n_threads = s->threads;
    add_iterations(setup, s->estimator);
    if (s->form == 'c' && lengthened(s->table).padding > 0) {
        add_drop(setup, "padding");
    }
    if (s->checkpoint) {
        static char path[2048];
        snprintf(path, sizeof path, "%s", in_temporary("checkpoint"));
        unlink(path);
        setup->options.checkpoint = path;
    }
}

static void write_shape(const shape *s)
{
    if (s->form == 's') {
        write_svmlight("data", lengthened(s->table));
    } else if (s->form == 'n') {
        write_npy("data", s->table);
    } else {
        write_table(s->form == 'k' ? "csv" : "data", lengthened(s->table));
    }
    if (s->form == 'k') {
        job_setup setup;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        begin_setup(&setup, NULL, "csv", "y");
        setup.options.format = "csv";
        if (lengthened(s->table).padding > 0) {
            add_drop(&setup, "padding");
        }
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_convert(job, in_temporary("data"), &error));
        skimp_job_destroy(job);
    }
}

static void describe(const shape *s, const skimp_plan *plan, const skimp_report *report)
{
    print_message("%s %c %u x %u classes %u text %d holdout %g threads %u: planned %llu charged %llu\n", s->estimator,
                  s->form, s->table.rows, s->table.columns, s->table.classes, s->table.text, s->holdout, s->threads,
                  (unsigned long long)plan->peak_bytes, (unsigned long long)report->charged_peak_bytes);
    for (size_t i = 0; i < plan->n_assumed; i++) {
        print_message("  assumed %s %.0f\n", plan->assumed[i].name, plan->assumed[i].value);
    }
    for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
        if (plan->memory[tag] + report->memory[tag] > 0) {
            print_message("  %-12s %10llu %10llu\n", skimp_tag_name((skimp_tag)tag),
                          (unsigned long long)plan->memory[tag], (unsigned long long)report->memory[tag]);
        }
    }
}

/* Runs with a budget, and demands that it is within plan and budget. */
static skimp_model *fits_within(const shape *s, uint64_t budget)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    setup_shape(&setup, s);
    setup.options.max_memory = budget;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    const skimp_status status = skimp_job_fit(job, &model, &error);
    const skimp_report *report = skimp_job_report(job);
    if (status != SKIMP_OK || report->charged_peak_bytes > plan->peak_bytes) {
        describe(s, plan, report);
        fail_msg("in %llu bytes: %s", (unsigned long long)budget,
                 status == SKIMP_OK ? "more than was planned" : error.message);
    }
    assert_true(report->charged_peak_bytes <= budget);
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    return model;
}

static void fits_the_same_within(const shape *s, uint64_t budget, const skimp_model *expected)
{
    skimp_model *model = fits_within(s, budget);
    assert_same_models(expected, model);
    skimp_model_destroy(model);
}

static void holds_for(const shape *s)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    write_shape(s);
    setup_shape(&setup, s);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    const uint64_t minimum = plan->minimum_bytes, peak = plan->peak_bytes;
    skimp_job_destroy(job);
    skimp_model *expected = fits_within(s, setup.options.max_memory);
    fits_the_same_within(s, peak, expected);
    fits_the_same_within(s, minimum, expected);

    /* 64 KiB less: refused, naming a budget that works; nothing was read. */
    setup_shape(&setup, s);
    setup.options.max_memory = minimum - (64u << 10);
    skimp_model *model = NULL;
    skimp_status status = skimp_job_create(&job, &setup.options, &error);
    if (status == SKIMP_OK) {
        status = skimp_job_fit(job, &model, &error);
        assert_true(skimp_job_report(job)->passes == 0);
    }
    assert_int_equal(status, SKIMP_ERROR_BUDGET);
    assert_int_equal(error.limit, setup.options.max_memory);
    assert_true(error.minimum_bytes >= minimum - (16u << 10) && error.minimum_bytes <= minimum + (64u << 10));
    skimp_job_destroy(job);
    if (error.minimum_bytes != minimum) {
        fits_the_same_within(s, error.minimum_bytes, expected);
    }
    skimp_model_destroy(expected);
}

static void plans_hold(void **state)
{
    (void)state;
    static const shape shapes[] = {
        { .estimator = "logistic_regression",
          .form = 'c',
          .table = { .rows = 300, .columns = 3, .classes = 2 },
          .threads = 1 },
        { .estimator = "logistic_regression",
          .form = 'c',
          .table = { .rows = 30000, .columns = 6, .classes = 2 },
          .threads = 2,
          .steps = { "standard_scaler" } },
        { .estimator = "logistic_regression",
          .form = 'c',
          .table = { .rows = 30000, .columns = 6, .classes = 3, .text = true },
          .threads = 3,
          .holdout = 0.3 },
        { .estimator = "logistic_regression",
          .form = 'c',
          .table = { .rows = 3000, .columns = 60, .classes = 4 },
          .threads = 2 },
        { .estimator = "logistic_regression",
          .form = 'c',
          .table = { .rows = 8000, .columns = 4, .classes = 2, .text = true },
          .threads = 2,
          .hash_bits = 12 },
        { .estimator = "logistic_regression",
          .form = 's',
          .table = { .rows = 10000, .columns = 40, .classes = 2 },
          .threads = 2,
          .steps = { "max_abs_scaler" } },
        { .estimator = "logistic_regression",
          .form = 'n',
          .table = { .rows = 20000, .columns = 8, .classes = 2 },
          .threads = 2,
          .checkpoint = true },
        { .estimator = "logistic_regression",
          .form = 'k',
          .table = { .rows = 20000, .columns = 8, .classes = 3, .text = true },
          .threads = 2 },
        { .estimator = "ridge",
          .form = 'c',
          .table = { .rows = 30000, .columns = 5 },
          .threads = 2,
          .steps = { "min_max_scaler", "standard_scaler" } },
        { .estimator = "ridge",
          .form = 's',
          .table = { .rows = 5000, .columns = 50 },
          .threads = 2,
          .checkpoint = true },
        { .estimator = "linear_regression",
          .form = 'n',
          .table = { .rows = 3000, .columns = 60 },
          .threads = 2,
          .holdout = 0.2 },
        { .estimator = "sgd_classifier",
          .form = 'c',
          .table = { .rows = 30000, .columns = 5, .classes = 2 },
          .threads = 2,
          .steps = { "standard_scaler" } },
        { .estimator = "sgd_classifier",
          .form = 's',
          .table = { .rows = 10000, .columns = 40, .classes = 3 },
          .threads = 2,
          .checkpoint = true },
        { .estimator = "sgd_regressor",
          .form = 'k',
          .table = { .rows = 20000, .columns = 6 },
          .threads = 3,
          .holdout = 0.2 },
        /* Mostly texts: the categories, the names of their features, the model's lists of both. */
        { .estimator = "sgd_regressor",
          .form = 'c',
          .table = { .rows = 12000, .columns = 2, .text = true, .categories = 4000 },
          .threads = 2,
          .steps = { "standard_scaler" } },
        { .estimator = "sgd_classifier",
          .form = 'k',
          .table = { .rows = 12000, .columns = 2, .classes = 2, .text = true, .categories = 9000 },
          .threads = 1 },
    };
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        holds_for(&shapes[i]);
    }
}

/* ---- when an assumption fails -------------------------------------------------------------------------------------------- */

/* A column that has a category for every row in a stretch that lies between the places of which samples are taken. */
static void write_surprise(const char *name, unsigned rows)
{
    FILE *file = fopen(in_temporary(name), "w");
    assert_non_null(file);
    fprintf(file, "a,t,y\n");
    skimpi_random random;
    skimpi_random_seed(&random, 5);
    for (unsigned r = 0; r < rows; r++) {
        const unsigned class = (unsigned)skimpi_random_below(&random, 2);
        if (r < rows / 1000 * 412 || r > rows / 1000 * 428) {
            fprintf(file, "%u,common,%u\n", class * 2 + (unsigned)skimpi_random_below(&random, 7), class);
        } else {
            fprintf(file, "%u,a rather long and rare category %u,%u\n",
                    class + (unsigned)skimpi_random_below(&random, 7), r, class);
        }
    }
    fclose(file);
}

static void plans_again(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    write_surprise("t.csv", 250000);
    /* Without a tight budget it works, whatever was assumed. */
    begin_setup(&setup, "sgd_classifier", "t.csv", "y");
    add_param(&setup, "max_iter", "2");
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    const uint64_t minimum = plan->minimum_bytes, assumed = plan->features;
    assert_ok(skimp_job_fit(job, &model, &error));
    const uint64_t features = skimp_job_report(job)->features;
    skimp_job_destroy(job);
    assert_true(features > assumed);

    /*
     * In the budget that was planned: refused with a better figure, once when the categories are more than there is room
     * for, and once when all of them are known, which is the last time.
     */
    uint64_t budget = minimum;
    unsigned tries = 0;
    for (skimp_status status = SKIMP_ERROR_BUDGET; status != SKIMP_OK; tries++) {
        skimp_model *again = NULL;
        setup.options.max_memory = budget;
        error = (skimp_error)SKIMP_ERROR_INIT;
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        status = skimp_job_fit(job, &again, &error);
        assert_true(skimp_job_report(job)->charged_peak_bytes <= budget);
        skimp_job_destroy(job);
        if (status == SKIMP_OK) {
            assert_same_models(model, again);
            skimp_model_destroy(again);
            break;
        }
        assert_int_equal(status, SKIMP_ERROR_BUDGET);
        assert_true(error.minimum_bytes > budget);
        assert_true(tries < 2);
        budget = error.minimum_bytes;
    }
    assert_true(tries >= 1);
    skimp_model_destroy(model);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    assert_int_equal(count_entries(), 1);
}

/* A store that was planned to be in memory goes to disk when it is larger than was thought, and the fit goes on. */
static void moves_the_store_out(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL, *expected = NULL;
    const skimp_plan *plan = NULL;
    /* Short rows where the samples are taken would need a very large file; so the plan itself is told less. */
    write_table("t.csv", (table_options){ .rows = 60000, .columns = 6, .classes = 2 });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    expected = fit_setup(&setup);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_string_equal(plan->store, "memory");
    const uint64_t peak = plan->peak_bytes, store = plan->memory[SKIMP_TAG_STORE];
    skimp_job_destroy(job);
    setup.options.max_memory = peak - store / 2;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    job->layout.in_memory = true;
    assert_ok(skimp_job_fit(job, &model, &error));
    const skimp_report *report = skimp_job_report(job);
    assert_true(report->disk_bytes > 0);
    assert_true(report->charged_peak_bytes <= setup.options.max_memory);
    assert_same_models(expected, model);
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    skimp_model_destroy(expected);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    assert_int_equal(count_entries(), 1);
}

/* ---- predict and score ----------------------------------------------------------------------------------------------------- */

static void applies_within(void **state)
{
    (void)state;
    static const char *const estimators[] = { "logistic_regression", "sgd_classifier" };
    job_setup setup;
    write_table("t.csv",
                lengthened((table_options){ .rows = 30000, .columns = 5, .classes = 3, .text = true, .padding = 1 }));
    for (unsigned e = 0; e < 2; e++) {
        begin_setup(&setup, estimators[e], "t.csv", "y");
        add_drop(&setup, "padding");
        add_iterations(&setup, estimators[e]);
        skimp_model *model = fit_setup(&setup);
        predict_file(model, "t.csv", "expected", e == 0);
        for (unsigned what = 0; what < 2; what++) { /* predict, score */
            uint64_t budget = 256u << 10;
            unsigned refusals = 0;
            for (;;) {
                skimp_error error = SKIMP_ERROR_INIT;
                skimp_job *job = NULL;
                begin_setup(&setup, NULL, "t.csv", NULL);
                setup.options.max_memory = budget;
                skimp_status status = skimp_job_create(&job, &setup.options, &error);
                if (status == SKIMP_OK) {
                    status = what == 0 ? skimp_job_predict(job, model, in_temporary("p"), e == 0, &error)
                                       : skimp_job_score(job, model, &error);
                }
                if (status == SKIMP_OK) {
                    assert_true(skimp_job_report(job)->charged_peak_bytes <= budget);
                    skimp_job_destroy(job);
                    break;
                }
                skimp_job_destroy(job);
                assert_int_equal(status, SKIMP_ERROR_BUDGET);
                /* Creating knows of the reading alone; the figure of the job itself is right at once. */
                assert_true(error.minimum_bytes == 0 || error.minimum_bytes > budget);
                budget = error.minimum_bytes > 0 ? error.minimum_bytes : 2 * budget;
                refusals += job != NULL;
            }
            assert_true(refusals <= 1);
            if (what == 0) {
                assert_same_files("expected", "p");
                unlink(in_temporary("p"));
            }
        }
        skimp_model_destroy(model);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(plans_hold), TEST(plans_again), TEST(moves_the_store_out),
                                        TEST(applies_within) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
