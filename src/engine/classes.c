/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The classes of a classifier: the distinct target values, sorted as scikit-learn's classes_ (numbers by value, text by
 * bytes), and the mapping of a chunk's targets to their indices.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "data/dictionary.h"
#include "data/number.h"
#include "engine/engine.h"

static skimp_status too_many_classes(const char *name, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name,
                          "the target has more than %d distinct values: a classifier wants classes; use a regressor, "
                          "or a comparison such as --target '%s>0'",
                          SKIMPI_MAX_CLASSES, name);
}

static skimp_status text_classes(skimpi_classes *classes, const skimpi_dictionary *dictionary, const char *name,
                                 skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint32_t n = skimpi_dictionary_size(dictionary);
    classes->is_text = true;
    if (n > SKIMPI_MAX_CLASSES) {
        return too_many_classes(name, error);
    }
    SKIMPI_TRY(skimp_alloc(classes->budget, SKIMP_TAG_CATEGORIES, n, sizeof *classes->of_code,
                           (void **)&classes->of_code, error));
    classes->n_of_code = n;
    SKIMPI_TRY(skimp_alloc(classes->budget, SKIMP_TAG_CATEGORIES, n, sizeof *classes->values, (void **)&classes->values,
                           error));
    classes->n_classes = n;
    SKIMPI_TRY(skimpi_dictionary_rank(dictionary, classes->of_code, error));
    for (uint32_t code = 0; code < n; code++) {
        classes->values[classes->of_code[code]] = code;
    }
out:
    return status;
}

/* From 2^53 on whole numbers share doubles, so that labels that differ may have become one. */
static skimp_status check_exact(double value, const char *name, skimp_error *error)
{
    return fabs(value) < 0x1p53 ? SKIMP_OK
                                : skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name,
                                                 "the target holds about %.6g: labels of 2^53 and more cannot be told "
                                                 "apart as numbers: give them as text",
                                                 value);
}

static skimp_status numeric_classes(skimpi_classes *classes, const skimpi_summary *summary, const char *name,
                                    skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (summary->target_values == NULL) {
        return too_many_classes(name, error);
    }
    SKIMPI_TRY(skimp_alloc(classes->budget, SKIMP_TAG_CATEGORIES, summary->n_target_values, sizeof *classes->values,
                           (void **)&classes->values, error));
    classes->n_classes = summary->n_target_values;
    for (uint32_t k = 0; k < classes->n_classes; k++) {
        classes->values[k] = summary->target_values[k];
        if (classes->values[k] != floor(classes->values[k])) {
            return skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name,
                                  "the target holds %.6g, which is no class label: use a regressor, or a comparison "
                                  "such as --target '%s>0'",
                                  classes->values[k], name);
        }
        SKIMPI_TRY(check_exact(classes->values[k], name, error));
    }
out:
    return status;
}

skimp_status skimpi_classes_create(skimpi_classes *classes, skimp_budget *budget, const skimpi_schema *schema,
                                   const skimpi_summary *summary, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *classes = (skimpi_classes){ .budget = budget };
    const char *name = schema->sparse || schema->target < 0 ? "label" : schema->columns[schema->target].name;
    if (schema->target_type == SKIMPI_TYPE_CATEGORY) {
        SKIMPI_TRY(text_classes(classes, schema->dictionaries[schema->n_category], name, error));
    } else {
        SKIMPI_TRY(numeric_classes(classes, summary, name, error));
    }
    if (classes->n_classes < 2) {
        char number[SKIMPI_LABEL_NUMBER];
        size_t length = 0;
        const char *label = skimpi_classes_label(classes, schema, 0, number, &length);
        SKIMPI_TRY(
            skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name,
                           "the target is constant (always %.*s): a classifier needs at least 2 classes, not 1 class",
                           (int)skimpi_min_u64(length, 100), label));
    }
out:
    if (status != SKIMP_OK) {
        skimpi_classes_destroy(classes);
    }
    return status;
}

static skimp_status unknown_label(const char *name, const char *label, size_t length, skimp_error *error)
{
    return skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name,
                          "classes should include all valid labels that can be in y: %.*s is none of them",
                          (int)skimpi_min_u64(length, 100), label);
}

/* All labels go into the dictionary, where the data's are: it may hold no others. */
static skimp_status take_texts(skimpi_classes *classes, const skimpi_labels *labels, skimpi_schema *schema,
                               const char *name, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_dictionary *dictionary = schema->dictionaries[schema->n_category];
    const uint32_t n = (uint32_t)labels->n, n_data = skimpi_dictionary_size(dictionary);
    const char *const end = labels->text + labels->text_bytes;
    uint32_t k = 0, code = 0;
    classes->is_text = true;
    SKIMPI_TRY(skimp_alloc(classes->budget, SKIMP_TAG_CATEGORIES, n, sizeof *classes->values, (void **)&classes->values,
                           error));
    classes->n_classes = n;
    for (const char *at = labels->text; at < end; at += strlen(at) + 1) {
        const size_t length = strlen(at);
        SKIMPI_TRY(skimpi_dictionary_insert(dictionary, at, length, skimpi_dictionary_hash(at, length), &code, error));
        classes->values[k++] = code;
    }
    SKIMPI_TRY(skimp_alloc(classes->budget, SKIMP_TAG_CATEGORIES, n, sizeof *classes->of_code,
                           (void **)&classes->of_code, error));
    classes->n_of_code = n;
    for (uint32_t c = 0; c < n; c++) {
        classes->of_code[c] = n;
    }
    for (k = 0; k < n; k++) {
        if (classes->values[k] < n) { /* all are, unless the data hold others */
            classes->of_code[(uint32_t)classes->values[k]] = k;
        }
    }
    for (code = 0; code < n_data; code++) {
        if (code >= n || classes->of_code[code] == n) {
            size_t length = 0;
            const char *text = skimpi_dictionary_text(dictionary, code, &length);
            SKIMPI_TRY(unknown_label(name, text, length, error));
        }
    }
out:
    return status;
}

static skimp_status take_numbers(skimpi_classes *classes, const skimpi_labels *labels, const skimpi_schema *schema,
                                 const skimpi_summary *summary, const char *name, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (summary->target_values == NULL) {
        return too_many_classes(name, error);
    }
    SKIMPI_TRY(skimp_alloc(classes->budget, SKIMP_TAG_CATEGORIES, labels->n, sizeof *classes->values,
                           (void **)&classes->values, error));
    classes->n_classes = (uint32_t)labels->n;
    memcpy(classes->values, labels->values, labels->n * sizeof *classes->values);
    uint32_t k = 0;
    for (uint32_t i = 0; i < summary->n_target_values; i++) {
        const double value = summary->target_values[i];
        SKIMPI_TRY(check_exact(value, name, error));
        while (k < classes->n_classes && classes->values[k] < value) {
            k++;
        }
        if (k == classes->n_classes || classes->values[k] != value) {
            char number[SKIMPI_LABEL_NUMBER];
            size_t length = 0;
            const skimpi_classes one = { .n_classes = 1, .values = &summary->target_values[i] };
            const char *label = skimpi_classes_label(&one, schema, 0, number, &length);
            SKIMPI_TRY(unknown_label(name, label, length, error));
        }
    }
out:
    return status;
}

skimp_status skimpi_classes_take(skimpi_classes *classes, skimp_budget *budget, const skimpi_labels *labels,
                                 skimpi_schema *schema, const skimpi_summary *summary, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const bool is_text = schema->target_type == SKIMPI_TYPE_CATEGORY;
    const char *name = schema->sparse || schema->target < 0 ? "label" : schema->columns[schema->target].name;
    *classes = (skimpi_classes){ .budget = budget };
    if (is_text != labels->is_text) {
        SKIMPI_TRY(skimpi_fail_at(error, SKIMP_ERROR_DATA, NULL, 0, name, "the target holds %s, but the classes are %s",
                                  is_text ? "text" : "numbers", is_text ? "numbers" : "text"));
    }
    SKIMPI_TRY(is_text ? take_texts(classes, labels, schema, name, error)
                       : take_numbers(classes, labels, schema, summary, name, error));
out:
    if (status != SKIMP_OK) {
        skimpi_classes_destroy(classes);
    }
    return status;
}

void skimpi_classes_destroy(skimpi_classes *classes)
{
    skimp_free(classes->budget, SKIMP_TAG_CATEGORIES, classes->values, classes->n_classes, sizeof *classes->values);
    skimp_free(classes->budget, SKIMP_TAG_CATEGORIES, classes->weights, classes->n_classes, sizeof *classes->weights);
    skimp_free(classes->budget, SKIMP_TAG_CATEGORIES, classes->of_code, classes->n_of_code, sizeof *classes->of_code);
    *classes = (skimpi_classes){ 0 };
}

/* Two numbers become 0 and 1, without a branch: what classes come in is anyone's guess. */
static bool map_two(double low, double high, uint32_t n, double *target)
{
    unsigned unknown = 0;
    uint32_t i = 0;
#if defined(__SSE2__)
    const __m128d lows = _mm_set1_pd(low), highs = _mm_set1_pd(high), one = _mm_set1_pd(1), two = _mm_set1_pd(2);
    __m128d known = _mm_cmpeq_pd(one, one);
    for (; i + 2 <= n; i += 2) {
        const __m128d value = _mm_loadu_pd(target + i);
        const __m128d is_high = _mm_cmpeq_pd(value, highs);
        const __m128d is_either = _mm_or_pd(is_high, _mm_cmpeq_pd(value, lows));
        known = _mm_and_pd(known, is_either);
        _mm_storeu_pd(target + i, _mm_or_pd(_mm_and_pd(is_high, one), _mm_andnot_pd(is_either, two)));
    }
    unknown = _mm_movemask_pd(known) != 3;
#endif
    for (; i < n; i++) {
        const int is_high = target[i] == high, is_low = target[i] == low;
        unknown |= !(is_high | is_low);
        target[i] = 2 - is_high - 2 * is_low;
    }
    return unknown == 0;
}

bool skimpi_classes_map(const skimpi_classes *classes, uint32_t n, double *target)
{
    bool known = true;
    if (classes->is_text) {
        for (uint32_t i = 0; i < n; i++) {
            const bool is_code = target[i] >= 0 && target[i] < classes->n_of_code;
            target[i] = is_code ? classes->of_code[(uint32_t)target[i]] : classes->n_classes;
            known &= is_code;
        }
    } else if (classes->n_classes == 2) {
        known = map_two(classes->values[0], classes->values[1], n, target);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t from = 0, to = classes->n_classes;
            while (from < to) {
                const uint32_t middle = from + (to - from) / 2;
                if (classes->values[middle] < target[i]) {
                    from = middle + 1;
                } else {
                    to = middle;
                }
            }
            const bool found = from < classes->n_classes && classes->values[from] == target[i];
            target[i] = found ? from : classes->n_classes;
            known &= found;
        }
    }
    return known;
}

const char *skimpi_classes_label(const skimpi_classes *classes, const skimpi_schema *schema, uint32_t class_index,
                                 char number[SKIMPI_LABEL_NUMBER], size_t *length)
{
    *length = 0;
    if (class_index >= classes->n_classes) {
        return "";
    }
    const double value = classes->values[class_index];
    if (classes->is_text) {
        return skimpi_dictionary_text(schema->dictionaries[schema->n_category], (uint32_t)value, length);
    }
    if (value == floor(value) && fabs(value) < 0x1p53) {
        *length = (size_t)snprintf(number, SKIMPI_LABEL_NUMBER, "%lld", (long long)value);
    } else {
        *length = skimpi_number_format(value, number);
    }
    return number;
}
