// SPDX-License-Identifier: Apache-2.0
/*
 * Broken rules that open checks of codes and mask layouts: columns with cuts, HEAP, SELECT and BITS
 * parts and trees.
 */
#include "tests/support/damage.h"

#include <string.h>

static inline espalier_file_column *columns_of(const model_bytes *m)
{
    return RECORD(m, COLUMNS, espalier_file_column);
}

static inline espalier_file_part *part_of(const model_bytes *m)
{
    return RECORD(m, PARTS, espalier_file_part);
}

static inline espalier_file_tree *tree_of(const model_bytes *m)
{
    return RECORD(m, TREES, espalier_file_tree);
}

/* A column of segment 1. */
static inline espalier_file_column *second_segment(const model_bytes *m)
{
    espalier_file_column *column = columns_of(m);
    while (column->segment != 1) {
        column++;
    }
    return column;
}

DAMAGE(no_numbers)
{
    RECORD(m, MODEL, espalier_file_model)->number_bytes = 0;
}

DAMAGE(heap_node_bytes)
{
    part_of(m)->node_bytes = 4;
}

DAMAGE(select_node_bytes)
{
    part_of(m)->node_bytes = 16;
}

DAMAGE(mask_child_bits)
{
    part_of(m)->child_bits = 16;
}

DAMAGE(mask_leaf_offset)
{
    part_of(m)->leaf_offset = 32;
}

DAMAGE(start_of_no_float32)
{
    RECORD(m, CONSTANTS, double)[0] = 0.1;
}

DAMAGE(mask_bank)
{
    part_of(m)->bank = ESPALIER_BANK_WORD;
}

DAMAGE(layout_beyond)
{
    part_of(m)->layout = ESPALIER_FILE_BITS + 1;
}

DAMAGE(bits_bank)
{
    part_of(m)->bank = ESPALIER_BANK_SHORT;
}

DAMAGE(walk_bank)
{
    part_of(m)->bank = ESPALIER_BANK_BYTE;
}

DAMAGE(code_kind)
{
    columns_of(m)[0].kind = ESPALIER_COLUMN_FEATURE;
}

DAMAGE(code_feature)
{
    columns_of(m)[0].feature = 4;
}

DAMAGE(code_missing)
{
    columns_of(m)[0].missing = ESPALIER_MISSING_ZERO_LEFT + 1;
}

DAMAGE(bank_unknown)
{
    columns_of(m)[0].bank = ESPALIER_BANK_SHORT + 1;
}

DAMAGE(bank_order)
{
    columns_of(m)[1].bank = ESPALIER_BANK_WORD;
}

DAMAGE(feature_cuts)
{
    columns_of(m)[1].cut_count = 1;
}

DAMAGE(no_cuts)
{
    columns_of(m)[0].cut_count = 0;
}

DAMAGE(many_cuts)
{
    columns_of(m)[0].cut_count = ESPALIER_LIMIT_CUTS + 1;
}

DAMAGE(cuts_beyond)
{
    columns_of(m)[0].cut_count = ESPALIER_LIMIT_CUTS;
}

DAMAGE(cuts_unaligned)
{
    columns_of(m)[0].first_cut = 32;
}

DAMAGE(cuts_far)
{
    columns_of(m)[0].first_cut = UINT64_MAX - 63;
}

DAMAGE(segment_alone)
{
    columns_of(m)[0].segment = 1;
}

DAMAGE(segment_far)
{
    second_segment(m)->segment = 99;
}

DAMAGE(segment_of_another)
{
    espalier_file_column *const column = second_segment(m);
    column->missing = column->missing == 0 ? 1 : 0;
}

DAMAGE(segment_of_ranks)
{
    columns_of(m)[1].segment = 1;
}

DAMAGE(heap_node_count)
{
    tree_of(m)->node_count *= 2;
}

DAMAGE(select_node_count)
{
    tree_of(m)->node_count += 8;
}

DAMAGE(heap_source_nodes)
{
    tree_of(m)->source_node_count = 2 * tree_of(m)->leaf_count;
}

DAMAGE(select_source_nodes)
{
    tree_of(m)->source_node_count += 2;
}

DAMAGE(heap_no_level)
{
    tree_of(m)->depth = 0;
}

DAMAGE(heap_levels)
{
    tree_of(m)->depth = ESPALIER_HEAP_LEVELS + 1;
}

DAMAGE(select_depth)
{
    tree_of(m)->depth = tree_of(m)->leaf_count;
}

DAMAGE(walk_leaves)
{
    tree_of(m)->leaf_count = 1;
}

DAMAGE(heap_leaf_count)
{
    tree_of(m)->leaf_count--;
}

DAMAGE(mask_first_leaf)
{
    tree_of(m)->first_leaf = part_of(m)->leaf_count - 1;
}

DAMAGE(mask_first_leaf_far)
{
    tree_of(m)->first_leaf = UINT32_MAX;
}

DAMAGE(select_no_leaf)
{
    tree_of(m)->leaf_count = 0;
}

DAMAGE(select_many_leaves)
{
    tree_of(m)->leaf_count = ESPALIER_SELECT_LEAVES + 1;
}

DAMAGE(bits_many_leaves)
{
    tree_of(m)->leaf_count = ESPALIER_BITS_LEAVES + 1;
}

/* Of the rows that must follow, one too few. */
DAMAGE(bits_first_leaf)
{
    tree_of(m)->first_leaf = part_of(m)->leaf_count - ESPALIER_BITS_LEAVES + 1;
}

DAMAGE(mask_numbers)
{
    SECTION(m, NODE_NUMBERS)->bytes -= 1;
}

DAMAGE(no_cuts_section)
{
    rename_section(m, ESPALIER_SECTION_CUTS, 19);
}

const rule_case rule_cases_masks[] = {
    {"F-127", damage_no_cuts_section, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-068", damage_no_numbers, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-068", damage_no_numbers, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-081", damage_heap_node_bytes, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-081", damage_select_node_bytes, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-082", damage_mask_child_bits, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-086", damage_mask_leaf_offset, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-087", damage_start_of_no_float32, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-093", damage_mask_bank, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-093", damage_mask_bank, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-093", damage_walk_bank, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-120", damage_code_kind, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-121", damage_code_feature, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-122", damage_code_missing, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-124", damage_bank_unknown, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-124", damage_bank_order, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-125", damage_feature_cuts, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-127", damage_no_cuts, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-127", damage_many_cuts, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-127", damage_cuts_beyond, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-127", damage_cuts_unaligned, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-127", damage_cuts_far, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-128", damage_segment_alone, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-128", damage_segment_far, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-128", damage_segment_of_another, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-128", damage_segment_of_ranks, ESPALIER_ERROR_VALUE, SEALED, RANKS},
    {"F-131", damage_heap_node_count, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-131", damage_select_node_count, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-132", damage_heap_source_nodes, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-132", damage_select_source_nodes, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-133", damage_heap_no_level, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-133", damage_heap_levels, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-133", damage_select_depth, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-137", damage_walk_leaves, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-137", damage_heap_leaf_count, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-137", damage_mask_first_leaf, ESPALIER_ERROR_VALUE, SEALED, HEAP},
    {"F-137", damage_mask_first_leaf, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-137", damage_mask_first_leaf_far, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-137", damage_select_no_leaf, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-137", damage_select_many_leaves, ESPALIER_ERROR_VALUE, SEALED, SELECT},
    {"F-175", damage_mask_numbers, ESPALIER_ERROR_SECTION, SEALED, SELECT},
    {"F-068", damage_no_numbers, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-080", damage_layout_beyond, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-081", damage_heap_node_bytes, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-081", damage_select_node_bytes, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-082", damage_mask_child_bits, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-093", damage_mask_bank, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-093", damage_bits_bank, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-131", damage_heap_node_count, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-131", damage_select_node_count, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-132", damage_select_source_nodes, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-133", damage_select_depth, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-137", damage_bits_many_leaves, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-137", damage_select_no_leaf, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-137", damage_bits_first_leaf, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-137", damage_mask_first_leaf_far, ESPALIER_ERROR_VALUE, SEALED, BITS},
    {"F-175", damage_mask_numbers, ESPALIER_ERROR_SECTION, SEALED, BITS},
};

const size_t rule_cases_masks_count = sizeof rule_cases_masks / sizeof rule_cases_masks[0];
