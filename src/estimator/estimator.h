/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The estimator class: one const struct of functions for each estimator and transformer, one line in registry.c.
 *
 * An estimator sees chunks, never a file.  The engine runs it:
 *
 *     plan → begin → [ start ] → { next_pass → [ lane_begin → consume … ] per lane → merge → end_pass }* → result, save → destroy
 *
 * next_pass says what the coming pass needs: read-only, serialisable parameters.  consume adds a chunk to a *lane*: a
 * flat, serialisable accumulator of lane_bytes without pointers.  Lane l of L gets chunks l, l + L, l + 2L, … in that
 * order, whatever the number of threads; at the end the lanes are merged 0 ← 1, 0 ← 2, …  That is the whole contract
 * for threads, machines and files.
 *
 * *Row state.*  A class may ask for row_state_bytes for each row: dual variables, scores, distances.  They are zeros at
 * the first pass, come with each chunk as chunk->row_state, and are kept from pass to pass, in memory or on disk as the
 * budget allows.  consume (and consume_window) reads and writes them in place: until it returns they are the chunk's alone,
 * and no longer.  Row i of the chunk has the bytes from i × row_state_bytes on, aligned as an array of such elements is (to
 * the largest power of two in row_state_bytes, 64 at most); nothing lies around them that may be touched.  A row is a row
 * as the chunk shows it: rows that are held out or were dropped have none.  A chunk shows the same rows in the same order
 * in every pass.  On disk, what a pass changed is written back, the rest is not; so a pass that only looks should leave
 * them as they are.  A checkpoint contains them: state_save and state_load have nothing to do with them.
 *
 * A transformer is fitted the same way (usually in one pass) and has `transform`, which changes a chunk in place.  It may
 * also change which columns there are (`changes`): columns that went in may go no further, and new dense columns come
 * after all others.  A sequential estimator (SGD) has consume_window instead of consume.
 */
#ifndef SKIMPI_ESTIMATOR_H
#define SKIMPI_ESTIMATOR_H

#include "data/chunk.h"
#include "data/column_spread.h"
#include "data/tensors.h"
#include "skimp/params.h"

#define SKIMPI_MAX_LANES 16

/* ---- parameters: values checked against the table (params.c) ---------------------------------------------------- */

typedef struct skimpi_params skimpi_params;
/* All defaults. */
skimp_status skimpi_params_create(skimpi_params **out, skimp_budget *budget, const skimp_estimator_info *info,
                                  skimp_error *error);
void skimpi_params_destroy(skimpi_params *params);
/* value: JSON, else a bare string; None/True/False as in Python. Checks name (near names are listed), type and range. */
skimp_status skimpi_params_set(skimpi_params *params, const char *name, const char *value, skimp_error *error);
bool skimpi_params_is_null(const skimpi_params *params, const char *name);
bool skimpi_params_is_set(const skimpi_params *params,
                          const char *name); /* differs from the default's text: was given */
double skimpi_params_number(const skimpi_params *params,
                            const char *name); /* BOOL (0/1), INT, FLOAT; "inf" is infinity */
const char *skimpi_params_text(const skimpi_params *params, const char *name); /* CHOICE, JSON; as canonical text */
const skimp_estimator_info *skimpi_params_info(const skimpi_params *params);

/* ---- what an estimator may know of the data ----------------------------------------------------------------------- */

/* Texts of the columns that a transformer of text sees, and their codes there. */
typedef struct skimpi_texts {
    const char *(*text)(const struct skimpi_texts *texts, uint32_t column, uint32_t code, size_t *length);
    /* SKIMPI_CODE_UNKNOWN: there is none such */
    uint32_t (*code)(const struct skimpi_texts *texts, uint32_t column, const char *text);
} skimpi_texts;

typedef struct skimpi_problem {
    uint64_t n_rows;               /* exact once the data has been read; expected (a bound) before */
    bool is_exact;                 /* the data has been read */
    uint64_t n_features;           /* after encoding */
    uint64_t n_dense;              /* dense columns */
    uint64_t n_code_columns;       /* one-hot columns; their features are n_features - n_dense - n_sparse */
    const uint64_t *code_features; /* n_code_columns: feature of each one's code 0; NULL: unknown */
    const uint32_t *code_sizes;    /* and its n_codes (expected before the data is read) */
    uint64_t n_sparse;             /* width of the CSR block */
    uint64_t nonzeros;             /* of the CSR block */
    uint32_t n_classes;            /* classifiers; 0 for regressors */
    const double
        *class_weights;  /* n_classes, for an estimator class that weighs_classes; NULL: ones. Stay until destroy */
    uint32_t chunk_rows; /* largest chunk (expected bound before the data is read) */
    uint64_t n_chunks;
    bool weighted;                    /* chunks carry weights (which a step is to ignore otherwise) */
    unsigned n_threads;               /* a hint for speed: must not change what is computed */
    const char *const *feature_names; /* n_features (NULL before the data is read, and when too many): for warnings */
    const double *dense_mean,
        *dense_scale; /* per feature, of the rows as they arrive (after steps), when known; else NULL: hints for conditioning only */
    bool has_rows;    /* to a pass that takes_rows, and has no shifts, chunks come as rows; else they never do */
    bool partial;     /* one part of a longer fit: for a class that learns_in_parts */
    bool has_spreads; /* steps: `spreads` will be there, so that a pass for them is not needed */
    const skimpi_column_spread
        *spreads;          /* of the data's columns, where these come to the step as they are; else NULL */
    const uint32_t *slots; /* which of them the dense columns are (NULL: all) */
    /* Transformers. Those of text see n_code_columns columns of codes: code_sizes texts each, ascending, and SKIMPI_CODE_MISSING. */
    uint64_t n_complete; /* so many of the columns that go in are known to miss no value … */
    uint64_t n_empty;    /* … and so many to have none (dense ones; when planning) */
    uint32_t hash_bits;  /* the codes are hashes of so many bits, and their texts are not known; 0: they are texts */
    const skimpi_texts *texts; /* NULL before the data is read, and when hashed */
} skimpi_problem;

static inline const skimpi_column_spread *skimpi_problem_spread(const skimpi_problem *problem, uint64_t j)
{
    return &problem->spreads[problem->slots != NULL ? problem->slots[j] : j];
}

/* Memory and passes. Pure functions of problem and params: `plan` is called with the expected problem, then with the exact one. */
typedef struct skimpi_needs {
    unsigned lanes;        /* 1 … SKIMPI_MAX_LANES; a function of shape and parameters, never of threads or budget */
    uint64_t state_bytes;  /* what begin … end_pass charge in all, at most ("solver") */
    uint64_t lane_bytes;   /* of one lane ("accumulators") */
    uint64_t worker_bytes; /* scratch of one worker, 64-byte aligned ("accumulators") */
    /* Per row, kept beside the chunks; 0: none. The engine plans and charges it ("store", "chunks"): no part of state_bytes. */
    uint64_t row_state_bytes;
    uint64_t model_bytes; /* what save adds to the tensors ("model") */
    double passes_expected, passes_max;
    double seconds_per_pass; /* estimate, one thread, for the plan's time; 0: unknown */
    unsigned window;         /* sequential: chunks decoded at once for shuffling (0: not sequential) */
    /* Transformers that change the columns, at most: */
    uint64_t new_floats, new_doubles; /* dense columns that they add */
    bool may_drop;                    /* columns that are not known to be complete may go no further … */
    uint64_t drops;                   /* … and so many (dense) do for certain */
    bool doubles_csr;                 /* a CSR block may become twice as long … */
    uint64_t new_sparse;              /* … and so much wider */
    uint64_t new_texts;               /* categories that a text column gets, unless it is known to be complete … */
    bool new_texts_anywhere;          /* … even then */
    uint64_t new_text_bytes;          /* bytes of the texts (two) that come into the dictionary of each column */
} skimpi_needs;

typedef struct skimpi_pass {
    bool is_done;           /* no further pass is needed; the rest does not matter */
    int kind;               /* the estimator's own word for it */
    const void *parameters; /* read-only, flat, no pointers; owned by the estimator until end_pass */
    size_t parameter_bytes;
    bool sequential; /* this pass uses consume_window; else lanes (a sequential class has both kinds of pass) */
    uint64_t
        chunk_stride; /* lanes: 0 or 1: all chunks; k: only every k-th (a subsample that is read at a k-th of the cost) */
    bool takes_rows;      /* lanes: chunks may be rows where the caller has them (chunk->rows) in place of columns */
    const double *shifts; /* lanes: n_features, taken off the dense columns before they are consumed; NULL: nothing */
    bool shuffle;         /* sequential: chunk order is a permutation from shuffle_seed; else file order */
    uint64_t shuffle_seed;
} skimpi_pass;

/* Warnings for the user: one line each, naming the column. At most 100 are kept, then counted. */
typedef struct skimpi_warnings skimpi_warnings;
skimp_status skimpi_warnings_create(skimpi_warnings **out, skimp_budget *budget, skimp_error *error);
void skimpi_warnings_destroy(skimpi_warnings *warnings);
void skimpi_warn(skimpi_warnings *warnings, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* NULL allowed; fixed memory */
size_t skimpi_warnings_count(const skimpi_warnings *warnings);
const char *skimpi_warnings_at(const skimpi_warnings *warnings, size_t i);

typedef struct skimpi_outcome {
    double objective; /* the formula of scikit-learn's user guide; NaN where there is none */
    uint64_t n_iter;
    bool converged;
} skimpi_outcome;

#define SKIMPI_LONGER_NAME 24

/* What a fitted transformer makes of the columns that go in, besides changing their values. */
typedef struct skimpi_changes {
    uint32_t new_floats, new_doubles; /* dense columns that it adds: floats, then doubles */
    uint64_t n_sparse;                /* width of the CSR block that comes out */
    bool grows_csr;                   /* transform may make it up to twice as long */
} skimpi_changes;

/* What becomes of a text column: one text, or a missing value, becomes another text. */
typedef struct skimpi_recoding {
    const char *from; /* NULL: a missing value */
    const char *to;   /* NULL: it stays as it is */
    bool was_used;    /* some row of the fit was changed */
} skimpi_recoding;

typedef enum skimpi_predict_kind {
    SKIMPI_PREDICT_LABEL,
    SKIMPI_PREDICT_DECISION,
    SKIMPI_PREDICT_PROBABILITY
} skimpi_predict_kind;

typedef struct skimpi_estimator_class {
    skimp_estimator_info info;

    /* Checks parameter combinations and says what a fit needs. Never reads data, never allocates. */
    skimp_status (*plan)(const skimpi_problem *problem, const skimpi_params *params, skimpi_needs *needs,
                         skimp_error *error);

    /* Starts a fit on exact knowledge of the data. *self is freed by destroy. */
    skimp_status (*begin)(void **self, skimp_budget *budget, const skimpi_problem *problem, const skimpi_params *params,
                          skimpi_warnings *warnings, skimp_error *error);
    /*
     * Optional, after begin: the fit begins where the fitted self ended whose arrays these are, as save made them or as they
     * were changed since (hostile: shapes are checked, DATA).  They stay where they are until destroy.  A state_load that
     * follows has the last word.
     */
    skimp_status (*start)(void *self, const skimpi_tensors *tensors, const char *prefix, skimp_error *error);
    bool learns_in_parts; /* heeds skimpi_problem.partial */
    skimp_status (*next_pass)(void *self, skimpi_pass *pass, skimp_error *error);
    /* Makes a zeroed lane of lane_bytes ready for a pass (NULL: zeros will do). */
    void (*lane_begin)(const void *self, const skimpi_pass *pass, void *lane);
    /* Adds a chunk. self is read-only here: any number of lanes run at once. */
    skimp_status (*consume)(const void *self, const skimpi_pass *pass, const skimpi_chunk *chunk, void *lane,
                            void *worker_scratch, skimp_error *error);
    /* into += from */
    void (*merge)(const void *self, const skimpi_pass *pass, void *into, const void *from);
    skimp_status (*end_pass)(void *self, const skimpi_pass *pass, const void *lane, skimp_error *error);
    /* Sequential classes, in place of lanes: chunks of one window in the order to visit; may change self. */
    skimp_status (*consume_window)(void *self, const skimpi_pass *pass, const skimpi_chunk *const *chunks,
                                   unsigned n_chunks, void *worker_scratch, skimp_error *error);
    /* Objective so far, for the progress line (NaN when there is none yet). */
    double (*progress)(const void *self);

    /* All that changes from pass to pass, appended to / taken from flat bytes; called between end_pass and next_pass. */
    skimp_status (*state_save)(const void *self, skimpi_buffer *out, skimp_error *error);
    skimp_status (*state_load)(void *self, const void *bytes, size_t n, skimp_error *error); /* hostile bytes: DATA */

    void (*result)(const void *self, skimpi_outcome *outcome);
    /* Fitted arrays under prefix + scikit-learn's attribute names. */
    skimp_status (*save)(const void *self, skimpi_tensors *tensors, const char *prefix, skimp_error *error);
    /* Makes a fitted self from saved arrays (hostile: shapes are checked against problem's n_features, n_classes). */
    skimp_status (*load)(void **self, skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                         const skimpi_problem *problem, const skimpi_params *params, skimp_error *error);
    void (*destroy)(void *self);

    /* Predictors: columns of a kind (0: not offered; PARAM error text in *why), and predictions out[c × stride + i]. LABEL: class index or value. */
    unsigned (*outputs)(const void *self, skimpi_predict_kind kind, const char **why);
    skimp_status (*predict)(const void *self, skimpi_predict_kind kind, const skimpi_chunk *chunk, double *out,
                            size_t stride, void *worker_scratch, skimp_error *error);
    uint64_t (*predict_worker_bytes)(const skimpi_problem *problem, const skimpi_params *params);
    /*
     * Class weights come in skimpi_problem.class_weights, and chunks carry the rows' own weights; else they are multiplied
     * into the chunks' weights.  "balanced" counts rows then, as scikit-learn's SGDClassifier does, else their weights.
     */
    bool weighs_classes;

    /* Transformers: changes the dense columns of [first_feature … ] it was fitted on (all dense columns and CSR values here). */
    void (*transform)(const void *self, skimpi_chunk *chunk);
    bool accepts_missing; /* transformers: NaN may come in (imputer, scalers) */
    bool removes_missing; /* transformers: no NaN comes out (imputer) */
    bool handles_text;    /* transformers: may be given text columns, and then nothing else */
    bool (*only_fills)(
        const skimpi_params *params); /* transformers: what is not missing comes out as it is; NULL: no */

    /*
     * Transformers that change which columns there are (NULL: as many come out as go in, in their places).  Asked once the
     * step is fitted or loaded; what is said then stays.  Sparse features are renumbered by transform itself.
     */
    void (*changes)(const void *self, skimpi_changes *out);
    bool (*drops)(const void *self, uint32_t column); /* a dense or text column that went in goes no further */
    /*
     * Fills the new columns, whose memory is there, from what goes in, before transform.  recoded: of text columns, the
     * code in each that its recoding changes; else NULL.
     */
    void (*extend)(const void *self, const skimpi_chunk *chunk, const uint32_t *recoded,
                   skimpi_dense_column *new_columns);
    /*
     * Appends the name of a new column, without its end, at most SKIMPI_LONGER_NAME bytes longer than the longest of `names`:
     * of the columns that went in.
     */
    skimp_status (*name_new)(const void *self, uint32_t new_column, const char *const *names, skimpi_buffer *out,
                             skimp_error *error);
    /* Transformers of text: what the engine is to make of the codes of a column. */
    void (*recode)(const void *self, uint32_t column, skimpi_recoding *out);
} skimpi_estimator_class;

const skimpi_estimator_class *skimpi_estimator_class_find(const char *name);
const skimpi_estimator_class *skimpi_estimator_class_at(unsigned i); /* NULL past the end */

#endif
