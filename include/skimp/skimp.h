/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * skimp: scikit-learn's models on data of any size, inside a memory budget.
 *
 * One include for all of the public interface. Begin with skimp/job.h, which has the example.
 */
#ifndef SKIMP_SKIMP_H
#define SKIMP_SKIMP_H

#include "skimp/budget.h"
#include "skimp/data.h"
#include "skimp/job.h"
#include "skimp/params.h"
#include "skimp/parquet.h"
#include "skimp/status.h"

#endif
