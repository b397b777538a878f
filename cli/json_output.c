/* SPDX-License-Identifier: BSD-3-Clause */
/* The objects that --json prints. Their keys are an interface: they are added to, never renamed. */
#include "json_output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

json_t *json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_count(uint64_t value)
{
    return json_integer(value <= INT64_MAX ? (json_int_t)value : INT64_MAX);
}

/* Length of the UTF-8 sequence at s, or 0 when it is none. */
static size_t sequence_length(const unsigned char *s)
{
    const size_t n = s[0] < 0x80                   ? 1
                     : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                     : (s[0] & 0xf0) == 0xe0       ? 3
                     : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                   : 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] >= 0x90)) {
        return 0; /* overlong, a surrogate, beyond U+10FFFF */
    }
    return n;
}

json_t *json_text(const char *text)
{
    if (text == NULL) {
        return json_null();
    }
    json_t *value = json_string(text);
    if (value != NULL) {
        return value;
    }
    char *copy = malloc(3 * strlen(text) + 1), *to = copy;
    if (copy == NULL) {
        return json_null();
    }
    for (const unsigned char *s = (const unsigned char *)text; *s != '\0';) {
        const size_t n = sequence_length(s);
        memcpy(to, n > 0 ? (const char *)s : "\xef\xbf\xbd", n > 0 ? n : 3);
        to += n > 0 ? n : 3;
        s += n > 0 ? n : 1;
    }
    *to = '\0';
    value = json_string(copy);
    free(copy);
    return value;
}

void json_set(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) {
        json_object_set_new(object, key, json_null());
    }
}

/* Null where the field is unknown, which is 0 or empty in the record. */
static json_t *known_count(uint64_t value)
{
    return value > 0 ? json_count(value) : json_null();
}

static json_t *known_text(const char *text)
{
    return text[0] != '\0' ? json_text(text) : json_null();
}

json_t *json_error(const skimp_error *error)
{
    json_t *record = json_object(), *object = json_object();
    const bool is_memory = error->code == SKIMP_ERROR_BUDGET || error->code == SKIMP_ERROR_NOMEM;
    json_set(record, "code", json_text(skimp_status_name(error->code)));
    json_set(record, "message", json_text(error->message));
    json_set(record, "requested", known_count(error->requested));
    json_set(record, "in_use", is_memory && error->limit > 0 ? json_count(error->in_use) : json_null());
    json_set(record, "limit", known_count(error->limit));
    json_set(record, "minimum_bytes", known_count(error->minimum_bytes));
    json_set(record, "file", known_text(error->file));
    json_set(record, "row", known_count(error->row));
    json_set(record, "column", known_text(error->column));
    json_set(object, "error", record);
    return object;
}

json_t *json_memory(const uint64_t memory[SKIMP_TAG_COUNT])
{
    json_t *list = json_array();
    for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
        json_t *entry = json_object();
        json_set(entry, "tag", json_text(skimp_tag_name((skimp_tag)tag)));
        json_set(entry, "peak_bytes", json_count(memory[tag]));
        json_array_append_new(list, entry);
    }
    return list;
}

json_t *json_plan(const skimp_plan *plan)
{
    json_t *object = json_object(), *assumed = json_object();
    for (size_t i = 0; i < plan->n_assumed; i++) {
        const double value = plan->assumed[i].value;
        json_set(assumed, plan->assumed[i].name,
                 value == floor(value) && fabs(value) < 0x1p53 ? json_integer((json_int_t)value) : json_number(value));
    }
    json_set(object, "exact", json_boolean(plan->exact));
    json_set(object, "assumed", assumed);
    json_set(object, "budget_bytes", known_count(plan->budget_bytes));
    json_set(object, "peak_bytes", json_count(plan->peak_bytes));
    json_set(object, "minimum_bytes", json_count(plan->minimum_bytes));
    json_set(object, "memory", json_memory(plan->memory));
    json_set(object, "disk_bytes", json_count(plan->disk_bytes));
    json_set(object, "passes_expected", json_number(plan->passes_expected));
    json_set(object, "passes_max", json_number(plan->passes_max));
    json_set(object, "seconds", json_number(plan->seconds));
    json_set(object, "chunk_rows", json_count(plan->chunk_rows));
    json_set(object, "store", json_text(plan->store));
    json_set(object, "threads", json_count(plan->threads));
    json_set(object, "rows", json_count(plan->rows));
    json_set(object, "features", json_count(plan->features));
    json_set(object, "nonzeros", json_count(plan->nonzeros));
    return object;
}

json_t *json_actual(const skimp_report *report)
{
    json_t *object = json_object();
    json_set(object, "peak_bytes", json_count(peak_now(report)));
    json_set(object, "charged_peak_bytes", json_count(report->charged_peak_bytes));
    json_set(object, "disk_bytes", json_count(report->disk_bytes));
    json_set(object, "passes", json_number(report->passes));
    return object;
}

json_t *json_warnings(const skimp_job *job, const skimp_report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->n_warnings; i++) {
        json_array_append_new(list, json_text(skimp_job_warning(job, i)));
    }
    return list;
}

json_t *json_metrics(const skimp_report *report)
{
    json_t *object = json_object();
    for (size_t i = 0; i < report->n_metrics; i++) {
        json_set(object, report->metrics[i].name, json_number(report->metrics[i].value));
    }
    return object;
}

void json_set_report(json_t *object, const skimp_job *job, const skimp_report *report)
{
    json_set(object, "rows", json_count(report->rows));
    json_set(object, "rows_bad", json_count(report->rows_bad));
    json_set(object, "first_bad_row", known_count(report->first_bad_row));
    json_set(object, "rows_missing", json_count(report->rows_missing));
    json_set(object, "features", json_count(report->features));
    json_set(object, "nonzeros", json_count(report->nonzeros));
    json_set(object, "threads", json_count(report->threads));
    json_set(object, "seconds", json_number(report->seconds));
    json_set(object, "warnings", json_warnings(job, report));
    json_set(object, "actual", json_actual(report));
    json_set(object, "memory", json_memory(report->memory));
}

static json_t *json_limit(const skimp_param *param, double value)
{
    const bool has_range = param->minimum != 0 || param->maximum != 0;
    return has_range ? json_number(value) : json_null();
}

json_t *json_estimator(const skimp_estimator_info *info)
{
    static const char *const kinds[] = {
        [SKIMP_CLASSIFIER] = "classifier", [SKIMP_REGRESSOR] = "regressor", [SKIMP_TRANSFORMER] = "transformer"
    };
    static const char *const types[] = { [SKIMP_PARAM_BOOL] = "bool",
                                         [SKIMP_PARAM_INT] = "int",
                                         [SKIMP_PARAM_FLOAT] = "float",
                                         [SKIMP_PARAM_CHOICE] = "choice",
                                         [SKIMP_PARAM_JSON] = "json" };
    json_t *object = json_object(), *params = json_array();
    json_set(object, "name", json_text(info->name));
    json_set(object, "class_name", json_text(info->class_name));
    json_set(object, "module", json_text(info->module));
    json_set(object, "kind", json_text(kinds[info->kind]));
    json_set(object, "help", json_text(info->help));
    for (const skimp_param *param = info->params; param->name != NULL; param++) {
        json_t *entry = json_object(), *choices = json_array();
        for (const char *at = param->choices; at != NULL && *at != '\0';) {
            const size_t n = strcspn(at, "|");
            json_array_append_new(choices, json_stringn(at, n));
            at += n + (at[n] == '|');
        }
        const bool has_choices = json_array_size(choices) > 0;
        json_set(entry, "name", json_text(param->name));
        json_set(entry, "type", json_text(types[param->type]));
        json_set(entry, "default", json_text(param->default_value));
        json_set(entry, "may_be_null", json_boolean(param->may_be_null));
        json_set(entry, "minimum", json_limit(param, param->minimum));
        json_set(entry, "minimum_is_open", json_boolean(param->minimum_is_open));
        json_set(entry, "maximum", json_limit(param, param->maximum));
        json_set(entry, "choices", has_choices ? json_incref(choices) : json_null());
        json_set(entry, "help", json_text(param->help));
        json_decref(choices);
        json_array_append_new(params, entry);
    }
    json_set(object, "params", params);
    return object;
}

void json_print(json_t *object)
{
    if (json_dumpf(object, stdout, JSON_COMPACT) == 0) {
        fputc('\n', stdout);
    }
    json_decref(object);
}
