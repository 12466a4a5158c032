// SPDX-License-Identifier: Apache-2.0
/*
 * Entries of the walk kernels that live on gathers. Includes nothing; wants kernel.h, layout.h and
 * espalier.h before it. A level's file defines LEVEL_NAME, its name, and LEVEL_ISA, its number.
 */
#ifndef ESPALIER_ENGINE_KERNELS_GATHER_ENTRY_H
#define ESPALIER_ENGINE_KERNELS_GATHER_ENTRY_H

/* Cells of the rows that share a pass are found by 31-bit numbers. */
#define GATHER_COLUMNS_MAX (UINT32_C(1) << 20)

/* clang-format off */
#define GATHER_ENTRY(functions, text, sums)                                                        \
    {                                                                                              \
        .name = "walk, 8-byte nodes, gathers" text ", " LEVEL_NAME, .isa = LEVEL_ISA,              \
        .layout = ESPALIER_FILE_WALK, .bank = ESPALIER_BANK_WORD, .accumulator = (sums),          \
        .node_bytes = 8, .column_count_max = GATHER_COLUMNS_MAX, .gathers = 1,                     \
        .flight_rows = ESPALIER_FLIGHT_ROWS, .least_rows = ESPALIER_FLIGHT_ROWS,                   \
        .sum_row = functions##_sum_row, .sum_block = functions##_sum_block,                        \
        .each_row = functions##_each_row                                                           \
    }

#define GATHER_ENTRIES                                                                             \
    GATHER_ENTRY(gather_f64, "", ESPALIER_ACCUMULATOR_FLOAT64),                                    \
    GATHER_ENTRY(gather_f32, ", float32 sums", ESPALIER_ACCUMULATOR_FLOAT32)
/* clang-format on */

#endif
