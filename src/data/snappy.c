/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Snappy (google/snappy: format_description.txt): the length of the text, then elements: bytes as they are, and copies of
 * what the text held `offset` bytes before.  The two low bits of an element's first byte say which it is.
 *
 * Short ones are moved 16 bytes at a time whatever their length: what is written too much, the next element overwrites.
 */
#include <string.h>

#include "data/snappy.h"

_Static_assert(SKIMPI_SNAPPY_SLACK >= 16, "elements are moved 16 bytes at a time");

static void move16(uint8_t *to, const uint8_t *from)
{
    uint8_t block[16];
    memcpy(block, from, 16);
    memcpy(to, block, 16);
}

static uint32_t load32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* What was `offset` before `to`, `length` times a byte; the two may overlap, which repeats it. */
static void copy_back(uint8_t *to, size_t offset, size_t length)
{
    const uint8_t *from = to - offset;
    uint8_t *const end = to + length;
    if (offset >= 16) {
        for (; to < end; to += 16, from += 16) {
            move16(to, from);
        }
        return;
    }
    if (offset >= 8) {
        for (; to < end; to += 8, from += 8) {
            memcpy(to, from, 8);
        }
        return;
    }
    for (; to < end; to++, from++) {
        *to = *from;
    }
}

/*
 * Numbers that are alike are a literal of 1 to 4 bytes and a copy, in turns.  Both are made of the same 8 bytes, so that no
 * step waits for a load that waits for the step before.  Stops before the first element that is something else.
 */
static bool decode_pairs(const uint8_t **from, const uint8_t *in_end, uint8_t *out, uint8_t **made, const uint8_t *end)
{
    const uint8_t *in = *from;
    uint8_t *to = *made;
    bool ok = true;
    while (in_end - in >= 8 && end - to >= 4 + 64) {
        uint64_t word = (uint64_t)load32(in) | (uint64_t)load32(in + 4) << 32;
        const unsigned first = (unsigned)word & 0xff, n = (first >> 2) + 1;
        if ((first & 3) != 0 || n > 4) {
            break;
        }
        const unsigned tag = (unsigned)(word >> (8 * n + 8)) & 0xff, kind = tag & 3;
        if (kind != 1 && kind != 2) {
            break;
        }
        memcpy(to, in + 1, 4);
        to += n;
        in += n + 2 + kind;
        word >>= 8 * n + 8;
        const uint32_t wide = (uint32_t)(word >> 8);
        const size_t offset = kind == 2 ? wide & 0xffff : (wide & 0xff) | (tag & 0xe0) << 3;
        const size_t length = kind == 2 ? (tag >> 2) + 1 : (tag >> 2 & 7) + 4;
        ok = offset > 0 && offset <= (size_t)(to - out);
        if (!ok) {
            break;
        }
        if (offset >= 8 && length <= 8) {
            memcpy(to, to - offset, 8);
        } else {
            copy_back(to, offset, length);
        }
        to += length;
    }
    *from = in;
    *made = to;
    return ok;
}

bool skimpi_snappy_decode(const uint8_t *in, size_t in_bytes, uint8_t *out, size_t out_bytes)
{
    const uint8_t *const in_end = in + in_bytes;
    uint8_t *to = out, *const end = out + out_bytes;
    uint64_t total = 0;
    unsigned shift = 0;
    for (;; shift += 7) {
        if (in == in_end || shift > 28) {
            return false;
        }
        total |= (uint64_t)(*in & 0x7f) << shift;
        if ((*in++ & 0x80) == 0) {
            break;
        }
    }
    if (total != out_bytes) {
        return false;
    }
    while (in < in_end) {
        if (!decode_pairs(&in, in_end, out, &to, end)) {
            return false;
        }
        if (in == in_end) {
            break;
        }
        const uint8_t tag = *in++;
        if ((tag & 3) == 0) {
            size_t length = (size_t)(tag >> 2) + 1;
            if (length <= 16 && (size_t)(in_end - in) >= length && (size_t)(end - to) >= length) {
                move16(to, in);
                in += length;
                to += length;
                continue;
            }
            if (length > 60) {
                const unsigned n = (unsigned)length - 60;
                if ((size_t)(in_end - in) < n) {
                    return false;
                }
                length = (size_t)(load32(in) & UINT32_MAX >> (32 - 8 * n)) + 1;
                in += n;
            }
            if ((size_t)(in_end - in) < length || (size_t)(end - to) < length) {
                return false;
            }
            memcpy(to, in, length);
            in += length;
            to += length;
            continue;
        }
        /* Without branches on the kind of copy, which no one can foresee. */
        static const uint8_t offset_bytes[4] = { 0, 1, 2, 4 };
        static const uint32_t masks[4] = { 0, 0xff, 0xffff, 0xffffffff };
        const unsigned kind = tag & 3;
        const bool is_short = kind == 1;
        if ((size_t)(in_end - in) < offset_bytes[kind]) {
            return false;
        }
        const size_t offset = (load32(in) & masks[kind]) | (is_short ? (uint32_t)(tag & 0xe0) << 3 : 0);
        const size_t length = is_short ? (size_t)(tag >> 2 & 7) + 4 : (size_t)(tag >> 2) + 1;
        in += offset_bytes[kind];
        if (offset == 0 || offset > (size_t)(to - out) || length > (size_t)(end - to)) {
            return false;
        }
        copy_back(to, offset, length);
        to += length;
    }
    return to == end;
}
