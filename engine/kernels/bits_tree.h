// SPDX-License-Identifier: Apache-2.0
/*
 * The tree that the words of a BITS tree describe (format/layout.h), for what follows children:
 * blocks of rows, verify, inspect. May include layout.h only.
 */
#ifndef ESPALIER_ENGINE_KERNELS_BITS_TREE_H
#define ESPALIER_ENGINE_KERNELS_BITS_TREE_H

#include "format/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Where a tree's words begin, in bytes. */
#define ESPALIER_BITS_WORDS ((size_t)2 * ESPALIER_BITS_LEAVES)

/* Children of inner nodes, as positions: inner nodes, then leaves. */
typedef struct espalier_bits_tree {
    uint8_t left[ESPALIER_BITS_LEAVES];
    uint8_t right[ESPALIER_BITS_LEAVES];
} espalier_bits_tree;

/* b where `is_b` is 1, a where it is 0, and no branch: what nodes hold is hard to predict. */
static inline uint32_t espalier_bits_pick(uint32_t is_b, uint32_t a, uint32_t b)
{
    return a ^ ((a ^ b) & (0 - is_b));
}

/*
 * False where the words are no tree in preorder: the lowest uncleared bit is then all there is to
 * say. A node whose word is the run [first, first + left) has as many leaves on its left, and so
 * left - 1 nodes, which follow it; then come those on its right, the first of which begins where
 * the run ends, unless there is just the leaf. It is a tree if every left side begins where its
 * parent does and has the size that says, from the last node up to the root, whose own is
 * leaf_count. The nodes are loaded once.
 */
static inline bool espalier_bits_tree_of(const uint8_t *nodes, uint32_t leaf_count,
                                         espalier_bits_tree *tree)
{
    uint32_t words[ESPALIER_BITS_LEAVES];
    uint32_t firsts[2 * ESPALIER_BITS_LEAVES];
    uint32_t lefts[ESPALIER_BITS_LEAVES];
    uint32_t sizes[4 * ESPALIER_BITS_LEAVES]; /* leaves below a position; garbage leads here too */
    const uint32_t inner = leaf_count - 1;
    uint32_t fault = 0;
    memcpy(words, nodes + ESPALIER_BITS_WORDS, sizeof words);
    for (uint32_t i = 0; i < 2 * ESPALIER_BITS_LEAVES; i++) {
        firsts[i] = UINT32_MAX; /* no node: no run ends there */
    }
    for (uint32_t i = 0; i < 4 * ESPALIER_BITS_LEAVES; i++) {
        sizes[i] = 1;
    }
    for (uint32_t i = 0; i < inner; i++) {
        const uint32_t word = words[espalier_bits_word(i)];
        const uint32_t first = (uint32_t)__builtin_ctz(word | UINT32_C(1) << 31);
        const uint32_t left = (uint32_t)__builtin_popcount(word) % ESPALIER_BITS_LEAVES;
        fault |= (uint32_t)(left == 0) | (((UINT32_C(1) << left) - 1) << first ^ word);
        firsts[i] = first;
        lefts[i] = left;
    }
    for (uint32_t i = inner; i < ESPALIER_BITS_LEAVES; i++) {
        fault |= words[espalier_bits_word(i)];
    }
    for (uint32_t i = inner; i-- > 0;) {
        const uint32_t first = firsts[i];
        const uint32_t left = lefts[i];
        const uint32_t left_is_node = left > 1;
        const uint32_t right_is_node = firsts[i + left] == first + left;
        const uint32_t at_left = espalier_bits_pick(left_is_node, inner + first, i + 1);
        const uint32_t at_right = espalier_bits_pick(right_is_node, inner + first + left, i + left);
        fault |= (sizes[at_left] ^ left) | ((firsts[i + 1] ^ first) & (0 - left_is_node));
        sizes[i] = left + sizes[at_right];
        tree->left[i] = (uint8_t)at_left;
        tree->right[i] = (uint8_t)at_right;
    }
    return fault == 0 && (inner == 0 || (firsts[0] == 0 && sizes[0] == leaf_count));
}

#endif
