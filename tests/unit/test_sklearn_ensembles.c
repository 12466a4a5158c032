// SPDX-License-Identifier: Apache-2.0
/*
 * Estimators of other estimators on pickles made by hand: what members become, and every lie a file
 * can tell.
 */
#include "tests/unit/test_sklearn.h"

#include <math.h>

/* ---- models --------------------------------------------------------------------------------- */

static const fake_node nodes[] = {{1, 2, 1, 0.5, 10, 0},
                                  {-1, -1, -2, -2, 4, 0},
                                  {-1, -1, -2, -2, 6, 0}};
static const double values[] = {0, 1.5, -2.5};
static const double shares[] = {0.5, 0.5, 0.75, 0.25, 0.125, 0.875};
static const int64_t two_classes[] = {0, 1};
static const int64_t late_class[] = {0, 2};
static const int64_t three_classes[] = {0, 1, 2};

typedef struct fake_ensemble {
    const char *module;
    const char *name;
    const char *version;
    bool classifier;
    const int64_t *classes; /* of the whole */
    uint64_t class_count;
    const int64_t *member_classes; /* two */
    size_t count;
    int64_t claimed_count; /* n_estimators; 0: the truth */
    const int64_t *subset; /* of each member: two features */
    size_t subset_count;
    uint32_t features;
    const char *algorithm;
    const char *voting;
    const double *weights;
    uint64_t weight_count;
    uint32_t depth; /* of the same estimator around a single tree */
    bool foreign;   /* the last member is none */
} fake_ensemble;

static fake_ensemble make_bagging(bool classifier)
{
    return (fake_ensemble){.module = "sklearn.ensemble._bagging",
                           .name = classifier ? "BaggingClassifier" : "BaggingRegressor",
                           .version = "1.4.2",
                           .classifier = classifier,
                           .classes = two_classes,
                           .class_count = 2,
                           .member_classes = two_classes,
                           .count = 2,
                           .subset = two_classes,
                           .subset_count = 2,
                           .features = 2};
}

static fake_ensemble make_boost(bool classifier)
{
    static const double weights[] = {0.5, 0.25, 0.0};
    fake_ensemble model = make_bagging(classifier);
    model.module = "sklearn.ensemble._weight_boosting";
    model.name = classifier ? "AdaBoostClassifier" : "AdaBoostRegressor";
    model.algorithm = classifier ? "SAMME" : NULL;
    model.weights = weights;
    model.weight_count = 3;
    return model;
}

static fake_ensemble make_voting(bool classifier)
{
    fake_ensemble model = make_bagging(classifier);
    model.module = "sklearn.ensemble._voting";
    model.name = classifier ? "VotingClassifier" : "VotingRegressor";
    model.voting = classifier ? "soft" : NULL;
    return model;
}

static void put_int_array(pickle_writer *writer, const char *name, const int64_t *data,
                          uint64_t count)
{
    if (name != NULL) {
        put_text(writer, name);
    }
    put_array(writer, "i8", '<', &count, 1, false, data, (size_t)count * sizeof *data);
}

static void put_member(pickle_writer *writer, const fake_ensemble *model)
{
    const fake_labels labels = {"i8", model->member_classes, 2 * sizeof *model->member_classes, 2};
    const fake_tree tree = {.nodes = nodes,
                            .node_count = 3,
                            .values = model->classifier ? shares : values,
                            .layout = FAKE_NODES_64};
    const fake_estimator estimator = {.module = "sklearn.tree._classes",
                                      .name = model->classifier ? "DecisionTreeClassifier"
                                                                : "DecisionTreeRegressor",
                                      .version = model->version,
                                      .criterion = model->classifier ? "gini" : "squared_error",
                                      .features = 2,
                                      .outputs = 1,
                                      .labels = model->classifier ? &labels : NULL,
                                      .trees = &tree,
                                      .tree_count = 1};
    put_estimator(writer, &estimator);
}

/* What stands in front of the list of members. */
static void put_head(pickle_writer *writer, const fake_ensemble *model, size_t count)
{
    open_object(writer, model->module, model->name);
    put_text(writer, "_sklearn_version");
    put_text(writer, model->version);
    put_text(writer, "n_features_in_");
    put_int(writer, model->features);
    put_text(writer, "n_estimators");
    put_int(writer, model->claimed_count != 0 ? model->claimed_count : (int64_t)count);
    if (model->classifier) {
        put_int_array(writer, "classes_", model->classes, model->class_count);
    }
    if (model->algorithm != NULL) {
        put_text(writer, "algorithm");
        put_text(writer, model->algorithm);
    }
    if (model->voting != NULL) {
        put_text(writer, "voting");
        put_text(writer, model->voting);
    }
    if (model->weights != NULL) {
        put_text(writer, "estimator_weights_");
        put_array(writer, "f8", '<', &model->weight_count, 1, false, model->weights,
                  (size_t)model->weight_count * sizeof *model->weights);
    }
    put_text(writer, "estimators_features_");
    put_bytes(writer, "](", 2);
    for (size_t i = 0; i < model->subset_count && i < count; i++) {
        put_int_array(writer, NULL, model->subset, 2);
    }
    put_opcode(writer, 'e');
    put_text(writer, "estimators_");
    put_bytes(writer, "](", 2);
}

static void put_ensemble(pickle_writer *writer, const fake_ensemble *model)
{
    for (uint32_t i = 0; i < model->depth; i++) {
        put_head(writer, model, 1);
    }
    put_head(writer, model, model->count);
    for (size_t i = 0; i + (model->foreign ? 1 : 0) < model->count; i++) {
        put_member(writer, model);
    }
    if (model->foreign) {
        open_object(writer, "sklearn.svm._classes", "SVC");
        put_text(writer, "_sklearn_version");
        put_text(writer, model->version);
        close_object(writer);
    }
    for (uint32_t i = 0; i <= model->depth; i++) {
        put_bytes(writer, "eub", 3);
    }
}

#define MODEL     fake_ensemble
#define PUT_MODEL put_ensemble
#include "tests/unit/test_sklearn_model.inc"
#undef MODEL
#undef PUT_MODEL

/* ---- what is read --------------------------------------------------------------------------- */

static void test_bagging_is_one_part(void **state)
{
    (void)state;
    static const int64_t swapped[] = {2, 0};
    fake_ensemble model = make_bagging(false);
    model.features = 3;
    model.subset = swapped;
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.part_count, 1);
    assert_int_equal(forest.parts[0].tree_count, 2);
    assert_int_equal(forest.parts[0].divide, ESPALIER_FOREST_DIVIDE_TREES);
    assert_int_equal(forest.feature_count, 3);
    assert_int_equal(forest.feature[0], 0); /* the second that it sees */
    assert_true(forest.leaf_hidden);
    assert_true(forest.leaf_values[0] == 1.5 && forest.leaf_values[3] == -2.5);
    assert_int_equal(forest.default_output, ESPALIER_OUTPUT_VALUE);
    espalier_forest_free(&forest);
}

/* A member without the class in the middle adds nothing to it. */
static void test_classes_have_places(void **state)
{
    (void)state;
    fake_ensemble model = make_bagging(true);
    model.classes = three_classes;
    model.class_count = 3;
    model.member_classes = late_class;
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.parts[0].leaf_width, 3);
    assert_true(forest.leaf_values[0] == 0.75 && forest.leaf_values[1] == 0.0 &&
                forest.leaf_values[2] == 0.25);
    espalier_forest_free(&forest);
    model.member_classes = (const int64_t[]){0, 3};
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no places");
    model.member_classes = (const int64_t[]){-1, 1};
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no places");
}

/* SAMME by version, and SAMME.R; weights beyond the list count in the sum. */
static void test_boosts_by_version(void **state)
{
    (void)state;
    fake_ensemble model = make_boost(true);
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.parts[0].iteration_count, 1);
    assert_true(forest.leaf_values[0] == 0.5 && forest.leaf_values[1] == -0.5);
    assert_true(forest.leaf_values[4] == 0.25 && forest.leaf_values[7] == 0.25);
    assert_true(forest.constants[0] == 0.75);
    espalier_forest_free(&forest);
    model.version = "1.3.0";
    loads(&model, &forest);
    assert_true(forest.leaf_values[0] == 0.5 && forest.leaf_values[1] == 0.0);
    espalier_forest_free(&forest);
    model.version = "1.3.1";
    loads(&model, &forest);
    assert_true(forest.leaf_values[1] == -0.5);
    espalier_forest_free(&forest);
    model.version = "1.4.2";
    model.algorithm = "SAMME.R";
    loads(&model, &forest);
    const double logs[2] = {log(0.75), log(0.25)};
    assert_true(forest.leaf_values[0] == logs[0] - 0.5 * (logs[0] + logs[1]));
    espalier_forest_free(&forest);
    model.algorithm = "SAMME.S";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "neither SAMME nor SAMME.R");
}

static void test_median_has_a_slot_a_tree(void **state)
{
    (void)state;
    fake_ensemble model = make_boost(false);
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.parts[0].slot_count, 2);
    assert_int_equal(forest.tree_slot[1], 1);
    assert_int_equal(forest.stages[0].operation, ESPALIER_FOREST_WEIGHTED_MEDIAN);
    assert_false(forest.missing_allowed);
    espalier_forest_free(&forest);
}

static void test_voting_has_parts(void **state)
{
    (void)state;
    fake_ensemble model = make_voting(true);
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.part_count, 2);
    assert_int_equal(forest.parts[1].first_tree, 1);
    assert_int_equal(forest.output_count, 2);
    espalier_forest_free(&forest);
    model.voting = "hard";
    loads(&model, &forest);
    assert_int_equal(forest.output_count, 1);
    assert_int_equal(forest.outputs[0].kind, ESPALIER_OUTPUT_CLASS);
    espalier_forest_free(&forest);
    model.voting = "loud";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "neither hard nor soft");
    model = make_voting(true);
    model.member_classes = late_class;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "places of the 2");
}

/* ---- lies ----------------------------------------------------------------------------------- */

static void test_refuses_lying_lists(void **state)
{
    (void)state;
    static const int64_t beyond[] = {0, 2};
    static const int64_t below[] = {0, -1};
    fake_ensemble model = make_bagging(true);
    model.subset = beyond;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "names no feature of the 2");
    model.subset = below;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "names no feature of the 2");
    model = make_bagging(true);
    model.subset_count = 1;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "not of one number");
    model = make_bagging(true);
    model.claimed_count = 3;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "not of one number");
    model = make_bagging(true);
    model.count = 0;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no list of 1 to");
    model = make_voting(false);
    model.features = 5;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "2 features inside an estimator of 5");
    model = make_voting(true);
    model.foreign = true;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
            "estimators_[1]: a VotingClassifier holds this: sklearn.svm._classes.SVC");
}

static void test_refuses_lying_weights(void **state)
{
    (void)state;
    static const double few[] = {1.0};
    static const double odd[] = {1.0, (double)NAN};
    fake_ensemble model = make_boost(true);
    model.weights = few;
    model.weight_count = 1;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "no weight for each of 2");
    model.weights = odd;
    model.weight_count = 2;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "2 finite numbers");
    model = make_boost(true);
    model.class_count = 1;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "one class");
}

/* Estimators inside each other, to a depth; and a limit of memory at every place. */
static void test_depth_and_memory(void **state)
{
    (void)state;
    fake_ensemble model = make_bagging(false);
    espalier_forest forest;
    model.depth = 3;
    loads(&model, &forest);
    espalier_forest_free(&forest);
    model.depth = 5;
    refuses(&model, ESPALIER_ERROR_SOURCE_LIMIT, "inside each other");
    model.depth = 1;
    check_every_limit(&model, 400);
    model = make_voting(true);
    check_every_limit(&model, 400);
    model = make_boost(false);
    check_every_limit(&model, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bagging_is_one_part),
        cmocka_unit_test(test_classes_have_places),
        cmocka_unit_test(test_boosts_by_version),
        cmocka_unit_test(test_median_has_a_slot_a_tree),
        cmocka_unit_test(test_voting_has_parts),
        cmocka_unit_test(test_refuses_lying_lists),
        cmocka_unit_test(test_refuses_lying_weights),
        cmocka_unit_test(test_depth_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
