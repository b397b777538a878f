/* SPDX-License-Identifier: BSD-3-Clause */
/* Plans, reports, errors as JSON.  A number that is not finite, and what does not apply, is null. */
#ifndef SKIMP_CLI_JSON_OUTPUT_H
#define SKIMP_CLI_JSON_OUTPUT_H

#include <jansson.h>
#include <skimp/skimp.h>

json_t *json_number(double value);
json_t *json_count(uint64_t value);
json_t *json_text(const char *text); /* NULL: null; bytes that are no UTF-8 become U+FFFD */
void json_set(json_t *object, const char *key, json_t *value);

json_t *json_error(const skimp_error *error);
json_t *json_plan(const skimp_plan *plan);
json_t *json_memory(const uint64_t memory[SKIMP_TAG_COUNT]);
json_t *json_actual(const skimp_report *report); /* peak_bytes, charged_peak_bytes, disk_bytes, passes */
json_t *json_warnings(const skimp_job *job, const skimp_report *report);
json_t *json_metrics(const skimp_report *report);
json_t *json_estimator(const skimp_estimator_info *info);

/* Rows, times, peaks and warnings, which every report has. */
void json_set_report(json_t *object, const skimp_job *job, const skimp_report *report);

/* Prints the object on standard output, on a line of its own, and frees it. */
void json_print(json_t *object);

#endif
