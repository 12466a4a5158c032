// SPDX-License-Identifier: Apache-2.0
/*
 * One row through many trees, 16 in the lanes of a register: what walk_lanes.h and
 * select_lanes.inc share. Only files of the AVX-512 levels may include it.
 *
 * A step gathers the nodes of 16 walks, 64 bits each. Several such flights go in turn, so that a
 * step of one waits for memory while the others work. A lane whose walk has ended takes the next
 * tree.
 */
#ifndef ESPALIER_ENGINE_KERNELS_LANES_H
#define ESPALIER_ENGINE_KERNELS_LANES_H

#include "engine/kernels/kernel.h"

#include <immintrin.h>
#include <stddef.h>

#define LANES        16u
#define LANE_FLIGHTS 8u

/* Steps between two looks at which walks have ended: as many as go evenly into a tree's depth, but
 * no more. */
#define LANE_STEPS 6u

/* 16 walks. */
typedef struct lanes_walks {
    __m512i at;      /* positions, counted from the first tree's root */
    __m512i roots;   /* those of the walks' trees */
    __m512i limits;  /* the word that was asked for of the trees' records */
    __m512i trees;   /* numbers */
    __mmask16 walks; /* lanes that have a tree */
} lanes_walks;

/* Where the trees' records and nodes are. */
typedef struct lanes_trees {
    const espalier_kernel_tree *trees;
    uint32_t count;
    uint32_t next;        /* the first that no lane has had yet */
    size_t limit;         /* of the records: the offset of the word that is asked for */
    const uint8_t *nodes; /* of the first tree; the others' by their distance from it */
} lanes_trees;

/* 16 nodes of two words. */
typedef struct lanes_nodes {
    __m512i first;
    __m512i second;
} lanes_nodes;

static inline __m512i lanes_numbers(void)
{
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

__attribute__((always_inline)) static inline lanes_nodes lanes_load_nodes(const uint8_t *nodes,
                                                                          __m512i at)
{
    const __m512i even = _mm512_slli_epi32(lanes_numbers(), 1);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512i lower = _mm512_i32gather_epi64(_mm512_castsi512_si256(at), nodes, 8);
    const __m512i upper = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(at, 1), nodes, 8);
    return (lanes_nodes){_mm512_permutex2var_epi32(lower, even, upper),
                         _mm512_permutex2var_epi32(lower, odd, upper)};
}

/* A word of 4 bytes of trees' records, of those in `which`; of the others what is in `others`. */
static inline __m512i lanes_load(const espalier_kernel_tree *trees, size_t offset, __mmask16 which,
                                 __m512i numbers, __m512i others)
{
    _Static_assert(sizeof(espalier_kernel_tree) == 32, "the records are counted in eights");
    return _mm512_mask_i32gather_epi32(others, which, _mm512_slli_epi32(numbers, 2),
                                       (const uint8_t *)trees + offset, 8);
}

/* Gives the next trees to lanes without one. The low words of two pointers say how far they are
 * apart. */
static inline void lanes_fill(lanes_trees *from, lanes_walks *walks)
{
    const __mmask16 empty = (__mmask16)~walks->walks;
    const __m512i numbers = _mm512_add_epi32(lanes_numbers(), _mm512_set1_epi32((int)from->next));
    walks->trees = _mm512_mask_expand_epi32(walks->trees, empty, numbers);
    const __mmask16 filled =
        _mm512_mask_cmplt_epu32_mask(empty, walks->trees, _mm512_set1_epi32((int)from->count));
    const __m512i first = _mm512_set1_epi32((int)(uint32_t)(uintptr_t)from->nodes);
    const __m512i places =
        lanes_load(from->trees, offsetof(espalier_kernel_tree, nodes), filled, walks->trees, first);
    walks->roots = _mm512_mask_srli_epi32(walks->roots, filled, _mm512_sub_epi32(places, first), 3);
    walks->at = _mm512_mask_mov_epi32(walks->at, filled, walks->roots);
    walks->limits = lanes_load(from->trees, from->limit, filled, walks->trees, walks->limits);
    walks->walks |= filled;
    from->next += (uint32_t)__builtin_popcount(filled);
}

/* Notes the leaves of walks that have ended, leaves[number of the tree], and gives their lanes to
 * other trees. */
static inline void lanes_end(lanes_trees *from, __mmask16 ended, __m512i found, lanes_walks *walks,
                             uint32_t *leaves)
{
    _mm512_mask_i32scatter_epi32(leaves, ended, walks->trees, found, sizeof *leaves);
    walks->walks = (__mmask16)(walks->walks & ~ended);
    if (from->next < from->count) {
        lanes_fill(from, walks);
    }
}

/* Fills flights[LANE_FLIGHTS] and returns how many: as few as can be for the turns that so many
 * trees need. */
static inline uint32_t lanes_begin(lanes_trees *from, lanes_walks *flights)
{
    const uint32_t all = (from->count + LANES - 1) / LANES;
    const uint32_t turns = (all + LANE_FLIGHTS - 1) / LANE_FLIGHTS;
    const uint32_t count = (all + turns - 1) / turns;
    for (uint32_t f = 0; f < count; f++) {
        flights[f] = (lanes_walks){.walks = 0};
        lanes_fill(from, &flights[f]);
    }
    return count;
}

/* Keeps flight f if it still walks, behind the `kept` that do; returns how many then. */
static inline uint32_t lanes_keep(lanes_walks *flights, uint32_t f, uint32_t kept)
{
    if (flights[f].walks == 0) {
        return kept;
    }
    if (kept != f) {
        flights[kept] = flights[f];
    }
    return kept + 1;
}

static inline uint32_t lanes_steps(uint32_t depth)
{
    const uint32_t looks = (depth + LANE_STEPS - 1) / LANE_STEPS;
    return looks == 0 ? 1 : (depth + looks - 1) / looks;
}

#endif
