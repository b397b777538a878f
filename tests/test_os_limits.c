/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Limits, read from a tree that stands in for /proc and the mounted control groups: v1, v2, both at once, nested,
 * in a namespace, unlimited, torn and hostile; and from the real system, with resource limits set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/base.h"
#include "os/os.h"
#include "os/os_text.h"
#include "temporary_directory.h"

#define MIB ((uint64_t)1 << 20)

/* /proc/self/mountinfo with %s for the directory, which then is the root of the mount points. */
static void write_proc(const char *mountinfo, const char *cgroup)
{
    char text[8192];
    snprintf(text, sizeof(text), mountinfo, temporary, temporary, temporary, temporary);
    write_text("proc/self/mountinfo", text);
    write_text("proc/self/cgroup", cgroup);
    write_text("proc/meminfo", "MemTotal:       8000000 kB\nMemFree:  1 kB\nMemAvailable:    4194304 kB\n");
    write_text("proc/self/status", "Name:\tx\nVmSize:\t   10240 kB\nVmData:\t    5120 kB\nVmRSS:\t 100 kB\n");
}

static skimpi_os_limits limits(void)
{
    skimpi_os_limits found;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_limits_in(in_temporary("proc"), &found, &error), SKIMP_OK);
    assert_int_equal(found.available, 4096 * MIB);
    return found;
}

#define V2_MOUNT                                                                                                       \
    "22 1 0:21 / /proc rw - proc proc rw\n"                                                                            \
    "25 24 0:22 / %s/cg rw,nosuid,nodev,noexec,relatime shared:4 master:9 - cgroup2 cgroup2 rw,nsdelegate\n"

static void v2_every_ancestor_counts(void **state)
{
    (void)state;
    write_proc(V2_MOUNT, "0::/system.slice/job.service/worker\n");
    write_text("cg/system.slice/job.service/worker/memory.max", "max\n");
    write_text("cg/system.slice/job.service/worker/memory.current", "1048576\n");
    write_text("cg/system.slice/job.service/memory.max", "536870912\n"); /* 512 MiB */
    write_text("cg/system.slice/job.service/memory.current", "104857600\n");
    write_text("cg/system.slice/job.service/memory.stat",
               "anon 1000\ninactive_file 20971520\nactive_file 10485760\nfile_dirty 1048576\nfile_writeback 0\n");
    write_text("cg/system.slice/memory.max", "1073741824\n");
    write_text("cg/system.slice/memory.current", "1073741824\n");
    write_text("cg/system.slice/memory.stat", "inactive_file 524288000\nactive_file 0\n");
    skimpi_os_limits found = limits();
    assert_int_equal(found.cgroup, 512 * MIB);
    assert_int_equal(found.cgroup_in_use, 100 * MIB);
    /* 512 - (100 - (20 + 10 - 1)): clean cache is no obstacle. The slice leaves 500. */
    assert_int_equal(found.free_to_us, 441 * MIB);

    write_text("cg/system.slice/memory.stat", "inactive_file 52428800\nactive_file 0\n");
    assert_int_equal(limits().free_to_us, 50 * MIB); /* the largest limit may be the tightest */
    write_text("cg/system.slice/job.service/worker/memory.high", "67108864\n");
    found = limits();
    assert_int_equal(found.cgroup, 64 * MIB); /* over memory.high the kernel brakes: as good as a limit */
    assert_int_equal(found.free_to_us, 50 * MIB);
    /* Over its limit: nothing is left, not a huge number. */
    write_text("cg/system.slice/job.service/worker/memory.current", "73400320\n");
    assert_int_equal(limits().free_to_us, 0);
}

static void v2_without_limit(void **state)
{
    (void)state;
    write_proc(V2_MOUNT, "0::/\n");
    write_text("cg/cgroup.procs", "1\n"); /* the root has no memory.max */
    skimpi_os_limits found = limits();
    assert_int_equal(found.cgroup, UINT64_MAX);
    assert_int_equal(found.free_to_us, 4096 * MIB);
    assert_int_equal(skimpi_os_cpu_quota_in(in_temporary("proc")), UINT_MAX);
}

#define V1_MOUNTS                                                                                                      \
    "30 25 0:26 / %s/cg rw - tmpfs tmpfs ro,mode=755\n"                                                                \
    "31 30 0:27 / %s/cg/cpu,cpuacct rw shared:11 - cgroup cgroup rw,cpu,cpuacct\n"                                     \
    "32 30 0:28 / %s/cg/memory rw shared:12 - cgroup cgroup rw,memory\n"

static void v1_limits_of_every_kind(void **state)
{
    (void)state;
    write_proc(V1_MOUNTS, "11:memory:/user/job\n4:cpu,cpuacct:/user/job\n1:name=systemd:/x\n");
    write_text("cg/memory/memory.limit_in_bytes", "9223372036854771712\n");
    write_text("cg/memory/memory.usage_in_bytes", "999999999999\n");
    write_text("cg/memory/user/memory.limit_in_bytes", "268435456\n");
    write_text("cg/memory/user/memory.usage_in_bytes", "134217728\n");
    write_text("cg/memory/user/memory.stat",
               "cache 1\ninactive_file 1\ntotal_inactive_file 67108864\ntotal_active_file 0\n");
    write_text("cg/memory/user/job/memory.limit_in_bytes", "9223372036854771712\n");
    skimpi_os_limits found = limits();
    assert_int_equal(found.cgroup, 256 * MIB);
    assert_int_equal(found.cgroup_in_use, 128 * MIB);
    assert_int_equal(found.free_to_us, 192 * MIB);

    /* An ancestor that is not mounted here shows in its descendants' statistics alone. */
    write_text("cg/memory/user/job/memory.usage_in_bytes", "1048576\n");
    write_text("cg/memory/user/job/memory.stat", "hierarchical_memory_limit 33554432\ntotal_inactive_file 0\n");
    found = limits();
    assert_int_equal(found.cgroup, 32 * MIB);
    assert_int_equal(found.free_to_us, 31 * MIB);

    /* CPUs: two and a half are three; -1 is no quota; an ancestor's holds. */
    write_text("cg/cpu,cpuacct/user/job/cpu.cfs_quota_us", "250000\n");
    write_text("cg/cpu,cpuacct/user/job/cpu.cfs_period_us", "100000\n");
    assert_int_equal(skimpi_os_cpu_quota_in(in_temporary("proc")), 3);
    write_text("cg/cpu,cpuacct/user/job/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(skimpi_os_cpu_quota_in(in_temporary("proc")), UINT_MAX);
    write_text("cg/cpu,cpuacct/user/cpu.cfs_quota_us", "50000\n");
    write_text("cg/cpu,cpuacct/user/cpu.cfs_period_us", "100000\n");
    assert_int_equal(skimpi_os_cpu_quota_in(in_temporary("proc")), 1);
}

/* In a container: the mount shows a part of the hierarchy, and the path is told from the host's root or from outside. */
static void v1_part_of_the_hierarchy(void **state)
{
    static const char *const paths[] = { "/docker/0123abc",  "/docker/0123abc/", "/elsewhere", "/",
                                         "/docker/0123abcd", "/../../x" };
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        char cgroup[256];
        snprintf(cgroup, sizeof(cgroup), "7:memory:%s\n", paths[i]);
        write_proc("32 30 0:28 /docker/0123abc %s/cg/memory ro shared:12 - cgroup cgroup rw,memory\n", cgroup);
        write_text("cg/memory/memory.limit_in_bytes", "67108864\n");
        write_text("cg/memory/memory.usage_in_bytes", "0\n");
        assert_int_equal(limits().cgroup, 64 * MIB);
    }
    write_proc("32 30 0:28 /docker/0123abc %s/cg/memory ro shared:12 - cgroup cgroup rw,memory\n",
               "7:memory:/docker/0123abc/inner\n");
    write_text("cg/memory/inner/memory.limit_in_bytes", "16777216\n");
    assert_int_equal(limits().cgroup, 16 * MIB);
}

static void v1_and_v2_at_once(void **state)
{
    (void)state;
    write_proc("41 31 0:38 / %s/cg/unified rw,relatime - cgroup2 cgroup2 rw\n"
               "35 31 0:32 / %s/cg/memory rw,relatime - cgroup cgroup rw,memory\n",
               "4:memory:/a\n0::/b\n");
    write_text("cg/unified/b/memory.max", "33554432\n");
    write_text("cg/unified/a/memory.max", "1\n"); /* not this process's */
    write_text("cg/memory/a/memory.limit_in_bytes", "67108864\n");
    write_text("cg/memory/b/memory.limit_in_bytes", "1\n");
    assert_int_equal(limits().cgroup, 32 * MIB);
    write_text("cg/unified/b/cpu.max", "max 100000\n");
    assert_int_equal(skimpi_os_cpu_quota_in(in_temporary("proc")), UINT_MAX);
    write_text("cg/unified/b/cpu.max", "150000 100000\n");
    assert_int_equal(skimpi_os_cpu_quota_in(in_temporary("proc")), 2);
}

static void mount_points_may_hold_blanks(void **state)
{
    (void)state;
    write_proc("25 24 0:22 / %s/c\\040g\\134 rw - cgroup2 cgroup2 rw\n", "0::/a b\n");
    write_text("c g\\/a b/memory.max", "67108864\n");
    assert_int_equal(limits().cgroup, 64 * MIB);
}

/* Whatever stands there: an answer or no limit, never a crash or a wait. */
static void hostile_files_do_no_harm(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "-1\n",
        "max",
        "0x10\n",
        "12abc\n",
        "99999999999999999999999999\n",
        " \n",
        "1 2 3",
        "\xff\xfe",
        "9223372036854775807\n",
    };
    (void)state;
    write_proc(V2_MOUNT, "0::/a\n");
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        write_text("cg/a/memory.max", texts[i]);
        write_text("cg/a/memory.current", texts[i]);
        write_text("cg/a/memory.stat", texts[i]);
        write_text("cg/a/cpu.max", texts[i]);
        skimpi_os_limits found = limits();
        assert_int_equal(found.cgroup, strcmp(texts[i], "1 2 3") == 0 ? 1 : UINT64_MAX);
        assert_int_equal(skimpi_os_cpu_quota_in(in_temporary("proc")), strcmp(texts[i], "1 2 3") == 0 ? 1 : UINT_MAX);
    }
    static const char letters[] = "0123456789:/ -\n,\\memorycgup2x"; /* the NUL at its end too */
    char line[20000];
    skimpi_random r;
    skimpi_random_seed(&r, 3);
    for (int round = 0; round < 300; round++) {
        size_t length = (size_t)skimpi_random_below(&r, sizeof(line));
        for (size_t i = 0; i < length; i++) {
            line[i] = letters[skimpi_random_below(&r, sizeof(letters))];
        }
        write_file("proc/self/mountinfo", line, length);
        write_file("proc/self/cgroup", line, length);
        write_file("proc/self/status", line, length);
        assert_int_equal(limits().available, 4096 * MIB);
    }
    /* A line longer than any buffer, then a good one. */
    FILE *file = fopen(in_temporary("proc/self/mountinfo"), "wb");
    assert_non_null(file);
    fprintf(file, "50 24 0:50 / /var/lib/%09000d rw - overlay overlay rw,lowerdir=%04000d - cgroup2 cgroup2 rw\n", 0,
            0);
    fprintf(file, "25 24 0:22 / %s/cg rw - cgroup2 cgroup2 rw\n", temporary);
    fclose(file);
    write_text("proc/self/cgroup", "0::/a\n");
    write_text("cg/a/memory.max", "67108864\n");
    assert_int_equal(limits().cgroup, 64 * MIB);

    skimpi_os_limits found;
    skimp_error error = SKIMP_ERROR_INIT;
    write_text("proc/meminfo", "MemTotal: 1 kB\n");
    assert_int_equal(skimpi_os_limits_in(in_temporary("proc"), &found, &error), SKIMP_ERROR_IO);
    assert_non_null(strstr(error.message, "MemAvailable"));
    assert_int_equal(skimpi_os_limits_in(in_temporary("nowhere"), &found, NULL), SKIMP_ERROR_IO);
}

/* In a child of its own: a limit that was lowered cannot be raised again. */
static int with_limit(int resource, uint64_t bytes)
{
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = { bytes, bytes };
        skimpi_os_limits found;
        bool good = setrlimit(resource, &limit) == 0 && skimpi_os_limits_now(&found, NULL) == SKIMP_OK &&
                    (resource == RLIMIT_AS ? found.address_space : found.data_segment) == bytes &&
                    found.free_to_us < bytes && found.free_to_us > bytes / 2;
        _exit(good ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    return status;
}

static void the_real_system_answers(void **state)
{
    (void)state;
    skimpi_os_limits found;
    assert_int_equal(skimpi_os_limits_now(&found, NULL), SKIMP_OK);
    assert_in_range(found.available, MIB, (uint64_t)1 << 50);
    assert_true(found.free_to_us <= found.available);
    assert_true(found.cgroup == UINT64_MAX || found.free_to_us <= found.cgroup);
    assert_in_range(skimpi_os_cpu_count(), 1, 16384);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they map more than any limit allows */
    uint64_t bytes = skimpi_min_u64(256 * MIB, found.free_to_us);
    assert_int_equal(with_limit(RLIMIT_AS, bytes), 0);
    assert_int_equal(with_limit(RLIMIT_DATA, bytes), 0);
#else
    (void)with_limit;
#endif
}

static void fewer_cpus_are_counted(void **state)
{
    (void)state;
    cpu_set_t before;
    cpu_set_t one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(skimpi_os_cpu_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(v2_every_ancestor_counts),   IN_DIRECTORY(v2_without_limit),
        IN_DIRECTORY(v1_limits_of_every_kind),    IN_DIRECTORY(v1_part_of_the_hierarchy),
        IN_DIRECTORY(v1_and_v2_at_once),          IN_DIRECTORY(mount_points_may_hold_blanks),
        IN_DIRECTORY(hostile_files_do_no_harm),   cmocka_unit_test(the_real_system_answers),
        cmocka_unit_test(fewer_cpus_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
