/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole jobs with the n-th allocation refused, once and for good, for every n: the right status, no leak, nothing left
 * behind, an existing output untouched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"

typedef struct journey {
    const char *name, *estimator, *input, *target, *steps[3];
    bool holdout, keep_store, spill, drop_missing, checkpoint;
    unsigned hash_bits;
} journey;

/* All that a user does with data: plan, fit, save, load, predict, score. */
static skimp_status travel(const journey *j, skimp_error *error)
{
    job_setup setup;
    skimp_status status = SKIMP_OK;
    skimp_job *job = NULL;
    skimp_model *model = NULL, *loaded = NULL;
    const skimp_plan *plan = NULL;
    char model_path[2048], output[2048], store[2048], checkpoint[2048];
    snprintf(model_path, sizeof model_path, "%s/model", temporary);
    snprintf(output, sizeof output, "%s/output", temporary);
    snprintf(store, sizeof store, "%s/store", temporary);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", temporary);
    if (j->keep_store) {
        begin_setup(&setup, NULL, j->input, j->target);
        SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
        SKIMPI_TRY(skimp_job_convert(job, store, error));
        skimp_job_destroy(job);
        job = NULL;
    }
    begin_setup(&setup, j->estimator, j->keep_store ? "store" : j->input, j->keep_store ? NULL : j->target);
    for (unsigned i = 0; i < 3 && j->steps[i] != NULL; i++) {
        add_step(&setup, j->steps[i]);
    }
    setup.options.holdout = j->holdout ? 0.25 : 0;
    setup.options.drop_missing = j->drop_missing;
    setup.options.hash_bits = j->hash_bits;
    setup.options.checkpoint = j->checkpoint ? checkpoint : NULL;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_plan(job, &plan, error));
    SKIMPI_TRY(skimp_job_fit(job, &model, error));
    skimp_job_destroy(job);
    job = NULL;
    SKIMPI_TRY(skimp_model_save(model, model_path, error));
    SKIMPI_TRY(skimp_model_load(&loaded, NULL, model_path, error));
    begin_setup(&setup, NULL, j->input, NULL);
    setup.options.drop_missing = j->drop_missing;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_predict(job, loaded, output, strcmp(j->estimator, "logistic_regression") == 0, error));
    skimp_job_destroy(job);
    job = NULL;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_score(job, loaded, error));
    if (skimp_job_report(job)->n_metrics == 0) {
        status = skimpi_fail(error, SKIMP_ERROR_INTERNAL, "no metrics");
    }
out:
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    skimp_model_destroy(loaded);
    return status;
}

/* Entries that no failure may leave: all but the inputs and what was written whole. */
static void assert_tidy(const journey *j)
{
    DIR *directory = opendir(temporary);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        static const char *const known[] = { ".", "..", "model", "output", "store", "checkpoint" };
        bool is_known = strcmp(entry->d_name, j->input) == 0;
        for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
            is_known |= strcmp(entry->d_name, known[i]) == 0;
        }
        if (!is_known) {
            fail_msg("%s left %s behind", j->name, entry->d_name);
        }
    }
    closedir(directory);
    for (unsigned i = 0; i < 4; i++) {
        static const char *const made[] = { "model", "output", "store", "checkpoint" };
        unlink(in_temporary(made[i]));
    }
}

static void bears_faults_of(const journey *j)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimpi_fault_set(0, false);
    assert_ok(travel(j, &error));
    const uint64_t all = skimpi_fault_set(0, false);
    assert_tidy(j);
    assert_true(all > 50);
    for (int for_good = 0; for_good < 2; for_good++) {
        unsigned borne = 0;
        for (uint64_t nth = 1; nth <= all;
             nth += for_good ? 5 : 1) { /* from one on for good: the first is what differs */
            error = (skimp_error)SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, for_good);
            const skimp_status status = travel(j, &error);
            skimpi_fault_set(0, false);
            if (skimpi_leaked_bytes() != 0) {
                fail_msg("%s: refusing allocation %u%s leaks", j->name, (unsigned)nth,
                         for_good ? " and all after it" : "");
            }
            if (status == SKIMP_OK) {
                borne++; /* reclaimed, or done without */
            } else if (status != SKIMP_ERROR_NOMEM && status != SKIMP_ERROR_BUDGET) {
                fail_msg("%s: refusing allocation %u gave %s: %s", j->name, (unsigned)nth, skimp_status_name(status),
                         error.message);
            } else {
                assert_int_equal(error.code, status);
                assert_true(error.message[0] != '\0');
            }
            assert_tidy(j);
        }
        assert_true(borne < all / 4);
    }
    /* And after all that, it works. */
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_ok(travel(j, &error));
    assert_tidy(j);
}

static void bears_faults(void **state)
{
    static const journey journeys[] = {
        { .name = "csv",
          .estimator = "logistic_regression",
          .input = "t.csv",
          .target = "y",
          .steps = { "standard_scaler@x0", "max_abs_scaler" },
          .holdout = true },
        { .name = "dropped rows",
          .estimator = "ridge",
          .input = "m.csv",
          .target = "y",
          .steps = { "min_max_scaler" },
          .drop_missing = true },
        { .name = "hashed",
          .estimator = "sgd_classifier",
          .input = "t.csv",
          .target = "y",
          .hash_bits = 4,
          .checkpoint = true },
        { .name = "svmlight",
          .estimator = "logistic_regression",
          .input = "t.svm",
          .steps = { "max_abs_scaler" },
          .holdout = true },
        { .name = "npy",
          .estimator = "linear_regression",
          .input = "t.npy",
          .target = "x3",
          .steps = { "standard_scaler" } },
        { .name = "store",
          .estimator = "sgd_regressor",
          .input = "m.csv",
          .target = "y",
          .keep_store = true,
          .drop_missing = true },
    };
    const journey *j = &journeys[*(const size_t *)*state];
    if (strcmp(j->input, "t.csv") == 0) {
        write_table("t.csv",
                    (table_options){ .rows = 60, .columns = 3, .classes = 3, .text = true, .text_label = true });
    } else if (strcmp(j->input, "m.csv") == 0) {
        write_table("m.csv",
                    (table_options){ .rows = 60, .columns = 2, .text = true, .missing_every = j->keep_store ? 0 : 9 });
    } else if (strcmp(j->input, "t.svm") == 0) {
        write_svmlight("t.svm", (table_options){ .rows = 60, .columns = 6, .classes = 2 });
    } else {
        write_npy("t.npy", (table_options){ .rows = 60, .columns = 3 });
    }
    bears_faults_of(j);
}

static int begin_journey(void **state)
{
    void *unused = NULL;
    (void)state;
    return make_temporary(&unused);
}

int main(void)
{
    static size_t numbers[] = { 0, 1, 2, 3, 4, 5 };
    /* Thousands of files are made safe on disk here, which is what the time would go into. */
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 1);
    }
    struct CMUnitTest tests[6];
    for (size_t i = 0; i < 6; i++) {
        tests[i] = (struct CMUnitTest){ "bears_faults", bears_faults, begin_journey, remove_temporary, &numbers[i] };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
