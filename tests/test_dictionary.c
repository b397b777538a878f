/* SPDX-License-Identifier: BSD-3-Clause */
/* Dictionaries: codes in order of appearance, readers beside a writer, ranks, memory within its bound, failing allocations. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/dictionary.h"

static skimp_budget *budget;

static int begin(void **state)
{
    (void)state;
    skimp_budget_options options = { .size = sizeof(options) };
    return skimp_budget_create(&budget, &options, NULL) != SKIMP_OK;
}

static int end(void **state)
{
    (void)state;
    return skimp_budget_destroy(budget) != 0;
}

static size_t text_of(uint32_t i, char *out)
{
    return (size_t)sprintf(out, "%s%u", i % 3 == 0 ? "a rather long text, number " : "", (unsigned)(i * 2654435761u));
}

static uint32_t insert(skimpi_dictionary *d, const char *text, size_t length)
{
    uint32_t code = 77;
    assert_int_equal(skimpi_dictionary_insert(d, text, length, skimpi_dictionary_hash(text, length), &code, NULL),
                     SKIMP_OK);
    return code;
}

/* Texts of all lengths up to some: the bound holds whatever their order, and long ones waste little. */
static void the_bound_holds_for_texts_of_any_length(void **state)
{
    (void)state;
    enum { LONGEST = 300000 };
    static char text[LONGEST];
    static const uint32_t longest[] = { 1, 40, 200, 3000, 20000, 140000, LONGEST };
    for (size_t k = 0; k < sizeof longest / sizeof *longest; k++) {
        skimpi_random random;
        skimpi_random_seed(&random, k + 1);
        skimpi_dictionary *d;
        const uint64_t before = skimp_budget_tag_in_use(budget, SKIMP_TAG_CATEGORIES);
        uint64_t bytes = 0, n = 0;
        assert_int_equal(skimpi_dictionary_create(&d, budget, NULL), SKIMP_OK);
        while (bytes < 40 * longest[k] + 20000 && n < 3000) {
            /* Short ones and the longest in turns are worst: what is left of a block is most. */
            const size_t length = n % 3 == 0 ? longest[k] : 1 + skimpi_random_below(&random, longest[k]);
            for (size_t i = 0; i < length && i < 8; i++) {
                text[i] = (char)('a' + skimpi_random_below(&random, 26));
            }
            const uint32_t size = skimpi_dictionary_size(d);
            (void)insert(d, text, length);
            bytes += skimpi_dictionary_size(d) > size ? length : 0;
            n++;
            assert_true(skimp_budget_tag_in_use(budget, SKIMP_TAG_CATEGORIES) - before <=
                        skimpi_dictionary_bytes(skimpi_dictionary_size(d), bytes, longest[k]));
        }
        skimpi_dictionary_destroy(d);
    }
    assert_true(skimpi_dictionary_bytes(20000, 20000 * 200, 200) < 20000 * (200 + 128));
}

static void codes_in_order_of_appearance(void **state)
{
    (void)state;
    enum { N = 100000 };
    skimpi_dictionary *d;
    uint64_t before = skimp_budget_tag_in_use(budget, SKIMP_TAG_CATEGORIES), bytes = 0;
    assert_int_equal(skimpi_dictionary_create(&d, budget, NULL), SKIMP_OK);
    for (uint32_t i = 0; i < N; i++) {
        char text[64];
        size_t length = text_of(i, text);
        bytes += length;
        assert_int_equal(skimpi_dictionary_find(d, text, length, skimpi_dictionary_hash(text, length)),
                         SKIMPI_CODE_UNKNOWN);
        assert_int_equal(insert(d, text, length), i);
        assert_int_equal(insert(d, text, length), i);
        assert_int_equal(skimpi_dictionary_size(d), i + 1);
        if ((i & (i + 1)) == 0 || i == N - 1) {
            assert_true(skimp_budget_tag_in_use(budget, SKIMP_TAG_CATEGORIES) - before <=
                        skimpi_dictionary_bytes(i + 1, bytes, sizeof text));
        }
    }
    assert_true(skimp_budget_tag_in_use(budget, SKIMP_TAG_CATEGORIES) - before >=
                skimpi_dictionary_bytes(N, bytes, 64) / 2);
    for (uint32_t i = 0; i < N; i++) {
        char text[64];
        size_t length = text_of(i, text), got;
        assert_int_equal(skimpi_dictionary_find(d, text, length, skimpi_dictionary_hash(text, length)), i);
        const char *kept = skimpi_dictionary_text(d, i, &got);
        assert_int_equal(got, length);
        assert_memory_equal(kept, text, length);
    }
    skimpi_dictionary_destroy(d);
}

static void odd_texts(void **state)
{
    (void)state;
    skimpi_dictionary *d;
    assert_int_equal(skimpi_dictionary_create(&d, budget, NULL), SKIMP_OK);
    static char large[3 << 20];
    memset(large, 'x', sizeof(large));
    assert_int_equal(insert(d, "", 0), 0);
    assert_int_equal(insert(d, "a\0b", 3), 1);
    assert_int_equal(insert(d, "a\0c", 3), 2);
    assert_int_equal(insert(d, "a", 1), 3);
    assert_int_equal(insert(d, large, sizeof(large)), 4);
    assert_int_equal(insert(d, large, sizeof(large) - 1), 5);
    assert_int_equal(insert(d, "a\0b", 3), 1);
    assert_int_equal(insert(d, large, sizeof(large)), 4);
    assert_int_equal(insert(d, "", 0), 0);
    skimpi_dictionary_destroy(d);
}

static void ranks_are_the_byte_order(void **state)
{
    (void)state;
    skimpi_dictionary *d;
    assert_int_equal(skimpi_dictionary_create(&d, budget, NULL), SKIMP_OK);
    const char *const texts[] = { "b", "a", "", "ab", "B", "\xc3\xa9", "a b", "aa" };
    const uint32_t expected[] = { 6, 2, 0, 5, 1, 7, 3, 4 };
    uint32_t rank[1000];
    assert_int_equal(skimpi_dictionary_rank(d, rank, NULL), SKIMP_OK);
    for (uint32_t i = 0; i < 8; i++) {
        insert(d, texts[i], strlen(texts[i]));
    }
    assert_int_equal(skimpi_dictionary_rank(d, rank, NULL), SKIMP_OK);
    assert_memory_equal(rank, expected, sizeof(expected));
    for (uint32_t i = 8; i < 1000; i++) {
        char text[64];
        insert(d, text, text_of(i, text));
    }
    assert_int_equal(skimpi_dictionary_rank(d, rank, NULL), SKIMP_OK);
    uint32_t at[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(rank[i] < 1000);
        at[rank[i]] = i;
    }
    for (uint32_t i = 1; i < 1000; i++) {
        size_t n, m;
        const char *a = skimpi_dictionary_text(d, at[i - 1], &n), *b = skimpi_dictionary_text(d, at[i], &m);
        int order = memcmp(a, b, n < m ? n : m);
        assert_true(order < 0 || (order == 0 && n < m));
    }
    skimpi_dictionary_destroy(d);
}

typedef struct shared {
    skimpi_dictionary *d;
    _Atomic uint32_t wrong;
    _Atomic bool done;
} shared;

/* A code that is found is right, whatever the writer does meanwhile; what was published is found. */
static void *look_up(void *argument)
{
    shared *s = argument;
    do {
        uint32_t size = skimpi_dictionary_size(s->d);
        for (uint32_t i = 0; i < 60000; i += 37) {
            char text[64];
            size_t length = text_of(i, text);
            uint32_t code = skimpi_dictionary_find(s->d, text, length, skimpi_dictionary_hash(text, length));
            if (code != i && (code != SKIMPI_CODE_UNKNOWN || i < size)) {
                atomic_fetch_add(&s->wrong, 1);
            }
        }
    } while (!atomic_load(&s->done));
    return NULL;
}

static void readers_beside_a_writer(void **state)
{
    (void)state;
    shared s = { 0 };
    pthread_t readers[2];
    assert_int_equal(skimpi_dictionary_create(&s.d, budget, NULL), SKIMP_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, look_up, &s), 0);
    }
    for (uint32_t i = 0; i < 60000; i++) {
        char text[64];
        assert_int_equal(insert(s.d, text, text_of(i, text)), i);
    }
    atomic_store(&s.done, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(readers[i], NULL);
    }
    assert_int_equal(atomic_load(&s.wrong), 0);
    skimpi_dictionary_destroy(s.d);
}

/* A failed insertion leaves the dictionary as it was, and the next one goes on. */
/* Whatever the size, a few more texts take no more than was said. */
static void growth_is_bounded(void **state)
{
    (void)state;
    for (uint32_t size = 0; size < 3000; size += 1 + size / 7) {
        for (unsigned more = 0; more < 4; more++) {
            for (unsigned long_text = 0; long_text < 2; long_text++) {
                skimpi_dictionary *d;
                char text[5000];
                uint64_t bytes = 0;
                assert_int_equal(skimpi_dictionary_create(&d, budget, NULL), SKIMP_OK);
                for (uint32_t i = 0; i < size; i++) {
                    insert(d, text, text_of(i, text));
                }
                for (uint32_t k = 0; k < more; k++) {
                    bytes += long_text ? sizeof text - k : text_of(size + k, text);
                }
                const uint64_t bound = skimpi_dictionary_growth(d, more, bytes);
                const uint64_t before = skimp_budget_tag_in_use(budget, SKIMP_TAG_CATEGORIES);
                for (uint32_t k = 0; k < more; k++) {
                    memset(text, 'x', sizeof text);
                    insert(d, text, long_text ? sizeof text - k : text_of(size + k, text));
                }
                assert_int_equal(skimpi_dictionary_size(d), size + more);
                const uint64_t grown = skimp_budget_tag_in_use(budget, SKIMP_TAG_CATEGORIES) - before;
                assert_true(grown <= bound);
                assert_true(more > 0 || bound == 0);
                skimpi_dictionary_destroy(d);
            }
        }
    }
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    uint64_t in_use = skimp_budget_in_use(budget);
    for (uint64_t n = 1;; n++) {
        skimpi_dictionary *d = NULL;
        skimp_error error = SKIMP_ERROR_INIT;
        (void)skimpi_fault_set(n, false);
        unsigned failed = skimpi_dictionary_create(&d, budget, &error) != SKIMP_OK;
        if (failed) {
            assert_null(d);
            assert_int_equal(error.code, SKIMP_ERROR_NOMEM);
        }
        for (uint32_t i = 0; d != NULL && i < 500; i++) {
            char text[64];
            size_t length = text_of(i, text);
            uint32_t code;
            if (skimpi_dictionary_insert(d, text, length, skimpi_dictionary_hash(text, length), &code, &error) !=
                SKIMP_OK) {
                failed++;
                assert_int_equal(skimpi_dictionary_size(d), i);
                assert_int_equal(insert(d, text, length), i);
            }
        }
        uint32_t rank[500];
        if (d != NULL && skimpi_dictionary_rank(d, rank, &error) != SKIMP_OK) {
            failed++;
        }
        (void)skimpi_fault_set(0, false);
        skimpi_dictionary_destroy(d);
        assert_int_equal(skimp_budget_in_use(budget), in_use);
        if (failed == 0) {
            assert_true(n > 5);
            break;
        }
        assert_int_equal(failed, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_holds_for_texts_of_any_length),
        cmocka_unit_test(codes_in_order_of_appearance),
        cmocka_unit_test(odd_texts),
        cmocka_unit_test(ranks_are_the_byte_order),
        cmocka_unit_test(readers_beside_a_writer),
        cmocka_unit_test(growth_is_bounded),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
