/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inputs stream through a model.  Workers parse, transform and predict side by side; what must be in order (lines of an
 * output, sums of the metrics) is done in turns, by whoever uses the chunks.
 */
#include "engine/apply_run.h"

#include <math.h>

#include "estimator/row_view.h"

/* ---- outputs of an estimator ------------------------------------------------------------------------------------------- */

/* Rows of a block: a multiple of what kernels take at once. */
static uint32_t block_rows(const skimpi_wanted *wanted)
{
    const uint64_t columns = skimpi_max_u64(skimpi_wanted_columns(wanted), 1);
    const uint64_t rows = SKIMPI_BLOCK_VALUES / columns;
    return rows >= 64 ? (uint32_t)(rows / 64 * 64) : 16;
}

static uint32_t room_of(const skimpi_wanted *wanted, uint32_t rows)
{
    return (uint32_t)skimpi_min_u64(block_rows(wanted), skimpi_column_stride(rows));
}

static uint64_t scratch_bytes(const skimpi_stage *estimator, skimpi_problem problem, uint32_t rows)
{
    problem.chunk_rows = rows;
    return estimator->class != NULL && estimator->class->predict_worker_bytes != NULL
               ? skimpi_scratch_bytes(estimator->class->predict_worker_bytes(&problem, estimator->params))
               : 0;
}

void skimpi_outputs_init(skimpi_outputs *outputs, skimp_budget *budget, const skimpi_stage *estimator,
                         const skimpi_problem *problem, const skimpi_wanted *wanted, uint32_t rows,
                         const skimpi_view *view)
{
    *outputs = (skimpi_outputs){
        .estimator = estimator, .problem = problem, .wanted = wanted, .view = view, .room = room_of(wanted, rows)
    };
    skimpi_buffer_init(&outputs->label, budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&outputs->decision, budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&outputs->probability, budget, SKIMP_TAG_CHUNKS);
    skimpi_buffer_init(&outputs->scratch, budget, SKIMP_TAG_CHUNKS);
}

void skimpi_outputs_free(skimpi_outputs *outputs)
{
    skimpi_buffer_free(&outputs->label);
    skimpi_buffer_free(&outputs->decision);
    skimpi_buffer_free(&outputs->probability);
    skimpi_buffer_free(&outputs->scratch);
}

uint64_t skimpi_outputs_bytes(const skimpi_stage *estimator, const skimpi_problem *problem, const skimpi_wanted *wanted,
                              uint32_t rows)
{
    const uint64_t room = room_of(wanted, rows);
    const unsigned columns[] = { wanted->n_label, wanted->n_decision, wanted->n_probability };
    uint64_t bytes = 0;
    for (unsigned i = 0; i < sizeof columns / sizeof *columns; i++) {
        bytes += columns[i] > 0 ? skimp_alloc_cost(columns[i] * room * sizeof(double)) : 0;
    }
    return skimpi_add_sat(bytes, skimp_alloc_cost(scratch_bytes(estimator, *problem, (uint32_t)room)));
}

static skimp_status predict_kind(const skimpi_outputs *outputs, skimpi_predict_kind kind, const skimpi_chunk *block,
                                 skimpi_buffer *out, unsigned columns, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_stage *estimator = outputs->estimator;
    const size_t room = skimpi_max_u64(outputs->room, outputs->stride);
    if (columns == 0) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_buffer_reserve(out, columns * room * sizeof(double), error));
    SKIMPI_TRY(estimator->class->predict(estimator->fitted, kind, block, out->data, outputs->stride,
                                         outputs->scratch.data, error));
out:
    return status;
}

skimp_status skimpi_outputs_predict(skimpi_outputs *outputs, const skimpi_chunk *chunk, uint32_t first,
                                    skimpi_chunk *block, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_wanted *wanted = outputs->wanted;
    const uint32_t most = block_rows(wanted);
    *block = chunk->n_rows <= most
                 ? *chunk
                 : skimpi_row_view(chunk, first, (uint32_t)skimpi_min_u64(most, chunk->n_rows - first),
                                   outputs->view->dense, outputs->view->codes);
    outputs->stride = skimpi_column_stride(block->n_rows);
    SKIMPI_TRY(skimpi_buffer_reserve(
        &outputs->scratch,
        scratch_bytes(outputs->estimator, *outputs->problem, (uint32_t)skimpi_max_u64(outputs->room, block->n_rows)),
        error));
    SKIMPI_TRY(predict_kind(outputs, SKIMPI_PREDICT_LABEL, block, &outputs->label, wanted->n_label, error));
    SKIMPI_TRY(predict_kind(outputs, SKIMPI_PREDICT_DECISION, block, &outputs->decision, wanted->n_decision, error));
    SKIMPI_TRY(
        predict_kind(outputs, SKIMPI_PREDICT_PROBABILITY, block, &outputs->probability, wanted->n_probability, error));
out:
    return status;
}

/* ---- running -------------------------------------------------------------------------------------------------------------- */

skimp_status skimpi_apply_needs_estimator(const skimp_model *model, skimp_error *error)
{
    return skimpi_model_is_steps(model->tensors)
               ? skimpi_fail(error, SKIMP_ERROR_PARAM,
                             "this model is of steps alone: it transforms, and predicts nothing")
               : SKIMP_OK;
}

skimp_status skimpi_apply_begin(skimpi_apply *apply, const skimp_model *model, bool with_target, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = apply->job;
    if (job->options.whole_process) {
        job->model_bytes = skimp_budget_in_use(model->budget);
        job->beside += job->model_bytes;
        job->looked = skimp_budget_peak(model->budget);
    }
    SKIMPI_TRY(skimpi_applied_create(&apply->applied, apply->job, model, with_target, error));
    if (apply->job->stored != NULL) {
        SKIMPI_TRY(skimpi_stored_create(&apply->stored, &apply->applied, error));
    }
    SKIMPI_TRY(skimpi_job_forecast(apply->job, error));
out:
    return status;
}

unsigned skimpi_apply_columns(const skimpi_apply *apply, skimpi_predict_kind kind, const char **why)
{
    const skimpi_stage *estimator = &apply->applied.pipeline.estimator;
    return estimator->class->outputs(estimator->fitted, kind, why);
}

/* Chunks may have some more rows than the sample says. */
uint32_t skimpi_apply_rows(const skimp_job *job)
{
    const uint64_t rows = (uint64_t)job->forecast.unit_rows + (job->stored != NULL ? 0 : job->forecast.unit_rows / 4);
    return (uint32_t)skimpi_min_u64(rows, UINT32_MAX - 64);
}

skimp_status skimpi_apply_prepare(skimpi_apply *apply, const skimpi_apply_cost *cost, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = apply->job;
    const skimpi_applied *applied = &apply->applied;
    const skimpi_stage *estimator = &applied->pipeline.estimator;
    const uint32_t rows = skimpi_apply_rows(job);
    uint64_t worker = skimpi_outputs_bytes(estimator, &applied->problem, &apply->wanted, rows);
    worker = skimpi_add_sat(worker, sizeof(skimpi_apply_worker) + skimpi_applied_worker_bytes(applied));
    worker = skimpi_add_sat(worker, cost->worker);
    worker = skimpi_add_sat(worker, skimp_alloc_cost(skimpi_mul_sat(cost->row, rows)));
    worker = skimpi_add_sat(worker, skimp_alloc_cost(skimpi_mul_sat(sizeof(uint32_t), (uint64_t)rows + 1)));
    worker = skimpi_add_sat(worker, skimp_alloc_cost(skimpi_mul_sat(skimpi_applied_row_bytes(applied), rows)));
    worker = skimpi_add_sat(worker,
                            skimpi_mul_sat(skimpi_applied_nonzero_bytes(applied), job->forecast.unit_nonzeros) / 4 * 5);
    worker = skimpi_add_sat(worker,
                            apply->stored != NULL ? skimpi_stored_worker_bytes(job, applied->pipeline.n_steps > 0) : 0);
    SKIMPI_TRY(skimpi_job_prepare_apply(job, cost->fixed, skimpi_add_sat(worker, skimp_alloc_cost(cost->text_alone)),
                                        skimpi_add_sat(worker, skimp_alloc_cost(cost->text)), error));
    apply->n_workers = skimpi_pool_size(job->pool);
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, apply->n_workers, sizeof *apply->workers,
                           (void **)&apply->workers, error));
    for (unsigned w = 0; w < apply->n_workers; w++) {
        skimpi_apply_worker *own = &apply->workers[w];
        skimpi_outputs_init(&own->outputs, job->budget, estimator, &applied->problem, &apply->wanted, rows,
                            &own->base.view);
        skimpi_buffer_init(&own->text, job->budget, SKIMP_TAG_OUTPUT);
        skimpi_buffer_init(&own->held, job->budget, SKIMP_TAG_CHUNKS);
        SKIMPI_TRY(skimpi_applied_worker_create(&own->base, applied, error));
        if (cost->text > 0) {
            SKIMPI_TRY(skimpi_buffer_reserve(&own->text, apply->n_workers > 1 ? cost->text : cost->text_alone, error));
        }
    }
    SKIMPI_TRY(skimpi_turns_create(&apply->turns, job->budget, error));
out:
    return status;
}

static skimp_status see_raw(void *context, unsigned worker, uint64_t index, uint64_t first_row, const skimpi_raw *raw,
                            skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_apply *apply = context;
    skimpi_apply_worker *own = &apply->workers[worker];
    SKIMPI_TRY(skimpi_applied_chunk(&apply->applied, &own->base, index, first_row, raw, &own->unknown, error));
    SKIMPI_TRY(apply->use(apply, own, &own->base.chunk, error));
out:
    if (status != SKIMP_OK) {
        skimpi_turns_break(apply->turns);
    }
    return status;
}

static skimp_status see_stored(void *context, unsigned worker, skimpi_chunk *from, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_apply *apply = context;
    skimpi_apply_worker *own = &apply->workers[worker];
    SKIMPI_TRY(skimpi_stored_chunk(apply->stored, worker, from, &own->base, &own->unknown, error));
    SKIMPI_TRY(apply->use(apply, own, &own->base.chunk, error));
out:
    if (status != SKIMP_OK) {
        skimpi_turns_break(apply->turns);
    }
    return status;
}

static void apply_progress(void *context, uint64_t bytes, uint64_t rows)
{
    skimpi_apply *apply = context;
    atomic_store(&apply->bytes, bytes);
    skimpi_job_cancelled(apply->job);
    skimpi_job_progress(apply->job, bytes, apply->job->forecast.text_bytes, rows, NAN);
}

skimp_status skimpi_apply_run(skimpi_apply *apply, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = apply->job;
    skimpi_ingest_result result = { 0 };
    uint64_t unknown_labels = 0;
    if (apply->stored != NULL) {
        SKIMPI_TRY(skimpi_stored_run(apply->stored, apply->applied.pipeline.n_steps > 0, see_stored, apply_progress,
                                     apply, &result, error));
    } else {
        skimpi_ingest_options options;
        skimpi_job_ingest_options(job, &options);
        options.observe = see_raw;
        options.context = apply;
        options.progress = apply_progress;
        SKIMPI_TRY(skimpi_ingest_run(job->budget, &options, &result, error));
    }
    job->report.rows = result.n_rows;
    job->report.rows_bad = result.rows_bad;
    job->report.rows_missing = result.rows_missing;
    job->report.first_bad_row = result.first_bad_line;
    job->report.features = apply->applied.design.n_features;
    job->report.passes = 1;
    for (unsigned w = 0; w < apply->n_workers; w++) {
        job->report.unknown_categories += apply->workers[w].unknown;
        unknown_labels += apply->workers[w].unknown_labels;
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

void skimpi_apply_end(skimpi_apply *apply)
{
    skimp_budget *budget = apply->job->budget;
    for (unsigned w = 0; apply->workers != NULL && w < apply->n_workers; w++) {
        skimpi_apply_worker *own = &apply->workers[w];
        if (own->text.budget == NULL) {
            break; /* never made */
        }
        skimpi_outputs_free(&own->outputs);
        skimpi_buffer_free(&own->text);
        skimpi_buffer_free(&own->held);
        skimpi_applied_worker_destroy(&own->base, &apply->applied);
    }
    skimp_free(budget, SKIMP_TAG_OTHER, apply->workers, apply->n_workers, sizeof *apply->workers);
    skimpi_turns_destroy(apply->turns);
    skimpi_stored_destroy(apply->stored);
    skimpi_applied_destroy(&apply->applied);
    skimpi_job_finish_report(apply->job);
}
