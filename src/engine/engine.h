/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the engine: what its files share.
 *
 *   job.c         options copied, inputs opened, roles and parameters checked
 *   job_arrays.c  the same of arrays that the caller holds, and the first look at all of them
 *   pipeline.c    steps and estimator by name, parameters, columns of each step
 *   frame.c       which columns there are, step by step; chunks through the steps
 *   design.c      the encoded feature space: which feature each column becomes; recode.c: texts that steps change
 *   plan.c        memory, passes and disk before the data is read; plan_steps.c, job_rows.c: what steps and row state take
 *   pass.c        one pass over the store: workers, lanes, transforms; windows.c: the passes of sequential estimators
 *   fit.c         runs a plan: ingest, classes, steps, estimator; start.c: from a model on
 *   checkpoint.c  state at a pass boundary, in a file
 *   model.c       fitted arrays and metadata; model_apply.c: a model over new data
 *   cursor.c      a kept store's chunks given back as arrays
 *   share.c       one budget for jobs of the process that run at the same time
 *   apply_run.c   inputs through a model, by all workers: predict.c: predict and score; apply.c: into memory; metrics.c
 *   through.c     the same into a kept store; through_schema.c: what its columns are
 */
#ifndef SKIMPI_ENGINE_H
#define SKIMPI_ENGINE_H

#include "data/arrays.h"
#include "data/dictionary.h"
#include "data/ingest.h"
#include "data/row_state.h"
#include "data/source.h"
#include "estimator/estimator.h"
#include "skimp/job.h"

/* ---- pipeline --------------------------------------------------------------------------------------------------- */

#define SKIMPI_MAX_STEPS 16
#define SKIMPI_MAX_NAMED_FEATURES 65536 /* beyond, features go without names in warnings */

typedef struct skimpi_stage { /* a step, or the estimator at the end */
    const skimpi_estimator_class *class;
    skimpi_params *params;
    char name[64];     /* "standard_scaler", "standard_scaler-2" */
    char *columns;     /* after @: "text" or names by comma; NULL: all dense columns */
    bool on_text;      /* it works on text columns */
    uint8_t *has_slot; /* columns of the inputs that it was given by name: per slot of its kind; NULL: all */
    uint32_t n_flags;  /* entries of has_slot */
    uint32_t n_named;  /* of them set, or all slots of its kind */
    /* Once the steps before are fitted: */
    uint32_t n_inputs;    /* columns that it works on (0 for sparse) */
    uint32_t *inputs;     /* their ids, or category slots of text, ascending; NULL: sparse data */
    uint32_t *recoded;    /* on text: the code in each column that becomes … */
    uint32_t *recoded_to; /* … this one */
    void *fitted;         /* the class's self; NULL before */
    /* Once it is fitted: */
    uint32_t first_new; /* id of the first column that it adds */
    skimpi_changes changes;
} skimpi_stage;

/*
 * Which columns there are: those of the inputs, and then what each step makes of them.  A dense column has an id, which is
 * its place in a chunk's list all the way: numeric slots of the inputs first, then those that steps add, in order.  What a
 * step drops stays in the list, and is only looked at no more; text columns, by category slot, likewise.
 */
typedef struct skimpi_frame {
    skimp_budget *budget;
    uint32_t n_numeric, n_category;           /* of the inputs */
    uint32_t n_ids;                           /* dense columns that there have ever been */
    uint32_t *dense, n_dense, dense_capacity; /* ids of those that there are, ascending */
    uint32_t *text, n_text;                   /* category slots likewise */
    uint64_t n_sparse;
    skimpi_buffer names; /* of the columns that steps added, each ended by NUL */
    bool lacks_names;    /* of some of these */
    bool is_changed;     /* columns are not those of the inputs any more */
} skimpi_frame;

typedef struct skimpi_pipeline {
    skimp_budget *budget;
    unsigned n_steps;
    skimpi_stage steps[SKIMPI_MAX_STEPS];
    skimpi_stage estimator; /* class NULL: none (convert; steps alone) */
    bool is_alone;          /* steps alone were asked for by name: there may be none, and text is only encoded */
    skimpi_frame frame;     /* after the steps that are fitted */
    bool keeps_missing;     /* of steps alone: a value that every step bears missing may stay so */
} skimpi_pipeline;

#define SKIMPI_STEPS_ALONE "pipeline" /* what the models of steps alone name as their estimator */

/* Is there something to fit: an estimator, or steps alone? */
static inline bool skimpi_pipeline_fits(const skimpi_pipeline *pipeline)
{
    return pipeline->estimator.class != NULL || pipeline->n_steps > 0 || pipeline->is_alone;
}
static inline bool skimpi_pipeline_classifies(const skimpi_pipeline *pipeline)
{
    return pipeline->estimator.class != NULL && pipeline->estimator.class->info.kind == SKIMP_CLASSIFIER;
}

skimp_status skimpi_pipeline_create(skimpi_pipeline *pipeline, skimp_budget *budget, const char *estimator,
                                    const skimp_setting *params, size_t n_params, const char *const *steps,
                                    size_t n_steps, skimp_error *error);
/* Finds the columns of each step in the schema. */
skimp_status skimpi_pipeline_bind(skimpi_pipeline *pipeline, const skimpi_schema *schema, skimp_error *error);
void skimpi_pipeline_destroy(skimpi_pipeline *pipeline);
bool skimpi_stage_has_param(const skimpi_stage *stage, const char *name);
/* Does a step work on text columns? */
bool skimpi_pipeline_on_text(const skimpi_pipeline *pipeline);
/*
 * Do the columns of a step come to it as they are in the data?  summary: of the data; NULL: it is yet to be read, and taken to
 * have no missing values.  (Columns that steps add do not: those are not asked for here.)
 */
bool skimpi_pipeline_sees_data(const skimpi_pipeline *pipeline, unsigned step, const skimpi_schema *schema,
                               const skimpi_summary *summary);
/* May a missing value stay in this numeric slot (text: category slot), as a step takes it away? */
bool skimpi_pipeline_may_miss(const skimpi_pipeline *pipeline, bool text, uint32_t slot);

/* ---- columns through the steps ------------------------------------------------------------------------------------- */

/* The frame before the first step. */
skimp_status skimpi_frame_begin(skimpi_frame *frame, skimp_budget *budget, uint32_t n_numeric, uint32_t n_category,
                                uint64_t n_sparse, skimp_error *error);
void skimpi_frame_destroy(skimpi_frame *frame);
/* What begin charges and what steps that add so many columns, with so many bytes of names, make of it, at most. */
uint64_t skimpi_frame_bytes(uint32_t n_numeric, uint32_t n_category, uint64_t n_new, uint64_t name_bytes);
/* Gives the stage its columns, those of has_slot that are still there. */
skimp_status skimpi_frame_bind(const skimpi_frame *frame, skimpi_stage *stage, skimp_error *error);
uint64_t skimpi_frame_bind_bytes(const skimpi_stage *stage, uint64_t n_inputs); /* what that charges */
/* The names of dense columns, by ascending ids; those of columns that steps added were wanted. */
void skimpi_frame_names(const skimpi_frame *frame, const skimpi_schema *schema, const uint32_t *ids, uint32_t n,
                        const char **out);
/* Appends the names of columns that steps added and that are still there, each ended by NUL. */
skimp_status skimpi_frame_new_names(const skimpi_frame *frame, skimpi_buffer *out, skimp_error *error);
/* What a stage that is fitted makes of the frame. names: of its columns; NULL: those of new ones are not wanted. */
skimp_status skimpi_frame_advance(skimpi_frame *frame, skimpi_stage *stage, const char *const *names,
                                  skimp_error *error);

/* Scratch of a worker: the columns that a stage sees. */
typedef struct skimpi_view {
    skimpi_dense_column *dense;
    skimpi_code_column *codes;
} skimpi_view;
skimp_status skimpi_view_create(skimpi_view *view, skimp_budget *budget, uint64_t n_ids, uint32_t n_category,
                                skimp_error *error);
void skimpi_view_destroy(skimpi_view *view, skimp_budget *budget, uint64_t n_ids, uint32_t n_category);
uint64_t skimpi_view_bytes(uint64_t n_ids, uint32_t n_category);
/* Gives the stage's columns only, as features 0 … n_inputs - 1. */
void skimpi_stage_view(const skimpi_stage *stage, const skimpi_chunk *chunk, skimpi_chunk *out,
                       const skimpi_view *view);
/* Applies steps 0 … n - 1 to a chunk in place; its dense list has places for the columns that they add. */
void skimpi_pipeline_transform(const skimpi_pipeline *pipeline, unsigned n, skimpi_chunk *chunk,
                               const skimpi_view *view);

/* ---- design: the encoded feature space ---------------------------------------------------------------------------- */

typedef struct skimpi_design {
    skimp_budget *budget;
    uint64_t n_features, n_dense, n_code_columns, n_sparse;
    uint32_t n_numeric, n_category; /* of the inputs */
    uint64_t *features;             /* per numeric slot */
    uint64_t first_new;             /* feature of the first dense column that steps added and that is still there */
    uint64_t *code_features;        /* per category slot */
    uint32_t *n_codes;              /* per category slot; the missing category, where there is one, is the last */
    uint32_t *n_texts;              /* per category slot: codes that are texts (hashed: n_codes) */
    uint32_t *missing_codes;        /* per category slot: code of a missing value (n_codes or more: zeros) */
    uint32_t **ranks; /* per category slot: place of each code among the sorted; NULL: codes are sorted already */
    uint32_t *rank_sizes;
    uint32_t *n_data_texts; /* per category slot: codes that came from the data; the others are of steps */
    uint64_t *
        list_features; /* like code_features and n_codes, of the text columns that there are after the steps, where … */
    uint32_t *list_codes; /* … those are fewer; else NULL */
} skimpi_design;

/* The space of data that has been read (dictionaries complete); category_missing per slot says where a missing category is needed. */
skimp_status skimpi_design_create(skimpi_design *design, skimp_budget *budget, const skimpi_schema *schema,
                                  const uint64_t *category_missing, skimp_error *error);
/* Room for n_numeric and n_category columns: the space of a model's columns, whose codes need no ranks. */
skimp_status skimpi_design_reserve(skimpi_design *design, skimp_budget *budget, uint32_t n_numeric, uint32_t n_category,
                                   skimp_error *error);
void skimpi_design_destroy(skimpi_design *design);
/* Ranks the texts of a column anew, which have become more. */
skimp_status skimpi_design_rank(skimpi_design *design, const skimpi_schema *schema, uint32_t slot, skimp_error *error);
void skimpi_design_decoder(const skimpi_design *design, skimpi_decoder_options *options);
/*
 * The features of the columns that there are after all steps.  is_text: per column of the inputs that is a feature, in
 * their order.
 */
skimp_status skimpi_design_place(skimpi_design *design, const skimpi_frame *frame, const uint8_t *is_text,
                                 uint32_t hash_bits, skimp_error *error);
/* Makes the chunk's columns those of the frame, with their features, once all steps are applied; missing categories take their codes. */
void skimpi_design_finish_chunk(const skimpi_design *design, const skimpi_frame *frame, skimpi_chunk *chunk);
/* Features of code 0, and numbers of codes, of the text columns that there are after the steps. */
const uint64_t *skimpi_design_code_features(const skimpi_design *design);
const uint32_t *skimpi_design_code_sizes(const skimpi_design *design);
/* Appends the names of all features, each ended by NUL: "distance", "carrier_AA"; sparse data has none. */
skimp_status skimpi_design_names(const skimpi_design *design, const skimpi_frame *frame, const skimpi_schema *schema,
                                 skimpi_buffer *out, skimp_error *error);

/* ---- texts that steps change ---------------------------------------------------------------------------------------- */

/*
 * Enters the texts of the first n steps into the dictionaries, ranks them, and looks up the codes that these steps change.
 * slots: the schema's category slot of each of the design's; NULL: the same.
 */
skimp_status skimpi_recode_bind(skimpi_pipeline *pipeline, unsigned n, skimpi_design *design, skimpi_schema *schema,
                                const uint32_t *slots, skimp_error *error);
/*
 * After the last step of a fit: texts that none of the rows has any more, and those that no row got, are no categories;
 * they keep codes after the others.
 */
skimp_status skimpi_recode_finish(skimpi_pipeline *pipeline, skimpi_design *design, skimpi_schema *schema,
                                  skimp_error *error);
/* The texts of a stage's columns as its class asks for them. */
typedef struct skimpi_stage_texts {
    skimpi_texts base;
    const skimpi_stage *stage;
    const skimpi_design *design;
    const skimpi_schema *schema;
} skimpi_stage_texts;
skimpi_stage_texts skimpi_recode_texts(const skimpi_stage *stage, const skimpi_design *design,
                                       const skimpi_schema *schema);

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
/* Those of labels, which the data need not show all. DATA: the data have one that is none of them. */
typedef struct skimpi_labels {
    uint64_t n; /* 0: none are given */
    bool is_text;
    const double *values; /* ascending whole numbers, or … */
    const char *text;     /* … texts in ascending order, each ended by NUL */
    uint64_t text_bytes;
} skimpi_labels;
skimp_status skimpi_classes_take(skimpi_classes *classes, skimp_budget *budget, const skimpi_labels *labels,
                                 skimpi_schema *schema, const skimpi_summary *summary, skimp_error *error);
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
    uint64_t features, n_dense, n_code_columns, n_sparse, categories, category_memory; /* of the inputs, encoded */
    uint64_t names, names_json;                             /* bytes of all features' names; listed in JSON */
    uint64_t new_categories, new_texts;                     /* in a unit, at most: how many, their bytes */
    uint64_t column_names, category_texts, most_categories; /* bytes in a model; categories of one column, at most */
    uint64_t new_floats, new_doubles, new_sparse;           /* columns that steps add, at most */
    uint64_t may_go, goes;  /* columns that they may drop, and (dense) that they do drop */
    uint32_t csr_doublings; /* so many times, steps may make CSR blocks twice as long */
    uint64_t step_memory;   /* of frame and stages, beside what steps ask for themselves */
    uint32_t classes;
    uint64_t store_bytes, chunk_bytes; /* encoded: in all, of the largest chunk */
    skimpi_area area;                  /* of decoders */
} skimpi_forecast;

/* Room in an encoder: for numbers of some more digits than the sample's. */
static inline uint64_t skimpi_encoded_hint(const skimpi_forecast *f)
{
    return f->chunk_bytes / 4 * 5;
}

/* Texts that features' names and models are made of: as the dictionaries hold them, else as the sample has it. */
void skimpi_design_forecast(const skimp_job *job, skimpi_forecast *f, bool is_known);

/* What the steps add to the forecast, one after the other. */
skimp_status skimpi_forecast_steps(skimp_job *job, skimpi_forecast *f, skimp_error *error);
/* Features that the estimator gets, at most. */
uint64_t skimpi_forecast_features(const skimpi_forecast *f);
/* What a store takes to count the distinct targets, of which there are so many. */
uint64_t skimpi_plan_targets(uint64_t distinct);

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

/* Accumulators and scratch. */
uint64_t skimpi_lanes_cost(const skimpi_needs *needs, unsigned workers);
/* Adds what steps take to the layout, whose workers are set. */
skimp_status skimpi_plan_steps(const skimp_job *job, const skimpi_forecast *f, skimpi_layout *layout, double *passes,
                               skimp_error *error);
/* What comes after the steps is planned for so many shapes, the i-th of which has fewer columns than the next; the last has the most. */
unsigned skimpi_plan_shapes(const skimpi_forecast *f);
skimpi_problem skimpi_plan_shape(const skimpi_forecast *f, skimpi_problem problem, unsigned i);

/* ---- job ------------------------------------------------------------------------------------------------------------ */

/* A job's part of the budget that the jobs of the process share (share.c). */
typedef struct skimpi_seat {
    struct skimpi_seat *next;
    skimp_budget *budget;
    const skimpi_arrays *arrays; /* NULL: none */
    uint64_t limit;              /* of its own */
    uint64_t reserved;
    bool is_taken;
} skimpi_seat;

/*
 * Before a job runs that was planned within its own limit, and needs at least `minimum`: waits for room.  *is_less: there is
 * less than its limit, by which it is to be planned again.  Nothing to do for a job that does not share.
 */
skimp_status skimpi_share_enter(skimp_job *job, uint64_t minimum, bool *is_less, skimp_error *error);
/* It is planned: what it does not need is for others. */
void skimpi_share_settle(skimp_job *job, uint64_t peak, bool is_exact);
/* To be planned anew, in all that there is now; to be settled again. */
void skimpi_share_reopen(skimp_job *job);
void skimpi_share_leave(skimp_job *job);
uint64_t skimpi_share_in_use(void); /* by all that share */

typedef struct skimpi_cursor skimpi_cursor; /* of skimp_job_next_chunk */
void skimpi_cursor_destroy(skimpi_cursor *cursor);

struct skimp_job {
    skimp_budget *budget;
    skimp_job_options options; /* deep copy */
    void *options_block;       /* what the copy points into */
    size_t options_bytes;
    uint64_t cgroup;        /* the smallest limit of the control groups then; UINT64_MAX: none */
    uint64_t base_resident; /* resident set when the job was created */
    uint64_t base_peak;     /* what the kernel's mark stood at */
    uint64_t beside;        /* held in this process by others than the job: by one that failed, by a model */
    uint64_t model_bytes; /* of these, the model that runs over the inputs, where the budget is for the whole process */
    uint64_t looked;      /* what it took to look at the inputs before the plan, program and all */
    uint64_t limit;       /* the budget's, once it is held to it */
    bool is_roomy;        /* it is not yet: the plan is to be made, whatever that takes, and tells what would do */
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
    skimpi_schema
        *stored; /* a kept store that a model runs over: its own schema, of which `schema` is a view; else NULL */

    skimpi_seat seat;
    bool is_nested; /* it was made by code of the caller that another job waits for */

    skimpi_cursor *cursor; /* NULL: no chunk was asked for */
    skimpi_pipeline pipeline;
    skimpi_forecast forecast;
    skimpi_layout layout;
    bool has_roles, is_planned, is_spent, is_settled; /* settled: the sample is by slot, not by column */
    bool
        keeps_roles; /* a model runs over the inputs whose own target and weight are wanted with what it makes of them */
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
/* Completes a BUDGET error of create or plan with the smallest budget that works; beside: as the job's. */
void skimpi_job_name_minimum(const skimp_job_options *options, uint64_t beside, skimp_error *error);
skimp_status skimpi_job_open_inputs(skimp_job *job,
                                    skimp_error *error); /* first input, format, sample, schema (without roles) */
skimp_status skimpi_job_roles(skimp_job *job, skimp_error *error); /* roles of the columns, columns of the steps */
/* Orders the sample by slot, once the roles are known. */
void skimpi_job_settle(skimp_job *job);
/* The target as --target would name it, ended by NUL, appended to out; nothing when there is none. */
skimp_status skimpi_target_text(const skimpi_schema *schema, skimpi_buffer *out, skimp_error *error);
/* Makes may_miss (all 0, known to the reader), code_features and code_sizes, once the columns have their roles. */
skimp_status skimpi_job_arrays(skimp_job *job, skimp_error *error);
bool skimpi_job_cancelled(skimp_job *job);
void skimpi_job_progress(skimp_job *job, uint64_t bytes_done, uint64_t bytes_total, uint64_t rows, double objective);
void skimpi_job_phase(skimp_job *job, const char *phase);
void skimpi_job_finish_report(skimp_job *job); /* peaks, seconds, tags */

/* After the ingest: what is known now must fit as well: fewer workers, the store or the row state to disk, or BUDGET with the new smallest. */
skimp_status skimpi_job_replan(skimp_job *job, skimp_error *error);
/* Do rows count by their weights in steps?  Where these are all there is; before an estimator, they are its own. */
bool skimpi_job_weighs_steps(const skimp_job *job);
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
/* Do chunks of the fit's arrays come as rows, to a pass of the estimator that takes them and asks for no shifts? */
bool skimpi_job_has_rows(const skimp_job *job);
/* May a store that the arrays are turned into be in memory? */
bool skimpi_job_may_hold_arrays(const skimp_job *job);
/* Does the fit read batches anew for each pass, and keep nothing of them? */
bool skimpi_job_each_pass(const skimp_job *job);
/* Looks at every value, in place of an ingest, where the store is arrays or some rows of a file: completes its summary. */
bool skimpi_job_wants_look(const skimp_job *job);
skimp_status skimpi_job_look(skimp_job *job, skimp_error *error);
/* Errors of scikit-learn's wording for values that nothing can be learnt from: of all; of a column ("X", "y", "sample_weight"). */
skimp_status skimpi_job_check_arrays(const skimp_job *job, skimp_error *error);
skimp_status skimpi_job_check_values(const skimpi_column_summary *summary, const char *what, const char *column,
                                     bool may_miss, skimp_error *error);

/* What is expected of inputs that a model is run over; the schema has its roles. */
skimp_status skimpi_job_forecast(skimp_job *job, skimp_error *error);
uint64_t skimpi_job_limit(const skimp_job *job);
void skimpi_job_hold_to_limit(skimp_job *job); /* from here on nothing is charged beyond the limit */
/*
 * Room for the ingest alone, besides what is charged already, `fixed` bytes, and what each worker takes further where there
 * is one alone, and where there are several (predict, score).  The smallest budget that works is in the layout then.
 */
skimp_status skimpi_job_prepare_apply(skimp_job *job, uint64_t fixed, uint64_t alone, uint64_t per_worker,
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
    skimpi_view *views;
    uint64_t n_ids;  /* dense columns with those that steps may add */
    uint8_t **masks; /* hold-out mask of a chunk, per worker; NULL without hold-out */
    uint32_t mask_rows;
    double holdout;
    uint64_t holdout_seed;
    skimpi_row_state *row_state; /* of the stage that is being fitted; NULL: it keeps none */
    skimpi_source *source;       /* batches are read anew for each pass; NULL: the chunks are in the store */
} skimpi_reading;

skimp_status skimpi_reading_create(skimpi_reading *reading, skimp_job *job, skimpi_store *store,
                                   const skimpi_pipeline *pipeline, const skimpi_design *design,
                                   const skimpi_classes *classes, skimp_error *error);
void skimpi_reading_destroy(skimpi_reading *reading);
uint64_t skimpi_reading_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place,
                              unsigned workers);
/* And, where batches are read anew, what making chunks of them takes, under "parse". */
uint64_t skimpi_reading_source_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place,
                                     unsigned workers);

typedef enum skimpi_rows { SKIMPI_ROWS_TRAIN, SKIMPI_ROWS_HELD_OUT } skimpi_rows;

typedef struct skimpi_pass_options {
    unsigned n_steps; /* steps applied to each chunk */
    skimpi_rows rows;
    uint64_t chunk_stride; /* 0, 1: all chunks */
    unsigned lanes;
    const double *shifts;     /* per feature, taken off the dense columns at last; NULL: nothing */
    bool takes_rows;          /* chunks may be rows as the caller has them */
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

/* ---- going on from a model ------------------------------------------------------------------------------------------- */

/* Can the job begin at its start, as far as options tell? Nothing to do without one. */
skimp_status skimpi_start_check(const skimp_job *job, skimp_error *error);
/* Once the columns have their roles: those of the start. Sparse data becomes as wide as the start's. */
skimp_status skimpi_start_columns(const skimp_job *job, skimp_error *error);
/* What is known of classes before the data is read; `grows`: their texts are yet to come into the dictionary. */
skimp_status skimpi_start_forecast(const skimp_job *job, skimpi_forecast *f, bool grows, skimp_error *error);
/* The classes that the job was given, by its start or by themselves; n 0: none. */
skimp_status skimpi_start_labels(const skimp_job *job, skimpi_labels *labels, skimp_error *error);
/* Once the data is read: the features and categories of the start. */
skimp_status skimpi_start_features(const skimp_job *job, const skimpi_design *design, skimp_error *error);
/* Begins a stage where it ended in the start; number: of a step; n_steps: the estimator. */
skimp_status skimpi_start_stage(const skimp_job *job, skimpi_stage *stage, unsigned number, skimp_error *error);
/* Of the start's arrays, for the signature of a checkpoint. */
uint64_t skimpi_start_hash(const skimp_job *job, uint64_t hash);

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

/* Is this model one of steps alone? */
bool skimpi_model_is_steps(const skimpi_tensors *tensors);
/* What a model file says, which is checked. DATA: the model is damaged, and where. */
skimp_status skimpi_model_damaged(skimp_error *error, const char *what);
skimp_status skimpi_model_strings(const skimpi_tensors *tensors, const char *name, const char **text, uint64_t *bytes,
                                  skimp_error *error); /* each ended by NUL */
/* A whole number of the metadata, at most `most`. */
skimp_status skimpi_model_number(const skimpi_tensors *tensors, const char *key, uint64_t most, uint64_t *out,
                                 skimp_error *error);
/* Enters strings into an empty dictionary. */
skimp_status skimpi_model_fill(skimpi_dictionary *dictionary, const char *text, uint64_t bytes, skimp_error *error);

/* A model made ready to run over new inputs of a job. */
typedef struct skimpi_applied {
    skimp_job *job;
    skimpi_pipeline pipeline;
    skimpi_classes classes;
    skimpi_problem problem;
    skimpi_design design;     /* of the model's columns; its codes are those of the job's dictionaries */
    uint32_t *numeric_slots;  /* per numeric column of the model: its slot in the inputs */
    uint32_t *category_slots; /* per text column of the model: its slot in the inputs */
    uint64_t n_sparse_in;     /* features of sparse inputs that the model knows */
} skimpi_applied;

/* Makes the job's schema that of the model's columns, which takes the job: it runs once. with_target: the target is read too. */
skimp_status skimpi_applied_create(skimpi_applied *applied, skimp_job *job, const skimp_model *model, bool with_target,
                                   skimp_error *error);
void skimpi_applied_destroy(skimpi_applied *applied);
/* The column of weights that is read, where the roles of the inputs are wanted; else NULL. (A kept store has its own.) */
const char *skimpi_applied_weight(const skimp_job *job);
/* The part of create that finds the model's columns. */
skimp_status skimpi_applied_columns(skimpi_applied *applied, const skimpi_tensors *tensors, const char *target,
                                    skimp_error *error);

/* What a worker needs to see new rows as the model's chunks. */
typedef struct skimpi_applied_worker {
    skimpi_chunk chunk;
    skimpi_dense_column *dense;
    skimpi_code_column *codes;
    skimpi_view view;
    skimpi_buffer spare;                   /* columns that steps add */
    skimpi_buffer indptr, indices, values; /* sparse; the last two where steps make CSR blocks longer */
} skimpi_applied_worker;
skimp_status skimpi_applied_worker_create(skimpi_applied_worker *worker, const skimpi_applied *applied,
                                          skimp_error *error);
void skimpi_applied_worker_destroy(skimpi_applied_worker *worker, const skimpi_applied *applied);
/* Bounds for plans: what create takes; bytes a row, and a non-zero, beside the rows as they are read. */
uint64_t skimpi_applied_worker_bytes(const skimpi_applied *applied);
uint64_t skimpi_applied_row_bytes(const skimpi_applied *applied);
uint64_t skimpi_applied_nonzero_bytes(const skimpi_applied *applied);
/* Steps applied; changes raw in place. unknown: categories unseen in training are added to it. */
skimp_status skimpi_applied_chunk(const skimpi_applied *applied, skimpi_applied_worker *worker, uint64_t index,
                                  uint64_t first_row, const skimpi_raw *raw, uint64_t *unknown, skimp_error *error);
/* Its last part: the steps and the features of the model, for a chunk of the model's columns. */
skimp_status skimpi_applied_steps(const skimpi_applied *applied, skimpi_applied_worker *worker, uint64_t *unknown,
                                  skimp_error *error);
/* Sparse rows without the features that the model does not know, which are counted; row ends are in worker->indptr, ready. */
skimp_status skimpi_applied_sparse(const skimpi_applied *applied, skimpi_applied_worker *worker,
                                   const skimpi_csr_block *from, uint32_t n_rows, uint64_t *unknown,
                                   skimp_error *error);
/* The first of n numbers that no model was trained on: a missing one that no step takes away, or infinity; n: there is none. */
uint64_t skimpi_applied_unfit(const double *values, uint64_t n, bool may_miss);
skimp_status skimpi_applied_refuse(const skimp_job *job, double value, uint64_t line, const char *column,
                                   skimp_error *error);

/* ---- kept stores under a model ------------------------------------------------------------------------------------------- */

/*
 * A model runs over a kept store as it runs over the text that the store was made from.  The job's schema becomes a view of
 * the store's columns without their roles, which the model gives anew; `stored` is the schema that the store was made with.
 */
skimp_status skimpi_stored_view(skimp_job *job, skimp_error *error);
/* Can the values of a column be had? PARAM or DATA: it was left out, or only a comparison with it was kept. */
skimp_status skimpi_stored_may_read(const skimp_job *job, uint32_t column, const char *name, skimp_error *error);

typedef struct skimpi_stored skimpi_stored;
/* Finds the model's columns and target in the store, and its texts in the model's dictionaries. */
skimp_status skimpi_stored_create(skimpi_stored **out, const skimpi_applied *applied, skimp_error *error);
void skimpi_stored_destroy(skimpi_stored *stored);
uint64_t skimpi_stored_worker_bytes(const skimp_job *job, bool has_steps); /* of a worker, while it runs */
/* Called for every chunk of the store, on the worker that holds it, in no order; what has an order goes by chunk->index. */
typedef skimp_status skimpi_stored_observe(void *context, unsigned worker, skimpi_chunk *chunk, skimp_error *error);
typedef void skimpi_stored_progress(void *context, uint64_t bytes, uint64_t rows);
skimp_status skimpi_stored_run(skimpi_stored *stored, bool has_steps, skimpi_stored_observe *observe,
                               skimpi_stored_progress *progress, void *context, skimpi_ingest_result *result,
                               skimp_error *error);
/* From within observe: the store's chunk as one of the model's, steps applied, in out->chunk. No row may be left of it. */
skimp_status skimpi_stored_chunk(skimpi_stored *stored, unsigned worker, skimpi_chunk *from, skimpi_applied_worker *out,
                                 uint64_t *unknown, skimp_error *error);

/* ---- metrics -------------------------------------------------------------------------------------------------------------- */

typedef struct skimpi_metrics skimpi_metrics;
skimp_status skimpi_metrics_create(skimpi_metrics **out, skimp_budget *budget, uint32_t n_classes, skimp_error *error);
void skimpi_metrics_destroy(skimpi_metrics *metrics);
/*
 * Adds rows; calls come one at a time, in the order of the rows. target and label: class index (n_classes: unknown) or
 * value. probability: of each row's own class, or NULL; decision: of class 1 when there are two, or NULL.
 */
skimp_status skimpi_metrics_add(skimpi_metrics *metrics, uint32_t n, const double *target, const double *label,
                                const double *probability, const double *decision, skimp_error *error);
/* accuracy, log_loss, roc_auc; r2, mean_squared_error, mean_absolute_error. Returns how many. */
size_t skimpi_metrics_finish(skimpi_metrics *metrics, skimp_metric *out, size_t capacity);
uint64_t skimpi_metrics_rows(const skimpi_metrics *metrics);
uint64_t skimpi_metrics_bytes(uint32_t n_classes, uint64_t rows); /* bound of its memory */
/* Scores the rows that the fit did not see; fills job->metrics. What that takes, the passes aside. */
uint64_t skimpi_held_out_bytes(const skimp_job *job, const skimpi_forecast *f, const skimpi_problem *problem);
skimp_status skimpi_score_held_out(skimp_job *job, skimpi_reading *reading, skimp_error *error);

#endif
