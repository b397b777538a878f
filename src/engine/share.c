/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One budget for the jobs of a process that run at the same time (skimp_job_options.share).
 *
 * A job takes a seat when it begins to run, and gives it up at the end.  Seats claim what their jobs were planned to take
 * (a quarter more, where the plan rests on a sample), or have in use, whichever is more; a job gets what its own limit
 * leaves beside the claims of the others.  Alone it has all of its limit: only when another one comes, it is held to its
 * claim.  A job that needs more than its claim after all (its data were not what the sample said) may take what nobody has
 * claimed, before it has to give memory back.
 *
 * A job for which there is not enough room waits until one of the others has ended.  One that was made by code of the caller
 * that another job waits for (its next batch) is refused instead, for neither would end; and so is one that has seen all
 * others wait for the caller, without a batch, for PATIENCE_NS: they may wait for it in another thread.
 *
 * Locks: that of the seats is taken with a budget's round of reclaiming held, and never the other way round; ledgers come
 * last.  A child of fork has none of its parent's jobs.
 */
#include <pthread.h>
#include <time.h>

#include "engine/engine.h"
#include "os/os.h"

#define WAIT_NS 20000000L /* between looks whether there is room, or the caller wants to stop */
#define PATIENCE_NS 10000000000L

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static skimpi_seat *seats;
static _Atomic int64_t owner; /* the process that these are of; its negative while they are made anew */

/* In a child of fork another thread may have held the lock, and the seats are of jobs that it does not have. */
static void lock_seats(void)
{
    const int64_t own = skimpi_os_process();
    int64_t seen = atomic_load(&owner);
    while (seen != own) {
        if (seen != -own && atomic_compare_exchange_strong(&owner, &seen, -own)) {
            pthread_mutex_init(&lock, NULL);
            pthread_cond_init(&changed, NULL);
            seats = NULL;
            atomic_store(&owner, own);
        }
        seen = atomic_load(&owner);
    }
    pthread_mutex_lock(&lock);
}

/* ---- seats. All of these need the lock. ---------------------------------------------------------------------------- */

static uint64_t claim(const skimpi_seat *seat)
{
    return skimpi_max_u64(seat->reserved, skimp_budget_in_use(seat->budget));
}

static uint64_t claims_of_others(const skimpi_seat *own)
{
    uint64_t sum = 0;
    for (const skimpi_seat *seat = seats; seat != NULL; seat = seat->next) {
        sum = skimpi_add_sat(sum, seat != own ? claim(seat) : 0);
    }
    return sum;
}

static uint64_t room_of(const skimpi_seat *own)
{
    const uint64_t others = claims_of_others(own);
    return own->limit > others ? own->limit - others : 0;
}

/* Do all of them wait for the next batch, and for the same one as at the last look? */
static bool all_wait_for_callers(uint64_t *batches)
{
    uint64_t sum = 0;
    bool all = true;
    for (const skimpi_seat *seat = seats; seat != NULL; seat = seat->next) {
        uint64_t n = 0;
        all = all && skimpi_batches_are_awaited(seat->arrays, &n);
        sum += n;
    }
    all = all && sum == *batches;
    *batches = sum;
    return all;
}

static void hold_to_claims(void)
{
    const bool is_one = seats != NULL && seats->next == NULL;
    for (skimpi_seat *seat = seats; seat != NULL; seat = seat->next) {
        skimpi_budget_set_limit(seat->budget, is_one ? seat->limit : claim(seat));
    }
}

/* ---- more than the claim --------------------------------------------------------------------------------------------- */

static uint64_t widen(void *context, uint64_t wanted)
{
    skimpi_seat *seat = context;
    lock_seats();
    const uint64_t own = claim(seat), room = room_of(seat);
    const uint64_t more = seat->is_taken && room > own ? room - own : 0;
    uint64_t given = more;
    if (wanted > 0) {
        given = skimpi_min_u64(more, wanted);
        seat->reserved = own + given;
        hold_to_claims();
    }
    pthread_mutex_unlock(&lock);
    return given;
}

/* ---- taking a seat, and leaving it ----------------------------------------------------------------------------------- */

static struct timespec in_a_while(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    return until;
}

static skimp_status refuse(const skimpi_seat *own, uint64_t room, uint64_t minimum, skimp_error *error)
{
    const skimp_status status = skimpi_fail(
        error, SKIMP_ERROR_BUDGET,
        "a budget of %.1f MiB is shared with what is at work in this process already, and %.1f MiB of it are "
        "left, where %.1f MiB are the smallest that works",
        (double)own->limit / 0x1p20, (double)room / 0x1p20, (double)minimum / 0x1p20);
    if (error != NULL) {
        error->limit = own->limit;
        error->minimum_bytes = skimpi_add_sat(minimum, own->limit - room);
    }
    return status;
}

skimp_status skimpi_share_enter(skimp_job *job, uint64_t minimum, bool *is_less, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    skimpi_seat *own = &job->seat;
    *is_less = false;
    skimpi_job_hold_to_limit(job);
    if (!job->options.share || own->is_taken) {
        return SKIMP_OK;
    }
    *own = (skimpi_seat){ .budget = job->budget, .arrays = job->arrays, .limit = skimp_budget_limit(job->budget) };
    const uint64_t least = skimpi_max_u64(minimum, skimp_budget_in_use(job->budget));
    lock_seats();
    uint64_t room = room_of(own), batches = 0;
    int64_t idle = 0;
    while (seats != NULL && room < least && status == SKIMP_OK) {
        idle = all_wait_for_callers(&batches) ? idle + WAIT_NS : 0;
        if (job->is_nested || idle > PATIENCE_NS) {
            status = refuse(own, room, least, error);
        } else if (skimpi_job_cancelled(job)) {
            status = skimpi_fail(error, SKIMP_ERROR_CANCELLED, "interrupted");
        } else {
            const struct timespec until = in_a_while();
            (void)pthread_cond_timedwait(&changed, &lock, &until);
            room = room_of(own);
        }
    }
    if (status == SKIMP_OK) {
        *is_less = room < own->limit;
        own->reserved = room;
        own->is_taken = true;
        own->next = seats;
        seats = own;
        hold_to_claims();
    }
    pthread_mutex_unlock(&lock);
    SKIMPI_TRY(status);
    SKIMPI_TRY(skimp_budget_on_reclaim(job->budget, widen, own, error));
out:
    return status;
}

void skimpi_share_settle(skimp_job *job, uint64_t peak, bool is_exact)
{
    skimpi_seat *own = &job->seat;
    if (!own->is_taken) {
        return;
    }
    lock_seats();
    own->reserved = skimpi_min_u64(own->reserved, is_exact ? peak : skimpi_add_sat(peak, peak / 4));
    hold_to_claims();
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void skimpi_share_reopen(skimp_job *job)
{
    skimpi_seat *own = &job->seat;
    if (!own->is_taken) {
        return;
    }
    lock_seats();
    own->reserved = skimpi_max_u64(own->reserved, room_of(own));
    hold_to_claims();
    pthread_mutex_unlock(&lock);
}

void skimpi_share_leave(skimp_job *job)
{
    skimpi_seat *own = &job->seat;
    if (!own->is_taken) {
        return;
    }
    skimp_budget_off_reclaim(job->budget, widen, own);
    lock_seats();
    for (skimpi_seat **link = &seats; *link != NULL; link = &(*link)->next) {
        if (*link == own) {
            *link = own->next;
            break;
        }
    }
    own->is_taken = false;
    skimpi_budget_set_limit(own->budget, own->limit);
    hold_to_claims();
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

uint64_t skimpi_share_in_use(void)
{
    uint64_t sum = 0;
    lock_seats();
    for (const skimpi_seat *seat = seats; seat != NULL; seat = seat->next) {
        sum = skimpi_add_sat(sum, skimp_budget_in_use(seat->budget));
    }
    pthread_mutex_unlock(&lock);
    return sum;
}
