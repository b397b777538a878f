/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Row state by itself: what was written is there, in memory and on disk, and nowhere else; sizes are exact; disks that fail,
 * chunks that lie and allocations that are refused are reported.  test_job_rows.c has whole fits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "data/row_state.h"
#include "os/os.h"

static skimpi_row_state_options some_rows(skimpi_place place, uint64_t row_bytes)
{
    return (skimpi_row_state_options){ .place = place,
                                       .spill_directory = temporary,
                                       .allow_tmpfs = true,
                                       .row_bytes = row_bytes,
                                       .n_rows = 1000,
                                       .n_chunks = 11,
                                       .chunk_rows = 100,
                                       .n_slots = 3 };
}

static skimp_budget *make_budget(uint64_t limit)
{
    skimp_budget *budget = NULL;
    const skimp_budget_options options = { .size = sizeof options, .limit = limit };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

static skimpi_chunk chunk_of(uint64_t index, uint64_t first_row, uint32_t n_rows)
{
    return (skimpi_chunk){ .index = index, .first_row = first_row, .n_rows = n_rows };
}

/* Opens each chunk, looks whether all its bytes are `before`, and sets them to `after`. */
static void sweep(skimpi_row_state *rows, int before, int after, skimp_error *error_out)
{
    skimp_error error = SKIMP_ERROR_INIT;
    const size_t row_bytes = skimpi_row_state_size(rows) / 1000;
    for (unsigned k = 0; k < 10; k++) {
        skimpi_chunk chunk = chunk_of(k, 100 * k, k == 7 ? 60 : 100); /* of one, rows are held out */
        const skimp_status status = skimpi_row_state_open(rows, k % 3, &chunk, &error);
        if (status != SKIMP_OK && error_out != NULL) {
            *error_out = error;
            return;
        }
        assert_ok(status);
        unsigned char *bytes = chunk.row_state;
        assert_non_null(bytes);
        size_t wrong = 0;
        for (size_t i = 0; i < row_bytes * chunk.n_rows; i++) {
            wrong += bytes[i] != (before == 0 ? 0 : (unsigned char)(before + i + k));
            bytes[i] = (unsigned char)(after + i + k);
        }
        assert_int_equal(wrong, 0);
        assert_ok(skimpi_row_state_close(rows, k % 3, &error));
        assert_ok(skimpi_row_state_close(rows, k % 3, &error)); /* nothing is open: nothing is done */
    }
}

static void keeps_what_was_written(void **state)
{
    (void)state;
    static const skimpi_place places[] = { SKIMPI_PLACE_MEMORY, SKIMPI_PLACE_SPILL };
    skimp_error error = SKIMP_ERROR_INIT;
    uint64_t sums[2], again = 0;
    for (unsigned p = 0; p < 2; p++) {
        for (unsigned early = 0; early < 2; early++) {
            skimp_budget *budget = make_budget(0);
            skimpi_row_state *rows = NULL;
            const uint64_t row_bytes = early ? 20011 : 5; /* enough for pages to be dropped */
            skimpi_row_state_options options = some_rows(places[p], row_bytes);
            options.write_back_early = early;
            assert_ok(skimpi_row_state_create(&rows, budget, &options, &error));
            assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_STORE), skimpi_row_state_store_bytes(&options));
            assert_int_equal(skimp_budget_tag_in_use(budget, SKIMP_TAG_CHUNKS),
                             skimpi_row_state_buffer_bytes(&options));
            assert_int_equal(skimpi_row_state_size(rows), 1000 * row_bytes);
            sweep(rows, 0, 1, NULL);
            sweep(rows, 1, 1, NULL);
            sweep(rows, 1, 77, NULL);
            FILE *file = fopen(in_temporary(p == 0 ? "memory" : "spill"), "w+");
            assert_non_null(file);
            assert_ok(skimpi_row_state_save(rows, fileno(file), "file", 3, &sums[p], &error));
            sweep(rows, 77, 3, NULL); /* saving left it as it was */
            skimpi_row_state_destroy(rows);
            /* Back into a state of either place. */
            for (unsigned q = 0; q < 2; q++) {
                options = some_rows(places[q], row_bytes);
                options.write_back_early = early;
                assert_ok(skimpi_row_state_create(&rows, budget, &options, &error));
                assert_ok(skimpi_row_state_load(rows, fileno(file), "file", 3, &again, &error));
                assert_int_equal(again, sums[p]);
                sweep(rows, 77, 78, NULL);
                sweep(rows, 78, 79, NULL);
                skimpi_row_state_destroy(rows);
            }
            assert_int_equal(ftruncate(fileno(file), 1000 * (off_t)row_bytes), 0);
            options = some_rows(places[p], row_bytes);
            assert_ok(skimpi_row_state_create(&rows, budget, &options, &error));
            assert_int_equal(skimpi_row_state_load(rows, fileno(file), "file", 3, &again, NULL), SKIMP_ERROR_DATA);
            skimpi_row_state_destroy(rows);
            fclose(file);
            assert_int_equal(skimp_budget_destroy(budget), 0);
        }
    }
    assert_int_equal(sums[0], sums[1]);
    assert_same_files("memory", "spill");
    assert_int_equal(count_entries(), 2);
}

/* A pass that only looks writes nothing. */
static void writes_what_changed(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_budget *budget = make_budget(0);
    skimpi_row_state *rows = NULL;
    const skimpi_row_state_options options = some_rows(SKIMPI_PLACE_SPILL, 5);
    assert_ok(skimpi_row_state_create(&rows, budget, &options, &error));
    const int fd = find_spill_file();
    struct stat found;
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &found), 0);
    assert_true((uint64_t)found.st_blocks * 512 >= skimpi_row_state_disk_bytes(&options)); /* it is reserved */
    for (unsigned k = 0; k < 10; k++) {
        skimpi_chunk chunk = chunk_of(k, 100 * k, 100);
        assert_ok(skimpi_row_state_open(rows, 0, &chunk, &error));
        assert_ok(skimpi_row_state_close(rows, 0, &error));
    }
    assert_int_equal(fstat(fd, &found), 0);
    assert_int_equal(found.st_size, 0);
    sweep(rows, 0, 1, NULL);
    assert_int_equal(fstat(fd, &found), 0);
    assert_true(found.st_size > 5000 && (uint64_t)found.st_size <= skimpi_row_state_disk_bytes(&options));
    /* And what comes back changed is found. */
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(pwrite(fd, "?", 1, 777), 1);
    sweep(rows, 1, 2, &error);
    assert_int_equal(error.code, SKIMP_ERROR_IO);
    assert_string_equal(error.file, temporary);
    assert_non_null(strstr(error.message, "chunk 1 came back"));
    assert_non_null(strstr(error.message, "--spill-dir"));
    skimpi_row_state_destroy(rows);
    assert_int_equal(skimp_budget_destroy(budget), 0);
    assert_int_equal(count_entries(), 0);
}

/* Rows are one chunk's at a time, and those of the data. */
static void refuses_others_rows(void **state)
{
    (void)state;
    static const struct {
        uint64_t index, first_row;
        uint32_t n_rows;
        bool is_free;
    } tries[] = {
        { 1, 100, 100, true },  { 1, 299, 1, true },    { 1, 200, 1, false },  { 1, 199, 2, false },
        { 1, 201, 10, false },  { 1, 298, 3, false },   { 1, 190, 99, false }, { 11, 500, 10, false },
        { 1, 500, 101, false }, { 1, 901, 100, false }, { 1, 1001, 1, false }, { 1, UINT64_MAX, 2, false },
    };
    for (unsigned p = 0; p < 2; p++) {
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_budget *budget = make_budget(0);
        skimpi_row_state *rows = NULL;
        const skimpi_row_state_options options = some_rows(p == 0 ? SKIMPI_PLACE_MEMORY : SKIMPI_PLACE_SPILL, 5);
        assert_ok(skimpi_row_state_create(&rows, budget, &options, &error));
        skimpi_chunk open = chunk_of(2, 200, 99);
        assert_ok(skimpi_row_state_open(rows, 0, &open, &error));
        for (unsigned i = 0; i < sizeof tries / sizeof *tries; i++) {
            skimpi_chunk chunk = chunk_of(tries[i].index, tries[i].first_row, tries[i].n_rows);
            error = (skimp_error)SKIMP_ERROR_INIT;
            const skimp_status status = skimpi_row_state_open(rows, 2, &chunk, &error);
            if ((status == SKIMP_OK) != tries[i].is_free) {
                fail_msg("try %u: %s", i, skimp_status_name(status));
            }
            assert_true(status == SKIMP_OK || status == SKIMP_ERROR_DATA);
            error = (skimp_error)SKIMP_ERROR_INIT;
            assert_ok(skimpi_row_state_close(rows, 2, &error));
        }
        skimpi_row_state_destroy(rows);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

static void knows_its_directory(void **state)
{
    (void)state;
    skimp_budget *budget = make_budget(0);
    skimpi_row_state *rows = NULL;
    skimpi_row_state_options options = some_rows(SKIMPI_PLACE_SPILL, 5);
    skimp_error error = SKIMP_ERROR_INIT;
    assert_ok(skimpi_row_state_check_disk(&options, 0, &error));
    assert_int_equal(skimpi_row_state_check_disk(&options, UINT64_MAX / 2, &error), SKIMP_ERROR_IO);
    assert_string_equal(error.file, temporary);
    assert_non_null(strstr(error.message, "--spill-dir"));
    assert_int_equal(error.requested, UINT64_MAX / 2 + skimpi_row_state_disk_bytes(&options));
    /* Sizes that no machine has: as far as a number goes, and refused. */
    options.n_rows = UINT64_MAX / 2;
    assert_int_equal(skimpi_row_state_disk_bytes(&options), UINT64_MAX);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_row_state_create(&rows, budget, &options, &error), SKIMP_ERROR_IO);
    options.place = SKIMPI_PLACE_MEMORY;
    assert_int_equal(skimpi_row_state_store_bytes(&options), UINT64_MAX);
    options.n_rows = (uint64_t)1 << 58;
    error = (skimp_error)SKIMP_ERROR_INIT;
    const skimp_status status = skimpi_row_state_create(&rows, budget, &options, &error);
    assert_true(status == SKIMP_ERROR_BUDGET || status == SKIMP_ERROR_NOMEM);
    options = some_rows(SKIMPI_PLACE_SPILL, 5);
    options.spill_directory = in_temporary("nowhere");
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_row_state_create(&rows, budget, &options, &error), SKIMP_ERROR_IO);
    assert_string_equal(error.file, options.spill_directory);
    uint64_t free_bytes;
    bool is_memory;
    if (skimpi_os_disk("/dev/shm", &free_bytes, &is_memory, NULL) == SKIMP_OK && is_memory) {
        options.spill_directory = "/dev/shm";
        options.allow_tmpfs = false;
        error = (skimp_error)SKIMP_ERROR_INIT;
        assert_int_equal(skimpi_row_state_create(&rows, budget, &options, &error), SKIMP_ERROR_IO);
        assert_non_null(strstr(error.message, "is memory"));
    }
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* Exactly what is planned is enough; less, or a refused allocation, leaves nothing behind. */
static void takes_what_is_planned(void **state)
{
    (void)state;
    for (unsigned p = 0; p < 2; p++) {
        const skimpi_row_state_options options =
            some_rows(p == 0 ? SKIMPI_PLACE_MEMORY : SKIMPI_PLACE_SPILL, p == 0 ? 5 : 300);
        skimp_budget *budget = make_budget(0);
        const uint64_t own = skimp_budget_in_use(budget);
        const uint64_t planned = own + skimpi_row_state_store_bytes(&options) + skimpi_row_state_buffer_bytes(&options);
        assert_int_equal(skimp_budget_destroy(budget), 0);
        for (unsigned less = 0; less < 2; less++) {
            skimpi_row_state *rows = NULL;
            budget = make_budget(planned - less);
            assert_int_equal(skimpi_row_state_create(&rows, budget, &options, NULL),
                             less ? SKIMP_ERROR_BUDGET : SKIMP_OK);
            assert_int_equal(rows == NULL, less);
            skimpi_row_state_destroy(rows);
            assert_int_equal(skimp_budget_destroy(budget), 0);
        }
        budget = make_budget(0);
        for (uint64_t nth = 1; nth <= 3; nth++) {
            skimpi_row_state *rows = NULL;
            skimpi_fault_set(nth, false);
            const skimp_status status = skimpi_row_state_create(&rows, budget, &options, NULL);
            assert_int_equal(skimpi_fault_set(0, false), nth < 3 ? nth : 2);
            assert_int_equal(status, nth < 3 ? SKIMP_ERROR_NOMEM : SKIMP_OK);
            skimpi_row_state_destroy(rows);
            assert_int_equal(skimp_budget_in_use(budget), own);
        }
        assert_int_equal(skimp_budget_destroy(budget), 0);
        assert_int_equal(count_entries(), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_what_was_written), TEST(writes_what_changed),   TEST(refuses_others_rows),
        TEST(knows_its_directory),    TEST(takes_what_is_planned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
