/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failing: status names and the error record.  The first failure wins: what is nearer to the cause knows more than
 * those who pass it on.  A message is one line of valid text whatever the names in it contain.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

const char *skimp_status_name(int status)
{
    switch (status) {
    case SKIMP_OK:
        return "ok";
    case SKIMP_ERROR_BUDGET:
        return "budget";
    case SKIMP_ERROR_NOMEM:
        return "nomem";
    case SKIMP_ERROR_IO:
        return "io";
    case SKIMP_ERROR_DATA:
        return "data";
    case SKIMP_ERROR_PARAM:
        return "param";
    case SKIMP_ERROR_CANCELLED:
        return "cancelled";
    default:
        return "internal";
    }
}

uint64_t skimpi_mul_sat(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

uint64_t skimpi_add_sat(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* Length of `text` without a UTF-8 sequence that was cut in the middle by the end of the field. */
static size_t whole_characters(const char *text, size_t length)
{
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start == 0) {
        return length;
    }
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    return wanted > length - start + 1 ? start - 1 : length;
}

/* Copies what fits of a name, one line of it. */
static void copy_field(char *field, size_t size, const char *text)
{
    size_t length = strnlen(text, size);
    bool cut = length == size;
    if (cut) {
        length = whole_characters(text, size - 1);
    }
    memcpy(field, text, length);
    field[length] = '\0';
}

/* A message is one line: a name with a line feed or an escape sequence in it must not be able to forge another. */
static void one_line(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
}

static void append(char *text, size_t size, const char *format, va_list arguments)
{
    size_t used = strlen(text);
    int wanted = vsnprintf(text + used, size - used, format, arguments);
    if (wanted >= 0 && (size_t)wanted >= size - used) {
        text[whole_characters(text, size - 1)] = '\0';
    }
}

static void append_format(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append_format(char *text, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append(text, size, format, arguments);
    va_end(arguments);
}

skimp_status skimpi_fail(skimp_error *error, skimp_status code, const char *format, ...)
{
    if (error == NULL || error->code != SKIMP_OK) {
        return code;
    }
    error->code = (int)code;
    error->message[0] = '\0';
    va_list arguments;
    va_start(arguments, format);
    append(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    one_line(error->message);
    return code;
}

skimp_status skimpi_fail_at(skimp_error *error, skimp_status code, const char *file, uint64_t row, const char *column,
                            const char *format, ...)
{
    if (error == NULL || error->code != SKIMP_OK) {
        return code;
    }
    error->code = (int)code;
    error->message[0] = '\0';
    error->row = row;
    if (file != NULL) {
        copy_field(error->file, sizeof(error->file), file);
        append_format(error->message, sizeof(error->message), "%s:", error->file);
    }
    if (row != 0) {
        append_format(error->message, sizeof(error->message), file != NULL ? "%" PRIu64 ":" : "row %" PRIu64 ":", row);
    }
    if (column != NULL) {
        copy_field(error->column, sizeof(error->column), column);
        append_format(error->message, sizeof(error->message), "%scolumn '%s':", error->message[0] != '\0' ? " " : "",
                      error->column);
    }
    if (error->message[0] != '\0') {
        append_format(error->message, sizeof(error->message), " ");
    }
    va_list arguments;
    va_start(arguments, format);
    append(error->message, sizeof(error->message), format, arguments);
    va_end(arguments);
    one_line(error->message);
    return code;
}
