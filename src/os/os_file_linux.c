/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files: reading, writing at a place, advice to the page cache, spill files, disk space.  Atomic output is in
 * os_output_linux.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/base.h"
#include "os/os.h"

/* The kernel moves at most this much in a call. */
#define CALL_BYTES ((size_t)1 << 30)

/* The message ends with what the system said, then strerror's words. */
static skimp_status fail_io(skimp_error *error, const char *path, const char *what, int code)
{
    char words[128];
    return skimpi_fail_at(error, SKIMP_ERROR_IO, path, 0, NULL, "%s: %s", what, strerror_r(code, words, sizeof(words)));
}

skimp_status skimpi_os_open(int *out, const char *path, skimp_error *error)
{
    int fd;
    *out = -1;
    do {
        /* Not blocking: a named pipe without a writer would hold whoever wants to stop; reads wait by poll. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return fail_io(error, path, "cannot be opened", errno);
    }
    skimpi_os_stat stat;
    skimp_status status = skimpi_os_fstat(fd, path, &stat, error);
    if (status == SKIMP_OK && stat.is_directory) {
        status = skimpi_fail_at(error, SKIMP_ERROR_IO, path, 0, NULL, "is a directory, not a file");
    }
    if (status != SKIMP_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    return SKIMP_OK;
}

void skimpi_os_close(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

skimp_status skimpi_os_fstat(int fd, const char *path, skimpi_os_stat *out, skimp_error *error)
{
    struct stat found;
    *out = (skimpi_os_stat){ 0 };
    if (fstat(fd, &found) != 0) {
        return fail_io(error, path, "cannot be examined", errno);
    }
    out->size = found.st_size > 0 ? (uint64_t)found.st_size : 0;
    out->modified_ns = (uint64_t)found.st_mtim.tv_sec * 1000000000u + (uint64_t)found.st_mtim.tv_nsec;
    out->is_regular = S_ISREG(found.st_mode);
    out->is_directory = S_ISDIR(found.st_mode);
    return SKIMP_OK;
}

skimp_status skimpi_os_pread(int fd, const char *path, void *buffer, size_t bytes, uint64_t offset, size_t *got,
                             skimp_error *error)
{
    *got = 0;
    while (*got < bytes) {
        size_t want = bytes - *got < CALL_BYTES ? bytes - *got : CALL_BYTES;
        ssize_t n = pread(fd, (char *)buffer + *got, want, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_io(error, path, "cannot be read", errno);
        }
        if (n == 0) {
            break;
        }
        *got += (size_t)n;
    }
    return SKIMP_OK;
}

skimp_status skimpi_os_read(int fd, const char *path, void *buffer, size_t bytes, size_t *got, skimp_error *error)
{
    return skimpi_os_read_cancellable(fd, path, buffer, bytes, got, NULL, NULL, error);
}

skimp_status skimpi_os_read_cancellable(int fd, const char *path, void *buffer, size_t bytes, size_t *got,
                                        skimpi_os_cancelled_fn *cancelled, void *context, skimp_error *error)
{
    *got = 0;
    for (;;) {
        if (cancelled != NULL && cancelled(context)) {
            return skimpi_fail_at(error, SKIMP_ERROR_CANCELLED, path, 0, NULL, "reading was interrupted");
        }
        /*
         * A signal may come between the question above and the read, or to another thread: so wait in short spells.  A named
         * pipe that nobody has opened for writing yet would read as empty: so wait in any case.
         */
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (fd >= 0 && poll(&ready, 1, cancelled != NULL ? 100 : -1) <= 0) { /* nothing yet, or a signal came */
            continue;
        }
        ssize_t n = read(fd, buffer, bytes < CALL_BYTES ? bytes : CALL_BYTES);
        if (n >= 0) {
            *got = (size_t)n;
            return SKIMP_OK;
        }
        if (errno == EAGAIN) { /* whoever shares the stream made it non-blocking */
            poll(&ready, 1, 100);
        } else if (errno != EINTR) {
            return fail_io(error, path, "cannot be read", errno);
        }
    }
}

static skimp_status fail_write(skimp_error *error, const char *path, uint64_t bytes, int code)
{
    if (error != NULL && error->code == SKIMP_OK) {
        error->requested = bytes;
    }
    if (code == ENOSPC || code == EDQUOT) {
        return skimpi_fail_at(error, SKIMP_ERROR_IO, path, 0, NULL, "%s: %" PRIu64 " bytes more were to be written",
                              code == ENOSPC ? "the disk is full" : "the disk quota is used up", bytes);
    }
    return fail_io(error, path, "cannot be written", code);
}

skimp_status skimpi_os_pwrite(int fd, const char *path, const void *buffer, size_t bytes, uint64_t offset,
                              skimp_error *error)
{
    size_t done = 0;
    bool stream = false; /* a pipe or terminal has no places: what is written in order arrives in order */
    while (done < bytes) {
        size_t want = bytes - done < CALL_BYTES ? bytes - done : CALL_BYTES;
        const char *from = (const char *)buffer + done;
        ssize_t n = stream ? write(fd, from, want) : pwrite(fd, from, want, (off_t)(offset + done));
        if (n < 0 && errno == ESPIPE && !stream) {
            stream = true;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = { .fd = fd, .events = POLLOUT };
            poll(&ready, 1, 100);
        } else if (n < 0 && errno != EINTR) {
            return fail_write(error, path, bytes - done, errno);
        } else if (n > 0) {
            done += (size_t)n;
        }
    }
    return SKIMP_OK;
}

skimp_status skimpi_os_write(int fd, const char *path, const void *buffer, size_t bytes, skimp_error *error)
{
    for (size_t done = 0; done < bytes;) {
        const size_t want = bytes - done < CALL_BYTES ? bytes - done : CALL_BYTES;
        const ssize_t n = write(fd, (const char *)buffer + done, want);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = { .fd = fd, .events = POLLOUT };
            poll(&ready, 1, 100);
        } else if (n < 0 && errno != EINTR) {
            return fail_write(error, path, bytes - done, errno);
        } else if (n > 0) {
            done += (size_t)n;
        }
    }
    return SKIMP_OK;
}

void skimpi_os_will_need(int fd, uint64_t offset, uint64_t bytes)
{
    posix_fadvise(fd, (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED);
}

void skimpi_os_dont_need(int fd, uint64_t offset, uint64_t bytes)
{
    posix_fadvise(fd, (off_t)offset, (off_t)bytes, POSIX_FADV_DONTNEED);
}

void skimpi_os_write_back(int fd, uint64_t offset, uint64_t bytes)
{
    sync_file_range(fd, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
}

/* Creates a file of a name that is nobody's, in `directory`; -1 with errno. */
static int create_hidden(const char *directory, char path[4096])
{
    for (int attempt = 0; attempt < 100; attempt++) {
        uint64_t number;
        if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
            return -1;
        }
        int length = snprintf(path, 4096, "%s/.skimp-%016" PRIx64, directory, number);
        if (length < 0 || length >= 4096) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0 || (errno != EEXIST && errno != EINTR)) {
            return fd;
        }
    }
    return -1;
}

skimp_status skimpi_os_spill_file(int *out, const char *directory, skimp_error *error)
{
    int fd;
    *out = -1;
    do {
        fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        char path[4096];
        fd = create_hidden(directory, path);
        if (fd >= 0) {
            unlink(path);
        }
    }
    if (fd < 0) {
        return fail_io(error, directory, "cannot hold a spill file", errno);
    }
    *out = fd;
    return SKIMP_OK;
}

skimp_status skimpi_os_disk(const char *directory, uint64_t *free_bytes, bool *is_memory, skimp_error *error)
{
    struct statfs found;
    int failed;
    *free_bytes = 0;
    *is_memory = false;
    do {
        failed = statfs(directory, &found);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0) {
        return fail_io(error, directory, "its free space cannot be told", errno);
    }
    *free_bytes = skimpi_mul_sat((uint64_t)found.f_bavail, (uint64_t)found.f_bsize);
    unsigned long type = (unsigned long)found.f_type & 0xffffffffu;
    *is_memory = type == TMPFS_MAGIC || type == RAMFS_MAGIC || type == HUGETLBFS_MAGIC;
    return SKIMP_OK;
}

skimp_status skimpi_os_reserve(int fd, const char *path, uint64_t bytes, skimp_error *error)
{
    int failed;
    if (bytes == 0) {
        return SKIMP_OK;
    }
    do {
        failed = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0 && errno != EOPNOTSUPP && errno != ENOSYS && errno != ESPIPE && errno != ENODEV) {
        return fail_write(error, path, bytes, errno);
    }
    return SKIMP_OK;
}
