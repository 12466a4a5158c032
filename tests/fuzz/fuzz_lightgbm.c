// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a LightGBM text model: read, loaded as a forest and checked. Seeds are real files of
 * every text version. A crash, a leak, a hang, a failure without a message, or a forest that passes
 * the check and does not hold in an evaluation is a finding.
 */
#include "convert/reference.h"
#include "convert/sources/lightgbm.h"
#include "tests/fuzz/fuzz_source.h"

#include <math.h>
#include <stdlib.h>

/* Rows of values that decide differently, through every tree. */
static void evaluate_forest(const espalier_forest *forest)
{
    static const double values[] = {0.0, -1e300, (double)INFINITY, (double)NAN, 1e-35};
    const uint32_t slots = espalier_reference_slot_count(forest);
    double *const row = calloc(forest->feature_count, sizeof *row);
    double *const sums = calloc(slots, sizeof *sums);
    uint32_t *const leaves = calloc(forest->tree_count, sizeof *leaves);
    for (size_t i = 0;
         row != NULL && sums != NULL && leaves != NULL && i < sizeof values / sizeof values[0];
         i++) {
        for (uint32_t feature = 0; feature < forest->feature_count; feature++) {
            row[feature] = values[(i + feature) % (sizeof values / sizeof values[0])];
        }
        espalier_reference_evaluate_float64(forest, row, 1, sums, leaves);
        for (uint32_t tree = 0; tree < forest->tree_count; tree++) {
            if (leaves[tree] >= forest->trees[tree].leaf_count) {
                abort();
            }
        }
    }
    free(row);
    free(sums);
    free(leaves);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    return fuzz_source(&espalier_lightgbm_kind, data, bytes, evaluate_forest);
}
