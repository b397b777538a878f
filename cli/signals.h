/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals: the first SIGINT, SIGTERM or SIGHUP asks the job to stop, the second ends the process at once. */
#ifndef SKIMP_CLI_SIGNALS_H
#define SKIMP_CLI_SIGNALS_H

void signals_install(void);
const volatile int *signals_cancel(void); /* non-zero once a signal came */

#endif
