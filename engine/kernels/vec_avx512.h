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
 * vec_add_table: adds values[leaf] to 64 neighbouring sums. Serves trees whose leaves fit four
 * registers: 64 float32 or 32 float64 values. False, with nothing done, if a leaf lies further on,
 * which only a hostile tree has. values[0 .. readable) may be read.
 */

/* A bit for each of the table's first 64 values that may be read. */
static inline uint64_t vec_readable(uint32_t readable)
{
    return readable < 64 ? (UINT64_C(1) << readable) - 1 : UINT64_MAX;
}

static inline void vec_add_16_f32(const __m512 *tables, __m512i leaves, float *sums)
{
    const __m512 low = _mm512_permutex2var_ps(tables[0], leaves, tables[1]);
    const __m512 high = _mm512_permutex2var_ps(tables[2], leaves, tables[3]);
    const __mmask16 is_high = _mm512_test_epi32_mask(leaves, _mm512_set1_epi32(32));
    const __m512 added = _mm512_mask_blend_ps(is_high, low, high);
    _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_loadu_ps(sums), added));
}

static inline void vec_add_8_f64(const __m512d *tables, __m512i leaves, double *sums)
{
    const __m512d low = _mm512_permutex2var_pd(tables[0], leaves, tables[1]);
    const __m512d high = _mm512_permutex2var_pd(tables[2], leaves, tables[3]);
    const __mmask8 is_high = _mm512_test_epi64_mask(leaves, _mm512_set1_epi64(16));
    const __m512d added = _mm512_mask_blend_pd(is_high, low, high);
    _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), added));
}

static inline void vec_load_tables_f32(__m512 *tables, const float *values, uint32_t readable)
{
    const uint64_t mask = vec_readable(readable);
    for (size_t i = 0; i < 4; i++) {
        tables[i] = _mm512_maskz_loadu_ps((__mmask16)(mask >> (16 * i)), values + 16 * i);
    }
}

static inline void vec_load_tables_f64(__m512d *tables, const double *values, uint32_t readable)
{
    const uint64_t mask = vec_readable(readable);
    for (size_t i = 0; i < 4; i++) {
        tables[i] = _mm512_maskz_loadu_pd((__mmask8)(mask >> (8 * i)), values + 8 * i);
    }
}

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

static inline bool vec_add_table_f32_u8(const float *values, uint32_t readable,
                                        const uint8_t *leaves, float *sums)
{
    if (vec_any_above_u8(leaves, 63)) {
        return false;
    }
    __m512 tables[4];
    vec_load_tables_f32(tables, values, readable);
    for (int i = 0; i < 64; i += 16) {
        const __m128i numbers = _mm_load_si128((const void *)(leaves + i));
        vec_add_16_f32(tables, _mm512_cvtepu8_epi32(numbers), sums + i);
    }
    return true;
}

static inline bool vec_add_table_f32_u16(const float *values, uint32_t readable,
                                         const uint16_t *leaves, float *sums)
{
    if (vec_any_above_u16(leaves, 63)) {
        return false;
    }
    __m512 tables[4];
    vec_load_tables_f32(tables, values, readable);
    for (int i = 0; i < 64; i += 16) {
        const __m256i numbers = _mm256_load_si256((const void *)(leaves + i));
        vec_add_16_f32(tables, _mm512_cvtepu16_epi32(numbers), sums + i);
    }
    return true;
}

static inline bool vec_add_table_f64_u8(const double *values, uint32_t readable,
                                        const uint8_t *leaves, double *sums)
{
    if (vec_any_above_u8(leaves, 31)) {
        return false;
    }
    __m512d tables[4];
    vec_load_tables_f64(tables, values, readable);
    for (int i = 0; i < 64; i += 8) {
        const __m128i numbers = _mm_loadl_epi64((const void *)(leaves + i));
        vec_add_8_f64(tables, _mm512_cvtepu8_epi64(numbers), sums + i);
    }
    return true;
}

static inline bool vec_add_table_f64_u16(const double *values, uint32_t readable,
                                         const uint16_t *leaves, double *sums)
{
    if (vec_any_above_u16(leaves, 31)) {
        return false;
    }
    __m512d tables[4];
    vec_load_tables_f64(tables, values, readable);
    for (int i = 0; i < 64; i += 8) {
        const __m128i numbers = _mm_load_si128((const void *)(leaves + i));
        vec_add_8_f64(tables, _mm512_cvtepu16_epi64(numbers), sums + i);
    }
    return true;
}

/* ---- cuts ---- */

/* How many of 16 items lie below the value; none if it is NaN. */
static inline uint32_t vec_count_below_f32(const float *items, float value)
{
    const __mmask16 below =
        _mm512_cmp_ps_mask(_mm512_load_ps(items), _mm512_set1_ps(value), _CMP_LT_OQ);
    return (uint32_t)_mm_popcnt_u32(below);
}

static inline uint32_t vec_count_below_f64(const double *items, double value)
{
    const __m512d all = _mm512_set1_pd(value);
    const uint32_t low = _mm512_cmp_pd_mask(_mm512_load_pd(items), all, _CMP_LT_OQ);
    const uint32_t high = _mm512_cmp_pd_mask(_mm512_load_pd(items + 8), all, _CMP_LT_OQ);
    return (uint32_t)_mm_popcnt_u32(low | high << 8);
}

#endif
