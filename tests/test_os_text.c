/* SPDX-License-Identifier: BSD-3-Clause */
/* Text of the kernel: words, numbers, keys, lines of every length, what begins a mapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"
#include "os/os_text.h"
#include "temporary_directory.h"

static void numbers_are_digits_and_nothing_else(void **state)
{
    static const char *const wrong[] = {
        "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616", "184467440737095516150"
    };
    (void)state;
    uint64_t value = 7;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_false(skimpi_text_number(skimpi_text_of(wrong[i]), &value));
        assert_int_equal(value, 7);
    }
    assert_true(skimpi_text_number(skimpi_text_of("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_true(skimpi_text_number(skimpi_text_of("000"), &value));
    assert_int_equal(value, 0);
}

static void words_and_cuts(void **state)
{
    (void)state;
    skimpi_text rest = skimpi_text_of("  a\tbc \n");
    assert_true(skimpi_text_equal(skimpi_text_word(&rest), "a"));
    assert_true(skimpi_text_equal(skimpi_text_word(&rest), "bc"));
    assert_true(skimpi_text_equal(skimpi_text_word(&rest), ""));
    assert_int_equal(rest.length, 0);
    rest = skimpi_text_of("x::y");
    assert_true(skimpi_text_equal(skimpi_text_cut(&rest, ':'), "x"));
    assert_true(skimpi_text_equal(skimpi_text_cut(&rest, ':'), ""));
    assert_true(skimpi_text_equal(skimpi_text_cut(&rest, ':'), "y"));
    assert_true(skimpi_text_equal(skimpi_text_cut(&rest, ':'), ""));
}

static void keys_are_whole_names_with_units(void **state)
{
    (void)state;
    uint64_t value = 7;
    skimpi_text status =
        skimpi_text_of("VmRSSX: 1 kB\nVmRSS:\t  12 kB\nVmHWM: 3 MB\nVmData: 18446744073709551615 kB\nVmSize:");
    assert_true(skimpi_os_parse_kib(status, "VmRSS", &value));
    assert_int_equal(value, 12 * 1024);
    assert_false(skimpi_os_parse_kib(status, "VmHWM", &value));  /* another unit */
    assert_false(skimpi_os_parse_kib(status, "VmData", &value)); /* more than 64 bits of bytes */
    assert_false(skimpi_os_parse_kib(status, "VmSize", &value));
    assert_false(skimpi_os_parse_kib(status, "Vm", &value));
    assert_false(skimpi_os_parse_kib(skimpi_text_of(""), "VmRSS", &value));
    assert_true(skimpi_os_parse_stat(skimpi_text_of("inactive_file_x 1\ninactive_file 2\n"), "inactive_file", &value));
    assert_int_equal(value, 2);
    assert_false(skimpi_os_parse_stat(skimpi_text_of("inactive_file"), "inactive_file", &value));
}

static void limits_and_quotas(void **state)
{
    (void)state;
    assert_true(skimpi_os_parse_limit(skimpi_text_of("max\n")) == UINT64_MAX);
    assert_true(skimpi_os_parse_limit(skimpi_text_of("4096\n")) == 4096);
    assert_true(skimpi_os_parse_limit(skimpi_text_of("0\n")) == 0);
    assert_true(skimpi_os_parse_limit(skimpi_text_of("9223372036854771712\n")) == UINT64_MAX);
    assert_true(skimpi_os_parse_limit(skimpi_text_of("9223372036854710272\n")) == UINT64_MAX); /* pages of 64 KiB */
    assert_int_equal(skimpi_os_parse_quota(skimpi_text_of("max 100000\n")), 0);
    assert_int_equal(skimpi_os_parse_quota(skimpi_text_of("100000 100000\n")), 1);
    assert_int_equal(skimpi_os_parse_quota(skimpi_text_of("100001 100000\n")), 2);
    assert_int_equal(skimpi_os_parse_quota(skimpi_text_of("1 0\n")), 0);
    assert_int_equal(skimpi_os_parse_quota(skimpi_text_of("18446744073709551615 1\n")), 0);
}

static void lines_of_cgroup(void **state)
{
    (void)state;
    skimpi_text path;
    assert_int_equal(skimpi_os_parse_cgroup(skimpi_text_of("0::/a:b"), "memory", &path), SKIMPI_CGROUP_V2);
    assert_true(skimpi_text_equal(path, "/a:b"));
    assert_int_equal(skimpi_os_parse_cgroup(skimpi_text_of("4:cpu,memory:/x"), "memory", &path), SKIMPI_CGROUP_V1);
    assert_true(skimpi_text_equal(path, "/x"));
    static const char *const none[] = { "4:cpu,memory2:/x", "4:name=memory:/x", "0::",        "0:",   "0", "",
                                        ":memory:/x",       "x:memory:/x",      "4:memory:x", "1::/x" };
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        assert_int_equal(skimpi_os_parse_cgroup(skimpi_text_of(none[i]), "memory", &path), SKIMPI_CGROUP_NONE);
    }
}

static void lines_of_mountinfo(void **state)
{
    (void)state;
    static skimpi_os_mount mount;
    assert_true(skimpi_os_parse_mount(skimpi_text_of("1 2 0:3 /r /p rw opt:1 opt:2 - cgroup2 x rw"), "memory", &mount));
    assert_int_equal(mount.version, SKIMPI_CGROUP_V2);
    assert_string_equal(mount.root, "/r");
    assert_string_equal(mount.point, "/p");
    assert_true(
        skimpi_os_parse_mount(skimpi_text_of("1 2 0:3 / /p\\040q\\ rw - cgroup x rw,memory,cpu"), "cpu", &mount));
    assert_int_equal(mount.version, SKIMPI_CGROUP_V1);
    assert_string_equal(mount.point, "/p q\\");
    static const char *const none[] = { "1 2 0:3 / /p rw - cgroup x rw,memory",
                                        "1 2 0:3 / /p rw cgroup2 x rw",
                                        "1 2 0:3 / p rw - cgroup2 x rw",
                                        "1 2 0:3",
                                        "",
                                        "1 2 0:3 / /p rw - ext4 /dev/cgroup2 rw,cpu",
                                        "1 2 0:3 / /p rw -" };
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        assert_false(skimpi_os_parse_mount(skimpi_text_of(none[i]), "cpu", &mount));
    }
    char line[10000];
    int length = snprintf(line, sizeof(line), "1 2 0:3 / /%05000d rw - cgroup2 x rw", 0);
    assert_false(
        skimpi_os_parse_mount((skimpi_text){ line, (size_t)length }, "cpu", &mount)); /* longer than a path may be */
}

static void a_directory_that_would_be_too_long_is_refused(void **state)
{
    (void)state;
    static skimpi_os_mount mount = { .version = SKIMPI_CGROUP_V2, .root = "/", .point = "/sys" };
    static char text[5000];
    char out[SKIMPI_OS_PATH_BYTES];
    memset(text, '/', 1);
    memset(text + 1, 'x', sizeof(text) - 2);
    assert_false(skimpi_os_cgroup_directory(&mount, skimpi_text_of(text), out));
    skimpi_text fits = { text, SKIMPI_OS_PATH_BYTES - 5 };
    assert_true(skimpi_os_cgroup_directory(&mount, fits, out));
    assert_int_equal(strlen(out), SKIMPI_OS_PATH_BYTES - 1);
    fits.length++;
    assert_false(skimpi_os_cgroup_directory(&mount, fits, out));
}

static void lines_of_smaps(void **state)
{
    (void)state;
    skimpi_os_mapping found;
    assert_true(skimpi_os_parse_mapping(
        skimpi_text_of("7f10c0000000-7f10c0021000 r-xp 00001000 08:01 1234  /lib/x y.so"), &found));
    assert_int_equal(found.address, 0x7f10c0000000);
    assert_int_equal(found.bytes, 0x21000);
    assert_true(found.is_image);
    static const char *const others[] = { "1000-2000 rw-p 00000000 00:00 0", "1000-2000 rw-s 00000000 08:01 12 /shared",
                                          "1000-2000 ---p 00000000 08:01 12 /lib/gap.so",
                                          "1000-2000 rw-p 0 00:00 0 [heap]" };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        assert_true(skimpi_os_parse_mapping(skimpi_text_of(others[i]), &found));
        assert_int_equal(found.bytes, 0x1000);
        assert_false(found.is_image);
    }
    static const char *const none[] = {
        "Rss:   4 kB", "2000-1000 r--p 0 0:0 1", "VmFlags: rd ex mr mw me sd", "", "1000- r--p 0 0:0 1", "1000-2000"
    };
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
        assert_false(skimpi_os_parse_mapping(skimpi_text_of(none[i]), &found));
    }
}

/* ---- lines of a file --------------------------------------------------------------------------------------------- */

typedef struct seen {
    size_t lengths[64];
    char first[64];
    unsigned lines;
} seen;

static void note(void *context, skimpi_text line)
{
    seen *s = context;
    s->lengths[s->lines] = line.length;
    s->first[s->lines++] = line.length != 0 ? line.at[0] : '\0';
}

static void every_line_comes_once(void **state)
{
    /* Lengths around the size of the buffer, so that lines end before, at and after every edge. */
    static const size_t lengths[] = { 0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 100, 0, 5000 };
    enum { N = sizeof(lengths) / sizeof(*lengths) };
    static char text[80000];
    (void)state;
    for (int last_ends = 0; last_ends < 2; last_ends++) {
        size_t n = 0;
        for (size_t i = 0; i < N; i++) {
            memset(text + n, 'a' + (int)i, lengths[i]);
            n += lengths[i];
            text[n++] = '\n';
        }
        write_file("lines", text, n - (last_ends ? 0 : 1));
        seen s = { .lines = 0 };
        assert_true(skimpi_os_each_line(in_temporary("lines"), note, &s));
        assert_int_equal(s.lines, N);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(s.first[i], lengths[i] != 0 ? 'a' + (int)i : '\0');
            assert_true(s.lengths[i] <= lengths[i] && s.lengths[i] <= 4096);
            if (lengths[i] < 4096) {
                assert_int_equal(s.lengths[i], lengths[i]);
            } else {
                assert_true(s.lengths[i] >= 4095);
            }
        }
    }
    seen s = { .lines = 0 };
    assert_false(skimpi_os_each_line(in_temporary("nothing"), note, &s));
    write_text("empty", "");
    assert_true(skimpi_os_each_line(in_temporary("empty"), note, &s));
    assert_int_equal(s.lines, 0);
}

static void slurping_stops_at_the_buffer(void **state)
{
    (void)state;
    char buffer[4];
    size_t length;
    write_text("f", "abcdef");
    assert_true(skimpi_os_slurp(in_temporary("f"), buffer, sizeof(buffer), &length));
    assert_int_equal(length, 4);
    assert_memory_equal(buffer, "abcd", 4);
    assert_false(skimpi_os_slurp(in_temporary("g"), buffer, sizeof(buffer), &length));
    assert_int_equal(length, 0);
    assert_false(
        skimpi_os_slurp(temporary, buffer, sizeof(buffer), &length)); /* a directory opens, and cannot be read */
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_digits_and_nothing_else),
        cmocka_unit_test(words_and_cuts),
        cmocka_unit_test(keys_are_whole_names_with_units),
        cmocka_unit_test(limits_and_quotas),
        cmocka_unit_test(lines_of_cgroup),
        cmocka_unit_test(lines_of_mountinfo),
        cmocka_unit_test(a_directory_that_would_be_too_long_is_refused),
        cmocka_unit_test(lines_of_smaps),
        IN_DIRECTORY(every_line_comes_once),
        IN_DIRECTORY(slurping_stops_at_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
