/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A strict JSON checker by recursive descent (RFC 8259), and accessors that read a checked text in place.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "data/json_value.h"
#include "data/number.h"

#define NUMBER_LENGTH 512 /* the longest number that is read; a longer one is refused */

typedef struct cursor {
    const char *at, *end;
} cursor;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void skip_space(cursor *c)
{
    while (c->at < c->end && is_space(*c->at)) {
        c->at++;
    }
}

static bool take_word(cursor *c, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) >= n && memcmp(c->at, word, n) == 0) {
        c->at += n;
        return true;
    }
    return false;
}

static bool take_byte(cursor *c, char byte)
{
    if (c->at < c->end && *c->at == byte) {
        c->at++;
        return true;
    }
    return false;
}

static bool take_digits(cursor *c)
{
    const char *start = c->at;
    while (c->at < c->end && is_digit(*c->at)) {
        c->at++;
    }
    return c->at > start;
}

static bool take_number(cursor *c)
{
    const char *start = c->at;
    (void)take_byte(c, '-');
    if (take_word(c, "Infinity")) {
        return true;
    }
    const char *whole = c->at;
    if (!take_digits(c) || (*whole == '0' && c->at - whole > 1)) {
        return false;
    }
    if (take_byte(c, '.') && !take_digits(c)) {
        return false;
    }
    if (take_byte(c, 'e') || take_byte(c, 'E')) {
        if (!take_byte(c, '+')) {
            (void)take_byte(c, '-');
        }
        if (!take_digits(c)) {
            return false;
        }
    }
    return c->at - start <= NUMBER_LENGTH;
}

/* Length of the UTF-8 character at `at` (RFC 3629: no surrogates, no overlong forms), 0 when it is not one. */
static size_t utf8_length(const char *at, const char *end)
{
    unsigned char first = (unsigned char)*at;
    size_t n = first < 0x80                     ? 1
               : first >= 0xc2 && first <= 0xdf ? 2
               : first >= 0xe0 && first <= 0xef ? 3
               : first >= 0xf0 && first <= 0xf4 ? 4
                                                : 0;
    if (n == 0 || (size_t)(end - at) < n) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        unsigned char low = 0x80, high = 0xbf;
        if (i == 1) {
            low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : low;
            high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : high;
        }
        if ((unsigned char)at[i] < low || (unsigned char)at[i] > high) {
            return 0;
        }
    }
    return n;
}

bool skimpi_utf8_is_valid(const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end) {
        size_t n = utf8_length(text, end);
        if (n == 0 || *text == '\0') {
            return false;
        }
        text += n;
    }
    return true;
}

/* Four hex digits after \u. */
static bool take_unit(cursor *c, uint32_t *unit)
{
    if (c->end - c->at < 4) {
        return false;
    }
    *unit = 0;
    for (unsigned i = 0; i < 4; i++) {
        int digit = hex_digit(c->at[i]);
        if (digit < 0) {
            return false;
        }
        *unit = *unit * 16 + (uint32_t)digit;
    }
    c->at += 4;
    return true;
}

/* One character of a string, its bytes into out. Returns their number; 0: not valid. A NUL (\u0000) is refused: names hold none. */
static size_t take_character(cursor *c, char out[4])
{
    if (c->at == c->end || (unsigned char)*c->at < 0x20) {
        return 0;
    }
    if (*c->at != '\\') {
        size_t n = utf8_length(c->at, c->end);
        memcpy(out, c->at, n);
        c->at += n;
        return n;
    }
    c->at++;
    if (c->at == c->end) {
        return 0;
    }
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *letter = *c->at == '\0' ? NULL : strchr(letters, *c->at);
    if (letter != NULL) {
        c->at++;
        out[0] = meant[letter - letters];
        return 1;
    }
    uint32_t point, low;
    if (!take_byte(c, 'u') || !take_unit(c, &point) || point == 0 || (point >= 0xdc00 && point <= 0xdfff)) {
        return 0;
    }
    if (point >= 0xd800 && point <= 0xdbff) {
        if (!take_word(c, "\\u") || !take_unit(c, &low) || low < 0xdc00 || low > 0xdfff) {
            return 0;
        }
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | point);
    return n;
}

static bool take_string(cursor *c)
{
    char bytes[4];
    if (!take_byte(c, '"')) {
        return false;
    }
    while (!take_byte(c, '"')) {
        if (take_character(c, bytes) == 0) {
            return false;
        }
    }
    return true;
}

static bool take_value(cursor *c, unsigned depth);

static bool take_members(cursor *c, unsigned depth, char close, bool is_object)
{
    if (depth == 0) {
        return false;
    }
    c->at++;
    skip_space(c);
    if (take_byte(c, close)) {
        return true;
    }
    for (;;) {
        skip_space(c);
        if (is_object) {
            if (!take_string(c)) {
                return false;
            }
            skip_space(c);
            if (!take_byte(c, ':')) {
                return false;
            }
        }
        if (!take_value(c, depth - 1)) {
            return false;
        }
        skip_space(c);
        if (take_byte(c, close)) {
            return true;
        }
        if (!take_byte(c, ',')) {
            return false;
        }
    }
}

static bool take_value(cursor *c, unsigned depth)
{
    skip_space(c);
    if (c->at == c->end) {
        return false;
    }
    switch (*c->at) {
    case '{':
        return take_members(c, depth, '}', true);
    case '[':
        return take_members(c, depth, ']', false);
    case '"':
        return take_string(c);
    case 't':
        return take_word(c, "true");
    case 'f':
        return take_word(c, "false");
    case 'n':
        return take_word(c, "null");
    case 'N':
        return take_word(c, "NaN");
    default:
        return take_number(c);
    }
}

bool skimpi_json_check(const char *text, size_t length, skimpi_json *out, size_t *bad_at)
{
    cursor c = { text, text + length };
    skip_space(&c);
    const char *start = c.at;
    bool good = take_value(&c, SKIMPI_JSON_DEPTH);
    const char *stop = c.at;
    skip_space(&c);
    if (!good || c.at != c.end) {
        if (bad_at != NULL) {
            *bad_at = (size_t)(c.at - text);
        }
        return false;
    }
    *out = (skimpi_json){ start, (size_t)(stop - start) };
    return true;
}

skimpi_json_kind skimpi_json_kind_of(skimpi_json value)
{
    switch (value.text[0]) {
    case '{':
        return SKIMPI_JSON_OBJECT;
    case '[':
        return SKIMPI_JSON_ARRAY;
    case '"':
        return SKIMPI_JSON_STRING;
    case 't':
    case 'f':
        return SKIMPI_JSON_BOOL;
    case 'n':
        return SKIMPI_JSON_NULL;
    default:
        return SKIMPI_JSON_NUMBER;
    }
}

bool skimpi_json_true(skimpi_json value)
{
    return value.text[0] == 't';
}

double skimpi_json_number(skimpi_json value)
{
    char padded[NUMBER_LENGTH + SKIMPI_NUMBER_PADDING] = { 0 };
    double number;
    if (skimpi_json_kind_of(value) != SKIMPI_JSON_NUMBER) {
        return NAN;
    }
    memcpy(padded, value.text, value.length);
    return skimpi_number_parse(padded, padded + value.length, &number) != NULL ? number : NAN;
}

/* The bytes between the quotes of a checked string. */
static cursor string_body(skimpi_json value)
{
    return (cursor){ value.text + 1, value.text + value.length - 1 };
}

bool skimpi_json_string_is(skimpi_json value, const char *bytes, size_t length)
{
    if (skimpi_json_kind_of(value) != SKIMPI_JSON_STRING) {
        return false;
    }
    cursor c = string_body(value);
    char character[4];
    while (c.at < c.end) {
        size_t n = take_character(&c, character);
        if (n > length || memcmp(character, bytes, n) != 0) {
            return false;
        }
        bytes += n;
        length -= n;
    }
    return length == 0;
}

size_t skimpi_json_string(skimpi_json value, char *out, size_t size)
{
    size_t length = 0, kept = 0;
    if (skimpi_json_kind_of(value) == SKIMPI_JSON_STRING) {
        cursor c = string_body(value);
        char character[4];
        while (c.at < c.end) {
            size_t n = take_character(&c, character);
            if (kept == length && length + n < size) {
                memcpy(out + length, character, n);
                kept += n;
            }
            length += n;
        }
    }
    if (size != 0) {
        out[kept] = '\0';
    }
    return length;
}

size_t skimpi_json_compact(skimpi_json value, char *out)
{
    cursor c = { value.text, value.text + value.length };
    char *to = out;
    while (c.at < c.end) {
        const char *from = c.at;
        if (*c.at == '"') {
            (void)take_string(&c);
        } else {
            c.at++;
        }
        if (!is_space(*from)) {
            memmove(to, from, (size_t)(c.at - from));
            to += c.at - from;
        }
    }
    return (size_t)(to - out);
}

skimpi_json_items skimpi_json_begin(skimpi_json value)
{
    skimpi_json_kind kind = skimpi_json_kind_of(value);
    if (kind != SKIMPI_JSON_ARRAY && kind != SKIMPI_JSON_OBJECT) {
        return (skimpi_json_items){ value.text, value.text, false };
    }
    return (skimpi_json_items){ value.text + 1, value.text + value.length - 1, kind == SKIMPI_JSON_OBJECT };
}

static skimpi_json take_json(cursor *c)
{
    skip_space(c);
    const char *start = c->at;
    (void)take_value(c, SKIMPI_JSON_DEPTH);
    skimpi_json value = { start, (size_t)(c->at - start) };
    skip_space(c);
    return value;
}

bool skimpi_json_next(skimpi_json_items *items, skimpi_json *key, skimpi_json *item)
{
    cursor c = { items->at, items->end };
    skip_space(&c);
    if (c.at == c.end) {
        return false;
    }
    *key = (skimpi_json){ c.at, 0 };
    if (items->is_object) {
        *key = take_json(&c);
        (void)take_byte(&c, ':');
    }
    *item = take_json(&c);
    (void)take_byte(&c, ',');
    items->at = c.at;
    return true;
}

size_t skimpi_json_count(skimpi_json value)
{
    skimpi_json_items items = skimpi_json_begin(value);
    skimpi_json key, item;
    size_t n = 0;
    while (skimpi_json_next(&items, &key, &item)) {
        n++;
    }
    return n;
}
