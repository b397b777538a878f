/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Subcommands and their options: one table each (option_table.c).  Parsing, help, man pages and shell completion all
 * come from these tables, so none of them can say what the others do not.
 */
#ifndef SKIMP_CLI_COMMAND_OPTIONS_H
#define SKIMP_CLI_COMMAND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <skimp/skimp.h>

typedef struct text_list {
    const char **items;
    size_t n;
} text_list;

/* What the command line says. Texts point into argv (values of lists into copies that live as long as the settings). */
typedef struct settings {
    text_list operands;
    skimp_setting *params;
    size_t n_params;
    text_list steps, drop;
    const char *target, *weight, *format, *spill_dir, *checkpoint, *output, *completion;
    char delimiter;
    int header, zero_based;     /* -1: guessed */
    int on_missing, on_bad_row; /* 0 error; 1 drop, skip */
    unsigned hash_bits, threads;
    uint64_t max_memory, seed;
    double holdout;
    bool index64, spill_to_memory, proba, man_page, json, quiet, verbose, help;
    int progress; /* -1: on a terminal */
} settings;

typedef struct command {
    const char *name;
    const char *operands;    /* as the usage line shows them */
    size_t least, most;      /* how many operands */
    const char *summary;     /* one line, without a full stop */
    const char *description; /* paragraphs, separated by an empty line */
    const char *examples;    /* lines */
    int (*run)(const settings *settings);
    unsigned bit;
} command;

/* Bits of the commands, for option.commands. */
enum {
    FOR_FIT = 1,
    FOR_PLAN = 2,
    FOR_PREDICT = 4,
    FOR_SCORE = 8,
    FOR_CONVERT = 16,
    FOR_INFO = 32,
    FOR_ESTIMATORS = 64,
    FOR_HELP = 128,
    FOR_VERSION = 256,
    FOR_ALL = 511
};

typedef enum option_kind {
    OPTION_FLAG,      /* bool */
    OPTION_SWITCH,    /* int: 1 for --name, 0 for --no-name */
    OPTION_TEXT,      /* const char * */
    OPTION_FILE,      /* const char *, completed as a file name */
    OPTION_LIST,      /* text_list, one item each time */
    OPTION_NAMES,     /* text_list, items separated by commas */
    OPTION_PARAM,     /* NAME=VALUE, to params */
    OPTION_CHOICE,    /* int: place among the choices, plus `first` */
    OPTION_WORD,      /* const char *: one of the choices */
    OPTION_CHARACTER, /* char */
    OPTION_SIZE,      /* uint64_t */
    OPTION_INTEGER,   /* uint64_t */
    OPTION_COUNT,     /* unsigned */
    OPTION_SHARE      /* double in [0, 1) */
} option_kind;

typedef struct option {
    const char *name;
    char letter;          /* 0: none */
    const char *argument; /* as the help shows it; NULL: takes none */
    option_kind kind;
    size_t offset;       /* in settings */
    const char *choices; /* separated by '|' */
    int first;           /* value of the first choice */
    const char *group;
    unsigned commands;
    const char *help;
} option;

extern const command commands[];       /* ended by an entry without a name */
extern const option command_options[]; /* the same; options of a group stand together */

const command *command_find(const char *name);

/*
 * Reads the arguments after the subcommand.  SKIMP_ERROR_PARAM with a message that names the option otherwise.
 * The lists are freed by settings_free.
 */
SKIMP_CHECKED skimp_status settings_parse(settings *out, const command *command, int argc, char **argv,
                                          skimp_error *error);
void settings_free(settings *settings);

/* Sets a usage error, with the names that are near to `wanted` among those that `next` gives (NULL ends them). */
typedef const char *name_fn(const void *context, size_t i);
SKIMP_CHECKED skimp_status usage_error(skimp_error *error, const char *what, const char *wanted, name_fn *next,
                                       const void *context);

#endif
