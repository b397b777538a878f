/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which family of kernels runs: the best that this CPU (and its operating system) supports, asked once.
 */
#include <string.h>

#include "kernel/kernel_internal.h"

static bool runs_here(const skimpi_family *family)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (family == &skimpi_family_avx512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
    if (family == &skimpi_family_avx2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
#endif
    return family == &skimpi_family_reference;
}

static const skimpi_family *const families[] = {
#if defined(__x86_64__)
    &skimpi_family_avx512,
    &skimpi_family_avx2,
#endif
    &skimpi_family_reference,
};

const skimpi_family *skimpi_family_get(void)
{
    static _Atomic(const skimpi_family *) chosen;
    const skimpi_family *family = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (family == NULL) {
        const skimpi_family *const *at = families;
        while (!runs_here(*at)) {
            at++;
        }
        family = *at;
        atomic_store_explicit(&chosen, family, memory_order_relaxed);
    }
    return family;
}

const skimpi_kernels *skimpi_kernels_get(void)
{
    return &skimpi_family_get()->kernels;
}

const skimpi_kernels *skimpi_kernels_named(const char *name)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (strcmp(families[i]->kernels.family, name) == 0) {
            return runs_here(families[i]) ? &families[i]->kernels : NULL;
        }
    }
    return NULL;
}

/* Two packed panels in double and their scales, or what the products with codes need, whichever is more. */
uint64_t skimpi_gram_scratch_bytes(uint64_t n_dense, uint64_t n_features)
{
    uint64_t padded =
        skimpi_mul_sat((n_dense / SKIMPI_GRAM_STRIP + (n_dense % SKIMPI_GRAM_STRIP != 0)), SKIMPI_GRAM_STRIP);
    uint64_t rows = skimpi_gram_rows((size_t)padded);
    uint64_t panels = skimpi_mul_sat(padded, (2 * rows + 2) * sizeof(double));
    uint64_t codes = n_features > n_dense ? n_features - n_dense : 0;
    uint64_t blocks =
        n_dense == 0 ? 0 : skimpi_mul_sat(skimpi_add_sat(codes, SKIMPI_CODE_ROWS), SKIMPI_CODE_STRIP * sizeof(double));
    return skimpi_max_u64(skimpi_max_u64(panels, blocks), 64);
}
