// SPDX-License-Identifier: Apache-2.0
/*
 * Outputs, trees, nodes and leaves as a caller may look at them. Nodes come from the mapping, so
 * every word is loaded once and bounded before it is used; so do cuts.
 */
#include "engine/cuts.h"
#include "engine/kernels/bits_tree.h"
#include "engine/model.h"
#include "espalier_inspect.h"
#include "format/options.h"
#include "format/word.h"

#include <math.h>
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

/* WALK: as in the file. Masks: inner nodes from the root on, then the leaves. */
static uint32_t position_count(const espalier_file_part *part, const espalier_file_tree *tree)
{
    return part->layout == ESPALIER_FILE_WALK ? tree->node_count : 2 * tree->leaf_count - 1;
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
        .position_count = position_count(part, tree),
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
    loaded.column = (part->node_bytes == 8 ? words[1] >> part->child_bits : words[2]) &
                    model->banks[ESPALIER_BANK_WORD].mask;
    return loaded;
}

/* What a column asks of its feature; `threshold` is what its node compares with. */
static espalier_node decision(const espalier_model *model, uint32_t column_index, double threshold)
{
    const espalier_file_column *const column = &model->columns[column_index];
    const uint32_t missing = column->missing;
    espalier_node node = {.threshold = threshold, .feature = column->feature};
    node.missing = missing == ESPALIER_MISSING_AS_ZERO ? ESPALIER_MISSING_NEVER
                   : missing == ESPALIER_MISSING_ZERO_LEFT || missing == ESPALIER_MISSING_ZERO_RIGHT
                       ? ESPALIER_MISSING_ZERO
                       : ESPALIER_MISSING_NAN;
    node.missing_left = missing == ESPALIER_MISSING_LEFT || missing == ESPALIER_MISSING_ZERO_LEFT;
    if (column->kind == ESPALIER_COLUMN_CODE) {
        const uint64_t before =
            column->segment > 0 ? (uint64_t)column->segment * espalier_bank_code_max(column->bank)
                                : 0;
        const uint64_t rank = threshold > 0 ? (uint64_t)threshold : 0;
        node.threshold = espalier_cut_at(model, column, before + rank);
    }
    return node;
}

/* Whether a rank goes left by a SET column, at a node whose threshold is `test`. */
static uint32_t set_goes_left(const espalier_model *model, uint32_t column_index, uint32_t test,
                              uint32_t rank)
{
    const espalier_file_column *const column = &model->columns[column_index];
    const uint32_t end = model->banks[ESPALIER_BANK_WORD].count;
    const uint32_t first = column_index - column->segment;
    uint64_t offset = 0;
    uint32_t word_count = 1;
    for (uint32_t i = model->set_first; i < first; i++) {
        offset += espalier_set_bytes(model->columns[i].cut_count, 1);
    }
    while (first + word_count < end && model->columns[first + word_count].segment != 0) {
        word_count++;
    }
    uint32_t word = 0;
    memcpy(&word,
           model->sets + offset + ((uint64_t)rank * word_count + column->segment) * sizeof word,
           sizeof word);
    return (word << test % ESPALIER_SET_BITS & ESPALIER_SET_TEST) == 0;
}

/* A node that tests a SET column. */
static espalier_node set_decision(const espalier_model *model, uint32_t column_index, uint32_t test)
{
    const espalier_file_column *const column = &model->columns[column_index];
    return (espalier_node){
        .threshold = espalier_cut_at(model, column, test % column->cut_count),
        .feature = column->feature,
        .missing = ESPALIER_MISSING_NAN,
        .missing_left = set_goes_left(model, column_index, test, column->cut_count + 1),
        .is_set = 1,
        .set_column = column_index,
        .set_bit = test % ESPALIER_SET_BITS,
    };
}

int espalier_model_set_left(const espalier_model *model, const espalier_node *node, double value)
{
    if (model == NULL || node == NULL || node->is_set == 0 || node->set_column < model->set_first ||
        node->set_column >= model->banks[ESPALIER_BANK_WORD].count) {
        return 0;
    }
    const espalier_file_column *const column = &model->columns[node->set_column];
    const bool is_float32 = (model->head->input_rule & ESPALIER_INPUT_FLOAT32) != 0;
    const espalier_cut_list list = espalier_cut_list_of(model, column);
    const espalier_ranker *const ranker = espalier_ranker__scalar;
    double x = is_float32 ? (double)(float)value : value;
    if ((model->head->input_rule & ESPALIER_INPUT_FLUSH_TINY) != 0 &&
        fabs(x) <= (double)ESPALIER_TINY) {
        x = 0.0;
    }
    const float narrow = (float)x;
    uint32_t rank = column->cut_count + 1;
    if (is_float32 && !isnan(x)) {
        ranker->rank_block_float32(&list, &narrow, 1, &rank);
    } else if (!isnan(x)) {
        ranker->rank_block_float64(&list, &x, 1, &rank);
    }
    return (int)set_goes_left(model, node->set_column, node->set_bit, rank);
}

static espalier_node leaf_node(uint32_t position, uint32_t leaf_index)
{
    return (espalier_node){.feature = ESPALIER_FEATURE_NONE,
                           .left = position,
                           .right = position,
                           .leaf_index = leaf_index};
}

static espalier_node decode_walk(const espalier_model *model, const espalier_file_part *part,
                                 const espalier_file_tree *tree, uint32_t position)
{
    const espalier_walk_node stored = espalier_model_load_node(model, part, tree, position);
    const espalier_bank *const bank = &model->banks[ESPALIER_BANK_WORD];
    const uint32_t column = stored.column < bank->count ? stored.column : 0;
    const uint32_t kind = model->columns[bank->first + column].kind;
    if (kind == ESPALIER_COLUMN_LEAF) {
        const uint32_t leaf = stored.threshold;
        return leaf_node(position, leaf < part->leaf_count ? leaf : part->leaf_count - 1);
    }
    if (kind == ESPALIER_COLUMN_SET) {
        espalier_node node = set_decision(model, bank->first + column, stored.threshold);
        node.left = stored.child;
        node.right = stored.child + 1;
        return node;
    }
    /* A hostile rank may be anything; it is bounded by the cuts. */
    const uint32_t word = UINT32_MAX - stored.threshold;
    espalier_node node =
        decision(model, bank->first + column,
                 kind == ESPALIER_COLUMN_CODE ? (double)word : (double)espalier_word_value(word));
    node.left = stored.child;
    node.right = stored.child + 1;
    return node;
}

espalier_mask_node espalier_model_load_heap(const espalier_model *model,
                                            const espalier_file_part *part,
                                            const espalier_file_tree *tree, uint32_t index)
{
    const uint8_t *const nodes = model->nodes + tree->first_node * (size_t)part->node_bytes;
    if (part->bank == ESPALIER_BANK_BYTE) {
        const espalier_mask_node node = {nodes[index], nodes[tree->node_count + index], 0, 0};
        return node;
    }
    uint16_t column = 0, threshold = 0;
    memcpy(&column, nodes + 2 * (size_t)index, 2);
    memcpy(&threshold, nodes + 2 * ((size_t)tree->node_count + index), 2);
    return (espalier_mask_node){column, threshold, 0, 0};
}

/* Inner nodes in the order of the heap, then leaves. A filler counts as the leaf that all leaves
 * below it repeat, so that following children gives the trainer's tree. */
static espalier_node decode_heap(const espalier_model *model, const espalier_file_part *part,
                                 const espalier_file_tree *tree, uint32_t position)
{
    const uint32_t inner_count = tree->leaf_count - 1;
    if (position >= inner_count) {
        return leaf_node(position, tree->first_leaf + (position - inner_count));
    }
    const espalier_mask_node stored = espalier_model_load_heap(model, part, tree, position + 1);
    const espalier_bank *const bank = &model->banks[part->bank];
    if (stored.threshold == espalier_bank_code_max(part->bank) || stored.column >= bank->count) {
        uint32_t below = position + 1;
        while (below <= inner_count) {
            below *= 2;
        }
        return leaf_node(position, tree->first_leaf + (below - tree->leaf_count));
    }
    espalier_node node = decision(model, bank->first + stored.column, (double)stored.threshold);
    node.left = 2 * position + 1;
    node.right = 2 * position + 2;
    return node;
}

espalier_mask_node espalier_model_load_select(const espalier_model *model,
                                              const espalier_file_part *part,
                                              const espalier_file_tree *tree, uint32_t index)
{
    espalier_file_node_select stored;
    memcpy(&stored, model->nodes + (tree->first_node + index) * (size_t)part->node_bytes,
           sizeof stored);
    /* Places count from 256 - inner nodes on; the children's from the one behind their parent's. */
    const uint32_t next = ESPALIER_SELECT_LEAVES - (tree->leaf_count - 1) + index + 1;
    return (espalier_mask_node){stored.column, stored.threshold,
                                next + stored.left % ESPALIER_SELECT_REACH,
                                next + stored.right % ESPALIER_SELECT_REACH};
}

/* The position of a place: inner nodes from 0 on, then leaves; no leaf: the first one. */
static uint32_t select_position(const espalier_file_tree *tree, uint32_t place)
{
    const uint32_t inner_count = tree->leaf_count - 1;
    const uint32_t position = place - (ESPALIER_SELECT_LEAVES - inner_count);
    return position < inner_count + tree->leaf_count ? position : inner_count;
}

static espalier_node decode_select(const espalier_model *model, const espalier_file_part *part,
                                   const espalier_file_tree *tree, uint32_t position)
{
    const uint32_t inner_count = tree->leaf_count - 1;
    if (position >= inner_count) {
        return leaf_node(position, tree->first_leaf + (position - inner_count));
    }
    const espalier_mask_node stored = espalier_model_load_select(model, part, tree, position);
    const espalier_bank *const bank = &model->banks[part->bank];
    if (bank->count == 0) {
        return leaf_node(position, tree->first_leaf);
    }
    const uint32_t column = stored.column < bank->count ? stored.column : 0;
    espalier_node node = decision(model, bank->first + column, (double)stored.threshold);
    node.left = select_position(tree, stored.left);
    node.right = select_position(tree, stored.right);
    return node;
}

/* Words that are no tree lead nowhere but to the first leaf. */
static espalier_node decode_bits(const espalier_model *model, const espalier_file_part *part,
                                 const espalier_file_tree *tree, uint32_t position)
{
    const uint8_t *const nodes = model->nodes + tree->first_node * (size_t)part->node_bytes;
    const uint32_t inner_count = tree->leaf_count - 1;
    const espalier_bank *const bank = &model->banks[part->bank];
    espalier_bits_tree children;
    if (position >= inner_count) {
        return leaf_node(position, tree->first_leaf + (position - inner_count));
    }
    if (bank->count == 0 || !espalier_bits_tree_of(nodes, tree->leaf_count, &children)) {
        return leaf_node(position, tree->first_leaf);
    }
    const uint32_t stored = nodes[position];
    const uint32_t column = stored < bank->count ? stored : 0;
    espalier_node node =
        decision(model, bank->first + column, (double)nodes[ESPALIER_BITS_LEAVES + position]);
    node.left = children.left[position];
    node.right = children.right[position];
    return node;
}

espalier_status espalier_model_node(const espalier_model *model, uint32_t tree_index,
                                    uint32_t position, espalier_node *node_out)
{
    if (model == NULL || node_out == NULL || tree_index >= model->tree_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_tree *const tree = &model->trees[tree_index];
    const espalier_file_part *const part = &model->parts[espalier_model_part_of(model, tree_index)];
    if (position >= position_count(part, tree)) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    switch (part->layout) {
    case ESPALIER_FILE_WALK:
        *node_out = decode_walk(model, part, tree, position);
        break;
    case ESPALIER_FILE_HEAP:
        *node_out = decode_heap(model, part, tree, position);
        break;
    case ESPALIER_FILE_BITS:
        *node_out = decode_bits(model, part, tree, position);
        break;
    default:
        *node_out = decode_select(model, part, tree, position);
        break;
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_part(const espalier_model *model, uint32_t part_index,
                                    espalier_part_info *part_out)
{
    if (model == NULL || part_out == NULL || part_index >= model->part_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const size_t info_bytes = part_out->struct_bytes;
    if (info_bytes < sizeof *part_out || info_bytes > ESPALIER_OPTIONS_BYTES_MAX) {
        return ESPALIER_ERROR_OPTIONS;
    }
    const espalier_file_part *const part = &model->parts[part_index];
    memset(part_out, 0, info_bytes);
    part_out->struct_bytes = info_bytes;
    part_out->layout = part->layout;
    part_out->node_bytes = part->node_bytes;
    part_out->code_bytes = part->bank == ESPALIER_BANK_BYTE    ? 1
                           : part->bank == ESPALIER_BANK_SHORT ? 2
                                                               : 4;
    part_out->sum_dtype = part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32
                              ? ESPALIER_DTYPE_FLOAT32
                              : ESPALIER_DTYPE_FLOAT64;
    part_out->leaf_width = part->leaf_width;
    part_out->first_tree = part->first_tree;
    part_out->tree_count = part->tree_count;
    part_out->leaf_count = part->leaf_count;
    for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
        const espalier_file_tree *const tree = &model->trees[i];
        part_out->depth_max = tree->depth > part_out->depth_max ? tree->depth : part_out->depth_max;
        part_out->node_section_bytes += (uint64_t)tree->node_count * part->node_bytes;
    }
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
    const size_t value_bytes = espalier_part_value_bytes(part);
    const uint8_t *const row =
        model->leaves + part->leaf_offset + leaf_index * (part->leaf_width * value_bytes);
    for (uint32_t i = 0; i < part->leaf_width; i++) {
        float narrow = 0.0f;
        if (value_bytes == sizeof narrow) {
            memcpy(&narrow, row + i * value_bytes, sizeof narrow);
            values[i] = (double)narrow;
        } else {
            memcpy(&values[i], row + i * value_bytes, sizeof values[i]);
        }
    }
    return ESPALIER_OK;
}

uint32_t espalier_model_stored_number(const espalier_model *model, uint64_t index)
{
    const uint32_t bytes = model->head->number_bytes;
    const uint8_t *const from = model->numbers + index * bytes;
    uint32_t number = 0;
    switch (bytes) { /* a copy of a known size is one load: LEAF asks for every tree */
    case 1:
        return *from;
    case 2:
        memcpy(&number, from, 2);
        return number;
    default:
        memcpy(&number, from, bytes);
        return number;
    }
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
