// SPDX-License-Identifier: Apache-2.0
/*
 * The NEON level: AArch64, where every processor has it; elsewhere it has no kernels.
 */
#include "engine/kernels/kernel.h"

#include <stddef.h>

#if defined(__aarch64__) && defined(__ARM_NEON)

#include "engine/kernels/answers_neon.h"
#include "engine/kernels/bits_tree.h"
#include "engine/kernels/mask_entry.h"
#include "engine/kernels/vec_neon.h"
#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>
#include <string.h>

#define LEVEL_NAME  "NEON"
#define LEVEL_ISA   ESPALIER_ISA_NEON
#define ANSWER_COST 6
#define TABLES      0

#include "engine/kernels/mask_banks.inc"

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

#define COUNT(type) vec_count_below_##type
#include "engine/kernels/rankers.inc"

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
