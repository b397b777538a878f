/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logistic regression over hand-made chunks: scikit-learn's optima, the same bits for any order of lanes and any resumed
 * fit, memory as planned, hostile numbers, hostile bytes.
 */
#include "hostile_model.h"
#include "logistic_data.h"

#include "logistic_expected.h"

extern const skimpi_estimator_class skimpi_class_logistic_regression;
static const skimpi_estimator_class *const class = &skimpi_class_logistic_regression;

#define N_EXPECTED (sizeof(expected) / sizeof(expected[0]))

static data data_of(size_t which, unsigned chunk_rows)
{
    const struct expected *e = &expected[which];
    return make_data(e->rows, e->dense, e->codes, e->sparse, e->classes, e->weighted, (unsigned)which + 1, chunk_rows);
}

static skimpi_params *params_of(skimp_budget *budget, const struct expected *e, const char *more)
{
    char text[500], scaling[100] = "";
    if (e->intercept_scaling > 0) {
        snprintf(scaling, sizeof scaling, "solver=liblinear intercept_scaling=%.17g", e->intercept_scaling);
    }
    snprintf(text, sizeof text, "C=%.17g l1_ratio=%.17g fit_intercept=%s %s %s", e->C, e->l1_ratio,
             e->fit_intercept ? "true" : "false", scaling, more);
    return new_params(budget, class, text);
}

/* coef_ and intercept_ as they are saved, one after the other. */
static double *model_of(skimp_budget *budget, const void *self, size_t *n)
{
    skimpi_tensors *tensors;
    assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
    assert_int_equal(class->save(self, tensors, "0.", NULL), SKIMP_OK);
    const skimpi_tensor *coef = skimpi_tensors_find(tensors, "0.coef_"),
                        *intercept = skimpi_tensors_find(tensors, "0.intercept_");
    *n = coef->n_values + intercept->n_values;
    double *out = zeroed(*n, sizeof(double));
    memcpy(out, coef->data, coef->n_values * sizeof(double));
    memcpy(out + coef->n_values, intercept->data, intercept->n_values * sizeof(double));
    skimpi_tensors_destroy(tensors);
    return out;
}

/* The user guide's formula, in plain loops. */
static double objective_of(const data *d, const double *model, double C, double l1_ratio, double intercept_scaling)
{
    size_t p = d->problem.n_features, k = d->problem.n_classes > 2 ? d->problem.n_classes : 1;
    double loss = 0.0, squares = 0.0, absolutes = 0.0;
    for (size_t i = 0; i < d->problem.n_rows; i++) {
        double top = 0.0, own = 0.0, sum = 0.0, margins[64];
        for (size_t l = 0; l < k; l++) {
            margins[l] = model[k * p + l];
            for (size_t j = 0; j < p; j++) {
                margins[l] += d->x[i * p + j] * model[l * p + j];
            }
        }
        if (k == 1) {
            margins[1] = margins[0];
            margins[0] = 0.0;
        }
        top = margins[0];
        for (size_t l = 1; l < (k == 1 ? 2 : k); l++) {
            top = fmax(top, margins[l]);
        }
        for (size_t l = 0; l < (k == 1 ? 2 : k); l++) {
            sum += exp(margins[l] - top);
        }
        own = margins[(size_t)d->y[i]];
        loss += d->weight[i] * (log(sum) + top - own);
    }
    for (size_t j = 0; j < k * p; j++) {
        squares += model[j] * model[j];
        absolutes += fabs(model[j]);
    }
    if (intercept_scaling > 0.0) {
        double v = model[k * p] / intercept_scaling;
        squares += v * v;
        absolutes += fabs(v);
    }
    return isinf(C) ? loss : C * loss + 0.5 * (1 - l1_ratio) * squares + l1_ratio * absolutes;
}

static void objectives_are_scikit_learns(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    for (size_t c = 0; c < N_EXPECTED; c++) {
        const struct expected *e = &expected[c];
        static const unsigned chunk_rows[] = { 600, 64, 7 };
        for (size_t s = 0; s < 3; s++) {
            data d = data_of(c, chunk_rows[s]);
            skimpi_params *params = params_of(budget, e, "tol=1e-10 max_iter=3000");
            fitted f = fit(class, budget, &d, params, 0, 0, NULL);
            assert_int_equal(f.status, SKIMP_OK);
            assert_true(f.outcome.converged);
            size_t n;
            double *model = model_of(budget, f.self, &n),
                   own = objective_of(&d, model, e->C, e->l1_ratio, e->intercept_scaling);
            if (fabs(f.outcome.objective - e->objective) > 1e-9 * e->objective ||
                fabs(own - f.outcome.objective) > 1e-11 * own) {
                fail_msg("%s, chunks of %u: objective %.17g, by its coefficients %.17g, expected %.17g", e->name,
                         chunk_rows[s], f.outcome.objective, own, e->objective);
            }
            free(model);
            class->destroy(f.self);
            skimpi_params_destroy(params);
            free_data(&d);
        }
    }
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* Never above scikit-learn's objective by 1e-6 of it, whatever tol says. */
static void loose_tolerances_keep_the_objective(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    for (size_t c = 0; c < N_EXPECTED; c++) {
        data d = data_of(c, 16);
        skimpi_params *params = params_of(budget, &expected[c], "tol=0.0001");
        fitted f = fit(class, budget, &d, params, 0, 0, NULL);
        assert_int_equal(f.status, SKIMP_OK);
        if (!(f.outcome.objective <= expected[c].objective * (1 + 1e-6))) {
            fail_msg("%s: objective %.17g, expected %.17g", expected[c].name, f.outcome.objective,
                     expected[c].objective);
        }
        assert_true(f.outcome.n_iter <= 100);
        class->destroy(f.self);
        skimpi_params_destroy(params);
        free_data(&d);
    }
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void order_and_resuming_change_no_bit(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    for (size_t c = 0; c < N_EXPECTED; c++) {
        data d = data_of(c, 9);
        skimpi_params *params = params_of(budget, &expected[c], "tol=1e-6 max_iter=8");
        fitted first = fit(class, budget, &d, params, 0, 0, NULL);
        size_t n;
        double *model = model_of(budget, first.self, &n);
        for (unsigned variant = 1; variant <= first.passes + 3; variant++) {
            if (variant > 12 && variant % 7 != 0) {
                continue;
            }
            bool is_order = variant > first.passes;
            fitted again = fit(class, budget, &d, params, is_order ? variant : 0, is_order ? 0 : variant, NULL);
            size_t m;
            double *other = model_of(budget, again.self, &m);
            assert_int_equal(n, m);
            assert_memory_equal(model, other, n * sizeof(double));
            assert_memory_equal(&first.outcome.objective, &again.outcome.objective, sizeof(double));
            assert_int_equal(first.outcome.n_iter, again.outcome.n_iter);
            assert_int_equal(first.passes, again.passes);
            free(other);
            class->destroy(again.self);
        }
        free(model);
        class->destroy(first.self);
        skimpi_params_destroy(params);
        free_data(&d);
    }
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void memory_is_what_the_plan_says(void **state)
{
    (void)state;
    for (size_t c = 0; c < N_EXPECTED; c++) {
        data d = data_of(c, 64);
        skimp_budget *other = new_budget(0);
        skimpi_params *params = params_of(other, &expected[c], "max_iter=3");
        skimpi_needs needs;
        assert_int_equal(class->plan(&d.problem, params, &needs, NULL), SKIMP_OK);
        skimp_budget *budget = new_budget(0);
        uint64_t own = skimp_budget_in_use(budget);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        budget = new_budget(own + needs.state_bytes);
        fitted f = fit(class, budget, &d, params, 0, 0, NULL);
        assert_int_equal(f.status, SKIMP_OK);
        assert_true(skimp_budget_tag_peak(budget, SKIMP_TAG_SOLVER) <= needs.state_bytes);
        class->destroy(f.self);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        budget = new_budget(own + needs.state_bytes / 2);
        void *self;
        assert_int_equal(class->begin(&self, budget, &d.problem, params, NULL, NULL), SKIMP_ERROR_BUDGET);
        assert_null(self);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        skimpi_params_destroy(params);
        assert_int_equal(skimp_budget_destroy(other), 0);
        free_data(&d);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    data d = data_of(0, 64);
    skimp_budget *budget = new_budget(0);
    skimpi_params *params = params_of(budget, &expected[0], "");
    fitted f = fit(class, budget, &d, params, 0, 0, NULL);
    skimpi_tensors *tensors;
    assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
    assert_int_equal(class->save(f.self, tensors, "", NULL), SKIMP_OK);
    uint64_t before = skimp_budget_in_use(budget);
    for (int what = 0; what < 4; what++) {
        for (int for_good = 0; for_good < 2; for_good++) {
            skimp_status status = SKIMP_ERROR_INTERNAL;
            for (uint64_t nth = 1; status != SKIMP_OK; nth++) {
                assert_true(nth < 100);
                void *self = NULL;
                skimpi_tensors *copy = NULL;
                skimpi_buffer buffer;
                skimpi_buffer_init(&buffer, budget, SKIMP_TAG_OTHER);
                if (what == 3) {
                    assert_int_equal(skimpi_tensors_create(&copy, budget, NULL), SKIMP_OK);
                }
                skimpi_fault_set(nth, for_good);
                if (what == 0) {
                    status = class->begin(&self, budget, &d.problem, params, NULL, NULL);
                } else if (what == 1) {
                    status = class->load(&self, budget, tensors, "", &d.problem, params, NULL);
                } else if (what == 2) {
                    status = class->state_save(f.self, &buffer, NULL);
                } else {
                    status = class->save(f.self, copy, "", NULL);
                }
                skimpi_fault_set(0, false);
                assert_true(status == SKIMP_OK || (status == SKIMP_ERROR_NOMEM && self == NULL));
                class->destroy(self);
                skimpi_tensors_destroy(copy);
                skimpi_buffer_free(&buffer);
                assert_int_equal(skimp_budget_in_use(budget), before);
            }
        }
    }
    skimpi_tensors_destroy(tensors);
    class->destroy(f.self);
    skimpi_params_destroy(params);
    assert_int_equal(skimp_budget_destroy(budget), 0);
    free_data(&d);
}

/* ---- predictions and loading --------------------------------------------------------------------------------------------- */

static void predict_all(const void *self, skimpi_predict_kind kind, const data *d, const skimpi_params *params,
                        double *out)
{
    uint64_t bytes = class->predict_worker_bytes(&d->problem, params);
    void *scratch = zeroed(1, bytes);
    for (size_t c = 0; c < d->problem.n_chunks; c++) {
        skimpi_chunk chunk = d->chunks[c];
        chunk.target = NULL;
        chunk.weight = NULL;
        assert_int_equal(class->predict(self, kind, &chunk, out + chunk.first_row, d->problem.n_rows, scratch, NULL),
                         SKIMP_OK);
    }
    free(scratch);
}

static void predictions_agree_with_each_other(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    for (size_t c = 0; c < N_EXPECTED; c++) {
        data d = data_of(c, 600), small = data_of(c, 13);
        size_t rows = d.problem.n_rows, k = d.problem.n_classes, p = d.problem.n_features, outputs = k > 2 ? k : 1;
        skimpi_params *params = params_of(budget, &expected[c], "max_iter=5");
        fitted f = fit(class, budget, &d, params, 0, 0, NULL);
        size_t n;
        double *model = model_of(budget, f.self, &n);
        skimpi_tensors *tensors;
        assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
        assert_int_equal(class->save(f.self, tensors, "1.", NULL), SKIMP_OK);
        void *loaded;
        assert_int_equal(class->load(&loaded, budget, tensors, "1.", &d.problem, params, NULL), SKIMP_OK);
        hostile_claim(class, tensors, "1.", d.problem, params, "1.coef_");
        const char *why = NULL;
        assert_int_equal(class->outputs(loaded, SKIMPI_PREDICT_LABEL, &why), 1);
        assert_int_equal(class->outputs(loaded, SKIMPI_PREDICT_DECISION, &why), outputs);
        assert_int_equal(class->outputs(loaded, SKIMPI_PREDICT_PROBABILITY, &why), k);
        double *label = zeroed(rows, sizeof(double)), *decision = zeroed(rows * k, sizeof(double)),
               *chance = zeroed(rows * k, sizeof(double));
        double *again = zeroed(rows * k, sizeof(double));
        predict_all(loaded, SKIMPI_PREDICT_LABEL, &d, params, label);
        predict_all(loaded, SKIMPI_PREDICT_DECISION, &d, params, decision);
        predict_all(loaded, SKIMPI_PREDICT_PROBABILITY, &d, params, chance);
        predict_all(f.self, SKIMPI_PREDICT_PROBABILITY, &small, params, again);
        assert_memory_equal(chance, again, rows * k * sizeof(double));
        for (size_t i = 0; i < rows; i++) {
            double sum = 0.0, top = -1.0;
            size_t best = 0;
            for (size_t l = 0; l < k; l++) {
                sum += chance[l * rows + i];
                if (chance[l * rows + i] > top) {
                    top = chance[l * rows + i];
                    best = l;
                }
            }
            assert_true(fabs(sum - 1.0) < 1e-12);
            assert_true(best == (size_t)label[i]);
            double margin = model[outputs * p];
            for (size_t j = 0; j < p; j++) {
                margin += model[j] * d.x[i * p + j];
            }
            assert_true(fabs(margin - decision[i]) <= 1e-12 * (1.0 + fabs(margin)));
        }
        free(label);
        free(decision);
        free(chance);
        free(again);
        free(model);
        class->destroy(loaded);
        skimpi_tensors_destroy(tensors);
        class->destroy(f.self);
        skimpi_params_destroy(params);
        free_data(&d);
        free_data(&small);
    }
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void hostile_models_are_refused(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    data d = data_of(0, 64);
    skimpi_params *params = params_of(budget, &expected[0], "");
    for (int damage = 0; damage < 7; damage++) {
        skimpi_tensors *tensors;
        void *values, *self;
        assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
        uint64_t p = d.problem.n_features, one = 1, two = 2;
        if (damage != 1) {
            assert_int_equal(skimpi_tensors_add(tensors, "coef_", damage == 2 ? SKIMPI_F32 : SKIMPI_F64, 2,
                                                (const uint64_t[]){ damage == 3 ? two : one, damage == 4 ? p + 1 : p },
                                                &values, NULL),
                             SKIMP_OK);
            if (damage == 5) {
                ((double *)values)[p - 1] = NAN;
            }
        }
        assert_int_equal(
            skimpi_tensors_add(tensors, "intercept_", SKIMPI_F64, 1, damage == 6 ? &two : &one, &values, NULL),
            SKIMP_OK);
        assert_int_equal(skimpi_tensors_add(tensors, "n_iter_", SKIMPI_I32, 1, &one, &values, NULL), SKIMP_OK);
        skimp_status status = class->load(&self, budget, tensors, "", &d.problem, params, NULL);
        assert_int_equal(status, damage == 0 ? SKIMP_OK : SKIMP_ERROR_DATA);
        class->destroy(self);
        skimpi_tensors_destroy(tensors);
    }
    skimpi_params_destroy(params);
    free_data(&d);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* A damaged checkpoint is refused, or is a state that the fit ends from. */
static void hostile_states_do_no_harm(void **state)
{
    (void)state;
    skimp_budget *budget = new_budget(0);
    static const char *const names[] = { "elastic", "wide_lasso", "three" };
    for (size_t which = 0; which < 3; which++) {
        size_t c = 0;
        while (strcmp(expected[c].name, names[which]) != 0) {
            c++;
        }
        data d = data_of(c, 64);
        skimpi_params *params = params_of(budget, &expected[c], "max_iter=4");
        skimpi_needs needs;
        assert_int_equal(class->plan(&d.problem, params, &needs, NULL), SKIMP_OK);
        void *self;
        assert_int_equal(class->begin(&self, budget, &d.problem, params, NULL, NULL), SKIMP_OK);
        skimpi_pass pass;
        for (int i = 0; i < 6; i++) {
            assert_int_equal(class->next_pass(self, &pass, NULL), SKIMP_OK);
            assert_int_equal(one_pass(class, self, &pass, &d, &needs, 0, NULL), SKIMP_OK);
        }
        skimpi_buffer saved;
        skimpi_buffer_init(&saved, budget, SKIMP_TAG_OTHER);
        assert_int_equal(class->state_save(self, &saved, NULL), SKIMP_OK);
        class->destroy(self);
        unsigned char *bytes = malloc(saved.length);
        for (size_t at = 0; at < 1200; at++) {
            memcpy(bytes, saved.data, saved.length);
            bytes[at % saved.length] ^= (unsigned char)(1u << (hash_of(77, at, 0) % 8));
            assert_int_equal(class->begin(&self, budget, &d.problem, params, NULL, NULL), SKIMP_OK);
            skimp_status status = class->state_load(self, bytes, saved.length, NULL);
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_DATA);
            for (int i = 0; status == SKIMP_OK && i < 3; i++) {
                assert_int_equal(class->next_pass(self, &pass, NULL), SKIMP_OK);
                status = pass.is_done ? SKIMP_ERROR_DATA : one_pass(class, self, &pass, &d, &needs, 0, NULL);
            }
            class->destroy(self);
        }
        assert_int_equal(class->begin(&self, budget, &d.problem, params, NULL, NULL), SKIMP_OK);
        for (size_t n = 0; n < saved.length; n = n < 300 ? n + 1 : n * 2) {
            assert_int_equal(class->state_load(self, saved.data, n, NULL), SKIMP_ERROR_DATA);
        }
        class->destroy(self);
        free(bytes);
        skimpi_buffer_free(&saved);
        skimpi_params_destroy(params);
        free_data(&d);
    }
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* ---- hostile numbers -------------------------------------------------------------------------------------------------------- */

typedef struct trial {
    fitted f;
    double *model;
    size_t n;
    skimpi_warnings *warnings;
    skimpi_params *params;
    skimp_budget *budget;
} trial;

static trial try_fit(const data *d, const char *settings)
{
    trial t = { .budget = new_budget(0) };
    t.params = new_params(t.budget, class, settings);
    assert_int_equal(skimpi_warnings_create(&t.warnings, t.budget, NULL), SKIMP_OK);
    t.f = fit(class, t.budget, d, t.params, 0, 0, t.warnings);
    if (t.f.status == SKIMP_OK) {
        t.model = model_of(t.budget, t.f.self, &t.n);
        for (size_t i = 0; i < t.n; i++) {
            assert_true(isfinite(t.model[i]));
        }
    }
    return t;
}

static bool warned(const trial *t, const char *word)
{
    for (size_t i = 0; i < skimpi_warnings_count(t->warnings); i++) {
        if (strstr(skimpi_warnings_at(t->warnings, i), word) != NULL) {
            return true;
        }
    }
    return false;
}

static void end_trial(trial *t)
{
    free(t->model);
    class->destroy(t->f.self);
    skimpi_warnings_destroy(t->warnings);
    skimpi_params_destroy(t->params);
    assert_int_equal(skimp_budget_destroy(t->budget), 0);
}

static data two_columns(unsigned rows, unsigned columns, double (*value)(unsigned i, unsigned j), bool separable)
{
    data d = blank(rows, columns, 0, 0, 2, false);
    for (unsigned i = 0; i < rows; i++) {
        for (unsigned j = 0; j < columns; j++) {
            d.x[i * columns + j] = value(i, j);
        }
        double u = hash_uniform(50, i, 0);
        d.y[i] = separable ? u > 0.0 : u + 0.5 * hash_uniform(50, i, 9) > 0.0;
    }
    cut(&d, columns, 0, 0, 100, false);
    return d;
}

static double plain_value(unsigned i, unsigned j)
{
    return hash_uniform(50, i, j);
}
static double duplicated_value(unsigned i, unsigned j)
{
    return hash_uniform(50, i, j % 2);
}
static double constant_value(unsigned i, unsigned j)
{
    return j == 1 ? 3.0 : hash_uniform(50, i, j);
}
static double scaled_value(unsigned i, unsigned j)
{
    static const double scales[] = { 1e-30, 1e30, 1e-12, 1.0 };
    return hash_uniform(50, i, j) * scales[j % 4];
}
static double offset_value(unsigned i, unsigned j)
{
    return hash_uniform(50, i, j) + (j == 0 ? 1e9 : j == 1 ? -1e6 : 0.0);
}

static double huge_value(unsigned i, unsigned j)
{
    return hash_uniform(50, i, j) * (j == 1 ? 1e30 : 1.0);
}

static void separable_classes_end(void **state)
{
    (void)state;
    data d = two_columns(1000, 2, plain_value, true);
    trial t = try_fit(&d, "C=inf");
    assert_int_equal(t.f.status, SKIMP_OK);
    assert_true(warned(&t, "separated"));
    assert_true(t.f.outcome.n_iter <= 100 && t.f.outcome.objective < 1e-3);
    end_trial(&t);
    t = try_fit(&d, "C=1e6 tol=1e-8");
    assert_int_equal(t.f.status, SKIMP_OK);
    assert_true(t.f.outcome.converged && !warned(&t, "separated"));
    end_trial(&t);
    free_data(&d);
}

static void duplicated_columns_share(void **state)
{
    (void)state;
    data d = two_columns(1000, 4, duplicated_value, false), once = two_columns(1000, 2, plain_value, false);
    static const char *const names[] = { "first", "second", "third", "fourth" };
    d.problem.feature_names = names;
    trial t = try_fit(&d, "C=inf tol=1e-9"), u = try_fit(&once, "C=inf tol=1e-9");
    assert_int_equal(t.f.status, SKIMP_OK);
    assert_true(t.f.outcome.converged && warned(&t, "'third'") + warned(&t, "'fourth'") == 1);
    assert_true(fabs(t.f.outcome.objective - u.f.outcome.objective) <= 1e-9 * u.f.outcome.objective);
    for (int j = 0; j < 2; j++) { /* the least norm: both halves alike */
        assert_true(fabs(t.model[j] - t.model[j + 2]) <= 1e-4 * fabs(u.model[j]));
        assert_true(fabs(t.model[j] + t.model[j + 2] - u.model[j]) <= 1e-6 * fabs(u.model[j]));
    }
    end_trial(&t);
    end_trial(&u);
    t = try_fit(&d, "C=1 tol=1e-9");
    assert_true(t.f.outcome.converged && fabs(t.model[0] - t.model[2]) <= 1e-7 &&
                skimpi_warnings_count(t.warnings) == 0);
    end_trial(&t);
    free_data(&d);
    free_data(&once);
}

static void constant_columns_do_no_harm(void **state)
{
    (void)state;
    data d = two_columns(1000, 3, constant_value, false);
    trial t = try_fit(&d, "C=1 tol=1e-9"), u = try_fit(&d, "C=inf tol=1e-9"),
          v = try_fit(&d, "C=0.5 l1_ratio=0.5 tol=1e-9");
    assert_true(t.f.outcome.converged && u.f.outcome.converged && v.f.outcome.converged);
    assert_true(fabs(t.model[1]) <= 1e-6 && v.model[1] == 0.0);
    end_trial(&t);
    end_trial(&u);
    end_trial(&v);
    free_data(&d);
}

static void scales_and_offsets_do_no_harm(void **state)
{
    (void)state;
    data d = two_columns(2000, 4, scaled_value, false), plain = two_columns(2000, 4, plain_value, false);
    trial t = try_fit(&d, "C=inf tol=1e-9"), u = try_fit(&plain, "C=inf tol=1e-9");
    assert_int_equal(t.f.status, SKIMP_OK);
    if (fabs(t.f.outcome.objective - u.f.outcome.objective) > 1e-9 * u.f.outcome.objective) {
        fail_msg("scaled %.17g plain %.17g", t.f.outcome.objective, u.f.outcome.objective);
    }
    end_trial(&t);
    t = try_fit(&d, "C=1 tol=1e-9");
    assert_int_equal(t.f.status, SKIMP_OK);
    end_trial(&t);
    free_data(&d);
    d = two_columns(2000, 4, offset_value, false);
    t = try_fit(&d, "C=inf");
    assert_int_equal(t.f.status, SKIMP_OK);
    assert_true(fabs(t.f.outcome.objective - u.f.outcome.objective) <= 1e-6 * u.f.outcome.objective);
    end_trial(&t);
    end_trial(&u);
    free_data(&d);
    free_data(&plain);
}

/* Numbers of 20 bits behind the point, which offsets up to 2^30 leave as they are; the first column is of floats. */
static double exact_value(unsigned i, unsigned j)
{
    return floor(hash_uniform(50, i, j) * (j == 0 ? 0x1p6 : 0x1p20)) / (j == 0 ? 0x1p6 : 0x1p20);
}
static const double far_away[] = { 0x1p14, -0x1p30, 0x1p30, 0.0 };
static double far_value(unsigned i, unsigned j)
{
    return exact_value(i, j) + far_away[j % 4];
}
static double far_everywhere_value(unsigned i, unsigned j)
{
    return exact_value(i, 1 + j) + 0x1p30;
}

static data far_columns(unsigned rows, unsigned columns, unsigned classes, double (*value)(unsigned i, unsigned j))
{
    static const char *const names[] = { "a", "b", "c", "d" };
    data d = blank(rows, columns, 0, 0, classes, false);
    for (unsigned i = 0; i < rows; i++) {
        for (unsigned j = 0; j < columns; j++) {
            d.x[i * columns + j] = value(i, j);
        }
        double u = hash_uniform(50, i, 0) - hash_uniform(50, i, 1) + 0.5 * hash_uniform(50, i, 900);
        d.y[i] = u < -0.3 ? 0.0 : u < 0.3 || classes == 2 ? 1.0 : 2.0;
    }
    d.problem.feature_names = columns <= 4 ? names : NULL;
    cut(&d, columns, 0, 0, 100, false);
    return d;
}

/* What an offset changes: the intercept, and a pass or two for its sake. */
static void offsets_change_the_intercept_alone(void **state)
{
    (void)state;
    static const struct {
        unsigned rows, columns, classes;
        const char *settings;
    } cases[] = {
        { 3000, 4, 2, "C=1 tol=1e-9" },
        { 3000, 4, 2, "C=inf tol=1e-9" },
        { 3000, 4, 2, "C=0.1 l1_ratio=1 tol=1e-9" },
        { 3000, 4, 3, "C=1 tol=1e-9" },
        { 3000, 4, 3, "C=inf tol=1e-9" },
        { 600, 560, 2, "C=0.01 tol=1e-8" },
        { 600, 560, 2, "C=0.1 l1_ratio=1 tol=1e-8 max_iter=1000" },
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        unsigned p = cases[c].columns, k = cases[c].classes > 2 ? cases[c].classes : 1;
        data near = far_columns(cases[c].rows, p, cases[c].classes, exact_value),
             far = far_columns(cases[c].rows, p, cases[c].classes, far_value);
        trial t = try_fit(&near, cases[c].settings), u = try_fit(&far, cases[c].settings);
        assert_true(t.f.status == SKIMP_OK && u.f.status == SKIMP_OK && t.f.outcome.converged && u.f.outcome.converged);
        if (u.f.passes > t.f.passes + 2 || u.f.passes > u.f.needs.passes_max) {
            fail_msg("case %zu: %u passes, %u without offsets", c, u.f.passes, t.f.passes);
        }
        assert_true(fabs(u.f.outcome.objective - t.f.outcome.objective) <= 1e-9 * t.f.outcome.objective);
        double first = 0.0; /* all classes' intercepts may be off by the same */
        for (unsigned l = 0; l < k; l++) {
            double intercept = t.model[k * p + l], size = 0.0;
            for (unsigned j = 0; j < p; j++) {
                double w = u.model[l * p + j];
                assert_true(fabs(w - t.model[l * p + j]) <= 1e-6);
                intercept -= w * far_away[j % 4];
                size += fabs(w * far_away[j % 4]);
            }
            double off = u.model[k * p + l] - intercept;
            first = l == 0 && k > 1 ? off : first;
            if (fabs(off - first) > 1e-6 + 2e-15 * size) {
                fail_msg("case %zu: intercept %.17g is off by %g", c, intercept, off - first);
            }
        }
        if (p == 4) {
            assert_true(warned(&u, "'b' is 2e+09") && warned(&u, "'c' is 2e+09"));
            assert_int_equal(skimpi_warnings_count(u.warnings), 2);
        }
        assert_int_equal(skimpi_warnings_count(t.warnings), 0);
        end_trial(&t);
        end_trial(&u);
        free_data(&near);
        free_data(&far);
    }
}

/* A shift is part of what a checkpoint keeps, and a fit that goes on from a model knows its intercept. */
static void offsets_bear_resuming_and_starting(void **state)
{
    (void)state;
    data d = far_columns(3000, 4, 2, far_value);
    skimp_budget *budget = new_budget(0);
    skimpi_params *params = new_params(budget, class, "tol=1e-9");
    fitted whole = fit(class, budget, &d, params, 0, 0, NULL);
    size_t n, again;
    double *model = model_of(budget, whole.self, &n);
    for (unsigned pass = 1; pass < whole.passes; pass++) {
        fitted f = fit(class, budget, &d, params, pass, pass, NULL);
        assert_true(f.status == SKIMP_OK && f.passes == whole.passes);
        double *other = model_of(budget, f.self, &again);
        assert_true(again == n);
        assert_memory_equal(model, other, n * sizeof(double));
        free(other);
        class->destroy(f.self);
    }
    skimpi_tensors *tensors;
    assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
    assert_int_equal(class->save(whole.self, tensors, "0.", NULL), SKIMP_OK);
    fitted f = { .needs = whole.needs };
    assert_int_equal(class->begin(&f.self, budget, &d.problem, params, NULL, NULL), SKIMP_OK);
    assert_int_equal(class->start(f.self, tensors, "0.", NULL), SKIMP_OK);
    for (;;) {
        skimpi_pass pass;
        assert_int_equal(class->next_pass(f.self, &pass, NULL), SKIMP_OK);
        if (pass.is_done) {
            break;
        }
        f.passes++;
        assert_int_equal(one_pass(class, f.self, &pass, &d, &f.needs, 0, NULL), SKIMP_OK);
    }
    class->result(f.self, &f.outcome);
    assert_true(f.outcome.converged && f.passes <= 4 && f.passes < whole.passes); /* two for the moments */
    assert_true(fabs(f.outcome.objective - whole.outcome.objective) <= 1e-9 * whole.outcome.objective);
    class->destroy(f.self);
    class->destroy(whole.self);
    skimpi_tensors_destroy(tensors);
    skimpi_params_destroy(params);
    free(model);
    assert_int_equal(skimp_budget_destroy(budget), 0);
    free_data(&d);
}

/* Without an intercept of its own there is nothing that an offset could go into: the fit ends, and says which column. */
static void hopeless_offsets_end_soon(void **state)
{
    (void)state;
    static const char *const settings[] = { "fit_intercept=false", "fit_intercept=false C=inf",
                                            "fit_intercept=false l1_ratio=1", "solver=liblinear" };
    data d = far_columns(1000, 4, 2, far_everywhere_value);
    for (size_t c = 0; c < sizeof settings / sizeof *settings; c++) {
        trial t = try_fit(&d, settings[c]);
        assert_int_equal(t.f.status, SKIMP_OK);
        if (t.f.passes > 30) {
            fail_msg("%s: %u passes", settings[c], t.f.passes);
        }
        assert_true(warned(&t, "out of reach of double precision") &&
                    (warned(&t, "of column 'a'") || warned(&t, "of column 'b'") || warned(&t, "of column 'c'") ||
                     warned(&t, "of column 'd'")));
        end_trial(&t);
    }
    free_data(&d);
    d = two_columns(1000, 2, huge_value, false);
    static const char *const names[] = { "small", "huge" };
    d.problem.feature_names = names;
    trial t = try_fit(&d, "C=inf");
    assert_true(t.f.status == SKIMP_OK && t.f.passes <= 30 && warned(&t, "of column 'huge'"));
    end_trial(&t);
    free_data(&d);
}

static void rare_and_many_classes(void **state)
{
    (void)state;
    data d = blank(3000, 3, 0, 0, 3, false);
    for (unsigned i = 0; i < 3000; i++) {
        for (unsigned j = 0; j < 3; j++) {
            d.x[3 * i + j] = hash_uniform(51, i, j);
        }
        d.y[i] = i == 1234 ? 2.0 : hash_uniform(51, i, 0) + hash_uniform(51, i, 8) > 0.0;
    }
    cut(&d, 3, 0, 0, 100, false);
    trial t = try_fit(&d, "tol=1e-8");
    assert_true(t.f.outcome.converged);
    end_trial(&t);
    t = try_fit(&d, "C=inf");
    assert_int_equal(t.f.status, SKIMP_OK);
    end_trial(&t);
    free_data(&d);
    d = blank(4000, 4, 0, 0, 1000, false);
    for (unsigned i = 0; i < 4000; i++) {
        for (unsigned j = 0; j < 4; j++) {
            d.x[4 * i + j] = hash_uniform(52, i % 1000, j) + 0.3 * hash_uniform(53, i, j);
        }
        d.y[i] = i % 1000;
    }
    cut(&d, 4, 0, 0, 300, false);
    t = try_fit(&d, "C=10 tol=0.0001");
    assert_true(t.f.outcome.converged);
    double largest = 0.0, sum = 0.0;
    for (unsigned k = 0; k < 1000; k++) {
        sum += t.model[4000 + k];
        largest = fmax(largest, fabs(t.model[4000 + k]));
    }
    assert_true(fabs(sum) <= 1e-9 * (1.0 + largest));
    end_trial(&t);
    free_data(&d);
}

static void max_iter_ends_with_a_warning(void **state)
{
    (void)state;
    data d = two_columns(1000, 3, plain_value, false);
    trial t = try_fit(&d, "max_iter=0");
    assert_true(t.f.status == SKIMP_OK && !t.f.outcome.converged && t.f.outcome.n_iter == 0 &&
                warned(&t, "not converged"));
    end_trial(&t);
    t = try_fit(&d, "max_iter=1 tol=0");
    assert_true(t.f.status == SKIMP_OK && t.f.outcome.n_iter == 1);
    end_trial(&t);
    t = try_fit(&d, "tol=0");
    assert_true(t.f.status == SKIMP_OK);
    end_trial(&t);
    free_data(&d);
}

static void combinations_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *settings;
        unsigned classes;
        skimp_status status;
    } cases[] = {
        { "", 2, SKIMP_OK },
        { "", 1, SKIMP_ERROR_DATA },
        { "solver=liblinear", 3, SKIMP_ERROR_PARAM },
        { "solver=liblinear C=inf", 2, SKIMP_ERROR_PARAM },
        { "solver=liblinear penalty=null", 2, SKIMP_ERROR_PARAM },
        { "solver=liblinear dual=true", 2, SKIMP_OK },
        { "solver=liblinear dual=true l1_ratio=1", 2, SKIMP_ERROR_PARAM },
        { "dual=true", 2, SKIMP_ERROR_PARAM },
        { "solver=newton-cg l1_ratio=0.3", 2, SKIMP_OK },
        { "penalty=l1", 2, SKIMP_OK },
        { "class_weight=balanced", 2, SKIMP_OK },
        { "class_weight={\"a\":1.5,\"b\":0}", 2, SKIMP_OK },
        { "class_weight={\"a\":-1}", 2, SKIMP_ERROR_PARAM },
        { "class_weight={\"a\":\"x\"}", 2, SKIMP_ERROR_PARAM },
        { "class_weight=[1,2]", 2, SKIMP_ERROR_PARAM },
        { "class_weight=often", 2, SKIMP_ERROR_PARAM },
        { "n_jobs=3 verbose=1 warm_start=true random_state=4", 2, SKIMP_OK },
    };
    skimp_budget *budget = new_budget(0);
    skimpi_problem problem = {
        .n_rows = 100, .is_exact = true, .n_features = 3, .n_dense = 3, .chunk_rows = 100, .n_chunks = 1
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        skimpi_params *params = new_params(budget, class, cases[i].settings);
        skimpi_needs needs;
        problem.n_classes = cases[i].classes;
        assert_int_equal(class->plan(&problem, params, &needs, NULL), cases[i].status);
        skimpi_params_destroy(params);
    }
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* A sample does not tell how many classes there are: only the data refuses liblinear. */
static void plans_do_not_count_classes(void **state)
{
    (void)state;
    data d = two_columns(100, 2, plain_value, false);
    skimp_budget *budget = new_budget(0);
    skimpi_params *params = new_params(budget, class, "solver=liblinear");
    skimpi_needs needs;
    d.problem.n_classes = 3;
    d.problem.is_exact = false;
    assert_int_equal(class->plan(&d.problem, params, &needs, NULL), SKIMP_OK);
    d.problem.is_exact = true;
    assert_int_equal(class->plan(&d.problem, params, &needs, NULL), SKIMP_ERROR_PARAM);
    skimpi_params_destroy(params);
    assert_int_equal(skimp_budget_destroy(budget), 0);
    free_data(&d);
}

static void penalty_goes_before_l1_ratio(void **state)
{
    (void)state;
    data d = two_columns(1000, 3, plain_value, false);
    trial t = try_fit(&d, "penalty=l1 C=0.1 tol=1e-9"), u = try_fit(&d, "l1_ratio=1 C=0.1 tol=1e-9"),
          v = try_fit(&d, "penalty=null tol=1e-9"), w = try_fit(&d, "C=inf tol=1e-9");
    assert_memory_equal(t.model, u.model, t.n * sizeof(double));
    assert_memory_equal(v.model, w.model, v.n * sizeof(double));
    assert_true(warned(&t, "deprecated") && warned(&t, "before l1_ratio") && warned(&v, "deprecated") &&
                !warned(&u, "deprecated"));
    end_trial(&t);
    end_trial(&u);
    end_trial(&v);
    end_trial(&w);
    free_data(&d);
}

static void weights_of_zero_are_refused(void **state)
{
    (void)state;
    data d = blank(100, 2, 0, 0, 2, true);
    for (unsigned i = 0; i < 100; i++) {
        d.x[2 * i] = hash_uniform(54, i, 0);
        d.x[2 * i + 1] = hash_uniform(54, i, 1);
        d.y[i] = i % 2;
        d.weight[i] = 0.0;
    }
    cut(&d, 2, 0, 0, 10, true);
    trial t = try_fit(&d, "");
    assert_int_equal(t.f.status, SKIMP_ERROR_DATA);
    end_trial(&t);
    free_data(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objectives_are_scikit_learns),
        cmocka_unit_test(loose_tolerances_keep_the_objective),
        cmocka_unit_test(order_and_resuming_change_no_bit),
        cmocka_unit_test(memory_is_what_the_plan_says),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(predictions_agree_with_each_other),
        cmocka_unit_test(hostile_models_are_refused),
        cmocka_unit_test(hostile_states_do_no_harm),
        cmocka_unit_test(separable_classes_end),
        cmocka_unit_test(duplicated_columns_share),
        cmocka_unit_test(constant_columns_do_no_harm),
        cmocka_unit_test(scales_and_offsets_do_no_harm),
        cmocka_unit_test(offsets_change_the_intercept_alone),
        cmocka_unit_test(offsets_bear_resuming_and_starting),
        cmocka_unit_test(hopeless_offsets_end_soon),
        cmocka_unit_test(rare_and_many_classes),
        cmocka_unit_test(max_iter_ends_with_a_warning),
        cmocka_unit_test(combinations_are_checked),
        cmocka_unit_test(plans_do_not_count_classes),
        cmocka_unit_test(penalty_goes_before_l1_ratio),
        cmocka_unit_test(weights_of_zero_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
