/* SPDX-License-Identifier: BSD-3-Clause */
/* Some rows of a chunk, seen as a chunk (see row_view.h). */
#include "estimator/row_view.h"

skimpi_chunk skimpi_row_view(const skimpi_chunk *chunk, uint32_t first, uint32_t n, skimpi_dense_column *dense,
                             skimpi_code_column *codes)
{
    skimpi_chunk view = *chunk;
    view.first_row += first;
    view.n_rows = n;
    view.dense = dense;
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        dense[j] = chunk->dense[j];
        dense[j].f32 = chunk->dense[j].f32 != NULL ? chunk->dense[j].f32 + first : NULL;
        dense[j].f64 = chunk->dense[j].f64 != NULL ? chunk->dense[j].f64 + first : NULL;
    }
    view.codes = codes;
    for (uint32_t j = 0; j < chunk->n_codes; j++) {
        codes[j] = chunk->codes[j];
        codes[j].codes += first;
    }
    if (chunk->has_csr) {
        view.csr.indptr += first;
    }
    if (chunk->rows.values != NULL) {
        view.rows.values += (int64_t)first * chunk->rows.stride;
    }
    view.target = chunk->target != NULL ? chunk->target + first : NULL;
    view.weight = chunk->weight != NULL ? chunk->weight + first : NULL;
    view.row_state = view.spare = NULL;
    return view;
}
