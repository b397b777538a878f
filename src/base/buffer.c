/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Growable blocks and copies of strings, on the budget.
 */
#include <stdio.h>
#include <string.h>

#include "base/base.h"

skimp_status skimpi_buffer_reserve(skimpi_buffer *b, size_t bytes, skimp_error *error)
{
    if (bytes <= b->capacity && b->data != NULL) {
        return SKIMP_OK;
    }
    size_t generous = skimpi_add_sat(b->capacity, b->capacity / 2);
    if (b->data != NULL && generous > bytes && generous <= SIZE_MAX / 2) {
        /* Room to grow is a wish: where the budget has no room for it, exactly what is needed may still fit. */
        if (skimp_realloc(b->budget, b->tag, &b->data, b->capacity, generous, 1, NULL) == SKIMP_OK) {
            b->capacity = generous;
            return SKIMP_OK;
        }
    }
    skimp_status status = skimp_realloc(b->budget, b->tag, &b->data, b->capacity, bytes, 1, error);
    if (status == SKIMP_OK) {
        b->capacity = bytes;
    }
    return status;
}

skimp_status skimpi_buffer_append(skimpi_buffer *b, const void *bytes, size_t n, skimp_error *error)
{
    skimp_status status = skimpi_buffer_reserve(b, skimpi_add_sat(b->length, n), error);
    if (status == SKIMP_OK && n != 0) {
        memcpy((char *)b->data + b->length, bytes, n);
        b->length += n;
    }
    return status;
}

skimp_status skimpi_buffer_printf(skimpi_buffer *b, skimp_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (wanted < 0) {
        return skimpi_fail(error, SKIMP_ERROR_INTERNAL, "text could not be formatted");
    }
    /* One byte more for the NUL, which is not part of the length. */
    skimp_status status = skimpi_buffer_reserve(b, skimpi_add_sat(b->length, (size_t)wanted + 1), error);
    if (status == SKIMP_OK) {
        va_start(arguments, format);
        vsnprintf((char *)b->data + b->length, (size_t)wanted + 1, format, arguments);
        va_end(arguments);
        b->length += (size_t)wanted;
    }
    return status;
}

void skimpi_buffer_free(skimpi_buffer *b)
{
    skimp_free(b->budget, b->tag, b->data, b->capacity, 1);
    b->data = NULL;
    b->capacity = 0;
    b->length = 0;
}

/* The length of a string is kept in front of it, so that a string with a NUL inside is freed at its true size. */
skimp_status skimpi_string_copy(skimp_budget *budget, skimp_tag tag, const char *text, size_t n, char **out,
                                skimp_error *error)
{
    *out = NULL;
    void *block;
    skimp_status status = skimp_alloc(budget, tag, skimpi_add_sat(n, sizeof(size_t) + 1), 1, &block, error);
    if (status == SKIMP_OK) {
        memcpy(block, &n, sizeof(n));
        *out = (char *)block + sizeof(n);
        if (n != 0) {
            memcpy(*out, text, n);
        }
        (*out)[n] = '\0';
    }
    return status;
}

void skimpi_string_free(skimp_budget *budget, skimp_tag tag, char *text)
{
    if (text != NULL) {
        char *block = text - sizeof(size_t);
        size_t n;
        memcpy(&n, block, sizeof(n));
        skimp_free(budget, tag, block, n + sizeof(n) + 1, 1);
    }
}
