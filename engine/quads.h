// SPDX-License-Identifier: Apache-2.0
/*
 * Words of four rows at a time, for blocks of the walk layout: vectors of 16 bytes, which every
 * compiler has for every processor. Includes format/word.h and the C library only.
 */
#ifndef ESPALIER_ENGINE_QUADS_H
#define ESPALIER_ENGINE_QUADS_H

#include "format/word.h"

#include <stdbool.h>
#include <stddef.h>

#define ESPALIER_QUAD 4u

typedef uint32_t espalier_quad __attribute__((vector_size(16)));
typedef int32_t espalier_quad_signed __attribute__((vector_size(16)));

/* Every bit where a value is NaN. */
static inline espalier_quad espalier_quad_nan(espalier_quad bits)
{
    return (espalier_quad)((bits & UINT32_C(0x7FFFFFFF)) > UINT32_C(0x7F800000));
}

/* espalier_word_of of four values, none of them NaN. */
static inline espalier_quad espalier_quad_words(espalier_quad bits)
{
    const espalier_quad sign = (espalier_quad)((espalier_quad_signed)bits < 0);
    const espalier_quad word = bits ^ (sign | UINT32_C(0x80000000));
    return word - (espalier_quad)(word == UINT32_C(0x7FFFFFFF)); /* -0 */
}

static inline void espalier_quad_transpose(espalier_quad *rows)
{
    const espalier_quad low01 = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
    const espalier_quad low23 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
    const espalier_quad high01 = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
    const espalier_quad high23 = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
    rows[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    rows[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    rows[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    rows[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

/*
 * Words of `count` float32 values side by side, at least four, of each of four rows, row_step bytes
 * apart and aligned to nothing: to[column * spacing + row]. The last values are done twice where
 * they are no four. False: there is a NaN, and the words are not all right.
 */
static inline bool espalier_quads_fill(const uint8_t *data, ptrdiff_t row_step, uint32_t count,
                                       uint32_t *to, size_t spacing)
{
    espalier_quad nan = {0, 0, 0, 0};
    for (uint32_t i = 0; i < count; i += ESPALIER_QUAD) {
        const size_t at = i + ESPALIER_QUAD <= count ? i : count - ESPALIER_QUAD;
        espalier_quad rows[ESPALIER_QUAD];
        for (uint32_t r = 0; r < ESPALIER_QUAD; r++) {
            memcpy(&rows[r], data + (ptrdiff_t)r * row_step + at * sizeof(float), sizeof rows[r]);
            nan |= espalier_quad_nan(rows[r]);
            rows[r] = espalier_quad_words(rows[r]);
        }
        espalier_quad_transpose(rows);
        for (uint32_t c = 0; c < ESPALIER_QUAD; c++) {
            memcpy(to + (at + c) * spacing, &rows[c], sizeof rows[c]);
        }
    }
    return (nan[0] | nan[1] | nan[2] | nan[3]) == 0;
}

#endif
