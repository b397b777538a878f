/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PageHeader (apache/parquet-format: parquet.thrift) in Thrift's compact protocol (apache/thrift:
 * doc/specs/thrift-compact-protocol.md): fields by number and type, of which the ones that are not known are skipped.
 */
#include "data/parquet_page.h"

#define DEEPEST 8 /* structs within structs: statistics within a header are two */

enum { STOP = 0, IS_TRUE, IS_FALSE, BYTE, INT16, INT32, INT64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT };

typedef struct cursor {
    const uint8_t *at, *end;
    bool failed;
} cursor;

static uint8_t next_byte(cursor *c)
{
    if (c->at == c->end) {
        c->failed = true;
        return 0;
    }
    return *c->at++;
}

static void skip_bytes(cursor *c, uint64_t n)
{
    if ((uint64_t)(c->end - c->at) < n) {
        c->failed = true;
        return;
    }
    c->at += n;
}

static uint64_t next_varint(cursor *c)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && !c->failed; shift += 7) {
        const uint8_t byte = next_byte(c);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    c->failed = true;
    return 0;
}

static int64_t next_integer(cursor *c)
{
    const uint64_t value = next_varint(c);
    return (int64_t)(value >> 1 ^ (0 - (value & 1)));
}

typedef struct field {
    int64_t id;
    unsigned type;
} field;

/* The next field of a struct. False: there is none. */
static bool next_field(cursor *c, field *f)
{
    const uint8_t byte = next_byte(c);
    f->type = byte & 15;
    if (c->failed || f->type == STOP) {
        return false;
    }
    const int64_t id = byte >> 4 != 0 ? f->id + (byte >> 4) : next_integer(c);
    f->id = id > -32769 && id < 32768 ? id : 0;
    return !c->failed;
}

static void skip_value(cursor *c, unsigned type, bool in_list, unsigned depth);

static void skip_list(cursor *c, unsigned depth)
{
    const uint8_t byte = next_byte(c);
    const uint64_t n = byte >> 4 == 15 ? next_varint(c) : byte >> 4;
    for (uint64_t i = 0; i < n && !c->failed; i++) {
        skip_value(c, byte & 15, true, depth + 1);
    }
}

static void skip_map(cursor *c, unsigned depth)
{
    const uint64_t n = next_varint(c);
    const uint8_t types = n > 0 ? next_byte(c) : 0;
    for (uint64_t i = 0; i < n && !c->failed; i++) {
        skip_value(c, types >> 4, true, depth + 1);
        skip_value(c, types & 15, true, depth + 1);
    }
}

static void skip_value(cursor *c, unsigned type, bool in_list, unsigned depth)
{
    field f = { 0 };
    if (depth > DEEPEST) {
        c->failed = true;
        return;
    }
    switch (type) {
    case IS_TRUE:
    case IS_FALSE: /* the type is the value, but in a list */
        skip_bytes(c, in_list);
        break;
    case BYTE:
        skip_bytes(c, 1);
        break;
    case INT16:
    case INT32:
    case INT64:
        (void)next_varint(c);
        break;
    case DOUBLE:
        skip_bytes(c, 8);
        break;
    case BINARY:
        skip_bytes(c, next_varint(c));
        break;
    case LIST:
    case SET:
        skip_list(c, depth);
        break;
    case MAP:
        skip_map(c, depth);
        break;
    case STRUCT:
        while (next_field(c, &f)) {
            skip_value(c, f.type, false, depth + 1);
        }
        break;
    default:
        c->failed = true;
    }
}

/* A field that is an integer, of which `to` is NULL where it is not wanted. */
static void take(cursor *c, const field *f, int64_t *to, unsigned depth)
{
    if (to == NULL || f->type < INT16 || f->type > INT64) {
        skip_value(c, f->type, false, depth);
        return;
    }
    *to = next_integer(c);
}

/* DataPageHeader, DictionaryPageHeader, DataPageHeaderV2: what the numbers of the page's own kind are. */
static void parse_kind(cursor *c, skimpi_page *page, int64_t header)
{
    field f = { 0 };
    while (next_field(c, &f)) {
        int64_t *to = f.id == 1 ? &page->n_values : NULL;
        if (header == 5 || header == 7) {
            to = f.id == 2 ? &page->encoding : f.id == 3 && header == 5 ? &page->levels_encoding : to;
        } else if (f.id == 4) {
            to = &page->encoding;
        } else if (f.id == 5) {
            to = &page->definition_bytes;
        } else if (f.id == 6) {
            to = &page->repetition_bytes;
        } else if (f.id == 7) {
            page->is_plain = f.type == IS_FALSE;
        }
        take(c, &f, to, 2);
    }
}

bool skimpi_page_parse(const uint8_t *bytes, size_t n, skimpi_page *out)
{
    cursor c = { .at = bytes, .end = bytes + n };
    field f = { 0 };
    *out = (skimpi_page){
        .kind = -1, .text_bytes = -1, .stored_bytes = -1, .n_values = -1, .levels_encoding = SKIMPI_PAGE_RLE
    };
    while (next_field(&c, &f)) {
        if (f.type == STRUCT && (f.id == 5 || f.id == 7 || f.id == 8)) {
            parse_kind(&c, out, f.id);
        } else {
            take(&c, &f,
                 f.id == 1   ? &out->kind
                 : f.id == 2 ? &out->text_bytes
                 : f.id == 3 ? &out->stored_bytes
                             : NULL,
                 1);
        }
    }
    out->header_bytes = (size_t)(c.at - bytes);
    return !c.failed;
}
