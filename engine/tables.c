// SPDX-License-Identifier: Apache-2.0
/*
 * Checking a model's private tables at open. Everything here reads private memory only, compares
 * before it computes, and names the record at fault.
 */
#include "engine/tables.h"
#include "engine/stages.h"

#include "format/error.h"
#include "format/rules.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One table: a section of fixed-size records. */
typedef struct table_view {
    const void *records;
    uint32_t count;
} table_view;

espalier_status espalier_table_refuse(const espalier_table_check *check, espalier_status status,
                                      uint32_t rule, uint64_t offset, const char *table,
                                      uint64_t index, const char *what)
{
    return espalier_error_set(check->error_out, status, rule, offset, "%s: %s[%llu]: %s",
                              check->name, table, (unsigned long long)index, what);
}

/* Finds a private section of records; one that is not there has no records. */
static espalier_status find_table(const espalier_model *model, const espalier_table_check *check,
                                  uint32_t type, size_t record_bytes, uint32_t count_max,
                                  bool needed, table_view *view_out)
{
    const espalier_file_section *const section = espalier_file_find(&model->file, type);
    const char *const name = espalier_section_name(type);
    *view_out = (table_view){NULL, 0};
    if (section == NULL || section->bytes == 0) {
        if (!needed) {
            return ESPALIER_OK;
        }
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION_MISSING,
                                  RULE_SECTIONS_NEEDED, ESPALIER_OFFSET_NONE,
                                  "%s: section %s is missing or empty", check->name, name);
    }
    if (section->bytes % record_bytes != 0) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION, RULE_TABLE_BYTES,
                                  section->offset, "%s: section %s holds no whole records",
                                  check->name, name);
    }
    if (count_max == 1 && section->bytes != record_bytes) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION, RULE_TABLE_BYTES,
                                  section->offset, "%s: section %s is not one record", check->name,
                                  name);
    }
    if (section->bytes / record_bytes > count_max) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_LIMIT, RULE_LIMITS,
                                  section->offset, "%s: section %s has more than %u records",
                                  check->name, name, (unsigned)count_max);
    }
    view_out->records = model->file.bytes + section->offset;
    view_out->count = (uint32_t)(section->bytes / record_bytes);
    return ESPALIER_OK;
}

/* Finds every table; afterwards only their contents are in doubt. */
static espalier_status find_tables(espalier_model *model, const espalier_table_check *check)
{
    table_view head, steps, parts, stages, outputs, columns, trees, constants;
    const struct {
        table_view *view;
        uint32_t type;
        size_t record_bytes;
        uint32_t count_max;
        bool needed;
    } wanted[] = {
        {&head, ESPALIER_SECTION_MODEL, sizeof(espalier_file_model), 1, true},
        {&steps, ESPALIER_SECTION_STEPS, sizeof(espalier_file_step), ESPALIER_LIMIT_STEPS, true},
        {&parts, ESPALIER_SECTION_PARTS, sizeof(espalier_file_part), ESPALIER_LIMIT_PARTS, true},
        {&stages, ESPALIER_SECTION_STAGES, sizeof(espalier_file_stage), ESPALIER_LIMIT_STAGES,
         false},
        {&outputs, ESPALIER_SECTION_OUTPUTS, sizeof(espalier_file_output), ESPALIER_LIMIT_OUTPUTS,
         true},
        {&columns, ESPALIER_SECTION_COLUMNS, sizeof(espalier_file_column), ESPALIER_LIMIT_COLUMNS,
         true},
        {&trees, ESPALIER_SECTION_TREES, sizeof(espalier_file_tree), ESPALIER_LIMIT_TREES, true},
        {&constants, ESPALIER_SECTION_CONSTANTS, sizeof(double), UINT32_MAX, false},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const espalier_status status =
            find_table(model, check, wanted[i].type, wanted[i].record_bytes, wanted[i].count_max,
                       wanted[i].needed, wanted[i].view);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    model->head = head.records;
    model->steps = steps.records;
    model->parts = parts.records;
    model->stages = stages.records;
    model->outputs = outputs.records;
    model->columns = columns.records;
    model->trees = trees.records;
    model->constants = constants.records;
    model->step_count = steps.count;
    model->part_count = parts.count;
    model->stage_count = stages.count;
    model->output_count = outputs.count;
    model->column_count = columns.count;
    model->tree_count = trees.count;
    model->constant_count = constants.count;
    return ESPALIER_OK;
}

uint64_t espalier_table_offset(const espalier_model *model, const void *record)
{
    return (uint64_t)((const uint8_t *)record - model->file.bytes);
}

/* With MISSING_NUMBER one that a feature can have, else nothing but zero bytes. */
static bool is_missing_number(const espalier_file_model *head)
{
    const double number = head->missing_number;
    if ((head->input_rule & ESPALIER_INPUT_MISSING_NUMBER) == 0) {
        return espalier_bytes_are_zero((const uint8_t *)&head->missing_number, sizeof number);
    }
    const bool is_narrow = isinf(number) || fabs(number) <= (double)FLT_MAX;
    return (head->input_rule & ESPALIER_INPUT_MISSING_ALLOWED) != 0 && !isnan(number) &&
           ((head->input_rule & ESPALIER_INPUT_FLOAT32) == 0 ||
            (is_narrow && (double)(float)number == number));
}

static espalier_status check_head(const espalier_model *model, const espalier_table_check *check)
{
    const espalier_file_model *const head = model->head;
    const char *what = NULL;
    uint32_t rule = 0;
    if (head->feature_count == 0) {
        what = "feature count out of range", rule = RULE_FEATURE_COUNT;
    } else if (head->slot_count == 0) {
        what = "slot count out of range", rule = RULE_SLOT_COUNT;
    } else if (head->group_count == 0 || head->group_count > head->slot_count) {
        what = "group count out of range", rule = RULE_GROUP_COUNT;
    } else if ((head->input_rule & ~ESPALIER_INPUT_KNOWN) != 0) {
        what = "unknown input rule", rule = RULE_INPUT_RULE;
    } else if (!is_missing_number(head)) {
        what = "missing number", rule = RULE_MISSING_NUMBER;
    } else if (head->number_bytes > 4 || head->number_bytes == 3) {
        what = "node number size", rule = RULE_NUMBER_BYTES;
    } else if (!espalier_bytes_are_zero(head->reserved, sizeof head->reserved)) {
        what = "reserved bytes set", rule = RULE_RESERVED;
    }
    if (what != NULL) {
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule,
                                     espalier_table_offset(model, head), "MODEL", 0, what);
    }
    const bool features = head->feature_count > ESPALIER_LIMIT_FEATURES;
    if (features || head->slot_count > ESPALIER_LIMIT_SLOTS) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_LIMIT, RULE_LIMITS,
                                  espalier_table_offset(model, head), "%s: %u %s; the limit is %u",
                                  check->name,
                                  (unsigned)(features ? head->feature_count : head->slot_count),
                                  features ? "features" : "slots",
                                  (unsigned)(features ? ESPALIER_LIMIT_FEATURES
                                                      : ESPALIER_LIMIT_SLOTS));
    }
    if (head->visits_per_row > check->visits_per_row_max) {
        return espalier_error_set(
            check->error_out, ESPALIER_ERROR_LIMIT, RULE_VISITS_LIMIT,
            espalier_table_offset(model, head),
            "%s: a row may visit %llu nodes; the limit is %llu (visits_per_row_max)", check->name,
            (unsigned long long)head->visits_per_row,
            (unsigned long long)check->visits_per_row_max);
    }
    return ESPALIER_OK;
}

/* Each kind of step must go once, in order, through its table: that bounds the work of a row. */
static const char *find_step_fault(const espalier_model *model, uint32_t index, uint32_t *parts,
                                   uint32_t *stages, uint32_t *rule_out)
{
    const espalier_file_step *const step = &model->steps[index];
    *rule_out = RULE_STEP_KIND;
    if (step->kind < ESPALIER_STEP_COLUMNS || step->kind > ESPALIER_STEP_STAGES) {
        return "unknown kind";
    }
    *rule_out = RULE_RESERVED;
    if (step->reserved != 0) {
        return "reserved bytes set";
    }
    *rule_out = RULE_STEP_COLUMNS;
    const bool is_columns = step->kind == ESPALIER_STEP_COLUMNS;
    if (is_columns != (index == 0) ||
        (is_columns && (step->first != 0 || step->count != model->column_count))) {
        return "the first step, and no other, must compute all columns";
    }
    *rule_out = RULE_STEP_TREES;
    if (step->kind == ESPALIER_STEP_TREES) {
        if (step->count != 1 || step->first != *parts || *parts >= model->part_count) {
            return "steps must go once, in order, through the parts";
        }
        *parts += 1;
    }
    *rule_out = RULE_STEP_STAGES;
    if (step->kind == ESPALIER_STEP_STAGES) {
        if (step->count == 0 || step->first != *stages ||
            step->count > model->stage_count - *stages) {
            return "steps must go once, in order, through the stages";
        }
        *stages += step->count;
    }
    return NULL;
}

static espalier_status check_steps(const espalier_model *model, const espalier_table_check *check)
{
    uint32_t parts = 0, stages = 0, rule = 0;
    for (uint32_t i = 0; i < model->step_count; i++) {
        const char *const fault = find_step_fault(model, i, &parts, &stages, &rule);
        if (fault != NULL) {
            return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule,
                                         espalier_table_offset(model, &model->steps[i]), "STEPS", i,
                                         fault);
        }
    }
    if (parts != model->part_count || stages != model->stage_count) {
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE,
                                     parts != model->part_count ? RULE_STEP_TREES
                                                                : RULE_STEP_STAGES,
                                     espalier_table_offset(model, model->steps), "STEPS",
                                     model->step_count, "a part or a stage without a step");
    }
    return ESPALIER_OK;
}

/* What is known of a slot while the plan is followed. */
enum {
    SLOT_UNWRITTEN = 0,
    SLOT_FLOAT64 = 1,
    SLOT_FLOAT32 = 2 /* by a part with float32 sums, or a stage in float32 */
};

/* Marks slots [first, first + count) as written; false when one already was. */
static bool write_slots(uint32_t *slots, uint32_t first, uint32_t count, uint32_t as)
{
    for (uint32_t i = first; i < first + count; i++) {
        if (slots[i] != SLOT_UNWRITTEN) {
            return false;
        }
        slots[i] = as;
    }
    return true;
}

static bool slots_written(const uint32_t *slots, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        if (slots[i] == SLOT_UNWRITTEN) {
            return false;
        }
    }
    return true;
}

/* Whether all of them are written, in this type. */
static bool slots_are(const uint32_t *slots, uint32_t first, uint32_t count, uint32_t as)
{
    for (uint32_t i = first; i < first + count; i++) {
        if (slots[i] != as) {
            return false;
        }
    }
    return true;
}

/* Turns what is known of each slot into how many slots from it on hold float32 numbers, so that an
 * output needs one look, however many slots it has. */
static void count_float32_runs(uint32_t *slots, uint32_t slot_count)
{
    uint32_t run = 0;
    for (uint32_t i = slot_count; i > 0; i--) {
        run = slots[i - 1] == SLOT_FLOAT32 ? run + 1 : 0;
        slots[i - 1] = run;
    }
}

/* Order, arithmetic and table of a stage, as its operation has them. */
static const char *find_stage_form_fault(const espalier_model *model,
                                         const espalier_file_stage *stage,
                                         const espalier_stage_shape *shape, uint32_t *rule_out)
{
    const bool narrow = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
    *rule_out = RULE_STAGE_ORDER;
    if (shape->adds
            ? stage->order != ESPALIER_ORDER_SEQUENTIAL && stage->order != ESPALIER_ORDER_PAIRWISE
            : stage->order != 0) {
        return "unknown order";
    }
    *rule_out = RULE_STAGE_ARITHMETIC;
    if (stage->arithmetic > ESPALIER_ARITHMETIC_FLOAT32 ||
        (narrow ? !shape->narrow : !shape->wide)) {
        return "an arithmetic that the operation does not have";
    }
    *rule_out = RULE_STAGE_TABLE;
    if (shape->constant_count > 0) {
        if (!espalier_in_range(stage->table, shape->constant_count, model->constant_count)) {
            return "constants out of range";
        }
        /* A weighted median takes one of its values: the weights are float64 in both. */
        if (narrow && stage->operation != ESPALIER_STAGE_WEIGHTED_MEDIAN &&
            !espalier_constants_are_float32(model->constants + stage->table,
                                            (uint32_t)shape->constant_count)) {
            return "float32 constants that are none";
        }
    } else if (stage->operation != ESPALIER_STAGE_ADD_SLOTS && /* of that: find_gathered_fault */
               (stage->operation != ESPALIER_STAGE_DIVIDE_ITERATIONS
                    ? stage->table != 0
                    : stage->table >= model->part_count)) {
        return "no such part, or a table that is not used";
    }
    *rule_out = RULE_RESERVED;
    return stage->reserved == 0 ? NULL : "reserved bytes set";
}

/* The slots that PICK names, or from which ADD_SLOTS reads its second summands. */
static const char *find_gathered_fault(const espalier_model *model,
                                       const espalier_file_stage *stage,
                                       const espalier_stage_shape *shape, const uint32_t *slots,
                                       uint32_t *rule_out)
{
    const bool narrow = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
    const double *const numbers = shape->picks ? model->constants + stage->table : NULL;
    const bool adds = stage->operation == ESPALIER_STAGE_ADD_SLOTS;
    *rule_out = RULE_STAGE_GATHERED;
    if (adds && !espalier_in_range(stage->table, stage->slot_count, model->head->slot_count)) {
        return "second summands out of range";
    }
    for (uint32_t i = 0; shape->picks && i < stage->slot_count; i++) {
        if (!(numbers[i] >= -1.0 && numbers[i] < (double)model->head->slot_count &&
              numbers[i] == floor(numbers[i]))) {
            return "a constant that numbers no slot";
        }
    }
    for (uint32_t i = 0; (adds || shape->picks) && i < stage->slot_count; i++) {
        const uint32_t slot = adds             ? slots[stage->table + i]
                              : numbers[i] < 0 ? SLOT_FLOAT32
                                               : slots[(uint32_t)numbers[i]];
        *rule_out = RULE_SLOTS_WRITTEN;
        if (slot == SLOT_UNWRITTEN) {
            return "reads a slot that no earlier step writes";
        }
        *rule_out = RULE_STAGE_ARITHMETIC;
        if (narrow && slot != SLOT_FLOAT32) {
            return "float32 of a slot that no earlier step writes so";
        }
    }
    return NULL;
}

/* What the stages may still do, lessened by each, and which parts were found to be linear. */
typedef struct stage_work {
    uint32_t slots_left;
    uint64_t products_left;
    uint8_t *linear_parts; /* [part_count] */
} stage_work;

/* The numbers of features of VALUES; of LINEAR the part, whose leaf numbers it reads. */
static const char *find_linear_fault(const espalier_model *model, const espalier_file_stage *stage,
                                     const espalier_stage_shape *shape, const uint32_t *slots,
                                     stage_work *work, uint32_t *rule_out)
{
    *rule_out = RULE_STAGE_VALUES;
    if (shape->of_row) {
        return espalier_table_values_fault(model, stage);
    }
    if (!shape->of_leaves) {
        return NULL;
    }
    const char *const fault = espalier_table_linear_fault(model, stage, work->linear_parts,
                                                          &work->products_left, rule_out);
    if (fault != NULL) {
        return fault;
    }
    const uint32_t index = (uint32_t)model->constants[stage->table];
    const espalier_file_part *const part = &model->parts[index];
    *rule_out = RULE_SLOTS_WRITTEN;
    /* Once a part: many stages may read one of many slots. What is written stays so. */
    if ((work->linear_parts[index] & LINEAR_PART_WRITTEN) == 0 &&
        !slots_written(slots, part->first_slot, part->slot_count)) {
        return "reads a slot that no earlier step writes";
    }
    work->linear_parts[index] |= LINEAR_PART_WRITTEN;
    return NULL;
}

static const char *find_stage_fault(const espalier_model *model, const espalier_file_stage *stage,
                                    uint32_t *slots, stage_work *work, uint32_t *rule_out)
{
    const uint32_t slot_count = model->head->slot_count;
    const bool narrow = stage->arithmetic == ESPALIER_ARITHMETIC_FLOAT32;
    espalier_stage_shape shape;
    *rule_out = RULE_STAGE_OPERATION;
    if (!espalier_stage_describe(stage, &shape)) {
        return "unknown operation";
    }
    *rule_out = RULE_STAGE_WORK;
    if (stage->slot_count > work->slots_left) {
        return "the stages have too many slots together";
    }
    work->slots_left -= stage->slot_count;
    const char *fault = find_stage_form_fault(model, stage, &shape, rule_out);
    if (fault == NULL) {
        fault = find_linear_fault(model, stage, &shape, slots, work, rule_out);
    }
    if (fault != NULL) {
        return fault;
    }
    *rule_out = RULE_STAGE_SLOTS;
    if (stage->slot_count == 0 || (shape.input_count == 0 && stage->input_slot != 0) ||
        !espalier_in_range(stage->input_slot, shape.input_count, slot_count) ||
        !espalier_in_range(stage->output_slot, shape.output_count, slot_count)) {
        return "slots out of range";
    }
    const char *const gathered_fault = find_gathered_fault(model, stage, &shape, slots, rule_out);
    if (gathered_fault != NULL) {
        return gathered_fault;
    }
    *rule_out = RULE_STAGE_ARITHMETIC;
    if (narrow && !shape.rounds &&
        !slots_are(slots, stage->input_slot, shape.input_count, SLOT_FLOAT32)) {
        return "float32 of a slot that no earlier step writes so";
    }
    *rule_out = RULE_SLOTS_WRITTEN;
    if (!slots_written(slots, stage->input_slot, shape.input_count)) {
        return "reads a slot that no earlier step writes";
    }
    return write_slots(slots, stage->output_slot, (uint32_t)shape.output_count,
                       narrow ? SLOT_FLOAT32 : SLOT_FLOAT64)
               ? NULL
               : "writes a slot that an earlier step writes";
}

/* Kind, dtype and decision of an output, and its place among the others. */
static const char *find_output_kind_fault(const espalier_model *model, uint32_t index,
                                          uint32_t *rule_out)
{
    const espalier_file_output *const output = &model->outputs[index];
    const bool is_class = output->kind == ESPALIER_OUTPUT_CLASS;
    const bool is_leaf = output->kind == ESPALIER_OUTPUT_LEAF;
    *rule_out = RULE_OUTPUT_KIND;
    if (output->kind < ESPALIER_OUTPUT_MARGIN || output->kind > ESPALIER_OUTPUT_SCORE) {
        return "unknown kind";
    }
    *rule_out = RULE_OUTPUT_ORDER;
    const espalier_file_output *const before = index > 0 ? output - 1 : NULL;
    if (before != NULL && (before->kind > output->kind ||
                           (before->kind == output->kind && before->group >= output->group))) {
        return "out of order";
    }
    *rule_out = RULE_OUTPUT_GROUPS;
    const bool same_kind = before != NULL && before->kind == output->kind;
    const bool grouped = output->kind < ESPALIER_OUTPUT_VALUE;
    const uint32_t group_max = grouped ? model->head->group_count - 1 : 0;
    const bool is_last =
        index + 1 == model->output_count || model->outputs[index + 1].kind != output->kind;
    if (output->group != (same_kind ? before->group + 1 : 0) ||
        (is_last ? output->group != group_max : output->group >= group_max)) {
        return "a group is missing, or one too many";
    }
    *rule_out = RULE_OUTPUT_DTYPE;
    const uint32_t dtype = is_class  ? ESPALIER_DTYPE_INT32
                           : is_leaf ? ESPALIER_DTYPE_INT64
                                     : ESPALIER_DTYPE_FLOAT64;
    const bool may_be_float32 = !is_class && !is_leaf;
    if ((output->dtype != dtype && (output->dtype != ESPALIER_DTYPE_FLOAT32 || !may_be_float32)) ||
        (same_kind && before->dtype != output->dtype)) {
        return "wrong dtype";
    }
    *rule_out = RULE_OUTPUT_DECISION;
    if (is_class ? output->decision < ESPALIER_DECISION_FIRST_MAXIMUM ||
                       output->decision > ESPALIER_DECISION_ABOVE_HALF
                 : output->decision != ESPALIER_DECISION_NONE) {
        return "unknown decision";
    }
    *rule_out = RULE_RESERVED;
    return output->reserved == 0 ? NULL : "reserved bytes set";
}

/* By now every slot is written, so an output may read any of them. Looking again at all slots of
 * all outputs would cost 2^40 steps in a file of 32 MiB. */
static const char *find_output_fault(const espalier_model *model, uint32_t index,
                                     const uint32_t *float32_runs, uint32_t *rule_out)
{
    const espalier_file_output *const output = &model->outputs[index];
    const bool is_leaf = output->kind == ESPALIER_OUTPUT_LEAF;
    const char *const fault = find_output_kind_fault(model, index, rule_out);
    if (fault != NULL) {
        return fault;
    }
    *rule_out = RULE_OUTPUT_PART;
    if (is_leaf ? output->part >= model->part_count : output->part != 0) {
        return "part out of range";
    }
    *rule_out = RULE_OUTPUT_SLOTS;
    if (is_leaf) {
        return output->first_slot == 0 && output->slot_count == 0 ? NULL : "slots of a leaf output";
    }
    if (output->slot_count == 0 ||
        !espalier_in_range(output->first_slot, output->slot_count, model->head->slot_count) ||
        (output->decision > ESPALIER_DECISION_LAST_MAXIMUM && output->slot_count != 1)) {
        return "slots out of range";
    }
    *rule_out = RULE_OUTPUT_DTYPE;
    if (output->dtype == ESPALIER_DTYPE_FLOAT32 &&
        float32_runs[output->first_slot] < output->slot_count) {
        return "float32 of numbers that are float64";
    }
    return NULL;
}

static bool has_output(const espalier_model *model, uint32_t kind)
{
    bool found = false;
    for (uint32_t i = 0; i < model->output_count; i++) {
        found = found || model->outputs[i].kind == kind;
    }
    return found;
}

/* Follows the slots through the plan: each is written once, and before it is read. */
static espalier_status check_slots(const espalier_model *model, const espalier_table_check *check,
                                   uint32_t *slots, uint8_t *linear_parts)
{
    uint32_t rule = 0;
    stage_work work = {ESPALIER_LIMIT_STAGE_SLOTS,
                       check->visits_per_row_max * ESPALIER_LIMIT_ADDITIONS_PER_VISIT,
                       linear_parts};
    for (uint32_t i = 0; i < model->step_count; i++) {
        const espalier_file_step *const step = &model->steps[i];
        if (step->kind == ESPALIER_STEP_TREES) {
            const espalier_file_part *const part = &model->parts[step->first];
            const bool is_float32 = part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32;
            if (part->start == ESPALIER_START_SLOTS &&
                !slots_written(slots, part->start_index, part->slot_count)) {
                return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                                             espalier_table_offset(model, part), "PARTS",
                                             step->first,
                                             "starts from a slot that no earlier step writes");
            }
            if (!write_slots(slots, part->first_slot, part->slot_count,
                             is_float32 ? SLOT_FLOAT32 : SLOT_FLOAT64)) {
                return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                                             espalier_table_offset(model, part), "PARTS",
                                             step->first,
                                             "writes a slot that an earlier step writes");
            }
        }
        for (uint32_t j = 0; step->kind == ESPALIER_STEP_STAGES && j < step->count; j++) {
            const espalier_file_stage *const stage = &model->stages[step->first + j];
            const char *const fault = find_stage_fault(model, stage, slots, &work, &rule);
            if (fault != NULL) {
                return espalier_table_refuse(check,
                                             rule == RULE_STAGE_WORK || rule == RULE_LINEAR_WORK
                                                 ? ESPALIER_ERROR_LIMIT
                                                 : ESPALIER_ERROR_VALUE,
                                             rule, espalier_table_offset(model, stage), "STAGES",
                                             step->first + j, fault);
            }
        }
    }
    if (!slots_written(slots, 0, model->head->slot_count)) {
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                                     espalier_table_offset(model, model->head), "MODEL", 0,
                                     "a slot that no step writes");
    }
    count_float32_runs(slots, model->head->slot_count);
    for (uint32_t i = 0; i < model->output_count; i++) {
        const char *const fault = find_output_fault(model, i, slots, &rule);
        if (fault != NULL) {
            return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule,
                                         espalier_table_offset(model, &model->outputs[i]),
                                         "OUTPUTS", i, fault);
        }
    }
    if (!has_output(model, model->head->default_output)) {
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, RULE_DEFAULT_OUTPUT,
                                     espalier_table_offset(model, model->head), "MODEL", 0,
                                     "the default output is none of the outputs");
    }
    return ESPALIER_OK;
}

static espalier_status check_slots_with_scratch(const espalier_model *model,
                                                const espalier_table_check *check)
{
    uint32_t *const slots = calloc(model->head->slot_count, sizeof *slots);
    uint8_t *const linear_parts = calloc(model->part_count, 1);
    const espalier_status status =
        slots != NULL && linear_parts != NULL
            ? check_slots(model, check, slots, linear_parts)
            : espalier_error_set(check->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                 "%s: out of memory", check->name);
    free(linear_parts);
    free(slots);
    return status;
}

/* Sections that must be there exactly if something uses them. */
static espalier_status check_conditional(const espalier_model *model,
                                         const espalier_table_check *check)
{
    bool constants = false;
    bool masks = false;
    bool linear = false;
    for (uint32_t i = 0; i < model->part_count; i++) {
        masks = masks || model->parts[i].layout != ESPALIER_FILE_WALK;
        constants = constants || model->parts[i].start == ESPALIER_START_CONSTANTS ||
                    model->parts[i].divisor == ESPALIER_DIVISOR_CONSTANTS;
    }
    for (uint32_t i = 0; i < model->stage_count; i++) {
        espalier_stage_shape shape;
        constants = constants || (espalier_stage_describe(&model->stages[i], &shape) &&
                                  shape.constant_count > 0);
        linear = linear || model->stages[i].operation == ESPALIER_STAGE_LINEAR;
    }
    const struct {
        uint32_t type;
        bool used;
    } conditional[] = {
        {ESPALIER_SECTION_CONSTANTS, constants},
        {ESPALIER_SECTION_CLASS_LABELS, has_output(model, ESPALIER_OUTPUT_CLASS)},
        {ESPALIER_SECTION_CUTS, model->codes},
        {ESPALIER_SECTION_NODE_NUMBERS, model->head->number_bytes != 0},
        {ESPALIER_SECTION_SETS, model->set_first < model->banks[ESPALIER_BANK_WORD].count},
        {ESPALIER_SECTION_LINEAR, linear},
    };
    if (masks && model->head->number_bytes == 0 && has_output(model, ESPALIER_OUTPUT_LEAF)) {
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, RULE_NUMBERS_NEEDED,
                                     espalier_table_offset(model, model->head), "MODEL", 0,
                                     "leaves of mask layouts without the trainer's numbers");
    }
    for (size_t i = 0; i < sizeof conditional / sizeof conditional[0]; i++) {
        const espalier_file_section *const section =
            espalier_file_find(&model->file, conditional[i].type);
        if ((section != NULL) != conditional[i].used) {
            return espalier_error_set(check->error_out,
                                      section == NULL ? ESPALIER_ERROR_SECTION_MISSING
                                                      : ESPALIER_ERROR_SECTION,
                                      RULE_SECTIONS_CONDITIONAL,
                                      section == NULL ? ESPALIER_OFFSET_NONE : section->offset,
                                      "%s: section %s is %s", check->name,
                                      espalier_section_name(conditional[i].type),
                                      section == NULL ? "missing" : "there, and nothing uses it");
        }
    }
    return ESPALIER_OK;
}

/* NODE_NUMBERS has the numbers of every tree, or is absent. */
static espalier_status check_numbers(const espalier_model *model, const espalier_table_check *check)
{
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_NODE_NUMBERS);
    if (section == NULL) {
        return ESPALIER_OK; /* and so numbers have no bytes: check_conditional */
    }
    uint64_t count = 0;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
            count += espalier_tree_number_count(part, &model->trees[i]);
        }
    }
    if (section->bytes != count * model->head->number_bytes) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION, RULE_NUMBERS_BYTES,
                                  section->offset,
                                  "%s: section NODE_NUMBERS is not as long as its trees ask for",
                                  check->name);
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_check_tables(espalier_model *model,
                                            const espalier_table_check *check)
{
    espalier_status status = find_tables(model, check);
    if (status == ESPALIER_OK) {
        status = check_head(model, check);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_check_preparation(model, check);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_check_categories(model, check);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_check_columns(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_steps(model, check);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_check_parts(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_slots_with_scratch(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_conditional(model, check);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_check_linear(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_numbers(model, check);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_check_names(model, check);
    }
    return status;
}
