// SPDX-License-Identifier: Apache-2.0
/*
 * Broken rules of columns, trees, names and labels ([F-120] to [F-151]).
 */
#include "tests/support/damage.h"

#include <string.h>

DAMAGE(column_kind)
{
    RECORD(m, COLUMNS, espalier_file_column)[1].kind = ESPALIER_COLUMN_CODE + 1;
}

DAMAGE(leaf_column_third)
{
    RECORD(m, COLUMNS, espalier_file_column)[2].kind = ESPALIER_COLUMN_LEAF;
}

DAMAGE(leaf_column)
{
    RECORD(m, COLUMNS, espalier_file_column)[0].kind = ESPALIER_COLUMN_FEATURE;
}

DAMAGE(column_feature)
{
    RECORD(m, COLUMNS, espalier_file_column)[1].feature = 4;
}

DAMAGE(leaf_column_feature)
{
    RECORD(m, COLUMNS, espalier_file_column)[0].feature = 1;
}

DAMAGE(column_missing)
{
    RECORD(m, COLUMNS, espalier_file_column)[1].missing = 5;
}

DAMAGE(tree_place)
{
    RECORD(m, TREES, espalier_file_tree)[1].first_node += 8;
}

DAMAGE(tree_nodes_left)
{
    SECTION(m, NODES)->bytes += 64;
}

DAMAGE(tree_nodes_short)
{
    SECTION(m, NODES)->bytes -= 64;
}

DAMAGE(tree_node_count)
{
    RECORD(m, TREES, espalier_file_tree)[0].node_count = 0;
}

DAMAGE(tree_node_count_odd)
{
    RECORD(m, TREES, espalier_file_tree)[0].node_count += 4;
}

DAMAGE(tree_node_count_far)
{
    RECORD(m, TREES, espalier_file_tree)[0].node_count = 1u << 17;
}

DAMAGE(tree_source_nodes)
{
    RECORD(m, TREES, espalier_file_tree)[0].source_node_count = 0;
}

DAMAGE(tree_source_nodes_many)
{
    RECORD(m, TREES, espalier_file_tree)
    [0].source_node_count = RECORD(m, TREES, espalier_file_tree)[0].node_count + 1;
}

DAMAGE(tree_depth)
{
    RECORD(m, TREES, espalier_file_tree)
    [0].depth = RECORD(m, TREES, espalier_file_tree)[0].source_node_count;
}

DAMAGE(tree_slot)
{
    RECORD(m, TREES, espalier_file_tree)[0].slot = 1;
}

DAMAGE(tree_iteration)
{
    RECORD(m, TREES, espalier_file_tree)[0].iteration = 99;
}

DAMAGE(strings_bytes)
{
    RECORD(m, FEATURE_NAMES, espalier_file_strings)->text_bytes++;
}

DAMAGE(strings_ends)
{
    RECORD(m, FEATURE_NAMES, uint32_t)[2] = 0;
}

DAMAGE(strings_nul)
{
    section_end(m, ESPALIER_SECTION_FEATURE_NAMES)[-1] = 65;
}

DAMAGE(names_utf8)
{
    section_end(m, ESPALIER_SECTION_FEATURE_NAMES)[-2] = 0xFF;
}

DAMAGE(labels_utf8)
{
    section_end(m, ESPALIER_SECTION_CLASS_LABELS)[-2] = 0xC0;
}

DAMAGE(names_count)
{
    RECORD(m, FEATURE_NAMES, espalier_file_strings)->count++;
}

DAMAGE(label_groups)
{
    RECORD(m, CLASS_LABELS, uint32_t)[0] = 1;
}

DAMAGE(label_reserved)
{
    RECORD(m, CLASS_LABELS, uint32_t)[1] = 1;
}

DAMAGE(label_kind)
{
    labels_of(m)->kind = 6;
}

DAMAGE(label_item_bytes)
{
    labels_of(m)->item_bytes = 6;
}

DAMAGE(label_count)
{
    labels_of(m)->count = 0;
}

DAMAGE(label_offset)
{
    labels_of(m)->offset = 4;
}

DAMAGE(label_offset_far)
{
    labels_of(m)->offset = UINT64_MAX - 7;
}

DAMAGE(label_bytes)
{
    labels_of(m)->count++;
}

DAMAGE(label_bytes_numbers)
{
    labels_of(m)->bytes -= 8;
}

DAMAGE(label_bool)
{
    section_end(m, ESPALIER_SECTION_CLASS_LABELS)[-8] = 2;
}

DAMAGE(labels_end)
{
    labels_of(m)->offset += 0;
    SECTION(m, CLASS_LABELS)->bytes += 1;
    HEADER(m)->private_end += 1;
}

const rule_case rule_cases_tables[] = {
    {"F-120", damage_column_kind, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-120", damage_leaf_column, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-120", damage_leaf_column_third, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-121", damage_column_feature, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-121", damage_leaf_column_feature, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-122", damage_column_missing, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-130", damage_tree_place, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-130", damage_tree_nodes_left, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-130", damage_tree_nodes_short, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-131", damage_tree_node_count, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-131", damage_tree_node_count_odd, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-131", damage_tree_node_count_far, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-132", damage_tree_source_nodes, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-132", damage_tree_source_nodes_many, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-133", damage_tree_depth, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-134", damage_tree_slot, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-135", damage_tree_iteration, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-140", damage_strings_bytes, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-141", damage_strings_ends, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-141", damage_strings_nul, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-142", damage_names_utf8, ESPALIER_ERROR_VALUE, VERIFY, CLASSIFIER},
    {"F-142", damage_labels_utf8, ESPALIER_ERROR_VALUE, VERIFY, CLASSIFIER},
    {"F-143", damage_names_count, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-145", damage_label_groups, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-145", damage_label_reserved, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-146", damage_label_kind, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-147", damage_label_item_bytes, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-148", damage_label_count, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-149", damage_label_offset, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-149", damage_label_offset_far, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-150", damage_label_bytes, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-150", damage_label_bytes_numbers, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-151", damage_label_bool, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-152", damage_labels_end, ESPALIER_ERROR_SECTION, VERIFY, CLASSIFIER},
};

const size_t rule_cases_tables_count = sizeof rule_cases_tables / sizeof rule_cases_tables[0];
