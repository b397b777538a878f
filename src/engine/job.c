/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job from its options to the point where it can be planned: budget, inputs, schema, roles, pipeline; what it reports
 * while it runs and at its end.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/number.h"
#include "engine/engine.h"
#include "os/os.h"

static _Atomic uint64_t leaked;

uint64_t skimpi_leaked_bytes(void)
{
    return atomic_load(&leaked);
}

void skimpi_budget_end(skimp_budget *budget)
{
    atomic_fetch_add(&leaked, skimp_budget_destroy(budget));
}

static const skimpi_reader_options plain_reader = { .header = -1, .zero_based = -1 };

static bool has_null(const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (texts[i] == NULL) {
            return true;
        }
    }
    return false;
}

static skimp_status check_options(const skimp_job_options *options, skimp_error *error)
{
    if (options->size != sizeof(skimp_job_options)) {
        return skimpi_fail(
            error, SKIMP_ERROR_PARAM,
            "skimp_job_options.size is %zu, this library's is %zu: initialise with SKIMP_JOB_OPTIONS_INIT",
            options->size, sizeof(skimp_job_options));
    }
    if (options->data != NULL ? options->n_inputs > 0 : options->n_inputs == 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           options->data != NULL ? "data and inputs: give one of them" : "no input file");
    }
    if (options->data != NULL && options->data->size != sizeof *options->data) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "skimp_data.size is %zu, this library's is %zu: initialise with SKIMP_DATA_INIT",
                           options->data->size, sizeof *options->data);
    }
    bool whole = !has_null(options->inputs, options->n_inputs) && !has_null(options->steps, options->n_steps) &&
                 !has_null(options->drop, options->n_drop);
    for (size_t i = 0; i < options->n_params; i++) {
        whole = whole && options->params[i].name != NULL && options->params[i].value != NULL;
    }
    if (!whole) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "an input, a step, a parameter or a column to drop is NULL");
    }
    if (!(options->holdout >= 0 && options->holdout < 1)) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "the hold-out is a share of the rows, at least 0 and under 1, not %g", options->holdout);
    }
    if (options->hash_bits > 28) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "hash bits are 1 to 28, not %u", options->hash_bits);
    }
    if (options->n_threads > 1024) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "at most 1024 threads, not %u", options->n_threads);
    }
    return SKIMP_OK;
}

/* Half of what is free to this process, unless the caller says. */
skimp_status skimp_default_memory(uint64_t *bytes, skimp_error *error)
{
    skimpi_os_limits limits;
    const skimp_status status = skimpi_os_limits_now(&limits, error);
    *bytes = status == SKIMP_OK ? limits.free_to_us / 2 : 0;
    return status;
}

/*
 * A job in a process of others', or over arrays, is made and planned in what is free, and held to its limit from then
 * on: one that is too small is refused with what all of the job takes, though batches come once.
 */
static bool plans_in_what_is_free(const skimp_job_options *options)
{
    return options->data != NULL || !options->whole_process;
}

/* And the limit of the control groups, which is looked up once for a job: that is a dozen files. */
static skimp_status budget_limit(const skimp_job_options *options, uint64_t resident, uint64_t *limit, uint64_t *roomy,
                                 uint64_t *cgroup, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_os_limits limits;
    *limit = *roomy = options->max_memory;
    status = skimpi_os_limits_now(&limits, *limit == 0 ? error : NULL);
    *cgroup = status == SKIMP_OK ? limits.cgroup : UINT64_MAX;
    if (*limit == 0) {
        SKIMPI_TRY(status);
        *limit = limits.free_to_us / 2;
        *limit += options->whole_process ? resident : 0;
        *limit += options->share ? skimpi_share_in_use() / 2 : 0; /* was free before the others began */
        *limit /= options->n_processes > 1 ? options->n_processes : 1;
        *roomy = *limit;
    } else if (plans_in_what_is_free(options) && status == SKIMP_OK) {
        *roomy = skimpi_max_u64(*limit, limits.free_to_us / 2);
    }
    status = SKIMP_OK;
out:
    return status;
}

skimp_status skimpi_job_open_inputs(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_job_options *options = &job->options;
    if (options->data != NULL) {
        return skimpi_job_open_data(job, error);
    }
    SKIMPI_TRY(skimpi_input_open_cancellable(&job->input, job->budget, options->inputs[0], options->cancel, error));
    const char *bytes = NULL;
    size_t got = 0;
    SKIMPI_TRY(skimpi_input_peek(job->input, 64, &bytes, &got, error));
    const bool asked_store = options->format != NULL && strcmp(options->format, "store") == 0;
    if (asked_store || (options->format == NULL && skimpi_store_recognise(bytes, got))) {
        if (options->n_inputs > 1) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM,
                                   "'%s' is a chunk store, which is a data set of its own: give it alone",
                                   options->inputs[0]));
        }
        skimpi_input_close(job->input);
        job->input = NULL;
        SKIMPI_TRY(skimpi_store_open(&job->store, job->budget, options->inputs[0], &job->schema, error));
        job->store_is_input = true;
        if (options->rows != NULL) {
            SKIMPI_TRY(skimpi_store_select(job->store, options->rows, options->n_rows, error));
            job->sample.classes_seen = 2; /* these rows may have fewer classes than the store */
        }
        goto out;
    }
    if (options->rows != NULL) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "some rows only can be had of a chunk store (skimp convert)"));
    }
    SKIMPI_TRY(skimpi_reader_find(&job->reader_class, options->format, job->input, error));
    job->reader_options = plain_reader;
    job->reader_options.header = options->header;
    job->reader_options.delimiter = options->delimiter;
    job->reader_options.zero_based = options->zero_based;
    job->reader_options.index64 = options->index64;
    job->reader_options.on_bad_row = options->skip_bad_rows ? SKIMPI_BAD_ROW_SKIP : SKIMPI_BAD_ROW_ERROR;
    job->reader_options.on_missing = options->drop_missing ? SKIMPI_MISSING_DROP : SKIMPI_MISSING_KEEP;
    SKIMPI_TRY(job->reader_class->open(&job->reader, job->budget, job->input, &job->reader_options, &job->schema,
                                       &job->sample, error));
out:
    return status;
}

/* The target as --target would name it, ended by NUL; nothing when there is none. */
skimp_status skimpi_target_text(const skimpi_schema *schema, skimpi_buffer *out, skimp_error *error)
{
    static const char *const signs[] = { [SKIMPI_CMP_GT] = ">",  [SKIMPI_CMP_GE] = ">=", [SKIMPI_CMP_LT] = "<",
                                         [SKIMPI_CMP_LE] = "<=", [SKIMPI_CMP_EQ] = "==", [SKIMPI_CMP_NE] = "!=" };
    skimp_status status = SKIMP_OK;
    if (schema->target < 0) {
        return SKIMP_OK;
    }
    const char *name = schema->sparse ? "label" : schema->columns[schema->target].name;
    SKIMPI_TRY(skimpi_buffer_append(out, name, strlen(name), error));
    if (schema->comparison != SKIMPI_CMP_NONE) {
        char number[SKIMPI_LABEL_NUMBER];
        SKIMPI_TRY(skimpi_buffer_append(out, signs[schema->comparison], strlen(signs[schema->comparison]), error));
        if (schema->comparison_text != NULL) {
            SKIMPI_TRY(skimpi_buffer_printf(out, error, "\"%s\"", schema->comparison_text));
        } else {
            SKIMPI_TRY(
                skimpi_buffer_append(out, number, skimpi_number_format(schema->comparison_value, number), error));
        }
    }
    SKIMPI_TRY(skimpi_buffer_append(out, "", 1, error));
out:
    return status;
}

/* Does this name the target that a kept store has, as it is or by its number? */
static bool is_target_name(const skimpi_schema *schema, const char *name)
{
    return !schema->sparse && schema->comparison == SKIMPI_CMP_NONE && schema->target >= 0 &&
           skimpi_schema_find(schema, name, strlen(name)) == schema->target;
}

skimp_status skimpi_job_arrays(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    if (job->may_miss == NULL) {
        job->n_may_miss = schema->sparse ? 1 : schema->n_columns;
        SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, job->n_may_miss, 1, (void **)&job->may_miss, error));
        job->reader_options.may_miss = job->may_miss;
    }
    if (job->code_features == NULL) {
        job->n_code_columns = schema->n_category;
        SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, schema->n_category, sizeof *job->code_features,
                               (void **)&job->code_features, error));
    }
    if (job->code_sizes == NULL) {
        SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, schema->n_category, sizeof *job->code_sizes,
                               (void **)&job->code_sizes, error));
    }
out:
    return status;
}

skimp_status skimpi_job_roles(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer own_target;
    skimpi_buffer_init(&own_target, job->budget, SKIMP_TAG_OTHER);
    if (job->has_roles) {
        return SKIMP_OK; /* a plan that failed after this, and is asked for again */
    }
    const skimp_job_options *options = &job->options;
    skimpi_schema *schema = job->schema;
    /* Sparse data has one label, which needs no naming when there is something to fit. */
    const bool is_label = schema->sparse && options->target == NULL; /* there is one, and a kept store keeps it */
    const skimpi_roles roles = {
        .target = is_label ? "label" : options->target,
        .weight = options->weight,
        .drop = options->drop,
        .n_drop = options->n_drop,
        .hash_bits = options->hash_bits,
    };
    if (!job->store_is_input) {
        SKIMPI_TRY(skimpi_job_assign(job, &roles, true, error));
        skimpi_job_settle(job);
    } else {
        /* The roles of a kept store were given when it was made. */
        SKIMPI_TRY(skimpi_target_text(schema, &own_target, error));
        const bool is_own_target =
            options->target == NULL || (own_target.length > 0 && (strcmp(own_target.data, options->target) == 0 ||
                                                                  is_target_name(schema, options->target)));
        if (options->weight != NULL || options->n_drop > 0 || options->hash_bits > 0 || !is_own_target) {
            SKIMPI_TRY(skimpi_fail(
                error, SKIMP_ERROR_PARAM,
                "'%s' is a chunk store, whose target (%s), weight and dropped columns were chosen by `skimp convert`",
                options->inputs[0], own_target.length > 0 ? (const char *)own_target.data : "none"));
        }
    }
    SKIMPI_TRY(skimpi_pipeline_bind(&job->pipeline, schema, error));
    SKIMPI_TRY(skimpi_job_arrays(job, error));
    if (!job->store_is_input) {
        job->may_miss[0] = schema->sparse && skimpi_pipeline_may_miss(&job->pipeline, false, 0);
        for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
            job->may_miss[schema->numeric[slot]] = skimpi_pipeline_may_miss(&job->pipeline, false, slot);
        }
        for (uint32_t slot = 0; slot < schema->n_category; slot++) {
            job->may_miss[schema->category[slot]] = skimpi_pipeline_may_miss(&job->pipeline, true, slot);
        }
    }
    if (job->arrays != NULL) {
        SKIMPI_TRY(skimpi_job_take_arrays(job, error));
    }
    job->has_roles = true;
out:
    skimpi_buffer_free(&own_target);
    return status;
}

void skimpi_job_settle(skimp_job *job)
{
    if (!job->is_settled) {
        skimpi_sample_settle(&job->sample, job->schema);
        job->is_settled = true;
    }
}

skimp_status skimp_job_create(skimp_job **out, const skimp_job_options *options, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = NULL;
    skimp_job *job = NULL;
    skimp_job_options own = { 0 };
    uint64_t limit = 0, roomy = 0, cgroup = 0, resident = 0, peak = 0;
    *out = NULL;
    SKIMPI_TRY(check_options(options, error));
    own = *options;
    if (options->data != NULL) {
        own.inputs = &skimpi_job_data_name; /* what messages call it */
        own.n_inputs = 1;
    }
    peak = skimpi_os_peak();
    /* In a process with a thousand mappings the exact figure takes a millisecond: more than many a prediction. */
    resident = options->whole_process ? skimpi_os_resident_exact() : skimpi_os_resident();
    SKIMPI_TRY(budget_limit(options, resident, &limit, &roomy, &cgroup, error));
    const skimp_budget_options budget_options = { .size = sizeof budget_options, .limit = roomy };
    SKIMPI_TRY(skimp_budget_create(&budget, &budget_options, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, 1, sizeof *job, (void **)&job, error));
    job->budget = budget;
    job->limit = limit;
    job->is_roomy = roomy > limit;
    job->started = skimpi_os_seconds();
    job->cgroup = cgroup;
    job->base_resident = resident;
    job->base_peak = peak;
    job->phase = "reading";
    job->is_nested = skimpi_batches_within_caller();
    job->report.objective = NAN;
    if (options->spill_dir == NULL) {
        own.spill_dir = getenv("TMPDIR") != NULL && getenv("TMPDIR")[0] != '\0' ? getenv("TMPDIR") : "/var/tmp";
    }
    SKIMPI_TRY(skimpi_options_copy(&job->options, &job->options_block, &job->options_bytes, budget, &own, error));
    SKIMPI_TRY(skimpi_warnings_create(&job->warnings, budget, error));
    SKIMPI_TRY(skimpi_pipeline_create(&job->pipeline, budget, job->options.estimator, job->options.params,
                                      job->options.n_params, job->options.steps, job->options.n_steps, error));
    SKIMPI_TRY(skimpi_start_check(job, error));
    job->pipeline.keeps_missing =
        job->pipeline.estimator.class == NULL && skimpi_pipeline_fits(&job->pipeline) && !job->options.drop_missing;
    SKIMPI_TRY(skimpi_job_open_inputs(job, error));
    *out = job;
out:
    if (status != SKIMP_OK) {
        if (job != NULL) {
            skimp_job_destroy(job);
        } else {
            skimpi_budget_end(budget);
        }
    }
    if (status == SKIMP_ERROR_BUDGET) {
        skimpi_job_name_minimum(options, 0, error);
    }
    return status;
}

uint64_t skimpi_job_limit(const skimp_job *job)
{
    return job->is_roomy ? job->limit : skimp_budget_limit(job->budget);
}

void skimpi_job_hold_to_limit(skimp_job *job)
{
    if (job->is_roomy) {
        skimpi_budget_set_limit(job->budget, job->limit);
        job->is_roomy = false;
    }
}

void skimp_job_destroy(skimp_job *job)
{
    if (job == NULL) {
        return;
    }
    skimp_budget *budget = job->budget;
    skimpi_share_leave(job);
    skimpi_pool_destroy(job->pool);
    skimpi_cursor_destroy(job->cursor);
    skimpi_pipeline_destroy(&job->pipeline);
    if (job->reader != NULL) {
        job->reader_class->close(job->reader);
    }
    skimpi_input_close(job->input);
    skimpi_store_destroy(job->store);
    skimpi_arrays_destroy(job->arrays);
    skimp_free(budget, SKIMP_TAG_OTHER, job->may_miss, job->n_may_miss, 1);
    skimp_free(budget, SKIMP_TAG_OTHER, job->code_features, job->n_code_columns, sizeof *job->code_features);
    skimp_free(budget, SKIMP_TAG_OTHER, job->code_sizes, job->n_code_columns, sizeof *job->code_sizes);
    skimpi_schema_destroy(job->schema);
    skimpi_schema_destroy(job->stored);
    skimpi_warnings_destroy(job->warnings);
    skimp_free(budget, SKIMP_TAG_OTHER, job->options_block, job->options_bytes, 1);
    skimp_budget_uncharge(budget, SKIMP_TAG_PROGRAM, job->layout.program);
    skimp_budget_uncharge(budget, SKIMP_TAG_MODEL, job->model_charge);
    skimp_free(budget, SKIMP_TAG_OTHER, job, 1, sizeof *job);
    skimpi_budget_end(budget);
}

void skimpi_job_ingest_options(const skimp_job *job, skimpi_ingest_options *options)
{
    *options = (skimpi_ingest_options){
        .paths = job->options.inputs,
        .n_paths = job->options.n_inputs,
        .reader_class = job->reader_class,
        .reader = job->reader,
        .first_input = job->input,
        .schema = job->schema,
        .pool = job->pool,
        .rows_hint = job->forecast.unit_rows,
        .nonzeros_hint = job->forecast.unit_nonzeros,
        .fresh_hint = job->reader_options.fixed_categories ? 0 : job->forecast.new_categories,
        .fresh_text_hint = job->reader_options.fixed_categories ? 0 : job->forecast.new_texts,
        .encoded_hint = skimpi_encoded_hint(&job->forecast),
        .spool_directory = job->options.spill_dir,
        .allow_tmpfs = job->options.spill_to_memory,
        .longest_row = job->forecast.longest_row,
        .text_hint = job->forecast.text_hint,
        .cancel = &job->stop,
        .cancel_reading = job->options.cancel,
    };
}

/* ---- watching ------------------------------------------------------------------------------------------------------ */

bool skimpi_job_cancelled(skimp_job *job)
{
    if (job->options.cancel != NULL && __atomic_load_n(job->options.cancel, __ATOMIC_RELAXED) != 0) {
        atomic_store(&job->stop, 1);
    }
    return atomic_load(&job->stop) != 0;
}

void skimpi_job_phase(skimp_job *job, const char *phase)
{
    job->phase = phase;
    job->phase_started = skimpi_os_seconds();
}

void skimpi_job_progress(skimp_job *job, uint64_t bytes_done, uint64_t bytes_total, uint64_t rows, double objective)
{
    if (job->options.progress == NULL) {
        return;
    }
    int idle = 0;
    if (!atomic_compare_exchange_strong(&job->progress_busy, &idle, 1)) {
        return;
    }
    const double now = skimpi_os_seconds();
    if (now - job->last_progress >= 0.1) {
        job->last_progress = now;
        const double share = bytes_total > 0 ? (double)bytes_done / (double)bytes_total : 0;
        const double spent = now - job->phase_started;
        const double passes = job->layout.needs.passes_expected;
        double left = NAN;
        if (strcmp(job->phase, "fitting") == 0 && passes > 0 && job->passes_done + share > 0) {
            const double done = (double)job->passes_done + share;
            left = done < passes ? spent / done * (passes - done) : 0;
        } else if (share > 0.001 && share <= 1) {
            left = spent / share * (1 - share);
        }
        const skimp_progress progress = {
            .phase = job->phase,
            .bytes_done = bytes_done < bytes_total ? bytes_done : bytes_total,
            .bytes_total = bytes_total,
            .rows = rows,
            .pass = job->passes_done,
            .passes_expected = passes,
            .objective = objective,
            .charged_bytes = skimp_budget_in_use(job->budget),
            .budget_bytes = skimp_budget_limit(job->budget),
            .seconds = now - job->started,
            .seconds_left = left,
        };
        job->options.progress(job->options.progress_context, &progress);
    }
    atomic_store(&job->progress_busy, 0);
}

void skimpi_job_finish_report(skimp_job *job)
{
    const uint64_t peak = skimpi_os_peak();
    skimp_report *report = &job->report;
    report->seconds = skimpi_os_seconds() - job->started;
    /* The mark is of the whole life of a process: of one that was larger before it tells nothing of the job. */
    report->peak_bytes = job->options.whole_process ? peak : peak > job->base_peak ? peak - job->base_resident : 0;
    report->charged_peak_bytes = skimp_budget_peak(job->budget);
    for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
        report->memory[tag] = skimp_budget_tag_peak(job->budget, (skimp_tag)tag);
    }
    report->n_warnings = skimpi_warnings_count(job->warnings);
    report->metrics = job->metrics;
    skimpi_share_leave(job);
}

const skimp_report *skimp_job_report(const skimp_job *job)
{
    return &job->report;
}

const char *skimp_job_warning(const skimp_job *job, size_t i)
{
    return skimpi_warnings_at(job->warnings, i);
}

bool skimp_job_column(const skimp_job *job, size_t i, skimp_column_info *out)
{
    static const char *const types[] = { "number", "text", "date" };
    static const char *const roles[] = { "feature", "target", "weight", "dropped" };
    const skimpi_schema *schema = job->schema;
    if (schema->sparse || i >= schema->n_columns) {
        *out = (skimp_column_info){ .name = "", .type = "sparse", .role = "feature" };
        return schema->sparse && i == 0;
    }
    const skimpi_column *column = &schema->columns[i];
    *out = (skimp_column_info){ .name = column->name, .type = types[column->type], .role = roles[column->role] };
    if (column->type == SKIMPI_TYPE_CATEGORY && column->role == SKIMPI_ROLE_FEATURE) {
        if (job->sample.categories != NULL) {
            out->categories = job->sample.categories[job->is_settled ? column->slot : i];
        } else if (schema->dictionaries != NULL && schema->dictionaries[column->slot] != NULL) {
            out->categories = skimpi_dictionary_size(schema->dictionaries[column->slot]);
        }
    }
    return true;
}

const char *skimp_job_format(const skimp_job *job)
{
    return job->arrays != NULL ? "arrays" : job->store_is_input ? "store" : job->reader_class->name;
}
