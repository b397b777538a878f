/* SPDX-License-Identifier: BSD-3-Clause */
/* skimp predict and skimp score: a model over new data. */
#include <math.h>
#include <string.h>

#include "command.h"
#include "json_output.h"
#include "text_output.h"

typedef struct apply {
    skimp_error error;
    skimp_budget *budget; /* of the model alone: what the process holds already is not its */
    skimp_model *model;
    skimp_job *job;
    progress_line progress;
} apply;

static skimp_status load(apply *a, const settings *s, uint64_t limit)
{
    const skimp_budget_options options = { .size = sizeof options, .limit = limit };
    const skimp_status status = skimp_budget_create(&a->budget, &options, &a->error);
    return status != SKIMP_OK ? status : skimp_model_load(&a->model, a->budget, s->operands.items[0], &a->error);
}

/* A model is read before there is a job, within what the process has left of the budget. */
static skimp_status begin(apply *a, const settings *s)
{
    const skimp_job_options options = job_options(s, 1, &a->progress);
    uint64_t resident = 0, peak = 0, limit = 0;
    skimp_process_memory(&resident, &peak);
    if (s->max_memory > 0) {
        limit = s->max_memory > resident ? s->max_memory - resident : 1;
    }
    skimp_status status = load(a, s, limit);
    if (status == SKIMP_OK) {
        status = check_output("output", s->output, s->operands.items, s->operands.n, &a->error);
    }
    return status == SKIMP_OK ? skimp_job_create(&a->job, &options, &a->error) : status;
}

static void end(apply *a)
{
    skimp_job_destroy(a->job);
    skimp_model_destroy(a->model);
    skimp_budget_destroy(a->budget);
    a->job = NULL;
    a->model = NULL;
    a->budget = NULL;
}

/*
 * A budget that does not even hold the model, or a look at the inputs: does so again in what is free, for the figure that
 * the user needs.  The error stays as it is where that cannot be told.
 */
static void name_minimum(apply *a, const settings *s, bool is_score)
{
    const bool is_known = a->job != NULL && a->error.minimum_bytes > 0;
    uint64_t minimum = 0;
    if (a->error.code != SKIMP_ERROR_BUDGET || s->max_memory == 0 || is_known) {
        return;
    }
    for (size_t i = 1; i < s->operands.n; i++) {
        if (strcmp(s->operands.items[i], "-") == 0) {
            return; /* not to be read twice */
        }
    }
    end(a);
    apply roomy = { .error = SKIMP_ERROR_INIT };
    skimp_job_options options = job_options(s, 1, NULL);
    options.max_memory = 0;
    uint64_t limit = 0;
    skimp_status status = skimp_default_memory(&limit, &roomy.error);
    if (status == SKIMP_OK) {
        status = load(&roomy, s, limit);
    }
    if (status == SKIMP_OK) {
        status = skimp_job_create(&roomy.job, &options, &roomy.error);
    }
    if (status == SKIMP_OK) {
        status = is_score ? skimp_job_score_minimum(roomy.job, roomy.model, &minimum, &roomy.error)
                          : skimp_job_predict_minimum(roomy.job, roomy.model, s->proba, &minimum, &roomy.error);
    }
    end(&roomy);
    if (status == SKIMP_OK && minimum > s->max_memory) {
        const uint64_t requested = a->error.requested, in_use = a->error.in_use;
        a->error = (skimp_error)SKIMP_ERROR_INIT;
        (void)!fail(&a->error, SKIMP_ERROR_BUDGET,
                    "a budget of %.1f MiB is too small: the smallest that works is %.1f MiB",
                    (double)s->max_memory / 0x1p20, ceil((double)minimum / 0x1p20 * 10) / 10);
        a->error.minimum_bytes = minimum;
        a->error.requested = requested;
        a->error.in_use = in_use;
    }
    a->error.limit = s->max_memory;
}

static json_t *report_json(const apply *a, const skimp_report *report)
{
    json_t *object = json_object();
    json_set(object, "estimator", json_text(skimp_model_estimator(a->model)));
    json_set_report(object, a->job, report);
    json_set(object, "unknown_categories", json_count(report->unknown_categories));
    return object;
}

static void print_text(const skimp_report *report, const char *what)
{
    char rows[32], seconds[32];
    fprintf(stderr, "%s %s rows in %s, peak %.1f MiB\n", what, text_count(report->rows, rows),
            text_seconds(report->seconds, seconds), (double)peak_now(report) / (1 << 20));
    text_rows(report);
}

int command_predict(const settings *s)
{
    apply a = { .error = SKIMP_ERROR_INIT };
    const char *output = s->output != NULL ? s->output : "-";
    int code = EXIT_DONE;
    skimp_status status = SKIMP_OK;
    if (s->json && strcmp(output, "-") == 0) {
        status = fail(&a.error, SKIMP_ERROR_PARAM,
                      "--json and the predictions cannot both go to standard output: name a file (-o FILE)");
    }
    if (status == SKIMP_OK) {
        status = begin(&a, s);
    }
    if (status == SKIMP_OK) {
        status = skimp_job_predict(a.job, a.model, output, s->proba, &a.error);
        progress_end(&a.progress);
        text_warnings(a.job, skimp_job_report(a.job));
    }
    if (status != SKIMP_OK) {
        name_minimum(&a, s, false);
        code = report_failure(s->json, &a.error);
    } else if (s->json) {
        json_t *object = report_json(&a, skimp_job_report(a.job));
        json_set(object, "output", json_text(output));
        json_print(object);
        code = finish_output();
    } else if (!s->quiet) {
        print_text(skimp_job_report(a.job), "predicted");
    }
    end(&a);
    return code;
}

int command_score(const settings *s)
{
    apply a = { .error = SKIMP_ERROR_INIT };
    int code = EXIT_DONE;
    skimp_status status = begin(&a, s);
    if (status == SKIMP_OK) {
        status = skimp_job_score(a.job, a.model, &a.error);
        progress_end(&a.progress);
        text_warnings(a.job, skimp_job_report(a.job));
    }
    if (status != SKIMP_OK) {
        name_minimum(&a, s, true);
        code = report_failure(s->json, &a.error);
    } else if (s->json) {
        const skimp_report *report = skimp_job_report(a.job);
        json_t *object = report_json(&a, report);
        json_set(object, "metrics", json_metrics(report));
        json_print(object);
        code = finish_output();
    } else {
        if (!s->quiet) {
            print_text(skimp_job_report(a.job), "scored");
        }
        text_metrics(skimp_job_report(a.job), "metrics of");
    }
    end(&a);
    return code;
}
