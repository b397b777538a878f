/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Warnings for the user, in memory that is taken once: the first MAX_WARNINGS different lines, and how many more there
 * were.  For one thread at a time.
 */
#include <stdio.h>
#include <string.h>

#include "data/json_value.h"
#include "estimator/estimator.h"

#define MAX_WARNINGS 100
#define LINE 320

struct skimpi_warnings {
    skimp_budget *budget;
    size_t n;
    uint64_t more;
    char lines[MAX_WARNINGS + 1][LINE]; /* the last: "and N more warnings" */
};

skimp_status skimpi_warnings_create(skimpi_warnings **out, skimp_budget *budget, skimp_error *error)
{
    void *block;
    *out = NULL;
    skimp_status status = skimp_alloc(budget, SKIMP_TAG_OTHER, 1, sizeof(skimpi_warnings), &block, error);
    if (status == SKIMP_OK) {
        *out = block;
        (*out)->budget = budget;
    }
    return status;
}

void skimpi_warnings_destroy(skimpi_warnings *warnings)
{
    if (warnings != NULL) {
        skimp_free(warnings->budget, SKIMP_TAG_OTHER, warnings, 1, sizeof(*warnings));
    }
}

/* A warning is one line of valid text, whatever the column names in it contain. */
static void one_line(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
    size_t length = strlen(text);
    for (unsigned cut = 0; length == LINE - 1 && cut < 3 && !skimpi_utf8_is_valid(text, strlen(text)); cut++) {
        text[strlen(text) - 1] = '\0';
    }
}

void skimpi_warn(skimpi_warnings *warnings, const char *format, ...)
{
    if (warnings == NULL) {
        return;
    }
    if (warnings->n == MAX_WARNINGS) {
        warnings->more++;
        snprintf(warnings->lines[MAX_WARNINGS], LINE, "and %llu more warnings", (unsigned long long)warnings->more);
        return;
    }
    char *line = warnings->lines[warnings->n];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, LINE, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return;
    }
    one_line(line);
    for (size_t i = 0; i < warnings->n; i++) {
        if (strcmp(warnings->lines[i], line) == 0) {
            return;
        }
    }
    warnings->n++;
}

size_t skimpi_warnings_count(const skimpi_warnings *warnings)
{
    return warnings == NULL ? 0 : warnings->n + (warnings->more != 0 ? 1 : 0);
}

const char *skimpi_warnings_at(const skimpi_warnings *warnings, size_t i)
{
    return i < skimpi_warnings_count(warnings) ? warnings->lines[i] : NULL;
}
