/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Batches of whole arrays, for tests: `batches_of`.  It needs array_data.h and frame_data.h, included before it.
 */
#ifndef BATCH_DATA_H
#define BATCH_DATA_H

/* Gives rows of arrays, some at a time; what a batch consists of lies in memory of its own, which is spoilt by the next. */
typedef struct source {
    const skimp_data *whole;
    uint64_t rows;     /* of a batch */
    bool grows;        /* each batch has one row more than the one before */
    uint64_t fails_at; /* the batch that is refused; 0: none */
    uint64_t at, n_batches;
    unsigned n_again;        /* how often it began again; tests may set it back */
    uint64_t n_given;        /* rows, in all */
    const skimp_data *later; /* not NULL: the rows, once it began again */
    skimp_data_column columns[8];
    int16_t *codes; /* of the text column, by the batch's own texts */
    int32_t *labels;
    char text[64], label_text[64];
    int32_t ends[9];
    int64_t label_ends[9];
} source;

static void free_source(source *s)
{
    free(s->codes);
    free(s->labels);
    s->codes = NULL;
    s->labels = NULL;
}

/* The days that the rows have, in the order in which they come; of labels likewise. */
static void own_texts(source *s, const skimp_data *whole, uint64_t first, uint64_t n, skimp_data *batch)
{
    const skimp_data_column *days = &whole->columns[3];
    int16_t own[8] = { 0 };
    int32_t own_label[3] = { 0 }, n_days = 0, n_labels = 0;
    memset(own, -1, sizeof own);
    memset(own_label, -1, sizeof own_label);
    s->codes = must_allocate(n * sizeof *s->codes);
    s->labels = must_allocate(n * sizeof *s->labels);
    s->ends[0] = 0;
    s->label_ends[0] = 0;
    for (uint64_t i = 0; i < n; i++) {
        const int16_t day = ((const int16_t *)days->values)[first + i];
        const int32_t label = ((const int32_t *)whole->target.values)[first + i];
        if (day >= 0 && own[day] < 0) {
            memcpy(s->text + 3 * n_days, day_text + 3 * day, 3);
            own[day] = (int16_t)n_days++;
            s->ends[n_days] = 3 * n_days;
        }
        if (own_label[label] < 0) {
            const size_t length = (size_t)(label_ends[label + 1] - label_ends[label]);
            memcpy(s->label_text + s->label_ends[n_labels], label_text + label_ends[label], length);
            own_label[label] = n_labels++;
            s->label_ends[n_labels] = s->label_ends[n_labels - 1] + (int64_t)length;
        }
        s->codes[i] = day < 0 ? -1 : own[day];
        s->labels[i] = own_label[label];
    }
    s->columns[3].values = s->codes;
    s->columns[3].n_categories = (uint64_t)n_days;
    s->columns[3].text = s->text;
    s->columns[3].offsets = s->ends;
    batch->target.values = s->labels;
    batch->target.n_categories = (uint64_t)n_labels;
    batch->target.text = s->label_text;
    batch->target.offsets = s->label_ends;
}

static void move_column(skimp_data_column *column, uint64_t first)
{
    if (column->values != NULL) {
        column->values = (const char *)column->values + (int64_t)first * column->stride;
        column->validity_offset += first;
    }
}

static skimp_status next(void *context, skimp_data *batch, bool *end, skimp_error *error)
{
    source *s = context;
    free_source(s);
    assert_int_equal(batch->size, sizeof *batch);
    if (++s->n_batches == s->fails_at) {
        return skimpi_fail(error, SKIMP_ERROR_IO, "the owner's own words");
    }
    const skimp_data *whole = s->n_again > 0 && s->later != NULL ? s->later : s->whole;
    const uint64_t wanted = s->rows + (s->grows ? s->n_batches - 1 : 0), first = s->at;
    const uint64_t n = skimpi_min_u64(wanted, whole->n_rows - first);
    if (n == 0 && wanted > 0) {
        *end = true;
        return SKIMP_OK;
    }
    *batch = *whole;
    batch->n_rows = n;
    s->at += n;
    s->n_given += n;
    move_column(&batch->target, first);
    move_column(&batch->weight, first);
    if (batch->kind == SKIMP_DATA_MATRIX) {
        batch->values = (const char *)batch->values + (int64_t)first * batch->row_stride;
    } else if (batch->kind == SKIMP_DATA_CSR) {
        batch->indptr = (const char *)batch->indptr + first * skimp_dtype_bytes(batch->indptr_dtype);
    } else {
        memcpy(s->columns, batch->columns, batch->n_columns * sizeof *s->columns);
        batch->columns = s->columns;
        for (unsigned c = 0; c < batch->n_columns; c++) {
            move_column(&s->columns[c], first);
        }
        own_texts(s, whole, first, n, batch);
    }
    return SKIMP_OK;
}

static skimp_status again(void *context, skimp_error *error)
{
    (void)error;
    source *s = context;
    s->at = s->n_batches = 0;
    s->n_again++;
    return SKIMP_OK;
}

static skimp_data batches_of(source *s, const skimp_data *whole, uint64_t rows)
{
    *s = (source){ .whole = whole, .rows = rows };
    skimp_data data = SKIMP_DATA_INIT;
    data.kind = SKIMP_DATA_BATCHES;
    data.next = next;
    data.rewind = again;
    data.context = s;
    return data;
}

#endif
