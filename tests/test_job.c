/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs through the public interface: options, refusals, plans, fits, reports, predictions, scores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"

/* ---- options --------------------------------------------------------------------------------------------------------- */

static void refuses_options(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    write_table("t.csv", (table_options){ .rows = 50, .columns = 2, .classes = 2, .text = true });

    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.options.size--;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.options.n_inputs = 0;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.inputs[0] = NULL;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_param(&setup, "C", NULL);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    for (unsigned i = 0; i < 3; i++) {
        static const double bad[] = { -0.1, 1.0, (double)NAN };
        begin_setup(&setup, "logistic_regression", "t.csv", "y");
        setup.options.holdout = bad[i];
        assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    }
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.options.hash_bits = 29;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, "logistic_regresion", "t.csv", "y");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "logistic_regression"));
    begin_setup(&setup, "standard_scaler", "t.csv", "y");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_step(&setup, "ridge");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, "logistic_regression", "missing.csv", "y");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_IO);
    begin_setup(&setup, "logistic_regression", "t.csv", "z");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, "logistic_regression", "t.csv", NULL);
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_non_null(strstr(error.message, "--target"));
    begin_setup(&setup, NULL, "t.csv", "y");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_job_create(&job, &setup.options, NULL), SKIMP_OK);
    skimp_job_destroy(job);
    skimp_job_destroy(NULL);
    assert_int_equal(count_entries(), 1);
}

static void refuses_steps(void **state)
{
    (void)state;
    static const char *const steps[] = { "standard_scaler@",     "standard_scaler@nix", "standard_scaler@day",
                                         "standard_scaler@text", "standard_scaler@y",   "standard_scaler@x0,,x1" };
    job_setup setup;
    skimp_error error;
    write_table("t.csv", (table_options){ .rows = 50, .columns = 2, .classes = 2, .text = true });
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        begin_setup(&setup, "logistic_regression", "t.csv", "y");
        add_step(&setup, steps[i]);
        assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
        assert_non_null(strstr(error.message, "standard_scaler"));
    }
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_step(&setup, "standard_scaler");
    add_param(&setup, "standard_scaler-2__with_mean", "false");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_param(&setup, "D", "1");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    begin_setup(&setup, NULL, "t.csv", "y");
    add_param(&setup, "C", "1");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
}

/* What options point to may go once the job is made. */
static void copies_options(void **state)
{
    (void)state;
    write_table("t.csv", (table_options){ .rows = 200, .columns = 3, .classes = 2 });
    job_setup *setup = malloc(sizeof *setup);
    char *names[6] = { strdup("logistic_regression"),   strdup("y"), strdup("C"), strdup("0.5"),
                       strdup("standard_scaler@x0,x1"), strdup("x2") };
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    begin_setup(setup, names[0], "t.csv", names[1]);
    add_param(setup, names[2], names[3]);
    add_step(setup, names[4]);
    setup->drop[setup->options.n_drop++] = names[5];
    assert_ok(skimp_job_create(&job, &setup->options, &error));
    for (int i = 0; i < 6; i++) {
        memset(names[i], '?', strlen(names[i]));
        free(names[i]);
    }
    memset(setup, 0xff, sizeof *setup);
    free(setup);
    assert_ok(skimp_job_fit(job, &model, &error));
    assert_int_equal(skimp_job_report(job)->features, 2);
    skimp_job_destroy(job);
    assert_non_null(strstr(find_meta(model, "params"), "\"C\": 0.5"));
    assert_string_equal(find_meta(model, "feature_names"), "[\"x0\", \"x1\"]");
    skimp_model_destroy(model);
}

/* ---- data that a fit refuses ------------------------------------------------------------------------------------------- */

static void refuses_text(const char *text, const char *estimator, skimp_status expected, const char *words)
{
    job_setup setup;
    skimp_error error;
    write_text("bad.csv", text);
    begin_setup(&setup, estimator, "bad.csv", "y");
    const skimp_status status = try_fit(&setup, &error);
    if (status != expected || strstr(error.message, words) == NULL) {
        fail_msg("'%s' gave %s: %s", text, skimp_status_name(status), error.message);
    }
}

static void refuses_data(void **state)
{
    (void)state;
    refuses_text("a,y\n1,0\n2,0\n", "logistic_regression", SKIMP_ERROR_DATA, "constant");
    refuses_text("a,y\n1,no\n2,no\n", "logistic_regression", SKIMP_ERROR_DATA, "always no");
    refuses_text("a,y\n1,0.5\n2,0\n", "logistic_regression", SKIMP_ERROR_DATA, "no class label");
    refuses_text("a,y\n1,0\n2,\n3,1\n", "logistic_regression", SKIMP_ERROR_DATA, "missing");
    refuses_text("a,y\n1,0\n,1\n3,1\n", "logistic_regression", SKIMP_ERROR_DATA, "impute");
    refuses_text("a,y\n1,0\ninf,1\n3,1\n", "logistic_regression", SKIMP_ERROR_DATA, "infinite");
    refuses_text("a,y\n1,no\n2,yes\n3,yes\n", "ridge", SKIMP_ERROR_DATA, "text");
    refuses_text("a,y\n1,0\n2,inf\n3,1\n", "ridge", SKIMP_ERROR_DATA, "infinite");
    refuses_text("a,a,y\n1,1,0\n2,2,1\n", "ridge", SKIMP_ERROR_DATA, "two columns");
    refuses_text("a,y\n", "ridge", SKIMP_ERROR_DATA, "no rows");
    assert_int_equal(count_entries(), 1);
}

static void drops_rows(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    write_table("t.csv", (table_options){ .rows = 300, .columns = 3, .classes = 2, .missing_every = 10 });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_string_equal(error.column, "x0");
    assert_int_equal(error.row, 11); /* the tenth row; the header is line 1 */
    setup.options.drop_missing = true;
    error = (skimp_error)SKIMP_ERROR_INIT;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_fit(job, &model, &error));
    assert_int_equal(skimp_job_report(job)->rows, 270);
    assert_int_equal(skimp_job_report(job)->rows_missing, 30);
    skimp_job_destroy(job);
    skimp_model_destroy(model);

    write_text("none.csv", "a,y\n,1\n,0\n");
    begin_setup(&setup, "logistic_regression", "none.csv", "y");
    setup.options.drop_missing = true;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "dropped"));
}

static void holds_out(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const unsigned rows = 600;
    write_table("t.csv", (table_options){ .rows = rows, .columns = 3, .classes = 2 });
    unsigned held = 0;
    for (unsigned r = 0; r < rows; r++) {
        held += skimpi_held_out(r, 7, 0.3);
    }
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.options.holdout = 0.3;
    setup.options.seed = 7;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_fit(job, &model, &error));
    const skimp_report *report = skimp_job_report(job);
    assert_int_equal(report->metric_rows, held);
    assert_int_equal(report->rows, rows - held);
    assert_true(metric(report, "accuracy") > 0.6);
    assert_true(metric(report, "roc_auc") > 0.6);
    assert_true(metric(report, "log_loss") < 0.69);
    skimp_job_destroy(job);
    skimp_model_destroy(model);

    /* A share so large that no row is left. */
    write_text("few.csv", "a,y\n1,0\n2,1\n3,1\n");
    begin_setup(&setup, "logistic_regression", "few.csv", "y");
    setup.options.holdout = 1 - 0x1p-53;
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "held out"));
}

/* The rows that are fitted on, alone in a file, give the same model as with the others held out. */
static void same_without_held_out(void **state)
{
    (void)state;
    static const struct {
        const char *estimator, *param, *value;
        unsigned classes;
    } cases[] = {
        { "logistic_regression", "class_weight", "balanced", 3 },
        { "logistic_regression", "tol", "1e-8", 2 },
        { "ridge", NULL, NULL, 0 },
        { "linear_regression", NULL, NULL, 0 },
        { "sgd_classifier", "loss", "log_loss", 2 },
        { "sgd_regressor", NULL, NULL, 0 },
    };
    for (unsigned c = 0; c < sizeof cases / sizeof *cases; c++) {
        const table_options table = { .rows = 500, .columns = 4, .classes = cases[c].classes, .seed = c };
        job_setup setup;
        char line[512];
        unsigned row = 0;
        write_table("all.csv", table);
        FILE *all = fopen(in_temporary("all.csv"), "r"), *kept = fopen(in_temporary("kept.csv"), "w");
        while (fgets(line, sizeof line, all) != NULL) {
            if (row == 0 || !skimpi_held_out(row - 1, 3, 0.25)) {
                fputs(line, kept);
            }
            row++;
        }
        fclose(all);
        fclose(kept);
        begin_setup(&setup, cases[c].estimator, "kept.csv", "y");
        add_step(&setup, "standard_scaler");
        if (cases[c].param != NULL) {
            add_param(&setup, cases[c].param, cases[c].value);
        }
        skimp_model *expected = fit_setup(&setup);
        snprintf(setup.paths[0], sizeof setup.paths[0], "%s", in_temporary("all.csv"));
        setup.options.holdout = 0.25;
        setup.options.seed = 3;
        skimp_model *model = fit_setup(&setup);
        const skimp_array coef = *find_array(model, "coef_"), wanted = *find_array(expected, "coef_");
        assert_int_equal(array_values(&coef), array_values(&wanted));
        for (uint64_t i = 0; i < array_values(&coef); i++) {
            const double a = ((const double *)coef.data)[i], b = ((const double *)wanted.data)[i];
            if (fabs(a - b) > 1e-9 * (1 + fabs(b))) {
                fail_msg("%s: coefficient %u is %.17g, not %.17g", cases[c].estimator, (unsigned)i, a, b);
            }
        }
        skimp_model_destroy(expected);
        skimp_model_destroy(model);
    }
}

/* ---- weights ---------------------------------------------------------------------------------------------------------- */

/* Class weights without a weight column are weights by hand. */
static void weighs_classes(void **state)
{
    (void)state;
    job_setup setup;
    const table_options table = { .rows = 300, .columns = 2, .classes = 2 };
    skimpi_random random;
    skimpi_random_seed(&random, 1);
    write_table("plain.csv", table);
    FILE *file = fopen(in_temporary("weighted.csv"), "w");
    fprintf(file, "x0,x1,w,y\n");
    for (unsigned r = 0; r < table.rows; r++) {
        table_row row;
        table_next(&table, &random, &row);
        fprintf(file, "%.8g,%.8g,%d,%u\n", row.x[0], row.x[1], row.class == 1 ? 5 : 1, row.class);
    }
    fclose(file);
    begin_setup(&setup, "logistic_regression", "plain.csv", "y");
    add_param(&setup, "class_weight", "{\"1\": 5}");
    add_param(&setup, "tol", "1e-9");
    skimp_model *model = fit_setup(&setup);
    begin_setup(&setup, "logistic_regression", "weighted.csv", "y");
    setup.options.weight = "w";
    add_param(&setup, "tol", "1e-9");
    skimp_model *weighted = fit_setup(&setup);
    const skimp_array a = *find_array(model, "coef_"), b = *find_array(weighted, "coef_");
    for (unsigned i = 0; i < 2; i++) {
        assert_true(fabs(((const double *)a.data)[i] - ((const double *)b.data)[i]) < 1e-7);
    }
    skimp_model_destroy(model);
    skimp_model_destroy(weighted);

    static const char *const bad[] = { "{\"2\": 1}", "{\"1\": -1}", "{\"1\": \"a\"}", "[1, 2]", "{\"1\": Infinity}" };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        skimp_error error;
        begin_setup(&setup, "logistic_regression", "plain.csv", "y");
        add_param(&setup, "class_weight", bad[i]);
        assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    }
    write_text("negative.csv", "a,w,y\n1,1,0\n2,-1,1\n3,1,1\n");
    skimp_error error;
    begin_setup(&setup, "logistic_regression", "negative.csv", "y");
    setup.options.weight = "w";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    assert_string_equal(error.column, "w");
}

/* ---- once ------------------------------------------------------------------------------------------------------------- */

static void runs_once(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL, *second = NULL;
    const skimp_plan *plan = NULL;
    write_table("t.csv", (table_options){ .rows = 200, .columns = 3, .classes = 2, .text = true });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_ok(skimp_job_fit(job, &model, &error));
    assert_int_equal(skimp_job_fit(job, &second, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_job_convert(job, in_temporary("s.skimp"), NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_job_predict(job, model, in_temporary("p.csv"), false, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_job_score(job, model, NULL), SKIMP_ERROR_PARAM);
    assert_null(second);
    skimp_job_destroy(job);

    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_predict(job, model, in_temporary("p.csv"), false, &error));
    assert_int_equal(skimp_job_predict(job, model, in_temporary("p2.csv"), false, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_job_fit(job, &second, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_job_plan(job, &plan, NULL), SKIMP_ERROR_PARAM);
    skimp_job_destroy(job);

    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_plan(job, &plan, &error));
    assert_int_equal(skimp_job_predict(job, model, in_temporary("p2.csv"), false, NULL), SKIMP_ERROR_PARAM);
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    assert_int_equal(count_entries(), 2);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

/* ---- plan and report --------------------------------------------------------------------------------------------------- */

static void plans_and_reports(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    const skimp_plan *plan = NULL;
    skimp_column_info column;
    write_table("t.csv", (table_options){ .rows = 2000, .columns = 5, .classes = 2, .text = true });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_step(&setup, "standard_scaler");
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_string_equal(skimp_job_format(job), "csv");
    for (int settled = 0; settled < 2; settled++) {
        assert_true(skimp_job_column(job, 5, &column));
        assert_string_equal(column.name, "day");
        assert_string_equal(column.type, "text");
        assert_true(column.categories >= WEEKDAYS && column.categories < 4 * WEEKDAYS);
        assert_false(skimp_job_column(job, 7, &column));
        assert_ok(skimp_job_plan(job, &plan, &error));
    }
    assert_string_equal(plan->store, "memory");
    assert_true(plan->rows >= 2000 && plan->rows < 2200);
    assert_true(plan->features >= 12);
    assert_true(plan->minimum_bytes <= plan->peak_bytes && plan->peak_bytes <= plan->budget_bytes);
    assert_false(plan->exact);
    uint64_t sum = 0;
    for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
        sum += plan->memory[tag];
    }
    assert_true(sum >= plan->peak_bytes);
    const uint64_t planned = plan->peak_bytes;
    assert_ok(skimp_job_fit(job, &model, &error));
    const skimp_report *report = skimp_job_report(job);
    assert_int_equal(report->rows, 2000);
    assert_int_equal(report->features, 12);
    assert_true(report->converged);
    assert_true(report->n_iter > 0);
    assert_true(isfinite(report->objective));
    assert_true(report->passes >= 3);
    assert_true(report->charged_peak_bytes <= planned);
    assert_int_equal(report->n_metrics, 0);
    skimp_job_destroy(job);
    skimp_model_destroy(model);
}

/* Mean and variance are counted as the data is read: who wants them takes no pass, where nothing changes them on the way. */
static void spreads_need_no_pass(void **state)
{
    (void)state;
    static const struct {
        const char *steps[2];
        unsigned missing_every, more;
        double holdout;
    } cases[] = {
        { { NULL }, 0, 0, 0 },
        { { "standard_scaler" }, 0, 0, 0 },
        { { "simple_imputer", "standard_scaler" }, 0, 0, 0 },
        { { "simple_imputer", "standard_scaler" }, 10, 1, 0 }, /* what is filled in counts */
        { { "simple_imputer", "standard_scaler@x1,x2" }, 10, 0, 0 },
        { { "simple_imputer" }, 10, 0, 0 },
        { { "standard_scaler", "standard_scaler" }, 0, 1, 0 },
        { { "standard_scaler@x0,x2", "standard_scaler@x1" }, 0, 0, 0 },
        { { "max_abs_scaler", "standard_scaler" }, 0, 2, 0 },
        { { "standard_scaler" }, 0, 1, 0.3 },
    };
    double passes = 0;
    for (unsigned c = 0; c < sizeof cases / sizeof *cases; c++) {
        job_setup setup;
        skimp_error error = SKIMP_ERROR_INIT;
        skimp_job *job = NULL;
        skimp_model *model = NULL;
        write_table("t.csv",
                    (table_options){ .rows = 700, .columns = 3, .seed = 4, .missing_every = cases[c].missing_every });
        begin_setup(&setup, "ridge", "t.csv", "y");
        for (unsigned i = 0; i < 2 && cases[c].steps[i] != NULL; i++) {
            add_step(&setup, cases[c].steps[i]);
        }
        setup.options.holdout = cases[c].holdout;
        assert_ok(skimp_job_create(&job, &setup.options, &error));
        assert_ok(skimp_job_fit(job, &model, &error));
        const double found = skimp_job_report(job)->passes;
        passes = c == 0 ? found : passes;
        if (found != passes + cases[c].more) {
            fail_msg("case %u: %g passes, not %g", c, found, passes + cases[c].more);
        }
        skimp_job_destroy(job);
        skimp_model_destroy(model);
    }
}

/* ---- several files, and stores ------------------------------------------------------------------------------------------ */

static void reads_several_files(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    write_table("a.csv", (table_options){ .rows = 200, .columns = 3, .classes = 2, .seed = 1 });
    write_table("b.csv", (table_options){ .rows = 300, .columns = 3, .classes = 2, .seed = 2 });
    begin_setup(&setup, "logistic_regression", "a.csv", "y");
    add_input(&setup, "b.csv");
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_fit(job, &model, &error));
    assert_int_equal(skimp_job_report(job)->rows, 500);
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    /* Other columns, or none such. */
    write_table("c.csv", (table_options){ .rows = 10, .columns = 4, .classes = 2 });
    add_input(&setup, "c.csv");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_DATA);
    begin_setup(&setup, "logistic_regression", "a.csv", "y");
    add_input(&setup, "nix.csv");
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_IO);
}

static void convert(const char *input, const char *target, const char *weight, const char *output)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, input, target);
    setup.options.weight = weight;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_convert(job, in_temporary(output), &error));
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

/* A kept store gives the same bits as the file that it was made from. */
static void fits_stores(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error;
    write_table(
        "t.csv",
        (table_options){ .rows = 3000, .columns = 3, .classes = 3, .text = true, .text_label = true, .weight = true });
    write_svmlight("t.svm", (table_options){ .rows = 500, .columns = 20, .classes = 2 });
    convert("t.csv", "y", "w", "t.skimp");
    convert("t.svm", NULL, NULL, "s.skimp");
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.options.weight = "w";
    add_step(&setup, "standard_scaler");
    skimp_model *direct = fit_setup(&setup);
    begin_setup(&setup, "logistic_regression", "t.skimp", NULL);
    add_step(&setup, "standard_scaler");
    skimp_model *stored = fit_setup(&setup);
    assert_same_models(direct, stored);
    assert_string_equal(find_meta(stored, "target"), "y");
    setup.options.target = "y";
    assert_int_equal(try_fit(&setup, &error), SKIMP_OK);
    setup.options.target = "x0";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    setup.options.target = "nix";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    setup.options.target = NULL;
    setup.options.weight = "w";
    assert_int_equal(try_fit(&setup, &error), SKIMP_ERROR_PARAM);
    skimp_model_destroy(stored);

    begin_setup(&setup, "logistic_regression", "t.svm", NULL);
    skimp_model *sparse = fit_setup(&setup);
    begin_setup(&setup, "logistic_regression", "s.skimp", "label");
    stored = fit_setup(&setup);
    assert_same_models(sparse, stored);

    /* Stores are refused where they cannot be: convert, two of them. */
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, "t.skimp", NULL);
    assert_int_equal(skimp_job_create(&job, &setup.options, NULL), SKIMP_OK);
    assert_int_equal(skimp_job_convert(job, in_temporary("u.skimp"), NULL), SKIMP_ERROR_PARAM);
    skimp_job_destroy(job);
    add_input(&setup, "s.skimp");
    assert_int_equal(skimp_job_create(&job, &setup.options, NULL), SKIMP_ERROR_PARAM);
    assert_null(job);
    skimp_model_destroy(direct);
    skimp_model_destroy(sparse);
    skimp_model_destroy(stored);
}

/* A store whose target is a comparison: the model says so, and scores the file as it was. */
static void keeps_comparisons(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    write_table("t.csv", (table_options){ .rows = 400, .columns = 3 });
    convert("t.csv", "y>0.25", NULL, "t.skimp");
    begin_setup(&setup, "logistic_regression", "t.skimp", "y>0.25");
    skimp_model *model = fit_setup(&setup);
    assert_string_equal(find_meta(model, "target"), "y>0.25");
    begin_setup(&setup, NULL, "t.csv", NULL);
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_score(job, model, &error));
    assert_true(metric(skimp_job_report(job), "accuracy") > 0.7);
    skimp_job_destroy(job);
    skimp_model_destroy(model);
}

/* ---- cancel ------------------------------------------------------------------------------------------------------------- */

typedef struct canceller {
    volatile int stop;
    unsigned calls, at;
} canceller;

static void cancel_at(void *context, const skimp_progress *progress)
{
    canceller *c = context;
    assert_non_null(progress->phase);
    assert_true(progress->bytes_done <= progress->bytes_total || progress->bytes_total == 0);
    __atomic_store_n(&c->stop, ++c->calls >= c->at, __ATOMIC_RELAXED);
}

static void stops_when_told(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    static const char *const estimators[] = { "logistic_regression", "sgd_classifier" };
    write_table("t.csv", (table_options){ .rows = 30000, .columns = 6, .classes = 2 });
    for (unsigned e = 0; e < 2; e++) {
        for (unsigned at = 0; at < 3; at++) {
            canceller c = { .at = at };
            c.stop = at == 0;
            begin_setup(&setup, estimators[e], "t.csv", "y");
            setup.options.cancel = &c.stop;
            setup.options.progress = cancel_at;
            setup.options.progress_context = &c;
            assert_ok(skimp_job_create(&job, &setup.options, &error));
            const skimp_status status = skimp_job_fit(job, &model, &error);
            if (at == 0) {
                assert_int_equal(status, SKIMP_ERROR_CANCELLED);
            }
            if (status == SKIMP_ERROR_CANCELLED) {
                assert_null(model);
                error = (skimp_error)SKIMP_ERROR_INIT;
            } else {
                assert_ok(status);
            }
            skimp_model_destroy(model);
            model = NULL;
            skimp_job_destroy(job);
        }
    }
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    model = fit_setup(&setup);
    canceller c = { .stop = 1 };
    begin_setup(&setup, NULL, "t.csv", NULL);
    setup.options.cancel = &c.stop;
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_int_equal(skimp_job_predict(job, model, in_temporary("p.csv"), false, NULL), SKIMP_ERROR_CANCELLED);
    skimp_job_destroy(job);
    skimp_model_destroy(model);
    assert_int_equal(count_entries(), 1);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

/* ---- small helpers -------------------------------------------------------------------------------------------------------- */

static void recognises_files(void **state)
{
    (void)state;
    skimp_file_kind kind;
    job_setup setup;
    write_table("t.csv", (table_options){ .rows = 100, .columns = 2, .classes = 2 });
    convert("t.csv", "y", NULL, "t.skimp");
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    char checkpoint[2048];
    snprintf(checkpoint, sizeof checkpoint, "%s", in_temporary("c"));
    setup.options.checkpoint = checkpoint;
    skimp_model *model = fit_setup(&setup);
    assert_int_equal(skimp_model_save(model, in_temporary("m"), NULL), SKIMP_OK);
    skimp_model_destroy(model);
    assert_int_equal(skimp_file_recognise(in_temporary("t.csv"), &kind, NULL), SKIMP_OK);
    assert_int_equal(kind, SKIMP_FILE_DATA);
    assert_int_equal(skimp_file_recognise(in_temporary("t.skimp"), &kind, NULL), SKIMP_OK);
    assert_int_equal(kind, SKIMP_FILE_STORE);
    assert_int_equal(skimp_file_recognise(in_temporary("m"), &kind, NULL), SKIMP_OK);
    assert_int_equal(kind, SKIMP_FILE_MODEL);
    assert_int_equal(skimp_file_recognise(checkpoint, &kind, NULL), SKIMP_OK);
    assert_int_equal(kind, SKIMP_FILE_CHECKPOINT);
    assert_int_equal(skimp_file_recognise(in_temporary("nix"), &kind, NULL), SKIMP_ERROR_IO);
    assert_int_equal(skimp_file_recognise("-", &kind, NULL), SKIMP_OK);
}

static void parses_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = { { "64M", 64u << 20 },
                 { "1.5GiB", 3u << 29 },
                 { "100 MB", 100000000 },
                 { "1e9", 1000000000 },
                 { "0", 0 },
                 { "2k", 2048 },
                 { "7B", 7 } };
    static const char *const bad[] = { "", "M", "-1", "1X", "nan", "inf", "1e30", "64 M B", "0x10" };
    uint64_t bytes;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(skimp_parse_size(good[i].text, &bytes, NULL), SKIMP_OK);
        assert_int_equal(bytes, good[i].bytes);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(skimp_parse_size(bad[i], &bytes, NULL), SKIMP_ERROR_PARAM);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses_options), TEST(refuses_steps),     TEST(copies_options),        TEST(refuses_data),
        TEST(drops_rows),      TEST(holds_out),         TEST(same_without_held_out), TEST(weighs_classes),
        TEST(runs_once),       TEST(plans_and_reports), TEST(spreads_need_no_pass),  TEST(reads_several_files),
        TEST(fits_stores),     TEST(keeps_comparisons), TEST(stops_when_told),       TEST(recognises_files),
        TEST(parses_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
