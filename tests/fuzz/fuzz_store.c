/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a kept chunk store: as they are, and with all checksums made right, so that what is behind them is
 * reached.  Whatever is opened obeys what readers of chunks rely on, and nothing is left allocated.
 */
#include "../memory_file.h"
#include "../store_repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const uint8_t *data, size_t size)
{
    skimp_budget *budget;
    skimp_error error = SKIMP_ERROR_INIT;
    skimp_budget_options limits = { .size = sizeof(limits), .limit = 64u << 20 };
    store_demand(skimp_budget_create(&budget, &limits, NULL) == SKIMP_OK);
    memory_file file = memory_file_make(data, size);
    skimp_status status = store_look_at(budget, file.path, &error);
    store_demand(error.code == (int)status && (status == SKIMP_OK) == (error.message[0] == '\0'));
    store_demand(status == SKIMP_OK || status == SKIMP_ERROR_DATA || status == SKIMP_ERROR_BUDGET);
    memory_file_close(&file);
    store_demand(skimp_budget_destroy(budget) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    look(data, size);
    uint8_t *copy = malloc(size + 1);
    store_demand(copy != NULL);
    memcpy(copy, data, size);
    store_repair(copy, size);
    look(copy, size);
    free(copy);
    return 0;
}
