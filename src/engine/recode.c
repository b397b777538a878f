/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Texts that steps change.  A step on text says what text, or a missing value, becomes what other text; chunks hold codes,
 * so these texts are entered into the dictionaries, and the codes are looked up.
 *
 * While steps are fitted, codes go by the order of all texts of a column.  After the last one some texts are no category:
 * those that were changed in all rows, and those that no row got.  The others then come first, in order, as the encoder
 * of scikit-learn that came after these steps would have them.
 */
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"

/* The code of a text in the design's numbering. */
static uint32_t code_of(const skimpi_design *design, const skimpi_schema *schema, uint32_t slot, uint32_t schema_slot,
                        const char *text)
{
    const size_t length = strlen(text);
    if (schema->hash_bits > 0) {
        const char *name = schema->columns[schema->category[schema_slot]].name;
        return skimpi_dictionary_hash_code(skimpi_dictionary_hash(name, strlen(name)), text, length, schema->hash_bits);
    }
    const uint32_t code =
        skimpi_dictionary_find(schema->dictionaries[schema_slot], text, length, skimpi_dictionary_hash(text, length));
    return design->ranks != NULL && code < design->rank_sizes[slot] ? design->ranks[slot][code] : code;
}

static skimp_status enter(skimpi_dictionary *dictionary, const char *text, skimp_error *error)
{
    uint32_t code = 0;
    const size_t length = text != NULL ? strlen(text) : 0;
    return text == NULL
               ? SKIMP_OK
               : skimpi_dictionary_insert(dictionary, text, length, skimpi_dictionary_hash(text, length), &code, error);
}

static void look_up(skimpi_stage *stage, const skimpi_design *design, const skimpi_schema *schema,
                    const uint32_t *slots)
{
    for (uint32_t k = 0; k < stage->n_inputs; k++) {
        const uint32_t slot = stage->inputs[k], schema_slot = slots != NULL ? slots[slot] : slot;
        skimpi_recoding recoding;
        stage->class->recode(stage->fitted, k, &recoding);
        stage->recoded[k] =
            recoding.from != NULL ? code_of(design, schema, slot, schema_slot, recoding.from) : SKIMPI_CODE_MISSING;
        stage->recoded_to[k] =
            recoding.to != NULL ? code_of(design, schema, slot, schema_slot, recoding.to) : stage->recoded[k];
    }
}

skimp_status skimpi_recode_bind(skimpi_pipeline *pipeline, unsigned n, skimpi_design *design, skimpi_schema *schema,
                                const uint32_t *slots, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (unsigned i = 0; i < n; i++) {
        const skimpi_stage *stage = &pipeline->steps[i];
        for (uint32_t k = 0; stage->on_text && schema->hash_bits == 0 && k < stage->n_inputs; k++) {
            const uint32_t slot = stage->inputs[k];
            skimpi_dictionary *dictionary = schema->dictionaries[slots != NULL ? slots[slot] : slot];
            skimpi_recoding recoding;
            stage->class->recode(stage->fitted, k, &recoding);
            SKIMPI_TRY(enter(dictionary, recoding.from, error));
            SKIMPI_TRY(enter(dictionary, recoding.to, error));
            if (design->ranks != NULL && skimpi_dictionary_size(dictionary) > design->rank_sizes[slot]) {
                SKIMPI_TRY(skimpi_design_rank(design, schema, slot, error));
            }
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (pipeline->steps[i].on_text) {
            look_up(&pipeline->steps[i], design, schema, slots);
        }
    }
out:
    return status;
}

/* ---- the categories after the last step ------------------------------------------------------------------------------ */

/* The steps on a column, in order: which of its texts, by rank, are there in the end, and whether a missing value is. */
static void follow(const skimpi_pipeline *pipeline, uint32_t slot, uint32_t *is_there, bool *has_missing)
{
    for (unsigned i = 0; i < pipeline->n_steps; i++) {
        const skimpi_stage *stage = &pipeline->steps[i];
        for (uint32_t k = 0; stage->on_text && k < stage->n_inputs; k++) {
            skimpi_recoding recoding;
            if (stage->inputs[k] != slot) {
                continue;
            }
            stage->class->recode(stage->fitted, k, &recoding);
            if (recoding.to == NULL) {
                continue;
            }
            if (recoding.from == NULL) {
                *has_missing = false;
            } else {
                is_there[stage->recoded[k]] = 0;
            }
            if (recoding.was_used) {
                is_there[stage->recoded_to[k]] = 1;
            }
        }
    }
}

static skimp_status finish_slot(const skimpi_pipeline *pipeline, skimpi_design *design, uint32_t slot,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint32_t n = design->rank_sizes[slot];
    uint32_t *ranks = design->ranks[slot], *places = NULL, n_there = 0;
    bool has_missing = design->n_codes[slot] > design->n_texts[slot];
    SKIMPI_TRY(skimp_alloc(design->budget, SKIMP_TAG_CATEGORIES, n, sizeof *places, (void **)&places, error));
    for (uint32_t code = 0; code < design->n_data_texts[slot]; code++) {
        places[ranks[code]] = 1;
    }
    follow(pipeline, slot, places, &has_missing);
    for (uint32_t rank = 0; rank < n; rank++) {
        n_there += places[rank];
    }
    for (uint32_t rank = 0, there = 0; rank < n; rank++) {
        const bool is_there = places[rank] != 0;
        places[rank] = is_there ? there : n_there + rank - there;
        there += is_there;
    }
    for (uint32_t code = 0; code < n; code++) {
        ranks[code] = places[ranks[code]];
    }
    design->n_texts[slot] = n_there;
    design->n_codes[slot] = n_there + has_missing;
    design->missing_codes[slot] = n_there;
out:
    skimp_free(design->budget, SKIMP_TAG_CATEGORIES, places, n, sizeof *places);
    return status;
}

skimp_status skimpi_recode_finish(skimpi_pipeline *pipeline, skimpi_design *design, skimpi_schema *schema,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    for (uint32_t slot = 0; schema->hash_bits == 0 && slot < design->n_category; slot++) {
        SKIMPI_TRY(finish_slot(pipeline, design, slot, error));
    }
    SKIMPI_TRY(skimpi_recode_bind(pipeline, pipeline->n_steps, design, schema, NULL, error));
out:
    return status;
}

/* ---- texts, as classes ask for them ------------------------------------------------------------------------------------ */

static const char *stage_text(const skimpi_texts *base, uint32_t column, uint32_t code, size_t *length)
{
    const skimpi_stage_texts *texts = (const skimpi_stage_texts *)base;
    const uint32_t slot = texts->stage->inputs[column], *ranks = texts->design->ranks[slot];
    uint32_t found = 0;
    while (found + 1 < texts->design->rank_sizes[slot] && ranks[found] != code) {
        found++;
    }
    return skimpi_dictionary_text(texts->schema->dictionaries[slot], found, length);
}

static uint32_t stage_code(const skimpi_texts *base, uint32_t column, const char *text)
{
    const skimpi_stage_texts *texts = (const skimpi_stage_texts *)base;
    const uint32_t slot = texts->stage->inputs[column];
    return code_of(texts->design, texts->schema, slot, slot, text);
}

skimpi_stage_texts skimpi_recode_texts(const skimpi_stage *stage, const skimpi_design *design,
                                       const skimpi_schema *schema)
{
    return (skimpi_stage_texts){
        .base = { .text = stage_text, .code = stage_code }, .stage = stage, .design = design, .schema = schema
    };
}
