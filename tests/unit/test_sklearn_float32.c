// SPDX-License-Identifier: Apache-2.0
/*
 * CalibratedClassifierCV and TransformedTargetRegressor over an estimator of XGBoost, which answers
 * in float32: what becomes of that depends on the versions of NumPy and scikit-learn that saved the
 * object. What is known is converted, else it is refused by name.
 */
#include "tests/support/fake_boosted.h"
#include "tests/unit/test_sklearn.h"
#include "tests/unit/test_xgboost.h"

/* ---- models --------------------------------------------------------------------------------- */

/* Attribute values that are numbers. */
typedef enum fake_number {
    NUMBER_PYTHON,
    NUMBER_NUMPY_1,
    NUMBER_NUMPY_2,
    NUMBER_NUMPY_2_NARROW
} fake_number;

typedef struct fake_calibration {
    const char *module; /* of the calibrator */
    const char *name;
    fake_number number;
    const char *labels; /* NumPy's type of classes_ */
    const void *classes;
} fake_calibration;

static void put_number(pickle_writer *writer, fake_number kind, double value)
{
    const float rounded = (float)value;
    const bool narrow = kind == NUMBER_NUMPY_2_NARROW;
    if (kind == NUMBER_PYTHON) {
        put_float(writer, value);
        return;
    }
    put_global(writer, kind == NUMBER_NUMPY_1 ? "numpy.core.multiarray" : "numpy._core.multiarray",
               "scalar");
    put_dtype(writer, narrow ? "f4" : "f8", '<');
    put_raw(writer, narrow ? (const void *)&rounded : &value, narrow ? 4 : 8);
    put_bytes(writer, "\x86R", 2);
}

static void put_boosted(pickle_writer *writer, bool classifier)
{
    char *const model =
        replace(whole, "binary:logistic", classifier ? "binary:logistic" : "reg:squarederror");
    open_xgboost(writer, classifier ? "XGBClassifier" : "XGBRegressor", model, strlen(model));
    close_object(writer);
    free(model);
}

static void put_calibrator(pickle_writer *writer, const fake_calibration *model)
{
    static const double knots[] = {0.25, 0.75};
    const uint64_t count = 2;
    open_object(writer, model->module, model->name);
    put_text(writer, "a_");
    put_number(writer, model->number, -1.5);
    put_text(writer, "b_");
    put_number(writer, model->number, 0.25);
    put_text(writer, "beta_");
    put_number(writer, model->number, 1.25);
    put_text(writer, "out_of_bounds");
    put_text(writer, "clip");
    put_text(writer, "X_thresholds_");
    put_array(writer, "f8", '<', &count, 1, false, knots, sizeof knots);
    put_text(writer, "y_thresholds_");
    put_array(writer, "f8", '<', &count, 1, false, knots, sizeof knots);
    close_object(writer);
}

static void put_calibrated(pickle_writer *writer, const fake_calibration *model)
{
    const uint64_t count = 2;
    const char order = model->labels[1] == '1' ? '|' : '<';
    open_object(writer, "sklearn.calibration", "CalibratedClassifierCV");
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.9.1");
    put_text(writer, "classes_");
    put_array(writer, model->labels, order, &count, 1, false, model->classes,
              2 * (size_t)(model->labels[1] - '0'));
    put_text(writer, "calibrated_classifiers_");
    put_bytes(writer, "](", 2);
    open_object(writer, "sklearn.calibration", "_CalibratedClassifier");
    put_text(writer, "estimator");
    put_boosted(writer, true);
    put_text(writer, "calibrators");
    put_bytes(writer, "](", 2);
    put_calibrator(writer, model);
    put_bytes(writer, "eubeub", 6);
}

#undef MODEL /* of test_xgboost.h */
#define MODEL     fake_calibration
#define PUT_MODEL put_calibrated
#include "tests/unit/test_sklearn_model.inc"
#undef MODEL
#undef PUT_MODEL

/* ---- calibrated ----------------------------------------------------------------------------- */

static const int64_t integers[] = {0, 1};
static const int64_t others[] = {1, 2};
static const uint8_t flags[] = {0, 1};
static const double reals[] = {0.0, 1.0};

#define SIGMOID "sklearn.calibration", "_SigmoidCalibration"

/* float64 from the sigmoid on, the numbers as they are. */
static void test_sigmoid_of_numpy_2(void **state)
{
    (void)state;
    espalier_forest forest;
    const fake_calibration model = {SIGMOID, NUMBER_NUMPY_2, "i8", integers};
    loads(&model, &forest);
    uint32_t found = 0;
    for (uint32_t i = 0; i < forest.stage_count; i++) {
        const espalier_forest_stage *const stage = &forest.stages[i];
        if (stage->operation == ESPALIER_FOREST_MULTIPLY && !stage->narrow) {
            found += forest.constants[stage->first_constant] == -1.5 ? 1 : 0;
        }
    }
    assert_int_equal(found, 1);
    assert_int_equal(forest.outputs[0].kind, ESPALIER_OUTPUT_PROBABILITY);
    assert_false(forest.outputs[0].narrow);
    espalier_forest_free(&forest);
}

static void test_refuses_other_calibrations(void **state)
{
    (void)state;
    static const struct {
        fake_calibration model;
        const char *words;
    } cases[] = {
        {{SIGMOID, NUMBER_NUMPY_1, "i8", integers}, "its a_ was saved by NumPy 1"},
        {{SIGMOID, NUMBER_PYTHON, "i8", integers}, "its a_ is a number of Python"},
        {{SIGMOID, NUMBER_NUMPY_2_NARROW, "i8", integers}, "its a_ is no float64"},
        {{"sklearn.isotonic", "IsotonicRegression", NUMBER_NUMPY_2, "i8", integers},
         "an isotonic line over probabilities of float32"},
        {{"sklearn.calibration", "_TemperatureScaling", NUMBER_NUMPY_2, "i8", integers},
         "a temperature over probabilities of float32"},
        {{SIGMOID, NUMBER_NUMPY_2, "i8", others}, "its classes are not among those"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuses(&cases[i].model, ESPALIER_ERROR_SOURCE_UNSUPPORTED, cases[i].words);
    }
}

/* XGBoost's classes are integers, those of the whole what it was fitted with. */
static void test_classes_of_other_kinds(void **state)
{
    (void)state;
    static const fake_calibration models[] = {
        {SIGMOID, NUMBER_NUMPY_2, "b1", flags},
        {SIGMOID, NUMBER_NUMPY_2, "f8", reals},
        {SIGMOID, NUMBER_NUMPY_2, "u8", integers},
    };
    static const espalier_label_kind kinds[] = {ESPALIER_LABEL_BOOL, ESPALIER_LABEL_FLOAT,
                                                ESPALIER_LABEL_UINT};
    for (size_t i = 0; i < 3; i++) {
        espalier_forest forest;
        loads(&models[i], &forest);
        assert_int_equal(forest.labels[0].kind, kinds[i]);
        espalier_forest_free(&forest);
    }
}

/* ---- targets -------------------------------------------------------------------------------- */

typedef struct fake_target {
    const char *version;
    const char *module; /* of the transformer */
    const char *name;
    double scale;
    int64_t axes; /* of the target at training; 0: it does not say */
} fake_target;

static void put_array_of(pickle_writer *writer, const char *name, double value)
{
    const uint64_t count = 1;
    put_text(writer, name);
    put_array(writer, "f8", '<', &count, 1, false, &value, sizeof value);
}

static void put_target(pickle_writer *writer, const fake_target *model)
{
    open_object(writer, "sklearn.compose._target", "TransformedTargetRegressor");
    put_text(writer, "_sklearn_version");
    put_text(writer, model->version);
    if (model->axes != 0) {
        put_text(writer, "_training_dim");
        put_int(writer, model->axes);
    }
    put_text(writer, "regressor_");
    put_boosted(writer, false);
    put_text(writer, "transformer_");
    open_object(writer, model->module, model->name);
    put_text(writer, "inverse_func");
    if (model->scale != 0.0) {
        put_global(writer, "numpy", "square");
    } else {
        put_none(writer);
    }
    put_array_of(writer, "scale_", model->scale);
    put_array_of(writer, "mean_", 0.7);
    close_object(writer);
    close_object(writer);
}

static espalier_status load_target(const fake_target *model, espalier_forest *forest,
                                   espalier_error *failure)
{
    pickle_writer writer = {0};
    put_start(&writer);
    put_target(&writer, model);
    put_stop(&writer);
    const espalier_status status = load_writer(&writer, 1u << 20, forest, failure);
    pickle_writer_free(&writer);
    return status;
}

#define FUNCTION "sklearn.preprocessing._function_transformer", "FunctionTransformer"
#define DATA     "sklearn.preprocessing._data"

/* From 1.8 on the scaler's numbers are rounded to float32 first; without a function values stay. */
static void test_targets(void **state)
{
    (void)state;
    static const fake_target models[] = {{"1.8.0", DATA, "StandardScaler", 0.1, 0},
                                         {"1.2.2", FUNCTION, 0.0, 0}};
    for (size_t i = 0; i < 2; i++) {
        espalier_forest forest;
        espalier_error failure = {0};
        if (load_target(&models[i], &forest, &failure) != ESPALIER_OK) {
            fail_load(&failure);
        }
        assert_int_equal(forest.output_count, 1);
        assert_int_equal(forest.outputs[0].kind, ESPALIER_OUTPUT_VALUE);
        assert_true(forest.outputs[0].narrow);
        assert_int_equal(forest.stage_count, i == 0 ? 2 : 0);
        if (i == 0) {
            assert_int_equal(forest.stages[0].operation, ESPALIER_FOREST_MULTIPLY);
            assert_true(forest.stages[0].narrow && forest.stages[1].narrow);
            assert_true(forest.constants[forest.stages[0].first_constant] == (double)0.1F);
            assert_true(forest.constants[forest.stages[1].first_constant] == (double)0.7F);
        }
        espalier_forest_free(&forest);
    }
}

/* predict keeps an axis of one output where the target had it. */
static void test_axes_of_targets(void **state)
{
    (void)state;
    for (int64_t axes = 0; axes <= 2; axes++) {
        const fake_target model = {"1.2.2", FUNCTION, 0.0, axes};
        espalier_forest forest;
        espalier_error failure = {0};
        if (load_target(&model, &forest, &failure) != ESPALIER_OK) {
            fail_load(&failure);
        }
        assert_int_equal(forest.keeps_axis, axes == 2);
        espalier_forest_free(&forest);
    }
}

static void test_refuses_other_targets(void **state)
{
    (void)state;
    static const struct {
        fake_target model;
        const char *words;
    } cases[] = {
        {{"1.7.2", DATA, "StandardScaler", 0.1, 0},
         "StandardScaler of the target over values of float32"},
        {{"1.9.1", DATA, "MinMaxScaler", 0.1, 0}, "MinMaxScaler of the target over"},
        {{"1.9.1", DATA, "RobustScaler", 0.1, 0}, "RobustScaler of the target over"},
        {{"1.9.1", FUNCTION, 1.0, 0}, "a function of the target over values of float32"},
        {{"1.9.1", DATA, "StandardScaler", 1e300, 0}, "scale_ of the target is beyond float32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        espalier_error failure = {0};
        const espalier_status status = load_target(&cases[i].model, &forest, &failure);
        espalier_forest_free(&forest);
        check_refusal(status, ESPALIER_ERROR_SOURCE_UNSUPPORTED, cases[i].words, &failure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sigmoid_of_numpy_2),
        cmocka_unit_test(test_refuses_other_calibrations),
        cmocka_unit_test(test_classes_of_other_kinds),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_axes_of_targets),
        cmocka_unit_test(test_refuses_other_targets),
    };
    return cmocka_run_group_tests_name("estimators over float32", tests, NULL, NULL);
}
