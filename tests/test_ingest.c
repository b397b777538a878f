/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ingest: every row once and in order, for any unit size, number of threads and kind of input; failures of the first
 * bad row in the file; bounds; cancelling; memory that fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/base.h"
#include "data/encoding.h"
#include "data/ingest.h"
#include "memory_file.h"
#include "sanitizers.h"
#include "store_data.h"

/* ---- texts --------------------------------------------------------------------------------------------------------- */

typedef struct text {
    char *bytes;
    size_t length, capacity;
} text;

static void add(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(text *t, const char *format, ...)
{
    va_list arguments;
    if (t->capacity - t->length < 4096) {
        t->capacity = t->capacity * 2 + 8192;
        t->bytes = realloc(t->bytes, t->capacity);
        assert_non_null(t->bytes);
    }
    va_start(arguments, format);
    t->length += (size_t)vsnprintf(t->bytes + t->length, 4096, format, arguments);
    va_end(arguments);
}

static void add_many(text *t, const char *piece, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        add(t, "%s", piece);
    }
}

/* id, x, a category with quotes, commas and newlines that look like rows, label. */
static text make_csv(uint32_t n_rows, uint32_t huge_row, size_t huge_bytes)
{
    text t = { 0 };
    add(&t, "id,x,name,label\n");
    for (uint32_t i = 0; i < n_rows; i++) {
        uint64_t r = skimpi_mix64(i);
        add(&t, "%u,%.6f,", i, (double)(r >> 40) / 1000);
        if (i == huge_row) {
            add(&t, "\"");
            add_many(&t, "8,8,8,8\n", huge_bytes / 8);
            add(&t, "\"");
        } else if (r % 11 == 0) {
            add(&t, "\"a\n%u,1.5,\"\"b\"\",0\r\n%u\"", i, i % 7);
        } else if (r % 7 == 0) {
            add(&t, "\"plain, %u\"", i % 5);
        } else {
            add(&t, "c%u", (unsigned)(r % (1 + i / 10)));
        }
        add(&t, ",%u%s\n", (unsigned)(r >> 20) % 2, r % 13 == 0 ? "\r" : "");
    }
    return t;
}

static text make_svmlight(uint32_t n_rows)
{
    text t = { 0 };
    for (uint32_t i = 0; i < n_rows; i++) {
        uint64_t r = skimpi_mix64(i);
        add(&t, "%s 1:%u", r % 2 != 0 ? "+1" : "-1", i);
        for (uint64_t k = 2, n = 2 + r % 30; k < n; k++) {
            add(&t, " %llu:%.5f", (unsigned long long)k * 3, (double)((r >> k) & 1023) / 977);
        }
        add(&t, r % 17 == 0 ? " # a comment\n" : "\n");
    }
    return t;
}

static memory_file gzipped(const text *t)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, t->length);
    unsigned char *out = malloc(bound);
    assert_non_null(out);
    z.next_in = (unsigned char *)t->bytes;
    z.avail_in = (unsigned)t->length;
    z.next_out = out;
    z.avail_out = (unsigned)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    memory_file file = memory_file_make(out, z.total_out);
    deflateEnd(&z);
    free(out);
    return file;
}

/* ---- a job --------------------------------------------------------------------------------------------------------- */

/* Readers with units of a size that the test chooses. */
static uint64_t small_unit;
static uint64_t small_unit_bytes(const skimpi_reader *reader, const skimpi_schema *schema)
{
    (void)reader;
    (void)schema;
    return small_unit;
}

typedef struct job {
    skimp_budget *root, *budget; /* of the reader and its schema; of the ingest */
    skimpi_reader_class class;
    skimpi_input *input;
    skimpi_reader *reader;
    skimpi_schema *schema;
    skimpi_pool *pool;
    skimpi_store *store;
    skimpi_ingest_options options;
    skimpi_ingest_result result;
    const char *paths[4];
} job;

static void job_open(job *j, const skimpi_reader_class *class, uint64_t unit, unsigned threads, const char *path,
                     const char *target, const skimpi_reader_options *reader_options, uint64_t limit)
{
    skimpi_sample sample;
    memset(j, 0, sizeof(*j));
    j->root = data_budget(0);
    j->class = *class;
    if (unit != 0) {
        small_unit = unit;
        j->class.unit_bytes = small_unit_bytes;
    }
    skimp_error error = SKIMP_ERROR_INIT;
    static const skimpi_reader_options defaults = { .header = -1, .zero_based = -1 };
    assert_int_equal(skimpi_input_open(&j->input, j->root, path, &error), SKIMP_OK);
    assert_int_equal(class->open(&j->reader, j->root, j->input, reader_options != NULL ? reader_options : &defaults,
                                 &j->schema, &sample, &error),
                     SKIMP_OK);
    assert_int_equal(skimpi_schema_assign(j->schema, &(skimpi_roles){ .target = target }, path, &error), SKIMP_OK);
    assert_int_equal(skimpi_pool_create(&j->pool, j->root, threads, &error), SKIMP_OK);
    skimp_budget_options limits = { .size = sizeof(limits), .parent = j->root, .limit = limit };
    assert_int_equal(skimp_budget_create(&j->budget, &limits, &error), SKIMP_OK);
    skimpi_store_options store_options = { .place = SKIMPI_PLACE_MEMORY };
    assert_int_equal(skimpi_store_create(&j->store, j->root, j->schema, &store_options, &error), SKIMP_OK);
    j->paths[0] = path;
    j->options = (skimpi_ingest_options){ .paths = j->paths,
                                          .n_paths = 1,
                                          .reader_class = &j->class,
                                          .reader = j->reader,
                                          .first_input = j->input,
                                          .schema = j->schema,
                                          .store = j->store,
                                          .pool = j->pool,
                                          .rows_hint = 10,
                                          .nonzeros_hint = 10 };
}

static void job_close(job *j)
{
    skimpi_store_destroy(j->store);
    assert_int_equal(skimp_budget_destroy(j->budget), 0);
    j->class.close(j->reader);
    skimpi_input_close(j->input);
    skimpi_schema_destroy(j->schema);
    skimpi_pool_destroy(j->pool);
    assert_int_equal(skimp_budget_destroy(j->root), 0);
}

/* A digest of the rows in order, whatever the chunks: numbers as doubles, texts as text. */
static uint64_t digest_rows(job *j, uint64_t *n_chunks)
{
    skimpi_decoder *decoder;
    skimpi_scan scan;
    skimpi_chunk *chunk;
    skimpi_checksum_state state;
    uint64_t rows = 0;
    bool done = false;
    skimpi_checksum_begin(&state);
    assert_int_equal(skimpi_decoder_create(&decoder, j->store, NULL, NULL), SKIMP_OK);
    skimpi_scan_begin(j->store, &scan);
    for (*n_chunks = 0;; (*n_chunks)++) {
        assert_int_equal(skimpi_scan_next(j->store, &scan, decoder, &chunk, &done, NULL), SKIMP_OK);
        if (done) {
            break;
        }
        assert_int_equal(chunk->index, *n_chunks);
        assert_int_equal(chunk->first_row, rows);
        for (uint32_t i = 0; i < chunk->n_rows; i++, rows++) {
            for (uint32_t c = 0; c < chunk->n_dense; c++) {
                /* Columns are floats in one chunk and doubles in another, as their values allow. */
                float v = chunk->dense[c].f32 != NULL ? chunk->dense[c].f32[i] : (float)chunk->dense[c].f64[i];
                assert_true(c != 0 || v == (float)rows);
                skimpi_checksum_add(&state, &v, sizeof(v));
            }
            for (uint32_t c = 0; c < chunk->n_codes; c++) {
                size_t length;
                const char *bytes =
                    skimpi_dictionary_text(j->schema->dictionaries[c], chunk->codes[c].codes[i], &length);
                skimpi_checksum_add(&state, &length, sizeof(length));
                skimpi_checksum_add(&state, bytes, length);
            }
            if (chunk->has_csr) {
                uint32_t begin = chunk->csr.indptr[i], end = chunk->csr.indptr[i + 1];
                assert_true(chunk->csr.indices[begin] == 0);
                for (uint32_t k = begin; k < end; k++) {
                    float v = chunk->csr.f32 != NULL   ? chunk->csr.f32[k]
                              : chunk->csr.f64 != NULL ? (float)chunk->csr.f64[k]
                                                       : 1;
                    assert_true(k != begin || v == (float)rows);
                    skimpi_checksum_add(&state, &chunk->csr.indices[k], sizeof(uint32_t));
                    skimpi_checksum_add(&state, &v, sizeof(v));
                }
            }
            skimpi_checksum_add(&state, &chunk->target[i], sizeof(double));
        }
    }
    assert_int_equal(rows, j->result.n_rows);
    assert_int_equal(*n_chunks, j->result.n_chunks);
    skimpi_decoder_destroy(decoder);
    return skimpi_checksum_end(&state);
}

/* Reads a text plain and gzipped, with units of many sizes and 1, 2 and 5 threads: the same rows, the same codes. */
static void check_all_ways(const skimpi_reader_class *class, const text *t, const char *target, uint32_t n_rows)
{
    static const uint64_t units[] = { 0, 100000, 20011, 4099, 311, 64 };
    memory_file plain = memory_file_make(t->bytes, t->length), packed = gzipped(t);
    uint64_t wanted = 0;
    for (size_t u = 0; u < sizeof(units) / sizeof(*units); u++) {
        uint64_t plain_chunks = 0;
        for (int way = 0; way < 6; way++) {
            job j;
            skimp_error error = SKIMP_ERROR_INIT;
            uint64_t chunks;
            job_open(&j, class, units[u],
                     way % 3 == 0   ? 1
                     : way % 3 == 1 ? 2
                                    : 5,
                     way < 3 ? plain.path : packed.path, target, NULL, 0);
            skimp_status status = skimpi_ingest_run(j.budget, &j.options, &j.result, &error);
            assert_string_equal(error.message, "");
            assert_int_equal(status, SKIMP_OK);
            assert_int_equal(j.result.n_rows, n_rows);
            uint64_t digest = digest_rows(&j, &chunks);
            wanted = u == 0 && way == 0 ? digest : wanted;
            assert_true(digest == wanted);
            plain_chunks = way == 0 ? chunks : plain_chunks;
            assert_true(way >= 3 || chunks == plain_chunks);
            assert_true(way < 3 || j.result.bytes <= (uint64_t)lseek(packed.fd, 0, SEEK_END));
            assert_true(way >= 3 || j.result.bytes == t->length);
            job_close(&j);
        }
    }
    memory_file_close(&plain);
    memory_file_close(&packed);
}

static void csv_all_ways(void **state)
{
    (void)state;
    const uint32_t n_rows = UNDER_TSAN ? 1500 : 6000;
    text t = make_csv(n_rows, UINT32_MAX, 0);
    check_all_ways(&skimpi_reader_csv, &t, "label", n_rows);
    /* The same without a newline at the end. */
    t.length -= t.bytes[t.length - 2] == '\r' ? 2 : 1;
    check_all_ways(&skimpi_reader_csv, &t, "label", n_rows);
    free(t.bytes);
}

static void svmlight_all_ways(void **state)
{
    (void)state;
    const uint32_t n_rows = UNDER_TSAN ? 750 : 3000;
    text t = make_svmlight(n_rows);
    check_all_ways(&skimpi_reader_svmlight, &t, "label", n_rows);
    free(t.bytes);
}

/* A quoted field of lines that look like rows, longer than any margin: guesses are wrong in all units that it spans. */
static void a_huge_quoted_field(void **state)
{
    (void)state;
    const size_t huge = UNDER_TSAN ? 60000 : 200000; /* margins are of 16 KiB */
    text t = make_csv(400, 150, huge);
    check_all_ways(&skimpi_reader_csv, &t, "label", 400);
    free(t.bytes);
    t = make_csv(3, 2, huge / 2);
    check_all_ways(&skimpi_reader_csv, &t, "label", 3);
    free(t.bytes);
}

/* ---- failures in the data ------------------------------------------------------------------------------------------ */

static void the_first_bad_row_is_reported(void **state)
{
    (void)state;
    text t = { 0 };
    add(&t, "x,y,label\n");
    for (uint32_t i = 0; i < 5000; i++) {
        add(&t, i == 3123 || i == 3456 || i == 4990 ? "1,oops%u,0\n" : "%u,2.5,1\n", i);
    }
    memory_file plain = memory_file_make(t.bytes, t.length), packed = gzipped(&t);
    /* Units, threads and inputs come together in every way in 12 rounds; races between workers may want more of them. */
    const int rounds = SANITIZED ? 24 : 60;
    for (int way = 0; way < rounds; way++) {
        job j;
        skimp_error error = SKIMP_ERROR_INIT;
        bool gzip = way % 2 != 0, skips = way >= rounds - 12;
        const skimpi_reader_options options = { .header = -1,
                                                .on_bad_row = skips ? SKIMPI_BAD_ROW_SKIP : SKIMPI_BAD_ROW_ERROR };
        job_open(&j, &skimpi_reader_csv, way % 3 == 0 ? 200 : 997,
                 way % 4 == 0   ? 1
                 : way % 4 == 1 ? 2
                                : 5,
                 gzip ? packed.path : plain.path, "label", &options, 0);
        skimp_status status = skimpi_ingest_run(j.budget, &j.options, &j.result, &error);
        if (skips) {
            assert_int_equal(status, SKIMP_OK);
            assert_int_equal(j.result.n_rows, 4997);
            assert_int_equal(j.result.rows_bad, 3);
            assert_int_equal(j.result.first_bad_line, 3125);
            assert_int_equal(skimpi_store_summary(j.store)->rows_bad, 3);
        } else {
            assert_int_equal(status, SKIMP_ERROR_DATA);
            assert_int_equal(error.code, SKIMP_ERROR_DATA);
            assert_int_equal(error.row, 3125);
            assert_string_equal(error.column, "y");
            assert_string_equal(error.file, gzip ? packed.path : plain.path);
            char place[64];
            snprintf(place, sizeof(place), "%s:3125: ", gzip ? packed.path : plain.path);
            assert_non_null(strstr(error.message, place));
            assert_non_null(strstr(error.message, "oops3123"));
        }
        job_close(&j);
    }
    memory_file_close(&plain);
    memory_file_close(&packed);
    free(t.bytes);
}

static void no_rows_are_an_error(void **state)
{
    (void)state;
    job j;
    skimp_error error = SKIMP_ERROR_INIT;
    const skimpi_reader_options options = { .header = 1, .on_missing = SKIMPI_MISSING_DROP };
    memory_file empty = memory_file_make("a,label\n,1\n,0\n", 14);
    job_open(&j, &skimpi_reader_csv, 0, 2, empty.path, "label", &options, 0);
    assert_int_equal(skimpi_ingest_run(j.budget, &j.options, &j.result, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "no rows"));
    assert_int_equal(j.result.rows_missing, 2);
    job_close(&j);
    memory_file_close(&empty);
}

static void a_file_that_changes(void **state)
{
    (void)state;
    text t = make_csv(2000, UINT32_MAX, 0);
    for (int grown = 0; grown < 2; grown++) {
        memory_file file = memory_file_make(t.bytes, t.length);
        job j;
        skimp_error error = SKIMP_ERROR_INIT;
        job_open(&j, &skimpi_reader_csv, 1000, 2, file.path, "label", NULL, 0);
        assert_int_equal(grown ? (int)pwrite(file.fd, "1,", 2, (off_t)t.length)
                               : ftruncate(file.fd, (off_t)t.length / 2),
                         grown ? 2 : 0);
        assert_int_not_equal(skimpi_ingest_run(j.budget, &j.options, &j.result, &error), SKIMP_OK);
        assert_true(error.code == SKIMP_ERROR_IO || error.code == SKIMP_ERROR_DATA);
        assert_non_null(strstr(error.message, file.path));
        assert_null(strstr(error.message, "column"));
        job_close(&j);
        memory_file_close(&file);
    }
    free(t.bytes);
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static void a_row_that_no_budget_holds(void **state)
{
    (void)state;
    text t = { 0 };
    add(&t, "x,y,label\n");
    add_many(&t, "1,2,0\n", 1000);
    add(&t, "1,");
    add_many(&t, "0000000000000000000000000000000000000000000000000000000000000000", 100000);
    add(&t, "1,1\n");
    add_many(&t, "1,2,0\n", 1000);
    memory_file plain = memory_file_make(t.bytes, t.length), packed = gzipped(&t);
    for (int way = 0; way < 4; way++) {
        job j;
        skimp_error error = SKIMP_ERROR_INIT;
        job_open(&j, &skimpi_reader_csv, 2000, way / 2 == 0 ? 1 : 5, way % 2 == 0 ? plain.path : packed.path, "label",
                 NULL, 2 << 20);
        j.options.store = NULL;
        assert_int_equal(skimpi_ingest_run(j.budget, &j.options, &j.result, &error), SKIMP_ERROR_BUDGET);
        assert_int_equal(error.row, 1002);
        assert_true(error.requested != 0 && error.limit == 2 << 20);
        assert_non_null(strstr(error.message, "delimiter"));
        assert_true(skimp_budget_peak(j.budget) <= 2 << 20);
        job_close(&j);
    }
    memory_file_close(&plain);
    memory_file_close(&packed);
    free(t.bytes);
}

static void the_plan_is_exact(void **state)
{
    (void)state;
    text csv = { 0 }, svmlight = make_svmlight(3000);
    add(&csv, "x,y,label\n");
    for (uint32_t i = 0; i < 9000; i++) {
        add(&csv, "%u,%u.5,%u\n", i, i % 100, i % 3);
    }
    for (int way = 0; way < 12; way++) {
        bool sparse = way % 2 != 0, with_store = way % 4 < 2;
        unsigned threads = way / 4 == 0 ? 1 : way / 4 == 1 ? 2 : 5;
        const text *t = sparse ? &svmlight : &csv;
        memory_file file = memory_file_make(t->bytes, t->length);
        job j;
        job_open(&j, sparse ? &skimpi_reader_svmlight : &skimpi_reader_csv, 30000, threads, file.path, "label", NULL,
                 0);
        j.options.rows_hint = 4000;
        j.options.nonzeros_hint = 100000;
        j.options.longest_row = 20000;
        skimpi_store *store = j.store;
        if (!with_store) {
            j.options.store = NULL;
        } else { /* encoders are paid for by the store's budget */
            skimpi_store_options store_options = { .place = SKIMPI_PLACE_MEMORY };
            assert_int_equal(skimpi_store_create(&j.options.store, j.budget, j.schema, &store_options, NULL), SKIMP_OK);
        }
        skimpi_ingest_cost cost = skimpi_ingest_plan(j.schema, 30000, 20000, 4000, 100000, 0, threads, with_store);
        assert_int_equal(skimpi_ingest_run(j.budget, &j.options, &j.result, NULL), SKIMP_OK);
        assert_int_equal(skimp_budget_tag_peak(j.budget, SKIMP_TAG_INPUT), cost.input);
        assert_int_equal(skimp_budget_tag_peak(j.budget, SKIMP_TAG_PARSE), cost.parse);
        if (with_store) {
            skimpi_store_destroy(j.options.store);
        }
        assert_int_equal(skimp_budget_in_use(j.budget), skimp_budget_tag_in_use(j.budget, SKIMP_TAG_OTHER));
        j.store = store;
        job_close(&j);
        memory_file_close(&file);
    }
    free(csv.bytes);
    free(svmlight.bytes);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    text t = make_csv(300, 150, 30000);
    memory_file plain = memory_file_make(t.bytes, t.length), packed = gzipped(&t);
    for (int way = 0; way < 4; way++) {
        uint64_t nth = 1;
        for (;; nth++) {
            job j;
            skimp_error error = SKIMP_ERROR_INIT;
            job_open(&j, &skimpi_reader_csv, 3000, way / 2 == 0 ? 1 : 2, way % 2 == 0 ? plain.path : packed.path,
                     "label", NULL, 0);
            skimpi_fault_set(nth, nth % 2 == 0);
            skimp_status status = skimpi_ingest_run(j.budget, &j.options, &j.result, &error);
            uint64_t made = skimpi_fault_set(0, false);
            job_close(&j);
            if (status == SKIMP_OK) {
                /* Room that is only wished for may be refused without harm. */
                if (made < nth) {
                    break;
                }
                continue;
            }
            assert_int_equal(error.code, status);
            assert_int_equal(status, SKIMP_ERROR_NOMEM);
        }
        assert_true(nth > 10);
    }
    memory_file_close(&plain);
    memory_file_close(&packed);
    free(t.bytes);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

typedef struct watcher {
    atomic_uint_fast64_t rows, units, bytes;
    atomic_int cancel;
    uint64_t cancel_at;
    skimp_status give;
} watcher;

static skimp_status observe(void *context, unsigned worker, uint64_t chunk, uint64_t first_row, const skimpi_raw *raw,
                            skimp_error *error)
{
    watcher *w = context;
    (void)worker;
    assert_true(raw->numeric[0] == (double)first_row);
    atomic_fetch_add(&w->rows, raw->n_rows);
    atomic_fetch_add(&w->units, 1);
    if (w->give != SKIMP_OK && chunk == 5) {
        return skimpi_fail(error, w->give, "the observer had enough");
    }
    return SKIMP_OK;
}

static void progress(void *context, uint64_t bytes, uint64_t rows)
{
    watcher *w = context;
    assert_true(bytes >= atomic_load(&w->bytes));
    atomic_store(&w->bytes, bytes);
    if (w->cancel_at != 0 && rows >= w->cancel_at) {
        atomic_store(&w->cancel, 1);
    }
}

static void watching_and_cancelling(void **state)
{
    (void)state;
    text t = make_csv(5000, UINT32_MAX, 0);
    memory_file plain = memory_file_make(t.bytes, t.length), packed = gzipped(&t);
    for (int way = 0; way < 12; way++) {
        job j;
        skimp_error error = SKIMP_ERROR_INIT;
        watcher w = { .cancel_at = way / 4 == 1 ? 2000 : 0, .give = way / 4 == 2 ? SKIMP_ERROR_IO : SKIMP_OK };
        job_open(&j, &skimpi_reader_csv, 2000, 1 + way % 4, way % 2 == 0 ? plain.path : packed.path, "label", NULL, 0);
        j.options.observe = observe;
        j.options.progress = progress;
        j.options.context = &w;
        j.options.cancel = &w.cancel;
        if (way % 3 == 0) {
            j.options.store = NULL;
        }
        skimp_status status = skimpi_ingest_run(j.budget, &j.options, &j.result, &error);
        if (way / 4 == 0) {
            assert_int_equal(status, SKIMP_OK);
            assert_int_equal(atomic_load(&w.rows), 5000);
            assert_int_equal(atomic_load(&w.units), j.result.n_chunks);
            assert_true(atomic_load(&w.bytes) <= j.result.bytes && atomic_load(&w.bytes) > 0);
        } else if (way / 4 == 1) {
            assert_int_equal(status, SKIMP_ERROR_CANCELLED);
            assert_true(j.result.n_rows < 5000);
        } else {
            assert_int_equal(status, SKIMP_ERROR_IO);
            assert_non_null(strstr(error.message, "had enough"));
        }
        assert_int_equal(error.code, status);
        job_close(&j);
    }
    memory_file_close(&plain);
    memory_file_close(&packed);
    free(t.bytes);
}

static void several_files_are_one(void **state)
{
    (void)state;
    text whole = make_csv(900, UINT32_MAX, 0), parts[3] = { { 0 } };
    uint64_t wanted = 0, chunks;
    memory_file file = memory_file_make(whole.bytes, whole.length), files[3];
    job j;
    job_open(&j, &skimpi_reader_csv, 5000, 2, file.path, "label", NULL, 0);
    assert_int_equal(skimpi_ingest_run(j.budget, &j.options, &j.result, NULL), SKIMP_OK);
    wanted = digest_rows(&j, &chunks);
    job_close(&j);
    /* The rows begin with their number: cut before rows 300 and 700. */
    const char *cuts[4] = { whole.bytes + strlen("id,x,name,label\n"), strstr(whole.bytes, "\n300,") + 1,
                            strstr(whole.bytes, "\n700,") + 1, whole.bytes + whole.length };
    for (int i = 0; i < 3; i++) {
        add(&parts[i], "id,x,name,label\n");
        for (const char *p = cuts[i]; p < cuts[i + 1]; p++) {
            add(&parts[i], "%c", *p);
        }
        files[i] = i == 1 ? gzipped(&parts[i]) : memory_file_make(parts[i].bytes, parts[i].length);
    }
    for (unsigned threads = 1; threads <= 3; threads++) {
        skimp_error error = SKIMP_ERROR_INIT;
        job_open(&j, &skimpi_reader_csv, 5000, threads, files[0].path, "label", NULL, 0);
        for (int i = 0; i < 3; i++) {
            j.paths[i] = files[i].path;
        }
        j.options.n_paths = 3;
        skimp_status status = skimpi_ingest_run(j.budget, &j.options, &j.result, &error);
        assert_string_equal(error.message, "");
        assert_int_equal(status, SKIMP_OK);
        assert_true(digest_rows(&j, &chunks) == wanted);
        job_close(&j);
        /* A second file that is not there. */
        job_open(&j, &skimpi_reader_csv, 5000, threads, files[0].path, "label", NULL, 0);
        j.paths[1] = "/nonexistent/second.csv";
        j.options.n_paths = 2;
        error = (skimp_error)SKIMP_ERROR_INIT;
        assert_int_equal(skimpi_ingest_run(j.budget, &j.options, &j.result, &error), SKIMP_ERROR_IO);
        assert_non_null(strstr(error.message, "second.csv"));
        job_close(&j);
    }
    for (int i = 0; i < 3; i++) {
        memory_file_close(&files[i]);
        free(parts[i].bytes);
    }
    memory_file_close(&file);
    free(whole.bytes);
}

static void binary_units(void **state)
{
    (void)state;
    enum { ROWS = 200000, COLUMNS = 3 };
    static char header[128];
    text t = { 0 };
    int length =
        snprintf(header + 10, 118, "{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }", ROWS, COLUMNS);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    memset(header + 10 + length, ' ', 117 - (size_t)length);
    header[127] = '\n';
    t.length = 128 + (size_t)ROWS * COLUMNS * 8;
    t.bytes = malloc(t.length);
    assert_non_null(t.bytes);
    memcpy(t.bytes, header, 128);
    for (size_t i = 0; i < (size_t)ROWS * COLUMNS; i++) {
        double v = i % COLUMNS == 0 ? (double)(i / COLUMNS) : (double)(skimpi_mix64(i) % 1000) / 8;
        memcpy(t.bytes + 128 + 8 * i, &v, 8);
    }
    memory_file plain = memory_file_make(t.bytes, t.length), packed = gzipped(&t);
    uint64_t wanted = 0, chunks;
    for (int way = 0; way < 6; way++) {
        job j;
        skimp_error error = SKIMP_ERROR_INIT;
        job_open(&j, &skimpi_reader_npy, 0,
                 way % 3 == 0   ? 1
                 : way % 3 == 1 ? 2
                                : 5,
                 way < 3 ? plain.path : packed.path, "2", NULL, 0);
        skimp_status status = skimpi_ingest_run(j.budget, &j.options, &j.result, &error);
        assert_string_equal(error.message, "");
        assert_int_equal(status, SKIMP_OK);
        assert_int_equal(j.result.n_rows, ROWS);
        uint64_t digest = digest_rows(&j, &chunks);
        wanted = way == 0 ? digest : wanted;
        assert_true(digest == wanted);
        job_close(&j);
    }
    memory_file_close(&plain);
    memory_file_close(&packed);
    free(t.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_all_ways),
        cmocka_unit_test(svmlight_all_ways),
        cmocka_unit_test(a_huge_quoted_field),
        cmocka_unit_test(the_first_bad_row_is_reported),
        cmocka_unit_test(no_rows_are_an_error),
        cmocka_unit_test(a_file_that_changes),
        cmocka_unit_test(a_row_that_no_budget_holds),
        cmocka_unit_test(the_plan_is_exact),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(watching_and_cancelling),
        cmocka_unit_test(several_files_are_one),
        cmocka_unit_test(binary_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
