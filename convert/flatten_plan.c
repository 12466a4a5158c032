// SPDX-License-Identifier: Apache-2.0
/*
 * The small tables of a model: trees, part, steps, stages, outputs, start values. Inside
 * convert/flatten*. Must not look at nodes.
 */
#include "convert/flatten_place.h"
#include "convert/flatten_work.h"
#include "convert/plan.h"

#include <math.h>
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
SAME(ESPALIER_FOREST_EXPECTILES, ESPALIER_STAGE_LAST);
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
    switch (work->flat->part.layout) {
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
    if (source->node_count > work->source_nodes_max) {
        work->source_nodes_max = source->node_count;
        work->positions_max = (uint32_t)positions;
    }
    return ESPALIER_OK;
}

espalier_status espalier_flatten_make_trees(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_file_tree *const trees =
        espalier_flatten_table(&work->flat->trees, forest->tree_count, sizeof *trees);
    if (trees == NULL) {
        return espalier_flatten_fail_memory(work, "trees");
    }
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        const espalier_status status = add_tree(work, i, &trees[i]);
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
        return work->source_nodes_max - 1;
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
    bool is_counted = work->flat->part.layout == ESPALIER_FILE_WALK && !work->own_numbers;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        is_counted = is_counted && forest->trees[i].preorder;
    }
    if (is_counted) {
        return 0;
    }
    const uint32_t number_max = find_number_max(work);
    return number_max <= UINT8_MAX ? 1 : number_max <= UINT16_MAX ? 2 : 4;
}

/* ---- model and part ---- */

static uint32_t count_child_bits(uint32_t positions_max)
{
    uint32_t bits = ESPALIER_LIMIT_CHILD_BITS_MIN;
    while (UINT64_C(1) << bits < positions_max) {
        bits++;
    }
    return bits;
}

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
        (forest->missing_marked ? ESPALIER_INPUT_MISSING_NUMBER : 0);
    model->missing_number = forest->missing_marked ? forest->missing_number : 0.0;
    model->group_count = forest->group_count;
    work->own_numbers = has_own_numbers(forest);
    model->number_bytes = count_number_bytes(work);
}

static void fill_part(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_file_part *const part = &work->flat->part;
    if (part->layout == ESPALIER_FILE_WALK) {
        part->child_bits = count_child_bits(work->positions_max);
        const bool fits = work->columns.column_count <= UINT64_C(1) << (32 - part->child_bits);
        part->node_bytes = fits ? sizeof(espalier_file_node) : sizeof(espalier_file_node_wide);
    }
    part->accumulator = forest->accumulator == ESPALIER_FOREST_SUM_FLOAT32
                            ? ESPALIER_ACCUMULATOR_FLOAT32
                            : ESPALIER_ACCUMULATOR_FLOAT64;
    part->aggregate = ESPALIER_AGGREGATE_SUM;
    part->leaf_width = forest->leaf_width;
    part->slot_count = espalier_forest_slots(forest);
    part->tree_count = forest->tree_count;
    part->divisor = forest->divide == ESPALIER_FOREST_DIVIDE_TREES ? ESPALIER_DIVISOR_ITERATIONS
                                                                   : ESPALIER_DIVISOR_NONE;
    part->iteration_count = espalier_forest_iterations(forest);
    part->default_iteration_count = espalier_forest_iterations_used(forest);
}

/* ---- steps ---- */

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
                          stage->operation == ESPALIER_FOREST_SOFTMAX ||
                          stage->operation == ESPALIER_FOREST_SOFTMAX_LOG;
        stages[i] = (espalier_file_stage){
            .operation = (uint32_t)stage->operation,
            .input_slot = espalier_plan_stage_inputs(stage) > 0 ? stage->input_slot : 0,
            .output_slot = stage->output_slot,
            .slot_count = stage->count,
            .order = !adds             ? 0
                     : stage->pairwise ? ESPALIER_ORDER_PAIRWISE
                                       : ESPALIER_ORDER_SEQUENTIAL,
            .arithmetic = stage->narrow ? ESPALIER_ARITHMETIC_FLOAT32 : ESPALIER_ARITHMETIC_FLOAT64,
            /* What sums start from comes first (espalier_flatten_make_start); one part: 0. */
            .table = espalier_plan_stage_constants(stage) > 0 ? stage->first_constant : 0,
        };
    }
    return ESPALIER_OK;
}

static void make_steps(espalier_flat *flat)
{
    const uint64_t column_count = flat->columns.bytes / sizeof(espalier_file_column);
    const uint64_t stage_count = flat->stages.bytes / sizeof(espalier_file_stage);
    flat->steps[0] = (espalier_file_step){ESPALIER_STEP_COLUMNS, 0, (uint32_t)column_count, 0};
    flat->steps[1] = (espalier_file_step){ESPALIER_STEP_TREES, 0, 1, 0};
    flat->step_count = 2;
    if (stage_count > 0) {
        flat->steps[2] = (espalier_file_step){ESPALIER_STEP_STAGES, 0, (uint32_t)stage_count, 0};
        flat->step_count = 3;
    }
}

/* ---- outputs ---- */

/* Sorted by kind: the leaves come between the others. */
static espalier_status make_outputs(espalier_flattening *work, const espalier_plan *plan)
{
    const uint64_t count = (uint64_t)plan->output_count + 1;
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
    outputs[leaves_at] =
        (espalier_file_output){.kind = ESPALIER_OUTPUT_LEAF, .dtype = ESPALIER_DTYPE_INT64};
    for (uint32_t i = 0; i < plan->output_count; i++) {
        const espalier_forest_output *const output = &plan->outputs[i];
        outputs[i < leaves_at ? i : i + 1] = (espalier_file_output){
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
    make_steps(work->flat);
    fill_model(work);
    fill_part(work);
    return status;
}

/* ---- start ---- */

static bool has_negative_zero(const espalier_forest *forest)
{
    const uint64_t count = forest->leaf_count * forest->leaf_width;
    bool found = false;
    for (uint64_t i = 0; i < count && !found; i++) {
        const double value = forest->leaf_values[i];
        found = value == 0.0 && signbit(value) != 0;
    }
    return found;
}

static bool has_start(const espalier_forest *forest)
{
    bool found = false;
    for (uint32_t i = 0; forest->start != NULL && i < espalier_forest_slots(forest); i++) {
        const double value = forest->start[i];
        found = found || value != 0.0 || signbit(value) != 0;
    }
    return found;
}

/*
 * Constants: what sums start from, where that is not 0.0, then those of stages. A single tree's
 * answer is its leaf as it is, so -0.0 has to stay -0.0: it does when the sum starts from -0.0,
 * which changes no number it is added to.
 */
espalier_status espalier_flatten_make_start(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_flat *const flat = work->flat;
    const bool is_single = forest->task == ESPALIER_FOREST_TASK_FOREST && forest->start == NULL &&
                           forest->divide == ESPALIER_FOREST_DIVIDE_NONE;
    const bool keeps_zero = is_single && has_negative_zero(forest);
    const bool starts = keeps_zero || has_start(forest);
    const uint32_t start_count = starts ? flat->part.slot_count : 0;
    const uint64_t count = (uint64_t)start_count + forest->constant_count;
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
    for (uint32_t i = 0; i < start_count; i++) {
        constants[i] = forest->start != NULL ? forest->start[i] : -0.0;
    }
    if (forest->constant_count > 0) {
        memcpy(constants + start_count, forest->constants,
               forest->constant_count * sizeof *constants);
    }
    espalier_file_stage *const stages = flat->stages.data;
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        stages[i].table += espalier_plan_stage_constants(&forest->stages[i]) > 0 ? start_count : 0;
    }
    flat->part.start = starts ? ESPALIER_START_CONSTANTS : ESPALIER_START_ZERO;
    return ESPALIER_OK;
}
