/* SPDX-License-Identifier: BSD-3-Clause */
/* The problems of tests/make_expected.py, number for number. */
#ifndef EXPECTED_DATA_H
#define EXPECTED_DATA_H

#include <math.h>
#include <stdlib.h>

#include "base/base.h"

static inline double data_uniform(uint64_t a, uint64_t b, uint64_t c)
{
    return (double)(skimpi_mix64((a << 48) ^ (b << 24) ^ c) >> 11) * 0x1p-52 - 1.0;
}

typedef struct regression_data {
    size_t n, p;
    double *x, *y, *weight;
} regression_data;

static inline regression_data data_regression(uint64_t seed, size_t n, size_t p)
{
    regression_data d = { n, p, calloc(n * p, sizeof(double)), calloc(n, sizeof(double)), calloc(n, sizeof(double)) };
    for (size_t i = 0; i < n; i++) {
        d.y[i] = 3.0 + 0.25 * data_uniform(seed, i, 8000);
        for (size_t j = 0; j < p; j++) {
            d.x[i * p + j] = data_uniform(seed, i, j) * (double)(1 + j % 3) + (double)j;
            d.y[i] += d.x[i * p + j] * data_uniform(seed, 7000, j);
        }
        d.weight[i] = 0.5 + fabs(data_uniform(seed, i, 9000));
    }
    return d;
}

static inline regression_data data_collinear(uint64_t seed, size_t n)
{
    regression_data d = data_regression(seed, n, 6);
    for (size_t i = 0; i < n; i++) {
        double *x = d.x + i * 6;
        x[3] = 2 * x[0];
        x[4] = 7.5;
        x[5] = x[1] + x[2];
    }
    return d;
}

static inline void data_free(regression_data *d)
{
    free(d->x);
    free(d->y);
    free(d->weight);
}

static inline double *data_holes(uint64_t seed, size_t n, size_t p)
{
    double *x = calloc(n * p, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < p; j++) {
            double u = data_uniform(seed, i, j);
            double v = j == 1 ? floor(u * 4) : j == 2 ? 5.25 : j == 3 ? (u > 0 ? u : 0) : u * (double)(j + 1);
            x[i * p + j] = v + (j == 0 ? 1e9 : 0.0);
            if (j != 2 && skimpi_mix64((seed << 48) ^ ((uint64_t)i << 24) ^ (j + 500)) % 10 == 0) {
                x[i * p + j] = (double)NAN;
            }
        }
    }
    return x;
}

#endif
