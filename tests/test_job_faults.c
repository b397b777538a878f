/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All that a user does with data (convert, fit, save, load, predict, score) with the n-th allocation refused, once and for
 * good, for every n: the right status, no leak, nothing left behind, an existing output untouched, the model as good as new.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "sanitizers.h"

typedef struct journey {
    const char *name, *estimator, *input, *target, *steps[3], *params[3][2];
    bool holdout, keep_store, drop_missing, checkpoint;
    unsigned hash_bits;
} journey;

/* What the legs of a journey hand on. */
typedef struct luggage {
    const journey *j;
    skimp_model *model, *loaded;
} luggage;

static skimp_status convert(luggage *l, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    job_setup setup;
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, l->j->input, l->j->target);
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_convert(job, in_temporary("store"), error));
out:
    skimp_job_destroy(job);
    return status;
}

static skimp_status fit(luggage *l, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const journey *j = l->j;
    job_setup setup;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    begin_setup(&setup, j->estimator, j->keep_store ? "store" : j->input, j->keep_store ? NULL : j->target);
    for (unsigned i = 0; i < 3 && j->steps[i] != NULL; i++) {
        add_step(&setup, j->steps[i]);
    }
    for (unsigned i = 0; i < 3 && j->params[i][0] != NULL; i++) {
        add_param(&setup, j->params[i][0], j->params[i][1]);
    }
    setup.options.holdout = j->holdout ? 0.25 : 0;
    setup.options.drop_missing = j->drop_missing;
    setup.options.hash_bits = j->hash_bits;
    setup.options.checkpoint = j->checkpoint ? in_temporary("checkpoint") : NULL;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_plan(job, &plan, error));
    SKIMPI_TRY(skimp_job_fit(job, &model, error));
    if (l->model != NULL) {
        assert_same_models(l->model, model);
    }
    skimp_model_destroy(l->model);
    l->model = model;
out:
    skimp_job_destroy(job);
    unlink(in_temporary("checkpoint"));
    return status;
}

static skimp_status save(luggage *l, skimp_error *error)
{
    return skimp_model_save(l->model, in_temporary("model"), error);
}

static skimp_status load(luggage *l, skimp_error *error)
{
    skimp_model *model = NULL;
    const skimp_status status = skimp_model_load(&model, NULL, in_temporary("model"), error);
    if (status == SKIMP_OK) {
        assert_same_models(l->model, model);
        skimp_model_destroy(l->loaded);
        l->loaded = model;
    } else {
        assert_null(model);
    }
    return status;
}

static skimp_status predict(luggage *l, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    job_setup setup;
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, l->j->keep_store ? "store" : l->j->input, NULL);
    setup.options.drop_missing = l->j->drop_missing;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_predict(job, l->loaded, in_temporary("output"),
                                 strcmp(l->j->estimator, "logistic_regression") == 0, error));
out:
    skimp_job_destroy(job);
    return status;
}

static skimp_status score(luggage *l, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    job_setup setup;
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, l->j->keep_store ? "store" : l->j->input, NULL);
    setup.options.drop_missing = l->j->drop_missing;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_score(job, l->loaded, error));
    if (skimp_job_report(job)->n_metrics == 0) {
        status = skimpi_fail(error, SKIMP_ERROR_INTERNAL, "no metrics");
    }
out:
    skimp_job_destroy(job);
    return status;
}

typedef struct journey_leg {
    const char *name, *output; /* output: the file it makes, or NULL */
    skimp_status (*go)(luggage *, skimp_error *);
} journey_leg;
static const journey_leg legs[] = { { "convert", "store", convert },  { "fit", NULL, fit },
                                    { "save", "model", save },        { "load", NULL, load },
                                    { "predict", "output", predict }, { "score", NULL, score } };

/* The input, the outputs, each of them written whole, and nothing else. */
static void assert_tidy(const journey *j)
{
    DIR *directory = opendir(temporary);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        static const char *const known[] = { ".", "..", "model", "output", "store", "before" };
        bool is_known = strcmp(entry->d_name, j->input) == 0;
        for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
            is_known |= strcmp(entry->d_name, known[i]) == 0;
        }
        if (!is_known) {
            fail_msg("%s left %s behind", j->name, entry->d_name);
        }
    }
    closedir(directory);
}

/* One leg with allocation `nth` refused: it may do without, or fails as it should. */
static bool bears_fault(luggage *l, const journey_leg *leg, uint64_t nth, bool for_good)
{
    skimp_error error = SKIMP_ERROR_INIT;
    if (leg->output != NULL) {
        write_text(leg->output, "what was there before");
    }
    skimpi_fault_set(nth, for_good);
    const skimp_status status = leg->go(l, &error);
    skimpi_fault_set(0, false);
    if (skimpi_leaked_bytes() != 0) {
        fail_msg("%s, %s: refusing allocation %u%s leaks", l->j->name, leg->name, (unsigned)nth,
                 for_good ? " and all after it" : "");
    }
    if (status != SKIMP_OK) {
        if (status != SKIMP_ERROR_NOMEM && status != SKIMP_ERROR_BUDGET) {
            fail_msg("%s, %s: refusing allocation %u gave %s: %s", l->j->name, leg->name, (unsigned)nth,
                     skimp_status_name(status), error.message);
        }
        assert_int_equal(error.code, status);
        assert_true(error.message[0] != '\0');
        if (leg->output != NULL) {
            assert_file(leg->output, "what was there before");
        }
    }
    assert_tidy(l->j);
    return status == SKIMP_OK;
}

static void bears_faults_of(const journey *j)
{
    luggage l = { .j = j };
    const unsigned apart =
        UNDER_TSAN ? 7 : 1; /* what the other threads do meanwhile is much the same for many of them */
    uint64_t tried = 0, borne = 0;
    for (unsigned i = j->keep_store ? 0 : 1; i < sizeof legs / sizeof *legs; i++) {
        skimp_error error = SKIMP_ERROR_INIT;
        const journey_leg *leg = &legs[i];
        skimpi_fault_set(0, false);
        assert_ok(leg->go(&l, &error));
        const uint64_t all = skimpi_fault_set(0, false);
        assert_tidy(j);
        assert_true(all > 10);
        if (leg->output != NULL) {
            assert_int_equal(rename(in_temporary(leg->output), in_temporary("before")), 0);
        }
        for (uint64_t nth = 1; nth <= all; nth += apart, tried++) {
            borne += bears_fault(&l, leg, nth, false);
        }
        /* From one on for good: the first is what differs. */
        for (uint64_t nth = 1; nth <= all; nth += 5 * apart, tried++) {
            borne += bears_fault(&l, leg, nth, true);
        }
        /* And after all that, it works, and gives the same. */
        assert_ok(leg->go(&l, &error));
        assert_tidy(j);
        if (leg->output != NULL) {
            assert_same_files(leg->output, "before");
        }
    }
    assert_true(borne < tried / 8);
    skimp_model_destroy(l.model);
    skimp_model_destroy(l.loaded);
    assert_int_equal(skimpi_leaked_bytes(), 0);
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
        { .name = "imputers",
          .estimator = "ridge",
          .input = "h.csv",
          .target = "y",
          .steps = { "simple_imputer", "simple_imputer@day", "max_abs_scaler" },
          .params = { { "simple_imputer__add_indicator", "true" }, { "simple_imputer-2__strategy", "constant" } },
          .holdout = true },
        { .name = "imputed store",
          .estimator = "logistic_regression",
          .input = "h.csv",
          .target = "y",
          .steps = { "simple_imputer@text", "simple_imputer" },
          .params = { { "simple_imputer__strategy", "most_frequent" },
                      { "simple_imputer__add_indicator", "true" },
                      { "simple_imputer-2__strategy", "median" } },
          .keep_store = true },
    };
    const journey *j = &journeys[*(const size_t *)*state];
    if (strcmp(j->input, "t.csv") == 0) {
        write_table("t.csv",
                    (table_options){ .rows = 60, .columns = 3, .classes = 3, .text = true, .text_label = true });
    } else if (strcmp(j->input, "m.csv") == 0) {
        write_table("m.csv",
                    (table_options){ .rows = 60, .columns = 2, .text = true, .missing_every = j->keep_store ? 0 : 9 });
    } else if (strcmp(j->input, "h.csv") == 0) {
        write_text("h.csv", "a,day,b,e,y\n1,mon,,,0\n2,tue,5,,1\n,,4,,0\n4,mon,3,,1\n5,,2,,0\n,wed,1,,1\n3,tue,,,1\n");
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
    static size_t numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    prefer_memory();
    struct CMUnitTest tests[8];
    for (size_t i = 0; i < 8; i++) {
        tests[i] = (struct CMUnitTest){ "bears_faults", bears_faults, begin_journey, remove_temporary, &numbers[i] };
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
