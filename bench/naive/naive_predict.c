// SPDX-License-Identifier: Apache-2.0
/*
 * The plain walk: one row, one tree, one pointer after the other. See naive.h.
 */
#include "naive.h"
#include "naive_node.h"

#include <math.h>

/* Loops end at a leaf; the reader builds trees, never cycles. */
static const naive_node *find_leaf(const naive_node *node, const float *row)
{
    while (node->left != NULL) {
        node = (double)row[node->feature] <= node->threshold ? node->left : node->right;
    }
    return node;
}

static const naive_node *find_leaf_missing(const naive_node *node, const float *row)
{
    while (node->left != NULL) {
        const float value = row[node->feature];
        const bool goes_left = isnan(value) ? node->missing_left : (double)value <= node->threshold;
        node = goes_left ? node->left : node->right;
    }
    return node;
}

static void add_leaf(const naive_forest *forest, const naive_node *root, const float *row,
                     double *output)
{
    const naive_node *leaf =
        forest->missing_allowed ? find_leaf_missing(root, row) : find_leaf(root, row);
    for (uint32_t k = 0; k < forest->leaf_width; k++) {
        output[k] += leaf->values[k];
    }
}

void naive_predict_row(const naive_forest *forest, const float *row, double *output)
{
    for (uint32_t k = 0; k < forest->leaf_width; k++) {
        output[k] = 0.0;
    }
    for (uint32_t t = 0; t < forest->tree_count; t++) {
        add_leaf(forest, forest->roots[t], row, output);
    }
    for (uint32_t k = 0; k < forest->leaf_width; k++) {
        output[k] /= forest->tree_count;
    }
}

void naive_predict_batch(const naive_forest *forest, const float *rows, size_t row_count,
                         double *outputs)
{
    const size_t value_count = row_count * forest->leaf_width;
    for (size_t i = 0; i < value_count; i++) {
        outputs[i] = 0.0;
    }
    for (uint32_t t = 0; t < forest->tree_count; t++) {
        for (size_t r = 0; r < row_count; r++) {
            add_leaf(forest, forest->roots[t], rows + r * forest->feature_count,
                     outputs + r * forest->leaf_width);
        }
    }
    for (size_t i = 0; i < value_count; i++) {
        outputs[i] /= forest->tree_count;
    }
}
