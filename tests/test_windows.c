/* SPDX-License-Identifier: BSD-3-Clause */
/* Passes in windows: every row once, in file order or in a permutation of chunks, the same for one worker and several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "reading_bench.h"

#define MOST_CHUNKS 64

/* An estimator that writes down what it is shown. */
typedef struct recorder {
    unsigned n_windows, n_chunks, largest_window;
    uint64_t chunks[MOST_CHUNKS], rows;
    double sum;
    unsigned fail_at; /* window, from 1; 0: none */
} recorder;

static skimp_status record(void *self, const skimpi_pass *pass, const skimpi_chunk *const *chunks, unsigned n,
                           void *scratch, skimp_error *error)
{
    recorder *r = self;
    (void)pass, (void)scratch;
    if (++r->n_windows == r->fail_at) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "window %u", r->n_windows);
    }
    r->largest_window = n > r->largest_window ? n : r->largest_window;
    for (unsigned k = 0; k < n; k++) {
        assert_true(r->n_chunks < MOST_CHUNKS);
        assert_true(chunks[k]->n_rows > 0);
        r->chunks[r->n_chunks++] = chunks[k]->index;
        r->rows += chunks[k]->n_rows;
        for (uint32_t i = 0; i < chunks[k]->n_rows; i++) {
            r->sum = (r->sum + chunks[k]->target[i]) * 0.999;
        }
    }
    return SKIMP_OK;
}

static skimp_status run(bench *b, unsigned window, bool shuffle, uint64_t seed, recorder *r, skimp_error *error)
{
    static const skimpi_estimator_class class = { .consume_window = record };
    skimp_status status = SKIMP_OK;
    skimpi_stage stage = { .class = &class, .fitted = r };
    const skimpi_pass pass = { .sequential = true, .shuffle = shuffle, .shuffle_seed = seed };
    skimpi_windows *windows = NULL;
    SKIMPI_TRY(skimpi_windows_create(&windows, &b->reading, window, error));
    SKIMPI_TRY(skimpi_windows_pass(windows, &stage, &pass, NULL, error));
out:
    skimpi_windows_destroy(windows);
    return status;
}

static void shows_every_row_once(void **state)
{
    (void)state;
    static const unsigned threads[] = { 1, 2, 5 }, sizes[] = { 1, 2, 3, 7, 100 };
    recorder expected[5][3];
    skimp_error error = SKIMP_ERROR_INIT;
    write_table("t.csv", (table_options){ .rows = 60000, .columns = 4 });
    for (unsigned t = 0; t < 3; t++) {
        bench b = { 0 };
        begin_bench(&b, SKIMPI_PLACE_SPILL, threads[t], 0);
        assert_true(b.n_chunks >= 5 && b.n_chunks <= MOST_CHUNKS);
        for (unsigned w = 0; w < 5; w++) {
            for (unsigned order = 0; order < 3; order++) { /* of the file, and two permutations */
                recorder r = { 0 };
                bool seen[MOST_CHUNKS] = { false };
                assert_ok(run(&b, sizes[w], order > 0, order, &r, &error));
                assert_int_equal(r.rows, 60000);
                assert_int_equal(r.n_chunks, b.n_chunks);
                assert_true(r.largest_window <= sizes[w]);
                for (unsigned k = 0; k < r.n_chunks; k++) {
                    assert_false(seen[r.chunks[k]]);
                    seen[r.chunks[k]] = true;
                    assert_true(order > 0 || r.chunks[k] == k);
                }
                if (t == 0) {
                    expected[w][order] = r;
                }
                assert_memory_equal(&expected[w][order], &r, sizeof r);
            }
            assert_true(memcmp(expected[w][1].chunks, expected[w][2].chunks, sizeof expected[w][1].chunks) != 0);
            assert_true(memcmp(expected[w][0].chunks, expected[w][1].chunks, sizeof expected[w][1].chunks) != 0);
            /* The order of the chunks does not depend on the window. */
            assert_memory_equal(expected[w][1].chunks, expected[0][1].chunks, sizeof expected[0][1].chunks);
        }
        end_bench(&b);
    }
}

/* With nearly all rows held out, chunks without rows are not shown. */
static void leaves_out_empty_chunks(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    bench b = { 0 };
    recorder r = { 0 };
    uint64_t kept = 0;
    write_table("t.csv", (table_options){ .rows = 60000, .columns = 4 });
    for (unsigned row = 0; row < 60000; row++) {
        kept += !skimpi_held_out(row, 0, 0.99995);
    }
    assert_true(kept > 0 && kept < 20);
    begin_bench(&b, SKIMPI_PLACE_SPILL, 2, 0.99995);
    assert_ok(run(&b, 3, false, 0, &r, &error));
    assert_int_equal(r.rows, kept);
    assert_true(r.n_chunks < b.n_chunks);
    end_bench(&b);
}

static void fails_as_a_whole(void **state)
{
    (void)state;
    bench b = { 0 };
    write_table("t.csv", (table_options){ .rows = 60000, .columns = 4 });
    for (unsigned threads = 1; threads <= 3; threads++) {
        begin_bench(&b, SKIMPI_PLACE_SPILL, threads, 0);
        for (unsigned at = 1; at <= b.n_chunks; at++) {
            skimp_error error = SKIMP_ERROR_INIT;
            recorder r = { .fail_at = at };
            assert_int_equal(run(&b, 1, true, 1, &r, &error), SKIMP_ERROR_DATA);
            assert_int_equal(r.n_windows, at);
        }
        skimp_error error = SKIMP_ERROR_INIT;
        recorder r = { 0 };
        assert_ok(run(&b, 2, true, 1, &r, &error));
        atomic_store(&b.job->stop, 1);
        assert_int_equal(run(&b, 2, true, 1, &r, &error), SKIMP_ERROR_CANCELLED);
        end_bench(&b);
    }
}

static void bears_faults(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    bench b = { 0 };
    write_table("t.csv", (table_options){ .rows = 60000, .columns = 4 });
    begin_bench(&b, SKIMPI_PLACE_SPILL, 2, 0);
    const uint64_t before = skimp_budget_in_use(b.job->budget);
    for (uint64_t nth = 1;; nth++) {
        recorder r = { 0 };
        skimpi_fault_set(nth, false);
        const skimp_status status = run(&b, 2, true, 1, &r, &error);
        const uint64_t made = skimpi_fault_set(0, false);
        assert_int_equal(skimp_budget_in_use(b.job->budget), before);
        if (made < nth) {
            assert_int_equal(status, SKIMP_OK);
            assert_true(nth > 5);
            break;
        }
        assert_int_equal(status, SKIMP_ERROR_NOMEM);
    }
    end_bench(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(shows_every_row_once), TEST(leaves_out_empty_chunks),
                                        TEST(fails_as_a_whole), TEST(bears_faults) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
