/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as an NPY file, plain or compressed: refused, or read to the same bits twice. The first byte sets the options. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../memory_file.h"
#include "data/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds) {
        abort();
    }
}

static uint64_t hash_column(uint64_t hash, const double *values, uint32_t n)
{
    for (uint32_t i = 0; i < n && values != NULL; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof(bits));
        hash = skimpi_mix64(hash ^ bits);
    }
    return hash;
}

/* The status of the first failure, or OK, mixed with all that was read before it. */
static uint64_t read_all(skimpi_reader *reader, const skimpi_schema *schema, skimpi_input *input, skimpi_raw *raw)
{
    const skimpi_reader_class *class = &skimpi_reader_npy;
    uint64_t hash = 0;
    skimp_status status = SKIMP_OK;
    for (uint64_t unit = 0; unit < class->unit_count(reader) && status == SKIMP_OK; unit++) {
        status = class->read_unit(reader, schema, input, unit, raw, NULL);
        hash = skimpi_mix64(hash ^ (uint64_t)status);
        if (status == SKIMP_OK) {
            demand(raw->n_rows <= raw->capacity && raw->n_rows + raw->rows_missing == raw->lines);
            for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
                hash = hash_column(hash, raw->numeric + (size_t)slot * raw->capacity, raw->n_rows);
            }
            hash = hash_column(hash_column(hash, raw->target, raw->n_rows), raw->weight, raw->n_rows);
        }
    }
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    const skimpi_reader_class *class = &skimpi_reader_npy;
    const skimpi_reader_options options = {
        .on_missing = data[0] & 1 ? SKIMPI_MISSING_DROP : SKIMPI_MISSING_KEEP,
        .target_optional = (data[0] & 2) != 0,
    };
    const char *const drop = "x1";
    const skimpi_roles roles = {
        .target = data[0] & 4 ? "x0>1" : NULL,
        .weight = data[0] & 8 ? "x2" : NULL,
        .drop = &drop,
        .n_drop = data[0] >> 4 & 1,
    };
    memory_file file = memory_file_make(data + 1, size - 1);
    skimp_budget *budget;
    skimp_budget_options budget_options = { .size = sizeof(budget_options), .limit = 16u << 20 };
    skimpi_input *input = NULL;
    skimpi_reader *reader = NULL;
    skimpi_schema *schema = NULL;
    skimpi_sample sample;
    demand(skimp_budget_create(&budget, &budget_options, NULL) == SKIMP_OK);
    if (skimpi_input_open(&input, budget, file.path, NULL) == SKIMP_OK &&
        class->open(&reader, budget, input, &options, &schema, &sample, NULL) == SKIMP_OK &&
        skimpi_schema_assign(schema, &roles, "file", NULL) == SKIMP_OK) {
        skimpi_raw raw;
        skimpi_sample_settle(&sample, schema);
        if (skimpi_raw_create(&raw, budget, schema, 1, 0, NULL) == SKIMP_OK) {
            uint64_t once = read_all(reader, schema, input, &raw);
            demand(skimpi_input_rewind(input, NULL) == SKIMP_OK);
            demand(read_all(reader, schema, input, &raw) == once);
            skimpi_raw_destroy(&raw, schema);
        }
    }
    class->close(reader);
    skimpi_schema_destroy(schema);
    skimpi_input_close(input);
    demand(skimp_budget_destroy(budget) == 0);
    memory_file_close(&file);
    return 0;
}
