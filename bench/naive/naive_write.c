// SPDX-License-Identifier: Apache-2.0
/*
 * Writes an Espalier model's trees as a naive stream, through the public interface. See naive.h.
 */
#include "espalier_inspect.h"
#include "naive.h"
#include "naive_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Positions of one tree that still have to be written, the next one on top. */
typedef struct position_stack {
    uint32_t *positions;
    size_t capacity;
} position_stack;

static bool write_leaf(FILE *file, const espalier_model *model, const espalier_tree_info *tree,
                       uint32_t leaf_index)
{
    double values[64];
    double *wide = tree->leaf_width > 64 ? malloc(tree->leaf_width * sizeof *wide) : NULL;
    double *leaf = tree->leaf_width > 64 ? wide : values;
    const bool is_good = leaf != NULL &&
                         espalier_model_leaf(model, tree->part_index, leaf_index, leaf,
                                             tree->leaf_width) == ESPALIER_OK &&
                         fwrite(leaf, sizeof *leaf, tree->leaf_width, file) == tree->leaf_width;
    free(wide);
    return is_good;
}

/* Every node is written once, so the loop ends after node_count rounds even in a broken file. */
static bool write_tree(FILE *file, const espalier_model *model, uint32_t tree_index,
                       const espalier_tree_info *tree, position_stack *stack)
{
    size_t count = 1;
    stack->positions[0] = 0;
    for (uint32_t written = 0; count > 0; written++) {
        espalier_node node;
        naive_stream_node out;
        if (written >= tree->node_count ||
            espalier_model_node(model, tree_index, stack->positions[--count], &node) !=
                ESPALIER_OK) {
            return false;
        }
        memset(&out, 0, sizeof out);
        out.is_leaf = node.feature == ESPALIER_FEATURE_NONE;
        if (!out.is_leaf) {
            out.threshold = (double)node.threshold;
            out.feature = (int32_t)node.feature;
            out.missing_left = node.missing_left != 0;
        }
        if (fwrite(&out, sizeof out, 1, file) != 1) {
            return false;
        }
        if (out.is_leaf) {
            if (!write_leaf(file, model, tree, node.leaf_index)) {
                return false;
            }
        } else if (count + 2 > stack->capacity) {
            return false; /* more than node_count positions wait: not a tree */
        } else {
            stack->positions[count++] = node.right;
            stack->positions[count++] = node.left;
        }
    }
    return true;
}

static bool write_trees(FILE *file, const espalier_model *model, const espalier_model_info *info)
{
    for (uint32_t t = 0; t < info->tree_count; t++) {
        espalier_tree_info tree;
        if (espalier_model_tree(model, t, &tree) != ESPALIER_OK) {
            return false;
        }
        position_stack stack = {NULL, (size_t)tree.node_count + 2};
        stack.positions = malloc(stack.capacity * sizeof *stack.positions);
        const bool is_good = stack.positions != NULL && write_tree(file, model, t, &tree, &stack);
        free(stack.positions);
        if (!is_good) {
            return false;
        }
    }
    return true;
}

bool naive_write(const espalier_model *model, const char *path)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    espalier_tree_info tree;
    if (espalier_model_info_get(model, &info) != ESPALIER_OK || info.part_count != 1 ||
        info.tree_count == 0 || espalier_model_tree(model, 0, &tree) != ESPALIER_OK) {
        return false;
    }
    naive_stream_head head;
    memset(&head, 0, sizeof head);
    memcpy(head.magic, NAIVE_STREAM_MAGIC, sizeof head.magic);
    head.tree_count = info.tree_count;
    head.feature_count = info.feature_count;
    head.leaf_width = tree.leaf_width;
    head.missing_allowed = info.missing_allowed;

    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return false;
    }
    setvbuf(file, NULL, _IOFBF, NAIVE_STREAM_BUFFER_BYTES);
    const bool is_written =
        fwrite(&head, sizeof head, 1, file) == 1 && write_trees(file, model, &info);
    const bool is_closed = fclose(file) == 0;
    if (!is_written || !is_closed) {
        remove(path);
    }
    return is_written && is_closed;
}
