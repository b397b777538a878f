/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sample of a CSV input: what the delimiter is, whether there is a header, what the columns hold, how many rows,
 * categories and bytes of store to expect.
 *
 * Of a file that can be read anywhere: its head and seven places up to its end, less than 1 MiB in all (more only when
 * a single row is longer); of others the head.
 *
 * Types.  A column is of numbers when at most one in twenty of its values in the sample is something else: such a value
 * is then a failure that names its row, rather than turning the column into thousands of categories.  Missing values
 * say nothing.  A column whose values are all dates or times is a date column.  The rest is text; true and false too.
 */
#include <math.h>
#include <string.h>

#include "data/csv_scan.h"
#include "data/decimal.h"
#include "data/dictionary.h"
#include "data/distinct_count.h"
#include "data/encoding.h"

#define HEAD_BYTES (256u << 10)
#define PLACE_BYTES (96u << 10)
#define PLACES 7u
#define WHOLE_BYTES (1u << 20) /* inputs up to this are read whole */
#define MAX_HEAD (16u << 20)   /* the first rows must end within this */
#define DIALECT_ROWS 64u
#define SPACED_FIELDS 64u  /* those that are looked at for numbers */
#define WINDOW (64u << 10) /* find_start looks this far */
#define WINDOW_ROWS 16u
#define BITMAP_BITS 4096u   /* distinct numbers are counted by their hashes (linear counting) */
#define BITMAP_COLUMNS 512u /* for this many columns from either side */
#define TEXT_SHARE 20u
#define UNKNOWN_GROWTH 100u /* input of unknown size: times the sample */

typedef struct piece {
    size_t begin, end;
    bool is_last; /* the input ends here */
} piece;

typedef struct column_stats {
    uint64_t n_number, n_missing, n_date, n_text;
    skimpi_column_scan scan;
    unsigned digits;                             /* that would do for all numbers (decimal.h) */
    double piece_minimum, piece_maximum, ranges; /* of the piece under way; sum of the ranges of those that are done */
    unsigned n_ranges;
    uint64_t *bitmap; /* of distinct numbers, or NULL */
    skimpi_dictionary *texts;
    skimpi_buffer counts; /* per text: text_count */
    uint64_t text_bytes, n_values;
} column_stats;

typedef struct text_count {
    uint32_t seen;               /* in rows, 3 at most counted */
    uint32_t pieces, last_piece; /* in pieces of the sample */
} text_count;

typedef struct survey {
    skimp_budget *budget;
    skimpi_input *input;
    const char *name;
    skimpi_csv_guess *guess;
    skimpi_buffer text;
    const char *data; /* the text: its own, or the input's (peek) */
    piece pieces[1 + PLACES];
    unsigned n_pieces;
    bool whole; /* the sample is the input */
    skimpi_csv_field *fields;
    column_stats *columns;
    uint32_t n_columns;
    uint64_t n_rows, row_bytes, bad_rows;
    uint64_t head_rows, head_bytes; /* of rows, in the head */
    uint64_t longest;
} survey;

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static skimp_status read_text(survey *s, uint64_t offset, size_t bytes, size_t *got, skimp_error *error)
{
    skimp_status status = skimpi_buffer_reserve(&s->text, s->text.length + bytes + SKIMPI_CSV_PADDING, error);
    if (status == SKIMP_OK) {
        status = skimpi_input_pread(s->input, (char *)s->text.data + s->text.length, bytes, offset, got, error);
    }
    if (status == SKIMP_OK) {
        s->text.length += *got;
        memset((char *)s->text.data + s->text.length, 0, SKIMPI_CSV_PADDING);
        s->data = s->text.data;
    }
    return status;
}

/* The head: at least two rows of it, if there are so many. */
static skimp_status read_head(survey *s, size_t bytes, skimp_error *error)
{
    size_t got;
    if (skimpi_input_seekable(s->input)) {
        s->text.length = 0;
        skimp_status status = read_text(s, 0, bytes, &got, error);
        if (status != SKIMP_OK) {
            return status;
        }
        s->whole = got == skimpi_input_file_size(s->input);
    } else {
        const char *data;
        skimp_status status = skimpi_input_peek(s->input, bytes, &data, &got, error);
        if (status == SKIMP_OK) {
            s->text.length = 0;
            status = skimpi_buffer_reserve(&s->text, got + SKIMPI_CSV_PADDING, error);
        }
        if (status != SKIMP_OK) {
            return status;
        }
        memcpy(s->text.data, data, got);
        memset((char *)s->text.data + got, 0, SKIMPI_CSV_PADDING);
        s->text.length = got;
        s->data = s->text.data;
        s->whole = got < bytes;
    }
    s->pieces[0] = (piece){ 0, got, s->whole };
    s->n_pieces = 1;
    return SKIMP_OK;
}

static skimp_status read_places(survey *s, skimp_error *error)
{
    uint64_t size = skimpi_input_file_size(s->input), head = s->pieces[0].end;
    if (s->whole || !skimpi_input_seekable(s->input) || size < head + PLACE_BYTES || head > WHOLE_BYTES) {
        return SKIMP_OK;
    }
    for (unsigned i = 1; i <= PLACES; i++) {
        uint64_t offset = head + (size - head - PLACE_BYTES) / PLACES * i;
        if (i == PLACES) {
            offset = size - PLACE_BYTES;
        }
        size_t begin = s->text.length, got;
        skimp_status status = read_text(s, offset - 1, PLACE_BYTES + 1, &got, error);
        if (status != SKIMP_OK) {
            return status;
        }
        s->pieces[s->n_pieces++] = (piece){ begin, begin + got, i == PLACES };
    }
    return SKIMP_OK;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------ */

static bool is_blank(const char *text, size_t begin, size_t end)
{
    while (begin < end && (text[begin] == ' ' || text[begin] == '\t' || text[begin] == '\r')) {
        begin++;
    }
    return begin == end;
}

/* The next row that is not blank. False: there is none that is complete. *from moves behind it. */
static bool next_row(const char *text, size_t length, bool is_last, char delimiter, size_t *from,
                     skimpi_csv_field *fields, size_t max_fields, size_t *n_fields, size_t *begin)
{
    while (*from < length) {
        size_t next;
        if (skimpi_csv_split(text, length, *from, is_last, delimiter, false, fields, max_fields, n_fields, &next) !=
            SKIMPI_CSV_ROW) {
            return false;
        }
        *begin = *from;
        *from = next;
        if (*n_fields > 1 || !is_blank(text, fields[0].begin, fields[0].end)) {
            return true;
        }
    }
    return false;
}

/* Rows of the first DIALECT_ROWS that have as many fields as most have, and that number. */
static unsigned agreement(const survey *s, size_t from, char delimiter, size_t *n_fields, unsigned *n_rows)
{
    size_t counts[DIALECT_ROWS], begin, at = from;
    unsigned n = 0;
    skimpi_csv_field first;
    while (n < DIALECT_ROWS &&
           next_row(s->data, s->pieces[0].end, s->whole, delimiter, &at, &first, 1, &counts[n], &begin)) {
        n += !is_blank(s->data, begin, at - 1) || at == begin + 1;
    }
    unsigned best = 0;
    *n_fields = n > 0 ? counts[0] : 1;
    for (unsigned i = 0; i < n; i++) {
        unsigned same = 0;
        for (unsigned k = 0; k < n; k++) {
            same += counts[k] == counts[i];
        }
        if (same > best) {
            best = same;
            *n_fields = counts[i];
        }
    }
    *n_rows = n;
    return best;
}

/*
 * Do spaces separate the fields?  Text has spaces too: so all rows must have as many fields (the first, of names, may have one
 * less, if it has two: row names have none), and one of them must be a number in every row but that.
 */
static bool is_spaced(const survey *s, size_t from)
{
    skimpi_csv_field fields[SPACED_FIELDS];
    size_t n_fields = 0, n_names = 0, n_like = 0, begin, at = from;
    unsigned n_rows = 0;
    uint64_t numbers = 0, seen = 0; /* columns without text; those of them that have numbers */
    while (n_rows < DIALECT_ROWS &&
           next_row(s->data, s->pieces[0].end, s->whole, ' ', &at, fields, SPACED_FIELDS, &n_fields, &begin)) {
        if (is_blank(s->data, begin, at - 1)) {
            continue;
        }
        if (n_rows < 2) {
            n_names = n_rows == 0 ? n_fields : n_names;
            n_like = n_fields;
            numbers = UINT64_MAX;
            seen = 0;
        } else if (n_fields != n_like) {
            return false;
        }
        for (size_t i = 0; i < n_fields && i < SPACED_FIELDS; i++) {
            double value;
            const skimpi_csv_kind kind =
                skimpi_csv_number(s->data + fields[i].begin, fields[i].end - fields[i].begin, &value);
            seen |= (uint64_t)(kind == SKIMPI_CSV_NUMBER) << i;
            numbers &= ~((uint64_t)(kind != SKIMPI_CSV_NUMBER && kind != SKIMPI_CSV_MISSING) << i);
        }
        n_rows++;
    }
    return n_like > 1 && (n_names == n_like || (n_names + 1 == n_like && n_names > 1)) && (numbers & seen) != 0;
}

static char guess_delimiter(const survey *s, size_t from)
{
    static const char candidates[] = { '\t', ';', ',', '|' };
    char best = ',';
    double best_share = 0;
    for (size_t i = 0; i < sizeof(candidates); i++) {
        size_t n_fields;
        unsigned n_rows, agree = agreement(s, from, candidates[i], &n_fields, &n_rows);
        double share = n_rows > 0 ? (double)agree / n_rows : 0;
        if (n_fields > 1 && share > best_share && share > 0.5) {
            best = candidates[i];
            best_share = share;
        }
    }
    return best_share == 0 && is_spaced(s, from) ? ' ' : best;
}

/* ---- header ---------------------------------------------------------------------------------------------------------------- */

static size_t field_text(const survey *s, skimpi_csv_field field, char *out, size_t capacity)
{
    const char *text = s->data + field.begin;
    size_t length = field.end - field.begin;
    if (skimpi_csv_needs_unquote(&text, &length)) {
        length = length > capacity ? capacity : length;
        return skimpi_csv_unquote(text, length, out);
    }
    length = length > capacity ? capacity : length;
    memcpy(out, text, length);
    return length;
}

/*
 * Does the first row name the columns?  Not if a field of it is a number, unless they count the columns (0, 1, 2, …,
 * as pandas names columns without names).
 */
static bool guess_header(const survey *s, uint32_t n)
{
    bool any_number = false, counts = true;
    for (uint32_t i = 0; i < n; i++) {
        double value;
        const skimpi_csv_field *f = &s->fields[i];
        bool is_number = skimpi_csv_number(s->data + f->begin, f->end - f->begin, &value) == SKIMPI_CSV_NUMBER;
        any_number = any_number || is_number;
        counts = counts && (is_number ? value == (double)i || value == (double)i - 1 : i == 0 && f->begin == f->end);
    }
    return !any_number || (counts && n > 1);
}

#define NAME_BYTES 1024u

static size_t column_name(const survey *s, bool header, uint32_t i, char *out)
{
    if (header) {
        size_t length = field_text(s, s->fields[i], out, NAME_BYTES);
        size_t begin = 0;
        while (length > 0 && (out[length - 1] == ' ' || out[length - 1] == '\t')) {
            length--;
        }
        while (begin < length && (out[begin] == ' ' || out[begin] == '\t')) {
            begin++;
        }
        memmove(out, out + begin, length - begin);
        if (length > begin) {
            return length - begin;
        }
    }
    size_t n = 0;
    char digits[12];
    do {
        digits[n++] = (char)('0' + i % 10);
        i /= 10;
    } while (i > 0);
    out[0] = 'x';
    for (size_t k = 0; k < n; k++) {
        out[1 + k] = digits[n - 1 - k];
    }
    return n + 1;
}

static skimp_status check_like(const survey *s, const skimpi_schema *like, bool header, skimp_error *error)
{
    if (s->n_columns != like->n_columns) {
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, s->name, 1, NULL,
                              "the file has %u columns where the first has %u", (unsigned)s->n_columns,
                              (unsigned)like->n_columns);
    }
    for (uint32_t i = 0; header && i < s->n_columns; i++) {
        char name[NAME_BYTES];
        size_t length = column_name(s, true, i, name);
        const char *expected = like->columns[i].name;
        if (strlen(expected) != length || memcmp(expected, name, length) != 0) {
            char shown[64];
            skimpi_csv_show(name, length, shown);
            return skimpi_fail_at(
                error, SKIMP_ERROR_DATA, s->name, 1, expected,
                "the column is called '%s' in this file: all files must have the columns of the first", shown);
        }
    }
    return SKIMP_OK;
}

/* Delimiter, header, number of columns, where the data begins. */
static skimp_status survey_dialect(survey *s, const skimpi_reader_options *options, const skimpi_schema *like,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_csv_guess *g = s->guess;
    const char *data = s->data;
    size_t length = s->pieces[0].end, from = 0, first = 0, n;
    if (length >= 2 && ((data[0] == '\xff' && data[1] == '\xfe') || (data[0] == '\xfe' && data[1] == '\xff'))) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, s->name, 0, NULL,
                                  "is UTF-16 text: turn it into UTF-8 first (iconv -f UTF-16 -t UTF-8)"));
    }
    if (length >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
        from = 3;
    }
    if (like == NULL) {
        g->delimiter = options->delimiter != 0 ? options->delimiter : guess_delimiter(s, from);
    }
    skimpi_csv_field one;
    size_t at = from;
    if (!next_row(data, length, s->whole, g->delimiter, &at, &one, 1, &n, &first)) {
        if (s->whole && is_blank(data, from, length)) {
            SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, s->name, 0, NULL, "is empty"));
        }
        bool blank = true;
        for (size_t i = from; i < length && blank; i++) {
            blank = data[i] == '\n' || data[i] == '\r' || data[i] == ' ' || data[i] == '\t';
        }
        SKIMPI_TRY(s->whole && blank
                       ? skimpi_fail_at(error, SKIMP_ERROR_DATA, s->name, 0, NULL, "holds only blank lines")
                   : s->whole ? skimpi_fail_at(error, SKIMP_ERROR_DATA, s->name, 1, NULL,
                                               "a quote in the first row is not closed before the end of the file")
                              : skimpi_fail_at(error, SKIMP_ERROR_DATA, s->name, 1, NULL,
                                               "the first row does not end within %zu MiB", length >> 20));
    }
    if (n > UINT32_MAX / 64) {
        SKIMPI_TRY(
            skimpi_fail_at(error, SKIMP_ERROR_DATA, s->name, 1, NULL, "the first row has %zu fields: too many", n));
    }
    s->n_columns = (uint32_t)n;
    void *block;
    SKIMPI_TRY(skimp_alloc(s->budget, SKIMP_TAG_INPUT, n, sizeof(skimpi_csv_field), &block, error));
    s->fields = block;
    size_t data_begin = first;
    (void)next_row(data, length, s->whole, g->delimiter, &data_begin, s->fields, n, &n, &first);
    bool header =
        options->header == 1 || (options->header < 0 && (like == NULL ? guess_header(s, s->n_columns) : g->has_header));
    if (header && memchr(data + first, '\0', data_begin - first) != NULL) {
        SKIMPI_TRY(
            skimpi_fail_at(error, SKIMP_ERROR_DATA, s->name, 1, NULL, "the header holds a NUL byte: this is not text"));
    }
    if (like != NULL) {
        SKIMPI_TRY(check_like(s, like, header, error));
    }
    g->has_header = header;
    g->n_columns = s->n_columns;
    g->data_start = header ? data_begin : first;
    g->data_line = 1 + skimpi_csv_count_lines(data, g->data_start);
    s->pieces[0].begin = g->data_start;
    g->has_quotes = g->has_quotes || memchr(data, '"', length) != NULL;
out:
    return status;
}

/* ---- columns ---------------------------------------------------------------------------------------------------------------- */

static void note_number(column_stats *c, double value)
{
    skimpi_column_scan *scan = &c->scan;
    uint64_t bits, first;
    memcpy(&bits, &value, sizeof(bits));
    memcpy(&first, &scan->first, sizeof(first));
    if (c->n_number + c->n_missing == 0) {
        scan->first = value;
    } else if (bits != first) {
        scan->constant = false;
    }
    c->n_number++;
    if (isinf(value)) {
        scan->n_infinite++;
        scan->integers = false;
    } else {
        scan->minimum = value < scan->minimum ? value : scan->minimum;
        scan->maximum = value > scan->maximum ? value : scan->maximum;
        scan->integers = scan->integers && value == rint(value) && !(value == 0 && signbit(value));
        scan->floats = scan->floats && (double)(float)value == value;
        c->piece_minimum = value < c->piece_minimum ? value : c->piece_minimum;
        c->piece_maximum = value > c->piece_maximum ? value : c->piece_maximum;
        c->digits = skimpi_decimal_digits(value, c->digits);
    }
    if (c->bitmap != NULL) {
        uint64_t place = skimpi_mix64(bits) % BITMAP_BITS;
        c->bitmap[place / 64] |= (uint64_t)1 << place % 64;
    }
}

static void note_fields(survey *s)
{
    for (uint32_t i = 0; i < s->n_columns; i++) {
        column_stats *c = &s->columns[i];
        double value;
        switch (skimpi_csv_number(s->data + s->fields[i].begin, s->fields[i].end - s->fields[i].begin, &value)) {
        case SKIMPI_CSV_NUMBER:
            note_number(c, value);
            break;
        case SKIMPI_CSV_DATE:
            c->n_date++;
            break;
        case SKIMPI_CSV_TEXT:
            c->n_text++;
            break;
        case SKIMPI_CSV_MISSING:
            if (c->n_number + c->n_missing == 0) {
                c->scan.first = NAN;
            } else if (!isnan(c->scan.first)) {
                c->scan.constant = false;
            }
            c->n_missing++;
            c->scan.n_missing++;
            break;
        }
    }
}

static uint8_t type_of(const column_stats *c)
{
    if (c->n_date > 0 && c->n_number + c->n_text == 0) {
        return SKIMPI_TYPE_DATE;
    }
    uint64_t other = c->n_text + c->n_date;
    return other == 0 || other * TEXT_SHARE <= c->n_number + other ? SKIMPI_TYPE_NUMERIC : SKIMPI_TYPE_CATEGORY;
}

/* A piece of the sample is about as long as a chunk: a column's range in it is about its range in a chunk. */
static void end_piece(survey *s)
{
    for (uint32_t i = 0; s->columns != NULL && i < s->n_columns; i++) {
        column_stats *c = &s->columns[i];
        if (c->piece_minimum <= c->piece_maximum) {
            c->ranges += c->piece_maximum - c->piece_minimum;
            c->n_ranges++;
        }
        c->piece_minimum = INFINITY;
        c->piece_maximum = -INFINITY;
    }
}

/* Visits the complete rows with the right number of fields: in all pieces. */
static skimp_status for_rows(survey *s, skimp_status (*visit)(survey *s, unsigned place, skimp_error *error),
                             bool measure, skimp_error *error)
{
    for (unsigned i = 0; i < s->n_pieces; i++) {
        const char *text = s->data;
        size_t end = s->pieces[i].end, at = s->pieces[i].begin, begin, n;
        if (i > 0) {
            at = s->pieces[i].begin + skimpi_csv_find_start(s->guess, text + at, end - at, 1);
        }
        size_t first = at;
        bool any = false;
        while (
            next_row(text, end, s->pieces[i].is_last, s->guess->delimiter, &at, s->fields, s->n_columns, &n, &begin)) {
            any = true;
            if (measure) {
                s->longest = skimpi_max_u64(s->longest, at - begin);
                s->n_rows += n == s->n_columns;
                s->head_rows += i == 0 && n == s->n_columns;
                s->bad_rows += n != s->n_columns;
            }
            skimp_status status = n == s->n_columns ? visit(s, i, error) : SKIMP_OK;
            if (status != SKIMP_OK) {
                return status;
            }
        }
        if (measure) {
            s->row_bytes += at - first;
            s->head_bytes += i == 0 ? at - first : 0;
            /* What does not end here is at least so long. */
            s->longest = skimpi_max_u64(s->longest, end - (any || i == 0 ? at : s->pieces[i].begin));
        }
        end_piece(s);
    }
    return SKIMP_OK;
}

static skimp_status visit_numbers(survey *s, unsigned place, skimp_error *error)
{
    (void)place;
    (void)error;
    note_fields(s);
    return SKIMP_OK;
}

static skimp_status visit_texts(survey *s, unsigned place, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint32_t i = 0; i < s->n_columns; i++) {
        column_stats *c = &s->columns[i];
        if (c->texts == NULL) {
            continue;
        }
        const char *text = s->data + s->fields[i].begin;
        size_t length = s->fields[i].end - s->fields[i].begin;
        /* Texts that differ only by how they are quoted are rare: as they stand will do. */
        (void)skimpi_csv_needs_unquote(&text, &length);
        if (skimpi_csv_is_missing(text, length)) {
            continue;
        }
        uint32_t code, size = skimpi_dictionary_size(c->texts);
        SKIMPI_TRY(
            skimpi_dictionary_insert(c->texts, text, length, skimpi_dictionary_hash(text, length), &code, error));
        c->n_values++;
        if (code == size) {
            text_count fresh = { .last_piece = UINT32_MAX };
            c->text_bytes += length;
            SKIMPI_TRY(skimpi_buffer_append(&c->counts, &fresh, sizeof(fresh), error));
        }
        text_count *count = (text_count *)c->counts.data + code;
        count->seen += count->seen < 3;
        if (count->last_piece != place) {
            count->pieces++;
            count->last_piece = place;
        }
    }
out:
    return status;
}

/* A bound of the categories of a column in all of the input, from rows and from places (for files in an order). */
static uint32_t expect_categories(const survey *s, const column_stats *c, double total_rows)
{
    uint32_t d = skimpi_dictionary_size(c->texts);
    if (s->whole) {
        return d;
    }
    const text_count *counts = c->counts.data;
    double f[2] = { 0, 0 }, q[2] = { 0, 0 };
    for (uint32_t i = 0; i < d; i++) {
        if (counts[i].seen <= 2) {
            f[counts[i].seen - 1]++;
        }
        if (counts[i].pieces <= 2) {
            q[counts[i].pieces - 1]++;
        }
    }
    double values = total_rows * ((double)c->n_values / (double)(s->n_rows > 0 ? s->n_rows : 1));
    double by_rows = skimpi_distinct_expect(d, f[0], f[1], (double)c->n_values, values);
    double by_places = s->n_pieces > 1
                           ? skimpi_distinct_expect(d, q[0], q[1], s->n_pieces,
                                                    total_rows / (double)(s->n_rows > 0 ? s->n_rows : 1) * s->n_pieces)
                           : d;
    double expected = by_rows > by_places ? by_rows : by_places;
    /* The estimate is from below (kinds are not equally frequent), and the rarest may not show at all. */
    expected = d + 2 * (expected - d) + 1 + sqrt(d);
    expected = expected > values ? values : expected;
    expected = expected < d ? d : expected;
    return expected < SKIMPI_MAX_CATEGORIES ? (uint32_t)expected : SKIMPI_MAX_CATEGORIES;
}

static uint32_t count_bitmap(const uint64_t *bitmap)
{
    unsigned set = 0;
    for (unsigned i = 0; i < BITMAP_BITS / 64; i++) {
        set += (unsigned)__builtin_popcountll(bitmap[i]);
    }
    return set >= BITMAP_BITS * 63 / 64 ? BITMAP_BITS
                                        : (uint32_t)(0.5 - BITMAP_BITS * log1p(-(double)set / BITMAP_BITS));
}

/* Bytes that a value of the column will take in the store and in decoders, by the store's rule for what was seen. */
static double numeric_bytes(const survey *s, const column_stats *c, skimpi_decoded_size *decoded)
{
    skimpi_column_scan scan = c->scan;
    /* A column that was constant in a part of the file may not be so in all of it. */
    scan.constant = scan.constant && s->whole;
    skimpi_chunk_column column = skimpi_encoding_choose(&scan, false);
    skimpi_decoded_size_expect(&scan, &decoded->memory, &decoded->file);
    if (column.encoding == SKIMPI_ENC_F32) {
        if (c->n_ranges > 0 && skimpi_decimal_bits(scan.minimum, scan.maximum, c->digits) > 0) {
            scan.maximum = scan.minimum + c->ranges / c->n_ranges;
        }
        return skimpi_decimal_expect(&scan, c->digits);
    }
    return (double)skimpi_encoding_width(column.encoding);
}

static skimp_status make_columns(survey *s, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block;
    SKIMPI_TRY(skimp_alloc(s->budget, SKIMP_TAG_INPUT, s->n_columns, sizeof(column_stats), &block, error));
    s->columns = block;
    for (uint32_t i = 0; i < s->n_columns; i++) {
        column_stats *c = &s->columns[i];
        c->scan = (skimpi_column_scan){
            .minimum = INFINITY, .maximum = -INFINITY, .constant = true, .integers = true, .floats = true
        };
        c->piece_minimum = INFINITY;
        c->piece_maximum = -INFINITY;
        skimpi_buffer_init(&c->counts, s->budget, SKIMP_TAG_INPUT);
        if (i < BITMAP_COLUMNS || i + BITMAP_COLUMNS >= s->n_columns) {
            SKIMPI_TRY(skimp_alloc(s->budget, SKIMP_TAG_INPUT, BITMAP_BITS / 64, sizeof(uint64_t), &block, error));
            c->bitmap = block;
        }
    }
out:
    return status;
}

static void destroy_survey(survey *s)
{
    for (uint32_t i = 0; s->columns != NULL && i < s->n_columns; i++) {
        skimpi_dictionary_destroy(s->columns[i].texts);
        if (s->columns[i].counts.budget != NULL) {
            skimpi_buffer_free(&s->columns[i].counts);
        }
        skimp_free(s->budget, SKIMP_TAG_INPUT, s->columns[i].bitmap, BITMAP_BITS / 64, sizeof(uint64_t));
    }
    skimp_free(s->budget, SKIMP_TAG_INPUT, s->columns, s->n_columns, sizeof(column_stats));
    skimp_free(s->budget, SKIMP_TAG_INPUT, s->fields, s->n_columns, sizeof(skimpi_csv_field));
    skimpi_buffer_free(&s->text);
}

void skimpi_csv_sample_free(skimp_budget *budget, uint32_t n_columns, skimpi_sample *sample)
{
    skimp_free(budget, SKIMP_TAG_OTHER, sample->categories, n_columns, sizeof(uint32_t));
    skimp_free(budget, SKIMP_TAG_OTHER, sample->category_bytes, n_columns, sizeof(double));
    skimp_free(budget, SKIMP_TAG_OTHER, sample->numeric_bytes, n_columns, sizeof(double));
    skimp_free(budget, SKIMP_TAG_OTHER, sample->decoded, n_columns, sizeof(skimpi_decoded_size));
    skimp_free(budget, SKIMP_TAG_OTHER, sample->distinct, n_columns, sizeof(uint32_t));
    *sample = (skimpi_sample){ 0 };
}

/* The sample's figures from what the survey found. */
static skimp_status make_sample(survey *s, skimpi_sample *sample, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    bool exact;
    void *block;
    uint64_t text = skimpi_input_text_size(s->input, &exact);
    *sample = (skimpi_sample){ .text_bytes = text, .longest_row = s->longest > 0 ? s->longest : 1 };
    double mean = s->n_rows > 0 ? (double)s->row_bytes / (double)s->n_rows : (double)sample->longest_row;
    double body = text > s->guess->data_start ? (double)(text - s->guess->data_start) : 0;
    double rows = (double)s->n_rows;
    if (!s->whole && text == UINT64_MAX) {
        rows *= UNKNOWN_GROWTH;
    } else if (!s->whole) {
        /* The head, of which more was read, stands for itself; the places stand for the rest. */
        bool places = s->n_rows > s->head_rows && body > (double)s->head_bytes;
        double rest = places ? (double)(s->row_bytes - s->head_bytes) / (double)(s->n_rows - s->head_rows) : mean;
        rows = ceil(places ? (double)s->head_rows + (body - (double)s->head_bytes) / rest : body / mean);
        mean = rows > 0 ? body / rows : mean;
    }
    sample->row_bytes = mean;
    sample->n_rows = !s->whole && text == UINT64_MAX ? UINT64_MAX : (uint64_t)rows;
    SKIMPI_TRY(skimp_alloc(s->budget, SKIMP_TAG_OTHER, s->n_columns, sizeof(uint32_t), &block, error));
    sample->categories = block;
    SKIMPI_TRY(skimp_alloc(s->budget, SKIMP_TAG_OTHER, s->n_columns, sizeof(double), &block, error));
    sample->category_bytes = block;
    SKIMPI_TRY(skimp_alloc(s->budget, SKIMP_TAG_OTHER, s->n_columns, sizeof(double), &block, error));
    sample->numeric_bytes = block;
    SKIMPI_TRY(skimp_alloc(s->budget, SKIMP_TAG_OTHER, s->n_columns, sizeof(skimpi_decoded_size), &block, error));
    sample->decoded = block;
    SKIMPI_TRY(skimp_alloc(s->budget, SKIMP_TAG_OTHER, s->n_columns, sizeof(uint32_t), &block, error));
    sample->distinct = block;
    for (uint32_t i = 0; i < s->n_columns; i++) {
        const column_stats *c = &s->columns[i];
        if (c->texts != NULL) {
            uint32_t d = skimpi_dictionary_size(c->texts);
            sample->categories[i] = expect_categories(s, c, rows);
            sample->category_bytes[i] = d > 0 ? (double)c->text_bytes / d : 0;
            sample->distinct[i] = d;
            sample->numeric_bytes[i] = 4;
        } else {
            sample->numeric_bytes[i] = numeric_bytes(s, c, &sample->decoded[i]);
            sample->distinct[i] = c->bitmap != NULL ? count_bitmap(c->bitmap) : 0;
        }
    }
out:
    if (status != SKIMP_OK) {
        skimpi_csv_sample_free(s->budget, s->n_columns, sample);
    }
    return status;
}

static skimp_status make_schema(survey *s, skimpi_schema **out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_schema *schema = NULL;
    size_t at = 0, n, begin;
    SKIMPI_TRY(skimpi_schema_create(&schema, s->budget, s->n_columns, error));
    schema->delimited = true;
    if (s->guess->has_header) {
        at = s->data[0] == '\xef' ? 3 : 0;
        (void)next_row(s->data, s->pieces[0].end, s->whole, s->guess->delimiter, &at, s->fields, s->n_columns, &n,
                       &begin);
    }
    for (uint32_t i = 0; i < s->n_columns; i++) {
        char name[NAME_BYTES];
        size_t length = column_name(s, s->guess->has_header, i, name);
        SKIMPI_TRY(skimpi_schema_set_name(schema, i, name, length, error));
        schema->columns[i].type = type_of(&s->columns[i]);
    }
    *out = schema;
    schema = NULL;
out:
    skimpi_schema_destroy(schema);
    return status;
}

skimp_status skimpi_csv_sample(skimp_budget *budget, skimpi_input *input, const skimpi_reader_options *options,
                               const skimpi_schema *like, skimpi_csv_guess *guess, skimpi_schema **schema,
                               skimpi_sample *sample, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    survey s = { .budget = budget, .input = input, .name = skimpi_input_name(input), .guess = guess };
    skimpi_buffer_init(&s.text, budget, SKIMP_TAG_INPUT);
    bool seekable = skimpi_input_seekable(input);
    size_t bytes =
        seekable && skimpi_input_file_size(input) <= WHOLE_BYTES ? (size_t)skimpi_input_file_size(input) : HEAD_BYTES;
    for (bool enough = false; !enough;) {
        SKIMPI_TRY(read_head(&s, bytes, error));
        /* Two rows at least, by any delimiter: a row ends where it ends whatever its delimiter is, but for odd quotes. */
        size_t at = 0, n, begin;
        skimpi_csv_field field;
        char delimiter = options->delimiter != 0 ? options->delimiter : ',';
        enough = s.whole || bytes >= (seekable ? MAX_HEAD : WHOLE_BYTES) ||
                 (next_row(s.data, s.pieces[0].end, false, delimiter, &at, &field, 1, &n, &begin) &&
                  next_row(s.data, s.pieces[0].end, false, delimiter, &at, &field, 1, &n, &begin));
        bytes *= 2;
    }
    SKIMPI_TRY(survey_dialect(&s, options, like, error));
    SKIMPI_TRY(read_places(&s, error));
    SKIMPI_TRY(make_columns(&s, error));
    SKIMPI_TRY(for_rows(&s, visit_numbers, true, error));
    for (uint32_t i = 0; i < s.n_columns; i++) {
        if (type_of(&s.columns[i]) != SKIMPI_TYPE_NUMERIC) {
            SKIMPI_TRY(skimpi_dictionary_create(&s.columns[i].texts, budget, error));
        }
    }
    SKIMPI_TRY(for_rows(&s, visit_texts, false, error));
    guess->longest_row = s.longest > 0 ? s.longest : 1;
    guess->has_quotes = memchr(s.data, '"', s.text.length) != NULL;
    SKIMPI_TRY(make_sample(&s, sample, error));
    if (schema != NULL) {
        status = make_schema(&s, schema, error);
        if (status != SKIMP_OK) {
            skimpi_csv_sample_free(budget, s.n_columns, sample);
        }
    }
out:
    destroy_survey(&s);
    return status;
}

/* Codes of a text target are kept as integers. */
static double code_bytes(uint32_t categories)
{
    return categories < 250 ? 1 : categories < 65000 ? 2 : 4;
}

void skimpi_sample_settle(skimpi_sample *sample, const skimpi_schema *schema)
{
    const bool comparison = schema->comparison != SKIMPI_CMP_NONE;
    if (schema->sparse && comparison) {
        sample->target_bytes = 1;
        sample->classes = 2;
    }
    if (schema->sparse || sample->distinct == NULL) {
        return;
    }
    if (schema->target >= 0) {
        const bool is_text = schema->target_type == SKIMPI_TYPE_CATEGORY;
        sample->target_bytes = comparison ? 1
                               : is_text  ? code_bytes(sample->categories[schema->target])
                                          : sample->numeric_bytes[schema->target];
        /* A target is kept to the last digit: what a feature would be rounded to a float for takes a double. */
        sample->target_bytes = sample->target_bytes == 4 && !is_text ? 8 : sample->target_bytes;
        sample->classes_seen = comparison ? 2 : sample->distinct[schema->target];
        sample->classes = !comparison && is_text ? sample->categories[schema->target] : sample->classes_seen;
    }
    /* Columns of a kind are in order: what moves down has been read already. */
    for (uint32_t slot = 0; slot < schema->n_numeric; slot++) {
        sample->numeric_bytes[slot] = sample->numeric_bytes[schema->numeric[slot]];
        sample->decoded[slot] = sample->decoded[schema->numeric[slot]];
    }
    for (uint32_t slot = 0; slot < schema->n_category; slot++) {
        sample->categories[slot] = sample->categories[schema->category[slot]];
        sample->category_bytes[slot] = sample->category_bytes[schema->category[slot]];
    }
}

/* ---- where rows begin ------------------------------------------------------------------------------------------------------- */

/* Good rows less bad ones that follow, when the row at `from` is left as it began (in quotes or not); *start is the next row. */
static int try_start(const skimpi_csv_guess *guess, const char *text, size_t length, size_t from, bool in_quotes,
                     size_t *start)
{
    skimpi_csv_field none;
    size_t n, at;
    if (skimpi_csv_split(text, length, from, false, guess->delimiter, in_quotes, &none, 0, &n, &at) != SKIMPI_CSV_ROW) {
        *start = length;
        return -(int)WINDOW_ROWS;
    }
    *start = at;
    int score = 0;
    for (unsigned i = 0; i < WINDOW_ROWS; i++) {
        size_t next;
        if (skimpi_csv_split(text, length, at, false, guess->delimiter, false, &none, 0, &n, &next) != SKIMPI_CSV_ROW) {
            break;
        }
        score += n == guess->n_columns || n == 1 ? 1 : -1;
        at = next;
    }
    return score;
}

size_t skimpi_csv_find_start(const skimpi_csv_guess *guess, const char *text, size_t length, size_t from)
{
    size_t begin = from > 0 ? from - 1 : 0, start;
    if (begin >= length) {
        return length;
    }
    size_t look = (size_t)skimpi_max_u64(WINDOW, 2 * WINDOW_ROWS * guess->longest_row);
    size_t window = length - begin > look ? begin + look : length;
    bool quotes = memchr(text + begin, '"', window - begin) != NULL;
    if (!quotes) {
        skimpi_csv_field none;
        size_t n;
        return skimpi_csv_split(text, length, begin, false, guess->delimiter, false, &none, 0, &n, &start) ==
                       SKIMPI_CSV_ROW
                   ? start
                   : length;
    }
    size_t quoted_start;
    int plain = try_start(guess, text, window, begin, false, &start);
    int quoted = try_start(guess, text, window, begin, true, &quoted_start);
    size_t chosen = quoted > plain ? quoted_start : start;
    return chosen < window || window == length ? (chosen == window ? length : chosen) : length;
}
