// SPDX-License-Identifier: Apache-2.0
/*
 * See linear.h. Sums are float64, term after term as the leaf lists them and tree after tree in
 * file order, every product rounded before it is added.
 */
#include "engine/linear.h"

#include <string.h>

void espalier_linear_mark_parts(const espalier_model *model, uint8_t *marks)
{
    for (uint32_t i = 0; i < model->stage_count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        if (stage->operation == ESPALIER_STAGE_LINEAR) {
            marks[(uint32_t)model->constants[stage->table]] = 1;
        }
    }
}

void espalier_linear_count_firsts(const espalier_model *model, const uint8_t *marks,
                                  uint64_t *firsts)
{
    uint64_t next = 0;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        for (uint32_t i = 0; marks[p] != 0 && i < part->tree_count; i++) {
            firsts[part->first_tree + i] = next;
            next += espalier_tree_source_leaves(&model->trees[part->first_tree + i]);
        }
    }
}

espalier_file_linear_leaf espalier_linear_load_leaf(const espalier_model *model, uint64_t index)
{
    espalier_file_linear_leaf leaf;
    memcpy(&leaf, model->linear + index * sizeof leaf, sizeof leaf);
    return leaf;
}

espalier_file_term espalier_linear_load_term(const espalier_model *model, uint32_t index)
{
    espalier_file_term term;
    memcpy(&term,
           model->linear + model->linear_leaf_count * sizeof(espalier_file_linear_leaf) +
               index * sizeof term,
           sizeof term);
    return term;
}

espalier_file_linear_leaf espalier_linear_bound_leaf(const espalier_model *model, uint64_t index,
                                                     uint32_t count)
{
    espalier_file_linear_leaf leaf = espalier_linear_load_leaf(model, index);
    const uint32_t all = model->linear_term_count;
    leaf.first_term = leaf.first_term < all ? leaf.first_term : all;
    leaf.term_count = leaf.term_count < count ? leaf.term_count : count;
    leaf.term_count =
        leaf.term_count < all - leaf.first_term ? leaf.term_count : all - leaf.first_term;
    return leaf;
}

/* What a leaf answers, of x[count]. */
static double evaluate_leaf(const espalier_model *model, uint64_t index, const double *x,
                            uint32_t count)
{
    const espalier_file_linear_leaf leaf = espalier_linear_bound_leaf(model, index, count);
    double sum = leaf.constant;
    for (uint32_t i = 0; i < leaf.term_count; i++) {
        const espalier_file_term term = espalier_linear_load_term(model, leaf.first_term + i);
        const double value = x[term.place < count ? term.place : count - 1];
        if (value != value) {
            return leaf.missing_value;
        }
        const double product = term.coefficient * value;
        sum += product;
    }
    return sum;
}

uint64_t espalier_linear_bound_number(double number, uint64_t leaf_count)
{
    return number >= 0.0 && number < (double)leaf_count ? (uint64_t)number : 0;
}

void espalier_linear_run(const espalier_linear_call *call, double *slots, size_t slot_stride,
                         size_t row_count)
{
    const espalier_model *const model = call->model;
    const espalier_file_stage *const stage = call->stage;
    const double *const c = model->constants + stage->table;
    const espalier_file_part *const part = &model->parts[(uint32_t)c[0]];
    double *const sums = slots + stage->output_slot;
    for (size_t r = 0; r < row_count; r++) {
        sums[r * slot_stride] = 0.0;
    }
    /* All of them whole and below 2^25, as open made sure. */
    for (uint32_t i = (uint32_t)c[2]; i < part->tree_count; i += (uint32_t)c[1]) {
        const espalier_file_tree *const tree = &model->trees[part->first_tree + i];
        const uint64_t leaf_count = espalier_tree_source_leaves(tree);
        const uint64_t first = call->firsts[part->first_tree + i];
        if (tree->iteration - call->iteration_first >= call->iteration_count) {
            continue;
        }
        for (size_t r = 0; r < row_count; r++) {
            const double *const row = slots + r * slot_stride;
            const uint64_t number =
                espalier_linear_bound_number(row[part->first_slot + i], leaf_count);
            sums[r * slot_stride] +=
                evaluate_leaf(model, first + number, row + stage->input_slot, stage->slot_count);
        }
    }
}
