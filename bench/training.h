// SPDX-License-Identifier: Apache-2.0
/*
 * Trains classification forests on seeded synthetic rows, so that benchmarks have forests of the
 * size and the walk of real ones without any Python. Standard headers and npy_rows.h only. The same
 * settings give the same forest everywhere: no libm, no dependence on the number of threads.
 */
#ifndef ESPALIER_BENCH_TRAINING_H
#define ESPALIER_BENCH_TRAINING_H

#include "npy_rows.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace espalier_bench
{

struct training_options {
    uint64_t seed = 1;
    uint32_t tree_count = 200;
    uint32_t depth_max = 0; // 0: until the leaves are pure
    uint32_t class_count = 2;
    uint32_t feature_count = 50;
    uint32_t informative_count = 20;
    uint32_t row_count = 50000;
    uint32_t unseen_count = 10000;
    uint32_t candidate_count = 30; // random splits scored per node
    uint32_t thread_count = 2;
};

// Rows and their classes.
struct synthetic_rows {
    uint32_t row_count = 0;
    uint32_t feature_count = 0;
    std::vector<float> columns;   // [feature_count][row_count]
    std::vector<uint8_t> classes; // [row_count]

    const float *column(uint32_t feature) const
    {
        return columns.data() + static_cast<size_t>(feature) * row_count;
    }
};

// One node as the trainer's file has it; nodes stand in preorder, node 0 is the root.
struct trained_node {
    int64_t left;  // -1: a leaf
    int64_t right; // -1: a leaf
    int64_t feature;
    double threshold; // a row goes left when its value is <= threshold
    double impurity;
    int64_t row_count;     // distinct rows
    double weighted_count; // rows drawn, repetitions counted
};

struct trained_tree {
    std::vector<trained_node> nodes;
    std::vector<double> values; // [node][class]: the share of each class among the node's rows
    uint32_t depth = 0;
};

struct trained_forest {
    training_options options;
    std::vector<trained_tree> trees;

    uint64_t node_count() const;
    // Nodes that a training row passes before its leaf, all trees together, mean over the rows.
    double visits_per_row() const;
};

// Rows of one seed; `stream` tells training rows (0) from unseen ones (1) of the same clusters.
synthetic_rows make_rows(const training_options &options, uint32_t row_count, uint64_t stream);

// options.unseen_count rows of the same clusters that no tree has seen, row-major.
float_rows make_unseen_rows(const training_options &options);

trained_forest train_forest(const training_options &options, const synthetic_rows &rows);

} // namespace espalier_bench

#endif
