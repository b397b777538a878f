/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a plan: the ingest fills the store, then each step and the estimator is fitted by passes over it.
 */
#include <math.h>
#include <string.h>

#include "data/json_value.h"
#include "engine/engine.h"
#include "os/os.h"

/* ---- ingest -------------------------------------------------------------------------------------------------------- */

/* Also where the caller's wish to stop is passed on to the workers. */
static void ingest_progress(void *context, uint64_t bytes, uint64_t rows)
{
    skimp_job *job = context;
    skimpi_job_cancelled(job);
    skimpi_job_progress(job, bytes, job->forecast.text_bytes, rows, NAN);
}

/* The soft limit's measure: a store in memory moves to disk. */
static uint64_t give_store_back(void *context, uint64_t wanted)
{
    skimp_job *job = context;
    if (skimpi_store_place(job->store) != SKIMPI_PLACE_MEMORY) {
        return 0;
    }
    const uint64_t before = skimp_budget_tag_in_use(job->budget, SKIMP_TAG_STORE);
    if (wanted == 0) {
        return before;
    }
    if (skimpi_store_spill(job->store, NULL) != SKIMP_OK) {
        return 0; /* no disk for it: the request is refused, which says enough */
    }
    const uint64_t after = skimp_budget_tag_in_use(job->budget, SKIMP_TAG_STORE);
    return before > after ? before - after : 0;
}

/*
 * A budget that turned out too small while the data was read: what would do for the rest, if that is like what was
 * seen.  Only dictionaries grow with the data for ever.
 */
static void forecast_rest(const skimp_job *job, const skimpi_ingest_result *seen, skimp_error *error)
{
    if (error == NULL || error->minimum_bytes > 0) {
        return;
    }
    const double share =
        job->forecast.text_bytes > 0 && seen->bytes > 0 ? (double)seen->bytes / (double)job->forecast.text_bytes : 1;
    const double categories = (double)skimp_budget_tag_in_use(job->budget, SKIMP_TAG_CATEGORIES);
    const double more = share < 1 ? categories / share - categories : 0;
    const uint64_t needed = skimpi_add_sat(
        error->in_use, skimpi_add_sat(error->requested, more < 0x1p62 ? (uint64_t)more : UINT64_MAX / 4));
    error->minimum_bytes = skimpi_max_u64(job->plan.minimum_bytes, needed);
}

skimp_status skimpi_job_ingest(skimp_job *job, const skimpi_store_options *store_options, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    bool gives_back = false;
    skimpi_ingest_result result = { 0 };
    skimpi_job_phase(job, "reading");
    SKIMPI_TRY(skimpi_store_create(&job->store, job->budget, job->schema, store_options, error));
    SKIMPI_TRY(skimp_budget_on_reclaim(job->budget, give_store_back, job, error));
    gives_back = true;
    skimpi_ingest_options options;
    skimpi_job_ingest_options(job, &options);
    options.store = job->store;
    options.context = job;
    options.progress = ingest_progress;
    SKIMPI_TRY(skimpi_ingest_run(job->budget, &options, &result, error));
    job->report.rows_bad = result.rows_bad;
    job->report.rows_missing = result.rows_missing;
    job->report.first_bad_row = result.first_bad_line;
    job->report.disk_bytes = result.spooled;
    /* The inputs are done with: their buffers go before those of the passes come. */
    if (store_options->place != SKIMPI_PLACE_SOURCE) {
        job->reader_class->close(job->reader);
        job->reader = NULL;
    }
    skimpi_input_close(job->input);
    job->input = NULL;
out:
    if (gives_back) {
        skimp_budget_off_reclaim(job->budget, give_store_back, job);
    }
    if (status == SKIMP_ERROR_BUDGET) {
        forecast_rest(job, &result, error);
    }
    return status;
}

/* ---- what the data must be ------------------------------------------------------------------------------------------ */

static skimp_status check_column(const skimpi_column_summary *summary, const char *file, const char *name,
                                 bool may_miss, const char *hint, skimp_error *error)
{
    if (summary->n_infinite > 0) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, summary->first_infinite_row, name,
                              "infinite value (%llu in all): mend the data, or --drop the column",
                              (unsigned long long)summary->n_infinite);
    }
    if (summary->n_missing > 0 && !may_miss) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, summary->first_missing_row, name,
                              "missing value (%llu in all): %s", (unsigned long long)summary->n_missing, hint);
    }
    return SKIMP_OK;
}

/* A row that is not held out: there must be one to learn from. */
static skimp_status check_holdout(const skimp_job *job, const skimpi_summary *summary, const char *file,
                                  skimp_error *error)
{
    for (uint64_t row = 0; row < summary->n_rows; row++) {
        if (!skimpi_held_out(row, job->options.seed, job->options.holdout)) {
            return SKIMP_OK;
        }
    }
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                          "all %llu rows are held out: none is left to learn from",
                          (unsigned long long)summary->n_rows);
}

static skimp_status check_values(const skimp_job *job, const char *file, const char *target, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    const bool is_kept = job->store_is_input && job->arrays == NULL;
    const char *hint =
        is_kept
            ? "impute it (--step simple_imputer), or make the store without such rows (skimp convert --on-missing drop)"
            : "impute it (--step simple_imputer), drop such rows (--on-missing drop), or --drop the column";
    if (schema->sparse) {
        const char *sparse_hint = "impute it (--step simple_imputer), or leave the entry out";
        SKIMPI_TRY(check_column(&summary->numeric[0], file, NULL, skimpi_pipeline_may_miss(&job->pipeline, false, 0),
                                sparse_hint, error));
    }
    for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
        SKIMPI_TRY(check_column(&summary->numeric[slot], file, schema->columns[schema->numeric[slot]].name,
                                skimpi_pipeline_may_miss(&job->pipeline, false, slot), hint, error));
    }
    SKIMPI_TRY(check_column(&summary->target, file, target, false,
                            is_kept ? "a row without a target teaches nothing: make the store without such rows (skimp "
                                      "convert --on-missing drop)"
                                    : "a row without a target teaches nothing: drop such rows (--on-missing drop)",
                            error));
    if (schema->weight >= 0) {
        const char *weight = schema->columns[schema->weight].name;
        SKIMPI_TRY(check_column(&summary->weight, file, weight, false, "a weight is a number", error));
        if (summary->weight.minimum < 0) {
            SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, weight, "negative weight (%g)",
                                      summary->weight.minimum));
        }
    }
out:
    return status;
}

static skimp_status check_data(const skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    const char *file = job->options.n_inputs == 1 ? job->options.inputs[0] : NULL;
    const char *target = schema->sparse || schema->target < 0 ? "label" : schema->columns[schema->target].name;
    if (summary->n_rows == 0) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL, "no rows"));
    }
    SKIMPI_TRY(check_holdout(job, summary, file, error));
    if (schema->target < 0 && job->pipeline.estimator.class != NULL) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "no target: name the column to be learnt (--target)"));
    }
    SKIMPI_TRY(job->arrays != NULL ? skimpi_job_check_arrays(job, error) : check_values(job, file, target, error));
    if (job->pipeline.estimator.class != NULL && job->pipeline.estimator.class->info.kind == SKIMP_REGRESSOR &&
        schema->target_type == SKIMPI_TYPE_CATEGORY) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, target,
                                  "the target holds text: a regressor wants numbers; use a classifier"));
    }
out:
    return status;
}

/* ---- class weights --------------------------------------------------------------------------------------------------- */

static skimp_status count_classes(void *context, const skimpi_chunk *chunk, void *lane, void *worker,
                                  skimp_error *error)
{
    (void)worker, (void)error;
    const bool *counts_rows = context;
    double *sums = lane;
    for (uint32_t i = 0; i < chunk->n_rows; i++) {
        sums[(uint32_t)chunk->target[i]] += chunk->weight != NULL && !*counts_rows ? chunk->weight[i] : 1.0;
    }
    return SKIMP_OK;
}

/* class_weight="balanced": n / (K × n_k), with n and n_k in sample weight or rows (scikit-learn's compute_class_weight). */
static skimp_status balanced_weights(skimpi_reading *reading, skimpi_classes *classes, double *weights,
                                     skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    double *sums[2] = { NULL, NULL };
    bool counts_rows = reading->job->pipeline.estimator.class->weighs_classes;
    for (int lane = 0; lane < 2; lane++) {
        SKIMPI_TRY(skimp_alloc(reading->budget, SKIMP_TAG_ACCUMULATORS, classes->n_classes, sizeof(double),
                               (void **)&sums[lane], error));
    }
    const skimpi_pass_options pass = { .lanes = 2,
                                       .lane_data = (void *const *)sums,
                                       .consume = count_classes,
                                       .context = &counts_rows,
                                       .objective = NAN };
    SKIMPI_TRY(skimpi_reading_pass(reading, &pass, error));
    reading->job->passes_done++;
    double total = 0;
    for (uint32_t k = 0; k < classes->n_classes; k++) {
        sums[0][k] += sums[1][k];
        total += sums[0][k];
    }
    for (uint32_t k = 0; k < classes->n_classes; k++) {
        weights[k] = sums[0][k] > 0 ? total / (classes->n_classes * sums[0][k]) : 0;
    }
out:
    for (int lane = 0; lane < 2; lane++) {
        skimp_free(reading->budget, SKIMP_TAG_ACCUMULATORS, sums[lane], classes->n_classes, sizeof(double));
    }
    return status;
}

/* class_weight={label: weight}: classes not named weigh 1. */
static skimp_status named_weights(const skimp_job *job, const skimpi_classes *classes, const char *json,
                                  double *weights, skimp_error *error)
{
    skimpi_json object, key, item;
    if (!skimpi_json_check(json, strlen(json), &object, NULL) || skimpi_json_kind_of(object) != SKIMPI_JSON_OBJECT) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "class_weight is null, balanced, or an object such as {\"0\": 1, \"1\": 5}, not %.80s",
                           json);
    }
    for (uint32_t k = 0; k < classes->n_classes; k++) {
        weights[k] = 1;
    }
    skimpi_json_items items = skimpi_json_begin(object);
    while (skimpi_json_next(&items, &key, &item)) {
        const double weight = skimpi_json_number(item);
        uint32_t k = 0;
        for (; k < classes->n_classes; k++) {
            char number[SKIMPI_LABEL_NUMBER];
            size_t length = 0;
            const char *label = skimpi_classes_label(classes, job->schema, k, number, &length);
            if (skimpi_json_string_is(key, label, length)) {
                break;
            }
        }
        if (k == classes->n_classes) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM, "class_weight: there is no class %.*s",
                               (int)skimpi_min_u64(key.length, 100), key.text);
        }
        if (!(weight >= 0) || isinf(weight)) {
            return skimpi_fail(error, SKIMP_ERROR_PARAM,
                               "class_weight of %.*s is no weight: it must be finite and at least 0",
                               (int)skimpi_min_u64(key.length, 100), key.text);
        }
        weights[k] = weight;
    }
    return SKIMP_OK;
}

static skimp_status class_weights(skimpi_reading *reading, const skimpi_stage *estimator, skimpi_classes *classes,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    double *weights = NULL;
    if (classes->n_classes == 0 || !skimpi_stage_has_param(estimator, "class_weight") ||
        skimpi_params_is_null(estimator->params, "class_weight")) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimp_alloc(classes->budget, SKIMP_TAG_CATEGORIES, classes->n_classes, sizeof *weights,
                           (void **)&weights, error));
    const char *text = skimpi_params_text(estimator->params, "class_weight");
    if (strcmp(text, "balanced") == 0) {
        status = balanced_weights(reading, classes, weights, error);
    } else {
        status = named_weights(reading->job, classes, text, weights, error);
    }
    if (status != SKIMP_OK) {
        skimp_free(classes->budget, SKIMP_TAG_CATEGORIES, weights, classes->n_classes, sizeof *weights);
        goto out;
    }
    classes->weights = weights;
out:
    return status;
}

/* ---- one stage --------------------------------------------------------------------------------------------------------- */

typedef struct stage_pass {
    const skimpi_stage *stage;
    const skimpi_pass *pass;
} stage_pass;

typedef struct stage_worker {
    void *scratch;
    const skimpi_view *view; /* free again once the steps before were applied */
} stage_worker;

static skimp_status consume_stage(void *context, const skimpi_chunk *chunk, void *lane, void *worker,
                                  skimp_error *error)
{
    const stage_pass *run = context;
    const stage_worker *own = worker;
    if (run->stage->class->info.kind != SKIMP_TRANSFORMER) {
        return run->stage->class->consume(run->stage->fitted, run->pass, chunk, lane, own->scratch, error);
    }
    skimpi_chunk view;
    skimpi_stage_view(run->stage, chunk, &view, own->view);
    return run->stage->class->consume(run->stage->fitted, run->pass, &view, lane, own->scratch, error);
}

static skimp_status merge_lanes(skimpi_stage *stage, const skimpi_pass *pass, const skimpi_needs *needs, void **lanes,
                                skimp_error *error)
{
    for (unsigned lane = 1; lane < needs->lanes; lane++) {
        stage->class->merge(stage->fitted, pass, lanes[0], lanes[lane]);
    }
    return stage->class->end_pass(stage->fitted, pass, lanes[0], error);
}

static skimp_status run_passes(skimpi_reading *reading, skimpi_stage *stage, unsigned n_steps,
                               const skimpi_needs *needs, void **lanes, stage_worker **workers, uint64_t signature,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = reading->job;
    const bool is_estimator = stage->class->info.kind != SKIMP_TRANSFORMER;
    const char *checkpoint = is_estimator ? job->options.checkpoint : NULL;
    uint64_t passes = 0;
    skimpi_windows *windows = NULL;
    if (needs->row_state_bytes > 0) {
        SKIMPI_TRY(skimpi_reading_keep_row_state(reading, needs, checkpoint != NULL, error));
    }
    if (needs->window > 0) {
        SKIMPI_TRY(skimpi_windows_create(&windows, reading, needs->window, error));
    }
    if (checkpoint != NULL) {
        SKIMPI_TRY(skimpi_checkpoint_read(checkpoint, job->budget, signature, stage->class, stage->fitted,
                                          reading->row_state, &passes, &job->report.resumed, error));
    }
    for (;;) {
        skimpi_pass pass = { 0 };
        SKIMPI_TRY(stage->class->next_pass(stage->fitted, &pass, error));
        if (pass.is_done) {
            break;
        }
        if (pass.sequential) {
            SKIMPI_TRY(skimpi_windows_pass(windows, stage, &pass, workers[0]->scratch, error));
            SKIMPI_TRY(stage->class->end_pass(stage->fitted, &pass, NULL, error));
        } else {
            for (unsigned lane = 0; lane < needs->lanes; lane++) {
                memset(lanes[lane], 0, needs->lane_bytes);
                if (stage->class->lane_begin != NULL) {
                    stage->class->lane_begin(stage->fitted, &pass, lanes[lane]);
                }
            }
            stage_pass run = { .stage = stage, .pass = &pass };
            const skimpi_pass_options options = {
                .n_steps = n_steps,
                .chunk_stride = pass.chunk_stride,
                .shifts = pass.shifts,
                .takes_rows = pass.takes_rows,
                .lanes = needs->lanes,
                .lane_data = lanes,
                .worker_data = (void *const *)workers,
                .consume = consume_stage,
                .context = &run,
                .objective = stage->class->progress != NULL ? stage->class->progress(stage->fitted) : NAN,
            };
            SKIMPI_TRY(skimpi_reading_pass(reading, &options, error));
            SKIMPI_TRY(merge_lanes(stage, &pass, needs, lanes, error));
        }
        job->report.passes += pass.chunk_stride > 1 ? 1.0 / (double)pass.chunk_stride : 1;
        job->passes_done = (uint64_t)job->report.passes;
        passes++;
        if (checkpoint != NULL) {
            SKIMPI_TRY(skimpi_checkpoint_write(checkpoint, job->budget, signature, passes, stage->class, stage->fitted,
                                               reading->row_state, error));
        }
    }
out:
    skimpi_windows_destroy(windows);
    skimpi_row_state_destroy(reading->row_state);
    reading->row_state = NULL;
    return status;
}

skimp_status skimpi_fit_stage(skimpi_reading *reading, skimpi_stage *stage, unsigned n_steps,
                              const skimpi_problem *problem, uint64_t signature, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = reading->budget;
    skimpi_needs needs = { 0 };
    void *lanes[SKIMPI_MAX_LANES] = { NULL };
    stage_worker *own = NULL, **workers = NULL;
    const unsigned n_workers = reading->workers;
    uint64_t scratch_bytes = 0;
    SKIMPI_TRY(stage->class->plan(problem, stage->params, &needs, error));
    scratch_bytes = skimpi_scratch_bytes(needs.worker_bytes);
    SKIMPI_TRY(stage->class->begin(&stage->fitted, budget, problem, stage->params, reading->job->warnings, error));
    SKIMPI_TRY(skimpi_start_stage(reading->job, stage, n_steps, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_ACCUMULATORS, n_workers, sizeof *own, (void **)&own, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_ACCUMULATORS, n_workers, sizeof *workers, (void **)&workers, error));
    for (unsigned lane = 0; lane < needs.lanes; lane++) {
        SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_ACCUMULATORS, needs.lane_bytes, 1, &lanes[lane], error));
    }
    for (unsigned w = 0; w < n_workers; w++) {
        SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_ACCUMULATORS, scratch_bytes, 1, &own[w].scratch, error));
        own[w].view = &reading->views[w];
        workers[w] = &own[w];
    }
    SKIMPI_TRY(run_passes(reading, stage, n_steps, &needs, lanes, workers, signature, error));
out:
    for (unsigned w = 0; own != NULL && w < n_workers; w++) {
        skimp_free(budget, SKIMP_TAG_ACCUMULATORS, own[w].scratch, scratch_bytes, 1);
    }
    for (unsigned lane = 0; lane < needs.lanes; lane++) {
        skimp_free(budget, SKIMP_TAG_ACCUMULATORS, lanes[lane], needs.lane_bytes, 1);
    }
    skimp_free(budget, SKIMP_TAG_ACCUMULATORS, own, n_workers, sizeof *own);
    skimp_free(budget, SKIMP_TAG_ACCUMULATORS, workers, n_workers, sizeof *workers);
    return status;
}

/* ---- the whole fit ------------------------------------------------------------------------------------------------------- */

/* Names of the features, for warnings: text in `text`, pointers in *names (NULL when there are too many). */
static skimp_status feature_names(const skimp_job *job, const skimpi_design *design, skimpi_buffer *text,
                                  const char ***names, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *names = NULL;
    if (job->schema->sparse || design->n_features > SKIMPI_MAX_NAMED_FEATURES || job->pipeline.frame.lacks_names) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_design_names(design, &job->pipeline.frame, job->schema, text, error));
    SKIMPI_TRY(
        skimp_alloc(job->budget, SKIMP_TAG_CATEGORIES, design->n_features, sizeof **names, (void **)names, error));
    const char *at = text->data;
    for (uint64_t i = 0; i < design->n_features; i++) {
        (*names)[i] = at;
        at += strlen(at) + 1;
    }
out:
    return status;
}

typedef struct fit_state {
    skimpi_design design;
    skimpi_classes classes;
    skimpi_reading reading;
    skimpi_buffer name_text;
    const char **names;
} fit_state;

/* Names of a step's columns, as they are when it comes; NULL where there are too many, or not all have one. */
static skimp_status input_names(const skimp_job *job, const skimpi_stage *stage, const char ***names,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *names = NULL;
    if (job->schema->sparse || stage->n_inputs > SKIMPI_MAX_NAMED_FEATURES || job->pipeline.frame.lacks_names) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_CATEGORIES, stage->n_inputs, sizeof **names, (void **)names, error));
    if (!stage->on_text) {
        skimpi_frame_names(&job->pipeline.frame, job->schema, stage->inputs, stage->n_inputs, *names);
    }
    for (uint32_t k = 0; stage->on_text && k < stage->n_inputs; k++) {
        (*names)[k] = job->schema->columns[job->schema->category[stage->inputs[k]]].name;
    }
out:
    return status;
}

/* Of the columns that go into a step, those that miss no value in the whole of the data. */
static uint32_t complete_inputs(const skimp_job *job, const skimpi_stage *stage)
{
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    uint32_t n = 0;
    for (uint32_t k = 0; k < stage->n_inputs; k++) {
        const uint32_t column = stage->inputs[k];
        n += stage->on_text                    ? summary->category_missing[column] == 0
             : column < job->schema->n_numeric ? summary->numeric[column].n_missing == 0
                                               : 0;
    }
    return n;
}

/*
 * Chunks have room for what the steps were planned to add, from what the data's summary says.  A kept store may lie there:
 * that no value is missing in a column where some are.
 */
static skimp_status check_room(const skimp_job *job, skimp_error *error)
{
    const skimpi_forecast *f = &job->forecast;
    uint64_t floats = 0, doubles = 0, doublings = 0;
    for (unsigned i = 0; i < job->pipeline.n_steps; i++) {
        const skimpi_changes *changes = &job->pipeline.steps[i].changes;
        floats += changes->new_floats;
        doubles += changes->new_doubles;
        doublings += changes->grows_csr;
    }
    if (floats <= f->new_floats && doubles <= f->new_doubles && doublings <= f->csr_doublings) {
        return SKIMP_OK;
    }
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, job->options.inputs[0], 0, NULL,
                          "the data is not what its summary says (missing values): the store is damaged");
}

/* Are all dense columns of a step the inputs' own? What was gathered as these were read is of them alone. */
static bool has_own_columns(const skimpi_stage *stage, const skimpi_schema *schema)
{
    return stage->n_inputs == 0 || stage->inputs[stage->n_inputs - 1] < schema->n_numeric;
}

/* Fits a step on what the steps before make of the data. */
static skimp_status fit_step(skimp_job *job, fit_state *fit, unsigned number, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    skimpi_frame *frame = &job->pipeline.frame;
    skimpi_stage *stage = &job->pipeline.steps[number];
    const skimpi_stage_texts texts = skimpi_recode_texts(stage, &fit->design, job->schema);
    const char **names = NULL;
    uint32_t *sizes = NULL;
    if (!job->schema->sparse) {
        SKIMPI_TRY(skimpi_frame_bind(frame, stage, error));
    }
    const uint32_t n = stage->n_inputs, n_text = stage->on_text ? n : 0;
    const bool has_spreads = skimpi_job_has_spreads(job, number) && has_own_columns(stage, job->schema);
    SKIMPI_TRY(input_names(job, stage, &names, error));
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_CATEGORIES, n_text, sizeof *sizes, (void **)&sizes, error));
    for (uint32_t k = 0; k < n_text; k++) {
        sizes[k] = job->schema->hash_bits > 0 ? 1u << job->schema->hash_bits : fit->design.rank_sizes[stage->inputs[k]];
    }
    const skimpi_problem problem = {
        .n_rows = summary->n_rows,
        .is_exact = true,
        .n_features = n + frame->n_sparse,
        .n_dense = n - n_text,
        .n_code_columns = n_text,
        .code_sizes = sizes,
        .n_sparse = frame->n_sparse,
        .nonzeros = summary->nonzeros,
        .chunk_rows = summary->largest_chunk_rows,
        .n_chunks = summary->n_chunks,
        .weighted = skimpi_job_weighs_steps(job),
        .n_threads = job->layout.workers,
        .feature_names = names,
        .has_spreads = has_spreads,
        .spreads = has_spreads ? summary->spreads : NULL,
        .slots = stage->inputs,
        .n_complete = complete_inputs(job, stage),
        .hash_bits = job->schema->hash_bits,
        .texts = n_text > 0 && job->schema->hash_bits == 0 ? &texts.base : NULL,
    };
    SKIMPI_TRY(skimpi_fit_stage(&fit->reading, stage, number, &problem, 0, error));
    SKIMPI_TRY(skimpi_frame_advance(frame, stage, names, error));
    SKIMPI_TRY(check_room(job, error));
    if (stage->on_text) {
        SKIMPI_TRY(skimpi_recode_bind(&job->pipeline, number + 1, &fit->design, job->schema, NULL, error));
    }
out:
    skimp_free(job->budget, SKIMP_TAG_CATEGORIES, (void *)names, stage->n_inputs, sizeof *names);
    skimp_free(job->budget, SKIMP_TAG_CATEGORIES, sizes, stage->on_text ? stage->n_inputs : 0, sizeof *sizes);
    return status;
}

/* Where the features are, once the steps are fitted that change which there are. */
static skimp_status place_features(skimp_job *job, fit_state *fit, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const size_t n = skimpi_schema_inputs(schema);
    uint8_t *is_text = NULL;
    uint32_t k = 0;
    if (schema->sparse) {
        fit->design.n_sparse = fit->design.n_features = job->pipeline.frame.n_sparse;
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_CATEGORIES, n, 1, (void **)&is_text, error));
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        if (schema->columns[c].role == SKIMPI_ROLE_FEATURE) {
            is_text[k++] = schema->columns[c].type == SKIMPI_TYPE_CATEGORY;
        }
    }
    if (skimpi_pipeline_on_text(&job->pipeline)) {
        SKIMPI_TRY(skimpi_recode_finish(&job->pipeline, &fit->design, job->schema, error));
    }
    SKIMPI_TRY(skimpi_design_place(&fit->design, &job->pipeline.frame, is_text, schema->hash_bits, error));
out:
    skimp_free(job->budget, SKIMP_TAG_CATEGORIES, is_text, n, 1);
    return status;
}

static skimp_status fit_steps(skimp_job *job, fit_state *fit, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_frame *frame = &job->pipeline.frame;
    if (job->pipeline.n_steps == 0) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_frame_begin(frame, job->budget, fit->design.n_numeric, fit->design.n_category,
                                  fit->design.n_sparse, error));
    for (unsigned i = 0; i < job->pipeline.n_steps; i++) {
        SKIMPI_TRY(fit_step(job, fit, i, error));
    }
    SKIMPI_TRY(place_features(job, fit, error));
    if (fit->design.n_features == 0 && job->pipeline.estimator.class != NULL) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "the steps leave no feature to learn from"));
    }
out:
    return status;
}

static skimp_status fit_estimator(skimp_job *job, fit_state *fit, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    skimpi_stage *estimator = &job->pipeline.estimator;
    const bool weighs_classes = estimator->class->weighs_classes;
    const skimpi_problem problem = {
        .n_rows = summary->n_rows,
        .is_exact = true,
        .n_features = fit->design.n_features,
        .n_dense = fit->design.n_dense,
        .n_code_columns = fit->design.n_code_columns,
        .n_sparse = fit->design.n_sparse,
        .nonzeros = summary->nonzeros,
        .n_classes = fit->classes.n_classes,
        .chunk_rows = summary->largest_chunk_rows,
        .n_chunks = summary->n_chunks,
        .weighted = job->schema->weight >= 0 || (fit->classes.weights != NULL && !weighs_classes),
        .class_weights = weighs_classes ? fit->classes.weights : NULL,
        .n_threads = job->layout.workers,
        .has_rows = skimpi_job_has_rows(job),
        .partial = job->options.partial,
        .feature_names = (const char *const *)fit->names,
        .code_features = skimpi_design_code_features(&fit->design),
        .code_sizes = skimpi_design_code_sizes(&fit->design),
    };
    SKIMPI_TRY(skimpi_fit_stage(&fit->reading, estimator, job->pipeline.n_steps, &problem,
                                skimpi_checkpoint_signature(job, summary), error));
    skimpi_outcome outcome = { .objective = NAN };
    estimator->class->result(estimator->fitted, &outcome);
    job->report.objective = outcome.objective;
    job->report.n_iter = outcome.n_iter;
    job->report.converged = outcome.converged;
out:
    return status;
}

/* Is what is asked for something that can be fitted? */
static skimp_status check_fit(const skimp_job *job, skimp_error *error)
{
    if (!skimpi_pipeline_fits(&job->pipeline)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "no estimator to fit");
    }
    if (job->pipeline.estimator.class == NULL && job->options.holdout > 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "a hold-out is scored, and steps alone predict nothing");
    }
    if (job->pipeline.estimator.class == NULL && job->options.checkpoint != NULL) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "a checkpoint is of an estimator: steps alone have none");
    }
    return SKIMP_OK;
}

/* Warnings of the fit name features; the model has names of its own. */
static void free_names(skimp_job *job, fit_state *fit)
{
    skimp_free(job->budget, SKIMP_TAG_CATEGORIES, (void *)fit->names, fit->design.n_features, sizeof *fit->names);
    fit->names = NULL;
    skimpi_buffer_free(&fit->name_text);
}

skimp_status skimp_job_fit(skimp_job *job, skimp_model **model, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    fit_state fit = { 0 };
    *model = NULL;
    status = check_fit(job, error);
    if (status != SKIMP_OK) {
        return status;
    }
    const bool has_estimator = job->pipeline.estimator.class != NULL;
    skimpi_buffer_init(&fit.name_text, job->budget, SKIMP_TAG_CATEGORIES);
    SKIMPI_TRY(skimpi_job_prepare(job, error));
    if (job->schema->target < 0 && has_estimator) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "no target: name the column to be learnt (--target)"));
    }
    SKIMPI_TRY(skimpi_job_check_disk(job, error));
    if (!job->store_is_input) {
        const skimpi_store_options options = {
            .place = skimpi_job_each_pass(job) ? SKIMPI_PLACE_SOURCE
                     : job->layout.in_memory   ? SKIMPI_PLACE_MEMORY
                                               : SKIMPI_PLACE_SPILL,
            .spill_directory = job->options.spill_dir,
            .allow_tmpfs = job->options.spill_to_memory,
            .expected_bytes = job->forecast.store_bytes,
            .write_back_early = job->layout.in_container,
        };
        SKIMPI_TRY(skimpi_job_ingest(job, &options, error));
        job->report.passes = 1;
    } else if (skimpi_job_wants_look(job)) {
        SKIMPI_TRY(skimpi_job_look(job, error));
    }
    SKIMPI_TRY(check_data(job, error));
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    if (skimpi_pipeline_classifies(&job->pipeline)) {
        skimpi_labels labels;
        SKIMPI_TRY(skimpi_start_labels(job, &labels, error));
        SKIMPI_TRY(labels.n > 0 ? skimpi_classes_take(&fit.classes, job->budget, &labels, job->schema, summary, error)
                                : skimpi_classes_create(&fit.classes, job->budget, job->schema, summary, error));
    }
    if (!job->store_is_input || skimpi_store_is_selected(job->store)) {
        SKIMPI_TRY(skimpi_job_replan(job, error));
    }
    SKIMPI_TRY(skimpi_design_create(&fit.design, job->budget, job->schema, summary->category_missing, error));
    SKIMPI_TRY(skimpi_start_features(job, &fit.design, error));
    skimpi_job_phase(job, "fitting");
    SKIMPI_TRY(skimpi_reading_create(&fit.reading, job, job->store, &job->pipeline, &fit.design, &fit.classes, error));
    SKIMPI_TRY(class_weights(&fit.reading, &job->pipeline.estimator, &fit.classes, error));
    SKIMPI_TRY(fit_steps(job, &fit, error));
    if (has_estimator) {
        SKIMPI_TRY(feature_names(job, &fit.design, &fit.name_text, &fit.names, error));
        SKIMPI_TRY(fit_estimator(job, &fit, error));
    } else {
        job->report.converged = true;
    }
    job->report.rows = summary->n_rows;
    job->report.features = fit.design.n_features;
    job->report.nonzeros = summary->nonzeros;
    if (job->options.holdout > 0) {
        SKIMPI_TRY(skimpi_score_held_out(job, &fit.reading, error));
    }
    skimpi_reading_destroy(&fit.reading);
    free_names(job, &fit);
    SKIMPI_TRY(skimpi_model_create(model, job, &fit.design, &fit.classes, error));
out:
    skimpi_reading_destroy(&fit.reading);
    free_names(job, &fit);
    skimpi_classes_destroy(&fit.classes);
    skimpi_design_destroy(&fit.design);
    skimpi_job_finish_report(job);
    /* (Of a row that is too long nobody knows how long it is.) */
    if (status == SKIMP_ERROR_BUDGET && error != NULL && error->minimum_bytes == 0 && error->row == 0) {
        error->minimum_bytes = skimpi_max_u64(job->plan.minimum_bytes, skimpi_add_sat(error->in_use, error->requested));
    }
    return status;
}

skimp_status skimp_job_convert(skimp_job *job, const char *path, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (job->store_is_input) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "'%s' is a chunk store already", job->options.inputs[0]);
    }
    if (job->pipeline.n_steps > 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "steps are fitted, not converted: convert takes none");
    }
    SKIMPI_TRY(skimpi_job_prepare(job, error));
    const skimpi_store_options options = { .place = SKIMPI_PLACE_FILE,
                                           .path = path,
                                           .expected_bytes = job->forecast.store_bytes,
                                           .write_back_early = job->layout.in_container };
    SKIMPI_TRY(skimpi_job_ingest(job, &options, error));
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    job->report.rows = summary->n_rows;
    job->report.features = skimpi_schema_inputs(job->schema);
    job->report.nonzeros = summary->nonzeros;
    job->report.disk_bytes += summary->store_bytes;
    job->report.passes = 1;
out:
    skimpi_job_finish_report(job);
    return status;
}
