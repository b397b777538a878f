/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics against sums of long doubles and pairs by brute force; the switch from kept scores to bins; fault injection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"

static skimp_budget *budget;

static int begin(void **state)
{
    (void)state;
    const skimp_budget_options options = { .size = sizeof options, .limit = 64u << 20 };
    return skimp_budget_create(&budget, &options, NULL) != SKIMP_OK;
}

static int end(void **state)
{
    (void)state;
    return skimp_budget_destroy(budget) != 0;
}

static double value_of(const skimp_metric *metrics, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(metrics[i].name, name) == 0) {
            return metrics[i].value;
        }
    }
    return NAN;
}

/* Adds rows in pieces of any size; probability is column-major with `rows` between columns. */
static size_t run(uint32_t classes, size_t rows, size_t piece, const double *target, const double *label,
                  const double *probability, const double *decision, skimp_metric out[8])
{
    skimpi_metrics *metrics = NULL;
    double *own = calloc(rows, sizeof *own);
    assert_non_null(own);
    assert_int_equal(skimpi_metrics_create(&metrics, budget, classes, NULL), SKIMP_OK);
    for (size_t at = 0; at < rows; at += piece) {
        const size_t n = piece < rows - at ? piece : rows - at;
        for (size_t i = 0; i < n && probability != NULL; i++) {
            const double class = target[at + i];
            own[i] = class < classes ? probability[(size_t) class * rows + at + i] : 0;
        }
        assert_int_equal(skimpi_metrics_add(metrics, (uint32_t)n, target + at, label + at,
                                            probability != NULL ? own : NULL, decision != NULL ? decision + at : NULL,
                                            NULL),
                         SKIMP_OK);
    }
    assert_int_equal(skimpi_metrics_rows(metrics), rows);
    const size_t n = skimpi_metrics_finish(metrics, out, 8);
    assert_true(skimp_budget_peak(budget) <= skimpi_metrics_bytes(classes, rows) + 4096);
    skimpi_metrics_destroy(metrics);
    free(own);
    return n;
}

/* Share of pairs that are in order; level ones count half. */
static double pairs(size_t rows, const double *target, const double *decision)
{
    long double good = 0, all = 0;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; target[i] == 1 && j < rows; j++) {
            if (target[j] == 0) {
                good += decision[i] > decision[j] ? 1.0L : decision[i] == decision[j] ? 0.5L : 0;
                all += 1;
            }
        }
    }
    return (double)(good / all);
}

static void scores_two_classes(void **state)
{
    (void)state;
    enum { ROWS = 700 };
    static double target[ROWS], label[ROWS], decision[ROWS], probability[2 * ROWS];
    skimp_metric out[8];
    skimpi_random random;
    for (unsigned levels = 1; levels <= 1000000; levels *= 10) { /* few levels: many ties */
        skimpi_random_seed(&random, levels);
        long double loss = 0, correct = 0;
        for (size_t i = 0; i < ROWS; i++) {
            decision[i] = (double)skimpi_random_below(&random, levels) - levels / 2.0 + (levels == 1 ? 0.25 : 0);
            target[i] = skimpi_random_double(&random) < 0.3 + 0.4 * (decision[i] > 0);
            label[i] = decision[i] > 0;
            probability[ROWS + i] = skimpi_random_double(&random);
            probability[i] = 1 - probability[ROWS + i];
            loss -= logl((long double)probability[(target[i] == 1 ? ROWS : 0) + i]);
            correct += label[i] == target[i];
        }
        const double auc = pairs(ROWS, target, decision);
        for (size_t piece = 1; piece <= ROWS; piece = piece * 7) {
            assert_int_equal(run(2, ROWS, piece, target, label, probability, decision, out), 3);
            assert_true(fabs(value_of(out, 3, "log_loss") - (double)(loss / ROWS)) < 1e-13);
            assert_true(value_of(out, 3, "accuracy") == (double)(correct / ROWS));
            assert_true(fabs(value_of(out, 3, "roc_auc") - auc) < 1e-13);
        }
    }
}

static void clips_probabilities(void **state)
{
    (void)state;
    const double target[] = { 0, 1, 1 }, label[] = { 1, 0, 1 }, probability[] = { 0, 1, 0, 1, 0, 1 };
    skimp_metric out[8];
    const double least = 2.220446049250313e-16;
    assert_int_equal(run(2, 3, 3, target, label, probability, NULL, out), 2);
    assert_true(fabs(value_of(out, 2, "log_loss") - (-2 * log(least) - log1p(-least)) / 3) < 1e-12);
    assert_true(fabs(value_of(out, 2, "accuracy") - 1 / 3.0) < 1e-15);
}

static void scores_odd_decisions(void **state)
{
    (void)state;
    const double target[] = { 0, 1, 0, 1, 0, 1 }, label[6] = { 0 },
                 decision[] = { -INFINITY, INFINITY, -0.0, 0.0, 1e-300, 5 };
    skimp_metric out[8];
    size_t n = run(2, 6, 2, target, label, NULL, decision, out);
    assert_true(fabs(value_of(out, n, "roc_auc") - pairs(6, target, decision)) < 1e-15);
    assert_true(isnan(value_of(out, n, "log_loss")));
    /* One class only: not defined, so not there. */
    const double same[6] = { 1, 1, 1, 1, 1, 1 };
    n = run(2, 6, 2, same, label, NULL, decision, out);
    assert_int_equal(n, 1);
    assert_true(value_of(out, n, "accuracy") == 0);
}

static void scores_many_classes(void **state)
{
    (void)state;
    enum { ROWS = 500, CLASSES = 4 };
    static double target[ROWS], label[ROWS], probability[CLASSES * ROWS];
    skimp_metric out[8];
    skimpi_random random;
    skimpi_random_seed(&random, 3);
    long double loss = 0, correct = 0;
    for (size_t i = 0; i < ROWS; i++) {
        double sum = 0;
        for (unsigned k = 0; k < CLASSES; k++) {
            probability[k * ROWS + i] = 0.01 + skimpi_random_double(&random);
            sum += probability[k * ROWS + i];
        }
        for (unsigned k = 0; k < CLASSES; k++) {
            probability[k * ROWS + i] /= sum;
        }
        target[i] = (double)skimpi_random_below(&random, CLASSES);
        label[i] = (double)skimpi_random_below(&random, CLASSES);
        loss -= logl((long double)probability[(size_t)target[i] * ROWS + i]);
        correct += label[i] == target[i];
    }
    assert_int_equal(run(CLASSES, ROWS, 64, target, label, probability, NULL, out), 2);
    assert_true(fabs(value_of(out, 2, "log_loss") - (double)(loss / ROWS)) < 1e-13);
    assert_true(value_of(out, 2, "accuracy") == (double)(correct / ROWS));
    /* A label that the model does not know counts as wrong, and leaves accuracy alone. */
    correct -= label[7] == target[7];
    target[7] = CLASSES;
    assert_int_equal(run(CLASSES, ROWS, 64, target, label, probability, NULL, out), 1);
    assert_true(value_of(out, 1, "accuracy") == (double)(correct / ROWS));
}

static void scores_numbers(void **state)
{
    (void)state;
    enum { ROWS = 2000 };
    static double target[ROWS], label[ROWS];
    static const struct {
        double offset, scale;
    } cases[] = { { 0, 1 }, { 1e9, 1 }, { -1e12, 1e-3 }, { 0, 1e-150 }, { 1e150, 1e140 } };
    skimp_metric out[8];
    skimpi_random random;
    for (unsigned c = 0; c < sizeof cases / sizeof *cases; c++) {
        skimpi_random_seed(&random, c + 1);
        long double squared = 0, absolute = 0, sum = 0, spread = 0;
        for (size_t i = 0; i < ROWS; i++) {
            const double x = skimpi_random_double(&random);
            target[i] = cases[c].offset + cases[c].scale * x;
            label[i] = cases[c].offset + cases[c].scale * (x + 0.3 * (skimpi_random_double(&random) - 0.5));
            const long double difference = (long double)target[i] - label[i];
            squared += difference * difference;
            absolute += fabsl(difference);
            sum += (long double)target[i] - target[0];
        }
        for (size_t i = 0; i < ROWS; i++) {
            const long double about = (long double)target[i] - target[0] - sum / ROWS;
            spread += about * about;
        }
        assert_int_equal(run(0, ROWS, 333, target, label, NULL, NULL, out), 3);
        assert_true(fabs(value_of(out, 3, "mean_squared_error") / (double)(squared / ROWS) - 1) < 1e-12);
        assert_true(fabs(value_of(out, 3, "mean_absolute_error") / (double)(absolute / ROWS) - 1) < 1e-12);
        assert_true(fabs(value_of(out, 3, "r2") - (double)(1 - squared / spread)) < 1e-10);
    }
    /* A constant target, as scikit-learn has it; one row. */
    const double constant[] = { 2, 2, 2 }, other[] = { 2, 2, 3 };
    assert_int_equal(run(0, 3, 3, constant, constant, NULL, NULL, out), 3);
    assert_true(value_of(out, 3, "r2") == 1);
    assert_int_equal(run(0, 3, 3, constant, other, NULL, NULL, out), 3);
    assert_true(value_of(out, 3, "r2") == 0);
    assert_int_equal(run(0, 1, 1, constant, other, NULL, NULL, out), 2);
    assert_int_equal(run(0, 0, 1, constant, other, NULL, NULL, out), 0);
}

/* Up to 128 Ki rows the area is exact; beyond, within the share of pairs that fall into one bin. */
static void switches_to_bins(void **state)
{
    (void)state;
    enum { EXACT = 128 << 10, MOST = EXACT + 70000 };
    double *target = malloc(MOST * sizeof *target), *decision = malloc(MOST * sizeof *decision),
           *label = calloc(MOST, sizeof *label);
    uint32_t counts[2][4096] = { { 0 } };
    skimp_metric out[8];
    skimpi_random random;
    skimpi_random_seed(&random, 9);
    assert_true(target != NULL && decision != NULL && label != NULL);
    for (size_t i = 0; i < MOST; i++) {
        const unsigned level = (unsigned)skimpi_random_below(&random, 4096);
        decision[i] = level / 256.0 - 8;
        target[i] = skimpi_random_double(&random) * 4096 < level;
    }
    for (size_t rows = EXACT - 1; rows <= MOST; rows += rows < EXACT + 1 ? 1 : MOST - EXACT - 2) {
        memset(counts, 0, sizeof counts);
        for (size_t i = 0; i < rows; i++) {
            counts[target[i] == 1][(unsigned)((decision[i] + 8) * 256)]++;
        }
        double below = 0, area = 0, positives = 0;
        for (unsigned level = 0; level < 4096; level++) {
            area += counts[1][level] * (below + counts[0][level] / 2.0);
            below += counts[0][level];
            positives += counts[1][level];
        }
        const size_t n = run(2, rows, 10000, target, label, NULL, decision, out);
        const double difference = fabs(value_of(out, n, "roc_auc") - area / below / positives);
        assert_true(difference < (rows <= EXACT ? 1e-13 : 1e-5));
    }
    free(target);
    free(decision);
    free(label);
}

static void bears_faults(void **state)
{
    (void)state;
    enum { ROWS = 140000 };
    double *zeros = calloc(ROWS, sizeof *zeros);
    const uint64_t before = skimp_budget_in_use(budget);
    assert_non_null(zeros);
    for (uint64_t nth = 1;; nth++) {
        skimpi_metrics *metrics = NULL;
        skimpi_fault_set(nth, false);
        skimp_status status = skimpi_metrics_create(&metrics, budget, 2, NULL);
        for (unsigned i = 0; i < ROWS / 20000 && status == SKIMP_OK; i++) {
            status = skimpi_metrics_add(metrics, 20000, zeros, zeros, NULL, zeros, NULL);
        }
        skimpi_metrics_destroy(metrics);
        assert_int_equal(skimp_budget_in_use(budget), before);
        const uint64_t made = skimpi_fault_set(0, false);
        if (made < nth) {
            assert_int_equal(status, SKIMP_OK);
            break;
        }
        assert_true(status == SKIMP_ERROR_NOMEM ||
                    status == SKIMP_OK); /* growing by half may be refused: less will do */
    }
    free(zeros);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scores_two_classes), TEST(clips_probabilities), TEST(scores_odd_decisions), TEST(scores_many_classes),
        TEST(scores_numbers),     TEST(switches_to_bins),    TEST(bears_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
