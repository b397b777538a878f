/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Distinct targets: open addressing with linear probing, in steps of 1, 2, 4, 8 and 64 Ki values at two thirds full.
 */
#include <string.h>

#include "data/store.h"
#include "data/target_set.h"

#define FIRST_SLOTS 1536u
#define SLOW_SLOTS (FIRST_SLOTS * 8u) /* a set grows twofold up to this, then eightfold */
#define LAST_SLOTS (SLOW_SLOTS * 8u)
_Static_assert(LAST_SLOTS / 3 * 2 == SKIMPI_MAX_CLASSES, "the last step holds as many classes as there may be");
_Static_assert(SKIMPI_TARGET_SET_BYTES >= (LAST_SLOTS + SLOW_SLOTS) * sizeof(skimpi_target_count) + 8192,
               "the two last steps are held at once");

void skimpi_target_set_init(skimpi_target_set *set, skimp_budget *budget)
{
    memset(set, 0, sizeof(*set));
    set->budget = budget;
    pthread_mutex_init(&set->lock, NULL);
}

static void drop_slots(skimpi_target_set *set)
{
    skimp_free(set->budget, SKIMP_TAG_STORE, set->slots, set->n_slots, sizeof(*set->slots));
    set->slots = NULL;
    set->n_slots = 0;
    set->n_values = 0;
}

void skimpi_target_set_free(skimpi_target_set *set)
{
    drop_slots(set);
    pthread_mutex_destroy(&set->lock);
}

uint64_t skimpi_target_set_bytes(uint64_t n_values, uint64_t *last)
{
    uint64_t n_slots = FIRST_SLOTS, before = 0;
    *last = skimp_alloc_cost(n_slots * sizeof(skimpi_target_count));
    while (n_slots < LAST_SLOTS && n_values > n_slots / 3 * 2) {
        before = *last;
        n_slots = n_slots < SLOW_SLOTS ? n_slots * 2 : LAST_SLOTS;
        *last = skimp_alloc_cost(n_slots * sizeof(skimpi_target_count));
    }
    return before + *last;
}

static uint64_t hash_value(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return skimpi_mix64(bits);
}

/* The slot of a value, or the free one where it belongs. */
static skimpi_target_count *find_slot(skimpi_target_count *slots, uint32_t n_slots, double value)
{
    uint32_t at = (uint32_t)(((hash_value(value) >> 32) * n_slots) >> 32);
    while (slots[at].count != 0 && slots[at].value != value) {
        at = at + 1 < n_slots ? at + 1 : 0;
    }
    return &slots[at];
}

static skimp_status grow(skimpi_target_set *set, skimp_error *error)
{
    uint32_t n_slots = set->n_slots == 0 ? FIRST_SLOTS : set->n_slots < SLOW_SLOTS ? set->n_slots * 2 : LAST_SLOTS;
    void *block;
    skimp_status status =
        skimp_alloc(set->budget, SKIMP_TAG_STORE, n_slots, sizeof(skimpi_target_count), &block, error);
    if (status == SKIMP_OK) {
        skimpi_target_count *slots = block;
        uint32_t n_values = set->n_values;
        for (uint32_t i = 0; i < set->n_slots; i++) {
            if (set->slots[i].count != 0) {
                *find_slot(slots, n_slots, set->slots[i].value) = set->slots[i];
            }
        }
        drop_slots(set);
        set->slots = slots;
        set->n_slots = n_slots;
        set->n_values = n_values;
    }
    return status;
}

/* Needs the lock. */
static skimp_status add_locked(skimpi_target_set *set, double value, uint64_t count, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (atomic_load(&set->overflowed)) {
        return SKIMP_OK;
    }
    if (set->slots == NULL) {
        SKIMPI_TRY(grow(set, error));
    }
    skimpi_target_count *slot = find_slot(set->slots, set->n_slots, value);
    if (slot->count == 0) {
        if (set->n_values == SKIMPI_MAX_CLASSES) {
            atomic_store(&set->overflowed, true);
            drop_slots(set);
            return SKIMP_OK;
        }
        if (set->n_values == set->n_slots / 3 * 2) {
            SKIMPI_TRY(grow(set, error));
            slot = find_slot(set->slots, set->n_slots, value);
        }
        slot->value = value;
        set->n_values++;
    }
    slot->count += count;
out:
    return status;
}

skimp_status skimpi_target_set_flush(skimpi_target_set *set, skimpi_target_cache *cache, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    pthread_mutex_lock(&set->lock);
    for (uint32_t i = 0; i < SKIMPI_TARGET_CACHE_SLOTS && cache->n_values != 0; i++) {
        if (cache->slots[i].count != 0) {
            SKIMPI_TRY(add_locked(set, cache->slots[i].value, cache->slots[i].count, error));
            cache->slots[i].count = 0;
            cache->n_values--;
        }
    }
out:
    pthread_mutex_unlock(&set->lock);
    return status;
}

skimp_status skimpi_target_set_add_one(skimpi_target_set *set, skimpi_target_cache *cache, double value, uint64_t count,
                                       skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (value != value) {
        return SKIMP_OK;
    }
    value = value == 0 ? 0 : value;
    skimpi_target_count *slot = find_slot(cache->slots, SKIMPI_TARGET_CACHE_SLOTS, value);
    if (slot->count == 0) {
        if (cache->n_values == SKIMPI_TARGET_CACHE_SLOTS * 3 / 4) {
            SKIMPI_TRY(skimpi_target_set_flush(set, cache, error));
            slot = find_slot(cache->slots, SKIMPI_TARGET_CACHE_SLOTS, value);
        }
        slot->value = value;
        cache->n_values++;
    }
    slot->count += count;
out:
    return status;
}

skimp_status skimpi_target_set_add(skimpi_target_set *set, skimpi_target_cache *cache, const double *values, size_t n,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (size_t i = 0; i < n;) {
        if (atomic_load_explicit(&set->overflowed, memory_order_relaxed)) {
            return SKIMP_OK;
        }
        size_t run = 1;
        while (i + run < n && values[i + run] == values[i]) {
            run++;
        }
        SKIMPI_TRY(skimpi_target_set_add_one(set, cache, values[i], run, error));
        i += run;
    }
out:
    return status;
}

/* Heapsort: in place, and no worse on any order. */
static void sift_down(skimpi_target_count *heap, size_t at, size_t n)
{
    skimpi_target_count moving = heap[at];
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        child += child + 1 < n && heap[child + 1].value > heap[child].value;
        if (heap[child].value <= moving.value) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

static void sort_counts(skimpi_target_count *counts, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift_down(counts, i, n);
    }
    for (size_t end = n; end > 1; end--) {
        skimpi_target_count largest = counts[0];
        counts[0] = counts[end - 1];
        counts[end - 1] = largest;
        sift_down(counts, 0, end - 1);
    }
}

skimp_status skimpi_target_set_take(skimpi_target_set *set, double **values, uint64_t **counts, uint32_t *n,
                                    skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *value_block = NULL, *count_block = NULL;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->n_slots; i++) {
        if (set->slots[i].count != 0) {
            set->slots[kept++] = set->slots[i];
        }
    }
    if (kept != 0) {
        SKIMPI_TRY(skimp_alloc(set->budget, SKIMP_TAG_STORE, kept, sizeof(**values), &value_block, error));
        SKIMPI_TRY(skimp_alloc(set->budget, SKIMP_TAG_STORE, kept, sizeof(**counts), &count_block, error));
        sort_counts(set->slots, kept);
        for (uint32_t i = 0; i < kept; i++) {
            ((double *)value_block)[i] = set->slots[i].value;
            ((uint64_t *)count_block)[i] = set->slots[i].count;
        }
    }
    drop_slots(set);
    *values = value_block;
    *counts = count_block;
    *n = kept;
    value_block = NULL;
out:
    skimp_free(set->budget, SKIMP_TAG_STORE, value_block, kept, sizeof(**values));
    return status;
}
