/* SPDX-License-Identifier: BSD-3-Clause */
/* Tensors: adding, finding, demanding; files as the format has them, byte for byte; hostile files; refused memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "data/tensors.h"
#include "memory_file.h"
#include "temporary_directory.h"

static skimp_budget *budget_of(uint64_t limit)
{
    skimp_budget *budget;
    skimp_budget_options options = { .size = sizeof(options), .limit = limit };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

/* One of every type, with names and texts that need care. */
static skimp_status make_sample(skimpi_tensors **out, skimp_budget *budget, skimp_error *error)
{
    static const char *const strings[] = { "one", "", "z\xc3\xbcrich" };
    skimp_status status = SKIMP_OK;
    skimpi_tensors *tensors;
    void *data;
    SKIMPI_TRY(skimpi_tensors_create(&tensors, budget, error));
    *out = tensors;
    SKIMPI_TRY(skimpi_tensors_add_strings(tensors, "names", strings, 3, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, "coef_", SKIMPI_F64, 2, (uint64_t[]){ 2, 3 }, &data, error));
    for (int i = 0; i < 6; i++) {
        ((double *)data)[i] = i / 8.0;
    }
    SKIMPI_TRY(skimpi_tensors_add(tensors, "f32", SKIMPI_F32, 1, (uint64_t[]){ 3 }, &data, error));
    ((float *)data)[2] = -1.5f;
    SKIMPI_TRY(skimpi_tensors_add(tensors, "i64", SKIMPI_I64, 0, NULL, &data, error));
    *(int64_t *)data = -7;
    SKIMPI_TRY(skimpi_tensors_add(tensors, "empty", SKIMPI_U64, 2, (uint64_t[]){ 5, 0 }, &data, error));
    SKIMPI_TRY(skimpi_tensors_add(tensors, "i32", SKIMPI_I32, 1, (uint64_t[]){ 1 }, &data, error));
    *(int32_t *)data = INT32_MIN;
    SKIMPI_TRY(
        skimpi_tensors_add(tensors, "\"\\\n\xe2\x82\xac", SKIMPI_U32, 4, (uint64_t[]){ 1, 1, 2, 1 }, &data, error));
    ((uint32_t *)data)[1] = UINT32_MAX;
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "estimator", "logistic_regression", error));
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "quo\"te", "tab\there", error));
    SKIMPI_TRY(skimpi_tensors_set_meta(tensors, "estimator", "ridge", error)); /* replaces */
out:
    return status;
}

static void check_sample(const skimpi_tensors *tensors)
{
    const skimpi_tensor *found;
    assert_int_equal(skimpi_tensors_count(tensors), 7);
    assert_int_equal(skimpi_tensors_need(tensors, "coef_", SKIMPI_F64, 2, (uint64_t[]){ 2, UINT64_MAX }, &found, NULL),
                     SKIMP_OK);
    for (int i = 0; i < 6; i++) {
        assert_true(((const double *)found->data)[i] == i / 8.0);
    }
    assert_true(((const float *)skimpi_tensors_find(tensors, "f32")->data)[2] == -1.5f);
    assert_true(*(const int64_t *)skimpi_tensors_find(tensors, "i64")->data == -7);
    assert_true(skimpi_tensors_find(tensors, "empty")->n_values == 0);
    assert_true(*(const int32_t *)skimpi_tensors_find(tensors, "i32")->data == INT32_MIN);
    assert_true(((const uint32_t *)skimpi_tensors_find(tensors, "\"\\\n\xe2\x82\xac")->data)[1] == UINT32_MAX);
    found = skimpi_tensors_find(tensors, "names");
    assert_true(found->n_values == 13);
    assert_memory_equal(found->data, "one\0\0z\xc3\xbcrich", 13);
    assert_string_equal(skimpi_tensors_meta(tensors, "estimator"), "ridge");
    assert_string_equal(skimpi_tensors_meta(tensors, "quo\"te"), "tab\there");
    assert_null(skimpi_tensors_meta(tensors, "absent"));
    assert_int_equal(skimpi_tensors_meta_count(tensors), 2);
    const char *key;
    const char *value;
    skimpi_tensors_meta_at(tensors, 1, &key, &value);
    assert_string_equal(key, "quo\"te");
}

static void keeps_arrays_and_metadata(void **state)
{
    (void)state;
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_tensors *tensors;
    const skimpi_tensor *found;
    skimp_error error = SKIMP_ERROR_INIT;
    void *data;
    assert_int_equal(make_sample(&tensors, budget, NULL), SKIMP_OK);
    check_sample(tensors);
    assert_string_equal(skimpi_tensors_at(tensors, 1)->name, "coef_");
    assert_int_equal(skimpi_tensors_add(tensors, "coef_", SKIMPI_F64, 0, NULL, &data, NULL), SKIMP_ERROR_INTERNAL);
    assert_int_equal(skimpi_tensors_add(tensors, "__metadata__", SKIMPI_F64, 0, NULL, &data, NULL),
                     SKIMP_ERROR_INTERNAL);
    assert_int_equal(skimpi_tensors_need(tensors, "nowhere", SKIMPI_F64, 0, NULL, &found, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "the tensor 'nowhere' is missing"));
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(
        skimpi_tensors_need(tensors, "coef_", SKIMPI_F32, 3, (uint64_t[]){ 1, UINT64_MAX, 2 }, &found, &error),
        SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "the tensor 'coef_' is F64 [2, 3], not F32 [1, n, 2]"));
    assert_null(found);
    assert_int_equal(skimpi_tensors_need(tensors, "coef_", SKIMPI_F64, 2, (uint64_t[]){ 2, 4 }, &found, NULL),
                     SKIMP_ERROR_DATA);
    assert_int_equal(
        skimpi_tensors_add(tensors, "vast", SKIMPI_F64, 2, (uint64_t[]){ 1ull << 40, 1ull << 40 }, &data, NULL),
        SKIMP_ERROR_PARAM);
    assert_int_equal(skimpi_tensors_add(tensors, "vast", SKIMPI_F64, 2, (uint64_t[]){ 1u << 17, 8 }, &data, NULL),
                     SKIMP_ERROR_BUDGET);
    assert_int_equal(skimpi_tensors_count(tensors), 7);
    skimpi_tensors_destroy(tensors);
    assert_true(skimp_budget_destroy(budget) == 0);
}

static void writes_and_reads_back(void **state)
{
    (void)state;
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_tensors *tensors;
    const char *path = in_temporary("model");
    assert_int_equal(make_sample(&tensors, budget, NULL), SKIMP_OK);
    assert_int_equal(skimpi_tensors_write(tensors, path, NULL), SKIMP_OK);
    skimpi_tensors_destroy(tensors);
    assert_int_equal(skimpi_tensors_read(&tensors, budget, path, NULL), SKIMP_OK);
    check_sample(tensors);
    skimp_error error = SKIMP_ERROR_INIT;
    const skimpi_tensor *found;
    assert_int_equal(skimpi_tensors_need(tensors, "nowhere", SKIMPI_F64, 0, NULL, &found, &error), SKIMP_ERROR_DATA);
    assert_string_equal(error.file, path);
    skimpi_tensors_destroy(tensors);
    assert_true(skimp_budget_destroy(budget) == 0);
}

/* Byte for byte: the widest type first, the header padded so that the arrays begin at a multiple of 64. */
static void writes_the_format(void **state)
{
    (void)state;
    static const char begin[] = "{\"__metadata__\":{\"checksum\":\"xxh3:";
    static const char header[] = "\",\"k\":\"a\\u0001\\\"\xef\xbf\xbd\xc3\xbc\"},"
                                 "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[16,19]},"
                                 "\"w\":{\"dtype\":\"F64\",\"shape\":[2,1],\"data_offsets\":[0,16]}}";
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_tensors *tensors;
    void *data;
    char bytes[1024];
    const char *path = in_temporary("format");
    assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
    assert_int_equal(skimpi_tensors_set_meta(tensors, "k", "a\x01\"\xff\xc3\xbc", NULL),
                     SKIMP_OK); /* \xff is no UTF-8 */
    assert_int_equal(skimpi_tensors_add(tensors, "b", SKIMPI_U8, 1, (uint64_t[]){ 3 }, &data, NULL), SKIMP_OK);
    memcpy(data, "xyz", 3);
    assert_int_equal(skimpi_tensors_add(tensors, "w", SKIMPI_F64, 2, (uint64_t[]){ 2, 1 }, &data, NULL), SKIMP_OK);
    ((double *)data)[0] = 1.0;
    assert_int_equal(skimpi_tensors_write(tensors, path, NULL), SKIMP_OK);
    skimpi_tensors_destroy(tensors);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    uint64_t length;
    memcpy(&length, bytes, sizeof(length));
    assert_int_equal((8 + length) % 64, 0);
    assert_int_equal(n, 8 + length + 19);
    const size_t rest = sizeof(begin) - 1 + 16;
    assert_memory_equal(bytes + 8, begin, sizeof(begin) - 1);
    assert_memory_equal(bytes + 8 + rest, header, sizeof(header) - 1);
    for (size_t i = rest + sizeof(header) - 1; i < length; i++) {
        assert_int_equal(bytes[8 + i], ' ');
    }
    assert_memory_equal(bytes + 8 + length, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\0xyz", 19);
    assert_true(skimpi_tensors_recognise(bytes, n));
    assert_false(skimpi_tensors_recognise(bytes, 8));
    assert_false(skimpi_tensors_recognise("label,a,b,c", 11));
    /* Whatever bit is another one, the checksum is wrong, or something else is; unless it is no longer called so. */
    const size_t key = 8 + strlen("{\"__metadata__\":{\"");
    for (size_t i = 0; i < 8 * n; i++) {
        if (i / 8 >= key && i / 8 < key + strlen("checksum")) {
            continue;
        }
        bytes[i / 8] ^= (char)(1 << i % 8);
        write_file("flipped", bytes, n);
        assert_int_equal(skimpi_tensors_read(&tensors, budget, in_temporary("flipped"), NULL), SKIMP_ERROR_DATA);
        bytes[i / 8] ^= (char)(1 << i % 8);
    }
    write_file("flipped", bytes, n);
    assert_int_equal(skimpi_tensors_read(&tensors, budget, in_temporary("flipped"), NULL), SKIMP_OK);
    assert_int_equal(skimpi_tensors_meta_count(tensors), 1); /* the checksum is the file's business */
    skimpi_tensors_destroy(tensors);
    assert_true(skimp_budget_destroy(budget) == 0);
}

/* An output that cannot be finished leaves what was there. */
static void leaves_an_existing_file_when_it_fails(void **state)
{
    (void)state;
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_tensors *tensors;
    write_file("old", "before", 6);
    assert_int_equal(make_sample(&tensors, budget, NULL), SKIMP_OK);
    skimpi_fault_set(2, false);
    assert_true(skimpi_tensors_write(tensors, in_temporary("old"), NULL) != SKIMP_OK);
    skimpi_fault_set(0, false);
    FILE *file = fopen(in_temporary("old"), "rb");
    char bytes[16];
    assert_int_equal(fread(bytes, 1, sizeof(bytes), file), 6);
    fclose(file);
    assert_memory_equal(bytes, "before", 6);
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_tensors_write(tensors, in_temporary("no/such/place"), &error), SKIMP_ERROR_IO);
    skimpi_tensors_destroy(tensors);
    assert_true(skimp_budget_destroy(budget) == 0);
}

/* A file of this header and so many bytes after it. */
static skimp_status read_header(const char *header, size_t data_bytes, skimp_error *error)
{
    char bytes[4096] = { 0 };
    uint64_t length = strlen(header);
    memcpy(bytes, &length, sizeof(length));
    memcpy(bytes + 8, header, length);
    memory_file file = memory_file_make(bytes, 8 + length + data_bytes);
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_tensors *tensors;
    skimp_status status = skimpi_tensors_read(&tensors, budget, file.path, error);
    if (status == SKIMP_OK) {
        skimpi_tensors_destroy(tensors);
    } else {
        assert_null(tensors);
    }
    assert_true(skimp_budget_destroy(budget) == 0);
    memory_file_close(&file);
    return status;
}

#define ENTRY(name, dtype, shape, offsets)                                                                             \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void reads_what_other_writers_make(void **state)
{
    (void)state;
    assert_int_equal(read_header("{}", 0, NULL), SKIMP_OK);
    assert_int_equal(read_header("{ \"__metadata__\" : { } }   ", 0, NULL), SKIMP_OK);
    assert_int_equal(read_header("{" ENTRY("a", "F32", "[]", "[0,4]") "}", 4, NULL), SKIMP_OK);
    assert_int_equal(
        read_header("{" ENTRY("a", "F32", "[0]", "[4,4]") "," ENTRY("b", "I32", "[1]", "[0,4]") "}", 4, NULL),
        SKIMP_OK);
    assert_int_equal(
        read_header("{" ENTRY("a", "U8", "[1,1]", "[0,1]") "," ENTRY("b", "F64", "[1]", "[1,9]") "}", 9, NULL),
        SKIMP_OK);
    assert_int_equal(read_header("{\"a\":{\"data_offsets\":[0,1],\"shape\":[1],\"dtype\":\"U8\"}}", 1, NULL), SKIMP_OK);
}

static void refuses_hostile_files(void **state)
{
    (void)state;
    static const struct {
        const char *header, *message;
        size_t data_bytes;
    } cases[] = {
        { "[]", "not a JSON object", 0 },
        { " {}", "not a JSON object", 0 },
        { "{\"a\":}", "not a JSON object", 0 },
        { "{} x", "not a JSON object", 0 },
        { "{\"a\":1}", "tensor 'a': its entry is not an object", 0 },
        { "{\"a\":{}}", "dtype, shape or data_offsets are missing", 0 },
        { "{" ENTRY("a", "F16", "[1]", "[0,2]") "}", "its dtype is not one of", 2 },
        { "{" ENTRY("a", "F32", "[1,1,1,1,1]", "[0,4]") "}", "not at most 4 whole numbers", 4 },
        { "{" ENTRY("a", "F32", "[-1]", "[0,4]") "}", "not at most 4 whole numbers", 4 },
        { "{" ENTRY("a", "F32", "[1.0]", "[0,4]") "}", "not at most 4 whole numbers", 4 },
        { "{" ENTRY("a", "F32", "[18446744073709551617]", "[0,4]") "}", "not at most 4 whole numbers", 4 },
        { "{" ENTRY("a", "F32", "[1]", "[0]") "}", "not two whole numbers", 4 },
        { "{" ENTRY("a", "F32", "[1]", "[0,4,8]") "}", "not two whole numbers", 4 },
        { "{" ENTRY("a", "F32", "[1]", "[4,0]") "}", "do not fit", 4 },
        { "{" ENTRY("a", "F32", "[1]", "[0,3]") "}", "do not fit", 4 },
        { "{" ENTRY("a", "F32", "[2]", "[0,8]") "}", "do not fit", 4 },
        { "{" ENTRY("a", "F64", "[2305843009213693952,8]", "[0,0]") "}", "do not fit",
          0 }, /* 2^61 × 8 × 8 is 0 in 64 bits */
        { "{" ENTRY("a", "U8", "[4]", "[0,4]") "," ENTRY("b", "U8", "[4]", "[0,4]") "}", "overlap or leave a gap", 8 },
        { "{" ENTRY("a", "U8", "[4]", "[0,4]") "," ENTRY("b", "U8", "[3]", "[5,8]") "}", "overlap or leave a gap", 8 },
        { "{" ENTRY("a", "U8", "[4]", "[0,4]") "}", "bytes follow its last array", 5 },
        { "{}", "bytes follow its last array", 1 },
        { "{" ENTRY("a", "U8", "[4]", "[0,4]") "," ENTRY("a", "U8", "[4]", "[4,8]") "}", "tensor 'a': it comes twice",
          8 },
        { "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}", "does not belong there",
          1 },
        { "{\"a\":{\"dtype\":\"U8\",\"more\":1,\"shape\":[],\"data_offsets\":[0,1]}}", "does not belong there", 1 },
        { "{\"__metadata__\":1}", "metadata is not an object", 0 },
        { "{\"__metadata__\":{\"a\":1}}", "not a string", 0 },
        { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", "comes twice", 0 },
        { "{\"__metadata__\":{},\"__metadata__\":{}}", "metadata twice", 0 },
        { "{\"a\\u0000b\":1}", "not a JSON object", 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(read_header(cases[i].header, cases[i].data_bytes, &error), SKIMP_ERROR_DATA);
        assert_non_null(strstr(error.message, cases[i].message));
        assert_memory_equal(error.file, "/proc/self/fd/", 14);
    }
}

/* A good file cut at every byte, and with a header length that cannot be. */
static void refuses_truncated_files(void **state)
{
    (void)state;
    static const char header[] = "{" ENTRY("a", "F32", "[2]", "[0,8]") "}";
    char bytes[256] = { 0 };
    uint64_t length = sizeof(header) - 1;
    size_t n = 8 + (size_t)length + 8;
    memcpy(bytes, &length, sizeof(length));
    memcpy(bytes + 8, header, (size_t)length);
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_tensors *tensors;
    for (size_t cut = 0; cut < n; cut++) {
        memory_file file = memory_file_make(bytes, cut);
        assert_int_equal(skimpi_tensors_read(&tensors, budget, file.path, NULL), SKIMP_ERROR_DATA);
        memory_file_close(&file);
    }
    static const uint64_t lengths[] = { 0, 1, 1u << 25, UINT64_MAX, UINT64_MAX - 7 };
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        memcpy(bytes, &lengths[i], sizeof(length));
        memory_file file = memory_file_make(bytes, n);
        assert_int_equal(skimpi_tensors_read(&tensors, budget, file.path, NULL), SKIMP_ERROR_DATA);
        memory_file_close(&file);
    }
    assert_int_equal(skimpi_tensors_read(&tensors, budget, in_temporary("absent"), NULL), SKIMP_ERROR_IO);
    assert_int_equal(skimpi_tensors_read(&tensors, budget, temporary, NULL), SKIMP_ERROR_IO); /* a directory */
    assert_true(skimp_budget_destroy(budget) == 0);
}

/* What a budget must hold is the arrays and little more; less is refused. */
static void stays_inside_the_budget(void **state)
{
    (void)state;
    const uint64_t n = 1u << 16;
    const char *path = in_temporary("large");
    skimp_budget *budget = budget_of(4u << 20);
    skimpi_tensors *tensors;
    void *data;
    assert_int_equal(skimpi_tensors_create(&tensors, budget, NULL), SKIMP_OK);
    assert_int_equal(skimpi_tensors_add(tensors, "coef_", SKIMPI_F64, 1, &n, &data, NULL), SKIMP_OK);
    assert_int_equal(skimpi_tensors_write(tensors, path, NULL), SKIMP_OK);
    skimpi_tensors_destroy(tensors);
    assert_true(skimp_budget_destroy(budget) == 0);
    budget = budget_of(8 * n + (16u << 10));
    assert_int_equal(skimpi_tensors_read(&tensors, budget, path, NULL), SKIMP_OK);
    skimpi_tensors_destroy(tensors);
    assert_true(skimp_budget_destroy(budget) == 0);
    budget = budget_of(8 * n - 1);
    assert_int_equal(skimpi_tensors_read(&tensors, budget, path, NULL), SKIMP_ERROR_BUDGET);
    assert_true(skimp_budget_destroy(budget) == 0);
}

static void bears_refused_memory(void **state)
{
    (void)state;
    const char *path = in_temporary("faults");
    for (int for_good = 0; for_good < 2; for_good++) {
        for (uint64_t nth = 1;; nth++) {
            skimp_budget *budget = budget_of(1u << 20);
            skimpi_tensors *tensors = NULL;
            skimp_error error = SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, for_good != 0);
            skimp_status status = make_sample(&tensors, budget, &error);
            if (status == SKIMP_OK) {
                status = skimpi_tensors_write(tensors, path, &error);
            }
            skimpi_tensors_destroy(tensors);
            tensors = NULL;
            if (status == SKIMP_OK) {
                status = skimpi_tensors_read(&tensors, budget, path, &error);
                skimpi_tensors_destroy(tensors);
            }
            uint64_t made = skimpi_fault_set(0, false);
            assert_true(skimp_budget_destroy(budget) == 0);
            if (made < nth) {
                assert_int_equal(status, SKIMP_OK);
                assert_true(nth > 30);
                break;
            }
            /* A buffer that cannot grow generously may still grow enough. */
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
            assert_int_equal(error.code, status);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_arrays_and_metadata),
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(writes_the_format),
        cmocka_unit_test(leaves_an_existing_file_when_it_fails),
        cmocka_unit_test(reads_what_other_writers_make),
        cmocka_unit_test(refuses_hostile_files),
        cmocka_unit_test(refuses_truncated_files),
        cmocka_unit_test(stays_inside_the_budget),
        cmocka_unit_test(bears_refused_memory),
    };
    return cmocka_run_group_tests_name("tensors", tests, make_temporary, remove_temporary);
}
