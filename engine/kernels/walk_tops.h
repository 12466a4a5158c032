// SPDX-License-Identifier: Apache-2.0
/*
 * The first levels of a tree for 64 rows at once, by 512-bit compares, for walk.inc. Only files of
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

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#define TOP_LEVELS 5u
#define TOP_NODES  (1u << TOP_LEVELS)

/* Flights that go together: what is read of a node is read once for all of them. Fewer where no so
 * many are left. */
#define TOP_FLIGHTS       4u
#define TOP_FLIGHTS_LEAST 2u
#define TOP_ROWS          64u
#define TOP_ROWS_LEAST    32u

static_assert(TOP_ROWS == TOP_FLIGHTS * ESPALIER_FLIGHT_ROWS, "rows of all flights");
static_assert(TOP_ROWS_LEAST == TOP_FLIGHTS_LEAST * ESPALIER_FLIGHT_ROWS, "rows of some flights");

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

/* A register for every flight that goes through together. */
typedef struct walk_flights {
    __m512i of[TOP_FLIGHTS];
} walk_flights;

typedef struct walk_flight_masks {
    __mmask16 of[TOP_FLIGHTS];
} walk_flight_masks;

/* What the functions below go through; the count is a constant where they are inlined. */
typedef struct walk_top_rows {
    const uint32_t *cells;
    size_t flight_cells; /* from one flight's to the next one's */
    size_t flights;
} walk_top_rows;

__attribute__((always_inline)) static inline walk_flight_masks walk_top_ask(const walk_top *top,
                                                                            size_t i,
                                                                            walk_top_rows rows)
{
    const __m512i bound = _mm512_set1_epi32((int)top->bounds[i]);
    const uint32_t *const column = rows.cells + top->cells[i];
    walk_flight_masks above;
#pragma GCC unroll 4
    for (size_t f = 0; f < rows.flights; f++) {
        above.of[f] =
            _mm512_cmplt_epu32_mask(bound, _mm512_loadu_si512(column + f * rows.flight_cells));
    }
    return above;
}

__attribute__((always_inline)) static inline walk_flights walk_top_choose(walk_flight_masks above,
                                                                          walk_flights left,
                                                                          walk_flights right,
                                                                          size_t flights)
{
    walk_flights chosen;
#pragma GCC unroll 4
    for (size_t f = 0; f < flights; f++) {
        chosen.of[f] = _mm512_mask_blend_epi32(above.of[f], left.of[f], right.of[f]);
    }
    return chosen;
}

/* The same position for all rows; in a register, not read again for every flight. */
__attribute__((always_inline)) static inline walk_flights walk_top_same(uint32_t position,
                                                                        size_t flights)
{
    __m512i all = _mm512_set1_epi32((int)position);
    __asm__("" : "+v"(all));
    walk_flights same;
#pragma GCC unroll 4
    for (size_t f = 0; f < flights; f++) {
        same.of[f] = all;
    }
    return same;
}

__attribute__((always_inline)) static inline walk_flights walk_top_level1(const walk_top *top,
                                                                          size_t i,
                                                                          walk_top_rows rows)
{
    return walk_top_choose(walk_top_ask(top, i, rows),
                           walk_top_same(top->positions[2 * i], rows.flights),
                           walk_top_same(top->positions[2 * i + 1], rows.flights), rows.flights);
}

#define WALK_TOP_LEVEL(level, below)                                                               \
    __attribute__((always_inline)) static inline walk_flights level(const walk_top *top, size_t i, \
                                                                    walk_top_rows rows)            \
    {                                                                                              \
        const walk_flights left = below(top, 2 * i, rows);                                         \
        const walk_flights right = below(top, 2 * i + 1, rows);                                    \
        return walk_top_choose(walk_top_ask(top, i, rows), left, right, rows.flights);             \
    }

WALK_TOP_LEVEL(walk_top_level2, walk_top_level1)
WALK_TOP_LEVEL(walk_top_level3, walk_top_level2)
WALK_TOP_LEVEL(walk_top_level4, walk_top_level3)
WALK_TOP_LEVEL(walk_top_level5, walk_top_level4)

__attribute__((always_inline)) static inline void walk_top_flights(const walk_top *top,
                                                                   walk_top_rows rows,
                                                                   uint32_t *positions)
{
    const walk_flights found = walk_top_level5(top, 1, rows);
#pragma GCC unroll 4
    for (size_t f = 0; f < rows.flights; f++) {
        _mm512_storeu_si512(positions + f * ESPALIER_FLIGHT_ROWS, found.of[f]);
    }
}

/* The positions of TOP_FLIGHTS flights after TOP_LEVELS steps, or of TOP_FLIGHTS_LEAST. */

__attribute__((noinline)) static void walk_top_run(const walk_top *top, const uint32_t *cells,
                                                   size_t flight_cells, uint32_t *positions)
{
    walk_top_flights(top, (walk_top_rows){cells, flight_cells, TOP_FLIGHTS}, positions);
}

__attribute__((noinline)) static void walk_top_run_least(const walk_top *top, const uint32_t *cells,
                                                         size_t flight_cells, uint32_t *positions)
{
    walk_top_flights(top, (walk_top_rows){cells, flight_cells, TOP_FLIGHTS_LEAST}, positions);
}

#endif
