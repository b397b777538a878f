/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every room uses: failing, checked sizes, text buffers, thread pool, random numbers, fault injection.
 * The budget itself is public: skimp/budget.h.
 */
#ifndef SKIMPI_BASE_H
#define SKIMPI_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skimp/budget.h"
#include "skimp/status.h"

/* ---- failing ------------------------------------------------------------------------------------------------- */

/* Sets code and message, unless a deeper failure already did (error->code != SKIMP_OK), and returns the code. */
SKIMP_CHECKED skimp_status skimpi_fail(skimp_error *error, skimp_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with a place: file may be NULL, row 0, column NULL.  The message is prefixed "file:row: column 'name': " as far as known. */
SKIMP_CHECKED skimp_status skimpi_fail_at(skimp_error *error, skimp_status code, const char *file, uint64_t row,
                                          const char *column, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

#define SKIMPI_TRY(expr)                                                                                               \
    do {                                                                                                               \
        status = (expr);                                                                                               \
        if (status != SKIMP_OK) {                                                                                      \
            goto out;                                                                                                  \
        }                                                                                                              \
    } while (0)

/* ---- sizes --------------------------------------------------------------------------------------------------- */

static inline size_t skimpi_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}
static inline uint64_t skimpi_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t skimpi_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
/* a × b and a + b, or UINT64_MAX when they overflow (which no budget allows). */
uint64_t skimpi_mul_sat(uint64_t a, uint64_t b);
uint64_t skimpi_add_sat(uint64_t a, uint64_t b);

/* ---- growable block: one tag, one budget, doubling --------------------------------------------------------------- */

typedef struct skimpi_buffer {
    skimp_budget *budget;
    skimp_tag tag;
    void *data;
    size_t capacity; /* bytes */
    size_t length;   /* bytes in use */
} skimpi_buffer;

static inline void skimpi_buffer_init(skimpi_buffer *b, skimp_budget *budget, skimp_tag tag)
{
    *b = (skimpi_buffer){ .budget = budget, .tag = tag };
}
/* Makes room for at least `bytes` in all (exactly that the first time; at least 1.5 times as much as before later). */
SKIMP_CHECKED skimp_status skimpi_buffer_reserve(skimpi_buffer *b, size_t bytes, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_buffer_append(skimpi_buffer *b, const void *bytes, size_t n, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_buffer_printf(skimpi_buffer *b, skimp_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void skimpi_buffer_free(skimpi_buffer *b);

/* A NUL-terminated copy of a string, length n; free with skimpi_string_free. */
SKIMP_CHECKED skimp_status skimpi_string_copy(skimp_budget *budget, skimp_tag tag, const char *text, size_t n,
                                              char **out, skimp_error *error);
void skimpi_string_free(skimp_budget *budget, skimp_tag tag, char *text);

/* ---- threads --------------------------------------------------------------------------------------------------- */

typedef struct skimpi_pool skimpi_pool;

/*
 * A pool of n_threads workers: n_threads - 1 threads and the caller.  Stacks (SKIMPI_STACK_BYTES of address space) are
 * charged under "threads" at SKIMPI_STACK_CHARGE, the measured bound of what a worker touches.  Signals are blocked in
 * the threads that it makes.  Where the system refuses a thread, the pool has fewer workers.
 */
#define SKIMPI_STACK_BYTES (256u << 10)
#define SKIMPI_STACK_CHARGE (48u << 10)
SKIMP_CHECKED skimp_status skimpi_pool_create(skimpi_pool **out, skimp_budget *budget, unsigned n_threads,
                                              skimp_error *error);
uint64_t skimpi_pool_bytes(unsigned n_threads); /* what create charges, at most */
void skimpi_pool_destroy(skimpi_pool *pool);
unsigned skimpi_pool_size(const skimpi_pool *pool);

/*
 * Runs work(context, worker, error) on all workers 0 … size-1, the caller being 0, and waits for all.  Returns the
 * failure of the lowest-numbered worker that failed, with its error record.  Work must watch a shared flag itself if
 * the failure of one is to stop the others.
 */
typedef skimp_status skimpi_work_fn(void *context, unsigned worker, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_pool_run(skimpi_pool *pool, skimpi_work_fn *work, void *context, skimp_error *error);
/*
 * Shares: every worker's buffers are planned, so every worker is to have some of the work, also where two could do all of it
 * before the others are awake.  Within a run a worker calls _ask before it claims work, and _got as soon as it has claimed
 * some, before it waits for others: the second _ask of a worker returns when each of the others has got some or is done.
 */
void skimpi_pool_ask(skimpi_pool *pool, unsigned worker);
void skimpi_pool_got(skimpi_pool *pool, unsigned worker);

/* Ordered turns among workers: wait until `turn` comes up (or the sequence is broken by a failure: returns false). */
typedef struct skimpi_turns skimpi_turns;
SKIMP_CHECKED skimp_status skimpi_turns_create(skimpi_turns **out, skimp_budget *budget, skimp_error *error);
void skimpi_turns_destroy(skimpi_turns *turns);
bool skimpi_turns_wait(skimpi_turns *turns, uint64_t turn); /* false: broken */
void skimpi_turns_pass(skimpi_turns *turns, uint64_t turn); /* turn + 1 may go */
void skimpi_turns_break(skimpi_turns *turns);               /* wakes all, who then see false */
void skimpi_turns_reset(skimpi_turns *turns);               /* turn 0, unbroken; no one may wait */

/* ---- random: xoshiro256++ seeded by splitmix64 (Blackman & Vigna 2021) ------------------------------------------- */

typedef struct skimpi_random {
    uint64_t s[4];
} skimpi_random;
void skimpi_random_seed(skimpi_random *r, uint64_t seed);
uint64_t skimpi_random_u64(skimpi_random *r);
double skimpi_random_double(skimpi_random *r);                  /* uniform in [0, 1) */
uint64_t skimpi_random_below(skimpi_random *r, uint64_t bound); /* uniform in [0, bound), unbiased (Lemire) */

/* A hash of an integer (splitmix64's finaliser): row hashes for hold-outs, independent of order and threads. */
static inline uint64_t skimpi_mix64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* ---- budgets ---------------------------------------------------------------------------------------------------- */

/*
 * Makes a budget below others one of its own: what is charged to it, all of which came through it, leaves the charge of the
 * others.  Nothing may reclaim for it, and no one else may use it meanwhile.
 */
void skimpi_budget_detach(skimp_budget *budget);
/* Another limit of its own, hard and soft: under what is in use, nothing more is given until that is less. */
void skimpi_budget_set_limit(skimp_budget *budget, uint64_t limit);
/* Gives pages of freed blocks, which malloc keeps, back to the system. */
void skimpi_budget_trim(void);

/* ---- fault injection (tests) --------------------------------------------------------------------------------------
 * Fails the n-th allocation or charge from now (1 is the next), once or for good; 0 switches it off.  Returns how many
 * were made since the last call.  Exported from the library for tests only.
 */
SKIMP_API uint64_t skimpi_fault_set(uint64_t nth, bool for_good);
bool skimpi_fault_hit(void); /* the budget asks this before every allocation and charge; true: fail */

#endif
