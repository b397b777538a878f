/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The plan of the steps: what they take, and what columns they leave to what comes after them.
 *
 * How many columns a step adds or drops is known when it is fitted.  Before, its class says how many it adds at most, from
 * how many of its columns are known to miss no value; and as fewer columns may take more (lanes of an accumulator are fewer
 * where each is larger), whatever comes after is planned for the most that any number between takes.
 */
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"

#define SHAPES 17u

uint64_t skimpi_lanes_cost(const skimpi_needs *needs, unsigned workers)
{
    return skimpi_mul_sat(needs->lanes, skimp_alloc_cost(needs->lane_bytes)) +
           skimpi_mul_sat(workers, skimp_alloc_cost(skimpi_scratch_bytes(needs->worker_bytes)));
}

/* ---- what columns there are --------------------------------------------------------------------------------------------- */

bool skimpi_job_weighs_steps(const skimp_job *job)
{
    return job->schema->weight >= 0 && job->pipeline.estimator.class == NULL;
}

/* How many columns go into a step, when it comes: all of `there` that there are then, or those that it was given by name. */
static uint64_t step_inputs(const skimpi_stage *stage, uint64_t there)
{
    return stage->columns == NULL ? there : stage->n_named;
}

/* Did a step before this one take the missing values of a column of the inputs away? */
static bool was_filled(const skimp_job *job, const skimpi_stage *stage, uint32_t slot)
{
    for (const skimpi_stage *before = job->pipeline.steps; before < stage; before++) {
        if (before->on_text == stage->on_text && before->class->removes_missing &&
            (before->has_slot == NULL || before->has_slot[slot])) {
            return true;
        }
    }
    return false;
}

/* What is known of the data, once it has been read; NULL before: a store that is still to be filled has none of it. */
static const skimpi_summary *known_summary(const skimp_job *job)
{
    return job->store != NULL && skimpi_store_is_finished(job->store) ? skimpi_store_summary(job->store) : NULL;
}

bool skimpi_job_has_spreads(const skimp_job *job, unsigned step)
{
    const skimpi_summary *summary = known_summary(job);
    return !job->schema->sparse && job->options.holdout == 0 && job->arrays == NULL && !skimpi_job_weighs_steps(job) &&
           (summary == NULL || summary->has_spreads) &&
           skimpi_pipeline_sees_data(&job->pipeline, step, job->schema, summary);
}

/*
 * Those of the inputs' own columns among them that miss no value, or miss all of them, once the data has been read.  What
 * arrays of the caller miss is counted only after the plan.
 */
static void count_missing(const skimp_job *job, const skimpi_stage *stage, uint64_t *n_complete, uint64_t *n_empty)
{
    const skimpi_schema *schema = job->schema;
    const skimpi_summary *summary = known_summary(job);
    *n_complete = *n_empty = 0;
    if (summary == NULL || (skimpi_store_place(job->store) == SKIMPI_PLACE_CALLER && !stage->on_text)) {
        return;
    }
    if (schema->sparse) {
        *n_complete = summary->numeric[0].n_missing == 0 ? schema->n_sparse_features : 0;
        return;
    }
    const uint32_t n_slots = stage->on_text ? schema->n_category : schema->n_numeric;
    for (uint32_t slot = 0; slot < n_slots; slot++) {
        const uint64_t missing = was_filled(job, stage, slot) ? 0
                                 : stage->on_text             ? summary->category_missing[slot]
                                                              : summary->numeric[slot].n_missing;
        if (stage->has_slot == NULL || stage->has_slot[slot]) {
            *n_complete += missing == 0;
            *n_empty += missing == summary->n_rows && !stage->on_text;
        }
    }
}

/* Columns on their way through the steps, at most. */
typedef struct columns {
    uint64_t n_dense, n_sparse;
    uint64_t n_new;   /* of the dense ones, those that steps added */
    uint64_t n_whole; /* dense ones that steps added and that miss no value */
} columns;

static void pass_step(columns *c, const skimpi_stage *stage, const skimpi_needs *needs)
{
    const uint64_t n_new = needs->new_floats + needs->new_doubles;
    c->n_dense = c->n_dense + n_new - needs->drops;
    c->n_sparse += needs->new_sparse;
    c->n_new += n_new;
    c->n_whole += stage->class->removes_missing ? n_new : 0;
}

/* The problem of a step. sizes: room for as many numbers as there are text columns. */
static skimpi_problem step_problem(const skimp_job *job, const skimpi_forecast *f, const skimpi_stage *stage,
                                   const columns *c, uint32_t *sizes, unsigned workers)
{
    const uint64_t n = job->schema->sparse ? 0 : step_inputs(stage, stage->on_text ? f->n_code_columns : c->n_dense);
    const uint64_t n_sparse = c->n_sparse;
    uint32_t k = 0;
    for (uint32_t slot = 0; stage->on_text && slot < job->schema->n_category; slot++) {
        if (stage->has_slot == NULL || stage->has_slot[slot]) {
            sizes[k++] = job->code_sizes[slot];
        }
    }
    uint64_t n_complete, n_empty;
    count_missing(job, stage, &n_complete, &n_empty);
    n_complete += stage->columns == NULL ? c->n_whole : 0;
    return (skimpi_problem){
        .n_rows = f->rows,
        .is_exact = f->exact,
        .n_features = n + n_sparse,
        .n_dense = stage->on_text ? 0 : n,
        .n_code_columns = stage->on_text ? n : 0,
        .code_sizes = sizes,
        .n_sparse = n_sparse,
        .nonzeros = f->nonzeros,
        .chunk_rows = f->unit_rows,
        .n_chunks = f->chunks,
        .weighted = skimpi_job_weighs_steps(job),
        .n_threads = workers,
        .n_complete = skimpi_min_u64(n_complete, n + n_sparse),
        .n_empty = n_empty,
        .hash_bits = job->schema->hash_bits,
    };
}

/* What dictionaries grow by when a step enters its texts. */
static uint64_t growth(const skimp_job *job, uint32_t slot, const skimpi_needs *needs)
{
    const uint64_t n_texts = needs->new_text_bytes > 0 ? 2 : 0, n = job->code_sizes[slot];
    if (known_summary(job) != NULL) {
        return skimpi_dictionary_growth(job->schema->dictionaries[slot], n_texts, needs->new_text_bytes);
    }
    const uint64_t bytes = (uint64_t)((double)n * (job->sample.category_bytes[slot] + 1));
    const uint64_t more = bytes + needs->new_text_bytes;
    return skimpi_dictionary_bytes(n + n_texts, more, UINT64_MAX) - skimpi_dictionary_bytes(n, bytes, UINT64_MAX);
}

/* A step on text changes the categories of its columns. */
static void forecast_texts(const skimp_job *job, skimpi_forecast *f, const skimpi_stage *stage,
                           const skimpi_needs *needs)
{
    const skimpi_schema *schema = job->schema;
    const skimpi_summary *summary = known_summary(job);
    uint64_t most = 0;
    for (uint32_t slot = 0; stage->on_text && schema->hash_bits == 0 && slot < schema->n_category; slot++) {
        if (stage->has_slot != NULL && !stage->has_slot[slot]) {
            continue;
        }
        /* What is missing is known once the data is read; the missing category is then counted already. */
        const bool is_complete =
            summary != NULL && (was_filled(job, stage, slot) || summary->category_missing[slot] == 0);
        const bool was_missing = summary != NULL && !is_complete && stage->class->removes_missing;
        const uint64_t n_new = is_complete && !needs->new_texts_anywhere ? 0 : needs->new_texts;
        const uint64_t n = (uint64_t)job->code_sizes[slot] + n_new - was_missing;
        f->category_memory += growth(job, slot, needs) + 2 * sizeof(uint32_t);
        f->features = f->features + n_new - was_missing;
        const char *name = schema->columns[schema->category[slot]].name;
        const uint64_t length = strlen(name);
        f->names += n_new * (length + 2) + needs->new_text_bytes;
        f->names_json += n_new * (skimpi_model_json_bytes(name, length) + 3) + 6 * needs->new_text_bytes;
        f->category_texts += needs->new_text_bytes;
        f->most_categories = skimpi_max_u64(f->most_categories, n + 2);
        job->code_sizes[slot] = (uint32_t)skimpi_min_u64(n, UINT32_MAX);
        most = skimpi_max_u64(most, n + 2);
    }
    f->category_memory += skimp_alloc_cost(2 * most * sizeof(uint32_t)); /* while a column is ranked anew */
}

/* The longest names of columns: bytes, and as JSON. */
typedef struct longest_name {
    uint64_t bytes, json;
} longest_name;

static longest_name longest_column(const skimpi_schema *schema)
{
    longest_name longest = { 0 };
    for (uint32_t c = 0; !schema->sparse && c < schema->n_columns; c++) {
        const char *name = schema->columns[c].name;
        longest.bytes = skimpi_max_u64(longest.bytes, strlen(name));
        longest.json = skimpi_max_u64(longest.json, skimpi_model_json_bytes(name, strlen(name)));
    }
    return longest;
}

/* The names of so many columns that a step adds: bytes, at most. longest: of the columns so far; then with the new ones. */
static uint64_t forecast_names(skimpi_forecast *f, uint64_t n_new, longest_name *longest)
{
    longest->bytes += n_new > 0 ? SKIMPI_LONGER_NAME : 0;
    longest->json += n_new > 0 ? SKIMPI_LONGER_NAME : 0;
    const uint64_t bytes = skimpi_mul_sat(n_new, longest->bytes + 1);
    f->names += bytes;
    f->names_json += skimpi_mul_sat(n_new, longest->json + strlen(", "));
    return bytes;
}

skimp_status skimpi_forecast_steps(skimp_job *job, skimpi_forecast *f, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint32_t *sizes = NULL;
    uint64_t names = 0;
    longest_name longest = longest_column(job->schema);
    columns c = { .n_dense = f->n_dense, .n_sparse = f->n_sparse };
    if (job->pipeline.n_steps == 0) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, f->n_code_columns, sizeof *sizes, (void **)&sizes, error));
    for (unsigned i = 0; i < job->pipeline.n_steps; i++) {
        const skimpi_stage *stage = &job->pipeline.steps[i];
        const skimpi_problem problem = step_problem(job, f, stage, &c, sizes, 1);
        skimpi_needs needs = { 0 };
        SKIMPI_TRY(stage->class->plan(&problem, stage->params, &needs, error));
        f->new_floats += needs.new_floats;
        f->new_doubles += needs.new_doubles;
        f->new_sparse += needs.new_sparse;
        f->csr_doublings += needs.doubles_csr;
        f->goes += needs.drops;
        const uint64_t in_doubt = problem.n_features - problem.n_complete;
        f->may_go += needs.may_drop ? in_doubt - skimpi_min_u64(in_doubt, needs.drops) : 0;
        f->step_memory += skimpi_frame_bind_bytes(stage, problem.n_features - problem.n_sparse);
        forecast_texts(job, f, stage, &needs);
        names += forecast_names(f, needs.new_floats + needs.new_doubles, &longest);
        pass_step(&c, stage, &needs);
    }
    f->step_memory += skimpi_frame_bytes(job->schema->n_numeric, job->schema->n_category, c.n_new, names);
out:
    skimp_free(job->budget, SKIMP_TAG_OTHER, sizes, f->n_code_columns, sizeof *sizes);
    return status;
}

uint64_t skimpi_forecast_features(const skimpi_forecast *f)
{
    return f->features + f->new_floats + f->new_doubles + f->new_sparse - f->goes;
}

/* ---- what they take -------------------------------------------------------------------------------------------------------- */

/* Columns that may be there or not. */
static uint64_t columns_in_doubt(const skimpi_forecast *f)
{
    const uint64_t n = f->new_floats + f->new_doubles + f->new_sparse + f->may_go;
    return skimpi_min_u64(n, skimpi_forecast_features(f));
}

unsigned skimpi_plan_shapes(const skimpi_forecast *f)
{
    return (unsigned)skimpi_min_u64(columns_in_doubt(f) + 1, SHAPES);
}

skimpi_problem skimpi_plan_shape(const skimpi_forecast *f, skimpi_problem problem, unsigned i)
{
    const unsigned n = skimpi_plan_shapes(f);
    const uint64_t fewer = columns_in_doubt(f) - (n > 1 ? columns_in_doubt(f) * i / (n - 1) : 0);
    const uint64_t dense = skimpi_min_u64(fewer, problem.n_dense);
    const uint64_t sparse = skimpi_min_u64(fewer - dense, problem.n_sparse);
    problem.n_dense -= dense;
    problem.n_sparse -= sparse;
    problem.n_features -= dense + sparse;
    problem.n_complete =
        skimpi_min_u64(problem.n_complete, problem.n_dense + problem.n_code_columns + problem.n_sparse);
    return problem;
}

skimp_status skimpi_plan_steps(const skimp_job *job, const skimpi_forecast *f, skimpi_layout *layout, double *passes,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t largest = 0;
    columns c = { .n_dense = f->n_dense, .n_sparse = f->n_sparse };
    uint32_t *sizes = NULL;
    if (job->pipeline.n_steps == 0) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimp_alloc(job->budget, SKIMP_TAG_OTHER, f->n_code_columns, sizeof *sizes, (void **)&sizes, error));
    for (unsigned i = 0; i < job->pipeline.n_steps; i++) {
        const skimpi_stage *stage = &job->pipeline.steps[i];
        skimpi_problem problem = step_problem(job, f, stage, &c, sizes, layout->workers);
        /* What was gathered as the inputs' columns were read says nothing of those that steps added. */
        problem.has_spreads = skimpi_job_has_spreads(job, i) && (stage->columns != NULL || c.n_new == 0);
        /* The columns that steps before may add or drop go into this one when it takes all that there are. */
        const unsigned n_shapes = i > 0 && stage->columns == NULL ? skimpi_plan_shapes(f) : 1;
        skimpi_needs needs = { 0 };
        uint64_t state = 0, model = 0;
        for (unsigned k = 0; k < n_shapes; k++) {
            const skimpi_problem shape = n_shapes > 1 ? skimpi_plan_shape(f, problem, k) : problem;
            SKIMPI_TRY(stage->class->plan(&shape, stage->params, &needs, error));
            state = skimpi_max_u64(state, needs.state_bytes);
            model = skimpi_max_u64(model, needs.model_bytes);
            layout->row_bytes = skimpi_max_u64(layout->row_bytes, needs.row_state_bytes);
            largest = skimpi_max_u64(largest, skimpi_lanes_cost(&needs, layout->workers));
        }
        layout->statistics += state;
        layout->model += model;
        *passes += needs.passes_expected;
        pass_step(&c, stage, &needs);
    }
    layout->statistics += largest;
out:
    skimp_free(job->budget, SKIMP_TAG_OTHER, sizes, f->n_code_columns, sizeof *sizes);
    return status;
}
