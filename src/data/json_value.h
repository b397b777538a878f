/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON values of parameters, read where they stand: nothing is allocated or copied.
 *
 * A skimpi_json is the text of one value that has been checked (RFC 8259, at most SKIMPI_JSON_DEPTH deep, valid UTF-8),
 * with Python's NaN, Infinity and -Infinity as numbers besides.  It points into the text that was checked.
 *
 *     skimpi_json value, key, item;
 *     if (skimpi_json_check(text, strlen(text), &value, NULL) && skimpi_json_kind_of(value) == SKIMPI_JSON_OBJECT) {
 *         skimpi_json_items items = skimpi_json_begin(value);
 *         while (skimpi_json_next(&items, &key, &item)) { … skimpi_json_number(item) … }
 *     }
 */
#ifndef SKIMPI_JSON_VALUE_H
#define SKIMPI_JSON_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#define SKIMPI_JSON_DEPTH 32

typedef enum skimpi_json_kind {
    SKIMPI_JSON_NULL,
    SKIMPI_JSON_BOOL,
    SKIMPI_JSON_NUMBER,
    SKIMPI_JSON_STRING,
    SKIMPI_JSON_ARRAY,
    SKIMPI_JSON_OBJECT
} skimpi_json_kind;

typedef struct skimpi_json {
    const char *text; /* without white space around it */
    size_t length;
} skimpi_json;

/* Is the text one JSON value?  Gives it; else the offset at which it goes wrong in *bad_at (may be NULL). */
bool skimpi_json_check(const char *text, size_t length, skimpi_json *out, size_t *bad_at);
skimpi_json_kind skimpi_json_kind_of(skimpi_json value);
bool skimpi_json_true(skimpi_json value);     /* is it `true`? */
double skimpi_json_number(skimpi_json value); /* NaN when it is not a number */
/* Is it the string of these bytes? */
bool skimpi_json_string_is(skimpi_json value, const char *bytes, size_t length);
/* Decodes a string into out (NUL-terminated, cut to fit size). Returns the bytes that the whole would take, without NUL. */
size_t skimpi_json_string(skimpi_json value, char *out, size_t size);
/* The value without white space, into out (value.length bytes are enough; no NUL). Returns its length. */
size_t skimpi_json_compact(skimpi_json value, char *out);

/* Members of an array (key is empty then) or an object, in order. */
typedef struct skimpi_json_items {
    const char *at, *end;
    bool is_object;
} skimpi_json_items;
skimpi_json_items skimpi_json_begin(skimpi_json value); /* no members when it is neither */
bool skimpi_json_next(skimpi_json_items *items, skimpi_json *key, skimpi_json *item);
size_t skimpi_json_count(skimpi_json value);

/* Are the bytes valid UTF-8 without NUL? */
bool skimpi_utf8_is_valid(const char *text, size_t length);

#endif
