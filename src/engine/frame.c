/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames: which columns there are, step by step, and chunks on their way through the steps.
 *
 * A step may drop columns and add some.  In a chunk nothing moves for that: each dense column keeps its place in the list,
 * and what a step adds comes after all that there were.  The frame says which are still there; each stage's inputs are
 * taken from it once the stages before are fitted (or loaded), and at the end the design moves what is left together.
 */
#include <string.h>

#include "data/dictionary.h"
#include "engine/engine.h"

/* ---- the frame ------------------------------------------------------------------------------------------------------- */

uint64_t skimpi_frame_bytes(uint32_t n_numeric, uint32_t n_category, uint64_t n_new, uint64_t name_bytes)
{
    /* While the list grows, the old one and the new one are there. */
    const uint64_t dense = skimp_alloc_cost(skimpi_mul_sat(n_numeric + n_new, sizeof(uint32_t)));
    const uint64_t names = name_bytes > 0 ? skimp_alloc_cost(name_bytes + name_bytes / 2) : 0;
    return (n_new > 0 ? 2 : 1) * dense + skimp_alloc_cost((uint64_t)n_category * sizeof(uint32_t)) + names;
}

skimp_status skimpi_frame_begin(skimpi_frame *frame, skimp_budget *budget, uint32_t n_numeric, uint32_t n_category,
                                uint64_t n_sparse, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_frame_destroy(frame);
    *frame = (skimpi_frame){ .budget = budget, .n_numeric = n_numeric, .n_category = n_category, .n_sparse = n_sparse };
    skimpi_buffer_init(&frame->names, budget, SKIMP_TAG_OTHER);
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n_numeric, sizeof *frame->dense, (void **)&frame->dense, error));
    frame->dense_capacity = frame->n_dense = frame->n_ids = n_numeric;
    for (uint32_t id = 0; id < n_numeric; id++) {
        frame->dense[id] = id;
    }
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, n_category, sizeof *frame->text, (void **)&frame->text, error));
    frame->n_text = n_category;
    for (uint32_t slot = 0; slot < n_category; slot++) {
        frame->text[slot] = slot;
    }
out:
    if (status != SKIMP_OK) {
        skimpi_frame_destroy(frame);
    }
    return status;
}

void skimpi_frame_destroy(skimpi_frame *frame)
{
    if (frame->budget == NULL) {
        return;
    }
    skimp_free(frame->budget, SKIMP_TAG_OTHER, frame->dense, frame->dense_capacity, sizeof *frame->dense);
    skimp_free(frame->budget, SKIMP_TAG_OTHER, frame->text, frame->n_category, sizeof *frame->text);
    skimpi_buffer_free(&frame->names);
    *frame = (skimpi_frame){ 0 };
}

uint64_t skimpi_frame_bind_bytes(const skimpi_stage *stage, uint64_t n_inputs)
{
    return (stage->on_text ? 3 : 1) * skimp_alloc_cost(skimpi_mul_sat(n_inputs, sizeof(uint32_t)));
}

skimp_status skimpi_frame_bind(const skimpi_frame *frame, skimpi_stage *stage, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint32_t *there = stage->on_text ? frame->text : frame->dense;
    const uint32_t n_there = stage->on_text ? frame->n_text : frame->n_dense;
    uint32_t n = 0;
    for (uint32_t i = 0; i < n_there; i++) {
        n += stage->has_slot == NULL || (there[i] < stage->n_flags && stage->has_slot[there[i]]);
    }
    stage->n_inputs = n;
    SKIMPI_TRY(skimp_alloc(frame->budget, SKIMP_TAG_OTHER, n, sizeof *stage->inputs, (void **)&stage->inputs, error));
    if (stage->on_text) {
        SKIMPI_TRY(
            skimp_alloc(frame->budget, SKIMP_TAG_OTHER, n, sizeof *stage->recoded, (void **)&stage->recoded, error));
        SKIMPI_TRY(skimp_alloc(frame->budget, SKIMP_TAG_OTHER, n, sizeof *stage->recoded_to,
                               (void **)&stage->recoded_to, error));
    }
    n = 0;
    for (uint32_t i = 0; i < n_there; i++) {
        if (stage->has_slot == NULL || (there[i] < stage->n_flags && stage->has_slot[there[i]])) {
            stage->inputs[n++] = there[i];
        }
    }
out:
    return status;
}

void skimpi_frame_names(const skimpi_frame *frame, const skimpi_schema *schema, const uint32_t *ids, uint32_t n,
                        const char **out)
{
    const char *name = frame->names.data;
    uint32_t id = frame->n_numeric; /* whose name that is */
    for (uint32_t i = 0; i < n; i++) {
        if (ids[i] < frame->n_numeric) {
            out[i] = schema->columns[schema->numeric[ids[i]]].name;
            continue;
        }
        for (; id < ids[i]; id++) {
            name += strlen(name) + 1;
        }
        out[i] = name;
    }
}

skimp_status skimpi_frame_new_names(const skimpi_frame *frame, skimpi_buffer *out, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const char *name = frame->names.data;
    uint32_t k = 0;
    for (uint32_t id = frame->n_numeric; id < frame->n_ids; id++, name += strlen(name) + 1) {
        while (k < frame->n_dense && frame->dense[k] < id) {
            k++;
        }
        if (k < frame->n_dense && frame->dense[k] == id) {
            SKIMPI_TRY(skimpi_buffer_append(out, name, strlen(name) + 1, error));
        }
    }
out:
    return status;
}

/* Takes the columns that the stage drops out of a list. */
static void drop_columns(const skimpi_stage *stage, uint32_t *list, uint32_t *n)
{
    uint32_t kept = 0, input = 0;
    for (uint32_t i = 0; i < *n; i++) {
        const bool goes_in = input < stage->n_inputs && stage->inputs[input] == list[i];
        if (!goes_in || !stage->class->drops(stage->fitted, input)) {
            list[kept++] = list[i];
        }
        input += goes_in;
    }
    *n = kept;
}

static skimp_status add_columns(skimpi_frame *frame, const skimpi_stage *stage, const char *const *names,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint64_t n = (uint64_t)stage->changes.new_floats + stage->changes.new_doubles;
    if (n > UINT32_MAX - frame->n_ids) {
        return skimpi_fail(error, SKIMP_ERROR_DATA, "step %s: too many columns", stage->name);
    }
    if (n > frame->dense_capacity - frame->n_dense) {
        void *block = frame->dense;
        SKIMPI_TRY(skimp_realloc(frame->budget, SKIMP_TAG_OTHER, &block, frame->dense_capacity, frame->n_dense + n,
                                 sizeof *frame->dense, error));
        frame->dense = block;
        frame->dense_capacity = (uint32_t)(frame->n_dense + n);
    }
    frame->lacks_names |= n > 0 && names == NULL;
    for (uint32_t k = 0; k < n; k++) {
        frame->dense[frame->n_dense++] = frame->n_ids++;
        if (names != NULL) {
            SKIMPI_TRY(stage->class->name_new(stage->fitted, k, names, &frame->names, error));
            SKIMPI_TRY(skimpi_buffer_append(&frame->names, "", 1, error));
        }
    }
out:
    return status;
}

skimp_status skimpi_frame_advance(skimpi_frame *frame, skimpi_stage *stage, const char *const *names,
                                  skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const uint32_t n_dense = frame->n_dense, n_text = frame->n_text;
    stage->first_new = frame->n_ids;
    stage->changes = (skimpi_changes){ .n_sparse = frame->n_sparse };
    if (stage->class->changes == NULL) {
        return SKIMP_OK;
    }
    stage->class->changes(stage->fitted, &stage->changes);
    frame->n_sparse = stage->changes.n_sparse;
    if (stage->on_text) {
        drop_columns(stage, frame->text, &frame->n_text);
    } else {
        drop_columns(stage, frame->dense, &frame->n_dense);
    }
    frame->is_changed |= frame->n_dense < n_dense || frame->n_text < n_text;
    SKIMPI_TRY(add_columns(frame, stage, names, error));
    frame->is_changed |= frame->n_ids > stage->first_new;
out:
    return status;
}

/* ---- chunks through the steps ------------------------------------------------------------------------------------------ */

uint64_t skimpi_view_bytes(uint64_t n_ids, uint32_t n_category)
{
    return skimp_alloc_cost(skimpi_mul_sat(n_ids, sizeof(skimpi_dense_column))) +
           skimp_alloc_cost((uint64_t)n_category * sizeof(skimpi_code_column));
}

skimp_status skimpi_view_create(skimpi_view *view, skimp_budget *budget, uint64_t n_ids, uint32_t n_category,
                                skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CHUNKS, n_ids, sizeof *view->dense, (void **)&view->dense, error));
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_CHUNKS, n_category, sizeof *view->codes, (void **)&view->codes, error));
out:
    return status;
}

void skimpi_view_destroy(skimpi_view *view, skimp_budget *budget, uint64_t n_ids, uint32_t n_category)
{
    skimp_free(budget, SKIMP_TAG_CHUNKS, view->dense, n_ids, sizeof *view->dense);
    skimp_free(budget, SKIMP_TAG_CHUNKS, view->codes, n_category, sizeof *view->codes);
    *view = (skimpi_view){ 0 };
}

void skimpi_stage_view(const skimpi_stage *stage, const skimpi_chunk *chunk, skimpi_chunk *out, const skimpi_view *view)
{
    *out = *chunk;
    out->n_codes = 0;
    if (stage->inputs == NULL) {
        return;
    }
    out->n_dense = 0;
    out->dense = view->dense;
    out->codes = view->codes;
    for (uint32_t i = 0; i < stage->n_inputs && !stage->on_text; i++) {
        view->dense[i] = chunk->dense[stage->inputs[i]];
        view->dense[i].feature = i;
        out->n_dense = i + 1;
    }
    for (uint32_t i = 0; i < stage->n_inputs && stage->on_text; i++) {
        view->codes[i] = chunk->codes[stage->inputs[i]];
        view->codes[i].feature = view->codes[i].slot = i;
        out->n_codes = i + 1;
    }
}

/* Gives the columns that a stage adds their places in the chunk's spare memory, and has them filled. */
static void extend(const skimpi_stage *stage, skimpi_chunk *chunk, const skimpi_chunk *part, uint64_t *spare)
{
    const uint32_t n = stage->changes.new_floats + stage->changes.new_doubles;
    skimpi_dense_column *new_columns = chunk->dense + stage->first_new;
    for (uint32_t k = 0; k < n; k++) {
        const bool is_float = k < stage->changes.new_floats;
        uint8_t *memory = (uint8_t *)chunk->spare + *spare;
        new_columns[k] = (skimpi_dense_column){ .feature = stage->first_new + k,
                                                .f32 = is_float ? (float *)memory : NULL,
                                                .f64 = is_float ? NULL : (double *)memory };
        *spare += skimpi_column_stride(chunk->n_rows) * (is_float ? sizeof(float) : sizeof(double));
    }
    if (n > 0) {
        stage->class->extend(stage->fitted, part, stage->recoded, new_columns);
    }
}

static void recode(const skimpi_stage *stage, skimpi_chunk *chunk)
{
    for (uint32_t k = 0; stage->on_text && k < stage->n_inputs; k++) {
        const uint32_t from = stage->recoded[k], to = stage->recoded_to[k];
        uint32_t *codes = chunk->codes[stage->inputs[k]].codes;
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            codes[i] = codes[i] == from ? to : codes[i];
        }
    }
}

void skimpi_pipeline_transform(const skimpi_pipeline *pipeline, unsigned n, skimpi_chunk *chunk,
                               const skimpi_view *view)
{
    uint64_t spare = 0;
    for (unsigned i = 0; i < n; i++) {
        const skimpi_stage *stage = &pipeline->steps[i];
        skimpi_chunk part;
        skimpi_stage_view(stage, chunk, &part, view);
        extend(stage, chunk, &part, &spare);
        stage->class->transform(stage->fitted, &part);
        chunk->csr = part.csr;
        recode(stage, chunk);
    }
}
