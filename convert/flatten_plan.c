// SPDX-License-Identifier: Apache-2.0
/*
 * The small tables of a model: trees, parts, steps, stages, outputs, constants. Inside
 * convert/flatten*. Must not look at nodes.
 */
#include "convert/flatten_place.h"
#include "convert/flatten_work.h"
#include "convert/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME(forest, file) static_assert((int)(forest) == (int)(file), "the same numbers")
SAME(ESPALIER_FOREST_NORMALISE, ESPALIER_STAGE_NORMALISE);
SAME(ESPALIER_FOREST_ADD, ESPALIER_STAGE_ADD);
SAME(ESPALIER_FOREST_MULTIPLY, ESPALIER_STAGE_MULTIPLY);
SAME(ESPALIER_FOREST_DIVIDE, ESPALIER_STAGE_DIVIDE);
SAME(ESPALIER_FOREST_DIVIDE_ITERATIONS, ESPALIER_STAGE_DIVIDE_ITERATIONS);
SAME(ESPALIER_FOREST_SIGMOID, ESPALIER_STAGE_SIGMOID);
SAME(ESPALIER_FOREST_SOFTMAX, ESPALIER_STAGE_SOFTMAX);
SAME(ESPALIER_FOREST_SOFTMAX_LOG, ESPALIER_STAGE_SOFTMAX_LOG);
SAME(ESPALIER_FOREST_EXP, ESPALIER_STAGE_EXP);
SAME(ESPALIER_FOREST_LOG1P_EXP, ESPALIER_STAGE_LOG1P_EXP);
SAME(ESPALIER_FOREST_SIGNED_SQUARE, ESPALIER_STAGE_SIGNED_SQUARE);
SAME(ESPALIER_FOREST_NEGATIVE_POWER, ESPALIER_STAGE_NEGATIVE_POWER);
SAME(ESPALIER_FOREST_TWO_CLASSES, ESPALIER_STAGE_TWO_CLASSES);
SAME(ESPALIER_FOREST_STEP, ESPALIER_STAGE_STEP);
SAME(ESPALIER_FOREST_INDEX, ESPALIER_STAGE_INDEX);
SAME(ESPALIER_FOREST_SORT, ESPALIER_STAGE_SORT);
SAME(ESPALIER_FOREST_SPREAD, ESPALIER_STAGE_SPREAD);
SAME(ESPALIER_FOREST_PRODUCTS, ESPALIER_STAGE_PRODUCTS);
SAME(ESPALIER_FOREST_CONSTANTS, ESPALIER_STAGE_CONSTANTS);
SAME(ESPALIER_FOREST_EXPECTILES, ESPALIER_STAGE_EXPECTILES);
SAME(ESPALIER_FOREST_PICK, ESPALIER_STAGE_PICK);
SAME(ESPALIER_FOREST_ADD_SLOTS, ESPALIER_STAGE_ADD_SLOTS);
SAME(ESPALIER_FOREST_CHOOSE, ESPALIER_STAGE_CHOOSE);
SAME(ESPALIER_FOREST_ISOTONIC, ESPALIER_STAGE_ISOTONIC);
SAME(ESPALIER_FOREST_NORMALISE_EVEN, ESPALIER_STAGE_NORMALISE_EVEN);
SAME(ESPALIER_FOREST_CUT_ONE, ESPALIER_STAGE_CUT_ONE);
SAME(ESPALIER_FOREST_WEIGHTED_MEDIAN, ESPALIER_STAGE_WEIGHTED_MEDIAN);
SAME(ESPALIER_FOREST_EXPM1, ESPALIER_STAGE_EXPM1);
SAME(ESPALIER_FOREST_EXP2, ESPALIER_STAGE_EXP2);
SAME(ESPALIER_FOREST_SQUARE, ESPALIER_STAGE_SQUARE);
SAME(ESPALIER_FOREST_SQRT, ESPALIER_STAGE_SQRT);
SAME(ESPALIER_FOREST_LOG, ESPALIER_STAGE_LOG);
SAME(ESPALIER_FOREST_LOG1P, ESPALIER_STAGE_LOG1P);
SAME(ESPALIER_FOREST_VALUES, ESPALIER_STAGE_VALUES);
SAME(ESPALIER_FOREST_LINEAR, ESPALIER_STAGE_LINEAR);
SAME(ESPALIER_FOREST_CLAMP, ESPALIER_STAGE_CLAMP);
SAME(ESPALIER_FOREST_LOG_ODDS, ESPALIER_STAGE_LOG_ODDS);
SAME(ESPALIER_FOREST_LOGIT, ESPALIER_STAGE_LOGIT);
SAME(ESPALIER_FOREST_LOG_CENTRED, ESPALIER_STAGE_LOG_CENTRED);
SAME(ESPALIER_FOREST_FLUSHED_VALUES, ESPALIER_STAGE_FLUSHED_VALUES);
SAME(ESPALIER_FOREST_ROUND, ESPALIER_STAGE_ROUND);
SAME(ESPALIER_FOREST_EXPIT, ESPALIER_STAGE_EXPIT);
SAME(ESPALIER_FOREST_NUMPY_EXP, ESPALIER_STAGE_NUMPY_EXP);
SAME(ESPALIER_FOREST_ISOTONIC_SHARES, ESPALIER_STAGE_ISOTONIC_SHARES);
SAME(ESPALIER_FOREST_ISOTONIC_SHARES, ESPALIER_STAGE_LAST);
SAME(ESPALIER_PLAN_LINEAR_CONSTANTS, ESPALIER_LINEAR_CONSTANTS);
SAME(ESPALIER_FOREST_NO_DECISION, ESPALIER_DECISION_NONE);
SAME(ESPALIER_FOREST_FIRST_MAXIMUM, ESPALIER_DECISION_FIRST_MAXIMUM);
SAME(ESPALIER_FOREST_LAST_MAXIMUM, ESPALIER_DECISION_LAST_MAXIMUM);
SAME(ESPALIER_FOREST_ABOVE_ZERO, ESPALIER_DECISION_ABOVE_ZERO);
SAME(ESPALIER_FOREST_AT_LEAST_ZERO, ESPALIER_DECISION_AT_LEAST_ZERO);
SAME(ESPALIER_FOREST_ABOVE_HALF, ESPALIER_DECISION_ABOVE_HALF);
#undef SAME

espalier_status espalier_flatten_check_limits(const espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    const uint64_t slots = espalier_forest_all_slots(forest);
    uint64_t stage_slots = 0;
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        stage_slots += forest->stages[i].count;
    }
    if (forest->feature_count > ESPALIER_LIMIT_FEATURES) {
        return espalier_flatten_fail_limit(work, "features", forest->feature_count,
                                           ESPALIER_LIMIT_FEATURES);
    }
    if (forest->tree_count > ESPALIER_LIMIT_TREES) {
        return espalier_flatten_fail_limit(work, "trees", forest->tree_count, ESPALIER_LIMIT_TREES);
    }
    if (slots > ESPALIER_LIMIT_SLOTS) {
        return espalier_flatten_fail_limit(work, "values per row", slots, ESPALIER_LIMIT_SLOTS);
    }
    if (forest->group_count > ESPALIER_LIMIT_STAGES) {
        return espalier_flatten_fail_limit(work, "outputs", forest->group_count,
                                           ESPALIER_LIMIT_STAGES);
    }
    if (forest->stage_count > ESPALIER_LIMIT_STAGES || stage_slots > ESPALIER_LIMIT_STAGE_SLOTS) {
        return espalier_flatten_fail_limit(work, "values of stages", stage_slots,
                                           ESPALIER_LIMIT_STAGE_SLOTS);
    }
    return ESPALIER_OK;
}

/* ---- trees ---- */

/* Fills what depends on the layout: positions, depth and leaves. */
static void shape_tree(const espalier_flattening *work, const espalier_forest_tree *source,
                       espalier_file_tree *tree, uint64_t *positions_out)
{
    tree->depth = source->depth;
    switch (work->form.layout) {
    case ESPALIER_FILE_HEAP:
        /* A lone leaf has a filler above it. */
        tree->depth = source->depth > 0 ? source->depth : 1;
        tree->leaf_count = UINT32_C(1) << tree->depth;
        *positions_out =
            tree->leaf_count > ESPALIER_HEAP_NODES ? tree->leaf_count : ESPALIER_HEAP_NODES;
        break;
    case ESPALIER_FILE_SELECT:
        tree->leaf_count = (source->node_count + 1) / 2;
        *positions_out = tree->leaf_count > 1 ? (tree->leaf_count - 1 + 7) & ~7U : 8;
        break;
    case ESPALIER_FILE_BITS:
        tree->leaf_count = (source->node_count + 1) / 2;
        *positions_out = ESPALIER_BITS_LEAVES;
        break;
    default:
        *positions_out = espalier_place_positions(source->node_count);
        break;
    }
}

static espalier_status add_tree(espalier_flattening *work, uint32_t index, espalier_file_tree *tree)
{
    const espalier_forest *const forest = work->forest;
    const espalier_forest_tree *const source = &forest->trees[index];
    espalier_file_model *const model = &work->flat->model;
    uint64_t positions = 0;
    *tree = (espalier_file_tree){
        .first_node = work->position_count,
        .source_node_count = source->node_count,
        .slot = espalier_forest_slot_of(forest, index),
        .number = index,
        .iteration = espalier_forest_iteration_of(forest, index),
    };
    shape_tree(work, source, tree, &positions);
    const uint64_t limit = UINT64_C(1) << ESPALIER_LIMIT_CHILD_BITS_MAX;
    if (positions > limit) {
        return espalier_flatten_fail_limit(work, "nodes in one tree", source->node_count,
                                           limit - 1);
    }
    tree->node_count = (uint32_t)positions;
    tree->first_leaf = tree->leaf_count != 0 ? (uint32_t)work->leaf_row_count : 0;
    work->position_count += positions;
    work->leaf_row_count += tree->leaf_count;
    if (work->leaf_row_count > ESPALIER_LIMIT_LEAVES - ESPALIER_SELECT_LEAVES) {
        return espalier_flatten_fail_limit(work, "leaf rows", work->leaf_row_count,
                                           ESPALIER_LIMIT_LEAVES - ESPALIER_SELECT_LEAVES);
    }
    model->visits_per_row += tree->depth;
    model->node_count += source->node_count;
    if (source->node_count > work->node_count_max) {
        work->node_count_max = source->node_count;
    }
    if (positions > work->positions_max) {
        work->positions_max = (uint32_t)positions;
    }
    return ESPALIER_OK;
}

static uint32_t count_child_bits(uint32_t positions_max)
{
    uint32_t bits = ESPALIER_LIMIT_CHILD_BITS_MIN;
    while (UINT64_C(1) << bits < positions_max) {
        bits++;
    }
    return bits;
}

/* All of a part but its trees, leaves and constants. */
static void fill_part(espalier_flattening *work)
{
    const espalier_forest_part *const source = &work->source_part;
    espalier_file_part *const part = work->part;
    *part = work->form;
    part->accumulator = source->accumulator == ESPALIER_FOREST_SUM_FLOAT32
                            ? ESPALIER_ACCUMULATOR_FLOAT32
                            : ESPALIER_ACCUMULATOR_FLOAT64;
    part->aggregate = ESPALIER_AGGREGATE_SUM;
    part->leaf_width = source->leaf_width;
    part->first_slot = source->first_slot;
    part->slot_count = source->slot_count;
    part->first_tree = source->first_tree;
    part->tree_count = source->tree_count;
    part->divisor = source->divide == ESPALIER_FOREST_DIVIDE_TREES ? ESPALIER_DIVISOR_ITERATIONS
                                                                   : ESPALIER_DIVISOR_NONE;
    part->iteration_count = source->iteration_count;
    part->default_iteration_count = source->default_iterations;
    part->range = source->all_iterations ? ESPALIER_RANGE_DEFAULT : ESPALIER_RANGE_ASKED;
    part->start = source->from_slots ? ESPALIER_START_SLOTS : ESPALIER_START_ZERO;
    part->start_index = source->from_slots ? source->start_slot : 0;
}

/* A part and its trees, which follow those whose nodes take *node_bytes. */
static espalier_status make_part(espalier_flattening *work, uint32_t index, uint64_t *node_bytes)
{
    espalier_file_tree *const trees = work->flat->trees.data;
    work->source_part = espalier_forest_part_at(work->forest, index);
    work->part = &work->flat->parts[index];
    work->position_count = 0;
    work->leaf_row_count = 0;
    work->positions_max = 0;
    fill_part(work);
    const uint32_t first = work->part->first_tree;
    for (uint32_t i = first; i < first + work->part->tree_count; i++) {
        const espalier_status status = add_tree(work, i, &trees[i]);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    if (work->part->layout == ESPALIER_FILE_WALK) {
        work->part->child_bits = count_child_bits(work->positions_max);
        const bool fits = work->columns.column_count <= UINT64_C(1)
                                                            << (32 - work->part->child_bits);
        work->part->node_bytes =
            fits ? sizeof(espalier_file_node) : sizeof(espalier_file_node_wide);
    }
    /* Walk trees take whole lines of 64 bytes, and mask trees of all parts are of one size. */
    for (uint32_t i = first; i < first + work->part->tree_count; i++) {
        trees[i].first_node += *node_bytes / work->part->node_bytes;
    }
    *node_bytes += work->position_count * work->part->node_bytes;
    return ESPALIER_OK;
}

espalier_status espalier_flatten_make_trees(espalier_flattening *work)
{
    espalier_flat *const flat = work->flat;
    const uint32_t part_count = espalier_forest_part_count(work->forest);
    flat->parts = calloc(part_count, sizeof *flat->parts);
    if (flat->parts == NULL || espalier_flatten_table(&flat->trees, work->forest->tree_count,
                                                      sizeof(espalier_file_tree)) == NULL) {
        return espalier_flatten_fail_memory(work, "trees");
    }
    flat->part_count = part_count;
    uint64_t node_bytes = 0;
    for (uint32_t i = 0; i < part_count; i++) {
        const espalier_status status = make_part(work, i, &node_bytes);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    const uint64_t visits = work->flat->model.visits_per_row;
    return visits <= ESPALIER_LIMIT_VISITS_DEFAULT
               ? ESPALIER_OK
               : espalier_flatten_fail_limit(work, "nodes on the longest ways of all trees", visits,
                                             ESPALIER_LIMIT_VISITS_DEFAULT);
}

/* ---- numbers ---- */

/* Whether some leaf's number is not its node's index. */
static bool has_own_numbers(const espalier_forest *forest)
{
    for (uint32_t i = 0; forest->number != NULL && i < forest->tree_count; i++) {
        const espalier_forest_tree *const tree = &forest->trees[i];
        for (uint32_t node = 0; node < tree->node_count; node++) {
            if (forest->left[tree->first_node + node] == ESPALIER_FOREST_LEAF &&
                forest->number[tree->first_node + node] != node) {
                return true;
            }
        }
    }
    return false;
}

static uint32_t find_number_max(const espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    if (!work->own_numbers) {
        return work->node_count_max - 1;
    }
    uint32_t most = 0;
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] == ESPALIER_FOREST_LEAF && forest->number[i] > most) {
            most = forest->number[i];
        }
    }
    return most;
}

/*
 * The narrowest width that holds every number; 0 when counting a walk's nodes in preorder gives
 * them.
 */
static uint32_t count_number_bytes(const espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    bool is_counted = work->form.layout == ESPALIER_FILE_WALK && !work->own_numbers;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        is_counted = is_counted && forest->trees[i].preorder;
    }
    if (is_counted) {
        return 0;
    }
    const uint32_t number_max = find_number_max(work);
    return number_max <= UINT8_MAX ? 1 : number_max <= UINT16_MAX ? 2 : 4;
}

/* ---- model ---- */

static void fill_model(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_file_model *const model = &work->flat->model;
    model->feature_count = forest->feature_count;
    model->slot_count = (uint32_t)espalier_forest_all_slots(forest);
    model->input_rule =
        (forest->input == ESPALIER_FOREST_INPUT_FLOAT32 ? ESPALIER_INPUT_FLOAT32 : 0) |
        (forest->missing_allowed ? ESPALIER_INPUT_MISSING_ALLOWED : 0) |
        (forest->infinite_allowed ? ESPALIER_INPUT_INFINITE_ALLOWED : 0) |
        (forest->flush_tiny ? ESPALIER_INPUT_FLUSH_TINY : 0) |
        (forest->missing_marked ? ESPALIER_INPUT_MISSING_NUMBER : 0) |
        (forest->chosen ? ESPALIER_INPUT_CHOSEN : 0);
    model->missing_number = forest->missing_marked ? forest->missing_number : 0.0;
    model->group_count = forest->group_count;
    work->own_numbers = has_own_numbers(forest);
    model->number_bytes = count_number_bytes(work);
}

/* ---- steps ---- */

/* What sums start from comes in front of constants later (espalier_flatten_make_constants). */
static uint32_t find_table(const espalier_forest_stage *stage)
{
    return espalier_plan_stage_constants(stage) > 0                ? stage->first_constant
           : stage->operation == ESPALIER_FOREST_ADD_SLOTS         ? stage->other_slot
           : stage->operation == ESPALIER_FOREST_DIVIDE_ITERATIONS ? stage->part
                                                                   : 0;
}

static espalier_status make_stages(espalier_flattening *work, const espalier_plan *plan)
{
    if (plan->stage_count == 0) {
        return ESPALIER_OK;
    }
    espalier_file_stage *const stages =
        espalier_flatten_table(&work->flat->stages, plan->stage_count, sizeof *stages);
    if (stages == NULL) {
        return espalier_flatten_fail_memory(work, "stages");
    }
    for (uint32_t i = 0; i < plan->stage_count; i++) {
        const espalier_forest_stage *const stage = &plan->stages[i];
        const bool adds = stage->operation == ESPALIER_FOREST_NORMALISE ||
                          stage->operation == ESPALIER_FOREST_NORMALISE_EVEN ||
                          stage->operation == ESPALIER_FOREST_SOFTMAX ||
                          stage->operation == ESPALIER_FOREST_SOFTMAX_LOG ||
                          stage->operation == ESPALIER_FOREST_LOG_CENTRED;
        stages[i] = (espalier_file_stage){
            .operation = (uint32_t)stage->operation,
            .input_slot = espalier_plan_stage_inputs(stage) > 0 ? stage->input_slot : 0,
            .output_slot = stage->output_slot,
            .slot_count = stage->count,
            .order = !adds             ? 0
                     : stage->pairwise ? ESPALIER_ORDER_PAIRWISE
                                       : ESPALIER_ORDER_SEQUENTIAL,
            .arithmetic = stage->narrow ? ESPALIER_ARITHMETIC_FLOAT32 : ESPALIER_ARITHMETIC_FLOAT64,
            .table = find_table(stage),
        };
    }
    return ESPALIER_OK;
}

/*
 * The columns, every part, and all stages at last: they read no part's sums too early then. Only in
 * front of a part that starts from slots come the stages whose slots lie before its own; what these
 * read lies before them, and parts are in the order of their slots. Returns how many steps there
 * are; steps may be NULL.
 */
static uint32_t list_steps(const espalier_flat *flat, espalier_file_step *steps)
{
    const espalier_file_stage *const stages = flat->stages.data;
    const uint32_t stage_count = (uint32_t)(flat->stages.bytes / sizeof *stages);
    const uint64_t column_count = flat->columns.bytes / sizeof(espalier_file_column);
    const espalier_file_step first = {ESPALIER_STEP_COLUMNS, 0, (uint32_t)column_count, 0};
    uint32_t count = 0;
    uint32_t done = 0;
    for (uint32_t i = 0; i <= flat->part_count; i++) {
        const bool last = i == flat->part_count;
        const espalier_file_part *const part = last ? NULL : &flat->parts[i];
        const bool waits = last || part->start == ESPALIER_START_SLOTS;
        uint32_t end = done;
        while (waits && end < stage_count && (last || stages[end].output_slot < part->first_slot)) {
            end++;
        }
        const espalier_file_step next[3] = {first,
                                            {ESPALIER_STEP_STAGES, done, end - done, 0},
                                            {ESPALIER_STEP_TREES, i, 1, 0}};
        const bool wanted[3] = {i == 0, end > done, !last};
        for (uint32_t k = 0; k < 3; k++) {
            if (wanted[k] && steps != NULL) {
                steps[count] = next[k];
            }
            count += wanted[k] ? 1 : 0;
        }
        done = end;
    }
    return count;
}

static espalier_status make_steps(espalier_flattening *work)
{
    espalier_flat *const flat = work->flat;
    const uint32_t count = list_steps(flat, NULL);
    espalier_file_step *const steps = espalier_flatten_table(&flat->steps, count, sizeof *steps);
    if (steps == NULL) {
        return espalier_flatten_fail_memory(work, "steps");
    }
    (void)list_steps(flat, steps);
    return ESPALIER_OK;
}

/* ---- outputs ---- */

/* Sorted by kind: the leaves come between the others. */
static espalier_status make_outputs(espalier_flattening *work, const espalier_plan *plan)
{
    const uint64_t leaf_count = work->forest->leaf_hidden ? 0 : 1;
    const uint64_t count = plan->output_count + leaf_count;
    if (count > ESPALIER_LIMIT_OUTPUTS) {
        return espalier_flatten_fail_limit(work, "outputs", count, ESPALIER_LIMIT_OUTPUTS);
    }
    espalier_file_output *const outputs =
        espalier_flatten_table(&work->flat->outputs, count, sizeof *outputs);
    if (outputs == NULL) {
        return espalier_flatten_fail_memory(work, "outputs");
    }
    uint32_t leaves_at = 0;
    while (leaves_at < plan->output_count && plan->outputs[leaves_at].kind < ESPALIER_OUTPUT_LEAF) {
        leaves_at++;
    }
    if (leaf_count > 0) {
        outputs[leaves_at] = (espalier_file_output){.kind = ESPALIER_OUTPUT_LEAF,
                                                    .dtype = ESPALIER_DTYPE_INT64,
                                                    .part = work->forest->leaf_part};
    }
    for (uint32_t i = 0; i < plan->output_count; i++) {
        const espalier_forest_output *const output = &plan->outputs[i];
        outputs[i < leaves_at ? i : i + leaf_count] = (espalier_file_output){
            .kind = (uint32_t)output->kind,
            .group = output->group,
            .dtype = output->kind == ESPALIER_OUTPUT_CLASS ? ESPALIER_DTYPE_INT32
                     : output->narrow                      ? ESPALIER_DTYPE_FLOAT32
                                                           : ESPALIER_DTYPE_FLOAT64,
            .first_slot = output->first_slot,
            .slot_count = output->slot_count,
            .decision = (uint32_t)output->decision,
        };
    }
    work->flat->model.default_output = (uint32_t)plan->default_output;
    return ESPALIER_OK;
}

espalier_status espalier_flatten_make_plan(espalier_flattening *work)
{
    espalier_plan plan;
    espalier_status status = espalier_plan_make(work->forest, &plan, work->error);
    if (status != ESPALIER_OK) {
        return status;
    }
    status = make_stages(work, &plan);
    if (status == ESPALIER_OK) {
        status = make_outputs(work, &plan);
    }
    espalier_plan_free(&plan);
    if (status == ESPALIER_OK) {
        status = make_steps(work);
    }
    fill_model(work);
    return status;
}

/* ---- constants ---- */

static bool has_negative_zero(const espalier_forest *forest, const espalier_forest_part *part)
{
    const uint64_t count = part->leaf_count * part->leaf_width;
    bool found = false;
    for (uint64_t i = 0; i < count && !found; i++) {
        const double value = forest->leaf_values[part->first_value + i];
        found = value == 0.0 && signbit(value) != 0;
    }
    return found;
}

/*
 * Whether sums start from something else than 0.0. A single tree's answer is its leaf as it is, so
 * -0.0 has to stay -0.0: it does when the sum starts from -0.0, which changes no number it is added
 * to.
 */
static bool has_start(const espalier_forest *forest, const espalier_forest_part *part)
{
    bool found = part->as_it_is && has_negative_zero(forest, part);
    for (uint32_t i = 0; part->start != NULL && i < part->slot_count; i++) {
        const double value = part->start[i];
        found = found || value != 0.0 || signbit(value) != 0;
    }
    return found;
}

/* Says which parts start from constants, and from which; returns how many these are. */
static uint64_t place_starts(espalier_flattening *work)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < work->flat->part_count; i++) {
        const espalier_forest_part source = espalier_forest_part_at(work->forest, i);
        espalier_file_part *const part = &work->flat->parts[i];
        if (has_start(work->forest, &source)) {
            part->start = ESPALIER_START_CONSTANTS;
            part->start_index = (uint32_t)count;
            count += part->slot_count;
        }
    }
    return count;
}

static void fill_starts(const espalier_flattening *work, double *constants)
{
    for (uint32_t i = 0; i < work->flat->part_count; i++) {
        const espalier_forest_part source = espalier_forest_part_at(work->forest, i);
        const espalier_file_part *const part = &work->flat->parts[i];
        for (uint32_t k = 0; part->start == ESPALIER_START_CONSTANTS && k < part->slot_count; k++) {
            constants[part->start_index + k] = source.start != NULL ? source.start[k] : -0.0;
        }
    }
}

/* What sums start from, where that is not 0.0, then what stages use. */
espalier_status espalier_flatten_make_constants(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_flat *const flat = work->flat;
    const uint64_t start_count = place_starts(work);
    const uint64_t count = start_count + forest->constant_count;
    if (count == 0) {
        return ESPALIER_OK;
    }
    if (count > UINT32_MAX) {
        return espalier_flatten_fail_limit(work, "constants", count, UINT32_MAX);
    }
    double *const constants = espalier_flatten_table(&flat->constants, count, sizeof *constants);
    if (constants == NULL) {
        return espalier_flatten_fail_memory(work, "constants");
    }
    fill_starts(work, constants);
    if (forest->constant_count > 0) {
        memcpy(constants + start_count, forest->constants,
               forest->constant_count * sizeof *constants);
    }
    espalier_file_stage *const stages = flat->stages.data;
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        stages[i].table +=
            espalier_plan_stage_constants(&forest->stages[i]) > 0 ? (uint32_t)start_count : 0;
    }
    return ESPALIER_OK;
}
