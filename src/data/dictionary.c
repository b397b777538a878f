/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Category texts to codes.
 *
 * An open-addressing table of slots (code and 32 bits of the hash, in one atomic word, so that a reader sees both or
 * neither), entries that never move (blocks of doubling size), and texts in blocks that never move.  An insertion writes
 * text and entry first and then publishes the slot with a release store; a lookup loads slots with acquire.  A table that
 * is half full is copied into one of twice the size, which is then published; the old one stays for readers that still
 * look at it, and is freed with the dictionary.  All old tables together are smaller than the current one.
 */
#include "data/dictionary.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 64u
#define FIRST_ENTRIES 64u
#define ENTRY_BLOCKS 21 /* 64 × (2^21 - 1) entries: more than SKIMPI_MAX_CATEGORIES */
#define FIRST_TEXT 1024u
#define MAX_TEXT_BLOCK (1u << 18)

typedef struct entry {
    const char *text;
    uint64_t hash;
    uint32_t length;
} entry;

typedef struct table {
    struct table *older;
    uint64_t n_slots;         /* power of two */
    _Atomic uint64_t slots[]; /* upper half of the hash | code + 1; 0: empty */
} table;

typedef struct text_block {
    struct text_block *older;
    size_t bytes; /* of the text that follows */
    size_t used;
} text_block;

struct skimpi_dictionary {
    skimp_budget *budget;
    _Atomic(table *) table;
    _Atomic uint32_t size;
    _Atomic(entry *) blocks[ENTRY_BLOCKS]; /* block b: entries 64 × (2^b - 1) on, 64 × 2^b of them */
    text_block *texts;
    size_t next_block; /* bytes of the next text block */
};

uint64_t skimpi_dictionary_hash(const char *text, size_t length)
{
    return XXH3_64bits(text, length);
}

static size_t table_bytes(uint64_t n_slots)
{
    return sizeof(table) + n_slots * sizeof(uint64_t);
}

static unsigned block_of(uint32_t code)
{
    return 31 - (unsigned)__builtin_clz(code / FIRST_ENTRIES + 1);
}

static uint32_t block_start(unsigned block)
{
    return FIRST_ENTRIES * ((1u << block) - 1);
}

static entry *entry_at(const skimpi_dictionary *d, uint32_t code)
{
    unsigned block = block_of(code);
    return atomic_load_explicit(&d->blocks[block], memory_order_acquire) + (code - block_start(block));
}

static skimp_status table_create(skimpi_dictionary *d, uint64_t n_slots, table **out, skimp_error *error)
{
    void *block;
    skimp_status status = skimp_alloc(d->budget, SKIMP_TAG_CATEGORIES, 1, table_bytes(n_slots), &block, error);
    if (status == SKIMP_OK) {
        *out = block;
        (*out)->n_slots = n_slots;
    }
    return status;
}

skimp_status skimpi_dictionary_create(skimpi_dictionary **out, skimp_budget *budget, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block = NULL;
    table *first = NULL;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, 1, sizeof(skimpi_dictionary), &block, error));
    skimpi_dictionary *d = block;
    d->budget = budget;
    d->next_block = FIRST_TEXT;
    SKIMPI_TRY(table_create(d, FIRST_SLOTS, &first, error));
    atomic_init(&d->table, first);
    *out = d;
    block = NULL;
out:
    skimp_free(budget, SKIMP_TAG_CATEGORIES, block, 1, sizeof(skimpi_dictionary));
    return status;
}

void skimpi_dictionary_destroy(skimpi_dictionary *d)
{
    if (d == NULL) {
        return;
    }
    for (table *t = atomic_load(&d->table); t != NULL;) {
        table *older = t->older;
        skimp_free(d->budget, SKIMP_TAG_CATEGORIES, t, 1, table_bytes(t->n_slots));
        t = older;
    }
    for (unsigned b = 0; b < ENTRY_BLOCKS; b++) {
        skimp_free(d->budget, SKIMP_TAG_CATEGORIES, atomic_load(&d->blocks[b]), (size_t)FIRST_ENTRIES << b,
                   sizeof(entry));
    }
    for (text_block *t = d->texts; t != NULL;) {
        text_block *older = t->older;
        skimp_free(d->budget, SKIMP_TAG_CATEGORIES, t, 1, sizeof(text_block) + t->bytes);
        t = older;
    }
    skimp_free(d->budget, SKIMP_TAG_CATEGORIES, d, 1, sizeof(skimpi_dictionary));
}

uint32_t skimpi_dictionary_size(const skimpi_dictionary *d)
{
    return atomic_load_explicit(&d->size, memory_order_acquire);
}

uint32_t skimpi_dictionary_find(const skimpi_dictionary *d, const char *text, size_t length, uint64_t hash)
{
    const table *t = atomic_load_explicit(&d->table, memory_order_acquire);
    uint64_t mask = t->n_slots - 1;
    for (uint64_t i = hash & mask;; i = (i + 1) & mask) {
        uint64_t slot = atomic_load_explicit(&t->slots[i], memory_order_acquire);
        if (slot == 0) {
            return SKIMPI_CODE_UNKNOWN;
        }
        if (slot >> 32 == hash >> 32) {
            uint32_t code = (uint32_t)slot - 1;
            const entry *e = entry_at(d, code);
            if (e->hash == hash && e->length == length && memcmp(e->text, text, length) == 0) {
                return code;
            }
        }
    }
}

static void table_put(table *t, uint64_t hash, uint32_t code)
{
    uint64_t mask = t->n_slots - 1;
    uint64_t i = hash & mask;
    while (atomic_load_explicit(&t->slots[i], memory_order_relaxed) != 0) {
        i = (i + 1) & mask;
    }
    atomic_store_explicit(&t->slots[i], (hash >> 32 << 32) | (code + 1), memory_order_release);
}

/* Room for `length` bytes of text that will not move.  A text that is longer than a block is one of its own, behind the current. */
static skimp_status text_room(skimpi_dictionary *d, size_t length, char **out, skimp_error *error)
{
    text_block *t = d->texts;
    if (t == NULL || t->bytes - t->used < length) {
        const bool is_own = length > d->next_block;
        const size_t bytes = is_own ? length : d->next_block;
        void *block;
        skimp_status status =
            skimp_alloc(d->budget, SKIMP_TAG_CATEGORIES, 1, sizeof(text_block) + bytes, &block, error);
        if (status != SKIMP_OK) {
            return status;
        }
        text_block **place = is_own && t != NULL ? &t->older : &d->texts;
        t = block;
        *t = (text_block){ .older = *place, .bytes = bytes };
        *place = t;
        d->next_block = skimpi_min_u64(2 * d->next_block, MAX_TEXT_BLOCK);
    }
    *out = (char *)(t + 1) + t->used;
    t->used += length;
    return SKIMP_OK;
}

skimp_status skimpi_dictionary_insert(skimpi_dictionary *d, const char *text, size_t length, uint64_t hash,
                                      uint32_t *code, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint32_t found = skimpi_dictionary_find(d, text, length, hash);
    if (found != SKIMPI_CODE_UNKNOWN) {
        *code = found;
        return SKIMP_OK;
    }
    uint32_t size = atomic_load_explicit(&d->size, memory_order_relaxed);
    if (size >= SKIMPI_MAX_CATEGORIES || length > UINT32_MAX) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a text column has more than %u different texts",
                           SKIMPI_MAX_CATEGORIES);
    }
    unsigned b = block_of(size);
    if (atomic_load_explicit(&d->blocks[b], memory_order_relaxed) == NULL) {
        void *block;
        SKIMPI_TRY(
            skimp_alloc(d->budget, SKIMP_TAG_CATEGORIES, (size_t)FIRST_ENTRIES << b, sizeof(entry), &block, error));
        atomic_store_explicit(&d->blocks[b], (entry *)block, memory_order_release);
    }
    table *t = atomic_load_explicit(&d->table, memory_order_relaxed);
    if (2 * ((uint64_t)size + 1) > t->n_slots) {
        table *larger;
        SKIMPI_TRY(table_create(d, 2 * t->n_slots, &larger, error));
        for (uint32_t i = 0; i < size; i++) {
            table_put(larger, entry_at(d, i)->hash, i);
        }
        larger->older = t;
        t = larger;
        atomic_store_explicit(&d->table, larger, memory_order_release);
    }
    char *copy;
    SKIMPI_TRY(text_room(d, length, &copy, error));
    memcpy(copy, text, length);
    *entry_at(d, size) = (entry){ .text = copy, .hash = hash, .length = (uint32_t)length };
    table_put(t, hash, size);
    atomic_store_explicit(&d->size, size + 1, memory_order_release);
    *code = size;
out:
    return status;
}

const char *skimpi_dictionary_text(const skimpi_dictionary *d, uint32_t code, size_t *length)
{
    const entry *e = entry_at(d, code);
    *length = e->length;
    return e->text;
}

/* Merge sort of codes by text: no order among equal texts is needed, there are none. */
static bool text_before(const skimpi_dictionary *d, uint32_t a, uint32_t b)
{
    const entry *x = entry_at(d, a), *y = entry_at(d, b);
    uint32_t n = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, n);
    return order != 0 ? order < 0 : x->length < y->length;
}

skimp_status skimpi_dictionary_rank(const skimpi_dictionary *d, uint32_t *rank, skimp_error *error)
{
    uint32_t n = skimpi_dictionary_size(d);
    void *block;
    skimp_status status = skimp_alloc(d->budget, SKIMP_TAG_CATEGORIES, n, 2 * sizeof(uint32_t), &block, error);
    if (status != SKIMP_OK) {
        return status;
    }
    uint32_t *from = block, *to = from + n;
    for (uint32_t i = 0; i < n; i++) {
        from[i] = i;
    }
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t start = 0; start < n; start += 2 * width) {
            uint64_t middle = skimpi_min_u64(start + width, n), end = skimpi_min_u64(start + 2 * width, n);
            uint64_t a = start, b = middle;
            for (uint64_t i = start; i < end; i++) {
                to[i] = a < middle && (b == end || !text_before(d, from[b], from[a])) ? from[a++] : from[b++];
            }
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    for (uint32_t i = 0; i < n; i++) {
        rank[from[i]] = i;
    }
    skimp_free(d->budget, SKIMP_TAG_CATEGORIES, block, n, 2 * sizeof(uint32_t));
    return SKIMP_OK;
}

uint64_t skimpi_dictionary_bytes(uint64_t n_categories, uint64_t text_bytes, uint64_t longest)
{
    uint64_t bytes = skimp_alloc_cost(sizeof(skimpi_dictionary));
    for (uint64_t n_slots = FIRST_SLOTS;; n_slots *= 2) {
        bytes += skimp_alloc_cost(table_bytes(n_slots));
        if (2 * n_categories <= n_slots) {
            break;
        }
    }
    for (unsigned b = 0; b < ENTRY_BLOCKS && block_start(b) < n_categories; b++) {
        bytes += skimp_alloc_cost(((uint64_t)FIRST_ENTRIES << b) * sizeof(entry));
    }
    /*
     * A block is left when the next text does not fit: what is left of it is shorter than the longest, and at worst half.
     * In place of a block that is shorter than some text, there may be one of such a text alone.
     */
    const uint64_t left = skimpi_min_u64(longest, text_bytes);
    uint64_t room = 0, alone = 0;
    for (uint64_t block = FIRST_TEXT; room < text_bytes; block = skimpi_min_u64(2 * block, MAX_TEXT_BLOCK)) {
        const uint64_t least = block == MAX_TEXT_BLOCK ? block / 2 : 0;
        room += skimpi_max_u64(block - skimpi_min_u64(block, left), least);
        alone += left > block && block < MAX_TEXT_BLOCK ? skimp_alloc_cost(sizeof(text_block) + left) : 0;
        bytes += skimp_alloc_cost(sizeof(text_block) + block);
    }
    return bytes + skimpi_min_u64(alone, skimp_alloc_cost(2 * text_bytes));
}

uint64_t skimpi_dictionary_growth(const skimpi_dictionary *d, uint64_t n_texts, uint64_t text_bytes)
{
    uint64_t bytes = 0, size = skimpi_dictionary_size(d) + n_texts;
    uint64_t n_slots = atomic_load_explicit(&d->table, memory_order_relaxed)->n_slots;
    while (2 * size > n_slots) {
        n_slots *= 2;
        bytes += skimp_alloc_cost(table_bytes(n_slots));
    }
    for (unsigned b = 0; b < ENTRY_BLOCKS && block_start(b) < size; b++) {
        bool is_there = atomic_load_explicit(&d->blocks[b], memory_order_relaxed) != NULL;
        bytes += is_there ? 0 : skimp_alloc_cost(((uint64_t)FIRST_ENTRIES << b) * sizeof(entry));
    }
    if (n_texts > 0 && (d->texts == NULL || d->texts->bytes - d->texts->used < text_bytes)) {
        /* Each text may need a block of its own, but blocks are no smaller than this. */
        uint64_t block = d->next_block;
        uint64_t blocks = skimpi_min_u64(n_texts, 2 * text_bytes / block + 1), larger = 0;
        for (uint64_t i = 0; i < blocks; i++) {
            larger += skimp_alloc_cost(sizeof(text_block) + skimpi_max_u64(block, text_bytes));
            block = skimpi_min_u64(2 * block, MAX_TEXT_BLOCK);
        }
        bytes += larger;
    }
    return bytes;
}
