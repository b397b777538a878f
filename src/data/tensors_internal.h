/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tensors.c and tensors_file.c share.
 */
#ifndef SKIMPI_TENSORS_INTERNAL_H
#define SKIMPI_TENSORS_INTERNAL_H

#include "data/tensors.h"

#define SKIMPI_MOST_TENSORS 4096u /* and entries of metadata: names are looked up one by one */
#define SKIMPI_MOST_DIMS 4u
#define SKIMPI_METADATA_NAME "__metadata__"

typedef struct skimpi_meta_entry {
    char *key, *value;
} skimpi_meta_entry;

struct skimpi_tensors {
    skimp_budget *budget;
    char *file;          /* it was read from, or NULL */
    skimpi_buffer items; /* skimpi_tensor */
    skimpi_buffer meta;  /* skimpi_meta_entry */
};

size_t skimpi_dtype_bytes(skimpi_dtype dtype);
const char *skimpi_dtype_name(skimpi_dtype dtype); /* as safetensors has it */
/* The number of values of a shape, UINT64_MAX when it overflows. */
uint64_t skimpi_shape_values(unsigned n_dims, const uint64_t *shape);

#endif
