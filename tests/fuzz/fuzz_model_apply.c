/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a model, run over small data.  The first byte says over which (a table, sparse data) and whether to predict
 * or to score; the rest is the model's file, or, when it begins with a 'P', patches (offset, offset, byte, …) of a valid
 * model that is fitted at the start.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../memory_file.h"
#include "engine/engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char table_text[] = "a,t,b,y\n1,x,5,no\n2,y,3,yes\n3,x,4,no\n4,z,1,yes\n2,y,2,yes\n1,x,4,no\n";
static const char sparse_text[] = "1 1:2 3:1\n0 2:1\n1 1:3\n0 2:2 4:1\n1 3:2 4:1\n";

typedef struct example {
    memory_file data;
    uint8_t *model;
    size_t model_bytes;
} example;

static void demand(bool holds)
{
    if (!holds) {
        abort();
    }
}

static skimp_job_options options_of(const char *const *path, bool sparse)
{
    skimp_job_options options = SKIMP_JOB_OPTIONS_INIT;
    options.inputs = path;
    options.n_inputs = 1;
    options.format = sparse ? "svmlight" : "csv";
    options.n_threads = 1;
    options.max_memory = 64u << 20;
    options.spill_dir = "/tmp";
    options.spill_to_memory = true;
    return options;
}

static void make_example(example *e, bool sparse)
{
    static const char *const steps[] = { "max_abs_scaler" };
    const char *text = sparse ? sparse_text : table_text;
    char path[] = "/tmp/skimp-fuzz-XXXXXX";
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    e->data = memory_file_make(text, strlen(text));
    const char *input = e->data.path;
    skimp_job_options options = options_of(&input, sparse);
    options.estimator = "logistic_regression";
    options.target = sparse ? NULL : "y";
    options.steps = steps;
    options.n_steps = 1;
    demand(skimp_job_create(&job, &options, NULL) == SKIMP_OK);
    demand(skimp_job_fit(job, &model, NULL) == SKIMP_OK);
    skimp_job_destroy(job);
    const int made = mkstemp(path);
    demand(made >= 0 && close(made) == 0);
    demand(skimp_model_save(model, path, NULL) == SKIMP_OK);
    skimp_model_destroy(model);
    FILE *file = fopen(path, "rb");
    demand(file != NULL);
    e->model = malloc(1 << 20);
    demand(e->model != NULL);
    e->model_bytes = fread(e->model, 1, 1 << 20, file);
    demand(e->model_bytes > 0 && e->model_bytes < 1 << 20);
    fclose(file);
    unlink(path);
}

static void apply(const example *e, bool sparse, bool score, bool proba, const uint8_t *bytes, size_t n)
{
    memory_file file = memory_file_make(bytes, n);
    skimp_budget *budget = NULL;
    skimp_model *model = NULL;
    skimp_job *job = NULL;
    skimp_error error = SKIMP_ERROR_INIT;
    const skimp_budget_options limits = { .size = sizeof limits, .limit = 16u << 20 };
    demand(skimp_budget_create(&budget, &limits, NULL) == SKIMP_OK);
    skimp_status status = skimp_model_load(&model, budget, file.path, &error);
    if (status == SKIMP_OK) {
        char output[64];
        snprintf(output, sizeof output, "/tmp/skimp-fuzz-output-%d", (int)getpid());
        const char *input = e->data.path;
        const skimp_job_options options = options_of(&input, sparse);
        demand(skimp_job_create(&job, &options, NULL) == SKIMP_OK);
        status = score ? skimp_job_score(job, model, &error) : skimp_job_predict(job, model, output, proba, &error);
        skimp_job_destroy(job);
        if (status == SKIMP_OK && !score) {
            unlink(output);
        }
    }
    demand(status == SKIMP_OK || ((skimp_status)error.code == status && error.message[0] != '\0'));
    demand(status != SKIMP_ERROR_INTERNAL);
    demand(status != SKIMP_ERROR_BUDGET); /* whatever it claims, a model of this size fits */
    skimp_model_destroy(model);
    demand(skimp_budget_destroy(budget) == 0);
    demand(skimpi_leaked_bytes() == 0);
    memory_file_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static example examples[2];
    if (size == 0) {
        return 0;
    }
    const bool sparse = data[0] & 1, score = data[0] & 2, proba = data[0] & 4;
    example *e = &examples[sparse];
    if (e->model == NULL) {
        make_example(e, sparse);
    }
    if (size < 2 || data[1] != 'P') {
        apply(e, sparse, score, proba, data + 1, size - 1);
        return 0;
    }
    uint8_t *patched = malloc(e->model_bytes);
    demand(patched != NULL);
    memcpy(patched, e->model, e->model_bytes);
    for (size_t i = 2; i + 3 <= size; i += 3) {
        patched[((size_t)data[i] << 8 | data[i + 1]) % e->model_bytes] = data[i + 2];
    }
    apply(e, sparse, score, proba, patched, e->model_bytes);
    free(patched);
    return 0;
}
