/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands share: failing, exit codes, jobs made from settings, checks of outputs. */
#ifndef SKIMP_CLI_COMMAND_H
#define SKIMP_CLI_COMMAND_H

#include "command_options.h"
#include "progress.h"

enum {
    EXIT_DONE = 0,
    EXIT_INTERNAL = 1,
    EXIT_USAGE = 2,
    EXIT_DATA = 3,
    EXIT_BUDGET = 4,
    EXIT_IO = 5,
    EXIT_INTERRUPTED = 130
};

int command_fit(const settings *settings);
int command_plan(const settings *settings);
int command_predict(const settings *settings);
int command_score(const settings *settings);
int command_convert(const settings *settings);
int command_info(const settings *settings);
int command_estimators(const settings *settings);
int command_help(const settings *settings);
int command_version(const settings *settings);

/* Sets an error record and returns the status. */
skimp_status fail(skimp_error *error, skimp_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints an error, on standard error and with json as an object on standard output too, and returns the exit code. */
int report_failure(bool json, const skimp_error *error);

/* Flushes standard output: EXIT_DONE, or EXIT_IO with a message when what was written did not arrive. */
int finish_output(void);

/* Options of a job by the settings; inputs are the operands from `first` on. progress may be NULL. */
skimp_job_options job_options(const settings *settings, size_t first, progress_line *progress);

/* Can the output of option `name` be written, and is it none of the inputs? Asked before hours of work, not after them. */
SKIMP_CHECKED skimp_status check_output(const char *name, const char *path, const char *const *inputs, size_t n_inputs,
                                        skimp_error *error);

/* The higher of the report's peak and the kernel's mark now: what was done after the report counts too. */
uint64_t peak_now(const skimp_report *report);

#endif
