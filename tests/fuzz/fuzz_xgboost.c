// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as an XGBoost document, JSON or UBJSON: read, loaded as a forest and checked. Seeds are
 * real files of several versions. A crash, a leak, a hang, a failure without a message, memory
 * beyond the limit, or a forest that passes the check and does not hold in an evaluation is a
 * finding.
 */
#include "convert/reference.h"
#include "convert/sources/xgboost.h"
#include "tests/fuzz/fuzz_source.h"

#include <math.h>
#include <stdlib.h>

/* The trainer's numbers of a tree's leaves must be what its leaves have. */
static void check_leaf(const espalier_forest *forest, uint32_t tree_index, uint32_t number)
{
    const espalier_forest_tree *const tree = &forest->trees[tree_index];
    for (uint32_t node = 0; node < tree->node_count; node++) {
        const uint64_t at = tree->first_node + node;
        const uint32_t found = forest->number != NULL ? forest->number[at] : node;
        if (found == number && forest->left[at] == ESPALIER_FOREST_LEAF) {
            return;
        }
    }
    abort();
}

/* Rows of values that decide differently, through every tree. */
static void evaluate_forest(const espalier_forest *forest)
{
    static const float values[] = {0.0F, -1e30F, INFINITY, NAN, 1e-45F};
    const uint32_t slots = espalier_reference_slot_count(forest);
    float *const row = calloc(forest->feature_count, sizeof *row);
    double *const sums = calloc(slots, sizeof *sums);
    uint32_t *const leaves = calloc(forest->tree_count, sizeof *leaves);
    for (size_t i = 0;
         row != NULL && sums != NULL && leaves != NULL && i < sizeof values / sizeof values[0];
         i++) {
        for (uint32_t feature = 0; feature < forest->feature_count; feature++) {
            row[feature] = values[(i + feature) % (sizeof values / sizeof values[0])];
        }
        espalier_reference_evaluate(forest, row, 1, sums, leaves);
        for (uint32_t tree = 0; tree < forest->tree_count; tree++) {
            check_leaf(forest, tree, leaves[tree]);
        }
    }
    free(row);
    free(sums);
    free(leaves);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    (void)espalier_xgboost_kind.recognise(data, bytes);
    return fuzz_source(&espalier_xgboost_kind, data, bytes, evaluate_forest);
}
