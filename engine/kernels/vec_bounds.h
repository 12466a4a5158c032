// SPDX-License-Identifier: Apache-2.0
/*
 * Thresholds as HEAP's prepared trees keep them, for levels that spread one over all lanes as it
 * is; vec_avx512.h has its own. Includes nothing; wants stdint.h and the tests of a vec_*.h before
 * their use.
 */
#ifndef ESPALIER_ENGINE_KERNELS_VEC_BOUNDS_H
#define ESPALIER_ENGINE_KERNELS_VEC_BOUNDS_H

typedef uint8_t vec_bound_u8;
typedef uint16_t vec_bound_u16;
#define vec_bound_of_u8(threshold)  (threshold)
#define vec_bound_of_u16(threshold) (threshold)
#define vec_test_bound_u8           vec_test_u8
#define vec_test_bound_u16          vec_test_u16

#endif
