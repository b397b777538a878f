/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wide matrices of the caller, whose rows are learnt from as they lie where they can be (decision 0013): the same bits for
 * any address, distance of rows and number of threads, and the same model as from columns, but for the last digits of sums.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "sanitizers.h"

#define MOST_COLUMNS 1100u

typedef struct recipe {
    const char *estimator;
    uint64_t rows, columns;
    unsigned classes; /* 0: a number */
    const char *params[4];
    double offset; /* of every column, in some 0.3 standard deviations */
    double near;   /* what models of other layouts may differ by */
} recipe;

static const recipe recipes[] = {
    { .estimator = "ridge", .rows = 300, .columns = 1037, .near = 1e-9 },
    { .estimator = "ridge", .rows = 300, .columns = 1037, .params = { "fit_intercept", "false" }, .near = 1e-9 },
    { .estimator = "linear_regression", .rows = 150, .columns = MOST_COLUMNS, .near = 1e-9 },
    { .estimator = "logistic_regression", .rows = 400, .columns = 600, .classes = 2, .near = 1e-6 },
    { .estimator = "logistic_regression",
      .rows = 400,
      .columns = 270,
      .classes = 3,
      .params = { "class_weight", "balanced", "tol", "1e-8" },
      .near = 1e-9 },
    { .estimator = "logistic_regression",
      .rows = 300,
      .columns = 600,
      .classes = 2,
      .params = { "l1_ratio", "0.5", "C", "0.1" },
      .near = 1e-5 },
};
#define N_RECIPES (sizeof recipes / sizeof *recipes)

static const recipe *current; /* what the numbers below are made for */

static double feature(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)dtype;
    return current->offset + (double)(skimpi_mix64(row * 1301 + column) % 4001) / 4096 - 0.5;
}

static double beside(uint64_t row, uint64_t column, skimp_dtype dtype)
{
    (void)dtype;
    double score = (double)(skimpi_mix64(row + 7) % 1000) / 1000;
    for (unsigned c = 0; c < 40; c++) {
        score += (feature(row, c, SKIMP_DTYPE_F64) - current->offset) * (c % 2 == 0 ? 1.5 : -0.5);
    }
    if (column == 1) {
        return 0.5 + (double)(row % 4);
    }
    return current->classes == 0 ? score : score < 0 ? 0 : score < 1.5 || current->classes == 2 ? 1 : 2;
}

typedef struct table {
    skimp_data data;
    skimp_data_column columns[MOST_COLUMNS];
    void *blocks[3];
} table;

static void make_table(table *t, const recipe *r, skimp_dtype dtype, array_layout layout)
{
    current = r;
    make_matrix(&t->data, &t->blocks[0], r->rows, r->columns, dtype, layout, feature);
    t->data.target = make_column(&t->blocks[1], r->rows, 0, SKIMP_DTYPE_F64, beside);
    t->data.weight = make_column(&t->blocks[2], r->rows, 1, SKIMP_DTYPE_F64, beside);
}

/* Its matrix as a list of columns. */
static void as_columns(table *t)
{
    for (uint64_t c = 0; c < t->data.n_columns; c++) {
        t->columns[c] =
            (skimp_data_column){ .dtype = t->data.dtype,
                                 .values = (const char *)t->data.values + (int64_t)c * t->data.column_stride,
                                 .stride = t->data.row_stride };
    }
    t->data.kind = SKIMP_DATA_COLUMNS;
    t->data.columns = t->columns;
}

static void free_table(table *t)
{
    for (unsigned i = 0; i < 3; i++) {
        free(t->blocks[i]);
    }
}

static void begin_recipe(job_setup *setup, const recipe *r, const skimp_data *data)
{
    begin_setup(setup, r->estimator, "unused", NULL);
    setup->options.n_inputs = 0;
    setup->options.data = data;
    for (unsigned i = 0; i < 4 && r->params[i] != NULL; i += 2) {
        add_param(setup, r->params[i], r->params[i + 1]);
    }
}

/* The largest difference of coefficients, in the largest of them; *same: not one bit differs. */
static double distance(const skimp_model *a, const skimp_model *b, bool *same)
{
    double largest = 0, scale = 0;
    static const char *const names[] = { "coef_", "intercept_" };
    *same = true;
    for (unsigned k = 0; k < 2; k++) {
        const skimp_array one = *find_array(a, names[k]), two = *find_array(b, names[k]);
        assert_int_equal(array_values(&one), array_values(&two));
        for (uint64_t i = 0; i < array_values(&one); i++) {
            const double x = ((const double *)one.data)[i], y = ((const double *)two.data)[i];
            *same = *same && x == y;
            if (k == 0) { /* an intercept takes over what coefficients differ by, times the offset */
                largest = fmax(largest, fabs(x - y));
                scale = fmax(scale, fabs(x));
            }
        }
    }
    return scale > 0 ? largest / scale : largest;
}

static void assert_near(const skimp_model *a, const skimp_model *b, double most)
{
    bool same;
    const double found = distance(a, b, &same);
    if (!(found <= most)) {
        fail_msg("coef_ differs by %g", found);
    }
    assert_false(same); /* one of them was learnt from columns */
}

static skimp_model *fit_layout(const recipe *r, skimp_dtype dtype, array_layout layout, bool columns, unsigned threads)
{
    job_setup setup;
    table t;
    make_table(&t, r, dtype, layout);
    if (columns) {
        as_columns(&t);
    }
    begin_recipe(&setup, r, &t.data);
    setup.options.n_threads = threads;
    skimp_model *model = fit_setup(&setup);
    free_table(&t);
    return model;
}

static void any_layout(void **state)
{
    (void)state;
    for (unsigned k = 0; k < N_RECIPES; k += SANITIZED ? 3 : 1) {
        const recipe *r = &recipes[k];
        for (unsigned type = 0; type < 2; type++) {
            const skimp_dtype dtype = type == 0 ? SKIMP_DTYPE_F32 : SKIMP_DTYPE_F64;
            skimp_model *rows = fit_layout(r, dtype, LAYOUT_C, false, 1);
            skimp_model *same[] = { fit_layout(r, dtype, LAYOUT_C, false, 2),
                                    fit_layout(r, dtype, LAYOUT_PADDED, false, 5),
                                    fit_layout(r, dtype, LAYOUT_C, true, 2) };
            skimp_model *others[] = { fit_layout(r, dtype, LAYOUT_FORTRAN, false, 1),
                                      fit_layout(r, dtype, LAYOUT_SLICED, false, 2) };
            for (unsigned i = 0; i < 3; i++) {
                assert_same_models(rows, same[i]);
                skimp_model_destroy(same[i]);
            }
            for (unsigned i = 0; i < 2; i++) {
                assert_near(rows, others[i], r->near);
                skimp_model_destroy(others[i]);
            }
            skimp_model_destroy(rows);
        }
    }
}

/* Values at some 1e6 standard deviations from zero are centred before anything is multiplied by them, in rows too. */
static void far_from_zero(void **state)
{
    (void)state;
    recipe r = recipes[0];
    r.offset = 0x1p18;
    r.near = 1e-7;
    skimp_model *near_zero = fit_layout(&recipes[0], SKIMP_DTYPE_F64, LAYOUT_C, false, 2);
    skimp_model *rows = fit_layout(&r, SKIMP_DTYPE_F64, LAYOUT_C, false, 2);
    skimp_model *columns = fit_layout(&r, SKIMP_DTYPE_F64, LAYOUT_FORTRAN, false, 2);
    assert_near(rows, columns, r.near);
    assert_near(rows, near_zero, r.near); /* numbers are multiples of 2^-12: what is centred is the same */
    skimp_model_destroy(rows);
    skimp_model_destroy(columns);
    skimp_model_destroy(near_zero);
    /* Logistic regression takes shifts off columns, of which rows have none. */
    recipe shifted = recipes[3];
    shifted.offset = 0x1p18;
    rows = fit_layout(&shifted, SKIMP_DTYPE_F64, LAYOUT_C, false, 2);
    columns = fit_layout(&shifted, SKIMP_DTYPE_F64, LAYOUT_FORTRAN, false, 1);
    bool same;
    assert_true(distance(rows, columns, &same) < shifted.near);
    skimp_model_destroy(rows);
    skimp_model_destroy(columns);
}

/* Where a column is left out, a step comes before, or rows are held out, chunks are columns for any layout. */
static void only_whole_matrices(void **state)
{
    (void)state;
    const recipe *r = &recipes[0];
    for (unsigned way = 0; way < 3; way++) {
        skimp_model *found[2];
        for (unsigned i = 0; i < 2; i++) {
            job_setup setup;
            table t;
            make_table(&t, r, SKIMP_DTYPE_F64, i == 0 ? LAYOUT_C : LAYOUT_FORTRAN);
            begin_recipe(&setup, r, &t.data);
            if (way == 0) {
                add_drop(&setup, "x5");
            } else if (way == 1) {
                add_step(&setup, "standard_scaler");
            } else {
                setup.options.holdout = 0.25;
            }
            found[i] = fit_setup(&setup);
            free_table(&t);
        }
        assert_same_models(found[0], found[1]);
        skimp_model_destroy(found[0]);
        skimp_model_destroy(found[1]);
    }
}

/* Charges of a fit in a budget stay under its plan; what was planned for accumulators. */
static uint64_t fits_within(const recipe *r, const table *t, uint64_t *budget, bool smallest, skimp_model **model)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    begin_recipe(&setup, r, &t->data);
    setup.options.max_memory = *budget;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_ok(skimp_job_fit(job, model, &error));
    assert_true(skimp_job_report(job)->charged_peak_bytes <= plan->peak_bytes && plan->peak_bytes <= *budget);
    const uint64_t accumulators = plan->memory[SKIMP_TAG_ACCUMULATORS];
    *budget = smallest ? plan->minimum_bytes : plan->peak_bytes;
    skimp_job_destroy(job);
    return accumulators;
}

/* Rows need no room for centred columns, and the plan knows; it holds to the byte. */
static void less_scratch(void **state)
{
    (void)state;
    for (unsigned k = 0; k < N_RECIPES; k += 3) {
        uint64_t planned[2];
        for (unsigned i = 0; i < 2; i++) {
            table t;
            skimp_model *model = NULL, *again = NULL;
            make_table(&t, &recipes[k], SKIMP_DTYPE_F64, i == 0 ? LAYOUT_C : LAYOUT_FORTRAN);
            for (unsigned smallest = 0; smallest < 2; smallest++) {
                uint64_t budget = 256u << 20;
                planned[i] = fits_within(&recipes[k], &t, &budget, smallest == 1, &model);
                fits_within(&recipes[k], &t, &budget, false, &again);
                assert_same_models(model, again);
                skimp_model_destroy(model);
                skimp_model_destroy(again);
            }
            free_table(&t);
        }
        if (k == 0) {
            assert_true(planned[0] + 2 * 32 * recipes[k].columns * sizeof(double) <= planned[1]);
        }
        assert_true(planned[0] <= planned[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_layout, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(far_from_zero, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(only_whole_matrices, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(less_scratch, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
