/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parquet's hybrid of runs and packed numbers (apache/parquet-format: Encodings.md, RLE = 3).  A run begins with a number
 * in groups of 7 bits: its lowest bit says whether groups of 8 packed numbers follow, lowest bits first, or one number in
 * whole bytes that is there so many times.  A writer may leave out the end of the last group.
 */
#include "data/runs.h"

#include <string.h>

void skimpi_runs_begin(skimpi_runs *runs, const uint8_t *bytes, size_t n_bytes, unsigned bits)
{
    *runs = (skimpi_runs){ .at = bytes, .end = bytes + n_bytes, .bits = bits };
}

static uint32_t mask_of(const skimpi_runs *runs)
{
    return runs->bits == 32 ? UINT32_MAX : (1u << runs->bits) - 1;
}

static bool next_run(skimpi_runs *runs)
{
    uint64_t header = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (runs->at == runs->end || shift > 35) {
            return false;
        }
        header |= (uint64_t)(*runs->at & 0x7f) << shift;
        if ((*runs->at++ & 0x80) == 0) {
            break;
        }
    }
    const uint64_t room = (uint64_t)(runs->end - runs->at);
    runs->packed = NULL;
    if ((header & 1) != 0) {
        const uint64_t groups = header >> 1, bytes = groups * runs->bits;
        const uint64_t used = bytes < room ? bytes : room;
        runs->left = runs->bits == 0 ? groups * 8 : used * 8 / runs->bits;
        runs->left = runs->left < groups * 8 ? runs->left : groups * 8;
        runs->packed = runs->at;
        runs->bit = 0;
        runs->at += used;
        return true;
    }
    const unsigned bytes = (runs->bits + 7) / 8;
    if (room < bytes) {
        return false;
    }
    runs->left = header >> 1;
    runs->value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        runs->value |= (uint32_t)*runs->at++ << (8 * i);
    }
    if (runs->value > mask_of(runs)) {
        runs->left = 0;
        runs->at = runs->end; /* nor is what follows to be trusted */
    }
    return runs->at < runs->end || runs->left > 0;
}

/* The run that the next number is in. */
static bool find_run(skimpi_runs *runs)
{
    while (runs->left == 0) {
        if (!next_run(runs)) {
            return false;
        }
    }
    return true;
}

bool skimpi_runs_read(skimpi_runs *runs, uint32_t n, uint32_t *out)
{
    const uint32_t mask = mask_of(runs);
    while (n > 0) {
        if (!find_run(runs)) {
            return false;
        }
        const uint32_t count = runs->left < n ? (uint32_t)runs->left : n;
        if (runs->packed == NULL) {
            for (uint32_t i = 0; i < count; i++) {
                out[i] = runs->value;
            }
        } else {
            for (uint32_t i = 0; i < count; i++) {
                const uint64_t bit = runs->bit + (uint64_t)i * runs->bits;
                uint64_t word;
                memcpy(&word, runs->packed + (bit >> 3), sizeof word);
                out[i] = (uint32_t)(word >> (bit & 7)) & mask;
            }
            runs->bit += (uint64_t)count * runs->bits;
        }
        runs->left -= count;
        out += count;
        n -= count;
    }
    return true;
}

uint32_t skimpi_runs_same(skimpi_runs *runs, uint32_t n, uint32_t *value)
{
    if (!find_run(runs) || runs->packed != NULL) {
        return 0;
    }
    const uint32_t count = runs->left < n ? (uint32_t)runs->left : n;
    *value = runs->value;
    runs->left -= count;
    return count;
}
