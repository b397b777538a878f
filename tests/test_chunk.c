/* SPDX-License-Identifier: BSD-3-Clause */
/* Compacting a chunk: the rows asked for, in order, in every kind of column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "data/chunk.h"
#include "store_data.h"

#define ROWS 500u

static void compacting_keeps_the_rows_asked_for(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        skimp_budget *budget = data_budget(0);
        skimpi_schema *schema = which == 0 ? data_table(budget, DATA_KINDS, 2) : data_sparse(budget, 50000, which == 2);
        skimpi_raw raw;
        skimpi_store *store;
        skimpi_encoder *encoder;
        skimpi_decoder *before, *after;
        skimpi_store_options options = { .place = SKIMPI_PLACE_MEMORY };
        assert_int_equal(skimpi_raw_create(&raw, budget, schema, 1, 1, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_create(&store, budget, schema, &options, NULL), SKIMP_OK);
        assert_int_equal(skimpi_encoder_create(&encoder, store, 1, 1, 0, NULL), SKIMP_OK);
        for (uint32_t c = 0; c < 3; c++) {
            if (schema->sparse) {
                data_fill_sparse(&raw, schema, ROWS - c, 20, c % 3, c);
            } else {
                data_fill_table(&raw, schema, ROWS - c, c);
            }
            assert_int_equal(data_append(store, encoder, &raw, c, 1, NULL), SKIMP_OK);
        }
        assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
        assert_int_equal(skimpi_decoder_create(&before, store, NULL, NULL), SKIMP_OK);
        assert_int_equal(skimpi_decoder_create(&after, store, NULL, NULL), SKIMP_OK);
        for (uint32_t c = 0; c < 3; c++) {
            for (unsigned pattern = 0; pattern < 4; pattern++) {
                static uint8_t keep[ROWS];
                skimpi_chunk *a, *b;
                assert_int_equal(skimpi_store_read_chunk(store, before, c, &a, NULL), SKIMP_OK);
                assert_int_equal(skimpi_store_read_chunk(store, after, c, &b, NULL), SKIMP_OK);
                for (uint32_t i = 0; i < a->n_rows; i++) {
                    keep[i] = pattern == 0   ? 0
                              : pattern == 1 ? 2
                              : pattern == 2 ? i % 3 == 1
                                             : skimpi_mix64(i) % 2 != 0;
                }
                skimpi_chunk_compact(b, keep);
                uint32_t k = 0;
                for (uint32_t i = 0; i < a->n_rows; i++) {
                    if (keep[i] == 0) {
                        continue;
                    }
                    assert_true(k < b->n_rows);
                    assert_memory_equal(&a->target[i], &b->target[k], sizeof(double));
                    assert_true(a->weight == NULL || a->weight[i] == b->weight[k]);
                    for (uint32_t j = 0; j < a->n_dense; j++) {
                        assert_true(a->dense[j].f32 == NULL ||
                                    memcmp(&a->dense[j].f32[i], &b->dense[j].f32[k], 4) == 0);
                        assert_true(a->dense[j].f64 == NULL ||
                                    memcmp(&a->dense[j].f64[i], &b->dense[j].f64[k], 8) == 0);
                    }
                    for (uint32_t j = 0; j < a->n_codes; j++) {
                        assert_int_equal(a->codes[j].codes[i], b->codes[j].codes[k]);
                    }
                    if (a->has_csr) {
                        uint32_t n = a->csr.indptr[i + 1] - a->csr.indptr[i], from = a->csr.indptr[i],
                                 to = b->csr.indptr[k];
                        assert_int_equal(b->csr.indptr[k + 1] - to, n);
                        for (uint32_t e = 0; e < n; e++) {
                            assert_true(a->csr.indices == NULL || a->csr.indices[from + e] == b->csr.indices[to + e]);
                            assert_true(a->csr.indices64 == NULL ||
                                        a->csr.indices64[from + e] == b->csr.indices64[to + e]);
                            assert_true(a->csr.f32 == NULL || a->csr.f32[from + e] == b->csr.f32[to + e]);
                            assert_true(a->csr.f64 == NULL || a->csr.f64[from + e] == b->csr.f64[to + e]);
                        }
                    }
                    k++;
                }
                assert_int_equal(b->n_rows, k);
            }
        }
        skimpi_decoder_destroy(before);
        skimpi_decoder_destroy(after);
        skimpi_encoder_destroy(encoder);
        skimpi_store_destroy(store);
        skimpi_raw_destroy(&raw, schema);
        skimpi_schema_destroy(schema);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(compacting_keeps_the_rows_asked_for) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
