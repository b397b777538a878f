/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kernels on one-hot codes and CSR blocks, shared by every family: their time goes into addressing, not arithmetic.
 *
 * A CSR block has two kinds of index and three of value (float, double, implicit ones).  Each loop is written once, as
 * an inlined function of two constants, and WITH_CSR_KIND makes the six of them.
 */
#include <string.h>

#include "kernel/kernel_internal.h"

enum { VALUE_F32, VALUE_F64, VALUE_ONE };

SKIMPI_INLINE double csr_value(const skimpi_csr_block *csr, size_t at, int value_kind)
{
    return value_kind == VALUE_F32 ? (double)csr->f32[at] : value_kind == VALUE_F64 ? csr->f64[at] : 1.0;
}

SKIMPI_INLINE size_t csr_index(const skimpi_csr_block *csr, size_t at, int wide)
{
    return wide ? (size_t)csr->indices64[at] : (size_t)csr->indices[at];
}

#define WITH_CSR_VALUE(csr, wide, call)                                                                                \
    do {                                                                                                               \
        if ((csr)->f32 != NULL) {                                                                                      \
            call(VALUE_F32, wide);                                                                                     \
        } else if ((csr)->f64 != NULL) {                                                                               \
            call(VALUE_F64, wide);                                                                                     \
        } else {                                                                                                       \
            call(VALUE_ONE, wide);                                                                                     \
        }                                                                                                              \
    } while (0)

#define WITH_CSR_KIND(csr, call)                                                                                       \
    do {                                                                                                               \
        if ((csr)->indices64 != NULL) {                                                                                \
            WITH_CSR_VALUE(csr, 1, call);                                                                              \
        } else {                                                                                                       \
            WITH_CSR_VALUE(csr, 0, call);                                                                              \
        }                                                                                                              \
    } while (0)

/* ---- margins ----------------------------------------------------------------------------------------------------- */

void skimpi_codes_margins(const skimpi_chunk *chunk, unsigned n_outputs, const double *coef, size_t ld, double *out,
                          size_t stride)
{
    for (uint32_t c = 0; c < chunk->n_codes; c++) {
        const skimpi_code_column *column = &chunk->codes[c];
        for (unsigned k = 0; k < n_outputs; k++) {
            const double *w = coef + k * ld + column->feature;
            double *m = out + k * stride;
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                uint32_t code = column->codes[i];
                if (code < column->n_codes) {
                    m[i] += w[code];
                }
            }
        }
    }
}

SKIMPI_INLINE void csr_margins(const skimpi_csr_block *csr, uint32_t n_rows, const double *w, double *m, int value_kind,
                               int wide)
{
    for (uint32_t i = 0; i < n_rows; i++) {
        size_t at = csr->indptr[i], end = csr->indptr[i + 1];
        double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (; at + 4 <= end; at += 4) {
            s0 += csr_value(csr, at, value_kind) * w[csr_index(csr, at, wide)];
            s1 += csr_value(csr, at + 1, value_kind) * w[csr_index(csr, at + 1, wide)];
            s2 += csr_value(csr, at + 2, value_kind) * w[csr_index(csr, at + 2, wide)];
            s3 += csr_value(csr, at + 3, value_kind) * w[csr_index(csr, at + 3, wide)];
        }
        for (; at < end; at++) {
            s0 += csr_value(csr, at, value_kind) * w[csr_index(csr, at, wide)];
        }
        m[i] += (s0 + s1) + (s2 + s3);
    }
}

void skimpi_csr_margins(const skimpi_chunk *chunk, unsigned n_outputs, const double *coef, size_t ld, double *out,
                        size_t stride)
{
    const skimpi_csr_block *csr = &chunk->csr;
    for (unsigned k = 0; k < n_outputs; k++) {
#define CALL(value_kind, wide)                                                                                         \
    csr_margins(csr, chunk->n_rows, coef + k * ld + csr->feature, out + k * stride, value_kind, wide)
        WITH_CSR_KIND(csr, CALL);
#undef CALL
    }
}

/* ---- scatter ----------------------------------------------------------------------------------------------------- */

/* Indices of a row may repeat, so the additions stay in order. */
SKIMPI_INLINE void csr_scatter(const skimpi_csr_block *csr, uint32_t n_rows, const double *r, double *g, int value_kind,
                               int wide)
{
    for (uint32_t i = 0; i < n_rows; i++) {
        double ri = r[i];
        if (ri == 0) {
            continue;
        }
        for (size_t at = csr->indptr[i]; at < csr->indptr[i + 1]; at++) {
            g[csr_index(csr, at, wide)] += ri * csr_value(csr, at, value_kind);
        }
    }
}

void skimpi_sparse_scatter(const skimpi_chunk *chunk, unsigned n_outputs, const double *r, size_t stride,
                           double *gradient, size_t ld)
{
    for (uint32_t c = 0; c < chunk->n_codes; c++) {
        const skimpi_code_column *column = &chunk->codes[c];
        for (unsigned k = 0; k < n_outputs; k++) {
            double *g = gradient + k * ld + column->feature;
            const double *rk = r + k * stride;
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                uint32_t code = column->codes[i];
                if (code < column->n_codes) {
                    g[code] += rk[i];
                }
            }
        }
    }
    if (!chunk->has_csr) {
        return;
    }
    const skimpi_csr_block *csr = &chunk->csr;
    for (unsigned k = 0; k < n_outputs; k++) {
#define CALL(value_kind, wide)                                                                                         \
    csr_scatter(csr, chunk->n_rows, r + k * stride, gradient + k * ld + csr->feature, value_kind, wide)
        WITH_CSR_KIND(csr, CALL);
#undef CALL
    }
}

/* ---- squares ----------------------------------------------------------------------------------------------------- */

SKIMPI_INLINE void csr_squares(const skimpi_csr_block *csr, uint32_t n_rows, const double *d, double *sums,
                               int value_kind, int wide)
{
    for (uint32_t i = 0; i < n_rows; i++) {
        double di = d == NULL ? 1 : d[i];
        for (size_t at = csr->indptr[i]; at < csr->indptr[i + 1]; at++) {
            double x = csr_value(csr, at, value_kind);
            sums[csr_index(csr, at, wide)] += di * x * x;
        }
    }
}

/*
 * Hashed text columns share one range of features, and come one after the other: a row that has a code in two of them
 * counts it twice, x = 2.
 */
static bool shares_features(const skimpi_chunk *chunk, uint32_t c)
{
    return c > 0 && chunk->codes[c].feature == chunk->codes[c - 1].feature;
}

void skimpi_sparse_squares(const skimpi_chunk *chunk, const double *d, double *sums)
{
    for (uint32_t c = 0; c < chunk->n_codes; c++) {
        const skimpi_code_column *column = &chunk->codes[c];
        double *s = sums + column->feature;
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            uint32_t code = column->codes[i];
            if (code < column->n_codes) {
                s[code] += d == NULL ? 1 : d[i];
            }
        }
    }
    for (uint32_t c = 1; c < chunk->n_codes; c++) {
        for (uint32_t e = 0; e < c && shares_features(chunk, c); e++) {
            const skimpi_code_column *one = &chunk->codes[c], *two = &chunk->codes[e];
            for (uint32_t i = 0; i < chunk->n_rows && one->feature == two->feature; i++) {
                if (one->codes[i] == two->codes[i] && one->codes[i] < one->n_codes) {
                    sums[one->feature + one->codes[i]] += d == NULL ? 2 : 2 * d[i];
                }
            }
        }
    }
    if (chunk->has_csr) {
        const skimpi_csr_block *csr = &chunk->csr;
#define CALL(value_kind, wide) csr_squares(csr, chunk->n_rows, d, sums + csr->feature, value_kind, wide)
        WITH_CSR_KIND(csr, CALL);
#undef CALL
    }
}

/* ---- gram -------------------------------------------------------------------------------------------------------- */

static inline double *gram_at(double *gram, size_t ld, size_t a, size_t b)
{
    return a >= b ? gram + a * ld + b : gram + b * ld + a;
}

/* d_i (x_ij - c_j) of a strip of dense columns and some rows, row by row. */
static void pack_strip(const skimpi_chunk *chunk, uint32_t first_column, uint32_t n_columns, uint32_t first_row,
                       uint32_t n, const double *d, const double *centre, double *packed)
{
    for (uint32_t j = 0; j < SKIMPI_CODE_STRIP; j++) {
        if (j >= n_columns) {
            for (uint32_t i = 0; i < n; i++) {
                packed[i * SKIMPI_CODE_STRIP + j] = 0;
            }
            continue;
        }
        const skimpi_dense_column *column = &chunk->dense[first_column + j];
        double c = centre == NULL ? 0 : centre[column->feature];
        for (uint32_t i = 0; i < n; i++) {
            double x = column->f32 != NULL ? (double)column->f32[first_row + i] : column->f64[first_row + i];
            packed[i * SKIMPI_CODE_STRIP + j] = (d == NULL ? 1 : d[first_row + i]) * (x - c);
        }
    }
}

SKIMPI_INLINE void csr_times_strip(const skimpi_chunk *chunk, uint32_t first_column, uint32_t n_columns,
                                   uint32_t first_row, uint32_t n, const double *packed, double *gram, size_t ld,
                                   int value_kind, int wide)
{
    const skimpi_csr_block *csr = &chunk->csr;
    for (uint32_t i = 0; i < n; i++) {
        const double *row = packed + (size_t)i * SKIMPI_CODE_STRIP;
        for (size_t at = csr->indptr[first_row + i]; at < csr->indptr[first_row + i + 1]; at++) {
            double v = csr_value(csr, at, value_kind);
            size_t a = csr->feature + csr_index(csr, at, wide);
            for (uint32_t j = 0; j < n_columns; j++) {
                *gram_at(gram, ld, a, chunk->dense[first_column + j].feature) += v * row[j];
            }
        }
    }
}

/*
 * Dense × codes and dense × CSR, a strip of dense columns at a time.  Products with the codes are added up in blocks of
 * one cache line a code (`blocks`: n codes in all × strip), and go to the matrix once per chunk.
 */
static void dense_times_sparse(const skimpi_chunk *chunk, const double *d, const double *centre, double *gram,
                               size_t ld, double *scratch)
{
    size_t all_codes = 0;
    for (uint32_t c = 0; c < chunk->n_codes; c++) {
        all_codes += shares_features(chunk, c) ? 0 : chunk->codes[c].n_codes;
    }
    double *packed = scratch;
    double *blocks = scratch + (size_t)SKIMPI_CODE_ROWS * SKIMPI_CODE_STRIP;
    for (uint32_t first = 0; first < chunk->n_dense; first += SKIMPI_CODE_STRIP) {
        uint32_t n_columns = chunk->n_dense - first < SKIMPI_CODE_STRIP ? chunk->n_dense - first : SKIMPI_CODE_STRIP;
        memset(blocks, 0, all_codes * SKIMPI_CODE_STRIP * sizeof *blocks);
        for (uint32_t row = 0; row < chunk->n_rows; row += SKIMPI_CODE_ROWS) {
            uint32_t n = chunk->n_rows - row < SKIMPI_CODE_ROWS ? chunk->n_rows - row : SKIMPI_CODE_ROWS;
            pack_strip(chunk, first, n_columns, row, n, d, centre, packed);
            double *block = blocks;
            for (uint32_t c = 0; c < chunk->n_codes; c++) {
                const skimpi_code_column *column = &chunk->codes[c];
                if (c > 0 && !shares_features(chunk, c)) {
                    block += (size_t)chunk->codes[c - 1].n_codes * SKIMPI_CODE_STRIP;
                }
                for (uint32_t i = 0; i < n; i++) {
                    uint32_t code = column->codes[row + i];
                    if (code < column->n_codes) {
                        double *sum = block + (size_t)code * SKIMPI_CODE_STRIP;
                        const double *x = packed + (size_t)i * SKIMPI_CODE_STRIP;
                        for (unsigned j = 0; j < SKIMPI_CODE_STRIP; j++) {
                            sum[j] += x[j];
                        }
                    }
                }
            }
            if (chunk->has_csr) {
#define CALL(value_kind, wide) csr_times_strip(chunk, first, n_columns, row, n, packed, gram, ld, value_kind, wide)
                WITH_CSR_KIND(&chunk->csr, CALL);
#undef CALL
            }
        }
        const double *block = blocks;
        for (uint32_t c = 0; c < chunk->n_codes; c++) {
            const skimpi_code_column *column = &chunk->codes[c];
            if (shares_features(chunk, c)) {
                continue;
            }
            for (uint32_t code = 0; code < column->n_codes; code++, block += SKIMPI_CODE_STRIP) {
                for (uint32_t j = 0; j < n_columns; j++) {
                    *gram_at(gram, ld, column->feature + code, chunk->dense[first + j].feature) += block[j];
                }
            }
        }
    }
}

static void codes_times_codes(const skimpi_chunk *chunk, const double *d, double *gram, size_t ld)
{
    for (uint32_t c = 0; c < chunk->n_codes; c++) {
        const skimpi_code_column *one = &chunk->codes[c];
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            if (one->codes[i] < one->n_codes) {
                size_t a = one->feature + one->codes[i];
                gram[a * ld + a] += d == NULL ? 1 : d[i];
            }
        }
        for (uint32_t e = 0; e < c; e++) {
            const skimpi_code_column *two = &chunk->codes[e];
            const skimpi_code_column *high = one->feature > two->feature ? one : two;
            const skimpi_code_column *low = high == one ? two : one;
            if (one->feature == two->feature) {
                for (uint32_t i = 0; i < chunk->n_rows; i++) {
                    if (one->codes[i] < one->n_codes && two->codes[i] < two->n_codes) {
                        double v = d == NULL ? 1 : d[i];
                        *gram_at(gram, ld, one->feature + one->codes[i], one->feature + two->codes[i]) +=
                            one->codes[i] == two->codes[i] ? 2 * v : v;
                    }
                }
                continue;
            }
            for (uint32_t i = 0; i < chunk->n_rows; i++) {
                if (high->codes[i] < high->n_codes && low->codes[i] < low->n_codes) {
                    gram[(high->feature + high->codes[i]) * ld + low->feature + low->codes[i]] += d == NULL ? 1 : d[i];
                }
            }
        }
    }
}

/* CSR × codes and CSR × CSR, row by row; an index that repeats in a row counts as the sum of its values. */
SKIMPI_INLINE void csr_gram(const skimpi_chunk *chunk, const double *d, double *gram, size_t ld, int value_kind,
                            int wide)
{
    const skimpi_csr_block *csr = &chunk->csr;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        double di = d == NULL ? 1 : d[i];
        size_t begin = csr->indptr[i], end = csr->indptr[i + 1];
        for (size_t at = begin; at < end; at++) {
            double v = di * csr_value(csr, at, value_kind);
            size_t a = csr->feature + csr_index(csr, at, wide);
            for (uint32_t c = 0; c < chunk->n_codes; c++) {
                const skimpi_code_column *column = &chunk->codes[c];
                if (column->codes[i] < column->n_codes) {
                    *gram_at(gram, ld, a, column->feature + column->codes[i]) += v;
                }
            }
            gram[a * ld + a] += v * csr_value(csr, at, value_kind);
            for (size_t other = begin; other < at; other++) {
                size_t b = csr->feature + csr_index(csr, other, wide);
                *gram_at(gram, ld, a, b) += (a == b ? 2 : 1) * v * csr_value(csr, other, value_kind);
            }
        }
    }
}

void skimpi_sparse_gram(const skimpi_chunk *chunk, const double *d, const double *centre, double *gram, size_t ld,
                        void *scratch)
{
    if (chunk->n_codes == 0 && !chunk->has_csr) {
        return;
    }
    if (chunk->n_dense > 0) {
        dense_times_sparse(chunk, d, centre, gram, ld, scratch);
    }
    codes_times_codes(chunk, d, gram, ld);
    if (chunk->has_csr) {
#define CALL(value_kind, wide) csr_gram(chunk, d, gram, ld, value_kind, wide)
        WITH_CSR_KIND(&chunk->csr, CALL);
#undef CALL
    }
}
