// SPDX-License-Identifier: Apache-2.0
/*
 * Entries of the walk kernels of walk.inc. Includes nothing; wants kernel.h, layout.h and
 * espalier.h before it. A level's file defines LEVEL_NAME, its name, LEVEL_ISA, its number,
 * WALK_LEAST_ROWS, from how many rows on a block pays, and WALK_BLOCK_ROWS, block_rows.
 */
#ifndef ESPALIER_ENGINE_KERNELS_WALK_ENTRY_H
#define ESPALIER_ENGINE_KERNELS_WALK_ENTRY_H

/* clang-format off */
#define WALK_ENTRY_BY(functions, what, bytes, clamping, testing, sums, gathering, row, together,   \
                      least)                                                                       \
    {                                                                                              \
        .name = "walk, " what ", " LEVEL_NAME, .isa = LEVEL_ISA,                                   \
        .layout = ESPALIER_FILE_WALK, .bank = ESPALIER_BANK_WORD, .accumulator = (sums),          \
        .node_bytes = (bytes), .clamps = (clamping), .sets = (testing), .gathers = (gathering),    \
        .flight_rows = (together), .least_rows = (least), .block_rows = WALK_BLOCK_ROWS,           \
        .sum_row = functions##_##row,                                                              \
        .sum_block = functions##_sum_block, .each_row = functions##_each_row                       \
    }
/* clang-format on */

#define WALK_ENTRY(functions, what, bytes, clamping, testing, sums)            \
    WALK_ENTRY_BY(functions, what, bytes, clamping, testing, sums, 0, sum_row, \
                  ESPALIER_FLIGHT_ROWS, WALK_LEAST_ROWS)

/* Of kernels with TOPS, whose rows go by gathers, faster than any block without tops. */
#define WALK_LANES_ENTRY(functions, what, sums) \
    WALK_ENTRY_BY(functions, what, 8, 0, 0, sums, 1, sum_lanes, TOP_ROWS, WALK_LANES_LEAST_ROWS)

#endif
