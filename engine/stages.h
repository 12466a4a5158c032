// SPDX-License-Identifier: Apache-2.0
/*
 * Arithmetic on slots between trees and outputs: stages and decisions (docs/format.md, 18.4, 18.5).
 */
#ifndef ESPALIER_ENGINE_STAGES_H
#define ESPALIER_ENGINE_STAGES_H

#include "format/layout.h"

#include <stddef.h>
#include <stdint.h>

/* Runs one stage on row_count rows of slots, slot_stride apart. */
void espalier_stage_run(const espalier_file_stage *stage, double *slots, size_t slot_stride,
                        size_t row_count);

/* The index of the first maximum of values[count]. */
int32_t espalier_first_maximum(const double *values, uint32_t count);

#endif
