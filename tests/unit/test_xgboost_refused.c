// SPDX-License-Identifier: Apache-2.0
/*
 * What the XGBoost importer refuses in documents made by hand: what is not supported, and the lies
 * a file can tell.
 */
#include "tests/unit/test_xgboost_lies.h"

#include <stdbool.h>

static void check_lies(const xgboost_lie *lies, size_t count, espalier_status status)
{
    for (size_t i = 0; i < count; i++) {
        check_change_refused(lies[i].from, lies[i].to, status, lies[i].words);
    }
}

static void test_unsupported_by_name(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"\"categories_nodes\":[]", "\"leaf_weights\":[1,2]", "values of leaves in two places"},
        {"\"name\":\"gbtree\"", "\"name\":\"gblinear\"", "gblinear is a linear model"},
        {"\"name\":\"gbtree\"", "\"name\":\"gbforest\"", "the booster gbforest is not known"},
        {"binary:logistic", "reg:magic", "the objective reg:magic is not known"},
        {"[3,0,5]", "[4,0,0]", "saved by XGBoost 4.0; 1.0 to 3.4 are known"},
        {"[3,0,5]", "[0,90,0]", "saved by XGBoost 0.90"},
        {"\"categories_sizes\":[]", "\"split_kinds\":[1]",
         "trees[0].split_kinds: not a member that XGBoost up to 3.4 saves"},
        {"\"tree_info\":[0,0,0]", "\"tree_info\":[0,0,0],\"twist\":true",
         "model.twist: not a member"},
        {"\"name\":\"gbtree\"", "\"name\":\"gbtree\",\"linear\":{\"a\":1}",
         "gradient_booster.linear: not a member"},
        {"\"feature_names\":", "\"links\":[[]],\"feature_names\":", "learner.links: not a member"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_change_refused(cases[i][0], cases[i][1], ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                             cases[i][2]);
        /* Shown all the same. */
        assert_string_equal(summary.format, "XGBoost JSON");
        assert_memory_equal(summary.class_name, "xgboost.", 8);
    }
    /* What the wrapper took for missing. */
    espalier_forest forest;
    char *const marked = replace(whole, "{\"best_score\":\"0.5\"}",
                                 "{\"scikit_learn\":\"{\\\"missing\\\": -999.0}\"}");
    load_text(marked, &forest);
    assert_true(forest.missing_marked && forest.missing_number == -999.0);
    espalier_forest_free(&forest);
    free(marked);
    /* A member without content says nothing. */
    char *const empty = replace(whole, "\"categories_sizes\":[]",
                                "\"categories_sizes\":[],\"new_a\":[],\"new_b\":{},\"new_c\":null");
    load_text(empty, &forest);
    assert_false(forest.missing_marked);
    espalier_forest_free(&forest);
    free(empty);
}

static void test_linear_models(void **state)
{
    (void)state;
    espalier_forest forest;
    char *const linear = replace(whole, MODEL, "\"model\":{\"boosted_rounds\":3,\"weights\":[1]}");
    char *const text = replace(linear, "\"name\":\"gbtree\"", "\"name\":\"gblinear\"");
    assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &forest),
                     ESPALIER_ERROR_SOURCE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "gblinear is a linear model, not trees"));
    free(linear);
    free(text);
}

static void test_trees_that_lie(void **state)
{
    (void)state;
    check_lies(xgboost_lying_trees, LIE_COUNT(xgboost_lying_trees), ESPALIER_ERROR_SOURCE_TREE);
}

static void test_members_missing_or_doubled(void **state)
{
    (void)state;
    static const char *const required[][2] = {
        {"\"version\":", "version"},
        {"\"gradient_booster\":", "learner: there is no gradient_booster"},
        {"\"learner_model_param\":", "learner_model_param"},
        {"\"objective\":", "objective"},
        {"\"base_score\":", "learner.learner_model_param: there is no base_score"},
        {"\"num_class\":", "num_class"},
        {"\"num_feature\":\"2\",\"num_target", "num_feature"},
        {"\"name\":\"gbtree\"", "learner.gradient_booster: there is no name"},
        {"\"name\":\"binary", "learner.objective: there is no name"},
        {"\"num_trees\":", "gbtree_model_param: there is no num_trees"},
        {"\"default_left\":", "trees[0]: there is no default_left"},
        {"\"left_children\":", "left_children"},
        {"\"right_children\":", "right_children"},
        {"\"split_conditions\":", "split_conditions"},
        {"\"split_indices\":", "split_indices"},
        {"\"tree_param\":", "tree_param"},
        {"\"num_nodes\":", "trees[0].tree_param: there is no num_nodes"},
    };
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        /* Another name of the same length. */
        char renamed[64];
        (void)snprintf(renamed, sizeof renamed, "%s", required[i][0]);
        renamed[2] = 'X';
        char words[96];
        (void)snprintf(words, sizeof words, "%s", required[i][1]);
        check_change_refused(required[i][0], renamed, ESPALIER_ERROR_SOURCE_SYNTAX, words);
    }
    check_change_refused("{\"learner\":", "{\"other\":\"learner\",\"Learner\":",
                         ESPALIER_ERROR_SOURCE_SYNTAX, "test: there is no learner");
    check_lies(xgboost_doubled_members, LIE_COUNT(xgboost_doubled_members),
               ESPALIER_ERROR_SOURCE_SYNTAX);
}

static void test_values_of_another_kind(void **state)
{
    (void)state;
    check_lies(xgboost_other_kinds, LIE_COUNT(xgboost_other_kinds), ESPALIER_ERROR_SOURCE_SYNTAX);
    check_lies(xgboost_not_numbers, LIE_COUNT(xgboost_not_numbers), ESPALIER_ERROR_SOURCE_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsupported_by_name),
        cmocka_unit_test(test_linear_models),
        cmocka_unit_test(test_trees_that_lie),
        cmocka_unit_test(test_members_missing_or_doubled),
        cmocka_unit_test(test_values_of_another_kind),
    };
    return cmocka_run_group_tests_name("xgboost refused", tests, NULL, NULL);
}
