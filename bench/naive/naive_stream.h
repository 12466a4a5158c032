// SPDX-License-Identifier: Apache-2.0
/*
 * The bytes of a naive stream: this head, then for each tree its nodes in preorder, each a
 * naive_stream_node and, for a leaf, leaf_width doubles. Host byte order; private to bench/naive.
 */
#ifndef ESPALIER_BENCH_NAIVE_STREAM_H
#define ESPALIER_BENCH_NAIVE_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define NAIVE_STREAM_MAGIC        "naive01\n"
#define NAIVE_STREAM_BUFFER_BYTES ((size_t)256 * 1024)

typedef struct naive_stream_head {
    char magic[8];
    uint32_t tree_count;
    uint32_t feature_count;
    uint32_t leaf_width;
    uint32_t missing_allowed;
} naive_stream_head;

typedef struct naive_stream_node {
    double threshold;
    int32_t feature;
    uint8_t is_leaf;
    uint8_t missing_left;
    uint8_t padding[2];
} naive_stream_node;

#endif
