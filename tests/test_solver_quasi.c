/* SPDX-License-Identifier: BSD-3-Clause */
/* The quasi-Newton solver on small problems: exact with a true, a poor and a useless sample; not finite. */
#include "solver_toys.h"

static void reaches_the_optimum(void **state)
{
    (void)state;
    toy_check_solver(&skimpi_solver_quasi);
}

/* Products come from a tenth of the rows: B is wrong, the gradients are right, and so is the optimum. */
static void poor_samples_only_cost_time(void **state)
{
    (void)state;
    enum { N = 16, ROWS = 120 };
    static double a[ROWS * N], b[N];
    toy_fill(a, b, ROWS, N, 11);
    for (int l1 = 0; l1 < 2; l1++) {
        toy whole = { .n = N, .rows = ROWS, .a = a, .b = b, .ridge = 0.1, .l1 = l1 ? 2.0 : 0.0 };
        skimpi_solver_options options;
        toy_options(&whole, &options);
        options.model_stride = 8;
        for (size_t rows = 0; rows <= 12; rows += 12) {
            void *block = toy_block(&skimpi_solver_quasi, &options);
            unsigned requests = 0;
            for (;; requests++) {
                skimpi_request request;
                skimpi_solver_quasi.request(block, &request);
                if (request.kind == SKIMPI_REQUEST_DONE) {
                    break;
                }
                assert_true(requests < 5000);
                toy part = whole;
                if (request.stride > 1) {
                    assert_true(request.penalty_factor == 0.0);
                    part.rows = rows;
                    part.ridge = 0.0;
                }
                assert_int_equal(toy_run(&part, &skimpi_solver_quasi, block, 1), 1);
            }
            skimpi_solution solution;
            skimpi_solver_quasi.solution(block, &solution);
            assert_int_equal(solution.stop, SKIMPI_STOP_CONVERGED);
            assert_true(toy_optimality(&whole, solution.point) <= options.tol);
            free(block);
        }
    }
}

/* Levels that are all the data here: each begins where the one before ended, and the last ends at the optimum. */
static void levels_end_at_the_optimum(void **state)
{
    (void)state;
    enum { N = 16, ROWS = 120 };
    static double a[ROWS * N], b[N];
    toy_fill(a, b, ROWS, N, 13);
    for (int l1 = 0; l1 < 2; l1++) {
        toy t = { .n = N, .rows = ROWS, .a = a, .b = b, .ridge = 0.1, .l1 = l1 ? 2.0 : 0.0 };
        skimpi_solver_options options;
        toy_options(&t, &options);
        skimpi_solution alone, last;
        free(toy_solve(&t, &skimpi_solver_quasi, &options, 3000, &alone));
        uint64_t from_zero = alone.n_iter;
        toy_levels(&options, 3);
        void *block = toy_solve(&t, &skimpi_solver_quasi, &options, 3000, &last);
        assert_int_equal(last.stop, SKIMPI_STOP_CONVERGED);
        assert_true(toy_optimality(&t, last.point) <= options.tol);
        assert_true(last.n_iter < from_zero); /* iterations of the last level */
        free(block);
    }
}

static void numbers_that_overflow_are_told(void **state)
{
    (void)state;
    double a[4] = { 1e200, 1.0, -1e200, 2.0 }, b[2] = { 0.1, 0.2 };
    toy t = { .n = 2, .rows = 2, .a = a, .b = b, .ridge = 0.1, .is_quadratic = true };
    skimpi_solver_options options;
    toy_options(&t, &options);
    skimpi_solution solution;
    void *block = toy_solve(&t, &skimpi_solver_quasi, &options, 3000, &solution);
    assert_true(solution.stop != SKIMPI_STOP_NONE);
    for (size_t j = 0; j < 2; j++) {
        assert_true(isfinite(solution.point[j]));
    }
    free(block);
}

static void sizes_saturate(void **state)
{
    (void)state;
    skimpi_solver_options options = { .n = UINT64_MAX / 8 };
    assert_true(skimpi_solver_quasi.bytes(&options) == UINT64_MAX);
    assert_true(skimpi_solver_newton.bytes(&options) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_the_optimum),
        cmocka_unit_test(poor_samples_only_cost_time),
        cmocka_unit_test(levels_end_at_the_optimum),
        cmocka_unit_test(numbers_that_overflow_are_told),
        cmocka_unit_test(sizes_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
