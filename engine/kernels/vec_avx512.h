// SPDX-License-Identifier: Apache-2.0
/*
 * Vectors of 64 bytes on AVX-512 (F, BW, DQ, VL): 64 lanes of u8 or 32 of u16, and the steps of the
 * mask layouts on them. Only the AVX-512 levels' files may include it.
 *
 * A test says per lane whether code > threshold, in a mask register; picking a child and counting
 * the step to the right is then one masked addition.
 */
#ifndef ESPALIER_ENGINE_KERNELS_VEC_AVX512_H
#define ESPALIER_ENGINE_KERNELS_VEC_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VEC_BIAS_u8  0u
#define VEC_BIAS_u16 0u

typedef __m512i vec;
typedef __mmask64 vec_mask_u8;
typedef __mmask32 vec_mask_u16;

static inline vec vec_load(const void *from)
{
    return _mm512_load_si512(from);
}

static inline void vec_store(void *to, vec a)
{
    _mm512_store_si512(to, a);
}

static inline vec vec_set_u8(uint32_t value)
{
    return _mm512_set1_epi8((char)value);
}

static inline vec vec_set_u16(uint32_t value)
{
    return _mm512_set1_epi16((short)value);
}

static inline vec_mask_u8 vec_test_u8(const void *codes, const uint8_t *threshold)
{
    return _mm512_cmpgt_epu8_mask(vec_load(codes), vec_set_u8(*threshold));
}

/* A threshold as often as it takes to fill 32 bits: those go to all lanes as they are loaded, where
 * fewer take a shuffle more, on the one port that compares too. */
typedef uint32_t vec_bound_u8;
typedef uint32_t vec_bound_u16;

static inline vec_bound_u8 vec_bound_of_u8(uint8_t threshold)
{
    return threshold * UINT32_C(0x01010101);
}

static inline vec_bound_u16 vec_bound_of_u16(uint16_t threshold)
{
    return threshold * UINT32_C(0x00010001);
}

static inline vec_mask_u8 vec_test_bound_u8(const void *codes, const vec_bound_u8 *bound)
{
    return _mm512_cmpgt_epu8_mask(vec_load(codes), _mm512_set1_epi32((int)*bound));
}

static inline vec_mask_u16 vec_test_bound_u16(const void *codes, const vec_bound_u16 *bound)
{
    return _mm512_cmpgt_epu16_mask(vec_load(codes), _mm512_set1_epi32((int)*bound));
}

static inline vec vec_start_u8(vec_mask_u8 go)
{
    return _mm512_maskz_set1_epi8(go, 1);
}

static inline vec vec_pick_u8(vec_mask_u8 go, vec left, vec right)
{
    return _mm512_mask_blend_epi8(go, left, right);
}

/* The same, `weight` further if right. */
static inline vec vec_pick_add_u8(vec_mask_u8 go, vec left, vec right, uint32_t weight)
{
    return _mm512_mask_add_epi8(left, go, right, vec_set_u8(weight));
}

static inline vec vec_leaves_u8(vec value, uint32_t leaf_last)
{
    (void)leaf_last;
    return value;
}

static inline vec_mask_u16 vec_test_u16(const void *codes, const uint16_t *threshold)
{
    return _mm512_cmpgt_epu16_mask(vec_load(codes), vec_set_u16(*threshold));
}

static inline vec vec_start_u16(vec_mask_u16 go)
{
    return _mm512_maskz_set1_epi16(go, 1);
}

static inline vec vec_pick_u16(vec_mask_u16 go, vec left, vec right)
{
    return _mm512_mask_blend_epi16(go, left, right);
}

static inline vec vec_pick_add_u16(vec_mask_u16 go, vec left, vec right, uint32_t weight)
{
    return _mm512_mask_add_epi16(left, go, right, vec_set_u16(weight));
}

static inline vec vec_leaves_u16(vec value, uint32_t leaf_last)
{
    (void)leaf_last;
    return value;
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
    const __m512i limited =
        _mm512_min_epu16(_mm512_loadu_si512(from), _mm512_set1_epi64((long long)recipe->limit));
    const __m512i masked = _mm512_and_si512(limited, _mm512_set1_epi64((long long)recipe->mask));
    const __m512i scaled = _mm512_mullo_epi16(masked, _mm512_set1_epi64((long long)recipe->factor));
    const __m512i bias = _mm512_set1_epi64((long long)recipe->bias);
    _mm512_storeu_si512(to, _mm512_xor_si512(scaled, bias));
}

/* ---- leaf values by permutes ---- */

/*
 * vec_add_table: adds values[leaf] to 64 neighbouring sums, from tables in registers: up to 256
 * float32 or 64 float64 values. False, with nothing done, if a leaf lies further on. values[0 ..
 * readable) may be read.
 */

/* Whether any of 64 leaf numbers is above `last`. */
static inline bool vec_any_above_u8(const uint8_t *leaves, uint32_t last)
{
    return _mm512_cmpgt_epu8_mask(vec_load(leaves), vec_set_u8(last)) != 0;
}

static inline bool vec_any_above_u16(const uint16_t *leaves, uint32_t last)
{
    const vec limit = vec_set_u16(last);
    return (_mm512_cmpgt_epu16_mask(vec_load(leaves), limit) |
            _mm512_cmpgt_epu16_mask(vec_load(leaves + 32), limit)) != 0;
}

/* Of `lanes` lanes of values from number `first` on, 16 or 8, those that may be read. */
static inline __mmask16 vec_lanes(uint32_t readable, uint32_t first, uint32_t lanes)
{
    const uint32_t left = readable > first ? readable - first : 0;
    return (__mmask16)(left < lanes ? (1u << left) - 1 : (1u << lanes) - 1);
}

/* 16 leaf numbers, or 8 of them, as lanes. */
static inline __m512i vec_numbers_f32_u8(const uint8_t *leaves)
{
    return _mm512_cvtepu8_epi32(_mm_load_si128((const void *)leaves));
}

static inline __m512i vec_numbers_f32_u16(const uint16_t *leaves)
{
    return _mm512_cvtepu16_epi32(_mm256_load_si256((const void *)leaves));
}

static inline __m512i vec_numbers_f64_u8(const uint8_t *leaves)
{
    return _mm512_cvtepu8_epi64(_mm_loadl_epi64((const void *)leaves));
}

static inline __m512i vec_numbers_f64_u16(const uint16_t *leaves)
{
    return _mm512_cvtepu16_epi64(_mm_load_si128((const void *)leaves));
}

/* table[number], of `count` registers: pairs by a permute, then by the bits above. */
__attribute__((always_inline)) static inline __m512 vec_look_up_f32(const __m512 *tables,
                                                                    uint32_t count, __m512i numbers)
{
    __m512 found[8];
#pragma GCC unroll 8
    for (size_t i = 0; i < count / 2; i++) {
        found[i] = _mm512_permutex2var_ps(tables[2 * i], numbers, tables[2 * i + 1]);
    }
#pragma GCC unroll 3
    for (uint32_t left = count / 4, bit = 32; left > 0; left /= 2, bit *= 2) {
        const __mmask16 upper = _mm512_test_epi32_mask(numbers, _mm512_set1_epi32((int)bit));
#pragma GCC unroll 4
        for (size_t i = 0; i < left; i++) {
            found[i] = _mm512_mask_blend_ps(upper, found[2 * i], found[2 * i + 1]);
        }
    }
    return found[0];
}

__attribute__((always_inline)) static inline __m512d vec_look_up_f64(const __m512d *tables,
                                                                     uint32_t count,
                                                                     __m512i numbers)
{
    __m512d found[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < count / 2; i++) {
        found[i] = _mm512_permutex2var_pd(tables[2 * i], numbers, tables[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (uint32_t left = count / 4, bit = 16; left > 0; left /= 2, bit *= 2) {
        const __mmask8 upper = _mm512_test_epi64_mask(numbers, _mm512_set1_epi64((int)bit));
#pragma GCC unroll 2
        for (size_t i = 0; i < left; i++) {
            found[i] = _mm512_mask_blend_pd(upper, found[2 * i], found[2 * i + 1]);
        }
    }
    return found[0];
}

/* Adds from `count` registers of values. */
#define VEC_ADD_TABLES(code, type)                                                                 \
    __attribute__((always_inline)) static inline void vec_add_tables_f32_##code(                   \
        const float *values, uint32_t readable, uint32_t count, const type *leaves, float *sums)   \
    {                                                                                              \
        __m512 tables[16];                                                                         \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            tables[i] =                                                                            \
                _mm512_maskz_loadu_ps(vec_lanes(readable, 16 * i, 16), values + 16 * (size_t)i);   \
        }                                                                                          \
        for (size_t i = 0; i < 64; i += 16) {                                                      \
            const __m512i numbers = vec_numbers_f32_##code(leaves + i);                            \
            const __m512 added = vec_look_up_f32(tables, count, numbers);                          \
            _mm512_storeu_ps(sums + i, _mm512_add_ps(_mm512_loadu_ps(sums + i), added));           \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    __attribute__((always_inline)) static inline void vec_add_tables_f64_##code(                   \
        const double *values, uint32_t readable, uint32_t count, const type *leaves, double *sums) \
    {                                                                                              \
        __m512d tables[8];                                                                         \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            const __mmask8 there = (__mmask8)vec_lanes(readable, 8 * i, 8);                        \
            tables[i] = _mm512_maskz_loadu_pd(there, values + 8 * (size_t)i);                      \
        }                                                                                          \
        for (size_t i = 0; i < 64; i += 8) {                                                       \
            const __m512i numbers = vec_numbers_f64_##code(leaves + i);                            \
            const __m512d added = vec_look_up_f64(tables, count, numbers);                         \
            _mm512_storeu_pd(sums + i, _mm512_add_pd(_mm512_loadu_pd(sums + i), added));           \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static inline bool vec_add_table_f32_##code(const float *values, uint32_t readable,            \
                                                const type *leaves, float *sums)                   \
    {                                                                                              \
        if (!vec_any_above_##code(leaves, 63)) {                                                   \
            vec_add_tables_f32_##code(values, readable, 4, leaves, sums);                          \
        } else if (!vec_any_above_##code(leaves, 127)) {                                           \
            vec_add_tables_f32_##code(values, readable, 8, leaves, sums);                          \
        } else if (!vec_any_above_##code(leaves, 255)) {                                           \
            vec_add_tables_f32_##code(values, readable, 16, leaves, sums);                         \
        } else {                                                                                   \
            return false;                                                                          \
        }                                                                                          \
        return true;                                                                               \
    }                                                                                              \
                                                                                                   \
    static inline bool vec_add_table_f64_##code(const double *values, uint32_t readable,           \
                                                const type *leaves, double *sums)                  \
    {                                                                                              \
        if (!vec_any_above_##code(leaves, 31)) {                                                   \
            vec_add_tables_f64_##code(values, readable, 4, leaves, sums);                          \
        } else if (!vec_any_above_##code(leaves, 63)) {                                            \
            vec_add_tables_f64_##code(values, readable, 8, leaves, sums);                          \
        } else {                                                                                   \
            return false;                                                                          \
        }                                                                                          \
        return true;                                                                               \
    }

VEC_ADD_TABLES(u8, uint8_t)
VEC_ADD_TABLES(u16, uint16_t)

#undef VEC_ADD_TABLES

/* ---- cuts ---- */

/* How many of 16 items lie below the value; none if it is NaN. */
static inline uint32_t vec_count_below_f32(const float *items, float value)
{
    const __mmask16 below =
        _mm512_cmp_ps_mask(_mm512_load_ps(items), _mm512_set1_ps(value), _CMP_LT_OQ);
    return (uint32_t)_mm_popcnt_u32(below);
}

/* The same for RANK_LANES values and one block of items. */
#define RANK_LANES 64u

static inline void vec_count_lanes_f32(const float *items, const float *values, uint32_t *counts)
{
    __m512i below[4];
    __m512 all[4];
    for (size_t i = 0; i < 4; i++) {
        below[i] = _mm512_setzero_si512();
        all[i] = _mm512_loadu_ps(values + 16 * i);
    }
    const __m512i one = _mm512_set1_epi32(1);
    for (uint32_t k = 0; k < 16; k++) {
        const __m512 item = _mm512_set1_ps(items[k]);
        for (uint32_t i = 0; i < 4; i++) {
            const __mmask16 is_below = _mm512_cmp_ps_mask(item, all[i], _CMP_LT_OQ);
            below[i] = _mm512_mask_add_epi32(below[i], is_below, below[i], one);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        _mm512_storeu_si512(counts + 16 * i, below[i]);
    }
}

static inline void vec_count_lanes_f64(const double *items, const double *values, uint32_t *counts)
{
    const __m512i one = _mm512_set1_epi64(1);
    for (size_t half = 0; half < 64; half += 32) {
        __m512i below[4];
        __m512d all[4];
        for (size_t i = 0; i < 4; i++) {
            below[i] = _mm512_setzero_si512();
            all[i] = _mm512_loadu_pd(values + half + 8 * i);
        }
        for (uint32_t k = 0; k < 16; k++) {
            const __m512d item = _mm512_set1_pd(items[k]);
            for (uint32_t i = 0; i < 4; i++) {
                const __mmask8 is_below = _mm512_cmp_pd_mask(item, all[i], _CMP_LT_OQ);
                below[i] = _mm512_mask_add_epi64(below[i], is_below, below[i], one);
            }
        }
        for (size_t i = 0; i < 4; i++) {
            const __m256i narrow = _mm512_cvtepi64_epi32(below[i]);
            _mm256_storeu_si256((void *)(counts + half + 8 * i), narrow);
        }
    }
}

static inline uint32_t vec_count_below_f64(const double *items, double value)
{
    const __m512d all = _mm512_set1_pd(value);
    const uint32_t low = _mm512_cmp_pd_mask(_mm512_load_pd(items), all, _CMP_LT_OQ);
    const uint32_t high = _mm512_cmp_pd_mask(_mm512_load_pd(items + 8), all, _CMP_LT_OQ);
    return (uint32_t)_mm_popcnt_u32(low | high << 8);
}

#endif
