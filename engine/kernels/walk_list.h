// SPDX-License-Identifier: Apache-2.0
/*
 * Which rows of a block still walk, for walk_block.inc. Only files of the AVX-512 levels may
 * include it.
 *
 * Paths of a deep tree differ: in a forest of unlimited depth the longest of 16 has 26 steps where
 * the mean is 16. Rows whose walk has ended leave the list; the others close up.
 */
#ifndef ESPALIER_ENGINE_KERNELS_WALK_LIST_H
#define ESPALIER_ENGINE_KERNELS_WALK_LIST_H

#include "engine/kernels/kernel.h"

#include <immintrin.h>

/* Rows of a block go through trees in pieces of so many: 36 KiB of stack, with what
 * a group has of its own. */
#define LIST_ROWS 1024u

/* Trees that two flights of rows go through in turn, while their cells are in the first-level
 * cache. */
#define GROUP_TREES 4u

/* Room behind for what a register writes past the last walk. The first entry of it is the row of
 * walks that only fill a flight. */
#define LIST_ROOM (LIST_ROWS + ESPALIER_FLIGHT_ROWS)

typedef struct walk_list {
    _Alignas(64) uint32_t rows[LIST_ROOM];   /* of the piece */
    _Alignas(64) uint32_t cells[LIST_ROOM];  /* number of the row's first cell among the piece's */
    _Alignas(64) uint32_t at[LIST_ROOM];     /* the position */
    _Alignas(64) uint32_t before[LIST_ROOM]; /* the position one step earlier */
    /* Of every tree of a group and row: the leaf row of its last node. */
    _Alignas(64) uint32_t leaves[GROUP_TREES][LIST_ROOM];
    uint32_t count;
} walk_list;

/* The same pointer, of which the compiler knows nothing: gcc 12 would keep its sum with every
 * lane's number in a register of its own, and has too few. */
static inline const uint32_t *walk_hidden(const uint32_t *pointer)
{
    __asm__("" : "+r"(pointer));
    return pointer;
}

/* Positions of a flight that stay in registers. The compiler would put the others, for which there
 * are none, into vector registers: two moves and six cycles a step, where a store and a load that
 * follows it take no longer than a load. */
#define KEPT_WALKS 8u

typedef struct walk_kept {
    uint64_t at[KEPT_WALKS];
} walk_kept;

typedef struct walk_parked {
    uint64_t at[ESPALIER_FLIGHT_ROWS - KEPT_WALKS];
} walk_parked;

__attribute__((always_inline)) static inline uint64_t walk_position(const walk_kept *kept,
                                                                    const walk_parked *parked,
                                                                    size_t k)
{
    return k < KEPT_WALKS ? kept->at[k] : parked->at[k - KEPT_WALKS];
}

__attribute__((always_inline)) static inline void walk_put(walk_kept *kept, walk_parked *parked,
                                                           size_t k, uint64_t position)
{
    if (k < KEPT_WALKS) {
        kept->at[k] = position;
    } else {
        parked->at[k - KEPT_WALKS] = position;
        __asm__("" : "+m"(parked->at[k - KEPT_WALKS]));
    }
}

static inline __m512i walk_list_lanes(void)
{
    return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/* Takes the walks of a register that moved in their last step. */
static inline void walk_list_take(walk_list *list, __mmask16 moved, __m512i at, __m512i rows,
                                  __m512i cells)
{
    const size_t count = list->count;
    _mm512_storeu_si512(list->at + count, _mm512_maskz_compress_epi32(moved, at));
    _mm512_storeu_si512(list->rows + count, _mm512_maskz_compress_epi32(moved, rows));
    _mm512_storeu_si512(list->cells + count, _mm512_maskz_compress_epi32(moved, cells));
    list->count += (uint32_t)__builtin_popcount(moved);
}

/* Fills the last flight with walks whose leaves nobody reads. */
static inline void walk_list_fill(walk_list *list)
{
    const size_t count = list->count;
    _mm512_storeu_si512(list->at + count, _mm512_setzero_si512());
    _mm512_storeu_si512(list->rows + count, _mm512_set1_epi32((int)LIST_ROWS));
    _mm512_storeu_si512(list->cells + count, _mm512_setzero_si512());
}

/* The list of a piece whose rows, a multiple of a flight, have all walked. */
static inline void walk_list_begin(walk_list *list, uint32_t row_count, size_t flight_cells)
{
    list->count = 0;
    for (uint32_t r = 0; r < row_count; r += ESPALIER_FLIGHT_ROWS) {
        const __m512i at = _mm512_load_si512(list->at + r);
        const __mmask16 moved = _mm512_cmpneq_epi32_mask(at, _mm512_load_si512(list->before + r));
        const size_t cells = r / ESPALIER_FLIGHT_ROWS * flight_cells;
        walk_list_take(list, moved, at,
                       _mm512_add_epi32(walk_list_lanes(), _mm512_set1_epi32((int)r)),
                       _mm512_add_epi32(walk_list_lanes(), _mm512_set1_epi32((int)cells)));
    }
    walk_list_fill(list);
}

/* Keeps the walks that moved in their last step. */
static inline void walk_list_keep(walk_list *list)
{
    const uint32_t count = list->count;
    list->count = 0;
    for (uint32_t i = 0; i < count; i += ESPALIER_FLIGHT_ROWS) {
        const uint32_t left = count - i;
        const uint32_t all = left < ESPALIER_FLIGHT_ROWS ? (UINT32_C(1) << left) - 1 : 0xFFFF;
        const __m512i at = _mm512_load_si512(list->at + i);
        const __mmask16 moved =
            _mm512_mask_cmpneq_epi32_mask((__mmask16)all, at, _mm512_load_si512(list->before + i));
        walk_list_take(list, moved, at, _mm512_load_si512(list->rows + i),
                       _mm512_load_si512(list->cells + i));
    }
    walk_list_fill(list);
}

/* Bounds the leaf rows of a piece: a hostile node gives a wrong row, not a wild one. */
static inline void walk_list_bound(uint32_t *leaves, uint32_t row_count, uint32_t leaf_last)
{
    const __m512i last = _mm512_set1_epi32((int)leaf_last);
    for (uint32_t r = 0; r < row_count; r += ESPALIER_FLIGHT_ROWS) {
        _mm512_store_si512(leaves + r, _mm512_min_epu32(_mm512_load_si512(leaves + r), last));
    }
}

#endif
