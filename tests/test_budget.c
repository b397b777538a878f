/* SPDX-License-Identifier: BSD-3-Clause */
/* The budget: what is counted, limits of nested budgets, resizing, reclaim, clean failure, many threads at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/os.h"

#define KIB ((size_t)1024)

static skimp_budget *new_budget(uint64_t limit, uint64_t soft_limit, skimp_budget *parent)
{
    skimp_budget *budget;
    skimp_budget_options options = {
        .size = sizeof(options), .limit = limit, .soft_limit = soft_limit, .parent = parent
    };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

static void is_zero(const void *block, size_t from, size_t to)
{
    const unsigned char *bytes = block;
    for (size_t i = from; i < to; i++) {
        assert_int_equal(bytes[i], 0);
    }
}

static void charges_what_the_system_uses(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0, 0, NULL);
    uint64_t own = skimp_budget_in_use(budget);
    assert_in_range(own, 1, 2 * KIB);
    skimpi_random r;
    skimpi_random_seed(&r, 1);
    for (int i = 0; i < 2000; i++) {
        size_t bytes = (size_t)skimpi_random_below(&r, i % 2 ? 200 : 100 * KIB);
        void *block;
        assert_int_equal(skimp_alloc(budget, SKIMP_TAG_CHUNKS, bytes, 1, &block, NULL), SKIMP_OK);
        assert_non_null(block);
        is_zero(block, 0, bytes);
        assert_int_equal(skimp_budget_in_use(budget) - own, skimp_alloc_cost(bytes));
        assert_int_equal((uintptr_t)block % (bytes >= 4 * KIB ? 64 : 16), 0);
        if (bytes < 64 * KIB) {
            assert_true(malloc_usable_size(block) + sizeof(size_t) <= skimp_alloc_cost(bytes));
        } else {
            assert_int_equal(skimp_alloc_cost(bytes), skimpi_round_up(bytes, skimpi_os_page_size()));
        }
        memset(block, 0xff, bytes);
        skimp_free(budget, SKIMP_TAG_CHUNKS, block, bytes, 1);
    }
    assert_int_equal(skimp_budget_in_use(budget), own);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* Random sizes, alive together: what is charged is no less than what the kernel sees. */
static void resident_memory_stays_under_the_charge(void **state)
{
    enum { BLOCKS = 3000 };
    static void *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    (void)state;
    skimp_budget *budget = new_budget(0, 0, NULL);
    skimpi_random r;
    skimpi_random_seed(&r, 2);
    uint64_t before = skimpi_os_resident();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            if (blocks[i] != NULL && skimpi_random_below(&r, 2)) {
                skimp_free(budget, SKIMP_TAG_OTHER, blocks[i], sizes[i], 1);
                blocks[i] = NULL;
            }
            if (blocks[i] == NULL) {
                sizes[i] = (size_t)1 << skimpi_random_below(&r, 18);
                sizes[i] += (size_t)skimpi_random_below(&r, sizes[i]);
                assert_int_equal(skimp_alloc(budget, SKIMP_TAG_OTHER, sizes[i], 1, &blocks[i], NULL), SKIMP_OK);
                memset(blocks[i], 1, sizes[i]);
            }
        }
        uint64_t grown = skimpi_os_resident() - before;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        /* Freed small blocks that malloc keeps: the bound in budget.c, and fragments of pages beside it. */
        assert_true(grown <= skimp_budget_in_use(budget) + 2048 * KIB);
#endif
        assert_true(grown >= skimp_budget_in_use(budget) * 9 / 10);
    }
    for (int i = 0; i < BLOCKS; i++) {
        skimp_free(budget, SKIMP_TAG_OTHER, blocks[i], sizes[i], 1);
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* malloc's cache for this thread holds some hundred small blocks, at worst each on a page of its own. */
    assert_true(skimpi_os_resident() <= before + 2048 * KIB);
#endif
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void counts_by_tag_with_peaks(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0, 0, NULL);
    uint64_t own = skimp_budget_in_use(budget);
    void *a;
    void *b;
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_STORE, 100, KIB, &a, NULL), SKIMP_OK);
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_SOLVER, 200, KIB, &b, NULL), SKIMP_OK);
    skimp_free(budget, SKIMP_TAG_STORE, a, 100, KIB);
    assert_int_equal(skimp_budget_charge(budget, SKIMP_TAG_PROGRAM, 5, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_STORE), 0);
    assert_int_equal(skimp_budget_tag_peak(budget, SKIMP_TAG_STORE), 100 * KIB);
    assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_SOLVER), 200 * KIB);
    assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_PROGRAM), 5);
    assert_int_equal(skimp_budget_in_use(budget), own + 200 * KIB + 5);
    assert_int_equal(skimp_budget_peak(budget), own + 300 * KIB);
    skimp_free(budget, SKIMP_TAG_SOLVER, b, 200, KIB);
    assert_int_equal(skimp_budget_destroy(budget), 5); /* what was not given back */
}

static void refuses_what_passes_the_limit_and_says_so(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(256 * KIB, 0, NULL);
    uint64_t own = skimp_budget_in_use(budget);
    skimp_error error = SKIMP_ERROR_INIT;
    void *block;
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_SOLVER, 256, KIB, &block, &error), SKIMP_ERROR_BUDGET);
    assert_null(block);
    assert_int_equal(error.code, SKIMP_ERROR_BUDGET);
    assert_int_equal(error.requested, 256 * KIB);
    assert_int_equal(error.in_use, own);
    assert_int_equal(error.limit, 256 * KIB);
    assert_non_null(strstr(error.message, "solver"));
    assert_non_null(strstr(error.message, "256 KiB"));
    assert_int_equal(skimp_budget_in_use(budget), own);
    assert_int_equal(skimp_budget_peak(budget), own);
    assert_int_equal(skimp_budget_tag_peak(budget, SKIMP_TAG_SOLVER), 0);

    /* Exactly what is left fits, one byte more does not. */
    uint64_t left = 256 * KIB - own;
    assert_int_equal(skimp_budget_charge(budget, SKIMP_TAG_OTHER, left + 1, NULL), SKIMP_ERROR_BUDGET);
    assert_int_equal(skimp_budget_charge(budget, SKIMP_TAG_OTHER, UINT64_MAX, NULL), SKIMP_ERROR_BUDGET);
    assert_int_equal(skimp_budget_charge(budget, SKIMP_TAG_OTHER, left, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_charge(budget, SKIMP_TAG_OTHER, 1, NULL), SKIMP_ERROR_BUDGET);
    skimp_budget_uncharge(budget, SKIMP_TAG_OTHER, left);

    /* The first failure is kept. */
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_OTHER, 900, KIB, &block, &error), SKIMP_ERROR_BUDGET);
    assert_int_equal(error.requested, 256 * KIB);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void hostile_sizes_are_refused(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0, 0, NULL);
    uint64_t own = skimp_budget_in_use(budget);
    void *block;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_OTHER, SIZE_MAX / 2, 3, &block, &error), SKIMP_ERROR_PARAM);
    assert_null(block);
    assert_true(strlen(error.message) > 0);
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_OTHER, SIZE_MAX, 1, &block, NULL), SKIMP_ERROR_PARAM);
    /* More than any address space, though its size can be written: the system refuses. */
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_OTHER, PTRDIFF_MAX / 2, 1, &block, &error), SKIMP_ERROR_NOMEM);
    assert_null(block);
    assert_true(error.requested >= PTRDIFF_MAX / 2);
    assert_int_equal(skimp_budget_in_use(budget), own);

    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_OTHER, 100, KIB, &block, NULL), SKIMP_OK);
    void *before = block;
    assert_int_equal(skimp_realloc(budget, SKIMP_TAG_OTHER, &block, 100, SIZE_MAX / 2, KIB, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_realloc(budget, SKIMP_TAG_OTHER, &block, 100, PTRDIFF_MAX / 2 / KIB, KIB, NULL),
                     SKIMP_ERROR_NOMEM);
    assert_ptr_equal(block, before);
    assert_int_equal(skimp_budget_in_use(budget), own + 100 * KIB);
    skimp_free(budget, SKIMP_TAG_OTHER, block, 100, KIB);
    skimp_free(budget, SKIMP_TAG_OTHER, NULL, 100, KIB);
    assert_int_equal(skimp_alloc_cost(UINT64_MAX), UINT64_MAX);
    assert_int_equal(skimp_budget_destroy(budget), 0);
    assert_int_equal(skimp_budget_destroy(NULL), 0);
}

static void every_ancestor_must_have_room(void **state)
{
    (void)state;
    skimp_budget *root = new_budget(300 * KIB, 0, NULL);
    skimp_budget *middle = new_budget(0, 0, root);
    skimp_budget *left = new_budget(200 * KIB, 0, middle);
    skimp_budget *right = new_budget(0, 0, middle);
    uint64_t at_start = skimp_budget_in_use(root);
    assert_int_equal(skimp_budget_limit(left), 200 * KIB);
    assert_int_equal(skimp_budget_limit(right), 300 * KIB);
    assert_int_equal(at_start, 4 * skimp_budget_in_use(right));
    void *a;
    void *b;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimp_alloc(left, SKIMP_TAG_STORE, 200, KIB, &a, &error), SKIMP_ERROR_BUDGET);
    assert_int_equal(error.limit, 200 * KIB);
    assert_int_equal(skimp_alloc(left, SKIMP_TAG_STORE, 150, KIB, &a, NULL), SKIMP_OK);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimp_alloc(right, SKIMP_TAG_MODEL, 150, KIB, &b, &error), SKIMP_ERROR_BUDGET);
    assert_int_equal(error.limit, 300 * KIB); /* the root refused */
    assert_int_equal(error.in_use, at_start + skimpi_round_up(150 * KIB, skimpi_os_page_size()));
    assert_int_equal(skimp_budget_tag_in_use(right, SKIMP_TAG_MODEL), 0);
    assert_int_equal(skimp_budget_tag_in_use(middle, SKIMP_TAG_MODEL), 0);
    assert_int_equal(skimp_budget_peak(right), skimp_budget_in_use(right));
    assert_int_equal(skimp_alloc(right, SKIMP_TAG_MODEL, 120, KIB, &b, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_in_use(root), skimp_budget_in_use(middle) + at_start / 4);
    skimp_free(left, SKIMP_TAG_STORE, a, 150, KIB);
    skimp_free(right, SKIMP_TAG_MODEL, b, 120, KIB);
    assert_int_equal(skimp_budget_in_use(root), at_start);

    /* A child that does not fit leaves no trace. */
    skimp_budget *child = root;
    skimp_budget_options options = { .size = sizeof(options), .limit = 16, .parent = root };
    assert_int_equal(skimp_budget_create(&child, &options, NULL), SKIMP_ERROR_BUDGET);
    assert_null(child);
    options.size = 3;
    assert_int_equal(skimp_budget_create(&child, &options, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_budget_in_use(root), at_start);

    assert_int_equal(skimp_budget_destroy(right), 0);
    assert_int_equal(skimp_budget_destroy(left), 0);
    assert_int_equal(skimp_budget_destroy(middle), 0);
    assert_int_equal(skimp_budget_destroy(root), 0);
}

/* Every pair of sizes across the kinds of blocks: contents stay, what is gained is zero, the ledger is right. */
/* A budget that is made one of its own takes its charges with it, and lasts longer than those that it belonged to. */
static void detaching_takes_the_charges_along(void **state)
{
    (void)state;
    skimp_budget *root = new_budget(1024 * KIB, 0, NULL), *child = new_budget(0, 0, root);
    skimp_error error = SKIMP_ERROR_INIT;
    const uint64_t before = skimp_budget_in_use(root) - skimp_budget_in_use(child);
    void *model, *other;
    assert_int_equal(skimp_alloc(child, SKIMP_TAG_MODEL, 600 * KIB, 1, &model, NULL), SKIMP_OK);
    assert_int_equal(skimp_alloc(child, SKIMP_TAG_OUTPUT, 600 * KIB, 1, &other, &error), SKIMP_ERROR_BUDGET);
    assert_int_equal(error.limit, 1024 * KIB);
    const uint64_t held = skimp_budget_in_use(child), peak = skimp_budget_peak(root);
    skimpi_budget_detach(child);
    assert_int_equal(skimp_budget_in_use(root), before);
    assert_int_equal(skimp_budget_tag_in_use(root, SKIMP_TAG_MODEL), 0);
    assert_int_equal(skimp_budget_peak(root), peak);
    assert_int_equal(skimp_budget_in_use(child), held);
    assert_int_equal(skimp_budget_destroy(root), 0);
    /* The limit of those before is none of its own. */
    assert_int_equal(skimp_budget_limit(child), UINT64_MAX);
    assert_int_equal(skimp_alloc(child, SKIMP_TAG_OUTPUT, 600 * KIB, 1, &other, NULL), SKIMP_OK);
    skimpi_budget_detach(child);
    skimp_free(child, SKIMP_TAG_MODEL, model, 600 * KIB, 1);
    skimp_free(child, SKIMP_TAG_OUTPUT, other, 600 * KIB, 1);
    assert_int_equal(skimp_budget_destroy(child), 0);
}

static void resizing_keeps_contents_and_zeroes_the_rest(void **state)
{
    static const size_t sizes[] = {
        0,        1,         24,       25, 4095, 4096, 5000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 70 * KIB + 7,
        68 * KIB, 300 * KIB, 301 * KIB
    };
    enum { N = sizeof(sizes) / sizeof(*sizes) };
    (void)state;
    skimp_budget *budget = new_budget(0, 0, NULL);
    uint64_t own = skimp_budget_in_use(budget);
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < N; k++) {
            void *block = NULL;
            assert_int_equal(skimp_realloc(budget, SKIMP_TAG_OTHER, &block, 0, sizes[i], 1, NULL), SKIMP_OK);
            for (size_t b = 0; b < sizes[i]; b++) {
                ((unsigned char *)block)[b] = (unsigned char)(b % 251 + 1);
            }
            assert_int_equal(skimp_realloc(budget, SKIMP_TAG_OTHER, &block, sizes[i], sizes[k], 1, NULL), SKIMP_OK);
            assert_int_equal(skimp_budget_in_use(budget) - own, skimp_alloc_cost(sizes[k]));
            /* And on to a larger one, over what the smaller one left in its last page. */
            assert_int_equal(skimp_realloc(budget, SKIMP_TAG_OTHER, &block, sizes[k], 400 * KIB, 1, NULL), SKIMP_OK);
            size_t kept = sizes[i] < sizes[k] ? sizes[i] : sizes[k];
            for (size_t b = 0; b < kept; b++) {
                assert_int_equal(((unsigned char *)block)[b], b % 251 + 1);
            }
            is_zero(block, kept, 400 * KIB);
            skimp_free(budget, SKIMP_TAG_OTHER, block, 400 * KIB, 1);
            assert_int_equal(skimp_budget_in_use(budget), own);
        }
    }
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void a_mapped_block_grows_in_the_room_of_the_difference(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(1024 * KIB, 0, NULL);
    void *block;
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_OTHER, 600, KIB, &block, NULL), SKIMP_OK);
    memset(block, 7, 600 * KIB);
    assert_int_equal(skimp_realloc(budget, SKIMP_TAG_OTHER, &block, 600, 1000, KIB, NULL), SKIMP_OK);
    assert_int_equal(((unsigned char *)block)[600 * KIB - 1], 7);
    void *before = block;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimp_realloc(budget, SKIMP_TAG_OTHER, &block, 1000, 1024, KIB, &error), SKIMP_ERROR_BUDGET);
    assert_ptr_equal(block, before);
    assert_int_equal(error.requested, 24 * KIB);
    assert_int_equal(((unsigned char *)block)[600 * KIB - 1], 7);
    skimp_free(budget, SKIMP_TAG_OTHER, block, 1000, KIB);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* ---- reclaim ----------------------------------------------------------------------------------------------------- */

typedef struct cache {
    skimp_budget *budget;
    void *block;
    size_t bytes;
    unsigned asked;
    unsigned called;
    int order;   /* of the call among all caches */
    bool clings; /* promises, and gives nothing */
    bool leaves; /* unregisters itself while it gives */
    bool wants;  /* allocates while it gives */
} cache;

static int calls;

static uint64_t drop_cache(void *context, uint64_t wanted)
{
    cache *c = context;
    if (wanted == 0) {
        c->asked++;
        return c->block != NULL ? c->bytes : 0;
    }
    c->called++;
    c->order = ++calls;
    if (c->leaves) {
        skimp_budget_off_reclaim(c->budget, drop_cache, c);
    }
    if (c->wants) {
        void *more;
        assert_int_equal(skimp_alloc(c->budget, SKIMP_TAG_OTHER, 1, 1, &more, NULL), SKIMP_OK);
        skimp_free(c->budget, SKIMP_TAG_OTHER, more, 1, 1);
    }
    if (c->block == NULL || c->clings) {
        return 0;
    }
    skimp_free(c->budget, SKIMP_TAG_CHUNKS, c->block, c->bytes, 1);
    c->block = NULL;
    return c->bytes;
}

static void fill_cache(cache *c, skimp_budget *budget, size_t bytes)
{
    *c = (cache){ .budget = budget, .bytes = bytes };
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_CHUNKS, bytes, 1, &c->block, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_on_reclaim(budget, drop_cache, c, NULL), SKIMP_OK);
}

static void empty_cache(cache *c)
{
    skimp_budget_off_reclaim(c->budget, drop_cache, c);
    skimp_free(c->budget, SKIMP_TAG_CHUNKS, c->block, c->bytes, 1);
}

static void reclaims_at_the_soft_limit_the_largest_first(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(1000 * KIB, 500 * KIB, NULL);
    cache small;
    cache large;
    fill_cache(&small, budget, 100 * KIB);
    fill_cache(&large, budget, 200 * KIB);
    calls = 0;
    void *a;
    void *b;
    void *c;
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_SOLVER, 100, KIB, &a, NULL), SKIMP_OK);
    assert_int_equal(small.called + large.called, 0);
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_SOLVER, 200, KIB, &b, NULL), SKIMP_OK);
    assert_int_equal(large.called, 1);
    assert_int_equal(small.called, 0); /* the large one was enough */
    /* Nothing left to give but 100 KiB: over the soft limit, under the hard one. */
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_SOLVER, 600, KIB, &c, NULL), SKIMP_OK);
    assert_int_equal(small.called, 1);
    assert_true(skimp_budget_in_use(budget) > 900 * KIB);
    void *d;
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_SOLVER, 100, KIB, &d, NULL), SKIMP_ERROR_BUDGET);
    skimp_free(budget, SKIMP_TAG_SOLVER, a, 100, KIB);
    skimp_free(budget, SKIMP_TAG_SOLVER, b, 200, KIB);
    skimp_free(budget, SKIMP_TAG_SOLVER, c, 600, KIB);
    empty_cache(&small);
    empty_cache(&large);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void reclaims_from_siblings_only_where_it_helps(void **state)
{
    (void)state;
    skimp_budget *root = new_budget(1000 * KIB, 0, NULL);
    skimp_budget *tight = new_budget(300 * KIB, 0, root);
    skimp_budget *sibling = new_budget(0, 0, root);
    cache mine;
    cache theirs;
    fill_cache(&mine, tight, 100 * KIB);
    fill_cache(&theirs, sibling, 500 * KIB);
    void *a;
    void *b;
    /* The tight budget's own limit: what the sibling holds is of no use. */
    assert_int_equal(skimp_alloc(tight, SKIMP_TAG_SOLVER, 250, KIB, &a, NULL), SKIMP_OK);
    assert_int_equal(mine.called, 1);
    assert_int_equal(theirs.called, 0);
    /* The root's limit: it is. */
    assert_int_equal(skimp_alloc(root, SKIMP_TAG_SOLVER, 400, KIB, &b, NULL), SKIMP_OK);
    assert_int_equal(theirs.called, 1);
    skimp_free(tight, SKIMP_TAG_SOLVER, a, 250, KIB);
    skimp_free(root, SKIMP_TAG_SOLVER, b, 400, KIB);
    empty_cache(&mine);
    empty_cache(&theirs);
    assert_int_equal(skimp_budget_destroy(sibling), 0);
    assert_int_equal(skimp_budget_destroy(tight), 0);
    assert_int_equal(skimp_budget_destroy(root), 0);
}

static void reclaim_functions_may_misbehave(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(1000 * KIB, 300 * KIB, NULL);
    cache clinging;
    cache leaving;
    cache wanting;
    fill_cache(&clinging, budget, 120 * KIB);
    fill_cache(&leaving, budget, 90 * KIB);
    fill_cache(&wanting, budget, 70 * KIB);
    clinging.clings = true;
    leaving.leaves = true;
    wanting.wants = true;
    void *a;
    assert_int_equal(skimp_alloc(budget, SKIMP_TAG_SOLVER, 500, KIB, &a, NULL), SKIMP_OK);
    assert_int_equal(clinging.called, 1);
    assert_int_equal(leaving.called, 1);
    assert_int_equal(wanting.called, 1);
    assert_null(leaving.block);
    assert_null(wanting.block);
    skimp_free(budget, SKIMP_TAG_SOLVER, a, 500, KIB);
    skimp_free(budget, SKIMP_TAG_CHUNKS, clinging.block, clinging.bytes, 1);
    /* Two are still registered: the budget drops them itself. */
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* ---- faults and threads -------------------------------------------------------------------------------------------- */

static skimp_status use_everything(skimp_budget *parent, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = NULL;
    void *small = NULL;
    void *large = NULL;
    size_t large_bytes = 100 * KIB;
    cache c = { 0 };
    skimp_budget_options options = { .size = sizeof(options), .parent = parent };
    SKIMPI_TRY(skimp_budget_create(&budget, &options, error));
    c.budget = budget;
    SKIMPI_TRY(skimp_budget_on_reclaim(budget, drop_cache, &c, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, 100, 1, &small, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, large_bytes, 1, &large, error));
    SKIMPI_TRY(skimp_realloc(budget, SKIMP_TAG_OTHER, &large, large_bytes, 2 * large_bytes, 1, error));
    large_bytes *= 2;
    SKIMPI_TRY(skimp_budget_charge(budget, SKIMP_TAG_OTHER, 10, error));
    skimp_budget_uncharge(budget, SKIMP_TAG_OTHER, 10);
out:
    if (budget != NULL) {
        skimp_free(budget, SKIMP_TAG_OTHER, small, 100, 1);
        skimp_free(budget, SKIMP_TAG_OTHER, large, large_bytes, 1);
        skimp_budget_off_reclaim(budget, drop_cache, &c);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
    return status;
}

static void every_failed_allocation_is_clean(void **state)
{
    (void)state;
    skimp_budget *root = new_budget(0, 0, NULL);
    uint64_t own = skimp_budget_in_use(root);
    for (int for_good = 0; for_good < 2; for_good++) {
        skimp_status status = SKIMP_ERROR_NOMEM;
        uint64_t nth = 0;
        while (status != SKIMP_OK) {
            skimp_error error = SKIMP_ERROR_INIT;
            skimpi_fault_set(++nth, for_good);
            status = use_everything(root, &error);
            assert_int_equal(skimp_budget_in_use(root), own);
            assert_int_equal(error.code, status);
            assert_true(status == SKIMP_OK || (status == SKIMP_ERROR_NOMEM && error.message[0] != '\0'));
        }
        assert_int_equal(skimpi_fault_set(0, false), 6); /* what a whole run asks for */
        assert_int_equal(nth, 7);
    }
    assert_int_equal(skimp_budget_destroy(root), 0);
}

typedef struct contest {
    skimp_budget *budget;
    atomic_uint refused;
    atomic_uint taken;
    cache cache;
} contest;

static skimp_status take_and_give(void *context, unsigned worker, skimp_error *error)
{
    contest *c = context;
    skimpi_random r;
    skimpi_random_seed(&r, worker);
    (void)error;
    for (int i = 0; i < 3000; i++) {
        size_t bytes = (size_t)skimpi_random_below(&r, 300 * KIB);
        void *block;
        if (skimp_alloc(c->budget, SKIMP_TAG_CHUNKS, bytes, 1, &block, NULL) == SKIMP_OK) {
            atomic_fetch_add(&c->taken, 1);
            if (bytes != 0) {
                ((char *)block)[bytes - 1] = 1;
            }
            skimp_free(c->budget, SKIMP_TAG_CHUNKS, block, bytes, 1);
        } else {
            atomic_fetch_add(&c->refused, 1);
        }
        assert_true(skimp_budget_in_use(c->budget) <= 1024 * KIB);
    }
    return SKIMP_OK;
}

static uint64_t nothing_to_give(void *context, uint64_t wanted)
{
    (void)wanted;
    atomic_fetch_add((atomic_uint *)context, 1);
    return 0;
}

static void many_threads_share_a_limit(void **state)
{
    (void)state;
    skimp_budget *outer = new_budget(0, 0, NULL);
    contest c = { .budget = new_budget(1024 * KIB, 512 * KIB, outer) };
    atomic_uint asked = 0;
    assert_int_equal(skimp_budget_on_reclaim(c.budget, nothing_to_give, &asked, NULL), SKIMP_OK);
    uint64_t own = skimp_budget_in_use(c.budget);
    skimpi_pool *pool;
    assert_int_equal(skimpi_pool_create(&pool, outer, 8, NULL), SKIMP_OK);
    assert_int_equal(skimpi_pool_run(pool, take_and_give, &c, NULL), SKIMP_OK);
    skimpi_pool_destroy(pool);
    assert_int_equal(skimp_budget_in_use(c.budget), own);
    assert_true(skimp_budget_peak(c.budget) <= 1024 * KIB);
    assert_int_equal(atomic_load(&c.taken) + atomic_load(&c.refused), 8 * 3000);
    assert_true(atomic_load(&c.taken) > 0);
    skimp_budget_off_reclaim(c.budget, nothing_to_give, &asked);
    assert_int_equal(skimp_budget_destroy(c.budget), 0);
    assert_int_equal(skimp_budget_destroy(outer), 0);
}

/* As many equal blocks as fit, and as many threads: no request may be refused because another was on its way to be. */
static skimp_status take_one(void *context, unsigned worker, skimp_error *error)
{
    contest *c = context;
    for (int i = 0; i < 3000; i++) {
        void *block;
        if (worker == 0) {
            /* Never fits: it must not be in anyone's way. */
            assert_int_equal(skimp_budget_charge(c->budget, SKIMP_TAG_OTHER, 2048 * KIB, NULL), SKIMP_ERROR_BUDGET);
        } else {
            skimp_status status = skimp_alloc(c->budget, SKIMP_TAG_CHUNKS, 200, KIB, &block, error);
            if (status != SKIMP_OK) {
                return status;
            }
            skimp_free(c->budget, SKIMP_TAG_CHUNKS, block, 200, KIB);
        }
    }
    return SKIMP_OK;
}

static void a_request_that_fails_disturbs_no_other(void **state)
{
    (void)state;
    skimp_budget *outer = new_budget(1024 * KIB, 0, NULL);
    contest c = { .budget = new_budget(0, 0, outer) };
    skimpi_pool *pool;
    skimp_budget *elsewhere = new_budget(0, 0, NULL);
    assert_int_equal(skimpi_pool_create(&pool, elsewhere, 5, NULL), SKIMP_OK);
    assert_int_equal(skimpi_pool_run(pool, take_one, &c, NULL), SKIMP_OK);
    skimpi_pool_destroy(pool);
    assert_int_equal(skimp_budget_destroy(elsewhere), 0);
    assert_int_equal(skimp_budget_destroy(c.budget), 0);
    assert_int_equal(skimp_budget_destroy(outer), 0);
}

static void tags_have_their_words(void **state)
{
    (void)state;
    assert_string_equal(skimp_tag_name(SKIMP_TAG_PROGRAM), "program");
    assert_string_equal(skimp_tag_name(SKIMP_TAG_OTHER), "other");
    for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
        for (int k = 0; k < tag; k++) {
            assert_string_not_equal(skimp_tag_name((skimp_tag)tag), skimp_tag_name((skimp_tag)k));
        }
    }
    assert_string_equal(skimp_tag_name((skimp_tag)1000), "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charges_what_the_system_uses),
        cmocka_unit_test(resident_memory_stays_under_the_charge),
        cmocka_unit_test(counts_by_tag_with_peaks),
        cmocka_unit_test(refuses_what_passes_the_limit_and_says_so),
        cmocka_unit_test(hostile_sizes_are_refused),
        cmocka_unit_test(every_ancestor_must_have_room),
        cmocka_unit_test(detaching_takes_the_charges_along),
        cmocka_unit_test(resizing_keeps_contents_and_zeroes_the_rest),
        cmocka_unit_test(a_mapped_block_grows_in_the_room_of_the_difference),
        cmocka_unit_test(reclaims_at_the_soft_limit_the_largest_first),
        cmocka_unit_test(reclaims_from_siblings_only_where_it_helps),
        cmocka_unit_test(reclaim_functions_may_misbehave),
        cmocka_unit_test(every_failed_allocation_is_clean),
        cmocka_unit_test(many_threads_share_a_limit),
        cmocka_unit_test(a_request_that_fails_disturbs_no_other),
        cmocka_unit_test(tags_have_their_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
