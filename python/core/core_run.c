/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Work beside the interpreter.  The work runs in a thread of its own; the caller's waits for it without the GIL, and
 * takes the GIL now and then to see signals (only Python's main thread gets them) and to tell the progress.
 */
#include "core.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define WAIT_NS 50000000L      /* between looks for signals */
#define STACK_BYTES (1u << 20) /* of the thread; what is touched of it is a few pages */

typedef struct run {
    core_work_fn *work;
    void *context;
    skimp_error error;
    skimp_status status;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool has_ended;
} run;

void core_watch_init(core_watch *watch)
{
    memset(watch, 0, sizeof *watch);
    pthread_mutex_init(&watch->lock, NULL);
}

void core_watch_destroy(core_watch *watch)
{
    pthread_mutex_destroy(&watch->lock);
}

void core_watch_progress(void *context, const skimp_progress *progress)
{
    core_watch *watch = context;
    pthread_mutex_lock(&watch->lock);
    watch->progress = *progress;
    watch->has_progress = true;
    pthread_mutex_unlock(&watch->lock);
}

static void *run_thread(void *argument)
{
    run *r = argument;
    r->status = r->work(r->context, &r->error);
    pthread_mutex_lock(&r->lock);
    r->has_ended = true;
    pthread_cond_signal(&r->ended);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Waits for the end, but not for longer than a twentieth of a second. */
static bool wait_a_while(run *r)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&r->lock);
    while (!r->has_ended && pthread_cond_timedwait(&r->ended, &r->lock, &until) != ETIMEDOUT) {}
    const bool ended = r->has_ended;
    pthread_mutex_unlock(&r->lock);
    return ended;
}

static bool tell(core_watch *watch, PyObject *progress)
{
    pthread_mutex_lock(&watch->lock);
    const bool has = watch->has_progress;
    const skimp_progress now = watch->progress;
    watch->has_progress = false;
    pthread_mutex_unlock(&watch->lock);
    if (!has || progress == Py_None) {
        return true;
    }
    PyObject *dict = Py_BuildValue(
        "{s:s,s:K,s:K,s:K,s:K,s:d,s:d,s:K,s:K,s:d,s:d}", "phase", now.phase, "bytes_done",
        (unsigned long long)now.bytes_done, "bytes_total", (unsigned long long)now.bytes_total, "rows",
        (unsigned long long)now.rows, "passes_done", (unsigned long long)now.pass, "passes_expected",
        now.passes_expected, "objective", now.objective, "charged_bytes", (unsigned long long)now.charged_bytes,
        "budget_bytes", (unsigned long long)now.budget_bytes, "seconds", now.seconds, "seconds_left", now.seconds_left);
    PyObject *result = dict == NULL ? NULL : PyObject_CallFunctionObjArgs(progress, dict, NULL);
    Py_XDECREF(dict);
    Py_XDECREF(result);
    return result != NULL;
}

static bool start(run *r, pthread_t *thread)
{
    pthread_attr_t attributes;
    pthread_condattr_t clock;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&r->ended, &clock);
    pthread_condattr_destroy(&clock);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    const int refused = pthread_create(thread, &attributes, run_thread, r);
    pthread_attr_destroy(&attributes);
    return refused == 0;
}

bool core_run(core_state *state, core_watch *watch, core_work_fn *work, void *context, PyObject *progress)
{
    run r = { .work = work, .context = context, .error = SKIMP_ERROR_INIT, .status = SKIMP_OK };
    pthread_t thread;
    bool ended = false, is_interrupted = false;
    watch->cancel = 0;
    watch->has_progress = false;
    const bool started = start(&r, &thread);
    while (started && !ended) {
        Py_BEGIN_ALLOW_THREADS;
        ended = wait_a_while(&r);
        if (ended) {
            pthread_join(thread, NULL);
        }
        Py_END_ALLOW_THREADS;
        /* Once interrupted, the exception waits until the work has seen it. */
        if (!ended && !is_interrupted && (PyErr_CheckSignals() < 0 || !tell(watch, progress))) {
            is_interrupted = true;
            __atomic_store_n(&watch->cancel, 1, __ATOMIC_RELAXED);
        }
    }
    pthread_mutex_destroy(&r.lock);
    pthread_cond_destroy(&r.ended);
    if (is_interrupted) {
        return false;
    }
    if (!started) {
        PyErr_SetString(PyExc_RuntimeError, "no thread could be started");
        return false;
    }
    if (r.status != SKIMP_OK) {
        core_raise(state, &r.error);
        return false;
    }
    return true;
}
