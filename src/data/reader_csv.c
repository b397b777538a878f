/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CSV reader: units of text to raw chunks.
 *
 * A unit is parsed in batches of rows that fit the first-level cache.  The scan finds the ends of fields and rows; then
 * the batch is taken column by column, so that a column's kernel, type and output are fixed for many fields and a
 * dropped column costs nothing more.  Fields that a kernel does not take (missing, exponents, spaces, quotes, long) are
 * parsed one by one; text columns remember the texts they saw in the unit.
 *
 * Rows that are skipped (bad, or missing what they need) are found before text columns are coded, so that their texts
 * enter no dictionary; the batch is then made compact.
 */
#include <math.h>
#include <string.h>

#include "data/csv_scan.h"
#include "data/dictionary.h"
#include "data/number_internal.h"

#define MIN_UNIT (512u << 10)
#define MAX_UNIT (8u << 20)
#define UNIT_ROWS 64u /* a unit holds at least that many of the longest rows, up to MAX_UNIT */
#define BATCH_FIELDS 4096u
#define MIN_BATCH_ROWS 8u
#define MAX_BATCH_ROWS 256u
#define BLOCK 64u
#define LONG_STEP (1u << 30) /* text taken at once while the end of an overlong row is looked for */
#define MEMO_ENTRIES 4096u   /* over all text columns */
#define MIN_MEMO 16u
#define MAX_MEMO 1024u

struct skimpi_reader {
    skimp_budget *budget;
    const skimpi_reader_options *options;
    const skimpi_csv_kernels *kernels;
    skimpi_csv_guess guess;
    skimpi_sample sample; /* owns its arrays */
};

/* A text of up to 16 bytes and its code. length UINT32_MAX: empty. */
typedef struct memo {
    uint64_t low, high;
    uint32_t length, code;
} memo;

typedef enum fault_kind { FAULT_TEXT, FAULT_DATE, FAULT_RAGGED, FAULT_NUL, FAULT_UNCLOSED, FAULT_LONG } fault_kind;

/* The first thing wrong in a batch. */
typedef struct fault {
    bool any;
    fault_kind kind;
    uint32_t row; /* in the batch's good rows (FAULT_TEXT, FAULT_DATE) or all of them */
    uint32_t column;
    uint64_t fields;
    const char *text; /* the field, or for others where the row begins */
    size_t length;
    const char *line; /* where the row begins */
} fault;

/* All that parsing one unit needs. */
typedef struct work {
    skimpi_reader *reader;
    const skimpi_schema *schema;
    skimpi_raw *raw;
    const skimpi_unit *unit;
    skimp_error *error;
    skimpi_csv_batch batch;
    uint32_t *first; /* per good row: its first end */
    uint32_t *slow;
    uint8_t *skip; /* per good row: 1 missing, 2 bad */
    memo *memos;
    uint32_t memo_mask; /* entries of a column - 1 */
    uint32_t n_good;
    uint64_t row_ends; /* seen, blank lines too */
    bool any_quotes;
    bool any_skip;
    bool bad_before;       /* rows were skipped as bad before this batch: the first of them is known */
    const char *first_bad; /* where the first of them begins */
    fault fault;
} work;

/* ---- scratch --------------------------------------------------------------------------------------------------------- */

typedef struct scratch_plan {
    uint32_t rows, ends, memo_entries;
    size_t at_ends, at_rows, at_first, at_slow, at_skip, at_memo, bytes;
} scratch_plan;

static bool target_is_text(const skimpi_schema *schema)
{
    return schema->target >= 0 && (schema->target_type == SKIMPI_TYPE_CATEGORY || schema->comparison_text != NULL);
}

static uint32_t n_texts(const skimpi_schema *schema)
{
    return schema->n_category + target_is_text(schema);
}

static scratch_plan plan_scratch(const skimpi_schema *schema)
{
    scratch_plan p = { 0 };
    uint32_t columns = schema->n_columns > 0 ? schema->n_columns : 1;
    p.rows = BATCH_FIELDS / columns;
    p.rows = p.rows < MIN_BATCH_ROWS   ? MIN_BATCH_ROWS
             : p.rows > MAX_BATCH_ROWS ? MAX_BATCH_ROWS
                                       : p.rows & ~7u; /* kernels take eight rows at once */
    uint32_t texts = n_texts(schema);
    p.memo_entries = MAX_MEMO;
    while (p.memo_entries > MIN_MEMO && (uint64_t)p.memo_entries * texts > MEMO_ENTRIES) {
        p.memo_entries /= 2;
    }
    p.ends = (p.rows + 1) * columns + 1 + 2 * BLOCK;
    size_t at = 0;
    p.at_memo = at;
    at += (size_t)p.memo_entries * texts * sizeof(memo);
    p.at_ends = at;
    at += ((size_t)p.ends + BLOCK) * sizeof(uint32_t);
    p.at_rows = at;
    at += (p.rows + BLOCK) * sizeof(uint32_t);
    p.at_first = at;
    at += (p.rows + BLOCK) * sizeof(uint32_t);
    p.at_slow = at;
    at += (p.rows + BLOCK) * sizeof(uint32_t);
    p.at_skip = at;
    at += p.rows + BLOCK;
    p.bytes = at;
    return p;
}

size_t skimpi_csv_scratch_bytes(const skimpi_schema *schema)
{
    return plan_scratch(schema).bytes;
}

static skimp_status begin_work(work *w)
{
    scratch_plan p = plan_scratch(w->schema);
    skimp_status status = skimpi_buffer_reserve(&w->raw->scratch, p.bytes, w->error);
    if (status != SKIMP_OK) {
        return status;
    }
    char *scratch = w->raw->scratch.data;
    w->batch.ends = (uint32_t *)(void *)(scratch + p.at_ends);
    w->batch.rows = (uint32_t *)(void *)(scratch + p.at_rows);
    w->batch.max_ends = p.ends;
    w->batch.max_rows = p.rows;
    w->first = (uint32_t *)(void *)(scratch + p.at_first);
    w->slow = (uint32_t *)(void *)(scratch + p.at_slow);
    w->skip = (uint8_t *)(scratch + p.at_skip);
    w->memos = (memo *)(void *)(scratch + p.at_memo);
    w->memo_mask = p.memo_entries - 1;
    uint64_t n = (uint64_t)p.memo_entries * n_texts(w->schema);
    for (uint64_t i = 0; i < n; i++) {
        w->memos[i].length = UINT32_MAX;
    }
    return SKIMP_OK;
}

/* ---- faults ----------------------------------------------------------------------------------------------------------- */

static const char *row_begin(const work *w, uint32_t first_end)
{
    return w->batch.base + w->batch.ends[first_end - 1] + 1;
}

static void field_of(const work *w, uint32_t row, uint32_t column, const char **text, size_t *length)
{
    const uint32_t *end_of = w->batch.ends + w->first[row] + column;
    *text = w->batch.base + end_of[-1] + 1;
    *length = end_of[0] - end_of[-1] - 1;
    if (column + 1 == w->schema->n_columns && *length > 0 && (*text)[*length - 1] == '\r') {
        --*length;
    }
}

/* A field that is no number: the row is skipped, or the fault noted if it is the first. */
static void note_text(work *w, uint32_t row, uint32_t column, skimpi_csv_kind kind)
{
    if (w->reader->options->on_bad_row == SKIMPI_BAD_ROW_SKIP) {
        w->skip[row] = 2;
        w->any_skip = true;
        return;
    }
    fault *f = &w->fault;
    if (f->any &&
        (f->kind != FAULT_TEXT && f->kind != FAULT_DATE ? false
                                                        : f->row < row || (f->row == row && f->column < column))) {
        return;
    }
    *f = (fault){ .any = true,
                  .kind = kind == SKIMPI_CSV_DATE ? FAULT_DATE : FAULT_TEXT,
                  .row = row,
                  .column = column,
                  .line = row_begin(w, w->first[row]) };
    field_of(w, row, column, &f->text, &f->length);
}

static uint64_t lines_before(const work *w, const char *line)
{
    const char *begin = w->unit->text + w->unit->begin;
    return skimpi_csv_count_lines(begin, (size_t)(line - begin));
}

static void report_fault(work *w)
{
    const fault *f = &w->fault;
    skimp_error *e = &w->raw->failure;
    char shown[64];
    *e = (skimp_error)SKIMP_ERROR_INIT;
    skimp_status ignored = SKIMP_OK;
    switch (f->kind) {
    case FAULT_TEXT:
    case FAULT_DATE: {
        const char *name = w->schema->columns[f->column].name;
        skimpi_csv_show(f->text, f->length, shown);
        ignored = skimpi_fail(e, SKIMP_ERROR_DATA,
                              "%s '%s' in a column of numbers: leave the column out with --drop %s, skip such rows "
                              "with --on-bad-row skip, "
                              "or write missing values as nothing or NA",
                              f->kind == FAULT_DATE ? "date" : "text", shown, name);
        size_t length = strnlen(name, sizeof(e->column) - 1);
        memcpy(e->column, name, length);
        break;
    }
    case FAULT_RAGGED:
        ignored = skimpi_fail(e, SKIMP_ERROR_DATA, "the row has %llu field%s where %u are expected",
                              (unsigned long long)f->fields, f->fields == 1 ? "" : "s", (unsigned)w->schema->n_columns);
        break;
    case FAULT_NUL:
        ignored = skimpi_fail(e, SKIMP_ERROR_DATA, "the row holds a NUL byte: this is not text, or it is UTF-16");
        break;
    case FAULT_UNCLOSED:
        ignored = skimpi_fail(e, SKIMP_ERROR_DATA, "a quote in this row is not closed before the end of the file");
        break;
    case FAULT_LONG:
        ignored = skimpi_fail(e, SKIMP_ERROR_DATA, "the row is longer than 4 GiB");
        break;
    }
    e->row = lines_before(w, f->line);
    (void)ignored;
}

/* A skipped row: the batch's first may be found after others of it. */
static void note_bad_line(work *w, const char *line)
{
    if (!w->bad_before && (w->first_bad == NULL || line < w->first_bad)) {
        w->first_bad = line;
        w->raw->first_bad_line = lines_before(w, line) + 1;
    }
}

/* A row that is bad as a whole. Returns true when parsing goes on (rows are skipped). */
static bool bad_row(work *w, fault_kind kind, const char *line, uint64_t fields)
{
    if (w->reader->options->on_bad_row == SKIMPI_BAD_ROW_SKIP) {
        w->raw->rows_bad++;
        note_bad_line(w, line);
        return true;
    }
    w->fault = (fault){ .any = true, .kind = kind, .fields = fields, .line = line };
    return false;
}

/* ---- columns of numbers ------------------------------------------------------------------------------------------------ */

static void parse_numbers(work *w, uint32_t column, double *out)
{
    bool last = column + 1 == w->schema->n_columns;
    uint32_t n =
        w->reader->kernels->numbers(&w->batch, w->first, w->n_good, column, last && w->batch.has_cr, out, w->slow);
    for (uint32_t i = 0; i < n; i++) {
        const char *text;
        size_t length;
        field_of(w, w->slow[i], column, &text, &length);
        skimpi_csv_kind kind = skimpi_csv_number(text, length, &out[w->slow[i]]);
        if (kind == SKIMPI_CSV_TEXT || kind == SKIMPI_CSV_DATE) {
            note_text(w, w->slow[i], column, kind);
        }
    }
}

/* Must a row without a value in this column go? */
static bool drops_missing(const work *w, uint32_t column)
{
    const skimpi_reader_options *o = w->reader->options;
    return o->on_missing == SKIMPI_MISSING_DROP && !(o->may_miss != NULL && o->may_miss[column]) &&
           !(o->target_optional && w->schema->target == column);
}

static void skip_missing(work *w, const double *values)
{
    for (uint32_t i = 0; i < w->n_good; i++) {
        if (isnan(values[i]) && w->skip[i] == 0) {
            w->skip[i] = 1;
            w->any_skip = true;
        }
    }
}

/* ---- columns of text ---------------------------------------------------------------------------------------------------- */

/* What the texts of a column become. */
typedef struct text_column {
    uint32_t column;
    uint32_t slot; /* of the dictionary */
    memo *memos;
    bool hashed;
    uint64_t name_hash; /* hashed: sets columns apart */
    bool compared;      /* 1 where the text is comparison_text (or is not, for !=) */
    bool fixed;
} text_column;

/* The code of a field as it stands in the text. */
static skimp_status text_code(work *w, const text_column *t, const char *text, size_t length, uint32_t *code)
{
    if (skimpi_csv_needs_unquote(&text, &length)) {
        skimpi_buffer *unquoted = &w->raw->unquoted;
        skimp_status status = skimpi_buffer_reserve(unquoted, length, w->error);
        if (status != SKIMP_OK) {
            return status;
        }
        length = skimpi_csv_unquote(text, length, unquoted->data);
        text = unquoted->data;
    }
    if (skimpi_csv_is_missing(text, length)) {
        *code = SKIMPI_CODE_MISSING;
        return SKIMP_OK;
    }
    if (t->compared) {
        const char *right = w->schema->comparison_text;
        bool equal = strlen(right) == length && memcmp(right, text, length) == 0;
        *code = equal == (w->schema->comparison == SKIMPI_CMP_EQ);
        return SKIMP_OK;
    }
    if (t->hashed) {
        *code = skimpi_dictionary_hash_code(t->name_hash, text, length, w->schema->hash_bits);
        return SKIMP_OK;
    }
    return skimpi_raw_code(w->raw, w->schema, t->slot, text, length, t->fixed, code, w->error);
}

/* The first `length` (at most 8) bytes at p. */
static inline uint64_t load_some(const char *p, size_t length)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return length >= 8 ? v : v & (((uint64_t)1 << (8 * length)) - 1);
}

static skimp_status parse_texts(work *w, const text_column *t, uint32_t *out)
{
    const char *base = w->batch.base;
    const uint32_t *ends = w->batch.ends + t->column;
    bool trim = t->column + 1 == w->schema->n_columns;
    for (uint32_t i = 0; i < w->n_good; i++) {
        if (w->any_skip && w->skip[i] != 0) {
            continue;
        }
        const uint32_t *end_of = ends + w->first[i];
        const char *text = base + end_of[-1] + 1;
        size_t length = end_of[0] - end_of[-1] - 1;
        length -= trim && length > 0 && text[length - 1] == '\r';
        uint32_t code;
        if (length > 16) {
            skimp_status status = text_code(w, t, text, length, &code);
            if (status != SKIMP_OK) {
                return status;
            }
            out[i] = code;
            continue;
        }
        uint64_t low = load_some(text, length), high = length > 8 ? load_some(text + 8, length - 8) : 0;
        uint64_t mixed = (low ^ (high << 32 | high >> 32) ^ length) * 0x9e3779b97f4a7c15u;
        memo *m = &t->memos[(mixed >> 40) & w->memo_mask];
        if (m->low != low || m->high != high || m->length != length) {
            skimp_status status = text_code(w, t, text, length, &code);
            if (status != SKIMP_OK) {
                return status;
            }
            *m = (memo){ .low = low, .high = high, .length = (uint32_t)length, .code = code };
        }
        out[i] = m->code;
    }
    return SKIMP_OK;
}

/* Rows whose text is missing are to be skipped before any text of theirs is coded. */
static skimp_status skip_missing_texts(work *w, uint32_t column)
{
    for (uint32_t i = 0; i < w->n_good; i++) {
        const char *text;
        size_t length;
        field_of(w, i, column, &text, &length);
        if (skimpi_csv_needs_unquote(&text, &length)) {
            skimp_status status = skimpi_buffer_reserve(&w->raw->unquoted, length, w->error);
            if (status != SKIMP_OK) {
                return status;
            }
            length = skimpi_csv_unquote(text, length, w->raw->unquoted.data);
            text = w->raw->unquoted.data;
        }
        if (w->skip[i] == 0 && skimpi_csv_is_missing(text, length)) {
            w->skip[i] = 1;
            w->any_skip = true;
        }
    }
    return SKIMP_OK;
}

static skimp_status parse_all_texts(work *w)
{
    const skimpi_schema *schema = w->schema;
    skimpi_raw *raw = w->raw;
    bool text_target = target_is_text(schema);
    skimp_status status = SKIMP_OK;
    for (uint32_t j = 0; j < schema->n_category; j++) {
        if (drops_missing(w, schema->category[j])) {
            SKIMPI_TRY(skip_missing_texts(w, schema->category[j]));
        }
    }
    if (text_target && drops_missing(w, (uint32_t)schema->target)) {
        SKIMPI_TRY(skip_missing_texts(w, (uint32_t)schema->target));
    }
    text_column t = { .fixed = w->reader->options->fixed_categories, .hashed = schema->hash_bits != 0 };
    for (uint32_t j = 0; j < schema->n_category; j++) {
        t.column = schema->category[j];
        t.slot = j;
        t.memos = w->memos + (size_t)j * (w->memo_mask + 1);
        if (t.hashed) {
            const char *name = schema->columns[t.column].name;
            t.name_hash = skimpi_dictionary_hash(name, strlen(name));
        }
        SKIMPI_TRY(parse_texts(w, &t, raw->codes + (size_t)j * raw->capacity + raw->n_rows));
    }
    if (text_target) {
        t = (text_column){ .column = (uint32_t)schema->target,
                           .slot = schema->n_category,
                           .fixed = t.fixed && !w->reader->options->target_grows,
                           .compared = schema->comparison_text != NULL };
        t.memos = w->memos + (size_t)schema->n_category * (w->memo_mask + 1);
        SKIMPI_TRY(parse_texts(w, &t, w->slow)); /* the list of slow fields is free now */
        double *target = raw->target + raw->n_rows;
        for (uint32_t i = 0; i < w->n_good; i++) {
            target[i] =
                w->slow[i] == SKIMPI_CODE_MISSING ? (double)NAN : (double)w->slow[i]; /* NAN itself is a float */
        }
    }
out:
    return status;
}

/* ---- batches ------------------------------------------------------------------------------------------------------------ */

static void compact(const uint8_t *skip, uint32_t n, void *values, size_t size)
{
    char *bytes = values;
    size_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (skip[i] == 0) {
            memmove(bytes + kept * size, bytes + i * size, size);
            kept++;
        }
    }
}

static void compact_batch(work *w)
{
    const skimpi_schema *schema = w->schema;
    skimpi_raw *raw = w->raw;
    for (uint32_t j = 0; j < schema->n_numeric; j++) {
        compact(w->skip, w->n_good, raw->numeric + (size_t)j * raw->capacity + raw->n_rows, sizeof(double));
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        compact(w->skip, w->n_good, raw->codes + (size_t)j * raw->capacity + raw->n_rows, sizeof(uint32_t));
    }
    if (schema->target >= 0) {
        compact(w->skip, w->n_good, raw->target + raw->n_rows, sizeof(double));
    }
    if (schema->weight >= 0) {
        compact(w->skip, w->n_good, raw->weight + raw->n_rows, sizeof(double));
    }
}

/* Room for the batch's rows; when the unit turns out to hold more than was expected, for as many as it then seems to hold. */
static skimp_status reserve_rows(work *w, size_t position)
{
    skimpi_raw *raw = w->raw;
    uint64_t needed = (uint64_t)raw->n_rows + w->n_good;
    if (needed <= raw->capacity) {
        return SKIMP_OK;
    }
    if (needed > INT32_MAX) {
        return skimpi_fail(w->error, SKIMP_ERROR_DATA, "a unit of text holds too many rows");
    }
    const skimpi_unit *unit = w->unit;
    double done = (double)(position - unit->begin) /
                  (double)(unit->end > position ? unit->end - unit->begin : position - unit->begin);
    double expected = 1.02 * (double)needed / (done > 0.05 ? done : 0.05);
    skimp_error ignored = SKIMP_ERROR_INIT;
    if (expected < INT32_MAX && skimpi_raw_reserve(raw, w->schema, (uint32_t)expected + 64, 0, &ignored) == SKIMP_OK) {
        return SKIMP_OK;
    }
    return skimpi_raw_reserve(raw, w->schema, (uint32_t)needed, 0, w->error);
}

/* Sorts the batch's rows into good ones, blank lines and bad ones. False: a bad row ends the parse; those before it count. */
static bool choose_rows(work *w)
{
    skimpi_csv_batch *b = &w->batch;
    uint32_t columns = w->schema->n_columns, first = 1;
    w->n_good = 0;
    for (uint32_t r = 0; r < b->n_rows; r++) {
        uint32_t last = b->rows[r], fields = last - first + 1;
        const char *begin = row_begin(w, first);
        size_t length = (size_t)(b->base + b->ends[last] - begin);
        bool good = fields == columns;
        if (__builtin_expect(!good || columns == 1, 0)) {
            size_t blanks = 0;
            while (blanks < length && (begin[blanks] == ' ' || begin[blanks] == '\t' || begin[blanks] == '\r')) {
                blanks++;
            }
            if (fields == 1 && blanks == length) {
                first = last + 1;
                continue;
            }
        }
        if (__builtin_expect(b->has_nul, 0) && memchr(begin, '\0', length) != NULL) {
            if (!bad_row(w, FAULT_NUL, begin, 0)) {
                return false;
            }
        } else if (good) {
            w->first[w->n_good++] = first;
        } else if (!bad_row(w, FAULT_RAGGED, begin, fields)) {
            return false;
        }
        first = last + 1;
    }
    return true;
}

/* Parses the rows that choose_rows took. */
static skimp_status parse_batch(work *w, size_t position)
{
    const skimpi_schema *schema = w->schema;
    skimpi_raw *raw = w->raw;
    skimp_status status = SKIMP_OK;
    if (w->n_good == 0) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(reserve_rows(w, position));
    memset(w->skip, 0, w->n_good);
    w->any_skip = false;
    size_t at = raw->n_rows;
    for (uint32_t j = 0; j < schema->n_numeric; j++) {
        double *out = raw->numeric + (size_t)j * raw->capacity + at;
        parse_numbers(w, schema->numeric[j], out);
        if (drops_missing(w, schema->numeric[j])) {
            skip_missing(w, out);
        }
    }
    if (schema->target >= 0 && !target_is_text(schema)) {
        double *out = raw->target + at;
        parse_numbers(w, (uint32_t)schema->target, out);
        for (uint32_t i = 0; schema->comparison != SKIMPI_CMP_NONE && i < w->n_good; i++) {
            out[i] = skimpi_schema_compare(schema, out[i]);
        }
        if (drops_missing(w, (uint32_t)schema->target)) {
            skip_missing(w, out);
        }
    }
    if (schema->weight >= 0) {
        parse_numbers(w, (uint32_t)schema->weight, raw->weight + at);
        if (drops_missing(w, (uint32_t)schema->weight)) {
            skip_missing(w, raw->weight + at);
        }
    }
    if (w->fault.any && (w->fault.kind == FAULT_TEXT || w->fault.kind == FAULT_DATE)) {
        goto out; /* what the rows before it hold does not matter any more */
    }
    if (schema->n_category > 0 || target_is_text(schema)) {
        SKIMPI_TRY(parse_all_texts(w));
    }
    uint32_t skipped = 0;
    for (uint32_t i = 0; w->any_skip && i < w->n_good; i++) {
        skipped += w->skip[i] != 0;
        raw->rows_missing += w->skip[i] == 1;
        if (w->skip[i] == 2) {
            raw->rows_bad++;
            note_bad_line(w, row_begin(w, w->first[i]));
        }
    }
    if (skipped > 0) {
        compact_batch(w);
    }
    raw->n_rows += w->n_good - skipped;
out:
    return status;
}

/* A row with more fields than a batch holds: counts them, and finds where it ends. */
static size_t scan_long_row(work *w, size_t from, bool *complete)
{
    const skimpi_unit *unit = w->unit;
    skimpi_csv_batch *b = &w->batch;
    uint64_t fields = b->n_ends - 1;
    const char *begin = b->base + 1;
    size_t p = from;
    b->n_rows = 0;
    while (p < unit->length && b->n_rows == 0) {
        b->n_ends = 1;
        b->base = unit->text + p - 1;
        bool near_end = unit->length - p <= LONG_STEP;
        p = w->reader->kernels->scan(b, unit->text, p, near_end ? unit->length : p + LONG_STEP, 0,
                                     unit->is_last && near_end, w->reader->guess.delimiter);
        fields += b->n_rows > 0 ? b->rows[0] : b->n_ends - 1;
    }
    *complete = b->n_rows > 0 || unit->is_last;
    if (!*complete) {
        return unit->length;
    }
    p = b->n_rows > 0 ? (size_t)(b->base - unit->text) + b->ends[b->rows[0]] + 1 : unit->length;
    fields += b->n_rows == 0;
    w->row_ends++;
    if (b->n_rows == 0 && b->in_quotes) {
        (void)bad_row(w, FAULT_UNCLOSED, begin, 0);
    } else {
        (void)bad_row(w, FAULT_RAGGED, begin, fields);
    }
    return p;
}

/* Scans the next batch from `from`. *next: where the row after it begins, or `from` when no row was complete. */
static void scan_batch(work *w, size_t from, size_t *next, bool *more)
{
    const skimpi_unit *unit = w->unit;
    skimpi_csv_batch *b = &w->batch;
    b->base = unit->text + from - 1;
    b->ends[0] = 0;
    b->n_ends = 1;
    b->n_rows = 0;
    b->has_quotes = b->has_cr = b->has_nul = b->in_quotes = b->after_quote = false;
    b->at_start = true;
    /* Offsets have 32 bits: a row that needs more is refused below. */
    size_t reach = from + (UINT32_MAX - 2 * BLOCK);
    bool beyond = unit->length > reach;
    size_t length = beyond ? reach : unit->length;
    size_t p = w->reader->kernels->scan(b, unit->text, from, length, unit->end, unit->is_last && !beyond,
                                        w->reader->guess.delimiter);
    w->any_quotes |= b->has_quotes;
    *more = false;
    if (b->n_rows == 0) {
        if (beyond && p >= length) {
            w->fault = (fault){ .any = true, .kind = FAULT_LONG, .line = unit->text + from };
            return;
        }
        if (p < length) {
            bool complete;
            *next = scan_long_row(w, p, &complete);
            *more = !complete;
            b->n_rows = 0;
            return;
        }
        if (!unit->is_last) {
            *more = true;
            return;
        }
        if (b->in_quotes) {
            *next = unit->length;
            if (bad_row(w, FAULT_UNCLOSED, unit->text + from, 0)) {
                w->row_ends++;
            }
            return;
        }
        /* The last row, without a line end. */
        b->rows[b->n_rows++] = b->n_ends;
        b->ends[b->n_ends++] = (uint32_t)(unit->text + unit->length - b->base);
    }
    /* Rows that begin at or after the unit's end are the next unit's. */
    while (b->n_rows > 1 && (size_t)(b->base - unit->text) + b->ends[b->rows[b->n_rows - 2]] + 1 >= unit->end) {
        b->n_rows--;
    }
    b->n_rows = b->n_rows > b->max_rows ? b->max_rows : b->n_rows;
    *next = (size_t)(b->base - unit->text) + b->ends[b->rows[b->n_rows - 1]] + 1;
    *next = *next > unit->length ? unit->length : *next;
    w->row_ends += b->n_rows;
}

static skimp_status csv_parse(skimpi_reader *reader, const skimpi_schema *schema, const skimpi_unit *unit,
                              skimpi_raw *raw, bool *more, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    work w = { .reader = reader, .schema = schema, .raw = raw, .unit = unit, .error = error };
    *more = false;
    skimpi_raw_clear(raw);
    raw->consumed = unit->begin;
    if (unit->begin >= unit->end || unit->begin >= unit->length) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(begin_work(&w));
    size_t p = unit->begin;
    while (p < unit->end && p < unit->length && !w.fault.any) {
        size_t next = p;
        w.bad_before = raw->rows_bad > 0;
        scan_batch(&w, p, &next, more);
        if (*more) {
            goto out;
        }
        (void)choose_rows(&w);
        SKIMPI_TRY(parse_batch(&w, next));
        p = next;
    }
    raw->consumed = p;
    if (w.fault.any) {
        report_fault(&w);
    }
    const char *begin = unit->text + unit->begin;
    raw->lines = w.any_quotes ? skimpi_csv_count_lines(begin, p - unit->begin)
                              : w.row_ends - (p == unit->length && begin < unit->text + p &&
                                              unit->text[p - 1] != '\n' && unit->text[p - 1] != '\r');
out:
    return status;
}

/* ---- class --------------------------------------------------------------------------------------------------------------- */

bool skimpi_csv_use_kernels(skimpi_reader *reader, const char *name)
{
    const skimpi_csv_kernels *kernels = skimpi_csv_kernels_find(name);
    reader->kernels = kernels != NULL ? kernels : reader->kernels;
    return kernels != NULL;
}

static void csv_close(skimpi_reader *reader)
{
    if (reader != NULL) {
        skimpi_csv_sample_free(reader->budget, reader->guess.n_columns, &reader->sample);
        skimp_free(reader->budget, SKIMP_TAG_OTHER, reader, 1, sizeof(skimpi_reader));
    }
}

static skimp_status csv_open(skimpi_reader **out, skimp_budget *budget, skimpi_input *input,
                             const skimpi_reader_options *options, skimpi_schema **schema, skimpi_sample *sample,
                             skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block = NULL;
    *out = NULL;
    *schema = NULL;
    char d = options->delimiter;
    if (d != 0 && ((d >= '0' && d <= '9') || strchr("+-.eE\"\r\n", d) != NULL)) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_PARAM, "'%c' cannot be a delimiter", d));
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, 1, sizeof(skimpi_reader), &block, error));
    skimpi_reader *reader = block;
    *reader = (skimpi_reader){ .budget = budget, .options = options, .kernels = skimpi_csv_kernels_find(NULL) };
    SKIMPI_TRY(skimpi_csv_sample(budget, input, options, NULL, &reader->guess, schema, &reader->sample, error));
    *sample = reader->sample;
    *out = reader;
    block = NULL;
out:
    skimp_free(budget, SKIMP_TAG_OTHER, block, 1, sizeof(skimpi_reader));
    return status;
}

static skimp_status csv_reopen(skimpi_reader *reader, skimpi_input *input, const skimpi_schema *schema,
                               skimpi_sample *sample, skimp_error *error)
{
    skimpi_csv_guess guess = reader->guess;
    skimpi_sample taken = { 0 };
    skimp_status status =
        skimpi_csv_sample(reader->budget, input, reader->options, schema, &guess, NULL, &taken, error);
    if (status == SKIMP_OK) {
        /* The arrays stay those of the first input: a plan may hold them. */
        skimpi_csv_sample_free(reader->budget, guess.n_columns, &taken);
        reader->guess = guess;
        *sample = reader->sample;
        sample->text_bytes = taken.text_bytes;
        sample->n_rows = taken.n_rows;
        sample->row_bytes = taken.row_bytes;
        sample->longest_row = taken.longest_row;
    }
    return status;
}

static uint64_t csv_unit_bytes(const skimpi_reader *reader, const skimpi_schema *schema)
{
    (void)schema;
    uint64_t bytes = MIN_UNIT;
    while (bytes < MAX_UNIT && bytes < UNIT_ROWS * reader->guess.longest_row) {
        bytes *= 2;
    }
    return bytes;
}

static uint64_t csv_data_start(const skimpi_reader *reader)
{
    return reader->guess.data_start;
}

static uint64_t csv_data_line(const skimpi_reader *reader)
{
    return reader->guess.data_line;
}

static size_t csv_find_start(const skimpi_reader *reader, const char *text, size_t length, size_t from)
{
    return skimpi_csv_find_start(&reader->guess, text, length, from);
}

const skimpi_reader_class skimpi_reader_csv = {
    .name = "csv",
    .is_text = true,
    .open = csv_open,
    .reopen = csv_reopen,
    .close = csv_close,
    .unit_bytes = csv_unit_bytes,
    .data_start = csv_data_start,
    .data_line = csv_data_line,
    .find_start = csv_find_start,
    .parse = csv_parse,
};
