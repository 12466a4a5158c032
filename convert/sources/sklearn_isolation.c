// SPDX-License-Identifier: Apache-2.0
/*
 * IsolationForest: extra trees whose leaves say how long the path to them is. A leaf holds
 * (depth + c) - 1, with c the mean length of the paths that would still separate its rows; the sum
 * over all trees, by the length that is to be expected, is what scores come from.
 * See sklearn_internal.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_internal.h"

#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EULER_GAMMA 0.5772156649015329

static const uint32_t one_width[1] = {1};

/* The mean length of unsuccessful searches in a tree of that many rows. */
static double find_mean_path(int64_t rows)
{
    if (rows <= 2) {
        return rows == 2 ? 1.0 : 0.0;
    }
    const double less = (double)rows - 1.0;
    return 2.0 * (log(less) + EULER_GAMMA) - 2.0 * less / (double)rows;
}

/* ---- leaves --------------------------------------------------------------------------------- */

/*
 * What 1.3 and later write beside the trees: c of every node, by the trainer's own logarithm.
 * NULL where they have not; then it is computed.
 */
static espalier_status find_mean_paths(const espalier_sklearn_import *import, uint32_t index,
                                       uint32_t node_count, const espalier_pickle_array **out)
{
    const espalier_pickle_value *value;
    *out = NULL;
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "_average_path_length_per_tree",
                                   false, &value);
    if (status != ESPALIER_OK || value == NULL) {
        return status;
    }
    *out = espalier_pickle_get_array(espalier_pickle_item(value, index));
    if (*out == NULL || (*out)->form->dim_count != 1 || (*out)->form->element_count != node_count) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                     "_average_path_length_per_tree has no array of %" PRIu32
                                     " numbers for tree %" PRIu32,
                                     node_count, index);
    }
    return ESPALIER_OK;
}

static espalier_status read_mean_path(const espalier_sklearn_import *import,
                                      const espalier_sklearn_tree *tree,
                                      const espalier_pickle_array *paths, uint32_t node,
                                      double *out)
{
    espalier_pickle_view view;
    int64_t rows = 0;
    if (paths != NULL) {
        if (espalier_pickle_array_double(paths, node, out) && isfinite(*out)) {
            return ESPALIER_OK;
        }
    } else if (espalier_pickle_view_field(tree->nodes, "n_node_samples", &view) &&
               espalier_pickle_view_int64s(&view, node, 1, &rows) && rows >= 0) {
        *out = find_mean_path(rows);
        return ESPALIER_OK;
    }
    return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_TREE,
                                 "node %" PRIu32 ": the number of rows in this leaf cannot be read",
                                 node);
}

/* Depths go into scratch[node_count]; a child that does not come after its parent is refused. */
static espalier_status fill_leaves(const espalier_sklearn_import *import,
                                   const espalier_sklearn_tree *tree,
                                   const espalier_pickle_array *paths, uint32_t index,
                                   uint32_t *depths)
{
    espalier_forest *const forest = import->forest;
    const espalier_forest_tree *const place = &forest->trees[index];
    const uint64_t first = place->first_node;
    memset(depths, 0, place->node_count * sizeof *depths);
    depths[0] = 1; /* of the path's nodes, the root and the leaf among them */
    for (uint32_t node = 0; node < place->node_count; node++) {
        const uint32_t left = forest->left[first + node];
        const uint32_t right = forest->right[first + node];
        if (left != ESPALIER_FOREST_LEAF) {
            if (left <= node || right <= node) {
                return espalier_sklearn_fail(import, tree->object, ESPALIER_ERROR_SOURCE_TREE,
                                             "node %" PRIu32
                                             ": a child does not come after its parent",
                                             node);
            }
            depths[left] = depths[node] + 1;
            depths[right] = depths[node] + 1;
            continue;
        }
        double mean = 0;
        const espalier_status status = read_mean_path(import, tree, paths, node, &mean);
        if (status != ESPALIER_OK) {
            return status;
        }
        forest->leaf_values[place->first_leaf + right] = ((double)depths[node] + mean) - 1.0;
    }
    return ESPALIER_OK;
}

static espalier_status measure_paths(espalier_sklearn_import *import,
                                     const espalier_sklearn_trees *trees)
{
    espalier_forest *const forest = import->forest;
    const size_t path_bytes = import->path.bytes;
    void *depths = NULL;
    uint32_t most = 0;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        most = forest->trees[i].node_count > most ? forest->trees[i].node_count : most;
    }
    espalier_status status = espalier_sklearn_allocate(import, most, sizeof(uint32_t), &depths);
    for (uint32_t i = 0; i < forest->tree_count && status == ESPALIER_OK; i++) {
        espalier_sklearn_tree tree = {0};
        const espalier_pickle_array *paths = NULL;
        status = find_mean_paths(import, i, forest->trees[i].node_count, &paths);
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_tree_at(import, trees, i, &tree);
        }
        if (status == ESPALIER_OK) {
            status = fill_leaves(import, &tree, paths, i, depths);
        }
        if (status == ESPALIER_OK) {
            espalier_source_path_cut(&import->path, path_bytes);
        }
    }
    free(depths);
    return status;
}

/* ---- scores --------------------------------------------------------------------------------- */

/* A number that an attribute holds; NumPy's 0-d arrays too. */
static espalier_status read_number(const espalier_sklearn_import *import, const char *name,
                                   double *out)
{
    const espalier_pickle_value *value;
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, name, true, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (!espalier_pickle_get_double(value, out) || !isfinite(*out)) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "%s is no finite number", name);
    }
    return ESPALIER_OK;
}

/*
 * What the sum is divided by: trees x the mean path of as many rows as each was grown from. Where
 * that is nothing, every sum is nothing too, and from 1.0 on their quotient is one by decree.
 */
static espalier_status find_divisor(espalier_sklearn_import *import, double *divisor_out,
                                    double *start_out)
{
    const espalier_forest *const forest = import->forest;
    uint32_t rows = 0;
    /* max_samples_ is what was asked for; 1.3 began to use the number that the trees really got. */
    const bool newer =
        espalier_sklearn_version_from(import->version, 1, 3) ||
        (!import->version.known &&
         espalier_sklearn_is_set(import, import->estimator, "_average_path_length_per_tree"));
    const espalier_status status =
        espalier_sklearn_count(import, import->estimator, newer ? "_max_samples" : "max_samples_",
                               INT32_MAX, &rows);
    if (status != ESPALIER_OK) {
        return status;
    }
    *start_out = 0;
    *divisor_out = (double)forest->tree_count * find_mean_path(rows);
    if (*divisor_out == 0) {
        if (!espalier_sklearn_version_from(import->version, 1, 0)) {
            return espalier_sklearn_fail(import, import->estimator,
                                         ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "trees of one row each, whose scores are NaN in this "
                                         "version");
        }
        *start_out = 1;
        *divisor_out = 1;
    }
    return ESPALIER_OK;
}

/* The features of each tree, unless all trees see all of them as they are. */
static espalier_status find_subsets(espalier_sklearn_import *import, espalier_sklearn_trees *trees)
{
    uint32_t features = 0;
    const espalier_pickle_value *value;
    espalier_status status = espalier_sklearn_count(import, import->estimator, "_max_features",
                                                    ESPALIER_LIMIT_FEATURES, &features);
    if (status != ESPALIER_OK || features == import->forest->feature_count) {
        return status;
    }
    status =
        espalier_sklearn_attribute(import, import->estimator, "estimators_features_", true, &value);
    if (status == ESPALIER_OK && espalier_pickle_item_count(value) != trees->count) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_TREE,
                                     "estimators_features_ does not hold %" PRIu32 " arrays",
                                     trees->count);
    }
    trees->subsets = value;
    return status;
}

/* From 1.6 on rows are not looked at: missing values have directions, infinities compare. */
static void settle_input(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const bool any =
        import->missing_recorded && espalier_sklearn_version_from(import->version, 1, 6);
    forest->missing_allowed = any;
    forest->infinite_allowed = any;
    if (!any) {
        memset(forest->missing_left, 0, (size_t)forest->node_count);
    }
}

/* Labels of what predict says: -1 of outliers, 1 of all others. */
static espalier_status make_labels(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    void *labels = NULL;
    void *numbers = NULL;
    espalier_status status = espalier_sklearn_allocate(import, 1, sizeof *forest->labels, &labels);
    forest->labels = labels;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, 2, sizeof(uint64_t), &numbers);
    }
    if (status == ESPALIER_OK) {
        forest->labels[0] = (espalier_forest_labels){.kind = ESPALIER_LABEL_INT,
                                                     .item_bytes = 8,
                                                     .count = 2,
                                                     .numbers = numbers};
        forest->labels[0].numbers[0] = (uint64_t)-1;
        forest->labels[0].numbers[1] = 1;
    }
    return status;
}

static espalier_status link_scores(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    double divisor = 1;
    double offset = 0;
    void *start = NULL;
    espalier_status status = espalier_sklearn_allocate(import, 1, sizeof *forest->start, &start);
    forest->start = start;
    if (status == ESPALIER_OK) {
        status = find_divisor(import, &divisor, &forest->start[0]);
    }
    if (status == ESPALIER_OK) {
        status = read_number(import, "offset_", &offset);
    }
    if (status == ESPALIER_OK) {
        status = make_labels(import);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    const double less = -offset;
    const uint32_t length =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_DIVIDE, 0, 1, &divisor);
    const uint32_t score =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_NEGATIVE_POWER, length, 1, NULL);
    const uint32_t margin =
        espalier_sklearn_add_stage(import, ESPALIER_FOREST_ADD, score, 1, &less);
    forest->default_output = ESPALIER_OUTPUT_CLASS;
    const bool good = espalier_sklearn_add_output(import, ESPALIER_OUTPUT_MARGIN, margin, 1,
                                                  ESPALIER_FOREST_NO_DECISION) &&
                      espalier_sklearn_add_output(import, ESPALIER_OUTPUT_CLASS, margin, 1,
                                                  ESPALIER_FOREST_AT_LEAST_ZERO) &&
                      espalier_sklearn_add_output(import, ESPALIER_OUTPUT_SCORE, score, 1,
                                                  ESPALIER_FOREST_NO_DECISION);
    return espalier_sklearn_finish_plan(import, good);
}

espalier_status espalier_sklearn_load_isolation(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    espalier_sklearn_trees trees;
    void *widths = NULL;
    espalier_status status =
        espalier_sklearn_allocate(import, 1, sizeof *forest->group_width, &widths);
    forest->group_width = widths;
    if (status == ESPALIER_OK) {
        forest->group_count = 1;
        forest->group_width[0] = 1;
        forest->leaf_width = 1;
        forest->leaf_is_vector = true;
        import->tree_name = "ExtraTreeRegressor";
        import->tree_outputs = 1;
        import->tree_widths = one_width;
        import->class_count_max = 1;
        status = espalier_sklearn_list_trees(import, &trees);
    }
    if (status == ESPALIER_OK) {
        status = find_subsets(import, &trees);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_read_trees(import, &trees);
    }
    if (status == ESPALIER_OK) {
        status = measure_paths(import, &trees);
    }
    if (status == ESPALIER_OK) {
        settle_input(import);
        status = link_scores(import);
    }
    return status;
}
