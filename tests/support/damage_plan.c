// SPDX-License-Identifier: Apache-2.0
/*
 * Broken rules of limits, MODEL, steps, parts, stages and outputs ([F-055] to [F-117]).
 */
#include "tests/support/damage.h"

#include <math.h>
#include <string.h>

DAMAGE(features_limit)
{
    RECORD(m, MODEL, espalier_file_model)->feature_count = ESPALIER_LIMIT_FEATURES + 1;
}

DAMAGE(slots_limit)
{
    RECORD(m, MODEL, espalier_file_model)->slot_count = ESPALIER_LIMIT_SLOTS + 1;
}

DAMAGE(visits_limit)
{
    RECORD(m, MODEL, espalier_file_model)->visits_per_row = ESPALIER_LIMIT_VISITS_DEFAULT + 1;
}

DAMAGE(no_features)
{
    RECORD(m, MODEL, espalier_file_model)->feature_count = 0;
}

DAMAGE(no_slots)
{
    RECORD(m, MODEL, espalier_file_model)->slot_count = 0;
}

DAMAGE(input_rule)
{
    RECORD(m, MODEL, espalier_file_model)->input_rule |= 64;
}

static void set_missing_number(model_bytes *m, uint32_t rule, double number)
{
    espalier_file_model *const head = RECORD(m, MODEL, espalier_file_model);
    head->input_rule = rule;
    head->missing_number = number;
}

DAMAGE(missing_number_unused)
{
    set_missing_number(m, ESPALIER_INPUT_FLOAT32, -999.0);
}

DAMAGE(missing_number_minus_zero)
{
    set_missing_number(m, ESPALIER_INPUT_FLOAT32, -0.0);
}

DAMAGE(missing_number_not_allowed)
{
    set_missing_number(m, ESPALIER_INPUT_FLOAT32 | ESPALIER_INPUT_MISSING_NUMBER, -999.0);
}

DAMAGE(missing_number_nan)
{
    set_missing_number(m, ESPALIER_INPUT_KNOWN & ~ESPALIER_INPUT_FLUSH_TINY, (double)NAN);
}

DAMAGE(missing_number_wide)
{
    set_missing_number(m, ESPALIER_INPUT_KNOWN & ~ESPALIER_INPUT_FLUSH_TINY, 0.1);
}

DAMAGE(missing_number_large)
{
    set_missing_number(m, ESPALIER_INPUT_KNOWN & ~ESPALIER_INPUT_FLUSH_TINY, 1e300);
}

DAMAGE(input_no_float32)
{
    RECORD(m, MODEL, espalier_file_model)->input_rule &= ~1u;
}

DAMAGE(default_output)
{
    RECORD(m, MODEL, espalier_file_model)->default_output = ESPALIER_OUTPUT_VALUE;
}

DAMAGE(no_groups)
{
    RECORD(m, MODEL, espalier_file_model)->group_count = 0;
}

DAMAGE(many_groups)
{
    RECORD(m, MODEL, espalier_file_model)->group_count = 999;
}

DAMAGE(number_bytes)
{
    RECORD(m, MODEL, espalier_file_model)->number_bytes = 3;
}

DAMAGE(number_bytes_large)
{
    RECORD(m, MODEL, espalier_file_model)->number_bytes = 8;
}

DAMAGE(visits_sum)
{
    RECORD(m, MODEL, espalier_file_model)->visits_per_row++;
}

DAMAGE(nodes_sum)
{
    RECORD(m, MODEL, espalier_file_model)->node_count++;
}

DAMAGE(step_kind)
{
    RECORD(m, STEPS, espalier_file_step)[1].kind = 4;
}

DAMAGE(no_columns_step)
{
    RECORD(m, STEPS, espalier_file_step)[0].count--;
}

DAMAGE(columns_twice)
{
    RECORD(m, STEPS, espalier_file_step)[1].kind = ESPALIER_STEP_COLUMNS;
}

DAMAGE(wrong_part)
{
    RECORD(m, STEPS, espalier_file_step)[1].first = 1;
}

DAMAGE(part_count)
{
    RECORD(m, STEPS, espalier_file_step)[1].count = 2;
}

DAMAGE(stage_range)
{
    RECORD(m, STEPS, espalier_file_step)[2].count = 9;
}

DAMAGE(no_stage)
{
    RECORD(m, STEPS, espalier_file_step)[2].count = 0;
}

DAMAGE(slot_twice)
{
    RECORD(m, STAGES, espalier_file_stage)->output_slot = 0;
}

DAMAGE(slot_unwritten)
{
    RECORD(m, STAGES, espalier_file_stage)->input_slot =
        RECORD(m, STAGES, espalier_file_stage)->output_slot;
}

DAMAGE(slot_left_over)
{
    RECORD(m, MODEL, espalier_file_model)->slot_count++;
}

DAMAGE(layout)
{
    RECORD(m, PARTS, espalier_file_part)->layout = 5;
}

DAMAGE(node_bytes)
{
    RECORD(m, PARTS, espalier_file_part)->node_bytes = 12;
}

DAMAGE(child_bits_few)
{
    RECORD(m, PARTS, espalier_file_part)->child_bits = 15;
}

DAMAGE(child_bits_many)
{
    RECORD(m, PARTS, espalier_file_part)->child_bits = 31;
}

DAMAGE(accumulator)
{
    RECORD(m, PARTS, espalier_file_part)->accumulator = 3;
}

DAMAGE(aggregate)
{
    RECORD(m, PARTS, espalier_file_part)->aggregate = 2;
}

DAMAGE(leaf_width)
{
    RECORD(m, PARTS, espalier_file_part)->leaf_width = 0;
}

DAMAGE(leaf_width_large)
{
    RECORD(m, PARTS, espalier_file_part)->leaf_width = 1u << 20;
}

DAMAGE(first_slot)
{
    RECORD(m, PARTS, espalier_file_part)->first_slot = UINT32_MAX;
}

DAMAGE(no_tree)
{
    RECORD(m, PARTS, espalier_file_part)->tree_count = 0;
}

DAMAGE(tree_left_over)
{
    RECORD(m, PARTS, espalier_file_part)->tree_count--;
}

DAMAGE(first_tree)
{
    RECORD(m, PARTS, espalier_file_part)->first_tree = 1;
}

DAMAGE(leaf_offset)
{
    RECORD(m, PARTS, espalier_file_part)->leaf_offset = 4;
}

DAMAGE(leaf_offset_far)
{
    RECORD(m, PARTS, espalier_file_part)->leaf_offset = UINT64_MAX - 7;
}

DAMAGE(no_leaf)
{
    RECORD(m, PARTS, espalier_file_part)->leaf_count = 0;
}

DAMAGE(many_leaves)
{
    RECORD(m, PARTS, espalier_file_part)->leaf_count = ESPALIER_LIMIT_LEAVES;
}

DAMAGE(start)
{
    RECORD(m, PARTS, espalier_file_part)->start = 3;
}

/* From its own sums, which nothing wrote before it. */
DAMAGE(start_slots)
{
    RECORD(m, PARTS, espalier_file_part)->start = ESPALIER_START_SLOTS;
}

DAMAGE(start_slots_far)
{
    espalier_file_part *const part = RECORD(m, PARTS, espalier_file_part);
    part->start = ESPALIER_START_SLOTS;
    part->start_index = UINT32_MAX;
}

DAMAGE(range)
{
    RECORD(m, PARTS, espalier_file_part)->range = 2;
}

/* No part follows the caller's range. */
DAMAGE(range_of_none)
{
    RECORD(m, PARTS, espalier_file_part)->range = ESPALIER_RANGE_DEFAULT;
}

DAMAGE(start_constants)
{
    RECORD(m, PARTS, espalier_file_part)->start = ESPALIER_START_CONSTANTS;
}

DAMAGE(start_index)
{
    RECORD(m, PARTS, espalier_file_part)->start_index = 1;
}

DAMAGE(divisor)
{
    RECORD(m, PARTS, espalier_file_part)->divisor = 3;
}

DAMAGE(divisor_constants)
{
    RECORD(m, PARTS, espalier_file_part)->divisor = ESPALIER_DIVISOR_CONSTANTS;
}

DAMAGE(divisor_index)
{
    RECORD(m, PARTS, espalier_file_part)->divisor_index = 1;
}

DAMAGE(no_iteration)
{
    RECORD(m, PARTS, espalier_file_part)->iteration_count = 0;
}

DAMAGE(default_iterations)
{
    RECORD(m, PARTS, espalier_file_part)->default_iteration_first = 1;
}

DAMAGE(default_none)
{
    RECORD(m, PARTS, espalier_file_part)->default_iteration_count = 0;
}

DAMAGE(columns_fit)
{
    RECORD(m, PARTS, espalier_file_part)->child_bits = 30;
}

DAMAGE(operation)
{
    RECORD(m, STAGES, espalier_file_stage)->operation = 31;
}

DAMAGE(stage_slots)
{
    RECORD(m, STAGES, espalier_file_stage)->slot_count = 0;
}

DAMAGE(stage_slots_far)
{
    RECORD(m, STAGES, espalier_file_stage)->output_slot = UINT32_MAX;
}

DAMAGE(order_of_sum)
{
    RECORD(m, STAGES, espalier_file_stage)->order = 3;
}

DAMAGE(no_operation)
{
    RECORD(m, STAGES, espalier_file_stage)->operation = 0;
}

DAMAGE(order_unused)
{
    RECORD(m, STAGES, espalier_file_stage)[LINKED_SIGMOID].order = 1;
}

DAMAGE(no_arithmetic)
{
    RECORD(m, STAGES, espalier_file_stage)[LINKED_SIGMOID].arithmetic = 2;
}

DAMAGE(arithmetic_of_operation)
{
    RECORD(m, STAGES, espalier_file_stage)->arithmetic = ESPALIER_ARITHMETIC_FLOAT32;
}

DAMAGE(arithmetic_of_slots)
{
    RECORD(m, STAGES, espalier_file_stage)[LINKED_SIGMOID].arithmetic = ESPALIER_ARITHMETIC_FLOAT32;
}

DAMAGE(stage_constants)
{
    RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD].table = 1;
}

DAMAGE(stage_constants_far)
{
    RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD].table = UINT32_MAX;
}

DAMAGE(stage_part)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_SIGMOID];
    stage->operation = ESPALIER_STAGE_DIVIDE_ITERATIONS;
    stage->table = 1;
}

DAMAGE(stage_summands_far)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_ADD_SLOTS;
    stage->table = UINT32_MAX;
}

/* The stage would read what it writes. */
DAMAGE(stage_summands_unwritten)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_ADD_SLOTS;
    stage->table = stage->output_slot;
}

/* Its constant is a number, but of no slot. */
DAMAGE(stage_pick_no_slot)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_PICK;
    stage->input_slot = 0;
    RECORD(m, CONSTANTS, double)[stage->table] = 0.5;
}

DAMAGE(stage_pick_far)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_PICK;
    stage->input_slot = 0;
    RECORD(m, CONSTANTS, double)[stage->table] = 1e9;
}

DAMAGE(stage_pick_nan)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_PICK;
    stage->input_slot = 0;
    RECORD(m, CONSTANTS, double)[stage->table] = (double)NAN;
}

DAMAGE(stage_pick_unwritten)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_PICK;
    stage->input_slot = 0;
    RECORD(m, CONSTANTS, double)[stage->table] = (double)stage->output_slot;
}

DAMAGE(stage_pick_input)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_PICK;
    stage->input_slot = 1;
    RECORD(m, CONSTANTS, double)[stage->table] = -1.0;
}

/* Twice as many constants as there are. */
DAMAGE(stage_knots_far)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_ISOTONIC;
}

DAMAGE(stage_table_unused)
{
    RECORD(m, STAGES, espalier_file_stage)[LINKED_SIGMOID].table = 1;
}

DAMAGE(stage_work)
{
    RECORD(m, STAGES, espalier_file_stage)
    [LINKED_SIGMOID].slot_count = ESPALIER_LIMIT_STAGE_SLOTS + 1;
}

DAMAGE(two_classes_far)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_TWO_CLASSES];
    stage->slot_count = 2;
}

DAMAGE(constants_input)
{
    espalier_file_stage *const stage = &RECORD(m, STAGES, espalier_file_stage)[LINKED_ADD];
    stage->operation = ESPALIER_STAGE_CONSTANTS;
    stage->input_slot = 1;
}

DAMAGE(outputs_order)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].kind = ESPALIER_OUTPUT_LEAF;
    RECORD(m, OUTPUTS, espalier_file_output)[0].dtype = ESPALIER_DTYPE_INT64;
    RECORD(m, MODEL, espalier_file_model)->group_count = 1;
    RECORD(m, OUTPUTS, espalier_file_output)
    [0].first_slot = RECORD(m, OUTPUTS, espalier_file_output)[0].slot_count = 0;
}

DAMAGE(output_kind)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].kind = ESPALIER_OUTPUT_SCORE + 1;
}

DAMAGE(output_dtype)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].dtype = ESPALIER_DTYPE_FLOAT32;
}

DAMAGE(value_dtype)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].dtype = ESPALIER_DTYPE_FLOAT32;
}

DAMAGE(output_group)
{
    RECORD(m, OUTPUTS, espalier_file_output)[1].group = 2;
}

DAMAGE(output_slots)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].first_slot = 99;
}

DAMAGE(output_no_slots)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].slot_count = 0;
}

DAMAGE(value_slots)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].slot_count = 2;
}

DAMAGE(decision_slots)
{
    RECORD(m, OUTPUTS, espalier_file_output)[2].decision = ESPALIER_DECISION_ABOVE_ZERO;
}

DAMAGE(decision_unknown)
{
    RECORD(m, OUTPUTS, espalier_file_output)[2].decision = ESPALIER_DECISION_ABOVE_HALF + 1;
}

DAMAGE(decision_labels)
{
    espalier_file_output *const output = &RECORD(m, OUTPUTS, espalier_file_output)[3];
    output->decision = ESPALIER_DECISION_ABOVE_HALF;
    output->slot_count = 1;
}

DAMAGE(probability_labels)
{
    RECORD(m, OUTPUTS, espalier_file_output)[1].slot_count = 1;
}

DAMAGE(leaf_slots)
{
    last_output(m)->slot_count = 1;
}

DAMAGE(decision)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].decision = 1;
}

DAMAGE(decision_class)
{
    RECORD(m, OUTPUTS, espalier_file_output)[2].decision = 0;
}

DAMAGE(output_part)
{
    last_output(m)->part = 1;
}

DAMAGE(slot_output_part)
{
    RECORD(m, OUTPUTS, espalier_file_output)[0].part = 1;
}

DAMAGE(labels_count)
{
    RECORD(m, OUTPUTS, espalier_file_output)[1].slot_count--;
}

const rule_case rule_cases_plan[] = {
    {"F-055", damage_features_limit, ESPALIER_ERROR_LIMIT, SEALED, CLASSIFIER},
    {"F-055", damage_slots_limit, ESPALIER_ERROR_LIMIT, SEALED, CLASSIFIER},
    {"F-056", damage_visits_limit, ESPALIER_ERROR_LIMIT, SEALED, CLASSIFIER},
    {"F-060", damage_no_features, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-061", damage_no_slots, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-062", damage_input_rule, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-420", damage_missing_number_unused, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-420", damage_missing_number_minus_zero, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-420", damage_missing_number_not_allowed, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-420", damage_missing_number_nan, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-420", damage_missing_number_wide, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-420", damage_missing_number_large, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-126", damage_input_no_float32, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-063", damage_default_output, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-064", damage_no_groups, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-064", damage_many_groups, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-065", damage_number_bytes, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-065", damage_number_bytes_large, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-066", damage_visits_sum, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-067", damage_nodes_sum, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-070", damage_step_kind, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-071", damage_no_columns_step, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-071", damage_columns_twice, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-072", damage_wrong_part, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-072", damage_part_count, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-073", damage_stage_range, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-073", damage_no_stage, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-074", damage_slot_twice, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-074", damage_slot_unwritten, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-074", damage_slot_left_over, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-080", damage_layout, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-081", damage_node_bytes, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-082", damage_child_bits_few, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-082", damage_child_bits_many, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-083", damage_accumulator, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-083", damage_aggregate, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-084", damage_leaf_width, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-084", damage_leaf_width_large, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-084", damage_first_slot, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-085", damage_no_tree, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-085", damage_tree_left_over, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-085", damage_first_tree, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-086", damage_leaf_offset, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-086", damage_leaf_offset_far, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-086", damage_no_leaf, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-086", damage_many_leaves, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-087", damage_start, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-087", damage_start_constants, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-087", damage_start_index, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-074", damage_start_slots, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-469", damage_start_slots_far, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-470", damage_range, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-470", damage_range_of_none, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-088", damage_divisor, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-088", damage_divisor_constants, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-088", damage_divisor_index, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-089", damage_no_iteration, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-089", damage_default_iterations, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-089", damage_default_none, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-090", damage_columns_fit, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-100", damage_operation, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-100", damage_no_operation, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-101", damage_two_classes_far, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-101", damage_constants_input, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-102", damage_order_unused, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-103", damage_no_arithmetic, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-103", damage_arithmetic_of_operation, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-103", damage_arithmetic_of_slots, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-104", damage_stage_constants, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-104", damage_stage_constants_far, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-104", damage_stage_part, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-340", damage_stage_summands_far, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-340", damage_stage_pick_no_slot, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-340", damage_stage_pick_far, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-340", damage_stage_pick_nan, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-074", damage_stage_summands_unwritten, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-074", damage_stage_pick_unwritten, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-101", damage_stage_pick_input, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-104", damage_stage_knots_far, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-104", damage_stage_table_unused, ESPALIER_ERROR_VALUE, SEALED, LINKED},
    {"F-105", damage_stage_work, ESPALIER_ERROR_LIMIT, SEALED, LINKED},
    {"F-101", damage_stage_slots, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-101", damage_stage_slots_far, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-102", damage_order_of_sum, ESPALIER_ERROR_VALUE, SEALED, COUNTS},
    {"F-110", damage_outputs_order, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-111", damage_output_kind, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-112", damage_output_dtype, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-112", damage_value_dtype, ESPALIER_ERROR_VALUE, SEALED, REGRESSOR},
    {"F-113", damage_output_group, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-114", damage_output_slots, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-114", damage_output_no_slots, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-114", damage_value_slots, ESPALIER_ERROR_VALUE, SEALED, REGRESSOR},
    {"F-114", damage_decision_slots, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-115", damage_decision_unknown, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-117", damage_decision_labels, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-117", damage_probability_labels, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-114", damage_leaf_slots, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-115", damage_decision, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-115", damage_decision_class, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-116", damage_output_part, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-116", damage_slot_output_part, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
    {"F-117", damage_labels_count, ESPALIER_ERROR_VALUE, SEALED, CLASSIFIER},
};

const size_t rule_cases_plan_count = sizeof rule_cases_plan / sizeof rule_cases_plan[0];
