/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows that a job gives back as arrays, as a dict of bytes: what the library holds is gone with the next of them. */
#include "core.h"

static const char *type_name(skimp_dtype dtype)
{
    return dtype == SKIMP_DTYPE_F32   ? "float32"
           : dtype == SKIMP_DTYPE_F64 ? "float64"
           : dtype == SKIMP_DTYPE_I32 ? "int32"
                                      : "int64";
}

/* (type, bytes), or None. */
static PyObject *array_pair(const void *values, uint64_t n, skimp_dtype dtype)
{
    if (values == NULL) {
        return Py_NewRef(Py_None);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(values, (Py_ssize_t)(n * skimp_dtype_bytes(dtype)));
    return bytes != NULL ? Py_BuildValue("sN", type_name(dtype), bytes) : NULL;
}

static PyObject *chunk_dict(const skimp_data *chunk)
{
    PyObject *columns = PyList_New(0), *dict = PyDict_New();
    const bool is_sparse = chunk->kind == SKIMP_DATA_CSR;
    bool ok = columns != NULL && dict != NULL;
    for (uint64_t i = 0; ok && !is_sparse && i < chunk->n_columns; i++) {
        PyObject *pair = array_pair(chunk->columns[i].values, chunk->n_rows, chunk->columns[i].dtype);
        ok = pair != NULL && PyList_Append(columns, pair) == 0;
        Py_XDECREF(pair);
    }
    ok = ok && core_put(dict, "n_rows", PyLong_FromUnsignedLongLong(chunk->n_rows)) &&
         core_put(dict, "n_columns", PyLong_FromUnsignedLongLong(chunk->n_columns)) &&
         core_put(dict, "target", array_pair(chunk->target.values, chunk->n_rows, chunk->target.dtype)) &&
         core_put(dict, "weight", array_pair(chunk->weight.values, chunk->n_rows, chunk->weight.dtype));
    if (ok && is_sparse) {
        ok = core_put(dict, "indptr", array_pair(chunk->indptr, chunk->n_rows + 1, chunk->indptr_dtype)) &&
             core_put(dict, "indices", array_pair(chunk->indices, chunk->nonzeros, chunk->indices_dtype)) &&
             core_put(dict, "values", array_pair(chunk->values, chunk->nonzeros, chunk->dtype));
    } else {
        ok = ok && core_put(dict, "columns", Py_NewRef(columns));
    }
    Py_XDECREF(columns);
    if (!ok) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *texts_of(const skimp_data_column *column)
{
    if (column->offsets == NULL) {
        return Py_NewRef(Py_None);
    }
    const int64_t *ends = column->offsets;
    PyObject *list = PyList_New(0);
    for (uint64_t k = 0; list != NULL && k < column->n_categories; k++) {
        PyObject *text = PyUnicode_DecodeUTF8(column->text + ends[k], (Py_ssize_t)(ends[k + 1] - ends[k]), "replace");
        if (text == NULL || PyList_Append(list, text) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(text);
    }
    return list;
}

static bool add_texts(PyObject *dict, const skimp_data *chunk)
{
    PyObject *list = PyList_New(0);
    bool ok = list != NULL;
    for (uint64_t i = 0; ok && chunk->kind == SKIMP_DATA_COLUMNS && i < chunk->n_columns; i++) {
        PyObject *texts = texts_of(&chunk->columns[i]);
        ok = texts != NULL && PyList_Append(list, texts) == 0;
        Py_XDECREF(texts);
    }
    ok = ok && core_put(dict, "texts", Py_NewRef(list)) && core_put(dict, "labels", texts_of(&chunk->target));
    Py_XDECREF(list);
    return ok;
}

PyObject *core_chunk_dict(const skimp_data *chunk, bool with_texts)
{
    PyObject *dict = chunk_dict(chunk);
    if (dict != NULL && with_texts && !add_texts(dict, chunk)) {
        Py_CLEAR(dict);
    }
    return dict;
}
