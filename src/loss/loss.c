/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The losses by name.
 */
#include <string.h>

#include "loss/loss.h"

extern const skimpi_loss skimpi_loss_log, skimpi_loss_hinge, skimpi_loss_squared_hinge, skimpi_loss_modified_huber,
    skimpi_loss_perceptron, skimpi_loss_squared_error, skimpi_loss_huber, skimpi_loss_epsilon_insensitive,
    skimpi_loss_squared_epsilon_insensitive;

static const skimpi_loss *const losses[] = {
    &skimpi_loss_log,
    &skimpi_loss_hinge,
    &skimpi_loss_squared_hinge,
    &skimpi_loss_modified_huber,
    &skimpi_loss_perceptron,
    &skimpi_loss_squared_error,
    &skimpi_loss_huber,
    &skimpi_loss_epsilon_insensitive,
    &skimpi_loss_squared_epsilon_insensitive,
};

const skimpi_loss *skimpi_loss_find(const char *name)
{
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        if (strcmp(losses[i]->name, name) == 0) {
            return losses[i];
        }
    }
    return NULL;
}
