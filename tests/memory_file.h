/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files for tests that vanish with the test: a memfd, which the code under test opens by a path of its own.
 */
#ifndef SKIMP_TEST_MEMORY_FILE_H
#define SKIMP_TEST_MEMORY_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct memory_file {
    int fd;
    char path[32];
} memory_file;

static inline memory_file memory_file_make(const void *bytes, size_t n)
{
    memory_file file = { .fd = memfd_create("test", MFD_CLOEXEC) };
    size_t done = 0;
    while (file.fd >= 0 && done < n) {
        ssize_t more = write(file.fd, (const char *)bytes + done, n - done);
        if (more <= 0) {
            break;
        }
        done += (size_t)more;
    }
    if (file.fd < 0 || done < n) {
        perror("memfd");
        exit(1);
    }
    snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
    return file;
}

static inline void memory_file_close(memory_file *file)
{
    close(file->fd);
}

#endif
