// SPDX-License-Identifier: Apache-2.0
/*
 * Forests made up from a seed, for tests. Same options, same forest, on every machine. They hold
 * what trainers write rarely: thresholds that no float32 equals, zeroes of both signs, denormals,
 * numbers beyond float32, infinities, trees of one node, chains.
 */
#ifndef TESTS_SUPPORT_SYNTHETIC_H
#define TESTS_SUPPORT_SYNTHETIC_H

#include "convert/forest.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum synthetic_shape {
    SYNTHETIC_PREORDER = 0,   /* numbered as a depth-first builder does */
    SYNTHETIC_BEST_FIRST = 1, /* siblings numbered one after the other, as max_leaf_nodes does */
    SYNTHETIC_CHAIN = 2       /* as deep as it has decisions */
} synthetic_shape;

/* Whose habits the forest has. */
typedef enum synthetic_trainer {
    SYNTHETIC_FOREST = 0, /* scikit-learn's forests and single trees */
    /* Float32 throughout, a start value for each sum, infinity and NaN allowed. */
    SYNTHETIC_XGBOOST = 1,
    /* Float64 throughout, a missing rule for each node, tiny values flushed, leaves numbered apart
     * from nodes; infinity and NaN allowed. */
    SYNTHETIC_LIGHTGBM = 2
} synthetic_trainer;

typedef struct synthetic_options {
    uint64_t seed;
    uint32_t tree_count;
    uint32_t feature_count;
    uint32_t decision_count_max; /* per tree; each tree has between half of it and it */
    uint32_t group_count;
    uint32_t class_count;    /* of group 0; each further group has one more; 0: regression */
    uint32_t distinct_count; /* distinct leaf rows; 0: every leaf its own */
    synthetic_shape shape;
    uint32_t depth_max; /* BEST_FIRST only; 0: any */
    uint32_t cut_count; /* distinct thresholds of a feature; 0: any */
    /* Boosted: class_count sums (0: one), a tree for each in turn, group_count 1. */
    synthetic_trainer trainer;
    /* Boosted without class_count: probability of two classes, class and value behind the sum: add
     * a constant, sigmoid, two classes. XGBOOST: in float32. */
    bool linked;
    bool averaged;               /* LIGHTGBM: divided by the iterations, as its forests are */
    uint32_t default_iterations; /* boosted: what predict uses; 0: all */
    bool missing_allowed;
    bool normalise; /* counts in the leaves of a single tree */
    /* The first so many features have categories: their nodes ask for sets, of 64-bit trainers the
     * second by way of numbers that stand for them. */
    uint32_t set_features;
    bool named;                     /* feature names */
    espalier_label_kind label_kind; /* 0: INT */
} synthetic_options;

/*
 * A validated forest, to be freed with espalier_forest_free. With tree_count 1 it divides nothing,
 * as a single tree. Boosted ones with class_count answer MARGIN, others VALUE as well. Fails the
 * running test when memory runs out.
 */
void synthetic_forest_make(const synthetic_options *options, espalier_forest *forest_out);

/* The next number of a generator whose state is *state; splitmix64. */
uint64_t synthetic_next(uint64_t *state);

#endif
