// SPDX-License-Identifier: Apache-2.0
/*
 * See flatten.h. Tables first, since the width of a node follows from the largest tree and the
 * number of columns; then the trees, one behind the other; then the leaf table they have filled.
 */
#include "convert/flatten.h"

#include "convert/flatten_names.h"
#include "convert/flatten_place.h"
#include "format/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What flattening needs besides the result. */
typedef struct flattening {
    const espalier_forest *forest;
    const char *source;
    espalier_error *error;
    espalier_flat *flat;
    uint32_t *column_of; /* [feature * 2 + missing left] */
    espalier_place_item *stack;
    espalier_leaf_table leaves;
    uint64_t position_count;
    uint32_t source_nodes_max; /* of the largest tree */
    uint32_t positions_max;
} flattening;

static espalier_status fail_memory(const flattening *work, const char *what)
{
    return espalier_error_set(work->error, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                              "%s: no memory for the model's %s", work->source, what);
}

static espalier_status fail_limit(const flattening *work, const char *what, uint64_t count,
                                  uint64_t limit)
{
    return espalier_error_set(work->error, ESPALIER_ERROR_LIMIT, 0, ESPALIER_OFFSET_NONE,
                              "%s: %llu %s; a model has at most %llu", work->source,
                              (unsigned long long)count, what, (unsigned long long)limit);
}

/* A zeroed table of count records, or NULL. */
static void *make_table(espalier_flat_bytes *section, uint64_t count, size_t record_bytes)
{
    void *const data = calloc((size_t)count, record_bytes);
    if (data != NULL) {
        section->data = data;
        section->bytes = count * record_bytes;
    }
    return data;
}

/* ---- tables ---- */

static espalier_status check_limits(const flattening *work)
{
    const espalier_forest *const forest = work->forest;
    const uint64_t slots = (uint64_t)forest->leaf_width * (forest->normalise ? 2 : 1);
    if (forest->feature_count > ESPALIER_LIMIT_FEATURES) {
        return fail_limit(work, "features", forest->feature_count, ESPALIER_LIMIT_FEATURES);
    }
    if (forest->tree_count > ESPALIER_LIMIT_TREES) {
        return fail_limit(work, "trees", forest->tree_count, ESPALIER_LIMIT_TREES);
    }
    if (slots > ESPALIER_LIMIT_SLOTS) {
        return fail_limit(work, "values per row", slots, ESPALIER_LIMIT_SLOTS);
    }
    if (forest->group_count > ESPALIER_LIMIT_STAGES) {
        return fail_limit(work, "outputs", forest->group_count, ESPALIER_LIMIT_STAGES);
    }
    return ESPALIER_OK;
}

/* The columns that some node tests, sorted by feature, then direction; column 0 is for leaves. */
static espalier_status make_columns(flattening *work)
{
    const espalier_forest *const forest = work->forest;
    const uint64_t key_count = (uint64_t)forest->feature_count * 2;
    work->column_of = calloc((size_t)key_count, sizeof *work->column_of);
    if (work->column_of == NULL) {
        return fail_memory(work, "columns");
    }
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] != ESPALIER_FOREST_LEAF) {
            const size_t goes_left = forest->missing_allowed && forest->missing_left[i] != 0;
            work->column_of[(size_t)forest->feature[i] * 2 + goes_left] = 1;
        }
    }
    uint64_t count = 1;
    for (uint64_t key = 0; key < key_count; key++) {
        count += work->column_of[key];
    }
    if (count > ESPALIER_LIMIT_COLUMNS) {
        return fail_limit(work, "columns", count, ESPALIER_LIMIT_COLUMNS);
    }
    espalier_file_column *const columns = make_table(&work->flat->columns, count, sizeof *columns);
    if (columns == NULL) {
        return fail_memory(work, "columns");
    }
    columns[0].kind = ESPALIER_COLUMN_LEAF;
    columns[0].bank = ESPALIER_BANK_FLOAT;
    uint32_t next = 1;
    for (uint64_t key = 0; key < key_count; key++) {
        if (work->column_of[key] != 0) {
            columns[next].kind = ESPALIER_COLUMN_FEATURE;
            columns[next].bank = ESPALIER_BANK_FLOAT;
            columns[next].feature = (uint32_t)(key / 2);
            columns[next].missing = key % 2 != 0 ? ESPALIER_MISSING_LEFT : ESPALIER_MISSING_RIGHT;
            work->column_of[key] = next++;
        }
    }
    return ESPALIER_OK;
}

/* Gives every tree its place, and finds the largest one. */
static espalier_status make_trees(flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_file_tree *const trees =
        make_table(&work->flat->trees, forest->tree_count, sizeof *trees);
    if (trees == NULL) {
        return fail_memory(work, "trees");
    }
    espalier_file_model *const model = &work->flat->model;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        const espalier_forest_tree *const tree = &forest->trees[i];
        const uint64_t positions = espalier_place_positions(tree->node_count);
        const uint64_t limit = UINT64_C(1) << ESPALIER_LIMIT_CHILD_BITS_MAX;
        if (positions > limit) {
            return fail_limit(work, "nodes in one tree", tree->node_count, limit - 1);
        }
        trees[i] = (espalier_file_tree){
            .first_node = work->position_count,
            .node_count = (uint32_t)positions,
            .source_node_count = tree->node_count,
            .depth = tree->depth,
            .number = i,
            .iteration = i,
        };
        work->position_count += positions;
        model->visits_per_row += tree->depth;
        model->node_count += tree->node_count;
        if (tree->node_count > work->source_nodes_max) {
            work->source_nodes_max = tree->node_count;
            work->positions_max = (uint32_t)positions;
        }
    }
    if (model->visits_per_row > ESPALIER_LIMIT_VISITS_DEFAULT) {
        return fail_limit(work, "nodes on the longest ways of all trees", model->visits_per_row,
                          ESPALIER_LIMIT_VISITS_DEFAULT);
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

/* The narrowest width that holds every node number; 0 when counting in preorder gives them. */
static uint32_t count_number_bytes(const flattening *work)
{
    const espalier_forest *const forest = work->forest;
    bool is_preorder = true;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        is_preorder = is_preorder && forest->trees[i].preorder;
    }
    if (is_preorder) {
        return 0;
    }
    const uint32_t number_max = work->source_nodes_max - 1;
    return number_max <= UINT8_MAX ? 1 : number_max <= UINT16_MAX ? 2 : 4;
}

static void fill_model_and_part(flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_flat *const flat = work->flat;
    espalier_file_model *const model = &flat->model;
    model->feature_count = forest->feature_count;
    model->slot_count = forest->leaf_width * (forest->normalise ? 2 : 1);
    model->input_rule =
        ESPALIER_INPUT_FLOAT32 | (forest->missing_allowed ? ESPALIER_INPUT_MISSING_ALLOWED : 0);
    model->default_output = forest->classifier ? ESPALIER_OUTPUT_CLASS : ESPALIER_OUTPUT_VALUE;
    model->group_count = forest->group_count;
    model->number_bytes = count_number_bytes(work);

    const uint64_t column_count = flat->columns.bytes / sizeof(espalier_file_column);
    const uint32_t child_bits = count_child_bits(work->positions_max);
    const bool fits = column_count <= UINT64_C(1) << (32 - child_bits);
    const bool divides = forest->divide == ESPALIER_FOREST_DIVIDE_TREES;
    flat->part = (espalier_file_part){
        .layout = ESPALIER_FILE_WALK,
        .node_bytes = fits ? sizeof(espalier_file_node) : sizeof(espalier_file_node_wide),
        .child_bits = child_bits,
        .accumulator = ESPALIER_ACCUMULATOR_FLOAT64,
        .aggregate = ESPALIER_AGGREGATE_SUM,
        .leaf_width = forest->leaf_width,
        .slot_count = forest->leaf_width,
        .tree_count = forest->tree_count,
        .divisor = divides ? ESPALIER_DIVISOR_ITERATIONS : ESPALIER_DIVISOR_NONE,
        .iteration_count = forest->tree_count,
        .default_iteration_count = forest->tree_count,
        .bank = ESPALIER_BANK_FLOAT,
    };
}

/* ---- plan ---- */

static espalier_status make_stages(flattening *work)
{
    const espalier_forest *const forest = work->forest;
    if (!forest->normalise) {
        return ESPALIER_OK;
    }
    espalier_file_stage *const stages =
        make_table(&work->flat->stages, forest->group_count, sizeof *stages);
    if (stages == NULL) {
        return fail_memory(work, "stages");
    }
    uint32_t slot = 0;
    for (uint32_t group = 0; group < forest->group_count; group++) {
        stages[group].operation = ESPALIER_STAGE_NORMALISE;
        stages[group].input_slot = slot;
        stages[group].output_slot = forest->leaf_width + slot;
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

/* A classifier decides on what its trees add up to; probabilities may be normalised first. */
static espalier_status make_outputs(flattening *work)
{
    const espalier_forest *const forest = work->forest;
    const uint64_t count = forest->classifier ? (uint64_t)forest->group_count * 2 + 1 : 2;
    espalier_file_output *const outputs = make_table(&work->flat->outputs, count, sizeof *outputs);
    if (outputs == NULL) {
        return fail_memory(work, "outputs");
    }
    uint32_t slot = 0;
    for (uint32_t group = 0; forest->classifier && group < forest->group_count; group++) {
        const uint32_t width = forest->group_width[group];
        outputs[group] = (espalier_file_output){
            .kind = ESPALIER_OUTPUT_PROBABILITY,
            .group = group,
            .dtype = ESPALIER_DTYPE_FLOAT64,
            .first_slot = slot + (forest->normalise ? forest->leaf_width : 0),
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
    if (!forest->classifier) {
        outputs[0].kind = ESPALIER_OUTPUT_VALUE;
        outputs[0].dtype = ESPALIER_DTYPE_FLOAT64;
        outputs[0].slot_count = forest->leaf_width;
    }
    outputs[count - 1].kind = ESPALIER_OUTPUT_LEAF;
    outputs[count - 1].dtype = ESPALIER_DTYPE_INT64;
    return ESPALIER_OK;
}

/* ---- nodes and leaves ---- */

static espalier_status place_trees(flattening *work)
{
    const espalier_forest *const forest = work->forest;
    espalier_flat *const flat = work->flat;
    const uint64_t number_bytes = flat->model.number_bytes;
    const uint64_t node_bytes = flat->part.node_bytes;
    if (work->position_count > ESPALIER_LIMIT_FILE_BYTES / node_bytes) {
        return fail_limit(work, "nodes", work->position_count,
                          ESPALIER_LIMIT_FILE_BYTES / node_bytes);
    }
    /* Every position is written; no need to zero. */
    flat->nodes.bytes = work->position_count * node_bytes;
    flat->nodes.data = malloc(flat->nodes.bytes);
    flat->node_numbers.bytes = work->position_count * number_bytes;
    flat->node_numbers.data = number_bytes != 0 ? malloc(flat->node_numbers.bytes) : NULL;
    work->stack = malloc(((size_t)work->source_nodes_max / 2 + 8) * sizeof *work->stack);
    espalier_status status =
        espalier_leaf_table_init(&work->leaves, forest->leaf_values, forest->leaf_width);
    if (flat->nodes.data == NULL || work->stack == NULL || status != ESPALIER_OK ||
        (number_bytes != 0 && flat->node_numbers.data == NULL)) {
        return fail_memory(work, "nodes");
    }
    const espalier_placer placer = {
        .forest = forest,
        .column_of = work->column_of,
        .leaves = &work->leaves,
        .stack = work->stack,
        .node_bytes = flat->part.node_bytes,
        .child_bits = flat->part.child_bits,
        .number_bytes = flat->model.number_bytes,
    };
    const espalier_file_tree *const trees = flat->trees.data;
    uint8_t *const nodes = flat->nodes.data;
    uint8_t *const numbers = flat->node_numbers.data;
    for (uint32_t i = 0; i < forest->tree_count && status == ESPALIER_OK; i++) {
        const uint64_t first = trees[i].first_node;
        status = espalier_place_tree(&placer, &forest->trees[i], nodes + first * node_bytes,
                                     number_bytes != 0 ? numbers + first * number_bytes : NULL);
    }
    return status == ESPALIER_ERROR_MEMORY ? fail_memory(work, "leaves")
           : status == ESPALIER_ERROR_LIMIT
               ? fail_limit(work, "distinct leaves", (uint64_t)work->leaves.count + 1,
                            ESPALIER_LIMIT_LEAVES)
               : status;
}

/* The leaves of the trees, repeated ones counted each time. */
static uint64_t count_leaves(const espalier_forest *forest)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        count += ((uint64_t)forest->trees[i].node_count + 1) / 2;
    }
    return count;
}

/*
 * Sharing rows costs locality: a leaf's values no longer lie in the order in which leaves are
 * reached. It has to save an eighth of the rows.
 */
static bool sharing_pays(uint64_t leaf_count, uint64_t distinct_count)
{
    return leaf_count > ESPALIER_LIMIT_LEAVES || (leaf_count - distinct_count) * 8 >= leaf_count;
}

static void copy_row(const flattening *work, double *to, uint64_t row)
{
    const size_t width = work->forest->leaf_width;
    memcpy(to, work->forest->leaf_values + row * width, width * sizeof *to);
}

/* Gives every leaf a row of its own, in the order of the positions. */
static void unshare_leaves(flattening *work, double *values)
{
    espalier_flat *const flat = work->flat;
    const espalier_file_tree *const trees = flat->trees.data;
    const uint64_t stride = flat->part.node_bytes;
    uint32_t next = 0;
    for (uint32_t i = 0; i < work->forest->tree_count; i++) {
        uint8_t *const nodes = (uint8_t *)flat->nodes.data + trees[i].first_node * stride;
        /* A tree of n nodes fills position 0 and positions 2 to n. */
        const uint64_t end = (uint64_t)trees[i].source_node_count + 1;
        for (uint64_t position = 0; position < end; position++) {
            espalier_file_node node; /* a wide node begins with the same threshold */
            memcpy(&node, nodes + position * stride, sizeof node);
            const bool wide = stride == sizeof(espalier_file_node_wide);
            const uint32_t mask = wide ? UINT32_MAX : (UINT32_C(1) << flat->part.child_bits) - 1;
            if ((node.word & mask) == position && position != 1) {
                const uint32_t shared = node.threshold - ESPALIER_LEAF_BIAS;
                copy_row(work, values + (uint64_t)next * flat->part.leaf_width,
                         work->leaves.rows[shared]);
                node.threshold = next++ + ESPALIER_LEAF_BIAS;
                memcpy(nodes + position * stride, &node, sizeof node);
            }
        }
    }
}

static espalier_status make_leaves(flattening *work)
{
    espalier_flat *const flat = work->flat;
    const uint64_t width = work->forest->leaf_width;
    const uint64_t leaf_count = count_leaves(work->forest);
    const bool shared = sharing_pays(leaf_count, work->leaves.count);
    const uint64_t row_count = shared ? work->leaves.count : leaf_count;
    espalier_leaf_table_close(&work->leaves);
    if (row_count > ESPALIER_LIMIT_FILE_BYTES / sizeof(double) / width) {
        return fail_limit(work, "leaf rows", row_count,
                          ESPALIER_LIMIT_FILE_BYTES / sizeof(double) / width);
    }
    double *const values = malloc(row_count * width * sizeof *values);
    if (values == NULL) {
        return fail_memory(work, "leaves");
    }
    if (shared) {
        for (uint64_t i = 0; i < row_count; i++) {
            copy_row(work, values + i * width, work->leaves.rows[i]);
        }
    } else {
        unshare_leaves(work, values);
    }
    flat->leaves = (espalier_flat_bytes){values, row_count * width * sizeof *values};
    flat->part.leaf_count = (uint32_t)row_count;
    return ESPALIER_OK;
}

/*
 * A single tree's answer is its leaf as it is, so -0.0 has to stay -0.0. It does when the sum
 * starts from -0.0, which changes no number it is added to; a forest's sum starts from 0.0.
 */
static espalier_status make_start(flattening *work)
{
    espalier_flat *const flat = work->flat;
    const double *const values = flat->leaves.data;
    const uint64_t count = flat->leaves.bytes / sizeof *values;
    bool is_needed = false;
    for (uint64_t i = 0; i < count && !is_needed; i++) {
        is_needed = values[i] == 0.0 && signbit(values[i]) != 0;
    }
    if (!is_needed || work->forest->divide != ESPALIER_FOREST_DIVIDE_NONE) {
        return ESPALIER_OK;
    }
    double *const constants =
        make_table(&flat->constants, flat->part.slot_count, sizeof *constants);
    if (constants == NULL) {
        return fail_memory(work, "constants");
    }
    for (uint32_t i = 0; i < flat->part.slot_count; i++) {
        constants[i] = -0.0;
    }
    flat->part.start = ESPALIER_START_CONSTANTS;
    return ESPALIER_OK;
}

static espalier_status make_names(flattening *work)
{
    espalier_status status =
        espalier_flatten_feature_names(work->forest, &work->flat->feature_names);
    if (status == ESPALIER_OK) {
        status = espalier_flatten_labels(work->forest, &work->flat->class_labels);
    }
    return status == ESPALIER_ERROR_MEMORY ? fail_memory(work, "names")
           : status == ESPALIER_ERROR_LIMIT
               ? fail_limit(work, "bytes or more of names", UINT32_MAX, UINT32_MAX)
               : status;
}

espalier_status espalier_flatten(const espalier_forest *forest, const char *source,
                                 espalier_flat *flat_out, espalier_error *error_out)
{
    espalier_flat flat;
    memset(&flat, 0, sizeof flat);
    flattening work = {.forest = forest, .source = source, .error = error_out, .flat = &flat};
    espalier_status (*const before[])(flattening *) = {make_columns, make_trees, make_stages,
                                                       make_outputs, make_names};
    espalier_status (*const after[])(flattening *) = {place_trees, make_leaves, make_start};

    espalier_status status = check_limits(&work);
    for (size_t i = 0; i < sizeof before / sizeof before[0] && status == ESPALIER_OK; i++) {
        status = before[i](&work);
    }
    if (status == ESPALIER_OK) {
        make_steps(&flat);
        fill_model_and_part(&work);
    }
    for (size_t i = 0; i < sizeof after / sizeof after[0] && status == ESPALIER_OK; i++) {
        status = after[i](&work);
    }
    free(work.column_of);
    free(work.stack);
    espalier_leaf_table_free(&work.leaves);
    if (status != ESPALIER_OK) {
        espalier_flat_free(&flat);
        return status;
    }
    *flat_out = flat;
    return ESPALIER_OK;
}

void espalier_flat_free(espalier_flat *flat)
{
    espalier_flat_bytes *const sections[] = {
        &flat->stages,    &flat->outputs,       &flat->columns,      &flat->trees,
        &flat->constants, &flat->feature_names, &flat->class_labels, &flat->nodes,
        &flat->leaves,    &flat->node_numbers,
    };
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        free(sections[i]->data);
    }
    memset(flat, 0, sizeof *flat);
}

uint32_t espalier_flat_sections(const espalier_flat *flat, espalier_writer_section *sections)
{
    const struct {
        uint32_t type;
        uint16_t flags;
        const void *data;
        uint64_t bytes;
    } all[ESPALIER_FLAT_SECTIONS_MAX] = {
        {ESPALIER_SECTION_MODEL, ESPALIER_SECTION_REQUIRED, &flat->model, sizeof flat->model},
        {ESPALIER_SECTION_STEPS, ESPALIER_SECTION_REQUIRED, flat->steps,
         flat->step_count * sizeof flat->steps[0]},
        {ESPALIER_SECTION_PARTS, ESPALIER_SECTION_REQUIRED, &flat->part, sizeof flat->part},
#define FLAT_SECTION(type, flags, field) {type, flags, flat->field.data, flat->field.bytes}
        FLAT_SECTION(ESPALIER_SECTION_STAGES, ESPALIER_SECTION_REQUIRED, stages),
        FLAT_SECTION(ESPALIER_SECTION_OUTPUTS, ESPALIER_SECTION_REQUIRED, outputs),
        FLAT_SECTION(ESPALIER_SECTION_COLUMNS, ESPALIER_SECTION_REQUIRED, columns),
        FLAT_SECTION(ESPALIER_SECTION_TREES, ESPALIER_SECTION_REQUIRED, trees),
        FLAT_SECTION(ESPALIER_SECTION_CONSTANTS, ESPALIER_SECTION_REQUIRED, constants),
        FLAT_SECTION(ESPALIER_SECTION_FEATURE_NAMES, 0, feature_names),
        FLAT_SECTION(ESPALIER_SECTION_CLASS_LABELS, ESPALIER_SECTION_REQUIRED, class_labels),
        FLAT_SECTION(ESPALIER_SECTION_NODES, ESPALIER_SECTION_REQUIRED, nodes),
        FLAT_SECTION(ESPALIER_SECTION_LEAVES, ESPALIER_SECTION_REQUIRED, leaves),
        FLAT_SECTION(ESPALIER_SECTION_NODE_NUMBERS, ESPALIER_SECTION_REQUIRED, node_numbers),
#undef FLAT_SECTION
    };
    uint32_t count = 0;
    for (uint32_t i = 0; i < ESPALIER_FLAT_SECTIONS_MAX; i++) {
        if (all[i].bytes != 0) {
            sections[count++] =
                (espalier_writer_section){all[i].type, all[i].flags, all[i].data, all[i].bytes};
        }
    }
    return count;
}
