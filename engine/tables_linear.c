// SPDX-License-Identifier: Apache-2.0
/*
 * Checking at open what belongs to leaves that are lines: the stages VALUES and LINEAR, and how
 * long the section LINEAR is. What is in that section is bounded where it is used.
 */
#include "engine/linear.h"
#include "engine/tables.h"
#include "format/error.h"
#include "format/rules.h"

#include <math.h>
#include <stdlib.h>

static bool is_number_below(double number, double end)
{
    return number >= 0.0 && number < end && number == floor(number);
}

const char *espalier_table_values_fault(const espalier_model *model,
                                        const espalier_file_stage *stage)
{
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        if (!is_number_below(model->constants[stage->table + i], (double)model->value_count)) {
            return "a constant that numbers no feature";
        }
    }
    return NULL;
}

/* Whether a part's sums are the numbers of its leaves: a slot a tree. */
static bool is_linear_part(const espalier_model *model, const espalier_file_part *part)
{
    bool each = part->accumulator == ESPALIER_ACCUMULATOR_FLOAT64 && part->leaf_width == 1 &&
                part->slot_count == part->tree_count && part->start == ESPALIER_START_ZERO &&
                part->divisor == ESPALIER_DIVISOR_NONE;
    for (uint32_t i = 0; each && i < part->tree_count; i++) {
        each = model->trees[part->first_tree + i].slot == i;
    }
    return each;
}

const char *espalier_table_linear_fault(const espalier_model *model,
                                        const espalier_file_stage *stage, uint8_t *known,
                                        uint64_t *work_left, uint32_t *rule_out)
{
    const double *const c = model->constants + stage->table;
    *rule_out = RULE_STAGE_LINEAR;
    if (!is_number_below(c[0], (double)model->part_count) ||
        !is_number_below(c[1], (double)ESPALIER_LIMIT_TREES + 1) || !is_number_below(c[2], c[1])) {
        return "constants that name no part and no trees of it";
    }
    const espalier_file_part *const part = &model->parts[(uint32_t)c[0]];
    if (known[(uint32_t)c[0]] == 0 && !is_linear_part(model, part)) {
        return "a part whose sums are not the numbers of its leaves";
    }
    known[(uint32_t)c[0]] |= LINEAR_PART_KNOWN;
    *rule_out = RULE_LINEAR_WORK;
    const uint64_t behind = part->tree_count > c[2] ? part->tree_count - (uint64_t)c[2] - 1 : 0;
    const uint64_t work = (behind / (uint64_t)c[1] + 1) * ((uint64_t)stage->slot_count + 1);
    if (work > *work_left) {
        return "linear leaves ask for too many products";
    }
    *work_left -= work;
    return NULL;
}

/* Leaves of the trees of linear parts. */
static uint64_t count_leaves(const espalier_model *model, const uint8_t *marks)
{
    uint64_t count = 0;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        for (uint32_t i = 0; marks[p] != 0 && i < part->tree_count; i++) {
            count += espalier_tree_source_leaves(&model->trees[part->first_tree + i]);
        }
    }
    return count;
}

espalier_status espalier_model_check_linear(espalier_model *model,
                                            const espalier_table_check *check)
{
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_LINEAR);
    if (section == NULL) {
        return ESPALIER_OK; /* and so there is no stage that needs it: check_conditional */
    }
    uint8_t *const marks = calloc(model->part_count, 1);
    if (marks == NULL) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", check->name);
    }
    espalier_linear_mark_parts(model, marks);
    const uint64_t leaf_count = count_leaves(model, marks);
    const uint64_t leaf_bytes = leaf_count * sizeof(espalier_file_linear_leaf);
    free(marks);
    if (section->bytes < leaf_bytes ||
        (section->bytes - leaf_bytes) % sizeof(espalier_file_term) != 0 ||
        (section->bytes - leaf_bytes) / sizeof(espalier_file_term) > UINT32_MAX) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION, RULE_LINEAR_BYTES,
                                  section->offset,
                                  "%s: section LINEAR is not as long as its leaves ask for",
                                  check->name);
    }
    model->linear_leaf_count = leaf_count;
    model->linear_term_count =
        (uint32_t)((section->bytes - leaf_bytes) / sizeof(espalier_file_term));
    return ESPALIER_OK;
}
