// SPDX-License-Identifier: Apache-2.0
/*
 * The steps of heap_share.inc on AVX-512 (F, BW, DQ, VL). Only the AVX-512 levels' files may
 * include it.
 */
#ifndef ESPALIER_ENGINE_KERNELS_ANSWERS_AVX512_H
#define ESPALIER_ENGINE_KERNELS_ANSWERS_AVX512_H

#include "engine/kernels/kernel.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWERS_PIECES 1u

typedef __m512i answers_piece;

static inline answers_piece answers_load(const void *from)
{
    return _mm512_load_si512(from);
}

static inline void answers_store(void *to, answers_piece a)
{
    _mm512_store_si512(to, a);
}

/* Bit by bit right where `go` is set, else left. */
static inline answers_piece answers_pick(answers_piece go, answers_piece left, answers_piece right)
{
    return _mm512_ternarylogic_epi64(go, right, left, 0xCA);
}

/* answers[t]: which rows have a code above t, for t < count. The codes of group g begin at codes +
 * g x group_bytes; what is said of groups from group_count on is nobody's. */
static inline void answers_of_column(const uint8_t *codes, size_t group_bytes, uint32_t group_count,
                                     uint32_t count, espalier_answer *answers)
{
    __m512i own[ESPALIER_ANSWER_GROUPS];
    for (uint32_t g = 0; g < ESPALIER_ANSWER_GROUPS; g++) {
        own[g] = _mm512_load_si512(codes + (g < group_count ? g : 0) * group_bytes);
    }
    __m512i test = _mm512_setzero_si512();
    for (uint32_t t = 0; t < count; t++) {
        for (uint32_t g = 0; g < ESPALIER_ANSWER_GROUPS; g++) {
            answers[t].groups[g] = _mm512_cmpgt_epu8_mask(own[g], test);
        }
        test = _mm512_add_epi8(test, _mm512_set1_epi8(1));
    }
}

/* items[column] of 32 columns below `count`, a table of 64, 128 or 256. */
static inline __m512i answers_look_up(const uint16_t *items, uint32_t count, __m512i columns)
{
    __m512i found[4];
    for (size_t i = 0; i < count / 64; i++) {
        found[i] = _mm512_permutex2var_epi16(_mm512_load_si512(items + 64 * i), columns,
                                             _mm512_load_si512(items + 64 * i + 32));
    }
    const __mmask32 odd = _mm512_test_epi16_mask(columns, _mm512_set1_epi16(64));
    const __mmask32 upper = _mm512_test_epi16_mask(columns, _mm512_set1_epi16(128));
    if (count > 64) {
        found[0] = _mm512_mask_blend_epi16(odd, found[0], found[1]);
    }
    if (count > 128) {
        found[2] = _mm512_mask_blend_epi16(odd, found[2], found[3]);
        found[0] = _mm512_mask_blend_epi16(upper, found[0], found[2]);
    }
    return found[0];
}

/* See answers_nodes.h; `count`: as much of the table as is looked up. Columns behind it answer as
 * the first that is none. */
__attribute__((always_inline)) static inline void answers_of_32_nodes(const espalier_answers *table,
                                                                      uint32_t count,
                                                                      const uint8_t *columns,
                                                                      const uint8_t *thresholds,
                                                                      uint32_t *offsets)
{
    const __m512i column = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)columns));
    const __m512i threshold = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)thresholds));
    const __m512i bound = _mm512_set1_epi16((short)table->column_count);
    const __m512i known = _mm512_min_epu16(column, bound);
    const __m512i last = answers_look_up(table->lasts, count, known);
    const __m512i first = answers_look_up(table->firsts, count, known);
    const __m512i answer = _mm512_add_epi16(first, _mm512_min_epu16(threshold, last));
    const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(answer));
    const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(answer, 1));
    _mm512_store_si512(offsets, _mm512_slli_epi32(low, 6));
    _mm512_store_si512(offsets + 16, _mm512_slli_epi32(high, 6));
}

static inline void answers_of_nodes(const espalier_answers *table, const uint8_t *columns,
                                    const uint8_t *thresholds, size_t count, uint32_t *offsets)
{
    for (size_t i = 0; i < count; i += 32) {
        if (table->column_count < 64) {
            answers_of_32_nodes(table, 64, columns + i, thresholds + i, offsets + i);
        } else if (table->column_count < 128) {
            answers_of_32_nodes(table, 128, columns + i, thresholds + i, offsets + i);
        } else {
            answers_of_32_nodes(table, 256, columns + i, thresholds + i, offsets + i);
        }
    }
}

/* The leaf numbers of a group's rows, of which bits[i] have bit i, for i < depth. */
static inline void answers_leaves(const espalier_answer *bits, uint32_t depth, uint32_t group,
                                  uint8_t *leaves)
{
    __m512i numbers = _mm512_maskz_set1_epi8(bits[0].groups[group], 1);
    for (uint32_t i = 1; i < depth; i++) {
        const __m512i weight = _mm512_set1_epi8((char)(1u << i));
        numbers = _mm512_mask_add_epi8(numbers, bits[i].groups[group], numbers, weight);
    }
    _mm512_store_si512(leaves, numbers);
}

#endif
