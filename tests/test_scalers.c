/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * standard_scaler, min_max_scaler, max_abs_scaler: scikit-learn's attributes and values for any chunks and lanes, with
 * missing values, offsets, constants; sparse data; checkpoints, models, failing allocations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drive_class.h"
#include "expected_data.h"
#include "hostile_model.h"
#include "sklearn_expected.h"

extern const skimpi_estimator_class skimpi_class_standard_scaler, skimpi_class_min_max_scaler,
    skimpi_class_max_abs_scaler;
#define STANDARD (&skimpi_class_standard_scaler)
#define MIN_MAX (&skimpi_class_min_max_scaler)
#define MAX_ABS (&skimpi_class_max_abs_scaler)
#define ROWS 200
#define COLUMNS 6

static const unsigned lane_counts[] = { 1, 3, 16 };
static const uint32_t chunk_sizes[] = { 1, 9, 64, 500 };

typedef struct attribute {
    const char *name;
    const double *expected;
    double threshold;
} attribute;

/*
 * Fits on the data with holes; checks attributes, and the first five rows after transform by the reloaded model.  is_told: what
 * the reading counted is known, and no pass is needed.
 */
static void check_class(const skimpi_estimator_class *class_, const char *const *pairs, const attribute *attributes,
                        const double *rows, double row_threshold, bool is_told)
{
    double *x = data_holes(4, ROWS, COLUMNS);
    drive_data data = { .n_rows = ROWS, .n_columns = COLUMNS, .x = x };
    for (size_t r = 0; r < sizeof chunk_sizes / sizeof *chunk_sizes; r++) {
        for (size_t l = 0; l < sizeof lane_counts / sizeof *lane_counts; l++) {
            drive_chunks *c = drive_make(&data, chunk_sizes[r]);
            drive_fit fit = { .checkpoint = true };
            if (is_told) {
                c->problem.has_spreads = true;
                c->problem.spreads = drive_spreads(c, &data);
            }
            drive_well(class_, pairs, c, lane_counts[l], &fit);
            assert_true(fit.passes == (is_told ? 0 : 1) && fit.needs.passes_expected == fit.passes);
            skimpi_outcome outcome;
            class_->result(fit.self, &outcome);
            assert_true(outcome.converged && isnan(outcome.objective));
            skimpi_tensors *tensors;
            drive_reload(class_, &fit, c, &tensors);
            for (const attribute *a = attributes; a->name != NULL; a++) {
                char name[64];
                snprintf(name, sizeof name, "0.%s", a->name);
                for (size_t j = 0; j < COLUMNS; j++) {
                    drive_near(drive_tensor(tensors, name, j), a->expected[j], a->threshold, 1e-300);
                }
            }
            for (size_t k = 0; k < c->n; k++) {
                class_->transform(fit.self, &c->chunks[k]);
                for (size_t i = 0; i < c->chunks[k].n_rows && c->chunks[k].first_row + i < 5; i++) {
                    for (size_t j = 0; j < COLUMNS; j++) {
                        drive_near(c->chunks[k].dense[j].f64[i], rows[(c->chunks[k].first_row + i) * COLUMNS + j],
                                   row_threshold, row_threshold);
                    }
                }
            }
            skimpi_tensors_destroy(tensors);
            drive_end(class_, &fit);
            drive_release(c);
        }
    }
    free(x);
}

static void test_standard(void **state)
{
    (void)state;
    /* Column 0 lies at 1e9: its variance is known to (1e9 ε)² and its values to 1e9 ε. */
    static const attribute attributes[] = {
        { "mean_", expected_standard_mean, 1e-14 },
        { "var_", expected_standard_var, 1e-10 },
        { "scale_", expected_standard_scale, 1e-10 },
        { "n_samples_seen_", expected_standard_seen, 0 },
        { NULL, NULL, 0 },
    };
    static const char *const pairs[] = { NULL };
    check_class(STANDARD, pairs, attributes, expected_standard_rows, 1e-6, false);
    check_class(STANDARD, pairs, attributes, expected_standard_rows, 1e-6, true);
}

static void test_min_max(void **state)
{
    (void)state;
    static const attribute attributes[] = {
        { "min_", expected_min_max_min, 1e-14 },           { "scale_", expected_min_max_scale, 1e-14 },
        { "data_min_", expected_min_max_data_min, 0 },     { "data_max_", expected_min_max_data_max, 0 },
        { "data_range_", expected_min_max_data_range, 0 }, { NULL, NULL, 0 },
    };
    static const char *const pairs[] = { "feature_range", "[-1, 2.5]", NULL };
    check_class(MIN_MAX, pairs, attributes, expected_min_max_rows, 1e-6, false);
}

static void test_max_abs(void **state)
{
    (void)state;
    static const attribute attributes[] = { { "max_abs_", expected_max_abs, 0 },
                                            { "scale_", expected_max_abs, 0 },
                                            { NULL, NULL, 0 } };
    static const char *const pairs[] = { NULL };
    check_class(MAX_ABS, pairs, attributes, expected_max_abs_rows, 1e-14, false);
}

/* An offset of 1e9, exactly representable: the variance must be what it is without, to rounding. */
static void test_offset(void **state)
{
    (void)state;
    enum { N = 3000 };
    double *x = calloc(N, sizeof *x);
    long double sum = 0, squares = 0;
    static const char *const pairs[] = { NULL };
    for (size_t i = 0; i < N; i++) {
        double u = floor(data_uniform(8, i, 0) * 0x1p20) / 0x1p20 + (i > N / 2 ? 3 : 0); /* the lanes' means differ */
        x[i] = u + 0x1p30;
        sum += (long double)u;
        squares += (long double)u * (long double)u;
    }
    double variance = (double)(squares / N - sum / N * (sum / N));
    drive_data data = { .n_rows = N, .n_columns = 1, .x = x };
    for (size_t l = 0; l < sizeof lane_counts / sizeof *lane_counts; l++) {
        drive_chunks *c = drive_make(&data, 100);
        drive_fit fit = { 0 };
        drive_well(STANDARD, pairs, c, lane_counts[l], &fit);
        skimpi_tensors *tensors;
        drive_reload(STANDARD, &fit, c, &tensors);
        drive_near(drive_tensor(tensors, "0.var_", 0), variance, 1e-12, 0);
        drive_near(drive_tensor(tensors, "0.mean_", 0) - 0x1p30, (double)(sum / N), 0, 3e-7);
        assert_true(drive_tensor(tensors, "0.n_samples_seen_", 0) == N);
        skimpi_tensors_destroy(tensors);
        drive_end(STANDARD, &fit);
        drive_release(c);
    }
    free(x);
}

/* Sparse and dense forms of the same numbers have the same statistics and results; floats too. */
static void test_sparse(void **state)
{
    (void)state;
    enum { N = 120, P = 5 };
    double x[N * P];
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < P; j++) {
            double u = data_uniform(9, i, j);
            x[i * P + j] = j == 4 ? 0 : u < 0.2 ? 0 : (double)(float)(u * (double)(j + 1) + (j == 2 ? 50 : 0));
        }
    }
    static const char *const no_mean[] = { "with_mean", "false", NULL };
    static const char *const none[] = { NULL };
    for (int which = 0; which < 2; which++) {
        const skimpi_estimator_class *class_ = which == 0 ? STANDARD : MAX_ABS;
        const char *const *pairs = which == 0 ? no_mean : none;
        drive_data data = { .n_rows = N, .n_columns = P, .x = x };
        drive_chunks *dense = drive_make(&data, 50);
        drive_fit fit = { 0 };
        drive_well(class_, pairs, dense, 2, &fit);
        for (int form = 0; form < 3; form++) {
            data.kinds = form == 2 ? "fffff" : "sssss";
            data.csr_wide = data.csr_f64 = form == 1;
            drive_chunks *c = drive_make(&data, 33);
            drive_fit other = { 0 };
            drive_well(class_, pairs, c, 3, &other);
            skimpi_tensors *one, *two;
            drive_reload(class_, &other, c, &one);
            assert_int_equal(skimpi_tensors_create(&two, fit.budget, NULL), SKIMP_OK);
            assert_int_equal(class_->save(fit.self, two, "0.", NULL), SKIMP_OK);
            for (uint64_t j = 0; j < P; j++) {
                drive_near(drive_tensor(one, "0.scale_", j), drive_tensor(two, "0.scale_", j), 1e-13, 0);
            }
            assert_true(drive_tensor(one, "0.n_samples_seen_", 0) == N);
            for (size_t k = 0; k < c->n; k++) {
                skimpi_chunk *chunk = &c->chunks[k];
                class_->transform(other.self, chunk);
                for (size_t i = 0; i < chunk->n_rows; i++) {
                    for (size_t at = form == 2 ? 0 : chunk->csr.indptr[i];
                         at < (form == 2 ? P : chunk->csr.indptr[i + 1]); at++) {
                        uint64_t j = form == 2 ? at : form == 1 ? chunk->csr.indices64[at] : chunk->csr.indices[at];
                        double got = form == 2   ? (double)chunk->dense[at].f32[i]
                                     : form == 1 ? chunk->csr.f64[at]
                                                 : (double)chunk->csr.f32[at];
                        drive_near(got, x[(chunk->first_row + i) * P + j] / drive_tensor(two, "0.scale_", j), 1e-7, 0);
                    }
                }
            }
            skimpi_tensors_destroy(one);
            skimpi_tensors_destroy(two);
            drive_end(class_, &other);
            drive_release(c);
        }
        data.kinds = "sssss";
        drive_chunks *c = drive_make(&data, 50);
        drive_badly(STANDARD, none, c, SKIMP_ERROR_PARAM, "sparse|with_mean=false");
        drive_badly(MIN_MAX, none, c, SKIMP_ERROR_PARAM, "sparse|max_abs_scaler");
        drive_release(c);
        drive_end(class_, &fit);
        drive_release(dense);
    }
}

static void test_switches(void **state)
{
    (void)state;
    double x[4] = { 1, 3, 5, 7 }, other[4] = { -1, 9, 4, (double)NAN };
    drive_data data = { .n_rows = 4, .n_columns = 1, .x = x }, later = { .n_rows = 4, .n_columns = 1, .x = other };
    static const struct {
        const skimpi_estimator_class *class_;
        const char *pairs[5];
        double want[4];
    } cases[] = {
        { STANDARD, { "with_std", "false" }, { -5, 5, 0, (double)NAN } },
        { STANDARD, { "with_std", "false", "with_mean", "false" }, { -1, 9, 4, (double)NAN } },
        { MIN_MAX, { "clip", "true" }, { 0, 1, 0.5, (double)NAN } },
        { MIN_MAX, { NULL }, { -1.0 / 3, 4.0 / 3, 0.5, (double)NAN } },
        { MAX_ABS, { "clip", "true" }, { -1.0 / 7, 1, 4.0 / 7, (double)NAN } },
        { MAX_ABS, { NULL }, { -1.0 / 7, 9.0 / 7, 4.0 / 7, (double)NAN } },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        drive_chunks *c = drive_make(&data, 3), *l = drive_make(&later, 4);
        drive_fit fit = { 0 };
        drive_well(cases[k].class_, cases[k].pairs, c, 1, &fit);
        skimpi_tensors *tensors;
        drive_reload(cases[k].class_, &fit, c, &tensors);
        cases[k].class_->transform(fit.self, &l->chunks[0]);
        for (size_t i = 0; i < 4; i++) {
            drive_near(l->chunks[0].dense[0].f64[i], cases[k].want[i], 1e-15, 1e-15);
        }
        skimpi_tensors_destroy(tensors);
        drive_end(cases[k].class_, &fit);
        drive_release(c);
        drive_release(l);
    }
    drive_chunks *c = drive_make(&data, 3);
    static const char *const bad[][3] = { { "feature_range", "[1, 1]" },
                                          { "feature_range", "[0]" },
                                          { "feature_range", "3" },
                                          { "feature_range", "[0, \"a\"]" } };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        drive_badly(MIN_MAX, bad[k], c, SKIMP_ERROR_PARAM, "feature_range");
    }
    drive_release(c);
}

/* Claims of features are not believed before arrays bear them out; where no array is needed, none is made. */
static void test_hostile_models(void **state)
{
    (void)state;
    double x[4] = { 1, 3, 5, 7 };
    drive_data data = { .n_rows = 4, .n_columns = 1, .x = x };
    static const struct {
        const skimpi_estimator_class *class_;
        const char *pairs[5];
        const char *tensor;
    } cases[] = {
        { STANDARD, { NULL }, "0.mean_" },
        { STANDARD, { "with_mean", "false" }, "0.mean_" },
        { STANDARD, { "with_std", "false" }, "0.mean_" },
        { STANDARD, { "with_std", "false", "with_mean", "false" }, NULL },
        { MIN_MAX, { NULL }, "0.data_min_" },
        { MAX_ABS, { NULL }, "0.max_abs_" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        drive_chunks *c = drive_make(&data, 3);
        drive_fit fit = { 0 };
        drive_well(cases[k].class_, cases[k].pairs, c, 1, &fit);
        skimpi_tensors *tensors;
        drive_reload(cases[k].class_, &fit, c, &tensors);
        if (cases[k].tensor != NULL) {
            hostile_claim(cases[k].class_, tensors, "0.", c->problem, fit.params, cases[k].tensor);
        } else {
            skimpi_problem huge = c->problem;
            huge.n_features = huge.n_dense = UINT64_C(1) << 40;
            void *self = NULL;
            assert_int_equal(STANDARD->load(&self, fit.budget, tensors, "0.", &huge, fit.params, NULL), SKIMP_OK);
            assert_true(skimp_budget_peak(fit.budget) < 1u << 20);
            STANDARD->destroy(self);
        }
        skimpi_tensors_destroy(tensors);
        drive_end(cases[k].class_, &fit);
        drive_release(c);
    }
}

static void test_failing_allocations(void **state)
{
    (void)state;
    double x[4] = { 1, 2, 3, 5 };
    const skimpi_estimator_class *const all[] = { STANDARD, MIN_MAX, MAX_ABS };
    static const char *const none[] = { NULL };
    drive_data data = { .n_rows = 4, .n_columns = 1, .x = x };
    for (size_t k = 0; k < 3; k++) {
        drive_chunks *c = drive_make(&data, 3);
        drive_fit fit = { 0 };
        drive_well(all[k], none, c, 1, &fit);
        skimpi_buffer saved;
        skimpi_buffer_init(&saved, fit.budget, SKIMP_TAG_OTHER);
        assert_int_equal(all[k]->state_save(fit.self, &saved, NULL), SKIMP_OK);
        assert_int_equal(all[k]->state_load(fit.self, saved.data, saved.length - 1, NULL), SKIMP_ERROR_DATA);
        skimpi_buffer_free(&saved);
        bool failed = true;
        for (uint64_t nth = 1; failed; nth++) {
            skimpi_fault_set(nth, nth % 2 == 0);
            void *self = NULL, *loaded = NULL;
            skimpi_tensors *tensors = NULL;
            skimp_status status = all[k]->begin(&self, fit.budget, &c->problem, fit.params, NULL, NULL);
            assert_true((status == SKIMP_OK) == (self != NULL));
            skimp_status made = skimpi_tensors_create(&tensors, fit.budget, NULL);
            made = made == SKIMP_OK ? all[k]->save(fit.self, tensors, "", NULL) : made;
            made =
                made == SKIMP_OK ? all[k]->load(&loaded, fit.budget, tensors, "", &c->problem, fit.params, NULL) : made;
            assert_true((made == SKIMP_OK) == (loaded != NULL));
            failed = status != SKIMP_OK || made != SKIMP_OK;
            skimpi_fault_set(0, false);
            all[k]->destroy(self);
            all[k]->destroy(loaded);
            skimpi_tensors_destroy(tensors);
            assert_true(nth < 300);
        }
        drive_end(all[k], &fit);
        drive_release(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard),       cmocka_unit_test(test_min_max),
        cmocka_unit_test(test_max_abs),        cmocka_unit_test(test_offset),
        cmocka_unit_test(test_sparse),         cmocka_unit_test(test_switches),
        cmocka_unit_test(test_hostile_models), cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
