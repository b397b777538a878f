/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plan: what a job will take, before its data is read.
 *
 * Memory is a sum over what is alive at once, in two phases: *reading* (text buffers, parsed columns, encoders) and
 * *fitting* (decoded chunks, accumulators, solver), each with the program, the threads, the dictionaries and the store.
 * Every term is computed by the function that the run itself sizes its buffers with.
 */
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"
#include "os/os.h"

/* What jobs charge beside the terms below: options, schema, stages, small blocks, and the slack of the small-block heap. */
#define SMALL_BLOCKS (96u << 10)
/* Pages of code that a job touches after it was created, beyond those resident then (measured: docs/decisions/0004). */
#define PROGRAM_GROWTH_SHARE 0.5
#define PROGRAM_GROWTH_MAX (768u << 10)
/* Estimates from a sample are raised by this, so that they are bounds on ordinary files. */
#define SAMPLE_SLACK 1.04

static uint64_t clamp_u64(double x)
{
    return x < 0 ? 0 : x < 0x1p62 ? (uint64_t)x : UINT64_MAX / 4;
}

/* Decompressed bytes of all inputs: the first's as its sample says, the others in proportion to their size on disk. */
static skimp_status total_text(const skimp_job *job, uint64_t *bytes, bool *is_known, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    int fd = -1;
    const uint64_t first_size = skimpi_input_file_size(job->input);
    *is_known = job->sample.text_bytes != UINT64_MAX;
    *bytes = *is_known ? job->sample.text_bytes : 0;
    for (size_t i = 1; i < job->options.n_inputs; i++) {
        skimpi_os_stat stat;
        SKIMPI_TRY(skimpi_os_open(&fd, job->options.inputs[i], error));
        SKIMPI_TRY(skimpi_os_fstat(fd, job->options.inputs[i], &stat, error));
        skimpi_os_close(fd);
        fd = -1;
        if (first_size > 0 && first_size != UINT64_MAX) {
            *bytes += clamp_u64((double)stat.size * ((double)job->sample.text_bytes / (double)first_size));
        }
    }
out:
    if (fd >= 0) {
        skimpi_os_close(fd);
    }
    return status;
}

static double code_bytes(uint64_t categories)
{
    return categories < 250 ? 1 : categories < 65000 ? 2 : 4;
}

static void forecast_categories(const skimp_job *job, skimpi_forecast *f)
{
    const skimpi_schema *schema = job->schema;
    if (schema->hash_bits > 0) {
        f->features += schema->n_category > 0 ? (uint64_t)1 << schema->hash_bits : 0;
        return;
    }
    for (uint32_t slot = 0; slot < schema->n_category; slot++) {
        const uint64_t n = job->sample.categories[slot];
        const uint64_t text = clamp_u64((double)n * (job->sample.category_bytes[slot] + 1));
        f->categories += n;
        f->category_memory += skimpi_dictionary_bytes(n, text) + skimp_alloc_cost(n * sizeof(uint32_t));
        f->features += n;
    }
}

static skimp_status forecast_sample(skimp_job *job, skimpi_forecast *f, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const skimpi_sample *sample = &job->sample;
    bool is_known = true;
    f->exact = sample->exact_rows && job->options.n_inputs == 1;
    SKIMPI_TRY(total_text(job, &f->text_bytes, &is_known, error));
    f->longest_row = sample->longest_row;
    if (job->reader_class->is_text) {
        f->unit_bytes = job->reader_class->unit_bytes(job->reader, schema);
        const double row = sample->row_bytes > 1 ? sample->row_bytes : 1;
        f->rows = clamp_u64((double)f->text_bytes / row * (f->exact ? 1 : 1.01)) + 1;
        const uint64_t per_unit = clamp_u64((double)f->unit_bytes / row * 1.12) + 16;
        f->unit_rows = (uint32_t)skimpi_min_u64(per_unit, f->unit_bytes);
        /* What is less than a unit goes to the worker before: a further worker would cost more than it saves. */
        f->chunks = skimpi_max_u64(f->text_bytes / f->unit_bytes, 1) + job->options.n_inputs - 1;
        if (f->text_bytes < f->unit_bytes && skimpi_input_seekable(job->input)) {
            f->text_hint = f->text_bytes;
        }
        if (f->text_bytes < f->unit_bytes) {
            f->unit_rows = (uint32_t)skimpi_min_u64(f->unit_rows, clamp_u64((double)f->rows * 1.1) + 16);
        }
    } else {
        f->rows = sample->n_rows;
        f->chunks = job->reader_class->unit_count(job->reader);
        f->unit_rows = (uint32_t)(f->chunks > 0 ? (f->rows + f->chunks - 1) / f->chunks : 1);
        f->unit_bytes = 0;
    }
    f->unit_nonzeros = clamp_u64(sample->nonzeros_per_row * f->unit_rows * (f->exact ? 1 : 1.1));
    f->nonzeros = clamp_u64(sample->nonzeros_per_row * (double)f->rows);
    double row_store = sample->target_bytes + (schema->weight >= 0 ? 8 : 0);
    if (schema->sparse) {
        f->n_sparse = f->features = sample->n_sparse_features;
        row_store += 4 + sample->nonzeros_per_row * ((f->n_sparse <= 65536 ? 2 : f->n_sparse <= UINT32_MAX ? 4 : 8) + 4);
    } else {
        f->n_dense = f->features = schema->n_numeric;
        f->n_code_columns = schema->n_category;
        forecast_categories(job, f);
        for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
            row_store += sample->numeric_bytes[slot];
        }
        for (uint32_t slot = 0; slot < schema->n_category; slot++) {
            row_store += schema->hash_bits > 16 ? 4 : schema->hash_bits > 8 ? 2 : code_bytes(sample->categories[slot]);
        }
    }
    const double overhead = 128 + 96.0 * (schema->n_numeric + schema->n_category + 2);
    f->chunk_bytes = clamp_u64(row_store * f->unit_rows + overhead);
    f->store_bytes = clamp_u64((row_store * (double)f->rows + overhead * (double)f->chunks) * (f->exact ? 1 : SAMPLE_SLACK));
    const uint64_t distinct = sample->classes < 2048 ? 4 * (uint64_t)sample->classes : f->rows;
    f->target_bytes = skimpi_min_u64(SKIMPI_TARGET_SET_BYTES, (28u << 10) + 64 * skimpi_min_u64(distinct, f->rows));
    f->classes = sample->classes > 2 ? sample->classes : 2;
out:
    return status;
}

static void forecast_store(const skimp_job *job, skimpi_forecast *f)
{
    const skimpi_schema *schema = job->schema;
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    f->exact = true;
    f->rows = summary->n_rows;
    f->chunks = summary->n_chunks;
    f->nonzeros = summary->nonzeros;
    f->unit_rows = summary->largest_chunk_rows;
    f->unit_nonzeros = summary->largest_chunk_nonzeros;
    f->chunk_bytes = summary->largest_chunk_bytes;
    f->store_bytes = summary->store_bytes;
    f->n_sparse = schema->sparse ? schema->n_sparse_features : 0;
    f->n_dense = schema->n_numeric;
    f->n_code_columns = schema->n_category;
    f->features = f->n_sparse + f->n_dense;
    for (uint32_t slot = 0; slot < schema->n_category && schema->hash_bits == 0; slot++) {
        const uint64_t n = skimpi_dictionary_size(schema->dictionaries[slot]);
        f->categories += n;
        f->category_memory += skimp_alloc_cost(n * sizeof(uint32_t));
        f->features += n + (summary->category_missing[slot] > 0);
    }
    f->features += schema->hash_bits > 0 && schema->n_category > 0 ? (uint64_t)1 << schema->hash_bits : 0;
    f->classes = schema->target_type == SKIMPI_TYPE_CATEGORY && schema->target >= 0 ? skimpi_dictionary_size(schema->dictionaries[schema->n_category])
                                                                                  : summary->n_target_values;
}

static skimpi_problem expected_problem(const skimp_job *job, const skimpi_forecast *f, unsigned workers)
{
    const bool classifies = job->pipeline.estimator.class != NULL && job->pipeline.estimator.class->info.kind == SKIMP_CLASSIFIER;
    return (skimpi_problem){
        .n_rows = f->rows, .is_exact = f->exact, .n_features = f->features, .n_dense = f->n_dense, .n_code_columns = f->n_code_columns,
        .n_sparse = f->n_sparse, .nonzeros = f->nonzeros, .n_classes = classifies ? f->classes : 0, .chunk_rows = f->unit_rows, .n_chunks = f->chunks,
        .weighted = job->schema->weight >= 0, .n_threads = workers,
    };
}

static uint64_t lanes_cost(const skimpi_needs *needs, unsigned workers)
{
    return skimpi_mul_sat(needs->lanes, skimp_alloc_cost(needs->lane_bytes)) + skimpi_mul_sat(workers, skimp_alloc_cost(needs->worker_bytes));
}

/* Steps, one after the other: their fitted state stays. */
static skimp_status plan_steps(const skimp_job *job, skimpi_problem problem, skimpi_layout *layout, double *passes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t largest = 0;
    for (unsigned i = 0; i < job->pipeline.n_steps; i++) {
        const skimpi_stage *stage = &job->pipeline.steps[i];
        skimpi_needs needs = { 0 };
        problem.n_dense = job->schema->sparse ? 0 : stage->n_inputs;
        problem.n_code_columns = 0;
        problem.n_features = problem.n_dense + problem.n_sparse;
        problem.n_classes = 0;
        SKIMPI_TRY(stage->class->plan(&problem, stage->params, &needs, error));
        layout->statistics += needs.state_bytes;
        largest = skimpi_max_u64(largest, lanes_cost(&needs, problem.n_threads));
        *passes += needs.passes_expected;
    }
    layout->statistics += largest;
out:
    return status;
}

/* What the job takes with so many workers and the store here or there. */
static skimp_status lay_out(const skimp_job *job, const skimpi_forecast *f, unsigned workers, bool in_memory, skimpi_layout *layout, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_schema *schema = job->schema;
    const skimpi_problem problem = expected_problem(job, f, workers);
    double step_passes = 0;
    *layout = (skimpi_layout){ .workers = workers, .in_memory = in_memory, .program = job->layout.program, .other = SMALL_BLOCKS };
    layout->threads = (uint64_t)(workers - 1) * SKIMPI_STACK_CHARGE + skimp_alloc_cost(workers * 2048);
    layout->categories = f->category_memory;
    const skimpi_place where = in_memory ? SKIMPI_PLACE_MEMORY : SKIMPI_PLACE_SPILL;
    layout->store = skimpi_store_bytes(schema, f->store_bytes, where) + (job->store_is_input ? 0 : f->target_bytes);
    layout->disk = job->store_is_input || in_memory ? 0 : f->store_bytes;
    if (!job->store_is_input) {
        const skimpi_ingest_cost cost = skimpi_ingest_plan(schema, f->text_hint > 0 ? f->text_hint : f->unit_bytes, f->longest_row, f->unit_rows, f->unit_nonzeros, workers, true);
        layout->input = cost.input + skimpi_input_memory(job->input);
        layout->parse = cost.parse;
    }
    if (job->pipeline.estimator.class != NULL) {
        SKIMPI_TRY(plan_steps(job, problem, layout, &step_passes, error));
        SKIMPI_TRY(job->pipeline.estimator.class->plan(&problem, job->pipeline.estimator.params, &layout->needs, error));
        layout->chunks = skimpi_reading_bytes(f, schema, where, workers, job->options.holdout > 0);
        if (layout->needs.window > 0) {
            layout->chunks += (f->chunks > layout->needs.window ? 2 : 1) * (uint64_t)skimpi_window_chunks(layout->needs.window, f->chunks) *
                              skimpi_decoder_bytes(schema, f->unit_rows, f->unit_nonzeros, f->chunk_bytes, where);
        }
        layout->solver = layout->needs.state_bytes;
        layout->accumulators = lanes_cost(&layout->needs, workers);
        layout->model = layout->needs.model_bytes;
        if (job->options.holdout > 0) {
            layout->accumulators += skimpi_metrics_bytes(problem.n_classes, (uint64_t)((double)f->rows * job->options.holdout * 1.05));
            layout->accumulators += skimp_alloc_cost((uint64_t)f->unit_rows * (problem.n_classes + 2) * sizeof(double));
        }
        if (!schema->sparse && f->features <= SKIMPI_MAX_NAMED_FEATURES) {
            layout->categories += skimp_alloc_cost(f->features * 24) + skimp_alloc_cost(f->features * sizeof(char *)); /* names, for warnings and the model */
        }
        layout->needs.passes_expected += step_passes;
        layout->needs.passes_max += step_passes;
    }
    const uint64_t always = layout->program + layout->threads + layout->other + layout->categories + layout->store;
    const uint64_t reading = skimpi_add_sat(always, layout->input + layout->parse);
    const uint64_t fitting = skimpi_add_sat(skimpi_add_sat(always, layout->chunks + layout->statistics + layout->model),
                                            skimpi_add_sat(layout->accumulators, layout->solver));
    layout->peak = skimpi_max_u64(reading, fitting);
out:
    return status;
}

/* In a container whose limit is the budget, page tables, kernel stacks and cache count too: keep room for them. */
static uint64_t usable_budget(uint64_t limit)
{
    skimpi_os_limits limits;
    if (skimpi_os_limits_now(&limits, NULL) == SKIMP_OK && limits.cgroup <= limit) {
        const uint64_t reserve = skimpi_max_u64(4u << 20, limits.cgroup / 16);
        return limits.cgroup > reserve ? limits.cgroup - reserve : 0;
    }
    return limit;
}

static skimp_status choose_layout(skimp_job *job, const skimpi_forecast *f, uint64_t limit, skimpi_layout *chosen, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t budget = usable_budget(limit);
    const uint64_t reserve = limit - skimpi_min_u64(limit, budget);
    unsigned most = job->options.n_threads > 0 ? job->options.n_threads : skimpi_os_cpu_count();
    most = (unsigned)skimpi_max_u64(1, skimpi_min_u64(most, f->chunks));
    /* A store to keep (convert) is never held in memory; one that was given is a file. */
    const bool may_hold = !job->store_is_input && job->pipeline.estimator.class != NULL;
    skimpi_layout least;
    SKIMPI_TRY(lay_out(job, f, 1, false, &least, error));
    if (may_hold) {
        skimpi_layout held;
        SKIMPI_TRY(lay_out(job, f, 1, true, &held, error));
        least.peak = skimpi_min_u64(least.peak, held.peak);
    }
    SKIMPI_TRY(lay_out(job, f, most, may_hold, chosen, error));
    for (unsigned workers = most; chosen->peak > budget && workers > 0; workers--) {
        SKIMPI_TRY(lay_out(job, f, workers, false, chosen, error));
        if (chosen->peak > budget && workers == 1 && may_hold) {
            SKIMPI_TRY(lay_out(job, f, 1, true, chosen, error));
        }
    }
    chosen->minimum = skimpi_add_sat(least.peak, reserve);
    chosen->in_container = reserve > 0;
out:
    return status;
}

static void fill_plan(skimp_job *job, uint64_t limit)
{
    const skimpi_forecast *f = &job->forecast;
    const skimpi_layout *layout = &job->layout;
    size_t n = 0;
    if (!f->exact) {
        job->assumed[n++] = (skimp_assumption){ "rows", (double)f->rows };
        job->assumed[n++] = (skimp_assumption){ "features", (double)f->features };
        job->assumed[n++] = (skimp_assumption){ "longest_line", (double)f->longest_row };
        if (f->categories > 0) {
            job->assumed[n++] = (skimp_assumption){ "categories", (double)f->categories };
        }
        if (f->nonzeros > 0) {
            job->assumed[n++] = (skimp_assumption){ "nonzeros", (double)f->nonzeros };
        }
        if (job->pipeline.estimator.class != NULL && job->pipeline.estimator.class->info.kind == SKIMP_CLASSIFIER) {
            job->assumed[n++] = (skimp_assumption){ "classes", f->classes };
        }
    }
    const double cores = layout->workers;
    const double read_seconds = job->store_is_input ? 0 : (double)f->text_bytes / (350e6 * cores) + (double)f->rows * 10e-9;
    const double pass_seconds = skimpi_max_u64((uint64_t)(layout->needs.seconds_per_pass * 1e6), 0) / 1e6 / cores + (double)f->store_bytes / (2.5e9 * cores);
    job->plan = (skimp_plan){
        .exact = f->exact, .assumed = job->assumed, .n_assumed = n, .budget_bytes = limit, .peak_bytes = layout->peak, .minimum_bytes = layout->minimum,
        .disk_bytes = layout->disk, .passes_expected = (job->store_is_input ? 0 : 1) + layout->needs.passes_expected,
        .passes_max = (job->store_is_input ? 0 : 1) + layout->needs.passes_max, .seconds = read_seconds + layout->needs.passes_expected * pass_seconds,
        .chunk_rows = f->unit_rows, .store = job->store_is_input ? "file" : layout->in_memory ? "memory" : "disk", .threads = layout->workers,
        .rows = f->rows, .features = f->features, .nonzeros = f->nonzeros,
        .memory = {
            [SKIMP_TAG_PROGRAM] = layout->program, [SKIMP_TAG_THREADS] = layout->threads, [SKIMP_TAG_INPUT] = layout->input,
            [SKIMP_TAG_PARSE] = layout->parse, [SKIMP_TAG_CATEGORIES] = layout->categories, [SKIMP_TAG_STORE] = layout->store,
            [SKIMP_TAG_CHUNKS] = layout->chunks, [SKIMP_TAG_STATISTICS] = layout->statistics, [SKIMP_TAG_ACCUMULATORS] = layout->accumulators,
            [SKIMP_TAG_SOLVER] = layout->solver, [SKIMP_TAG_MODEL] = layout->model, [SKIMP_TAG_OTHER] = layout->other,
        },
    };
}

/* The program's own share: what is resident now, and the code that it has yet to touch. */
static skimp_status measure_program(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_os_memory memory;
    SKIMPI_TRY(skimpi_os_memory_now(&memory, error));
    const double growth = PROGRAM_GROWTH_SHARE * (double)(memory.image - skimpi_min_u64(memory.image, memory.image_resident));
    job->layout.program = (uint64_t)(growth < PROGRAM_GROWTH_MAX ? growth : PROGRAM_GROWTH_MAX);
    if (job->options.whole_process) {
        job->layout.program += skimpi_max_u64(job->base_resident, job->base_peak);
    }
    SKIMPI_TRY(skimp_budget_charge(job->budget, SKIMP_TAG_PROGRAM, job->layout.program, error));
out:
    if (status != SKIMP_OK) {
        job->layout.program = 0;
    }
    return status;
}

static void refuse_budget(uint64_t minimum, uint64_t limit, skimp_error *error)
{
    (void)!skimpi_fail(error, SKIMP_ERROR_BUDGET, "a budget of %.1f MiB is too small: the smallest that works is %.1f MiB", (double)limit / 0x1p20,
                       ceil((double)minimum / 0x1p20 * 10) / 10);
    if (error != NULL) {
        error->limit = limit;
        error->minimum_bytes = minimum;
    }
}

/*
 * A budget that does not even hold the planning: plans again in what is free, for the figure that the user needs. The
 * error stays as it is when there is none, or when the budget would do (memory was short for another reason).
 */
void skimpi_job_name_minimum(const skimp_job_options *options, skimp_error *error)
{
    skimp_job_options roomy = *options;
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    if (error == NULL || options->max_memory == 0 || error->minimum_bytes > 0) {
        return;
    }
    for (size_t i = 0; i < options->n_inputs; i++) {
        if (strcmp(options->inputs[i], "-") == 0) {
            return; /* not to be read twice */
        }
    }
    roomy.max_memory = 0;
    roomy.progress = NULL;
    if (skimp_job_create(&job, &roomy, NULL) == SKIMP_OK && skimp_job_plan(job, &plan, NULL) == SKIMP_OK && plan->minimum_bytes > options->max_memory) {
        const skimp_error before = *error;
        *error = (skimp_error)SKIMP_ERROR_INIT;
        refuse_budget(plan->minimum_bytes, options->max_memory, error);
        error->requested = before.requested;
        error->in_use = before.in_use;
    }
    skimp_job_destroy(job);
}

skimp_status skimp_job_plan(skimp_job *job, const skimp_plan **plan, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (!job->is_planned) {
        const uint64_t limit = skimp_budget_limit(job->budget);
        skimpi_layout chosen;
        SKIMPI_TRY(skimpi_job_roles(job, error));
        SKIMPI_TRY(measure_program(job, error));
        if (job->store_is_input) {
            forecast_store(job, &job->forecast);
        } else {
            SKIMPI_TRY(forecast_sample(job, &job->forecast, error));
        }
        SKIMPI_TRY(choose_layout(job, &job->forecast, limit, &chosen, error));
        job->layout = chosen;
        fill_plan(job, limit);
        job->is_planned = true;
    }
    *plan = &job->plan;
out:
    if (status == SKIMP_ERROR_BUDGET) {
        skimpi_job_name_minimum(&job->options, error);
    }
    return status;
}

skimp_status skimpi_job_prepare(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_plan *plan;
    SKIMPI_TRY(skimp_job_plan(job, &plan, error));
    const uint64_t limit = skimp_budget_limit(job->budget);
    if (plan->peak_bytes > usable_budget(limit)) {
        status = SKIMP_ERROR_BUDGET;
        refuse_budget(plan->minimum_bytes, limit, error);
        if (error != NULL) {
            error->requested = plan->peak_bytes;
            error->in_use = skimp_budget_in_use(job->budget);
        }
        goto out;
    }
    if (job->is_spent) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "a job runs once: make another"));
    }
    job->is_spent = true;
    SKIMPI_TRY(skimpi_pool_create(&job->pool, job->budget, job->layout.workers, error));
    job->report.threads = job->layout.workers;
out:
    return status;
}

skimp_status skimpi_job_prepare_apply(skimp_job *job, uint64_t fixed, uint64_t per_worker, uint64_t per_row, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t limit = skimp_budget_limit(job->budget), budget = usable_budget(limit);
    skimpi_forecast *f = &job->forecast;
    if (job->is_spent) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "a job runs once: make another"));
    }
    job->is_spent = true;
    SKIMPI_TRY(measure_program(job, error));
    SKIMPI_TRY(forecast_sample(job, f, error));
    unsigned workers = job->options.n_threads > 0 ? job->options.n_threads : skimpi_os_cpu_count();
    workers = (unsigned)skimpi_max_u64(1, skimpi_min_u64(workers, f->chunks));
    uint64_t peak = 0;
    for (;; workers--) {
        const skimpi_ingest_cost cost = skimpi_ingest_plan(job->schema, f->text_hint > 0 ? f->text_hint : f->unit_bytes, f->longest_row, f->unit_rows, f->unit_nonzeros, workers, false);
        peak = job->layout.program + SMALL_BLOCKS + (uint64_t)(workers - 1) * SKIMPI_STACK_CHARGE + cost.input + cost.parse + fixed +
               workers * (per_worker + per_row * f->unit_rows * 5 / 4) +
               skimpi_input_memory(job->input);
        if (peak <= budget || workers == 1) {
            break;
        }
    }
    if (peak > budget) {
        status = SKIMP_ERROR_BUDGET;
        refuse_budget(peak + (limit - budget), limit, error);
        if (error != NULL) {
            error->requested = peak;
            error->in_use = skimp_budget_in_use(job->budget);
        }
        goto out;
    }
    job->layout.workers = workers;
    SKIMPI_TRY(skimpi_pool_create(&job->pool, job->budget, workers, error));
    job->report.threads = workers;
out:
    return status;
}
