/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of this process as Linux counts it, and mapping of pages.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "os/os.h"
#include "os/os_text.h"

size_t skimpi_os_page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

void *skimpi_os_map(size_t bytes)
{
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block != MAP_FAILED ? block : NULL;
}

void *skimpi_os_remap(void *block, size_t bytes, size_t new_bytes)
{
    void *moved = mremap(block, bytes, new_bytes, MREMAP_MAYMOVE);
    return moved != MAP_FAILED ? moved : NULL;
}

void skimpi_os_unmap(void *block, size_t bytes)
{
    munmap(block, bytes);
}

void skimpi_os_populate(void *block, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    uintptr_t page = skimpi_os_page_size(), begin = (uintptr_t)block / page * page;
    /* A kernel that does not know this leaves the pages to their faults. */
    int ignored = madvise((void *)begin, (uintptr_t)block + bytes - begin, MADV_POPULATE_WRITE);
    (void)ignored;
#else
    (void)block;
    (void)bytes;
#endif
}

uint64_t skimpi_os_resident(void)
{
    char buffer[256];
    size_t length;
    uint64_t pages = 0;
    if (!skimpi_os_slurp("/proc/self/statm", buffer, sizeof(buffer), &length)) {
        return 0;
    }
    skimpi_text text = { buffer, length };
    skimpi_text_word(&text);
    return skimpi_text_number(skimpi_text_word(&text), &pages) ? skimpi_mul_sat(pages, skimpi_os_page_size()) : 0;
}

static void populate_line(void *context, skimpi_text line)
{
    skimpi_os_mapping mapping;
    (void)context;
    if (skimpi_os_parse_mapping(line, &mapping) && mapping.is_image) {
#ifdef MADV_POPULATE_READ
        /* A kernel that does not know this leaves the pages to their faults. */
        int ignored = madvise((void *)(uintptr_t)mapping.address, (size_t)mapping.bytes, MADV_POPULATE_READ);
        (void)ignored;
#endif
    }
}

void skimpi_os_populate_image(void)
{
    bool ignored = skimpi_os_each_line("/proc/self/maps", populate_line, NULL); /* unread: the faults come later */
    (void)ignored;
}

typedef struct image {
    uint64_t bytes;
    uint64_t resident;
    uint64_t all_resident; /* of every mapping */
    bool counting;         /* the lines now belong to a mapping of the image */
} image;

static void add_line(void *context, skimpi_text line)
{
    image *sum = context;
    uint64_t bytes;
    skimpi_os_mapping mapping;
    /* Of some twenty lines for each mapping two matter: "Rss", and the first, which begins with an address. */
    if (line.length == 0 || (line.at[0] >= 'A' && line.at[0] <= 'Z' && line.at[0] != 'R')) {
        return;
    }
    if (skimpi_os_parse_mapping(line, &mapping)) {
        sum->counting = mapping.is_image;
        sum->bytes = mapping.is_image ? skimpi_add_sat(sum->bytes, mapping.bytes) : sum->bytes;
    } else if (skimpi_os_parse_kib(line, "Rss", &bytes)) {
        sum->all_resident = skimpi_add_sat(sum->all_resident, bytes);
        sum->resident = sum->counting ? skimpi_add_sat(sum->resident, bytes) : sum->resident;
    }
}

uint64_t skimpi_os_peak(void)
{
    char buffer[8192];
    size_t length;
    uint64_t bytes = 0;
    const bool told = skimpi_os_slurp("/proc/self/status", buffer, sizeof(buffer), &length) &&
                      skimpi_os_parse_kib((skimpi_text){ buffer, length }, "VmHWM", &bytes);
    return told ? bytes : 0;
}

static uint64_t sum_resident(const char *path)
{
    image sum = { 0 };
    return skimpi_os_each_line(path, add_line, &sum) ? sum.all_resident : 0;
}

uint64_t skimpi_os_resident_exact(void)
{
    /* The kernel's own sum (Linux 4.14 and later) takes a fraction of the time that the lines of all mappings take. */
    const uint64_t resident = sum_resident("/proc/self/smaps_rollup");
    return resident != 0 ? resident : sum_resident("/proc/self/smaps");
}

skimp_status skimpi_os_memory_now(skimpi_os_memory *out, skimp_error *error)
{
    *out = (skimpi_os_memory){ .peak = skimpi_os_peak() };
    if (out->peak == 0) {
        return skimpi_fail(error, SKIMP_ERROR_IO,
                           "/proc/self/status does not tell the memory in use (is /proc mounted?)");
    }
    image sum = { 0 };
    if (!skimpi_os_each_line("/proc/self/smaps", add_line, &sum)) {
        return skimpi_fail(error, SKIMP_ERROR_IO, "/proc/self/smaps cannot be read");
    }
    out->resident = sum.all_resident; /* VmRSS is a sum of per-CPU counters that may be off by some 100 KiB */
    out->image = sum.bytes;
    out->image_resident = sum.resident;
    return SKIMP_OK;
}
