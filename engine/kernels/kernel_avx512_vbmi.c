// SPDX-License-Identifier: Apache-2.0
/*
 * The AVX-512 level with byte permutes (VBMI): what gains from them, one row through the mask
 * layouts with codes of one byte. Everything else the AVX-512 level serves. Built with flags of its
 * own on x86-64; elsewhere it has no kernels.
 */
#include "engine/kernels/kernel.h"

#include <stddef.h>

#if defined(__AVX512VBMI__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)

#include "engine/kernels/answers_avx512.h"
#include "engine/kernels/bits_tree.h"
#include "engine/kernels/bits_tree_avx2.h"
#include "engine/kernels/lanes.h"
#include "engine/kernels/mask_entry.h"
#include "engine/kernels/vec_avx512.h"
#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>
#include <string.h>

#define TABLES 1

#define CODE         uint8_t
#define BANK(suffix) byte_##suffix
#define LANE(op)     vec_##op##_u8
#define BIAS         VEC_BIAS_u8
#define OFFSET       uint16_t
#define SHARES       1
#define NAME(suffix) byte_heap_##suffix
#include "engine/kernels/heap.inc"
#undef NAME
#define NAME(suffix) byte_select_##suffix
#include "engine/kernels/select.inc"
#undef NAME
#include "engine/kernels/mask_blocks.inc"
#undef CODE
#undef BANK
#undef LANE
#undef BIAS
#undef OFFSET
#undef SHARES

#define NAME(suffix) byte_bits_##suffix
#include "engine/kernels/bits.inc"
#undef NAME

#include "engine/kernels/bits_blocks.inc"

/* ---- one row ---- */

#define TABLE_COUNT 1
#define FEW(suffix) few64_##suffix
#include "engine/kernels/mask_row_set_vbmi.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 2
#define FEW(suffix) few128_##suffix
#include "engine/kernels/mask_row_set_vbmi.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 4
#define FEW(suffix) few256_##suffix
#include "engine/kernels/mask_row_set_vbmi.inc"
#undef TABLE_COUNT
#undef FEW

#define CODE         uint8_t
#define CODE_BYTES   1
#define FIND(suffix) lanes_byte_##suffix
#include "engine/kernels/select_lanes.inc"

#define TABLES_FILE "engine/kernels/bits_tables_vbmi.inc"
#define TABLE_CODES 64

#define TABLE_COUNT 1
#define FEW(suffix) few64_##suffix
#include "engine/kernels/bits_few.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 2
#define FEW(suffix) few128_##suffix
#include "engine/kernels/bits_few.inc"
#undef TABLE_COUNT
#undef FEW

#define TABLE_COUNT 4
#define FEW(suffix) few256_##suffix
#include "engine/kernels/bits_few.inc"
#undef TABLE_COUNT
#undef FEW

#undef TABLES_FILE
#undef TABLE_CODES

#define LEVEL_NAME  "AVX-512 VBMI"
#define LEVEL_ISA   ESPALIER_ISA_AVX512_VBMI
#define ANSWER_COST 4

static const espalier_kernel kernels[] = {
    SELECT_LANES_ENTRIES("1-byte codes", byte, ESPALIER_BANK_BYTE, 12),
    FEW_ENTRIES(few64, 64, 24, 24),
    FEW_ENTRIES(few128, 128, 24, 24),
    FEW_ENTRIES(few256, 256, 24, 24),
    FEW_BITS_ENTRIES(few64, 64, 24),
    FEW_BITS_ENTRIES(few128, 128, 24),
    FEW_BITS_ENTRIES(few256, 256, 24),
};

const espalier_kernel_list espalier_kernels__avx512_vbmi = {kernels,
                                                            sizeof kernels / sizeof kernels[0]};

#else

const espalier_kernel_list espalier_kernels__avx512_vbmi = {NULL, 0};

#endif
