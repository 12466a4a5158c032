// SPDX-License-Identifier: Apache-2.0
/*
 * See combine.h. May include include/, flatten.h for the rounding of thresholds, and libc.
 */
#include "convert/combine.h"

#include "convert/flatten.h"
#include "convert/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* LightGBM's kZeroThreshold. */
#define TINY ((double)1e-35F)
/* Half-way from the largest float32 to where the next one would be. */
#define FLOAT32_END 0x1.ffffffp127

/* ---- room ------------------------------------------------------------------------------------ */

/* Room for `count` items in an array; *room is what there is. False: no memory. */
static bool reserve(void **items, uint64_t *room, uint64_t count, size_t item_bytes)
{
    if (count <= *room) {
        return true;
    }
    const uint64_t grown = *room + *room / 2 + 16;
    const uint64_t wanted = grown > count ? grown : count;
    void *const larger =
        wanted <= SIZE_MAX / item_bytes ? realloc(*items, wanted * item_bytes) : NULL;
    if (larger == NULL) {
        return false;
    }
    *items = larger;
    *room = wanted;
    return true;
}

static bool reserve_as(void **items, uint64_t room, uint64_t count, size_t item_bytes)
{
    return reserve(items, &room, count, item_bytes);
}

#define RESERVE(array, room, count) reserve_as((void **)&(array), room, count, sizeof *(array))

espalier_status espalier_combine_charge(espalier_combine *combine, uint64_t bytes)
{
    if (bytes > combine->memory_left) {
        return ESPALIER_ERROR_SOURCE_LIMIT;
    }
    combine->memory_left -= bytes;
    return ESPALIER_OK;
}

/* Every array of trees; the counts are still those of before. */
static bool reserve_trees(espalier_combine *combine, uint64_t count)
{
    espalier_forest *const whole = combine->whole;
    const uint64_t room = combine->tree_room;
    if (!RESERVE(whole->tree_slot, room, count) || !RESERVE(whole->tree_iteration, room, count)) {
        return false;
    }
    return reserve((void **)&whole->trees, &combine->tree_room, count, sizeof *whole->trees);
}

static bool reserve_nodes(espalier_combine *combine, uint64_t count)
{
    espalier_forest *const whole = combine->whole;
    const uint64_t room = combine->node_room;
    return RESERVE(whole->left, room, count) && RESERVE(whole->right, room, count) &&
           RESERVE(whole->feature, room, count) && RESERVE(whole->threshold, room, count) &&
           RESERVE(whole->cover, room, count) && RESERVE(whole->missing_left, room, count) &&
           RESERVE(whole->set, room, count) &&
           reserve((void **)&whole->missing_rule, &combine->node_room, count,
                   sizeof *whole->missing_rule);
}

/* ---- trees ----------------------------------------------------------------------------------- */

static espalier_status copy_nodes(espalier_combine *combine, const espalier_forest *forest,
                                  const espalier_combine_features *features)
{
    espalier_forest *const whole = combine->whole;
    const uint64_t first = whole->node_count;
    const uint64_t count = forest->node_count;
    if (!reserve_nodes(combine, first + count)) {
        return ESPALIER_ERROR_MEMORY;
    }
    memcpy(whole->left + first, forest->left, count * sizeof *whole->left);
    memcpy(whole->right + first, forest->right, count * sizeof *whole->right);
    memcpy(whole->feature + first, forest->feature, count * sizeof *whole->feature);
    memcpy(whole->threshold + first, forest->threshold, count * sizeof *whole->threshold);
    memcpy(whole->cover + first, forest->cover, count * sizeof *whole->cover);
    if (first == 0) {
        whole->cover_unit = forest->cover_unit;
    } else if (whole->cover_unit != forest->cover_unit) {
        whole->cover_unit = ESPALIER_FOREST_COVER_NONE; /* no sum of both */
    }
    /* Where missing values are refused, the whole may take them behind a preparation. */
    memset(whole->missing_left + first, 0, count * sizeof *whole->missing_left);
    if (forest->missing_allowed) {
        memcpy(whole->missing_left + first, forest->missing_left,
               count * sizeof *whole->missing_left);
    }
    if (forest->missing_rule != NULL) {
        memcpy(whole->missing_rule + first, forest->missing_rule,
               count * sizeof *whole->missing_rule);
    } else {
        memset(whole->missing_rule + first, ESPALIER_FOREST_MISSING_NAN,
               count * sizeof *whole->missing_rule);
    }
    memset(whole->set + first, 0xFF, count * sizeof *whole->set);
    for (uint64_t i = first; features != NULL && i < first + count; i++) {
        if (whole->left[i] == ESPALIER_FOREST_LEAF) {
            continue;
        }
        if (whole->feature[i] >= features->count) {
            return ESPALIER_ERROR_SOURCE_TREE;
        }
        whole->feature[i] = features->numbers[whole->feature[i]];
    }
    whole->node_count += count;
    return espalier_combine_copy_sets(combine, forest, features, first);
}

/* Leaf values behind those there are. */
static espalier_status copy_values(espalier_combine *combine, const double *values, uint64_t count)
{
    espalier_forest *const whole = combine->whole;
    const espalier_status status = espalier_combine_charge(combine, count * sizeof *values);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (!reserve((void **)&whole->leaf_values, &combine->value_room, combine->value_count + count,
                 sizeof *values)) {
        return ESPALIER_ERROR_MEMORY;
    }
    memcpy(whole->leaf_values + combine->value_count, values, count * sizeof *values);
    combine->value_count += count;
    return ESPALIER_OK;
}

/* Trees and their nodes; leaf_row is added to where their leaves are. */
static espalier_status copy_trees(espalier_combine *combine, const espalier_forest *forest,
                                  const espalier_combine_features *features, uint64_t leaf_row)
{
    espalier_forest *const whole = combine->whole;
    const uint64_t first_node = whole->node_count;
    const uint64_t node_bytes = 4 * sizeof(uint32_t) + 2 * sizeof(double) + 2;
    espalier_status status =
        espalier_combine_charge(combine, forest->node_count * node_bytes +
                                             forest->tree_count * (uint64_t)64);
    if (status != ESPALIER_OK) {
        return status;
    }
    if ((uint64_t)whole->tree_count + forest->tree_count > ESPALIER_LIMIT_TREES) {
        return ESPALIER_ERROR_SOURCE_LIMIT;
    }
    if (!reserve_trees(combine, (uint64_t)whole->tree_count + forest->tree_count)) {
        return ESPALIER_ERROR_MEMORY;
    }
    status = copy_nodes(combine, forest, features);
    if (status != ESPALIER_OK) {
        return status;
    }
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        espalier_forest_tree tree = forest->trees[i];
        tree.first_node += first_node;
        tree.first_leaf += leaf_row;
        whole->trees[whole->tree_count] = tree;
        whole->tree_slot[whole->tree_count] = espalier_forest_slot_of(forest, i);
        whole->tree_iteration[whole->tree_count] = espalier_forest_iteration_of(forest, i);
        whole->tree_count++;
    }
    return ESPALIER_OK;
}

/* ---- parts ----------------------------------------------------------------------------------- */

espalier_status espalier_combine_open(espalier_combine *combine, const espalier_forest_part *part,
                                      espalier_forest_input input)
{
    espalier_forest *const whole = combine->whole;
    const uint64_t index = whole->part_count;
    const uint64_t slots = espalier_forest_all_slots(whole);
    const espalier_status status =
        espalier_combine_charge(combine, sizeof *part + part->slot_count * sizeof(double));
    if (status != ESPALIER_OK || index >= ESPALIER_LIMIT_PARTS ||
        slots + part->slot_count > ESPALIER_LIMIT_SLOTS) {
        return ESPALIER_ERROR_SOURCE_LIMIT;
    }
    if (!RESERVE(combine->inputs, combine->part_room, index + 1) ||
        !reserve((void **)&whole->parts, &combine->part_room, index + 1, sizeof *whole->parts)) {
        return ESPALIER_ERROR_MEMORY;
    }
    espalier_forest_part *const own = &whole->parts[index];
    *own = *part;
    own->first_tree = whole->tree_count;
    own->tree_count = 0;
    own->first_slot = (uint32_t)slots;
    own->first_value = combine->value_count;
    own->leaf_count = 0;
    own->start = NULL;
    combine->inputs[index] = (espalier_combine_input){input, false};
    whole->part_count++;
    whole->part_slots += part->slot_count;
    whole->task = ESPALIER_FOREST_TASK_PLAN;
    whole->leaf_width = part->leaf_width > whole->leaf_width ? part->leaf_width : whole->leaf_width;
    if (part->start != NULL) {
        own->start = malloc(part->slot_count * sizeof *own->start);
        if (own->start == NULL) {
            return ESPALIER_ERROR_MEMORY;
        }
        memcpy(own->start, part->start, part->slot_count * sizeof *own->start);
    }
    return ESPALIER_OK;
}

espalier_status espalier_combine_join(espalier_combine *combine, const espalier_forest *forest,
                                      const espalier_combine_features *features,
                                      const double *leaf_rows, uint32_t slot, uint32_t iteration)
{
    espalier_forest *const whole = combine->whole;
    espalier_forest_part *const part = &whole->parts[whole->part_count - 1];
    const uint32_t first = whole->tree_count;
    uint32_t *values = NULL;
    espalier_status status = espalier_combine_prepare(combine, forest, features, &values);
    const espalier_combine_features prepared = {values, espalier_forest_tested_count(forest)};
    if (status == ESPALIER_OK) {
        status =
            copy_trees(combine, forest, values != NULL ? &prepared : features, part->leaf_count);
    }
    free(values);
    if (status == ESPALIER_OK) {
        status = copy_values(combine, leaf_rows, forest->leaf_count * part->leaf_width);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    for (uint32_t i = first; i < whole->tree_count; i++) {
        whole->tree_slot[i] = slot;
        whole->tree_iteration[i] = iteration;
    }
    part->tree_count += forest->tree_count;
    part->leaf_count += forest->leaf_count;
    whole->leaf_count += forest->leaf_count;
    return ESPALIER_OK;
}

/* ---- forests --------------------------------------------------------------------------------- */

/* Where slots, features and parts of a forest are in the whole. */
typedef struct moves {
    const espalier_combine_features *features; /* NULL: the same */
    uint32_t offset;
    uint32_t first_part;
} moves;

/* Constants that number slots, features or a part, as these are numbered in the whole. */
static espalier_status move_constants(const espalier_forest_stage *stage, const double *constants,
                                      const moves *to, double **moved_out)
{
    const bool picks = stage->operation == ESPALIER_FOREST_PICK;
    const bool takes = espalier_plan_takes_values(stage) && to->features != NULL;
    const bool is_linear = stage->operation == ESPALIER_FOREST_LINEAR;
    const uint64_t count = espalier_plan_stage_constants(stage);
    *moved_out = NULL;
    if ((!picks && !takes && !is_linear) || constants == NULL) {
        return ESPALIER_OK;
    }
    double *const moved = malloc(count * sizeof *moved);
    if (moved == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    memcpy(moved, constants, count * sizeof *moved);
    moved[0] += is_linear ? (double)to->first_part : 0.0;
    for (uint64_t i = 0; i < count; i++) {
        if (takes && !(constants[i] >= 0 && constants[i] < (double)to->features->count)) {
            free(moved);
            return ESPALIER_ERROR_SOURCE_TREE;
        }
        moved[i] += picks && constants[i] >= 0 ? (double)to->offset : 0.0;
        moved[i] = takes ? (double)to->features->numbers[(uint32_t)constants[i]] : moved[i];
    }
    *moved_out = moved;
    return ESPALIER_OK;
}

/* Stages, moved to where their slots, constants and parts are now. */
static espalier_status copy_stage(espalier_combine *combine, const espalier_forest *forest,
                                  const espalier_forest_stage *source, const moves *to)
{
    const uint64_t count = espalier_plan_stage_constants(source);
    espalier_forest_stage stage = *source;
    stage.input_slot += to->offset;
    stage.other_slot += to->offset;
    stage.part += to->first_part;
    espalier_status status =
        espalier_combine_charge(combine, sizeof stage + count * sizeof(double));
    const double *constants = count > 0 ? forest->constants + source->first_constant : NULL;
    double *moved = NULL;
    if (status == ESPALIER_OK) {
        status = move_constants(source, constants, to, &moved);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    constants = moved != NULL ? moved : constants;
    const uint32_t slot = espalier_plan_add_stage(combine->whole, &stage, constants);
    free(moved);
    return slot != ESPALIER_PLAN_NO_SLOT ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
}

/* The stages of `plan`, and where the forest has several parts these, in the order of slots. */
static espalier_status copy_plan(espalier_combine *combine, const espalier_forest *forest,
                                 const espalier_combine_features *features,
                                 const espalier_plan *plan, uint32_t offset)
{
    const uint32_t first_part = combine->whole->part_count;
    const moves to = {features, offset, first_part};
    const uint32_t first_tree = combine->whole->tree_count - forest->tree_count;
    const uint64_t first_line = combine->whole->line_count;
    const uint64_t first_value = combine->value_count;
    const uint32_t part_count = espalier_forest_part_count(forest);
    uint32_t part = 0;
    uint32_t stage = 0;
    espalier_status status = ESPALIER_OK;
    while (status == ESPALIER_OK && (part < part_count || stage < plan->stage_count)) {
        const espalier_forest_part next =
            espalier_forest_part_at(forest, part < part_count ? part : 0);
        if (part < part_count &&
            (stage == plan->stage_count || next.first_slot < plan->stages[stage].output_slot)) {
            status = espalier_combine_open(combine, &next, forest->input);
            if (status != ESPALIER_OK) {
                return status;
            }
            espalier_forest_part *const own = &combine->whole->parts[first_part + part];
            combine->inputs[first_part + part].flush_tiny = forest->flush_tiny;
            own->start_slot += own->from_slots ? offset : 0;
            own->first_tree = first_tree + next.first_tree;
            own->tree_count = next.tree_count;
            own->first_value = first_value + next.first_value;
            own->leaf_count = next.leaf_count;
            own->first_line += next.linear ? first_line : 0;
            part++;
        } else {
            status = copy_stage(combine, forest, &plan->stages[stage++], &to);
        }
    }
    return status;
}

/* Leaves that are lines, and their terms. */
static espalier_status copy_lines(espalier_combine *combine, const espalier_forest *forest)
{
    espalier_forest *const whole = combine->whole;
    const uint64_t line_count = whole->line_count + forest->line_count;
    const uint64_t term_count = (uint64_t)whole->term_count + forest->term_count;
    if (forest->line_count == 0) {
        return ESPALIER_OK;
    }
    const espalier_status status =
        espalier_combine_charge(combine, forest->line_count * sizeof *whole->linear_leaves +
                                             forest->term_count * (uint64_t)sizeof *whole->terms);
    if (status != ESPALIER_OK || term_count > UINT32_MAX) {
        return ESPALIER_ERROR_SOURCE_LIMIT;
    }
    if (!reserve((void **)&whole->linear_leaves, &combine->line_room, line_count,
                 sizeof *whole->linear_leaves) ||
        !reserve((void **)&whole->terms, &combine->term_room, term_count, sizeof *whole->terms)) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint64_t i = 0; i < forest->line_count; i++) {
        espalier_forest_linear_leaf leaf = forest->linear_leaves[i];
        leaf.first_term += whole->term_count;
        whole->linear_leaves[whole->line_count + i] = leaf;
    }
    memcpy(whole->terms + whole->term_count, forest->terms,
           forest->term_count * sizeof *whole->terms);
    whole->line_count = line_count;
    whole->term_count = (uint32_t)term_count;
    return ESPALIER_OK;
}

/* Values of all leaves of a forest. */
static uint64_t count_values(const espalier_forest *forest)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < espalier_forest_part_count(forest); i++) {
        const espalier_forest_part part = espalier_forest_part_at(forest, i);
        count += part.leaf_count * part.leaf_width;
    }
    return count;
}

espalier_status espalier_combine_add(espalier_combine *combine, const espalier_forest *forest,
                                     const espalier_combine_features *features,
                                     uint32_t *slot_offset_out)
{
    espalier_forest *const whole = combine->whole;
    const uint64_t offset = espalier_forest_all_slots(whole);
    uint32_t *values = NULL;
    espalier_combine_features prepared = {NULL, espalier_forest_tested_count(forest)};
    espalier_plan plan;
    espalier_status status = espalier_plan_make(forest, &plan, NULL);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (offset + plan.slot_count > ESPALIER_LIMIT_SLOTS) {
        status = ESPALIER_ERROR_SOURCE_LIMIT;
        goto out;
    }
    status = espalier_combine_prepare(combine, forest, features, &values);
    prepared.numbers = values;
    features = values != NULL ? &prepared : features;
    if (status == ESPALIER_OK) {
        status = copy_trees(combine, forest, features, 0);
    }
    if (status == ESPALIER_OK) {
        status = copy_plan(combine, forest, features, &plan, (uint32_t)offset);
    }
    if (status == ESPALIER_OK) {
        status = copy_values(combine, forest->leaf_values, count_values(forest));
    }
    if (status == ESPALIER_OK) {
        status = copy_lines(combine, forest);
    }
    whole->leaf_count += forest->leaf_count;
    *slot_offset_out = (uint32_t)offset;
out:
    espalier_plan_free(&plan);
    free(values);
    return status;
}

/* ---- inputs ---------------------------------------------------------------------------------- */

/*
 * Rounded to float32, x is at most t if and only if x is at most the number half-way from t to the
 * next float32, or below it where that rounds up: to the even one of the two.
 */
double espalier_combine_widen(double threshold)
{
    const float t = espalier_round_threshold(threshold);
    const float next = nextafterf(t, INFINITY);
    uint32_t bits = 0;
    memcpy(&bits, &t, sizeof bits);
    if (isinf(t) && t > 0) {
        return (double)t;
    }
    const double middle = isinf(t)      ? -FLOAT32_END
                          : isinf(next) ? FLOAT32_END
                                        : ((double)t + (double)next) / 2;
    return (bits & 1) == 0 ? middle : nextafter(middle, -(double)INFINITY);
}

/* x counts as 0 if its magnitude is at most TINY. */
static double unflush(double threshold)
{
    if (threshold >= -TINY && threshold < 0) {
        return nextafter(-TINY, -(double)INFINITY);
    }
    return threshold >= 0 && threshold < TINY ? TINY : threshold;
}

/* To what the whole compares. */
static void translate_part(espalier_forest *whole, const espalier_forest_part *part,
                           const espalier_combine_input *input)
{
    const bool widens = input->input != whole->input;
    const bool unflushes = input->flush_tiny && !whole->flush_tiny;
    for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
        const espalier_forest_tree *const tree = &whole->trees[i];
        double *const thresholds = whole->threshold + tree->first_node;
        for (uint32_t node = 0; node < tree->node_count; node++) {
            thresholds[node] = unflushes ? unflush(thresholds[node]) : thresholds[node];
            thresholds[node] = widens ? espalier_combine_widen(thresholds[node]) : thresholds[node];
        }
    }
}

/* Leaves that are lines take what their own forest would: rounded, and without what is tiny. */
static void translate_values(espalier_forest *whole, const espalier_combine_input *inputs)
{
    for (uint32_t i = 0; i < whole->stage_count; i++) {
        espalier_forest_stage *const stage = &whole->stages[i];
        if (!espalier_plan_takes_values(stage)) {
            continue;
        }
        const espalier_combine_input *const input = &inputs[stage->part];
        const bool rounds = input->input != whole->input;
        stage->narrow = stage->narrow || rounds;
        /* What rounding makes tiny is zero, too. */
        stage->operation = input->flush_tiny && (rounds || !whole->flush_tiny)
                               ? ESPALIER_FOREST_FLUSHED_VALUES
                               : stage->operation;
    }
}

static void settle_inputs(espalier_combine *combine)
{
    espalier_forest *const whole = combine->whole;
    bool alike = true;
    bool flush_alike = true;
    for (uint32_t i = 1; i < whole->part_count; i++) {
        alike = alike && combine->inputs[i].input == combine->inputs[0].input;
        flush_alike = flush_alike && combine->inputs[i].flush_tiny == combine->inputs[0].flush_tiny;
    }
    whole->input = alike ? combine->inputs[0].input : ESPALIER_FOREST_INPUT_FLOAT64;
    whole->flush_tiny = flush_alike && combine->inputs[0].flush_tiny;
    for (uint32_t i = 0; !(alike && flush_alike) && i < whole->part_count; i++) {
        translate_part(whole, &whole->parts[i], &combine->inputs[i]);
    }
    translate_values(whole, combine->inputs);
}

/* Whether some node has a rule of its own. */
static bool has_rules(const espalier_forest *whole)
{
    for (uint64_t i = 0; i < whole->node_count; i++) {
        if (whole->left[i] != ESPALIER_FOREST_LEAF &&
            whole->missing_rule[i] != ESPALIER_FOREST_MISSING_NAN) {
            return true;
        }
    }
    return false;
}

espalier_status espalier_combine_close(espalier_combine *combine)
{
    espalier_forest *const whole = combine->whole;
    if (whole == NULL) {
        return ESPALIER_OK; /* nothing was added */
    }
    const espalier_status status = espalier_combine_close_preparation(combine);
    if (whole->part_count > 0) {
        settle_inputs(combine);
    }
    if (whole->missing_rule != NULL && !has_rules(whole)) {
        free(whole->missing_rule);
        whole->missing_rule = NULL;
    }
    if (whole->set_count == 0) {
        free(whole->set);
        whole->set = NULL;
    }
    /* Where the whole refuses missing values, no set has a place for them. */
    for (uint32_t i = 0; i < whole->set_count; i++) {
        whole->sets[i].missing_left = whole->sets[i].missing_left && whole->missing_allowed;
    }
    free(combine->inputs);
    *combine = (espalier_combine){.whole = whole};
    return status;
}
