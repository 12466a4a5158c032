// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors of 64 bytes on NEON: 64 lanes of u8 or 32 of u16, in four registers, and the steps of the
 * mask layouts on them. Only kernel_neon.c may include it.
 *
 * A test says per lane whether code > threshold. Values of subtrees count down from zero, since a
 * mask is minus one: less work per node. vec_leaves turns them into leaf numbers.
 */
#ifndef ESPALIER_ENGINE_KERNELS_VEC_NEON_H
#define ESPALIER_ENGINE_KERNELS_VEC_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/vec_bounds.h"

#define VEC_BIAS_u8  0u
#define VEC_BIAS_u16 0u
#define VEC_QUARTERS 4

typedef struct vec {
    uint8x16_t quarter[VEC_QUARTERS];
} vec;
typedef vec vec_mask_u8;
typedef vec vec_mask_u16;

static inline vec vec_load(const void *from)
{
    const uint8_t *const at = from;
    return (vec){{vld1q_u8(at), vld1q_u8(at + 16), vld1q_u8(at + 32), vld1q_u8(at + 48)}};
}

static inline void vec_store(void *to, vec a)
{
    uint8_t *const at = to;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        vst1q_u8(at + 16 * i, a.quarter[i]);
    }
}

static inline vec vec_set_u8(uint32_t value)
{
    const uint8x16_t all = vdupq_n_u8((uint8_t)value);
    return (vec){{all, all, all, all}};
}

static inline vec vec_set_u16(uint32_t value)
{
    const uint8x16_t all = vreinterpretq_u8_u16(vdupq_n_u16((uint16_t)value));
    return (vec){{all, all, all, all}};
}

static inline vec_mask_u8 vec_test_u8(const void *codes, const uint8_t *threshold)
{
    const vec code = vec_load(codes);
    const uint8x16_t limit = vld1q_dup_u8(threshold);
    vec go;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        go.quarter[i] = vcgtq_u8(code.quarter[i], limit);
    }
    return go;
}

static inline vec_mask_u16 vec_test_u16(const void *codes, const uint16_t *threshold)
{
    const vec code = vec_load(codes);
    const uint16x8_t limit = vld1q_dup_u16(threshold);
    vec go;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        go.quarter[i] =
            vreinterpretq_u8_u16(vcgtq_u16(vreinterpretq_u16_u8(code.quarter[i]), limit));
    }
    return go;
}

static inline vec vec_start_u8(vec_mask_u8 go)
{
    return go;
}

static inline vec vec_start_u16(vec_mask_u16 go)
{
    return go;
}

static inline vec vec_pick_u8(vec_mask_u8 go, vec left, vec right)
{
    vec picked;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        picked.quarter[i] = vbslq_u8(go.quarter[i], right.quarter[i], left.quarter[i]);
    }
    return picked;
}

static inline vec vec_pick_u16(vec_mask_u16 go, vec left, vec right)
{
    return vec_pick_u8(go, left, right);
}

/* The same, `weight` further if right. */
static inline vec vec_pick_add_u8(vec_mask_u8 go, vec left, vec right, uint32_t weight)
{
    const uint8x16_t less = vdupq_n_u8((uint8_t)weight);
    vec further;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        further.quarter[i] = vsubq_u8(right.quarter[i], less);
    }
    return vec_pick_u8(go, left, further);
}

static inline vec vec_pick_add_u16(vec_mask_u16 go, vec left, vec right, uint32_t weight)
{
    const uint16x8_t less = vdupq_n_u16((uint16_t)weight);
    vec further;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        further.quarter[i] =
            vreinterpretq_u8_u16(vsubq_u16(vreinterpretq_u16_u8(right.quarter[i]), less));
    }
    return vec_pick_u8(go, left, further);
}

static inline vec vec_leaves_u8(vec value, uint32_t leaf_last)
{
    (void)leaf_last;
    vec leaves;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        const int8x16_t counted = vreinterpretq_s8_u8(value.quarter[i]);
        leaves.quarter[i] = vreinterpretq_u8_s8(vnegq_s8(counted));
    }
    return leaves;
}

static inline vec vec_leaves_u16(vec value, uint32_t leaf_last)
{
    (void)leaf_last;
    vec leaves;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        const int16x8_t counted = vreinterpretq_s16_u8(value.quarter[i]);
        leaves.quarter[i] = vreinterpretq_u8_s16(vnegq_s16(counted));
    }
    return leaves;
}

/* What becomes of numbers of 16 bits, four in turn: (min(number, limit) & mask) x factor ^ bias. */
typedef struct vec_recipe {
    uint64_t limit;
    uint64_t mask;
    uint64_t factor;
    uint64_t bias;
} vec_recipe;

/* Of 32 numbers anywhere in memory. */
static inline void vec_apply(const vec_recipe *recipe, const void *from, void *to)
{
    const uint16x8_t limit = vreinterpretq_u16_u64(vdupq_n_u64(recipe->limit));
    const uint16x8_t mask = vreinterpretq_u16_u64(vdupq_n_u64(recipe->mask));
    const uint16x8_t factor = vreinterpretq_u16_u64(vdupq_n_u64(recipe->factor));
    const uint16x8_t bias = vreinterpretq_u16_u64(vdupq_n_u64(recipe->bias));
    const vec numbers = vec_load(from);
    vec results;
    for (int i = 0; i < VEC_QUARTERS; i++) {
        const uint16x8_t number = vreinterpretq_u16_u8(numbers.quarter[i]);
        const uint16x8_t masked = vandq_u16(vminq_u16(number, limit), mask);
        const uint16x8_t result = veorq_u16(vmulq_u16(masked, factor), bias);
        results.quarter[i] = vreinterpretq_u8_u16(result);
    }
    vec_store(to, results);
}

/* ---- cuts ---- */

/* How many of 16 items lie below the value; none if it is NaN. Masks are minus one. */
static inline uint32_t vec_count_below_f32(const float *items, float value)
{
    const float32x4_t all = vdupq_n_f32(value);
    const uint32x4_t a =
        vaddq_u32(vcltq_f32(vld1q_f32(items), all), vcltq_f32(vld1q_f32(items + 4), all));
    const uint32x4_t b =
        vaddq_u32(vcltq_f32(vld1q_f32(items + 8), all), vcltq_f32(vld1q_f32(items + 12), all));
    return 0u - vaddvq_u32(vaddq_u32(a, b));
}

static inline uint64x2_t vec_below_f64(const double *items, float64x2_t value)
{
    return vaddq_u64(vcltq_f64(vld1q_f64(items), value), vcltq_f64(vld1q_f64(items + 2), value));
}

static inline uint32_t vec_count_below_f64(const double *items, double value)
{
    const float64x2_t all = vdupq_n_f64(value);
    const uint64x2_t a = vaddq_u64(vec_below_f64(items, all), vec_below_f64(items + 4, all));
    const uint64x2_t b = vaddq_u64(vec_below_f64(items + 8, all), vec_below_f64(items + 12, all));
    return (uint32_t)(0u - vaddvq_u64(vaddq_u64(a, b)));
}

#endif
