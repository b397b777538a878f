/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * safetensors files: 8 bytes of header length (little-endian), a JSON object, the arrays one behind the other.
 *
 *     {"__metadata__": {"key": "text", …}, "name": {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]}, …}
 *
 * Written: the widest types first and the header padded with spaces to a multiple of 64 bytes, so that every array is
 * aligned in the file.  Bytes of a name or text that are no UTF-8 become U+FFFD.  The metadata begin with a checksum
 * (XXH3-64, 16 hexadecimal digits) of the header in which these digits are zeros, and of the arrays after it.  The reader
 * checks it and keeps it to itself; files without one are taken.
 * Read: nothing in the file is believed.  The offsets must cover all bytes after the header once, as the format demands.
 * The JSON is read in place (docs/decisions/0002-json-in-the-library.md).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data/encoding.h"
#include "data/json_value.h"
#include "data/tensors_internal.h"
#include "os/os.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "arrays are written as they are in memory");

#define HEADER_LIMIT (16u << 20)
#define ALIGNMENT 64u
#define CHECKSUM_KEY "checksum"
#define CHECKSUM_PREFIX "xxh3:"
#define CHECKSUM_ZEROS "0000000000000000"
#define CHECKSUM_NONE CHECKSUM_PREFIX CHECKSUM_ZEROS
#define CHECKSUM_BEGIN "{\"" SKIMPI_METADATA_NAME "\":{\"" CHECKSUM_KEY "\":\""

/* ---- writing -------------------------------------------------------------------------------------------------- */

/* Text as a JSON string, quotes included. */
static skimp_status append_string(skimpi_buffer *to, const char *text, skimp_error *error)
{
    skimp_status status = skimpi_buffer_append(to, "\"", 1, error);
    size_t left = strlen(text);
    while (status == SKIMP_OK && left > 0) {
        size_t n = 1;
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            status = skimpi_buffer_printf(to, error, "\\%c", c);
        } else if (c < 0x20) {
            status = skimpi_buffer_printf(to, error, "\\u%04x", c);
        } else {
            while (n < 4 && n < left && !skimpi_utf8_is_valid(text, n)) {
                n++;
            }
            if (skimpi_utf8_is_valid(text, n)) {
                status = skimpi_buffer_append(to, text, n, error);
            } else {
                n = 1;
                status = skimpi_buffer_append(to, "\xef\xbf\xbd", 3, error);
            }
        }
        text += n;
        left -= n;
    }
    return status == SKIMP_OK ? skimpi_buffer_append(to, "\"", 1, error) : status;
}

static uint64_t tensor_bytes(const skimpi_tensor *tensor)
{
    return tensor->n_values * skimpi_dtype_bytes(tensor->dtype);
}

/* Where an array begins after the header: behind all that are wider, and those as wide that were added before. */
static uint64_t offset_of(const skimpi_tensors *tensors, size_t which)
{
    size_t width = skimpi_dtype_bytes(skimpi_tensors_at(tensors, which)->dtype);
    uint64_t offset = 0;
    for (size_t i = 0; i < skimpi_tensors_count(tensors); i++) {
        const skimpi_tensor *tensor = skimpi_tensors_at(tensors, i);
        size_t other = skimpi_dtype_bytes(tensor->dtype);
        if (other > width || (other == width && i < which)) {
            offset += tensor_bytes(tensor);
        }
    }
    return offset;
}

static skimp_status append_header(const skimpi_tensors *tensors, skimpi_buffer *to, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(
        skimpi_buffer_append(to, CHECKSUM_BEGIN CHECKSUM_NONE "\"", strlen(CHECKSUM_BEGIN CHECKSUM_NONE "\""), error));
    for (size_t i = 0; i < skimpi_tensors_meta_count(tensors); i++) {
        const char *key;
        const char *value;
        skimpi_tensors_meta_at(tensors, i, &key, &value);
        SKIMPI_TRY(skimpi_buffer_append(to, ",", 1, error));
        SKIMPI_TRY(append_string(to, key, error));
        SKIMPI_TRY(skimpi_buffer_append(to, ":", 1, error));
        SKIMPI_TRY(append_string(to, value, error));
    }
    SKIMPI_TRY(skimpi_buffer_append(to, "}", 1, error));
    for (size_t i = 0; i < skimpi_tensors_count(tensors); i++) {
        const skimpi_tensor *tensor = skimpi_tensors_at(tensors, i);
        SKIMPI_TRY(skimpi_buffer_append(to, ",", 1, error));
        SKIMPI_TRY(append_string(to, tensor->name, error));
        SKIMPI_TRY(skimpi_buffer_printf(to, error, ":{\"dtype\":\"%s\",\"shape\":[", skimpi_dtype_name(tensor->dtype)));
        for (unsigned k = 0; k < tensor->n_dims; k++) {
            SKIMPI_TRY(skimpi_buffer_printf(to, error, "%s%" PRIu64, k > 0 ? "," : "", tensor->shape[k]));
        }
        uint64_t offset = offset_of(tensors, i);
        SKIMPI_TRY(skimpi_buffer_printf(to, error, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset,
                                        offset + tensor_bytes(tensor)));
    }
    SKIMPI_TRY(skimpi_buffer_append(to, "}", 1, error));
    while (to->length % ALIGNMENT != 0) {
        SKIMPI_TRY(skimpi_buffer_append(to, " ", 1, error));
    }
out:
    return status;
}

/* Over the zeros in a header that is complete otherwise. */
static void put_checksum(const skimpi_tensors *tensors, skimpi_buffer *header)
{
    skimpi_checksum_state state;
    char digits[sizeof(CHECKSUM_ZEROS)];
    char *json = (char *)header->data + sizeof(uint64_t);
    skimpi_checksum_begin(&state);
    skimpi_checksum_add(&state, json, header->length - sizeof(uint64_t));
    for (size_t width = 8; width > 0; width /= 2) {
        for (size_t i = 0; i < skimpi_tensors_count(tensors); i++) {
            const skimpi_tensor *tensor = skimpi_tensors_at(tensors, i);
            if (skimpi_dtype_bytes(tensor->dtype) == width) {
                skimpi_checksum_add(&state, tensor->data, (size_t)tensor_bytes(tensor));
            }
        }
    }
    snprintf(digits, sizeof(digits), "%016" PRIx64, skimpi_checksum_end(&state));
    memcpy(json + strlen(CHECKSUM_BEGIN CHECKSUM_PREFIX), digits, strlen(digits));
}

skimp_status skimpi_tensors_write(const skimpi_tensors *tensors, const char *path, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer header;
    skimpi_os_output *output = NULL;
    bool begun = false;
    void *block;
    uint64_t length = 0;
    skimpi_buffer_init(&header, tensors->budget, SKIMP_TAG_OUTPUT);
    SKIMPI_TRY(skimp_alloc(tensors->budget, SKIMP_TAG_OUTPUT, 1, sizeof(*output), &block, error));
    output = block;
    SKIMPI_TRY(skimpi_buffer_append(&header, &length, sizeof(length), error));
    SKIMPI_TRY(append_header(tensors, &header, error));
    length = header.length - sizeof(length);
    if (length > HEADER_LIMIT) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, path, 0, NULL,
                                  "the names and texts of the model take %" PRIu64 " bytes; %u are allowed", length,
                                  HEADER_LIMIT));
    }
    memcpy(header.data, &length, sizeof(length));
    put_checksum(tensors, &header);
    SKIMPI_TRY(skimpi_os_output_begin(output, path, error));
    begun = true;
    SKIMPI_TRY(skimpi_os_pwrite(output->fd, path, header.data, header.length, 0, error));
    uint64_t offset = header.length;
    for (size_t width = 8; width > 0; width /= 2) {
        for (size_t i = 0; i < skimpi_tensors_count(tensors); i++) {
            const skimpi_tensor *tensor = skimpi_tensors_at(tensors, i);
            if (skimpi_dtype_bytes(tensor->dtype) == width) {
                SKIMPI_TRY(
                    skimpi_os_pwrite(output->fd, path, tensor->data, (size_t)tensor_bytes(tensor), offset, error));
                offset += tensor_bytes(tensor);
            }
        }
    }
    begun = false; /* commit leaves nothing behind when it fails */
    SKIMPI_TRY(skimpi_os_output_commit(output, error));
out:
    if (begun) {
        skimpi_os_output_abandon(output);
    }
    skimp_free(tensors->budget, SKIMP_TAG_OUTPUT, output, 1, sizeof(*output));
    skimpi_buffer_free(&header);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* The bytes of an array in the file, counted from the end of the header. */
typedef struct extent {
    uint64_t begin, end;
    size_t tensor;
} extent;

typedef struct file_reader {
    skimpi_tensors *tensors;
    const char *path;
    int fd;
    uint64_t data_bytes;                  /* after the header */
    char checksum[sizeof(CHECKSUM_NONE)]; /* as the file says; "": it does not */
    skimpi_buffer header;
    skimpi_buffer extents; /* ascending */
    skimpi_buffer texts;   /* a decoded string */
} file_reader;

static skimp_status damaged(const file_reader *reader, skimp_error *error, const char *what)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, reader->path, 0, NULL, "not a safetensors file that can be read: %s",
                          what);
}

static skimp_status damaged_tensor(const file_reader *reader, const char *name, skimp_error *error, const char *what)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, reader->path, 0, NULL,
                          "not a safetensors file that can be read: tensor '%s': %s", name, what);
}

/* A JSON string as text, in the reader's buffer behind what stands there. */
static skimp_status decode_string(file_reader *reader, skimpi_json value, size_t *at, skimp_error *error)
{
    skimpi_buffer *texts = &reader->texts;
    *at = texts->length;
    size_t room = value.length; /* the quotes make room for the NUL */
    skimp_status status = skimpi_buffer_reserve(texts, texts->length + room, error);
    if (status == SKIMP_OK) {
        texts->length += skimpi_json_string(value, (char *)texts->data + *at, room) + 1;
    }
    return status;
}

static skimp_status read_metadata(file_reader *reader, skimpi_json object, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_json key;
    skimpi_json value;
    if (skimpi_json_kind_of(object) != SKIMPI_JSON_OBJECT) {
        return damaged(reader, error, "the metadata is not an object");
    }
    skimpi_json_items items = skimpi_json_begin(object);
    while (skimpi_json_next(&items, &key, &value)) {
        size_t key_at;
        size_t value_at;
        if (skimpi_json_kind_of(value) != SKIMPI_JSON_STRING) {
            return damaged(reader, error, "a value of the metadata is not a string");
        }
        if (skimpi_tensors_meta_count(reader->tensors) == SKIMPI_MOST_TENSORS) {
            return damaged(reader, error, "too much metadata");
        }
        reader->texts.length = 0;
        SKIMPI_TRY(decode_string(reader, key, &key_at, error));
        SKIMPI_TRY(decode_string(reader, value, &value_at, error));
        const char *texts = reader->texts.data;
        const bool is_checksum = strcmp(texts + key_at, CHECKSUM_KEY) == 0;
        if (skimpi_tensors_meta(reader->tensors, texts + key_at) != NULL ||
            (is_checksum && reader->checksum[0] != '\0')) {
            return damaged(reader, error, "a key of the metadata comes twice");
        }
        if (is_checksum) {
            if (value.length != strlen("\"" CHECKSUM_NONE "\"") || strlen(texts + value_at) != strlen(CHECKSUM_NONE)) {
                return damaged(reader, error, "its checksum is none");
            }
            memcpy(reader->checksum, texts + value_at, sizeof(reader->checksum));
            char *in_header = (char *)reader->header.data + (value.text - (const char *)reader->header.data);
            memcpy(in_header + 1 + strlen(CHECKSUM_PREFIX), CHECKSUM_ZEROS, strlen(CHECKSUM_ZEROS));
            continue;
        }
        SKIMPI_TRY(skimpi_tensors_set_meta(reader->tensors, texts + key_at, texts + value_at, error));
    }
out:
    return status;
}

/* A whole number in digits only. */
static bool whole_number(skimpi_json value, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < value.length; i++) {
        unsigned digit = (unsigned)(unsigned char)value.text[i] - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10) {
            return false;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return value.length > 0;
}

/* Up to `most` whole numbers of an array; *n tells how many. */
static bool whole_numbers(skimpi_json array, uint64_t *out, unsigned most, unsigned *n)
{
    skimpi_json none;
    skimpi_json item;
    if (skimpi_json_kind_of(array) != SKIMPI_JSON_ARRAY) {
        return false;
    }
    skimpi_json_items items = skimpi_json_begin(array);
    for (*n = 0; skimpi_json_next(&items, &none, &item); ++*n) {
        if (*n == most || !whole_number(item, &out[*n])) {
            return false;
        }
    }
    return true;
}

static bool dtype_of(skimpi_json value, skimpi_dtype *out)
{
    for (skimpi_dtype dtype = SKIMPI_F64; dtype <= SKIMPI_U8; dtype++) {
        const char *name = skimpi_dtype_name(dtype);
        if (skimpi_json_string_is(value, name, strlen(name))) {
            *out = dtype;
            return true;
        }
    }
    return false;
}

/* Keeps the extents ascending: most files have them in order, so that it goes to the end. */
static skimp_status insert_extent(file_reader *reader, extent new_extent, skimp_error *error)
{
    skimp_status status = skimpi_buffer_append(&reader->extents, &new_extent, sizeof(new_extent), error);
    if (status == SKIMP_OK) {
        extent *extents = reader->extents.data;
        size_t i = reader->extents.length / sizeof(extent) - 1;
        for (; i > 0 && (extents[i - 1].begin > new_extent.begin ||
                         (extents[i - 1].begin == new_extent.begin && extents[i - 1].end > new_extent.end));
             i--) {
            extents[i] = extents[i - 1];
        }
        extents[i] = new_extent;
    }
    return status;
}

static skimp_status read_entry(file_reader *reader, const char *name, skimpi_json object, skimp_error *error)
{
    skimpi_json key;
    skimpi_json value;
    skimpi_dtype dtype = SKIMPI_F64;
    uint64_t shape[SKIMPI_MOST_DIMS];
    uint64_t offsets[2];
    unsigned n_dims = 0;
    unsigned n_offsets = 0;
    unsigned seen = 0; /* a bit for each member */
    if (skimpi_json_kind_of(object) != SKIMPI_JSON_OBJECT) {
        return damaged_tensor(reader, name, error, "its entry is not an object");
    }
    skimpi_json_items items = skimpi_json_begin(object);
    while (skimpi_json_next(&items, &key, &value)) {
        unsigned member = 0;
        const char *wrong = NULL;
        if (skimpi_json_string_is(key, "dtype", 5)) {
            member = 1;
            wrong = dtype_of(value, &dtype) ? NULL : "its dtype is not one of F64, F32, I64, U64, I32, U32, U8";
        } else if (skimpi_json_string_is(key, "shape", 5)) {
            member = 2;
            wrong = whole_numbers(value, shape, SKIMPI_MOST_DIMS, &n_dims) ? NULL
                                                                           : "its shape is not at most 4 whole numbers";
        } else if (skimpi_json_string_is(key, "data_offsets", 12)) {
            member = 4;
            wrong = whole_numbers(value, offsets, 2, &n_offsets) && n_offsets == 2
                        ? NULL
                        : "its data_offsets are not two whole numbers";
        }
        if (wrong != NULL || member == 0 || (seen & member) != 0) {
            return damaged_tensor(reader, name, error,
                                  wrong != NULL ? wrong : "its entry has a member that does not belong there");
        }
        seen |= member;
    }
    if (seen != 7) {
        return damaged_tensor(reader, name, error, "dtype, shape or data_offsets are missing");
    }
    uint64_t bytes = skimpi_mul_sat(skimpi_shape_values(n_dims, shape), skimpi_dtype_bytes(dtype));
    if (offsets[0] > offsets[1] || offsets[1] > reader->data_bytes || offsets[1] - offsets[0] != bytes) {
        return damaged_tensor(reader, name, error, "its data_offsets do not fit its shape or the file");
    }
    if (skimpi_tensors_find(reader->tensors, name) != NULL) {
        return damaged_tensor(reader, name, error, "it comes twice");
    }
    if (skimpi_tensors_count(reader->tensors) == SKIMPI_MOST_TENSORS) {
        return damaged(reader, error, "too many tensors");
    }
    skimp_status status = SKIMP_OK;
    void *data;
    extent place = { offsets[0], offsets[1], skimpi_tensors_count(reader->tensors) };
    SKIMPI_TRY(insert_extent(reader, place, error));
    SKIMPI_TRY(skimpi_tensors_add(reader->tensors, name, dtype, n_dims, shape, &data, error));
out:
    return status;
}

static skimp_status read_header(file_reader *reader, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_os_stat stat;
    uint64_t length = 0;
    size_t got;
    SKIMPI_TRY(skimpi_os_fstat(reader->fd, reader->path, &stat, error));
    if (!stat.is_regular || stat.size < sizeof(length)) {
        SKIMPI_TRY(damaged(reader, error, "it is too short, or not a file"));
    }
    SKIMPI_TRY(skimpi_os_pread(reader->fd, reader->path, &length, sizeof(length), 0, &got, error));
    if (got < sizeof(length) || length < 2 || length > HEADER_LIMIT || length > stat.size - sizeof(length)) {
        SKIMPI_TRY(damaged(reader, error, "the length of its header cannot be"));
    }
    reader->data_bytes = stat.size - sizeof(length) - length;
    SKIMPI_TRY(skimpi_buffer_reserve(&reader->header, (size_t)length, error));
    SKIMPI_TRY(
        skimpi_os_pread(reader->fd, reader->path, reader->header.data, (size_t)length, sizeof(length), &got, error));
    reader->header.length = got;
    skimpi_json header;
    const char *text = reader->header.data;
    if (got < length || text[0] != '{' || !skimpi_json_check(text, got, &header, NULL)) {
        SKIMPI_TRY(damaged(reader, error, "its header is not a JSON object"));
    }
    bool metadata_seen = false;
    skimpi_json key;
    skimpi_json value;
    skimpi_json_items items = skimpi_json_begin(header);
    while (skimpi_json_next(&items, &key, &value)) {
        if (skimpi_json_string_is(key, SKIMPI_METADATA_NAME, strlen(SKIMPI_METADATA_NAME))) {
            if (metadata_seen) {
                SKIMPI_TRY(damaged(reader, error, "it has metadata twice"));
            }
            metadata_seen = true;
            SKIMPI_TRY(read_metadata(reader, value, error));
        } else {
            size_t at;
            reader->texts.length = 0;
            SKIMPI_TRY(decode_string(reader, key, &at, error));
            SKIMPI_TRY(read_entry(reader, (const char *)reader->texts.data + at, value, error));
        }
    }
out:
    return status;
}

static skimp_status read_arrays(file_reader *reader, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const extent *extents = reader->extents.data;
    size_t n = reader->extents.length / sizeof(extent);
    uint64_t begin = sizeof(uint64_t) + reader->header.length;
    uint64_t reached = 0;
    for (size_t i = 0; i < n; i++) {
        if (extents[i].begin != reached) {
            return damaged(reader, error, "its arrays overlap or leave a gap");
        }
        reached = extents[i].end;
    }
    if (reached != reader->data_bytes) {
        return damaged(reader, error, "bytes follow its last array");
    }
    for (size_t i = 0; i < n; i++) {
        const skimpi_tensor *tensor = skimpi_tensors_at(reader->tensors, extents[i].tensor);
        size_t bytes = (size_t)(extents[i].end - extents[i].begin);
        size_t got;
        SKIMPI_TRY(
            skimpi_os_pread(reader->fd, reader->path, tensor->data, bytes, begin + extents[i].begin, &got, error));
        if (got < bytes) {
            SKIMPI_TRY(damaged(reader, error, "it was cut short while it was read"));
        }
    }
    if (reader->checksum[0] != '\0') {
        skimpi_checksum_state state;
        char found[sizeof(reader->checksum)];
        skimpi_checksum_begin(&state);
        skimpi_checksum_add(&state, reader->header.data, reader->header.length);
        for (size_t i = 0; i < n; i++) {
            const skimpi_tensor *tensor = skimpi_tensors_at(reader->tensors, extents[i].tensor);
            skimpi_checksum_add(&state, tensor->data, (size_t)(extents[i].end - extents[i].begin));
        }
        snprintf(found, sizeof(found), CHECKSUM_PREFIX "%016" PRIx64, skimpi_checksum_end(&state));
        if (strcmp(reader->checksum, found) != 0) {
            SKIMPI_TRY(damaged(reader, error, "its checksum is wrong"));
        }
    }
out:
    return status;
}

skimp_status skimpi_tensors_read(skimpi_tensors **out, skimp_budget *budget, const char *path, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    file_reader reader = { .path = path, .fd = -1 };
    *out = NULL;
    skimpi_buffer_init(&reader.header, budget, SKIMP_TAG_MODEL);
    skimpi_buffer_init(&reader.extents, budget, SKIMP_TAG_MODEL);
    skimpi_buffer_init(&reader.texts, budget, SKIMP_TAG_MODEL);
    SKIMPI_TRY(skimpi_tensors_create(&reader.tensors, budget, error));
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_MODEL, path, strlen(path), &reader.tensors->file, error));
    SKIMPI_TRY(skimpi_os_open(&reader.fd, path, error));
    SKIMPI_TRY(read_header(&reader, error));
    SKIMPI_TRY(read_arrays(&reader, error));
    *out = reader.tensors;
out:
    if (status != SKIMP_OK) {
        skimpi_tensors_destroy(reader.tensors);
    }
    if (reader.fd >= 0) {
        skimpi_os_close(reader.fd);
    }
    skimpi_buffer_free(&reader.header);
    skimpi_buffer_free(&reader.extents);
    skimpi_buffer_free(&reader.texts);
    return status;
}

bool skimpi_tensors_recognise(const char *bytes, size_t n)
{
    uint64_t length;
    if (n <= sizeof(length)) {
        return false;
    }
    memcpy(&length, bytes, sizeof(length));
    return length >= 2 && length <= HEADER_LIMIT && bytes[sizeof(length)] == '{';
}
