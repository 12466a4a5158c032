// SPDX-License-Identifier: Apache-2.0
/*
 * GradientBoosting models on pickles made by hand: what is read, and every lie a file can tell.
 * The lies of single trees are in test_sklearn.c.
 */
#include "tests/unit/test_sklearn.h"

#include <float.h>
#include <math.h>

#define BOOSTING_MODULE "sklearn.ensemble._gb"

/* ---- models --------------------------------------------------------------------------------- */

/* One decision and two leaves. */
static const fake_node stump[] = {{1, 2, 1, 0.1, 10, 1},
                                  {-1, -1, -2, -2, 4, 7},
                                  {-1, -1, -2, -2, 6, 9}};
static const double stump_values[] = {9, 0.3, -1.7};
static const fake_tree stump_tree = {.nodes = stump, .node_count = 3, .values = stump_values};
static const int64_t three_numbers[] = {-3, 500, 7};
static const fake_labels two_labels = {"i8", three_numbers, 16, 2};
static const fake_labels three_labels = {"i8", three_numbers, 24, 3};

typedef enum fake_init {
    INIT_ZERO,
    INIT_DUMMY,
    INIT_NONE,  /* no such attribute */
    INIT_OTHER, /* another fitted estimator */
} fake_init;

typedef struct fake_boosting {
    const char *name;
    const char *version;
    const char *loss;
    const char *inner;         /* class of the trees */
    const char *strategy;      /* of the dummy */
    const fake_labels *labels; /* NULL: a regressor */
    const double *numbers;     /* class_prior_ or constant_ */
    uint64_t number_count;
    int64_t claimed_classes;
    uint64_t rows;
    uint64_t columns; /* 0: a one-dimensional array */
    double rate;
    fake_init init;
    bool new_attributes; /* what 1.4 began to write */
} fake_boosting;

static fake_boosting make_regressor(void)
{
    static const double constant[] = {0.25};
    return (fake_boosting){.name = "GradientBoostingRegressor",
                           .version = "1.2.2",
                           .loss = "squared_error",
                           .inner = "DecisionTreeRegressor",
                           .strategy = "mean",
                           .numbers = constant,
                           .number_count = 1,
                           .rows = 2,
                           .columns = 1,
                           .rate = 0.1,
                           .init = INIT_DUMMY};
}

static fake_boosting make_classifier(const fake_labels *labels)
{
    static const double prior[] = {0.2, 0.3, 0.5};
    static const double two[] = {0.2, 0.8};
    fake_boosting model = make_regressor();
    model.name = "GradientBoostingClassifier";
    model.loss = "log_loss";
    model.strategy = "prior";
    model.labels = labels;
    model.numbers = labels->count == 2 ? two : prior;
    model.number_count = labels->count;
    model.columns = labels->count == 2 ? 1 : labels->count;
    return model;
}

static void put_init(pickle_writer *writer, const fake_boosting *model)
{
    if (model->init == INIT_NONE) {
        return;
    }
    put_text(writer, "init_");
    if (model->init == INIT_ZERO) {
        put_text(writer, "zero");
        return;
    }
    if (model->init == INIT_OTHER) {
        put_global(writer, "sklearn.linear_model._base", "LinearRegression");
        put_bytes(writer, ")\x81", 2);
        return;
    }
    const uint64_t shape[1] = {model->number_count};
    open_object(writer, "sklearn.dummy",
                model->labels != NULL ? "DummyClassifier" : "DummyRegressor");
    put_text(writer, "strategy");
    put_text(writer, model->strategy);
    put_text(writer, model->labels != NULL ? "class_prior_" : "constant_");
    put_array(writer, "f8", '<', shape, 1, false, model->numbers,
              (size_t)model->number_count * sizeof *model->numbers);
    if (model->labels != NULL) {
        static const int64_t codes[] = {0, 1, 2};
        put_text(writer, "classes_");
        put_array(writer, "i8", '<', shape, 1, false, codes,
                  (size_t)model->number_count * sizeof codes[0]);
        put_text(writer, "constant");
        put_int(writer, 1);
    }
    close_object(writer);
}

static void put_stages(pickle_writer *writer, const fake_boosting *model)
{
    const fake_estimator tree = {.features = 2, .outputs = 1};
    const uint64_t count = model->rows * (model->columns > 0 ? model->columns : 1);
    put_text(writer, "estimators_");
    put_object_rows_open(writer, model->rows, model->columns);
    for (uint64_t i = 0; i < count; i++) {
        put_tree_estimator(writer, &tree, "sklearn.tree._classes", model->inner, &stump_tree);
    }
    put_objects_close(writer);
}

static void put_boosting(pickle_writer *writer, const fake_boosting *model)
{
    open_object(writer, BOOSTING_MODULE, model->name);
    if (model->version != NULL) {
        put_text(writer, "_sklearn_version");
        put_text(writer, model->version);
    }
    put_text(writer, "n_features_in_");
    put_int(writer, 2);
    put_text(writer, "loss");
    put_text(writer, model->loss);
    put_text(writer, "learning_rate");
    put_float(writer, model->rate);
    if (model->new_attributes) {
        put_text(writer, "n_trees_per_iteration_");
        put_int(writer, (int64_t)model->columns);
    }
    if (model->labels != NULL) {
        put_text(writer, "n_classes_");
        put_int(writer, model->claimed_classes != 0 ? model->claimed_classes
                                                    : (int64_t)model->labels->count);
        put_text(writer, "classes_");
        put_labels(writer, model->labels);
    }
    put_init(writer, model);
    put_stages(writer, model);
    close_object(writer);
}

#define MODEL     fake_boosting
#define PUT_MODEL put_boosting
#include "tests/unit/test_sklearn_model.inc"
#undef MODEL
#undef PUT_MODEL

/* ---- what is read --------------------------------------------------------------------------- */

static void test_reads_a_regressor(void **state)
{
    (void)state;
    const fake_boosting model = make_regressor();
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.tree_count, 2);
    assert_int_equal(forest.iteration_count, 2);
    assert_int_equal(forest.slot_count, 1);
    assert_int_equal(forest.leaf_width, 1);
    assert_true(forest.start[0] == 0.25);
    assert_true(forest.leaf_values[0] == 0.1 * 0.3 && forest.leaf_values[1] == 0.1 * -1.7);
    assert_int_equal(forest.input, ESPALIER_FOREST_INPUT_FLOAT32);
    assert_false(forest.missing_allowed || forest.infinite_allowed);
    assert_int_equal(forest.missing_left[0], 0);
    assert_int_equal(forest.divide, ESPALIER_FOREST_DIVIDE_NONE);
    assert_true(forest.leaf_is_vector && !forest.classifier);
    assert_string_equal(forest.objective, "squared_error");
    espalier_forest_free(&forest);
}

/* What a model with these probabilities starts from. */
static void check_start(const fake_boosting *model, uint32_t slot, double expected)
{
    espalier_forest forest;
    loads(model, &forest);
    if (forest.start[slot] != expected) {
        fail_msg("%s, %s: starts from %a, not %a", model->version, model->strategy,
                 forest.start[slot], expected);
    }
    espalier_forest_free(&forest);
}

static void test_first_guess_of_two(void **state)
{
    (void)state;
    fake_boosting model = make_classifier(&two_labels);
    check_start(&model, 0, log(0.8 / (1 - 0.8)));
    model.version = "1.4.2";
    check_start(&model, 0, log(0.8 / (1 - 0.8)));
    model.loss = "exponential";
    check_start(&model, 0, 0.5 * log(0.8 / (1 - 0.8)));
    static const double near_half[] = {0.4, 0.6};
    model.numbers = near_half;
    model.loss = "log_loss";
    check_start(&model, 0, log(0.6 / (1 - 0.6))); /* SciPy's logit up to 1.14 */
    model.version = "1.5.2";
    check_start(&model, 0, log(0.6 / (1 - 0.6)));
    model.version = "1.6.1";
    check_start(&model, 0, log1p(2 * (0.6 - 0.5)) - log1p(-(2 * (0.6 - 0.5))));
    model.version = "1.3.2";
    check_start(&model, 0, log(0.6 / (1 - 0.6)));
    model.version = NULL; /* as the oldest that writes such attributes */
    check_start(&model, 0, log(0.6 / (1 - 0.6)));
    model.new_attributes = true;
    check_start(&model, 0, log(0.6 / (1 - 0.6)));
}

/* Certain probabilities are kept away from 0 and 1, and by how much changed with 1.8. */
static void test_first_guess_is_clipped(void **state)
{
    (void)state;
    fake_boosting model = make_classifier(&two_labels);
    model.strategy = "most_frequent";
    const double narrow = 1 - (double)FLT_EPSILON;
    const double wide = 1 - DBL_EPSILON;
    check_start(&model, 0, log(narrow / (1 - narrow)));
    model.version = "1.7.2";
    check_start(&model, 0, log(narrow / (1 - narrow)));
    model.version = "1.8.0";
    check_start(&model, 0, log(wide / (1 - wide)));
    model.strategy = "constant";
    check_start(&model, 0, log(wide / (1 - wide)));
    model.strategy = "uniform";
    check_start(&model, 0, 0);
    model.init = INIT_ZERO;
    check_start(&model, 0, 0);
}

static void test_first_guess_of_several(void **state)
{
    (void)state;
    fake_boosting model = make_classifier(&three_labels);
    check_start(&model, 0, log(0.2));
    check_start(&model, 2, log(0.5));
    const double mean = exp(((log(0.2) + log(0.3)) + log(0.5)) / 3);
    model.version = "1.4.0";
    check_start(&model, 0, log(0.2 / mean));
    check_start(&model, 2, log(0.5 / mean));
}

static void test_reads_classes(void **state)
{
    (void)state;
    const fake_boosting model = make_classifier(&three_labels);
    espalier_forest forest;
    loads(&model, &forest);
    assert_int_equal(forest.tree_count, 6);
    assert_int_equal(forest.slot_count, 3);
    assert_int_equal(forest.iteration_count, 2);
    assert_int_equal(forest.tree_slot[4], 1);
    assert_int_equal(forest.tree_iteration[4], 1);
    assert_int_equal(forest.group_count, 1);
    assert_int_equal(forest.group_width[0], 3);
    assert_int_equal(forest.labels[0].count, 3);
    assert_int_equal(forest.labels[0].numbers[1], 500);
    espalier_forest_free(&forest);
}

/* ---- lies ----------------------------------------------------------------------------------- */

static void test_refuses_other_losses(void **state)
{
    (void)state;
    fake_boosting model = make_regressor();
    model.loss = "poisson";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "the loss poisson");
    model = make_classifier(&two_labels);
    model.loss = "squared_error";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "the loss squared_error");
}

static void test_refuses_other_guesses(void **state)
{
    (void)state;
    static const double wrong[] = {0.25, (double)NAN, 0.5};
    fake_boosting model = make_regressor();
    model.init = INIT_OTHER;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "LinearRegression");
    model.init = INIT_NONE;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no init_");
    model.init = INIT_DUMMY;
    model.number_count = 0;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "constant_");
    model.number_count = 1;
    model.numbers = wrong + 1;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "constant_");
    model = make_classifier(&three_labels);
    model.number_count = 2;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "class_prior_");
    model.number_count = 3;
    model.numbers = wrong;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "class_prior_");
    model.strategy = "stratified";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "at random");
}

static void test_refuses_lying_stages(void **state)
{
    (void)state;
    fake_boosting model = make_classifier(&three_labels);
    model.columns = 2;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "2 columns for 3 classes");
    model.columns = 0;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "estimators_");
    model = make_classifier(&three_labels);
    model.rows = 0;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "estimators_");
    model = make_classifier(&three_labels);
    model.claimed_classes = 4;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "n_classes_");
    model = make_regressor();
    model.inner = "ExtraTreeRegressor";
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "estimators_[0][0]");
    model = make_regressor();
    model.rate = (double)INFINITY;
    refuses(&model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "learning_rate");
    model.rate = DBL_MAX;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "not finite");
    static const fake_labels one_label = {"i8", three_numbers, 8, 1};
    model = make_classifier(&three_labels);
    model.labels = &one_label;
    model.columns = 1;
    refuses(&model, ESPALIER_ERROR_SOURCE_TREE, "for 1 classes");
}

static void test_every_limit(void **state)
{
    (void)state;
    const fake_boosting model = make_classifier(&three_labels);
    check_every_limit(&model, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_a_regressor),
        cmocka_unit_test(test_first_guess_of_two),
        cmocka_unit_test(test_first_guess_is_clipped),
        cmocka_unit_test(test_first_guess_of_several),
        cmocka_unit_test(test_reads_classes),
        cmocka_unit_test(test_refuses_other_losses),
        cmocka_unit_test(test_refuses_other_guesses),
        cmocka_unit_test(test_refuses_lying_stages),
        cmocka_unit_test(test_every_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
