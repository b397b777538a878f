/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named arrays with metadata, and their file: safetensors (8-byte header length, JSON header, raw little-endian arrays).
 * It is what models are saved as.  A file that is read is hostile: every length, offset, type and shape is checked.
 * Memory: the arrays, under "model"; the header (at most 16 MiB) while it is read.
 */
#ifndef SKIMPI_TENSORS_H
#define SKIMPI_TENSORS_H

#include "base/base.h"

typedef enum skimpi_dtype {
    SKIMPI_F64,
    SKIMPI_F32,
    SKIMPI_I64,
    SKIMPI_U64,
    SKIMPI_I32,
    SKIMPI_U32,
    SKIMPI_U8
} skimpi_dtype;

typedef struct skimpi_tensor {
    char *name;
    skimpi_dtype dtype;
    unsigned n_dims;
    uint64_t shape[4];
    uint64_t n_values;
    void *data;
    bool is_borrowed; /* the data is another's, who keeps it */
} skimpi_tensor;

typedef struct skimpi_tensors skimpi_tensors;
SKIMP_CHECKED skimp_status skimpi_tensors_create(skimpi_tensors **out, skimp_budget *budget, skimp_error *error);
void skimpi_tensors_destroy(skimpi_tensors *tensors);
/* Adds a zeroed array (name is copied) for the caller to fill. Adding a name twice is an INTERNAL error. */
SKIMP_CHECKED skimp_status skimpi_tensors_add(skimpi_tensors *tensors, const char *name, skimpi_dtype dtype,
                                              unsigned n_dims, const uint64_t *shape, void **data, skimp_error *error);
/* Adds an array that stays where it is: `data` (not NULL) must outlive the tensors, and is not written to. */
SKIMP_CHECKED skimp_status skimpi_tensors_borrow(skimpi_tensors *tensors, const char *name, skimpi_dtype dtype,
                                                 unsigned n_dims, const uint64_t *shape, const void *data,
                                                 skimp_error *error);
/* Strings as one U8 tensor `name` of their bytes, each followed by NUL (strings hold none); read back in order. */
SKIMP_CHECKED skimp_status skimpi_tensors_add_strings(skimpi_tensors *tensors, const char *name,
                                                      const char *const *strings, uint64_t n, skimp_error *error);
/* By name, or NULL; valid until the next add (the data longer: until destroy). */
const skimpi_tensor *skimpi_tensors_find(const skimpi_tensors *tensors, const char *name);
/* find, with its type and shape demanded (shape entries of UINT64_MAX match any); DATA naming file and tensor otherwise. */
SKIMP_CHECKED skimp_status skimpi_tensors_need(const skimpi_tensors *tensors, const char *name, skimpi_dtype dtype,
                                               unsigned n_dims, const uint64_t *shape, const skimpi_tensor **out,
                                               skimp_error *error);
size_t skimpi_tensors_count(const skimpi_tensors *tensors);
const skimpi_tensor *skimpi_tensors_at(const skimpi_tensors *tensors, size_t i);
/* Metadata: string to string. */
SKIMP_CHECKED skimp_status skimpi_tensors_set_meta(skimpi_tensors *tensors, const char *key, const char *value,
                                                   skimp_error *error);
const char *skimpi_tensors_meta(const skimpi_tensors *tensors, const char *key); /* NULL: none */
size_t skimpi_tensors_meta_count(const skimpi_tensors *tensors);
void skimpi_tensors_meta_at(const skimpi_tensors *tensors, size_t i, const char **key, const char **value);

SKIMP_CHECKED skimp_status skimpi_tensors_write(const skimpi_tensors *tensors, const char *path,
                                                skimp_error *error); /* atomic */
SKIMP_CHECKED skimp_status skimpi_tensors_read(skimpi_tensors **out, skimp_budget *budget, const char *path,
                                               skimp_error *error);
bool skimpi_tensors_recognise(const char *bytes, size_t n);

#endif
