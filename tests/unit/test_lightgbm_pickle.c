// SPDX-License-Identifier: Apache-2.0
/*
 * Pickled estimators and Boosters of LightGBM made by hand: what of them counts, and every lie
 * their state can tell. Real files are compared in tests/interop.
 */
#include "tests/unit/test_boosted.h"

#include <stdio.h>

#define TREE(number)       \
    "Tree=" number "\n"    \
    "num_leaves=2\n"       \
    "num_cat=0\n"          \
    "split_feature=1\n"    \
    "split_gain=1\n"       \
    "threshold=0.5\n"      \
    "decision_type=2\n"    \
    "left_child=-1\n"      \
    "right_child=-2\n"     \
    "leaf_value=0.25 -2\n" \
    "leaf_count=3 4\n"     \
    "internal_value=0\n"   \
    "internal_count=7\n"   \
    "shrinkage=0.1\n\n\n"

static const char model[] =
    "tree\n"
    "version=v3\n"
    "num_class=1\n"
    "num_tree_per_iteration=1\n"
    "label_index=0\n"
    "max_feature_idx=1\n"
    "objective=binary sigmoid:1\n"
    "feature_names=a b\n"
    "feature_infos=none [0:1]\n\n" TREE("0") TREE("1") TREE("2") "end of trees\n\n"
                                                                 "pandas_categorical:null\n";

/* key: what the Booster keeps its text under. */
static void start_estimator_of(pickle_writer *file, const char *name, const char *key,
                               const char *text, int64_t best_iteration)
{
    start_file(file);
    open_lightgbm(file, name, key, text, best_iteration);
}

static void start_estimator(pickle_writer *file, const char *name, int64_t best_iteration)
{
    start_estimator_of(file, name, "_handle", model, best_iteration);
}

/* The model with another objective. To be freed. */
static char *make_objective(const char *objective)
{
    static const char own[] = "binary sigmoid:1";
    const char *const at = strstr(model, own);
    char *const text = malloc(sizeof model + strlen(objective));
    assert_non_null(text);
    (void)sprintf(text, "%.*s%s%s", (int)(at - model), model, objective, at + sizeof own - 1);
    return text;
}

/* ---- what is read --------------------------------------------------------------------------- */

static void test_classifier(void **state)
{
    (void)state;
    pickle_writer file;
    boosted_result result;
    start_estimator(&file, "LGBMClassifier", 2);
    put_encoder(&file, "U1", "n\0\0\0y\0\0\0", 8, 2);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(espalier_forest_iterations(&result.forest), 3);
    assert_int_equal(espalier_forest_iterations_used(&result.forest), 2);
    assert_int_equal(result.forest.leaf_iterations, 2);
    assert_string_equal(result.forest.class_name, "lightgbm.sklearn.LGBMClassifier");
    assert_string_equal(result.summary.format, "LightGBM text v3");
    assert_int_equal(result.forest.labels->count, 2);
    assert_string_equal(result.forest.labels->texts[1], "y");
    assert_int_equal(result.forest.default_output, ESPALIER_OUTPUT_CLASS);
    free_result(&result);

    const uint64_t two = 2;
    start_estimator(&file, "LGBMClassifier", -1); /* classes without an encoder */
    put_text(&file, "_classes");
    put_array(&file, "b1", '|', &two, 1, false, "\0\1", 2);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(result.forest.labels->kind, ESPALIER_LABEL_BOOL);
    assert_int_equal(espalier_forest_iterations_used(&result.forest), 3);
    free_result(&result);
}

/* Any objective's value is taken for the second class's probability. */
static void test_other_objectives(void **state)
{
    (void)state;
    static const char *const objectives[] = {"cross_entropy", "regression", "poisson", "huber"};
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++) {
        char *const text = make_objective(objectives[i]);
        pickle_writer file;
        boosted_result result;
        start_estimator_of(&file, "LGBMClassifier", "_handle", text, -1);
        put_encoder(&file, "U1", "n\0\0\0y\0\0\0", 8, 2);
        close_object(&file);
        load_file(&file, NULL, &result);
        const espalier_forest *const forest = &result.forest;
        const espalier_forest_stage *const last = &forest->stages[forest->stage_count - 1];
        assert_int_equal(forest->output_count, 4);
        assert_int_equal(last->operation, ESPALIER_FOREST_TWO_CLASSES);
        assert_int_equal(last->input_slot, forest->outputs[3].first_slot);
        assert_int_equal(forest->outputs[3].kind, ESPALIER_OUTPUT_VALUE);
        assert_int_equal(forest->outputs[1].kind, ESPALIER_OUTPUT_PROBABILITY);
        assert_int_equal(forest->outputs[1].first_slot, last->output_slot);
        assert_int_equal(forest->outputs[1].slot_count, 2);
        assert_int_equal(forest->outputs[2].first_slot, last->output_slot);
        assert_int_equal(forest->outputs[2].decision, ESPALIER_FOREST_FIRST_MAXIMUM);
        assert_string_equal(forest->labels->texts[1], "y");
        assert_true(forest->classifier);
        assert_int_equal(forest->default_output, ESPALIER_OUTPUT_CLASS);
        free_result(&result);
        free(text);
    }
    char *const text = make_objective("of_tomorrow"); /* what it predicts is not known */
    pickle_writer file;
    start_estimator_of(&file, "LGBMClassifier", "_handle", text, -1);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                "the classes of a LGBMClassifier with the objective of_tomorrow are not converted");
    free(text);
}

/* Of an objective of the caller's, which no text names, LightGBM from 3 on gives the sums; before,
 * they are taken for probabilities. */
static void test_own_objectives(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        bool counted; /* there is _n_features_in */
        bool classes;
    } cases[] = {{"handle", false, true}, {"handle", true, false}, {"_handle", true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *const named = make_objective("own");
        char *const line = strstr(named, "objective=own\n");
        assert_non_null(line);
        memmove(line, line + 14, strlen(line + 14) + 1);
        pickle_writer file;
        boosted_result result;
        start_estimator_of(&file, "LGBMClassifier", cases[i].key, named, -1);
        put_encoder(&file, "U1", "n\0\0\0y\0\0\0", 8, 2);
        if (cases[i].counted) {
            put_text(&file, "_n_features_in");
            put_int(&file, 2);
        }
        close_object(&file);
        load_file(&file, NULL, &result);
        assert_int_equal(result.forest.labels != NULL, cases[i].classes);
        assert_int_equal(result.forest.default_output,
                         cases[i].classes ? ESPALIER_OUTPUT_CLASS : ESPALIER_OUTPUT_VALUE);
        free_result(&result);
        free(named);
    }
}

/* pred_early_stop counts from LightGBM 4 on, for objectives that need no exact answers. */
static void test_stopped_predictions(void **state)
{
    (void)state;
    static const struct {
        const char *option; /* opcodes */
        const char *key;
        const char *objective;
        bool refused;
    } cases[] = {{"\x88", "_handle", "binary sigmoid:1", true},
                 {"\x88", "_handle", "lambdarank", true},
                 {"X\4\0\0\0true", "_handle", "rank_xendcg", true},
                 {"\x88", "handle", "binary sigmoid:1", false},
                 {"\x88", "_handle", "regression", false},
                 {"\x89", "_handle", "binary sigmoid:1", false},
                 {"N", "_handle", "binary sigmoid:1", false},
                 {"X\5\0\0\0False", "_handle", "binary sigmoid:1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *const text = make_objective(cases[i].objective);
        const size_t bytes = cases[i].option[0] == 'X' ? 5 + (size_t)cases[i].option[1] : 1;
        pickle_writer file;
        boosted_result result;
        start_estimator_of(&file, "LGBMModel", cases[i].key, text, -1);
        put_text(&file, "_other_params");
        put_opcode(&file, '}');
        put_text(&file, "pred_early_stop");
        put_bytes(&file, cases[i].option, bytes);
        put_opcode(&file, 's');
        close_object(&file);
        if (cases[i].refused) {
            refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                        "pred_early_stop leaves out trees, which is not converted");
        } else {
            load_file(&file, NULL, &result);
            free_result(&result);
        }
        free(text);
    }
}

static void test_regressor(void **state)
{
    (void)state;
    static const struct {
        int64_t best;
        uint32_t used;
    } cases[] = {{0, 3}, {-1, 3}, {1, 1}, {3, 3}, {4, 3}, {INT64_MAX, 3}, {INT64_MIN, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pickle_writer file;
        boosted_result result;
        start_estimator(&file, "LGBMRegressor", cases[i].best);
        close_object(&file);
        load_file(&file, NULL, &result);
        assert_int_equal(espalier_forest_iterations_used(&result.forest), cases[i].used);
        assert_int_equal(result.forest.default_output, ESPALIER_OUTPUT_VALUE);
        free_result(&result);
    }
}

/* Before 4.0 the model lies under another name; a bare Booster stops early, too. */
static void test_booster(void **state)
{
    (void)state;
    pickle_writer file = {0};
    boosted_result result;
    put_start(&file);
    open_lightgbm_booster(&file, "handle", model);
    put_text(&file, "best_iteration");
    put_int(&file, 1);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(espalier_forest_iterations_used(&result.forest), 1);
    assert_string_equal(result.forest.class_name, "lightgbm.basic.Booster");
    assert_string_equal(result.forest.feature_names[1], "b");
    free_result(&result);
}

/* ---- refused -------------------------------------------------------------------------------- */

static void refuse_booster(const char *key, const char *value, size_t bytes, espalier_status status,
                           const char *words)
{
    pickle_writer file = {0};
    put_start(&file);
    open_object(&file, "lightgbm.basic", "Booster");
    put_text(&file, key);
    put_bytes(&file, value, bytes);
    close_object(&file);
    refuse_file(&file, status, words);
}

static void test_no_model(void **state)
{
    (void)state;
    const espalier_status unsupported = ESPALIER_ERROR_SOURCE_UNSUPPORTED;
    refuse_booster("handle", "N", 1, unsupported, "a Booster without a model");
    refuse_booster("other", "K\1", 2, unsupported, "a Booster without a model");
    refuse_booster("_handle", "K\1", 2, unsupported, "_handle: of type int, not the text");
    refuse_booster("handle", "C\4tree", 6, unsupported, "handle: of type bytes, not the text");
    refuse_booster("handle", "X\0\0\0\0", 5, unsupported, "no model in a form of LightGBM");
    refuse_booster("handle", "X\4\0\0\0tree", 9, unsupported, "no model in a form of LightGBM");
    refuse_booster("handle", "X\2\0\0\0\xed\xa0", 7, unsupported, "");
    refuse_booster("handle", "X\5\0\0\0tree\n", 10, ESPALIER_ERROR_SOURCE_TRUNCATED,
                   "here.pkl: .handle: ");
}

static void test_wrong_attributes(void **state)
{
    (void)state;
    static const int64_t labels[] = {1, 2, 3};
    pickle_writer file;
    start_estimator(&file, "LGBMClassifier", 1);
    put_encoder(&file, "i8", labels, sizeof labels, 3);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_TREE, "3 class labels for 2 classes");

    start_file(&file);
    open_lightgbm_booster(&file, "handle", model);
    put_text(&file, "best_iteration");
    put_text(&file, "1");
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_SYNTAX, "best_iteration is of type str");

    start_file(&file); /* whose Booster it is not */
    open_object(&file, "lightgbm.sklearn", "LGBMRanker");
    put_text(&file, "_Booster");
    open_object(&file, "xgboost.core", "Booster");
    put_text(&file, "handle");
    put_text(&file, model);
    close_object(&file);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no Booster of LightGBM");

    start_file(&file);
    open_object(&file, "lightgbm.sklearn", "LGBMModel");
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "LGBMModel that was never fitted");
}

/* ---- damage --------------------------------------------------------------------------------- */

static void test_truncated(void **state)
{
    (void)state;
    pickle_writer file;
    boosted_result result;
    start_estimator(&file, "LGBMClassifier", 2);
    put_encoder(&file, "U1", "n\0\0\0y\0\0\0", 8, 2);
    close_object(&file);
    refuse_beginnings(&file);
    /* Cut inside the model: whole again where its trees have ended. */
    const size_t enough = (size_t)(strstr(model, "end of trees\n") - model) + 12;
    for (size_t bytes = 0; bytes < sizeof model - 1; bytes++) {
        char text[sizeof model];
        memcpy(text, model, bytes);
        text[bytes] = '\0';
        start_file(&file);
        open_lightgbm_booster(&file, "handle", text);
        close_object(&file);
        put_stop(&file);
        load_part(&file, file.bytes, NULL, &result);
        assert_int_equal(result.status == ESPALIER_OK, bytes >= enough);
        free_result(&result);
        pickle_writer_free(&file);
    }
}

/* Where the damage is, counted in the file. */
static void test_places(void **state)
{
    (void)state;
    pickle_writer file = {0};
    boosted_result result;
    char text[sizeof model];
    memcpy(text, model, sizeof model);
    char *const at = strstr(text, "threshold=0.5") + 10;
    *at = 'x';
    put_start(&file);
    open_object(&file, "lightgbm.basic", "Booster");
    put_text(&file, "handle");
    const size_t start = file.bytes + 5;
    put_text(&file, text);
    close_object(&file);
    put_stop(&file);
    load_part(&file, file.bytes, NULL, &result);
    assert_int_not_equal(result.status, ESPALIER_OK);
    assert_non_null(strstr(result.error.message, "here.pkl: .handle: line 16, tree 0: "));
    assert_int_equal(result.error.file_offset, start + (size_t)(at - text));
    free_result(&result);
    pickle_writer_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classifier),
        cmocka_unit_test(test_other_objectives),
        cmocka_unit_test(test_stopped_predictions),
        cmocka_unit_test(test_own_objectives),
        cmocka_unit_test(test_regressor),
        cmocka_unit_test(test_booster),
        cmocka_unit_test(test_no_model),
        cmocka_unit_test(test_wrong_attributes),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests_name("lightgbm pickles", tests, NULL, NULL);
}
