/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fault injection: the budget asks here before every allocation and charge.  Always compiled in, so that what is tested
 * is what is shipped; it costs one atomic addition beside an allocation.
 */
#include "base/base.h"

static atomic_uint_fast64_t asked;
static atomic_uint_fast64_t fail_at;
static atomic_bool fail_after_too;

uint64_t skimpi_fault_set(uint64_t nth, bool for_good)
{
    atomic_store(&fail_at, 0);
    atomic_store(&fail_after_too, for_good);
    uint64_t made = atomic_exchange(&asked, 0);
    atomic_store(&fail_at, nth);
    return made;
}

bool skimpi_fault_hit(void)
{
    uint64_t now = atomic_fetch_add_explicit(&asked, 1, memory_order_relaxed) + 1;
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at == 0) {
        return false;
    }
    return now == at || (now > at && atomic_load_explicit(&fail_after_too, memory_order_relaxed));
}
