/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a command line by the tables. */
#include "command_options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

const command *command_find(const char *name)
{
    for (const command *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

/* ---- near names ------------------------------------------------------------------------------------------------------ */

#define LONGEST_NAME 32

static size_t edit_distance(const char *a, const char *b)
{
    const size_t n = strlen(a), m = strlen(b);
    size_t row[LONGEST_NAME + 1];
    if (n > LONGEST_NAME || m > LONGEST_NAME) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            const size_t change = diagonal + (a[i - 1] != b[j - 1]);
            const size_t gap = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = change < gap ? change : gap;
        }
    }
    return row[m];
}

skimp_status usage_error(skimp_error *error, const char *what, const char *wanted, name_fn *next, const void *context)
{
    const char *nearest = NULL;
    size_t least = strlen(wanted) / 3 + 2;
    for (size_t i = 0; next != NULL; i++) {
        const char *name = next(context, i);
        if (name == NULL) {
            break;
        }
        const size_t distance = edit_distance(wanted, name);
        if (distance < least) {
            least = distance;
            nearest = name;
        }
    }
    if (nearest != NULL) {
        return fail(error, SKIMP_ERROR_PARAM, "%s '%s'; did you mean '%s'?", what, wanted, nearest);
    }
    return fail(error, SKIMP_ERROR_PARAM, "%s '%s'", what, wanted);
}

/* ---- values ---------------------------------------------------------------------------------------------------------- */

static skimp_status wrong_value(const option *o, const char *value, const char *wanted, skimp_error *error)
{
    return fail(error, SKIMP_ERROR_PARAM, "--%s: '%s' is not %s", o->name, value, wanted);
}

static skimp_status read_integer(const option *o, const char *value, uint64_t most, uint64_t *out, skimp_error *error)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || number > most) {
        return wrong_value(o, value, "a whole number", error);
    }
    *out = number;
    return SKIMP_OK;
}

/* The place of value among the choices, or -1. */
static int find_choice(const char *choices, const char *value)
{
    const size_t length = strlen(value);
    int place = 0;
    for (const char *at = choices; length > 0;) {
        const size_t n = strcspn(at, "|");
        if (n == length && memcmp(at, value, n) == 0) {
            return place;
        }
        if (at[n] == '\0') {
            break;
        }
        at += n + 1;
        place++;
    }
    return -1;
}

static skimp_status wrong_choice(const option *o, const char *value, skimp_error *error)
{
    char words[128];
    snprintf(words, sizeof words, "%s", o->choices);
    for (char *p = words; *p != '\0'; p++) {
        *p = *p == '|' ? ' ' : *p;
    }
    return fail(error, SKIMP_ERROR_PARAM, "--%s: '%s' is none of: %s", o->name, value, words);
}

static skimp_status no_memory(skimp_error *error)
{
    return fail(error, SKIMP_ERROR_NOMEM, "out of memory");
}

static skimp_status append(text_list *list, const char *item, skimp_error *error)
{
    /* Room is doubled when the number of items is a power of two. */
    if ((list->n & (list->n - 1)) == 0) {
        const char **items = realloc(list->items, (list->n > 0 ? 2 * list->n : 1) * sizeof *items);
        if (items == NULL) {
            return no_memory(error);
        }
        list->items = items;
    }
    list->items[list->n++] = item;
    return SKIMP_OK;
}

/* Splits at commas, in place; a name in double quotes may hold some, and two quotes in it stand for one. */
static skimp_status append_names(const option *o, text_list *list, char *text, skimp_error *error)
{
    char *at = text;
    for (bool more = true; more;) {
        char *name = at, *to = at;
        if (*at == '"') {
            at++;
            while (*at != '\0' && (at[0] != '"' || at[1] == '"')) {
                at += at[0] == '"';
                *to++ = *at++;
            }
            if (*at != '"') {
                return fail(error, SKIMP_ERROR_PARAM, "--%s: a double quote is not closed", o->name);
            }
            at++;
        } else {
            while (*at != '\0' && *at != ',') {
                *to++ = *at++;
            }
        }
        if (*at != '\0' && *at != ',') {
            return fail(error, SKIMP_ERROR_PARAM, "--%s: a comma is wanted after a name in double quotes", o->name);
        }
        more = *at == ',';
        at += more;
        *to = '\0';
        if (name[0] == '\0') {
            return fail(error, SKIMP_ERROR_PARAM, "--%s: an empty name", o->name);
        }
        const skimp_status status = append(list, name, error);
        if (status != SKIMP_OK) {
            return status;
        }
    }
    return SKIMP_OK;
}

static skimp_status append_param(settings *s, char *text, skimp_error *error)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return fail(error, SKIMP_ERROR_PARAM, "--param: '%s' is not NAME=VALUE", text);
    }
    skimp_setting *params = realloc(s->params, (s->n_params + 1) * sizeof *params);
    if (params == NULL) {
        return no_memory(error);
    }
    *equals = '\0';
    s->params = params;
    s->params[s->n_params++] = (skimp_setting){ .name = text, .value = equals + 1 };
    return SKIMP_OK;
}

static skimp_status read_share(const option *o, const char *value, double *out, skimp_error *error)
{
    char *end = NULL;
    *out = strtod(value, &end);
    if (value[0] == '\0' || *end != '\0' || !(*out >= 0 && *out < 1)) {
        return wrong_value(o, value, "a share of the rows, at least 0 and below 1", error);
    }
    return SKIMP_OK;
}

static skimp_status read_character(const option *o, const char *value, char *out, skimp_error *error)
{
    if (strcmp(value, "tab") == 0 || strcmp(value, "\\t") == 0) {
        value = "\t";
    }
    const unsigned char c = (unsigned char)value[0];
    if (c == '\0' || value[1] != '\0' || c >= 0x80 || strchr("\"\r\n", c) != NULL) {
        return wrong_value(o, value, "one character, or 'tab'", error);
    }
    *out = (char)c;
    return SKIMP_OK;
}

static skimp_status set_value(settings *s, const option *o, char *value, skimp_error *error)
{
    void *field = (char *)s + o->offset;
    uint64_t number = 0;
    int place;
    skimp_status status = SKIMP_OK;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return SKIMP_OK;
    case OPTION_SWITCH:
        *(int *)field = 1;
        return SKIMP_OK;
    case OPTION_TEXT:
    case OPTION_FILE:
        *(const char **)field = value;
        return value[0] != '\0' ? SKIMP_OK : fail(error, SKIMP_ERROR_PARAM, "--%s: an empty name", o->name);
    case OPTION_LIST:
        return append(field, value, error);
    case OPTION_NAMES:
        return append_names(o, field, value, error);
    case OPTION_PARAM:
        return append_param(s, value, error);
    case OPTION_CHOICE:
    case OPTION_WORD:
        place = find_choice(o->choices, value);
        if (place < 0) {
            return wrong_choice(o, value, error);
        }
        if (o->kind == OPTION_WORD) {
            *(const char **)field = value;
        } else {
            *(int *)field = o->first + place;
        }
        return SKIMP_OK;
    case OPTION_CHARACTER:
        return read_character(o, value, field, error);
    case OPTION_SIZE:
        status = skimp_parse_size(value, field, error);
        if (status == SKIMP_OK && *(uint64_t *)field == 0) {
            return wrong_value(o, value, "a budget: at least one byte", error);
        }
        return status;
    case OPTION_INTEGER:
        return read_integer(o, value, UINT64_MAX, field, error);
    case OPTION_COUNT:
        status = read_integer(o, value, 1u << 30, &number, error);
        *(unsigned *)field = (unsigned)number;
        return status == SKIMP_OK && number == 0 ? wrong_value(o, value, "at least 1", error) : status;
    case OPTION_SHARE:
        return read_share(o, value, field, error);
    }
    return fail(error, SKIMP_ERROR_INTERNAL, "--%s is of no kind", o->name);
}

/* ---- options --------------------------------------------------------------------------------------------------------- */

static const char *option_name(const void *context, size_t i)
{
    const command *c = context;
    for (const option *o = command_options; o->name != NULL; o++) {
        if ((o->commands & c->bit) != 0 && i-- == 0) {
            return o->name;
        }
    }
    return NULL;
}

static const option *find_long(const command *c, const char *name, size_t length)
{
    for (const option *o = command_options; o->name != NULL; o++) {
        if ((o->commands & c->bit) != 0 && strlen(o->name) == length && memcmp(o->name, name, length) == 0) {
            return o;
        }
    }
    return NULL;
}

typedef struct reading {
    settings *settings;
    const command *command;
    int argc, at;
    char **argv;
} reading;

static skimp_status next_value(reading *r, const option *o, char **value, skimp_error *error)
{
    if (r->at + 1 >= r->argc) {
        return fail(error, SKIMP_ERROR_PARAM, "--%s wants a value: %s", o->name, o->argument);
    }
    *value = r->argv[++r->at];
    return SKIMP_OK;
}

static skimp_status read_long(reading *r, char *argument, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    char *name = argument + 2, *value = strchr(name, '=');
    const size_t length = value != NULL ? (size_t)(value - name) : strlen(name);
    const option *o = find_long(r->command, name, length);
    if (o == NULL && length > 3 && memcmp(name, "no-", 3) == 0) {
        o = find_long(r->command, name + 3, length - 3);
        if (o != NULL && o->kind == OPTION_SWITCH && value == NULL) {
            *(int *)((char *)r->settings + o->offset) = 0;
            return SKIMP_OK;
        }
        o = NULL;
    }
    if (o == NULL) {
        char what[64];
        snprintf(what, sizeof what, "skimp %s has no option", r->command->name);
        name[length] = '\0';
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%s", name);
        return usage_error(error, what, wanted, option_name, r->command);
    }
    if (o->argument == NULL && value != NULL) {
        return fail(error, SKIMP_ERROR_PARAM, "--%s takes no value", o->name);
    }
    if (value != NULL) {
        value++;
    } else if (o->argument != NULL) {
        status = next_value(r, o, &value, error);
    }
    return status != SKIMP_OK ? status : set_value(r->settings, o, value, error);
}

/* "-q", "-qv", "-pC=10", "-p C=10" */
static skimp_status read_short(reading *r, char *argument, skimp_error *error)
{
    for (char *p = argument + 1; *p != '\0'; p++) {
        const option *o = command_options;
        while (o->name != NULL && ((o->commands & r->command->bit) == 0 || o->letter != *p)) {
            o++;
        }
        if (o->name == NULL) {
            return fail(error, SKIMP_ERROR_PARAM, "skimp %s has no option '-%c'", r->command->name, *p);
        }
        skimp_status status = SKIMP_OK;
        char *value = NULL;
        if (o->argument != NULL) {
            value = p + 1;
            if (*value == '\0') {
                status = next_value(r, o, &value, error);
            }
        }
        if (status == SKIMP_OK) {
            status = set_value(r->settings, o, value, error);
        }
        if (status != SKIMP_OK || o->argument != NULL) {
            return status;
        }
    }
    return SKIMP_OK;
}

/* What the environment says where the command line does not. */
static skimp_status read_environment(settings *s, const command *c, skimp_error *error)
{
    const char *budget = getenv("SKIMP_MAX_MEMORY");
    const option *o = find_long(c, "max-memory", strlen("max-memory"));
    if (o == NULL || s->max_memory != 0 || budget == NULL || budget[0] == '\0') {
        return SKIMP_OK;
    }
    const skimp_status status = skimp_parse_size(budget, &s->max_memory, NULL);
    if (status != SKIMP_OK || s->max_memory == 0) {
        return fail(error, SKIMP_ERROR_PARAM, "SKIMP_MAX_MEMORY in the environment: '%s' is not a size", budget);
    }
    return SKIMP_OK;
}

skimp_status settings_parse(settings *out, const command *c, int argc, char **argv, skimp_error *error)
{
    *out = (settings){ .header = -1, .zero_based = -1, .progress = -1 };
    reading r = { .settings = out, .command = c, .argc = argc, .argv = argv };
    bool options_end = false;
    for (; r.at < argc; r.at++) {
        char *argument = argv[r.at];
        skimp_status status;
        if (options_end || argument[0] != '-' || argument[1] == '\0') {
            status = append(&out->operands, argument, error);
        } else if (strcmp(argument, "--") == 0) {
            options_end = true;
            status = SKIMP_OK;
        } else if (argument[1] == '-') {
            status = read_long(&r, argument, error);
        } else {
            status = read_short(&r, argument, error);
        }
        if (status != SKIMP_OK) {
            return status;
        }
    }
    if (out->help) {
        return SKIMP_OK;
    }
    if (out->operands.n < c->least) {
        return fail(error, SKIMP_ERROR_PARAM, "skimp %s wants: %s", c->name, c->operands);
    }
    if (out->operands.n > c->most) {
        return fail(error, SKIMP_ERROR_PARAM, "skimp %s takes no '%s'", c->name, out->operands.items[c->most]);
    }
    return read_environment(out, c, error);
}

void settings_free(settings *s)
{
    free((void *)s->operands.items);
    free((void *)s->steps.items);
    free((void *)s->drop.items);
    free(s->params);
    *s = (settings){ 0 };
}
