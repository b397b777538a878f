/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steps that change which columns there are, as the engine runs them: made-up classes that drop columns, add some of both
 * types and change texts, one after the other; what each sees, where features lie in the end, names, memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "temporary_directory.h"
#include "job_data.h"

/* ---- made-up steps ------------------------------------------------------------------------------------------------------- */

typedef struct made_up {
    const char *drops; /* a letter for each column that goes in: 'd' goes no further */
    uint32_t n_floats, n_doubles;
    const char *from, *to; /* text */
    bool was_used;
    uint32_t seen; /* columns of the last chunk */
} made_up;

static void changes(const void *opaque, skimpi_changes *out)
{
    const made_up *self = opaque;
    out->new_floats = self->n_floats;
    out->new_doubles = self->n_doubles;
}

static bool drops(const void *opaque, uint32_t column)
{
    const made_up *self = opaque;
    assert_true(column < strlen(self->drops));
    return self->drops[column] == 'd';
}

/* New column k: the sum of all that go in, and k. */
static void extend(const void *opaque, const skimpi_chunk *chunk, const uint32_t *recoded,
                   skimpi_dense_column *new_columns)
{
    const made_up *self = opaque;
    for (uint32_t k = 0; k < self->n_floats + self->n_doubles; k++) {
        assert_int_equal((uintptr_t)new_columns[k].f32 % 64, 0);
        assert_int_equal((uintptr_t)new_columns[k].f64 % 64, 0);
        assert_int_equal(new_columns[k].f32 != NULL, k < self->n_floats);
        assert_int_equal(new_columns[k].f64 != NULL, k >= self->n_floats);
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            double sum = k;
            for (uint32_t j = 0; j < chunk->n_dense; j++) {
                assert_int_equal(chunk->dense[j].feature, j);
                sum += chunk->dense[j].f32 != NULL ? (double)chunk->dense[j].f32[i] : chunk->dense[j].f64[i];
            }
            for (uint32_t j = 0; j < chunk->n_codes; j++) {
                sum += 1000 * (chunk->codes[j].codes[i] == recoded[j]);
            }
            if (new_columns[k].f32 != NULL) {
                new_columns[k].f32[i] = (float)sum;
            } else {
                new_columns[k].f64[i] = sum;
            }
        }
    }
}

/* Doubles what goes in, after extend has seen it. */
static void transform(const void *opaque, skimpi_chunk *chunk)
{
    ((made_up *)(uintptr_t)opaque)->seen = chunk->n_dense + chunk->n_codes;
    for (uint32_t j = 0; j < chunk->n_dense; j++) {
        for (uint32_t i = 0; i < chunk->n_rows; i++) {
            if (chunk->dense[j].f32 != NULL) {
                chunk->dense[j].f32[i] *= 2;
            } else {
                chunk->dense[j].f64[i] *= 2;
            }
        }
    }
}

static skimp_status name_new(const void *opaque, uint32_t column, const char *const *names, skimpi_buffer *out,
                             skimp_error *error)
{
    (void)opaque;
    return skimpi_buffer_printf(out, error, "%s+%u", names[0], column);
}

static void recode(const void *opaque, uint32_t column, skimpi_recoding *out)
{
    const made_up *self = opaque;
    (void)column;
    *out = (skimpi_recoding){ self->from, self->to, self->was_used };
}

static void no_destroy(void *self)
{
    (void)self;
}

static const skimpi_estimator_class changing = { .info = { .kind = SKIMP_TRANSFORMER },
                                                 .destroy = no_destroy,
                                                 .transform = transform,
                                                 .handles_text = true,
                                                 .changes = changes,
                                                 .drops = drops,
                                                 .extend = extend,
                                                 .name_new = name_new,
                                                 .recode = recode };
static const skimpi_estimator_class plain = { .info = { .kind = SKIMP_TRANSFORMER },
                                              .destroy = no_destroy,
                                              .transform = transform };

/* ---- set-up -------------------------------------------------------------------------------------------------------------- */

/* a, t, b, u, c: numbers a, b, c and texts t, u. */
typedef struct bench {
    skimp_budget *budget;
    skimpi_schema *schema;
    skimpi_pipeline pipeline;
    skimpi_design design;
    skimpi_view view;
    uint32_t n_ids;
} bench;

static void set_up(bench *b, const uint64_t *missing)
{
    static const char *const names[] = { "a", "t", "b", "u", "c" };
    static const char *const texts[] = { "zoe", "ann", "max" };
    const skimp_budget_options options = { .size = sizeof options };
    *b = (bench){ 0 };
    assert_int_equal(skimp_budget_create(&b->budget, &options, NULL), SKIMP_OK);
    assert_int_equal(skimpi_schema_create(&b->schema, b->budget, 5, NULL), SKIMP_OK);
    for (uint32_t c = 0; c < 5; c++) {
        assert_int_equal(skimpi_schema_set_name(b->schema, c, names[c], 1, NULL), SKIMP_OK);
        b->schema->columns[c].type = c % 2 == 1 ? SKIMPI_TYPE_CATEGORY : SKIMPI_TYPE_NUMERIC;
    }
    assert_int_equal(skimpi_schema_settle(b->schema, NULL), SKIMP_OK);
    for (uint32_t slot = 0; slot < 2; slot++) {
        for (uint32_t k = 0; k < 3; k++) {
            uint32_t code;
            const size_t n = strlen(texts[k]);
            assert_int_equal(skimpi_dictionary_insert(b->schema->dictionaries[slot], texts[k], n,
                                                      skimpi_dictionary_hash(texts[k], n), &code, NULL),
                             SKIMP_OK);
        }
    }
    b->pipeline.budget = b->budget;
    assert_int_equal(skimpi_design_create(&b->design, b->budget, b->schema, missing, NULL), SKIMP_OK);
    assert_int_equal(skimpi_frame_begin(&b->pipeline.frame, b->budget, 3, 2, 0, NULL), SKIMP_OK);
}

static void tear_down(bench *b)
{
    skimpi_view_destroy(&b->view, b->budget, b->n_ids, 2);
    skimpi_design_destroy(&b->design);
    skimpi_pipeline_destroy(&b->pipeline);
    skimpi_schema_destroy(b->schema);
    assert_int_equal(skimp_budget_destroy(b->budget), 0);
}

/* A step, fitted; columns: as after @. */
static skimpi_stage *take_step(bench *b, const skimpi_estimator_class *class, made_up *self, const char *columns)
{
    skimpi_pipeline *pipeline = &b->pipeline;
    skimpi_stage *stage = &pipeline->steps[pipeline->n_steps++];
    *stage = (skimpi_stage){ .class = class, .fitted = self, .name = "step" };
    const char *names[16];
    if (columns != NULL) {
        assert_int_equal(
            skimpi_string_copy(b->budget, SKIMP_TAG_OTHER, columns, strlen(columns), &stage->columns, NULL), SKIMP_OK);
    }
    skimpi_pipeline only = { .budget = b->budget, .n_steps = 1 };
    only.steps[0] = *stage;
    assert_int_equal(skimpi_pipeline_bind(&only, b->schema, NULL), SKIMP_OK);
    *stage = only.steps[0];
    const uint64_t before = skimp_budget_in_use(b->budget);
    assert_int_equal(skimpi_frame_bind(&pipeline->frame, stage, NULL), SKIMP_OK);
    assert_int_equal(skimp_budget_in_use(b->budget) - before, skimpi_frame_bind_bytes(stage, stage->n_inputs));
    if (stage->on_text) {
        for (uint32_t k = 0; k < stage->n_inputs; k++) {
            names[k] = b->schema->columns[b->schema->category[stage->inputs[k]]].name;
        }
    } else {
        skimpi_frame_names(&pipeline->frame, b->schema, stage->inputs, stage->n_inputs, names);
    }
    assert_int_equal(skimpi_frame_advance(&pipeline->frame, stage, names, NULL), SKIMP_OK);
    if (stage->on_text) {
        assert_int_equal(skimpi_recode_bind(pipeline, pipeline->n_steps, &b->design, b->schema, NULL, NULL), SKIMP_OK);
    }
    return stage;
}

static void finish(bench *b)
{
    static const uint8_t is_text[] = { 0, 1, 0, 1, 0 };
    if (skimpi_pipeline_on_text(&b->pipeline)) {
        assert_int_equal(skimpi_recode_finish(&b->pipeline, &b->design, b->schema, NULL), SKIMP_OK);
    }
    assert_int_equal(skimpi_design_place(&b->design, &b->pipeline.frame, is_text, b->schema->hash_bits, NULL),
                     SKIMP_OK);
    b->n_ids = b->pipeline.frame.n_ids;
    assert_int_equal(skimpi_view_create(&b->view, b->budget, b->n_ids, 2, NULL), SKIMP_OK);
}

/* All names, with a comma after each. */
static void assert_names(const bench *b, const char *expected)
{
    skimpi_buffer names;
    skimpi_buffer_init(&names, b->budget, SKIMP_TAG_OTHER);
    assert_int_equal(skimpi_design_names(&b->design, &b->pipeline.frame, b->schema, &names, NULL), SKIMP_OK);
    for (size_t i = 0; i < names.length; i++) {
        char *c = (char *)names.data + i;
        *c = *c == '\0' ? ',' : *c;
    }
    assert_int_equal(skimpi_buffer_append(&names, "", 1, NULL), SKIMP_OK);
    assert_string_equal(names.data, expected);
    skimpi_buffer_free(&names);
}

/* A chunk of two rows, as a decoder would make it. */
typedef struct rows {
    skimpi_chunk chunk;
    skimpi_dense_column dense[16];
    skimpi_code_column codes[2];
    double b[16], c[16];
    float a[16];
    uint32_t t[16], u[16];
    uint8_t *spare;
} rows;

static void make_rows(const bench *b, rows *r, const uint32_t *t, const uint32_t *u)
{
    *r = (rows){ .a = { 1, 2 }, .b = { 10, 20 }, .c = { 100, 200 } };
    r->spare = aligned_alloc(64, 16 * 16 * sizeof(double));
    assert_non_null(r->spare);
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t *const given[] = { t, u };
        uint32_t *const to[] = { r->t, r->u };
        for (uint32_t slot = 0; slot < 2; slot++) {
            const uint32_t code = given[slot][i];
            to[slot][i] = code < b->design.rank_sizes[slot] ? b->design.ranks[slot][code] : code;
        }
    }
    r->dense[0] = (skimpi_dense_column){ .feature = b->design.features[0], .f32 = r->a };
    r->dense[1] = (skimpi_dense_column){ .feature = b->design.features[1], .f64 = r->b };
    r->dense[2] = (skimpi_dense_column){ .feature = b->design.features[2], .f64 = r->c };
    for (uint32_t slot = 0; slot < 2; slot++) {
        r->codes[slot] = (skimpi_code_column){ .feature = b->design.code_features[slot],
                                               .n_codes = b->design.n_codes[slot],
                                               .slot = slot,
                                               .codes = slot == 0 ? r->t : r->u };
    }
    r->chunk = (skimpi_chunk){
        .n_rows = 2, .n_dense = 3, .n_codes = 2, .dense = r->dense, .codes = r->codes, .spare = r->spare
    };
}

static double value_of(const skimpi_chunk *chunk, uint32_t k, uint32_t row)
{
    const skimpi_dense_column *column = &chunk->dense[k];
    return column->f32 != NULL ? (double)column->f32[row] : column->f64[row];
}

/* ---- tests --------------------------------------------------------------------------------------------------------------- */

static void drops_and_adds(void **state)
{
    (void)state;
    bench b;
    rows r;
    const uint64_t missing[] = { 1, 0 };
    set_up(&b, missing);
    assert_names(&b, "a,t_ann,t_max,t_zoe,t_nan,b,u_ann,u_max,u_zoe,c,");
    assert_int_equal(b.design.n_features, 10);
    /* b goes; three come. Then a step on all that there is; one on b, which is there no more; one that drops new and old. */
    made_up first = { .drops = "-d", .n_floats = 2, .n_doubles = 1 };
    made_up second = { .drops = "" };
    made_up third = { .drops = "", .n_floats = 1 };
    made_up fourth = { .drops = "d-d---", .n_doubles = 1 };
    skimpi_stage *stage = take_step(&b, &changing, &first, "a,b");
    assert_int_equal(stage->n_inputs, 2);
    stage = take_step(&b, &plain, &second, NULL);
    assert_int_equal(stage->n_inputs, 5); /* a, c and the new ones */
    stage = take_step(&b, &changing, &third, "b");
    assert_int_equal(stage->n_inputs, 0);
    assert_int_equal(stage->first_new, 6);
    stage = take_step(&b, &changing, &fourth, NULL);
    assert_int_equal(stage->n_inputs, 6);
    finish(&b);
    assert_true(b.pipeline.frame.is_changed);
    assert_false(b.pipeline.frame.lacks_names);
    assert_int_equal(b.pipeline.frame.n_ids, 8);
    assert_int_equal(b.design.n_dense, 5);
    assert_int_equal(b.design.n_features, 4 + 3 + 5);
    assert_int_equal(b.design.n_code_columns, 2);
    assert_ptr_equal(skimpi_design_code_sizes(&b.design), b.design.n_codes);
    assert_int_equal(b.design.code_features[0], 0);
    assert_int_equal(b.design.code_features[1], 4);
    for (int repeat = 0; repeat < 2; repeat++) {
        const uint32_t t[] = { 0, SKIMPI_CODE_MISSING }, u[] = { 1, 2 };
        make_rows(&b, &r, t, u);
        skimpi_pipeline_transform(&b.pipeline, 4, &r.chunk, &b.view);
        assert_int_equal(first.seen, 2);
        assert_int_equal(second.seen, 5);
        assert_int_equal(third.seen, 0);
        assert_int_equal(fourth.seen, 6);
        skimpi_design_finish_chunk(&b.design, &b.pipeline.frame, &r.chunk);
        assert_int_equal(r.chunk.n_dense, 5);
        assert_int_equal(r.chunk.n_codes, 2);
        for (uint32_t i = 0; i < 2; i++) {
            const double k = i + 1, sum = k * 11;
            /* first: new = a + b + 0, 1, 2; a doubled.  second: all doubled.  third: new = 0.  fourth: the sum, then doubled. */
            const double a = 4 * k, c = 200 * k, x0 = 2 * sum, x1 = 2 * (sum + 1), x2 = 2 * (sum + 2);
            const double expected[] = { 2 * c, 2 * x1, 2 * x2, 0, a + c + x0 + x1 + x2 };
            for (uint32_t d = 0; d < 5; d++) {
                assert_true(value_of(&r.chunk, d, i) == expected[d]);
            }
        }
        const uint64_t features[] = { 7, 8, 9, 10, 11 };
        for (uint32_t d = 0; d < 5; d++) {
            assert_int_equal(r.chunk.dense[d].feature, features[d]);
        }
        assert_int_equal(r.t[0], 2); /* zoe */
        assert_int_equal(r.t[1], 3); /* missing */
        free(r.spare);
    }
    tear_down(&b);
}

static void names_columns(void **state)
{
    (void)state;
    bench b;
    const uint64_t missing[] = { 0, 0 };
    set_up(&b, missing);
    made_up first = { .drops = "d-", .n_floats = 1, .n_doubles = 2 }, second = { .drops = "--d--", .n_floats = 1 };
    take_step(&b, &changing, &first, "b,c");
    take_step(&b, &changing, &second, NULL); /* a, c, b+0, b+1, b+2 */
    finish(&b);
    assert_names(&b, "a,t_ann,t_max,t_zoe,u_ann,u_max,u_zoe,c,b+1,b+2,a+0,");
    assert_int_equal(b.design.n_features, 11);
    const char *names[5];
    skimpi_frame_names(&b.pipeline.frame, b.schema, b.pipeline.frame.dense, 5, names);
    static const char *const expected[] = { "a", "c", "b+1", "b+2", "a+0" };
    for (uint32_t k = 0; k < 5; k++) {
        assert_string_equal(names[k], expected[k]);
    }
    tear_down(&b);
}

/* Texts: ann becomes max, a missing value becomes "0 new", u goes. */
static void recodes(void **state)
{
    (void)state;
    for (int used = 0; used < 2; used++) {
        bench b;
        rows r;
        const uint64_t missing[] = { 1, 1 };
        set_up(&b, missing);
        made_up first = { .drops = "--", .from = "ann", .to = "max", .was_used = true, .n_floats = 1 };
        made_up second = { .drops = "-", .to = "0 new", .was_used = used == 1 };
        made_up third = { .drops = "d", .to = NULL };
        take_step(&b, &changing, &first, "text");
        skimpi_stage *stage = take_step(&b, &changing, &second, "t");
        assert_true(stage->on_text);
        assert_int_equal(stage->n_inputs, 1);
        take_step(&b, &changing, &third, "u");
        assert_int_equal(b.design.rank_sizes[0], 4); /* the new text is in the dictionary */
        const uint32_t t[] = { 1, SKIMPI_CODE_MISSING }, u[] = { 1, 2 };
        finish(&b);
        make_rows(&b, &r, t, u);
        skimpi_pipeline_transform(&b.pipeline, 3, &r.chunk, &b.view);
        skimpi_design_finish_chunk(&b.design, &b.pipeline.frame, &r.chunk);
        assert_names(&b, used == 1 ? "a,t_0 new,t_max,t_zoe,b,c,t+0," : "a,t_max,t_zoe,b,c,t+0,");
        assert_int_equal(b.design.n_features, 6 + used);
        assert_int_equal(b.design.n_codes[0], 2 + used); /* no missing category */
        assert_int_equal(b.design.n_code_columns, 1);
        assert_int_equal(r.chunk.n_codes, 1);
        assert_int_equal(skimpi_design_code_features(&b.design)[0], 1);
        assert_int_equal(skimpi_design_code_sizes(&b.design)[0], 2 + used);
        assert_int_equal(r.chunk.codes[0].codes[0], used);       /* max, the first of the data's */
        assert_true(used == 1 ? r.chunk.codes[0].codes[1] == 0   /* the new text, before all others */
                              : r.chunk.codes[0].codes[1] >= 2); /* a text that no row of the fit got: zeros */
        assert_int_equal(r.chunk.n_dense, 4);
        assert_true(value_of(&r.chunk, 3, 0) == 2000); /* both were ann */
        assert_true(value_of(&r.chunk, 3, 1) == 0);
        free(r.spare);
        tear_down(&b);
    }
}

/* A chain: what one step brings in, the next one takes away. Ranks stay those of all texts until the end. */
static void follows_chains(void **state)
{
    (void)state;
    bench b;
    rows r;
    const uint64_t missing[] = { 1, 0 };
    set_up(&b, missing);
    made_up first = { .drops = "-", .to = "hole", .was_used = true };
    made_up second = { .drops = "-", .from = "hole", .to = "other", .was_used = true };
    made_up third = { .drops = "-", .from = "zoe", .to = "ann", .was_used = false };
    made_up fourth = { .drops = "-", .from = "ann", .to = "zoe", .was_used = true };
    take_step(&b, &changing, &first, "t");
    take_step(&b, &changing, &second, "t");
    take_step(&b, &changing, &third, "t");
    const skimpi_stage *stage = take_step(&b, &changing, &fourth, "t");
    const skimpi_stage_texts texts = skimpi_recode_texts(stage, &b.design, b.schema);
    size_t length = 0;
    assert_int_equal(texts.base.code(&texts.base, 0, "hole"), 1); /* ann, hole, max, other, zoe */
    assert_int_equal(texts.base.code(&texts.base, 0, "nobody"), SKIMPI_CODE_UNKNOWN);
    const char *text = texts.base.text(&texts.base, 0, 3, &length);
    assert_int_equal(length, 5);
    assert_memory_equal(text, "other", 5);
    finish(&b);
    const uint32_t t[] = { SKIMPI_CODE_MISSING, 0 }, u[] = { 0, SKIMPI_CODE_UNKNOWN };
    make_rows(&b, &r, t, u);
    skimpi_pipeline_transform(&b.pipeline, 4, &r.chunk, &b.view);
    skimpi_design_finish_chunk(&b.design, &b.pipeline.frame, &r.chunk);
    assert_names(&b, "a,t_max,t_other,t_zoe,b,u_ann,u_max,u_zoe,c,");
    assert_int_equal(r.t[0], 1);
    assert_int_equal(r.t[1], 2); /* zoe, ann, zoe */
    assert_int_equal(r.u[1], SKIMPI_CODE_UNKNOWN);
    free(r.spare);
    tear_down(&b);
}

/* The memory that plans count: all of what begin and steps that add columns charge. */
static void takes_what_was_planned(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 100000; n *= 7) {
        const skimp_budget_options options = { .size = sizeof options };
        skimp_budget *budget;
        skimpi_frame frame = { 0 };
        made_up self = { .drops = "", .n_floats = n, .n_doubles = n / 2 };
        skimpi_stage stage = { .class = &changing, .fitted = &self };
        const char *const names[] = { "column" };
        const uint64_t n_new = n + n / 2;
        assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
        const uint64_t before = skimp_budget_in_use(budget);
        assert_int_equal(skimpi_frame_begin(&frame, budget, n, 3, 0, NULL), SKIMP_OK);
        assert_int_equal(skimp_budget_in_use(budget) - before, skimpi_frame_bytes(n, 3, 0, 0));
        assert_int_equal(skimpi_frame_advance(&frame, &stage, names, NULL), SKIMP_OK);
        assert_true(skimp_budget_peak(budget) - before <= skimpi_frame_bytes(n, 3, n_new, 24 * n_new));
        assert_int_equal(frame.n_dense, n + n_new);
        skimpi_frame_destroy(&frame);
        skimpi_frame_destroy(&frame);
        skimpi_view view = { 0 };
        assert_int_equal(skimpi_view_create(&view, budget, n, 3, NULL), SKIMP_OK);
        assert_int_equal(skimp_budget_in_use(budget) - before, skimpi_view_bytes(n, 3));
        skimpi_view_destroy(&view, budget, n, 3);
        assert_int_equal(skimp_budget_destroy(budget), 0);
    }
}

/* More than a list can hold: refused, which a model file may bring about. */
static void refuses_too_many(void **state)
{
    (void)state;
    const skimp_budget_options options = { .size = sizeof options };
    skimp_budget *budget;
    skimpi_frame frame = { 0 };
    made_up self = { .drops = "", .n_floats = UINT32_MAX, .n_doubles = UINT32_MAX };
    skimpi_stage stage = { .class = &changing, .fitted = &self };
    assert_int_equal(skimp_budget_create(&budget, &options, NULL), SKIMP_OK);
    assert_int_equal(skimpi_frame_begin(&frame, budget, 2, 0, 0, NULL), SKIMP_OK);
    assert_int_equal(skimpi_frame_advance(&frame, &stage, NULL, NULL), SKIMP_ERROR_DATA);
    skimpi_frame_destroy(&frame);
    assert_int_equal(skimp_budget_destroy(budget), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_and_adds), cmocka_unit_test(names_columns),          cmocka_unit_test(recodes),
        cmocka_unit_test(follows_chains), cmocka_unit_test(takes_what_was_planned), cmocka_unit_test(refuses_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
