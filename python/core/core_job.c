/* SPDX-License-Identifier: BSD-3-Clause */
/* Job: one plan, fit, convert, predict, score or apply.  One thread at a time uses a job; jobs are independent. */
#include "core.h"

#include <stdatomic.h>

typedef struct job_object {
    PyObject_HEAD skimp_job *job;
    core_watch watch;
    core_data data;
    Py_buffer rows;  /* a bit for each row of a kept store; obj NULL: all */
    PyObject *start; /* the Model that a fit goes on from, which the job looks at; NULL: none */
    atomic_flag busy;
} job_object;

/* ---- making ------------------------------------------------------------------------------------------------------ */

static bool take_start(job_object *self, core_state *state, PyObject *start, core_options *options)
{
    if (start == NULL || start == Py_None) {
        return true;
    }
    options->options.start = core_model_of(state, start);
    self->start = options->options.start != NULL ? Py_NewRef(start) : NULL;
    return self->start != NULL;
}

static bool take_rows(job_object *self, PyObject *rows, PyObject *n_rows, core_options *options)
{
    if (rows == NULL || rows == Py_None) {
        return true;
    }
    const unsigned long long n = n_rows != NULL ? PyLong_AsUnsignedLongLong(n_rows) : 0;
    if (PyErr_Occurred() != NULL || PyObject_GetBuffer(rows, &self->rows, PyBUF_SIMPLE) < 0) {
        return false;
    }
    if (n > (unsigned long long)self->rows.len * 8) {
        PyErr_SetString(PyExc_ValueError, "rows: a bit for each of n_rows is expected");
        return false;
    }
    options->options.rows = self->rows.buf;
    options->options.n_rows = n;
    return true;
}

static PyObject *job_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *dict = NULL;
    core_options options = { .n_blocks = 0 };
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status = SKIMP_OK;
    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Job takes one dict of options");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!:Job", &PyDict_Type, &dict)) {
        return NULL;
    }
    const allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    job_object *self = (job_object *)alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    core_watch_init(&self->watch);
    atomic_flag_clear(&self->busy);
    PyObject *data = PyDict_GetItemString(dict, "data"); /* borrowed */
    const bool is_read =
        core_options_read(&options, dict) &&
        take_start(self, core_state_of_type(type), PyDict_GetItemString(dict, "start"), &options) &&
        take_rows(self, PyDict_GetItemString(dict, "rows"), PyDict_GetItemString(dict, "n_rows"), &options) &&
        (data == NULL || core_data_read(&self->data, data));
    if (is_read) {
        options.options.data = data != NULL ? &self->data.data : NULL;
        options.options.progress = core_watch_progress;
        options.options.progress_context = &self->watch;
        options.options.cancel = &self->watch.cancel;
        Py_BEGIN_ALLOW_THREADS;
        status = skimp_job_create(&self->job, &options.options, &error);
        Py_END_ALLOW_THREADS;
    }
    core_options_free(&options);
    if (is_read && status == SKIMP_OK) {
        return (PyObject *)self;
    }
    if (is_read && !core_batches_raise(&self->data)) {
        core_raise(core_state_of_type(type), &error);
    }
    Py_DECREF(self);
    return NULL;
}

static void job_dealloc(PyObject *object)
{
    job_object *self = (job_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    skimp_job *job = self->job;
    Py_BEGIN_ALLOW_THREADS;
    skimp_job_destroy(job);
    Py_END_ALLOW_THREADS;
    core_watch_destroy(&self->watch);
    core_data_free(&self->data);
    if (self->rows.obj != NULL) {
        PyBuffer_Release(&self->rows);
    }
    Py_XDECREF(self->start);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

typedef struct job_work {
    skimp_job *job;
    const skimp_plan *plan;
    skimp_model *fitted;
    const skimp_model *model;
    const char *path;
    bool proba;
    core_result *result;
} job_work;

static skimp_status work_plan(void *context, skimp_error *error)
{
    job_work *work = context;
    return skimp_job_plan(work->job, &work->plan, error);
}

static skimp_status work_fit(void *context, skimp_error *error)
{
    job_work *work = context;
    return skimp_job_fit(work->job, &work->fitted, error);
}

static skimp_status work_convert(void *context, skimp_error *error)
{
    job_work *work = context;
    return skimp_job_convert(work->job, work->path, error);
}

static skimp_status work_convert_through(void *context, skimp_error *error)
{
    job_work *work = context;
    return skimp_job_convert_through(work->job, work->model, work->path, error);
}

static skimp_status work_predict(void *context, skimp_error *error)
{
    job_work *work = context;
    return skimp_job_predict(work->job, work->model, work->path, work->proba, error);
}

static skimp_status work_score(void *context, skimp_error *error)
{
    job_work *work = context;
    return skimp_job_score(work->job, work->model, error);
}

static skimp_status work_apply(void *context, skimp_error *error)
{
    job_work *work = context;
    return skimp_job_apply(work->job, work->model, &work->result->options, error);
}

static bool job_run(job_object *self, core_work_fn *fn, job_work *work, PyObject *progress)
{
    if (atomic_flag_test_and_set(&self->busy)) {
        PyErr_SetString(PyExc_RuntimeError, "this job is at work in another thread");
        return false;
    }
    work->job = self->job;
    const bool ok = core_run(core_state_of_type(Py_TYPE((PyObject *)self)), &self->watch, fn, work, progress);
    if (!ok) {
        core_batches_raise(&self->data);
    }
    atomic_flag_clear(&self->busy);
    return ok;
}

/* ---- results ------------------------------------------------------------------------------------------------------ */

static PyObject *tags(const uint64_t *memory)
{
    PyObject *dict = PyDict_New();
    for (int tag = 0; dict != NULL && tag < SKIMP_TAG_COUNT; tag++) {
        if (!core_put(dict, skimp_tag_name((skimp_tag)tag), PyLong_FromUnsignedLongLong(memory[tag]))) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

static PyObject *plan_dict(const skimp_plan *plan)
{
    PyObject *assumed = PyDict_New();
    for (size_t i = 0; assumed != NULL && i < plan->n_assumed; i++) {
        if (!core_put(assumed, plan->assumed[i].name, PyFloat_FromDouble(plan->assumed[i].value))) {
            Py_CLEAR(assumed);
        }
    }
    PyObject *dict = PyDict_New();
    const bool ok = dict != NULL && assumed != NULL && core_put(dict, "exact", PyBool_FromLong(plan->exact)) &&
                    core_put(dict, "assumed", Py_NewRef(assumed)) &&
                    core_put(dict, "budget_bytes", PyLong_FromUnsignedLongLong(plan->budget_bytes)) &&
                    core_put(dict, "peak_bytes", PyLong_FromUnsignedLongLong(plan->peak_bytes)) &&
                    core_put(dict, "minimum_bytes", PyLong_FromUnsignedLongLong(plan->minimum_bytes)) &&
                    core_put(dict, "memory", tags(plan->memory)) &&
                    core_put(dict, "disk_bytes", PyLong_FromUnsignedLongLong(plan->disk_bytes)) &&
                    core_put(dict, "passes_expected", PyFloat_FromDouble(plan->passes_expected)) &&
                    core_put(dict, "passes_max", PyFloat_FromDouble(plan->passes_max)) &&
                    core_put(dict, "seconds", PyFloat_FromDouble(plan->seconds)) &&
                    core_put(dict, "chunk_rows", PyLong_FromUnsignedLongLong(plan->chunk_rows)) &&
                    core_put(dict, "store", PyUnicode_FromString(plan->store)) &&
                    core_put(dict, "threads", PyLong_FromUnsignedLong(plan->threads)) &&
                    core_put(dict, "rows", PyLong_FromUnsignedLongLong(plan->rows)) &&
                    core_put(dict, "features", PyLong_FromUnsignedLongLong(plan->features)) &&
                    core_put(dict, "nonzeros", PyLong_FromUnsignedLongLong(plan->nonzeros));
    Py_XDECREF(assumed);
    if (!ok) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *warning_list(const skimp_job *job, size_t n)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < n; i++) {
        PyObject *text = PyUnicode_FromString(skimp_job_warning(job, i));
        if (text == NULL || PyList_Append(list, text) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(text);
    }
    return list;
}

static PyObject *report_dict(const skimp_job *job)
{
    const skimp_report *report = skimp_job_report(job);
    PyObject *metrics = PyDict_New();
    for (size_t i = 0; metrics != NULL && i < report->n_metrics; i++) {
        if (!core_put(metrics, report->metrics[i].name, PyFloat_FromDouble(report->metrics[i].value))) {
            Py_CLEAR(metrics);
        }
    }
    PyObject *dict = PyDict_New();
    const bool ok = dict != NULL && metrics != NULL &&
                    core_put(dict, "rows", PyLong_FromUnsignedLongLong(report->rows)) &&
                    core_put(dict, "features", PyLong_FromUnsignedLongLong(report->features)) &&
                    core_put(dict, "nonzeros", PyLong_FromUnsignedLongLong(report->nonzeros)) &&
                    core_put(dict, "rows_bad", PyLong_FromUnsignedLongLong(report->rows_bad)) &&
                    core_put(dict, "rows_missing", PyLong_FromUnsignedLongLong(report->rows_missing)) &&
                    core_put(dict, "unknown_categories", PyLong_FromUnsignedLongLong(report->unknown_categories)) &&
                    core_put(dict, "n_iter", PyLong_FromUnsignedLongLong(report->n_iter)) &&
                    core_put(dict, "objective", PyFloat_FromDouble(report->objective)) &&
                    core_put(dict, "converged", PyBool_FromLong(report->converged)) &&
                    core_put(dict, "resumed", PyBool_FromLong(report->resumed)) &&
                    core_put(dict, "threads", PyLong_FromUnsignedLong(report->threads)) &&
                    core_put(dict, "seconds", PyFloat_FromDouble(report->seconds)) &&
                    core_put(dict, "passes", PyFloat_FromDouble(report->passes)) &&
                    core_put(dict, "peak_bytes", PyLong_FromUnsignedLongLong(report->peak_bytes)) &&
                    core_put(dict, "charged_peak_bytes", PyLong_FromUnsignedLongLong(report->charged_peak_bytes)) &&
                    core_put(dict, "disk_bytes", PyLong_FromUnsignedLongLong(report->disk_bytes)) &&
                    core_put(dict, "memory", tags(report->memory)) &&
                    core_put(dict, "warnings", warning_list(job, report->n_warnings)) &&
                    core_put(dict, "metrics", Py_NewRef(metrics));
    Py_XDECREF(metrics);
    if (!ok) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* ---- methods ------------------------------------------------------------------------------------------------------ */

static PyObject *job_plan(PyObject *self, PyObject *unused)
{
    job_work work = { NULL };
    (void)unused;
    return job_run((job_object *)self, work_plan, &work, Py_None) ? plan_dict(work.plan) : NULL;
}

static PyObject *job_fit(PyObject *self, PyObject *progress)
{
    job_work work = { NULL };
    const bool ok = job_run((job_object *)self, work_fit, &work, progress);
    if (!ok) {
        skimp_model_destroy(work.fitted);
        return NULL;
    }
    return core_model_wrap(core_state_of_type(Py_TYPE(self)), work.fitted);
}

static PyObject *job_convert(PyObject *self, PyObject *args)
{
    job_work work = { NULL };
    PyObject *progress = Py_None;
    if (!PyArg_ParseTuple(args, "s|O:convert", &work.path, &progress) ||
        !job_run((job_object *)self, work_convert, &work, progress)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *job_convert_through(PyObject *self, PyObject *args)
{
    job_work work = { NULL };
    PyObject *progress = Py_None, *model = NULL;
    if (!PyArg_ParseTuple(args, "Os|O:convert_through", &model, &work.path, &progress)) {
        return NULL;
    }
    work.model = core_model_of(core_state_of_type(Py_TYPE(self)), model);
    if (work.model == NULL || !job_run((job_object *)self, work_convert_through, &work, progress)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *job_predict(PyObject *self, PyObject *args)
{
    job_work work = { NULL };
    PyObject *progress = Py_None, *model = NULL;
    int proba = 0;
    if (!PyArg_ParseTuple(args, "Os|pO:predict", &model, &work.path, &proba, &progress)) {
        return NULL;
    }
    work.model = core_model_of(core_state_of_type(Py_TYPE(self)), model);
    work.proba = proba != 0;
    if (work.model == NULL || !job_run((job_object *)self, work_predict, &work, progress)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *job_score(PyObject *self, PyObject *args)
{
    job_work work = { NULL };
    PyObject *progress = Py_None, *model = NULL;
    if (!PyArg_ParseTuple(args, "O|O:score", &model, &progress)) {
        return NULL;
    }
    work.model = core_model_of(core_state_of_type(Py_TYPE(self)), model);
    if (work.model == NULL || !job_run((job_object *)self, work_score, &work, progress)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *job_apply(PyObject *self, PyObject *args)
{
    core_result result;
    job_work work = { .result = &result };
    PyObject *progress = Py_None, *model = NULL, *taken = NULL;
    const char *kind, *dtype = "float64", *indices_dtype = "int64";
    unsigned long long row_bytes = 0;
    if (!PyArg_ParseTuple(args, "Os|ssOK:apply", &model, &kind, &dtype, &indices_dtype, &progress, &row_bytes) ||
        !core_result_begin(&result, kind, dtype, indices_dtype)) {
        return NULL;
    }
    result.options.row_bytes = row_bytes;
    core_state *state = core_state_of_type(Py_TYPE(self));
    work.model = core_model_of(state, model);
    if (work.model != NULL && job_run((job_object *)self, work_apply, &work, progress)) {
        taken = core_result_take(state, &result);
    }
    core_result_free(&result);
    return taken;
}

static PyObject *job_next_chunk(PyObject *object, PyObject *with_texts)
{
    job_object *self = (job_object *)object;
    skimp_data chunk;
    bool end = false;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status;
    if (atomic_flag_test_and_set(&self->busy)) {
        PyErr_SetString(PyExc_RuntimeError, "this job is at work in another thread");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    status = skimp_job_next_chunk(self->job, &chunk, &end, &error);
    Py_END_ALLOW_THREADS;
    PyObject *dict = NULL;
    if (status != SKIMP_OK) {
        core_raise(core_state_of_type(Py_TYPE(object)), &error);
    } else if (end) {
        dict = Py_NewRef(Py_None);
    } else {
        dict = core_chunk_dict(&chunk, PyObject_IsTrue(with_texts) == 1);
    }
    atomic_flag_clear(&self->busy);
    return dict;
}

static PyObject *job_report(PyObject *self, PyObject *unused)
{
    (void)unused;
    return report_dict(((job_object *)self)->job);
}

static PyObject *job_columns(PyObject *self, PyObject *unused)
{
    (void)unused;
    skimp_column_info info;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && skimp_job_column(((job_object *)self)->job, i, &info); i++) {
        PyObject *item = Py_BuildValue("(sss)", info.name, info.type, info.role);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *job_format(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyUnicode_FromString(skimp_job_format(((job_object *)self)->job));
}

static PyMethodDef methods[] = {
    { "plan", job_plan, METH_NOARGS, "The plan, as a dict with the keys of `skimp plan --json`." },
    { "fit", job_fit, METH_O, "fit(progress): the fitted Model; progress is called with a dict, or None." },
    { "convert", job_convert, METH_VARARGS, "convert(path, progress=None): writes a chunk store to keep." },
    { "convert_through", job_convert_through, METH_VARARGS,
      "convert_through(model, path, progress=None): writes a chunk store of what a model of steps makes of the "
      "inputs." },
    { "predict", job_predict, METH_VARARGS, "predict(model, path, proba=False, progress=None): writes a CSV." },
    { "score", job_score, METH_VARARGS, "score(model, progress=None): fills the report's metrics." },
    { "apply", job_apply, METH_VARARGS,
      "apply(model, kind, dtype='float64', indices_dtype='int64', progress=None, row_bytes=0): what the model makes of "
      "the inputs.  For each row so many bytes are charged besides, that the caller will make of it.  kind "
      "is 'label', 'decision', 'probability' or 'transform'; a Block of two dimensions, or of sparse data (values, "
      "indices, "
      "indptr, n_columns) of CSR." },
    { "next_chunk", job_next_chunk, METH_O,
      "next_chunk(with_texts): the next rows of a chunk store as a dict of bytes, or None at the end." },
    { "report", job_report, METH_NOARGS, "What came of the last of these, as a dict." },
    { "columns", job_columns, METH_NOARGS, "Name, type and role of each column of the inputs." },
    { "format", job_format, METH_NOARGS, "Format of the inputs." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_new, job_new },
    { Py_tp_dealloc, job_dealloc },
    { Py_tp_methods, methods },
    { Py_tp_doc, "Job(options): a job of libskimp; options is a dict with the names of skimp_job_options." },
    { 0, NULL },
};

PyType_Spec core_job_spec = {
    .name = "skimp._core.Job",
    .basicsize = sizeof(job_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
