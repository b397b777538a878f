/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sample of an svmlight input: whole rows from eight places of a plain file, from the first MiB of any other.
 *
 * The reader's own parser reads them, with 64-bit indices that start at 0 and rows that it cannot read left out, so
 * that the sample sees the rows as the ingest will.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "data/distinct_count.h"
#include "data/number.h"
#include "data/svmlight.h"

#define PLACES 8u
#define PLACE_BYTES (128u << 10)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

typedef struct survey {
    skimpi_svmlight *reader;
    skimpi_schema *schema;
    skimpi_raw raw;
    skimpi_svmlight_traits *traits;
    uint64_t bytes, rows, nonzeros; /* of the rows that could be read, and the lines that are none */
    uint64_t longest;
    skimp_error first_failure; /* of the first row, if it could not be read */
    bool all_ones, all_floats;
    double least, largest; /* values, and 0 */
    bool labels_whole;
    double least_label, largest_label;
    skimpi_distinct labels;
} survey;

static void survey_values(survey *s)
{
    const skimpi_raw *raw = &s->raw;
    for (uint64_t i = 0; i < raw->nonzeros; i++) {
        double value = raw->values[i];
        s->all_ones = s->all_ones && value == 1.0;
        s->all_floats = s->all_floats && (value != value || (double)(float)value == value);
        if (isfinite(value)) {
            s->least = fmin(s->least, value);
            s->largest = fmax(s->largest, value);
        }
        s->traits->zero_seen = s->traits->zero_seen || raw->indices64[i] == 0;
    }
    for (uint32_t i = 0; i < raw->n_rows; i++) {
        double label = raw->target[i];
        if (isfinite(label)) {
            skimpi_distinct_note(&s->labels, label);
            s->labels_whole = s->labels_whole && label == nearbyint(label);
            s->least_label = fmin(s->least_label, label);
            s->largest_label = fmax(s->largest_label, label);
        }
    }
    if (raw->nonzeros > 0) {
        s->traits->largest = skimpi_max_u64(s->traits->largest, raw->largest_index - 1);
    }
}

/* Whole lines only, [text, text + length). */
static skimp_status survey_lines(survey *s, const char *text, size_t length, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_raw_clear(&s->raw);
    if (s->bytes == 0) { /* what to say if no row can be read */
        s->reader->sampling_bad_row = SKIMPI_BAD_ROW_ERROR;
        SKIMPI_TRY(skimpi_svmlight_parse(s->reader, s->schema, text, length, &s->raw, error));
        s->first_failure = s->raw.failure;
        s->reader->sampling_bad_row = SKIMPI_BAD_ROW_SKIP;
        skimpi_raw_clear(&s->raw);
    }
    SKIMPI_TRY(skimpi_svmlight_parse(s->reader, s->schema, text, length, &s->raw, error));
    survey_values(s);
    s->bytes += length;
    s->rows += s->raw.n_rows;
    s->nonzeros += s->raw.nonzeros;
    for (const char *p = text, *end = text + length; p < end;) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        const char *next = line != NULL ? line + 1 : end;
        s->longest = skimpi_max_u64(s->longest, (uint64_t)(next - p));
        p = next;
    }
out:
    return status;
}

/* Text in which no line ends: a part of a row. What it shows is taken for a row, up to its last blank. */
static skimp_status survey_part(survey *s, const char *text, size_t length, skimp_error *error)
{
    const char *blank = memrchr(text, ' ', length);
    s->longest = skimpi_max_u64(s->longest, length);
    return s->rows == 0 && blank != NULL ? survey_lines(s, text, (size_t)(blank + 1 - text), error) : SKIMP_OK;
}

/* The rows that start in a piece of the text and end in it. */
static skimp_status survey_piece(survey *s, const char *text, size_t length, bool at_start, bool is_last,
                                 skimp_error *error)
{
    const char *begin = text;
    const char *end = text + length;
    if (!at_start) {
        const char *line = memchr(text, '\n', length);
        begin = line != NULL ? line + 1 : end;
    }
    if (!is_last) {
        const char *last = memrchr(begin, '\n', (size_t)(end - begin));
        end = last != NULL ? last + 1 : begin;
    }
    if (begin < end) {
        return survey_lines(s, begin, (size_t)(end - begin), error);
    }
    return at_start ? survey_part(s, text, length, error) : SKIMP_OK;
}

static size_t mark_bytes(const char *text, size_t length)
{
    return length >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0 ? 3 : 0;
}

/* A plain file: its beginning, its end and places between them, evenly spread. */
static skimp_status survey_places(survey *s, skimpi_input *input, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t size = skimpi_input_file_size(input);
    unsigned places = (unsigned)skimpi_min_u64(PLACES, size / PLACE_BYTES + (size % PLACE_BYTES != 0));
    void *block = NULL;
    SKIMPI_TRY(skimp_alloc(s->reader->budget, SKIMP_TAG_INPUT, PLACE_BYTES + SKIMPI_NUMBER_PADDING, 1, &block, error));
    char *text = block;
    for (unsigned i = 0; i < places; i++) {
        uint64_t offset = i == 0 ? 0 : i == places - 1 ? size - PLACE_BYTES : size / places * i;
        size_t got;
        SKIMPI_TRY(skimpi_input_pread(input, text, PLACE_BYTES, offset, &got, error));
        size_t mark = i == 0 ? mark_bytes(text, got) : 0;
        s->traits->data_start += mark;
        SKIMPI_TRY(survey_piece(s, text + mark, got - mark, i == 0, offset + got == size, error));
    }
out:
    skimp_free(s->reader->budget, SKIMP_TAG_INPUT, block, PLACE_BYTES + SKIMPI_NUMBER_PADDING, 1);
    return status;
}

/* Any other input: what it begins with, a piece at a time, so that the arrays of a piece are enough. */
static skimp_status survey_beginning(survey *s, skimpi_input *input, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *text;
    size_t got;
    const size_t most = PLACES * (size_t)PLACE_BYTES;
    SKIMPI_TRY(skimpi_input_peek(input, most, &text, &got, error));
    bool whole = got < most;
    if (got > most - SKIMPI_NUMBER_PADDING) {
        got = most - SKIMPI_NUMBER_PADDING; /* what follows is readable */
        whole = false;
    }
    size_t at = s->traits->data_start = mark_bytes(text, got);
    while (at < got) {
        const char *piece = text + at;
        size_t left = got - at;
        const char *end = memrchr(piece, '\n', left < PLACE_BYTES ? left : PLACE_BYTES);
        if (end == NULL) {
            end = memchr(piece, '\n', left);
        }
        if (end == NULL) {
            SKIMPI_TRY(whole ? survey_lines(s, piece, left, error) : survey_part(s, piece, left, error));
            break;
        }
        SKIMPI_TRY(survey_lines(s, piece, (size_t)(end + 1 - piece), error));
        at = (size_t)(end + 1 - text);
    }
    if (skimpi_input_file_size(input) !=
        UINT64_MAX) { /* it can be read again: the peeked bytes need not stay in memory */
        SKIMPI_TRY(skimpi_input_rewind(input, error));
    }
out:
    return status;
}

/* The bytes that the store will take for a value: as its encoding of each chunk decides, from all of the sample. */
static double value_bytes(const survey *s)
{
    if (s->all_ones) {
        return 0.0;
    }
    double magnitude = fmax(fabs(s->least), fabs(s->largest));
    bool spread = magnitude <= FLT_MAX && magnitude * 0x1p-24 <= (s->largest - s->least) * 0x1p-21;
    return s->all_floats || spread ? 4.0 : 8.0;
}

static double label_bytes(const survey *s)
{
    double range = s->largest_label - s->least_label;
    if (!s->labels_whole) {
        return 8.0;
    }
    return !(range > 0.0) ? 0.0 : range < 256.0 ? 1.0 : range < 65536.0 ? 2.0 : range < 4294967296.0 ? 4.0 : 8.0;
}

/* A sample of which no row can be read: the failure of the first one. */
static skimp_status no_rows(const survey *s, const char *file, skimp_error *error)
{
    const skimp_error *first = &s->first_failure;
    if (first->code != SKIMP_OK) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, first->row + 1, NULL, "%s", first->message);
    }
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                          s->bytes == 0 ? "it has no rows"
                                        : "no row of svmlight text is in the part that was looked at");
}

skimp_status skimpi_svmlight_sample(skimpi_svmlight *reader, skimpi_input *input, skimpi_sample *sample,
                                    skimpi_svmlight_traits *traits, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    survey s = { .reader = reader, .traits = traits, .all_ones = true, .all_floats = true, .labels_whole = true };
    s.least_label = INFINITY;
    s.largest_label = -INFINITY;
    bool made = false;
    *traits = (skimpi_svmlight_traits){ 0 };
    reader->sampling = true;
    reader->sampling_bad_row = SKIMPI_BAD_ROW_SKIP;
    SKIMPI_TRY(skimpi_schema_create(&s.schema, reader->budget, 0, error));
    s.schema->sparse = s.schema->index64 = s.schema->zero_based = true;
    s.schema->target = 0;
    SKIMPI_TRY(skimpi_raw_create(&s.raw, reader->budget, s.schema, 512, PLACE_BYTES / 16, error));
    made = true;
    if (skimpi_input_seekable(input)) {
        SKIMPI_TRY(survey_places(&s, input, error));
    } else {
        SKIMPI_TRY(survey_beginning(&s, input, error));
    }
    if (s.rows == 0) {
        SKIMPI_TRY(no_rows(&s, skimpi_input_name(input), error));
    }
    bool exact;
    *sample = (skimpi_sample){ .text_bytes = skimpi_input_text_size(input, &exact) };
    sample->row_bytes = (double)s.bytes / (double)s.rows;
    sample->longest_row = s.longest;
    sample->n_rows =
        sample->text_bytes == UINT64_MAX ? UINT64_MAX : (uint64_t)ceil((double)sample->text_bytes / sample->row_bytes);
    sample->nonzeros_per_row = (double)s.nonzeros / (double)s.rows;
    reader->value_bytes = value_bytes(&s);
    sample->numeric_bytes = &reader->value_bytes;
    sample->target_bytes = label_bytes(&s);
    sample->classes = skimpi_distinct_count(&s.labels);
out:
    reader->sampling = false;
    if (made) {
        skimpi_raw_destroy(&s.raw, s.schema);
    }
    skimpi_schema_destroy(s.schema);
    return status;
}
