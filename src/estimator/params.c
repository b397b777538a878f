/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parameter values, checked against their estimator's table.
 *
 * A value is given as text: JSON, else a bare string; None, True, False as in Python; inf and nan in any case.  It is
 * kept as canonical text, which reads back as the same value and goes into a model's metadata:
 *   null · true, false · numbers in the shortest form that reads back, inf, -inf · a choice as it is ·
 *   JSON kind: JSON without white space, but a string that cannot be taken for anything else goes bare (balanced, mean).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/near_name.h"
#include "data/json_value.h"
#include "data/number.h"
#include "estimator/estimator.h"

#define VALUE_LENGTH (1u << 20) /* a class_weight of 65536 classes fits */
#define SHOWN 80                /* bytes of a bad value that a message repeats */

typedef struct value {
    char *text;
    double number;
    bool is_null, is_set;
} value;

struct skimpi_params {
    skimp_budget *budget;
    const skimp_estimator_info *info;
    size_t n;
    value *values;
};

/* ---- reading one value ------------------------------------------------------------------------------------------- */

typedef struct reading {
    const skimp_estimator_info *info;
    const skimp_param *param;
    const char *text; /* as it was given, without white space around it */
    size_t length;
} reading;

static skimp_status refuse(const reading *r, const char *expected, const char *hint, skimp_error *error)
{
    return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: parameter %s must be %s%s, not '%.*s%s'%s", r->info->name,
                       r->param->name, expected, r->param->may_be_null ? " or null" : "",
                       (int)(r->length < SHOWN ? r->length : SHOWN), r->text, r->length > SHOWN ? "…" : "", hint);
}

static bool text_is(const reading *r, const char *word)
{
    return strlen(word) == r->length && memcmp(word, r->text, r->length) == 0;
}

static bool text_is_null(const reading *r)
{
    return text_is(r, "null") || text_is(r, "None");
}

/* The whole text as a number. */
static bool text_number(const reading *r, double *number)
{
    char padded[512 + SKIMPI_NUMBER_PADDING] = { 0 };
    if (r->length == 0 || r->length > 512) {
        return false;
    }
    memcpy(padded, r->text, r->length);
    return skimpi_number_parse(padded, padded + r->length, number) == padded + r->length;
}

static void number_text(double number, char text[40])
{
    if (isinf(number)) {
        strcpy(text, number > 0 ? "inf" : "-inf");
    } else if (isnan(number)) {
        strcpy(text, "nan");
    } else {
        skimpi_number_format(number == 0 ? 0 : number, text);
    }
}

/* "a number ≥ 0", "an integer > 0 and ≤ 9", for messages. */
static const char *expected_number(const skimp_param *p, char text[128])
{
    char low[40], high[40];
    number_text(p->minimum, low);
    number_text(p->maximum, high);
    const char *noun = p->type == SKIMP_PARAM_INT ? "an integer" : "a number";
    bool has_range = p->minimum != 0 || p->maximum != 0;
    bool has_low = has_range && p->minimum > -INFINITY, has_high = has_range && p->maximum < 1e300;
    if (has_low && has_high) {
        snprintf(text, 128, "%s %s %s and ≤ %s", noun, p->minimum_is_open ? ">" : "≥", low, high);
    } else if (has_low) {
        snprintf(text, 128, "%s %s %s", noun, p->minimum_is_open ? ">" : "≥", low);
    } else if (has_high) {
        snprintf(text, 128, "%s ≤ %s", noun, high);
    } else {
        snprintf(text, 128, "%s", noun);
    }
    return text;
}

static skimp_status read_number(const reading *r, double *number, char text[40], skimp_error *error)
{
    const skimp_param *p = r->param;
    char expected[128];
    bool has_range = p->minimum != 0 || p->maximum != 0;
    bool good = text_number(r, number) && !isnan(*number);
    if (good && p->type == SKIMP_PARAM_INT) {
        good = *number == floor(*number) && fabs(*number) <= 0x1p53;
    }
    if (good && has_range) {
        good = *number <= p->maximum && (p->minimum_is_open ? *number > p->minimum : *number >= p->minimum);
    }
    if (!good) {
        return refuse(r, expected_number(p, expected), "", error);
    }
    number_text(*number, text);
    return SKIMP_OK;
}

static skimp_status read_bool(const reading *r, double *number, char text[40], skimp_error *error)
{
    bool yes = text_is(r, "true") || text_is(r, "True") || text_is(r, "1");
    bool no = text_is(r, "false") || text_is(r, "False") || text_is(r, "0");
    if (!yes && !no) {
        return refuse(r, "true or false", "", error);
    }
    *number = yes ? 1 : 0;
    strcpy(text, yes ? "true" : "false");
    return SKIMP_OK;
}

/* A choice may be given as a JSON string too. */
static skimp_status read_choice(const reading *r, skimpi_buffer *text, skimp_error *error)
{
    reading bare = *r;
    skimpi_json json;
    if (r->length >= 2 && r->text[0] == '"' && skimpi_json_check(r->text, r->length, &json, NULL)) {
        bare.text++;
        bare.length -= 2;
    }
    skimpi_near_names near;
    skimpi_near_names_begin(&near, bare.text, bare.length);
    for (const char *choice = r->param->choices; choice != NULL;) {
        size_t n = strcspn(choice, "|");
        if (n == bare.length && memcmp(choice, bare.text, n) == 0) {
            return skimpi_buffer_append(text, choice, n, error);
        }
        skimpi_near_names_offer(&near, choice, n);
        choice = choice[n] == '|' ? choice + n + 1 : NULL;
    }
    char expected[512] = "one of ", hint[SKIMPI_NEAR_TEXT];
    size_t used = strlen(expected);
    for (const char *p = r->param->choices; *p != '\0' && used + 3 < sizeof(expected); p++) {
        expected[used++] = *p == '|' ? ',' : *p;
        if (*p == '|') {
            expected[used++] = ' ';
        }
    }
    expected[used] = '\0';
    return refuse(&bare, expected, skimpi_near_names_text(&near, hint), error);
}

/* Would these bytes, given bare, be read back as this string? */
static bool can_go_bare(const reading *r, const char *bytes, size_t length)
{
    reading bare = { .info = r->info, .param = r->param, .text = bytes, .length = length };
    double number;
    skimpi_json json;
    if (length == 0 || length > 64 || strchr("{[\" \t\n\r", bytes[0]) != NULL ||
        strchr(" \t\n\r", bytes[length - 1]) != NULL) {
        return false;
    }
    return !text_is_null(&bare) && !text_is(&bare, "True") && !text_is(&bare, "False") &&
           !text_number(&bare, &number) && !skimpi_json_check(bytes, length, &json, NULL);
}

static skimp_status append_quoted(skimpi_buffer *text, const char *bytes, size_t length, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimpi_buffer_append(text, "\"", 1, error));
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 0x20) {
            SKIMPI_TRY(skimpi_buffer_printf(text, error, "\\u%04x", c));
        } else {
            if (c == '"' || c == '\\') {
                SKIMPI_TRY(skimpi_buffer_append(text, "\\", 1, error));
            }
            SKIMPI_TRY(skimpi_buffer_append(text, bytes + i, 1, error));
        }
    }
    SKIMPI_TRY(skimpi_buffer_append(text, "\"", 1, error));
out:
    return status;
}

static skimp_status read_json(const reading *r, value *into, skimpi_buffer *text, skimp_error *error)
{
    char spelled[64];
    double number;
    skimpi_json json;
    size_t bad_at = 0;
    if (text_is(r, "True") || text_is(r, "False")) {
        into->number = text_is(r, "True") ? 1 : 0;
        return skimpi_buffer_printf(text, error, "%s", into->number != 0 ? "true" : "false");
    }
    if (text_number(r, &number)) {
        into->number = number;
        number_text(number, spelled);
        return skimpi_buffer_printf(text, error, "%s",
                                    isnan(number)   ? "NaN"
                                    : isinf(number) ? (number > 0 ? "Infinity" : "-Infinity")
                                                    : spelled);
    }
    if (!skimpi_json_check(r->text, r->length, &json, &bad_at)) {
        if (r->length != 0 && strchr("{[\"", r->text[0]) != NULL) {
            char hint[64];
            snprintf(hint, sizeof(hint), " (it goes wrong at character %zu)", bad_at + 1);
            return refuse(r, "valid JSON", hint, error);
        }
        return can_go_bare(r, r->text, r->length) ? skimpi_buffer_append(text, r->text, r->length, error)
                                                  : append_quoted(text, r->text, r->length, error);
    }
    if (skimpi_json_kind_of(json) == SKIMPI_JSON_STRING) {
        size_t n = skimpi_json_string(json, spelled, sizeof(spelled));
        if (n < sizeof(spelled) && can_go_bare(r, spelled, n)) {
            return skimpi_buffer_append(text, spelled, n, error);
        }
    }
    into->number = skimpi_json_kind_of(json) == SKIMPI_JSON_BOOL ? (skimpi_json_true(json) ? 1 : 0) : NAN;
    skimp_status status = skimpi_buffer_reserve(text, json.length, error);
    if (status == SKIMP_OK) {
        text->length = skimpi_json_compact(json, text->data);
    }
    return status;
}

/* Reads `given` as a value of the parameter; into->text is new and is the caller's. */
static skimp_status read_value(const skimpi_params *params, const skimp_param *param, const char *given, value *into,
                               skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char text[40] = "";
    skimpi_buffer longer;
    skimpi_buffer_init(&longer, params->budget, SKIMP_TAG_OTHER);
    reading r = { .info = params->info, .param = param, .text = given, .length = strlen(given) };
    while (r.length != 0 && strchr(" \t\n\r", r.text[0]) != NULL) {
        r.text++;
        r.length--;
    }
    while (r.length != 0 && strchr(" \t\n\r", r.text[r.length - 1]) != NULL) {
        r.length--;
    }
    if (r.length > VALUE_LENGTH) {
        status =
            skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: parameter %s: a value of %zu bytes is too long (at most %u)",
                        r.info->name, param->name, r.length, VALUE_LENGTH);
        goto out;
    }
    if (!skimpi_utf8_is_valid(r.text, r.length)) {
        status = skimpi_fail(error, SKIMP_ERROR_PARAM, "%s: parameter %s: the value is not valid UTF-8", r.info->name,
                             param->name);
        goto out;
    }
    into->number = NAN;
    if (text_is_null(&r) && param->may_be_null) {
        into->is_null = true;
        strcpy(text, "null");
    } else if (param->type == SKIMP_PARAM_BOOL) {
        SKIMPI_TRY(read_bool(&r, &into->number, text, error));
    } else if (param->type == SKIMP_PARAM_INT || param->type == SKIMP_PARAM_FLOAT) {
        SKIMPI_TRY(read_number(&r, &into->number, text, error));
    } else if (param->type == SKIMP_PARAM_CHOICE) {
        SKIMPI_TRY(read_choice(&r, &longer, error));
    } else if (text_is_null(&r)) {
        SKIMPI_TRY(refuse(&r, "a value", "", error));
    } else {
        SKIMPI_TRY(read_json(&r, into, &longer, error));
    }
    bool is_short = longer.data == NULL;
    SKIMPI_TRY(skimpi_string_copy(params->budget, SKIMP_TAG_OTHER, is_short ? text : longer.data,
                                  is_short ? strlen(text) : longer.length, &into->text, error));
out:
    skimpi_buffer_free(&longer);
    return status;
}

/* ---- the set of them --------------------------------------------------------------------------------------------- */

static size_t find(const skimp_estimator_info *info, const char *name)
{
    size_t i = 0;
    while (info->params[i].name != NULL && strcmp(info->params[i].name, name) != 0) {
        i++;
    }
    return i;
}

skimp_status skimpi_params_create(skimpi_params **out, skimp_budget *budget, const skimp_estimator_info *info,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_params *params = NULL;
    *out = NULL;
    void *block;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, 1, sizeof(*params), &block, error));
    params = block;
    params->budget = budget;
    params->info = info;
    size_t n = 0;
    while (info->params[n].name != NULL) {
        n++;
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n, sizeof(value), &block, error));
    params->values = block;
    params->n = n;
    for (size_t i = 0; i < n; i++) {
        SKIMPI_TRY(read_value(params, &info->params[i], info->params[i].default_value, &params->values[i], error));
    }
    *out = params;
    params = NULL;
out:
    skimpi_params_destroy(params);
    return status;
}

void skimpi_params_destroy(skimpi_params *params)
{
    if (params == NULL) {
        return;
    }
    for (size_t i = 0; i < params->n; i++) {
        skimpi_string_free(params->budget, SKIMP_TAG_OTHER, params->values[i].text);
    }
    skimp_free(params->budget, SKIMP_TAG_OTHER, params->values, params->n, sizeof(value));
    skimp_free(params->budget, SKIMP_TAG_OTHER, params, 1, sizeof(*params));
}

static skimp_status refuse_name(const skimp_estimator_info *info, const char *name, skimp_error *error)
{
    skimpi_near_names near;
    char hint[SKIMPI_NEAR_TEXT], all[640] = "";
    size_t used = 0;
    skimpi_near_names_begin(&near, name, strlen(name));
    for (const skimp_param *p = info->params; p->name != NULL; p++) {
        skimpi_near_names_offer(&near, p->name, strlen(p->name));
        if (used + strlen(p->name) + 3 < sizeof(all)) {
            used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used == 0 ? "" : ", ", p->name);
        }
    }
    if (near.n == 0) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s has no parameter '%.80s'; it has %s", info->name, name,
                           used != 0 ? all : "none");
    }
    return skimpi_fail(error, SKIMP_ERROR_PARAM, "%s has no parameter '%.80s'%s", info->name, name,
                       skimpi_near_names_text(&near, hint));
}

skimp_status skimpi_params_set(skimpi_params *params, const char *name, const char *given, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    value new_value = { 0 }, default_value = { 0 };
    size_t i = find(params->info, name);
    if (i == params->n) {
        return refuse_name(params->info, name, error);
    }
    const skimp_param *param = &params->info->params[i];
    SKIMPI_TRY(read_value(params, param, given, &new_value, error));
    SKIMPI_TRY(read_value(params, param, param->default_value, &default_value, error));
    new_value.is_set = strcmp(new_value.text, default_value.text) != 0;
    skimpi_string_free(params->budget, SKIMP_TAG_OTHER, params->values[i].text);
    params->values[i] = new_value;
    new_value.text = NULL;
out:
    skimpi_string_free(params->budget, SKIMP_TAG_OTHER, new_value.text);
    skimpi_string_free(params->budget, SKIMP_TAG_OTHER, default_value.text);
    return status;
}

bool skimpi_params_is_null(const skimpi_params *params, const char *name)
{
    size_t i = find(params->info, name);
    return i == params->n || params->values[i].is_null;
}

bool skimpi_params_is_set(const skimpi_params *params, const char *name)
{
    size_t i = find(params->info, name);
    return i < params->n && params->values[i].is_set;
}

double skimpi_params_number(const skimpi_params *params, const char *name)
{
    size_t i = find(params->info, name);
    return i < params->n ? params->values[i].number : NAN;
}

const char *skimpi_params_text(const skimpi_params *params, const char *name)
{
    size_t i = find(params->info, name);
    return i < params->n ? params->values[i].text : "null";
}

const skimp_estimator_info *skimpi_params_info(const skimpi_params *params)
{
    return params->info;
}
