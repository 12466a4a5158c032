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
#define SUM          double
#define NAME(suffix) walk8_16_f64_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   8
#define CHILD_BITS   16
#define CLAMP        0
#define SUM          float
#define NAME(suffix) walk8_16_f32_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   8
#define CHILD_BITS   0
#define CLAMP        0
#define SUM          double
#define NAME(suffix) walk8_f64_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   8
#define CHILD_BITS   0
#define CLAMP        0
#define SUM          float
#define NAME(suffix) walk8_f32_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   16
#define CHILD_BITS   0
#define CLAMP        0
#define SUM          double
#define NAME(suffix) walk16_f64_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   16
#define CHILD_BITS   0
#define CLAMP        0
#define SUM          float
#define NAME(suffix) walk16_f32_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   8
#define CHILD_BITS   0
#define CLAMP        1
#define SUM          double
#define NAME(suffix) walk8_clamp_f64_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   8
#define CHILD_BITS   0
#define CLAMP        1
#define SUM          float
#define NAME(suffix) walk8_clamp_f32_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   16
#define CHILD_BITS   0
#define CLAMP        1
#define SUM          double
#define NAME(suffix) walk16_clamp_f64_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

#define NODE_BYTES   16
#define CHILD_BITS   0
#define CLAMP        1
#define SUM          float
#define NAME(suffix) walk16_clamp_f32_##suffix
#include "engine/kernels/walk.inc"
#undef NODE_BYTES
#undef CHILD_BITS
#undef CLAMP
#undef SUM
#undef NAME

/* clang-format off */
#define WALK(functions, what, bytes, bits, clamping, sums)                                         \
    {                                                                                              \
        .name = "walk, " what ", scalar", .isa = ESPALIER_ISA_SCALAR, .layout = ESPALIER_FILE_WALK, \
        .bank = ESPALIER_BANK_FLOAT, .accumulator = sums, .node_bytes = bytes,                     \
        .child_bits = bits, .clamps = clamping, .flight_rows = FLIGHT_BLOCK,                       \
        .least_rows = FLIGHT_BLOCK, .sum_row = functions##_sum_row,                                \
        .sum_block = functions##_sum_block, .each_row = functions##_each_row                       \
    }
/* clang-format on */
#define FLOAT64 ESPALIER_ACCUMULATOR_FLOAT64
#define FLOAT32 ESPALIER_ACCUMULATOR_FLOAT32

static const espalier_kernel kernels[] = {
    WALK(walk8_16_f64, "8-byte nodes, 16-bit children", 8, 16, 0, FLOAT64),
    WALK(walk8_16_f32, "8-byte nodes, 16-bit children, float32 sums", 8, 16, 0, FLOAT32),
    WALK(walk8_f64, "8-byte nodes", 8, 0, 0, FLOAT64),
    WALK(walk8_f32, "8-byte nodes, float32 sums", 8, 0, 0, FLOAT32),
    WALK(walk16_f64, "16-byte nodes", 16, 0, 0, FLOAT64),
    WALK(walk16_f32, "16-byte nodes, float32 sums", 16, 0, 0, FLOAT32),
    WALK(walk8_clamp_f64, "8-byte nodes, clamping", 8, 0, 1, FLOAT64),
    WALK(walk8_clamp_f32, "8-byte nodes, clamping, float32 sums", 8, 0, 1, FLOAT32),
    WALK(walk16_clamp_f64, "16-byte nodes, clamping", 16, 0, 1, FLOAT64),
    WALK(walk16_clamp_f32, "16-byte nodes, clamping, float32 sums", 16, 0, 1, FLOAT32),
};

const espalier_kernel_list espalier_kernels__scalar = {kernels, sizeof kernels / sizeof kernels[0]};
