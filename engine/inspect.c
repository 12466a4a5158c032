// SPDX-License-Identifier: Apache-2.0
/*
 * Outputs, trees, nodes and leaves as a caller may look at them. Nodes come from the mapping, so
 * every word is loaded once and bounded before it is used.
 */
#include "engine/model.h"

#include <string.h>

espalier_status espalier_model_output_group(const espalier_model *model, espalier_output_kind kind,
                                            uint32_t group_index, size_t *first_out,
                                            size_t *count_out)
{
    if (model == NULL || first_out == NULL || count_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    size_t first = 0;
    bool has_kind = false;
    for (uint32_t i = 0; i < model->output_count; i++) {
        const espalier_file_output *const output = &model->outputs[i];
        if (output->kind != (uint32_t)kind) {
            continue;
        }
        has_kind = true;
        size_t count = output->slot_count;
        if (kind == ESPALIER_OUTPUT_CLASS) {
            count = 1;
        } else if (kind == ESPALIER_OUTPUT_LEAF) {
            count = model->parts[output->part].tree_count;
        }
        if (output->group == group_index) {
            *first_out = first;
            *count_out = count;
            return ESPALIER_OK;
        }
        first += count;
    }
    return has_kind ? ESPALIER_ERROR_ARGUMENT : ESPALIER_ERROR_OUTPUT_KIND;
}

espalier_status espalier_model_output(const espalier_model *model, espalier_output_kind kind,
                                      espalier_output_info *output_out)
{
    if (model == NULL || output_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    espalier_output_info info = {(uint32_t)kind, 0, 0, 0, 0};
    for (uint32_t i = 0; i < model->output_count; i++) {
        const espalier_file_output *const output = &model->outputs[i];
        if (output->kind != (uint32_t)kind) {
            continue;
        }
        info.dtype = output->dtype;
        info.group_count++;
        if (kind == ESPALIER_OUTPUT_CLASS) {
            info.width += 1;
        } else if (kind == ESPALIER_OUTPUT_LEAF) {
            info.width += model->parts[output->part].tree_count;
        } else {
            info.width += output->slot_count;
        }
    }
    if (info.group_count == 0) {
        return ESPALIER_ERROR_OUTPUT_KIND;
    }
    *output_out = info;
    return ESPALIER_OK;
}

uint32_t espalier_model_part_of(const espalier_model *model, uint32_t tree_index)
{
    uint32_t part_index = 0;
    while (tree_index - model->parts[part_index].first_tree >=
           model->parts[part_index].tree_count) {
        part_index++;
    }
    return part_index;
}

espalier_status espalier_model_tree(const espalier_model *model, uint32_t tree_index,
                                    espalier_tree_info *tree_out)
{
    if (model == NULL || tree_out == NULL || tree_index >= model->tree_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_tree *const tree = &model->trees[tree_index];
    const uint32_t part_index = espalier_model_part_of(model, tree_index);
    const espalier_file_part *const part = &model->parts[part_index];
    const uint64_t before = (uint64_t)(model->nodes - model->map.base);
    *tree_out = (espalier_tree_info){
        .node_count = tree->source_node_count,
        .position_count = tree->node_count,
        .depth = tree->depth,
        .number = tree->number,
        .iteration = tree->iteration,
        .part_index = part_index,
        .leaf_width = part->leaf_width,
        .nodes_offset = before + tree->first_node * part->node_bytes,
        .nodes_bytes = (uint64_t)tree->node_count * part->node_bytes,
    };
    return ESPALIER_OK;
}

espalier_walk_node espalier_model_load_node(const espalier_model *model,
                                            const espalier_file_part *part,
                                            const espalier_file_tree *tree, uint32_t position)
{
    const uint8_t *const node =
        model->nodes + (tree->first_node + position) * (size_t)part->node_bytes;
    const uint32_t child_mask = (UINT32_C(1) << part->child_bits) - 1;
    uint32_t words[3] = {0, 0, 0};
    memcpy(words, node, part->node_bytes == 8 ? 8 : 12);
    espalier_walk_node loaded = {words[0], words[1] & child_mask, 0};
    loaded.column =
        (part->node_bytes == 8 ? words[1] >> part->child_bits : words[2]) & model->column_mask;
    return loaded;
}

espalier_status espalier_model_node(const espalier_model *model, uint32_t tree_index,
                                    uint32_t position, espalier_node *node_out)
{
    if (model == NULL || node_out == NULL || tree_index >= model->tree_count ||
        position >= model->trees[tree_index].node_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_part *const part = &model->parts[espalier_model_part_of(model, tree_index)];
    const espalier_walk_node stored =
        espalier_model_load_node(model, part, &model->trees[tree_index], position);
    espalier_node node = {.feature = ESPALIER_FEATURE_NONE,
                          .left = stored.child,
                          .right = stored.child};
    const uint32_t column = stored.column < model->column_count ? stored.column : 0;
    if (column != 0) {
        node.feature = model->columns[column].feature;
        node.missing_left = model->columns[column].missing == ESPALIER_MISSING_LEFT;
        float threshold;
        memcpy(&threshold, &stored.threshold, sizeof threshold);
        node.threshold = (double)threshold;
        node.right = stored.child + 1;
    } else {
        const uint32_t leaf = stored.threshold - ESPALIER_LEAF_BIAS;
        node.leaf_index = leaf < part->leaf_count ? leaf : part->leaf_count - 1;
        node.left = node.right = position;
    }
    *node_out = node;
    return ESPALIER_OK;
}

espalier_status espalier_model_leaf(const espalier_model *model, uint32_t part_index,
                                    uint32_t leaf_index, double *values, size_t value_count)
{
    if (model == NULL || values == NULL || part_index >= model->part_count ||
        leaf_index >= model->parts[part_index].leaf_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_part *const part = &model->parts[part_index];
    if (value_count < part->leaf_width) {
        return ESPALIER_ERROR_OUTPUT_SIZE;
    }
    const size_t row_bytes = (size_t)part->leaf_width * sizeof(double);
    memcpy(values, model->leaves + part->leaf_offset + leaf_index * row_bytes, row_bytes);
    return ESPALIER_OK;
}

uint32_t espalier_model_stored_number(const espalier_model *model, uint64_t index)
{
    const uint32_t bytes = model->head->number_bytes;
    uint32_t number = 0;
    memcpy(&number, model->numbers + index * bytes, bytes);
    return number;
}

void espalier_model_count_preorder(const espalier_model *model, const espalier_file_part *part,
                                   const espalier_file_tree *tree, uint32_t *numbers,
                                   uint32_t *stack)
{
    memset(numbers, 0, (size_t)tree->node_count * sizeof *numbers);
    uint32_t depth = 0;
    stack[depth++] = 0;
    for (uint32_t number = 0; number < tree->source_node_count && depth > 0;) {
        const uint32_t position = stack[--depth];
        if (position >= tree->node_count) {
            continue; /* a node that lies: nothing there to number */
        }
        numbers[position] = number++;
        const espalier_walk_node node = espalier_model_load_node(model, part, tree, position);
        if (node.column != 0) {
            stack[depth++] = node.child + 1;
            stack[depth++] = node.child;
        }
    }
}
