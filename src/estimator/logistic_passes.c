/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a pass of logistic regression sums over chunks.  With r_ik = s_i (p_ik - [y_i = k]) and curvatures
 * D_i,kl = s_i p_ik ([k = l] - p_il)  (two classes: one output, D_i = s_i p_i (1 - p_i)):
 *
 *     moments    Σ s_i x_ij, Σ s_i x_ij²
 *     gradient   G_kj = Σ r_ik x_ij
 *     diagonal   Σ D_i,kk (x_ij - c_j)²
 *     Hessian    Σ D_i,kl (x_ia - c_a)(x_ib - c_b)
 *     product    Σ x_ij Σ_l D_i,kl (x_i · v_l + v_l,0)
 *
 * A chunk is gone through in tiles of tile_rows rows, so that the margins of a thousand classes need little room and a tile
 * of narrow data stays in the cache.  The tile's height follows from the shape alone, and so do the sums.
 */
#include <string.h>

#include "estimator/logistic.h"

uint32_t skimpi_logistic_tile_rows(uint64_t n_outputs)
{
    return (uint32_t)skimpi_min_u64(skimpi_max_u64(65536 / n_outputs / 16 * 16, 64), 4096);
}

uint64_t skimpi_logistic_lay_out(const logistic_shape *shape, void *block, logistic_scratch *s)
{
    uint64_t at = 0, k = shape->n_outputs, rows = shape->tile_rows;
    char *base = block;
    logistic_scratch unused;
    s = s != NULL ? s : &unused;
#define PLACE(field, count, size)                                                                                      \
    do {                                                                                                               \
        s->field = base != NULL ? (void *)(base + at) : NULL;                                                          \
        at = skimpi_add_sat(at, skimpi_add_sat(skimpi_mul_sat(count, size), 63)) / 64 * 64;                            \
    } while (0)
    PLACE(dense, shape->n_dense, sizeof(skimpi_dense_column));
    PLACE(codes, shape->n_code_columns, sizeof(skimpi_code_column));
    /* Products have a direction's margins too; Newton asks for none, nor does a prediction. */
    PLACE(margins, skimpi_mul_sat(shape->solver == &skimpi_solver_quasi ? 2 * k : k, rows), sizeof(double));
    PLACE(first, skimpi_mul_sat(k, rows), sizeof(double));
    PLACE(second, skimpi_mul_sat(k, rows), sizeof(double));
    PLACE(row, rows, sizeof(double));
    PLACE(inner_dense, shape->border > 0 ? shape->n_dense : 0, sizeof(skimpi_dense_column));
    PLACE(inner_codes, shape->border > 0 ? shape->n_code_columns : 0, sizeof(skimpi_code_column));
    PLACE(gram,
          shape->solver == &skimpi_solver_newton ? skimpi_gram_scratch_bytes(shape->n_dense, shape->p - shape->border)
                                                 : 0,
          1);
#undef PLACE
    return at;
}

bool skimpi_logistic_tile(const logistic *self, const skimpi_chunk *chunk, uint32_t first, const logistic_scratch *s,
                          skimpi_chunk *tile)
{
    if (first >= chunk->n_rows) {
        return false;
    }
    uint32_t n = (uint32_t)skimpi_min_u64(chunk->n_rows - first, self->shape.tile_rows);
    *tile = skimpi_row_view(chunk, first, n, s->dense, s->codes);
    return true;
}

/* In one fixed order, with eight sums side by side. */
static double sum_of(size_t n, const double *x)
{
    double s[8] = { 0 };
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t k = 0; k < 8; k++) {
            s[k] += x[i + k];
        }
    }
    for (; i < n; i++) {
        s[i % 8] += x[i];
    }
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

/* sums[j] += Σ d_i (x_ij - c_j)² */
static void centred_squares(const logistic *self, const skimpi_chunk *tile, const double *d, double *sums)
{
    skimpi_chunk rest = *tile;
    if (self->has_centres && tile->rows.values != NULL) {
        self->kernels->row_moments(&tile->rows, tile->n_rows, self->centre, d, NULL, sums);
        return;
    }
    if (self->has_centres) {
        rest.n_dense = 0;
        for (uint32_t j = 0; j < tile->n_dense; j++) {
            const skimpi_dense_column *column = &tile->dense[j];
            double c = self->centre[column->feature], sum = 0.0;
            for (uint32_t i = 0; i < tile->n_rows; i++) {
                double x = (column->f32 != NULL ? (double)column->f32[i] : column->f64[i]) - c;
                sum += d[i] * x * x;
            }
            sums[column->feature] += sum;
        }
    }
    self->kernels->squares(&rest, d, sums);
}

/* Sums, and squares where the Hessian or the diagonal would begin. */
static void add_moments(const logistic *self, const skimpi_chunk *tile, const logistic_scratch *s, double *sums)
{
    const double *ones = tile->weight;
    if (ones == NULL) {
        for (uint32_t i = 0; i < tile->n_rows; i++) {
            s->row[i] = 1.0;
        }
        ones = s->row;
    }
    skimpi_chunk dense = *tile;
    dense.n_codes = 0;
    dense.has_csr = false;
    self->kernels->scatter(&dense, 1, ones, self->shape.tile_rows, sums, self->shape.p);
    self->kernels->squares(&dense, tile->weight, sums + self->shape.n_outputs * (self->shape.p + 1));
}

/* Curvatures D_i,kl of a pair of outputs from the probabilities. */
static void pair_curvature(const skimpi_chunk *tile, const double *pk, const double *pl, bool same, double *out)
{
    for (uint32_t i = 0; i < tile->n_rows; i++) {
        double d = same ? pk[i] * (1.0 - pk[i]) : -pk[i] * pl[i];
        out[i] = tile->weight != NULL ? tile->weight[i] * d : d;
    }
}

/* The tile without the border's column; that column in *column. */
static void inner_view(const logistic_shape *shape, const skimpi_chunk *tile, const logistic_scratch *s,
                       skimpi_chunk *out, const skimpi_code_column **column)
{
    *out = *tile;
    out->n_codes = 0;
    out->dense = s->inner_dense;
    out->codes = s->inner_codes;
    for (uint32_t j = 0; j < tile->n_dense; j++) {
        s->inner_dense[j] = tile->dense[j];
        s->inner_dense[j].feature = skimpi_logistic_inner(shape, tile->dense[j].feature);
    }
    for (uint32_t j = 0; j < tile->n_codes; j++) {
        if (tile->codes[j].feature == shape->border_first) {
            *column = &tile->codes[j];
        } else {
            s->inner_codes[out->n_codes] = tile->codes[j];
            s->inner_codes[out->n_codes++].feature = skimpi_logistic_inner(shape, tile->codes[j].feature);
        }
    }
}

/* The border's diagonal, and its rows against the inner features and the intercept. */
static void add_border(const logistic *self, const skimpi_chunk *tile, const skimpi_code_column *column,
                       const double *d, double *diagonal, float *border)
{
    const logistic_shape *shape = &self->shape;
    uint64_t m = shape->inner;
    for (uint32_t i = 0; i < tile->n_rows; i++) {
        uint32_t code = column->codes[i];
        if (code >= column->n_codes) {
            continue;
        }
        float *row = border + code * m, weight = (float)d[i];
        diagonal[code] += d[i];
        for (uint32_t j = 0; j < tile->n_dense; j++) {
            const skimpi_dense_column *dense = &tile->dense[j];
            double x = dense->f32 != NULL ? (double)dense->f32[i] : dense->f64[i];
            row[dense->feature] += (float)(d[i] * (self->has_centres ? x - self->inner_centre[dense->feature] : x));
        }
        for (uint32_t j = 0; j < tile->n_codes; j++) {
            uint32_t other = tile->codes[j].codes[i];
            if (other < tile->codes[j].n_codes) {
                row[tile->codes[j].feature + other] += weight;
            }
        }
        if (shape->has_intercept) {
            row[m - 1] += weight;
        }
    }
}

/* Hessian of one pair of outputs, k ≥ l: its lower triangle, the intercept's rows and corner. */
static void add_pair(const logistic *self, const logistic_pass *parameters, const skimpi_chunk *tile, uint64_t k,
                     uint64_t l, const double *d, const logistic_scratch *s, double *hessian)
{
    const logistic_shape *shape = &self->shape;
    uint64_t p = shape->p - shape->border, n = shape->inner, first = shape->n_outputs * p;
    self->kernels->gram(tile, d, self->has_centres ? self->inner_centre : NULL, hessian + k * p * n + l * p, n,
                        parameters->exact != 0, s->gram);
    if (shape->has_intercept) {
        self->kernels->scatter(tile, 1, d, shape->tile_rows, hessian + (first + k) * n + l * p, p);
        hessian[(first + k) * n + first + l] += sum_of(tile->n_rows, d);
    }
}

static void add_hessian(const logistic *self, const logistic_pass *parameters, const skimpi_chunk *tile,
                        const logistic_scratch *s, double *hessian)
{
    uint64_t stride = self->shape.tile_rows;
    if (self->shape.border > 0) {
        skimpi_chunk inner;
        const skimpi_code_column *column = NULL;
        inner_view(&self->shape, tile, s, &inner, &column);
        add_pair(self, parameters, &inner, 0, 0, s->second, s, hessian);
        double *diagonal = hessian + self->shape.inner * self->shape.inner;
        if (column != NULL) {
            add_border(self, &inner, column, s->second, diagonal, (float *)(diagonal + self->shape.border));
        }
        return;
    }
    if (self->shape.n_outputs == 1) {
        add_pair(self, parameters, tile, 0, 0, s->second, s, hessian);
        return;
    }
    for (uint64_t k = 0; k < self->shape.n_outputs; k++) {
        for (uint64_t l = 0; l <= k; l++) {
            pair_curvature(tile, s->second + k * stride, s->second + l * stride, k == l, s->row);
            add_pair(self, parameters, tile, k, l, s->row, s, hessian);
        }
    }
}

static void add_diagonal(const logistic *self, const skimpi_chunk *tile, const logistic_scratch *s, double *sums)
{
    const logistic_shape *shape = &self->shape;
    uint64_t stride = shape->tile_rows;
    for (uint64_t k = 0; k < shape->n_outputs; k++) {
        const double *d = s->second;
        if (shape->n_outputs > 1) {
            pair_curvature(tile, s->second + k * stride, NULL, true, s->row);
            d = s->row;
        }
        centred_squares(self, tile, d, sums + k * shape->p);
        sums[shape->n_outputs * shape->p + k] += sum_of(tile->n_rows, d);
    }
}

/* What a product scatters: Σ_l D_i,kl q_il, from the direction's margins q. */
static void times_curvature(const logistic_shape *shape, const skimpi_chunk *tile, const double *q,
                            const logistic_scratch *s)
{
    uint64_t stride = shape->tile_rows;
    if (shape->n_outputs == 1) {
        for (uint32_t i = 0; i < tile->n_rows; i++) {
            s->first[i] = s->second[i] * q[i];
        }
        return;
    }
    memset(s->row, 0, tile->n_rows * sizeof(double));
    for (uint64_t k = 0; k < shape->n_outputs; k++) {
        for (uint32_t i = 0; i < tile->n_rows; i++) {
            s->row[i] += s->second[k * stride + i] * q[k * stride + i];
        }
    }
    for (uint64_t k = 0; k < shape->n_outputs; k++) {
        for (uint32_t i = 0; i < tile->n_rows; i++) {
            double product = s->second[k * stride + i] * (q[k * stride + i] - s->row[i]);
            s->first[k * stride + i] = tile->weight != NULL ? tile->weight[i] * product : product;
        }
    }
}

static void add_tile(const logistic *self, const logistic_pass *parameters, const skimpi_chunk *tile,
                     const logistic_scratch *s, logistic_lane *lane)
{
    const logistic_shape *shape = &self->shape;
    uint64_t k = shape->n_outputs, p = shape->p, m = k * (p + 1), stride = shape->tile_rows;
    lane->rows += tile->n_rows;
    lane->weight += tile->weight != NULL ? sum_of(tile->n_rows, tile->weight) : tile->n_rows;
    if (parameters->kind == LOGISTIC_MOMENTS) {
        add_moments(self, tile, s, lane->sums);
        return;
    }
    const double *coef = parameters->values, *intercept = coef + parameters->n_rows * p;
    self->kernels->margins(tile, parameters->n_rows, coef, p, intercept, s->margins, stride);
    bool is_product = parameters->kind == LOGISTIC_PRODUCT;
    bool is_hessian = parameters->kind == LOGISTIC_HESSIAN;
    double *first = is_product ? NULL : s->first;
    double *second = is_product || is_hessian || parameters->with_diagonal ? s->second : NULL;
    if (k == 1) {
        lane->value += self->loss->evaluate(tile->n_rows, tile->target, tile->weight, s->margins, 0.0, first, second);
    } else {
        lane->value += skimpi_multinomial_evaluate(tile->n_rows, shape->n_classes, tile->target, tile->weight,
                                                   s->margins, stride, first, second);
    }
    if (is_product) {
        times_curvature(shape, tile, s->margins + k * stride, s);
    }
    self->kernels->scatter(tile, (unsigned)k, s->first, stride, lane->sums, p);
    for (uint64_t l = 0; l < k; l++) {
        lane->sums[k * p + l] += sum_of(tile->n_rows, s->first + l * stride);
    }
    if (is_hessian) {
        add_hessian(self, parameters, tile, s, lane->sums + m);
    } else if (parameters->with_diagonal) {
        add_diagonal(self, tile, s, lane->sums + m);
    }
}

skimp_status skimpi_logistic_consume(const void *self_, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                                     void *worker_scratch, skimp_error *error)
{
    (void)error;
    const logistic *self = self_;
    logistic_scratch s;
    skimpi_logistic_lay_out(&self->shape, worker_scratch, &s);
    skimpi_chunk tile;
    for (uint32_t first = 0; skimpi_logistic_tile(self, chunk, first, &s, &tile); first += tile.n_rows) {
        add_tile(self, pass->parameters, &tile, &s, lane);
    }
    return SKIMP_OK;
}

void skimpi_logistic_merge(const void *self_, const skimpi_pass *pass, void *into_, const void *from_)
{
    const logistic *self = self_;
    const logistic_pass *parameters = pass->parameters;
    logistic_lane *into = into_;
    const logistic_lane *from = from_;
    uint64_t m = self->shape.n_outputs * (self->shape.p + 1), n = m;
    if (parameters->kind == LOGISTIC_HESSIAN) {
        n += self->shape.inner * self->shape.inner + self->shape.border;
    } else if (parameters->kind == LOGISTIC_MOMENTS) {
        n += self->shape.p;
    } else if (parameters->with_diagonal) {
        n += m;
    }
    into->value += from->value;
    into->weight += from->weight;
    into->rows += from->rows;
    skimpi_axpy(n, 1.0, from->sums, into->sums);
    const float *more = (const float *)(from->sums + n);
    float *border = (float *)(into->sums + n);
    for (uint64_t i = 0; parameters->kind == LOGISTIC_HESSIAN && i < self->shape.border * self->shape.inner; i++) {
        border[i] += more[i];
    }
}
