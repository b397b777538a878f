/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests: the caller's side of skimp_job_apply, over jobs of job_data.h. After that and array_data.h. */
#ifndef SKIMP_TEST_APPLY_RESULT_H
#define SKIMP_TEST_APPLY_RESULT_H

typedef struct result {
    skimp_apply_options options;
    skimp_apply_shape shape;
    void *values, *indices, *indptr;
    size_t value_bytes;
    unsigned calls, fail_at; /* the call that is to fail; 0: none */
    bool by_column;          /* dense: column after column, the last first */
} result;

/* Gives exactly what was asked for, in a new place each time. */
static inline void *moved(void *old, size_t old_bytes, size_t bytes)
{
    void *block = must_allocate(bytes);
    if (old != NULL) {
        memcpy(block, old, old_bytes < bytes ? old_bytes : bytes);
    }
    free(old);
    return block;
}

static inline skimp_status give(void *context, const skimp_apply_shape *shape, skimp_apply_memory *out,
                                skimp_error *error)
{
    result *r = context;
    const size_t item = skimp_dtype_bytes(r->options.dtype), index = skimp_dtype_bytes(r->options.indices_dtype);
    if (++r->calls == r->fail_at) {
        return skimpi_fail(error, SKIMP_ERROR_NOMEM, "the caller has none");
    }
    assert_false(r->shape.is_last);
    if (shape->is_sparse) {
        r->indices = moved(r->indices, r->shape.nonzeros * index, shape->nonzeros * index);
        r->indptr = moved(r->indptr, r->calls > 1 ? (r->shape.n_rows + 1) * index : 0, (shape->n_rows + 1) * index);
        r->values = moved(r->values, r->shape.nonzeros * item, shape->nonzeros * item);
    } else {
        r->values =
            moved(r->values, r->shape.n_rows * r->shape.n_columns * item, shape->n_rows * shape->n_columns * item);
    }
    r->shape = *shape;
    *out = (skimp_apply_memory){ .values = r->values,
                                 .row_stride = (int64_t)(shape->n_columns * item),
                                 .column_stride = (int64_t)item,
                                 .indices = r->indices,
                                 .indptr = r->indptr };
    if (r->by_column) {
        out->values = (char *)r->values + (shape->n_columns - 1) * shape->n_rows * item;
        out->row_stride = (int64_t)item;
        out->column_stride = -(int64_t)(shape->n_rows * item);
    }
    return SKIMP_OK;
}

static inline void begin_result(result *r, skimp_apply_kind kind, skimp_dtype dtype)
{
    *r = (result){ .options = SKIMP_APPLY_OPTIONS_INIT };
    r->options.kind = kind;
    r->options.dtype = dtype;
    r->options.reserve = give;
    r->options.context = r;
}

static inline void free_result(result *r)
{
    free(r->values);
    free(r->indices);
    free(r->indptr);
    r->values = r->indices = r->indptr = NULL;
}

static inline void begin_arrays(job_setup *setup, const char *estimator, const skimp_data *data)
{
    begin_setup(setup, estimator, "unused", NULL);
    setup->options.n_inputs = 0;
    setup->options.data = data;
}

static inline skimp_status try_apply(const skimp_model *model, const job_setup *setup, result *r, skimp_error *error)
{
    skimp_job *job = NULL;
    *error = (skimp_error)SKIMP_ERROR_INIT;
    skimp_status status = skimp_job_create(&job, &setup->options, error);
    if (status == SKIMP_OK) {
        status = skimp_job_apply(job, model, &r->options, error);
        const uint64_t output = skimp_job_report(job)->memory[SKIMP_TAG_OUTPUT];
        const uint64_t bytes = r->shape.n_rows * r->shape.n_columns * skimp_dtype_bytes(r->options.dtype);
        assert_true(status != SKIMP_OK || r->shape.is_sparse || output >= bytes);
        assert_true(skimp_job_report(job)->charged_peak_bytes <= skimp_budget_limit(job->budget));
    }
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    assert_int_equal(error->code, status);
    return status;
}

static inline void apply(const skimp_model *model, const job_setup *setup, skimp_apply_kind kind, skimp_dtype dtype,
                         result *r)
{
    skimp_error error = SKIMP_ERROR_INIT;
    begin_result(r, kind, dtype);
    assert_ok(try_apply(model, setup, r, &error));
    assert_true(r->shape.is_last);
}

static inline void assert_same_results(const result *a, const result *b)
{
    const size_t item = skimp_dtype_bytes(a->options.dtype), index = skimp_dtype_bytes(a->options.indices_dtype);
    assert_int_equal(a->shape.n_rows, b->shape.n_rows);
    assert_int_equal(a->shape.n_columns, b->shape.n_columns);
    assert_int_equal(a->shape.nonzeros, b->shape.nonzeros);
    if (a->shape.is_sparse) {
        assert_memory_equal(a->indptr, b->indptr, (a->shape.n_rows + 1) * index);
        if (a->shape.nonzeros > 0) {
            assert_memory_equal(a->indices, b->indices, a->shape.nonzeros * index);
            assert_memory_equal(a->values, b->values, a->shape.nonzeros * item);
        }
    } else {
        assert_memory_equal(a->values, b->values, a->shape.n_rows * a->shape.n_columns * item);
    }
}

/* The same over an input whatever the threads. *r: of one thread. */
static inline void apply_threads(const skimp_model *model, job_setup *setup, skimp_apply_kind kind, result *r)
{
    setup->options.n_threads = 1;
    apply(model, setup, kind, SKIMP_DTYPE_F64, r);
    for (unsigned threads = 2; threads <= 5; threads += 3) {
        result other;
        setup->options.n_threads = threads;
        apply(model, setup, kind, SKIMP_DTYPE_F64, &other);
        assert_same_results(r, &other);
        free_result(&other);
    }
}

static inline void convert(const char *input, const char *store, const char *target, const char *drop)
{
    job_setup setup;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, input, target);
    if (drop != NULL) {
        add_drop(&setup, drop);
    }
    assert_ok(skimp_job_create(&job, &setup.options, &error));
    assert_ok(skimp_job_convert(job, in_temporary(store), &error));
    skimp_job_destroy(job);
}

#endif
