/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs: plan, fit, predict, score, apply, convert.
 *
 * A job is what a user asks for: an estimator with parameters, steps before it, inputs, roles of their columns, and a
 * budget.  `skimp_job_plan` says the peak memory, passes and disk before the data is read; `skimp_job_fit` runs exactly
 * that plan.  Both hold to the budget from the moment the job is created.
 *
 *     skimp_job_options options = SKIMP_JOB_OPTIONS_INIT;
 *     options.estimator = "logistic_regression";
 *     options.inputs = &path, options.n_inputs = 1;
 *     options.target = "label";
 *     options.max_memory = 64 << 20;
 *     skimp_job *job; skimp_model *model;
 *     if (skimp_job_create(&job, &options, &error) == SKIMP_OK &&
 *         skimp_job_fit(job, &model, &error) == SKIMP_OK) { … skimp_model_save(model, "m.safetensors", &error) … }
 *
 * Ownership: strings and arrays in options are copied by create (of data, what skimp/data.h says).  What a job returns
 * (plan, report) is the job's and lives as long as it; a model holds its own memory in its own budget and outlives the job.
 * Threads: different jobs are independent; one job is used by one thread at a time, but skimp_cancel may be set by any
 * thread or signal handler.
 */
#ifndef SKIMP_JOB_H
#define SKIMP_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "skimp/budget.h"
#include "skimp/data.h"
#include "skimp/params.h"
#include "skimp/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct skimp_setting {
    const char *name;  /* "C"; of a step: "standard_scaler__with_mean" */
    const char *value; /* JSON, else a bare string; None/True/False are accepted */
} skimp_setting;

/* What is under way, given to a progress function from a worker thread, at most about ten times a second. */
typedef struct skimp_progress {
    const char *phase;                /* "reading", "fitting", "predicting", "transforming", "scoring", "writing" */
    uint64_t bytes_done, bytes_total; /* of the phase's input; total 0: unknown */
    uint64_t rows;                    /* rows so far in this phase */
    uint64_t pass;                    /* passes over the store finished */
    double passes_expected;
    double objective; /* NaN: none yet */
    uint64_t charged_bytes, budget_bytes;
    double seconds;      /* since the job began */
    double seconds_left; /* NaN: unknown */
} skimp_progress;
typedef void skimp_progress_fn(void *context, const skimp_progress *progress);

typedef struct skimp_job_options {
    size_t size; /* sizeof(skimp_job_options) */
    /*
     * What to fit (fit and plan); estimator NULL: the steps alone; for convert neither.  "pipeline" is the steps alone too,
     * of which there may then be none: the model does no more than one-hot encode text.
     */
    const char *estimator;
    const skimp_setting *params;
    size_t n_params;
    const char *const *steps;
    size_t n_steps; /* in order: "simple_imputer", "standard_scaler@x1,x2", "simple_imputer@text" */
    /* data */
    const skimp_data *data; /* arrays that the caller holds, in place of inputs: skimp/data.h */
    const char *const *inputs;
    size_t n_inputs;    /* one data set in several files; "-": standard input; a kept store alone */
    const char *format; /* NULL: from name and first bytes; "csv", "tsv", "svmlight", "npy", "store" */
    char delimiter;     /* CSV: 0: guessed */
    int header;         /* CSV: -1 guessed, 0 none, 1 first row */
    int zero_based;     /* svmlight: -1 guessed, 0, 1 */
    bool index64;       /* svmlight: indices may need 64 bits (else one over 2^32 - 2 is an error) */
    const char *target; /* column, or a comparison: "arr_delay>15" */
    const char *weight; /* column of sample weights, or NULL */
    const char *const *drop;
    size_t n_drop;      /* columns that are not read */
    bool drop_missing;  /* rows with a missing value are dropped and counted; else they are an error */
    bool skip_bad_rows; /* ragged rows and the like are skipped and counted; else they are an error */
    /*
     * Of a kept store, only some rows: row r where bit r % 8 of rows[r / 8] is set; n_rows: as many as the store has (its
     * plan says).  All that is said of the data is then of these rows: classes, categories, counts, weights, the hold-out,
     * and row numbers.  Nothing is copied: each pass reads the chunks in which there are such rows.  Results are those of a
     * store of these rows alone, up to the rounding of sums (chunks begin elsewhere; scalers count anew); those of SGD are
     * what another order of the same rows gives.  NULL: all rows.  Borrowed until the job is destroyed.
     */
    const uint8_t *rows;
    uint64_t n_rows;
    unsigned hash_bits; /* 0: one-hot; else text columns are hashed into 2^hash_bits features */
    double holdout; /* share of rows kept out of the fit, by row hash; scored by skimp_job_fit afterwards; 0: none */
    uint64_t seed;  /* of the hold-out */
    /* means */
    uint64_t
        max_memory; /* budget in bytes; 0: half of what is free to this process.  Planning that ends in a
                          * refusal may take more, over arrays or without whole_process */
    /*
     * Jobs of this process that share, and run at the same time, stay under their budgets together: one that begins has what
     * the plans of the others leave of its own; it waits for one of them to end where that is too little (one that is run
     * by what gives another job its batches is refused instead).
     */
    bool share;
    unsigned n_processes; /* max_memory 0: so many processes are at work, which divide what is free; 0: one */
    bool whole_process; /* the budget bounds the process's resident set, program included (the command); else growth */
    unsigned n_threads; /* 0: one for each CPU */
    const char *spill_dir;  /* NULL: TMPDIR, else /var/tmp */
    bool spill_to_memory;   /* a spill directory on tmpfs is allowed */
    const char *checkpoint; /* NULL: none; else written after every pass, continued from when it is there */
    /* going on from a model */
    const struct skimp_model *start; /* where the fit begins (below); NULL: anew. Borrowed until the job is destroyed */
    bool partial; /* partial_fit: one epoch, whatever max_iter and tol say, and a model that can be gone on from */
    const struct skimp_array
        *classes; /* a classifier's, as in classes_ of a model, which the data need not show all; NULL:
                                          those that they show, or the start's */
    /* watching */
    skimp_progress_fn *progress;
    void *progress_context;
    const volatile int *cancel; /* non-zero: stop with SKIMP_ERROR_CANCELLED */
} skimp_job_options;

#define SKIMP_JOB_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        .size = sizeof(skimp_job_options), .header = -1, .zero_based = -1                                              \
    }

typedef struct skimp_assumption {
    const char *name; /* "rows", "features", "categories", "classes", "longest_line", "nonzeros" */
    double value;
} skimp_assumption;

typedef struct skimp_plan {
    bool exact; /* nothing was assumed */
    const skimp_assumption *assumed;
    size_t n_assumed;
    uint64_t budget_bytes;            /* 0: none was given and there is no limit */
    uint64_t peak_bytes;              /* upper bound of the peak */
    uint64_t minimum_bytes;           /* smallest budget that works */
    uint64_t memory[SKIMP_TAG_COUNT]; /* peak by tag; their sum is at least peak_bytes (not all peak at once) */
    uint64_t disk_bytes;              /* spill or kept store; row state, also in checkpoints */
    double passes_expected, passes_max;
    double seconds;      /* rough */
    uint64_t chunk_rows; /* rows of a chunk */
    const char
        *store; /* "memory", "disk", "file" (a kept store is the input); nothing is stored: "caller" (arrays), "source"
                          (batches that are read once a pass) */
    unsigned threads;
    uint64_t rows, features, nonzeros; /* expected, features after encoding */
} skimp_plan;

typedef struct skimp_metric {
    const char *name; /* scikit-learn's: "log_loss", "accuracy", "roc_auc", "r2", "mean_squared_error", … */
    double value;
} skimp_metric;

typedef struct skimp_report {
    uint64_t rows;                   /* fitted on (or predicted, scored) */
    uint64_t features;               /* after encoding */
    uint64_t nonzeros;               /* stored values of sparse data; 0 for tables */
    uint64_t rows_bad, rows_missing; /* skipped, dropped */
    uint64_t first_bad_row;          /* line of the first row that was skipped; 0: none */
    uint64_t unknown_categories;     /* predict, score: values unseen in training */
    uint64_t n_iter;
    double objective; /* NaN where there is none */
    bool converged;
    bool resumed; /* continued from a checkpoint */
    unsigned threads;
    double seconds;
    double passes;
    uint64_t
        peak_bytes; /* the kernel's: VmHWM (whole_process) or its growth (0: not known, the process was larger before) */
    uint64_t charged_peak_bytes;
    uint64_t disk_bytes;
    uint64_t memory[SKIMP_TAG_COUNT]; /* charged peak by tag */
    size_t n_warnings;                /* texts by skimp_job_warning */
    const skimp_metric *metrics;
    size_t n_metrics;     /* score, and the hold-out of a fit */
    uint64_t metric_rows; /* rows they were computed on */
} skimp_report;

typedef struct skimp_job skimp_job;
typedef struct skimp_model skimp_model;

/*
 * Checks names, parameters and files, and opens the inputs. Nothing is read but samples (at most 1 MiB).
 * Errors: PARAM, DATA, IO, BUDGET.
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_create(skimp_job **out, const skimp_job_options *options,
                                                      skimp_error *error);
SKIMP_API void skimp_job_destroy(skimp_job *job);

/* The plan. Well under a second whatever the size of the data. Error BUDGET only when even planning does not fit. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_plan(skimp_job *job, const skimp_plan **plan, skimp_error *error);

/*
 * Plans, refuses a budget that is too small (BUDGET, minimum_bytes set) before the data is read, then runs. Once per job.
 * Steps without an estimator are fitted alone: no target is needed, and one that is named is no feature.  Their model's
 * estimator is "pipeline".  There is nothing to hold out then (PARAM), and no checkpoint (PARAM).
 *
 * A fit with options.start begins where that model ended, which must be of the same estimator, steps and columns, whatever
 * its parameters were: coefficients are where the solver begins.  With options.partial the statistics of steps, and steps,
 * rates and averages of SGD go on too (without, they begin anew: warm_start); those of steps alone go on either way.  Its classes are those of the fit.  An
 * estimator or step that cannot go on refuses (PARAM); the start is believed in nothing (DATA).  Little of it is copied.
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_fit(skimp_job *job, skimp_model **model, skimp_error *error);

/* Reads the inputs into a kept chunk store at `path` (atomic). No estimator is needed. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_convert(skimp_job *job, const char *path, skimp_error *error);

/*
 * Reads the inputs through a model of steps alone into a kept chunk store at `path` (atomic): what the steps make of them,
 * for another job to fit or predict from.  Text columns stay columns of text, which that job encodes, with the categories
 * that the model knows; a text that it does not know becomes "(unknown)".  Columns that steps added come last, by the names
 * that the model's "feature_names" have for them.  The store has the target and the weight that options name, or, of a kept
 * store or arrays, their own; neither can be one of the model's columns (PARAM).  Numbers are kept to the digits that a
 * store keeps.  The same bytes for any number of threads and any budget; one that is too small is refused before the data
 * is read (BUDGET, minimum_bytes set; of text it is estimated).  A job that was planned, or has run, is refused (PARAM).
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_convert_through(skimp_job *job, const skimp_model *model,
                                                               const char *path, skimp_error *error);

/*
 * Streams the inputs through a model. predict writes a CSV to `path` ("-": standard output; else atomic):
 * `prediction`, or with `proba` one column `probability_<class>` for each class besides.
 * score fills the report's metrics; the target is the model's unless options.target says otherwise.
 * Steps, drops and text columns are the model's; columns are found by name where there is a header, else by place.
 * A kept store serves as well as the text that it was made from, whatever roles its columns have there.
 * Sample weights are not used: every row counts once in the metrics.  A job that was planned, or has run, is refused (PARAM).
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_predict(skimp_job *job, const skimp_model *model, const char *path,
                                                       bool proba, skimp_error *error);
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_score(skimp_job *job, const skimp_model *model, skimp_error *error);
/*
 * The smallest budgets in which these two run, in *bytes; the job does not run any more after that.  For the caller that had
 * too little to load the model, or to look at the inputs, and wants to know what would do: a job without max_memory tells.
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_predict_minimum(skimp_job *job, const skimp_model *model, bool proba,
                                                               uint64_t *bytes, skimp_error *error);
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_score_minimum(skimp_job *job, const skimp_model *model, uint64_t *bytes,
                                                             skimp_error *error);

/* ---- a model applied into the caller's memory ---- */

typedef enum skimp_apply_kind {
    SKIMP_APPLY_LABEL,       /* one column: of a classifier the index into classes_, of a regressor the value */
    SKIMP_APPLY_DECISION,    /* of a classifier: one column for two classes, else one for each */
    SKIMP_APPLY_PROBABILITY, /* of a classifier: one column for each class */
    SKIMP_APPLY_TRANSFORM /* the features as the steps leave them, which is what a final estimator gets; text is one-hot */
} skimp_apply_kind;

/* How much memory is wanted. */
typedef struct skimp_apply_shape {
    uint64_t n_rows, n_columns;
    uint64_t nonzeros; /* CSR: so many entries of values and indices, and n_rows + 1 of indptr */
    bool is_sparse;    /* CSR: of sparse data transformed; else dense */
    bool is_last;      /* this is the size of the result: nothing more will be asked for */
} skimp_apply_shape;

/* Memory of the caller, aligned as its types want it. */
typedef struct skimp_apply_memory {
    void *values;                      /* dense: of row 0, column 0 */
    int64_t row_stride, column_stride; /* dense: bytes, multiples of the type's; may be negative */
    void *indices, *indptr;            /* CSR */
} skimp_apply_memory;

/*
 * Gives memory of at least this shape, which keeps what was written to the memory given before.  Called once before the
 * run where the number of rows is known: dense results for arrays and kept stores whose rows all count.  Else from workers,
 * one call at a time, whenever more is needed, and once more at the end, with exactly what was written.
 */
typedef skimp_status skimp_apply_reserve(void *context, const skimp_apply_shape *shape, skimp_apply_memory *out,
                                         skimp_error *error);

typedef struct skimp_apply_options {
    size_t size; /* sizeof(skimp_apply_options) */
    skimp_apply_kind kind;
    skimp_dtype dtype;         /* F64, F32; of a classifier's labels I32, I64 too */
    skimp_dtype indices_dtype; /* CSR: I32 or I64, of indices and indptr */
    skimp_apply_reserve *reserve;
    void *context;      /* of reserve */
    uint64_t row_bytes; /* for each row the caller will make so much of the result, which is charged for with it */
} skimp_apply_options;

#define SKIMP_APPLY_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        .size = sizeof(skimp_apply_options), .dtype = SKIMP_DTYPE_F64, .indices_dtype = SKIMP_DTYPE_I64                \
    }

/*
 * Streams the inputs through a model as predict does, and writes what comes, in the order of the rows, into memory of the
 * caller, which is charged to the job's budget under "output" while it runs.  A budget that is too small is refused before
 * the data is read (BUDGET, minimum_bytes set) where the number of rows is known; of text it is estimated.  CSR comes with
 * indices ascending and distinct in each row.  After a failure what is in the memory is not to be used.
 *
 * A model of steps alone (a job without an estimator) can only transform; the others transform too.
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_apply(skimp_job *job, const skimp_model *model,
                                                     const skimp_apply_options *options, skimp_error *error);

/*
 * The next rows of a kept store, in its order, given back as arrays: columns (numbers as F32 or F64, texts as codes), or CSR,
 * with target and weight where it has them; of options.rows these rows alone.  *end: there are no more.  They are the
 * job's, until the next call.  Memory: a chunk, and the texts.  The job can do nothing else.
 * Errors: PARAM (the input is no kept store, or keeps hashes of texts), DATA, IO, BUDGET.
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_job_next_chunk(skimp_job *job, skimp_data *chunk, bool *end,
                                                          skimp_error *error);

/* What came of the last of the above; also after a failure, as far as it got. Never NULL. */
SKIMP_API const skimp_report *skimp_job_report(const skimp_job *job);
SKIMP_API const char *skimp_job_warning(const skimp_job *job, size_t i);

/* ---- models ---- */

/* Loads a model file (hostile bytes) into a budget of its own below `parent` (NULL: none). */
SKIMP_API SKIMP_CHECKED skimp_status skimp_model_load(skimp_model **out, skimp_budget *parent, const char *path,
                                                      skimp_error *error);
SKIMP_API SKIMP_CHECKED skimp_status skimp_model_save(const skimp_model *model, const char *path,
                                                      skimp_error *error); /* atomic */
SKIMP_API void skimp_model_destroy(skimp_model *model);
SKIMP_API const char *skimp_model_estimator(const skimp_model *model);
SKIMP_API uint64_t skimp_model_bytes(const skimp_model *model);
/* Metadata, key by key ("estimator", "params", "skimp_version", "target", …). False past the end. */
SKIMP_API bool skimp_model_meta(const skimp_model *model, size_t i, const char **key, const char **value);
typedef struct skimp_array {
    const char *name;  /* "coef_", "0.standard_scaler.mean_" */
    const char *dtype; /* "F64", "U8", … */
    unsigned n_dims;
    uint64_t shape[4];
    const void *data; /* the model's */
} skimp_array;
SKIMP_API bool skimp_model_array(const skimp_model *model, size_t i, skimp_array *out); /* False past the end */
/*
 * The model that these metadata and arrays are, as skimp_model_meta and skimp_model_array gave them, or as changed since:
 * for those who keep a fitted model as arrays of their own.  The arrays stay where they are and must outlive the model;
 * names and metadata are copied.  Nothing is believed: what contradicts itself is found when the model is used (DATA).
 */
SKIMP_API SKIMP_CHECKED skimp_status skimp_model_of_arrays(skimp_model **out, skimp_budget *parent,
                                                           const skimp_setting *meta, size_t n_meta,
                                                           const skimp_array *arrays, size_t n_arrays,
                                                           skimp_error *error);

/* ---- looking ---- */

typedef enum skimp_file_kind {
    SKIMP_FILE_DATA,
    SKIMP_FILE_STORE,
    SKIMP_FILE_MODEL,
    SKIMP_FILE_CHECKPOINT
} skimp_file_kind;
/* What kind of file this is, from its first bytes. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_file_recognise(const char *path, skimp_file_kind *kind, skimp_error *error);

/* IO: files in this directory would be in memory (tmpfs), so to spill there would save nothing; or there is no such one. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_spill_check(const char *directory, skimp_error *error);

/* A column of the job's inputs (after create), for `skimp info FILE`. False past the end. */
typedef struct skimp_column_info {
    const char *name;
    const char *type;    /* "number", "text", "date"; sparse data has one entry "sparse" */
    const char *role;    /* "feature", "target", "weight", "dropped" */
    uint64_t categories; /* text: expected number */
} skimp_column_info;
SKIMP_API bool skimp_job_column(const skimp_job *job, size_t i, skimp_column_info *out);
SKIMP_API const char *skimp_job_format(const skimp_job *job); /* "csv", … */

/* Sizes as the command takes them: "64M", "1.5GiB", "100 MB", "1e9". K, M, G, T and KiB… are powers of 1024; KB, MB… of 1000. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_parse_size(const char *text, uint64_t *bytes, skimp_error *error);

/* This process's resident set and its high-water mark, by the kernel. */
SKIMP_API void skimp_process_memory(uint64_t *resident, uint64_t *peak);
/* What a job without max_memory may take beside that: half of what is free to this process. */
SKIMP_API SKIMP_CHECKED skimp_status skimp_default_memory(uint64_t *bytes, skimp_error *error);

SKIMP_API const char *skimp_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
