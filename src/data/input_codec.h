/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decompressors behind an input: one class per codec.  One is fed compressed bytes in order and writes text into
 * the caller's memory; several members (frames) that follow one another are one text.
 * All memory goes through the budget under "input": that of the libraries by their allocation hooks.
 */
#ifndef SKIMPI_INPUT_CODEC_H
#define SKIMPI_INPUT_CODEC_H

#include "base/base.h"

/* What the libraries' allocation hooks need: who pays, and the record of the refusal that they cannot return. */
typedef struct skimpi_codec_memory {
    skimp_budget *budget;
    uint64_t charged;
    skimp_error refusal;
} skimpi_codec_memory;

/* Allocates and frees for a library that does not give the size back when it frees. NULL: see memory->refusal. */
void *skimpi_codec_allocate(skimpi_codec_memory *memory, size_t count, size_t size);
void skimpi_codec_release(skimpi_codec_memory *memory, void *block);
/* The error of an allocation that a hook refused. */
SKIMP_CHECKED skimp_status skimpi_codec_refused(const skimpi_codec_memory *memory, skimp_error *error);

typedef struct skimpi_codec_step {
    const uint8_t *in; /* compressed bytes: [in, in + in_bytes) … */
    size_t in_bytes;
    uint64_t in_offset; /* … which are these of the file, for messages */
    bool in_last;       /* the file ends with them */
    uint8_t *out;       /* room for text */
    size_t out_bytes;
    size_t in_used;  /* set: bytes taken */
    size_t out_made; /* set: bytes written */
    bool finished;   /* set: the text is complete (only with in_last) */
} skimpi_codec_step;

typedef struct skimpi_decompressor_class {
    skimp_status (*create)(void **out, skimp_budget *budget, skimp_error *error);
    void (*destroy)(void *decompressor);
    /* Begins again at the first byte of the file. */
    void (*reset)(void *decompressor);
    /* Takes and makes what it can; neither is an error only when more input is to come. DATA when the bytes are damaged or cut short. */
    skimp_status (*decode)(void *decompressor, const char *file, skimpi_codec_step *step, skimp_error *error);
    uint64_t (*memory)(const void *decompressor);
    /* Size of the text of the first member where it says so, else UINT64_MAX; valid once some of it was decoded. */
    uint64_t (*text_size)(const void *decompressor);
} skimpi_decompressor_class;

extern const skimpi_decompressor_class skimpi_decompressor_gzip;
extern const skimpi_decompressor_class skimpi_decompressor_zstd;

#endif
