/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which reader an input wants: by the format's name, else by the path's, else by its first bytes.
 */
#include <string.h>

#include "data/reader.h"

#define LOOK_BYTES 4096

static const struct {
    const char *name; /* of the format, or the end of a path after a point */
    const skimpi_reader_class *class;
} formats[] = {
    { "csv", &skimpi_reader_csv },           { "tsv", &skimpi_reader_csv },      { "tab", &skimpi_reader_csv },
    { "svmlight", &skimpi_reader_svmlight }, { "svm", &skimpi_reader_svmlight }, { "libsvm", &skimpi_reader_svmlight },
    { "npy", &skimpi_reader_npy },
};

static const skimpi_reader_class *by_name(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        if (strlen(formats[i].name) == length && strncasecmp(formats[i].name, name, length) == 0) {
            return formats[i].class;
        }
    }
    return NULL;
}

/* The class that the end of the path names, .gz and .zst aside. */
static const skimpi_reader_class *by_path(const char *path)
{
    const char *end = path + strlen(path);
    for (int i = 0; i < 2; i++) {
        const char *point = end;
        while (point > path && point[-1] != '.' && point[-1] != '/') {
            point--;
        }
        size_t length = (size_t)(end - point);
        if (point == path || point[-1] != '.') {
            return NULL;
        }
        if (!(length == 2 && strncasecmp(point, "gz", 2) == 0) && !(length == 3 && strncasecmp(point, "zst", 3) == 0)) {
            return by_name(point, length);
        }
        end = point - 1;
    }
    return NULL;
}

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

/* Is this line of the form "label index:value …" (comma-separated labels and qid:n too)? */
static bool is_svmlight_line(const char *p, const char *end)
{
    const char *label = p;
    while (p < end && (is_number_byte(*p) || *p == ',')) {
        p++;
    }
    if (p == label || p == end || *p != ' ') {
        return false;
    }
    while (p < end && *p == ' ') {
        p++;
    }
    if (end - p > 4 && memcmp(p, "qid:", 4) == 0) {
        return true;
    }
    const char *index = p;
    while (p < end && *p >= '0' && *p <= '9') {
        p++;
    }
    return p > index && end - p > 1 && *p == ':' && (is_number_byte(p[1]) || p[1] == 'i' || p[1] == 'n');
}

static bool looks_like_svmlight(const char *text, size_t length)
{
    const char *p = text, *end = text + length;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *line_end = newline != NULL ? newline : end;
        while (p < line_end && (*p == ' ' || *p == '\r')) {
            p++;
        }
        if (p < line_end && *p != '#') {
            return is_svmlight_line(p, line_end);
        }
        p = newline != NULL ? newline + 1 : end;
    }
    return false;
}

skimp_status skimpi_reader_find(const skimpi_reader_class **out, const char *format, skimpi_input *input,
                                skimp_error *error)
{
    static const struct {
        const char *magic;
        size_t length;
        const char *what;
    } others[] = {
        { "PAR1", 4, "a Parquet file" },
        { "ARROW1", 6, "an Arrow file" },
        { "PK\3\4", 4, "a zip archive" },
        { "BZh91AY&SY", 10, "a bzip2 file" },
        { "\xfd"
          "7zXZ",
          5, "an xz file" },
        { "\x89HDF", 4, "an HDF5 file" },
        { "%PDF", 4, "a PDF document" },
        { "SQLite format 3", 15, "an SQLite file" },
    };
    const char *name = skimpi_input_name(input);
    if (format != NULL && strcmp(format, "auto") != 0) {
        *out = by_name(format, strlen(format));
        return *out != NULL ? SKIMP_OK
                            : skimpi_fail(error, SKIMP_ERROR_PARAM,
                                          "there is no format '%.100s': it is csv, tsv, svmlight or npy", format);
    }
    const char *data;
    size_t got;
    skimp_status status = skimpi_input_peek(input, LOOK_BYTES, &data, &got, error);
    if (status != SKIMP_OK) {
        return status;
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (got >= others[i].length && memcmp(data, others[i].magic, others[i].length) == 0) {
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, name, 0, NULL,
                                  "is %s, which cannot be read: turn it into CSV, svmlight or NPY first",
                                  others[i].what);
        }
    }
    *out = by_path(name);
    if (*out == NULL) {
        *out = got >= 6 && memcmp(data, "\x93NUMPY", 6) == 0 ? &skimpi_reader_npy
               : looks_like_svmlight(data, got)              ? &skimpi_reader_svmlight
                                                             : &skimpi_reader_csv;
    }
    return SKIMP_OK;
}
