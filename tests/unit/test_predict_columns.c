// SPDX-License-Identifier: Apache-2.0
/*
 * espalier_predict_columns: columns of every dtype give the bits of the rows that they stand for,
 * whatever the strides, bits of validity, dictionaries and blocks; what it refuses, and what it
 * leaves behind then. And binding columns by name.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES 13u
#define ROWS     1500u /* some blocks, and rows left over */

typedef struct fixture {
    espalier_forest forest;
    model_bytes bytes;
    espalier_model *model;
    espalier_predictor *predictor;
    double out[ROWS];
    double expected[ROWS];
} fixture;

/* One column for each dtype, [ROWS] each, and the rows that they stand for. */
typedef struct table {
    float f32[ROWS];
    double f64[ROWS];
    int8_t i8[ROWS];
    int16_t i16[ROWS];
    int32_t i32[ROWS];
    int64_t i64[ROWS];
    uint8_t u8[ROWS];
    uint16_t u16[ROWS];
    uint32_t u32[ROWS];
    uint64_t u64[ROWS];
    uint8_t truth[ROWS];
    uint8_t bits[ROWS / 8 + 2];
    int8_t codes[ROWS];
    double dictionary[4];
    uint8_t validity[ROWS / 8 + 2];
    double rows[ROWS * FEATURES];
    float narrow_rows[ROWS * FEATURES];
} table;

static fixture *fixture_make(synthetic_trainer trainer, bool missing_allowed)
{
    const synthetic_options options = {.seed = 5,
                                       .tree_count = 30,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 40,
                                       .group_count = 1,
                                       .trainer = trainer,
                                       .missing_allowed = missing_allowed,
                                       .named = true};
    fixture *const f = calloc(1, sizeof *f);
    assert_non_null(f);
    synthetic_forest_make(&options, &f->forest);
    f->bytes = model_bytes_of(&f->forest, 0);
    assert_int_equal(espalier_model_open_memory(f->bytes.data, f->bytes.bytes, NULL, &f->model,
                                                NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_predictor_create(f->model, NULL, &f->predictor), ESPALIER_OK);
    return f;
}

static void fixture_free(fixture *f)
{
    espalier_predictor_destroy(f->predictor);
    espalier_model_close(f->model);
    model_bytes_free(&f->bytes);
    espalier_forest_free(&f->forest);
    free(f);
}

static void set_bit(uint8_t *bits, size_t index, bool value)
{
    bits[index / 8] =
        (uint8_t)((bits[index / 8] & ~(1u << index % 8)) | (unsigned)value << index % 8);
}

/* Values near thresholds where the dtype can hold such, and the same in `rows`. */
static table *table_make(const fixture *f)
{
    table *const t = calloc(1, sizeof *t);
    double *const near = model_rows_make_float64(&f->forest, 77, ROWS, 0);
    assert_non_null(t);
    for (size_t i = 0; i < (size_t)ROWS * FEATURES; i++) { /* none that a forest refuses */
        near[i] = fabs(near[i]) < 1e30 ? near[i] : (double)i;
    }
    for (size_t r = 0; r < ROWS; r++) {
        const double *const from = near + r * FEATURES;
        double *const to = t->rows + r * FEATURES;
        uint64_t noise = (r + 1) * UINT64_C(0x9E3779B97F4A7C15);
        to[0] = (double)(t->f32[r] = (float)from[0]);
        to[1] = t->f64[r] = from[1];
        to[2] = (double)(t->i8[r] = (int8_t)(noise >> 56));
        to[3] = (double)(t->i16[r] = (int16_t)(noise >> 48));
        to[4] = (double)(t->i32[r] = (int32_t)(noise >> 32));
        to[5] = (double)(t->i64[r] = (int64_t)noise);
        to[6] = (double)(t->u8[r] = (uint8_t)(noise >> 40));
        to[7] = (double)(t->u16[r] = (uint16_t)(noise >> 24));
        to[8] = (double)(t->u32[r] = (uint32_t)(noise >> 16));
        to[9] = (double)(t->u64[r] = noise);
        t->truth[r] = noise >> 63 != 0 ? 3 : 0;
        to[10] = t->truth[r] != 0 ? 1.0 : 0.0;
        set_bit(t->bits, r + 3, (noise >> 62 & 1) != 0);
        to[11] = (double)(noise >> 62 & 1);
        t->codes[r] = (int8_t)(noise >> 60 & 3);
        t->dictionary[r % 4] = near[(r % 4) * FEATURES + 12];
        set_bit(t->validity, r + 5, (noise >> 50 & 7) != 0);
    }
    for (size_t r = 0; r < ROWS; r++) {
        t->rows[r * FEATURES + 12] = t->dictionary[t->codes[r]];
    }
    free(near);
    return t;
}

static espalier_feature_column column_of(const void *data, uint32_t dtype)
{
    espalier_feature_column column = ESPALIER_FEATURE_COLUMN_INIT;
    column.data = data;
    column.dtype = dtype;
    return column;
}

/* All columns of the table; *dictionary is that of the last. */
static void take_columns(const table *t, espalier_feature_column *columns,
                         espalier_feature_column *dictionary)
{
    columns[0] = column_of(t->f32, ESPALIER_DTYPE_FLOAT32);
    columns[1] = column_of(t->f64, ESPALIER_DTYPE_FLOAT64);
    columns[2] = column_of(t->i8, ESPALIER_DTYPE_INT8);
    columns[3] = column_of(t->i16, ESPALIER_DTYPE_INT16);
    columns[4] = column_of(t->i32, ESPALIER_DTYPE_INT32);
    columns[5] = column_of(t->i64, ESPALIER_DTYPE_INT64);
    columns[6] = column_of(t->u8, ESPALIER_DTYPE_UINT8);
    columns[7] = column_of(t->u16, ESPALIER_DTYPE_UINT16);
    columns[8] = column_of(t->u32, ESPALIER_DTYPE_UINT32);
    columns[9] = column_of(t->u64, ESPALIER_DTYPE_UINT64);
    columns[10] = column_of(t->truth, ESPALIER_DTYPE_BOOL);
    columns[11] = column_of(t->bits, ESPALIER_DTYPE_BOOL_BIT);
    columns[11].bit_offset = 3;
    columns[12] = column_of(t->codes, ESPALIER_DTYPE_INT8);
    *dictionary = column_of(t->dictionary, ESPALIER_DTYPE_FLOAT64);
    columns[12].dictionary = dictionary;
    columns[12].dictionary_count = 4;
}

static espalier_status predict(fixture *f, const espalier_feature_column *columns, size_t row_count,
                               uint32_t dtype, espalier_outputs *outputs)
{
    const espalier_feature_columns all = {columns, FEATURES, row_count, dtype, 0};
    memset(f->out, 0x5A, sizeof f->out);
    *outputs = (espalier_outputs){.data = f->out, .data_bytes = sizeof f->out};
    return espalier_predict_columns(f->predictor, ESPALIER_OUTPUT_VALUE, &all, outputs);
}

/* Columns give the bits of these rows, which are expected to be taken. */
static void check_against_rows(fixture *f, const espalier_feature_column *columns, uint32_t dtype,
                               const espalier_rows *rows)
{
    espalier_outputs outputs = {.data = f->expected, .data_bytes = sizeof f->expected};
    memset(f->expected, 0x5A, sizeof f->expected);
    assert_int_equal(espalier_predict(f->predictor, ESPALIER_OUTPUT_VALUE, rows, &outputs),
                     ESPALIER_OK);
    assert_int_equal(predict(f, columns, rows->row_count, dtype, &outputs), ESPALIER_OK);
    assert_int_equal(outputs.rows_written, rows->row_count);
    assert_memory_equal(f->out, f->expected, sizeof f->out);
    /* The rows do differ from each other, so that a mix-up is seen. */
    const float *const first = (const void *)f->out;
    bool differ = false;
    for (size_t r = 1; r < rows->row_count; r++) {
        differ = differ || memcmp(first + r, first, sizeof *first) != 0;
    }
    assert_true(differ);
}

static void check_trainer(synthetic_trainer trainer, bool missing_allowed)
{
    fixture *const f = fixture_make(trainer, missing_allowed);
    table *const t = table_make(f);
    espalier_feature_column columns[FEATURES];
    espalier_feature_column dictionary;
    take_columns(t, columns, &dictionary);
    const espalier_rows rows = espalier_rows_float64(t->rows, ROWS, FEATURES);
    check_against_rows(f, columns, 0, &rows);
    check_against_rows(f, columns, ESPALIER_DTYPE_FLOAT64, &rows);
    for (size_t i = 0; i < ROWS * FEATURES; i++) {
        t->narrow_rows[i] = (float)t->rows[i];
    }
    for (size_t r = 0; r < ROWS; r++) { /* not by way of float64 */
        t->narrow_rows[r * FEATURES + 5] = (float)t->i64[r];
        t->narrow_rows[r * FEATURES + 9] = (float)t->u64[r];
    }
    const espalier_rows narrow = espalier_rows_float32(t->narrow_rows, ROWS, FEATURES);
    check_against_rows(f, columns, ESPALIER_DTYPE_FLOAT32, &narrow);
    free(t);
    fixture_free(f);
}

static void test_every_dtype(void **state)
{
    (void)state;
    check_trainer(SYNTHETIC_FOREST, false);
    check_trainer(SYNTHETIC_XGBOOST, true);
    check_trainer(SYNTHETIC_LIGHTGBM, true);
}

/* Without a dtype, rows are float32 only where NumPy would make them so. */
static void test_common_dtype(void **state)
{
    (void)state;
    fixture *const f = fixture_make(SYNTHETIC_LIGHTGBM, true);
    table *const t = table_make(f);
    espalier_feature_column columns[FEATURES];
    espalier_outputs outputs;
    for (uint32_t i = 0; i < FEATURES; i++) {
        columns[i] = column_of(t->i32, ESPALIER_DTYPE_INT16);
    }
    /* Without any float32 they are float64. */
    assert_int_equal(predict(f, columns, ROWS, 0, &outputs), ESPALIER_OK);
    memcpy(f->expected, f->out, sizeof f->out);
    assert_int_equal(predict(f, columns, ROWS, ESPALIER_DTYPE_FLOAT64, &outputs), ESPALIER_OK);
    assert_memory_equal(f->out, f->expected, sizeof f->out);
    /* A number of 40 bits beside float32: NumPy makes float64 of both. */
    for (size_t r = 0; r < ROWS; r++) {
        t->i64[r] >>= 24;
    }
    columns[1] = column_of(t->f32, ESPALIER_DTYPE_FLOAT32);
    assert_int_equal(predict(f, columns, ROWS, 0, &outputs), ESPALIER_OK);
    memcpy(f->expected, f->out, sizeof f->out);
    assert_int_equal(predict(f, columns, ROWS, ESPALIER_DTYPE_FLOAT32, &outputs), ESPALIER_OK);
    assert_memory_equal(f->out, f->expected, sizeof f->out);
    for (uint32_t i = 0; i < FEATURES; i += 2) {
        columns[i] = column_of(t->i64, ESPALIER_DTYPE_INT64);
    }
    assert_int_equal(predict(f, columns, ROWS, 0, &outputs), ESPALIER_OK);
    memcpy(f->expected, f->out, sizeof f->out);
    assert_int_equal(predict(f, columns, ROWS, ESPALIER_DTYPE_FLOAT64, &outputs), ESPALIER_OK);
    assert_memory_equal(f->out, f->expected, sizeof f->out);
    free(t);
    fixture_free(f);
}

static void test_missing(void **state)
{
    (void)state;
    fixture *const f = fixture_make(SYNTHETIC_LIGHTGBM, true);
    table *const t = table_make(f);
    espalier_feature_column columns[FEATURES];
    espalier_feature_column dictionary;
    take_columns(t, columns, &dictionary);
    const uint8_t dictionary_validity = 0x0B << 2; /* entry 2 of 4 is missing */
    dictionary.validity = &dictionary_validity;
    dictionary.bit_offset = 2;
    for (size_t r = 0; r < ROWS; r++) {
        const size_t bit = r + 5;
        const bool valid = (t->validity[bit / 8] >> bit % 8 & 1) != 0;
        for (size_t i = 0; i < FEATURES && !valid; i += 2) {
            t->rows[r * FEATURES + i] = (double)NAN;
        }
        if (r % 11 == 0) { /* what pandas has for a missing category, and more */
            t->codes[r] = r % 2 == 0 ? -1 : 4;
        }
        if (t->codes[r] < 0 || t->codes[r] > 3 || t->codes[r] == 2) {
            t->rows[r * FEATURES + 12] = (double)NAN;
        }
    }
    for (size_t i = 0; i < FEATURES; i += 2) {
        columns[i].validity = t->validity;
        columns[i].bit_offset = 5;
    }
    const espalier_rows rows = espalier_rows_float64(t->rows, ROWS, FEATURES);
    check_against_rows(f, columns, 0, &rows);
    free(t);
    fixture_free(f);
}

/* Backwards, every third, repeated, and not aligned. */
static void test_strides(void **state)
{
    (void)state;
    fixture *const f = fixture_make(SYNTHETIC_LIGHTGBM, true);
    table *const t = table_make(f);
    espalier_feature_column columns[FEATURES];
    espalier_feature_column dictionary;
    const size_t count = ROWS / 3;
    uint8_t *const shifted = malloc(sizeof t->i64 + 1);
    assert_non_null(shifted);
    take_columns(t, columns, &dictionary);
    memcpy(shifted + 1, t->i64, sizeof t->i64);
    columns[5].data = shifted + 1;
    columns[0].data = t->f32 + ROWS - 1;
    columns[0].stride = -1;
    columns[1].stride = 3;
    columns[8].stride = 0;
    columns[12].stride = 2;
    for (size_t r = 0; r < count; r++) {
        t->rows[r * FEATURES] = (double)t->f32[ROWS - 1 - r];
        t->rows[r * FEATURES + 1] = t->f64[3 * r];
        t->rows[r * FEATURES + 8] = (double)t->u32[0];
        t->rows[r * FEATURES + 12] = t->dictionary[t->codes[2 * r]];
    }
    const espalier_rows rows = espalier_rows_float64(t->rows, count, FEATURES);
    check_against_rows(f, columns, 0, &rows);
    free(shifted);
    free(t);
    fixture_free(f);
}

/* Rows before the refused one are written, later ones are not, in any block. */
static void test_refused_rows(void **state)
{
    (void)state;
    fixture *const f = fixture_make(SYNTHETIC_FOREST, false);
    table *const t = table_make(f);
    espalier_feature_column columns[FEATURES];
    espalier_feature_column dictionary;
    espalier_outputs outputs;
    take_columns(t, columns, &dictionary);
    for (size_t row = 0; row < ROWS; row += 373) {
        memset(t->validity, 0xFF, sizeof t->validity);
        set_bit(t->validity, row, false);
        columns[7].validity = t->validity;
        assert_int_equal(predict(f, columns, ROWS, 0, &outputs), ESPALIER_ERROR_MISSING);
        assert_int_equal(outputs.rows_written, row);
        assert_int_equal(outputs.refused_row, row);
        assert_int_equal(outputs.refused_feature, 7);
        const uint8_t *const behind = (const void *)(f->out + row);
        for (size_t i = 0; i < sizeof f->out - row * sizeof *f->out; i++) {
            assert_int_equal(behind[i], 0x5A);
        }
    }
    free(t);
    fixture_free(f);
}

static void expect_refusal(fixture *f, const espalier_feature_column *columns, size_t rows,
                           espalier_status status, size_t feature)
{
    espalier_outputs outputs;
    assert_int_equal(predict(f, columns, rows, 0, &outputs), status);
    assert_int_equal(outputs.refused_feature, feature);
    const uint8_t *const out = (const void *)f->out;
    for (size_t i = 0; i < sizeof f->out; i++) {
        assert_int_equal(out[i], 0x5A);
    }
}

static void test_refused_columns(void **state)
{
    (void)state;
    fixture *const f = fixture_make(SYNTHETIC_FOREST, false);
    table *const t = table_make(f);
    espalier_feature_column good[FEATURES];
    espalier_feature_column columns[FEATURES];
    espalier_feature_column dictionary;
    take_columns(t, good, &dictionary);
#define TRY(i, change, status)             \
    memcpy(columns, good, sizeof columns); \
    take_columns(t, good, &dictionary);    \
    columns[i].change;                     \
    expect_refusal(f, columns, 3, ESPALIER_ERROR_##status, i)
    TRY(2, data = NULL, ARGUMENT);
    TRY(3, reserved = 1, ARGUMENT);
    TRY(3, dtype = 0, DTYPE);
    TRY(3, dtype = ESPALIER_DTYPE_STRING32, DTYPE);
    TRY(3, dtype = ESPALIER_DTYPE_STRING64, DTYPE);
    TRY(3, dtype = 4000, DTYPE);
    TRY(4, stride = PTRDIFF_MAX, STRIDE);
    TRY(4, stride = PTRDIFF_MIN, STRIDE);
    TRY(4, stride = PTRDIFF_MAX / 4, STRIDE);
    TRY(4, stride = PTRDIFF_MIN / 4, STRIDE);
    TRY(2, stride = -((ptrdiff_t)1 << 60), STRIDE);         /* before address 0 */
    TRY(2, data = (const void *)(UINTPTR_MAX - 1), STRIDE); /* behind the last */
    TRY(11, stride = 2, STRIDE);
    TRY(11, data = NULL, ARGUMENT);
    TRY(5, bit_offset = SIZE_MAX, STRIDE);
    TRY(12, dictionary = NULL, ARGUMENT);
    TRY(12, dtype = ESPALIER_DTYPE_FLOAT32, DTYPE);
    TRY(12, dictionary = &columns[12], ARGUMENT);
#undef TRY
    memcpy(columns, good, sizeof columns);
    dictionary.stride = 2;
    expect_refusal(f, columns, 3, ESPALIER_ERROR_STRIDE, 12);
    dictionary.stride = 1;
    dictionary.data = NULL;
    expect_refusal(f, columns, 3, ESPALIER_ERROR_ARGUMENT, 12);
    dictionary.data = t->dictionary;
    dictionary.dictionary_count = 1;
    expect_refusal(f, columns, 3, ESPALIER_ERROR_ARGUMENT, 12);
    dictionary.dictionary_count = 0;
    columns[1].stride = 0;
    for (size_t i = 0; i < FEATURES; i++) {
        columns[i].stride = i != 11 ? 0 : 1;
    }
    columns[11] = columns[10];
    expect_refusal(f, columns, SIZE_MAX, ESPALIER_ERROR_STRIDE, 0);
    free(t);
    fixture_free(f);
}

static void test_refused_calls(void **state)
{
    (void)state;
    fixture *const f = fixture_make(SYNTHETIC_FOREST, false);
    table *const t = table_make(f);
    espalier_feature_column columns[FEATURES];
    espalier_feature_column dictionary;
    take_columns(t, columns, &dictionary);
    const espalier_feature_columns good = {columns, FEATURES, 3, 0, 0};
    espalier_outputs outputs = {.data = f->out, .data_bytes = sizeof f->out};
    const espalier_output_kind kind = ESPALIER_OUTPUT_VALUE;
    espalier_predictor *const p = f->predictor;
    assert_int_equal(espalier_predict_columns(p, kind, &good, &outputs), ESPALIER_OK);
    assert_int_equal(espalier_predict_columns(NULL, kind, &good, &outputs),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_predict_columns(p, kind, NULL, &outputs), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_predict_columns(p, kind, &good, NULL), ESPALIER_ERROR_ARGUMENT);
    espalier_feature_columns bad = good;
    bad.columns = NULL;
    assert_int_equal(espalier_predict_columns(p, kind, &bad, &outputs), ESPALIER_ERROR_ARGUMENT);
    bad = good;
    bad.reserved = 1;
    assert_int_equal(espalier_predict_columns(p, kind, &bad, &outputs), ESPALIER_ERROR_ARGUMENT);
    bad = good;
    bad.dtype = ESPALIER_DTYPE_INT32;
    assert_int_equal(espalier_predict_columns(p, kind, &bad, &outputs), ESPALIER_ERROR_DTYPE);
    bad = good;
    bad.feature_count--;
    assert_int_equal(espalier_predict_columns(p, kind, &bad, &outputs),
                     ESPALIER_ERROR_FEATURE_COUNT);
    assert_int_equal(espalier_predict_columns(p, ESPALIER_OUTPUT_CLASS, &good, &outputs),
                     ESPALIER_ERROR_OUTPUT_KIND);
    outputs.data_bytes = 3 * sizeof(double) - 1;
    assert_int_equal(espalier_predict_columns(p, kind, &good, &outputs),
                     ESPALIER_ERROR_OUTPUT_SIZE);
    /* No rows, no data. */
    for (size_t i = 0; i < FEATURES; i++) {
        columns[i].data = NULL;
    }
    bad = good;
    bad.row_count = 0;
    outputs = (espalier_outputs){.rows_written = 7};
    assert_int_equal(espalier_predict_columns(p, kind, &bad, &outputs), ESPALIER_OK);
    assert_int_equal(outputs.rows_written, 0);
    free(t);
    fixture_free(f);
}

static void test_feature_order(void **state)
{
    (void)state;
    fixture *const f = fixture_make(SYNTHETIC_FOREST, false);
    const char *names[FEATURES + 3] = {0};
    size_t order[FEATURES];
    uint32_t missing = 0;
    /* Backwards, among names that are not the model's and one that is NULL. */
    for (uint32_t i = 0; i < FEATURES; i++) {
        names[FEATURES + 1 - i] = espalier_model_feature_name(f->model, i);
        assert_non_null(names[FEATURES + 1 - i]);
    }
    names[0] = "none";
    assert_int_equal(espalier_model_feature_order(f->model, names, FEATURES + 3, order, &missing),
                     ESPALIER_OK);
    for (size_t i = 0; i < FEATURES; i++) {
        assert_int_equal(order[i], FEATURES + 1 - i);
    }
    names[FEATURES + 1 - 4] = "another";
    memset(order, 0x5A, sizeof order);
    const size_t untouched = order[0];
    assert_int_equal(espalier_model_feature_order(f->model, names, FEATURES + 3, order, &missing),
                     ESPALIER_ERROR_FEATURE_COUNT);
    assert_int_equal(missing, 4);
    assert_int_equal(order[0], untouched);
    assert_int_equal(espalier_model_feature_order(f->model, names, 0, order, NULL),
                     ESPALIER_ERROR_FEATURE_COUNT);
    assert_int_equal(espalier_model_feature_order(NULL, names, 1, order, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_feature_order(f->model, NULL, 1, order, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_feature_order(f->model, names, 1, NULL, NULL),
                     ESPALIER_ERROR_ARGUMENT);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dtype),   cmocka_unit_test(test_common_dtype),
        cmocka_unit_test(test_missing),       cmocka_unit_test(test_strides),
        cmocka_unit_test(test_refused_rows),  cmocka_unit_test(test_refused_columns),
        cmocka_unit_test(test_refused_calls), cmocka_unit_test(test_feature_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
