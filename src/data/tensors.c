/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named arrays and metadata, in memory.  Both are few: they are kept in order and looked up one by one.
 */
#include "data/tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data/tensors_internal.h"

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {
    [SKIMPI_F64] = { "F64", 8 }, [SKIMPI_F32] = { "F32", 4 }, [SKIMPI_I64] = { "I64", 8 }, [SKIMPI_U64] = { "U64", 8 },
    [SKIMPI_I32] = { "I32", 4 }, [SKIMPI_U32] = { "U32", 4 }, [SKIMPI_U8] = { "U8", 1 },
};

size_t skimpi_dtype_bytes(skimpi_dtype dtype)
{
    return dtypes[dtype].bytes;
}

const char *skimpi_dtype_name(skimpi_dtype dtype)
{
    return dtypes[dtype].name;
}

uint64_t skimpi_shape_values(unsigned n_dims, const uint64_t *shape)
{
    uint64_t n = 1;
    bool empty = false;
    for (unsigned i = 0; i < n_dims; i++) {
        empty = empty || shape[i] == 0;
        n = skimpi_mul_sat(n, shape[i]);
    }
    return empty ? 0 : n;
}

skimp_status skimpi_tensors_create(skimpi_tensors **out, skimp_budget *budget, skimp_error *error)
{
    void *block;
    *out = NULL;
    skimp_status status = skimp_alloc(budget, SKIMP_TAG_MODEL, 1, sizeof(skimpi_tensors), &block, error);
    if (status == SKIMP_OK) {
        *out = block;
        (*out)->budget = budget;
        skimpi_buffer_init(&(*out)->items, budget, SKIMP_TAG_MODEL);
        skimpi_buffer_init(&(*out)->meta, budget, SKIMP_TAG_MODEL);
    }
    return status;
}

void skimpi_tensors_destroy(skimpi_tensors *tensors)
{
    if (tensors == NULL) {
        return;
    }
    skimp_budget *budget = tensors->budget;
    for (size_t i = 0; i < skimpi_tensors_count(tensors); i++) {
        skimpi_tensor *tensor = (skimpi_tensor *)tensors->items.data + i;
        skimpi_string_free(budget, SKIMP_TAG_MODEL, tensor->name);
        if (!tensor->is_borrowed) {
            skimp_free(budget, SKIMP_TAG_MODEL, tensor->data, (size_t)tensor->n_values,
                       skimpi_dtype_bytes(tensor->dtype));
        }
    }
    for (size_t i = 0; i < skimpi_tensors_meta_count(tensors); i++) {
        skimpi_meta_entry *entry = (skimpi_meta_entry *)tensors->meta.data + i;
        skimpi_string_free(budget, SKIMP_TAG_MODEL, entry->key);
        skimpi_string_free(budget, SKIMP_TAG_MODEL, entry->value);
    }
    skimpi_buffer_free(&tensors->items);
    skimpi_buffer_free(&tensors->meta);
    skimpi_string_free(budget, SKIMP_TAG_MODEL, tensors->file);
    skimp_free(budget, SKIMP_TAG_MODEL, tensors, 1, sizeof *tensors);
}

/* ---- arrays --------------------------------------------------------------------------------------------------- */

/* A tensor with data of its own (zeros), or with the caller's. */
static skimp_status add(skimpi_tensors *tensors, const char *name, skimpi_dtype dtype, unsigned n_dims,
                        const uint64_t *shape, const void *borrowed, void **data, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (n_dims > SKIMPI_MOST_DIMS || skimpi_tensors_count(tensors) == SKIMPI_MOST_TENSORS ||
        skimpi_tensors_find(tensors, name) != NULL || strcmp(name, SKIMPI_METADATA_NAME) == 0) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL,
                           "the tensor '%s' is there already, one too many or of %u dimensions", name, n_dims);
    }
    skimpi_tensor tensor = { .dtype = dtype,
                             .n_dims = n_dims,
                             .n_values = skimpi_shape_values(n_dims, shape),
                             .data = (void *)borrowed,
                             .is_borrowed = borrowed != NULL };
    for (unsigned i = 0; i < n_dims; i++) {
        tensor.shape[i] = shape[i];
    }
    size_t n = tensor.n_values > SIZE_MAX / 8 ? SIZE_MAX / 8 : (size_t)tensor.n_values;
    SKIMPI_TRY(skimpi_string_copy(tensors->budget, SKIMP_TAG_MODEL, name, strlen(name), &tensor.name, error));
    if (borrowed == NULL) {
        SKIMPI_TRY(skimp_alloc(tensors->budget, SKIMP_TAG_MODEL, n, skimpi_dtype_bytes(dtype), &tensor.data, error));
    }
    SKIMPI_TRY(skimpi_buffer_append(&tensors->items, &tensor, sizeof(tensor), error));
    *data = tensor.data;
    return SKIMP_OK;
out:
    if (borrowed == NULL) {
        skimp_free(tensors->budget, SKIMP_TAG_MODEL, tensor.data, n, skimpi_dtype_bytes(dtype));
    }
    skimpi_string_free(tensors->budget, SKIMP_TAG_MODEL, tensor.name);
    return status;
}

skimp_status skimpi_tensors_add(skimpi_tensors *tensors, const char *name, skimpi_dtype dtype, unsigned n_dims,
                                const uint64_t *shape, void **data, skimp_error *error)
{
    *data = NULL;
    return add(tensors, name, dtype, n_dims, shape, NULL, data, error);
}

skimp_status skimpi_tensors_borrow(skimpi_tensors *tensors, const char *name, skimpi_dtype dtype, unsigned n_dims,
                                   const uint64_t *shape, const void *data, skimp_error *error)
{
    void *same;
    return add(tensors, name, dtype, n_dims, shape, data, &same, error);
}

skimp_status skimpi_tensors_add_strings(skimpi_tensors *tensors, const char *name, const char *const *strings,
                                        uint64_t n, skimp_error *error)
{
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < n; i++) {
        bytes += strlen(strings[i]) + 1;
    }
    void *data;
    skimp_status status = skimpi_tensors_add(tensors, name, SKIMPI_U8, 1, &bytes, &data, error);
    if (status == SKIMP_OK) {
        char *to = data;
        for (uint64_t i = 0; i < n; i++) {
            size_t length = strlen(strings[i]) + 1;
            memcpy(to, strings[i], length);
            to += length;
        }
    }
    return status;
}

size_t skimpi_tensors_count(const skimpi_tensors *tensors)
{
    return tensors->items.length / sizeof(skimpi_tensor);
}

const skimpi_tensor *skimpi_tensors_at(const skimpi_tensors *tensors, size_t i)
{
    return (const skimpi_tensor *)tensors->items.data + i;
}

const skimpi_tensor *skimpi_tensors_find(const skimpi_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < skimpi_tensors_count(tensors); i++) {
        const skimpi_tensor *tensor = skimpi_tensors_at(tensors, i);
        if (strcmp(tensor->name, name) == 0) {
            return tensor;
        }
    }
    return NULL;
}

/* "F64 [3, 2]"; an entry of UINT64_MAX is any number: "n". */
static void describe(char *out, size_t size, skimpi_dtype dtype, unsigned n_dims, const uint64_t *shape)
{
    size_t n = (size_t)snprintf(out, size, "%s [", skimpi_dtype_name(dtype));
    for (unsigned i = 0; i < n_dims && n < size; i++) {
        const char *comma = i == 0 ? "" : ", ";
        n += (size_t)(shape[i] == UINT64_MAX ? snprintf(out + n, size - n, "%sn", comma)
                                             : snprintf(out + n, size - n, "%s%" PRIu64, comma, shape[i]));
    }
    if (n < size) {
        snprintf(out + n, size - n, "]");
    }
}

skimp_status skimpi_tensors_need(const skimpi_tensors *tensors, const char *name, skimpi_dtype dtype, unsigned n_dims,
                                 const uint64_t *shape, const skimpi_tensor **out, skimp_error *error)
{
    const skimpi_tensor *tensor = skimpi_tensors_find(tensors, name);
    *out = NULL;
    if (tensor == NULL) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, tensors->file, 0, NULL, "the tensor '%s' is missing", name);
    }
    bool fits = tensor->dtype == dtype && tensor->n_dims == n_dims;
    for (unsigned i = 0; i < n_dims && fits; i++) {
        fits = shape[i] == UINT64_MAX || shape[i] == tensor->shape[i];
    }
    if (!fits) {
        char found[128];
        char wanted[128];
        describe(found, sizeof(found), tensor->dtype, tensor->n_dims, tensor->shape);
        describe(wanted, sizeof(wanted), dtype, n_dims, shape);
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, tensors->file, 0, NULL, "the tensor '%s' is %s, not %s", name,
                              found, wanted);
    }
    *out = tensor;
    return SKIMP_OK;
}

/* ---- metadata ------------------------------------------------------------------------------------------------- */

static skimpi_meta_entry *meta_find(const skimpi_tensors *tensors, const char *key)
{
    for (size_t i = 0; i < skimpi_tensors_meta_count(tensors); i++) {
        skimpi_meta_entry *entry = (skimpi_meta_entry *)tensors->meta.data + i;
        if (strcmp(entry->key, key) == 0) {
            return entry;
        }
    }
    return NULL;
}

skimp_status skimpi_tensors_set_meta(skimpi_tensors *tensors, const char *key, const char *value, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget *budget = tensors->budget;
    skimpi_meta_entry new_entry = { NULL, NULL };
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_MODEL, value, strlen(value), &new_entry.value, error));
    skimpi_meta_entry *entry = meta_find(tensors, key);
    if (entry != NULL) {
        skimpi_string_free(budget, SKIMP_TAG_MODEL, entry->value);
        entry->value = new_entry.value;
        return SKIMP_OK;
    }
    if (skimpi_tensors_meta_count(tensors) == SKIMPI_MOST_TENSORS) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_INTERNAL, "the metadata '%s' is one too many", key));
    }
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_MODEL, key, strlen(key), &new_entry.key, error));
    SKIMPI_TRY(skimpi_buffer_append(&tensors->meta, &new_entry, sizeof(new_entry), error));
    return SKIMP_OK;
out:
    skimpi_string_free(budget, SKIMP_TAG_MODEL, new_entry.key);
    skimpi_string_free(budget, SKIMP_TAG_MODEL, new_entry.value);
    return status;
}

const char *skimpi_tensors_meta(const skimpi_tensors *tensors, const char *key)
{
    const skimpi_meta_entry *entry = meta_find(tensors, key);
    return entry != NULL ? entry->value : NULL;
}

size_t skimpi_tensors_meta_count(const skimpi_tensors *tensors)
{
    return tensors->meta.length / sizeof(skimpi_meta_entry);
}

void skimpi_tensors_meta_at(const skimpi_tensors *tensors, size_t i, const char **key, const char **value)
{
    const skimpi_meta_entry *entry = (const skimpi_meta_entry *)tensors->meta.data + i;
    *key = entry->key;
    *value = entry->value;
}
