// SPDX-License-Identifier: Apache-2.0
/*
 * Broken rules that verify checks of ranks, HEAP, SELECT and BITS nodes, their numbers, and cuts.
 */
#include "tests/support/damage.h"

#include <math.h>
#include <string.h>

/* ---- ranks ---- */

static inline void set_root_threshold(const model_bytes *m, uint32_t rank)
{
    RECORD(m, NODES, espalier_file_node)[0].threshold = UINT32_MAX - rank;
}

DAMAGE(rank_beyond)
{
    const espalier_file_node *const root = RECORD(m, NODES, espalier_file_node);
    const espalier_file_column *const columns = RECORD(m, COLUMNS, espalier_file_column);
    const uint32_t child_bits = RECORD(m, PARTS, espalier_file_part)->child_bits;
    set_root_threshold(m, columns[root->word >> child_bits].cut_count);
}

DAMAGE(rank_far)
{
    set_root_threshold(m, UINT32_MAX);
}

/* ---- HEAP: byte codes ---- */

static inline const espalier_file_tree *heap_trees(const model_bytes *m)
{
    return RECORD(m, TREES, espalier_file_tree);
}

static inline uint8_t *heap_columns(const model_bytes *m, const espalier_file_tree *tree)
{
    return RECORD(m, NODES, uint8_t) + tree->first_node * 2;
}

static inline uint8_t *heap_thresholds(const model_bytes *m, const espalier_file_tree *tree)
{
    return heap_columns(m, tree) + tree->node_count;
}

/* The first filler that has fillers below it, and its tree. */
static inline uint32_t find_filler(const model_bytes *m, const espalier_file_tree **tree_out)
{
    const espalier_file_tree *tree = heap_trees(m);
    for (;; tree++) {
        for (uint32_t h = 1; h < tree->leaf_count / 2; h++) {
            if (heap_thresholds(m, tree)[h] == UINT8_MAX) {
                *tree_out = tree;
                return h;
            }
        }
    }
}

DAMAGE(heap_column)
{
    heap_columns(m, heap_trees(m))[1] = UINT8_MAX;
}

DAMAGE(heap_threshold)
{
    heap_thresholds(m, heap_trees(m))[1] = UINT8_MAX - 1;
}

DAMAGE(heap_entry_0)
{
    heap_columns(m, heap_trees(m))[0] = 1;
}

DAMAGE(heap_entry_last)
{
    const espalier_file_tree *tree = heap_trees(m);
    while (tree->leaf_count == tree->node_count) {
        tree++;
    }
    heap_thresholds(m, tree)[tree->node_count - 1] = 1;
}

DAMAGE(filler_column)
{
    const espalier_file_tree *tree = NULL;
    const uint32_t h = find_filler(m, &tree);
    heap_columns(m, tree)[h] = 1;
}

DAMAGE(filler_child)
{
    const espalier_file_tree *tree = NULL;
    const uint32_t h = find_filler(m, &tree);
    heap_thresholds(m, tree)[2 * h] = 0;
}

static inline uint32_t last_leaf_below(const espalier_file_tree *tree, uint32_t h)
{
    while (h < tree->leaf_count) {
        h = 2 * h + 1;
    }
    return h - tree->leaf_count;
}

DAMAGE(filler_leaves)
{
    const espalier_file_tree *tree = NULL;
    const uint32_t h = find_filler(m, &tree);
    RECORD(m, LEAVES, float)[tree->first_leaf + last_leaf_below(tree, h)] += 1.0f;
}

/* All trees' numbers follow each other, a byte each. */
DAMAGE(filler_numbers)
{
    const espalier_file_tree *tree = NULL;
    const uint32_t h = find_filler(m, &tree);
    uint32_t before = 0;
    for (const espalier_file_tree *t = heap_trees(m); t != tree; t++) {
        before += t->leaf_count;
    }
    RECORD(m, NODE_NUMBERS, uint8_t)[before + last_leaf_below(tree, h)] ^= 0x80;
}

DAMAGE(heap_leaves_fewer)
{
    RECORD(m, TREES, espalier_file_tree)[0].source_node_count -= 2;
    RECORD(m, MODEL, espalier_file_model)->node_count -= 2;
}

/* The numbers of two leaves of the first tree that are not the same leaf. */
DAMAGE(mask_numbers_twice)
{
    uint8_t *const numbers = RECORD(m, NODE_NUMBERS, uint8_t);
    uint32_t k = 1;
    while (numbers[k] == numbers[0]) {
        k++;
    }
    numbers[0] = numbers[k];
}

/* ---- SELECT ---- */

static inline espalier_file_node_select *select_root(const model_bytes *m)
{
    return RECORD(m, NODES, espalier_file_node_select);
}

DAMAGE(select_column)
{
    select_root(m)->column = UINT16_MAX;
}

DAMAGE(select_threshold)
{
    select_root(m)->threshold = UINT8_MAX;
}

DAMAGE(select_child)
{
    select_root(m)->left = 2 * ESPALIER_SELECT_LEAVES;
}

DAMAGE(select_child_reach)
{
    select_root(m)->right |= ESPALIER_SELECT_REACH;
}

DAMAGE(select_one_child)
{
    select_root(m)->left = select_root(m)->right;
}

DAMAGE(select_filler)
{
    const espalier_file_tree *tree = RECORD(m, TREES, espalier_file_tree);
    while (tree->node_count == tree->leaf_count - 1) {
        tree++;
    }
    select_root(m)[tree->first_node + tree->node_count - 1].right = 1;
}

DAMAGE(mask_depth_less)
{
    RECORD(m, TREES, espalier_file_tree)[0].depth -= 1;
    RECORD(m, MODEL, espalier_file_model)->visits_per_row -= 1;
}

/* ---- BITS: tree 0 ---- */

static inline uint8_t *bits_columns(const model_bytes *m)
{
    return RECORD(m, NODES, uint8_t);
}

static inline uint8_t *bits_thresholds(const model_bytes *m)
{
    return bits_columns(m) + ESPALIER_BITS_LEAVES;
}

/* The place of a node's word: chapter 15.4 of docs/format.md. */
static inline uint32_t *bits_word(const model_bytes *m, uint32_t node)
{
    uint32_t *const words = (uint32_t *)(void *)(bits_thresholds(m) + ESPALIER_BITS_LEAVES);
    return words + 8 * (node % 4) + node / 4;
}

static inline uint32_t bits_inner(const model_bytes *m)
{
    return RECORD(m, TREES, espalier_file_tree)[0].leaf_count - 1;
}

DAMAGE(bits_column)
{
    bits_columns(m)[bits_inner(m) - 1] = UINT8_MAX;
}

DAMAGE(bits_threshold)
{
    bits_thresholds(m)[0] = UINT8_MAX;
}

/* The last column has the rest of its list's cuts, which are not a multiple of 255. */
DAMAGE(bits_threshold_beyond)
{
    const espalier_file_column *const end =
        (const espalier_file_column *)(void *)section_end(m, ESPALIER_SECTION_COLUMNS);
    bits_columns(m)[0] = (uint8_t)(end - RECORD(m, COLUMNS, espalier_file_column) - 1);
    bits_thresholds(m)[0] = (uint8_t)(end[-1].cut_count - end[-1].segment * UINT8_MAX);
}

DAMAGE(bits_late)
{
    *bits_word(m, 0) ^= 1;
}

DAMAGE(bits_beyond)
{
    *bits_word(m, 0) ^= UINT32_C(1) << 31;
}

DAMAGE(bits_last_of_all)
{
    *bits_word(m, bits_inner(m) - 1) ^= UINT32_C(1) << bits_inner(m);
}

DAMAGE(bits_exchanged)
{
    const uint32_t root = *bits_word(m, 0);
    *bits_word(m, 0) = *bits_word(m, bits_inner(m) - 1);
    *bits_word(m, bits_inner(m) - 1) = root;
}

DAMAGE(bits_nothing_left)
{
    *bits_word(m, bits_inner(m) - 1) = 0;
}

DAMAGE(bits_nothing_right)
{
    *bits_word(m, 0) = (UINT32_C(2) << bits_inner(m)) - 1;
}

DAMAGE(bits_word_unused)
{
    *bits_word(m, bits_inner(m)) = 1;
}

DAMAGE(bits_word_unused_last)
{
    *bits_word(m, ESPALIER_BITS_LEAVES - 1) = UINT32_C(1) << 31;
}

DAMAGE(bits_column_unused)
{
    bits_columns(m)[ESPALIER_BITS_LEAVES - 1] = 1;
}

DAMAGE(bits_threshold_unused)
{
    bits_thresholds(m)[bits_inner(m)] = UINT8_MAX - 1;
}

/* ---- cuts ---- */

/* The cuts of the first list, and how many numbers its upper levels have: 0, or a block of 16. */
static inline double *first_cuts(const model_bytes *m)
{
    const espalier_file_column *column = RECORD(m, COLUMNS, espalier_file_column);
    while (column->kind != ESPALIER_COLUMN_CODE) {
        column++;
    }
    uint32_t blocks = (column->cut_count + ESPALIER_CUT_BLOCK - 1) / ESPALIER_CUT_BLOCK;
    size_t upper = 0;
    while (blocks > 1) {
        blocks = (blocks + ESPALIER_CUT_BLOCK - 1) / ESPALIER_CUT_BLOCK;
        upper += (size_t)blocks * ESPALIER_CUT_BLOCK;
    }
    return RECORD(m, CUTS, double) + upper;
}

DAMAGE(cut_nan)
{
    first_cuts(m)[1] = NAN;
}

DAMAGE(cut_order)
{
    first_cuts(m)[1] = first_cuts(m)[0];
}

/* In the first block of a list of more than one. */
DAMAGE(cut_level)
{
    double *const cuts = RECORD(m, CUTS, double);
    cuts[0] = nextafter(cuts[0], -(double)INFINITY);
}

/* A list whose last block is not full. */
DAMAGE(cut_padding)
{
    float *end = (float *)(void *)section_end(m, ESPALIER_SECTION_CUTS);
    end[-1] = 1e30f;
}

/* The second list becomes the first one, so its own cuts belong to nobody. All are of a segment. */
DAMAGE(cut_list_unused)
{
    espalier_file_column *const columns = RECORD(m, COLUMNS, espalier_file_column);
    const uint64_t second = columns[1].first_cut > 0 ? columns[1].first_cut : columns[2].first_cut;
    for (uint32_t i = 1; i < 4; i++) {
        if (columns[i].first_cut == second) {
            columns[i].first_cut = columns[0].first_cut;
            columns[i].cut_count = columns[0].cut_count;
        }
    }
}

const rule_case rule_cases_mask_nodes[] = {
    {"F-168", damage_rank_beyond, ESPALIER_ERROR_INDEX, VERIFY, RANKS},
    {"F-168", damage_rank_far, ESPALIER_ERROR_INDEX, VERIFY, RANKS},
    {"F-210", damage_heap_column, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-211", damage_heap_threshold, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-212", damage_heap_entry_0, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-212", damage_heap_entry_last, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-213", damage_filler_column, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-213", damage_filler_child, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-213", damage_filler_leaves, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-213", damage_filler_numbers, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-226", damage_heap_leaves_fewer, ESPALIER_ERROR_INDEX, VERIFY, HEAP},
    {"F-176", damage_mask_numbers_twice, ESPALIER_ERROR_INDEX, VERIFY, SELECT},
    {"F-220", damage_select_column, ESPALIER_ERROR_INDEX, VERIFY, SELECT},
    {"F-221", damage_select_threshold, ESPALIER_ERROR_INDEX, VERIFY, SELECT},
    {"F-222", damage_select_child, ESPALIER_ERROR_INDEX, VERIFY, SELECT},
    {"F-222", damage_select_child_reach, ESPALIER_ERROR_INDEX, VERIFY, SELECT},
    {"F-223", damage_select_one_child, ESPALIER_ERROR_INDEX, VERIFY, SELECT},
    {"F-224", damage_select_filler, ESPALIER_ERROR_INDEX, VERIFY, SELECT},
    {"F-225", damage_mask_depth_less, ESPALIER_ERROR_INDEX, VERIFY, SELECT},
    {"F-176", damage_mask_numbers_twice, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-214", damage_bits_column, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-215", damage_bits_threshold, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-215", damage_bits_threshold_beyond, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-216", damage_bits_late, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-216", damage_bits_beyond, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-216", damage_bits_last_of_all, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-216", damage_bits_exchanged, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-216", damage_bits_nothing_left, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-216", damage_bits_nothing_right, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-216", damage_bits_word_unused, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-216", damage_bits_word_unused_last, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-217", damage_bits_column_unused, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-217", damage_bits_threshold_unused, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-225", damage_mask_depth_less, ESPALIER_ERROR_INDEX, VERIFY, BITS},
    {"F-230", damage_cut_list_unused, ESPALIER_ERROR_VALUE, VERIFY, HEAP},
    {"F-231", damage_cut_nan, ESPALIER_ERROR_VALUE, VERIFY, SELECT},
    {"F-231", damage_cut_order, ESPALIER_ERROR_VALUE, VERIFY, SELECT},
    {"F-232", damage_cut_level, ESPALIER_ERROR_VALUE, VERIFY, SELECT},
    {"F-233", damage_cut_padding, ESPALIER_ERROR_VALUE, VERIFY, HEAP},
};

const size_t rule_cases_mask_nodes_count =
    sizeof rule_cases_mask_nodes / sizeof rule_cases_mask_nodes[0];
