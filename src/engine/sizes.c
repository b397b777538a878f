/* SPDX-License-Identifier: BSD-3-Clause */
/* Small public helpers: sizes as people write them, this process's memory, the version. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "data/number.h"
#include "engine/engine.h"
#include "os/os.h"

#ifndef SKIMP_VERSION
#error "SKIMP_VERSION comes from the build"
#endif

const char *skimp_version(void)
{
    return SKIMP_VERSION;
}

skimp_status skimp_parse_size(const char *text, uint64_t *bytes, skimp_error *error)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {
        { "", 1 },       { "B", 1 },        { "K", 0x1p10 },   { "KIB", 0x1p10 }, { "KB", 1e3 },
        { "M", 0x1p20 }, { "MIB", 0x1p20 }, { "MB", 1e6 },     { "G", 0x1p30 },   { "GIB", 0x1p30 },
        { "GB", 1e9 },   { "T", 0x1p40 },   { "TIB", 0x1p40 }, { "TB", 1e12 },
    };
    /* A copy with room after it, as the number parser wants. */
    char copy[48 + SKIMPI_NUMBER_PADDING];
    size_t length = strlen(text);
    if (length > 0 && length < 48) {
        memset(copy, 0, sizeof copy);
        memcpy(copy, text, length);
        double value = 0;
        const char *rest = skimpi_number_parse(copy, copy + length, &value);
        if (rest != NULL && isfinite(value) && value >= 0) {
            while (*rest == ' ') {
                rest++;
            }
            for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
                if (strcasecmp(rest, units[i].unit) == 0 && value * units[i].factor < 0x1p63) {
                    *bytes = (uint64_t)(value * units[i].factor);
                    return SKIMP_OK;
                }
            }
        }
    }
    return skimpi_fail(
        error, SKIMP_ERROR_PARAM,
        "'%.48s' is not a size: give bytes, or a number with K, M, G (powers of 1024) or KB, MB, GB (of 1000)", text);
}

void skimp_process_memory(uint64_t *resident, uint64_t *peak)
{
    /* Figures for people: where the kernel will not say, they are 0, which reports show as unknown. */
    *resident = skimpi_os_resident_exact();
    *peak = skimpi_os_peak();
}
