// SPDX-License-Identifier: Apache-2.0
/*
 * Trees and forests as scikit-learn pickles them, with any of their facts replaced by a lie.
 * May include: libc, pickle_writer.h. Must never: use the reader it is meant to test.
 */
#ifndef ESPALIER_TESTS_SUPPORT_FAKE_SKLEARN_H
#define ESPALIER_TESTS_SUPPORT_FAKE_SKLEARN_H

#include "tests/support/pickle_writer.h"

/* ---- estimators ----------------------------------------------------------------------------- */

typedef struct fake_node {
    int64_t left;
    int64_t right;
    int64_t feature;
    double threshold;
    double weight;
    uint8_t missing_left;
} fake_node;

typedef enum fake_layout {
    FAKE_NODES_56 = 0,          /* before 1.3 */
    FAKE_NODES_64 = 1,          /* with missing_go_to_left */
    FAKE_NODES_64_SWAPPED = 2,  /* from a big-endian machine */
    FAKE_NODES_32_BITS = 3,     /* integers of four bytes */
    FAKE_NODES_CATEGORICAL = 4, /* 1.10 */
    FAKE_NODES_UNKNOWN = 5,     /* one field nobody knows */
    FAKE_NODES_SHORT = 6        /* no thresholds */
} fake_layout;

typedef struct fake_tree {
    const fake_node *nodes;
    uint32_t node_count;
    const double *values;       /* [node_count][output_count][class_count_max] */
    int64_t claimed_node_count; /* 0: the truth */
    uint64_t claimed_rows;      /* of values; 0: the truth */
    int64_t claimed_features;   /* 0: the estimator's */
    int64_t claimed_outputs;
    int64_t claimed_classes;
    fake_layout layout;
    bool four_arguments;
    bool fortran_values;
} fake_tree;

/* One output's class labels. */
typedef struct fake_labels {
    const char *code; /* "i8", "U5", "O8", ... */
    const void *data; /* of the array; for "O8": const char *const [count] */
    size_t bytes;
    uint64_t count;
} fake_labels;

typedef struct fake_estimator {
    const char *module;
    const char *name;      /* of a class: a forest when trees are wrapped in estimators_ */
    const char *inner;     /* class of the trees inside; NULL: a single tree */
    const char *version;   /* NULL: none */
    const char *criterion; /* NULL: "gini" */
    const char *splitter;  /* NULL: "best" */
    int64_t features;
    int64_t outputs;
    const fake_labels *labels; /* [outputs]; NULL: a regressor */
    int64_t claimed_classes;   /* n_classes_; 0: the truth */
    const char *const *feature_names;
    uint64_t feature_name_count;
    const fake_tree *trees;
    size_t tree_count;
    bool shared_tree;    /* every tree is the first one, by reference */
    size_t shared_count; /* then: how often */
    bool monotonic;
    bool duplicate_attribute;
    bool unfitted;
} fake_estimator;

/* The estimator as a value inside a stream. */
void put_estimator(pickle_writer *writer, const fake_estimator *estimator);

/* A DecisionTreeRegressor of one split, at 0.5 of a feature: 1.5, above it -2.5. */
extern const fake_tree fake_stumps[2]; /* of feature 0 and of feature 1 */
void put_stump(pickle_writer *writer, const char *version, uint32_t feature, int64_t features);

/* A fitted tree of a class, with what the estimator says of its features and outputs. */
void put_tree_estimator(pickle_writer *writer, const fake_estimator *estimator, const char *module,
                        const char *name, const fake_tree *tree);
void put_labels(pickle_writer *writer, const fake_labels *labels);

#endif
