// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying CUTS: what open leaves out because ranks stay bounded whatever the cuts hold.
 */
#include "engine/cuts.h"
#include "engine/verify.h"
#include "format/error.h"
#include "format/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One list under check. */
typedef struct cut_check {
    const espalier_verify *verify;
    const uint8_t *data; /* of the list */
    uint64_t offset;     /* in the file */
    uint32_t item_bytes;
    uint32_t column;
} cut_check;

static double item_at(const cut_check *c, uint64_t level_offset, uint64_t index)
{
    return espalier_cut_number(c->data + level_offset + index * c->item_bytes, c->item_bytes);
}

static espalier_status refuse_cut(const cut_check *c, uint64_t level_offset, uint64_t index,
                                  uint32_t rule, const char *what)
{
    return espalier_error_set(c->verify->error_out, ESPALIER_ERROR_VALUE, rule,
                              c->offset + level_offset + index * c->item_bytes,
                              "%s: column %u, cut %llu: %s", c->verify->name, (unsigned)c->column,
                              (unsigned long long)index, what);
}

/* The last level is the cuts, sorted; what fills its last block is plus infinity. */
static espalier_status verify_last_level(const cut_check *c, uint64_t level_offset,
                                         uint64_t item_count, uint32_t cut_count)
{
    double before = -INFINITY;
    for (uint64_t i = 0; i < item_count; i++) {
        const double cut = item_at(c, level_offset, i);
        if (i >= cut_count) {
            if (!(cut == INFINITY)) {
                return refuse_cut(c, level_offset, i, RULE_CUTS_PADDING,
                                  "padding is not plus infinity");
            }
        } else if (isnan(cut) || (i > 0 && !(cut > before))) {
            return refuse_cut(c, level_offset, i, RULE_CUTS_ORDER, "not above the cut before it");
        }
        before = cut;
    }
    return ESPALIER_OK;
}

/* Every level but the last holds the last item of each block of the level below it. */
static espalier_status verify_upper_level(const cut_check *c, const espalier_cut_shape *shape,
                                          uint32_t level)
{
    const uint64_t offset = shape->offsets[level];
    const uint64_t item_count = (uint64_t)shape->blocks[level] * ESPALIER_CUT_BLOCK;
    for (uint64_t i = 0; i < item_count; i++) {
        const bool is_padding = i >= shape->blocks[level + 1];
        const double want =
            is_padding ? INFINITY
                       : item_at(c, shape->offsets[level + 1], (i + 1) * ESPALIER_CUT_BLOCK - 1);
        const double item = item_at(c, offset, i);
        /* Bits, so that a zero has the sign of its cut. */
        if (memcmp(&item, &want, sizeof item) != 0) {
            return refuse_cut(c, offset, i, is_padding ? RULE_CUTS_PADDING : RULE_CUTS_LEVELS,
                              is_padding ? "padding is not plus infinity"
                                         : "not the last cut of its block");
        }
    }
    return ESPALIER_OK;
}

static espalier_status verify_list(const cut_check *c, const espalier_cut_shape *shape,
                                   uint32_t cut_count)
{
    const uint32_t last = shape->level_count - 1;
    espalier_status status =
        verify_last_level(c, shape->offsets[last],
                          (uint64_t)shape->blocks[last] * ESPALIER_CUT_BLOCK, cut_count);
    for (uint32_t i = 0; i < last && status == ESPALIER_OK; i++) {
        status = verify_upper_level(c, shape, i);
    }
    return status;
}

/* Every list once: one that was seen before, by its place and length, is not looked at again. */
static espalier_status verify_lists(const espalier_verify *v, const espalier_file_section *section,
                                    uint32_t *counts)
{
    const espalier_model *const model = v->model;
    const uint32_t item_bytes = espalier_cut_bytes(model);
    uint64_t end = 0;
    for (uint32_t i = 0; i < model->column_count; i++) {
        const espalier_file_column *const column = &model->columns[i];
        if ((column->kind != ESPALIER_COLUMN_CODE && column->kind != ESPALIER_COLUMN_SET) ||
            column->segment != 0) {
            continue;
        }
        uint32_t *const seen = &counts[column->first_cut / ESPALIER_ALIGNMENT_MIN];
        if (*seen == column->cut_count) {
            continue;
        }
        const cut_check check = {v, model->cuts + column->first_cut,
                                 section->offset + column->first_cut, item_bytes, i};
        if (column->first_cut != end) {
            return refuse_cut(&check, 0, 0, RULE_CUTS_BYTES,
                              "the list does not follow the one before");
        }
        const espalier_cut_shape shape = espalier_cut_shape_of(column->cut_count, item_bytes);
        const espalier_status status = verify_list(&check, &shape, column->cut_count);
        if (status != ESPALIER_OK) {
            return status;
        }
        *seen = column->cut_count;
        end += shape.bytes;
    }
    return end == section->bytes
               ? ESPALIER_OK
               : espalier_error_set(v->error_out, ESPALIER_ERROR_VALUE, RULE_CUTS_BYTES,
                                    section->offset + end,
                                    "%s: section CUTS is not what its columns use", v->name);
}

espalier_status espalier_verify_cuts(const espalier_verify *v)
{
    const espalier_file_section *const section =
        espalier_file_find(&v->model->file, ESPALIER_SECTION_CUTS);
    if (section == NULL) {
        return ESPALIER_OK;
    }
    const uint64_t starts = section->bytes / ESPALIER_ALIGNMENT_MIN + 1;
    uint32_t *const counts = calloc((size_t)starts, sizeof *counts);
    const espalier_status status =
        counts != NULL ? verify_lists(v, section, counts) : espalier_verify_no_memory(v);
    free(counts);
    return status;
}
