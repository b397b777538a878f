/* SPDX-License-Identifier: BSD-3-Clause */
/* Parameters: values, ranges, canonical text, near names; warnings; the registry and what its tables must hold. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/near_name.h"
#include "estimator/estimator.h"

static skimp_budget *budget;

static int make_budget(void **state)
{
    (void)state;
    skimp_budget_options options = { .size = sizeof(options) };
    return skimp_budget_create(&budget, &options, NULL) == SKIMP_OK ? 0 : -1;
}

static int drop_budget(void **state)
{
    (void)state;
    return skimp_budget_destroy(budget) == 0 ? 0 : -1;
}

static const skimp_param table[] = {
    { .name = "C",
      .type = SKIMP_PARAM_FLOAT,
      .default_value = "1.0",
      .minimum = 0,
      .maximum = INFINITY,
      .minimum_is_open = true,
      .help = "strength" },
    { .name = "l1_ratio",
      .type = SKIMP_PARAM_FLOAT,
      .default_value = "null",
      .may_be_null = true,
      .minimum = 0,
      .maximum = 1,
      .help = "share" },
    { .name = "any", .type = SKIMP_PARAM_FLOAT, .default_value = "0", .help = "no range" },
    { .name = "max_iter",
      .type = SKIMP_PARAM_INT,
      .default_value = "100",
      .minimum = 1,
      .maximum = 1e15,
      .help = "iterations" },
    { .name = "fit_intercept", .type = SKIMP_PARAM_BOOL, .default_value = "True", .help = "intercept" },
    { .name = "penalty",
      .type = SKIMP_PARAM_CHOICE,
      .default_value = "l2",
      .may_be_null = true,
      .choices = "l1|l2|elasticnet",
      .help = "penalty" },
    { .name = "class_weight",
      .type = SKIMP_PARAM_JSON,
      .default_value = "None",
      .may_be_null = true,
      .help = "weights" },
    { .name = NULL },
};
static const skimp_estimator_info info = { .name = "thing",
                                           .class_name = "Thing",
                                           .module = "linear_model",
                                           .kind = SKIMP_CLASSIFIER,
                                           .help = "a thing",
                                           .params = table };

static skimpi_params *create(void)
{
    skimpi_params *params;
    assert_int_equal(skimpi_params_create(&params, budget, &info, NULL), SKIMP_OK);
    return params;
}

static void test_defaults(void **state)
{
    (void)state;
    skimpi_params *p = create();
    assert_ptr_equal(skimpi_params_info(p), &info);
    assert_true(skimpi_params_number(p, "C") == 1);
    assert_true(skimpi_params_is_null(p, "l1_ratio"));
    assert_true(skimpi_params_number(p, "fit_intercept") == 1);
    assert_string_equal(skimpi_params_text(p, "fit_intercept"), "true");
    assert_string_equal(skimpi_params_text(p, "penalty"), "l2");
    assert_string_equal(skimpi_params_text(p, "class_weight"), "null");
    assert_false(skimpi_params_is_set(p, "C"));
    skimpi_params_destroy(p);
}

/* What is given, and the canonical text; NULL: refused. Canonical text reads back as itself. */
static void test_values(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "C", "10", "10" },
        { "C", " 1e-3 ", "0.001" },
        { "C", "inf", "inf" },
        { "C", "Infinity", "inf" },
        { "C", "0.1", "0.1" },
        { "C", "0", NULL },
        { "C", "-1", NULL },
        { "C", "nan", NULL },
        { "C", "1x", NULL },
        { "C", "", NULL },
        { "C", "None", NULL },
        { "C", "null", NULL },
        { "l1_ratio", "None", "null" },
        { "l1_ratio", "1", "1" },
        { "l1_ratio", "1.1", NULL },
        { "l1_ratio", "0", "0" },
        { "l1_ratio", "-0.0", "0" },
        { "any", "-1e300", "-1e+300" },
        { "any", "-inf", "-inf" },
        { "max_iter", "5", "5" },
        { "max_iter", "1e3", "1000" },
        { "max_iter", "2.5", NULL },
        { "max_iter", "0", NULL },
        { "max_iter", "inf", NULL },
        { "fit_intercept", "False", "false" },
        { "fit_intercept", "1", "true" },
        { "fit_intercept", "yes", NULL },
        { "penalty", "None", "null" },
        { "penalty", "\"l1\"", "l1" },
        { "penalty", "l", NULL },
        { "penalty", "l1|l2", NULL },
        { "penalty", "", NULL },
        { "class_weight", "balanced", "balanced" },
        { "class_weight", "\"balanced\"", "balanced" },
        { "class_weight", "True", "true" },
        { "class_weight", "\"5\"", "\"5\"" },
        { "class_weight", "5.0", "5" },
        { "class_weight", "nan", "NaN" },
        { "class_weight", "-inf", "-Infinity" },
        { "class_weight", "{ \"a\" : 1 }", "{\"a\":1}" },
        { "class_weight", "[0, 1]", "[0,1]" },
        { "class_weight", "{a: 1}", NULL },
        { "class_weight", "[1,", NULL },
        { "class_weight", "\"True\"", "\"True\"" },
        { "class_weight", "\"\"", "\"\"" },
        { "class_weight", "a \"b\"", "a \"b\"" },
        { "class_weight", "\xff", NULL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        skimpi_params *p = create();
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_status status = skimpi_params_set(p, cases[i][0], cases[i][1], &error);
        if (cases[i][2] == NULL) {
            if (status != SKIMP_ERROR_PARAM) {
                fail_msg("%s=%s was taken, as %s", cases[i][0], cases[i][1], skimpi_params_text(p, cases[i][0]));
            }
            assert_true(strstr(error.message, cases[i][0]) != NULL);
            assert_false(skimpi_params_is_set(p, cases[i][0]));
        } else {
            if (status != SKIMP_OK) {
                fail_msg("%s", error.message);
            }
            assert_string_equal(skimpi_params_text(p, cases[i][0]), cases[i][2]);
            assert_int_equal(skimpi_params_set(p, cases[i][0], cases[i][2], NULL), SKIMP_OK);
            assert_string_equal(skimpi_params_text(p, cases[i][0]), cases[i][2]);
        }
        skimpi_params_destroy(p);
    }
}

static void test_set_is_what_differs(void **state)
{
    (void)state;
    skimpi_params *p = create();
    assert_int_equal(skimpi_params_set(p, "C", "1", NULL), SKIMP_OK);
    assert_false(skimpi_params_is_set(p, "C"));
    assert_int_equal(skimpi_params_set(p, "C", "2", NULL), SKIMP_OK);
    assert_true(skimpi_params_is_set(p, "C"));
    assert_int_equal(skimpi_params_set(p, "C", "1.0", NULL), SKIMP_OK);
    assert_false(skimpi_params_is_set(p, "C"));
    skimpi_params_destroy(p);
}

static void test_messages(void **state)
{
    (void)state;
    skimpi_params *p = create();
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_params_set(p, "max_iters", "5", &error), SKIMP_ERROR_PARAM);
    assert_string_equal(error.message, "thing has no parameter 'max_iters'; did you mean 'max_iter'?");
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_params_set(p, "zzz", "5", &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "it has C, l1_ratio"));
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_params_set(p, "penalty", "elastic_net", &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message,
                           "must be one of l1, l2, elasticnet or null, not 'elastic_net'; did you mean 'elasticnet'?"));
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_params_set(p, "C", "-3", &error), SKIMP_ERROR_PARAM);
    assert_string_equal(error.message, "thing: parameter C must be a number > 0, not '-3'");
    char *longest = malloc(3000000);
    memset(longest, 'a', 2999999);
    longest[2999999] = '\0';
    assert_int_equal(skimpi_params_set(p, "class_weight", longest, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimpi_params_set(p, longest, "1", NULL), SKIMP_ERROR_PARAM);
    free(longest);
    skimpi_params_destroy(p);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    for (unsigned for_good = 0; for_good < 2; for_good++) {
        bool done = false;
        for (uint64_t nth = 1; !done; nth++) {
            skimpi_params *p = NULL;
            uint64_t before = skimp_budget_in_use(budget);
            skimpi_fault_set(nth, for_good != 0);
            skimp_status status = skimpi_params_create(&p, budget, &info, NULL);
            if (status == SKIMP_OK) {
                status = skimpi_params_set(p, "class_weight", "{\"a\": [1, 2, 3], \"b\": \"text\"}", NULL);
                assert_true(status == SKIMP_OK || strcmp(skimpi_params_text(p, "class_weight"), "null") == 0);
            }
            done = skimpi_fault_set(0, false) < nth;
            assert_true(!done || status == SKIMP_OK);
            skimpi_params_destroy(p);
            assert_int_equal(skimp_budget_in_use(budget), before);
        }
    }
}

static void test_edit_distance(void **state)
{
    (void)state;
    assert_int_equal(skimpi_edit_distance("", 0, "abc", 3), 3);
    assert_int_equal(skimpi_edit_distance("abc", 3, "abc", 3), 0);
    assert_int_equal(skimpi_edit_distance("kitten", 6, "sitting", 7), 3);
    assert_int_equal(skimpi_edit_distance("abcd", 4, "abdc", 4), 1);
    char longer[200];
    memset(longer, 'x', sizeof(longer));
    assert_int_equal(skimpi_edit_distance(longer, 200, "", 0), 64);
}

static void test_near_names(void **state)
{
    (void)state;
    char text[SKIMPI_NEAR_TEXT];
    skimpi_near_names near;
    skimpi_near_names_begin(&near, "delya", 5);
    assert_string_equal(skimpi_near_names_text(&near, text), "");
    static const char *const names[] = { "carrier", "dep_delya", "relay", "delays", "delay", "daily" };
    for (size_t i = 0; i < 6; i++) {
        skimpi_near_names_offer(&near, names[i], strlen(names[i]));
    }
    assert_string_equal(skimpi_near_names_text(&near, text), "; did you mean 'delay', 'delays' or 'dep_delya'?");
    char longest[300];
    memset(longest, 'y', sizeof(longest));
    skimpi_near_names_begin(&near, longest, sizeof(longest));
    for (unsigned i = 0; i < 3; i++) {
        skimpi_near_names_offer(&near, longest, sizeof(longest) - i);
    }
    assert_true(strlen(skimpi_near_names_text(&near, text)) < SKIMPI_NEAR_TEXT);
    assert_true(text[strlen(text) - 1] == '?');
}

static void test_warnings(void **state)
{
    (void)state;
    skimpi_warnings *w;
    assert_int_equal(skimpi_warnings_create(&w, budget, NULL), SKIMP_OK);
    assert_int_equal(skimpi_warnings_count(w), 0);
    skimpi_warn(NULL, "no one hears this");
    skimpi_warn(w, "column '%s' is constant", "a\nb");
    skimpi_warn(w, "column '%s' is constant", "a\nb");
    assert_int_equal(skimpi_warnings_count(w), 1);
    assert_string_equal(skimpi_warnings_at(w, 0), "column 'a?b' is constant");
    assert_null(skimpi_warnings_at(w, 1));
    for (unsigned i = 1; i < 130; i++) {
        skimpi_warn(w, "line %u", i);
    }
    assert_int_equal(skimpi_warnings_count(w), 101);
    assert_string_equal(skimpi_warnings_at(w, 99), "line 99");
    assert_string_equal(skimpi_warnings_at(w, 100), "and 30 more warnings");
    skimpi_warnings_destroy(w);
    char longest[1000];
    memset(longest, 0, sizeof(longest));
    for (size_t i = 0; i + 2 < sizeof(longest); i += 2) {
        memcpy(longest + i, "\xc3\xa9", 2);
    }
    assert_int_equal(skimpi_warnings_create(&w, budget, NULL), SKIMP_OK);
    skimpi_warn(w, "%s", longest);
    size_t n = strlen(skimpi_warnings_at(w, 0));
    assert_true(n % 2 == 0 && n > 200); /* cut between characters */
    skimpi_warnings_destroy(w);
}

static void test_registry(void **state)
{
    (void)state;
    assert_true(skimp_estimator_count() > 0);
    assert_null(skimp_estimator_at(skimp_estimator_count()));
    assert_null(skimp_estimator_find("no_such"));
    for (unsigned i = 0; i < skimp_estimator_count(); i++) {
        const skimp_estimator_info *one = skimp_estimator_at(i);
        const skimpi_estimator_class *class = skimpi_estimator_class_at(i);
        assert_ptr_equal(one, &class->info);
        assert_ptr_equal(skimp_estimator_find(one->name), one);
        assert_true(one->class_name != NULL && one->module != NULL && one->help != NULL);
        assert_true(class->plan != NULL && class->begin != NULL && class->next_pass != NULL &&
                    class->end_pass != NULL && class->destroy != NULL);
        assert_true((one->kind == SKIMP_TRANSFORMER) == (class->transform != NULL));
        skimpi_params *p;
        skimp_error error = SKIMP_ERROR_INIT;
        if (skimpi_params_create(&p, budget, one, &error) != SKIMP_OK) {
            fail_msg("%s", error.message); /* a default that its own table refuses */
        }
        skimpi_params_destroy(p);
        for (const skimp_param *param = one->params; param->name != NULL; param++) {
            assert_non_null(param->help);
            assert_true((param->type == SKIMP_PARAM_CHOICE) == (param->choices != NULL));
            for (const skimp_param *other = one->params; other != param; other++) {
                assert_string_not_equal(other->name, param->name);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_set_is_what_differs),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_edit_distance),
        cmocka_unit_test(test_near_names),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_registry),
    };
    return cmocka_run_group_tests(tests, make_budget, drop_budget);
}
