// SPDX-License-Identifier: Apache-2.0
/*
 * Arithmetic on slots between trees and outputs: stages and decisions (docs/format.md, 18.4, 18.5).
 */
#ifndef ESPALIER_ENGINE_STAGES_H
#define ESPALIER_ENGINE_STAGES_H

#include "format/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a stage reads and writes, and what may be asked of it. */
typedef struct espalier_stage_shape {
    uint32_t input_count;  /* slots from input_slot, of ADD_SLOTS from `table` too */
    uint64_t output_count; /* slots from output_slot */
    uint64_t constant_count;
    bool picks;     /* reads the slots that its constants name */
    bool of_row;    /* writes what the row has: done where columns are filled */
    bool of_leaves; /* reads the slots of a part, too: linear.h */
    bool jumps;     /* a small difference of what it reads may be a large one of what it writes */
    bool adds;      /* has an order of additions */
    bool rounds;    /* float32 of what may be float64 */
    bool narrow;    /* may be in float32 */
    bool wide;      /* may be in float64 */
    bool linked;    /* goes through exp, log or pow */
} espalier_stage_shape;

/* Whether a stage writes what the row has, of the values that its constants number. */
static inline bool espalier_stage_takes_values(const espalier_file_stage *stage)
{
    return stage->operation == ESPALIER_STAGE_VALUES ||
           stage->operation == ESPALIER_STAGE_FLUSHED_VALUES;
}

/* False when there is no such operation. */
bool espalier_stage_describe(const espalier_file_stage *stage, espalier_stage_shape *shape_out);

/*
 * Runs one checked stage on row_count rows of slots, slot_stride apart. constants: the model's;
 * iterations: how many were used of the part that DIVIDE_ITERATIONS names.
 */
void espalier_stage_run(const espalier_file_stage *stage, const double *constants,
                        double iterations, double *slots, size_t slot_stride, size_t row_count);

/* The class that a decision (ESPALIER_DECISION_...) finds in values[count]. */
int32_t espalier_decide(uint32_t decision, const double *values, uint32_t count);

#endif
