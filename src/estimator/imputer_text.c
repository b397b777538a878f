/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * simple_imputer on text: missing values of a text column become its most frequent text (of several, the first in order),
 * or a constant.
 *
 * Chunks hold codes, ascending as the texts do.  The fit counts them; the engine changes them, as `recode` tells it to, and
 * has the categories follow.  A column without any text goes no further, unless keep_empty_features: it then becomes the
 * constant, or "0", as in scikit-learn.
 */
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "data/json_value.h"
#include "estimator/simple_imputer.h"

#define DEFAULT_FILL "missing_value"
#define EMPTY_FILL "0"

/* A lane: rows, then for each column the missing ones, then its counts of codes (most_frequent). */
static uint64_t column_counts(const skimpi_problem *problem, const imputer_settings *s, uint64_t k)
{
    return s->shape.strategy == IMPUTE_MOST_FREQUENT ? problem->code_sizes[k] : 0;
}

static uint64_t lane_counts(const skimpi_problem *problem, const imputer_settings *s)
{
    uint64_t n = 1 + problem->n_code_columns;
    for (uint64_t k = 0; k < problem->n_code_columns; k++) {
        n += column_counts(problem, s, k);
    }
    return n;
}

/*
 * A parameter's value as a text: as it was given, but that JSON strings are read.  Returns its length; writes at most
 * `size` bytes, the end included.
 */
static size_t read_text(const char *value, char *out, size_t size)
{
    skimpi_json json;
    if (skimpi_json_check(value, strlen(value), &json, NULL) && skimpi_json_kind_of(json) == SKIMPI_JSON_STRING) {
        return skimpi_json_string(json, out, size);
    }
    const size_t length = strlen(value);
    for (size_t i = 0; i < length && i + 1 < size; i++) {
        out[i] = value[i];
    }
    if (size > 0) {
        out[length < size - 1 ? length : size - 1] = '\0';
    }
    return length;
}

static skimp_status copy_text(skimp_budget *budget, const char *value, char **out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const size_t length = read_text(value, NULL, 0);
    /* No shorter than what is read of it, which then takes its place. */
    SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_STATISTICS, value, length, out, error));
    read_text(value, *out, length + 1);
out:
    return status;
}

static bool is_given(const skimpi_params *params, const char *name)
{
    return !skimpi_params_is_null(params, name);
}

skimp_status imputer_text_settings(const skimpi_problem *problem, const skimpi_params *params, imputer_settings *out,
                                   skimp_error *error)
{
    const imputer_strategy strategy = out->shape.strategy;
    out->missing_text =
        skimpi_params_is_set(params, "missing_values") ? skimpi_params_text(params, "missing_values") : NULL;
    out->fill_text = is_given(params, "fill_value") ? skimpi_params_text(params, "fill_value") : DEFAULT_FILL;
    if (strategy == IMPUTE_MEAN || strategy == IMPUTE_MEDIAN) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "simple_imputer: strategy %s is of numbers: text columns want most_frequent or constant",
                           skimpi_params_text(params, "strategy"));
    }
    if (problem->hash_bits > 0 && strategy == IMPUTE_MOST_FREQUENT) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "simple_imputer: which text is most frequent is not known where texts are hashed "
                           "(--hash-bits): use strategy constant");
    }
    if (problem->hash_bits > 0 && out->missing_text != NULL) {
        return skimpi_fail(error, SKIMP_ERROR_PARAM,
                           "simple_imputer: missing_values must be NaN where texts are hashed (--hash-bits), not %s",
                           out->missing_text);
    }
    return SKIMP_OK;
}

void imputer_text_plan(const skimpi_problem *problem, const imputer_settings *s, skimpi_needs *needs)
{
    const uint64_t n = problem->n_code_columns, lane = skimpi_mul_sat(lane_counts(problem, s), sizeof(uint64_t));
    const uint64_t fill = read_text(s->fill_text, NULL, 0) + 1;
    const uint64_t missing = s->missing_text != NULL ? read_text(s->missing_text, NULL, 0) + 1 : 0;
    needs->lanes = skimpi_transformer_lanes(lane);
    needs->lane_bytes = lane;
    /* Statistics are texts of the data, or the constant: of ordinary length; and of each of them there is one. */
    needs->state_bytes += skimp_alloc_cost(missing) + skimp_alloc_cost(n * sizeof(char *)) +
                          skimp_alloc_cost(n * sizeof(uint64_t)) + skimp_alloc_cost(n * sizeof(uint32_t)) +
                          skimpi_mul_sat(n, skimp_alloc_cost(skimpi_max_u64(fill, IMPUTER_TEXT_LENGTH)));
    needs->model_bytes = skimpi_mul_sat(n, skimpi_max_u64(fill, IMPUTER_TEXT_LENGTH) + 1);
    needs->passes_expected = needs->passes_max = 1;
    needs->seconds_per_pass = 2e-9 * (double)problem->n_rows * (double)n;
    /* Most frequent texts are there already, but for that of a column that has none. */
    needs->new_texts = s->shape.strategy == IMPUTE_CONSTANT;
    needs->new_texts_anywhere = s->missing_text != NULL;
    needs->new_text_bytes = missing + skimpi_max_u64(fill, sizeof EMPTY_FILL);
}

/* ---- fitting ----------------------------------------------------------------------------------------------------------- */

void imputer_text_destroy(imputer_text *text, skimp_budget *budget)
{
    const uint64_t n = text->n;
    skimpi_string_free(budget, SKIMP_TAG_STATISTICS, text->missing);
    for (uint64_t k = 0; text->fills != NULL && k < n; k++) {
        skimpi_string_free(budget, SKIMP_TAG_STATISTICS, text->fills[k]);
    }
    skimp_free(budget, SKIMP_TAG_STATISTICS, text->fills, n, sizeof *text->fills);
    skimp_free(budget, SKIMP_TAG_STATISTICS, text->places, n, sizeof *text->places);
    skimp_free(budget, SKIMP_TAG_STATISTICS, text->missing_codes, n, sizeof *text->missing_codes);
    *text = (imputer_text){ 0 };
}

skimp_status imputer_text_create(imputer_text *text, skimp_budget *budget, const skimpi_problem *problem,
                                 const imputer_settings *s, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t n = problem->n_code_columns;
    text->n = n;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STATISTICS, n, sizeof *text->fills, (void **)&text->fills, error));
    if (s->missing_text != NULL) {
        SKIMPI_TRY(copy_text(budget, s->missing_text, &text->missing, error));
    }
out:
    return status;
}

skimp_status imputer_text_begin(imputer_text *text, skimp_budget *budget, const skimpi_problem *problem,
                                const imputer_settings *s, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t n = problem->n_code_columns;
    uint64_t place = 1 + n;
    text->texts = problem->texts;
    text->fill = s->fill_text;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STATISTICS, n, sizeof *text->places, (void **)&text->places, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_STATISTICS, n, sizeof *text->missing_codes, (void **)&text->missing_codes,
                           error));
    for (uint64_t k = 0; k < n; k++) {
        text->places[k] = place;
        place += column_counts(problem, s, k);
        text->missing_codes[k] = text->missing != NULL && problem->texts != NULL
                                     ? problem->texts->code(problem->texts, (uint32_t)k, text->missing)
                                     : SKIMPI_CODE_MISSING;
    }
    text->lane_end = place;
out:
    return status;
}

static uint64_t counts_end(const imputer_text *text, uint64_t k)
{
    return k + 1 < text->n ? text->places[k + 1] : text->lane_end;
}

skimp_status imputer_text_consume(const imputer_text *text, const skimpi_chunk *chunk, const char *const *names,
                                  uint64_t *lane, skimp_error *error)
{
    lane[0] += chunk->n_rows;
    for (uint32_t k = 0; k < chunk->n_codes; k++) {
        const uint32_t *codes = chunk->codes[k].codes, missing = text->missing_codes[k];
        uint64_t n_missing = 0, *counts = lane + text->places[k];
        const uint64_t n_counts = counts_end(text, k) - text->places[k];
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            if (codes[i] == missing) {
                n_missing++;
            } else if (codes[i] < n_counts) {
                counts[codes[i]]++;
            } else if (codes[i] == SKIMPI_CODE_MISSING) {
                return skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, names != NULL ? names[k] : NULL,
                                      "values are missing, but simple_imputer's missing_values is '%.100s'",
                                      text->missing);
            }
        }
        lane[1 + k] += n_missing;
    }
    return SKIMP_OK;
}

void imputer_text_merge(const imputer_text *text, uint64_t *into, const uint64_t *from)
{
    for (uint64_t i = 0; i < text->lane_end; i++) {
        into[i] += from[i];
    }
}

/* The most frequent code of a column that has one; of several, the first. */
static uint32_t most_frequent(const uint64_t *counts, uint64_t n)
{
    uint64_t best = 0;
    for (uint64_t code = 1; code < n; code++) {
        best = counts[code] > counts[best] ? code : best;
    }
    return (uint32_t)best;
}

skimp_status imputer_text_end(imputer_text *text, skimp_budget *budget, const imputer_shape *shape, bool keep_empty,
                              const uint64_t *lane, double *n_missing, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint64_t k = 0; k < text->n; k++) {
        const bool is_empty = lane[1 + k] == lane[0];
        n_missing[k] = (double)lane[1 + k];
        skimpi_string_free(budget, SKIMP_TAG_STATISTICS, text->fills[k]);
        text->fills[k] = NULL;
        if (is_empty && !keep_empty) {
            continue;
        }
        if (shape->strategy == IMPUTE_CONSTANT) {
            SKIMPI_TRY(copy_text(budget, text->fill, &text->fills[k], error));
        } else if (is_empty) {
            SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_STATISTICS, EMPTY_FILL, strlen(EMPTY_FILL), &text->fills[k],
                                          error));
        } else {
            size_t length = 0;
            const uint32_t code = most_frequent(lane + text->places[k], counts_end(text, k) - text->places[k]);
            const char *found = text->texts->text(text->texts, (uint32_t)k, code, &length);
            SKIMPI_TRY(skimpi_string_copy(budget, SKIMP_TAG_STATISTICS, found, length, &text->fills[k], error));
        }
    }
out:
    return status;
}

/* ---- checkpoints and models -------------------------------------------------------------------------------------------- */

/* Strings one after the other, each with its end; and which there are none. */
static skimp_status append_fills(const imputer_text *text, skimpi_buffer *out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint64_t k = 0; k < text->n; k++) {
        const char *fill = text->fills[k] != NULL ? text->fills[k] : "";
        SKIMPI_TRY(skimpi_buffer_append(out, fill, strlen(fill) + 1, error));
    }
out:
    return status;
}

skimp_status imputer_text_state_save(const imputer_text *text, skimpi_buffer *out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint64_t k = 0; k < text->n; k++) {
        const char is_there = text->fills[k] != NULL;
        SKIMPI_TRY(skimpi_buffer_append(out, &is_there, 1, error));
    }
    SKIMPI_TRY(append_fills(text, out, error));
out:
    return status;
}

/* False: these are not so many strings. */
static skimp_status take_fills(imputer_text *text, skimp_budget *budget, const uint8_t *is_there, const char *at,
                               size_t bytes, bool *sound, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *sound = false;
    for (uint64_t k = 0; k < text->n; k++) {
        const char *end = bytes > 0 ? memchr(at, '\0', bytes) : NULL;
        if (end == NULL || is_there[k] > 1 || (is_there[k] == 0 && end != at)) {
            return SKIMP_OK;
        }
        skimpi_string_free(budget, SKIMP_TAG_STATISTICS, text->fills[k]);
        text->fills[k] = NULL;
        if (is_there[k]) {
            SKIMPI_TRY(
                skimpi_string_copy(budget, SKIMP_TAG_STATISTICS, at, (size_t)(end - at), &text->fills[k], error));
        }
        bytes -= (size_t)(end - at) + 1;
        at = end + 1;
    }
    *sound = bytes == 0;
out:
    return status;
}

skimp_status imputer_text_state_load(imputer_text *text, skimp_budget *budget, const void *bytes, size_t n,
                                     skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    bool sound = false;
    if (n >= text->n) {
        SKIMPI_TRY(take_fills(text, budget, bytes, (const char *)bytes + text->n, n - (size_t)text->n, &sound, error));
    }
    if (!sound) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "a checkpoint of simple_imputer holds impossible values"));
    }
out:
    return status;
}

skimp_status imputer_text_save(const imputer_text *text, skimp_budget *budget, skimpi_tensors *tensors,
                               const char *prefix, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer name, strings;
    void *data = NULL;
    skimpi_buffer_init(&name, budget, SKIMP_TAG_MODEL);
    skimpi_buffer_init(&strings, budget, SKIMP_TAG_MODEL);
    SKIMPI_TRY(append_fills(text, &strings, error));
    SKIMPI_TRY(skimpi_buffer_printf(&name, error, "%sstatistics_", prefix));
    SKIMPI_TRY(skimpi_tensors_add(tensors, name.data, SKIMPI_U8, 1, &(uint64_t){ strings.length }, &data, error));
    if (strings.length > 0) {
        memcpy(data, strings.data, strings.length);
    }
    name.length = 0;
    SKIMPI_TRY(skimpi_buffer_printf(&name, error, "%sstatistics_known", prefix));
    SKIMPI_TRY(skimpi_tensors_add(tensors, name.data, SKIMPI_U8, 1, &text->n, &data, error));
    for (uint64_t k = 0; k < text->n; k++) {
        ((uint8_t *)data)[k] = text->fills[k] != NULL;
    }
out:
    skimpi_buffer_free(&name);
    skimpi_buffer_free(&strings);
    return status;
}

skimp_status imputer_text_load(imputer_text *text, skimp_budget *budget, const skimpi_tensors *tensors,
                               const char *prefix, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_buffer name;
    const skimpi_tensor *strings = NULL, *known = NULL;
    const uint64_t any = UINT64_MAX;
    bool sound = false;
    skimpi_buffer_init(&name, budget, SKIMP_TAG_MODEL);
    SKIMPI_TRY(skimpi_buffer_printf(&name, error, "%sstatistics_known", prefix));
    SKIMPI_TRY(skimpi_tensors_need(tensors, name.data, SKIMPI_U8, 1, &text->n, &known, error));
    name.length = 0;
    SKIMPI_TRY(skimpi_buffer_printf(&name, error, "%sstatistics_", prefix));
    SKIMPI_TRY(skimpi_tensors_need(tensors, name.data, SKIMPI_U8, 1, &any, &strings, error));
    SKIMPI_TRY(take_fills(text, budget, known->data, strings->data, (size_t)strings->n_values, &sound, error));
    if (!sound) {
        SKIMPI_TRY(skimpi_fail(error, SKIMP_ERROR_DATA, "the model is damaged: %s", (const char *)name.data));
    }
out:
    skimpi_buffer_free(&name);
    return status;
}
