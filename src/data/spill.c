/* SPDX-License-Identifier: BSD-3-Clause */
/* Directories to spill to. */
#include "data/spill.h"

#include "os/os.h"

skimp_status skimpi_spill_disk(const char *directory, bool allow_tmpfs, uint64_t *free_bytes, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    bool is_memory = false;
    SKIMPI_TRY(skimpi_os_disk(directory, free_bytes, &is_memory, error));
    if (is_memory && !allow_tmpfs) {
        status = skimpi_fail_at(
            error, SKIMP_ERROR_IO, directory, 0, NULL,
            "is memory, not a disk: spilling there would save nothing; name a directory on a disk with --spill-dir");
    }
out:
    return status;
}
