/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simple_imputer on text: counts of codes for any chunks and lanes, ties, columns without a text, a text that stands for a
 * missing one, indicators; checkpoints, models, hostile ones; failing allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "data/dictionary.h"
#include "drive_class.h"

extern const skimpi_estimator_class skimpi_class_simple_imputer;
#define IMPUTER (&skimpi_class_simple_imputer)

#define MISSING 4294967295.0
#define UNKNOWN 4294967294.0

/* The texts of every column, ascending. */
static const char *const words[] = { "", "?", "ann", "bob", "zoe" };
#define N_WORDS 5

static const char *text_of(const skimpi_texts *texts, uint32_t column, uint32_t code, size_t *length)
{
    (void)texts, (void)column;
    assert_true(code < N_WORDS);
    *length = strlen(words[code]);
    return words[code];
}

static uint32_t code_of(const skimpi_texts *texts, uint32_t column, const char *text)
{
    (void)texts, (void)column;
    for (uint32_t code = 0; code < N_WORDS; code++) {
        if (strcmp(words[code], text) == 0) {
            return code;
        }
    }
    return SKIMPI_CODE_UNKNOWN;
}

static const skimpi_texts texts = { text_of, code_of };
static const uint32_t sizes[] = { N_WORDS, N_WORDS, N_WORDS, N_WORDS };

/* Columns of text, as the engine gives them to a step. */
static drive_chunks *make_text(const double *x, size_t rows, size_t columns, uint32_t chunk_rows)
{
    const drive_data data = { .n_rows = rows, .n_columns = columns, .x = x, .kinds = "cccc", .n_codes = N_WORDS };
    drive_chunks *c = drive_make(&data, chunk_rows);
    c->problem.n_features = columns;
    c->problem.code_sizes = sizes;
    c->problem.texts = &texts;
    return c;
}

/* Five columns of rows: ties (bob, zoe), one most frequent, none, only missing ones beside one text. */
static const double rows[] = {
    4, 2,       MISSING, MISSING, /**/
    3, 2,       MISSING, MISSING, /**/
    4, 1,       MISSING, MISSING, /**/
    3, MISSING, MISSING, 0,       /**/
    2, MISSING, MISSING, MISSING, /**/
};

typedef struct expectation {
    const char *const *pairs;
    const char *fills[4]; /* NULL: the column goes */
} expectation;

static void check(const expectation *e)
{
    static const unsigned lanes[] = { 1, 2, 5 };
    for (unsigned k = 0; k < 3; k++) {
        for (uint32_t chunk_rows = 1; chunk_rows < 8; chunk_rows += 3) {
            drive_chunks *c = make_text(rows, 5, 4, chunk_rows);
            drive_fit fit = { .checkpoint = k == 1 };
            skimpi_tensors *tensors;
            drive_well(IMPUTER, e->pairs, c, lanes[k], &fit);
            drive_reload(IMPUTER, &fit, c, &tensors);
            bool any_goes = false;
            for (uint32_t j = 0; j < 4; j++) {
                skimpi_recoding recoding;
                IMPUTER->recode(fit.self, j, &recoding);
                assert_null(recoding.from);
                assert_int_equal(IMPUTER->drops(fit.self, j), e->fills[j] == NULL);
                any_goes |= e->fills[j] == NULL;
                if (e->fills[j] == NULL) {
                    assert_null(recoding.to);
                } else {
                    assert_string_equal(recoding.to, e->fills[j]);
                }
            }
            assert_int_equal(skimpi_warnings_count(fit.warnings), any_goes);
            assert_true(!any_goes || drive_warned(&fit, "a column without any value is left out: x2"));
            skimpi_tensors_destroy(tensors);
            drive_end(IMPUTER, &fit);
            drive_release(c);
        }
    }
}

static void fills_in(void **state)
{
    (void)state;
    static const char *const mode[] = { "strategy", "most_frequent", NULL };
    static const char *const kept[] = { "strategy", "most_frequent", "keep_empty_features", "true", NULL };
    static const char *const constant[] = { "strategy", "constant", NULL };
    static const char *const given[] = { "strategy", "constant", "fill_value", "zoe", "keep_empty_features",
                                         "true",     NULL };
    static const char *const json[] = { "strategy", "constant", "fill_value", "\"a \\\"b\\\"\\u00e9\"", NULL };
    static const char *const number[] = { "strategy", "constant", "fill_value", "-5", NULL };
    static const char *const empty[] = { "strategy", "constant", "fill_value", "\"\"", NULL };
    const expectation all[] = {
        { mode, { "bob", "ann", NULL, "" } },
        { kept, { "bob", "ann", "0", "" } },
        { constant, { "missing_value", "missing_value", NULL, "missing_value" } },
        { given, { "zoe", "zoe", "zoe", "zoe" } },
        { json, { "a \"b\"\xc3\xa9", "a \"b\"\xc3\xa9", NULL, "a \"b\"\xc3\xa9" } },
        { number, { "-5", "-5", NULL, "-5" } },
        { empty, { "", "", NULL, "" } },
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        check(&all[k]);
    }
}

/* Says what was used: only then is what is filled in a category. And what is missing may be a text. */
static void a_text_for_missing(void **state)
{
    (void)state;
    static const char *const pairs[] = { "strategy", "most_frequent", "missing_values", "?", "add_indicator", "true",
                                         NULL };
    const double x[] = { 1, 2, 2, 3, 1, 3, 1, UNKNOWN };
    drive_chunks *c = make_text(x, 4, 2, 3);
    drive_fit fit = { 0 };
    skimpi_recoding recoding;
    skimpi_changes changes = { 0 };
    drive_well(IMPUTER, pairs, c, 2, &fit);
    assert_int_equal(fit.needs.new_floats, 2);
    assert_true(fit.needs.new_texts_anywhere);
    assert_true(fit.needs.new_text_bytes >= 2 + sizeof "missing_value");
    IMPUTER->recode(fit.self, 0, &recoding);
    assert_string_equal(recoding.from, "?");
    assert_string_equal(recoding.to, "ann");
    assert_true(recoding.was_used);
    IMPUTER->recode(fit.self, 1, &recoding);
    assert_string_equal(recoding.to, "bob");
    assert_false(recoding.was_used);
    IMPUTER->changes(fit.self, &changes);
    assert_int_equal(changes.new_floats, 1);
    float marks[16];
    skimpi_dense_column added = { .f32 = marks };
    const uint32_t recoded[2] = { 1, 1 };
    IMPUTER->extend(fit.self, &c->chunks[0], recoded, &added);
    assert_true(marks[0] == 1 && marks[1] == 0 && marks[2] == 1);
    drive_end(IMPUTER, &fit);
    drive_release(c);

    const double holes[] = { 1, 2, MISSING, 3 };
    c = make_text(holes, 2, 2, 3);
    drive_badly(IMPUTER, pairs, c, SKIMP_ERROR_DATA, "x0|missing|'?'");
    drive_release(c);
    /* A text that no row has: nothing is missing. */
    static const char *const none[] = { "strategy", "most_frequent", "missing_values", "nobody", NULL };
    const double whole[] = { 1, 2, 4, 2 };
    c = make_text(whole, 2, 2, 3);
    drive_well(IMPUTER, none, c, 1, &fit);
    IMPUTER->recode(fit.self, 0, &recoding);
    assert_string_equal(recoding.to, "?");
    assert_false(recoding.was_used);
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

static void refuses(void **state)
{
    (void)state;
    drive_chunks *c = make_text(rows, 5, 4, 5);
    static const char *const mean[] = { NULL }, *const median[] = { "strategy", "median", NULL };
    static const char *const mode[] = { "strategy", "most_frequent", NULL };
    static const char *const text[] = { "strategy", "constant", "missing_values", "?", NULL };
    static const char *const constant[] = { "strategy", "constant", NULL };
    drive_badly(IMPUTER, mean, c, SKIMP_ERROR_PARAM, "mean|most_frequent or constant");
    drive_badly(IMPUTER, median, c, SKIMP_ERROR_PARAM, "median|most_frequent or constant");
    c->problem.hash_bits = 4;
    c->problem.texts = NULL;
    drive_badly(IMPUTER, mode, c, SKIMP_ERROR_PARAM, "hash|constant");
    drive_badly(IMPUTER, text, c, SKIMP_ERROR_PARAM, "hash|missing_values");
    drive_fit fit = { 0 };
    drive_well(IMPUTER, constant, c, 2, &fit);
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

/* What a model file may say: a self, or DATA; never harm. */
static void bears_hostile_models(void **state)
{
    (void)state;
    static const char *const pairs[] = { "strategy", "most_frequent", "add_indicator", "true", NULL };
    drive_chunks *c = make_text(rows, 5, 4, 5);
    drive_fit fit = { 0 };
    drive_well(IMPUTER, pairs, c, 1, &fit);
    static const struct {
        const char *statistics;
        uint64_t n;
        uint8_t known[4];
        uint64_t n_known;
        int64_t features[4];
        uint64_t n_features;
        bool is_sound;
    } cases[] = {
        { "a\0b\0\0c", 7, { 1, 1, 0, 1 }, 4, { 1, 2, 3 }, 3, true },
        { "a\0b\0\0c", 7, { 1, 1, 0, 1 }, 4, { 0 }, 0, true },
        { "\0\0\0", 4, { 0, 1, 0, 1 }, 4, { 3 }, 1, true },
        { "a\0b\0c\0d", 8, { 1, 1, 0, 1 }, 4, { 1 }, 1, false },   /* a text where there is none */
        { "a\0b\0\0c", 7, { 1, 1, 2, 1 }, 4, { 1 }, 1, false },    /* neither yes nor no */
        { "a\0b\0\0", 6, { 1, 1, 0, 1 }, 4, { 1 }, 1, true },      /* the last one empty */
        { "a\0b\0", 4, { 1, 1, 0, 1 }, 4, { 1 }, 1, false },       /* too few */
        { "a\0b\0\0c\0d", 9, { 1, 1, 0, 1 }, 4, { 1 }, 1, false }, /* too many */
        { "a\0b\0\0c", 6, { 1, 1, 0, 1 }, 4, { 1 }, 1, false },    /* without an end */
        { "", 0, { 1, 1, 0, 1 }, 4, { 1 }, 1, false },
        { "a\0b\0\0c", 7, { 1, 1, 0 }, 3, { 1 }, 1, false },
        { "a\0b\0\0c", 7, { 1, 1, 0, 1 }, 4, { 2, 2 }, 2, false }, /* twice */
        { "a\0b\0\0c", 7, { 1, 1, 0, 1 }, 4, { 2, 1 }, 2, false },
        { "a\0b\0\0c", 7, { 1, 1, 0, 1 }, 4, { -1 }, 1, false },
        { "a\0b\0\0c", 7, { 1, 1, 0, 1 }, 4, { 4 }, 1, false },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        skimpi_tensors *tensors;
        void *data, *self = NULL;
        assert_int_equal(skimpi_tensors_create(&tensors, fit.budget, NULL), SKIMP_OK);
        assert_int_equal(skimpi_tensors_add(tensors, "statistics_", SKIMPI_U8, 1, &cases[k].n, &data, NULL), SKIMP_OK);
        if (cases[k].n > 0) {
            memcpy(data, cases[k].statistics, cases[k].n);
        }
        assert_int_equal(skimpi_tensors_add(tensors, "statistics_known", SKIMPI_U8, 1, &cases[k].n_known, &data, NULL),
                         SKIMP_OK);
        memcpy(data, cases[k].known, cases[k].n_known);
        assert_int_equal(
            skimpi_tensors_add(tensors, "indicator_.features_", SKIMPI_I64, 1, &cases[k].n_features, &data, NULL),
            SKIMP_OK);
        if (cases[k].n_features > 0) {
            memcpy(data, cases[k].features, cases[k].n_features * sizeof(int64_t));
        }
        const skimp_status status = IMPUTER->load(&self, fit.budget, tensors, "", &c->problem, fit.params, NULL);
        assert_int_equal(status, cases[k].is_sound ? SKIMP_OK : SKIMP_ERROR_DATA);
        assert_true((self != NULL) == cases[k].is_sound);
        IMPUTER->destroy(self);
        skimpi_tensors_destroy(tensors);
    }
    /* Numbers where texts should be. */
    skimpi_tensors *tensors;
    void *data, *self = NULL;
    const uint64_t four = 4;
    assert_int_equal(skimpi_tensors_create(&tensors, fit.budget, NULL), SKIMP_OK);
    assert_int_equal(skimpi_tensors_add(tensors, "statistics_", SKIMPI_F64, 1, &four, &data, NULL), SKIMP_OK);
    assert_int_equal(IMPUTER->load(&self, fit.budget, tensors, "", &c->problem, fit.params, NULL), SKIMP_ERROR_DATA);
    skimpi_tensors_destroy(tensors);
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

static void bears_hostile_checkpoints(void **state)
{
    (void)state;
    static const char *const pairs[] = { "strategy", "most_frequent", "add_indicator", "true", NULL };
    drive_chunks *c = make_text(rows, 5, 4, 5);
    drive_fit fit = { 0 };
    skimpi_buffer saved;
    drive_well(IMPUTER, pairs, c, 1, &fit);
    skimpi_buffer_init(&saved, fit.budget, SKIMP_TAG_OTHER);
    assert_int_equal(IMPUTER->state_save(fit.self, &saved, NULL), SKIMP_OK);
    for (size_t n = 0; n < saved.length; n++) {
        assert_int_equal(IMPUTER->state_load(fit.self, saved.data, n, NULL), SKIMP_ERROR_DATA);
    }
    assert_int_equal(IMPUTER->state_load(fit.self, saved.data, saved.length, NULL), SKIMP_OK);
    /* Any byte may be another: what comes of it can be used. */
    for (size_t i = 16; i < saved.length; i++) {
        ((uint8_t *)saved.data)[i] ^= 0x81;
        if (IMPUTER->state_load(fit.self, saved.data, saved.length, NULL) == SKIMP_OK) {
            skimpi_changes changes = { 0 };
            skimpi_recoding recoding;
            float marks[4][16];
            skimpi_dense_column added[4] = {
                { .f32 = marks[0] }, { .f32 = marks[1] }, { .f32 = marks[2] }, { .f32 = marks[3] }
            };
            const uint32_t recoded[4] = { 0 };
            IMPUTER->changes(fit.self, &changes);
            assert_true(changes.new_floats <= 4);
            IMPUTER->extend(fit.self, &c->chunks[0], recoded, added);
            for (uint32_t j = 0; j < 4; j++) {
                IMPUTER->recode(fit.self, j, &recoding);
            }
        }
        ((uint8_t *)saved.data)[i] ^= 0x81;
    }
    skimpi_buffer_free(&saved);
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

static void bears_failing_allocations(void **state)
{
    (void)state;
    static const char *const pairs[] = { "strategy", "most_frequent", "missing_values", "?", "add_indicator", "true",
                                         NULL };
    const double x[] = { 1, 2, 2, 3 };
    drive_chunks *c = make_text(x, 2, 2, 1);
    drive_fit fit = { 0 };
    drive_well(IMPUTER, pairs, c, 1, &fit);
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        skimpi_fault_set(nth, nth % 2 == 0);
        void *self = NULL, *loaded = NULL;
        skimpi_tensors *tensors = NULL;
        uint64_t lane[64] = { 0 };
        skimpi_pass pass;
        skimpi_buffer saved;
        skimpi_buffer_init(&saved, fit.budget, SKIMP_TAG_OTHER);
        skimp_status status = IMPUTER->begin(&self, fit.budget, &c->problem, fit.params, NULL, NULL);
        assert_true((status == SKIMP_OK) == (self != NULL));
        if (status == SKIMP_OK) {
            assert_int_equal(IMPUTER->next_pass(self, &pass, NULL), SKIMP_OK);
            assert_int_equal(IMPUTER->consume(self, &pass, &c->chunks[0], lane, NULL, NULL), SKIMP_OK);
            status = IMPUTER->end_pass(self, &pass, lane, NULL);
        }
        status = status == SKIMP_OK ? IMPUTER->state_save(self, &saved, NULL) : status;
        status = status == SKIMP_OK ? IMPUTER->state_load(self, saved.data, saved.length, NULL) : status;
        status = status == SKIMP_OK ? skimpi_tensors_create(&tensors, fit.budget, NULL) : status;
        status = status == SKIMP_OK ? IMPUTER->save(self, tensors, "0.", NULL) : status;
        status = status == SKIMP_OK ? IMPUTER->load(&loaded, fit.budget, tensors, "0.", &c->problem, fit.params, NULL)
                                    : status;
        failed = status != SKIMP_OK;
        assert_true(failed == (loaded == NULL));
        skimpi_fault_set(0, false);
        IMPUTER->destroy(self);
        IMPUTER->destroy(loaded);
        skimpi_tensors_destroy(tensors);
        skimpi_buffer_free(&saved);
        assert_true(nth < 300);
    }
    drive_end(IMPUTER, &fit);
    drive_release(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_in),
        cmocka_unit_test(a_text_for_missing),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bears_hostile_models),
        cmocka_unit_test(bears_hostile_checkpoints),
        cmocka_unit_test(bears_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
