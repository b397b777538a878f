/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Near names: what someone who mistyped a name may have meant.  Nothing here allocates.
 */
#ifndef SKIMPI_NEAR_NAME_H
#define SKIMPI_NEAR_NAME_H

#include <stddef.h>

#define SKIMPI_NEAR_NAMES 3

typedef struct skimpi_near_names {
    const char *wanted;
    size_t wanted_length;
    size_t n;                             /* found so far, nearest first; ties in the order they were offered */
    const char *names[SKIMPI_NEAR_NAMES]; /* the caller's; must live until the text is made */
    size_t lengths[SKIMPI_NEAR_NAMES];
    size_t distances[SKIMPI_NEAR_NAMES];
} skimpi_near_names;

/*
 * Edit distance with transpositions of neighbours (Damerau, "optimal string alignment"); a change of case counts 1,
 * as does any other change of a byte.  Only the first 64 bytes of a name are compared.
 */
size_t skimpi_edit_distance(const char *a, size_t a_length, const char *b, size_t b_length);

void skimpi_near_names_begin(skimpi_near_names *near, const char *wanted, size_t wanted_length);
/* Keeps the name if it is near: distance at most a third of the longer length (at least 1), or one contains the other. */
void skimpi_near_names_offer(skimpi_near_names *near, const char *name, size_t length);
/* "; did you mean 'a', 'b' or 'c'?", or "" when nothing was near. Returns text. */
#define SKIMPI_NEAR_TEXT 256
const char *skimpi_near_names_text(const skimpi_near_names *near, char text[SKIMPI_NEAR_TEXT]);

#endif
