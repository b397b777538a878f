/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches that are read anew for each pass: the model of a kept store, bit for bit, in batches of any size and by any
 * number of threads; as many readings as passes; nothing on disk; rows that are not the same each time; plans that hold;
 * every allocation refused once.
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

static double class_of(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)column, (void)dtype;
    return skimpi_mix64(row) % 100 < 40 + row % 7;
}

typedef struct shape { /* of a fit */
    const char *estimator, *step, *step_too;
    const char *param, *value;
    double holdout;
    unsigned hash_bits;
} shape;

static skimp_data begin_source(job_setup *setup, source *s, const shape *fit, const skimp_data *whole, uint64_t rows,
                               bool each_pass)
{
    skimp_data data = batches_of(s, whole, rows);
    data.each_pass = each_pass;
    begin_data(setup, fit->estimator, NULL);
    if (fit->step != NULL) {
        add_step(setup, fit->step);
    }
    if (fit->step_too != NULL) {
        add_step(setup, fit->step_too);
    }
    if (fit->param != NULL) {
        add_param(setup, fit->param, fit->value);
    }
    setup->options.holdout = fit->holdout;
    setup->options.hash_bits = fit->hash_bits;
    return data;
}

/* ---- the same model ----------------------------------------------------------------------------------------------------- */

/* A fit that reads once a pass, against one that keeps what it has read. */
static void same_model(const shape *fit, const skimp_data *whole, double passes)
{
    static const uint64_t sizes[] = { 1, 777, 1000000 };
    static const unsigned threads[] = { 1, 2, 5 };
    job_setup setup;
    source s;
    skimp_data data = begin_source(&setup, &s, fit, whole, 500, false);
    setup.options.data = &data;
    skimp_model *expected = fit_setup(&setup);
    assert_int_equal(s.n_again, 0);
    free_source(&s);
    for (unsigned i = UNDER_TSAN ? 2 : SANITIZED ? 1 : 0; i < 3; i++) {
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        skimp_model *found = NULL;
        const skimp_plan *plan = NULL;
        data = begin_source(&setup, &s, fit, whole, sizes[i], true);
        s.grows = i == 1;
        setup.options.data = &data;
        setup.options.n_threads = threads[i];
        setup.options.spill_dir = "/no/such/directory"; /* none is needed */
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_plan(job, &plan, &error));
        assert_string_equal(plan->store, "source");
        assert_int_equal(plan->disk_bytes, 0);
        assert_ok(skimp_job_fit(job, &found, &error));
        const skimp_report *report = skimp_job_report(job);
        assert_int_equal(report->disk_bytes, 0);
        assert_true(s.n_again + 1 >= report->passes);
        if (passes > 0) {
            assert_int_equal(s.n_again + 1, passes);
            assert_int_equal(s.n_given, passes * whole->n_rows);
        }
        assert_same_models(expected, found);
        skimp_model_destroy(found);
        skimp_job_destroy(job);
        free_source(&s);
        assert_int_equal(skimpi_leaked_bytes(), 0);
    }
    skimp_model_destroy(expected);
}

static void tables(void **state)
{
    (void)state;
    skimp_data whole;
    void *block, *target;
    make_matrix(&whole, &block, 9001, 11, SKIMP_DTYPE_F64, LAYOUT_FORTRAN, array_number);
    whole.target = make_column(&target, 9001, 0, SKIMP_DTYPE_U8, class_of);
    static const shape fits[] = {
        { .estimator = "logistic_regression" },
        { .estimator = "logistic_regression", .param = "class_weight", .value = "balanced", .holdout = 0.2 },
        { .estimator = "logistic_regression", .step = "standard_scaler", .param = "l1_ratio", .value = "0.5" },
        { .estimator = "sgd_classifier", .param = "shuffle", .value = "false" },
        { .step = "simple_imputer", .step_too = "standard_scaler" },
    };
    for (unsigned i = 0; i < sizeof fits / sizeof *fits; i++) {
        same_model(&fits[i], &whole, 0);
    }
    /* The reading; the scaler's moments; the estimator's means, and its products. */
    const shape ridge = { .estimator = "ridge", .step = "standard_scaler" };
    same_model(&ridge, &whole, 4);
    free(block);
    free(target);
}

static void sparse_rows(void **state)
{
    (void)state;
    static const sparse_variant variants[] = {
        { .dtype = SKIMP_DTYPE_F32 },
        { .dtype = SKIMP_DTYPE_F64, .wide_indptr = true, .wide_indices = true, .repeated = true, .before = 3 },
        { .ones = true, .unordered = true },
    };
    static const shape fit = { .estimator = "logistic_regression" }, scaled = {
        .estimator = "ridge", .step = "standard_scaler", .param = "standard_scaler__with_mean", .value = "false"
    };
    for (unsigned i = 0; i < 3; i++) {
        skimp_data whole;
        sparse_blocks blocks;
        void *target;
        make_sparse(&whole, &blocks, 9000, 60, &variants[i], sparse_number);
        whole.target = make_column(&target, 9000, 0, SKIMP_DTYPE_F64, class_of);
        same_model(&fit, &whole, 0);
        same_model(&scaled, &whole, 0);
        free_sparse(&blocks);
        free(target);
    }
}

/* Texts and labels by codes that differ from batch to batch; gaps; weights. */
static void frames(void **state)
{
    (void)state;
    static const shape fits[] = {
        { .estimator = "logistic_regression", .step = "simple_imputer" },
        { .estimator = "logistic_regression", .step = "simple_imputer", .hash_bits = 6 },
        { .estimator = "logistic_regression",
          .step = "simple_imputer",
          .step_too = "simple_imputer@text",
          .param = "simple_imputer-2__strategy",
          .value = "most_frequent" },
    };
    frame f;
    make_frame(&f, 12000);
    for (unsigned i = 0; i < sizeof fits / sizeof *fits; i++) {
        same_model(&fits[i], &f.data, 0);
    }
    free_frame(&f);
}

/* What is read in a shuffled order, or loses rows on the way, is kept. */
static void kept_all_the_same(void **state)
{
    (void)state;
    frame f;
    make_frame(&f, 3000);
    for (unsigned i = 0; i < 2; i++) {
        const shape fit = { .estimator = i == 0 ? "sgd_classifier" : "logistic_regression",
                            .step = i == 0 ? "simple_imputer" : NULL };
        job_setup setup;
        source s;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        skimp_model *model = NULL;
        const skimp_plan *plan = NULL;
        const skimp_data data = begin_source(&setup, &s, &fit, &f.data, 100, true);
        setup.options.data = &data;
        setup.options.drop_missing = i == 1;
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_plan(job, &plan, &error));
        assert_string_equal(plan->store, "memory");
        assert_ok(skimp_job_fit(job, &model, &error));
        assert_int_equal(s.n_again, 0);
        skimp_model_destroy(model);
        skimp_job_destroy(job);
        free_source(&s);
    }
    free_frame(&f);
}

/* A fit that goes on from a checkpoint finds the rows to be those that it has begun with. */
static void checkpoints(void **state)
{
    (void)state;
    skimp_data whole;
    void *block, *target;
    make_matrix(&whole, &block, 5000, 6, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    whole.target = make_column(&target, 5000, 0, SKIMP_DTYPE_U8, class_of);
    const shape fit = { .estimator = "logistic_regression" };
    job_setup setup;
    source s;
    skimp_data data = begin_source(&setup, &s, &fit, &whole, 300, false);
    setup.options.data = &data;
    char path[2048];
    snprintf(path, sizeof path, "%s/state", temporary);
    setup.options.checkpoint = path;
    skimp_model *expected = fit_setup(&setup);
    again(&s, NULL);
    s.n_again = 0;
    data.each_pass = true;
    skimp_model *found = fit_setup(&setup);
    assert_int_equal(s.n_again, 0); /* all was done already */
    assert_same_models(expected, found);
    skimp_model_destroy(expected);
    skimp_model_destroy(found);
    free(block);
    free(target);
}

/* ---- rows that are not the same each time --------------------------------------------------------------------------------- */

static void refuse_later(const shape *fit, const skimp_data *whole, const skimp_data *later, const char *words)
{
    for (unsigned threads = 1; threads <= 3; threads++) {
        job_setup setup;
        source s;
        skimp_error error;
        const skimp_data data = begin_source(&setup, &s, fit, whole, 250, true);
        setup.options.data = &data;
        setup.options.n_threads = threads;
        s.later = later;
        assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
        assert_true(s.n_again > 0);
        if (strstr(error.message, words) == NULL) {
            fail_msg("'%s' does not say '%s'", error.message, words);
        }
        free_source(&s);
    }
}

static void other_numbers(void **state)
{
    (void)state;
    skimp_data whole;
    void *blocks[2], *targets[2];
    const shape fit = { .estimator = "logistic_regression" },
                sgd = { .estimator = "sgd_classifier", .param = "shuffle", .value = "false" };
    make_matrix(&whole, &blocks[0], 6000, 8, SKIMP_DTYPE_F64, LAYOUT_C, array_number);
    whole.target = make_column(&targets[0], 6000, 0, SKIMP_DTYPE_U8, class_of);
    const shape *const fits[] = { &fit, &sgd };
    for (unsigned i = 0; i < 2; i++) {
        skimp_data later = whole;
        later.n_rows = 5999;
        refuse_later(fits[i], &whole, &later, i == 0 ? "the first time" : "not what they were");
        later.n_rows = 0;
        refuse_later(fits[i], &whole, &later, "have 0 rows, and had 6000 the first time");
        skimp_data shorter = whole;
        shorter.n_rows = 5999;
        refuse_later(fits[i], &shorter, &whole, "the first time");
        later = whole;
        later.n_columns = 7;
        refuse_later(fits[i], &whole, &later, "is a table of 7 columns, the first one is a table of 8");
        /* One value of one row; wider values than any chunk had. */
        make_matrix(&later, &blocks[1], 6000, 8, SKIMP_DTYPE_F64, LAYOUT_C, array_number);
        later.target = make_column(&targets[1], 6000, 0, SKIMP_DTYPE_U8, class_of);
        ((double *)blocks[1])[4321 * 8 + 3] += 1.0 / 7;
        refuse_later(fits[i], &whole, &later, "of the batches are not what they were the first time");
        for (unsigned k = 0; k < 6000 * 8; k++) {
            ((double *)blocks[1])[k] = (double)skimpi_mix64(k) / 3;
        }
        refuse_later(fits[i], &whole, &later, "rows 0 to 3639 of the batches are not");
        free(blocks[1]);
        free(targets[1]);
        make_matrix(&later, &blocks[1], 6000, 8, SKIMP_DTYPE_F64, LAYOUT_C, array_number);
        later.target = make_column(&targets[1], 6000, 0, SKIMP_DTYPE_U8, class_of);
        ((uint8_t *)targets[1])[17] = 2;
        refuse_later(fits[i], &whole, &later, "rows 0 to 3639 of the batches are not");
        free(blocks[1]);
        free(targets[1]);
    }
    free(blocks[0]);
    free(targets[0]);
}

static void other_texts(void **state)
{
    (void)state;
    const shape fit = { .estimator = "logistic_regression", .step = "simple_imputer" };
    frame f, g;
    make_frame(&f, 3000);
    make_frame(&g, 3000);
    g.days[2345] = 6;
    refuse_later(&fit, &f.data, &g.data, "have 'sun', which the batches did not have the first time");
    g.days[2345] = f.days[2345] == 2 ? 3 : 2;
    refuse_later(&fit, &f.data, &g.data, "rows 0 to 2999 of the batches are not");
    g.days[2345] = f.days[2345];
    for (unsigned r = 0; r < 3000; r++) {
        f.labels[r] = f.labels[r] == 2 ? 0 : f.labels[r];
    }
    refuse_later(&fit, &f.data, &g.data, "column 'y': rows 0 to 2999 have 'maybe'");
    free_frame(&f);
    free_frame(&g);
}

/* More chunks than there are checksums kept of: what differs shows at the end of the pass. */
enum { LONG_ROWS = 64, LONG_NONZEROS = 508, LONG_CHUNKS = 4200 }; /* each batch is a chunk */

typedef struct long_source {
    skimp_data batch;
    int32_t *indices, indptr[LONG_ROWS + 1];
    unsigned at, n_again, other;
} long_source;

static skimp_status next_long(void *context, skimp_data *batch, bool *end, skimp_error *error)
{
    (void)error;
    long_source *s = context;
    *end = s->at == LONG_CHUNKS;
    if (!*end) {
        s->indices[LONG_NONZEROS - 1] = s->n_again > 0 && s->at == s->other ? 600 : LONG_NONZEROS - 1;
        *batch = s->batch;
        s->at++;
    }
    return SKIMP_OK;
}

static skimp_status long_again(void *context, skimp_error *error)
{
    (void)error;
    long_source *s = context;
    s->at = 0;
    s->n_again++;
    return SKIMP_OK;
}

static void many_chunks(void **state)
{
    (void)state;
    static const char *const words[] = { "", "rows 266624 to 266687 of the batches are not what they were",
                                         "the rows of the batches are not what they were the first time" };
    long_source s = { .indices = must_allocate(LONG_ROWS * LONG_NONZEROS * sizeof *s.indices) };
    for (unsigned r = 0; r < LONG_ROWS; r++) {
        s.indptr[r + 1] = s.indptr[r] + LONG_NONZEROS;
        for (int32_t k = 0; k < LONG_NONZEROS; k++) {
            s.indices[s.indptr[r] + k] = k;
        }
    }
    s.batch = (skimp_data)SKIMP_DATA_INIT;
    s.batch.kind = SKIMP_DATA_CSR;
    s.batch.n_rows = LONG_ROWS;
    s.batch.n_columns = 1000;
    s.batch.nonzeros = LONG_ROWS * LONG_NONZEROS;
    s.batch.indptr = s.indptr;
    s.batch.indices = s.indices;
    s.batch.indptr_dtype = s.batch.indices_dtype = SKIMP_DTYPE_I32;
    for (unsigned i = UNDER_TSAN ? 2 : 0; i < 3; i++) { /* 270,000 rows each, and the same threads */
        job_setup setup;
        skimp_error error;
        skimp_data data = SKIMP_DATA_INIT;
        data.kind = SKIMP_DATA_BATCHES;
        data.next = next_long;
        data.rewind = long_again;
        data.each_pass = true;
        data.context = &s;
        s.at = s.n_again = 0;
        s.other = i == 0 ? LONG_CHUNKS : i == 1 ? 4166 : 4165;
        begin_data(&setup, NULL, &data);
        add_step(&setup, "standard_scaler");
        add_param(&setup, "standard_scaler__with_mean", "false");
        assert_int_equal(try_fit(&setup, &error), i == 0 ? SKIMP_OK : SKIMP_ERROR_DATA);
        assert_int_equal(s.n_again, 1);
        if (i > 0 && strstr(error.message, words[i]) == NULL) {
            fail_msg("'%s' does not say '%s'", error.message, words[i]);
        }
    }
    free(s.indices);
}

static void owner_fails(void **state)
{
    (void)state;
    frame f;
    make_frame(&f, 500);
    for (unsigned at = 2; at <= 5; at++) {
        source s;
        job_setup setup;
        skimp_error error;
        const shape fit = { .estimator = "logistic_regression", .step = "simple_imputer" };
        const skimp_data data = begin_source(&setup, &s, &fit, &f.data, 100, true);
        skimp_data later = f.data;
        later.kind = SKIMP_DATA_CSC; /* asked for in the second reading: refused there */
        setup.options.data = &data;
        s.later = &later;
        assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
        assert_int_equal(s.n_again, 1);
        free_source(&s);
    }
    free_frame(&f);
}

static int stop; /* read by workers meanwhile */

static skimp_status next_and_stop(void *context, skimp_data *batch, bool *end, skimp_error *error)
{
    source *s = context;
    if (s->n_again == 1 && s->n_batches == 20) {
        __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    }
    return next(context, batch, end, error);
}

/* Of batches of a row, thousands make a unit: the wish to stop is seen between them. */
static void stopped_between_batches(void **state)
{
    (void)state;
    frame f;
    make_frame(&f, 3000);
    source s;
    job_setup setup;
    skimp_error error;
    const shape fit = { .estimator = "logistic_regression", .step = "simple_imputer" };
    skimp_data data = begin_source(&setup, &s, &fit, &f.data, 1, true);
    data.next = next_and_stop;
    setup.options.data = &data;
    setup.options.cancel = &stop;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_CANCELLED);
    assert_int_equal(s.n_again, 1);
    assert_int_equal(s.n_batches, 21);
    free_source(&s);
    free_frame(&f);
}

/* ---- plans ------------------------------------------------------------------------------------------------------------------ */

static void plan_holds(const shape *fit, const skimp_data *whole, uint64_t rows)
{
    source s;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL, *expected = NULL;
    const skimp_plan *plan = NULL;
    skimp_data data = begin_source(&setup, &s, fit, whole, rows, true);
    data.n_rows = whole->n_rows;
    setup.options.data = &data;
    uint64_t budgets[3] = { setup.options.max_memory, 0, 0 };
    for (unsigned i = 0; i < 3; i++) {
        again(&s, NULL);
        setup.options.max_memory = budgets[i];
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_plan(job, &plan, &error));
        budgets[1] = i == 0 ? plan->peak_bytes : budgets[1];
        budgets[2] = i == 0 ? plan->minimum_bytes : budgets[2];
        const uint64_t peak = plan->peak_bytes;
        assert_ok(skimp_job_fit(job, &model, &error));
        const skimp_report *report = skimp_job_report(job);
        if (report->charged_peak_bytes > peak) {
            for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
                print_message("  %-12s %10llu %10llu\n", skimp_tag_name((skimp_tag)tag),
                              (unsigned long long)plan->memory[tag], (unsigned long long)report->memory[tag]);
            }
            fail_msg("%s in %llu bytes: planned %llu, charged %llu", fit->estimator, (unsigned long long)budgets[i],
                     (unsigned long long)peak, (unsigned long long)report->charged_peak_bytes);
        }
        assert_true(peak <= report->charged_peak_bytes * 5 / 4 + (2u << 20));
        skimp_job_destroy(job);
        if (expected == NULL) {
            expected = model;
        } else {
            assert_same_models(expected, model);
            skimp_model_destroy(model);
        }
    }
    assert_true(budgets[2] <= budgets[1]);
    setup.options.max_memory = budgets[2] - (64u << 10);
    again(&s, NULL);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_BUDGET);
    assert_true(s.n_batches <= 1);
    assert_true(error.minimum_bytes + (64u << 10) >= budgets[2] && error.minimum_bytes <= budgets[2] + (64u << 10));
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
    sparse_blocks blocks;
    const sparse_variant v = { .dtype = SKIMP_DTYPE_F64, .repeated = true };
    const shape imputed = { .estimator = "logistic_regression", .step = "simple_imputer" },
                plain = { .estimator = "logistic_regression" },
                ridge = { .estimator = "ridge", .step = "standard_scaler" },
                sgd = { .estimator = "sgd_classifier", .param = "shuffle", .value = "false" };
    make_frame(&f, 20000);
    plan_holds(&imputed, &f.data, 1000);
    free_frame(&f);
    make_matrix(&whole, &block, 20000, 28, SKIMP_DTYPE_F32, LAYOUT_C, array_number);
    whole.target = make_column(&target, 20000, 0, SKIMP_DTYPE_F32, class_of);
    plan_holds(&plain, &whole, 4000);
    plan_holds(&ridge, &whole, 100);
    plan_holds(&sgd, &whole, 3000);
    free(block);
    free(target);
    make_sparse(&whole, &blocks, 9000, 200, &v, sparse_number);
    whole.target = make_column(&target, 9000, 0, SKIMP_DTYPE_F32, class_of);
    plan_holds(&plain, &whole, 1000);
    free_sparse(&blocks);
    free(target);
}

/* ---- faults ----------------------------------------------------------------------------------------------------------------- */

static skimp_status fit_once(const skimp_data *whole, const char *step, skimp_error *error)
{
    const shape fit = { .estimator = "logistic_regression", .step = step };
    job_setup setup;
    source s;
    skimp_status status = SKIMP_OK;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_data data = begin_source(&setup, &s, &fit, whole, 20, true);
    setup.options.data = &data;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_fit(job, &model, error));
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
        assert_ok(fit_once(&whole, step, &error));
        skimpi_fault_set(0, false);
        assert_ok(fit_once(&whole, step, &error));
        const uint64_t all = skimpi_fault_set(0, false);
        unsigned borne = 0;
        for (uint64_t nth = 1; nth <= all; nth += UNDER_TSAN ? 17 : SANITIZED ? 3 : 1) {
            error = (skimp_error)SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, nth % 2 == 0);
            const skimp_status status = fit_once(&whole, step, &error);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tables, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(sparse_rows, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(frames, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(kept_all_the_same, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(checkpoints, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(other_numbers, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(other_texts, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(many_chunks, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(owner_fails, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(stopped_between_batches, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(plans_hold, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(faults, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
