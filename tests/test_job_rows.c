/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fits of estimators that keep row state (row_state_classes.h): what they find for a row in a pass is what the pass before
 * left there, whatever the chunks, the threads, the budget and the place; it is planned, checkpointed, and fails cleanly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "row_state_classes.h"
#include "sanitizers.h"

typedef struct fit_options {
    const char *estimator, *input, *step;
    unsigned threads;
    bool spills; /* the row state, whatever the budget */
    double holdout;
    const char *checkpoint;
    const char *rounds, *pad, *shuffle; /* NULL: the default */
    const volatile int *cancel;
} fit_options;

static void begin_fit(job_setup *setup, const fit_options *o)
{
    begin_setup(setup, o->estimator, o->input, "y");
    setup->options.n_threads = o->threads;
    setup->options.holdout = o->holdout;
    setup->options.checkpoint = o->checkpoint;
    setup->options.cancel = o->cancel;
    if (o->step != NULL) {
        add_step(setup, o->step);
    }
    if (o->rounds != NULL) {
        add_param(setup, "rounds", o->rounds);
    }
    if (o->pad != NULL) {
        add_param(setup, "pad", o->pad);
    }
    if (o->shuffle != NULL) {
        add_param(setup, "shuffle", o->shuffle);
    }
}

/* Fits; *report is a copy. NULL model when it failed. */
static skimp_model *fit_with(const fit_options *o, skimp_report *report, skimp_error *error_out)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    begin_fit(&setup, o);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_true(job->layout.row_state > 0 && job->layout.rows_in_memory);
    job->layout.rows_in_memory = !o->spills;
    const skimp_status status = skimp_job_fit(job, &model, &error);
    if (report != NULL) {
        *report = *skimp_job_report(job);
    }
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    if (status != SKIMP_OK) {
        assert_null(model);
        if (error_out == NULL) {
            fail_msg("%s", error.message);
        } else {
            *error_out = error;
        }
    }
    return model;
}

/* Any chunk size down to one row, threads, place, hold-out: to the bit what plain C makes of all rows at once. */
static void gives_the_reference(void **state)
{
    (void)state;
    static const struct {
        unsigned rows;
        uint32_t chunk_rows; /* 0: a CSV that is read */
    } sizes[] = { { 300, 1 }, { 300, 7 }, { 300, 300 }, { 5000, 64 }, { 5000, 1000 }, { 5000, 4999 }, { 60000, 0 } };
    static const unsigned threads[] = { 1, 2, 5 };
    static const double shares[] = { 0, 0.3 };
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        kept_data data = make_data(sizes[s].rows);
        if (sizes[s].chunk_rows > 0) {
            write_store("data", &data, sizes[s].chunk_rows);
        } else {
            write_csv("data", &data);
        }
        for (unsigned h = 0; h < 2; h++) {
            const expectation expected = expect_stagewise(&data, shares[h], 0);
            for (unsigned t = 0; t < 3; t++) {
                for (unsigned spills = 0; spills < 2; spills++) {
                    skimp_report report;
                    const fit_options o = { .estimator = "stagewise_regressor",
                                            .input = "data",
                                            .threads = threads[t],
                                            .spills = spills,
                                            .holdout = shares[h],
                                            .pad = s == 1   ? "8"
                                                   : s == 3 ? "48"
                                                            : NULL };
                    skimp_model *model = fit_with(&o, &report, NULL);
                    assert_expected(model, &expected);
                    assert_true(report.passes == ROUNDS + 2 + (sizes[s].chunk_rows == 0));
                    assert_int_equal(report.disk_bytes > 0, spills);
                    skimp_model_destroy(model);
                }
            }
        }
        free_data(&data);
    }
    assert_int_equal(count_entries(), 1);
}

/* Windows: in the order of the file to the bit; in random order the same bits for all, and what ridge is. */
static void is_the_same_in_windows(void **state)
{
    (void)state;
    static const unsigned threads[] = { 1, 2, 5 };
    static const uint32_t chunk_rows[] = { 1, 50, 700, 2000 };
    kept_data data = make_data(2000);
    const expectation expected = expect_dual(&data, ROUNDS);
    double ridge[COLUMNS];
    solve_ridge(&data, ridge);
    for (unsigned c = 0; c < 4; c++) {
        skimp_model *shuffled = NULL;
        write_store("data", &data, chunk_rows[c]);
        for (unsigned t = 0; t < 3; t++) {
            for (unsigned spills = 0; spills < 2; spills++) {
                fit_options o = {
                    .estimator = "dual_regressor", .input = "data", .threads = threads[t], .spills = spills
                };
                skimp_model *model = fit_with(&o, NULL, NULL);
                assert_expected(model, &expected);
                skimp_model_destroy(model);
                o.shuffle = "true";
                o.rounds = "30"; /* it has converged then */
                model = fit_with(&o, NULL, NULL);
                if (shuffled == NULL) {
                    shuffled = model;
                } else {
                    assert_same_models(shuffled, model);
                    skimp_model_destroy(model);
                }
            }
        }
        const double *w = find_array(shuffled, "w_")->data;
        for (unsigned j = 0; j < COLUMNS; j++) {
            assert_true(fabs(w[j] - ridge[j]) <= 1e-9);
        }
        const double kept[COLUMNS] = { w[0], w[1], w[2] };
        const double *again = find_array(shuffled, "again_")->data;
        for (unsigned j = 0; j < COLUMNS; j++) {
            assert_true(fabs(again[j] - kept[j]) <= 1e-12);
        }
        skimp_model_destroy(shuffled);
    }
    /* With rows held out, a row still finds its own. */
    const fit_options held = {
        .estimator = "dual_regressor", .input = "data", .threads = 2, .holdout = 0.4, .shuffle = "true"
    };
    fit_options spilled = held;
    spilled.spills = true;
    skimp_model *one = fit_with(&held, NULL, NULL), *other = fit_with(&spilled, NULL, NULL);
    assert_same_models(one, other);
    skimp_model_destroy(one);
    skimp_model_destroy(other);
    free_data(&data);
}

/* A step may keep row state too, its own, before that of the estimator. */
static void serves_steps(void **state)
{
    (void)state;
    kept_data data = make_data(3000);
    const expectation stagewise = expect_stagewise(&data, 0, 0), dual = expect_dual(&data, ROUNDS);
    write_store("data", &data, 250);
    for (unsigned spills = 0; spills < 2; spills++) {
        const fit_options o = { .estimator = "dual_regressor",
                                .input = "data",
                                .step = "stagewise_step",
                                .threads = 2,
                                .spills = spills,
                                .pad = "16" };
        skimp_model *model = fit_with(&o, NULL, NULL);
        assert_expected(model, &dual);
        assert_array(model, "0.stagewise_step.w_", stagewise.w, COLUMNS);
        assert_array(model, "0.stagewise_step.digest_", &stagewise.digest, 1);
        skimp_model_destroy(model);
    }
    free_data(&data);
}

/* ---- plans ------------------------------------------------------------------------------------------------------------- */

/* Runs in so many bytes; the model must be the same, within plan and budget. Returns the planned peak. */
static uint64_t fits_within(const fit_options *o, uint64_t budget, const skimp_model *expected, unsigned *seen)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    if (o->checkpoint != NULL) {
        unlink(o->checkpoint);
    }
    begin_fit(&setup, o);
    setup.options.max_memory = budget;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    const uint64_t peak = plan->peak_bytes;
    *seen |= 1u << (job->layout.in_memory + 2 * job->layout.rows_in_memory);
    const uint64_t rows = (uint64_t)job->forecast.rows * job->layout.row_bytes;
    const uint64_t on_disk = (job->layout.rows_in_memory ? 0 : rows) + (o->checkpoint != NULL ? 2 * rows : 0);
    assert_true(plan->disk_bytes >= on_disk);
    const skimp_status status = skimp_job_fit(job, &model, &error);
    const skimp_report *report = skimp_job_report(job);
    if (status != SKIMP_OK || report->charged_peak_bytes > peak || report->disk_bytes > plan->disk_bytes) {
        fail_msg("%s %s in %llu of planned %llu bytes: %s; took %llu, disk %llu of %llu", o->estimator, o->input,
                 (unsigned long long)budget, (unsigned long long)peak, error.message,
                 (unsigned long long)report->charged_peak_bytes, (unsigned long long)report->disk_bytes,
                 (unsigned long long)plan->disk_bytes);
    }
    assert_true(peak <= budget);
    /* Opening a kept store takes a window for its footer, for a while, before there is a plan. */
    assert_true(job->store_is_input || report->memory[SKIMP_TAG_STORE] <= plan->memory[SKIMP_TAG_STORE]);
    /* And the windows themselves are a small block. */
    assert_true(report->memory[SKIMP_TAG_CHUNKS] <= plan->memory[SKIMP_TAG_CHUNKS] + 1024);
    assert_same_models(expected, model);
    skimp_model_destroy(model);
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    return peak;
}

/* Down through all the ways that budgets lead to, each in exactly what it was planned at, to the smallest. */
static void holds_its_plans(void **state)
{
    (void)state;
    static const struct {
        fit_options options;
        bool is_checkpointed;
        unsigned ways; /* that must be seen: bit 0 both on disk, 1 the store in memory, 2 the rows, 3 both */
    } cases[] = {
        { { .estimator = "stagewise_regressor", .input = "csv", .threads = 2 }, false, 1 << 3 | 1 << 2 | 1 },
        { { .estimator = "stagewise_regressor", .input = "csv", .threads = 5, .pad = "32", .holdout = 0.2 },
          true,
          1 << 3 | 1 << 2 | 1 },
        { { .estimator = "stagewise_regressor", .input = "csv", .threads = 2, .pad = "200" },
          false,
          1 << 3 | 1 << 2 | 1 << 1 | 1 },
        { { .estimator = "stagewise_regressor", .input = "store", .threads = 2, .pad = "8" }, true, 1 << 2 | 1 },
        { { .estimator = "dual_regressor", .input = "csv", .threads = 2, .shuffle = "true" }, false, 1 << 3 | 1 },
        { { .estimator = "dual_regressor",
            .input = "store",
            .threads = 3,
            .shuffle = "true",
            .step = "stagewise_step" },
          false,
          1 << 2 | 1 },
    };
    kept_data data = make_data(70000); /* what is read takes more than the state of fewer */
    char checkpoint[2048];
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("checkpoint"));
    write_csv("csv", &data);
    write_store("store", &data, 3000);
    for (unsigned c = 0; c < sizeof cases / sizeof *cases; c += UNDER_TSAN ? 2 : 1) {
        fit_options o = cases[c].options;
        skimp_model *expected = fit_with(&o, NULL, NULL);
        o.checkpoint = cases[c].is_checkpointed ? checkpoint : NULL;
        job_setup setup;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        const skimp_plan *plan = NULL;
        begin_fit(&setup, &o);
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_plan(job, &plan, &error));
        const uint64_t minimum = plan->minimum_bytes;
        uint64_t peak = plan->peak_bytes;
        skimp_job_destroy(job);
        unsigned seen = 0, runs = 0;
        while (peak >= minimum) {
            peak = fits_within(&o, peak, expected, &seen) - (4u << 10);
            assert_true(++runs < 60);
            /* The next smaller way is planned at its own peak. */
            begin_fit(&setup, &o);
            setup.options.max_memory = peak;
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            assert_ok(skimp_job_plan(job, &plan, &error));
            peak = plan->peak_bytes <= peak ? plan->peak_bytes : 0;
            skimp_job_destroy(job);
        }
        fits_within(&o, minimum, expected, &seen);
        assert_true(runs >= 2);
        assert_int_equal(seen & cases[c].ways, cases[c].ways);

        /* 64 KiB less: refused before the data is read, naming a budget that works. */
        setup.options.max_memory = minimum - (64u << 10);
        skimp_model *model = NULL;
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_int_equal(skimp_job_fit(job, &model, &error), SKIMP_ERROR_BUDGET);
        assert_true(skimp_job_report(job)->passes == 0);
        assert_true(error.minimum_bytes >= minimum - (16u << 10) && error.minimum_bytes <= minimum + (64u << 10));
        skimp_job_destroy(job);
        fits_within(&o, error.minimum_bytes, expected, &seen);
        skimp_model_destroy(expected);
        unlink(checkpoint);
    }
    free_data(&data);
    assert_int_equal(count_entries(), 2);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------------- */

static volatile int stop;
static uint64_t stop_after;

static void stop_then(uint64_t passes)
{
    stop |= passes >= stop_after;
}

static void resumes_after_every_pass(void **state)
{
    (void)state;
    static const char *const estimators[] = { "stagewise_regressor", "dual_regressor" };
    kept_data data = make_data(4000);
    char checkpoint[2048];
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("checkpoint"));
    write_store("data", &data, 300);
    for (unsigned e = 0; e < 2; e++) {
        fit_options o = { .estimator = estimators[e], .input = "data", .threads = 2, .holdout = 0.1, .pad = "8" };
        o.shuffle = "true";
        skimp_model *expected = fit_with(&o, NULL, NULL);
        o.checkpoint = checkpoint;
        for (unsigned places = 0; places < 4; places++) { /* from memory and disk, to memory and disk */
            for (stop_after = 2; stop_after <= ROUNDS + 1; stop_after++) {
                skimp_error error = SKIMP_ERROR_INIT;
                skimp_report report;
                unlink(checkpoint);
                between_passes = stop_then;
                stop = 0;
                o.cancel = &stop;
                o.spills = (places & 1) != 0;
                skimp_model *model = fit_with(&o, NULL, &error);
                between_passes = NULL;
                o.cancel = NULL;
                if (model == NULL) {
                    assert_int_equal(error.code, SKIMP_ERROR_CANCELLED);
                } else {
                    assert_true(e == 1 && stop_after == ROUNDS + 1); /* nothing was left to stop */
                    skimp_model_destroy(model);
                }
                struct stat found;
                assert_int_equal(stat(checkpoint, &found), 0);
                assert_int_equal(found.st_size, 40 + sizeof(kept_self) + 4000 * 24 + 8);
                o.spills = (places & 2) != 0;
                o.threads = 1 + places;
                model = fit_with(&o, &report, NULL);
                assert_true(report.resumed);
                assert_same_models(expected, model);
                skimp_model_destroy(model);
            }
        }
        skimp_model_destroy(expected);
    }
    free_data(&data);
    assert_int_equal(count_entries(), 2);
}

/* Any byte changed, or the file cut anywhere: refused. */
static void refuses_damaged_checkpoints(void **state)
{
    (void)state;
    kept_data data = make_data(500);
    char checkpoint[2048];
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("checkpoint"));
    write_store("data", &data, 100);
    for (unsigned spills = 0; spills < 2; spills++) {
        fit_options o = { .estimator = "stagewise_regressor",
                          .input = "data",
                          .threads = 1,
                          .spills = spills,
                          .checkpoint = checkpoint };
        unlink(checkpoint);
        skimp_model_destroy(fit_with(&o, NULL, NULL));
        size_t n;
        char *bytes = read_whole(checkpoint, &n);
        const size_t rows = n - 8 - 500 * sizeof(kept_row);
        for (size_t i = 0; i < n; i += i < rows ? (SANITIZED ? 29 : 5) : i + 16 > n ? 1 : 331) {
            skimp_error error = SKIMP_ERROR_INIT;
            bytes[i] ^= 0x41;
            write_file("checkpoint", bytes, n);
            assert_null(fit_with(&o, NULL, &error));
            assert_int_equal(error.code, SKIMP_ERROR_DATA);
            assert_string_equal(error.file, checkpoint);
            bytes[i] ^= 0x41;
            write_file("checkpoint", bytes, i);
            error = (skimp_error)SKIMP_ERROR_INIT;
            assert_null(fit_with(&o, NULL, &error));
            assert_int_equal(error.code, SKIMP_ERROR_DATA);
        }
        /* Another size of row state is another job. */
        write_file("checkpoint", bytes, n);
        skimp_error error = SKIMP_ERROR_INIT;
        o.pad = "8";
        assert_null(fit_with(&o, NULL, &error));
        assert_int_equal(error.code, SKIMP_ERROR_DATA);
        free(bytes);
    }
    free_data(&data);
}

/* ---- what may fail ----------------------------------------------------------------------------------------------------- */

static void bears_faults(void **state)
{
    (void)state;
    static const char *const estimators[] = { "stagewise_regressor", "dual_regressor" };
    kept_data data = make_data(200);
    char checkpoint[2048];
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("checkpoint"));
    write_store("data", &data, 40);
    for (unsigned variant = 0; variant < 4; variant++) {
        const fit_options o = {
            .estimator = estimators[variant / 2], .input = "data", .threads = 2, .rounds = "2", .checkpoint = checkpoint
        };
        for (int for_good = 0; for_good < 2; for_good++) {
            bool failed = true;
            for (uint64_t nth = 1; failed; nth += (for_good ? 5 : 1) * (UNDER_TSAN ? 23 : 1)) {
                job_setup setup;
                skimp_error error = SKIMP_ERROR_INIT;
                skimp_job *job = NULL;
                skimp_model *model = NULL;
                const skimp_plan *plan = NULL;
                unlink(checkpoint);
                begin_fit(&setup, &o);
                skimpi_fault_set(0, false);
                skimpi_fault_set(nth, for_good);
                skimp_status status = skimp_job_create(&job, &setup.options, &error);
                if (status == SKIMP_OK) {
                    status = skimp_job_plan(job, &plan, &error);
                }
                if (status == SKIMP_OK) {
                    job->layout.rows_in_memory = variant % 2 == 0;
                    status = skimp_job_fit(job, &model, &error);
                }
                const uint64_t made = skimpi_fault_set(0, false);
                failed = made >= nth;
                skimp_job_destroy(job);
                skimp_model_destroy(model);
                if (skimpi_leaked_bytes() != 0) {
                    fail_msg("refusing allocation %u leaks", (unsigned)nth);
                }
                assert_true(status == SKIMP_OK || status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
                assert_true(failed || status == SKIMP_OK);
                assert_true(count_entries() <= 2);
            }
        }
    }
    free_data(&data);
}

/* From the end of the second pass on, no file may grow past 4 KiB. */
static void forbid_large_files(uint64_t passes)
{
    struct rlimit limit;
    if (passes == 2) {
        getrlimit(RLIMIT_FSIZE, &limit);
        limit.rlim_cur = 4096;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
}

static void allow_large_files(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void damage_spill(uint64_t passes)
{
    if (passes == 2) {
        assert_int_equal(pwrite(find_spill_file(), "?", 1, 1234), 1);
    }
}

static void reports_bad_disks(void **state)
{
    (void)state;
    static const char *const estimators[] = { "stagewise_regressor", "dual_regressor" };
    kept_data data = make_data(3000);
    write_store("data", &data, 200);
    signal(SIGXFSZ, SIG_IGN);
    for (unsigned e = 0; e < 2; e++) {
        fit_options o = { .estimator = estimators[e], .input = "data", .threads = 2, .spills = true };
        for (unsigned what = 0; what < 3; what++) { /* refused at first, refused later, other bytes */
            skimp_error error = SKIMP_ERROR_INIT;
            between_passes = what == 1 ? forbid_large_files : what == 2 ? damage_spill : NULL;
            if (what == 0) {
                forbid_large_files(2);
            }
            skimp_model *model = fit_with(&o, NULL, &error);
            allow_large_files();
            between_passes = NULL;
            assert_null(model);
            assert_int_equal(error.code, SKIMP_ERROR_IO);
            assert_string_equal(error.file, temporary);
            assert_non_null(strstr(error.message, "--spill-dir"));
            assert_non_null(strstr(error.message, "each row") != NULL ? error.message
                                                                      : strstr(error.message, "for the rows"));
            assert_int_equal(count_entries(), 1);
        }
    }
    signal(SIGXFSZ, SIG_DFL);
    free_data(&data);
}

/* Too little disk for the state or for its checkpoints: said before the data is read. */
static void checks_the_disk_first(void **state)
{
    (void)state;
    kept_data data = make_data(3000);
    char checkpoint[2048];
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("checkpoint"));
    write_csv("data", &data);
    for (unsigned what = 0; what < 2; what++) { /* spill, checkpoint */
        job_setup setup;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        skimp_model *model = NULL;
        const skimp_plan *plan = NULL;
        const fit_options o = {
            .estimator = "stagewise_regressor", .input = "data", .threads = 2, .checkpoint = what ? checkpoint : NULL
        };
        begin_fit(&setup, &o);
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_plan(job, &plan, &error));
        job->layout.rows_in_memory = what == 1;
        job->forecast.rows = (uint64_t)1 << 58;
        assert_int_equal(skimp_job_fit(job, &model, &error), SKIMP_ERROR_IO);
        assert_true(skimp_job_report(job)->passes == 0);
        assert_string_equal(error.file, what == 0 ? temporary : checkpoint);
        assert_non_null(strstr(error.message, what == 0 ? "--spill-dir" : "--checkpoint"));
        skimp_job_destroy(job);
        assert_int_equal(skimpi_leaked_bytes(), 0);
        assert_int_equal(count_entries(), 1);
    }
    free_data(&data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_temporary, remove_temporary)
#define QUICK_TEST(name) cmocka_unit_test_setup_teardown(name, make_quick_temporary, remove_temporary)

/* Hundreds of checkpoints are made safe on disk, which is what the time would go into. */
static int make_quick_temporary(void **state)
{
    const char *before = getenv("TMPDIR");
    prefer_memory();
    const int failed = make_temporary(state);
    if (before != NULL) {
        setenv("TMPDIR", before, 1);
    } else {
        unsetenv("TMPDIR");
    }
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_the_reference),
        TEST(is_the_same_in_windows),
        TEST(serves_steps),
        TEST(holds_its_plans),
        QUICK_TEST(resumes_after_every_pass),
        QUICK_TEST(refuses_damaged_checkpoints),
        QUICK_TEST(bears_faults),
        TEST(reports_bad_disks),
        TEST(checks_the_disk_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
