// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel contract: what traverses trees and what ranks values, and what they are given. Kernels
 * get flat pointers, never models, caller rows or caller outputs. Includes C standard headers only.
 *
 * Preconditions, made by the predictor and by open; nodes, leaves and cuts may hold anything and
 * change at any moment:
 *  - WALK: for every tree, nodes[0 .. 2^child_bits] are readable (docs/format.md, "The child index
 *    bound"); for clamping kernels, nodes[0 .. last]. The cells of every row up
 *    to number column_mask are readable.
 *  - HEAP: a tree's positions are readable. SELECT: ESPALIER_SELECT_REACH nodes from the tree's
 *    first on are readable, and the whole of `places`.
 *  - HEAP, SELECT: codes are readable for every column c <= column_mask (bank BYTE: 255; SHORT: at
 *    least those of two columns), in rows as below; rows past the caller's last hold anything.
 *  - sum_block: row_count is a multiple of flight_rows.
 *  - answers: as said there, and zeros are where they belong before the first call.
 *  - The leaf table has leaf_last + 1 rows; HEAP: first_leaf + 2^depth, SELECT: first_leaf + 256
 *  are
 *    at most that. sums and positions have room for row_count rows.
 * Postconditions: at most depth steps per tree and row (SELECT: at most one per inner node); writes
 * sums, positions, places, and the answers and sums of `answers` only; every row adds its leaves in
 * the order of the trees, one rounding an addition; a row's result depends on its own values and
 * the model alone. All kernels that serve a part give the same bits.
 */
#ifndef ESPALIER_ENGINE_KERNELS_KERNEL_H
#define ESPALIER_ENGINE_KERNELS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define ESPALIER_FLIGHT_BITS 4u
#define ESPALIER_FLIGHT_ROWS 16u /* rows of a walk kernel's block whose cells are interleaved */
#define ESPALIER_GROUP_ROWS  64u /* rows of a mask kernel's block are coded in groups of so many */

/* SELECT: room for the values of places while a tree is evaluated, per lane of a group. */
#define ESPALIER_PLACE_COUNT 1536u

/* Rows that answer a test together: a cache line of bits, a register of AVX-512. */
#define ESPALIER_ANSWER_GROUPS  8u
#define ESPALIER_ANSWER_ROWS    512u /* those of all groups */
#define ESPALIER_ANSWER_COLUMNS 256u /* what a byte can name */

/* What 512 rows answer to one test: a bit a row. */
typedef struct espalier_answer {
    _Alignas(64) uint64_t groups[ESPALIER_ANSWER_GROUPS];
} espalier_answer;

/*
 * The tests that trees of bank BYTE share, and room for their answers: answer firsts[c] + t is that
 * to "code of column c > t" for t < lasts[c], the most that a code of the column can be. Behind
 * them is one of zeros, which also serves columns from column_count on.
 */
typedef struct espalier_answers {
    _Alignas(64) uint16_t firsts[ESPALIER_ANSWER_COLUMNS];
    _Alignas(64) uint16_t lasts[ESPALIER_ANSWER_COLUMNS];
    uint32_t column_count;
    uint32_t sum_slots;
    espalier_answer *answers;
    void *sums; /* [sum_slots][ANSWER_ROWS] scratch, of any accumulator's type */
} espalier_answers;

typedef struct espalier_kernel_tree {
    const uint8_t *nodes; /* position 0 */
    uint32_t depth;
    uint32_t slot;       /* first of leaf_width sums */
    uint32_t last;       /* the last position of the tree */
    uint32_t first_leaf; /* HEAP, SELECT */
    uint32_t leaf_count; /* HEAP, SELECT */
    uint32_t reserved;
} espalier_kernel_tree;

typedef struct espalier_kernel_arguments {
    const espalier_kernel_tree *trees;
    uint32_t tree_count;
    uint32_t child_bits;
    uint32_t child_mask;  /* 2^child_bits - 1 */
    uint32_t column_mask; /* 2^k - 1, of the part's bank */

    /* WALK: words of the columns. One row: [cell_stride]. A block: [row_count / FLIGHT_ROWS]
     * [cell_stride][FLIGHT_ROWS], so that the rows of a flight share the lines of the columns they
     * all test. The cell of column c is (c >> column_shift) & column_mask; the shift is 1 where the
     * columns of a pair are equal, else 0. */
    const uint32_t *cells;
    uint32_t column_shift;
    size_t cell_stride;
    uint32_t row_count;
    uint32_t leaf_last;
    uint32_t set_first; /* kernels with `sets`: cells of columns from here on are words of sets */

    /* HEAP, SELECT: uint8_t (bank BYTE) or uint16_t (bank SHORT), 64-byte aligned.
     * One row: [columns]. A block: [row_count / GROUP_ROWS][code_columns][GROUP_ROWS]. */
    const void *codes;
    size_t code_columns;
    /* SELECT, sum_block: scratch of ESPALIER_PLACE_COUNT x GROUP_ROWS lanes of the bank's width,
     * 64-byte aligned, zeroed once by the predictor and then the kernel's own. */
    void *places;
    /* HEAP, sum_block of kernels that share: tests to answer once for all trees, in blocks of
     * answer_groups_least groups or more; NULL: none. The answers are the kernel's own, but for
     * those of zeros. */
    const espalier_answers *answers;
    uint32_t answer_groups_least;

    /* Sums: of the accumulator's type, double or float. */
    const void *leaf_values; /* [leaf_last + 1][leaf_width] */
    void *sums;              /* [row_count][sum_stride]; holds the start values */
    size_t sum_stride;
    uint32_t leaf_width;

    /* each */
    uint32_t *positions; /* [tree_count], one row: where the walk ended; HEAP, SELECT: the leaf */
} espalier_kernel_arguments;

typedef void espalier_kernel_function(const espalier_kernel_arguments *arguments);

/* The kernels of one ISA level for one kind of part. */
typedef struct espalier_kernel {
    const char *name;     /* "walk, 8-byte nodes, scalar" */
    uint32_t isa;         /* espalier_isa */
    uint32_t layout;      /* ESPALIER_LAYOUT_... */
    uint32_t bank;        /* ESPALIER_BANK_... */
    uint32_t accumulator; /* ESPALIER_ACCUMULATOR_... */
    uint32_t node_bytes;
    uint32_t column_count_max; /* the most columns of the bank it serves; 0: any */
    uint32_t clamps;           /* 1: bounds every child by the tree's last position */
    uint32_t gathers;     /* 1: for processors on which gathers are fast, and parts whose nodes lie
                         within 4 GiB */
    uint32_t sets;        /* 1: tests bits of columns from set_first on */
    uint32_t answer_cost; /* sum_block takes answers, and one takes as long as a node takes so many
                             groups; 0: it does not */
    uint32_t flight_rows; /* sum_block wants multiples of so many rows, at least 1 */
    uint32_t least_rows;  /* so few rows take less time in sum_block than one by one */
    uint32_t block_rows;  /* the most rows of a block by default; 0: as usual */
    espalier_kernel_function *sum_row;   /* one row, many trees in flight; row_count is 1 */
    espalier_kernel_function *sum_block; /* many rows, one tree after the other */
    espalier_kernel_function *each_row;  /* one row: the position or leaf every walk ends at */
} espalier_kernel;

/* The kernels of a level, the ones to prefer first. A level that was not built has none. */
typedef struct espalier_kernel_list {
    const espalier_kernel *kernels;
    size_t count;
} espalier_kernel_list;

extern const espalier_kernel_list espalier_kernels__scalar;
extern const espalier_kernel_list espalier_kernels__avx2;
extern const espalier_kernel_list espalier_kernels__avx512;
extern const espalier_kernel_list espalier_kernels__avx512_vbmi;
extern const espalier_kernel_list espalier_kernels__neon;

/* ---- ranks ---- */

#define ESPALIER_CUT_LEVELS_MAX 6u /* 16^6 = 2^24 cuts */

/* A list of cuts as docs/format.md has it: levels of 16-item blocks, the one-block level first. */
typedef struct espalier_cut_list {
    const uint8_t *levels[ESPALIER_CUT_LEVELS_MAX]; /* 64-byte aligned */
    uint32_t last_block[ESPALIER_CUT_LEVELS_MAX];   /* blocks of the level, less one */
    uint32_t level_count;
    uint32_t cut_count;
} espalier_cut_list;

/*
 * Ranks: how many cuts lie strictly below a value. From the first level on: count the block's items
 * below the value, go to block 16 x block + count of the next level, bounded by its last block; the
 * rank is what comes out behind the last level, bounded by cut_count. NaN: the rank is 0. The
 * answer is the same on every level of ISA for any bytes in the cuts.
 */
typedef struct espalier_ranker {
    const char *name;
    uint32_t isa;
    /* values[count] against one list */
    void (*rank_block_float32)(const espalier_cut_list *list, const float *values, uint32_t count,
                               uint32_t *ranks);
    void (*rank_block_float64)(const espalier_cut_list *list, const double *values, uint32_t count,
                               uint32_t *ranks);
    /* values[i] against lists[i] */
    void (*rank_row_float32)(const espalier_cut_list *lists, const float *values, uint32_t count,
                             uint32_t *ranks);
    void (*rank_row_float64)(const espalier_cut_list *lists, const double *values, uint32_t count,
                             uint32_t *ranks);
} espalier_ranker;

/* NULL where the level was not built. */
extern const espalier_ranker *const espalier_ranker__scalar;
extern const espalier_ranker *const espalier_ranker__avx2;
extern const espalier_ranker *const espalier_ranker__avx512;
extern const espalier_ranker *const espalier_ranker__neon;

#endif
