/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a file: told, peeked and decompressed in steps that the first byte gives, or refused; nothing is lost. */
#include <stdint.h>
#include <stdlib.h>

#include "../memory_file.h"
#include "data/input.h"

#define MOST_TEXT (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char out[70000];
    if (size == 0) {
        return 0;
    }
    size_t step = 1 + (size_t)data[0] * data[0];
    memory_file file = memory_file_make(data + 1, size - 1);
    skimp_budget *budget;
    skimp_budget_options options = { .size = sizeof(options), .limit = 4u << 20 };
    skimpi_input *input;
    const char *peeked;
    size_t got;
    size_t total = 0;
    bool exact;
    if (skimp_budget_create(&budget, &options, NULL) != SKIMP_OK) {
        abort();
    }
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status = skimpi_input_open(&input, budget, file.path, &error);
    if (status == SKIMP_OK) {
        status = skimpi_input_peek(input, step, &peeked, &got, &error);
        while (status == SKIMP_OK && got > 0 && total < MOST_TEXT) {
            status = skimpi_input_read(input, out, step, &got, &error);
            total += got;
            (void)skimpi_input_text_size(input, &exact);
        }
        if (status == SKIMP_OK &&
            (skimpi_input_bytes_taken(input) > size - 1 || skimpi_input_rewind(input, &error) != SKIMP_OK)) {
            abort();
        }
        skimpi_input_close(input);
    }
    if (error.code != (int)status || skimp_budget_destroy(budget) != 0) {
        abort();
    }
    memory_file_close(&file);
    return 0;
}
