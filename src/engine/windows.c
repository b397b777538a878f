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
    unsigned window;             /* chunks */
    skimpi_decoder **decoders;   /* two windows of them */
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

static skimp_status fill_window(window_state *state, uint64_t which, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (unsigned k = 0; k < state->window; k++) {
        const uint64_t ordinal = which * state->window + k;
        const size_t at = (size_t)(which % 2) * state->window + k;
        state->chunks[at] = NULL;
        if (ordinal >= state->n_chunks || atomic_load(&state->failed)) {
            continue;
        }
        if (skimpi_job_cancelled(state->reading->job)) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_CANCELLED, "interrupted"));
        }
        const uint64_t index = state->pass->shuffle ? permute(ordinal, state->n_chunks, state->pass->shuffle_seed) : ordinal;
        skimpi_chunk *chunk = NULL;
        SKIMPI_TRY(skimpi_store_read_chunk(state->reading->store, state->decoders[at], index, &chunk, error));
        skimpi_reading_finish_chunk(state->reading, 0, chunk, state->reading->pipeline->n_steps, SKIMPI_ROWS_TRAIN);
        state->chunks[at] = chunk;
    }
out:
    return status;
}

static skimp_status use_window(window_state *state, uint64_t which, skimp_error *error)
{
    const size_t first = (size_t)(which % 2) * state->window;
    unsigned n = 0;
    while (n < state->window && state->chunks[first + n] != NULL) {
        state->rows += state->chunks[first + n]->n_rows;
        n++;
    }
    return n == 0 ? SKIMP_OK
                  : state->stage->class->consume_window(state->stage->fitted, state->pass, state->chunks + first, n, state->scratch, error);
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
            skimpi_job_progress(state->reading->job, summary->store_bytes / state->n_windows * (which + 1), summary->store_bytes, state->rows, NAN);
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

unsigned skimpi_window_chunks(unsigned window, uint64_t n_chunks)
{
    return (unsigned)skimpi_max_u64(1, skimpi_min_u64(window, n_chunks));
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
    state->window = skimpi_window_chunks(window, state->n_chunks);
    state->n_windows = (state->n_chunks + state->window - 1) / state->window;
    const size_t n_decoders = 2 * (size_t)state->window;
    skimpi_reading_decoder_options(reading, &options);
    SKIMPI_TRY(skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, n_decoders, sizeof(void *), (void **)&state->decoders, error));
    SKIMPI_TRY(skimp_alloc(reading->budget, SKIMP_TAG_CHUNKS, n_decoders, sizeof(void *), (void **)&state->chunks, error));
    for (size_t i = 0; i < n_decoders && (i < state->window || state->n_windows > 1); i++) {
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
    const size_t n_decoders = 2 * (size_t)state->window;
    skimpi_turns_destroy(state->filled);
    skimpi_turns_destroy(state->emptied);
    for (size_t i = 0; state->decoders != NULL && i < n_decoders; i++) {
        skimpi_decoder_destroy(state->decoders[i]);
    }
    skimp_free(budget, SKIMP_TAG_CHUNKS, state->decoders, n_decoders, sizeof(void *));
    skimp_free(budget, SKIMP_TAG_CHUNKS, state->chunks, n_decoders, sizeof(void *));
    skimp_free(budget, SKIMP_TAG_CHUNKS, state, 1, sizeof *state);
}

skimp_status skimpi_windows_pass(skimpi_windows *state, skimpi_stage *stage, const skimpi_pass *pass, void *scratch, skimp_error *error)
{
    state->stage = stage;
    state->pass = pass;
    state->scratch = scratch;
    state->rows = 0;
    skimpi_turns_reset(state->filled);
    skimpi_turns_reset(state->emptied);
    return skimpi_pool_run(state->reading->pool, window_worker, state, error);
}
