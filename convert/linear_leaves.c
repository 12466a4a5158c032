// SPDX-License-Identifier: Apache-2.0
/*
 * See linear_leaves.h.
 */
#include "convert/linear_leaves.h"

#include "convert/plan.h"
#include "format/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What was read as a line with no slope is a number. */
static void keep_constants(espalier_forest *forest)
{
    for (uint64_t i = 0; i < forest->leaf_count; i++) {
        forest->leaf_values[i] = forest->linear_leaves[i].constant;
    }
    free(forest->linear_leaves);
    free(forest->terms);
    forest->linear_leaves = NULL;
    forest->line_count = 0;
    forest->terms = NULL;
}

/* Places instead of features; numbers[] gets the features of the places. Returns how many. */
static uint32_t number_places(espalier_forest *forest, uint32_t *places, double *numbers)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < forest->term_count; i++) {
        places[forest->terms[i].place] = 1;
    }
    for (uint32_t feature = 0; feature < forest->feature_count; feature++) {
        if (places[feature] != 0) {
            places[feature] = count;
            numbers[count++] = (double)feature;
        }
    }
    for (uint32_t i = 0; i < forest->term_count; i++) {
        forest->terms[i].place = places[forest->terms[i].place];
    }
    return count;
}

/* Whether a leaf has more terms than there are features, so that it names one twice. */
static bool repeats_features(const espalier_forest *forest, uint32_t count)
{
    bool repeats = false;
    for (uint64_t i = 0; i < forest->leaf_count; i++) {
        repeats = repeats || forest->linear_leaves[i].term_count > count;
    }
    return repeats;
}

/* Moves stages and outputs up, and makes room for `added` stages in front. */
static bool move_plan(espalier_forest *forest, uint32_t slots, uint32_t added)
{
    espalier_forest_stage *const stages =
        calloc((size_t)forest->stage_count + added, sizeof *stages);
    if (stages == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        stages[added + i] = forest->stages[i];
        stages[added + i].input_slot += slots;
        stages[added + i].output_slot += slots;
        stages[added + i].other_slot += slots;
    }
    for (uint32_t i = 0; i < forest->output_count; i++) {
        forest->outputs[i].first_slot += slots;
    }
    free(forest->stages);
    forest->stages = stages;
    forest->stage_count += added;
    return true;
}

/* A slot a tree, in which it writes its leaf's number. */
static bool number_trees(espalier_forest *forest, uint32_t sums)
{
    const size_t count = forest->tree_count;
    uint32_t *const slots = malloc(count * sizeof *slots);
    uint32_t *const iterations = malloc(count * sizeof *iterations);
    if (slots == NULL || iterations == NULL) {
        free(slots);
        free(iterations);
        return false;
    }
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        const espalier_forest_tree *const tree = &forest->trees[i];
        slots[i] = i;
        iterations[i] = i / sums;
        for (uint32_t leaf = 0; leaf < tree->leaf_count; leaf++) {
            forest->leaf_values[tree->first_leaf + leaf] = (double)leaf;
        }
    }
    free(forest->tree_slot);
    free(forest->tree_iteration);
    forest->tree_slot = slots;
    forest->tree_iteration = iterations;
    return true;
}

/* Appends the constants of the stages in front, and fills these. */
static bool add_stages(espalier_forest *forest, const double *features, uint32_t feature_count,
                       uint32_t sums)
{
    const uint64_t added = feature_count + (uint64_t)sums * ESPALIER_PLAN_LINEAR_CONSTANTS;
    const uint32_t first = forest->constant_count;
    double *const constants =
        realloc(forest->constants, (size_t)(first + added) * sizeof *constants);
    if (constants == NULL) {
        return false;
    }
    forest->constants = constants;
    memcpy(constants + first, features, feature_count * sizeof *features);
    forest->stages[0] = (espalier_forest_stage){.operation = ESPALIER_FOREST_VALUES,
                                                .output_slot = forest->tree_count,
                                                .count = feature_count,
                                                .first_constant = first};
    for (uint32_t i = 0; i < sums; i++) {
        const uint32_t at = first + feature_count + i * ESPALIER_PLAN_LINEAR_CONSTANTS;
        constants[at] = 0.0;
        constants[at + 1] = (double)sums;
        constants[at + 2] = (double)i;
        forest->stages[1 + i] =
            (espalier_forest_stage){.operation = ESPALIER_FOREST_LINEAR,
                                    .input_slot = forest->tree_count,
                                    .output_slot = forest->tree_count + feature_count + i,
                                    .count = feature_count,
                                    .first_constant = at};
    }
    forest->constant_count = first + (uint32_t)added;
    return true;
}

espalier_status espalier_linear_lift(espalier_forest *forest)
{
    const uint32_t sums = espalier_forest_slots(forest);
    if (forest->term_count == 0) {
        keep_constants(forest);
        return ESPALIER_OK;
    }
    uint32_t *const places = calloc(forest->feature_count, sizeof *places);
    double *const numbers = malloc(forest->feature_count * sizeof *numbers);
    espalier_status status = ESPALIER_ERROR_MEMORY;
    if (places == NULL || numbers == NULL) {
        goto out;
    }
    const uint32_t count = number_places(forest, places, numbers);
    if (repeats_features(forest, count)) {
        status = ESPALIER_ERROR_SOURCE_TREE;
        goto out;
    }
    const uint64_t shift = (uint64_t)forest->tree_count + count;
    if (shift + sums + forest->stage_slots > ESPALIER_LIMIT_SLOTS ||
        forest->constant_count + count + (uint64_t)sums * ESPALIER_PLAN_LINEAR_CONSTANTS >
            UINT32_MAX) {
        status = ESPALIER_ERROR_SOURCE_LIMIT;
        goto out;
    }
    if (move_plan(forest, (uint32_t)shift, 1 + sums) && number_trees(forest, sums) &&
        add_stages(forest, numbers, count, sums)) {
        forest->slot_count = forest->tree_count;
        forest->stage_slots += count + sums;
        forest->task = ESPALIER_FOREST_TASK_PLAN;
        status = ESPALIER_OK;
    }

out:
    free(places);
    free(numbers);
    return status;
}

static const char *find_leaf_fault(const espalier_forest *forest)
{
    uint64_t next = 0;
    for (uint64_t i = 0; i < forest->line_count; i++) {
        const espalier_forest_linear_leaf *const leaf = &forest->linear_leaves[i];
        if (!isfinite(leaf->constant) || !isfinite(leaf->missing_value)) {
            return "a linear leaf whose numbers are not finite";
        }
        if (leaf->first_term != next || leaf->term_count > forest->term_count - next) {
            return "a linear leaf without its terms";
        }
        next += leaf->term_count;
    }
    for (uint32_t i = 0; i < forest->term_count; i++) {
        if (!isfinite(forest->terms[i].coefficient)) {
            return "a linear leaf whose numbers are not finite";
        }
    }
    return next == forest->term_count ? NULL : "a term of no linear leaf";
}

/* Of one part, whose leaves begin at *next. */
static const char *find_part_fault(const espalier_forest *forest, const espalier_forest_part *part,
                                   uint64_t *next)
{
    uint64_t leaves = 0;
    if (part->leaf_width != 1 || forest->tree_slot == NULL ||
        part->slot_count != part->tree_count ||
        (uint64_t)part->first_tree + part->tree_count > forest->tree_count) {
        return "linear leaves whose trees have no slots of their own";
    }
    for (uint32_t i = 0; i < part->tree_count; i++) {
        const espalier_forest_tree *const tree = &forest->trees[part->first_tree + i];
        if (forest->tree_slot[part->first_tree + i] != i || tree->first_leaf != leaves ||
            tree->node_count != (uint64_t)tree->leaf_count * 2 - 1) {
            return "linear leaves that are not those of their trees";
        }
        leaves += tree->leaf_count;
    }
    if (leaves != part->leaf_count || part->first_line != *next) {
        return "linear leaves that are not those of their trees";
    }
    *next += leaves;
    return NULL;
}

const char *espalier_linear_find_fault(const espalier_forest *forest)
{
    const char *fault = NULL;
    uint64_t next = 0;
    for (uint32_t i = 0; i < espalier_forest_part_count(forest) && fault == NULL; i++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, i);
        fault = part.linear ? find_part_fault(forest, &part, &next) : NULL;
    }
    if (fault == NULL && next != forest->line_count) {
        fault = "linear leaves that are not those of their trees";
    }
    return fault == NULL ? find_leaf_fault(forest) : fault;
}
