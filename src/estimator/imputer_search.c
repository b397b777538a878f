/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exact medians and modes of any number of columns in bounded memory, over several passes.
 *
 * Median: radix selection.  Doubles become integers of the same order; each pass counts one digit of those that begin
 * with the digits found so far, and so finds the next digit of the middle value.  A digit ends at bit 29, where floats
 * end: a column of floats is done there.  With an even number of values there are two middle ones; where their digits
 * part, the upper one is the least value above the lower one's digits, which the next pass looks for.
 *
 * Mode: each pass counts the values whose hash is in a range, in a table.  A table that fills up halves its range and
 * drops what is out of it; what is left of the hashes is for later passes.  Hashes are a permutation of the values, so
 * that no two meet, and a count is always that of one value.
 */
#include <math.h>
#include <string.h>

#include "estimator/simple_imputer.h"

#define FLOAT_END 29 /* bits of a double that are the same in all floats of a sign */
#define ZERO_KEY ((uint64_t)1 << 63)

/* Per feature in a median lane: this, then counts of a digit. */
typedef struct digits {
    uint64_t entries;   /* values given, missing ones too */
    uint64_t not_float; /* values that a float cannot hold */
    uint64_t above;     /* least key over the prefix */
    uint64_t counts[];
} digits;

/* Per feature in a mode lane: this, then slots. */
typedef struct table {
    uint64_t entries;
    uint64_t width; /* hashes from the start, at most this far, are counted */
    uint64_t used;
    uint64_t n_missing;
    struct {
        uint64_t key, count; /* count 0: empty */
    } slots[];
} table;

void imputer_search_shape(imputer_shape *shape)
{
    uint64_t p = shape->n_features;
    shape->digit_bits = p <= 64 ? 12 : p <= 1024 ? 8 : p <= 16384 ? 6 : 4;
    shape->slots = 65536;
    while (shape->slots > 64 && skimpi_mul_sat(shape->slots, p) > 131072) {
        shape->slots /= 2;
    }
}

static uint64_t block_bytes(const imputer_shape *shape)
{
    return shape->strategy == IMPUTE_MEDIAN ? sizeof(digits) + (sizeof(uint64_t) << shape->digit_bits)
                                            : sizeof(table) + shape->slots * 2 * sizeof(uint64_t);
}

uint64_t imputer_search_lane_bytes(const imputer_shape *shape)
{
    return skimpi_add_sat(64, skimpi_mul_sat(shape->n_features, block_bytes(shape)));
}

static void *block_of(const imputer_shape *shape, const void *lane, uint64_t feature)
{
    return (char *)(uintptr_t)lane + 64 + feature * block_bytes(shape);
}

void imputer_search_rows(void *lane, double n_rows)
{
    *(double *)lane += n_rows;
}

void imputer_search_begin(const imputer_shape *shape, const imputer_feature *features, void *lane)
{
    for (uint64_t j = 0; j < shape->n_features; j++) {
        if (shape->strategy == IMPUTE_MEDIAN) {
            ((digits *)block_of(shape, lane, j))->above = UINT64_MAX;
        } else {
            ((table *)block_of(shape, lane, j))->width = UINT64_MAX - features[j].prefix;
        }
    }
}

/*
 * ---- median
 * -----------------------------------------------------------------------------------------------------------
 */

/* The digit of a pass: bits shift … top - 1 of a key. False: there is none. */
static bool digit_of(const imputer_shape *shape, unsigned pass, unsigned *shift, unsigned *top)
{
    unsigned end = 64;
    for (unsigned k = 0;; k++) {
        unsigned width = end > FLOAT_END && end - FLOAT_END < shape->digit_bits ? end - FLOAT_END
                         : end < shape->digit_bits                              ? end
                                                                                : shape->digit_bits;
        if (width == 0) {
            return false;
        }
        if (k == pass) {
            *top = end;
            *shift = end - width;
            return true;
        }
        end -= width;
    }
}

double imputer_search_passes(const imputer_shape *shape)
{
    unsigned pass = 0, shift, top;
    while (digit_of(shape, pass, &shift, &top)) {
        pass++;
    }
    return pass;
}

static uint64_t high_bits(uint64_t key, unsigned from)
{
    return from == 64 ? 0 : key >> from;
}

static void add_digits(const imputer_feature *feature, digits *d, unsigned shift, unsigned top, const double *x,
                       size_t n)
{
    uint64_t mask = ((uint64_t)1 << (top - shift)) - 1;
    d->entries += n;
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] == x[i])) {
            continue;
        }
        uint64_t key = imputer_key(x[i]), high = high_bits(key, top);
        d->not_float += (double)(float)x[i] != x[i];
        if (high == feature->prefix) {
            d->counts[key >> shift & mask]++;
        } else if (high > feature->prefix && key < d->above) {
            d->above = key;
        }
    }
}

/* The least key that begins with these bits, or the float that does when the rest is cut off. */
static uint64_t complete(uint64_t bits, unsigned shift)
{
    uint64_t key = shift == 64 ? 0 : bits << shift;
    return key >> 63 || shift == 0 ? key : key | (((uint64_t)1 << shift) - 1);
}

/* zeros: how many implicit ones there are besides. */
static void end_digits(imputer_feature *f, const digits *d, unsigned pass, unsigned shift, unsigned top, double zeros,
                       double *statistic)
{
    uint64_t bins = (uint64_t)1 << (top - shift), above = d->above, zero_bin = UINT64_MAX;
    if (zeros > 0) {
        uint64_t high = high_bits(ZERO_KEY, top);
        zero_bin = high == f->prefix ? ZERO_KEY >> shift & (bins - 1) : UINT64_MAX;
        above = high > f->prefix ? skimpi_min_u64(above, ZERO_KEY) : above;
    }
#define COUNT(bin) (d->counts[bin] + ((bin) == zero_bin ? (uint64_t)zeros : 0))
    if (pass == 0) {
        for (uint64_t b = 0; b < bins; b++) {
            f->n += COUNT(b);
        }
        f->n_missing = d->entries + (uint64_t)zeros - f->n;
        if (f->n == 0) {
            *statistic = (double)NAN;
            f->done = 1;
            return;
        }
        f->below = (f->n - 1) / 2;
    }
    if (f->split == 1) {
        f->upper = above;
        f->split = 2;
    }
    uint64_t lower = 0, rank = f->below;
    while (lower + 1 < bins && rank >= COUNT(lower)) {
        rank -= COUNT(lower);
        lower++;
    }
    if (f->split == 0 && f->n % 2 == 0 && rank + 1 >= COUNT(lower)) {
        uint64_t upper = lower + 1;
        while (upper + 1 < bins && COUNT(upper) == 0) {
            upper++;
        }
        f->upper =
            complete(f->prefix * bins + upper, shift); /* right if this digit is the last; else the next pass sets it */
        f->split = 1;
    }
#undef COUNT
    f->below = rank;
    f->prefix = f->prefix * bins + lower;
    if (shift == 0 || (shift == FLOAT_END && d->not_float == 0)) {
        double low = imputer_number(complete(f->prefix, shift));
        double high = f->split != 0 ? imputer_number(f->upper) : low;
        *statistic = isfinite(low + high) ? (low + high) / 2 : low / 2 + high / 2;
        f->done = 1;
    }
}

/*
 * ---- most frequent
 * ------------------------------------------------------------------------------------------------------
 */

static bool in_range(const table *t, uint64_t start, uint64_t hash)
{
    return hash >= start && hash - start <= t->width;
}

/* Halves the range and drops what is out of it; what stays is put in its place again, one run after an empty slot. */
static void narrow(table *t, uint64_t n_slots, uint64_t start, uint64_t width)
{
    t->width = width;
    t->used = 0;
    uint64_t empty = n_slots;
    for (uint64_t i = 0; i < n_slots; i++) {
        if (t->slots[i].count > 0 && !in_range(t, start, skimpi_mix64(t->slots[i].key))) {
            t->slots[i].count = 0;
        }
        t->used += t->slots[i].count > 0;
        empty = t->slots[i].count == 0 ? i : empty;
    }
    for (uint64_t k = 1; k < n_slots && empty < n_slots; k++) {
        uint64_t at = (empty + k) & (n_slots - 1), count = t->slots[at].count;
        if (count > 0) {
            uint64_t key = t->slots[at].key, to = skimpi_mix64(key) & (n_slots - 1);
            t->slots[at].count = 0;
            while (t->slots[to].count > 0) {
                to = (to + 1) & (n_slots - 1);
            }
            t->slots[to].key = key;
            t->slots[to].count = count;
        }
    }
}

static void add_key(table *t, uint64_t n_slots, uint64_t start, uint64_t key, uint64_t count)
{
    uint64_t hash = skimpi_mix64(key);
    if (!in_range(t, start, hash)) {
        return;
    }
    uint64_t at = hash & (n_slots - 1);
    while (t->slots[at].count > 0 && t->slots[at].key != key) {
        at = (at + 1) & (n_slots - 1);
    }
    t->used += t->slots[at].count == 0;
    t->slots[at].key = key;
    t->slots[at].count += count;
    while (t->used > n_slots / 4 * 3) {
        narrow(t, n_slots, start, t->width / 2);
    }
}

static void add_table(const imputer_feature *feature, table *t, uint64_t n_slots, const double *x, size_t n)
{
    t->entries += n;
    for (size_t i = 0; i < n; i++) {
        if (x[i] == x[i]) {
            add_key(t, n_slots, feature->prefix, imputer_key(x[i]), 1);
        } else {
            t->n_missing++;
        }
    }
}

static void end_table(imputer_feature *f, const table *t, uint64_t n_slots, double zeros, double *statistic)
{
    uint64_t zero_count = zeros > 0 && in_range(t, f->prefix, skimpi_mix64(ZERO_KEY)) ? (uint64_t)zeros : 0;
    uint64_t extra = zero_count;
    for (uint64_t i = 0; i <= n_slots; i++) {
        uint64_t key = i < n_slots ? t->slots[i].key : ZERO_KEY, count = i < n_slots ? t->slots[i].count : extra;
        if (i < n_slots && count > 0 && key == ZERO_KEY) {
            count += extra;
            extra = 0;
        }
        if (count > f->best_count || (count > 0 && count == f->best_count && key < f->best)) {
            f->best = key;
            f->best_count = count;
        }
    }
    if (t->width == UINT64_MAX - f->prefix) {
        f->done = 1;
        *statistic = f->best_count > 0 ? imputer_number(f->best) : (double)NAN;
    } else {
        f->prefix += t->width + 1;
    }
}

/*
 * ---- both
 * ---------------------------------------------------------------------------------------------------------------
 */

void imputer_search_add(const imputer_shape *shape, const imputer_feature *features, unsigned pass, void *lane,
                        uint64_t feature, const double *x, size_t n)
{
    unsigned shift, top;
    if (features[feature].done) {
        return;
    }
    if (shape->strategy == IMPUTE_MOST_FREQUENT) {
        add_table(&features[feature], block_of(shape, lane, feature), shape->slots, x, n);
    } else if (digit_of(shape, pass, &shift, &top)) {
        add_digits(&features[feature], block_of(shape, lane, feature), shift, top, x, n);
    }
}

void imputer_search_merge(const imputer_shape *shape, const imputer_feature *features, void *into, const void *from)
{
    *(double *)into += *(const double *)from;
    for (uint64_t j = 0; j < shape->n_features; j++) {
        if (shape->strategy == IMPUTE_MEDIAN) {
            digits *a = block_of(shape, into, j);
            const digits *b = block_of(shape, from, j);
            a->entries += b->entries;
            a->not_float += b->not_float;
            a->above = skimpi_min_u64(a->above, b->above);
            for (uint64_t k = 0; k < (uint64_t)1 << shape->digit_bits; k++) {
                a->counts[k] += b->counts[k];
            }
            continue;
        }
        table *a = block_of(shape, into, j);
        const table *b = block_of(shape, from, j);
        a->entries += b->entries;
        a->n_missing += b->n_missing;
        if (b->width < a->width) {
            narrow(a, shape->slots, features[j].prefix, b->width);
        }
        for (uint64_t k = 0; k < shape->slots; k++) {
            if (b->slots[k].count > 0) {
                add_key(a, shape->slots, features[j].prefix, b->slots[k].key, b->slots[k].count);
            }
        }
    }
}

bool imputer_search_end(const imputer_shape *shape, imputer_feature *features, unsigned pass, const void *lane,
                        double *statistics)
{
    double n_rows = *(const double *)lane;
    bool all = true;
    for (uint64_t j = 0; j < shape->n_features; j++) {
        unsigned shift, top;
        bool sparse = j >= shape->n_features - shape->n_sparse;
        if (features[j].done) {
            continue;
        }
        if (shape->strategy == IMPUTE_MOST_FREQUENT) {
            const table *t = block_of(shape, lane, j);
            features[j].n_missing = t->n_missing;
            end_table(&features[j], t, shape->slots, sparse ? n_rows - (double)t->entries : 0, &statistics[j]);
        } else if (digit_of(shape, pass, &shift, &top)) {
            const digits *d = block_of(shape, lane, j);
            end_digits(&features[j], d, pass, shift, top, sparse ? n_rows - (double)d->entries : 0, &statistics[j]);
        }
        all = all && features[j].done;
    }
    return all;
}
