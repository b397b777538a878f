/* SPDX-License-Identifier: BSD-3-Clause */
/* Plans and reports for people, on standard error: aligned at 80 columns, right without colour. */
#ifndef SKIMP_CLI_TEXT_OUTPUT_H
#define SKIMP_CLI_TEXT_OUTPUT_H

#include <stdint.h>
#include <stdio.h>

#include <skimp/skimp.h>

const char *text_count(uint64_t value, char out[32]);   /* "1,234,567" */
const char *text_seconds(double seconds, char out[32]); /* "0.3 s", "4 min 10 s" */

/* Text in paragraphs, wrapped at 80 columns; the first line is taken to have `column` columns already. */
void text_wrap(FILE *out, const char *text, int column, int indent);

void text_plan(const skimp_plan *plan, bool verbose); /* all of a plan */
void text_planned(const skimp_plan *plan);            /* one line, before the work */
void text_planned_actual(const skimp_plan *plan, const skimp_report *report);
void text_rows(const skimp_report *report); /* skipped and dropped rows, where there are any */
void text_metrics(const skimp_report *report, const char *what);
void text_warnings(const skimp_job *job, const skimp_report *report);
void text_warning(const char *text);

#endif
