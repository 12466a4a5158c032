// SPDX-License-Identifier: Apache-2.0
/*
 * See plan.h. May include include/, format/error.h and libc.
 */
#include "convert/plan.h"

#include "format/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static espalier_status fail_memory(espalier_error *error_out)
{
    return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                              "no memory for the outputs");
}

/* ---- stages ---------------------------------------------------------------------------------- */

uint32_t espalier_plan_stage_inputs(const espalier_forest_stage *stage)
{
    switch (stage->operation) {
    case ESPALIER_FOREST_CONSTANTS:
    case ESPALIER_FOREST_PICK:
    case ESPALIER_FOREST_VALUES:
    case ESPALIER_FOREST_FLUSHED_VALUES:
        return 0;
    case ESPALIER_FOREST_SPREAD:
    case ESPALIER_FOREST_CHOOSE:
    case ESPALIER_FOREST_ISOTONIC:
    case ESPALIER_FOREST_ISOTONIC_SHARES:
        return 1;
    default:
        return stage->count;
    }
}

uint64_t espalier_plan_stage_outputs(const espalier_forest_stage *stage)
{
    switch (stage->operation) {
    case ESPALIER_FOREST_TWO_CLASSES:
        return 2 * (uint64_t)stage->count;
    case ESPALIER_FOREST_INDEX:
    case ESPALIER_FOREST_PRODUCTS:
    case ESPALIER_FOREST_ISOTONIC:
    case ESPALIER_FOREST_ISOTONIC_SHARES:
    case ESPALIER_FOREST_LINEAR:
        return 1;
    default:
        return stage->count;
    }
}

uint64_t espalier_plan_stage_constants(const espalier_forest_stage *stage)
{
    switch (stage->operation) {
    case ESPALIER_FOREST_CHOOSE:
    case ESPALIER_FOREST_CLAMP:
        return 2;
    case ESPALIER_FOREST_ISOTONIC:
    case ESPALIER_FOREST_ISOTONIC_SHARES:
        return 2 * (uint64_t)stage->count;
    case ESPALIER_FOREST_LINEAR:
        return ESPALIER_PLAN_LINEAR_CONSTANTS;
    case ESPALIER_FOREST_VALUES:
    case ESPALIER_FOREST_FLUSHED_VALUES:
    case ESPALIER_FOREST_ADD:
    case ESPALIER_FOREST_MULTIPLY:
    case ESPALIER_FOREST_DIVIDE:
    case ESPALIER_FOREST_SPREAD:
    case ESPALIER_FOREST_PRODUCTS:
    case ESPALIER_FOREST_CONSTANTS:
    case ESPALIER_FOREST_PICK:
    case ESPALIER_FOREST_WEIGHTED_MEDIAN:
        return stage->count;
    default:
        return 0;
    }
}

/* Whether an operation is there in a type. */
static bool has_arithmetic(espalier_forest_operation operation, bool narrow)
{
    switch (operation) {
    case ESPALIER_FOREST_EXPECTILES:
    case ESPALIER_FOREST_ROUND:
    case ESPALIER_FOREST_EXPIT:
    case ESPALIER_FOREST_NUMPY_EXP:
    case ESPALIER_FOREST_ISOTONIC_SHARES:
        return narrow;
    case ESPALIER_FOREST_DIVIDE_ITERATIONS:
    case ESPALIER_FOREST_SOFTMAX_LOG:
    case ESPALIER_FOREST_LOG1P_EXP:
    case ESPALIER_FOREST_SIGNED_SQUARE:
    case ESPALIER_FOREST_NEGATIVE_POWER:
    case ESPALIER_FOREST_SPREAD:
    case ESPALIER_FOREST_PRODUCTS:
    case ESPALIER_FOREST_CHOOSE:
    case ESPALIER_FOREST_NORMALISE_EVEN:
    case ESPALIER_FOREST_CUT_ONE:
        return !narrow;
    default:
        return !narrow || operation <= ESPALIER_FOREST_LOG1P ||
               operation == ESPALIER_FOREST_FLUSHED_VALUES;
    }
}

/* Room for `added` items behind count; grows by doubling. */
static void *grow(void *items, uint32_t count, uint32_t added, size_t item_bytes)
{
    const uint64_t wanted = (uint64_t)count + added;
    uint64_t room = 4;
    uint64_t old_room = count > 0 ? 4 : 0;
    while (room < wanted) {
        room *= 2;
    }
    while (count > 0 && old_room < count) {
        old_room *= 2;
    }
    return items != NULL && room == old_room ? items : realloc(items, (size_t)room * item_bytes);
}

uint32_t espalier_plan_add_stage(espalier_forest *forest, const espalier_forest_stage *stage,
                                 const double *constants)
{
    const uint64_t constant_count = espalier_plan_stage_constants(stage);
    const uint64_t first = (uint64_t)espalier_forest_slots(forest) + forest->stage_slots;
    const uint64_t written = espalier_plan_stage_outputs(stage);
    if (first + written >= ESPALIER_PLAN_NO_SLOT ||
        forest->constant_count + constant_count > UINT32_MAX) {
        return ESPALIER_PLAN_NO_SLOT;
    }
    espalier_forest_stage *const stages =
        grow(forest->stages, forest->stage_count, 1, sizeof *stages);
    if (stages == NULL) {
        return ESPALIER_PLAN_NO_SLOT;
    }
    forest->stages = stages;
    if (constant_count > 0) {
        double *const all =
            grow(forest->constants, forest->constant_count, (uint32_t)constant_count, sizeof *all);
        if (all == NULL) {
            return ESPALIER_PLAN_NO_SLOT;
        }
        forest->constants = all;
        memcpy(all + forest->constant_count, constants, constant_count * sizeof *all);
    }
    stages[forest->stage_count] = *stage;
    stages[forest->stage_count].output_slot = (uint32_t)first;
    stages[forest->stage_count].first_constant = constant_count > 0 ? forest->constant_count : 0;
    forest->stage_count++;
    forest->constant_count += (uint32_t)constant_count;
    forest->stage_slots += (uint32_t)written;
    forest->task = ESPALIER_FOREST_TASK_PLAN;
    return (uint32_t)first;
}

/* ---- outputs --------------------------------------------------------------------------------- */

bool espalier_plan_add_output(espalier_forest *forest, const espalier_forest_output *output)
{
    espalier_forest_output *const outputs =
        grow(forest->outputs, forest->output_count, 1, sizeof *outputs);
    if (outputs == NULL) {
        return false;
    }
    forest->outputs = outputs;
    outputs[forest->output_count++] = *output;
    forest->task = ESPALIER_FOREST_TASK_PLAN;
    return true;
}

bool espalier_plan_number_labels(espalier_forest *forest, uint32_t label_count)
{
    espalier_forest_labels *const labels = calloc(forest->group_count, sizeof *labels);
    if (labels == NULL) {
        return false;
    }
    forest->labels = labels; /* what is there of it is freed with the forest */
    for (uint32_t group = 0; group < forest->group_count; group++) {
        labels[group].kind = ESPALIER_LABEL_INT;
        labels[group].item_bytes = 8;
        labels[group].numbers = malloc(label_count * sizeof *labels[group].numbers);
        if (labels[group].numbers == NULL) {
            return false;
        }
        labels[group].count = label_count;
        for (uint32_t i = 0; i < label_count; i++) {
            labels[group].numbers[i] = i;
        }
    }
    return true;
}

/* ---- checking -------------------------------------------------------------------------------- */

/* Which of the slots up to `end` are float32: those of float32 sums, and of stages in float32. */
static bool is_narrow(const espalier_forest *forest, uint32_t first, uint64_t end)
{
    for (uint32_t i = 0; i < espalier_forest_part_count(forest); i++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, i);
        const uint64_t part_end = (uint64_t)part.first_slot + part.slot_count;
        if (part.first_slot < end && first < part_end &&
            part.accumulator != ESPALIER_FOREST_SUM_FLOAT32) {
            return false;
        }
    }
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        const espalier_forest_stage *const stage = &forest->stages[i];
        const uint64_t stage_end = stage->output_slot + espalier_plan_stage_outputs(stage);
        if (stage->output_slot < end && first < stage_end && !stage->narrow) {
            return false;
        }
    }
    return true;
}

/* PICK names slots that come before its own. */
static const char *find_pick_fault(const espalier_forest *forest,
                                   const espalier_forest_stage *stage)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        const double slot = forest->constants[stage->first_constant + i];
        if (!(slot >= -1.0 && slot < (double)stage->output_slot && slot == floor(slot))) {
            return "a stage reads the wrong slots";
        }
        if (stage->narrow && slot >= 0 && !is_narrow(forest, (uint32_t)slot, (uint64_t)slot + 1)) {
            return "a float32 stage reads a float64";
        }
    }
    return NULL;
}

/* Features that there are; linear leaves, and a part and trees of it. */
static const char *find_linear_fault(const espalier_forest *forest,
                                     const espalier_forest_stage *stage)
{
    const double *const c = forest->constants + stage->first_constant;
    for (uint32_t i = 0; espalier_plan_takes_values(stage) && i < stage->count; i++) {
        if (!(c[i] >= 0 && c[i] < (double)espalier_forest_tested_count(forest))) {
            return "a stage of a feature that there is not";
        }
    }
    if (stage->operation != ESPALIER_FOREST_LINEAR) {
        return NULL;
    }
    const bool is_part = c[0] >= 0.0 && c[0] < (double)espalier_forest_part_count(forest);
    return is_part && espalier_forest_part_at(forest, (uint32_t)c[0]).linear && c[1] >= 1.0 &&
                   c[2] >= 0.0 && c[2] < c[1]
               ? NULL
               : "a stage of linear leaves that there are not";
}

static const char *find_stage_fault(const espalier_forest *forest,
                                    const espalier_forest_stage *stage, uint64_t written)
{
    const uint32_t inputs = espalier_plan_stage_inputs(stage);
    const uint64_t constants = espalier_plan_stage_constants(stage);
    const bool is_known =
        (stage->operation >= ESPALIER_FOREST_NORMALISE &&
         stage->operation <= ESPALIER_FOREST_EXPECTILES) ||
        (stage->operation >= ESPALIER_FOREST_PICK && stage->operation <= ESPALIER_FOREST_LOG1P) ||
        stage->operation == ESPALIER_FOREST_VALUES || stage->operation == ESPALIER_FOREST_LINEAR ||
        (stage->operation >= ESPALIER_FOREST_CLAMP &&
         stage->operation <= ESPALIER_FOREST_ISOTONIC_SHARES);
    if (!is_known || stage->count == 0 || !has_arithmetic(stage->operation, stage->narrow)) {
        return "a stage that there is not";
    }
    const bool adds_slots = stage->operation == ESPALIER_FOREST_ADD_SLOTS;
    if ((uint64_t)stage->input_slot + inputs > written || stage->output_slot != written ||
        (adds_slots && (uint64_t)stage->other_slot + inputs > written)) {
        return "a stage reads or writes the wrong slots";
    }
    if (stage->narrow && inputs > 0 && stage->operation != ESPALIER_FOREST_ROUND &&
        !is_narrow(forest, stage->input_slot, (uint64_t)stage->input_slot + inputs)) {
        return "a float32 stage reads a float64";
    }
    if (stage->narrow && adds_slots &&
        !is_narrow(forest, stage->other_slot, (uint64_t)stage->other_slot + inputs)) {
        return "a float32 stage reads a float64";
    }
    if ((uint64_t)stage->first_constant + constants > forest->constant_count) {
        return "a stage without its constants";
    }
    if (stage->operation == ESPALIER_FOREST_PICK) {
        return find_pick_fault(forest, stage);
    }
    if (espalier_plan_takes_values(stage) || stage->operation == ESPALIER_FOREST_LINEAR) {
        return find_linear_fault(forest, stage);
    }
    if (stage->operation == ESPALIER_FOREST_DIVIDE_ITERATIONS &&
        stage->part >= espalier_forest_part_count(forest)) {
        return "a stage of a part that there is not";
    }
    const bool is_median = stage->operation == ESPALIER_FOREST_WEIGHTED_MEDIAN;
    for (uint32_t i = 0; stage->narrow && !is_median && i < constants; i++) {
        const double constant = forest->constants[stage->first_constant + i];
        if ((double)(float)constant != constant) {
            return "a float32 stage with a constant that is none";
        }
    }
    return NULL;
}

static const char *find_output_fault(const espalier_forest *forest, uint32_t index)
{
    const espalier_forest_output *const output = &forest->outputs[index];
    const espalier_forest_output *const before = index > 0 ? output - 1 : NULL;
    const bool is_class = output->kind == ESPALIER_OUTPUT_CLASS;
    const bool grouped = output->kind < ESPALIER_OUTPUT_VALUE;
    const bool same_kind = before != NULL && before->kind == output->kind;
    const bool is_last =
        index + 1 == forest->output_count || forest->outputs[index + 1].kind != output->kind;
    const uint32_t group_last = grouped ? forest->group_count - 1 : 0;
    const uint64_t end = (uint64_t)output->first_slot + output->slot_count;
    if (output->kind < ESPALIER_OUTPUT_MARGIN || output->kind > ESPALIER_OUTPUT_SCORE ||
        output->kind == ESPALIER_OUTPUT_LEAF || (before != NULL && before->kind > output->kind) ||
        output->group != (same_kind ? before->group + 1 : 0) ||
        (is_last && output->group != group_last)) {
        return "outputs that are not in order";
    }
    if (output->slot_count == 0 || end > espalier_forest_all_slots(forest)) {
        return "an output of slots that there are not";
    }
    if (is_class != (output->decision != ESPALIER_FOREST_NO_DECISION) ||
        output->decision > ESPALIER_FOREST_ABOVE_HALF ||
        (output->decision > ESPALIER_FOREST_LAST_MAXIMUM && output->slot_count != 1)) {
        return "an output without its decision";
    }
    if (output->narrow && (is_class || !is_narrow(forest, output->first_slot, end))) {
        return "a float32 output of float64";
    }
    if (is_class || output->kind == ESPALIER_OUTPUT_PROBABILITY) {
        const uint32_t labels = forest->labels != NULL ? forest->labels[output->group].count : 0;
        const bool between_two =
            is_class ? output->decision > ESPALIER_FOREST_LAST_MAXIMUM : output->slot_count == 1;
        if (labels != (between_two ? 2 : output->slot_count) &&
            (is_class || labels != output->slot_count)) {
            return "an output has not one label a class";
        }
    }
    return NULL;
}

/* The first slot behind the parts that follow `written` without a gap; *part is the next part. */
static uint64_t pass_parts(const espalier_forest *forest, uint64_t written, uint32_t *part)
{
    while (*part < espalier_forest_part_count(forest)) {
        const espalier_forest_part next = espalier_forest_part_at(forest, *part);
        if (next.first_slot != written) {
            break;
        }
        written += next.slot_count;
        (*part)++;
    }
    return written;
}

/* What parts start from comes before their own slots. */
static const char *find_start_fault(const espalier_forest *forest)
{
    bool asked = false;
    for (uint32_t i = 0; i < espalier_forest_part_count(forest); i++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, i);
        asked = asked || !part.all_iterations;
        if (part.from_slots &&
            ((uint64_t)part.start_slot + part.slot_count > part.first_slot || part.start != NULL ||
             part.as_it_is || part.accumulator != ESPALIER_FOREST_SUM_FLOAT64)) {
            return "a part that cannot start from its slots";
        }
    }
    return asked && forest->leaf_part < espalier_forest_part_count(forest)
               ? NULL
               : "no part of iterations, or of leaves";
}

const char *espalier_plan_find_fault(const espalier_forest *forest)
{
    uint32_t part = 0;
    uint64_t written = pass_parts(forest, 0, &part);
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        const char *const fault = find_stage_fault(forest, &forest->stages[i], written);
        if (fault != NULL) {
            return fault;
        }
        written += espalier_plan_stage_outputs(&forest->stages[i]);
        written = pass_parts(forest, written, &part);
    }
    if (part != espalier_forest_part_count(forest)) {
        return "a part whose sums are out of place";
    }
    const char *const start_fault = find_start_fault(forest);
    if (start_fault != NULL) {
        return start_fault;
    }
    bool has_default = forest->default_output == ESPALIER_OUTPUT_LEAF;
    bool has_class = false;
    for (uint32_t i = 0; i < forest->output_count; i++) {
        const char *const fault = find_output_fault(forest, i);
        if (fault != NULL) {
            return fault;
        }
        has_default = has_default || forest->outputs[i].kind == forest->default_output;
        has_class = has_class || forest->outputs[i].kind == ESPALIER_OUTPUT_CLASS;
    }
    return !has_default                            ? "the default output is none of the outputs"
           : has_class != (forest->labels != NULL) ? "classes without labels, or labels without"
           : forest->normalise                     ? "a plan normalises by itself"
                                                   : NULL;
}

/* ---- the plan of any forest ------------------------------------------------------------------ */

static void fill_normalise(const espalier_forest *forest, espalier_plan *plan)
{
    uint32_t slot = 0;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        plan->stages[plan->stage_count++] = (espalier_forest_stage){
            .operation = ESPALIER_FOREST_NORMALISE,
            .input_slot = slot,
            .output_slot = espalier_forest_slots(forest) + slot,
            .count = forest->group_width[group],
            .pairwise = true,
        };
        slot += forest->group_width[group];
    }
}

/* An output of a kind for each group, of its sums or of what lies `behind` them. */
static void fill_groups(const espalier_forest *forest, espalier_output_kind kind, uint32_t behind,
                        espalier_plan *plan)
{
    const bool is_class = kind == ESPALIER_OUTPUT_CLASS;
    uint32_t slot = behind;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        plan->outputs[plan->output_count++] = (espalier_forest_output){
            .kind = kind,
            .group = group,
            .first_slot = slot,
            .slot_count = forest->group_width[group],
            .decision = is_class ? ESPALIER_FOREST_FIRST_MAXIMUM : ESPALIER_FOREST_NO_DECISION,
            .narrow = !is_class && forest->accumulator == ESPALIER_FOREST_SUM_FLOAT32,
        };
        slot += forest->group_width[group];
    }
}

/* A forest: classes, or values. A boosted model: margins, and the same as values. */
static void fill_plain(const espalier_forest *forest, espalier_plan *plan)
{
    const uint32_t sums = espalier_forest_slots(forest);
    const bool is_forest = forest->task == ESPALIER_FOREST_TASK_FOREST;
    plan->default_output = ESPALIER_OUTPUT_MARGIN;
    if (forest->normalise) {
        fill_normalise(forest, plan);
    }
    if (is_forest && forest->classifier) {
        /* A classifier decides on what its trees add up to. */
        fill_groups(forest, ESPALIER_OUTPUT_PROBABILITY, forest->normalise ? sums : 0, plan);
        fill_groups(forest, ESPALIER_OUTPUT_CLASS, 0, plan);
        plan->default_output = ESPALIER_OUTPUT_CLASS;
        return;
    }
    if (!is_forest) {
        fill_groups(forest, ESPALIER_OUTPUT_MARGIN, 0, plan);
    }
    if (is_forest || forest->task == ESPALIER_FOREST_TASK_VALUE) {
        plan->outputs[plan->output_count++] = (espalier_forest_output){
            .kind = ESPALIER_OUTPUT_VALUE,
            .slot_count = sums,
            .narrow = forest->accumulator == ESPALIER_FOREST_SUM_FLOAT32,
        };
        plan->default_output = ESPALIER_OUTPUT_VALUE;
    }
}

espalier_status espalier_plan_make(const espalier_forest *forest, espalier_plan *plan_out,
                                   espalier_error *error_out)
{
    const bool is_plan = forest->task == ESPALIER_FOREST_TASK_PLAN;
    const size_t stages = is_plan ? forest->stage_count : forest->group_count;
    const size_t outputs = is_plan ? forest->output_count : 2 * (size_t)forest->group_count + 1;
    espalier_plan plan = {
        .stages = calloc(stages + 1, sizeof *plan.stages),
        .outputs = calloc(outputs + 1, sizeof *plan.outputs),
        .slot_count = (uint32_t)espalier_forest_all_slots(forest),
        .default_output = forest->default_output,
    };
    if (plan.stages == NULL || plan.outputs == NULL) {
        espalier_plan_free(&plan);
        return fail_memory(error_out);
    }
    if (!is_plan) {
        fill_plain(forest, &plan);
    } else {
        if (stages > 0) {
            memcpy(plan.stages, forest->stages, stages * sizeof *plan.stages);
        }
        if (outputs > 0) {
            memcpy(plan.outputs, forest->outputs, outputs * sizeof *plan.outputs);
        }
        plan.stage_count = forest->stage_count;
        plan.output_count = forest->output_count;
    }
    *plan_out = plan;
    return ESPALIER_OK;
}

void espalier_plan_free(espalier_plan *plan)
{
    free(plan->stages);
    free(plan->outputs);
    *plan = (espalier_plan){0};
}

/* ---- columns --------------------------------------------------------------------------------- */

/* The columns of one kind; none: width 0. */
static bool list_kind(const espalier_plan *plan, espalier_output_kind kind,
                      espalier_plan_columns *columns)
{
    const bool is_class = kind == ESPALIER_OUTPUT_CLASS;
    *columns = (espalier_plan_columns){.kind = kind, .dtype = ESPALIER_DTYPE_INT32};
    for (uint32_t i = 0; i < plan->output_count; i++) {
        const espalier_forest_output *const output = &plan->outputs[i];
        if (output->kind == kind) {
            columns->width += is_class ? 1 : output->slot_count;
            columns->dtype = is_class         ? ESPALIER_DTYPE_INT32
                             : output->narrow ? ESPALIER_DTYPE_FLOAT32
                                              : ESPALIER_DTYPE_FLOAT64;
        }
    }
    if (is_class || columns->width == 0) {
        return true;
    }
    columns->slots = malloc(columns->width * sizeof *columns->slots);
    uint32_t place = 0;
    for (uint32_t i = 0; columns->slots != NULL && i < plan->output_count; i++) {
        const espalier_forest_output *const output = &plan->outputs[i];
        for (uint32_t k = 0; output->kind == kind && k < output->slot_count; k++) {
            columns->slots[place++] = output->first_slot + k;
        }
    }
    return columns->slots != NULL;
}

espalier_status espalier_plan_list(const espalier_forest *forest,
                                   espalier_plan_columns columns[ESPALIER_PLAN_KINDS_MAX],
                                   uint32_t *count_out, espalier_error *error_out)
{
    espalier_plan plan;
    espalier_status status = espalier_plan_make(forest, &plan, error_out);
    if (status != ESPALIER_OK) {
        return status;
    }
    uint32_t count = 0;
    for (uint32_t kind = ESPALIER_OUTPUT_MARGIN; kind <= ESPALIER_OUTPUT_SCORE; kind++) {
        if (kind == ESPALIER_OUTPUT_LEAF && forest->leaf_hidden) {
            continue;
        }
        if (kind == ESPALIER_OUTPUT_LEAF) {
            const espalier_forest_part part = espalier_forest_part_at(forest, forest->leaf_part);
            columns[count++] = (espalier_plan_columns){ESPALIER_OUTPUT_LEAF, ESPALIER_DTYPE_INT64,
                                                       part.tree_count, NULL};
            continue;
        }
        if (!list_kind(&plan, (espalier_output_kind)kind, &columns[count])) {
            espalier_plan_list_free(columns, count);
            espalier_plan_free(&plan);
            return fail_memory(error_out);
        }
        count += columns[count].width > 0 ? 1 : 0;
    }
    espalier_plan_free(&plan);
    *count_out = count;
    return ESPALIER_OK;
}

void espalier_plan_list_free(espalier_plan_columns *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(columns[i].slots);
    }
}
