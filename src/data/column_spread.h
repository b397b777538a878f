/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many values a column has, their mean, and Σ (x - mean)²: gathered as the data is read, so that nothing needs a pass
 * for them.  Missing values count for nothing.
 */
#ifndef SKIMPI_COLUMN_SPREAD_H
#define SKIMPI_COLUMN_SPREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct skimpi_column_spread {
    double count;
    double mean, squares; /* 0 where the count is */
} skimpi_column_spread;

/*
 * Of n values, n_missing of which are NaN; as_floats: each rounded to a float first.  In two passes, each about a number that is near: a constant column has its
 * constant as the mean and no squares at all.  The same bits on every machine.
 */
void skimpi_column_spread_find(const double *values, size_t n, size_t n_missing, bool as_floats,
                               skimpi_column_spread *out);
/* Chan, Golub & LeVeque 1983, eq. 2.1. In another order, the last bits may be others. */
void skimpi_column_spread_merge(skimpi_column_spread *into, const skimpi_column_spread *from);

#endif
