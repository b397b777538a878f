/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The extension module skimp._core: libskimp's jobs and models as Python objects.
 *
 *   core.c         the module: estimators, sizes, errors
 *   core_run.c     work beside the interpreter: the GIL released, signals seen, progress told
 *   core_options.c a dict of options as skimp_job_options
 *   core_data.c    arrays as skimp_data
 *   core_job.c     Job: plan, fit, convert, predict, score
 *   core_model.c   Model: metadata and arrays
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
    PyObject *job_type, *model_type;
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
} core_data;

/* False: an exception is set. Always to be freed, after the job. Names are borrowed from the dict's objects. */
bool core_data_read(core_data *out, PyObject *dict);
void core_data_free(core_data *data);

/* ---- types ---- */

extern PyType_Spec core_job_spec, core_model_spec;
PyObject *core_model_wrap(core_state *state, skimp_model *model); /* takes the model, also when it fails */
skimp_model *core_model_of(core_state *state, PyObject *object);  /* NULL: an exception is set */

#endif
