/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's text files: reading them on the stack, and functions from text to numbers.  The text may be anything
 * (a container may put what it likes where /proc should be): every function takes a length and trusts nothing.
 */
#ifndef SKIMPI_OS_TEXT_H
#define SKIMPI_OS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/os.h"

#define SKIMPI_OS_PATH_BYTES 4096

typedef struct skimpi_text {
    const char *at;
    size_t length;
} skimpi_text;

/* The text that a string literal or a NUL-terminated string holds. */
skimpi_text skimpi_text_of(const char *string);
bool skimpi_text_equal(skimpi_text a, const char *b);
/* Takes up to the separator (or the end) from the front of *rest. */
skimpi_text skimpi_text_cut(skimpi_text *rest, char separator);
/* Takes the next word: separated by blanks. */
skimpi_text skimpi_text_word(skimpi_text *rest);
/* Decimal digits, all of the text: false when it is anything else or more than 64 bits. */
bool skimpi_text_number(skimpi_text text, uint64_t *out);

/* Reads the beginning of a small file: length in *out, at most `bytes`. false when it cannot be opened or read. */
bool skimpi_os_slurp(const char *path, char *buffer, size_t bytes, size_t *out);
/* Calls line(context, text) for each line of a file; lines beyond 4 KiB are cut there. false when it cannot be opened. */
typedef void skimpi_os_line_fn(void *context, skimpi_text line);
bool skimpi_os_each_line(const char *path, skimpi_os_line_fn *line, void *context);

/* "VmRSS:      1234 kB" in /proc/self/status, /proc/meminfo: bytes; false when the key is not there. */
bool skimpi_os_parse_kib(skimpi_text text, const char *key, uint64_t *bytes);
/* "inactive_file 4096" in memory.stat. */
bool skimpi_os_parse_stat(skimpi_text text, const char *key, uint64_t *value);
/* memory.max, memory.limit_in_bytes: UINT64_MAX for "max", for what v1 says when there is none, and for what is no number. */
uint64_t skimpi_os_parse_limit(skimpi_text text);
/* cpu.max "200000 100000": CPUs rounded up; 0: no quota. */
unsigned skimpi_os_parse_quota(skimpi_text text);

typedef enum skimpi_cgroup_version { SKIMPI_CGROUP_NONE, SKIMPI_CGROUP_V1, SKIMPI_CGROUP_V2 } skimpi_cgroup_version;

/* A line of /proc/self/cgroup: does it tell the path in the hierarchy of `controller`? Version, or NONE. */
skimpi_cgroup_version skimpi_os_parse_cgroup(skimpi_text line, const char *controller, skimpi_text *path);

typedef struct skimpi_os_mount {
    skimpi_cgroup_version version;
    char root[SKIMPI_OS_PATH_BYTES];  /* what part of the hierarchy is mounted */
    char point[SKIMPI_OS_PATH_BYTES]; /* where */
} skimpi_os_mount;
/* A line of /proc/self/mountinfo: true when it mounts the cgroup hierarchy of `controller` (v1) or the unified one (v2). */
bool skimpi_os_parse_mount(skimpi_text line, const char *controller, skimpi_os_mount *out);

/* The directory of a cgroup under a mount. What lies outside the mount is seen only as the mount point. false: too long. */
bool skimpi_os_cgroup_directory(const skimpi_os_mount *mount, skimpi_text path, char out[SKIMPI_OS_PATH_BYTES]);

typedef struct skimpi_os_mapping {
    uint64_t address, bytes;
    bool is_image; /* code, read-only or initialised data of the program or a library */
} skimpi_os_mapping;
/* A line of /proc/self/maps, or of smaps that begins a mapping. */
bool skimpi_os_parse_mapping(skimpi_text line, skimpi_os_mapping *out);

/* skimpi_os_limits_now and the CPU quota (UINT_MAX: none) as the tree at `proc` tells them; "/proc" but in tests. */
SKIMP_CHECKED skimp_status skimpi_os_limits_in(const char *proc, skimpi_os_limits *out, skimp_error *error);
unsigned skimpi_os_cpu_quota_in(const char *proc);

#endif
