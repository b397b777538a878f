/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inputs: opening, telling the codec, reading in order through a decompressor or at any place of a plain file, peeking.
 *
 * A plain regular file is read with pread straight into the caller's memory.  Compressed files and streams go through
 * `packed`, a buffer of bytes as they are in the file; of a plain stream it holds only the first bytes, which told the
 * codec.  What was peeked is kept in `peeked` until it has been read.
 */
#include "data/input.h"

#include <string.h>

#include "data/input_codec.h"
#include "data/spill.h"
#include "os/os.h"

#define PACKED_BYTES (64u << 10)
#define MAGIC_BYTES 4u
#define PEEK_LIMIT (1u << 20)
#define STANDARD_INPUT 0
#define SPOOL_BLOCK (16u << 10)

struct skimpi_input {
    skimp_budget *budget;
    char *name;
    int fd;
    bool owns_fd;
    const volatile int *cancel; /* the caller's wish to stop; may be NULL */
    bool is_regular;
    bool started;  /* something was read: no peeking any more */
    bool finished; /* the text ended */
    skimpi_codec codec;
    skimpi_os_stat opened;
    uint64_t file_offset; /* of the next byte to come from the file */
    uint64_t text_offset; /* bytes of text made so far (peeked ones too) */
    uint64_t known_text;  /* what was learnt before the last rewind: this much text … */
    uint64_t known_taken; /* … from so many bytes of the file … */
    bool known_whole;     /* … and that was all */
    uint8_t *packed;      /* [packed_begin, packed_end) of packed_capacity bytes are yet to be decoded */
    size_t packed_capacity, packed_begin, packed_end;
    bool packed_last; /* the file has no bytes after them */
    const skimpi_decompressor_class *decompressor_class;
    void *decompressor;
    uint8_t *peeked; /* [peeked_begin, peeked_end) are yet to be read */
    size_t peeked_capacity, peeked_begin, peeked_end;
};

/* ---- for the decompressors ------------------------------------------------------------------------------------ */

/* Before each block that a library gets: its size. It keeps the alignment that malloc would give. */
typedef union codec_block {
    size_t bytes;
    max_align_t alignment;
} codec_block;

void *skimpi_codec_allocate(skimpi_codec_memory *memory, size_t count, size_t size)
{
    uint64_t bytes = skimpi_add_sat(skimpi_mul_sat(count, size), sizeof(codec_block));
    memory->refusal = (skimp_error)SKIMP_ERROR_INIT;
    void *block;
    if (bytes > SIZE_MAX / 2 ||
        skimp_alloc(memory->budget, SKIMP_TAG_INPUT, (size_t)bytes, 1, &block, &memory->refusal) != SKIMP_OK) {
        return NULL;
    }
    codec_block *head = block;
    head->bytes = (size_t)bytes;
    memory->charged += skimp_alloc_cost(bytes);
    return head + 1;
}

void skimpi_codec_release(skimpi_codec_memory *memory, void *block)
{
    if (block != NULL) {
        codec_block *head = (codec_block *)block - 1;
        memory->charged -= skimp_alloc_cost(head->bytes);
        skimp_free(memory->budget, SKIMP_TAG_INPUT, head, head->bytes, 1);
    }
}

skimp_status skimpi_codec_refused(const skimpi_codec_memory *memory, skimp_error *error)
{
    if (memory->refusal.code == SKIMP_OK) {
        return skimpi_fail(error, SKIMP_ERROR_NOMEM, "a decompressor asks for more memory than there can be");
    }
    if (error != NULL && error->code == SKIMP_OK) {
        *error = memory->refusal;
    }
    return (skimp_status)memory->refusal.code;
}

/* ---- bytes of the file ---------------------------------------------------------------------------------------- */

static skimp_status cut_short(const skimpi_input *input, uint64_t at, skimp_error *error)
{
    return skimpi_fail_at(
        error, SKIMP_ERROR_DATA, input->name, 0, NULL,
        "the file ends at byte %llu, but had %llu bytes when it was opened: it was cut short meanwhile",
        (unsigned long long)at, (unsigned long long)input->opened.size);
}

static bool is_cancelled(void *context)
{
    const skimpi_input *input = context;
    return *input->cancel != 0;
}

/* Up to `bytes` next ones as they are in the file; fewer only at its end. */
static skimp_status fetch(skimpi_input *input, uint8_t *buffer, size_t bytes, size_t *got, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *got = 0;
    if (input->is_regular) {
        SKIMPI_TRY(skimpi_input_pread(input, buffer, bytes, input->file_offset, got, error));
        input->file_offset += *got;
    } else {
        while (*got < bytes) {
            size_t more;
            SKIMPI_TRY(skimpi_os_read_cancellable(input->fd, input->name, buffer + *got, bytes - *got, &more,
                                                  input->cancel != NULL ? is_cancelled : NULL, input, error));
            if (more == 0) {
                break;
            }
            *got += more;
            input->file_offset += more;
        }
    }
out:
    return status;
}

/* Moves what is left of the packed bytes to the front and fills up behind them. */
static skimp_status refill(skimpi_input *input, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    size_t left = input->packed_end - input->packed_begin;
    memmove(input->packed, input->packed + input->packed_begin, left);
    input->packed_begin = 0;
    input->packed_end = left;
    size_t got;
    SKIMPI_TRY(fetch(input, input->packed + left, input->packed_capacity - left, &got, error));
    input->packed_end += got;
    input->packed_last = input->packed_end < input->packed_capacity;
out:
    return status;
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

static skimpi_codec codec_of(const uint8_t *magic, size_t n)
{
    if (n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        return SKIMPI_CODEC_GZIP;
    }
    if (n >= 4) {
        uint32_t word = magic[0] | (uint32_t)magic[1] << 8 | (uint32_t)magic[2] << 16 | (uint32_t)magic[3] << 24;
        if (word == 0xFD2FB528u || (word & 0xFFFFFFF0u) == 0x184D2A50u) { /* a frame, or a skippable one before it */
            return SKIMPI_CODEC_ZSTD;
        }
    }
    return SKIMPI_CODEC_PLAIN;
}

/* Reads the first bytes, and makes what their codec needs. */
static skimp_status begin_codec(skimpi_input *input, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint8_t magic[MAGIC_BYTES];
    size_t got;
    SKIMPI_TRY(fetch(input, magic, sizeof magic, &got, error));
    input->codec = codec_of(magic, got);
    bool plain = input->codec == SKIMPI_CODEC_PLAIN;
    if (plain && input->is_regular) {
        input->file_offset = 0;
        goto out;
    }
    size_t capacity = plain ? MAGIC_BYTES : PACKED_BYTES;
    void *block;
    SKIMPI_TRY(skimp_alloc(input->budget, SKIMP_TAG_INPUT, capacity, 1, &block, error));
    input->packed = block;
    input->packed_capacity = capacity;
    memcpy(input->packed, magic, got);
    input->packed_end = got;
    input->packed_last = got < MAGIC_BYTES;
    if (!plain) {
        input->decompressor_class =
            input->codec == SKIMPI_CODEC_GZIP ? &skimpi_decompressor_gzip : &skimpi_decompressor_zstd;
        SKIMPI_TRY(input->decompressor_class->create(&input->decompressor, input->budget, error));
    }
out:
    return status;
}

skimp_status skimpi_input_open(skimpi_input **out, skimp_budget *budget, const char *path, skimp_error *error)
{
    return skimpi_input_open_cancellable(out, budget, path, NULL, error);
}

skimp_status skimpi_input_open_cancellable(skimpi_input **out, skimp_budget *budget, const char *path,
                                           const volatile int *cancel, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    bool is_standard = strcmp(path, "-") == 0;
    const char *name = is_standard ? "standard input" : path;
    *out = NULL;
    void *block;
    skimpi_input *input = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, 1, sizeof *input, &block, error));
    input = block;
    input->budget = budget;
    input->cancel = cancel;
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_INPUT, name, strlen(name), &input->name, error));
    if (is_standard) {
        input->fd = STANDARD_INPUT;
    } else {
        SKIMPI_TRY(skimpi_os_open(&input->fd, path, error));
        input->owns_fd = true;
    }
    SKIMPI_TRY(skimpi_os_fstat(input->fd, name, &input->opened, error));
    if (input->opened.is_directory) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_IO, name, 0, NULL, "it is a directory"));
    }
    /* Standard input may be a file of which another process has read a part: it is always read in order from where it stands. */
    input->is_regular = input->opened.is_regular && !is_standard;
    SKIMPI_TRY(begin_codec(input, error));
    *out = input;
out:
    if (status != SKIMP_OK) {
        skimpi_input_close(input);
    }
    return status;
}

skimp_status skimpi_input_open_caller(skimpi_input **out, skimp_budget *budget, const char *name, uint64_t bytes,
                                      bool in_order, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    void *block;
    skimpi_input *input = NULL;
    *out = NULL;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_INPUT, 1, sizeof *input, &block, error));
    input = block;
    input->budget = budget;
    input->fd = -1;
    input->is_regular = !in_order;
    input->opened.size = bytes;
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_INPUT, name, strlen(name), &input->name, error));
    *out = input;
out:
    if (status != SKIMP_OK) {
        skimpi_input_close(input);
    }
    return status;
}

static void release_peeked(skimpi_input *input)
{
    skimp_free(input->budget, SKIMP_TAG_INPUT, input->peeked, input->peeked_capacity, 1);
    input->peeked = NULL;
    input->peeked_capacity = input->peeked_begin = input->peeked_end = 0;
}

void skimpi_input_close(skimpi_input *input)
{
    if (input == NULL) {
        return;
    }
    if (input->decompressor != NULL) {
        input->decompressor_class->destroy(input->decompressor);
    }
    release_peeked(input);
    skimp_free(input->budget, SKIMP_TAG_INPUT, input->packed, input->packed_capacity, 1);
    if (input->owns_fd) {
        skimpi_os_close(input->fd);
    }
    skimpi_string_free(input->budget, SKIMP_TAG_INPUT, input->name);
    skimp_free(input->budget, SKIMP_TAG_INPUT, input, 1, sizeof *input);
}

/* ---- what it is ----------------------------------------------------------------------------------------------- */

const char *skimpi_input_name(const skimpi_input *input)
{
    return input->name;
}

skimpi_codec skimpi_input_codec(const skimpi_input *input)
{
    return input->codec;
}

bool skimpi_input_seekable(const skimpi_input *input)
{
    return input->is_regular && input->codec == SKIMPI_CODEC_PLAIN;
}

uint64_t skimpi_input_file_size(const skimpi_input *input)
{
    return input->is_regular ? input->opened.size : UINT64_MAX;
}

uint64_t skimpi_input_bytes_taken(const skimpi_input *input)
{
    return input->file_offset - (input->packed_end - input->packed_begin);
}

uint64_t skimpi_input_text_size(const skimpi_input *input, bool *exact)
{
    *exact = true;
    if (skimpi_input_seekable(input)) {
        return input->opened.size;
    }
    if (input->finished || input->known_whole) {
        return input->finished ? input->text_offset : input->known_text;
    }
    *exact = false;
    bool older = input->known_text > input->text_offset;
    uint64_t text = older ? input->known_text : input->text_offset;
    uint64_t taken = older ? input->known_taken : skimpi_input_bytes_taken(input);
    if (!input->is_regular || text == 0 || taken == 0) {
        return UINT64_MAX;
    }
    double guess = (double)input->opened.size * ((double)text / (double)taken);
    /* The first frame's own word is better, unless the file looks as if others followed it. */
    uint64_t told = input->decompressor_class->text_size(input->decompressor);
    if (told != UINT64_MAX && (double)told > guess / 2) {
        return told;
    }
    return guess < 0x1p63 ? (uint64_t)guess : UINT64_MAX - 1;
}

uint64_t skimpi_input_memory(const skimpi_input *input)
{
    uint64_t bytes = skimp_alloc_cost(sizeof *input) + skimp_alloc_cost(strlen(input->name) + 1);
    if (input->packed != NULL) {
        bytes += skimp_alloc_cost(input->packed_capacity);
    }
    if (input->peeked != NULL) {
        bytes += skimp_alloc_cost(input->peeked_capacity);
    }
    if (input->decompressor != NULL) {
        bytes += input->decompressor_class->memory(input->decompressor);
    }
    return bytes;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

skimp_status skimpi_input_pread(skimpi_input *input, void *buffer, size_t bytes, uint64_t offset, size_t *got,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t size = input->opened.size; /* what is appended meanwhile does not belong to it */
    *got = 0;
    if (offset >= size) {
        return SKIMP_OK;
    }
    size_t wanted = (size_t)skimpi_min_u64(bytes, size - offset);
    SKIMPI_TRY(skimpi_os_pread(input->fd, input->name, buffer, wanted, offset, got, error));
    if (*got < wanted) {
        SKIMPI_TRY(cut_short(input, offset + *got, error));
    }
out:
    return status;
}

/* The next bytes of text, past what was peeked; fewer than asked only at the end. */
static skimp_status make_text(skimpi_input *input, uint8_t *buffer, size_t bytes, size_t *got, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *got = 0;
    if (input->codec == SKIMPI_CODEC_PLAIN) {
        size_t first = input->packed_end - input->packed_begin;
        if (first > bytes) {
            first = bytes;
        }
        if (first > 0) {
            memcpy(buffer, input->packed + input->packed_begin, first);
            input->packed_begin += first;
        }
        SKIMPI_TRY(fetch(input, buffer + first, bytes - first, got, error));
        *got += first;
        input->finished = *got < bytes;
    }
    while (*got < bytes && !input->finished) {
        skimpi_codec_step step = {
            .in = input->packed + input->packed_begin,
            .in_bytes = input->packed_end - input->packed_begin,
            .in_offset = skimpi_input_bytes_taken(input),
            .in_last = input->packed_last,
            .out = buffer + *got,
            .out_bytes = bytes - *got,
        };
        if (step.in_bytes < PACKED_BYTES / 2 && !step.in_last) {
            SKIMPI_TRY(refill(input, error));
            continue;
        }
        SKIMPI_TRY(input->decompressor_class->decode(input->decompressor, input->name, &step, error));
        input->packed_begin += step.in_used;
        *got += step.out_made;
        input->finished = step.finished;
    }
out:
    input->text_offset += *got;
    return status;
}

skimp_status skimpi_input_read(skimpi_input *input, void *buffer, size_t bytes, size_t *got, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    input->started = true;
    size_t first = input->peeked_end - input->peeked_begin;
    if (first > bytes) {
        first = bytes;
    }
    *got = 0;
    if (first > 0) {
        memcpy(buffer, input->peeked + input->peeked_begin, first);
        input->peeked_begin += first;
        *got = first;
    }
    if (input->peeked != NULL && input->peeked_begin == input->peeked_end) {
        release_peeked(input);
    }
    if (*got < bytes && !input->finished) {
        size_t more = 0;
        SKIMPI_TRY(make_text(input, (uint8_t *)buffer + first, bytes - first, &more, error));
        *got += more;
    }
out:
    return status;
}

skimp_status skimpi_input_peek(skimpi_input *input, size_t bytes, const char **data, size_t *got, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *data = NULL;
    *got = 0;
    if (input->started || bytes > PEEK_LIMIT) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "a peek of %zu bytes at '%s' comes too late or is too large",
                           bytes, input->name);
    }
    if (bytes > input->peeked_capacity) {
        void *block = input->peeked;
        SKIMPI_TRY(skimp_realloc(input->budget, SKIMP_TAG_INPUT, &block, input->peeked_capacity, bytes, 1, error));
        input->peeked = block;
        input->peeked_capacity = bytes;
    }
    if (bytes > input->peeked_end && !input->finished) {
        size_t more;
        SKIMPI_TRY(make_text(input, input->peeked + input->peeked_end, bytes - input->peeked_end, &more, error));
        input->peeked_end += more;
    }
    *data = (const char *)input->peeked;
    *got = bytes < input->peeked_end ? bytes : input->peeked_end;
out:
    return status;
}

skimp_status skimpi_input_check_unchanged(skimpi_input *input, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (!input->is_regular || input->fd < 0) {
        return SKIMP_OK;
    }
    skimpi_os_stat now;
    SKIMPI_TRY(skimpi_os_fstat(input->fd, input->name, &now, error));
    if (now.size != input->opened.size) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, input->name, 0, NULL,
                                  "the file changed while it was read: it had %llu bytes and has %llu now",
                                  (unsigned long long)input->opened.size, (unsigned long long)now.size));
    }
    if (now.modified_ns != input->opened.modified_ns) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, input->name, 0, NULL, "the file changed while it was read"));
    }
out:
    return status;
}

skimp_status skimpi_input_rewind(skimpi_input *input, skimp_error *error)
{
    if (!input->is_regular) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "'%s' can be read only once", input->name);
    }
    if (input->text_offset > input->known_text || input->finished) {
        input->known_text = input->text_offset;
        input->known_taken = skimpi_input_bytes_taken(input);
        input->known_whole = input->finished;
    }
    release_peeked(input);
    if (input->decompressor != NULL) {
        input->decompressor_class->reset(input->decompressor);
    }
    input->started = input->finished = false;
    input->file_offset = input->text_offset = 0;
    input->packed_begin = input->packed_end = 0;
    input->packed_last = false;
    return SKIMP_OK;
}

/* From here on the bytes are those of this file. */
static void become_file(skimpi_input *input, int fd, const skimpi_os_stat *opened)
{
    if (input->decompressor != NULL) {
        input->decompressor_class->destroy(input->decompressor);
        input->decompressor = NULL;
    }
    skimp_free(input->budget, SKIMP_TAG_INPUT, input->packed, input->packed_capacity, 1);
    release_peeked(input);
    if (input->owns_fd) {
        skimpi_os_close(input->fd);
    }
    input->packed = NULL;
    input->packed_capacity = input->packed_begin = input->packed_end = 0;
    input->fd = fd;
    input->owns_fd = true;
    input->is_regular = true;
    input->codec = SKIMPI_CODEC_PLAIN;
    input->opened = *opened;
    input->started = input->finished = false;
    input->file_offset = input->text_offset = 0;
}

skimp_status skimpi_input_spool(skimpi_input *input, const char *directory, bool allow_tmpfs, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t free_bytes = 0, at = 0;
    int fd = -1;
    skimpi_os_stat opened;
    uint8_t block[SPOOL_BLOCK];
    SKIMPI_TRY(skimpi_spill_disk(directory, allow_tmpfs, &free_bytes, error));
    SKIMPI_TRY(skimpi_os_spill_file(&fd, directory, error));
    for (size_t got = sizeof block; got > 0; at += got) {
        SKIMPI_TRY(skimpi_input_read(input, block, sizeof block, &got, error));
        if (input->cancel != NULL && *input->cancel != 0) {
            SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_CANCELLED, "reading was interrupted"));
        }
        SKIMPI_TRY(skimpi_os_pwrite(fd, directory, block, got, at, error));
    }
    SKIMPI_TRY(skimpi_os_fstat(fd, directory, &opened, error));
    become_file(input, fd, &opened);
    fd = -1;
out:
    if (fd >= 0) {
        skimpi_os_close(fd);
    }
    return status;
}
