/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inputs: the bytes of a file, decompressed, whatever it is: a regular file, .gz, .zst (told by the first bytes, several
 * members or frames too), a pipe, standard input ("-").
 *
 * A plain regular file is *seekable*: any thread may pread at any offset.  All others are read in order, by one thread
 * at a time.  The size and time of a regular file are fixed at open; skimpi_input_check_unchanged tells of a file that
 * grew, shrank or was rewritten meanwhile.
 * Memory: the decompressor's window and state, charged under "input" (gz: 64 KiB + input buffer; zst: the frame's
 * window, at most 128 MiB, refused with the budget error when the budget does not allow it).
 */
#ifndef SKIMPI_INPUT_H
#define SKIMPI_INPUT_H

#include "base/base.h"

typedef enum skimpi_codec { SKIMPI_CODEC_PLAIN, SKIMPI_CODEC_GZIP, SKIMPI_CODEC_ZSTD } skimpi_codec;

typedef struct skimpi_input skimpi_input;

SKIMP_CHECKED skimp_status skimpi_input_open(skimpi_input **out, skimp_budget *budget, const char *path,
                                             skimp_error *error);
/* The same; a read of a silent pipe ends with CANCELLED soon after *cancel is set (NULL: never). It must outlive the input. */
SKIMP_CHECKED skimp_status skimpi_input_open_cancellable(skimpi_input **out, skimp_budget *budget, const char *path,
                                                         const volatile int *cancel, skimp_error *error);
/*
 * What stands for arrays that the caller holds, `bytes` of them: nothing is read from it, but it is seekable (or in_order:
 * not), has a name and a size.
 */
SKIMP_CHECKED skimp_status skimpi_input_open_caller(skimpi_input **out, skimp_budget *budget, const char *name,
                                                    uint64_t bytes, bool in_order, skimp_error *error);
void skimpi_input_close(skimpi_input *input);

const char *skimpi_input_name(const skimpi_input *input); /* as the user gave it; "standard input" for "-" */
skimpi_codec skimpi_input_codec(const skimpi_input *input);
bool skimpi_input_seekable(const skimpi_input *input);
uint64_t skimpi_input_file_size(const skimpi_input *input); /* bytes on disk; UINT64_MAX for a pipe */
uint64_t skimpi_input_bytes_taken(
    const skimpi_input *input); /* bytes on disk consumed so far (progress; sequential reads) */
/* Estimate of the decompressed size: exact when plain (or from a zstd frame header), else from the ratio so far; UINT64_MAX unknown. */
uint64_t skimpi_input_text_size(const skimpi_input *input, bool *exact);
uint64_t skimpi_input_memory(const skimpi_input *input); /* bytes charged now */

/* Seekable only. *got is less than bytes only at the end. */
SKIMP_CHECKED skimp_status skimpi_input_pread(skimpi_input *input, void *buffer, size_t bytes, uint64_t offset,
                                              size_t *got, skimp_error *error);
/* The next bytes in order; *got 0 only at the end. A damaged or truncated stream is a DATA error with the file and the byte offset. */
SKIMP_CHECKED skimp_status skimpi_input_read(skimpi_input *input, void *buffer, size_t bytes, size_t *got,
                                             skimp_error *error);
/*
 * The first bytes (up to `bytes`, at most 1 MiB; fewer at the end) without taking them: later reads see them again.
 * Before the first read only. The bytes are the input's, until the next peek, read, rewind or close.
 */
SKIMP_CHECKED skimp_status skimpi_input_peek(skimpi_input *input, size_t bytes, const char **data, size_t *got,
                                             skimp_error *error);
SKIMP_CHECKED skimp_status skimpi_input_check_unchanged(skimpi_input *input, skimp_error *error);
/*
 * Copies all of the text to an unnamed file in `directory` and reads from that from here on: the input becomes seekable.
 * Before the first read only. allow_tmpfs: the directory may be memory. Memory: 16 KiB of stack; the decompressor goes.
 */
SKIMP_CHECKED skimp_status skimpi_input_spool(skimpi_input *input, const char *directory, bool allow_tmpfs,
                                              skimp_error *error);
/* Starts again at the first byte (regular files), and gives back what a peek took. */
SKIMP_CHECKED skimp_status skimpi_input_rewind(skimpi_input *input, skimp_error *error);

#endif
