/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simple_imputer in a CSR block: values filled in, features without any value taken out, indicators of missing ones added.
 *
 * Indicators are features after all others, so that each row's come after its entries: rows are moved apart from the last
 * one on, and then, in one walk from the first on, filled in, thinned out and renumbered.
 */
#include <math.h>

#include "estimator/simple_imputer.h"

static bool is_missing(const imputer_csr *how, const skimpi_csr_block *csr, size_t at)
{
    const double value = skimpi_csr_number(csr, at);
    return isnan(how->missing) ? isnan(value) : imputer_stands_for(how->missing, value);
}

static void set_entry(const skimpi_csr_block *csr, size_t at, uint64_t feature, double value)
{
    const uint64_t index = feature - csr->feature;
    if (csr->indices != NULL) {
        csr->indices[at] = (uint32_t)index;
    } else {
        csr->indices64[at] = index;
    }
    if (csr->f32 != NULL) {
        csr->f32[at] = (float)value;
    } else if (csr->f64 != NULL) {
        csr->f64[at] = value;
    }
}

static void fill_in(const imputer_csr *how, const skimpi_chunk *chunk)
{
    const skimpi_csr_block *csr = &chunk->csr;
    for (size_t at = 0; at < csr->indptr[chunk->n_rows]; at++) {
        if (is_missing(how, csr, at)) {
            const uint64_t feature = skimpi_csr_feature(csr, at);
            set_entry(csr, at, feature, how->statistics[feature]);
        }
    }
}

/* Does this entry get another one, which says that it is missing? */
static bool has_indicator(const imputer_csr *how, const skimpi_csr_block *csr, size_t at)
{
    return how->marks[skimpi_csr_feature(csr, at)] > 0 && is_missing(how, csr, at);
}

static void add_indicators(const imputer_csr *how, skimpi_chunk *chunk)
{
    skimpi_csr_block *csr = &chunk->csr;
    const size_t n = csr->indptr[chunk->n_rows];
    size_t more = 0;
    for (size_t at = 0; at < n; at++) {
        more += has_indicator(how, csr, at);
    }
    csr->room -= more;
    for (uint32_t i = chunk->n_rows; i-- > 0 && more > 0;) {
        const size_t begin = csr->indptr[i], end = csr->indptr[i + 1];
        size_t to = end + more;
        csr->indptr[i + 1] = (uint32_t)to;
        for (size_t at = end; at-- > begin;) {
            if (has_indicator(how, csr, at)) {
                const uint64_t number = (uint64_t)how->marks[skimpi_csr_feature(csr, at)] - 1;
                set_entry(csr, --to, how->n_features + number, 1);
                more--;
            }
        }
        for (size_t at = end; at-- > begin;) {
            set_entry(csr, --to, skimpi_csr_feature(csr, at), skimpi_csr_number(csr, at));
        }
    }
}

/* Features that stay. */
static uint64_t count_staying(const imputer_csr *how)
{
    for (uint64_t j = how->n_features; how->places != NULL && j-- > 0;) {
        if (how->places[j] >= 0) {
            return (uint64_t)how->places[j] + 1;
        }
    }
    return how->places != NULL ? 0 : how->n_features;
}

static void renumber(const imputer_csr *how, skimpi_chunk *chunk, uint64_t n_staying)
{
    skimpi_csr_block *csr = &chunk->csr;
    size_t kept = 0, at = 0;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        for (const size_t end = csr->indptr[i + 1]; at < end; at++) {
            const uint64_t j = skimpi_csr_feature(csr, at);
            if (j >= how->n_features) {
                set_entry(csr, kept++, n_staying + (j - how->n_features), 1);
            } else if (how->places == NULL || how->places[j] >= 0) {
                const double value = is_missing(how, csr, at) ? how->statistics[j] : skimpi_csr_number(csr, at);
                set_entry(csr, kept++, how->places == NULL ? j : (uint64_t)how->places[j], value);
            }
        }
        csr->indptr[i + 1] = (uint32_t)kept;
    }
}

void imputer_csr_transform(const imputer_csr *how, skimpi_chunk *chunk)
{
    const uint64_t n_staying = count_staying(how);
    if (how->marks == NULL && n_staying == how->n_features) {
        fill_in(how, chunk);
        return;
    }
    if (how->marks != NULL) {
        add_indicators(how, chunk);
    }
    renumber(how, chunk, n_staying);
}
