// SPDX-License-Identifier: Apache-2.0
/*
 * See tree_view.h: opening, decoding, following. Includes tree_view.h and libc. Nodes may lie in a
 * file that nobody verified: every walk is bounded by the number of positions.
 */
#include "tree_view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int espalier_view_open(const char *path, uint64_t open_flags, espalier_view *view)
{
    espalier_message message;
    espalier_model_info info;
    *view = (espalier_view){0};
    const int code = espalier_open_model(path, open_flags, &view->model, &info);
    if (code != 0) {
        return code;
    }
    espalier_model *const model = view->model;
    view->info = info;
    view->is_float32 = info.input_dtype == ESPALIER_DTYPE_FLOAT32;
    view->sum_dtypes = calloc(info.part_count, sizeof *view->sum_dtypes);
    view->names = espalier_view_names_create(model);
    if (view->sum_dtypes == NULL || view->names == NULL) {
        return espalier_fail("not enough memory");
    }
    for (uint32_t i = 0; i < info.part_count; i++) {
        espalier_part_info part = ESPALIER_PART_INFO_INIT;
        if (espalier_model_part(model, i, &part) == ESPALIER_OK) {
            view->sum_dtypes[i] = part.sum_dtype;
        }
    }
    espalier_label_info labels;
    if (espalier_model_labels(model, 0, &labels) == ESPALIER_OK &&
        !espalier_labels_load(model, info.output_count, &view->labels, &message)) {
        return espalier_fail(message.text);
    }
    return 0;
}

void espalier_view_close(espalier_view *view)
{
    if (view->labels.output_count > 0) {
        espalier_labels_free(&view->labels);
    }
    free(view->sum_dtypes);
    espalier_view_names_destroy(view->names);
    espalier_model_close(view->model);
    *view = (espalier_view){0};
}

/* A node that is still to be decoded. */
typedef struct pending {
    uint32_t position;
    uint32_t parent; /* in preorder */
    uint32_t depth;
} pending;

static bool fail_tree(uint32_t tree_index, espalier_message *message)
{
    return espalier_message_set(message, "tree %" PRIu32 " is no tree (espalier verify says more)",
                                tree_index);
}

/* Decodes in preorder. Every position is met at most once in a tree, so more is none. */
static bool decode(const espalier_view *view, espalier_tree_view *tree, pending *stack,
                   espalier_message *message)
{
    const uint32_t position_count = tree->info.position_count;
    uint32_t depth = 0;
    stack[depth++] = (pending){0, ESPALIER_VIEW_NONE, 0};
    while (depth > 0) {
        const pending next = stack[--depth];
        if (tree->count == position_count) {
            return fail_tree(tree->tree_index, message);
        }
        espalier_view_node *const node = &tree->nodes[tree->count];
        *node = (espalier_view_node){.parent = next.parent,
                                     .right = ESPALIER_VIEW_NONE,
                                     .depth = next.depth,
                                     .node_count = 1,
                                     .number = ESPALIER_NUMBER_NONE};
        if (espalier_model_node(view->model, tree->tree_index, next.position, &node->node) !=
            ESPALIER_OK) {
            return fail_tree(tree->tree_index, message);
        }
        if (next.parent != ESPALIER_VIEW_NONE && next.parent + 1 != tree->count) {
            tree->nodes[next.parent].right = tree->count;
        }
        const uint32_t here = tree->count++;
        if (node->node.feature == ESPALIER_FEATURE_NONE) {
            node->leaf_count = 1;
            node->node.left = next.position;
            continue;
        }
        if (depth + 2 > position_count + 1) {
            return fail_tree(tree->tree_index, message);
        }
        stack[depth++] = (pending){node->node.right, here, next.depth + 1};
        stack[depth++] = (pending){node->node.left, here, next.depth + 1};
    }
    return true;
}

/* Sizes, from the leaves up. */
static void count_below(espalier_tree_view *tree)
{
    for (uint32_t i = tree->count; i-- > 0;) {
        const espalier_view_node *const node = &tree->nodes[i];
        if (node->parent != ESPALIER_VIEW_NONE) {
            tree->nodes[node->parent].node_count += node->node_count;
            tree->nodes[node->parent].leaf_count += node->leaf_count;
        }
    }
}

bool espalier_tree_view_number(const espalier_view *view, espalier_tree_view *tree,
                               espalier_message *message)
{
    const uint32_t position_count = tree->info.position_count;
    uint32_t *const numbers = malloc((size_t)position_count * sizeof *numbers);
    if (numbers == NULL || espalier_model_leaf_numbers(view->model, tree->tree_index, numbers,
                                                       position_count) != ESPALIER_OK) {
        free(numbers);
        return espalier_message_set(message, "not enough memory for tree %" PRIu32,
                                    tree->tree_index);
    }
    for (uint32_t i = 0; i < tree->count; i++) {
        espalier_view_node *const node = &tree->nodes[i];
        if (node->node.feature == ESPALIER_FEATURE_NONE) {
            node->number = numbers[node->node.left];
        }
    }
    free(numbers);
    return true;
}

bool espalier_tree_view_load(const espalier_view *view, uint32_t tree_index,
                             espalier_tree_view *tree, espalier_message *message)
{
    *tree = (espalier_tree_view){.tree_index = tree_index};
    if (espalier_model_tree(view->model, tree_index, &tree->info) != ESPALIER_OK) {
        return espalier_message_set(message,
                                    "there is no tree %" PRIu32 ": the model has %" PRIu32
                                    ", counted from 0",
                                    tree_index, view->info.tree_count);
    }
    const size_t room = (size_t)tree->info.position_count;
    pending *const stack = malloc((room + 1) * sizeof *stack);
    tree->nodes = calloc(room, sizeof *tree->nodes);
    bool ok = stack != NULL && tree->nodes != NULL;
    if (!ok) {
        espalier_message_set(message, "not enough memory for tree %" PRIu32, tree_index);
    }
    ok = ok && decode(view, tree, stack, message);
    if (ok) {
        count_below(tree);
    }
    free(stack);
    return ok;
}

void espalier_tree_view_free(espalier_tree_view *tree)
{
    free(tree->nodes);
    *tree = (espalier_tree_view){0};
}

uint32_t espalier_tree_view_follow(const espalier_view *view, espalier_tree_view *tree,
                                   const double *values)
{
    uint32_t at = 0;
    for (;;) {
        espalier_view_node *const node = &tree->nodes[at];
        node->cover++;
        if (node->node.feature == ESPALIER_FEATURE_NONE) {
            return at;
        }
        const double value = values[node->node.feature];
        at = espalier_model_node_left(view->model, &node->node, value) != 0 ? at + 1 : node->right;
    }
}
