// SPDX-License-Identifier: Apache-2.0
/*
 * Models whose tables the tests of a reader's edges change. Included by test_table_edges.c and
 * test_output_edges.c alone, behind cmocka.h.
 */
#ifndef ESPALIER_TESTS_UNIT_TEST_EDGES_H
#define ESPALIER_TESTS_UNIT_TEST_EDGES_H

#include "tests/support/damage.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

static const synthetic_options classifier = {.seed = 61,
                                             .tree_count = 3,
                                             .feature_count = 4,
                                             .decision_count_max = 12,
                                             .group_count = 2,
                                             .class_count = 2,
                                             .missing_allowed = true,
                                             .named = true};
static const synthetic_options counts = {.seed = 62,
                                         .tree_count = 1,
                                         .feature_count = 4,
                                         .decision_count_max = 12,
                                         .group_count = 1,
                                         .class_count = 2,
                                         .normalise = true};
static const synthetic_options linked = {.seed = 63,
                                         .trainer = SYNTHETIC_LIGHTGBM,
                                         .tree_count = 8,
                                         .feature_count = 2,
                                         .decision_count_max = 40,
                                         .group_count = 1,
                                         .linked = true};
static const synthetic_options categories = {.seed = 66,
                                             .trainer = SYNTHETIC_XGBOOST,
                                             .tree_count = 20,
                                             .feature_count = 4,
                                             .set_features = 2,
                                             .decision_count_max = 30,
                                             .group_count = 1};

/* A walk over features or, of 64-bit trainers, ranks. */
static inline model_bytes make_walk(const synthetic_options *options)
{
    return model_bytes_synthetic(options, ESPALIER_LAYOUT_WALK);
}

#endif
