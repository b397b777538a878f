/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Single rows and fields of CSV, byte by byte: for samples, headers, and all fields that the fast kernels hand back.
 */
#include <math.h>
#include <string.h>

#include "data/csv_scan.h"
#include "data/number.h"

skimpi_csv_row_end skimpi_csv_split(const char *text, size_t length, size_t from, bool is_last, char delimiter,
                                    bool in_quotes, skimpi_csv_field *fields, size_t max_fields, size_t *n_fields,
                                    size_t *next)
{
    enum { START, FIELD, QUOTED, AFTER_QUOTE } state = in_quotes ? QUOTED : START;
    size_t begin = from, n = 0;
    for (size_t p = from; p < length; p++) {
        char c = text[p];
        if (state == QUOTED) {
            state = c == '"' ? AFTER_QUOTE : QUOTED;
            continue;
        }
        bool row_end = c == '\n';
        if (c == '\r') {
            if (p + 1 == length && !is_last) {
                break; /* a LF may follow */
            }
            row_end = p + 1 == length || text[p + 1] != '\n';
        }
        if (c == delimiter || row_end) {
            if (n < max_fields) {
                size_t end = c == '\n' && p > begin && text[p - 1] == '\r' ? p - 1 : p;
                fields[n] = (skimpi_csv_field){ begin, end };
            }
            n++;
            begin = p + 1;
            state = START;
            if (row_end) {
                *n_fields = n;
                *next = p + 1;
                return SKIMPI_CSV_ROW;
            }
        } else if (c == '"' && (state == START || state == AFTER_QUOTE)) {
            state = QUOTED;
        } else {
            state = FIELD;
        }
    }
    *next = length;
    *n_fields = n;
    if (!is_last) {
        return SKIMPI_CSV_CUT;
    }
    if (state == QUOTED) {
        return SKIMPI_CSV_UNCLOSED;
    }
    if (n < max_fields) {
        fields[n] = (skimpi_csv_field){ begin, length };
    }
    *n_fields = n + 1;
    return SKIMPI_CSV_ROW;
}

bool skimpi_csv_is_missing(const char *text, size_t length)
{
    static const char *const two[] = { "NA", NULL };
    static const char *const three[] = { "NaN", "nan", "N/A", "n/a", "#NA", NULL };
    static const char *const four[] = { "null", "NULL", "None", "#N/A", "-NaN", "-nan", "<NA>", NULL };
    static const char *const six[] = { "1.#IND", NULL };
    static const char *const seven[] = { "-1.#IND", "1.#QNAN", NULL };
    static const char *const eight[] = { "-1.#QNAN", "#N/A N/A", NULL };
    static const char *const *const names[] = { NULL, NULL, two, three, four, NULL, six, seven, eight };
    if (length == 0) {
        return true;
    }
    if (length > 8 || names[length] == NULL) {
        return false;
    }
    for (const char *const *name = names[length]; *name != NULL; name++) {
        if ((*name)[0] == text[0] && memcmp(*name, text, length) == 0) {
            return true;
        }
    }
    return false;
}

/* Takes min to max digits; their value, or -1. */
static int take(const char **p, const char *end, int min, int max)
{
    int n = 0, value = 0;
    while (n < max && *p < end && **p >= '0' && **p <= '9') {
        value = value * 10 + (*(*p)++ - '0');
        n++;
    }
    return n >= min ? value : -1;
}

static bool take_byte(const char **p, const char *end, const char *any)
{
    if (*p < end && **p != '\0' && strchr(any, **p) != NULL) {
        (*p)++;
        return true;
    }
    return false;
}

/* hh:mm[:ss[.fraction]][ AM|PM][Z|±hh[:]mm| UTC] */
static bool is_time(const char *p, const char *end)
{
    int hour = take(&p, end, 1, 2);
    if (hour < 0 || hour > 24 || !take_byte(&p, end, ":")) {
        return false;
    }
    int minute = take(&p, end, 2, 2);
    if (minute < 0 || minute > 59) {
        return false;
    }
    if (take_byte(&p, end, ":")) {
        int second = take(&p, end, 2, 2);
        if (second < 0 || second > 60) {
            return false;
        }
        if (take_byte(&p, end, ".,")) {
            while (p < end && *p >= '0' && *p <= '9') {
                p++;
            }
        }
    }
    if (end - p == 3 && *p == ' ' && (p[1] == 'A' || p[1] == 'P' || p[1] == 'a' || p[1] == 'p') &&
        (p[2] | 0x20) == 'm') {
        return true;
    }
    if (end - p == 4 && memcmp(p, " UTC", 4) == 0) {
        return true;
    }
    if (take_byte(&p, end, "Z")) {
        return p == end;
    }
    take_byte(&p, end, " ");
    if (take_byte(&p, end, "+-")) {
        if (take(&p, end, 2, 2) < 0) {
            return false;
        }
        take_byte(&p, end, ":");
        return p == end || (take(&p, end, 2, 2) >= 0 && p == end);
    }
    return p == end;
}

bool skimpi_csv_is_date(const char *text, size_t length)
{
    const char *p = text, *end = text + length;
    if (length < 4 || length > 40 || text[0] < '0' || text[0] > '9') {
        return false;
    }
    const char *q = text;
    if (is_time(q, end)) {
        return true;
    }
    int parts[3];
    bool year_first = false;
    int first = take(&p, end, 1, 4);
    year_first = p - text == 4;
    if (first < 0 || p == end || p - text == 3 || strchr("-/.", *p) == NULL) {
        return false;
    }
    char separator[2] = { *p, '\0' };
    parts[0] = first;
    p++;
    parts[1] = take(&p, end, 1, 2);
    if (parts[1] < 1 || !take_byte(&p, end, separator)) {
        return false;
    }
    const char *third = p;
    parts[2] = take(&p, end, 1, year_first ? 2 : 4);
    if (parts[2] < 0 || (!year_first && p - third != 4 && p - third != 2)) {
        return false;
    }
    int month = parts[1], day = year_first ? parts[2] : parts[0];
    bool sane = year_first ? month <= 12 && day >= 1 && day <= 31
                           : month <= 31 && day >= 1 && day <= 31 && (month <= 12 || day <= 12);
    if (!sane || p == end) {
        return sane;
    }
    return take_byte(&p, end, " T") && is_time(p, end);
}

bool skimpi_csv_needs_unquote(const char **text, size_t *length)
{
    if (*length == 0 || (*text)[0] != '"') {
        return false;
    }
    const char *inner = *text + 1;
    const char *close = memchr(inner, '"', *length - 1);
    if (close == NULL || close + 1 != *text + *length) {
        return true;
    }
    *text = inner;
    *length -= 2;
    return false;
}

size_t skimpi_csv_unquote(const char *text, size_t length, char *out)
{
    size_t n = 0, p = 1;
    bool quoted = true; /* text begins with a quote */
    for (; p < length; p++) {
        if (quoted && text[p] == '"') {
            if (p + 1 < length && text[p + 1] == '"') {
                out[n++] = text[++p];
            } else {
                quoted = false;
            }
        } else {
            out[n++] = text[p];
        }
    }
    return n;
}

skimpi_csv_kind skimpi_csv_number(const char *text, size_t length, double *out)
{
    const char *p = text, *end = text + length;
    *out = NAN;
    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }
    while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    if (end - p >= 2 && *p == '"' && end[-1] == '"') {
        p++;
        end--;
        while (p < end && *p == ' ') {
            p++;
        }
        while (end > p && end[-1] == ' ') {
            end--;
        }
    }
    if (p == end) {
        return SKIMPI_CSV_MISSING;
    }
    double value;
    if (skimpi_number_parse(p, end, &value) == end) {
        *out = value;
        return isnan(value) ? SKIMPI_CSV_MISSING : SKIMPI_CSV_NUMBER;
    }
    if (skimpi_csv_is_missing(p, (size_t)(end - p))) {
        return SKIMPI_CSV_MISSING;
    }
    return skimpi_csv_is_date(p, (size_t)(end - p)) ? SKIMPI_CSV_DATE : SKIMPI_CSV_TEXT;
}

uint64_t skimpi_csv_count_lines(const char *text, size_t length)
{
    uint64_t lf = 0, cr = 0;
    for (size_t i = 0; i < length; i++) {
        lf += text[i] == '\n';
    }
    for (size_t i = 0; i < length; i++) {
        cr += text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n');
    }
    return lf + cr;
}

void skimpi_csv_show(const char *text, size_t length, char out[64])
{
    static const char hex[] = "0123456789abcdef";
    size_t n = 0, i = 0;
    for (; i < length && n < 48; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f) {
            out[n++] = '\\';
            if (c == '\n' || c == '\r' || c == '\t') {
                out[n++] = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
            } else {
                out[n++] = 'x';
                out[n++] = hex[c >> 4];
                out[n++] = hex[c & 15];
            }
        } else {
            out[n++] = (char)c;
        }
    }
    if (i < length) {
        /* Not in the middle of a UTF-8 character. */
        while (n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80) {
            n--;
        }
        if (n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0xc0) {
            n--;
        }
        memcpy(out + n, "\xe2\x80\xa6", 3);
        n += 3;
    }
    out[n] = '\0';
}
