/* SPDX-License-Identifier: BSD-3-Clause */
/* Inputs: every codec read in pieces of any size, peeked and rewound; damage, changes, streams, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/base.h"
#include "data/input.h"
#include "memory_file.h"

#define TEXT_BYTES 300000u

static char text[TEXT_BYTES];

/* Lines of digits: compressible, but not so much that the packed bytes fit one buffer. */
static int make_text(void **state)
{
    (void)state;
    skimpi_random random;
    skimpi_random_seed(&random, 7);
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        text[i] = i % 50 == 49 ? '\n' : (char)('0' + skimpi_random_below(&random, 10));
    }
    return 0;
}

static skimp_budget *budget_of(uint64_t limit)
{
    skimp_budget *budget;
    skimp_budget_options options = { .size = sizeof(options), .limit = limit };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    return budget;
}

static size_t gzip_member(uint8_t *out, size_t capacity, const char *in, size_t n)
{
    z_stream stream = { 0 };
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (uint8_t *)(uintptr_t)in;
    stream.avail_in = (unsigned)n;
    stream.next_out = out;
    stream.avail_out = (unsigned)capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t made = stream.total_out;
    deflateEnd(&stream);
    return made;
}

static size_t zstd_frame(uint8_t *out, size_t capacity, const char *in, size_t n)
{
    size_t made = ZSTD_compress(out, capacity, in, n, 3);
    assert_false(ZSTD_isError(made));
    return made;
}

typedef size_t packer(uint8_t *out, size_t capacity, const char *in, size_t n);

/* The whole text in three members, the second of them empty. */
static size_t pack(packer *one, uint8_t *out, size_t capacity)
{
    size_t n = one(out, capacity, text, 1000);
    n += one(out + n, capacity - n, text, 0);
    return n + one(out + n, capacity - n, text + 1000, TEXT_BYTES - 1000);
}

static uint8_t packed[2 * TEXT_BYTES];

static skimp_status read_all(skimpi_input *input, size_t step, char *out, size_t *n, skimp_error *error)
{
    *n = 0;
    for (;;) {
        size_t got;
        skimp_status status = skimpi_input_read(input, out + *n, step, &got, error);
        if (status != SKIMP_OK || got == 0) {
            return status;
        }
        assert_true(got <= step);
        *n += got;
        assert_true(*n <= TEXT_BYTES);
    }
}

static void reads_the_text(const void *bytes, size_t n, skimpi_codec codec)
{
    static const size_t steps[] = { 1, 7, 4096, 65536, TEXT_BYTES + 1 };
    static char out[2 * TEXT_BYTES + 2];
    memory_file file = memory_file_make(bytes, n);
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        skimp_budget *budget = budget_of(8u << 20);
        uint64_t before = skimp_budget_in_use(budget);
        skimpi_input *input;
        size_t got;
        const char *data;
        bool exact;
        assert_int_equal(skimpi_input_open(&input, budget, file.path, NULL), SKIMP_OK);
        assert_int_equal(skimpi_input_codec(input), codec);
        assert_int_equal(skimpi_input_seekable(input), codec == SKIMPI_CODEC_PLAIN);
        assert_true(skimpi_input_file_size(input) == n);
        assert_int_equal(skimpi_input_peek(input, 10, &data, &got, NULL), SKIMP_OK);
        assert_int_equal(got, 10);
        assert_memory_equal(data, text, 10);
        assert_int_equal(skimpi_input_peek(input, 5000, &data, &got, NULL), SKIMP_OK);
        assert_int_equal(got, 5000);
        assert_memory_equal(data, text, 5000);
        assert_int_equal(skimpi_input_peek(input, 3, &data, &got, NULL), SKIMP_OK);
        assert_int_equal(got, 3);
        assert_int_equal(read_all(input, steps[i], out, &got, NULL), SKIMP_OK);
        assert_int_equal(got, TEXT_BYTES);
        assert_memory_equal(out, text, TEXT_BYTES);
        assert_true(skimpi_input_bytes_taken(input) == n);
        assert_true(skimpi_input_text_size(input, &exact) == TEXT_BYTES);
        assert_true(exact);
        assert_true(skimpi_input_memory(input) == skimp_budget_in_use(budget) - before);

        assert_int_equal(skimpi_input_rewind(input, NULL), SKIMP_OK);
        assert_true(skimpi_input_text_size(input, &exact) == TEXT_BYTES);
        assert_int_equal(skimpi_input_peek(input, 1u << 20, &data, &got, NULL), SKIMP_OK);
        assert_int_equal(got, TEXT_BYTES);
        assert_memory_equal(data, text, TEXT_BYTES);
        assert_int_equal(read_all(input, 1000, out, &got, NULL), SKIMP_OK);
        assert_int_equal(got, TEXT_BYTES);
        assert_memory_equal(out, text, TEXT_BYTES);
        assert_int_equal(skimpi_input_check_unchanged(input, NULL), SKIMP_OK);
        skimpi_input_close(input);
        assert_true(skimp_budget_destroy(budget) == 0);
    }
    memory_file_close(&file);
}

static void reads_plain_files(void **state)
{
    (void)state;
    reads_the_text(text, TEXT_BYTES, SKIMPI_CODEC_PLAIN);
}

static void reads_gzip_members_and_padding(void **state)
{
    (void)state;
    size_t n = pack(gzip_member, packed, sizeof(packed));
    reads_the_text(packed, n, SKIMPI_CODEC_GZIP);
    memset(packed + n, 0, 512);
    reads_the_text(packed, n + 512, SKIMPI_CODEC_GZIP);
}

static void reads_zstd_frames_and_skips_others(void **state)
{
    (void)state;
    static const uint8_t skippable[] = { 0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
    memcpy(packed, skippable, sizeof(skippable));
    size_t n = sizeof(skippable) + pack(zstd_frame, packed + sizeof(skippable), sizeof(packed) - 100);
    memcpy(packed + n, skippable, sizeof(skippable));
    n += sizeof(skippable);
    reads_the_text(packed + sizeof(skippable), n - sizeof(skippable), SKIMPI_CODEC_ZSTD);
    reads_the_text(packed, n, SKIMPI_CODEC_ZSTD);
}

static void estimates_the_size_of_compressed_text(void **state)
{
    (void)state;
    static const struct {
        packer *pack;
        uint64_t tolerance;
    } cases[] = { { gzip_member, TEXT_BYTES / 2 }, { zstd_frame, 0 } };
    for (size_t i = 0; i < 2; i++) {
        size_t n = cases[i].pack(packed, sizeof(packed), text, TEXT_BYTES);
        memory_file file = memory_file_make(packed, n);
        skimp_budget *budget = budget_of(8u << 20);
        skimpi_input *input;
        const char *data;
        size_t got;
        bool exact;
        assert_int_equal(skimpi_input_open(&input, budget, file.path, NULL), SKIMP_OK);
        assert_true(skimpi_input_text_size(input, &exact) == UINT64_MAX);
        assert_false(exact);
        assert_int_equal(skimpi_input_peek(input, TEXT_BYTES / 2, &data, &got, NULL), SKIMP_OK);
        for (int again = 0; again < 2; again++) {
            uint64_t guess = skimpi_input_text_size(input, &exact);
            assert_false(exact);
            assert_in_range(guess, TEXT_BYTES - cases[i].tolerance, TEXT_BYTES + cases[i].tolerance);
            assert_int_equal(skimpi_input_rewind(input, NULL), SKIMP_OK); /* what was learnt stays */
        }
        skimpi_input_close(input);
        assert_true(skimp_budget_destroy(budget) == 0);
        memory_file_close(&file);
    }
}

/* Opens and reads to the end; the status of the first failure. */
static skimp_status try_bytes(const void *bytes, size_t n, uint64_t limit, skimp_error *error)
{
    static char out[2 * TEXT_BYTES + 2];
    memory_file file = memory_file_make(bytes, n);
    skimp_budget *budget = budget_of(limit);
    skimpi_input *input;
    size_t got;
    skimp_status status = skimpi_input_open(&input, budget, file.path, error);
    if (status == SKIMP_OK) {
        status = read_all(input, 4096, out, &got, error);
        skimpi_input_close(input);
    }
    assert_true(skimp_budget_destroy(budget) == 0);
    memory_file_close(&file);
    return status;
}

static void refuses_streams_that_end_too_early(void **state)
{
    (void)state;
    static packer *const packers[] = { gzip_member, zstd_frame };
    for (size_t k = 0; k < 2; k++) {
        size_t n = packers[k](packed, sizeof(packed), text, 3000);
        assert_int_equal(try_bytes(packed, n, 8u << 20, NULL), SKIMP_OK);
        for (size_t cut = 4; cut < n; cut++) {
            skimp_error error = SKIMP_ERROR_INIT;
            char place[64];
            snprintf(place, sizeof(place), "byte %zu of the file", cut);
            assert_int_equal(try_bytes(packed, cut, 8u << 20, &error), SKIMP_ERROR_DATA);
            assert_non_null(strstr(error.message, place));
            assert_non_null(strstr(error.message, "ends too early"));
            assert_memory_equal(error.file, "/proc/self/fd/", 14);
        }
    }
}

static void refuses_damaged_streams(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    size_t n = gzip_member(packed, sizeof(packed), text, 3000);
    packed[n - 6] ^= 1; /* the check sum */
    assert_int_equal(try_bytes(packed, n, 8u << 20, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "the gzip data is damaged (incorrect data check)"));
    packed[n - 6] ^= 1;
    memcpy(packed + n, "more", 4);
    char place[64];
    snprintf(place, sizeof(place), "byte %zu of the file: something other than gzip follows", n);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(try_bytes(packed, n + 4, 8u << 20, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, place));
    memcpy(packed + n, "\0\0\0!", 4);
    snprintf(place, sizeof(place), "byte %zu of the file: something other than gzip follows", n + 3);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(try_bytes(packed, n + 4, 8u << 20, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, place));

    n = zstd_frame(packed, sizeof(packed), text, 3000);
    memcpy(packed + n, "more than that", 14);
    snprintf(place, sizeof(place), "byte %zu of the file: something other than zstd follows", n);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(try_bytes(packed, n + 14, 8u << 20, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, place));
    packed[7] |= 6; /* the type of the first block becomes the reserved one */
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(try_bytes(packed, n, 8u << 20, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "the zstd data is damaged"));
}

static size_t zstd_with(uint8_t *out, size_t capacity, ZSTD_cParameter parameter, int value, const void *dictionary,
                        size_t bytes)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)));
    assert_false(ZSTD_isError(ZSTD_CCtx_loadDictionary(context, dictionary, bytes)));
    ZSTD_inBuffer in = { text, TEXT_BYTES, 0 };
    ZSTD_outBuffer made = { out, capacity, 0 };
    /* Streamed in two parts, so that the window is not cut to the size of the content. */
    ZSTD_inBuffer first = { text, 10, 0 };
    in.pos = 10;
    assert_false(ZSTD_isError(ZSTD_compressStream2(context, &made, &first, ZSTD_e_continue)));
    assert_int_equal(ZSTD_compressStream2(context, &made, &in, ZSTD_e_end), 0);
    ZSTD_freeCCtx(context);
    return made.pos;
}

static void bounds_the_zstd_window(void **state)
{
    (void)state;
    skimp_error error = SKIMP_ERROR_INIT;
    size_t n = zstd_with(packed, sizeof(packed), ZSTD_c_windowLog, 28, NULL, 0);
    assert_int_equal(try_bytes(packed, n, 512u << 20, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "its zstd window is over 128 MiB"));
    n = zstd_with(packed, sizeof(packed), ZSTD_c_windowLog, 23, NULL, 0);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(try_bytes(packed, n, 8u << 20, &error), SKIMP_ERROR_BUDGET);
    assert_true(error.requested > 8u << 20 && error.limit == 8u << 20);
    assert_int_equal(try_bytes(packed, n, 10u << 20, NULL), SKIMP_OK);
}

static void refuses_zstd_dictionaries(void **state)
{
    (void)state;
    /* A frame of one raw block that names dictionary 42. */
    static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x2a, 0x01, 0x09, 0x00, 0x00, 'a' };
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(try_bytes(frame, sizeof(frame), 8u << 20, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "compressed with a zstd dictionary"));
}

static void reads_at_any_place_of_a_plain_file(void **state)
{
    (void)state;
    memory_file file = memory_file_make(text, TEXT_BYTES);
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_input *input;
    size_t got;
    char out[100];
    assert_int_equal(skimpi_input_open(&input, budget, file.path, NULL), SKIMP_OK);
    assert_int_equal(skimpi_input_pread(input, out, 100, 5000, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 100);
    assert_memory_equal(out, text + 5000, 100);
    assert_int_equal(skimpi_input_pread(input, out, 100, TEXT_BYTES - 3, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 3);
    assert_int_equal(skimpi_input_pread(input, out, 100, TEXT_BYTES, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 0);
    assert_int_equal(skimpi_input_pread(input, out, 100, UINT64_MAX - 5, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 0);
    skimpi_input_close(input);
    assert_true(skimp_budget_destroy(budget) == 0);
    memory_file_close(&file);
}

/* A sparse file over 4 GiB: offsets are 64 bits everywhere. */
static void reads_beyond_four_gigabytes(void **state)
{
    (void)state;
    memory_file file = memory_file_make("begin", 5);
    uint64_t size = (5ull << 30) + 3;
    assert_int_equal(ftruncate(file.fd, (off_t)size), 0);
    assert_int_equal(pwrite(file.fd, "end", 3, (off_t)size - 3), 3);
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_input *input;
    size_t got;
    char out[8] = "";
    bool exact;
    assert_int_equal(skimpi_input_open(&input, budget, file.path, NULL), SKIMP_OK);
    assert_true(skimpi_input_text_size(input, &exact) == size);
    assert_int_equal(skimpi_input_pread(input, out, 8, size - 3, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 3);
    assert_string_equal(out, "end");
    skimpi_input_close(input);
    assert_true(skimp_budget_destroy(budget) == 0);
    memory_file_close(&file);
}

static void tells_of_files_that_change(void **state)
{
    (void)state;
    memory_file file = memory_file_make(text, 1000);
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_input *input;
    size_t got;
    char out[2000];
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_input_open(&input, budget, file.path, NULL), SKIMP_OK);
    assert_int_equal(pwrite(file.fd, text, 500, 1000), 500);
    assert_int_equal(skimpi_input_pread(input, out, 2000, 0, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 1000); /* what was appended is not seen … */
    assert_int_equal(skimpi_input_check_unchanged(input, &error), SKIMP_ERROR_DATA); /* … but told */
    assert_non_null(strstr(error.message, "it had 1000 bytes and has 1500 now"));
    assert_int_equal(ftruncate(file.fd, 700), 0);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_input_pread(input, out, 2000, 0, &got, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "ends at byte 700, but had 1000 bytes"));
    assert_int_equal(ftruncate(file.fd, 1000), 0);
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_input_check_unchanged(input, &error), SKIMP_ERROR_DATA); /* the time differs */
    skimpi_input_close(input);
    assert_true(skimp_budget_destroy(budget) == 0);
    memory_file_close(&file);
}

typedef struct pipe_writer {
    int fd;
    const uint8_t *bytes;
    size_t n;
} pipe_writer;

/* In small pieces, so that reads come back short. */
static void *write_slowly(void *context)
{
    pipe_writer *writer = context;
    size_t done = 0;
    while (done < writer->n) {
        size_t piece = done < 100 ? 1 : 5000;
        if (piece > writer->n - done) {
            piece = writer->n - done;
        }
        ssize_t more = write(writer->fd, writer->bytes + done, piece);
        if (more <= 0) {
            break;
        }
        done += (size_t)more;
    }
    close(writer->fd);
    return NULL;
}

static void reads_the_stream(const char *name, int replaced, const void *bytes, size_t n)
{
    static char out[2 * TEXT_BYTES];
    int ends[2];
    char path[64];
    assert_int_equal(pipe(ends), 0);
    pipe_writer writer = { ends[1], bytes, n };
    int saved = -1;
    if (replaced >= 0) {
        saved = dup(replaced);
        assert_int_equal(dup2(ends[0], replaced), replaced);
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_slowly, &writer), 0);
    skimp_budget *budget = budget_of(2u << 20);
    skimpi_input *input;
    const char *data;
    size_t got;
    bool exact;
    assert_int_equal(skimpi_input_open(&input, budget, replaced >= 0 ? "-" : path, NULL), SKIMP_OK);
    assert_string_equal(skimpi_input_name(input), name != NULL ? name : path);
    assert_false(skimpi_input_seekable(input));
    assert_true(skimpi_input_file_size(input) == UINT64_MAX);
    assert_true(skimpi_input_text_size(input, &exact) == UINT64_MAX);
    assert_false(exact);
    assert_int_equal(skimpi_input_peek(input, 100000, &data, &got, NULL), SKIMP_OK);
    assert_int_equal(got, 100000);
    assert_memory_equal(data, text, 100000);
    assert_int_equal(read_all(input, 30000, out, &got, NULL), SKIMP_OK);
    assert_int_equal(got, TEXT_BYTES);
    assert_memory_equal(out, text, TEXT_BYTES);
    assert_true(skimpi_input_bytes_taken(input) == n);
    assert_int_equal(skimpi_input_check_unchanged(input, NULL), SKIMP_OK);
    assert_int_equal(skimpi_input_rewind(input, NULL), SKIMP_ERROR_INTERNAL);
    skimpi_input_close(input);
    assert_true(skimp_budget_destroy(budget) == 0);
    pthread_join(thread, NULL);
    if (replaced >= 0) {
        assert_int_equal(dup2(saved, replaced), replaced);
        close(saved);
    }
    close(ends[0]);
}

static void reads_pipes_and_standard_input(void **state)
{
    (void)state;
    reads_the_stream(NULL, -1, text, TEXT_BYTES);
    reads_the_stream("standard input", 0, text, TEXT_BYTES);
    reads_the_stream(NULL, -1, packed, pack(gzip_member, packed, sizeof(packed)));
    reads_the_stream("standard input", 0, packed, pack(zstd_frame, packed, sizeof(packed)));
}

static void reads_short_files(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "a", "ab", "abc", "\x1f", "(\xb5/", "\nabcd" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        memory_file file = memory_file_make(texts[i], strlen(texts[i]));
        skimp_budget *budget = budget_of(1u << 20);
        skimpi_input *input;
        const char *data;
        size_t got;
        char out[16];
        assert_int_equal(skimpi_input_open(&input, budget, file.path, NULL), SKIMP_OK);
        assert_int_equal(skimpi_input_codec(input), SKIMPI_CODEC_PLAIN);
        assert_int_equal(skimpi_input_peek(input, 16, &data, &got, NULL), SKIMP_OK);
        assert_int_equal(got, strlen(texts[i]));
        assert_int_equal(skimpi_input_read(input, out, 16, &got, NULL), SKIMP_OK);
        assert_int_equal(got, strlen(texts[i]));
        assert_memory_equal(out, texts[i], got);
        assert_int_equal(skimpi_input_peek(input, 1, &data, &got, NULL), SKIMP_ERROR_INTERNAL); /* too late */
        skimpi_input_close(input);
        assert_true(skimp_budget_destroy(budget) == 0);
        memory_file_close(&file);
    }
}

static void refuses_what_is_no_file(void **state)
{
    (void)state;
    skimp_budget *budget = budget_of(1u << 20);
    skimpi_input *input;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_input_open(&input, budget, "/nowhere/at/all", &error), SKIMP_ERROR_IO);
    assert_null(input);
    assert_non_null(strstr(error.message, "/nowhere/at/all"));
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_int_equal(skimpi_input_open(&input, budget, "/", &error), SKIMP_ERROR_IO);
    assert_non_null(strstr(error.message, "directory"));
    assert_true(skimp_budget_destroy(budget) == 0);
}

/* Every allocation fails once, and from then on: an error, nothing lost. */
static void bears_refused_memory(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        size_t n = k == 0 ? TEXT_BYTES : pack(k == 1 ? gzip_member : zstd_frame, packed, sizeof(packed));
        memory_file file = memory_file_make(k == 0 ? (const void *)text : packed, n);
        for (int for_good = 0; for_good < 2; for_good++) {
            for (uint64_t nth = 1;; nth++) {
                skimp_budget *budget = budget_of(8u << 20);
                skimpi_input *input;
                const char *data;
                char out[5000];
                size_t got;
                skimpi_fault_set(nth, for_good != 0);
                skimp_error error = SKIMP_ERROR_INIT;
                skimp_status status = skimpi_input_open(&input, budget, file.path, &error);
                if (status == SKIMP_OK) {
                    status = skimpi_input_peek(input, 2000, &data, &got, &error);
                    while (status == SKIMP_OK && got > 0) {
                        status = skimpi_input_read(input, out, sizeof(out), &got, &error);
                    }
                    skimpi_input_close(input);
                }
                uint64_t made = skimpi_fault_set(0, false);
                assert_true(skimp_budget_destroy(budget) == 0);
                if (made < nth) {
                    assert_int_equal(status, SKIMP_OK);
                    assert_true(nth > 3);
                    break;
                }
                assert_true(status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
                assert_int_equal(error.code, status);
            }
        }
        memory_file_close(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_files),
        cmocka_unit_test(reads_gzip_members_and_padding),
        cmocka_unit_test(reads_zstd_frames_and_skips_others),
        cmocka_unit_test(estimates_the_size_of_compressed_text),
        cmocka_unit_test(refuses_streams_that_end_too_early),
        cmocka_unit_test(refuses_damaged_streams),
        cmocka_unit_test(bounds_the_zstd_window),
        cmocka_unit_test(refuses_zstd_dictionaries),
        cmocka_unit_test(reads_at_any_place_of_a_plain_file),
        cmocka_unit_test(reads_beyond_four_gigabytes),
        cmocka_unit_test(tells_of_files_that_change),
        cmocka_unit_test(reads_pipes_and_standard_input),
        cmocka_unit_test(reads_short_files),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(bears_refused_memory),
    };
    return cmocka_run_group_tests_name("input", tests, make_text, NULL);
}
