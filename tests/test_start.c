/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fits that go on from a model: parts against one fit, the same bits whatever the threads, solvers that begin at their
 * optimum, classes, what is refused, hostile starts, checkpoints, budgets that just do, every allocation refused once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "array_data.h"
#include "frame_data.h"
#include "kernel/kernel.h"
#include "sanitizers.h"

/* ---- data ------------------------------------------------------------------------------------------------------------------ */

#define COLUMNS 6u

/* Columns of very different scales, offsets and kinds; labels that a line tells apart, mostly. */
typedef struct rows {
    uint64_t n;
    double *x, *target, *weight;
    int32_t *indptr, *indices; /* the same as CSR, of the values that are not 0: about half of them */
    double *values;
} rows;

static void make_rows(rows *r, uint64_t n, uint32_t classes)
{
    skimpi_random random;
    skimpi_random_seed(&random, 7);
    *r = (rows){ .n = n,
                 .x = must_allocate(n * COLUMNS * sizeof(double)),
                 .target = must_allocate(n * sizeof(double)),
                 .weight = must_allocate(n * sizeof(double)),
                 .indptr = must_allocate((n + 1) * sizeof(int32_t)),
                 .indices = must_allocate(n * COLUMNS * sizeof(int32_t)),
                 .values = must_allocate(n * COLUMNS * sizeof(double)) };
    int32_t entries = 0;
    for (uint64_t i = 0; i < n; i++) {
        double score = 0;
        for (uint32_t j = 0; j < COLUMNS; j++) {
            const double z = skimpi_random_double(&random) + skimpi_random_double(&random) - 1;
            r->x[i * COLUMNS + j] = z * pow(10, (double)j - 3) + (j == 1 ? 1000 : 0);
            score += z * (j % 2 == 0 ? 2 : -1);
            if (skimpi_random_below(&random, 2) == 0) {
                r->indices[entries] = (int32_t)j;
                r->values[entries++] = z;
            }
        }
        r->indptr[i + 1] = entries;
        score += skimpi_random_double(&random) - 0.5;
        r->target[i] = classes == 0 ? 3 * score + 20 : score < 0 ? 0 : classes > 2 && score > 1 ? 2 : 1;
        r->weight[i] = 0.5 + (double)skimpi_random_below(&random, 3);
    }
}

static void free_rows(rows *r)
{
    free(r->x);
    free(r->target);
    free(r->weight);
    free(r->indptr);
    free(r->indices);
    free(r->values);
}

/* Some of the rows, where they lie. */
static skimp_data part_of(const rows *r, uint64_t first, uint64_t n, bool is_sparse)
{
    skimp_data data = SKIMP_DATA_INIT;
    data.n_rows = n;
    data.n_columns = COLUMNS;
    data.dtype = SKIMP_DTYPE_F64;
    if (is_sparse) {
        data.kind = SKIMP_DATA_CSR;
        data.nonzeros = (uint64_t)r->indptr[r->n];
        data.values = r->values;
        data.indices = r->indices;
        data.indices_dtype = SKIMP_DTYPE_I32;
        data.indptr = r->indptr + first;
        data.indptr_dtype = SKIMP_DTYPE_I32;
    } else {
        data.values = r->x + first * COLUMNS;
        data.row_stride = COLUMNS * sizeof(double);
        data.column_stride = sizeof(double);
    }
    data.target =
        (skimp_data_column){ .dtype = SKIMP_DTYPE_F64, .values = r->target + first, .stride = sizeof(double) };
    return data;
}

static const double two_classes[] = { 0, 1 }, three_classes[] = { 0, 1, 2 };

static skimp_array class_array(const double *values, uint64_t n)
{
    return (skimp_array){ .name = "classes_", .dtype = "F64", .n_dims = 1, .shape = { n }, .data = values };
}

/* What a fit in parts is of. */
typedef struct way {
    const char *estimator, *params[4][2], *step;
    bool is_sparse, is_weighted;
    uint32_t classes;
    unsigned n_threads;
} way;

static void begin_way(job_setup *setup, const way *w, skimp_data *data, const rows *r, uint64_t first, uint64_t n)
{
    *data = part_of(r, first, n, w->is_sparse);
    if (w->is_weighted) {
        data->weight =
            (skimp_data_column){ .dtype = SKIMP_DTYPE_F64, .values = r->weight + first, .stride = sizeof(double) };
    }
    begin_data(setup, w->estimator, data);
    setup->options.n_threads = w->n_threads > 0 ? w->n_threads : 2;
    for (unsigned i = 0; i < 4 && w->params[i][0] != NULL; i++) {
        add_param(setup, w->params[i][0], w->params[i][1]);
    }
    if (w->step != NULL) {
        add_step(setup, w->step);
    }
}

/* One part after the other, each from the model of the one before. */
static skimp_model *fit_parts(const way *w, const rows *r, uint64_t part)
{
    skimp_model *model = NULL;
    const skimp_array classes = w->classes > 2 ? class_array(three_classes, 3) : class_array(two_classes, 2);
    for (uint64_t first = 0; first < r->n; first += part) {
        skimp_data data;
        job_setup setup;
        begin_way(&setup, w, &data, r, first, skimpi_min_u64(part, r->n - first));
        setup.options.partial = true;
        setup.options.start = model;
        setup.options.classes = model == NULL && w->classes > 0 ? &classes : NULL;
        skimp_model *next = fit_setup(&setup);
        skimp_model_destroy(model);
        model = next;
    }
    return model;
}

static double first_of(const skimp_model *model, const char *name)
{
    const skimp_array array = *find_array(model, name);
    return array.dtype[0] == 'I' ? (double)*(const int64_t *)array.data : *(const double *)array.data;
}

/* Mean log loss of a binary model over all rows. */
static double log_loss(const skimp_model *model, const rows *r)
{
    const double *coef = find_array(model, "coef_")->data;
    const double *intercept = find_array(model, "intercept_")->data;
    double sum = 0;
    for (uint64_t i = 0; i < r->n; i++) {
        const double margin = intercept[0] + skimpi_dot(COLUMNS, coef, r->x + i * COLUMNS);
        sum += log1p(exp(-fabs(margin))) + fmax(r->target[i] > 0 ? -margin : margin, 0);
    }
    return sum / (double)r->n;
}

/* ---- parts ------------------------------------------------------------------------------------------------------------------ */

/* Sparse rows have no statistics: parts in the order of the rows are one epoch over all, but for rounding. */
static void parts_are_one_epoch(void **state)
{
    (void)state;
    static const way ways[] = {
        { "sgd_classifier",
          { { "learning_rate", "constant" }, { "shuffle", "false" } },
          .is_sparse = true,
          .classes = 2 },
        { "sgd_classifier", { { "loss", "log_loss" }, { "shuffle", "false" } }, .is_sparse = true, .classes = 3 },
        { "sgd_classifier",
          { { "learning_rate", "invscaling" }, { "average", "true" }, { "shuffle", "false" } },
          .is_sparse = true,
          .classes = 2 },
        { "sgd_classifier",
          { { "loss", "log_loss" }, { "average", "150" }, { "shuffle", "false" } },
          .is_sparse = true,
          .classes = 2 },
        { "sgd_classifier",
          { { "loss", "log_loss" }, { "class_weight", "{\"0\": 3, \"1\": 1}" }, { "shuffle", "false" } },
          .is_sparse = true,
          .is_weighted = true,
          .classes = 2 },
        { "sgd_regressor", { { "shuffle", "false" } }, .is_sparse = true },
    };
    for (unsigned k = 0; k < sizeof ways / sizeof *ways; k++) {
        rows r;
        make_rows(&r, 400, ways[k].classes);
        skimp_model *one = fit_parts(&ways[k], &r, r.n), *parts = fit_parts(&ways[k], &r, 70);
        assert_true(largest_difference(one, parts, "coef_") < 1e-5);
        assert_true(largest_difference(one, parts, "intercept_") < 1e-5);
        assert_true(first_of(parts, "t_") == 401 && first_of(one, "t_") == 401);
        assert_true(first_of(parts, "n_iter_") == 1);
        skimp_model_destroy(one);
        skimp_model_destroy(parts);
        free_rows(&r);
    }
}

/* Columns of any scale: statistics go on, and what parts come to is as good as one epoch. */
static void parts_of_any_scale(void **state)
{
    (void)state;
    static const way logistic = { "sgd_classifier", { { "loss", "log_loss" }, { "shuffle", "false" } }, .classes = 2 };
    static const way bare = { "sgd_classifier",
                              { { "loss", "log_loss" }, { "shuffle", "false" }, { "fit_intercept", "false" } },
                              .classes = 2 };
    rows r;
    make_rows(&r, 600, 2);
    const way *const ways[] = { &logistic, &bare };
    for (unsigned k = 0; k < 2; k++) {
        skimp_model *one = fit_parts(ways[k], &r, r.n);
        static const uint64_t sizes[] = { 1, 7, 50, 300 };
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            skimp_model *parts = fit_parts(ways[k], &r, sizes[i]);
            const double loss = log_loss(parts, &r), best = log_loss(one, &r);
            if (!(loss < best + 0.05)) {
                fail_msg("parts of %u: %g, one epoch: %g", (unsigned)sizes[i], loss, best);
            }
            assert_true(k == 0 || *(const double *)find_array(parts, "intercept_")->data == 0);
            const skimp_array a = *find_array(one, "sgd_moments"), b = *find_array(parts, "sgd_moments");
            for (uint64_t j = 0; j < array_values(&a); j++) {
                const double x = ((const double *)a.data)[j], y = ((const double *)b.data)[j];
                assert_true(fabs(x - y) <= 1e-9 * fabs(x) + 1e-12);
            }
            skimp_model_destroy(parts);
        }
        skimp_model_destroy(one);
    }
    free_rows(&r);
}

/* A fit to its end, and parts after it, of tables and sparse data: it gets no worse. */
static void parts_after_a_fit(void **state)
{
    (void)state;
    rows r;
    make_rows(&r, 600, 2);
    for (unsigned is_sparse = 0; is_sparse < 2; is_sparse++) {
        way w = { "sgd_classifier", { { "loss", "log_loss" } }, .is_sparse = is_sparse != 0, .classes = 2 };
        skimp_data data;
        job_setup setup;
        begin_way(&setup, &w, &data, &r, 0, r.n);
        skimp_model *model = fit_setup(&setup);
        const double t = first_of(model, "t_"), before = log_loss(model, &r);
        assert_true((find_array(model, "sgd_roots") == NULL) == (is_sparse != 0));
        begin_way(&setup, &w, &data, &r, 0, 100);
        setup.options.partial = true;
        setup.options.start = model;
        skimp_model *next = fit_setup(&setup);
        assert_true(first_of(next, "t_") == t + 100);
        assert_true(is_sparse != 0 || log_loss(next, &r) < before + 0.02);
        skimp_model_destroy(next);
        skimp_model_destroy(model);
    }
    free_rows(&r);
}

/* Statistics of scalers in parts are those of all rows: as steps alone, before an estimator, told by the reading or not. */
static void scalers_go_on(void **state)
{
    (void)state;
    static const char *const steps[] = { "standard_scaler", "min_max_scaler", "max_abs_scaler" };
    static const char *const arrays[][3] = { { "mean_", "var_", "scale_" },
                                             { "data_min_", "data_max_", "scale_" },
                                             { "max_abs_", "scale_", "scale_" } };
    rows r;
    make_rows(&r, 500, 2);
    for (uint64_t i = 0; i < r.n; i++) {
        if (i % 5 == 0) {
            r.x[i * COLUMNS + 2] = NAN;
        }
        if (i < 120) {
            r.x[i * COLUMNS + 3] = NAN; /* all of the first part */
        }
    }
    for (unsigned s = 0; s < 3; s++) {
        const way w = { .step = steps[s] };
        skimp_model *one = fit_parts(&w, &r, r.n), *parts = fit_parts(&w, &r, 120);
        for (unsigned k = 0; k < 3; k++) {
            char name[64];
            snprintf(name, sizeof name, "0.%s.%s", steps[s], arrays[s][k]);
            const skimp_array a = *find_array(one, name), b = *find_array(parts, name);
            for (uint64_t j = 0; j < COLUMNS; j++) {
                const double x = ((const double *)a.data)[j], y = ((const double *)b.data)[j];
                assert_true(fabs(x - y) <= 1e-12 * fabs(x));
            }
        }
        char name[64];
        snprintf(name, sizeof name, "0.%s.n_samples_seen_", steps[s]);
        const skimp_array seen = *find_array(parts, name), expected = *find_array(one, name);
        assert_int_equal(array_values(&seen), s == 0 ? COLUMNS : 1);
        assert_memory_equal(seen.data, expected.data, array_values(&seen) * sizeof(int64_t));
        assert_int_equal(((const int64_t *)seen.data)[0], 500);
        skimp_model_destroy(one);
        skimp_model_destroy(parts);
    }
    free_rows(&r);
    /* Of text the reading counts, and a hold-out makes it a pass. */
    write_table("a.csv", (table_options){ .rows = 300, .columns = 3, .classes = 2 });
    for (unsigned held = 0; held < 2; held++) {
        job_setup setup;
        begin_setup(&setup, "sgd_classifier", "a.csv", "y");
        add_step(&setup, "standard_scaler");
        setup.options.holdout = held != 0 ? 0.2 : 0;
        skimp_model *model = fit_setup(&setup);
        setup.options.start = model;
        skimp_model *twice = fit_setup(&setup);
        assert_true(largest_difference(model, twice, "0.standard_scaler.mean_") < 1e-13);
        const double n = first_of(model, "0.standard_scaler.n_samples_seen_");
        assert_true(first_of(twice, "0.standard_scaler.n_samples_seen_") == n); /* the classifier alone goes on */
        skimp_model_destroy(twice);
        setup.options.partial = true;
        twice = fit_setup(&setup);
        assert_true(first_of(twice, "0.standard_scaler.n_samples_seen_") == 2 * n);
        skimp_model_destroy(model);
        skimp_model_destroy(twice);
    }
}

static void same_bits(void **state)
{
    (void)state;
    static const way ways[] = {
        { "sgd_classifier", { { "loss", "log_loss" } }, .classes = 3, .step = "standard_scaler" },
        { "sgd_classifier", { { "average", "true" } }, .classes = 2, .is_sparse = true },
        { "sgd_regressor", { { "learning_rate", "optimal" } }, .classes = 0 },
        { .step = "standard_scaler" },
    };
    static const unsigned threads[] = { 1, 2, 5 };
    rows r;
    for (unsigned k = 0; k < sizeof ways / sizeof *ways; k++) {
        make_rows(&r, 40000, ways[k].classes);
        skimp_model *first = NULL;
        for (unsigned i = 0; i < 3; i++) {
            way w = ways[k];
            w.n_threads = threads[i];
            skimp_model *model = fit_parts(&w, &r, 15000);
            if (first == NULL) {
                first = model;
            } else {
                assert_same_models(first, model);
                skimp_model_destroy(model);
            }
        }
        skimp_model_destroy(first);
        free_rows(&r);
    }
}

/* ---- solvers ------------------------------------------------------------------------------------------------------------------ */

static skimp_model *fit_report(const job_setup *setup, skimp_report *report)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    assert_ok(skimp_job_create(&job, &setup->options, &error));
    assert_ok(skimp_job_fit(job, &model, &error));
    *report = *skimp_job_report(job);
    skimp_job_destroy(job);
    return model;
}

/* A copy of a model with one array replaced (values NULL: left out), which lie in `values` and so must last. */
static skimp_model *with_array(const skimp_model *model, const char *name, const skimp_array *replaced,
                               const char *meta, const char *value, skimp_status *status, skimp_error *error)
{
    skimp_setting settings[32];
    skimp_array arrays[48];
    size_t n_meta = 0, n_arrays = 0;
    skimp_model *copy = NULL;
    for (size_t i = 0; skimp_model_meta(model, i, &settings[n_meta].name, &settings[n_meta].value); i++) {
        const bool is_meant = meta != NULL && strcmp(meta, settings[n_meta].name) == 0;
        settings[n_meta].value = is_meant ? value : settings[n_meta].value;
        n_meta += settings[n_meta].value != NULL;
    }
    for (size_t i = 0; skimp_model_array(model, i, &arrays[n_arrays]); i++) {
        n_arrays += name == NULL || strcmp(name, arrays[n_arrays].name) != 0;
    }
    if (replaced != NULL) {
        arrays[n_arrays++] = *replaced;
    }
    *status = skimp_model_of_arrays(&copy, NULL, settings, n_meta, arrays, n_arrays, error);
    return copy;
}

static void begins_at_its_optimum(void **state)
{
    (void)state;
    static const way ways[] = {
        { "logistic_regression", { { "C", "3" } }, .classes = 2 },
        { "logistic_regression", { { "C", "3" }, { "fit_intercept", "false" } }, .classes = 3 },
        { "logistic_regression", { { "l1_ratio", "1" }, { "solver", "saga" } }, .classes = 2 },
        { "logistic_regression", { { "solver", "liblinear" } }, .classes = 2, .is_sparse = true },
    };
    rows r;
    for (unsigned k = 0; k < sizeof ways / sizeof *ways; k++) {
        make_rows(&r, 3000, ways[k].classes);
        skimp_data data;
        job_setup setup;
        skimp_report cold, warm, other;
        skimp_status status;
        skimp_error error = SKIMP_ERROR_INIT;
        begin_way(&setup, &ways[k], &data, &r, 0, r.n);
        skimp_model *model = fit_report(&setup, &cold);
        setup.options.start = model;
        skimp_model *again = fit_report(&setup, &warm);
        assert_true(warm.converged && warm.n_iter == 0 && warm.passes < cold.passes);
        assert_true(fabs(warm.objective - cold.objective) <= 1e-9 * cold.objective);
        /* From far away, and from where numbers overflow: as without it. */
        static const double far[] = { 1e6, 1e308, -1e300 };
        for (unsigned i = 0; i < 3; i++) {
            double values[3 * COLUMNS];
            for (unsigned j = 0; j < 3 * COLUMNS; j++) {
                values[j] = j % 2 == 0 ? far[i] : -far[i];
            }
            const skimp_array coef = { .name = "coef_",
                                       .dtype = "F64",
                                       .n_dims = 2,
                                       .shape = { ways[k].classes > 2 ? 3 : 1, COLUMNS },
                                       .data = values };
            skimp_model *bad = with_array(model, "coef_", &coef, NULL, NULL, &status, &error);
            assert_ok(status);
            setup.options.start = bad;
            skimp_model *found = fit_report(&setup, &other);
            assert_true(other.n_iter == cold.n_iter && other.objective == cold.objective);
            skimp_model_destroy(found);
            skimp_model_destroy(bad);
        }
        skimp_model_destroy(again);
        skimp_model_destroy(model);
        free_rows(&r);
    }
}

/* Wide: the quasi-Newton method. */
static void wide_begins_at_its_optimum(void **state)
{
    (void)state;
    write_table("w.csv", (table_options){ .rows = 2000, .columns = 4, .text = true, .categories = 700, .classes = 4 });
    job_setup setup;
    skimp_report cold, warm;
    begin_setup(&setup, "logistic_regression", "w.csv", "y");
    skimp_model *model = fit_report(&setup, &cold);
    setup.options.start = model;
    skimp_model *again = fit_report(&setup, &warm);
    assert_true(warm.converged && warm.passes < 0.5 * cold.passes);
    assert_true(fabs(warm.objective - cold.objective) <= 1e-5 * cold.objective);
    skimp_model_destroy(again);
    skimp_model_destroy(model);
}

/* SGD begins at the coefficients, its steps anew. */
static void warm_start_of_sgd(void **state)
{
    (void)state;
    rows r;
    make_rows(&r, 800, 2);
    const way w = { "sgd_classifier", { { "loss", "log_loss" } }, .classes = 2 };
    skimp_data data;
    job_setup setup;
    skimp_report cold, warm;
    begin_way(&setup, &w, &data, &r, 0, r.n);
    skimp_model *model = fit_report(&setup, &cold);
    setup.options.start = model;
    skimp_model *again = fit_report(&setup, &warm);
    assert_true(first_of(again, "t_") == 1 + 800 * (double)warm.n_iter);
    assert_true(warm.objective < cold.objective + 1e-3 && warm.n_iter <= cold.n_iter);
    skimp_model_destroy(again);
    skimp_model_destroy(model);
    free_rows(&r);
}

/* ---- classes ----------------------------------------------------------------------------------------------------------------- */

static void fails_with(const job_setup *setup, skimp_status expected, const char *words)
{
    skimp_error error;
    const skimp_status status = try_fit(setup, &error);
    if (status != expected || strstr(error.message, words) == NULL) {
        fail_msg("%s rather than '%s': %s", skimp_status_name(status), words, error.message);
    }
}

static void classes_of_the_start(void **state)
{
    (void)state;
    static const char texts[] = "maybe\0no\0yes\0zz";
    const skimp_array labels = {
        .name = "classes_", .dtype = "U8", .n_dims = 1, .shape = { sizeof texts }, .data = texts
    };
    write_table("t.csv", (table_options){ .rows = 300, .columns = 2, .classes = 3, .text_label = true });
    write_table("two.csv", (table_options){ .rows = 300, .columns = 2, .classes = 2, .text_label = true });
    write_table("four.csv", (table_options){ .rows = 2000, .columns = 2, .classes = 4, .text_label = true });
    write_table("n.csv", (table_options){ .rows = 300, .columns = 2, .classes = 2 });
    static const char *const inputs[] = { "t.csv", "two.csv" };
    for (unsigned i = 0; i < 2; i++) { /* both kinds of estimators: classes that the data do not show */
        job_setup setup;
        begin_setup(&setup, i == 0 ? "sgd_classifier" : "logistic_regression", inputs[i], "y");
        setup.options.classes = &labels;
        skimp_model *model = fit_setup(&setup);
        skimp_array classes = *find_array(model, "classes_");
        assert_int_equal(array_values(&classes), sizeof texts);
        assert_memory_equal(classes.data, texts, sizeof texts);
        assert_int_equal(find_array(model, "coef_")->shape[0], 4);
        fails_with(&setup, SKIMP_OK, "");
        setup.options.start = model;
        fails_with(&setup, SKIMP_ERROR_PARAM, "has that model's classes");
        setup.options.classes = NULL;
        begin_setup(&setup, setup.options.estimator, "two.csv", "y");
        setup.options.start = model;
        skimp_model *next = fit_setup(&setup);
        classes = *find_array(next, "classes_");
        assert_memory_equal(classes.data, texts, sizeof texts);
        skimp_model_destroy(next);
        begin_setup(&setup, setup.options.estimator, "four.csv", "y");
        setup.options.start = model;
        fails_with(&setup, SKIMP_ERROR_DATA, "never is none of them");
        begin_setup(&setup, setup.options.estimator, "n.csv", "y");
        setup.options.start = model;
        fails_with(&setup, SKIMP_ERROR_DATA, "the target holds numbers, but the classes are text");
        skimp_model_destroy(model);
    }
    static const double bad[][3] = { { 1, 0, 2 }, { 0, 0, 1 }, { 0, 0.5, 1 }, { 0, NAN, 1 }, { 0, 5, INFINITY } };
    job_setup setup;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        const skimp_array numbers = class_array(bad[i], 3);
        begin_setup(&setup, "sgd_classifier", "n.csv", "y");
        setup.options.classes = &numbers;
        fails_with(&setup, SKIMP_ERROR_PARAM, "ascending");
    }
    static const double apart[] = { 0, 2 };
    skimp_array numbers = class_array(apart, 2);
    setup.options.classes = &numbers;
    fails_with(&setup, SKIMP_ERROR_DATA, "classes should include all valid labels that can be in y: 1 is none of them");
    numbers.shape[0] = 1;
    fails_with(&setup, SKIMP_ERROR_PARAM, "greater than one; got 1 class");
    numbers.n_dims = 2;
    fails_with(&setup, SKIMP_ERROR_PARAM, "whole numbers or texts");
    setup.options.estimator = "sgd_regressor";
    fails_with(&setup, SKIMP_ERROR_PARAM, "for a classifier");
}

/* ---- what is refused ------------------------------------------------------------------------------------------------------------ */

static void wrong_starts(void **state)
{
    (void)state;
    write_table("a.csv", (table_options){ .rows = 200, .columns = 3, .classes = 2, .text = true });
    write_table("b.csv", (table_options){ .rows = 200, .columns = 4, .classes = 2, .text = true });
    write_table("c.csv", (table_options){ .rows = 200, .columns = 3, .classes = 2 });
    write_table("d.csv", (table_options){ .rows = 200, .columns = 3, .classes = 2, .text = true, .categories = 5 });
    write_table("r.csv", (table_options){ .rows = 200, .columns = 3, .classes = 2, .text = true, .reversed = true });
    write_table("e.csv", (table_options){ .rows = 200, .columns = 4, .classes = 2 });
    write_svmlight("s.svm", (table_options){ .rows = 200, .columns = 9, .classes = 2 });
    write_svmlight("narrow.svm", (table_options){ .rows = 200, .columns = 7, .classes = 2 });
    job_setup setup;
    begin_setup(&setup, "sgd_classifier", "a.csv", "y");
    skimp_model *model = fit_setup(&setup);
    static const struct {
        const char *estimator, *input, *step, *words;
        skimp_status status;
        bool partial;
        unsigned hash_bits;
    } wrong[] = {
        { "logistic_regression", "a.csv", NULL, "is a sgd_classifier, this fit one of logistic_regression",
          SKIMP_ERROR_PARAM, false, 0 },
        { "ridge", "a.csv", NULL, "ridge cannot go on from a model", SKIMP_ERROR_PARAM, false, 0 },
        { "logistic_regression", "a.csv", NULL, "logistic_regression does not learn in parts", SKIMP_ERROR_PARAM, true,
          0 },
        { NULL, "a.csv", "simple_imputer", "simple_imputer cannot go on", SKIMP_ERROR_PARAM, false, 0 },
        { "sgd_classifier", "a.csv", "simple_imputer", "simple_imputer does not learn in parts", SKIMP_ERROR_PARAM,
          true, 0 },
        { "sgd_classifier", "a.csv", "standard_scaler", "has 0 steps, this fit 1", SKIMP_ERROR_PARAM, false, 0 },
        { NULL, "a.csv", "standard_scaler", "this fit one of pipeline", SKIMP_ERROR_PARAM, false, 0 },
        { "sgd_classifier", "b.csv", NULL, "X has 5 features, but SGDClassifier is expecting 4", SKIMP_ERROR_DATA,
          false, 0 },
        { "sgd_classifier", "c.csv", NULL, "X has 3 features, but SGDClassifier is expecting 4", SKIMP_ERROR_DATA,
          false, 0 },
        { "sgd_classifier", "d.csv", NULL, "has not the categories", SKIMP_ERROR_DATA, false, 0 },
        { "sgd_classifier", "r.csv", NULL, "is not in the place", SKIMP_ERROR_DATA, false, 0 },
        { "sgd_classifier", "e.csv", NULL, "holds numbers, not text", SKIMP_ERROR_DATA, false, 0 },
        { "sgd_classifier", "s.svm", NULL, "trained on a table", SKIMP_ERROR_DATA, false, 0 },
        { "sgd_classifier", "a.csv", NULL, "0 hash bits, this fit 5", SKIMP_ERROR_PARAM, false, 5 },
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        begin_setup(&setup, wrong[i].estimator, wrong[i].input, strstr(wrong[i].input, "svm") ? NULL : "y");
        if (wrong[i].step != NULL) {
            add_step(&setup, wrong[i].step);
        }
        setup.options.hash_bits = wrong[i].hash_bits;
        setup.options.partial = wrong[i].partial;
        setup.options.start = wrong[i].partial ? NULL : model;
        fails_with(&setup, wrong[i].status, wrong[i].words);
    }
    begin_setup(&setup, "sgd_classifier", "a.csv", "y");
    setup.options.partial = true;
    add_param(&setup, "early_stopping", "true");
    fails_with(&setup, SKIMP_ERROR_PARAM, "early_stopping should be False with partial_fit");
    skimp_model_destroy(model);
    write_table("turned.csv", (table_options){ .rows = 200, .columns = 3, .classes = 2, .reversed = true });
    begin_setup(&setup, "sgd_classifier", "c.csv", "y");
    model = fit_setup(&setup);
    begin_setup(&setup, "sgd_classifier", "turned.csv", "y");
    setup.options.start = model;
    fails_with(&setup, SKIMP_ERROR_DATA, "is not in the place");
    skimp_model_destroy(model);
    /* A file may lack the last columns of sparse data, but have no more. */
    begin_setup(&setup, "sgd_classifier", "s.svm", NULL);
    model = fit_setup(&setup);
    begin_setup(&setup, "sgd_classifier", "narrow.svm", NULL);
    setup.options.partial = true;
    skimp_model *narrow = fit_setup(&setup);
    setup.options.start = model;
    skimp_model *next = fit_setup(&setup);
    assert_int_equal(find_array(next, "coef_")->shape[1], 9);
    begin_setup(&setup, "sgd_classifier", "s.svm", NULL);
    setup.options.start = narrow;
    fails_with(&setup, SKIMP_ERROR_DATA, "X has 9 features, but SGDClassifier is expecting 7");
    skimp_model_destroy(next);
    skimp_model_destroy(narrow);
    skimp_model_destroy(model);
}

/* Each array of a start left out, of another shape, of another type, of NaN, of numbers below 0; metadata of all kinds. */
static void hostile_starts(void **state)
{
    (void)state;
    static const char *const metas[] = { "estimator",  "steps",         "data",         "hash_bits",
                                         "n_features", "n_features_in", "skimp_version" };
    static const char *const values[] = { NULL, "", "[", "[{}]", "-1", "99999999999999999999", "sparse", "pipeline" };
    static const way ways[] = {
        { "sgd_classifier", { { "loss", "log_loss" }, { "average", "true" } }, .classes = 2 },
        { "sgd_classifier", { { "loss", "log_loss" } }, .classes = 3, .is_sparse = true },
        { .step = "standard_scaler" },
        { .step = "min_max_scaler" },
        { .step = "max_abs_scaler" },
    };
    double spoiled[64];
    rows r;
    for (unsigned k = 0; k < sizeof ways / sizeof *ways; k++) {
        make_rows(&r, 90, ways[k].classes);
        skimp_model *model = fit_parts(&ways[k], &r, 45);
        skimp_array array;
        unsigned refused = 0;
        for (size_t i = 0; skimp_model_array(model, i, &array); i++) {
            for (unsigned how = 0; how < 6; how++) {
                skimp_data data;
                job_setup setup;
                skimp_error error = SKIMP_ERROR_INIT;
                skimp_status status;
                skimp_array bad = array;
                for (unsigned j = 0; j < 64; j++) {
                    spoiled[j] = how == 3 ? (double)NAN : how == 4 ? -1.0 : how == 5 ? 1e308 : 0;
                }
                bad.data = spoiled;
                bad.shape[0] += how == 1;
                bad.dtype = how != 2 ? array.dtype : strcmp(array.dtype, "U32") == 0 ? "F64" : "U32";
                assert_true(array_values(&bad) <= 64);
                skimp_model *start = with_array(model, array.name, how == 0 ? NULL : &bad, NULL, NULL, &status, &error);
                assert_ok(status);
                begin_way(&setup, &ways[k], &data, &r, 0, r.n);
                setup.options.partial = true;
                setup.options.start = start;
                status = try_fit(&setup, &error);
                if (status != SKIMP_OK && status != SKIMP_ERROR_DATA && status != SKIMP_ERROR_PARAM) {
                    fail_msg("%s spoilt (%u): %s", array.name, how, error.message);
                }
                const char *dot = strrchr(array.name, '.'), *own = dot != NULL ? dot + 1 : array.name;
                const bool is_used = strcmp(own, "coef_") == 0 || strcmp(own, "mean_") == 0 ||
                                     strcmp(own, "data_min_") == 0 || strcmp(own, "max_abs_") == 0;
                if (is_used && how <= 2 && status == SKIMP_OK) {
                    fail_msg("%s spoilt (%u) is not seen", array.name, how);
                }
                refused += status != SKIMP_OK;
                skimp_model_destroy(start);
            }
        }
        assert_true(refused > 10);
        for (unsigned i = 0; i < sizeof metas / sizeof *metas; i++) {
            for (unsigned v = 0; v < sizeof values / sizeof *values; v++) {
                skimp_data data;
                job_setup setup;
                skimp_error error = SKIMP_ERROR_INIT;
                skimp_status status;
                skimp_model *start = with_array(model, NULL, NULL, metas[i], values[v], &status, &error);
                begin_way(&setup, &ways[k], &data, &r, 0, r.n);
                setup.options.partial = true;
                setup.options.start = start;
                if (status == SKIMP_OK) {
                    status = try_fit(&setup, &error);
                }
                if (status != SKIMP_OK && status != SKIMP_ERROR_DATA && status != SKIMP_ERROR_PARAM) {
                    fail_msg("%s = %s: %s", metas[i], values[v], error.message);
                }
                skimp_model_destroy(start);
            }
        }
        skimp_model_destroy(model);
        free_rows(&r);
    }
}

/* ---- checkpoints, budgets, faults ------------------------------------------------------------------------------------------------ */

static void checkpoint_wins(void **state)
{
    (void)state;
    rows r;
    make_rows(&r, 500, 2);
    const way w = { "sgd_classifier", { { "loss", "log_loss" } }, .classes = 2 };
    skimp_data data;
    job_setup setup;
    skimp_report report;
    skimp_model *model = fit_parts(&w, &r, 100);
    begin_way(&setup, &w, &data, &r, 0, 250);
    setup.options.partial = true;
    setup.options.start = model;
    setup.options.checkpoint = in_temporary("checkpoint");
    skimp_model *one = fit_report(&setup, &report);
    assert_false(report.resumed);
    skimp_model *two = fit_report(&setup, &report);
    assert_true(report.resumed);
    assert_same_models(one, two);
    /* From another start it is another job. */
    setup.options.start = one;
    fails_with(&setup, SKIMP_ERROR_DATA, "another job");
    skimp_model_destroy(one);
    skimp_model_destroy(two);
    skimp_model_destroy(model);
    free_rows(&r);
}

/* A fit that goes on in the smallest budget that its plan names, and in what it plans. */
static void plans_hold(void **state)
{
    (void)state;
    static const char texts[] = "aaaaaaaaaaaaaaaaaaaaaaaaaa\0maybe\0never\0no\0yes\0zz";
    const skimp_array labels = {
        .name = "classes_", .dtype = "U8", .n_dims = 1, .shape = { sizeof texts }, .data = texts
    };
    write_table("t.csv",
                (table_options){ .rows = 3000, .columns = 20, .classes = 3, .text_label = true, .text = true });
    write_svmlight("s.svm", (table_options){ .rows = 3000, .columns = 60, .classes = 2 });
    for (unsigned k = 0; k < 4; k++) {
        job_setup setup;
        skimp_error error = SKIMP_ERROR_INIT;
        begin_setup(&setup, k == 2 ? "logistic_regression" : "sgd_classifier", k == 3 ? "s.svm" : "t.csv",
                    k == 3 ? NULL : "y");
        setup.options.partial = k != 2;
        setup.options.classes = k == 3 ? NULL : &labels;
        if (k == 1) {
            add_step(&setup, "standard_scaler");
            add_param(&setup, "average", "true");
        }
        skimp_model *model = NULL;
        for (unsigned round = 0; round < 2; round++) {
            skimp_job *job = NULL;
            const skimp_plan *plan = NULL;
            setup.options.start = model;
            setup.options.classes = model != NULL ? NULL : setup.options.classes;
            setup.options.max_memory = 256u << 20;
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            assert_ok(skimp_job_plan(job, &plan, &error));
            const uint64_t minimum = plan->minimum_bytes;
            skimp_model *next = NULL;
            assert_ok(skimp_job_fit(job, &next, &error));
            assert_true(skimp_job_report(job)->charged_peak_bytes <= plan->peak_bytes);
            skimp_job_destroy(job);
            setup.options.max_memory = minimum;
            skimp_model *tight = fit_setup(&setup);
            assert_same_models(next, tight);
            skimp_model_destroy(tight);
            setup.options.max_memory = minimum - 4096;
            fails_with(&setup, SKIMP_ERROR_BUDGET, "");
            skimp_model_destroy(model);
            model = next;
        }
        skimp_model_destroy(model);
    }
}

static void bears_faults(void **state)
{
    (void)state;
    static const char texts[] = "maybe\0no\0yes\0zz";
    const skimp_array labels = {
        .name = "classes_", .dtype = "U8", .n_dims = 1, .shape = { sizeof texts }, .data = texts
    };
    write_table("t.csv", (table_options){ .rows = 200, .columns = 3, .classes = 3, .text_label = true, .text = true });
    job_setup setup;
    begin_setup(&setup, "sgd_classifier", "t.csv", "y");
    add_step(&setup, "standard_scaler");
    add_param(&setup, "average", "true");
    setup.options.partial = true;
    setup.options.classes = &labels;
    setup.options.n_threads = 1;
    skimp_model *model = fit_setup(&setup);
    for (unsigned k = 0; k < 2; k++) {
        setup.options.start = k == 0 ? NULL : model;
        setup.options.classes = k == 0 ? &labels : NULL;
        skimp_error error;
        skimpi_fault_set(0, false);
        assert_int_equal(try_fit(&setup, &error), SKIMP_OK);
        const uint64_t all = skimpi_fault_set(0, false);
        assert_true(all > 50);
        for (uint64_t nth = 1; nth <= all; nth++) {
            for (unsigned for_good = 0; for_good < 2; for_good++) {
                skimpi_fault_set(nth, for_good != 0);
                const skimp_status status = try_fit(&setup, &error);
                skimpi_fault_set(0, false);
                assert_true(status == SKIMP_OK || status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
            }
        }
    }
    skimp_model_destroy(model);
}

int main(void)
{
    prefer_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_one_epoch),
        cmocka_unit_test(parts_of_any_scale),
        cmocka_unit_test(parts_after_a_fit),
        cmocka_unit_test_setup_teardown(scalers_go_on, make_temporary, remove_temporary),
        cmocka_unit_test(same_bits),
        cmocka_unit_test(begins_at_its_optimum),
        cmocka_unit_test_setup_teardown(wide_begins_at_its_optimum, make_temporary, remove_temporary),
        cmocka_unit_test(warm_start_of_sgd),
        cmocka_unit_test_setup_teardown(classes_of_the_start, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(wrong_starts, make_temporary, remove_temporary),
        cmocka_unit_test(hostile_starts),
        cmocka_unit_test_setup_teardown(checkpoint_wins, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(plans_hold, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(bears_faults, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
