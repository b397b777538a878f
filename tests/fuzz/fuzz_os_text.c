/* SPDX-License-Identifier: BSD-3-Clause */
/* Text of /proc and control groups: every parser on every line, and on the whole. */
#include <string.h>

#include "os/os_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static skimpi_os_mount mount;
    char directory[SKIMPI_OS_PATH_BYTES];
    uint64_t value;
    skimpi_os_mapping mapping;
    skimpi_text rest = { (const char *)data, size };
    skimpi_os_parse_kib(rest, "VmRSS", &value);
    skimpi_os_parse_stat(rest, "inactive_file", &value);
    while (rest.length != 0) {
        skimpi_text line = skimpi_text_cut(&rest, '\n');
        skimpi_text path;
        skimpi_os_parse_limit(line);
        skimpi_os_parse_quota(line);
        skimpi_os_parse_mapping(line, &mapping);
        bool mounted = skimpi_os_parse_mount(line, "memory", &mount);
        if (skimpi_os_parse_cgroup(line, "memory", &path) != SKIMPI_CGROUP_NONE && mount.point[0] == '/') {
            if (skimpi_os_cgroup_directory(&mount, path, directory) && strlen(directory) < strlen(mount.point)) {
                __builtin_trap(); /* a cgroup is never above its mount */
            }
        } else if (mounted && mount.point[0] != '/') {
            __builtin_trap();
        }
    }
    mount.point[0] = '\0';
    return 0;
}
