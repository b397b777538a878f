/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints: the estimator's state at the end of a pass, in a file that is replaced atomically.
 *
 * Layout (little-endian): "skimpck1", signature, passes, state bytes, XXH3-64 of all before and of the state; then the
 * state.  The signature covers estimator, parameters, steps and the data, so that a checkpoint of another job is refused;
 * the spilled store is made again on a resume, and comes out the same.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>
#include <unistd.h>

#include "data/dictionary.h"
#include "engine/engine.h"
#include "os/os.h"

typedef struct checkpoint_header {
    char magic[8];
    uint64_t signature, passes, state_bytes, checksum;
} checkpoint_header;

/* The state is appended piece by piece to a buffer that grows by halves. */
uint64_t skimpi_checkpoint_bytes(uint64_t state_bytes)
{
    return skimp_alloc_cost(skimpi_add_sat(state_bytes, state_bytes / 2)) + (128u << 10);
}

static const char magic[8] = { 's', 'k', 'i', 'm', 'p', 'c', 'k', '1' };

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return XXH3_64bits_withSeed(text, strlen(text), hash);
}

static uint64_t hash_stage(uint64_t hash, const skimpi_stage *stage)
{
    hash = hash_text(hash, stage->name);
    hash = hash_text(hash, stage->columns != NULL ? stage->columns : "");
    for (const skimp_param *param = stage->class->info.params; param->name != NULL; param++) {
        hash = hash_text(hash, skimpi_params_text(stage->params, param->name));
    }
    return hash;
}

uint64_t skimpi_checkpoint_signature(const skimp_job *job, const skimpi_summary *summary)
{
    uint64_t hash = hash_text(1, skimp_version());
    for (unsigned i = 0; i < job->pipeline.n_steps; i++) {
        hash = hash_stage(hash, &job->pipeline.steps[i]);
    }
    hash = hash_stage(hash, &job->pipeline.estimator);
    const skimpi_schema *schema = job->schema;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        hash = hash_text(hash, schema->columns[c].name);
        hash = skimpi_mix64(hash ^ ((uint64_t)schema->columns[c].role << 8 | schema->columns[c].type));
    }
    for (uint32_t slot = 0; schema->dictionaries != NULL && slot <= schema->n_category; slot++) {
        const skimpi_dictionary *dictionary = schema->dictionaries[slot];
        for (uint32_t code = 0; dictionary != NULL && code < skimpi_dictionary_size(dictionary); code++) {
            size_t length = 0;
            const char *text = skimpi_dictionary_text(dictionary, code, &length);
            hash = XXH3_64bits_withSeed(text, length, hash);
        }
    }
    double holdout = job->options.holdout;
    uint64_t share = 0;
    memcpy(&share, &holdout, sizeof share);
    const uint64_t numbers[] = { summary->n_rows,      summary->n_chunks,         summary->nonzeros,
                                 summary->store_bytes, summary->data_hash,        share,
                                 job->options.seed,    schema->n_sparse_features, schema->hash_bits };
    return XXH3_64bits_withSeed(numbers, sizeof numbers, hash);
}

static uint64_t checksum(const checkpoint_header *header, const void *state)
{
    return XXH3_64bits_withSeed(state, header->state_bytes, XXH3_64bits(header, offsetof(checkpoint_header, checksum)));
}

skimp_status skimpi_checkpoint_write(const char *path, skimp_budget *budget, uint64_t signature, uint64_t passes,
                                     const skimpi_estimator_class *class, const void *self, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer state;
    skimpi_os_output output = { .fd = -1 };
    skimpi_buffer_init(&state, budget, SKIMP_TAG_SOLVER);
    SKIMPI_TRY(class->state_save(self, &state, error));
    checkpoint_header header = { .signature = signature, .passes = passes, .state_bytes = state.length };
    memcpy(header.magic, magic, sizeof magic);
    header.checksum = checksum(&header, state.data);
    SKIMPI_TRY(skimpi_os_output_begin(&output, path, error));
    status = skimpi_os_pwrite(output.fd, path, &header, sizeof header, 0, error);
    if (status == SKIMP_OK) {
        status = skimpi_os_pwrite(output.fd, path, state.data, state.length, sizeof header, error);
    }
    if (status != SKIMP_OK) {
        skimpi_os_output_abandon(&output);
        goto out;
    }
    SKIMPI_TRY(skimpi_os_output_commit(&output, error));
out:
    skimpi_buffer_free(&state);
    return status;
}

skimp_status skimpi_checkpoint_read(const char *path, skimp_budget *budget, uint64_t signature,
                                    const skimpi_estimator_class *class, void *self, uint64_t *passes, bool *found,
                                    skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    int fd = -1;
    void *state = NULL;
    checkpoint_header header = { .state_bytes = 0 };
    uint64_t state_bytes = 0;
    size_t got = 0;
    skimpi_os_stat stat;
    *found = false;
    if (access(path, F_OK) != 0) {
        return SKIMP_OK; /* the first run */
    }
    SKIMPI_TRY(skimpi_os_open(&fd, path, error));
    SKIMPI_TRY(skimpi_os_fstat(fd, path, &stat, error));
    SKIMPI_TRY(skimpi_os_pread(fd, path, &header, sizeof header, 0, &got, error));
    if (got < sizeof header || memcmp(header.magic, magic, sizeof magic) != 0 ||
        header.state_bytes != stat.size - sizeof header) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL,
                                  "this is not a checkpoint; remove it to begin anew"));
    }
    if (header.signature != signature) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL,
                                  "this checkpoint is of another job (other data, estimator, parameters or version); "
                                  "remove it to begin anew"));
    }
    state_bytes = header.state_bytes;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, state_bytes, 1, &state, error));
    SKIMPI_TRY(skimpi_os_pread(fd, path, state, state_bytes, sizeof header, &got, error));
    if (got < state_bytes || checksum(&header, state) != header.checksum) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL,
                                  "this checkpoint is damaged (its checksum is wrong); remove it to begin anew"));
    }
    SKIMPI_TRY(class->state_load(self, state, state_bytes, error));
    *passes = header.passes;
    *found = true;
out:
    skimp_free(budget, SKIMP_TAG_SOLVER, state, state_bytes, 1);
    if (fd >= 0) {
        skimpi_os_close(fd);
    }
    return status;
}
