// SPDX-License-Identifier: Apache-2.0
/*
 * The small tables of a model: trees, part, steps, stages, outputs, start values. Inside
 * convert/flatten*. Must not look at nodes.
 */
#include "convert/flatten_place.h"
#include "convert/flatten_work.h"

#include <math.h>

static uint32_t count_slots(const espalier_forest *forest)
{
    return espalier_forest_slots(forest) * (forest->normalise ? 2 : 1);
}

espalier_status espalier_flatten_check_limits(const espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    const uint64_t slots = (uint64_t)espalier_forest_slots(forest) * (forest->normalise ? 2 : 1);
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

static uint32_t find_default_output(const espalier_forest *forest)
{
    return forest->task == ESPALIER_FOREST_TASK_MARGIN ? ESPALIER_OUTPUT_MARGIN
           : forest->task == ESPALIER_FOREST_TASK_FOREST && forest->classifier
               ? ESPALIER_OUTPUT_CLASS
               : ESPALIER_OUTPUT_VALUE;
}

static void fill_model(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_file_model *const model = &work->flat->model;
    model->feature_count = forest->feature_count;
    model->slot_count = count_slots(forest);
    model->input_rule =
        (forest->input == ESPALIER_FOREST_INPUT_FLOAT32 ? ESPALIER_INPUT_FLOAT32 : 0) |
        (forest->missing_allowed ? ESPALIER_INPUT_MISSING_ALLOWED : 0) |
        (forest->infinite_allowed ? ESPALIER_INPUT_INFINITE_ALLOWED : 0) |
        (forest->flush_tiny ? ESPALIER_INPUT_FLUSH_TINY : 0);
    model->default_output = find_default_output(forest);
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

static espalier_status make_stages(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    if (!forest->normalise) {
        return ESPALIER_OK;
    }
    espalier_file_stage *const stages =
        espalier_flatten_table(&work->flat->stages, forest->group_count, sizeof *stages);
    if (stages == NULL) {
        return espalier_flatten_fail_memory(work, "stages");
    }
    uint32_t slot = 0;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        stages[group].operation = ESPALIER_STAGE_NORMALISE;
        stages[group].input_slot = slot;
        stages[group].output_slot = espalier_forest_slots(forest) + slot;
        stages[group].slot_count = forest->group_width[group];
        stages[group].order = ESPALIER_ORDER_PAIRWISE;
        slot += forest->group_width[group];
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

/* A classifier decides on what its trees add up to; probabilities may be normalised first. */
static void fill_classes(const espalier_forest *forest, espalier_file_output *outputs)
{
    uint32_t slot = 0;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        const uint32_t width = forest->group_width[group];
        outputs[group] = (espalier_file_output){
            .kind = ESPALIER_OUTPUT_PROBABILITY,
            .group = group,
            .dtype = ESPALIER_DTYPE_FLOAT64,
            .first_slot = slot + (forest->normalise ? espalier_forest_slots(forest) : 0),
            .slot_count = width,
        };
        outputs[forest->group_count + group] = (espalier_file_output){
            .kind = ESPALIER_OUTPUT_CLASS,
            .group = group,
            .dtype = ESPALIER_DTYPE_INT32,
            .first_slot = slot,
            .slot_count = width,
            .decision = ESPALIER_DECISION_FIRST_MAXIMUM,
        };
        slot += width;
    }
}

static uint32_t find_sum_dtype(const espalier_forest *forest)
{
    return forest->accumulator == ESPALIER_FOREST_SUM_FLOAT32 ? ESPALIER_DTYPE_FLOAT32
                                                              : ESPALIER_DTYPE_FLOAT64;
}

static void fill_margins(const espalier_forest *forest, espalier_file_output *outputs)
{
    uint32_t slot = 0;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        outputs[group] = (espalier_file_output){
            .kind = ESPALIER_OUTPUT_MARGIN,
            .group = group,
            .dtype = find_sum_dtype(forest),
            .first_slot = slot,
            .slot_count = forest->group_width[group],
        };
        slot += forest->group_width[group];
    }
}

/* A forest: classes, or values. A boosted model: margins, and the same as values. */
static espalier_status make_outputs(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    const bool is_forest = forest->task == ESPALIER_FOREST_TASK_FOREST;
    const bool has_classes = is_forest && forest->classifier;
    const bool has_value = is_forest ? !has_classes : forest->task == ESPALIER_FOREST_TASK_VALUE;
    const uint64_t groups = forest->group_count;
    const uint64_t grouped = has_classes ? groups * 2 : is_forest ? 0 : groups;
    const uint64_t count = grouped + (has_value ? 1 : 0) + 1;
    espalier_file_output *const outputs =
        espalier_flatten_table(&work->flat->outputs, count, sizeof *outputs);
    if (outputs == NULL) {
        return espalier_flatten_fail_memory(work, "outputs");
    }
    if (has_classes) {
        fill_classes(forest, outputs);
    } else if (!is_forest) {
        fill_margins(forest, outputs);
    }
    if (has_value) {
        outputs[grouped].kind = ESPALIER_OUTPUT_VALUE;
        outputs[grouped].dtype = find_sum_dtype(forest);
        outputs[grouped].slot_count = espalier_forest_slots(forest);
    }
    outputs[count - 1].kind = ESPALIER_OUTPUT_LEAF;
    outputs[count - 1].dtype = ESPALIER_DTYPE_INT64;
    return ESPALIER_OK;
}

espalier_status espalier_flatten_make_plan(espalier_flattening *work)
{
    espalier_status status = make_stages(work);
    if (status == ESPALIER_OK) {
        status = make_outputs(work);
    }
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
 * What sums start from, where that is not 0.0. A single tree's answer is its leaf as it is, so -0.0
 * has to stay -0.0: it does when the sum starts from -0.0, which changes no number it is added to.
 */
espalier_status espalier_flatten_make_start(espalier_flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_flat *const flat = work->flat;
    const bool is_single = forest->task == ESPALIER_FOREST_TASK_FOREST && forest->start == NULL &&
                           forest->divide == ESPALIER_FOREST_DIVIDE_NONE;
    const bool keeps_zero = is_single && has_negative_zero(forest);
    if (!keeps_zero && !has_start(forest)) {
        return ESPALIER_OK;
    }
    double *const constants =
        espalier_flatten_table(&flat->constants, flat->part.slot_count, sizeof *constants);
    if (constants == NULL) {
        return espalier_flatten_fail_memory(work, "constants");
    }
    for (uint32_t i = 0; i < flat->part.slot_count; i++) {
        constants[i] = forest->start != NULL ? forest->start[i] : -0.0;
    }
    flat->part.start = ESPALIER_START_CONSTANTS;
    return ESPALIER_OK;
}
