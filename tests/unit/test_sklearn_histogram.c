// SPDX-License-Identifier: Apache-2.0
/*
 * HistGradientBoosting models on pickles made by hand: the node records of every version, and every
 * lie a file can tell.
 */
#include "tests/unit/test_sklearn.h"

#include <math.h>

#define HISTOGRAM_MODULE "sklearn.ensemble._hist_gradient_boosting.gradient_boosting"
#define PREDICTOR_MODULE "sklearn.ensemble._hist_gradient_boosting.predictor"

/* ---- records -------------------------------------------------------------------------------- */

static const fake_field fields_0_22[] = {{"value", "f8", 0},
                                         {"count", "u4", 8},
                                         {"feature_idx", "u4", 12},
                                         {"threshold", "f8", 16},
                                         {"missing_go_to_left", "u1", 24},
                                         {"left", "u4", 25},
                                         {"right", "u4", 29},
                                         {"gain", "f8", 33},
                                         {"depth", "u4", 41},
                                         {"is_leaf", "u1", 45},
                                         {"bin_threshold", "u1", 46}};
static const fake_field fields_0_24[] = {{"value", "f8", 0},
                                         {"count", "u4", 8},
                                         {"feature_idx", "u4", 12},
                                         {"num_threshold", "f8", 16},
                                         {"missing_go_to_left", "u1", 24},
                                         {"left", "u4", 25},
                                         {"right", "u4", 29},
                                         {"gain", "f8", 33},
                                         {"depth", "u4", 41},
                                         {"is_leaf", "u1", 45},
                                         {"bin_threshold", "u1", 46},
                                         {"is_categorical", "u1", 47},
                                         {"bitset_idx", "u4", 48}};
static const fake_field fields_1_4[] = {{"value", "f8", 0},
                                        {"count", "u4", 8},
                                        {"feature_idx", "i8", 12},
                                        {"num_threshold", "f8", 20},
                                        {"missing_go_to_left", "u1", 28},
                                        {"left", "u4", 29},
                                        {"right", "u4", 33},
                                        {"gain", "f8", 37},
                                        {"depth", "u4", 45},
                                        {"is_leaf", "u1", 49},
                                        {"bin_threshold", "u1", 50},
                                        {"is_categorical", "u1", 51},
                                        {"bitset_idx", "u4", 52}};
static const fake_field fields_unknown[] = {{"value", "f8", 0}, {"linear_slope", "f8", 8}};
static const fake_field fields_short[] = {{"value", "f8", 0}, {"count", "u4", 8}};

typedef enum fake_version {
    NODES_0_22,
    NODES_0_24,
    NODES_1_4,
    NODES_1_4_SWAPPED,
    NODES_UNKNOWN,
    NODES_SHORT
} fake_version;

static const fake_record records[] = {
    [NODES_0_22] = {fields_0_22, 11, 47, '<'},      [NODES_0_24] = {fields_0_24, 13, 52, '<'},
    [NODES_1_4] = {fields_1_4, 13, 56, '<'},        [NODES_1_4_SWAPPED] = {fields_1_4, 13, 56, '>'},
    [NODES_UNKNOWN] = {fields_unknown, 2, 16, '<'}, [NODES_SHORT] = {fields_short, 2, 12, '<'},
};

typedef struct fake_predictor_node {
    double value;
    int64_t feature;
    double threshold;
    uint64_t left;
    uint64_t right;
    uint8_t missing_left;
    uint8_t is_leaf;
    uint8_t is_categorical;
} fake_predictor_node;

static void store_field(uint8_t *at, const fake_field *field, const fake_predictor_node *node,
                        bool swapped)
{
    const struct {
        const char *name;
        uint64_t integer;
        double real;
    } known[] = {
        {"value", 0, node->value},
        {"count", 10, 0},
        {"feature_idx", (uint64_t)node->feature, 0},
        {"threshold", 0, node->threshold},
        {"num_threshold", 0, node->threshold},
        {"missing_go_to_left", node->missing_left, 0},
        {"left", node->left, 0},
        {"right", node->right, 0},
        {"is_leaf", node->is_leaf, 0},
        {"is_categorical", node->is_categorical, 0},
    };
    uint64_t bits = 0xA5A5A5A5A5A5A5A5U; /* of what nobody may look at */
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(field->name, known[i].name) == 0) {
            bits = known[i].integer;
            if (field->code[0] == 'f') {
                memcpy(&bits, &known[i].real, sizeof bits);
            }
        }
    }
    const size_t bytes = (size_t)strtol(field->code + 1, NULL, 10);
    for (size_t i = 0; i < bytes; i++) {
        at[swapped ? bytes - 1 - i : i] = (uint8_t)(bits >> (8 * i));
    }
}

/* ---- models --------------------------------------------------------------------------------- */

/* Two decisions, the first by missing values alone; preorder. */
static const fake_predictor_node tree_nodes[] = {
    {0, 1, (double)INFINITY, 1, 4, 0, 0, 0},
    {0, 0, 0.1, 2, 3, 1, 0, 0},
    {0.25, 0, 0, 0, 0, 0, 1, 0},
    {-1.5, 0, 0, 0, 0, 0, 1, 0},
    {3, 0, 0, 0, 0, 0, 1, 0},
};

typedef enum fake_baseline {
    BASELINE_SCALAR,
    BASELINE_ROW,    /* (1, K) */
    BASELINE_COLUMN, /* (K, 1) */
    BASELINE_NARROW, /* float32 */
    BASELINE_NAN
} fake_baseline;

typedef struct fake_histogram {
    const char *name;
    const char *version;
    const char *loss;
    const char *predictor; /* class of the trees */
    const fake_labels *labels;
    const fake_predictor_node *nodes;
    uint32_t node_count;
    uint32_t iterations;
    uint32_t trees; /* of an iteration */
    fake_version layout;
    fake_baseline baseline;
    bool categorical_mask;
    bool preprocessor;
} fake_histogram;

static const int64_t three_numbers[] = {-3, 500, 7};
static const fake_labels three_labels = {"i8", three_numbers, 24, 3};

static fake_histogram make_regressor(void)
{
    return (fake_histogram){.name = "HistGradientBoostingRegressor",
                            .version = "1.4.2",
                            .loss = "squared_error",
                            .predictor = "TreePredictor",
                            .nodes = tree_nodes,
                            .node_count = 5,
                            .iterations = 2,
                            .trees = 1,
                            .layout = NODES_1_4,
                            .baseline = BASELINE_ROW};
}

static fake_histogram make_classifier(void)
{
    fake_histogram model = make_regressor();
    model.name = "HistGradientBoostingClassifier";
    model.loss = "log_loss";
    model.labels = &three_labels;
    model.trees = 3;
    return model;
}

static void put_predictor(pickle_writer *writer, const fake_histogram *model)
{
    const fake_record *const record = &records[model->layout];
    uint8_t *const data = calloc(model->node_count + 1U, record->item_bytes);
    assert_non_null(data);
    for (uint32_t i = 0; i < model->node_count; i++) {
        for (uint32_t k = 0; k < record->field_count; k++) {
            store_field(data + (size_t)i * record->item_bytes + record->fields[k].offset,
                        &record->fields[k], &model->nodes[i], record->order == '>');
        }
    }
    open_object(writer, PREDICTOR_MODULE, model->predictor);
    put_text(writer, "nodes");
    put_records(writer, record, model->node_count, data);
    close_object(writer);
    free(data);
}

static void put_baseline(pickle_writer *writer, const fake_histogram *model)
{
    static const double numbers[] = {0.5, -0.25, 0.125};
    static const double no_number[] = {(double)NAN, 0, 0};
    static const float narrow[] = {0.5F, -0.25F, 0.125F};
    const uint64_t count = model->trees;
    const uint64_t row[2] = {1, count};
    const uint64_t column[2] = {count, 1};
    const double *const data = model->baseline == BASELINE_NAN ? no_number : numbers;
    put_text(writer, "_baseline_prediction");
    if (model->baseline == BASELINE_SCALAR) {
        put_float(writer, 0.5);
    } else if (model->baseline == BASELINE_NARROW) {
        put_array(writer, "f4", '<', row, 2, false, narrow, (size_t)count * sizeof narrow[0]);
    } else {
        put_array(writer, "f8", '<', model->baseline == BASELINE_COLUMN ? column : row, 2, false,
                  data, (size_t)count * sizeof numbers[0]);
    }
}

static void put_histogram(pickle_writer *writer, const fake_histogram *model)
{
    open_object(writer, HISTOGRAM_MODULE, model->name);
    put_text(writer, "_sklearn_version");
    put_text(writer, model->version);
    put_text(writer, "n_features_in_");
    put_int(writer, 2);
    put_text(writer, "loss");
    put_text(writer, model->loss);
    put_text(writer, "is_categorical_");
    if (model->categorical_mask) {
        const uint64_t shape[1] = {2};
        put_array(writer, "b1", '|', shape, 1, false, "\0\1", 2);
    } else {
        put_none(writer);
    }
    put_text(writer, "_preprocessor");
    if (model->preprocessor) {
        put_int(writer, 1);
    } else {
        put_none(writer);
    }
    if (model->labels != NULL) {
        put_text(writer, "classes_");
        put_labels(writer, model->labels);
    }
    put_baseline(writer, model);
    put_text(writer, "_predictors");
    put_bytes(writer, "](", 2);
    for (uint32_t i = 0; i < model->iterations; i++) {
        put_bytes(writer, "](", 2);
        for (uint32_t k = 0; k < model->trees; k++) {
            put_predictor(writer, model);
        }
        put_opcode(writer, 'e');
    }
    put_bytes(writer, "eub", 3);
}

#define MODEL     fake_histogram
#define PUT_MODEL put_histogram
#include "tests/unit/test_sklearn_model.inc"
#undef MODEL
#undef PUT_MODEL

/* ---- what is read --------------------------------------------------------------------------- */

/* The same tree in the records of every version. */
static void test_record_layouts(void **state)
{
    (void)state;
    for (int layout = NODES_0_22; layout <= NODES_1_4_SWAPPED; layout++) {
        fake_histogram model = make_regressor();
        model.layout = (fake_version)layout;
        espalier_forest forest;
        loads(&model, &forest);
        assert_int_equal(forest.tree_count, 2);
        assert_int_equal(forest.trees[0].depth, 2);
        assert_true(forest.trees[0].preorder);
        assert_int_equal(forest.feature[0], 1);
        assert_true(forest.threshold[0] == (double)INFINITY && forest.threshold[1] == 0.1);
        assert_int_equal(forest.left[0], 1);
        assert_int_equal(forest.right[0], 4);
        assert_int_equal(forest.left[4], ESPALIER_FOREST_LEAF);
        assert_int_equal(forest.missing_left[0], 0);
        assert_int_equal(forest.missing_left[1], 1);
        assert_true(forest.cover[3] == 10);
        assert_true(forest.leaf_values[0] == 0.25 && forest.leaf_values[2] == 3);
        assert_int_equal(forest.input, ESPALIER_FOREST_INPUT_FLOAT64);
        assert_true(forest.missing_allowed && forest.infinite_allowed);
        assert_true(forest.start[0] == 0.5);
        espalier_forest_free(&forest);
    }
}

static void test_reads_classes(void **state)
{
    (void)state;
    const fake_baseline baselines[] = {BASELINE_ROW, BASELINE_COLUMN};
    for (size_t i = 0; i < 2; i++) {
        fake_histogram model = make_classifier();
        model.baseline = baselines[i];
        espalier_forest forest;
        loads(&model, &forest);
        assert_int_equal(forest.tree_count, 6);
        assert_int_equal(forest.tree_slot[5], 2);
        assert_int_equal(forest.tree_iteration[5], 1);
        assert_int_equal(forest.iteration_count, 2);
        assert_int_equal(forest.group_width[0], 3);
        assert_true(forest.start[1] == -0.25 && forest.start[2] == 0.125);
        assert_int_equal(forest.labels[0].numbers[1], 500);
        espalier_forest_free(&forest);
    }
    fake_histogram model = make_regressor();
    model.baseline = BASELINE_SCALAR;
    espalier_forest forest;
    loads(&model, &forest);
    assert_true(forest.start[0] == 0.5);
    espalier_forest_free(&forest);
}

/* ---- lies ----------------------------------------------------------------------------------- */

static void test_refuses_categories(void **state)
{
    (void)state;
    fake_histogram model = make_regressor();
    model.categorical_mask = true;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "there is no _bin_mapper");
    model = make_regressor();
    model.preprocessor = true;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "_preprocessor, and no categorical feature");
    fake_predictor_node nodes[5];
    memcpy(nodes, tree_nodes, sizeof nodes);
    nodes[1].is_categorical = 1;
    model = make_regressor();
    model.nodes = nodes;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "_predictors[0][0].nodes: a categorical split has");
}

static void test_refuses_other_records(void **state)
{
    (void)state;
    fake_histogram model = make_regressor();
    model.layout = NODES_UNKNOWN;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "linear_slope");
    model.layout = NODES_SHORT;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "lack a field");
    model = make_regressor();
    model.node_count = 0;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "array of records");
    model = make_regressor();
    model.predictor = "OtherPredictor";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "TreePredictor");
}

static void refuses_node(uint32_t index, fake_predictor_node node, const char *word)
{
    fake_predictor_node nodes[5];
    memcpy(nodes, tree_nodes, sizeof nodes);
    nodes[index] = node;
    fake_histogram model = make_regressor();
    model.nodes = nodes;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, word);
}

static void test_refuses_lying_nodes(void **state)
{
    (void)state;
    refuses_node(1, (fake_predictor_node){0, 0, 0.1, 0, 3, 1, 0, 0}, "after its parent");
    refuses_node(1, (fake_predictor_node){0, 0, 0.1, 1, 3, 1, 0, 0}, "after its parent");
    refuses_node(1, (fake_predictor_node){0, 0, 0.1, 2, 4, 1, 0, 0}, "shares");
    refuses_node(1, (fake_predictor_node){0, 0, 0.1, 2, 2, 1, 0, 0}, "shares");
    refuses_node(1, (fake_predictor_node){0, 0, 0.1, 5, 3, 1, 0, 0}, "left child is out of range");
    refuses_node(1, (fake_predictor_node){0, 0, 0.1, 2, UINT32_MAX, 1, 0, 0}, "out of range");
    refuses_node(1, (fake_predictor_node){0, 2, 0.1, 2, 3, 1, 0, 0}, "no feature 2");
    refuses_node(1, (fake_predictor_node){0, -1, 0.1, 2, 3, 1, 0, 0}, "no feature -1");
    refuses_node(1, (fake_predictor_node){0, 0, (double)NAN, 2, 3, 1, 0, 0}, "NaN");
    refuses_node(1, (fake_predictor_node){0, 0, 0.1, 2, 3, 2, 0, 0}, "missing_go_to_left");
    refuses_node(1, (fake_predictor_node){0, 0, 0.1, 2, 3, 1, 1, 0}, "too many leaves");
    refuses_node(4, (fake_predictor_node){0, 0, 0.1, 2, 3, 1, 0, 0}, "too few leaves");
    refuses_node(3, (fake_predictor_node){(double)INFINITY, 0, 0, 0, 0, 0, 1, 0}, "not finite");
}

static void test_refuses_lying_models(void **state)
{
    (void)state;
    fake_histogram model = make_classifier();
    model.trees = 2;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "has 2 trees, not 3");
    const fake_labels one_label = {"i8", three_numbers, 8, 1};
    model = make_classifier();
    model.labels = &one_label;
    model.trees = 1;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a single class");
    model = make_regressor();
    model.iterations = 0;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "_predictors");
    model = make_regressor();
    model.loss = "tweedie";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "the loss tweedie");
    model = make_regressor();
    model.baseline = BASELINE_NARROW;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "_baseline_prediction");
    model.baseline = BASELINE_NAN;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "_baseline_prediction");
    model = make_classifier();
    model.baseline = BASELINE_SCALAR;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "_baseline_prediction");
}

static void test_every_limit(void **state)
{
    (void)state;
    const fake_histogram model = make_classifier();
    check_every_limit(&model, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_layouts),      cmocka_unit_test(test_reads_classes),
        cmocka_unit_test(test_refuses_categories),  cmocka_unit_test(test_refuses_other_records),
        cmocka_unit_test(test_refuses_lying_nodes), cmocka_unit_test(test_refuses_lying_models),
        cmocka_unit_test(test_every_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
