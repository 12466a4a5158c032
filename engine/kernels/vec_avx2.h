// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors of 64 bytes on AVX2: 64 lanes of u8 or 32 of u16, in two registers, and the steps of the
 * mask layouts on them. Only kernel_avx2.c may include it; nothing here is visible elsewhere.
 *
 * A test says per lane whether code > threshold. AVX2 compares signed bytes only, so u8 codes and
 * thresholds are both xored with VEC_BIAS_u8, which swaps their order: code > threshold is
 * threshold' > code', with code' straight from memory. u16 has no such copy of its codes: its mask
 * says "stay", code <= threshold, two instructions.
 * Values of subtrees count down from zero, since a mask is minus one: less work per node.
 * vec_leaves turns them into leaf numbers.
 */
#ifndef ESPALIER_ENGINE_KERNELS_VEC_AVX2_H
#define ESPALIER_ENGINE_KERNELS_VEC_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/vec_bounds.h"

#define VEC_BIAS_u8  0x7Fu
#define VEC_BIAS_u16 0u

typedef struct vec {
    __m256i low;
    __m256i high;
} vec;
typedef vec vec_mask_u8;
typedef vec vec_mask_u16;

static inline vec vec_load(const void *from)
{
    const __m256i *const at = from;
    return (vec){_mm256_load_si256(at), _mm256_load_si256(at + 1)};
}

static inline void vec_store(void *to, vec a)
{
    __m256i *const at = to;
    _mm256_store_si256(at, a.low);
    _mm256_store_si256(at + 1, a.high);
}

static inline vec vec_set_u8(uint32_t value)
{
    const __m256i all = _mm256_set1_epi8((char)value);
    return (vec){all, all};
}

static inline vec vec_set_u16(uint32_t value)
{
    const __m256i all = _mm256_set1_epi16((short)value);
    return (vec){all, all};
}

/* 64 codes as tests want them. */
static inline void vec_bias_codes_u8(void *to, const void *from)
{
    const __m256i bias = _mm256_set1_epi8(VEC_BIAS_u8);
    const vec codes = vec_load(from);
    const vec biased = {_mm256_xor_si256(codes.low, bias), _mm256_xor_si256(codes.high, bias)};
    vec_store(to, biased);
}

static inline vec_mask_u8 vec_test_u8(const void *codes, const uint8_t *threshold)
{
    const __m256i *const at = codes;
    const __m256i limit = _mm256_set1_epi8((char)*threshold);
    return (vec_mask_u8){_mm256_cmpgt_epi8(limit, _mm256_load_si256(at)),
                         _mm256_cmpgt_epi8(limit, _mm256_load_si256(at + 1))};
}

static inline vec vec_start_u8(vec_mask_u8 go)
{
    return go;
}

static inline vec vec_pick_u8(vec_mask_u8 go, vec left, vec right)
{
    return (vec){_mm256_blendv_epi8(left.low, right.low, go.low),
                 _mm256_blendv_epi8(left.high, right.high, go.high)};
}

/* The same, `weight` further if right. */
static inline vec vec_pick_add_u8(vec_mask_u8 go, vec left, vec right, uint32_t weight)
{
    const __m256i more = _mm256_set1_epi8((char)-(int)weight);
    const vec further = {_mm256_add_epi8(right.low, more), _mm256_add_epi8(right.high, more)};
    return vec_pick_u8(go, left, further);
}

static inline vec vec_leaves_u8(vec value, uint32_t leaf_last)
{
    (void)leaf_last;
    const __m256i zero = _mm256_setzero_si256();
    return (vec){_mm256_sub_epi8(zero, value.low), _mm256_sub_epi8(zero, value.high)};
}

static inline vec_mask_u16 vec_test_u16(const void *codes, const uint16_t *threshold)
{
    const vec code = vec_load(codes);
    const __m256i limit = _mm256_set1_epi16((short)*threshold);
    return (vec_mask_u16){_mm256_cmpeq_epi16(_mm256_min_epu16(code.low, limit), code.low),
                          _mm256_cmpeq_epi16(_mm256_min_epu16(code.high, limit), code.high)};
}

static inline vec vec_start_u16(vec_mask_u16 stay)
{
    return stay;
}

static inline vec vec_pick_u16(vec_mask_u16 stay, vec left, vec right)
{
    return (vec){_mm256_blendv_epi8(right.low, left.low, stay.low),
                 _mm256_blendv_epi8(right.high, left.high, stay.high)};
}

static inline vec vec_pick_add_u16(vec_mask_u16 stay, vec left, vec right, uint32_t weight)
{
    const __m256i more = _mm256_set1_epi16((short)-(int)weight);
    const vec further = {_mm256_add_epi16(left.low, more), _mm256_add_epi16(left.high, more)};
    return vec_pick_u16(stay, further, right);
}

/* Values have counted the levels at which a row stayed left. */
static inline vec vec_leaves_u16(vec value, uint32_t leaf_last)
{
    const __m256i last = _mm256_set1_epi16((short)leaf_last);
    return (vec){_mm256_add_epi16(last, value.low), _mm256_add_epi16(last, value.high)};
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
    const __m256i *const numbers = from;
    __m256i *const results = to;
    for (int i = 0; i < 2; i++) {
        const __m256i limited = _mm256_min_epu16(_mm256_loadu_si256(numbers + i),
                                                 _mm256_set1_epi64x((long long)recipe->limit));
        const __m256i masked =
            _mm256_and_si256(limited, _mm256_set1_epi64x((long long)recipe->mask));
        const __m256i scaled =
            _mm256_mullo_epi16(masked, _mm256_set1_epi64x((long long)recipe->factor));
        _mm256_storeu_si256(results + i,
                            _mm256_xor_si256(scaled, _mm256_set1_epi64x((long long)recipe->bias)));
    }
}

/* ---- cuts ---- */

/* How many of 16 items lie below the value; none if it is NaN. Packing halves the masks and keeps
 * their number: two bits an item are left. */
static inline uint32_t vec_count_below_f32(const float *items, float value)
{
    const __m256 all = _mm256_set1_ps(value);
    const __m256i a = _mm256_castps_si256(_mm256_cmp_ps(_mm256_load_ps(items), all, _CMP_LT_OQ));
    const __m256i b =
        _mm256_castps_si256(_mm256_cmp_ps(_mm256_load_ps(items + 8), all, _CMP_LT_OQ));
    const int bits = _mm256_movemask_epi8(_mm256_packs_epi32(a, b));
    return (uint32_t)_mm_popcnt_u32((uint32_t)bits) / 2;
}

static inline __m256i vec_below_f64(const double *items, __m256d value)
{
    return _mm256_castpd_si256(_mm256_cmp_pd(_mm256_load_pd(items), value, _CMP_LT_OQ));
}

static inline uint32_t vec_count_below_f64(const double *items, double value)
{
    const __m256d all = _mm256_set1_pd(value);
    const __m256i a = _mm256_packs_epi32(vec_below_f64(items, all), vec_below_f64(items + 4, all));
    const __m256i b =
        _mm256_packs_epi32(vec_below_f64(items + 8, all), vec_below_f64(items + 12, all));
    const int bits = _mm256_movemask_epi8(_mm256_packs_epi16(a, b));
    return (uint32_t)_mm_popcnt_u32((uint32_t)bits) / 2;
}

#endif
