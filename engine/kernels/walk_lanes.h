// SPDX-License-Identifier: Apache-2.0
/*
 * One row through many trees, 16 in the lanes of a register, for walk_rows.inc. Only files of the
 * AVX-512 levels may include it.
 *
 * A step gathers the nodes of 16 walks, 64 bits each; the row's cells stay in registers, where
 * permutes find those that the nodes test. Several such flights go in turn, so that a step of one
 * waits for memory while the others work. A lane whose walk has ended takes the next tree. Steps
 * lead exactly where those of walk.inc lead, whatever the nodes hold.
 */
#ifndef ESPALIER_ENGINE_KERNELS_WALK_LANES_H
#define ESPALIER_ENGINE_KERNELS_WALK_LANES_H

#include "engine/kernels/kernel.h"

#include <immintrin.h>
#include <stddef.h>

#define LANES        16u
#define LANE_FLIGHTS 8u

/* Trees whose leaves are found before any is added: 1 KiB of stack. */
#define LANE_TREES 256u

/* Steps between two looks at which walks have ended: as many as go evenly into a tree's depth, but
 * no more. */
#define LANE_STEPS 6u

/* What a step needs to know. */
typedef struct walk_lanes_way {
    const uint8_t *nodes;  /* of the first tree; the others' by their distance from it */
    const uint32_t *cells; /* the row's */
    __m512i words[8];      /* the same, as far as they are kept in registers */
    __m512i even, odd;
    __m512i column_shift;
    __m512i column_mask;
    __m512i child_mask;
} walk_lanes_way;

/* 16 walks. */
typedef struct walk_lanes {
    __m512i at;      /* positions, counted from the first tree's root */
    __m512i roots;   /* those of the walks' trees */
    __m512i left;    /* steps that the tree may still take */
    __m512i trees;   /* numbers */
    __mmask16 walks; /* lanes that have a tree */
} walk_lanes;

static inline __m512i walk_lanes_numbers(void)
{
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

__attribute__((always_inline)) static inline walk_lanes_way walk_lanes_way_of(
    const espalier_kernel_arguments *a, const espalier_kernel_tree *trees, uint32_t registers)
{
    const __m512i twice = _mm512_slli_epi32(walk_lanes_numbers(), 1);
    walk_lanes_way way = {
        .nodes = trees[0].nodes,
        .cells = a->cells,
        .even = twice,
        .odd = _mm512_add_epi32(twice, _mm512_set1_epi32(1)),
        .column_shift = _mm512_set1_epi32((int)(a->child_bits + a->column_shift)),
        .column_mask = _mm512_set1_epi32((int)a->column_mask),
        .child_mask = _mm512_set1_epi32((int)a->child_mask),
    };
    for (uint32_t i = 0; i < registers; i++) {
        const uint32_t first = LANES * i;
        const uint32_t left = a->column_mask < first ? 0 : a->column_mask - first + 1;
        const __mmask16 there = (__mmask16)(left < LANES ? (1u << left) - 1 : 0xFFFF);
        way.words[i] = _mm512_maskz_loadu_epi32(there, a->cells + first);
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
    __m512i found[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < registers / 2; i++) {
        found[i] = _mm512_permutex2var_epi32(way->words[2 * i], columns, way->words[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (uint32_t pairs = registers / 4, bit = 32; pairs > 0; pairs /= 2, bit *= 2) {
        const __mmask16 upper = _mm512_test_epi32_mask(columns, _mm512_set1_epi32((int)bit));
#pragma GCC unroll 2
        for (size_t i = 0; i < pairs; i++) {
            found[i] = _mm512_mask_blend_epi32(upper, found[2 * i], found[2 * i + 1]);
        }
    }
    return found[0];
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
                                                                  uint32_t taken, walk_lanes *lanes)
{
    const __m512i at = lanes->at;
    const __m512i lower = _mm512_i32gather_epi64(_mm512_castsi512_si256(at), way->nodes, 8);
    const __m512i upper = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(at, 1), way->nodes, 8);
    const __m512i thresholds = _mm512_permutex2var_epi32(lower, way->even, upper);
    const __m512i heads = _mm512_permutex2var_epi32(lower, way->odd, upper);
    const __m512i next = walk_lanes_next(way, registers, thresholds, heads);
    const __mmask16 may = _mm512_cmpgt_epi32_mask(lanes->left, _mm512_set1_epi32((int)taken));
    lanes->at = _mm512_mask_add_epi32(at, may, next, lanes->roots);
}

/* One of the words of 4 bytes of trees' records, of those in `which`; of the others what is in
 * `others`. */
static inline __m512i walk_lanes_load(const espalier_kernel_tree *trees, size_t offset,
                                      __mmask16 which, __m512i numbers, __m512i others)
{
    _Static_assert(sizeof(espalier_kernel_tree) == 4 * 8, "the records are counted in eights");
    return _mm512_mask_i32gather_epi32(others, which, _mm512_slli_epi32(numbers, 2),
                                       (const uint8_t *)trees + offset, 8);
}

/* Gives trees from number `next` on to lanes without one; returns the number behind. The low words
 * of two pointers say how far they are apart. */
static inline uint32_t walk_lanes_fill(const walk_lanes_way *way, const espalier_kernel_tree *trees,
                                       uint32_t tree_count, uint32_t next, walk_lanes *lanes)
{
    const __mmask16 empty = (__mmask16)~lanes->walks;
    const __m512i numbers = _mm512_add_epi32(walk_lanes_numbers(), _mm512_set1_epi32((int)next));
    lanes->trees = _mm512_mask_expand_epi32(lanes->trees, empty, numbers);
    const __mmask16 filled =
        _mm512_mask_cmplt_epu32_mask(empty, lanes->trees, _mm512_set1_epi32((int)tree_count));
    const __m512i first = _mm512_set1_epi32((int)(uint32_t)(uintptr_t)way->nodes);
    const __m512i places = walk_lanes_load(trees, offsetof(espalier_kernel_tree, nodes), filled,
                                           lanes->trees, first);
    lanes->roots =
        _mm512_mask_srli_epi32(lanes->roots, filled, _mm512_sub_epi32(places, first), 3);
    lanes->at = _mm512_mask_mov_epi32(lanes->at, filled, lanes->roots);
    lanes->left = walk_lanes_load(trees, offsetof(espalier_kernel_tree, depth), filled,
                                  lanes->trees, lanes->left);
    lanes->walks |= filled;
    return next + (uint32_t)__builtin_popcount(filled);
}

/* Notes the leaf rows of walks that have ended, and gives their lanes back. */
static inline void walk_lanes_end(const walk_lanes_way *way, __mmask16 ended, __m512i leaf_last,
                                  walk_lanes *lanes, uint32_t *leaves)
{
    const __m512i found =
        _mm512_mask_i32gather_epi32(leaf_last, ended, lanes->at, way->nodes, 8);
    _mm512_mask_i32scatter_epi32(leaves, ended, lanes->trees, _mm512_min_epu32(found, leaf_last),
                                 sizeof *leaves);
    lanes->walks = (__mmask16)(lanes->walks & ~ended);
}

/* Of 16 walks those that did not move in their last step, which never will, or may not. */
static inline __mmask16 walk_lanes_ended(const walk_lanes *lanes, __m512i before)
{
    return (__mmask16)(
        _mm512_mask_cmpeq_epi32_mask(lanes->walks, lanes->at, before) |
        _mm512_mask_cmple_epi32_mask(lanes->walks, lanes->left, _mm512_setzero_si512()));
}

/* As few flights as can be for the turns that so many trees need. */
static inline uint32_t walk_lanes_flights(uint32_t tree_count)
{
    const uint32_t all = (tree_count + LANES - 1) / LANES;
    const uint32_t turns = (all + LANE_FLIGHTS - 1) / LANE_FLIGHTS;
    return (all + turns - 1) / turns;
}

static inline uint32_t walk_lanes_steps(uint32_t depth)
{
    const uint32_t looks = (depth + LANE_STEPS - 1) / LANE_STEPS;
    return looks == 0 ? 1 : (depth + looks - 1) / looks;
}

__attribute__((always_inline)) static inline void walk_lanes_run(
    const espalier_kernel_arguments *a, const espalier_kernel_tree *trees, uint32_t tree_count,
    uint32_t registers, uint32_t *leaves)
{
    const walk_lanes_way way = walk_lanes_way_of(a, trees, registers);
    const __m512i leaf_last = _mm512_set1_epi32((int)a->leaf_last);
    const uint32_t steps = walk_lanes_steps(trees[0].depth);
    walk_lanes flights[LANE_FLIGHTS];
    uint32_t count = walk_lanes_flights(tree_count);
    uint32_t next = 0;
    for (uint32_t f = 0; f < count; f++) {
        flights[f] = (walk_lanes){.walks = 0};
        next = walk_lanes_fill(&way, trees, tree_count, next, &flights[f]);
    }
    while (count != 0) {
#pragma GCC unroll 1
        for (uint32_t step = 0; step + 1 < steps; step++) {
#pragma GCC unroll 1
            for (uint32_t f = 0; f < count; f++) {
                walk_lanes_step(&way, registers, step, &flights[f]);
            }
        }
        uint32_t kept = 0;
#pragma GCC unroll 1
        for (uint32_t f = 0; f < count; f++) {
            walk_lanes *const lanes = &flights[f];
            const __m512i before = lanes->at;
            walk_lanes_step(&way, registers, steps - 1, lanes);
            lanes->left = _mm512_sub_epi32(lanes->left, _mm512_set1_epi32((int)steps));
            const __mmask16 ended = walk_lanes_ended(lanes, before);
            if (ended != 0) {
                walk_lanes_end(&way, ended, leaf_last, lanes, leaves);
                if (next < tree_count) {
                    next = walk_lanes_fill(&way, trees, tree_count, next, lanes);
                }
            }
            if (lanes->walks != 0) {
                if (kept != f) {
                    flights[kept] = *lanes;
                }
                kept++;
            }
        }
        count = kept;
    }
}

#define WALK_LANES(name, registers)                                                               \
    __attribute__((noinline)) static void name(const espalier_kernel_arguments *a,                \
                                               const espalier_kernel_tree *trees,                 \
                                               uint32_t tree_count, uint32_t *leaves)             \
    {                                                                                             \
        walk_lanes_run(a, trees, tree_count, registers, leaves);                                  \
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
