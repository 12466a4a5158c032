// SPDX-License-Identifier: Apache-2.0
/*
 * One row through the trees of a walk layout, by lanes.h, for walk_rows.inc. The row's cells stay
 * in registers, where permutes find those that the nodes test. Steps lead exactly where those of
 * walk.inc lead, whatever the nodes hold. Only files of the AVX-512 levels may include it.
 */
#ifndef ESPALIER_ENGINE_KERNELS_WALK_LANES_H
#define ESPALIER_ENGINE_KERNELS_WALK_LANES_H

#include "engine/kernels/kernel.h"
#include "engine/kernels/lanes.h"
#include "engine/kernels/vec_avx512.h"

#include <immintrin.h>
#include <stddef.h>

/* Trees whose leaves are found before any is added: 1 KiB of stack. */
#define LANE_TREES 256u

/* What a step needs to know. */
typedef struct walk_lanes_way {
    const uint32_t *cells; /* the row's */
    __m512 words[8];       /* their bits, as far as they are kept in registers */
    __m512i column_shift;
    __m512i column_mask;
    __m512i child_mask;
    __m512i leaf_last;
} walk_lanes_way;

__attribute__((always_inline)) static inline walk_lanes_way walk_lanes_way_of(
    const espalier_kernel_arguments *a, uint32_t registers)
{
    walk_lanes_way way = {
        .cells = a->cells,
        .column_shift = _mm512_set1_epi32((int)(a->child_bits + a->column_shift)),
        .column_mask = _mm512_set1_epi32((int)a->column_mask),
        .child_mask = _mm512_set1_epi32((int)a->child_mask),
        .leaf_last = _mm512_set1_epi32((int)a->leaf_last),
    };
    for (uint32_t i = 0; i < registers; i++) {
        const uint32_t first = LANES * i;
        const uint32_t left = a->column_mask < first ? 0 : a->column_mask - first + 1;
        const __mmask16 there = (__mmask16)(left < LANES ? (1u << left) - 1 : 0xFFFF);
        way.words[i] = _mm512_castsi512_ps(_mm512_maskz_loadu_epi32(there, a->cells + first));
    }
    return way;
}

/* cells[columns], from so many registers; 0: from memory. */
__attribute__((always_inline)) static inline __m512i walk_lanes_words(const walk_lanes_way *way,
                                                                      uint32_t registers,
                                                                      __m512i columns)
{
    if (registers == 0) {
        return _mm512_i32gather_epi32(columns, way->cells, sizeof(uint32_t));
    }
    return _mm512_castps_si512(vec_look_up_f32(way->words, registers, columns));
}

/* Where 16 walks go, within their trees, from nodes of these words. */
__attribute__((always_inline)) static inline __m512i walk_lanes_next(const walk_lanes_way *way,
                                                                     uint32_t registers,
                                                                     __m512i thresholds,
                                                                     __m512i heads)
{
    const __m512i columns =
        _mm512_and_si512(_mm512_srlv_epi32(heads, way->column_shift), way->column_mask);
    const __m512i words = walk_lanes_words(way, registers, columns);
    const __mmask16 carries = _mm512_cmplt_epu32_mask(_mm512_add_epi32(thresholds, words), words);
    return _mm512_and_si512(_mm512_mask_add_epi32(heads, carries, heads, _mm512_set1_epi32(1)),
                            way->child_mask);
}

/* A step of those that have more than `taken` left. */
__attribute__((always_inline)) static inline void walk_lanes_step(const walk_lanes_way *way,
                                                                  uint32_t registers,
                                                                  const uint8_t *nodes,
                                                                  uint32_t taken,
                                                                  lanes_walks *walks)
{
    const lanes_nodes read = lanes_load_nodes(nodes, walks->at);
    const __m512i next = walk_lanes_next(way, registers, read.first, read.second);
    const __mmask16 may = _mm512_cmpgt_epi32_mask(walks->limits, _mm512_set1_epi32((int)taken));
    walks->at = _mm512_mask_add_epi32(walks->at, may, next, walks->roots);
}

/* Of 16 walks those that did not move in their last step, which never will, or may not. */
static inline __mmask16 walk_lanes_ended(const lanes_walks *walks, __m512i before)
{
    return (__mmask16)(_mm512_mask_cmpeq_epi32_mask(walks->walks, walks->at, before) |
                       _mm512_mask_cmple_epi32_mask(walks->walks, walks->limits,
                                                    _mm512_setzero_si512()));
}

__attribute__((always_inline)) static inline void walk_lanes_run(const espalier_kernel_arguments *a,
                                                                 const espalier_kernel_tree *trees,
                                                                 uint32_t tree_count,
                                                                 uint32_t registers,
                                                                 uint32_t *leaves)
{
    const walk_lanes_way way = walk_lanes_way_of(a, registers);
    const uint32_t steps = lanes_steps(trees[0].depth);
    lanes_trees from = {trees, tree_count, 0, offsetof(espalier_kernel_tree, depth),
                        trees[0].nodes};
    lanes_walks flights[LANE_FLIGHTS];
    uint32_t count = lanes_begin(&from, flights);
    while (count != 0) {
#pragma GCC unroll 1
        for (uint32_t step = 0; step + 1 < steps; step++) {
#pragma GCC unroll 1
            for (uint32_t f = 0; f < count; f++) {
                walk_lanes_step(&way, registers, from.nodes, step, &flights[f]);
            }
        }
        uint32_t kept = 0;
#pragma GCC unroll 1
        for (uint32_t f = 0; f < count; f++) {
            lanes_walks *const walks = &flights[f];
            const __m512i before = walks->at;
            walk_lanes_step(&way, registers, from.nodes, steps - 1, walks);
            walks->limits = _mm512_sub_epi32(walks->limits, _mm512_set1_epi32((int)steps));
            const __mmask16 ended = walk_lanes_ended(walks, before);
            if (ended != 0) {
                const __m512i rows =
                    _mm512_mask_i32gather_epi32(way.leaf_last, ended, walks->at, from.nodes, 8);
                lanes_end(&from, ended, _mm512_min_epu32(rows, way.leaf_last), walks, leaves);
            }
            kept = lanes_keep(flights, f, kept);
        }
        count = kept;
    }
}

#define WALK_LANES(name, registers)                                                   \
    __attribute__((noinline)) static void name(const espalier_kernel_arguments *a,    \
                                               const espalier_kernel_tree *trees,     \
                                               uint32_t tree_count, uint32_t *leaves) \
    {                                                                                 \
        walk_lanes_run(a, trees, tree_count, registers, leaves);                      \
    }

WALK_LANES(walk_lanes_32, 2)
WALK_LANES(walk_lanes_64, 4)
WALK_LANES(walk_lanes_128, 8)
WALK_LANES(walk_lanes_any, 0)

#undef WALK_LANES

/* The leaf rows, bounded, of trees[0 .. tree_count): 1 to LANE_TREES. */
static inline void walk_lanes_leaves(const espalier_kernel_arguments *a,
                                     const espalier_kernel_tree *trees, uint32_t tree_count,
                                     uint32_t *leaves)
{
    if (a->column_mask < 32) {
        walk_lanes_32(a, trees, tree_count, leaves);
    } else if (a->column_mask < 64) {
        walk_lanes_64(a, trees, tree_count, leaves);
    } else if (a->column_mask < 128) {
        walk_lanes_128(a, trees, tree_count, leaves);
    } else {
        walk_lanes_any(a, trees, tree_count, leaves);
    }
}

#endif
