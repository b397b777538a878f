/* SPDX-License-Identifier: BSD-3-Clause */
/* Views of a chunk's rows: every value where the chunk has it, nothing written but descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "estimator/row_view.h"

enum { ROWS = 40 };

static void values_are_the_chunks(void **state)
{
    (void)state;
    float f32[ROWS], values[2 * ROWS];
    double f64[ROWS], target[ROWS], weight[ROWS];
    uint32_t codes[ROWS], indptr[ROWS + 1], indices[2 * ROWS], n = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        f32[i] = (float)i;
        f64[i] = 100.0 + i;
        target[i] = 200.0 + i;
        weight[i] = 300.0 + i;
        codes[i] = i % 5;
        indptr[i] = n;
        for (uint32_t k = 0; k < i % 3; k++) {
            indices[n] = 10 * i + k;
            values[n++] = (float)(400 + i);
        }
    }
    indptr[ROWS] = n;
    skimpi_dense_column dense[2] = { { .feature = 0, .f32 = f32 }, { .feature = 1, .f64 = f64 } }, seen[2];
    skimpi_code_column code = { .feature = 2, .n_codes = 5, .codes = codes }, seen_code;
    const skimpi_chunk chunk = { .first_row = 1000,
                                 .n_rows = ROWS,
                                 .n_dense = 2,
                                 .n_codes = 1,
                                 .dense = dense,
                                 .codes = &code,
                                 .has_csr = true,
                                 .csr = { .feature = 7, .indptr = indptr, .indices = indices, .f32 = values },
                                 .target = target,
                                 .weight = weight };
    const skimpi_chunk lying = { .n_rows = ROWS, .rows = { .values = (const uint8_t *)f64, .stride = sizeof(double) } };
    assert_true(skimpi_row_view(&lying, 7, 3, seen, &seen_code).rows.values == (const uint8_t *)(f64 + 7));
    for (uint32_t first = 0; first < ROWS; first += 16) {
        uint32_t rows = ROWS - first < 16 ? ROWS - first : 16;
        skimpi_chunk view = skimpi_row_view(&chunk, first, rows, seen, &seen_code);
        assert_int_equal(view.n_rows, rows);
        assert_int_equal(view.first_row, 1000 + first);
        assert_true(view.dense == seen && view.codes == &seen_code);
        assert_true(view.dense[0].f64 == NULL && view.dense[1].f32 == NULL);
        for (uint32_t i = 0; i < rows; i++) {
            assert_true(view.dense[0].f32[i] == f32[first + i] && view.dense[1].f64[i] == f64[first + i]);
            assert_true(view.codes[0].codes[i] == codes[first + i]);
            assert_true(view.target[i] == target[first + i] && view.weight[i] == weight[first + i]);
            assert_int_equal(view.csr.indptr[i + 1] - view.csr.indptr[i], (first + i) % 3);
            for (uint32_t at = view.csr.indptr[i]; at < view.csr.indptr[i + 1]; at++) {
                assert_int_equal(view.csr.indices[at] / 10, first + i);
                assert_true(view.csr.f32[at] == (float)(400 + first + i));
            }
        }
        assert_true(view.csr.feature == 7 && view.dense[1].feature == 1 && view.codes[0].feature == 2);
    }
    assert_true(dense[0].f32 == f32 && code.codes == codes); /* the chunk's own stay */
}

static void what_is_not_there_is_not_in_the_view(void **state)
{
    (void)state;
    const skimpi_chunk chunk = { .n_rows = ROWS, .row_state = &(char){ 0 }, .spare = &(char){ 0 } };
    skimpi_chunk view = skimpi_row_view(&chunk, 16, 8, NULL, NULL);
    assert_int_equal(view.n_rows, 8);
    assert_false(view.has_csr);
    assert_null(view.target);
    assert_null(view.weight);
    assert_null(view.row_state); /* it is the whole chunk's */
    assert_null(view.spare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_the_chunks),
        cmocka_unit_test(what_is_not_there_is_not_in_the_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
