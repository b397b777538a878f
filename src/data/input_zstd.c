/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zstandard (RFC 8878) by libzstd.  Frames may follow one another and skippable frames are skipped.  A frame's window is
 * allocated when the frame begins, through the budget, and is refused over 128 MiB.  Frames that need a dictionary are
 * refused.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_customMem, ZSTD_getFrameHeader */
#include <zstd.h>
#include <zstd_errors.h>

#include "data/input_codec.h"

#define ZSTD_WINDOW_LOG_LIMIT 27

typedef struct zstd_decoder {
    skimp_budget *budget;
    skimpi_codec_memory memory;
    ZSTD_DStream *stream;
    bool within;        /* a frame has begun and not ended */
    bool begun;         /* the first frame was looked at */
    uint64_t text_size; /* of the first frame, or UINT64_MAX */
} zstd_decoder;

static void *zstd_allocate(void *opaque, size_t size)
{
    return skimpi_codec_allocate(opaque, 1, size);
}

static void zstd_release(void *opaque, void *block)
{
    skimpi_codec_release(opaque, block);
}

static void zstd_destroy(void *opaque)
{
    zstd_decoder *decoder = opaque;
    ZSTD_freeDStream(decoder->stream);
    skimp_free(decoder->budget, SKIMP_TAG_INPUT, decoder, 1, sizeof *decoder);
}

static skimp_status zstd_create(void **out, skimp_budget *budget, skimp_error *error)
{
    *out = NULL;
    void *block;
    skimp_status status = skimp_alloc(budget, SKIMP_TAG_INPUT, 1, sizeof(zstd_decoder), &block, error);
    if (status != SKIMP_OK) {
        return status;
    }
    zstd_decoder *decoder = block;
    decoder->budget = budget;
    decoder->memory.budget = budget;
    decoder->text_size = UINT64_MAX;
    decoder->stream = ZSTD_createDStream_advanced((ZSTD_customMem){ zstd_allocate, zstd_release, &decoder->memory });
    if (decoder->stream == NULL) {
        status = skimpi_codec_refused(&decoder->memory, error);
        skimp_free(budget, SKIMP_TAG_INPUT, decoder, 1, sizeof *decoder);
        return status;
    }
    size_t code = ZSTD_DCtx_setParameter(decoder->stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_LIMIT);
    if (ZSTD_isError(code)) {
        zstd_destroy(decoder);
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "libzstd refuses a parameter: %s", ZSTD_getErrorName(code));
    }
    *out = decoder;
    return SKIMP_OK;
}

static void zstd_reset(void *opaque)
{
    zstd_decoder *decoder = opaque;
    decoder->within = false;
    (void)ZSTD_DCtx_reset(decoder->stream, ZSTD_reset_session_only); /* a session can always be given up */
}

/* The size that the first frame gives for its text. Its header is small and comes in one piece, or is not known. */
static void zstd_look(zstd_decoder *decoder, const skimpi_codec_step *step)
{
    ZSTD_frameHeader header;
    if (ZSTD_getFrameHeader(&header, step->in, step->in_bytes) == 0 && header.frameType == ZSTD_frame &&
        header.frameContentSize != ZSTD_CONTENTSIZE_UNKNOWN) {
        decoder->text_size = header.frameContentSize;
    }
    decoder->begun = true;
}

static skimp_status zstd_failed(zstd_decoder *decoder, const char *file, uint64_t offset, size_t code,
                                skimp_error *error)
{
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_memory_allocation:
        return skimpi_codec_refused(&decoder->memory, error);
    case ZSTD_error_frameParameter_windowTooLarge:
        return skimpi_fail_at(
            error, SKIMP_ERROR_DATA, file, 0, NULL,
            "byte %llu of the file: its zstd window is over %u MiB; compress it without --ultra or --long",
            (unsigned long long)offset, 1u << (ZSTD_WINDOW_LOG_LIMIT - 20));
    case ZSTD_error_dictionary_wrong:
        return skimpi_fail_at(
            error, SKIMP_ERROR_DATA, file, 0, NULL,
            "byte %llu of the file: it was compressed with a zstd dictionary; decompress it first (zstd -d -D)",
            (unsigned long long)offset);
    case ZSTD_error_prefix_unknown:
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                              "byte %llu of the file: something other than zstd follows the compressed data",
                              (unsigned long long)offset);
    default:
        return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                              "byte %llu of the file: the zstd data is damaged (%s)", (unsigned long long)offset,
                              ZSTD_getErrorName(code));
    }
}

static skimp_status zstd_decode(void *opaque, const char *file, skimpi_codec_step *step, skimp_error *error)
{
    zstd_decoder *decoder = opaque;
    if (!decoder->begun) {
        zstd_look(decoder, step);
    }
    ZSTD_inBuffer in = { step->in, step->in_bytes, 0 };
    ZSTD_outBuffer out = { step->out, step->out_bytes, 0 };
    skimp_status status = SKIMP_OK;
    step->finished = false;
    while (out.pos < out.size) {
        if (!decoder->within && in.pos == in.size) {
            step->finished = step->in_last;
            break;
        }
        size_t in_before = in.pos;
        size_t out_before = out.pos;
        size_t code = ZSTD_decompressStream(decoder->stream, &out, &in);
        if (ZSTD_isError(code)) {
            status = zstd_failed(decoder, file, step->in_offset + in.pos, code, error);
            break;
        }
        decoder->within = code != 0;
        if (decoder->within && in.pos == in_before && out.pos == out_before) { /* it wants more input than there is */
            if (step->in_last) {
                status = skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                                        "byte %llu of the file: the zstd data ends too early (is the file cut short?)",
                                        (unsigned long long)(step->in_offset + in.pos));
            }
            break;
        }
    }
    step->in_used = in.pos;
    step->out_made = out.pos;
    return status;
}

static uint64_t zstd_memory(const void *opaque)
{
    const zstd_decoder *decoder = opaque;
    return skimp_alloc_cost(sizeof *decoder) + decoder->memory.charged;
}

static uint64_t zstd_text_size(const void *opaque)
{
    return ((const zstd_decoder *)opaque)->text_size;
}

const skimpi_decompressor_class skimpi_decompressor_zstd = {
    .create = zstd_create,
    .destroy = zstd_destroy,
    .reset = zstd_reset,
    .decode = zstd_decode,
    .memory = zstd_memory,
    .text_size = zstd_text_size,
};
