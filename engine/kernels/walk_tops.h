// SPDX-License-Identifier: Apache-2.0
/*
 * The first levels of a tree for 32 rows at once, by 512-bit compares, for walk.inc. Only files of
 * the AVX-512 levels may include it.
 *
 * The cells of a column lie in flights of 16 rows, so one compare asks a node's question of a
 * flight: 31 compares and 31 blends take 16 rows through five levels, where walking takes 80 steps.
 * The table is made from a tree's nodes once for every 1,024 rows of a block, and leads exactly
 * where the steps of walk.inc lead, whatever the nodes hold.
 */
#ifndef ESPALIER_ENGINE_KERNELS_WALK_TOPS_H
#define ESPALIER_ENGINE_KERNELS_WALK_TOPS_H

#include "engine/kernels/kernel.h"

#include <immintrin.h>
#include <string.h>

#define TOP_LEVELS 5u
#define TOP_NODES  (1u << TOP_LEVELS)
#define TOP_ROWS   32u /* two flights */

/* From how many rows on making the table pays. */
#define TOP_LEAST_ROWS 64u

/* Node i has the children 2 i and 2 i + 1; the root is 1. */
typedef struct walk_top {
    uint32_t bounds[TOP_NODES];        /* a cell above it goes to the second child */
    uint32_t cells[TOP_NODES];         /* of a flight: the first of the node's column */
    uint32_t positions[2 * TOP_NODES]; /* those of TOP_NODES and more: after TOP_LEVELS steps */
} walk_top;

static inline void walk_top_make(walk_top *top, const uint8_t *nodes, uint32_t column_shift,
                                 uint64_t cell_mask, uint64_t child_mask)
{
    uint32_t *const positions = top->positions;
    positions[1] = 0;
    for (size_t i = 1; i < TOP_NODES; i++) {
        uint64_t node;
        memcpy(&node, nodes + (size_t)positions[i] * sizeof node, sizeof node);
        top->bounds[i] = ~(uint32_t)node;
        top->cells[i] = (uint32_t)(node >> column_shift & cell_mask);
        positions[2 * i] = (uint32_t)(node >> 32 & child_mask);
        positions[2 * i + 1] = (uint32_t)(((node >> 32) + 1) & child_mask);
    }
}

/* Positions of 32 rows, in two flights. */
typedef struct walk_pair {
    __m512i first;
    __m512i second;
} walk_pair;

typedef struct walk_pair_masks {
    __mmask16 first;
    __mmask16 second;
} walk_pair_masks;

__attribute__((always_inline)) static inline walk_pair_masks walk_top_ask(const walk_top *top,
                                                                          size_t i,
                                                                          const uint32_t *cells,
                                                                          size_t flight_cells)
{
    const __m512i bound = _mm512_set1_epi32((int)top->bounds[i]);
    const uint32_t *const column = cells + top->cells[i];
    return (
        walk_pair_masks){_mm512_cmplt_epu32_mask(bound, _mm512_loadu_si512(column)),
                         _mm512_cmplt_epu32_mask(bound, _mm512_loadu_si512(column + flight_cells))};
}

__attribute__((always_inline)) static inline walk_pair walk_top_level1(const walk_top *top,
                                                                       size_t i,
                                                                       const uint32_t *cells,
                                                                       size_t flight_cells)
{
    const walk_pair_masks above = walk_top_ask(top, i, cells, flight_cells);
    const __m512i left = _mm512_set1_epi32((int)top->positions[2 * i]);
    const __m512i right = _mm512_set1_epi32((int)top->positions[2 * i + 1]);
    return (walk_pair){_mm512_mask_blend_epi32(above.first, left, right),
                       _mm512_mask_blend_epi32(above.second, left, right)};
}

#define WALK_TOP_LEVEL(level, below)                                                            \
    __attribute__((always_inline)) static inline walk_pair level(const walk_top *top, size_t i, \
                                                                 const uint32_t *cells,         \
                                                                 size_t flight_cells)           \
    {                                                                                           \
        const walk_pair left = below(top, 2 * i, cells, flight_cells);                          \
        const walk_pair right = below(top, 2 * i + 1, cells, flight_cells);                     \
        const walk_pair_masks above = walk_top_ask(top, i, cells, flight_cells);                \
        return (walk_pair){_mm512_mask_blend_epi32(above.first, left.first, right.first),       \
                           _mm512_mask_blend_epi32(above.second, left.second, right.second)};   \
    }

WALK_TOP_LEVEL(walk_top_level2, walk_top_level1)
WALK_TOP_LEVEL(walk_top_level3, walk_top_level2)
WALK_TOP_LEVEL(walk_top_level4, walk_top_level3)
WALK_TOP_LEVEL(walk_top_level5, walk_top_level4)

/* The positions of 32 rows after TOP_LEVELS steps. */
static inline void walk_top_run(const walk_top *top, const uint32_t *cells, size_t flight_cells,
                                uint32_t *positions)
{
    const walk_pair pair = walk_top_level5(top, 1, cells, flight_cells);
    _mm512_storeu_si512(positions, pair.first);
    _mm512_storeu_si512(positions + ESPALIER_FLIGHT_ROWS, pair.second);
}

#endif
