/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What reader_svmlight.c and svmlight_sample.c share.
 */
#ifndef SKIMPI_SVMLIGHT_H
#define SKIMPI_SVMLIGHT_H

#include "data/reader.h"

typedef struct skimpi_svmlight {
    skimp_budget *budget;
    const skimpi_reader_options *options;
    /* While a sample is taken roles are not known: a label may be there or not, and nothing is dropped. */
    bool sampling;
    skimpi_on_bad_row sampling_bad_row; /* takes the place of the option then */
    uint64_t unit_bytes;
    uint64_t data_start; /* of the input that was opened last */
    double value_bytes;  /* sample.numeric_bytes points here */
} skimpi_svmlight;

/* What a sample shows beyond skimpi_sample. */
typedef struct skimpi_svmlight_traits {
    bool zero_seen;      /* an index is 0 */
    uint64_t largest;    /* index, as written */
    uint64_t data_start; /* bytes of a byte order mark */
} skimpi_svmlight_traits;

/* Parses text that holds whole rows only, [text, text + length), after which the padding of numbers is readable. */
SKIMP_CHECKED skimp_status skimpi_svmlight_parse(const skimpi_svmlight *reader, const skimpi_schema *schema,
                                                 const char *text, size_t length, skimpi_raw *raw, skimp_error *error);

/* Samples an input. The input is left unread. DATA when no row of the sample can be read. */
SKIMP_CHECKED skimp_status skimpi_svmlight_sample(skimpi_svmlight *reader, skimpi_input *input, skimpi_sample *sample,
                                                  skimpi_svmlight_traits *traits, skimp_error *error);

#endif
