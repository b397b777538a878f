/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of few bits as Parquet keeps levels and places in dictionaries: runs of one value, and packed ones, in turns. */
#ifndef SKIMPI_RUNS_H
#define SKIMPI_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SKIMPI_RUNS_SLACK 8u /* bytes behind the end that may be read */
#define SKIMPI_RUNS_MOST_BITS 32u

typedef struct skimpi_runs {
    const uint8_t *at, *end; /* of what follows the run */
    unsigned bits;           /* of a number */
    uint64_t left;           /* numbers of the run */
    uint32_t value;          /* of a run of one */
    const uint8_t *packed;   /* NULL: it is one of one value */
    uint64_t bit;            /* packed: of the next number, from there */
} skimpi_runs;

/* bits: at most 32. */
void skimpi_runs_begin(skimpi_runs *runs, const uint8_t *bytes, size_t n_bytes, unsigned bits);
/* The next n numbers. False: there are fewer. */
bool skimpi_runs_read(skimpi_runs *runs, uint32_t n, uint32_t *out);
/* How many of the next n numbers are surely the same, which is in *value; they are taken. 0: they are to be read. */
uint32_t skimpi_runs_same(skimpi_runs *runs, uint32_t n, uint32_t *value);

#endif
