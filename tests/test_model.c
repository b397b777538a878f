/* SPDX-License-Identifier: BSD-3-Clause */
/* Models: what every estimator and step saves and loads, predictions of both, columns of new files, hostile files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"

/* ---- round trips -------------------------------------------------------------------------------------------------------- */

/* A model made of another's arrays, which stay where they are. */
static skimp_model *of_arrays(const skimp_model *model)
{
    static skimp_setting meta[64];
    static skimp_array arrays[256];
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_model *made = NULL;
    size_t n_meta = 0, n_arrays = 0;
    while (skimp_model_meta(model, n_meta, &meta[n_meta].name, &meta[n_meta].value)) {
        assert_true(++n_meta < 64);
    }
    while (skimp_model_array(model, n_arrays, &arrays[n_arrays])) {
        assert_true(++n_arrays < 256);
    }
    assert_ok(skimp_model_of_arrays(&made, NULL, meta, n_meta, arrays, n_arrays, &error));
    return made;
}

/* Saved and loaded, or made of its arrays: the same arrays, metadata, bytes and predictions. */
static void round_trip(skimp_model *model, const char *input, bool proba)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_model *loaded = NULL;
    const char *keys[2], *values[2];
    assert_ok(skimp_model_save(model, in_temporary("m1"), &error));
    assert_ok(skimp_model_load(&loaded, NULL, in_temporary("m1"), &error));
    assert_ok(skimp_model_save(loaded, in_temporary("m2"), &error));
    assert_same_files("m1", "m2");
    assert_same_models(model, loaded);
    assert_string_equal(skimp_model_estimator(model), skimp_model_estimator(loaded));
    for (size_t i = 0; skimp_model_meta(model, i, &keys[0], &values[0]); i++) {
        assert_true(skimp_model_meta(loaded, i, &keys[1], &values[1]));
        assert_string_equal(keys[0], keys[1]);
        assert_string_equal(values[0], values[1]);
    }
    predict_file(model, input, "p1", proba);
    predict_file(loaded, input, "p2", proba);
    assert_same_files("p1", "p2");
    assert_true(skimp_model_bytes(loaded) > 0);
    skimp_model *made = of_arrays(loaded);
    assert_same_models(model, made);
    assert_ok(skimp_model_save(made, in_temporary("m3"), &error));
    assert_same_files("m1", "m3");
    predict_file(made, input, "p3", proba);
    assert_same_files("p1", "p3");
    skimp_model_destroy(made);
    skimp_model_destroy(loaded);
    skimp_model_destroy(model);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

static void round_trips_estimators(void **state)
{
    (void)state;
    const skimp_estimator_info *info;
    for (unsigned i = 0; (info = skimp_estimator_at(i)) != NULL; i++) {
        if (info->kind == SKIMP_TRANSFORMER) {
            continue;
        }
        const bool classifies = info->kind == SKIMP_CLASSIFIER;
        for (unsigned classes = 2; classes <= (classifies ? 4 : 2); classes++) {
            const table_options table = { .rows = 400,
                                          .columns = 5,
                                          .classes = classifies ? classes : 0,
                                          .text = true,
                                          .text_label = classifies && classes == 4 };
            const bool proba = classifies && strcmp(info->name, "sgd_classifier") != 0;
            job_setup setup;
            write_table("t.csv", table);
            begin_setup(&setup, info->name, "t.csv", "y");
            round_trip(fit_setup(&setup), "t.csv", proba);
            write_svmlight("t.svm", table);
            begin_setup(&setup, info->name, "t.svm", NULL);
            round_trip(fit_setup(&setup), "t.svm", proba);
            if (!table.text_label) {
                write_npy("t.npy", table);
                begin_setup(&setup, info->name, "t.npy", "x5");
                round_trip(fit_setup(&setup), "t.npy", proba);
            }
        }
    }
}

static void round_trips_steps(void **state)
{
    (void)state;
    const skimp_estimator_info *info;
    for (unsigned i = 0; (info = skimp_estimator_at(i)) != NULL; i++) {
        if (info->kind != SKIMP_TRANSFORMER) {
            continue;
        }
        const bool imputes = skimpi_estimator_class_find(info->name)->removes_missing;
        for (unsigned form = 0; form < 3; form++) {
            char step[96];
            job_setup setup;
            snprintf(step, sizeof step, "%s%s", info->name, form == 1 ? "@x0,x2" : "");
            write_table("t.csv",
                        (table_options){
                            .rows = 400, .columns = 4, .classes = 2, .text = true, .missing_every = imputes ? 7 : 0 });
            begin_setup(&setup, "logistic_regression", "t.csv", "y");
            add_step(&setup, step);
            add_step(&setup, "max_abs_scaler");
            add_step(&setup, info->name);
            if (form < 2) {
                round_trip(fit_setup(&setup), "t.csv", true);
            } else if (strcmp(info->name, "min_max_scaler") != 0) {
                write_svmlight("t.svm", (table_options){ .rows = 400, .columns = 12, .classes = 2 });
                begin_setup(&setup, "logistic_regression", "t.svm", NULL);
                add_step(&setup, info->name);
                if (strcmp(info->name, "standard_scaler") == 0) {
                    add_param(&setup, "standard_scaler__with_mean", "false");
                }
                round_trip(fit_setup(&setup), "t.svm", true);
            }
        }
    }
}

/* Hashed text: the names of the columns count, so a file without header takes them by place. */
static void round_trips_hashes(void **state)
{
    (void)state;
    job_setup setup;
    write_table("t.csv", (table_options){ .rows = 400, .columns = 2, .classes = 2, .text = true });
    write_table("bare.csv",
                (table_options){ .rows = 400, .columns = 2, .classes = 2, .text = true, .no_header = true });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    setup.options.hash_bits = 5;
    skimp_model *model = fit_setup(&setup);
    predict_file(model, "t.csv", "p1", true);
    predict_file(model, "bare.csv", "p2", true);
    assert_same_files("p1", "p2");
    round_trip(model, "t.csv", true);
}

/* ---- columns of new files ------------------------------------------------------------------------------------------------ */

static void finds_columns(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error;
    const table_options table = { .rows = 300, .columns = 3, .classes = 2, .text = true };
    table_options other = table;
    write_table("t.csv", table);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_step(&setup, "standard_scaler@x1");
    skimp_model *model = fit_setup(&setup);
    predict_file(model, "t.csv", "expected", true);

    other.reversed = true;
    write_table("reversed.csv", other);
    predict_file(model, "reversed.csv", "p", true);
    assert_same_files("expected", "p");
    other = table;
    other.weight = true; /* a column that the model does not know */
    write_table("more.csv", other);
    predict_file(model, "more.csv", "p", true);
    assert_same_files("expected", "p");
    other = table;
    other.no_header = true;
    write_table("bare.csv", other);
    predict_file(model, "bare.csv", "p", true);
    assert_same_files("expected", "p");
    other = table;
    other.separator = '\t';
    write_table("tabs.tsv", other);
    predict_file(model, "tabs.tsv", "p", true);
    assert_same_files("expected", "p");

    write_text("less.csv", "x0,x1,day\n1,2,mon\n");
    assert_int_equal(try_predict(model, "less.csv", "q", true, &error), SKIMP_ERROR_DATA);
    write_text("less.csv", "x0,x1,a,day\n1,2,3,mon\n");
    assert_int_equal(try_predict(model, "less.csv", "q", true, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "'x2'"));
    /* A column may not be found by its number when it was asked for by name. */
    write_text("numbers.csv", "1,0,y\n1,2,0\n2,1,1\n3,5,1\n");
    begin_setup(&setup, "ridge", "numbers.csv", "y");
    setup.options.header = 1;
    skimp_model *numbered = fit_setup(&setup);
    write_text("numbers.csv", "a,b,c\n1,2,0\n");
    assert_int_equal(try_predict(numbered, "numbers.csv", "q", false, &error), SKIMP_ERROR_DATA);
    skimp_model_destroy(numbered);
    write_text("twice.csv", "x0,x1,x2,day,x1\n1,2,3,mon,2\n");
    assert_int_equal(try_predict(model, "twice.csv", "q", true, &error), SKIMP_ERROR_DATA);
    assert_non_null(strstr(error.message, "two columns"));
    /* Twice a name that does not matter, also beside one that does. */
    write_text("twice.csv", "x0,a,x1,x2,day,a\n1,2,3,4,mon,2\n");
    predict_file(model, "twice.csv", "p", true);
    write_text("text.csv", "x0,x1,x2,day\n1,a,3,mon\n1,b,3,mon\n1,c,3,mon\n");
    assert_int_equal(try_predict(model, "text.csv", "q", true, &error), SKIMP_ERROR_DATA);
    assert_string_equal(error.column, "x1");
    write_npy("t.npy", (table_options){ .rows = 10, .columns = 3, .classes = 2 });
    assert_int_equal(try_predict(model, "t.npy", "q", true, &error), SKIMP_ERROR_DATA);
    write_svmlight("t.svm", (table_options){ .rows = 10, .columns = 3, .classes = 2 });
    assert_int_equal(try_predict(model, "t.svm", "q", true, &error), SKIMP_ERROR_DATA);
    assert_int_equal(access(in_temporary("q"), F_OK), -1);
    skimp_model_destroy(model);
}

/* Model columns in another order than a header of made-up names says: by name, not by place. */
static void keeps_to_names(void **state)
{
    (void)state;
    job_setup setup;
    write_text("t.csv", "x2,x0,y\n1,20,0\n2,10,0\n3,40,1\n4,30,1\n");
    write_text("u.csv", "x0,x1,x2\n20,0,1\n10,0,2\n40,0,3\n30,0,4\n");
    begin_setup(&setup, "ridge", "t.csv", "y");
    skimp_model *model = fit_setup(&setup);
    predict_file(model, "t.csv", "p1", false);
    predict_file(model, "u.csv", "p2", false);
    assert_same_files("p1", "p2");
    skimp_model_destroy(model);
}

static void refuses_missing(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error;
    write_table("t.csv", (table_options){ .rows = 300, .columns = 2, .classes = 2 });
    write_text("holes.csv", "x0,x1\n1,2\n,3\n");
    write_text("infinite.csv", "x0,x1\n1,inf\n");
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_step(&setup, "standard_scaler");
    skimp_model *model = fit_setup(&setup);
    assert_int_equal(try_predict(model, "holes.csv", "p", true, &error), SKIMP_ERROR_DATA);
    assert_string_equal(error.column, "x0");
    assert_int_equal(error.row, 3);
    assert_int_equal(try_predict(model, "infinite.csv", "p", true, &error), SKIMP_ERROR_DATA);
    assert_string_equal(error.column, "x1");
    skimp_model_destroy(model);
    if (skimpi_estimator_class_find("simple_imputer") != NULL) {
        begin_setup(&setup, "logistic_regression", "t.csv", "y");
        add_step(&setup, "simple_imputer");
        model = fit_setup(&setup);
        predict_file(model, "holes.csv", "p", true);
        skimp_model_destroy(model);
    }
    assert_int_equal(count_entries(), skimpi_estimator_class_find("simple_imputer") != NULL ? 4 : 3);
}

/* ---- labels ---------------------------------------------------------------------------------------------------------------- */

static skimp_status try_score(const skimp_model *model, const char *input, const char *target, skimp_report *report,
                              size_t *n_warnings, skimp_error *error)
{
    job_setup setup;
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, input, target);
    *error = (skimp_error)SKIMP_ERROR_INIT;
    skimp_status status = skimp_job_create(&job, &setup.options, error);
    if (status == SKIMP_OK) {
        status = skimp_job_score(job, model, error);
        static skimp_metric metrics[8];
        *report = *skimp_job_report(job);
        memcpy(metrics, report->metrics, report->n_metrics * sizeof *metrics);
        report->metrics = metrics;
        *n_warnings = report->n_warnings;
    }
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    return status;
}

static void scores_text_labels(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error;
    skimp_report report;
    size_t n_warnings = 0;
    write_table("t.csv", (table_options){ .rows = 400, .columns = 3, .classes = 3, .text_label = true });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    skimp_model *model = fit_setup(&setup);
    assert_int_equal(try_score(model, "t.csv", NULL, &report, &n_warnings, &error), SKIMP_OK);
    assert_int_equal(report.metric_rows, 400);
    assert_true(metric(&report, "accuracy") > 0.6);
    assert_true(metric(&report, "log_loss") < 1);
    assert_int_equal(n_warnings, 0);

    /* One label that the model never saw. */
    write_text("new.csv", "x0,x1,x2,y\n1,2,3,yes\n1,2,3,never\n");
    assert_int_equal(try_score(model, "new.csv", NULL, &report, &n_warnings, &error), SKIMP_OK);
    assert_int_equal(report.n_metrics, 1);
    assert_true(metric(&report, "accuracy") <= 0.5);
    assert_int_equal(n_warnings, 1);
    /* Numbers where the labels are text, and the other way round. */
    write_text("numbers.csv", "x0,x1,x2,y\n1,2,3,1\n1,2,3,0\n");
    assert_int_equal(try_score(model, "numbers.csv", NULL, &report, &n_warnings, &error), SKIMP_OK);
    assert_true(metric(&report, "accuracy") == 0);
    assert_int_equal(try_score(model, "numbers.csv", "y>0", &report, &n_warnings, &error), SKIMP_ERROR_DATA);
    assert_int_equal(try_score(model, "numbers.csv", "x1", &report, &n_warnings, &error), SKIMP_ERROR_PARAM);
    assert_int_equal(try_score(model, "numbers.csv", "nix", &report, &n_warnings, &error), SKIMP_ERROR_PARAM);
    write_text("bare.csv", "x0,x1,x2\n1,2,3\n");
    assert_int_equal(try_score(model, "bare.csv", NULL, &report, &n_warnings, &error), SKIMP_ERROR_PARAM);
    skimp_model_destroy(model);

    write_table("t.csv", (table_options){ .rows = 400, .columns = 3 });
    begin_setup(&setup, "ridge", "t.csv", "y");
    model = fit_setup(&setup);
    assert_int_equal(try_score(model, "t.csv", NULL, &report, &n_warnings, &error), SKIMP_OK);
    assert_true(metric(&report, "r2") > 0.5);
    write_text("text.csv", "x0,x1,x2,y\n1,2,3,no\n1,2,3,yes\n");
    assert_int_equal(try_score(model, "text.csv", NULL, &report, &n_warnings, &error), SKIMP_ERROR_DATA);
    skimp_model_destroy(model);

    write_svmlight("t.svm", (table_options){ .rows = 400, .columns = 9, .classes = 2 });
    begin_setup(&setup, "logistic_regression", "t.svm", NULL);
    model = fit_setup(&setup);
    assert_int_equal(try_score(model, "t.svm", NULL, &report, &n_warnings, &error), SKIMP_OK);
    assert_true(metric(&report, "accuracy") > 0.6);
    skimp_model_destroy(model);
}

/* Labels of any length, with commas and quotes, come out as they went in; columns of any bytes are kept. */
static void writes_labels(void **state)
{
    (void)state;
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    char *label = malloc(6000), *text = malloc(20000);
    memset(label, 'l', 5999);
    label[5999] = '\0';
    snprintf(text, 20000, "\"a \"\"quoted\"\"\xc3\xa9\",y\n1,\"x,\"\"y\"\"\"\n2,%s\n1,\"x,\"\"y\"\"\"\n2,%s\n", label,
             label);
    write_text("t.csv", text);
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    skimp_model *model = fit_setup(&setup);
    predict_file(model, "t.csv", "p", true);
    size_t n;
    char *written = read_whole(in_temporary("p"), &n);
    snprintf(text, 20000, "prediction,probability_%s,\"probability_x,\"\"y\"\"\"\n\"x,\"\"y\"\"\",", label);
    assert_memory_equal(written, text, strlen(text));
    free(written);
    round_trip(model, "t.csv", true);
    write_text("latin.csv", "caf\xe9,y\n1,0\n2,1\n3,1\n");
    begin_setup(&setup, "logistic_regression", "latin.csv", "y");
    /* Metadata is JSON, which cannot hold such bytes; the columns are found by them all the same. */
    model = fit_setup(&setup);
    predict_file(model, "latin.csv", "p1", true);
    assert_ok(skimp_model_save(model, in_temporary("m"), &error));
    skimp_model_destroy(model);
    assert_ok(skimp_model_load(&model, NULL, in_temporary("m"), &error));
    predict_file(model, "latin.csv", "p2", true);
    assert_same_files("p1", "p2");
    skimp_model_destroy(model);
    free(label);
    free(text);
}

/* A model whose job is gone, and whose inputs are gone. */
static void outlives_its_job(void **state)
{
    (void)state;
    job_setup setup;
    write_table("t.csv", (table_options){ .rows = 300, .columns = 3, .classes = 2 });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    skimp_model *model = fit_setup(&setup);
    assert_int_equal(unlink(in_temporary("t.csv")), 0);
    assert_int_equal(skimp_model_save(model, in_temporary("m"), NULL), SKIMP_OK);
    write_text("u.csv", "x0,x1,x2\n1,2,3\n");
    predict_file(model, "u.csv", "p", false);
    skimp_model_destroy(model);
    skimp_model_destroy(NULL);
}

/* ---- hostile models ----------------------------------------------------------------------------------------------------- */

typedef struct spoiling {
    const char *meta, *value; /* metadata to change (NULL value: to leave out) */
    const char *tensor;       /* array to change … */
    skimpi_dtype dtype;
    unsigned n_dims;
    uint64_t shape[2];
    const void *data; /* … to this; NULL: left out */
    size_t bytes;
} spoiling;

/* "n_features*" is n_features and n_features_in. */
static bool is_meant(const char *pattern, const char *key)
{
    const size_t n = strcspn(pattern, "*");
    return pattern[n] == '*' ? strncmp(pattern, key, n) == 0 : strcmp(pattern, key) == 0;
}

static void spoil(const skimpi_tensors *from, const spoiling *how, const char *name)
{
    static const size_t width[] = { [SKIMPI_F64] = 8, [SKIMPI_F32] = 4, [SKIMPI_I64] = 8, [SKIMPI_U64] = 8,
                                    [SKIMPI_I32] = 4, [SKIMPI_U32] = 4, [SKIMPI_U8] = 1 };
    skimp_error error = SKIMP_ERROR_INIT;
    skimpi_tensors *to = NULL;
    skimp_budget *budget;
    void *data;
    const skimp_budget_options options = { .size = sizeof options };
    assert_ok(skimp_budget_create(&budget, &options, &error));
    assert_ok(skimpi_tensors_create(&to, budget, &error));
    for (size_t i = 0; i < skimpi_tensors_meta_count(from); i++) {
        const char *key, *value;
        skimpi_tensors_meta_at(from, i, &key, &value);
        value = how->meta != NULL && is_meant(how->meta, key) ? how->value : value;
        if (value != NULL) {
            assert_ok(skimpi_tensors_set_meta(to, key, value, &error));
        }
    }
    for (size_t i = 0; i < skimpi_tensors_count(from); i++) {
        const skimpi_tensor *tensor = skimpi_tensors_at(from, i);
        if (how->tensor == NULL || strcmp(how->tensor, tensor->name) != 0) {
            assert_ok(
                skimpi_tensors_add(to, tensor->name, tensor->dtype, tensor->n_dims, tensor->shape, &data, &error));
            memcpy(data, tensor->data, (size_t)tensor->n_values * width[tensor->dtype]);
        } else if (how->data != NULL) {
            assert_ok(skimpi_tensors_add(to, how->tensor, how->dtype, how->n_dims, how->shape, &data, &error));
            memcpy(data, how->data, how->bytes);
        }
    }
    if (how->tensor != NULL && how->data != NULL && skimpi_tensors_find(to, how->tensor) == NULL) {
        assert_ok(skimpi_tensors_add(to, how->tensor, how->dtype, how->n_dims, how->shape, &data, &error));
        memcpy(data, how->data, how->bytes);
    }
    assert_ok(skimpi_tensors_write(to, in_temporary(name), &error));
    skimpi_tensors_destroy(to);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

/* Each of these is refused as bad data (or as a bad parameter), by load or by the first use. */
static void refuses_spoiled(void **state)
{
    (void)state;
    static const double few[] = { 1, 2 };
    static const uint32_t places[] = { 0, 0, 0 }, far[] = { 0, 1, UINT32_MAX }, same_slots[] = { 1, 1 },
                          many_slots[] = { 0, 1, 2, 3 };
    static const uint8_t types[] = { 1, 1, 1 }, one_type[] = { 0 };
    static const spoiling spoilings[] = {
        { .meta = "estimator" },
        { .meta = "estimator", .value = "nix" },
        { .meta = "estimator", .value = "standard_scaler" },
        { .meta = "estimator", .value = "ridge" },
        { .meta = "skimp_version" },
        { .meta = "params" },
        { .meta = "params", .value = "3" },
        { .meta = "params", .value = "[1, 2]" },
        { .meta = "params", .value = "{" },
        { .meta = "params", .value = "{\"C\": {}}" },
        { .meta = "params", .value = "{\"nix\": 1}" },
        { .meta = "params", .value = "{\"C\": \"\\u0000\"}" },
        { .meta = "steps" },
        { .meta = "steps", .value = "{}" },
        { .meta = "steps", .value = "[1]" },
        { .meta = "steps", .value = "[[]]" },
        { .meta = "steps", .value = "[{}]" },
        { .meta = "steps", .value = "[{\"name\": 1, \"estimator\": 2, \"params\": 3}]" },
        { .meta = "steps", .value = "[{\"name\": \"standard_scaler\", \"estimator\": \"ridge\", \"params\": {}}]" },
        { .meta = "steps", .value = "[{\"name\": \"other\", \"estimator\": \"standard_scaler\", \"params\": {}}]" },
        { .meta = "steps",
          .value = "[{\"name\": \"standard_scaler\", \"estimator\": \"standard_scaler\", \"params\": []}]" },
        { .meta = "steps", .value = "[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]" },
        { .meta = "n_features" },
        { .meta = "n_features", .value = "-1" },
        { .meta = "n_features", .value = "" },
        { .meta = "n_features", .value = "3x" },
        { .meta = "n_features", .value = "99" },
        { .meta = "n_features", .value = "184467440737095516159999" },
        { .meta = "hash_bits" },
        { .meta = "hash_bits", .value = "29" },
        { .meta = "hash_bits", .value = "4294967297" },
        { .meta = "hash_bits", .value = "3" },
        { .meta = "data", .value = "sparse" },
        { .tensor = "coef_" },
        { .tensor = "coef_", .dtype = SKIMPI_F64, .n_dims = 1, .shape = { 2 }, .data = few, .bytes = 16 },
        { .tensor = "coef_", .dtype = SKIMPI_F64, .n_dims = 2, .shape = { 1, 2 }, .data = few, .bytes = 16 },
        { .tensor = "intercept_", .dtype = SKIMPI_F64, .n_dims = 1, .shape = { 2 }, .data = few, .bytes = 16 },
        { .tensor = "classes_" },
        { .tensor = "classes_", .dtype = SKIMPI_F64, .n_dims = 1, .shape = { 1 }, .data = few, .bytes = 8 },
        { .tensor = "classes_", .dtype = SKIMPI_F64, .n_dims = 2, .shape = { 1, 2 }, .data = few, .bytes = 16 },
        { .tensor = "classes_", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 3 }, .data = "a\0b", .bytes = 3 },
        { .tensor = "classes_", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 4 }, .data = "a\0a", .bytes = 4 },
        { .tensor = "columns" },
        { .tensor = "columns", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 2 }, .data = "x0", .bytes = 2 },
        { .tensor = "columns", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 3 }, .data = "x0", .bytes = 3 },
        { .tensor = "columns", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 9 }, .data = "x0\0x0\0x0", .bytes = 9 },
        { .tensor = "column_types" },
        { .tensor = "column_types", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 3 }, .data = types, .bytes = 3 },
        { .tensor = "column_types", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 1 }, .data = one_type, .bytes = 1 },
        { .tensor = "column_places" },
        { .tensor = "category_missing" },
        { .tensor = "categories.0" },
        { .tensor = "categories.0", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 3 }, .data = "mon", .bytes = 3 },
        { .tensor = "categories.0", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 8 }, .data = "mon\0mon", .bytes = 8 },
        { .tensor = "categories.0", .dtype = SKIMPI_U8, .n_dims = 1, .shape = { 0 }, .data = "", .bytes = 0 },
        { .tensor = "0.standard_scaler.columns" },
        { .tensor = "0.standard_scaler.columns",
          .dtype = SKIMPI_U32,
          .n_dims = 1,
          .shape = { 2 },
          .data = same_slots,
          .bytes = 8 },
        { .tensor = "0.standard_scaler.columns",
          .dtype = SKIMPI_U32,
          .n_dims = 1,
          .shape = { 3 },
          .data = far,
          .bytes = 12 },
        { .tensor = "0.standard_scaler.columns",
          .dtype = SKIMPI_U32,
          .n_dims = 1,
          .shape = { 4 },
          .data = many_slots,
          .bytes = 16 },
        { .tensor = "0.standard_scaler.columns",
          .dtype = SKIMPI_F64,
          .n_dims = 1,
          .shape = { 2 },
          .data = few,
          .bytes = 16 },
        { .tensor = "0.standard_scaler.scale_" },
    };
    job_setup setup;
    skimp_error error;
    write_table("t.csv", (table_options){ .rows = 200, .columns = 2, .classes = 2, .text = true });
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_step(&setup, "standard_scaler");
    skimp_model *model = fit_setup(&setup);
    (void)places;
    for (unsigned i = 0; i < sizeof spoilings / sizeof *spoilings; i++) {
        const spoiling *how = &spoilings[i];
        skimp_model *spoiled = NULL;
        spoil(model->tensors, how, "spoiled");
        error = (skimp_error)SKIMP_ERROR_INIT;
        skimp_status status = skimp_model_load(&spoiled, NULL, in_temporary("spoiled"), &error);
        if (status == SKIMP_OK) {
            status = try_predict(spoiled, "t.csv", "p", true, &error);
        }
        skimp_model_destroy(spoiled);
        if (status != SKIMP_ERROR_DATA && status != SKIMP_ERROR_PARAM) {
            fail_msg("spoiling %u (%s%s) gave %s: %s", i, how->meta != NULL ? how->meta : how->tensor,
                     how->value != NULL ? how->value : "", skimp_status_name(status), error.message);
        }
        assert_int_equal(access(in_temporary("p"), F_OK), -1);
    }
    /* By place, with no header: places that are nowhere, or twice the same. */
    static const spoiling misplaced[] = {
        { .tensor = "column_places", .dtype = SKIMPI_U32, .n_dims = 1, .shape = { 3 }, .data = places, .bytes = 12 },
        { .tensor = "column_places", .dtype = SKIMPI_U32, .n_dims = 1, .shape = { 3 }, .data = far, .bytes = 12 },
    };
    write_text("bare.csv", "1,2,mon,0\n2,3,tue,1\n");
    write_table("named.csv", (table_options){ .rows = 2, .columns = 2, .classes = 2, .text = true });
    for (unsigned i = 0; i < 2; i++) {
        skimp_model *spoiled = NULL;
        spoil(model->tensors, &misplaced[i], "spoiled");
        error = (skimp_error)SKIMP_ERROR_INIT;
        assert_ok(skimp_model_load(&spoiled, NULL, in_temporary("spoiled"), &error));
        assert_int_equal(try_predict(spoiled, "bare.csv", "p", true, &error), SKIMP_ERROR_DATA);
        predict_file(spoiled, "named.csv", "p", true);
        skimp_model_destroy(spoiled);
    }
    skimp_model_destroy(model);
}

/* Steps that drop and add columns, of numbers and of text: whatever the file says of them, nothing is used unchecked. */
static void refuses_spoiled_steps(void **state)
{
    (void)state;
    static const uint32_t none[] = { 0 }, far[] = { 0, 1, 9 }, twice[] = { 0, 0, 2 }, back[] = { 2, 1, 0 };
    static const uint32_t some[] = { 0, 1 }, dropped[] = { 0, 1, 2, 3, 4, 5 }, all[] = { 0, 1, 3, 4, 5 };
    static const double gone[] = { NAN, 1, NAN }, kept[] = { 1, 1, 1 }, few[] = { 1, 1 };
    static const int64_t features[] = { 0, 2 }, outside[] = { 0, 3 }, disorder[] = { 2, 0 }, more[] = { 0, 1, 2 };
    static const uint8_t known[] = { 0 }, odd[] = { 7 }, two[] = { 1, 1 };
#define ARRAY(name_, type_, n_, data_)                                                                                 \
    {                                                                                                                  \
        .tensor = (name_), .dtype = (type_), .n_dims = 1, .shape = { (n_) }, .data = (data_), .bytes = sizeof(data_)   \
    }
    static const spoiling spoilings[] = {
        { .tensor = "0.simple_imputer.columns" },
        ARRAY("0.simple_imputer.columns", SKIMPI_U32, 3, far),
        ARRAY("0.simple_imputer.columns", SKIMPI_U32, 3, twice),
        ARRAY("0.simple_imputer.columns", SKIMPI_U32, 3, back),
        ARRAY("0.simple_imputer.columns", SKIMPI_U32, 2, some),
        ARRAY("0.simple_imputer.statistics_", SKIMPI_F64, 3, gone),
        ARRAY("0.simple_imputer.statistics_", SKIMPI_F64, 3, kept),
        ARRAY("0.simple_imputer.statistics_", SKIMPI_F64, 2, few),
        ARRAY("0.simple_imputer.statistics_", SKIMPI_U8, 1, known),
        { .tensor = "0.simple_imputer.indicator_.features_" },
        ARRAY("0.simple_imputer.indicator_.features_", SKIMPI_I64, 2, outside),
        ARRAY("0.simple_imputer.indicator_.features_", SKIMPI_I64, 2, disorder),
        ARRAY("0.simple_imputer.indicator_.features_", SKIMPI_I64, 3, more),
        { .tensor = "1.simple_imputer-2.text_columns" },
        ARRAY("1.simple_imputer-2.text_columns", SKIMPI_U32, 2, some),
        ARRAY("1.simple_imputer-2.text_columns", SKIMPI_F64, 2, few),
        { .tensor = "1.simple_imputer-2.statistics_" },
        ARRAY("1.simple_imputer-2.statistics_", SKIMPI_U8, 1, odd),
        ARRAY("1.simple_imputer-2.statistics_", SKIMPI_F64, 2, few),
        { .tensor = "1.simple_imputer-2.statistics_known" },
        ARRAY("1.simple_imputer-2.statistics_known", SKIMPI_U8, 1, known),
        ARRAY("1.simple_imputer-2.statistics_known", SKIMPI_U8, 1, odd),
        ARRAY("1.simple_imputer-2.statistics_known", SKIMPI_U8, 2, two),
        { .tensor = "1.simple_imputer-2.indicator_.features_" },
        ARRAY("1.simple_imputer-2.indicator_.features_", SKIMPI_I64, 2, features),
        ARRAY("2.standard_scaler.columns", SKIMPI_U32, 6, dropped), /* one of them is there no more */
        ARRAY("2.standard_scaler.columns", SKIMPI_U32, 3, far),
        ARRAY("2.standard_scaler.columns", SKIMPI_U32, 1, none),
        ARRAY("2.standard_scaler.text_columns", SKIMPI_U32, 1, none),
        { .meta = "n_features", .value = "12" },
        { .meta = "hash_bits", .value = "3" },
    };
#undef ARRAY
    job_setup setup;
    skimp_error error;
    write_text("t.csv", "a,b,day,e,y\n1,2,mon,,0\n,3,,,1\n2,1,tue,,1\n5,2,wed,,0\n3,3,mon,,1\n");
    begin_setup(&setup, "logistic_regression", "t.csv", "y");
    add_step(&setup, "simple_imputer");
    add_step(&setup, "simple_imputer@text");
    add_step(&setup, "standard_scaler");
    add_param(&setup, "simple_imputer__add_indicator", "true");
    add_param(&setup, "simple_imputer-2__add_indicator", "true");
    add_param(&setup, "simple_imputer-2__strategy", "most_frequent");
    skimp_model *model = fit_setup(&setup);
    assert_memory_equal(find_array(model, "2.standard_scaler.columns")->data, all, sizeof all);
    for (unsigned i = 0; i < sizeof spoilings / sizeof *spoilings; i++) {
        const spoiling *how = &spoilings[i];
        skimp_model *spoiled = NULL;
        spoil(model->tensors, how, "spoiled");
        error = (skimp_error)SKIMP_ERROR_INIT;
        skimp_status status = skimp_model_load(&spoiled, NULL, in_temporary("spoiled"), &error);
        if (status == SKIMP_OK) {
            status = try_predict(spoiled, "t.csv", "p", true, &error);
        }
        skimp_model_destroy(spoiled);
        if (status != SKIMP_ERROR_DATA && status != SKIMP_ERROR_PARAM) {
            fail_msg("spoiling %u (%s) gave %s: %s", i, how->meta != NULL ? how->meta : how->tensor,
                     skimp_status_name(status), error.message);
        }
        assert_int_equal(access(in_temporary("p"), F_OK), -1);
    }
    round_trip(model, "t.csv", true);
}

/* A sparse model that claims to be wider than memory. */
static void refuses_wide_claims(void **state)
{
    (void)state;
    static const char *const claims[] = { "17592186044416",   "17592186044417", "18446744073709551615",
                                          "9007199254740993", "1099511627776",  "21" };
    job_setup setup;
    skimp_error error;
    const char *const estimators[] = { "logistic_regression", "sgd_classifier", "ridge" };
    static const char *const keys[] = { "n_features", "n_features_in", "n_features*" };
    write_svmlight("t.svm", (table_options){ .rows = 200, .columns = 20, .classes = 2 });
    for (unsigned e = 0; e < 3; e++) {
        begin_setup(&setup, estimators[e], "t.svm", NULL);
        add_step(&setup, "max_abs_scaler");
        skimp_model *model = fit_setup(&setup);
        for (unsigned i = 0; i < 3 * sizeof claims / sizeof *claims; i++) {
            skimp_model *spoiled = NULL;
            const spoiling how = { .meta = keys[i % 3], .value = claims[i / 3] };
            spoil(model->tensors, &how, "spoiled");
            assert_int_equal(skimp_model_load(&spoiled, NULL, in_temporary("spoiled"), NULL), SKIMP_OK);
            const skimp_status status = try_predict(spoiled, "t.svm", "p", false, &error);
            assert_true(status == SKIMP_ERROR_DATA || status == SKIMP_ERROR_BUDGET || status == SKIMP_ERROR_PARAM);
            skimp_model_destroy(spoiled);
        }
        skimp_model_destroy(model);
    }
}

static void refuses_other_arrays(void **state)
{
    (void)state;
    skimp_model *model = NULL;
    skimp_error error = SKIMP_ERROR_INIT;
    const skimp_setting meta[] = { { "estimator", "ridge" }, { "skimp_version", "0.1.0" } };
    const double value = 1;
    const skimp_array good = { "coef_", "F64", 1, { 1 }, &value };
    skimp_array bad = good;
    bad.dtype = "BF16";
    assert_int_equal(skimp_model_of_arrays(&model, NULL, meta, 2, &bad, 1, NULL), SKIMP_ERROR_PARAM);
    bad = good;
    bad.n_dims = 5;
    assert_int_equal(skimp_model_of_arrays(&model, NULL, meta, 2, &bad, 1, NULL), SKIMP_ERROR_PARAM);
    bad = good;
    bad.data = NULL;
    assert_int_equal(skimp_model_of_arrays(&model, NULL, meta, 2, &bad, 1, NULL), SKIMP_ERROR_PARAM);
    assert_int_equal(skimp_model_of_arrays(&model, NULL, meta, 1, &good, 1, NULL), SKIMP_ERROR_DATA);
    assert_null(model);
    assert_ok(skimp_model_of_arrays(&model, NULL, meta, 2, &good, 1, &error));
    skimp_model_destroy(model);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

static void refuses_other_files(void **state)
{
    (void)state;
    skimp_model *model = NULL;
    skimp_error error = SKIMP_ERROR_INIT;
    write_text("t.csv", "a,b\n1,2\n");
    assert_int_equal(skimp_model_load(&model, NULL, in_temporary("t.csv"), &error), SKIMP_ERROR_DATA);
    assert_int_equal(skimp_model_load(&model, NULL, in_temporary("nix"), NULL), SKIMP_ERROR_IO);
    write_file("empty", "\x02\0\0\0\0\0\0\0{}", 10);
    assert_int_equal(skimp_model_load(&model, NULL, in_temporary("empty"), NULL), SKIMP_ERROR_DATA);
    assert_null(model);
    assert_int_equal(skimpi_leaked_bytes(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_temporary, remove_temporary)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(round_trips_estimators), TEST(round_trips_steps),   TEST(round_trips_hashes),    TEST(finds_columns),
        TEST(keeps_to_names),         TEST(refuses_missing),     TEST(scores_text_labels),    TEST(writes_labels),
        TEST(outlives_its_job),       TEST(refuses_spoiled),     TEST(refuses_spoiled_steps), TEST(refuses_wide_claims),
        TEST(refuses_other_arrays),   TEST(refuses_other_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
