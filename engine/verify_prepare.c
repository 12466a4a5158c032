// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying PREPARATION: numbers that are searched are sorted. They are private already.
 */
#include "engine/tables.h"
#include "engine/verify.h"
#include "format/rules.h"

/* RANK: none is NaN and none below the one before. INDEX: each above the one before, NaN may be the
 * last. */
static bool are_sorted(const double *numbers, uint32_t count, bool keys)
{
    for (uint32_t i = 0; i < count; i++) {
        const bool is_nan = numbers[i] != numbers[i];
        if (is_nan ? !keys || i + 1 < count
                   : i > 0 && (keys ? !(numbers[i - 1] < numbers[i])
                                    : !(numbers[i - 1] <= numbers[i]))) {
            return false;
        }
    }
    return true;
}

espalier_status espalier_verify_preparation(const espalier_verify *v)
{
    const espalier_model *const model = v->model;
    const espalier_table_check check = {v->name, v->error_out, 0};
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const espalier_file_operation *const operation = &model->operations[i];
        const bool keys = operation->operation == ESPALIER_PREPARE_INDEX;
        if (!keys && operation->operation != ESPALIER_PREPARE_RANK) {
            continue;
        }
        const uint32_t count = keys ? operation->number_count / 2 : operation->number_count;
        if (!are_sorted(model->prepare_numbers + operation->numbers32, count, keys) ||
            !are_sorted(model->prepare_numbers + operation->numbers64, count, keys)) {
            return espalier_table_refuse(&check, ESPALIER_ERROR_VALUE, RULE_PREPARATION_ORDER,
                                         espalier_table_offset(model, operation), "PREPARATION", i,
                                         "numbers that are not sorted");
        }
    }
    return ESPALIER_OK;
}
