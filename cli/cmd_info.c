/* SPDX-License-Identifier: BSD-3-Clause */
/* skimp info: what is in a model, a chunk store or a data file. */
#include <string.h>

#include "command.h"
#include "json_output.h"
#include "text_output.h"

/* ---- models ---------------------------------------------------------------------------------------------------------- */

static bool is_json_key(const char *key)
{
    return strcmp(key, "params") == 0 || strcmp(key, "steps") == 0 || strcmp(key, "feature_names") == 0;
}

/* What is JSON itself is given as such. */
static json_t *metadata_value(const char *key, const char *value)
{
    json_t *parsed = is_json_key(key) ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    return parsed != NULL ? parsed : json_text(value);
}

static json_t *shape_json(const skimp_array *array)
{
    json_t *shape = json_array();
    for (unsigned d = 0; d < array->n_dims; d++) {
        json_array_append_new(shape, json_count(array->shape[d]));
    }
    return shape;
}

static void print_model_json(const char *path, const skimp_model *model)
{
    json_t *object = json_object(), *metadata = json_object(), *arrays = json_array();
    const char *key = NULL, *value = NULL;
    skimp_array array;
    for (size_t i = 0; skimp_model_meta(model, i, &key, &value); i++) {
        json_set(metadata, key, metadata_value(key, value));
    }
    for (size_t i = 0; skimp_model_array(model, i, &array); i++) {
        json_t *entry = json_object();
        json_set(entry, "name", json_text(array.name));
        json_set(entry, "dtype", json_text(array.dtype));
        json_set(entry, "shape", shape_json(&array));
        json_array_append_new(arrays, entry);
    }
    json_set(object, "kind", json_text("model"));
    json_set(object, "file", json_text(path));
    json_set(object, "estimator", json_text(skimp_model_estimator(model)));
    json_set(object, "bytes", json_count(skimp_model_bytes(model)));
    json_set(object, "metadata", metadata);
    json_set(object, "arrays", arrays);
    json_print(object);
}

static void print_model_text(const char *path, const skimp_model *model, bool verbose)
{
    const char *key = NULL, *value = NULL;
    skimp_array array;
    fprintf(stderr, "%s: model of %s, %.1f MiB in memory\n", path, skimp_model_estimator(model),
            (double)skimp_model_bytes(model) / (1 << 20));
    for (size_t i = 0; skimp_model_meta(model, i, &key, &value); i++) {
        const bool cut = !verbose && strlen(value) > 400;
        fprintf(stderr, "  %-20s%.*s%s\n", key, cut ? 400 : -1, value, cut ? "… (-v for all)" : "");
    }
    fputs("arrays\n", stderr);
    for (size_t i = 0; skimp_model_array(model, i, &array); i++) {
        fprintf(stderr, "  %-44s%-5s", array.name, array.dtype);
        for (unsigned d = 0; d < array.n_dims; d++) {
            fprintf(stderr, "%s%llu", d > 0 ? " x " : "", (unsigned long long)array.shape[d]);
        }
        fputc('\n', stderr);
    }
}

static skimp_status show_model(const settings *s, const char *path, skimp_error *error)
{
    skimp_model *model = NULL;
    const skimp_status status = skimp_model_load(&model, NULL, path, error);
    if (status != SKIMP_OK) {
        return status;
    }
    if (s->json) {
        print_model_json(path, model);
    } else {
        print_model_text(path, model, s->verbose);
    }
    skimp_model_destroy(model);
    return SKIMP_OK;
}

/* ---- data ------------------------------------------------------------------------------------------------------------- */

static void print_data_json(const settings *s, const char *kind, const skimp_job *job, const skimp_plan *plan)
{
    json_t *object = json_object(), *columns = json_array();
    skimp_column_info column;
    for (size_t i = 0; skimp_job_column(job, i, &column); i++) {
        json_t *entry = json_object();
        json_set(entry, "name", json_text(column.name));
        json_set(entry, "type", json_text(column.type));
        json_set(entry, "role", json_text(column.role));
        json_set(entry, "categories", strcmp(column.type, "text") == 0 ? json_count(column.categories) : json_null());
        json_array_append_new(columns, entry);
    }
    json_set(object, "kind", json_text(kind));
    json_set(object, "file", json_text(s->operands.items[0]));
    json_set(object, "format", json_text(skimp_job_format(job)));
    json_set(object, "exact", json_boolean(plan->exact));
    json_set(object, "rows", json_count(plan->rows));
    json_set(object, "features", json_count(plan->features));
    json_set(object, "nonzeros", json_count(plan->nonzeros));
    json_set(object, "columns", columns);
    json_print(object);
}

static void print_data_text(const settings *s, const skimp_job *job, const skimp_plan *plan)
{
    char rows[32], features[32], categories[32];
    skimp_column_info column;
    fprintf(stderr, "%s%s: %s, %s%s rows, %s features after encoding\n", s->operands.items[0],
            s->operands.n > 1 ? " and more" : "", skimp_job_format(job), plan->exact ? "" : "about ",
            text_count(plan->rows, rows), text_count(plan->features, features));
    if (plan->nonzeros > 0) {
        fprintf(stderr, "%s non-zeros\n", text_count(plan->nonzeros, rows));
    }
    for (size_t i = 0; skimp_job_column(job, i, &column); i++) {
        if (strcmp(column.type, "sparse") == 0) {
            continue;
        }
        fprintf(stderr, "  %-40s %-8s%-8s", column.name, column.type,
                strcmp(column.role, "feature") == 0 ? "" : column.role);
        if (strcmp(column.type, "text") == 0) {
            fprintf(stderr, "%s categories", text_count(column.categories, categories));
        }
        fputc('\n', stderr);
    }
}

static skimp_status show_data(const settings *s, const char *kind, skimp_error *error)
{
    skimp_job *job = NULL;
    const skimp_plan *plan = NULL;
    const skimp_job_options options = job_options(s, 0, NULL);
    skimp_status status = skimp_job_create(&job, &options, error);
    if (status == SKIMP_OK) {
        status = skimp_job_plan(job, &plan, error);
    }
    if (status == SKIMP_OK) {
        if (s->json) {
            print_data_json(s, kind, job, plan);
        } else {
            print_data_text(s, job, plan);
        }
    }
    skimp_job_destroy(job);
    return status;
}

int command_info(const settings *s)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_file_kind kind = SKIMP_FILE_DATA;
    const char *path = s->operands.items[0];
    skimp_status status = skimp_file_recognise(path, &kind, &error);
    if (status == SKIMP_OK && kind != SKIMP_FILE_DATA && s->operands.n > 1) {
        status = fail(&error, SKIMP_ERROR_PARAM, "'%s' is no data file, but a file of its own: give it alone", path);
    }
    if (status == SKIMP_OK) {
        switch (kind) {
        case SKIMP_FILE_MODEL:
            status = show_model(s, path, &error);
            break;
        case SKIMP_FILE_CHECKPOINT:
            if (s->json) {
                json_t *object = json_object();
                json_set(object, "kind", json_text("checkpoint"));
                json_set(object, "file", json_text(path));
                json_print(object);
            } else {
                fprintf(stderr, "%s: checkpoint of a fit: the same `skimp fit` with --checkpoint continues it\n", path);
            }
            break;
        case SKIMP_FILE_STORE:
        case SKIMP_FILE_DATA:
            status = show_data(s, kind == SKIMP_FILE_STORE ? "store" : "data", &error);
            break;
        }
    }
    return status != SKIMP_OK ? report_failure(s->json, &error) : finish_output();
}
