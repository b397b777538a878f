/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands share. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json_output.h"
#include "signals.h"

skimp_status fail(skimp_error *error, skimp_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    *error = (skimp_error){ .code = status };
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    /* Names come from the command line; a message is one line all the same. */
    for (unsigned char *p = (unsigned char *)error->message; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    return status;
}

static int exit_code(int status)
{
    switch (status) {
    case SKIMP_OK:
        return EXIT_DONE;
    case SKIMP_ERROR_PARAM:
        return EXIT_USAGE;
    case SKIMP_ERROR_DATA:
        return EXIT_DATA;
    case SKIMP_ERROR_BUDGET:
    case SKIMP_ERROR_NOMEM:
        return EXIT_BUDGET;
    case SKIMP_ERROR_IO:
        return EXIT_IO;
    case SKIMP_ERROR_CANCELLED:
        return EXIT_INTERRUPTED;
    default:
        return EXIT_INTERNAL;
    }
}

int report_failure(bool json, const skimp_error *error)
{
    fprintf(stderr, "skimp: error: %s\n", error->message[0] != '\0' ? error->message : skimp_status_name(error->code));
    if (json) {
        json_print(json_error(error));
        fflush(stdout); /* the exit code says already that something failed */
    }
    return exit_code(error->code);
}

int finish_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return EXIT_DONE;
    }
    fprintf(stderr, "skimp: error: standard output: cannot be written: %s\n", strerror(errno));
    return EXIT_IO;
}

skimp_job_options job_options(const settings *s, size_t first, progress_line *progress)
{
    skimp_job_options options = SKIMP_JOB_OPTIONS_INIT;
    options.params = s->params;
    options.n_params = s->n_params;
    options.steps = s->steps.items;
    options.n_steps = s->steps.n;
    options.inputs = s->operands.items + first;
    options.n_inputs = s->operands.n - first;
    options.format = s->format;
    options.delimiter = s->delimiter;
    options.header = s->header;
    options.zero_based = s->zero_based;
    options.index64 = s->index64;
    options.target = s->target;
    options.weight = s->weight;
    options.drop = s->drop.items;
    options.n_drop = s->drop.n;
    options.drop_missing = s->on_missing == 1;
    options.skip_bad_rows = s->on_bad_row == 1;
    options.hash_bits = s->hash_bits;
    options.holdout = s->holdout;
    options.seed = s->seed;
    options.max_memory = s->max_memory;
    options.whole_process = true;
    options.n_threads = s->threads;
    options.spill_dir = s->spill_dir;
    options.spill_to_memory = s->spill_to_memory;
    options.checkpoint = s->checkpoint;
    options.cancel = signals_cancel();
    if (progress != NULL && progress_begin(progress, s)) {
        options.progress = progress_show;
        options.progress_context = progress;
    }
    return options;
}

static skimp_status check_directory(const char *name, const char *path, skimp_error *error)
{
    char directory[4096];
    const char *slash = strrchr(path, '/');
    const size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof directory) {
        return fail(error, SKIMP_ERROR_IO, "--%s: the name is too long", name);
    }
    memcpy(directory, path, length);
    directory[length] = '\0';
    if (access(length > 0 ? directory : ".", W_OK | X_OK) != 0) {
        return fail(error, SKIMP_ERROR_IO, "%s: cannot be created: %s", path, strerror(errno));
    }
    return SKIMP_OK;
}

skimp_status check_output(const char *name, const char *path, const char *const *inputs, size_t n_inputs,
                          skimp_error *error)
{
    struct stat output, input;
    if (path == NULL || strcmp(path, "-") == 0) {
        return SKIMP_OK;
    }
    if (stat(path, &output) != 0) {
        if (errno != ENOENT) {
            return fail(error, SKIMP_ERROR_IO, "%s: cannot be created: %s", path, strerror(errno));
        }
        return check_directory(name, path, error);
    }
    if (S_ISDIR(output.st_mode)) {
        return fail(error, SKIMP_ERROR_IO, "%s: is a directory, not a file", path);
    }
    if (!S_ISREG(output.st_mode)) {
        return access(path, W_OK) == 0
                   ? SKIMP_OK
                   : fail(error, SKIMP_ERROR_IO, "%s: cannot be written: %s", path, strerror(errno));
    }
    for (size_t i = 0; i < n_inputs; i++) {
        if (stat(inputs[i], &input) == 0 && input.st_dev == output.st_dev && input.st_ino == output.st_ino) {
            return fail(error, SKIMP_ERROR_PARAM, "--%s: '%s' is one of the inputs", name, path);
        }
    }
    return check_directory(name, path, error);
}

uint64_t peak_now(const skimp_report *report)
{
    uint64_t resident = 0, peak = 0;
    skimp_process_memory(&resident, &peak);
    return peak > report->peak_bytes ? peak : report->peak_bytes;
}
