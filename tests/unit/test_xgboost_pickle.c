// SPDX-License-Identifier: Apache-2.0
/*
 * Pickled estimators and Boosters of XGBoost made by hand: what of them counts in which version,
 * and every lie their state can tell. Real files are compared in tests/interop.
 */
#include "tests/unit/test_boosted.h"
#include "tests/unit/test_xgboost.h"

#include <math.h>

#define SNAPSHOT_OF(model) \
    "{\"Config\":{\"learner\":{\"a\":[1,{}]},\"version\":[1,7,6]},\"Model\":" model "}"

static const char snapshot[] = SNAPSHOT_OF(WHOLE);

/* ---- files ---------------------------------------------------------------------------------- */

/* An estimator with its Booster, open for more. */
static void start_estimator(pickle_writer *file, const char *name, const char *model)
{
    start_file(file);
    open_xgboost(file, name, model, strlen(model));
}

/* A Booster with its model, open for more. */
static void start_booster(pickle_writer *file, const char *model)
{
    start_file(file);
    open_xgboost_booster(file, model, strlen(model));
}

/* A Booster without a model, open for one. */
static void start_empty(pickle_writer *file)
{
    start_file(file);
    open_object(file, "xgboost.core", "Booster");
}

static void put_integer(pickle_writer *file, const char *name, int64_t value)
{
    put_text(file, name);
    put_int(file, value);
}

/* ---- what is read --------------------------------------------------------------------------- */

static void test_classifier(void **state)
{
    (void)state;
    static const int64_t labels[] = {5, 8};
    pickle_writer file;
    boosted_result result;
    start_estimator(&file, "XGBClassifier", snapshot);
    put_encoder(&file, "i8", labels, sizeof labels, 2);
    put_integer(&file, "n_classes_", 7); /* the encoder knows better */
    put_text(&file, "missing");
    put_none(&file);
    close_object(&file);
    load_file(&file, NULL, &result);
    const espalier_forest *const forest = &result.forest;
    assert_int_equal(forest->tree_count, 3);
    assert_int_equal(forest->default_iterations, 0);
    assert_string_equal(forest->class_name, "xgboost.sklearn.XGBClassifier");
    assert_string_equal(forest->version, "3.0.5");
    assert_string_equal(forest->feature_names[1], "b\t");
    assert_true(forest->classifier);
    assert_int_equal(forest->labels->count, 2);
    assert_int_equal(forest->labels->kind, ESPALIER_LABEL_INT);
    assert_int_equal(forest->labels->numbers[1], 8);
    assert_string_equal(result.summary.format, "XGBoost JSON");
    free_result(&result);
}

/* Without an encoder predict gives places, whatever classes_ says. */
static void test_counted_classes(void **state)
{
    (void)state;
    static const int64_t labels[] = {5, 8};
    const uint64_t two = 2;
    pickle_writer file;
    boosted_result result;
    start_estimator(&file, "XGBRFClassifier", snapshot);
    put_integer(&file, "n_classes_", 2);
    put_text(&file, "classes_");
    put_array(&file, "i8", '<', &two, 1, false, labels, sizeof labels);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(result.forest.labels->count, 2);
    assert_int_equal(result.forest.labels->item_bytes, 8);
    assert_int_equal(result.forest.labels->numbers[1], 1);
    assert_int_equal(result.forest.default_output, ESPALIER_OUTPUT_CLASS);
    free_result(&result);

    start_estimator(&file, "XGBClassifier", snapshot); /* where it is None predict is as without */
    put_text(&file, "n_classes_");
    put_none(&file);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(result.forest.labels->count, 2);
    assert_int_equal(result.forest.labels->numbers[1], 1);
    free_result(&result);

    start_estimator(&file, "XGBClassifier", snapshot); /* trained on one class alone */
    put_integer(&file, "n_classes_", 1);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_TREE, "1 class labels for 2 classes");
}

/* What is missing by a category's place is so by the order of a data frame's categories. */
static void test_missing_places(void **state)
{
    (void)state;
    static const char indptr[] = "\"iteration_indptr\":[0,1,2,3]";
    static const char *const categories[] = {"[{\"type\":7,\"values\":[10,20,30]}]",
                                             "[{},{\"offsets\":[0,1,2],\"values\":[97,98]}]"};
    static const struct {
        double missing;
        bool numbers_clash;
        bool texts_clash;
    } cases[] = {{0.0, true, true},    {2.0, true, false},  {3.0, false, false},
                 {-1.0, false, false}, {0.5, false, false}, {(double)NAN, false, false}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const bool texts = i % 2 == 1;
        pickle_writer file;
        boosted_result result;
        char cats[256];
        (void)snprintf(cats, sizeof cats, "\"cats\":{\"enc\":%s},%s", categories[i % 2], indptr);
        char *const model = replace(whole, indptr, cats);
        start_estimator(&file, "XGBClassifier", model);
        put_text(&file, "missing");
        put_float(&file, cases[i / 2].missing);
        close_object(&file);
        if (texts ? cases[i / 2].texts_clash : cases[i / 2].numbers_clash) {
            refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                        texts ? "is the place of a category of feature 1"
                              : "is the place of a category of feature 0");
        } else {
            load_file(&file, NULL, &result);
            free_result(&result);
        }
        free(model);
    }
}

static void test_text_labels(void **state)
{
    (void)state;
    pickle_writer file;
    boosted_result result;
    start_estimator(&file, "XGBClassifier", snapshot);
    put_encoder(&file, "U2", "n\0\0\0o\0\0\0y\0\0\0\xe9\0\0\0", 16, 2);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(result.forest.labels->kind, ESPALIER_LABEL_STRING);
    assert_string_equal(result.forest.labels->texts[0], "no");
    assert_string_equal(result.forest.labels->texts[1], "y\xc3\xa9");
    free_result(&result);
}

/* A model of that version, stopped early by its own mark. */
static char *make_version(const char *version, const char *attributes)
{
    char *const versioned = replace(snapshot, "\"version\":[3,0,5]", version);
    char *const marked = replace(versioned, "\"attributes\":{", attributes);
    free(versioned);
    return marked;
}

static void expect_iterations(const char *version, const char *class, int64_t estimator,
                              int64_t booster, uint32_t iterations)
{
    char *const model = make_version(version, "\"attributes\":{\"best_iteration\":\"0\",");
    pickle_writer file = {0};
    boosted_result result;
    put_start(&file);
    open_object(&file, "xgboost.sklearn", class);
    put_text(&file, "_Booster");
    open_xgboost_booster(&file, model, strlen(model));
    if (booster >= 0) {
        put_integer(&file, "best_iteration", booster);
    }
    close_object(&file);
    if (estimator >= 0) {
        put_integer(&file, "best_iteration", estimator);
        put_integer(&file, "best_ntree_limit", estimator + 1);
    }
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(espalier_forest_iterations_used(&result.forest), iterations);
    free_result(&result);
    free(model);
}

/* The place of the mark moved twice. */
static void test_best_iteration(void **state)
{
    (void)state;
    static const char old[] = "\"version\":[1,3,3]";
    static const char middle[] = "\"version\":[1,4,0]";
    static const char newer[] = "\"version\":[2,0,0]";
    expect_iterations(old, "XGBRegressor", 1, 0, 2);
    expect_iterations(old, "XGBRegressor", -1, 0, 3);
    expect_iterations(old, "XGBRanker", 1, 0, 3); /* whose predict takes all */
    expect_iterations(middle, "XGBRanker", 0, 1, 2);
    expect_iterations(middle, "XGBRanker", 0, -1, 3);
    expect_iterations(newer, "XGBModel", 1, 1, 1);
    expect_iterations(newer, "XGBModel", -1, -1, 1);
}

static void test_parallel_trees(void **state)
{
    (void)state;
    char *const versioned = make_version("\"version\":[1,3,3]", "\"attributes\":{");
    char *const unsaid = replace(versioned, "\"num_parallel_tree\":\"1\",", "");
    char *const model = replace(unsaid, "\"iteration_indptr\":[0,1,2,3],", "");
    pickle_writer file;
    boosted_result result;
    start_estimator(&file, "XGBRegressor", model);
    put_integer(&file, "num_parallel_tree", 3);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(espalier_forest_iterations(&result.forest), 1);
    free_result(&result);

    start_estimator(&file, "XGBRegressor", model); /* 0.90 and 1.0 */
    put_text(&file, "kwargs");
    put_bytes(&file, "}", 1);
    put_text(&file, "num_parallel_tree");
    put_int(&file, 3);
    put_bytes(&file, "s", 1);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(espalier_forest_iterations(&result.forest), 1);
    free_result(&result);

    start_estimator(&file, "XGBRFRegressor", model);
    put_integer(&file, "n_estimators", 3);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(espalier_forest_iterations(&result.forest), 1);
    free_result(&result);

    char *const configured =
        replace(model, "\"a\":[1,{}]",
                "\"gradient_booster\":{\"gbtree_train_param\":{\"num_parallel_tree\":\"3\"}}");
    start_booster(&file, configured);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(espalier_forest_iterations(&result.forest), 1);
    free_result(&result);
    free(versioned);
    free(unsaid);
    free(model);
    free(configured);
}

/* A bare Booster predicts with all iterations, and has no classes. */
static void test_booster(void **state)
{
    (void)state;
    char *const model =
        make_version("\"version\":[1,7,0]", "\"attributes\":{\"best_iteration\":\"0\",");
    pickle_writer file;
    boosted_result result;
    start_booster(&file, model);
    put_integer(&file, "best_iteration", 0);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(espalier_forest_iterations_used(&result.forest), 3);
    assert_false(result.forest.classifier);
    assert_int_equal(result.forest.default_output, ESPALIER_OUTPUT_VALUE);
    assert_string_equal(result.forest.class_name, "xgboost.core.Booster");
    free_result(&result);

    char *const nameless = replace(whole, "\"feature_names\":[\"a\",\"b\\t\"],", "");
    start_booster(&file, nameless); /* a model without a configuration, its names beside it */
    put_text(&file, "feature_names");
    put_bytes(&file, "](", 2);
    put_text(&file, "height");
    put_text(&file, "w\xc3\xa4");
    put_bytes(&file, "eu", 2);
    put_opcode(&file, 'b');
    load_file(&file, NULL, &result);
    assert_string_equal(result.forest.feature_names[0], "height");
    assert_string_equal(result.forest.feature_names[1], "w\xc3\xa4");
    free_result(&result);
    free(nameless);
    free(model);
}

/* It was wrong that infinities were taken where a matrix refuses them: from 1.4 on, unless they are
 * missing. */
static void test_infinities(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        const char *class;     /* NULL: a Booster */
        const char *predictor; /* NULL: not said */
        float missing;
        bool allowed;
    } cases[] = {
        {"\"version\":[1,3,3]", NULL, NULL, NAN, true},
        {"\"version\":[1,4,0]", NULL, NULL, NAN, false},
        {"\"version\":[3,4,1]", NULL, NULL, NAN, false},
        {"\"version\":[3,4,1]", "XGBRegressor", NULL, NAN, true},
        {"\"version\":[1,7,6]", "XGBRegressor", "auto", NAN, true},
        {"\"version\":[1,7,6]", "XGBRegressor", "cpu_predictor", NAN, false},
        {"\"version\":[1,7,6]", "XGBRegressor", "cpu_predictor", INFINITY, true},
        {"\"version\":[1,3,3]", "XGBRegressor", "cpu_predictor", NAN, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *const model = make_version(cases[i].version, "\"attributes\":{");
        pickle_writer file;
        boosted_result result;
        if (cases[i].class == NULL) {
            start_booster(&file, model);
        } else {
            start_estimator(&file, cases[i].class, model);
            put_text(&file, "missing");
            put_float(&file, (double)cases[i].missing);
        }
        if (cases[i].predictor != NULL) {
            put_text(&file, "predictor");
            put_text(&file, cases[i].predictor);
        }
        close_object(&file);
        load_file(&file, NULL, &result);
        assert_int_equal(result.forest.infinite_allowed, cases[i].allowed);
        free_result(&result);
        free(model);
    }
}

/* ---- where it is ---------------------------------------------------------------------------- */

static void open_search(pickle_writer *file, const char *module, const char *name)
{
    open_object(file, module, name);
    put_text(file, "_sklearn_version");
    put_text(file, "1.2.2");
    put_text(file, "best_estimator_");
}

static void test_inside(void **state)
{
    (void)state;
    pickle_writer file = {0};
    boosted_result result;
    put_start(&file);
    put_bytes(&file, "}(", 2);
    put_text(&file, "a");
    open_object(&file, "lightgbm.sklearn", "LGBMRegressor"); /* never fitted */
    put_text(&file, "_Booster");
    put_none(&file);
    close_object(&file);
    put_text(&file, "b");
    put_bytes(&file, "(", 1);
    put_int(&file, 1);
    open_search(&file, "sklearn.model_selection._search", "GridSearchCV");
    open_search(&file, "sklearn.model_selection._search_successive_halving",
                "HalvingRandomSearchCV");
    open_xgboost(&file, "XGBRegressor", snapshot, strlen(snapshot));
    close_object(&file);
    close_object(&file);
    close_object(&file);
    put_bytes(&file, "tu", 2);
    load_file(&file, NULL, &result);
    assert_string_equal(result.path.text, "[\"b\"][1].best_estimator_.best_estimator_");
    free_result(&result);
}

static void test_searches_refused(void **state)
{
    (void)state;
    static const char module[] = "sklearn.model_selection._search";
    pickle_writer file = {0};
    put_start(&file);
    open_search(&file, module, "GridSearchCV");
    open_object(&file, "sklearn.svm._classes", "SVC");
    put_text(&file, "_sklearn_version");
    put_text(&file, "1.2.2");
    close_object(&file);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                "a GridSearchCV predicts with its best_estimator_: sklearn.svm._classes.SVC is");

    put_start(&file);
    open_object(&file, module, "RandomizedSearchCV");
    put_text(&file, "_sklearn_version");
    put_text(&file, "1.2.2");
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "refit=False");

    put_start(&file); /* a search that has found itself */
    open_search(&file, module, "GridSearchCV");
    file.bytes = 0;
    put_start(&file);
    put_global(&file, module, "GridSearchCV");
    put_bytes(&file, ")\x81q\0}(", 6);
    put_text(&file, "_sklearn_version");
    put_text(&file, "1.2.2");
    put_text(&file, "best_estimator_");
    put_bytes(&file, "h\0", 2);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "best_estimator_");
}

/* ---- refused -------------------------------------------------------------------------------- */

static void test_no_model(void **state)
{
    (void)state;
    pickle_writer file;
    start_empty(&file);
    put_text(&file, "handle");
    put_none(&file);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a Booster without a model");

    start_empty(&file);
    put_integer(&file, "best_iteration", 1);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a Booster without a model");

    start_empty(&file);
    put_integer(&file, "handle", 1);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "handle: of type int, not the bytes");

    start_empty(&file);
    put_text(&file, "handle");
    put_text(&file, snapshot);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "handle: of type str, not the bytes");

    start_file(&file);
    open_xgboost_booster(&file, "\0\0\0?", 4);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no model in a form of XGBoost");

    start_booster(&file, "");
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no model in a form of XGBoost");

    start_booster(&file, snapshot); /* a key twice */
    put_text(&file, "handle");
    put_raw(&file, snapshot, strlen(snapshot));
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a Booster without a model");

    start_file(&file);
    put_global(&file, "xgboost.core", "Booster");
    put_bytes(&file, ")\x81", 2);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a Booster without a model");

    start_file(&file);
    put_global(&file, "xgboost.core", "Booster"); /* a state that is no dict */
    put_bytes(&file,
              ")\x81](K\x01"
              "eb",
              8);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "a Booster without a model");
}

static void refuse_inner(const char *module, const char *name, const char *words)
{
    pickle_writer file = {0};
    put_start(&file);
    open_object(&file, "xgboost.sklearn", "XGBRegressor");
    put_text(&file, "_Booster");
    if (module == NULL) {
        put_int(&file, 3);
    } else {
        open_object(&file, module, name);
        put_text(&file, "handle");
        put_raw(&file, snapshot, strlen(snapshot));
        close_object(&file);
    }
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, words);
}

static void test_no_booster(void **state)
{
    (void)state;
    refuse_inner(NULL, NULL, "_Booster: no Booster of XGBoost");
    refuse_inner("lightgbm.basic", "Booster", "_Booster: no Booster of XGBoost");
    refuse_inner("xgboost.sklearn", "XGBRegressor", "_Booster: no Booster of XGBoost");
    refuse_inner("xgboost.core", "DMatrix", "_Booster: no Booster of XGBoost");

    pickle_writer file = {0};
    put_start(&file);
    open_object(&file, "xgboost.sklearn", "XGBClassifier");
    put_text(&file, "_Booster");
    put_none(&file);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "XGBClassifier that was never fitted");

    put_start(&file);
    open_object(&file, "xgboost.dask", "DaskXGBClassifier");
    put_text(&file, "_Booster");
    open_xgboost_booster(&file, snapshot, strlen(snapshot));
    close_object(&file);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "--select '._Booster'");
}

/* One more attribute of the estimator, with a value that does not fit. */
static void refuse_attribute(const char *name, const char *value, size_t bytes,
                             espalier_status status, const char *words)
{
    pickle_writer file;
    start_estimator(&file, "XGBClassifier", snapshot);
    put_text(&file, name);
    put_bytes(&file, value, bytes);
    close_object(&file);
    refuse_file(&file, status, words);
}

static void test_wrong_attributes(void **state)
{
    (void)state;
    const espalier_status syntax = ESPALIER_ERROR_SOURCE_SYNTAX;
    refuse_attribute("missing", "X\1\0\0\0a", 6, syntax, "here.pkl: missing is of type str");
    refuse_attribute("best_iteration", "X\1\0\0\0a", 6, syntax, "best_iteration is of type str");
    refuse_attribute("best_ntree_limit", "]", 1, syntax, "best_ntree_limit is of type list");
    refuse_attribute("num_parallel_tree", "G\x3f\xf0\0\0\0\0\0\0", 9, syntax, "no integer");
    refuse_attribute("n_classes_", "X\1\0\0\0a", 6, syntax, "n_classes_ is of type str");
    refuse_attribute("n_classes_", "K\3", 2, ESPALIER_ERROR_SOURCE_TREE,
                     "3 class labels for 2 classes");
    refuse_attribute("_le", "K\3", 2, syntax, "_le: of type int, no encoder");
    refuse_attribute("booster", "X\x08\0\0\0gblinear", 13, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                     "gblinear is a linear model");
}

/* The encoder's labels in a list. */
static void test_wrong_encoder(void **state)
{
    (void)state;
    pickle_writer file;
    start_estimator(&file, "XGBClassifier", snapshot);
    put_text(&file, "_le");
    open_object(&file, "xgboost.compat", "XGBoostLabelEncoder");
    put_text(&file, "classes_");
    put_bytes(&file, "](K\0K\1e", 7);
    close_object(&file);
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_UNSUPPORTED, "_le: the class labels are no array");
}

/* Old versions added the base score last: sums from 0, and a stage. */
static void expect_base(const char *version, const char *booster, bool last, bool in_place)
{
    char *const versioned = make_version(version, "\"attributes\":{");
    char *const named = replace(versioned, "\"name\":\"gbtree\"", booster);
    char *const model =
        replace(named, "{\"name\":\"binary:logistic\"", "{\"name\":\"reg:squarederror\"");
    pickle_writer file;
    boosted_result result;
    start_estimator(&file, "XGBRegressor", model);
    close_object(&file);
    load_file(&file, NULL, &result);
    assert_int_equal(result.forest.stage_count, last ? 1 : 0);
    assert_int_equal(result.forest.outputs[0].first_slot, last ? 1 : 0);
    assert_int_equal(result.forest.start == NULL, last);
    if (last) {
        assert_int_equal(result.forest.stages[0].operation, ESPALIER_FOREST_ADD);
        assert_true(result.forest.constants[0] == (double)0.2F);
    }
    /* 0.1 times 0.5, or (0.2 + 0.1 - 0.2) times 0.5 */
    const float sum = 0.2F + 0.1F;
    const float leaf = in_place ? (sum - 0.2F) * 0.5F : 0.1F * 0.5F;
    if (strstr(booster, "dart") != NULL) {
        assert_true(result.forest.leaf_values[0] == (double)leaf);
    }
    free_result(&result);
    free(versioned);
    free(named);
    free(model);
}

static void test_versions_add(void **state)
{
    (void)state;
    static const char trees[] = "\"name\":\"gbtree\"";
    static const char dart[] = "\"name\":\"dart\",\"weight_drop\":[0.5,0.5,0.5]";
    expect_base("\"version\":[1,2,1]", trees, true, false);
    expect_base("\"version\":[1,3,0]", trees, false, false);
    expect_base("\"version\":[1,3,0]", dart, true, false);
    expect_base("\"version\":[1,4,0]", dart, false, true);
    expect_base("\"version\":[3,2,0]", dart, false, true);
    expect_base("\"version\":[3,3,0]", dart, false, false);
}

static void test_wrong_names(void **state)
{
    (void)state;
    char *const nameless = replace(whole, "\"feature_names\":[\"a\",\"b\\t\"],", "");
    static const struct {
        const char *value;
        size_t bytes;
        const char *words;
    } wrong[] = {
        {"](K\1e", 5, "1 feature_names for 2 features"},
        {"](K\1K\2e", 7, "feature name 0 is no text"},
        {"](X\1\0\0\0aX\2\0\0\0b\0e", 16, "feature name 1 is no text"},
        {"K\2", 2, "0 feature_names for 2 features"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        pickle_writer file;
        start_booster(&file, nameless);
        put_text(&file, "feature_names");
        put_bytes(&file, wrong[i].value, wrong[i].bytes);
        close_object(&file);
        refuse_file(&file,
                    i == 0 || i == 3 ? ESPALIER_ERROR_SOURCE_TREE
                                     : ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                    wrong[i].words);
    }
    free(nameless);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* Where the damage is, counted in the file. */
static void test_places(void **state)
{
    (void)state;
    char *const broken = replace(snapshot, "\"id\":1", "\"id\":x");
    pickle_writer file;
    boosted_result result;
    start_empty(&file);
    const size_t before = file.bytes;
    put_text(&file, "handle");
    put_raw(&file, broken, strlen(broken));
    close_object(&file);
    put_stop(&file);
    load_part(&file, file.bytes, NULL, &result);
    assert_int_equal(result.status, ESPALIER_ERROR_SOURCE_SYNTAX);
    assert_non_null(strstr(result.error.message,
                           "here.pkl: .handle: Model.learner.gradient_booster.model.trees[1].id"));
    const char *const at = strstr(broken, ":x") + 1;
    assert_int_equal(result.error.file_offset, before + 11 + 5 + (size_t)(at - broken));
    free_result(&result);
    pickle_writer_free(&file);
    free(broken);
}

static void test_twice(void **state)
{
    (void)state;
    static const char *const twice[] = {
        "{\"Model\":" WHOLE ",\"Model\":" WHOLE "}",
        "{\"Config\":{},\"Config\":{},\"Model\":" WHOLE "}",
    };
    for (size_t i = 0; i < sizeof twice / sizeof twice[0]; i++) {
        pickle_writer file;
        start_estimator(&file, "XGBRegressor", twice[i]);
        close_object(&file);
        refuse_file(&file, ESPALIER_ERROR_SOURCE_SYNTAX, "given twice");
    }
    pickle_writer file;
    start_estimator(&file, "XGBRegressor", "{\"Config\":{\"learner\":{}}}");
    close_object(&file);
    refuse_file(&file, ESPALIER_ERROR_SOURCE_SYNTAX, "there is no Model");
}

static void test_truncated(void **state)
{
    (void)state;
    pickle_writer file;
    boosted_result result;
    start_estimator(&file, "XGBClassifier", snapshot);
    put_integer(&file, "n_classes_", 2);
    close_object(&file);
    refuse_beginnings(&file);
    /* The model alone is cut, and the pickle around it is whole. */
    for (size_t bytes = 0; bytes < strlen(snapshot); bytes++) {
        start_file(&file);
        open_xgboost_booster(&file, snapshot, bytes);
        close_object(&file);
        put_stop(&file);
        load_part(&file, file.bytes, NULL, &result);
        assert_int_not_equal(result.status, ESPALIER_OK);
        free_result(&result);
        pickle_writer_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classifier),       cmocka_unit_test(test_counted_classes),
        cmocka_unit_test(test_missing_places),   cmocka_unit_test(test_text_labels),
        cmocka_unit_test(test_best_iteration),   cmocka_unit_test(test_parallel_trees),
        cmocka_unit_test(test_booster),          cmocka_unit_test(test_infinities),
        cmocka_unit_test(test_inside),           cmocka_unit_test(test_searches_refused),
        cmocka_unit_test(test_no_model),         cmocka_unit_test(test_no_booster),
        cmocka_unit_test(test_wrong_attributes), cmocka_unit_test(test_wrong_names),
        cmocka_unit_test(test_wrong_encoder),    cmocka_unit_test(test_versions_add),
        cmocka_unit_test(test_places),           cmocka_unit_test(test_twice),
        cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests_name("xgboost pickles", tests, NULL, NULL);
}
