// SPDX-License-Identifier: Apache-2.0
/*
 * The scalar level: plain C, serves every model on every host.
 */
#include "engine/kernels/kernel.h"

#include "engine/kernels/bits_tree.h"
#include "engine/kernels/mask_entry.h"
#include "engine/kernels/walk_ahead.h"
#include "engine/kernels/walk_entry.h"
#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>
#include <string.h>

#define LEVEL_NAME  "scalar"
#define LEVEL_ISA   ESPALIER_ISA_SCALAR
#define ANSWER_COST 0

#include "engine/kernels/walk_plain.inc"

#define NODE_BYTES    8
#define CLAMP         1
#define SETS          0
#define WALKS(suffix) walk8_clamp_##suffix
#include "engine/kernels/walk_sums.inc"

#define NODE_BYTES    16
#define CLAMP         1
#define SETS          0
#define WALKS(suffix) walk16_clamp_##suffix
#include "engine/kernels/walk_sums.inc"

#define NODE_BYTES    8
#define CLAMP         1
#define SETS          1
#define WALKS(suffix) walk8_clamp_sets_##suffix
#include "engine/kernels/walk_sums.inc"

#define NODE_BYTES    16
#define CLAMP         1
#define SETS          1
#define WALKS(suffix) walk16_clamp_sets_##suffix
#include "engine/kernels/walk_sums.inc"

/* ---- mask layouts ---- */

#define CODE         uint8_t
#define BANK(suffix) byte_##suffix
#include "engine/kernels/mask_rows.inc"

#include "engine/kernels/mask_blocks_plain.inc"
#undef CODE
#undef BANK

#define CODE         uint16_t
#define BANK(suffix) short_##suffix
#include "engine/kernels/mask_rows.inc"

#include "engine/kernels/mask_blocks_plain.inc"
#undef CODE
#undef BANK

#include "engine/kernels/bits_rows.inc"

#define CODE         uint8_t
#define FIND(suffix) byte_bits_##suffix

#define SUM          double
#define NAME(suffix) byte_bits_f64_##suffix
#include "engine/kernels/mask_block_plain.inc"
#undef NAME
#undef SUM

#define SUM          float
#define NAME(suffix) byte_bits_f32_##suffix
#include "engine/kernels/mask_block_plain.inc"
#undef NAME
#undef SUM

#undef FIND
#undef CODE

/* ---- ranks ---- */

static inline uint32_t count_below_f32(const float *items, float value)
{
    uint32_t below = 0;
    for (uint32_t i = 0; i < ESPALIER_CUT_BLOCK; i++) {
        below += items[i] < value;
    }
    return below;
}

static inline uint32_t count_below_f64(const double *items, double value)
{
    uint32_t below = 0;
    for (uint32_t i = 0; i < ESPALIER_CUT_BLOCK; i++) {
        below += items[i] < value;
    }
    return below;
}

#define COUNT(type) count_below_##type
#include "engine/kernels/rankers.inc"

const espalier_ranker *const espalier_ranker__scalar = &ranker;

/* ---- the lists ---- */

#define FLOAT64 ESPALIER_ACCUMULATOR_FLOAT64
#define FLOAT32 ESPALIER_ACCUMULATOR_FLOAT32

static const espalier_kernel kernels[] = {
    WALK_ENTRY(walk8_f64, "8-byte nodes", 8, 0, 0, FLOAT64),
    WALK_ENTRY(walk8_f32, "8-byte nodes, float32 sums", 8, 0, 0, FLOAT32),
    WALK_ENTRY(walk16_f64, "16-byte nodes", 16, 0, 0, FLOAT64),
    WALK_ENTRY(walk16_f32, "16-byte nodes, float32 sums", 16, 0, 0, FLOAT32),
    WALK_ENTRY(walk8_clamp_f64, "8-byte nodes, clamping", 8, 1, 0, FLOAT64),
    WALK_ENTRY(walk8_clamp_f32, "8-byte nodes, clamping, float32 sums", 8, 1, 0, FLOAT32),
    WALK_ENTRY(walk16_clamp_f64, "16-byte nodes, clamping", 16, 1, 0, FLOAT64),
    WALK_ENTRY(walk16_clamp_f32, "16-byte nodes, clamping, float32 sums", 16, 1, 0, FLOAT32),
    WALK_ENTRY(walk8_sets_f64, "8-byte nodes, sets", 8, 0, 1, FLOAT64),
    WALK_ENTRY(walk8_sets_f32, "8-byte nodes, sets, float32 sums", 8, 0, 1, FLOAT32),
    WALK_ENTRY(walk16_sets_f64, "16-byte nodes, sets", 16, 0, 1, FLOAT64),
    WALK_ENTRY(walk16_sets_f32, "16-byte nodes, sets, float32 sums", 16, 0, 1, FLOAT32),
    WALK_ENTRY(walk8_clamp_sets_f64, "8-byte nodes, clamping, sets", 8, 1, 1, FLOAT64),
    WALK_ENTRY(walk8_clamp_sets_f32, "8-byte nodes, clamping, sets, float32 sums", 8, 1, 1,
               FLOAT32),
    WALK_ENTRY(walk16_clamp_sets_f64, "16-byte nodes, clamping, sets", 16, 1, 1, FLOAT64),
    WALK_ENTRY(walk16_clamp_sets_f32, "16-byte nodes, clamping, sets, float32 sums", 16, 1, 1,
               FLOAT32),
    MASK_ENTRIES(64, 64, 64, 64),
    BITS_ENTRIES(64),
};

const espalier_kernel_list espalier_kernels__scalar = {kernels, sizeof kernels / sizeof kernels[0]};
