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
#define CHILD_BITS   16
#define NAME(suffix) walk8_16_##suffix
#include "engine/kernels/walk.inc"
#undef NAME
#undef CHILD_BITS

#define CHILD_BITS   0
#define NAME(suffix) walk8_##suffix
#include "engine/kernels/walk.inc"
#undef NAME
#undef NODE_BYTES

#define NODE_BYTES   16
#define NAME(suffix) walk16_##suffix
#include "engine/kernels/walk.inc"
#undef NAME
#undef NODE_BYTES
#undef CHILD_BITS

const espalier_kernel espalier_traverse_walk8_16__scalar = {
    .name = "walk, 8-byte nodes, 16-bit children, scalar",
    .isa = ESPALIER_ISA_SCALAR,
    .layout = ESPALIER_LAYOUT_WALK,
    .node_bytes = 8,
    .child_bits = 16,
    .block_rows_min = FLIGHT_BLOCK,
    .sum_row = walk8_16_sum_row,
    .sum_block = walk8_16_sum_block,
    .each_row = walk8_16_each_row,
};

const espalier_kernel espalier_traverse_walk8__scalar = {
    .name = "walk, 8-byte nodes, scalar",
    .isa = ESPALIER_ISA_SCALAR,
    .layout = ESPALIER_LAYOUT_WALK,
    .node_bytes = 8,
    .child_bits = 0,
    .block_rows_min = FLIGHT_BLOCK,
    .sum_row = walk8_sum_row,
    .sum_block = walk8_sum_block,
    .each_row = walk8_each_row,
};

const espalier_kernel espalier_traverse_walk16__scalar = {
    .name = "walk, 16-byte nodes, scalar",
    .isa = ESPALIER_ISA_SCALAR,
    .layout = ESPALIER_LAYOUT_WALK,
    .node_bytes = 16,
    .child_bits = 0,
    .block_rows_min = FLIGHT_BLOCK,
    .sum_row = walk16_sum_row,
    .sum_block = walk16_sum_block,
    .each_row = walk16_each_row,
};
