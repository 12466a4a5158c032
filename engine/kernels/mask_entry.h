// SPDX-License-Identifier: Apache-2.0
/*
 * Entries of the mask kernels in a level's list. Includes nothing; wants kernel.h, layout.h and
 * espalier.h before it. A level's file defines LEVEL_NAME, its name, LEVEL_ISA, its number, and
 * ANSWER_COST, the answer_cost of HEAP with one-byte codes.
 */
#ifndef ESPALIER_ENGINE_KERNELS_MASK_ENTRY_H
#define ESPALIER_ENGINE_KERNELS_MASK_ENTRY_H

/* clang-format off */
#define MASK_ENTRY(text, where, codes, bytes, sums, most, least, row, block, each)                 \
    {                                                                                              \
        .column_count_max = (most),                                                                \
        .answer_cost =                                                                             \
            (where) == ESPALIER_FILE_HEAP && (codes) == ESPALIER_BANK_BYTE ? ANSWER_COST : 0,      \
        .name = text ", " LEVEL_NAME, .isa = LEVEL_ISA, .layout = (where), .bank = (codes),        \
        .accumulator = (sums), .node_bytes = (bytes), .flight_rows = ESPALIER_GROUP_ROWS,          \
        .least_rows = (least), .sum_row = (row), .sum_block = (block), .each_row = (each)          \
    }

#define HEAP_ENTRY(text, bank, bytes, width, sums, least)                                          \
    MASK_ENTRY("mask, complete trees, " text, ESPALIER_FILE_HEAP,                                  \
               (bytes) == 2 ? ESPALIER_BANK_BYTE : ESPALIER_BANK_SHORT, bytes, sums, 0, least,     \
               bank##_heap_##width##_sum_row, bank##_heap_##width##_sum_block,                     \
               bank##_heap_each_row)

#define SELECT_ENTRY(text, bank, codes, width, sums, least)                                        \
    MASK_ENTRY("mask, any shape, " text, ESPALIER_FILE_SELECT, codes, 8, sums, 0, least,           \
               bank##_select_##width##_sum_row, bank##_select_##width##_sum_block,                 \
               bank##_select_each_row)

/* Rows by gathers, faster than blocks of few. */
#define SELECT_LANES_ENTRY(text, own, codes, width, sums, least)                                  \
    {                                                                                              \
        .name = "mask, any shape, " text ", gathers, " LEVEL_NAME, .isa = LEVEL_ISA,               \
        .layout = ESPALIER_FILE_SELECT, .bank = (codes), .accumulator = (sums), .node_bytes = 8,   \
        .gathers = 1, .flight_rows = ESPALIER_GROUP_ROWS, .least_rows = (least),                   \
        .sum_row = lanes_##own##_##width##_sum_row,                                               \
        .sum_block = own##_select_##width##_sum_block, .each_row = own##_select_each_row         \
    }

#define SELECT_LANES_ENTRIES(text, own, codes, least)                                             \
    SELECT_LANES_ENTRY(text, own, codes, f64, ESPALIER_ACCUMULATOR_FLOAT64, least),               \
    SELECT_LANES_ENTRY(text ", float32 sums", own, codes, f32, ESPALIER_ACCUMULATOR_FLOAT32,      \
                       least)

/* BITS, whose codes have one byte; one row of at most `most` columns by `row`. */
#define BITS_ENTRY(text, most, row, sums, width, least)                                            \
    MASK_ENTRY("mask, up to 32 leaves, 1-byte codes" text, ESPALIER_FILE_BITS, ESPALIER_BANK_BYTE, \
               6, sums, most, least, row##_##width##_sum_row, byte_bits_##width##_sum_block,       \
               byte_bits_each_row)

#define BITS_ENTRIES(least)                                                                        \
    BITS_ENTRY("", 0, byte_bits, ESPALIER_ACCUMULATOR_FLOAT64, f64, least),                        \
    BITS_ENTRY(", float32 sums", 0, byte_bits, ESPALIER_ACCUMULATOR_FLOAT32, f32, least)

#define FEW_BITS_ENTRIES(few, columns, least)                                                      \
    BITS_ENTRY(", up to " #columns " columns", columns, few##_bits, ESPALIER_ACCUMULATOR_FLOAT64,  \
               f64, least),                                                                        \
    BITS_ENTRY(", float32 sums, up to " #columns " columns", columns, few##_bits,                  \
               ESPALIER_ACCUMULATOR_FLOAT32, f32, least)

/* HEAP and SELECT, both banks and accumulators; from how many rows on a block pays, for each. */
#define MASK_ENTRIES(heap_byte, heap_short, select_byte, select_short)                             \
    HEAP_ENTRY("1-byte codes", byte, 2, f64, ESPALIER_ACCUMULATOR_FLOAT64, heap_byte),             \
    HEAP_ENTRY("1-byte codes, float32 sums", byte, 2, f32, ESPALIER_ACCUMULATOR_FLOAT32,           \
               heap_byte),                                                                         \
    HEAP_ENTRY("2-byte codes", short, 4, f64, ESPALIER_ACCUMULATOR_FLOAT64, heap_short),           \
    HEAP_ENTRY("2-byte codes, float32 sums", short, 4, f32, ESPALIER_ACCUMULATOR_FLOAT32,          \
               heap_short),                                                                        \
    SELECT_ENTRY("1-byte codes", byte, ESPALIER_BANK_BYTE, f64, ESPALIER_ACCUMULATOR_FLOAT64,      \
                 select_byte),                                                                     \
    SELECT_ENTRY("1-byte codes, float32 sums", byte, ESPALIER_BANK_BYTE, f32,                      \
                 ESPALIER_ACCUMULATOR_FLOAT32, select_byte),                                       \
    SELECT_ENTRY("2-byte codes", short, ESPALIER_BANK_SHORT, f64, ESPALIER_ACCUMULATOR_FLOAT64,    \
                 select_short),                                                                    \
    SELECT_ENTRY("2-byte codes, float32 sums", short, ESPALIER_BANK_SHORT, f32,                    \
                 ESPALIER_ACCUMULATOR_FLOAT32, select_short)

/* Bank BYTE with at most `columns` columns: one row by few##_..._sum_row, else as above. */
#define FEW_ENTRY(text, few, where, layout, bytes, width, sums, columns, least)                    \
    MASK_ENTRY("mask, " text ", up to " #columns " columns", where, ESPALIER_BANK_BYTE, bytes,     \
               sums, columns, least, few##_##layout##_##width##_sum_row,                           \
               byte_##layout##_##width##_sum_block, byte_##layout##_each_row)

#define FEW_ENTRIES(few, columns, least_heap, least_select)                                        \
    FEW_ENTRY("complete trees, 1-byte codes", few, ESPALIER_FILE_HEAP, heap, 2, f64,               \
              ESPALIER_ACCUMULATOR_FLOAT64, columns, least_heap),                                  \
    FEW_ENTRY("complete trees, 1-byte codes, float32 sums", few, ESPALIER_FILE_HEAP, heap, 2, f32, \
              ESPALIER_ACCUMULATOR_FLOAT32, columns, least_heap),                                  \
    FEW_ENTRY("any shape, 1-byte codes", few, ESPALIER_FILE_SELECT, select, 8, f64,                \
              ESPALIER_ACCUMULATOR_FLOAT64, columns, least_select),                                \
    FEW_ENTRY("any shape, 1-byte codes, float32 sums", few, ESPALIER_FILE_SELECT, select, 8, f32,  \
              ESPALIER_ACCUMULATOR_FLOAT32, columns, least_select)
/* clang-format on */

#endif
