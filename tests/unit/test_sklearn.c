// SPDX-License-Identifier: Apache-2.0
/*
 * The scikit-learn importer on pickles made by hand: what it reads, and every lie a file can tell.
 */
#include "tests/unit/test_sklearn.h"

#include <math.h>

#define TREE_MODULE   "sklearn.tree._classes"
#define FOREST_MODULE "sklearn.ensemble._forest"

/* ---- helpers -------------------------------------------------------------------------------- */

/* One decision and two leaves. */
static const fake_node stump[] = {{1, 2, 0, 0.1, 10, 1},
                                  {-1, -1, -2, -2, 4, 7},
                                  {-1, -1, -2, -2, 6, 9}};
static const double stump_counts[] = {10, 2, 3, 1, 1.5, 0.25};
static const int64_t labels_int[] = {-3, 500};
static const fake_labels two_labels[] = {{"i8", labels_int, sizeof labels_int, 2}};
static const fake_tree stump_tree = {.nodes = stump, .node_count = 3, .values = stump_counts};

static fake_estimator make_classifier(const fake_tree *tree)
{
    return (fake_estimator){.module = TREE_MODULE,
                            .name = "DecisionTreeClassifier",
                            .version = "1.2.2",
                            .features = 2,
                            .outputs = 1,
                            .labels = two_labels,
                            .trees = tree,
                            .tree_count = 1};
}

static fake_estimator make_forest(const fake_tree *trees, size_t count)
{
    fake_estimator estimator = make_classifier(trees);
    estimator.module = FOREST_MODULE;
    estimator.name = "RandomForestClassifier";
    estimator.inner = "DecisionTreeClassifier";
    estimator.tree_count = count;
    return estimator;
}

#define MODEL     fake_estimator
#define PUT_MODEL put_estimator
#include "tests/unit/test_sklearn_model.inc"
#undef MODEL
#undef PUT_MODEL

static void refuses_tree(fake_tree tree, espalier_status status, const char *word)
{
    fake_estimator estimator = make_classifier(&tree);
    refuses(&estimator, status, word);
    estimator = make_forest(&tree, 1);
    refuses(&estimator, status, word);
}

/* ---- what is read --------------------------------------------------------------------------- */

static void test_reads_a_tree(void **state)
{
    (void)state;
    static const char *const names[] = {"width", "h\xc3\xb6he"};
    fake_estimator estimator = make_classifier(&stump_tree);
    estimator.feature_names = names;
    estimator.feature_name_count = 2;
    espalier_forest forest;
    loads(&estimator, &forest);
    assert_int_equal(forest.tree_count, 1);
    assert_int_equal(forest.node_count, 3);
    assert_int_equal(forest.leaf_count, 2);
    assert_int_equal(forest.left[0], 1);
    assert_int_equal(forest.right[0], 2);
    assert_int_equal(forest.left[1], ESPALIER_FOREST_LEAF);
    assert_int_equal(forest.right[2], 1);
    assert_int_equal(forest.feature[0], 0);
    assert_true(forest.threshold[0] == 0.1);
    assert_true(forest.cover[0] == 10 && forest.cover[2] == 6);
    assert_true(forest.classifier && forest.normalise);
    assert_int_equal(forest.divide, ESPALIER_FOREST_DIVIDE_NONE);
    assert_false(forest.leaf_is_vector);
    assert_false(forest.missing_allowed);
    assert_true(forest.leaf_values[0] == 3 && forest.leaf_values[3] == 0.25);
    assert_int_equal(forest.labels[0].kind, ESPALIER_LABEL_INT);
    assert_int_equal(forest.labels[0].item_bytes, 8);
    assert_int_equal((int64_t)forest.labels[0].numbers[0], -3);
    assert_int_equal(forest.labels[0].numbers[1], 500);
    assert_string_equal(forest.feature_names[1], names[1]);
    assert_string_equal(forest.framework, "scikit-learn");
    assert_string_equal(forest.version, "1.2.2");
    assert_string_equal(forest.class_name, TREE_MODULE ".DecisionTreeClassifier");
    assert_string_equal(forest.parameters_json,
                        "{\"criterion\":\"gini\",\"max_depth\":null,"
                        "\"min_weight_fraction_leaf\":0.125,\"random_state\":42,"
                        "\"splitter\":\"best\"}");
    espalier_forest_free(&forest);
}

/* Counts in a forest are divided tree by tree up to 1.3 and left alone from 1.4 on. */
static void test_leaf_values_by_version(void **state)
{
    (void)state;
    const fake_tree trees[] = {stump_tree, stump_tree};
    static const double fractions[] = {0.5, 0.5, 0.75, 0.25, 0, 1};
    espalier_forest forest;
    fake_estimator estimator = make_forest(trees, 2);
    loads(&estimator, &forest);
    assert_false(forest.normalise);
    assert_true(forest.leaf_is_vector);
    assert_int_equal(forest.divide, ESPALIER_FOREST_DIVIDE_TREES);
    assert_int_equal(forest.tree_count, 2);
    assert_int_equal(forest.trees[1].first_node, 3);
    assert_int_equal(forest.trees[1].first_leaf, 2);
    assert_true(forest.leaf_values[0] == 0.75 && forest.leaf_values[1] == 0.25);
    assert_true(forest.leaf_values[6] == 1.5 / 1.75);
    espalier_forest_free(&forest);

    estimator.version = "1.4.0";
    loads(&estimator, &forest);
    assert_true(forest.leaf_values[0] == 3 && !forest.normalise);
    espalier_forest_free(&forest);

    estimator.version = NULL; /* decided by the rows */
    loads(&estimator, &forest);
    assert_true(forest.leaf_values[0] == 0.75);
    assert_null(forest.version);
    espalier_forest_free(&forest);
    fake_tree fraction_tree = stump_tree;
    fraction_tree.values = fractions;
    estimator = make_classifier(&fraction_tree);
    estimator.version = NULL;
    loads(&estimator, &forest);
    assert_false(forest.normalise);
    espalier_forest_free(&forest);
}

/* A leaf without any weight: its counts divide by one. */
static void test_zero_counts(void **state)
{
    (void)state;
    static const double zeros[6] = {0};
    fake_tree tree = stump_tree;
    tree.values = zeros;
    fake_estimator estimator = make_forest(&tree, 1);
    espalier_forest forest;
    loads(&estimator, &forest);
    assert_true(forest.leaf_values[0] == 0 && forest.leaf_values[3] == 0);
    espalier_forest_free(&forest);
}

/* NumPy's order of adding, with a sum that other orders round differently. */
static void test_pairwise_sum(void **state)
{
    (void)state;
    enum {
        CLASSES = 300
    };
    double values[CLASSES];
    int64_t names[CLASSES];
    uint64_t seed = 12345;
    for (int i = 0; i < CLASSES; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = (double)(seed >> 11) * 0x1p-53 * 10;
        names[i] = i;
    }
    double halves[3] = {0}; /* 300 = 144 + 156; 144 = 72 + 72; 156 = 72 + 84 */
    const int first[] = {0, 72, 144, 216, 300};
    double blocks[4];
    for (int b = 0; b < 4; b++) {
        double r[8];
        memcpy(r, values + first[b], sizeof r);
        int i = first[b] + 8;
        for (; i + 8 <= first[b + 1]; i += 8) {
            for (int j = 0; j < 8; j++) {
                r[j] += values[i + j];
            }
        }
        blocks[b] = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
        for (; i < first[b + 1]; i++) {
            blocks[b] += values[i];
        }
    }
    halves[0] = blocks[0] + blocks[1];
    halves[1] = blocks[2] + blocks[3];
    halves[2] = halves[0] + halves[1];
    double sequential = 0;
    for (int i = 0; i < CLASSES; i++) {
        sequential += values[i];
    }
    assert_true(sequential != halves[2]);
    static const fake_node leaf[] = {{-1, -1, -2, -2, 1, 0}};
    const fake_tree tree = {.nodes = leaf, .node_count = 1, .values = values};
    const fake_labels labels[] = {{"i8", names, sizeof names, CLASSES}};
    fake_estimator estimator = make_forest(&tree, 1);
    estimator.labels = labels;
    espalier_forest forest;
    loads(&estimator, &forest);
    for (int i = 0; i < CLASSES; i++) {
        assert_true(forest.leaf_values[i] == values[i] / halves[2]);
    }
    assert_int_equal(forest.trees[0].depth, 0);
    espalier_forest_free(&forest);
}

/* The same tree in every layout of its records, and values in Fortran order. */
static void test_record_layouts(void **state)
{
    (void)state;
    const fake_layout layouts[] = {FAKE_NODES_56, FAKE_NODES_64, FAKE_NODES_64_SWAPPED,
                                   FAKE_NODES_32_BITS};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        fake_tree tree = stump_tree;
        tree.layout = layouts[i];
        tree.fortran_values = i % 2 == 1;
        fake_estimator estimator = make_classifier(&tree);
        espalier_forest forest;
        loads(&estimator, &forest);
        assert_int_equal(forest.left[0], 1);
        assert_int_equal(forest.right[0], 2);
        assert_true(forest.threshold[0] == 0.1);
        assert_true(forest.cover[1] == 4);
        assert_true(forest.leaf_values[1] == 1 && forest.leaf_values[2] == 1.5);
        assert_int_equal(forest.missing_left[0], 0); /* 1.2.2 refuses NaN */
        espalier_forest_free(&forest);
    }
}

/* Missing directions count where predict accepts NaN; those of leaves are never looked at. */
static void test_missing_directions(void **state)
{
    (void)state;
    fake_tree tree = stump_tree;
    tree.layout = FAKE_NODES_64;
    espalier_forest forest;
    fake_estimator estimator = make_classifier(&tree);
    estimator.version = "1.3.0";
    loads(&estimator, &forest);
    assert_true(forest.missing_allowed);
    assert_int_equal(forest.missing_left[0], 1);
    assert_int_equal(forest.missing_left[1], 0);
    espalier_forest_free(&forest);

    estimator = make_forest(&tree, 1);
    estimator.version = "1.3.0";
    loads(&estimator, &forest);
    assert_false(forest.missing_allowed);
    assert_int_equal(forest.missing_left[0], 0);
    espalier_forest_free(&forest);

    estimator.version = "1.4.2";
    loads(&estimator, &forest);
    assert_true(forest.missing_allowed);
    espalier_forest_free(&forest);
    estimator.monotonic = true;
    loads(&estimator, &forest);
    assert_false(forest.missing_allowed);
    espalier_forest_free(&forest);
    estimator.version = "1.10.dev0"; /* newer than known, its records are not */
    loads(&estimator, &forest);
    assert_true(forest.missing_allowed);
    assert_string_equal(forest.version, "1.10.dev0");
    espalier_forest_free(&forest);
}

static void test_several_outputs(void **state)
{
    (void)state;
    static const double values[] = {1, 1, 0, 1, 1, 2, /* root: (2, 3) */
                                    4, 1, 0, 2, 0, 2, /* leaves */
                                    0, 0, 9, 1, 3, 0};
    static const char labels_text[2][5][4] = {{{'n'}, {'o'}}, {{'y'}, {'e'}, {'s'}}};
    const fake_labels labels[] = {{"U5", labels_text, sizeof labels_text, 2},
                                  {"b1", "\0\1\1", 3, 3}};
    fake_tree tree = stump_tree;
    tree.values = values;
    fake_estimator estimator = make_forest(&tree, 1);
    estimator.outputs = 2;
    estimator.labels = labels;
    espalier_forest forest;
    loads(&estimator, &forest);
    assert_int_equal(forest.group_count, 2);
    assert_int_equal(forest.group_width[0], 2);
    assert_int_equal(forest.group_width[1], 3);
    assert_int_equal(forest.leaf_width, 5);
    const double expected[] = {0.8, 0.2, 0.5, 0, 0.5, 0, 0, 0.25, 0.75, 0};
    assert_memory_equal(forest.leaf_values, expected, sizeof expected);
    assert_int_equal(forest.labels[0].kind, ESPALIER_LABEL_STRING);
    assert_int_equal(forest.labels[0].item_bytes, 20);
    assert_string_equal(forest.labels[0].texts[1], "yes");
    assert_int_equal(forest.labels[0].text_bytes[1], 3);
    assert_int_equal(forest.labels[1].kind, ESPALIER_LABEL_BOOL);
    assert_int_equal(forest.labels[1].item_bytes, 1);
    espalier_forest_free(&forest);

    static const double heights[] = {0, 0, 1.5, 2.5, -3, 4};
    tree.values = heights;
    estimator = make_classifier(&tree);
    estimator.name = "ExtraTreeRegressor";
    estimator.labels = NULL;
    estimator.outputs = 2;
    loads(&estimator, &forest);
    assert_false(forest.classifier);
    assert_null(forest.labels);
    assert_int_equal(forest.leaf_width, 2);
    assert_true(forest.leaf_values[1] == 2.5 && forest.leaf_values[2] == -3);
    espalier_forest_free(&forest);
}

static void check_labels(const fake_labels *labels, espalier_label_kind kind, uint32_t item_bytes,
                         uint64_t second)
{
    fake_estimator estimator = make_classifier(&stump_tree);
    estimator.labels = labels;
    espalier_forest forest;
    loads(&estimator, &forest);
    assert_int_equal(forest.labels[0].kind, kind);
    assert_int_equal(forest.labels[0].item_bytes, item_bytes);
    assert_int_equal(forest.labels[0].numbers[1], second);
    espalier_forest_free(&forest);
}

static void test_label_kinds(void **state)
{
    (void)state;
    const int8_t small[] = {-1, -2};
    const uint64_t large[] = {1, UINT64_MAX};
    const float halves[] = {0.5f, 1.5f};
    const double real = 1.5;
    uint64_t real_bits;
    memcpy(&real_bits, &real, sizeof real_bits);
    check_labels(&(fake_labels){"i1", small, 2, 2}, ESPALIER_LABEL_INT, 1, (uint64_t)-2);
    check_labels(&(fake_labels){"u8", large, 16, 2}, ESPALIER_LABEL_UINT, 8, UINT64_MAX);
    check_labels(&(fake_labels){"f4", halves, 8, 2}, ESPALIER_LABEL_FLOAT, 4, real_bits);
    check_labels(&(fake_labels){"b1", "\0\1", 2, 2}, ESPALIER_LABEL_BOOL, 1, 1);

    const char *const objects[] = {"a", "d\xc3\xa9j\xc3\xa0"};
    const fake_labels texts = {"O8", objects, 0, 2};
    fake_estimator estimator = make_classifier(&stump_tree);
    estimator.labels = &texts;
    espalier_forest forest;
    loads(&estimator, &forest);
    assert_int_equal(forest.labels[0].kind, ESPALIER_LABEL_STRING);
    assert_int_equal(forest.labels[0].item_bytes, 16); /* four characters */
    assert_string_equal(forest.labels[0].texts[1], objects[1]);
    espalier_forest_free(&forest);

    const fake_labels bytes = {"S3", "ab\0xyz", 6, 2};
    estimator.labels = &bytes;
    loads(&estimator, &forest);
    assert_int_equal(forest.labels[0].kind, ESPALIER_LABEL_STRING);
    assert_int_equal(forest.labels[0].item_bytes, 12);
    assert_string_equal(forest.labels[0].texts[0], "ab");
    assert_string_equal(forest.labels[0].texts[1], "xyz");
    espalier_forest_free(&forest);

    const char *const mixed[] = {"a", NULL};
    const fake_labels mixture = {"O8", mixed, 0, 2};
    estimator.labels = &mixture;
    refuses(&estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "mixed");
    const int64_t dates[] = {1, 2};
    const fake_labels dated = {"M8", dates, 16, 2};
    estimator.labels = &dated;
    refuses(&estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "class labels");
}

/* ---- lies ----------------------------------------------------------------------------------- */

static void test_refuses_lying_shapes(void **state)
{
    (void)state;
    fake_tree tree = stump_tree;
    tree.claimed_node_count = 5;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, "node_count is 5");
    tree.claimed_node_count = INT64_MAX;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, "node_count");
    tree = stump_tree;
    tree.claimed_rows = 2;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, "values has the shape (2, 1, 2)");
    tree = stump_tree;
    tree.claimed_features = 3;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, "of 3 features");
    tree = stump_tree;
    tree.claimed_outputs = 2;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, "2 outputs");
    tree = stump_tree;
    tree.claimed_classes = 3;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, "3 classes");
    tree = stump_tree;
    tree.layout = FAKE_NODES_CATEGORICAL;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "categorical");
    tree.layout = FAKE_NODES_UNKNOWN;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "linear_slope");
    tree.layout = FAKE_NODES_SHORT;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no field threshold");
    tree = stump_tree;
    tree.four_arguments = true;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "categorical");
}

static void refuses_node(uint32_t index, fake_node node, const char *word)
{
    /* 0 = (1, 4), 1 = (2, 3) */
    fake_node nodes[] = {{1, 4, 0, 0.1, 10, 0},
                         {2, 3, 1, 0.2, 7, 0},
                         {-1, -1, -2, -2, 4, 0},
                         {-1, -1, -2, -2, 3, 0},
                         {-1, -1, -2, -2, 3, 0}};
    const double values[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    nodes[index] = node;
    const fake_tree tree = {.nodes = nodes,
                            .node_count = 5,
                            .values = values,
                            .layout = FAKE_NODES_64};
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, word);
}

static void test_refuses_lying_nodes(void **state)
{
    (void)state;
    refuses_node(1, (fake_node){0, 3, 1, 0.2, 7, 0}, "after its parent"); /* a cycle */
    refuses_node(1, (fake_node){1, 3, 1, 0.2, 7, 0}, "after its parent"); /* itself */
    refuses_node(1, (fake_node){2, 4, 1, 0.2, 7, 0}, "shares");           /* two parents */
    refuses_node(1, (fake_node){2, 2, 1, 0.2, 7, 0}, "shares");
    refuses_node(1, (fake_node){2, 5, 1, 0.2, 7, 0}, "out of range");
    refuses_node(1, (fake_node){-7, 3, 1, 0.2, 7, 0}, "out of range");
    refuses_node(1, (fake_node){INT64_MAX, 3, 1, 0.2, 7, 0}, "out of range");
    refuses_node(1, (fake_node){INT64_C(1) << 32 | 2, 3, 1, 0.2, 7, 0}, "out of range");
    refuses_node(1, (fake_node){-1, 3, 1, 0.2, 7, 0}, "no left child");
    refuses_node(1, (fake_node){2, -1, 1, 0.2, 7, 0}, "out of range");
    refuses_node(1, (fake_node){2, 3, 2, 0.2, 7, 0}, "no feature 2");
    refuses_node(1, (fake_node){2, 3, -2, 0.2, 7, 0}, "no feature -2");
    refuses_node(1, (fake_node){2, 3, 1, (double)NAN, 7, 0}, "NaN");
    refuses_node(1, (fake_node){2, 3, 1, 0.2, 7, 2}, "missing_go_to_left");
    refuses_node(1, (fake_node){2, 3, 1, 0.2, (double)INFINITY, 0}, "cover");
    refuses_node(1, (fake_node){-1, -1, -2, -2, 7, 0}, "too many leaves");
    refuses_node(4, (fake_node){2, 3, 1, 0.2, 7, 0}, "too few leaves");
}

static void test_refuses_lying_values(void **state)
{
    (void)state;
    const double values[] = {1, 1, (double)NAN, 1, 1, 1};
    fake_tree tree = stump_tree;
    tree.values = values;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, "not finite");
    const double infinite[] = {1, 1, 1, 1, 1, (double)INFINITY};
    tree.values = infinite;
    refuses_tree(tree, ESPALIER_ERROR_SOURCE_TREE, "not finite");
}

static void test_refuses_lying_estimators(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    fake_estimator estimator = make_forest(&stump_tree, 1);
    estimator.claimed_classes = 3;
    refuses(&estimator, ESPALIER_ERROR_SOURCE_TREE, "n_classes_");
    estimator = make_forest(&stump_tree, 1);
    estimator.feature_names = names;
    estimator.feature_name_count = 3;
    refuses(&estimator, ESPALIER_ERROR_SOURCE_TREE, "feature_names_in_");
    estimator = make_forest(&stump_tree, 1);
    estimator.features = 0;
    refuses(&estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "n_features_in_");
    estimator.features = INT64_MAX;
    refuses(&estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "n_features_in_");
    estimator = make_forest(&stump_tree, 0);
    refuses(&estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "estimators_");
    estimator = make_forest(&stump_tree, 1);
    estimator.inner = "DecisionTreeRegressor";
    refuses(&estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "estimators_[0]");
    estimator = make_forest(&stump_tree, 1);
    estimator.unfitted = true;
    refuses(&estimator, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "never fitted");
}

/* Where in the object the fault is. */
static void test_messages_name_the_place(void **state)
{
    (void)state;
    fake_tree trees[] = {stump_tree, stump_tree};
    trees[1].claimed_node_count = 4;
    const fake_estimator estimator = make_forest(trees, 2);
    pickle_writer writer = {0};
    espalier_forest forest;
    espalier_error error = {0};
    put_start(&writer);
    put_bytes(&writer, "}", 1);
    put_text(&writer, "mod\"el");
    put_estimator(&writer, &estimator);
    put_bytes(&writer, "s", 1);
    put_stop(&writer);
    assert_int_equal(load_writer(&writer, 1u << 20, &forest, &error), ESPALIER_ERROR_SOURCE_TREE);
    assert_non_null(
        strstr(error.message, "here.pkl: [\"mod\\\"el\"].estimators_[1].tree_: node_count is 4"));
    assert_true(error.file_offset > 0 && error.file_offset < writer.bytes);
    espalier_forest_free(&forest);
    pickle_writer_free(&writer);
}

/* One tree referenced very often is as large as it is often. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    fake_estimator estimator = make_forest(&stump_tree, 1);
    estimator.shared_tree = true;
    estimator.shared_count = 20000;
    pickle_writer writer = {0};
    espalier_forest forest;
    espalier_error error = {0};
    put_start(&writer);
    put_estimator(&writer, &estimator);
    put_stop(&writer);
    assert_int_equal(load_writer(&writer, 1u << 20, &forest, &error), ESPALIER_ERROR_SOURCE_LIMIT);
    assert_non_null(strstr(error.message, "1048576 bytes"));
    espalier_forest_free(&forest);
    if (load_writer(&writer, 16u << 20, &forest, &error) != ESPALIER_OK) {
        fail_load(&error);
    }
    assert_int_equal(forest.tree_count, 20001);
    assert_true(forest.leaf_values[(forest.leaf_count - 1) * 2] == 1.5 / 1.75);
    espalier_forest_free(&forest);
    pickle_writer_free(&writer);
}

/* The leaf rows of one wide tree listed often are counted before the next tree is looked at: a
 * megabyte of file took a minute to be refused. */
static void test_wide_leaves_are_bounded(void **state)
{
    (void)state;
    static double values[3 * 16];
    fake_tree tree = stump_tree;
    tree.values = values;
    fake_estimator estimator = make_forest(&tree, 1);
    estimator.name = "RandomForestRegressor";
    estimator.inner = "DecisionTreeRegressor";
    estimator.labels = NULL;
    estimator.outputs = 16;
    estimator.shared_tree = true;
    estimator.shared_count = 20000;
    pickle_writer writer = {0};
    espalier_forest forest;
    espalier_error error = {0};
    put_start(&writer);
    put_estimator(&writer, &estimator);
    put_stop(&writer);
    assert_int_equal(load_writer(&writer, 4u << 20, &forest, &error), ESPALIER_ERROR_SOURCE_LIMIT);
    assert_non_null(strstr(error.message, "leaves of 128 bytes"));
    espalier_forest_free(&forest);
    pickle_writer_free(&writer);
}

/* Every allocation refused in turn: an error each time, and nothing leaks. */
static void test_every_limit(void **state)
{
    (void)state;
    const fake_estimator estimator = make_forest(&stump_tree, 1);
    check_every_limit(&estimator, 100);
}

static void test_duplicate_attribute(void **state)
{
    (void)state;
    fake_estimator estimator = make_classifier(&stump_tree);
    estimator.duplicate_attribute = true;
    espalier_forest forest;
    espalier_error error = {0};
    assert_int_not_equal(load_within(&estimator, 1u << 20, &forest, &error), ESPALIER_OK);
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_a_tree),
        cmocka_unit_test(test_leaf_values_by_version),
        cmocka_unit_test(test_zero_counts),
        cmocka_unit_test(test_pairwise_sum),
        cmocka_unit_test(test_record_layouts),
        cmocka_unit_test(test_missing_directions),
        cmocka_unit_test(test_several_outputs),
        cmocka_unit_test(test_label_kinds),
        cmocka_unit_test(test_refuses_lying_shapes),
        cmocka_unit_test(test_refuses_lying_nodes),
        cmocka_unit_test(test_refuses_lying_values),
        cmocka_unit_test(test_refuses_lying_estimators),
        cmocka_unit_test(test_messages_name_the_place),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_wide_leaves_are_bounded),
        cmocka_unit_test(test_every_limit),
        cmocka_unit_test(test_duplicate_attribute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
