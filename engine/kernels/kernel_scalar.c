// SPDX-License-Identifier: Apache-2.0
/*
 * The scalar level: plain C, serves every model on every host.
 */
#include "engine/kernels/kernel.h"

#include "espalier.h"
#include "format/layout.h"

#include <string.h>

#define FLIGHT_ROW   16
#define FLIGHT_BLOCK 8

#define NODE_BYTES   8
#define NAME(suffix) walk8_##suffix
#include "engine/kernels/walk.inc"
#undef NAME
#undef NODE_BYTES

#define NODE_BYTES   16
#define NAME(suffix) walk16_##suffix
#include "engine/kernels/walk.inc"
#undef NAME
#undef NODE_BYTES

const espalier_kernel espalier_traverse_walk8__scalar = {"walk, 8-byte nodes, scalar",
                                                         ESPALIER_ISA_SCALAR,
                                                         ESPALIER_LAYOUT_WALK,
                                                         8,
                                                         FLIGHT_BLOCK,
                                                         walk8_sum_row,
                                                         walk8_sum_block,
                                                         walk8_each_row};

const espalier_kernel espalier_traverse_walk16__scalar = {"walk, 16-byte nodes, scalar",
                                                          ESPALIER_ISA_SCALAR,
                                                          ESPALIER_LAYOUT_WALK,
                                                          16,
                                                          FLIGHT_BLOCK,
                                                          walk16_sum_row,
                                                          walk16_sum_block,
                                                          walk16_each_row};
