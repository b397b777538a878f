/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Arrays of Python as skimp_data, by the buffer protocol; the buffers are held until core_data_free.
 *
 * What comes is a dict: "kind" is "matrix" (values: two-dimensional; names: tuple or None), "columns" (n_rows; columns:
 * tuple of columns), "csr" or "csc" (shape; values or None; indices; indptr); and "target", "weight": a column or None.
 * A column is a tuple (name or None, values, categories) or (…, validity): values is an array, or (buffer, place of the first
 * bit) of Arrow's booleans; categories is None or (UTF-8 text, offsets); validity None or (buffer, place of the first bit).
 * Kind "batches" is of core_batches.c.
 */
#include "core.h"

#include <string.h>

static bool grow(core_data *to, size_t more)
{
    to->buffers = PyMem_Calloc(more == 0 ? 1 : more, sizeof *to->buffers);
    to->most = (unsigned)more;
    if (to->buffers == NULL) {
        PyErr_NoMemory();
    }
    return to->buffers != NULL;
}

static skimp_dtype dtype_of(const Py_buffer *view)
{
    const char *format = view->format == NULL ? "B" : view->format;
    if (format[0] == '@' || format[0] == '=' || (format[0] == '<' && PY_LITTLE_ENDIAN)) {
        format++;
    }
    if (format[0] == '\0' || format[1] != '\0') {
        return SKIMP_DTYPE_NONE;
    }
    const Py_ssize_t bytes = view->itemsize;
    switch (format[0]) {
    case '?':
        return SKIMP_DTYPE_BOOL;
    case 'b':
    case 'h':
    case 'i':
    case 'l':
    case 'q':
        return bytes == 1   ? SKIMP_DTYPE_I8
               : bytes == 2 ? SKIMP_DTYPE_I16
               : bytes == 4 ? SKIMP_DTYPE_I32
               : bytes == 8 ? SKIMP_DTYPE_I64
                            : SKIMP_DTYPE_NONE;
    case 'B':
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
        return bytes == 1   ? SKIMP_DTYPE_U8
               : bytes == 2 ? SKIMP_DTYPE_U16
               : bytes == 4 ? SKIMP_DTYPE_U32
               : bytes == 8 ? SKIMP_DTYPE_U64
                            : SKIMP_DTYPE_NONE;
    case 'e':
        return SKIMP_DTYPE_F16;
    case 'f':
        return SKIMP_DTYPE_F32;
    case 'd':
        return SKIMP_DTYPE_F64;
    default:
        return SKIMP_DTYPE_NONE;
    }
}

/* A buffer of numbers of so many dimensions; NULL: an exception is set. */
static const Py_buffer *take(core_data *to, PyObject *object, int n_dims, const char *what, skimp_dtype *dtype)
{
    if (to->n_buffers == to->most) {
        PyErr_SetString(PyExc_SystemError, "more arrays than were counted");
        return NULL;
    }
    Py_buffer *view = &to->buffers[to->n_buffers];
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) {
        return NULL;
    }
    to->n_buffers++;
    *dtype = dtype_of(view);
    if (view->ndim != n_dims || *dtype == SKIMP_DTYPE_NONE) {
        PyErr_Format(PyExc_ValueError, "%s: an array of numbers in %d dimension%s is expected, not of type '%s' in %d",
                     what, n_dims, n_dims == 1 ? "" : "s", view->format == NULL ? "B" : view->format, view->ndim);
        return NULL;
    }
    return view;
}

/* One dimension without gaps. */
static const Py_buffer *take_plain(core_data *to, PyObject *object, const char *what, skimp_dtype *dtype)
{
    const Py_buffer *view = take(to, object, 1, what, dtype);
    if (view != NULL && view->shape[0] > 1 && view->strides[0] != view->itemsize) {
        PyErr_Format(PyExc_ValueError, "%s: an array without gaps is expected", what);
        return NULL;
    }
    return view;
}

static const void *never_null(const Py_buffer *view)
{
    static const double none;
    return view->buf != NULL ? view->buf : &none;
}

static PyObject *need(PyObject *dict, const char *key)
{
    PyObject *value = PyDict_GetItemString(dict, key); /* borrowed */
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError, "data: '%s' is missing", key);
    }
    return value;
}

/* A bit for each row, from a place on: (buffer, place). */
static const uint8_t *take_bits(core_data *to, PyObject *pair, uint64_t n_rows, const char *what, uint64_t *offset)
{
    skimp_dtype dtype;
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_Format(PyExc_TypeError, "%s: a tuple of a buffer and the place of its first bit is expected", what);
        return NULL;
    }
    const Py_buffer *view = take_plain(to, PyTuple_GetItem(pair, 0), what, &dtype);
    const unsigned long long first = view != NULL ? PyLong_AsUnsignedLongLong(PyTuple_GetItem(pair, 1)) : 0;
    if (view == NULL || PyErr_Occurred() != NULL) {
        return NULL;
    }
    if (first > (unsigned long long)view->len * 8 || n_rows > (unsigned long long)view->len * 8 - first) {
        PyErr_Format(PyExc_ValueError, "%s: %zd bytes of bits for %llu rows", what, view->len,
                     (unsigned long long)n_rows);
        return NULL;
    }
    *offset = first;
    return never_null(view);
}

static bool read_values(core_data *to, PyObject *object, uint64_t n_rows, const char *what, skimp_data_column *column)
{
    if (PyTuple_Check(object)) {
        column->dtype = SKIMP_DTYPE_BIT;
        column->values = take_bits(to, object, n_rows, what, &column->bit_offset);
        return column->values != NULL;
    }
    const Py_buffer *view = take(to, object, 1, what, &column->dtype);
    if (view == NULL) {
        return false;
    }
    if ((uint64_t)view->shape[0] != n_rows) {
        PyErr_Format(PyExc_ValueError, "%s: %zd values for %llu rows", what, view->shape[0],
                     (unsigned long long)n_rows);
        return false;
    }
    column->values = never_null(view);
    column->stride = view->strides[0];
    return true;
}

static bool read_column(core_data *to, PyObject *object, uint64_t n_rows, const char *what, skimp_data_column *column)
{
    if (object == Py_None) {
        return true;
    }
    const Py_ssize_t size = PyTuple_Check(object) ? PyTuple_Size(object) : 0;
    if (size != 3 && size != 4) {
        PyErr_Format(PyExc_TypeError, "%s: a tuple of name, values, categories and validity is expected", what);
        return false;
    }
    PyObject *name = PyTuple_GetItem(object, 0), *categories = PyTuple_GetItem(object, 2);
    if (name != Py_None && (column->name = PyUnicode_AsUTF8AndSize(name, NULL)) == NULL) {
        return false;
    }
    if (!read_values(to, PyTuple_GetItem(object, 1), n_rows, what, column)) {
        return false;
    }
    PyObject *validity = size == 4 ? PyTuple_GetItem(object, 3) : Py_None;
    if (validity != Py_None) {
        column->validity = take_bits(to, validity, n_rows, what, &column->validity_offset);
        if (column->validity == NULL) {
            return false;
        }
    }
    if (categories != Py_None) {
        skimp_dtype dtype;
        if (!PyTuple_Check(categories) || PyTuple_Size(categories) != 2) {
            PyErr_Format(PyExc_TypeError, "%s: categories: a tuple of text and offsets is expected", what);
            return false;
        }
        const Py_buffer *text = take_plain(to, PyTuple_GetItem(categories, 0), what, &dtype);
        const Py_buffer *offsets =
            text != NULL ? take_plain(to, PyTuple_GetItem(categories, 1), what, &column->offsets_dtype) : NULL;
        if (offsets == NULL) {
            return false;
        }
        if (offsets->shape[0] < 1) {
            PyErr_Format(PyExc_ValueError, "%s: categories without offsets", what);
            return false;
        }
        column->text = text->buf;
        column->offsets = offsets->buf;
        column->n_categories = (uint64_t)offsets->shape[0] - 1;
    }
    return true;
}

static bool read_matrix(core_data *to, PyObject *dict)
{
    skimp_data *data = &to->data;
    PyObject *values = need(dict, "values"), *names = PyDict_GetItemString(dict, "names");
    const Py_buffer *view = values != NULL ? take(to, values, 2, "X", &data->dtype) : NULL;
    if (view == NULL) {
        return false;
    }
    data->kind = SKIMP_DATA_MATRIX;
    data->n_rows = (uint64_t)view->shape[0];
    data->n_columns = (uint64_t)view->shape[1];
    data->values = never_null(view);
    data->row_stride = view->strides[0];
    data->column_stride = view->strides[1];
    if (names != NULL && names != Py_None) {
        if (!PyTuple_Check(names) || PyTuple_Size(names) != view->shape[1]) {
            PyErr_SetString(PyExc_TypeError, "names: a tuple of one name a column is expected");
            return false;
        }
        to->names = PyMem_Calloc((size_t)view->shape[1] + 1, sizeof *to->names);
        for (Py_ssize_t i = 0; to->names != NULL && i < view->shape[1]; i++) {
            to->names[i] = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(names, i), NULL);
            if (to->names[i] == NULL) {
                return false;
            }
        }
        data->names = to->names;
        return to->names != NULL || PyErr_NoMemory() != NULL;
    }
    return true;
}

static bool read_columns(core_data *to, PyObject *dict)
{
    skimp_data *data = &to->data;
    PyObject *n_rows = need(dict, "n_rows"), *columns = n_rows != NULL ? need(dict, "columns") : NULL;
    if (columns == NULL || !PyTuple_Check(columns)) {
        if (columns != NULL) {
            PyErr_SetString(PyExc_TypeError, "columns: a tuple is expected");
        }
        return false;
    }
    data->kind = SKIMP_DATA_COLUMNS;
    data->n_rows = PyLong_AsUnsignedLongLong(n_rows);
    data->n_columns = (uint64_t)PyTuple_Size(columns);
    if (PyErr_Occurred() != NULL) {
        return false;
    }
    to->columns = PyMem_Calloc((size_t)data->n_columns + 1, sizeof *to->columns);
    if (to->columns == NULL) {
        PyErr_NoMemory();
        return false;
    }
    data->columns = to->columns;
    for (uint64_t i = 0; i < data->n_columns; i++) {
        PyObject *column = PyTuple_GetItem(columns, (Py_ssize_t)i);
        if (!read_column(to, column, data->n_rows, "a column of X", &to->columns[i])) {
            return false;
        }
    }
    return true;
}

static bool read_sparse(core_data *to, PyObject *dict, bool is_csr)
{
    skimp_data *data = &to->data;
    PyObject *shape = need(dict, "shape"), *values = shape != NULL ? need(dict, "values") : NULL;
    PyObject *indices = values != NULL ? need(dict, "indices") : NULL;
    PyObject *indptr = indices != NULL ? need(dict, "indptr") : NULL;
    unsigned long long n_rows = 0, n_columns = 0;
    if (indptr == NULL || !PyArg_ParseTuple(shape, "KK", &n_rows, &n_columns)) {
        return false;
    }
    const Py_buffer *view = take_plain(to, indices, "indices", &data->indices_dtype);
    if (view == NULL) {
        return false;
    }
    data->kind = is_csr ? SKIMP_DATA_CSR : SKIMP_DATA_CSC;
    data->n_rows = n_rows;
    data->n_columns = n_columns;
    data->nonzeros = (uint64_t)view->shape[0];
    data->indices = never_null(view);
    view = take_plain(to, indptr, "indptr", &data->indptr_dtype);
    if (view == NULL) {
        return false;
    }
    const uint64_t entries = (is_csr ? data->n_rows : data->n_columns) + 1;
    if ((uint64_t)view->shape[0] != entries) {
        PyErr_Format(PyExc_ValueError, "indptr: %llu entries are expected, not %zd", (unsigned long long)entries,
                     view->shape[0]);
        return false;
    }
    data->indptr = never_null(view);
    if (values != Py_None) {
        view = take_plain(to, values, "values", &data->dtype);
        if (view == NULL) {
            return false;
        }
        if ((uint64_t)view->shape[0] != data->nonzeros) {
            PyErr_Format(PyExc_ValueError, "values: %llu are expected, not %zd", (unsigned long long)data->nonzeros,
                         view->shape[0]);
            return false;
        }
        data->values = never_null(view);
    }
    return true;
}

bool core_data_read(core_data *out, PyObject *dict)
{
    memset(out, 0, sizeof *out);
    out->data = (skimp_data)SKIMP_DATA_INIT;
    PyObject *kind = need(dict, "kind"), *columns = PyDict_GetItemString(dict, "columns");
    const char *name = kind != NULL ? PyUnicode_AsUTF8AndSize(kind, NULL) : NULL;
    const size_t n_columns = columns != NULL && PyTuple_Check(columns) ? (size_t)PyTuple_Size(columns) : 0;
    if (name != NULL && strcmp(name, "batches") == 0) {
        return core_batches_read(out, dict);
    }
    /* Of a column values, text, offsets and validity; target and weight too. */
    if (name == NULL || !grow(out, 4 * n_columns + 3 + 8)) {
        return false;
    }
    const bool ok = strcmp(name, "matrix") == 0    ? read_matrix(out, dict)
                    : strcmp(name, "columns") == 0 ? read_columns(out, dict)
                                                   : read_sparse(out, dict, strcmp(name, "csr") == 0);
    PyObject *target = ok ? need(dict, "target") : NULL, *weight = target != NULL ? need(dict, "weight") : NULL;
    return weight != NULL && read_column(out, target, out->data.n_rows, "y", &out->data.target) &&
           read_column(out, weight, out->data.n_rows, "sample_weight", &out->data.weight);
}

void core_data_free(core_data *data)
{
    for (unsigned i = 0; i < data->n_buffers; i++) {
        PyBuffer_Release(&data->buffers[i]);
    }
    PyMem_Free(data->buffers);
    PyMem_Free(data->columns);
    PyMem_Free((void *)data->names);
    core_batches_free(data->batches);
    memset(data, 0, sizeof *data);
}
