/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sgd_classifier and sgd_regressor: the objective reached against a batch method's, label-sorted files, columns of any
 * scale, sparse against dense, several classes, stopping, averages, bits after a resume, memory as planned.
 */
#include <stdio.h>

#include "hostile_model.h"
#include "loss/loss.h"
#include "sgd_data.h"
#include "solver/sgd.h"

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

/* The model as saved: the first problem's coefficients (d of them) and intercept. */
static void read_model(const fitted *f, double *coef, double *intercept)
{
    skimpi_tensors *tensors;
    assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
    assert_int_equal(f->class->save(f->self, tensors, "m.", NULL), SKIMP_OK);
    memcpy(coef, skimpi_tensors_find(tensors, "m.coef_")->data, f->problem.n_features * sizeof(double));
    memcpy(intercept, skimpi_tensors_find(tensors, "m.intercept_")->data, sizeof(double));
    skimpi_tensors_destroy(tensors);
}

/* ---- the objective -------------------------------------------------------------------------------------------------- */

typedef struct penalised {
    const data_set *data;
    const skimpi_loss *loss;
    double epsilon, l2, l1;
} penalised;

static double target_of(const penalised *p, uint32_t i)
{
    double t = p->data->target[i];
    return p->data->n_classes > 0 && !p->loss->classification ? 2 * t - 1 : t;
}

static double objective_at(const penalised *p, const double *w, double b)
{
    double sum = 0, squares = 0, sizes = 0;
    uint32_t d = p->data->d;
    for (uint32_t i = 0; i < p->data->n; i++) {
        double m = b;
        for (uint32_t j = 0; j < d; j++) {
            m += w[j] * p->data->x[(size_t)i * d + j];
        }
        sum += p->loss->value(target_of(p, i), m, p->epsilon);
    }
    for (uint32_t j = 0; j < d; j++) {
        squares += w[j] * w[j];
        sizes += fabs(w[j]);
    }
    return sum / p->data->n + p->l2 / 2 * squares + p->l1 * sizes;
}

/* Batch proximal subgradient steps of 1/√k: slow and plain. */
static double batch_optimum(const penalised *p)
{
    double w[16] = { 0 }, b = 0, best = INFINITY;
    uint32_t d = p->data->d;
    for (unsigned k = 1; k <= 2500; k++) {
        double g[16] = { 0 }, gb = 0, step = 0.6 / sqrt(k), cut = step * p->l1;
        for (uint32_t i = 0; i < p->data->n; i++) {
            const double *x = p->data->x + (size_t)i * d;
            double m = b;
            for (uint32_t j = 0; j < d; j++) {
                m += w[j] * x[j];
            }
            double u = p->loss->first(target_of(p, i), m, p->epsilon) / p->data->n;
            for (uint32_t j = 0; j < d; j++) {
                g[j] += u * x[j];
            }
            gb += u;
        }
        for (uint32_t j = 0; j < d; j++) {
            w[j] -= step * (g[j] + p->l2 * w[j]);
            w[j] = w[j] > cut ? w[j] - cut : w[j] < -cut ? w[j] + cut : 0;
        }
        b -= step * gb;
        best = fmin(best, objective_at(p, w, b));
    }
    return best;
}

static const char *const losses[] = {
    "hinge",         "log_loss", "modified_huber",      "squared_hinge",
    "squared_error", "huber",    "epsilon_insensitive", "squared_epsilon_insensitive"
};

static void check_objectives(const char *estimator, uint32_t n_classes, size_t first_loss)
{
    static const char *const penalties[] = { "null", "l2", "l1", "elasticnet" };
    static const char *const schedules[] = { "optimal", "invscaling", "constant", "adaptive" };
    data_set s = make_data(600, 5, n_classes, 7);
    for (size_t l = first_loss; l < 8; l++) {
        for (size_t p = 0; p < 4; p++) {
            double strength = p == 0 ? 0 : 0.01, l1_ratio = p == 2 ? 1 : p == 3 ? 0.15 : 0;
            penalised exact = { &s, skimpi_loss_find(losses[l]), 0.1, strength * (1 - l1_ratio), strength * l1_ratio };
            double best = batch_optimum(&exact);
            for (size_t k = 0; k < 4; k++) {
                const setting settings[] = { { "loss", losses[l] },
                                             { "penalty", penalties[p] },
                                             { "alpha", "0.01" },
                                             { "learning_rate", schedules[k] },
                                             { "eta0", k == 1   ? "0.1"
                                                       : k == 2 ? "0.003"
                                                                : "0.01" },
                                             { "tol", "0.0001" },
                                             { "n_iter_no_change", "10" },
                                             { NULL, NULL } };
                fitted f = fit_data(budget, estimator, settings, &s, 50, DENSE_F64, false);
                double w[16], b;
                read_model(&f, w, &b);
                double reached = objective_at(&exact, w, b);
                /* What is reported is the objective; what is reached is the optimum to a few per cent. */
                assert_true(fabs(f.outcome.objective - reached) < 1e-9 * (1 + reached));
                if (!(reached <= 1.08 * best + 1e-3)) {
                    fail_msg("%s %s %s %s: %g, the optimum is %g", estimator, losses[l], penalties[p], schedules[k],
                             reached, best);
                }
                assert_true(f.outcome.converged);
                free_fitted(&f);
            }
        }
    }
    free_data(&s);
}

static void test_objectives_of_classifiers(void **state)
{
    (void)state;
    check_objectives("sgd_classifier", 2, 0);
}

static void test_objectives_of_regressors(void **state)
{
    (void)state;
    check_objectives("sgd_regressor", 0, 4);
}

static void test_passive_aggressive_and_perceptron(void **state)
{
    (void)state;
    data_set s = make_data(1000, 5, 2, 3), r = make_data(1000, 5, 0, 3);
    const setting settings[4][4] = {
        { { "learning_rate", "pa1" }, { "eta0", "0.01" }, { NULL, NULL } },
        { { "learning_rate", "pa2" }, { "eta0", "0.01" }, { NULL, NULL } },
        { { "loss", "perceptron" }, { NULL, NULL } },
        { { "loss", "perceptron" }, { "learning_rate", "constant" }, { NULL, NULL } },
    };
    for (unsigned i = 0; i < 4; i++) {
        for (layout_kind kind = DENSE_F32; kind <= SPARSE; kind += SPARSE - DENSE_F32) {
            fitted f = fit_data(budget, "sgd_classifier", settings[i], &s, 64, kind, false);
            assert_true(score(&f, &s, kind) > 0.8);
            free_fitted(&f);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        const setting passive[] = { { "loss", "epsilon_insensitive" }, settings[i][0], settings[i][1], { NULL, NULL } };
        fitted f = fit_data(budget, "sgd_regressor", passive, &r, 64, DENSE_F32, false);
        assert_true(score(&f, &r, DENSE_F32) > 0.75);
        free_fitted(&f);
    }
    free_data(&s);
    free_data(&r);
}

/* ---- hostile orders and scales ---------------------------------------------------------------------------------------- */

static void test_sorted_files_are_as_good(void **state)
{
    (void)state;
    static const setting settings[] = {
        { "loss", "log_loss" }, { "max_iter", "3" }, { "tol", "null" }, { NULL, NULL }
    };
    for (layout_kind kind = DENSE_F32; kind <= SPARSE; kind += SPARSE - DENSE_F32) {
        data_set s = make_data(6000, 8, 2, 11);
        fitted mixed = fit_data(budget, "sgd_classifier", settings, &s, 100, kind, false);
        sort_data(&s);
        fitted sorted = fit_data(budget, "sgd_classifier", settings, &s, 100, kind, false);
        assert_true(sorted.outcome.objective < 1.03 * mixed.outcome.objective);
        assert_true(fabs(score(&sorted, &s, kind) - score(&mixed, &s, kind)) < 0.01);
        free_fitted(&mixed);
        free_fitted(&sorted);
        free_data(&s);
    }
}

/* A file of one tile: its order means nothing, so that a sorted one is as good to the last epoch of a long rate. */
static void test_small_files_are_mixed_whole(void **state)
{
    (void)state;
    double reached[2];
    data_set s = make_data(160, 4, 2, 13);
    for (unsigned sorted = 0; sorted < 2; sorted++) {
        reached[sorted] = 0;
        for (unsigned seed = 0; seed < 8; seed++) {
            const char seed_text[] = { (char)('0' + seed), 0 };
            const setting settings[] = { { "loss", "log_loss" }, { "max_iter", "20" }, { "learning_rate", "constant" },
                                         { "eta0", "3" },        { "tol", "null" },    { "random_state", seed_text },
                                         { NULL, NULL } };
            fitted f = fit_data(budget, "sgd_classifier", settings, &s, 160, DENSE_F32, false);
            reached[sorted] += f.outcome.objective / 8;
            free_fitted(&f);
        }
        sort_data(&s);
    }
    assert_true(reached[1] < 1.03 * reached[0]);
    free_data(&s);
}

/* Columns from 1e-6 to 1e6 with offsets; then from 1e-30 to 1e30. Every schedule stays finite and no worse than a few points. */
static void test_any_scale(void **state)
{
    (void)state;
    static const char *const schedules[] = { "optimal", "invscaling", "constant", "adaptive" };
    static const char *const names[] = { "hinge", "log_loss", "squared_error" };
    const double decades[] = { 6, 30 };
    for (unsigned wide = 0; wide < 2; wide++) {
        data_set s = make_data(2000, 5, 2, 5);
        for (uint32_t i = 0; i < s.n; i++) {
            for (uint32_t j = 0; j < s.d; j++) {
                double scale = pow(10, decades[wide] * (2 - (double)j) / 2);
                s.x[(size_t)i * s.d + j] = (s.x[(size_t)i * s.d + j] + 3 * (j % 2)) * scale;
            }
        }
        for (unsigned k = 0; k < 4; k++) {
            for (unsigned l = 0; l < 3; l++) {
                /* No penalty: with one the small columns could not count. */
                const setting settings[] = { { "loss", names[l] },
                                             { "learning_rate", schedules[k] },
                                             { "penalty", "null" },
                                             { "max_iter", "20" },
                                             { NULL, NULL } };
                fitted f = fit_data(budget, "sgd_classifier", settings, &s, 64, DENSE_F64, false);
                assert_true(isfinite(f.outcome.objective));
                if (!(score(&f, &s, DENSE_F64) > 0.85)) {
                    fail_msg("%s %s 1e%g: %g", names[l], schedules[k], decades[wide], score(&f, &s, DENSE_F64));
                }
                free_fitted(&f);
                f = fit_data(budget, "sgd_classifier", settings, &s, 64, SPARSE, false);
                assert_true(isfinite(f.outcome.objective));
                assert_true(score(&f, &s, SPARSE) > 0.7); /* its first column alone */
                free_fitted(&f);
            }
        }
        free_data(&s);
    }
}

static void test_offsets_and_constant_columns(void **state)
{
    (void)state;
    data_set s = make_data(2000, 4, 0, 5);
    for (uint32_t i = 0; i < s.n; i++) {
        s.x[(size_t)i * 4] += 1e9;
        s.x[(size_t)i * 4 + 3] = 0.1; /* constant */
        s.target[i] = 1e6 * s.target[i] + 1e8;
    }
    for (unsigned optimal = 0; optimal < 2; optimal++) {
        const setting settings[] = { { "learning_rate", optimal ? "optimal" : "invscaling" },
                                     { "max_iter", "100" },
                                     { "penalty", "null" },
                                     { NULL, NULL } };
        fitted f = fit_data(budget, "sgd_regressor", settings, &s, 64, DENSE_F64, false);
        assert_true(score(&f, &s, DENSE_F64) > 0.75);
        free_fitted(&f);
    }
    free_data(&s);
}

static void test_any_chunks(void **state)
{
    (void)state;
    static const setting settings[] = { { "loss", "log_loss" }, { "alpha", "0.001" }, { NULL, NULL } };
    data_set s = make_data(1500, 5, 2, 13);
    double best = INFINITY, worst = 0;
    const uint32_t rows[] = { 1, 7, 64, 1500 };
    for (unsigned i = 0; i < 4; i++) {
        fitted f = fit_data(budget, "sgd_classifier", settings, &s, rows[i], DENSE_F32, false);
        best = fmin(best, f.outcome.objective);
        worst = fmax(worst, f.outcome.objective);
        free_fitted(&f);
    }
    assert_true(worst < 1.01 * best);
    free_data(&s);
}

/* ---- forms of the data ------------------------------------------------------------------------------------------------- */

static void test_sparse_forms_agree(void **state)
{
    (void)state;
    static const char *const penalties[] = { "l2", "l1", "null" };
    data_set s = make_data(700, 90, 2, 17); /* more entries a row than an unpacked block holds */
    for (unsigned p = 0; p < 3; p++) {
        const setting settings[] = {
            { "penalty", penalties[p] }, { "average", p == 0 ? "true" : "false" }, { "max_iter", "5" }, { NULL, NULL }
        };
        double w[2][90], b[2];
        for (unsigned form = 0; form < 2; form++) {
            fitted f = fit_data(budget, "sgd_classifier", settings, &s, 100, form == 0 ? SPARSE : SPARSE_WIDE, false);
            read_model(&f, w[form], &b[form]);
            free_fitted(&f);
        }
        for (uint32_t j = 0; j < 90; j++) {
            assert_true(fabs(w[0][j] - w[1][j]) < 2e-3 * (1 + fabs(w[0][j]))); /* margins are summed in another order */
        }
    }
    free_data(&s);
}

/* Penalties and averages that catch up late must give what those that are always up to date give. */
static void test_late_is_as_good(void **state)
{
    (void)state;
    data_set s = make_data(3000, 12, 2, 19), filled;
    skimpi_random r;
    skimpi_random_seed(&r, 4);
    /* The first row has all features, so that their scales are known from the start. */
    for (uint32_t i = 1; i < s.n; i++) {
        for (uint32_t j = 1; j < s.d; j++) {
            s.x[(size_t)i * s.d + j] =
                skimpi_random_double(&r) < 0.1 ? fabs(s.x[(size_t)i * s.d + j]) * (s.target[i] > 0 ? 1 : 0.3) : 0;
        }
    }
    filled = s;
    filled.x = malloc((size_t)s.n * s.d * sizeof(double));
    for (size_t i = 0; i < (size_t)s.n * s.d; i++) {
        filled.x[i] = s.x[i] != 0 ? s.x[i] : 1e-30; /* seen in every row, and no more than that */
    }
    static const setting variants[4][4] = {
        { { "penalty", "l2" }, { "learning_rate", "invscaling" }, { "eta0", "0.1" }, { NULL, NULL } },
        { { "penalty", "l1" }, { "learning_rate", "invscaling" }, { "eta0", "0.1" }, { NULL, NULL } },
        { { "penalty", "elasticnet" }, { "average", "true" }, { NULL, NULL } },
        { { "penalty", "l2" }, { "average", "100" }, { NULL, NULL } },
    };
    for (unsigned v = 0; v < 4; v++) {
        const setting settings[] = { { "alpha", "0.003" },   { "max_iter", "10" }, { "tol", "null" },
                                     { "shuffle", "false" }, variants[v][0],       variants[v][1],
                                     variants[v][2],         { NULL, NULL } };
        double w[2][12], b[2];
        for (unsigned form = 0; form < 2; form++) {
            fitted f = fit_data(budget, "sgd_classifier", settings, form == 0 ? &s : &filled, 100, SPARSE, false);
            read_model(&f, w[form], &b[form]);
            free_fitted(&f);
        }
        for (uint32_t j = 0; j < 12; j++) {
            if (!(fabs(w[0][j] - w[1][j]) < 0.03 * (0.1 + fabs(w[1][j])))) {
                fail_msg("variant %u, feature %u: %g late, %g always up to date", v, j, w[0][j], w[1][j]);
            }
        }
    }
    free(filled.x);
    free_data(&s);
}

static void test_one_hot_codes(void **state)
{
    (void)state;
    /* Twelve rows of a code column with three codes and one unknown, beside one dense column. */
    float x[16] = { 0 };
    uint32_t codes[16];
    double target[16];
    for (uint32_t i = 0; i < 12; i++) {
        x[i] = (float)(i % 5) - 2;
        codes[i] = i % 4; /* 3 is unknown */
        target[i] = codes[i] == 1 ? 1 : 0;
    }
    skimpi_dense_column dense = { .feature = 3, .f32 = x };
    skimpi_code_column column = { .feature = 0, .n_codes = 3, .codes = codes };
    skimpi_chunk chunk = {
        .n_rows = 12, .n_dense = 1, .n_codes = 1, .dense = &dense, .codes = &column, .target = target
    };
    chunk_set set = { 1, &chunk };
    skimpi_problem problem = { .n_rows = 12,
                               .is_exact = true,
                               .n_features = 4,
                               .n_dense = 1,
                               .n_code_columns = 1,
                               .n_classes = 2,
                               .chunk_rows = 12,
                               .n_chunks = 1 };
    fitted f = { .budget = budget, .class = skimpi_estimator_class_find("sgd_classifier"), .problem = problem };
    assert_int_equal(skimpi_params_create(&f.params, budget, &f.class->info, NULL), SKIMP_OK);
    assert_int_equal(run_fit(&f, &set, false, NULL), SKIMP_OK);
    double out[16];
    assert_int_equal(f.class->predict(f.self, SKIMPI_PREDICT_LABEL, &chunk, out, 16, NULL, NULL), SKIMP_OK);
    for (uint32_t i = 0; i < 12; i++) {
        assert_true(out[i] == target[i]);
    }
    free_fitted(&f);
}

/* The CPU's vectors against plain code: rows of every length around their width, repeated and unsorted entries, all rates. */
static void test_vectors_agree_with_plain_code(void **state)
{
    (void)state;
    enum { WIDTH = 700, ROWS = 3000 };
    static const skimpi_sgd_schedule schedules[] = { SKIMPI_SGD_OPTIMAL, SKIMPI_SGD_INVSCALING, SKIMPI_SGD_PA1 };
    for (unsigned v = 0; v < 6; v++) {
        skimpi_sgd_options options = {
            .loss = skimpi_loss_find("hinge"),
            .schedule = schedules[v % 3],
            .alpha = 1e-3,
            .l2 = v < 3 ? 1e-3 : 0,
            .eta0 = 0.1,
            .power_t = 0.5,
            .fit_intercept = true,
            .intercept_rate = 1,
            .unit = 1,
            .n_features = WIDTH,
            .n_problems = 1,
            .is_classifier = true,
        };
        double w[2][WIDTH], b[2];
        skimpi_sgd_epoch epoch;
        for (unsigned plain = 0; plain < 2; plain++) {
            skimpi_sgd *sgd;
            skimpi_random r;
            skimpi_random_seed(&r, 71);
            options.plain = plain != 0;
            assert_int_equal(skimpi_sgd_create(&sgd, budget, &options, NULL), SKIMP_OK);
            for (uint64_t j = 0; j < 4; j++) {
                skimpi_sgd_fix(sgd, j, 2);
            }
            for (unsigned i = 0; i < ROWS; i++) {
                uint32_t fixed_index[4], index[WIDTH], n = 0;
                float fixed_value[4], value[WIDTH];
                double score = 0;
                for (uint32_t j = 0; j < i % 5; j++) {
                    fixed_index[j] = j;
                    fixed_value[j] = (float)gauss(&r);
                    score += (double)fixed_value[j];
                }
                double share = i % 100 == 0 ? 0.95 : 0.03; /* some rows are longer than the vectors' arrays */
                for (uint32_t j = 4; j < WIDTH; j++) {
                    if (skimpi_random_double(&r) < share) {
                        index[n] = j;
                        value[n] = (float)(gauss(&r) * (j % 7 == 0 ? 30 : 0.5));
                        score += (j % 2 != 0 ? 1.0 : -1.0) * (double)value[n++];
                    }
                }
                if (i % 50 == 1 && n > 2) {
                    index[0] = index[2];
                }
                skimpi_sgd_row row = { .fixed_index = fixed_index,
                                       .fixed_value = fixed_value,
                                       .n_fixed = i % 5,
                                       .n_csr = n,
                                       .index = index,
                                       .f32 = value,
                                       .target = score > 0 ? 1 : 0,
                                       .weight = 1 + i % 2 };
                skimpi_sgd_step(sgd, &row);
            }
            assert_true(skimpi_sgd_end_pass(sgd, &epoch));
            b[plain] = skimpi_sgd_weights(sgd, 0, w[plain]);
            skimpi_sgd_destroy(sgd);
        }
        double apart = 0, size = 0;
        for (uint32_t j = 0; j < WIDTH; j++) {
            apart += (w[0][j] - w[1][j]) * (w[0][j] - w[1][j]);
            size += w[1][j] * w[1][j];
        }
        /* Rounding decides now and then on which side of the hinge a row falls. */
        assert_true(size > 0 && apart < 1e-4 * size);
        assert_true(fabs(b[0] - b[1]) < 0.02 * (1 + fabs(b[1])));
    }
}

/* ---- several classes, probabilities, weights ----------------------------------------------------------------------------- */

static void test_several_classes(void **state)
{
    (void)state;
    data_set s = make_data(2000, 10, 10, 23); /* more than a tile of classes */
    static const char *const names[] = { "log_loss", "modified_huber" };
    for (unsigned l = 0; l < 2; l++) {
        const setting settings[] = { { "loss", names[l] }, { NULL, NULL } };
        fitted f = fit_data(budget, "sgd_classifier", settings, &s, 100, DENSE_F32, false);
        assert_true(score(&f, &s, DENSE_F32) > 0.7);
        assert_true(score(&f, &s, SPARSE) == score(&f, &s, DENSE_F32));
        const char *why;
        assert_int_equal(f.class->outputs(f.self, SKIMPI_PREDICT_PROBABILITY, &why), 10);
        assert_int_equal(f.class->outputs(f.self, SKIMPI_PREDICT_DECISION, &why), 10);
        chunk_set set = make_chunks(&s, 2000, DENSE_F32);
        double *p = calloc(2000 * 10, sizeof(double));
        assert_int_equal(f.class->predict(f.self, SKIMPI_PREDICT_PROBABILITY, &set.chunks[0], p, 2000, NULL, NULL),
                         SKIMP_OK);
        for (uint32_t i = 0; i < 2000; i++) {
            double sum = 0;
            for (unsigned k = 0; k < 10; k++) {
                assert_true(p[k * 2000 + i] >= 0);
                sum += p[k * 2000 + i];
            }
            assert_true(fabs(sum - 1) < 1e-12);
        }
        free(p);
        free_chunks(&set);
        free_fitted(&f);
    }
    free_data(&s);
}

static void test_binary_probabilities(void **state)
{
    (void)state;
    data_set s = make_data(100, 3, 2, 29);
    static const setting log_loss[] = { { "loss", "log_loss" }, { NULL, NULL } }, hinge[] = { { NULL, NULL } };
    fitted f = fit_data(budget, "sgd_classifier", log_loss, &s, 100, DENSE_F32, false);
    chunk_set set = make_chunks(&s, 100, DENSE_F32);
    double p[200], m[100];
    const char *why = NULL;
    assert_int_equal(f.class->outputs(f.self, SKIMPI_PREDICT_PROBABILITY, &why), 2);
    assert_int_equal(f.class->outputs(f.self, SKIMPI_PREDICT_DECISION, &why), 1);
    assert_int_equal(f.class->predict(f.self, SKIMPI_PREDICT_PROBABILITY, &set.chunks[0], p, 100, NULL, NULL),
                     SKIMP_OK);
    assert_int_equal(f.class->predict(f.self, SKIMPI_PREDICT_DECISION, &set.chunks[0], m, 100, NULL, NULL), SKIMP_OK);
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(fabs(p[100 + i] - 1 / (1 + exp(-m[i]))) < 1e-14);
        assert_true(p[i] == 1 - p[100 + i]);
    }
    free_fitted(&f);
    f = fit_data(budget, "sgd_classifier", hinge, &s, 100, DENSE_F32, false);
    assert_int_equal(f.class->outputs(f.self, SKIMPI_PREDICT_PROBABILITY, &why), 0);
    assert_non_null(why);
    free_fitted(&f);
    free_chunks(&set);
    free_data(&s);
}

static void test_weights_tilt(void **state)
{
    (void)state;
    data_set s = make_data(2000, 3, 2, 31);
    static const setting settings[] = { { "loss", "log_loss" }, { NULL, NULL } };
    double w[3], plain, weighted;
    fitted f = fit_data(budget, "sgd_classifier", settings, &s, 100, DENSE_F32, false);
    read_model(&f, w, &plain);
    free_fitted(&f);
    s.weight = malloc(s.n * sizeof(double));
    for (uint32_t i = 0; i < s.n; i++) {
        s.weight[i] = s.target[i] > 0 ? 5 : 1;
    }
    f = fit_data(budget, "sgd_classifier", settings, &s, 100, DENSE_F32, false);
    read_model(&f, w, &weighted);
    free_fitted(&f);
    assert_true(weighted > plain + 1); /* log 5 = 1.6 */
    free_data(&s);
}

/*
 * What weights are measured in is nothing to the bound of adaptive steps, nor to when the losses without weights stop
 * improving: small weights stop as soon as ones do, large ones no sooner.
 */
static void test_weights_of_any_unit(void **state)
{
    (void)state;
    static const double units[] = { 0.01, 1, 100 };
    static const setting fixed[] = { { "loss", "log_loss" }, { "penalty", "null" }, { "alpha", "1e-12" },
                                     { "tol", "null" },      { "max_iter", "4" },   { NULL, NULL } };
    static const setting by_rule[] = {
        { "loss", "log_loss" }, { "penalty", "null" }, { "alpha", "1e-12" }, { "tol", "1e-4" }, { NULL, NULL }
    };
    data_set s = make_data(2000, 3, 2, 31);
    double w[3][3], b[3];
    uint64_t n_iter[3];
    s.weight = malloc(s.n * sizeof(double));
    for (unsigned u = 0; u < 3; u++) {
        for (uint32_t i = 0; i < s.n; i++) {
            s.weight[i] = units[u] * (0.5 + i % 3);
        }
        fitted f = fit_data(budget, "sgd_classifier", fixed, &s, 100, DENSE_F32, false);
        read_model(&f, w[u], &b[u]);
        free_fitted(&f);
        for (uint32_t i = 0; i < s.n; i++) {
            s.weight[i] = units[u];
        }
        f = fit_data(budget, "sgd_classifier", by_rule, &s, 100, DENSE_F32, false);
        n_iter[u] = f.outcome.n_iter;
        free_fitted(&f);
    }
    for (unsigned u = 0; u < 3; u += 2) {
        assert_true(fabs(b[u] - b[1]) < 1e-3);
        for (unsigned j = 0; j < 3; j++) {
            assert_true(fabs(w[u][j] - w[1][j]) < 1e-3);
        }
    }
    assert_true(n_iter[0] == n_iter[1] && n_iter[2] >= n_iter[1]);
    assert_true(n_iter[1] > 8); /* more than the fewest that n_iter_no_change allows */
    free_data(&s);
}

/* What is reported, summed anew: each problem's rows weighed by its class, the rest by 1. */
static double weighted_objective(const data_set *s, const double *coef, const double *intercept, double alpha)
{
    double sum = 0;
    for (uint32_t k = 0; k < s->n_classes; k++) {
        double loss = 0, squares = 0;
        for (uint32_t i = 0; i < s->n; i++) {
            double m = intercept[k];
            for (uint32_t j = 0; j < s->d; j++) {
                m += coef[k * s->d + j] * (double)(float)s->x[(size_t)i * s->d + j];
            }
            bool is_own = s->target[i] == k;
            loss += s->weight[i] * (is_own ? s->class_weights[k] : 1) * log1p(exp(is_own ? -m : m));
        }
        for (uint32_t j = 0; j < s->d; j++) {
            squares += coef[k * s->d + j] * coef[k * s->d + j];
        }
        sum += loss / s->n + alpha / 2 * squares;
    }
    return sum;
}

/* Class k against the rest is the problem of two classes whose rows of class k weigh class_weight[k] times as much, bit for bit. */
static void test_class_weights_of_one_against_the_rest(void **state)
{
    (void)state;
    enum { ROWS = 1500, WIDTH = 5, CLASSES = 10 };
    static const double class_weights[CLASSES] = { 0.2, 1, 5, 0, 2, 1, 0.5, 3, 1, 7 };
    static const setting settings[] = {
        { "loss", "log_loss" }, { "alpha", "0.01" }, { "max_iter", "4" }, { "tol", "null" }, { NULL, NULL }
    };
    for (layout_kind kind = DENSE_F32; kind <= SPARSE; kind += SPARSE - DENSE_F32) {
        data_set s = make_data(ROWS, WIDTH, CLASSES, 73), pair = s;
        s.weight = malloc(ROWS * sizeof(double));
        for (uint32_t i = 0; i < ROWS; i++) {
            s.weight[i] = 1 + i % 3;
        }
        s.class_weights = class_weights;
        fitted f = fit_data(budget, "sgd_classifier", settings, &s, 700, kind, false);
        skimpi_tensors *tensors;
        assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
        assert_int_equal(f.class->save(f.self, tensors, "", NULL), SKIMP_OK);
        const double *coef = skimpi_tensors_find(tensors, "coef_")->data;
        const double *intercept = skimpi_tensors_find(tensors, "intercept_")->data;
        pair.n_classes = 2;
        pair.target = malloc(ROWS * sizeof(double));
        pair.weight = malloc(ROWS * sizeof(double));
        double sum = 0;
        for (uint32_t k = 0; k < CLASSES; k++) {
            for (uint32_t i = 0; i < ROWS; i++) {
                pair.target[i] = s.target[i] == k ? 1 : 0;
                pair.weight[i] = s.weight[i] * (s.target[i] == k ? class_weights[k] : 1);
            }
            double w[WIDTH], b;
            fitted one = fit_data(budget, "sgd_classifier", settings, &pair, 700, kind, false);
            read_model(&one, w, &b);
            assert_memory_equal(w, coef + k * WIDTH, sizeof(w));
            assert_true(b == intercept[k]);
            sum += one.outcome.objective;
            free_fitted(&one);
        }
        assert_true(fabs(f.outcome.objective - sum) < 1e-12 * sum);
        assert_true(fabs(f.outcome.objective - weighted_objective(&s, coef, intercept, 0.01)) < 1e-9 * sum);
        skimpi_tensors_destroy(tensors);
        free_fitted(&f);
        free(pair.target);
        free(pair.weight);
        free_data(&s);
    }
}

/* Two classes: both weights count, as if they were the rows'. Validation knows the rows' own only. */
static void test_class_weights_of_two_classes(void **state)
{
    (void)state;
    static const double class_weights[] = { 0.3, 4 }, none[] = { 0, 0 };
    static const setting settings[] = { { "max_iter", "4" }, { "tol", "null" }, { NULL, NULL } };
    static const setting early[] = { { "early_stopping", "true" }, { NULL, NULL } };
    data_set s = make_data(600, 5, 2, 79), rows = s;
    double w[2][5], b[2];
    s.class_weights = class_weights;
    rows.weight = malloc(s.n * sizeof(double));
    for (uint32_t i = 0; i < s.n; i++) {
        rows.weight[i] = class_weights[s.target[i] > 0 ? 1 : 0];
    }
    fitted f = fit_data(budget, "sgd_classifier", settings, &s, 100, DENSE_F32, false);
    fitted g = fit_data(budget, "sgd_classifier", settings, &rows, 100, DENSE_F32, false);
    read_model(&f, w[0], &b[0]);
    read_model(&g, w[1], &b[1]);
    assert_memory_equal(w[0], w[1], sizeof(w[0]));
    assert_true(b[0] == b[1] && f.outcome.objective == g.outcome.objective);
    free_fitted(&f);
    free_fitted(&g);
    s.class_weights = none;
    f = fit_data(budget, "sgd_classifier", early, &s, 100, DENSE_F32, false);
    assert_true(f.outcome.converged && f.outcome.objective == 0);
    free_fitted(&f);
    free(rows.weight);
    free_data(&s);
}

/* ---- stopping -------------------------------------------------------------------------------------------------------------- */

static void test_stopping(void **state)
{
    (void)state;
    data_set s = make_data(2000, 5, 2, 37), r = make_data(2000, 5, 0, 37);
    static const setting exactly[] = { { "max_iter", "3" }, { "tol", "null" }, { NULL, NULL } };
    static const setting too_few[] = { { "max_iter", "2" }, { NULL, NULL } };
    static const setting early[] = { { "early_stopping", "true" }, { NULL, NULL } };
    static const setting early_adaptive[] = { { "early_stopping", "true" },
                                              { "learning_rate", "adaptive" },
                                              { NULL, NULL } };
    fitted f = fit_data(budget, "sgd_classifier", exactly, &s, 100, DENSE_F32, false);
    assert_true(f.outcome.n_iter == 3 && f.outcome.converged);
    free_fitted(&f);
    f = fit_data(budget, "sgd_classifier", too_few, &s, 100, DENSE_F32, false);
    assert_true(f.outcome.n_iter == 2 && !f.outcome.converged);
    free_fitted(&f);
    f = fit_data(budget, "sgd_classifier", early, &s, 100, DENSE_F32, false);
    assert_true(f.outcome.n_iter < 40 && f.outcome.converged && score(&f, &s, DENSE_F32) > 0.85);
    uint64_t quick = f.outcome.n_iter;
    free_fitted(&f);
    f = fit_data(budget, "sgd_classifier", early_adaptive, &s, 100, DENSE_F32, false);
    assert_true(f.outcome.n_iter > quick && f.outcome.converged); /* the rate is divided by 5 several times first */
    free_fitted(&f);
    f = fit_data(budget, "sgd_regressor", early, &r, 100, DENSE_F32, false);
    assert_true(f.outcome.converged && score(&f, &r, DENSE_F32) > 0.75);
    free_fitted(&f);
    free_data(&s);
    free_data(&r);
}

static void test_averages_are_steadier(void **state)
{
    (void)state;
    data_set s = make_data(2000, 5, 2, 41);
    static const setting plain[] = {
        { "learning_rate", "constant" }, { "eta0", "0.5" }, { "loss", "log_loss" }, { NULL, NULL }
    };
    static const setting average[] = { { "learning_rate", "constant" },
                                       { "eta0", "0.5" },
                                       { "loss", "log_loss" },
                                       { "average", "true" },
                                       { NULL, NULL } };
    fitted f = fit_data(budget, "sgd_classifier", plain, &s, 100, DENSE_F32, false),
           g = fit_data(budget, "sgd_classifier", average, &s, 100, DENSE_F32, false);
    assert_true(g.outcome.objective < f.outcome.objective);
    free_fitted(&f);
    free_fitted(&g);
    free_data(&s);
}

/* ---- checkpoints, models, memory --------------------------------------------------------------------------------------------- */

static void test_resume_gives_the_same_bits(void **state)
{
    (void)state;
    static const setting settings[3][5] = {
        { { "loss", "log_loss" }, { "penalty", "elasticnet" }, { "average", "50" }, { NULL, NULL } },
        { { "learning_rate", "adaptive" }, { "early_stopping", "true" }, { "max_iter", "30" }, { NULL, NULL } },
        { { "max_iter", "4" }, { NULL, NULL } },
    };
    const uint32_t classes[] = { 2, 2, 4 };
    for (unsigned v = 0; v < 3; v++) {
        for (layout_kind kind = DENSE_F32; kind <= SPARSE; kind += SPARSE - DENSE_F32) {
            data_set s = make_data(500, 6, classes[v], 43);
            double w[2][6], b[2];
            for (unsigned resumes = 0; resumes < 2; resumes++) {
                fitted f = fit_data(budget, "sgd_classifier", settings[v], &s, 30, kind, resumes != 0);
                read_model(&f, w[resumes], &b[resumes]);
                free_fitted(&f);
            }
            assert_memory_equal(w[0], w[1], sizeof(w[0]));
            assert_true(b[0] == b[1]);
            free_data(&s);
        }
    }
}

static void test_hostile_checkpoints(void **state)
{
    (void)state;
    data_set s = make_data(200, 4, 2, 47);
    static const setting settings[] = { { "max_iter", "2" }, { NULL, NULL } };
    fitted f = fit_data(budget, "sgd_classifier", settings, &s, 50, DENSE_F32, false);
    skimpi_buffer bytes;
    skimpi_buffer_init(&bytes, budget, SKIMP_TAG_OTHER);
    assert_int_equal(f.class->state_save(f.self, &bytes, NULL), SKIMP_OK);
    skimp_error error = SKIMP_ERROR_INIT;
    for (size_t n = 0; n < bytes.length; n++) {
        assert_int_equal(f.class->state_load(f.self, bytes.data, n, NULL), SKIMP_ERROR_DATA);
    }
    for (size_t i = 0; i < bytes.length; i++) { /* anything may be in it: it must stay within memory and end */
        char kept = ((char *)bytes.data)[i];
        ((char *)bytes.data)[i] = (char)0xff;
        skimp_status status = f.class->state_load(f.self, bytes.data, bytes.length, &error);
        assert_true(status == SKIMP_OK || status == SKIMP_ERROR_DATA);
        ((char *)bytes.data)[i] = kept;
    }
    skimpi_buffer_free(&bytes);
    free_fitted(&f);
    free_data(&s);
}

static void test_save_and_load(void **state)
{
    (void)state;
    for (unsigned regression = 0; regression < 2; regression++) {
        data_set s = make_data(300, 4, regression ? 0 : 3, 53);
        static const setting settings[] = { { "max_iter", "5" },
                                            { "early_stopping", "true" }, /* t_ counts validation rows too */
                                            { NULL, NULL } };
        fitted f = fit_data(budget, regression ? "sgd_regressor" : "sgd_classifier", settings, &s, 50, DENSE_F32,
                            false),
               again = f;
        skimpi_tensors *tensors;
        assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
        assert_int_equal(f.class->save(f.self, tensors, "", NULL), SKIMP_OK);
        assert_int_equal(f.class->load(&again.self, budget, tensors, "", &f.problem, f.params, NULL), SKIMP_OK);
        assert_true(score(&again, &s, DENSE_F32) == score(&f, &s, DENSE_F32));
        assert_int_equal(*(const int64_t *)skimpi_tensors_find(tensors, "n_iter_")->data, (int64_t)f.outcome.n_iter);
        assert_true(*(const double *)skimpi_tensors_find(tensors, "t_")->data == (double)(f.outcome.n_iter * 300 + 1));
        f.class->destroy(again.self);
        hostile_claim(f.class, tensors, "", f.problem, f.params, "coef_");
        f.problem.n_features = 5; /* a model of other data */
        assert_int_equal(f.class->load(&again.self, budget, tensors, "", &f.problem, f.params, NULL), SKIMP_ERROR_DATA);
        skimpi_tensors_destroy(tensors);
        free_fitted(&f);
        free_data(&s);
    }
}

static void test_bad_combinations(void **state)
{
    (void)state;
    data_set s = make_data(50, 3, 2, 59);
    chunk_set set = make_chunks(&s, 50, DENSE_F32);
    static const setting bad[][3] = {
        { { "alpha", "0" }, { NULL, NULL } },
        { { "learning_rate", "pa1" }, { "loss", "log_loss" }, { NULL, NULL } },
        { { "penalty", "elasticnet" }, { "l1_ratio", "null" }, { NULL, NULL } },
        { { "average", "-1" }, { NULL, NULL } },
        { { "average", "often" }, { NULL, NULL } },
        { { "eta0", "0" }, { NULL, NULL } },
        { { "validation_fraction", "1" }, { NULL, NULL } },
        { { "loss", "hing" }, { NULL, NULL } },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fitted f;
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(fit_on(&f, budget, "sgd_classifier", bad[i], &s, &set, DENSE_F32, false, &error),
                         SKIMP_ERROR_PARAM);
        assert_true(strstr(error.message, bad[i][0].name) != NULL);
        free_fitted(&f);
    }
    free_chunks(&set);
    free_data(&s);
}

static void test_memory_is_as_planned(void **state)
{
    (void)state;
    static const setting settings[] = {
        { "penalty", "l1" }, { "average", "true" }, { "max_iter", "2" }, { NULL, NULL }
    };
    const uint32_t classes[] = { 2, 5 };
    for (unsigned i = 0; i < 2; i++) {
        data_set s = make_data(200, 40, classes[i], 61);
        skimp_budget *own;
        skimp_budget_options options = { .size = sizeof(options) };
        assert_int_equal(skimp_budget_create(&own, &options, NULL), SKIMP_OK);
        fitted f = fit_data(own, "sgd_classifier", settings, &s, 50, SPARSE, false);
        assert_true(f.peak <= f.needs.state_bytes);
        assert_true(f.needs.state_bytes <= f.peak + f.peak / 4);
        free_fitted(&f);
        assert_int_equal(skimp_budget_destroy(own), 0);
        free_data(&s);
    }
}

static void test_failing_allocations(void **state)
{
    (void)state;
    data_set s = make_data(100, 4, 3, 67);
    chunk_set set = make_chunks(&s, 50, DENSE_F32);
    static const setting settings[] = {
        { "penalty", "elasticnet" }, { "average", "true" }, { "max_iter", "2" }, { NULL, NULL }
    };
    for (unsigned for_good = 0; for_good < 2; for_good++) {
        bool done = false;
        for (uint64_t nth = 1; !done; nth++) {
            fitted f;
            uint64_t before = skimp_budget_in_use(budget);
            skimpi_fault_set(nth, for_good != 0);
            skimp_status status = fit_on(&f, budget, "sgd_classifier", settings, &s, &set, DENSE_F32, true, NULL);
            done = skimpi_fault_set(0, false) < nth;
            assert_true(done ? status == SKIMP_OK
                             : status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET || !for_good);
            free_fitted(&f);
            assert_int_equal(skimp_budget_in_use(budget), before);
            assert_true(nth < 10000);
        }
    }
    free_chunks(&set);
    free_data(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objectives_of_classifiers),
        cmocka_unit_test(test_objectives_of_regressors),
        cmocka_unit_test(test_passive_aggressive_and_perceptron),
        cmocka_unit_test(test_sorted_files_are_as_good),
        cmocka_unit_test(test_small_files_are_mixed_whole),
        cmocka_unit_test(test_any_scale),
        cmocka_unit_test(test_offsets_and_constant_columns),
        cmocka_unit_test(test_any_chunks),
        cmocka_unit_test(test_sparse_forms_agree),
        cmocka_unit_test(test_late_is_as_good),
        cmocka_unit_test(test_one_hot_codes),
        cmocka_unit_test(test_vectors_agree_with_plain_code),
        cmocka_unit_test(test_several_classes),
        cmocka_unit_test(test_binary_probabilities),
        cmocka_unit_test(test_weights_tilt),
        cmocka_unit_test(test_weights_of_any_unit),
        cmocka_unit_test(test_class_weights_of_one_against_the_rest),
        cmocka_unit_test(test_class_weights_of_two_classes),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_averages_are_steadier),
        cmocka_unit_test(test_resume_gives_the_same_bits),
        cmocka_unit_test(test_hostile_checkpoints),
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_bad_combinations),
        cmocka_unit_test(test_memory_is_as_planned),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, make_budget, drop_budget);
}
