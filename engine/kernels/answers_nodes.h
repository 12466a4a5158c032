// SPDX-License-Identifier: Apache-2.0
/*
 * Which answers a tree's nodes ask for, node by node: for levels without a look-up in registers.
 * Includes nothing; wants kernel.h before it.
 */
#ifndef ESPALIER_ENGINE_KERNELS_ANSWERS_NODES_H
#define ESPALIER_ENGINE_KERNELS_ANSWERS_NODES_H

#define ANSWERS_NODES_MAX 256u /* of a tree */

/* The byte offsets of the answers to the tests of `count` nodes of one tree. */
static inline void answers_of_nodes(const espalier_answers *table, const uint8_t *columns,
                                    const uint8_t *thresholds, size_t count, uint32_t *offsets)
{
    uint16_t firsts[ANSWERS_NODES_MAX];
    uint16_t lasts[ANSWERS_NODES_MAX];
    /* All look-ups come before the loop of vectors, whose loads would wait for fresh stores. */
    for (size_t i = 0; i < count; i++) {
        firsts[i] = table->firsts[columns[i]];
        lasts[i] = table->lasts[columns[i]];
    }
    for (size_t i = 0; i < count; i++) {
        const uint16_t test = thresholds[i] < lasts[i] ? thresholds[i] : lasts[i];
        offsets[i] = (uint32_t)sizeof(espalier_answer) * (uint16_t)(firsts[i] + test);
    }
}

#endif
