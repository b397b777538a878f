/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's inputs, as a model's steps leave them, in a kept store: what its two files share. */
#ifndef SKIMPI_THROUGH_H
#define SKIMPI_THROUGH_H

#include "engine/apply_run.h"

/*
 * The columns that a model of steps makes of the inputs, in the order of its features: numbers, texts as texts (not as
 * the columns of their categories, which is what the next estimator makes of them), and the target and the weight that
 * the inputs have.  Dictionaries hold the texts that the model knows, in its order; that of a text target is filled where
 * the input is a kept store, else skimpi_through_finish takes that of the reading.
 */
skimp_status skimpi_through_schema(skimpi_schema **out, const skimpi_applied *applied, const skimp_model *model,
                                   skimp_error *error);
/* What finish adds to the dictionaries, at most. */
uint64_t skimpi_through_finish_bytes(const skimpi_schema *schema);
/* Once all is read. unknown: per category slot, whether there was a text that the model does not know. */
skimp_status skimpi_through_finish(skimpi_schema *schema, skimp_job *job, const _Atomic uint8_t *unknown,
                                   skimp_error *error);

#endif
