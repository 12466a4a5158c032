// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel contract: what traverses trees, and what it is given. Kernels get flat pointers, never
 * models, caller rows or caller outputs. Includes C standard headers only.
 *
 * Preconditions, made by the predictor and by open:
 *  - For every tree, nodes[0 .. 2^child_bits] are readable, whatever they hold (docs/format.md,
 *    "The child index bound"); for clamping kernels, nodes[0 .. last]. Nodes may change at any
 *    moment.
 *  - cells[r * cell_stride + c] is readable for every row r < row_count and c <= column_mask.
 *  - sum_block: row_count is a multiple of flight_rows.
 *  - leaf_values has leaf_last + 1 rows of leaf_width values; slots and positions have room.
 * Postconditions: at most depth steps per tree and row; writes slots or positions only; every row
 * adds its leaves in the order of the trees, one rounding an addition.
 */
#ifndef ESPALIER_ENGINE_KERNELS_KERNEL_H
#define ESPALIER_ENGINE_KERNELS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

typedef struct espalier_kernel_tree {
    const uint8_t *nodes; /* position 0 */
    uint32_t depth;
    uint32_t slot; /* first of leaf_width slots */
    uint32_t last; /* the last position of the tree */
    uint32_t reserved;
} espalier_kernel_tree;

typedef struct espalier_kernel_arguments {
    const espalier_kernel_tree *trees;
    uint32_t tree_count;
    uint32_t child_bits;
    uint32_t child_mask;  /* 2^child_bits - 1 */
    uint32_t column_mask; /* 2^k - 1 */

    const float *cells; /* [row_count][cell_stride] */
    size_t cell_stride;
    uint32_t row_count;

    /* sum */
    const double *leaf_values; /* [leaf_last + 1][leaf_width] */
    uint32_t leaf_last;
    uint32_t leaf_width;
    double *slots; /* [row_count][slot_stride], the part's first slot; holds the start values */
    size_t slot_stride;

    /* each */
    uint32_t *positions; /* [row_count][tree_count]: where each walk ended */
} espalier_kernel_arguments;

typedef void espalier_kernel_function(const espalier_kernel_arguments *arguments);

/* The kernels of one ISA level for one layout and node size. */
typedef struct espalier_kernel {
    const char *name;
    uint32_t isa;    /* espalier_isa */
    uint32_t layout; /* ESPALIER_LAYOUT_... */
    uint32_t node_bytes;
    uint32_t child_bits;                 /* the only number it serves; 0: any */
    uint32_t clamps;                     /* 1: bounds every child by the tree's last position */
    uint32_t flight_rows;                /* rows in flight of sum_block, at least 1 */
    espalier_kernel_function *sum_row;   /* one row, many trees in flight; row_count is 1 */
    espalier_kernel_function *sum_block; /* many rows, one tree after the other */
    espalier_kernel_function *each_row;  /* one row: the position every walk ends at */
} espalier_kernel;

extern const espalier_kernel espalier_traverse_walk8_16__scalar;
extern const espalier_kernel espalier_traverse_walk8__scalar;
extern const espalier_kernel espalier_traverse_walk16__scalar;
extern const espalier_kernel espalier_traverse_walk8_clamp__scalar;
extern const espalier_kernel espalier_traverse_walk16_clamp__scalar;

#endif
