/* SPDX-License-Identifier: BSD-3-Clause */
/* Passes: lanes get their chunks in order, every row once, the same for any number of workers; strides, hold-out, failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "reading_bench.h"
#include "sanitizers.h"

typedef struct lane {
    uint64_t chunks, rows, last;
    double sum;
    bool disordered;
} lane;

typedef struct consumer {
    unsigned lanes;
    uint64_t stride, fail_at; /* fail_at: this chunk, less 1; 0: none */
} consumer;

static skimp_status consume(void *context, const skimpi_chunk *chunk, void *lane_data, void *worker, skimp_error *error)
{
    const consumer *c = context;
    lane *l = lane_data;
    (void)worker;
    const uint64_t stride = c->stride > 1 ? c->stride : 1;
    if (c->fail_at == chunk->index + 1) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "chunk %u", (unsigned)chunk->index);
    }
    l->disordered |= l->chunks > 0 && chunk->index <= l->last;
    l->disordered |= chunk->index % stride != 0 ||
                     chunk->index / stride % c->lanes !=
                         (uint64_t)(l->chunks > 0 ? l->last / stride % c->lanes : chunk->index / stride % c->lanes);
    l->last = chunk->index;
    l->chunks++;
    l->rows += chunk->n_rows;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        const double x = chunk->dense[0].f32 != NULL ? (double)chunk->dense[0].f32[i] : chunk->dense[0].f64[i];
        l->sum = (l->sum + x * chunk->target[i]) * 0.999; /* depends on the order */
    }
    return SKIMP_OK;
}

static skimp_status run(bench *b, consumer *c, skimpi_rows rows, lane lanes[SKIMPI_MAX_LANES], skimp_error *error)
{
    void *data[SKIMPI_MAX_LANES];
    memset(lanes, 0, SKIMPI_MAX_LANES * sizeof *lanes);
    for (unsigned l = 0; l < c->lanes; l++) {
        data[l] = &lanes[l];
    }
    const skimpi_pass_options options = { .rows = rows,
                                          .chunk_stride = c->stride,
                                          .lanes = c->lanes,
                                          .lane_data = data,
                                          .consume = consume,
                                          .context = c,
                                          .objective = NAN };
    return skimpi_reading_pass(&b->reading, &options, error);
}

static void keeps_lanes_in_order(void **state)
{
    (void)state;
    static const unsigned lane_counts[] = { 1, 2, 3, 16 }, threads[] = { 1, 2, 5 };
    static const uint64_t strides[] = { 0, 1, 2, 3, 100 };
    skimp_error error = SKIMP_ERROR_INIT;
    lane expected[4][5][SKIMPI_MAX_LANES], found[SKIMPI_MAX_LANES];
    write_table("t.csv", (table_options){ .rows = 40000, .columns = 4 });
    for (unsigned t = 0; t < 3; t++) {
        bench b = { 0 };
        begin_bench(&b, SKIMPI_PLACE_MEMORY, threads[t], 0);
        assert_true(b.n_chunks >= 4);
        for (unsigned l = 0; l < 4; l++) {
            for (unsigned s = 0; s < 5; s++) {
                consumer c = { .lanes = lane_counts[l], .stride = strides[s] };
                assert_ok(run(&b, &c, SKIMPI_ROWS_TRAIN, found, &error));
                uint64_t chunks = 0, rows = 0;
                for (unsigned k = 0; k < c.lanes; k++) {
                    assert_false(found[k].disordered);
                    chunks += found[k].chunks;
                    rows += found[k].rows;
                }
                const uint64_t stride = strides[s] > 1 ? strides[s] : 1;
                assert_int_equal(chunks, (b.n_chunks + stride - 1) / stride);
                assert_true(stride > 1 || rows == 40000);
                if (t == 0) {
                    memcpy(expected[l][s], found, sizeof found);
                } else {
                    assert_memory_equal(expected[l][s], found, sizeof found);
                }
            }
        }
        end_bench(&b);
    }
}

static void parts_rows(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    lane found[SKIMPI_MAX_LANES];
    bench b = { 0 };
    uint64_t held = 0;
    write_table("t.csv", (table_options){ .rows = 20000, .columns = 3 });
    for (unsigned r = 0; r < 20000; r++) {
        held += skimpi_held_out(r, 0, 0.4);
    }
    assert_true(held > 7000 && held < 9000);
    begin_bench(&b, SKIMPI_PLACE_MEMORY, 2, 0.4);
    consumer c = { .lanes = 1 };
    assert_ok(run(&b, &c, SKIMPI_ROWS_HELD_OUT, found, &error));
    assert_int_equal(found[0].rows, held);
    assert_ok(run(&b, &c, SKIMPI_ROWS_TRAIN, found, &error));
    assert_int_equal(found[0].rows, 20000 - held);
    end_bench(&b);
}

/* The failure of any chunk, and a wish to stop, end the pass; the reading can be used again. */
static void fails_as_a_whole(void **state)
{
    (void)state;
    lane found[SKIMPI_MAX_LANES];
    bench b = { 0 };
    write_table("t.csv", (table_options){ .rows = 40000, .columns = 4 });
    begin_bench(&b, SKIMPI_PLACE_MEMORY, 5, 0);
    for (unsigned lanes = 1; lanes <= 3; lanes++) {
        for (uint64_t at = 1; at <= b.n_chunks; at++) {
            skimp_error error = SKIMP_ERROR_INIT;
            char words[32];
            consumer c = { .lanes = lanes, .fail_at = at };
            assert_int_equal(run(&b, &c, SKIMPI_ROWS_TRAIN, found, &error), SKIMP_ERROR_DATA);
            snprintf(words, sizeof words, "chunk %u", (unsigned)at - 1);
            assert_string_equal(error.message, words);
        }
    }
    skimp_error error = SKIMP_ERROR_INIT;
    consumer c = { .lanes = 2 };
    assert_ok(run(&b, &c, SKIMPI_ROWS_TRAIN, found, &error));
    atomic_store(&b.job->stop, 1);
    assert_int_equal(run(&b, &c, SKIMPI_ROWS_TRAIN, found, &error), SKIMP_ERROR_CANCELLED);
    end_bench(&b);
}

/* Whole fits: the same bits for 1, 2 and 5 threads and for any budget, in memory and on disk. */
static void fits_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *estimator;
        unsigned classes;
    } cases[] = { { "logistic_regression", 2 }, { "logistic_regression", 3 }, { "ridge", 0 },
                  { "linear_regression", 0 },   { "sgd_classifier", 2 },      { "sgd_regressor", 0 } };
    static const struct {
        unsigned threads;
        bool is_tight; /* the smallest budget, and so many bytes more */
        uint64_t spare;
    } forms[] = { { 1, false, 0 }, { 2, false, 0 },         { 5, false, 0 },
                  { 5, true, 0 },  { 2, true, 256u << 10 }, { 1, true, 0 } };
    for (unsigned c = 0; c < sizeof cases / sizeof *cases; c++) {
        /* As many chunks of fewer rows where each row takes longer. */
        const table_options table = { .rows = UNDER_TSAN ? 4000 : 25000,
                                      .columns = 5,
                                      .classes = cases[c].classes,
                                      .text = true,
                                      .padding = UNDER_TSAN ? 350 : 1 };
        skimp_model *expected = NULL;
        bool was_on_disk = false;
        write_table("t.csv", table);
        for (unsigned form = 0; form < sizeof forms / sizeof *forms; form++) {
            job_setup setup;
            skimp_job *job = NULL;
            skimp_model *model = NULL;
            skimp_error error = SKIMP_ERROR_INIT;
            const skimp_plan *plan = NULL;
            begin_setup(&setup, cases[c].estimator, "t.csv", "y");
            add_step(&setup, "standard_scaler");
            add_drop(&setup, "padding");
            setup.options.n_threads = forms[form].threads;
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            assert_ok(skimp_job_plan(job, &plan, &error));
            if (forms[form].is_tight) {
                setup.options.max_memory = plan->minimum_bytes + forms[form].spare;
                skimp_job_destroy(job);
                assert_ok(skimp_job_create(&job, &setup.options, &error));
            }
            if (skimp_job_fit(job, &model, &error) != SKIMP_OK) {
                fail_msg("%s in %llu bytes: %s", cases[c].estimator, (unsigned long long)setup.options.max_memory,
                         error.message);
            }
            const skimp_report *report = skimp_job_report(job);
            assert_true(report->charged_peak_bytes <= setup.options.max_memory);
            assert_true(report->disk_bytes == 0 || forms[form].is_tight);
            was_on_disk |= report->disk_bytes > 0;
            assert_true(skimpi_store_summary(job->store)->n_chunks >= 3);
            skimp_job_destroy(job);
            if (expected == NULL) {
                expected = model;
            } else {
                assert_same_models(expected, model);
                skimp_model_destroy(model);
            }
        }
        assert_true(was_on_disk);
        skimp_model_destroy(expected);
        assert_int_equal(skimpi_leaked_bytes(), 0);
    }
    assert_int_equal(count_entries(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(keeps_lanes_in_order), TEST(parts_rows), TEST(fails_as_a_whole),
                                        TEST(fits_the_same) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
