// SPDX-License-Identifier: Apache-2.0
/*
 * The covers of values, for a caller who looks into a model. Includes engine/ and the read side of
 * format/. The section lies in the mapping and is not checked at open: what it lacks counts as 0.
 */
#include "engine/model.h"
#include "espalier_inspect.h"

#include <math.h>
#include <string.h>

/* Cover `index` of the section. */
static double load_cover(const uint8_t *covers, uint64_t index)
{
    double cover = 0.0;
    memcpy(&cover, covers + index * sizeof cover, sizeof cover);
    return isfinite(cover) ? cover : 0.0;
}

uint32_t espalier_model_covers(const espalier_model *model, double *covers, size_t cover_count)
{
    espalier_file_cover head;
    if (model == NULL || (covers == NULL && cover_count > 0)) {
        return ESPALIER_COVER_NONE;
    }
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_COVER);
    if (section == NULL || section->bytes < sizeof head) {
        return ESPALIER_COVER_NONE;
    }
    const uint8_t *const data = model->map.base + section->offset;
    memcpy(&head, data, sizeof head);
    if (head.unit < ESPALIER_FILE_COVER_ROWS || head.unit > ESPALIER_FILE_COVER_HESSIANS) {
        return ESPALIER_COVER_NONE;
    }
    const size_t count = cover_count < model->value_count ? cover_count : model->value_count;
    for (size_t i = 0; i < count; i++) {
        covers[i] = 0.0;
    }
    for (uint32_t i = 0; i < model->column_count; i++) {
        const espalier_file_column *const column = &model->columns[i];
        if (column->kind != ESPALIER_COLUMN_LEAF && column->feature < count) {
            covers[column->feature] = 1.0; /* a mark, until the next loop */
        }
    }
    const uint64_t stored = (section->bytes - sizeof head) / sizeof *covers;
    uint64_t next = 0;
    for (size_t i = 0; i < count; i++) {
        if (covers[i] != 0.0) {
            covers[i] = next < stored ? load_cover(data + sizeof head, next) : 0.0;
            next++;
        }
    }
    return head.unit;
}
