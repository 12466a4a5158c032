// SPDX-License-Identifier: Apache-2.0
/*
 * Placing one tree's nodes in the walk layout. Inside convert/flatten*.
 */
#ifndef ESPALIER_CONVERT_FLATTEN_PLACE_H
#define ESPALIER_CONVERT_FLATTEN_PLACE_H

#include "convert/flatten_leaves.h"
#include "convert/flatten_work.h"
#include "convert/forest.h"

#include <stdint.h>

/* A decision whose own position is known and whose children have none yet. */
typedef struct espalier_place_item {
    uint32_t node;
    uint32_t position;
} espalier_place_item;

/* What all trees of a part share. */
typedef struct espalier_placer {
    const espalier_flattening *work;
    espalier_leaf_table *leaves; /* filled in order of placement */
    espalier_place_item *stack;  /* room for half the nodes of the largest tree, and 8 */
    uint32_t node_bytes;
    uint32_t child_bits;
    uint32_t number_bytes; /* 0, 1, 2 or 4 */
} espalier_placer;

/* Positions that a tree of node_count nodes takes: a filler, and full lines of eight. */
uint64_t espalier_place_positions(uint32_t node_count);

/*
 * Writes all positions of a tree to nodes (and numbers, unless number_bytes is 0), both starting at
 * the tree's own place. Status: LIMIT, MEMORY.
 */
espalier_status espalier_place_tree(const espalier_placer *placer, const espalier_forest_tree *tree,
                                    uint8_t *nodes, uint8_t *numbers);

#endif
