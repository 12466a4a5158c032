// SPDX-License-Identifier: Apache-2.0
/*
 * Isolation forests on pickles made by hand: what their leaves become, and every lie a file can
 * tell.
 */
#include "tests/unit/test_sklearn.h"

#include <math.h>

/* ---- models --------------------------------------------------------------------------------- */

/* Two decisions and three leaves; fake_sklearn gives every node ten rows. */
static const fake_node nodes[] = {{1, 4, 1, 0.1, 10, 1},
                                  {2, 3, 0, 0.2, 7, 0},
                                  {-1, -1, -2, -2, 4, 0},
                                  {-1, -1, -2, -2, 3, 0},
                                  {-1, -1, -2, -2, 3, 0}};
static const double values[5] = {0};
static const double paths[] = {5, 4, 0.5, 1, 0.25};

typedef struct fake_isolation {
    const char *version;
    const char *inner;
    uint32_t features;     /* of the estimator; trees see two */
    int64_t max_features;  /* 0: no such attribute */
    int64_t max_samples;   /* _max_samples */
    int64_t asked_samples; /* max_samples_ */
    double offset;
    const int64_t *subset; /* of each tree: two features */
    size_t subset_count;   /* how many trees have one */
    uint64_t path_count;   /* numbers of each tree in _average_path_length_per_tree; 0: none */
    fake_layout layout;
    bool no_offset;
    bool lying_nodes; /* a child before its parent */
} fake_isolation;

static fake_isolation make_isolation(void)
{
    return (fake_isolation){.version = "1.2.2",
                            .inner = "ExtraTreeRegressor",
                            .features = 2,
                            .max_features = 2,
                            .max_samples = 8,
                            .asked_samples = 7,
                            .offset = -0.5,
                            .layout = FAKE_NODES_64};
}

static void put_subsets(pickle_writer *writer, const fake_isolation *model)
{
    const uint64_t shape[1] = {2};
    put_text(writer, "estimators_features_");
    put_bytes(writer, "](", 2);
    for (size_t i = 0; i < model->subset_count; i++) {
        put_array(writer, "i8", '<', shape, 1, false, model->subset, 2 * sizeof *model->subset);
    }
    put_opcode(writer, 'e');
}

static void put_paths(pickle_writer *writer, const fake_isolation *model)
{
    const uint64_t shape[1] = {model->path_count};
    put_text(writer, "_average_path_length_per_tree");
    put_opcode(writer, '(');
    for (size_t i = 0; i < 2; i++) {
        put_array(writer, "f8", '<', shape, 1, false, paths,
                  (size_t)model->path_count * sizeof paths[0]);
    }
    put_opcode(writer, 't');
}

static void put_number(pickle_writer *writer, const char *name, int64_t number)
{
    if (number != 0) {
        put_text(writer, name);
        put_int(writer, number);
    }
}

static void put_isolation(pickle_writer *writer, const fake_isolation *model)
{
    static const fake_node lying[] = {{1, 2, 1, 0.1, 10, 1},
                                      {0, 3, 0, 0.2, 7, 0},
                                      {-1, -1, -2, -2, 4, 0},
                                      {-1, -1, -2, -2, 3, 0},
                                      {-1, -1, -2, -2, 3, 0}};
    const fake_tree tree = {.nodes = model->lying_nodes ? lying : nodes,
                            .node_count = 5,
                            .values = values,
                            .layout = model->layout};
    const fake_estimator estimator = {.features = 2, .outputs = 1, .splitter = "random"};
    open_object(writer, "sklearn.ensemble._iforest", "IsolationForest");
    put_text(writer, "_sklearn_version");
    put_text(writer, model->version);
    put_number(writer, "n_features_in_", model->features);
    put_number(writer, "_max_features", model->max_features);
    put_number(writer, "_max_samples", model->max_samples);
    put_number(writer, "max_samples_", model->asked_samples);
    if (!model->no_offset) {
        put_text(writer, "offset_");
        put_float(writer, model->offset);
    }
    if (model->subset != NULL) {
        put_subsets(writer, model);
    }
    if (model->path_count > 0) {
        put_paths(writer, model);
    }
    put_text(writer, "estimators_");
    put_bytes(writer, "](", 2);
    for (size_t i = 0; i < 2; i++) {
        put_tree_estimator(writer, &estimator, "sklearn.tree._classes", model->inner, &tree);
    }
    put_bytes(writer, "eub", 3);
}

#define MODEL     fake_isolation
#define PUT_MODEL put_isolation
#include "tests/unit/test_sklearn_model.inc"
#undef MODEL
#undef PUT_MODEL

static double mean_path(double rows)
{
    return 2.0 * (log(rows - 1.0) + 0.5772156649015329) - 2.0 * (rows - 1.0) / rows;
}

/* ---- what is read --------------------------------------------------------------------------- */

static void test_leaves_are_lengths(void **state)
{
    (void)state;
    fake_isolation model = make_isolation();
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.tree_count, 2);
    assert_true(forest.leaf_values[0] == (3 + mean_path(10)) - 1);
    assert_true(forest.leaf_values[2] == (2 + mean_path(10)) - 1);
    assert_int_equal(forest.default_output, ESPALIER_OUTPUT_CLASS);
    assert_true(forest.constants[0] == 2 * mean_path(7)); /* as many as were asked for */
    assert_true(forest.constants[1] == 0.5);
    assert_int_equal((int64_t)forest.labels[0].numbers[0], -1);
    assert_int_equal(forest.labels[0].numbers[1], 1);
    espalier_forest_free(&forest);

    model.version = "1.3.0"; /* which writes the lengths itself */
    model.path_count = 5;
    loads(&model, &forest);
    assert_true(forest.leaf_values[0] == (3 + 0.5) - 1);
    assert_true(forest.leaf_values[2] == (2 + 0.25) - 1);
    assert_true(forest.constants[0] == 2 * mean_path(8)); /* as many as there were */
    espalier_forest_free(&forest);
}

/* Trees of one row: nothing to divide, and a score of -1/2 by decree. */
static void test_trees_of_one_row(void **state)
{
    (void)state;
    fake_isolation model = make_isolation();
    model.asked_samples = 1;
    espalier_forest forest;
    loads(&model, &forest);
    assert_true(forest.start[0] == 1 && forest.constants[0] == 1);
    espalier_forest_free(&forest);
    model.version = "0.24.2";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "NaN");
}

static void test_missing_values_by_version(void **state)
{
    (void)state;
    fake_isolation model = make_isolation();
    espalier_forest forest;
    model.version = "1.5.2";
    loads(&model, &forest);
    assert_false(forest.missing_allowed || forest.infinite_allowed);
    assert_int_equal(forest.missing_left[0], 0);
    espalier_forest_free(&forest);
    model.version = "1.6.0";
    loads(&model, &forest);
    assert_true(forest.missing_allowed && forest.infinite_allowed);
    assert_int_equal(forest.missing_left[0], 1);
    espalier_forest_free(&forest);
}

static void test_feature_subsets(void **state)
{
    (void)state;
    static const int64_t subset[] = {4, 2};
    fake_isolation model = make_isolation();
    model.features = 5;
    model.subset = subset;
    model.subset_count = 2;
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.feature_count, 5);
    assert_int_equal(forest.feature[0], 2);
    assert_int_equal(forest.feature[1], 4);
    espalier_forest_free(&forest);
    /* All features: trees see them in their own order, whatever is listed. */
    model.features = 2;
    static const int64_t swapped[] = {1, 0};
    model.subset = swapped;
    loads(&model, &forest);
    assert_int_equal(forest.feature[0], 1);
    espalier_forest_free(&forest);
}

/* ---- lies ----------------------------------------------------------------------------------- */

static void test_refuses_lying_subsets(void **state)
{
    (void)state;
    static const int64_t beyond[] = {4, 5};
    static const int64_t negative[] = {-1, 2};
    fake_isolation model = make_isolation();
    model.features = 5;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no estimators_features_");
    model.subset = beyond;
    model.subset_count = 2;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "names no feature of the 5");
    model.subset = negative;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "names no feature of the 5");
    model.subset_count = 1;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "does not hold 2 arrays");
    model = make_isolation();
    model.max_features = 0;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "_max_features");
}

static void test_refuses_lying_forests(void **state)
{
    (void)state;
    fake_isolation model = make_isolation();
    model.inner = "DecisionTreeRegressor";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "estimators_[0]");
    model = make_isolation();
    model.asked_samples = 0;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "max_samples_");
    model.asked_samples = -4;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "max_samples_");
    model = make_isolation();
    model.no_offset = true;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "offset_");
    model = make_isolation();
    model.offset = (double)NAN;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "offset_");
    model = make_isolation();
    model.lying_nodes = true;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "after its parent");
    model = make_isolation();
    model.version = "1.3.0";
    model.path_count = 4;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "_average_path_length_per_tree");
}

static void test_every_limit(void **state)
{
    (void)state;
    const fake_isolation model = make_isolation();
    check_every_limit(&model, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves_are_lengths),
        cmocka_unit_test(test_trees_of_one_row),
        cmocka_unit_test(test_missing_values_by_version),
        cmocka_unit_test(test_feature_subsets),
        cmocka_unit_test(test_refuses_lying_subsets),
        cmocka_unit_test(test_refuses_lying_forests),
        cmocka_unit_test(test_every_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
