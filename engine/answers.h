// SPDX-License-Identifier: Apache-2.0
/*
 * The tests that trees of complete levels with one-byte codes share (kernels/heap_share.inc): how
 * many there are, and from how many rows on it pays to answer each once.
 */
#ifndef ESPALIER_ENGINE_ANSWERS_H
#define ESPALIER_ENGINE_ANSWERS_H

#include "engine/kernels/kernel.h"
#include "engine/model.h"

#include <stdint.h>

/* The answers that a model's bank BYTE asks for, those of zeros included; 0: none, or more than a
 * second-level cache holds. */
uint32_t espalier_answers_count(const espalier_model *model);

/* The fewest groups of a block for which answers pay in a part of these trees with this kernel of
 * the part; above ESPALIER_ANSWER_GROUPS: none do. */
uint32_t espalier_answers_least(const espalier_kernel *kernel, uint32_t answer_count,
                                const espalier_kernel_tree *trees, uint32_t tree_count);

/* Everything of *answers but the room for answers and sums. */
void espalier_answers_fill(const espalier_model *model, espalier_answers *answers);

#endif
