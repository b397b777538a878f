/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reader of svmlight (libsvm) text:   label [qid:n] index:value … # comment
 *
 * As scikit-learn's load_svmlight_file reads it, and more: indices of 63 bits, in any order (they are sorted; one that
 * comes twice is an error), values inf and nan (missing), any white space, CRLF, a last line without an end.  Lines that
 * are blank or only a comment are no rows.  Zeros that are written are kept: they count as non-zeros, as they do there.
 * A query number is checked and left out.  Several labels ("1,2") are refused.
 *
 * Speed: one walk over the text.  An index and the digits behind a decimal point are read eight bytes at a time: the
 * place of the first byte that is no digit gives the count, a shift aligns the digits, three multiplications add them
 * up.  A value of at most 16 digits and under 2^53 is an exact integer divided by an exact power of ten, so that it is
 * rounded once and correctly; all others go to skimpi_number_parse.  Where the next pair begins is told by the space
 * before it, not by the end of that work, so that the processor works on several pairs at once.
 */
#include "data/svmlight.h"

#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "data/number.h"
#include "data/number_internal.h"

#define UNIT_LEAST (256u << 10)
#define UNIT_MOST (8u << 20)
#define ROWS_A_UNIT 4u /* a unit holds at least so many of the longest row */
#define FAST_BYTES 32u /* the fast path reads no further than this beyond where it starts */
#define LARGEST_INDEX ((uint64_t)INT64_MAX)
#define FEW 24u /* rows of fewer values are sorted by insertion */

/* ---- numbers, fast -------------------------------------------------------------------------------------------- */

/* The high bit is set in the first byte that is no digit (and perhaps in bytes after it, never before). */
static inline uint64_t no_digits(uint64_t word)
{
    word ^= 0x3030303030303030;
    return ((word + 0x7676767676767676) | word) & 0x8080808080808080;
}

/* The value of the first n (1 … 8) bytes, which are digits. */
static inline uint64_t digits_value(uint64_t word, unsigned n)
{
    word = (word & 0x0f0f0f0f0f0f0f0f) << (64 - 8 * n);
    word = word * 10 + (word >> 8);
    return ((word & 0x000000ff000000ff) * 0x000f424000000064 +
            ((word >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
           32;
}

static const uint64_t powers_of_ten[9] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000 };

/* The fraction's digits at p after an integer part; the byte after them, or NULL when the general way must be taken. */
static inline const char *fraction(const char *p, uint64_t whole, double *value)
{
    uint64_t word = skimpi_load_eight(p);
    uint64_t ends = no_digits(word);
    if (ends != 0) {
        unsigned n = (unsigned)__builtin_ctzll(ends) / 8;
        if (n == 0) {
            return NULL;
        }
        *value = (double)(whole * powers_of_ten[n] + digits_value(word, n)) / skimpi_exact_powers_of_ten[n];
        return p + n;
    }
    uint64_t digits = whole * powers_of_ten[8] + digits_value(word, 8);
    word = skimpi_load_eight(p + 8);
    ends = no_digits(word);
    if (ends == 0) {
        return NULL;
    }
    unsigned n = (unsigned)__builtin_ctzll(ends) / 8;
    if (n > 0) {
        digits = digits * powers_of_ten[n] + digits_value(word, n);
    }
    if (digits > (uint64_t)1 << 53) {
        return NULL;
    }
    *value = (double)digits / skimpi_exact_powers_of_ten[8 + n];
    return p + 8 + n;
}

static inline bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\n');
}

/* Space, tab, line feed or carriage return. */
static inline bool is_usual_end(char c)
{
    return (unsigned char)c <= ' ' && (((uint64_t)1 << ' ' | 1u << '\t' | 1u << '\n' | 1u << '\r') >> c & 1) != 0;
}

/*
 * Where the pair at p ends: its first byte that is a space or a control character, among FAST_BYTES; NULL when there is
 * none.  It is found without reading the numbers, so that the next pair can begin while they are still worked out:
 * otherwise each pair would wait for the one before it.
 */
static inline const char *pair_end(const char *p)
{
#if defined(__SSE2__)
    const __m128i space = _mm_set1_epi8(' ');
    __m128i low = _mm_loadu_si128((const __m128i *)p), high = _mm_loadu_si128((const __m128i *)(p + 16));
    low = _mm_cmpeq_epi8(_mm_min_epu8(low, space), low);
    high = _mm_cmpeq_epi8(_mm_min_epu8(high, space), high);
    uint32_t ends = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
    return ends != 0 ? p + __builtin_ctz(ends) : NULL;
#else
    for (unsigned i = 0; i < FAST_BYTES; i += 8) {
        /* A high bit where a byte is under '!' (perhaps in bytes after the first such one too). */
        uint64_t word = skimpi_load_eight(p + i);
        uint64_t ends = (word - 0x2121212121212121) & ~word & 0x8080808080808080;
        if (ends != 0) {
            return p + i + __builtin_ctzll(ends) / 8;
        }
    }
    return NULL;
#endif
}

/* Reads the pair from p to `end` in the forms that are usual. False: the general way must be taken. */
static inline bool usual_pair(const char *p, const char *end, uint64_t *index, double *value)
{
    uint64_t word = skimpi_load_eight(p);
    uint64_t ends = no_digits(word);
    if (ends == 0) {
        return false;
    }
    unsigned n = (unsigned)__builtin_ctzll(ends) / 8;
    if (n == 0 || p[n] != ':') {
        return false;
    }
    *index = digits_value(word, n);
    p += n + 1;
    bool negative = *p == '-';
    if (negative) {
        p++;
    }
    if (p[1] == '.' && (unsigned char)(*p - '0') < 10) {
        p = fraction(p + 2, (unsigned char)(*p - '0'), value);
    } else {
        word = skimpi_load_eight(p);
        ends = no_digits(word);
        n = ends != 0 ? (unsigned)__builtin_ctzll(ends) / 8 : 0;
        if (n == 0) {
            return false;
        }
        uint64_t whole = digits_value(word, n);
        if (p[n] == '.' && n < 5) { /* 32 bytes are enough for 7 + 2 + 5 + 16 and what ends them */
            p = fraction(p + n + 1, whole, value);
        } else {
            *value = (double)whole;
            p += n;
        }
    }
    if (p != end || !is_usual_end(*end)) {
        return false;
    }
    if (negative) {
        *value = -*value;
    }
    return true;
}

/* ---- rows, in general ----------------------------------------------------------------------------------------- */

typedef enum bad_row {
    ROW_GOOD,
    BAD_NO_LABEL,
    BAD_LABEL,
    BAD_LABELS,
    BAD_QUERY,
    BAD_PAIR,
    BAD_VALUE,
    BAD_INDEX_ZERO,
    BAD_INDEX_WIDE,
    BAD_INDEX_LARGE,
    BAD_INDEX_TWICE
} bad_row;

static const char *skip_blanks(const char *p, const char *stop)
{
    while (p < stop && is_blank(*p)) {
        p++;
    }
    return p;
}

static const char *line_end(const char *p, const char *stop)
{
    const char *end = memchr(p, '\n', (size_t)(stop - p));
    return end != NULL ? end : stop;
}

/* The end of what stands at p without a blank. */
static const char *token_end(const char *p, const char *stop)
{
    while (p < stop && !is_blank(*p) && *p != '\n' && *p != '#') {
        p++;
    }
    return p;
}

/* Reads one whole number; NULL when the token is none. */
static const char *whole_number(const char *p, const char *stop, double *value)
{
    double number;
    const char *end = skimpi_number_parse(p, stop, &number);
    if (end == NULL || end != token_end(p, stop)) {
        return NULL;
    }
    *value = number;
    return end;
}

/* Any index:value. What is wrong with it is told with *at where it starts. */
static bad_row any_pair(const char **at, const char *stop, uint64_t *index, double *value)
{
    const char *p = *at;
    uint64_t n = 0;
    bool large = false;
    while (p < stop && *p >= '0' && *p <= '9') {
        unsigned digit = (unsigned)(*p++ - '0');
        large = large || n > (LARGEST_INDEX - digit) / 10;
        n = n * 10 + digit;
    }
    if (p == *at || p == stop || *p != ':') {
        return BAD_PAIR;
    }
    if (large) {
        return BAD_INDEX_LARGE;
    }
    p = whole_number(p + 1, stop, value);
    if (p == NULL) {
        return BAD_VALUE;
    }
    *index = n;
    *at = p;
    return ROW_GOOD;
}

/*
 * The label and a query number, at the first byte that is not blank. *at is left behind them, or at what is wrong.
 * Where no label is wanted there may be several or none, but not a word: that is no svmlight text.
 */
static bad_row label_of(const skimpi_svmlight *reader, bool wanted, const char **at, const char *stop, double *label)
{
    const char *p = *at;
    const char *end = whole_number(p, stop, label);
    bool absent = false;
    if (end == NULL) {
        bool any = !wanted || reader->sampling;
        *label = __builtin_nan("");
        end = token_end(p, stop);
        absent = memchr(p, ':', (size_t)(end - p)) != NULL;
        bool several = (*p == '-' || *p == '+' || *p == '.' || (*p >= '0' && *p <= '9')) &&
                       memchr(p, ',', (size_t)(end - p)) != NULL;
        if (absent ? !any && !reader->options->target_optional : !any || !several) {
            return absent ? BAD_NO_LABEL : several ? BAD_LABELS : BAD_LABEL;
        }
    }
    *at = p = absent ? p : skip_blanks(end, stop);
    if (stop - p > 4 && memcmp(p, "qid:", 4) == 0) {
        end = token_end(p, stop);
        p += 4;
        p += p < end && *p == '-';
        if (p == end) {
            return BAD_QUERY;
        }
        for (; p < end; p++) {
            if (*p < '0' || *p > '9') {
                return BAD_QUERY;
            }
        }
        *at = end;
    }
    return ROW_GOOD;
}

static void refuse(const skimpi_svmlight *reader, const skimpi_schema *schema, skimpi_raw *raw, bad_row why,
                   const char *at, const char *stop, uint64_t index)
{
    char token[48];
    size_t length = (size_t)(token_end(at, stop) - at);
    bool cut = length > sizeof(token) - 4;
    length = cut ? sizeof(token) - 4 : length;
    memcpy(token, at, length);
    memcpy(token + length, cut ? "..." : "", cut ? 4 : 1);
    for (size_t i = 0; i < length; i++) {
        token[i] = (unsigned char)token[i] >= 0x80 || token[i] < ' ' ? '?' : token[i];
    }
    bool told = reader->options->zero_based >= 0;
    skimp_error *failure = &raw->failure;
    skimp_status status = SKIMP_OK;
    switch (why) {
    case ROW_GOOD:
        return;
    case BAD_NO_LABEL:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA, "the row has no label: it begins with '%s'", token);
        break;
    case BAD_LABEL:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA, "the label '%s' is not a number", token);
        break;
    case BAD_LABELS:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA,
                             "the row has several labels ('%s'): one for each row is expected", token);
        break;
    case BAD_QUERY:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA, "'%s' is not qid: and a whole number", token);
        break;
    case BAD_PAIR:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA, "'%s' is not index:value", token);
        break;
    case BAD_VALUE:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA, "the value in '%s' is not a number", token);
        break;
    case BAD_INDEX_ZERO:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA,
                             told ? "the index 0 in '%s': indices start at 1, as --zero-based false says"
                                  : "the index 0 in '%s': indices were taken to start at 1, as the sample has no 0; "
                                    "say --zero-based true",
                             token);
        break;
    case BAD_INDEX_WIDE:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA,
                             "the index in '%s' needs 64 bits, which the sample did not show; say --index64", token);
        break;
    case BAD_INDEX_LARGE:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA, "the index in '%s' is over 2^63 - 1", token);
        break;
    case BAD_INDEX_TWICE:
        status = skimpi_fail(failure, SKIMP_ERROR_DATA, "the index %llu comes twice in the row",
                             (unsigned long long)(index + !schema->zero_based));
        break;
    }
    (void)status; /* the failure is kept until the unit's turn comes */
    raw->failure.row = raw->lines;
}

/* ---- sorting a row -------------------------------------------------------------------------------------------- */

/* The pairs of one row: indices of either width beside their values. */
typedef struct pairs {
    uint32_t *narrow;
    uint64_t *wide;
    double *values;
} pairs;

static inline uint64_t pair_index(const pairs *row, size_t i)
{
    return row->wide != NULL ? row->wide[i] : row->narrow[i];
}

static inline void pair_set(const pairs *row, size_t i, uint64_t index, double value)
{
    if (row->wide != NULL) {
        row->wide[i] = index;
    } else {
        row->narrow[i] = (uint32_t)index;
    }
    row->values[i] = value;
}

static void sift_down(const pairs *row, size_t hole, size_t n, uint64_t index, double value)
{
    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= n) {
            break;
        }
        child += child + 1 < n && pair_index(row, child + 1) > pair_index(row, child);
        if (pair_index(row, child) <= index) {
            break;
        }
        pair_set(row, hole, pair_index(row, child), row->values[child]);
        hole = child;
    }
    pair_set(row, hole, index, value);
}

/* In place and in n log n steps at worst: a row may be as long as the budget allows. */
static void sort_pairs(const pairs *row, size_t n)
{
    if (n <= FEW) {
        for (size_t i = 1; i < n; i++) {
            uint64_t index = pair_index(row, i);
            double value = row->values[i];
            size_t j = i;
            for (; j > 0 && pair_index(row, j - 1) > index; j--) {
                pair_set(row, j, pair_index(row, j - 1), row->values[j - 1]);
            }
            pair_set(row, j, index, value);
        }
        return;
    }
    for (size_t i = n / 2; i-- > 0;) {
        sift_down(row, i, n, pair_index(row, i), row->values[i]);
    }
    for (size_t i = n; i-- > 1;) {
        uint64_t index = pair_index(row, i);
        double value = row->values[i];
        pair_set(row, i, pair_index(row, 0), row->values[0]);
        sift_down(row, 0, i, index, value);
    }
}

/* Sorts the pairs from `first` on; false when an index comes twice (given in *index). */
static bool put_in_order(const skimpi_raw *raw, uint64_t first, uint64_t n, uint64_t *index)
{
    pairs row = {
        .narrow = raw->indices != NULL ? raw->indices + first : NULL,
        .wide = raw->indices64 != NULL ? raw->indices64 + first : NULL,
        .values = raw->values + first,
    };
    sort_pairs(&row, n - first);
    for (size_t i = 1; i < n - first; i++) {
        if (pair_index(&row, i) == pair_index(&row, i - 1)) {
            *index = pair_index(&row, i);
            return false;
        }
    }
    return true;
}

/* ---- parsing -------------------------------------------------------------------------------------------------- */

static skimp_status grow(skimpi_raw *raw, const skimpi_schema *schema, bool rows, bool nonzeros, skimp_error *error)
{
    uint64_t more_rows = raw->capacity + (rows ? raw->capacity / 2 + 64u : 0u);
    uint64_t more = raw->nonzero_capacity + (nonzeros ? raw->nonzero_capacity / 2 + 1024 : 0);
    if (more_rows > UINT32_MAX || more > UINT32_MAX) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "a row has more than 2^31 values");
    }
    return skimpi_raw_reserve(raw, schema, (uint32_t)more_rows, more, error);
}

static inline __attribute__((always_inline)) skimp_status parse_rows(const skimpi_svmlight *reader,
                                                                     const skimpi_schema *schema, const char *p,
                                                                     const char *stop, skimpi_raw *raw, const bool wide,
                                                                     skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t base = schema->zero_based ? 0 : 1;
    const bool wanted = schema->target >= 0;
    const uint8_t *may_miss = reader->options->may_miss;
    const skimpi_on_bad_row on_bad_row = reader->sampling ? reader->sampling_bad_row : reader->options->on_bad_row;
    const bool drop = reader->options->on_missing == SKIMPI_MISSING_DROP && !reader->sampling;
    const bool drop_values = drop && !(may_miss != NULL && may_miss[0] != 0);
    const bool drop_label = drop && wanted && !reader->options->target_optional;
    uint64_t n = raw->nonzeros;
    uint64_t most = base; /* 1 + largest index as written, at least base */
    while (p < stop) {
        uint64_t first = n;
        uint64_t next = base; /* the smallest index that keeps the row in order */
        uint64_t index = 0;
        double value;
        double label;
        bool disorder = false;
        bool missing = false;
        bad_row why = ROW_GOOD;
        p = skip_blanks(p, stop);
        if (p == stop) {
            break;
        }
        if (*p == '\n' || *p == '#') {
            p = line_end(p, stop);
            goto next_line;
        }
        why = label_of(reader, wanted, &p, stop, &label);
        while (why == ROW_GOOD) {
            if (p < stop && (*p == ' ' || *p == '\t')) {
                p++;
            }
            const char *after = (size_t)(stop - p) >= FAST_BYTES ? pair_end(p) : NULL;
            if (after == NULL || !usual_pair(p, after, &index, &value)) {
                p = skip_blanks(p, stop);
                if (p == stop || *p == '\n') {
                    break;
                }
                if (*p == '#') {
                    p = line_end(p, stop);
                    break;
                }
                after = p;
                why = any_pair(&after, stop, &index, &value);
                if (why != ROW_GOOD) {
                    break;
                }
                missing |= value != value;
            }
            if (index < next) {
                if (index < base) {
                    why = BAD_INDEX_ZERO;
                    break;
                }
                disorder = true;
            } else {
                next = index + 1;
            }
            index -= base;
            if (!wide && index > UINT32_MAX) {
                why = BAD_INDEX_WIDE;
                break;
            }
            if (n == raw->nonzero_capacity) {
                raw->nonzeros = n;
                SKIMPI_TRY(grow(raw, schema, false, true, error));
            }
            if (wide) {
                raw->indices64[n] = index;
            } else {
                raw->indices[n] = (uint32_t)index;
            }
            raw->values[n++] = value;
            p = after;
        }
        if (why == ROW_GOOD && disorder && !put_in_order(raw, first, n, &index)) {
            why = BAD_INDEX_TWICE;
        }
        if (why == ROW_GOOD && ((drop_values && missing) || (drop_label && label != label))) {
            raw->rows_missing++;
            n = first;
            goto next_line;
        }
        if (why != ROW_GOOD) {
            n = first;
            if (on_bad_row == SKIMPI_BAD_ROW_ERROR) {
                refuse(reader, schema, raw, why, p, stop, index);
                break;
            }
            if (raw->rows_bad++ == 0) {
                raw->first_bad_line = raw->lines + 1;
            }
            p = line_end(p, stop);
            goto next_line;
        }
        if (raw->n_rows == raw->capacity) {
            raw->nonzeros = n;
            SKIMPI_TRY(grow(raw, schema, true, false, error));
        }
        if (wanted) {
            raw->target[raw->n_rows] = skimpi_schema_compare(schema, label);
        }
        raw->row_end[raw->n_rows++] = (uint32_t)n;
        raw->nonzeros = n;
        most = skimpi_max_u64(most, next);
    next_line:
        if (p < stop) {
            p++;
            raw->lines++;
        }
    }
    raw->nonzeros = n;
    raw->largest_index = skimpi_max_u64(raw->largest_index, most - base);
out:
    return status;
}

skimp_status skimpi_svmlight_parse(const skimpi_svmlight *reader, const skimpi_schema *schema, const char *text,
                                   size_t length, skimpi_raw *raw, skimp_error *error)
{
    return schema->index64 ? parse_rows(reader, schema, text, text + length, raw, true, error)
                           : parse_rows(reader, schema, text, text + length, raw, false, error);
}

static skimp_status svmlight_parse(skimpi_reader *opaque, const skimpi_schema *schema, const skimpi_unit *unit,
                                   skimpi_raw *raw, bool *more, skimp_error *error)
{
    skimpi_raw_clear(raw);
    *more = false;
    raw->consumed = unit->begin;
    size_t end = unit->end < unit->length ? unit->end : unit->length;
    if (unit->begin >= end) {
        return SKIMP_OK;
    }
    /* The last row is the one that holds the byte before `end`. */
    const char *last = memchr(unit->text + end - 1, '\n', unit->length - (end - 1));
    if (last == NULL && !unit->is_last) {
        *more = true;
        return SKIMP_OK;
    }
    raw->consumed = last != NULL ? (size_t)(last + 1 - unit->text) : unit->length;
    return skimpi_svmlight_parse((const skimpi_svmlight *)opaque, schema, unit->text + unit->begin,
                                 raw->consumed - unit->begin, raw, error);
}

static size_t svmlight_find_start(const skimpi_reader *reader, const char *text, size_t length, size_t from)
{
    (void)reader;
    if (from == 0) {
        return 0;
    }
    if (from > length) {
        return length;
    }
    const char *end = memchr(text + from - 1, '\n', length - (from - 1));
    return end != NULL ? (size_t)(end + 1 - text) : length;
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

static void svmlight_close(skimpi_reader *opaque)
{
    skimpi_svmlight *reader = (skimpi_svmlight *)opaque;
    if (reader != NULL) {
        skimp_free(reader->budget, SKIMP_TAG_INPUT, reader, 1, sizeof *reader);
    }
}

static skimp_status svmlight_open(skimpi_reader **out, skimp_budget *budget, skimpi_input *input,
                                  const skimpi_reader_options *options, skimpi_schema **schema, skimpi_sample *sample,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_svmlight *reader = NULL;
    void *block;
    *out = NULL;
    *schema = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, 1, sizeof *reader, &block, error));
    reader = block;
    reader->budget = budget;
    reader->options = options;
    skimpi_svmlight_traits traits;
    SKIMPI_TRY(skimpi_svmlight_sample(reader, input, sample, &traits, error));
    reader->unit_bytes = UNIT_LEAST;
    while (reader->unit_bytes < UNIT_MOST && reader->unit_bytes < ROWS_A_UNIT * sample->longest_row) {
        reader->unit_bytes *= 2;
    }
    reader->data_start = traits.data_start;
    SKIMPI_TRY(skimpi_schema_create(schema, budget, 0, error));
    (*schema)->sparse = true;
    (*schema)->zero_based = options->zero_based >= 0 ? options->zero_based != 0 : traits.zero_seen;
    (*schema)->index64 = options->index64 || traits.largest > UINT32_MAX;
    sample->n_sparse_features = skimpi_max_u64(traits.largest + (*schema)->zero_based, 1);
    (*schema)->n_sparse_features = sample->n_sparse_features;
    *out = (skimpi_reader *)reader;
out:
    if (status != SKIMP_OK) {
        svmlight_close((skimpi_reader *)reader);
    }
    return status;
}

static skimp_status svmlight_reopen(skimpi_reader *opaque, skimpi_input *input, const skimpi_schema *schema,
                                    skimpi_sample *sample, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_svmlight *reader = (skimpi_svmlight *)opaque;
    skimpi_svmlight_traits traits;
    SKIMPI_TRY(skimpi_svmlight_sample(reader, input, sample, &traits, error));
    sample->n_sparse_features = skimpi_max_u64(traits.largest + schema->zero_based, 1);
    reader->data_start = traits.data_start;
out:
    return status;
}

static uint64_t svmlight_unit_bytes(const skimpi_reader *reader, const skimpi_schema *schema)
{
    (void)schema;
    return ((const skimpi_svmlight *)reader)->unit_bytes;
}

static uint64_t svmlight_data_start(const skimpi_reader *reader)
{
    return ((const skimpi_svmlight *)reader)->data_start;
}

static uint64_t svmlight_data_line(const skimpi_reader *reader)
{
    (void)reader;
    return 1;
}

const skimpi_reader_class skimpi_reader_svmlight = {
    .name = "svmlight",
    .is_text = true,
    .open = svmlight_open,
    .reopen = svmlight_reopen,
    .close = svmlight_close,
    .unit_bytes = svmlight_unit_bytes,
    .data_start = svmlight_data_start,
    .data_line = svmlight_data_line,
    .find_start = svmlight_find_start,
    .parse = svmlight_parse,
};
