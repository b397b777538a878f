/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fit of sgd_classifier and sgd_regressor.  Passes:
 *
 *     statistics   (lanes) mean and spread of dense columns, and of a regressor's target: what the steps are measured in
 *     train        (sequential) one epoch
 *     validate     (lanes; early_stopping) accuracy or R² on the rows that are kept from training
 *     …
 *     evaluate     (lanes) the objective at the solution
 *
 * A problem (the binary one, the regression, or a class against the rest) stops as scikit-learn says: when n_iter_no_change
 * epochs in a row did not improve the mean loss and penalty of the epoch (with early_stopping: the score) by tol; with the
 * schedule "adaptive" its rate is divided by 5 first.  The losses count without any weights, as there, and again with
 * them: it takes both to stop.  The score knows the rows' own weights only.
 */
#include <math.h>
#include <string.h>

#include "estimator/sgd_fit.h"
#include "kernel/kernel.h"

#define WINDOW 8 /* chunks that are shuffled together */
#define TILE_BYTES (256u << 10)
#define LANES 8
#define TILE_ROWS 256 /* that a lanes pass evaluates at a time */

/* ---- parameters ---------------------------------------------------------------------------------------------------- */

static skimpi_sgd_schedule schedule_of(const char *name)
{
    static const char *const names[] = { "constant", "optimal", "invscaling", "adaptive", "pa1", "pa2" };
    unsigned i = 0;
    while (i < 5 && strcmp(names[i], name) != 0) {
        i++;
    }
    return (skimpi_sgd_schedule)i;
}

static skimp_status read_average(uint64_t *from, const char *name, const skimpi_params *params, skimp_error *error)
{
    double average = skimpi_params_number(params, "average");
    if (!(average >= 0) || average != floor(average) || average > 0x1p53) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "%s: parameter average must be true, false or an integer ≥ 1, not '%.80s'", name,
                           skimpi_params_text(params, "average"));
    }
    *from = (uint64_t)average;
    return SKIMP_OK;
}

/* The combinations that scikit-learn refuses. */
static skimp_status check_combination(const skimpi_sgd_options *o, const skimpi_params *params, skimp_error *error)
{
    const skimp_estimator_info *info = skimpi_params_info(params);
    const char *wanted = info->kind == SKIMP_CLASSIFIER ? "hinge" : "epsilon_insensitive";
    bool is_passive = o->schedule == SKIMPI_SGD_PA1 || o->schedule == SKIMPI_SGD_PA2;
    if (o->schedule == SKIMPI_SGD_OPTIMAL && o->alpha == 0) {
        return skimpi_fail(
            error, SKIMP_ERROR_PARAM,
            "%s: alpha must be > 0 with learning_rate=optimal, which it sets; choose penalty=null for no penalty",
            info->name);
    }
    if (is_passive && strcmp(o->loss->name, wanted) != 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: learning_rate=%s works with loss=%s only", info->name,
                           skimpi_params_text(params, "learning_rate"), wanted);
    }
    if (strcmp(skimpi_params_text(params, "penalty"), "elasticnet") == 0 && skimpi_params_is_null(params, "l1_ratio")) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: l1_ratio must be set when penalty is elasticnet", info->name);
    }
    return SKIMP_OK;
}

static double number_or(const skimpi_params *params, const char *name, double otherwise)
{
    return skimpi_params_is_null(params, name) ? otherwise : skimpi_params_number(params, name);
}

/*
 * Rows of the tile in which a window's rows are mixed one by one: what TILE_BYTES hold of `width` indices and values
 * each, so that a small file is one tile and its order means nothing.  CSR entries stay where they are, and a tile of them
 * should be in the cache together.
 */
static uint32_t tile_rows(const skimpi_problem *problem, uint64_t width)
{
    uint64_t most = problem->n_sparse > 0 ? 128 : TILE_BYTES / (16 + 8 * skimpi_min_u64(width, TILE_BYTES));
    uint64_t window = skimpi_round_up(problem->chunk_rows, 16) * WINDOW;
    return (uint32_t)skimpi_max_u64(skimpi_min_u64(most, window) / 16 * 16, 16);
}

skimp_status skimpi_sgd_read_params(skimpi_sgd_plan *plan, const skimpi_problem *problem, const skimpi_params *params,
                                    skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_estimator_info *info = skimpi_params_info(params);
    const bool stops_early = skimpi_params_number(params, "early_stopping") != 0;
    const char *penalty = skimpi_params_text(params, "penalty");
    bool is_classifier = info->kind == SKIMP_CLASSIFIER;
    double alpha = skimpi_params_number(params, "alpha");
    double l1_ratio = strcmp(penalty, "l1") == 0   ? 1
                      : strcmp(penalty, "l2") == 0 ? 0
                                                   : number_or(params, "l1_ratio", 0);
    double strength = skimpi_params_is_null(params, "penalty") ? 0 : alpha;
    uint64_t width = problem->n_dense + problem->n_code_columns;
    bool is_sparse = problem->n_sparse > 0 && width == 0;
    *plan = (skimpi_sgd_plan){
        .options = {
            .loss = skimpi_loss_find(skimpi_params_text(params, "loss")),
            .loss_parameter = skimpi_params_number(params, "epsilon"),
            .schedule = schedule_of(skimpi_params_text(params, "learning_rate")),
            .alpha = alpha,
            .l2 = strength * (1 - l1_ratio),
            .l1 = strength * l1_ratio,
            .eta0 = skimpi_params_number(params, "eta0"),
            .power_t = skimpi_params_number(params, "power_t"),
            .fit_intercept = skimpi_params_number(params, "fit_intercept") != 0,
            .unit = 1,
            .n_features = problem->n_features,
            .n_problems = skimpi_sgd_problems(is_classifier, problem),
            .is_classifier = is_classifier,
        },
        .max_iter = (uint64_t)skimpi_params_number(params, "max_iter"),
        .n_iter_no_change = (uint64_t)skimpi_params_number(params, "n_iter_no_change"),
        .seed = skimpi_mix64((uint64_t)number_or(params, "random_state", 0)),
        .tol = number_or(params, "tol", -INFINITY),
        .validation_fraction = stops_early ? skimpi_params_number(params, "validation_fraction") : 0,
        .shuffle = skimpi_params_number(params, "shuffle") != 0,
        .partial = problem->partial,
        .is_kept = problem->partial || problem->n_sparse == 0,
        .n_dense = problem->n_dense,
        .n_code_columns = problem->n_code_columns,
        .n_sparse = problem->n_sparse,
        .tile_rows = tile_rows(problem, width),
    };
    skimpi_sgd_options *o = &plan->options;
    o->intercept_rate = is_sparse && o->schedule != SKIMPI_SGD_OPTIMAL ? 0.01 : 1;
    plan->needs_statistics = problem->n_dense > 0 || (!is_classifier && o->schedule == SKIMPI_SGD_OPTIMAL);
    SKIMPI_TRY(read_average(&o->average_from, info->name, params, error));
    SKIMPI_TRY(check_combination(o, params, error));
    if (plan->partial && stops_early) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "early_stopping should be False with partial_fit"));
    }
    if (plan->partial) {
        plan->max_iter = 1;
        plan->tol = -INFINITY;
    }
    if (problem->n_features >= UINT32_MAX) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: %llu features are too many (at most 2^32 - 2)",
                               info->name, (unsigned long long)problem->n_features));
    }
    if (is_classifier && problem->is_exact && problem->n_classes < 2) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "%s: the target has one class only: at least two are needed",
                               info->name));
    }
out:
    return status;
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

/* A lane: moments of columns and target, or sums of each problem. */
static uint64_t lane_bytes(const skimpi_sgd_plan *plan)
{
    uint64_t moments = (plan->n_dense + 1) * sizeof(skimpi_sgd_moments);
    uint64_t sums = ((uint64_t)plan->options.n_problems + 4) * sizeof(double);
    return skimpi_max_u64(moments, sums);
}

/* Scratch of a lanes pass: some rows of a chunk, and their margins for some problems. */
typedef struct sums_scratch {
    double margins[SKIMPI_SGD_TILE_OUTPUTS * TILE_ROWS], target[TILE_ROWS], own[TILE_ROWS], weight[TILE_ROWS];
    skimpi_dense_column columns[]; /* skimpi_sgd_view_bytes */
} sums_scratch;

/* Chunks that are shuffled together: no more than there are. */
static unsigned window_of(const skimpi_sgd_plan *plan, const skimpi_problem *problem)
{
    return plan->shuffle ? (unsigned)skimpi_min_u64(WINDOW, skimpi_max_u64(problem->n_chunks, 1)) : 1;
}

skimp_status skimpi_sgd_fit_plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_sgd_plan plan;
    SKIMPI_TRY(skimpi_sgd_read_params(&plan, problem, params, error));
    double epochs = (double)plan.max_iter, around = (plan.needs_statistics ? 1 : 0) + (plan.partial ? 0 : 1),
           per_epoch = plan.validation_fraction > 0 ? 2 : 1;
    unsigned window = window_of(&plan, problem);
    double entries =
        (double)problem->nonzeros + (double)problem->n_rows * (double)(problem->n_dense + problem->n_code_columns);
    *needs = (skimpi_needs){
        .lanes = LANES,
        .state_bytes = skimpi_add_sat(skimpi_add_sat(skimpi_sgd_bytes(&plan.options), skimpi_sgd_model_bytes(&plan)),
                                      skimp_alloc_cost(skimpi_sgd_window_bytes(&plan, problem->chunk_rows, window))),
        .lane_bytes = lane_bytes(&plan),
        .worker_bytes = skimpi_add_sat(sizeof(sums_scratch), skimpi_sgd_view_bytes(plan.n_dense, plan.n_code_columns)),
        .model_bytes = skimpi_add_sat(
            skimpi_mul_sat(skimpi_mul_sat(plan.options.n_features + 2, plan.options.n_problems), sizeof(double)),
            skimpi_sgd_kept_bytes(&plan)),
        .passes_expected =
            around + per_epoch * (isinf(plan.tol) ? epochs : fmin(epochs, 3 + (double)plan.n_iter_no_change)),
        .passes_max = around + per_epoch * epochs,
        .seconds_per_pass = 8e-9 * entries * plan.options.n_problems,
        .window = window,
    };
out:
    return status;
}

skimp_status skimpi_sgd_fit_begin(void **self, skimp_budget *budget, const skimpi_problem *problem,
                                  const skimpi_params *params, skimpi_warnings *warnings, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_sgd_fit *fit = NULL;
    void *block;
    *self = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, 1, sizeof(*fit), &block, error));
    fit = block;
    fit->budget = budget;
    fit->n_classes = problem->n_classes;
    fit->warnings = warnings;
    fit->name = skimpi_params_info(params)->name;
    fit->progress = (skimpi_sgd_progress){ .objective = NAN, .target_spread = 1 };
    SKIMPI_TRY(skimpi_sgd_read_params(&fit->plan, problem, params, error));
    fit->plan.options.class_weights = problem->class_weights;
    fit->progress.phase = fit->plan.needs_statistics ? SKIMPI_SGD_STATISTICS : SKIMPI_SGD_TRAIN;
    SKIMPI_TRY(skimpi_sgd_allocate_model(fit, error));
    SKIMPI_TRY(skimpi_sgd_create(&fit->solver, budget, &fit->plan.options, error));
    fit->window_bytes = skimpi_sgd_window_bytes(&fit->plan, problem->chunk_rows, window_of(&fit->plan, problem));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, fit->window_bytes, 1, &fit->window, error));
    for (uint32_t k = 0; k < fit->plan.options.n_problems; k++) {
        fit->problems[k].best = fit->plan.validation_fraction > 0 ? -INFINITY : INFINITY;
        fit->problems[k].best_weighted = INFINITY;
    }
    *self = fit;
    fit = NULL;
out:
    skimpi_sgd_fit_destroy(fit);
    return status;
}

/* ---- passes -------------------------------------------------------------------------------------------------------- */

skimp_status skimpi_sgd_fit_next_pass(void *self, skimpi_pass *pass, skimp_error *error)
{
    (void)error;
    skimpi_sgd_fit *fit = self;
    *pass = (skimpi_pass){
        .is_done = fit->progress.phase == SKIMPI_SGD_DONE,
        .kind = (int)fit->progress.phase,
        .sequential = fit->progress.phase == SKIMPI_SGD_TRAIN,
        .shuffle = fit->plan.shuffle,
        /* Of parts that are as long as each other, each has an order of its own. */
        .shuffle_seed = skimpi_mix64(fit->plan.seed + fit->progress.n_iter + (uint64_t)fit->start.steps),
    };
    return SKIMP_OK;
}

void skimpi_sgd_merge_moments(skimpi_sgd_moments *into, const skimpi_sgd_moments *from)
{
    double n = into->n + from->n;
    if (n > 0) {
        double apart = from->mean - into->mean;
        into->m2 += from->m2 + apart * apart * (into->n * from->n / n);
        into->mean += apart * (from->n / n);
        into->n = n;
    }
}

/* Two scans of a column in the cache: its own mean first, so that an offset costs no digits. */
#define COLUMN_MOMENTS(name, type)                                                                                     \
    static skimpi_sgd_moments name(uint32_t n, const type *x)                                                          \
    {                                                                                                                  \
        skimpi_sgd_moments m = { .n = n };                                                                             \
        double sums[4] = { 0 }, rest[4] = { 0 };                                                                       \
        for (uint32_t i = 0; i < n; i++) {                                                                             \
            sums[i % 4] += (double)x[i];                                                                               \
        }                                                                                                              \
        m.mean = n > 0 ? ((sums[0] + sums[1]) + (sums[2] + sums[3])) / n : 0;                                          \
        for (uint32_t i = 0; i < n; i++) {                                                                             \
            rest[i % 4] += ((double)x[i] - m.mean) * ((double)x[i] - m.mean);                                          \
        }                                                                                                              \
        m.m2 = (rest[0] + rest[1]) + (rest[2] + rest[3]);                                                              \
        return m;                                                                                                      \
    }
COLUMN_MOMENTS(moments_f32, float)
COLUMN_MOMENTS(moments_f64, double)

static void consume_statistics(const skimpi_chunk *chunk, skimpi_sgd_moments *lane)
{
    for (uint32_t c = 0; c < chunk->n_dense; c++) {
        const skimpi_dense_column *column = &chunk->dense[c];
        skimpi_sgd_moments m =
            column->f32 != NULL ? moments_f32(chunk->n_rows, column->f32) : moments_f64(chunk->n_rows, column->f64);
        skimpi_sgd_merge_moments(&lane[c], &m);
    }
    skimpi_sgd_moments m = moments_f64(chunk->n_rows, chunk->target);
    skimpi_sgd_merge_moments(&lane[chunk->n_dense], &m);
}

/* What a problem adds for n rows whose margins are m: right rows or squared errors (VALIDATE), or losses (EVALUATE). */
static double sum_of(const skimpi_sgd_fit *fit, bool validate, uint32_t problem, uint32_t n, const double *target,
                     const double *m, sums_scratch *s)
{
    const skimpi_sgd_options *o = &fit->plan.options;
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        double t = target[i];
        bool is_positive = t == (double)(o->n_problems == 1 ? 1 : problem);
        if (!validate) {
            s->target[i] = !o->is_classifier ? t : is_positive ? 1 : o->loss->classification ? 0 : -1;
            s->own[i] = s->weight[i] * skimpi_sgd_class_weight(o, problem, is_positive);
        } else if (o->is_classifier) {
            sum += (m[i] > 0) == is_positive ? s->weight[i] : 0;
        } else {
            sum += s->weight[i] * (m[i] - t) * (m[i] - t);
        }
    }
    return validate ? sum : o->loss->evaluate(n, s->target, s->own, m, o->loss_parameter, NULL, NULL);
}

/* Sums over the validation rows (VALIDATE) or the others (EVALUATE): lane[k] of problem k; then weight, rows, target, target². */
static void consume_sums(const skimpi_sgd_fit *fit, bool validate, const skimpi_chunk *chunk, double *lane,
                         sums_scratch *s)
{
    const skimpi_sgd_options *o = &fit->plan.options;
    for (uint32_t start = 0; start < chunk->n_rows; start += TILE_ROWS) {
        uint32_t n = chunk->n_rows - start < TILE_ROWS ? chunk->n_rows - start : TILE_ROWS;
        const double *target = chunk->target + start;
        for (uint32_t i = 0; i < n; i++) {
            bool is_wanted = skimpi_sgd_is_validation(&fit->plan, chunk->first_row + start + i) == validate;
            s->weight[i] = !is_wanted ? 0 : chunk->weight != NULL ? chunk->weight[start + i] : 1;
            lane[o->n_problems] += s->weight[i];
            lane[o->n_problems + 1] += is_wanted ? 1 : 0;
            lane[o->n_problems + 2] += s->weight[i] * target[i];
            lane[o->n_problems + 3] += s->weight[i] * target[i] * target[i];
        }
        skimpi_chunk rows =
            skimpi_row_view(chunk, start, n, s->columns, (skimpi_code_column *)(void *)(s->columns + chunk->n_dense));
        for (uint32_t first = 0; first < o->n_problems; first += SKIMPI_SGD_TILE_OUTPUTS) {
            uint32_t outputs = skimpi_sgd_margins(fit, &rows, first, s->margins, TILE_ROWS);
            for (uint32_t k = 0; k < outputs; k++) {
                lane[first + k] += sum_of(fit, validate, first + k, n, target, s->margins + k * TILE_ROWS, s);
            }
        }
    }
}

skimp_status skimpi_sgd_fit_consume(const void *self, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                                    void *worker_scratch, skimp_error *error)
{
    (void)error;
    if (pass->kind == SKIMPI_SGD_STATISTICS) {
        consume_statistics(chunk, lane);
    } else {
        consume_sums(self, pass->kind == SKIMPI_SGD_VALIDATE, chunk, lane, worker_scratch);
    }
    return SKIMP_OK;
}

void skimpi_sgd_fit_merge(const void *self, const skimpi_pass *pass, void *into, const void *from)
{
    const skimpi_sgd_fit *fit = self;
    if (pass->kind == SKIMPI_SGD_STATISTICS) {
        for (uint64_t c = 0; c <= fit->plan.n_dense; c++) {
            skimpi_sgd_merge_moments((skimpi_sgd_moments *)into + c, (const skimpi_sgd_moments *)from + c);
        }
        return;
    }
    for (uint32_t i = 0; i < fit->plan.options.n_problems + 4; i++) {
        ((double *)into)[i] += ((const double *)from)[i];
    }
}

/* ---- after a pass -------------------------------------------------------------------------------------------------- */

static void end_statistics(skimpi_sgd_fit *fit, const skimpi_sgd_moments *lane)
{
    for (uint64_t c = 0; c <= fit->plan.n_dense; c++) {
        fit->moments[c] = lane[c];
        if (fit->plan.partial && fit->start.moments != NULL) {
            skimpi_sgd_merge_moments(&fit->moments[c], &fit->start.moments[c]);
        }
    }
    for (uint64_t c = 0; c < fit->plan.n_dense; c++) {
        const skimpi_sgd_moments *m = &fit->moments[c];
        skimpi_sgd_column *column = &fit->columns[c];
        double spread = m->n > 0 ? sqrt(m->m2 / m->n) : 0;
        if (!fit->plan.options.fit_intercept) {
            column->scale = skimpi_hypot(spread, m->mean); /* nothing could take up a shift */
        } else {
            column->mean = m->mean;
            column->scale = spread > 1e-13 * fabs(m->mean) ? spread : 0;
        }
    }
    const skimpi_sgd_moments *target = &fit->moments[fit->plan.n_dense];
    double spread = target->n > 0 ? sqrt(target->m2 / target->n) : 0;
    fit->progress.target_spread = !fit->plan.options.is_classifier && spread > 0 ? spread : 1;
    skimpi_sgd_set_unit(fit->solver, fit->progress.target_spread);
    fit->progress.phase = SKIMPI_SGD_TRAIN;
}

/* A problem whose epoch has improved, or has not. */
static void count_stale(skimpi_sgd_fit *fit, uint32_t k, bool improved)
{
    skimpi_sgd_problem *p = &fit->problems[k];
    p->stale = improved || fit->plan.tol == -INFINITY ? 0 : p->stale + 1;
    if (p->stale >= fit->plan.n_iter_no_change) {
        p->stale = 0;
        if (!skimpi_sgd_slow_down(fit->solver, k)) {
            skimpi_sgd_stop(fit->solver, k);
        }
    }
}

/*
 * scikit-learn's rule, by the losses without any weights; and an epoch that improves what is minimised by as much is no
 * reason to stop either.
 */
static void judge_epoch(skimpi_sgd_fit *fit, uint32_t k)
{
    skimpi_sgd_problem *p = &fit->problems[k];
    const skimpi_sgd_epoch *epoch = &fit->epochs[k];
    bool improved = epoch->plain <= p->best - fit->plan.tol || epoch->weighted <= p->best_weighted - fit->plan.tol;
    p->best = fmin(p->best, epoch->plain);
    p->best_weighted = fmin(p->best_weighted, epoch->weighted);
    count_stale(fit, k, improved);
}

static void judge_score(skimpi_sgd_fit *fit, uint32_t k, double score)
{
    skimpi_sgd_problem *p = &fit->problems[k];
    bool improved = score >= p->best + fit->plan.tol;
    p->best = fmax(p->best, score);
    count_stale(fit, k, improved);
}

static void choose_next(skimpi_sgd_fit *fit)
{
    uint32_t active = 0;
    if (fit->plan.partial) {
        fit->progress.converged = 1;
        fit->progress.phase = SKIMPI_SGD_DONE; /* the objective is the epoch's */
        return;
    }
    for (uint32_t k = 0; k < fit->plan.options.n_problems; k++) {
        active += skimpi_sgd_is_active(fit->solver, k) ? 1 : 0;
    }
    fit->progress.converged = active == 0 || fit->plan.tol == -INFINITY ? 1 : 0;
    fit->progress.phase =
        active == 0 || fit->progress.n_iter >= fit->plan.max_iter ? SKIMPI_SGD_EVALUATE : SKIMPI_SGD_TRAIN;
    if (fit->progress.phase == SKIMPI_SGD_EVALUATE && fit->progress.converged == 0) {
        skimpi_warn(fit->warnings, "%s: not converged after %llu passes over the data (tol=%g): raise max_iter",
                    fit->name, (unsigned long long)fit->progress.n_iter, fit->plan.tol);
    }
}

static skimp_status end_train(skimpi_sgd_fit *fit, skimp_error *error)
{
    bool validates = fit->plan.validation_fraction > 0;
    fit->progress.n_iter++;
    if (!skimpi_sgd_end_pass(fit->solver, fit->epochs)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "%s: the weights are not finite after pass %llu: scale the columns (--step standard_scaler)",
                           fit->name, (unsigned long long)fit->progress.n_iter);
    }
    fit->progress.steps = skimpi_sgd_steps(fit->solver);
    if (fit->progress.steps == (fit->plan.partial ? fit->start.steps : 0)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "%s: no row is left to train on: choose a smaller validation_fraction", fit->name);
    }
    fit->progress.objective = 0;
    for (uint32_t k = 0; k < fit->plan.options.n_problems; k++) {
        fit->progress.objective += fit->epochs[k].objective;
        if (!validates && skimpi_sgd_is_active(fit->solver, k)) {
            judge_epoch(fit, k);
        }
    }
    if (validates) {
        fit->progress.phase = SKIMPI_SGD_VALIDATE;
    } else {
        choose_next(fit);
    }
    skimpi_sgd_take_weights(fit);
    return SKIMP_OK;
}

static skimp_status end_validate(skimpi_sgd_fit *fit, const double *lane, skimp_error *error)
{
    uint32_t n = fit->plan.options.n_problems;
    double weight = lane[n];
    if (!(weight > 0)) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "%s: early_stopping kept no row with a weight to validate on: raise validation_fraction",
                           fit->name);
    }
    fit->progress.validation_rows = lane[n + 1];
    double spread = lane[n + 3] - lane[n + 2] * (lane[n + 2] / weight);
    for (uint32_t k = 0; k < n; k++) {
        bool is_classifier = fit->plan.options.is_classifier;
        if (skimpi_sgd_is_active(fit->solver, k)) {
            judge_score(fit, k, is_classifier ? lane[k] / weight : spread > 0 ? 1 - lane[k] / spread : 0);
        }
    }
    choose_next(fit);
    return SKIMP_OK;
}

static void end_evaluate(skimpi_sgd_fit *fit, const double *lane)
{
    const skimpi_sgd_options *o = &fit->plan.options;
    double rows = lane[o->n_problems + 1], sum = 0;
    for (uint32_t k = 0; k < o->n_problems; k++) {
        const double *w = fit->coef + (size_t)k * o->n_features;
        double size = 0;
        for (uint64_t j = 0; j < o->n_features; j++) {
            size += fabs(w[j]);
        }
        sum += (rows > 0 ? lane[k] / rows : 0) + o->l1 * size + o->l2 / 2 * skimpi_dot(o->n_features, w, w);
    }
    fit->progress.objective = sum;
    fit->progress.phase = SKIMPI_SGD_DONE;
}

skimp_status skimpi_sgd_fit_end_pass(void *self, const skimpi_pass *pass, const void *lane, skimp_error *error)
{
    skimpi_sgd_fit *fit = self;
    switch (pass->kind) {
    case SKIMPI_SGD_STATISTICS:
        end_statistics(fit, lane);
        return SKIMP_OK;
    case SKIMPI_SGD_TRAIN:
        return end_train(fit, error);
    case SKIMPI_SGD_VALIDATE:
        return end_validate(fit, lane, error);
    default:
        end_evaluate(fit, lane);
        return SKIMP_OK;
    }
}

double skimpi_sgd_fit_progress(const void *self)
{
    const skimpi_sgd_fit *fit = self;
    return fit->progress.objective;
}

void skimpi_sgd_fit_result(const void *self, skimpi_outcome *outcome)
{
    const skimpi_sgd_fit *fit = self;
    *outcome = (skimpi_outcome){ .objective = fit->progress.objective,
                                 .n_iter = fit->progress.n_iter,
                                 .converged = fit->progress.converged != 0 };
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------- */

skimp_status skimpi_sgd_fit_state_save(const void *self, skimpi_buffer *out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_sgd_fit *fit = self;
    size_t solver_bytes;
    const void *solver = skimpi_sgd_state_const(fit->solver, &solver_bytes);
    SKIMPI_TRY(skimpi_buffer_append(out, &fit->progress, sizeof(fit->progress), error));
    SKIMPI_TRY(
        skimpi_buffer_append(out, fit->problems, fit->plan.options.n_problems * sizeof(skimpi_sgd_problem), error));
    SKIMPI_TRY(skimpi_buffer_append(out, fit->columns, fit->plan.n_dense * sizeof(skimpi_sgd_column), error));
    SKIMPI_TRY(skimpi_buffer_append(out, fit->moments, (fit->plan.n_dense + 1) * sizeof(skimpi_sgd_moments), error));
    SKIMPI_TRY(skimpi_buffer_append(out, solver, solver_bytes, error));
out:
    return status;
}

skimp_status skimpi_sgd_fit_state_load(void *self, const void *bytes, size_t n, skimp_error *error)
{
    skimpi_sgd_fit *fit = self;
    size_t solver_bytes, problems = fit->plan.options.n_problems * sizeof(skimpi_sgd_problem),
                         columns = fit->plan.n_dense * sizeof(skimpi_sgd_column),
                         moments = (fit->plan.n_dense + 1) * sizeof(skimpi_sgd_moments);
    void *solver = skimpi_sgd_state(fit->solver, &solver_bytes);
    skimpi_sgd_progress progress;
    if (n != sizeof(progress) + problems + columns + moments + solver_bytes) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "%s: the checkpoint is of another problem: %zu bytes of state",
                           fit->name, n);
    }
    const char *at = bytes;
    memcpy(&progress, at, sizeof(progress));
    at += sizeof(progress);
    bool is_sane = progress.phase <= SKIMPI_SGD_DONE && progress.has_layout <= 1 && isfinite(progress.target_spread) &&
                   progress.target_spread > 0;
    for (size_t c = 0; c < fit->plan.n_dense; c++) {
        skimpi_sgd_column column;
        memcpy(&column, at + problems + c * sizeof(column), sizeof(column));
        is_sane = is_sane && column.feature < fit->plan.options.n_features && column.scale >= 0;
    }
    if (!is_sane) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "%s: the checkpoint's state makes no sense", fit->name);
    }
    fit->progress = progress;
    memcpy(fit->problems, at, problems);
    memcpy(fit->columns, at + problems, columns);
    memcpy(fit->moments, at + problems + columns, moments);
    memcpy(solver, at + problems + columns + moments, solver_bytes);
    skimpi_sgd_set_unit(fit->solver, progress.target_spread);
    skimpi_sgd_take_weights(fit);
    return SKIMP_OK;
}
