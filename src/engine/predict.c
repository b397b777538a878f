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

#define TEXT_ALONE (64u << 10) /* of a worker that need not wait for its turn */
#define TEXT_MOST (1u << 20)
#define NUMBER_FIELD (SKIMPI_LABEL_NUMBER + 1) /* with a comma */

typedef struct predict_state {
    skimpi_apply base; /* first: the run knows only this */
    /* predict */
    skimpi_os_output output;
    bool to_stdout, writes, opened;
    uint64_t written;
    size_t label_field; /* bytes of a label as a field, at most */
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

/* A class's label as a field: quotes come twice, and two around. */
static size_t label_field(const predict_state *state)
{
    const skimpi_classes *classes = &state->base.applied.classes;
    size_t longest = NUMBER_FIELD;
    for (uint32_t k = 0; k < classes->n_classes; k++) {
        char number[SKIMPI_LABEL_NUMBER];
        size_t length = 0;
        (void)skimpi_classes_label(classes, state->base.job->schema, k, number, &length);
        longest = skimpi_max_u64(longest, 2 * length + 2);
    }
    return longest;
}

/* Lines of a chunk, which are written whenever their room is full; from then on it is the chunk's turn. */
typedef struct lines {
    predict_state *state;
    skimpi_buffer *text;
    uint64_t chunk;
    bool has_turn;
    bool is_broken; /* another worker failed, and its error is the one to report */
} lines;

static skimp_status write_lines(lines *l, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    predict_state *state = l->state;
    if (!l->has_turn && !skimpi_turns_wait(state->base.turns, l->chunk)) {
        l->is_broken = true;
        return SKIMP_OK;
    }
    l->has_turn = true;
    if (state->to_stdout) {
        SKIMPI_TRY(skimpi_os_write(1, "standard output", l->text->data, l->text->length, error));
    } else {
        SKIMPI_TRY(skimpi_os_pwrite(state->output.fd, state->output.path, l->text->data, l->text->length,
                                    state->written, error));
    }
    state->written += l->text->length;
    l->text->length = 0;
out:
    return status;
}

static skimp_status make_room(lines *l, size_t bytes, skimp_error *error)
{
    return l->text->length + bytes > l->text->capacity ? write_lines(l, error) : SKIMP_OK;
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

static skimp_status format_rows(lines *l, const skimpi_outputs *outputs, uint32_t n, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const double *label = outputs->label.data, *probability = outputs->probability.data;
    for (uint32_t i = 0; i < n && !l->is_broken; i++) {
        SKIMPI_TRY(make_room(l, l->state->label_field, error));
        SKIMPI_TRY(append_label(l->state, l->text, label[i], error));
        for (unsigned k = 0; k < outputs->wanted->n_probability; k++) {
            char field[NUMBER_FIELD] = ",";
            const size_t length = 1 + skimpi_number_format(probability[k * outputs->stride + i], field + 1);
            SKIMPI_TRY(make_room(l, length, error));
            SKIMPI_TRY(skimpi_buffer_append(l->text, field, length, error));
        }
        SKIMPI_TRY(make_room(l, 1, error));
        SKIMPI_TRY(skimpi_buffer_append(l->text, "\n", 1, error));
    }
out:
    return status;
}

static skimp_status write_header(predict_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    static const char *const prefix = "probability_";
    skimpi_buffer *text = &state->base.workers[0].text;
    lines l = { .state = state, .text = text, .has_turn = true };
    SKIMPI_TRY(skimpi_buffer_append(text, "prediction", 10, error));
    for (unsigned k = 0; k < state->base.wanted.n_probability; k++) {
        char number[SKIMPI_LABEL_NUMBER];
        size_t length = 0;
        const char *label =
            skimpi_classes_label(&state->base.applied.classes, state->base.job->schema, k, number, &length);
        SKIMPI_TRY(make_room(&l, 1 + strlen(prefix) + state->label_field, error));
        SKIMPI_TRY(skimpi_buffer_append(text, ",", 1, error));
        SKIMPI_TRY(append_field(text, prefix, label, length, error));
    }
    SKIMPI_TRY(make_room(&l, 1, error));
    SKIMPI_TRY(skimpi_buffer_append(text, "\n", 1, error));
    SKIMPI_TRY(write_lines(&l, error));
out:
    return status;
}

/* ---- running ----------------------------------------------------------------------------------------------------------------- */

/* Of the probabilities, only that of the row's own class is looked at: it takes the place of the first column. */
static void keep_own_probabilities(const skimpi_outputs *outputs, const skimpi_chunk *block, uint32_t n_classes)
{
    double *probability = outputs->probability.data;
    for (uint32_t i = 0; i < block->n_rows && outputs->wanted->n_probability > 0; i++) {
        const double class = block->target[i];
        probability[i] = class < n_classes ? probability[(size_t) class * outputs->stride + i] : 0;
    }
}

/* The kinds of outputs that metrics are made of. */
enum { N_SCORED = 3 };
static void scored_columns(const skimpi_outputs *outputs, const double *columns[N_SCORED])
{
    columns[0] = outputs->label.data;
    columns[1] = outputs->wanted->n_probability > 0 ? outputs->probability.data : NULL;
    columns[2] = outputs->wanted->n_decision > 0 ? outputs->decision.data : NULL;
}

static skimp_status predict_chunk(predict_state *state, skimpi_apply_worker *own, const skimpi_chunk *chunk,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    lines l = { .state = state, .text = &own->text, .chunk = chunk->index };
    skimpi_chunk block;
    own->text.length = 0;
    for (uint32_t first = 0; first < chunk->n_rows && !l.is_broken; first += block.n_rows) {
        SKIMPI_TRY(skimpi_outputs_predict(&own->outputs, chunk, first, &block, error));
        SKIMPI_TRY(format_rows(&l, &own->outputs, block.n_rows, error));
    }
    if (!l.is_broken) {
        SKIMPI_TRY(write_lines(&l, error));
    }
    if (!l.is_broken) {
        skimpi_turns_pass(state->base.turns, chunk->index);
    }
out:
    return status;
}

/* Sums go in the order of the rows: a chunk's labels, probabilities and decisions, one of each, are kept until its turn. */
static skimp_status score_chunk(predict_state *state, skimpi_apply_worker *own, const skimpi_chunk *chunk,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_classes *classes = &state->base.applied.classes;
    const size_t n = chunk->n_rows;
    const double *from[N_SCORED], *kept[N_SCORED] = { NULL };
    skimpi_chunk block;
    SKIMPI_TRY(skimpi_buffer_reserve(&own->held, N_SCORED * n * sizeof(double), error));
    if (classes->n_classes > 0 && !skimpi_classes_map(classes, chunk->n_rows, chunk->target)) {
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            own->unknown_labels += chunk->target[i] >= classes->n_classes;
        }
    }
    for (uint32_t first = 0; first < chunk->n_rows; first += block.n_rows) {
        SKIMPI_TRY(skimpi_outputs_predict(&own->outputs, chunk, first, &block, error));
        keep_own_probabilities(&own->outputs, &block, classes->n_classes);
        scored_columns(&own->outputs, from);
        for (unsigned k = 0; k < N_SCORED; k++) {
            double *to = (double *)own->held.data + k * n;
            kept[k] = from[k] != NULL ? to : NULL;
            if (from[k] != NULL) {
                memcpy(to + first, from[k], block.n_rows * sizeof(double));
            }
        }
    }
    if (!skimpi_turns_wait(state->base.turns, chunk->index)) {
        goto out; /* another worker failed, and its error is the one to report */
    }
    SKIMPI_TRY(skimpi_metrics_add(state->metrics, chunk->n_rows, chunk->target, kept[0], kept[1], kept[2], error));
    skimpi_turns_pass(state->base.turns, chunk->index);
out:
    return status;
}

static skimp_status use_chunk(skimpi_apply *apply, skimpi_apply_worker *own, const skimpi_chunk *chunk,
                              skimp_error *error)
{
    predict_state *state = (predict_state *)apply;
    return state->writes ? predict_chunk(state, own, chunk, error) : score_chunk(state, own, chunk, error);
}

static void predict_destroy(predict_state *state)
{
    skimpi_metrics_destroy(state->metrics);
    if (state->opened) {
        skimpi_os_output_abandon(&state->output);
    }
    skimpi_apply_end(&state->base);
}

/* The model made ready, and room for the run. */
static skimp_status prepare_predict(predict_state *state, const skimp_model *model, bool proba, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_wanted *wanted = &state->base.wanted;
    SKIMPI_TRY(skimpi_apply_needs_estimator(model, error));
    SKIMPI_TRY(skimpi_apply_begin(&state->base, model, false, error));
    wanted->n_label = 1;
    if (proba) {
        const char *why = "this estimator has no probabilities";
        wanted->n_probability = skimpi_apply_columns(&state->base, SKIMPI_PREDICT_PROBABILITY, &why);
        if (wanted->n_probability == 0) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "--proba: %s", why));
        }
    }
    state->label_field = label_field(state);
    const uint64_t least = skimpi_max_u64(TEXT_ALONE, 2 * state->label_field);
    /* A row of output: a label and the probabilities, at about 20 bytes each. */
    const uint64_t row = 24 * (1 + (uint64_t)wanted->n_probability);
    const uint64_t all = skimpi_mul_sat(row, state->base.job->forecast.unit_rows);
    const skimpi_apply_cost cost = { .text_alone = least,
                                     .text = skimpi_max_u64(least, skimpi_min_u64(all, TEXT_MOST)) };
    SKIMPI_TRY(skimpi_apply_prepare(&state->base, &cost, error));
out:
    return status;
}

static skimp_status prepare_score(predict_state *state, const skimp_model *model, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_wanted *wanted = &state->base.wanted;
    const char *why = NULL;
    SKIMPI_TRY(skimpi_apply_needs_estimator(model, error));
    SKIMPI_TRY(skimpi_apply_begin(&state->base, model, true, error));
    const uint32_t n_classes = state->base.applied.classes.n_classes;
    wanted->n_label = 1;
    if (n_classes > 0) {
        wanted->n_probability = skimpi_apply_columns(&state->base, SKIMPI_PREDICT_PROBABILITY, &why);
    }
    if (n_classes == 2) {
        wanted->n_decision = skimpi_apply_columns(&state->base, SKIMPI_PREDICT_DECISION, &why);
    }
    const skimp_job *job = state->base.job;
    const uint64_t rows = job->sample.unknown_rows ? UINT64_MAX : job->forecast.rows / 20 * 21 + 1024;
    const skimpi_apply_cost cost = { .fixed = skimpi_metrics_bytes(n_classes, rows), .row = N_SCORED * sizeof(double) };
    SKIMPI_TRY(skimpi_apply_prepare(&state->base, &cost, error));
out:
    return status;
}

skimp_status skimp_job_predict(skimp_job *job, const skimp_model *model, const char *path, bool proba,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    predict_state state = { .base = { .job = job, .use = use_chunk },
                            .writes = true,
                            .to_stdout = strcmp(path, "-") == 0,
                            .output = { .fd = -1 } };
    skimpi_job_phase(job, "predicting");
    SKIMPI_TRY(prepare_predict(&state, model, proba, error));
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
    predict_state state = { .base = { .job = job, .use = use_chunk }, .output = { .fd = -1 } };
    skimpi_job_phase(job, "scoring");
    SKIMPI_TRY(prepare_score(&state, model, error));
    SKIMPI_TRY(skimpi_metrics_create(&state.metrics, job->budget, state.base.applied.classes.n_classes, error));
    SKIMPI_TRY(skimpi_apply_run(&state.base, error));
    job->report.n_metrics =
        skimpi_metrics_finish(state.metrics, job->metrics, sizeof job->metrics / sizeof *job->metrics);
    job->report.metric_rows = skimpi_metrics_rows(state.metrics);
out:
    predict_destroy(&state);
    return status;
}

skimp_status skimp_job_predict_minimum(skimp_job *job, const skimp_model *model, bool proba, uint64_t *bytes,
                                       skimp_error *error)
{
    predict_state state = { .base = { .job = job }, .output = { .fd = -1 } };
    const skimp_status status = prepare_predict(&state, model, proba, error);
    *bytes = job->layout.minimum;
    predict_destroy(&state);
    return status;
}

skimp_status skimp_job_score_minimum(skimp_job *job, const skimp_model *model, uint64_t *bytes, skimp_error *error)
{
    predict_state state = { .base = { .job = job }, .output = { .fd = -1 } };
    const skimp_status status = prepare_score(&state, model, error);
    *bytes = job->layout.minimum;
    predict_destroy(&state);
    return status;
}

/* ---- hold-out ------------------------------------------------------------------------------------------------------------------- */

typedef struct held_out_state {
    skimpi_metrics *metrics;
    skimpi_outputs outputs;
    skimpi_view view;
    uint32_t n_classes;
} held_out_state;

/* One lane: chunks come one at a time, in order. */
static skimp_status see_held_out(void *context, const skimpi_chunk *chunk, void *lane, void *worker, skimp_error *error)
{
    (void)lane, (void)worker;
    skimp_status status = SKIMP_OK;
    held_out_state *state = context;
    const double *columns[N_SCORED];
    skimpi_chunk block;
    for (uint32_t first = 0; first < chunk->n_rows; first += block.n_rows) {
        SKIMPI_TRY(skimpi_outputs_predict(&state->outputs, chunk, first, &block, error));
        keep_own_probabilities(&state->outputs, &block, state->n_classes);
        scored_columns(&state->outputs, columns);
        SKIMPI_TRY(
            skimpi_metrics_add(state->metrics, block.n_rows, block.target, columns[0], columns[1], columns[2], error));
    }
out:
    return status;
}

uint64_t skimpi_held_out_bytes(const skimp_job *job, const skimpi_forecast *f, const skimpi_problem *problem)
{
    const uint64_t scored = (uint64_t)((double)f->rows * job->options.holdout * 1.05);
    const uint64_t n_ids = (uint64_t)job->schema->n_numeric + f->new_floats + f->new_doubles;
    const skimpi_stage *estimator = &job->pipeline.estimator;
    /* Which outputs there are is known when it is fitted: labels alone, or all. */
    const skimpi_wanted label = { .n_label = 1 };
    const skimpi_wanted all = { .n_label = 1, .n_decision = 1, .n_probability = problem->n_classes };
    const uint64_t outputs = skimpi_max_u64(skimpi_outputs_bytes(estimator, problem, &label, f->unit_rows),
                                            skimpi_outputs_bytes(estimator, problem, &all, f->unit_rows));
    return skimpi_metrics_bytes(problem->n_classes, scored) + outputs +
           skimpi_view_bytes(n_ids, job->schema->n_category);
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
    held_out_state state = { .n_classes = n_classes };
    skimpi_wanted wanted = { .n_label = 1 };
    skimpi_job_phase(job, "scoring");
    if (n_classes > 0) {
        wanted.n_probability = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_PROBABILITY, &why);
    }
    if (n_classes == 2) {
        wanted.n_decision = estimator->class->outputs(estimator->fitted, SKIMPI_PREDICT_DECISION, &why);
    }
    skimpi_outputs_init(&state.outputs, job->budget, estimator, &problem, &wanted, problem.chunk_rows, &state.view);
    SKIMPI_TRY(skimpi_view_create(&state.view, job->budget, reading->n_ids, reading->design->n_category, error));
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
    skimpi_view_destroy(&state.view, job->budget, reading->n_ids, reading->design->n_category);
    return status;
}
