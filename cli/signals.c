/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signals.  What a job leaves on disk has no name until it is whole, so even the end at once leaves nothing behind;
 * asking first lets the command say so and close a checkpoint properly.
 */
#include "signals.h"

#include <signal.h>
#include <stddef.h>

static volatile int cancelled;

static void on_signal(int number)
{
    if (cancelled) {
        signal(number, SIG_DFL);
        raise(number);
    }
    cancelled = 1;
}

void signals_install(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action = { .sa_handler = on_signal }, before;
        sigemptyset(&action.sa_mask);
        /* nohup and shells' background jobs ignore some of them, and go on doing so. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(numbers[i], &action, NULL);
        }
    }
    /* A closed pipe is then an error of the write, with a message and an exit code. A file size limit is the same. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

const volatile int *signals_cancel(void)
{
    return &cancelled;
}
