// SPDX-License-Identifier: Apache-2.0
/*
 * What espalier_predict and espalier_predictor_create refuse, and what they leave behind: kinds,
 * dtypes, counts, strides, sizes, values the trainer refuses, iteration ranges, options. Rules
 * F-241, F-242, F-246, F-247.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/reference.h"
#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES 5u
#define TREES    21u
#define CLASSES  3u
#define ROWS     40u

typedef struct fixture {
    espalier_forest forest;
    model_bytes bytes;
    espalier_model *model;
    espalier_predictor *predictor;
    float *values;
    double out[ROWS * 64];
} fixture;

static espalier_predictor *predictor_of(const espalier_model *model, uint64_t flags)
{
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = flags;
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, &options, &predictor), ESPALIER_OK);
    return predictor;
}

static fixture *fixture_make(bool missing_allowed)
{
    const synthetic_options options = {.seed = 11,
                                       .tree_count = TREES,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 30,
                                       .group_count = 1,
                                       .class_count = CLASSES,
                                       .missing_allowed = missing_allowed};
    fixture *const f = calloc(1, sizeof *f);
    assert_non_null(f);
    synthetic_forest_make(&options, &f->forest);
    f->bytes = model_bytes_of(&f->forest, 0);
    assert_int_equal(espalier_model_open_memory(f->bytes.data, f->bytes.bytes, NULL, &f->model,
                                                NULL),
                     ESPALIER_OK);
    f->predictor = predictor_of(f->model, ESPALIER_PREDICTOR_LEAF);
    f->values = model_rows_make(&f->forest, 12, ROWS, 0);
    return f;
}

static void fixture_free(fixture *f)
{
    free(f->values);
    espalier_predictor_destroy(f->predictor);
    espalier_model_close(f->model);
    model_bytes_free(&f->bytes);
    espalier_forest_free(&f->forest);
    free(f);
}

static int setup(void **state)
{
    *state = fixture_make(false);
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* Fills the output with a pattern, predicts, and says what came of it. */
static espalier_status predict_into(fixture *f, espalier_output_kind kind,
                                    const espalier_rows *rows, espalier_outputs *outputs)
{
    memset(f->out, 0x5A, sizeof f->out);
    return espalier_predict(f->predictor, kind, rows, outputs);
}

static void assert_untouched_from(const fixture *f, size_t byte)
{
    const uint8_t *const out = (const void *)f->out;
    for (size_t i = byte; i < sizeof f->out; i++) {
        assert_int_equal(out[i], 0x5A);
    }
}

static void test_arguments(void **state)
{
    fixture *const f = *state;
    espalier_rows rows = espalier_rows_float32(f->values, ROWS, FEATURES);
    espalier_outputs outputs = {.data = f->out, .data_bytes = sizeof f->out};
    const espalier_output_kind kind = ESPALIER_OUTPUT_PROBABILITY;
    assert_int_equal(espalier_predict(NULL, kind, &rows, &outputs), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_predict(f->predictor, kind, NULL, &outputs), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_predict(f->predictor, kind, &rows, NULL), ESPALIER_ERROR_ARGUMENT);
    rows.data = NULL;
    assert_int_equal(predict_into(f, kind, &rows, &outputs), ESPALIER_ERROR_ARGUMENT);
    rows = espalier_rows_float32(f->values, ROWS, FEATURES);
    rows.reserved = 1;
    assert_int_equal(predict_into(f, kind, &rows, &outputs), ESPALIER_ERROR_ARGUMENT);
    rows = espalier_rows_float32(f->values, ROWS, FEATURES);
    rows.dtype = ESPALIER_DTYPE_INT32;
    assert_int_equal(predict_into(f, kind, &rows, &outputs), ESPALIER_ERROR_DTYPE);
    rows.dtype = 0;
    assert_int_equal(predict_into(f, kind, &rows, &outputs), ESPALIER_ERROR_DTYPE);
    for (size_t count = 0; count < 9; count++) {
        rows = espalier_rows_float32(f->values, 1, count);
        assert_int_equal(predict_into(f, kind, &rows, &outputs),
                         count == FEATURES ? ESPALIER_OK : ESPALIER_ERROR_FEATURE_COUNT);
    }
    rows = espalier_rows_float32(f->values, ROWS, FEATURES);
    outputs.data = NULL;
    assert_int_equal(predict_into(f, kind, &rows, &outputs), ESPALIER_ERROR_ARGUMENT);
    outputs.data = (uint8_t *)f->out + 1;
    outputs.data_bytes--;
    assert_int_equal(predict_into(f, kind, &rows, &outputs), ESPALIER_ERROR_ARGUMENT);
    assert_untouched_from(f, 0);
}

static void test_kinds(void **state)
{
    fixture *const f = *state;
    const espalier_rows rows = espalier_rows_float32(f->values, ROWS, FEATURES);
    espalier_outputs outputs = {.data = f->out, .data_bytes = sizeof f->out};
    for (int kind = -1; kind < 9; kind++) {
        const bool has = kind == ESPALIER_OUTPUT_PROBABILITY || kind == ESPALIER_OUTPUT_CLASS ||
                         kind == ESPALIER_OUTPUT_LEAF;
        assert_int_equal(predict_into(f, (espalier_output_kind)kind, &rows, &outputs),
                         has ? ESPALIER_OK : ESPALIER_ERROR_OUTPUT_KIND);
    }
    /* LEAF wants a predictor made for it. */
    espalier_predictor *const plain = predictor_of(f->model, 0);
    assert_int_equal(espalier_predict(plain, ESPALIER_OUTPUT_LEAF, &rows, &outputs),
                     ESPALIER_ERROR_OUTPUT_KIND);
    /* Which of the walks is up to the machine. */
    assert_non_null(strstr(espalier_predictor_kernel(plain), "walk, 8-byte nodes"));
    espalier_predictor_destroy(plain);
}

static void test_no_rows(void **state)
{
    fixture *const f = *state;
    espalier_rows rows = espalier_rows_float32(NULL, 0, FEATURES);
    espalier_outputs outputs = {.data = NULL, .data_bytes = 0, .rows_written = 7};
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_CLASS, &rows, &outputs), ESPALIER_OK);
    assert_int_equal(outputs.rows_written, 0);
    assert_untouched_from(f, 0);
}

static void test_strides(void **state)
{
    fixture *const f = *state;
    espalier_outputs outputs = {.data = f->out, .data_bytes = sizeof f->out};
    espalier_rows rows = espalier_rows_float32(f->values, ROWS, FEATURES);
    const struct {
        size_t row_count;
        ptrdiff_t row_stride;
        ptrdiff_t feature_stride;
    } huge[] = {
        {3, PTRDIFF_MAX, 1},
        {3, PTRDIFF_MIN, 1},
        {3, PTRDIFF_MAX / 2, 1},
        {3, 1, PTRDIFF_MAX},
        {3, 1, PTRDIFF_MIN},
        {3, PTRDIFF_MAX / 16, PTRDIFF_MAX / 16},
        {3, -(PTRDIFF_MAX / 16), -(PTRDIFF_MAX / 16)},
        {SIZE_MAX, 1, 1},
        {(size_t)PTRDIFF_MAX, 5, 1},
        {SIZE_MAX / 4, 5, 1},
    };
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        rows.row_count = huge[i].row_count;
        rows.row_stride = huge[i].row_stride;
        rows.feature_stride = huge[i].feature_stride;
        assert_int_equal(predict_into(f, ESPALIER_OUTPUT_CLASS, &rows, &outputs),
                         ESPALIER_ERROR_STRIDE);
    }
    /* Many rows of one address: the rows fit, their outputs do not. */
    rows = espalier_rows_float32(f->values, SIZE_MAX / 64, FEATURES);
    rows.row_stride = 0;
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_CLASS, &rows, &outputs),
                     ESPALIER_ERROR_OUTPUT_SIZE);
    assert_untouched_from(f, 0);

    /* A row stride of zero repeats one row. */
    rows = espalier_rows_float32(f->values, 9, FEATURES);
    rows.row_stride = 0;
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs), ESPALIER_OK);
    for (size_t r = 1; r < 9; r++) {
        assert_memory_equal(f->out, f->out + r * CLASSES, CLASSES * sizeof(double));
    }
}

static void test_output_sizes(void **state)
{
    fixture *const f = *state;
    const espalier_rows rows = espalier_rows_float32(f->values, 4, FEATURES);
    const size_t needed = 4 * CLASSES * sizeof(double);
    espalier_outputs outputs = {.data = f->out, .data_bytes = needed - 1};
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                     ESPALIER_ERROR_OUTPUT_SIZE);
    assert_untouched_from(f, 0);
    outputs.data_bytes = needed;
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs), ESPALIER_OK);
    assert_untouched_from(f, needed);
    double dense[4 * CLASSES];
    memcpy(dense, f->out, sizeof dense);

    /* Rows apart from each other: the gaps stay, and the last row needs no gap behind it. */
    outputs.row_stride = CLASSES + 2;
    outputs.data_bytes = (3 * outputs.row_stride + CLASSES) * sizeof(double);
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs), ESPALIER_OK);
    for (size_t r = 0; r < 4; r++) {
        assert_memory_equal(f->out + r * outputs.row_stride, dense + r * CLASSES,
                            CLASSES * sizeof(double));
        if (r < 3) {
            const uint8_t *const gap = (const void *)(f->out + r * outputs.row_stride + CLASSES);
            assert_int_equal(gap[0], 0x5A);
        }
    }
    assert_untouched_from(f, outputs.data_bytes);
    outputs.row_stride = CLASSES - 1;
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                     ESPALIER_ERROR_STRIDE);
    outputs.row_stride = SIZE_MAX / 2;
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                     ESPALIER_ERROR_STRIDE);
}

/* Predicts ROWS rows with one value replaced; checks the refusal and what was written. */
static void refuse_value(fixture *f, size_t row, size_t feature, double value,
                         espalier_status expected)
{
    double *const rows_data = malloc(ROWS * FEATURES * sizeof *rows_data);
    assert_non_null(rows_data);
    for (size_t i = 0; i < ROWS * FEATURES; i++) {
        rows_data[i] = f->values[i];
    }
    rows_data[row * FEATURES + feature] = value;
    const espalier_rows rows = espalier_rows_float64(rows_data, ROWS, FEATURES);
    espalier_outputs outputs = {.data = f->out, .data_bytes = sizeof f->out};
    assert_int_equal(predict_into(f, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs), expected);
    if (expected == ESPALIER_OK) {
        assert_int_equal(outputs.rows_written, ROWS);
    } else {
        assert_int_equal(outputs.rows_written, row);
        assert_int_equal(outputs.refused_row, row);
        assert_int_equal(outputs.refused_feature, feature);
        assert_untouched_from(f, row * CLASSES * sizeof(double));
    }
    free(rows_data);
}

static void test_refused_values(void **state)
{
    fixture *const f = *state;
    for (size_t row = 0; row < ROWS; row += 13) {
        for (size_t feature = 0; feature < FEATURES; feature++) {
            refuse_value(f, row, feature, NAN, ESPALIER_ERROR_MISSING);
            refuse_value(f, row, feature, INFINITY, ESPALIER_ERROR_INFINITE);
            refuse_value(f, row, feature, -INFINITY, ESPALIER_ERROR_INFINITE);
            refuse_value(f, row, feature, 1e39, ESPALIER_ERROR_INFINITE);
            refuse_value(f, row, feature, -1e39, ESPALIER_ERROR_INFINITE);
            refuse_value(f, row, feature, (double)FLT_MAX, ESPALIER_OK);
            /* Rounds down to the largest float32, and half a step further up to infinity. */
            refuse_value(f, row, feature, 0x1.fffffefffffffp+127, ESPALIER_OK);
            refuse_value(f, row, feature, 0x1.ffffffp+127, ESPALIER_ERROR_INFINITE);
            refuse_value(f, row, feature, 1e-300, ESPALIER_OK);
        }
    }
}

static void test_missing_allowed(void **state)
{
    (void)state;
    fixture *const f = fixture_make(true);
    refuse_value(f, 5, 2, NAN, ESPALIER_OK);
    refuse_value(f, 5, 2, INFINITY, ESPALIER_ERROR_INFINITE);
    fixture_free(f);
}

static void test_unchecked(void **state)
{
    fixture *const f = *state;
    espalier_predictor *const checked = f->predictor;
    f->predictor = predictor_of(f->model, ESPALIER_PREDICTOR_UNCHECKED);
    refuse_value(f, 3, 1, NAN, ESPALIER_OK);
    refuse_value(f, 3, 1, 1e300, ESPALIER_OK);
    espalier_predictor_destroy(f->predictor);
    f->predictor = checked;
}

/* Trees [first, first + count) only, divided by their number. */
static void test_iteration_ranges(void **state)
{
    fixture *const f = *state;
    const uint32_t ranges[][2] = {{0, 1}, {0, TREES}, {5, 7}, {TREES - 1, 1}, {3, 16}, {1, 18}};
    double *const slots = malloc(ROWS * CLASSES * sizeof *slots);
    assert_non_null(slots);
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
        options.iteration_first = ranges[i][0];
        options.iteration_count = ranges[i][1];
        espalier_predictor *predictor = NULL;
        assert_int_equal(espalier_predictor_create(f->model, &options, &predictor), ESPALIER_OK);
        const espalier_rows rows = espalier_rows_float32(f->values, ROWS, FEATURES);
        espalier_outputs outputs = {.data = f->out, .data_bytes = sizeof f->out};
        assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                         ESPALIER_OK);
        espalier_predictor_destroy(predictor);
        espalier_forest part = f->forest;
        part.trees += ranges[i][0];
        part.tree_count = ranges[i][1];
        espalier_reference_evaluate(&part, f->values, ROWS, slots, NULL);
        assert_memory_equal(f->out, slots, ROWS * CLASSES * sizeof *slots);
    }
    free(slots);
    const uint32_t bad[][2] = {{0, TREES + 1}, {TREES, 1}, {UINT32_MAX, 2}, {1, UINT32_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
        options.iteration_first = bad[i][0];
        options.iteration_count = bad[i][1];
        espalier_predictor *predictor = NULL;
        assert_int_equal(espalier_predictor_create(f->model, &options, &predictor),
                         ESPALIER_ERROR_ARGUMENT);
        assert_null(predictor);
    }
}

static void test_predictor_options(void **state)
{
    fixture *const f = *state;
    espalier_predictor *predictor = NULL;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    assert_int_equal(espalier_predictor_create(NULL, NULL, &predictor), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_predictor_create(f->model, NULL, NULL), ESPALIER_ERROR_ARGUMENT);
    options.struct_bytes = 1;
    assert_int_equal(espalier_predictor_create(f->model, &options, &predictor),
                     ESPALIER_ERROR_OPTIONS);
    options.struct_bytes = sizeof options;
    options.flags = UINT64_C(1) << 40;
    assert_int_equal(espalier_predictor_create(f->model, &options, &predictor),
                     ESPALIER_ERROR_OPTIONS);
    options.flags = 0;
    options.reserved[3] = 1;
    assert_int_equal(espalier_predictor_create(f->model, &options, &predictor),
                     ESPALIER_ERROR_OPTIONS);
    options.reserved[3] = 0;
    options.block_rows_max = 4097;
    assert_int_equal(espalier_predictor_create(f->model, &options, &predictor),
                     ESPALIER_ERROR_ARGUMENT);
    options.block_rows_max = 0;
    options.isa = 99;
    assert_int_equal(espalier_predictor_create(f->model, &options, &predictor), ESPALIER_ERROR_ISA);
    options.isa = ESPALIER_ISA_AUTO;
    assert_int_equal(setenv("ESPALIER_ISA", "avx9", 1), 0);
    assert_int_equal(espalier_predictor_create(f->model, &options, &predictor), ESPALIER_ERROR_ISA);
    assert_int_equal(setenv("ESPALIER_ISA", "scalar", 1), 0);
    assert_null(predictor);
    assert_int_equal(espalier_predictor_create(f->model, &options, &predictor), ESPALIER_OK);
    espalier_predictor_destroy(predictor);
    assert_int_equal(unsetenv("ESPALIER_ISA"), 0);
    espalier_predictor_destroy(NULL);
    assert_string_equal(espalier_predictor_kernel(NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strides, setup, teardown),
        cmocka_unit_test_setup_teardown(test_output_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_values, setup, teardown),
        cmocka_unit_test(test_missing_allowed),
        cmocka_unit_test_setup_teardown(test_unchecked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_iteration_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_predictor_options, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
