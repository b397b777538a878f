/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers: one class per format.  A reader turns *units* of an input into raw chunks; the ingest (ingest.h) fetches the
 * units, calls the reader from all workers, puts the results in order and appends them to the chunk store.
 *
 * Unit i of a text is the rows that start in bytes [i × unit_bytes, (i + 1) × unit_bytes) of the decompressed text; a
 * unit of a binary format is a range of rows.  Units depend on the file alone, never on the budget or the number of
 * threads, and one unit is one chunk: that is what makes every sum over chunks the same, bit for bit.
 *
 * Text units are parsed on the guess that they begin at the first row start that find_start sees.  The ingest compares
 * the guess with where the unit before really ended, and has the unit parsed again where it was wrong (newlines inside
 * quotes).  So errors of a unit are kept in raw->failure until its turn comes, and parse must bear any bytes.
 */
#ifndef SKIMPI_READER_H
#define SKIMPI_READER_H

#include "data/input.h"
#include "data/schema.h"

typedef enum skimpi_on_missing { SKIMPI_MISSING_KEEP, SKIMPI_MISSING_DROP } skimpi_on_missing;
typedef enum skimpi_on_bad_row { SKIMPI_BAD_ROW_ERROR, SKIMPI_BAD_ROW_SKIP } skimpi_on_bad_row;

/* A reader keeps the pointer to its options: they must outlive it, and may_miss may be set once roles are assigned. */
typedef struct skimpi_reader_options {
    char delimiter;               /* 0: guessed from the sample among , TAB ; | and space */
    int header;                   /* -1: guessed; 0: none (columns are named x0, x1, …); 1: first row */
    skimpi_on_bad_row on_bad_row; /* ragged rows, text in a number column */
    skimpi_on_missing
        on_missing; /* DROP: rows with a missing value in a column that is used and not in may_miss are dropped and counted */
    const uint8_t *
        may_miss; /* per table column (sparse: one entry, for all values), or NULL: 1 where a missing value may stay (an imputer follows) */
    int zero_based;        /* svmlight: -1 guessed ("auto", as scikit-learn), 0, 1 */
    bool index64;          /* svmlight: indices may need 64 bits, even if the sample shows none that does */
    bool fixed_categories; /* predict: unknown texts get SKIMPI_CODE_UNKNOWN, dictionaries do not grow */
    bool target_optional;  /* predict: a missing target is not an error (NaN) */
    bool target_grows;     /* with fixed_categories: texts of the target are entered all the same */
} skimpi_reader_options;

/* Bytes that a value of a numeric column is expected to take in a decoder: beside a store in memory, or in a file. */
typedef struct skimpi_decoded_size {
    uint8_t memory, file;
} skimpi_decoded_size;

/*
 * What a sample says, for plans. Estimates are per text (decompressed) byte or row.  Of a table, open gives the
 * arrays per column, for roles are not known yet; skimpi_sample_settle puts them in the order of slots.
 */
typedef struct skimpi_sample {
    uint64_t text_bytes; /* decompressed size of the input, or an estimate */
    bool exact_rows;     /* n_rows is exact (NPY) */
    bool unknown_rows;   /* n_rows is a guess: there may be any number */
    uint64_t n_rows;
    double row_bytes;           /* mean bytes of a row */
    uint64_t longest_row;       /* bytes */
    double nonzeros_per_row;    /* sparse */
    uint64_t unit_nonzeros;     /* sparse: most of any unit, where it is known exactly; else 0 */
    uint64_t n_sparse_features; /* sparse: largest index seen in the sample + 1 */
    uint32_t *
        categories; /* per category column: distinct values expected (bound, from the sample's growth); owned by the reader */
    double *category_bytes; /* mean bytes of a category's text; owned by the reader */
    double *
        numeric_bytes; /* per numeric feature (sparse: one, for all values): bytes a value is expected to take in the store */
    skimpi_decoded_size *decoded; /* per numeric feature of a table; owned by the reader */
    double target_bytes;
    uint32_t *distinct; /* per table column, distinct values in the sample (0: not known); owned by the reader */
    uint32_t
        classes; /* distinct values of a numeric target column in the sample (at most 4096 counted), or that a text target is expected to have (bound); 0: not known */
    uint32_t classes_seen; /* of a table: in the sample, at most `classes`; else 0 */
} skimpi_sample;

/* Once, after skimpi_schema_assign: orders the arrays by slot; sets target_bytes and classes. */
void skimpi_sample_settle(skimpi_sample *sample, const skimpi_schema *schema);

/*
 * What one unit parsed to.  Owned by a worker, reused; all memory from its budget under "parse".  Numeric columns are
 * column-major: value of row i of numeric slot j is numeric[j * capacity + i], NaN when missing.  Category slot j:
 * codes[j * capacity + i]: a dictionary code, or SKIMPI_CODE_MISSING, or (n < new_count) FRESH + n for the n-th text
 * that was not in the dictionary when it was looked up.
 */
#define SKIMPI_CODE_FRESH 0x80000000u /* codes at and over this (but MISSING/UNKNOWN) are unit-local until commit */

typedef struct skimpi_fresh {
    uint32_t slot; /* category slot; n_category for a text target */
    uint32_t length;
    uint64_t offset; /* of the text in fresh_text */
    uint64_t hash;
} skimpi_fresh;

typedef struct skimpi_raw {
    skimp_budget *budget;
    uint32_t n_rows, capacity; /* rows */
    double *numeric;
    uint32_t *codes;
    double *target; /* NULL when the schema has none; text target: code as a double (FRESH ones too) */
    double *weight; /* NULL when none */
    uint64_t nonzeros, nonzero_capacity; /* sparse */
    uint32_t *row_end;                   /* sparse: index after the row's last non-zero, per row */
    uint32_t *indices;                   /* sparse: 0-based, ascending and distinct within a row … */
    uint64_t *indices64;                 /* … or these, when schema->index64 */
    double *values;
    uint64_t largest_index; /* 1 + largest 0-based index of the unit */
    skimpi_buffer fresh;    /* skimpi_fresh */
    skimpi_buffer fresh_text;
    skimpi_buffer fresh_index; /* finds a fresh text of this unit: the reader's */
    skimpi_buffer unquoted;    /* a quoted text with doubled quotes: the reader's */
    skimpi_buffer scratch;     /* the reader's own while it parses; its size follows from the schema */
    uint64_t piece;            /* what take_unit left to read_unit: the reader's own */
    uint32_t piece_rows;
    uint64_t lines;                  /* line ends consumed: for row numbers */
    uint64_t first_line;             /* line of the unit's first row: the ingest's, from the unit's turn on */
    uint64_t rows_bad, rows_missing; /* skipped, dropped */
    uint64_t first_bad_line;         /* line within the unit of the first skipped row (1 is the unit's first line) */
    skimp_error
        failure; /* code != OK: first failure; failure.row is relative to the unit's first line (0-based) until commit; message without place */
    size_t consumed; /* offset in the unit's text where the next row starts */
} skimpi_raw;

SKIMP_CHECKED skimp_status skimpi_raw_create(skimpi_raw *raw, skimp_budget *budget, const skimpi_schema *schema,
                                             uint32_t rows, uint64_t nonzeros, skimp_error *error);
/* Grows capacity (keeping what is there). */
SKIMP_CHECKED skimp_status skimpi_raw_reserve(skimpi_raw *raw, const skimpi_schema *schema, uint32_t rows,
                                              uint64_t nonzeros, skimp_error *error);
void skimpi_raw_clear(skimpi_raw *raw);
void skimpi_raw_destroy(skimpi_raw *raw, const skimpi_schema *schema);
uint64_t skimpi_raw_bytes(const skimpi_schema *schema, uint32_t rows,
                          uint64_t nonzeros); /* exactly what create charges */
/* Makes room for so many fresh texts of a unit, at most; without it, room is made as they come. */
SKIMP_CHECKED skimp_status skimpi_raw_expect(skimpi_raw *raw, uint64_t n_fresh, uint64_t text_bytes,
                                             skimp_error *error);
/* Bound of what a raw chunk grows by while it holds as many fresh texts as were expected (beyond what create charges). */
uint64_t skimpi_raw_fresh_bytes(uint64_t n_fresh, uint64_t text_bytes);
/*
 * The code of a text in this unit: the dictionary's, or FRESH + n (appended to raw->fresh when new), or UNKNOWN for a
 * new one when `fixed`. slot is n_category for a text target.
 */
SKIMP_CHECKED skimp_status skimpi_raw_code(skimpi_raw *raw, const skimpi_schema *schema, uint32_t slot,
                                           const char *text, size_t length, bool fixed, uint32_t *code,
                                           skimp_error *error);

typedef struct skimpi_unit {
    uint64_t index;
    const char *text; /* SKIMPI_NUMBER_PADDING readable bytes follow text + length */
    size_t length;    /* bytes there are: the unit and as much after it as was fetched */
    size_t begin;     /* where its first row starts */
    size_t end;       /* rows that start before this belong to the unit */
    bool is_last;     /* the input ends at text + length */
} skimpi_unit;

typedef struct skimpi_reader skimpi_reader;

typedef struct skimpi_reader_class {
    const char *name; /* "csv", "tsv", "svmlight", "npy" */
    bool is_text;
    /*
     * Reads a sample (at most 1 MiB, from up to 8 places of a seekable input), guesses dialect and types, makes the
     * schema (roles not yet assigned) and the sample. The input is left unread. Charged under "input" while it lasts.
     */
    skimp_status (*open)(skimpi_reader **out, skimp_budget *budget, skimpi_input *input,
                         const skimpi_reader_options *options, skimpi_schema **schema, skimpi_sample *sample,
                         skimp_error *error);
    /*
     * Opens a further file of the same data set: dialect and header must agree with the schema (names compared where
     * there is a header), else DATA naming the first column that differs.
     */
    skimp_status (*reopen)(skimpi_reader *reader, skimpi_input *input, const skimpi_schema *schema,
                           skimpi_sample *sample, skimp_error *error);
    void (*close)(skimpi_reader *reader);
    uint64_t (*unit_bytes)(
        const skimpi_reader *reader,
        const skimpi_schema
            *schema); /* text: bytes of a unit (file alone decides: from longest_row: 256 KiB … 8 MiB) */
    uint64_t (*unit_count)(const skimpi_reader *reader); /* binary: number of units */
    /* Units lie in several places of the file: the ingest copies an input that is not seekable to disk first (NULL: no). */
    bool (*is_scattered)(const skimpi_reader *reader);
    uint64_t (*data_start)(const skimpi_reader *reader); /* text: offset of the first row (after BOM and header) */
    uint64_t (*data_line)(const skimpi_reader *reader);  /* text: line number of the first row, from 1 */
    /* text: where the first row starts at or after `from` (or length when none is seen), guessing that `from` is outside quotes unless the text says otherwise */
    size_t (*find_start)(const skimpi_reader *reader, const char *text, size_t length, size_t from);
    /*
     * text: parses the unit's rows into raw (cleared first). *more: the last row does not end within length and the
     * input goes on: fetch more text and call again (from the unit's begin). Failures in the data go to raw->failure;
     * the status is for budget, cancel and internal failures.
     */
    skimp_status (*parse)(skimpi_reader *reader, const skimpi_schema *schema, const skimpi_unit *unit, skimpi_raw *raw,
                          bool *more, skimp_error *error);
    /*
     * binary, from a source of which the end is not known (NULL for others): takes what comes next, as unit `index`, one
     * caller at a time; read_unit then makes of it what raw is to hold, and is called for every unit that was taken.  raw was
     * cleared.  *got false: there is no more.
     */
    skimp_status (*take_unit)(skimpi_reader *reader, const skimpi_schema *schema, uint64_t index, skimpi_raw *raw,
                              bool *got, skimp_error *error);
    /* binary: reads unit `index` itself (pread, or in order) into raw */
    skimp_status (*read_unit)(skimpi_reader *reader, const skimpi_schema *schema, skimpi_input *input, uint64_t index,
                              skimpi_raw *raw, skimp_error *error);
} skimpi_reader_class;

extern const skimpi_reader_class skimpi_reader_csv; /* delimiter guessed; .tsv too */
extern const skimpi_reader_class skimpi_reader_svmlight;
extern const skimpi_reader_class skimpi_reader_npy;

/* By name ("csv", "tsv", "svmlight", "svm", "libsvm", "npy"; NULL or "auto": from the path, then the first bytes). */
SKIMP_CHECKED skimp_status skimpi_reader_find(const skimpi_reader_class **out, const char *format, skimpi_input *input,
                                              skimp_error *error);

#endif
