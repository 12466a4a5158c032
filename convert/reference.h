// SPDX-License-Identifier: Apache-2.0
/*
 * The oracle: a plain evaluation of a forest as forest.h describes the trainer. Knows no layout, no
 * file and no engine, and must never share code with them; it is what they are proved against.
 * Nothing is refused: where nothing may be missing, NaN goes right unless its node's rule makes it
 * 0; infinities compare as numbers.
 */
#ifndef ESPALIER_CONVERT_REFERENCE_H
#define ESPALIER_CONVERT_REFERENCE_H

#include "convert/forest.h"

#include <stddef.h>
#include <stdint.h>

/* Values per row: the sums, then, with normalise, the probabilities, then what stages write. */
uint32_t espalier_reference_slot_count(const espalier_forest *forest);

/*
 * Evaluates row_count rows, [row_count][feature_count], as the trainer's predict does, with the
 * iterations it uses. slots: [row_count][slot_count]; float32 sums widened. leaves: of all trees,
 * [row_count][tree_count], the trainer's numbers, or NULL. Allocates nothing; goes through the rows
 * tree by tree, so blocks of some hundred rows are faster than one row at a time.
 */
void espalier_reference_evaluate(const espalier_forest *forest, const float *rows, size_t row_count,
                                 double *slots, uint32_t *leaves);
void espalier_reference_evaluate_float64(const espalier_forest *forest, const double *rows,
                                         size_t row_count, double *slots, uint32_t *leaves);

/* The same for rows of float32 that were widened: a preparation knows the difference. */
void espalier_reference_evaluate_widened(const espalier_forest *forest, const double *rows,
                                         size_t row_count, double *slots, uint32_t *leaves);

/* Class indices [row_count][group_count] of evaluated rows: as the group's CLASS output decides, or
 * without one the first maximum of its sums. */
void espalier_reference_classes(const espalier_forest *forest, const double *slots,
                                size_t row_count, int32_t *classes);

/* For one row: the absolute start and leaf values of all iterations used of the first part, added
 * up; [slots]. */
void espalier_reference_magnitudes(const espalier_forest *forest, const double *row,
                                   double *magnitudes);

#endif
