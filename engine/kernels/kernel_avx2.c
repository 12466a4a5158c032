// SPDX-License-Identifier: Apache-2.0
/*
 * The AVX2 level (with BMI2). Built with flags of its own on x86-64; elsewhere it has no kernels.
 */
#include "engine/kernels/kernel.h"

#include <stddef.h>

#if defined(__AVX2__) && defined(__BMI2__)

#include "engine/kernels/answers_avx2.h"
#include "engine/kernels/bits_tree.h"
#include "engine/kernels/bits_tree_avx2.h"
#include "engine/kernels/mask_entry.h"
#include "engine/kernels/three_levels.h"
#include "engine/kernels/vec_avx2.h"
#include "engine/kernels/walk_ahead.h"
#include "engine/kernels/walk_entry.h"
#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>
#include <string.h>

#define LEVEL_NAME  "AVX2"
#define LEVEL_ISA   ESPALIER_ISA_AVX2
#define ANSWER_COST 6
#define TABLES      0

#include "engine/kernels/mask_banks.inc"

/* ---- one row, few columns ---- */

#define TABLE_COUNT 1
#define FEW(suffix) few16_##suffix
#include "engine/kernels/mask_row_set_avx2.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 2
#define FEW(suffix) few32_##suffix
#include "engine/kernels/mask_row_set_avx2.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 4
#define FEW(suffix) few64_##suffix
#include "engine/kernels/mask_row_set_avx2.inc"
#undef TABLE_COUNT
#undef FEW

#define NAME(suffix) byte_bits_##suffix
#include "engine/kernels/bits.inc"
#undef NAME

#include "engine/kernels/bits_blocks.inc"

#define TABLES_FILE "engine/kernels/bits_tables_avx2.inc"
#define TABLE_CODES 16

#define TABLE_COUNT 1
#define FEW(suffix) few16_##suffix
#include "engine/kernels/bits_few.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 2
#define FEW(suffix) few32_##suffix
#include "engine/kernels/bits_few.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 4
#define FEW(suffix) few64_##suffix
#include "engine/kernels/bits_few.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 8
#define FEW(suffix) few128_##suffix
#include "engine/kernels/bits_few.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 16
#define FEW(suffix) few256_##suffix
#include "engine/kernels/bits_few.inc"
#undef TABLE_COUNT
#undef FEW

#undef TABLES_FILE
#undef TABLE_CODES

/* ---- walks, with shifts of BMI2 ---- */

#include "engine/kernels/walk_plain.inc"

/* ---- ranks ---- */

#define COUNT(type) vec_count_below_##type
#include "engine/kernels/rankers.inc"

static const espalier_kernel kernels[] = {
    FEW_ENTRIES(few16, 16, 20, 9),
    FEW_ENTRIES(few32, 32, 20, 9),
    FEW_ENTRIES(few64, 64, 18, 9),
    FEW_BITS_ENTRIES(few16, 16, 24),
    FEW_BITS_ENTRIES(few32, 32, 24),
    FEW_BITS_ENTRIES(few64, 64, 24),
    FEW_BITS_ENTRIES(few128, 128, 24),
    FEW_BITS_ENTRIES(few256, 256, 24),
    MASK_ENTRIES(15, 17, 6, 8),
    WALK_ENTRY(walk8_f64, "8-byte nodes", 8, 0, 0, ESPALIER_ACCUMULATOR_FLOAT64),
    WALK_ENTRY(walk8_f32, "8-byte nodes, float32 sums", 8, 0, 0, ESPALIER_ACCUMULATOR_FLOAT32),
    WALK_ENTRY(walk16_f64, "16-byte nodes", 16, 0, 0, ESPALIER_ACCUMULATOR_FLOAT64),
    WALK_ENTRY(walk16_f32, "16-byte nodes, float32 sums", 16, 0, 0, ESPALIER_ACCUMULATOR_FLOAT32),
    WALK_ENTRY(walk8_sets_f64, "8-byte nodes, sets", 8, 0, 1, ESPALIER_ACCUMULATOR_FLOAT64),
    WALK_ENTRY(walk8_sets_f32, "8-byte nodes, sets, float32 sums", 8, 0, 1,
               ESPALIER_ACCUMULATOR_FLOAT32),
    WALK_ENTRY(walk16_sets_f64, "16-byte nodes, sets", 16, 0, 1, ESPALIER_ACCUMULATOR_FLOAT64),
    WALK_ENTRY(walk16_sets_f32, "16-byte nodes, sets, float32 sums", 16, 0, 1,
               ESPALIER_ACCUMULATOR_FLOAT32),
};

const espalier_kernel_list espalier_kernels__avx2 = {kernels, sizeof kernels / sizeof kernels[0]};
const espalier_ranker *const espalier_ranker__avx2 = &ranker;

#else

const espalier_kernel_list espalier_kernels__avx2 = {NULL, 0};
const espalier_ranker *const espalier_ranker__avx2 = NULL;

#endif
