// SPDX-License-Identifier: Apache-2.0
/*
 * The steps of heap_share.inc on NEON; see answers_avx512.h for what they promise. Only
 * kernel_neon.c may include it.
 */
#ifndef ESPALIER_ENGINE_KERNELS_ANSWERS_NEON_H
#define ESPALIER_ENGINE_KERNELS_ANSWERS_NEON_H

#include "engine/kernels/kernel.h"
#include "format/layout.h"

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/answers_nodes.h"

#define ANSWERS_PIECES 4u

typedef uint8x16_t answers_piece;

static inline answers_piece answers_load(const void *from)
{
    return vld1q_u8(from);
}

static inline void answers_store(void *to, answers_piece a)
{
    vst1q_u8(to, a);
}

static inline answers_piece answers_pick(answers_piece go, answers_piece left, answers_piece right)
{
    return vbslq_u8(go, right, left);
}

/* Bit r % 8 of a byte, for lane r. */
static inline uint8x16_t answers_places(void)
{
    return vreinterpretq_u8_u64(vdupq_n_u64(UINT64_C(0x8040201008040201)));
}

static inline void answers_of_column(const uint8_t *codes, size_t group_bytes, uint32_t group_count,
                                     uint32_t count, espalier_answer *answers)
{
    const uint8x16_t places = answers_places();
    for (uint32_t g = 0; g < group_count; g++) {
        const uint8_t *const at = codes + g * group_bytes;
        const uint8x16_t own[4] = {vld1q_u8(at), vld1q_u8(at + 16), vld1q_u8(at + 32),
                                   vld1q_u8(at + 48)};
        uint8x16_t test = vdupq_n_u8(0);
        for (uint32_t t = 0; t < count; t++) {
            /* A bit a lane; adding neighbours three times makes bytes of eight. */
            uint8x16_t set[4];
            for (uint32_t i = 0; i < 4; i++) {
                set[i] = vandq_u8(vcgtq_u8(own[i], test), places);
            }
            const uint8x16_t pairs =
                vpaddq_u8(vpaddq_u8(set[0], set[1]), vpaddq_u8(set[2], set[3]));
            const uint8x16_t bytes = vpaddq_u8(pairs, pairs);
            answers[t].groups[g] = vgetq_lane_u64(vreinterpretq_u64_u8(bytes), 0);
            test = vaddq_u8(test, vdupq_n_u8(1));
        }
    }
}

static inline void answers_leaves(const espalier_answer *bits, uint32_t depth, uint32_t group,
                                  uint8_t *leaves)
{
    const uint8x16_t places = answers_places();
    /* The byte that holds a row's bit: rows 0 to 15 have theirs in bytes 0 and 1. */
    const uint8x16_t bytes = vcombine_u8(vdup_n_u8(0), vdup_n_u8(1));
    uint8x16_t numbers[4] = {vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)};
    for (uint32_t i = 0; i < depth; i++) {
        const uint8x16_t word = vreinterpretq_u8_u64(vdupq_n_u64(bits[i].groups[group]));
        const uint8x16_t weight = vdupq_n_u8((uint8_t)(1u << i));
        for (uint8_t k = 0; k < 4; k++) {
            const uint8x16_t spread =
                vqtbl1q_u8(word, vaddq_u8(bytes, vdupq_n_u8((uint8_t)(2 * k))));
            const uint8x16_t set = vandq_u8(vtstq_u8(spread, places), weight);
            numbers[k] = vorrq_u8(numbers[k], set);
        }
    }
    for (uint32_t k = 0; k < 4; k++) {
        vst1q_u8(leaves + (size_t)16 * k, numbers[k]);
    }
}

#endif
