/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a model makes of a job's inputs, in memory that becomes arrays of Python without a copy: a Block is a buffer whose
 * memory goes with it.  While a job runs there are only the plain blocks of core_result, which workers have grown.
 */
#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAPPED_BYTES                                                                                                   \
    (64u << 10) /* from here on blocks are mapped: they grow without a copy, and go back to the system */

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static void memory_free(core_memory *memory)
{
    if (memory->mapped > 0) {
        munmap(memory->data, memory->mapped);
    } else {
        free(memory->data);
    }
    *memory = (core_memory){ 0 };
}

/* At least so many bytes, what is there kept. False: there is no memory; the block is as it was. */
static bool memory_resize(core_memory *memory, uint64_t bytes)
{
    void *data = NULL;
    size_t mapped = 0;
    if (bytes > SIZE_MAX / 2) {
        return false;
    }
    if (bytes < MAPPED_BYTES && memory->mapped == 0) {
        data = realloc(memory->data, bytes == 0 ? 1 : (size_t)bytes);
    } else if (bytes < MAPPED_BYTES) {
        data = malloc(bytes == 0 ? 1 : (size_t)bytes);
        if (data != NULL) {
            memcpy(data, memory->data, (size_t)bytes);
            munmap(memory->data, memory->mapped);
        }
    } else if (memory->mapped > 0) {
        mapped = (size_t)bytes;
        data = mremap(memory->data, memory->mapped, mapped, MREMAP_MAYMOVE);
    } else {
        mapped = (size_t)bytes;
        data = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (data != MAP_FAILED && memory->data != NULL) {
            memcpy(data, memory->data, memory->bytes);
            free(memory->data);
        }
    }
    if (data == NULL || data == MAP_FAILED) {
        return false;
    }
    *memory = (core_memory){ .data = data, .bytes = (size_t)bytes, .mapped = mapped };
    return true;
}

static uint64_t product(uint64_t a, uint64_t b)
{
    uint64_t c;
    return __builtin_mul_overflow(a, b, &c) ? UINT64_MAX : c;
}

/* skimp_apply_reserve: from a worker, without the GIL. */
static skimp_status give_memory(void *context, const skimp_apply_shape *shape, skimp_apply_memory *out,
                                skimp_error *error)
{
    core_result *result = context;
    const size_t value = skimp_dtype_bytes(result->options.dtype);
    const size_t index = skimp_dtype_bytes(result->options.indices_dtype);
    const bool ok = shape->is_sparse
                        ? memory_resize(&result->values, product(shape->nonzeros, value)) &&
                              memory_resize(&result->indices, product(shape->nonzeros, index)) &&
                              memory_resize(&result->indptr, product(shape->n_rows + 1, index))
                        : memory_resize(&result->values, product(product(shape->n_rows, shape->n_columns), value));
    if (!ok) {
        *error = (skimp_error){ .code = SKIMP_ERROR_NOMEM };
        snprintf(error->message, sizeof error->message, "the system has no memory for the result");
        return SKIMP_ERROR_NOMEM;
    }
    result->shape = *shape;
    *out = (skimp_apply_memory){ .values = result->values.data,
                                 .row_stride = (int64_t)(shape->n_columns * value),
                                 .column_stride = (int64_t)value,
                                 .indices = result->indices.data,
                                 .indptr = result->indptr.data };
    return SKIMP_OK;
}

bool core_result_begin(core_result *result, const char *kind, const char *dtype, const char *indices_dtype)
{
    static const char *const kinds[] = { [SKIMP_APPLY_LABEL] = "label",
                                         [SKIMP_APPLY_DECISION] = "decision",
                                         [SKIMP_APPLY_PROBABILITY] = "probability",
                                         [SKIMP_APPLY_TRANSFORM] = "transform" };
    static const struct {
        const char *name;
        skimp_dtype dtype;
    } types[] = { { "float64", SKIMP_DTYPE_F64 },
                  { "float32", SKIMP_DTYPE_F32 },
                  { "int64", SKIMP_DTYPE_I64 },
                  { "int32", SKIMP_DTYPE_I32 } };
    *result = (core_result){ .options = SKIMP_APPLY_OPTIONS_INIT };
    result->options.reserve = give_memory;
    result->options.context = result;
    result->options.dtype = result->options.indices_dtype = SKIMP_DTYPE_NONE;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, dtype) == 0) {
            result->options.dtype = types[i].dtype;
        }
        if (strcmp(types[i].name, indices_dtype) == 0) {
            result->options.indices_dtype = types[i].dtype;
        }
    }
    size_t k = 0;
    while (k < sizeof kinds / sizeof *kinds && strcmp(kinds[k], kind) != 0) {
        k++;
    }
    result->options.kind = (skimp_apply_kind)k;
    if (k == sizeof kinds / sizeof *kinds || result->options.dtype == SKIMP_DTYPE_NONE ||
        result->options.indices_dtype == SKIMP_DTYPE_NONE) {
        PyErr_Format(PyExc_ValueError, "apply: there is no '%s' of type '%s' with indices of '%s'", kind, dtype,
                     indices_dtype);
        return false;
    }
    return true;
}

void core_result_free(core_result *result)
{
    memory_free(&result->values);
    memory_free(&result->indices);
    memory_free(&result->indptr);
}

/* ---- Block ---------------------------------------------------------------------------------------------------------- */

typedef struct block_object {
    PyObject_HEAD core_memory memory;
    skimp_dtype dtype;
    int n_dims;
    Py_ssize_t shape[2], strides[2];
} block_object;

/* Takes the memory, also when it fails. */
static PyObject *block_wrap(core_state *state, core_memory *memory, skimp_dtype dtype, int n_dims, uint64_t n_rows,
                            uint64_t n_columns)
{
    PyTypeObject *type = (PyTypeObject *)state->block_type;
    const allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    block_object *self = (block_object *)alloc(type, 0);
    if (self == NULL) {
        memory_free(memory);
        return NULL;
    }
    const Py_ssize_t bytes = (Py_ssize_t)skimp_dtype_bytes(dtype);
    self->memory = *memory;
    *memory = (core_memory){ 0 };
    self->dtype = dtype;
    self->n_dims = n_dims;
    self->shape[0] = (Py_ssize_t)n_rows;
    self->shape[1] = (Py_ssize_t)n_columns;
    self->strides[n_dims - 1] = bytes;
    if (n_dims == 2) {
        self->strides[0] = bytes * (Py_ssize_t)n_columns;
    }
    return (PyObject *)self;
}

static void block_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    memory_free(&((block_object *)object)->memory);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static int block_buffer(PyObject *object, Py_buffer *view, int flags)
{
    static char *const formats[] = {
        [SKIMP_DTYPE_F64] = "d", [SKIMP_DTYPE_F32] = "f", [SKIMP_DTYPE_I64] = "l", [SKIMP_DTYPE_I32] = "i"
    };
    block_object *self = (block_object *)object;
    const Py_ssize_t bytes = (Py_ssize_t)skimp_dtype_bytes(self->dtype);
    const Py_ssize_t values = self->n_dims == 2 ? self->shape[0] * self->shape[1] : self->shape[0];
    *view = (Py_buffer){ .buf = self->memory.data,
                         .obj = Py_NewRef(object),
                         .len = values * bytes,
                         .itemsize = bytes,
                         .ndim = self->n_dims,
                         .format = (flags & PyBUF_FORMAT) != 0 ? formats[self->dtype] : NULL,
                         .shape = (flags & PyBUF_ND) != 0 ? self->shape : NULL,
                         .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL };
    return 0;
}

static PyType_Slot slots[] = {
    { Py_tp_dealloc, block_dealloc },
    { Py_bf_getbuffer, block_buffer },
    { Py_tp_doc, "Memory that a job wrote, by the buffer protocol." },
    { 0, NULL },
};

PyType_Spec core_block_spec = {
    .name = "skimp._core.Block",
    .basicsize = sizeof(block_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = slots,
};

PyObject *core_result_take(core_state *state, core_result *result)
{
    const skimp_apply_shape *shape = &result->shape;
    const skimp_dtype index = result->options.indices_dtype;
    if (!shape->is_sparse) {
        return block_wrap(state, &result->values, result->options.dtype, 2, shape->n_rows, shape->n_columns);
    }
    PyObject *values = block_wrap(state, &result->values, result->options.dtype, 1, shape->nonzeros, 0);
    PyObject *indices = values != NULL ? block_wrap(state, &result->indices, index, 1, shape->nonzeros, 0) : NULL;
    PyObject *indptr = indices != NULL ? block_wrap(state, &result->indptr, index, 1, shape->n_rows + 1, 0) : NULL;
    PyObject *all =
        indptr != NULL ? Py_BuildValue("OOOK", values, indices, indptr, (unsigned long long)shape->n_columns) : NULL;
    Py_XDECREF(values);
    Py_XDECREF(indices);
    Py_XDECREF(indptr);
    return all;
}
