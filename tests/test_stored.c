/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Models over kept stores: the same predictions and scores, byte for byte, as over the text that the store was made from,
 * whatever roles the columns were given then; what a store cannot give is refused by name; stores made to deceive do no
 * harm; budgets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"
#include "store_repair.h"

/* ---- set-up -------------------------------------------------------------------------------------------------------------- */

typedef struct keeping { /* how a store is made */
    const char *target, *weight, *drop;
    unsigned hash_bits;
} keeping;

static void convert(const char *input, const char *output, keeping how)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, input, how.target);
    setup.options.weight = how.weight;
    setup.options.hash_bits = how.hash_bits;
    if (how.drop != NULL) {
        setup.drop[setup.options.n_drop++] = how.drop;
    }
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_convert(job, in_temporary(output), &error));
    skimp_job_destroy(job);
}

typedef struct scored {
    skimp_status status;
    skimp_report report;
    skimp_metric metrics[8];
    skimp_error error;
} scored;

static void apply(const skimp_model *model, const char *input, const char *output, const char *target,
                  bool drop_missing, unsigned threads, uint64_t budget, scored *out)
{
    job_setup setup;
    skimp_job *job = NULL;
    *out = (scored){ .error = SKIMP_ERROR_INIT };
    begin_setup(&setup, NULL, input, target);
    setup.options.drop_missing = drop_missing;
    setup.options.n_threads = threads;
    setup.options.max_memory = budget;
    out->status = skimp_job_create(&job, &setup.options, &out->error);
    if (out->status == SKIMP_OK) {
        out->status = output != NULL ? skimp_job_predict(job, model, in_temporary(output), false, &out->error)
                                     : skimp_job_score(job, model, &out->error);
        out->report = *skimp_job_report(job);
        memcpy(out->metrics, out->report.metrics, out->report.n_metrics * sizeof *out->metrics);
        out->report.metrics = out->metrics;
    }
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

/* Predictions and metrics of the file and of the store: the same. */
static void assert_alike(const skimp_model *model, const char *file, const char *store, const char *target,
                         bool drop_missing)
{
    static const unsigned threads[] = { 1, 2, 5 };
    for (unsigned k = 0; k < 3; k++) {
        scored one, two;
        apply(model, file, "p1", NULL, drop_missing, 2, 256u << 20, &one);
        apply(model, store, "p2", NULL, drop_missing, threads[k], 256u << 20, &two);
        if (one.status != SKIMP_OK || two.status != SKIMP_OK) {
            fail_msg("%s%s", one.error.message, two.error.message);
        }
        assert_same_files("p1", "p2");
        assert_int_equal(one.report.rows, two.report.rows);
        assert_int_equal(one.report.rows_missing, two.report.rows_missing);
        assert_int_equal(one.report.features, two.report.features);
        assert_int_equal(one.report.unknown_categories, two.report.unknown_categories);
        apply(model, file, NULL, target, drop_missing, 2, 256u << 20, &one);
        apply(model, store, NULL, target, drop_missing, threads[k], 256u << 20, &two);
        if (one.status != SKIMP_OK || two.status != SKIMP_OK) {
            fail_msg("%s%s", one.error.message, two.error.message);
        }
        assert_true(one.report.n_metrics > 0);
        assert_int_equal(one.report.n_metrics, two.report.n_metrics);
        assert_int_equal(one.report.n_warnings, two.report.n_warnings);
        assert_int_equal(one.report.unknown_categories, two.report.unknown_categories);
        for (size_t i = 0; i < one.report.n_metrics; i++) {
            assert_string_equal(one.metrics[i].name, two.metrics[i].name);
            assert_memory_equal(&one.metrics[i].value, &two.metrics[i].value, sizeof(double));
        }
    }
}

static void refused(const skimp_model *model, const char *store, const char *target, const char *words)
{
    scored out;
    apply(model, store, target != NULL ? NULL : "q", target, false, 2, 256u << 20, &out);
    assert_true(out.status == SKIMP_ERROR_DATA || out.status == SKIMP_ERROR_PARAM);
    char text[256];
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, "|"); word != NULL; word = strtok(NULL, "|")) {
        if (strstr(out.error.message, word) == NULL) {
            fail_msg("'%s' is not in: %s", word, out.error.message);
        }
    }
    assert_int_equal(access(in_temporary("q"), F_OK), -1);
}

/*
 * x0 … of eighths, which a store keeps to the last digit, every so many missing; day, w (weights), and y: a label, or a number
 * where there are no classes.
 */
typedef struct exact {
    unsigned rows, columns, classes, missing_every;
    bool bare; /* no header */
} exact;

static void write_exact(const char *name, exact o)
{
    static const char *const labels[] = { "no", "yes", "maybe" };
    FILE *file = fopen(in_temporary(name), "w");
    assert_non_null(file);
    skimpi_random random;
    skimpi_random_seed(&random, 60);
    for (unsigned j = 0; j < o.columns && !o.bare; j++) {
        fprintf(file, "x%u,", j);
    }
    fputs(o.bare ? "" : "day,w,y\n", file);
    for (unsigned i = 0; i < o.rows; i++) {
        double score = 0;
        for (unsigned j = 0; j < o.columns; j++) {
            const double x = ((double)skimpi_random_below(&random, 2000) - 1000) / 8;
            score += j % 2 == 0 ? x : -x / 2;
            if (o.missing_every > 0 && j < 2 && (i + j) % o.missing_every == 0) {
                fputc(',', file);
            } else {
                fprintf(file, "%.10g,", x);
            }
        }
        const unsigned day = (unsigned)skimpi_random_below(&random, WEEKDAYS);
        score += 10 * day + (double)skimpi_random_below(&random, 50);
        fprintf(file, "%s,%u,", weekday_names[day], 1 + i % 3);
        if (o.classes == 0) {
            fprintf(file, "%.10g\n", floor(score));
        } else {
            const unsigned class = score < 0 ? 0 : score < 60 ? 1 : 2;
            fprintf(file, "%s\n", labels[class < o.classes ? class : 1]);
        }
    }
    assert_int_equal(fclose(file), 0);
}

static void write_exact_sparse(const char *name, unsigned classes)
{
    FILE *file = fopen(in_temporary(name), "w");
    assert_non_null(file);
    skimpi_random random;
    skimpi_random_seed(&random, 62);
    for (unsigned i = 0; i < 4000; i++) {
        const unsigned label = (unsigned)skimpi_random_below(&random, 100);
        fprintf(file, "%u", classes > 0 ? label % classes : label);
        for (unsigned j = 0; j < 30; j++) {
            if (skimpi_random_below(&random, 4) == 0) {
                fprintf(file, " %u:%g", j + 1, (1 + (double)skimpi_random_below(&random, 80) + label) / 8);
            }
        }
        fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
}

/* ---- the same as of the text ------------------------------------------------------------------------------------------- */

static const exact table = { .rows = 9000, .columns = 3, .classes = 3, .missing_every = 7 };

static skimp_model *fit_table(const char *estimator, const char *target, unsigned hash_bits)
{
    job_setup setup;
    begin_setup(&setup, estimator, "t.csv", target);
    setup.options.weight = "w";
    setup.options.hash_bits = hash_bits;
    add_step(&setup, "simple_imputer");
    add_step(&setup, "standard_scaler");
    add_param(&setup, "simple_imputer__add_indicator", "true");
    return fit_setup(&setup);
}

static void is_like_the_text(void **state)
{
    (void)state;
    static const keeping ways[] = {
        { .target = "y", .weight = "w" },   /* as the model has it */
        { .target = NULL },                 /* all of them features */
        { .target = "x1", .weight = "x2" }, /* features of the model in other roles */
        { .target = "day" },                /* a text that is a feature */
        { .target = "y", .drop = "w" },
    };
    write_exact("t.csv", table);
    skimp_model *classes = fit_table("logistic_regression", "y", 0);
    skimp_model *numbers = fit_table("ridge", "x2", 0);
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        convert("t.csv", "s", ways[k]);
        assert_alike(classes, "t.csv", "s", NULL, false);
        assert_alike(classes, "t.csv", "s", NULL, true);
        assert_alike(numbers, "t.csv", "s", NULL, false);
    }
    skimp_model_destroy(classes);
    skimp_model_destroy(numbers);

    /* Other rows, with texts and labels that the model never saw, and without others. */
    write_text("new.csv", "y,w,day,x2,x1,x0\nyes,1,mon,3,2,1\nperhaps,1,sunday,3,2,\nno,1,,3,2,1\n,2,fri,1,1,1\n");
    classes = fit_table("logistic_regression", "y", 0);
    for (int t = 0; t < 2; t++) {
        convert("new.csv", "s", (keeping){ .target = t == 0 ? "y" : NULL });
        assert_alike(classes, "new.csv", "s", NULL, false);
        assert_alike(classes, "new.csv", "s", NULL, true);
    }
    skimp_model_destroy(classes);
}

static void is_like_hashed_text(void **state)
{
    (void)state;
    write_exact("t.csv", table);
    skimp_model *hashed = fit_table("logistic_regression", "y", 6), *plain = fit_table("logistic_regression", "y", 0);
    for (int t = 0; t < 2; t++) {
        convert("t.csv", "s", (keeping){ .target = t == 0 ? "y" : NULL }); /* texts, which the model hashes */
        assert_alike(hashed, "t.csv", "s", NULL, false);
    }
    convert("t.csv", "s", (keeping){ .target = "y", .hash_bits = 6 }); /* hashes */
    assert_alike(hashed, "t.csv", "s", NULL, false);
    refused(plain, "s", NULL, "'day'|--hash-bits 6");
    convert("t.csv", "s", (keeping){ .target = "y", .hash_bits = 7 });
    refused(hashed, "s", NULL, "'day'|--hash-bits 7");
    convert("t.csv", "s", (keeping){ .hash_bits = 6 });
    refused(hashed, "s", "y", "'y'|hashes");
    skimp_model_destroy(hashed);
    skimp_model_destroy(plain);

    /* Hashes of a column go with its name, and a file without a header has another one. */
    job_setup setup;
    exact bare = { .rows = 300, .columns = 2, .classes = 2 };
    write_exact("t.csv", bare);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.options.hash_bits = 5;
    hashed = fit_setup(&setup);
    bare.bare = true;
    write_exact("bare.csv", bare);
    convert("bare.csv", "s", (keeping){ .target = NULL });
    scored one, two;
    apply(hashed, "bare.csv", "p1", NULL, false, 1, 256u << 20, &one);
    apply(hashed, "s", "p2", NULL, false, 1, 256u << 20, &two);
    assert_int_equal(one.status, SKIMP_OK);
    assert_int_equal(two.status, SKIMP_OK);
    assert_same_files("p1", "p2");
    convert("bare.csv", "s", (keeping){ .hash_bits = 5 });
    refused(hashed, "s", NULL, "hashes|another name");
    skimp_model_destroy(hashed);
}

static void is_like_the_sparse_text(void **state)
{
    (void)state;
    job_setup setup;
    for (unsigned classes = 0; classes < 4; classes += 2) {
        for (int wide = 0; wide < 2; wide++) {
            write_exact_sparse("t.svm", classes);
            begin_setup(&setup, classes > 0 ? "logistic_regression" : "ridge", "t.svm", NULL);
            add_step(&setup, "max_abs_scaler");
            skimp_model *model = fit_setup(&setup);
            skimp_job *job = NULL;
            skimp_error error = SKIMP_ERROR_INIT;
            begin_setup(&setup, NULL, "t.svm", "label");
            setup.options.index64 = wide == 1;
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            assert_ok(skimp_job_convert(job, in_temporary("s"), &error));
            skimp_job_destroy(job);
            assert_alike(model, "t.svm", "s", NULL, false);
            assert_alike(model, "t.svm", "s", classes > 0 ? "label>=1" : NULL, false);
            skimp_model_destroy(model);
        }
    }
    /* Values of one, which stores leave out; features that the model does not know, which are counted. */
    write_text("t.svm", "0 1:1 3:1\n1 2:1\n0 1:1\n1 2:1 3:1\n");
    write_text("u.svm", "0 1:1 4:1\n1 2:1 9:1\n0\n1 2:1 3:1 5:1\n");
    for (int steps = 0; steps < 2; steps++) {
        begin_setup(&setup, "logistic_regression", "t.svm", NULL);
        if (steps == 1) {
            add_step(&setup, "max_abs_scaler");
        }
        skimp_model *model = fit_setup(&setup);
        convert("u.svm", "s", (keeping){ .target = "label" });
        assert_alike(model, "u.svm", "s", NULL, false);
        skimp_model_destroy(model);
    }
}

/* ---- targets ------------------------------------------------------------------------------------------------------------- */

static void finds_targets(void **state)
{
    (void)state;
    job_setup setup;
    write_exact("t.csv", (exact){ .rows = 600, .columns = 3 });
    begin_setup(&setup, "logistic_regression", "t.csv", "y>0.25");
    setup.drop[setup.options.n_drop++] = "w";
    skimp_model *model = fit_setup(&setup);
    /* The comparison kept; the values kept, as target or as a feature. */
    static const char *const targets[] = { "y>0.25", "y", NULL };
    for (unsigned k = 0; k < 3; k++) {
        convert("t.csv", "s", (keeping){ .target = targets[k] });
        assert_alike(model, "t.csv", "s", NULL, false);
        assert_alike(model, "t.csv", "s", "y>0.25", false);
        assert_alike(model, "t.csv", "s", "w>=2", false);
        if (k > 0) {
            assert_alike(model, "t.csv", "s", "y<=-20", false);
        } else {
            refused(model, "s", "y<=-20", "the store keeps 'y>0.25'");
            refused(model, "s", "y>0.5", "the store keeps 'y>0.25'");
            refused(model, "s", "y", "the store keeps 'y>0.25'");
        }
        refused(model, "s", "nix", "nix");
        refused(model, "s", "x0", "predicts from");
    }
    convert("t.csv", "s", (keeping){ .target = "x0", .weight = "w" });
    assert_alike(model, "t.csv", "s", "w>=2", false); /* the weight as the target */
    skimp_model_destroy(model);

    /* Text, compared or not, as the store's target or a feature of it. */
    begin_setup(&setup, "logistic_regression", "t.csv", "day");
    setup.drop[setup.options.n_drop++] = "w";
    model = fit_setup(&setup);
    begin_setup(&setup, "logistic_regression", "t.csv", "day==mon");
    setup.drop[setup.options.n_drop++] = "w";
    skimp_model *compared = fit_setup(&setup);
    for (int t = 0; t < 2; t++) {
        convert("t.csv", "s", (keeping){ .target = t == 0 ? "day" : NULL });
        assert_alike(model, "t.csv", "s", NULL, false);
        assert_alike(compared, "t.csv", "s", NULL, false);
        assert_alike(compared, "t.csv", "s", "day!='tue'", false);
    }
    convert("t.csv", "s", (keeping){ .target = "day==mon" });
    assert_alike(compared, "t.csv", "s", NULL, false);
    refused(compared, "s", "day==tue", "the store keeps 'day==\"mon\"'");
    refused(model, "s", "day", "the store keeps 'day==\"mon\"'");
    skimp_model_destroy(compared);
    skimp_model_destroy(model);
}

static void refuses(void **state)
{
    (void)state;
    job_setup setup;
    const table_options rows = { .rows = 300, .columns = 3, .text = true };
    write_table("t.csv", rows);
    begin_setup(&setup, "ridge", "t.csv", "y");
    skimp_model *model = fit_setup(&setup);
    convert("t.csv", "s", (keeping){ .drop = "x1" });
    refused(model, "s", NULL, "'x1'|left out when the store was made");
    convert("t.csv", "s", (keeping){ .drop = "y" });
    refused(model, "s", "y", "'y'|left out when the store was made");
    convert("t.csv", "s", (keeping){ .target = "x1>0" });
    refused(model, "s", NULL, "'x1'|the store keeps 'x1>0'");
    write_text("u.csv", "x0,x1,day,y\n1,2,mon,1\n2,1,tue,2\n");
    convert("u.csv", "s", (keeping){ .target = NULL });
    refused(model, "s", NULL, "'x2'");
    write_text("u.csv", "x0,x1,x2,day,y\n1,2,a,mon,1\n2,1,b,tue,2\n");
    convert("u.csv", "s", (keeping){ .target = NULL });
    refused(model, "s", NULL, "'x2'|text");
    write_text("u.csv", "x0,x1,x2,day,y\n1,2,3,4,1\n2,1,3,4,2\n");
    convert("u.csv", "s", (keeping){ .target = NULL });
    refused(model, "s", NULL, "'day'|numbers");
    write_text("u.csv", "x0,x1,x2,day,y\n1,2,3,mon,1\n2,,3,tue,2\n3,inf,3,tue,2\n");
    convert("u.csv", "s", (keeping){ .target = NULL });
    scored out;
    apply(model, "s", "q", NULL, false, 2, 256u << 20, &out);
    assert_int_equal(out.status, SKIMP_ERROR_DATA);
    assert_string_equal(out.error.column, "x1");
    assert_int_equal(out.error.row, 4); /* infinity: what is missing could be dropped */
    write_text("u.csv", "x0,x1,x2,day,y\n1,2,3,mon,1\n2,,3,tue,2\n3,3,3,tue,2\n");
    convert("u.csv", "s", (keeping){ .target = NULL });
    apply(model, "s", "q", NULL, false, 2, 256u << 20, &out);
    assert_int_equal(out.status, SKIMP_ERROR_DATA);
    assert_int_equal(out.error.row, 3);
    assert_alike(model, "u.csv", "s", NULL, true);
    write_text("u.csv", "x0,x1,x2,day,y\n1,,3,mon,1\n2,,3,tue,2\n");
    convert("u.csv", "s", (keeping){ .target = NULL });
    apply(model, "s", "q", NULL, true, 2, 256u << 20, &out);
    assert_int_equal(out.status, SKIMP_ERROR_DATA);
    assert_non_null(strstr(out.error.message, "all were dropped"));
    write_svmlight("t.svm", (table_options){ .rows = 40, .columns = 9, .classes = 2 });
    convert("t.svm", "s", (keeping){ .target = "label" });
    refused(model, "s", NULL, "a table|sparse");
    skimp_model_destroy(model);
    begin_setup(&setup, "logistic_regression", "t.svm", NULL);
    model = fit_setup(&setup);
    convert("t.csv", "s", (keeping){ .target = NULL });
    refused(model, "s", NULL, "a table|sparse");
    skimp_model_destroy(model);
    assert_int_equal(access(in_temporary("q"), F_OK), -1);
}

/* ---- budgets --------------------------------------------------------------------------------------------------------------- */

/* The budget that a refusal names is enough; what is charged never exceeds it; the rows come out the same. */
static void keeps_to_budgets(void **state)
{
    (void)state;
    job_setup setup;
    write_exact("t.csv", (exact){ .rows = 30000, .columns = 12, .classes = 2, .missing_every = 5 });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_step(&setup, "simple_imputer");
    add_param(&setup, "simple_imputer__add_indicator", "true");
    skimp_model *model = fit_setup(&setup);
    convert("t.csv", "s", (keeping){ .target = "y" });
    scored out;
    apply(model, "s", "p1", NULL, false, 1, 256u << 20, &out);
    assert_int_equal(out.status, SKIMP_OK);
    for (int way = 0; way < 4; way++) {
        const bool drop = way % 2 == 1;
        const char *output = way / 2 == 0 ? "p2" : NULL; /* or score */
        apply(model, "s", output, NULL, drop, 1, 1400u << 10, &out);
        assert_int_equal(out.status, SKIMP_ERROR_BUDGET);
        const uint64_t smallest = out.error.minimum_bytes;
        assert_true(smallest > 1400u << 10 && smallest < 64u << 20);
        for (unsigned threads = 1; threads < 6; threads += 2) {
            apply(model, "s", output, NULL, drop, threads, smallest, &out);
            assert_int_equal(out.status, SKIMP_OK);
            assert_true(out.report.charged_peak_bytes <= smallest);
            assert_int_equal(out.report.threads, 1);
            if (output != NULL) {
                assert_same_files("p1", "p2");
            }
        }
    }
    skimp_model_destroy(model);
}

/* ---- stores made to deceive ----------------------------------------------------------------------------------------------- */

static uint8_t *copy_of(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n);
    assert_non_null(copy);
    return memcpy(copy, bytes, n);
}

static void write_bytes(const char *name, const uint8_t *bytes, size_t n)
{
    FILE *file = fopen(in_temporary(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static bool may_be(skimp_status status)
{
    return status == SKIMP_OK || status == SKIMP_ERROR_DATA || status == SKIMP_ERROR_IO ||
           status == SKIMP_ERROR_PARAM || status == SKIMP_ERROR_BUDGET || status == SKIMP_ERROR_NOMEM;
}

/* Any byte another, with checksums that are right: predict, score and a fit whose steps add columns bear it. */
static void bears_deceit(void **state)
{
    (void)state;
    for (int sparse = 0; sparse < 2; sparse++) {
        job_setup setup;
        const char *input = sparse ? "t.svm" : "t.csv";
        if (sparse) {
            write_text("t.svm", "0 1:1.5 3:2\n1 2:3 4:nan\n0 1:2 2:nan 5:1\n1 3:4 4:0.5\n0 1:nan\n");
        } else {
            write_text("t.csv", "a,day,b,y\n1,mon,,0\n2,,5,1\n,tue,4,0\n4,mon,3,1\n5,mon,2,0\n");
        }
        begin_setup(&setup, "logistic_regression", input, sparse ? NULL : "y");
        add_step(&setup, "simple_imputer");
        add_param(&setup, "simple_imputer__add_indicator", "true");
        if (!sparse) {
            add_step(&setup, "simple_imputer@text");
            add_param(&setup, "simple_imputer-2__strategy", "constant");
        }
        skimp_model *model = fit_setup(&setup);
        convert(input, "s", (keeping){ .target = sparse ? "label" : "y" });
        size_t n = 0;
        uint8_t *bytes = (uint8_t *)read_whole(in_temporary("s"), &n);
        skimpi_random random;
        skimpi_random_seed(&random, 61);
        setup.paths[0][0] = '\0';
        snprintf(setup.paths[0], sizeof setup.paths[0], "%s/s", temporary);
        setup.options.target = NULL;
        for (unsigned i = 0; i < 1500; i++) {
            uint8_t *copy = copy_of(bytes, n);
            const unsigned changes = 1 + (unsigned)skimpi_random_below(&random, 3);
            for (unsigned k = 0; k < changes; k++) {
                const size_t at = 4096 + skimpi_random_below(&random, n - 4096);
                copy[at] = skimpi_random_below(&random, 3) == 0
                               ? (uint8_t)skimpi_random_below(&random, 256)
                               : copy[at] ^ (uint8_t)(1u << skimpi_random_below(&random, 8));
            }
            store_repair(copy, n);
            write_bytes("s", copy, n);
            free(copy);
            scored out;
            apply(model, "s", "q", NULL, i % 3 == 0, 1 + i % 2, 64u << 20, &out);
            assert_true(may_be(out.status));
            apply(model, "s", NULL, NULL, i % 2 == 0, 1 + i % 2, 64u << 20, &out);
            assert_true(may_be(out.status));
            skimp_error error;
            setup.options.max_memory = 64u << 20;
            assert_true(may_be(try_fit(&setup, &error)));
        }
        free(bytes);
        skimp_model_destroy(model);
    }
}

/* A summary that denies what the chunks hold: steps would add columns that chunks have no room for. */
static void bears_a_false_summary(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error;
    size_t n = 0;
    write_text("t.csv", "a,b,y\n1,,0\n2,5,1\n3,4,0\n4,,1\n");
    convert("t.csv", "s", (keeping){ .target = "y" });
    uint8_t *bytes = (uint8_t *)read_whole(in_temporary("s"), &n);
    skimpi_store_trailer trailer;
    memcpy(&trailer, bytes + n - sizeof trailer, sizeof trailer);
    /* The summary of b: two missing values, none infinite, the least is 4. */
    const double least = 4;
    unsigned found = 0;
    for (size_t at = trailer.footer_offset; at + 48 <= n - sizeof trailer; at++) {
        uint64_t counts[2];
        double minimum;
        memcpy(counts, bytes + at, sizeof counts);
        memcpy(&minimum, bytes + at + 16, sizeof minimum);
        if (counts[0] == 2 && counts[1] == 0 && minimum == least) {
            memset(bytes + at, 0, sizeof counts[0]);
            found++;
        }
    }
    assert_int_equal(found, 1);
    store_repair(bytes, n);
    write_bytes("s", bytes, n);
    free(bytes);
    begin_setup(&setup, "ridge", "s", NULL);
    add_step(&setup, "simple_imputer");
    add_param(&setup, "simple_imputer__add_indicator", "true");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "damaged"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_like_the_text, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(is_like_hashed_text, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(is_like_the_sparse_text, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(finds_targets, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(refuses, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(keeps_to_budgets, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(bears_deceit, make_temporary, remove_temporary),
        cmocka_unit_test_setup_teardown(bears_a_false_summary, make_temporary, remove_temporary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
