/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Near names by edit distance (optimal string alignment: insert, delete, replace, swap neighbours).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/near_name.h"

#define COMPARED 64

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

size_t skimpi_edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    uint8_t rows[3][COMPARED + 1];
    uint8_t *two_ago = rows[0], *previous = rows[1], *current = rows[2];
    size_t n = smaller(a_length, COMPARED), m = smaller(b_length, COMPARED);
    for (size_t j = 0; j <= m; j++) {
        previous[j] = (uint8_t)j;
    }
    for (size_t i = 1; i <= n; i++) {
        current[0] = (uint8_t)i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = smaller(previous[j], current[j - 1]) + 1u;
            best = smaller(best, previous[j - 1] + (a[i - 1] != b[j - 1] ? 1u : 0u));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = smaller(best, two_ago[j - 2] + 1u);
            }
            current[j] = (uint8_t)best;
        }
        uint8_t *spare = two_ago;
        two_ago = previous;
        previous = current;
        current = spare;
    }
    return previous[m];
}

/* Does the longer hold the shorter, case aside?  One letter says nothing. */
static bool contains(const char *a, size_t n, const char *b, size_t m)
{
    if (n < m) {
        const char *text = a;
        a = b;
        b = text;
        size_t length = n;
        n = m;
        m = length;
    }
    if (m < 3) {
        return false;
    }
    for (size_t start = 0; start + m <= n; start++) {
        size_t same = 0;
        while (same < m && lower(a[start + same]) == lower(b[same])) {
            same++;
        }
        if (same == m) {
            return true;
        }
    }
    return false;
}

void skimpi_near_names_begin(skimpi_near_names *near, const char *wanted, size_t wanted_length)
{
    memset(near, 0, sizeof(*near));
    near->wanted = wanted;
    near->wanted_length = wanted_length;
}

void skimpi_near_names_offer(skimpi_near_names *near, const char *name, size_t length)
{
    size_t distance = skimpi_edit_distance(near->wanted, near->wanted_length, name, length);
    size_t allowed = smaller(near->wanted_length > length ? near->wanted_length : length, COMPARED) / 3;
    allowed = allowed == 0 ? 1 : allowed;
    if (distance > allowed) {
        if (!contains(near->wanted, near->wanted_length, name, length)) {
            return;
        }
        distance = COMPARED + 1; /* kept, but behind whatever is near by its letters */
    }
    size_t place = near->n;
    while (place > 0 && near->distances[place - 1] > distance) {
        place--;
    }
    if (place == SKIMPI_NEAR_NAMES) {
        return;
    }
    near->n = smaller(near->n + 1, SKIMPI_NEAR_NAMES);
    for (size_t i = near->n - 1; i > place; i--) {
        near->names[i] = near->names[i - 1];
        near->lengths[i] = near->lengths[i - 1];
        near->distances[i] = near->distances[i - 1];
    }
    near->names[place] = name;
    near->lengths[place] = length;
    near->distances[place] = distance;
}

const char *skimpi_near_names_text(const skimpi_near_names *near, char text[SKIMPI_NEAR_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < near->n; i++) {
        const char *before = i == 0 ? "; did you mean " : i + 1 == near->n ? " or " : ", ";
        /* A name is cut to COMPARED bytes: three of them and the words around them fit. */
        used += (size_t)snprintf(text + used, SKIMPI_NEAR_TEXT - used, "%s'%.*s'", before,
                                 (int)smaller(near->lengths[i], COMPARED), near->names[i]);
    }
    if (near->n != 0) {
        snprintf(text + used, SKIMPI_NEAR_TEXT - used, "?");
    }
    return text;
}
