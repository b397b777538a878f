/* SPDX-License-Identifier: BSD-3-Clause */
/* Checkpoints: a fit that is stopped after any pass goes on to the same model; hostile and foreign files are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "sanitizers.h"

#define HEADER 40 /* bytes before the state; the last 8 are the checksum */

static char checkpoint[2048];

static void copy_file(const char *from, const char *to)
{
    size_t n;
    char *bytes = read_whole(from, &n);
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
    free(bytes);
}

/* Stops a fit soon after `passes` of its estimator are done: the file holds what a kill would have left. */
typedef struct stopper {
    volatile int stop;
    unsigned passes;
    skimp_job *job;
} stopper;

/* Reads how many passes the checkpoint stands for; 0: there is none. */
static uint64_t passes_in(const char *path)
{
    uint64_t header[3] = { 0 };
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 0;
    }
    assert_int_equal(fread(header, sizeof header, 1, file), 1);
    fclose(file);
    return header[2];
}

static void stop_at(void *context, const skimp_progress *progress)
{
    (void)progress;
    stopper *s = context;
    __atomic_store_n(&s->stop, passes_in(checkpoint) >= s->passes, __ATOMIC_RELAXED);
    s->job->last_progress = -INFINITY; /* come again at the next chunk, not in a tenth of a second */
}

/*
 * A fit of every estimator, stopped after each pass in turn and gone on with, with steps before it.  There are several
 * chunks, so that most stops are in the middle of a pass; what was done of it is done again.
 */
static void resumes_at_every_pass(void **state)
{
    (void)state;
    static const struct {
        const char *estimator, *param, *value;
        bool sparse;
    } cases[] = {
        { "logistic_regression", "tol", "1e-9", false }, { "logistic_regression", "l1_ratio", "1", false },
        { "logistic_regression", "tol", "1e-9", true },  { "ridge", NULL, NULL, false },
        { "linear_regression", NULL, NULL, false },      { "sgd_classifier", "max_iter", "6", false },
        { "sgd_regressor", "max_iter", "6", true },
    };
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("checkpoint"));
    for (unsigned c = 0; c < sizeof cases / sizeof *cases; c++) {
        const skimp_estimator_info *info = skimp_estimator_find(cases[c].estimator);
        const table_options table = { .rows = 400,
                                      .columns = 6,
                                      .classes = info->kind == SKIMP_CLASSIFIER ? 2 : 0,
                                      .text = true,
                                      .padding = cases[c].sparse ? 1600 : 3200 };
        job_setup setup;
        if (cases[c].sparse) {
            write_svmlight("data", table);
        } else {
            write_table("data", table);
        }
        begin_setup(&setup, cases[c].estimator, "data", cases[c].sparse ? NULL : "y");
        setup.options.format = cases[c].sparse ? "svmlight" : "csv";
        setup.options.n_threads = 1 + c % 2;
        add_step(&setup, "max_abs_scaler");
        if (!cases[c].sparse) {
            add_drop(&setup, "padding");
        }
        if (cases[c].param != NULL) {
            add_param(&setup, cases[c].param, cases[c].value);
        }
        skimp_model *expected = fit_setup(&setup), *model = NULL;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        setup.options.checkpoint = checkpoint;
        unlink(checkpoint);
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_fit(job, &model, &error));
        assert_true(skimpi_store_summary(job->store)->n_chunks >= 3);
        assert_false(skimp_job_report(job)->resumed);
        const double all_passes = skimp_job_report(job)->passes;
        skimp_job_destroy(job);
        assert_same_models(expected, model);
        skimp_model_destroy(model);
        const uint64_t passes = passes_in(checkpoint);
        assert_true(passes >= 1);
        unsigned stopped = 0;

        for (unsigned stop = 1; stop <= passes; stop++) {
            unlink(checkpoint);
            model = NULL;
            stopper s = { .passes = stop };
            setup.options.progress = stop_at;
            setup.options.progress_context = &s;
            setup.options.cancel = &s.stop;
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            s.job = job;
            job->last_progress = -INFINITY;
            const skimp_status status = skimp_job_fit(job, &model, &error);
            skimp_job_destroy(job);
            setup.options.progress = NULL;
            setup.options.cancel = NULL;
            const uint64_t done = passes_in(checkpoint);
            assert_true(done >= stop);
            if (status == SKIMP_OK) {
                skimp_model_destroy(model); /* nothing was left to stop */
            } else {
                assert_int_equal(status, SKIMP_ERROR_CANCELLED);
                stopped++;
            }
            error = (skimp_error)SKIMP_ERROR_INIT;
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            assert_ok(skimp_job_fit(job, &model, &error));
            assert_true(skimp_job_report(job)->resumed);
            assert_true(skimp_job_report(job)->passes == all_passes - (double)done); /* and only what was left */
            skimp_job_destroy(job);
            assert_same_models(expected, model);
            skimp_model_destroy(model);
        }
        assert_true(stopped + 2 >= passes);
        skimp_model_destroy(expected);
        assert_int_equal(count_entries(), 2);
    }
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

static void refuses_others(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error;
    char kept[2048];
    const table_options table = { .rows = 300, .columns = 3, .classes = 2 };
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("checkpoint"));
    snprintf(kept, sizeof kept, "%s", in_temporary("kept"));
    write_table("t.csv", table);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.options.checkpoint = checkpoint;
    skimp_model_destroy(fit_setup(&setup));
    copy_file(checkpoint, kept);
    assert_int_equal(try_fit(&setup, &error), SKIMP_OK);

    /* Another estimator, parameter, step, hold-out or data: all are other jobs, and leave the file as it is. */
    for (unsigned what = 0; what < 5; what++) {
        table_options other = table;
        begin_setup(&setup, what == 0 ? "sgd_classifier" : "logistic_regression", "t.csv", "y");
        setup.options.checkpoint = checkpoint;
        other.seed = what == 4;
        if (what == 1) {
            add_param(&setup, "C", "2");
        } else if (what == 2) {
            add_step(&setup, "standard_scaler");
        } else if (what == 3) {
            setup.options.holdout = 0.5;
        }
        write_table("t.csv", other);
        const skimp_status status = try_fit(&setup, &error);
        if (status != SKIMP_ERROR_DATA) {
            fail_msg("job %u gave %s: %s", what, skimp_status_name(status), error.message);
        }
        assert_string_equal(error.file, checkpoint);
        assert_non_null(strstr(error.message, "another job"));
        assert_same_files("checkpoint", "kept");
    }
}

/* Some 200 places of a file, or a tenth of them: what is done with a file so small is the same for many of them. */
static size_t places_apart(size_t n, bool fewer)
{
    const size_t places = fewer ? 20 : 200;
    return n > 2 * places ? n / places : 1;
}

/* Any byte changed, the file cut anywhere, or no checkpoint at all. */
static void refuses_hostile(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error;
    static const char *const estimators[] = { "logistic_regression", "ridge", "sgd_classifier" };
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("checkpoint"));
    write_table("t.csv", (table_options){ .rows = 50, .columns = 2, .classes = 2 });
    for (unsigned e = 0; e < 3; e++) {
        begin_setup(&setup, estimators[e], "t.csv", "y");
        setup.options.checkpoint = checkpoint;
        unlink(checkpoint);
        skimp_model_destroy(fit_setup(&setup));
        size_t n;
        char *bytes = read_whole(checkpoint, &n);
        const size_t step = places_apart(n, SANITIZED), lies_apart = places_apart(n, UNDER_TSAN);
        for (size_t i = 0; i < n; i += i < HEADER ? 1 : step) {
            bytes[i] ^= 0x41;
            write_file("checkpoint", bytes, n);
            assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
            bytes[i] ^= 0x41;
            write_file("checkpoint", bytes, i);
            assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
        }
        /* A true checksum over a state that lies: refused, or gone on with to some model. */
        for (size_t i = HEADER; i < n; i += lies_apart) {
            bytes[i] ^= 0x41;
            const uint64_t sum = XXH3_64bits_withSeed(bytes + HEADER, n - HEADER, XXH3_64bits(bytes, HEADER - 8));
            memcpy(bytes + HEADER - 8, &sum, sizeof sum);
            write_file("checkpoint", bytes, n);
            const skimp_status status = try_fit(&setup, &error);
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_DATA);
            bytes[i] ^= 0x41;
        }
        free(bytes);
    }
    write_text("checkpoint", "");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    unlink(checkpoint);
    assert_int_equal(mkdir(checkpoint, 0777), 0);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_IO);
    begin_setup(&setup, "ridge", "t.csv", "y");
    setup.options.checkpoint = "/nix/nowhere/checkpoint";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_temporary, remove_temporary)

int main(void)
{
    prefer_memory();
    const struct CMUnitTest tests[] = { TEST(resumes_at_every_pass), TEST(refuses_others), TEST(refuses_hostile) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
