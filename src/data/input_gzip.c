/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gzip (RFC 1952) by zlib, inflated straight into the caller's memory.  Members may follow one another, as `cat a.gz b.gz`
 * and bgzip make them; zero bytes after the last one are padding, anything else there is an error.
 */
#include "data/input_codec.h"

#include <limits.h>
#include <zlib.h>

typedef enum gzip_phase {
    GZIP_MEMBER,  /* within a member, or before the first */
    GZIP_BETWEEN, /* after one: another member, padding or the end */
    GZIP_PADDING
} gzip_phase;

typedef struct gzip_decoder {
    skimp_budget *budget;
    skimpi_codec_memory memory;
    z_stream stream;
    gzip_phase phase;
} gzip_decoder;

static void *gzip_allocate(void *opaque, unsigned count, unsigned size)
{
    return skimpi_codec_allocate(opaque, count, size);
}

static void gzip_release(void *opaque, void *block)
{
    skimpi_codec_release(opaque, block);
}

static void gzip_destroy(void *opaque)
{
    gzip_decoder *decoder = opaque;
    inflateEnd(&decoder->stream);
    skimp_free(decoder->budget, SKIMP_TAG_INPUT, decoder, 1, sizeof *decoder);
}

static skimp_status gzip_create(void **out, skimp_budget *budget, skimp_error *error)
{
    *out = NULL;
    void *block;
    skimp_status status = skimp_alloc(budget, SKIMP_TAG_INPUT, 1, sizeof(gzip_decoder), &block, error);
    if (status != SKIMP_OK) {
        return status;
    }
    gzip_decoder *decoder = block;
    decoder->budget = budget;
    decoder->memory.budget = budget;
    decoder->stream.zalloc = gzip_allocate;
    decoder->stream.zfree = gzip_release;
    decoder->stream.opaque = &decoder->memory;
    int code = inflateInit2(&decoder->stream, 16 + MAX_WBITS);
    if (code != Z_OK) {
        status = code == Z_MEM_ERROR ? skimpi_codec_refused(&decoder->memory, error)
                                     : skimpi_fail(error, SKIMP_ERROR_INTERNAL, "zlib cannot be started (%d)", code);
        skimp_free(budget, SKIMP_TAG_INPUT, decoder, 1, sizeof *decoder);
        return status;
    }
    *out = decoder;
    return SKIMP_OK;
}

static void gzip_reset(void *opaque)
{
    gzip_decoder *decoder = opaque;
    decoder->phase = GZIP_MEMBER;
    (void)inflateReset(&decoder->stream); /* fails only on a stream that was never begun */
}

static skimp_status gzip_decode(void *opaque, const char *file, skimpi_codec_step *step, skimp_error *error)
{
    gzip_decoder *decoder = opaque;
    z_stream *stream = &decoder->stream;
    step->in_used = step->out_made = 0;
    step->finished = false;
    for (;;) {
        const uint8_t *next = step->in + step->in_used;
        size_t left = step->in_bytes - step->in_used;
        uint64_t offset = step->in_offset + step->in_used;
        if (decoder->phase == GZIP_BETWEEN && left > 0) {
            decoder->phase = *next == 0 ? GZIP_PADDING : GZIP_MEMBER;
            if (decoder->phase == GZIP_MEMBER && *next != 0x1f) {
                return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                                      "byte %llu of the file: something other than gzip follows the compressed data",
                                      (unsigned long long)offset);
            }
            (void)inflateReset(stream);
        }
        if (decoder->phase == GZIP_PADDING) {
            for (size_t i = 0; i < left; i++) {
                if (next[i] != 0) {
                    return skimpi_fail_at(
                        error, SKIMP_ERROR_DATA, file, 0, NULL,
                        "byte %llu of the file: something other than gzip follows the compressed data",
                        (unsigned long long)(offset + i));
                }
            }
            step->in_used = step->in_bytes;
            left = 0;
        }
        if (decoder->phase != GZIP_MEMBER) {
            step->finished = step->in_last && left == 0;
            return SKIMP_OK;
        }
        size_t room = step->out_bytes - step->out_made;
        if (room == 0) {
            return SKIMP_OK;
        }
        stream->next_in = (uint8_t *)(uintptr_t)next; /* zlib does not write there */
        stream->avail_in = (unsigned)(left < INT_MAX ? left : INT_MAX);
        stream->next_out = step->out + step->out_made;
        stream->avail_out = (unsigned)(room < INT_MAX ? room : INT_MAX);
        int code = inflate(stream, Z_NO_FLUSH);
        size_t taken = (size_t)(stream->next_in - next);
        size_t made = (size_t)(stream->next_out - (step->out + step->out_made));
        step->in_used += taken;
        step->out_made += made;
        if (code == Z_STREAM_END) {
            decoder->phase = GZIP_BETWEEN;
        } else if (code == Z_MEM_ERROR) {
            return skimpi_codec_refused(&decoder->memory, error);
        } else if (code != Z_OK && code != Z_BUF_ERROR) {
            return skimpi_fail_at(
                error, SKIMP_ERROR_DATA, file, 0, NULL, "byte %llu of the file: the gzip data is damaged (%s)",
                (unsigned long long)(offset + taken), stream->msg != NULL ? stream->msg : "no reason given");
        } else if (taken == 0 && made == 0) { /* it wants more input than there is */
            if (step->in_last) {
                return skimpi_fail_at(error, SKIMP_ERROR_DATA, file, 0, NULL,
                                      "byte %llu of the file: the gzip data ends too early (is the file cut short?)",
                                      (unsigned long long)offset);
            }
            return SKIMP_OK;
        }
    }
}

static uint64_t gzip_memory(const void *opaque)
{
    const gzip_decoder *decoder = opaque;
    return skimp_alloc_cost(sizeof *decoder) + decoder->memory.charged;
}

static uint64_t gzip_text_size(const void *opaque)
{
    (void)opaque; /* a member's size follows it, modulo 2^32 */
    return UINT64_MAX;
}

const skimpi_decompressor_class skimpi_decompressor_gzip = {
    .create = gzip_create,
    .destroy = gzip_destroy,
    .reset = gzip_reset,
    .decode = gzip_decode,
    .memory = gzip_memory,
    .text_size = gzip_text_size,
};
