// SPDX-License-Identifier: Apache-2.0
/*
 * Bagging and Voting of members that all answer in float32, as XGBoost's do: with what counts and
 * weights their mean is float32, with which float64, and with which it is refused by name.
 */
#include "tests/support/fake_boosted.h"
#include "tests/unit/test_sklearn.h"
#include "tests/unit/test_xgboost.h"

/* ---- models --------------------------------------------------------------------------------- */

typedef enum fake_number {
    NUMBER_PYTHON, /* of Python */
    NUMBER_SCALAR, /* of NumPy, each for itself */
    NUMBER_ARRAY   /* one array of NumPy */
} fake_number;

typedef struct fake_mean {
    const char *name; /* of a regressor in sklearn.ensemble */
    fake_number kind; /* of n_estimators, or of the weights */
    const char *code; /* NumPy's, or of Python "int" or "float"; NULL: no weights */
    const void *data; /* two elements */
    bool wide_member; /* a tree, which answers in float64: of Voting the second, of Bagging all */
} fake_mean;

static size_t width_of(const char *code)
{
    return (size_t)strtol(code + 1, NULL, 10);
}

/* numpy.core.multiarray.scalar(dtype, bytes) */
static void put_scalar(pickle_writer *writer, const char *code, const void *data)
{
    put_global(writer, "numpy.core.multiarray", "scalar");
    put_dtype(writer, code, width_of(code) == 1 ? '|' : '<');
    put_raw(writer, data, width_of(code));
    put_bytes(writer, "\x86R", 2);
}

static void put_weights(pickle_writer *writer, const fake_mean *model)
{
    const uint64_t count = 2;
    put_text(writer, "weights");
    if (model->code == NULL) {
        put_none(writer);
        return;
    }
    if (model->kind == NUMBER_ARRAY) {
        const size_t width = width_of(model->code);
        put_array(writer, model->code, width == 1 ? '|' : '<', &count, 1, false, model->data,
                  2 * width);
        return;
    }
    put_bytes(writer, "](", 2);
    for (size_t i = 0; i < 2; i++) {
        if (model->kind == NUMBER_SCALAR) {
            put_scalar(writer, model->code,
                       (const uint8_t *)model->data + i * width_of(model->code));
        } else if (strcmp(model->code, "int") == 0) {
            put_int(writer, ((const int64_t *)model->data)[i]);
        } else {
            put_float(writer, ((const double *)model->data)[i]);
        }
    }
    put_opcode(writer, 'e');
}

static void put_boosted(pickle_writer *writer)
{
    char *const model = replace(whole, "binary:logistic", "reg:squarederror");
    open_xgboost(writer, "XGBRegressor", model, strlen(model));
    close_object(writer);
    free(model);
}

static void put_tree(pickle_writer *writer)
{
    static const fake_node node = {-1, -1, -2, -2, 4, 0};
    static const double value = 1.5;
    static const fake_tree tree = {.nodes = &node,
                                   .node_count = 1,
                                   .values = &value,
                                   .layout = FAKE_NODES_64};
    static const fake_estimator estimator = {.module = "sklearn.tree._classes",
                                             .name = "DecisionTreeRegressor",
                                             .version = "1.4.2",
                                             .criterion = "squared_error",
                                             .features = 2,
                                             .outputs = 1,
                                             .trees = &tree,
                                             .tree_count = 1};
    put_estimator(writer, &estimator);
}

static void put_mean(pickle_writer *writer, const fake_mean *model)
{
    static const int64_t subset[] = {0, 1};
    const uint64_t count = 2;
    const bool votes = strcmp(model->name, "VotingRegressor") == 0;
    open_object(writer, votes ? "sklearn.ensemble._voting" : "sklearn.ensemble._bagging",
                model->name);
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.4.2");
    put_text(writer, "n_features_in_");
    put_int(writer, 2);
    if (votes) {
        put_weights(writer, model);
        put_text(writer, "estimators");
        put_bytes(writer, "](", 2);
        for (size_t i = 0; i < 2; i++) {
            put_text(writer, "name");
            put_bytes(writer, "K\1\x86", 3); /* one that is not dropped */
        }
        put_opcode(writer, 'e');
    } else {
        put_text(writer, "n_estimators");
        if (model->kind == NUMBER_PYTHON) {
            put_int(writer, 2);
        } else {
            put_scalar(writer, model->code, model->data);
        }
        put_text(writer, "estimators_features_");
        put_bytes(writer, "](", 2);
        for (size_t i = 0; i < 2; i++) {
            put_array(writer, "i8", '<', &count, 1, false, subset, sizeof subset);
        }
        put_opcode(writer, 'e');
    }
    put_text(writer, "estimators_");
    put_bytes(writer, "](", 2);
    for (size_t i = 0; i < 2; i++) {
        if (model->wide_member && (i > 0 || !votes)) {
            put_tree(writer);
        } else {
            put_boosted(writer);
        }
    }
    put_bytes(writer, "eub", 3);
}

static espalier_status load_mean(const fake_mean *model, espalier_forest *forest,
                                 espalier_error *failure)
{
    pickle_writer writer = {0};
    put_start(&writer);
    put_mean(&writer, model);
    put_stop(&writer);
    const espalier_status status = load_writer(&writer, MEMORY_MAX, forest, failure);
    pickle_writer_free(&writer);
    return status;
}

static void check_type(const fake_mean *model, bool narrow)
{
    espalier_forest forest;
    espalier_error failure = {0};
    if (load_mean(model, &forest, &failure) != ESPALIER_OK) {
        fail_msg("%s: %s", model->code != NULL ? model->code : "none", failure.message);
    }
    assert_int_equal(forest.output_count, 1);
    assert_int_equal(forest.outputs[0].kind, ESPALIER_OUTPUT_VALUE);
    if (forest.outputs[0].narrow != narrow) {
        fail_msg("%s: a mean of %s", model->code != NULL ? model->code : "none",
                 narrow ? "float64" : "float32");
    }
    espalier_forest_free(&forest);
}

static void check_refused(const fake_mean *model, const char *words)
{
    espalier_forest forest;
    espalier_error failure = {0};
    const espalier_status status = load_mean(model, &forest, &failure);
    espalier_forest_free(&forest);
    check_refusal(status, ESPALIER_ERROR_SOURCE_UNSUPPORTED, words, &failure);
}

/* ---- weights -------------------------------------------------------------------------------- */

static const uint16_t halves[] = {0x3c00, 0x4000}; /* 1 and 2 */
static const float floats[] = {1.0F, 2.0F};
static const double doubles[] = {1.0, 2.0};
static const int8_t bytes_of_one[] = {1, 2};
static const uint8_t flags[] = {1, 1};
static const int16_t shorts[] = {1, 2};
static const int32_t words_of_four[] = {1, 2};
static const int64_t longs[] = {1, 2};

static void test_weights_that_widen(void **state)
{
    (void)state;
    static const fake_mean means[] = {
        {"VotingRegressor", NUMBER_PYTHON, "int", longs, false},
        {"VotingRegressor", NUMBER_PYTHON, "float", doubles, false},
        {"VotingRegressor", NUMBER_ARRAY, "f8", doubles, false},
        {"VotingRegressor", NUMBER_SCALAR, "f8", doubles, false},
        {"VotingRegressor", NUMBER_ARRAY, "i8", longs, false},
        {"VotingRegressor", NUMBER_ARRAY, "i4", words_of_four, false},
        {"VotingRegressor", NUMBER_SCALAR, "i4", words_of_four, false},
        {"VotingRegressor", NUMBER_ARRAY, "u4", words_of_four, false},
    };
    for (size_t i = 0; i < sizeof means / sizeof means[0]; i++) {
        check_type(&means[i], false);
    }
    check_type(&(fake_mean){"VotingRegressor", NUMBER_PYTHON, NULL, NULL, false}, true);
}

static void test_narrow_weights(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const void *data;
    } weights[] = {{"f2", halves}, {"f4", floats}, {"i1", bytes_of_one}, {"u1", bytes_of_one},
                   {"b1", flags},  {"i2", shorts}, {"u2", shorts}};
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        fake_mean model = {"VotingRegressor", NUMBER_ARRAY, weights[i].code, weights[i].data,
                           false};
        check_refused(&model, "weights of a type of NumPy as narrow as float32");
        model.kind = NUMBER_SCALAR;
        check_refused(&model, "weights of a type of NumPy as narrow as float32");
        model.wide_member = true; /* the sum is float64 in any case */
        check_type(&model, false);
        model.kind = NUMBER_ARRAY;
        check_type(&model, false);
    }
}

/* ---- counts --------------------------------------------------------------------------------- */

static void test_counts(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const void *data;
    } counts[] = {{"i8", &longs[1]},         {"u8", &longs[1]},       {"i4", &words_of_four[1]},
                  {"u4", &words_of_four[1]}, {"i2", &shorts[1]},      {"u2", &shorts[1]},
                  {"i1", &bytes_of_one[1]},  {"u1", &bytes_of_one[1]}};
    check_type(&(fake_mean){"BaggingRegressor", NUMBER_PYTHON, NULL, NULL, false}, true);
    check_type(&(fake_mean){"BaggingRegressor", NUMBER_PYTHON, NULL, NULL, true}, false);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        fake_mean model = {"BaggingRegressor", NUMBER_SCALAR, counts[i].code, counts[i].data,
                           false};
        check_refused(&model, "n_estimators is no integer of Python");
        model.wide_member = true;
        check_type(&model, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_that_widen),
        cmocka_unit_test(test_narrow_weights),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests_name("narrow means", tests, NULL, NULL);
}
