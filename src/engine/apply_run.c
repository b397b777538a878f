/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inputs stream through a model.  Workers parse, transform and predict side by side; what must be in order (lines of an
 * output, sums of the metrics) is done in turns, by whoever uses the chunks.
 */
#include "engine/apply_run.h"

#include <math.h>

/* ---- outputs of an estimator ------------------------------------------------------------------------------------------- */

void skimpi_outputs_init(skimpi_outputs *outputs, skimp_budget *budget)
{
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

static uint64_t scratch_bytes(const skimpi_stage *estimator, skimpi_problem problem, uint32_t rows)
{
    problem.chunk_rows = rows;
    return estimator->class != NULL && estimator->class->predict_worker_bytes != NULL
               ? skimpi_scratch_bytes(estimator->class->predict_worker_bytes(&problem, estimator->params))
               : 0;
}

static skimp_status predict_kind(const skimpi_stage *estimator, skimpi_predict_kind kind, const skimpi_chunk *chunk,
                                 skimpi_buffer *out, unsigned columns, size_t stride, void *scratch, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (columns == 0) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_buffer_reserve(out, columns * stride * sizeof(double), error));
    SKIMPI_TRY(estimator->class->predict(estimator->fitted, kind, chunk, out->data, stride, scratch, error));
out:
    return status;
}

skimp_status skimpi_outputs_predict(skimpi_outputs *outputs, const skimpi_stage *estimator,
                                    const skimpi_problem *problem, const skimpi_chunk *chunk,
                                    const skimpi_wanted *wanted, size_t stride, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_reserve(&outputs->scratch, scratch_bytes(estimator, *problem, chunk->n_rows), error));
    void *scratch = outputs->scratch.data;
    SKIMPI_TRY(
        predict_kind(estimator, SKIMPI_PREDICT_LABEL, chunk, &outputs->label, wanted->n_label, stride, scratch, error));
    SKIMPI_TRY(predict_kind(estimator, SKIMPI_PREDICT_DECISION, chunk, &outputs->decision, wanted->n_decision, stride,
                            scratch, error));
    SKIMPI_TRY(predict_kind(estimator, SKIMPI_PREDICT_PROBABILITY, chunk, &outputs->probability, wanted->n_probability,
                            stride, scratch, error));
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

skimp_status skimpi_apply_prepare(skimpi_apply *apply, uint64_t fixed, uint64_t row_bytes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_job *job = apply->job;
    const skimpi_applied *applied = &apply->applied;
    const uint64_t scratch = scratch_bytes(&applied->pipeline.estimator, applied->problem, job->forecast.unit_rows);
    const uint64_t row = skimpi_wanted_columns(&apply->wanted) * sizeof(double) + row_bytes + sizeof(uint32_t) +
                         skimpi_applied_row_bytes(applied);
    uint64_t worker = skimp_alloc_cost(scratch) * 5 / 4;
    worker += skimpi_mul_sat(skimpi_applied_nonzero_bytes(applied), job->forecast.unit_nonzeros) * 5 / 4;
    worker += apply->stored != NULL ? skimpi_stored_worker_bytes(job, applied->pipeline.n_steps > 0) : 0;
    SKIMPI_TRY(skimpi_job_prepare_apply(job, fixed, worker, row, error));
    apply->n_workers = skimpi_pool_size(job->pool);
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, apply->n_workers, sizeof *apply->workers,
                           (void **)&apply->workers, error));
    for (unsigned w = 0; w < apply->n_workers; w++) {
        skimpi_apply_worker *own = &apply->workers[w];
        skimpi_outputs_init(&own->outputs, job->budget);
        skimpi_buffer_init(&own->text, job->budget, SKIMP_TAG_OUTPUT);
        SKIMPI_TRY(skimpi_applied_worker_create(&own->base, applied, error));
        SKIMPI_TRY(skimpi_buffer_reserve(&own->outputs.scratch, scratch, error));
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
        skimpi_applied_worker_destroy(&own->base, &apply->applied);
    }
    skimp_free(budget, SKIMP_TAG_OTHER, apply->workers, apply->n_workers, sizeof *apply->workers);
    skimpi_turns_destroy(apply->turns);
    skimpi_stored_destroy(apply->stored);
    skimpi_applied_destroy(&apply->applied);
    skimpi_job_finish_report(apply->job);
}
