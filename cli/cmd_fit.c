/* SPDX-License-Identifier: BSD-3-Clause */
/* skimp fit */
#include <math.h>
#include <string.h>

#include "command.h"
#include "json_output.h"
#include "text_output.h"

static void print_json(const settings *s, const skimp_job *job, const skimp_plan *plan, const skimp_report *report)
{
    json_t *object = json_object();
    json_set(object, "plan", json_plan(plan));
    json_set(object, "estimator", json_text(s->operands.items[0]));
    json_set_report(object, job, report);
    json_set(object, "n_iter", json_count(report->n_iter));
    json_set(object, "objective", json_number(report->objective));
    json_set(object, "converged", json_boolean(report->converged));
    json_set(object, "resumed", json_boolean(report->resumed));
    json_set(object, "metrics", s->holdout > 0 ? json_metrics(report) : json_null());
    json_set(object, "metric_rows", s->holdout > 0 ? json_count(report->metric_rows) : json_null());
    json_set(object, "model", json_text(s->output));
    json_print(object);
}

static void print_text(const settings *s, const skimp_plan *plan, const skimp_report *report)
{
    char rows[32], features[32], iterations[32], seconds[32];
    fprintf(stderr, "%s: %s rows, %s features\n", s->operands.items[0], text_count(report->rows, rows),
            text_count(report->features, features));
    fprintf(stderr, "%s after %s iteration%s, in %s on %u thread%s%s\n", report->converged ? "converged" : "stopped",
            text_count(report->n_iter, iterations), report->n_iter == 1 ? "" : "s",
            text_seconds(report->seconds, seconds), report->threads, report->threads == 1 ? "" : "s",
            report->resumed ? ", from the checkpoint on" : "");
    if (isfinite(report->objective)) {
        fprintf(stderr, "objective: %.12g\n", report->objective);
    }
    text_planned_actual(plan, report);
    text_rows(report);
    if (s->holdout > 0) {
        text_metrics(report, "held out:");
    }
    if (s->output != NULL && strcmp(s->output, "-") != 0) {
        fprintf(stderr, "model: %s\n", s->output);
    }
}

static skimp_status check_settings(const settings *s, const skimp_job_options *options, skimp_error *error)
{
    if (s->json && s->output != NULL && strcmp(s->output, "-") == 0) {
        return fail(error, SKIMP_ERROR_PARAM,
                    "--json and the model cannot both go to standard output: name a file (-o FILE)");
    }
    skimp_status status = check_output("output", s->output, options->inputs, options->n_inputs, error);
    if (status == SKIMP_OK) {
        status = check_output("checkpoint", s->checkpoint, options->inputs, options->n_inputs, error);
    }
    return status;
}

static skimp_status save(const settings *s, const skimp_model *model, skimp_error *error)
{
    if (s->output == NULL) {
        text_warning("no model is saved: name a file for it (-o FILE)");
        return SKIMP_OK;
    }
    return skimp_model_save(model, strcmp(s->output, "-") == 0 ? "/dev/stdout" : s->output, error);
}

int command_fit(const settings *s)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    progress_line progress;
    int code = EXIT_DONE;
    skimp_job_options options = job_options(s, 1, &progress);
    options.estimator = s->operands.items[0];
    skimp_status status = check_settings(s, &options, &error);
    if (status == SKIMP_OK) {
        status = skimp_job_create(&job, &options, &error);
    }
    if (status == SKIMP_OK) {
        status = skimp_job_plan(job, &plan, &error);
    }
    if (status == SKIMP_OK) {
        if (!s->json && !s->quiet && plan->minimum_bytes <= plan->budget_bytes) {
            text_planned(plan);
        }
        status = skimp_job_fit(job, &model, &error);
        progress_end(&progress);
        text_warnings(job, skimp_job_report(job));
    }
    if (status == SKIMP_OK) {
        status = save(s, model, &error);
    }
    if (status != SKIMP_OK) {
        code = report_failure(s->json, &error);
    } else if (s->json) {
        print_json(s, job, plan, skimp_job_report(job));
        code = finish_output();
    } else if (!s->quiet) {
        print_text(s, plan, skimp_job_report(job));
    }
    skimp_model_destroy(model);
    skimp_job_destroy(job);
    return code;
}
