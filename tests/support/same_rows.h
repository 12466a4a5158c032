// SPDX-License-Identifier: Apache-2.0
/*
 * Whether two predictions agree. Includes the public header only.
 */
#ifndef TESTS_SUPPORT_SAME_ROWS_H
#define TESTS_SUPPORT_SAME_ROWS_H

#include "espalier.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool item_is_nan(const uint8_t *item, uint32_t dtype)
{
    double wide = 0.0;
    float narrow = 0.0f;
    if (dtype == ESPALIER_DTYPE_FLOAT64) {
        memcpy(&wide, item, sizeof wide);
    } else if (dtype == ESPALIER_DTYPE_FLOAT32) {
        memcpy(&narrow, item, sizeof narrow);
    }
    return isnan(wide) || isnan(narrow);
}

static inline size_t dtype_bytes(uint32_t dtype)
{
    return dtype == ESPALIER_DTYPE_FLOAT32 || dtype == ESPALIER_DTYPE_INT32 ? 4 : 8;
}

/* The same bits, or both NaN: what arithmetic makes of two NaN is open. dtype: espalier_dtype. */
static inline bool rows_are_same(const uint8_t *one, const uint8_t *other, size_t bytes,
                                 uint32_t dtype)
{
    if (memcmp(one, other, bytes) == 0) {
        return true;
    }
    const size_t item = dtype_bytes(dtype);
    for (size_t at = 0; at + item <= bytes; at += item) {
        if (memcmp(one + at, other + at, item) != 0 &&
            !(item_is_nan(one + at, dtype) && item_is_nan(other + at, dtype))) {
            return false;
        }
    }
    return true;
}

#endif
