/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Worker threads and ordered turns.  A pool lives as long as a job; its threads sleep between runs.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/base.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SANITIZED)
#define STACK_BYTES (8 * (size_t)SKIMPI_STACK_BYTES) /* sanitizers make frames several times larger */
#else
#define STACK_BYTES ((size_t)SKIMPI_STACK_BYTES)
#endif

typedef struct worker {
    skimpi_pool *pool;
    pthread_t thread;
    unsigned index;
    bool has_share; /* of the current run; its own business */
    skimp_status status;
    skimp_error error;
} worker;

struct skimpi_pool {
    skimp_budget *budget;
    unsigned size;
    unsigned wanted;  /* workers that there is room for; the system may refuse some */
    unsigned started; /* threads that exist */
    pthread_mutex_t lock;
    pthread_cond_t start;
    pthread_cond_t done;
    pthread_cond_t shared;
    atomic_uint waited_for; /* workers that have no share yet; changed under the lock */
    uint64_t run;           /* number of the current run: a thread works once for each */
    unsigned busy;
    bool ending;
    bool running;
    skimpi_work_fn *work;
    void *context;
    worker workers[];
};

static void do_work(worker *w)
{
    w->error = (skimp_error)SKIMP_ERROR_INIT;
    w->has_share = false;
    w->status = w->pool->work(w->pool->context, w->index, &w->error);
    skimpi_pool_got(w->pool, w->index);
}

static void *thread_main(void *argument)
{
    worker *w = argument;
    skimpi_pool *pool = w->pool;
    uint64_t seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->run == seen && !pool->ending) {
            pthread_cond_wait(&pool->start, &pool->lock);
        }
        if (pool->ending) {
            break;
        }
        seen = pool->run;
        pthread_mutex_unlock(&pool->lock);
        do_work(w);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0) {
            pthread_cond_signal(&pool->done);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/*
 * Starts the threads with every signal blocked: signals are for the caller's thread.  The pool is as large as the system
 * lets it become: where it refuses a thread, those that there are do the work.
 */
static void start_threads(skimpi_pool *pool)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) == 0) {
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int failure = pthread_attr_setstacksize(&attributes, STACK_BYTES);
        while (failure == 0 && pool->started + 1 < pool->wanted) {
            worker *w = &pool->workers[pool->started + 1];
            failure = pthread_create(&w->thread, &attributes, thread_main, w);
            pool->started += failure == 0;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
    }
    pool->size = pool->started + 1;
}

static size_t block_bytes(unsigned n_threads)
{
    return sizeof(skimpi_pool) + n_threads * sizeof(worker);
}

static uint64_t stack_charge(unsigned n_threads)
{
    return (uint64_t)(n_threads - 1) * SKIMPI_STACK_CHARGE;
}

uint64_t skimpi_pool_bytes(unsigned n_threads)
{
    return skimp_alloc_cost(block_bytes(n_threads)) + stack_charge(n_threads);
}

skimp_status skimpi_pool_create(skimpi_pool **out, skimp_budget *budget, unsigned n_threads, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block = NULL;
    *out = NULL;
    if (n_threads == 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "a pool needs at least one thread");
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_THREADS, block_bytes(n_threads), 1, &block, error));
    SKIMPI_TRY(skimp_budget_charge(budget, SKIMP_TAG_THREADS, stack_charge(n_threads), error));

    skimpi_pool *pool = block;
    pool->budget = budget;
    pool->wanted = n_threads;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->start, NULL);
    pthread_cond_init(&pool->done, NULL);
    pthread_cond_init(&pool->shared, NULL);
    for (unsigned i = 0; i < n_threads; i++) {
        pool->workers[i].pool = pool;
        pool->workers[i].index = i;
    }
    start_threads(pool);
    skimp_budget_uncharge(budget, SKIMP_TAG_THREADS, stack_charge(n_threads) - stack_charge(pool->size));
    *out = pool;
    block = NULL;
out:
    skimp_free(budget, SKIMP_TAG_THREADS, block, block_bytes(n_threads), 1);
    return status;
}

void skimpi_pool_destroy(skimpi_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 1; i <= pool->started; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&pool->shared);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->start);
    pthread_mutex_destroy(&pool->lock);
    skimp_budget_uncharge(pool->budget, SKIMP_TAG_THREADS, stack_charge(pool->size));
    skimp_free(pool->budget, SKIMP_TAG_THREADS, pool, block_bytes(pool->wanted), 1);
}

unsigned skimpi_pool_size(const skimpi_pool *pool)
{
    return pool->size;
}

skimp_status skimpi_pool_run(skimpi_pool *pool, skimpi_work_fn *work, void *context, skimp_error *error)
{
    pthread_mutex_lock(&pool->lock);
    bool nested = pool->running;
    if (!nested) {
        pool->running = true;
        pool->work = work;
        pool->context = context;
        pool->busy = pool->started;
        atomic_store(&pool->waited_for, pool->size);
        pool->run++;
        pthread_cond_broadcast(&pool->start);
    }
    pthread_mutex_unlock(&pool->lock);
    if (nested) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "a pool was asked to run inside its own run");
    }

    do_work(&pool->workers[0]);

    pthread_mutex_lock(&pool->lock);
    while (pool->busy != 0) {
        pthread_cond_wait(&pool->done, &pool->lock);
    }
    pool->running = false;
    pthread_mutex_unlock(&pool->lock);

    for (unsigned i = 0; i < pool->size; i++) {
        worker *w = &pool->workers[i];
        if (w->status != SKIMP_OK) {
            if (error != NULL && error->code == SKIMP_OK) {
                *error = w->error;
            }
            return w->status;
        }
    }
    return SKIMP_OK;
}

void skimpi_pool_ask(skimpi_pool *pool, unsigned index)
{
    if (!pool->workers[index].has_share || atomic_load(&pool->waited_for) == 0) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->waited_for) != 0) {
        pthread_cond_wait(&pool->shared, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

void skimpi_pool_got(skimpi_pool *pool, unsigned index)
{
    if (pool->workers[index].has_share) {
        return;
    }
    pool->workers[index].has_share = true;
    pthread_mutex_lock(&pool->lock);
    if (atomic_fetch_sub(&pool->waited_for, 1) == 1) {
        pthread_cond_broadcast(&pool->shared);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

struct skimpi_turns {
    skimp_budget *budget;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t next;
    bool broken;
};

skimp_status skimpi_turns_create(skimpi_turns **out, skimp_budget *budget, skimp_error *error)
{
    void *block;
    skimp_status status = skimp_alloc(budget, SKIMP_TAG_THREADS, 1, sizeof(skimpi_turns), &block, error);
    *out = block;
    if (status == SKIMP_OK) {
        (*out)->budget = budget;
        pthread_mutex_init(&(*out)->lock, NULL);
        pthread_cond_init(&(*out)->changed, NULL);
    }
    return status;
}

void skimpi_turns_destroy(skimpi_turns *turns)
{
    if (turns != NULL) {
        pthread_cond_destroy(&turns->changed);
        pthread_mutex_destroy(&turns->lock);
        skimp_free(turns->budget, SKIMP_TAG_THREADS, turns, 1, sizeof(*turns));
    }
}

bool skimpi_turns_wait(skimpi_turns *turns, uint64_t turn)
{
    pthread_mutex_lock(&turns->lock);
    while (turns->next < turn && !turns->broken) {
        pthread_cond_wait(&turns->changed, &turns->lock);
    }
    bool whole = !turns->broken;
    pthread_mutex_unlock(&turns->lock);
    return whole;
}

static void change(skimpi_turns *turns, uint64_t next, bool broken)
{
    pthread_mutex_lock(&turns->lock);
    turns->next = next;
    turns->broken = broken;
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->lock);
}

void skimpi_turns_pass(skimpi_turns *turns, uint64_t turn)
{
    pthread_mutex_lock(&turns->lock);
    turns->next = skimpi_max_u64(turns->next, turn + 1);
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->lock);
}

void skimpi_turns_break(skimpi_turns *turns)
{
    change(turns, 0, true);
}

void skimpi_turns_reset(skimpi_turns *turns)
{
    change(turns, 0, false);
}
