// SPDX-License-Identifier: Apache-2.0
/*
 * Checking PREPARATION at open: what every operation reads, writes and takes its numbers from.
 * Afterwards running it can reach nothing else, whatever the numbers are. Reads private memory
 * only.
 */
#include "engine/prepare.h"
#include "engine/tables.h"
#include "format/error.h"
#include "format/rules.h"

/* What is the same for every operation of a kind. */
static const char *find_form_fault(const espalier_file_operation *operation, uint32_t *rule_out)
{
    espalier_prepare_shape shape;
    *rule_out = RULE_PREPARATION_OPERATION;
    if (!espalier_prepare_describe(operation->operation, &shape)) {
        return "unknown operation";
    }
    *rule_out = RULE_PREPARATION_FLAGS;
    if ((operation->flags & ~shape.flags) != 0) {
        return "a flag that the operation does not have";
    }
    *rule_out = RULE_PREPARATION_OUTPUT;
    if (operation->operation == ESPALIER_PREPARE_ONE_HOT ? operation->count == 0
                                                         : operation->count != shape.outputs) {
        return "another number of outputs than the operation has";
    }
    *rule_out = RULE_PREPARATION_NUMBERS;
    const uint32_t count = operation->number_count;
    if (operation->operation == ESPALIER_PREPARE_RANK    ? count == 0
        : operation->operation == ESPALIER_PREPARE_INDEX ? count % 2 != 1
                                                         : count != shape.numbers) {
        return "another number of numbers than the operation has";
    }
    return NULL;
}

/* next: the first value that no operation has written yet. */
static const char *find_fault(const espalier_model *model, const espalier_file_operation *operation,
                              uint32_t *next, uint32_t value_count, uint32_t *rule_out)
{
    const char *const fault = find_form_fault(operation, rule_out);
    if (fault != NULL) {
        return fault;
    }
    *rule_out = RULE_PREPARATION_INPUT;
    if (operation->input >= *next) {
        return "reads a value that nothing has written before";
    }
    *rule_out = RULE_PREPARATION_OUTPUT;
    const bool writes = operation->operation != ESPALIER_PREPARE_CHECK;
    if (operation->output != (writes ? *next : 0)) {
        return "does not write the next values";
    }
    *rule_out = RULE_PREPARATION_VALUES;
    if (operation->count > value_count - *next) {
        return "writes more values than there are";
    }
    *next += operation->count;
    *rule_out = RULE_PREPARATION_NUMBERS;
    const uint32_t count = operation->number_count;
    if (!espalier_in_range(operation->numbers32, count, model->prepare_number_count) ||
        !espalier_in_range(operation->numbers64, count, model->prepare_number_count) ||
        (count == 0 && (operation->numbers32 != 0 || operation->numbers64 != 0))) {
        return "numbers out of range";
    }
    return NULL;
}

/* Finds the three tables; afterwards only what operations say is in doubt. */
static espalier_status find_tables(espalier_model *model, const espalier_table_check *check,
                                   const espalier_file_section *section)
{
    espalier_file_preparation head = {0};
    const uint8_t *const data = model->file.bytes + section->offset;
    if (section->bytes >= sizeof head) {
        head = *(const espalier_file_preparation *)(const void *)data;
    }
    const uint64_t bytes = sizeof head +
                           head.operation_count * (uint64_t)sizeof(espalier_file_operation) +
                           head.number_count * (uint64_t)sizeof(double);
    if (head.operation_count == 0 || head.reserved != 0 || section->bytes != bytes) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION, RULE_PREPARATION_BYTES,
                                  section->offset, "%s: section PREPARATION has another size",
                                  check->name);
    }
    if (head.operation_count > ESPALIER_LIMIT_OPERATIONS ||
        head.value_count > ESPALIER_LIMIT_PREPARED) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_LIMIT, RULE_PREPARATION_LIMITS,
                                  section->offset,
                                  "%s: section PREPARATION has too many operations or values",
                                  check->name);
    }
    if (head.value_count < model->head->feature_count) {
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, RULE_PREPARATION_VALUES,
                                     section->offset, "PREPARATION", 0,
                                     "fewer values than features");
    }
    model->operations = (const void *)(data + sizeof head);
    model->operation_count = head.operation_count;
    model->prepare_numbers = (const void *)(model->operations + head.operation_count);
    model->prepare_number_count = head.number_count;
    model->value_count = head.value_count;
    return ESPALIER_OK;
}

espalier_status espalier_model_check_preparation(espalier_model *model,
                                                 const espalier_table_check *check)
{
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_PREPARATION);
    model->value_count = model->head->feature_count;
    if (section == NULL) {
        return ESPALIER_OK;
    }
    const espalier_status status = find_tables(model, check, section);
    if (status != ESPALIER_OK) {
        return status;
    }
    uint32_t next = model->head->feature_count;
    uint32_t rule = 0;
    for (uint32_t i = 0; i < model->operation_count; i++) {
        const espalier_file_operation *const operation = &model->operations[i];
        const char *const fault = find_fault(model, operation, &next, model->value_count, &rule);
        if (fault != NULL) {
            return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule,
                                         espalier_table_offset(model, operation), "PREPARATION", i,
                                         fault);
        }
    }
    if (next != model->value_count) {
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, RULE_PREPARATION_VALUES,
                                     section->offset, "PREPARATION", 0,
                                     "values that no operation writes");
    }
    return ESPALIER_OK;
}
