/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passes of sequential estimators: chunks in a shuffled order, a window of several at a time (CorgiPile, SIGMOD'22: chunks
 * are shuffled here, rows within the window by the estimator).  One worker decodes the next window while the estimator
 * uses this one.
 */
#include <math.h>

#include "engine/engine.h"

/*
 * A permutation of 0 … n - 1 without memory: a four-round Feistel network on the next even number of bits, walked until
 * it falls below n (cycle walking; Black & Rogaway 2002).
 */
static uint64_t permute(uint64_t i, uint64_t n, uint64_t seed)
{
    unsigned half = 1;
    while ((uint64_t)1 << (2 * half) < n) {
        half++;
    }
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = i >> half, right = i & mask;
        for (unsigned round = 0; round < 4; round++) {
            const uint64_t next = left ^ (skimpi_mix64(right ^ skimpi_mix64(seed + round)) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= n);
    return i;
}

struct skimpi_windows {
    skimpi_reading *reading;
    unsigned window;     /* chunks */
    unsigned n_sets;     /* of decoders, each for a window: one is filled while the other one is used */
    unsigned n_borrowed; /* the first of them are the reading's own, which lie idle meanwhile */
    skimpi_decoder **decoders;
    const skimpi_chunk **chunks;
    skimpi_turns *filled, *emptied;
    uint64_t n_windows, n_chunks;
    /* the pass under way */
    skimpi_stage *stage;
    const skimpi_pass *pass;
    void *scratch;
    _Atomic int failed;
    uint64_t rows;
};
typedef struct skimpi_windows window_state;

/* A source gives chunks in its own order, and is asked in no other: skimpi_job_each_pass. */
static skimp_status read_chunk(const window_state *state, skimpi_decoder *decoder, uint64_t index, skimpi_chunk **chunk,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_source *source = state->reading->source;
    uint64_t found = index;
    bool is_done = false;
    if (source == NULL) {
        return skimpi_store_read_chunk(state->reading->store, decoder, index, chunk, error);
    }
    SKIMPI_TRY(skimpi_source_next(source, 0, decoder, chunk, &found, &is_done, error));
    if (is_done || found != index) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_INTERNAL, "chunk %llu of a source is asked for out of its order",
                               (unsigned long long)index));
    }
out:
    return status;
}

/* After the last chunk of a source there must be none. */
static skimp_status end_source(const window_state *state, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_chunk *chunk = NULL;
    uint64_t found = 0;
    bool is_done = false;
    SKIMPI_TRY(skimpi_source_next(state->reading->source, 0, state->decoders[0], &chunk, &found, &is_done, error));
    SKIMPI_TRY(skimpi_source_end(state->reading->source, error));
out:
    return status;
}

static skimp_status fill_window(window_state *state, uint64_t which, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (unsigned k = 0; k < state->window; k++) {
        const uint64_t ordinal = which * state->window + k;
        const size_t at = (size_t)(which % state->n_sets) * state->window + k;
        state->chunks[at] = NULL;
        if (ordinal >= state->n_chunks || atomic_load(&state->failed)) {
            continue;
        }
        if (skimpi_job_cancelled(state->reading->job)) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_CANCELLED, "interrupted"));
        }
        const uint64_t index =
            state->pass->shuffle ? permute(ordinal, state->n_chunks, state->pass->shuffle_seed) : ordinal;
        skimpi_chunk *chunk = NULL;
        SKIMPI_TRY(read_chunk(state, state->decoders[at], index, &chunk, error));
        SKIMPI_TRY(skimpi_reading_finish_chunk(state->reading, 0, chunk, state->reading->pipeline->n_steps,
                                               SKIMPI_ROWS_TRAIN, error));
        if (state->reading->row_state != NULL && chunk->n_rows > 0) {
            SKIMPI_TRY(skimpi_row_state_open(state->reading->row_state, (unsigned)at, chunk, error));
        }
        state->chunks[at] = chunk;
    }
out:
    return status;
}

static skimp_status use_window(window_state *state, uint64_t which, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const size_t first = (size_t)(which % state->n_sets) * state->window;
    unsigned n = 0;
    for (unsigned k = 0; k < state->window; k++) {
        const skimpi_chunk *chunk = state->chunks[first + k];
        if (chunk != NULL && chunk->n_rows > 0) { /* all rows of a chunk may be held out */
            state->rows += chunk->n_rows;
            state->chunks[first + n++] = chunk;
        }
    }
    if (n > 0) {
        SKIMPI_TRY(state->stage->class->consume_window(state->stage->fitted, state->pass, state->chunks + first, n,
                                                       state->scratch, error));
    }
    for (unsigned k = 0; k < state->window && state->reading->row_state != NULL; k++) {
        SKIMPI_TRY(skimpi_row_state_close(state->reading->row_state, (unsigned)first + k, error));
    }
out:
    return status;
}

/* Worker 1 fills windows while worker 0 uses them; with one worker, in turn. */
static skimp_status window_worker(void *context, unsigned worker, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    window_state *state = context;
    const bool alone = state->reading->workers == 1;
    const skimpi_summary *summary = skimpi_store_summary(state->reading->store);
    for (uint64_t which = 0; worker < 2 && which < state->n_windows; which++) {
        if (alone || worker == 1) {
            if (!alone && which >= 2 && !skimpi_turns_wait(state->emptied, which - 1)) {
                break;
            }
            SKIMPI_TRY(fill_window(state, which, error));
            if (!alone) {
                skimpi_turns_pass(state->filled, which);
            }
        }
        if (worker == 0) {
            if (!alone && !skimpi_turns_wait(state->filled, which + 1)) {
                break;
            }
            SKIMPI_TRY(use_window(state, which, error));
            if (!alone) {
                skimpi_turns_pass(state->emptied, which);
            }
            skimpi_job_progress(state->reading->job, summary->store_bytes / state->n_windows * (which + 1),
                                summary->store_bytes, state->rows, NAN);
        }
    }
out:
    if (status != SKIMP_OK) {
        atomic_store(&state->failed, 1);
        skimpi_turns_break(state->filled);
        skimpi_turns_break(state->emptied);
    }
    return status;
}

/* Chunks of a window: no more than there are. */
static unsigned window_chunks(unsigned window, uint64_t n_chunks)
{
    return (unsigned)skimpi_max_u64(1, skimpi_min_u64(window, n_chunks));
}

/* One worker fills and uses windows in turn; and a window that holds everything has no next one. */
static unsigned window_sets(unsigned workers, unsigned window, uint64_t n_chunks)
{
    return workers > 1 && n_chunks > window ? 2 : 1;
}

unsigned skimpi_windows_decoders(unsigned workers, unsigned window, uint64_t n_chunks)
{
    return window_sets(workers, window, n_chunks) * window_chunks(window, n_chunks);
}

static unsigned borrowed_decoders(unsigned workers, uint64_t n_decoders)
{
    return (unsigned)skimpi_min_u64(workers, n_decoders);
}

uint64_t skimpi_windows_bytes(const skimp_job *job, const skimpi_forecast *forecast, skimpi_place place,
                              unsigned workers, unsigned window)
{
    const uint64_t n_decoders = skimpi_windows_decoders(workers, window, forecast->chunks);
    return skimpi_mul_sat(n_decoders - borrowed_decoders(workers, n_decoders),
                          skimpi_reading_decoder_bytes(job, forecast, place)) +
           2 * skimp_alloc_cost(n_decoders * sizeof(void *));
}

skimp_status skimpi_windows_create(skimpi_windows **out, skimpi_reading *reading, unsigned window, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_windows *state = NULL;
    skimpi_decoder_options options;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, 1, sizeof *state, (void **)&state, error));
    state->reading = reading;
    state->n_chunks = skimpi_store_summary(reading->store)->n_chunks;
    state->window = window_chunks(window, state->n_chunks);
    state->n_sets = window_sets(reading->workers, state->window, state->n_chunks);
    state->n_windows = (state->n_chunks + state->window - 1) / state->window;
    const size_t n_decoders = (size_t)state->n_sets * state->window;
    skimpi_reading_decoder_options(reading, &options);
    SKIMPI_TRY(
        skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, n_decoders, sizeof(void *), (void **)&state->decoders, error));
    SKIMPI_TRY(
        skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, n_decoders, sizeof(void *), (void **)&state->chunks, error));
    state->n_borrowed = borrowed_decoders(reading->workers, n_decoders);
    for (size_t i = 0; i < state->n_borrowed; i++) {
        state->decoders[i] = reading->decoders[i];
    }
    for (size_t i = state->n_borrowed; i < n_decoders; i++) {
        SKIMPI_TRY(skimpi_decoder_create(&state->decoders[i], reading->store, &options, error));
    }
    SKIMPI_TRY(skimpi_turns_create(&state->filled, reading->budget, error));
    SKIMPI_TRY(skimpi_turns_create(&state->emptied, reading->budget, error));
    *out = state;
out:
    if (status != SKIMP_OK) {
        skimpi_windows_destroy(state);
    }
    return status;
}

void skimpi_windows_destroy(skimpi_windows *state)
{
    if (state == NULL) {
        return;
    }
    skimp_budget *budget = state->reading->budget;
    const size_t n_decoders = (size_t)state->n_sets * state->window;
    skimpi_turns_destroy(state->filled);
    skimpi_turns_destroy(state->emptied);
    for (size_t i = state->n_borrowed; state->decoders != NULL && i < n_decoders; i++) {
        skimpi_decoder_destroy(state->decoders[i]);
    }
    skimp_free(budget, SKIMP_TAG_CHUNKS, state->decoders, n_decoders, sizeof(void *));
    skimp_free(budget, SKIMP_TAG_CHUNKS, state->chunks, n_decoders, sizeof(void *));
    skimp_free(budget, SKIMP_TAG_CHUNKS, state, 1, sizeof *state);
}

skimp_status skimpi_windows_pass(skimpi_windows *state, skimpi_stage *stage, const skimpi_pass *pass, void *scratch,
                                 skimp_error *error)
{
    state->stage = stage;
    state->pass = pass;
    state->scratch = scratch;
    state->rows = 0;
    atomic_store(&state->failed, 0);
    skimpi_turns_reset(state->filled);
    skimpi_turns_reset(state->emptied);
    skimp_status status = SKIMP_OK;
    if (state->reading->source != NULL) {
        SKIMPI_TRY(skimpi_source_begin(state->reading->source, 1, error));
    }
    SKIMPI_TRY(skimpi_pool_run(state->reading->pool, window_worker, state, error));
    if (state->reading->source != NULL) {
        SKIMPI_TRY(end_source(state, error));
    }
out:
    return status;
}
