// SPDX-License-Identifier: Apache-2.0
/*
 * sklearn.tree._tree.Tree: node records by field name, whatever their layout, and the leaf rows of
 * the values. Padding between and after fields is never looked at: it is uninitialised memory.
 */
#include "convert/sources/sklearn_internal.h"

#include <inttypes.h>
#include <string.h>

/* Nodes decoded at a time: the buffers stay in the first-level cache and on the stack. */
#define NODES_AT_ONCE 512u

/* ---- finding -------------------------------------------------------------------------------- */

typedef struct known_field {
    const char *name;
    const char *kinds; /* NumPy kinds that it may have */
    uint32_t bytes_min;
    uint32_t bytes_max;
    bool required;
} known_field;

static const known_field known_fields[] = {
    {"left_child", "i", 4, 8, true},
    {"right_child", "i", 4, 8, true},
    {"feature", "i", 4, 8, true},
    {"threshold", "f", 8, 8, true},
    {"impurity", "f", 8, 8, false},
    {"n_node_samples", "i", 4, 8, false},
    {"weighted_n_node_samples", "f", 8, 8, false},
    {"missing_go_to_left", "ub", 1, 1, false},
};

#define KNOWN_FIELD_COUNT (sizeof known_fields / sizeof known_fields[0])

static espalier_status refuse_categorical(const espalier_sklearn_import *import,
                                          const espalier_pickle_value *at, const char *evidence)
{
    return espalier_sklearn_fail(import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "categorical splits (scikit-learn 1.10: %s) are not converted",
                                 evidence);
}

static espalier_status check_field(const espalier_sklearn_import *import,
                                   const espalier_pickle_value *at,
                                   const espalier_pickle_field *field)
{
    if (espalier_pickle_slice_equal(field->name, "left_cat_bitset")) {
        return refuse_categorical(import, at, "the node field left_cat_bitset");
    }
    for (size_t i = 0; i < KNOWN_FIELD_COUNT; i++) {
        if (!espalier_pickle_slice_equal(field->name, known_fields[i].name)) {
            continue;
        }
        const espalier_pickle_dtype *const dtype = field->dtype;
        if (strchr(known_fields[i].kinds, dtype->kind) == NULL ||
            dtype->item_bytes < known_fields[i].bytes_min ||
            dtype->item_bytes > known_fields[i].bytes_max) {
            return espalier_sklearn_fail(import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "the node field %s is of dtype %c%" PRIu64,
                                         known_fields[i].name, dtype->kind, dtype->item_bytes);
        }
        return ESPALIER_OK;
    }
    return espalier_sklearn_fail(import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "nodes have a field %.*s that no known version writes",
                                 field->name.bytes > 64 ? 64 : (int)field->name.bytes,
                                 field->name.data);
}

/* Every field is known and every needed one is there. */
static espalier_status check_record(const espalier_sklearn_import *import,
                                    const espalier_pickle_value *at,
                                    const espalier_pickle_array *nodes, bool *missing_recorded)
{
    for (uint32_t i = 0; i < nodes->form->dtype->field_count; i++) {
        const espalier_status status = check_field(import, at, &nodes->form->dtype->fields[i]);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    espalier_pickle_view view;
    for (size_t i = 0; i < KNOWN_FIELD_COUNT; i++) {
        if (known_fields[i].required &&
            !espalier_pickle_view_field(nodes, known_fields[i].name, &view)) {
            return espalier_sklearn_fail(import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "nodes have no field %s", known_fields[i].name);
        }
    }
    *missing_recorded = espalier_pickle_view_field(nodes, "missing_go_to_left", &view);
    return ESPALIER_OK;
}

/* Tree(n_features, n_classes, n_outputs): what the tree says it is, against what the forest is. */
static espalier_status check_arguments(const espalier_sklearn_import *import,
                                       const espalier_pickle_value *tree)
{
    const espalier_pickle_value *const args = espalier_pickle_args(tree);
    const size_t count = args == NULL ? 0 : espalier_pickle_item_count(args);
    if (count == 4) {
        return refuse_categorical(import, tree, "a Tree of four arguments");
    }
    if (count != 3) {
        return espalier_sklearn_fail(import, tree, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a Tree of %zu arguments", count);
    }
    int64_t features = 0;
    int64_t outputs = 0;
    if (!espalier_pickle_get_int64(espalier_pickle_item(args, 0), &features) ||
        !espalier_pickle_get_int64(espalier_pickle_item(args, 2), &outputs) ||
        features != import->tree_features || outputs != import->tree_outputs) {
        return espalier_sklearn_fail(import, tree, ESPALIER_ERROR_SOURCE_TREE,
                                     "the tree is of %" PRId64 " features and %" PRId64
                                     " outputs, its estimator of %" PRIu32 " and %" PRIu32,
                                     features, outputs, import->tree_features,
                                     import->tree_outputs);
    }
    const espalier_pickle_array *const widths =
        espalier_pickle_get_array(espalier_pickle_item(args, 1));
    if (widths == NULL || widths->form->dim_count != 1 ||
        widths->form->element_count != import->tree_outputs) {
        return espalier_sklearn_fail(import, tree, ESPALIER_ERROR_SOURCE_TREE,
                                     "the tree's n_classes is no array of one number an output");
    }
    for (uint32_t group = 0; group < import->tree_outputs; group++) {
        int64_t width = 0;
        if (!espalier_pickle_array_int64(widths, group, &width) ||
            width != import->tree_widths[group]) {
            return espalier_sklearn_fail(import, tree, ESPALIER_ERROR_SOURCE_TREE,
                                         "output %" PRIu32 " has %" PRId64
                                         " classes in the tree, %" PRIu32 " in its estimator",
                                         group, width, import->tree_widths[group]);
        }
    }
    return ESPALIER_OK;
}

/* nodes and values: one record and one row of values a node. */
static espalier_status check_shapes(const espalier_sklearn_import *import,
                                    const espalier_sklearn_tree *tree, int64_t node_count)
{
    const espalier_pickle_array *const nodes = tree->nodes;
    const espalier_pickle_array *const values = tree->values;
    if (nodes == NULL || nodes->form->dim_count != 1 || nodes->form->dtype->field_count == 0 ||
        nodes->data == NULL) {
        return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_TREE,
                                     "nodes is no one-dimensional array of records");
    }
    if (node_count < 1 || node_count >= INT32_MAX ||
        (uint64_t)node_count != nodes->form->shape[0]) {
        return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_TREE,
                                     "node_count is %" PRId64 ", but there are %" PRIu64
                                     " node records",
                                     node_count, nodes->form->shape[0]);
    }
    if (values == NULL || values->form->dim_count != 3 || values->form->dtype->kind != 'f' ||
        values->form->dtype->item_bytes != 8) {
        return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_TREE,
                                     "values is no three-dimensional array of float64");
    }
    if (values->form->shape[0] != (uint64_t)node_count ||
        values->form->shape[1] != import->tree_outputs ||
        values->form->shape[2] != import->class_count_max) {
        return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_TREE,
                                     "values has the shape (%" PRIu64 ", %" PRIu64 ", %" PRIu64
                                     "), not (%" PRId64 ", %" PRIu32 ", %" PRIu32 ")",
                                     values->form->shape[0], values->form->shape[1],
                                     values->form->shape[2], node_count, import->tree_outputs,
                                     import->class_count_max);
    }
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_find_tree(const espalier_sklearn_import *import,
                                           const espalier_pickle_value *estimator,
                                           espalier_sklearn_tree *tree)
{
    const espalier_pickle_value *nodes = NULL;
    const espalier_pickle_value *values = NULL;
    const espalier_pickle_value *count = NULL;
    int64_t node_count = 0;
    *tree = (espalier_sklearn_tree){0};
    espalier_status status =
        espalier_sklearn_attribute(import, estimator, "tree_", true, &tree->object);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (!espalier_pickle_is(tree->object, "sklearn.tree._tree", "Tree")) {
        return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "tree_ is no sklearn.tree._tree.Tree");
    }
    status = check_arguments(import, tree->object);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, tree->object, "nodes", true, &nodes);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, tree->object, "values", true, &values);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_attribute(import, tree->object, "node_count", true, &count);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    if (!espalier_pickle_get_int64(count, &node_count)) {
        node_count = -1;
    }
    tree->nodes = espalier_pickle_get_array(nodes);
    tree->values = espalier_pickle_get_array(values);
    status = check_shapes(import, tree, node_count);
    if (status == ESPALIER_OK) {
        tree->node_count = (uint32_t)node_count;
        status = check_record(import, tree->object, tree->nodes, &tree->missing_recorded);
    }
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Views of the fields; count 0 for one that is not there. */
typedef struct node_views {
    espalier_pickle_view left;
    espalier_pickle_view right;
    espalier_pickle_view feature;
    espalier_pickle_view threshold;
    espalier_pickle_view cover;
    espalier_pickle_view missing;
} node_views;

typedef struct node_block {
    int64_t left[NODES_AT_ONCE];
    int64_t right[NODES_AT_ONCE];
    int64_t feature[NODES_AT_ONCE];
} node_block;

static espalier_status fail_record(const espalier_sklearn_import *import,
                                   const espalier_sklearn_tree *tree, uint32_t node,
                                   const char *cause, int64_t number)
{
    return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_TREE,
                                 "node %" PRIu32 " of %" PRIu32 ": %s %" PRId64, node,
                                 tree->node_count, cause, number);
}

/* What the tree counted at its nodes. */
static espalier_forest_cover find_views(const espalier_sklearn_tree *tree, node_views *views)
{
    *views = (node_views){0};
    (void)espalier_pickle_view_field(tree->nodes, "left_child", &views->left);
    (void)espalier_pickle_view_field(tree->nodes, "right_child", &views->right);
    (void)espalier_pickle_view_field(tree->nodes, "feature", &views->feature);
    (void)espalier_pickle_view_field(tree->nodes, "threshold", &views->threshold);
    if (tree->missing_recorded) {
        (void)espalier_pickle_view_field(tree->nodes, "missing_go_to_left", &views->missing);
    }
    if (espalier_pickle_view_field(tree->nodes, "weighted_n_node_samples", &views->cover)) {
        return ESPALIER_FOREST_COVER_WEIGHTS;
    }
    return espalier_pickle_view_field(tree->nodes, "n_node_samples", &views->cover)
               ? ESPALIER_FOREST_COVER_ROWS
               : ESPALIER_FOREST_COVER_NONE;
}

/* The plain columns go straight into the forest; the others into the block, to be checked. */
static bool decode_block(espalier_forest *forest, const node_views *views, uint64_t at,
                         uint32_t first, uint32_t count, node_block *block)
{
    return espalier_pickle_view_int64s(&views->left, first, count, block->left) &&
           espalier_pickle_view_int64s(&views->right, first, count, block->right) &&
           espalier_pickle_view_int64s(&views->feature, first, count, block->feature) &&
           espalier_pickle_view_doubles(&views->threshold, first, count, &forest->threshold[at]) &&
           (views->cover.count == 0 ||
            espalier_pickle_view_doubles(&views->cover, first, count, &forest->cover[at])) &&
           (views->missing.count == 0 ||
            espalier_pickle_view_uint8s(&views->missing, first, count, &forest->missing_left[at]));
}

/* The leaf's row of values: of each output as many as it has classes. */
static bool read_leaf_row(const espalier_sklearn_import *import, const espalier_sklearn_tree *tree,
                          uint32_t node, double *out)
{
    espalier_pickle_view view;
    if (!espalier_pickle_view_array(tree->values, &view)) {
        return false;
    }
    for (uint32_t group = 0; group < import->tree_outputs; group++) {
        const uint64_t first =
            ((uint64_t)node * import->tree_outputs + group) * import->class_count_max;
        if (!espalier_pickle_view_doubles(&view, first, import->tree_widths[group], out)) {
            return false;
        }
        out += import->tree_widths[group];
    }
    return true;
}

/* What a leaf's record says beyond its children is uninitialised in some versions: put zeros. */
static espalier_status place_leaf(const espalier_sklearn_import *import,
                                  const espalier_sklearn_tree *tree,
                                  const espalier_forest_tree *place, uint32_t node, uint32_t leaf)
{
    espalier_forest *const forest = import->forest;
    const uint64_t at = place->first_node + node;
    if (leaf >= place->leaf_count) {
        return fail_record(import, tree, node, "too many leaves for a tree of this size; leaf",
                           leaf);
    }
    forest->left[at] = ESPALIER_FOREST_LEAF;
    forest->right[at] = leaf;
    forest->feature[at] = 0;
    forest->threshold[at] = 0;
    forest->missing_left[at] = 0;
    if (!read_leaf_row(import, tree, node,
                       &forest->leaf_values[(place->first_leaf + leaf) * forest->leaf_width])) {
        return fail_record(import, tree, node, "its values cannot be read; leaf", leaf);
    }
    return ESPALIER_OK;
}

static espalier_status place_split(const espalier_sklearn_import *import,
                                   const espalier_sklearn_tree *tree, uint64_t at, uint32_t node,
                                   int64_t left, int64_t right, int64_t feature)
{
    espalier_forest *const forest = import->forest;
    if (left < 0 || left >= tree->node_count) {
        return fail_record(import, tree, node, "the left child is out of range:", left);
    }
    if (right < 0 || right >= tree->node_count) {
        return fail_record(import, tree, node, "the right child is out of range:", right);
    }
    if (feature < 0 || feature >= import->tree_features) {
        return fail_record(import, tree, node, "there is no feature", feature);
    }
    if (forest->missing_left[at] > 1) {
        return fail_record(import, tree, node,
                           "missing_go_to_left is neither 0 nor 1:", forest->missing_left[at]);
    }
    forest->left[at] = (uint32_t)left;
    forest->right[at] = (uint32_t)right;
    forest->feature[at] = (uint32_t)feature;
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_read_tree(const espalier_sklearn_import *import,
                                           const espalier_sklearn_tree *tree, uint32_t index)
{
    espalier_forest *const forest = import->forest;
    const espalier_forest_tree *const place = &forest->trees[index];
    node_views views;
    node_block block;
    forest->cover_unit = find_views(tree, &views);
    uint32_t leaf = 0;
    espalier_status status = ESPALIER_OK;
    for (uint32_t first = 0; first < tree->node_count && status == ESPALIER_OK;
         first += NODES_AT_ONCE) {
        const uint32_t left_over = tree->node_count - first;
        const uint32_t count = left_over < NODES_AT_ONCE ? left_over : NODES_AT_ONCE;
        const uint64_t at = place->first_node + first;
        if (!decode_block(forest, &views, at, first, count, &block)) {
            return fail_record(import, tree, first, "the records cannot be read; nodes:", count);
        }
        for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
            if (block.left[i] != -1) {
                status = place_split(import, tree, at + i, first + i, block.left[i], block.right[i],
                                     block.feature[i]);
            } else if (block.right[i] != -1) {
                status = fail_record(import, tree, first + i, "no left child, but the right child",
                                     block.right[i]);
            } else {
                status = place_leaf(import, tree, place, first + i, leaf++);
            }
        }
    }
    if (status == ESPALIER_OK && leaf != place->leaf_count) {
        return fail_record(import, tree, 0, "too few leaves for a tree of this size:", leaf);
    }
    return status;
}
