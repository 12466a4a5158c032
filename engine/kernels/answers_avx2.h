// SPDX-License-Identifier: Apache-2.0
/*
 * The steps of heap_share.inc on AVX2; see answers_avx512.h for what they promise. Only
 * kernel_avx2.c may include it.
 */
#ifndef ESPALIER_ENGINE_KERNELS_ANSWERS_AVX2_H
#define ESPALIER_ENGINE_KERNELS_ANSWERS_AVX2_H

#include "engine/kernels/kernel.h"
#include "format/layout.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/kernels/answers_nodes.h"

#define ANSWERS_PIECES 2u

typedef __m256i answers_piece;

static inline answers_piece answers_load(const void *from)
{
    return _mm256_load_si256(from);
}

static inline void answers_store(void *to, answers_piece a)
{
    _mm256_store_si256(to, a);
}

static inline answers_piece answers_pick(answers_piece go, answers_piece left, answers_piece right)
{
    return _mm256_or_si256(_mm256_and_si256(go, right), _mm256_andnot_si256(go, left));
}

/* Four groups: eight registers of codes, xored so that signed bytes compare as they should. */
static inline void answers_of_half(const uint8_t *codes, size_t group_bytes, uint32_t first,
                                   uint32_t group_count, uint32_t count, espalier_answer *answers)
{
    const __m256i bias = _mm256_set1_epi8(INT8_MIN);
    __m256i own[8];
    for (uint32_t i = 0; i < 8; i++) {
        const uint32_t group = first + i / 2;
        const uint8_t *const at =
            codes + (group < group_count ? group : 0) * group_bytes + i % 2 * sizeof *own;
        own[i] = _mm256_xor_si256(_mm256_load_si256((const void *)at), bias);
    }
    __m256i test = bias;
    for (uint32_t t = 0; t < count; t++) {
        uint8_t *const to = (uint8_t *)&answers[t].groups[first];
        for (size_t i = 0; i < 8; i++) {
            const int bits = _mm256_movemask_epi8(_mm256_cmpgt_epi8(own[i], test));
            memcpy(to + i * sizeof bits, &bits, sizeof bits);
        }
        test = _mm256_add_epi8(test, _mm256_set1_epi8(1));
    }
}

static inline void answers_of_column(const uint8_t *codes, size_t group_bytes, uint32_t group_count,
                                     uint32_t count, espalier_answer *answers)
{
    answers_of_half(codes, group_bytes, 0, group_count, count, answers);
    if (group_count > 4) {
        answers_of_half(codes, group_bytes, 4, group_count, count, answers);
    }
}

static inline void answers_leaves(const espalier_answer *bits, uint32_t depth, uint32_t group,
                                  uint8_t *leaves)
{
    /* Lane r gets the byte that holds row r's bit, then keeps that bit. */
    const __m256i bytes =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i places = _mm256_set1_epi64x((long long)UINT64_C(0x8040201008040201));
    for (uint32_t half = 0; half < 2; half++) {
        __m256i numbers = _mm256_setzero_si256();
        for (uint32_t i = 0; i < depth; i++) {
            const uint32_t word = (uint32_t)(bits[i].groups[group] >> (32 * half));
            const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int)word), bytes);
            const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, places), places);
            const __m256i weight = _mm256_set1_epi8((char)(1u << i));
            numbers = _mm256_or_si256(numbers, _mm256_and_si256(set, weight));
        }
        _mm256_store_si256((void *)(leaves + (size_t)32 * half), numbers);
    }
}

#endif
