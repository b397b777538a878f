/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The design: the encoded feature space.  Columns keep their order in the file; a numeric column is one feature, a text
 * column one for each category in byte order (as scikit-learn's OneHotEncoder sorts them, missing last).  Hashed text
 * columns share one block of 2^hash_bits features after those.  Columns that steps added come last.  Sparse data is one
 * block.
 */
#include <math.h>
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"

skimp_status skimpi_design_rank(skimpi_design *design, const skimpi_schema *schema, uint32_t slot, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_dictionary *dictionary = schema->dictionaries[slot];
    const uint32_t n = skimpi_dictionary_size(dictionary);
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->ranks[slot], design->rank_sizes[slot], sizeof(uint32_t));
    design->ranks[slot] = NULL;
    design->rank_sizes[slot] = n;
    SKIMPI_TRY(
        skimp_alloc(design->budget, SKIMP_TAG_CATEGORIES, n, sizeof(uint32_t), (void **)&design->ranks[slot], error));
    SKIMPI_TRY(skimpi_dictionary_rank(dictionary, design->ranks[slot], error));
out:
    return status;
}

skimp_status skimpi_design_reserve(skimpi_design *design, skimp_budget *budget, uint32_t n_numeric, uint32_t n_category,
                                   skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    *design = (skimpi_design){ .budget = budget, .n_numeric = n_numeric, .n_category = n_category };
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_CATEGORIES, n_numeric, sizeof(uint64_t), (void **)&design->features, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, n_category, sizeof(uint64_t), (void **)&design->code_features,
                           error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_CATEGORIES, n_category, sizeof(uint32_t), (void **)&design->n_codes, error));
    SKIMPI_TRY(
        skimp_alloc(budget, SKIMP_TAG_CATEGORIES, n_category, sizeof(uint32_t), (void **)&design->n_texts, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, n_category, sizeof(uint32_t), (void **)&design->missing_codes,
                           error));
    design->n_dense = n_numeric;
    design->n_code_columns = n_category;
out:
    if (status != SKIMP_OK) {
        skimpi_design_destroy(design);
    }
    return status;
}

skimp_status skimpi_design_create(skimpi_design *design, skimp_budget *budget, const skimpi_schema *schema,
                                  const uint64_t *category_missing, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    if (schema->sparse) {
        *design = (skimpi_design){ .budget = budget };
        design->n_sparse = design->n_features = schema->n_sparse_features;
        return SKIMP_OK;
    }
    SKIMPI_TRY(skimpi_design_reserve(design, budget, schema->n_numeric, schema->n_category, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, schema->n_category, sizeof(uint32_t *),
                           (void **)&design->ranks, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, schema->n_category, sizeof(uint32_t),
                           (void **)&design->rank_sizes, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CATEGORIES, schema->n_category, sizeof(uint32_t),
                           (void **)&design->n_data_texts, error));
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        if (column->role != SKIMPI_ROLE_FEATURE) {
            continue;
        }
        if (column->type == SKIMPI_TYPE_NUMERIC) {
            design->features[column->slot] = design->n_features++;
        } else if (schema->hash_bits == 0) {
            const uint32_t slot = column->slot;
            SKIMPI_TRY(skimpi_design_rank(design, schema, slot, error));
            design->code_features[slot] = design->n_features;
            design->n_texts[slot] = design->n_data_texts[slot] = design->rank_sizes[slot];
            design->n_codes[slot] = design->n_texts[slot] + (category_missing[slot] > 0);
            design->missing_codes[slot] = design->n_texts[slot];
            design->n_features += design->n_codes[slot];
        }
    }
    if (schema->hash_bits > 0 && schema->n_category > 0) {
        for (uint32_t slot = 0; slot < schema->n_category; slot++) {
            design->code_features[slot] = design->n_features;
            design->n_codes[slot] = design->n_texts[slot] = 1u << schema->hash_bits;
            design->missing_codes[slot] = 1u << schema->hash_bits; /* zeros */
        }
        design->n_features += (uint64_t)1 << schema->hash_bits;
    }
out:
    if (status != SKIMP_OK) {
        skimpi_design_destroy(design);
    }
    return status;
}

void skimpi_design_destroy(skimpi_design *design)
{
    for (uint32_t slot = 0; design->ranks != NULL && design->rank_sizes != NULL && slot < design->n_category; slot++) {
        skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->ranks[slot], design->rank_sizes[slot],
                   sizeof(uint32_t));
    }
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->features, design->n_numeric, sizeof(uint64_t));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->code_features, design->n_category, sizeof(uint64_t));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->n_codes, design->n_category, sizeof(uint32_t));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->missing_codes, design->n_category, sizeof(uint32_t));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->ranks, design->n_category, sizeof(uint32_t *));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->rank_sizes, design->n_category, sizeof(uint32_t));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->n_texts, design->n_category, sizeof(uint32_t));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->n_data_texts, design->n_category, sizeof(uint32_t));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->list_features, design->n_code_columns, sizeof(uint64_t));
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, design->list_codes, design->n_code_columns, sizeof(uint32_t));
    *design = (skimpi_design){ 0 };
}

void skimpi_design_decoder(const skimpi_design *design, skimpi_decoder_options *options)
{
    *options = (skimpi_decoder_options){
        .ranks = (const uint32_t *const *)design->ranks,
        .features = design->features,
        .code_features = design->code_features,
        .n_codes = design->n_codes,
    };
}

skimp_status skimpi_design_place(skimpi_design *design, const skimpi_frame *frame, const uint8_t *is_text,
                                 uint32_t hash_bits, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint64_t next = 0;
    uint32_t numeric = 0, dense = 0, category = 0, text = 0;
    for (uint32_t k = 0; k < design->n_numeric + design->n_category; k++) {
        if (!is_text[k]) {
            const bool is_there = dense < frame->n_dense && frame->dense[dense] == numeric;
            design->features[numeric++] = next;
            dense += is_there;
            next += is_there;
            continue;
        }
        const bool is_there = text < frame->n_text && frame->text[text] == category;
        design->code_features[category] = next;
        next += is_there && hash_bits == 0 ? design->n_codes[category] : 0;
        category++;
        text += is_there;
    }
    for (uint32_t slot = 0; hash_bits > 0 && slot < design->n_category; slot++) {
        design->code_features[slot] = next;
    }
    next += hash_bits > 0 && frame->n_text > 0 ? (uint64_t)1 << hash_bits : 0;
    design->first_new = next;
    design->n_features = next + (frame->n_dense - dense) + frame->n_sparse;
    design->n_dense = frame->n_dense;
    design->n_sparse = frame->n_sparse;
    design->n_code_columns = frame->n_text;
    if (frame->n_text < design->n_category) {
        SKIMPI_TRY(skimp_alloc(design->budget, SKIMP_TAG_CATEGORIES, frame->n_text, sizeof(uint64_t),
                               (void **)&design->list_features, error));
        SKIMPI_TRY(skimp_alloc(design->budget, SKIMP_TAG_CATEGORIES, frame->n_text, sizeof(uint32_t),
                               (void **)&design->list_codes, error));
        for (uint32_t k = 0; k < frame->n_text; k++) {
            design->list_features[k] = design->code_features[frame->text[k]];
            design->list_codes[k] = design->n_codes[frame->text[k]];
        }
    }
out:
    return status;
}

const uint64_t *skimpi_design_code_features(const skimpi_design *design)
{
    return design->n_code_columns < design->n_category ? design->list_features : design->code_features;
}

const uint32_t *skimpi_design_code_sizes(const skimpi_design *design)
{
    return design->n_code_columns < design->n_category ? design->list_codes : design->n_codes;
}

void skimpi_design_finish_chunk(const skimpi_design *design, const skimpi_frame *frame, skimpi_chunk *chunk)
{
    for (uint32_t c = 0; c < chunk->n_codes; c++) {
        skimpi_code_column *column = &chunk->codes[c];
        const uint32_t missing = design->missing_codes[column->slot];
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            column->codes[i] = column->codes[i] == SKIMPI_CODE_MISSING ? missing : column->codes[i];
        }
    }
    if (!frame->is_changed) {
        return;
    }
    uint64_t new_feature = design->first_new;
    for (uint32_t k = 0; k < frame->n_dense; k++) {
        chunk->dense[k] = chunk->dense[frame->dense[k]];
        if (frame->dense[k] >= frame->n_numeric) {
            chunk->dense[k].feature = new_feature++;
        }
    }
    for (uint32_t k = 0; k < frame->n_text; k++) {
        chunk->codes[k] = chunk->codes[frame->text[k]];
    }
    chunk->n_dense = frame->n_dense;
    chunk->n_codes = frame->n_text;
}

/* Is the column still there after the steps? *at: how many of the list came before it. */
static bool is_there(const skimpi_frame *frame, const uint32_t *list, uint32_t n, uint32_t slot, uint32_t *at)
{
    if (!frame->is_changed) {
        return true;
    }
    while (*at < n && list[*at] < slot) {
        ++*at;
    }
    return *at < n && list[*at] == slot;
}

/* At most: hashed features' numbers have five digits, and NUL comes twice while they are printed; what steps drop is counted. */
static uint64_t name_bytes(const skimpi_design *design, const skimpi_frame *frame, const skimpi_schema *schema)
{
    const bool is_hashed = schema->hash_bits > 0 && schema->n_category > 0;
    uint64_t bytes = is_hashed ? (uint64_t)(sizeof("hash_65535") + 1) << schema->hash_bits : 0;
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        const uint64_t own = column->role == SKIMPI_ROLE_FEATURE ? strlen(column->name) : 0;
        if (column->role != SKIMPI_ROLE_FEATURE || (column->type != SKIMPI_TYPE_NUMERIC && schema->hash_bits > 0)) {
            continue;
        }
        if (column->type == SKIMPI_TYPE_NUMERIC) {
            bytes += own + 1;
            continue;
        }
        const uint32_t slot = column->slot, n = design->rank_sizes[slot];
        bytes +=
            design->n_codes[slot] * (own + 2) + (design->n_codes[slot] > design->n_texts[slot] ? strlen("nan") : 0);
        for (uint32_t code = 0; code < n; code++) {
            size_t length = 0;
            (void)skimpi_dictionary_text(schema->dictionaries[slot], code, &length);
            bytes += length;
        }
    }
    return bytes + frame->names.length;
}

skimp_status skimpi_design_names(const skimpi_design *design, const skimpi_frame *frame, const skimpi_schema *schema,
                                 skimpi_buffer *out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    uint32_t *sorted = NULL, dense = 0, text_at = 0;
    const uint64_t bytes = name_bytes(design, frame, schema);
    SKIMPI_TRY(skimpi_buffer_reserve(out, out->length + bytes, error)); /* what was planned */
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        if (column->role != SKIMPI_ROLE_FEATURE) {
            continue;
        }
        if (column->type == SKIMPI_TYPE_NUMERIC) {
            if (is_there(frame, frame->dense, frame->n_dense, column->slot, &dense)) {
                SKIMPI_TRY(skimpi_buffer_append(out, column->name, strlen(column->name) + 1, error));
            }
            continue;
        }
        if (!is_there(frame, frame->text, frame->n_text, column->slot, &text_at)) {
            continue;
        }
        if (schema->hash_bits > 0) {
            continue;
        }
        const uint32_t slot = column->slot, n = design->rank_sizes[slot], n_texts = design->n_texts[slot];
        SKIMPI_TRY(skimp_alloc(design->budget, SKIMP_TAG_CATEGORIES, n, sizeof *sorted, (void **)&sorted, error));
        for (uint32_t code = 0; code < n; code++) {
            sorted[design->ranks[slot] != NULL ? design->ranks[slot][code] : code] = code;
        }
        for (uint32_t k = 0; status == SKIMP_OK && k < design->n_codes[slot]; k++) {
            size_t length = 3;
            const char *text =
                k < n_texts ? skimpi_dictionary_text(schema->dictionaries[slot], sorted[k], &length) : "nan";
            status = skimpi_buffer_append(out, column->name, strlen(column->name), error);
            if (status == SKIMP_OK) {
                status = skimpi_buffer_append(out, "_", 1, error);
            }
            if (status == SKIMP_OK) {
                status = skimpi_buffer_append(out, text, length, error);
            }
            if (status == SKIMP_OK) {
                status = skimpi_buffer_append(out, "", 1, error);
            }
        }
        skimp_free(design->budget, SKIMP_TAG_CATEGORIES, sorted, n, sizeof *sorted);
        sorted = NULL;
        SKIMPI_TRY(status);
    }
    if (schema->hash_bits > 0 && design->n_code_columns > 0) {
        for (uint64_t k = 0; k < (uint64_t)1 << schema->hash_bits; k++) {
            SKIMPI_TRY(skimpi_buffer_printf(out, error, "hash_%llu%c", (unsigned long long)k, '\0'));
        }
    }
    SKIMPI_TRY(skimpi_frame_new_names(frame, out, error));
out:
    return status;
}

void skimpi_design_forecast(const skimp_job *job, skimpi_forecast *f, bool is_known)
{
    const skimpi_schema *schema = job->schema;
    const bool is_hashed = schema->hash_bits > 0 && schema->n_category > 0;
    f->names = is_hashed ? (uint64_t)(sizeof("hash_65535") + 1) << schema->hash_bits : 0;
    f->names_json = sizeof("[]");
    for (uint32_t c = 0; c < schema->n_columns; c++) {
        const skimpi_column *column = &schema->columns[c];
        if (column->role != SKIMPI_ROLE_FEATURE) {
            continue;
        }
        const uint64_t length = strlen(column->name);
        const uint64_t json = skimpi_model_json_bytes(column->name, length) + strlen(", ");
        f->column_names += length + 1;
        if (column->type == SKIMPI_TYPE_NUMERIC) {
            f->names += length + 1;
            f->names_json += json;
        } else if (schema->hash_bits == 0) {
            const uint64_t n = job->code_sizes[column->slot];
            uint64_t text = 0, quoted = 0;
            if (is_known) {
                const skimpi_dictionary *dictionary = schema->dictionaries[column->slot];
                text = quoted = strlen("nan");
                for (uint32_t code = 0; code < skimpi_dictionary_size(dictionary); code++) {
                    size_t bytes = 0;
                    const char *category = skimpi_dictionary_text(dictionary, code, &bytes);
                    text += bytes;
                    quoted += skimpi_model_json_bytes(category, bytes) - strlen("\"\"");
                }
            } else {
                text = quoted = (uint64_t)fmin((double)n * job->sample.category_bytes[column->slot], 0x1p62);
            }
            f->names += skimpi_mul_sat(n, length + 2) + text;
            f->names_json += skimpi_mul_sat(n, json + 1) + quoted;
            f->category_texts += skimp_alloc_cost(text + n);
            f->most_categories = skimpi_max_u64(f->most_categories, n);
        }
    }
}
