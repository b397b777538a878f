/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw chunks: charged exactly as planned, values kept while they grow, texts new to a unit, failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "data/dictionary.h"
#include "data/reader.h"

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

/* A table: three numbers, two texts, text target, weight; or sparse data. */
static skimpi_schema *make(bool sparse, bool index64)
{
    skimpi_schema *s;
    assert_int_equal(skimpi_schema_create(&s, budget, sparse ? 0 : 7, NULL), SKIMP_OK);
    s->sparse = sparse;
    s->index64 = index64;
    s->delimited = !sparse;
    for (uint32_t i = 0; i < s->n_columns; i++) {
        char name[2] = { (char)('a' + i), '\0' };
        assert_int_equal(skimpi_schema_set_name(s, i, name, 1, NULL), SKIMP_OK);
        s->columns[i].type = i >= 3 && i <= 5 ? SKIMPI_TYPE_CATEGORY : SKIMPI_TYPE_NUMERIC;
    }
    skimpi_roles roles = { .target = sparse ? "label" : "f", .weight = sparse ? NULL : "g" };
    assert_int_equal(skimpi_schema_assign(s, &roles, "t", NULL), SKIMP_OK);
    return s;
}

static void fill(skimpi_raw *raw, const skimpi_schema *s, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) {
        for (uint32_t j = 0; j < s->n_numeric; j++) {
            raw->numeric[(size_t)j * raw->capacity + i] = j * 1e6 + i;
        }
        for (uint32_t j = 0; j < s->n_category; j++) {
            raw->codes[(size_t)j * raw->capacity + i] = j * 1000000 + i;
        }
        raw->target[i] = i + 0.25;
        if (raw->weight != NULL) {
            raw->weight[i] = i + 0.5;
        }
        if (s->sparse) {
            raw->row_end[i] = i + 1;
        }
    }
    raw->n_rows = rows;
    raw->nonzeros = s->sparse ? raw->nonzero_capacity : 0;
    for (uint64_t i = 0; i < raw->nonzeros; i++) {
        raw->values[i] = (double)i / 2;
        if (s->index64) {
            raw->indices64[i] = i * 3;
        } else {
            raw->indices[i] = (uint32_t)i * 3;
        }
    }
}

static void check_filled(const skimpi_raw *raw, const skimpi_schema *s)
{
    for (uint32_t i = 0; i < raw->n_rows; i++) {
        for (uint32_t j = 0; j < s->n_numeric; j++) {
            assert_true(raw->numeric[(size_t)j * raw->capacity + i] == j * 1e6 + i);
        }
        for (uint32_t j = 0; j < s->n_category; j++) {
            assert_true(raw->codes[(size_t)j * raw->capacity + i] == j * 1000000 + i);
        }
        assert_true(raw->target[i] == i + 0.25);
        assert_true(raw->weight == NULL || raw->weight[i] == i + 0.5);
        assert_true(!s->sparse || raw->row_end[i] == i + 1);
    }
    for (uint64_t i = 0; i < raw->nonzeros; i++) {
        assert_true(raw->values[i] == (double)i / 2);
        assert_true((s->index64 ? raw->indices64[i] : raw->indices[i]) == i * 3);
    }
}

static void charged_as_planned_and_kept_while_growing(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        skimpi_schema *s = make(kind > 0, kind == 2);
        for (uint32_t rows = 1; rows < 5000; rows = rows * 3 + 1) {
            skimpi_raw raw;
            uint64_t before = skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE);
            assert_int_equal(skimpi_raw_create(&raw, budget, s, rows, 5 * rows, NULL), SKIMP_OK);
            uint64_t charged = skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE) - before,
                     planned = skimpi_raw_bytes(s, rows, 5 * rows);
            assert_true(charged <= planned);
            assert_true(planned - charged <= 256); /* what a small block costs is known to some bytes */
            assert_true(raw.capacity >= rows);
            assert_true(kind == 0 || raw.nonzero_capacity >= 5 * rows);
            fill(&raw, s, rows);
            for (uint32_t more = rows; more < 8 * rows; more += rows / 2 + 1) {
                assert_int_equal(skimpi_raw_reserve(&raw, s, more, 7 * more, NULL), SKIMP_OK);
                assert_true(raw.capacity >= more);
                check_filled(&raw, s);
            }
            skimpi_raw_clear(&raw);
            assert_int_equal(raw.n_rows, 0);
            skimpi_raw_destroy(&raw, s);
            assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE), before);
        }
        skimpi_schema_destroy(s);
    }
}

static uint32_t code_of(skimpi_raw *raw, const skimpi_schema *s, uint32_t slot, const char *text, bool fixed)
{
    uint32_t code = 1;
    assert_int_equal(skimpi_raw_code(raw, s, slot, text, strlen(text), fixed, &code, NULL), SKIMP_OK);
    return code;
}

static void new_texts_of_a_unit(void **state)
{
    (void)state;
    skimpi_schema *s = make(false, false);
    uint32_t code;
    assert_int_equal(
        skimpi_dictionary_insert(s->dictionaries[1], "known", 5, skimpi_dictionary_hash("known", 5), &code, NULL),
        SKIMP_OK);
    skimpi_raw raw;
    uint64_t before = skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE);
    assert_int_equal(skimpi_raw_create(&raw, budget, s, 10, 0, NULL), SKIMP_OK);
    uint64_t created = skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE), expected = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        expected += (uint64_t)snprintf(NULL, 0, "t%u", (unsigned)i);
    }
    assert_int_equal(skimpi_raw_expect(&raw, 20002, expected + 10, NULL), SKIMP_OK);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(code_of(&raw, s, 1, "known", false), 0);
        assert_int_equal(code_of(&raw, s, 0, "known", true), SKIMPI_CODE_UNKNOWN);
        assert_int_equal(code_of(&raw, s, 0, "known", false), SKIMPI_CODE_FRESH);
        assert_int_equal(code_of(&raw, s, 2, "known", false), SKIMPI_CODE_FRESH + 1);
        uint64_t bytes = 10;
        for (uint32_t i = 0; i < 20000; i++) {
            char text[32];
            bytes += (uint64_t)sprintf(text, "t%u", (unsigned)i);
            assert_int_equal(code_of(&raw, s, i % 3, text, false), SKIMPI_CODE_FRESH + 2 + i);
            assert_int_equal(code_of(&raw, s, i % 3, text, false), SKIMPI_CODE_FRESH + 2 + i);
        }
        assert_true(skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE) - created <= skimpi_raw_fresh_bytes(20002, bytes));
        assert_int_equal(bytes, expected + 10);
        const skimpi_fresh *fresh = raw.fresh.data;
        assert_int_equal(fresh[5].slot, 0);
        assert_int_equal(fresh[5].length, 2);
        assert_memory_equal((const char *)raw.fresh_text.data + fresh[5].offset, "t3", 2);
        skimpi_raw_clear(&raw);
    }
    skimpi_raw_destroy(&raw, s);
    assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE), before);
    skimpi_schema_destroy(s);
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        skimpi_schema *s = make(kind > 0, kind == 2);
        uint64_t in_use = skimp_budget_in_use(budget);
        for (uint64_t n = 1;; n++) {
            skimpi_raw raw;
            skimp_error error = SKIMP_ERROR_INIT;
            (void)skimpi_fault_set(n, false);
            unsigned failed = 0;
            if (skimpi_raw_create(&raw, budget, s, 100, 200, &error) != SKIMP_OK) {
                failed = 1;
            } else {
                fill(&raw, s, 100);
                failed += skimpi_raw_reserve(&raw, s, 300, 900, &error) != SKIMP_OK;
                check_filled(&raw, s);
                for (uint32_t i = 0; kind == 0 && i < 2000; i++) {
                    char text[32];
                    uint32_t code = 0;
                    size_t length = (size_t)sprintf(text, "text %u", (unsigned)i);
                    if (skimpi_raw_code(&raw, s, 0, text, length, false, &code, &error) != SKIMP_OK) {
                        failed++;
                        assert_int_equal(skimpi_raw_code(&raw, s, 0, text, length, false, &code, NULL), SKIMP_OK);
                    }
                    assert_int_equal(code, SKIMPI_CODE_FRESH + i);
                }
                skimpi_raw_destroy(&raw, s);
            }
            uint64_t made = skimpi_fault_set(0, false);
            assert_int_equal(skimp_budget_in_use(budget), in_use);
            assert_true(failed <= 1);
            assert_true(failed == 0 || error.code == SKIMP_ERROR_NOMEM);
            if (made < n) {
                assert_int_equal(failed, 0);
                break;
            }
        }
        skimpi_schema_destroy(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(charged_as_planned_and_kept_while_growing),
        cmocka_unit_test(new_texts_of_a_unit),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
