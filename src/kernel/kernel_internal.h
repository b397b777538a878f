/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of src/kernel share: a family is the public table of chunk kernels and the few dense ones that the
 * matrix factorisations need.  The parts of a chunk that no vector unit helps with (codes, CSR) are written once, in
 * kernel_sparse.c, for all families.
 */
#ifndef SKIMPI_KERNEL_INTERNAL_H
#define SKIMPI_KERNEL_INTERNAL_H

#include "kernel/kernel.h"

#define SKIMPI_INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16") /* loops over registers: arrays indexed by constants stay out of memory */

/* Columns of a factorisation's panel: the longest inner dimension of rank_update. */
#define SKIMPI_PANEL_COLUMNS 48

typedef struct skimpi_family {
    skimpi_kernels kernels;
    /* Lower triangle of C (n × n, row-major) -= P Pᵀ for P n × k, row-major, k ≤ SKIMPI_PANEL_COLUMNS. */
    void (*rank_update)(size_t n, size_t k, const double *p, size_t ldp, double *c, size_t ldc);
    /* (x, y) = (c x - s y, s x + c y), n values each. */
    void (*rotate)(size_t n, double c, double s, double *x, double *y);
    /* skimpi_column_*, on one type; the public functions choose. */
    void (*moments)(const void *column, bool is_f32, size_t n, double centre, double out[3]);
    size_t (*range)(const void *column, bool is_f32, size_t n, double *least, double *largest);
    void (*affine)(void *column, bool is_f32, size_t n, double shift, double factor, double add);
} skimpi_family;

extern const skimpi_family skimpi_family_reference;
#if defined(__x86_64__)
extern const skimpi_family skimpi_family_avx2;
extern const skimpi_family skimpi_family_avx512;
#endif
const skimpi_family *skimpi_family_get(void);

/* ---- gram scratch: two packed panels, column scales, and the blocks of dense × codes ----------------------------- */

#define SKIMPI_GRAM_STRIP 32 /* columns are packed in multiples of this (a multiple of twice every vector length) */
#define SKIMPI_CODE_STRIP 8  /* dense columns handled at once against the codes */
#define SKIMPI_CODE_ROWS 256

/* Rows of a packed panel: it should stay in the second level cache, and never pass 256 (the bound of float sums). */
static inline size_t skimpi_gram_rows(size_t padded)
{
    size_t rows = 65536 / (padded == 0 ? 1 : padded) / 16 * 16;
    return rows < 64 ? 64 : rows > 256 ? 256 : rows;
}

/* ---- codes and CSR, for every family; margins and scatter add to what is there ----------------------------------- */

void skimpi_codes_margins(const skimpi_chunk *chunk, unsigned n_outputs, const double *coef, size_t ld, double *out,
                          size_t stride);
void skimpi_csr_margins(const skimpi_chunk *chunk, unsigned n_outputs, const double *coef, size_t ld, double *out,
                        size_t stride);
void skimpi_sparse_scatter(const skimpi_chunk *chunk, unsigned n_outputs, const double *r, size_t stride,
                           double *gradient, size_t ld);
void skimpi_sparse_squares(const skimpi_chunk *chunk, const double *d, double *sums);
/* All products with a code or CSR feature in them. scratch: see skimpi_gram_scratch_bytes. */
void skimpi_sparse_gram(const skimpi_chunk *chunk, const double *d, const double *centre, double *gram, size_t ld,
                        void *scratch);

#endif
