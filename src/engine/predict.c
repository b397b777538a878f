/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * predict and score: inputs stream through a model, text by way of readers, a kept store by its chunks.  Workers parse,
 * transform and predict side by side; what must be in order (lines of the output, sums of the metrics) is done in turns.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/number.h"
#include "engine/engine.h"
#include "os/os.h"

typedef struct apply_worker {
    skimpi_applied_worker base;
    skimpi_buffer label, probability, decision; /* doubles, column-major, `stride` rows */
    skimpi_buffer text, scratch;
    uint64_t unknown, unknown_labels;
} apply_worker;

typedef struct apply_state {
    skimp_job *job;
    skimpi_applied applied;
    skimpi_stored *stored; /* the input is a kept store; NULL: it is text or the like */
    apply_worker *workers;
    unsigned n_workers;
    unsigned n_decision, n_probability; /* columns; 0: not wanted or not offered */
    skimpi_turns *turns;
    /* predict */
    skimpi_os_output output;
    bool to_stdout, writes, opened;
    uint64_t written;
    /* score */
    skimpi_metrics *metrics;
} apply_state;

static skimp_status reserve_columns(skimpi_buffer *buffer, unsigned columns, size_t stride, skimp_error *error)
{
    return columns == 0 ? SKIMP_OK : skimpi_buffer_reserve(buffer, columns * stride * sizeof(double), error);
}

static uint64_t scratch_bytes(const skimpi_stage *estimator, skimpi_problem problem, uint32_t rows)
{
    problem.chunk_rows = rows;
    return estimator->class->predict_worker_bytes != NULL
               ? skimpi_scratch_bytes(estimator->class->predict_worker_bytes(&problem, estimator->params))
               : 0;
}

/* Buffers grow only for a chunk that is larger than all before. */
static skimp_status predict_columns(const skimpi_stage *estimator, const skimpi_problem *problem,
                                    const skimpi_chunk *chunk, apply_worker *own, unsigned n_decision,
                                    unsigned n_probability, size_t stride, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_reserve(&own->scratch, scratch_bytes(estimator, *problem, chunk->n_rows), error));
    SKIMPI_TRY(reserve_columns(&own->label, 1, stride, error));
    SKIMPI_TRY(reserve_columns(&own->decision, n_decision, stride, error));
    SKIMPI_TRY(reserve_columns(&own->probability, n_probability, stride, error));
    SKIMPI_TRY(estimator->class->predict(estimator->fitted, SKIMPI_PREDICT_LABEL, chunk, own->label.data, stride,
                                         own->scratch.data, error));
    if (n_decision > 0) {
        SKIMPI_TRY(estimator->class->predict(estimator->fitted, SKIMPI_PREDICT_DECISION, chunk, own->decision.data,
                                             stride, own->scratch.data, error));
    }
    if (n_probability > 0) {
        SKIMPI_TRY(estimator->class->predict(estimator->fitted, SKIMPI_PREDICT_PROBABILITY, chunk,
                                             own->probability.data, stride, own->scratch.data, error));
    }
out:
    return status;
}

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

static skimp_status append_label(const apply_state *state, skimpi_buffer *text, double label, skimp_error *error)
{
    char number[SKIMPI_LABEL_NUMBER];
    const skimpi_classes *classes = &state->applied.classes;
    if (classes->n_classes == 0) {
        return skimpi_buffer_append(text, number, skimpi_number_format(label, number), error);
    }
    size_t length = 0;
    const char *field = skimpi_classes_label(classes, state->job->schema, (uint32_t)label, number, &length);
    return append_field(text, "", field, length, error);
}

static skimp_status format_rows(const apply_state *state, apply_worker *own, uint32_t n, size_t stride,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const double *label = own->label.data, *probability = own->probability.data;
    own->text.length = 0;
    for (uint32_t i = 0; i < n; i++) {
        SKIMPI_TRY(append_label(state, &own->text, label[i], error));
        for (unsigned k = 0; k < state->n_probability; k++) {
            char field[40] = ",";
            const size_t length = 1 + skimpi_number_format(probability[k * stride + i], field + 1);
            SKIMPI_TRY(skimpi_buffer_append(&own->text, field, length, error));
        }
        SKIMPI_TRY(skimpi_buffer_append(&own->text, "\n", 1, error));
    }
out:
    return status;
}

static skimp_status write_text(apply_state *state, const skimpi_buffer *text, skimp_error *error)
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

static skimp_status write_header(apply_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer *text = &state->workers[0].text;
    SKIMPI_TRY(skimpi_buffer_append(text, "prediction", 10, error));
    for (unsigned k = 0; k < state->n_probability; k++) {
        char number[SKIMPI_LABEL_NUMBER];
        size_t length = 0;
        const char *label = skimpi_classes_label(&state->applied.classes, state->job->schema, k, number, &length);
        SKIMPI_TRY(skimpi_buffer_append(text, ",", 1, error));
        SKIMPI_TRY(append_field(text, "probability_", label, length, error));
    }
    SKIMPI_TRY(skimpi_buffer_append(text, "\n", 1, error));
    SKIMPI_TRY(write_text(state, text, error));
out:
    return status;
}

/* ---- running ----------------------------------------------------------------------------------------------------------------- */

/* A chunk of the model's columns, whose turn is that of its number. */
static skimp_status use_chunk(apply_state *state, apply_worker *own, const skimpi_chunk *chunk, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const size_t stride = skimpi_column_stride(chunk->n_rows);
    if (chunk->n_rows > 0) {
        SKIMPI_TRY(predict_columns(&state->applied.pipeline.estimator, &state->applied.problem, chunk, own,
                                   state->n_decision, state->n_probability, stride, error));
    }
    if (state->writes) {
        SKIMPI_TRY(format_rows(state, own, chunk->n_rows, stride, error));
    } else if (state->applied.classes.n_classes > 0 &&
               !skimpi_classes_map(&state->applied.classes, chunk->n_rows, chunk->target)) {
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            own->unknown_labels += chunk->target[i] >= state->applied.classes.n_classes;
        }
    }
    if (!skimpi_turns_wait(state->turns, chunk->index)) {
        goto out; /* another worker failed, and its error is the one to report */
    }
    if (state->writes) {
        SKIMPI_TRY(write_text(state, &own->text, error));
    } else if (chunk->n_rows > 0) {
        SKIMPI_TRY(skimpi_metrics_add(state->metrics, chunk->n_rows, chunk->target, own->label.data,
                                      state->n_probability > 0 ? own->probability.data : NULL,
                                      state->n_decision == 1 ? own->decision.data : NULL, stride, error));
    }
    skimpi_turns_pass(state->turns, chunk->index);
out:
    return status;
}

static skimp_status see_raw(void *context, unsigned worker, uint64_t index, uint64_t first_row, const skimpi_raw *raw,
                            skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    apply_state *state = context;
    apply_worker *own = &state->workers[worker];
    SKIMPI_TRY(skimpi_applied_chunk(&state->applied, &own->base, index, first_row, raw, &own->unknown, error));
    SKIMPI_TRY(use_chunk(state, own, &own->base.chunk, error));
out:
    if (status != SKIMP_OK) {
        skimpi_turns_break(state->turns);
    }
    return status;
}

static skimp_status see_stored(void *context, unsigned worker, skimpi_chunk *from, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    apply_state *state = context;
    apply_worker *own = &state->workers[worker];
    SKIMPI_TRY(skimpi_stored_chunk(state->stored, worker, from, &own->base, &own->unknown, error));
    SKIMPI_TRY(use_chunk(state, own, &own->base.chunk, error));
out:
    if (status != SKIMP_OK) {
        skimpi_turns_break(state->turns);
    }
    return status;
}

static void apply_progress(void *context, uint64_t bytes, uint64_t rows)
{
    apply_state *state = context;
    skimpi_job_cancelled(state->job);
    skimpi_job_progress(state->job, bytes, state->job->forecast.text_bytes, rows, NAN);
}

static skimp_status apply_prepare(apply_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = state->job;
    const skimpi_stage *estimator = &state->applied.pipeline.estimator;
    if (job->stored != NULL) {
        SKIMPI_TRY(skimpi_stored_create(&state->stored, &state->applied, error));
    }
    SKIMPI_TRY(skimpi_job_forecast(job, error));
    const uint64_t scratch = scratch_bytes(estimator, state->applied.problem, job->forecast.unit_rows);
    const uint64_t fixed = state->writes ? 0 : skimpi_metrics_bytes(state->applied.classes.n_classes, UINT32_MAX);
    const uint64_t columns = 1 + (uint64_t)state->n_decision + state->n_probability;
    /* A row of output: a label and the probabilities, at about 20 bytes each. */
    const uint64_t row = columns * sizeof(double) + (state->writes ? 24 * (1 + (uint64_t)state->n_probability) : 0) +
                         sizeof(uint32_t) + skimpi_applied_row_bytes(&state->applied);
    uint64_t worker = skimp_alloc_cost(scratch) * 5 / 4;
    worker += skimpi_mul_sat(skimpi_applied_nonzero_bytes(&state->applied), job->forecast.unit_nonzeros) * 5 / 4;
    worker += state->stored != NULL ? skimpi_stored_worker_bytes(job, state->applied.pipeline.n_steps > 0) : 0;
    SKIMPI_TRY(skimpi_job_prepare_apply(job, fixed, worker, row, error));
    state->n_workers = skimpi_pool_size(job->pool);
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, state->n_workers, sizeof *state->workers,
                           (void **)&state->workers, error));
    for (unsigned w = 0; w < state->n_workers; w++) {
        apply_worker *own = &state->workers[w];
        skimpi_buffer_init(&own->label, job->budget, SKIMP_TAG_CHUNKS);
        skimpi_buffer_init(&own->decision, job->budget, SKIMP_TAG_CHUNKS);
        skimpi_buffer_init(&own->probability, job->budget, SKIMP_TAG_CHUNKS);
        skimpi_buffer_init(&own->text, job->budget, SKIMP_TAG_OUTPUT);
        skimpi_buffer_init(&own->scratch, job->budget, SKIMP_TAG_CHUNKS);
        SKIMPI_TRY(skimpi_applied_worker_create(&own->base, &state->applied, error));
        SKIMPI_TRY(skimpi_buffer_reserve(&own->scratch, scratch, error));
    }
    SKIMPI_TRY(skimpi_turns_create(&state->turns, job->budget, error));
out:
    return status;
}

static skimp_status apply_run(apply_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = state->job;
    skimpi_ingest_result result = { 0 };
    uint64_t unknown_labels = 0;
    if (state->stored != NULL) {
        SKIMPI_TRY(skimpi_stored_run(state->stored, state->applied.pipeline.n_steps > 0, see_stored, apply_progress,
                                     state, &result, error));
    } else {
        skimpi_ingest_options options;
        skimpi_job_ingest_options(job, &options);
        options.observe = see_raw;
        options.context = state;
        options.progress = apply_progress;
        SKIMPI_TRY(skimpi_ingest_run(job->budget, &options, &result, error));
    }
    job->report.rows = result.n_rows;
    job->report.rows_bad = result.rows_bad;
    job->report.rows_missing = result.rows_missing;
    job->report.first_bad_row = result.first_bad_line;
    job->report.features = state->applied.design.n_features;
    job->report.passes = 1;
    for (unsigned w = 0; w < state->n_workers; w++) {
        job->report.unknown_categories += state->workers[w].unknown;
        unknown_labels += state->workers[w].unknown_labels;
    }
    if (unknown_labels > 0) {
        skimpi_warn(job->warnings,
                    "%llu rows have a label that the model was not trained on: they count as wrong, and there are no "
                    "metrics of probabilities",
                    (unsigned long long)unknown_labels);
    }
out:
    return status;
}

static void apply_destroy(apply_state *state)
{
    skimp_budget *budget = state->job->budget;
    for (unsigned w = 0; state->workers != NULL && w < state->n_workers; w++) {
        apply_worker *own = &state->workers[w];
        if (own->label.budget == NULL) {
            break; /* never made */
        }
        skimpi_buffer_free(&own->label);
        skimpi_buffer_free(&own->decision);
        skimpi_buffer_free(&own->probability);
        skimpi_buffer_free(&own->text);
        skimpi_buffer_free(&own->scratch);
        skimpi_applied_worker_destroy(&own->base, &state->applied);
    }
    skimp_free(budget, SKIMP_TAG_OTHER, state->workers, state->n_workers, sizeof *state->workers);
    skimpi_turns_destroy(state->turns);
    skimpi_metrics_destroy(state->metrics);
    if (state->opened) {
        skimpi_os_output_abandon(&state->output);
    }
    skimpi_stored_destroy(state->stored);
    skimpi_applied_destroy(&state->applied);
    skimpi_job_finish_report(state->job);
}

skimp_status skimp_job_predict(skimp_job *job, const skimp_model *model, const char *path, bool proba,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    apply_state state = { .job = job, .writes = true, .to_stdout = strcmp(path, "-") == 0, .output = { .fd = -1 } };
    skimpi_job_phase(job, "predicting");
    SKIMPI_TRY(skimpi_applied_create(&state.applied, job, model, false, error));
    const skimpi_stage *estimator = &state.applied.pipeline.estimator;
    if (proba) {
        const char *why = "this estimator has no probabilities";
        state.n_probability = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_PROBABILITY, &why);
        if (state.n_probability == 0) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "--proba: %s", why));
        }
    }
    SKIMPI_TRY(apply_prepare(&state, error));
    if (!state.to_stdout) {
        SKIMPI_TRY(skimpi_os_output_begin(&state.output, path, error));
        state.opened = true;
    }
    SKIMPI_TRY(write_header(&state, error));
    SKIMPI_TRY(apply_run(&state, error));
    if (state.opened) {
        state.opened = false;
        SKIMPI_TRY(skimpi_os_output_commit(&state.output, error));
    }
out:
    apply_destroy(&state);
    return status;
}

skimp_status skimp_job_score(skimp_job *job, const skimp_model *model, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    apply_state state = { .job = job, .output = { .fd = -1 } };
    const char *why = NULL;
    skimpi_job_phase(job, "scoring");
    SKIMPI_TRY(skimpi_applied_create(&state.applied, job, model, true, error));
    const skimpi_stage *estimator = &state.applied.pipeline.estimator;
    if (state.applied.classes.n_classes > 0) {
        state.n_probability = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_PROBABILITY, &why);
        state.n_decision = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_DECISION, &why);
    }
    SKIMPI_TRY(apply_prepare(&state, error));
    SKIMPI_TRY(skimpi_metrics_create(&state.metrics, job->budget, state.applied.classes.n_classes, error));
    SKIMPI_TRY(apply_run(&state, error));
    job->report.n_metrics =
        skimpi_metrics_finish(state.metrics, job->metrics, sizeof job->metrics / sizeof *job->metrics);
    job->report.metric_rows = skimpi_metrics_rows(state.metrics);
out:
    apply_destroy(&state);
    return status;
}

/* ---- hold-out ------------------------------------------------------------------------------------------------------------------- */

typedef struct held_out_state {
    const skimpi_stage *estimator;
    const skimpi_problem *problem;
    skimpi_metrics *metrics;
    apply_worker own;
    unsigned n_decision, n_probability;
} held_out_state;

/* One lane: chunks come one at a time, in order. */
static skimp_status see_held_out(void *context, const skimpi_chunk *chunk, void *lane, void *worker, skimp_error *error)
{
    (void)lane, (void)worker;
    skimp_status status = SKIMP_OK;
    held_out_state *state = context;
    const size_t stride = skimpi_column_stride(chunk->n_rows);
    SKIMPI_TRY(predict_columns(state->estimator, state->problem, chunk, &state->own, state->n_decision,
                               state->n_probability, stride, error));
    SKIMPI_TRY(skimpi_metrics_add(state->metrics, chunk->n_rows, chunk->target, state->own.label.data,
                                  state->n_probability > 0 ? state->own.probability.data : NULL,
                                  state->n_decision == 1 ? state->own.decision.data : NULL, stride, error));
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
    held_out_state state = { .estimator = estimator, .problem = &problem };
    skimpi_job_phase(job, "scoring");
    skimpi_buffer_init(&state.own.label, job->budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&state.own.decision, job->budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&state.own.probability, job->budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&state.own.scratch, job->budget, SKIMP_TAG_CHUNKS);
    if (n_classes > 0) {
        state.n_probability = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_PROBABILITY, &why);
        state.n_decision = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_DECISION, &why);
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
    skimpi_buffer_free(&state.own.label);
    skimpi_buffer_free(&state.own.decision);
    skimpi_buffer_free(&state.own.probability);
    skimpi_buffer_free(&state.own.scratch);
    return status;
}
