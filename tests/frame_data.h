/* SPDX-License-Identifier: BSD-3-Clause */
/* For tests of jobs over arrays: a frame of every kind of column, as arrays and as CSV; jobs over it. After array_data.h. */
#ifndef SKIMP_TEST_FRAME_DATA_H
#define SKIMP_TEST_FRAME_DATA_H

#include "job_data.h"

/*
 * A frame of rows, made to any length: three numbers (one of them with gaps), a text column by codes, labels by codes, a
 * weight; and the same rows as CSV.
 */
typedef struct frame {
    skimp_data data;
    skimp_data_column columns[4];
    double *numbers; /* row by row */
    uint8_t *validity;
    int16_t *days;
    int32_t *labels;
    float *weights;
    uint64_t rows;
} frame;

static const char day_text[] = "montuewedthufrisatsun", label_text[] = "noyesmaybe";
static const int32_t day_ends[] = { 0, 3, 6, 9, 12, 15, 18, 21 };
static const int64_t label_ends[] = { 0, 2, 5, 10 };

static inline bool is_gap(uint64_t row)
{
    return skimpi_mix64(row + 5) % 10 == 0;
}

/* "sun" never comes; every 50th day is missing. */
static inline int16_t day_of(uint64_t row)
{
    return row % 50 == 49 ? -1 : (int16_t)(skimpi_mix64(row + 17) % 6);
}

static inline double number_of(uint64_t row, unsigned column)
{
    return (double)(skimpi_mix64(row * 3 + column) % 2001) / 64 - 16;
}

static inline int32_t label_of(uint64_t row)
{
    const double score =
        number_of(row, 0) / 4 - number_of(row, 2) / 8 + day_of(row) + (double)(skimpi_mix64(row) % 100) / 25 - 5;
    return score < -1 ? 0 : score < 2 ? 1 : 2;
}

static inline void make_frame(frame *f, uint64_t rows)
{
    *f = (frame){ .rows = rows };
    f->numbers = must_allocate(rows * 3 * sizeof(double));
    f->validity = must_allocate(rows / 8 + 1);
    f->days = must_allocate(rows * sizeof *f->days);
    f->labels = must_allocate(rows * sizeof *f->labels);
    f->weights = must_allocate(rows * sizeof *f->weights);
    for (uint64_t r = 0; r < rows; r++) {
        for (unsigned c = 0; c < 3; c++) {
            f->numbers[r * 3 + c] = number_of(r, c);
        }
        f->validity[r / 8] |= (uint8_t)(!is_gap(r) << r % 8);
        f->days[r] = day_of(r);
        f->labels[r] = label_of(r);
        f->weights[r] = (float)(1 + r % 3);
    }
    static const char *const names[] = { "x0", "x1", "x2" };
    for (unsigned c = 0; c < 3; c++) {
        f->columns[c] = (skimp_data_column){
            .name = names[c], .dtype = SKIMP_DTYPE_F64, .values = f->numbers + c, .stride = 3 * sizeof(double)
        };
    }
    f->columns[1].validity = f->validity;
    f->columns[3] = (skimp_data_column){ .name = "day",
                                         .dtype = SKIMP_DTYPE_I16,
                                         .values = f->days,
                                         .stride = sizeof *f->days,
                                         .n_categories = 7,
                                         .text = day_text,
                                         .offsets = day_ends,
                                         .offsets_dtype = SKIMP_DTYPE_I32 };
    f->data = (skimp_data)SKIMP_DATA_INIT;
    f->data.kind = SKIMP_DATA_COLUMNS;
    f->data.n_rows = rows;
    f->data.n_columns = 4;
    f->data.columns = f->columns;
    f->data.target = (skimp_data_column){ .name = "y",
                                          .dtype = SKIMP_DTYPE_I32,
                                          .values = f->labels,
                                          .stride = sizeof *f->labels,
                                          .n_categories = 3,
                                          .text = label_text,
                                          .offsets = label_ends,
                                          .offsets_dtype = SKIMP_DTYPE_I64 };
    f->data.weight =
        (skimp_data_column){ .dtype = SKIMP_DTYPE_F32, .values = f->weights, .stride = sizeof *f->weights };
}

static inline void free_frame(frame *f)
{
    free(f->numbers);
    free(f->validity);
    free(f->days);
    free(f->labels);
    free(f->weights);
}

static inline void write_frame(const char *name, const frame *f)
{
    FILE *file = fopen(in_temporary(name), "w");
    assert_non_null(file);
    fprintf(file, "x0,x1,x2,day,y,weight\n");
    for (uint64_t r = 0; r < f->rows; r++) {
        fprintf(file, "%.17g,", number_of(r, 0));
        fprintf(file, is_gap(r) ? "" : "%.17g", number_of(r, 1));
        fprintf(file, ",%.17g,%.*s,", number_of(r, 2), day_of(r) < 0 ? 0 : 3,
                day_text + 3 * (day_of(r) < 0 ? 0 : day_of(r)));
        const int32_t label = label_of(r);
        fprintf(file, "%.*s,%g\n", (int)(label_ends[label + 1] - label_ends[label]), label_text + label_ends[label],
                f->weights[r]);
    }
    assert_int_equal(fclose(file), 0);
}

static inline void begin_data(job_setup *setup, const char *estimator, const skimp_data *data)
{
    begin_setup(setup, estimator, "unused", NULL);
    setup->options.n_inputs = 0;
    setup->options.data = data;
}

static inline double largest_difference(const skimp_model *a, const skimp_model *b, const char *name)
{
    const skimp_array one = *find_array(a, name), two = *find_array(b, name);
    double largest = 0;
    assert_int_equal(array_values(&one), array_values(&two));
    for (uint64_t i = 0; i < array_values(&one); i++) {
        largest = fmax(largest, fabs(((const double *)one.data)[i] - ((const double *)two.data)[i]));
    }
    return largest;
}

#endif
