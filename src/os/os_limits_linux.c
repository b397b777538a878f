/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this process may use: control groups (v1 and v2, wherever they are mounted, every ancestor that can be seen),
 * resource limits, what the machine has left, CPUs.
 *
 * A cgroup's use includes the page cache of files that its processes read.  The kernel drops clean cache before it
 * refuses memory, so what is left under a limit is counted without it.
 */
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/base.h"
#include "os/os.h"
#include "os/os_text.h"

/* directory/name in `out`; `name` is one of the short ones in this file. */
static void join(char out[SKIMPI_OS_PATH_BYTES + 64], const char *directory, const char *name)
{
    size_t length = strnlen(directory, SKIMPI_OS_PATH_BYTES);
    memcpy(out, directory, length);
    out[length] = '/';
    memcpy(out + length + 1, name, strlen(name) + 1);
}

/* Reads directory/name; an unreadable file is an empty text. */
static skimpi_text read_in(const char *directory, const char *name, char *buffer, size_t bytes)
{
    char path[SKIMPI_OS_PATH_BYTES + 64];
    size_t got = 0;
    join(path, directory, name);
    return skimpi_os_slurp(path, buffer, bytes, &got) ? (skimpi_text){ buffer, got } : (skimpi_text){ buffer, 0 };
}

/* ---- the directories of this process's cgroups, from its own up to the mount point ---------------------------------- */

typedef void skimpi_level_fn(void *context, skimpi_cgroup_version version, const char *directory);

typedef struct walk {
    const char *proc;
    const char *controller;
    skimpi_level_fn *level;
    void *context;
    skimpi_os_mount mount;
} walk;

static void walk_up(walk *w, char directory[SKIMPI_OS_PATH_BYTES])
{
    size_t top = strlen(w->mount.point);
    for (;;) {
        w->level(w->context, w->mount.version, directory);
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < top) {
            break;
        }
        *slash = '\0';
    }
}

static void visit_cgroup(void *context, skimpi_text line)
{
    walk *w = context;
    char directory[SKIMPI_OS_PATH_BYTES];
    skimpi_text path;
    if (skimpi_os_parse_cgroup(line, w->controller, &path) == w->mount.version &&
        skimpi_os_cgroup_directory(&w->mount, path, directory)) {
        walk_up(w, directory);
    }
}

static void visit_mount(void *context, skimpi_text line)
{
    walk *w = context;
    if (skimpi_os_parse_mount(line, w->controller, &w->mount)) {
        char path[SKIMPI_OS_PATH_BYTES + 64];
        join(path, w->proc, "self/cgroup");
        skimpi_os_each_line(path, visit_cgroup, w);
    }
}

static void each_level(const char *proc, const char *controller, skimpi_level_fn *level, void *context)
{
    walk w = { .proc = proc, .controller = controller, .level = level, .context = context };
    char path[SKIMPI_OS_PATH_BYTES + 64];
    join(path, proc, "self/mountinfo");
    skimpi_os_each_line(path, visit_mount, &w);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static uint64_t read_limit(const char *directory, const char *name)
{
    char buffer[64];
    return skimpi_os_parse_limit(read_in(directory, name, buffer, sizeof(buffer)));
}

static uint64_t stat_or_zero(skimpi_text text, const char *key)
{
    uint64_t value;
    return skimpi_os_parse_stat(text, key, &value) ? value : 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static void apply_memory(void *context, skimpi_cgroup_version version, const char *directory)
{
    skimpi_os_limits *limits = context;
    char buffer[8192];
    skimpi_text stat = read_in(directory, "memory.stat", buffer, sizeof(buffer));
    uint64_t limit;
    uint64_t in_use;
    uint64_t clean;
    if (version == SKIMPI_CGROUP_V2) {
        limit = skimpi_min_u64(read_limit(directory, "memory.max"), read_limit(directory, "memory.high"));
        in_use = read_limit(directory, "memory.current");
        clean = less(skimpi_add_sat(stat_or_zero(stat, "inactive_file"), stat_or_zero(stat, "active_file")),
                     skimpi_add_sat(stat_or_zero(stat, "file_dirty"), stat_or_zero(stat, "file_writeback")));
    } else {
        limit = read_limit(directory, "memory.limit_in_bytes");
        /* An ancestor outside of what is mounted here is known only by this line. */
        uint64_t above;
        if (skimpi_os_parse_stat(stat, "hierarchical_memory_limit", &above) && above < INT64_MAX / 2) {
            limit = skimpi_min_u64(limit, above);
        }
        in_use = read_limit(directory, "memory.usage_in_bytes");
        clean = less(skimpi_add_sat(stat_or_zero(stat, "total_inactive_file"), stat_or_zero(stat, "total_active_file")),
                     skimpi_add_sat(stat_or_zero(stat, "total_dirty"), stat_or_zero(stat, "total_writeback")));
    }
    if (limit == UINT64_MAX) {
        return;
    }
    if (in_use == UINT64_MAX) {
        in_use = 0; /* the file could not be read */
    }
    if (limit < limits->cgroup) {
        limits->cgroup = limit;
        limits->cgroup_in_use = in_use;
    }
    limits->free_to_us = skimpi_min_u64(limits->free_to_us, less(limit, less(in_use, clean)));
}

static uint64_t resource_limit(int resource)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? (uint64_t)limit.rlim_cur : UINT64_MAX;
}

static void apply_resource(skimpi_os_limits *limits, uint64_t limit, skimpi_text status, const char *key)
{
    uint64_t in_use;
    if (limit != UINT64_MAX) {
        limits->free_to_us =
            skimpi_min_u64(limits->free_to_us, less(limit, skimpi_os_parse_kib(status, key, &in_use) ? in_use : 0));
    }
}

skimp_status skimpi_os_limits_in(const char *proc, skimpi_os_limits *out, skimp_error *error)
{
    char buffer[8192];
    *out = (skimpi_os_limits){ .cgroup = UINT64_MAX, .available = UINT64_MAX, .free_to_us = UINT64_MAX };
    if (!skimpi_os_parse_kib(read_in(proc, "meminfo", buffer, sizeof(buffer)), "MemAvailable", &out->available)) {
        return skimpi_fail(error, SKIMP_ERROR_IO, "%s/meminfo does not tell MemAvailable", proc);
    }
    out->free_to_us = out->available;
    each_level(proc, "memory", apply_memory, out);

    skimpi_text status = read_in(proc, "self/status", buffer, sizeof(buffer));
    out->address_space = resource_limit(RLIMIT_AS);
    out->data_segment = resource_limit(RLIMIT_DATA);
    apply_resource(out, out->address_space, status, "VmSize");
    apply_resource(out, out->data_segment, status, "VmData");
    return SKIMP_OK;
}

skimp_status skimpi_os_limits_now(skimpi_os_limits *out, skimp_error *error)
{
    return skimpi_os_limits_in("/proc", out, error);
}

/* ---- CPUs -------------------------------------------------------------------------------------------------------- */

static void apply_quota(void *context, skimpi_cgroup_version version, const char *directory)
{
    unsigned *cpus = context;
    char buffer[128];
    unsigned quota;
    if (version == SKIMPI_CGROUP_V2) {
        quota = skimpi_os_parse_quota(read_in(directory, "cpu.max", buffer, sizeof(buffer)));
    } else {
        /* Two files, read one behind the other into the form of cpu.max. A quota of -1 is no number: none. */
        size_t length = read_in(directory, "cpu.cfs_quota_us", buffer, 64).length;
        buffer[length++] = ' ';
        length += read_in(directory, "cpu.cfs_period_us", buffer + length, 63).length;
        quota = skimpi_os_parse_quota((skimpi_text){ buffer, length });
    }
    if (quota != 0 && quota < *cpus) {
        *cpus = quota;
    }
}

unsigned skimpi_os_cpu_quota_in(const char *proc)
{
    unsigned cpus = UINT_MAX;
    each_level(proc, "cpu", apply_quota, &cpus);
    return cpus;
}

int64_t skimpi_os_process(void)
{
    return getpid();
}

unsigned skimpi_os_cpu_count(void)
{
    cpu_set_t sets[16]; /* 16,384 CPUs: the kernel refuses a set smaller than its own */
    unsigned cpus = 0;
    if (sched_getaffinity(0, sizeof(sets), sets) == 0) {
        cpus = (unsigned)CPU_COUNT_S(sizeof(sets), sets);
    } else {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        cpus = online > 0 ? (unsigned)online : 1;
    }
    unsigned quota = skimpi_os_cpu_quota_in("/proc");
    cpus = cpus < quota ? cpus : quota;
    return cpus > 0 ? cpus : 1;
}
