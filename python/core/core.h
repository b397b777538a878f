/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The extension module skimp._core: libskimp's jobs and models as Python objects.
 *
 *   core.c         the module: estimators, sizes, errors
 *   core_run.c     work beside the interpreter: the GIL released, signals seen, progress told
 *   core_options.c a dict of options as skimp_job_options
 *   core_data.c    arrays as skimp_data
 *   core_batches.c the same in batches, from a callable
 *   core_chunks.c  the other way: chunks of a store as bytes
 *   core_job.c     Job: plan, fit, convert, predict, score, apply
 *   core_apply.c   what a model makes of data, in memory that becomes arrays
 *   core_model.c   Model: metadata and arrays
 *   core_parquet.c Parquet: numbers of Parquet files
 *
 * It uses the limited API, so one build serves every Python from 3.11 on.  What it does not know of is NumPy: arrays come
 * and go by the buffer protocol.
 */
#ifndef SKIMP_CORE_H
#define SKIMP_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <pthread.h>
#include <stdbool.h>

#include "skimp/skimp.h"

typedef struct core_state {
    PyObject *job_type, *model_type, *block_type, *parquet_type;
    PyObject *make_error; /* skimp._errors.make */
} core_state;

core_state *core_state_of(PyObject *module);
core_state *core_state_of_type(PyTypeObject *type);

/* Sets the exception that an error of the library is. Returns NULL. */
PyObject *core_raise(core_state *state, const skimp_error *error);

/* Adds value (a new reference, or NULL with an exception set) to a dict. False: an exception is set. */
bool core_put(PyObject *dict, const char *key, PyObject *value);

/* ---- work ---- */

/* What a job tells of itself from its workers, kept for the thread that waits. */
typedef struct core_watch {
    pthread_mutex_t lock;
    bool has_progress;
    skimp_progress progress;
    volatile int cancel; /* the library looks at it */
} core_watch;

void core_watch_init(core_watch *watch);
void core_watch_destroy(core_watch *watch);
skimp_progress_fn core_watch_progress; /* context: a core_watch */

typedef skimp_status core_work_fn(void *context, skimp_error *error);
/*
 * Runs work in a thread of its own while this one, without the GIL, waits; every twentieth of a second it looks for
 * signals (Ctrl-C cancels the work) and calls `progress` (or None) with a dict.  False: an exception is set.
 */
bool core_run(core_state *state, core_watch *watch, core_work_fn *work, void *context, PyObject *progress);

/* ---- options ---- */

/* skimp_job_options from a dict, and what they point into. */
typedef struct core_options {
    skimp_job_options options;
    void *blocks[8];
    unsigned n_blocks;
} core_options;

/* Strings are borrowed from the dict's objects: it must live as long. False: an exception is set. Always to be freed. */
bool core_options_read(core_options *out, PyObject *dict);
void core_options_free(core_options *options);

/* ---- data ---- */

/* skimp_data from a dict (core_data.c), with the buffers that it points into. */
typedef struct core_data {
    skimp_data data;
    Py_buffer *buffers;
    unsigned n_buffers, most;
    skimp_data_column *columns;
    const char **names;
    struct core_batches *batches; /* NULL: it is all there */
} core_data;

/* Batches from a callable of Python (core_batches.c). */
typedef struct core_batches {
    PyObject *next;  /* called without arguments: a dict as core_data_read takes, or None at the end */
    PyObject *again; /* called before each pass after the first; NULL: they come once */
    PyObject *dict;  /* of the batch that is there */
    core_data batch; /* the same */
    PyObject *type, *value, *traceback; /* what `next` raised; NULL: nothing */
} core_batches;

/* False: an exception is set. Always to be freed, after the job. Names are borrowed from the dict's objects. */
bool core_data_read(core_data *out, PyObject *dict);
void core_data_free(core_data *data);
/* kind "batches": next, n_rows (0: not known), again (or None). */
bool core_batches_read(core_data *out, PyObject *dict);
void core_batches_free(core_batches *batches);
/* Sets the exception again that the user's code raised, if it did: an error of the library is then only its echo. */
bool core_batches_raise(core_data *data);
/*
 * Rows given back: n_rows, n_columns, target, weight; columns, or indptr, indices and values: each (type, bytes) or None;
 * with_texts: lists of the texts of each column, and the labels.  NULL: an exception is set.
 */
PyObject *core_chunk_dict(const skimp_data *chunk, bool with_texts);

/* ---- results ---- */

typedef struct core_memory {
    void *data;
    size_t bytes, mapped; /* mapped: bytes of the mapping; 0: a small block */
} core_memory;

/* What skimp_job_apply is given, and the memory that it has filled. Stays where it is while the job runs. */
typedef struct core_result {
    skimp_apply_options options;
    skimp_apply_shape shape;
    core_memory values, indices, indptr;
} core_result;

/* By names: "label", "decision", "probability", "transform"; "float64", "float32", "int64", "int32". False: an exception is set. */
bool core_result_begin(core_result *result, const char *kind, const char *dtype, const char *indices_dtype);
void core_result_free(core_result *result);
/* A Block of two dimensions; of CSR a tuple: Blocks of values, indices and indptr, number of columns. The memory goes to them. */
PyObject *core_result_take(core_state *state, core_result *result);

/* ---- types ---- */

extern PyType_Spec core_job_spec, core_model_spec, core_block_spec, core_parquet_spec;
PyObject *core_model_wrap(core_state *state, skimp_model *model); /* takes the model, also when it fails */
skimp_model *core_model_of(core_state *state, PyObject *object);  /* NULL: an exception is set */

#endif
