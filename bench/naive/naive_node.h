// SPDX-License-Identifier: Apache-2.0
/*
 * A node of the naive forest: one allocation each. Private to bench/naive (C only: the values are a
 * flexible array, which saves the naive loader a second allocation per leaf).
 */
#ifndef ESPALIER_BENCH_NAIVE_NODE_H
#define ESPALIER_BENCH_NAIVE_NODE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct naive_node {
    struct naive_node *left; /* NULL: a leaf */
    struct naive_node *right;
    double threshold;
    int32_t feature;
    bool missing_left;
    double values[]; /* of a leaf only: one per class or output */
} naive_node;

#endif
