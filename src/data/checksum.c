/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XXH3-64 of a block of bytes, or of several in a row.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "data/encoding.h"

_Static_assert(sizeof(XXH3_state_t) <= sizeof(skimpi_checksum_state), "the state fits");

uint64_t skimpi_checksum(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

void skimpi_checksum_begin(skimpi_checksum_state *state)
{
    XXH3_INITSTATE((XXH3_state_t *)state);
    XXH3_64bits_reset((XXH3_state_t *)state);
}

void skimpi_checksum_add(skimpi_checksum_state *state, const void *bytes, size_t n)
{
    XXH3_64bits_update((XXH3_state_t *)state, bytes, n);
}

uint64_t skimpi_checksum_end(const skimpi_checksum_state *state)
{
    return XXH3_64bits_digest((const XXH3_state_t *)state);
}
