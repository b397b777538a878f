/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories to spill to: what all who put something on disk that memory does not hold ask of them. */
#ifndef SKIMPI_SPILL_H
#define SKIMPI_SPILL_H

#include "base/base.h"

/* Free bytes of a directory to spill to. IO: it is memory and not allow_tmpfs (to spill there would save nothing). */
SKIMP_CHECKED skimp_status skimpi_spill_disk(const char *directory, bool allow_tmpfs, uint64_t *free_bytes,
                                             skimp_error *error);

#endif
