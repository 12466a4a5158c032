// SPDX-License-Identifier: Apache-2.0
/*
 * convert/forest: what is a tree and what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/forest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAF ESPALIER_FOREST_LEAF

/* Two trees: 0 = (1, 2) with leaves; 3 = ((5, 6), 4) numbered best first: siblings side by side. */
static const uint32_t left_of[] = {1, LEAF, LEAF, 1, 3, LEAF, LEAF, LEAF};
static const uint32_t right_of[] = {2, 0, 1, 2, 4, 0, 1, 2};

static void *copy_of(const void *data, size_t bytes)
{
    void *const copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    return copy;
}

static void make_forest(espalier_forest *forest)
{
    *forest = (espalier_forest){.tree_count = 2,
                                .node_count = 8,
                                .leaf_count = 5,
                                .leaf_width = 1,
                                .group_count = 1,
                                .feature_count = 3};
    const uint32_t features[] = {2, 0, 0, 1, 0, 0, 0, 0};
    const double thresholds[] = {0.5, 0, 0, -1.25, INFINITY, 0, 0, 0};
    const double covers[] = {4, 2, 2, 6, 4, 2, 1, 3};
    const double values[] = {1, 2, 3, 4, 5};
    const uint8_t missing[] = {0, 0, 0, 1, 0, 0, 0, 0};
    const uint32_t width = 1;
    const espalier_forest_tree trees[] = {
        {.first_node = 0, .first_leaf = 0, .node_count = 3, .leaf_count = 2},
        {.first_node = 3, .first_leaf = 2, .node_count = 5, .leaf_count = 3}};
    forest->trees = copy_of(trees, sizeof trees);
    forest->left = copy_of(left_of, sizeof left_of);
    forest->right = copy_of(right_of, sizeof right_of);
    forest->feature = copy_of(features, sizeof features);
    forest->threshold = copy_of(thresholds, sizeof thresholds);
    forest->cover = copy_of(covers, sizeof covers);
    forest->missing_left = copy_of(missing, sizeof missing);
    forest->leaf_values = copy_of(values, sizeof values);
    forest->group_width = copy_of(&width, sizeof width);
}

static void refuses(espalier_forest *forest, const char *word)
{
    espalier_error error = {0};
    assert_int_equal(espalier_forest_validate(forest, "here.pkl", &error),
                     ESPALIER_ERROR_SOURCE_TREE);
    assert_int_equal(error.status, ESPALIER_ERROR_SOURCE_TREE);
    if (strstr(error.message, "here.pkl") == NULL || strstr(error.message, word) == NULL) {
        fail_msg("'%s' not in: %s", word, error.message);
    }
    assert_int_equal(espalier_forest_validate(forest, "here.pkl", NULL),
                     ESPALIER_ERROR_SOURCE_TREE);
    espalier_forest_free(forest);
    assert_null(forest->trees);
    make_forest(forest);
}

static void test_accepts_trees(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_error error;
    make_forest(&forest);
    assert_int_equal(espalier_forest_validate(&forest, "f", &error), ESPALIER_OK);
    assert_int_equal(forest.trees[0].depth, 1);
    assert_int_equal(forest.trees[1].depth, 2);
    assert_true(forest.trees[0].preorder);
    assert_false(forest.trees[1].preorder);
    espalier_forest_free(&forest);
    espalier_forest_free(&forest); /* zeroed */
    espalier_forest_free(NULL);
}

/* Every left child follows its parent, and still the numbers are not the preorder count. */
static void test_preorder_is_exact(void **state)
{
    (void)state;
    const uint32_t left[] = {1, 2, LEAF, 4, LEAF, LEAF, LEAF};
    const uint32_t right[] = {3, 5, 0, 6, 1, 2, 3};
    const uint32_t right_preorder[] = {4, 3, 0, 1, 6, 2, 3};
    const uint32_t left_preorder[] = {1, 2, LEAF, LEAF, 5, LEAF, LEAF};
    uint32_t feature[7] = {0};
    double threshold[7] = {0};
    double cover[7] = {0};
    uint8_t missing[7] = {0};
    double values[4] = {0};
    uint32_t width = 1;
    espalier_forest_tree tree = {.node_count = 7, .leaf_count = 4};
    espalier_forest forest = {.trees = &tree,
                              .tree_count = 1,
                              .node_count = 7,
                              .leaf_count = 4,
                              .left = copy_of(left, sizeof left),
                              .right = copy_of(right, sizeof right),
                              .feature = feature,
                              .threshold = threshold,
                              .cover = cover,
                              .missing_left = missing,
                              .leaf_values = values,
                              .leaf_width = 1,
                              .group_count = 1,
                              .group_width = &width,
                              .feature_count = 1};
    assert_int_equal(espalier_forest_validate(&forest, "f", NULL), ESPALIER_OK);
    assert_false(tree.preorder);
    assert_int_equal(tree.depth, 2);
    memcpy(forest.left, left_preorder, sizeof left_preorder);
    memcpy(forest.right, right_preorder, sizeof right_preorder);
    assert_int_equal(espalier_forest_validate(&forest, "f", NULL), ESPALIER_OK);
    assert_true(tree.preorder);
    free(forest.left);
    free(forest.right);
}

static void test_refuses_what_is_no_tree(void **state)
{
    (void)state;
    espalier_forest forest;
    make_forest(&forest);
    forest.left[3] = 0; /* the root itself */
    refuses(&forest, "after its parent");
    forest.left[4] = 0; /* back up: a cycle */
    refuses(&forest, "after its parent");
    forest.right[3] = 5;
    refuses(&forest, "out of range");
    forest.right[4] = 3; /* both children are one */
    refuses(&forest, "shares");
    forest.right[3] = 4; /* the child of another */
    refuses(&forest, "shares");
    forest.left[4] = LEAF; /* its children are orphans */
    forest.right[4] = 0;
    refuses(&forest, "no parent");
    forest.feature[0] = 3;
    refuses(&forest, "no feature 3");
    forest.threshold[3] = (double)NAN;
    refuses(&forest, "NaN");
    forest.missing_left[0] = 2;
    refuses(&forest, "missing");
    forest.right[2] = 2; /* a leaf of the other tree */
    refuses(&forest, "no leaf 2");
    forest.leaf_values[4] = (double)INFINITY;
    refuses(&forest, "not finite");
    forest.cover[1] = (double)NAN;
    refuses(&forest, "cover");
    espalier_forest_free(&forest);
}

static void test_refuses_wrong_shapes(void **state)
{
    (void)state;
    espalier_forest forest;
    make_forest(&forest);
    forest.trees[1].node_count = 6;
    refuses(&forest, "lie in");
    forest.trees[1].first_node = UINT64_MAX;
    refuses(&forest, "lie in");
    forest.trees[0].node_count = 0;
    refuses(&forest, "lie in");
    forest.trees[1].leaf_count = 4;
    refuses(&forest, "lie in");
    forest.tree_count = 0;
    refuses(&forest, "no trees");
    forest.feature_count = 0;
    refuses(&forest, "no features");
    forest.classifier = true;
    refuses(&forest, "labels");
    forest.leaf_width = 2;
    refuses(&forest, "wide");
    forest.group_width[0] = 0;
    refuses(&forest, "no values");
    espalier_forest_free(&forest);
}

/* The two trees as boosted ones: an iteration each, sums of their own. */
static void make_boosted(espalier_forest *forest)
{
    const uint32_t slots[] = {0, 1};
    const double start[] = {0.5, -1.0};
    const uint8_t rules[] = {ESPALIER_FOREST_MISSING_NAN,   9, 9, ESPALIER_FOREST_MISSING_ZERO,
                             ESPALIER_FOREST_MISSING_NEVER, 9, 9, 9};
    make_forest(forest);
    forest->task = ESPALIER_FOREST_TASK_MARGIN;
    forest->accumulator = ESPALIER_FOREST_SUM_FLOAT32;
    forest->missing_allowed = true;
    forest->classifier = true;
    forest->slot_count = 2;
    forest->group_width[0] = 2;
    forest->tree_slot = copy_of(slots, sizeof slots);
    forest->tree_iteration = copy_of(slots, sizeof slots);
    forest->start = copy_of(start, sizeof start);
    forest->missing_rule = copy_of(rules, sizeof rules);
    forest->iteration_count = 2;
    forest->default_iterations = 1;
}

static void refuses_boosted(espalier_forest *forest, const char *word)
{
    refuses(forest, word);
    espalier_forest_free(forest);
    make_boosted(forest);
}

static void test_boosted_forests(void **state)
{
    (void)state;
    espalier_forest forest;
    make_boosted(&forest);
    assert_int_equal(espalier_forest_validate(&forest, "f", NULL), ESPALIER_OK);
    assert_int_equal(espalier_forest_slots(&forest), 2);
    assert_int_equal(espalier_forest_iterations(&forest), 2);
    assert_int_equal(espalier_forest_iterations_used(&forest), 1);
    assert_int_equal(espalier_forest_slot_of(&forest, 1), 1);
    assert_int_equal(espalier_forest_iteration_of(&forest, 1), 1);
    forest.tree_slot[1] = 2;
    refuses_boosted(&forest, "tree 1 adds to sum 2 of 2");
    forest.tree_iteration[0] = 1;
    forest.tree_iteration[1] = 0;
    refuses_boosted(&forest, "tree 1 is out of order in iteration 0");
    forest.tree_iteration[1] = 2;
    refuses_boosted(&forest, "iteration 2 of 2");
    forest.default_iterations = 3;
    refuses_boosted(&forest, "more iterations");
    forest.leaf_values[4] = 0.1;
    refuses_boosted(&forest, "not a float32");
    forest.leaf_values[0] = 1e300;
    refuses_boosted(&forest, "not a float32");
    forest.start[1] = 0.1;
    refuses_boosted(&forest, "start value is not a float32");
    forest.start[0] = (double)NAN;
    refuses_boosted(&forest, "start value is not finite");
    forest.missing_rule[3] = 3;
    refuses_boosted(&forest, "no missing rule 3");
    forest.missing_allowed = false;
    refuses_boosted(&forest, "zero missing");
    forest.slot_count = 3;
    refuses_boosted(&forest, "sums");
    forest.divide = ESPALIER_FOREST_DIVIDE_TREES;
    refuses_boosted(&forest, "divided");
    forest.normalise = true;
    refuses_boosted(&forest, "normalised");
    forest.task = ESPALIER_FOREST_TASK_VALUE;
    refuses_boosted(&forest, "more than one number");
    free(forest.tree_slot);
    forest.tree_slot = NULL;
    refuses_boosted(&forest, "wide");
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_trees),           cmocka_unit_test(test_preorder_is_exact),
        cmocka_unit_test(test_refuses_what_is_no_tree), cmocka_unit_test(test_refuses_wrong_shapes),
        cmocka_unit_test(test_boosted_forests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
