/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All of the operating system behind one header; one file per subject and system (os_file_linux.c, os_memory_linux.c).
 * Nothing here allocates; paths are the caller's.
 */
#ifndef SKIMPI_OS_H
#define SKIMPI_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skimp/status.h"

/* ---- memory ------------------------------------------------------------------------------------------------------ */

typedef struct skimpi_os_memory {
    uint64_t resident; /* bytes; exact (the sum over all mappings), where VmRSS is not quite */
    uint64_t peak;     /* VmHWM, bytes */
    uint64_t image; /* bytes of file-backed private mappings of code and read-only data: what "program" may grow to */
    uint64_t image_resident; /* of those, resident now */
} skimpi_os_memory;

/*
 * This process, now.  Reads /proc/self/status and smaps with the caller's stack only.  Costs milliseconds in a process with
 * a thousand mappings, such as Python; where one figure will do, the functions below are cheaper.  They give 0 for unknown.
 */
SKIMP_CHECKED skimp_status skimpi_os_memory_now(skimpi_os_memory *out, skimp_error *error);
uint64_t skimpi_os_peak(void);           /* VmHWM */
uint64_t skimpi_os_resident_exact(void); /* as skimpi_os_memory.resident */
uint64_t skimpi_os_resident(void);       /* VmRSS (statm): the cheapest, and off by some 100 KiB */

typedef struct skimpi_os_limits {
    uint64_t cgroup; /* smallest memory limit of this process's cgroups (v1 and v2, every ancestor); UINT64_MAX: none */
    uint64_t cgroup_in_use; /* charged to that cgroup now */
    uint64_t address_space; /* RLIMIT_AS */
    uint64_t data_segment;  /* RLIMIT_DATA */
    uint64_t available;     /* MemAvailable */
    uint64_t free_to_us;    /* the smallest of what is left under each of them */
} skimpi_os_limits;
SKIMP_CHECKED skimp_status skimpi_os_limits_now(skimpi_os_limits *out, skimp_error *error);

int64_t skimpi_os_process(void);    /* the number of this process */
unsigned skimpi_os_cpu_count(void); /* CPUs this process may run on, the cgroup's quota rounded up; at least 1 */
size_t skimpi_os_page_size(void);

/* Maps and unmaps whole zeroed pages; NULL when refused. Used by the budget only. */
void *skimpi_os_map(size_t bytes);
void *skimpi_os_remap(void *block, size_t bytes, size_t new_bytes);
void skimpi_os_unmap(void *block, size_t bytes);
/* Makes the pages of [block, block + bytes), about to be written, resident: costs less than a fault for each. */
void skimpi_os_populate(void *block, size_t bytes);
/*
 * Makes the code and read-only data of the program and its libraries resident, as far as the kernel can (Linux 5.14):
 * from then on they take what is mapped, where otherwise each run touches other parts.
 */
void skimpi_os_populate_image(void);

/* ---- clock ------------------------------------------------------------------------------------------------------- */

double skimpi_os_seconds(void); /* monotonic */

/* ---- files ------------------------------------------------------------------------------------------------------- */

typedef struct skimpi_os_stat {
    uint64_t size;
    uint64_t modified_ns;
    bool is_regular;
    bool is_directory;
} skimpi_os_stat;

/* Opens for reading. fd in *out. A directory is refused with a clear message. */
SKIMP_CHECKED skimp_status skimpi_os_open(int *out, const char *path, skimp_error *error);
void skimpi_os_close(int fd);
SKIMP_CHECKED skimp_status skimpi_os_fstat(int fd, const char *path, skimpi_os_stat *out, skimp_error *error);

/* Reads up to `bytes` at `offset`; *got is less only at the end of the file. Retries interrupted and partial reads. */
SKIMP_CHECKED skimp_status skimpi_os_pread(int fd, const char *path, void *buffer, size_t bytes, uint64_t offset,
                                           size_t *got, skimp_error *error);
/* Reads a stream: *got 0 at the end. May return fewer than asked. Retries when a signal interrupts it. */
SKIMP_CHECKED skimp_status skimpi_os_read(int fd, const char *path, void *buffer, size_t bytes, size_t *got,
                                          skimp_error *error);
/* The same, but asks `cancelled` ten times a second while nothing comes, and ends with CANCELLED when it says true. */
typedef bool skimpi_os_cancelled_fn(void *context);
SKIMP_CHECKED skimp_status skimpi_os_read_cancellable(int fd, const char *path, void *buffer, size_t bytes, size_t *got,
                                                      skimpi_os_cancelled_fn *cancelled, void *context,
                                                      skimp_error *error);
/* Writes all of it. A full disk is SKIMP_ERROR_IO with the path and the bytes that were wanted. On a pipe the offset means nothing. */
SKIMP_CHECKED skimp_status skimpi_os_pwrite(int fd, const char *path, const void *buffer, size_t bytes, uint64_t offset,
                                            skimp_error *error);

/* The same to a stream (standard output). A pipe that was closed is an IO error. */
SKIMP_CHECKED skimp_status skimpi_os_write(int fd, const char *path, const void *buffer, size_t bytes,
                                           skimp_error *error);

/* Tells the kernel that a range will be read soon / is no longer needed in cache / should go to disk now. Advice: never fails. */
void skimpi_os_will_need(int fd, uint64_t offset, uint64_t bytes);
void skimpi_os_dont_need(int fd, uint64_t offset, uint64_t bytes);
void skimpi_os_write_back(int fd, uint64_t offset, uint64_t bytes);

/* An unnamed file in `directory` that vanishes with its descriptor (O_TMPFILE; else created and unlinked at once). */
SKIMP_CHECKED skimp_status skimpi_os_spill_file(int *out, const char *directory, skimp_error *error);
/* Free bytes on the file system of `directory`, and whether it is memory (tmpfs, ramfs). */
SKIMP_CHECKED skimp_status skimpi_os_disk(const char *directory, uint64_t *free_bytes, bool *is_memory,
                                          skimp_error *error);
/* Reserves disk blocks (fallocate; where unsupported, nothing). */
SKIMP_CHECKED skimp_status skimpi_os_reserve(int fd, const char *path, uint64_t bytes, skimp_error *error);

/*
 * Atomic writing: a temporary file beside `path` (O_TMPFILE and linkat where they work), given its name by commit after
 * fsync; abandon leaves what was at `path` as it was. A symbolic link is followed; a device or pipe at `path` is written
 * as it is. The struct is the caller's. After a failed begin or commit nothing is left; abandon then does nothing.
 */
typedef struct skimpi_os_output {
    int fd;      /* -1: nothing is open */
    bool direct; /* a device or pipe: nothing to rename */
    char path[4096];
    char temporary[4096]; /* empty when the file has no name yet */
} skimpi_os_output;
SKIMP_CHECKED skimp_status skimpi_os_output_begin(skimpi_os_output *out, const char *path, skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_os_output_commit(skimpi_os_output *out, skimp_error *error);
void skimpi_os_output_abandon(skimpi_os_output *out);

#endif
