/* SPDX-License-Identifier: BSD-3-Clause */
/* Newton's method on small problems with known optima: exact, singular, bordered, not finite. */
#include "kernel/kernel.h"
#include "solver_toys.h"

static void reaches_the_optimum(void **state)
{
    (void)state;
    toy_check_solver(&skimpi_solver_newton);
}

static void a_quadratic_takes_one_step(void **state)
{
    (void)state;
    enum { N = 20, ROWS = 60 };
    double a[ROWS * N], b[N];
    toy_fill(a, b, ROWS, N, 5);
    toy t = { .n = N, .rows = ROWS, .a = a, .b = b, .ridge = 1e-3, .is_quadratic = true };
    skimpi_solver_options options;
    toy_options(&t, &options);
    skimpi_solution solution;
    void *block = toy_solve(&t, &skimpi_solver_newton, &options, 100, &solution);
    assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
    assert_true(solution.n_iter <= 2);
    free(block);
}

/* The last but one Hessian is good enough for the two last steps where a gradient costs far less than it. */
static void the_last_steps_need_no_hessian(void **state)
{
    (void)state;
    enum { N = 100, ROWS = 2000 };
    double *a = calloc(ROWS * N, sizeof *a), *b = calloc(N, sizeof *b);
    assert_true(a != NULL && b != NULL);
    toy_fill(a, b, ROWS, N, 12);
    memset(b, 0, N * sizeof *b);
    for (size_t i = 0; i < ROWS; i++) { /* labels that the first columns nearly tell */
        const double *row = a + i * N;
        const bool is_one = row[0] + row[1] - row[2] + 0.2 * row[N - 1] * row[N - 2] > 0;
        for (size_t j = 0; j < N; j++) {
            b[j] += is_one ? row[j] : 0;
        }
    }
    toy t = { .n = N, .rows = ROWS, .a = a, .b = b, .ridge = 1.0 };
    skimpi_solver_options options;
    toy_options(&t, &options);
    options.tol = 0.5;
    options.gap = 1e-7;
    void *block = toy_block(&skimpi_solver_newton, &options);
    skimpi_request request;
    unsigned hessians = 0, gradients = 0;
    for (skimpi_solver_newton.request(block, &request); request.kind != SKIMPI_REQUEST_DONE && hessians < 50;
         skimpi_solver_newton.request(block, &request)) {
        gradients = request.kind == SKIMPI_REQUEST_GRADIENT ? gradients + 1 : 0; /* since the last Hessian */
        hessians += request.kind == SKIMPI_REQUEST_HESSIAN;
        toy_run(&t, &skimpi_solver_newton, block, 1);
    }
    skimpi_solution solution;
    skimpi_solver_newton.solution(block, &solution);
    assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
    assert_true(toy_optimality(&t, solution.point) <= options.tol);
    assert_true(hessians <= 6); /* with one at the last step but one: 7 */
    assert_int_equal(gradients, 2);
    free(block);
    free(a);
    free(b);
}

/* Two equal columns and no ridge: the solution of least norm shares, and the pivot is told. */
static void singular_hessians_are_bent(void **state)
{
    (void)state;
    enum { N = 5, ROWS = 40 };
    double a[ROWS * N], b[N];
    toy_fill(a, b, ROWS, N, 6);
    for (size_t i = 0; i < ROWS; i++) {
        a[i * N + 3] = a[i * N + 1];
    }
    b[3] = b[1];
    toy t = { .n = N, .rows = ROWS, .a = a, .b = b, .is_quadratic = true };
    skimpi_solver_options options;
    toy_options(&t, &options);
    skimpi_solution solution;
    void *block = toy_solve(&t, &skimpi_solver_newton, &options, 100, &solution);
    assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
    assert_true(solution.weak_pivots > 0 && solution.weak_parameter == 3);
    assert_true(fabs(solution.point[1] - solution.point[3]) <= 1e-4 * fabs(solution.point[1]));
    free(block);
}

/* The last levels' chunks are all the data here, so that coarse levels end at the optimum and the last finds nothing to do. */
static void levels_hand_their_point_on(void **state)
{
    (void)state;
    enum { N = 6, ROWS = 50 };
    double a[ROWS * N], b[N];
    toy_fill(a, b, ROWS, N, 7);
    toy t = { .n = N, .rows = ROWS, .a = a, .b = b, .ridge = 0.05 };
    skimpi_solver_options options;
    toy_options(&t, &options);
    options.n_levels = 3;
    for (unsigned level = 0; level < 3; level++) {
        options.stride[level] = 4u >> (level * 2 < 2 ? level * 2 : 2);
        options.penalty_factor[level] = 1.0;
    }
    void *block = toy_block(&skimpi_solver_newton, &options);
    skimpi_request request;
    skimpi_solver_newton.request(block, &request);
    assert_int_equal(request.stride, 4);
    skimpi_solution solution;
    skimpi_solver_newton.solution(block, &solution);
    assert_true(isnan(solution.objective));
    toy_run(&t, &skimpi_solver_newton, block, 1000);
    skimpi_solver_newton.solution(block, &solution);
    assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
    assert_true(solution.n_iter < 4 && toy_optimality(&t, solution.point) <= options.tol);
    free(block);
}

/* Answers requests at coarse levels from one problem and at the last from another; the samples' rows are a stride's share of a million. */
typedef struct level_trace {
    uint64_t strides[64];
    bool is_zero[64]; /* asked for at w = 0 */
    unsigned n;
} level_trace;

static void run_levels(const toy *samples, const toy *all, void *block, level_trace *trace)
{
    for (trace->n = 0; trace->n < 64; trace->n++) {
        skimpi_request request;
        skimpi_solver_newton.request(block, &request);
        if (request.kind == SKIMPI_REQUEST_DONE) {
            return;
        }
        trace->strides[trace->n] = request.stride;
        trace->is_zero[trace->n] = skimpi_norm_inf(all->n, request.point) == 0.0;
        const toy *t = request.stride > 1 ? samples : all;
        double gradient[16], scale = 1.0 / (double)t->rows;
        skimpi_answer answer = { .gradient = gradient, .rows = 1e6 / (double)request.stride };
        answer.value = scale * toy_evaluate(t, request.point, gradient);
        for (size_t j = 0; j < t->n; j++) {
            gradient[j] *= scale;
            answer.optimality = fmax(answer.optimality, fabs(gradient[j]));
            for (size_t k = 0; k <= j && request.kind == SKIMPI_REQUEST_HESSIAN; k++) {
                double sum = j == k ? t->ridge : 0.0;
                for (size_t i = 0; i < t->rows; i++) {
                    sum += toy_curvature(t, i, request.point) * t->a[i * t->n + j] * t->a[i * t->n + k];
                }
                request.hessian[j * t->n + k] = sum * scale;
            }
        }
        skimpi_solver_newton.step(block, &answer);
    }
    fail_msg("64 passes and no end");
}

/* Samples that are like all the data: the passes over all of it are two or three, whatever they are of the samples. */
static void levels_are_chosen_by_what_they_save(void **state)
{
    (void)state;
    enum { N = 6, ROWS = 300 };
    double a[ROWS * N], b[N], near[N];
    toy_fill(a, b, ROWS, N, 9);
    toy all = { .n = N, .rows = ROWS, .a = a, .b = b, .ridge = 0.5 }, samples = all;
    memcpy(near, b, sizeof near);
    samples.b = near;
    for (int far = 0; far < 2; far++) {
        for (size_t j = 0; j < N; j++) { /* off by what chance would do, or ten times as much */
            near[j] = b[j] + (far ? 0.1 : 0.01) * (j % 2 == 0 ? 1.0 : -1.0);
        }
        skimpi_solver_options options;
        toy_options(&all, &options);
        options.tol = 1e-7;
        toy_levels(&options, 7);
        void *block = toy_block(&skimpi_solver_newton, &options);
        level_trace trace;
        run_levels(&samples, &all, block, &trace);
        unsigned whole = 0, levels = 1;
        for (unsigned i = 0; i < trace.n; i++) {
            whole += trace.strides[i] == 1;
            levels += i > 0 && trace.strides[i] != trace.strides[i - 1];
            assert_true(i == 0 || trace.strides[i] <= trace.strides[i - 1]);
            assert_true(trace.is_zero[i] == (i == 0));
        }
        assert_true(whole >= 2 && whole <= 3);
        assert_true(levels >= 3 && levels <= 5); /* the first, the one that checks it, the last; not all seven */
        skimpi_solution solution;
        skimpi_solver_newton.solution(block, &solution);
        assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
        assert_true(toy_optimality(&all, solution.point) <= 1e-7 * ROWS);
        free(block);
    }
}

/* A sample whose solution is far from that of all the data is forgotten: at once, once, and for w = 0. */
static void samples_that_lead_astray_are_left(void **state)
{
    (void)state;
    enum { N = 6, ROWS = 300 };
    double a[ROWS * N], b[N], other[N];
    toy_fill(a, b, ROWS, N, 10);
    for (size_t j = 0; j < N; j++) {
        other[j] = -b[j];
    }
    toy all = { .n = N, .rows = ROWS, .a = a, .b = b, .ridge = 0.5 }, samples = all;
    samples.b = other;
    skimpi_solver_options options;
    toy_options(&all, &options);
    toy_levels(&options, 4);
    void *block = toy_block(&skimpi_solver_newton, &options);
    level_trace trace;
    run_levels(&samples, &all, block, &trace);
    unsigned zeros = 0, whole = 0;
    for (unsigned i = 0; i < trace.n; i++) {
        whole += trace.strides[i] == 1;
        zeros += trace.strides[i] == 1 && trace.is_zero[i];
        assert_true(!trace.is_zero[i] || i == 0 || (trace.strides[i] == 1 && whole == 2));
    }
    assert_int_equal(zeros, 1);
    skimpi_solution solution;
    skimpi_solver_newton.solution(block, &solution);
    assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
    assert_true(toy_optimality(&all, solution.point) <= options.tol * ROWS);
    free(block);
}

static void numbers_that_overflow_are_told(void **state)
{
    (void)state;
    double a[4] = { 1e200, 1.0, -1e200, 2.0 }, b[2] = { 0.1, 0.2 };
    toy t = { .n = 2, .rows = 2, .a = a, .b = b, .ridge = 0.1, .is_quadratic = true };
    skimpi_solver_options options;
    toy_options(&t, &options);
    skimpi_solution solution;
    void *block = toy_solve(&t, &skimpi_solver_newton, &options, 100, &solution);
    assert_int_equal(solution.stop, SKIMPI_STOP_NOT_FINITE);
    free(block);
}

/* f = ½ wᵀHw - b·w with a diagonal block at first: the bordered solver must find what the plain one finds. */
static void borders_are_the_same_newton(void **state)
{
    (void)state;
    enum { BORDER = 9, REST = 4, N = BORDER + REST };
    double h[N * N] = { 0 }, b[N];
    skimpi_random random;
    skimpi_random_seed(&random, 8);
    for (size_t i = 0; i < N; i++) {
        b[i] = skimpi_random_double(&random) - 0.5;
        for (size_t j = 0; j < i; j++) {
            h[i * N + j] = h[j * N + i] = i < BORDER ? 0.0 : (double)(float)(0.4 * skimpi_random_double(&random) - 0.2);
        }
        h[i * N + i] = 1.0 + skimpi_random_double(&random);
    }
    double found[2][2][N];
    for (int l1 = 0; l1 < 2; l1++) {
        for (int bordered = 0; bordered < 2; bordered++) {
            toy t = { .n = N, .l1 = l1 ? 0.1 : 0.0 };
            skimpi_solver_options options;
            toy_options(&t, &options);
            options.n_border = bordered ? BORDER : 0;
            void *block = toy_block(&skimpi_solver_newton, &options);
            double gradient[N];
            for (int i = 0; i < 50; i++) {
                skimpi_request r;
                skimpi_solver_newton.request(block, &r);
                if (r.kind == SKIMPI_REQUEST_DONE) {
                    break;
                }
                skimpi_answer answer = { .gradient = gradient, .rows = 100, .l1 = t.l1 };
                for (size_t j = 0; j < N; j++) {
                    gradient[j] = -b[j];
                    answer.value -= b[j] * r.point[j];
                    for (size_t k = 0; k < N; k++) {
                        gradient[j] += h[j * N + k] * r.point[k];
                        answer.value += 0.5 * r.point[j] * h[j * N + k] * r.point[k];
                    }
                    answer.optimality = fmax(answer.optimality, toy_subgradient(gradient[j], r.point[j], t.l1));
                }
                size_t first = options.n_border, m = N - first;
                for (size_t j = 0; r.kind == SKIMPI_REQUEST_HESSIAN && j < N; j++) {
                    for (size_t k = 0; k < (j < first ? m : j - first + 1); k++) {
                        if (j < first) {
                            r.border[j * m + k] = (float)h[j * N + first + k];
                        } else {
                            r.hessian[(j - first) * m + k] = h[j * N + first + k];
                        }
                    }
                    if (j < first) {
                        r.border_diagonal[j] = h[j * N + j];
                    }
                }
                skimpi_solver_newton.step(block, &answer);
            }
            skimpi_solution solution;
            skimpi_solver_newton.solution(block, &solution);
            assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
            memcpy(found[l1][bordered], solution.point, sizeof found[l1][bordered]);
            free(block);
        }
        for (size_t j = 0; j < N; j++) {
            assert_true(fabs(found[l1][0][j] - found[l1][1][j]) <= 1e-8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_the_optimum),
        cmocka_unit_test(a_quadratic_takes_one_step),
        cmocka_unit_test(the_last_steps_need_no_hessian),
        cmocka_unit_test(singular_hessians_are_bent),
        cmocka_unit_test(levels_hand_their_point_on),
        cmocka_unit_test(levels_are_chosen_by_what_they_save),
        cmocka_unit_test(samples_that_lead_astray_are_left),
        cmocka_unit_test(numbers_that_overflow_are_told),
        cmocka_unit_test(borders_are_the_same_newton),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
