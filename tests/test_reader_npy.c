/* SPDX-License-Identifier: BSD-3-Clause */
/* NPY: every type, order and version; roles; missing values; compressed; hostile headers; refused memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>
#include <zlib.h>

#include "data/reader.h"
#include "memory_file.h"

static const skimpi_reader_class *const class = &skimpi_reader_npy;
static const skimpi_reader_options usual = { .zero_based = -1 };

/* A file's bytes: header of a version, padded as NumPy pads it, then the data. */
static size_t make_npy(char *out, int version, const char *dictionary, const void *data, size_t data_bytes)
{
    size_t prefix = version == 1 ? 10 : 12;
    size_t length = strlen(dictionary);
    size_t padded = (prefix + length + 1 + 63) / 64 * 64 - prefix;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (char)version;
    out[7] = 0;
    out[8] = (char)padded;
    out[9] = (char)(padded >> 8);
    out[10] = out[11] = 0;
    memcpy(out + prefix, dictionary, length);
    memset(out + prefix + length, ' ', padded - length);
    out[prefix + padded - 1] = '\n';
    memcpy(out + prefix + padded, data, data_bytes);
    return prefix + padded + data_bytes;
}

typedef struct opened {
    skimp_budget *budget;
    memory_file file;
    skimpi_input *input;
    skimpi_reader *reader;
    skimpi_schema *schema;
    skimpi_sample sample;
    skimpi_raw raw;
} opened;

static skimp_status open_bytes(opened *o, const void *bytes, size_t n, const skimpi_reader_options *options,
                               const char *target, const char *weight, const char *drop, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimp_budget_options budget_options = { .size = sizeof(budget_options), .limit = 32u << 20 };
    *o = (opened){ .file = memory_file_make(bytes, n) };
    SKIMPI_TRY(skimp_budget_create(&o->budget, &budget_options, error));
    SKIMPI_TRY(skimpi_input_open(&o->input, o->budget, o->file.path, error));
    SKIMPI_TRY(class->open(&o->reader, o->budget, o->input, options, &o->schema, &o->sample, error));
    const skimpi_roles roles = { .target = target, .weight = weight, .drop = &drop, .n_drop = drop != NULL };
    SKIMPI_TRY(skimpi_schema_assign(o->schema, &roles, "file", error));
    skimpi_sample_settle(&o->sample, o->schema);
    SKIMPI_TRY(skimpi_raw_create(&o->raw, o->budget, o->schema, 1, 0, error));
out:
    return status;
}

static void close_bytes(opened *o)
{
    if (o->schema != NULL) {
        skimpi_raw_destroy(&o->raw, o->schema);
    }
    class->close(o->reader);
    skimpi_schema_destroy(o->schema);
    skimpi_input_close(o->input);
    if (o->budget != NULL) {
        assert_true(skimp_budget_destroy(o->budget) == 0);
    }
    memory_file_close(&o->file);
}

static void open_well(opened *o, const void *bytes, size_t n, const char *target, const char *weight, const char *drop)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status = open_bytes(o, bytes, n, &usual, target, weight, drop, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, SKIMP_OK);
}

static void read_unit(opened *o, uint64_t index)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_status status = class->read_unit(o->reader, o->schema, o->input, index, &o->raw, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, SKIMP_OK);
}

/* The six values 0 … 5, or what the type makes of them, in each type, both orders of bytes and of the array. */
static void reads_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned bytes;
    } types[] = { { "f4", 4 }, { "f8", 8 }, { "i1", 1 }, { "i2", 2 }, { "i4", 4 },
                  { "i8", 8 }, { "u1", 1 }, { "u2", 2 }, { "u4", 4 }, { "u8", 8 } };
    static const double values[6] = { 0, 1, 100, 3, 4, 127 };
    for (size_t t = 0; t < sizeof(types) / sizeof(*types); t++) {
        for (int kind = 0; kind < 8; kind++) {
            const bool big = (kind & 1) != 0;
            const bool fortran = (kind & 2) != 0;
            const int version = (kind & 4) != 0 ? 2 : 1;
            char data[48];
            char dictionary[128];
            char bytes[512];
            for (int i = 0; i < 6; i++) { /* the array's rows are {0, 1, 100} and {3, 4, 127} */
                double value = fortran ? values[i % 2 * 3 + i / 2] : values[i];
                char *item = data + (size_t)i * types[t].bytes;
                float single = (float)value;
                int64_t whole = (int64_t)value;
                memcpy(item,
                       types[t].name[0] != 'f' ? (void *)&whole
                       : types[t].bytes == 4   ? (void *)&single
                                               : (void *)&value,
                       types[t].bytes);
                for (unsigned k = 0; big && k < types[t].bytes / 2; k++) {
                    char held = item[k];
                    item[k] = item[types[t].bytes - 1 - k];
                    item[types[t].bytes - 1 - k] = held;
                }
            }
            snprintf(dictionary, sizeof(dictionary), "{'descr': '%c%s', 'fortran_order': %s, 'shape': (2, 3), }",
                     types[t].bytes == 1 ? '|'
                     : big               ? '>'
                                         : '<',
                     types[t].name, fortran ? "True" : "False");
            size_t n = make_npy(bytes, version, dictionary, data, 6 * types[t].bytes);
            opened o;
            open_well(&o, bytes, n, NULL, NULL, NULL);
            assert_int_equal(o.schema->n_columns, 3);
            assert_string_equal(o.schema->columns[2].name, "x2");
            assert_int_equal(class->unit_count(o.reader), 1);
            assert_true(o.sample.exact_rows && o.sample.n_rows == 2 && o.sample.text_bytes == n);
            read_unit(&o, 0);
            assert_int_equal(o.raw.n_rows, 2);
            for (int i = 0; i < 6; i++) {
                assert_true(o.raw.numeric[(unsigned)(i % 3) * o.raw.capacity + (unsigned)(i / 3)] == values[i]);
            }
            close_bytes(&o);
        }
    }
}

static void reads_extreme_values(void **state)
{
    (void)state;
    char bytes[512];
    const int64_t longs[2] = { INT64_MIN, ((int64_t)1 << 53) + 1 };
    const uint64_t words[2] = { UINT64_MAX, 5 };
    const double doubles[3] = { NAN, -INFINITY, 5e-324 };
    const uint8_t flags[2] = { 1, 0 };
    opened o;
    open_well(&o, bytes, make_npy(bytes, 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", longs, 16),
              NULL, NULL, NULL);
    read_unit(&o, 0);
    assert_true(o.raw.numeric[0] == -0x1p63 && o.raw.numeric[1] == 0x1p53); /* digits beyond 2^53 are lost */
    close_bytes(&o);
    open_well(&o, bytes, make_npy(bytes, 3, "{'shape': (2L, 1L), 'descr': '<u8', \"fortran_order\": True}", words, 16),
              NULL, NULL, NULL);
    read_unit(&o, 0);
    assert_true(o.raw.numeric[0] == 0x1p64 && o.raw.numeric[1] == 5);
    close_bytes(&o);
    open_well(&o, bytes, make_npy(bytes, 1, "{'descr': '=f8', 'fortran_order': False, 'shape': (3, 1)}", doubles, 24),
              NULL, NULL, NULL);
    read_unit(&o, 0);
    assert_true(isnan(o.raw.numeric[0]) && o.raw.numeric[1] == -INFINITY && o.raw.numeric[2] == 5e-324);
    close_bytes(&o);
    open_well(&o, bytes, make_npy(bytes, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}", flags, 2), NULL,
              NULL, NULL);
    read_unit(&o, 0);
    assert_true(o.raw.numeric[0] == 1 && o.raw.numeric[1] == 0);
    close_bytes(&o);
}

/* A table of many units: row i, column j holds 1000 i + j. */
enum { ROWS = 20000, COLUMNS = 7, UNIT_ROWS = 32768 / COLUMNS };

static size_t make_table(char *bytes, bool fortran, bool single)
{
    static double data[ROWS * COLUMNS];
    char dictionary[128];
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COLUMNS; j++) {
            size_t at = fortran ? j * ROWS + i : i * COLUMNS + j;
            if (single) {
                ((float *)data)[at] = (float)(10 * i + j);
            } else {
                data[at] = (double)(10 * i + j);
            }
        }
    }
    snprintf(dictionary, sizeof(dictionary), "{'descr': '<%s', 'fortran_order': %s, 'shape': (%d, %d), }",
             single ? "f4" : "f8", fortran ? "True" : "False", ROWS, COLUMNS);
    return make_npy(bytes, 1, dictionary, data, sizeof(data) / (single ? 2 : 1));
}

static void check_unit(const opened *o, uint64_t index)
{
    const uint32_t rows = index + 1 < class->unit_count(o->reader) ? UNIT_ROWS : ROWS % UNIT_ROWS;
    assert_int_equal(o->raw.n_rows, rows);
    assert_int_equal(o->raw.lines, rows);
    for (uint32_t i = 0; i < rows; i++) {
        double first = 10.0 * ((double)index * UNIT_ROWS + i);
        assert_true(o->raw.target[i] == first + 2);
        assert_true(o->raw.weight[i] == first + 5);
        assert_true(o->raw.numeric[i] == first + 0 && o->raw.numeric[o->raw.capacity + i] == first + 3);
        assert_true(o->raw.numeric[2 * o->raw.capacity + i] == first + 4 &&
                    o->raw.numeric[3 * o->raw.capacity + i] == first + 6);
    }
}

static void reads_units_by_role_and_in_any_order(void **state)
{
    (void)state;
    char *bytes = malloc(ROWS * COLUMNS * 8 + 1024);
    for (int kind = 0; kind < 4; kind++) {
        opened o;
        open_well(&o, bytes, make_table(bytes, kind & 1, kind & 2), "x2", "5", "x1");
        assert_int_equal(class->unit_count(o.reader), ROWS / UNIT_ROWS + 1);
        assert_int_equal(o.schema->n_numeric, 4);
        for (uint64_t index = class->unit_count(o.reader); index-- > 0;) {
            read_unit(&o, index);
            check_unit(&o, index);
        }
        assert_true(o.sample.numeric_bytes[0] == 2.5); /* integers of 20 bits */
        assert_int_equal(o.sample.classes, 4096);
        close_bytes(&o);
    }
    free(bytes);
}

static void reads_compressed_files_in_order(void **state)
{
    (void)state;
    char *bytes = malloc(ROWS * COLUMNS * 8 + 1024);
    uint8_t *packed = malloc(2 * ROWS * COLUMNS * 8);
    size_t n = make_table(bytes, false, true);
    for (int change = 0; change < 3; change++) { /* as it is, cut short, too long */
        size_t length = change == 1 ? n - 5 : n + (change == 2);
        bytes[n] = 0;
        z_stream stream = { 0 };
        assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
        stream.next_in = (uint8_t *)bytes;
        stream.avail_in = (unsigned)length;
        stream.next_out = packed;
        stream.avail_out = 2 * ROWS * COLUMNS * 8;
        assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
        opened o;
        open_well(&o, packed, stream.total_out, "x2", "x5", "x1");
        deflateEnd(&stream);
        assert_true(o.sample.n_rows == ROWS && o.sample.text_bytes == n);
        for (int again = 0; again < 2; again++) {
            skimp_error error = SKIMP_ERROR_INIT;
            uint64_t last = class->unit_count(o.reader) - 1;
            for (uint64_t index = 0; index < last; index++) {
                read_unit(&o, index);
                check_unit(&o, index);
            }
            skimp_status status = class->read_unit(o.reader, o.schema, o.input, last, &o.raw, &error);
            if (change == 0) {
                assert_int_equal(status, SKIMP_OK);
                check_unit(&o, last);
            } else {
                assert_int_equal(status, SKIMP_ERROR_DATA);
                assert_non_null(strstr(error.message, change == 1 ? "has 20000 rows, but the file ends in this one"
                                                                  : "bytes follow the 20000 rows"));
            }
            assert_int_equal(skimpi_input_rewind(o.input, NULL), SKIMP_OK);
            assert_int_equal(class->read_unit(o.reader, o.schema, o.input, 3, &o.raw, NULL), SKIMP_ERROR_INTERNAL);
        }
        close_bytes(&o);
    }
    skimp_error error = SKIMP_ERROR_INIT;
    n = make_table(bytes, true, false);
    z_stream stream = { 0 };
    assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (uint8_t *)bytes;
    stream.avail_in = (unsigned)n;
    stream.next_out = packed;
    stream.avail_out = 2 * ROWS * COLUMNS * 8;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    opened o;
    open_well(&o, packed, stream.total_out, "x2", "5", "x1");
    assert_true(class->is_scattered(o.reader));
    assert_int_equal(skimpi_input_spool(o.input, "/dev/null/none", true, &error), SKIMP_ERROR_IO);
    assert_int_equal(skimpi_input_spool(o.input, ".", true, NULL), SKIMP_OK);
    assert_true(skimpi_input_seekable(o.input));
    assert_int_equal(skimpi_input_file_size(o.input), n);
    for (uint64_t i = 0; i < class->unit_count(o.reader); i++) {
        read_unit(&o, i);
        check_unit(&o, i);
    }
    close_bytes(&o);
    deflateEnd(&stream);
    free(packed);
    free(bytes);
}

/* More columns than a block on the stack holds, in both orders. */
static void reads_wide_arrays(void **state)
{
    (void)state;
    enum { WIDE = 5000, HIGH = 20 };
    static float data[WIDE * HIGH];
    char *bytes = malloc(sizeof(data) + 1024);
    char dictionary[128];
    for (int fortran = 0; fortran < 2; fortran++) {
        for (unsigned i = 0; i < HIGH; i++) {
            for (unsigned j = 0; j < WIDE; j++) {
                data[fortran ? j * HIGH + i : i * WIDE + j] = (float)(i * WIDE + j);
            }
        }
        snprintf(dictionary, sizeof(dictionary), "{'descr': '<f4', 'fortran_order': %s, 'shape': (%d, %d), }",
                 fortran ? "True" : "False", HIGH, WIDE);
        opened o;
        open_well(&o, bytes, make_npy(bytes, 1, dictionary, data, sizeof(data)), "x4999", NULL, NULL);
        assert_int_equal(class->unit_count(o.reader), 2);
        for (unsigned unit = 0; unit < 2; unit++) {
            read_unit(&o, unit);
            assert_int_equal(o.raw.n_rows, unit == 0 ? 16 : 4);
            for (unsigned i = 0; i < o.raw.n_rows; i++) {
                for (unsigned j = 0; j < WIDE; j++) {
                    double found = j == WIDE - 1 ? o.raw.target[i] : o.raw.numeric[j * (size_t)o.raw.capacity + i];
                    assert_true(found == (16 * unit + i) * WIDE + j);
                }
            }
        }
        close_bytes(&o);
    }
    free(bytes);
}

static void compares_and_drops(void **state)
{
    (void)state;
    /* target, feature, dropped */
    static const double data[6][3] = { { 1, 1, 0 },    { 20, NAN, 0 }, { NAN, 3, 0 },
                                       { 30, 4, NAN }, { 2, 5, 0 },    { NAN, NAN, 0 } };
    static const char dictionary[] = "{'descr': '<f8', 'fortran_order': False, 'shape': (6, 3), }";
    char bytes[512];
    size_t n = make_npy(bytes, 1, dictionary, data, sizeof(data));
    opened o;
    skimpi_reader_options options = usual;
    options.on_missing = SKIMPI_MISSING_DROP;
    assert_int_equal(open_bytes(&o, bytes, n, &options, "x0>15", NULL, "x2", NULL), SKIMP_OK);
    read_unit(&o, 0);
    assert_int_equal(o.raw.n_rows, 3);
    assert_int_equal(o.raw.rows_missing, 3);
    assert_true(o.raw.target[0] == 0 && o.raw.target[1] == 1 && o.raw.target[2] == 0);
    assert_true(o.raw.numeric[0] == 1 && o.raw.numeric[1] == 4 && o.raw.numeric[2] == 5);
    const uint8_t may_miss[3] = { 0, 1, 0 };
    options.may_miss = may_miss; /* set once roles are known */
    read_unit(&o, 0);
    assert_int_equal(o.raw.n_rows, 4);
    assert_true(isnan(o.raw.numeric[1]) && o.raw.target[1] == 1);
    options.target_optional = true;
    read_unit(&o, 0);
    assert_int_equal(o.raw.n_rows, 6);
    assert_true(isnan(o.raw.target[2]) && isnan(o.raw.target[5]));
    assert_int_equal(o.sample.classes, 2);
    assert_true(o.sample.target_bytes == 1);
    close_bytes(&o);
    open_well(&o, bytes, n, "x0", NULL, NULL); /* kept, where they are not to be dropped */
    read_unit(&o, 0);
    assert_int_equal(o.raw.n_rows, 6);
    close_bytes(&o);
}

static void refuses(const void *bytes, size_t n, const char *message)
{
    opened o;
    skimp_error error = SKIMP_ERROR_INIT;
    assert_int_equal(open_bytes(&o, bytes, n, &usual, NULL, NULL, NULL, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, message));
    assert_memory_equal(error.file, "/proc/self/fd/", 14);
    assert_null(o.reader);
    assert_null(o.schema);
    close_bytes(&o);
}

static void refuses_what_it_cannot_read(void **state)
{
    (void)state;
    static const struct {
        const char *dictionary, *message;
    } cases[] = {
        { "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
          "the array's type '|O' cannot be read: it holds Python objects" },
        { "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }",
          "the array's type '<f2' cannot be read: save it as float32" },
        { "{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }", "the array's type '<c16' cannot be read" },
        { "{'descr': '<U8', 'fortran_order': False, 'shape': (1,), }", "the array's type '<U8' cannot be read" },
        { "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (2,), }", "dates and times are not numbers" },
        { "{'descr': '|f8', 'fortran_order': False, 'shape': (2,), }", "the array's type '|f8' cannot be read" },
        { "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }", "named fields" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (), }", "0 dimensions" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2, 1), }", "3 dimensions" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 2), }", "no rows or no columns" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 0), }", "no rows or no columns" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", "ends too early" },
        { "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }", "ends too early" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "bytes follow the 3 rows" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 4), }", "cannot be" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "cannot be" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 4294967297), }", "cannot be" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551616,), }", "damaged" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,), }", "damaged" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2), }", "damaged" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (,), }", "damaged" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (1 2), }", "damaged" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2,,), }", "damaged" },
        { "{'descr': '<f8', 'fortran_order': Maybe, 'shape': (2,), }", "damaged" },
        { "{'descr': '<f8', 'fortran_order': False}", "damaged" },
        { "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", "damaged" },
        { "{'descr': '<f8', 'more': 1, 'fortran_order': False, 'shape': (2,), }", "damaged" },
        { "{'descr': '<f8' 'fortran_order': False, 'shape': (2,), }", "damaged" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), } x", "damaged" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), ", "damaged" },
        { "{'descr", "damaged" },
        { "__import__('os').system('true')", "damaged" },
        { "", "damaged" },
    };
    static const double data[2] = { 1, 2 };
    char bytes[512];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        refuses(bytes, make_npy(bytes, 1, cases[i].dictionary, data, sizeof(data)), cases[i].message);
    }
    size_t n = make_npy(bytes, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", data, sizeof(data));
    for (size_t cut = 0; cut < n; cut++) {
        refuses(bytes, cut, cut < 12 ? "not an NPY file" : cut < n - 16 ? "ends within" : "ends too early");
    }
    bytes[6] = 4;
    refuses(bytes, n, "version 4 of the NPY format is not known");
    bytes[6] = 2;
    bytes[10] = 1;
    refuses(bytes, n, "longer than an array of numbers needs");
    refuses("label,a,b\n1,2,3\n", 16, "not an NPY file");
}

static void refuses_a_file_with_other_columns(void **state)
{
    (void)state;
    static const double data[6] = { 0, 1, 2, 3, 4, 5 };
    char bytes[512];
    opened o;
    open_well(&o, bytes,
              make_npy(bytes, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", data, sizeof(data)),
              NULL, NULL, NULL);
    for (int same = 0; same < 2; same++) {
        size_t n = make_npy(bytes, 1,
                            same ? "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }"
                                 : "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }",
                            data, sizeof(data));
        memory_file file = memory_file_make(bytes, n);
        skimpi_input *second;
        skimpi_sample sample;
        skimp_error error = SKIMP_ERROR_INIT;
        assert_int_equal(skimpi_input_open(&second, o.budget, file.path, NULL), SKIMP_OK);
        assert_int_equal(class->reopen(o.reader, second, o.schema, &sample, &error),
                         same ? SKIMP_OK : SKIMP_ERROR_DATA);
        if (same) {
            assert_int_equal(class->read_unit(o.reader, o.schema, second, 0, &o.raw, NULL), SKIMP_OK);
            assert_true(o.raw.numeric[1] == 1 && o.raw.numeric[o.raw.capacity] == 2);
        } else {
            assert_non_null(strstr(error.message, "it has 2 columns, the files before it have 3"));
        }
        skimpi_input_close(second);
        memory_file_close(&file);
    }
    close_bytes(&o);
}

static void bears_refused_memory(void **state)
{
    (void)state;
    static const double data[6] = { 0, 1, 2, 3, 4, 5 };
    char bytes[512];
    size_t n = make_npy(bytes, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", data, sizeof(data));
    for (int for_good = 0; for_good < 2; for_good++) {
        for (uint64_t nth = 1;; nth++) {
            opened o;
            skimp_error error = SKIMP_ERROR_INIT;
            skimpi_fault_set(nth, for_good != 0);
            skimp_status status = open_bytes(&o, bytes, n, &usual, "x1", NULL, NULL, &error);
            if (status == SKIMP_OK) {
                status = class->read_unit(o.reader, o.schema, o.input, 0, &o.raw, &error);
            }
            uint64_t made = skimpi_fault_set(0, false);
            close_bytes(&o);
            if (made < nth) {
                assert_int_equal(status, SKIMP_OK);
                assert_true(nth > 8);
                break;
            }
            assert_true(status == SKIMP_ERROR_NOMEM || status == SKIMP_ERROR_BUDGET);
            assert_int_equal(error.code, status);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(reads_extreme_values),
        cmocka_unit_test(reads_units_by_role_and_in_any_order),
        cmocka_unit_test(reads_compressed_files_in_order),
        cmocka_unit_test(reads_wide_arrays),
        cmocka_unit_test(compares_and_drops),
        cmocka_unit_test(refuses_what_it_cannot_read),
        cmocka_unit_test(refuses_a_file_with_other_columns),
        cmocka_unit_test(bears_refused_memory),
    };
    return cmocka_run_group_tests_name("reader_npy", tests, NULL, NULL);
}
