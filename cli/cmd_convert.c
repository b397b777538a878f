/* SPDX-License-Identifier: BSD-3-Clause */
/* skimp convert */
#include <string.h>

#include "command.h"
#include "json_output.h"
#include "text_output.h"

static skimp_status check_settings(const settings *s, const skimp_job_options *options, skimp_error *error)
{
    if (s->output == NULL || strcmp(s->output, "-") == 0) {
        return fail(error, SKIMP_ERROR_PARAM, "skimp convert wants a file to write: -o STORE");
    }
    return check_output("output", s->output, options->inputs, options->n_inputs, error);
}

int command_convert(const settings *s)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    progress_line progress;
    int code = EXIT_DONE;
    const skimp_job_options options = job_options(s, 0, &progress);
    skimp_status status = check_settings(s, &options, &error);
    if (status == SKIMP_OK) {
        status = skimp_job_create(&job, &options, &error);
    }
    if (status == SKIMP_OK) {
        status = skimp_job_plan(job, &plan, &error);
    }
    if (status == SKIMP_OK) {
        status = skimp_job_convert(job, s->output, &error);
        progress_end(&progress);
        text_warnings(job, skimp_job_report(job));
    }
    if (status != SKIMP_OK) {
        code = report_failure(s->json, &error);
    } else if (s->json) {
        json_t *object = json_object();
        json_set(object, "plan", json_plan(plan));
        json_set_report(object, job, skimp_job_report(job));
        json_set(object, "output", json_text(s->output));
        json_print(object);
        code = finish_output();
    } else if (!s->quiet) {
        const skimp_report *report = skimp_job_report(job);
        char rows[32], columns[32], seconds[32];
        fprintf(stderr, "wrote %s rows, %s columns in %s\n", text_count(report->rows, rows),
                text_count(report->features, columns), text_seconds(report->seconds, seconds));
        text_planned_actual(plan, report);
        text_rows(report);
        fprintf(stderr, "store: %s\n", s->output);
    }
    skimp_job_destroy(job);
    return code;
}
