/* SPDX-License-Identifier: BSD-3-Clause */
/* What kind of file is this, and is a directory one to spill to? */
#include <string.h>

#include "data/spill.h"
#include "engine/engine.h"
#include "os/os.h"

skimp_status skimp_file_recognise(const char *path, skimp_file_kind *kind, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    int fd = -1;
    char bytes[64];
    size_t got = 0;
    *kind = SKIMP_FILE_DATA;
    if (strcmp(path, "-") == 0) {
        return SKIMP_OK; /* not to be read twice */
    }
    SKIMPI_TRY(skimpi_os_open(&fd, path, error));
    skimpi_os_stat stat;
    SKIMPI_TRY(skimpi_os_fstat(fd, path, &stat, error));
    if (!stat.is_regular) {
        goto out;
    }
    SKIMPI_TRY(skimpi_os_pread(fd, path, bytes, sizeof bytes, 0, &got, error));
    if (skimpi_store_recognise(bytes, got)) {
        *kind = SKIMP_FILE_STORE;
    } else if (skimpi_tensors_recognise(bytes, got)) {
        *kind = SKIMP_FILE_MODEL;
    } else if (got >= 8 && memcmp(bytes, "skimpck1", 8) == 0) {
        *kind = SKIMP_FILE_CHECKPOINT;
    }
out:
    if (fd >= 0) {
        skimpi_os_close(fd);
    }
    return status;
}

skimp_status skimp_spill_check(const char *directory, skimp_error *error)
{
    uint64_t free_bytes = 0;
    return skimpi_spill_disk(directory, false, &free_bytes, error);
}
