/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Status codes and the error record.
 *
 * Every function of libskimp that can fail returns a skimp_status, which the compiler insists on being looked at, and
 * takes an optional skimp_error owned by the caller (NULL is always allowed).  On failure the record says what was
 * found, where (file, row, column) and what to do; on success it is left alone.  The library never prints, never
 * exits and never aborts.
 */
#ifndef SKIMP_STATUS_H
#define SKIMP_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SKIMP_CHECKED __attribute__((warn_unused_result))
#define SKIMP_API __attribute__((visibility("default")))
#else
#define SKIMP_CHECKED
#define SKIMP_API
#endif

typedef enum skimp_status {
    SKIMP_OK = 0,
    SKIMP_ERROR_BUDGET, /* the budget is too small: requested, in_use, limit (and minimum_bytes where known) are set */
    SKIMP_ERROR_NOMEM,  /* the system refused memory inside the budget */
    SKIMP_ERROR_IO,     /* a file could not be read or written; the disk is full */
    SKIMP_ERROR_DATA,   /* the data is not what it should be: file, row and column are set where they apply */
    SKIMP_ERROR_PARAM,  /* an argument or a parameter of an estimator is wrong */
    SKIMP_ERROR_CANCELLED, /* the caller asked to stop */
    SKIMP_ERROR_INTERNAL   /* a defect of skimp */
} skimp_status;

/* What went wrong.  Initialise with SKIMP_ERROR_INIT.  Fields that do not apply are 0 or empty. */
typedef struct skimp_error {
    int code;               /* a skimp_status; SKIMP_OK while nothing has failed */
    uint64_t requested;     /* bytes that were asked for */
    uint64_t in_use;        /* bytes charged when they were asked for */
    uint64_t limit;         /* bytes that the budget allows */
    uint64_t minimum_bytes; /* smallest budget that works, when it is known */
    uint64_t row;           /* counted from 1, header included, as an editor counts lines */
    char column[160];       /* name of the column (or feature) */
    char file[512];         /* name of the file, as the caller gave it */
    char message[1024];     /* one line for people, with all of the above that helps */
} skimp_error;

#define SKIMP_ERROR_INIT                                                                                               \
    {                                                                                                                  \
        0                                                                                                              \
    }

/* The name of a status: "budget", "nomem", "io", "data", "param", "cancelled", "internal", "ok". Never NULL. */
SKIMP_API const char *skimp_status_name(int status);

#ifdef __cplusplus
}
#endif
#endif
