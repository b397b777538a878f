/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the pages of two columns: never read or written beyond an end, and the memory asked for is bounded. */
#include <stdint.h>
#include <stdlib.h>

#include "../memory_file.h"
#include "skimp/parquet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const skimp_dtype dtypes[] = { SKIMP_DTYPE_F64, SKIMP_DTYPE_I32, SKIMP_DTYPE_I64, SKIMP_DTYPE_F32 };
    if (size < 2) {
        return 0;
    }
    const uint8_t form = data[0];
    const uint32_t step = 1 + data[1] * 7u;
    const skimp_parquet_column column = { .name = "c",
                                          .offset = 2,
                                          .bytes = size - 2,
                                          .text_bytes = 1 << 18,
                                          .dtype = dtypes[form & 3],
                                          .codec = (skimp_parquet_codec)(form >> 2 & 3) % 3,
                                          .may_miss = (form >> 4 & 1) != 0 };
    const skimp_parquet_column columns[2] = { column, column };
    const skimp_budget_options options = { .size = sizeof options, .limit = 4 << 20 };
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_budget *budget = NULL;
    skimp_parquet *reader = NULL;
    memory_file file = memory_file_make(data, size);
    if (skimp_budget_create(&budget, &options, &error) == SKIMP_OK &&
        skimp_parquet_open(&reader, budget, file.path, 2, &error) == SKIMP_OK &&
        skimp_parquet_group(reader, columns, &error) == SKIMP_OK) {
        skimp_status status = SKIMP_OK;
        for (uint32_t first = 0; first < ROWS && status == SKIMP_OK; first += step) {
            void *values[2] = { malloc(step * 8), malloc(step * 8) };
            uint8_t *bits[2] = { malloc(step / 8 + 1), malloc(step / 8 + 1) };
            uint32_t n_missing[2];
            status = skimp_parquet_read(reader, step, values, bits, n_missing, &error);
            if (status == SKIMP_OK && n_missing[0] != n_missing[1]) {
                abort();
            }
            for (int c = 0; c < 2; c++) {
                free(values[c]);
                free(bits[c]);
            }
        }
    }
    skimp_parquet_close(reader);
    if (skimp_budget_destroy(budget) != 0) {
        abort();
    }
    memory_file_close(&file);
    return 0;
}
