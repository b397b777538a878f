/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Some rows of a kept store: what is learnt and said of them is what a store of these rows alone gives, whatever is in the
 * others; predict and score see just them; plans hold; every allocation refused once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "frame_data.h"
#include "sanitizers.h"

/* Ways to choose rows. */
typedef enum choice { CHOOSE_ALL, CHOOSE_FIRST, CHOOSE_LAST, CHOOSE_THIRD, CHOOSE_FEW, CHOOSE_COUNT } choice;

static bool is_chosen(choice how, uint64_t row, uint64_t rows)
{
    switch (how) {
    case CHOOSE_ALL:
        return true;
    case CHOOSE_FIRST:
        return row < rows / 5;
    case CHOOSE_LAST:
        return row >= rows - rows / 3;
    case CHOOSE_THIRD:
        return row % 3 == 1;
    default: /* no "mon", and no day is missing */
        return skimpi_mix64(row + 17) % 6 != 0 && row % 50 != 49 && skimpi_mix64(row + 1) % 4 == 0;
    }
}

static uint8_t *choose(choice how, uint64_t rows, uint64_t *n)
{
    uint8_t *bits = must_allocate(rows / 8 + 1);
    *n = 0;
    for (uint64_t r = 0; r < rows; r++) {
        bits[r / 8] |= (uint8_t)(is_chosen(how, r, rows) << r % 8);
        *n += is_chosen(how, r, rows);
    }
    return bits;
}

static void convert(const skimp_data *data, const char *name)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    begin_data(&setup, NULL, data);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_convert(job, in_temporary(name), &error));
    skimp_job_destroy(job);
}

/* The chosen rows of a frame alone. */
static void take_rows(const frame *f, choice how, frame *taken)
{
    make_frame(taken, f->rows);
    uint64_t kept = 0;
    memset(taken->validity, 0, f->rows / 8 + 1);
    for (uint64_t r = 0; r < f->rows; r++) {
        if (is_chosen(how, r, f->rows)) {
            memcpy(taken->numbers + 3 * kept, f->numbers + 3 * r, 3 * sizeof(double));
            taken->validity[kept / 8] |= (uint8_t)((f->validity[r / 8] >> r % 8 & 1) << kept % 8);
            taken->days[kept] = f->days[r];
            taken->labels[kept] = f->labels[r];
            taken->weights[kept++] = f->weights[r];
        }
    }
    taken->data.n_rows = kept;
}

static void begin_rows(job_setup *setup, const char *estimator, const char *store, const uint8_t *rows, uint64_t n)
{
    begin_setup(setup, estimator, store, NULL);
    setup->options.rows = rows;
    setup->options.n_rows = n;
}

/* ---- the same as a store of these rows ------------------------------------------------------------------------------------ */

static void fits_alike(void **state)
{
    (void)state;
    frame f, taken;
    const uint64_t rows = 30000;
    make_frame(&f, rows);
    convert(&f.data, "all");
    static const char *const estimators[] = { "logistic_regression", "logistic_regression", "sgd_classifier" };
    for (choice how = 0; how < CHOOSE_COUNT; how++) {
        uint64_t n = 0;
        uint8_t *bits = choose(how, rows, &n);
        take_rows(&f, how, &taken);
        convert(&taken.data, "taken");
        for (unsigned form = 0; form < 3; form++) {
            job_setup setup;
            skimp_model *models[2] = { NULL, NULL }, *other;
            for (unsigned i = 0; i < 2; i++) {
                begin_rows(&setup, estimators[form], i == 0 ? "taken" : "all", i == 0 ? NULL : bits, i == 0 ? 0 : rows);
                add_step(&setup, "simple_imputer");
                add_step(&setup, "standard_scaler");
                add_param(&setup, "class_weight", "balanced");
                if (form == 0) {
                    add_param(&setup, "tol", "1e-10");
                } else if (form == 1) {
                    add_param(&setup, "tol", "1e-10");
                    setup.options.holdout = 0.25;
                } else {
                    add_param(&setup, "max_iter", "20");
                }
                models[i] = fit_setup(&setup);
            }
            assert_string_equal(find_meta(models[0], "feature_names"), find_meta(models[1], "feature_names"));
            assert_true((strstr(find_meta(models[1], "feature_names"), "day_mon") != NULL) == (how != CHOOSE_FEW));
            const skimp_array classes = *find_array(models[0], "classes_"),
                              other_classes = *find_array(models[1], "classes_");
            assert_int_equal(array_values(&classes), array_values(&other_classes));
            assert_memory_equal(classes.data, other_classes.data, array_values(&classes));
            if (form < 2) {
                assert_true(largest_difference(models[0], models[1], "coef_") < 1e-7);
                assert_true(largest_difference(models[0], models[1], "intercept_") < 1e-7);
            }
            assert_true(largest_difference(models[0], models[1], "1.standard_scaler.mean_") < 1e-12);
            /* The same bits for any number of threads. */
            for (unsigned threads = 1; threads <= 5; threads += 4) {
                setup.options.n_threads = threads;
                other = fit_setup(&setup);
                assert_same_models(models[1], other);
                skimp_model_destroy(other);
            }
            skimp_model_destroy(models[0]);
            skimp_model_destroy(models[1]);
        }
        free(bits);
        free_frame(&taken);
    }
    free_frame(&f);
}

/* Fewer classes, of numbers and of text, and a regression. */
static void targets_of_rows(void **state)
{
    (void)state;
    const uint64_t rows = 5000;
    frame f;
    make_frame(&f, rows);
    convert(&f.data, "all");
    uint8_t *bits = must_allocate(rows / 8 + 1);
    for (uint64_t r = 0; r < rows; r++) {
        bits[r / 8] |= (uint8_t)((f.labels[r] != 1 && !is_gap(r)) << r % 8);
    }
    job_setup setup;
    skimp_error error;
    begin_rows(&setup, "logistic_regression", "all", bits, rows);
    skimp_model *model = fit_setup(&setup);
    skimp_array classes = *find_array(model, "classes_");
    assert_int_equal(array_values(&classes), sizeof "maybe\0no");
    assert_memory_equal(classes.data, "maybe\0no", sizeof "maybe\0no");
    skimp_model_destroy(model);
    /* One class only. */
    for (uint64_t r = 0; r < rows; r++) {
        if (f.labels[r] == 2) {
            bits[r / 8] &= (uint8_t) ~(1u << r % 8);
        }
    }
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "the target is constant (always no)"));
    /* Numbers: the values of another column. */
    f.data.target = (skimp_data_column){ .dtype = SKIMP_DTYPE_I32, .values = f.labels, .stride = 4 };
    convert(&f.data, "numbers");
    begin_rows(&setup, "logistic_regression", "numbers", bits, rows);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "the target is constant (always 0)"));
    for (uint64_t r = 0; r < rows; r++) {
        bits[r / 8] |= (uint8_t)((f.labels[r] == 2 && !is_gap(r)) << r % 8);
    }
    model = fit_setup(&setup);
    classes = *find_array(model, "classes_");
    assert_int_equal(array_values(&classes), 2);
    assert_true(((const double *)classes.data)[0] == 0 && ((const double *)classes.data)[1] == 2);
    skimp_model_destroy(model);
    setup.options.estimator = "ridge";
    model = fit_setup(&setup);
    skimp_model_destroy(model);
    /* A gap among the rows; no row; another number of them. */
    memset(bits, 255, rows / 8);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "missing value"));
    memset(bits, 0, rows / 8 + 1);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "no rows"));
    setup.options.n_rows = rows - 1;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "4999 rows to choose from, but the store has 5000"));
    begin_data(&setup, "ridge", &f.data);
    setup.options.rows = bits;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "of a chunk store"));
    free(bits);
    free_frame(&f);
}

static void sparse_rows(void **state)
{
    (void)state;
    const uint64_t rows = 6000;
    skimp_data whole;
    sparse_blocks blocks;
    void *target;
    const sparse_variant v = { .dtype = SKIMP_DTYPE_F64 };
    make_sparse(&whole, &blocks, rows, 70, &v, sparse_number);
    whole.target = make_column(&target, rows, 1, SKIMP_DTYPE_F64, array_number);
    convert(&whole, "all");
    for (choice how = 1; how < CHOOSE_COUNT; how++) {
        uint64_t n = 0;
        uint8_t *bits = choose(how, rows, &n);
        /* The rows alone, with weights 0 for the others: the same to rounding. */
        double *weight = must_allocate(rows * sizeof *weight);
        for (uint64_t r = 0; r < rows; r++) {
            weight[r] = is_chosen(how, r, rows);
        }
        skimp_data weighted = whole;
        weighted.weight = (skimp_data_column){ .dtype = SKIMP_DTYPE_F64, .values = weight, .stride = 8 };
        job_setup setup;
        begin_data(&setup, "ridge", &weighted);
        skimp_model *expected = fit_setup(&setup);
        begin_rows(&setup, "ridge", "all", bits, rows);
        skimp_model *found = fit_setup(&setup);
        assert_true(largest_difference(expected, found, "coef_") < 1e-7);
        begin_rows(&setup, "ridge", "all", bits, rows);
        add_step(&setup, "max_abs_scaler");
        skimp_model *scaled = fit_setup(&setup);
        skimp_model_destroy(scaled);
        skimp_model_destroy(expected);
        skimp_model_destroy(found);
        free(weight);
        free(bits);
    }
    free_sparse(&blocks);
    free(target);
}

/* Lines of a prediction, of the chosen rows. */
static void predicted(void **state)
{
    (void)state;
    const uint64_t rows = 30000;
    frame f, taken;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    make_frame(&f, rows);
    convert(&f.data, "all");
    begin_setup(&setup, "logistic_regression", "all", NULL);
    add_step(&setup, "simple_imputer");
    skimp_model *model = fit_setup(&setup);
    for (choice how = 0; how < CHOOSE_COUNT; how++) {
        uint64_t n = 0;
        double accuracy[2];
        uint8_t *bits = choose(how, rows, &n);
        take_rows(&f, how, &taken);
        convert(&taken.data, "taken");
        predict_file(model, "taken", "expected", true);
        for (unsigned i = 0; i < 2; i++) {
            begin_rows(&setup, NULL, i == 0 ? "taken" : "all", i == 0 ? NULL : bits, i == 0 ? 0 : rows);
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            assert_ok(skimp_job_score(job, model, &error));
            assert_int_equal(skimp_job_report(job)->rows, n);
            accuracy[i] = metric(skimp_job_report(job), "accuracy");
            skimp_job_destroy(job);
        }
        assert_true(accuracy[0] == accuracy[1]);
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_predict(job, model, in_temporary("found"), true, &error));
        skimp_job_destroy(job);
        assert_same_files("expected", "found");
        free(bits);
        free_frame(&taken);
    }
    skimp_model_destroy(model);
    free_frame(&f);
}

/* ---- chunks given back ------------------------------------------------------------------------------------------------------ */

static bool same_text(const skimp_data_column *column, uint64_t row, const char *text, size_t length)
{
    const int32_t code = ((const int32_t *)column->values)[row];
    const int64_t *ends = column->offsets;
    return code >= 0 && (size_t)(ends[code + 1] - ends[code]) == length &&
           memcmp(column->text + ends[code], text, length) == 0;
}

static void given_back(void **state)
{
    (void)state;
    const uint64_t rows = 30000;
    frame f;
    make_frame(&f, rows);
    convert(&f.data, "all");
    for (choice how = 0; how < CHOOSE_COUNT; how++) {
        uint64_t n = 0, seen = 0, row = 0;
        uint8_t *bits = choose(how, rows, &n);
        job_setup setup;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        bool end = false;
        begin_rows(&setup, NULL, "all", bits, rows);
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        for (;;) {
            skimp_data chunk;
            assert_ok(skimp_job_next_chunk(job, &chunk, &end, &error));
            if (end) {
                break;
            }
            assert_int_equal(chunk.kind, SKIMP_DATA_COLUMNS);
            assert_int_equal(chunk.n_columns, 4);
            for (uint64_t i = 0; i < chunk.n_rows; i++, seen++, row++) {
                while (!is_chosen(how, row, rows)) {
                    row++;
                }
                for (unsigned c = 0; c < 3; c++) {
                    const skimp_data_column *column = &chunk.columns[c];
                    const double value = column->dtype == SKIMP_DTYPE_F32 ? (double)((const float *)column->values)[i]
                                                                          : ((const double *)column->values)[i];
                    assert_true(c == 1 && is_gap(row) ? isnan(value) : value == number_of(row, c));
                }
                const int16_t day = day_of(row);
                const int32_t label = label_of(row);
                assert_true(day < 0 ? ((const int32_t *)chunk.columns[3].values)[i] == -1
                                    : same_text(&chunk.columns[3], i, day_text + 3 * day, 3));
                assert_true(same_text(&chunk.target, i, label_text + label_ends[label],
                                      (size_t)(label_ends[label + 1] - label_ends[label])));
                assert_true(((const double *)chunk.weight.values)[i] == f.weights[row]);
            }
        }
        assert_int_equal(seen, n);
        skimp_job_destroy(job);
        assert_int_equal(skimpi_leaked_bytes(), 0);
        free(bits);
    }
    free_frame(&f);
}

/* ---- plans ------------------------------------------------------------------------------------------------------------------ */

static void plans_hold(void **state)
{
    (void)state;
    const uint64_t rows = 60000;
    frame f;
    make_frame(&f, rows);
    convert(&f.data, "all");
    static const char *const estimators[] = { "logistic_regression", "sgd_classifier" };
    for (unsigned form = 0; form < 2; form++) {
        for (choice how = 1; how < CHOOSE_COUNT; how++) {
            uint64_t n = 0, budgets[3];
            uint8_t *bits = choose(how, rows, &n);
            job_setup setup;
            skimp_error error = SKIMP_ERROR_INIT;
            skimp_job *job = NULL;
            skimp_model *model = NULL, *first = NULL;
            const skimp_plan *plan = NULL;
            begin_rows(&setup, estimators[form], "all", bits, rows);
            add_step(&setup, "simple_imputer");
            budgets[0] = setup.options.max_memory;
            for (unsigned i = 0; i < 3; i++) {
                setup.options.max_memory = budgets[i];
                assert_ok(skimp_job_create(&job, &setup.options, &error));
                assert_ok(skimp_job_plan(job, &plan, &error));
                assert_int_equal(plan->rows, n);
                assert_string_equal(plan->store, "file");
                if (i == 0) {
                    budgets[1] = plan->peak_bytes;
                    budgets[2] = plan->minimum_bytes;
                }
                const uint64_t peak = plan->peak_bytes;
                assert_ok(skimp_job_fit(job, &model, &error));
                assert_true(skimp_job_report(job)->charged_peak_bytes <= peak);
                assert_int_equal(skimp_job_report(job)->rows, n);
                skimp_job_destroy(job);
                if (first == NULL) {
                    first = model;
                } else {
                    assert_same_models(first, model);
                    skimp_model_destroy(model);
                }
            }
            skimp_model_destroy(first);
            free(bits);
        }
    }
    free_frame(&f);
}

/* ---- faults ----------------------------------------------------------------------------------------------------------------- */

static skimp_status travel(const uint8_t *bits, uint64_t rows, skimp_error *error)
{
    job_setup setup;
    skimp_status status = SKIMP_OK;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    begin_rows(&setup, "logistic_regression", "all", bits, rows);
    add_step(&setup, "simple_imputer");
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_fit(job, &model, error));
    skimp_job_destroy(job);
    job = NULL;
    setup.options.estimator = NULL;
    setup.options.n_steps = 0;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    SKIMPI_TRY(skimp_job_score(job, model, error));
    skimp_job_destroy(job);
    job = NULL;
    SKIMPI_TRY(skimp_job_create(&job, &setup.options, error));
    for (bool end = false; !end;) {
        skimp_data chunk;
        SKIMPI_TRY(skimp_job_next_chunk(job, &chunk, &end, error));
    }
out:
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    return status;
}

static void faults(void **state)
{
    (void)state;
    const uint64_t rows = 300;
    frame f;
    uint64_t n = 0;
    skimp_error error = SKIMP_ERROR_INIT;
    make_frame(&f, rows);
    convert(&f.data, "all");
    uint8_t *bits = choose(CHOOSE_FEW, rows, &n);
    assert_ok(travel(bits, rows, &error));
    skimpi_fault_set(0, false);
    assert_ok(travel(bits, rows, &error));
    const uint64_t all = skimpi_fault_set(0, false);
    unsigned borne = 0;
    for (uint64_t nth = 1; nth <= all; nth += SANITIZED ? 3 : 1) {
        error = (skimp_error)SKIMP_ERROR_INIT;
        skimpi_fault_set(nth, nth % 2 == 0);
        const skimp_status status = travel(bits, rows, &error);
        skimpi_fault_set(0, false);
        if (skimpi_leaked_bytes() != 0) {
            fail_msg("refusing allocation %u leaks", (unsigned)nth);
        }
        borne += status == SKIMP_OK;
        if (status != SKIMP_OK && status != SKIMP_ERROR_NOMEM && status != SKIMP_ERROR_BUDGET) {
            fail_msg("refusing allocation %u of %u gave %s: %s", (unsigned)nth, (unsigned)all,
                     skimp_status_name(status), error.message);
        }
    }
    assert_true(borne < all / 4);
    free(bits);
    free_frame(&f);
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 1); /* thousands of small files are made */
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fits_alike, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(targets_of_rows, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(sparse_rows, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(predicted, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(given_back, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(plans_hold, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(faults, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
