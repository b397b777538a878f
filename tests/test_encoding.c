/* SPDX-License-Identifier: BSD-3-Clause */
/* Encoding and decoding of columns: what comes back, how small it gets, the same from plain, AVX2 and AVX-512 loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/encoding.h"
#include "store_data.h"

#define N 1000

static bool same(double a, double b)
{
    return a != a ? b != b : a == b && signbit(a) == signbit(b);
}

typedef struct bytes {
    _Alignas(64) unsigned char b[N * 8 + 256];
} bytes;

/* Encodes, decodes as the decoder would, and holds each value to the column's promise. Returns the encoding. */
static unsigned round_trip(const double *values, size_t n, bool exact)
{
    static bytes encoded, again;
    static _Alignas(64) float floats[N + 16];
    static _Alignas(64) double doubles[N + 16];
    skimpi_column_scan scan;
    skimpi_column_scan_run(values, n, &scan);
    skimpi_chunk_column column = skimpi_encoding_choose(&scan, exact);
    memset(&encoded, 0xee, sizeof(encoded));
    uint64_t used = skimpi_encode_numbers(&column, values, (uint32_t)n, encoded.b);
    assert_int_equal(used, skimpi_column_bytes(n, skimpi_encoding_width(column.encoding)));
    assert_int_equal(used % 64, 0);
    assert_true(used <= sizeof(encoded.b));
    for (uint64_t i = n * skimpi_encoding_width(column.encoding); i < used; i++) {
        assert_int_equal(encoded.b[i], 0);
    }
    assert_int_equal(encoded.b[used], 0xee);
    /* The same look and the same bytes from every form of the loops. */
    for (int loops = SKIMPI_LOOPS_PLAIN; loops <= SKIMPI_LOOPS_AVX512; loops++) {
        skimpi_column_scan other;
        skimpi_encoding_limit(loops);
        skimpi_column_scan_run(values, n, &other);
        assert_true(other.minimum == scan.minimum && other.maximum == scan.maximum);
        assert_int_equal(other.n_missing, scan.n_missing);
        assert_int_equal(other.n_infinite, scan.n_infinite);
        assert_int_equal(other.constant, scan.constant);
        assert_int_equal(other.integers, scan.integers);
        assert_int_equal(other.floats, scan.floats);
        assert_int_equal(skimpi_encode_numbers(&column, values, (uint32_t)n, again.b), used);
        assert_memory_equal(again.b, encoded.b, used);
        bool as_float = skimpi_decodes_to_float(&column);
        skimpi_decode_to_double(&column, encoded.b, n, doubles);
        if (as_float) {
            skimpi_decode_to_float(&column, encoded.b, n, floats);
        }
        double allowed =
            column.encoding == SKIMPI_ENC_F32 && !scan.floats && !exact ? ldexp(scan.maximum - scan.minimum, -21) : -1;
        for (size_t i = 0; i < n; i++) {
            assert_true(same(values[i], doubles[i]) || fabs(doubles[i] - values[i]) <= allowed);
            assert_true(!as_float || same(doubles[i], (double)floats[i]));
        }
    }
    return column.encoding;
}

static void every_kind_comes_back(void **state)
{
    (void)state;
    static const unsigned wanted[DATA_KINDS] = {
        SKIMPI_ENC_CONSTANT, SKIMPI_ENC_U8,  SKIMPI_ENC_U16, SKIMPI_ENC_U32, SKIMPI_ENC_F32,
        SKIMPI_ENC_F32,      SKIMPI_ENC_F64, SKIMPI_ENC_F32, SKIMPI_ENC_F64, SKIMPI_ENC_F64,
        SKIMPI_ENC_CONSTANT, SKIMPI_ENC_F32, SKIMPI_ENC_F32, SKIMPI_ENC_F32, SKIMPI_ENC_U8,
    };
    static double values[N];
    for (uint32_t kind = 0; kind < DATA_KINDS; kind++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            skimpi_random r;
            skimpi_random_seed(&r, seed);
            size_t n = seed < 10 ? N : 1 + seed;
            for (size_t i = 0; i < n; i++) {
                values[i] = data_number(&r, kind);
            }
            unsigned encoding = round_trip(values, n, false);
            if (n == N) {
                assert_int_equal(encoding, wanted[kind]);
            }
            encoding = round_trip(values, n, true);
            if (n == N) {
                bool is_rounded = kind == 5 || (kind >= 11 && kind <= 13);
                assert_int_equal(encoding, is_rounded ? SKIMPI_ENC_F64 : wanted[kind]);
            }
        }
    }
}

/* The edges of each range of integers, with and without missing values, at bases where the sum must still be exact. */
static void edges_of_integer_ranges(void **state)
{
    (void)state;
    static const double ranges[] = { 0,     1,     253,   254,          255,          256,          65533,
                                     65534, 65535, 65536, 4294967293.0, 4294967294.0, 4294967295.0, 4294967296.0 };
    static const double bases[] = { 0,
                                    1,
                                    -1,
                                    -255,
                                    16777216,
                                    -16777216,
                                    16777216.0 - 65535,
                                    1e9,
                                    -1e9,
                                    1e15,
                                    9007199254740992.0 - 4294967296.0,
                                    -9007199254740992.0,
                                    9007199254740992.0,
                                    1e18 };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
        for (size_t j = 0; j < sizeof(bases) / sizeof(*bases); j++) {
            double values[20];
            for (size_t k = 0; k < 20; k++) {
                values[k] = bases[j] + floor(ranges[i] * (double)k / 19);
            }
            unsigned encoding = round_trip(values, 20, false);
            assert_true(fabs(bases[j]) > 9e15 || ranges[i] == 0 || ranges[i] > 254 || encoding == SKIMPI_ENC_U8);
            assert_true(fabs(bases[j]) > 9e15 || ranges[i] <= 254 || ranges[i] > 65534 || encoding == SKIMPI_ENC_U16);
            values[3] = NAN;
            encoding = round_trip(values, 20, false);
            assert_true(fabs(bases[j]) > 9e15 || ranges[i] == 0 || ranges[i] > 254 || encoding == SKIMPI_ENC_U8);
        }
    }
}

static void scales_and_offsets(void **state)
{
    (void)state;
    static double values[N];
    for (int scale = -320; scale <= 305; scale += 5) {
        for (int offset = 0; offset < 12; offset++) {
            skimpi_random r;
            skimpi_random_seed(&r, (uint64_t)offset);
            double unit = pow(10, scale);
            for (size_t i = 0; i < 100; i++) {
                values[i] = unit * (pow(10, offset) - 1 + skimpi_random_double(&r));
            }
            round_trip(values, 100, false);
            round_trip(values, 100, true);
        }
    }
    /* Unix times, ids, money. */
    for (size_t i = 0; i < N; i++) {
        values[i] = 1.6e9 + (double)i * 37;
    }
    assert_int_equal(round_trip(values, N, false), SKIMPI_ENC_U16);
    for (size_t i = 0; i < N; i++) {
        values[i] = 1e9 + (double)i / 128;
    }
    assert_int_equal(round_trip(values, N, false), SKIMPI_ENC_F64);
}

static void no_values_at_all(void **state)
{
    (void)state;
    assert_int_equal(round_trip(NULL, 0, false), SKIMPI_ENC_CONSTANT);
    double nans[3] = { NAN, -NAN, NAN };
    assert_int_equal(round_trip(nans, 3, false), SKIMPI_ENC_CONSTANT);
    double infinite[3] = { INFINITY, NAN, -INFINITY };
    assert_int_equal(round_trip(infinite, 3, true), SKIMPI_ENC_F32);
}

static void codes_come_back(void **state)
{
    (void)state;
    static const uint32_t largest[] = { 0, 1, 253, 254, 255, 65533, 65534, 65535, 1u << 26 };
    static const unsigned wanted[] = { SKIMPI_ENC_U8,  SKIMPI_ENC_U8,  SKIMPI_ENC_U8,  SKIMPI_ENC_U16, SKIMPI_ENC_U16,
                                       SKIMPI_ENC_U16, SKIMPI_ENC_U32, SKIMPI_ENC_U32, SKIMPI_ENC_U32 };
    static bytes encoded;
    static uint32_t codes[N], decoded[N], ranks[300];
    for (uint32_t i = 0; i < 300; i++) {
        ranks[i] = 299 - i;
    }
    for (size_t k = 0; k < sizeof(largest) / sizeof(*largest); k++) {
        for (int loops = SKIMPI_LOOPS_PLAIN; loops <= SKIMPI_LOOPS_AVX512; loops++) {
            skimpi_chunk_column column;
            uint64_t missing;
            skimpi_encoding_limit(loops);
            for (uint32_t i = 0; i < N; i++) {
                codes[i] = i % 7 == 3    ? SKIMPI_CODE_MISSING
                           : i % 11 == 5 ? SKIMPI_CODE_UNKNOWN
                                         : (uint32_t)((uint64_t)largest[k] * i / (N - 1));
            }
            uint64_t used = skimpi_encode_codes(codes, N, &column, encoded.b, &missing);
            assert_int_equal(column.encoding, wanted[k]);
            assert_int_equal(used, skimpi_column_bytes(N, skimpi_encoding_width(column.encoding)));
            assert_int_equal(missing, 143);
            skimpi_decode_codes(&column, encoded.b, N, NULL, 0, decoded);
            assert_memory_equal(decoded, codes, sizeof(codes));
            skimpi_decode_codes(&column, encoded.b, N, ranks, 300, decoded);
            for (uint32_t i = 0; i < N; i++) {
                assert_int_equal(decoded[i], codes[i] < 300 ? 299 - codes[i] : codes[i]);
            }
            for (uint32_t i = 0; i < N; i++) {
                codes[i] = k % 2 != 0 ? SKIMPI_CODE_MISSING : largest[k];
            }
            assert_int_equal(skimpi_encode_codes(codes, N, &column, encoded.b, &missing), 0);
            assert_int_equal(missing, k % 2 != 0 ? N : 0);
            skimpi_decode_codes(&column, encoded.b, N, NULL, 0, decoded);
            assert_memory_equal(decoded, codes, sizeof(codes));
        }
    }
}

static void indices_come_back(void **state)
{
    (void)state;
    static const uint64_t limits[] = {
        1, 65536, 65537, (uint64_t)UINT32_MAX + 1, (uint64_t)UINT32_MAX + 2, (uint64_t)1 << 60
    };
    static const unsigned wanted[] = { SKIMPI_ENC_U16, SKIMPI_ENC_U16, SKIMPI_ENC_U32,
                                       SKIMPI_ENC_U32, SKIMPI_ENC_U64, SKIMPI_ENC_U64 };
    static bytes encoded;
    static uint32_t indices[N], back[N];
    static uint64_t wide[N], wide_back[N];
    for (size_t k = 0; k < sizeof(limits) / sizeof(*limits); k++) {
        for (int loops = SKIMPI_LOOPS_PLAIN; loops <= SKIMPI_LOOPS_AVX512; loops++) {
            skimpi_chunk_column column;
            skimpi_encoding_limit(loops);
            for (size_t i = 0; i < N; i++) {
                wide[i] = (uint64_t)((double)(limits[k] - 1) * (double)i / (N - 1));
                indices[i] = (uint32_t)wide[i];
            }
            column = skimpi_indices_choose(limits[k]);
            skimpi_encode_indices(NULL, wide, N, &column, encoded.b);
            assert_int_equal(column.encoding, wanted[k]);
            skimpi_decode_indices(&column, encoded.b, N, NULL, wide_back);
            assert_memory_equal(wide_back, wide, sizeof(wide));
            if (wanted[k] != SKIMPI_ENC_U64) {
                skimpi_encode_indices(indices, NULL, N, &column, encoded.b);
                assert_int_equal(column.encoding, wanted[k]);
                skimpi_decode_indices(&column, encoded.b, N, back, NULL);
                assert_memory_equal(back, indices, sizeof(indices));
            }
        }
    }
}

static unsigned encoding_of_values(const double *values, const uint32_t *row_end, const uint32_t *indices,
                                   uint32_t n_rows)
{
    static bytes out;
    skimpi_csr_view csr = {
        .n_rows = n_rows, .nonzeros = row_end[n_rows - 1], .row_end = row_end, .indices = indices, .values = values
    };
    skimpi_column_scan scan;
    skimpi_chunk_column column;
    skimpi_column_scan_run(values, csr.nonzeros, &scan);
    assert_true(skimpi_values_scratch(&csr, &scan) <= sizeof(out.b));
    column = skimpi_values_choose(&csr, &scan, out.b);
    skimpi_encode_values(&csr, &column, out.b);
    return column.encoding;
}

static void sparse_values_keep_their_digits(void **state)
{
    (void)state;
    const uint32_t row_end[4] = { 2, 4, 6, 8 };
    const uint32_t indices[8] = { 0, 5, 0, 6, 0, 7, 0, 8 };
    const double ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    const double small[8] = { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8 };
    const double times[8] = { 1.6e9 + 0.1, 0.2, 1.6e9 + 7.3, 0.4, 1.6e9 + 100.7, 0.6, 1.6e9, 0.8 };
    const double same_inexact[8] = { 0.1, 2, 0.1, 3, 0.1, 4, 0.1, 5 };
    const double huge[8] = { 1e200, 1, 2, 3, 4, 5, 6, 7 };
    const double tiny[8] = { 0.1, 1e-310, 0.2, 3, 0.4, 5, 0.6, 7 };
    assert_int_equal(encoding_of_values(ones, row_end, indices, 4), SKIMPI_ENC_CONSTANT);
    assert_int_equal(encoding_of_values(small, row_end, indices, 4), SKIMPI_ENC_F32);
    assert_int_equal(encoding_of_values(times, row_end, indices, 4), SKIMPI_ENC_F64);
    assert_int_equal(encoding_of_values(same_inexact, row_end, indices, 4), SKIMPI_ENC_F64);
    assert_int_equal(encoding_of_values(huge, row_end, indices, 4), SKIMPI_ENC_F64);
    assert_int_equal(encoding_of_values(tiny, row_end, indices, 4), SKIMPI_ENC_F64);
    /* One row without the feature: its zero makes the spread. */
    const uint32_t without[8] = { 0, 5, 0, 6, 1, 7, 0, 8 };
    assert_int_equal(encoding_of_values(times, row_end, without, 4), SKIMPI_ENC_F32);
    /* Two rows say nothing of what is common. */
    assert_int_equal(encoding_of_values(small, row_end, indices, 2), SKIMPI_ENC_F64);
}

static void bounds_do_not_overflow(void **state)
{
    (void)state;
    skimp_budget *budget = data_budget(0);
    skimpi_schema *schema = data_sparse(budget, UINT64_MAX, true);
    assert_int_equal(skimpi_chunk_bound(schema, UINT32_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(skimpi_chunk_decoded_bound(schema, 1, UINT64_MAX - 3), UINT64_MAX);
    const skimpi_area area = { UINT64_MAX, UINT64_MAX - 1, 64 };
    const skimpi_decoder_options options = { .with_values = true, .with_weight = true };
    assert_int_equal(skimpi_decoder_bytes(schema, 1, 0, &area, NULL, SKIMPI_PLACE_MEMORY), UINT64_MAX);
    assert_int_equal(skimpi_decoder_bytes(schema, 1, 0, &area, &options, SKIMPI_PLACE_SPILL), UINT64_MAX);
    assert_int_equal(skimpi_decoder_bytes(schema, 1, UINT64_MAX, &(skimpi_area){ 0 }, NULL, SKIMPI_PLACE_FILE),
                     UINT64_MAX);
    assert_int_equal(skimpi_encoder_bytes(schema, 1, UINT64_MAX, 0), UINT64_MAX);
    skimpi_schema_destroy(schema);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back),
        cmocka_unit_test(edges_of_integer_ranges),
        cmocka_unit_test(scales_and_offsets),
        cmocka_unit_test(no_values_at_all),
        cmocka_unit_test(codes_come_back),
        cmocka_unit_test(indices_come_back),
        cmocka_unit_test(sparse_values_keep_their_digits),
        cmocka_unit_test(bounds_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
