// SPDX-License-Identifier: Apache-2.0
/*
 * Lies about the document of test_xgboost.h: what is exchanged, for what, and words of the refusal.
 * Told in JSON, in UBJSON and inside pickles.
 */
#ifndef ESPALIER_TESTS_UNIT_TEST_XGBOOST_LIES_H
#define ESPALIER_TESTS_UNIT_TEST_XGBOOST_LIES_H

#include "tests/unit/test_xgboost.h"

typedef struct xgboost_lie {
    const char *from;
    const char *to;
    const char *words;
} xgboost_lie;

#define LIE_COUNT(lies) (sizeof(lies) / sizeof(lies)[0])

/* Refused as SOURCE_TREE. */
static const xgboost_lie xgboost_lying_trees[] = {
    {"[1,-1,3,-1,-1]", "[5,-1,3,-1,-1]", "trees[0]: node 0 has a child 5, out of range of 5 nodes"},
    {"[1,-1,3,-1,-1]", "[-2,-1,3,-1,-1]", "node 0 has a child -2"},
    {"[2,-1,4,-1,-1]", "[1,-1,4,-1,-1]",
     "node 0 leads to node 1, where another path leads as well"},
    {"[1,-1,3,-1,-1]", "[1,-1,0,-1,-1]", "node 2 leads to node 0, where another path"},
    {"[1,-1,3,-1,-1]", "[0,-1,3,-1,-1]", "node 0 leads to node 0"},
    {"\"right_children\":[2,-1,4", "\"right_children\":[3,-1,4",
     "node 0 has children 1 and 3, which are not side by side"},
    {"[1,-1,3,-1,-1]", "[1,-1,-1,-1,-1]", "2 nodes are not reached, num_deleted is 0"},
    {"\"num_deleted\":2", "\"num_deleted\":3", "2 nodes are not reached, num_deleted is 3"},
    {"[1,-1,3,-1,-1]", "[1,-1,3,-1]", "left_children has 4 items for 5 nodes"},
    {"[2,-1,4,-1,-1]", "[2,-1,4,-1,-1,-1]", "right_children has 6 items for 5 nodes"},
    {"\"split_indices\":[1,0,0,0,0]", "\"split_indices\":[]",
     "split_indices has 0 items for 5 nodes"},
    {"[5E-1,1E-1,", "[5E-1,", "split_conditions has 4 items for 5 nodes"},
    {"[1,0,0,0,0]", "[1,0,0,0]", "default_left has 4 items for 5 nodes"},
    {"[0,0,0,0,0]", "[0,0,0,0]", "split_type has 4 items for 5 nodes"},
    {"[1E1,4E0,", "[4E0,", "sum_hessian has 4 items for 5 nodes"},
    {"\"num_nodes\":\"5\"", "\"num_nodes\":\"0\"", "num_nodes is 0"},
    {"\"num_nodes\":\"5\"", "\"num_nodes\":\"4294967297\"", "num_nodes is 4294967297"},
    {"\"id\":1", "\"id\":2", "trees[1]: the tree's id is 2"},
    {"\"split_indices\":[1,", "\"split_indices\":[2,", "tree 0, node 0: there is no feature 2"},
    {"\"split_indices\":[1,", "\"split_indices\":[-1,", "there is no feature"},
    {"1E-1,-1.25E0", "1E99,-1.25E0", "of the forest is not finite"},
    {"1E-1,-1.25E0", "NaN,-1.25E0", "of the forest is not finite"},
    {"1E-1,-1.25E0", "-Infinity,-1.25E0", "of the forest is not finite"},
    {"\"num_trees\":\"3\"", "\"num_trees\":\"4\"", "3 trees, num_trees is 4"},
    {"\"tree_info\":[0,0,0]", "\"tree_info\":[0,0]", "tree_info has 2 items"},
    {"\"tree_info\":[0,0,0]", "\"tree_info\":[0,1,0]", "tree 1 adds to output 1 of 1"},
    {"\"tree_info\":[0,0,0]", "\"tree_info\":[0,0,-1]", "tree 2 adds to output -1 of 1"},
    {"[0,1,2,3]", "[0,1,3,2]", "iteration_indptr does not rise"},
    {"[0,1,2,3]", "[0,1,1,3]", "iteration_indptr does not rise"},
    {"[0,1,2,3]", "[1,2,3]", "iteration_indptr does not rise"},
    {"[0,1,2,3]", "[0,2147483647]", "iteration_indptr does not rise"},
    {"[\"a\",", "[\"a\",\"c\",", "3 feature names for 2 features"},
    {"\"num_feature\":\"2\",\"num_target\"", "\"num_feature\":\"0\",\"num_target\"",
     "num_feature is 0"},
    {"\"2E-1\"", "\"[2E-1,1E-1]\"", "base_score has 2 values for 1 outputs"},
    {"\"2E-1\"", "\"0\"", "a base score of 0 gives no finite margin with binary:logistic"},
    {"\"2E-1\"", "\"1\"", "a base score of 1 gives no finite margin"},
    {"\"2E-1\"", "\"2\"", "a base score of 2 gives no finite margin"},
    {TREE_0 "," TREE_1 "," TREE_2, "", "0 trees, num_trees is 3"},
};

/* Refused as SOURCE_SYNTAX. */
static const xgboost_lie xgboost_doubled_members[] = {
    {"\"version\":", "\"version\":[1,2,3],\"version\":", "version: given twice"},
    {"\"id\":0", "\"id\":0,\"id\":0", "trees[0].id: given twice"},
    {"\"id\":0", "\"i\\u0064\":0,\"id\":0", "trees[0].id: given twice"},
    {"\"name\":\"binary:logistic\"", "\"name\":\"a\",\"name\":\"binary:logistic\"",
     "learner.objective.name: given twice"},
    {"\"name\":\"gbtree\"", "\"name\":\"gbtree\",\"gbtree\":{\"model\":{}}",
     "learner.gradient_booster.gbtree.model: a second model"},
    {"\"tree_info\":[0,0,0]", "\"tree_info\":[0,0,0],\"weight_drop\":[],\"weight_drop\":[]",
     "weight_drop: given twice"},
};

/* The same. */
static const xgboost_lie xgboost_other_kinds[] = {
    {"\"num_nodes\":\"5\"", "\"num_nodes\":\"five\"",
     "trees[0].tree_param.num_nodes: a text that is no integer"},
    {"\"num_nodes\":\"5\"", "\"num_nodes\":5.5", "no whole number"},
    {"\"num_nodes\":\"5\"", "\"num_nodes\":[5]", "an array where a number belongs"},
    {"\"trees\":[", "\"trees\":7,\"treez\":[", "model.trees: a number where an array belongs"},
    {"[1,0,0,0,0]", "[1,0,2,0,0]", "default_left[2]: 2 is neither 0 nor 1"},
    {"[1,-1,3,-1,-1]", "[1,-1,3.5,-1,-1]", "left_children[2]: no whole number"},
    {"[1,-1,3,-1,-1]", "[1,-1,\"3\",-1,-1]", "left_children[2]: a text where a number"},
    {"\"2E-1\"", "\"\"", "learner.learner_model_param.base_score: no number at number 0"},
    {"\"2E-1\"", "\"[1,]\"", "base_score: no number at number 1"},
    {"\"2E-1\"", "null", "base_score: null where a number belongs"},
    {"[3,0,5]", "[3,0]", "version: 2 numbers instead of three"},
    {"[3,0,5]", "\"3.0.5\"", "version: a text where an array belongs"},
    {"{\"best_score\":\"0.5\"}", "{\"best_iteration\":\"last\"}",
     "attributes.best_iteration: a text that is no integer"},
    {"{\"best_score\":\"0.5\"}", "{\"scikit_learn\":\"{\"}",
     "attributes.scikit_learn: a text that is no JSON object"},
    {"[\"a\",", "[\"\\u0000\",", "feature_names[0]: a text that is no UTF-8, or holds a NUL"},
    {"[\"a\",", "[7,", "feature_names[0]: a number where a text belongs"},
    {"binary:logistic", "a_name_that_is_longer_than_any_objective_that_there_ever_was_or_will_be",
     "objective.name: a text of 71 bytes"},
};

/* The same: NaN, Infinity where neither is a number. */
static const xgboost_lie xgboost_not_numbers[] = {
    {"[1,-1,3,-1,-1]", "[NaN,-1,3,-1,-1]", "left_children[0]: no whole number"},
    {"[1,-1,3,-1,-1]", "[1,-1,Infinity,-1,-1]", "left_children[2]: no whole number"},
    {"[1,0,0,0,0]", "[1,0,NaN,0,0]", "default_left[2]"},
    {"\"id\":0", "\"id\":-Infinity", "trees[0].id: no whole number"},
    {"\"num_nodes\":\"5\"", "\"num_nodes\":NaN", "num_nodes: no whole number"},
    {"\"num_nodes\":\"5\"", "\"num_nodes\":\"NaN\"", "a text that is no integer"},
    {"[0,1,2,3]", "[0,NaN,2,3]", "iteration_indptr[1]: no whole number"},
    {"[3,0,5]", "[3,Infinity,5]", "version[1]: no whole number"},
};

#endif
