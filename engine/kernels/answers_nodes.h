// SPDX-License-Identifier: Apache-2.0
/*
 * Which answers a tree's nodes ask for, node by node: for levels without a look-up in registers.
 * Includes nothing; wants kernel.h, layout.h and string.h before it.
 */
#ifndef ESPALIER_ENGINE_KERNELS_ANSWERS_NODES_H
#define ESPALIER_ENGINE_KERNELS_ANSWERS_NODES_H

/* The byte offsets of the answers to the tests of `count` nodes of one tree. */
static inline void answers_of_nodes(const espalier_answers *table, const uint8_t *columns,
                                    const uint8_t *thresholds, size_t count, uint32_t *offsets)
{
    uint16_t firsts[ESPALIER_HEAP_NODES_MAX];
    uint16_t lasts[ESPALIER_HEAP_NODES_MAX];
    uint8_t own[ESPALIER_HEAP_NODES_MAX];
    /* All look-ups come before the loop of vectors, whose loads would wait for fresh stores. Nodes
     * may change meanwhile: each byte is read once. */
    for (size_t i = 0; i < count; i++) {
        const uint8_t column = *(const volatile uint8_t *)&columns[i];
        firsts[i] = table->firsts[column];
        lasts[i] = table->lasts[column];
    }
    memcpy(own, thresholds, count);
    for (size_t i = 0; i < count; i++) {
        const uint16_t test = own[i] < lasts[i] ? own[i] : lasts[i];
        offsets[i] = (uint32_t)sizeof(espalier_answer) * (uint16_t)(firsts[i] + test);
    }
}

#endif
