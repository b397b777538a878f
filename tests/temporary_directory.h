/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests: a directory of their own, and small files in it. Include after cmocka.h. */
#ifndef SKIMP_TEST_TEMPORARY_DIRECTORY_H
#define SKIMP_TEST_TEMPORARY_DIRECTORY_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The path of the directory while a test runs; made and removed by the two functions below. */
static char temporary[512];

/* For tests that have thousands of files made safe on disk, which is what their time would go into. Before the first one. */
static inline void prefer_memory(void)
{
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 1);
    }
}

static inline int make_temporary(void **state)
{
    const char *base = getenv("TMPDIR");
    (void)state;
    snprintf(temporary, sizeof(temporary), "%s/skimp-test-XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(temporary) == NULL;
}

static inline int remove_entry(const char *path, const struct stat *found, int type, struct FTW *place)
{
    (void)found;
    (void)type;
    (void)place;
    return remove(path);
}

static inline int remove_temporary(void **state)
{
    (void)state;
    return nftw(temporary, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* temporary/name, in one of a few buffers that take turns. */
static inline const char *in_temporary(const char *name)
{
    static char paths[8][2048];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", temporary, name);
    return path;
}

/* Writes a file, and the directories on the way to it. */
static inline void write_file(const char *name, const void *bytes, size_t n)
{
    char path[2048];
    snprintf(path, sizeof(path), "%s/%s", temporary, name);
    for (char *slash = strchr(path + strlen(temporary) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *name, const char *text)
{
    write_file(name, text, strlen(text));
}

/* The file is there and holds this text, no more and no less. */
static inline void assert_file(const char *name, const char *expected)
{
    char text[4096];
    FILE *file = fopen(in_temporary(name), "rb");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

/* How many entries the directory holds: nothing may be left behind. */
static inline int count_entries(void)
{
    int n = 0;
    DIR *directory = opendir(temporary);
    assert_non_null(directory);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(directory);
    return n;
}

/* The descriptor of a file without a name that this process has open there (a spill file); -1: none. */
static inline int find_spill_file(void)
{
    for (int fd = 3; fd < 64; fd++) {
        char link[64], target[1024];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t n = readlink(link, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        if (strncmp(target, temporary, strlen(temporary)) == 0 && strstr(target, "(deleted)") != NULL) {
            return fd;
        }
    }
    return -1;
}

#endif
