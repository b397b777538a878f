/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs that share a budget: together they stay under it, with the same models; one for which there is no room waits for the
 * others, but not for one that waits for it; what is free by default is divided; a child of fork begins anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "frame_data.h"
#include "batch_data.h"
#include "sanitizers.h"

static double class_of(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)column, (void)dtype;
    return skimpi_mix64(row) % 100 < 40 + row % 7;
}

enum { ROWS = 60000, COLUMNS = 12, JOBS = 4 };

typedef struct rows {
    skimp_data whole;
    void *block, *target;
} rows;

static void make_rows_of(rows *r)
{
    make_matrix(&r->whole, &r->block, ROWS, COLUMNS, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    r->whole.target = make_column(&r->target, ROWS, 0, SKIMP_DTYPE_U8, class_of);
}

static void free_rows_of(rows *r)
{
    free(r->block);
    free(r->target);
}

static void begin_shared(job_setup *setup, source *s, skimp_data *data, const rows *r, uint64_t limit)
{
    *data = batches_of(s, &r->whole, 1000);
    data->rewind = NULL; /* they are kept: in memory where there is room */
    data->n_rows = ROWS;
    begin_data(setup, "logistic_regression", data);
    setup->options.max_memory = limit;
    setup->options.share = true;
    setup->options.n_threads = 1;
}

/* What a job takes that has all it wants, and the least that it works in; its model. */
static skimp_model *alone(const rows *r, uint64_t *peak, uint64_t *minimum)
{
    source s;
    skimp_data data;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    begin_shared(&setup, &s, &data, r, 256u << 20);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_string_equal(plan->store, "memory");
    *peak = plan->peak_bytes;
    *minimum = plan->minimum_bytes;
    assert_ok(skimp_job_fit(job, &model, &error));
    skimp_job_destroy(job);
    return model;
}

/* ---- at the same time ---------------------------------------------------------------------------------------------------- */

typedef struct runner {
    const rows *r;
    uint64_t limit;
    skimp_model *model;
    skimp_status status;
    uint64_t charged;
    skimp_error error;
} runner;

static void *run(void *context)
{
    runner *own = context;
    source s;
    skimp_data data;
    job_setup setup;
    skimp_job *job = NULL;
    begin_shared(&setup, &s, &data, own->r, own->limit);
    own->error = (skimp_error)SKIMP_ERROR_INIT;
    own->status = skimp_job_create(&job, &setup.options, &own->error);
    if (own->status == SKIMP_OK) {
        own->status = skimp_job_fit(job, &own->model, &own->error);
        own->charged = skimp_job_report(job)->charged_peak_bytes;
    }
    skimp_job_destroy(job);
    return NULL;
}

static void together(void **state)
{
    (void)state;
    rows r;
    uint64_t peak = 0, minimum = 0;
    make_rows_of(&r);
    skimp_model *expected = alone(&r, &peak, &minimum);
    /* Room for one in memory and others on disk; for two at once; for one alone. */
    const uint64_t limits[] = { peak + 2 * minimum, 2 * minimum + minimum / 2, minimum + minimum / 8 };
    for (unsigned i = 0; i < 3; i++) {
        pthread_t threads[JOBS];
        runner runners[JOBS];
        for (unsigned k = 0; k < JOBS; k++) {
            runners[k] = (runner){ .r = &r, .limit = limits[i] };
            assert_int_equal(pthread_create(&threads[k], NULL, run, &runners[k]), 0);
        }
        for (unsigned k = 0; k < JOBS; k++) {
            skimp_error error = SKIMP_ERROR_INIT;
            pthread_join(threads[k], NULL);
            error = runners[k].error;
            assert_ok(runners[k].status);
            assert_true(runners[k].charged <= limits[i]);
            assert_same_models(expected, runners[k].model);
            skimp_model_destroy(runners[k].model);
        }
        assert_int_equal(skimpi_share_in_use(), 0);
    }
    assert_int_equal(skimpi_leaked_bytes(), 0);
    skimp_model_destroy(expected);
    free_rows_of(&r);
}

/* ---- one within the other ------------------------------------------------------------------------------------------------- */

typedef struct outer {
    source s;
    const rows *r;
    uint64_t limit, peak;
    bool waits_elsewhere; /* the inner one runs in another thread */
    unsigned n_inner, n_disk;
    skimp_status status;
    skimp_error error;
} outer;

static void *run_inner(void *context)
{
    outer *o = context;
    source s;
    skimp_data data;
    job_setup setup;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    begin_shared(&setup, &s, &data, o->r, o->limit);
    o->error = (skimp_error)SKIMP_ERROR_INIT;
    o->status = skimp_job_create(&job, &setup.options, &o->error);
    if (o->status == SKIMP_OK) {
        o->status = skimp_job_fit(job, &model, &o->error);
    }
    if (o->status == SKIMP_OK) {
        skimp_error error = SKIMP_ERROR_INIT;
        assert_ok(skimp_job_plan(job, &plan, &error)); /* as it ran */
        assert_true(plan->peak_bytes + o->peak <= o->limit);
        assert_true(plan->budget_bytes < o->limit);
        o->n_disk += strcmp(plan->store, "disk") == 0;
        o->n_inner++;
    }
    skimp_model_destroy(model);
    skimp_job_destroy(job);
    return NULL;
}

static skimp_status next_with_job(void *context, skimp_data *batch, bool *end, skimp_error *error)
{
    outer *o = context;
    if (o->s.n_batches == 10 || o->s.n_batches == 50) {
        pthread_t thread;
        if (o->waits_elsewhere) {
            assert_int_equal(pthread_create(&thread, NULL, run_inner, o), 0);
            pthread_join(thread, NULL);
        } else {
            run_inner(o);
        }
        if (o->status != SKIMP_OK) {
            *error = o->error;
            return o->status;
        }
    }
    return next(&o->s, batch, end, error);
}

static skimp_status fit_outer(outer *o, const rows *r, uint64_t limit, skimp_model **model, skimp_error *error)
{
    skimp_data data;
    job_setup setup;
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    o->r = r;
    o->limit = limit;
    begin_shared(&setup, &o->s, &data, r, limit);
    data.next = next_with_job;
    data.context = o;
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_plan(job, &plan, error));
    o->peak = plan->peak_bytes;
    SKIMPI_TRY(skimp_job_fit(job, model, error));
out:
    skimp_job_destroy(job);
    return status;
}

static void nested(void **state)
{
    (void)state;
    rows r;
    uint64_t peak = 0, minimum = 0;
    skimp_error error = SKIMP_ERROR_INIT;
    make_rows_of(&r);
    skimp_model *expected = alone(&r, &peak, &minimum), *found = NULL;
    for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
        /* The outer one takes what it needs in memory, the inner one has the rest. */
        outer o = { .waits_elsewhere = elsewhere == 1 };
        assert_ok(fit_outer(&o, &r, peak * 5 / 4 + 2 * minimum, &found, &error));
        assert_int_equal(o.n_inner, 2);
        assert_int_equal(o.n_disk, 2);
        assert_same_models(expected, found);
        skimp_model_destroy(found);
        found = NULL;
    }
    /* Too little for both: the inner one is refused at once, for the outer one waits for it. */
    outer o = { .waits_elsewhere = false };
    assert_int_equal(fit_outer(&o, &r, minimum + minimum / 8, &found, &error), SKIMP_ERROR_BUDGET);
    assert_null(found);
    assert_non_null(strstr(error.message, "is shared with what is at work in this process"));
    assert_true(error.minimum_bytes > minimum + minimum / 8);
    assert_int_equal(skimpi_share_in_use(), 0);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    skimp_model_destroy(expected);
    free_rows_of(&r);
}

/* ---- more than was planned ------------------------------------------------------------------------------------------------ */

/* A job whose data are more than it was told finds room beside another that is at work. */
static void more_than_planned(void **state)
{
    (void)state;
    rows r;
    uint64_t peak = 0, minimum = 0;
    skimp_error error = SKIMP_ERROR_INIT;
    make_rows_of(&r);
    skimp_model *expected = alone(&r, &peak, &minimum), *model = NULL;
    source s;
    skimp_data data;
    job_setup setup;
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    begin_shared(&setup, &s, &data, &r, 4 * peak);
    data.n_rows = ROWS / 10; /* so the owner said */
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_true(plan->peak_bytes < peak / 2);
    /* A seat beside it, of half of that: what is claimed by nobody is as much. */
    skimp_job *other = NULL;
    source t;
    skimp_data other_data;
    job_setup other_setup;
    bool is_less = false;
    begin_shared(&other_setup, &t, &other_data, &r, 4 * peak);
    assert_ok(skimp_job_create(&other, &other_setup.options, &error));
    assert_ok(skimpi_share_enter(other, minimum, &is_less, &error));
    assert_false(is_less);
    skimpi_share_settle(other, 2 * peak, true);
    assert_ok(skimp_job_fit(job, &model, &error));
    assert_int_equal(skimpi_store_place(job->store), SKIMPI_PLACE_MEMORY);
    assert_true(skimp_job_report(job)->charged_peak_bytes > plan->peak_bytes);
    assert_same_models(expected, model);
    skimp_job_destroy(job);
    assert_int_equal(skimp_budget_limit(other->budget), 4 * peak); /* it is alone again */
    skimp_job_destroy(other);
    skimp_model_destroy(model);
    skimp_model_destroy(expected);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    free_rows_of(&r);
}

/* ---- defaults, and children ----------------------------------------------------------------------------------------------- */

static void default_is_divided(void **state)
{
    (void)state;
    rows r;
    make_rows_of(&r);
    uint64_t limits[2];
    for (unsigned i = 0; i < 2; i++) {
        source s;
        skimp_data data;
        job_setup setup;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        begin_shared(&setup, &s, &data, &r, 0);
        setup.options.n_processes = i == 0 ? 0 : 8;
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        limits[i] = skimp_budget_limit(job->budget);
        skimp_job_destroy(job);
    }
    /* What is free changes while the test runs. */
    assert_true(limits[0] / limits[1] >= 4 && limits[0] / limits[1] <= 16);
    free_rows_of(&r);
}

/* The parent's jobs are none of the child's: it does not wait for them. */
static void child_of_a_fork(void **state)
{
    (void)state;
    rows r;
    uint64_t peak = 0, minimum = 0;
    bool is_less = false;
    skimp_error error = SKIMP_ERROR_INIT;
    make_rows_of(&r);
    skimp_model *expected = alone(&r, &peak, &minimum);
    source s;
    skimp_data data;
    job_setup setup;
    skimp_job *job = NULL;
    begin_shared(&setup, &s, &data, &r, peak);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimpi_share_enter(job, minimum, &is_less, &error)); /* and it keeps all of it */
    const pid_t child = fork();
    if (child == 0) {
        alarm(60);
        runner own = { .r = &r, .limit = peak };
        run(&own);
        _exit(own.status == SKIMP_OK && own.model != NULL ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    skimp_job_destroy(job);
    skimp_model_destroy(expected);
    free_rows_of(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(together, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(nested, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(more_than_planned, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(default_is_divided, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(child_of_a_fork, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
