// SPDX-License-Identifier: Apache-2.0
/*
 * The NEON level: AArch64, where every processor has it; elsewhere it has no kernels.
 */
#include "engine/kernels/kernel.h"

#include <stddef.h>

#if defined(__aarch64__) && defined(__ARM_NEON)

#include "engine/kernels/bits_tree.h"
#include "engine/kernels/mask_entry.h"
#include "engine/kernels/vec_neon.h"
#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>
#include <string.h>

#define TABLES 0

#define CODE         uint8_t
#define BANK(suffix) byte_##suffix
#define LANE(op)     vec_##op##_u8
#define BIAS         VEC_BIAS_u8
#define OFFSET       uint16_t
#include "engine/kernels/mask_rows.inc"

#include "engine/kernels/mask_blocks.inc"
#undef CODE
#undef BANK
#undef LANE
#undef BIAS
#undef OFFSET

#define CODE         uint16_t
#define BANK(suffix) short_##suffix
#define LANE(op)     vec_##op##_u16
#define BIAS         VEC_BIAS_u16
#define OFFSET       uint32_t
#include "engine/kernels/mask_rows.inc"

#include "engine/kernels/mask_blocks.inc"
#undef CODE
#undef BANK
#undef LANE
#undef BIAS
#undef OFFSET

#define NAME(suffix) byte_bits_##suffix
#include "engine/kernels/bits.inc"
#undef NAME

#include "engine/kernels/bits_blocks.inc"

#define ROW "engine/kernels/bits_row_neon.inc"

#define TABLE_COUNT 1
#define FEW(suffix) few64_##suffix
#include "engine/kernels/bits_row_set.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 4
#define FEW(suffix) few256_##suffix
#include "engine/kernels/bits_row_set.inc"
#undef TABLE_COUNT
#undef FEW
#undef ROW

#define VALUE        float
#define COUNT_BELOW  vec_count_below_f32
#define NAME(suffix) suffix##_f32
#include "engine/kernels/rank.inc"
#undef VALUE
#undef COUNT_BELOW
#undef NAME

#define VALUE        double
#define COUNT_BELOW  vec_count_below_f64
#define NAME(suffix) suffix##_f64
#include "engine/kernels/rank.inc"
#undef VALUE
#undef COUNT_BELOW
#undef NAME

static const espalier_ranker ranker = {
    .name = "ranks, NEON",
    .isa = ESPALIER_ISA_NEON,
    .rank_block_float32 = rank_block_f32,
    .rank_block_float64 = rank_block_f64,
    .rank_row_float32 = rank_row_f32,
    .rank_row_float64 = rank_row_f64,
};

#define MASK_LEVEL "NEON"
#define MASK_ISA   ESPALIER_ISA_NEON

static const espalier_kernel kernels[] = {
    FEW_BITS_ENTRIES(few64, 64, 8),
    FEW_BITS_ENTRIES(few256, 256, 8),
    MASK_ENTRIES(8, 8, 8, 8),
};

const espalier_kernel_list espalier_kernels__neon = {kernels, sizeof kernels / sizeof kernels[0]};
const espalier_ranker *const espalier_ranker__neon = &ranker;

#else

const espalier_kernel_list espalier_kernels__neon = {NULL, 0};
const espalier_ranker *const espalier_ranker__neon = NULL;

#endif
