/* SPDX-License-Identifier: BSD-3-Clause */
/* Worker threads and turns: all work, once; whose failure is told; order; breaking; what a thread's stack takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

static skimp_budget *budget;

static int make_budget(void **state)
{
    (void)state;
    skimp_budget_options options = { .size = sizeof(options) };
    return skimp_budget_create(&budget, &options, NULL) != SKIMP_OK;
}

static int end_budget(void **state)
{
    (void)state;
    return skimp_budget_destroy(budget) != 0;
}

typedef struct tally {
    atomic_uint seen[64];
    unsigned failing_from; /* workers from this one on fail */
    skimpi_pool *pool;
    skimpi_turns *turns;
    unsigned workers;
    unsigned next; /* guarded by the turns alone: a race would be seen by the thread sanitizer */
    atomic_uint broken;
} tally;

static skimp_status count_me(void *context, unsigned worker, skimp_error *error)
{
    tally *t = context;
    atomic_fetch_add(&t->seen[worker], 1);
    if (worker >= t->failing_from) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, "f", worker, NULL, "worker %u", worker);
    }
    return SKIMP_OK;
}

static void all_workers_work_once_a_run(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= 9; size += 2) {
        tally t = { .failing_from = 99 };
        skimpi_pool *pool;
        assert_int_equal(skimpi_pool_create(&pool, budget, size, NULL), SKIMP_OK);
        assert_int_equal(skimpi_pool_size(pool), size);
        for (unsigned run = 1; run <= 200; run++) {
            assert_int_equal(skimpi_pool_run(pool, count_me, &t, NULL), SKIMP_OK);
            for (unsigned i = 0; i < 64; i++) {
                assert_int_equal(atomic_load(&t.seen[i]), i < size ? run : 0);
            }
        }
        skimpi_pool_destroy(pool);
    }
}

/* Workers claim pieces of work until there are none; some claim late, some never. */
static skimp_status take_pieces(void *context, unsigned worker, skimp_error *error)
{
    tally *t = context;
    (void)error;
    if (worker >= t->failing_from) {
        return SKIMP_OK; /* done, without ever having asked */
    }
    for (unsigned taken = 0;; taken++) {
        if (worker == 3 && taken == 0) {
            usleep(2000);
        }
        skimpi_pool_ask(t->pool, worker);
        if (atomic_fetch_add(&t->broken, 1) >= t->next) {
            return SKIMP_OK;
        }
        skimpi_pool_got(t->pool, worker);
        atomic_fetch_add(&t->seen[worker], 1);
    }
}

static void every_worker_gets_a_share(void **state)
{
    (void)state;
    for (unsigned pieces = 0; pieces <= 60; pieces += 5) {
        for (unsigned workers = 4; workers <= 5; workers++) {
            tally t = { .failing_from = workers, .next = pieces };
            assert_int_equal(skimpi_pool_create(&t.pool, budget, 5, NULL), SKIMP_OK);
            assert_int_equal(skimpi_pool_run(t.pool, take_pieces, &t, NULL), SKIMP_OK);
            unsigned all = 0;
            for (unsigned i = 0; i < 5; i++) {
                const unsigned seen = atomic_load(&t.seen[i]);
                all += seen;
                assert_true(i >= workers || pieces < workers || seen > 0);
            }
            assert_int_equal(all, pieces);
            skimpi_pool_destroy(t.pool);
        }
    }
}

static void the_lowest_failure_is_told(void **state)
{
    (void)state;
    tally t = { .failing_from = 2 };
    skimpi_pool *pool;
    assert_int_equal(skimpi_pool_create(&pool, budget, 5, NULL), SKIMP_OK);
    for (int i = 0; i < 50; i++) {
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(skimpi_pool_run(pool, count_me, &t, &error), SKIMP_ERROR_DATA);
        assert_int_equal(error.row, 2);
        assert_string_equal(error.message, "f:2: worker 2");
    }
    assert_int_equal(skimpi_pool_run(pool, count_me, &t, NULL), SKIMP_ERROR_DATA);
    /* A run that goes well after one that failed goes well. */
    t.failing_from = 99;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_pool_run(pool, count_me, &t, &error), SKIMP_OK);
    assert_int_equal(error.code, SKIMP_OK);
    skimpi_pool_destroy(pool);
}

static skimp_status run_again(void *context, unsigned worker, skimp_error *error)
{
    tally *t = context;
    return worker == 0 ? skimpi_pool_run(t->pool, count_me, t, error) : SKIMP_OK;
}

static void a_run_inside_a_run_is_refused(void **state)
{
    (void)state;
    tally t = { .failing_from = 99 };
    assert_int_equal(skimpi_pool_create(&t.pool, budget, 2, NULL), SKIMP_OK);
    assert_int_equal(skimpi_pool_run(t.pool, run_again, &t, NULL), SKIMP_ERROR_INTERNAL);
    skimpi_pool_destroy(t.pool);
}

static skimp_status signals_blocked(void *context, unsigned worker, skimp_error *error)
{
    (void)context;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    bool blocked = sigismember(&now, SIGINT) == 1 && sigismember(&now, SIGTERM) == 1;
    return blocked == (worker != 0) ? SKIMP_OK : skimpi_fail(error, SKIMP_ERROR_INTERNAL, "worker %u", worker);
}

static void signals_are_for_the_caller(void **state)
{
    (void)state;
    skimpi_pool *pool;
    assert_int_equal(skimpi_pool_create(&pool, budget, 3, NULL), SKIMP_OK);
    assert_int_equal(skimpi_pool_run(pool, signals_blocked, NULL, NULL), SKIMP_OK);
    skimpi_pool_destroy(pool);
}

static void charges_and_gives_back(void **state)
{
    (void)state;
    uint64_t before = skimp_budget_in_use(budget);
    skimpi_pool *pool;
    assert_int_equal(skimpi_pool_create(&pool, budget, 4, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_THREADS), skimpi_pool_bytes(4));
    assert_in_range(skimpi_pool_bytes(4), 3 * SKIMPI_STACK_CHARGE, 3 * SKIMPI_STACK_CHARGE + 16384);
    skimpi_pool_destroy(pool);
    assert_int_equal(skimp_budget_in_use(budget), before);
    skimpi_pool_destroy(NULL);
    skimpi_turns_destroy(NULL);
    assert_int_equal(skimpi_pool_create(&pool, budget, 0, NULL), SKIMP_ERROR_PARAM);
    assert_null(pool);

    skimp_budget *tight;
    skimp_budget_options options = { .size = sizeof(options), .limit = 2 * SKIMPI_STACK_CHARGE };
    assert_int_equal(skimp_budget_create(&tight, &options, NULL), SKIMP_OK);
    before = skimp_budget_in_use(tight);
    assert_int_equal(skimpi_pool_create(&pool, tight, 9, NULL), SKIMP_ERROR_BUDGET);
    assert_null(pool);
    assert_int_equal(skimp_budget_in_use(tight), before);
    assert_int_equal(skimp_budget_destroy(tight), 0);
}

/* In a child that is nobody (root may have any number of threads) and may have no more threads than there are: of 4, some. */
static int work_with_threads_refused(rlim_t most)
{
    const struct rlimit limit = { most, most };
    const uint64_t before = skimp_budget_in_use(budget);
    skimpi_pool *pool;
    tally t = { .failing_from = 99 };
    if ((getuid() == 0 && setuid(54321) != 0) || setrlimit(RLIMIT_NPROC, &limit) != 0) {
        return 77;
    }
    if (skimpi_pool_create(&pool, budget, 4, NULL) != SKIMP_OK) {
        return 1;
    }
    const unsigned size = skimpi_pool_size(pool);
    const uint64_t charged = skimp_budget_tag_in_use(budget, SKIMP_TAG_THREADS);
    if (size >= 4 || charged < (size - 1) * SKIMPI_STACK_CHARGE || charged > (size - 1) * SKIMPI_STACK_CHARGE + 16384) {
        return 2;
    }
    if (skimpi_pool_run(pool, count_me, &t, NULL) != SKIMP_OK) {
        return 3;
    }
    for (unsigned w = 0; w < 64; w++) {
        if (atomic_load(&t.seen[w]) != (w < size)) {
            return 4;
        }
    }
    skimpi_pool_destroy(pool);
    return skimp_budget_in_use(budget) == before ? 0 : 5;
}

static void goes_on_with_the_threads_there_are(void **state)
{
    (void)state;
    for (rlim_t most = 1; most <= 3; most++) {
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            _exit(work_with_threads_refused(most));
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77) {
            skip();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void every_failed_allocation_is_clean(void **state)
{
    (void)state;
    uint64_t before = skimp_budget_in_use(budget);
    for (uint64_t nth = 1; nth <= 3; nth++) {
        skimpi_pool *pool;
        skimpi_turns *turns;
        skimpi_fault_set(nth, false);
        skimp_status status = skimpi_pool_create(&pool, budget, 3, NULL);
        assert_int_equal(status, nth <= 2 ? SKIMP_ERROR_NOMEM : SKIMP_OK);
        assert_true((pool == NULL) == (nth <= 2));
        if (nth == 3) {
            assert_int_equal(skimpi_turns_create(&turns, budget, NULL), SKIMP_ERROR_NOMEM);
            assert_null(turns);
        }
        skimpi_pool_destroy(pool);
        assert_int_equal(skimp_budget_in_use(budget), before);
    }
    skimpi_fault_set(0, false);
}

/* What of its stack a worker has touched when it formats messages, the deepest thing that all workers may do. */
static skimp_status measure_stack(void *context, unsigned worker, skimp_error *error)
{
    size_t *touched = context;
    skimp_error inner = SKIMP_ERROR_INIT;
    void *block;
    (void)error;
    skimp_status status = skimpi_fail_at(&inner, SKIMP_ERROR_DATA, "file", 1, "column", "%.17g %s", 0.1, "text");
    assert_int_equal(status, SKIMP_ERROR_DATA);
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_OTHER, 1, 100, &block, NULL), SKIMP_OK);
    skimp_free(budget, SKIMP_TAG_OTHER, block, 1, 100);
    if (worker != 0) {
        pthread_attr_t attributes;
        void *stack;
        size_t bytes;
        unsigned char resident[4096];
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        assert_int_equal(pthread_getattr_np(pthread_self(), &attributes), 0);
        pthread_attr_getstack(&attributes, &stack, &bytes);
        pthread_attr_destroy(&attributes);
        assert_int_equal(mincore(stack, bytes, resident), 0);
        for (size_t i = 0; i < bytes / page; i++) {
            touched[worker] += resident[i] & 1 ? page : 0;
        }
    }
    return SKIMP_OK;
}

static void a_worker_stays_within_its_charge(void **state)
{
    (void)state;
    size_t touched[4] = { 0 };
    skimpi_pool *pool;
    assert_int_equal(skimpi_pool_create(&pool, budget, 4, NULL), SKIMP_OK);
    assert_int_equal(skimpi_pool_run(pool, measure_stack, touched, NULL), SKIMP_OK);
    skimpi_pool_destroy(pool);
    for (int i = 1; i < 4; i++) {
        print_message("worker %d touched %zu KiB of its stack\n", i, touched[i] >> 10);
        assert_true(touched[i] > 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        /* Half of the charge is for this; the rest is for the work, and malloc's bookkeeping for the thread. */
        assert_true(touched[i] <= SKIMPI_STACK_CHARGE / 2);
#endif
    }
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

static skimp_status in_turn(void *context, unsigned worker, skimp_error *error)
{
    tally *t = context;
    for (unsigned turn = worker; turn < 2000; turn += t->workers) {
        if (!skimpi_turns_wait(t->turns, turn)) {
            return skimpi_fail(error, SKIMP_ERROR_CANCELLED, "broken");
        }
        if (t->next != turn) {
            return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "turn %u came at %u", turn, t->next);
        }
        t->next++;
        skimpi_turns_pass(t->turns, turn);
    }
    return SKIMP_OK;
}

static void turns_come_in_order(void **state)
{
    (void)state;
    for (unsigned size = 1; size <= 5; size += 2) {
        tally t = { .workers = size };
        assert_int_equal(skimpi_pool_create(&t.pool, budget, size, NULL), SKIMP_OK);
        assert_int_equal(skimpi_turns_create(&t.turns, budget, NULL), SKIMP_OK);
        for (int i = 0; i < 3; i++) {
            t.next = 0;
            assert_int_equal(skimpi_pool_run(t.pool, in_turn, &t, NULL), SKIMP_OK);
            assert_int_equal(t.next, 2000);
            skimpi_turns_reset(t.turns);
        }
        skimpi_turns_destroy(t.turns);
        skimpi_pool_destroy(t.pool);
    }
}

static skimp_status wait_for_ever(void *context, unsigned worker, skimp_error *error)
{
    tally *t = context;
    (void)error;
    if (worker == 2) {
        skimpi_turns_break(t->turns);
    } else if (!skimpi_turns_wait(t->turns, worker + 100)) {
        atomic_fetch_add(&t->broken, 1);
    }
    return SKIMP_OK;
}

static void breaking_wakes_all(void **state)
{
    (void)state;
    tally t = { .workers = 4 };
    assert_int_equal(skimpi_pool_create(&t.pool, budget, 4, NULL), SKIMP_OK);
    assert_int_equal(skimpi_turns_create(&t.turns, budget, NULL), SKIMP_OK);
    assert_int_equal(skimpi_pool_run(t.pool, wait_for_ever, &t, NULL), SKIMP_OK);
    assert_int_equal(atomic_load(&t.broken), 3);
    assert_false(skimpi_turns_wait(t.turns, 0)); /* broken is broken, whoever's turn it is */
    skimpi_turns_pass(t.turns, 0);
    assert_false(skimpi_turns_wait(t.turns, 1));
    skimpi_turns_reset(t.turns);
    assert_true(skimpi_turns_wait(t.turns, 0));
    skimpi_turns_destroy(t.turns);
    skimpi_pool_destroy(t.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_workers_work_once_a_run, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(every_worker_gets_a_share, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(the_lowest_failure_is_told, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(a_run_inside_a_run_is_refused, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(signals_are_for_the_caller, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(charges_and_gives_back, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(goes_on_with_the_threads_there_are, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(every_failed_allocation_is_clean, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(a_worker_stays_within_its_charge, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(turns_come_in_order, make_budget, end_budget),
        cmocka_unit_test_setup_teardown(breaking_wakes_all, make_budget, end_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
