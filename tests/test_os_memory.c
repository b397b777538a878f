/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory as the kernel counts it: it grows with what is touched, the peak stays, pages are mapped zeroed and moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "base/base.h"
#include "os/os.h"

#define MIB ((size_t)1 << 20)

/* What a sanitizer keeps beside the memory that is touched. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHADOW (512 * MIB)
#else
#define SHADOW ((size_t)0)
#endif

static void resident_memory_follows_what_is_touched(void **state)
{
    (void)state;
    skimpi_os_memory before;
    skimpi_os_memory during;
    skimpi_os_memory after;
    assert_int_equal(skimpi_os_memory_now(&before, NULL), SKIMP_OK);
    char *block = skimpi_os_map(64 * MIB);
    assert_non_null(block);
    assert_true(skimpi_os_resident() < before.resident + 8 * MIB); /* mapped is not resident */
    for (size_t i = 0; i < 64 * MIB; i += 4096) {
        assert_int_equal(block[i], 0);
        block[i] = 1;
    }
    assert_int_equal(skimpi_os_memory_now(&during, NULL), SKIMP_OK);
    assert_in_range(during.resident, before.resident + 60 * MIB, before.resident + 72 * MIB + SHADOW);
    assert_in_range(skimpi_os_resident(), during.resident - MIB, during.resident + MIB);
    assert_in_range(skimpi_os_resident_exact(), during.resident - MIB, during.resident + MIB);
    assert_in_range(skimpi_os_peak(), during.peak, during.peak + MIB);
    assert_true(during.peak + MIB >= during.resident);
    skimpi_os_unmap(block, 64 * MIB);
    assert_int_equal(skimpi_os_memory_now(&after, NULL), SKIMP_OK);
    assert_true(after.resident < before.resident + 8 * MIB + SHADOW);
    assert_true(after.peak + MIB >= during.resident);
}

static void the_image_is_code_and_libraries(void **state)
{
    (void)state;
    skimpi_os_memory now;
    assert_int_equal(skimpi_os_memory_now(&now, NULL), SKIMP_OK);
    assert_in_range(now.image, 256 << 10, 512 * MIB); /* the C library alone is more than a mebibyte */
    assert_in_range(now.image_resident, 4096, now.image);
    assert_true(now.image_resident <= now.resident + MIB);
}

static void the_image_can_be_made_resident(void **state)
{
    (void)state;
    skimpi_os_memory now;
    skimpi_os_populate_image();
    assert_int_equal(skimpi_os_memory_now(&now, NULL), SKIMP_OK);
    struct utsname system;
    int major = 0, minor = 0;
    assert_int_equal(uname(&system), 0);
    assert_int_equal(sscanf(system.release, "%d.%d", &major, &minor), 2);
    if (major * 1000 + minor < 5014) {
        skip();
    }
    assert_int_equal(now.image_resident, now.image);
}

static void pages_move_with_their_contents(void **state)
{
    (void)state;
    size_t page = skimpi_os_page_size();
    assert_true(page >= 4096 && (page & (page - 1)) == 0);
    char *block = skimpi_os_map(16 * page);
    assert_non_null(block);
    memset(block, 5, 16 * page);
    block = skimpi_os_remap(block, 16 * page, 4096 * page);
    assert_non_null(block);
    assert_int_equal(block[16 * page - 1], 5);
    assert_int_equal(block[16 * page], 0);
    assert_int_equal(block[4096 * page - 1], 0);
    block = skimpi_os_remap(block, 4096 * page, page);
    assert_non_null(block);
    assert_int_equal(block[page - 1], 5);
    skimpi_os_unmap(block, page);
    assert_null(skimpi_os_map((size_t)1 << 62));
}

/* All pages that are asked for become resident, those that are cut included, and what was written stays. */
static void pages_are_populated_with_zeros(void **state)
{
    (void)state;
    size_t page = skimpi_os_page_size();
    unsigned char resident[64];
    char *block = skimpi_os_map(64 * page);
    assert_non_null(block);
    block[9 * page] = 7;
    skimpi_os_populate(block + 8 * page + 100, 16 * page); /* reaches into a page more */
    assert_int_equal(mincore(block, 64 * page, resident), 0);
    if ((resident[8] & 1) != 0) { /* kernels before 5.14 leave it to the faults */
        for (unsigned i = 8; i <= 24; i++) {
            assert_int_equal(resident[i] & 1, 1);
        }
    }
    assert_int_equal(block[9 * page], 7);
    assert_int_equal(block[24 * page], 0);
    skimpi_os_unmap(block, 64 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resident_memory_follows_what_is_touched), cmocka_unit_test(the_image_is_code_and_libraries),
        cmocka_unit_test(the_image_can_be_made_resident),          cmocka_unit_test(pages_move_with_their_contents),
        cmocka_unit_test(pages_are_populated_with_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
