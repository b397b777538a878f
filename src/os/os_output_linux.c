/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Atomic output: whoever opens the path sees the old file or the whole new one, and a run that ends early, however it
 * ends, leaves the old file and nothing else.  An unnamed file (O_TMPFILE) is gone with the process; where the file
 * system has none, a hidden name beside the path stands in, which only a kill at the wrong moment can leave behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "os/os.h"

static skimp_status fail_io(skimp_error *error, const char *path, const char *what, int code)
{
    char words[128];
    return skimpi_fail_at(error, SKIMP_ERROR_IO, path, 0, NULL, "%s: %s", what, strerror_r(code, words, sizeof(words)));
}

/* The directory of out->path, "." when it names none. */
static void directory_of(const skimpi_os_output *out, char directory[4096])
{
    const char *slash = strrchr(out->path, '/');
    size_t length = slash == NULL ? 0 : slash == out->path ? 1 : (size_t)(slash - out->path);
    if (length == 0) {
        memcpy(directory, ".", 2);
    } else {
        memcpy(directory, out->path, length);
        directory[length] = '\0';
    }
}

/* A name for out->temporary that is nobody's, as far as a random number can tell. */
static bool choose_name(skimpi_os_output *out)
{
    uint64_t number;
    const char *slash = strrchr(out->path, '/');
    int directory = slash == NULL ? 0 : (int)(slash - out->path) + 1;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
        return false;
    }
    int length =
        snprintf(out->temporary, sizeof(out->temporary), "%.*s.skimp-%016" PRIx64, directory, out->path, number);
    if (length < 0 || (size_t)length >= sizeof(out->temporary)) {
        errno = ENAMETOOLONG;
        return false;
    }
    return true;
}

/* Opens what exists and is no regular file, which a rename must not replace. */
static skimp_status open_special(skimpi_os_output *out, const struct stat *found, skimp_error *error)
{
    if (S_ISDIR(found->st_mode)) {
        return skimpi_fail_at(error, SKIMP_ERROR_IO, out->path, 0, NULL, "is a directory, not a file");
    }
    do {
        out->fd = open(out->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    } while (out->fd < 0 && errno == EINTR);
    out->direct = true;
    return out->fd >= 0 ? SKIMP_OK : fail_io(error, out->path, "cannot be opened for writing", errno);
}

/* Can an unnamed file be given a name here? Needs /proc; asked now, so that commit has no surprise. */
static bool can_link(int fd, char name[64])
{
    struct stat found;
    snprintf(name, 64, "/proc/self/fd/%d", fd);
    return stat(name, &found) == 0;
}

static skimp_status open_temporary(skimpi_os_output *out, mode_t mode, skimp_error *error)
{
    char directory[4096];
    char name[64];
    directory_of(out, directory);
    do {
        out->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    } while (out->fd < 0 && errno == EINTR);
    if (out->fd >= 0 && can_link(out->fd, name)) {
        return SKIMP_OK;
    }
    if (out->fd >= 0) {
        close(out->fd);
        out->fd = -1;
    } else if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
        return fail_io(error, out->path, "cannot be created", errno);
    }
    do {
        if (!choose_name(out)) {
            break;
        }
        out->fd = open(out->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    } while (out->fd < 0 && (errno == EEXIST || errno == EINTR));
    if (out->fd < 0) {
        int code = errno;
        out->temporary[0] = '\0';
        return fail_io(error, out->path, "cannot be created", code);
    }
    return SKIMP_OK;
}

skimp_status skimpi_os_output_begin(skimpi_os_output *out, const char *path, skimp_error *error)
{
    struct stat found;
    out->fd = -1;
    out->direct = false;
    out->temporary[0] = '\0';
    out->path[0] = '\0';
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(out->path)) {
        return skimpi_fail_at(error, SKIMP_ERROR_IO, path, 0, NULL, "the name of the output is %s",
                              length == 0 ? "empty" : "too long");
    }
    memcpy(out->path, path, length + 1);
    bool exists = stat(path, &found) == 0;
    if (exists && !S_ISREG(found.st_mode)) {
        return open_special(out, &found, error);
    }
    if (exists && lstat(path, &found) == 0 && S_ISLNK(found.st_mode)) {
        /* The link stays; what it points at is replaced. */
        if (realpath(path, out->path) == NULL) {
            return fail_io(error, path, "the link cannot be followed", errno);
        }
        exists = stat(out->path, &found) == 0;
    }
    skimp_status status = open_temporary(out, 0666, error);
    if (status == SKIMP_OK && exists && fchmod(out->fd, found.st_mode & 0777) != 0) {
        status = fail_io(error, out->path, "its permissions cannot be kept", errno);
        skimpi_os_output_abandon(out);
    }
    return status;
}

/* Gives the unnamed file out->path if nothing is there, else a temporary name. */
static int give_name(skimpi_os_output *out)
{
    char name[64];
    if (!can_link(out->fd, name)) {
        return -1;
    }
    if (linkat(AT_FDCWD, name, AT_FDCWD, out->path, AT_SYMLINK_FOLLOW) == 0) {
        return 0;
    }
    while (errno == EEXIST && choose_name(out)) {
        if (linkat(AT_FDCWD, name, AT_FDCWD, out->temporary, AT_SYMLINK_FOLLOW) == 0) {
            return 0;
        }
    }
    int code = errno;
    out->temporary[0] = '\0';
    errno = code;
    return -1;
}

skimp_status skimpi_os_output_commit(skimpi_os_output *out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    int failed;
    if (out->direct) {
        failed = close(out->fd);
        out->fd = -1;
        return failed == 0 ? SKIMP_OK : fail_io(error, out->path, "cannot be written", errno);
    }
    do {
        failed = fsync(out->fd);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0 || (out->temporary[0] == '\0' && give_name(out) != 0) ||
        (out->temporary[0] != '\0' && rename(out->temporary, out->path) != 0)) {
        status = fail_io(error, out->path, "cannot be finished", errno);
        skimpi_os_output_abandon(out);
        return status;
    }
    out->temporary[0] = '\0';
    /* close reports what a network file system found out late; the name is there already, so the caller must know. */
    failed = close(out->fd);
    out->fd = -1;
    if (failed != 0 && errno != EINTR) {
        return fail_io(error, out->path, "cannot be written", errno);
    }
    /* The name outlives a crash of the machine only when the directory is on disk too; not every file system can. */
    char directory[4096];
    directory_of(out, directory);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    return SKIMP_OK;
}

void skimpi_os_output_abandon(skimpi_os_output *out)
{
    if (out->fd >= 0) {
        close(out->fd);
        out->fd = -1;
    }
    if (out->temporary[0] != '\0') {
        unlink(out->temporary);
        out->temporary[0] = '\0';
    }
}
