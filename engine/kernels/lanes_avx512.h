// SPDX-License-Identifier: Apache-2.0
/*
 * Sixteen walks in the lanes of AVX-512 registers, for walk_gather.inc. Only the AVX-512 levels'
 * files may include it. Nodes of eight bytes come in two gathers of eight, in the order that makes
 * shuffles within 128 bits enough to take them apart: lanes 0, 1, 4, 5 ... and 2, 3, 6, 7 ...
 */
#ifndef ESPALIER_ENGINE_KERNELS_LANES_AVX512_H
#define ESPALIER_ENGINE_KERNELS_LANES_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define LANES 16u

typedef __m512i lanes;

typedef struct lane_addresses {
    __m512i low;
    __m512i high;
} lane_addresses;

typedef struct lane_nodes {
    lanes threshold;
    lanes word;
} lane_nodes;

static inline lanes lanes_set(uint32_t value)
{
    return _mm512_set1_epi32((int)value);
}

static inline lanes lanes_load(const uint32_t *from)
{
    return _mm512_loadu_si512(from);
}

static inline void lanes_store(uint32_t *to, lanes a)
{
    _mm512_storeu_si512(to, a);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_epi32(a, b);
}

static inline lanes lanes_and(lanes a, lanes b)
{
    return _mm512_and_si512(a, b);
}

static inline lanes lanes_multiply(lanes a, lanes b)
{
    return _mm512_mullo_epi32(a, b);
}

static inline lanes lanes_shift_right(lanes a, uint32_t bits)
{
    return _mm512_srl_epi32(a, _mm_cvtsi32_si128((int)bits));
}

static inline lanes lanes_shift_left(lanes a, uint32_t bits)
{
    return _mm512_sll_epi32(a, _mm_cvtsi32_si128((int)bits));
}

static inline bool lanes_differ(lanes a, lanes b)
{
    return _mm512_cmpneq_epi32_mask(a, b) != 0;
}

static inline lane_addresses lanes_load_addresses(const uint64_t *from)
{
    const __m512i a = _mm512_loadu_si512(from);
    const __m512i b = _mm512_loadu_si512(from + 8);
    return (lane_addresses){
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(0, 1, 4, 5, 8, 9, 12, 13), b),
        _mm512_permutex2var_epi64(a, _mm512_setr_epi64(2, 3, 6, 7, 10, 11, 14, 15), b)};
}

static inline lane_nodes lanes_split(__m512i low, __m512i high)
{
    const __m512 a = _mm512_castsi512_ps(low);
    const __m512 b = _mm512_castsi512_ps(high);
    return (lane_nodes){_mm512_castps_si512(_mm512_shuffle_ps(a, b, 0x88)),
                        _mm512_castps_si512(_mm512_shuffle_ps(a, b, 0xDD))};
}

/* Node `at` of each lane's own tree. Addresses are whole: nothing is sign-extended. */
static inline lane_nodes lanes_gather_nodes(lane_addresses nodes, lanes at)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m512i low = _mm512_slli_epi64(_mm512_unpacklo_epi32(at, zero), 3);
    const __m512i high = _mm512_slli_epi64(_mm512_unpackhi_epi32(at, zero), 3);
    return lanes_split(_mm512_i64gather_epi64(_mm512_add_epi64(nodes.low, low), NULL, 1),
                       _mm512_i64gather_epi64(_mm512_add_epi64(nodes.high, high), NULL, 1));
}

/* Node `at` of one tree. */
static inline lane_nodes lanes_gather_near(const uint8_t *nodes, lanes at)
{
    const __m512i zero = _mm512_setzero_si512();
    const void *const base = nodes;
    return lanes_split(_mm512_i64gather_epi64(_mm512_unpacklo_epi32(at, zero), base, 8),
                       _mm512_i64gather_epi64(_mm512_unpackhi_epi32(at, zero), base, 8));
}

static inline lanes lanes_gather_cells(const uint32_t *cells, lanes at)
{
    return _mm512_i32gather_epi32(at, cells, 4);
}

/* word + 1 where threshold + cell carries, else word */
static inline lanes lanes_step(lanes word, lanes cell, lanes threshold)
{
    const __m512i sum = _mm512_add_epi32(threshold, cell);
    const __mmask16 carries = _mm512_cmplt_epu32_mask(sum, cell);
    return _mm512_mask_add_epi32(word, carries, word, _mm512_set1_epi32(1));
}

/* next where limit > step, else at. */
static inline lanes lanes_pick_above(lanes limit, uint32_t step, lanes next, lanes at)
{
    return _mm512_mask_blend_epi32(_mm512_cmpgt_epu32_mask(limit, lanes_set(step)), at, next);
}

static inline __mmask16 lanes_first(uint32_t valid)
{
    return (__mmask16)(valid < LANES ? (1u << valid) - 1 : 0xFFFFu);
}

/* to[rows[k]] = at[k] for k < valid. */
static inline void lanes_scatter(uint32_t *to, lanes rows, lanes at, uint32_t valid)
{
    _mm512_mask_i32scatter_epi32(to, lanes_first(valid), rows, at, 4);
}

/* Packs the first `valid` lanes whose last step moved; returns how many. Room for LANES. */
static inline uint32_t lanes_keep_moved(uint32_t *rows_out, uint32_t *at_out, lanes rows, lanes at,
                                        lanes before, uint32_t valid)
{
    const __mmask16 moved = _mm512_cmpneq_epi32_mask(at, before) & lanes_first(valid);
    lanes_store(rows_out, _mm512_maskz_compress_epi32(moved, rows));
    lanes_store(at_out, _mm512_maskz_compress_epi32(moved, at));
    return (uint32_t)_mm_popcnt_u32(moved);
}

#endif
