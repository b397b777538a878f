/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes of a chunk (docs/formats/store.md), and the loops that make and read its columns.
 *
 *   header (64 bytes) | one descriptor of 16 bytes for each column, padded to 64 | the columns, one after the other
 *
 * A column of n rows has room for round_up(n, 16) values, and its bytes are rounded up to 64: so each column starts at a
 * multiple of 64 and its place follows from the descriptors before it.  There are no offsets that could lie.  Bytes
 * between the last value and the end of a column are zero.
 *
 * Columns of a table: numeric slots, category slots, target, weight.  Of sparse data: row ends (u32, not described by
 * what they hold), indices, values, target, weight.  All numbers are little-endian.
 */
#ifndef SKIMPI_ENCODING_H
#define SKIMPI_ENCODING_H

#include "data/chunk.h"
#include "data/schema.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the chunk store is written in the machine's byte order, which must be little-endian"
#endif

/* Functions marked so may be compiled to these instructions; they are called where skimpi_encoding_loops allows. */
#if defined(__x86_64__)
#define SKIMPI_TARGET_AVX2 __attribute__((target("avx2")))
#if defined(__clang__)
#define SKIMPI_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#else
#define SKIMPI_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
#endif
#endif

#define SKIMPI_CHUNK_MAGIC 0x6b6e6863u /* "chnk" */
#define SKIMPI_CHUNK_ALIGN 64u

typedef enum skimpi_encoding {
    SKIMPI_ENC_CONSTANT, /* no bytes: every value is base (codes: the integer base) */
    SKIMPI_ENC_U8,       /* base + code; all ones: missing.  Codes: as they are; the two largest: unknown, missing */
    SKIMPI_ENC_U16,
    SKIMPI_ENC_U32,
    SKIMPI_ENC_F32,
    SKIMPI_ENC_F64,
    SKIMPI_ENC_U64,     /* indices only */
    SKIMPI_ENC_DECIMAL, /* numeric features only: floats as (base + code) / 10^digits (decimal.h) */
    SKIMPI_ENC_COUNT
} skimpi_encoding;

typedef struct skimpi_chunk_header {
    uint32_t magic;
    uint32_t n_rows;
    uint64_t bytes;    /* of all of the chunk; a multiple of 64 */
    uint64_t checksum; /* XXH3-64 of what follows the header */
    uint64_t index;    /* its number in the store */
    uint64_t first_row;
    uint64_t nonzeros;
    uint32_t n_columns;
    uint32_t reserved;        /* 0 */
    uint64_t header_checksum; /* XXH3-64 of the 56 bytes before it */
} skimpi_chunk_header;

typedef struct skimpi_chunk_column {
    uint8_t encoding;
    uint8_t digits, bits; /* DECIMAL; else 0 */
    uint8_t reserved[5];  /* 0 */
    double base;
} skimpi_chunk_column;

_Static_assert(sizeof(skimpi_chunk_header) == 64, "the header is 64 bytes");
_Static_assert(sizeof(skimpi_chunk_column) == 16, "a descriptor is 16 bytes");

static inline uint64_t skimpi_encoding_width(unsigned encoding)
{
    static const uint8_t width[SKIMPI_ENC_COUNT] = { 0, 1, 2, 4, 4, 8, 8, 0 };
    return width[encoding]; /* of DECIMAL the descriptor tells */
}

/* Bytes of a column of n values of `width` bytes. n is at most 2^56. */
static inline uint64_t skimpi_column_bytes(uint64_t n, uint64_t width)
{
    uint64_t bytes = (n + 15) / 16 * 16 * width;
    return (bytes + SKIMPI_CHUNK_ALIGN - 1) / SKIMPI_CHUNK_ALIGN * SKIMPI_CHUNK_ALIGN;
}

static inline uint64_t skimpi_column_encoded_bytes(const skimpi_chunk_column *column, uint64_t n)
{
    if (column->encoding == SKIMPI_ENC_DECIMAL) { /* 16 codes in 2 × bits bytes */
        return ((n + 15) / 16 * 2 * column->bits + SKIMPI_CHUNK_ALIGN - 1) / SKIMPI_CHUNK_ALIGN * SKIMPI_CHUNK_ALIGN;
    }
    return skimpi_column_bytes(n, skimpi_encoding_width(column->encoding));
}

uint32_t skimpi_chunk_columns(const skimpi_schema *schema); /* columns in a chunk of the schema */
uint64_t skimpi_chunk_head_bytes(uint32_t n_columns);       /* header and descriptors */
/* The most that a chunk can take, and the most that its columns can take when decoded. UINT64_MAX: more than 2^62. */
uint64_t skimpi_chunk_bound(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros);
uint64_t skimpi_chunk_decoded_bound(const skimpi_schema *schema, uint32_t rows, uint64_t nonzeros);

uint64_t skimpi_checksum(const void *bytes, size_t n); /* XXH3-64 */
/* The same of bytes that come in parts. */
typedef struct skimpi_checksum_state {
    _Alignas(64) unsigned char opaque[576];
} skimpi_checksum_state;
void skimpi_checksum_begin(skimpi_checksum_state *state);
void skimpi_checksum_add(skimpi_checksum_state *state, const void *bytes, size_t n);
uint64_t skimpi_checksum_end(const skimpi_checksum_state *state);

/* Which forms of the loops run: what the CPU has, or less where a test asked for less. */
enum { SKIMPI_LOOPS_PLAIN, SKIMPI_LOOPS_AVX2, SKIMPI_LOOPS_AVX512 };
int skimpi_encoding_loops(void);
void skimpi_encoding_limit(int loops); /* for tests; SKIMPI_LOOPS_AVX512: no limit */

/* ---- encode.c ---------------------------------------------------------------------------------------------------- */

/* What one look at a column of doubles tells. */
typedef struct skimpi_column_scan {
    double minimum, maximum; /* of the finite values; +inf, -inf when there are none */
    uint64_t n_missing, n_infinite;
    double first;
    bool constant; /* every value has the same bits */
    bool integers; /* every value that is not missing is an integer, and none is -0 */
    bool floats;   /* every value that is not missing is a float exactly */
} skimpi_column_scan;
void skimpi_column_scan_run(const double *values, size_t n, skimpi_column_scan *scan);

/* The smallest encoding that keeps the column's digits; `exact`: all of them (targets and weights). */
skimpi_chunk_column skimpi_encoding_choose(const skimpi_column_scan *scan, bool exact);
/*
 * What a value takes when it is decoded (bytes; beside a store in memory, and in a file), for columns of which this is
 * known. In a file, doubles that are no integers are used in place; floats are, unless they have few digits.
 */
void skimpi_decoded_size_expect(const skimpi_column_scan *scan, uint8_t *memory, uint8_t *file);
/* Writes the column's bytes; returns how many. */
uint64_t skimpi_encode_numbers(const skimpi_chunk_column *column, const double *values, uint32_t n, void *out);
/* Chooses and writes. *n_missing: codes that are SKIMPI_CODE_MISSING. */
uint64_t skimpi_encode_codes(const uint32_t *codes, uint32_t n, skimpi_chunk_column *column, void *out,
                             uint64_t *n_missing);
/* Indices of a CSR block, all less than `limit`; exactly one of the arrays is given. */
skimpi_chunk_column skimpi_indices_choose(uint64_t limit);
uint64_t skimpi_encode_indices(const uint32_t *indices, const uint64_t *indices64, uint64_t n,
                               const skimpi_chunk_column *column, void *out);
/*
 * Values of a CSR block: floats where each is one exactly, or where no feature that is present in every row loses digits
 * that its own spread needs.  (A feature that is absent somewhere has its zeros to be compared with: a float's rounding
 * is always small beside its distance from zero.)
 */
typedef struct skimpi_csr_view {
    uint32_t n_rows;
    uint64_t nonzeros;
    const uint32_t *row_end;
    const uint32_t *indices; /* one of these */
    const uint64_t *indices64;
    const double *values;
} skimpi_csr_view;
uint64_t skimpi_values_scratch(const skimpi_csr_view *csr,
                               const skimpi_column_scan *scan); /* bytes that _choose needs */
skimpi_chunk_column skimpi_values_choose(const skimpi_csr_view *csr, const skimpi_column_scan *scan, void *scratch);
uint64_t skimpi_encode_values(const skimpi_csr_view *csr, const skimpi_chunk_column *column, void *out);

/* ---- decode.c ---------------------------------------------------------------------------------------------------- */

/* Whether the column decodes to floats (else to doubles), from its descriptor alone. */
bool skimpi_decodes_to_float(const skimpi_chunk_column *column);
void skimpi_decode_to_float(const skimpi_chunk_column *column, const void *bytes, size_t n, float *out);
void skimpi_decode_to_double(const skimpi_chunk_column *column, const void *bytes, size_t n, double *out);
/* rank may be NULL; n_ranks entries. Codes at or over n_ranks stay as they are. */
void skimpi_decode_codes(const skimpi_chunk_column *column, const void *bytes, size_t n, const uint32_t *rank,
                         uint32_t n_ranks, uint32_t *out);
void skimpi_decode_indices(const skimpi_chunk_column *column, const void *bytes, size_t n, uint32_t *out32,
                           uint64_t *out64);

#endif
