/* SPDX-License-Identifier: BSD-3-Clause */
/* Schemas: roles, slots, the target's comparison, refusals that name the column and near names, failing allocations. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "data/dictionary.h"
#include "data/schema.h"

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

/* distance (number), carrier (text), day (date), arr_delay (number), a>b (number), origin (text), 7 (number) */
static skimp_status make(skimpi_schema **out, skimp_error *error)
{
    static const struct {
        const char *name;
        uint8_t type;
    } columns[] = { { "distance", SKIMPI_TYPE_NUMERIC }, { "carrier", SKIMPI_TYPE_CATEGORY },
                    { "day", SKIMPI_TYPE_DATE },         { "arr_delay", SKIMPI_TYPE_NUMERIC },
                    { "a>b", SKIMPI_TYPE_NUMERIC },      { "origin", SKIMPI_TYPE_CATEGORY },
                    { "7", SKIMPI_TYPE_NUMERIC } };
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = NULL;
    SKIMPI_TRY(skimpi_schema_create(&schema, budget, 7, error));
    for (uint32_t i = 0; i < 7; i++) {
        SKIMPI_TRY(skimpi_schema_set_name(schema, i, columns[i].name, strlen(columns[i].name), error));
        schema->columns[i].type = columns[i].type;
    }
    *out = schema;
    schema = NULL;
out:
    skimpi_schema_destroy(schema);
    return status;
}

static const char *const day[] = { "day" };

static void roles_and_slots(void **state)
{
    (void)state;
    skimpi_schema *s;
    assert_int_equal(make(&s, NULL), SKIMP_OK);
    const char *const drop[] = { "day", "distance" };
    skimpi_roles roles = { .target = "arr_delay", .weight = "7", .drop = drop, .n_drop = 2 };
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.csv", NULL), SKIMP_OK);
    assert_int_equal(s->target, 3);
    assert_int_equal(s->weight, 6);
    assert_int_equal(s->n_numeric, 1);
    assert_int_equal(s->numeric[0], 4);
    assert_int_equal(s->n_category, 2);
    assert_int_equal(s->category[0], 1);
    assert_int_equal(s->category[1], 5);
    assert_int_equal(s->columns[5].slot, 1);
    assert_non_null(s->dictionaries[1]);
    assert_null(s->dictionaries[2]);
    assert_int_equal(skimpi_schema_inputs(s), 3);
    /* Again, with other roles. */
    roles = (skimpi_roles){ .target = "carrier", .drop = day, .n_drop = 1, .hash_bits = 8 };
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.csv", NULL), SKIMP_OK);
    assert_int_equal(s->target_type, SKIMPI_TYPE_CATEGORY);
    assert_int_equal(s->weight, -1);
    assert_int_equal(s->n_numeric, 4);
    assert_int_equal(s->n_category, 1);
    assert_null(s->dictionaries[0]);
    assert_non_null(s->dictionaries[1]);
    skimpi_schema_destroy(s);
}

static void comparisons(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        int64_t column;
        skimpi_comparison comparison;
        double value;
        const char *text;
    } cases[] = {
        { "arr_delay>15", 3, SKIMPI_CMP_GT, 15, NULL },
        { "arr_delay >= -1.5e1", 3, SKIMPI_CMP_GE, -15, NULL },
        { "arr_delay<0", 3, SKIMPI_CMP_LT, 0, NULL },
        { " arr_delay <= 1 ", 3, SKIMPI_CMP_LE, 1, NULL },
        { "arr_delay==\"3\"", 3, SKIMPI_CMP_EQ, 3, NULL },
        { "arr_delay!=3", 3, SKIMPI_CMP_NE, 3, NULL },
        { "a>b", 4, SKIMPI_CMP_NONE, 0, NULL },
        { "a>b>2", 4, SKIMPI_CMP_GT, 2, NULL },
        { "carrier==\"AA\"", 1, SKIMPI_CMP_EQ, 0, "AA" },
        { "carrier = A A ", 1, SKIMPI_CMP_EQ, 0, "A A" },
        { "carrier!=''", 1, SKIMPI_CMP_NE, 0, "" },
        { "3>1", 3, SKIMPI_CMP_GT, 1, NULL },
        { "7", 6, SKIMPI_CMP_NONE, 0, NULL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        skimpi_schema *s;
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(make(&s, NULL), SKIMP_OK);
        skimpi_roles roles = { .target = cases[i].target, .drop = day, .n_drop = 1 };
        if (skimpi_schema_assign(s, &roles, "f.csv", &error) != SKIMP_OK) {
            fail_msg("%s: %s", cases[i].target, error.message);
        }
        assert_int_equal(s->target, cases[i].column);
        assert_int_equal(s->comparison, cases[i].comparison);
        assert_true(s->comparison_value == cases[i].value);
        assert_int_equal(s->comparison_text != NULL, cases[i].text != NULL);
        if (cases[i].text != NULL) {
            assert_string_equal(s->comparison_text, cases[i].text);
        }
        skimpi_schema_destroy(s);
    }
}

static void comparing(void **state)
{
    (void)state;
    skimpi_schema s = { .comparison_value = 2 };
    const double expected[][3] = { { 1, 2, 3 }, { 0, 0, 1 }, { 0, 1, 1 }, { 1, 0, 0 },
                                   { 1, 1, 0 }, { 0, 1, 0 }, { 1, 0, 1 } };
    for (int c = SKIMPI_CMP_NONE; c <= SKIMPI_CMP_NE; c++) {
        s.comparison = (uint8_t)c;
        for (int i = 0; i < 3; i++) {
            assert_true(skimpi_schema_compare(&s, i + 1) == expected[c][i]);
        }
        assert_true(isnan(skimpi_schema_compare(&s, NAN)));
    }
}

static void refusals(void **state)
{
    (void)state;
    static const char *const unknown[] = { "day", "distanse" }, *const target[] = { "day", "arr_delay" };
    static const char *const all[] = { "day", "distance", "carrier", "a>b", "origin", "7" };
    static const struct {
        skimpi_roles roles;
        const char *says[2];
        const char *column;
    } cases[] = {
        { { .target = "arr_dely", .drop = day, .n_drop = 1 }, { "'arr_dely' (target)", "'arr_delay'" }, "" },
        { { .target = "arr_dely>3", .drop = day, .n_drop = 1 }, { "'arr_dely' (target)", "'arr_delay'" }, "" },
        { { .target = "arr_delay", .weight = "w", .drop = day, .n_drop = 1 }, { "'w' (weight)", "" }, "" },
        { { .drop = unknown, .n_drop = 2 }, { "'distanse' (drop)", "'distance'" }, "" },
        { { .target = "arr_delay" }, { "--drop day", "dates" }, "day" },
        { { .target = "day" }, { "dates", "target" }, "day" },
        { { .weight = "carrier", .drop = day, .n_drop = 1 }, { "text", "weight" }, "carrier" },
        { { .target = "7", .weight = "7", .drop = day, .n_drop = 1 }, { "both", "" }, "7" },
        { { .target = "arr_delay", .drop = target, .n_drop = 2 }, { "is the target", "" }, "arr_delay" },
        { { .target = "carrier>3", .drop = day, .n_drop = 1 }, { "holds text", "==" }, "carrier" },
        { { .target = "arr_delay>x", .drop = day, .n_drop = 1 }, { "holds numbers", "'x'" }, "arr_delay" },
        { { .target = "arr_delay>nan", .drop = day, .n_drop = 1 }, { "holds numbers", "" }, "arr_delay" },
        { { .target = "arr_delay>", .drop = day, .n_drop = 1 }, { "holds numbers", "" }, "arr_delay" },
        { { .target = "arr_delay", .drop = all, .n_drop = 6 }, { "no column is left", "" }, "" },
        { { .drop = day, .n_drop = 1, .hash_bits = 31 }, { "hash bits", "30" }, "" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        skimpi_schema *s;
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(make(&s, NULL), SKIMP_OK);
        /* Dates are bad data; all else is a bad wish. */
        bool is_data = strcmp(cases[i].says[0], "dates") == 0 || strcmp(cases[i].says[1], "dates") == 0;
        assert_int_equal(skimpi_schema_assign(s, &cases[i].roles, "f.csv", &error),
                         is_data ? SKIMP_ERROR_DATA : SKIMP_ERROR_PARAM);
        if (strstr(error.message, cases[i].says[0]) == NULL || strstr(error.message, cases[i].says[1]) == NULL) {
            fail_msg("case %zu: %s", i, error.message);
        }
        assert_string_equal(error.column, cases[i].column);
        skimpi_schema_destroy(s);
    }
}

static void columns_of_the_same_name(void **state)
{
    (void)state;
    skimpi_schema *s;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(make(&s, NULL), SKIMP_OK);
    assert_int_equal(skimpi_schema_set_name(s, 4, "distance", 8, NULL), SKIMP_OK);
    skimpi_roles roles = { .drop = day, .n_drop = 1 };
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.csv", &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "two columns"));
    assert_string_equal(error.column, "distance");
    const char *const by_number[] = { "day", "4" }, *const by_name[] = { "day", "distance" };
    roles = (skimpi_roles){ .drop = by_number, .n_drop = 2 };
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.csv", NULL), SKIMP_OK);
    assert_int_equal(s->n_numeric, 3);
    roles = (skimpi_roles){ .drop = by_name, .n_drop = 2 };
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.csv", NULL), SKIMP_OK);
    assert_int_equal(s->n_numeric, 2);
    skimpi_schema_destroy(s);
}

static void sparse_data_has_a_label_only(void **state)
{
    (void)state;
    skimpi_schema *s;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_schema_create(&s, budget, 0, NULL), SKIMP_OK);
    s->sparse = true;
    s->n_sparse_features = 9;
    skimpi_roles roles = { .target = "label>0" };
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.svm", NULL), SKIMP_OK);
    assert_int_equal(s->target, 0);
    assert_int_equal(s->comparison, SKIMPI_CMP_GT);
    assert_int_equal(skimpi_schema_inputs(s), 9);
    roles.target = NULL;
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.svm", NULL), SKIMP_OK);
    assert_int_equal(s->target, -1);
    roles.target = "price";
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.svm", &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "'label'"));
    roles = (skimpi_roles){ .weight = "w" };
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.svm", NULL), SKIMP_ERROR_PARAM);
    roles = (skimpi_roles){ .drop = day, .n_drop = 1 };
    assert_int_equal(skimpi_schema_assign(s, &roles, "f.svm", NULL), SKIMP_ERROR_PARAM);
    skimpi_schema_destroy(s);
}

/* Columns without their roles; what is done to the copy is not done to the original. */
static void copies(void **state)
{
    (void)state;
    skimpi_schema *schema, *copy = NULL;
    const skimpi_roles roles = { .target = "arr_delay>15", .weight = "distance", .drop = day, .n_drop = 1 };
    assert_int_equal(make(&schema, NULL), SKIMP_OK);
    schema->index64 = true;
    schema->n_sparse_features = 12;
    assert_int_equal(skimpi_schema_assign(schema, &roles, NULL, NULL), SKIMP_OK);
    assert_int_equal(skimpi_schema_copy(&copy, budget, schema, NULL), SKIMP_OK);
    assert_int_equal(copy->n_columns, 7);
    assert_int_equal(copy->target, -1);
    assert_int_equal(copy->weight, -1);
    assert_int_equal(copy->comparison, SKIMPI_CMP_NONE);
    assert_true(copy->index64);
    assert_false(copy->delimited);
    assert_int_equal(copy->n_sparse_features, 12);
    for (uint32_t c = 0; c < 7; c++) {
        assert_string_equal(copy->columns[c].name, schema->columns[c].name);
        assert_int_equal(copy->columns[c].type, schema->columns[c].type);
        assert_int_equal(copy->columns[c].role, SKIMPI_ROLE_FEATURE);
    }
    assert_int_equal(skimpi_schema_set_name(copy, 0, "other", 5, NULL), SKIMP_OK);
    const skimpi_roles others = { .target = "carrier", .drop = day, .n_drop = 1 };
    assert_int_equal(skimpi_schema_assign(copy, &others, NULL, NULL), SKIMP_OK);
    assert_string_equal(schema->columns[0].name, "distance");
    assert_int_equal(schema->target, 3);
    assert_int_equal(schema->comparison, SKIMPI_CMP_GT);
    skimpi_schema_destroy(copy);
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        skimpi_fault_set(nth, false);
        const skimp_status status = skimpi_schema_copy(&copy, budget, schema, NULL);
        skimpi_fault_set(0, false);
        failed = status != SKIMP_OK;
        assert_true(failed ? status == SKIMP_ERROR_NOMEM && copy == NULL : copy != NULL);
        skimpi_schema_destroy(copy);
        assert_true(nth < 100);
    }
    skimpi_schema_destroy(schema);
}

static void survives_failing_allocations(void **state)
{
    (void)state;
    uint64_t in_use = skimp_budget_in_use(budget);
    for (uint64_t n = 1;; n++) {
        skimpi_schema *s = NULL;
        skimp_error error = SKIMP_ERROR_INIT;
        (void)skimpi_fault_set(n, false);
        skimp_status status = make(&s, &error);
        skimpi_roles roles = { .target = "carrier==AA", .drop = day, .n_drop = 1 };
        if (status == SKIMP_OK) {
            status = skimpi_schema_assign(s, &roles, "f.csv", &error);
        }
        uint64_t made = skimpi_fault_set(0, false);
        if (status != SKIMP_OK && s != NULL) {
            assert_int_equal(skimpi_schema_assign(s, &roles, "f.csv", NULL), SKIMP_OK); /* it can be used again */
        }
        skimpi_schema_destroy(s);
        assert_int_equal(skimp_budget_in_use(budget), in_use);
        if (status == SKIMP_OK) {
            assert_true(made < n);
            break;
        }
        assert_int_equal(error.code, SKIMP_ERROR_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_and_slots),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(comparing),
        cmocka_unit_test(refusals),
        cmocka_unit_test(columns_of_the_same_name),
        cmocka_unit_test(sparse_data_has_a_label_only),
        cmocka_unit_test(copies),
        cmocka_unit_test(survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
