/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Estimators that keep row state, for tests alone: a registry that holds them in place of the library's, data for them,
 * and what they must compute, in plain C over all rows at once.  After cmocka.h and job_data.h.
 *
 * stagewise_regressor (lanes): least squares by stages.  Row i keeps its score sᵢ.  Stage t takes feature j = t mod d and
 * steps by b = ½ Σ xᵢⱼ (yᵢ - sᵢ) / Σ xᵢⱼ², rounded to 1/64; the next pass adds b xᵢⱼ to the scores.  Data, steps and scores
 * are multiples of powers of two, so that every sum is exact, and the same in any order: any chunks give the same bits.
 * stagewise_step is the same as a step.
 *
 * dual_regressor (windows): ridge by dual coordinate ascent (Shalev-Shwartz & Zhang, JMLR 2013, for squared loss).  Row i
 * keeps αᵢ, and w = Σ αᵢ xᵢ / λ; a visit adds δ = (yᵢ - w·xᵢ - αᵢ) / (1 + |xᵢ|² / λ) to αᵢ.  At the end a pass over
 * lanes adds up Σ αᵢ xᵢ / λ afresh: `again_`, which is `w_` but for rounding if no αᵢ was lost.
 *
 * All count the visits of each row in its state, and refuse a state that is not of the pass before.
 */
#ifndef SKIMP_TEST_ROW_STATE_CLASSES_H
#define SKIMP_TEST_ROW_STATE_CLASSES_H

#define COLUMNS 3
#define ROUNDS 6
#define LAMBDA 20000.0

typedef struct kept_row { /* and `pad` bytes after it, which are all `visits` */
    double value;
    uint64_t visits;
} kept_row;

typedef struct kept_self {
    skimp_budget *budget;
    uint64_t pad, passes, rounds, digest, rows;
    double step, loss, w[COLUMNS], again[COLUMNS];
    bool is_dual, shuffles;
} kept_self;

typedef struct kept_lane {
    double products, squares, loss, sums[COLUMNS];
    uint64_t digest, rows;
} kept_lane;

/* Called at the end of each pass but the first, with how many there were; may do what a test wants to happen then. */
static void (*between_passes)(uint64_t passes);

static double value_at(const skimpi_chunk *chunk, unsigned column, uint32_t row)
{
    const skimpi_dense_column *dense = &chunk->dense[column];
    return dense->f32 != NULL ? (double)dense->f32[row] : dense->f64[row];
}

/* The state of a row, if it is as the pass before left it. */
static kept_row *visit(const kept_self *self, const skimpi_chunk *chunk, uint32_t row)
{
    unsigned char *bytes = (unsigned char *)chunk->row_state + row * (sizeof(kept_row) + self->pad);
    kept_row *kept = (kept_row *)(void *)bytes;
    bool is_whole = kept->visits == self->passes;
    for (uint64_t i = 0; i < self->pad; i++) {
        is_whole &= bytes[sizeof *kept + i] == (unsigned char)self->passes;
    }
    return is_whole ? kept : NULL;
}

static void mark(const kept_self *self, kept_row *kept)
{
    kept->visits = self->passes + 1;
    memset(kept + 1, (int)(unsigned char)kept->visits, self->pad);
}

static skimp_status refuse(const kept_self *self, const skimpi_chunk *chunk, uint32_t row, skimp_error *error)
{
    return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "pass %u: row %u of chunk %u has the state of another pass",
                       (unsigned)self->passes, (unsigned)row, (unsigned)chunk->index);
}

/* ---- what both have in common -------------------------------------------------------------------------------------- */

static const skimp_param kept_params[] = {
    { .name = "rounds", .type = SKIMP_PARAM_INT, .default_value = "6", .minimum = 1, .maximum = 100, .help = "rounds" },
    { .name = "pad",
      .type = SKIMP_PARAM_INT,
      .default_value = "0",
      .minimum = 0,
      .maximum = 4096,
      .help = "further bytes a row, a multiple of 8" },
    { .name = "shuffle", .type = SKIMP_PARAM_BOOL, .default_value = "false", .help = "chunks in random order" },
    { .name = NULL },
};

static skimp_status kept_plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                              skimp_error *error)
{
    (void)problem, (void)error;
    const double rounds = skimpi_params_number(params, "rounds");
    const bool is_dual = strcmp(skimpi_params_info(params)->name, "dual_regressor") == 0;
    *needs = (skimpi_needs){
        .lanes = 4,
        .lane_bytes = sizeof(kept_lane),
        .state_bytes = skimp_alloc_cost(sizeof(kept_self)),
        .row_state_bytes = sizeof(kept_row) + (uint64_t)skimpi_params_number(params, "pad"),
        .model_bytes = 4 * skimp_alloc_cost(COLUMNS * sizeof(double)),
        .passes_expected = rounds + 2,
        .passes_max = rounds + 2,
        .window = is_dual ? 3 : 0,
    };
    return SKIMP_OK;
}

static skimp_status kept_begin(void **out, skimp_budget *budget, const skimpi_problem *problem,
                               const skimpi_params *params, skimpi_warnings *warnings, skimp_error *error)
{
    (void)problem, (void)warnings;
    skimp_status status = skimp_alloc(budget, SKIMP_TAG_SOLVER, 1, sizeof(kept_self), out, error);
    if (status == SKIMP_OK) {
        kept_self *self = *out;
        self->budget = budget;
        self->rounds = (uint64_t)skimpi_params_number(params, "rounds");
        self->pad = (uint64_t)skimpi_params_number(params, "pad");
        self->shuffles = skimpi_params_number(params, "shuffle") != 0;
        self->is_dual = strcmp(skimpi_params_info(params)->name, "dual_regressor") == 0;
    }
    return status;
}

static void kept_merge(const void *self, const skimpi_pass *pass, void *opaque_into, const void *opaque_from)
{
    (void)self, (void)pass;
    kept_lane *into = opaque_into;
    const kept_lane *from = opaque_from;
    into->products += from->products;
    into->squares += from->squares;
    into->loss += from->loss;
    into->digest += from->digest;
    into->rows += from->rows;
    for (unsigned j = 0; j < COLUMNS; j++) {
        into->sums[j] += from->sums[j];
    }
}

static skimp_status kept_state_save(const void *self, skimpi_buffer *out, skimp_error *error)
{
    return skimpi_buffer_append(out, self, sizeof(kept_self), error);
}

static skimp_status kept_state_load(void *opaque, const void *bytes, size_t n, skimp_error *error)
{
    kept_self *self = opaque;
    skimp_budget *budget = self->budget;
    if (n != sizeof *self) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of %zu bytes", n);
    }
    memcpy(self, bytes, n);
    self->budget = budget;
    return SKIMP_OK;
}

static void kept_result(const void *opaque, skimpi_outcome *outcome)
{
    const kept_self *self = opaque;
    *outcome = (skimpi_outcome){ .objective = self->loss, .n_iter = self->rounds, .converged = true };
}

static skimp_status add_array(skimpi_tensors *tensors, const char *prefix, const char *name, skimpi_dtype dtype,
                              uint64_t n, const void *values, skimp_error *error)
{
    void *data = NULL;
    char full[96];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    skimp_status status = skimpi_tensors_add(tensors, full, dtype, 1, &n, &data, error);
    if (status == SKIMP_OK) {
        memcpy(data, values, n * 8);
    }
    return status;
}

static skimp_status kept_save(const void *opaque, skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const kept_self *self = opaque;
    SKIMPI_TRY(add_array(tensors, prefix, "w_", SKIMPI_F64, COLUMNS, self->w, error));
    SKIMPI_TRY(add_array(tensors, prefix, "again_", SKIMPI_F64, COLUMNS, self->again, error));
    SKIMPI_TRY(add_array(tensors, prefix, "loss_", SKIMPI_F64, 1, &self->loss, error));
    SKIMPI_TRY(add_array(tensors, prefix, "digest_", SKIMPI_U64, 1, &self->digest, error));
out:
    return status;
}

static void kept_destroy(void *opaque)
{
    kept_self *self = opaque;
    if (self != NULL) {
        skimp_free(self->budget, SKIMP_TAG_SOLVER, self, 1, sizeof *self);
    }
}

static unsigned kept_outputs(const void *self, skimpi_predict_kind kind, const char **why)
{
    (void)self;
    *why = "a regressor has no probabilities";
    return kind == SKIMPI_PREDICT_LABEL ? 1 : 0;
}

static skimp_status kept_predict(const void *opaque, skimpi_predict_kind kind, const skimpi_chunk *chunk, double *out,
                                 size_t stride, void *scratch, skimp_error *error)
{
    (void)kind, (void)stride, (void)scratch;
    const kept_self *self = opaque;
    if (chunk->row_state != NULL) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "row state outside of a fit");
    }
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        out[i] = 0;
        for (unsigned j = 0; j < COLUMNS; j++) {
            out[i] += self->w[j] * value_at(chunk, j, i);
        }
    }
    return SKIMP_OK;
}

static uint64_t digest_of(double score, double target)
{
    uint64_t a, b;
    memcpy(&a, &score, sizeof a);
    memcpy(&b, &target, sizeof b);
    return skimpi_mix64(a ^ skimpi_mix64(b));
}

/* ---- stagewise: ROUNDS stages, a pass that adds the last step, a pass that only looks ------------------------------- */

static skimp_status stagewise_next(void *opaque, skimpi_pass *pass, skimp_error *error)
{
    (void)error;
    const kept_self *self = opaque;
    *pass = (skimpi_pass){ .is_done = self->passes == self->rounds + 2 };
    return SKIMP_OK;
}

static skimp_status stagewise_consume(const void *opaque, const skimpi_pass *pass, const skimpi_chunk *chunk,
                                      void *opaque_lane, void *scratch, skimp_error *error)
{
    (void)pass, (void)scratch;
    const kept_self *self = opaque;
    kept_lane *lane = opaque_lane;
    const uint64_t t = self->passes;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        kept_row *kept = visit(self, chunk, i);
        if (kept == NULL) {
            return refuse(self, chunk, i, error);
        }
        if (t > 0 && t <= self->rounds) {
            kept->value += self->step * value_at(chunk, (t - 1) % COLUMNS, i);
        }
        const double residual = chunk->target[i] - kept->value;
        if (t <= self->rounds) {
            mark(self, kept);
            const double x = value_at(chunk, t % COLUMNS, i);
            lane->products += x * residual;
            lane->squares += x * x;
        } else {
            lane->loss += residual * residual;
            lane->digest += digest_of(kept->value, chunk->target[i]);
            lane->rows++;
        }
    }
    return SKIMP_OK;
}

static double stage_step(double products, double squares)
{
    return rint(32 * products / squares) / 64;
}

static skimp_status stagewise_end(void *opaque, const skimpi_pass *pass, const void *opaque_lane, skimp_error *error)
{
    (void)pass, (void)error;
    kept_self *self = opaque;
    const kept_lane *lane = opaque_lane;
    if (self->passes < self->rounds) {
        self->step = stage_step(lane->products, lane->squares);
        self->w[self->passes % COLUMNS] += self->step;
    }
    self->loss = lane->loss;
    self->digest = lane->digest;
    self->rows = lane->rows;
    if (++self->passes > 1 && between_passes != NULL) {
        between_passes(self->passes);
    }
    return SKIMP_OK;
}

static void leave_as_it_is(const void *self, skimpi_chunk *chunk)
{
    (void)self, (void)chunk;
}

#define STAGEWISE                                                                                                      \
    .plan = kept_plan, .begin = kept_begin, .next_pass = stagewise_next, .consume = stagewise_consume,                 \
    .merge = kept_merge, .end_pass = stagewise_end, .state_save = kept_state_save, .state_load = kept_state_load,      \
    .result = kept_result, .save = kept_save, .destroy = kept_destroy

static const skimpi_estimator_class stagewise_regressor = {
    .info = { .name = "stagewise_regressor",
              .class_name = "Stagewise",
              .module = "test",
              .kind = SKIMP_REGRESSOR,
              .help = "least squares by stages",
              .params = kept_params },
    STAGEWISE,
    .outputs = kept_outputs,
    .predict = kept_predict,
};

static const skimpi_estimator_class stagewise_step = {
    .info = { .name = "stagewise_step",
              .class_name = "StagewiseStep",
              .module = "test",
              .kind = SKIMP_TRANSFORMER,
              .help = "least squares by stages",
              .params = kept_params },
    STAGEWISE,
    .transform = leave_as_it_is,
};

/* ---- dual: ROUNDS sequential passes, one that only looks -------------------------------------------------------------- */

static skimp_status dual_next(void *opaque, skimpi_pass *pass, skimp_error *error)
{
    (void)error;
    const kept_self *self = opaque;
    *pass = (skimpi_pass){ .is_done = self->passes == self->rounds + 1,
                           .sequential = self->passes < self->rounds,
                           .shuffle = self->shuffles,
                           .shuffle_seed = self->passes };
    return SKIMP_OK;
}

/* A visit of a row: what αᵢ and w become. */
static void ascend(const double *x, double y, double *alpha, double *w)
{
    double product = 0, square = 0;
    for (unsigned j = 0; j < COLUMNS; j++) {
        product += w[j] * x[j];
        square += x[j] * x[j];
    }
    const double delta = (y - product - *alpha) / (1 + square / LAMBDA);
    *alpha += delta;
    for (unsigned j = 0; j < COLUMNS; j++) {
        w[j] += delta / LAMBDA * x[j];
    }
}

static skimp_status dual_window(void *opaque, const skimpi_pass *pass, const skimpi_chunk *const *chunks,
                                unsigned n_chunks, void *scratch, skimp_error *error)
{
    (void)pass, (void)scratch;
    kept_self *self = opaque;
    for (unsigned c = 0; c < n_chunks; c++) {
        for (uint32_t i = 0; i < chunks[c]->n_rows; i++) {
            kept_row *kept = visit(self, chunks[c], i);
            if (kept == NULL) {
                return refuse(self, chunks[c], i, error);
            }
            const double x[COLUMNS] = { value_at(chunks[c], 0, i), value_at(chunks[c], 1, i),
                                        value_at(chunks[c], 2, i) };
            ascend(x, chunks[c]->target[i], &kept->value, self->w);
            mark(self, kept);
        }
    }
    return SKIMP_OK;
}

static skimp_status dual_consume(const void *opaque, const skimpi_pass *pass, const skimpi_chunk *chunk,
                                 void *opaque_lane, void *scratch, skimp_error *error)
{
    (void)pass, (void)scratch;
    const kept_self *self = opaque;
    kept_lane *lane = opaque_lane;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        const kept_row *kept = visit(self, chunk, i);
        if (kept == NULL) {
            return refuse(self, chunk, i, error);
        }
        for (unsigned j = 0; j < COLUMNS; j++) {
            lane->sums[j] += kept->value * value_at(chunk, j, i) / LAMBDA;
        }
        lane->digest += digest_of(kept->value, chunk->target[i]);
    }
    return SKIMP_OK;
}

static skimp_status dual_end(void *opaque, const skimpi_pass *pass, const void *opaque_lane, skimp_error *error)
{
    (void)error;
    kept_self *self = opaque;
    if (!pass->sequential) {
        const kept_lane *lane = opaque_lane;
        memcpy(self->again, lane->sums, sizeof self->again);
        self->digest = lane->digest;
    }
    if (++self->passes > 1 && between_passes != NULL) {
        between_passes(self->passes);
    }
    return SKIMP_OK;
}

static const skimpi_estimator_class dual_regressor = {
    .info = { .name = "dual_regressor",
              .class_name = "Dual",
              .module = "test",
              .kind = SKIMP_REGRESSOR,
              .help = "ridge by dual coordinate ascent",
              .params = kept_params },
    .plan = kept_plan,
    .begin = kept_begin,
    .next_pass = dual_next,
    .consume = dual_consume,
    .merge = kept_merge,
    .end_pass = dual_end,
    .consume_window = dual_window,
    .state_save = kept_state_save,
    .state_load = kept_state_load,
    .result = kept_result,
    .save = kept_save,
    .destroy = kept_destroy,
    .outputs = kept_outputs,
    .predict = kept_predict,
};

/* ---- the registry of this test: it is linked in place of registry.c --------------------------------------------------- */

static const skimpi_estimator_class *const test_classes[] = { &dual_regressor, &stagewise_regressor, &stagewise_step };
#define TEST_CLASSES (sizeof test_classes / sizeof *test_classes)

const skimpi_estimator_class *skimpi_estimator_class_at(unsigned i)
{
    return i < TEST_CLASSES ? test_classes[i] : NULL;
}

const skimpi_estimator_class *skimpi_estimator_class_find(const char *name)
{
    for (unsigned i = 0; i < TEST_CLASSES; i++) {
        if (strcmp(test_classes[i]->info.name, name) == 0) {
            return test_classes[i];
        }
    }
    return NULL;
}

unsigned skimp_estimator_count(void)
{
    return TEST_CLASSES;
}

const skimp_estimator_info *skimp_estimator_at(unsigned i)
{
    return i < TEST_CLASSES ? &test_classes[i]->info : NULL;
}

const skimp_estimator_info *skimp_estimator_find(const char *name)
{
    const skimpi_estimator_class *class = skimpi_estimator_class_find(name);
    return class != NULL ? &class->info : NULL;
}

/* ---- data --------------------------------------------------------------------------------------------------------------- */

typedef struct kept_data {
    unsigned rows;
    double *x, *y; /* rows × COLUMNS; all multiples of 1/256, at most 8 and 64 in size */
} kept_data;

static kept_data make_data(unsigned rows)
{
    kept_data data = { .rows = rows, .x = malloc(rows * COLUMNS * sizeof(double)), .y = malloc(rows * sizeof(double)) };
    assert_true(data.x != NULL && data.y != NULL);
    skimpi_random random;
    skimpi_random_seed(&random, rows);
    for (unsigned i = 0; i < rows; i++) {
        double y = 3 * (skimpi_random_double(&random) - 0.5);
        for (unsigned j = 0; j < COLUMNS; j++) {
            const double x = floor(4096 * (skimpi_random_double(&random) - 0.5)) / 256;
            data.x[i * COLUMNS + j] = x;
            y += x * (1.7 - j);
        }
        data.y[i] = rint(256 * y) / 256;
    }
    return data;
}

static void free_data(kept_data *data)
{
    free(data->x);
    free(data->y);
}

static void write_csv(const char *name, const kept_data *data)
{
    FILE *file = fopen(in_temporary(name), "w");
    assert_non_null(file);
    fprintf(file, "a,b,c,y\n");
    for (unsigned i = 0; i < data->rows; i++) {
        const double *x = data->x + i * COLUMNS;
        fprintf(file, "%.12g,%.12g,%.12g,%.12g\n", x[0], x[1], x[2], data->y[i]);
    }
    assert_int_equal(fclose(file), 0);
}

/* A kept store with so many rows a chunk. */
static void write_store(const char *name, const kept_data *data, uint32_t chunk_rows)
{
    static const char *const names[] = { "a", "b", "c", "y" };
    skimp_error error = SKIMP_ERROR_INIT;
    const skimp_budget_options budget_options = { .size = sizeof budget_options };
    skimp_budget *budget = NULL;
    skimpi_schema *schema = NULL;
    skimpi_store *store = NULL;
    skimpi_encoder *encoder = NULL;
    skimpi_raw raw;
    assert_ok(skimp_budget_create(&budget, &budget_options, &error));
    assert_ok(skimpi_schema_create(&schema, budget, COLUMNS + 1, &error));
    for (unsigned c = 0; c <= COLUMNS; c++) {
        assert_ok(skimpi_schema_set_name(schema, c, names[c], 1, &error));
        schema->columns[c].role = c == COLUMNS ? SKIMPI_ROLE_TARGET : SKIMPI_ROLE_FEATURE;
    }
    schema->target = COLUMNS;
    schema->delimited = true;
    assert_ok(skimpi_schema_settle(schema, &error));
    const skimpi_store_options options = { .place = SKIMPI_PLACE_FILE, .path = in_temporary(name) };
    assert_ok(skimpi_store_create(&store, budget, schema, &options, &error));
    assert_ok(skimpi_raw_create(&raw, budget, schema, chunk_rows, 0, &error));
    assert_ok(skimpi_encoder_create(&encoder, store, chunk_rows, 0, 0, &error));
    for (unsigned first = 0, chunk = 0; first < data->rows; first += chunk_rows, chunk++) {
        raw.n_rows = data->rows - first < chunk_rows ? data->rows - first : chunk_rows;
        raw.lines = raw.n_rows;
        for (uint32_t i = 0; i < raw.n_rows; i++) {
            for (unsigned j = 0; j < COLUMNS; j++) {
                raw.numeric[(size_t)j * raw.capacity + i] = data->x[(first + i) * COLUMNS + j];
            }
            raw.target[i] = data->y[first + i];
        }
        assert_ok(skimpi_encoder_encode(encoder, &raw, first + 2, &error));
        assert_ok(skimpi_store_place_chunk(store, encoder, chunk, &error));
        assert_ok(skimpi_store_write_chunk(store, encoder, &error));
    }
    assert_ok(skimpi_store_finish(store, &encoder, 1, &error));
    skimpi_encoder_destroy(encoder);
    skimpi_raw_destroy(&raw, schema);
    skimpi_store_destroy(store);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* ---- what must come of it ------------------------------------------------------------------------------------------------- */

typedef struct expectation {
    double w[COLUMNS], loss;
    uint64_t digest;
} expectation;

static expectation expect_stagewise(const kept_data *data, double holdout, uint64_t seed)
{
    expectation e = { .loss = 0 };
    double *scores = calloc(data->rows, sizeof *scores);
    assert_non_null(scores);
    for (unsigned t = 0; t <= ROUNDS; t++) {
        double products = 0, squares = 0;
        e.loss = 0;
        e.digest = 0;
        for (unsigned i = 0; i < data->rows; i++) {
            if (skimpi_held_out(i, seed, holdout)) {
                continue;
            }
            const double x = data->x[i * COLUMNS + t % COLUMNS], residual = data->y[i] - scores[i];
            products += x * residual;
            squares += x * x;
            e.loss += residual * residual;
            e.digest += digest_of(scores[i], data->y[i]);
        }
        if (t < ROUNDS) {
            const double step = stage_step(products, squares);
            e.w[t % COLUMNS] += step;
            for (unsigned i = 0; i < data->rows; i++) {
                scores[i] += step * data->x[i * COLUMNS + t % COLUMNS];
            }
        }
    }
    free(scores);
    return e;
}

/* In the order of the file. */
static expectation expect_dual(const kept_data *data, unsigned rounds)
{
    expectation e = { .loss = 0 };
    double *alphas = calloc(data->rows, sizeof *alphas);
    assert_non_null(alphas);
    for (unsigned t = 0; t < rounds; t++) {
        for (unsigned i = 0; i < data->rows; i++) {
            ascend(data->x + i * COLUMNS, data->y[i], &alphas[i], e.w);
        }
    }
    for (unsigned i = 0; i < data->rows; i++) {
        e.digest += digest_of(alphas[i], data->y[i]);
    }
    free(alphas);
    return e;
}

/* Ridge itself: (XᵀX + λI) w = Xᵀy, by Gaussian elimination (the matrix is positive definite). */
static void solve_ridge(const kept_data *data, double *w)
{
    double a[COLUMNS][COLUMNS + 1] = { { 0 } };
    for (unsigned i = 0; i < data->rows; i++) {
        const double *x = data->x + i * COLUMNS;
        for (unsigned j = 0; j < COLUMNS; j++) {
            for (unsigned k = 0; k < COLUMNS; k++) {
                a[j][k] += x[j] * x[k];
            }
            a[j][COLUMNS] += x[j] * data->y[i];
        }
    }
    for (unsigned j = 0; j < COLUMNS; j++) {
        a[j][j] += LAMBDA;
    }
    for (unsigned j = 0; j < COLUMNS; j++) {
        for (unsigned k = 0; k < COLUMNS; k++) {
            const double factor = k == j ? 0 : a[k][j] / a[j][j];
            for (unsigned c = 0; c <= COLUMNS; c++) {
                a[k][c] -= factor * a[j][c];
            }
        }
    }
    for (unsigned j = 0; j < COLUMNS; j++) {
        w[j] = a[j][COLUMNS] / a[j][j];
    }
}

static void assert_array(const skimp_model *model, const char *name, const void *expected, uint64_t n)
{
    const skimp_array *array = find_array(model, name);
    assert_non_null(array);
    assert_int_equal(array_values(array), n);
    assert_memory_equal(array->data, expected, n * 8);
}

static void assert_expected(const skimp_model *model, const expectation *e)
{
    assert_array(model, "digest_", &e->digest, 1);
    assert_array(model, "w_", e->w, COLUMNS);
    assert_array(model, "loss_", &e->loss, 1);
}

#endif
