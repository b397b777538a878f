/* SPDX-License-Identifier: BSD-3-Clause */
/* The progress line. It is drawn by a worker thread, one at a time, with one write each. */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text_output.h"

#define WIDTH_MAX 160

bool progress_begin(progress_line *line, const settings *s)
{
    *line = (progress_line){ .on_terminal = isatty(STDERR_FILENO), .last = -INFINITY };
    return s->progress >= 0 ? s->progress == 1 : line->on_terminal && !s->quiet;
}

static int terminal_width(void)
{
    struct winsize size;
    const int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col - 1 : 79;
    return width < WIDTH_MAX ? width : WIDTH_MAX;
}

static void write_all(const char *text, size_t length)
{
    while (length > 0) {
        const ssize_t n = write(STDERR_FILENO, text, length);
        if (n <= 0) {
            return; /* progress is worth no failure */
        }
        text += n;
        length -= (size_t)n;
    }
}

static size_t describe(const skimp_progress *p, char *out, size_t size)
{
    char rows[32], part[64];
    const double mib = 1 << 20;
    snprintf(out, size, "%s", p->phase);
    if (strcmp(p->phase, "fitting") == 0) {
        snprintf(part, sizeof part, "  pass %llu/%.0f", (unsigned long long)p->pass + 1,
                 p->passes_expected > (double)p->pass ? p->passes_expected : (double)p->pass + 1);
        strncat(out, part, size - strlen(out) - 1);
    }
    if (p->bytes_total > 0) {
        snprintf(part, sizeof part, "  %3.0f%%  %.0f/%.0f MiB", 100 * (double)p->bytes_done / (double)p->bytes_total,
                 (double)p->bytes_done / mib, (double)p->bytes_total / mib);
    } else {
        snprintf(part, sizeof part, "  %.0f MiB", (double)p->bytes_done / mib);
    }
    strncat(out, part, size - strlen(out) - 1);
    snprintf(part, sizeof part, "  %s rows", text_count(p->rows, rows));
    strncat(out, part, size - strlen(out) - 1);
    if (isfinite(p->objective)) {
        snprintf(part, sizeof part, "  objective %.7g", p->objective);
        strncat(out, part, size - strlen(out) - 1);
    }
    snprintf(part, sizeof part, "  memory %.1f/%.1f MiB", (double)p->charged_bytes / mib,
             (double)p->budget_bytes / mib);
    strncat(out, part, size - strlen(out) - 1);
    if (isfinite(p->seconds_left)) {
        const unsigned long left = p->seconds_left < 1e9 ? (unsigned long)(p->seconds_left + 0.5) : 0;
        snprintf(part, sizeof part, "  %lu:%02lu left", left / 60, left % 60);
        strncat(out, part, size - strlen(out) - 1);
    }
    return strlen(out);
}

void progress_show(void *context, const skimp_progress *p)
{
    progress_line *line = context;
    char text[2 * WIDTH_MAX + 8] = "\r";
    size_t length = 1 + describe(p, text + 1, WIDTH_MAX);
    if (!line->on_terminal) {
        if (p->seconds - line->last >= 1) {
            line->last = p->seconds;
            text[length++] = '\n';
            write_all(text + 1, length - 1);
        }
        return;
    }
    const int width = terminal_width();
    int columns = (int)length - 1;
    if (columns > width) {
        columns = width;
        length = (size_t)columns + 1;
    }
    /* Blanks over what is left of a longer line before. */
    for (int i = columns; i < line->shown && i < width; i++) {
        text[length++] = ' ';
    }
    line->shown = columns;
    write_all(text, length);
}

void progress_end(progress_line *line)
{
    if (line->shown > 0) {
        char text[WIDTH_MAX + 2];
        text[0] = '\r';
        memset(text + 1, ' ', (size_t)line->shown);
        text[line->shown + 1] = '\r';
        write_all(text, (size_t)line->shown + 2);
        line->shown = 0;
    }
}
