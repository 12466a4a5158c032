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
#define CLAMP        0
#define NAME(suffix) walk8_16_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef NAME

#define NODE_BYTES   8
#define CHILD_BITS   0
#define CLAMP        0
#define NAME(suffix) walk8_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef NAME

#define NODE_BYTES   16
#define CHILD_BITS   0
#define CLAMP        0
#define NAME(suffix) walk16_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef NAME

#define NODE_BYTES   8
#define CHILD_BITS   0
#define CLAMP        1
#define NAME(suffix) walk8_clamp_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef NAME

#define NODE_BYTES   16
#define CHILD_BITS   0
#define CLAMP        1
#define NAME(suffix) walk16_clamp_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef NAME

const espalier_kernel espalier_traverse_walk8_16__scalar = {
    .name = "walk, 8-byte nodes, 16-bit children, scalar",
    .isa = ESPALIER_ISA_SCALAR,
    .layout = ESPALIER_LAYOUT_WALK,
    .node_bytes = 8,
    .child_bits = 16,
    .clamps = 0,
    .flight_rows = FLIGHT_BLOCK,
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
    .clamps = 0,
    .flight_rows = FLIGHT_BLOCK,
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
    .clamps = 0,
    .flight_rows = FLIGHT_BLOCK,
    .sum_row = walk16_sum_row,
    .sum_block = walk16_sum_block,
    .each_row = walk16_each_row,
};

const espalier_kernel espalier_traverse_walk8_clamp__scalar = {
    .name = "walk, 8-byte nodes, clamping, scalar",
    .isa = ESPALIER_ISA_SCALAR,
    .layout = ESPALIER_LAYOUT_WALK,
    .node_bytes = 8,
    .child_bits = 0,
    .clamps = 1,
    .flight_rows = FLIGHT_BLOCK,
    .sum_row = walk8_clamp_sum_row,
    .sum_block = walk8_clamp_sum_block,
    .each_row = walk8_clamp_each_row,
};

const espalier_kernel espalier_traverse_walk16_clamp__scalar = {
    .name = "walk, 16-byte nodes, clamping, scalar",
    .isa = ESPALIER_ISA_SCALAR,
    .layout = ESPALIER_LAYOUT_WALK,
    .node_bytes = 16,
    .child_bits = 0,
    .clamps = 1,
    .flight_rows = FLIGHT_BLOCK,
    .sum_row = walk16_clamp_sum_row,
    .sum_block = walk16_clamp_sum_block,
    .each_row = walk16_clamp_each_row,
};
