// SPDX-License-Identifier: Apache-2.0
/*
 * Leaves that are lines, as a caller may look at them. They come from the mapping, so every number
 * is loaded once and bounded before it is used.
 */
#include "engine/linear.h"
#include "engine/model.h"
#include "engine/stages.h"
#include "espalier_inspect.h"

/* The stage that adds the lines of a tree up; stage_count: its leaves are no lines. */
static uint32_t find_linear_stage(const espalier_model *model, uint32_t part_index,
                                  uint32_t tree_of_part)
{
    for (uint32_t i = 0; i < model->stage_count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        if (stage->operation != ESPALIER_STAGE_LINEAR) {
            continue;
        }
        /* All of them whole, and c[2] below c[1], as open made sure. */
        const double *const c = model->constants + stage->table;
        if ((uint32_t)c[0] == part_index && tree_of_part % (uint32_t)c[1] == (uint32_t)c[2]) {
            return i;
        }
    }
    return model->stage_count;
}

/* Whether some stage LINEAR names the part. */
static bool has_lines(const espalier_model *model, uint32_t part_index)
{
    for (uint32_t i = 0; i < model->stage_count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        if (stage->operation == ESPALIER_STAGE_LINEAR &&
            (uint32_t)model->constants[stage->table] == part_index) {
            return true;
        }
    }
    return false;
}

/* The record of a tree's first leaf. */
static uint64_t first_record(const espalier_model *model, uint32_t part_index, uint32_t tree_index)
{
    uint64_t next = 0;
    for (uint32_t p = 0; p <= part_index; p++) {
        const espalier_file_part *const part = &model->parts[p];
        if (!has_lines(model, p)) {
            continue;
        }
        const uint32_t end = p == part_index ? tree_index : part->first_tree + part->tree_count;
        for (uint32_t i = part->first_tree; i < end; i++) {
            next += espalier_tree_source_leaves(&model->trees[i]);
        }
    }
    return next;
}

/* The value that the last stage in front of another wrote to a slot, as node->feature has it. */
static uint32_t value_of_slot(const espalier_model *model, uint32_t stage_index, uint32_t slot)
{
    for (uint32_t i = stage_index; i-- > 0;) {
        const espalier_file_stage *const stage = &model->stages[i];
        if (espalier_stage_takes_values(stage) && slot >= stage->output_slot &&
            slot - stage->output_slot < stage->slot_count) {
            return (uint32_t)model->constants[stage->table + (slot - stage->output_slot)];
        }
    }
    return ESPALIER_FEATURE_NONE;
}

int espalier_model_linear_leaf(const espalier_model *model, uint32_t tree_index,
                               uint32_t leaf_index, espalier_linear_leaf *leaf_out,
                               espalier_linear_term *terms, size_t term_room)
{
    double number = 0.0;
    if (model == NULL || leaf_out == NULL || tree_index >= model->tree_count ||
        (terms == NULL && term_room > 0)) {
        return 0;
    }
    const uint32_t part_index = espalier_model_part_of(model, tree_index);
    const espalier_file_part *const part = &model->parts[part_index];
    const uint32_t stage_index =
        find_linear_stage(model, part_index, tree_index - part->first_tree);
    if (stage_index == model->stage_count ||
        espalier_model_leaf(model, part_index, leaf_index, &number, 1) != ESPALIER_OK) {
        return 0;
    }
    const espalier_file_stage *const stage = &model->stages[stage_index];
    const uint64_t leaf_count = espalier_tree_source_leaves(&model->trees[tree_index]);
    const uint64_t place = espalier_linear_bound_number(number, leaf_count);
    const espalier_file_linear_leaf leaf =
        espalier_linear_bound_leaf(model, first_record(model, part_index, tree_index) + place,
                                   stage->slot_count);
    *leaf_out = (espalier_linear_leaf){.constant = leaf.constant,
                                       .missing_value = leaf.missing_value,
                                       .term_count = leaf.term_count};
    for (uint32_t i = 0; i < leaf.term_count && i < term_room; i++) {
        const espalier_file_term term = espalier_linear_load_term(model, leaf.first_term + i);
        const uint32_t most = stage->slot_count - 1;
        const uint32_t slot = stage->input_slot + (term.place < most ? term.place : most);
        terms[i] = (espalier_linear_term){.coefficient = term.coefficient,
                                          .feature = value_of_slot(model, stage_index, slot)};
    }
    return 1;
}
