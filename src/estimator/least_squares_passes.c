/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a pass of least squares sums over chunks.
 *
 * Moments.  The target and a column of ones are set beside the dense columns, so that one Gram matrix of p + 2 columns,
 * in double, holds all of
 *
 *     Σ s (x_a - c_a)(x_b - c_b),   Σ s (x_a - c_a)(y - c_y),   Σ s (y - c_y)²,   Σ s (x_a - c_a),   Σ s
 *
 * The centre c is the mean of the first chunk of the lane (dense columns; sparse features are not shifted), near enough
 * to the column's mean that nothing is lost to offsets.  Lanes are merged as means and co-moments (Chan, Golub &
 * LeVeque 1983, eq. 2.1):  M = M_a + M_b + n_a n_b / (n_a + n_b) δ δᵀ.
 *
 * Residual and product.  Dense columns are centred before anything is multiplied by them: with x = 1e9 + u, x·w and Σ r
 * x have no digits left for u.  A chunk is therefore gone through in tiles of rows, whose dense columns are centred
 * copies.  The caller's rows are centred as they are read, value by value in registers.
 */
#include <math.h>
#include <string.h>

#include "estimator/least_squares.h"
#include "estimator/row_view.h"
#include "kernel/kernel.h"

/* ---- layout ------------------------------------------------------------------------------------------------------ */

static uint64_t round_64(uint64_t n)
{
    return skimpi_add_sat(n, 63) / 64 * 64;
}

static uint64_t doubles(uint64_t n)
{
    return round_64(skimpi_mul_sat(n, sizeof(double)));
}

uint64_t least_squares_lane_bytes(const least_squares_shape *shape)
{
    uint64_t p = shape->n_features, header = round_64(sizeof(least_squares_lane));
    uint64_t wide = skimpi_mul_sat(3, doubles(p));
    uint64_t arrays = wide;
    if (shape->narrow) {
        uint64_t moments = skimpi_add_sat(doubles(p + 2), doubles(skimpi_mul_sat(p + 2, p + 2)));
        arrays = skimpi_max_u64(moments, wide);
    }
    return skimpi_add_sat(header, skimpi_add_sat(arrays, round_64(p)));
}

double *least_squares_lane_array(const least_squares_shape *shape, const void *lane, unsigned which, bool moments)
{
    char *base = (char *)(uintptr_t)lane + round_64(sizeof(least_squares_lane));
    return (double *)(void *)(base + which * doubles(moments ? shape->n_features + 2 : shape->n_features));
}

uint8_t *least_squares_lane_marks(const least_squares_shape *shape, const void *lane, bool moments)
{
    uint64_t p = shape->n_features;
    if (moments) {
        return (uint8_t *)(void *)((char *)least_squares_lane_array(shape, lane, 1, true) + doubles((p + 2) * (p + 2)));
    }
    return (uint8_t *)(void *)least_squares_lane_array(shape, lane, 3, false);
}

uint64_t least_squares_point_bytes(const least_squares_shape *shape)
{
    return skimpi_add_sat(round_64(sizeof(least_squares_point)), skimpi_mul_sat(2, doubles(shape->n_features)));
}

static const double *point_array(const least_squares_shape *shape, const void *parameters, unsigned which)
{
    return (const double *)(const void *)((const char *)parameters + round_64(sizeof(least_squares_point)) +
                                          which * doubles(shape->n_features));
}

/*
 * A worker's scratch: descriptors of a tile's columns, two or three columns of rows, and either Gram scratch or a tile.
 */
typedef struct scratch {
    skimpi_dense_column *columns;   /* n_dense + 2 */
    skimpi_code_column *codes;      /* n_code_columns */
    double *target, *ones, *margin; /* tile_rows */
    void *gram;                     /* skimpi_gram_scratch_bytes, or n_dense × tile_rows doubles (rows need none) */
} scratch;

static uint64_t lay_out(const least_squares_shape *shape, void *block, scratch *s)
{
    uint64_t at = 0, p = shape->n_features;
    char *base = block;
    uint64_t sizes[6] = {
        shape->has_rows ? 0 : round_64(skimpi_mul_sat(shape->n_dense + 2, sizeof(skimpi_dense_column))),
        round_64(skimpi_mul_sat(shape->n_code_columns, sizeof(skimpi_code_column))),
        doubles(shape->tile_rows),
        doubles(shape->tile_rows),
        doubles(shape->tile_rows),
        skimpi_max_u64(shape->narrow ? skimpi_gram_scratch_bytes(shape->n_dense + 2, p + 2) : 0,
                       shape->has_rows ? 0 : doubles(skimpi_mul_sat(shape->n_dense, shape->tile_rows))),
    };
    void *places[6] = { NULL };
    for (unsigned i = 0; i < 6; i++) {
        places[i] = base == NULL ? NULL : base + at;
        at = skimpi_add_sat(at, round_64(sizes[i]));
    }
    if (s != NULL) {
        *s = (scratch){ places[0], places[1], places[2], places[3], places[4], places[5] };
    }
    return at;
}

uint64_t least_squares_worker_bytes(const least_squares_shape *shape)
{
    return lay_out(shape, NULL, NULL);
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* Replaces the dense columns of a tile by centred copies in double. */
static void centre_tile(const least_squares_shape *shape, skimpi_chunk *tile, const double *centre, double *copies)
{
    for (uint32_t j = 0; j < tile->n_dense; j++) {
        skimpi_dense_column *column = &tile->dense[j];
        double c = centre[column->feature], *copy = copies + (size_t)j * shape->tile_rows;
        if (column->f32 != NULL) {
            for (uint32_t i = 0; i < tile->n_rows; i++) {
                copy[i] = (double)column->f32[i] - c;
            }
        } else {
            for (uint32_t i = 0; i < tile->n_rows; i++) {
                copy[i] = column->f64[i] - c;
            }
        }
        column->f32 = NULL;
        column->f64 = copy;
    }
}

static void fill(double *x, uint32_t n, double value)
{
    for (uint32_t i = 0; i < n; i++) {
        x[i] = value;
    }
}

/* Margins of a tile whose columns are centred (rows: as they are read). */
static void tile_margins(const least_squares_shape *shape, const skimpi_chunk *tile, const double *centre,
                         const double *at, const double *intercept, double *out)
{
    const skimpi_kernels *kernels = skimpi_kernels_get();
    if (tile->rows.values != NULL) {
        kernels->row_margins(&tile->rows, tile->n_rows, centre, 1, at, shape->n_features, NULL, out, shape->tile_rows);
    } else {
        kernels->margins(tile, 1, at, shape->n_features, intercept, out, shape->tile_rows);
    }
}

static void tile_scatter(const least_squares_shape *shape, const skimpi_chunk *tile, const double *centre,
                         const double *r, double *gradient)
{
    const skimpi_kernels *kernels = skimpi_kernels_get();
    if (tile->rows.values != NULL) {
        kernels->row_scatter(&tile->rows, tile->n_rows, centre, 1, r, shape->tile_rows, gradient, shape->n_features);
    } else {
        kernels->scatter(tile, 1, r, shape->tile_rows, gradient, shape->n_features);
    }
}

/* The lane's centre: the first chunk's mean of each dense column (and of the target), and which features are dense. */
static void set_centre(const least_squares_shape *shape, const skimpi_chunk *chunk, double *centre, uint8_t *marks,
                       double *target_centre)
{
    const skimpi_row_block *rows = &chunk->rows;
    if (rows->values != NULL) {
        memset(marks + rows->feature, rows->is_f32 ? LEAST_SQUARES_FLOATS : 1, rows->n_columns);
    }
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        marks[chunk->dense[j].feature] = chunk->dense[j].f32 != NULL ? LEAST_SQUARES_FLOATS : 1;
    }
    if (!shape->fit_intercept) {
        return;
    }
    double inverse = 1 / (double)chunk->n_rows;
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        const skimpi_dense_column *column = &chunk->dense[j];
        double mean = 0;
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            mean += (column->f32 != NULL ? (double)column->f32[i] : column->f64[i]) * inverse;
        }
        centre[column->feature] = mean;
    }
    for (uint32_t i = 0; i < chunk->n_rows && rows->values != NULL; i++) {
        const skimpi_chunk row = skimpi_row_view(chunk, i, 1, NULL, NULL);
        skimpi_kernels_get()->row_scatter(&row.rows, 1, NULL, 1, &inverse, 1, centre, shape->n_features);
    }
    double mean = 0;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        mean += chunk->target[i] * inverse;
    }
    *target_centre = mean;
}

/* ---- moments (narrow) -------------------------------------------------------------------------------------------- */

static void consume_moments(const least_squares_shape *shape, const skimpi_chunk *chunk, void *lane, const scratch *s)
{
    const skimpi_kernels *kernels = skimpi_kernels_get();
    least_squares_lane *head = lane;
    uint64_t p = shape->n_features;
    double *centre = least_squares_lane_array(shape, lane, 0, true),
           *gram = least_squares_lane_array(shape, lane, 1, true);
    if (head->n_rows == 0) {
        set_centre(shape, chunk, centre, least_squares_lane_marks(shape, lane, true), &centre[p]);
    }
    head->n_rows += (double)chunk->n_rows;
    for (uint32_t first = 0; first < chunk->n_rows; first += shape->tile_rows) {
        uint32_t n = chunk->n_rows - first < shape->tile_rows ? chunk->n_rows - first : shape->tile_rows;
        skimpi_chunk tile = skimpi_row_view(chunk, first, n, s->columns, s->codes);
        memcpy(s->target, tile.target, n * sizeof(double));
        fill(s->ones, n, 1);
        s->columns[tile.n_dense++] = (skimpi_dense_column){ .feature = p, .f64 = s->target };
        s->columns[tile.n_dense++] = (skimpi_dense_column){ .feature = p + 1, .f64 = s->ones };
        kernels->gram(&tile, tile.weight, centre, gram, p + 2, true, s->gram);
    }
}

/*
 * into: sums about its own centre c. from: its mean m and co-moments M replace its sums, so that
 *     Σ s (x - c)(x - c)ᵀ += M + n (m - c)(m - c)ᵀ
 */
static void merge_moments(const least_squares_shape *shape, void *into, const void *from)
{
    uint64_t p = shape->n_features, q = p + 2;
    double *centre = least_squares_lane_array(shape, into, 0, true),
           *gram = least_squares_lane_array(shape, into, 1, true);
    const double *their_centre = least_squares_lane_array(shape, from, 0, true),
                 *theirs = least_squares_lane_array(shape, from, 1, true);
    double n = theirs[(q - 1) * q + q - 1];
    if (n == 0) {
        return;
    }
    const double *sums = theirs + (q - 1) * q;
    for (uint64_t a = 0; a + 1 < q; a++) {
        double shift_a = (their_centre[a] - centre[a]) + sums[a] / n;
        for (uint64_t b = 0; b <= a; b++) {
            double shift_b = (their_centre[b] - centre[b]) + sums[b] / n;
            gram[a * q + b] += (theirs[a * q + b] - sums[a] * (sums[b] / n)) + n * shift_a * shift_b;
        }
        gram[(q - 1) * q + a] += n * shift_a;
    }
    gram[(q - 1) * q + q - 1] += n;
}

/* ---- scales (wide) ----------------------------------------------------------------------------------------------- */

static void consume_scales(const least_squares_shape *shape, const skimpi_chunk *chunk, void *lane, const scratch *s)
{
    const skimpi_kernels *kernels = skimpi_kernels_get();
    least_squares_lane *head = lane;
    double *centre = least_squares_lane_array(shape, lane, 0, false),
           *sums = least_squares_lane_array(shape, lane, 1, false);
    double *squares = least_squares_lane_array(shape, lane, 2, false);
    if (head->n_rows == 0) {
        set_centre(shape, chunk, centre, least_squares_lane_marks(shape, lane, false), &head->target_centre);
    }
    head->n_rows += (double)chunk->n_rows;
    for (uint32_t first = 0; first < chunk->n_rows; first += shape->tile_rows) {
        uint32_t n = chunk->n_rows - first < shape->tile_rows ? chunk->n_rows - first : shape->tile_rows;
        skimpi_chunk tile = skimpi_row_view(chunk, first, n, s->columns, s->codes);
        centre_tile(shape, &tile, centre, s->gram);
        if (tile.weight != NULL) {
            memcpy(s->ones, tile.weight, n * sizeof(double));
        } else {
            fill(s->ones, n, 1);
        }
        if (tile.rows.values != NULL) {
            kernels->row_moments(&tile.rows, n, centre, tile.weight, sums, squares);
        } else {
            kernels->scatter(&tile, 1, s->ones, shape->tile_rows, sums, shape->n_features);
            kernels->squares(&tile, tile.weight, squares);
        }
        double weight = 0, sum = 0, square = 0;
        for (uint32_t i = 0; i < n; i++) {
            double y = tile.target[i] - head->target_centre;
            weight += s->ones[i];
            sum += s->ones[i] * y;
            square += s->ones[i] * y * y;
        }
        head->weight += weight;
        head->target_sum += sum;
        head->target_squares += square;
    }
}

/* One column's sums about `centre` += another's about `their_centre` (merge_moments in one dimension). */
static void merge_column(double centre, double *sum, double *squares, double their_centre, double their_sum,
                         double their_squares, double n)
{
    double shift = (their_centre - centre) + their_sum / n;
    *sum += n * shift;
    *squares += (their_squares - their_sum * (their_sum / n)) + n * shift * shift;
}

static void merge_scales(const least_squares_shape *shape, void *into, const void *from)
{
    least_squares_lane *head = into;
    const least_squares_lane *other = from;
    double *arrays[3];
    const double *theirs[3];
    for (unsigned k = 0; k < 3; k++) {
        arrays[k] = least_squares_lane_array(shape, into, k, false);
        theirs[k] = least_squares_lane_array(shape, from, k, false);
    }
    if (other->weight == 0) {
        return;
    }
    for (uint64_t j = 0; j < shape->n_features; j++) {
        merge_column(arrays[0][j], &arrays[1][j], &arrays[2][j], theirs[0][j], theirs[1][j], theirs[2][j],
                     other->weight);
    }
    merge_column(head->target_centre, &head->target_sum, &head->target_squares, other->target_centre, other->target_sum,
                 other->target_squares, other->weight);
    head->weight += other->weight;
}

/* ---- residual, product ------------------------------------------------------------------------------------------- */

/*
 * RESIDUAL: r = y - y₀ - (x - c)·w,  PRODUCT: r = (x - c)·v;  both add s r (x - c) for dense columns and s r x for
 * sparse features, whose centre is taken off with Σ s r at the end of the pass.
 */
static void consume_point(const least_squares_shape *shape, bool is_product, const void *parameters,
                          const skimpi_chunk *chunk, void *lane, const scratch *s)
{
    const least_squares_point *point = parameters;
    const double *at = point_array(shape, parameters, 0), *centre = point_array(shape, parameters, 1);
    least_squares_lane *head = lane;
    double *gradient = least_squares_lane_array(shape, lane, 0, false);
    double sparse_part = point->centre_dot_point;
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        sparse_part -= centre[chunk->dense[j].feature] * at[chunk->dense[j].feature];
    }
    if (chunk->n_codes == 0 && !chunk->has_csr) {
        sparse_part = 0; /* but for rounding */
    }
    double intercept = -sparse_part;
    for (uint32_t first = 0; first < chunk->n_rows; first += shape->tile_rows) {
        uint32_t n = chunk->n_rows - first < shape->tile_rows ? chunk->n_rows - first : shape->tile_rows;
        skimpi_chunk tile = skimpi_row_view(chunk, first, n, s->columns, s->codes);
        centre_tile(shape, &tile, centre, s->gram);
        tile_margins(shape, &tile, centre, at, &intercept, s->margin);
        double sum = 0, squares = 0;
        for (uint32_t i = 0; i < n; i++) {
            double r = is_product ? s->margin[i] : (tile.target[i] - point->target_centre) - s->margin[i];
            double weighted = tile.weight == NULL ? r : tile.weight[i] * r;
            s->margin[i] = weighted;
            sum += weighted;
            squares += weighted * r;
        }
        head->residual_sum += sum;
        head->residual_squares += squares;
        tile_scatter(shape, &tile, centre, s->margin, gradient);
    }
    head->n_rows += (double)chunk->n_rows;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

void least_squares_consume(const least_squares_shape *shape, int kind, const void *parameters,
                           const skimpi_chunk *chunk, void *lane, void *block)
{
    scratch s;
    lay_out(shape, block, &s);
    if (chunk->n_rows == 0) {
        return;
    }
    switch (kind) {
    case PASS_MOMENTS:
        consume_moments(shape, chunk, lane, &s);
        break;
    case PASS_SCALES:
        consume_scales(shape, chunk, lane, &s);
        break;
    default:
        consume_point(shape, kind == PASS_PRODUCT, parameters, chunk, lane, &s);
        break;
    }
}

void least_squares_merge(const least_squares_shape *shape, int kind, void *into, const void *from)
{
    least_squares_lane *head = into;
    const least_squares_lane *other = from;
    if (other->n_rows == 0) {
        return;
    }
    if (head->n_rows == 0) {
        memcpy(into, from, least_squares_lane_bytes(shape));
        return;
    }
    head->n_rows += other->n_rows;
    if (kind == PASS_MOMENTS) {
        merge_moments(shape, into, from);
        return;
    }
    if (kind == PASS_SCALES) {
        merge_scales(shape, into, from);
        return;
    }
    head->residual_sum += other->residual_sum;
    head->residual_squares += other->residual_squares;
    skimpi_axpy(shape->n_features, 1, least_squares_lane_array(shape, from, 0, false),
                least_squares_lane_array(shape, into, 0, false));
}
