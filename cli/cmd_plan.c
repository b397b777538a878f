/* SPDX-License-Identifier: BSD-3-Clause */
/* skimp plan: what a fit will take.  A budget that is too small is shown with its plan, and is the error it would be. */
#include <math.h>

#include "command.h"
#include "json_output.h"
#include "text_output.h"

static skimp_status check_budget(const skimp_plan *plan, skimp_error *error)
{
    if (plan->minimum_bytes <= plan->budget_bytes) {
        return SKIMP_OK;
    }
    const double mib = 1 << 20;
    const skimp_status status =
        fail(error, SKIMP_ERROR_BUDGET, "a budget of %.1f MiB is too small: the smallest that works is %.1f MiB",
             (double)plan->budget_bytes / mib, ceil((double)plan->minimum_bytes / mib * 10) / 10);
    error->requested = plan->peak_bytes;
    error->limit = plan->budget_bytes;
    error->minimum_bytes = plan->minimum_bytes;
    return status;
}

int command_plan(const settings *s)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    skimp_job_options options = job_options(s, 1, NULL);
    options.estimator = s->operands.items[0];
    int code = EXIT_DONE;
    skimp_status status = skimp_job_create(&job, &options, &error);
    if (status == SKIMP_OK) {
        status = skimp_job_plan(job, &plan, &error);
    }
    if (status != SKIMP_OK) {
        code = report_failure(s->json, &error);
        goto out;
    }
    if (!s->json && !s->quiet) {
        text_plan(plan, s->verbose);
    }
    if (check_budget(plan, &error) != SKIMP_OK) {
        code = report_failure(false, &error);
    }
    if (s->json) {
        json_t *object = code == EXIT_DONE ? json_object() : json_error(&error);
        json_set(object, "plan", json_plan(plan));
        json_set(object, "estimator", json_text(options.estimator));
        json_print(object);
        const int written = finish_output();
        code = code == EXIT_DONE ? written : code;
    }
out:
    skimp_job_destroy(job);
    return code;
}
