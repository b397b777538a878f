/* SPDX-License-Identifier: BSD-3-Clause */
/* The progress line on standard error: redrawn in place on a terminal, nothing elsewhere unless it was asked for. */
#ifndef SKIMP_CLI_PROGRESS_H
#define SKIMP_CLI_PROGRESS_H

#include <stdbool.h>

#include "command_options.h"

typedef struct progress_line {
    bool on_terminal;
    int shown;   /* columns of the line that is on the terminal */
    double last; /* seconds of the last line, where each is a line of its own */
} progress_line;

/* False: no progress is wanted. */
bool progress_begin(progress_line *line, const settings *settings);
skimp_progress_fn progress_show;
/* Takes the line away, before anything else is printed. */
void progress_end(progress_line *line);

#endif
