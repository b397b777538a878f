/* SPDX-License-Identifier: BSD-3-Clause */
/* Small convex problems with Hessians at hand, and a driver that answers a solver's requests about them. */
#ifndef TESTS_SOLVER_TOYS_H
#define TESTS_SOLVER_TOYS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "solver/solver.h"

/*
 * f(w) = Σ_i softplus(a_i · w) - b · w + ridge / 2 ‖w‖²  (curved), or ½ Σ_i (a_i · w)² - b · w + ridge / 2 ‖w‖²  (quadratic).
 */
typedef struct toy {
    size_t n, rows;
    const double *a;         /* rows × n */
    const double *b;         /* n */
    double ridge, l1, noise; /* noise: F seems to fall at every seventh request alone, and for ever */
    bool is_quadratic;
} toy;

static double toy_margin(const toy *t, size_t i, const double *w)
{
    double m = 0.0;
    for (size_t j = 0; j < t->n; j++) {
        m += t->a[i * t->n + j] * w[j];
    }
    return m;
}

static double toy_evaluate(const toy *t, const double *w, double *gradient)
{
    double value = 0.0;
    for (size_t j = 0; j < t->n; j++) {
        value += 0.5 * t->ridge * w[j] * w[j] - t->b[j] * w[j];
        gradient[j] = t->ridge * w[j] - t->b[j];
    }
    for (size_t i = 0; i < t->rows; i++) {
        double m = toy_margin(t, i, w), slope;
        if (t->is_quadratic) {
            value += 0.5 * m * m;
            slope = m;
        } else {
            value += fmax(m, 0.0) + log1p(exp(-fabs(m)));
            slope = 1.0 / (1.0 + exp(-m));
        }
        for (size_t j = 0; j < t->n; j++) {
            gradient[j] += slope * t->a[i * t->n + j];
        }
    }
    return value;
}

static double toy_curvature(const toy *t, size_t i, const double *w)
{
    double p = 1.0 / (1.0 + exp(-toy_margin(t, i, w)));
    return t->is_quadratic ? 1.0 : p * (1.0 - p);
}

static double toy_subgradient(double g, double w, double l1)
{
    return w > 0.0 ? fabs(g + l1) : w < 0.0 ? fabs(g - l1) : fmax(fabs(g) - l1, 0.0);
}

/* Answers requests until the solver is done. Returns the number of requests. */
static unsigned toy_run(const toy *t, const skimpi_solver *solver, void *block, unsigned limit)
{
    size_t n = t->n;
    double *gradient = calloc(n, sizeof(double)), *diagonal = calloc(n, sizeof(double)),
           *product = calloc(n, sizeof(double));
    unsigned requests = 0;
    for (; requests < limit; requests++) {
        skimpi_request request;
        solver->request(block, &request);
        if (request.kind == SKIMPI_REQUEST_DONE) {
            break;
        }
        skimpi_answer answer = {
            .rows = (double)t->rows, .l1 = t->l1, .gradient = gradient, .diagonal = diagonal, .product = product
        };
        answer.value = toy_evaluate(t, request.point, gradient);
        answer.value += t->noise * ((requests % 7 != 0) - 1e-3 * requests);
        for (size_t j = 0; j < n; j++) {
            answer.optimality = fmax(answer.optimality, toy_subgradient(gradient[j], request.point[j], t->l1));
            diagonal[j] = t->ridge;
            product[j] = request.kind == SKIMPI_REQUEST_PRODUCT ? t->ridge * request.direction[j] : 0.0;
            for (size_t k = 0; k < n && request.kind == SKIMPI_REQUEST_HESSIAN; k++) {
                request.hessian[j * n + k] = j == k ? t->ridge : 0.0;
            }
        }
        for (size_t i = 0; i < t->rows; i++) {
            double c = toy_curvature(t, i, request.point);
            const double *a = t->a + i * n;
            double along = request.kind == SKIMPI_REQUEST_PRODUCT ? toy_margin(t, i, request.direction) : 0.0;
            for (size_t j = 0; j < n; j++) {
                diagonal[j] += c * a[j] * a[j];
                product[j] += c * along * a[j];
                for (size_t k = 0; k <= j && request.kind == SKIMPI_REQUEST_HESSIAN; k++) {
                    request.hessian[j * n + k] += c * a[j] * a[k];
                }
            }
        }
        solver->step(block, &answer);
    }
    free(gradient);
    free(diagonal);
    free(product);
    return requests;
}

static void *toy_block(const skimpi_solver *solver, const skimpi_solver_options *options)
{
    void *block = calloc(1, solver->bytes(options));
    assert_non_null(block);
    solver->init(block, options);
    return block;
}

static void toy_options(const toy *t, skimpi_solver_options *o)
{
    memset(o, 0, sizeof *o);
    o->n = t->n;
    o->n_l1 = t->n;
    o->has_l1 = t->l1 > 0.0;
    o->tol = 1e-9;
    o->gap = 1e-10;
    o->floor = 1e-12;
    o->max_iter = 1000;
    o->max_passes = 1e6;
    o->n_levels = 1;
    o->stride[0] = 1;
    o->penalty_factor[0] = 1.0;
    o->model_stride = 1;
}

/* n levels, whose strides fall to 1 by halves, with the penalties as they are. */
static void toy_levels(skimpi_solver_options *o, unsigned n)
{
    o->n_levels = n;
    for (unsigned level = 0; level < n; level++) {
        o->stride[level] = UINT64_C(1) << (n - 1 - level);
        o->penalty_factor[level] = 1.0;
    }
}

/* Runs a solver to its end, in `limit` requests at most. Returns the block, to be freed. */
static void *toy_solve(const toy *t, const skimpi_solver *solver, const skimpi_solver_options *options, unsigned limit,
                       skimpi_solution *solution)
{
    void *block = toy_block(solver, options);
    toy_run(t, solver, block, limit);
    solver->solution(block, solution);
    return block;
}

/* The subgradient of least norm at a solver's solution, in its largest entry. */
static double toy_optimality(const toy *t, const double *w)
{
    double gradient[128], largest = 0.0;
    assert_true(t->n <= 128);
    (void)toy_evaluate(t, w, gradient);
    for (size_t j = 0; j < t->n; j++) {
        largest = fmax(largest, toy_subgradient(gradient[j], w[j], t->l1));
    }
    return largest;
}

/* Rows in [-1, 1) and a right-hand side in the span of what softplus can balance. */
static void toy_fill(double *a, double *b, size_t rows, size_t n, uint64_t seed)
{
    skimpi_random random;
    skimpi_random_seed(&random, seed);
    memset(b, 0, n * sizeof(double));
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < n; j++) {
            a[i * n + j] = 2.0 * skimpi_random_double(&random) - 1.0;
            b[j] += a[i * n + j] * (i % 3 == 0 ? 1.0 : 0.2);
        }
    }
}

/* The properties that hold for every solver. */
static void toy_check_solver(const skimpi_solver *solver)
{
    enum { N = 12, ROWS = 80 };
    double a[ROWS * N], b[N];
    for (int kind = 0; kind < 6; kind++) {
        toy_fill(a, b, ROWS, N, 100 + (uint64_t)kind);
        toy t = { .n = N,
                  .rows = ROWS,
                  .a = a,
                  .b = b,
                  .ridge = kind % 3 == 2 ? 0.0 : 0.1,
                  .l1 = kind % 3 == 1 ? 3.0 : 0.0,
                  .is_quadratic = kind < 3 };
        skimpi_solver_options options;
        toy_options(&t, &options);
        void *block = toy_block(solver, &options);
        assert_true(solver->check(block, &options));
        unsigned requests = toy_run(&t, solver, block, 2000);
        skimpi_solution solution;
        solver->solution(block, &solution);
        assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
        assert_true(toy_optimality(&t, solution.point) <= options.tol);
        assert_true(fabs(solution.optimality - toy_optimality(&t, solution.point)) <= 1e-12);
        double gradient[N], zeros = 0, value = toy_evaluate(&t, solution.point, gradient);
        for (size_t j = 0; j < N; j++) {
            value += t.l1 * fabs(solution.point[j]);
            zeros += solution.point[j] == 0.0;
        }
        assert_true(fabs(value - solution.objective) <= 1e-12 * (1.0 + fabs(value)));
        assert_true((zeros > 0) == (t.l1 > 0.0)); /* exact zeros, and only with l1 */
        /* The state is its bytes: a copy goes on alike from anywhere. */
        void *again = toy_block(solver, &options);
        for (unsigned at = 0; at < requests; at += 1 + requests / 5) {
            solver->init(memset(again, 0, solver->bytes(&options)), &options);
            assert_int_equal(toy_run(&t, solver, again, at), at);
            void *copy = malloc(solver->bytes(&options));
            memcpy(copy, again, solver->bytes(&options));
            assert_true(solver->check(copy, &options));
            assert_int_equal(toy_run(&t, solver, copy, 2000), requests - at);
            assert_memory_equal(copy, block, solver->bytes(&options));
            free(copy);
        }
        free(again);
        /* Other options are another fit's state. */
        skimpi_solver_options other = options;
        other.tol = 1e-3;
        assert_false(solver->check(block, &other));
        free(block);
        /* No more passes than were promised, whatever the answers are worth. */
        options.max_passes = SKIMPI_FEWEST_PASSES + 5 * (double)kind;
        options.tol = 0;
        options.gap = 0;
        t.noise = 0.1;
        block = toy_block(solver, &options);
        requests = toy_run(&t, solver, block, 2000);
        solver->solution(block, &solution);
        assert_true((double)requests <= options.max_passes && solution.stop != SKIMPI_STOP_NONE &&
                    solution.stop != SKIMPI_STOP_NOT_FINITE);
        free(block);
        toy_options(&t, &options);
        options.n_levels = 3;
        options.stride[0] = 4;
        options.stride[1] = 2;
        options.stride[2] = 1;
        options.penalty_factor[1] = options.penalty_factor[2] = 1.0;
        options.max_passes = SKIMPI_FEWEST_PASSES;
        block = toy_block(solver, &options);
        requests = toy_run(&t, solver, block, 2000);
        solver->solution(block, &solution);
        assert_true(solution.stop != SKIMPI_STOP_NONE && requests <= 4 * SKIMPI_FEWEST_PASSES);
        free(block);
        t.noise = 0.0;
        toy_options(&t, &options);
        /* Few iterations end as they should. */
        options.max_iter = 1;
        block = toy_block(solver, &options);
        toy_run(&t, solver, block, 2000);
        solver->solution(block, &solution);
        assert_true(solution.n_iter <= 1 && solution.stop != SKIMPI_STOP_NONE &&
                    solution.stop != SKIMPI_STOP_NOT_FINITE);
        free(block);
    }
}

#endif
