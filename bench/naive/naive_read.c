// SPDX-License-Identifier: Apache-2.0
/*
 * Reads a naive stream node by node; see naive.h. Buffered stdio, one allocation per node.
 */
#include "naive.h"
#include "naive_node.h"
#include "naive_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places that still wait for their node, the next one on top. */
typedef struct pending_list {
    naive_node ***slots;
    size_t count;
    size_t capacity;
} pending_list;

static bool push_slot(pending_list *list, naive_node **slot)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        naive_node ***slots = realloc(list->slots, capacity * sizeof *slots);
        if (slots == NULL) {
            return false;
        }
        list->slots = slots;
        list->capacity = capacity;
    }
    list->slots[list->count++] = slot;
    return true;
}

static naive_node *read_node(FILE *file, const naive_forest *forest)
{
    naive_stream_node head;
    if (fread(&head, sizeof head, 1, file) != 1) {
        return NULL;
    }
    const size_t value_count = head.is_leaf ? forest->leaf_width : 0;
    naive_node *node = malloc(sizeof *node + value_count * sizeof(double));
    if (node == NULL) {
        return NULL;
    }
    node->left = NULL;
    node->right = NULL;
    node->threshold = head.threshold;
    node->feature = head.is_leaf ? -1 : head.feature;
    node->missing_left = head.missing_left != 0;
    const bool is_good = head.is_leaf
                             ? fread(node->values, sizeof(double), value_count, file) == value_count
                             : head.feature >= 0 && (uint32_t)head.feature < forest->feature_count;
    if (!is_good) {
        free(node);
        return NULL;
    }
    return node;
}

/* Preorder: a node's left child comes next, its right child after the whole left side. */
static bool read_tree(FILE *file, const naive_forest *forest, pending_list *list, naive_node **root)
{
    bool is_good = push_slot(list, root);
    while (is_good && list->count > 0) {
        naive_node **slot = list->slots[--list->count];
        naive_node *node = read_node(file, forest);
        *slot = node;
        is_good = node != NULL && (node->feature < 0 ||
                                   (push_slot(list, &node->right) && push_slot(list, &node->left)));
    }
    return is_good;
}

naive_forest *naive_load(const char *path)
{
    pending_list list = {NULL, 0, 0};
    naive_stream_head head;
    bool is_good = false;
    naive_forest *forest = calloc(1, sizeof *forest);
    FILE *file = fopen(path, "rb");
    if (forest == NULL || file == NULL) {
        goto out;
    }
    setvbuf(file, NULL, _IOFBF, NAIVE_STREAM_BUFFER_BYTES);
    if (fread(&head, sizeof head, 1, file) != 1 ||
        memcmp(head.magic, NAIVE_STREAM_MAGIC, sizeof head.magic) != 0) {
        goto out;
    }
    forest->feature_count = head.feature_count;
    forest->leaf_width = head.leaf_width;
    forest->missing_allowed = head.missing_allowed != 0;
    forest->roots = calloc(head.tree_count, sizeof *forest->roots);
    is_good = forest->roots != NULL;
    for (uint32_t t = 0; is_good && t < head.tree_count; t++) {
        forest->tree_count = t + 1;
        is_good = read_tree(file, forest, &list, &forest->roots[t]);
    }

out:
    free(list.slots);
    if (file != NULL) {
        fclose(file);
    }
    if (!is_good) {
        naive_free(forest);
        return NULL;
    }
    return forest;
}

/* Turns each left child up until there is none, so that a deep tree needs no stack. */
static void free_tree(naive_node *node)
{
    while (node != NULL) {
        naive_node *left = node->left;
        if (left == NULL) {
            naive_node *right = node->right;
            free(node);
            node = right;
        } else {
            node->left = left->right;
            left->right = node;
            node = left;
        }
    }
}

void naive_free(naive_forest *forest)
{
    if (forest == NULL) {
        return;
    }
    for (uint32_t t = 0; t < forest->tree_count; t++) {
        free_tree(forest->roots[t]);
    }
    free(forest->roots);
    free(forest);
}
