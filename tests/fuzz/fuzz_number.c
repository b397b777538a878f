/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a number: never read beyond the end, the value that strtod gives, and a text of it that reads back. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + SKIMPI_NUMBER_PADDING);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    memset(text + size, '1', SKIMPI_NUMBER_PADDING);
    double value = 0;
    const char *end = skimpi_number_parse(text, text + size, &value);
    if (end != NULL) {
        if (end <= text || end > text + size) {
            abort();
        }
        char *copy = malloc((size_t)(end - text) + 1);
        memcpy(copy, text, (size_t)(end - text));
        copy[end - text] = '\0';
        double expected = strtod(copy, NULL);
        if (memcmp(&value, &expected, sizeof(value)) != 0 && !(isnan(value) && isnan(expected))) {
            abort();
        }
        free(copy);
        char shortest[32 + SKIMPI_NUMBER_PADDING];
        size_t length = skimpi_number_format(value, shortest);
        double back = 0;
        if (length >= 32 || skimpi_number_parse(shortest, shortest + length, &back) != shortest + length ||
            (memcmp(&value, &back, sizeof(value)) != 0 && !isnan(value))) {
            abort();
        }
    }
    free(text);
    return 0;
}
