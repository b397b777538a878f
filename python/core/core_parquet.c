/* SPDX-License-Identifier: BSD-3-Clause */
/* Parquet: columns of numbers of a Parquet file (skimp/parquet.h), some rows at a time, into arrays of Python. */
#include "core.h"

#include <string.h>

typedef struct parquet_object {
    PyObject_HEAD skimp_budget *budget;
    skimp_parquet *reader;
    Py_ssize_t n_columns;
    skimp_parquet_column *columns; /* of the group */
    PyObject *group;               /* whose names those are; NULL: there is none yet */
    /* of a call: values, then validity */
    Py_buffer *buffers;
    Py_ssize_t n_buffers;
    void **places;
    uint32_t *n_missing;
    bool is_busy; /* another thread reads */
} parquet_object;

static void parquet_dealloc(PyObject *object)
{
    parquet_object *self = (parquet_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    skimp_parquet_close(self->reader);
    (void)skimp_budget_destroy(self->budget);
    Py_CLEAR(self->group);
    PyMem_Free(self->columns);
    PyMem_Free(self->buffers);
    PyMem_Free(self->places);
    PyMem_Free(self->n_missing);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyObject *parquet_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    const char *path = NULL;
    unsigned int n_columns = 0;
    unsigned long long limit = 0;
    skimp_error error = SKIMP_ERROR_INIT;
    if (kwargs != NULL && PyDict_Size(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Parquet takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "sIK:Parquet", &path, &n_columns, &limit)) {
        return NULL;
    }
    const allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    parquet_object *self = (parquet_object *)alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    const skimp_budget_options options = { .size = sizeof options, .limit = limit };
    skimp_status status = skimp_budget_create(&self->budget, &options, &error);
    status = status == SKIMP_OK ? skimp_parquet_open(&self->reader, self->budget, path, n_columns, &error) : status;
    if (status != SKIMP_OK) {
        Py_DECREF(self);
        return core_raise(core_state_of_type(type), &error);
    }
    self->n_columns = (Py_ssize_t)n_columns;
    self->columns = PyMem_Calloc(n_columns, sizeof *self->columns);
    self->buffers = PyMem_Calloc(2 * (size_t)n_columns, sizeof *self->buffers);
    self->places = PyMem_Calloc(2 * (size_t)n_columns, sizeof *self->places);
    self->n_missing = PyMem_Calloc(n_columns, sizeof *self->n_missing);
    if (self->columns == NULL || self->buffers == NULL || self->places == NULL || self->n_missing == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

/* ---- row groups --------------------------------------------------------------------------------------------------- */

static bool read_dtype(const char *text, skimp_dtype *out)
{
    static const struct {
        const char *name;
        skimp_dtype dtype;
    } types[] = { { "int32", SKIMP_DTYPE_I32 },
                  { "int64", SKIMP_DTYPE_I64 },
                  { "float32", SKIMP_DTYPE_F32 },
                  { "float64", SKIMP_DTYPE_F64 } };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, text) == 0) {
            *out = types[i].dtype;
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "no type of Parquet columns: %s", text);
    return false;
}

static bool read_codec(const char *text, skimp_parquet_codec *out)
{
    static const char *const names[] = {
        [SKIMP_PARQUET_PLAIN] = "UNCOMPRESSED", [SKIMP_PARQUET_SNAPPY] = "SNAPPY", [SKIMP_PARQUET_ZSTD] = "ZSTD"
    };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = (skimp_parquet_codec)i;
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "no codec of Parquet columns: %s", text);
    return false;
}

static bool read_column(PyObject *tuple, skimp_parquet_column *out)
{
    unsigned long long offset = 0, bytes = 0, text_bytes = 0;
    const char *dtype = NULL, *codec = NULL;
    int may_miss = 0;
    if (!PyTuple_Check(tuple)) {
        PyErr_SetString(PyExc_TypeError, "a column of Parquet is a tuple");
        return false;
    }
    if (!PyArg_ParseTuple(tuple, "sKKKssp", &out->name, &offset, &bytes, &text_bytes, &dtype, &codec, &may_miss)) {
        return false;
    }
    out->offset = offset;
    out->bytes = bytes;
    out->text_bytes = text_bytes;
    out->may_miss = may_miss != 0;
    return read_dtype(dtype, &out->dtype) && read_codec(codec, &out->codec);
}

static bool check_free(const parquet_object *self)
{
    if (self->is_busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread reads with this Parquet");
    }
    return !self->is_busy;
}

static PyObject *parquet_group(PyObject *object, PyObject *columns)
{
    parquet_object *self = (parquet_object *)object;
    skimp_error error = SKIMP_ERROR_INIT;
    if (!check_free(self)) {
        return NULL;
    }
    if (!PyTuple_Check(columns) || PyTuple_Size(columns) != self->n_columns) {
        return PyErr_Format(PyExc_TypeError, "a tuple of %zd columns is expected", self->n_columns);
    }
    Py_CLEAR(self->group);
    for (Py_ssize_t c = 0; c < self->n_columns; c++) {
        if (!read_column(PyTuple_GetItem(columns, c), &self->columns[c])) {
            return NULL;
        }
    }
    if (skimp_parquet_group(self->reader, self->columns, &error) != SKIMP_OK) {
        return core_raise(core_state_of_type(Py_TYPE(object)), &error);
    }
    self->group = Py_NewRef(columns);
    Py_RETURN_NONE;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

/* The memory of an array of at least so many bytes. */
static bool take_place(parquet_object *self, PyObject *array, size_t bytes, void **place)
{
    Py_buffer *buffer = &self->buffers[self->n_buffers];
    if (PyObject_GetBuffer(array, buffer, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) < 0) {
        return false;
    }
    self->n_buffers++;
    *place = buffer->buf;
    if ((size_t)buffer->len < bytes) {
        PyErr_Format(PyExc_ValueError, "an array of %zd bytes, %zu are needed", buffer->len, bytes);
        return false;
    }
    return true;
}

static bool take_places(parquet_object *self, uint32_t n_rows, PyObject *values, PyObject *validity)
{
    const Py_ssize_t n = self->n_columns;
    if (PyTuple_Size(values) != n || PyTuple_Size(validity) != n) {
        PyErr_Format(PyExc_ValueError, "tuples of %zd arrays are expected", n);
        return false;
    }
    for (Py_ssize_t c = 0; c < n; c++) {
        const skimp_parquet_column *column = &self->columns[c];
        self->places[n + c] = NULL;
        if (!take_place(self, PyTuple_GetItem(values, c), n_rows * skimp_dtype_bytes(column->dtype),
                        &self->places[c]) ||
            (column->may_miss &&
             !take_place(self, PyTuple_GetItem(validity, c), ((size_t)n_rows + 7) / 8, &self->places[n + c]))) {
            return false;
        }
    }
    return true;
}

static PyObject *missing_tuple(const parquet_object *self)
{
    PyObject *tuple = PyTuple_New(self->n_columns);
    for (Py_ssize_t c = 0; tuple != NULL && c < self->n_columns; c++) {
        PyObject *count = PyLong_FromUnsignedLong(self->n_missing[c]);
        if (count == NULL || PyTuple_SetItem(tuple, c, count) < 0) {
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

static PyObject *parquet_read(PyObject *object, PyObject *args)
{
    parquet_object *self = (parquet_object *)object;
    PyObject *values = NULL, *validity = NULL, *result = NULL;
    unsigned int n_rows = 0;
    skimp_error error = SKIMP_ERROR_INIT;
    if (!check_free(self) ||
        !PyArg_ParseTuple(args, "IO!O!:read", &n_rows, &PyTuple_Type, &values, &PyTuple_Type, &validity)) {
        return NULL;
    }
    if (self->group == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "there is no row group to read from");
        return NULL;
    }
    self->is_busy = true;
    self->n_buffers = 0;
    if (take_places(self, n_rows, values, validity)) {
        skimp_status status;
        uint8_t **const bits = (uint8_t **)(self->places + self->n_columns);
        Py_BEGIN_ALLOW_THREADS;
        status = skimp_parquet_read(self->reader, n_rows, self->places, bits, self->n_missing, &error);
        Py_END_ALLOW_THREADS;
        result = status == SKIMP_OK ? missing_tuple(self) : core_raise(core_state_of_type(Py_TYPE(object)), &error);
    }
    while (self->n_buffers > 0) {
        PyBuffer_Release(&self->buffers[--self->n_buffers]);
    }
    self->is_busy = false;
    return result;
}

static PyMethodDef methods[] = {
    { "group", parquet_group, METH_O,
      "Go on with a row group: of each column (name, offset, bytes, bytes decompressed, type, codec, may miss)." },
    { "read", parquet_read, METH_VARARGS,
      "Read so many rows into arrays, and bits of what is there; how many are missing of each column." },
    { NULL, NULL, 0, NULL },
};

static PyType_Slot slots[] = {
    { Py_tp_doc, "Columns of numbers of a Parquet file: Parquet(path, number of columns, bytes at most or 0)." },
    { Py_tp_new, parquet_new },
    { Py_tp_dealloc, parquet_dealloc },
    { Py_tp_methods, methods },
    { 0, NULL },
};

PyType_Spec core_parquet_spec = {
    .name = "skimp._core.Parquet",
    .basicsize = sizeof(parquet_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};
