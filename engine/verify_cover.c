// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying COVER: it has a number for every value that columns hold, and these are finite.
 */
#include "engine/verify.h"
#include "format/error.h"
#include "format/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static espalier_status refuse_cover(const espalier_verify *v, espalier_status status, uint32_t rule,
                                    uint64_t offset, const char *what)
{
    return espalier_error_set(v->error_out, status, rule, offset, "%s: section COVER %s", v->name,
                              what);
}

/* How many values columns hold; seen: [value_count] zeroes. */
static uint64_t count_values(const espalier_model *model, uint8_t *seen)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < model->column_count; i++) {
        const espalier_file_column *const column = &model->columns[i];
        if (column->kind != ESPALIER_COLUMN_LEAF) {
            count += seen[column->feature] == 0;
            seen[column->feature] = 1;
        }
    }
    return count;
}

espalier_status espalier_verify_cover(const espalier_verify *v)
{
    espalier_file_cover head;
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_COVER);
    if (section == NULL) {
        return ESPALIER_OK;
    }
    uint8_t *const seen = calloc(v->model->value_count, 1);
    if (seen == NULL) {
        return espalier_verify_no_memory(v);
    }
    const uint64_t count = count_values(v->model, seen);
    free(seen);
    if (section->bytes != sizeof head + count * sizeof(double)) {
        return refuse_cover(v, ESPALIER_ERROR_SECTION, RULE_COVER_BYTES, section->offset,
                            "does not have one number for every value that columns hold");
    }
    const uint8_t *const data = espalier_verify_data(v, section);
    memcpy(&head, data, sizeof head);
    if (head.unit < ESPALIER_FILE_COVER_ROWS || head.unit > ESPALIER_FILE_COVER_HESSIANS ||
        head.reserved != 0) {
        return refuse_cover(v, ESPALIER_ERROR_VALUE, RULE_COVER_UNIT, section->offset,
                            "counts in no known unit, or has reserved bytes set");
    }
    for (uint64_t i = 0; i < count; i++) {
        double cover = 0.0;
        memcpy(&cover, data + sizeof head + i * sizeof cover, sizeof cover);
        if (!isfinite(cover)) {
            return refuse_cover(v, ESPALIER_ERROR_VALUE, RULE_COVER_FINITE,
                                section->offset + sizeof head + i * sizeof cover,
                                "has a number that is not finite");
        }
    }
    return ESPALIER_OK;
}
