/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The budget: ledger, limits, reclaim, and the only calls of the malloc family in libskimp.
 *
 * Ledger.  A charge goes to the budget named and to each of its ancestors, under one lock that the whole family shares
 * (the root's), so that a charge is made at every level or at none, and a request that will be refused is never seen
 * half made by another thread.  The numbers are atomics only so that they can be read without the lock.
 *
 * Blocks.  What a block is charged at is a function of its size alone (skimp_alloc_cost), never less than what the
 * system uses for it: a plan that adds up costs is exact.
 *   from 64 KiB    whole pages, mapped; resized by remapping (no copy, both sizes are never held at once)
 *   from 4 KiB     malloc, aligned to a cache line
 *   below          malloc
 * Freed small blocks stay with malloc, uncounted; so when much less is in use than was, malloc is told to give whole
 * pages back.  KEPT_BYTES bounds what stays resident uncounted, fragments of pages aside (malloc's cache for a thread
 * keeps up to seven blocks of each size below 1 KiB).  The host's malloc settings are left alone.
 */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/os.h"

#define MAPPED_FROM ((size_t)64 << 10)
#define ALIGNED_FROM ((size_t)4 << 10)
#define KEPT_BYTES ((int64_t)512 << 10)

typedef struct reclaimer {
    struct reclaimer *next;
    skimp_budget *budget;
    skimp_reclaim_fn *reclaim;
    void *context;
    bool spent; /* was asked in this round */
} reclaimer;

struct skimp_budget {
    skimp_budget *parent;
    skimp_budget *root;
    atomic_uint_fast64_t limit; /* UINT64_MAX: none */
    atomic_uint_fast64_t soft_limit;
    atomic_uint_fast64_t in_use;
    atomic_uint_fast64_t peak;
    atomic_uint_fast64_t tag_in_use[SKIMP_TAG_COUNT];
    atomic_uint_fast64_t tag_peak[SKIMP_TAG_COUNT];
    uint64_t reclaimer_bytes; /* charged for the reclaimers registered here; under `round` */
    /* Used in the root alone. */
    pthread_mutex_t ledger;
    pthread_mutex_t round; /* held by the one thread that reclaims; guards the list */
    reclaimer *reclaimers;
};

/* The root of the family in which this thread is reclaiming: what it allocates meanwhile may use up to the hard limit. */
static _Thread_local const skimp_budget *reclaiming;

/* Bytes of small blocks, now and at most since memory was last given back, in the whole process. */
static atomic_int_fast64_t small_in_use;
static atomic_int_fast64_t small_high;

const char *skimp_tag_name(skimp_tag tag)
{
    static const char *const names[SKIMP_TAG_COUNT] = {
        [SKIMP_TAG_PROGRAM] = "program",
        [SKIMP_TAG_THREADS] = "threads",
        [SKIMP_TAG_INPUT] = "input",
        [SKIMP_TAG_PARSE] = "parse",
        [SKIMP_TAG_CATEGORIES] = "categories",
        [SKIMP_TAG_STORE] = "store",
        [SKIMP_TAG_CHUNKS] = "chunks",
        [SKIMP_TAG_STATISTICS] = "statistics",
        [SKIMP_TAG_ACCUMULATORS] = "accumulators",
        [SKIMP_TAG_SOLVER] = "solver",
        [SKIMP_TAG_MODEL] = "model",
        [SKIMP_TAG_OUTPUT] = "output",
        [SKIMP_TAG_OTHER] = "other",
    };
    return (unsigned)tag < SKIMP_TAG_COUNT ? names[tag] : "other";
}

/* ---- ledger ------------------------------------------------------------------------------------------------------ */

static uint64_t load(const atomic_uint_fast64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void store(atomic_uint_fast64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

static void raise_by(atomic_uint_fast64_t *value, atomic_uint_fast64_t *peak, uint64_t bytes)
{
    uint64_t now = load(value) + bytes;
    store(value, now);
    if (now > load(peak)) {
        store(peak, now);
    }
}

/* The level nearest to the budget at which `bytes` more would pass the limit (soft or hard), or NULL. Needs the lock. */
static skimp_budget *refusing_level(skimp_budget *budget, uint64_t bytes, bool soft)
{
    for (skimp_budget *level = budget; level != NULL; level = level->parent) {
        uint64_t limit = load(soft ? &level->soft_limit : &level->limit);
        uint64_t in_use = load(&level->in_use);
        if (in_use > limit || bytes > limit - in_use) {
            return level;
        }
    }
    return NULL;
}

/* Needs the lock. */
static void enter(skimp_budget *budget, skimp_tag tag, uint64_t bytes)
{
    for (skimp_budget *level = budget; level != NULL; level = level->parent) {
        raise_by(&level->in_use, &level->peak, bytes);
        raise_by(&level->tag_in_use[tag], &level->tag_peak[tag], bytes);
    }
}

static void give_back(skimp_budget *budget, skimp_tag tag, uint64_t bytes)
{
    pthread_mutex_lock(&budget->root->ledger);
    for (skimp_budget *level = budget; level != NULL; level = level->parent) {
        store(&level->in_use, load(&level->in_use) - bytes);
        store(&level->tag_in_use[tag], load(&level->tag_in_use[tag]) - bytes);
    }
    pthread_mutex_unlock(&budget->root->ledger);
}

static bool belongs_to(const skimp_budget *budget, const skimp_budget *ancestor)
{
    while (budget != NULL && budget != ancestor) {
        budget = budget->parent;
    }
    return budget != NULL;
}

/* What must be given back below which budget for `bytes` more to stay under every soft limit; 0: nothing. */
static uint64_t missing(skimp_budget *budget, uint64_t bytes, skimp_budget **level)
{
    uint64_t wanted = 0;
    pthread_mutex_lock(&budget->root->ledger);
    *level = refusing_level(budget, bytes, true);
    if (*level != NULL) {
        wanted = skimpi_add_sat(load(&(*level)->in_use), bytes) - load(&(*level)->soft_limit);
    }
    pthread_mutex_unlock(&budget->root->ledger);
    return wanted;
}

/*
 * One round: each function that can help is asked at most once, the one that promises most first.  The list may change
 * in a call, so it is read afresh after each.
 */
static void reclaim(skimp_budget *budget, uint64_t bytes)
{
    skimp_budget *root = budget->root;
    if (reclaiming == root) {
        return;
    }
    pthread_mutex_lock(&root->round);
    const skimp_budget *outer = reclaiming;
    reclaiming = root;
    for (reclaimer *r = root->reclaimers; r != NULL; r = r->next) {
        r->spent = false;
    }
    skimp_budget *level;
    uint64_t wanted;
    while ((wanted = missing(budget, bytes, &level)) != 0) {
        reclaimer *best = NULL;
        uint64_t best_promise = 0;
        for (reclaimer *r = root->reclaimers; r != NULL; r = r->next) {
            uint64_t promise = r->spent || !belongs_to(r->budget, level) ? 0 : r->reclaim(r->context, 0);
            if (promise > best_promise) {
                best = r;
                best_promise = promise;
            }
        }
        if (best == NULL) {
            break;
        }
        best->spent = true;
        best->reclaim(best->context, wanted);
    }
    reclaiming = outer;
    pthread_mutex_unlock(&root->round);
}

static void format_bytes(char text[32], uint64_t bytes)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned unit = 0;
    uint64_t scale = 1;
    while (unit < 6 && bytes / scale >= 1024) {
        scale *= 1024;
        unit++;
    }
    snprintf(text, 32, bytes % scale == 0 ? "%.0f %s" : "%.1f %s", (double)bytes / (double)scale, units[unit]);
}

static skimp_status refuse(skimp_error *error, skimp_tag tag, uint64_t bytes, uint64_t in_use, uint64_t limit)
{
    char asked[32];
    char used[32];
    char allowed[32];
    format_bytes(asked, bytes);
    format_bytes(used, in_use);
    format_bytes(allowed, limit);
    if (error != NULL && error->code == SKIMP_OK) {
        error->requested = bytes;
        error->in_use = in_use;
        error->limit = limit;
    }
    return skimpi_fail(error, SKIMP_ERROR_BUDGET,
                       "the memory budget is too small: %s more for %s do not fit beside the %s in use of %s", asked,
                       skimp_tag_name(tag), used, allowed);
}

/* The system, not the budget, said no. */
static skimp_status refused_by_system(const skimp_budget *budget, skimp_error *error, skimp_tag tag, uint64_t bytes)
{
    char asked[32];
    format_bytes(asked, bytes);
    if (error != NULL && error->code == SKIMP_OK) {
        error->requested = bytes;
        error->in_use = budget != NULL ? load(&budget->in_use) : 0;
        error->limit = budget != NULL ? skimp_budget_limit(budget) : 0;
    }
    return skimpi_fail(error, SKIMP_ERROR_NOMEM, "the system refused %s of memory for %s, inside the budget", asked,
                       skimp_tag_name(tag));
}

static skimp_status charge(skimp_budget *budget, skimp_tag tag, uint64_t bytes, skimp_error *error)
{
    pthread_mutex_t *ledger = &budget->root->ledger;
    pthread_mutex_lock(ledger);
    if (refusing_level(budget, bytes, true) != NULL) {
        pthread_mutex_unlock(ledger);
        reclaim(budget, bytes);
        pthread_mutex_lock(ledger);
    }
    skimp_budget *level = refusing_level(budget, bytes, false);
    uint64_t in_use = 0;
    uint64_t limit = 0;
    if (level == NULL) {
        enter(budget, tag, bytes);
    } else {
        in_use = load(&level->in_use);
        limit = load(&level->limit);
    }
    pthread_mutex_unlock(ledger);
    return level == NULL ? SKIMP_OK : refuse(error, tag, bytes, in_use, limit);
}

skimp_status skimp_budget_charge(skimp_budget *budget, skimp_tag tag, uint64_t bytes, skimp_error *error)
{
    if (skimpi_fault_hit()) {
        return refused_by_system(budget, error, tag, bytes);
    }
    return charge(budget, tag, bytes, error);
}

void skimp_budget_uncharge(skimp_budget *budget, skimp_tag tag, uint64_t bytes)
{
    give_back(budget, tag, bytes);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

uint64_t skimp_alloc_cost(uint64_t bytes)
{
    if (bytes >= MAPPED_FROM) {
        uint64_t page = skimpi_os_page_size();
        return bytes > UINT64_MAX - page ? UINT64_MAX : skimpi_round_up(bytes, page);
    }
    /* Header, rounding to 16, and a remainder too small to be a block of its own (up to 32); for aligned blocks also
     * what is cut off in front (up to 64 and its header). */
    return bytes >= ALIGNED_FROM ? skimpi_round_up(bytes, 16) + 128
                                 : skimpi_round_up((bytes < 24 ? 24 : bytes) + 8, 16) + 16;
}

static void count_small(int64_t bytes)
{
    int_fast64_t now = atomic_fetch_add(&small_in_use, bytes) + bytes;
    int_fast64_t high = atomic_load(&small_high);
    if (bytes > 0) {
        while (now > high && !atomic_compare_exchange_weak(&small_high, &high, now)) {}
    } else if (high - now >= KEPT_BYTES && atomic_compare_exchange_strong(&small_high, &high, now)) {
        malloc_trim(0);
    }
}

void skimpi_budget_trim(void)
{
    atomic_store(&small_high, atomic_load(&small_in_use));
    malloc_trim(0);
}

static void *get_block(size_t bytes)
{
    if (bytes >= MAPPED_FROM) {
        return skimpi_os_map(skimp_alloc_cost(bytes));
    }
    void *block;
    if (bytes >= ALIGNED_FROM) {
        if (posix_memalign(&block, 64, bytes) != 0) {
            return NULL;
        }
        memset(block, 0, bytes);
    } else {
        block = calloc(1, bytes != 0 ? bytes : 1);
        if (block == NULL) {
            return NULL;
        }
    }
    count_small((int64_t)skimp_alloc_cost(bytes));
    return block;
}

static void put_block(void *block, size_t bytes)
{
    if (bytes >= MAPPED_FROM) {
        skimpi_os_unmap(block, skimp_alloc_cost(bytes));
    } else {
        free(block);
        count_small(-(int64_t)skimp_alloc_cost(bytes));
    }
}

/* Product of sizes in *bytes; PARAM when it is more than memory can hold. */
static skimp_status block_bytes(size_t count, size_t size, size_t *bytes, skimp_error *error)
{
    if (__builtin_mul_overflow(count, size, bytes) || *bytes > PTRDIFF_MAX) {
        *bytes = 0;
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%zu items of %zu bytes are more than memory can address", count,
                           size);
    }
    return SKIMP_OK;
}

skimp_status skimp_alloc(skimp_budget *budget, skimp_tag tag, size_t count, size_t size, void **out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    size_t bytes;
    *out = NULL;
    SKIMPI_TRY(block_bytes(count, size, &bytes, error));
    uint64_t cost = skimp_alloc_cost(bytes);
    SKIMPI_TRY(skimp_budget_charge(budget, tag, cost, error));
    *out = get_block(bytes);
    if (*out == NULL) {
        give_back(budget, tag, cost);
        status = refused_by_system(budget, error, tag, cost);
    }
out:
    return status;
}

void skimp_free(skimp_budget *budget, skimp_tag tag, void *block, size_t count, size_t size)
{
    if (block != NULL) {
        put_block(block, count * size);
        give_back(budget, tag, skimp_alloc_cost(count * size));
    }
}

/* Remaps a mapped block; only the difference is charged or given back. */
static skimp_status resize_mapped(skimp_budget *budget, skimp_tag tag, void **block, size_t bytes, size_t new_bytes,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t cost = skimp_alloc_cost(bytes);
    uint64_t new_cost = skimp_alloc_cost(new_bytes);
    if (new_cost > cost) {
        SKIMPI_TRY(skimp_budget_charge(budget, tag, new_cost - cost, error));
    }
    if (new_cost != cost) {
        void *moved = skimpi_os_remap(*block, cost, new_cost);
        if (moved == NULL) {
            if (new_cost > cost) {
                give_back(budget, tag, new_cost - cost);
            }
            status = refused_by_system(budget, error, tag, new_cost);
            goto out;
        }
        *block = moved;
        if (new_cost < cost) {
            give_back(budget, tag, cost - new_cost);
        }
    }
    if (new_bytes > bytes) {
        /* New pages are zero; the rest of the last old one may hold what a block that was shrunk had there. */
        memset((char *)*block + bytes, 0, (new_bytes < cost ? new_bytes : cost) - bytes);
    }
out:
    return status;
}

skimp_status skimp_realloc(skimp_budget *budget, skimp_tag tag, void **block, size_t count, size_t new_count,
                           size_t size, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    size_t bytes;
    size_t new_bytes;
    if (*block == NULL) {
        return skimp_alloc(budget, tag, new_count, size, block, error);
    }
    SKIMPI_TRY(block_bytes(count, size, &bytes, error));
    SKIMPI_TRY(block_bytes(new_count, size, &new_bytes, error));
    if (bytes >= MAPPED_FROM && new_bytes >= MAPPED_FROM) {
        SKIMPI_TRY(resize_mapped(budget, tag, block, bytes, new_bytes, error));
    } else if (bytes != new_bytes) {
        void *moved;
        SKIMPI_TRY(skimp_alloc(budget, tag, new_count, size, &moved, error));
        memcpy(moved, *block, bytes < new_bytes ? bytes : new_bytes);
        skimp_free(budget, tag, *block, count, size);
        *block = moved;
    }
out:
    return status;
}

/* ---- budgets ----------------------------------------------------------------------------------------------------- */

skimp_status skimp_budget_create(skimp_budget **out, const skimp_budget_options *options, skimp_error *error)
{
    static const skimp_budget_options unlimited = { .size = sizeof(unlimited) };
    skimp_status status = SKIMP_OK;
    uint64_t cost = skimp_alloc_cost(sizeof(skimp_budget));
    skimp_budget *budget = NULL;
    *out = NULL;
    if (options == NULL) {
        options = &unlimited;
    }
    if (options->size != sizeof(*options)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "skimp_budget_options.size is %zu, not %zu", options->size,
                           sizeof(*options));
    }
    budget = skimpi_fault_hit() ? NULL : get_block(sizeof(*budget));
    if (budget == NULL) {
        return refused_by_system(options->parent, error, SKIMP_TAG_OTHER, cost);
    }
    budget->parent = options->parent;
    budget->root = options->parent != NULL ? options->parent->root : budget;
    const uint64_t limit = options->limit != 0 ? options->limit : UINT64_MAX;
    store(&budget->limit, limit);
    store(&budget->soft_limit, options->soft_limit != 0 ? skimpi_min_u64(options->soft_limit, limit) : limit);
    if (budget->root == budget) {
        pthread_mutex_init(&budget->ledger, NULL);
        pthread_mutex_init(&budget->round, NULL);
    }
    SKIMPI_TRY(charge(budget, SKIMP_TAG_OTHER, cost, error));
    *out = budget;
    budget = NULL;
out:
    if (budget != NULL) {
        if (budget->root == budget) {
            pthread_mutex_destroy(&budget->ledger);
            pthread_mutex_destroy(&budget->round);
        }
        put_block(budget, sizeof(*budget));
    }
    return status;
}

uint64_t skimp_budget_destroy(skimp_budget *budget)
{
    if (budget == NULL) {
        return 0;
    }
    skimp_budget *root = budget->root;
    pthread_mutex_lock(&root->round);
    for (reclaimer **link = &root->reclaimers; *link != NULL;) {
        reclaimer *r = *link;
        if (r->budget == budget) {
            *link = r->next;
            skimp_free(budget, SKIMP_TAG_OTHER, r, 1, sizeof(*r));
        } else {
            link = &r->next;
        }
    }
    pthread_mutex_unlock(&root->round);
    give_back(budget, SKIMP_TAG_OTHER, skimp_alloc_cost(sizeof(*budget)));
    uint64_t leaked = load(&budget->in_use);
    if (root == budget) {
        pthread_mutex_destroy(&budget->ledger);
        pthread_mutex_destroy(&budget->round);
    }
    put_block(budget, sizeof(*budget));
    return leaked;
}

void skimpi_budget_detach(skimp_budget *budget)
{
    if (budget->parent == NULL) {
        return;
    }
    for (unsigned tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
        give_back(budget->parent, (skimp_tag)tag, load(&budget->tag_in_use[tag]));
    }
    budget->parent = NULL;
    budget->root = budget;
    pthread_mutex_init(&budget->ledger, NULL);
    pthread_mutex_init(&budget->round, NULL);
}

void skimpi_budget_set_limit(skimp_budget *budget, uint64_t limit)
{
    pthread_mutex_lock(&budget->root->ledger);
    store(&budget->limit, limit);
    store(&budget->soft_limit, limit);
    pthread_mutex_unlock(&budget->root->ledger);
}

uint64_t skimp_budget_limit(const skimp_budget *budget)
{
    uint64_t limit = UINT64_MAX;
    for (; budget != NULL; budget = budget->parent) {
        limit = skimpi_min_u64(limit, load(&budget->limit));
    }
    return limit;
}

uint64_t skimp_budget_in_use(const skimp_budget *budget)
{
    return load(&budget->in_use);
}

uint64_t skimp_budget_peak(const skimp_budget *budget)
{
    return load(&budget->peak);
}

uint64_t skimp_budget_tag_in_use(const skimp_budget *budget, skimp_tag tag)
{
    return load(&budget->tag_in_use[tag]);
}

uint64_t skimp_budget_tag_peak(const skimp_budget *budget, skimp_tag tag)
{
    return load(&budget->tag_peak[tag]);
}

/* A reclaim function may register and unregister others: its thread holds the lock of the list already. */
static bool lock_round(skimp_budget *budget)
{
    bool locked = reclaiming != budget->root;
    if (locked) {
        pthread_mutex_lock(&budget->root->round);
    }
    return locked;
}

static void unlock_round(skimp_budget *budget, bool locked)
{
    if (locked) {
        pthread_mutex_unlock(&budget->root->round);
    }
}

skimp_status skimp_budget_on_reclaim(skimp_budget *budget, skimp_reclaim_fn *function, void *context,
                                     skimp_error *error)
{
    void *block;
    skimp_status status = skimp_alloc(budget, SKIMP_TAG_OTHER, 1, sizeof(reclaimer), &block, error);
    if (status == SKIMP_OK) {
        reclaimer *r = block;
        *r = (reclaimer){ .budget = budget, .reclaim = function, .context = context };
        bool locked = lock_round(budget);
        r->next = budget->root->reclaimers;
        budget->root->reclaimers = r;
        unlock_round(budget, locked);
    }
    return status;
}

void skimp_budget_off_reclaim(skimp_budget *budget, skimp_reclaim_fn *function, void *context)
{
    bool locked = lock_round(budget);
    reclaimer **link = &budget->root->reclaimers;
    while (*link != NULL &&
           ((*link)->budget != budget || (*link)->reclaim != function || (*link)->context != context)) {
        link = &(*link)->next;
    }
    reclaimer *r = *link;
    if (r != NULL) {
        *link = r->next;
    }
    unlock_round(budget, locked);
    skimp_free(budget, SKIMP_TAG_OTHER, r, 1, sizeof(*r));
}
