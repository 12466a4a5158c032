// SPDX-License-Identifier: Apache-2.0
/*
 * Leaves that are lines: from what a source reads of them to the stages that add them up. May
 * include public headers, forest.h and plan.h only.
 */
#ifndef ESPALIER_CONVERT_LINEAR_LEAVES_H
#define ESPALIER_CONVERT_LINEAR_LEAVES_H

#include "convert/forest.h"

/*
 * Takes a forest of one part whose stages and outputs are complete and whose linear_leaves and
 * terms are read, with the number of a feature as each term's place. Afterwards each tree writes
 * the number of its leaf to a slot of its own, a stage VALUES takes the features that terms name,
 * and stages LINEAR make the sums, which all other stages and outputs then read. Without any term
 * the leaves are their constants, and nothing else changes. Status: SOURCE_TREE (a leaf
 * names a feature twice), SOURCE_LIMIT (too many slots), MEMORY.
 */
espalier_status espalier_linear_lift(espalier_forest *forest);

/* Why linear leaves do not fit their trees; NULL if they do, or if there are none. */
const char *espalier_linear_find_fault(const espalier_forest *forest);

#endif
