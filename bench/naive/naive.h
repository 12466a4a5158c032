// SPDX-License-Identifier: Apache-2.0
/*
 * What Espalier is measured against: the forest loader most people would write first, written with
 * care. A plain stream, read node by node with stdio; every node allocated on its own; prediction
 * follows pointers, adds leaf values in double, divides by the number of trees. The writer takes
 * any open Espalier model through the public interface. May include public headers only; must stay
 * honest: no needless work, and no trick that Espalier has and a plain loader has not.
 */
#ifndef ESPALIER_BENCH_NAIVE_H
#define ESPALIER_BENCH_NAIVE_H

#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct naive_node; /* naive_node.h */

typedef struct naive_forest {
    struct naive_node **roots;
    uint32_t tree_count;
    uint32_t feature_count;
    uint32_t leaf_width;
    bool missing_allowed; /* rows may hold NaN: then each step asks */
} naive_forest;

/* Writes the model's trees to a stream file. False: could not write, or not a plain forest. */
bool naive_write(const espalier_model *model, const char *path);

/* Reads a stream file; NULL on any error. Free with naive_free. */
naive_forest *naive_load(const char *path);
void naive_free(naive_forest *forest);

/* The mean of the trees' leaf values, [leaf_width], for one row of feature_count floats. */
void naive_predict_row(const naive_forest *forest, const float *row, double *output);

/*
 * The same for many rows, row-major without gaps. Tree by tree: several times faster than row by
 * row on a large forest, because a tree stays in the cache; the same sums in the same order.
 */
void naive_predict_batch(const naive_forest *forest, const float *rows, size_t row_count,
                         double *outputs);

#ifdef __cplusplus
}
#endif

#endif
