// SPDX-License-Identifier: Apache-2.0
/*
 * convert/flatten: forests of every trainer in every layout and bank. The sections are read here
 * with layout.h alone, columns, cuts and nodes followed as docs/format.md says; every row must end
 * at the reference's leaves and sums.
 */
#include "convert/flatten.h"
#include "convert/flatten_work.h"
#include "convert/golden.h"
#include "convert/reference.h"
#include "engine/kernels/bits_tree.h"
#include "format/word.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 160u

/* ---- columns ---- */

static bool is_narrow(const espalier_flat *flat)
{
    return (flat->model.input_rule & ESPALIER_INPUT_FLOAT32) != 0;
}

static double read_cut(const espalier_flat *flat, const espalier_file_column *column, uint64_t item)
{
    const uint8_t *const list = (const uint8_t *)flat->cuts.data + column->first_cut;
    float narrow = 0.0F;
    double wide = 0.0;
    if (is_narrow(flat)) {
        memcpy(&narrow, list + item * sizeof narrow, sizeof narrow);
        return (double)narrow;
    }
    memcpy(&wide, list + item * sizeof wide, sizeof wide);
    return wide;
}

/* Blocks of each level of a list, the one-block level first. */
static uint32_t count_blocks(uint32_t cut_count, uint64_t *blocks)
{
    uint64_t levels[8];
    uint32_t count = 0;
    uint64_t items = cut_count;
    do {
        levels[count] = (items + ESPALIER_CUT_BLOCK - 1) / ESPALIER_CUT_BLOCK;
        items = levels[count++];
    } while (items > 1);
    for (uint32_t i = 0; i < count; i++) {
        blocks[i] = levels[count - 1 - i];
    }
    return count;
}

/* The rank as kernel.h has it: block by block, from the first level down. */
static uint32_t rank_value(const espalier_flat *flat, const espalier_file_column *column,
                           double value)
{
    uint64_t blocks[8];
    const uint32_t levels = count_blocks(column->cut_count, blocks);
    uint64_t first = 0;
    uint64_t block = 0;
    for (uint32_t level = 0; level < levels; level++) {
        uint64_t below = 0;
        block = block < blocks[level] ? block : blocks[level] - 1;
        for (uint64_t i = 0; i < ESPALIER_CUT_BLOCK; i++) {
            below += read_cut(flat, column, (first + block) * ESPALIER_CUT_BLOCK + i) < value;
        }
        first += blocks[level];
        block = block * ESPALIER_CUT_BLOCK + below;
    }
    return block < column->cut_count ? (uint32_t)block : column->cut_count;
}

static uint32_t code_segment(const espalier_file_column *column, uint32_t rank)
{
    const uint32_t width = column->bank == ESPALIER_BANK_BYTE ? 255 : 65535;
    const uint32_t before = column->segment * width;
    if (column->bank == ESPALIER_BANK_WORD) {
        assert_int_equal(column->segment, 0);
        return rank;
    }
    return rank < before ? 0 : rank - before < width ? rank - before : width;
}

/* What a column holds for a row: a word, or a code. */
static uint32_t read_column(const espalier_flat *flat, const espalier_file_column *column,
                            const double *row)
{
    if (column->kind == ESPALIER_COLUMN_LEAF) {
        return 0;
    }
    double value = is_narrow(flat) ? (double)(float)row[column->feature] : row[column->feature];
    if ((flat->model.input_rule & ESPALIER_INPUT_MISSING_NUMBER) != 0 &&
        value == flat->model.missing_number) {
        value = (double)NAN;
    }
    const bool tiny = fabs(value) <= (double)ESPALIER_TINY;
    if ((flat->model.input_rule & ESPALIER_INPUT_FLUSH_TINY) != 0 && tiny) {
        value = 0.0;
    }
    if (column->missing == ESPALIER_MISSING_AS_ZERO && isnan(value)) {
        value = 0.0;
    }
    const bool by_zero = column->missing == ESPALIER_MISSING_ZERO_LEFT ||
                         column->missing == ESPALIER_MISSING_ZERO_RIGHT;
    const bool left =
        column->missing == ESPALIER_MISSING_LEFT || column->missing == ESPALIER_MISSING_ZERO_LEFT;
    const bool missing = isnan(value) || (by_zero && tiny);
    if (column->kind == ESPALIER_COLUMN_FEATURE) {
        const uint32_t word = espalier_word_of((float)value);
        return !missing ? word : left ? 0 : UINT32_MAX;
    }
    const uint32_t rank = !missing ? rank_value(flat, column, value) : left ? 0 : column->cut_count;
    return code_segment(column, rank);
}

/* ---- trees ---- */

/* Where a row ends: leaf_out is a row of the leaf table; the trainer's number is returned. */
static uint32_t read_number(const espalier_flat *flat, uint64_t place)
{
    uint32_t number = 0;
    const uint32_t bytes = flat->model.number_bytes;
    assert_true((place + 1) * bytes <= flat->node_numbers.bytes);
    memcpy(&number, (const uint8_t *)flat->node_numbers.data + place * bytes, bytes);
    return number;
}

static uint32_t follow_walk(const espalier_flat *flat, const espalier_file_tree *tree,
                            const uint32_t *columns, uint32_t *position_out)
{
    uint32_t position = 0;
    for (uint32_t step = 0; step <= tree->depth; step++) {
        espalier_file_node_wide node = {0, 0, 0, 0};
        memcpy(&node,
               (const uint8_t *)flat->nodes.data +
                   (tree->first_node + position) * flat->parts[0].node_bytes,
               flat->parts[0].node_bytes);
        if (flat->parts[0].node_bytes == sizeof(espalier_file_node)) {
            node.column = node.child >> flat->parts[0].child_bits;
            node.child &= (UINT32_C(1) << flat->parts[0].child_bits) - 1;
        }
        if (node.child == position) {
            *position_out = position;
            return node.threshold;
        }
        const bool left = columns[node.column] <= UINT32_MAX - node.threshold;
        position = left ? node.child : node.child + 1;
    }
    fail_msg("no leaf after %u steps", (unsigned)tree->depth);
    return 0;
}

static uint32_t read_small(const uint8_t *place, uint32_t bytes)
{
    return bytes == 1 ? place[0] : (uint32_t)place[0] | (uint32_t)place[1] << 8;
}

static uint32_t follow_heap(const espalier_flat *flat, const espalier_file_tree *tree,
                            const uint32_t *columns)
{
    const uint32_t width = flat->parts[0].node_bytes / 2;
    const uint8_t *const nodes =
        (const uint8_t *)flat->nodes.data + tree->first_node * flat->parts[0].node_bytes;
    uint32_t h = 1;
    for (uint32_t level = 0; level < tree->depth; level++) {
        const uint32_t column = read_small(nodes + h * width, width);
        const uint32_t threshold = read_small(nodes + (tree->node_count + h) * width, width);
        h = 2 * h + (columns[column] > threshold);
    }
    return h - (UINT32_C(1) << tree->depth);
}

static uint32_t follow_select(const espalier_flat *flat, const espalier_file_tree *tree,
                              const uint32_t *columns)
{
    const uint32_t first = ESPALIER_SELECT_LEAVES - (tree->leaf_count - 1);
    uint32_t place = first;
    for (uint32_t step = 0; step < tree->depth && place < ESPALIER_SELECT_LEAVES; step++) {
        espalier_file_node_select node;
        memcpy(&node,
               (const uint8_t *)flat->nodes.data + (tree->first_node + place - first) * sizeof node,
               sizeof node);
        assert_true(node.left < ESPALIER_SELECT_REACH && node.right < ESPALIER_SELECT_REACH);
        place += 1u + (columns[node.column] > node.threshold ? node.right : node.left);
    }
    assert_in_range(place, ESPALIER_SELECT_LEAVES, ESPALIER_SELECT_LEAVES + tree->leaf_count - 1);
    return place - ESPALIER_SELECT_LEAVES;
}

/* By the words' definition, and by the tree they must be: the two agree. */
static uint32_t follow_bits(const espalier_flat *flat, const espalier_file_tree *tree,
                            const uint32_t *columns)
{
    const uint8_t *const nodes =
        (const uint8_t *)flat->nodes.data + tree->first_node * ESPALIER_BITS_NODE_BYTES;
    const uint32_t inner = tree->leaf_count - 1;
    uint32_t cleared = 0;
    for (uint32_t i = 0; i < ESPALIER_BITS_LEAVES; i++) {
        uint32_t word = 0;
        memcpy(&word, nodes + 64 + sizeof word * espalier_bits_word(i), sizeof word);
        assert_true(i < inner ? word != 0 : word == 0 && nodes[i] == 0 && nodes[32 + i] == 255);
        cleared |= columns[nodes[i]] > nodes[32 + i] ? word : 0;
    }
    uint32_t leaf = 0;
    while (leaf < 31 && (cleared >> leaf & 1) != 0) {
        leaf++;
    }
    espalier_bits_tree children;
    assert_true(espalier_bits_tree_of(nodes, tree->leaf_count, &children));
    uint32_t position = 0;
    for (uint32_t step = 0; step < tree->depth && position < inner; step++) {
        position = columns[nodes[position]] > nodes[32 + position] ? children.right[position]
                                                                   : children.left[position];
    }
    assert_int_equal(position, inner + leaf);
    return leaf;
}

/* Adds a leaf's row to the sums. */
static void add_leaf(const espalier_flat *flat, const espalier_file_tree *tree, uint64_t leaf,
                     double *sums)
{
    const uint32_t width = flat->parts[0].leaf_width;
    assert_true(leaf < flat->parts[0].leaf_count);
    for (uint32_t i = 0; i < width; i++) {
        double *const sum = &sums[tree->slot + i];
        if (flat->parts[0].accumulator == ESPALIER_ACCUMULATOR_FLOAT32) {
            *sum = (double)((float)*sum + ((const float *)flat->leaves.data)[leaf * width + i]);
        } else {
            *sum += ((const double *)flat->leaves.data)[leaf * width + i];
        }
    }
}

/* Evaluates a row from the sections alone, without dividing. */
static void evaluate(const espalier_flat *flat, const double *row, uint32_t *columns, double *sums,
                     uint32_t *leaves)
{
    const espalier_file_column *const records = flat->columns.data;
    const espalier_file_tree *const trees = flat->trees.data;
    const bool numbered = flat->model.number_bytes != 0;
    for (uint64_t i = 0; i < flat->columns.bytes / sizeof *records; i++) {
        columns[i] = read_column(flat, &records[i], row);
    }
    for (uint32_t i = 0; i < flat->parts[0].slot_count; i++) {
        sums[i] = flat->parts[0].start == ESPALIER_START_CONSTANTS
                      ? ((const double *)flat->constants.data)[i]
                      : 0.0;
    }
    uint64_t numbers = 0;
    for (uint32_t i = 0; i < flat->parts[0].tree_count; i++) {
        uint32_t leaf = 0;
        uint32_t place = 0;
        if (flat->parts[0].layout == ESPALIER_FILE_WALK) {
            leaf = follow_walk(flat, &trees[i], columns, &place);
        } else {
            place = flat->parts[0].layout == ESPALIER_FILE_HEAP
                        ? follow_heap(flat, &trees[i], columns)
                    : flat->parts[0].layout == ESPALIER_FILE_BITS
                        ? follow_bits(flat, &trees[i], columns)
                        : follow_select(flat, &trees[i], columns);
            leaf = trees[i].first_leaf + place;
        }
        leaves[i] = numbered ? read_number(flat, numbers + place) : UINT32_MAX;
        numbers +=
            flat->parts[0].layout == ESPALIER_FILE_WALK ? trees[i].node_count : trees[i].leaf_count;
        if (trees[i].iteration < flat->parts[0].default_iteration_count) {
            add_leaf(flat, &trees[i], leaf, sums);
        }
    }
}

/* ---- tables ---- */

static void check_columns(const espalier_flat *flat)
{
    const espalier_file_column *const columns = flat->columns.data;
    const uint64_t count = flat->columns.bytes / sizeof *columns;
    uint64_t end = 0;
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(columns[i].bank, flat->parts[0].bank);
        if (columns[i].kind != ESPALIER_COLUMN_CODE) {
            continue;
        }
        assert_int_equal(columns[i].first_cut % 64, 0);
        if (columns[i].segment != 0) {
            assert_int_equal(columns[i].segment, columns[i - 1].segment + 1);
            assert_int_equal(columns[i].first_cut, columns[i - 1].first_cut);
            assert_int_equal(columns[i].feature, columns[i - 1].feature);
            continue;
        }
        uint64_t blocks[8];
        const uint32_t levels = count_blocks(columns[i].cut_count, blocks);
        uint64_t items = 0;
        for (uint32_t level = 0; level < levels; level++) {
            items += blocks[level] * ESPALIER_CUT_BLOCK;
        }
        /* NaN left shares the list of NaN right, or has its own. */
        const uint64_t bytes = items * (is_narrow(flat) ? 4 : 8);
        const bool shares = i > 0 && columns[i].missing == ESPALIER_MISSING_LEFT &&
                            columns[i - 1].feature == columns[i].feature &&
                            columns[i - 1].missing == ESPALIER_MISSING_RIGHT &&
                            columns[i - 1].cut_count == columns[i].cut_count &&
                            columns[i].first_cut != end;
        assert_int_equal(columns[i].first_cut, shares ? end - bytes : end);
        end += shares ? 0 : bytes;
        const uint64_t first = items - blocks[levels - 1] * ESPALIER_CUT_BLOCK;
        for (uint64_t j = first + 1; j < items; j++) {
            const double cut = read_cut(flat, &columns[i], j);
            const bool real = j < first + columns[i].cut_count;
            assert_true(real ? cut > read_cut(flat, &columns[i], j - 1) : isinf(cut) && cut > 0);
        }
    }
    assert_int_equal(flat->cuts.bytes, end);
    assert_true(flat->parts[0].bank != ESPALIER_BANK_BYTE || count <= 256);
    assert_true(flat->parts[0].bank != ESPALIER_BANK_SHORT || count <= 65536);
}

static void check_trees(const espalier_flat *flat)
{
    const espalier_file_tree *const trees = flat->trees.data;
    const bool heap = flat->parts[0].layout == ESPALIER_FILE_HEAP;
    const bool bits = flat->parts[0].layout == ESPALIER_FILE_BITS;
    const uint32_t shape_leaves = bits ? 32 : 256;
    uint64_t nodes = 0;
    uint64_t rows = 0;
    for (uint32_t i = 0; i < flat->parts[0].tree_count; i++) {
        assert_int_equal(trees[i].first_node, nodes);
        nodes += trees[i].node_count;
        if (flat->parts[0].layout == ESPALIER_FILE_WALK) {
            assert_int_equal(trees[i].first_leaf, 0);
            assert_int_equal(trees[i].leaf_count, 0);
            continue;
        }
        assert_int_equal(trees[i].first_leaf, rows);
        rows += trees[i].leaf_count;
        if (heap) {
            assert_in_range(trees[i].depth, 1, 8);
            assert_int_equal(trees[i].leaf_count, 1 << trees[i].depth);
            assert_int_equal(trees[i].node_count,
                             trees[i].leaf_count > 32 ? trees[i].leaf_count : 32);
        } else {
            assert_int_equal(trees[i].leaf_count, (trees[i].source_node_count + 1) / 2);
            const uint32_t decisions = trees[i].leaf_count - 1;
            const uint32_t select_nodes = decisions > 0 ? (decisions + 7) / 8 * 8 : 8;
            assert_int_equal(trees[i].node_count, bits ? 32 : select_nodes);
        }
        assert_true(trees[i].first_leaf + (heap ? trees[i].leaf_count : shape_leaves) <=
                    flat->parts[0].leaf_count);
    }
    assert_int_equal(flat->nodes.bytes, nodes * flat->parts[0].node_bytes);
    assert_int_equal(flat->leaves.bytes,
                     (uint64_t)flat->parts[0].leaf_count * flat->parts[0].leaf_width *
                         (flat->parts[0].accumulator == ESPALIER_ACCUMULATOR_FLOAT32 ? 4 : 8));
    if (flat->parts[0].layout != ESPALIER_FILE_WALK) {
        assert_int_equal(flat->node_numbers.bytes, rows * flat->model.number_bytes);
    }
}

/* ---- a forest in a layout ---- */

static void compare_row(const espalier_forest *forest, const espalier_flat *flat,
                        espalier_golden *golden, uint64_t index)
{
    const uint32_t slots = espalier_reference_slot_count(forest);
    double *const row = calloc(forest->feature_count, sizeof *row);
    uint32_t *const columns =
        calloc(flat->columns.bytes / sizeof(espalier_file_column) + 1, sizeof *columns);
    double *const sums = calloc((size_t)slots * 2, sizeof *sums);
    uint32_t *const leaves = calloc((size_t)forest->tree_count * 2, sizeof *leaves);
    assert_true(row != NULL && columns != NULL && sums != NULL && leaves != NULL);
    espalier_golden_row(golden, index, row);
    evaluate(flat, row, columns, sums, leaves);
    espalier_reference_evaluate_float64(forest, row, 1, sums + slots, leaves + forest->tree_count);
    if (flat->parts[0].divisor == ESPALIER_DIVISOR_ITERATIONS) {
        for (uint32_t i = 0; i < slots; i++) {
            sums[i] /= (double)flat->parts[0].default_iteration_count;
        }
    }
    assert_memory_equal(sums, sums + slots, slots * sizeof *sums);
    if (flat->model.number_bytes != 0) {
        assert_memory_equal(leaves, leaves + forest->tree_count,
                            forest->tree_count * sizeof *leaves);
    }
    free(row);
    free(columns);
    free(sums);
    free(leaves);
}

static espalier_flat flatten_or_fail(const espalier_forest *forest, uint32_t layout)
{
    espalier_flat flat;
    espalier_error error;
    if (espalier_flatten_to(forest, layout, "forest", &flat, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return flat;
}

/* Returns the bank. */
static uint32_t check_layout(const espalier_forest *forest, uint32_t layout)
{
    espalier_flat flat = flatten_or_fail(forest, layout);
    espalier_golden golden;
    assert_int_equal(espalier_golden_init(&golden, forest, NULL), ESPALIER_OK);
    assert_int_equal(flat.parts[0].layout, layout);
    check_columns(&flat);
    check_trees(&flat);
    for (uint64_t i = 0; i < ROWS; i++) {
        compare_row(forest, &flat, &golden, i);
    }
    const uint32_t bank = flat.parts[0].bank;
    espalier_golden_free(&golden);
    espalier_flat_free(&flat);
    return bank;
}

/* ---- tests ---- */

/* Shallow forests of every trainer: all layouts can hold them. */
static const synthetic_options shallow[] = {
    {.seed = 31, .tree_count = 40, .feature_count = 7, .decision_count_max = 40, .depth_max = 6},
    {.seed = 32,
     .tree_count = 30,
     .feature_count = 9,
     .decision_count_max = 200,
     .depth_max = 8,
     .class_count = 3,
     .missing_allowed = true},
    {.seed = 33,
     .tree_count = 50,
     .feature_count = 12,
     .decision_count_max = 63,
     .depth_max = 6,
     .cut_count = 40,
     .trainer = SYNTHETIC_XGBOOST},
    {.seed = 34,
     .tree_count = 60,
     .feature_count = 20,
     .decision_count_max = 90,
     .depth_max = 7,
     .class_count = 3,
     .default_iterations = 11,
     .trainer = SYNTHETIC_XGBOOST},
    {.seed = 35,
     .tree_count = 64,
     .feature_count = 10,
     .decision_count_max = 30,
     .depth_max = 8,
     .cut_count = 25,
     .trainer = SYNTHETIC_LIGHTGBM},
    {.seed = 36,
     .tree_count = 45,
     .feature_count = 6,
     .decision_count_max = 100,
     .depth_max = 8,
     .class_count = 5,
     .averaged = true,
     .trainer = SYNTHETIC_LIGHTGBM},
};

static void test_shallow_forests_in_every_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shallow / sizeof shallow[0]; i++) {
        synthetic_options options = shallow[i];
        options.group_count = 1;
        options.shape = SYNTHETIC_BEST_FIRST;
        espalier_forest forest;
        synthetic_forest_make(&options, &forest);
        assert_int_equal(check_layout(&forest, ESPALIER_LAYOUT_WALK), ESPALIER_BANK_WORD);
        assert_int_not_equal(check_layout(&forest, ESPALIER_LAYOUT_HEAP), ESPALIER_BANK_WORD);
        assert_int_not_equal(check_layout(&forest, ESPALIER_LAYOUT_SELECT), ESPALIER_BANK_WORD);
        espalier_forest_free(&forest);

        options.decision_count_max = options.decision_count_max % 32;
        synthetic_forest_make(&options, &forest);
        assert_int_equal(check_layout(&forest, ESPALIER_LAYOUT_BITS), ESPALIER_BANK_BYTE);
        espalier_forest_free(&forest);
    }
}

/* 32 leaves on a chain to either side, and in trees of every shape. */
static void test_full_trees_of_bits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        const synthetic_options options = {
            .seed = seed,
            .tree_count = 6,
            .feature_count = 3,
            .decision_count_max = 31,
            .group_count = 1,
            .shape = seed % 3 == 0   ? SYNTHETIC_CHAIN
                     : seed % 3 == 1 ? SYNTHETIC_PREORDER
                                     : SYNTHETIC_BEST_FIRST,
            .missing_allowed = true,
            .trainer = seed % 2 == 0 ? SYNTHETIC_XGBOOST : SYNTHETIC_LIGHTGBM,
        };
        espalier_forest forest;
        synthetic_forest_make(&options, &forest);
        assert_int_equal(check_layout(&forest, ESPALIER_LAYOUT_BITS), ESPALIER_BANK_BYTE);
        espalier_forest_free(&forest);
    }
}

/* A chain of 255 splits, 256 leaves; for float64 and float32 trainers. */
static void test_chains_and_full_trees(void **state)
{
    (void)state;
    const synthetic_trainer trainers[] = {SYNTHETIC_FOREST, SYNTHETIC_XGBOOST, SYNTHETIC_LIGHTGBM};
    for (size_t i = 0; i < sizeof trainers / sizeof trainers[0]; i++) {
        for (size_t j = 0; j < 2; j++) {
            const synthetic_options options = {
                .seed = 40 + i,
                .tree_count = 4,
                .feature_count = 5,
                .decision_count_max = 255,
                .group_count = 1,
                .shape = j == 0 ? SYNTHETIC_CHAIN : SYNTHETIC_PREORDER,
                .missing_allowed = true,
                .trainer = trainers[i],
            };
            espalier_forest forest;
            synthetic_forest_make(&options, &forest);
            (void)check_layout(&forest, ESPALIER_LAYOUT_SELECT);
            (void)check_layout(&forest, ESPALIER_LAYOUT_WALK);
            espalier_forest_free(&forest);
        }
    }
}

/* Trees of one leaf among others, and alone. */
static void test_trees_that_decide_nothing(void **state)
{
    (void)state;
    synthetic_options options = {.seed = 50,
                                 .tree_count = 20,
                                 .feature_count = 3,
                                 .decision_count_max = 1,
                                 .group_count = 1,
                                 .shape = SYNTHETIC_BEST_FIRST,
                                 .trainer = SYNTHETIC_XGBOOST};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    uint32_t lone = 0;
    for (uint32_t i = 0; i < forest.tree_count; i++) {
        lone += forest.trees[i].node_count == 1;
    }
    assert_in_range(lone, 1, 19);
    (void)check_layout(&forest, ESPALIER_LAYOUT_HEAP);
    (void)check_layout(&forest, ESPALIER_LAYOUT_SELECT);
    (void)check_layout(&forest, ESPALIER_LAYOUT_BITS);
    (void)check_layout(&forest, ESPALIER_LAYOUT_WALK);
    espalier_forest_free(&forest);

    options.decision_count_max = 0;
    synthetic_forest_make(&options, &forest);
    espalier_flat flat;
    espalier_error error;
    assert_int_equal(espalier_flatten_to(&forest, ESPALIER_LAYOUT_MASK, "x", &flat, &error),
                     ESPALIER_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "no tree decides anything"));
    flat = flatten_or_fail(&forest, ESPALIER_LAYOUT_ANY);
    assert_string_equal(flat.layout, "walk");
    assert_string_equal(flat.why, "walk: no tree decides anything");
    espalier_flat_free(&flat);
    (void)check_layout(&forest, ESPALIER_LAYOUT_WALK);
    espalier_forest_free(&forest);
}

/* 300 cuts take two byte segments; more than 256 of those take two-byte codes. */
static void test_segments_and_banks(void **state)
{
    (void)state;
    const struct {
        uint32_t features;
        uint32_t cuts;
        uint32_t trees;
        uint32_t bank;
    } cases[] = {{3, 300, 60, ESPALIER_BANK_BYTE},  {2, 256, 60, ESPALIER_BANK_BYTE},
                 {2, 255, 60, ESPALIER_BANK_BYTE},  {200, 20, 60, ESPALIER_BANK_SHORT},
                 {600, 2, 20, ESPALIER_BANK_SHORT}, {1, 0, 600, ESPALIER_BANK_SHORT}};
    const synthetic_trainer trainers[] = {SYNTHETIC_XGBOOST, SYNTHETIC_LIGHTGBM};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const synthetic_options options = {
            .seed = 60 + i,
            .tree_count = cases[i / 2].trees,
            .feature_count = cases[i / 2].features,
            .decision_count_max = 255,
            .group_count = 1,
            .shape = SYNTHETIC_BEST_FIRST,
            .depth_max = 8,
            .cut_count = cases[i / 2].cuts,
            .trainer = trainers[i % 2],
        };
        espalier_forest forest;
        synthetic_forest_make(&options, &forest);
        assert_int_equal(check_layout(&forest, ESPALIER_LAYOUT_SELECT), cases[i / 2].bank);
        assert_int_equal(check_layout(&forest, ESPALIER_LAYOUT_HEAP), cases[i / 2].bank);
        assert_int_equal(check_layout(&forest, ESPALIER_LAYOUT_WALK), ESPALIER_BANK_WORD);
        espalier_forest_free(&forest);
    }
}

/* So many cuts on one feature that two-byte codes take two segments. */
static void test_seventy_thousand_cuts(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 71,
                                       .tree_count = 450,
                                       .feature_count = 1,
                                       .decision_count_max = 255,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_PREORDER};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    espalier_flat flat = flatten_or_fail(&forest, ESPALIER_LAYOUT_SELECT);
    const espalier_file_column *const columns = flat.columns.data;
    assert_int_equal(flat.parts[0].bank, ESPALIER_BANK_SHORT);
    assert_int_equal(flat.columns.bytes, 2 * sizeof *columns);
    assert_in_range(columns[0].cut_count, 70000, 131070);
    assert_int_equal(columns[1].segment, 1);
    espalier_flat_free(&flat);
    (void)check_layout(&forest, ESPALIER_LAYOUT_SELECT);
    espalier_forest_free(&forest);
}

/* ---- choosing ---- */

static void expect_choice(const synthetic_options *options, const char *layout, const char *why)
{
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    espalier_flat flat = flatten_or_fail(&forest, ESPALIER_LAYOUT_ANY);
    assert_string_equal(flat.layout, layout);
    if (strstr(flat.why, why) == NULL) {
        fail_msg("%s", flat.why);
    }
    espalier_flat_free(&flat);
    espalier_forest_free(&forest);
}

static void test_the_shape_decides(void **state)
{
    (void)state;
    synthetic_options options = {.seed = 81,
                                 .tree_count = 20,
                                 .feature_count = 10,
                                 .decision_count_max = 63,
                                 .group_count = 1,
                                 .shape = SYNTHETIC_BEST_FIRST,
                                 .depth_max = 6,
                                 .cut_count = 50,
                                 .trainer = SYNTHETIC_XGBOOST};
    expect_choice(&options, "heap", "mask, complete trees: at most 6 levels, 20 byte columns");
    options.depth_max = 0;
    options.decision_count_max = 30;
    expect_choice(&options, "bits", "mask, trees of any shape: at most 31 leaves, 20 byte");
    options.decision_count_max = 33;
    expect_choice(&options, "select", "mask, trees of any shape: at most 34 leaves, 20 byte");
    options.decision_count_max = 300;
    expect_choice(&options, "walk", "leaves; masks hold 8 or 256");
    options.decision_count_max = 30;
    options.trainer = SYNTHETIC_FOREST;
    options.class_count = 20000;
    expect_choice(&options, "walk", "leaves of 20000 values");
}

/* Complete trees of scikit-learn are walked where HEAP has more nodes to test than a tree may cost
 * by itself, or more features to code; unless trees share their thresholds, as those of XGBoost
 * do. */
static void test_forests_of_their_own_thresholds_walk(void **state)
{
    (void)state;
    static const struct {
        uint32_t depth;
        uint32_t decisions;
        uint32_t classes;
        uint32_t features;
        uint32_t cuts;
        synthetic_trainer trainer;
        const char *layout;
    } cases[] = {
        {8, 250, 2, 8, 0, SYNTHETIC_FOREST, "walk"},  {6, 60, 2, 8, 0, SYNTHETIC_FOREST, "heap"},
        {6, 60, 2, 50, 0, SYNTHETIC_FOREST, "walk"},  {7, 120, 0, 8, 0, SYNTHETIC_FOREST, "heap"},
        {7, 120, 0, 50, 0, SYNTHETIC_FOREST, "walk"}, {6, 60, 0, 50, 0, SYNTHETIC_FOREST, "heap"},
        {6, 60, 7, 50, 0, SYNTHETIC_FOREST, "heap"},  {7, 120, 7, 8, 0, SYNTHETIC_FOREST, "walk"},
        {8, 250, 2, 8, 20, SYNTHETIC_FOREST, "heap"}, {8, 250, 0, 8, 0, SYNTHETIC_XGBOOST, "heap"},
        {4, 15, 2, 200, 0, SYNTHETIC_FOREST, "heap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const synthetic_options options = {.seed = 85 + i,
                                           .tree_count = 200,
                                           .feature_count = cases[i].features,
                                           .decision_count_max = cases[i].decisions,
                                           .group_count = 1,
                                           .class_count = cases[i].classes,
                                           .shape = SYNTHETIC_BEST_FIRST,
                                           .depth_max = cases[i].depth,
                                           .cut_count = cases[i].cuts,
                                           .trainer = cases[i].trainer};
        const bool walks = strcmp(cases[i].layout, "walk") == 0;
        expect_choice(&options, cases[i].layout,
                      walks ? "thresholds mostly asked for once" : "complete trees");
    }
}

/* Nodes of complete trees for each decision, in hundredths; *leaf_max: of the largest tree. */
static uint32_t measure_ratio(const synthetic_options *options, uint32_t *leaf_max)
{
    espalier_forest forest;
    uint64_t nodes = 0;
    uint64_t decisions = 0;
    synthetic_forest_make(options, &forest);
    *leaf_max = 0;
    for (uint32_t i = 0; i < forest.tree_count; i++) {
        const espalier_forest_tree *const tree = &forest.trees[i];
        nodes += (UINT64_C(1) << tree->depth) - 1;
        decisions += tree->leaf_count - 1;
        *leaf_max = tree->leaf_count > *leaf_max ? (uint32_t)tree->leaf_count : *leaf_max;
    }
    espalier_forest_free(&forest);
    return (uint32_t)(100 * nodes / decisions);
}

/* Up to 64 leaves, which one row goes through by registers, complete trees may have 13/6 nodes a
 * decision; of more leaves 18/6, since a row would walk the other layout. */
static void test_leaves_that_rows_walk(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t depth;
        uint32_t decisions;
        uint32_t leaves[2]; /* of the largest tree: between these */
        uint32_t ratio[2];
        const char *layout;
    } cases[] = {
        {82, 7, 63, {64, 64}, {217, 299}, "select"},
        {84, 7, 64, {65, 65}, {217, 299}, "heap"},
        {82, 8, 135, {65, 256}, {217, 299}, "heap"},
        {82, 8, 95, {65, 256}, {301, 400}, "select"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const synthetic_options options = {.seed = cases[i].seed,
                                           .tree_count = 20,
                                           .feature_count = 10,
                                           .decision_count_max = cases[i].decisions,
                                           .group_count = 1,
                                           .shape = SYNTHETIC_BEST_FIRST,
                                           .depth_max = cases[i].depth,
                                           .cut_count = 50,
                                           .trainer = SYNTHETIC_XGBOOST};
        uint32_t leaves = 0;
        assert_in_range(measure_ratio(&options, &leaves), cases[i].ratio[0], cases[i].ratio[1]);
        assert_in_range(leaves, cases[i].leaves[0], cases[i].leaves[1]);
        expect_choice(&options, cases[i].layout, "mask, ");
    }
}

static void expect_limit(const espalier_forest *forest, uint32_t layout, const char *part)
{
    espalier_flat flat;
    espalier_error error;
    assert_int_equal(espalier_flatten_to(forest, layout, "x.json", &flat, &error),
                     ESPALIER_ERROR_LIMIT);
    if (strstr(error.message, part) == NULL) {
        fail_msg("%s", error.message);
    }
}

static void test_layouts_that_cannot_hold_it(void **state)
{
    (void)state;
    const synthetic_options deep = {.seed = 91,
                                    .tree_count = 2,
                                    .feature_count = 4,
                                    .decision_count_max = 600,
                                    .group_count = 1,
                                    .shape = SYNTHETIC_CHAIN};
    espalier_forest forest;
    synthetic_forest_make(&deep, &forest);
    expect_limit(&forest, ESPALIER_LAYOUT_HEAP, "x.json: the heap layout cannot hold it: ");
    expect_limit(&forest, ESPALIER_LAYOUT_HEAP, "levels in a tree, at most 8");
    expect_limit(&forest, ESPALIER_LAYOUT_SELECT, "leaves in a tree, at most 256");
    expect_limit(&forest, ESPALIER_LAYOUT_MASK, "leaves in a tree, at most 256");
    expect_limit(&forest, ESPALIER_LAYOUT_BITS, "x.json: the bits layout cannot hold it: ");
    expect_limit(&forest, ESPALIER_LAYOUT_BITS, "leaves in a tree, at most 32");
    espalier_forest_free(&forest);

    const synthetic_options broad = {.seed = 92,
                                     .tree_count = 700,
                                     .feature_count = 70000,
                                     .decision_count_max = 255,
                                     .group_count = 1,
                                     .missing_allowed = true};
    synthetic_forest_make(&broad, &forest);
    expect_limit(&forest, ESPALIER_LAYOUT_SELECT, "columns of at most 65,535 cuts, at most 65536");
    espalier_forest_free(&forest);

    const synthetic_options wide = {.seed = 93,
                                    .tree_count = 60,
                                    .feature_count = 300,
                                    .decision_count_max = 31,
                                    .group_count = 1,
                                    .shape = SYNTHETIC_BEST_FIRST,
                                    .trainer = SYNTHETIC_XGBOOST};
    synthetic_forest_make(&wide, &forest);
    expect_limit(&forest, ESPALIER_LAYOUT_BITS, "columns of at most 255 cuts, at most 256");
    espalier_forest_free(&forest);
}

/*
 * One feature with one threshold more than a column can have cuts. Masks took it, and the file that
 * came of it did not open; a walk compares float32 as it is. Only what choosing reads is there: the
 * shape of the trees, and decisions without leaves.
 */
static void test_more_cuts_than_a_column_has(void **state)
{
    (void)state;
    const uint32_t cut_count = ESPALIER_LIMIT_CUTS + 1;
    espalier_forest_tree tree = {.node_count = 511, .leaf_count = 256, .depth = 255};
    uint32_t width = 1;
    espalier_forest forest = {.trees = &tree,
                              .tree_count = 1,
                              .node_count = cut_count,
                              .left = calloc(cut_count, sizeof(uint32_t)),
                              .feature = calloc(cut_count, sizeof(uint32_t)),
                              .threshold = malloc(cut_count * sizeof(double)),
                              .missing_left = calloc(cut_count, 1),
                              .leaf_width = 1,
                              .group_count = 1,
                              .group_width = &width,
                              .feature_count = 1};
    assert_true(forest.left != NULL && forest.feature != NULL && forest.threshold != NULL &&
                forest.missing_left != NULL);
    for (uint32_t i = 0; i < cut_count; i++) {
        forest.threshold[i] = (double)i; /* each a float32 */
    }
    expect_limit(&forest, ESPALIER_LAYOUT_SELECT,
                 "x.json: the select layout cannot hold it: 16777217 cuts in one column, at most "
                 "16777216");
    espalier_flat flat = {0};
    espalier_error error;
    espalier_flattening work = {.forest = &forest,
                                .source = "x.json",
                                .error = &error,
                                .flat = &flat};
    uint64_t count = 0;
    assert_int_equal(espalier_columns_init(&work.columns, &forest, &count), ESPALIER_OK);
    assert_int_equal(espalier_flatten_choose(&work, ESPALIER_LAYOUT_ANY), ESPALIER_OK);
    assert_string_equal(flat.layout, "walk");
    assert_string_equal(flat.why, "walk: 16777217 cuts in one column; masks hold 16777216");
    espalier_columns_free(&work.columns);
    free(forest.left);
    free(forest.feature);
    free(forest.threshold);
    free(forest.missing_left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shallow_forests_in_every_layout),
        cmocka_unit_test(test_full_trees_of_bits),
        cmocka_unit_test(test_chains_and_full_trees),
        cmocka_unit_test(test_trees_that_decide_nothing),
        cmocka_unit_test(test_segments_and_banks),
        cmocka_unit_test(test_seventy_thousand_cuts),
        cmocka_unit_test(test_the_shape_decides),
        cmocka_unit_test(test_forests_of_their_own_thresholds_walk),
        cmocka_unit_test(test_leaves_that_rows_walk),
        cmocka_unit_test(test_layouts_that_cannot_hold_it),
        cmocka_unit_test(test_more_cuts_than_a_column_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
