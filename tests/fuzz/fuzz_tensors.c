/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a safetensors file: what is read can be written, and reads back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../memory_file.h"
#include "data/tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void same(const skimpi_tensors *a, const skimpi_tensors *b)
{
    static const size_t width[] = { [SKIMPI_F64] = 8, [SKIMPI_F32] = 4, [SKIMPI_I64] = 8, [SKIMPI_U64] = 8,
                                    [SKIMPI_I32] = 4, [SKIMPI_U32] = 4, [SKIMPI_U8] = 1 };
    demand(skimpi_tensors_count(a) == skimpi_tensors_count(b) &&
           skimpi_tensors_meta_count(a) == skimpi_tensors_meta_count(b));
    for (size_t i = 0; i < skimpi_tensors_count(a); i++) {
        const skimpi_tensor *x = skimpi_tensors_at(a, i);
        const skimpi_tensor *y = skimpi_tensors_at(b, i);
        demand(strcmp(x->name, y->name) == 0 && x->dtype == y->dtype && x->n_dims == y->n_dims &&
               x->n_values == y->n_values);
        demand(memcmp(x->shape, y->shape, sizeof(x->shape)) == 0);
        demand(memcmp(x->data, y->data, (size_t)x->n_values * width[x->dtype]) == 0);
    }
    for (size_t i = 0; i < skimpi_tensors_meta_count(a); i++) {
        const char *keys[2];
        const char *values[2];
        skimpi_tensors_meta_at(a, i, &keys[0], &values[0]);
        skimpi_tensors_meta_at(b, i, &keys[1], &values[1]);
        demand(strcmp(keys[0], keys[1]) == 0 && strcmp(values[0], values[1]) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_file file = memory_file_make(data, size);
    skimp_budget *budget;
    skimp_budget_options options = { .size = sizeof(options), .limit = 4u << 20 };
    skimpi_tensors *tensors;
    skimpi_tensors *again;
    demand(skimp_budget_create(&budget, &options, NULL) == SKIMP_OK);
    if (skimpi_tensors_read(&tensors, budget, file.path, NULL) == SKIMP_OK) {
        static char path[64];
        if (path[0] == '\0') {
            strcpy(path, "/tmp/skimp-fuzz-XXXXXX");
            int made = mkstemp(path);
            demand(made >= 0 && close(made) == 0);
        }
        demand(skimpi_tensors_recognise((const char *)data, size));
        demand(skimpi_tensors_write(tensors, path, NULL) == SKIMP_OK);
        demand(skimpi_tensors_read(&again, budget, path, NULL) == SKIMP_OK);
        unlink(path);
        same(tensors, again);
        skimpi_tensors_destroy(again);
        skimpi_tensors_destroy(tensors);
    }
    demand(skimp_budget_destroy(budget) == 0);
    memory_file_close(&file);
    return 0;
}
