/* SPDX-License-Identifier: BSD-3-Clause */
/* A dict of options as skimp_job_options; the keys are the fields' names. */
#include "core.h"

#include <string.h>

/* A block that lives as long as the options. */
static void *block(core_options *to, size_t count, size_t size)
{
    void *memory = PyMem_Calloc(count == 0 ? 1 : count, size);
    if (memory == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    to->blocks[to->n_blocks++] = memory;
    return memory;
}

static bool text(PyObject *value, const char *key, const char **out)
{
    if (value == Py_None) {
        *out = NULL;
        return true;
    }
    Py_ssize_t length = 0;
    *out = PyUnicode_AsUTF8AndSize(value, &length);
    if (*out != NULL && strlen(*out) != (size_t)length) {
        PyErr_Format(PyExc_ValueError, "%s: a NUL character in %R", key, value);
        return false;
    }
    return *out != NULL;
}

static bool texts(core_options *to, PyObject *value, const char *key, const char *const **out, size_t *n)
{
    const Py_ssize_t length = PyTuple_Check(value) ? PyTuple_Size(value) : -1;
    if (length < 0) {
        PyErr_Format(PyExc_TypeError, "%s: a tuple of str is expected", key);
        return false;
    }
    const char **list = block(to, (size_t)length, sizeof *list);
    for (Py_ssize_t i = 0; list != NULL && i < length; i++) {
        if (!text(PyTuple_GetItem(value, i), key, &list[i])) {
            return false;
        }
    }
    *out = list;
    *n = (size_t)length;
    return list != NULL;
}

static bool settings(core_options *to, PyObject *value)
{
    const Py_ssize_t length = PyTuple_Check(value) ? PyTuple_Size(value) : -1;
    if (length < 0) {
        PyErr_SetString(PyExc_TypeError, "params: a tuple of pairs of str is expected");
        return false;
    }
    skimp_setting *list = block(to, (size_t)length, sizeof *list);
    for (Py_ssize_t i = 0; list != NULL && i < length; i++) {
        PyObject *pair = PyTuple_GetItem(value, i);
        if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "params: a tuple of pairs of str is expected");
            return false;
        }
        if (!text(PyTuple_GetItem(pair, 0), "params", &list[i].name) ||
            !text(PyTuple_GetItem(pair, 1), "params", &list[i].value)) {
            return false;
        }
    }
    to->options.params = list;
    to->options.n_params = (size_t)length;
    return list != NULL;
}

/* Float64, or the bytes of texts, each ended by NUL: a copy, which the job copies again. */
static bool classes(core_options *to, PyObject *value)
{
    Py_buffer view;
    if (PyObject_GetBuffer(value, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        return false;
    }
    const bool is_text = view.itemsize == 1;
    const bool is_list = view.ndim == 1 && (is_text || (view.itemsize == 8 && strcmp(view.format, "d") == 0));
    skimp_array *array = is_list ? block(to, 1, sizeof *array) : NULL;
    void *data = array != NULL ? block(to, (size_t)view.len, 1) : NULL;
    if (data != NULL) {
        memcpy(data, view.buf, (size_t)view.len);
        *array = (skimp_array){ .name = "classes_", .dtype = is_text ? "U8" : "F64", .n_dims = 1, .data = data };
        array->shape[0] = (uint64_t)(view.len / view.itemsize);
        to->options.classes = array;
    } else if (!is_list) {
        PyErr_SetString(PyExc_TypeError, "classes: a list of doubles or bytes is expected");
    }
    PyBuffer_Release(&view);
    return data != NULL;
}

static bool whole(PyObject *value, unsigned long long *out)
{
    *out = PyLong_AsUnsignedLongLong(value);
    return PyErr_Occurred() == NULL;
}

static bool read_one(core_options *to, const char *key, PyObject *value)
{
    skimp_job_options *o = &to->options;
    unsigned long long number = 0;
    const struct {
        const char *key;
        const char **to;
    } strings[] = { { "estimator", &o->estimator }, { "format", &o->format },       { "target", &o->target },
                    { "weight", &o->weight },       { "spill_dir", &o->spill_dir }, { "checkpoint", &o->checkpoint } };
    const struct {
        const char *key;
        bool *to;
    } flags[] = { { "index64", &o->index64 },
                  { "drop_missing", &o->drop_missing },
                  { "skip_bad_rows", &o->skip_bad_rows },
                  { "spill_to_memory", &o->spill_to_memory },
                  { "partial", &o->partial },
                  { "share", &o->share },
                  { "whole_process", &o->whole_process } };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        if (strcmp(strings[i].key, key) == 0) {
            return text(value, key, strings[i].to);
        }
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(flags[i].key, key) == 0) {
            const int is_true = PyObject_IsTrue(value);
            *flags[i].to = is_true == 1;
            return is_true >= 0;
        }
    }
    if (strcmp(key, "params") == 0) {
        return settings(to, value);
    } else if (strcmp(key, "steps") == 0) {
        return texts(to, value, key, &o->steps, &o->n_steps);
    } else if (strcmp(key, "classes") == 0) {
        return value == Py_None || classes(to, value);
    } else if (strcmp(key, "inputs") == 0) {
        return texts(to, value, key, &o->inputs, &o->n_inputs);
    } else if (strcmp(key, "drop") == 0) {
        return texts(to, value, key, &o->drop, &o->n_drop);
    } else if (strcmp(key, "delimiter") == 0) {
        const char *one = NULL;
        if (!text(value, key, &one)) {
            return false;
        }
        o->delimiter = one != NULL ? one[0] : '\0';
        return true;
    } else if (strcmp(key, "header") == 0 || strcmp(key, "zero_based") == 0) {
        const long choice = value == Py_None ? -1 : PyObject_IsTrue(value);
        *(key[0] == 'h' ? &o->header : &o->zero_based) = (int)choice;
        return PyErr_Occurred() == NULL;
    } else if (strcmp(key, "holdout") == 0) {
        o->holdout = PyFloat_AsDouble(value);
        return PyErr_Occurred() == NULL;
    } else if (strcmp(key, "seed") == 0) {
        const bool ok = whole(value, &number);
        o->seed = number;
        return ok;
    } else if (strcmp(key, "max_memory") == 0) {
        const bool ok = whole(value, &number);
        o->max_memory = number;
        return ok;
    } else if (strcmp(key, "hash_bits") == 0 || strcmp(key, "n_threads") == 0 || strcmp(key, "n_processes") == 0) {
        const bool ok = whole(value, &number);
        *(key[0] == 'h'   ? &o->hash_bits
          : key[2] == 't' ? &o->n_threads
                          : &o->n_processes) = number > 1u << 20 ? 1u << 20 : (unsigned)number;
        return ok;
    }
    PyErr_Format(PyExc_TypeError, "unknown option '%s'", key);
    return false;
}

bool core_options_read(core_options *out, PyObject *dict)
{
    memset(out, 0, sizeof *out);
    out->options = (skimp_job_options)SKIMP_JOB_OPTIONS_INIT;
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        const char *name = PyUnicode_AsUTF8AndSize(key, NULL);
        const bool is_object = name != NULL && (strcmp(name, "data") == 0 || strcmp(name, "start") == 0 ||
                                                strcmp(name, "rows") == 0 || strcmp(name, "n_rows") == 0);
        if (name == NULL || (!is_object && !read_one(out, name, value))) {
            return false;
        }
    }
    return true;
}

void core_options_free(core_options *options)
{
    while (options->n_blocks > 0) {
        PyMem_Free(options->blocks[--options->n_blocks]);
    }
}
