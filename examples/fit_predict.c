/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fits logistic regression on a CSV inside 64 MiB, saves the model, predicts another CSV.
 *     cc fit_predict.c -o fit_predict $(pkg-config --cflags --libs skimp)
 *     ./fit_predict train.csv label test.csv out.csv
 */
#include <stdio.h>

#include <skimp/skimp.h>

static int fail(const skimp_error *error)
{
    fprintf(stderr, "%s\n", error->message);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s TRAIN.csv TARGET TEST.csv OUT.csv\n", argv[0]);
        return 2;
    }
    skimp_error error = SKIMP_ERROR_INIT;
    const char *const train = argv[1], *const test = argv[3];
    const char *const steps[] = { "standard_scaler" };
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;

    skimp_job_options options = SKIMP_JOB_OPTIONS_INIT;
    options.estimator = "logistic_regression";
    options.steps = steps, options.n_steps = 1;
    options.inputs = &train, options.n_inputs = 1;
    options.target = argv[2];
    options.max_memory = 64u << 20;
    if (skimp_job_create(&job, &options, &error) != SKIMP_OK || skimp_job_plan(job, &plan, &error) != SKIMP_OK) {
        return fail(&error);
    }
    printf("planned: %.1f MiB, %g passes\n", (double)plan->peak_bytes / (1 << 20), plan->passes_expected);
    if (skimp_job_fit(job, &model, &error) != SKIMP_OK ||
        skimp_model_save(model, "model.safetensors", &error) != SKIMP_OK) {
        return fail(&error);
    }
    const skimp_report *report = skimp_job_report(job);
    printf("actual:  %.1f MiB, %g passes; objective %.9g\n", (double)report->charged_peak_bytes / (1 << 20),
           report->passes, report->objective);
    skimp_job_destroy(job);

    skimp_job_options apply = SKIMP_JOB_OPTIONS_INIT;
    apply.inputs = &test, apply.n_inputs = 1;
    apply.max_memory = 64u << 20;
    if (skimp_job_create(&job, &apply, &error) != SKIMP_OK ||
        skimp_job_predict(job, model, argv[4], true, &error) != SKIMP_OK) {
        return fail(&error);
    }
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    return 0;
}
