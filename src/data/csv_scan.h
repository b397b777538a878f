/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the CSV reader: where fields end and columns of numbers (csv_scan.c, csv_scan_x86.c), single rows and
 * fields (csv_field.c), and the guesses from a sample (csv_sample.c).
 *
 * Dialect: as Python's csv module reads by default.  A field that begins with a quote goes on to the next quote that is
 * not doubled; what follows it up to the delimiter belongs to the field too.  A quote inside another field is a
 * character like any other.  Rows end at LF, CR LF or CR.  Blank lines are no rows.
 */
#ifndef SKIMPI_CSV_SCAN_H
#define SKIMPI_CSV_SCAN_H

#include "data/reader.h"

/* ---- scan ---------------------------------------------------------------------------------------------------------- */

/*
 * A batch of rows: ends[0] is 0 and stands for what precedes the first row; ends[1 …] are the offsets from `base` of the
 * delimiters and row ends outside quotes. So field f of the row whose first end is ends[k] is
 * base[ends[k + f - 1] + 1 … ends[k + f]).
 */
typedef struct skimpi_csv_batch {
    const char *base; /* one byte before the first row */
    uint32_t *ends;
    uint32_t n_ends;   /* in use, ends[0] among them */
    uint32_t max_ends; /* the scan stops when 64 more might not fit */
    uint32_t *rows;    /* index into ends of each row's last end */
    uint32_t n_rows;
    uint32_t max_rows; /* the scan stops when there are that many or more (63 more at most) */
    bool has_quotes, has_cr, has_nul;
    /* Where the scan stands between blocks. */
    bool at_start; /* a field begins at the next byte */
    bool in_quotes;
    bool after_quote; /* the byte before was a quote inside a quoted field: its end, or the first of two */
} skimpi_csv_batch;

/*
 * Scans text[from, length) into the batch, 64 bytes at a time, until it has max_rows rows, a row ended at or after
 * `stop`, ends are nearly full, or the text is at its end. Returns where it stopped. 64 bytes after text + length are
 * readable. is_last: nothing follows text + length.
 */
typedef size_t skimpi_csv_scan_fn(skimpi_csv_batch *batch, const char *text, size_t from, size_t length, size_t stop,
                                  bool is_last, char delimiter);

/*
 * Parses one column of a batch: row i's field is the one ended by ends[first[i] + column]. Fields of the plain form
 * [-]digits[.digits], up to 16 bytes, go to out; the row numbers of all others are listed in slow (n_rows entries).
 * trim: the field may end with a CR that is not part of it. Returns the length of the list.
 */
typedef uint32_t skimpi_csv_numbers_fn(const skimpi_csv_batch *batch, const uint32_t *first, uint32_t n_rows,
                                       uint32_t column, bool trim, double *out, uint32_t *slow);

#define SKIMPI_CSV_PADDING 64 /* readable bytes after a text, as for numbers */

typedef struct skimpi_csv_kernels {
    const char *name; /* "avx512", "avx2", "portable" */
    skimpi_csv_scan_fn *scan;
    skimpi_csv_numbers_fn *numbers;
} skimpi_csv_kernels;

/* The fastest kernels of this CPU, or those of a name (tests); NULL when this CPU has none of that name. */
const skimpi_csv_kernels *skimpi_csv_kernels_find(const char *name);
extern const skimpi_csv_kernels skimpi_csv_portable;
#if defined(__x86_64__)
extern const skimpi_csv_kernels skimpi_csv_avx2, skimpi_csv_avx512;
#endif

/* Makes a CSV reader use kernels of this name (tests, benchmarks). False: this CPU has none. */
bool skimpi_csv_use_kernels(skimpi_reader *reader, const char *name);

/* Masks of a block of 64 bytes, bit i for byte i. */
typedef struct skimpi_csv_masks {
    uint64_t delimiter, lf, cr, quote, nul;
} skimpi_csv_masks;

/* The bits of row and field ends outside quotes in a block with quotes or begun inside them; advances the batch's state. */
uint64_t skimpi_csv_quoted_block(skimpi_csv_batch *batch, uint64_t separators, uint64_t quotes, unsigned n_valid,
                                 uint64_t cr);

/* Bytes of scratch that a raw chunk of this schema carries. */
size_t skimpi_csv_scratch_bytes(const skimpi_schema *schema);

/* ---- rows and fields ------------------------------------------------------------------------------------------------ */

typedef struct skimpi_csv_field {
    size_t begin, end; /* as in the text, quotes included; without a CR before the row's LF */
} skimpi_csv_field;

typedef enum skimpi_csv_row_end { SKIMPI_CSV_ROW, SKIMPI_CSV_CUT, SKIMPI_CSV_UNCLOSED } skimpi_csv_row_end;

/*
 * Splits the row that begins at `from`: up to max_fields fields are written, all are counted. *next is where the next
 * row begins. CUT: the row does not end within length and the text goes on; UNCLOSED: the text ends inside quotes.
 * in_quotes: `from` lies inside a quoted field.
 */
skimpi_csv_row_end skimpi_csv_split(const char *text, size_t length, size_t from, bool is_last, char delimiter,
                                    bool in_quotes, skimpi_csv_field *fields, size_t max_fields, size_t *n_fields,
                                    size_t *next);

bool skimpi_csv_is_missing(const char *text, size_t length); /* empty, NA, N/A, null, …: pandas' list */
bool skimpi_csv_is_date(const char *text, size_t length);

typedef enum skimpi_csv_kind {
    SKIMPI_CSV_NUMBER,
    SKIMPI_CSV_MISSING,
    SKIMPI_CSV_DATE,
    SKIMPI_CSV_TEXT
} skimpi_csv_kind;
/* A field as it stands in the text to a number (spaces around and quotes allowed); missing gives NaN. `limit` as in number.h. */
skimpi_csv_kind skimpi_csv_number(const char *text, size_t length, double *out);
/* Needs the field be unquoted into a buffer of its length (true), or is its text where *text and *length now say? */
bool skimpi_csv_needs_unquote(const char **text, size_t *length);
size_t skimpi_csv_unquote(const char *text, size_t length,
                          char *out); /* returns the length written, at most `length` */
/* Line ends in a text: LF, and CR without LF. */
uint64_t skimpi_csv_count_lines(const char *text, size_t length);
/* A text shortened and with unprintable bytes escaped, for messages. */
void skimpi_csv_show(const char *text, size_t length, char out[64]);

/* ---- sample ---------------------------------------------------------------------------------------------------------- */

typedef struct skimpi_csv_guess {
    char delimiter;
    bool has_header;
    bool has_quotes;
    uint64_t data_start, data_line;
    uint64_t longest_row;
    uint32_t n_columns;
} skimpi_csv_guess;

/* Takes the sample of an input: dialect, header, and (schema not NULL) a new schema with names and types. */
SKIMP_CHECKED skimp_status skimpi_csv_sample(skimp_budget *budget, skimpi_input *input,
                                             const skimpi_reader_options *options, const skimpi_schema *like,
                                             skimpi_csv_guess *guess, skimpi_schema **schema, skimpi_sample *sample,
                                             skimp_error *error);
void skimpi_csv_sample_free(skimp_budget *budget, uint32_t n_columns, skimpi_sample *sample);

/* Where the first row starts at or after `from` (see find_start in reader.h). */
size_t skimpi_csv_find_start(const skimpi_csv_guess *guess, const char *text, size_t length, size_t from);

#endif
