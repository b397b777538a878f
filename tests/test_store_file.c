/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Kept chunk stores: what was written is what is opened; the file appears whole or not at all; damage is found; files made
 * to deceive do no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory_file.h"
#include "store_data.h"
#include "store_repair.h"

#define PATH "kept.store"

static skimpi_schema *make_schema(skimp_budget *budget, int which)
{
    skimpi_schema *schema = which == 0 ? data_table(budget, DATA_KINDS, 2) : data_sparse(budget, 5000, which == 2);
    if (which == 0) {
        schema->comparison = SKIMPI_CMP_GE;
        schema->comparison_value = 15.5;
        schema->delimited = false;
    }
    return schema;
}

/* Writes n chunks of `rows` rows to PATH. */
static skimp_status write_store(skimp_budget *budget, int which, uint32_t n, uint32_t rows, uint64_t *digest,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = make_schema(budget, which);
    skimpi_store *store = NULL;
    skimpi_encoder *encoder = NULL;
    skimpi_decoder *decoder = NULL;
    skimpi_raw raw;
    skimpi_store_options options = { .place = SKIMPI_PLACE_FILE, .path = PATH, .expected_bytes = 1 << 20 };
    assert_int_equal(skimpi_raw_create(&raw, budget, schema, rows, (uint64_t)rows * 12, NULL), SKIMP_OK);
    SKIMPI_TRY(skimpi_store_create(&store, budget, schema, &options, error));
    SKIMPI_TRY(skimpi_encoder_create(&encoder, store, 1, 1, 0, error));
    for (uint32_t c = 0; c < n; c++) {
        if (which == 0) {
            data_fill_table(&raw, schema, rows, c);
        } else {
            data_fill_sparse(&raw, schema, rows, 5, c % 3, c);
        }
        SKIMPI_TRY(skimpi_encoder_encode(encoder, &raw, 1 + c * rows, error));
        SKIMPI_TRY(skimpi_store_place_chunk(store, encoder, c, error));
        SKIMPI_TRY(skimpi_store_write_chunk(store, encoder, error));
    }
    SKIMPI_TRY(skimpi_store_finish(store, &encoder, 1, error));
    /* It can be read by who wrote it. */
    SKIMPI_TRY(skimpi_decoder_create(&decoder, store, NULL, error));
    for (uint32_t c = 0; c < n; c++) {
        skimpi_chunk *chunk;
        SKIMPI_TRY(skimpi_store_read_chunk(store, decoder, c, &chunk, error));
        if (digest != NULL) {
            *digest = skimpi_mix64(*digest ^ skimpi_checksum(chunk->target, chunk->n_rows * sizeof(double)));
        }
    }
out:
    skimpi_decoder_destroy(decoder);
    skimpi_encoder_destroy(encoder);
    skimpi_store_destroy(store);
    skimpi_raw_destroy(&raw, schema);
    skimpi_schema_destroy(schema);
    return status;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static void what_was_written_is_opened(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        skimp_budget *budget = data_budget(0);
        uint64_t written = 0, read = 0;
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(write_store(budget, which, 30, 500, &written, &error), SKIMP_OK);
        assert_int_equal(skimp_budget_in_use(budget), skimp_budget_tag_in_use(budget, SKIMP_TAG_OTHER));
        skimpi_schema *schema, *wanted = make_schema(budget, which);
        skimpi_store *store;
        assert_int_equal(skimpi_store_open(&store, budget, PATH, &schema, &error), SKIMP_OK);
        assert_int_equal(skimpi_store_place(store), SKIMPI_PLACE_FILE);
        assert_int_equal(schema->sparse, wanted->sparse);
        assert_int_equal(schema->index64, wanted->index64);
        assert_int_equal(schema->n_columns, wanted->n_columns);
        assert_int_equal(schema->n_numeric, wanted->n_numeric);
        assert_int_equal(schema->n_category, wanted->n_category);
        assert_int_equal(schema->target, wanted->target);
        assert_int_equal(schema->weight, wanted->weight);
        assert_int_equal(schema->comparison, wanted->comparison);
        assert_true(schema->comparison_value == wanted->comparison_value);
        assert_int_equal(schema->n_sparse_features, wanted->n_sparse_features);
        for (uint32_t i = 0; i < schema->n_columns; i++) {
            assert_string_equal(schema->columns[i].name, wanted->columns[i].name);
            assert_int_equal(schema->columns[i].role, wanted->columns[i].role);
            assert_int_equal(schema->columns[i].slot, wanted->columns[i].slot);
        }
        for (uint32_t j = 0; j < schema->n_category; j++) {
            uint32_t n = skimpi_dictionary_size(wanted->dictionaries[j]);
            assert_int_equal(skimpi_dictionary_size(schema->dictionaries[j]), n);
            for (uint32_t code = 0; code < n; code++) {
                size_t a, b;
                const char *x = skimpi_dictionary_text(schema->dictionaries[j], code, &a);
                const char *y = skimpi_dictionary_text(wanted->dictionaries[j], code, &b);
                assert_int_equal(a, b);
                assert_memory_equal(x, y, a);
            }
        }
        const skimpi_summary *s = skimpi_store_summary(store);
        assert_int_equal(s->n_rows, 15000);
        assert_int_equal(s->n_chunks, 30);
        assert_int_equal(s->largest_chunk_rows, 500);
        assert_int_equal(s->n_target_values, which == 0 ? 3 : 15000);
        assert_true(s->numeric[0].minimum == (which == 0 ? 7.25 : s->numeric[0].minimum));
        skimpi_decoder *decoder;
        assert_int_equal(skimpi_decoder_create(&decoder, store, NULL, NULL), SKIMP_OK);
        for (uint32_t c = 0; c < 30; c++) {
            skimpi_chunk *chunk;
            assert_int_equal(skimpi_store_read_chunk(store, decoder, c, &chunk, NULL), SKIMP_OK);
            read = skimpi_mix64(read ^ skimpi_checksum(chunk->target, chunk->n_rows * sizeof(double)));
        }
        assert_true(read == written);
        skimpi_decoder_destroy(decoder);
        skimpi_store_destroy(store);
        skimpi_schema_destroy(schema);
        skimpi_schema_destroy(wanted);
        size_t size;
        uint8_t *bytes = read_file(PATH, &size);
        assert_true(skimpi_store_recognise((const char *)bytes, size));
        assert_false(skimpi_store_recognise((const char *)bytes, 15));
        assert_false(skimpi_store_recognise("id,x,name,label\n1,2,3,4\n", 24));
        free(bytes);
        assert_int_equal(unlink(PATH), 0);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

static void the_file_appears_whole_or_not_at_all(void **state)
{
    (void)state;
    skimp_budget *budget = data_budget(0);
    skimpi_schema *schema = make_schema(budget, 0);
    skimpi_store *store;
    skimp_error error = SKIMP_ERROR_INIT;
    skimpi_store_options options = { .place = SKIMPI_PLACE_FILE, .path = PATH };
    FILE *f = fopen(PATH, "w");
    assert_non_null(f);
    fputs("precious", f);
    fclose(f);
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, &error), SKIMP_OK);
    skimpi_store_destroy(store);
    size_t size;
    uint8_t *bytes = read_file(PATH, &size);
    assert_int_equal(size, 8);
    assert_memory_equal(bytes, "precious", 8);
    free(bytes);
    options.path = "no/such/directory/x.store";
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, &error), SKIMP_ERROR_IO);
    options = (skimpi_store_options){ .place = SKIMPI_PLACE_FILE, .path = PATH, .expected_bytes = (uint64_t)1 << 60 };
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_store_create(&store, budget, schema, &options, &error), SKIMP_ERROR_IO);
    assert_non_null(strstr(error.message, "free"));
    assert_int_equal(unlink(PATH), 0);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        skimp_budget *budget = data_budget(0);
        assert_int_equal(write_store(budget, which, 2, 50, NULL, NULL), SKIMP_OK);
        uint64_t before = skimp_budget_in_use(budget), nth = 1;
        for (;; nth++) {
            skimp_error error = SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, nth % 2 == 0);
            skimp_status status = store_look_at(budget, PATH, &error);
            uint64_t made = skimpi_fault_set(0, false);
            assert_int_equal(skimp_budget_in_use(budget), before);
            if (status == SKIMP_OK && made < nth) {
                break;
            }
            assert_true(status == SKIMP_OK || error.code == SKIMP_ERROR_NOMEM);
        }
        assert_true(nth > 8);
        assert_int_equal(unlink(PATH), 0);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

static skimp_status look_at_bytes(const uint8_t *bytes, size_t size, skimp_error *error)
{
    skimp_budget *budget = data_budget(64 << 20);
    memory_file file = memory_file_make(bytes, size);
    *error = (skimp_error)SKIMP_ERROR_INIT;
    skimp_status status = store_look_at(budget, file.path, error);
    assert_int_equal(error->code, status);
    assert_true(status == SKIMP_OK || status == SKIMP_ERROR_BUDGET || strstr(error->message, file.path) != NULL);
    memory_file_close(&file);
    assert_int_equal(skimp_budget_destroy(budget), 0);
    return status;
}

static void damage_is_found(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        skimp_budget *budget = data_budget(0);
        skimp_error error;
        size_t size;
        assert_int_equal(write_store(budget, which, 2, 40, NULL, NULL), SKIMP_OK);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        uint8_t *bytes = read_file(PATH, &size);
        assert_int_equal(look_at_bytes(bytes, size, &error), SKIMP_OK);
        for (size_t n = 0; n < size; n += n < 64 || n + 200 > size ? 1 : 97) {
            assert_int_equal(look_at_bytes(bytes, n, &error), SKIMP_ERROR_DATA);
        }
        bytes[size] = 0;
        assert_int_equal(look_at_bytes(bytes, size + 1, &error), SKIMP_ERROR_DATA);
        /* Any bit of what means something. (The rest of the head's page is not looked at.) */
        for (size_t at = 0; at < size; at += at == 19 ? SKIMPI_STORE_FILE_HEAD - 19
                                             : at > SKIMPI_STORE_FILE_HEAD + 400 && at + 400 < size ? 7
                                                                                                    : 1) {
            bytes[at] ^= (uint8_t)(1u << at % 8);
            assert_int_equal(look_at_bytes(bytes, size, &error), SKIMP_ERROR_DATA);
            bytes[at] ^= (uint8_t)(1u << at % 8);
        }
        bytes[16] = 9;
        assert_int_equal(look_at_bytes(bytes, size, &error), SKIMP_ERROR_DATA);
        assert_non_null(strstr(error.message, "version 9"));
        free(bytes);
        assert_int_equal(unlink(PATH), 0);
    }
}

/* What columns spread is kept; files of the version before, which had none of it, are still read. */
static void spreads_are_kept(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        skimp_budget *budget = data_budget(UINT64_MAX);
        skimpi_schema *schema = NULL;
        skimpi_store *store = NULL;
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(write_store(budget, which, 3, 200, NULL, &error), SKIMP_OK);
        assert_int_equal(skimpi_store_open(&store, budget, PATH, &schema, &error), SKIMP_OK);
        const skimpi_summary *summary = skimpi_store_summary(store);
        assert_true(summary->has_spreads);
        for (uint32_t j = 0; which == 0 && j < schema->n_numeric; j++) {
            const skimpi_column_spread *s = &summary->spreads[j];
            const skimpi_column_summary *column = &summary->numeric[j];
            assert_true(s->count == (double)(summary->n_rows - column->n_missing));
            if (column->n_infinite == 0 && s->count > 0) {
                const double half = (column->maximum - column->minimum) / 2;
                assert_true(s->mean >= column->minimum - 1e-6 * half && s->mean <= column->maximum + 1e-6 * half);
                assert_true(s->squares >= 0 && s->squares <= s->count * half * half * (1 + 1e-6));
            }
        }
        skimpi_store_destroy(store);
        skimpi_schema_destroy(schema);
        if (which == 1) {
            size_t size;
            uint8_t *bytes = read_file(PATH, &size);
            bytes[offsetof(skimpi_store_head, version)] = 2; /* of sparse data there is nothing else to leave out */
            store_repair(bytes, size);
            memory_file file = memory_file_make(bytes, size);
            assert_int_equal(skimpi_store_open(&store, budget, file.path, &schema, &error), SKIMP_OK);
            assert_false(skimpi_store_summary(store)->has_spreads);
            skimpi_store_destroy(store);
            skimpi_schema_destroy(schema);
            memory_file_close(&file);
            free(bytes);
        }
        assert_int_equal(skimp_budget_destroy(budget), 0);
        assert_int_equal(unlink(PATH), 0);
    }
}

/* Bytes changed and all checksums made right: an error or a sound chunk, never harm (store_look_at aborts on that). */
static void deceit_does_no_harm(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        skimp_budget *budget = data_budget(0);
        skimp_error error;
        size_t size;
        unsigned refused = 0, taken = 0;
        assert_int_equal(write_store(budget, which, 3, 30, NULL, NULL), SKIMP_OK);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        uint8_t *bytes = read_file(PATH, &size), *copy = malloc(size);
        skimpi_random r;
        skimpi_random_seed(&r, 1);
        assert_non_null(copy);
        for (int round = 0; round < 3000; round++) {
            memcpy(copy, bytes, size);
            for (uint64_t k = skimpi_random_below(&r, 3); k < 3; k++) {
                size_t at = SKIMPI_STORE_FILE_HEAD + skimpi_random_below(&r, size - SKIMPI_STORE_FILE_HEAD);
                static const uint8_t likely[] = { 0, 1, 2, 4, 7, 8, 0x7f, 0x80, 0xff };
                copy[at] =
                    skimpi_random_below(&r, 2) ? likely[skimpi_random_below(&r, 9)] : (uint8_t)skimpi_random_u64(&r);
            }
            store_repair(copy, size);
            skimp_status status = look_at_bytes(copy, size, &error);
            refused += status != SKIMP_OK;
            taken += status == SKIMP_OK;
        }
        assert_true(refused > 100 && taken > 100);
        free(copy);
        free(bytes);
        assert_int_equal(unlink(PATH), 0);
    }
}

/* A store that says that its chunks take less room than they do, and one that asks for more than any chunk could take. */
static void areas_that_lie_are_found(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        skimp_budget *budget = data_budget(0);
        skimpi_schema *schema;
        skimpi_store *store;
        skimp_error error;
        size_t size, at = 0;
        assert_int_equal(write_store(budget, which, 3, 200, NULL, NULL), SKIMP_OK);
        assert_int_equal(skimpi_store_open(&store, budget, PATH, &schema, NULL), SKIMP_OK);
        const skimpi_area area = skimpi_store_summary(store)->largest_area;
        skimpi_store_destroy(store);
        skimpi_schema_destroy(schema);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        uint8_t *bytes = read_file(PATH, &size);
        assert_true(area.file <= area.memory && (area.ones != 0) == (which != 0));
        while (memcmp(bytes + at, &area, sizeof(area)) != 0) {
            at++;
            assert_true(at + sizeof(area) < size);
        }
        for (int field = 0; field < 3; field++) {
            for (int more = 0; more < 2; more++) {
                skimpi_area lie = area;
                uint64_t *told = field == 0 ? &lie.memory : field == 1 ? &lie.file : &lie.ones;
                if (!more && (field == 0 || *told == 0)) {
                    continue; /* what a kept store would take in memory is of no use to it */
                }
                *told = more ? (uint64_t)1 << 40 : *told - 64;
                memcpy(bytes + at, &lie, sizeof(lie));
                store_repair(bytes, size);
                assert_int_equal(look_at_bytes(bytes, size, &error), SKIMP_ERROR_DATA);
                assert_non_null(strstr(error.message, more ? "contradicts itself" : "more room than the store says"));
            }
        }
        memcpy(bytes + at, &area, sizeof(area));
        store_repair(bytes, size);
        assert_int_equal(look_at_bytes(bytes, size, &error), SKIMP_OK);
        free(bytes);
        assert_int_equal(unlink(PATH), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_opened), cmocka_unit_test(the_file_appears_whole_or_not_at_all),
        cmocka_unit_test(every_allocation_may_fail),  cmocka_unit_test(damage_is_found),
        cmocka_unit_test(spreads_are_kept),           cmocka_unit_test(deceit_does_no_harm),
        cmocka_unit_test(areas_that_lie_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
