/* SPDX-License-Identifier: BSD-3-Clause */
/* skimp help, skimp estimators, skimp version */
#include <string.h>

#include "command.h"
#include "help.h"
#include "json_output.h"
#include "text_output.h"

static const char *estimator_name(const void *context, size_t i)
{
    (void)context;
    const skimp_estimator_info *info = skimp_estimator_at((unsigned)i);
    return info != NULL ? info->name : NULL;
}

static const char *topic_name(const void *context, size_t i)
{
    size_t n = 0;
    for (; commands[n].name != NULL; n++) {
        if (n == i) {
            return commands[n].name;
        }
    }
    return estimator_name(context, i - n);
}

static json_t *command_json(const command *c)
{
    json_t *object = json_object(), *options = json_array();
    for (const option *o = command_options; o->name != NULL; o++) {
        if ((o->commands & c->bit) == 0) {
            continue;
        }
        const char letter[2] = { o->letter, '\0' };
        json_t *entry = json_object();
        json_set(entry, "name", json_text(o->name));
        json_set(entry, "letter", o->letter != '\0' ? json_text(letter) : json_null());
        json_set(entry, "argument", json_text(o->argument));
        json_set(entry, "group", json_text(o->group));
        json_set(entry, "help", json_text(o->help));
        json_array_append_new(options, entry);
    }
    json_set(object, "command", json_text(c->name));
    json_set(object, "operands", json_text(c->operands));
    json_set(object, "summary", json_text(c->summary));
    json_set(object, "options", options);
    return object;
}

static void print_overview_json(void)
{
    json_t *object = json_object(), *list = json_array();
    for (const command *c = commands; c->name != NULL; c++) {
        json_array_append_new(list, command_json(c));
    }
    json_set(object, "commands", list);
    json_print(object);
}

static skimp_status help_topic(const settings *s, const char *topic, skimp_error *error)
{
    const command *c = topic != NULL ? command_find(topic) : NULL;
    const skimp_estimator_info *info = topic != NULL ? skimp_estimator_find(topic) : NULL;
    if (topic != NULL && c == NULL && info == NULL) {
        return usage_error(error, "there is no help on", topic, topic_name, NULL);
    }
    if (s->man_page && info != NULL && c == NULL) {
        return fail(error, SKIMP_ERROR_PARAM,
                    "estimators have no man page of their own: skimp-estimators(1) holds them all");
    }
    if (s->json) {
        if (topic == NULL) {
            print_overview_json();
        } else {
            json_print(c != NULL ? command_json(c) : json_estimator(info));
        }
    } else if (s->man_page) {
        if (c != NULL) {
            man_command(stdout, c);
        } else {
            man_overview(stdout);
        }
    } else if (c != NULL) {
        help_command(stdout, c);
    } else if (info != NULL) {
        help_estimator(stdout, info);
    } else {
        help_overview(stdout);
    }
    return SKIMP_OK;
}

int command_help(const settings *s)
{
    skimp_error error = SKIMP_ERROR_INIT;
    if (s->completion != NULL) {
        if (strcmp(s->completion, "bash") == 0) {
            completion_bash(stdout);
        } else if (strcmp(s->completion, "zsh") == 0) {
            completion_zsh(stdout);
        } else {
            completion_fish(stdout);
        }
        return finish_output();
    }
    const skimp_status status = help_topic(s, s->operands.n > 0 ? s->operands.items[0] : NULL, &error);
    return status == SKIMP_OK ? finish_output() : report_failure(s->json, &error);
}

static void list_kind(const char *title, bool steps)
{
    const skimp_estimator_info *info;
    printf("%s:\n", title);
    for (unsigned i = 0; (info = skimp_estimator_at(i)) != NULL; i++) {
        if ((info->kind == SKIMP_TRANSFORMER) == steps) {
            printf("  %-24s  ", info->name);
            text_wrap(stdout, info->help, 28, 28);
        }
    }
}

int command_estimators(const settings *s)
{
    skimp_error error = SKIMP_ERROR_INIT;
    json_t *list = s->json ? json_array() : NULL;
    for (size_t i = 0; i < s->operands.n; i++) {
        const skimp_estimator_info *info = skimp_estimator_find(s->operands.items[i]);
        if (info == NULL) {
            const skimp_status status =
                usage_error(&error, "there is no estimator", s->operands.items[i], estimator_name, NULL);
            json_decref(list);
            (void)status;
            return report_failure(s->json, &error);
        }
        if (s->json) {
            json_array_append_new(list, json_estimator(info));
        } else {
            help_estimator(stdout, info);
        }
    }
    if (s->operands.n == 0 && s->json) {
        for (unsigned i = 0; i < skimp_estimator_count(); i++) {
            json_array_append_new(list, json_estimator(skimp_estimator_at(i)));
        }
    } else if (s->operands.n == 0) {
        list_kind("Estimators", false);
        list_kind("Steps", true);
        fputs("`skimp estimators NAME` lists the parameters of one.\n", stdout);
    }
    if (s->json) {
        json_t *object = json_object();
        json_set(object, "estimators", list);
        json_print(object);
    }
    return finish_output();
}

int command_version(const settings *s)
{
    if (s->json) {
        json_t *object = json_object();
        json_set(object, "version", json_text(skimp_version()));
        json_print(object);
    } else {
        printf("skimp %s\n", skimp_version());
    }
    return finish_output();
}
