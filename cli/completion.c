/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completion scripts from the tables.  Commands, options, choices, estimators and steps are words in the script;
 * everything else completes as a file name.
 */
#include <string.h>

#include "help.h"

/* A text inside single quotes of a shell. */
static void put_quoted(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*text, out);
        }
    }
}

static void put_estimators(FILE *out, bool steps)
{
    const skimp_estimator_info *info;
    const char *separator = "";
    for (unsigned i = 0; (info = skimp_estimator_at(i)) != NULL; i++) {
        if ((info->kind == SKIMP_TRANSFORMER) == steps) {
            fprintf(out, "%s%s", separator, info->name);
            separator = " ";
        }
    }
}

static void put_commands(FILE *out)
{
    for (const command *c = commands; c->name != NULL; c++) {
        fprintf(out, "%s%s", c == commands ? "" : " ", c->name);
    }
}

static void put_words(FILE *out, const char *choices)
{
    for (; *choices != '\0'; choices++) {
        fputc(*choices == '|' ? ' ' : *choices, out);
    }
}

static void put_option_words(FILE *out, const command *c)
{
    const char *separator = "";
    for (const option *o = command_options; o->name != NULL; o++) {
        if ((o->commands & c->bit) != 0) {
            fprintf(out, "%s--%s", separator, o->name);
            if (o->kind == OPTION_SWITCH) {
                fprintf(out, " --no-%s", o->name);
            }
            separator = " ";
        }
    }
}

static bool takes_estimator(const command *c)
{
    return (c->bit & (FOR_FIT | FOR_PLAN | FOR_ESTIMATORS)) != 0;
}

/* Is this the first row of its option name? An option may have a row for each command. */
static bool is_first_row(const option *o)
{
    for (const option *before = command_options; before < o; before++) {
        if (strcmp(before->name, o->name) == 0) {
            return false;
        }
    }
    return true;
}

static void put_pattern(FILE *out, const option *o)
{
    fprintf(out, "--%s", o->name);
    if (o->letter != '\0') {
        fprintf(out, "|-%c", o->letter);
    }
}

void completion_bash(FILE *out)
{
    fputs("# bash completion for skimp; made by `skimp help --completion bash`\n"
          "_skimp() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          out);
    put_commands(out);
    fputs("' -- \"$current\"))\n"
          "        return\n"
          "    fi\n"
          "    case $previous in\n",
          out);
    for (const option *o = command_options; o->name != NULL; o++) {
        if (!is_first_row(o) || o->argument == NULL) {
            continue;
        }
        fputs("    ", out);
        put_pattern(out, o);
        if (o->choices != NULL) {
            fputs(") words='", out);
            put_words(out, o->choices);
            fputs("' ;;\n", out);
        } else if (strcmp(o->name, "step") == 0) {
            fputs(") words='", out);
            put_estimators(out, true);
            fputs("' ;;\n", out);
        } else {
            fprintf(out, ") %s; return ;;\n",
                    o->kind == OPTION_FILE ? "COMPREPLY=($(compgen -f -- \"$current\"))" : ":");
        }
    }
    fputs("    esac\n"
          "    if [ -n \"$words\" ]; then\n"
          "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
          "        return\n"
          "    fi\n"
          "    case ${COMP_WORDS[1]} in\n",
          out);
    for (const command *c = commands; c->name != NULL; c++) {
        fprintf(out, "    %s) words='", c->name);
        put_option_words(out, c);
        fputs("' ;;\n", out);
    }
    fputs("    esac\n"
          "    if [[ $current == -* ]]; then\n"
          "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
          "        return\n"
          "    fi\n"
          "    case $COMP_CWORD:${COMP_WORDS[1]} in\n",
          out);
    for (const command *c = commands; c->name != NULL; c++) {
        if (takes_estimator(c) || c->bit == FOR_HELP) {
            fprintf(out, "    2:%s) COMPREPLY=($(compgen -W '", c->name);
            if (c->bit == FOR_HELP) {
                put_commands(out);
                fputc(' ', out);
            }
            put_estimators(out, false);
            if (c->bit != FOR_FIT && c->bit != FOR_PLAN) {
                fputc(' ', out);
                put_estimators(out, true);
            }
            fputs("' -- \"$current\")) ;;\n", out);
        }
    }
    fputs("    *) COMPREPLY=($(compgen -f -- \"$current\")) ;;\n"
          "    esac\n"
          "}\n"
          "complete -o filenames -F _skimp skimp\n",
          out);
}

/* Inside an _arguments specification a bracket or a colon has a meaning. */
static void put_zsh_help(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '[' || *text == ']' || *text == ':' || *text == '\\') {
            fprintf(out, "\\%c", *text);
        } else if (*text == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*text, out);
        }
    }
}

static void put_zsh_option(FILE *out, const option *o, const char *prefix)
{
    fprintf(out, "            '*--%s%s%s[", prefix, o->name, o->argument != NULL ? "=" : "");
    put_zsh_help(out, o->help);
    fputc(']', out);
    if (o->argument != NULL) {
        fputc(':', out);
        put_zsh_help(out, o->argument);
        fputc(':', out);
        if (o->choices != NULL) {
            fputc('(', out);
            put_words(out, o->choices);
            fputc(')', out);
        } else if (strcmp(o->name, "step") == 0) {
            fputc('(', out);
            put_estimators(out, true);
            fputc(')', out);
        } else if (o->kind == OPTION_FILE) {
            fputs("_files", out);
        }
    }
    fputs("' \\\n", out);
}

void completion_zsh(FILE *out)
{
    fputs("#compdef skimp\n"
          "# zsh completion for skimp; made by `skimp help --completion zsh`\n"
          "_skimp() {\n"
          "    local -a names\n"
          "    if (( CURRENT == 2 )); then\n"
          "        names=(",
          out);
    for (const command *c = commands; c->name != NULL; c++) {
        fprintf(out, "'%s:", c->name);
        put_quoted(out, c->summary);
        fputs("' ", out);
    }
    fputs(")\n"
          "        _describe command names\n"
          "        return\n"
          "    fi\n"
          "    local command=$words[2]\n"
          "    shift words\n"
          "    (( CURRENT-- ))\n"
          "    case $command in\n",
          out);
    for (const command *c = commands; c->name != NULL; c++) {
        fprintf(out, "    %s)\n        _arguments -s -S \\\n", c->name);
        for (const option *o = command_options; o->name != NULL; o++) {
            if ((o->commands & c->bit) != 0) {
                put_zsh_option(out, o, "");
                if (o->kind == OPTION_SWITCH) {
                    put_zsh_option(out, o, "no-");
                }
            }
        }
        if (takes_estimator(c)) {
            fputs("            '1:estimator:(", out);
            put_estimators(out, false);
            if (c->bit == FOR_ESTIMATORS) {
                fputc(' ', out);
                put_estimators(out, true);
            }
            fputs(")' \\\n", out);
        } else if (c->bit == FOR_HELP) {
            fputs("            '1:topic:(", out);
            put_commands(out);
            fputc(' ', out);
            put_estimators(out, false);
            fputs(")' \\\n", out);
        }
        fputs("            '*:file:_files'\n        ;;\n", out);
    }
    fputs("    esac\n"
          "}\n"
          "_skimp \"$@\"\n",
          out);
}

void completion_fish(FILE *out)
{
    fputs("# fish completion for skimp; made by `skimp help --completion fish`\n", out);
    for (const command *c = commands; c->name != NULL; c++) {
        fprintf(out, "complete -c skimp -n __fish_use_subcommand -f -a %s -d '", c->name);
        put_quoted(out, c->summary);
        fputs("'\n", out);
    }
    for (const command *c = commands; c->name != NULL; c++) {
        for (const option *o = command_options; o->name != NULL; o++) {
            if ((o->commands & c->bit) == 0) {
                continue;
            }
            fprintf(out, "complete -c skimp -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
            if (o->letter != '\0') {
                fprintf(out, " -s %c", o->letter);
            }
            if (o->argument != NULL) {
                fputs(" -r", out);
            }
            if (o->choices != NULL) {
                fputs(" -f -a '", out);
                put_words(out, o->choices);
                fputc('\'', out);
            } else if (strcmp(o->name, "step") == 0) {
                fputs(" -f -a '", out);
                put_estimators(out, true);
                fputc('\'', out);
            }
            fputs(" -d '", out);
            put_quoted(out, o->help);
            fputs("'\n", out);
            if (o->kind == OPTION_SWITCH) {
                fprintf(out, "complete -c skimp -n '__fish_seen_subcommand_from %s' -l no-%s\n", c->name, o->name);
            }
        }
        if (takes_estimator(c)) {
            fprintf(out, "complete -c skimp -n '__fish_seen_subcommand_from %s' -a '", c->name);
            put_estimators(out, false);
            fputs("'\n", out);
        }
    }
}
