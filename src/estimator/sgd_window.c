/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The order in which SGD visits rows: shuffled at two levels (Xu et al., "In-database machine learning with CorgiPile",
 * SIGMOD'22), so that a file sorted by its target is as good as any other.
 *
 * The engine visits chunks in a random order and gives a window of them.  Here the window is cut into strips of
 * STRIP_ROWS neighbouring rows (what one cache line of a column holds); strips are taken in random order, some at a time
 * into a tile, and the tile's rows are visited in random order.  Dense values are centred, scaled and laid out by row in
 * the tile; CSR entries are read where they are.
 */
#include <math.h>
#include <string.h>

#include "estimator/sgd_fit.h"

#define STRIP_ROWS 16
#define AHEAD 3 /* rows: the entries of a row this far ahead are fetched */

typedef struct strip {
    uint32_t chunk, first;
} strip;

typedef struct tile {
    strip *strips; /* of the window */
    uint32_t *at;  /* tile rows: chunk of each */
    uint32_t *row; /* and its row there */
    uint32_t *order;
    uint32_t *n_fixed; /* entries of fixed scale */
    uint32_t *index;   /* tile rows × width */
    float *value;
    uint32_t width;
} tile;

static uint64_t strips_of(uint32_t rows)
{
    return ((uint64_t)rows + STRIP_ROWS - 1) / STRIP_ROWS;
}

/* Offsets of a tile's arrays in the fit's scratch. */
typedef struct tile_layout {
    uint64_t at, row, order, n_fixed, index, value, bytes;
} tile_layout;

static tile_layout lay_out(const skimpi_sgd_plan *plan, uint64_t n_strips)
{
    uint64_t width = plan->n_dense + plan->n_code_columns, rows = plan->tile_rows;
    tile_layout l;
    l.at = skimpi_round_up(n_strips * sizeof(strip), 64);
    l.row = l.at + rows * sizeof(uint32_t);
    l.order = l.row + rows * sizeof(uint32_t);
    l.n_fixed = l.order + rows * sizeof(uint32_t);
    l.index = l.n_fixed + rows * sizeof(uint32_t);
    l.value = l.index + rows * width * sizeof(uint32_t);
    l.bytes = l.value + rows * width * sizeof(float);
    return l;
}

static tile open_tile(const skimpi_sgd_plan *plan, uint64_t n_strips, void *scratch)
{
    tile_layout l = lay_out(plan, n_strips);
    char *base = scratch;
    return (tile){
        .strips = scratch,
        .at = (uint32_t *)(void *)(base + l.at),
        .row = (uint32_t *)(void *)(base + l.row),
        .order = (uint32_t *)(void *)(base + l.order),
        .n_fixed = (uint32_t *)(void *)(base + l.n_fixed),
        .index = (uint32_t *)(void *)(base + l.index),
        .value = (float *)(void *)(base + l.value),
        .width = (uint32_t)(plan->n_dense + plan->n_code_columns),
    };
}

uint64_t skimpi_sgd_window_bytes(const skimpi_sgd_plan *plan, uint32_t chunk_rows, unsigned window)
{
    return lay_out(plan, strips_of(chunk_rows) * window).bytes;
}

/* What the first chunk tells: which features the columns are. */
static void learn_layout(skimpi_sgd_fit *fit, const skimpi_chunk *chunk)
{
    if (fit->progress.has_layout) {
        return;
    }
    if (fit->start.coef != NULL) {
        skimpi_sgd_start_scales(fit, chunk);
    }
    for (uint32_t c = 0; c < chunk->n_dense; c++) {
        fit->columns[c].feature = chunk->dense[c].feature;
        skimpi_sgd_fix(fit->solver, chunk->dense[c].feature, fit->columns[c].scale);
    }
    for (uint32_t c = 0; c < chunk->n_codes; c++) {
        for (uint32_t code = 0; code < chunk->codes[c].n_codes; code++) {
            skimpi_sgd_fix(fit->solver, chunk->codes[c].feature + code, 1);
        }
    }
    if (fit->start.coef != NULL) {
        skimpi_sgd_start_weights(fit);
    }
    fit->progress.has_layout = 1;
}

static uint64_t cut(const skimpi_chunk *const *chunks, unsigned n_chunks, strip *strips)
{
    uint64_t n = 0;
    for (unsigned c = 0; c < n_chunks; c++) {
        for (uint32_t first = 0; first < chunks[c]->n_rows; first += STRIP_ROWS) {
            strips[n++] = (strip){ c, first };
        }
    }
    return n;
}

static void shuffle_strips(skimpi_random *random, uint64_t n, strip *strips)
{
    for (uint64_t i = n; i > 1; i--) {
        uint64_t j = skimpi_random_below(random, i);
        strip kept = strips[i - 1];
        strips[i - 1] = strips[j];
        strips[j] = kept;
    }
}

/* The rows of a strip, at the end of the tile: `filled` rows are there. Returns how many there are then. */
static uint32_t gather(const skimpi_sgd_fit *fit, const skimpi_chunk *chunk, const strip *s, tile *t, uint32_t filled)
{
    uint32_t n = chunk->n_rows - s->first < STRIP_ROWS ? chunk->n_rows - s->first : STRIP_ROWS;
    size_t width = t->width;
    for (uint32_t i = 0; i < n; i++) {
        t->at[filled + i] = s->chunk;
        t->row[filled + i] = s->first + i;
        t->n_fixed[filled + i] = chunk->n_dense;
    }
    for (uint32_t c = 0; c < chunk->n_dense; c++) {
        const skimpi_sgd_column *column = &fit->columns[c];
        double inverse = column->scale > 0 ? 1 / column->scale : 0;
        for (uint32_t i = 0; i < n; i++) {
            double x = chunk->dense[c].f32 != NULL ? (double)chunk->dense[c].f32[s->first + i]
                                                   : chunk->dense[c].f64[s->first + i];
            t->index[(filled + i) * width + c] = (uint32_t)column->feature;
            /* A constant column's values are zeros even where its mean was rounded; 1 / scale may not be finite. */
            t->value[(filled + i) * width + c] =
                column->scale > 0
                    ? (float)(isinf(inverse) ? (x - column->mean) / column->scale : (x - column->mean) * inverse)
                    : 0;
        }
    }
    for (uint32_t c = 0; c < chunk->n_codes; c++) {
        const skimpi_code_column *column = &chunk->codes[c];
        for (uint32_t i = 0; i < n; i++) {
            uint32_t code = column->codes[s->first + i];
            if (code < column->n_codes) {
                size_t at = (filled + i) * width + t->n_fixed[filled + i]++;
                t->index[at] = (uint32_t)(column->feature + code);
                t->value[at] = 1;
            }
        }
    }
    return filled + n;
}

static void fetch(const skimpi_csr_block *csr, uint32_t row)
{
    uint32_t start = csr->indptr[row], n = csr->indptr[row + 1] - start;
    n = n < 128 ? n : 128;
    for (uint32_t i = 0; i < n; i += 16) {
        if (csr->indices != NULL) {
            __builtin_prefetch(csr->indices + start + i);
        }
        if (csr->f32 != NULL) {
            __builtin_prefetch(csr->f32 + start + i);
        }
    }
}

static void visit(skimpi_sgd_fit *fit, const skimpi_chunk *const *chunks, const tile *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = t->order[i], row = t->row[at];
        const skimpi_chunk *chunk = chunks[t->at[at]];
        if (i + AHEAD < n && chunk->has_csr) {
            uint32_t next = t->order[i + AHEAD];
            fetch(&chunks[t->at[next]]->csr, t->row[next]);
        }
        if (skimpi_sgd_is_validation(&fit->plan, chunk->first_row + row)) {
            continue;
        }
        skimpi_sgd_row r = {
            .fixed_index = t->index + (size_t)at * t->width,
            .fixed_value = t->value + (size_t)at * t->width,
            .n_fixed = t->n_fixed[at],
            .target = chunk->target[row],
            .weight = chunk->weight != NULL ? chunk->weight[row] : 1,
        };
        if (chunk->has_csr) {
            const skimpi_csr_block *csr = &chunk->csr;
            uint32_t start = csr->indptr[row];
            r.n_csr = csr->indptr[row + 1] - start;
            r.csr_base = csr->feature;
            r.index = csr->indices != NULL ? csr->indices + start : NULL;
            r.index64 = csr->indices64 != NULL ? csr->indices64 + start : NULL;
            r.f32 = csr->f32 != NULL ? csr->f32 + start : NULL;
            r.f64 = csr->f64 != NULL ? csr->f64 + start : NULL;
        }
        skimpi_sgd_step(fit->solver, &r);
    }
}

skimp_status skimpi_sgd_consume_window(void *self, const skimpi_pass *pass, const skimpi_chunk *const *chunks,
                                       unsigned n_chunks, void *worker_scratch, skimp_error *error)
{
    (void)worker_scratch, (void)error; /* one at a time: the scratch is the fit's own, not one for each worker */
    skimpi_sgd_fit *fit = self;
    uint64_t most = 0;
    for (unsigned c = 0; c < n_chunks; c++) {
        most += strips_of(chunks[c]->n_rows);
    }
    tile t = open_tile(&fit->plan, most, fit->window);
    learn_layout(fit, chunks[0]);
    uint64_t n_strips = cut(chunks, n_chunks, t.strips);
    skimpi_random random;
    skimpi_random_seed(&random, pass->shuffle_seed ^ skimpi_mix64(chunks[0]->index));
    if (pass->shuffle) {
        shuffle_strips(&random, n_strips, t.strips);
    }
    for (uint64_t s = 0; s < n_strips;) {
        uint32_t filled = 0;
        while (s < n_strips && filled + STRIP_ROWS <= fit->plan.tile_rows) {
            filled = gather(fit, chunks[t.strips[s].chunk], &t.strips[s], &t, filled);
            s++;
        }
        for (uint32_t i = 0; i < filled; i++) {
            uint32_t j = pass->shuffle ? (uint32_t)skimpi_random_below(&random, i + 1) : i;
            t.order[i] = t.order[j];
            t.order[j] = i;
        }
        visit(fit, chunks, &t, filled);
    }
    return SKIMP_OK;
}
