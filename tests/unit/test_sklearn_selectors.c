// SPDX-License-Identifier: Apache-2.0
/*
 * SelectFromModel of pickles made by hand: coef_ of many rows is summed as NumPy sums it, row by
 * row in C order and in pairs in Fortran order, which was refused. Both sums of column 1 differ.
 * XGBoost's importances are computed from the gains of its splits.
 */
#include "convert/sources/sklearn_boosted.h"
#include "convert/sources/sklearn_prepare.h"
#include "tests/support/fake_boosted.h"
#include "tests/unit/test_sklearn.h"
#include "tests/unit/test_xgboost.h"

#include "espalier_convert.h"

#include <math.h>
#include <unistd.h>

#define MODEL_FILE "test_sklearn_selectors.espalier"

enum {
    ROW_COUNT = 9,
    COLUMN_COUNT = 2
};

typedef struct fake_selector {
    uint64_t row_count;
    bool fortran;
    double norm_order;
    double threshold;
    const char *gains;      /* of an XGBRegressor instead: loss_changes of its only tree */
    const char *importance; /* its importance_type; NULL: None */
    int64_t most;           /* max_features; 0: None */
    const char *reference;  /* a threshold of text; NULL: the number */
    const char *classes;    /* num_class of the XGBRegressor, for 0 */
    const float *narrow;    /* [row_count][2]: coef_ of float32 */
    bool numpy;             /* the threshold is a float64 of NumPy 2 */
    bool asks_gains;        /* by name, of an XGBRegressor with a coef_ of float64 */
    const char *booster;    /* of the XGBRegressor; NULL: it does not say */
    bool unfitted;          /* it has no model */
    const char *light[2];   /* of an LGBMRegressor instead: what its two trees gained */
    int64_t best;           /* its best iteration */
    uint32_t frozen;        /* so many FrozenEstimators around it */
    const char *linear;     /* the linear model's class; NULL: LogisticRegression */
    bool no_threshold;
    bool eliminates; /* it is no SelectFromModel, but an RFE */
    bool unsaid;     /* no n_features_in_, as in 0.22 */
    bool boosts;     /* of AdaBoost instead: one tree, which asks for feature 1 */
} fake_selector;

/* Column 0 is too little throughout; column 1 is 1 and below it halves of the last bit of 1, which
 * row by row get lost. */
static void put_coefficients(pickle_writer *writer, const fake_selector *selector)
{
    const uint64_t shape[] = {selector->row_count, COLUMN_COUNT};
    const size_t count = (size_t)selector->row_count * COLUMN_COUNT;
    if (selector->narrow != NULL) {
        put_array(writer, "f4", '<', shape, 2, selector->fortran, selector->narrow,
                  count * sizeof *selector->narrow);
        return;
    }
    double *const numbers = calloc(count, sizeof *numbers);
    assert_non_null(numbers);
    for (size_t i = 0; i < selector->row_count; i++) {
        const size_t at = selector->fortran ? selector->row_count + i : COLUMN_COUNT * i + 1;
        numbers[at] = i == 0                        ? -1.0
                      : selector->norm_order == 2.0 ? 0x1p-26 / 0x1.6a09e667f3bcdp0
                                                    : 0x1p-53;
    }
    put_array(writer, "f8", '<', shape, 2, selector->fortran, numbers, count * sizeof *numbers);
    free(numbers);
}

/* Two splits: the root's of feature 1, its right child's of feature 0. */
static void put_boosted(pickle_writer *writer, const fake_selector *selector)
{
    static const double coefficients[] = {1.0, 0.0};
    const uint64_t pair = 2;
    char gains[96];
    (void)snprintf(gains, sizeof gains, "\"loss_changes\":[%s,0E0,0E0]", selector->gains);
    char *const one = replace(whole,
                              "\"num_trees\":\"3\"},\"iteration_indptr\":[0,1,2,3],"
                              "\"tree_info\":[0,0,0]," TREES,
                              "\"num_trees\":\"1\"},\"iteration_indptr\":[0,1],"
                              "\"tree_info\":[0],\"trees\":[" TREE_0 "]");
    char *const gained = replace(one, "\"loss_changes\":[3E0,0E0,1E0,0E0,0E0]", gains);
    char *const single = replace(gained, "binary:logistic",
                                 selector->classes != NULL ? "multi:softprob" : "reg:squarederror");
    char classes[64];
    (void)snprintf(classes, sizeof classes, "\"num_class\":\"%s\"",
                   selector->classes != NULL ? selector->classes : "0");
    char *const model = replace(single, "\"num_class\":\"0\"", classes);
    if (selector->unfitted) {
        open_object(writer, "xgboost.sklearn", "XGBRegressor");
    } else {
        open_xgboost(writer, "XGBRegressor", model, strlen(model));
    }
    if (selector->asks_gains) {
        put_text(writer, "coef_");
        put_array(writer, "f8", '<', &pair, 1, false, coefficients, sizeof coefficients);
    }
    put_text(writer, "importance_type");
    if (selector->importance != NULL) {
        put_text(writer, selector->importance);
    } else {
        put_none(writer);
    }
    if (selector->booster != NULL) {
        put_text(writer, "booster");
        put_text(writer, selector->booster);
    }
    close_object(writer);
    free(one);
    free(gained);
    free(single);
    free(model);
}

#define LIGHT_TREE(number, feature) \
    "Tree=" number "\n"             \
    "num_leaves=2\n"                \
    "num_cat=0\n"                   \
    "split_feature=" feature "\n"   \
    "split_gain=%s\n"               \
    "threshold=0.5\n"               \
    "decision_type=2\n"             \
    "left_child=-1\n"               \
    "right_child=-2\n"              \
    "leaf_value=0.25 -2\n"          \
    "leaf_count=3 4\n"              \
    "internal_value=0\n"            \
    "internal_count=7\n"            \
    "shrinkage=0.1\n\n\n"

/* Two trees: the first asks for feature 1, the second for feature 0. */
static void put_lightgbm(pickle_writer *writer, const fake_selector *selector)
{
    char model[1024];
    (void)snprintf(model, sizeof model,
                   "tree\nversion=v3\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
                   "max_feature_idx=1\nobjective=regression\nfeature_names=a b\n"
                   "feature_infos=[0:1] [0:1]\n\n" LIGHT_TREE("0", "1")
                       LIGHT_TREE("1", "0") "end of trees\n\npandas_categorical:null\n",
                   selector->light[0], selector->light[1]);
    open_lightgbm(writer, "LGBMRegressor", "_handle", model, selector->best);
    put_text(writer, "importance_type");
    put_text(writer, selector->importance != NULL ? selector->importance : "split");
    close_object(writer);
}

static void put_linear(pickle_writer *writer, const fake_selector *selector)
{
    open_object(writer, "sklearn.linear_model._logistic",
                selector->linear != NULL ? selector->linear : "LogisticRegression");
    put_text(writer, "coef_");
    put_coefficients(writer, selector);
    close_object(writer);
}

static void put_adaboost(pickle_writer *writer)
{
    static const double weight = 1.0;
    const uint64_t count = 1;
    open_object(writer, "sklearn.ensemble._weight_boosting", "AdaBoostRegressor");
    put_text(writer, "estimators_");
    put_bytes(writer, "](", 2);
    put_stump(writer, "0.22.2.post1", 1, COLUMN_COUNT);
    put_bytes(writer, "e", 1);
    put_text(writer, "estimator_weights_");
    put_array(writer, "f8", '<', &count, 1, false, &weight, sizeof weight);
    close_object(writer);
}

/* RFE as scikit-learn up to 0.23 saved it, without n_features_in_: n_features_ and what the
 * estimator knows are of the features that it leaves. */
static void put_elimination(pickle_writer *writer)
{
    static const uint8_t support[] = {0, 1, 0};
    const uint64_t count = sizeof support;
    open_object(writer, "sklearn.feature_selection._rfe", "RFE");
    put_text(writer, "_sklearn_version");
    put_text(writer, "0.22.2.post1");
    put_text(writer, "estimator_");
    open_object(writer, "sklearn.tree._classes", "DecisionTreeRegressor");
    put_text(writer, "n_features_");
    put_int(writer, 1);
    close_object(writer);
    put_text(writer, "n_features_");
    put_int(writer, 1);
    put_text(writer, "support_");
    put_array(writer, "b1", '|', &count, 1, false, support, sizeof support);
    close_object(writer);
}

static void put_selector(pickle_writer *writer, const fake_selector *selector)
{
    if (selector->eliminates) {
        put_elimination(writer);
        return;
    }
    open_object(writer, "sklearn.feature_selection._from_model", "SelectFromModel");
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.9.1");
    put_text(writer, "norm_order");
    put_float(writer, selector->norm_order);
    put_text(writer, "threshold");
    if (selector->no_threshold) {
        put_none(writer);
    } else if (selector->reference != NULL) {
        put_text(writer, selector->reference);
    } else if (selector->numpy) {
        put_global(writer, "numpy._core.multiarray", "scalar");
        put_dtype(writer, "f8", '<');
        put_raw(writer, &selector->threshold, sizeof selector->threshold);
        put_bytes(writer, "\x86R", 2);
    } else {
        put_float(writer, selector->threshold);
    }
    if (selector->asks_gains) {
        put_text(writer, "importance_getter");
        put_text(writer, "feature_importances_");
    }
    put_text(writer, "max_features");
    if (selector->most != 0) {
        put_int(writer, selector->most);
    } else {
        put_none(writer);
    }
    put_text(writer, "estimator");
    put_none(writer);
    if (selector->gains == NULL && !selector->unsaid) {
        put_text(writer, "n_features_in_"); /* of others their model says it */
        put_int(writer, COLUMN_COUNT);
    }
    put_text(writer, "estimator_");
    for (uint32_t i = 0; i < selector->frozen; i++) {
        open_object(writer, "sklearn.frozen._frozen", "FrozenEstimator");
        put_text(writer, "estimator");
    }
    if (selector->gains != NULL) {
        put_boosted(writer, selector);
    } else if (selector->light[0] != NULL) {
        put_lightgbm(writer, selector);
    } else if (selector->boosts) {
        put_adaboost(writer);
    } else {
        put_linear(writer, selector);
    }
    for (uint32_t i = 0; i < selector->frozen; i++) {
        close_object(writer);
    }
    close_object(writer);
}

/* Behind it is a tree of one feature: converts if the selector keeps column 1. */
static espalier_status convert(const fake_selector *selector, espalier_error *failure)
{
    pickle_writer writer = {0};
    put_start(&writer);
    open_object(&writer, "sklearn.pipeline", "Pipeline");
    put_text(&writer, "steps");
    put_bytes(&writer, "](", 2);
    put_text(&writer, "selector");
    put_selector(&writer, selector);
    put_bytes(&writer, "\x86", 1);
    put_text(&writer, "tree");
    put_stump(&writer, "1.9.1", 0, 1);
    put_bytes(&writer, "\x86", 1);
    put_bytes(&writer, "eub", 3);
    put_stop(&writer);
    const espalier_status status = espalier_convert_memory(writer.data, writer.bytes, "here.pkl",
                                                           MODEL_FILE, NULL, NULL, failure);
    pickle_writer_free(&writer);
    return status;
}

static void test_orders_of_sums(void **state)
{
    (void)state;
    static const double infinite = (double)INFINITY;
    static const struct {
        fake_selector selector;
        bool kept;
    } cases[] = {
        {{.row_count = ROW_COUNT, .norm_order = 1.0, .threshold = 1.0}, true},
        {{.row_count = ROW_COUNT, .norm_order = 1.0, .threshold = 0x1.0000000000001p0}, false},
        {{.row_count = ROW_COUNT,
          .fortran = true,
          .norm_order = 1.0,
          .threshold = 0x1.0000000000004p0},
         true},
        {{.row_count = ROW_COUNT,
          .fortran = true,
          .norm_order = 1.0,
          .threshold = 0x1.0000000000005p0},
         false},
        {{.row_count = ROW_COUNT, .norm_order = 2.0, .threshold = 0x1.0000000000001p0}, false},
        {{.row_count = ROW_COUNT,
          .fortran = true,
          .norm_order = 2.0,
          .threshold = 0x1.0000000000001p0},
         true},
        {{.row_count = ROW_COUNT,
          .fortran = true,
          .norm_order = 2.0,
          .threshold = 0x1.0000000000002p0},
         false},
        {{.row_count = ROW_COUNT, .fortran = true, .norm_order = infinite, .threshold = 1.0}, true},
        {{.row_count = ROW_COUNT,
          .fortran = true,
          .norm_order = infinite,
          .threshold = 0x1.0000000000001p0},
         false},
        {{.row_count = 8193, .fortran = true, .norm_order = infinite, .threshold = 1.0}, true},
        {{.row_count = 8193, .norm_order = 1.0, .threshold = 1.0}, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_error failure = {0};
        const espalier_status status = convert(&cases[i].selector, &failure);
        if (cases[i].kept != (status == ESPALIER_OK)) {
            fail_msg("case %zu: %d, %s", i, (int)status, failure.message);
        }
        if (status != ESPALIER_OK) {
            assert_non_null(strstr(failure.message, "the selector keeps no feature"));
        }
        (void)unlink(MODEL_FILE);
    }
}

/* As the first step its n_features_ was taken for how many features there are. */
static void test_old_eliminations(void **state)
{
    (void)state;
    const fake_selector selector = {.eliminates = true};
    espalier_error failure = {0};
    if (convert(&selector, &failure) != ESPALIER_OK) {
        fail_msg("%s", failure.message);
    }
    (void)unlink(MODEL_FILE);
}

/* As the first step they were taken to have the model's features, one, since in 0.22 neither says
 * how many there are: what has two coefficients, or a tree of two features, was refused. */
static void test_old_widths(void **state)
{
    (void)state;
    const fake_selector selectors[] = {
        {.unsaid = true, .row_count = 1, .norm_order = 1.0, .threshold = 0.5},
        {.unsaid = true, .boosts = true, .norm_order = 1.0, .threshold = 0.5}};
    for (size_t i = 0; i < sizeof selectors / sizeof selectors[0]; i++) {
        espalier_error failure = {0};
        if (convert(&selectors[i], &failure) != ESPALIER_OK) {
            fail_msg("selector %zu: %s", i, failure.message);
        }
        (void)unlink(MODEL_FILE);
    }
}

/* A frozen estimator is asked as what is in it, but has not its class: a Lasso's threshold, 1e-5,
 * is that of the class, and others' the mean. */
static void test_frozen_estimators(void **state)
{
    (void)state;
    static const float unlike[] = {0.25F, 1.0F};
    static const struct {
        fake_selector selector;
        bool kept;
    } cases[] = {
        {{.row_count = 1, .norm_order = 1.0, .threshold = 0.5, .frozen = 1}, true},
        {{.row_count = 1, .norm_order = 1.0, .threshold = 0.5, .frozen = 3}, true},
        {{.row_count = 1, .norm_order = 1.0, .threshold = 1.5, .frozen = 1}, false},
        {{.norm_order = 1.0, .threshold = 0.7, .gains = "3E0,0E0,1E0", .frozen = 1}, true},
        {{.norm_order = 1.0,
          .threshold = 1.5,
          .light = {"2", "0"},
          .importance = "gain",
          .frozen = 2},
         true},
        {{.row_count = 1,
          .norm_order = 1.0,
          .narrow = unlike,
          .no_threshold = true,
          .linear = "Lasso"},
         false},
        {{.row_count = 1,
          .norm_order = 1.0,
          .narrow = unlike,
          .no_threshold = true,
          .linear = "Lasso",
          .frozen = 1},
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_error failure = {0};
        const espalier_status status = convert(&cases[i].selector, &failure);
        if (cases[i].kept != (status == ESPALIER_OK)) {
            fail_msg("case %zu: %d, %s", i, (int)status, failure.message);
        }
        (void)unlink(MODEL_FILE);
    }
}

/* NumPy 1.19 sums 8,192 at a time, NumPy 2.5 all. */
static void test_too_many_rows(void **state)
{
    (void)state;
    espalier_error failure = {0};
    const fake_selector selector = {.row_count = 8193,
                                    .fortran = true,
                                    .norm_order = 1.0,
                                    .threshold = 1.0};
    check_refusal(convert(&selector, &failure), ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                  "more than 8192 rows of coef_ in Fortran order", &failure);
}

/* words: of the refusal; NULL: converts, with one column kept. */
static void check_case(size_t number, const fake_selector *selector, const char *words)
{
    espalier_error failure = {0};
    const espalier_status status = convert(selector, &failure);
    if ((words == NULL) != (status == ESPALIER_OK) ||
        (words != NULL && strstr(failure.message, words) == NULL)) {
        fail_msg("case %zu: %d, %s", number, (int)status, failure.message);
    }
    (void)unlink(MODEL_FILE);
}

/* Of gains 3 and 1 columns 1 and 0 have 0.75 and 0.25. */
static void test_importances_of_xgboost(void **state)
{
    (void)state;
    static const struct {
        fake_selector selector;
        const char *words; /* of the refusal; NULL: converts, with one column kept */
    } cases[] = {
        {{.threshold = 0.7, .gains = "3E0,0E0,1E0"}, NULL},
        {{.gains = "3E0,0E0,1E0", .reference = "mean"}, NULL},
        {{.gains = "3E0,0E0,1E0", .reference = "1*mean"}, NULL},
        {{.gains = "3E0,0E0,1E0", .reference = "2*mean"}, "the selector keeps no feature"},
        {{.gains = "3E0,0E0,1E0", .reference = "0*mean"}, "the steps give 2 features"},
        {{.gains = "3E0,0E0,1E0", .reference = " 1.4 * median "}, NULL},
        {{.threshold = 0.7, .gains = "3E0,0E0,1E0", .importance = "total_gain"}, NULL},
        {{.threshold = 0.2, .gains = "3E0,0E0,1E0", .importance = "gain"},
         "the steps give 2 features"},
        {{.threshold = 0.8, .gains = "3E0,0E0,1E0", .importance = "gain"},
         "the selector keeps no feature"},
        {{.threshold = -INFINITY, .gains = "3E0,0E0,1E0", .most = 1}, NULL},
        {{.threshold = 0.0, .gains = "3E0,0E0,0E0"}, "the steps give 2 features"},
        {{.threshold = 1e-50, .gains = "3E0,0E0,0E0"}, "the steps give 2 features"},
        {{.threshold = -1e-50, .gains = "3E0,0E0,0E0"}, "the steps give 2 features"},
        {{.threshold = 1e-50, .gains = "3E0,0E0,0E0", .numpy = true},
         "column 0 next to the threshold"},
        {{.threshold = 0.7, .gains = "3E0,0E0,1E0", .numpy = true}, NULL},
        {{.threshold = 0.7, .gains = "3E0,0E0,1E0", .importance = "total_gain", .asks_gains = true},
         NULL},
        {{.threshold = -0.1, .gains = "3E0,0E0,-1E0"}, "negative, as -1 of column 0"},
        {{.threshold = 0.1, .gains = "3E0,0E0,-3E0"}, "negative, as -3 of column 0"},
        {{.threshold = 0.7, .gains = "3E0,0E0,-1E0", .importance = "weight"},
         "the selector keeps no feature"},
        {{.threshold = 0.7, .gains = "3E38,0E0,1E38"}, "whose sum float32 does not hold, 4e+38"},
        {{.threshold = 0.7, .gains = "2.4E38,0E0,8E37"}, NULL},
        {{.threshold = 0.75, .gains = "3E0,0E0,1E0"}, "column 1 next to the threshold"},
        {{.gains = "3E0,0E0,3E0", .reference = "mean"}, "column 0 next to the threshold"},
        {{.threshold = 0.0, .gains = "3E0,0E0,3.00001E0", .most = 1},
         "column 1 next to the last one"},
        {{.threshold = 0.7, .gains = "3E0,0E0,1E0", .importance = "cover"},
         "by importance_type cover is not converted; gain, total_gain and weight are"},
        {{.gains = "3E0,0E0,1E0", .booster = "gblinear"},
         ".estimator_: a SelectFromModel cannot ask it: gblinear is a linear model"},
        {{.gains = "3E0,0E0,1E0", .unfitted = true}, "XGBRegressor that was never fitted"},
        {{.gains = "3E0,0E0,1E0", .booster = "gbtree", .reference = "mean"}, NULL},
        {{.threshold = 0.7, .gains = "3E0,0E0"}, "a tree without loss_changes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_case(i, &cases[i].selector, cases[i].words);
    }
}

/* Magnitudes of float32, and the greatest of several, are exact: their order is. */
static void test_narrow_coefficients(void **state)
{
    (void)state;
    static const float numbers[] = {1.0F, -1.0000001F, 0.0F, 0.0F};
    static const float tiny[] = {1e-25F, 0.0F};
    static const double lowest = -(double)INFINITY;
    static const struct {
        fake_selector selector;
        const char *words; /* of the refusal; NULL: converts, with one column kept */
    } cases[] = {
        {{.row_count = 1, .norm_order = 1.0, .threshold = lowest, .most = 1}, NULL},
        {{.row_count = 2, .norm_order = (double)INFINITY, .threshold = lowest, .most = 1}, NULL},
        {{.row_count = 2, .norm_order = 1.0, .threshold = lowest, .most = 1},
         "column 0 next to the last one"},
        {{.row_count = 1, .norm_order = 2.0, .threshold = lowest, .most = 1},
         "column 0 next to the last one"},
        {{.row_count = 1, .norm_order = 1.0, .threshold = 1.0}, "column 0 next to the threshold"},
        {{.row_count = 1, .norm_order = 2.0, .threshold = 0.5, .narrow = tiny},
         "whose squares float32 does not hold"},
        {{.row_count = 1, .norm_order = 1.0, .threshold = 1e-26, .narrow = tiny}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fake_selector selector = cases[i].selector;
        selector.narrow = selector.narrow != NULL ? selector.narrow : numbers;
        check_case(i, &selector, cases[i].words);
    }
}

/* Splits, or what they gained, up to the best iteration. The six digits that a model has of gains
 * are all that the trainer has: nothing is in doubt. */
static void test_importances_of_lightgbm(void **state)
{
    (void)state;
    static const double lowest = -(double)INFINITY;
    static const struct {
        fake_selector selector;
        const char *words; /* of the refusal; NULL: converts, with one column kept */
    } cases[] = {
        {{.light = {"3", "1"}, .importance = "gain", .threshold = 2.0}, NULL},
        {{.light = {"3", "1"}, .importance = "gain", .threshold = 0.5},
         "the steps give 2 features"},
        {{.light = {"3", "1"}, .importance = "gain", .threshold = 0.5, .best = 1}, NULL},
        {{.light = {"3", "1"}, .importance = "gain", .threshold = 0.5, .best = 2},
         "the steps give 2 features"},
        {{.light = {"3", "1"}, .threshold = 0.5}, "the steps give 2 features"},
        {{.light = {"3", "1"}, .threshold = 0.5, .best = 1}, NULL},
        {{.light = {"3.00001", "3"}, .importance = "gain", .threshold = lowest, .most = 1}, NULL},
        {{.light = {"3", "3"}, .importance = "gain", .threshold = lowest, .most = 1}, NULL},
        {{.light = {"3", "1"}, .importance = "total_gain", .threshold = 2.0},
         "by importance_type total_gain is not converted; split and gain are"},
        {{.light = {"3", "3"}, .threshold = lowest, .most = 1}, NULL},
        {{.light = {"3", "2.99999"}, .importance = "gain", .threshold = 3.0}, NULL},
        {{.light = {"3", "2.99999"}, .importance = "gain", .threshold = 3.0000001},
         "the selector keeps no feature"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_case(i, &cases[i].selector, cases[i].words);
    }
}

/* Reads what the splits of the selector's estimator brought, within *work. */
static espalier_status load_splits(const fake_selector *selector, uint64_t *work,
                                   espalier_source_splits *splits, espalier_error *failure)
{
    pickle_writer writer = {0};
    espalier_pickle *pickle = NULL;
    put_start(&writer);
    put_boosted(&writer, selector);
    put_stop(&writer);
    assert_int_equal(espalier_pickle_parse(writer.data, writer.bytes, NULL, &pickle, failure),
                     ESPALIER_OK);
    const espalier_sklearn_object object = {.pickle = pickle,
                                            .source = "here.pkl",
                                            .path = "",
                                            .value = espalier_pickle_root(pickle),
                                            .memory_bytes_max = 1u << 20,
                                            .work_left = work};
    const espalier_status status = espalier_sklearn_boosted_splits(&object, splits, failure);
    espalier_pickle_free(pickle);
    pickle_writer_free(&writer);
    return status;
}

/* A pickle may name one selector a million times: its model is gone through within the work, and
 * so is what a model of few bytes says it has. */
static void test_models_cost_work(void **state)
{
    (void)state;
    const fake_selector selector = {.gains = "3E0,0E0,1E0"};
    const fake_selector wide = {.gains = "3E0,0E0,1E0", .classes = "5000"};
    espalier_error failure = {0};
    double gains[2] = {0.0, 0.0};
    double counts[2] = {0.0, 0.0};
    espalier_source_splits splits = {2, 0, gains, counts};
    uint64_t work = 1;
    check_refusal(load_splits(&selector, &work, &splits, &failure), ESPALIER_ERROR_SOURCE_LIMIT,
                  "too many, or too large", &failure);
    work = 4096;
    assert_int_equal(load_splits(&selector, &work, &splits, &failure), ESPALIER_OK);
    assert_in_range(work, 1024, 4095);
    assert_true(gains[0] == 1.0 && gains[1] == 3.0);
    splits = (espalier_source_splits){0};
    assert_int_equal(load_splits(&selector, &work, &splits, &failure), ESPALIER_OK);
    assert_int_equal(splits.feature_count, 2);
    splits = (espalier_source_splits){2, 0, gains, counts};
    work = 4096;
    check_refusal(load_splits(&wide, &work, &splits, &failure), ESPALIER_ERROR_SOURCE_LIMIT,
                  "too many, or too large", &failure);
    work = 8192;
    assert_int_equal(load_splits(&wide, &work, &splits, &failure), ESPALIER_OK);
    assert_in_range(work, 1, 8192 - 5000);
}

/* So is one tree of a forest, and one array of coefficients: each costs its size every time. */
static void check_work(const pickle_writer *writer, uint32_t count, uint64_t needed)
{
    for (uint32_t i = 0; i < 2; i++) {
        espalier_pickle *pickle = NULL;
        espalier_error failure = {0};
        espalier_sklearn_scores scores = {0};
        uint64_t work = needed - 1 + i;
        assert_int_equal(espalier_pickle_parse(writer->data, writer->bytes, NULL, &pickle,
                                               &failure),
                         ESPALIER_OK);
        espalier_sklearn_prepare *const prepare = calloc(1, sizeof *prepare);
        assert_non_null(prepare);
        prepare->work_left = &work;
        prepare->import = (espalier_sklearn_import){.pickle = pickle,
                                                    .source = "here.pkl",
                                                    .error = &failure,
                                                    .memory_bytes_max = 1u << 20,
                                                    .memory_left = 1u << 20};
        const espalier_pickle_value *const root = espalier_pickle_root(pickle);
        const espalier_status status =
            espalier_sklearn_importances(prepare, root, root, count, &scores);
        if (i == 0) {
            check_refusal(status, ESPALIER_ERROR_SOURCE_LIMIT, "ask too many trees", &failure);
        } else {
            assert_int_equal(status, ESPALIER_OK);
            assert_int_equal(work, 0);
        }
        free(scores.numbers);
        free(prepare);
        espalier_pickle_free(pickle);
    }
}

static void test_trees_cost_work(void **state)
{
    (void)state;
    static const fake_estimator forest = {.module = "sklearn.ensemble._forest",
                                          .name = "RandomForestRegressor",
                                          .inner = "DecisionTreeRegressor",
                                          .version = "1.9.1",
                                          .criterion = "squared_error",
                                          .features = 2,
                                          .outputs = 1,
                                          .trees = &fake_stumps[1],
                                          .tree_count = 1,
                                          .shared_tree = true,
                                          .shared_count = 1000};
    pickle_writer writer = {0};
    put_start(&writer);
    put_estimator(&writer, &forest);
    put_stop(&writer);
    check_work(&writer, 2, (uint64_t)1001 * (3 + 2)); /* nodes and columns */
    pickle_writer_free(&writer);

    const fake_selector linear = {.row_count = ROW_COUNT, .norm_order = 1.0};
    writer = (pickle_writer){0};
    put_start(&writer);
    put_linear(&writer, &linear);
    put_stop(&writer);
    check_work(&writer, COLUMN_COUNT, (uint64_t)ROW_COUNT * COLUMN_COUNT);
    pickle_writer_free(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_of_sums),
        cmocka_unit_test(test_old_eliminations),
        cmocka_unit_test(test_old_widths),
        cmocka_unit_test(test_frozen_estimators),
        cmocka_unit_test(test_too_many_rows),
        cmocka_unit_test(test_importances_of_xgboost),
        cmocka_unit_test(test_importances_of_lightgbm),
        cmocka_unit_test(test_narrow_coefficients),
        cmocka_unit_test(test_models_cost_work),
        cmocka_unit_test(test_trees_cost_work),
    };
    return cmocka_run_group_tests_name("selectors", tests, NULL, NULL);
}
