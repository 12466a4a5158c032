// SPDX-License-Identifier: Apache-2.0
/*
 * bits_tree.h on AVX2, 32 nodes at once, and ready for the block kernel. Only kernels of AVX2 and
 * above may include it.
 *
 * Per node, as bytes in node order: first and end, where its run of leaves begins and ends, plus
 * 127 (exponents of the run's lowest bit and of the bit behind it; both 0 for an empty word). The
 * words' order in the file makes bytes in node order of four shifts. It is a tree if a left child
 * begins where its parent does, the last leaf below a left child is the one before its parent's
 * end, and the root's leaves are 0 to leaf_count - 1: then, from the last node up, the leaves below
 * a node are neighbours in order, and the run is those on its left.
 */
#ifndef ESPALIER_ENGINE_KERNELS_BITS_TREE_AVX2_H
#define ESPALIER_ENGINE_KERNELS_BITS_TREE_AVX2_H

#include "engine/kernels/bits_tree.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define BITS_EXPONENT 127

/* Children as positions: inner nodes, then leaves. Bytes behind the last node: anything. */
typedef struct bits_children {
    __m256i left;
    __m256i right;
} bits_children;

static inline __m256i bits_in_order(void)
{
    return _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                            20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

/* Per byte table[index]; an index above 31: anything. */
static inline __m256i bits_look_up(__m256i table, __m256i index)
{
    const __m256i low = _mm256_permute2x128_si256(table, table, 0x00);
    const __m256i high = _mm256_permute2x128_si256(table, table, 0x11);
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(low, index), _mm256_shuffle_epi8(high, index),
                              _mm256_slli_epi16(index, 3));
}

/* Per byte, the one behind it; behind the last: 0. */
static inline __m256i bits_next(__m256i a)
{
    return _mm256_alignr_epi8(_mm256_permute2x128_si256(a, a, 0x81), a, 1);
}

/* Exponents of numbers with at most one bit set; 0 of zero. */
static inline __m256i bits_exponents(__m256i bit)
{
    const __m256i number = _mm256_castps_si256(_mm256_cvtepi32_ps(bit));
    return _mm256_srli_epi32(_mm256_add_epi32(number, number), 24);
}

/* false: the words are no tree. */
static inline bool bits_children_of(const uint8_t *nodes, uint32_t leaf_count, bits_children *out)
{
    const __m256i *const words = (const __m256i *)(const void *)(nodes + ESPALIER_BITS_WORDS);
    const __m256i order = bits_in_order();
    const __m256i one = _mm256_set1_epi8(1);
    const __m256i zero = _mm256_setzero_si256();
    __m256i first = zero;
    __m256i end = zero;
    __m256i fault = zero;
#pragma GCC unroll 4
    for (int i = 3; i >= 0; i--) {
        const __m256i word = _mm256_loadu_si256(words + i);
        const __m256i lowest = _mm256_and_si256(word, _mm256_sub_epi32(zero, word));
        const __m256i behind = _mm256_add_epi32(word, lowest);
        /* Not one run; or one up to the last bit, which leaves nothing for the right side. */
        fault = _mm256_or_si256(fault, _mm256_and_si256(word, behind));
        fault = _mm256_or_si256(fault, _mm256_andnot_si256(_mm256_cmpeq_epi32(word, zero),
                                                           _mm256_cmpeq_epi32(behind, zero)));
        first = _mm256_or_si256(_mm256_slli_epi32(first, 8), bits_exponents(lowest));
        end = _mm256_or_si256(_mm256_slli_epi32(end, 8), bits_exponents(behind));
    }
    const __m256i inner = _mm256_set1_epi8((char)(leaf_count - 1));
    const __m256i is_node = _mm256_cmpgt_epi8(inner, order);
    /* A node is where a word is not empty. */
    const __m256i is_empty = _mm256_cmpeq_epi8(first, zero);
    fault = _mm256_or_si256(fault, _mm256_cmpeq_epi8(is_node, is_empty));

    const __m256i size = _mm256_sub_epi8(end, first); /* 1 to 31 */
    const __m256i leaves = _mm256_sub_epi8(inner, _mm256_set1_epi8(BITS_EXPONENT));
    const __m256i left_is_node = _mm256_cmpgt_epi8(size, one);
    const __m256i after = _mm256_add_epi8(order, one);
    out->left = _mm256_blendv_epi8(_mm256_add_epi8(leaves, first), after, left_is_node);
    const __m256i behind = _mm256_add_epi8(order, size);
    const __m256i right_is_node = _mm256_cmpeq_epi8(bits_look_up(first, behind), end);
    out->right = _mm256_blendv_epi8(_mm256_add_epi8(leaves, end), behind, right_is_node);

    /* The last leaf below each node: the right children's, 32 steps of them; leaves stay. */
    __m256i last = out->right;
    for (int round = 0; round < 5; round++) {
        const __m256i is_inner = _mm256_cmpgt_epi8(inner, last);
        last = _mm256_blendv_epi8(last, bits_look_up(last, last), is_inner);
    }
    const __m256i before_end =
        _mm256_sub_epi8(_mm256_add_epi8(leaves, end), one); /* the position of leaf end - 1 */
    const __m256i begins = _mm256_cmpeq_epi8(bits_next(first), first);
    const __m256i ends = _mm256_cmpeq_epi8(bits_next(last), before_end);
    const __m256i untrue = _mm256_andnot_si256(_mm256_and_si256(begins, ends), left_is_node);
    fault = _mm256_or_si256(fault, _mm256_and_si256(untrue, is_node));
    const bool root =
        leaf_count == 1 || ((uint8_t)_mm256_extract_epi8(first, 0) == BITS_EXPONENT &&
                            (uint8_t)_mm256_extract_epi8(last, 0) == 2 * (leaf_count - 1));
    return root && _mm256_testz_si256(fault, fault) != 0;
}

/*
 * The nodes as select_block.inc wants its prepared ones: column and steps to the children in groups
 * of 64 bytes, thresholds xored with `bias`. Writes all 32.
 */
static inline void bits_prepare_nodes(const uint8_t *nodes, const bits_children *children,
                                      uint32_t bias, espalier_file_node_select *to)
{
    const __m256i after = _mm256_add_epi8(bits_in_order(), _mm256_set1_epi8(1));
    const __m256i fields[4] = {
        _mm256_loadu_si256((const __m256i *)(const void *)nodes),
        _mm256_xor_si256(_mm256_loadu_si256(
                             (const __m256i *)(const void *)(nodes + ESPALIER_BITS_LEAVES)),
                         _mm256_set1_epi8((char)bias)),
        _mm256_sub_epi8(children->left, after),
        _mm256_sub_epi8(children->right, after),
    };
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
        __m256i wide[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const __m128i bytes = half == 0 ? _mm256_castsi256_si128(fields[i])
                                            : _mm256_extracti128_si256(fields[i], 1);
            const __m256i words = _mm256_cvtepu8_epi16(bytes);
            wide[i] = i == 1 ? words : _mm256_slli_epi16(words, 6);
        }
        const __m256i test_low = _mm256_unpacklo_epi16(wide[0], wide[1]);
        const __m256i test_high = _mm256_unpackhi_epi16(wide[0], wide[1]);
        const __m256i step_low = _mm256_unpacklo_epi16(wide[2], wide[3]);
        const __m256i step_high = _mm256_unpackhi_epi16(wide[2], wide[3]);
        /* Nodes 0 1 | 8 9, 2 3 | 10 11, 4 5 | 12 13, 6 7 | 14 15 of this half. */
        const __m256i pairs[4] = {_mm256_unpacklo_epi32(test_low, step_low),
                                  _mm256_unpackhi_epi32(test_low, step_low),
                                  _mm256_unpacklo_epi32(test_high, step_high),
                                  _mm256_unpackhi_epi32(test_high, step_high)};
        __m256i *const at = (__m256i *)(void *)(to + 16 * half);
        _mm256_storeu_si256(at, _mm256_permute2x128_si256(pairs[0], pairs[1], 0x20));
        _mm256_storeu_si256(at + 1, _mm256_permute2x128_si256(pairs[2], pairs[3], 0x20));
        _mm256_storeu_si256(at + 2, _mm256_permute2x128_si256(pairs[0], pairs[1], 0x31));
        _mm256_storeu_si256(at + 3, _mm256_permute2x128_si256(pairs[2], pairs[3], 0x31));
    }
}

#undef BITS_EXPONENT

#endif
