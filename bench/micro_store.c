/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast the chunk store is filled and read.
 *
 *   micro_store FILE TARGET [THREADS [memory|spill|PATH [DROP,…]]]   reads the file into a store and scans that three times
 *   micro_store                                                      encodes and decodes columns of each kind, one core
 *
 * Built on demand: cc -O2 -Isrc -Iinclude bench/micro_store.c libskimp_objects.a -lz -lzstd -lm -lpthread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/encoding.h"
#include "data/ingest.h"
#include "os/os.h"

static void demand(skimp_status status, const skimp_error *error)
{
    if (status != SKIMP_OK) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
}

/* ---- columns ------------------------------------------------------------------------------------------------------- */

#define N 4096u
#define COLUMNS 32u

static double column_value(int kind, uint32_t i)
{
    double u = (double)(skimpi_mix64(i) >> 11) * 0x1p-53;
    return kind == 0   ? floor(u * 200)
           : kind == 1 ? floor(u * 60000)
           : kind == 2 ? (double)(float)u
           : kind == 3 ? u - 0.5
                       : 1e9 + u;
}

static void columns(void)
{
    static const char *const kinds[] = { "bytes", "pairs", "floats", "rounded to floats", "doubles" };
    static double values[COLUMNS * N];
    static _Alignas(64) unsigned char out[COLUMNS * N * 8];
    static _Alignas(64) double decoded[COLUMNS * N];
    printf("%-20s %8s %8s %8s  GB/s of doubles in (look, write), of what comes out (decode)\n", "", "look", "write",
           "decode");
    for (int kind = 0; kind < 5; kind++) {
        double best[3] = { 1e9, 1e9, 1e9 };
        uint64_t bytes = 0;
        skimpi_chunk_column column = { 0 };
        for (uint32_t i = 0; i < COLUMNS * N; i++) {
            values[i] = column_value(kind, i);
        }
        for (int repeat = 0; repeat < 200; repeat++) {
            double t0 = skimpi_os_seconds();
            skimpi_column_scan scan;
            for (uint32_t c = 0; c < COLUMNS; c++) {
                skimpi_column_scan_run(values + c * N, N, &scan);
            }
            column = skimpi_encoding_choose(&scan, false);
            double t1 = skimpi_os_seconds();
            for (uint32_t c = 0; c < COLUMNS; c++) {
                bytes = skimpi_encode_numbers(&column, values + c * N, N, out + c * N * 8);
            }
            double t2 = skimpi_os_seconds();
            bool is_float = skimpi_decodes_to_float(&column);
            for (uint32_t c = 0; c < COLUMNS; c++) {
                if (is_float) {
                    skimpi_decode_to_float(&column, out + c * N * 8, N, (float *)decoded + c * N);
                } else {
                    skimpi_decode_to_double(&column, out + c * N * 8, N, decoded + c * N);
                }
            }
            double t3 = skimpi_os_seconds();
            best[0] = fmin(best[0], t1 - t0);
            best[1] = fmin(best[1], t2 - t1);
            best[2] = fmin(best[2], t3 - t2);
        }
        double gb = COLUMNS * N * 8e-9;
        printf("%-20s %8.1f %8.1f %8.1f  %g bytes a value\n", kinds[kind], gb / best[0], gb / best[1],
               gb / best[2] * (skimpi_decodes_to_float(&column) ? 0.5 : 1), (double)bytes / N);
    }
    double best = 1e9;
    for (int repeat = 0; repeat < 200; repeat++) {
        double t0 = skimpi_os_seconds();
        volatile uint64_t sum = skimpi_checksum(out, sizeof(out));
        (void)sum;
        best = fmin(best, skimpi_os_seconds() - t0);
    }
    printf("%-20s %8.1f\n", "checksum", sizeof(out) * 1e-9 / best);
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

typedef struct pass {
    skimpi_store *store;
    skimpi_decoder *decoders[64];
    skimpi_scan scan;
    atomic_uint_fast64_t rows;
    double touched[64];
} pass;

/* Adds up one value of every cache line, so that what was decoded has been looked at. */
static double touch(const skimpi_chunk *chunk)
{
    double sum = 0;
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        for (uint32_t i = 0; i < chunk->n_rows; i += 16) {
            sum += chunk->dense[j].f32 != NULL ? (double)chunk->dense[j].f32[i] : chunk->dense[j].f64[i];
        }
    }
    return sum;
}

static skimp_status read_chunks(void *context, unsigned worker, skimp_error *error)
{
    pass *p = context;
    skimp_status status = SKIMP_OK;
    skimpi_chunk *chunk;
    for (bool done = false; !done;) {
        SKIMPI_TRY(skimpi_scan_next(p->store, &p->scan, p->decoders[worker], &chunk, &done, error));
        if (!done) {
            p->touched[worker] += touch(chunk);
            atomic_fetch_add(&p->rows, chunk->n_rows);
        }
    }
out:
    return status;
}

static void file(int argc, char **argv)
{
    const char *path = argv[1], *target = argv[2], *place = argc > 4 ? argv[4] : "memory", *drops[64];
    unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 2;
    size_t n_drop = 0;
    for (char *d = argc > 5 ? strtok(argv[5], ",") : NULL; d != NULL && n_drop < 64; d = strtok(NULL, ",")) {
        drops[n_drop++] = d;
    }
    const char *dot = strrchr(path, '.');
    const skimpi_reader_class *class =
        dot != NULL && strncmp(dot, ".svm", 4) == 0 ? &skimpi_reader_svmlight : &skimpi_reader_csv;
    const skimpi_reader_options reader_options = { .zero_based = -1, .header = -1 };
    const skimp_budget_options budget_options = { .size = sizeof(budget_options) };
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_budget *budget;
    skimpi_input *input;
    skimpi_reader *reader;
    skimpi_schema *schema;
    skimpi_sample sample;
    skimpi_pool *pool;
    skimpi_store *store;
    skimpi_ingest_result result;
    static pass p;
    double begun = skimpi_os_seconds();
    demand(skimp_budget_create(&budget, &budget_options, &error), &error);
    demand(skimpi_pool_create(&pool, budget, threads, &error), &error);
    demand(skimpi_input_open(&input, budget, path, &error), &error);
    demand(class->open(&reader, budget, input, &reader_options, &schema, &sample, &error), &error);
    demand(skimpi_schema_assign(schema, &(skimpi_roles){ .target = target, .drop = drops, .n_drop = n_drop }, path,
                                &error),
           &error);
    bool memory = strcmp(place, "memory") == 0, spill = strcmp(place, "spill") == 0;
    skimpi_store_options store_options = { .place = memory  ? SKIMPI_PLACE_MEMORY
                                                    : spill ? SKIMPI_PLACE_SPILL
                                                            : SKIMPI_PLACE_FILE,
                                           .path = place,
                                           .spill_directory = ".",
                                           .allow_tmpfs = true };
    demand(skimpi_store_create(&store, budget, schema, &store_options, &error), &error);
    uint64_t unit = class->unit_bytes(reader, schema);
    double sampled = skimpi_os_seconds();
    uint32_t rows = (uint32_t)((double)unit / sample.row_bytes * 1.05) + 16;
    skimpi_ingest_options options = { .paths = &path,
                                      .n_paths = 1,
                                      .reader_class = class,
                                      .reader = reader,
                                      .first_input = input,
                                      .schema = schema,
                                      .store = store,
                                      .pool = pool,
                                      .rows_hint = rows,
                                      .nonzeros_hint = (uint64_t)(rows * sample.nonzeros_per_row),
                                      .longest_row = sample.longest_row };
    demand(skimpi_ingest_run(budget, &options, &result, &error), &error);
    double ingested = skimpi_os_seconds();
    const skimpi_summary *s = skimpi_store_summary(store);
    printf("sample %.3f s, ingest %.3f s: %llu rows in %llu chunks, %.0f MB/s of text, %.1f MB stored; peak charged "
           "%.1f MB\n",
           sampled - begun, ingested - sampled, (unsigned long long)result.n_rows, (unsigned long long)result.n_chunks,
           (double)result.bytes / (ingested - sampled) * 1e-6, (double)s->store_bytes * 1e-6,
           (double)skimp_budget_peak(budget) * 1e-6);
    p.store = store;
    for (unsigned w = 0; w < threads; w++) {
        demand(skimpi_decoder_create(&p.decoders[w], store, NULL, &error), &error);
    }
    for (int i = 0; i < 3; i++) {
        double t0 = skimpi_os_seconds();
        skimpi_scan_begin(store, &p.scan);
        demand(skimpi_pool_run(pool, read_chunks, &p, &error), &error);
        double t1 = skimpi_os_seconds();
        printf("scan %.4f s: %.2f GB/s\n", t1 - t0, (double)s->store_bytes / (t1 - t0) * 1e-9);
    }
    for (unsigned w = 0; w < threads; w++) {
        skimpi_decoder_destroy(p.decoders[w]);
    }
    skimpi_store_destroy(store);
    class->close(reader);
    skimpi_input_close(input);
    skimpi_schema_destroy(schema);
    skimpi_pool_destroy(pool);
    uint64_t leaked = skimp_budget_destroy(budget);
    printf("left charged: %llu\n", (unsigned long long)leaked);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        columns();
    } else if (argc >= 3) {
        file(argc, argv);
    } else {
        fprintf(stderr, "usage: micro_store [FILE TARGET [THREADS [memory|spill|PATH [DROP,…]]]]\n");
        return 2;
    }
    return 0;
}
