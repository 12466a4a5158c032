// SPDX-License-Identifier: Apache-2.0
/*
 * Checking PARTS and TREES at open, and what they add up to: the bounds that keep kernels inside
 * the mapping and their work finite. Reads private memory only.
 */
#include "engine/tables.h"
#include "format/error.h"
#include "format/rules.h"

#include <math.h>

bool espalier_constants_are_float32(const double *constants, uint32_t count)
{
    bool exact = true;
    for (uint32_t i = 0; i < count; i++) {
        exact = exact && (isnan(constants[i]) || (double)(float)constants[i] == constants[i]);
    }
    return exact;
}

/* Start, divisor and iterations of a part. */
static const char *find_part_rule_fault(const espalier_model *model, const espalier_file_part *part,
                                        uint32_t *rule_out)
{
    *rule_out = RULE_PART_START;
    if (part->start > ESPALIER_START_SLOTS ||
        (part->start == ESPALIER_START_CONSTANTS
             ? !espalier_in_range(part->start_index, part->slot_count, model->constant_count)
             : part->start == ESPALIER_START_ZERO && part->start_index != 0)) {
        return "unknown start, or its constants out of range";
    }
    if (part->start == ESPALIER_START_CONSTANTS &&
        part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32 &&
        !espalier_constants_are_float32(model->constants + part->start_index, part->slot_count)) {
        return "float32 sums start from a number that is none";
    }
    *rule_out = RULE_PART_START_SLOTS; /* that they are written: check_slots */
    if (part->start == ESPALIER_START_SLOTS &&
        (part->accumulator != ESPALIER_ACCUMULATOR_FLOAT64 ||
         !espalier_in_range(part->start_index, part->slot_count, model->head->slot_count))) {
        return "float32 sums start from slots, or slots out of range";
    }
    *rule_out = RULE_PART_DIVISOR;
    if (part->divisor > ESPALIER_DIVISOR_ITERATIONS ||
        (part->divisor == ESPALIER_DIVISOR_CONSTANTS
             ? !espalier_in_range(part->divisor_index, part->slot_count, model->constant_count)
             : part->divisor_index != 0)) {
        return "unknown divisor, or its constants out of range";
    }
    *rule_out = RULE_PART_ITERATIONS;
    if (part->iteration_count == 0 || part->default_iteration_count == 0 ||
        !espalier_in_range(part->default_iteration_first, part->default_iteration_count,
                           part->iteration_count)) {
        return "iterations out of range";
    }
    *rule_out = RULE_PART_RANGE;
    if (part->range > ESPALIER_RANGE_DEFAULT) {
        return "unknown range";
    }
    *rule_out = RULE_RESERVED;
    return espalier_bytes_are_zero(part->reserved, sizeof part->reserved) ? NULL
                                                                          : "reserved bytes set";
}

/* The size of nodes that a mask layout has for a bank. */
static uint32_t mask_node_bytes(const espalier_file_part *part)
{
    const uint32_t heap_bytes = part->bank == ESPALIER_BANK_BYTE ? 2 : 4;
    return part->layout == ESPALIER_FILE_HEAP   ? heap_bytes
           : part->layout == ESPALIER_FILE_BITS ? ESPALIER_BITS_NODE_BYTES
                                                : sizeof(espalier_file_node_select);
}

/* The size of nodes that a layout has for a bank, and the bank it needs. */
static const char *find_layout_fault(const espalier_model *model, const espalier_file_part *part,
                                     uint32_t *rule_out)
{
    const bool is_walk = part->layout == ESPALIER_FILE_WALK;
    *rule_out = RULE_PART_LAYOUT;
    const bool is_bits = part->layout == ESPALIER_FILE_BITS;
    if (!is_walk && !is_bits && part->layout != ESPALIER_FILE_HEAP &&
        part->layout != ESPALIER_FILE_SELECT) {
        return "unknown layout";
    }
    *rule_out = RULE_PART_BANK;
    const bool is_short = part->bank == ESPALIER_BANK_SHORT && !is_bits;
    if (is_walk ? part->bank != ESPALIER_BANK_WORD || model->banks[ESPALIER_BANK_WORD].count == 0
                : part->bank != ESPALIER_BANK_BYTE && !is_short) {
        return "a bank that the layout does not have";
    }
    *rule_out = RULE_PART_NODE_BYTES;
    if (is_walk ? part->node_bytes != 8 && part->node_bytes != 16
                : part->node_bytes != mask_node_bytes(part)) {
        return "unknown node size";
    }
    *rule_out = RULE_PART_CHILD_BITS;
    if (is_walk ? part->child_bits < ESPALIER_LIMIT_CHILD_BITS_MIN ||
                      part->child_bits > ESPALIER_LIMIT_CHILD_BITS_MAX
                : part->child_bits != 0) {
        return "child bits out of range";
    }
    *rule_out = RULE_PART_COLUMNS;
    if (is_walk && part->node_bytes == 8 &&
        model->banks[ESPALIER_BANK_WORD].count > UINT32_C(1) << (32 - part->child_bits)) {
        return "columns do not fit the nodes";
    }
    return NULL;
}

static const char *find_part_fault(const espalier_model *model, const espalier_file_part *part,
                                   uint64_t leaves_bytes, uint32_t *rule_out)
{
    const char *const fault = find_layout_fault(model, part, rule_out);
    if (fault != NULL) {
        return fault;
    }
    *rule_out = RULE_PART_AGGREGATE;
    if ((part->accumulator != ESPALIER_ACCUMULATOR_FLOAT64 &&
         part->accumulator != ESPALIER_ACCUMULATOR_FLOAT32) ||
        part->aggregate != ESPALIER_AGGREGATE_SUM) {
        return "unknown accumulator or aggregate";
    }
    *rule_out = RULE_PART_SLOTS;
    if (part->leaf_width == 0 || part->slot_count == 0 || part->leaf_width > part->slot_count ||
        !espalier_in_range(part->first_slot, part->slot_count, model->head->slot_count)) {
        return "slots out of range";
    }
    *rule_out = RULE_PART_LEAVES;
    /* The count is below 2^31 and the width at most 2^20, so the product fits. */
    const uint64_t row_bytes = (uint64_t)part->leaf_width * espalier_part_value_bytes(part);
    if (part->leaf_count == 0 || part->leaf_count > ESPALIER_LIMIT_LEAVES ||
        part->leaf_offset % ESPALIER_ALIGNMENT_MIN != 0 ||
        !espalier_in_range(part->leaf_offset, part->leaf_count * row_bytes, leaves_bytes)) {
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
    uint64_t mask_nodes; /* inner nodes of SELECT trees, which a lying tree can make a row visit;
                            all nodes of BITS trees, which every row visits */
} tree_totals;

/* The sizes of a walk tree. */
static const char *find_walk_fault(const espalier_file_part *part, const espalier_file_tree *tree,
                                   uint32_t *rule_out)
{
    *rule_out = RULE_TREE_NODE_COUNT;
    if (tree->node_count == 0 || tree->node_count % 8 != 0 ||
        tree->node_count > UINT32_C(1) << part->child_bits) {
        return "node count out of range";
    }
    *rule_out = RULE_TREE_SOURCE_NODES;
    if (tree->source_node_count == 0 || tree->source_node_count > tree->node_count) {
        return "number of the trainer's nodes out of range";
    }
    *rule_out = RULE_TREE_DEPTH;
    if (tree->depth > (tree->source_node_count - 1) / 2) {
        return "deeper than its nodes allow";
    }
    *rule_out = RULE_TREE_LEAVES;
    return tree->first_leaf != 0 || tree->leaf_count != 0 ? "leaves named twice" : NULL;
}

static const char *find_heap_fault(const espalier_file_part *part, const espalier_file_tree *tree,
                                   uint32_t *rule_out)
{
    *rule_out = RULE_TREE_DEPTH;
    if (tree->depth == 0 || tree->depth > ESPALIER_HEAP_LEVELS) {
        return "levels out of range";
    }
    const uint32_t leaf_count = UINT32_C(1) << tree->depth;
    *rule_out = RULE_TREE_NODE_COUNT;
    if (tree->node_count != (leaf_count > ESPALIER_HEAP_NODES ? leaf_count : ESPALIER_HEAP_NODES)) {
        return "node count is not that of its levels";
    }
    *rule_out = RULE_TREE_SOURCE_NODES;
    if (tree->source_node_count == 0 || tree->source_node_count > 2 * leaf_count - 1) {
        return "number of the trainer's nodes out of range";
    }
    *rule_out = RULE_TREE_LEAVES;
    if (tree->leaf_count != leaf_count ||
        !espalier_in_range(tree->first_leaf, leaf_count, part->leaf_count)) {
        return "leaves out of range";
    }
    return NULL;
}

/* SELECT and BITS: trees of any shape, whose nodes may lead to any leaf of the layout. */
static const char *find_shape_fault(const espalier_file_part *part, const espalier_file_tree *tree,
                                    uint32_t *rule_out)
{
    const bool is_bits = part->layout == ESPALIER_FILE_BITS;
    const uint32_t leaves_max = is_bits ? ESPALIER_BITS_LEAVES : ESPALIER_SELECT_LEAVES;
    *rule_out = RULE_TREE_LEAVES;
    if (tree->leaf_count == 0 || tree->leaf_count > leaves_max ||
        !espalier_in_range(tree->first_leaf, leaves_max, part->leaf_count)) {
        return "leaves out of range";
    }
    const uint32_t inner_count = tree->leaf_count - 1;
    const uint32_t select_count = inner_count > 0 ? (inner_count + 7) / 8 * 8 : 8;
    *rule_out = RULE_TREE_NODE_COUNT;
    if (tree->node_count != (is_bits ? ESPALIER_BITS_LEAVES : select_count)) {
        return "node count is not that of its leaves";
    }
    *rule_out = RULE_TREE_SOURCE_NODES;
    if (tree->source_node_count != inner_count + tree->leaf_count) {
        return "number of the trainer's nodes is not that of its leaves";
    }
    *rule_out = RULE_TREE_DEPTH;
    return tree->depth > inner_count ? "deeper than its nodes allow" : NULL;
}

static const char *find_tree_fault(const espalier_file_part *part, const espalier_file_tree *tree,
                                   tree_totals *totals, uint32_t *rule_out)
{
    const char *const fault =
        part->layout == ESPALIER_FILE_WALK   ? find_walk_fault(part, tree, rule_out)
        : part->layout == ESPALIER_FILE_HEAP ? find_heap_fault(part, tree, rule_out)
                                             : find_shape_fault(part, tree, rule_out);
    if (fault != NULL) {
        return fault;
    }
    *rule_out = RULE_TREE_TILES;
    /* Multiplied, since a division a tree is felt in open; the first test keeps it in range. */
    if (tree->first_node > totals->node_bytes ||
        (uint64_t)tree->first_node * part->node_bytes != totals->node_bytes) {
        return "does not follow the tree before";
    }
    const uint64_t bytes = (uint64_t)tree->node_count * part->node_bytes;
    if (bytes > totals->nodes_total - totals->node_bytes) {
        return "reaches beyond the nodes";
    }
    *rule_out = RULE_TREE_SLOT;
    if (!espalier_in_range(tree->slot, part->leaf_width, part->slot_count)) {
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
    totals->mask_nodes += part->layout == ESPALIER_FILE_SELECT ? tree->leaf_count - 1
                          : part->layout == ESPALIER_FILE_BITS ? ESPALIER_BITS_LEAVES
                                                               : 0;
    return NULL;
}

/* The child index bound of a part: the byte behind the farthest node a child may name. */
static uint64_t part_readable_bytes(const espalier_model *model, const espalier_file_part *part,
                                    uint64_t nodes_offset)
{
    const espalier_file_tree *const last = &model->trees[part->first_tree + part->tree_count - 1];
    uint64_t reach = last->node_count;
    if (part->layout == ESPALIER_FILE_WALK) {
        reach = (UINT64_C(1) << part->child_bits) + 1;
    } else if (part->layout == ESPALIER_FILE_SELECT) {
        reach = ESPALIER_SELECT_REACH;
    }
    return nodes_offset + part->node_bytes * (last->first_node + reach);
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
            return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule,
                                         espalier_table_offset(model, tree), "TREES",
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
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule,
                                     espalier_table_offset(model, model->head), "MODEL", 0, what);
    }
    /* At most 2^24 trees of at most 2^20 values. */
    const bool adds_much =
        totals->additions / ESPALIER_LIMIT_ADDITIONS_PER_VISIT > check->visits_per_row_max;
    if (adds_much ||
        totals->mask_nodes / ESPALIER_LIMIT_ADDITIONS_PER_VISIT > check->visits_per_row_max) {
        return espalier_error_set(
            check->error_out, ESPALIER_ERROR_LIMIT,
            adds_much ? RULE_ADDITIONS_LIMIT : RULE_SELECT_LIMIT,
            espalier_table_offset(model, model->trees),
            "%s: %llu %s; the limit is %u a visit of visits_per_row_max", check->name,
            (unsigned long long)(adds_much ? totals->additions : totals->mask_nodes),
            adds_much ? "leaf values to add for a row" : "nodes of mask trees",
            (unsigned)ESPALIER_LIMIT_ADDITIONS_PER_VISIT);
    }
    return ESPALIER_OK;
}

espalier_status espalier_model_check_parts(espalier_model *model, const espalier_table_check *check)
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
    tree_totals totals = {0, nodes->bytes, 0, 0, 0, 0};
    uint32_t tree_count = 0;
    for (uint32_t i = 0; i < model->part_count; i++) {
        const espalier_file_part *const part = &model->parts[i];
        uint32_t rule = RULE_PART_TREES;
        const char *fault = "trees out of range";
        if (part->tree_count != 0 && part->first_tree == tree_count &&
            espalier_in_range(part->first_tree, part->tree_count, model->tree_count)) {
            fault = find_part_fault(model, part, leaves->bytes, &rule);
        }
        if (fault != NULL) {
            return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, rule,
                                         espalier_table_offset(model, part), "PARTS", i, fault);
        }
        const espalier_status status = check_part_trees(model, check, i, &totals);
        if (status != ESPALIER_OK) {
            return status;
        }
        tree_count += part->tree_count;
        const uint64_t readable = part_readable_bytes(model, part, nodes->offset);
        model->readable_bytes = readable > model->readable_bytes ? readable : model->readable_bytes;
        if (part->layout != ESPALIER_FILE_WALK && readable > model->readable_bytes_least) {
            model->readable_bytes_least = readable;
        }
        const bool asked = part->range == ESPALIER_RANGE_ASKED;
        model->iteration_count = asked && part->iteration_count > model->iteration_count
                                     ? part->iteration_count
                                     : model->iteration_count;
    }
    if (model->iteration_count == 0) {
        return espalier_table_refuse(check, ESPALIER_ERROR_VALUE, RULE_PART_RANGE,
                                     espalier_table_offset(model, model->parts), "PARTS", 0,
                                     "no part has the iterations that a caller asks for");
    }
    return check_totals(model, check, tree_count, &totals);
}
