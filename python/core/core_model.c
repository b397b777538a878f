/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model: fitted arrays and metadata.  It is either the library's (fitted, loaded), or made of arrays that Python holds,
 * whose buffers it keeps for as long as it lives.
 */
#include "core.h"

#include <string.h>

typedef struct model_object {
    PyObject_HEAD skimp_model *model;
    Py_buffer *buffers;
    Py_ssize_t n_buffers;
} model_object;

static model_object *model_alloc(PyTypeObject *type)
{
    const allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return (model_object *)alloc(type, 0);
}

PyObject *core_model_wrap(core_state *state, skimp_model *model)
{
    model_object *self = model_alloc((PyTypeObject *)state->model_type);
    if (self == NULL) {
        skimp_model_destroy(model);
        return NULL;
    }
    self->model = model;
    return (PyObject *)self;
}

skimp_model *core_model_of(core_state *state, PyObject *object)
{
    if (Py_TYPE(object) != (PyTypeObject *)state->model_type) {
        PyErr_SetString(PyExc_TypeError, "a Model is expected");
        return NULL;
    }
    return ((model_object *)object)->model;
}

static void model_dealloc(PyObject *object)
{
    model_object *self = (model_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    skimp_model_destroy(self->model);
    for (Py_ssize_t i = 0; i < self->n_buffers; i++) {
        PyBuffer_Release(&self->buffers[i]);
    }
    PyMem_Free(self->buffers);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

/* safetensors' name of a buffer's type; NULL: none. */
static const char *dtype_of(const Py_buffer *view)
{
    const char *format = view->format == NULL ? "B" : view->format;
    if (format[0] == '<' || format[0] == '=' || format[0] == '@') {
        format++;
    }
    if (format[0] == '\0' || format[1] != '\0') {
        return NULL;
    }
    switch (format[0]) {
    case 'd':
        return "F64";
    case 'f':
        return "F32";
    case 'B':
        return "U8";
    case 'l':
    case 'q':
    case 'i':
        return view->itemsize == 8 ? "I64" : view->itemsize == 4 ? "I32" : NULL;
    case 'L':
    case 'Q':
    case 'I':
        return view->itemsize == 8 ? "U64" : view->itemsize == 4 ? "U32" : NULL;
    default:
        return NULL;
    }
}

static bool read_array(model_object *self, PyObject *pair, skimp_array *array)
{
    Py_buffer *view = &self->buffers[self->n_buffers];
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "arrays: a tuple of pairs of name and array is expected");
        return false;
    }
    array->name = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(pair, 0), NULL);
    if (array->name == NULL ||
        PyObject_GetBuffer(PyTuple_GetItem(pair, 1), view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        return false;
    }
    self->n_buffers++;
    array->dtype = dtype_of(view);
    array->n_dims = (unsigned)view->ndim;
    if (array->dtype == NULL || view->ndim > 4) {
        PyErr_Format(PyExc_ValueError, "array '%s': not of a type and shape that models have", array->name);
        return false;
    }
    for (int k = 0; k < view->ndim; k++) {
        array->shape[k] = (uint64_t)view->shape[k];
    }
    static const double none;
    array->data = view->len > 0 ? view->buf : &none;
    return true;
}

static bool read_setting(PyObject *pair, skimp_setting *setting)
{
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "meta: a tuple of pairs of str is expected");
        return false;
    }
    setting->name = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(pair, 0), NULL);
    setting->value = setting->name != NULL ? PyUnicode_AsUTF8AndSize(PyTuple_GetItem(pair, 1), NULL) : NULL;
    return setting->value != NULL;
}

static PyObject *model_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *meta = NULL, *arrays = NULL;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_setting *settings = NULL;
    skimp_array *list = NULL;
    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Model takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!O!:Model", &PyTuple_Type, &meta, &PyTuple_Type, &arrays)) {
        return NULL;
    }
    const size_t n_meta = (size_t)PyTuple_Size(meta), n_arrays = (size_t)PyTuple_Size(arrays);
    model_object *self = model_alloc(type);
    if (self == NULL) {
        return NULL;
    }
    settings = PyMem_Calloc(n_meta + 1, sizeof *settings);
    list = PyMem_Calloc(n_arrays + 1, sizeof *list);
    self->buffers = PyMem_Calloc(n_arrays + 1, sizeof *self->buffers);
    bool ok = settings != NULL && list != NULL && self->buffers != NULL;
    if (!ok) {
        PyErr_NoMemory();
    }
    for (size_t i = 0; ok && i < n_meta; i++) {
        ok = read_setting(PyTuple_GetItem(meta, (Py_ssize_t)i), &settings[i]);
    }
    for (size_t i = 0; ok && i < n_arrays; i++) {
        ok = read_array(self, PyTuple_GetItem(arrays, (Py_ssize_t)i), &list[i]);
    }
    if (ok && skimp_model_of_arrays(&self->model, NULL, settings, n_meta, list, n_arrays, &error) != SKIMP_OK) {
        core_raise(core_state_of_type(type), &error);
        ok = false;
    }
    PyMem_Free(settings);
    PyMem_Free(list);
    if (!ok) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- methods ------------------------------------------------------------------------------------------------------ */

static PyObject *model_load(PyObject *type, PyObject *path)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_model *model = NULL;
    skimp_status status;
    core_state *state = core_state_of_type((PyTypeObject *)type);
    const char *utf8 = PyUnicode_AsUTF8AndSize(path, NULL);
    if (utf8 == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    status = skimp_model_load(&model, NULL, utf8, &error);
    Py_END_ALLOW_THREADS;
    return status == SKIMP_OK ? core_model_wrap(state, model) : core_raise(state, &error);
}

static PyObject *model_save(PyObject *object, PyObject *path)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status;
    const skimp_model *model = ((model_object *)object)->model;
    const char *utf8 = PyUnicode_AsUTF8AndSize(path, NULL);
    if (utf8 == NULL) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS;
    status = skimp_model_save(model, utf8, &error);
    Py_END_ALLOW_THREADS;
    if (status != SKIMP_OK) {
        return core_raise(core_state_of_type(Py_TYPE(object)), &error);
    }
    Py_RETURN_NONE;
}

static PyObject *model_meta(PyObject *object, PyObject *unused)
{
    (void)unused;
    const char *key, *value;
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && skimp_model_meta(((model_object *)object)->model, i, &key, &value); i++) {
        if (!core_put(dict, key, PyUnicode_FromString(value))) {
            Py_CLEAR(dict);
        }
    }
    return dict;
}

static PyObject *model_arrays(PyObject *object, PyObject *unused)
{
    (void)unused;
    skimp_array array;
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && skimp_model_array(((model_object *)object)->model, i, &array); i++) {
        PyObject *shape = PyTuple_New(array.n_dims);
        for (unsigned k = 0; shape != NULL && k < array.n_dims; k++) {
            PyTuple_SetItem(shape, k, PyLong_FromUnsignedLongLong(array.shape[k]));
        }
        PyObject *item = shape != NULL ? Py_BuildValue("(ssN)", array.name, array.dtype, shape) : NULL;
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

/* copy(i, out): array i into a writable buffer of its size. */
static PyObject *model_copy(PyObject *object, PyObject *args)
{
    Py_ssize_t i = 0;
    PyObject *to = NULL;
    Py_buffer view;
    skimp_array array;
    if (!PyArg_ParseTuple(args, "nO:copy", &i, &to)) {
        return NULL;
    }
    if (i < 0 || !skimp_model_array(((model_object *)object)->model, (size_t)i, &array)) {
        PyErr_SetString(PyExc_IndexError, "no such array");
        return NULL;
    }
    const char *digits = array.dtype + 1;
    uint64_t bytes = digits[0] == '6' ? 8 : digits[0] == '3' ? 4 : 1;
    for (unsigned k = 0; k < array.n_dims; k++) {
        bytes *= array.shape[k];
    }
    if (PyObject_GetBuffer(to, &view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    if ((uint64_t)view.len != bytes) {
        PyBuffer_Release(&view);
        PyErr_Format(PyExc_ValueError, "array '%s' takes %llu bytes", array.name, (unsigned long long)bytes);
        return NULL;
    }
    if (bytes > 0) {
        memcpy(view.buf, array.data, bytes);
    }
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    { "load", model_load, METH_O | METH_CLASS, "load(path): the model of a file." },
    { "save", model_save, METH_O, "save(path): writes the model to a file, atomically." },
    { "meta", model_meta, METH_NOARGS, "Metadata: a dict of str to str." },
    { "arrays", model_arrays, METH_NOARGS, "Name, type and shape of each array." },
    { "copy", model_copy, METH_VARARGS, "copy(i, out): array i into a writable buffer." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_new, model_new },
    { Py_tp_dealloc, model_dealloc },
    { Py_tp_methods, methods },
    { Py_tp_doc, "Model(meta, arrays): a fitted model made of metadata and arrays, which stay where they are." },
    { 0, NULL },
};

PyType_Spec core_model_spec = {
    .name = "skimp._core.Model",
    .basicsize = sizeof(model_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
