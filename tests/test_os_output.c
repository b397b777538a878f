/* SPDX-License-Identifier: BSD-3-Clause */
/* Atomic output: the old file or the whole new one, links and permissions kept, devices written as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/base.h"
#include "os/os.h"
#include "temporary_directory.h"

static void put(skimpi_os_output *out, const char *text)
{
    assert_int_equal(skimpi_os_pwrite(out->fd, out->path, text, strlen(text), 0, NULL), SKIMP_OK);
}

static void commit_replaces_and_abandon_does_not(void **state)
{
    (void)state;
    skimpi_os_output out;
    for (int existing = 0; existing < 2; existing++) {
        const char *before = existing ? "new" : "";
        assert_int_equal(skimpi_os_output_begin(&out, in_temporary("model"), NULL), SKIMP_OK);
        put(&out, "half");
        assert_true(existing == 0 ? access(in_temporary("model"), F_OK) != 0 : 1);
        if (existing) {
            assert_file("model", before);
        }
        skimpi_os_output_abandon(&out);
        skimpi_os_output_abandon(&out);
        assert_int_equal(count_entries(), existing);

        assert_int_equal(skimpi_os_output_begin(&out, in_temporary("model"), NULL), SKIMP_OK);
        put(&out, existing ? "newer" : "new");
        assert_int_equal(skimpi_os_output_commit(&out, NULL), SKIMP_OK);
        skimpi_os_output_abandon(&out); /* nothing is open: nothing happens */
        assert_file("model", existing ? "newer" : "new");
        assert_int_equal(count_entries(), 1);
    }
}

/* A file that appears at the path while the output is being written is replaced too. */
static void commit_replaces_what_came_meanwhile(void **state)
{
    (void)state;
    skimpi_os_output out;
    assert_int_equal(skimpi_os_output_begin(&out, in_temporary("model"), NULL), SKIMP_OK);
    put(&out, "mine");
    write_text("model", "theirs");
    assert_int_equal(skimpi_os_output_commit(&out, NULL), SKIMP_OK);
    assert_file("model", "mine");
    assert_int_equal(count_entries(), 1);
}

static void a_name_without_directory_is_here(void **state)
{
    (void)state;
    skimpi_os_output out;
    char before[1024];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(temporary), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(skimpi_os_output_begin(&out, "model", NULL), SKIMP_OK);
        put(&out, "text");
        assert_int_equal(skimpi_os_output_commit(&out, NULL), SKIMP_OK);
    }
    assert_int_equal(chdir(before), 0);
    assert_file("model", "text");
    assert_int_equal(count_entries(), 1);
}

static void permissions_and_links_stay(void **state)
{
    (void)state;
    skimpi_os_output out;
    struct stat found;
    mode_t mask = umask(027);
    assert_int_equal(skimpi_os_output_begin(&out, in_temporary("fresh"), NULL), SKIMP_OK);
    assert_int_equal(skimpi_os_output_commit(&out, NULL), SKIMP_OK);
    umask(mask);
    assert_int_equal(stat(in_temporary("fresh"), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0640);

    write_text("real", "old");
    assert_int_equal(chmod(in_temporary("real"), 0604), 0);
    assert_int_equal(symlink("real", in_temporary("link")), 0);
    assert_int_equal(skimpi_os_output_begin(&out, in_temporary("link"), NULL), SKIMP_OK);
    put(&out, "new");
    assert_int_equal(skimpi_os_output_commit(&out, NULL), SKIMP_OK);
    assert_int_equal(lstat(in_temporary("link"), &found), 0);
    assert_true(S_ISLNK(found.st_mode));
    assert_int_equal(stat(in_temporary("real"), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0604);
    assert_file("real", "new");
    assert_int_equal(count_entries(), 3);
}

static void what_is_no_file_is_not_replaced(void **state)
{
    (void)state;
    skimpi_os_output out;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_output_begin(&out, temporary, &error), SKIMP_ERROR_IO);
    assert_non_null(strstr(error.message, "is a directory"));
    skimpi_os_output_abandon(&out);

    struct stat found;
    assert_int_equal(skimpi_os_output_begin(&out, "/dev/null", NULL), SKIMP_OK);
    put(&out, "away");
    assert_int_equal(skimpi_os_output_commit(&out, NULL), SKIMP_OK);
    assert_int_equal(stat("/dev/null", &found), 0);
    assert_true(S_ISCHR(found.st_mode));

    assert_int_equal(mkfifo(in_temporary("fifo"), 0600), 0);
    int reader = open(in_temporary("fifo"), O_RDONLY | O_NONBLOCK);
    char buffer[8];
    assert_int_equal(skimpi_os_output_begin(&out, in_temporary("fifo"), NULL), SKIMP_OK);
    put(&out, "through");
    assert_int_equal(skimpi_os_output_commit(&out, NULL), SKIMP_OK);
    assert_int_equal(read(reader, buffer, sizeof(buffer)), 7);
    close(reader);
    assert_int_equal(stat(in_temporary("fifo"), &found), 0);
    assert_true(S_ISFIFO(found.st_mode));
}

static void beginning_says_what_is_wrong(void **state)
{
    (void)state;
    skimpi_os_output out;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_output_begin(&out, in_temporary("nowhere/model"), &error), SKIMP_ERROR_IO);
    assert_non_null(strstr(error.message, "nowhere/model: cannot be created: No such file"));
    skimpi_os_output_abandon(&out);
    assert_int_equal(skimpi_os_output_begin(&out, "", NULL), SKIMP_ERROR_IO);
    skimpi_os_output_abandon(&out);
    static char path[5000];
    memset(path, 'x', sizeof(path) - 1);
    assert_int_equal(skimpi_os_output_begin(&out, path, NULL), SKIMP_ERROR_IO);
    skimpi_os_output_abandon(&out);
    assert_int_equal(count_entries(), 0);
}

/* The directory goes away while the output is written: commit fails, says so, and leaves nothing. */
static void a_commit_that_fails_leaves_nothing(void **state)
{
    (void)state;
    skimpi_os_output out;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(mkdir(in_temporary("d"), 0777), 0);
    assert_int_equal(skimpi_os_output_begin(&out, in_temporary("d/model"), NULL), SKIMP_OK);
    assert_int_equal(rename(in_temporary("d"), in_temporary("e")), 0);
    assert_int_equal(skimpi_os_output_commit(&out, &error), SKIMP_ERROR_IO);
    assert_non_null(strstr(error.message, "cannot be finished"));
    assert_int_equal(out.fd, -1);
    assert_int_equal(rmdir(in_temporary("e")), 0); /* and so it is empty */
}

static void a_killed_process_leaves_the_old_file_alone(void **state)
{
    (void)state;
    write_text("model", "old");
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        skimpi_os_output out;
        if (skimpi_os_output_begin(&out, in_temporary("model"), NULL) == SKIMP_OK &&
            skimpi_os_pwrite(out.fd, "model", "half", 4, 0, NULL) == SKIMP_OK && write(ready[1], "x", 1) == 1) {
            pause();
        }
        _exit(1);
    }
    char byte;
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    assert_file("model", "old");
    /* Where the file system has no unnamed files, the hidden one stays. */
    int fd = open(temporary, O_TMPFILE | O_RDWR, 0600);
    assert_int_equal(count_entries(), fd >= 0 ? 1 : 2);
    close(fd);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(commit_replaces_and_abandon_does_not), IN_DIRECTORY(commit_replaces_what_came_meanwhile),
        IN_DIRECTORY(a_name_without_directory_is_here),     IN_DIRECTORY(permissions_and_links_stay),
        IN_DIRECTORY(what_is_no_file_is_not_replaced),      IN_DIRECTORY(beginning_says_what_is_wrong),
        IN_DIRECTORY(a_commit_that_fails_leaves_nothing),   IN_DIRECTORY(a_killed_process_leaves_the_old_file_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
