// SPDX-License-Identifier: Apache-2.0
/*
 * The XGBoost importer on documents made by hand: what it reads, and what a row then gives.
 * Categories, and what is refused, have files of their own; real files are compared in
 * tests/interop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "convert/reference.h"
#include "tests/unit/test_xgboost.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void evaluate(const espalier_forest *forest, const float *rows, size_t row_count,
                     double *slots, uint32_t *leaves)
{
    espalier_forest sums = *forest; /* what is made of them is another test's */
    sums.stage_count = 0;
    sums.stage_slots = 0;
    espalier_reference_evaluate(&sums, rows, row_count, slots, leaves);
}

/* The forest of the base document with up to three changes, at one row. */
static void check_sum(const char *const changes[6], const float row[2], float expected)
{
    char *text = strdup(whole);
    for (size_t i = 0; i < 6 && changes[i] != NULL; i += 2) {
        char *const next = replace(text, changes[i], changes[i + 1]);
        free(text);
        text = next;
    }
    espalier_forest forest;
    double sum = 0;
    load_text(text, &forest);
    evaluate(&forest, row, 1, &sum, NULL);
    if ((float)sum != expected) {
        fail_msg("%s: %a instead of %a", changes[1], sum, (double)expected);
    }
    espalier_forest_free(&forest);
    free(text);
}

/* ---- what is read --------------------------------------------------------------------------- */

static void test_forest_of_a_document(void **state)
{
    (void)state;
    espalier_forest forest;
    load_text(whole, &forest);
    assert_int_equal(forest.tree_count, 3);
    assert_int_equal(forest.node_count, 11);
    assert_int_equal(forest.leaf_count, 7);
    assert_int_equal(forest.feature_count, 2);
    assert_string_equal(forest.feature_names[0], "a");
    assert_string_equal(forest.feature_names[1], "b\t");
    assert_int_equal(forest.slot_count, 1);
    assert_int_equal(forest.group_count, 1);
    assert_int_equal(forest.group_width[0], 1);
    assert_int_equal(forest.accumulator, ESPALIER_FOREST_SUM_FLOAT32);
    assert_int_equal(forest.task, ESPALIER_FOREST_TASK_PLAN);
    assert_int_equal(forest.default_output, ESPALIER_OUTPUT_VALUE);
    assert_false(forest.classifier);
    assert_true(forest.missing_allowed && forest.infinite_allowed);
    assert_true(forest.start[0] == (double)-logf(1.0F / 0.2F - 1.0F));
    assert_int_equal(forest.default_iterations, 0);
    assert_string_equal(forest.framework, "XGBoost");
    assert_string_equal(forest.version, "3.0.5");
    assert_string_equal(forest.class_name, "xgboost.Booster");
    assert_string_equal(forest.objective, "binary:logistic");
    assert_string_equal(
        forest.parameters_json,
        "{\"attributes\":{\"best_score\":\"0.5\"},\"booster\":\"gbtree\","
        "\"learner_model_param\":{\"base_score\":\"2E-1\",\"boost_from_average\":\"1\","
        "\"num_class\":\"0\",\"num_feature\":\"2\",\"num_target\":\"1\"},"
        "\"num_parallel_tree\":1,\"num_trees\":3,\"objective\":{\"scale_pos_weight\":\"1\"}}");
    assert_string_equal(summary.format, "XGBoost JSON");
    assert_string_equal(summary.version, "3.0.5");
    assert_int_equal(summary.consumed_bytes, strlen(whole));
    assert_true(forest.threshold[0] == (double)nextafterf(0.5F, -INFINITY));
    assert_int_equal(forest.feature[0], 1);
    assert_int_equal(forest.missing_left[0], 1);
    assert_true(forest.cover[0] == 10);
    assert_true(forest.cover[4] == 0); /* was infinite */
    espalier_forest_free(&forest);
}

static void test_rows(void **state)
{
    (void)state;
    static const float rows[][2] = {
        {-2.0F, 0.5F},            /* tree 0: right, left */
        {-1.25F, 0x1.fffffep-2F}, /* left, by one ulp */
        {NAN, NAN},               /* left; right of tree 2 */
        {NAN, 3.0F},              /* right, then missing right */
        {0x1.fffffep-1F, 2.0F},   /* tree 2: left, right */
        {-INFINITY, -INFINITY},   /* all left */
        {INFINITY, INFINITY},     /* all right */
        {0x1.fffffep-1F, NAN},    /* tree 2: left, missing left */
    };
    static const uint32_t expected[][3] = {{3, 0, 3}, {1, 0, 3}, {1, 0, 6}, {4, 0, 6},
                                           {4, 0, 4}, {1, 0, 3}, {4, 0, 6}, {1, 0, 3}};
    static const float values[3][7] = {{0, 0.1F, 0, -2.5F, 7},
                                       {0.25F},
                                       {0, 0, 0, 0.3F, -0.5F, 0, 0.4F}};
    enum {
        COUNT = sizeof rows / sizeof rows[0]
    };
    espalier_forest forest;
    double slots[COUNT];
    uint32_t leaves[COUNT * 3];
    load_text(whole, &forest);
    evaluate(&forest, rows[0], COUNT, slots, leaves);
    for (size_t row = 0; row < COUNT; row++) {
        float sum = -logf(1.0F / 0.2F - 1.0F);
        for (size_t tree = 0; tree < 3; tree++) {
            assert_int_equal(leaves[row * 3 + tree], expected[row][tree]);
            sum += values[tree][expected[row][tree]];
        }
        assert_true((float)slots[row] == sum);
    }
    espalier_forest_free(&forest);
}

/* x < -infinity and x < NaN are never true: only the missing direction counts. */
static void test_thresholds_that_no_value_is_below(void **state)
{
    (void)state;
    static const float probes[] = {-INFINITY, -FLT_MAX, 0.0F, INFINITY};
    static const char *const conditions[] = {"[-Infinity,1E-1,", "[NaN,1E-1,"};
    const float base = -logf(1.0F / 0.2F - 1.0F);
    for (size_t i = 0; i < 8; i++) {
        const char *const changes[6] = {"[5E-1,1E-1,", conditions[i / 4]};
        const float row[2] = {9.0F, probes[i % 4]};
        check_sum(changes, row, base + 7.0F + 0.25F + 0.4F);
    }
    for (size_t i = 0; i < 2; i++) {
        const char *const left[6] = {"[5E-1,1E-1,", conditions[i]};
        const char *const right[6] = {"[5E-1,1E-1,", conditions[i], "[1,0,0,0,0]", "[0,0,0,0,0]"};
        const float row[2] = {9.0F, NAN};
        check_sum(left, row, base + 0.1F + 0.25F + 0.4F);
        check_sum(right, row, base + 7.0F + 0.25F + 0.4F);
    }
    const char *const lowest[6] = {"[5E-1,1E-1,", "[-3.4028235E38,1E-1,"};
    const float below[2] = {9.0F, -INFINITY};
    const float at[2] = {9.0F, -FLT_MAX};
    check_sum(lowest, below, base + 0.1F + 0.25F + 0.4F);
    check_sum(lowest, at, base + 7.0F + 0.25F + 0.4F);
}

static void test_base_scores(void **state)
{
    (void)state;
    static const struct {
        const char *score;
        const char *objective;
        const char *version;
        float margin;
        uint32_t link; /* the first stage, 0: none */
    } cases[] = {
        {"\"5E-1\"", "binary:logistic", "[3,4,1]", -0.0F, ESPALIER_FOREST_SIGMOID},
        {"\"[4.94E-1]\"", "reg:logistic", "[3,1,0]", -0x1.893c34p-6F, ESPALIER_FOREST_SIGMOID},
        /* Up to 1.5 exp's argument was not bounded: margins below -88.72 have 0, not 3e-39. */
        {"\"5E-1\"", "binary:logistic", "[1,5,2]", -0.0F, ESPALIER_FOREST_EXPIT},
        {"\"5E-1\"", "reg:logistic", "[1,6,0]", -0.0F, ESPALIER_FOREST_SIGMOID},
        {"0.5", "count:poisson", "[1,7,6]", -0x1.62e430p-1F, ESPALIER_FOREST_EXP},
        {"[0.5]", "reg:gamma", "[1,7,6]", -0x1.62e430p-1F, ESPALIER_FOREST_EXP},
        {"\"1\"", "survival:cox", "[1,7,6]", 0.0F, ESPALIER_FOREST_EXP},
        {"\"0.500000\"", "reg:squarederror", "[1,3,0]", 0.5F, 0},
        {"\"-3E-1\"", "reg:absoluteerror", "[3,4,1]", -0.3F, 0},
        {"\"7\"", "rank:ndcg", "[3,4,1]", 7.0F, 0},
        {"\"3E-1\"", "binary:logitraw", "[1,3,0]", 0.3F, 0},
        {"\"3E-1\"", "multi:softprob", "[2,1,0]", 0.3F, ESPALIER_FOREST_SOFTMAX},
        {"\"3E-1\"", "binary:hinge", "[2,1,0]", 0.3F, ESPALIER_FOREST_STEP},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char *const scored = replace(whole, "\"2E-1\"", cases[i].score);
        char *const named = replace(scored, "binary:logistic", cases[i].objective);
        char *const text = replace(named, "[3,0,5]", cases[i].version);
        load_text(text, &forest);
        assert_true(fabs(forest.start[0] - (double)cases[i].margin) <= 1e-9);
        assert_int_equal(signbit(forest.start[0]) != 0, signbit(cases[i].margin) != 0);
        assert_int_equal(forest.stage_count > 0 ? forest.stages[0].operation : 0, cases[i].link);
        espalier_forest_free(&forest);
        free(scored);
        free(named);
        free(text);
    }
    /* 3.2 began to keep logistic base scores from 0 and 1. */
    static const struct {
        const char *version;
        float score;
    } clamps[] = {{"[3,1,3]", 1e-8F}, {"[3,2,0]", 1e-6F}};
    for (size_t i = 0; i < 2; i++) {
        espalier_forest forest;
        char *const scored = replace(whole, "\"2E-1\"", "\"1E-8\"");
        char *const text = replace(scored, "[3,0,5]", clamps[i].version);
        load_text(text, &forest);
        assert_true((float)forest.start[0] == -logf(1.0F / clamps[i].score - 1.0F));
        espalier_forest_free(&forest);
        free(scored);
        free(text);
    }
}

/* It was wrong that these files were read as 1.3 and later read them: up to 1.2, and up to 1.3 with
 * dart, the base score is added to the sum of the leaves. Up to 1.2 that of logitraw is a
 * probability. */
static void test_base_scores_last(void **state)
{
    (void)state;
    const float logit = -logf(1.0F / 0.3F - 1.0F);
    const struct {
        const char *version;
        const char *objective;
        const char *booster;
        float margin;
        bool last;
    } cases[] = {
        {"[1,0,2]", "reg:squarederror", "gbtree", 0.3F, true},
        {"[1,2,1]", "binary:logistic", "gbtree", logit, true},
        {"[1,2,1]", "binary:logitraw", "gbtree", logit, true},
        {"[1,3,0]", "binary:logitraw", "gbtree", 0.3F, false},
        {"[1,3,0]", "reg:squarederror", "dart", 0.3F, true},
        {"[1,4,0]", "reg:squarederror", "dart", 0.3F, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char *const scored = replace(whole, "\"2E-1\"", "\"3E-1\"");
        char *const named = replace(scored, "binary:logistic", cases[i].objective);
        char *const dart = replace(named, "\"name\":\"gbtree\"",
                                   strcmp(cases[i].booster, "dart") == 0
                                       ? "\"name\":\"dart\",\"weight_drop\":[1,1,1]"
                                       : "\"name\":\"gbtree\"");
        char *const text = replace(dart, "[3,0,5]", cases[i].version);
        load_text(text, &forest);
        if (cases[i].last) {
            assert_null(forest.start);
            assert_true(forest.stage_count > 0);
            assert_int_equal(forest.stages[0].operation, ESPALIER_FOREST_ADD);
            assert_true(forest.constants[0] == (double)cases[i].margin);
            assert_int_equal(forest.outputs[0].first_slot, 1);
        } else {
            assert_true(forest.start[0] == (double)cases[i].margin);
            assert_int_equal(forest.outputs[0].first_slot, 0);
        }
        espalier_forest_free(&forest);
        free(scored);
        free(named);
        free(dart);
        free(text);
    }
}

static void test_classes_and_targets(void **state)
{
    (void)state;
    espalier_forest forest;
    double slots[3];
    const float row[2] = {-2.0F, 0.5F};
    char *const classes = replace(whole, "\"num_class\":\"0\"", "\"num_class\":3");
    char *const scores = replace(classes, "\"2E-1\"", "\"[1,2,3]\"");
    char *const named = replace(scores, "binary:logistic", "multi:softmax");
    char *const info = replace(named, "\"tree_info\":[0,0,0]", "\"tree_info\":[0,2,1]");
    char *const text = replace(info, "[0,1,2,3]", "[0,3]");
    load_text(text, &forest);
    assert_int_equal(forest.group_count, 1);
    assert_int_equal(forest.group_width[0], 3);
    assert_int_equal(forest.slot_count, 3);
    assert_int_equal(forest.leaf_width, 1);
    assert_int_equal(forest.iteration_count, 1);
    evaluate(&forest, row, 1, slots, NULL);
    assert_true((float)slots[0] == 1.0F + -2.5F);
    assert_true((float)slots[1] == 2.0F + 0.3F);
    assert_true((float)slots[2] == 3.0F + 0.25F);
    espalier_forest_free(&forest);
    char *const targets = replace(text, "\"num_class\":3", "\"num_class\":0");
    char *const many = replace(targets, "\"num_target\":\"1\"", "\"num_target\":\"3\"");
    char *const squared = replace(many, "multi:softmax", "reg:squarederror");
    load_text(squared, &forest);
    assert_int_equal(forest.group_count, 3);
    assert_int_equal(forest.group_width[2], 1);
    assert_int_equal(forest.stage_count, 0);
    espalier_forest_free(&forest);
    char *const texts[] = {classes, scores, named, info, text, targets, many, squared};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
}

/* Leaves of several values: by node up to 3.1, by leaf since 3.2. */
#define VECTOR_TREE(weights, right)                                                \
    "{\"base_weights\":[9,9,1,2,3,4],\"categories\":[],\"categories_nodes\":[],"   \
    "\"categories_segments\":[],\"categories_sizes\":[],\"default_left\":[0,0,0]," \
    "\"id\":0," weights "\"left_children\":[1,-1,-1],\"parents\":[-1,0,0],"        \
    "\"right_children\":" right ",\"split_conditions\":[0.5,1e-45,1e-45],"         \
    "\"split_indices\":[0,0,0],\"split_type\":[0,0,0],\"tree_param\":{"            \
    "\"num_deleted\":\"0\",\"num_feature\":\"1\",\"num_nodes\":\"3\","             \
    "\"size_leaf_vector\":\"2\"}}"
#define VECTOR_DOCUMENT(tree)                                                               \
    "{\"learner\":{\"attributes\":{},\"feature_names\":[],\"feature_types\":[],"            \
    "\"gradient_booster\":{\"model\":{\"gbtree_model_param\":{\"num_parallel_tree\":\"1\"," \
    "\"num_trees\":\"1\"},\"iteration_indptr\":[0,1],\"tree_info\":[0],\"trees\":[" tree    \
    "]},\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"5E-1\","             \
    "\"num_class\":\"0\",\"num_feature\":\"1\",\"num_target\":\"2\"},\"objective\":{"       \
    "\"name\":\"reg:squarederror\"}},\"version\":[3,0,5]}"

static const char by_node[] = VECTOR_DOCUMENT(VECTOR_TREE("", "[2,-1,-1]"));
static const char by_leaf[] =
    VECTOR_DOCUMENT(VECTOR_TREE("\"leaf_weights\":[3,4,1,2],", "[2,1,0]"));

static void test_vector_leaves(void **state)
{
    (void)state;
    static const char *const documents[] = {by_node, by_leaf};
    const float rows[2] = {0.0F, 1.0F};
    for (size_t i = 0; i < 2; i++) {
        espalier_forest forest;
        double slots[4];
        load_text(documents[i], &forest);
        assert_true(forest.leaf_width == 2 && forest.slot_count == 2 && forest.group_count == 2);
        assert_null(forest.tree_slot);
        evaluate(&forest, rows, 2, slots, NULL);
        assert_true(slots[0] == 1.5 && slots[1] == 2.5 && slots[2] == 3.5 && slots[3] == 4.5);
        espalier_forest_free(&forest);
    }
    static const struct {
        const char *document;
        const char *from;
        const char *to;
        const char *words;
    } wrong[] = {
        {by_node, "[9,9,1,2,3,4]", "[9,9,1,2,3]", "base_weights has 5 items"},
        {by_leaf, "[3,4,1,2]", "[3,4,1]", "leaf_weights has 3 items"},
        {by_leaf, "[2,1,0]", "[2,2,0]", "leaf 1 has no values; its row is 2"},
        {by_leaf, "[2,1,0]", "[2,-1,0]", "leaf 1 has no values; its row is -1"},
        {by_node, "\"num_target\":\"2\"", "\"num_target\":\"3\"", "leaves of 2 values for 3"},
        {by_node, "\"size_leaf_vector\":\"2\"", "\"size_leaf_vector\":\"9999999999\"",
         "size_leaf_vector is 9999999999"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        espalier_forest forest;
        char *const text = replace(wrong[i].document, wrong[i].from, wrong[i].to);
        assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &forest),
                         ESPALIER_ERROR_SOURCE_TREE);
        if (strstr(error.message, wrong[i].words) == NULL) {
            fail_msg("'%s' does not say '%s'", error.message, wrong[i].words);
        }
        free(text);
    }
}

/* Stages and outputs of one sum, of several classes and of several targets. */
typedef struct link_case {
    const char *objective;
    const char *counts; /* replaces the numbers of classes and targets */
    const char *version;
    const char *attributes;
    uint32_t stages[3];
    uint32_t outputs[8]; /* kinds, of all groups */
    uint32_t label_count;
    espalier_forest_decision decision;
} link_case;

#define BOOSTER    "{}"
#define CLASSIFIER "{\"scikit_learn\":\"{\\\"_estimator_type\\\":\\\"classifier\\\"}\"}"
#define ONE        "\"num_class\":\"0\",\"num_feature\":\"2\",\"num_target\":\"1\""
#define CLASSES    "\"num_class\":\"3\",\"num_feature\":\"2\",\"num_target\":\"1\""
#define TARGETS    "\"num_class\":\"0\",\"num_feature\":\"2\",\"num_target\":\"2\""

static void check_links(const link_case *one)
{
    espalier_forest forest;
    char *const named = replace(whole, "binary:logistic", one->objective);
    char *const counted = replace(named, ONE, one->counts);
    char *const dated = replace(counted, "[3,0,5]", one->version);
    char *const text = replace(dated, "{\"best_score\":\"0.5\"}", one->attributes);
    load_text(text, &forest);
    assert_int_equal(espalier_forest_validate(&forest, "links", NULL), ESPALIER_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(i < forest.stage_count ? forest.stages[i].operation : 0, one->stages[i]);
        assert_true(i >= forest.stage_count || forest.stages[i].narrow);
    }
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(i < forest.output_count ? forest.outputs[i].kind : 0, one->outputs[i]);
        if (i < forest.output_count && forest.outputs[i].kind == ESPALIER_OUTPUT_CLASS) {
            assert_int_equal(forest.outputs[i].decision, one->decision);
        }
    }
    assert_int_equal(forest.labels != NULL ? forest.labels[0].count : 0, one->label_count);
    espalier_forest_free(&forest);
    free(named);
    free(counted);
    free(dated);
    free(text);
}

static void test_links(void **state)
{
    (void)state;
    static const link_case cases[] = {
        {"binary:logistic", ONE, "[3,0,5]", BOOSTER, {6, 13}, {1, 2, 3, 4}, 2, 5},
        {"binary:logistic", ONE, "[3,0,5]", CLASSIFIER, {6, 13}, {1, 2, 3, 4}, 2, 5},
        {"binary:logistic", TARGETS, "[3,0,5]", BOOSTER, {6}, {1, 1, 2, 2, 3, 3, 4}, 2, 5},
        {"binary:hinge", ONE, "[3,0,5]", BOOSTER, {14}, {1, 4}, 0, 0},
        {"binary:hinge", ONE, "[3,0,5]", CLASSIFIER, {14, 13}, {1, 2, 3, 4}, 2, 5},
        {"binary:logitraw", ONE, "[3,0,5]", CLASSIFIER, {13}, {1, 2, 3, 4}, 2, 5},
        {"multi:softprob", CLASSES, "[3,0,5]", BOOSTER, {7}, {1, 2, 3, 4}, 3, 1},
        {"multi:softmax", CLASSES, "[3,0,5]", CLASSIFIER, {15, 7}, {1, 2, 3, 4}, 3, 1},
        {"reg:tweedie", TARGETS, "[3,0,5]", BOOSTER, {9}, {1, 1, 4}, 0, 0},
        {"reg:quantileerror", TARGETS, "[3,3,0]", BOOSTER, {0}, {1, 1, 4}, 0, 0},
        {"reg:quantileerror", TARGETS, "[3,4,0]", BOOSTER, {16}, {1, 1, 4}, 0, 0},
        {"reg:quantileerror", ONE, "[3,4,0]", BOOSTER, {0}, {1, 4}, 0, 0},
        {"reg:expectileerror", ONE, "[3,4,0]", BOOSTER, {0}, {1, 4}, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_links(&cases[i]);
    }
}

/* The encoder of labels that wrappers up to 1.5 kept. */
static void test_encoded_labels(void **state)
{
    (void)state;
    static const char note[] =
        "{\"scikit_learn\":\"{\\\"type\\\":\\\"XGBClassifier\\\",\\\"_le\\\":{\\\"classes_\\\":["
        "%s]}}\"}";
    static const struct {
        const char *classes;
        espalier_label_kind kind; /* 0: refused */
        uint32_t item_bytes;
        const char *words;
    } cases[] = {
        {"-7, 5", ESPALIER_LABEL_INT, 8, ""},
        {"0.5,1e3", ESPALIER_LABEL_FLOAT, 8, ""},
        {"false,true", ESPALIER_LABEL_BOOL, 1, ""},
        {"\\\"a\\\",\\\"b\\\\u00e4c\\\"", ESPALIER_LABEL_STRING, 12, ""},
        {"", ESPALIER_LABEL_INT, 8, ""},
        {"1,2,3", 0, 0, "3 class labels for 2 classes"},
        {"1,\\\"b\\\"", 0, 0, "no JSON object"},
        {"[1],2", 0, 0, "no JSON object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char attributes[256];
        (void)snprintf(attributes, sizeof attributes, note, cases[i].classes);
        char *const text = replace(whole, "{\"best_score\":\"0.5\"}", attributes);
        const espalier_status status = load_bytes(text, strlen(text), MEMORY_MAX, &forest);
        free(text);
        if (cases[i].kind == 0) {
            assert_int_not_equal(status, ESPALIER_OK);
            assert_non_null(strstr(error.message, cases[i].words));
            continue;
        }
        if (status != ESPALIER_OK) {
            fail_msg("%s: %s", cases[i].classes, error.message);
        }
        assert_int_equal(forest.labels[0].kind, cases[i].kind);
        assert_int_equal(forest.labels[0].item_bytes, cases[i].item_bytes);
        assert_int_equal(forest.labels[0].count, 2);
        if (i == 0) {
            assert_true((int64_t)forest.labels[0].numbers[0] == -7);
        } else if (i == 3) {
            assert_string_equal(forest.labels[0].texts[1], "b\xC3\xA4"
                                                           "c");
        }
        espalier_forest_free(&forest);
    }
}

/* Expectiles start from the inverse of softplus of how far each base score is from the last. */
static void test_expectiles(void **state)
{
    (void)state;
    espalier_forest forest;
    char *const named = replace(whole, "binary:logistic", "reg:expectileerror");
    char *const counted = replace(named, ONE, TARGETS);
    char *const text = replace(counted, "\"2E-1\"", "\"[-2.0718284E0,-9.1121376E-2]\"");
    load_text(text, &forest);
    assert_true((float)forest.start[0] == -2.0718284F);
    assert_true(fabs(forest.start[1] - 1.8322387) < 3e-7);
    assert_int_equal(forest.stages[0].operation, ESPALIER_FOREST_EXPECTILES);
    espalier_forest_free(&forest);
    char *const falling = replace(text, "-9.1121376E-2", "-3");
    load_text(falling, &forest);
    assert_true((float)forest.start[1] == -0x1.ba18a8p+3F); /* as XGBoost 3.4.1 */
    espalier_forest_free(&forest);
    free(named);
    free(counted);
    free(text);
    free(falling);
}

/* Gains of one tree: what splits of feature 0 gain adds up to 1 + 2^-23 with the right child before
 * the left, as XGBoost goes, and to 1 with the left one first. */
#define GAINS                                                                                      \
    "{\"default_left\":[0,0,0,0,0,0,0],\"id\":0,\"left_children\":[1,3,5,-1,-1,-1,-1],"            \
    "\"loss_changes\":[5.9604644775390625E-8,1E0,5.9604644775390625E-8,0,0,0,0],"                  \
    "\"right_children\":[2,4,6,-1,-1,-1,-1],\"split_conditions\":[1,2,3,0,0,0,0],"                 \
    "\"split_indices\":[0,0,0,0,0,0,0],\"tree_param\":{\"num_deleted\":\"0\",\"num_nodes\":\"7\"," \
    "\"size_leaf_vector\":\"1\"}}"

static void test_gains(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        uint32_t features;
        bool given;
        const char *words; /* NULL: it is read */
    } cases[] = {
        {"3,0,5", 2, true, NULL},
        {"1,7,0", 2, true, NULL},
        {"1,6,2", 2, true, "XGBoost before 1.7"},
        {"3,0,5", 2, false, "without loss_changes"},
        {"3,0,5", 1, true, NULL}, /* whoever asks compares the number of features */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest = {0};
        double gains[2] = {0.0, 0.0};
        double counts[2] = {0.0, 0.0};
        espalier_source_splits splits = {cases[i].features, 0, gains, counts};
        const espalier_source_wrapper wrapper = {.estimator = true,
                                                 .missing = NAN,
                                                 .best_iteration = ESPALIER_SOURCE_UNSAID,
                                                 .best_tree_limit = ESPALIER_SOURCE_UNSAID,
                                                 .booster_best_iteration = ESPALIER_SOURCE_UNSAID,
                                                 .parallel_count = ESPALIER_SOURCE_UNSAID,
                                                 .splits = &splits};
        char *const one = replace(whole,
                                  "\"num_trees\":\"3\"},\"iteration_indptr\":[0,1,2,3],"
                                  "\"tree_info\":[0,0,0]," TREES,
                                  "\"num_trees\":\"2\"},\"iteration_indptr\":[0,1,2],"
                                  "\"tree_info\":[0,0],\"trees\":[" GAINS "," TREE_0 "]");
        char *const second =
            replace(one, "\"id\":0,\"left_children\":[1,-1,", "\"id\":1,\"left_children\":[1,-1,");
        char *const flat = replace(second, "3E0,0E0,1E0,", "3E0,0E0,0E0,");
        char *const aged = replace(flat, "3,0,5", cases[i].version);
        char *const text = cases[i].given
                               ? replace(aged, "", "")
                               : replace(aged, "\"loss_changes\":[3E0,0E0,0E0,0E0,0E0],", "");
        const espalier_source_input input = {.data = (const uint8_t *)text,
                                             .bytes = strlen(text),
                                             .path = "test",
                                             .memory_bytes_max = MEMORY_MAX,
                                             .wrapper = &wrapper};
        const espalier_status status =
            espalier_xgboost_kind.load(&input, &forest, &summary, &error);
        if (cases[i].words != NULL) {
            assert_int_equal(status, ESPALIER_ERROR_SOURCE_UNSUPPORTED);
            assert_non_null(strstr(error.message, cases[i].words));
        } else {
            assert_int_equal(status, ESPALIER_OK);
            assert_true(counts[0] == 4.0 && counts[1] == (cases[i].features == 2 ? 1.0 : 0.0));
            assert_true(gains[1] == (cases[i].features == 2 ? 3.0 : 0.0));
            assert_true(gains[0] == 0x1.000002p0);
        }
        espalier_forest_free(&forest);
        free(one);
        free(second);
        free(flat);
        free(aged);
        free(text);
    }
}

/* Dart in its three places: 1.0 to 3.3 beside gbtree or the model, since 3.4 in the model. */
static void test_dart_weights(void **state)
{
    (void)state;
    static const char weights[] = "\"weight_drop\":[1E-1,1,3.0000001E-1]";
    const float base = -logf(1.0F / 0.2F - 1.0F);
    const float row[2] = {-2.0F, 0.5F};
    const float expected = base + -2.5F * 0.1F + 0.25F + 0.3F * 0.30000001F;
    char inside[128];
    char beside[128];
    char nested[sizeof WHOLE + 64];
    (void)snprintf(inside, sizeof inside, "\"iteration_indptr\":[0,1,2,3],%s", weights);
    (void)snprintf(beside, sizeof beside, "\"name\":\"dart\",%s", weights);
    const char *const in_model[6] = {"\"iteration_indptr\":[0,1,2,3]", inside};
    const char *const beside_model[6] = {"\"name\":\"gbtree\"", beside};
    (void)snprintf(nested, sizeof nested,
                   "\"gradient_booster\":{\"gbtree\":{%s,\"name\":\"gbtree\"},\"name\":\"dart\",%s",
                   MODEL, weights);
    const char *const in_gbtree[6] = {"\"gradient_booster\":{" MODEL ",\"name\":\"gbtree\"",
                                      nested};
    check_sum(in_model, row, expected);
    check_sum(beside_model, row, expected);
    check_sum(in_gbtree, row, expected);
    check_change_refused("\"name\":\"gbtree\"", "\"name\":\"dart\"", ESPALIER_ERROR_SOURCE_TREE,
                         "weight_drop has 0 items for 3 trees");
    check_change_refused("\"name\":\"gbtree\"", "\"name\":\"dart\",\"weight_drop\":[1,1]",
                         ESPALIER_ERROR_SOURCE_TREE, "weight_drop has 2 items for 3 trees");
}

/* Estimators of 1.4 to 3.2 predict in place, unless they name a predictor: a tree's leaf is what it
 * adds to a sum. A Booster's is its leaf. */
static void test_dart_of_estimators(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        const char *attributes;
        bool in_place;
    } cases[] = {
        {"[1,7,6]", "{\"scikit_learn\":\"{\\\"_estimator_type\\\": \\\"regressor\\\"}\"}", true},
        {"[1,7,6]", "{}", false},
        {"[1,3,0]", "{\"scikit_learn\":\"{}\"}", false},
        {"[3,3,0]", "{\"scikit_learn\":\"{}\"}", false},
        {"[1,4,0]", "{\"scikit_learn\":\"{\\\"predictor\\\": null}\"}", true},
        {"[1,4,0]", "{\"scikit_learn\":\"{\\\"predictor\\\": \\\"auto\\\"}\"}", true},
        {"[1,4,0]", "{\"scikit_learn\":\"{\\\"predictor\\\": \\\"cpu_predictor\\\"}\"}", false},
    };
    const float base = -logf(1.0F / 0.2F - 1.0F);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char *const noted = replace(whole, "{\"best_score\":\"0.5\"}", cases[i].attributes);
        char *const dart =
            replace(noted, "\"name\":\"gbtree\"", "\"name\":\"dart\",\"weight_drop\":[0.1,1,1]");
        char *const text = replace(dart, "[3,0,5]", cases[i].version);
        load_text(text, &forest);
        const float sum = base + 0.1F;
        const float leaf = cases[i].in_place ? sum - base : 0.1F;
        assert_true(forest.leaf_values[0] == (double)(leaf * 0.1F));
        espalier_forest_free(&forest);
        free(noted);
        free(dart);
        free(text);
    }
}

/* ---- iterations and the wrapper ------------------------------------------------------------- */

typedef struct iteration_case {
    const char *attributes;
    const char *parallel; /* replaces "num_parallel_tree":"1", */
    const char *starts;   /* replaces "iteration_indptr":[0,1,2,3], */
    uint32_t iterations;
    uint32_t default_iterations;
    bool classifier;
    const char *class_name;
} iteration_case;

static void test_iterations(void **state)
{
    (void)state;
    static const iteration_case cases[] = {
        {"{}", "\"num_parallel_tree\":\"1\",", "", 3, 0, false, "xgboost.Booster"},
        {"{}", "\"num_parallel_tree\":\"3\",", "", 1, 0, false, "xgboost.Booster"},
        {"{}", "\"num_parallel_tree\":\"2\",", "", 2, 0, false, "xgboost.Booster"},
        {"{}", "", "\"iteration_indptr\":[0,2,3],", 2, 0, false, "xgboost.Booster"},
        {"{}", "", "\"iteration_indptr\":[],", 3, 0, false, "xgboost.Booster"},
        /* A bare Booster takes all, the wrapper stops at the best. */
        {"{\"best_iteration\":\"1\"}", "", "", 3, 0, false, "xgboost.Booster"},
        {"{\"best_iteration\":\"1\",\"scikit_learn\":\"{\\\"_estimator_type\\\": "
         "\\\"classifier\\\"}\"}",
         "", "", 3, 2, true, "xgboost.XGBModel"},
        {"{\"best_iteration\":\"2\",\"scikit_learn\":\"{\\\"_estimator_type\\\": "
         "\\\"regressor\\\"}\"}",
         "", "", 3, 0, false, "xgboost.XGBModel"},
        /* Up to 1.3 the model does not say how many trees are grown at once. */
        {"{\"best_iteration\":\"0\",\"best_ntree_limit\":\"3\"}", "", "", 1, 0, false,
         "xgboost.Booster"},
        {"{\"scikit_learn\":\"{\\\"num_parallel_tree\\\": 3, \\\"missing\\\": NaN, \\\"type\\\": "
         "\\\"XGBClassifier\\\", \\\"classes_\\\": [0, 1]}\"}",
         "", "", 1, 0, true, "xgboost.XGBClassifier"},
        {"{\"scikit_learn\":\"{\\\"num_parallel_tree\\\": null, \\\"type\\\": "
         "\\\"XGBRegressor\\\"}\"}",
         "", "", 3, 0, false, "xgboost.XGBRegressor"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char *const noted = replace(whole, "{\"best_score\":\"0.5\"}", cases[i].attributes);
        char *const grown = replace(noted, "\"num_parallel_tree\":\"1\",", cases[i].parallel);
        char *const text = replace(grown, "\"iteration_indptr\":[0,1,2,3],", cases[i].starts);
        load_text(text, &forest);
        const uint32_t iterations =
            forest.tree_iteration == NULL ? forest.tree_count : forest.iteration_count;
        assert_int_equal(iterations, cases[i].iterations);
        assert_int_equal(forest.default_iterations, cases[i].default_iterations);
        assert_int_equal(forest.leaf_iterations, cases[i].default_iterations);
        assert_int_equal(forest.classifier, cases[i].classifier);
        assert_int_equal(forest.default_output,
                         cases[i].classifier ? ESPALIER_OUTPUT_CLASS : ESPALIER_OUTPUT_VALUE);
        assert_string_equal(forest.class_name, cases[i].class_name);
        espalier_forest_free(&forest);
        free(noted);
        free(grown);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forest_of_a_document),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_thresholds_that_no_value_is_below),
        cmocka_unit_test(test_base_scores),
        cmocka_unit_test(test_base_scores_last),
        cmocka_unit_test(test_classes_and_targets),
        cmocka_unit_test(test_vector_leaves),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_encoded_labels),
        cmocka_unit_test(test_expectiles),
        cmocka_unit_test(test_gains),
        cmocka_unit_test(test_dart_weights),
        cmocka_unit_test(test_dart_of_estimators),
        cmocka_unit_test(test_iterations),
    };
    return cmocka_run_group_tests_name("xgboost", tests, NULL, NULL);
}
