/* SPDX-License-Identifier: BSD-3-Clause */
/* Man pages (troff, man macros) from the tables. */
#include <string.h>

#include "help.h"

/* A character of two or three bytes of UTF-8, by its number, as troff wants it. Returns its bytes. */
static int put_character(FILE *out, const unsigned char *p)
{
    if (p[0] < 0xe0) {
        fprintf(out, "\\[u%04X]", (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu));
        return 2;
    }
    fprintf(out, "\\[u%04X]", (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu));
    return 3;
}

/* Text as troff reads it literally; a paragraph for each empty line. */
static void put(FILE *out, const char *text)
{
    bool line_begins = true;
    for (const char *p = text; *p != '\0'; p++) {
        if (p[0] == '\n' && p[1] == '\n') {
            fputs("\n.PP\n", out);
            p++;
            line_begins = true;
            continue;
        }
        if (line_begins && (*p == '.' || *p == '\'')) {
            fputs("\\&", out);
        }
        if (*p == '-') {
            fputs("\\-", out);
        } else if (*p == '\\') {
            fputs("\\e", out);
        } else if (*p == '\'') {
            fputs("\\(aq", out);
        } else if (*p == '`') {
            fputs("\\(ga", out);
        } else if ((*p & 0xe0) == 0xc0 || (*p & 0xf0) == 0xe0) {
            p += put_character(out, (const unsigned char *)p) - 1;
        } else {
            fputc(*p, out);
        }
        line_begins = *p == '\n';
    }
}

static void put_line(FILE *out, const char *macro, const char *text)
{
    fputs(macro, out);
    put(out, text);
    fputc('\n', out);
}

static void begin_page(FILE *out, const char *name, const char *summary)
{
    fprintf(out, ".TH \"%s\" 1 \"\" \"skimp %s\" \"skimp manual\"\n.SH NAME\n", name, skimp_version());
    put(out, name);
    fputs(" \\- ", out);
    put_line(out, "", summary);
}

static void put_entry(FILE *out, const char *left, const char *help)
{
    fputs(".TP\n\\fB", out);
    put(out, left);
    fputs("\\fR\n", out);
    put_line(out, "", help);
}

static void put_options(FILE *out, const command *c)
{
    const char *group = NULL;
    char left[HELP_OPTION_TEXT];
    fputs(".SH OPTIONS\n", out);
    for (const option *o = command_options; o->name != NULL; o++) {
        if ((o->commands & c->bit) == 0) {
            continue;
        }
        if (o->group != group) {
            group = o->group;
            fprintf(out, ".SS %s\n", group);
        }
        const char *text = help_option(o, left);
        put_entry(out, text + strspn(text, " "), o->help);
    }
}

static void put_examples(FILE *out, const char *examples)
{
    fputs(".SH EXAMPLES\n.nf\n", out);
    put(out, examples);
    fputs(".fi\n", out);
}

static void put_exit_status(FILE *out)
{
    fputs(".SH EXIT STATUS\n", out);
    put_entry(out, "0", "done; a fit that did not converge is done, with a warning");
    put_entry(out, "1", "a defect of skimp");
    put_entry(out, "2", "usage, or a parameter");
    put_entry(out, "3", "bad input data");
    put_entry(out, "4", "the budget is too small, or the system is out of memory");
    put_entry(out, "5", "a file could not be read or written");
    put_entry(out, "130", "interrupted");
}

static void put_estimators(FILE *out)
{
    const skimp_estimator_info *info;
    char text[1024], type[512];
    fputs(".SH ESTIMATORS AND STEPS\n", out);
    for (unsigned i = 0; (info = skimp_estimator_at(i)) != NULL; i++) {
        put_line(out, ".SS ", info->name);
        put(out, info->help);
        fputs(" (", out);
        put(out, info->module);
        fputc('.', out);
        put(out, info->class_name);
        fputs(" of scikit\\-learn).\n", out);
        for (const skimp_param *p = info->params; p->name != NULL; p++) {
            snprintf(text, sizeof text, "%s (%s)", p->help, help_param_type(p, type));
            put_entry(out, p->name, text);
        }
    }
}

void man_command(FILE *out, const command *c)
{
    char name[64];
    snprintf(name, sizeof name, "skimp-%s", c->name);
    begin_page(out, name, c->summary);
    fputs(".SH SYNOPSIS\n\\fBskimp ", out);
    put(out, c->name);
    fputs("\\fR ", out);
    put(out, c->operands);
    fputs(" [OPTION...]\n.SH DESCRIPTION\n", out);
    put_line(out, "", c->description);
    put_options(out, c);
    if (c->bit == FOR_ESTIMATORS) {
        put_estimators(out);
    }
    if ((c->bit & (FOR_FIT | FOR_PLAN | FOR_PREDICT | FOR_SCORE | FOR_CONVERT)) != 0) {
        fputs(".SH ENVIRONMENT\n", out);
        put_entry(out, "SKIMP_MAX_MEMORY", "the budget where --max-memory does not name one");
        put_entry(out, "TMPDIR", "where the chunk store goes where --spill-dir does not say");
        put_entry(out, "NO_COLOR", "when set, text on a terminal has no colour");
    }
    put_exit_status(out);
    put_examples(out, c->examples);
    put_line(out, ".SH SEE ALSO\n", "skimp(1)");
}

void man_overview(FILE *out)
{
    begin_page(out, "skimp", "train scikit-learn's models on data of any size inside a memory budget");
    fputs(".SH SYNOPSIS\n\\fBskimp\\fR COMMAND [ARGUMENT...] [OPTION...]\n.SH DESCRIPTION\n", out);
    put_line(out, "",
             "Trains scikit-learn's models on data of any size inside a memory budget that you name: the process's "
             "resident set, as the kernel counts it, "
             "stays at or below it. skimp plan says beforehand what a job will take; skimp fit shows what it took.\n\n"
             "With --json every command prints one JSON object on standard output; text for people and progress go to "
             "standard error.");
    fputs(".SH COMMANDS\n", out);
    for (const command *c = commands; c->name != NULL; c++) {
        put_entry(out, c->name, c->summary);
    }
    put_exit_status(out);
    put_examples(out, "skimp plan logistic_regression train.csv --target label --max-memory 64M\n"
                      "skimp fit logistic_regression train.csv --target label --max-memory 64M -o model.safetensors\n"
                      "skimp score model.safetensors test.csv\n");
    fputs(".SH SEE ALSO\n", out);
    for (const command *c = commands; c->name != NULL; c++) {
        fprintf(out, "skimp\\-%s(1)%s", c->name, c[1].name != NULL ? ", " : "\n");
    }
}
