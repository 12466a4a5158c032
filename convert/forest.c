// SPDX-License-Identifier: Apache-2.0
/*
 * See forest.h. May include include/, format/error.h and libc. Must never trust an index it has not
 * compared with its limit, nor change anything but depth and preorder.
 */
#include "convert/forest.h"

#include "convert/linear_leaves.h"
#include "convert/plan.h"
#include "convert/preparation.h"
#include "convert/sets.h"
#include "format/error.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where a check stands, for messages. */
typedef struct tree_check {
    const espalier_forest *forest;
    const char *source;
    espalier_error *error;
    uint32_t tree;
    uint32_t *scratch; /* one entry a node of the largest tree */
} tree_check;

static espalier_status fail_forest(const tree_check *check, const char *cause)
{
    return espalier_error_set(check->error, ESPALIER_ERROR_SOURCE_TREE, 0, ESPALIER_OFFSET_NONE,
                              "%s: %s", check->source, cause);
}

static espalier_status fail_node(const tree_check *check, uint32_t node, const char *cause,
                                 uint64_t number)
{
    return espalier_error_set(check->error, ESPALIER_ERROR_SOURCE_TREE, 0, ESPALIER_OFFSET_NONE,
                              "%s: tree %" PRIu32 ", node %" PRIu32 ": %s %" PRIu64, check->source,
                              check->tree, node, cause, number);
}

static espalier_status fail_tree(const tree_check *check, uint32_t tree, const char *cause,
                                 uint32_t number, uint32_t count)
{
    return espalier_error_set(check->error, ESPALIER_ERROR_SOURCE_TREE, 0, ESPALIER_OFFSET_NONE,
                              "%s: tree %" PRIu32 " %s %" PRIu32 " of %" PRIu32, check->source,
                              tree, cause, number, count);
}

/*
 * A child after its parent, inside the tree, and claimed once. scratch[i] is 1 + the depth of node
 * i, 0 while no parent has claimed it.
 */
static espalier_status claim_child(const tree_check *check, uint32_t node, uint32_t child,
                                   uint32_t node_count)
{
    if (child >= node_count) {
        return fail_node(check, node, "a child is out of range:", child);
    }
    if (child <= node) {
        return fail_node(check, node, "a child does not come after its parent:", child);
    }
    if (check->scratch[child] != 0) {
        return fail_node(check, node, "shares with another parent its child", child);
    }
    check->scratch[child] = check->scratch[node] + 1;
    return ESPALIER_OK;
}

/* A node with a set is one of its feature, and has no rules of its own. */
static espalier_status check_set(const tree_check *check, uint64_t at, uint32_t node)
{
    const espalier_forest *forest = check->forest;
    const uint32_t set = forest->set[at];
    if (set >= forest->set_count || forest->sets[set].feature != forest->feature[at]) {
        return fail_node(check, node, "there is no set of categories", set);
    }
    if (forest->missing_left[at] != 0 ||
        (forest->missing_rule != NULL && forest->missing_rule[at] != 0)) {
        return fail_node(check, node, "a missing rule beside that of its set", set);
    }
    return ESPALIER_OK;
}

static espalier_status check_split(const tree_check *check, uint64_t at, uint32_t node,
                                   uint32_t node_count)
{
    const espalier_forest *forest = check->forest;
    if (forest->feature[at] >= espalier_forest_tested_count(forest)) {
        return fail_node(check, node, "there is no feature", forest->feature[at]);
    }
    if (espalier_forest_has_set(forest, at)) {
        const espalier_status status = check_set(check, at, node);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    if (isnan(forest->threshold[at])) {
        return fail_node(check, node, "the threshold is NaN for feature", forest->feature[at]);
    }
    if (forest->missing_left[at] > 1) {
        return fail_node(check, node,
                         "the missing direction is neither 0 nor 1:", forest->missing_left[at]);
    }
    const uint8_t rule = forest->missing_rule != NULL ? forest->missing_rule[at] : 0;
    if (rule > ESPALIER_FOREST_MISSING_ZERO) {
        return fail_node(check, node, "there is no missing rule", rule);
    }
    if (rule == ESPALIER_FOREST_MISSING_ZERO && !forest->missing_allowed) {
        return fail_node(check, node, "calls zero missing where nothing may be missing; feature",
                         forest->feature[at]);
    }
    espalier_status status = claim_child(check, node, forest->left[at], node_count);
    if (status == ESPALIER_OK) {
        status = claim_child(check, node, forest->right[at], node_count);
    }
    return status;
}

/*
 * Whether the numbers are the preorder count: a left child follows its parent, a right child the
 * whole left subtree. Needs a checked tree; leaves subtree sizes in scratch.
 */
static bool is_preorder(const espalier_forest *forest, const espalier_forest_tree *tree,
                        uint32_t *scratch)
{
    for (uint32_t step = 0; step < tree->node_count; step++) {
        const uint32_t node = tree->node_count - 1 - step;
        const uint64_t at = tree->first_node + node;
        scratch[node] = 1;
        if (forest->left[at] == ESPALIER_FOREST_LEAF) {
            continue;
        }
        const uint32_t left = forest->left[at];
        if (left != node + 1 || forest->right[at] != left + scratch[left]) {
            return false;
        }
        scratch[node] += scratch[left] + scratch[forest->right[at]];
    }
    return true;
}

/* leaf_rows: of the tree's part. */
static espalier_status check_tree(const tree_check *check, espalier_forest_tree *tree,
                                  uint64_t leaf_rows)
{
    const espalier_forest *forest = check->forest;
    if (tree->node_count == 0 || tree->node_count == UINT32_MAX ||
        tree->first_node > forest->node_count ||
        tree->node_count > forest->node_count - tree->first_node || tree->first_leaf > leaf_rows ||
        tree->leaf_count > leaf_rows - tree->first_leaf) {
        return fail_node(check, 0, "the tree does not lie in the forest; nodes:", tree->node_count);
    }
    memset(check->scratch, 0, tree->node_count * sizeof *check->scratch);
    check->scratch[0] = 1;
    uint32_t depth_max = 0;
    for (uint32_t node = 0; node < tree->node_count; node++) {
        const uint64_t at = tree->first_node + node;
        if (check->scratch[node] == 0) {
            return fail_node(check, node,
                             "no parent leads here; nodes in the tree:", tree->node_count);
        }
        if (!isfinite(forest->cover[at])) {
            return fail_node(check, node,
                             "the cover is not finite; nodes in the tree:", tree->node_count);
        }
        if (forest->left[at] == ESPALIER_FOREST_LEAF) {
            if (forest->right[at] >= tree->leaf_count) {
                return fail_node(check, node, "the tree has no leaf", forest->right[at]);
            }
            if (check->scratch[node] > depth_max) {
                depth_max = check->scratch[node];
            }
            continue;
        }
        const espalier_status status = check_split(check, at, node, tree->node_count);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    tree->depth = depth_max - 1;
    tree->preorder = is_preorder(forest, tree, check->scratch);
    return ESPALIER_OK;
}

/* A number that sums can take without rounding. */
static bool is_summable(const espalier_forest_part *part, double value)
{
    return isfinite(value) && (part->accumulator != ESPALIER_FOREST_SUM_FLOAT32 ||
                               (fabs(value) <= (double)FLT_MAX && (double)(float)value == value));
}

static espalier_status check_leaf_values(const tree_check *check, const espalier_forest_part *part)
{
    const uint64_t count = part->leaf_count * part->leaf_width;
    for (uint64_t i = 0; i < count; i++) {
        const double value = check->forest->leaf_values[part->first_value + i];
        if (!is_summable(part, value)) {
            return espalier_error_set(check->error, ESPALIER_ERROR_SOURCE_TREE, 0,
                                      ESPALIER_OFFSET_NONE,
                                      "%s: value %" PRIu64 " of leaf %" PRIu64
                                      " of the forest is not %s",
                                      check->source, i % part->leaf_width, i / part->leaf_width,
                                      isfinite(value) ? "a float32" : "finite");
        }
    }
    for (uint32_t i = 0; part->start != NULL && i < part->slot_count; i++) {
        if (!is_summable(part, part->start[i])) {
            return fail_forest(check, isfinite(part->start[i]) ? "a start value is not a float32"
                                                               : "a start value is not finite");
        }
    }
    return ESPALIER_OK;
}

static espalier_status check_outputs(const tree_check *check)
{
    const espalier_forest *forest = check->forest;
    const bool is_forest = forest->task == ESPALIER_FOREST_TASK_FOREST;
    if (forest->tree_count == 0) {
        return fail_forest(check, "the forest has no trees");
    }
    if (forest->feature_count == 0) {
        return fail_forest(check, "the forest has no features");
    }
    if (forest->group_count == 0 || forest->group_width == NULL) {
        return fail_forest(check, "the forest has no outputs");
    }
    if (is_forest && forest->classifier != (forest->labels != NULL)) {
        return fail_forest(check, "a classifier without labels, or labels without a classifier");
    }
    uint64_t width = 0;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        if (forest->group_width[group] == 0) {
            return fail_forest(check, "an output has no values");
        }
        if (forest->task == ESPALIER_FOREST_TASK_VALUE && forest->group_width[group] != 1) {
            return fail_forest(check, "a value of more than one number");
        }
        /* What classes a boosted model's margins stand for is its link's business. */
        if (is_forest && forest->classifier &&
            forest->labels[group].count != forest->group_width[group]) {
            return fail_forest(check, "an output has not one label a class");
        }
        width += forest->group_width[group];
    }
    if (forest->parts == NULL && forest->linear_leaves == NULL &&
        width != espalier_forest_slots(forest)) {
        return fail_forest(check, forest->tree_slot != NULL
                                      ? "there are not as many sums as values of all outputs"
                                      : "leaves are not as wide as all outputs");
    }
    if (!is_forest && forest->normalise) {
        return fail_forest(check, "only counts of a single tree are normalised");
    }
    if (forest->accumulator == ESPALIER_FOREST_SUM_FLOAT32 &&
        (forest->divide != ESPALIER_FOREST_DIVIDE_NONE || forest->normalise)) {
        return fail_forest(check, "float32 sums are not divided");
    }
    if (forest->task == ESPALIER_FOREST_TASK_PLAN) {
        const char *const fault = espalier_plan_find_fault(forest);
        return fault != NULL ? fail_forest(check, fault) : ESPALIER_OK;
    }
    return ESPALIER_OK;
}

/* Where every tree of a part adds, and in which iteration. */
static espalier_status check_sums(const tree_check *check, const espalier_forest_part *part)
{
    const espalier_forest *const forest = check->forest;
    const uint32_t slots = part->slot_count;
    if (part->leaf_width == 0 || part->leaf_width > slots ||
        (forest->tree_slot == NULL && part->leaf_width != slots)) {
        return fail_forest(check, "leaves are not as wide as the sums they are added to");
    }
    if (part->default_iterations > part->iteration_count) {
        return fail_forest(check, "more iterations are used than there are");
    }
    uint32_t before = 0;
    for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
        const uint32_t slot = espalier_forest_slot_of(forest, i);
        const uint32_t iteration = espalier_forest_iteration_of(forest, i);
        if (slot > slots - part->leaf_width) {
            return fail_tree(check, i, "adds to sum", slot, slots);
        }
        if (iteration >= part->iteration_count || iteration < before) {
            return fail_tree(check, i, "is out of order in iteration", iteration,
                             part->iteration_count);
        }
        before = iteration;
    }
    return ESPALIER_OK;
}

/* Parts tile the trees and lie, with their leaves and slots, in the forest. */
static espalier_status check_parts(const tree_check *check)
{
    const espalier_forest *const forest = check->forest;
    uint64_t trees = 0;
    for (uint32_t i = 0; i < espalier_forest_part_count(forest); i++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, i);
        if (part.tree_count == 0 || part.first_tree != trees ||
            (forest->parts != NULL &&
             (forest->task != ESPALIER_FOREST_TASK_PLAN || forest->tree_slot == NULL ||
              forest->tree_iteration == NULL))) {
            return fail_forest(check, "a part without its trees");
        }
        trees += part.tree_count;
        if (trees > forest->tree_count) {
            return fail_forest(check, "a part of more trees than there are");
        }
        const espalier_status status = check_sums(check, &part);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    return trees == forest->tree_count ? ESPALIER_OK : fail_forest(check, "a tree without a part");
}

uint32_t espalier_forest_slots(const espalier_forest *forest)
{
    return forest->parts != NULL     ? forest->part_slots
           : forest->slot_count != 0 ? forest->slot_count
                                     : forest->leaf_width;
}

uint32_t espalier_forest_part_count(const espalier_forest *forest)
{
    return forest->parts != NULL ? forest->part_count : 1;
}

espalier_forest_part espalier_forest_part_at(const espalier_forest *forest, uint32_t index)
{
    if (forest->parts != NULL) {
        return forest->parts[index];
    }
    return (espalier_forest_part){
        .tree_count = forest->tree_count,
        .leaf_width = forest->leaf_width,
        .slot_count = espalier_forest_slots(forest),
        .leaf_count = forest->leaf_count,
        .linear = forest->linear_leaves != NULL,
        .start = forest->start,
        .accumulator = forest->accumulator,
        .divide = forest->divide,
        .as_it_is = forest->task == ESPALIER_FOREST_TASK_FOREST && forest->start == NULL &&
                    forest->divide == ESPALIER_FOREST_DIVIDE_NONE,
        .iteration_count = espalier_forest_iterations(forest),
        .default_iterations = espalier_forest_iterations_used(forest),
    };
}

uint64_t espalier_forest_all_slots(const espalier_forest *forest)
{
    const uint64_t sums = espalier_forest_slots(forest);
    return sums * (forest->normalise ? 2 : 1) + forest->stage_slots;
}

uint32_t espalier_forest_iterations(const espalier_forest *forest)
{
    return forest->iteration_count != 0 ? forest->iteration_count : forest->tree_count;
}

uint32_t espalier_forest_iterations_used(const espalier_forest *forest)
{
    return forest->default_iterations != 0 ? forest->default_iterations
                                           : espalier_forest_iterations(forest);
}

uint32_t espalier_forest_iteration_of(const espalier_forest *forest, uint32_t tree_index)
{
    return forest->tree_iteration != NULL ? forest->tree_iteration[tree_index] : tree_index;
}

uint32_t espalier_forest_slot_of(const espalier_forest *forest, uint32_t tree_index)
{
    return forest->tree_slot != NULL ? forest->tree_slot[tree_index] : 0;
}

espalier_status espalier_forest_validate(espalier_forest *forest, const char *source,
                                         espalier_error *error_out)
{
    tree_check check = {forest, source, error_out, 0, NULL};
    const char *const set_fault = espalier_forest_find_set_fault(forest);
    const char *const fault = set_fault != NULL ? set_fault : espalier_linear_find_fault(forest);
    espalier_status status = fault == NULL ? check_outputs(&check) : fail_forest(&check, fault);
    status = status == ESPALIER_OK ? check_parts(&check) : status;
    if (status != ESPALIER_OK) {
        return status;
    }
    uint32_t node_count_max = 1;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        if (forest->trees[i].node_count > node_count_max) {
            node_count_max = forest->trees[i].node_count;
        }
    }
    check.scratch = malloc((size_t)node_count_max * sizeof *check.scratch);
    if (check.scratch == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no memory to check trees of %" PRIu32 " nodes", source,
                                  node_count_max);
    }
    for (uint32_t p = 0; p < espalier_forest_part_count(forest) && status == ESPALIER_OK; p++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, p);
        for (uint32_t i = 0; i < part.tree_count && status == ESPALIER_OK; i++) {
            check.tree = part.first_tree + i;
            status = check_tree(&check, &forest->trees[check.tree], part.leaf_count);
        }
        status = status == ESPALIER_OK ? check_leaf_values(&check, &part) : status;
    }
    free(check.scratch);
    return status;
}

static void free_labels(espalier_forest_labels *labels)
{
    free(labels->numbers);
    if (labels->texts != NULL) {
        for (uint32_t i = 0; i < labels->count; i++) {
            free(labels->texts[i]);
        }
    }
    free(labels->texts);
    free(labels->text_bytes);
}

uint32_t espalier_forest_tested_count(const espalier_forest *forest)
{
    return forest->preparation != NULL ? forest->preparation->value_count : forest->feature_count;
}

void espalier_forest_mark_tested(const espalier_forest *forest, uint32_t count, uint8_t *marks)
{
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] != ESPALIER_FOREST_LEAF && forest->feature[i] < count) {
            marks[forest->feature[i]] = 1;
        }
    }
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        const espalier_forest_stage *const stage = &forest->stages[i];
        const double *const taken = forest->constants + stage->first_constant;
        for (uint32_t k = 0; espalier_plan_takes_values(stage) && k < stage->count; k++) {
            if (taken[k] >= 0 && taken[k] < (double)count) {
                marks[(uint32_t)taken[k]] = 1;
            }
        }
    }
}

void espalier_forest_rename_tested(espalier_forest *forest, const uint32_t *numbers, uint32_t count)
{
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] != ESPALIER_FOREST_LEAF && forest->feature[i] < count) {
            forest->feature[i] = numbers[forest->feature[i]];
        }
    }
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        const espalier_forest_stage *const stage = &forest->stages[i];
        double *const taken = forest->constants + stage->first_constant;
        for (uint32_t k = 0; espalier_plan_takes_values(stage) && k < stage->count; k++) {
            if (taken[k] >= 0 && taken[k] < (double)count) {
                taken[k] = (double)numbers[(uint32_t)taken[k]];
            }
        }
    }
}

void espalier_forest_free(espalier_forest *forest)
{
    if (forest == NULL) {
        return;
    }
    free(forest->trees);
    free(forest->left);
    free(forest->right);
    free(forest->feature);
    free(forest->threshold);
    free(forest->cover);
    free(forest->missing_left);
    free(forest->missing_rule);
    free(forest->set);
    free(forest->sets);
    free(forest->members);
    free(forest->linear_leaves);
    free(forest->terms);
    for (uint32_t i = 0; forest->codes != NULL && i < forest->code_count; i++) {
        free(forest->codes[i].values);
    }
    free(forest->codes);
    free(forest->number);
    free(forest->leaf_values);
    free(forest->tree_slot);
    free(forest->start);
    free(forest->tree_iteration);
    for (uint32_t i = 0; forest->parts != NULL && i < forest->part_count; i++) {
        free(forest->parts[i].start);
    }
    free(forest->parts);
    free(forest->group_width);
    free(forest->stages);
    free(forest->constants);
    free(forest->outputs);
    if (forest->labels != NULL) {
        for (uint32_t group = 0; group < forest->group_count; group++) {
            free_labels(&forest->labels[group]);
        }
    }
    free(forest->labels);
    if (forest->feature_names != NULL) {
        for (uint32_t feature = 0; feature < forest->feature_count; feature++) {
            free(forest->feature_names[feature]);
        }
    }
    free(forest->feature_names);
    if (forest->preparation != NULL) {
        espalier_preparation_free(forest->preparation);
    }
    free(forest->preparation);
    espalier_categories_free(&forest->categories);
    free(forest->category_numbers);
    free(forest->framework);
    free(forest->version);
    free(forest->class_name);
    free(forest->parameters_json);
    free(forest->objective);
    *forest = (espalier_forest){0};
}
