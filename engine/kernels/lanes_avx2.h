// SPDX-License-Identifier: Apache-2.0
/*
 * Eight walks in the lanes of AVX2 registers, for walk_gather.inc. Only kernel_avx2.c may include
 * it. Nodes of eight bytes come in two gathers of four, in the order that makes shuffles within 128
 * bits enough to take them apart: lanes 0, 1, 4, 5 and 2, 3, 6, 7.
 */
#ifndef ESPALIER_ENGINE_KERNELS_LANES_AVX2_H
#define ESPALIER_ENGINE_KERNELS_LANES_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define LANES 8u

typedef __m256i lanes;

typedef struct lane_addresses {
    __m256i low;
    __m256i high;
} lane_addresses;

typedef struct lane_nodes {
    lanes threshold;
    lanes word;
} lane_nodes;

static inline lanes lanes_set(uint32_t value)
{
    return _mm256_set1_epi32((int)value);
}

static inline lanes lanes_load(const uint32_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

static inline void lanes_store(uint32_t *to, lanes a)
{
    _mm256_storeu_si256((__m256i *)(void *)to, a);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm256_add_epi32(a, b);
}

static inline lanes lanes_and(lanes a, lanes b)
{
    return _mm256_and_si256(a, b);
}

static inline lanes lanes_multiply(lanes a, lanes b)
{
    return _mm256_mullo_epi32(a, b);
}

static inline lanes lanes_shift_right(lanes a, uint32_t bits)
{
    return _mm256_srl_epi32(a, _mm_cvtsi32_si128((int)bits));
}

static inline lanes lanes_shift_left(lanes a, uint32_t bits)
{
    return _mm256_sll_epi32(a, _mm_cvtsi32_si128((int)bits));
}

static inline bool lanes_differ(lanes a, lanes b)
{
    const __m256i difference = _mm256_xor_si256(a, b);
    return _mm256_testz_si256(difference, difference) == 0;
}

static inline lane_addresses lanes_load_addresses(const uint64_t *from)
{
    const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)from);
    const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(from + 4));
    return (lane_addresses){_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31)};
}

static inline lane_nodes lanes_split(__m256i low, __m256i high)
{
    const __m256 a = _mm256_castsi256_ps(low);
    const __m256 b = _mm256_castsi256_ps(high);
    return (lane_nodes){_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)),
                        _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xDD))};
}

/* Node `at` of each lane's own tree. Addresses are whole: nothing is sign-extended. */
static inline lane_nodes lanes_gather_nodes(lane_addresses nodes, lanes at)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i low = _mm256_slli_epi64(_mm256_unpacklo_epi32(at, zero), 3);
    const __m256i high = _mm256_slli_epi64(_mm256_unpackhi_epi32(at, zero), 3);
    const long long *const none = NULL;
    return lanes_split(_mm256_i64gather_epi64(none, _mm256_add_epi64(nodes.low, low), 1),
                       _mm256_i64gather_epi64(none, _mm256_add_epi64(nodes.high, high), 1));
}

/* Node `at` of one tree. */
static inline lane_nodes lanes_gather_near(const uint8_t *nodes, lanes at)
{
    const __m256i zero = _mm256_setzero_si256();
    const long long *const base = (const long long *)(const void *)nodes;
    return lanes_split(_mm256_i64gather_epi64(base, _mm256_unpacklo_epi32(at, zero), 8),
                       _mm256_i64gather_epi64(base, _mm256_unpackhi_epi32(at, zero), 8));
}

static inline lanes lanes_gather_cells(const uint32_t *cells, lanes at)
{
    return _mm256_i32gather_epi32((const int *)(const void *)cells, at, 4);
}

/* word + 1 where threshold + cell carries, else word */
static inline lanes lanes_step(lanes word, lanes cell, lanes threshold)
{
    const __m256i sum = _mm256_add_epi32(threshold, cell);
    const __m256i stays = _mm256_cmpeq_epi32(_mm256_max_epu32(sum, cell), sum);
    return _mm256_add_epi32(_mm256_add_epi32(word, _mm256_set1_epi32(1)), stays);
}

/* next where limit > step, else at; both below 2^31. */
static inline lanes lanes_pick_above(lanes limit, uint32_t step, lanes next, lanes at)
{
    return _mm256_blendv_epi8(at, next, _mm256_cmpgt_epi32(limit, lanes_set(step)));
}

/* to[rows[k]] = at[k] for k < valid. */
static inline void lanes_scatter(uint32_t *to, lanes rows, lanes at, uint32_t valid)
{
    uint32_t row[LANES];
    uint32_t position[LANES];
    lanes_store(row, rows);
    lanes_store(position, at);
    for (uint32_t k = 0; k < LANES && k < valid; k++) {
        to[row[k]] = position[k];
    }
}

/* Packs the first `valid` lanes whose last step moved; returns how many. Room for LANES. */
static inline uint32_t lanes_keep_moved(uint32_t *rows_out, uint32_t *at_out, lanes rows, lanes at,
                                        lanes before, uint32_t valid)
{
    uint32_t row[LANES];
    uint32_t position[LANES];
    uint32_t last[LANES];
    lanes_store(row, rows);
    lanes_store(position, at);
    lanes_store(last, before);
    uint32_t kept = 0;
    for (uint32_t k = 0; k < LANES && k < valid; k++) {
        rows_out[kept] = row[k];
        at_out[kept] = position[k];
        kept += position[k] != last[k];
    }
    return kept;
}

#endif
