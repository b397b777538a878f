/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The budget: the bytes that a user allows, and the only door to memory.
 *
 * A budget has a hard limit, an optional parent (whose limit holds too) and a ledger by tag.  Every allocation of
 * libskimp names the budget that pays for it and the tag it is for.  Memory that cannot be routed through the
 * allocator (thread stacks, the program itself, a codec's own context) is charged with skimp_budget_charge.
 *
 * What is counted is what the system hands out, not what was asked for: whole pages for blocks of 64 KiB or more (which
 * are mapped, and returned to the system when freed), a bound of the usable size plus its header for small ones.
 *
 * Soft limit: when a request would pass it, the reclaim functions that were registered are called, largest promise
 * first, until it fits; only what passes the hard limit after that fails, with SKIMP_ERROR_BUDGET.  A failed request
 * leaves every ledger as it was.
 *
 * Threads: every function may be called from any thread, except create and destroy of the same budget.
 */
#ifndef SKIMP_BUDGET_H
#define SKIMP_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "skimp/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What memory is for.  The list is the one that plans, reports and JSON use; skimp_tag_name gives the words. */
typedef enum skimp_tag {
    SKIMP_TAG_PROGRAM,      /* "program": code, libraries, the main stack, what was there before */
    SKIMP_TAG_THREADS,      /* "threads": stacks and pool of the worker threads */
    SKIMP_TAG_INPUT,        /* "input": buffers of file text and decompressors */
    SKIMP_TAG_PARSE,        /* "parse": parsed columns on their way to the store */
    SKIMP_TAG_CATEGORIES,   /* "categories": dictionaries of text columns and classes */
    SKIMP_TAG_STORE,        /* "store": the chunk store, when it is in memory, and its index */
    SKIMP_TAG_CHUNKS,       /* "chunks": decoded chunks, one or more for each worker */
    SKIMP_TAG_STATISTICS,   /* "statistics": accumulators of transformers */
    SKIMP_TAG_ACCUMULATORS, /* "accumulators": accumulators of the estimator, one for each lane */
    SKIMP_TAG_SOLVER,       /* "solver": vectors and matrices of the solver */
    SKIMP_TAG_MODEL,        /* "model": fitted arrays, model files */
    SKIMP_TAG_OUTPUT,       /* "output": predictions and files being written */
    SKIMP_TAG_OTHER,        /* "other" */
    SKIMP_TAG_COUNT
} skimp_tag;

SKIMP_API const char *skimp_tag_name(skimp_tag tag);

typedef struct skimp_budget skimp_budget;

typedef struct skimp_budget_options {
    size_t size;          /* sizeof(skimp_budget_options) */
    uint64_t limit;       /* hard limit in bytes; 0: none of its own (the parent's holds) */
    uint64_t soft_limit;  /* 0: the hard limit */
    skimp_budget *parent; /* NULL: none.  Must outlive this budget. */
} skimp_budget_options;

/* Creates a budget in *out.  Its own bookkeeping (under 2 KiB) is charged to itself under "other". */
SKIMP_API SKIMP_CHECKED skimp_status skimp_budget_create(skimp_budget **out, const skimp_budget_options *options,
                                                         skimp_error *error);

/* Ends a budget.  NULL is allowed.  Returns the bytes still charged by others than itself: 0 unless something leaked. */
SKIMP_API uint64_t skimp_budget_destroy(skimp_budget *budget);

/*
 * Allocates `count` × `size` bytes, zeroed, aligned to 64 bytes when the block is of 4 KiB or more and to 16 otherwise.
 * Zero bytes give a non-NULL pointer.  *out is NULL on failure.
 * Errors: BUDGET (a limit, after reclaim), NOMEM (the system refused), PARAM (the product overflows).
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_alloc(skimp_budget *budget, skimp_tag tag, size_t count, size_t size,
                                                 void **out, skimp_error *error);

/* Resizes a block of `count` × `size` bytes to `new_count` × `size`; what is gained is zeroed.  On failure *block is as it was. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_realloc(skimp_budget *budget, skimp_tag tag, void **block, size_t count,
                                                   size_t new_count, size_t size, skimp_error *error);

/* Frees a block, which must be given with the sizes and the tag it was allocated with.  NULL is allowed. */
SKIMP_API void skimp_free(skimp_budget *budget, skimp_tag tag, void *block, size_t count, size_t size);

/* Charges bytes that the allocator does not hand out itself, and gives them back. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_budget_charge(skimp_budget *budget, skimp_tag tag, uint64_t bytes,
                                                         skimp_error *error);
SKIMP_API void skimp_budget_uncharge(skimp_budget *budget, skimp_tag tag, uint64_t bytes);

SKIMP_API uint64_t skimp_budget_limit(
    const skimp_budget *budget); /* the smallest of its own and its ancestors' limits; UINT64_MAX: none */
SKIMP_API uint64_t skimp_budget_in_use(const skimp_budget *budget); /* charged now */
SKIMP_API uint64_t skimp_budget_peak(const skimp_budget *budget);   /* high-water mark of the sum */
SKIMP_API uint64_t skimp_budget_tag_in_use(const skimp_budget *budget, skimp_tag tag);
SKIMP_API uint64_t skimp_budget_tag_peak(const skimp_budget *budget, skimp_tag tag);

/*
 * Registers a function that gives memory back when the soft limit is passed.  It is called on the thread that asked for
 * memory, first with `wanted` 0: then it only answers how many bytes it could give back (0: nothing).  Called with the
 * bytes that are wanted it gives back what it can and returns that.  One thread at a time reclaims, and no lock of the
 * ledger is held: the function may free, charge and allocate (up to the hard limit, without more reclaim), register and
 * unregister.  It must not wait for a lock that its owner may hold while allocating.  After skimp_budget_off_reclaim
 * has returned it is not running and will not be called again.
 */
typedef uint64_t skimp_reclaim_fn(void *context, uint64_t wanted);
SKIMP_API SKIMP_CHECKED skimp_status skimp_budget_on_reclaim(skimp_budget *budget, skimp_reclaim_fn *reclaim,
                                                             void *context, skimp_error *error);
SKIMP_API void skimp_budget_off_reclaim(skimp_budget *budget, skimp_reclaim_fn *reclaim, void *context);

/*
 * The bytes that an allocation of `bytes` is charged at, exactly: a function of the size alone, so that plans can add up.
 * A resize from or to a block below 64 KiB holds both blocks for a moment; between larger ones only the larger.
 */
SKIMP_API uint64_t skimp_alloc_cost(uint64_t bytes);

#ifdef __cplusplus
}
#endif
#endif
