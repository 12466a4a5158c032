// SPDX-License-Identifier: Apache-2.0
/*
 * Words: float32 values as unsigned numbers in the same order, which walks compare (docs/format.md,
 * "Words"). Includes the C library only.
 */
#ifndef ESPALIER_FORMAT_WORD_H
#define ESPALIER_FORMAT_WORD_H

#include <stdint.h>
#include <string.h>

#define ESPALIER_WORD_NAN  UINT32_MAX           /* above every number, so that NaN goes right */
#define ESPALIER_WORD_LAST UINT32_C(0xFF800000) /* of plus infinity */

/* Zeroes of both signs are one word. No arithmetic: denormals are slow on some machines. */
static inline uint32_t espalier_word_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t flip = (bits >> 31 != 0 ? UINT32_MAX : 0) | UINT32_C(0x80000000);
    const uint32_t word = bits ^ flip;
    const uint32_t settled = word + (word == UINT32_C(0x7FFFFFFF)); /* -0 */
    return value != value ? ESPALIER_WORD_NAN : settled;
}

/* The value of a word; of words that no number has, something. */
static inline float espalier_word_value(uint32_t word)
{
    const uint32_t bits = word >> 31 != 0 ? word ^ UINT32_C(0x80000000) : ~word;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
