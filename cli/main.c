/* SPDX-License-Identifier: BSD-3-Clause */
/* The skimp command: finds the subcommand, reads its options, runs it. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "help.h"
#include "signals.h"

/*
 * The budget counts what the system hands out, so glibc may keep nothing in reserve: one arena for all threads, blocks
 * of 64 KiB and more on their own pages, free memory at the end of the heap given back.
 */
static void set_allocator(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    mallopt(M_TOP_PAD, 0);
}

/* A standard stream that is closed must not become the number of a data file. */
static bool open_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) != fd) {
            return false;
        }
    }
    return true;
}

static const char *command_name(const void *context, size_t i)
{
    (void)context;
    return commands[i].name;
}

/* Was JSON asked for? The line may be one that cannot be read further. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

static int run(const command *c, int argc, char **argv)
{
    skimp_error error = SKIMP_ERROR_INIT;
    settings s;
    int code;
    const bool json = wants_json(argc, argv);
    if (settings_parse(&s, c, argc, argv, &error) != SKIMP_OK) {
        code = report_failure(json, &error);
        if (code == EXIT_USAGE) {
            fprintf(stderr, "`skimp help %s` explains\n", c->name);
        }
    } else if (s.help && c->run != command_help) {
        help_command(stdout, c);
        const skimp_estimator_info *info = s.operands.n > 0 ? skimp_estimator_find(s.operands.items[0]) : NULL;
        if (info != NULL) {
            fputc('\n', stdout);
            help_estimator(stdout, info);
        }
        code = finish_output();
    } else {
        code = c->run(&s);
    }
    settings_free(&s);
    return code;
}

int main(int argc, char **argv)
{
    static char line[1024];
    if (!open_standard_streams()) {
        return EXIT_IO;
    }
    set_allocator();
    signals_install();
    setvbuf(stderr, line, _IOLBF, sizeof line); /* a table is not written letter by letter */
    if (argc < 2) {
        help_overview(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    } else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        name = "version";
    }
    const command *c = command_find(name);
    if (c == NULL) {
        skimp_error error = SKIMP_ERROR_INIT;
        const skimp_status status = usage_error(&error, name[0] == '-' ? "skimp has no option" : "skimp has no command",
                                                name, command_name, NULL);
        (void)status;
        return report_failure(wants_json(argc - 1, argv + 1), &error);
    }
    return run(c, argc - 2, argv + 2);
}
