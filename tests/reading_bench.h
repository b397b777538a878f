/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of passes: a job over "t.csv" whose data is read, and a reading of it. After job_data.h. */
#ifndef SKIMP_TEST_READING_BENCH_H
#define SKIMP_TEST_READING_BENCH_H

typedef struct bench {
    job_setup setup;
    skimp_job *job;
    skimpi_design design;
    skimpi_classes classes;
    skimpi_reading reading;
    uint64_t n_chunks;
} bench;

static inline void begin_bench(bench *b, skimpi_place place, unsigned threads, double holdout)
{
    skimp_error error = SKIMP_ERROR_INIT;
    begin_setup(&b->setup, "ridge", "t.csv", "y");
    b->setup.options.n_threads = threads;
    b->setup.options.holdout = holdout;
    assert_ok(skimp_job_create(&b->job, &b->setup.options, &error));
    assert_ok(skimpi_job_prepare(b->job, &error));
    const skimpi_store_options options = { .place = place, .spill_directory = temporary, .allow_tmpfs = true };
    assert_ok(skimpi_job_ingest(b->job, &options, &error));
    const skimpi_summary *summary = skimpi_store_summary(b->job->store);
    b->n_chunks = summary->n_chunks;
    assert_ok(skimpi_design_create(&b->design, b->job->budget, b->job->schema, summary->category_missing, &error));
    b->classes = (skimpi_classes){ .budget = b->job->budget };
    assert_ok(
        skimpi_reading_create(&b->reading, b->job, b->job->store, &b->job->pipeline, &b->design, &b->classes, &error));
}

static inline void end_bench(bench *b)
{
    skimpi_reading_destroy(&b->reading);
    skimpi_classes_destroy(&b->classes);
    skimpi_design_destroy(&b->design);
    skimp_job_destroy(b->job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

#endif
