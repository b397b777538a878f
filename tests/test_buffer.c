/* SPDX-License-Identifier: BSD-3-Clause */
/* Growable blocks and strings: growth, exact first size, failure that keeps what was there, copies with NULs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/base.h"

static skimp_budget *new_budget(uint64_t limit)
{
    skimp_budget *budget;
    skimp_budget_options options = { .size = sizeof(options), .limit = limit };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

static void grows_and_keeps_what_was_appended(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    skimpi_buffer b;
    skimpi_buffer_init(&b, budget, SKIMP_TAG_PARSE);
    unsigned reallocations = 0;
    for (uint32_t i = 0; i < 100000; i++) {
        size_t before = b.capacity;
        assert_int_equal(skimpi_buffer_append(&b, &i, sizeof(i), NULL), SKIMP_OK);
        reallocations += b.capacity != before;
    }
    assert_int_equal(b.length, 400000);
    assert_true(reallocations < 40);
    for (uint32_t i = 0; i < 100000; i++) {
        assert_int_equal(((uint32_t *)b.data)[i], i);
    }
    assert_int_equal(skimpi_buffer_append(&b, NULL, 0, NULL), SKIMP_OK);
    skimpi_buffer_free(&b);
    assert_null(b.data);
    skimpi_buffer_free(&b);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void first_reserve_is_exact(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    skimpi_buffer b;
    skimpi_buffer_init(&b, budget, SKIMP_TAG_PARSE);
    assert_int_equal(skimpi_buffer_reserve(&b, 100000, NULL), SKIMP_OK);
    assert_int_equal(b.capacity, 100000);
    assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_PARSE), skimp_alloc_cost(100000));
    assert_int_equal(skimpi_buffer_reserve(&b, 100001, NULL), SKIMP_OK);
    assert_int_equal(b.capacity, 150000);
    assert_int_equal(skimpi_buffer_reserve(&b, 1000000, NULL), SKIMP_OK);
    assert_int_equal(b.capacity, 1000000);
    assert_int_equal(skimpi_buffer_reserve(&b, 5, NULL), SKIMP_OK);
    assert_int_equal(b.capacity, 1000000);
    skimpi_buffer_free(&b);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void takes_what_is_needed_where_more_does_not_fit(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(256 << 10);
    skimpi_buffer b;
    skimpi_buffer_init(&b, budget, SKIMP_TAG_PARSE);
    assert_int_equal(skimpi_buffer_reserve(&b, 200 << 10, NULL), SKIMP_OK);
    assert_int_equal(skimpi_buffer_append(&b, "kept", 4, NULL), SKIMP_OK);
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_buffer_reserve(&b, 220 << 10, &error), SKIMP_OK); /* 300 KiB would have been generous */
    assert_int_equal(b.capacity, 220 << 10);
    assert_int_equal(error.code, SKIMP_OK);
    assert_int_equal(skimpi_buffer_reserve(&b, 300 << 10, &error), SKIMP_ERROR_BUDGET);
    assert_int_equal(error.code, SKIMP_ERROR_BUDGET);
    assert_int_equal(b.capacity, 220 << 10);
    assert_int_equal(b.length, 4);
    assert_memory_equal(b.data, "kept", 4);
    assert_int_equal(skimpi_buffer_append(&b, "x", SIZE_MAX - 2, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(b.length, 4);
    skimpi_buffer_free(&b);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void prints_text_one_after_the_other(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    skimpi_buffer b;
    skimpi_buffer_init(&b, budget, SKIMP_TAG_OUTPUT);
    assert_int_equal(skimpi_buffer_printf(&b, NULL, "%s", ""), SKIMP_OK);
    assert_int_equal(b.length, 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(skimpi_buffer_printf(&b, NULL, "%03d,", i), SKIMP_OK);
    }
    assert_int_equal(b.length, 4000);
    assert_int_equal(strlen(b.data), 4000);
    assert_memory_equal((char *)b.data + 3996, "999,", 5);
    skimpi_buffer_free(&b);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void strings_may_hold_anything(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    uint64_t own = skimp_budget_in_use(budget);
    char *text;
    assert_int_equal(skimpi_string_copy(budget, SKIMP_TAG_CATEGORIES, "a\0b", 3, &text, NULL), SKIMP_OK);
    assert_memory_equal(text, "a\0b", 4);
    skimpi_string_free(budget, SKIMP_TAG_CATEGORIES, text);
    assert_int_equal(skimpi_string_copy(budget, SKIMP_TAG_CATEGORIES, NULL, 0, &text, NULL), SKIMP_OK);
    assert_string_equal(text, "");
    skimpi_string_free(budget, SKIMP_TAG_CATEGORIES, text);
    skimpi_string_free(budget, SKIMP_TAG_CATEGORIES, NULL);
    assert_int_equal(skimpi_string_copy(budget, SKIMP_TAG_CATEGORIES, "", SIZE_MAX, &text, NULL), SKIMP_ERROR_PARAM);
    assert_null(text);
    assert_int_equal(skimp_budget_in_use(budget), own);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static skimp_status use_all(skimp_budget *budget, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char *text = NULL;
    skimpi_buffer b;
    skimpi_buffer_init(&b, budget, SKIMP_TAG_OTHER);
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_OTHER, "text", 4, &text, error));
    SKIMPI_TRY(skimpi_buffer_append(&b, text, 5, error));
    SKIMPI_TRY(skimpi_buffer_printf(&b, error, "%0200d", 7));
    SKIMPI_TRY(skimpi_buffer_reserve(&b, 100000, error));
out:
    skimpi_string_free(budget, SKIMP_TAG_OTHER, text);
    skimpi_buffer_free(&b);
    return status;
}

static void every_failed_allocation_is_clean(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    uint64_t own = skimp_budget_in_use(budget);
    unsigned failures = 0;
    for (uint64_t nth = 1;; nth++) {
        skimp_error error = SKIMP_ERROR_INIT;
        skimpi_fault_set(nth, true);
        skimp_status status = use_all(budget, &error);
        assert_int_equal(skimp_budget_in_use(budget), own);
        if (status == SKIMP_OK) {
            break;
        }
        assert_int_equal(status, SKIMP_ERROR_NOMEM);
        failures++;
    }
    skimpi_fault_set(0, false);
    assert_int_equal(failures, 4);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_what_was_appended),
        cmocka_unit_test(first_reserve_is_exact),
        cmocka_unit_test(takes_what_is_needed_where_more_does_not_fit),
        cmocka_unit_test(prints_text_one_after_the_other),
        cmocka_unit_test(strings_may_hold_anything),
        cmocka_unit_test(every_failed_allocation_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
