/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's own copy of the options that it was given: one block that holds the arrays and the text. */
#include <string.h>

#include "engine/engine.h"

#define MOST_CLASS_TEXT ((uint64_t)SKIMPI_MAX_CLASSES << 12) /* bytes of all classes; more are refused later */

typedef struct bump {
    char *next; /* NULL: only count */
    size_t used;
} bump;

static void *take(bump *b, size_t bytes)
{
    void *at = b->next != NULL ? b->next + b->used : NULL;
    b->used += skimpi_round_up(bytes, 8);
    return at;
}

static const char *copy_text(bump *b, const char *text)
{
    if (text == NULL) {
        return NULL;
    }
    const size_t bytes = strlen(text) + 1;
    char *at = take(b, bytes);
    if (at != NULL) {
        memcpy(at, text, bytes);
    }
    return at;
}

static const char *const *copy_texts(bump *b, const char *const *texts, size_t n)
{
    const char **at = take(b, n * sizeof *at);
    for (size_t i = 0; i < n; i++) {
        const char *copy = copy_text(b, texts[i]);
        if (at != NULL) {
            at[i] = copy;
        }
    }
    return at;
}

/* The description of the caller's arrays, not what it points at. */
static const skimp_data *copy_data(bump *b, const skimp_data *from)
{
    const bool is_list = from->kind == SKIMP_DATA_COLUMNS && from->columns != NULL;
    const size_t n = from->n_columns <= UINT32_MAX ? (size_t)from->n_columns : 0; /* more are refused later */
    skimp_data *to = take(b, sizeof *to);
    skimp_data_column *columns = is_list ? take(b, n * sizeof *columns) : NULL;
    const char *const *names =
        from->kind == SKIMP_DATA_MATRIX && from->names != NULL ? copy_texts(b, from->names, n) : NULL;
    for (size_t c = 0; is_list && c < n; c++) {
        const char *name = copy_text(b, from->columns[c].name);
        if (columns != NULL) {
            columns[c] = from->columns[c];
            columns[c].name = name;
        }
    }
    const char *target = copy_text(b, from->target.name), *weight = copy_text(b, from->weight.name);
    if (to != NULL) {
        *to = *from;
        to->columns = columns;
        to->names = names;
        to->target.name = target;
        to->weight.name = weight;
    }
    return to;
}

/* A list of classes, values and all, if it is one. */
static const skimp_array *copy_classes(bump *b, const skimp_array *from)
{
    const bool is_text = from->dtype != NULL && strcmp(from->dtype, "U8") == 0;
    const bool is_list =
        from->n_dims == 1 && from->data != NULL && from->shape[0] <= (is_text ? MOST_CLASS_TEXT : SKIMPI_MAX_CLASSES);
    const size_t bytes = is_list ? (size_t)from->shape[0] * (is_text ? 1 : sizeof(double)) : 0;
    skimp_array *to = take(b, sizeof *to);
    const char *dtype = copy_text(b, from->dtype);
    void *data = take(b, skimpi_max_u64(bytes, 1));
    if (to != NULL) {
        *to = *from;
        to->name = "classes_";
        to->dtype = dtype;
        to->data = is_list ? data : NULL;
        memcpy(data, is_list ? from->data : "", bytes);
    }
    return to;
}

static void copy_all(bump *b, const skimp_job_options *from, skimp_job_options *to)
{
    *to = *from;
    to->estimator = copy_text(b, from->estimator);
    skimp_setting *params = take(b, from->n_params * sizeof *params);
    for (size_t i = 0; i < from->n_params; i++) {
        const skimp_setting setting = { copy_text(b, from->params[i].name), copy_text(b, from->params[i].value) };
        if (params != NULL) {
            params[i] = setting;
        }
    }
    to->params = params;
    to->steps = copy_texts(b, from->steps, from->n_steps);
    to->inputs = copy_texts(b, from->inputs, from->n_inputs);
    to->format = copy_text(b, from->format);
    to->target = copy_text(b, from->target);
    to->weight = copy_text(b, from->weight);
    to->drop = copy_texts(b, from->drop, from->n_drop);
    to->spill_dir = copy_text(b, from->spill_dir);
    to->checkpoint = copy_text(b, from->checkpoint);
    to->data = from->data != NULL ? copy_data(b, from->data) : NULL;
    to->classes = from->classes != NULL ? copy_classes(b, from->classes) : NULL;
}

skimp_status skimpi_options_copy(skimp_job_options *to, void **block, size_t *bytes, skimp_budget *budget,
                                 const skimp_job_options *from, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    bump count = { 0 };
    copy_all(&count, from, to);
    SKIMPI_TRY(skimp_alloc(budget, SKIMP_TAG_OTHER, count.used, 1, block, error));
    *bytes = count.used;
    bump fill = { .next = *block };
    copy_all(&fill, from, to);
out:
    return status;
}
