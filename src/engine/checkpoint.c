/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints: the estimator's state at the end of a pass, in a file that is replaced atomically.
 *
 * Layout (little-endian): "skimpck1", signature, passes, state bytes, XXH3-64 of all before and of the state; then the
 * state; then, for an estimator that keeps row state, the state of all rows and its XXH3-64, mixed with the sum before.
 * The signature covers estimator, parameters, steps and the data, so that a checkpoint of another job is refused, and says
 * how many rows there are; the spilled store is made again on a resume, and comes out the same.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <inttypes.h>
#include <stdio.h>
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

uint64_t skimpi_checkpoint_disk_bytes(uint64_t row_state_bytes)
{
    return skimpi_mul_sat(2, row_state_bytes);
}

skimp_status skimpi_checkpoint_check_disk(const char *path, uint64_t row_state_bytes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char directory[4096];
    const char *slash = strrchr(path, '/');
    uint64_t free_bytes;
    bool is_memory;
    /* One that is there, and is gone on from, has its own room already. */
    const uint64_t wanted = access(path, F_OK) == 0 ? row_state_bytes : skimpi_checkpoint_disk_bytes(row_state_bytes);
    snprintf(directory, sizeof directory, "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
             slash == NULL ? "." : path);
    SKIMPI_TRY(skimpi_os_disk(directory, &free_bytes, &is_memory, error));
    if (free_bytes < wanted) {
        if (error != NULL && error->code == SKIMP_OK) {
            error->requested = wanted;
        }
        return skimpi_fail_at(error, SKIMP_ERROR_IO, path, 0, NULL,
                              "checkpoints contain what the estimator keeps for each row, which needs %" PRIu64
                              " bytes of disk, and %" PRIu64 " are free; keep it elsewhere with --checkpoint",
                              wanted, free_bytes);
    }
out:
    return status;
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
    hash = skimpi_start_hash(job, job->options.partial ? skimpi_mix64(hash) : hash);
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

/* Ties the rows to what is before them. */
static uint64_t rows_checksum(const checkpoint_header *header, uint64_t of_rows)
{
    return skimpi_mix64(header->checksum ^ of_rows);
}

/* The state of the rows and its checksum, from `offset` on. */
static skimp_status write_rows(int fd, const char *path, uint64_t offset, const checkpoint_header *header,
                               skimpi_row_state *rows, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t sum = 0;
    SKIMPI_TRY(skimpi_row_state_save(rows, fd, path, offset, &sum, error));
    sum = rows_checksum(header, sum);
    SKIMPI_TRY(skimpi_os_pwrite(fd, path, &sum, sizeof sum, offset + skimpi_row_state_size(rows), error));
out:
    return status;
}

static uint64_t tail_bytes(const skimpi_row_state *rows)
{
    return rows != NULL ? skimpi_row_state_size(rows) + sizeof(uint64_t) : 0;
}

skimp_status skimpi_checkpoint_write(const char *path, skimp_budget *budget, uint64_t signature, uint64_t passes,
                                     const skimpi_estimator_class *class, const void *self, skimpi_row_state *rows,
                                     skimp_error *error)
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
    if (status == SKIMP_OK && rows != NULL) {
        status = write_rows(output.fd, path, sizeof header + state.length, &header, rows, error);
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

static skimp_status not_a_checkpoint(const char *path, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL, "this is not a checkpoint; remove it to begin anew");
}

static skimp_status damaged(const char *path, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL,
                          "this checkpoint is damaged (its checksum is wrong); remove it to begin anew");
}

static skimp_status read_rows(int fd, const char *path, uint64_t offset, const checkpoint_header *header,
                              skimpi_row_state *rows, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t sum = 0, written = 0;
    size_t got = 0;
    SKIMPI_TRY(skimpi_row_state_load(rows, fd, path, offset, &sum, error));
    SKIMPI_TRY(skimpi_os_pread(fd, path, &written, sizeof written, offset + skimpi_row_state_size(rows), &got, error));
    if (got < sizeof written || written != rows_checksum(header, sum)) {
        SKIMPI_TRY(damaged(path, error));
    }
out:
    return status;
}

skimp_status skimpi_checkpoint_read(const char *path, skimp_budget *budget, uint64_t signature,
                                    const skimpi_estimator_class *class, void *self, skimpi_row_state *rows,
                                    uint64_t *passes, bool *found, skimp_error *error)
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
    if (got < sizeof header || memcmp(header.magic, magic, sizeof magic) != 0) {
        SKIMPI_TRY(not_a_checkpoint(path, error));
    }
    if (header.signature != signature) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL,
                                  "this checkpoint is of another job (other data, estimator, parameters or version); "
                                  "remove it to begin anew"));
    }
    const uint64_t tail = tail_bytes(rows), around = skimpi_add_sat(sizeof header, tail);
    if (stat.size < around || header.state_bytes != stat.size - around) {
        SKIMPI_TRY(not_a_checkpoint(path, error));
    }
    state_bytes = header.state_bytes;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_SOLVER, state_bytes, 1, &state, error));
    SKIMPI_TRY(skimpi_os_pread(fd, path, state, state_bytes, sizeof header, &got, error));
    if (got < state_bytes || checksum(&header, state) != header.checksum) {
        SKIMPI_TRY(damaged(path, error));
    }
    SKIMPI_TRY(class->state_load(self, state, state_bytes, error));
    if (rows != NULL) {
        SKIMPI_TRY(read_rows(fd, path, sizeof header + state_bytes, &header, rows, error));
    }
    *passes = header.passes;
    *found = true;
out:
    skimp_free(budget, SKIMP_TAG_SOLVER, state, state_bytes, 1);
    if (fd >= 0) {
        skimpi_os_close(fd);
    }
    return status;
}
