/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs over arrays of the caller (include/skimp/data.h).
 *
 * A fit takes the arrays themselves for its store, once the roles are known.  What the arrays cannot be read as goes
 * through an ingest as files do: predict, score and convert, rows to be dropped for what they miss, CSC, and batches.
 */
#include <math.h>
#include <stdio.h>

#include "engine/engine.h"
#include "os/os.h"

const char *const skimpi_job_data_name = "data";

skimp_status skimpi_job_open_data(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_job_options *options = &job->options;
    if (options->rows != NULL) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "some rows only can be had of a chunk store (skimp convert)"));
    }
    SKIMPI_TRY(skimpi_arrays_create(&job->arrays, job->budget, options->data, &job->schema, error));
    const bool are_batches = skimpi_arrays_are_batches(job->arrays);
    skimpi_batches_watch(job->arrays, options->cancel);
    job->reader_class = are_batches ? &skimpi_reader_batches : &skimpi_reader_arrays;
    job->reader_options.on_missing = options->drop_missing ? SKIMPI_MISSING_DROP : SKIMPI_MISSING_KEEP;
    SKIMPI_TRY(skimpi_input_open_caller(&job->input, job->budget, skimpi_job_data_name,
                                        skimpi_arrays_bytes(job->arrays),
                                        are_batches || skimpi_arrays_in_order(job->arrays), error));
    SKIMPI_TRY(are_batches
                   ? skimpi_batches_reader(&job->reader, job->arrays, &job->reader_options, &job->sample, error)
                   : skimpi_arrays_reader(&job->reader, job->arrays, &job->reader_options, &job->sample, error));
out:
    return status;
}

skimp_status skimpi_job_assign(const skimp_job *job, const skimpi_roles *roles, bool is_fit, skimp_error *error)
{
    if (job->arrays == NULL) {
        return skimpi_schema_assign(job->schema, roles, job->options.inputs[0], error);
    }
    /* What came with the arrays is the target, and of a fit the weight: a model's own names are of where it was trained. */
    const bool with_target = is_fit || roles->target != NULL;
    skimpi_roles own = *roles;
    if (is_fit || (with_target && skimpi_arrays_has_target(job->arrays))) {
        own.target = job->options.target;
    }
    return skimpi_arrays_assign(job->arrays, &own, with_target, is_fit, error);
}

/* Is the job a fit that reads the arrays where they lie? */
static bool reads_in_place(const skimp_job *job)
{
    return skimpi_pipeline_fits(&job->pipeline) && !job->options.drop_missing && !skimpi_arrays_in_order(job->arrays) &&
           !skimpi_arrays_are_batches(job->arrays);
}

skimp_status skimpi_job_take_arrays(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_arrays_bind(job->arrays, false, error));
    if (!reads_in_place(job)) {
        SKIMPI_TRY(skimpi_arrays_survey(job->arrays, &job->sample, error));
        goto out;
    }
    SKIMPI_TRY(skimpi_arrays_store(&job->store, job->arrays, skimpi_pipeline_classifies(&job->pipeline), error));
    job->store_is_input = true;
    job->reader_class->close(job->reader);
    job->reader = NULL;
    skimpi_input_close(job->input);
    job->input = NULL;
    job->sample = (skimpi_sample){ 0 }; /* it was the reader's */
out:
    return status;
}

bool skimpi_job_has_rows(const skimp_job *job)
{
    return job->store_is_input && job->arrays != NULL && job->pipeline.n_steps == 0 && job->options.holdout == 0 &&
           skimpi_arrays_has_rows(job->arrays);
}

/* SGD reads chunks in a shuffled order, which a source cannot give; and which chunk a row is in is known once none is dropped. */
bool skimpi_job_each_pass(const skimp_job *job)
{
    const skimpi_stage *estimator = &job->pipeline.estimator;
    const bool is_shuffled = estimator->class != NULL && estimator->class->consume_window != NULL &&
                             skimpi_params_number(estimator->params, "shuffle") != 0;
    return job->arrays != NULL && skimpi_batches_each_pass(job->arrays) && skimpi_pipeline_fits(&job->pipeline) &&
           !job->options.drop_missing && !is_shuffled;
}

bool skimpi_job_may_hold_arrays(const skimp_job *job)
{
    uint64_t free_bytes;
    bool is_memory = false;
    if (!skimpi_arrays_in_order(job->arrays)) {
        return true;
    }
    /* Turned rows are a copy, which belongs on a disk: in memory only where there is none to spill to. */
    const char *directory = job->options.spill_dir;
    return !job->options.spill_to_memory &&
           (skimpi_os_disk(directory, &free_bytes, &is_memory, NULL) != SKIMP_OK || is_memory);
}

/* ---- the first look at all of the data -------------------------------------------------------------------------------- */

static void scan_progress(void *context, uint64_t bytes, uint64_t rows)
{
    skimp_job *job = context;
    skimpi_job_cancelled(job);
    skimpi_job_progress(job, bytes, job->forecast.store_bytes, rows, NAN);
}

bool skimpi_job_wants_look(const skimp_job *job)
{
    return job->store_is_input && (job->arrays != NULL || skimpi_store_is_selected(job->store));
}

skimp_status skimpi_job_look(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_arrays_scan_options options = {
        .pool = job->pool,
        .with_hash = job->options.checkpoint != NULL,
        .cancel = &job->stop,
        .progress = scan_progress,
        .context = job,
    };
    skimpi_job_phase(job, "reading");
    SKIMPI_TRY(skimpi_arrays_scan(job->store, &options, error));
    if (job->arrays == NULL) {
        SKIMPI_TRY(skimpi_store_settle_rows(job->store, job->schema, error));
    }
    job->report.passes = 1;
out:
    return status;
}

/* Rows are counted from 0 here, as Python counts them; in the summary and in error records from 1. */
skimp_status skimpi_job_check_values(const skimpi_column_summary *summary, const char *what, const char *column,
                                     bool may_miss, skimp_error *error)
{
    const bool infinite = summary->n_infinite > 0;
    const uint64_t row = infinite ? summary->first_infinite_row : summary->first_missing_row;
    if (!infinite && (summary->n_missing == 0 || may_miss)) {
        return SKIMP_OK;
    }
    const bool is_x = what[0] == 'X';
    const uint64_t n = infinite ? summary->n_infinite : summary->n_missing;
    char first[40] = "", place[96] = ""; /* of rows that were read after some had been dropped it is not known */
    if (n > 1) {
        snprintf(first, sizeof first, "the first of %llu ", (unsigned long long)n);
    }
    if (row > 0) {
        snprintf(place, sizeof place, " (%sin row %llu)", first, (unsigned long long)(row - 1));
    }
    const bool is_first = error != NULL && error->code == SKIMP_OK;
    const skimp_status status = skimpi_fail_at(
        error, SKIMP_ERROR_DATA, NULL, 0, column, "Input %s contains %s%s%s", what,
        infinite ? "infinity or a value too large" : "NaN", place,
        is_x && !infinite ? "; impute missing values first (SimpleImputer), or leave such rows out" : "");
    if (is_first) {
        error->row = row;
    }
    return status;
}

skimp_status skimpi_job_check_arrays(const skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    for (uint32_t slot = 0; slot < (schema->sparse ? 1 : schema->n_numeric); slot++) {
        const char *name = schema->sparse ? NULL : schema->columns[schema->numeric[slot]].name;
        SKIMPI_TRY(skimpi_job_check_values(&summary->numeric[slot], "X", name,
                                           skimpi_pipeline_may_miss(&job->pipeline, false, slot), error));
    }
    SKIMPI_TRY(skimpi_job_check_values(&summary->target, "y", NULL, false, error));
    SKIMPI_TRY(skimpi_job_check_values(&summary->weight, "sample_weight", NULL, false, error));
    if (summary->weight.minimum < 0) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "Negative values in data passed to `sample_weight` (%g)",
                               summary->weight.minimum));
    }
out:
    return status;
}
