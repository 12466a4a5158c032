// SPDX-License-Identifier: Apache-2.0
/*
 * XGBoost's trees: arrays of a document, checked to be trees, into the forest. Pruned nodes are
 * left out; a tree whose nodes cannot keep their numbers gets new ones, and the old become its
 * leaves' numbers. See xgboost_internal.h.
 */
#include "convert/sources/xgboost_internal.h"

#include "convert/sets.h"
#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define UNPLACED    UINT32_MAX

/* Bytes of one node in the forest's arrays. */
#define NODE_BYTES (5 * sizeof(uint32_t) + 2 * sizeof(double) + sizeof(uint8_t))

void espalier_xgboost_free_tree(espalier_xgboost_tree *tree)
{
    espalier_document_array_free(&tree->left);
    espalier_document_array_free(&tree->right);
    espalier_document_array_free(&tree->feature);
    espalier_document_array_free(&tree->condition);
    espalier_document_array_free(&tree->missing_left);
    espalier_document_array_free(&tree->split_type);
    espalier_document_array_free(&tree->categories);
    espalier_document_array_free(&tree->category_nodes);
    espalier_document_array_free(&tree->category_segments);
    espalier_document_array_free(&tree->category_sizes);
    espalier_document_array_free(&tree->category_lists);
    espalier_document_array_free(&tree->cover);
    espalier_document_array_free(&tree->gain);
    espalier_document_array_free(&tree->weights);
    espalier_document_array_free(&tree->place);
    espalier_document_array_free(&tree->order);
}

/* ---- members -------------------------------------------------------------------------------- */

static bool read_left(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->tree.left);
}

static bool read_right(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->tree.right);
}

static bool read_feature(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->tree.feature);
}

static bool read_condition(espalier_xgboost_import *import)
{
    return espalier_document_read_float32s(&import->document, &import->tree.condition);
}

static bool read_missing_left(espalier_xgboost_import *import)
{
    return espalier_document_read_flags(&import->document, &import->tree.missing_left);
}

/* For feature_importances_ alone. */
static bool read_gain(espalier_xgboost_import *import)
{
    return import->splits == NULL
               ? espalier_document_skip(&import->document)
               : espalier_document_read_float32s(&import->document, &import->tree.gain);
}

static bool read_cover(espalier_xgboost_import *import)
{
    return espalier_document_read_float32s(&import->document, &import->tree.cover);
}

static bool read_id(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->tree.id);
}

static bool read_split_type(espalier_xgboost_import *import)
{
    return espalier_document_read_flags(&import->document, &import->tree.split_type);
}

static bool read_categories(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->tree.categories);
}

static bool read_category_nodes(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->tree.category_nodes);
}

static bool read_category_segments(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->tree.category_segments);
}

static bool read_category_sizes(espalier_xgboost_import *import)
{
    return espalier_document_read_int32s(&import->document, &import->tree.category_sizes);
}

/* A row for each node; what newer versions keep of each leaf alone counts more. */
static bool read_node_weights(espalier_xgboost_import *import)
{
    espalier_xgboost_tree *const tree = &import->tree;
    return !import->has_vectors || tree->weights_by_leaf
               ? espalier_document_skip(&import->document)
               : espalier_document_read_float32s(&import->document, &tree->weights);
}

static bool read_leaf_weights(espalier_xgboost_import *import)
{
    espalier_xgboost_tree *const tree = &import->tree;
    bool empty = true;
    if (!import->has_vectors) {
        const bool good = espalier_xgboost_skip_array(import, &empty);
        if (good && !empty) {
            espalier_xgboost_refuse(import, "values of leaves in two places");
        }
        return good;
    }
    tree->weights_by_leaf = true;
    return espalier_document_read_float32s(&import->document, &tree->weights);
}

static bool read_node_count(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->tree.node_count);
}

static bool read_deleted_count(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->tree.deleted_count);
}

static bool read_leaf_width(espalier_xgboost_import *import)
{
    return espalier_xgboost_read_integer(import, &import->tree.leaf_width);
}

static bool read_tree_parameters(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"num_deleted", read_deleted_count, false},
        {"num_nodes", read_node_count, true},
        {"size_leaf_vector", read_leaf_width, false},
    };
    return espalier_xgboost_read_object(import, members, COUNT(members),
                                        ESPALIER_XGBOOST_OTHERS_SKIPPED);
}

/* ---- the forest's arrays -------------------------------------------------------------------- */

/* The array with room for count items; the old one when there is no memory, and a failure. */
static void *grow_array(espalier_document *document, void *items, uint64_t count, size_t item_bytes)
{
    void *const grown =
        count <= SIZE_MAX / item_bytes ? realloc(items, (size_t)count * item_bytes) : NULL;
    if (grown == NULL) {
        (void)espalier_document_fail(document, ESPALIER_ERROR_MEMORY, document->value_at,
                                     "no memory for %" PRIu64 " nodes", count);
        return items;
    }
    return grown;
}

/* By half at least, so that all copying together stays within twice the whole. */
static uint64_t grown_capacity(uint64_t capacity, uint64_t needed)
{
    const uint64_t more = capacity + capacity / 2;
    return more < needed ? needed : more;
}

static bool reserve_nodes(espalier_xgboost_import *import, uint64_t count)
{
    espalier_document *const document = &import->document;
    espalier_forest *const forest = import->forest;
    if (count <= import->node_capacity) {
        return true;
    }
    const uint64_t capacity = grown_capacity(import->node_capacity, count);
    if (!espalier_document_charge(document, (capacity - import->node_capacity) * NODE_BYTES)) {
        return false;
    }
    forest->left = grow_array(document, forest->left, capacity, sizeof *forest->left);
    forest->right = grow_array(document, forest->right, capacity, sizeof *forest->right);
    forest->feature = grow_array(document, forest->feature, capacity, sizeof *forest->feature);
    forest->threshold =
        grow_array(document, forest->threshold, capacity, sizeof *forest->threshold);
    forest->cover = grow_array(document, forest->cover, capacity, sizeof *forest->cover);
    forest->missing_left =
        grow_array(document, forest->missing_left, capacity, sizeof *forest->missing_left);
    if (import->renumbered) {
        forest->number = grow_array(document, forest->number, capacity, sizeof *forest->number);
    }
    if (import->has_sets) {
        forest->set = grow_array(document, forest->set, capacity, sizeof *forest->set);
    }
    import->node_capacity = document->status == ESPALIER_OK ? capacity : import->node_capacity;
    return document->status == ESPALIER_OK;
}

static bool reserve_leaves(espalier_xgboost_import *import, uint64_t count)
{
    espalier_document *const document = &import->document;
    espalier_forest *const forest = import->forest;
    if (count <= import->leaf_capacity) {
        return true;
    }
    const uint64_t capacity = grown_capacity(import->leaf_capacity, count);
    const size_t row_bytes = (size_t)import->leaf_width * sizeof *forest->leaf_values;
    if (!espalier_document_charge(document, (capacity - import->leaf_capacity) * row_bytes)) {
        return false;
    }
    forest->leaf_values = grow_array(document, forest->leaf_values, capacity, row_bytes);
    import->leaf_capacity = document->status == ESPALIER_OK ? capacity : import->leaf_capacity;
    return document->status == ESPALIER_OK;
}

static bool reserve_trees(espalier_xgboost_import *import, uint64_t count)
{
    espalier_document *const document = &import->document;
    espalier_forest *const forest = import->forest;
    if (count > ESPALIER_LIMIT_TREES) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_LIMIT, document->value_at,
                                      "more than %u trees", ESPALIER_LIMIT_TREES);
    }
    if (count <= import->tree_capacity) {
        return true;
    }
    const uint64_t capacity = grown_capacity(import->tree_capacity, count);
    if (!espalier_document_charge(document,
                                  (capacity - import->tree_capacity) * sizeof *forest->trees)) {
        return false;
    }
    forest->trees = grow_array(document, forest->trees, capacity, sizeof *forest->trees);
    import->tree_capacity = document->status == ESPALIER_OK ? capacity : import->tree_capacity;
    return document->status == ESPALIER_OK;
}

/* The first tree with other numbers: all nodes before it have their own. */
static bool start_numbers(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    import->renumbered = true;
    forest->number = grow_array(&import->document, forest->number, import->node_capacity,
                                sizeof *forest->number);
    if (import->document.status != ESPALIER_OK) {
        return false;
    }
    for (uint32_t tree = 0; tree < forest->tree_count; tree++) {
        for (uint32_t node = 0; node < forest->trees[tree].node_count; node++) {
            forest->number[forest->trees[tree].first_node + node] = node;
        }
    }
    return true;
}

/* The first tree with splits on categories: no node before it has one. */
static bool start_sets(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    import->has_sets = true;
    const uint64_t room = import->node_capacity > 0 ? import->node_capacity : 1;
    forest->set = grow_array(&import->document, forest->set, room, sizeof *forest->set);
    for (uint64_t i = 0; import->document.status == ESPALIER_OK && i < forest->node_count; i++) {
        forest->set[i] = ESPALIER_FOREST_NO_SET;
    }
    return import->document.status == ESPALIER_OK;
}

/* ---- from one tree's arrays to nodes -------------------------------------------------------- */

/* Every array must have an item a node; stats of old files may be missing. */
static bool check_lengths(espalier_xgboost_import *import, size_t offset)
{
    espalier_xgboost_tree *const tree = &import->tree;
    espalier_document *const document = &import->document;
    const struct {
        const char *name;
        uint64_t count;
        bool optional;
    } arrays[] = {
        {"left_children", tree->left.count, false},
        {"right_children", tree->right.count, false},
        {"split_indices", tree->feature.count, false},
        {"split_conditions", tree->condition.count, false},
        {"default_left", tree->missing_left.count, false},
        {"split_type", tree->split_type.count, true},
        {"sum_hessian", tree->cover.count, true},
    };
    if (tree->node_count < 1 || tree->node_count > INT32_MAX) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "num_nodes is %" PRId64, tree->node_count);
    }
    for (size_t i = 0; i < COUNT(arrays); i++) {
        if (arrays[i].count != (uint64_t)tree->node_count &&
            (!arrays[i].optional || arrays[i].count != 0)) {
            return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                          "%s has %" PRIu64 " items for %" PRId64 " nodes",
                                          arrays[i].name, arrays[i].count, tree->node_count);
        }
    }
    if (tree->id != ESPALIER_XGBOOST_UNKNOWN && tree->id != (int64_t)import->forest->tree_count) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "the tree's id is %" PRId64, tree->id);
    }
    return true;
}

static bool fail_categories(espalier_xgboost_import *import, size_t offset, uint64_t list,
                            const char *cause, int64_t number)
{
    return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                  "categories_nodes[%" PRIu64 "]: %s %" PRId64, list, cause,
                                  number);
}

/* One list of categories: at a node that is a split on them, inside `categories`. */
static bool check_list(espalier_xgboost_import *import, size_t offset, uint64_t list)
{
    espalier_xgboost_tree *const tree = &import->tree;
    const int64_t node = ((const int32_t *)tree->category_nodes.items)[list];
    const int64_t first = ((const int32_t *)tree->category_segments.items)[list];
    const int64_t size = ((const int32_t *)tree->category_sizes.items)[list];
    uint32_t *const lists = tree->category_lists.items;
    if (node < 0 || node >= tree->node_count || tree->split_type.count == 0 ||
        ((const uint8_t *)tree->split_type.items)[node] == 0) {
        return fail_categories(import, offset, list, "there is no split on categories at node",
                               node);
    }
    if (lists[node] != 0) {
        return fail_categories(import, offset, list, "there are two lists for node", node);
    }
    if (first < 0 || size < 1 || (uint64_t)first + (uint64_t)size > tree->categories.count) {
        return fail_categories(import, offset, list, "the list is empty or out of range, of size",
                               size);
    }
    const int32_t *const categories = (const int32_t *)tree->categories.items + first;
    for (int64_t i = 0; i < size; i++) {
        if (categories[i] < 0 || categories[i] >= 1 << 24) {
            return fail_categories(import, offset, list, "there is no category", categories[i]);
        }
    }
    lists[node] = (uint32_t)list + 1;
    return true;
}

/* Every split on categories has a list of them; category_lists says which. */
static bool check_categories(espalier_xgboost_import *import, size_t offset)
{
    espalier_xgboost_tree *const tree = &import->tree;
    espalier_document *const document = &import->document;
    const uint64_t count = tree->category_nodes.count;
    const bool has_type = tree->split_type.count > 0 &&
                          memchr(tree->split_type.items, 1, (size_t)tree->split_type.count) != NULL;
    if (count != tree->category_segments.count || count != tree->category_sizes.count) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "categories_nodes, _segments and _sizes have %" PRIu64
                                      ", %" PRIu64 " and %" PRIu64 " items",
                                      count, tree->category_segments.count,
                                      tree->category_sizes.count);
    }
    if (!has_type && count == 0) {
        tree->category_lists.count = 0;
        return true;
    }
    if (!espalier_document_reserve(document, &tree->category_lists, (uint64_t)tree->node_count,
                                   sizeof(uint32_t))) {
        return false;
    }
    tree->category_lists.count = (uint64_t)tree->node_count;
    memset(tree->category_lists.items, 0, (size_t)tree->node_count * sizeof(uint32_t));
    for (uint64_t i = 0; i < count; i++) {
        if (!check_list(import, offset, i)) {
            return false;
        }
    }
    return import->has_sets || start_sets(import);
}

/* Leaves of all trees have as many values; where these are several, they are kept apart. */
static bool check_leaf_width(espalier_xgboost_import *import, size_t offset)
{
    espalier_xgboost_tree *const tree = &import->tree;
    espalier_document *const document = &import->document;
    const int64_t width = tree->leaf_width > 1 ? tree->leaf_width : 1;
    if (import->leaf_width == ESPALIER_XGBOOST_UNKNOWN) {
        import->leaf_width = width;
    }
    if (width != import->leaf_width || width > ESPALIER_LIMIT_SLOTS ||
        (width > 1 && !import->has_vectors)) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "size_leaf_vector is %" PRId64 ", of other trees %" PRId64,
                                      width, import->leaf_width);
    }
    const uint64_t rows =
        tree->weights_by_leaf ? tree->weights.count / (uint64_t)width : (uint64_t)tree->node_count;
    if (width > 1 && tree->weights.count != rows * (uint64_t)width) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "%s has %" PRIu64 " items for leaves of %" PRId64 " values",
                                      tree->weights_by_leaf ? "leaf_weights" : "base_weights",
                                      tree->weights.count, width);
    }
    return true;
}

/* A child in range that no other node has; it comes next in the order. */
static bool claim_child(espalier_xgboost_import *import, size_t offset, uint32_t parent,
                        int32_t child, uint32_t *reached)
{
    espalier_xgboost_tree *const tree = &import->tree;
    uint32_t *const place = tree->place.items;
    if (child < 0 || child >= tree->node_count) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "node %" PRIu32 " has a child %" PRId32
                                      ", out of range of %" PRId64 " nodes",
                                      parent, child, tree->node_count);
    }
    if (place[child] != UNPLACED) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "node %" PRIu32 " leads to node %" PRId32
                                      ", where another path leads as well",
                                      parent, child);
    }
    place[child] = *reached;
    ((uint32_t *)tree->order.items)[*reached] = (uint32_t)child;
    (*reached)++;
    return true;
}

/*
 * Finds the nodes that the root leads to, level by level, and numbers them: as they are where all
 * are reached and follow their parents, else in the order found.
 */
static bool order_nodes(espalier_xgboost_import *import, size_t offset, uint32_t *reached_out)
{
    espalier_xgboost_tree *const tree = &import->tree;
    espalier_document *const document = &import->document;
    const uint32_t node_count = (uint32_t)tree->node_count;
    if (!espalier_document_reserve(document, &tree->place, node_count, sizeof(uint32_t)) ||
        !espalier_document_reserve(document, &tree->order, node_count, sizeof(uint32_t))) {
        return false;
    }
    uint32_t *const place = tree->place.items;
    uint32_t *const order = tree->order.items;
    const int32_t *const left = tree->left.items;
    const int32_t *const right = tree->right.items;
    memset(place, 0xFF, node_count * sizeof *place);
    uint32_t reached = 1;
    bool ordered = true;
    place[0] = 0;
    order[0] = 0;
    for (uint32_t i = 0; i < reached; i++) {
        const uint32_t node = order[i];
        if (left[node] == -1) {
            continue;
        }
        if (!claim_child(import, offset, node, left[node], &reached) ||
            !claim_child(import, offset, node, right[node], &reached)) {
            return false;
        }
        /* XGBoost since 1.3 goes to left + 1 without looking; no version writes other trees. */
        if (right[node] != left[node] + 1) {
            return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                          "node %" PRIu32 " has children %" PRId32 " and %" PRId32
                                          ", which are not side by side",
                                          node, left[node], right[node]);
        }
        ordered = ordered && left[node] > (int64_t)node;
    }
    if (tree->deleted_count != ESPALIER_XGBOOST_UNKNOWN &&
        tree->deleted_count != (int64_t)(node_count - reached)) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "%" PRIu32 " nodes are not reached, num_deleted is %" PRId64,
                                      node_count - reached, tree->deleted_count);
    }
    if (ordered && reached == node_count) {
        for (uint32_t i = 0; i < node_count; i++) {
            place[i] = i;
            order[i] = i;
        }
    } else if (!import->renumbered && !start_numbers(import)) {
        return false;
    }
    *reached_out = reached;
    return true;
}

static bool is_set(const espalier_xgboost_tree *tree, uint32_t node)
{
    return tree->category_lists.count > 0 && ((const uint8_t *)tree->split_type.items)[node] != 0;
}

/* The categories listed for a node go right, all others left; what is missing as the node says. */
static bool fill_set(espalier_xgboost_import *import, uint64_t at, uint32_t node, size_t offset)
{
    const espalier_xgboost_tree *const tree = &import->tree;
    espalier_document *const document = &import->document;
    espalier_forest *const forest = import->forest;
    const uint32_t list = ((const uint32_t *)tree->category_lists.items)[node];
    if (list == 0) {
        return espalier_document_fail(document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "node %" PRIu32 " is a split on categories without a list",
                                      node);
    }
    const int32_t *const categories = (const int32_t *)tree->categories.items +
                                      ((const int32_t *)tree->category_segments.items)[list - 1];
    const uint32_t count = (uint32_t)((const int32_t *)tree->category_sizes.items)[list - 1];
    const espalier_forest_set set = {
        .feature = forest->feature[at],
        .missing_left = forest->missing_left[at] != 0,
    };
    const uint64_t bytes = sizeof set + (uint64_t)count * sizeof *forest->members;
    if (!espalier_document_charge(document, bytes + bytes / 2)) {
        return false;
    }
    /* In range by check_list, so not negative. */
    const espalier_status status =
        espalier_forest_add_set(forest, &set, (const uint32_t *)categories, count);
    if (status != ESPALIER_OK) {
        return espalier_document_fail(document, status, offset,
                                      "no memory for %" PRIu32 " categories", count);
    }
    forest->set[at] = forest->set_count - 1;
    forest->threshold[at] = 0.0;
    forest->missing_left[at] = 0;
    return true;
}

/*
 * x < condition as x <= the float32 below. What is never true but for missing values (-infinity,
 * NaN) becomes always true, with the sides exchanged.
 */
static void fill_split(espalier_xgboost_import *import, uint64_t at, uint32_t node, bool is_set)
{
    const espalier_xgboost_tree *const tree = &import->tree;
    espalier_forest *const forest = import->forest;
    const uint32_t *const place = tree->place.items;
    const float condition = ((const float *)tree->condition.items)[node];
    const uint32_t left = place[((const int32_t *)tree->left.items)[node]];
    const uint32_t right = place[((const int32_t *)tree->right.items)[node]];
    const uint8_t missing_left = ((const uint8_t *)tree->missing_left.items)[node];
    const bool never = !is_set && (isnan(condition) || (isinf(condition) && condition < 0.0F));
    forest->left[at] = never ? right : left;
    forest->right[at] = never ? left : right;
    forest->missing_left[at] = never ? 1 - missing_left : missing_left;
    forest->threshold[at] = never ? (double)INFINITY : (double)nextafterf(condition, -INFINITY);
    forest->feature[at] = (uint32_t)((const int32_t *)tree->feature.items)[node];
}

/* The values of the next leaf. A leaf that keeps its row's number has it in place of a child. */
static bool fill_leaf(espalier_xgboost_import *import, espalier_forest_tree *added, uint32_t node,
                      size_t offset)
{
    const espalier_xgboost_tree *const tree = &import->tree;
    const uint64_t width = (uint64_t)import->leaf_width;
    double *const values =
        import->forest->leaf_values + (added->first_leaf + added->leaf_count) * width;
    added->leaf_count++;
    if (width == 1) {
        values[0] = (double)((const float *)tree->condition.items)[node];
        return true;
    }
    const int64_t row =
        tree->weights_by_leaf ? ((const int32_t *)tree->right.items)[node] : (int64_t)node;
    if (row < 0 || (uint64_t)row >= tree->weights.count / width) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                      "leaf %" PRIu32 " has no values; its row is %" PRId64, node,
                                      row);
    }
    for (uint64_t i = 0; i < width; i++) {
        values[i] = (double)((const float *)tree->weights.items)[(uint64_t)row * width + i];
    }
    return true;
}

/* Leaves and splits of the tree whose nodes are ordered. */
static bool fill_nodes(espalier_xgboost_import *import, espalier_forest_tree *added, size_t offset)
{
    const espalier_xgboost_tree *const tree = &import->tree;
    espalier_forest *const forest = import->forest;
    const uint32_t *const order = tree->order.items;
    const float *const covers = tree->cover.count > 0 ? tree->cover.items : NULL;
    for (uint32_t i = 0; i < added->node_count; i++) {
        const uint32_t node = order[i];
        const uint64_t at = added->first_node + i;
        /* Only statistics: XGBoost predicts whatever they are. */
        const float cover = covers != NULL && isfinite(covers[node]) ? covers[node] : 0.0F;
        forest->cover[at] = (double)cover;
        if (import->renumbered) {
            forest->number[at] = node;
        }
        if (import->has_sets) {
            forest->set[at] = ESPALIER_FOREST_NO_SET;
        }
        if (((const int32_t *)tree->left.items)[node] != -1) {
            fill_split(import, at, node, is_set(tree, node));
            if (is_set(tree, node) && !fill_set(import, at, node, offset)) {
                return false;
            }
            continue;
        }
        forest->left[at] = ESPALIER_FOREST_LEAF;
        forest->right[at] = added->leaf_count;
        forest->feature[at] = 0;
        forest->threshold[at] = 0;
        forest->missing_left[at] = 0;
        if (!fill_leaf(import, added, node, offset)) {
            return false;
        }
    }
    return true;
}

/*
 * What the splits gained, in the order of XGBoost (GBTree::FeatureScore): the right child first, in
 * float32. The new numbers of nodes are not needed any more: their place is the stack.
 */
static bool add_loss_changes(espalier_xgboost_import *import, size_t offset)
{
    espalier_xgboost_tree *const tree = &import->tree;
    espalier_source_splits *const splits = import->splits;
    const int32_t *const left = tree->left.items;
    const int32_t *const features = tree->feature.items;
    const float *const gains = tree->gain.items;
    uint32_t *const stack = tree->place.items;
    uint32_t depth = 1;
    if (tree->gain.count != (uint64_t)tree->node_count || import->leaf_width > 1) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_UNSUPPORTED, offset,
                                      "feature_importances_ of a tree %s is not computed",
                                      import->leaf_width > 1 ? "of vector leaves"
                                                             : "without loss_changes");
    }
    stack[0] = 0;
    while (depth > 0) {
        const uint32_t node = stack[--depth];
        if (left[node] == -1) {
            continue;
        }
        const uint32_t feature = (uint32_t)features[node];
        if (!isfinite(gains[node])) {
            return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE, offset,
                                          "node %" PRIu32 ": loss_changes is not finite", node);
        }
        stack[depth++] = (uint32_t)left[node];
        stack[depth++] = (uint32_t)left[node] + 1;
        if (feature >= splits->feature_count) {
            continue; /* refused when the features are counted */
        }
        splits->counts[feature] += 1.0;
        splits->gains[feature] = (double)((float)splits->gains[feature] + gains[node]);
    }
    return true;
}

bool espalier_xgboost_add_tree(espalier_xgboost_import *import, size_t offset)
{
    espalier_forest *const forest = import->forest;
    uint32_t reached = 0;
    if (!check_lengths(import, offset) || !check_leaf_width(import, offset) ||
        !check_categories(import, offset) || !order_nodes(import, offset, &reached) ||
        !reserve_trees(import, (uint64_t)forest->tree_count + 1) ||
        !reserve_nodes(import, forest->node_count + reached) ||
        !reserve_leaves(import, forest->leaf_count + (reached + 1) / 2)) {
        return false;
    }
    espalier_forest_tree *const added = &forest->trees[forest->tree_count];
    *added = (espalier_forest_tree){.first_node = forest->node_count,
                                    .first_leaf = forest->leaf_count,
                                    .node_count = reached};
    if (!fill_nodes(import, added, offset) ||
        (import->splits != NULL && !add_loss_changes(import, offset))) {
        return false;
    }
    forest->node_count += reached;
    forest->leaf_count += added->leaf_count;
    forest->tree_count++;
    return true;
}

static bool read_tree(espalier_xgboost_import *import)
{
    static const espalier_xgboost_member members[] = {
        {"base_weights", read_node_weights, false},
        {"categories", read_categories, false},
        {"categories_nodes", read_category_nodes, false},
        {"categories_segments", read_category_segments, false},
        {"categories_sizes", read_category_sizes, false},
        {"default_left", read_missing_left, true},
        {"id", read_id, false},
        {"leaf_child_counts", NULL, false}, /* up to 1.2 */
        {"leaf_weights", read_leaf_weights, false},
        {"left_children", read_left, true},
        {"loss_changes", read_gain, false},
        {"parents", NULL, false},
        {"right_children", read_right, true},
        {"split_conditions", read_condition, true},
        {"split_indices", read_feature, true},
        {"split_type", read_split_type, false},
        {"sum_hessian", read_cover, false},
        {"tree_param", read_tree_parameters, true},
    };
    espalier_document *const document = &import->document;
    espalier_xgboost_tree *const tree = &import->tree;
    tree->split_type.count = 0;
    tree->categories.count = 0;
    tree->category_nodes.count = 0;
    tree->category_segments.count = 0;
    tree->category_sizes.count = 0;
    tree->cover.count = 0;
    tree->gain.count = 0;
    tree->weights.count = 0;
    tree->weights_by_leaf = false;
    tree->leaf_width = ESPALIER_XGBOOST_UNKNOWN;
    tree->id = ESPALIER_XGBOOST_UNKNOWN;
    tree->node_count = ESPALIER_XGBOOST_UNKNOWN;
    tree->deleted_count = ESPALIER_XGBOOST_UNKNOWN;
    (void)espalier_document_peek(document);
    const size_t offset = document->at;
    if (!espalier_xgboost_read_object(import, members, COUNT(members),
                                      ESPALIER_XGBOOST_OTHERS_UNSUPPORTED)) {
        return false;
    }
    /* Nothing of a model that is refused is kept. */
    return import->unsupported[0] != '\0' || espalier_xgboost_add_tree(import, offset);
}

bool espalier_xgboost_read_trees(espalier_xgboost_import *import)
{
    espalier_document *const document = &import->document;
    if (!espalier_document_enter_array(document)) {
        return false;
    }
    while (espalier_document_item(document)) {
        if (!read_tree(import)) {
            return false;
        }
    }
    return document->status == ESPALIER_OK;
}
