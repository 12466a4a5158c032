// SPDX-License-Identifier: Apache-2.0
/*
 * Several sums in one register, for walk_rows.inc. Only files of the AVX-512 levels may include it.
 * Through memory a masked load would wait for the masked store before it: 2.2 us instead of 1.4 in
 * a block of seven sums a row.
 */
#ifndef ESPALIER_ENGINE_KERNELS_WALK_WIDE_H
#define ESPALIER_ENGINE_KERNELS_WALK_WIDE_H

#include "engine/kernels/kernel.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether a register holds so many values of a size. */
static inline bool walk_wide_fits(size_t width, size_t value_bytes)
{
    return width * value_bytes <= sizeof(__m512i);
}

/* Add the leaf rows `leaves` of trees[0 .. count) to their sums, one after the other, as far as
 * these are those of the first; return of how many. */

static inline uint32_t walk_wide_add_f64(double *sums, const double *values, size_t width,
                                         const espalier_kernel_tree *trees, const uint32_t *leaves,
                                         uint32_t count)
{
    const __mmask8 lanes = (__mmask8)((1u << width) - 1);
    const uint32_t slot = trees[0].slot;
    __m512d sum = _mm512_maskz_loadu_pd(lanes, sums + slot);
    uint32_t added = 0;
    do {
        sum = _mm512_add_pd(sum, _mm512_maskz_loadu_pd(lanes, values + leaves[added] * width));
        added++;
    } while (added < count && trees[added].slot == slot);
    _mm512_mask_storeu_pd(sums + slot, lanes, sum);
    return added;
}

static inline uint32_t walk_wide_add_f32(float *sums, const float *values, size_t width,
                                         const espalier_kernel_tree *trees, const uint32_t *leaves,
                                         uint32_t count)
{
    const __mmask16 lanes = (__mmask16)((1u << width) - 1);
    const uint32_t slot = trees[0].slot;
    __m512 sum = _mm512_maskz_loadu_ps(lanes, sums + slot);
    uint32_t added = 0;
    do {
        sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes, values + leaves[added] * width));
        added++;
    } while (added < count && trees[added].slot == slot);
    _mm512_mask_storeu_ps(sums + slot, lanes, sum);
    return added;
}

#define WALK_WIDE_ADD(sums, values, width, trees, leaves, count) \
    _Generic((sums), double *: walk_wide_add_f64, float *: walk_wide_add_f32)( \
        sums, values, width, trees, leaves, count)

#endif
