/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reader of batches.  Units are cut as chunks of arrays are, by rows (of CSR by where rows stand) and not by batches: so
 * what is learnt does not hang on how large those are.  A unit that lies in one batch is only noted when it is taken, and
 * made by the worker that took it, beside the others; one that begins in a batch and goes on in the next is copied while it
 * is taken, for the batch is gone after that.  The next batch is fetched when no worker is at this one any more.
 *
 * A text column's codes are of its batch.  What each category of a batch is in the dictionary is found out when a row first
 * has it, and kept (4 bytes a category, charged under "categories") once it is the same for all units.
 */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "data/arrays_internal.h"
#include "data/decimal.h"
#include "data/dictionary.h"
#include "data/distinct_count.h"

#define SAMPLE_ROWS 4096u
#define GUESSED_BATCHES 16u /* as many as the first, when no one says how many rows there are */
#define UNSET SKIMPI_CODE_MISSING

typedef struct batch_map { /* of a text column: what each category of the batch is; UNSET: not known yet */
    _Atomic uint32_t *codes;
    uint64_t capacity;
} batch_map;

typedef struct batches_reader {
    skimp_budget *budget;
    skimpi_arrays *arrays;
    const skimpi_reader_options *options;
    skimpi_arrays_survey_columns survey;
    uint32_t unit_rows; /* of a table; sparse: about */
    uint64_t expected_rows;
    batch_map *maps; /* per category slot, then of the target; NULL until the first unit */
    uint32_t n_maps;
    uint64_t at;       /* the batch's row that comes next */
    uint64_t position; /* sparse: where it stands */
    bool at_end;
    pthread_mutex_t lock;
    pthread_cond_t is_idle;
    unsigned n_busy;                /* workers that make units of this batch */
    _Atomic uint64_t most_nonzeros; /* of a unit, indices that repeat counted */
} batches_reader;

static void batches_close(skimpi_reader *opaque)
{
    batches_reader *reader = (batches_reader *)opaque;
    if (reader == NULL) {
        return;
    }
    skimp_budget *budget = reader->budget;
    for (uint32_t i = 0; reader->maps != NULL && i < reader->n_maps; i++) {
        skimp_free(budget, SKIMP_TAG_CATEGORIES, reader->maps[i].codes, reader->maps[i].capacity, sizeof(uint32_t));
    }
    skimp_free(budget, SKIMP_TAG_INPUT, reader->maps, reader->n_maps, sizeof *reader->maps);
    skimpi_arrays_survey_end(&reader->survey, budget);
    pthread_cond_destroy(&reader->is_idle);
    pthread_mutex_destroy(&reader->lock);
    skimp_free(budget, SKIMP_TAG_INPUT, reader, 1, sizeof *reader);
}

/* ---- what the first batch says of all ------------------------------------------------------------------------------- */

/* Values of a column, some from each quarter of the batch: their digits and how many are distinct. */
static void look_at_numbers(batches_reader *reader, uint32_t c, const skimp_data_column *column, double *values)
{
    const uint64_t n_rows = reader->arrays->data->n_rows, part = SAMPLE_ROWS / 4;
    const bool is_whole = n_rows <= SAMPLE_ROWS;
    uint32_t n = 0;
    for (uint64_t i = 0; i < (is_whole ? 1 : 4); i++) {
        const uint32_t count = (uint32_t)(is_whole ? n_rows : part);
        skimpi_gather_f64(column, is_whole ? 0 : n_rows / 4 * i, count, values + n);
        n += count;
    }
    skimpi_column_scan scan;
    skimpi_distinct distinct = { { 0 } };
    unsigned digits = 0;
    skimpi_column_scan_run(values, n, &scan);
    scan.constant = false; /* it may not be so in the next batch */
    const skimpi_chunk_column encoded = skimpi_encoding_choose(&scan, false);
    skimpi_decoded_size_expect(&scan, &reader->survey.decoded[c].memory, &reader->survey.decoded[c].file);
    for (uint32_t i = 0; i < n; i++) {
        if (!isnan(values[i])) {
            skimpi_distinct_note(&distinct, values[i]);
            digits = skimpi_decimal_digits(values[i], digits);
        }
    }
    reader->survey.numeric_bytes[c] = encoded.encoding == SKIMPI_ENC_F32
                                          ? skimpi_decimal_expect(&scan, digits)
                                          : (double)skimpi_encoding_width(encoded.encoding);
    reader->survey.distinct[c] = skimpi_distinct_count(&distinct);
}

/* How many categories to expect in all, from how often each comes in the batch. */
static skimp_status look_at_texts(batches_reader *reader, uint32_t c, const skimp_data_column *column, double *scratch,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint8_t *seen = NULL;
    uint32_t *codes = (uint32_t *)scratch;
    const uint64_t n_rows = reader->arrays->data->n_rows;
    double kinds = 0, once = 0, twice = 0, n = 0, bytes = 0;
    SKIMPI_TRY(skimp_alloc(reader->budget, SKIMP_TAG_INPUT, column->n_categories, 1, (void **)&seen, error));
    for (uint64_t first = 0; first < n_rows; first += SAMPLE_ROWS) {
        const uint32_t count = (uint32_t)skimpi_min_u64(n_rows - first, SAMPLE_ROWS);
        uint64_t bad = UINT64_MAX;
        skimpi_gather_codes(column, first, count, codes, &bad);
        for (uint32_t i = 0; i < count; i++) {
            if (codes[i] < SKIMPI_CODE_UNKNOWN) { /* what is wrong with others, reading will say */
                seen[codes[i]] += seen[codes[i]] < 3;
                n++;
            }
        }
    }
    for (uint64_t k = 0; k < column->n_categories; k++) {
        size_t length = 0;
        (void)skimpi_category_text(column, k, &length);
        kinds += seen[k] > 0;
        once += seen[k] == 1;
        twice += seen[k] == 2;
        bytes += seen[k] > 0 ? (double)length : 0;
    }
    const double share = n / (double)skimpi_max_u64(n_rows, 1), total = (double)reader->expected_rows * share;
    double expected = kinds;
    if (total > n) {
        /* The estimate is from below (kinds are not equally frequent), and the rarest may not show at all. */
        expected = kinds + 2 * (skimpi_distinct_expect(kinds, once, twice, n, total) - kinds) + 1 + sqrt(kinds);
        expected = fmin(expected, total);
    }
    reader->survey.categories[c] = (uint32_t)fmin(fmax(expected, 1), SKIMPI_MAX_CATEGORIES);
    reader->survey.category_bytes[c] = kinds > 0 ? bytes / kinds : 0;
    reader->survey.distinct[c] = (uint32_t)kinds;
out:
    skimp_free(reader->budget, SKIMP_TAG_INPUT, seen, column->n_categories, 1);
    return status;
}

static skimp_status look_at_first(batches_reader *reader, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_arrays *arrays = reader->arrays;
    void *block = NULL;
    if (arrays->data->n_rows == 0 || arrays->schema->sparse) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimp_alloc(reader->budget, SKIMP_TAG_INPUT, SAMPLE_ROWS, sizeof(double), &block, error));
    for (uint32_t c = 0; c < arrays->schema->n_columns; c++) {
        const skimp_data_column column = skimpi_arrays_column(arrays, c);
        if (skimpi_is_category(&column)) {
            SKIMPI_TRY(look_at_texts(reader, c, &column, block, error));
        } else {
            look_at_numbers(reader, c, &column, block);
        }
    }
out:
    skimp_free(reader->budget, SKIMP_TAG_INPUT, block, SAMPLE_ROWS, sizeof(double));
    return status;
}

/* Rows of a unit of CSR: what stands within its span, if all rows are like those of the batch. */
static uint32_t sparse_rows(double mean)
{
    const double rows = SKIMPI_ARRAYS_CHUNK_SPAN / (SKIMPI_ARRAYS_ROW_SPAN + mean) * 1.12 + 16;
    return (uint32_t)fmin(rows, SKIMPI_ARRAYS_CHUNK_SPAN / SKIMPI_ARRAYS_ROW_SPAN + 1);
}

static void describe(const batches_reader *reader, skimpi_sample *sample)
{
    const skimpi_arrays *arrays = reader->arrays;
    const uint64_t n_rows = arrays->data->n_rows;
    const bool is_sparse = arrays->schema->sparse, is_told = arrays->source->n_rows > 0;
    const double mean = (double)arrays->nonzeros / (double)skimpi_max_u64(n_rows, 1);
    const double row_bytes = (double)skimpi_arrays_bytes(arrays) / (double)skimpi_max_u64(n_rows, 1);
    *sample = (skimpi_sample){
        .text_bytes = is_told ? (uint64_t)((double)reader->expected_rows * row_bytes) : UINT64_MAX,
        .unknown_rows = !is_told,
        .n_rows = reader->expected_rows,
        .row_bytes = 1, /* units are measured in rows */
        .nonzeros_per_row = mean,
        .n_sparse_features = is_sparse ? arrays->data->n_columns : 0,
        .categories = reader->survey.categories,
        .category_bytes = reader->survey.category_bytes,
        .numeric_bytes = reader->survey.numeric_bytes,
        .decoded = reader->survey.decoded,
        .distinct = is_sparse ? NULL : reader->survey.distinct,
        .target_bytes = sizeof(double),
    };
}

skimp_status skimpi_batches_reader(skimpi_reader **out, skimpi_arrays *arrays, const skimpi_reader_options *options,
                                   skimpi_sample *sample, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    batches_reader *reader = NULL;
    const uint64_t n_rows = arrays->data->n_rows;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(arrays->budget, SKIMP_TAG_INPUT, 1, sizeof *reader, (void **)&reader, error));
    reader->budget = arrays->budget;
    reader->arrays = arrays;
    reader->options = options;
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->is_idle, NULL);
    reader->expected_rows =
        arrays->source->n_rows > 0 ? arrays->source->n_rows : skimpi_max_u64(GUESSED_BATCHES * n_rows, 1);
    reader->unit_rows = arrays->schema->sparse
                            ? sparse_rows((double)arrays->nonzeros / (double)skimpi_max_u64(n_rows, 1))
                            : arrays->chunk_rows;
    SKIMPI_TRY(skimpi_arrays_survey_begin(&reader->survey, arrays, error));
    SKIMPI_TRY(look_at_first(reader, error));
    describe(reader, sample);
    if (arrays->schema->sparse) {
        skimpi_batches_allow_any(arrays);
    }
    *out = (skimpi_reader *)reader;
out:
    if (status != SKIMP_OK) {
        batches_close((skimpi_reader *)reader);
    }
    return status;
}

static uint64_t batches_unit_bytes(const skimpi_reader *opaque, const skimpi_schema *schema)
{
    (void)schema;
    return ((const batches_reader *)opaque)->unit_rows;
}

static uint64_t batches_unit_count(const skimpi_reader *opaque)
{
    const batches_reader *reader = (const batches_reader *)opaque;
    return (reader->expected_rows - 1) / reader->unit_rows + 1;
}

/* ---- texts ---------------------------------------------------------------------------------------------------------- */

/* Nothing is known of a batch's categories yet. */
static skimp_status begin_map(batches_reader *reader, batch_map *map, uint64_t n, skimp_error *error)
{
    if (n > map->capacity) {
        skimp_free(reader->budget, SKIMP_TAG_CATEGORIES, map->codes, map->capacity, sizeof(uint32_t));
        map->codes = NULL;
        map->capacity = 0;
        void *block = NULL;
        const skimp_status status =
            skimp_alloc(reader->budget, SKIMP_TAG_CATEGORIES, n, sizeof(uint32_t), &block, error);
        if (status != SKIMP_OK) {
            return status;
        }
        map->codes = block;
        map->capacity = n;
    }
    for (uint64_t k = 0; k < n; k++) {
        atomic_store_explicit(&map->codes[k], UNSET, memory_order_relaxed);
    }
    return SKIMP_OK;
}

static skimp_status begin_batch(batches_reader *reader, const skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_arrays *arrays = reader->arrays;
    if (reader->maps == NULL) {
        void *block = NULL;
        const uint32_t n = schema->n_category + 1;
        SKIMPI_TRY(skimp_alloc(reader->budget, SKIMP_TAG_INPUT, n, sizeof *reader->maps, &block, error));
        reader->maps = block;
        reader->n_maps = n;
    }
    skimpi_arrays_rebind(arrays);
    for (uint32_t slot = 0; slot < schema->n_category; slot++) {
        const skimp_data_column column = skimpi_arrays_column(arrays, schema->category[slot]);
        SKIMPI_TRY(begin_map(reader, &reader->maps[slot], column.n_categories, error));
    }
    if (arrays->target.values != NULL && skimpi_is_category(&arrays->target)) {
        SKIMPI_TRY(begin_map(reader, &reader->maps[schema->n_category], arrays->target.n_categories, error));
    }
    reader->at = 0;
out:
    return status;
}

static const char *slot_name(const skimpi_schema *schema, uint32_t slot)
{
    return slot < schema->n_category ? schema->columns[schema->category[slot]].name
           : schema->sparse          ? "target"
                                     : schema->columns[schema->target].name;
}

/* What category k of a column is: of features a code, of a text target that too, or what it compares to. */
static skimp_status find_code(const batches_reader *reader, const skimpi_schema *schema, uint32_t slot,
                              const skimp_data_column *column, uint32_t k, skimpi_raw *raw, uint32_t *code,
                              skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    batch_map *map = &reader->maps[slot];
    *code = atomic_load_explicit(&map->codes[k], memory_order_relaxed);
    if (*code != UNSET) {
        return SKIMP_OK;
    }
    size_t length = 0;
    const char *text = skimpi_category_text(column, k, &length), *name = slot_name(schema, slot);
    const bool is_target = slot == schema->n_category;
    if (memchr(text, '\0', length) != NULL) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name,
                                  "a category of the batch that begins with row %llu has a NUL in its text",
                                  (unsigned long long)reader->arrays->rows_before));
    }
    if (!is_target && schema->hash_bits > 0) {
        *code =
            skimpi_dictionary_hash_code(skimpi_dictionary_hash(name, strlen(name)), text, length, schema->hash_bits);
    } else if (is_target && schema->comparison_text != NULL) {
        const bool is_equal =
            strlen(schema->comparison_text) == length && memcmp(schema->comparison_text, text, length) == 0;
        *code = is_equal == (schema->comparison == SKIMPI_CMP_EQ);
    } else {
        const bool is_fixed = reader->options->fixed_categories && !(is_target && reader->options->target_grows);
        SKIMPI_TRY(skimpi_raw_code(raw, schema, slot, text, length, is_fixed, code, error));
    }
    /* What is new is numbered by this unit alone, until its turn has come. */
    if (*code < SKIMPI_CODE_FRESH || *code == SKIMPI_CODE_UNKNOWN) {
        atomic_store_explicit(&map->codes[k], *code, memory_order_relaxed);
    }
out:
    return status;
}

/* Codes of rows first … first + n - 1 of a column: to `codes`, or as targets (NaN: missing) to `target`. */
static skimp_status make_codes(const batches_reader *reader, const skimpi_schema *schema, uint32_t slot,
                               const skimp_data_column *column, uint64_t first, uint32_t n, skimpi_raw *raw,
                               uint32_t *codes, double *target, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint32_t block[SKIMPI_ARRAYS_BLOCK_ROWS];
    for (uint32_t at = 0; at < n; at += SKIMPI_ARRAYS_BLOCK_ROWS) {
        const uint32_t count = n - at < SKIMPI_ARRAYS_BLOCK_ROWS ? n - at : SKIMPI_ARRAYS_BLOCK_ROWS;
        uint64_t bad;
        skimpi_gather_codes(column, first + at, count, block, &bad);
        if (bad != UINT64_MAX) {
            SKIMPI_TRY(skimpi_arrays_bad_code(reader->arrays, column, bad, slot_name(schema, slot), error));
        }
        for (uint32_t i = 0; i < count; i++) {
            uint32_t code = block[i];
            if (code != SKIMPI_CODE_MISSING) {
                SKIMPI_TRY(find_code(reader, schema, slot, column, code, raw, &code, error));
            }
            if (target != NULL) {
                target[at + i] = code == SKIMPI_CODE_MISSING ? (double)NAN : (double)code;
            } else {
                codes[at + i] = code;
            }
        }
    }
out:
    return status;
}

/* ---- units ---------------------------------------------------------------------------------------------------------- */

static uint64_t indptr_at(const skimp_data *data, uint64_t row)
{
    int64_t wide;
    int32_t narrow;
    if (data->indptr_dtype == SKIMP_DTYPE_I64) {
        memcpy(&wide, (const char *)data->indptr + row * sizeof wide, sizeof wide);
        return (uint64_t)wide;
    }
    memcpy(&narrow, (const char *)data->indptr + row * sizeof narrow, sizeof narrow);
    return (uint64_t)narrow;
}

/*
 * Rows of the batch, from the next one on, that belong to the unit of which `have` rows are there.  *ends: the unit ends
 * with them, and does not go on in the next batch.
 */
static uint32_t rows_of_unit(const batches_reader *reader, const skimpi_schema *schema, uint32_t have, uint64_t span,
                             bool *ends)
{
    const skimp_data *data = reader->arrays->data;
    const uint64_t left = data->n_rows - reader->at;
    if (!schema->sparse) {
        const uint32_t wanted = reader->unit_rows - have;
        *ends = left >= wanted;
        return *ends ? wanted : (uint32_t)left;
    }
    const uint64_t from = indptr_at(data, reader->at);
    uint32_t n = 0;
    *ends = false;
    while (n < left && !*ends) {
        const uint64_t place =
            reader->position + indptr_at(data, reader->at + n) - from + (uint64_t)SKIMPI_ARRAYS_ROW_SPAN * n;
        *ends = place / SKIMPI_ARRAYS_CHUNK_SPAN != span;
        n += !*ends;
    }
    return n;
}

/* Rows of the batch, appended to raw. */
static skimp_status make_rows(const batches_reader *reader, const skimpi_schema *schema, uint64_t first, uint32_t n,
                              skimpi_raw *raw, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_arrays *arrays = reader->arrays;
    const skimp_data *data = arrays->data;
    const uint32_t to = raw->n_rows;
    uint64_t nonzeros = 0;
    if (schema->sparse) {
        nonzeros = raw->nonzeros + indptr_at(data, first + n) - indptr_at(data, first);
        if (nonzeros >= UINT32_MAX) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "a row has 2^32 - 1 non-zeros or so: there can be less"));
        }
    }
    SKIMPI_TRY(skimpi_raw_reserve(raw, schema, to + n, nonzeros, error));
    if (schema->sparse) {
        SKIMPI_TRY(skimpi_arrays_raw_csr(arrays, first, n, raw, to, error));
        raw->largest_index = data->n_columns;
    } else {
        skimpi_arrays_raw_numbers(arrays, first, n, raw, to);
    }
    for (uint32_t slot = 0; slot < schema->n_category; slot++) {
        const skimp_data_column column = skimpi_arrays_column(arrays, schema->category[slot]);
        SKIMPI_TRY(make_codes(reader, schema, slot, &column, first, n, raw,
                              raw->codes + (size_t)slot * raw->capacity + to, NULL, error));
    }
    if (raw->target != NULL && skimpi_is_category(&arrays->target)) {
        SKIMPI_TRY(make_codes(reader, schema, schema->n_category, &arrays->target, first, n, raw, NULL,
                              raw->target + to, error));
    } else if (raw->target != NULL) {
        skimpi_gather_f64(&arrays->target, first, n, raw->target + to);
        for (uint32_t i = to; i < to + n; i++) {
            raw->target[i] = skimpi_schema_compare(schema, raw->target[i]);
        }
    }
    if (raw->weight != NULL) {
        skimpi_gather_f64(&arrays->weight, first, n, raw->weight + to);
    }
    raw->n_rows = to + n;
    raw->nonzeros = nonzeros;
out:
    return status;
}

static void note_nonzeros(batches_reader *reader, uint64_t nonzeros)
{
    uint64_t most = atomic_load(&reader->most_nonzeros);
    while (nonzeros > most && !atomic_compare_exchange_weak(&reader->most_nonzeros, &most, nonzeros)) {}
}

uint64_t skimpi_batches_nonzeros(const skimpi_reader *reader)
{
    return atomic_load(&((const batches_reader *)reader)->most_nonzeros);
}

/* The next batch, once no one is at this one. */
static skimp_status next_batch(batches_reader *reader, const skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    pthread_mutex_lock(&reader->lock);
    while (reader->n_busy > 0) {
        pthread_cond_wait(&reader->is_idle, &reader->lock);
    }
    pthread_mutex_unlock(&reader->lock);
    SKIMPI_TRY(skimpi_batches_next(reader->arrays, &reader->at_end, error));
    reader->at = 0;
    if (!reader->at_end) {
        SKIMPI_TRY(begin_batch(reader, schema, error));
    }
out:
    return status;
}

static void go_on(batches_reader *reader, const skimpi_schema *schema, uint32_t n)
{
    const skimp_data *data = reader->arrays->data;
    if (schema->sparse) {
        reader->position += indptr_at(data, reader->at + n) - indptr_at(data, reader->at);
        reader->position += (uint64_t)SKIMPI_ARRAYS_ROW_SPAN * n;
    }
    reader->at += n;
}

skimp_status skimpi_batches_take(skimpi_reader *opaque, const skimpi_schema *schema, skimpi_raw *raw, bool skip,
                                 uint32_t *n_rows, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    batches_reader *reader = (batches_reader *)opaque;
    const uint64_t span = reader->position / SKIMPI_ARRAYS_CHUNK_SPAN;
    bool ends = false;
    *n_rows = 0;
    raw->piece_rows = 0;
    while (!ends) {
        if (reader->at == reader->arrays->data->n_rows) {
            if (!reader->at_end) {
                SKIMPI_TRY(next_batch(reader, schema, error));
            }
            if (reader->at_end) {
                break;
            }
            continue;
        }
        const uint32_t n = rows_of_unit(reader, schema, *n_rows, span, &ends);
        if (skip) {
            /* of rows that no one wants nothing is made */
        } else if (*n_rows == 0 && ends) {
            raw->piece = reader->at;
            raw->piece_rows = n;
            pthread_mutex_lock(&reader->lock);
            reader->n_busy++;
            pthread_mutex_unlock(&reader->lock);
        } else {
            SKIMPI_TRY(make_rows(reader, schema, reader->at, n, raw, error));
        }
        go_on(reader, schema, n);
        *n_rows += n;
    }
out:
    return status;
}

static skimp_status batches_take_unit(skimpi_reader *opaque, const skimpi_schema *schema, uint64_t index,
                                      skimpi_raw *raw, bool *got, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint32_t n_rows = 0;
    if (index == 0) {
        SKIMPI_TRY(begin_batch((batches_reader *)opaque, schema, error));
    }
    SKIMPI_TRY(skimpi_batches_take(opaque, schema, raw, false, &n_rows, error));
    *got = n_rows > 0;
out:
    return status;
}

skimp_status skimpi_batches_again(skimpi_reader *opaque, const skimpi_schema *schema, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    batches_reader *reader = (batches_reader *)opaque;
    reader->at = reader->position = 0;
    reader->at_end = false;
    SKIMPI_TRY(skimpi_batches_rewind(reader->arrays, error));
    SKIMPI_TRY(next_batch(reader, schema, error));
out:
    return status;
}

static skimp_status batches_read_unit(skimpi_reader *opaque, const skimpi_schema *schema, skimpi_input *input,
                                      uint64_t index, skimpi_raw *raw, skimp_error *error)
{
    batches_reader *reader = (batches_reader *)opaque;
    skimp_status status = SKIMP_OK;
    (void)input;
    (void)index;
    if (raw->piece_rows > 0) {
        status = make_rows(reader, schema, raw->piece, raw->piece_rows, raw, error);
        pthread_mutex_lock(&reader->lock);
        if (--reader->n_busy == 0) {
            pthread_cond_signal(&reader->is_idle);
        }
        pthread_mutex_unlock(&reader->lock);
        SKIMPI_TRY(status);
    }
    if (schema->sparse) {
        note_nonzeros(reader, raw->nonzeros);
        skimpi_arrays_raw_distinct(raw);
    }
    raw->lines = raw->n_rows;
    if (reader->options->on_missing == SKIMPI_MISSING_DROP) {
        skimpi_arrays_drop_missing(reader->options, schema, raw);
    }
out:
    return status;
}

const skimpi_reader_class skimpi_reader_batches = {
    .name = "batches",
    .is_text = false,
    .close = batches_close,
    .unit_bytes = batches_unit_bytes,
    .unit_count = batches_unit_count,
    .take_unit = batches_take_unit,
    .read_unit = batches_read_unit,
};
