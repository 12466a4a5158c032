// SPDX-License-Identifier: Apache-2.0
/*
 * Checking a model's private tables at open. Everything here reads private memory only, compares
 * before it computes, and names the record at fault.
 */
#include "engine/model.h"
#include "format/error.h"
#include "format/rules.h"

#include <stdlib.h>
#include <string.h>

/* One table: a section of fixed-size records. */
typedef struct table_view {
    const void *records;
    uint32_t count;
    uint64_t offset; /* in the file */
} table_view;

static espalier_status refuse(const espalier_table_check *check, espalier_status status,
                              uint32_t rule, uint64_t offset, const char *table, uint64_t index,
                              const char *what)
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
    *view_out = (table_view){NULL, 0, ESPALIER_OFFSET_NONE};
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
    view_out->offset = section->offset;
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

/* Where record `index` of a private table lies in the file. */
static uint64_t offset_of(const espalier_model *model, const void *record)
{
    return (uint64_t)((const uint8_t *)record - model->file.bytes);
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
    } else if ((head->input_rule & ESPALIER_INPUT_FLOAT32) == 0 ||
               (head->input_rule & ~ESPALIER_INPUT_KNOWN) != 0) {
        what = "unknown input rule", rule = RULE_INPUT_RULE;
    } else if (head->number_bytes > 4 || head->number_bytes == 3) {
        what = "node number size", rule = RULE_NUMBER_BYTES;
    } else if (!espalier_bytes_are_zero(head->reserved, sizeof head->reserved)) {
        what = "reserved bytes set", rule = RULE_RESERVED;
    }
    if (what != NULL) {
        return refuse(check, ESPALIER_ERROR_VALUE, rule, offset_of(model, head), "MODEL", 0, what);
    }
    const bool features = head->feature_count > ESPALIER_LIMIT_FEATURES;
    if (features || head->slot_count > ESPALIER_LIMIT_SLOTS) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_LIMIT, RULE_LIMITS,
                                  offset_of(model, head), "%s: %u %s; the limit is %u", check->name,
                                  (unsigned)(features ? head->feature_count : head->slot_count),
                                  features ? "features" : "slots",
                                  (unsigned)(features ? ESPALIER_LIMIT_FEATURES
                                                      : ESPALIER_LIMIT_SLOTS));
    }
    if (head->visits_per_row > check->visits_per_row_max) {
        return espalier_error_set(
            check->error_out, ESPALIER_ERROR_LIMIT, RULE_VISITS_LIMIT, offset_of(model, head),
            "%s: a row may visit %llu nodes; the limit is %llu (visits_per_row_max)", check->name,
            (unsigned long long)head->visits_per_row,
            (unsigned long long)check->visits_per_row_max);
    }
    return ESPALIER_OK;
}

static espalier_status check_columns(const espalier_model *model, const espalier_table_check *check)
{
    for (uint32_t i = 0; i < model->column_count; i++) {
        const espalier_file_column *const column = &model->columns[i];
        const char *what = NULL;
        uint32_t rule = RULE_COLUMN_KIND;
        if (column->kind != (i == 0 ? ESPALIER_COLUMN_LEAF : ESPALIER_COLUMN_FEATURE)) {
            what = "unknown kind, or the leaf column is not the first";
        } else if (column->feature >= model->head->feature_count || (i == 0 && column->feature)) {
            what = "feature out of range", rule = RULE_COLUMN_FEATURE;
        } else if (column->missing > ESPALIER_MISSING_LEFT || (i == 0 && column->missing != 0)) {
            what = "unknown missing rule", rule = RULE_COLUMN_MISSING;
        } else if (column->bank != ESPALIER_BANK_FLOAT || column->first_cut != 0 ||
                   column->cut_count != 0 || column->segment != 0) {
            what = "no cuts belong to this kind", rule = RULE_COLUMN_KIND;
        }
        if (what != NULL) {
            return refuse(check, ESPALIER_ERROR_VALUE, rule, offset_of(model, column), "COLUMNS", i,
                          what);
        }
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
            return refuse(check, ESPALIER_ERROR_VALUE, rule, offset_of(model, &model->steps[i]),
                          "STEPS", i, fault);
        }
    }
    if (parts != model->part_count || stages != model->stage_count) {
        return refuse(check, ESPALIER_ERROR_VALUE,
                      parts != model->part_count ? RULE_STEP_TREES : RULE_STEP_STAGES,
                      offset_of(model, model->steps), "STEPS", model->step_count,
                      "a part or a stage without a step");
    }
    return ESPALIER_OK;
}

/* True when [first, first + count) lies in [0, total). */
static bool in_range(uint64_t first, uint64_t count, uint64_t total)
{
    return first <= total && count <= total - first;
}

/* Start, divisor and iterations of a part. */
static const char *find_part_rule_fault(const espalier_model *model, const espalier_file_part *part,
                                        uint32_t *rule_out)
{
    *rule_out = RULE_PART_START;
    if (part->start > ESPALIER_START_CONSTANTS ||
        (part->start == ESPALIER_START_CONSTANTS
             ? !in_range(part->start_index, part->slot_count, model->constant_count)
             : part->start_index != 0)) {
        return "unknown start, or its constants out of range";
    }
    *rule_out = RULE_PART_DIVISOR;
    if (part->divisor > ESPALIER_DIVISOR_ITERATIONS ||
        (part->divisor == ESPALIER_DIVISOR_CONSTANTS
             ? !in_range(part->divisor_index, part->slot_count, model->constant_count)
             : part->divisor_index != 0)) {
        return "unknown divisor, or its constants out of range";
    }
    *rule_out = RULE_PART_ITERATIONS;
    if (part->iteration_count == 0 || part->default_iteration_count == 0 ||
        !in_range(part->default_iteration_first, part->default_iteration_count,
                  part->iteration_count)) {
        return "iterations out of range";
    }
    *rule_out = RULE_RESERVED;
    return espalier_bytes_are_zero(part->reserved, sizeof part->reserved) ? NULL
                                                                          : "reserved bytes set";
}

static const char *find_part_fault(const espalier_model *model, const espalier_file_part *part,
                                   uint64_t leaves_bytes, uint32_t *rule_out)
{
    *rule_out = RULE_PART_LAYOUT;
    if (part->layout != ESPALIER_FILE_WALK) {
        return "unknown layout";
    }
    *rule_out = RULE_PART_NODE_BYTES;
    if (part->node_bytes != 8 && part->node_bytes != 16) {
        return "unknown node size";
    }
    *rule_out = RULE_PART_CHILD_BITS;
    if (part->child_bits < ESPALIER_LIMIT_CHILD_BITS_MIN ||
        part->child_bits > ESPALIER_LIMIT_CHILD_BITS_MAX) {
        return "child bits out of range";
    }
    *rule_out = RULE_PART_COLUMNS;
    if (part->node_bytes == 8 && model->column_count > UINT32_C(1) << (32 - part->child_bits)) {
        return "columns do not fit the nodes";
    }
    *rule_out = RULE_PART_AGGREGATE;
    if (part->accumulator != ESPALIER_ACCUMULATOR_FLOAT64 ||
        part->aggregate != ESPALIER_AGGREGATE_SUM) {
        return "unknown accumulator or aggregate";
    }
    *rule_out = RULE_PART_SLOTS;
    if (part->leaf_width == 0 || part->slot_count == 0 || part->leaf_width > part->slot_count ||
        !in_range(part->first_slot, part->slot_count, model->head->slot_count)) {
        return "slots out of range";
    }
    *rule_out = RULE_PART_LEAVES;
    /* The count is below 2^31 and the width at most 2^20, so the product fits. */
    if (part->leaf_count == 0 || part->leaf_count > ESPALIER_LIMIT_LEAVES ||
        part->leaf_offset % 8 != 0 ||
        !in_range(part->leaf_offset, (uint64_t)part->leaf_count * part->leaf_width * 8,
                  leaves_bytes)) {
        return "leaf values out of range";
    }
    return find_part_rule_fault(model, part, rule_out);
}
/* The running place of the next tree, and what all trees add up to. */
typedef struct tree_totals {
    uint64_t node_bytes;  /* bytes of NODES used so far */
    uint64_t nodes_total; /* bytes of NODES */
    uint64_t visits;
    uint64_t source_nodes;
    uint64_t additions;
} tree_totals;

static const char *find_tree_fault(const espalier_file_part *part, const espalier_file_tree *tree,
                                   tree_totals *totals, uint32_t *rule_out)
{
    *rule_out = RULE_TREE_NODE_COUNT;
    if (tree->node_count == 0 || tree->node_count % 8 != 0 ||
        tree->node_count > UINT32_C(1) << part->child_bits) {
        return "node count out of range";
    }
    *rule_out = RULE_TREE_TILES;
    if (totals->node_bytes % part->node_bytes != 0 ||
        tree->first_node != totals->node_bytes / part->node_bytes) {
        return "does not follow the tree before";
    }
    const uint64_t bytes = (uint64_t)tree->node_count * part->node_bytes;
    if (bytes > totals->nodes_total - totals->node_bytes) {
        return "reaches beyond the nodes";
    }
    *rule_out = RULE_TREE_SOURCE_NODES;
    if (tree->source_node_count == 0 || tree->source_node_count > tree->node_count) {
        return "number of the trainer's nodes out of range";
    }
    *rule_out = RULE_TREE_DEPTH;
    if (tree->depth > (tree->source_node_count - 1) / 2) {
        return "deeper than its nodes allow";
    }
    *rule_out = RULE_TREE_SLOT;
    if (!in_range(tree->slot, part->leaf_width, part->slot_count)) {
        return "slot out of range";
    }
    *rule_out = RULE_TREE_ITERATION;
    if (tree->iteration >= part->iteration_count) {
        return "iteration out of range";
    }
    totals->node_bytes += bytes;
    totals->visits += tree->depth;
    totals->source_nodes += tree->source_node_count;
    totals->additions += part->leaf_width;
    return NULL;
}

/* The child index bound of a part: the byte behind the farthest node a child may name. */
static uint64_t part_readable_bytes(const espalier_model *model, const espalier_file_part *part,
                                    uint64_t nodes_offset)
{
    const espalier_file_tree *const last = &model->trees[part->first_tree + part->tree_count - 1];
    return nodes_offset +
           part->node_bytes * (last->first_node + (UINT64_C(1) << part->child_bits) + 1);
}

static espalier_status check_part_trees(espalier_model *model, const espalier_table_check *check,
                                        uint32_t part_index, tree_totals *totals)
{
    const espalier_file_part *const part = &model->parts[part_index];
    for (uint32_t i = 0; i < part->tree_count; i++) {
        const espalier_file_tree *const tree = &model->trees[part->first_tree + i];
        uint32_t rule = 0;
        const char *const fault = find_tree_fault(part, tree, totals, &rule);
        if (fault != NULL) {
            return refuse(check, ESPALIER_ERROR_VALUE, rule, offset_of(model, tree), "TREES",
                          part->first_tree + i, fault);
        }
        model->depth_max = tree->depth > model->depth_max ? tree->depth : model->depth_max;
    }
    return ESPALIER_OK;
}

static espalier_status check_totals(const espalier_model *model, const espalier_table_check *check,
                                    uint32_t tree_count, const tree_totals *totals)
{
    const char *what = NULL;
    uint32_t rule = RULE_TREE_TILES;
    if (tree_count != model->tree_count) {
        what = "trees without a part", rule = RULE_PART_TREES;
    } else if (totals->node_bytes != totals->nodes_total) {
        what = "nodes without a tree";
    } else if (totals->visits != model->head->visits_per_row) {
        what = "visits per row are not the sum of the depths", rule = RULE_VISITS_SUM;
    } else if (totals->source_nodes != model->head->node_count) {
        what = "node count is not the sum of the trees'", rule = RULE_NODE_COUNT_SUM;
    }
    if (what != NULL) {
        return refuse(check, ESPALIER_ERROR_VALUE, rule, offset_of(model, model->head), "MODEL", 0,
                      what);
    }
    /* At most 2^24 trees of at most 2^20 values. */
    if (totals->additions / ESPALIER_LIMIT_ADDITIONS_PER_VISIT > check->visits_per_row_max) {
        return espalier_error_set(
            check->error_out, ESPALIER_ERROR_LIMIT, RULE_ADDITIONS_LIMIT,
            offset_of(model, model->trees),
            "%s: a row adds %llu leaf values; the limit is %u a visit of visits_per_row_max",
            check->name, (unsigned long long)totals->additions,
            (unsigned)ESPALIER_LIMIT_ADDITIONS_PER_VISIT);
    }
    return ESPALIER_OK;
}

static espalier_status check_parts(espalier_model *model, const espalier_table_check *check)
{
    const espalier_file_section *const nodes =
        espalier_file_find(&model->file, ESPALIER_SECTION_NODES);
    const espalier_file_section *const leaves =
        espalier_file_find(&model->file, ESPALIER_SECTION_LEAVES);
    if (nodes == NULL || leaves == NULL) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION_MISSING,
                                  RULE_SECTIONS_NEEDED, ESPALIER_OFFSET_NONE,
                                  "%s: section %s is missing", check->name,
                                  nodes == NULL ? "NODES" : "LEAVES");
    }
    tree_totals totals = {0, nodes->bytes, 0, 0, 0};
    uint32_t tree_count = 0;
    for (uint32_t i = 0; i < model->part_count; i++) {
        const espalier_file_part *const part = &model->parts[i];
        uint32_t rule = RULE_PART_TREES;
        const char *fault = "trees out of range";
        if (part->tree_count != 0 && part->first_tree == tree_count &&
            in_range(part->first_tree, part->tree_count, model->tree_count)) {
            fault = find_part_fault(model, part, leaves->bytes, &rule);
        }
        if (fault != NULL) {
            return refuse(check, ESPALIER_ERROR_VALUE, rule, offset_of(model, part), "PARTS", i,
                          fault);
        }
        const espalier_status status = check_part_trees(model, check, i, &totals);
        if (status != ESPALIER_OK) {
            return status;
        }
        tree_count += part->tree_count;
        const uint64_t readable = part_readable_bytes(model, part, nodes->offset);
        model->readable_bytes = readable > model->readable_bytes ? readable : model->readable_bytes;
        model->iteration_count = part->iteration_count > model->iteration_count
                                     ? part->iteration_count
                                     : model->iteration_count;
    }
    return check_totals(model, check, tree_count, &totals);
}

/* Marks slots [first, first + count) as written; false when one already was. */
static bool write_slots(uint8_t *written, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        if (written[i] != 0) {
            return false;
        }
        written[i] = 1;
    }
    return true;
}

static bool slots_written(const uint8_t *written, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        if (written[i] == 0) {
            return false;
        }
    }
    return true;
}

static const char *find_stage_fault(const espalier_model *model, const espalier_file_stage *stage,
                                    uint8_t *written, uint32_t *rule_out)
{
    const uint32_t slot_count = model->head->slot_count;
    *rule_out = RULE_STAGE_OPERATION;
    if (stage->operation != ESPALIER_STAGE_NORMALISE) {
        return "unknown operation";
    }
    *rule_out = RULE_STAGE_ORDER;
    if (stage->order != ESPALIER_ORDER_SEQUENTIAL && stage->order != ESPALIER_ORDER_PAIRWISE) {
        return "unknown order";
    }
    *rule_out = RULE_RESERVED;
    if (stage->reserved[0] != 0 || stage->reserved[1] != 0 || stage->reserved[2] != 0) {
        return "reserved bytes set";
    }
    *rule_out = RULE_STAGE_SLOTS;
    if (stage->slot_count == 0 || !in_range(stage->input_slot, stage->slot_count, slot_count) ||
        !in_range(stage->output_slot, stage->slot_count, slot_count)) {
        return "slots out of range";
    }
    *rule_out = RULE_SLOTS_WRITTEN;
    if (!slots_written(written, stage->input_slot, stage->slot_count)) {
        return "reads a slot that no earlier step writes";
    }
    return write_slots(written, stage->output_slot, stage->slot_count)
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
    if (!is_class && !is_leaf && output->kind != ESPALIER_OUTPUT_PROBABILITY &&
        output->kind != ESPALIER_OUTPUT_VALUE) {
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
    const bool grouped = is_class || output->kind == ESPALIER_OUTPUT_PROBABILITY;
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
    if (output->dtype != dtype) {
        return "wrong dtype";
    }
    *rule_out = RULE_OUTPUT_DECISION;
    if (output->decision != (is_class ? ESPALIER_DECISION_FIRST_MAXIMUM : ESPALIER_DECISION_NONE)) {
        return "unknown decision";
    }
    *rule_out = RULE_RESERVED;
    return output->reserved == 0 ? NULL : "reserved bytes set";
}

/* By now every slot is written, so an output may read any of them. Looking again at all slots of
 * all outputs would cost 2^40 steps in a file of 32 MiB. */
static const char *find_output_fault(const espalier_model *model, uint32_t index,
                                     uint32_t *rule_out)
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
        !in_range(output->first_slot, output->slot_count, model->head->slot_count) ||
        (output->kind == ESPALIER_OUTPUT_VALUE && output->slot_count != model->head->group_count)) {
        return "slots out of range";
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
                                   uint8_t *written)
{
    uint32_t rule = 0;
    for (uint32_t i = 0; i < model->step_count; i++) {
        const espalier_file_step *const step = &model->steps[i];
        if (step->kind == ESPALIER_STEP_TREES) {
            const espalier_file_part *const part = &model->parts[step->first];
            if (!write_slots(written, part->first_slot, part->slot_count)) {
                return refuse(check, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                              offset_of(model, part), "PARTS", step->first,
                              "writes a slot that an earlier step writes");
            }
        }
        for (uint32_t j = 0; step->kind == ESPALIER_STEP_STAGES && j < step->count; j++) {
            const espalier_file_stage *const stage = &model->stages[step->first + j];
            const char *const fault = find_stage_fault(model, stage, written, &rule);
            if (fault != NULL) {
                return refuse(check, ESPALIER_ERROR_VALUE, rule, offset_of(model, stage), "STAGES",
                              step->first + j, fault);
            }
        }
    }
    if (!slots_written(written, 0, model->head->slot_count)) {
        return refuse(check, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                      offset_of(model, model->head), "MODEL", 0, "a slot that no step writes");
    }
    for (uint32_t i = 0; i < model->output_count; i++) {
        const char *const fault = find_output_fault(model, i, &rule);
        if (fault != NULL) {
            return refuse(check, ESPALIER_ERROR_VALUE, rule, offset_of(model, &model->outputs[i]),
                          "OUTPUTS", i, fault);
        }
    }
    if (!has_output(model, model->head->default_output)) {
        return refuse(check, ESPALIER_ERROR_VALUE, RULE_DEFAULT_OUTPUT,
                      offset_of(model, model->head), "MODEL", 0,
                      "the default output is none of the outputs");
    }
    return ESPALIER_OK;
}

static espalier_status check_slots_with_scratch(const espalier_model *model,
                                                const espalier_table_check *check)
{
    uint8_t *const written = calloc(model->head->slot_count, 1);
    if (written == NULL) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: out of memory", check->name);
    }
    const espalier_status status = check_slots(model, check, written);
    free(written);
    return status;
}

/* Sections that must be there exactly if something uses them. */
static espalier_status check_conditional(const espalier_model *model,
                                         const espalier_table_check *check)
{
    bool constants = false;
    for (uint32_t i = 0; i < model->part_count; i++) {
        constants = constants || model->parts[i].start == ESPALIER_START_CONSTANTS ||
                    model->parts[i].divisor == ESPALIER_DIVISOR_CONSTANTS;
    }
    const struct {
        uint32_t type;
        bool used;
    } conditional[] = {
        {ESPALIER_SECTION_CONSTANTS, constants},
        {ESPALIER_SECTION_CLASS_LABELS, has_output(model, ESPALIER_OUTPUT_CLASS)},
        {ESPALIER_SECTION_NODE_NUMBERS, model->head->number_bytes != 0},
    };
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

/* NODE_NUMBERS has one number a position, or is absent when numbers are the preorder count. */
static espalier_status check_numbers(const espalier_model *model, const espalier_table_check *check)
{
    const espalier_file_section *const section =
        espalier_file_find(&model->file, ESPALIER_SECTION_NODE_NUMBERS);
    uint64_t positions = 0;
    for (uint32_t i = 0; i < model->tree_count; i++) {
        positions += model->trees[i].node_count;
    }
    const uint64_t bytes = section != NULL ? section->bytes : 0;
    if (bytes != positions * model->head->number_bytes) {
        return espalier_error_set(check->error_out, ESPALIER_ERROR_SECTION, RULE_NUMBERS_BYTES,
                                  section != NULL ? section->offset : ESPALIER_OFFSET_NONE,
                                  "%s: section NODE_NUMBERS has not one number a position",
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
        status = check_columns(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_steps(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_parts(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_slots_with_scratch(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_conditional(model, check);
    }
    if (status == ESPALIER_OK) {
        status = check_numbers(model, check);
    }
    if (status == ESPALIER_OK) {
        status = espalier_model_check_names(model, check);
    }
    uint32_t mask = 0;
    while (status == ESPALIER_OK && mask < model->column_count - 1) {
        mask = mask * 2 + 1;
    }
    model->column_mask = mask;
    return status;
}
