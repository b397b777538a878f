/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the engine: what its files share.
 *
 *   job.c         options copied, inputs opened, roles and parameters checked
 *   job_arrays.c  the same of arrays that the caller holds, and the first look at all of them
 *   pipeline.c    steps and estimator by name, parameters, columns of each step
 *   design.c      the encoded feature space: which feature each column becomes
 *   plan.c        memory, passes and disk before the data is read; job_rows.c: what row state takes of them
 *   pass.c        one pass over the store: workers, lanes, transforms; windows.c: the passes of sequential estimators
 *   fit.c         runs a plan: ingest, classes, steps, estimator
 *   checkpoint.c  state at a pass boundary, in a file
 *   model.c       fitted arrays and metadata; model_apply.c: a model over new data
 *   predict.c     predict and score; metrics.c
 */
#ifndef SKIMPI_ENGINE_H
#define SKIMPI_ENGINE_H

#include "data/arrays.h"
#include "data/ingest.h"
#include "data/row_state.h"
#include "estimator/estimator.h"
#include "skimp/job.h"

/* ---- pipeline --------------------------------------------------------------------------------------------------- */

#define SKIMPI_MAX_STEPS 16
#define SKIMPI_MAX_NAMED_FEATURES 65536 /* beyond, features go without names in warnings */

typedef struct skimpi_stage { /* a step, or the estimator at the end */
    const skimpi_estimator_class *class;
    skimpi_params *params;
    char name[64];              /* "standard_scaler", "standard_scaler-2" */
    char *columns;              /* after @: "text" or names by comma; NULL: all numeric columns */
    uint32_t n_inputs;          /* dense columns that it works on (0 for sparse) */
    uint32_t *slots;            /* numeric slots of them, ascending; NULL: all */
    uint8_t *has_slot;          /* per numeric slot */
    uint32_t n_slots_allocated; /* entries of slots and has_slot */
    void *fitted;               /* the class's self; NULL before */
} skimpi_stage;

typedef struct skimpi_pipeline {
    skimp_budget *budget;
    unsigned n_steps;
    skimpi_stage steps[SKIMPI_MAX_STEPS];
    skimpi_stage estimator; /* class NULL: none (convert) */
} skimpi_pipeline;

skimp_status skimpi_pipeline_create(skimpi_pipeline *pipeline, skimp_budget *budget, const char *estimator,
                                    const skimp_setting *params, size_t n_params, const char *const *steps,
                                    size_t n_steps, skimp_error *error);
/* Finds the columns of each step in the schema. */
skimp_status skimpi_pipeline_bind(skimpi_pipeline *pipeline, const skimpi_schema *schema, skimp_error *error);
void skimpi_pipeline_destroy(skimpi_pipeline *pipeline);
/* Applies steps 0 … n - 1 to a chunk in place. view: n_dense entries of scratch. */
void skimpi_pipeline_transform(const skimpi_pipeline *pipeline, unsigned n, skimpi_chunk *chunk,
                               skimpi_dense_column *view);
/* Gives a view of the chunk with the stage's columns only, features 0 … n_inputs - 1. */
void skimpi_stage_view(const skimpi_stage *stage, const skimpi_chunk *chunk, skimpi_chunk *out,
                       skimpi_dense_column *view);
bool skimpi_stage_has_param(const skimpi_stage *stage, const char *name);
/*
 * Do the columns of a step come to it as they are in the data?  summary: of the data; NULL: it is yet to be read, and taken to
 * have no missing values.
 */
bool skimpi_pipeline_sees_data(const skimpi_pipeline *pipeline, unsigned step, const skimpi_summary *summary);
/* May a missing value stay in this numeric slot (a step takes it away)? */
bool skimpi_pipeline_may_miss(const skimpi_pipeline *pipeline, uint32_t slot);

/* ---- design: the encoded feature space ---------------------------------------------------------------------------- */

typedef struct skimpi_design {
    skimp_budget *budget;
    uint64_t n_features, n_dense, n_code_columns, n_sparse;
    uint32_t n_numeric, n_category;
    uint64_t *features;      /* per numeric slot */
    uint64_t *code_features; /* per category slot */
    uint32_t *n_codes;       /* per category slot; the missing category, where there is one, is the last */
    uint32_t *missing_codes; /* per category slot: code of a missing value (n_codes or more: zeros) */
    uint32_t **ranks;        /* per category slot: sorted place of each code; NULL: codes are sorted already */
    uint32_t *rank_sizes;
} skimpi_design;

/* The space of data that has been read (dictionaries complete); category_missing per slot says where a missing category is needed. */
skimp_status skimpi_design_create(skimpi_design *design, skimp_budget *budget, const skimpi_schema *schema,
                                  const uint64_t *category_missing, skimp_error *error);
void skimpi_design_destroy(skimpi_design *design);
void skimpi_design_decoder(const skimpi_design *design, skimpi_decoder_options *options);
/* Missing categories take their codes. */
void skimpi_design_finish_codes(const skimpi_design *design, skimpi_chunk *chunk);
/* Appends the names of all features, each ended by NUL: "distance", "carrier_AA"; sparse data has none. */
skimp_status skimpi_design_names(const skimpi_design *design, const skimpi_schema *schema, skimpi_buffer *out,
                                 skimp_error *error);

/* ---- classes ------------------------------------------------------------------------------------------------------- */

typedef struct skimpi_classes {
    skimp_budget *budget;
    uint32_t n_classes; /* 0: a regressor */
    bool is_text;
    double *values;    /* numeric: ascending values; text: dictionary code of each class */
    double *weights;   /* class_weight of each class, or NULL */
    uint32_t *of_code; /* text: class of each dictionary code */
    uint32_t n_of_code;
} skimpi_classes;

skimp_status skimpi_classes_create(skimpi_classes *classes, skimp_budget *budget, const skimpi_schema *schema,
                                   const skimpi_summary *summary, skimp_error *error);
void skimpi_classes_destroy(skimpi_classes *classes);
/* Replaces target values by class indices, in place. False when a value is not a class (its index is then n_classes). */
bool skimpi_classes_map(const skimpi_classes *classes, uint32_t n, double *target);
/* The label of a class as text, for output; numbers as Python would print them (integers without a point). In `number`, or the schema's. */
#define SKIMPI_LABEL_NUMBER 40
const char *skimpi_classes_label(const skimpi_classes *classes, const skimpi_schema *schema, uint32_t class_index,
                                 char number[SKIMPI_LABEL_NUMBER], size_t *length);

/* ---- forecast and plan ---------------------------------------------------------------------------------------------- */

/* Scratch of a worker as estimators want it: blocks of 4 KiB and more are aligned to 64 bytes. */
static inline uint64_t skimpi_scratch_bytes(uint64_t bytes)
{
    return bytes == 0 ? 0 : skimpi_max_u64(bytes, 4096);
}

/* What is expected of the data: from the sample, or exact from a store. */
typedef struct skimpi_forecast {
    bool exact;
    uint64_t rows, chunks, nonzeros, text_bytes, longest_row, unit_bytes;
    uint64_t text_hint;    /* text of all inputs where it is known and less than a unit, else 0 */
    uint64_t target_bytes; /* distinct targets: counting them, or the list that is kept */
    uint32_t unit_rows;    /* rows of a unit: buffers of the ingest */
    uint64_t unit_nonzeros;
    uint64_t features, n_dense, n_code_columns, n_sparse, categories, category_memory;
    uint64_t names, names_json;                             /* bytes of all features' names; listed in JSON */
    uint64_t new_categories, new_texts;                     /* in a unit, at most: how many, their bytes */
    uint64_t column_names, category_texts, most_categories; /* bytes in a model; categories of one column, at most */
    uint32_t classes;
    uint64_t store_bytes, chunk_bytes; /* encoded: in all, of the largest chunk */
    skimpi_area area;                  /* of decoders */
} skimpi_forecast;
/* Texts that features' names and models are made of: as the dictionaries hold them, else as the sample has it. */
void skimpi_design_forecast(const skimp_job *job, skimpi_forecast *f, bool is_known);

/* How a job will run: what plan computes and fit does. */
typedef struct skimpi_layout {
    unsigned workers;
    bool in_memory;      /* the store */
    bool rows_in_memory; /* the row state */
    uint64_t row_bytes;  /* of a row's state, the most that a stage asks for; 0: none does */
    skimpi_needs needs;  /* of the estimator */
    uint64_t program, threads, input, parse, categories, store, row_state, chunks, statistics, accumulators, solver,
        model, other; /* row_state: in memory; its buffers of chunks are in chunks */
    uint64_t peak, minimum, disk;
    bool in_container; /* the container's limit is the budget: spilled pages are written back early */
} skimpi_layout;

/* ---- job ------------------------------------------------------------------------------------------------------------ */

struct skimp_job {
    skimp_budget *budget;
    skimp_job_options options; /* deep copy */
    void *options_block;       /* what the copy points into */
    size_t options_bytes;
    uint64_t base_resident; /* resident set when the job was created */
    uint64_t base_peak;     /* what the kernel's mark stood at */
    double started;

    skimpi_input *input; /* first input */
    const skimpi_reader_class *reader_class;
    skimpi_reader *reader;
    skimpi_reader_options reader_options;
    uint8_t *may_miss; /* per table column; one entry when sparse */
    uint32_t n_may_miss;
    uint64_t *code_features; /* per category slot: feature of code 0, and number of codes, expected or known */
    uint32_t *code_sizes;
    uint32_t n_code_columns;
    skimpi_schema *schema;
    skimpi_sample sample;
    skimpi_store *store; /* kept store given as input, the caller's arrays as one, or the one being filled */
    bool store_is_input;
    skimpi_arrays *arrays; /* options.data; else NULL */

    skimpi_pipeline pipeline;
    skimpi_forecast forecast;
    skimpi_layout layout;
    bool has_roles, is_planned, is_spent, is_settled; /* settled: the sample is by slot, not by column */
    skimp_plan plan;
    skimp_assumption assumed[8];

    skimpi_pool *pool;
    skimpi_warnings *warnings;
    skimp_report report;
    skimp_metric metrics[8];
    uint64_t model_charge; /* of a model that was made from this job */
    _Atomic int stop;      /* the caller's cancel, or a failure: seen by every worker */

    /* progress */
    const char *phase;
    double phase_started, last_progress;
    uint64_t passes_done;
    _Atomic int progress_busy;
};

/* Bytes that destroyed jobs and models had still charged, in all so far: 0, as tests demand. */
SKIMP_API uint64_t skimpi_leaked_bytes(void);
void skimpi_budget_end(skimp_budget *budget); /* destroys the budget of a job or a model; what leaked is counted */

skimp_status skimpi_options_copy(skimp_job_options *to, void **block, size_t *bytes, skimp_budget *budget,
                                 const skimp_job_options *from, skimp_error *error);
skimp_status skimpi_job_prepare(skimp_job *job,
                                skimp_error *error); /* plan, refuse a budget that is too small, make the pool */
/* Completes a BUDGET error of create or plan with the smallest budget that works. */
void skimpi_job_name_minimum(const skimp_job_options *options, skimp_error *error);
skimp_status skimpi_job_open_inputs(skimp_job *job,
                                    skimp_error *error); /* first input, format, sample, schema (without roles) */
skimp_status skimpi_job_roles(skimp_job *job, skimp_error *error); /* roles of the columns, columns of the steps */
/* Orders the sample by slot, once the roles are known. */
void skimpi_job_settle(skimp_job *job);
/* The target as --target would name it, ended by NUL, appended to out; nothing when there is none. */
skimp_status skimpi_job_target(const skimp_job *job, skimpi_buffer *out, skimp_error *error);
/* Makes may_miss (all 0, known to the reader), code_features and code_sizes, once the columns have their roles. */
skimp_status skimpi_job_arrays(skimp_job *job, skimp_error *error);
bool skimpi_job_cancelled(skimp_job *job);
void skimpi_job_progress(skimp_job *job, uint64_t bytes_done, uint64_t bytes_total, uint64_t rows, double objective);
void skimpi_job_phase(skimp_job *job, const char *phase);
void skimpi_job_finish_report(skimp_job *job); /* peaks, seconds, tags */

/* After the ingest: what is known now must fit as well: fewer workers, the store or the row state to disk, or BUDGET with the new smallest. */
skimp_status skimpi_job_replan(skimp_job *job, skimp_error *error);
/* Does the spread of a step's columns need no pass, as the reading gathers it (before the data is read: will it)? */
bool skimpi_job_has_spreads(const skimp_job *job, unsigned step);
/* What every reading of the job's inputs has in common; store, observer and progress are the caller's to add. */
void skimpi_job_ingest_options(const skimp_job *job, skimpi_ingest_options *options);
/* Reads the inputs into a store at `place`; fills job->store. */
skimp_status skimpi_job_ingest(skimp_job *job, const skimpi_store_options *options, skimp_error *error);

/* ---- arrays of the caller ---------------------------------------------------------------------------------------------- */

extern const char *const skimpi_job_data_name;
/* In place of the first input: the arrays checked, the schema, a reader of them. */
skimp_status skimpi_job_open_data(skimp_job *job, skimp_error *error);
/* skimpi_schema_assign, of arrays too: their own target and weight take their roles (the weight in a fit only). */
skimp_status skimpi_job_assign(const skimp_job *job, const skimpi_roles *roles, bool is_fit, skimp_error *error);
/* Once the roles are known: binds the arrays, and makes them the store where the job can read them so. */
skimp_status skimpi_job_take_arrays(skimp_job *job, skimp_error *error);
/* May a store that the arrays are turned into be in memory? */
bool skimpi_job_may_hold_arrays(const skimp_job *job);
/* Looks at every value, in place of an ingest: completes the store's summary. */
skimp_status skimpi_job_scan_arrays(skimp_job *job, skimp_error *error);
/* Errors of scikit-learn's wording for values that nothing can be learnt from: of all; of a column ("X", "y", "sample_weight"). */
skimp_status skimpi_job_check_arrays(const skimp_job *job, skimp_error *error);
skimp_status skimpi_job_check_values(const skimpi_column_summary *summary, const char *what, const char *column,
                                     bool may_miss, skimp_error *error);

/* What is expected of inputs that a model is run over; the schema has its roles. */
skimp_status skimpi_job_forecast(skimp_job *job, skimp_error *error);
/* Room for the ingest alone, besides what is charged already and `fixed` bytes, `per_worker` for each, `per_row` for each row of a worker's unit (predict, score). */
skimp_status skimpi_job_prepare_apply(skimp_job *job, uint64_t fixed, uint64_t per_worker, uint64_t per_row,
                                      skimp_error *error);

/* ---- passes ----------------------------------------------------------------------------------------------------------- */

/* A reading set-up over a store: decoders and scratch of every worker. */
typedef struct skimpi_reading {
    skimp_job *job;
    skimpi_store *store;
    skimp_budget *budget;
    const skimpi_pipeline *pipeline;
    const skimpi_design *design;
    const skimpi_classes *classes; /* NULL: targets as they are */
    skimpi_pool *pool;
    unsigned workers;
    skimpi_decoder **decoders;
    skimpi_dense_column **views; /* two of n_dense per worker */
    uint8_t **masks;             /* hold-out mask of a chunk, per worker; NULL without hold-out */
    uint32_t mask_rows;
    double holdout;
    uint64_t holdout_seed;
    skimpi_row_state *row_state; /* of the stage that is being fitted; NULL: it keeps none */
} skimpi_reading;

skimp_status skimpi_reading_create(skimpi_reading *reading, skimp_job *job, skimpi_store *store,
                                   const skimpi_pipeline *pipeline, const skimpi_design *design,
                                   const skimpi_classes *classes, skimp_error *error);
void skimpi_reading_destroy(skimpi_reading *reading);
uint64_t skimpi_reading_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place,
                              unsigned workers);

typedef enum skimpi_rows { SKIMPI_ROWS_TRAIN, SKIMPI_ROWS_HELD_OUT } skimpi_rows;

typedef struct skimpi_pass_options {
    unsigned n_steps; /* steps applied to each chunk */
    skimpi_rows rows;
    uint64_t chunk_stride; /* 0, 1: all chunks */
    unsigned lanes;
    void *const *lane_data;   /* `lanes` of them */
    void *const *worker_data; /* scratch, per worker */
    skimp_status (*consume)(void *context, const skimpi_chunk *chunk, void *lane, void *worker, skimp_error *error);
    void *context;
    double objective; /* for the progress line */
} skimpi_pass_options;
skimp_status skimpi_reading_pass(skimpi_reading *reading, const skimpi_pass_options *options, skimp_error *error);

/* One fit of a stage (a step: steps before it applied; the estimator: all). */
skimp_status skimpi_fit_stage(skimpi_reading *reading, skimpi_stage *stage, unsigned n_steps,
                              const skimpi_problem *problem, uint64_t signature, skimp_error *error);
/* What the files of this room share of a reading. The job alone tells which weights and values its decoders are asked for. */
uint64_t skimpi_reading_decoder_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place);
void skimpi_reading_decoder_options(const skimpi_reading *reading, skimpi_decoder_options *options);
/* Hold-out rows out (or in), classes, class weights, codes of missing categories, steps. DATA: a kept store contradicts itself. */
skimp_status skimpi_reading_finish_chunk(const skimpi_reading *reading, unsigned worker, skimpi_chunk *chunk,
                                         unsigned n_steps, skimpi_rows rows, skimp_error *error);

/* Passes that go chunk by chunk in a shuffled order. */
typedef struct skimpi_windows skimpi_windows;
uint64_t skimpi_windows_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place,
                              unsigned workers, unsigned window);
skimp_status skimpi_windows_create(skimpi_windows **out, skimpi_reading *reading, unsigned window, skimp_error *error);
void skimpi_windows_destroy(skimpi_windows *windows);
/* Chunks of windows that are at hand at once. */
unsigned skimpi_windows_decoders(unsigned workers, unsigned window, uint64_t n_chunks);
skimp_status skimpi_windows_pass(skimpi_windows *windows, skimpi_stage *stage, const skimpi_pass *pass, void *scratch,
                                 skimp_error *error);

/* Is this row held out? By a hash of its number: the same whatever the chunks. */
static inline bool skimpi_held_out(uint64_t row, uint64_t seed, double share)
{
    return (double)(skimpi_mix64(row ^ skimpi_mix64(seed)) >> 11) * 0x1p-53 < share;
}

/* ---- row state ----------------------------------------------------------------------------------------------------------- */

/* Adds to the layout what row state takes; of steps and estimator, which come one after the other, the one that asks for most. */
void skimpi_job_plan_row_state(const skimp_job *job, const skimpi_forecast *forecast, skimpi_layout *layout);
/* Room on disk for what the layout spills and for row state in checkpoints, before the data is read. Nothing without row state. */
skimp_status skimpi_job_check_disk(const skimp_job *job, skimp_error *error);
/* Makes the row state that a stage needs, all zeros, for its passes to find in the reading. */
skimp_status skimpi_reading_keep_row_state(skimpi_reading *reading, const skimpi_needs *needs, bool has_checkpoint,
                                           skimp_error *error);

/* ---- checkpoint --------------------------------------------------------------------------------------------------------- */

/* Bound of the memory that writing or reading the state of an estimator with so many state_bytes takes. */
uint64_t skimpi_checkpoint_bytes(uint64_t state_bytes);
/* Identifies job and data: a checkpoint of another is refused. */
uint64_t skimpi_checkpoint_signature(const skimp_job *job, const skimpi_summary *summary);
/* rows: the row state, all of which is written; NULL: there is none. */
skimp_status skimpi_checkpoint_write(const char *path, skimp_budget *budget, uint64_t signature, uint64_t passes,
                                     const skimpi_estimator_class *class, const void *self, skimpi_row_state *rows,
                                     skimp_error *error);
/* *found false when there is no file. rows: as it was created. */
skimp_status skimpi_checkpoint_read(const char *path, skimp_budget *budget, uint64_t signature,
                                    const skimpi_estimator_class *class, void *self, skimpi_row_state *rows,
                                    uint64_t *passes, bool *found, skimp_error *error);
/* On disk, for row state of so many bytes: it is written anew beside the last checkpoint, which the new one then replaces. */
uint64_t skimpi_checkpoint_disk_bytes(uint64_t row_state_bytes);
/* Refuses a directory that has no room for them. */
skimp_status skimpi_checkpoint_check_disk(const char *path, uint64_t row_state_bytes, skimp_error *error);

/* ---- models ------------------------------------------------------------------------------------------------------------- */

struct skimp_model {
    skimp_budget *budget;
    skimpi_tensors *tensors;
};

uint64_t skimpi_model_json_bytes(const char *text, size_t length); /* of a text in the metadata, quotes and all */
/* What making a model takes, of which `arrays` are those that steps and estimator save. */
uint64_t skimpi_model_bytes(const skimp_job *job, const skimpi_forecast *f, uint64_t arrays);
skimp_status skimpi_model_create(skimp_model **out, skimp_job *job, const skimpi_design *design,
                                 const skimpi_classes *classes, skimp_error *error);

#define SKIMPI_MAX_FEATURES                                                                                            \
    ((uint64_t)1 << 44) /* what a model file may claim; no estimator's arrays could be as wide */

/* A model made ready to run over new inputs of a job. */
typedef struct skimpi_applied {
    skimp_job *job;
    skimpi_pipeline pipeline;
    skimpi_classes classes;
    skimpi_problem problem;
    uint64_t n_features;
    uint32_t n_numeric, n_category; /* of the model */
    uint32_t *numeric_slots;        /* per numeric column of the model: its slot in the inputs */
    uint64_t *numeric_features;
    uint32_t *category_slots; /* per category column of the model: its slot in the inputs */
    uint64_t *code_features;
    uint32_t *n_codes, *missing_codes;
} skimpi_applied;

/* Makes the job's schema that of the model's columns, which takes the job: it runs once. with_target: the target is read too. */
skimp_status skimpi_applied_create(skimpi_applied *applied, skimp_job *job, const skimp_model *model, bool with_target,
                                   skimp_error *error);
void skimpi_applied_destroy(skimpi_applied *applied);

/* What a worker needs to see raw chunks as the model's chunks. */
typedef struct skimpi_applied_worker {
    skimpi_chunk chunk;
    skimpi_dense_column *dense, *view;
    skimpi_code_column *codes;
    skimpi_buffer indptr; /* sparse */
} skimpi_applied_worker;
skimp_status skimpi_applied_worker_create(skimpi_applied_worker *worker, const skimpi_applied *applied,
                                          skimp_error *error);
void skimpi_applied_worker_destroy(skimpi_applied_worker *worker, const skimpi_applied *applied);
/* Steps applied; changes raw in place. unknown: categories unseen in training are added to it. */
skimp_status skimpi_applied_chunk(const skimpi_applied *applied, skimpi_applied_worker *worker, uint64_t index,
                                  uint64_t first_row, const skimpi_raw *raw, uint64_t *unknown, skimp_error *error);

/* ---- metrics -------------------------------------------------------------------------------------------------------------- */

typedef struct skimpi_metrics skimpi_metrics;
skimp_status skimpi_metrics_create(skimpi_metrics **out, skimp_budget *budget, uint32_t n_classes, skimp_error *error);
void skimpi_metrics_destroy(skimpi_metrics *metrics);
/*
 * Adds rows; calls come one at a time, in the order of the rows. target and label: class index (n_classes: unknown) or
 * value. probability: n_classes columns `stride` apart, or NULL; decision: of class 1 when there are two, or NULL.
 */
skimp_status skimpi_metrics_add(skimpi_metrics *metrics, uint32_t n, const double *target, const double *label,
                                const double *probability, const double *decision, size_t stride, skimp_error *error);
/* accuracy, log_loss, roc_auc; r2, mean_squared_error, mean_absolute_error. Returns how many. */
size_t skimpi_metrics_finish(skimpi_metrics *metrics, skimp_metric *out, size_t capacity);
uint64_t skimpi_metrics_rows(const skimpi_metrics *metrics);
uint64_t skimpi_metrics_bytes(uint32_t n_classes, uint64_t rows); /* bound of its memory */
/* Scores the rows that the fit did not see; fills job->metrics. */
skimp_status skimpi_score_held_out(skimp_job *job, skimpi_reading *reading, skimp_error *error);

#endif
