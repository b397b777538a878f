/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock: seconds since some moment, never going back. */
#include <time.h>

#include "os/os.h"

double skimpi_os_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
