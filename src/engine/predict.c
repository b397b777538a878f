/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * predict and score: what a model says of new rows as lines of CSV, or measured against their target; and the score of the
 * rows that a fit held out.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/number.h"
#include "engine/apply_run.h"
#include "os/os.h"

typedef struct predict_state {
    skimpi_apply base; /* first: the run knows only this */
    /* predict */
    skimpi_os_output output;
    bool to_stdout, writes, opened;
    uint64_t written;
    /* score */
    skimpi_metrics *metrics;
} predict_state;

/* ---- output -------------------------------------------------------------------------------------------------------------- */

/* A field of the output, quoted where it must be. */
static skimp_status append_field(skimpi_buffer *text, const char *prefix, const char *field, size_t length,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    bool quote = false;
    for (size_t i = 0; i < length; i++) {
        quote |= field[i] == ',' || field[i] == '"' || field[i] == '\n' || field[i] == '\r';
    }
    SKIMPI_TRY(skimpi_buffer_append(text, "\"", quote, error));
    SKIMPI_TRY(skimpi_buffer_append(text, prefix, strlen(prefix), error));
    if (!quote) {
        return skimpi_buffer_append(text, field, length, error);
    }
    for (size_t i = 0; i < length; i++) {
        SKIMPI_TRY(skimpi_buffer_append(text, field[i] == '"' ? "\"\"" : field + i, field[i] == '"' ? 2 : 1, error));
    }
    SKIMPI_TRY(skimpi_buffer_append(text, "\"", 1, error));
out:
    return status;
}

static skimp_status append_label(const predict_state *state, skimpi_buffer *text, double label, skimp_error *error)
{
    char number[SKIMPI_LABEL_NUMBER];
    const skimpi_classes *classes = &state->base.applied.classes;
    if (classes->n_classes == 0) {
        return skimpi_buffer_append(text, number, skimpi_number_format(label, number), error);
    }
    size_t length = 0;
    const char *field = skimpi_classes_label(classes, state->base.job->schema, (uint32_t)label, number, &length);
    return append_field(text, "", field, length, error);
}

static skimp_status format_rows(const predict_state *state, skimpi_apply_worker *own, uint32_t n, size_t stride,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const double *label = own->outputs.label.data, *probability = own->outputs.probability.data;
    own->text.length = 0;
    for (uint32_t i = 0; i < n; i++) {
        SKIMPI_TRY(append_label(state, &own->text, label[i], error));
        for (unsigned k = 0; k < state->base.wanted.n_probability; k++) {
            char field[40] = ",";
            const size_t length = 1 + skimpi_number_format(probability[k * stride + i], field + 1);
            SKIMPI_TRY(skimpi_buffer_append(&own->text, field, length, error));
        }
        SKIMPI_TRY(skimpi_buffer_append(&own->text, "\n", 1, error));
    }
out:
    return status;
}

static skimp_status write_text(predict_state *state, const skimpi_buffer *text, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (state->to_stdout) {
        SKIMPI_TRY(skimpi_os_write(1, "standard output", text->data, text->length, error));
    } else {
        SKIMPI_TRY(
            skimpi_os_pwrite(state->output.fd, state->output.path, text->data, text->length, state->written, error));
    }
    state->written += text->length;
out:
    return status;
}

static skimp_status write_header(predict_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer *text = &state->base.workers[0].text;
    SKIMPI_TRY(skimpi_buffer_append(text, "prediction", 10, error));
    for (unsigned k = 0; k < state->base.wanted.n_probability; k++) {
        char number[SKIMPI_LABEL_NUMBER];
        size_t length = 0;
        const char *label =
            skimpi_classes_label(&state->base.applied.classes, state->base.job->schema, k, number, &length);
        SKIMPI_TRY(skimpi_buffer_append(text, ",", 1, error));
        SKIMPI_TRY(append_field(text, "probability_", label, length, error));
    }
    SKIMPI_TRY(skimpi_buffer_append(text, "\n", 1, error));
    SKIMPI_TRY(write_text(state, text, error));
out:
    return status;
}

/* ---- running ----------------------------------------------------------------------------------------------------------------- */

static skimp_status use_chunk(skimpi_apply *apply, skimpi_apply_worker *own, const skimpi_chunk *chunk,
                              skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    predict_state *state = (predict_state *)apply;
    const skimpi_classes *classes = &apply->applied.classes;
    const size_t stride = skimpi_column_stride(chunk->n_rows);
    if (chunk->n_rows > 0) {
        SKIMPI_TRY(skimpi_outputs_predict(&own->outputs, &apply->applied.pipeline.estimator, &apply->applied.problem,
                                          chunk, &apply->wanted, stride, error));
    }
    if (state->writes) {
        SKIMPI_TRY(format_rows(state, own, chunk->n_rows, stride, error));
    } else if (classes->n_classes > 0 && !skimpi_classes_map(classes, chunk->n_rows, chunk->target)) {
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            own->unknown_labels += chunk->target[i] >= classes->n_classes;
        }
    }
    if (!skimpi_turns_wait(apply->turns, chunk->index)) {
        goto out; /* another worker failed, and its error is the one to report */
    }
    if (state->writes) {
        SKIMPI_TRY(write_text(state, &own->text, error));
    } else if (chunk->n_rows > 0) {
        const skimpi_outputs *outputs = &own->outputs;
        SKIMPI_TRY(skimpi_metrics_add(state->metrics, chunk->n_rows, chunk->target, outputs->label.data,
                                      apply->wanted.n_probability > 0 ? outputs->probability.data : NULL,
                                      apply->wanted.n_decision == 1 ? outputs->decision.data : NULL, stride, error));
    }
    skimpi_turns_pass(apply->turns, chunk->index);
out:
    return status;
}

static void predict_destroy(predict_state *state)
{
    skimpi_metrics_destroy(state->metrics);
    if (state->opened) {
        skimpi_os_output_abandon(&state->output);
    }
    skimpi_apply_end(&state->base);
}

skimp_status skimp_job_predict(skimp_job *job, const skimp_model *model, const char *path, bool proba,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    predict_state state = { .base = { .job = job, .use = use_chunk, .wanted.n_label = 1 },
                            .writes = true,
                            .to_stdout = strcmp(path, "-") == 0,
                            .output = { .fd = -1 } };
    skimpi_wanted *wanted = &state.base.wanted;
    skimpi_job_phase(job, "predicting");
    SKIMPI_TRY(skimpi_apply_needs_estimator(model, error));
    SKIMPI_TRY(skimpi_apply_begin(&state.base, model, false, error));
    if (proba) {
        const char *why = "this estimator has no probabilities";
        wanted->n_probability = skimpi_apply_columns(&state.base, SKIMPI_PREDICT_PROBABILITY, &why);
        if (wanted->n_probability == 0) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "--proba: %s", why));
        }
    }
    /* A row of output: a label and the probabilities, at about 20 bytes each. */
    SKIMPI_TRY(skimpi_apply_prepare(&state.base, 0, 24 * (1 + (uint64_t)wanted->n_probability), error));
    if (!state.to_stdout) {
        SKIMPI_TRY(skimpi_os_output_begin(&state.output, path, error));
        state.opened = true;
    }
    SKIMPI_TRY(write_header(&state, error));
    SKIMPI_TRY(skimpi_apply_run(&state.base, error));
    if (state.opened) {
        state.opened = false;
        SKIMPI_TRY(skimpi_os_output_commit(&state.output, error));
    }
out:
    predict_destroy(&state);
    return status;
}

skimp_status skimp_job_score(skimp_job *job, const skimp_model *model, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    predict_state state = { .base = { .job = job, .use = use_chunk, .wanted.n_label = 1 }, .output = { .fd = -1 } };
    const char *why = NULL;
    skimpi_job_phase(job, "scoring");
    SKIMPI_TRY(skimpi_apply_needs_estimator(model, error));
    SKIMPI_TRY(skimpi_apply_begin(&state.base, model, true, error));
    const uint32_t n_classes = state.base.applied.classes.n_classes;
    if (n_classes > 0) {
        state.base.wanted.n_probability = skimpi_apply_columns(&state.base, SKIMPI_PREDICT_PROBABILITY, &why);
        state.base.wanted.n_decision = skimpi_apply_columns(&state.base, SKIMPI_PREDICT_DECISION, &why);
    }
    SKIMPI_TRY(skimpi_apply_prepare(&state.base, skimpi_metrics_bytes(n_classes, UINT32_MAX), 0, error));
    SKIMPI_TRY(skimpi_metrics_create(&state.metrics, job->budget, n_classes, error));
    SKIMPI_TRY(skimpi_apply_run(&state.base, error));
    job->report.n_metrics =
        skimpi_metrics_finish(state.metrics, job->metrics, sizeof job->metrics / sizeof *job->metrics);
    job->report.metric_rows = skimpi_metrics_rows(state.metrics);
out:
    predict_destroy(&state);
    return status;
}

/* ---- hold-out ------------------------------------------------------------------------------------------------------------------- */

typedef struct held_out_state {
    const skimpi_stage *estimator;
    const skimpi_problem *problem;
    skimpi_metrics *metrics;
    skimpi_outputs outputs;
    skimpi_wanted wanted;
} held_out_state;

/* One lane: chunks come one at a time, in order. */
static skimp_status see_held_out(void *context, const skimpi_chunk *chunk, void *lane, void *worker, skimp_error *error)
{
    (void)lane, (void)worker;
    skimp_status status = SKIMP_OK;
    held_out_state *state = context;
    const size_t stride = skimpi_column_stride(chunk->n_rows);
    const skimpi_outputs *outputs = &state->outputs;
    SKIMPI_TRY(skimpi_outputs_predict(&state->outputs, state->estimator, state->problem, chunk, &state->wanted, stride,
                                      error));
    SKIMPI_TRY(skimpi_metrics_add(state->metrics, chunk->n_rows, chunk->target, outputs->label.data,
                                  state->wanted.n_probability > 0 ? outputs->probability.data : NULL,
                                  state->wanted.n_decision == 1 ? outputs->decision.data : NULL, stride, error));
out:
    return status;
}

skimp_status skimpi_score_held_out(skimp_job *job, skimpi_reading *reading, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_stage *estimator = &job->pipeline.estimator;
    const uint32_t n_classes = reading->classes->n_classes;
    const char *why = NULL;
    const skimpi_problem problem = { .n_features = reading->design->n_features,
                                     .n_dense = reading->design->n_dense,
                                     .n_sparse = reading->design->n_sparse,
                                     .n_code_columns = reading->design->n_code_columns,
                                     .n_classes = n_classes,
                                     .chunk_rows = skimpi_store_summary(reading->store)->largest_chunk_rows };
    held_out_state state = { .estimator = estimator, .problem = &problem, .wanted.n_label = 1 };
    skimpi_job_phase(job, "scoring");
    skimpi_outputs_init(&state.outputs, job->budget);
    if (n_classes > 0) {
        state.wanted.n_probability = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_PROBABILITY, &why);
        state.wanted.n_decision = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_DECISION, &why);
    }
    SKIMPI_TRY(skimpi_metrics_create(&state.metrics, job->budget, n_classes, error));
    const skimpi_pass_options pass = { .n_steps = job->pipeline.n_steps,
                                       .rows = SKIMPI_ROWS_HELD_OUT,
                                       .lanes = 1,
                                       .consume = see_held_out,
                                       .context = &state,
                                       .objective = job->report.objective };
    SKIMPI_TRY(skimpi_reading_pass(reading, &pass, error));
    job->report.n_metrics =
        skimpi_metrics_finish(state.metrics, job->metrics, sizeof job->metrics / sizeof *job->metrics);
    job->report.metric_rows = skimpi_metrics_rows(state.metrics);
    job->report.rows -= job->report.metric_rows;
out:
    skimpi_metrics_destroy(state.metrics);
    skimpi_outputs_free(&state.outputs);
    return status;
}
