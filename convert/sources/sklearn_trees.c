// SPDX-License-Identifier: Apache-2.0
/*
 * The fitted trees of an estimator, wherever it keeps them, into the forest's arrays: sizes first,
 * then one allocation an array. See sklearn_internal.h.
 */
#include "convert/sources/sklearn_internal.h"

#include "format/layout.h"

#include <inttypes.h>
#include <string.h>

/* ---- one tree ------------------------------------------------------------------------------- */

static const espalier_pickle_value *step_to_estimator(espalier_sklearn_import *import,
                                                      const espalier_sklearn_trees *trees,
                                                      uint32_t index)
{
    espalier_source_path_attribute(&import->path, "estimators_");
    if (trees->columns > 0) {
        espalier_source_path_item(&import->path, index / trees->columns);
        espalier_source_path_item(&import->path, index % trees->columns);
        return espalier_pickle_array_item(espalier_pickle_get_array(trees->estimators), index);
    }
    espalier_source_path_item(&import->path, index);
    return espalier_pickle_item(trees->estimators, index);
}

/* The array of features that a tree sees, one number a feature of the tree. */
static const espalier_pickle_array *find_subset(const espalier_sklearn_trees *trees, uint32_t index)
{
    return espalier_pickle_get_array(espalier_pickle_item(trees->subsets, index));
}

static espalier_status count_subset(espalier_sklearn_import *import,
                                    const espalier_sklearn_trees *trees, uint32_t index)
{
    const espalier_pickle_array *const subset = find_subset(trees, index);
    if (subset == NULL || subset->form->dim_count != 1 || subset->form->element_count == 0 ||
        subset->form->element_count > ESPALIER_LIMIT_FEATURES) {
        return espalier_sklearn_fail(import, trees->subsets, ESPALIER_ERROR_SOURCE_TREE,
                                     "estimators_features_ has no array of features for tree "
                                     "%" PRIu32,
                                     index);
    }
    import->tree_features = (uint32_t)subset->form->element_count;
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_tree_at(espalier_sklearn_import *import,
                                         const espalier_sklearn_trees *trees, uint32_t index,
                                         espalier_sklearn_tree *tree)
{
    const espalier_pickle_value *estimator = import->estimator;
    espalier_status status = ESPALIER_OK;
    if (trees->subsets != NULL) {
        status = count_subset(import, trees, index);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    if (trees->estimators != NULL) {
        estimator = step_to_estimator(import, trees, index);
        const espalier_sklearn_class *const class = espalier_sklearn_class_of(estimator);
        if (class == NULL || strcmp(class->name, import->tree_name) != 0) {
            return espalier_sklearn_fail(import, estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "%s is no tree as a %s holds them",
                                         class == NULL ? "this" : class->name, import->class->name);
        }
    }
    espalier_source_path_attribute(&import->path, "tree_");
    return espalier_sklearn_find_tree(import, estimator, tree);
}

/* ---- all trees ------------------------------------------------------------------------------ */

static uint64_t count_node_bytes(const espalier_forest *forest)
{
    return sizeof *forest->left + sizeof *forest->right + sizeof *forest->feature +
           sizeof *forest->threshold + sizeof *forest->cover + sizeof *forest->missing_left;
}

espalier_status espalier_sklearn_place_tree(const espalier_sklearn_import *import,
                                            const espalier_pickle_value *at, uint32_t index,
                                            uint32_t node_count)
{
    espalier_forest *const forest = import->forest;
    const uint64_t node_count_max = import->memory_left / count_node_bytes(forest);
    const uint64_t row_bytes = sizeof *forest->leaf_values * (uint64_t)forest->leaf_width;
    forest->trees[index] = (espalier_forest_tree){.first_node = forest->node_count,
                                                  .first_leaf = forest->leaf_count,
                                                  .node_count = node_count,
                                                  .leaf_count = (node_count + 1) / 2};
    forest->node_count += node_count;
    forest->leaf_count += forest->trees[index].leaf_count;
    /* Leaf rows too, before the next tree's: one wide tree listed often costs time as well. */
    if (forest->leaf_count > import->memory_left / row_bytes) {
        return espalier_sklearn_fail(import, at, ESPALIER_ERROR_SOURCE_LIMIT,
                                     "leaves of %" PRIu64 " bytes do not fit into %" PRIu64
                                     " bytes of working memory",
                                     row_bytes, import->memory_bytes_max);
    }
    if (forest->node_count > node_count_max) {
        return espalier_sklearn_fail(import, at, ESPALIER_ERROR_SOURCE_LIMIT,
                                     "more than %" PRIu64 " nodes do not fit into %" PRIu64
                                     " bytes of working memory",
                                     node_count_max, import->memory_bytes_max);
    }
    return ESPALIER_OK;
}

/* Sizes first: one allocation an array, charged before any node is read. */
static espalier_status place_trees(espalier_sklearn_import *import,
                                   const espalier_sklearn_trees *trees)
{
    const size_t path_bytes = import->path.bytes;
    import->missing_recorded = true;
    for (uint32_t i = 0; i < trees->count; i++) {
        espalier_sklearn_tree tree = {0};
        espalier_status status = espalier_sklearn_tree_at(import, trees, i, &tree);
        if (status != ESPALIER_OK) {
            return status;
        }
        espalier_source_path_cut(&import->path, path_bytes);
        import->missing_recorded = import->missing_recorded && tree.missing_recorded;
        status = espalier_sklearn_place_tree(import, tree.object, i, tree.node_count);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_allocate_trees(espalier_sklearn_import *import, uint32_t count)
{
    espalier_forest *const forest = import->forest;
    void *trees = NULL;
    const espalier_status status =
        espalier_sklearn_allocate(import, count, sizeof *forest->trees, &trees);
    forest->trees = trees;
    forest->tree_count = status == ESPALIER_OK ? count : 0;
    return status;
}

espalier_status espalier_sklearn_allocate_nodes(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const uint64_t count = forest->node_count;
    void *arrays[7] = {NULL};
    const uint64_t sizes[7] = {sizeof *forest->left,       sizeof *forest->right,
                               sizeof *forest->feature,    sizeof *forest->threshold,
                               sizeof *forest->cover,      sizeof *forest->missing_left,
                               sizeof *forest->leaf_values};
    espalier_status status = ESPALIER_OK;
    for (size_t i = 0; i < 6 && status == ESPALIER_OK; i++) {
        status = espalier_sklearn_allocate(import, count, sizes[i], &arrays[i]);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, forest->leaf_count,
                                           sizes[6] * forest->leaf_width, &arrays[6]);
    }
    forest->left = arrays[0];
    forest->right = arrays[1];
    forest->feature = arrays[2];
    forest->threshold = arrays[3];
    forest->cover = arrays[4];
    forest->missing_left = arrays[5];
    forest->leaf_values = arrays[6];
    return status;
}

/* From the tree's numbering of features to the estimator's. */
static espalier_status map_features(const espalier_sklearn_import *import,
                                    const espalier_sklearn_trees *trees, uint32_t index)
{
    const espalier_forest *const forest = import->forest;
    const espalier_forest_tree *const tree = &forest->trees[index];
    const espalier_pickle_array *const subset = find_subset(trees, index);
    for (uint64_t i = tree->first_node; i < tree->first_node + tree->node_count; i++) {
        int64_t feature = 0;
        if (forest->left[i] == ESPALIER_FOREST_LEAF) {
            continue;
        }
        if (!espalier_pickle_array_int64(subset, forest->feature[i], &feature) || feature < 0 ||
            feature >= forest->feature_count) {
            return espalier_sklearn_fail(import, trees->subsets, ESPALIER_ERROR_SOURCE_TREE,
                                         "estimators_features_ names no feature of the %" PRIu32
                                         " for number %" PRIu32 " of tree %" PRIu32,
                                         forest->feature_count, forest->feature[i], index);
        }
        forest->feature[i] = (uint32_t)feature;
    }
    return ESPALIER_OK;
}

espalier_status espalier_sklearn_read_trees(espalier_sklearn_import *import,
                                            const espalier_sklearn_trees *trees)
{
    espalier_status status = espalier_sklearn_allocate_trees(import, trees->count);
    if (status == ESPALIER_OK) {
        status = place_trees(import, trees);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate_nodes(import);
    }
    const size_t path_bytes = import->path.bytes;
    for (uint32_t i = 0; i < trees->count && status == ESPALIER_OK; i++) {
        espalier_sklearn_tree tree = {0};
        status = espalier_sklearn_tree_at(import, trees, i, &tree);
        if (status == ESPALIER_OK) {
            status = espalier_sklearn_read_tree(import, &tree, i);
        }
        if (status == ESPALIER_OK && trees->subsets != NULL) {
            status = map_features(import, trees, i);
        }
        if (status == ESPALIER_OK) {
            espalier_source_path_cut(&import->path, path_bytes);
        }
    }
    return status;
}

espalier_status espalier_sklearn_list_trees(espalier_sklearn_import *import,
                                            espalier_sklearn_trees *trees)
{
    *trees = (espalier_sklearn_trees){0};
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "estimators_", true,
                                   &trees->estimators);
    if (status != ESPALIER_OK) {
        return status;
    }
    const size_t count = espalier_pickle_item_count(trees->estimators);
    if (count == 0 || count > ESPALIER_LIMIT_TREES) {
        return espalier_sklearn_fail(import, trees->estimators, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "estimators_ is no list of 1 to %u trees",
                                     ESPALIER_LIMIT_TREES);
    }
    trees->count = (uint32_t)count;
    return ESPALIER_OK;
}
