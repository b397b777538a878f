/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * LogisticRegression: parameters, plan, and the way from a solver's requests to passes and from sums to answers.
 * The objective and the solver's coordinates: logistic.h.
 *
 * Which solver runs follows from the shape alone (docs/decisions/0003-logistic-solvers.md): Newton with the full Hessian
 * up to 512 parameters (256 for three classes and more), else a quasi-Newton method.  The `solver` parameter only says whether the
 * intercept is penalised (liblinear).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/json_value.h"
#include "estimator/logistic.h"

#define NEWTON_BINARY 512
#define NEWTON_MULTINOMIAL 256
#define BORDER_VALUES (1u << 22) /* floats between a border and the rest: 16 MiB a lane */
#define NEWTON_ROWS 512          /* of a sample, for each parameter; and a chunk, lest its rows are alike */
#define NEWTON_STRIDE 256        /* of the smallest sample: 2^(SKIMPI_MAX_LEVELS - 1) */
#define MOMENTS_PASSES 2         /* at most */
#define ROWS_FROM 256            /* features from where on rows of the caller are wanted as they lie */
#define LANES_BYTES (1u << 20)   /* larger lanes are two, lanes of an eighth of it are eight, others four */

static const skimp_param logistic_params[] = {
    { "penalty", SKIMP_PARAM_CHOICE, "deprecated", true, 0, 0, false, "deprecated|l1|l2|elasticnet",
      "deprecated: use l1_ratio and C (null: no penalty)" },
    { "C", SKIMP_PARAM_FLOAT, "1.0", false, 0, INFINITY, true, NULL,
      "inverse of the strength of the penalty; inf: none" },
    { "l1_ratio", SKIMP_PARAM_FLOAT, "0.0", true, 0, 1, false, NULL,
      "share of the l1 penalty: 0 is ridge, 1 is lasso" },
    { "dual", SKIMP_PARAM_BOOL, "false", false, 0, 0, false, NULL, "liblinear's dual formulation: the same optimum" },
    { "tol", SKIMP_PARAM_FLOAT, "0.0001", false, 0, INFINITY, false, NULL,
      "largest absolute gradient of the mean loss at the end" },
    { "fit_intercept", SKIMP_PARAM_BOOL, "true", false, 0, 0, false, NULL, "add a constant to the decision function" },
    { "intercept_scaling", SKIMP_PARAM_FLOAT, "1", false, 0, INFINITY, true, NULL,
      "liblinear: the constant that the penalised intercept multiplies" },
    { "class_weight", SKIMP_PARAM_JSON, "null", true, 0, 0, false, NULL, "null, balanced, or {\"label\": weight}" },
    { "random_state", SKIMP_PARAM_INT, "null", true, 0, 4294967295.0, false, NULL,
      "nothing here is random: accepted, without effect" },
    { "solver", SKIMP_PARAM_CHOICE, "lbfgs", false, 0, 0, false, "lbfgs|liblinear|newton-cg|newton-cholesky|sag|saga",
      "liblinear penalises the intercept; the others are one and the same here" },
    { "max_iter", SKIMP_PARAM_INT, "100", false, 0, 9007199254740992.0, false, NULL, "outer iterations, at most" },
    { "verbose", SKIMP_PARAM_INT, "0", false, 0, 9007199254740992.0, false, NULL, "accepted, without effect" },
    { "warm_start", SKIMP_PARAM_BOOL, "false", false, 0, 0, false, NULL, "accepted, without effect" },
    { "n_jobs", SKIMP_PARAM_INT, "null", true, -9007199254740992.0, 9007199254740992.0, false, NULL,
      "accepted, without effect" },
    { .name = NULL },
};

/* ---- parameters and shape ------------------------------------------------------------------------------------------ */

static skimp_status check_class_weight(const skimpi_params *params, skimp_error *error)
{
    if (skimpi_params_is_null(params, "class_weight")) {
        return SKIMP_OK;
    }
    const char *text = skimpi_params_text(params, "class_weight");
    if (strcmp(text, "balanced") == 0) {
        return SKIMP_OK;
    }
    skimpi_json value, key, item;
    bool is_object =
        skimpi_json_check(text, strlen(text), &value, NULL) && skimpi_json_kind_of(value) == SKIMPI_JSON_OBJECT;
    if (!is_object) {
        return skimpi_fail(
            error, SKIMP_ERROR_PARAM,
            "logistic_regression: parameter class_weight must be null, balanced or an object of weights by label");
    }
    skimpi_json_items items = skimpi_json_begin(value);
    while (skimpi_json_next(&items, &key, &item)) {
        double weight = skimpi_json_number(item);
        if (!(weight >= 0.0 && weight < INFINITY)) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "logistic_regression: class_weight of %.*s must be a number of at least 0",
                               (int)skimpi_min_u64(key.length, 80), key.text);
        }
    }
    return SKIMP_OK;
}

/* What `penalty` (deprecated), C and l1_ratio come to. */
static void effective_penalty(const skimpi_params *params, double *C, double *l1_ratio)
{
    *C = skimpi_params_number(params, "C");
    *l1_ratio = skimpi_params_is_null(params, "l1_ratio") ? 0.0 : skimpi_params_number(params, "l1_ratio");
    const char *penalty = skimpi_params_is_null(params, "penalty") ? NULL : skimpi_params_text(params, "penalty");
    if (penalty == NULL) {
        *C = INFINITY;
    } else if (strcmp(penalty, "l1") == 0) {
        *l1_ratio = 1.0;
    } else if (strcmp(penalty, "l2") == 0) {
        *l1_ratio = 0.0;
    }
    if (isinf(*C)) {
        *l1_ratio = 0.0;
    }
}

static skimp_status check_params(const skimpi_problem *problem, const skimpi_params *params, logistic_shape *shape,
                                 skimp_error *error)
{
    bool is_liblinear = strcmp(skimpi_params_text(params, "solver"), "liblinear") == 0;
    effective_penalty(params, &shape->C, &shape->l1_ratio);
    if (is_liblinear && isinf(shape->C)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "logistic_regression: solver=liblinear needs a penalty: C=inf is not for it");
    }
    if (is_liblinear && problem->is_exact && problem->n_classes > 2) { /* a plan's number is but a bound */
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "logistic_regression: solver=liblinear does not support multiclass classification (%u "
                           "classes): use another solver",
                           problem->n_classes);
    }
    if (skimpi_params_number(params, "dual") != 0.0 && (!is_liblinear || shape->l1_ratio > 0.0)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "logistic_regression: dual=true is for solver=liblinear with l1_ratio=0 only");
    }
    shape->has_intercept = skimpi_params_number(params, "fit_intercept") != 0.0;
    shape->intercept_penalty =
        is_liblinear && shape->has_intercept ? 1.0 / skimpi_params_number(params, "intercept_scaling") : 0.0;
    return check_class_weight(params, error);
}

/*
 * A column of many codes, alone in its features, borders the Newton matrix where the rest is narrow: the widest such one.
 * Gives the number of the other parameters.
 */
static uint64_t choose_border(const skimpi_problem *problem, logistic_shape *shape)
{
    for (uint64_t c = 0; c < (problem->code_features != NULL && shape->n_outputs == 1 ? problem->n_code_columns : 0);
         c++) {
        uint64_t first = problem->code_features[c], size = problem->code_sizes[c];
        bool is_alone = true;
        for (uint64_t other = 0; other < problem->n_code_columns; other++) {
            uint64_t start = problem->code_features[other];
            is_alone = is_alone && (other == c || start >= first + size || start + problem->code_sizes[other] <= first);
        }
        uint64_t rest = shape->n - skimpi_min_u64(size, shape->n);
        if (is_alone && size > shape->border && rest <= NEWTON_BINARY && skimpi_mul_sat(size, rest) <= BORDER_VALUES) {
            shape->border_first = first;
            shape->border = size;
        }
    }
    if (shape->border == 0) {
        shape->border_first = shape->p; /* place() leaves all features where they are */
    }
    return shape->n - shape->border;
}

static uint64_t power_of_two_below(uint64_t x)
{
    uint64_t power = 1;
    while (power <= x / 2) {
        power *= 2;
    }
    return power;
}

static void add_level(skimpi_solver_options *options, uint64_t stride, double penalty_factor)
{
    options->stride[options->n_levels] = stride;
    options->penalty_factor[options->n_levels++] = penalty_factor;
}

/*
 * A sample of the chunks is where the solver starts, when it holds rows enough to be of use.  Newton's is the smallest such
 * one, and any larger one may come next: the solver chooses.
 */
static void choose_levels(const skimpi_problem *problem, logistic_shape *shape)
{
    skimpi_solver_options *o = &shape->options;
    if (shape->solver == &skimpi_solver_newton) {
        uint64_t rows = skimpi_max_u64(skimpi_mul_sat(NEWTON_ROWS, shape->n), 16384);
        uint64_t chunks = skimpi_max_u64(shape->n, 16);
        uint64_t most = skimpi_min_u64(problem->n_rows / rows, problem->n_chunks / chunks);
        uint64_t stride = skimpi_min_u64(power_of_two_below(skimpi_max_u64(most, 1)), NEWTON_STRIDE);
        for (; most >= 4 && stride > 1; stride /= 2) {
            add_level(o, stride, 1.0);
        }
    } else {
        uint64_t most = skimpi_min_u64(problem->n_rows / 8192, problem->n_chunks / 4);
        uint64_t first = skimpi_min_u64(power_of_two_below(skimpi_max_u64(most, 1)), 32);
        if (first >= 4) {
            add_level(o, first, sqrt((double)first));
        }
        if (first >= 16) {
            add_level(o, 8, sqrt(8.0));
        }
    }
    o->model_stride =
        skimpi_max_u64(1, skimpi_min_u64(power_of_two_below(skimpi_max_u64(problem->n_chunks / 8, 1)), 8));
    add_level(o, 1, 1.0);
}

skimp_status skimpi_logistic_shape(const skimpi_problem *problem, const skimpi_params *params, logistic_shape *shape,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    memset(shape, 0, sizeof *shape); /* padding too: options are compared and saved as bytes */
    SKIMPI_TRY(check_params(problem, params, shape, error));
    if (problem->n_classes == 1) {
        status = skimpi_fail(error, SKIMP_ERROR_DATA, "the target has one class only: a classifier needs at least two");
        goto out;
    }
    uint64_t p = shape->p = problem->n_features;
    uint64_t k = shape->n_outputs = problem->n_classes > 2 ? problem->n_classes : 1;
    shape->n_classes = problem->n_classes;
    shape->n_dense = problem->n_dense;
    shape->n_code_columns = problem->n_code_columns;
    shape->has_csr = problem->n_sparse > 0;
    shape->is_centred = shape->has_intercept && shape->intercept_penalty == 0.0 && problem->n_dense > 0;
    uint64_t m = skimpi_mul_sat(k, skimpi_add_sat(p, 1));
    uint64_t n = shape->n = m - (shape->has_intercept ? 0 : k);
    if (m > (UINT64_C(1) << 48)) {
        status = skimpi_fail(error, SKIMP_ERROR_PARAM,
                             "logistic_regression: %llu features × %llu outputs are more than can be addressed",
                             (unsigned long long)p, (unsigned long long)k);
        goto out;
    }
    uint64_t newton_most = k == 1 ? NEWTON_BINARY : NEWTON_MULTINOMIAL;
    shape->border_first = p;
    shape->inner = n > newton_most && !shape->has_csr ? choose_border(problem, shape) : n;
    bool is_newton = shape->inner <= newton_most;
    shape->solver = is_newton ? &skimpi_solver_newton : &skimpi_solver_quasi;
    shape->tile_rows = skimpi_logistic_tile_rows(k);
    if (problem->chunk_rows > 0) { /* a chunk that is shorter is one tile: the same sums in less room */
        uint64_t longest = skimpi_round_up((uint64_t)problem->chunk_rows, 16);
        shape->tile_rows = (uint32_t)skimpi_min_u64(shape->tile_rows, longest);
    }
    skimpi_solver_options *o = &shape->options;
    o->n = n;
    o->n_border = shape->border;
    o->n_l1 = k * p;
    o->has_l1 = shape->l1_ratio > 0.0;
    o->l1_rest = shape->intercept_penalty;
    o->tol = skimpi_params_number(params, "tol");
    o->gap = is_newton ? 1e-7 : o->tol >= 1e-4 && !o->has_l1 ? 1e-6 : 5e-7; /* quasi predicts 1.5 to 6 times too much */
    o->floor = isinf(shape->C) ? 1e-3 : 1e-12;
    o->max_iter = (uint64_t)skimpi_params_number(params, "max_iter");
    /* A Newton step and its line search; conjugate gradients at their longest, each on all the data. */
    double per_iteration = is_newton ? 4.0 : o->has_l1 ? 8.0 : 26.0;
    o->max_passes = SKIMPI_FEWEST_PASSES + per_iteration * ((double)o->max_iter + 1.0);
    choose_levels(problem, shape);
    shape->solver_bytes = skimpi_round_up(shape->solver->bytes(o), 64);
    uint64_t lane_doubles = m + (is_newton ? shape->inner * shape->inner + shape->border : m);
    uint64_t border_bytes = shape->border * shape->inner * sizeof(float);
    shape->lane_bytes = skimpi_round_up(sizeof(logistic_lane) + lane_doubles * sizeof(double) + border_bytes, 64);
    shape->lanes = shape->lane_bytes <= LANES_BYTES / 8 ? 8 : shape->lane_bytes <= LANES_BYTES ? 4 : 2;
    shape->n_centres = shape->is_centred ? p : 0;
    shape->state_doubles = 2 * n + 2 * m + 2 * shape->n_centres + (shape->is_centred ? shape->inner : 0);
    shape->worker_bytes = skimpi_logistic_lay_out(shape, NULL, NULL);
out:
    return status;
}

uint64_t skimpi_logistic_bytes(const logistic_shape *shape)
{
    uint64_t doubles = skimpi_mul_sat(shape->state_doubles, sizeof(double));
    return skimpi_add_sat(skimpi_round_up(sizeof(logistic), 64) + sizeof(logistic_pass),
                          skimpi_add_sat(shape->solver_bytes, doubles));
}

/* The whole data in passes, and one thread's seconds for each, roughly. */
static void estimate_passes(const skimpi_problem *problem, const logistic_shape *shape, skimpi_needs *needs)
{
    const skimpi_solver_options *o = &shape->options;
    bool is_newton = shape->solver == &skimpi_solver_newton;
    double k = (double)shape->n_outputs;
    double cells =
        (double)problem->n_rows * (double)(problem->n_dense + problem->n_code_columns) + (double)problem->nonzeros;
    for (unsigned level = 0; level + 1 < o->n_levels && !is_newton; level++) {
        needs->passes_expected += 10.0 / (double)o->stride[level];
    }
    if (is_newton) { /* the first sample, some larger one, and all the data */
        needs->passes_expected += o->n_levels == 1 ? 0.0 : 5.0 / (double)o->stride[0] + 0.25;
    }
    needs->passes_expected += !is_newton ? (o->has_l1 ? 45.0 : 16.0) : o->n_levels == 1 ? 6.0 : o->has_l1 ? 3.5 : 2.5;
    needs->passes_max = MOMENTS_PASSES + o->max_passes;
    /* A row touches its dense columns squared, and each code with all the others. */
    double dense = (double)problem->n_dense, codes = (double)problem->n_code_columns;
    double hessian =
        is_newton ? (double)problem->n_rows * k * k * (0.02e-9 * dense * dense + 1e-9 * codes * (dense + codes)) : 0.0;
    needs->seconds_per_pass = 1.5e-9 * k * cells + 8e-9 * k * (double)problem->n_rows + hessian;
}

static skimp_status logistic_plan(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                                  skimp_error *error)
{
    logistic_shape shape;
    skimp_status status = skimpi_logistic_shape(problem, params, &shape, error);
    if (status != SKIMP_OK) {
        return status;
    }
    *needs = (skimpi_needs){
        .lanes = shape.lanes,
        .state_bytes = skimp_alloc_cost(skimpi_logistic_bytes(&shape)),
        .lane_bytes = shape.lane_bytes,
        .worker_bytes = shape.worker_bytes,
        .model_bytes = skimpi_logistic_model_bytes(&shape),
    };
    estimate_passes(problem, &shape, needs);
    return SKIMP_OK;
}

/* ---- begin ------------------------------------------------------------------------------------------------------------ */

skimp_status skimpi_logistic_create(logistic **out, skimp_budget *budget, skimp_tag tag, const skimpi_problem *problem,
                                    const logistic_shape *shape, skimp_error *error)
{
    void *block;
    uint64_t bytes = skimpi_logistic_bytes(shape);
    skimp_status status = skimp_alloc(budget, tag, 1, (size_t)skimpi_min_u64(bytes, SIZE_MAX), &block, error);
    if (status != SKIMP_OK) {
        return status;
    }
    logistic *self = block;
    self->budget = budget;
    self->tag = tag;
    self->bytes = (size_t)bytes;
    self->problem = *problem;
    self->shape = *shape;
    self->kernels = skimpi_kernels_get();
    self->loss = skimpi_loss_find("log_loss");
    self->objective = NAN;
    char *at = (char *)block + skimpi_round_up(sizeof(logistic), 64);
    self->solver = at;
    at += shape->solver_bytes;
    self->pass = (logistic_pass *)(void *)at;
    self->centre = self->pass->values + 2 * shape->n_outputs * (shape->p + 1);
    self->shift = self->centre + shape->n_centres;
    self->gradient = self->shift + shape->n_centres;
    self->diagonal = self->gradient + shape->n;
    self->product = self->gradient; /* no pass has both */
    self->inner_centre = self->diagonal + shape->n;
    *out = self;
    return SKIMP_OK;
}

void skimpi_logistic_destroy(void *self_)
{
    logistic *self = self_;
    if (self != NULL) {
        skimp_free(self->budget, self->tag, self, 1, self->bytes);
    }
}

static void warn_of_params(const skimpi_params *params, skimpi_warnings *warnings)
{
    bool is_null = skimpi_params_is_null(params, "penalty");
    if (skimpi_params_is_set(params, "penalty")) {
        skimpi_warn(warnings,
                    "logistic_regression: penalty is deprecated: use l1_ratio (0: l2, 1: l1) and C (inf: no penalty)");
        double ratio = skimpi_params_is_null(params, "l1_ratio") ? 0.0 : skimpi_params_number(params, "l1_ratio");
        const char *penalty = is_null ? "null" : skimpi_params_text(params, "penalty");
        if ((strcmp(penalty, "l1") == 0 && ratio != 1.0) || (strcmp(penalty, "l2") == 0 && ratio != 0.0)) {
            skimpi_warn(warnings, "logistic_regression: penalty=%s goes before l1_ratio=%g", penalty, ratio);
        }
    }
    if (is_null && skimpi_params_number(params, "C") != 1.0) {
        skimpi_warn(warnings, "logistic_regression: penalty=null ignores C and l1_ratio");
    }
    if (!skimpi_params_is_null(params, "n_jobs")) {
        skimpi_warn(warnings, "logistic_regression: n_jobs has no effect");
    }
}

static skimp_status logistic_begin(void **out, skimp_budget *budget, const skimpi_problem *problem,
                                   const skimpi_params *params, skimpi_warnings *warnings, skimp_error *error)
{
    logistic_shape shape;
    logistic *self;
    skimp_status status = SKIMP_OK;
    *out = NULL;
    SKIMPI_TRY(skimpi_logistic_shape(problem, params, &shape, error));
    SKIMPI_TRY(skimpi_logistic_create(&self, budget, SKIMP_TAG_SOLVER, problem, &shape, error));
    self->warnings = warnings;
    warn_of_params(params, warnings);
    shape.solver->init(self->solver, &self->shape.options);
    if (!shape.is_centred) {
        self->has_centres = false;
    } else if (problem->dense_mean != NULL) {
        memcpy(self->centre, problem->dense_mean, shape.p * sizeof(double));
        skimpi_logistic_take_centres(self);
    }
    *out = self;
out:
    return status;
}

static bool needs_moments(const logistic *self)
{
    return self->shape.is_centred && !self->has_centres;
}

/* Once the centres are known: the solver begins at the start's coefficients, unless zeros are better. */
static void begin_at_start(logistic *self)
{
    const logistic_shape *shape = &self->shape;
    const uint64_t k = shape->n_outputs, p = shape->p;
    double *point = self->gradient; /* free until the first answer */
    for (uint64_t l = 0; l < k; l++) {
        const double *coef = self->start_coef + l * p;
        for (uint64_t j = 0; j < p; j++) {
            point[l * p + skimpi_logistic_place(shape, j)] = coef[j];
        }
        if (shape->has_intercept) {
            point[k * p + l] = self->start_intercept[l] + skimpi_logistic_offset(self, coef);
        }
    }
    shape->solver->start(self->solver, point, log(k > 1 ? (double)k : 2.0));
}

static skimp_status logistic_start(void *self_, const skimpi_tensors *tensors, const char *prefix, skimp_error *error)
{
    logistic *self = self_;
    skimp_status status =
        skimpi_logistic_find(tensors, prefix, &self->shape, &self->start_coef, &self->start_intercept, error);
    if (status == SKIMP_OK && !needs_moments(self)) {
        begin_at_start(self);
    }
    return status;
}

/* ---- passes ------------------------------------------------------------------------------------------------------------ */

/* One output row's coefficients and the intercept of what the user sees, from the solver's centred parameters. */
static void user_coordinates(const logistic *self, const double *parameters, double *coef, double *intercept)
{
    const logistic_shape *shape = &self->shape;
    uint64_t k = shape->n_outputs, p = shape->p;
    for (uint64_t j = 0; j < p && k == 1; j++) {
        coef[j] = parameters[skimpi_logistic_place(shape, j)];
    }
    if (k > 1) {
        memcpy(coef, parameters, k * p * sizeof(double));
    }
    for (uint64_t l = 0; l < k; l++) {
        intercept[l] = shape->has_intercept ? parameters[k * p + l] : 0.0;
        if (self->has_centres) {
            intercept[l] -= skimpi_dot(p, self->centre, coef + l * p);
        }
    }
}

/* Narrower rows gain little, and then sums stay those of a file's columns; no Hessian is made of rows. */
static bool takes_rows(const logistic_shape *shape)
{
    return shape->solver == &skimpi_solver_quasi && shape->p >= ROWS_FROM;
}

static void describe_pass(logistic *self, skimpi_pass *pass)
{
    const logistic_shape *shape = &self->shape;
    logistic_pass *parameters = self->pass;
    uint64_t k = shape->n_outputs, p = shape->p;
    *pass = (skimpi_pass){ .parameters = parameters };
    if (needs_moments(self)) {
        pass->kind = LOGISTIC_MOMENTS;
        pass->shifts = self->has_shifts ? self->shift : NULL;
        pass->takes_rows = takes_rows(shape);
        pass->chunk_stride = shape->options.stride[0];
        *parameters = (logistic_pass){ .kind = LOGISTIC_MOMENTS };
        pass->parameter_bytes = sizeof *parameters;
        return;
    }
    skimpi_request request;
    shape->solver->request(self->solver, &request);
    static const logistic_kind kinds[] = {
        [SKIMPI_REQUEST_GRADIENT] = LOGISTIC_GRADIENT,
        [SKIMPI_REQUEST_HESSIAN] = LOGISTIC_HESSIAN,
        [SKIMPI_REQUEST_PRODUCT] = LOGISTIC_PRODUCT,
    };
    bool is_product = request.kind == SKIMPI_REQUEST_PRODUCT;
    pass->kind = kinds[request.kind];
    pass->shifts = self->has_shifts ? self->shift : NULL;
    pass->takes_rows = takes_rows(shape);
    pass->chunk_stride = request.stride;
    *parameters = (logistic_pass){
        .kind = kinds[request.kind],
        .n_rows = (uint32_t)(is_product ? 2 * k : k),
        .with_diagonal = request.with_diagonal,
        .exact = request.exact,
    };
    double *coef = parameters->values, *intercept = coef + parameters->n_rows * p;
    user_coordinates(self, request.point, coef, intercept);
    if (is_product) {
        user_coordinates(self, request.direction, coef + k * p, intercept + k);
    }
    pass->parameter_bytes = sizeof *parameters + parameters->n_rows * (p + 1) * sizeof(double);
}

/* The model takes the place of the pass's parameters. */
static void take_model(logistic *self, const skimpi_solution *solution)
{
    const logistic_shape *shape = &self->shape;
    uint64_t k = shape->n_outputs, p = shape->p;
    double *coef = self->pass->values, *intercept = coef + k * p;
    user_coordinates(self, solution->point, coef, intercept);
    for (uint64_t l = 0; l < k && self->has_shifts; l++) {
        intercept[l] = solution->point[k * p + l] - skimpi_logistic_offset(self, coef + l * p);
    }
    if (k > 1) {
        /* Adding a constant to all classes changes nothing where there is no penalty: the mean is 0, as in scikit-learn. */
        for (uint64_t j = 0; j < (isinf(shape->C) ? p : 0); j++) {
            double mean = 0.0;
            for (uint64_t l = 0; l < k; l++) {
                mean += coef[l * p + j] / (double)k;
            }
            for (uint64_t l = 0; l < k; l++) {
                coef[l * p + j] -= mean;
            }
        }
        double mean = 0.0;
        for (uint64_t l = 0; l < k; l++) {
            mean += intercept[l] / (double)k;
        }
        for (uint64_t l = 0; l < k && shape->has_intercept; l++) {
            intercept[l] -= mean;
        }
    }
    self->n_iter = solution->n_iter;
    self->converged = solution->stop == SKIMPI_STOP_CONVERGED || solution->stop == SKIMPI_STOP_ROUNDING;
    self->objective = solution->objective * self->weight * (isinf(shape->C) ? 1.0 : shape->C);
    self->is_fitted = true;
}

static uint64_t feature_of(const logistic_shape *shape, uint64_t parameter)
{
    uint64_t feature = parameter % shape->p;
    if (feature < shape->border_first + shape->border) {
        feature = feature < shape->border ? shape->border_first + feature : feature - shape->border;
    }
    return feature;
}

static const char *parameter_name(const logistic *self, uint64_t parameter, char *name, size_t size)
{
    if (parameter >= self->shape.n_outputs * self->shape.p) {
        snprintf(name, size, "the intercept");
        return name;
    }
    return skimpi_logistic_feature_name(self, feature_of(&self->shape, parameter), name, size);
}

static void warn_of_solution(const logistic *self, const skimpi_solution *solution)
{
    double loss = solution->objective;
    char name[200];
    if (solution->stop == SKIMPI_STOP_MAX_ITER) {
        skimpi_warn(
            self->warnings,
            "logistic_regression: not converged after %llu iterations (largest gradient %.3g, of %s; tol %.3g): "
            "raise max_iter, or scale the columns",
            (unsigned long long)solution->n_iter, solution->optimality,
            parameter_name(self, self->worst, name, sizeof name), self->shape.options.tol);
    } else if (solution->stop == SKIMPI_STOP_ROUNDING) {
        skimpi_warn(self->warnings,
                    "logistic_regression: tol=%.3g is out of reach of double precision (largest gradient %.3g, of %s): "
                    "scale the columns",
                    self->shape.options.tol, solution->optimality,
                    parameter_name(self, self->worst, name, sizeof name));
    }
    if (isinf(self->shape.C) && loss < 1e-6) {
        skimpi_warn(self->warnings, "logistic_regression: the classes can be separated, so that without a penalty the "
                                    "coefficients grow without end: use a finite C");
    } else if (isinf(self->shape.C) && solution->weak_pivots > 0 && self->shape.n_outputs == 1) {
        skimpi_warn(self->warnings,
                    "logistic_regression: %s is a combination of other columns: without a penalty its coefficient is "
                    "one of many",
                    parameter_name(self, solution->weak_parameter, name, sizeof name));
    }
}

static skimp_status logistic_next_pass(void *self_, skimpi_pass *pass, skimp_error *error)
{
    (void)error;
    logistic *self = self_;
    if (self->is_fitted) {
        *pass = (skimpi_pass){ .is_done = true };
        return SKIMP_OK;
    }
    describe_pass(self, pass);
    return SKIMP_OK;
}

/* Penalties of the pass that has ended; rare_l2: of features that are codes of a text column, or sparse. */
typedef struct penalties {
    double l2, l1, rare_l2;
} penalties;

/* Is the feature such a one? */
static bool may_be_rare(const logistic *self, uint64_t feature)
{
    const skimpi_problem *problem = &self->problem;
    for (uint64_t c = 0; problem->code_features != NULL && c < problem->n_code_columns; c++) {
        uint64_t first = problem->code_features[c];
        if (feature >= first && feature - first < problem->code_sizes[c]) {
            return true;
        }
    }
    return problem->n_sparse > 0;
}

static penalties penalties_of(const logistic *self, const skimpi_request *request, const logistic_lane *lane)
{
    const logistic_shape *shape = &self->shape;
    bool is_sample = request->stride > 1;
    bool is_newton = shape->solver == &skimpi_solver_newton;
    penalties p = { 0 };
    if (!isinf(shape->C)) {
        double weight = is_sample ? lane->weight * ((double)self->problem.n_rows / lane->rows) : lane->weight;
        double strength = request->penalty_factor / (shape->C * weight);
        p = (penalties){ .l2 = (1.0 - shape->l1_ratio) * strength, .l1 = shape->l1_ratio * strength };
    }
    /*
     * A sample may be separable, and is by what is rare in it: coefficients that run away there are a worse start than zeros.
     * So it has a ridge, as if C were at most 1.  (Columns of numbers do without, unless C is infinite: it would not know
     * their scale.)
     */
    p.rare_l2 = p.l2;
    if (is_sample && isinf(shape->C)) {
        p.l2 = p.rare_l2 = 1.0 / lane->rows;
    } else if (is_sample && is_newton) {
        p.rare_l2 = fmax(p.l2, 1.0 / lane->rows);
    }
    return p;
}

/* Least absolute subgradient of g + d l1|w|. */
static double least_subgradient(double g, double w, double l1)
{
    if (w != 0.0) {
        return fabs(g + (w > 0.0 ? l1 : -l1));
    }
    return fmax(fabs(g) - l1, 0.0);
}

/* Of a feature's coefficients. */
static double l2_of_feature(const logistic *self, penalties penalty, uint64_t feature)
{
    return penalty.rare_l2 == penalty.l2 || !may_be_rare(self, feature) ? penalty.l2 : penalty.rare_l2;
}

static double l2_of(const logistic *self, penalties penalty, uint64_t parameter)
{
    double ratio = self->shape.intercept_penalty;
    return parameter < self->shape.n_outputs * self->shape.p
               ? l2_of_feature(self, penalty, feature_of(&self->shape, parameter))
               : penalty.l2 * ratio * ratio;
}

/* Smooth penalties are added to value and gradient; the optimality is that of what the user sees. */
static void answer_gradient(logistic *self, const skimpi_request *request, const logistic_lane *lane, penalties penalty,
                            skimpi_answer *answer)
{
    const logistic_shape *shape = &self->shape;
    uint64_t k = shape->n_outputs, p = shape->p, first = k * p;
    double squares = 0.0, optimality = 0.0;
    uint64_t worst = 0;
    for (uint64_t l = 0; l < k; l++) {
        double intercept = lane->sums[first + l] / lane->weight;
        for (uint64_t j = 0; j < p; j++) {
            uint64_t at = l * p + skimpi_logistic_place(shape, j);
            double l2 = l2_of_feature(self, penalty, j);
            double w = request->point[at], g = lane->sums[l * p + j] / lane->weight + l2 * w;
            squares += l2 * w * w;
            double distance = least_subgradient(g, w, penalty.l1);
            worst = distance > optimality ? at : worst;
            optimality = distance > optimality || isnan(distance) ? distance : optimality;
            self->gradient[at] = self->has_centres ? g - self->centre[j] * intercept : g;
        }
        if (shape->has_intercept) {
            double b = request->point[first + l], ratio = shape->intercept_penalty;
            double g = intercept + penalty.l2 * ratio * ratio * b;
            squares += penalty.l2 * ratio * ratio * b * b;
            double distance = least_subgradient(g, b, penalty.l1 * ratio);
            worst = distance > optimality ? first + l : worst;
            optimality = distance > optimality || isnan(distance) ? distance : optimality;
            self->gradient[first + l] = g;
        }
    }
    self->worst = worst;
    answer->value = lane->value / lane->weight + 0.5 * squares;
    answer->gradient = self->gradient;
    answer->optimality = optimality;
}

static void answer_diagonal(logistic *self, const logistic_lane *lane, penalties penalty, skimpi_answer *answer)
{
    const double *sums = lane->sums + self->shape.n_outputs * (self->shape.p + 1);
    for (uint64_t j = 0; j < self->shape.n; j++) {
        self->diagonal[j] = sums[j] / lane->weight + l2_of(self, penalty, j);
    }
    answer->diagonal = self->diagonal;
}

static void answer_product(logistic *self, const skimpi_request *request, const logistic_lane *lane, penalties penalty,
                           skimpi_answer *answer)
{
    const logistic_shape *shape = &self->shape;
    uint64_t p = shape->p, first = shape->n_outputs * p;
    for (uint64_t j = 0; j < shape->n; j++) {
        double sum = lane->sums[j];
        if (j < first && self->has_centres) {
            sum -= self->centre[j % p] * lane->sums[first + j / p];
        }
        self->product[j] = sum / lane->weight + l2_of(self, penalty, j) * request->direction[j];
    }
    answer->product = self->product;
}

/* The lower triangle, from the blocks of output pairs as they were summed. */
static void answer_hessian(const logistic *self, const logistic_lane *lane, penalties penalty,
                           const skimpi_request *request)
{
    const logistic_shape *shape = &self->shape;
    uint64_t k = shape->n_outputs, p = shape->p - shape->border, n = shape->inner, first = k * p;
    const double *sums = lane->sums + k * (shape->p + 1);
    double *hessian = request->hessian, scale = 1.0 / lane->weight;
    for (uint64_t a = 0; a < k; a++) {
        for (uint64_t b = 0; b <= a; b++) {
            for (uint64_t i = 0; i < p; i++) {
                for (uint64_t j = 0; j < (a == b ? i + 1 : p); j++) {
                    uint64_t low = i >= j ? i : j, high = i >= j ? j : i;
                    hessian[(a * p + i) * n + b * p + j] = sums[(a * p + low) * n + b * p + high] * scale;
                }
            }
            for (uint64_t j = 0; j < (shape->has_intercept ? p : 0); j++) {
                double corner = sums[(first + a) * n + first + b];
                double sum =
                    (sums[(first + a) * n + b * p + j] - (self->has_centres ? self->inner_centre[j] * corner : 0.0)) *
                    scale;
                hessian[(first + a) * n + b * p + j] = sum;
                hessian[(first + b) * n + a * p + j] = sum;
            }
            if (shape->has_intercept) {
                hessian[(first + a) * n + first + b] = sums[(first + a) * n + first + b] * scale;
            }
        }
    }
    for (uint64_t j = 0; j < n; j++) {
        hessian[j * n + j] += l2_of(self, penalty, shape->border + j);
    }
    const double *diagonal = sums + n * n;
    const float *border = (const float *)(diagonal + shape->border);
    for (uint64_t b = 0; b < shape->border; b++) {
        request->border_diagonal[b] = diagonal[b] * scale + penalty.rare_l2; /* a text column */
        for (uint64_t j = 0; j < n; j++) {
            request->border[b * n + j] = (float)((double)border[b * n + j] * scale);
        }
    }
}

static skimp_status logistic_end_pass(void *self_, const skimpi_pass *pass, const void *lane_, skimp_error *error)
{
    logistic *self = self_;
    const logistic_shape *shape = &self->shape;
    const logistic_lane *lane = lane_;
    if (!(lane->weight > 0.0) && pass->chunk_stride <= 1) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "the weights of all rows are zero");
    }
    if (pass->kind == LOGISTIC_MOMENTS) {
        if (skimpi_logistic_take_moments(self, lane) && self->start_coef != NULL) {
            begin_at_start(self);
        }
        return SKIMP_OK;
    }
    skimpi_request request;
    shape->solver->request(self->solver, &request);
    penalties penalty = penalties_of(self, &request, lane);
    skimpi_answer answer = { .l1 = penalty.l1, .rows = lane->rows };
    if (request.stride == 1) {
        self->weight = lane->weight;
    }
    if (request.kind == SKIMPI_REQUEST_PRODUCT) {
        answer_product(self, &request, lane, penalty, &answer);
    } else {
        answer_gradient(self, &request, lane, penalty, &answer);
    }
    if (request.kind == SKIMPI_REQUEST_HESSIAN) {
        answer_hessian(self, lane, penalty, &request);
    } else if (request.with_diagonal) {
        answer_diagonal(self, lane, penalty, &answer);
    }
    shape->solver->step(self->solver, &answer);
    skimpi_solution solution;
    shape->solver->solution(self->solver, &solution);
    if (solution.stop == SKIMPI_STOP_NOT_FINITE) {
        return skimpi_fail(error, SKIMP_ERROR_DATA,
                           "logistic_regression: the numbers of the data overflow double precision: scale the columns");
    }
    if (solution.stop != SKIMPI_STOP_NONE) {
        take_model(self, &solution);
        warn_of_solution(self, &solution);
    }
    return SKIMP_OK;
}

static double logistic_progress(const void *self_)
{
    const logistic *self = self_;
    if (self->is_fitted) {
        return self->objective;
    }
    skimpi_solution solution;
    self->shape.solver->solution(self->solver, &solution);
    return solution.objective * self->weight * (isinf(self->shape.C) ? 1.0 : self->shape.C);
}

static void logistic_result(const void *self_, skimpi_outcome *outcome)
{
    const logistic *self = self_;
    *outcome = (skimpi_outcome){ .objective = self->objective, .n_iter = self->n_iter, .converged = self->converged };
}

const skimpi_estimator_class skimpi_class_logistic_regression = {
    .info = {
        .name = "logistic_regression",
        .class_name = "LogisticRegression",
        .module = "linear_model",
        .kind = SKIMP_CLASSIFIER,
        .help = "logistic regression, binary or multinomial, with l2, l1 or elastic-net penalty",
        .params = logistic_params,
    },
    .plan = logistic_plan,
    .begin = logistic_begin,
    .start = logistic_start,
    .next_pass = logistic_next_pass,
    .consume = skimpi_logistic_consume,
    .merge = skimpi_logistic_merge,
    .end_pass = logistic_end_pass,
    .progress = logistic_progress,
    .state_save = skimpi_logistic_state_save,
    .state_load = skimpi_logistic_state_load,
    .result = logistic_result,
    .save = skimpi_logistic_save,
    .load = skimpi_logistic_load,
    .destroy = skimpi_logistic_destroy,
    .outputs = skimpi_logistic_outputs,
    .predict = skimpi_logistic_predict,
    .predict_worker_bytes = skimpi_logistic_predict_worker_bytes,
};
