/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics of predictions that stream by, named and defined as in sklearn.metrics.
 *
 * roc_auc is exact up to EXACT_ROWS rows (the scores are kept and sorted); beyond, scores are counted in 2^18 bins of
 * d / (1 + |d|), ties within a bin counting half: the error is under the share of pairs that fall into one bin, about
 * 1e-5.
 */
#include <math.h>
#include <string.h>

#include "engine/engine.h"

#define EXACT_ROWS (128u << 10)
#define BINS (1u << 18)
#define LEAST_PROBABILITY 2.220446049250313e-16 /* log_loss clips here, as sklearn.metrics does for doubles */

struct skimpi_metrics {
    skimp_budget *budget;
    uint32_t n_classes;
    uint64_t rows, unknown, n_probability, n_decision;
    double correct, log_loss, squared, absolute;
    double first, mean, spread; /* of the target less its first value: Σ (t - mean)², as it goes by (Welford 1962) */
    skimpi_buffer keys;         /* ordered bits of the score, the lowest one replaced by the label */
    uint32_t *bins;             /* BINS negatives, then BINS positives */
};

skimp_status skimpi_metrics_create(skimpi_metrics **out, skimp_budget *budget, uint32_t n_classes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_ACCUMULATORS, 1, sizeof **out, (void **)out, error));
    (*out)->budget = budget;
    (*out)->n_classes = n_classes;
    skimpi_buffer_init(&(*out)->keys, budget, SKIMP_TAG_ACCUMULATORS);
out:
    return status;
}

void skimpi_metrics_destroy(skimpi_metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    skimpi_buffer_free(&metrics->keys);
    skimp_free(metrics->budget, SKIMP_TAG_ACCUMULATORS, metrics->bins, 2 * (size_t)BINS, sizeof *metrics->bins);
    skimp_free(metrics->budget, SKIMP_TAG_ACCUMULATORS, metrics, 1, sizeof *metrics);
}

uint64_t skimpi_metrics_bytes(uint32_t n_classes, uint64_t rows)
{
    if (n_classes != 2) {
        return skimp_alloc_cost(sizeof(skimpi_metrics));
    }
    const uint64_t keys = skimp_alloc_cost((rows < EXACT_ROWS ? rows : EXACT_ROWS) * sizeof(uint64_t) * 5 / 2);
    return skimp_alloc_cost(sizeof(skimpi_metrics)) + keys +
           (rows > EXACT_ROWS ? skimp_alloc_cost(2 * (uint64_t)BINS * sizeof(uint32_t)) : 0);
}

/* Bits of a double whose unsigned order is the order of the values. */
static uint64_t ordered_bits(double x)
{
    uint64_t bits;
    x += 0.0; /* -0 is 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static double value_of(uint64_t key)
{
    uint64_t bits = key & ~(uint64_t)1;
    bits = bits >> 63 ? bits & ~((uint64_t)1 << 63) : ~bits;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void count_score(skimpi_metrics *metrics, double score, bool positive)
{
    const double unit = isfinite(score) ? score / (1 + fabs(score)) : score > 0 ? 1 : -1; /* (-1, 1) */
    double place = (unit + 1) * 0.5 * BINS;
    place = place < 0 ? 0 : place > BINS - 1 ? BINS - 1 : place;
    uint32_t *bin = &metrics->bins[(positive ? BINS : 0) + (uint32_t)place];
    *bin += *bin < UINT32_MAX;
}

static skimp_status add_scores(skimpi_metrics *metrics, uint32_t n, const double *target, const double *decision,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t kept = metrics->keys.length / sizeof(uint64_t);
    if (metrics->bins == NULL && kept + n > EXACT_ROWS) {
        SKIMPI_TRY(skimp_alloc(metrics->budget, SKIMP_TAG_ACCUMULATORS, 2 * (size_t)BINS, sizeof *metrics->bins,
                               (void **)&metrics->bins, error));
        const uint64_t *keys = metrics->keys.data;
        for (uint64_t i = 0; i < kept; i++) {
            count_score(metrics, value_of(keys[i]), keys[i] & 1);
        }
        skimpi_buffer_free(&metrics->keys);
    }
    if (metrics->bins == NULL) {
        SKIMPI_TRY(skimpi_buffer_reserve(&metrics->keys, metrics->keys.length + n * sizeof(uint64_t), error));
    }
    for (uint32_t i = 0; i < n; i++) {
        if (target[i] > 1) {
            continue;
        }
        metrics->n_decision++;
        if (metrics->bins != NULL) {
            count_score(metrics, decision[i], target[i] == 1);
        } else {
            const uint64_t key = (ordered_bits(decision[i]) & ~(uint64_t)1) | (target[i] == 1);
            memcpy((char *)metrics->keys.data + metrics->keys.length, &key, sizeof key);
            metrics->keys.length += sizeof key;
        }
    }
out:
    return status;
}

skimp_status skimpi_metrics_add(skimpi_metrics *metrics, uint32_t n, const double *target, const double *label,
                                const double *probability, const double *decision, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint32_t i = 0; i < n; i++) {
        metrics->rows++;
        if (metrics->n_classes == 0) {
            metrics->first = metrics->rows == 1 ? target[i] : metrics->first;
            const double error_i = target[i] - label[i], value = target[i] - metrics->first,
                         about = value - metrics->mean;
            metrics->squared += error_i * error_i;
            metrics->absolute += fabs(error_i);
            metrics->mean += about / (double)metrics->rows;
            metrics->spread += about * (value - metrics->mean);
            continue;
        }
        if (target[i] >= metrics->n_classes) {
            metrics->unknown++;
            continue;
        }
        metrics->correct += target[i] == label[i];
        if (probability != NULL) {
            double p = probability[i];
            p = p < LEAST_PROBABILITY ? LEAST_PROBABILITY : p > 1 - LEAST_PROBABILITY ? 1 - LEAST_PROBABILITY : p;
            metrics->log_loss -= log(p);
            metrics->n_probability++;
        }
    }
    if (metrics->n_classes == 2 && decision != NULL) {
        SKIMPI_TRY(add_scores(metrics, n, target, decision, error));
    }
out:
    return status;
}

uint64_t skimpi_metrics_rows(const skimpi_metrics *metrics)
{
    return metrics->rows;
}

/* Heapsort: in place, no memory, n log n for any order. */
static void sort_keys(uint64_t *keys, size_t n)
{
    size_t start = n / 2, end = n;
    while (end > 1) {
        if (start > 0) {
            start--;
        } else {
            end--;
            const uint64_t largest = keys[0];
            keys[0] = keys[end];
            keys[end] = largest;
        }
        size_t root = start;
        for (size_t child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && keys[child] < keys[child + 1]) {
                child++;
            }
            if (keys[root] >= keys[child]) {
                break;
            }
            const uint64_t up = keys[child];
            keys[child] = keys[root];
            keys[root] = up;
        }
    }
}

/* Area under the curve from groups of equal scores, lowest first: Σ pos × (negatives below + half of those level). */
typedef struct area {
    double positives, negatives, area;
} area;

static void add_group(area *a, double positives, double negatives)
{
    a->area += positives * (a->negatives + negatives / 2);
    a->positives += positives;
    a->negatives += negatives;
}

static double roc_auc(skimpi_metrics *metrics)
{
    area a = { 0 };
    if (metrics->bins != NULL) {
        for (uint32_t b = 0; b < BINS; b++) {
            add_group(&a, metrics->bins[BINS + b], metrics->bins[b]);
        }
    } else {
        uint64_t *keys = metrics->keys.data;
        const size_t n = metrics->keys.length / sizeof *keys;
        sort_keys(keys, n);
        for (size_t from = 0, to; from < n; from = to) {
            double positives = 0;
            for (to = from; to < n && keys[to] >> 1 == keys[from] >> 1; to++) {
                positives += (double)(keys[to] & 1);
            }
            add_group(&a, positives, (double)(to - from) - positives);
        }
    }
    return a.area / (a.positives * a.negatives);
}

size_t skimpi_metrics_finish(skimpi_metrics *metrics, skimp_metric *out, size_t capacity)
{
    const double n = (double)metrics->rows;
    size_t count = 0;
    if (metrics->rows == 0 || capacity < 3) {
        return 0;
    }
    if (metrics->n_classes == 0) {
        if (metrics->rows > 1) { /* not defined for one */
            const double r2 = metrics->spread > 0    ? 1 - metrics->squared / metrics->spread
                              : metrics->squared > 0 ? 0
                                                     : 1;
            out[count++] = (skimp_metric){ "r2", r2 };
        }
        out[count++] = (skimp_metric){ "mean_squared_error", metrics->squared / n };
        out[count++] = (skimp_metric){ "mean_absolute_error", metrics->absolute / n };
        return count;
    }
    if (metrics->n_probability > 0 && metrics->unknown == 0) {
        out[count++] = (skimp_metric){ "log_loss", metrics->log_loss / n };
    }
    out[count++] = (skimp_metric){ "accuracy", metrics->correct / n };
    if (metrics->n_decision > 0 && metrics->unknown == 0) {
        const double auc = roc_auc(metrics);
        if (isfinite(auc)) { /* one class only: not defined */
            out[count++] = (skimp_metric){ "roc_auc", auc };
        }
    }
    return count;
}
