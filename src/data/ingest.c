/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ingest.  For each unit of a file, a worker
 *
 *   fetches its bytes and some more (in parallel where the input is seekable, else in order under a lock),
 *   parses it, guessing where its first row starts;
 *   waits for the unit's turn, in which it has the guess checked (and the unit parsed again if it was wrong), its
 *   failure reported, its new categories entered, and its rows counted;
 *   then shows it to the observer and encodes it, waits for the chunk's turn to take its place in the store, and writes.
 *
 * Whatever fails before a unit's turn waits for that turn, so of failures in the data the first in the file is the one
 * that is reported, for any number of workers.
 *
 * A unit whose last row goes on beyond what was fetched is parsed again with more text: from a seekable input by reading
 * on; from a sequential one, where what follows is already another worker's, by leaving the unit's rows to the next unit,
 * which gets the text in its turn.  (That needs a quoted field with newlines inside that is longer than the margin: a
 * plain long row is seen, and fetched to its end, while the lock is held.)
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/ingest.h"
#include "data/number.h"

#define LEAST_MARGIN ((uint64_t)16 << 10)

typedef struct text_block { /* text of an input from offset `base` on */
    char *data;
    size_t capacity, length;
    uint64_t base;
} text_block;

typedef struct ingest_worker {
    text_block text;
    skimpi_raw raw;
    skimpi_encoder *encoder;
    uint64_t unit;
    uint64_t begin, end;  /* offsets of the unit */
    uint64_t guess;       /* offset of the row that was parsed first; UINT64_MAX: nothing was parsed */
    bool is_last;         /* the input ends with the text */
    bool more;            /* the last row goes on beyond the text */
    bool row_too_long;    /* what failed is memory for the text of one row */
    uint64_t bytes_taken; /* of the input, when the unit had been fetched */
    uint64_t line;        /* of the unit's first row, from its turn on */
    uint64_t chunk, first_row;
} ingest_worker;

typedef struct ingest {
    skimp_budget *budget;
    const skimpi_ingest_options *options;
    skimpi_ingest_result *result;
    unsigned n_workers;
    skimpi_turns *units, *chunks;

    /* of the file */
    const char *path;
    skimpi_input *input;
    bool is_text, seekable;
    uint64_t unit_bytes, margin, size, n_units;
    uint64_t bytes_before; /* of the files before */
    atomic_uint_fast64_t next_unit;

    /* sequential inputs: the one who fetches */
    pthread_mutex_t fetching;
    text_block carry; /* what was fetched for a unit and belongs to the next one too */
    bool at_end;      /* of the input, or of what can be had of it */

    /* the one whose turn it is */
    uint64_t row_start; /* offset where the next row really starts */
    uint64_t line;
    text_block left_over; /* text of rows that the unit before could not end */

    pthread_mutex_t failing;
    atomic_bool stop;
    uint64_t failed_unit;
    skimp_status status;
    skimp_error error;

    skimpi_encoder **encoders; /* of the workers; after them in this block */
    ingest_worker workers[];
} ingest;

static uint64_t own_bytes(unsigned workers)
{
    return sizeof(ingest) + workers * (sizeof(ingest_worker) + sizeof(skimpi_encoder *));
}

static uint64_t margin_of(uint64_t longest_row)
{
    uint64_t row = skimpi_min_u64(longest_row, UINT64_MAX / 4);
    return skimpi_max_u64(LEAST_MARGIN, (row + row / 4 + 4095) / 4096 * 4096);
}

/* One byte before the unit tells whether a row starts with the unit. */
static uint64_t text_bytes(uint64_t unit_bytes, uint64_t margin)
{
    return skimpi_add_sat(1 + SKIMPI_NUMBER_PADDING, skimpi_add_sat(unit_bytes, margin));
}

skimpi_ingest_cost skimpi_ingest_plan(const skimpi_schema *schema, uint64_t unit_bytes, uint64_t longest_row,
                                      uint32_t rows, uint64_t nonzeros, uint64_t encoded, unsigned workers,
                                      bool with_store)
{
    uint64_t margin = margin_of(longest_row);
    uint64_t parse = skimpi_raw_bytes(schema, rows, nonzeros);
    if (with_store) {
        parse = skimpi_add_sat(parse, skimpi_encoder_bytes(schema, rows, nonzeros, encoded));
    }
    skimpi_ingest_cost cost = { .parse = skimpi_mul_sat(workers, parse) };
    cost.parse = skimpi_add_sat(cost.parse, skimp_alloc_cost(own_bytes(workers)));
    if (unit_bytes != 0) {
        cost.input = skimpi_mul_sat(workers, skimp_alloc_cost(text_bytes(unit_bytes, margin)));
        cost.input = skimpi_add_sat(cost.input, skimp_alloc_cost(text_bytes(0, margin)));
    }
    return cost;
}

/* ---- failing ------------------------------------------------------------------------------------------------------- */

/* Keeps the failure of the lowest unit and stops everyone. */
static void fail_unit(ingest *in, uint64_t unit, skimp_status status, const skimp_error *error)
{
    pthread_mutex_lock(&in->failing);
    if (in->status == SKIMP_OK || unit < in->failed_unit) {
        in->failed_unit = unit;
        in->status = status;
        in->error = *error;
    }
    pthread_mutex_unlock(&in->failing);
    atomic_store(&in->stop, true);
    skimpi_turns_break(in->units);
    skimpi_turns_break(in->chunks);
}

/* A failure that the reader found in the data, with the place that only the unit's turn tells. */
static void fail_data(const ingest *in, const ingest_worker *w, skimp_error *error)
{
    const skimp_error *found = &w->raw.failure;
    const char *column = found->column[0] != '\0' ? found->column : NULL;
    *error = (skimp_error)SKIMP_ERROR_INIT;
    /* The column is in the message already. */
    skimp_status status =
        skimpi_fail_at(error, (skimp_status)found->code, in->path, in->line + found->row, NULL, "%s", found->message);
    (void)status;
    if (column != NULL) {
        memcpy(error->column, found->column, sizeof(error->column));
    }
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static skimp_status reserve_text(skimp_budget *budget, text_block *text, uint64_t bytes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (bytes > text->capacity) {
        void *block = text->data;
        status = skimp_realloc(budget, SKIMP_TAG_INPUT, &block, text->capacity, bytes, 1, error);
        if (status == SKIMP_OK) {
            text->data = block;
            text->capacity = bytes;
        }
    }
    return status;
}

static void free_text(skimp_budget *budget, text_block *text)
{
    skimp_free(budget, SKIMP_TAG_INPUT, text->data, text->capacity, 1);
    *text = (text_block){ 0 };
}

static uint64_t text_end(const text_block *text)
{
    return text->base + text->length;
}

/* Makes the worker's text reach offset `end`, or the end of the input. Sequential inputs: holding the lock. */
static skimp_status fetch_until(ingest *in, ingest_worker *w, uint64_t end, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    text_block *text = &w->text;
    uint64_t needed = skimpi_add_sat(end - text->base, SKIMPI_NUMBER_PADDING);
    status = reserve_text(in->budget, text, needed, error);
    if (status != SKIMP_OK) {
        /* What a row of ordinary length needs was taken at the start. */
        w->row_too_long = status == SKIMP_ERROR_BUDGET && text->length != 0;
        goto out;
    }
    while (text_end(text) < end && !w->is_last) {
        size_t got = 0, want = end - text_end(text);
        if (in->seekable) {
            want = skimpi_min_u64(want, in->size - text_end(text));
            SKIMPI_TRY(skimpi_input_pread(in->input, text->data + text->length, want, text_end(text), &got, error));
            w->is_last = got < want || text_end(text) + got >= in->size;
        } else {
            SKIMPI_TRY(skimpi_input_read(in->input, text->data + text->length, want, &got, error));
            w->is_last = got == 0;
        }
        text->length += got;
    }
out:
    return status;
}

static void take_unit(ingest *in, ingest_worker *w, uint64_t unit)
{
    w->unit = unit;
    w->begin = unit * in->unit_bytes;
    w->end = w->begin + in->unit_bytes;
    w->text.base = w->begin == 0 ? 0 : w->begin - 1;
    w->text.length = 0;
    w->is_last = false;
    w->more = false;
    w->row_too_long = false;
    w->guess = UINT64_MAX;
}

/* Where the first row at or after offset `from` seems to start; UINT64_MAX when none is seen. */
static uint64_t seen_start(const ingest *in, const ingest_worker *w, uint64_t from)
{
    const text_block *text = &w->text;
    size_t at = (size_t)(from - text->base);
    if (at >= text->length) {
        return UINT64_MAX;
    }
    size_t start = in->options->reader_class->find_start(in->options->reader, text->data, text->length, at);
    return start < text->length ? text->base + start : UINT64_MAX;
}

/* The next unit of a sequential input, its rows complete as far as can be seen; what reaches into the next unit is kept for that. */
static skimp_status fetch_in_order(ingest *in, ingest_worker *w, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    text_block *text = &w->text;
    uint64_t wanted = w->end + in->margin;
    SKIMPI_TRY(reserve_text(in->budget, text,
                            skimpi_max_u64(wanted - text->base, in->carry.length) + SKIMPI_NUMBER_PADDING, error));
    if (in->carry.length != 0) {
        memcpy(text->data, in->carry.data, in->carry.length);
        text->length = in->carry.length;
        in->carry.length = 0;
    }
    SKIMPI_TRY(fetch_until(in, w, wanted, error));
    for (uint64_t step = in->margin; !w->is_last && seen_start(in, w, w->end) == UINT64_MAX; step *= 2) {
        SKIMPI_TRY(fetch_until(in, w, skimpi_max_u64(wanted, text_end(text)) + step, error));
    }
    if (text_end(text) >= w->end) {
        uint64_t keep = text_end(text) - (w->end - 1);
        SKIMPI_TRY(reserve_text(in->budget, &in->carry, keep, error));
        memcpy(in->carry.data, text->data + (w->end - 1 - text->base), keep);
        in->carry.length = keep;
    }
    /* The last unit is the one that the text ends in; text that ends with a unit has no unit after it. */
    in->at_end = w->is_last && text_end(text) <= w->end;
    w->bytes_taken = skimpi_input_bytes_taken(in->input);
out:
    if (status != SKIMP_OK) {
        in->at_end = true;
    }
    return status;
}

/* Parses the unit's text from offset `from`; read_on: with as much more as its last row needs. w->more: that row could not be ended. */
static skimp_status parse_from(ingest *in, ingest_worker *w, uint64_t from, bool read_on, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_ingest_options *options = in->options;
    text_block *text = &w->text;
    for (uint64_t step = in->margin;; step *= 2) {
        skimpi_raw_clear(&w->raw);
        w->more = false;
        w->guess = from;
        skimpi_unit unit = { .index = w->unit,
                             .text = text->data,
                             .length = text->length,
                             .begin = (size_t)(from - text->base),
                             .end = (size_t)skimpi_min_u64(w->end - text->base, text->length),
                             .is_last = w->is_last };
        SKIMPI_TRY(options->reader_class->parse(options->reader, options->schema, &unit, &w->raw, &w->more, error));
        if (!w->more || !read_on) {
            break;
        }
        SKIMPI_TRY(fetch_until(in, w, skimpi_add_sat(text_end(text), step), error));
    }
out:
    return status;
}

/* Fetches and parses the next unit. *got false: there is none. */
static skimp_status next_text_unit(ingest *in, ingest_worker *w, bool *got, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *got = true;
    if (in->seekable) {
        uint64_t unit = atomic_fetch_add(&in->next_unit, 1);
        *got = unit < in->n_units;
        if (!*got) {
            return SKIMP_OK;
        }
        take_unit(in, w, unit);
        SKIMPI_TRY(fetch_until(in, w, skimpi_min_u64(w->end + in->margin, in->size), error));
        w->is_last = w->is_last || text_end(&w->text) >= in->size;
        w->bytes_taken = text_end(&w->text);
    } else {
        pthread_mutex_lock(&in->fetching);
        *got = !in->at_end;
        if (*got) {
            take_unit(in, w, atomic_fetch_add(&in->next_unit, 1));
            status = fetch_in_order(in, w, error);
        }
        pthread_mutex_unlock(&in->fetching);
        if (status != SKIMP_OK || !*got) {
            return status;
        }
    }
    uint64_t first = in->options->reader_class->data_start(in->options->reader);
    uint64_t start = w->begin <= first ? first : seen_start(in, w, w->begin);
    skimpi_raw_clear(&w->raw);
    if (start < w->end && start < text_end(&w->text)) {
        SKIMPI_TRY(parse_from(in, w, start, in->seekable, error));
    }
out:
    return status;
}

/* Puts the text that the unit before could not end in front of this unit's. */
static skimp_status take_left_over(ingest *in, ingest_worker *w, skimp_error *error)
{
    text_block *text = &w->text, *left = &in->left_over;
    size_t n = (size_t)(text->base - left->base);
    w->row_too_long = true;
    skimp_status status =
        reserve_text(in->budget, text, skimpi_add_sat(text->length, n + SKIMPI_NUMBER_PADDING), error);
    if (status == SKIMP_OK) {
        w->row_too_long = false;
        memmove(text->data + n, text->data, text->length);
        memcpy(text->data, left->data, n);
        text->base = left->base;
        text->length += n;
        left->length = 0;
        w->guess = UINT64_MAX;
    }
    return status;
}

static skimp_status leave_over(ingest *in, ingest_worker *w, skimp_error *error)
{
    text_block *left = &in->left_over;
    uint64_t n = text_end(&w->text) - in->row_start;
    w->row_too_long = true;
    skimp_status status = reserve_text(in->budget, left, n, error);
    if (status == SKIMP_OK) {
        w->row_too_long = false;
        memcpy(left->data, w->text.data + (in->row_start - w->text.base), n);
        left->base = in->row_start;
        left->length = n;
        skimpi_raw_clear(&w->raw);
        w->more = false;
    }
    return status;
}

/* In the unit's turn: makes raw hold the rows that really start in the unit. */
static skimp_status settle_text(ingest *in, ingest_worker *w, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (in->left_over.length != 0) {
        SKIMPI_TRY(take_left_over(in, w, error));
    }
    if (in->row_start >= w->end || in->row_start >= text_end(&w->text)) {
        skimpi_raw_clear(&w->raw);
        w->guess = UINT64_MAX;
        w->more = false;
        goto out;
    }
    if (w->guess != in->row_start) {
        SKIMPI_TRY(parse_from(in, w, in->row_start, in->seekable, error));
    }
    if (w->more) {
        SKIMPI_TRY(leave_over(in, w, error));
        goto out;
    }
    in->row_start = w->text.base + w->raw.consumed;
out:
    return status;
}

/* Memory for the text of one row was refused: says which row, in the unit's turn. */
static void fail_long_row(ingest *in, ingest_worker *w, skimp_error *error)
{
    skimp_error found = *error;
    const text_block *text = &w->text;
    if (in->row_start >= text->base && in->row_start < text_end(text)) {
        /* As if the input ended here: the lines before the row are then counted. */
        w->is_last = true;
        skimp_status parsed = parse_from(in, w, in->row_start, false, NULL);
        (void)parsed;
    }
    uint64_t line = in->line + w->raw.lines, beyond = text_end(text) > w->end ? text_end(text) - w->end : 0;
    *error = (skimp_error)SKIMP_ERROR_INIT;
    error->requested = found.requested;
    error->in_use = found.in_use;
    error->limit = found.limit;
    skimp_status status =
        skimpi_fail_at(error, SKIMP_ERROR_BUDGET, in->path, line, NULL,
                       "a row is longer than %" PRIu64 " bytes, and the budget has no room for the %" PRIu64
                       " bytes that more of it takes: allow more memory, or check the delimiter and the quotes",
                       beyond, found.requested);
    (void)status;
}

/* Taken in order, read by all at once. */
static skimp_status next_taken_unit(ingest *in, ingest_worker *w, bool *got, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_ingest_options *options = in->options;
    w->row_too_long = false;
    pthread_mutex_lock(&in->fetching);
    *got = !in->at_end;
    if (*got) {
        w->unit = atomic_fetch_add(&in->next_unit, 1);
        skimpi_raw_clear(&w->raw);
        status = options->reader_class->take_unit(options->reader, options->schema, w->unit, &w->raw, got, error);
        *got = *got || status != SKIMP_OK;
        in->at_end = !*got || status != SKIMP_OK;
    }
    pthread_mutex_unlock(&in->fetching);
    if (*got && status == SKIMP_OK) {
        status = options->reader_class->read_unit(options->reader, options->schema, in->input, w->unit, &w->raw, error);
    }
    return status;
}

static skimp_status next_binary_unit(ingest *in, ingest_worker *w, bool *got, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_ingest_options *options = in->options;
    if (options->reader_class->take_unit != NULL) {
        return next_taken_unit(in, w, got, error);
    }
    if (!in->seekable) {
        pthread_mutex_lock(&in->fetching);
    }
    w->unit = atomic_fetch_add(&in->next_unit, 1);
    *got = w->unit < in->n_units && !(in->at_end && !in->seekable);
    w->row_too_long = false;
    if (*got) {
        skimpi_raw_clear(&w->raw);
        status = options->reader_class->read_unit(options->reader, options->schema, in->input, w->unit, &w->raw, error);
        w->bytes_taken = skimpi_input_bytes_taken(in->input);
    }
    if (!in->seekable) {
        in->at_end = in->at_end || status != SKIMP_OK;
        pthread_mutex_unlock(&in->fetching);
    }
    return status;
}

/* ---- turns --------------------------------------------------------------------------------------------------------- */

/* Enters the texts that are new, in the order in which they first appear; their codes take the place of their offsets. */
static skimp_status enter_categories(ingest *in, ingest_worker *w, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_fresh *fresh = w->raw.fresh.data;
    size_t n = w->raw.fresh.length / sizeof(*fresh);
    for (size_t i = 0; i < n; i++) {
        uint32_t code;
        const char *text = (const char *)w->raw.fresh_text.data + fresh[i].offset;
        SKIMPI_TRY(skimpi_dictionary_insert(in->options->schema->dictionaries[fresh[i].slot], text, fresh[i].length,
                                            fresh[i].hash, &code, error));
        fresh[i].offset = code;
    }
out:
    return status;
}

/* After the turn: codes of the unit become codes of the data set. */
static void patch_codes(const skimpi_schema *schema, skimpi_raw *raw)
{
    const skimpi_fresh *fresh = raw->fresh.data;
    if (raw->fresh.length == 0) {
        return;
    }
    for (uint32_t j = 0; j < schema->n_category; j++) {
        uint32_t *codes = raw->codes + (size_t)j * raw->capacity;
        for (uint32_t i = 0; i < raw->n_rows; i++) {
            if (codes[i] >= SKIMPI_CODE_FRESH && codes[i] < SKIMPI_CODE_UNKNOWN) {
                codes[i] = (uint32_t)fresh[codes[i] - SKIMPI_CODE_FRESH].offset;
            }
        }
    }
    if (raw->target != NULL && schema->target_type == SKIMPI_TYPE_CATEGORY) {
        for (uint32_t i = 0; i < raw->n_rows; i++) {
            if (raw->target[i] >= SKIMPI_CODE_FRESH && raw->target[i] < SKIMPI_CODE_UNKNOWN) {
                raw->target[i] = (double)fresh[(uint32_t)raw->target[i] - SKIMPI_CODE_FRESH].offset;
            }
        }
    }
}

/* All that depends on the units before. */
static skimp_status commit(ingest *in, ingest_worker *w, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_ingest_options *options = in->options;
    skimpi_ingest_result *result = in->result;
    skimpi_raw *raw = &w->raw;
    if (in->is_text) {
        SKIMPI_TRY(settle_text(in, w, error));
    }
    if (raw->failure.code != SKIMP_OK) {
        fail_data(in, w, error);
        return (skimp_status)raw->failure.code;
    }
    SKIMPI_TRY(enter_categories(in, w, error));
    options->schema->n_sparse_features = skimpi_max_u64(options->schema->n_sparse_features, raw->largest_index);
    if (raw->rows_bad != 0 && result->first_bad_line == 0) {
        result->first_bad_line = in->line + raw->first_bad_line - 1;
    }
    w->line = raw->first_line = in->line;
    w->chunk = result->n_chunks;
    w->first_row = result->n_rows;
    in->line += in->is_text ? raw->lines : raw->n_rows + raw->rows_bad + raw->rows_missing;
    result->n_rows += raw->n_rows;
    result->n_chunks += raw->n_rows != 0;
    result->rows_bad += raw->rows_bad;
    result->rows_missing += raw->rows_missing;
    result->bytes = skimpi_max_u64(result->bytes, in->bytes_before + w->bytes_taken);
    if (options->progress != NULL) {
        options->progress(options->context, result->bytes, result->n_rows);
    }
out:
    return status;
}

/* What is left to do once the unit's turn is over. *broken: someone before failed. */
static skimp_status store_unit(ingest *in, ingest_worker *w, unsigned worker, bool *broken, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_ingest_options *options = in->options;
    patch_codes(options->schema, &w->raw);
    if (options->observe != NULL && w->raw.n_rows != 0) {
        SKIMPI_TRY(options->observe(options->context, worker, w->chunk, w->first_row, &w->raw, error));
    }
    if (options->store == NULL) {
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_encoder_encode(w->encoder, &w->raw, w->line, error));
    if (w->raw.n_rows == 0) {
        return SKIMP_OK;
    }
    if (!skimpi_turns_wait(in->chunks, w->chunk)) {
        *broken = true;
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_store_place_chunk(options->store, w->encoder, w->chunk, error));
    skimpi_turns_pass(in->chunks, w->chunk);
    SKIMPI_TRY(skimpi_store_write_chunk(options->store, w->encoder, error));
out:
    return status;
}

static skimp_status work(void *context, unsigned worker, skimp_error *unused)
{
    ingest *in = context;
    ingest_worker *w = &in->workers[worker];
    const _Atomic int *cancel = in->options->cancel;
    (void)unused;
    while (!atomic_load(&in->stop)) {
        skimp_error error = SKIMP_ERROR_INIT;
        bool got = false, broken = false;
        skimpi_pool_ask(in->options->pool, worker);
        skimp_status status = in->is_text ? next_text_unit(in, w, &got, &error) : next_binary_unit(in, w, &got, &error);
        if (!got) {
            break;
        }
        skimpi_pool_got(in->options->pool, worker);
        if (!skimpi_turns_wait(in->units, w->unit)) {
            break;
        }
        if (cancel != NULL && atomic_load(cancel) != 0) {
            error = (skimp_error)SKIMP_ERROR_INIT;
            status = skimpi_fail_at(&error, SKIMP_ERROR_CANCELLED, in->path, 0, NULL, "reading was interrupted");
        }
        if (status == SKIMP_OK) {
            status = commit(in, w, &error);
        }
        if (status == SKIMP_ERROR_BUDGET && w->row_too_long) {
            fail_long_row(in, w, &error);
        }
        if (status == SKIMP_OK) {
            skimpi_turns_pass(in->units, w->unit);
            status = store_unit(in, w, worker, &broken, &error);
        }
        if (status != SKIMP_OK) {
            fail_unit(in, w->unit, status, &error);
        }
        if (status != SKIMP_OK || broken) {
            break;
        }
    }
    return SKIMP_OK;
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

static skimp_status ingest_file(ingest *in, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_ingest_options *options = in->options;
    const skimpi_reader_class *reader_class = options->reader_class;
    in->path = skimpi_input_name(in->input);
    if (!skimpi_input_seekable(in->input) && reader_class->is_scattered != NULL &&
        reader_class->is_scattered(options->reader)) {
        SKIMPI_TRY(skimpi_input_spool(in->input, options->spool_directory, options->allow_tmpfs, error));
        in->result->spooled += skimpi_input_file_size(in->input);
    }
    in->seekable = skimpi_input_seekable(in->input);
    in->size = skimpi_input_file_size(in->input);
    in->at_end = false;
    in->carry.length = 0;
    in->left_over.length = 0;
    in->row_start = 0;
    in->line = 1;
    atomic_store(&in->next_unit, 0);
    if (in->is_text) {
        in->unit_bytes = reader_class->unit_bytes(options->reader, options->schema);
        in->n_units = in->size / in->unit_bytes + (in->size % in->unit_bytes != 0);
        in->row_start = reader_class->data_start(options->reader);
        in->line = reader_class->data_line(options->reader);
    } else {
        in->n_units = reader_class->unit_count(options->reader);
    }
    skimpi_turns_reset(in->units);
    SKIMPI_TRY(skimpi_pool_run(options->pool, work, in, error));
    /* A file that changes while it is read may fail in any way: say what really happened. */
    if (in->status == SKIMP_OK || in->status == SKIMP_ERROR_DATA || in->status == SKIMP_ERROR_IO) {
        SKIMPI_TRY(skimpi_input_check_unchanged(in->input, error));
    }
    if (in->status != SKIMP_OK) {
        if (error != NULL && error->code == SKIMP_OK) {
            *error = in->error;
        }
        return in->status;
    }
    if (in->seekable) {
        in->result->bytes = in->bytes_before + in->size;
    }
    in->bytes_before = in->result->bytes;
out:
    return status;
}

static skimp_status make_workers(ingest *in, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_ingest_options *options = in->options;
    for (unsigned i = 0; i < in->n_workers; i++) {
        ingest_worker *w = &in->workers[i];
        if (in->is_text) {
            uint64_t unit_bytes = options->reader_class->unit_bytes(options->reader, options->schema);
            if (options->text_hint > 0) {
                unit_bytes = skimpi_min_u64(unit_bytes, options->text_hint);
            }
            SKIMPI_TRY(reserve_text(in->budget, &w->text, text_bytes(unit_bytes, in->margin), error));
        }
        SKIMPI_TRY(
            skimpi_raw_create(&w->raw, in->budget, options->schema, options->rows_hint, options->nonzeros_hint, error));
        SKIMPI_TRY(skimpi_raw_expect(&w->raw, options->fresh_hint, options->fresh_text_hint, error));
        if (options->store != NULL) {
            SKIMPI_TRY(skimpi_encoder_create(&in->encoders[i], options->store, options->rows_hint,
                                             options->nonzeros_hint, options->encoded_hint, error));
            w->encoder = in->encoders[i];
        }
    }
    if (in->is_text) {
        SKIMPI_TRY(reserve_text(in->budget, &in->carry, text_bytes(0, in->margin), error));
    }
out:
    return status;
}

static skimp_status finish(ingest *in, skimp_error *error)
{
    const skimpi_ingest_options *options = in->options;
    if (in->result->n_rows == 0) {
        const char *why = in->result->rows_bad != 0       ? "no rows: all were skipped as bad"
                          : in->result->rows_missing != 0 ? "no rows: all were dropped for missing values"
                                                          : "no rows";
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, options->paths[0], 0, NULL, "%s", why);
    }
    if (options->store == NULL) {
        return SKIMP_OK;
    }
    return skimpi_store_finish(options->store, in->encoders, in->n_workers, error);
}

static void destroy(ingest *in)
{
    for (unsigned i = 0; i < in->n_workers; i++) {
        free_text(in->budget, &in->workers[i].text);
        skimpi_raw_destroy(&in->workers[i].raw, in->options->schema);
        skimpi_encoder_destroy(in->encoders[i]);
    }
    free_text(in->budget, &in->carry);
    free_text(in->budget, &in->left_over);
    skimpi_turns_destroy(in->units);
    skimpi_turns_destroy(in->chunks);
    pthread_mutex_destroy(&in->fetching);
    pthread_mutex_destroy(&in->failing);
    skimp_free(in->budget, SKIMP_TAG_PARSE, in, 1, own_bytes(in->n_workers));
}

skimp_status skimpi_ingest_run(skimp_budget *budget, const skimpi_ingest_options *options, skimpi_ingest_result *result,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    unsigned n = skimpi_pool_size(options->pool);
    void *block = NULL;
    ingest *in = NULL;
    *result = (skimpi_ingest_result){ 0 };
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_PARSE, 1, own_bytes(n), &block, error));
    in = block;
    in->budget = budget;
    in->options = options;
    in->result = result;
    in->n_workers = n;
    in->encoders = (skimpi_encoder **)&in->workers[n];
    in->is_text = options->reader_class->is_text;
    in->margin = margin_of(options->longest_row);
    pthread_mutex_init(&in->fetching, NULL);
    pthread_mutex_init(&in->failing, NULL);
    SKIMPI_TRY(skimpi_turns_create(&in->units, budget, error));
    SKIMPI_TRY(skimpi_turns_create(&in->chunks, budget, error));
    SKIMPI_TRY(make_workers(in, error));
    for (size_t f = 0; f < options->n_paths; f++) {
        in->input = options->first_input;
        if (f != 0) {
            skimpi_sample sample = { 0 };
            SKIMPI_TRY(
                skimpi_input_open_cancellable(&in->input, budget, options->paths[f], options->cancel_reading, error));
            status = options->reader_class->reopen(options->reader, in->input, options->schema, &sample, error);
        }
        if (status == SKIMP_OK) {
            status = ingest_file(in, error);
        }
        if (f != 0) {
            skimpi_input_close(in->input);
        }
        SKIMPI_TRY(status);
    }
    SKIMPI_TRY(finish(in, error));
out:
    if (in != NULL) {
        destroy(in);
    }
    return status;
}
