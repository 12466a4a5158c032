// SPDX-License-Identifier: Apache-2.0
/*
 * The forest in memory that every source fills and that flattening, the reference evaluator and
 * proofs read: the trainer's trees in its own numbering, its exact thresholds and leaf values.
 * May include public headers only. Knows no file format.
 *
 * A row in the trainer: with input FLOAT32 each feature x is cast to float32 (to nearest even);
 * with flush_tiny, a magnitude of at most 1e-35f becomes 0. At node i, what its missing rule calls
 * missing goes left iff missing_left[i]; otherwise the row goes left iff (double)x <= threshold[i].
 * A trainer that asks x < t on float32 is x <= the float32 below t. Every leaf value is added to
 * the values of the tree's slot, in the order of the trees, in the accumulator's type, from
 * `start`.
 */
#ifndef ESPALIER_CONVERT_FOREST_H
#define ESPALIER_CONVERT_FOREST_H

#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESPALIER_FOREST_LEAF UINT32_MAX

/* One tree: node_count nodes from first_node in the forest's arrays; children are relative. */
typedef struct espalier_forest_tree {
    uint64_t first_node;
    uint64_t first_leaf; /* row in leaf_values of this tree's leaf 0 */
    uint32_t node_count;
    uint32_t leaf_count;
    uint32_t depth; /* set by espalier_forest_validate */
    bool preorder;  /* set by espalier_forest_validate: node numbers are the preorder count */
} espalier_forest_tree;

/* What the trainer does with the sum of the leaves. */
typedef enum espalier_forest_divide {
    ESPALIER_FOREST_DIVIDE_NONE = 0, /* a single tree */
    ESPALIER_FOREST_DIVIDE_TREES = 1 /* one division by the number of iterations used; of a forest,
                                        each tree is one */
} espalier_forest_divide;

/* What the trainer compares. */
typedef enum espalier_forest_input {
    ESPALIER_FOREST_INPUT_FLOAT32 = 0, /* x rounded to float32 */
    ESPALIER_FOREST_INPUT_FLOAT64 = 1  /* x as it is; float32 rows are widened */
} espalier_forest_input;

/* What a node calls missing. */
typedef enum espalier_forest_missing {
    ESPALIER_FOREST_MISSING_NAN = 0,   /* NaN */
    ESPALIER_FOREST_MISSING_NEVER = 1, /* nothing: NaN counts as 0 and is compared */
    ESPALIER_FOREST_MISSING_ZERO = 2   /* NaN and any magnitude of at most 1e-35f */
} espalier_forest_missing;

/* The type sums are kept and rounded in. */
typedef enum espalier_forest_accumulator {
    ESPALIER_FOREST_SUM_FLOAT64 = 0,
    ESPALIER_FOREST_SUM_FLOAT32 = 1 /* every leaf value and start value is a float32 */
} espalier_forest_accumulator;

/* What the model answers. */
typedef enum espalier_forest_task {
    ESPALIER_FOREST_TASK_FOREST = 0, /* scikit-learn: PROBABILITY and CLASS, or VALUE */
    ESPALIER_FOREST_TASK_MARGIN = 1, /* sums only: MARGIN; the link is not known or not supported */
    ESPALIER_FOREST_TASK_VALUE = 2   /* MARGIN, and the same numbers as VALUE: an identity link */
} espalier_forest_task;

/* The class labels of one of the trainer's outputs; item i in the field its kind names. */
typedef struct espalier_forest_labels {
    espalier_label_kind kind;
    uint32_t item_bytes;
    uint32_t count;
    uint64_t *numbers;  /* INT, UINT, BOOL: 64-bit two's complement; FLOAT: bits of a float64 */
    char **texts;       /* STRING: UTF-8, each malloc'ed, NUL-terminated */
    size_t *text_bytes; /* STRING: without the NUL (a label may hold NULs) */
} espalier_forest_labels;

typedef struct espalier_forest {
    /* Trees, in the trainer's order. */
    espalier_forest_tree *trees;
    uint32_t tree_count;
    uint64_t node_count;
    uint64_t leaf_count;   /* rows of leaf_values */
    uint32_t *left;        /* [node_count] ESPALIER_FOREST_LEAF for a leaf */
    uint32_t *right;       /* [node_count] a leaf: its row, from the tree's first_leaf */
    uint32_t *feature;     /* [node_count] */
    double *threshold;     /* [node_count] finite, or infinite where the trainer writes that */
    double *cover;         /* [node_count] training rows (weighted where the trainer weighs) */
    uint8_t *missing_left; /* [node_count] 0 or 1 */
    uint8_t *missing_rule; /* [node_count] espalier_forest_missing, or NULL: NAN everywhere */
    uint32_t *number;      /* [node_count] the trainer's number of a leaf, what LEAF gives; inner
                              nodes: anything; NULL: the node's index in its tree */
    double *leaf_values; /* [leaf_count][leaf_width], what is summed (normalised if the trainer does
                              that per tree) */
    uint32_t leaf_width; /* values per leaf; slot_count, or 1 with tree_slot */
    uint32_t slot_count; /* sums per row: the sum of group_width; 0: leaf_width */
    uint32_t *tree_slot; /* [tree_count] the first slot a tree adds to, or NULL: 0 */
    double *start;       /* [slot_count] what sums start from, or NULL: 0 */
    espalier_forest_accumulator accumulator;

    /* Iterations: what an iteration range counts. */
    uint32_t iteration_count;    /* 0: tree_count */
    uint32_t *tree_iteration;    /* [tree_count] rising, or NULL: each tree is an iteration */
    uint32_t default_iterations; /* the trainer's predict uses the first so many; 0: all */

    /* Outputs. */
    espalier_forest_task task;
    bool classifier; /* FOREST: PROBABILITY and CLASS; MARGIN: the trainer's estimator classifies */
    uint32_t group_count;           /* the trainer's outputs */
    uint32_t *group_width;          /* [group_count] classes of the output; regression: 1 each */
    espalier_forest_labels *labels; /* [group_count], NULL for regression */
    espalier_forest_divide divide;
    bool normalise;        /* a single tree that stores counts: classes are decided on the stored
                             row, probabilities are row / sum per group (pairwise; 0: by 1) */
    bool leaf_is_vector;   /* apply gives one column per tree; false: a single number per row */
    uint32_t leaf_classes; /* apply gives an axis of iterations and one of so many trees; 0: no */

    /* Inputs. */
    espalier_forest_input input;
    bool flush_tiny; /* magnitudes of at most 1e-35f count as 0 */
    uint32_t feature_count;
    char **feature_names;  /* [feature_count] UTF-8, or NULL */
    bool missing_allowed;  /* the trainer's predict accepts NaN; else missing_left means nothing */
    bool infinite_allowed; /* and infinity; with FLOAT32 also what the cast makes infinite */

    /* For the metadata, all malloc'ed UTF-8, may be NULL. */
    char *framework;       /* "scikit-learn", "XGBoost", "LightGBM" */
    char *version;         /* of the framework */
    char *class_name;      /* full name */
    char *parameters_json; /* a JSON object of hyper-parameters */
    char *objective;       /* of a boosted model: "binary:logistic"; else NULL */
} espalier_forest;

/*
 * Checks that every tree is a tree (each node but the root has exactly one parent, children after
 * parents, all reached), indices are in range, thresholds are no NaN, leaf values finite or as the
 * trainer allows; sets depth and preorder. `source` names the file in messages.
 * Status: SOURCE_TREE, LIMIT, MEMORY.
 */
espalier_status espalier_forest_validate(espalier_forest *forest, const char *source,
                                         espalier_error *error_out);

/* slot_count, iteration_count and default_iterations with what their 0 stands for. */
uint32_t espalier_forest_slots(const espalier_forest *forest);
uint32_t espalier_forest_iterations(const espalier_forest *forest);
uint32_t espalier_forest_iterations_used(const espalier_forest *forest);

/* The iteration that a tree belongs to, and the first slot it adds to. */
uint32_t espalier_forest_iteration_of(const espalier_forest *forest, uint32_t tree_index);
uint32_t espalier_forest_slot_of(const espalier_forest *forest, uint32_t tree_index);

/* Frees everything in *forest (not the struct itself) and zeroes it. Accepts a zeroed forest. */
void espalier_forest_free(espalier_forest *forest);

#endif
