/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches from callables of Python: `next` gives one after the other, and `again`, where there is one, has it begin with the
 * first once more.  The library asks for them from whichever thread is free; the GIL is held only while a callable runs and
 * its buffers are taken.  What it raises is kept, and raised again once the job has ended.
 */
#include "core.h"

#include <string.h>

static void forget_batch(core_batches *batches)
{
    core_data_free(&batches->batch);
    Py_CLEAR(batches->dict);
}

/* What the callable has raised is what the user is told. */
static skimp_status keep_exception(core_batches *batches, skimp_error *error)
{
    PyErr_Fetch(&batches->type, &batches->value, &batches->traceback);
    if (error != NULL && error->code == SKIMP_OK) {
        error->code = SKIMP_ERROR_CANCELLED;
        strcpy(error->message, "the batches' own code raised an exception");
    }
    return SKIMP_ERROR_CANCELLED;
}

static skimp_status next_batch(void *context, skimp_data *batch, bool *end, skimp_error *error)
{
    core_batches *batches = context;
    skimp_status status = SKIMP_OK;
    const PyGILState_STATE gil = PyGILState_Ensure();
    forget_batch(batches);
    batches->dict = PyObject_CallNoArgs(batches->next);
    const bool is_dict = batches->dict != NULL && PyDict_Check(batches->dict);
    *end = batches->dict == Py_None;
    if (batches->dict != NULL && !is_dict && !*end) {
        PyErr_SetString(PyExc_TypeError, "a batch is a dict, or None at the end");
    }
    const bool ok = *end || (is_dict && core_data_read(&batches->batch, batches->dict));
    if (ok && !*end) {
        *batch = batches->batch.data;
    }
    if (!ok) {
        status = keep_exception(batches, error);
    }
    PyGILState_Release(gil);
    return status;
}

static skimp_status begin_again(void *context, skimp_error *error)
{
    core_batches *batches = context;
    skimp_status status = SKIMP_OK;
    const PyGILState_STATE gil = PyGILState_Ensure();
    forget_batch(batches);
    PyObject *result = PyObject_CallNoArgs(batches->again);
    if (result == NULL) {
        status = keep_exception(batches, error);
    }
    Py_XDECREF(result);
    PyGILState_Release(gil);
    return status;
}

bool core_batches_read(core_data *out, PyObject *dict)
{
    PyObject *next = PyDict_GetItemString(dict, "next"), *n_rows = PyDict_GetItemString(dict, "n_rows");
    PyObject *again = PyDict_GetItemString(dict, "again");
    const bool has_again = again != NULL && again != Py_None;
    if (next == NULL || !PyCallable_Check(next) || n_rows == NULL || (has_again && !PyCallable_Check(again))) {
        PyErr_SetString(PyExc_TypeError, "batches: 'next' and 'again' are callables, and 'n_rows' is a number");
        return false;
    }
    const unsigned long long expected = PyLong_AsUnsignedLongLong(n_rows);
    if (PyErr_Occurred() != NULL) {
        return false;
    }
    out->batches = PyMem_Calloc(1, sizeof *out->batches);
    if (out->batches == NULL) {
        PyErr_NoMemory();
        return false;
    }
    out->batches->next = Py_NewRef(next);
    out->data.kind = SKIMP_DATA_BATCHES;
    out->data.n_rows = expected;
    out->data.next = next_batch;
    if (has_again) {
        out->batches->again = Py_NewRef(again);
        out->data.rewind = begin_again;
        out->data.each_pass = true;
    }
    out->data.context = out->batches;
    return true;
}

void core_batches_free(core_batches *batches)
{
    if (batches != NULL) {
        forget_batch(batches);
        Py_CLEAR(batches->next);
        Py_CLEAR(batches->again);
        Py_CLEAR(batches->type);
        Py_CLEAR(batches->value);
        Py_CLEAR(batches->traceback);
        PyMem_Free(batches);
    }
}

bool core_batches_raise(core_data *data)
{
    core_batches *batches = data->batches;
    if (batches == NULL || batches->type == NULL) {
        return false;
    }
    PyErr_Restore(batches->type, batches->value, batches->traceback);
    batches->type = batches->value = batches->traceback = NULL;
    return true;
}
