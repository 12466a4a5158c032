// SPDX-License-Identifier: Apache-2.0
/*
 * The first three levels of a complete tree at once: bits 1 to 7 of the index say which of the
 * nodes 1 to 7 a row leaves to the right, the entry is the node it comes to, 8 to 15. One load
 * instead of nine instructions. Includes C standard headers only.
 */
#ifndef ESPALIER_ENGINE_KERNELS_THREE_LEVELS_H
#define ESPALIER_ENGINE_KERNELS_THREE_LEVELS_H

#include <stdint.h>

#define THREE_1(bits) (2u + ((bits) >> 1 & 1u))
#define THREE_2(bits) (2u * THREE_1(bits) + ((bits) >> THREE_1(bits) & 1u))
#define THREE_3(bits) (2u * THREE_2(bits) + ((bits) >> THREE_2(bits) & 1u))
#define THREE_4(bits) \
    THREE_3(bits), THREE_3((bits) + 1u), THREE_3((bits) + 2u), THREE_3((bits) + 3u)
#define THREE_16(bits) \
    THREE_4(bits), THREE_4((bits) + 4u), THREE_4((bits) + 8u), THREE_4((bits) + 12u)
#define THREE_64(bits) \
    THREE_16(bits), THREE_16((bits) + 16u), THREE_16((bits) + 32u), THREE_16((bits) + 48u)

static const uint8_t three_levels[256] = {
    THREE_64(0u),
    THREE_64(64u),
    THREE_64(128u),
    THREE_64(192u),
};

#undef THREE_1
#undef THREE_2
#undef THREE_3
#undef THREE_4
#undef THREE_16
#undef THREE_64

#endif
