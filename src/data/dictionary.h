/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dictionary of a text column: bytes of a category -> code, in order of first appearance.
 *
 * One writer, many readers: parsers look up while the worker whose turn it is inserts.  A lookup takes no lock (the
 * table is published by atomic pointers; tables that were outgrown are freed by destroy or by quiesce).  Memory is
 * charged under "categories".
 */
#ifndef SKIMPI_DICTIONARY_H
#define SKIMPI_DICTIONARY_H

#include "base/base.h"

#define SKIMPI_CODE_MISSING UINT32_MAX       /* an empty or NA field */
#define SKIMPI_CODE_UNKNOWN (UINT32_MAX - 1) /* not in the dictionary (predict) */
#define SKIMPI_MAX_CATEGORIES (1u << 26)

typedef struct skimpi_dictionary skimpi_dictionary;

SKIMP_CHECKED skimp_status skimpi_dictionary_create(skimpi_dictionary **out, skimp_budget *budget, skimp_error *error);
void skimpi_dictionary_destroy(skimpi_dictionary *dictionary);

uint64_t skimpi_dictionary_hash(const char *text, size_t length); /* XXH3-64; also what hash_bits uses */
/* hash_bits: the code of a text in a column whose name has the hash name_hash: 0 … 2^bits - 1. */
static inline uint32_t skimpi_dictionary_hash_code(uint64_t name_hash, const char *text, size_t length, uint32_t bits)
{
    return (uint32_t)(skimpi_mix64(skimpi_dictionary_hash(text, length) + skimpi_mix64(name_hash)) &
                      (((uint64_t)1 << bits) - 1));
}
uint32_t skimpi_dictionary_size(const skimpi_dictionary *dictionary);
/* The code of a text, or SKIMPI_CODE_UNKNOWN. Any thread. */
uint32_t skimpi_dictionary_find(const skimpi_dictionary *dictionary, const char *text, size_t length, uint64_t hash);
/* The code of a text, inserted if new. One thread at a time. */
SKIMP_CHECKED skimp_status skimpi_dictionary_insert(skimpi_dictionary *dictionary, const char *text, size_t length,
                                                    uint64_t hash, uint32_t *code, skimp_error *error);
/* The text of a code; valid as long as the dictionary. */
const char *skimpi_dictionary_text(const skimpi_dictionary *dictionary, uint32_t code, size_t *length);
/* rank[code] = place of the code's text in byte order (as scikit-learn sorts categories): the caller's array of size entries. */
SKIMP_CHECKED skimp_status skimpi_dictionary_rank(const skimpi_dictionary *dictionary, uint32_t *rank,
                                                  skimp_error *error);
/* Bound of its memory, for plans; longest: of the texts, at most (not known: UINT64_MAX). */
uint64_t skimpi_dictionary_bytes(uint64_t n_categories, uint64_t text_bytes, uint64_t longest);
/* Bound of what it grows by when so many more texts, of so many bytes in all, are inserted. */
uint64_t skimpi_dictionary_growth(const skimpi_dictionary *dictionary, uint64_t n_texts, uint64_t text_bytes);

#endif
