// SPDX-License-Identifier: Apache-2.0
/*
 * HistGradientBoostingClassifier and HistGradientBoostingRegressor: TreePredictors, whose records
 * are packed and differ by version; they are read by field name. Features are compared in float64.
 * See sklearn_internal.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_categories.h"
#include "convert/sources/sklearn_internal.h"

#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Nodes decoded at a time: the buffers stay in the first-level cache and on the stack. */
#define NODES_AT_ONCE 512u

/* ---- the record ----------------------------------------------------------------------------- */

/* What is read of a node. The others (gain, depth, bin_threshold) say no more. */
typedef struct predictor_views {
    espalier_pickle_view value;
    espalier_pickle_view count;
    espalier_pickle_view feature;
    espalier_pickle_view threshold;
    espalier_pickle_view missing_left;
    espalier_pickle_view left;
    espalier_pickle_view right;
    espalier_pickle_view is_leaf;
    espalier_pickle_view is_categorical; /* count 0 before 0.24 */
    espalier_pickle_view bitset;         /* likewise */
} predictor_views;

/* One tree's `nodes`. */
typedef struct predictor {
    const espalier_pickle_value *object;
    const espalier_sklearn_categories *categories;
    predictor_views views;
    espalier_pickle_view bitsets; /* count 0: none */
    uint32_t node_count;
} predictor;

typedef struct predictor_block {
    double value[NODES_AT_ONCE];
    int64_t feature[NODES_AT_ONCE];
    int64_t left[NODES_AT_ONCE];
    int64_t right[NODES_AT_ONCE];
    uint8_t is_leaf[NODES_AT_ONCE];
    uint8_t is_categorical[NODES_AT_ONCE];
    int64_t bitset[NODES_AT_ONCE];
} predictor_block;

static bool find_views(const espalier_pickle_array *nodes, predictor_views *views)
{
    (void)espalier_pickle_view_field(nodes, "is_categorical", &views->is_categorical);
    (void)espalier_pickle_view_field(nodes, "bitset_idx", &views->bitset);
    return espalier_pickle_view_field(nodes, "value", &views->value) &&
           espalier_pickle_view_field(nodes, "count", &views->count) &&
           espalier_pickle_view_field(nodes, "feature_idx", &views->feature) &&
           (espalier_pickle_view_field(nodes, "num_threshold", &views->threshold) ||
            espalier_pickle_view_field(nodes, "threshold", &views->threshold)) &&
           espalier_pickle_view_field(nodes, "missing_go_to_left", &views->missing_left) &&
           espalier_pickle_view_field(nodes, "left", &views->left) &&
           espalier_pickle_view_field(nodes, "right", &views->right) &&
           espalier_pickle_view_field(nodes, "is_leaf", &views->is_leaf);
}

/* Every field is one that a known version writes: another might mean another kind of split. */
static espalier_status check_fields(const espalier_sklearn_import *import,
                                    const espalier_pickle_value *at,
                                    const espalier_pickle_array *nodes)
{
    static const char *const known[] = {"value",         "count",         "feature_idx",
                                        "num_threshold", "threshold",     "missing_go_to_left",
                                        "left",          "right",         "gain",
                                        "depth",         "is_leaf",       "bin_threshold",
                                        "bitset_idx",    "is_categorical"};
    for (uint32_t i = 0; i < nodes->form->dtype->field_count; i++) {
        const espalier_pickle_slice name = nodes->form->dtype->fields[i].name;
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0] && !found; k++) {
            found = espalier_pickle_slice_equal(name, known[k]);
        }
        if (!found) {
            return espalier_sklearn_fail(import, at, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "nodes have a field %.*s that no known version writes",
                                         name.bytes > 64 ? 64 : (int)name.bytes, name.data);
        }
    }
    return ESPALIER_OK;
}

/* ---- finding -------------------------------------------------------------------------------- */

/* The predictor of an iteration and a column, *path at its nodes; the caller cuts the path. */
static espalier_status find_predictor(espalier_sklearn_import *import,
                                      const espalier_pickle_value *iterations, uint32_t iteration,
                                      uint32_t column, predictor *out)
{
    const espalier_pickle_value *nodes = NULL;
    *out = (predictor){0};
    espalier_source_path_attribute(&import->path, "_predictors");
    espalier_source_path_item(&import->path, iteration);
    espalier_source_path_item(&import->path, column);
    out->object = espalier_pickle_item(espalier_pickle_item(iterations, iteration), column);
    if (!espalier_pickle_is(out->object, "sklearn.ensemble._hist_gradient_boosting.predictor",
                            "TreePredictor")) {
        return espalier_sklearn_fail(import, iterations, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "there is no TreePredictor of scikit-learn");
    }
    espalier_status status = espalier_sklearn_attribute(import, out->object, "nodes", true, &nodes);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_source_path_attribute(&import->path, "nodes");
    const espalier_pickle_array *const array = espalier_pickle_get_array(nodes);
    if (array == NULL || array->form->dim_count != 1 || array->form->dtype->field_count == 0 ||
        array->data == NULL || array->form->element_count == 0 ||
        array->form->element_count >= INT32_MAX) {
        return espalier_sklearn_fail(import, nodes, ESPALIER_ERROR_SOURCE_TREE,
                                     "this is no one-dimensional array of records");
    }
    status = check_fields(import, nodes, array);
    if (status == ESPALIER_OK && !find_views(array, &out->views)) {
        return espalier_sklearn_fail(import, nodes, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "the records lack a field that every version writes");
    }
    out->node_count = (uint32_t)array->form->element_count;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_find_bitsets(import, out->object, &out->bitsets);
    }
    return status;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static espalier_status fail_node(const espalier_sklearn_import *import, const predictor *tree,
                                 uint32_t node, const char *cause, int64_t number)
{
    return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_TREE,
                                 "node %" PRIu32 ": %s %" PRId64, node, cause, number);
}

static bool decode_block(espalier_forest *forest, const predictor_views *views, uint64_t at,
                         uint32_t first, uint32_t count, predictor_block *block)
{
    memset(block->is_categorical, 0, sizeof block->is_categorical);
    memset(block->bitset, 0xFF, sizeof block->bitset);
    return espalier_pickle_view_doubles(&views->value, first, count, block->value) &&
           espalier_pickle_view_int64s(&views->feature, first, count, block->feature) &&
           espalier_pickle_view_int64s(&views->left, first, count, block->left) &&
           espalier_pickle_view_int64s(&views->right, first, count, block->right) &&
           espalier_pickle_view_uint8s(&views->is_leaf, first, count, block->is_leaf) &&
           (views->is_categorical.count == 0 ||
            espalier_pickle_view_uint8s(&views->is_categorical, first, count,
                                        block->is_categorical)) &&
           (views->bitset.count == 0 ||
            espalier_pickle_view_int64s(&views->bitset, first, count, block->bitset)) &&
           espalier_pickle_view_doubles(&views->threshold, first, count, &forest->threshold[at]) &&
           espalier_pickle_view_doubles(&views->count, first, count, &forest->cover[at]) &&
           espalier_pickle_view_uint8s(&views->missing_left, first, count,
                                       &forest->missing_left[at]);
}

static espalier_status place_leaf(const espalier_sklearn_import *import, const predictor *tree,
                                  const espalier_forest_tree *place, uint32_t node, uint32_t leaf,
                                  double value)
{
    espalier_forest *const forest = import->forest;
    const uint64_t at = place->first_node + node;
    if (leaf >= place->leaf_count) {
        return fail_node(import, tree, node, "too many leaves for a tree of this size; leaf", leaf);
    }
    forest->left[at] = ESPALIER_FOREST_LEAF;
    forest->right[at] = leaf;
    forest->feature[at] = 0;
    forest->threshold[at] = 0;
    forest->missing_left[at] = 0;
    forest->leaf_values[place->first_leaf + leaf] = value;
    return ESPALIER_OK;
}

static espalier_status place_split(espalier_sklearn_import *import, const predictor *tree,
                                   uint64_t at, uint32_t node, const predictor_block *block,
                                   uint32_t i)
{
    espalier_forest *const forest = import->forest;
    if (block->left[i] < 0 || block->left[i] >= tree->node_count) {
        return fail_node(import, tree, node, "the left child is out of range:", block->left[i]);
    }
    if (block->right[i] < 0 || block->right[i] >= tree->node_count) {
        return fail_node(import, tree, node, "the right child is out of range:", block->right[i]);
    }
    if (block->feature[i] < 0 || block->feature[i] >= forest->feature_count) {
        return fail_node(import, tree, node, "there is no feature", block->feature[i]);
    }
    if (forest->missing_left[at] > 1) {
        return fail_node(import, tree, node,
                         "missing_go_to_left is neither 0 nor 1:", forest->missing_left[at]);
    }
    forest->left[at] = (uint32_t)block->left[i];
    forest->right[at] = (uint32_t)block->right[i];
    const uint32_t feature = (uint32_t)block->feature[i];
    const uint32_t *const feature_of = tree->categories->feature_of;
    forest->feature[at] = feature_of != NULL ? feature_of[feature] : feature;
    return block->is_categorical[i] == 0
               ? ESPALIER_OK
               : espalier_sklearn_add_set(import, tree->categories, tree->object, &tree->bitsets,
                                          block->bitset[i], feature, at);
}

static espalier_status read_predictor(espalier_sklearn_import *import, const predictor *tree,
                                      uint32_t index)
{
    espalier_forest *const forest = import->forest;
    const espalier_forest_tree *const place = &forest->trees[index];
    forest->cover_unit = ESPALIER_FOREST_COVER_ROWS;
    predictor_block block;
    uint32_t leaf = 0;
    espalier_status status = ESPALIER_OK;
    for (uint32_t first = 0; first < tree->node_count && status == ESPALIER_OK;
         first += NODES_AT_ONCE) {
        const uint32_t left_over = tree->node_count - first;
        const uint32_t count = left_over < NODES_AT_ONCE ? left_over : NODES_AT_ONCE;
        const uint64_t at = place->first_node + first;
        if (!decode_block(forest, &tree->views, at, first, count, &block)) {
            return fail_node(import, tree, first, "the records cannot be read; nodes:", count);
        }
        for (uint32_t i = 0; i < count && status == ESPALIER_OK; i++) {
            status = block.is_leaf[i] != 0
                         ? place_leaf(import, tree, place, first + i, leaf++, block.value[i])
                         : place_split(import, tree, at + i, first + i, &block, i);
        }
    }
    if (status == ESPALIER_OK && leaf != place->leaf_count) {
        return fail_node(import, tree, 0, "too few leaves for a tree of this size:", leaf);
    }
    return status;
}

/* ---- trees ---------------------------------------------------------------------------------- */

/* One visit of every predictor: `read` false finds sizes, true reads nodes. */
static espalier_status visit_predictors(espalier_sklearn_import *import,
                                        const espalier_sklearn_categories *categories,
                                        const espalier_pickle_value *iterations, uint32_t columns,
                                        bool read)
{
    const size_t path_bytes = import->path.bytes;
    espalier_status status = ESPALIER_OK;
    for (uint32_t i = 0; i < import->forest->tree_count && status == ESPALIER_OK; i++) {
        predictor tree;
        status = find_predictor(import, iterations, i / columns, i % columns, &tree);
        tree.categories = categories;
        if (status == ESPALIER_OK) {
            status = read ? read_predictor(import, &tree, i)
                          : espalier_sklearn_place_tree(import, tree.object, i, tree.node_count);
        }
        if (status == ESPALIER_OK) {
            espalier_source_path_cut(&import->path, path_bytes);
        }
    }
    return status;
}

/* _predictors: a list of iterations, each a list of a predictor a class (one for two classes). */
static espalier_status read_predictors(espalier_sklearn_import *import,
                                       const espalier_sklearn_categories *categories,
                                       uint32_t columns)
{
    const espalier_pickle_value *iterations;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "_predictors", true, &iterations);
    if (status != ESPALIER_OK) {
        return status;
    }
    const size_t count = espalier_pickle_item_count(iterations);
    if (count == 0 || count > ESPALIER_LIMIT_TREES / columns) {
        return espalier_sklearn_fail(import, iterations, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "_predictors is no list of 1 to %u iterations",
                                     ESPALIER_LIMIT_TREES / columns);
    }
    for (size_t i = 0; i < count; i++) {
        const size_t trees = espalier_pickle_item_count(espalier_pickle_item(iterations, i));
        if (trees != columns) {
            return espalier_sklearn_fail(import, iterations, ESPALIER_ERROR_SOURCE_TREE,
                                         "iteration %zu of _predictors has %zu trees, not %" PRIu32,
                                         i, trees, columns);
        }
    }
    status = espalier_sklearn_allocate_trees(import, (uint32_t)count * columns);
    if (status == ESPALIER_OK) {
        status = visit_predictors(import, categories, iterations, columns, false);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate_nodes(import);
    }
    if (status == ESPALIER_OK) {
        status = visit_predictors(import, categories, iterations, columns, true);
    }
    return status == ESPALIER_OK ? espalier_sklearn_number_stages(import, columns) : status;
}

/* ---- the estimator -------------------------------------------------------------------------- */

/* _baseline_prediction: a number, or one a class in either orientation. */
static espalier_status read_baseline(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const espalier_pickle_value *value;
    void *start = NULL;
    espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "_baseline_prediction", true, &value);
    if (status == ESPALIER_OK) {
        status =
            espalier_sklearn_allocate(import, forest->slot_count, sizeof *forest->start, &start);
        forest->start = start;
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(value);
    bool good = false;
    if (array == NULL) {
        good = forest->slot_count == 1 && espalier_pickle_get_double(value, &forest->start[0]);
    } else {
        /* Sums are kept in the baseline's type. */
        good = array->form->element_count == forest->slot_count &&
               array->form->dtype->kind == 'f' && array->form->dtype->item_bytes == 8;
        for (uint32_t i = 0; i < forest->slot_count && good; i++) {
            good = espalier_pickle_array_double(array, i, &forest->start[i]);
        }
    }
    for (uint32_t i = 0; i < forest->slot_count && good; i++) {
        good = isfinite(forest->start[i]);
        forest->start[i] += 0.0; /* added to zeros: -0.0 does not stay */
    }
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                        "_baseline_prediction is not %" PRIu32
                                        " finite float64 numbers",
                                        forest->slot_count);
}

static const char *const losses[2][10] = {
    {"squared_error", "least_squares", "absolute_error", "least_absolute_deviation", "quantile",
     "poisson", "gamma"},
    {"log_loss", "auto", "binary_crossentropy", "categorical_crossentropy"},
};

espalier_status espalier_sklearn_load_histogram(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    espalier_sklearn_categories categories;
    espalier_status status = espalier_sklearn_open_categories(import, &categories);
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_open_boosting(import, losses[import->class->classifier ? 1 : 0]);
    }
    if (status == ESPALIER_OK) {
        const uint32_t classes = forest->labels != NULL ? forest->labels[0].count : 1;
        if (forest->labels != NULL && classes < 2) {
            return espalier_sklearn_fail(import, import->estimator,
                                         ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "trained on a single class, but predict_proba has two");
        }
        status = read_predictors(import, &categories, classes > 2 ? classes : 1);
    }
    espalier_sklearn_close_categories(&categories);
    if (status == ESPALIER_OK) {
        status = read_baseline(import);
    }
    if (status == ESPALIER_OK) {
        forest->input = ESPALIER_FOREST_INPUT_FLOAT64;
        forest->missing_allowed = true;
        forest->infinite_allowed = true;
        status = espalier_sklearn_link_boosting(import, 0);
    }
    return status;
}
