// SPDX-License-Identifier: Apache-2.0
/*
 * CATEGORIES: strings in columns stand for the numbers that rows have (F-446, F-447), for what the
 * trainer takes unknown ones for, and for missing values; each broken rule is found (F-440 to
 * F-445, F-142); hostile sections are refused or harmless.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/categories.h"
#include "convert/preparation.h"
#include "engine/category_lists.h"
#include "engine/model.h"
#include "espalier.h"
#include "format/rules.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES 4u
#define ROWS     700u
#define TEXTS    40u

/* Feature 1 has many strings in no order, feature 3 few and refuses others. */
static espalier_forest forest;
static model_bytes sound;
static espalier_model *model;
static espalier_predictor *predictor;
static char texts[TEXTS][24];

static int make_model(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 8,
                                       .tree_count = 25,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 30,
                                       .group_count = 1,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .missing_allowed = true};
    uint32_t number = 0;
    synthetic_forest_make(&options, &forest);
    for (uint32_t i = 0; i < TEXTS; i++) {
        /* Prefixes of each other, UTF-8, and nothing at all. */
        if (i != 7) {
            (void)snprintf(texts[i], sizeof texts[i], "%s%u", i % 3 == 0 ? "\xC3\xA4" : "c",
                           (i * 17 + 5) % TEXTS);
        }
        assert_int_equal(espalier_categories_add(&forest.categories, 1, texts[i], strlen(texts[i]),
                                                 &number),
                         ESPALIER_OK);
        assert_int_equal(number, i);
    }
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(espalier_categories_add(&forest.categories, 3, &"abc"[i], 1, &number),
                         ESPALIER_OK);
    }
    espalier_categories_of(&forest.categories, 1)->unknown = -7.0;
    espalier_categories_of(&forest.categories, 3)->refuses = true;
    /* Thresholds among the numbers of categories, so that each makes a difference. */
    for (uint64_t i = 0; i < forest.node_count; i++) {
        if (forest.feature[i] == 1 || forest.feature[i] == 3) {
            forest.threshold[i] = (double)(i % TEXTS) - 8.0;
        }
    }
    sound = model_bytes_of(&forest, 0);
    assert_int_equal(espalier_model_open_memory(sound.data, sound.bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
    return espalier_predictor_create(model, NULL, &predictor) == ESPALIER_OK ? 0 : -1;
}

static int free_model(void **state)
{
    (void)state;
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    model_bytes_free(&sound);
    espalier_forest_free(&forest);
    return 0;
}

/* Strings by offsets, and the number that each stands for. */
typedef struct strings {
    int32_t offsets[ROWS + 1];
    int64_t wide[ROWS + 1];
    char text[ROWS * 24];
    uint8_t validity[ROWS / 8 + 1];
    double numbers[ROWS];
} strings;

static strings *make_strings(void)
{
    strings *const s = calloc(1, sizeof *s);
    assert_non_null(s);
    int32_t end = 0;
    for (uint32_t r = 0; r < ROWS; r++) {
        const uint32_t pick = r * 31 % (TEXTS + 3);
        const bool known = pick < TEXTS;
        const char *const text = known ? texts[pick] : pick == TEXTS ? "c" : "c4\xC3\xA4";
        const bool valid = r % 13 != 4;
        memcpy(s->text + end, text, strlen(text));
        end += (int32_t)strlen(text);
        s->offsets[r + 1] = end;
        s->wide[r + 1] = end;
        s->validity[r / 8] = (uint8_t)(s->validity[r / 8] | (valid ? 1u << r % 8 : 0));
        s->numbers[r] = !valid ? (double)NAN : known ? (double)pick : -7.0;
    }
    return s;
}

static void compare(const espalier_feature_column *columns, const double *rows, size_t count)
{
    static double expected[ROWS];
    static double found[ROWS];
    const espalier_rows given = espalier_rows_float64(rows, count, FEATURES);
    const espalier_feature_columns all = {columns, FEATURES, count, 0, 0};
    espalier_outputs outputs = {.data = expected, .data_bytes = sizeof expected};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_VALUE, &given, &outputs),
                     ESPALIER_OK);
    outputs.data = found;
    assert_int_equal(espalier_predict_columns(predictor, ESPALIER_OUTPUT_VALUE, &all, &outputs),
                     ESPALIER_OK);
    assert_memory_equal(expected, found, count * sizeof *found);
}

static void take_columns(espalier_feature_column *columns, double *values, const double *rows)
{
    const espalier_feature_column init = ESPALIER_FEATURE_COLUMN_INIT;
    for (uint32_t i = 0; i < FEATURES; i++) {
        for (uint32_t r = 0; r < ROWS; r++) {
            values[i * ROWS + r] = rows[r * FEATURES + i];
        }
        columns[i] = init;
        columns[i].data = values + i * ROWS;
        columns[i].dtype = ESPALIER_DTYPE_FLOAT64;
    }
}

static double *make_rows(const strings *s)
{
    double *const rows = model_rows_make_float64(&forest, 3, ROWS, 1);
    for (uint32_t r = 0; r < ROWS; r++) {
        rows[r * FEATURES + 1] = s->numbers[r];
        rows[r * FEATURES + 3] = (double)(r % 3);
    }
    return rows;
}

static void test_strings(void **state)
{
    (void)state;
    static double values[ROWS * FEATURES];
    espalier_feature_column columns[FEATURES];
    strings *const s = make_strings();
    double *const rows = make_rows(s);
    take_columns(columns, values, rows);
    columns[1].data = s->offsets;
    columns[1].text = s->text;
    columns[1].text_bytes = (size_t)s->offsets[ROWS];
    columns[1].validity = s->validity;
    columns[1].dtype = ESPALIER_DTYPE_STRING32;
    compare(columns, rows, ROWS);
    columns[1].data = s->wide;
    columns[1].dtype = ESPALIER_DTYPE_STRING64;
    compare(columns, rows, ROWS);
    /* Every second row; and the first string of all. */
    columns[1].stride = 2;
    columns[1].validity = NULL;
    columns[1].text_bytes = (size_t)s->wide[ROWS];
    for (uint32_t r = 0; 2 * r < ROWS; r++) {
        const uint32_t pick = 2 * r * 31 % (TEXTS + 3);
        rows[r * FEATURES + 1] = pick < TEXTS ? (double)pick : -7.0;
    }
    compare(columns, rows, ROWS / 2);
    columns[1].stride = 0;
    for (uint32_t r = 0; r < ROWS; r++) {
        rows[r * FEATURES + 1] = 0.0;
    }
    compare(columns, rows, ROWS);
    free(rows);
    free(s);
}

/* Integers that number a caller's own strings. */
static void test_dictionary(void **state)
{
    (void)state;
    static double values[ROWS * FEATURES];
    static uint16_t codes[ROWS];
    espalier_feature_column columns[FEATURES];
    espalier_feature_column dictionary = ESPALIER_FEATURE_COLUMN_INIT;
    strings *const s = make_strings();
    double *const rows = make_rows(s);
    take_columns(columns, values, rows);
    dictionary.data = s->offsets;
    dictionary.text = s->text;
    dictionary.text_bytes = (size_t)s->offsets[ROWS];
    dictionary.validity = s->validity;
    dictionary.dtype = ESPALIER_DTYPE_STRING32;
    for (uint32_t r = 0; r < ROWS; r++) {
        codes[r] = (uint16_t)(r * 7 % (ROWS + 5));
        rows[r * FEATURES + 1] = codes[r] < ROWS ? s->numbers[codes[r]] : (double)NAN;
    }
    columns[1].data = codes;
    columns[1].dtype = ESPALIER_DTYPE_UINT16;
    columns[1].dictionary = &dictionary;
    columns[1].dictionary_count = ROWS;
    compare(columns, rows, ROWS);
    free(rows);
    free(s);
}

static void test_names(void **state)
{
    (void)state;
    size_t bytes = 0;
    double number = 0.0;
    assert_int_equal(espalier_model_category_count(model, 0), 0);
    assert_int_equal(espalier_model_category_count(model, 1), TEXTS);
    assert_int_equal(espalier_model_category_count(model, 3), 3);
    assert_int_equal(espalier_model_category_count(model, UINT32_MAX), 0);
    assert_int_equal(espalier_model_category_count(NULL, 1), 0);
    for (uint32_t i = 0; i < TEXTS; i++) {
        assert_string_equal(espalier_model_category(model, 1, i, &bytes), texts[i]);
        assert_int_equal(bytes, strlen(texts[i]));
        assert_int_equal(espalier_model_category_number(model, 1, texts[i], strlen(texts[i]),
                                                        &number),
                         ESPALIER_OK);
        assert_true(number == (double)i);
    }
    assert_null(espalier_model_category(model, 1, TEXTS, &bytes));
    assert_null(espalier_model_category(model, 1, TEXTS + 1, &bytes));
    assert_null(espalier_model_category(model, 1, UINT32_MAX, &bytes));
    assert_null(espalier_model_category(model, 1, 0, NULL));
    assert_null(espalier_model_category(model, 2, 0, &bytes));
    assert_null(espalier_model_category(NULL, 1, 0, &bytes));
    assert_int_equal(espalier_model_category_number(model, 1, "zz", 2, &number), ESPALIER_OK);
    assert_true(number == -7.0);
    assert_int_equal(espalier_model_category_number(model, 1, NULL, 0, &number), ESPALIER_OK);
    assert_true(number == 7.0);
    assert_int_equal(espalier_model_category_number(model, 3, "d", 1, &number),
                     ESPALIER_ERROR_CATEGORY);
    assert_int_equal(espalier_model_category_number(model, 2, "d", 1, &number),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_category_number(NULL, 1, "d", 1, &number),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_category_number(model, 3, NULL, 1, &number),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_category_number(model, 3, "a", 1, NULL),
                     ESPALIER_ERROR_ARGUMENT);
}

/* Trees test what a pipeline makes of feature 0, if anything, and feature 1; it drops feature 2. */
static model_bytes make_dropping(bool has_operations)
{
    const synthetic_options options = {.seed = 9,
                                       .tree_count = 3,
                                       .feature_count = 2,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .missing_allowed = true};
    espalier_forest dropping;
    synthetic_forest_make(&options, &dropping);
    dropping.feature_count = 3;
    if (!has_operations) {
        dropping.chosen = true;
        const model_bytes plain = model_bytes_of(&dropping, 0);
        espalier_forest_free(&dropping);
        return plain;
    }
    espalier_preparation *const p = calloc(1, sizeof *p);
    assert_non_null(p);
    dropping.preparation = p;
    p->feature_count = 3;
    p->value_count = 3;
    const double tenth = 0.1;
    espalier_prepare_numbers numbers = {0, 0, 0};
    uint32_t value = 0;
    assert_int_equal(espalier_preparation_add_numbers(p, &tenth, 1, 0, &numbers), ESPALIER_OK);
    assert_int_equal(espalier_preparation_add(p, ESPALIER_PREPARE_ADD, 0, 0, 1, &numbers, &value),
                     ESPALIER_OK);
    for (uint64_t i = 0; i < dropping.node_count; i++) {
        const bool tests_first =
            dropping.left[i] != ESPALIER_FOREST_LEAF && dropping.feature[i] == 0;
        dropping.feature[i] = tests_first ? value : dropping.feature[i];
    }
    const model_bytes bytes = model_bytes_of(&dropping, 0);
    espalier_forest_free(&dropping);
    return bytes;
}

/* Text in a column that nothing looks at was refused, where the trainer does not look either. */
/* [F-518] Text there was refused where the pipeline has no operation. */
static void check_dropped_features(bool has_operations)
{
    static const double rows[2][3] = {{0.5, -1.0, 3.0}, {-2.0, 0.25, (double)NAN}};
    static const int32_t offsets[3] = {0, 4, 4};
    const espalier_feature_column init = ESPALIER_FEATURE_COLUMN_INIT;
    espalier_feature_column columns[3] = {init, init, init};
    espalier_model *small = NULL;
    espalier_predictor *walker = NULL;
    double number = 0.0;
    double expected[2];
    double found[2];
    model_bytes bytes = make_dropping(has_operations);
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &small, NULL),
                     ESPALIER_OK);
    assert_int_equal(espalier_predictor_create(small, NULL, &walker), ESPALIER_OK);
    assert_int_equal(espalier_model_category_count(small, 2), 0);
    assert_int_equal(espalier_model_category_number(small, 2, "Name", 4, &number), ESPALIER_OK);
    assert_true(isnan(number));
    for (uint32_t feature = 0; feature < 4; feature += feature == 1 ? 2 : 1) {
        assert_int_equal(espalier_model_category_number(small, feature, "Name", 4, &number),
                         ESPALIER_ERROR_ARGUMENT);
    }
    for (uint32_t i = 0; i < 3; i++) {
        columns[i].data = &rows[0][i];
        columns[i].dtype = ESPALIER_DTYPE_FLOAT64;
        columns[i].stride = 3;
    }
    const espalier_rows given = espalier_rows_float64(&rows[0][0], 2, 3);
    const espalier_feature_columns all = {columns, 3, 2, 0, 0};
    espalier_outputs outputs = {.data = expected, .data_bytes = sizeof expected};
    assert_int_equal(espalier_predict(walker, ESPALIER_OUTPUT_VALUE, &given, &outputs),
                     ESPALIER_OK);
    espalier_feature_column text = init;
    text.data = offsets;
    text.dtype = ESPALIER_DTYPE_STRING32;
    text.stride = 1;
    text.text = "Name";
    text.text_bytes = 4;
    const espalier_feature_column kept = columns[1];
    columns[2] = text;
    outputs.data = found;
    assert_int_equal(espalier_predict_columns(walker, ESPALIER_OUTPUT_VALUE, &all, &outputs),
                     ESPALIER_OK);
    assert_memory_equal(found, expected, sizeof found);
    columns[1] = text;
    assert_int_equal(espalier_predict_columns(walker, ESPALIER_OUTPUT_VALUE, &all, &outputs),
                     ESPALIER_ERROR_DTYPE);
    assert_int_equal(outputs.refused_feature, 1);
    columns[1] = kept;
    espalier_predictor_destroy(walker);
    espalier_model_close(small);
    model_bytes_free(&bytes);
}

static void test_dropped_features(void **state)
{
    (void)state;
    check_dropped_features(true);
    check_dropped_features(false);
}

/* Each place where a prediction may look at a feature, and what lies beside it. */
static void test_what_is_dropped(void **state)
{
    (void)state;
    espalier_file_model head = {.feature_count = 12};
    /* The last record of each table is behind its count. */
    static const espalier_file_operation operations[] = {{.input = 0}, {.input = 1}, {.input = 11}};
    static const espalier_file_column read[] = {{.kind = ESPALIER_COLUMN_FEATURE, .feature = 2},
                                                {.kind = ESPALIER_COLUMN_CODE, .feature = 3},
                                                {.kind = ESPALIER_COLUMN_LEAF, .feature = 11},
                                                {.kind = ESPALIER_COLUMN_CODE, .feature = 11}};
    static const espalier_file_stage stages[] = {
        {.operation = ESPALIER_STAGE_VALUES, .slot_count = 2, .table = 3},
        {.operation = ESPALIER_STAGE_FLUSHED_VALUES, .slot_count = 1, .table = 5},
        {.operation = ESPALIER_STAGE_ADD, .slot_count = 3, .table = 0},
        {.operation = ESPALIER_STAGE_VALUES, .slot_count = 1, .table = 7}};
    static const double constants[] = {11.0, 11.0, 11.0, 4.0, 5.0, 6.0, 11.0, 11.0};
    espalier_model taken = {.head = &head,
                            .operations = operations,
                            .operation_count = 2,
                            .columns = read,
                            .column_count = 3,
                            .stages = stages,
                            .stage_count = 3,
                            .constants = constants};
    const espalier_table_check check = {.name = "taken"};
    assert_int_equal(espalier_model_find_dropped(&taken, &check), ESPALIER_OK);
    for (uint32_t feature = 0; feature < 24; feature++) {
        const bool is_read = feature < 7;
        assert_int_equal(espalier_feature_is_dropped(&taken, feature), !is_read && feature < 12);
    }
    free(taken.dropped);
    taken.dropped = NULL;
    taken.operation_count = 0;
    assert_int_equal(espalier_model_find_dropped(&taken, &check), ESPALIER_OK);
    assert_false(espalier_feature_is_dropped(&taken, 11));
    head.input_rule = ESPALIER_INPUT_CHOSEN;
    assert_int_equal(espalier_model_find_dropped(&taken, &check), ESPALIER_OK);
    assert_true(espalier_feature_is_dropped(&taken, 11));
    free(taken.dropped);
}

static void test_refusals(void **state)
{
    (void)state;
    static double values[ROWS * FEATURES];
    static int32_t offsets[ROWS + 1];
    static char text[ROWS];
    double found[ROWS];
    espalier_feature_column columns[FEATURES];
    strings *const s = make_strings();
    double *const rows = make_rows(s);
    const espalier_feature_columns all = {columns, FEATURES, ROWS, 0, 0};
    espalier_outputs outputs = {.data = found, .data_bytes = sizeof found};
    take_columns(columns, values, rows);
    for (uint32_t r = 0; r < ROWS; r++) {
        offsets[r + 1] = (int32_t)r + 1;
        text[r] = "abc"[r % 3];
    }
    columns[3].data = offsets;
    columns[3].text = text;
    columns[3].text_bytes = ROWS;
    columns[3].dtype = ESPALIER_DTYPE_STRING32;
    compare(columns, rows, ROWS);
    for (size_t row = 0; row < ROWS; row += 349) {
        text[row] = 'd';
        assert_int_equal(espalier_predict_columns(predictor, ESPALIER_OUTPUT_VALUE, &all, &outputs),
                         ESPALIER_ERROR_CATEGORY);
        assert_int_equal(outputs.refused_row, row);
        assert_int_equal(outputs.rows_written, row);
        assert_int_equal(outputs.refused_feature, 3);
        text[row] = "abc"[row % 3];
    }
    /* Unless nothing is checked: then it is number -1. */
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED;
    espalier_predictor *const checked = predictor;
    assert_int_equal(espalier_predictor_create(model, &options, &predictor), ESPALIER_OK);
    text[500] = 'd';
    rows[500 * FEATURES + 3] = -1.0;
    compare(columns, rows, ROWS);
    espalier_predictor_destroy(predictor);
    predictor = checked;
    /* Offsets that descend, leave the text, or are negative; strings where numbers belong. */
    const int32_t bad[][2] = {{5, 3}, {ROWS, ROWS + 1}, {0, -1}, {ROWS - 1, INT32_MAX}};
    for (size_t i = 0; i < 4; i++) {
        const int32_t good = offsets[bad[i][0]];
        offsets[bad[i][0]] = bad[i][1];
        assert_int_equal(espalier_predict_columns(predictor, ESPALIER_OUTPUT_VALUE, &all, &outputs),
                         ESPALIER_ERROR_ARGUMENT);
        assert_int_equal(outputs.refused_feature, 3);
        offsets[bad[i][0]] = good;
    }
    columns[2] = columns[3];
    assert_int_equal(espalier_predict_columns(predictor, ESPALIER_OUTPUT_VALUE, &all, &outputs),
                     ESPALIER_ERROR_DTYPE);
    assert_int_equal(outputs.refused_feature, 2);
    free(rows);
    free(s);
}

/* Strings without a text are all empty, which is feature 1's number 7. Beside them NumPy's dtype is
 * that of the numbers. */
static void test_no_text(void **state)
{
    (void)state;
    static double values[ROWS * FEATURES];
    static float narrow[ROWS * FEATURES];
    static const int32_t offsets[ROWS + 1];
    espalier_feature_column columns[FEATURES];
    strings *const s = make_strings();
    double *const rows = make_rows(s);
    for (uint32_t r = 0; r < ROWS; r++) {
        rows[r * FEATURES + 1] = 7.0;
    }
    take_columns(columns, values, rows);
    columns[1].data = offsets;
    columns[1].dtype = ESPALIER_DTYPE_STRING32;
    compare(columns, rows, ROWS);
    for (uint32_t i = 0; i < FEATURES; i++) {
        for (uint32_t r = 0; r < ROWS && i != 1; r++) {
            narrow[i * ROWS + r] = (float)values[i * ROWS + r];
            rows[r * FEATURES + i] = (double)narrow[i * ROWS + r];
        }
        columns[i].data = i != 1 ? (const void *)(narrow + (size_t)i * ROWS) : offsets;
        columns[i].dtype = i != 1 ? ESPALIER_DTYPE_FLOAT32 : ESPALIER_DTYPE_STRING32;
    }
    compare(columns, rows, ROWS);
    free(rows);
    free(s);
}

static void expect_refused(const espalier_feature_column *columns, espalier_status status)
{
    double found[3];
    const espalier_feature_columns all = {columns, FEATURES, 3, 0, 0};
    espalier_outputs outputs = {.data = found, .data_bytes = sizeof found};
    assert_int_equal(espalier_predict_columns(predictor, ESPALIER_OUTPUT_VALUE, &all, &outputs),
                     status);
    assert_int_equal(outputs.refused_feature, 1);
}

/* Columns of strings that are none, of a feature that takes strings. */
static void test_refused_strings(void **state)
{
    (void)state;
    static double values[ROWS * FEATURES];
    static const int32_t codes[3];
    espalier_feature_column columns[FEATURES];
    espalier_feature_column dictionary = ESPALIER_FEATURE_COLUMN_INIT;
    strings *const s = make_strings();
    double *const rows = make_rows(s);
    take_columns(columns, values, rows);
    columns[1].data = s->offsets;
    columns[1].dtype = ESPALIER_DTYPE_STRING32;
    columns[1].text_bytes = (size_t)s->offsets[ROWS];
    expect_refused(columns, ESPALIER_ERROR_ARGUMENT); /* bytes of no text */
    columns[1].text = s->text;
    columns[1].data = NULL;
    expect_refused(columns, ESPALIER_ERROR_ARGUMENT);
    columns[1].data = s->offsets;
    columns[1].stride = PTRDIFF_MAX;
    expect_refused(columns, ESPALIER_ERROR_STRIDE);
    columns[1].stride = 1;
    dictionary = columns[1];
    columns[1].dictionary = &dictionary;
    columns[1].dictionary_count = 3;
    expect_refused(columns, ESPALIER_ERROR_DTYPE); /* strings cannot number strings */
    columns[1].data = codes;
    columns[1].dtype = 4000;
    expect_refused(columns, ESPALIER_ERROR_DTYPE);
    columns[1].dtype = ESPALIER_DTYPE_INT32;
    dictionary.text = NULL;
    expect_refused(columns, ESPALIER_ERROR_ARGUMENT);
    free(rows);
    free(s);
}

/* ---- broken files ---- */

static espalier_file_categories *head_of(const model_bytes *m)
{
    return model_bytes_data(m, ESPALIER_SECTION_CATEGORIES);
}

/* Ways to break a rule: a word of the section. */
typedef struct broken {
    uint32_t rule;
    size_t offset;
    uint32_t value;
} broken;

#define LIST(i, field)                                                              \
    (sizeof(espalier_file_categories) + (i) * sizeof(espalier_file_category_list) + \
     offsetof(espalier_file_category_list, field))
#define ORDER(i) (LIST(2, feature) + (i) * sizeof(uint32_t))
#define TABLE    ORDER(TEXTS + 3)

static const broken cases[] = {
    {440, 0, 0},                           /* F-440 */
    {440, 0, UINT32_MAX},                  /* F-440 */
    {440, 4, UINT32_MAX},                  /* F-440 */
    {440, TABLE, TEXTS},                   /* F-440 */
    {140, TABLE + 4, 3},                   /* F-140 */
    {141, TABLE + 8, 0},                   /* F-141 */
    {441, LIST(0, feature), 3},            /* F-441 */
    {441, LIST(1, feature), 1},            /* F-441 */
    {441, LIST(1, feature), FEATURES},     /* F-441 */
    {441, LIST(1, feature), 0},            /* F-441 */
    {441, LIST(1, feature), FEATURES + 1}, /* F-441 */
    {442, LIST(0, first), 1},              /* F-442 */
    {442, LIST(0, count), 0},              /* F-442 */
    {442, LIST(1, count), 2},              /* F-442 */
    {442, LIST(1, count), 4},              /* F-442 */
    {442, LIST(1, count), UINT32_MAX},     /* F-442 */
    {443, LIST(0, flags), 2},              /* F-443 */
    {444, ORDER(0), TEXTS},                /* F-444 */
    {444, ORDER(TEXTS), 2},                /* F-444: descending */
    {444, ORDER(TEXTS), 1},                /* F-444 */
    {444, ORDER(TEXTS + 2), UINT32_MAX},   /* F-444 */
};

static espalier_status open_bytes(const model_bytes *m, espalier_model **model_out,
                                  espalier_error *error_out)
{
    return espalier_model_open_memory(m->data, m->bytes, NULL, model_out, error_out);
}

static void test_broken_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        model_bytes m = model_bytes_copy(&sound);
        espalier_model *opened = NULL;
        espalier_error error = {0};
        memcpy((uint8_t *)head_of(&m) + cases[i].offset, &cases[i].value, sizeof cases[i].value);
        model_bytes_seal(&m);
        const espalier_status status = open_bytes(&m, &opened, &error);
        if (status == ESPALIER_OK || error.format_rule != cases[i].rule) {
            fail_msg("case %zu: rule %u instead of %u", i, (unsigned)error.format_rule,
                     (unsigned)cases[i].rule);
        }
        model_bytes_free(&m);
    }
}

/* The first feature of all may have a list; strings that end before they begin break the rule of
 * strings; and a section may be shorter than its head. */
static void test_edges_of_lists(void **state)
{
    (void)state;
    const uint32_t feature = 0;
    espalier_model *opened = NULL;
    espalier_error error = {0};
    model_bytes m = model_bytes_copy(&sound);
    memcpy((uint8_t *)head_of(&m) + LIST(0, feature), &feature, sizeof feature);
    model_bytes_seal(&m);
    assert_int_equal(open_bytes(&m, &opened, &error), ESPALIER_OK);
    espalier_model_close(opened);
    model_bytes_free(&m);
    const uint64_t bytes = model_bytes_section(&sound, ESPALIER_SECTION_CATEGORIES)->bytes;
    m = model_bytes_copy(&sound);
    model_bytes_resize(&m, ESPALIER_SECTION_CATEGORIES, (int64_t)TABLE - (int64_t)bytes);
    model_bytes_seal(&m);
    assert_int_not_equal(open_bytes(&m, &opened, &error), ESPALIER_OK);
    assert_int_equal(error.format_rule, 140); /* F-140 */
    model_bytes_free(&m);
    m = model_bytes_copy(&sound);
    model_bytes_resize(&m, ESPALIER_SECTION_CATEGORIES, 4 - (int64_t)bytes);
    model_bytes_seal(&m);
    assert_int_equal(open_bytes(&m, &opened, &error), ESPALIER_ERROR_SECTION);
    assert_int_equal(error.format_rule, RULE_CATEGORIES_BYTES);
    model_bytes_free(&m);
}

/* One list of one string, and one for each of many features: each is found. */
static void test_counts_of_lists(void **state)
{
    (void)state;
    enum {
        LISTS = 9
    };
    const synthetic_options options = {.seed = 9,
                                       .tree_count = 2,
                                       .feature_count = LISTS,
                                       .decision_count_max = 5,
                                       .group_count = 1,
                                       .trainer = SYNTHETIC_LIGHTGBM};
    for (uint32_t step = 1; step <= LISTS; step += LISTS - 1) { /* of each feature, of one */
        espalier_forest lists;
        espalier_model *opened = NULL;
        uint32_t number = 0;
        size_t bytes = 0;
        synthetic_forest_make(&options, &lists);
        for (uint32_t i = 0; i < LISTS; i += step) {
            assert_int_equal(espalier_categories_add(&lists.categories, i, &"abcdefghi"[i], 1,
                                                     &number),
                             ESPALIER_OK);
        }
        model_bytes m = model_bytes_of(&lists, 0);
        assert_int_equal(open_bytes(&m, &opened, NULL), ESPALIER_OK);
        for (uint32_t i = 0; i < LISTS; i++) {
            const char *const text = espalier_model_category(opened, i, 0, &bytes);
            assert_int_equal(text != NULL, i % step == 0);
            assert_true(text == NULL || text[0] == "abcdefghi"[i]);
        }
        espalier_model_close(opened);
        model_bytes_free(&m);
        espalier_forest_free(&lists);
    }
}

/* What no one list is to blame for is said of the first. */
static void test_named_list(void **state)
{
    (void)state;
    static const broken whole[] = {{442, LIST(1, count), 2}, {140, TABLE + 4, 3}};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        model_bytes m = model_bytes_copy(&sound);
        espalier_model *opened = NULL;
        espalier_error error = {0};
        memcpy((uint8_t *)head_of(&m) + whole[i].offset, &whole[i].value, sizeof whole[i].value);
        model_bytes_seal(&m);
        assert_int_not_equal(open_bytes(&m, &opened, &error), ESPALIER_OK);
        assert_int_equal(error.format_rule, whole[i].rule);
        assert_non_null(strstr(error.message, "CATEGORIES[0]"));
        model_bytes_free(&m);
    }
}

static void test_broken_text(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    espalier_model *opened = NULL;
    espalier_error error = {0};
    /* Of the string that sorts last, the last byte, so that the order stays. */
    uint8_t *const data = (uint8_t *)head_of(&m);
    uint32_t number = 0;
    uint32_t end = 0;
    memcpy(&number, data + ORDER(TEXTS - 1), sizeof number);
    memcpy(&end, data + TABLE + 8 + number * sizeof end, sizeof end);
    data[TABLE + 8 + (TEXTS + 3) * sizeof end + end - 2] = 0xFF;
    model_bytes_seal(&m);
    assert_int_equal(open_bytes(&m, &opened, &error), ESPALIER_OK);
    assert_int_equal(espalier_model_verify(opened, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, 142);
    espalier_model_close(opened);
    model_bytes_free(&m);
}

/* Whatever the section holds, open refuses or predictions end; sanitizers watch the rest. */
static void test_random_bytes(void **state)
{
    (void)state;
    static double values[ROWS * FEATURES];
    double found[ROWS];
    espalier_feature_column columns[FEATURES];
    strings *const s = make_strings();
    double *const rows = make_rows(s);
    const espalier_feature_columns all = {columns, FEATURES, 50, 0, 0};
    uint64_t seed = 17;
    uint32_t opened_count = 0;
    take_columns(columns, values, rows);
    columns[1].data = s->offsets;
    columns[1].text = s->text;
    columns[1].text_bytes = (size_t)s->offsets[ROWS];
    columns[1].dtype = ESPALIER_DTYPE_STRING32;
    for (uint32_t i = 0; i < 3000; i++) {
        model_bytes m = model_bytes_copy(&sound);
        const uint64_t bytes = model_bytes_section(&m, ESPALIER_SECTION_CATEGORIES)->bytes;
        for (uint32_t k = 0; k <= i % 3; k++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            ((uint8_t *)head_of(&m))[(seed >> 33) % bytes] =
                (uint8_t)((seed >> 20) % 5 == 0 ? seed >> 12 : seed >> 30 & 7);
        }
        model_bytes_seal(&m);
        espalier_model *opened = NULL;
        espalier_predictor *own = NULL;
        if (open_bytes(&m, &opened, NULL) == ESPALIER_OK) {
            espalier_outputs outputs = {.data = found, .data_bytes = sizeof found};
            assert_int_equal(espalier_predictor_create(opened, NULL, &own), ESPALIER_OK);
            (void)espalier_predict_columns(own, ESPALIER_OUTPUT_VALUE, &all, &outputs);
            opened_count++;
        }
        espalier_predictor_destroy(own);
        espalier_model_close(opened);
        model_bytes_free(&m);
    }
    assert_true(opened_count > 100);
    free(rows);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),         cmocka_unit_test(test_dictionary),
        cmocka_unit_test(test_names),           cmocka_unit_test(test_dropped_features),
        cmocka_unit_test(test_what_is_dropped), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_text),         cmocka_unit_test(test_refused_strings),
        cmocka_unit_test(test_broken_files),    cmocka_unit_test(test_broken_text),
        cmocka_unit_test(test_edges_of_lists),  cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_counts_of_lists), cmocka_unit_test(test_named_list),
    };
    return cmocka_run_group_tests(tests, make_model, free_model);
}
