/* SPDX-License-Identifier: BSD-3-Clause */
/* Text for people. Colour says nothing that the words do not: on a terminal, where NO_COLOR is not set. */
#include "text_output.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

#define WIDTH 80
#define MIB (1 << 20)

static const char *colour(const char *code)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    const bool wanted = isatty(STDERR_FILENO) && (no_colour == NULL || no_colour[0] == '\0') &&
                        (terminal == NULL || strcmp(terminal, "dumb") != 0);
    return wanted ? code : "";
}

static const char *bold(void)
{
    return colour("\033[1m");
}

static const char *plain(void)
{
    return colour("\033[0m");
}

const char *text_count(uint64_t value, char out[32])
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    char *to = out;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

const char *text_seconds(double seconds, char out[32])
{
    if (!isfinite(seconds)) {
        snprintf(out, 32, "unknown");
    } else if (seconds < 100) {
        snprintf(out, 32, "%.*f s", seconds < 10 ? 1 : 0, seconds);
    } else if (seconds < 3600) {
        snprintf(out, 32, "%.0f min %02.0f s", floor(seconds / 60), floor(fmod(seconds, 60)));
    } else {
        snprintf(out, 32, "%.0f h %02.0f min", floor(seconds / 3600), floor(fmod(seconds, 3600) / 60));
    }
    return out;
}

void text_wrap(FILE *out, const char *text, int column, int indent)
{
    bool first = true;
    while (*text != '\0') {
        const size_t length = strcspn(text, " \n");
        if (!first && column + 1 + (int)length > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        if (length > 0) {
            fprintf(out, "%s%.*s", first ? "" : " ", (int)length, text);
            column += (int)length + !first;
            first = false;
        }
        text += length;
        while (*text == ' ') {
            text++;
        }
        if (*text == '\n') {
            while (*text == '\n') {
                fputc('\n', out);
                text++;
            }
            fprintf(out, "%*s", *text != '\0' ? indent : 0, "");
            column = indent;
            first = true;
        }
    }
    fputc('\n', out);
}

static double mib(uint64_t bytes)
{
    return (double)bytes / MIB;
}

/* An upper bound may be shown as more than it is, not as less; a minimum the same. */
static double mib_up(uint64_t bytes)
{
    return ceil(mib(bytes) * 10) / 10;
}

static void print_passes(const skimp_plan *plan)
{
    fprintf(stderr, "%-22s%10.1f", "passes", plan->passes_expected);
    if (plan->passes_max > plan->passes_expected && isfinite(plan->passes_max)) {
        fprintf(stderr, "  at most %.1f", plan->passes_max);
    }
    fputc('\n', stderr);
}

void text_plan(const skimp_plan *plan, bool verbose)
{
    char text[32];
    fprintf(stderr, "%s%-22s%10s%s\n", bold(), "memory, MiB", "planned", plain());
    for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
        if (plan->memory[tag] > 0 || verbose) {
            fprintf(stderr, "  %-20s%10.1f\n", skimp_tag_name((skimp_tag)tag), mib(plan->memory[tag]));
        }
    }
    fprintf(stderr, "%s%-22s%10.1f%s  of a budget of %.1f\n", bold(), "peak, at most", mib_up(plan->peak_bytes),
            plain(), mib(plan->budget_bytes));
    fprintf(stderr, "%-22s%10.1f\n", "smallest budget", mib_up(plan->minimum_bytes));
    fprintf(stderr, "%-22s%10.1f  store: %s\n", "disk", mib_up(plan->disk_bytes), plan->store);
    print_passes(plan);
    fprintf(stderr, "%-22s%10s\n", "time, roughly", text_seconds(plan->seconds, text));
    fprintf(stderr, "%-22s%10u\n", "threads", plan->threads);
    fprintf(stderr, "%-22s%10s\n", "rows of a chunk", text_count(plan->chunk_rows, text));
    if (plan->exact) {
        fprintf(stderr, "The plan is exact: %s rows", text_count(plan->rows, text));
        fprintf(stderr, ", %s features.\n", text_count(plan->features, text));
        return;
    }
    fprintf(stderr, "%sassumed, from a sample%s\n", bold(), plain());
    for (size_t i = 0; i < plan->n_assumed; i++) {
        fprintf(stderr, "  %-20s%10s\n", plan->assumed[i].name, text_count((uint64_t)plan->assumed[i].value, text));
    }
}

void text_planned(const skimp_plan *plan)
{
    char seconds[32];
    fprintf(stderr, "planned: at most %.1f of %.1f MiB, about %.1f passes in %s", mib_up(plan->peak_bytes),
            mib(plan->budget_bytes), plan->passes_expected, text_seconds(plan->seconds, seconds));
    if (plan->disk_bytes > 0) {
        fprintf(stderr, ", %.1f MiB of disk", mib_up(plan->disk_bytes));
    }
    fputc('\n', stderr);
}

void text_planned_actual(const skimp_plan *plan, const skimp_report *report)
{
    fprintf(stderr, "%s%-22s%10s%10s%s\n", bold(), "memory, MiB", "planned", "actual", plain());
    for (int tag = 0; tag < SKIMP_TAG_COUNT; tag++) {
        if (plan->memory[tag] > 0 || report->memory[tag] > 0) {
            fprintf(stderr, "  %-20s%10.1f%10.1f\n", skimp_tag_name((skimp_tag)tag), mib(plan->memory[tag]),
                    mib(report->memory[tag]));
        }
    }
    fprintf(stderr, "  %-20s%10.1f%10.1f\n", "at once", mib_up(plan->peak_bytes), mib(report->charged_peak_bytes));
    fprintf(stderr, "%s%-22s%10.1f%10.1f%s  of a budget of %.1f\n", bold(), "peak, by the kernel",
            mib_up(plan->peak_bytes), mib(peak_now(report)), plain(), mib(plan->budget_bytes));
    if (plan->disk_bytes > 0 || report->disk_bytes > 0) {
        fprintf(stderr, "%-22s%10.1f%10.1f\n", "disk, MiB", mib_up(plan->disk_bytes), mib(report->disk_bytes));
    }
    fprintf(stderr, "%-22s%10.1f%10.1f\n", "passes", plan->passes_expected, report->passes);
    fprintf(stderr, "%-22s%10.1f%10.1f\n", "time, s", plan->seconds, report->seconds);
}

void text_rows(const skimp_report *report)
{
    char text[32], row[32];
    if (report->rows_bad > 0) {
        snprintf(row, sizeof row, "%llu", (unsigned long long)report->first_bad_row);
        fprintf(stderr, "%s bad rows were skipped, the first at line %s\n", text_count(report->rows_bad, text), row);
    }
    if (report->rows_missing > 0) {
        fprintf(stderr, "%s rows with missing values were dropped\n", text_count(report->rows_missing, text));
    }
    if (report->unknown_categories > 0) {
        fprintf(stderr, "%s values are categories that training did not see\n",
                text_count(report->unknown_categories, text));
    }
}

void text_metrics(const skimp_report *report, const char *what)
{
    char text[32];
    fprintf(stderr, "%s%s %s rows%s\n", bold(), what, text_count(report->metric_rows, text), plain());
    for (size_t i = 0; i < report->n_metrics; i++) {
        fprintf(stderr, "  %-20s%10.6g\n", report->metrics[i].name, report->metrics[i].value);
    }
}

void text_warning(const char *text)
{
    fprintf(stderr, "skimp: %swarning:%s %s\n", bold(), plain(), text);
}

void text_warnings(const skimp_job *job, const skimp_report *report)
{
    for (size_t i = 0; i < report->n_warnings; i++) {
        text_warning(skimp_job_warning(job, i));
    }
}
