// SPDX-License-Identifier: Apache-2.0
/*
 * The AVX-512 level (F, BW, DQ, VL). Built with flags of its own on x86-64; elsewhere it has no
 * kernels.
 */
#include "engine/kernels/kernel.h"

#include <stddef.h>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

#include "engine/kernels/answers_avx512.h"
#include "engine/kernels/bits_tree.h"
#include "engine/kernels/bits_tree_avx2.h"
#include "engine/kernels/lanes.h"
#include "engine/kernels/mask_entry.h"
#include "engine/kernels/vec_avx512.h"
#include "engine/kernels/walk_ahead.h"
#include "engine/kernels/walk_entry.h"
#include "engine/kernels/walk_lanes.h"
#include "engine/kernels/walk_list.h"
#include "engine/kernels/walk_tops.h"
#include "engine/kernels/walk_wide.h"
#include "espalier.h"
#include "format/layout.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#define LEVEL_NAME  "AVX-512"
#define LEVEL_ISA   ESPALIER_ISA_AVX512
#define ANSWER_COST 4
#define TABLES      1

#include "engine/kernels/mask_banks.inc"

#define NAME(suffix) byte_bits_##suffix
#include "engine/kernels/bits.inc"
#undef NAME

#include "engine/kernels/bits_blocks.inc"

#define TABLES_FILE "engine/kernels/bits_tables_avx2.inc"
#define TABLE_CODES 16

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

#define CODE         uint16_t
#define CODE_BYTES   2
#define FIND(suffix) lanes_short_##suffix
#include "engine/kernels/select_lanes.inc"

/* ---- walks ---- */

#define FLIGHT_TREES          16
#define FLIGHT_WALKS          16
#define WALK_LEAST_ROWS       14
#define WALK_LANES_LEAST_ROWS 64
#define WALK_BLOCK_ROWS       768 /* decisions/0029 */
#define TOPS                  1
#define NODE_BYTES            8
#define CLAMP                 0
#define SETS                  0
#define WALKS(suffix)         walk8_##suffix
#include "engine/kernels/walk_sums.inc"
#undef TOPS

/* ---- ranks ---- */

#define COUNT(type) vec_count_below_##type
#include "engine/kernels/rankers.inc"

static const espalier_kernel kernels[] = {
    FEW_BITS_ENTRIES(few64, 64, 24),
    FEW_BITS_ENTRIES(few128, 128, 24),
    FEW_BITS_ENTRIES(few256, 256, 24),
    SELECT_LANES_ENTRIES("2-byte codes", short, ESPALIER_BANK_SHORT, 18),
    MASK_ENTRIES(10, 12, 6, 8),
    WALK_LANES_ENTRY(walk8_f64, "8-byte nodes, tops, gathers", ESPALIER_ACCUMULATOR_FLOAT64),
    WALK_LANES_ENTRY(walk8_f32, "8-byte nodes, tops, gathers, float32 sums",
                     ESPALIER_ACCUMULATOR_FLOAT32),
    WALK_ENTRY(walk8_f64, "8-byte nodes, tops", 8, 0, 0, ESPALIER_ACCUMULATOR_FLOAT64),
    WALK_ENTRY(walk8_f32, "8-byte nodes, tops, float32 sums", 8, 0, 0,
               ESPALIER_ACCUMULATOR_FLOAT32),
};

const espalier_kernel_list espalier_kernels__avx512 = {kernels, sizeof kernels / sizeof kernels[0]};
const espalier_ranker *const espalier_ranker__avx512 = &ranker;

#else

const espalier_kernel_list espalier_kernels__avx512 = {NULL, 0};
const espalier_ranker *const espalier_ranker__avx512 = NULL;

#endif
