/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decoders of chunk stores that make more room than a chunk takes: for columns as doubles, for columns that steps add, for
 * CSR blocks that grow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "data/encoding.h"
#include "store_data.h"

/*
 * As doubles, with room for columns that steps add and for longer CSR blocks: the same values as otherwise, columns apart
 * from one another (all of their memory can be written), from memory and from a file, in exactly the bytes that were planned.
 */
static void decoders_make_room(void **state)
{
    (void)state;
    for (int which = 0; which < 9; which++) {
        skimp_budget *budget = data_budget(0);
        skimpi_schema *schema = which < 3 ? data_table(budget, DATA_KINDS, 2) : data_sparse(budget, 5000, which >= 6);
        skimpi_raw raw;
        skimpi_store *store;
        skimpi_encoder *encoder;
        skimpi_store_options store_options = { .place = SKIMPI_PLACE_MEMORY,
                                               .spill_directory = ".",
                                               .allow_tmpfs = true };
        assert_int_equal(skimpi_raw_create(&raw, budget, schema, 100, 2000, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_create(&store, budget, schema, &store_options, NULL), SKIMP_OK);
        assert_int_equal(skimpi_encoder_create(&encoder, store, 100, 2000, 0, NULL), SKIMP_OK);
        for (uint32_t c = 0; c < 3; c++) {
            if (which < 3) {
                data_fill_table(&raw, schema, 100 - c, c);
            } else {
                data_fill_sparse(&raw, schema, 100 - c, 6, which % 3, c);
            }
            assert_int_equal(data_append(store, encoder, &raw, c, 2, NULL), SKIMP_OK);
        }
        assert_int_equal(skimpi_store_finish(store, &encoder, 1, NULL), SKIMP_OK);
        const skimpi_summary *summary = skimpi_store_summary(store);
        for (int asked = 0; asked < 16; asked++) {
            skimpi_decoder *plain, *decoder;
            skimpi_chunk *expected, *chunk;
            const skimpi_decoder_options options = { .as_doubles = (asked & 1) != 0,
                                                     .with_values = true,
                                                     .spare_floats = (asked & 2) != 0 ? 3 : 0,
                                                     .spare_doubles = (asked & 4) != 0 ? 2 : 0,
                                                     .csr_doublings = (asked & 8) != 0 ? 1 : 0,
                                                     .nonzeros = summary->largest_chunk_nonzeros };
            const skimpi_decoder_options only_values = { .with_values = true };
            if (asked == 8 && which % 2 == 1) {
                assert_int_equal(skimpi_store_spill(store, NULL), SKIMP_OK);
            }
            assert_int_equal(skimpi_decoder_create(&plain, store, &only_values, NULL), SKIMP_OK);
            const uint64_t before = skimp_budget_tag_in_use(budget, SKIMP_TAG_CHUNKS);
            assert_int_equal(skimpi_decoder_create(&decoder, store, &options, NULL), SKIMP_OK);
            assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_CHUNKS) - before,
                             skimpi_decoder_bytes(schema, summary->largest_chunk_rows, summary->largest_chunk_bytes,
                                                  &summary->largest_area, &options, skimpi_store_place(store)));
            for (uint32_t c = 0; c < 3; c++) {
                assert_int_equal(skimpi_store_read_chunk(store, plain, c, &expected, NULL), SKIMP_OK);
                assert_int_equal(skimpi_store_read_chunk(store, decoder, c, &chunk, NULL), SKIMP_OK);
                const uint32_t n = chunk->n_rows;
                assert_true((chunk->spare != NULL) == (options.spare_floats + options.spare_doubles > 0));
                if (chunk->spare != NULL) {
                    assert_int_equal((uintptr_t)chunk->spare % 64, 0);
                    memset(chunk->spare, 0xff,
                           options.spare_floats * skimpi_column_bytes(n, 4) +
                               options.spare_doubles * skimpi_column_bytes(n, 8));
                    for (uint32_t k = 0; k < options.spare_floats + options.spare_doubles; k++) {
                        chunk->dense[chunk->n_dense + k] = (skimpi_dense_column){ .feature = k };
                    }
                }
                skimpi_csr_block *csr = &chunk->csr;
                const uint64_t nonzeros = chunk->has_csr ? csr->indptr[n] : 0;
                assert_int_equal(csr->room, options.csr_doublings * nonzeros);
                for (uint64_t k = nonzeros; k < nonzeros + csr->room; k++) {
                    if (csr->indices != NULL) {
                        csr->indices[k] = UINT32_MAX;
                    } else {
                        csr->indices64[k] = UINT64_MAX;
                    }
                    if (csr->f32 != NULL) {
                        csr->f32[k] = -1;
                    } else {
                        csr->f64[k] = -1;
                    }
                }
                assert_int_equal(chunk->n_dense, expected->n_dense);
                for (uint32_t j = 0; j < chunk->n_dense; j++) {
                    assert_true(!options.as_doubles || chunk->dense[j].f64 != NULL);
                    for (uint32_t i = 0; i < n; i++) {
                        const double got =
                            chunk->dense[j].f32 != NULL ? (double)chunk->dense[j].f32[i] : chunk->dense[j].f64[i];
                        const double want = expected->dense[j].f32 != NULL ? (double)expected->dense[j].f32[i]
                                                                           : expected->dense[j].f64[i];
                        assert_true(got == want || (isnan(got) && isnan(want)));
                    }
                }
                for (uint32_t j = 0; j < chunk->n_codes; j++) {
                    assert_memory_equal(chunk->codes[j].codes, expected->codes[j].codes, n * sizeof(uint32_t));
                }
                assert_memory_equal(chunk->target, expected->target, n * sizeof(double));
                assert_true(!chunk->has_csr || !options.as_doubles || csr->f64 != NULL);
                for (uint64_t k = 0; k < nonzeros; k++) {
                    const skimpi_csr_block *want = &expected->csr;
                    assert_int_equal(csr->indices != NULL ? csr->indices[k] : csr->indices64[k],
                                     want->indices != NULL ? want->indices[k] : want->indices64[k]);
                    assert_true((csr->f32 != NULL ? (double)csr->f32[k] : csr->f64[k]) ==
                                (want->f32 != NULL ? (double)want->f32[k] : want->f64[k]));
                }
            }
            skimpi_decoder_destroy(decoder);
            skimpi_decoder_destroy(plain);
        }
        skimpi_encoder_destroy(encoder);
        skimpi_store_destroy(store);
        skimpi_raw_destroy(&raw, schema);
        skimpi_schema_destroy(schema);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
