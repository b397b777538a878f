/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A job's inputs through a model, by all workers: what predict, score and apply share.  Text comes by way of readers, a
 * kept store by its chunks; each chunk is made one of the model's columns, steps applied, and then used by whoever asked.
 */
#ifndef SKIMPI_APPLY_RUN_H
#define SKIMPI_APPLY_RUN_H

#include "engine/engine.h"

/* Which of an estimator's outputs are wanted: columns, 0 for none. */
typedef struct skimpi_wanted {
    unsigned n_label, n_decision, n_probability;
} skimpi_wanted;

static inline uint64_t skimpi_wanted_columns(const skimpi_wanted *wanted)
{
    return (uint64_t)wanted->n_label + wanted->n_decision + wanted->n_probability;
}

/*
 * An estimator's outputs for rows of a chunk: doubles, column-major, `stride` rows.  A chunk is gone through in blocks of
 * rows, so that the outputs of a thousand classes take no more memory than those of a few.
 */
#define SKIMPI_BLOCK_VALUES (64u << 10) /* of a block, about; it has 16 rows at least */
typedef struct skimpi_outputs {
    const skimpi_stage *estimator;
    const skimpi_problem *problem;
    const skimpi_wanted *wanted;
    const skimpi_view *view; /* for the columns of a block */
    uint32_t room;           /* rows that the buffers are made for; a block has no more */
    size_t stride;
    skimpi_buffer label, decision, probability;
    skimpi_buffer scratch;
} skimpi_outputs;

/* rows: of a chunk, about. What is wanted is set. */
void skimpi_outputs_init(skimpi_outputs *outputs, skimp_budget *budget, const skimpi_stage *estimator,
                         const skimpi_problem *problem, const skimpi_wanted *wanted, uint32_t rows,
                         const skimpi_view *view);
void skimpi_outputs_free(skimpi_outputs *outputs);
/* All that outputs take, the view aside. */
uint64_t skimpi_outputs_bytes(const skimpi_stage *estimator, const skimpi_problem *problem, const skimpi_wanted *wanted,
                              uint32_t rows);
/* The chunk's rows from `first` on, as many as a block has, and the outputs for them. */
skimp_status skimpi_outputs_predict(skimpi_outputs *outputs, const skimpi_chunk *chunk, uint32_t first,
                                    skimpi_chunk *block, skimp_error *error);

typedef struct skimpi_apply_worker {
    skimpi_applied_worker base;
    skimpi_outputs outputs;
    skimpi_buffer text; /* lines of an output that is text */
    skimpi_buffer held; /* what is kept of a chunk's outputs until its turn comes */
    uint64_t unknown, unknown_labels;
} skimpi_apply_worker;

typedef struct skimpi_apply skimpi_apply;
/* A chunk of the model's columns, whose turn (apply->turns) is that of its number: it is passed, or broken by a failure. */
typedef skimp_status skimpi_apply_use(skimpi_apply *apply, skimpi_apply_worker *own, const skimpi_chunk *chunk,
                                      skimp_error *error);

struct skimpi_apply {
    skimp_job *job;
    skimpi_applied applied;
    skimpi_stored *stored; /* the input is a kept store; NULL: it is text or the like */
    skimpi_wanted wanted;
    skimpi_apply_use *use;
    skimpi_turns *turns;
    skimpi_apply_worker *workers;
    unsigned n_workers;
    _Atomic uint64_t bytes; /* of the input, read so far */
};

/* The model made ready, and what is known of the inputs (job->forecast). job is set; _end is due whatever this returns. */
skimp_status skimpi_apply_begin(skimpi_apply *apply, const skimp_model *model, bool with_target, skimp_error *error);
/* Columns of a kind that the model's estimator offers; 0: none, and *why. */
unsigned skimpi_apply_columns(const skimpi_apply *apply, skimpi_predict_kind kind, const char **why);
/* What the user of the chunks takes: in all; for each row of a worker's chunk; for text, of one worker alone and of several. */
typedef struct skimpi_apply_cost {
    uint64_t fixed, row, text_alone, text;
    uint64_t worker; /* for each worker, costs of blocks included */
} skimpi_apply_cost;
/* Rows of a chunk, about: of a kept store at most. */
uint32_t skimpi_apply_rows(const skimp_job *job);
/* Workers, as many as the budget allows; what is wanted is set.  Their text has its room, which it need not outgrow. */
skimp_status skimpi_apply_prepare(skimpi_apply *apply, const skimpi_apply_cost *cost, skimp_error *error);
skimp_status skimpi_apply_run(skimpi_apply *apply, skimp_error *error);
void skimpi_apply_end(skimpi_apply *apply);

/* PARAM: the model has no estimator, and is to predict. */
skimp_status skimpi_apply_needs_estimator(const skimp_model *model, skimp_error *error);

#endif
