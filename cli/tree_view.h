// SPDX-License-Identifier: Apache-2.0
/*
 * A tree as people look at it: its nodes in preorder, what each asks in the user's words, what its
 * leaves hold. Includes labels.h, view_names.h, libc. Texts are built from the model's own strings,
 * so they are untrusted and must be escaped by whoever prints them.
 */
#ifndef ESPALIER_CLI_TREE_VIEW_H
#define ESPALIER_CLI_TREE_VIEW_H

#include "espalier_inspect.h"
#include "labels.h"
#include "view_names.h"

#define ESPALIER_VIEW_NONE UINT32_MAX

/* A node in preorder: its left child is the next one. */
typedef struct espalier_view_node {
    espalier_node node;
    uint32_t parent; /* ESPALIER_VIEW_NONE: the root */
    uint32_t right;  /* the right child; ESPALIER_VIEW_NONE: a leaf */
    uint32_t depth;
    uint32_t node_count; /* of the nodes from here down, this one included */
    uint32_t leaf_count;
    uint32_t number; /* a leaf's, the trainer's; else ESPALIER_NUMBER_NONE */
    uint64_t cover;  /* rows that came here, where rows were counted */
} espalier_view_node;

typedef struct espalier_tree_view {
    uint32_t tree_index;
    espalier_tree_info info;
    espalier_view_node *nodes;
    uint32_t count;
} espalier_tree_view;

/* What all trees of a model share. */
typedef struct espalier_view {
    espalier_model *model;
    espalier_model_info info;
    espalier_labels labels; /* output_count 0: no classifier */
    bool is_float32;        /* what thresholds are compared in */
    uint32_t *sum_dtypes;   /* [info.part_count] espalier_dtype of leaf values */
    espalier_view_names *names;
} espalier_view;

/* Opens a model for looking at: 0, or reported and an exit code. Close in any case. */
int espalier_view_open(const char *path, uint64_t open_flags, espalier_view *view);
void espalier_view_close(espalier_view *view);

/*
 * Decodes a tree. False, and the message set, when memory ends or the nodes are no tree, which
 * espalier verify says more of. Free in any case. O(nodes), whatever the nodes say.
 */
bool espalier_tree_view_load(const espalier_view *view, uint32_t tree_index,
                             espalier_tree_view *tree, espalier_message *message);
void espalier_tree_view_free(espalier_tree_view *tree);

/* Fills the trainer's numbers of the leaves. False: no memory. O(trees + nodes). */
bool espalier_tree_view_number(const espalier_view *view, espalier_tree_view *tree,
                               espalier_message *message);

/* Counts a row's way: adds 1 to the cover of each node it meets. Returns the leaf. */
uint32_t espalier_tree_view_follow(const espalier_view *view, espalier_tree_view *tree,
                                   const double *values);

/* "age", "x[3]", and of a pipeline's values "(age - 38.5) / 13.6". NULL: no memory. To be freed. */
char *espalier_view_value_name(const espalier_view *view, uint32_t value_index);

/* What a node asks: "age <= 31.5", "city in {1, 4, 7-9}", "city in {Oslo, Rome}", and of numbers of
 * an encoder "index(city) <= 1.5 {Oslo, Rome}"; a leaf: "". NULL: no memory. */
char *espalier_view_test(const espalier_view *view, const espalier_node *node);

/* What stands behind <= or in, alone: "31.5", "{1, 4, 7-9}"; *is_not: what is in the set goes
 * right. */
char *espalier_view_bound(const espalier_view *view, const espalier_node *node, bool *is_not);

/* "missing", "missing or zero", or "" when nothing is missing at this node or in this model. */
const char *espalier_view_missing(const espalier_view *view, const espalier_node *node);

/* What a leaf holds: "setosa (1, 0, 0)", "0.25", and of linear trees, rounded, "0.52 + 0.01 * age".
 * NULL: no memory. */
char *espalier_view_leaf(const espalier_view *view, const espalier_tree_view *tree,
                         const espalier_node *node);

#endif
