/* SPDX-License-Identifier: BSD-3-Clause */
/* Help texts, man pages and completion scripts, all from the tables. */
#ifndef SKIMP_CLI_HELP_H
#define SKIMP_CLI_HELP_H

#include <stdio.h>

#include "command_options.h"

void help_overview(FILE *out);
void help_command(FILE *out, const command *command);
void help_estimator(FILE *out, const skimp_estimator_info *info);

void man_overview(FILE *out);
void man_command(FILE *out, const command *command);

void completion_bash(FILE *out);
void completion_zsh(FILE *out);
void completion_fish(FILE *out);

/* "--max-memory", "--[no-]header" with argument; what the left column of a help line holds. */
#define HELP_OPTION_TEXT 96
const char *help_option(const option *option, char out[HELP_OPTION_TEXT]);
/* "float >= 0, default 1.0" */
const char *help_param_type(const skimp_param *param, char out[512]);

#endif
