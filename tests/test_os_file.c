/* SPDX-License-Identifier: BSD-3-Clause */
/* Files: what opening refuses, short and whole reads, streams and interruption, a full disk, spill files, disk space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "base/base.h"
#include "os/os.h"
#include "temporary_directory.h"

static void opening_says_what_is_wrong(void **state)
{
    (void)state;
    int fd;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_open(&fd, in_temporary("nothing"), &error), SKIMP_ERROR_IO);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(error.message, "nothing: cannot be opened: No such file"));
    assert_string_equal(error.file, in_temporary("nothing"));

    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_open(&fd, temporary, &error), SKIMP_ERROR_IO);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(error.message, "is a directory"));
    skimpi_os_close(-1);
}

static void reads_at_any_place(void **state)
{
    (void)state;
    char buffer[32];
    size_t got;
    int fd;
    write_text("f", "0123456789");
    assert_int_equal(skimpi_os_open(&fd, in_temporary("f"), NULL), SKIMP_OK);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(skimpi_os_pread(fd, "f", buffer, 4, 3, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(buffer, "3456", 4);
    assert_int_equal(skimpi_os_pread(fd, "f", buffer, sizeof(buffer), 8, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 2);
    assert_int_equal(skimpi_os_pread(fd, "f", buffer, sizeof(buffer), 10, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 0);
    assert_int_equal(skimpi_os_pread(fd, "f", buffer, 0, 0, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 0);

    skimpi_os_stat stat;
    assert_int_equal(skimpi_os_fstat(fd, "f", &stat, NULL), SKIMP_OK);
    assert_int_equal(stat.size, 10);
    assert_true(stat.is_regular && !stat.is_directory && stat.modified_ns > 1500000000u * (uint64_t)1000000000u);

    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_pwrite(fd, "f", "x", 1, 0, &error), SKIMP_ERROR_IO); /* opened for reading */
    assert_int_equal(error.requested, 1);
    assert_string_equal(error.file, "f");
    /* Advice never fails, whatever it is given. */
    skimpi_os_will_need(fd, 0, 100);
    skimpi_os_dont_need(fd, 5, 1);
    skimpi_os_write_back(fd, 0, 10);
    skimpi_os_will_need(-1, 0, 1);
    skimpi_os_close(fd);
    assert_int_equal(skimpi_os_fstat(-1, "gone", &stat, NULL), SKIMP_ERROR_IO);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_pread(-1, "gone", buffer, 1, 0, &got, &error), SKIMP_ERROR_IO);
    assert_int_equal(got, 0);
    assert_non_null(strstr(error.message, "gone: cannot be read"));
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    interrupted = interrupted + 1;
}

static void install_alarm(void)
{
    struct sigaction action = { .sa_handler = on_alarm }; /* no SA_RESTART: calls end with EINTR */
    struct itimerval soon = { .it_interval = { .tv_usec = 20000 }, .it_value = { .tv_usec = 20000 } };
    interrupted = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
}

static void stop_alarm(void)
{
    struct itimerval never = { { 0 }, { 0 } };
    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_DFL);
}

static void *write_later(void *argument)
{
    usleep(150000);
    assert_int_equal(write(*(int *)argument, "late", 4), 4);
    return NULL;
}

static void signals_do_not_break_a_read(void **state)
{
    (void)state;
    int ends[2];
    char buffer[16];
    size_t got;
    pthread_t writer;
    assert_int_equal(pipe(ends), 0);
    install_alarm();
    assert_int_equal(pthread_create(&writer, NULL, write_later, &ends[1]), 0);
    assert_int_equal(skimpi_os_read(ends[0], "pipe", buffer, sizeof(buffer), &got, NULL), SKIMP_OK);
    stop_alarm();
    assert_int_equal(got, 4);
    assert_memory_equal(buffer, "late", 4);
    pthread_join(writer, NULL);

    /* A pipe that someone made non-blocking is read like any other. */
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_later, &ends[1]), 0);
    assert_int_equal(skimpi_os_read(ends[0], "pipe", buffer, sizeof(buffer), &got, NULL), SKIMP_OK);
    assert_int_equal(got, 4);
    pthread_join(writer, NULL);
    close(ends[1]);
    assert_int_equal(skimpi_os_read(ends[0], "pipe", buffer, sizeof(buffer), &got, NULL), SKIMP_OK);
    assert_int_equal(got, 0);
    close(ends[0]);
    assert_int_equal(skimpi_os_read(-1, "pipe", buffer, sizeof(buffer), &got, NULL), SKIMP_ERROR_IO);
}

static bool after_a_signal(void *context)
{
    (void)context;
    return interrupted >= 3;
}

static void a_read_can_be_cancelled(void **state)
{
    (void)state;
    int ends[2];
    char buffer[16];
    size_t got;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(pipe(ends), 0);
    install_alarm();
    assert_int_equal(
        skimpi_os_read_cancellable(ends[0], "pipe", buffer, sizeof(buffer), &got, after_a_signal, NULL, &error),
        SKIMP_ERROR_CANCELLED);
    stop_alarm();
    assert_int_equal(error.code, SKIMP_ERROR_CANCELLED);
    interrupted = 0;
    assert_int_equal(write(ends[1], "now", 3), 3);
    assert_int_equal(
        skimpi_os_read_cancellable(ends[0], "pipe", buffer, sizeof(buffer), &got, after_a_signal, NULL, NULL),
        SKIMP_OK);
    assert_int_equal(got, 3);
    close(ends[1]);
    assert_int_equal(
        skimpi_os_read_cancellable(ends[0], "pipe", buffer, sizeof(buffer), &got, after_a_signal, NULL, NULL),
        SKIMP_OK);
    assert_int_equal(got, 0);
    close(ends[0]);
}

static void a_pipe_is_written_in_order(void **state)
{
    (void)state;
    int ends[2];
    char buffer[16];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(skimpi_os_pwrite(ends[1], "pipe", "abc", 3, 0, NULL), SKIMP_OK);
    assert_int_equal(skimpi_os_pwrite(ends[1], "pipe", "def", 3, 3, NULL), SKIMP_OK);
    assert_int_equal(read(ends[0], buffer, sizeof(buffer)), 6);
    assert_memory_equal(buffer, "abcdef", 6);
    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    assert_int_equal(skimpi_os_pwrite(ends[1], "pipe", "abc", 3, 0, NULL), SKIMP_ERROR_IO);
    signal(SIGPIPE, SIG_DFL);
    close(ends[1]);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void a_spill_file_has_no_name(void **state)
{
    (void)state;
    int fd;
    char buffer[8];
    size_t got;
    assert_int_equal(skimpi_os_spill_file(&fd, temporary, NULL), SKIMP_OK);
    assert_int_equal(count_entries(), 0);
    assert_int_equal(skimpi_os_reserve(fd, "spill", 1 << 20, NULL), SKIMP_OK);
    assert_int_equal(skimpi_os_reserve(fd, "spill", 0, NULL), SKIMP_OK);
    skimpi_os_stat stat;
    assert_int_equal(skimpi_os_fstat(fd, "spill", &stat, NULL), SKIMP_OK);
    assert_int_equal(stat.size, 0); /* blocks are reserved, nothing is written */
    assert_int_equal(skimpi_os_pwrite(fd, "spill", "block", 5, 1 << 20, NULL), SKIMP_OK);
    assert_int_equal(skimpi_os_pread(fd, "spill", buffer, 8, 1 << 20, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 5);
    assert_memory_equal(buffer, "block", 5);
    skimpi_os_close(fd);
    assert_int_equal(count_entries(), 0);

    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_spill_file(&fd, in_temporary("nowhere"), &error), SKIMP_ERROR_IO);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(error.message, "nowhere: cannot hold a spill file"));
}

/* /dev/full and a limit on the size of files stand in for a disk that is full. */
static void a_full_disk_is_told(void **state)
{
    (void)state;
    int fd = open("/dev/full", O_WRONLY);
    skimp_error error = SKIMP_ERROR_INIT;
    assert_true(fd >= 0);
    assert_int_equal(skimpi_os_pwrite(fd, "/dev/full", "12345", 5, 0, &error), SKIMP_ERROR_IO);
    assert_string_equal(error.message, "/dev/full: the disk is full: 5 bytes more were to be written");
    assert_int_equal(error.requested, 5);
    close(fd);

    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    struct rlimit small = { 1000, before.rlim_max };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    char block[2000] = { 0 };
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_spill_file(&fd, temporary, NULL), SKIMP_OK);
    assert_int_equal(skimpi_os_pwrite(fd, "spill", block, sizeof(block), 0, &error), SKIMP_ERROR_IO);
    assert_int_equal(error.requested, 1000); /* what was still to be written */
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_reserve(fd, "spill", (uint64_t)1 << 62, &error), SKIMP_ERROR_IO);
    assert_int_equal(error.requested, (uint64_t)1 << 62);
    assert_string_equal(error.file, "spill");
    skimpi_os_close(fd);
}

static void disk_space_and_kind_are_told(void **state)
{
    (void)state;
    uint64_t free_bytes;
    bool is_memory;
    assert_int_equal(skimpi_os_disk(temporary, &free_bytes, &is_memory, NULL), SKIMP_OK);
    assert_true(free_bytes > 0);
    assert_int_equal(skimpi_os_disk("/proc", &free_bytes, &is_memory, NULL), SKIMP_OK);
    assert_false(is_memory);
    if (access("/dev/shm", X_OK) == 0) {
        assert_int_equal(skimpi_os_disk("/dev/shm", &free_bytes, &is_memory, NULL), SKIMP_OK);
        assert_true(is_memory);
    }
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_os_disk(in_temporary("nowhere"), &free_bytes, &is_memory, &error), SKIMP_ERROR_IO);
    assert_int_equal(error.code, SKIMP_ERROR_IO);
}

static void the_clock_goes_forward(void **state)
{
    (void)state;
    double before = skimpi_os_seconds();
    usleep(20000);
    double passed = skimpi_os_seconds() - before;
    assert_true(passed >= 0.02 && passed < 30.0);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(opening_says_what_is_wrong),
        IN_DIRECTORY(reads_at_any_place),
        cmocka_unit_test(signals_do_not_break_a_read),
        cmocka_unit_test(a_read_can_be_cancelled),
        cmocka_unit_test(a_pipe_is_written_in_order),
        IN_DIRECTORY(a_spill_file_has_no_name),
        IN_DIRECTORY(a_full_disk_is_told),
        IN_DIRECTORY(disk_space_and_kind_are_told),
        cmocka_unit_test(the_clock_goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
