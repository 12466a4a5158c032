// SPDX-License-Identifier: Apache-2.0
/*
 * See cuts.h. Counts come from checked tables; the cuts themselves may hold anything.
 */
#include "engine/cuts.h"

#include <string.h>

uint32_t espalier_cut_bytes(const espalier_model *model)
{
    return (model->head->input_rule & ESPALIER_INPUT_FLOAT32) != 0 ? sizeof(float) : sizeof(double);
}

uint32_t espalier_bank_code_max(uint32_t bank)
{
    return bank == ESPALIER_BANK_BYTE ? UINT8_MAX : UINT16_MAX;
}

uint64_t espalier_cut_list_bytes(uint32_t cut_count, uint32_t item_bytes)
{
    uint64_t blocks = 0;
    uint32_t items = cut_count;
    do {
        items = (items + ESPALIER_CUT_BLOCK - 1) / ESPALIER_CUT_BLOCK;
        blocks += items;
    } while (items > 1);
    return blocks * ESPALIER_CUT_BLOCK * item_bytes;
}

espalier_cut_shape espalier_cut_shape_of(uint32_t cut_count, uint32_t item_bytes)
{
    espalier_cut_shape shape;
    memset(&shape, 0, sizeof shape);
    uint32_t blocks[ESPALIER_CUT_LEVELS_MAX]; /* the cuts' own level first */
    uint32_t items = cut_count;
    do {
        items = (items + ESPALIER_CUT_BLOCK - 1) / ESPALIER_CUT_BLOCK;
        blocks[shape.level_count++] = items;
    } while (items > 1 && shape.level_count < ESPALIER_CUT_LEVELS_MAX);
    for (uint32_t i = 0; i < shape.level_count; i++) {
        shape.blocks[i] = blocks[shape.level_count - 1 - i];
        shape.offsets[i] = shape.bytes;
        shape.bytes += (uint64_t)shape.blocks[i] * ESPALIER_CUT_BLOCK * item_bytes;
    }
    return shape;
}

espalier_cut_list espalier_cut_list_of(const espalier_model *model,
                                       const espalier_file_column *column)
{
    const espalier_cut_shape shape =
        espalier_cut_shape_of(column->cut_count, espalier_cut_bytes(model));
    espalier_cut_list list;
    memset(&list, 0, sizeof list);
    for (uint32_t i = 0; i < shape.level_count; i++) {
        list.levels[i] = model->cuts + column->first_cut + shape.offsets[i];
        list.last_block[i] = shape.blocks[i] - 1;
    }
    list.level_count = shape.level_count;
    list.cut_count = column->cut_count;
    return list;
}

double espalier_cut_at(const espalier_model *model, const espalier_file_column *column,
                       uint64_t index)
{
    const uint32_t item_bytes = espalier_cut_bytes(model);
    const espalier_cut_shape shape = espalier_cut_shape_of(column->cut_count, item_bytes);
    const uint64_t bounded = index < column->cut_count ? index : column->cut_count - 1;
    const uint8_t *const item = model->cuts + column->first_cut +
                                shape.offsets[shape.level_count - 1] + bounded * item_bytes;
    return espalier_cut_number(item, item_bytes);
}
