/* SPDX-License-Identifier: BSD-3-Clause */
/* Help for the terminal: what `skimp help` and --help print. */
#include "help.h"

#include <math.h>
#include <string.h>

#include "text_output.h"

#define HELP_COLUMN 28

const char *help_option(const option *o, char out[HELP_OPTION_TEXT])
{
    char letter[8] = "    ";
    if (o->letter != '\0') {
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    }
    snprintf(out, HELP_OPTION_TEXT, "%s--%s%s%s%s", letter, o->kind == OPTION_SWITCH ? "[no-]" : "", o->name,
             o->argument != NULL ? " " : "", o->argument != NULL ? o->argument : "");
    return out;
}

static void print_entry(FILE *out, const char *left, const char *help)
{
    const int width = fprintf(out, "  %s", left);
    if (width + 2 > HELP_COLUMN) {
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    } else {
        fprintf(out, "%*s", HELP_COLUMN - width, "");
    }
    text_wrap(out, help, HELP_COLUMN, HELP_COLUMN);
}

void help_overview(FILE *out)
{
    fputs("usage: skimp COMMAND [ARGUMENT...] [OPTION...]\n\n", out);
    text_wrap(out, "Trains scikit-learn's models on data of any size, inside a memory budget that you name.", 0, 0);
    fputs("\nCommands:\n", out);
    for (const command *c = commands; c->name != NULL; c++) {
        print_entry(out, c->name, c->summary);
    }
    fputs("\nExamples:\n", out);
    fputs("  skimp fit logistic_regression train.csv --target label --max-memory 64M -o m\n"
          "  skimp score m test.csv\n\n",
          out);
    text_wrap(out,
              "`skimp help COMMAND` explains a command, `skimp help ESTIMATOR` the parameters of an estimator, `skimp "
              "estimators` lists those.",
              0, 0);
}

void help_command(FILE *out, const command *c)
{
    char left[HELP_OPTION_TEXT];
    const char *group = NULL;
    fprintf(out, "usage: skimp %s %s%s[OPTION...]\n\n", c->name, c->operands, c->operands[0] != '\0' ? " " : "");
    text_wrap(out, c->description, 0, 0);
    for (const option *o = command_options; o->name != NULL; o++) {
        if ((o->commands & c->bit) == 0) {
            continue;
        }
        if (o->group != group) {
            group = o->group;
            fprintf(out, "\n%s:\n", group);
        }
        print_entry(out, help_option(o, left), o->help);
    }
    fputs("\nExamples:\n", out);
    for (const char *at = c->examples; *at != '\0';) {
        const size_t n = strcspn(at, "\n");
        fprintf(out, "  %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

static void append(char out[512], const char *text)
{
    strncat(out, text, 511 - strlen(out));
}

const char *help_param_type(const skimp_param *p, char out[512])
{
    char number[64];
    const bool has_range = p->minimum != 0 || p->maximum != 0;
    out[0] = '\0';
    switch (p->type) {
    case SKIMP_PARAM_BOOL:
        append(out, "true or false");
        break;
    case SKIMP_PARAM_INT:
        append(out, "integer");
        break;
    case SKIMP_PARAM_FLOAT:
        append(out, "number");
        break;
    case SKIMP_PARAM_CHOICE:
        for (const char *at = p->choices; at != NULL && *at != '\0';) {
            const size_t n = strcspn(at, "|");
            snprintf(number, sizeof number, "%s%.*s", at == p->choices ? "" : ", ", (int)n, at);
            append(out, number);
            at += n + (at[n] == '|');
        }
        break;
    case SKIMP_PARAM_JSON:
        append(out, "JSON");
        break;
    }
    if (has_range && isfinite(p->minimum) && fabs(p->minimum) < 1e15) {
        snprintf(number, sizeof number, " %s %.10g", p->minimum_is_open ? ">" : ">=", p->minimum);
        append(out, number);
    }
    if (has_range && isfinite(p->maximum) && p->maximum < 1e15) {
        snprintf(number, sizeof number, "%s <= %.10g", isfinite(p->minimum) ? "," : "", p->maximum);
        append(out, number);
    }
    if (p->may_be_null && p->type != SKIMP_PARAM_JSON) {
        append(out, " or null");
    }
    append(out, "; default ");
    append(out, p->default_value);
    return out;
}

void help_estimator(FILE *out, const skimp_estimator_info *info)
{
    char text[1024], type[512];
    const int width = fprintf(out, "%s: ", info->name);
    text_wrap(out, info->help, width, 4);
    fprintf(out, "scikit-learn's %s.%s\n", info->module, info->class_name);
    if (info->params[0].name != NULL) {
        fputs(info->kind == SKIMP_TRANSFORMER ? "\nParameters (-p STEP__NAME=VALUE):\n"
                                              : "\nParameters (-p NAME=VALUE):\n",
              out);
    }
    for (const skimp_param *p = info->params; p->name != NULL; p++) {
        snprintf(text, sizeof text, "%s (%s)", p->help, help_param_type(p, type));
        print_entry(out, p->name, text);
    }
}
