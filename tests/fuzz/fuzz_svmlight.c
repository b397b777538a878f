/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as svmlight: sampled, parsed whole and parsed in units of a size that the first byte gives.  Both ways give
 * the same rows or the same failure, and every row is in order.  The second byte sets the options.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../memory_file.h"
#include "data/number.h"
#include "data/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds) {
        abort();
    }
}

typedef struct total {
    uint64_t rows, nonzeros, lines, bad, missing, largest, hash;
    uint64_t failed;
    uint64_t failed_line;
} total;

/* Adds a unit's rows; checks what a raw chunk promises. */
static void add(total *t, const skimpi_raw *raw)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < raw->n_rows; i++) {
        uint64_t bits;
        memcpy(&bits, &raw->target[i], sizeof(bits));
        t->hash = skimpi_mix64(t->hash ^ bits);
        demand(raw->row_end[i] >= k);
        for (uint32_t first = k; k < raw->row_end[i]; k++) {
            uint64_t index = raw->indices64 != NULL ? raw->indices64[k] : raw->indices[k];
            demand(index < raw->largest_index);
            demand(k == first || index > (raw->indices64 != NULL ? raw->indices64[k - 1] : raw->indices[k - 1]));
            memcpy(&bits, &raw->values[k], sizeof(bits));
            t->hash = skimpi_mix64(skimpi_mix64(t->hash ^ bits) ^ index);
        }
        t->hash++;
    }
    demand(k == raw->nonzeros);
    t->rows += raw->n_rows;
    t->nonzeros += raw->nonzeros;
    t->bad += raw->rows_bad;
    t->missing += raw->rows_missing;
    t->largest = skimpi_max_u64(t->largest, raw->largest_index);
    t->failed = raw->failure.code != SKIMP_OK;
    t->failed_line = t->failed ? t->lines + raw->failure.row : 0;
    t->lines += raw->lines;
}

static total parse(skimpi_reader *reader, const skimpi_schema *schema, skimpi_raw *raw, const char *text, size_t length,
                   size_t unit_bytes)
{
    const skimpi_reader_class *class = &skimpi_reader_svmlight;
    total t = { 0 };
    size_t begin = (size_t) class->data_start(reader);
    for (size_t from = 0; from < length && !t.failed; from += unit_bytes) {
        skimpi_unit unit = {
            .text = text, .length = length, .begin = begin, .end = from + unit_bytes, .is_last = true
        };
        bool more = true;
        demand(class->parse(reader, schema, &unit, raw, &more, NULL) == SKIMP_OK && !more);
        demand(raw->consumed >= begin && raw->consumed <= length);
        begin = raw->consumed;
        add(&t, raw);
    }
    demand(t.failed || begin == length || length <= class->data_start(reader));
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const skimpi_reader_class *class = &skimpi_reader_svmlight;
    const uint8_t may_miss = data[1] >> 6 & 1;
    skimpi_reader_options options = {
        .on_bad_row = data[1] & 1 ? SKIMPI_BAD_ROW_SKIP : SKIMPI_BAD_ROW_ERROR,
        .on_missing = data[1] & 2 ? SKIMPI_MISSING_DROP : SKIMPI_MISSING_KEEP,
        .zero_based = (data[1] >> 2 & 3) % 3 - 1,
        .index64 = (data[1] >> 4 & 1) != 0,
        .target_optional = (data[1] >> 5 & 1) != 0,
        .may_miss = &may_miss,
    };
    size_t length = size - 2;
    memory_file file = memory_file_make(data + 2, length);
    skimp_budget *budget;
    skimp_budget_options budget_options = { .size = sizeof(budget_options), .limit = 16u << 20 };
    skimpi_input *input = NULL;
    skimpi_reader *reader = NULL;
    skimpi_schema *schema = NULL;
    skimpi_sample sample;
    demand(skimp_budget_create(&budget, &budget_options, NULL) == SKIMP_OK);
    demand(skimpi_input_open(&input, budget, file.path, NULL) == SKIMP_OK || input == NULL);
    if (input != NULL && skimpi_input_codec(input) == SKIMPI_CODEC_PLAIN &&
        class->open(&reader, budget, input, &options, &schema, &sample, NULL) == SKIMP_OK) {
        char *text = malloc(length + SKIMPI_NUMBER_PADDING);
        memcpy(text, data + 2, length);
        memset(text + length, data[0], SKIMPI_NUMBER_PADDING);
        skimpi_raw raw;
        demand(skimpi_schema_assign(schema, &(skimpi_roles){ .target = "label" }, "file", NULL) == SKIMP_OK);
        demand(skimpi_raw_create(&raw, budget, schema, 1, 1, NULL) == SKIMP_OK);
        total whole = parse(reader, schema, &raw, text, length, length + 1);
        total cut = parse(reader, schema, &raw, text, length, 1 + data[0]);
        if (!whole.failed) { /* else the rows of the failing unit are not taken */
            demand(memcmp(&whole, &cut, sizeof(whole)) == 0);
        }
        demand(whole.failed == cut.failed && whole.failed_line == cut.failed_line);
        skimpi_raw_destroy(&raw, schema);
        free(text);
    }
    class->close(reader);
    skimpi_schema_destroy(schema);
    skimpi_input_close(input);
    demand(skimp_budget_destroy(budget) == 0);
    memory_file_close(&file);
    return 0;
}
