/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the scalers share (see scaler.h).
 */
#include <stdio.h>
#include <string.h>

#include "estimator/scaler.h"

#define NAME_BYTES 160

skimp_status skimpi_scaler_load(void **out, size_t self_bytes, const char *const *names, unsigned n,
                                skimp_budget *budget, const skimpi_tensors *tensors, const char *prefix,
                                const skimpi_problem *problem, skimp_error *error)
{
    skimp_status status = SKIMP_OK;
    const skimpi_tensor *found[SKIMPI_SCALER_MAX_NAMES];
    char name[NAME_BYTES];
    *out = NULL;
    for (unsigned k = 0; k < n; k++) {
        snprintf(name, sizeof(name), "%s%s", prefix, names[k]);
        SKIMPI_TRY(skimpi_tensors_need(tensors, name, SKIMPI_F64, 1, &problem->n_features, &found[k], error));
    }
    SKIMPI_TRY(skimpi_transformer_create(out, self_bytes, budget, problem, n, error));
    skimpi_transformer *self = *out;
    for (unsigned k = 0; k < n; k++) {
        memcpy(skimpi_transformer_vector(self, k), found[k]->data, problem->n_features * sizeof(double));
    }
    self->passes_done = 1;
out:
    return status;
}

skimp_status skimpi_scaler_next_pass(void *opaque, skimpi_pass *pass, skimp_error *error)
{
    (void)error;
    const skimpi_transformer *self = opaque;
    *pass = (skimpi_pass){ .is_done = self->passes_done == 1, .kind = 1 };
    return SKIMP_OK;
}
