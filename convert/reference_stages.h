// SPDX-License-Identifier: Apache-2.0
/*
 * The part of the oracle behind the sums: sums in NumPy's order and stages, as forest.h describes
 * them. Under the terms of reference.h; included by reference*.c and tests.
 */
#ifndef ESPALIER_CONVERT_REFERENCE_STAGES_H
#define ESPALIER_CONVERT_REFERENCE_STAGES_H

#include "convert/forest.h"

#include <stdbool.h>
#include <stdint.h>

/* The sum of values[count]: one after the other, or as NumPy adds a run; rounded to float32 after
 * each addition if narrow. */
double espalier_reference_sum(const double *values, uint64_t count, bool pairwise, bool narrow);

/* exp and log of float32 as NumPy's SIMD loops have them: not the C library's. */
float espalier_reference_exp_numpy(float x);
float espalier_reference_log_numpy(float x);

/* Runs one stage on the slots of a row. iterations: how many were used. */
void espalier_reference_stage(const espalier_forest *forest, const espalier_forest_stage *stage,
                              double iterations, double *slots);

#endif
