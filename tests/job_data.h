/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of jobs: small data sets in the temporary directory, jobs over them, models as bytes. After temporary_directory.h. */
#ifndef SKIMP_TEST_JOB_DATA_H
#define SKIMP_TEST_JOB_DATA_H

#include <math.h>

#include "engine/engine.h"

#define WEEKDAYS 7
static const char *const weekday_names[WEEKDAYS] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

typedef struct table_options {
    unsigned rows, columns; /* numeric columns x0 … */
    bool text;              /* a text column "day" */
    unsigned categories;    /* of it, with long names; 0: the days of the week */
    bool text_label;        /* labels "no", "yes", "maybe" rather than 0, 1, 2 */
    unsigned classes;       /* 0: a number to regress on */
    unsigned missing_every; /* every so many values of x0 are missing; 0: none */
    bool weight;            /* a column "w" */
    bool reversed;          /* columns in the opposite order */
    bool no_header;
    char separator;   /* 0: a comma */
    unsigned padding; /* bytes of a text column "padding", to be dropped, or of a comment: several chunks of few rows */
    uint64_t seed;
} table_options;

/* The rows of a table, as numbers: the same whatever the way they are written. */
typedef struct table_row {
    double x[64], score, weight;
    unsigned day, class;
} table_row;

static inline void table_next(const table_options *o, skimpi_random *random, table_row *row)
{
    row->score = 0.3;
    for (unsigned j = 0; j < o->columns; j++) {
        row->x[j] = floor(4096 * (skimpi_random_double(random) - 0.5)) / 256 * (j % 3 == 1 ? 10 : 1);
        row->score += row->x[j] * (j % 2 == 0 ? 0.2 : -0.05);
    }
    row->day = (unsigned)skimpi_random_below(random, WEEKDAYS);
    row->score += o->text ? 0.25 * row->day : 0;
    row->score += 2 * (skimpi_random_double(random) - 0.5);
    row->weight = 0.5 + (double)skimpi_random_below(random, 4);
    const unsigned classes = o->classes > 1 ? o->classes : 2;
    const double place = floor(row->score * 0.7 + classes / 2.0);
    row->class = place < 0 ? 0 : place >= classes ? classes - 1 : (unsigned)place;
}

static inline void print_padding(FILE *file, const table_options *o)
{
    for (unsigned i = 0; i < o->padding; i++) {
        fputc('p', file);
    }
}

static inline void print_column(FILE *file, const table_options *o, const table_row *row, unsigned column,
                                unsigned number)
{
    static const char *const labels[] = { "no", "yes", "maybe", "never" };
    if (column == o->columns + 3) {
        print_padding(file, o);
    } else if (column < o->columns) {
        if (column != 0 || o->missing_every == 0 || number % o->missing_every != 0) {
            fprintf(file, "%.8g", row->x[column]);
        }
    } else if (column == o->columns) {
        if (o->categories > 0) {
            fprintf(file, "\"a category with \"\"quite\"\" a long name, %u\"", number * 7919 % o->categories);
        } else {
            fprintf(file, "%s", weekday_names[row->day]);
        }
    } else if (column == o->columns + 1) {
        fprintf(file, "%g", row->weight);
    } else if (o->classes == 0) {
        fprintf(file, "%.10g", row->score);
    } else if (o->text_label) {
        fprintf(file, "%s", labels[row->class]);
    } else {
        fprintf(file, "%u", row->class);
    }
}

static inline void print_name(FILE *file, const table_options *o, unsigned column)
{
    static const char *const names[] = { "day", "w", "y", "padding" };
    if (column < o->columns) {
        fprintf(file, "x%u", column);
    } else {
        fprintf(file, "%s", names[column - o->columns]);
    }
}

static inline void write_table(const char *name, table_options o)
{
    FILE *file = fopen(in_temporary(name), "w");
    assert_non_null(file);
    const unsigned all = o.columns + 3 + (o.padding > 0);
    skimpi_random random;
    skimpi_random_seed(&random, o.seed + 1);
    for (unsigned r = 0; r < o.rows + !o.no_header; r++) {
        table_row row = { 0 };
        const bool header = !o.no_header && r == 0;
        if (!header) {
            table_next(&o, &random, &row);
        }
        bool first = true;
        for (unsigned k = 0; k < all; k++) {
            const unsigned c = o.reversed ? all - 1 - k : k;
            if ((c == o.columns && !o.text) || (c == o.columns + 1 && !o.weight)) {
                continue;
            }
            if (!first) {
                fputc(o.separator != 0 ? o.separator : ',', file);
            }
            first = false;
            if (header) {
                print_name(file, &o, c);
            } else {
                print_column(file, &o, &row, c, r);
            }
        }
        fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
}

/* About a third of the features of each row. */
static inline void write_svmlight(const char *name, table_options o)
{
    FILE *file = fopen(in_temporary(name), "w");
    assert_non_null(file);
    skimpi_random random;
    skimpi_random_seed(&random, o.seed + 1);
    for (unsigned r = 0; r < o.rows; r++) {
        table_row row;
        table_next(&o, &random, &row);
        if (o.classes == 0) {
            fprintf(file, "%.10g", row.score);
        } else {
            fprintf(file, "%u", row.class);
        }
        for (unsigned j = 0; j < o.columns; j++) {
            if (j == r % o.columns || skimpi_random_below(&random, 3) == 0) {
                fprintf(file, " %u:%.6g", j + 1, row.x[j]);
            }
        }
        if (o.padding > 0) {
            fprintf(file, " # ");
            print_padding(file, &o);
        }
        fputc('\n', file);
    }
    assert_int_equal(fclose(file), 0);
}

/* A C-ordered NPY of doubles; the last column is the class or the score. */
static inline void write_npy(const char *name, table_options o)
{
    FILE *file = fopen(in_temporary(name), "wb");
    assert_non_null(file);
    char header[128];
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
    const int n = snprintf(header + 10, sizeof header - 10,
                           "{'descr': '<f8', 'fortran_order': False, 'shape': (%u, %u), }", o.rows, o.columns + 1);
    header[10 + n] = ' ';
    header[127] = '\n';
    assert_int_equal(fwrite(header, 1, sizeof header, file), sizeof header);
    skimpi_random random;
    skimpi_random_seed(&random, o.seed + 1);
    for (unsigned r = 0; r < o.rows; r++) {
        table_row row;
        table_next(&o, &random, &row);
        const double y = o.classes == 0 ? row.score : row.class;
        assert_int_equal(fwrite(row.x, sizeof(double), o.columns, file), o.columns);
        assert_int_equal(fwrite(&y, sizeof y, 1, file), 1);
    }
    assert_int_equal(fclose(file), 0);
}

/* ---- jobs ------------------------------------------------------------------------------------------------------------ */

#define MAX_PARAMS 8

/* Options of a job over one file, and what they point to. */
typedef struct job_setup {
    skimp_job_options options;
    const char *inputs[4], *steps[4], *drop[4];
    skimp_setting params[MAX_PARAMS];
    char paths[4][2048];
} job_setup;

static inline void add_input(job_setup *setup, const char *input)
{
    char *path = setup->paths[setup->options.n_inputs];
    snprintf(path, sizeof setup->paths[0], "%s/%s", temporary, input);
    setup->inputs[setup->options.n_inputs++] = path;
}

static inline void begin_setup(job_setup *setup, const char *estimator, const char *input, const char *target)
{
    memset(setup, 0, sizeof *setup);
    setup->options = (skimp_job_options)SKIMP_JOB_OPTIONS_INIT;
    setup->options.estimator = estimator;
    setup->options.target = target;
    setup->options.inputs = setup->inputs;
    setup->options.steps = setup->steps;
    setup->options.drop = setup->drop;
    setup->options.params = setup->params;
    setup->options.max_memory = 256u << 20;
    setup->options.n_threads = 2;
    setup->options.spill_dir = temporary;
    setup->options.spill_to_memory = true;
    add_input(setup, input);
}

static inline void add_step(job_setup *setup, const char *step)
{
    setup->steps[setup->options.n_steps++] = step;
}

static inline void add_drop(job_setup *setup, const char *column)
{
    setup->drop[setup->options.n_drop++] = column;
}

static inline void add_param(job_setup *setup, const char *name, const char *value)
{
    setup->params[setup->options.n_params++] = (skimp_setting){ name, value };
}

/* Shows what failed, which an assertion on the status alone would not. */
#define assert_ok(expression)                                                                                          \
    do {                                                                                                               \
        const skimp_status status_ = (expression);                                                                     \
        if (status_ != SKIMP_OK) {                                                                                     \
            fail_msg("%s: %s", #expression, error.message);                                                            \
        }                                                                                                              \
    } while (0)

static inline skimp_model *fit_setup(const job_setup *setup)
{
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    assert_ok(skimp_job_create(&job, &setup->options, &error));
    assert_ok(skimp_job_fit(job, &model, &error));
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    return model;
}

static inline skimp_status try_fit(const job_setup *setup, skimp_error *error)
{
    skimp_job *job = NULL;
    skimp_model *model = NULL;
    *error = (skimp_error)SKIMP_ERROR_INIT;
    skimp_status status = skimp_job_create(&job, &setup->options, error);
    if (status == SKIMP_OK) {
        status = skimp_job_fit(job, &model, error);
    }
    if (status != SKIMP_OK) {
        assert_null(model);
        assert_int_equal(error->code, status);
        assert_true(error->message[0] != '\0');
    }
    skimp_model_destroy(model);
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    return status;
}

static inline skimp_status try_predict(const skimp_model *model, const char *input, const char *output, bool proba,
                                       skimp_error *error)
{
    job_setup setup;
    skimp_job *job = NULL;
    begin_setup(&setup, NULL, input, NULL);
    *error = (skimp_error)SKIMP_ERROR_INIT;
    skimp_status status = skimp_job_create(&job, &setup.options, error);
    if (status == SKIMP_OK) {
        status = skimp_job_predict(job, model, in_temporary(output), proba, error);
    }
    skimp_job_destroy(job);
    assert_int_equal(skimpi_leaked_bytes(), 0);
    return status;
}

static inline void predict_file(const skimp_model *model, const char *input, const char *output, bool proba)
{
    skimp_error error = SKIMP_ERROR_INIT;
    assert_ok(try_predict(model, input, output, proba, &error));
}

/* The metric of a report, which must be there. */
static inline double metric(const skimp_report *report, const char *name)
{
    for (size_t i = 0; i < report->n_metrics; i++) {
        if (strcmp(report->metrics[i].name, name) == 0) {
            return report->metrics[i].value;
        }
    }
    fail_msg("there is no metric %s", name);
    return NAN;
}

static inline char *read_whole(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, file), *n);
    bytes[*n] = '\0';
    fclose(file);
    return bytes;
}

static inline void assert_same_files(const char *a, const char *b)
{
    size_t n = 0, m = 0;
    char *one = read_whole(in_temporary(a), &n), *two = read_whole(in_temporary(b), &m);
    assert_int_equal(n, m);
    assert_memory_equal(one, two, n);
    free(one);
    free(two);
}

static inline const skimp_array *find_array(const skimp_model *model, const char *name)
{
    static skimp_array array;
    for (size_t i = 0; skimp_model_array(model, i, &array); i++) {
        if (strcmp(array.name, name) == 0) {
            return &array;
        }
    }
    return NULL;
}

static inline const char *find_meta(const skimp_model *model, const char *name)
{
    const char *key, *value;
    for (size_t i = 0; skimp_model_meta(model, i, &key, &value); i++) {
        if (strcmp(key, name) == 0) {
            return value;
        }
    }
    return NULL;
}

static inline uint64_t array_values(const skimp_array *array)
{
    uint64_t n = 1;
    for (unsigned d = 0; d < array->n_dims; d++) {
        n *= array->shape[d];
    }
    return n;
}

/* All arrays the same, bit for bit. */
static inline void assert_same_models(const skimp_model *a, const skimp_model *b)
{
    skimp_array x, y;
    size_t i = 0;
    for (; skimp_model_array(a, i, &x); i++) {
        assert_true(skimp_model_array(b, i, &y));
        assert_string_equal(x.name, y.name);
        assert_string_equal(x.dtype, y.dtype);
        assert_int_equal(array_values(&x), array_values(&y));
        const size_t width = x.dtype[1] == '6' ? 8 : x.dtype[1] == '3' ? 4 : 1;
        if (array_values(&x) > 0) {
            assert_memory_equal(x.data, y.data, array_values(&x) * width);
        }
    }
    assert_false(skimp_model_array(b, i, &y));
}

#endif
