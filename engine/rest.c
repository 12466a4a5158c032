// SPDX-License-Identifier: Apache-2.0
/*
 * See rest.h. What 0 and 1 give in a cell is found once, when a predictor is made.
 */
#include "engine/rest.h"

#include "engine/cuts.h"
#include "engine/stages.h"
#include "format/word.h"

#include <stdlib.h>
#include <string.h>

#define NO_VALUE UINT32_MAX

/* ---- which values rest ---- */

/* Whether a column compares 0 and 1 as they are. */
static bool column_rests(const espalier_file_column *column)
{
    return (column->kind == ESPALIER_COLUMN_FEATURE || column->kind == ESPALIER_COLUMN_CODE) &&
           column->missing != ESPALIER_MISSING_ZERO_RIGHT &&
           column->missing != ESPALIER_MISSING_ZERO_LEFT;
}

void espalier_rest_mark(const espalier_model *model, uint8_t *marks)
{
    memset(marks, 0, model->value_count);
    if ((model->head->input_rule & ESPALIER_INPUT_MISSING_NUMBER) != 0) {
        return; /* 0 or 1 might be the number */
    }
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const espalier_file_operation *const operation = &model->operations[i];
        if (operation->operation == ESPALIER_PREPARE_ONE_HOT) {
            memset(marks + operation->output, 1, operation->count);
        }
    }
    for (uint32_t i = 0; i < model->operation_count; i++) {
        if (model->operations[i].operation != ESPALIER_PREPARE_CHECK) {
            marks[model->operations[i].input] = 0;
        }
    }
    for (uint32_t i = 0; i < model->column_count; i++) {
        const espalier_file_column *const column = &model->columns[i];
        if (column->kind != ESPALIER_COLUMN_LEAF && !column_rests(column)) {
            marks[column->feature] = 0;
        }
    }
    for (uint32_t i = 0; i < model->stage_count; i++) {
        const espalier_file_stage *const stage = &model->stages[i];
        for (uint32_t k = 0; espalier_stage_takes_values(stage) && k < stage->slot_count; k++) {
            marks[(uint32_t)model->constants[stage->table + k]] = 0;
        }
    }
}

/* ---- making ---- */

/* What a column's cell holds for a value: a word, or the code of its segment. */
static uint32_t find_code(const espalier_model *model, const espalier_file_column *column,
                          float value)
{
    if (column->kind == ESPALIER_COLUMN_FEATURE) {
        return espalier_word_of(value);
    }
    const espalier_cut_list list = espalier_cut_list_of(model, column);
    /* All rankers give the same; this one takes single values. */
    const espalier_ranker *const ranker = espalier_ranker__scalar;
    const double wide = (double)value;
    uint32_t rank = 0;
    if ((model->head->input_rule & ESPALIER_INPUT_FLOAT32) != 0) {
        ranker->rank_block_float32(&list, &value, 1, &rank);
    } else {
        ranker->rank_block_float64(&list, &wide, 1, &rank);
    }
    if (column->bank == ESPALIER_BANK_WORD) {
        return rank;
    }
    const uint32_t code_max = espalier_bank_code_max(column->bank);
    const uint64_t base = (uint64_t)column->segment * code_max;
    const uint64_t above = rank > base ? rank - base : 0;
    return above < code_max ? (uint32_t)above : code_max;
}

static bool is_resting(const espalier_file_column *column, const uint8_t *marks)
{
    return column->kind != ESPALIER_COLUMN_LEAF && marks[column->feature] != 0;
}

/* Cells by value: counted, then put side by side. */
static void place_cells(espalier_rest *rest, const espalier_model *model, const uint8_t *marks)
{
    uint32_t *const firsts = rest->firsts;
    for (uint32_t i = 0; i < model->value_count; i++) {
        firsts[i + 1] += firsts[i];
    }
    /* The end of each value's cells moves down to where they begin. */
    for (uint32_t i = model->column_count; i-- > 0;) {
        const espalier_file_column *const column = &model->columns[i];
        if (is_resting(column, marks)) {
            rest->cells[--firsts[column->feature]] = (espalier_rest_cell){
                .bank = column->bank,
                .column = i - model->banks[column->bank].first,
                .cold = find_code(model, column, 0.0F),
                .hot = find_code(model, column, 1.0F),
            };
        }
    }
}

/* After place_cells. */
static void find_groups(espalier_rest *rest, const espalier_model *model, const uint32_t *places)
{
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const espalier_file_operation *const operation = &model->operations[i];
        if (operation->operation == ESPALIER_PREPARE_ONE_HOT &&
            rest->firsts[operation->output + operation->count] > rest->firsts[operation->output]) {
            rest->groups[rest->group_count++] = (espalier_rest_group){
                .place = places[operation->input],
                .first = operation->output,
                .count = operation->count,
            };
        }
    }
}

espalier_status espalier_rest_create(espalier_rest *rest, const espalier_model *model,
                                     const uint32_t *places, const uint8_t *marks)
{
    memset(rest, 0, sizeof *rest);
    uint32_t cell_count = 0;
    uint32_t group_count = 0;
    for (uint32_t i = 0; i < model->column_count; i++) {
        cell_count += is_resting(&model->columns[i], marks);
    }
    for (uint32_t i = 0; i < model->operation_count; i++) {
        group_count += model->operations[i].operation == ESPALIER_PREPARE_ONE_HOT;
    }
    if (cell_count == 0) {
        return ESPALIER_OK;
    }
    rest->firsts = calloc((size_t)model->value_count + 1, sizeof *rest->firsts);
    rest->cells = calloc(cell_count, sizeof *rest->cells);
    rest->groups = calloc(group_count, sizeof *rest->groups);
    if (rest->firsts == NULL || rest->cells == NULL || rest->groups == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    rest->cell_count = cell_count;
    rest->memory_bytes = ((uint64_t)model->value_count + 1) * sizeof *rest->firsts +
                         cell_count * sizeof *rest->cells + group_count * sizeof *rest->groups;
    for (uint32_t i = 0; i < model->column_count; i++) {
        if (is_resting(&model->columns[i], marks)) {
            rest->firsts[model->columns[i].feature]++;
        }
    }
    place_cells(rest, model, marks);
    find_groups(rest, model, places);
    return ESPALIER_OK;
}

void espalier_rest_free(espalier_rest *rest)
{
    free(rest->firsts);
    free(rest->cells);
    free(rest->groups);
    free(rest->row_values);
    free(rest->block_values);
    memset(rest, 0, sizeof *rest);
}

/* ---- cells ---- */

/* A cell of a row's cells, or of row `row` of a block's. */
static void put_cell(const espalier_rest_cell *cell, uint32_t code, const espalier_cells *cells,
                     bool in_block, size_t row)
{
    const size_t column = cell->column;
    const size_t lane = row % ESPALIER_GROUP_ROWS;
    const size_t group = row / ESPALIER_GROUP_ROWS;
    if (cell->bank == ESPALIER_BANK_WORD) {
        const size_t in_flight = row % ESPALIER_FLIGHT_ROWS;
        cells->words[in_block ? (row - in_flight) * cells->word_stride +
                                    column * ESPALIER_FLIGHT_ROWS + in_flight
                              : column] = code;
    } else if (cell->bank == ESPALIER_BANK_BYTE) {
        cells->bytes[in_block ? (group * cells->byte_columns + column) * ESPALIER_GROUP_ROWS + lane
                              : column] = (uint8_t)code;
    } else {
        cells
            ->shorts[in_block ? (group * cells->short_columns + column) * ESPALIER_GROUP_ROWS + lane
                              : column] = (uint16_t)code;
    }
}

/* All cells of a value. */
static void put_value(const espalier_rest *rest, uint32_t value, bool hot,
                      const espalier_cells *cells, bool in_block, size_t row)
{
    for (uint32_t i = rest->firsts[value]; i < rest->firsts[value + 1]; i++) {
        const espalier_rest_cell *const cell = &rest->cells[i];
        put_cell(cell, hot ? cell->hot : cell->cold, cells, in_block, row);
    }
}

static void settle_row(const espalier_rest *rest, const espalier_cells *cells, bool in_block,
                       size_t row)
{
    for (uint32_t i = 0; i < rest->cell_count; i++) {
        put_cell(&rest->cells[i], rest->cells[i].cold, cells, in_block, row);
    }
}

espalier_status espalier_rest_settle(espalier_rest *rest, const espalier_cells *row,
                                     const espalier_cells *block, size_t room_rows)
{
    if (rest->firsts == NULL) {
        return ESPALIER_OK;
    }
    const size_t groups = rest->group_count;
    const size_t block_count = groups * (room_rows > 0 ? room_rows : 1);
    rest->row_values = malloc(groups * sizeof *rest->row_values);
    rest->block_values = malloc(block_count * sizeof *rest->block_values);
    if (rest->row_values == NULL || rest->block_values == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    rest->memory_bytes += (groups + block_count) * sizeof *rest->row_values;
    memset(rest->row_values, 0xFF, groups * sizeof *rest->row_values);
    memset(rest->block_values, 0xFF, block_count * sizeof *rest->block_values);
    settle_row(rest, row, false, 0);
    for (size_t r = 0; r < room_rows; r++) {
        settle_row(rest, block, true, r);
    }
    return ESPALIER_OK;
}

/* ---- rows ---- */

/* The value that a number makes 1. */
static uint32_t find_value(const espalier_rest_group *group, double number)
{
    if (number >= 0.0 && number < (double)group->count) {
        const uint32_t k = (uint32_t)number;
        return (double)k == number ? group->first + k : NO_VALUE;
    }
    return NO_VALUE;
}

/* values: [group_count] what the row's cells hold now. */
static void fill_one(const espalier_rest *rest, const espalier_rows *rows, size_t row,
                     uint32_t *values, const espalier_cells *cells, bool in_block, size_t to)
{
    const double *const numbers = (const double *)rows->data + (ptrdiff_t)row * rows->row_stride;
    for (uint32_t i = 0; i < rest->group_count; i++) {
        const espalier_rest_group *const group = &rest->groups[i];
        const uint32_t value =
            find_value(group, numbers[(ptrdiff_t)group->place * rows->feature_stride]);
        if (value == values[i]) {
            continue;
        }
        if (values[i] != NO_VALUE) {
            put_value(rest, values[i], false, cells, in_block, to);
        }
        if (value != NO_VALUE) {
            put_value(rest, value, true, cells, in_block, to);
        }
        values[i] = value;
    }
}

void espalier_rest_fill_row(const espalier_rest *rest, const espalier_rows *rows, size_t row,
                            const espalier_cells *cells)
{
    fill_one(rest, rows, row, rest->row_values, cells, false, 0);
}

void espalier_rest_fill_block(const espalier_rest *rest, const espalier_rows *rows, size_t first,
                              size_t count, const espalier_cells *cells)
{
    for (size_t r = 0; r < count; r++) {
        fill_one(rest, rows, first + r, rest->block_values + r * rest->group_count, cells, true, r);
    }
}
