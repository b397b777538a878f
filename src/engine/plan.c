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
#include "data/encoding.h"
#include "data/target_set.h"
#include "engine/engine.h"
#include "os/os.h"

/* What jobs charge beside the terms below: options, schema, stages, small blocks, and the slack of the small-block heap. */
#define SMALL_BLOCKS (96u << 10)
#define FURTHER_BLOCKS                                                                                                 \
    (48u << 10) /* of those, what is yet to come when a job is planned; the schema of many columns is there */
/* A program up to this size (the command, linked with all it needs) is made resident whole: docs/decisions/0004. */
#define PROGRAM_IMAGE_SMALL (8u << 20)
#define PROGRAM_GROWTH_MAX (1152u << 10) /* of a larger one (Python), what a job touches further at most */
#define PROGRAM_GRAIN (64u << 10)
#define PROGRAM_OTHER_MIN (192u << 10) /* stack, heap and data of the command: about 70 KiB, give or take a page */
/* Estimates from a sample are raised by this, so that they are bounds on ordinary files. */
#define SAMPLE_SLACK 1.04
#define NEW_TEXT_SLACK 1.06 /* texts of one unit may be longer than those of the others */

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

/* Where each text column's features lie, given how many codes each has (as design.c lays them out). */
static void place_codes(skimp_job *job)
{
    const skimpi_schema *schema = job->schema;
    uint64_t feature = 0;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        if (column->role != SKIMPI_ROLE_FEATURE) {
            continue;
        }
        if (column->type == SKIMPI_TYPE_NUMERIC) {
            feature++;
        } else if (schema->hash_bits == 0) {
            job->code_features[column->slot] = feature;
            feature += job->code_sizes[column->slot];
        }
    }
    for (uint32_t slot = 0; schema->hash_bits > 0 && slot < schema->n_category; slot++) {
        job->code_features[slot] = feature;
        job->code_sizes[slot] = 1u << schema->hash_bits;
    }
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
        job->code_sizes[slot] = (uint32_t)n;
        f->categories += n;
        f->category_memory += skimpi_dictionary_bytes(n, text, f->longest_row > 0 ? f->longest_row : UINT64_MAX) +
                              skimp_alloc_cost(n * sizeof(uint32_t));
        f->features += n;
        const uint64_t new = skimpi_min_u64(n, f->unit_rows);
        f->new_categories += new;
        f->new_texts += clamp_u64((double)new * job->sample.category_bytes[slot] * NEW_TEXT_SLACK);
    }
}

/* What decoders of chunks of unit_rows keep beside them, from the sample. */
static skimpi_area expected_area(const skimp_job *job, const skimpi_forecast *f)
{
    const skimpi_schema *schema = job->schema;
    const skimpi_sample *sample = &job->sample;
    const uint64_t rows = f->unit_rows;
    const uint64_t doubles = (uint64_t)(schema->target >= 0) + (schema->weight >= 0);
    uint64_t memory = doubles * skimpi_column_bytes(rows, 8), file = memory;
    if (schema->sparse) {
        const uint64_t indices = skimpi_column_bytes(f->unit_nonzeros, schema->index64 ? 8 : 4);
        const uint64_t values = skimpi_column_bytes(f->unit_nonzeros, sample->numeric_bytes[0] > 4 ? 8 : 4);
        const bool has_values = sample->numeric_bytes[0] > 0;
        /* Where features are few enough that no index of a chunk may take more than 16 bits, they are not used in place. */
        file += f->n_sparse <= 4 * 65536 || schema->index64 ? indices : 0;
        memory += skimpi_column_bytes(rows + 1, 4) + indices + (has_values ? values : 0);
        return (skimpi_area){ .memory = memory, .file = file, .ones = has_values ? 0 : values };
    }
    for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
        memory += skimpi_column_bytes(rows, sample->decoded[slot].memory);
        file += skimpi_column_bytes(rows, sample->decoded[slot].file);
    }
    memory += schema->n_category * skimpi_column_bytes(rows, 4);
    file += schema->n_category * skimpi_column_bytes(rows, 4);
    return (skimpi_area){ .memory = memory, .file = file };
}

/* What a column of values of `width` bytes takes in a chunk beyond the values, at most, where chunks have about so many rows. */
static double padding(double width, double rows)
{
    const uint64_t w = (uint64_t)width;
    if (width > (double)w) { /* decimals: a block of 16 and 64 bytes, at most */
        return (double)sizeof(skimpi_chunk_column) + 112;
    }
    const double most = w > 4 ? 16.0 * (double)w : 64,
                 near = (double)skimpi_column_bytes(clamp_u64(rows * 1.03) + 1, w) - rows * (double)w;
    return (double)sizeof(skimpi_chunk_column) + (w == 0 ? 0 : near < most ? near : most);
}

/*
 * Counting so many distinct targets: the set grows in steps, the last two of which are held at once; at the end the last
 * one and the list that is made of it (target_set.c).
 */
uint64_t skimpi_plan_targets(uint64_t distinct)
{
    uint64_t last = 0;
    const uint64_t set = skimpi_target_set_bytes(distinct, &last);
    const uint64_t list = 2 * skimp_alloc_cost(skimpi_min_u64(distinct, SKIMPI_MAX_CLASSES) * sizeof(double));
    return skimpi_max_u64(set, last + list);
}

/* A copy on disk of what cannot be read in order. */
static uint64_t spool_bytes(const skimp_job *job, const skimpi_forecast *f)
{
    const bool is_scattered = job->input != NULL && !skimpi_input_seekable(job->input) &&
                              job->reader_class->is_scattered != NULL && job->reader_class->is_scattered(job->reader);
    return is_scattered ? f->text_bytes : 0;
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
        const uint64_t header = skimpi_min_u64(job->reader_class->data_start(job->reader), f->text_bytes);
        f->rows = clamp_u64((double)(f->text_bytes - header) / row * (f->exact ? 1 : 1.01)) + 1;
        const uint64_t per_unit = clamp_u64((double)f->unit_bytes / row * 1.12) + 16;
        f->unit_rows = (uint32_t)skimpi_min_u64(per_unit, f->unit_bytes);
        f->chunks = f->text_bytes / f->unit_bytes + job->options.n_inputs;
        if (f->text_bytes < f->unit_bytes && skimpi_input_seekable(job->input)) {
            f->text_hint = f->text_bytes;
        }
        if (f->text_bytes < f->unit_bytes) {
            f->unit_rows = (uint32_t)skimpi_min_u64(f->unit_rows, clamp_u64((double)f->rows * SAMPLE_SLACK) + 2);
        }
    } else {
        /* Further files are like the first. */
        const double files =
            is_known && sample->text_bytes > 0 ? (double)f->text_bytes / (double)sample->text_bytes : 1;
        f->rows = clamp_u64((double)sample->n_rows * files);
        f->chunks = clamp_u64(ceil((double)job->reader_class->unit_count(job->reader) * files));
        const uint64_t row_bytes = sample->row_bytes > 1 ? (uint64_t)sample->row_bytes : 1;
        f->unit_rows = (uint32_t)skimpi_max_u64(
            1, skimpi_min_u64(f->rows, job->reader_class->unit_bytes(job->reader, schema) / row_bytes));
        f->unit_bytes = 0;
    }
    f->unit_nonzeros = sample->unit_nonzeros > 0
                           ? sample->unit_nonzeros
                           : clamp_u64(sample->nonzeros_per_row * f->unit_rows * (f->exact ? 1 : 1.1));
    f->nonzeros = clamp_u64(sample->nonzeros_per_row * (double)f->rows);
    double row_store = sample->target_bytes + (schema->weight >= 0 ? 8 : 0);
    const double chunk_rows = (double)f->rows / (double)skimpi_max_u64(f->chunks, 1);
    double overhead = 128 + 64 + padding(8, chunk_rows) + padding(8, chunk_rows); /* header, rounding, target, weight */
    if (schema->sparse) {
        f->n_sparse = f->features = sample->n_sparse_features;
        overhead += 3 * padding(8, (double)f->rows);
        row_store += 4 + sample->nonzeros_per_row * ((f->n_sparse <= 65536        ? 2
                                                      : f->n_sparse <= UINT32_MAX ? 4
                                                                                  : 8) +
                                                     4);
    } else {
        f->n_dense = f->features = schema->n_numeric;
        f->n_code_columns = schema->n_category;
        forecast_categories(job, f);
        place_codes(job);
        skimpi_design_forecast(job, f, false);
        for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
            row_store += sample->numeric_bytes[slot];
            overhead += padding(sample->numeric_bytes[slot], chunk_rows);
        }
        for (uint32_t slot = 0; slot < schema->n_category; slot++) {
            const double bytes = schema->hash_bits > 16  ? 4
                                 : schema->hash_bits > 8 ? 2
                                                         : code_bytes(sample->categories[slot]);
            row_store += bytes;
            overhead += padding(bytes, chunk_rows);
        }
    }
    f->category_memory += job->arrays != NULL ? skimpi_arrays_map_bytes(job->arrays) : 0;
    f->area = expected_area(job, f);
    f->chunk_bytes = clamp_u64(row_store * f->unit_rows + overhead);
    f->store_bytes =
        clamp_u64((row_store * (double)f->rows + overhead * (double)f->chunks) * (f->exact ? 1 : SAMPLE_SLACK));
    const bool is_counted = sample->classes < 2048 && (sample->classes > 0 || schema->target < 0);
    const uint64_t distinct = is_counted ? 4 * (uint64_t)sample->classes : f->rows;
    f->target_bytes = skimpi_plan_targets(skimpi_min_u64(distinct, f->rows));
    f->classes = sample->classes > 2 ? sample->classes : 2;
out:
    return status;
}

static void forecast_store(skimp_job *job, skimpi_forecast *f)
{
    const skimpi_schema *schema = job->schema;
    const skimpi_summary *summary = skimpi_store_summary(job->store);
    const bool are_bounds = skimpi_store_has_bounds(job->store);
    f->exact = !are_bounds;
    f->rows = summary->n_rows;
    f->chunks = summary->n_chunks;
    f->nonzeros = summary->nonzeros;
    f->unit_rows = summary->largest_chunk_rows;
    f->unit_nonzeros = summary->largest_chunk_nonzeros;
    f->chunk_bytes = summary->largest_chunk_bytes;
    f->area = summary->largest_area;
    f->target_bytes =
        2 * skimp_alloc_cost(summary->n_target_values * sizeof(double)); /* distinct targets and their counts */
    if ((skimpi_store_place(job->store) == SKIMPI_PLACE_CALLER || are_bounds) && summary->n_target_values > 0) {
        f->target_bytes =
            skimpi_max_u64(f->target_bytes, skimpi_plan_targets(summary->n_target_values)); /* counted for the plan */
    }
    f->store_bytes = summary->store_bytes;
    f->n_sparse = schema->sparse ? schema->n_sparse_features : 0;
    f->n_dense = schema->n_numeric;
    f->n_code_columns = schema->n_category;
    f->features = f->n_sparse + f->n_dense;
    f->category_memory = skimp_budget_tag_in_use(job->budget, SKIMP_TAG_CATEGORIES); /* the dictionaries */
    f->category_memory += are_bounds ? skimpi_store_rows_bytes(job->store) : 0;
    for (uint32_t slot = 0; slot < schema->n_category && schema->hash_bits == 0; slot++) {
        const uint64_t n = skimpi_dictionary_size(schema->dictionaries[slot]);
        f->categories += n;
        f->category_memory += skimp_alloc_cost(n * sizeof(uint32_t));
        job->code_sizes[slot] = (uint32_t)n + (summary->category_missing[slot] > 0);
        f->features += job->code_sizes[slot];
    }
    place_codes(job);
    if (!schema->sparse) {
        skimpi_design_forecast(job, f, true);
    }
    f->features += schema->hash_bits > 0 && schema->n_category > 0 ? (uint64_t)1 << schema->hash_bits : 0;
    f->classes = schema->target_type == SKIMPI_TYPE_CATEGORY && schema->target >= 0
                     ? skimpi_dictionary_size(schema->dictionaries[schema->n_category])
                     : summary->n_target_values;
    f->classes = skimpi_max_u64(f->classes, 2); /* what is wrong with fewer, or with too many to list, the fit says */
}

static skimpi_problem expected_problem(const skimp_job *job, const skimpi_forecast *f, unsigned workers)
{
    return (skimpi_problem){
        .n_rows = f->rows,
        .is_exact = f->exact,
        .n_features = skimpi_forecast_features(f),
        .n_dense = f->n_dense + f->new_floats + f->new_doubles - f->goes,
        .n_code_columns = f->n_code_columns,
        .n_sparse = f->n_sparse + f->new_sparse,
        .nonzeros = f->nonzeros,
        .n_classes = skimpi_pipeline_classifies(&job->pipeline) ? f->classes : 0,
        .chunk_rows = f->unit_rows,
        .n_chunks = f->chunks,
        .weighted = job->schema->weight >= 0,
        .n_threads = workers,
        .has_rows = skimpi_job_has_rows(job),
        .partial = job->options.partial,
        .code_features = job->code_features,
        .code_sizes = job->code_sizes,
    };
}

/*
 * The estimator's terms.  How many classes a text target has is known within bounds, and fewer of them may take more (lanes
 * of an accumulator are fewer where each is larger): the most that any count between takes.
 */
static skimp_status plan_estimator(const skimp_job *job, skimpi_problem problem, skimpi_layout *layout,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_stage *stage = &job->pipeline.estimator;
    const uint32_t most = problem.n_classes;
    const uint32_t seen = job->sample.classes_seen;
    const uint32_t least =
        problem.is_exact || seen == 0 ? most : (uint32_t)skimpi_min_u64(most, skimpi_max_u64(seen, 2));
    const uint32_t step = (most - least) / 64 + 1;
    uint64_t model = 0;
    for (uint32_t n = least;; n = (uint32_t)skimpi_min_u64((uint64_t)n + step, most)) {
        problem.n_classes = n;
        SKIMPI_TRY(stage->class->plan(&problem, stage->params, &layout->needs, error));
        layout->row_bytes = skimpi_max_u64(layout->row_bytes, layout->needs.row_state_bytes);
        layout->solver = skimpi_max_u64(layout->solver, layout->needs.state_bytes);
        layout->accumulators =
            skimpi_max_u64(layout->accumulators, skimpi_lanes_cost(&layout->needs, problem.n_threads));
        model = skimpi_max_u64(model, layout->needs.model_bytes);
        if (n == most) {
            break;
        }
    }
    layout->model += model;
out:
    return status;
}

/* How many work, and what is in memory: what a budget decides. */
typedef struct way {
    unsigned workers;
    bool in_memory, rows_in_memory; /* the store; the row state */
} way;

/*
 * Ways to run a job, best first; false past the last.  With all workers: everything in memory; the store on disk, which is
 * only read; the row state on disk instead, which is read and written; both.  Then with fewer and fewer workers, and the
 * store on disk.  At last one worker and the store in memory, which is best for what is tiny.  may_hold: whether the store
 * and the row state can be in memory at all (a store that is a file cannot, nor can row state where there is none).
 */
static bool nth_way(unsigned i, unsigned most, bool may_hold, bool may_hold_rows, way *found)
{
    const unsigned stores = 1 + may_hold, states = 1 + may_hold_rows;
    const unsigned first = stores * states, fewer = states * (most - 1), last = may_hold ? states : 0;
    if (i < first) {
        *found = (way){ most, may_hold && i % stores == 0, may_hold_rows && i / stores == 0 };
    } else if (i < first + fewer) {
        const unsigned k = i - first;
        *found = (way){ most - 1 - k / states, false, may_hold_rows && k % states == 0 };
    } else {
        *found = (way){ 1, true, may_hold_rows && (i - first - fewer) % states == 0 };
    }
    return i < first + fewer + last;
}

/* Where the chunks are between passes. */
static skimpi_place store_place(const skimp_job *job, bool in_memory)
{
    return job->store_is_input         ? skimpi_store_place(job->store)
           : skimpi_job_each_pass(job) ? SKIMPI_PLACE_SOURCE
           : in_memory                 ? SKIMPI_PLACE_MEMORY
                                       : SKIMPI_PLACE_SPILL;
}

/* What the job takes in a way. */
static skimp_status lay_out(const skimp_job *job, const skimpi_forecast *f, const way *chosen, skimpi_layout *layout,
                            skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const unsigned workers = chosen->workers;
    const bool in_memory = chosen->in_memory;
    const skimpi_schema *schema = job->schema;
    const skimpi_problem problem = expected_problem(job, f, workers);
    const bool reads = job->store == NULL; /* else the data is in it, or has gone through it, already */
    double step_passes = 0;
    uint64_t names = 0; /* of features, while the estimator is fitted */
    *layout = (skimpi_layout){ .workers = workers,
                               .in_memory = in_memory,
                               .rows_in_memory = chosen->rows_in_memory,
                               .program = job->layout.program };
    layout->other =
        skimpi_max_u64(SMALL_BLOCKS, skimp_budget_tag_in_use(job->budget, SKIMP_TAG_OTHER) + FURTHER_BLOCKS) +
        f->step_memory;
    layout->threads = skimpi_pool_bytes(workers);
    layout->categories = f->category_memory;
    const skimpi_place where = store_place(job, in_memory);
    const bool is_spilled = where == SKIMPI_PLACE_SPILL;
    uint64_t source = 0, source_input = 0; /* what it takes to read the batches once more */
    layout->store = skimpi_store_bytes(schema, f->store_bytes, where) + f->target_bytes;
    layout->store += skimpi_pipeline_fits(&job->pipeline) ? 0 : skimpi_store_writing_bytes();
    layout->disk = skimpi_add_sat(is_spilled ? f->store_bytes : 0, spool_bytes(job, f));
    if (reads) {
        const skimpi_ingest_cost cost =
            skimpi_ingest_plan(schema, f->text_hint > 0 ? f->text_hint : f->unit_bytes, f->longest_row, f->unit_rows,
                               f->unit_nonzeros, skimpi_encoded_hint(f), workers, true);
        layout->input = cost.input + (job->arrays != NULL ? skimp_budget_tag_in_use(job->budget, SKIMP_TAG_INPUT)
                                                          : skimpi_input_memory(job->input));
        layout->parse = skimpi_add_sat(
            cost.parse, skimpi_mul_sat(workers, skimpi_raw_fresh_bytes(f->new_categories, f->new_texts)));
    }
    const bool has_estimator = job->pipeline.estimator.class != NULL;
    if (skimpi_pipeline_fits(&job->pipeline)) {
        SKIMPI_TRY(skimpi_plan_steps(job, f, layout, &step_passes, error));
        const uint64_t step_models = layout->model;
        uint64_t models = step_models;
        for (unsigned i = 0; has_estimator && i < skimpi_plan_shapes(f); i++) {
            layout->model = step_models;
            SKIMPI_TRY(plan_estimator(job, skimpi_plan_shape(f, problem, i), layout, error));
            models = skimpi_max_u64(models, layout->model);
        }
        layout->model = models;
        layout->chunks = skimpi_reading_bytes(job, f, where, workers);
        source = skimpi_reading_source_bytes(job, f, where, workers);
        source_input = source > 0 ? skimp_budget_tag_in_use(job->budget, SKIMP_TAG_INPUT) : 0;
        if (layout->needs.window > 0) {
            layout->chunks += skimpi_windows_bytes(job, f, where, workers, layout->needs.window);
        }
        skimpi_job_plan_row_state(job, f, layout);
        layout->solver += job->options.checkpoint != NULL ? skimpi_checkpoint_bytes(layout->solver) : 0;
        layout->categories += 2 * skimp_alloc_cost(problem.n_classes * sizeof(double)) +
                              skimp_alloc_cost(problem.n_classes * sizeof(uint32_t));
        if (job->options.holdout > 0) {
            /* Scoring comes when the lanes are gone. */
            const uint64_t scoring = skimpi_held_out_bytes(job, f, &problem);
            layout->accumulators = skimpi_max_u64(layout->accumulators, scoring);
        }
        const uint64_t features = skimpi_forecast_features(f);
        if (has_estimator && !schema->sparse && features <= SKIMPI_MAX_NAMED_FEATURES) {
            names = skimp_alloc_cost(f->names) + skimp_alloc_cost(features * sizeof(char *));
        }
        layout->needs.passes_expected += step_passes;
        layout->needs.passes_max += step_passes;
    }
    const uint64_t arrays = layout->model;
    layout->model = skimpi_pipeline_fits(&job->pipeline) ? skimpi_model_bytes(job, f, arrays) : 0;
    const uint64_t always = layout->program + layout->threads + layout->other + layout->categories + layout->store;
    const uint64_t reading = skimpi_add_sat(always, layout->input + layout->parse);
    const uint64_t fitting =
        skimpi_add_sat(skimpi_add_sat(skimpi_add_sat(always, layout->row_state),
                                      skimpi_add_sat(layout->chunks, layout->statistics + arrays)),
                       skimpi_add_sat(layout->accumulators, layout->solver) + names + source + source_input);
    layout->categories += names;
    layout->parse = skimpi_max_u64(layout->parse, source);
    layout->input = skimpi_max_u64(layout->input, source_input);
    /* The model is made when chunks, row state and accumulators are gone. */
    const uint64_t making =
        skimpi_add_sat(skimpi_add_sat(always, layout->statistics), skimpi_add_sat(layout->solver, layout->model));
    layout->peak = skimpi_max_u64(skimpi_max_u64(reading, fitting), making);
out:
    return status;
}

/* In a container whose limit is the budget, page tables, kernel stacks and cache count too: keep room for them. */
static uint64_t usable_budget(const skimp_job *job, uint64_t limit)
{
    if (job->cgroup > limit) {
        return limit;
    }
    const uint64_t reserve = skimpi_max_u64(4u << 20, job->cgroup / 16);
    return job->cgroup > reserve ? job->cgroup - reserve : 0;
}

/* What is less than a unit goes to the worker before: a further worker would cost more than it saves. */
static unsigned useful_workers(const skimp_job *job, const skimpi_forecast *f, unsigned most)
{
    if (job->sample.unknown_rows) {
        return most;
    }
    const uint64_t units = f->unit_bytes > 0 ? f->text_bytes / f->unit_bytes + job->options.n_inputs - 1 : f->chunks;
    return (unsigned)skimpi_max_u64(1, skimpi_min_u64(most, units));
}

static skimp_status choose_layout(skimp_job *job, const skimpi_forecast *f, uint64_t limit, skimpi_layout *chosen,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t budget = usable_budget(job, limit);
    const uint64_t reserve = limit - skimpi_min_u64(limit, budget);
    unsigned most = job->options.n_threads > 0 ? job->options.n_threads : skimpi_os_cpu_count();
    most = useful_workers(job, f, most);
    /* A store to keep (convert) is never held in memory; one that was given is a file. */
    const bool may_hold = !job->store_is_input && !skimpi_job_each_pass(job) && skimpi_pipeline_fits(&job->pipeline) &&
                          (job->arrays == NULL || skimpi_job_may_hold_arrays(job));
    skimpi_layout least;
    way one = { .workers = 1 };
    SKIMPI_TRY(lay_out(job, f, &one, &least, error));
    const bool may_hold_rows = least.row_bytes > 0;
    uint64_t smallest = least.peak;
    for (unsigned i = 0; nth_way(i, 1, may_hold, may_hold_rows, &one); i++) {
        SKIMPI_TRY(lay_out(job, f, &one, &least, error));
        smallest = skimpi_min_u64(smallest, least.peak);
    }
    for (unsigned i = 0; nth_way(i, most, may_hold, may_hold_rows, &one); i++) {
        SKIMPI_TRY(lay_out(job, f, &one, chosen, error));
        if (chosen->peak <= budget) {
            break;
        }
    }
    smallest = skimpi_max_u64(smallest, job->looked);
    chosen->peak = skimpi_max_u64(chosen->peak, job->looked);
    chosen->minimum = skimpi_round_up(skimpi_add_sat(smallest, reserve), skimpi_os_page_size());
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
        job->assumed[n++] = (skimp_assumption){ "features", (double)skimpi_forecast_features(f) };
        job->assumed[n++] = (skimp_assumption){ "longest_line", (double)f->longest_row };
        if (f->categories > 0) {
            job->assumed[n++] = (skimp_assumption){ "categories", (double)f->categories };
        }
        if (f->nonzeros > 0) {
            job->assumed[n++] = (skimp_assumption){ "nonzeros", (double)f->nonzeros };
        }
        if (skimpi_pipeline_classifies(&job->pipeline)) {
            job->assumed[n++] = (skimp_assumption){ "classes", f->classes };
        }
    }
    const double cores = layout->workers;
    const bool in_place = job->store_is_input && job->arrays != NULL;
    const bool is_looked_at = skimpi_job_wants_look(job); /* once, before the passes */
    const bool is_source = skimpi_job_each_pass(job);
    const double read_seconds = is_looked_at ? (double)f->store_bytes / (5e9 * cores)
                                : job->store_is_input
                                    ? 0
                                    : (double)f->text_bytes / (350e6 * cores) + (double)f->rows * 10e-9;
    const unsigned first_pass = !job->store_is_input || is_looked_at;
    const double pass_seconds = skimpi_max_u64((uint64_t)(layout->needs.seconds_per_pass * 1e6), 0) / 1e6 / cores +
                                (double)f->store_bytes / (2.5e9 * cores) +
                                2 * (double)skimpi_mul_sat(f->rows, layout->row_bytes) / (2.5e9 * cores) +
                                (is_source ? read_seconds : 0);
    job->plan = (skimp_plan){
        .exact = f->exact, .assumed = job->assumed, .n_assumed = n, .budget_bytes = limit, .peak_bytes = layout->peak, .minimum_bytes = layout->minimum,
        .disk_bytes = layout->disk, .passes_expected = first_pass + layout->needs.passes_expected,
        .passes_max = first_pass + layout->needs.passes_max, .seconds = read_seconds + layout->needs.passes_expected * pass_seconds,
        .chunk_rows = f->unit_rows, .store = in_place ? "caller" : job->store_is_input ? "file" : is_source ? "source" : layout->in_memory ? "memory" : "disk", .threads = layout->workers,
        .rows = f->rows, .features = skimpi_forecast_features(f), .nonzeros = f->nonzeros,
        .memory = {
            [SKIMP_TAG_PROGRAM] = layout->program, [SKIMP_TAG_THREADS] = layout->threads, [SKIMP_TAG_INPUT] = layout->input,
            [SKIMP_TAG_PARSE] = layout->parse, [SKIMP_TAG_CATEGORIES] = layout->categories, [SKIMP_TAG_STORE] = skimpi_add_sat(layout->store, layout->row_state),
            [SKIMP_TAG_CHUNKS] = layout->chunks, [SKIMP_TAG_STATISTICS] = layout->statistics, [SKIMP_TAG_ACCUMULATORS] = layout->accumulators,
            [SKIMP_TAG_SOLVER] = layout->solver, [SKIMP_TAG_MODEL] = layout->model, [SKIMP_TAG_OTHER] = layout->other,
        },
    };
}

/*
 * The program's own share: what is resident now, and the code that it has yet to touch; and what others hold beside the job.
 *
 * A process that is not the job's alone, and had more such code than a job touches, is not measured again: that takes
 * milliseconds, and what it would say is less at most.
 */
static skimp_status measure_program(const skimp_job *job, uint64_t *bytes, skimp_error *error)
{
    static atomic_bool is_large = false;
    skimp_status status = SKIMP_OK;
    skimpi_os_memory memory;
    if (!job->options.whole_process && atomic_load(&is_large)) {
        *bytes = PROGRAM_GROWTH_MAX;
        return SKIMP_OK;
    }
    if (job->options.whole_process) {
        skimpi_budget_trim(); /* what was freed is no one's: how much of it is still there differs with what went before */
    }
    SKIMPI_TRY(skimpi_os_memory_now(&memory, error));
    uint64_t growth = skimpi_min_u64(memory.image - memory.image_resident, PROGRAM_GROWTH_MAX);
    if (job->options.whole_process) {
        if (memory.image <= PROGRAM_IMAGE_SMALL) {
            /*
             * What a run touches of its code differs from run to run (it hangs on the linker's random addresses), and a
             * budget that one run names another would refuse. All of it is the same every time.
             */
            skimpi_os_populate_image();
            growth = memory.image - memory.image_resident;
        }
        const uint64_t known = memory.image_resident + skimp_budget_in_use(job->budget) + job->beside;
        const uint64_t other = memory.resident - skimpi_min_u64(memory.resident, known);
        const bool was_more =
            job->model_bytes == 0 && /* else it is known what was: the model, being loaded */
            job->base_peak > memory.resident + PROGRAM_GROWTH_MAX; /* really more, not the kernel's rounding */
        *bytes =
            skimpi_max_u64(skimpi_round_up(other, PROGRAM_GRAIN), PROGRAM_OTHER_MIN) + memory.image_resident + growth;
        *bytes = skimpi_max_u64(*bytes, was_more ? job->base_peak : 0);
    } else {
        *bytes = growth;
        atomic_store(&is_large, growth == PROGRAM_GROWTH_MAX);
    }
out:
    return status;
}

static skimp_status charge_program(skimp_job *job, uint64_t bytes, skimp_error *error)
{
    const skimp_status status = skimp_budget_charge(job->budget, SKIMP_TAG_PROGRAM, bytes, error);
    job->layout.program = status == SKIMP_OK ? bytes : 0;
    return status;
}

static void refuse_budget(uint64_t minimum, uint64_t limit, skimp_error *error)
{
    (void)!skimpi_fail(error, SKIMP_ERROR_BUDGET,
                       "a budget of %.1f MiB is too small: the smallest that works is %.1f MiB", (double)limit / 0x1p20,
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
void skimpi_job_name_minimum(const skimp_job_options *options, uint64_t beside, skimp_error *error)
{
    skimp_job_options roomy = *options;
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    if (error == NULL || options->max_memory == 0 || error->minimum_bytes > 0 || options->data != NULL) {
        return; /* (with arrays, a job was planned in what is free from the beginning) */
    }
    for (size_t i = 0; i < options->n_inputs; i++) {
        if (strcmp(options->inputs[i], "-") == 0) {
            return; /* not to be read twice */
        }
    }
    roomy.max_memory = 0;
    roomy.progress = NULL;
    if (skimp_job_create(&job, &roomy, NULL) == SKIMP_OK) {
        job->beside = beside;
        job->base_peak = 0; /* the mark is that of the job that failed */
        if (skimp_job_plan(job, &plan, NULL) == SKIMP_OK && plan->minimum_bytes > options->max_memory) {
            const skimp_error before = *error;
            *error = (skimp_error)SKIMP_ERROR_INIT;
            refuse_budget(plan->minimum_bytes, options->max_memory, error);
            error->requested = before.requested;
            error->in_use = before.in_use;
        }
    }
    skimp_job_destroy(job);
}

skimp_status skimp_job_plan(skimp_job *job, const skimp_plan **plan, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (!job->is_planned) {
        const uint64_t limit = skimpi_job_limit(job);
        skimpi_layout chosen;
        if (job->is_spent) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "a job runs once: make another"));
        }
        SKIMPI_TRY(skimpi_job_roles(job, error));
        SKIMPI_TRY(skimpi_start_columns(job, error));
        if (job->layout.program == 0) { /* else a plan failed after this, and is asked for again */
            uint64_t program = 0;
            SKIMPI_TRY(measure_program(job, &program, error));
            job->looked = skimpi_add_sat(skimp_budget_peak(job->budget), program);
            SKIMPI_TRY(charge_program(job, program, error));
        }
        job->forecast = (skimpi_forecast){ 0 };
        if (job->store_is_input) {
            forecast_store(job, &job->forecast);
        } else {
            SKIMPI_TRY(forecast_sample(job, &job->forecast, error));
        }
        SKIMPI_TRY(skimpi_start_forecast(job, &job->forecast, true, error));
        SKIMPI_TRY(skimpi_forecast_steps(job, &job->forecast, error));
        place_codes(job);
        job->looked = skimpi_max_u64(job->looked, job->is_roomy ? skimp_budget_peak(job->budget) : 0);
        SKIMPI_TRY(choose_layout(job, &job->forecast, limit, &chosen, error));
        if (job->is_roomy && job->looked > limit) {
            refuse_budget(chosen.minimum, limit, error);
            if (error != NULL) {
                error->requested = job->looked;
                error->in_use = skimp_budget_in_use(job->budget);
            }
            status = SKIMP_ERROR_BUDGET;
            goto out;
        }
        skimpi_job_hold_to_limit(job);
        job->layout = chosen;
        fill_plan(job, limit);
        job->is_planned = true;
    }
    *plan = &job->plan;
out:
    if (status == SKIMP_ERROR_BUDGET) {
        skimpi_job_name_minimum(&job->options, skimp_budget_in_use(job->budget) - job->layout.program, error);
    }
    return status;
}

/* As many workers as the system lets there be: fewer take less. */
static skimp_status make_pool(skimp_job *job, unsigned workers, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_pool_create(&job->pool, job->budget, workers, error));
    job->layout.workers = job->report.threads = skimpi_pool_size(job->pool);
out:
    return status;
}

skimp_status skimpi_job_prepare(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimp_plan *plan;
    SKIMPI_TRY(skimp_job_plan(job, &plan, error));
    const uint64_t limit = skimp_budget_limit(job->budget);
    if (plan->peak_bytes > usable_budget(job, limit)) {
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
    bool is_less = false;
    SKIMPI_TRY(skimpi_share_enter(job, plan->minimum_bytes, &is_less, error));
    if (is_less) {
        job->is_planned = false;
        SKIMPI_TRY(skimp_job_plan(job, &plan, error));
    }
    skimpi_share_settle(job, plan->peak_bytes, plan->exact);
    job->is_spent = true;
    SKIMPI_TRY(make_pool(job, job->layout.workers, error));
out:
    return status;
}

/* Another pool, with fewer workers. */
static skimp_status shrink_pool(skimp_job *job, unsigned workers, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (workers < skimpi_pool_size(job->pool)) {
        skimpi_pool_destroy(job->pool);
        job->pool = NULL;
        SKIMPI_TRY(make_pool(job, workers, error));
    }
out:
    return status;
}

skimp_status skimpi_job_replan(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_share_reopen(job);
    const uint64_t limit = skimp_budget_limit(job->budget), budget = usable_budget(job, limit);
    const bool held = skimpi_store_place(job->store) == SKIMPI_PLACE_MEMORY;
    skimpi_forecast f = { .text_bytes = job->forecast.text_bytes };
    skimpi_layout now, least = { .peak = UINT64_MAX };
    forecast_store(job, &f);
    if (skimpi_job_each_pass(job)) {
        f.unit_nonzeros = skimpi_max_u64(f.unit_nonzeros, skimpi_batches_nonzeros(job->reader));
    }
    SKIMPI_TRY(skimpi_start_forecast(job, &f, false, error));
    SKIMPI_TRY(skimpi_forecast_steps(job, &f, error));
    place_codes(job);
    /* As it is, or a way after that: what is on disk, or planned to be, stays there. */
    way chosen;
    bool fits = false;
    for (unsigned i = 0; !fits && nth_way(i, job->layout.workers, held, job->layout.rows_in_memory, &chosen); i++) {
        SKIMPI_TRY(lay_out(job, &f, &chosen, &now, error));
        least = now.peak < least.peak ? now : least;
        fits = now.peak <= budget;
    }
    if (!fits) {
        const uint64_t minimum = skimpi_add_sat(least.peak, limit - skimpi_min_u64(limit, budget));
        status = SKIMP_ERROR_BUDGET;
        refuse_budget(skimpi_max_u64(minimum, job->layout.minimum), limit, error);
        if (error != NULL) {
            error->requested = least.peak;
            error->in_use = skimp_budget_in_use(job->budget);
        }
        goto out;
    }
    if (held && !chosen.in_memory) {
        SKIMPI_TRY(skimpi_store_spill(job->store, error));
    }
    SKIMPI_TRY(shrink_pool(job, now.workers, error));
    now.workers = skimpi_pool_size(job->pool);
    now.minimum = job->layout.minimum;
    now.in_container = job->layout.in_container;
    skimpi_share_settle(job, now.peak, true);
    job->layout = now;
    job->forecast = f;
    job->report.disk_bytes += skimpi_store_place(job->store) == SKIMPI_PLACE_SPILL ? f.store_bytes : 0;
out:
    return status;
}

skimp_status skimpi_job_forecast(skimp_job *job, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (job->stored != NULL) {
        /* Its chunks are read as they are: no more need be known. */
        const skimpi_summary *summary = skimpi_store_summary(job->store);
        job->forecast = (skimpi_forecast){ .exact = true,
                                           .rows = summary->n_rows,
                                           .chunks = summary->n_chunks,
                                           .nonzeros = summary->nonzeros,
                                           .unit_rows = summary->largest_chunk_rows,
                                           .unit_nonzeros = summary->largest_chunk_nonzeros,
                                           .text_bytes = summary->store_bytes };
        return SKIMP_OK;
    }
    if (job->arrays != NULL) {
        SKIMPI_TRY(skimpi_arrays_bind(job->arrays, true, error));
    }
    SKIMPI_TRY(forecast_sample(job, &job->forecast, error));
out:
    return status;
}

/* What running a model over inputs takes, for 1 … workers workers: of what is there before, at all, of each. */
typedef struct apply_terms {
    uint64_t before, looked, fixed, alone, per_worker;
} apply_terms;

static uint64_t apply_takes(const skimp_job *job, const apply_terms *t, unsigned n)
{
    const skimpi_forecast *f = &job->forecast;
    skimpi_ingest_cost cost = { 0 };
    if (job->stored == NULL) {
        cost = skimpi_ingest_plan(job->schema, f->text_hint > 0 ? f->text_hint : f->unit_bytes, f->longest_row,
                                  f->unit_rows, f->unit_nonzeros, 0, n, false);
    }
    const uint64_t takes = t->before + SMALL_BLOCKS + skimpi_pool_bytes(n) + cost.input + cost.parse + t->fixed +
                           (n == 1 ? t->alone : skimpi_mul_sat(n, t->per_worker));
    return skimpi_max_u64(takes, t->looked);
}

/* As many workers as a budget has room for, one at least. */
static unsigned apply_workers(const skimp_job *job, const apply_terms *t, uint64_t budget)
{
    const unsigned wanted = job->options.n_threads > 0 ? job->options.n_threads : skimpi_os_cpu_count();
    const unsigned most = useful_workers(job, &job->forecast, wanted);
    unsigned n = 1;
    while (n < most && apply_takes(job, t, n + 1) <= budget) {
        n++;
    }
    return n;
}

skimp_status skimpi_job_prepare_apply(skimp_job *job, uint64_t fixed, uint64_t alone, uint64_t per_worker,
                                      skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t limit = skimpi_job_limit(job), budget = usable_budget(job, limit);
    uint64_t program = 0;
    bool is_less = false;
    SKIMPI_TRY(measure_program(job, &program, error));
    const apply_terms terms = {
        .before = skimp_budget_in_use(job->budget) + program + job->model_bytes,
        .looked = skimpi_max_u64(job->looked, skimp_budget_peak(job->budget) + job->model_bytes) + program,
        .fixed = fixed,
        .alone = alone,
        .per_worker = per_worker,
    };
    const uint64_t least = apply_takes(job, &terms, 1);
    job->layout.in_container = budget < limit;
    job->layout.minimum = skimpi_round_up(least + (limit - budget), skimpi_os_page_size());
    if (least > budget) {
        status = SKIMP_ERROR_BUDGET;
        refuse_budget(job->layout.minimum, limit, error);
        if (error != NULL) {
            error->requested = least;
            error->in_use = skimp_budget_in_use(job->budget);
        }
        goto out;
    }
    SKIMPI_TRY(skimpi_share_enter(job, job->layout.minimum, &is_less, error));
    const unsigned workers = apply_workers(job, &terms, usable_budget(job, skimp_budget_limit(job->budget)));
    job->layout.peak = apply_takes(job, &terms, workers);
    skimpi_share_settle(job, job->layout.peak, job->forecast.exact);
    SKIMPI_TRY(charge_program(job, program + job->model_bytes, error));
    SKIMPI_TRY(make_pool(job, workers, error));
out:
    return status;
}
