// SPDX-License-Identifier: Apache-2.0
/*
 * CalibratedClassifierCV and TransformedTargetRegressor over an estimator of XGBoost, which answers
 * in float32: what becomes of that depends on the versions of NumPy and scikit-learn that saved the
 * object. It once was refused but for sigmoids of NumPy 2 and scikit-learn 1.8's StandardScaler.
 */
#include "tests/support/fake_boosted.h"
#include "tests/unit/test_sklearn.h"
#include "tests/unit/test_xgboost.h"

/* ---- models --------------------------------------------------------------------------------- */

/* A sigmoid's b_, which no float32 is. */
#define NUMBER_B 0.3

/* Attribute values that are numbers. */
typedef enum fake_number {
    NUMBER_PYTHON,
    NUMBER_NUMPY_1,
    NUMBER_NUMPY_2,
    NUMBER_NUMPY_2_NARROW,
    NUMBER_NUMPY_2_INTEGER
} fake_number;

typedef struct fake_calibration {
    const char *module; /* of the calibrator */
    const char *name;
    fake_number number;
    const char *labels; /* NumPy's type of classes_ */
    const void *classes;
    const char *version; /* NULL: 1.9.1 */
    const char *knots;   /* NumPy's type of them; NULL: f8 */
    uint32_t rest;       /* the member is a OneVsRestClassifier of so many classes; 0: of XGBoost */
} fake_calibration;

static void put_number(pickle_writer *writer, fake_number kind, double value)
{
    const float rounded = (float)value;
    const int64_t whole_number = (int64_t)value;
    const bool narrow = kind == NUMBER_NUMPY_2_NARROW;
    const bool integer = kind == NUMBER_NUMPY_2_INTEGER;
    if (kind == NUMBER_PYTHON) {
        put_float(writer, value);
        return;
    }
    put_global(writer, kind == NUMBER_NUMPY_1 ? "numpy.core.multiarray" : "numpy._core.multiarray",
               "scalar");
    put_dtype(writer, narrow ? "f4" : integer ? "i8" : "f8", '<');
    put_raw(writer,
            narrow    ? (const void *)&rounded
            : integer ? (const void *)&whole_number
                      : (const void *)&value,
            narrow ? 4 : 8);
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
    static const float narrow_knots[] = {0.25F, 0.75F};
    const char *const type = model->knots != NULL ? model->knots : "f8";
    const void *const places = type[1] == '8' ? (const void *)knots : narrow_knots;
    const size_t bytes = 2 * (size_t)(type[1] - '0');
    const uint64_t count = 2;
    open_object(writer, model->module, model->name);
    put_text(writer, "a_");
    put_number(writer, model->number, -1.5);
    put_text(writer, "b_");
    put_number(writer, model->number, NUMBER_B);
    put_text(writer, "beta_");
    put_number(writer, model->number, 1.25);
    put_text(writer, "out_of_bounds");
    put_text(writer, "clip");
    put_text(writer, "X_thresholds_");
    put_array(writer, type, '<', &count, 1, false, places, bytes);
    put_text(writer, "y_thresholds_");
    put_array(writer, type, '<', &count, 1, false, places, bytes);
    close_object(writer);
}

static void put_rest(pickle_writer *writer, const fake_calibration *model)
{
    const uint64_t count = model->rest;
    open_object(writer, "sklearn.multiclass", "OneVsRestClassifier");
    put_text(writer, "_sklearn_version");
    put_text(writer, "1.9.1");
    put_text(writer, "classes_");
    put_array(writer, "i8", '<', &count, 1, false, model->classes, 8 * count);
    put_text(writer, "label_binarizer_");
    open_object(writer, "sklearn.preprocessing._label", "LabelBinarizer");
    put_text(writer, "y_type_");
    put_text(writer, "multiclass");
    close_object(writer);
    put_text(writer, "estimators_");
    put_bytes(writer, "](", 2);
    for (uint32_t i = 0; i < model->rest; i++) {
        put_boosted(writer, true);
    }
    put_bytes(writer, "e", 1);
    close_object(writer);
}

static void put_calibrated(pickle_writer *writer, const fake_calibration *model)
{
    const uint64_t count = model->rest != 0 ? model->rest : 2;
    const char order = model->labels[1] == '1' ? '|' : '<';
    open_object(writer, "sklearn.calibration", "CalibratedClassifierCV");
    put_text(writer, "_sklearn_version");
    put_text(writer, model->version != NULL ? model->version : "1.9.1");
    put_text(writer, "classes_");
    put_array(writer, model->labels, order, &count, 1, false, model->classes,
              count * (size_t)(model->labels[1] - '0'));
    put_text(writer, "calibrated_classifiers_");
    put_bytes(writer, "](", 2);
    open_object(writer, "sklearn.calibration", "_CalibratedClassifier");
    put_text(writer, "estimator");
    if (model->rest != 0) {
        put_rest(writer, model);
    } else {
        put_boosted(writer, true);
    }
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

#define SIGMOID     "sklearn.calibration", "_SigmoidCalibration"
#define ISOTONIC    "sklearn.isotonic", "IsotonicRegression"
#define TEMPERATURE "sklearn.calibration", "_TemperatureScaling"

/* The only stage of an operation. */
static const espalier_forest_stage *find_stage(const espalier_forest *forest,
                                               espalier_forest_operation operation)
{
    const espalier_forest_stage *found = NULL;
    for (uint32_t i = 0; i < forest->stage_count; i++) {
        if (forest->stages[i].operation == operation) {
            assert_null(found);
            found = &forest->stages[i];
        }
    }
    assert_non_null(found);
    return found;
}

static void load_calibration(const fake_calibration *model, espalier_forest *forest)
{
    loads(model, forest);
    assert_int_equal(forest->outputs[0].kind, ESPALIER_OUTPUT_PROBABILITY);
    assert_false(forest->outputs[0].narrow); /* the trainer's array is float64 */
}

/* float64 from a float64 of NumPy 2 on, numbers as they are; else float32 up to SciPy's expit. */
static void test_sigmoids(void **state)
{
    (void)state;
    static const fake_number narrow[] = {NUMBER_PYTHON, NUMBER_NUMPY_1, NUMBER_NUMPY_2_NARROW};
    espalier_forest forest;
    fake_calibration model = {SIGMOID, NUMBER_NUMPY_2, "i8", integers, NULL, NULL, 0};
    load_calibration(&model, &forest);
    const espalier_forest_stage *shift = find_stage(&forest, ESPALIER_FOREST_ADD);
    assert_false(shift->narrow);
    assert_true(forest.constants[shift->first_constant] == NUMBER_B);
    espalier_forest_free(&forest);
    for (size_t i = 0; i < sizeof narrow / sizeof narrow[0]; i++) {
        model.number = narrow[i];
        load_calibration(&model, &forest);
        shift = find_stage(&forest, ESPALIER_FOREST_ADD);
        assert_true(shift->narrow && find_stage(&forest, ESPALIER_FOREST_EXPIT)->narrow);
        assert_true(forest.constants[shift->first_constant] == (double)(float)NUMBER_B);
        espalier_forest_free(&forest);
    }
}

/* Knots of float64 take the float32 as they are; those of float32 are SciPy's interp1d, of 1.17 or
 * of 1.18, by the time of scikit-learn's version. */
static void test_isotonic_lines(void **state)
{
    (void)state;
    static const struct {
        fake_calibration model;
        espalier_forest_operation operation;
        bool narrow;
    } cases[] = {
        {{ISOTONIC, NUMBER_PYTHON, "i8", integers, "1.9.1", "f8", 0},
         ESPALIER_FOREST_ISOTONIC,
         false},
        {{ISOTONIC, NUMBER_PYTHON, "i8", integers, "1.8.0", "f4", 0},
         ESPALIER_FOREST_ISOTONIC,
         true},
        {{ISOTONIC, NUMBER_PYTHON, "i8", integers, "1.9.0", "f4", 0},
         ESPALIER_FOREST_ISOTONIC_SHARES,
         true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        load_calibration(&cases[i].model, &forest);
        const espalier_forest_stage *const line = find_stage(&forest, cases[i].operation);
        assert_int_equal(line->narrow, cases[i].narrow);
        assert_int_equal(line->count, 2);
        espalier_forest_free(&forest);
    }
}

/* Logarithms are float32 in any case; what a temperature makes of them is of its own type. */
static void test_temperatures(void **state)
{
    (void)state;
    static const fake_number numbers[] = {NUMBER_NUMPY_2, NUMBER_NUMPY_2_NARROW, NUMBER_NUMPY_1};
    for (size_t i = 0; i < 3; i++) {
        espalier_forest forest;
        const fake_calibration model = {TEMPERATURE, numbers[i], "i8", integers, NULL, NULL, 0};
        load_calibration(&model, &forest);
        const espalier_forest_stage *const above = find_stage(&forest, ESPALIER_FOREST_ADD);
        assert_true(above->narrow && find_stage(&forest, ESPALIER_FOREST_LOG)->narrow);
        assert_true(forest.constants[above->first_constant] == (double)1e-12F);
        const espalier_forest_stage *const shares = find_stage(&forest, ESPALIER_FOREST_SOFTMAX);
        assert_int_equal(shares->narrow, i != 0);
        assert_true(shares->pairwise);
        espalier_forest_free(&forest);
    }
}

/* A OneVsRestClassifier's answers lie class by class, and NumPy adds those up in their order. With
 * eight classes or more that is another sum than a row's; float32 once was refused for it. */
static void test_sums_by_class(void **state)
{
    (void)state;
    static const int64_t many[] = {0, 1, 2, 3, 4, 5, 6, 7};
    fake_calibration model = {TEMPERATURE, NUMBER_NUMPY_2, "i8", many, NULL, NULL, 8};
    espalier_forest forest;
    load_calibration(&model, &forest);
    assert_false(find_stage(&forest, ESPALIER_FOREST_SOFTMAX)->pairwise);
    espalier_forest_free(&forest);
    model.number = NUMBER_NUMPY_2_NARROW;
    load_calibration(&model, &forest);
    const espalier_forest_stage *const raised = find_stage(&forest, ESPALIER_FOREST_NUMPY_EXP);
    const espalier_forest_stage *const sorted = find_stage(&forest, ESPALIER_FOREST_SORT);
    assert_true(raised->narrow && sorted->narrow);
    /* Of the member and of the calibrator; the last of both is the latter's. */
    const espalier_forest_stage *shares = NULL;
    const espalier_forest_stage *most = NULL;
    for (uint32_t i = 0; i < forest.stage_count; i++) {
        const espalier_forest_stage *const stage = &forest.stages[i];
        shares = stage->operation == ESPALIER_FOREST_NORMALISE ? stage : shares;
        most = stage > sorted && stage->operation == ESPALIER_FOREST_PICK && most == NULL ? stage
                                                                                          : most;
    }
    assert_true(shares > raised && shares->narrow && !shares->pairwise);
    assert_non_null(most);
    assert_true(forest.constants[most->first_constant] == (double)(sorted->output_slot + 7));
    espalier_forest_free(&forest);
    model.rest = 7;
    load_calibration(&model, &forest);
    assert_true(find_stage(&forest, ESPALIER_FOREST_SOFTMAX)->narrow);
    espalier_forest_free(&forest);
}

static void test_refuses_other_calibrations(void **state)
{
    (void)state;
    static const struct {
        fake_calibration model;
        espalier_status status;
        const char *words;
    } cases[] = {
        {{SIGMOID, NUMBER_NUMPY_2_INTEGER, "i8", integers, NULL, NULL, 0},
         ESPALIER_ERROR_SOURCE_UNSUPPORTED,
         "a_ is no float"},
        {{ISOTONIC, NUMBER_PYTHON, "i8", integers, NULL, "f2", 0},
         ESPALIER_ERROR_SOURCE_UNSUPPORTED,
         "no array of float32 or float64"},
        {{SIGMOID, NUMBER_NUMPY_2, "i8", others, NULL, NULL, 0},
         ESPALIER_ERROR_SOURCE_UNSUPPORTED,
         "its classes are not among those"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuses(&cases[i].model, cases[i].status, cases[i].words);
    }
}

/* XGBoost's classes are integers, those of the whole what it was fitted with. */
static void test_classes_of_other_kinds(void **state)
{
    (void)state;
    static const fake_calibration models[] = {
        {SIGMOID, NUMBER_NUMPY_2, "b1", flags, NULL, NULL, 0},
        {SIGMOID, NUMBER_NUMPY_2, "f8", reals, NULL, NULL, 0},
        {SIGMOID, NUMBER_NUMPY_2, "u8", integers, NULL, NULL, 0},
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
    int64_t axes;         /* of the target at training; 0: it does not say */
    const char *function; /* of NumPy, the inverse_func; NULL: none */
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
    if (model->function != NULL) {
        put_global(writer, "numpy", model->function);
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

/* From 1.8 on StandardScaler's numbers are rounded to float32 first. All else is computed in
 * float64 and rounded after each step, and functions are NumPy's. */
static void test_targets(void **state)
{
    (void)state;
    static const struct {
        fake_target model;
        uint32_t count;
        espalier_forest_operation operations[4];
        bool narrow[4];
    } cases[] = {
        {{"1.8.0", DATA, "StandardScaler", 0.1, 0, NULL},
         2,
         {ESPALIER_FOREST_MULTIPLY, ESPALIER_FOREST_ADD},
         {true, true}},
        {{"1.7.2", DATA, "StandardScaler", 0.1, 0, NULL},
         4,
         {ESPALIER_FOREST_MULTIPLY, ESPALIER_FOREST_ROUND, ESPALIER_FOREST_ADD,
          ESPALIER_FOREST_ROUND},
         {false, true, false, true}},
        {{"1.9.1", DATA, "MaxAbsScaler", 0.1, 0, NULL},
         2,
         {ESPALIER_FOREST_MULTIPLY, ESPALIER_FOREST_ROUND},
         {false, true}},
        {{"1.2.2", FUNCTION, 0.0, 0, NULL}, 0, {0}, {false}},
        {{"1.2.2", FUNCTION, 1.0, 0, "square"}, 1, {ESPALIER_FOREST_SQUARE}, {true}},
        {{"1.2.2", FUNCTION, 1.0, 0, "exp"}, 1, {ESPALIER_FOREST_NUMPY_EXP}, {true}},
        {{"1.2.2", FUNCTION, 1.0, 0, "log"}, 1, {ESPALIER_FOREST_LOG}, {true}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        espalier_error failure = {0};
        if (load_target(&cases[i].model, &forest, &failure) != ESPALIER_OK) {
            fail_load(&failure);
        }
        assert_int_equal(forest.output_count, 1);
        assert_int_equal(forest.outputs[0].kind, ESPALIER_OUTPUT_VALUE);
        assert_true(forest.outputs[0].narrow);
        assert_int_equal(forest.stage_count, cases[i].count);
        for (uint32_t k = 0; k < cases[i].count; k++) {
            assert_int_equal(forest.stages[k].operation, cases[i].operations[k]);
            assert_int_equal(forest.stages[k].narrow, cases[i].narrow[k]);
        }
        if (i < 2) {
            const double scale = forest.constants[forest.stages[0].first_constant];
            assert_true(scale == (i == 0 ? (double)0.1F : 0.1));
        }
        espalier_forest_free(&forest);
    }
}

/* predict keeps an axis of one output where the target had it. */
static void test_axes_of_targets(void **state)
{
    (void)state;
    for (int64_t axes = 0; axes <= 2; axes++) {
        const fake_target model = {"1.2.2", FUNCTION, 0.0, axes, NULL};
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
        {{"1.9.1", DATA, "PowerTransformer", 0.1, 0, NULL}, "the target's PowerTransformer"},
        {{"1.9.1", FUNCTION, 1.0, 0, "sinh"}, "the inverse_func sinh is not converted"},
        {{"1.9.1", DATA, "StandardScaler", 1e300, 0, NULL},
         "scale_ of the target is beyond float32"},
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
        cmocka_unit_test(test_sigmoids),
        cmocka_unit_test(test_isotonic_lines),
        cmocka_unit_test(test_temperatures),
        cmocka_unit_test(test_sums_by_class),
        cmocka_unit_test(test_refuses_other_calibrations),
        cmocka_unit_test(test_classes_of_other_kinds),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_axes_of_targets),
        cmocka_unit_test(test_refuses_other_targets),
    };
    return cmocka_run_group_tests_name("estimators over float32", tests, NULL, NULL);
}
