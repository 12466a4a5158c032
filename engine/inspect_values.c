// SPDX-License-Identifier: Apache-2.0
/*
 * What a row's values are and where they go, for a caller who looks into a model: the way of a
 * value at a node, what nodes compare for a row, the trainer's leaf numbers, the file's sections.
 * Includes engine/ and the read side of format/. As in inspect.c, what lies in the mapping is
 * bounded whenever it is used.
 */
#include "engine/cuts.h"
#include "engine/model.h"
#include "engine/predictor.h"
#include "espalier_inspect.h"
#include "format/reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- nodes ----------------------------------------------------------------------------------- */

int espalier_model_node_left(const espalier_model *model, const espalier_node *node, double value)
{
    if (model == NULL || node == NULL || node->feature == ESPALIER_FEATURE_NONE) {
        return 0;
    }
    if (node->is_set != 0) {
        return espalier_model_set_left(model, node, value);
    }
    const uint32_t rule = model->head->input_rule;
    double x = (rule & ESPALIER_INPUT_FLOAT32) != 0 ? (double)(float)value : value;
    const bool is_tiny = fabs(x) <= (double)ESPALIER_TINY;
    if (is_tiny && (rule & ESPALIER_INPUT_FLUSH_TINY) != 0) {
        x = 0.0;
    }
    if (node->missing == ESPALIER_MISSING_NEVER) {
        return (isnan(x) ? 0.0 : x) <= node->threshold;
    }
    if (isnan(x) || (is_tiny && node->missing == ESPALIER_MISSING_ZERO)) {
        return node->missing_left != 0;
    }
    return x <= node->threshold;
}

size_t espalier_model_set_cuts(const espalier_model *model, const espalier_node *node, double *cuts,
                               size_t cut_count)
{
    if (model == NULL || node == NULL || node->is_set == 0 || node->set_column < model->set_first ||
        node->set_column >= model->banks[ESPALIER_BANK_WORD].count ||
        (cuts == NULL && cut_count > 0)) {
        return 0;
    }
    const espalier_file_column *const column = &model->columns[node->set_column];
    for (size_t i = 0; i < cut_count && i < column->cut_count; i++) {
        cuts[i] = espalier_cut_at(model, column, i);
    }
    return column->cut_count;
}

/* ---- leaf numbers ---------------------------------------------------------------------------- */

/* Numbers of all trees in front of this one, as they are counted in NODE_NUMBERS. */
static uint64_t numbers_before(const espalier_model *model, uint32_t tree_index)
{
    uint64_t before = 0;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        for (uint32_t i = 0; i < part->tree_count; i++) {
            if (part->first_tree + i == tree_index) {
                return before;
            }
            before += espalier_tree_number_count(part, &model->trees[part->first_tree + i]);
        }
    }
    return before;
}

/* Without stored numbers: preorder. */
static espalier_status count_walk(const espalier_model *model, const espalier_file_part *part,
                                  const espalier_file_tree *tree, uint32_t *numbers)
{
    uint32_t *const stack = malloc(((size_t)tree->node_count + 1) * sizeof *stack);
    if (stack == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    espalier_model_count_preorder(model, part, tree, numbers, stack);
    free(stack);
    return ESPALIER_OK;
}

espalier_status espalier_model_leaf_numbers(const espalier_model *model, uint32_t tree_index,
                                            uint32_t *numbers, size_t number_count)
{
    espalier_tree_info info;
    if (numbers == NULL || espalier_model_tree(model, tree_index, &info) != ESPALIER_OK) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (number_count < info.position_count) {
        return ESPALIER_ERROR_OUTPUT_SIZE;
    }
    const espalier_file_part *const part = &model->parts[info.part_index];
    const espalier_file_tree *const tree = &model->trees[tree_index];
    const bool is_stored = model->head->number_bytes != 0;
    const bool is_walk = part->layout == ESPALIER_FILE_WALK;
    if (is_walk && !is_stored) {
        const espalier_status status = count_walk(model, part, tree, numbers);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    const uint64_t first = is_stored ? numbers_before(model, tree_index) : 0;
    const uint32_t count = espalier_tree_number_count(part, tree);
    for (uint32_t i = 0; i < info.position_count; i++) {
        espalier_node node;
        if (espalier_model_node(model, tree_index, i, &node) != ESPALIER_OK ||
            node.feature != ESPALIER_FEATURE_NONE) {
            numbers[i] = ESPALIER_NUMBER_NONE;
            continue;
        }
        const uint32_t leaf = is_walk ? i : node.leaf_index - tree->first_leaf;
        if (is_stored && leaf < count) {
            numbers[i] = espalier_model_stored_number(model, first + leaf);
        } else if (!is_walk) {
            numbers[i] = leaf;
        }
    }
    return ESPALIER_OK;
}

/* ---- values ---------------------------------------------------------------------------------- */

uint32_t espalier_model_value_count(const espalier_model *model)
{
    return model == NULL ? 0 : model->value_count;
}

static const char *operation_name(uint32_t operation)
{
    static const char *const names[] = {
        "",      "copy",       "subtract", "add",  "multiply", "divide",  "clip",
        "fill",  "is_missing", "above",    "rank", "index",    "one_hot", "log1p",
        "expm1", "log",        "exp",      "sqrt", "abs",      "check",   "nudge",
    };
    return names[operation < sizeof names / sizeof names[0] ? operation : 0];
}

espalier_status espalier_model_value(const espalier_model *model, uint32_t value_index,
                                     espalier_value_info *value_out)
{
    if (model == NULL || value_out == NULL || value_index >= model->value_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    if (value_index < model->head->feature_count) {
        *value_out = (espalier_value_info){.operation = "", .input = value_index};
        return ESPALIER_OK;
    }
    /* The last operation whose first value is not behind this one; CHECK writes none and has 0. */
    for (uint32_t i = model->operation_count; i-- > 0;) {
        const espalier_file_operation *const operation = &model->operations[i];
        if (operation->operation == ESPALIER_PREPARE_CHECK || operation->output > value_index) {
            continue;
        }
        *value_out = (espalier_value_info){
            .operation = operation_name(operation->operation),
            .input = operation->input,
            .place = value_index - operation->output,
            .number_count = operation->number_count,
            .numbers = model->prepare_numbers + operation->numbers64,
        };
        return ESPALIER_OK;
    }
    return ESPALIER_ERROR_ARGUMENT;
}

int espalier_model_missing_number(const espalier_model *model, double *number_out)
{
    if (model == NULL || number_out == NULL ||
        (model->head->input_rule & ESPALIER_INPUT_MISSING_NUMBER) == 0) {
        return 0;
    }
    *number_out = model->head->missing_number;
    return 1;
}

/* The caller's element, as float64. */
static double load_cell(const espalier_rows *rows, uint32_t feature)
{
    const ptrdiff_t at = (ptrdiff_t)feature * rows->feature_stride;
    const uint8_t *const data = rows->data;
    if (rows->dtype == ESPALIER_DTYPE_FLOAT32) {
        float narrow;
        memcpy(&narrow, data + at * (ptrdiff_t)sizeof narrow, sizeof narrow);
        return (double)narrow;
    }
    double value;
    memcpy(&value, data + at * (ptrdiff_t)sizeof value, sizeof value);
    return value;
}

/* A value as columns see it: converted, and NaN where it is the number that means missing. */
static double value_seen(const espalier_model *model, double value)
{
    const uint32_t rule = model->head->input_rule;
    const double x = (rule & ESPALIER_INPUT_FLOAT32) != 0 ? (double)(float)value : value;
    const bool marks = (rule & ESPALIER_INPUT_MISSING_NUMBER) != 0;
    return marks && x == model->head->missing_number ? (double)NAN : x;
}

/* Values of ONE_HOT that were not computed, from the number that they were made of. */
static void show_resting(const espalier_preparer *preparer, double *values)
{
    const espalier_model *const model = preparer->model;
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const espalier_file_operation *const operation = &model->operations[i];
        const uint32_t place = preparer->places[operation->input];
        const bool one_hot = operation->operation == ESPALIER_PREPARE_ONE_HOT;
        for (uint32_t k = 0; one_hot && k < operation->count; k++) {
            if (preparer->resting[operation->output + k] != 0 && place != ESPALIER_PREPARE_UNUSED) {
                values[operation->output + k] = preparer->values[place] == (double)k ? 1.0 : 0.0;
            }
        }
    }
}

espalier_status espalier_predictor_values(espalier_predictor *predictor, const espalier_rows *rows,
                                          double *values, size_t value_count)
{
    if (predictor == NULL || rows == NULL || values == NULL || rows->row_count == 0) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_model *const model = predictor->model;
    const espalier_status status = espalier_predict_check_rows(model, rows);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (value_count < model->value_count) {
        return ESPALIER_ERROR_OUTPUT_SIZE;
    }
    const espalier_preparer *const preparer = &predictor->preparer;
    if (preparer->model == NULL) {
        for (uint32_t i = 0; i < model->value_count; i++) {
            values[i] = value_seen(model, load_cell(rows, i));
        }
        return ESPALIER_OK;
    }
    size_t good = 0;
    espalier_refusal refusal = {ESPALIER_OK, 0, 0};
    espalier_preparer_run(preparer, rows, 0, 1, false, &good, &refusal);
    for (uint32_t i = 0; i < model->value_count; i++) {
        const uint32_t place = preparer->places[i];
        values[i] = place == ESPALIER_PREPARE_UNUSED ? (double)NAN
                                                     : value_seen(model, preparer->values[place]);
    }
    show_resting(preparer, values);
    return ESPALIER_OK;
}

/* ---- the file -------------------------------------------------------------------------------- */

espalier_status espalier_model_section(const espalier_model *model, uint32_t section_index,
                                       espalier_section_info *section_out)
{
    if (model == NULL || section_out == NULL || section_index >= model->file.section_count) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    const espalier_file_section *const section =
        espalier_file_section_at(&model->file, section_index);
    *section_out = (espalier_section_info){
        .name = espalier_section_name(section->type),
        .type = section->type,
        .is_required = (section->flags & ESPALIER_SECTION_REQUIRED) != 0,
        .offset = section->offset,
        .bytes = section->bytes,
        .alignment = section->alignment,
    };
    return ESPALIER_OK;
}
