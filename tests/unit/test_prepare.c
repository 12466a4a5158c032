// SPDX-License-Identifier: Apache-2.0
/*
 * PREPARATION: a forest behind operations of every kind. The engine gives what the reference does
 * for rows of both widths and any number of rows (F-380, F-381, F-382), refuses what it must
 * (F-383), each broken rule is found (F-370 to F-378), what nothing reads is not written (F-379),
 * and random bytes do no harm. Golden rows keep away from what a library computes (F-384): the
 * model verifies.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/plan.h"
#include "convert/preparation.h"
#include "convert/reference.h"
#include "format/rules.h"
#include "tests/support/model_bytes.h"
#include "tests/support/same_rows.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES 6u
#define ROWS     150u

static const uint32_t both = ESPALIER_PREPARE_ROUND_FLOAT32 | ESPALIER_PREPARE_ROUND_FLOAT64;
static model_bytes sound;
static espalier_forest forest;

/* ---- the model ---- */

static uint32_t add(espalier_preparation *preparation, uint32_t operation, uint32_t flags,
                    uint32_t input, uint32_t count, const double *numbers, uint32_t number_count)
{
    espalier_prepare_numbers own = {0, 0, 0};
    uint32_t value = 0;
    assert_int_equal(espalier_preparation_add_numbers(preparation, numbers, number_count,
                                                      flags & both, &own),
                     ESPALIER_OK);
    assert_int_equal(espalier_preparation_add(preparation, operation, flags, input, count, &own,
                                              &value),
                     ESPALIER_OK);
    return value;
}

/* values[FEATURES]: what nodes test instead of each feature; values of ONE_HOT for the last. */
static void fill(espalier_preparation *p, uint32_t *values)
{
    static const double tenth[] = {0.1};
    static const double range[] = {-3.0, 2.7};
    static const double fill_nan[] = {0.75, (double)NAN};
    static const double edges[] = {-2.0, -0.5, -0.5, 0.25, 1.5};
    static const double keys[] = {-1.0, 0.0, 2.0, (double)NAN, 2.0, 0.0, 1.0, 3.0, -1.0};
    static const double nudge[] = {1e-8, 1e-5};
    add(p, ESPALIER_PREPARE_CHECK, ESPALIER_PREPARE_REFUSE_INFINITE, 0, 0, NULL, 0);
    const uint32_t centred =
        add(p, ESPALIER_PREPARE_SUBTRACT, ESPALIER_PREPARE_ROUND_FLOAT32, 0, 1, tenth, 1);
    const uint32_t scaled =
        add(p, ESPALIER_PREPARE_DIVIDE, ESPALIER_PREPARE_ROUND_FLOAT32, centred, 1, tenth, 1);
    values[0] = add(p, ESPALIER_PREPARE_CLIP, 0, scaled, 1, range, 2);
    const uint32_t grown = add(p, ESPALIER_PREPARE_MULTIPLY, both, 1, 1, tenth, 1);
    const uint32_t moved = add(p, ESPALIER_PREPARE_ADD, 0, grown, 1, tenth, 1);
    values[1] = add(p, ESPALIER_PREPARE_FILL, 0, moved, 1, fill_nan, 2);
    add(p, ESPALIER_PREPARE_CHECK, both | ESPALIER_PREPARE_REFUSE_NAN, values[1], 0, NULL, 0);
    const uint32_t nudged = add(p, ESPALIER_PREPARE_NUDGE, both, 2, 1, nudge, 2);
    values[2] = add(p, ESPALIER_PREPARE_RANK, 0, nudged, 1, edges, 5);
    const uint32_t size = add(p, ESPALIER_PREPARE_ABS, 0, 3, 1, NULL, 0);
    const uint32_t root = add(p, ESPALIER_PREPARE_SQRT, both, size, 1, NULL, 0);
    values[3] = add(p, ESPALIER_PREPARE_LOG1P, 0, root, 1, NULL, 0);
    const uint32_t marked = add(p, ESPALIER_PREPARE_IS_MISSING, 0, 4, 1, fill_nan + 1, 1);
    values[4] = add(p, ESPALIER_PREPARE_COPY, 0, marked, 1, NULL, 0);
    const uint32_t place =
        add(p, ESPALIER_PREPARE_INDEX, ESPALIER_PREPARE_REFUSE_UNKNOWN, 5, 1, keys, 9);
    values[5] = add(p, ESPALIER_PREPARE_ONE_HOT, 0, place, 4, NULL, 0);
    const uint32_t above = add(p, ESPALIER_PREPARE_ABOVE, 0, 4, 1, tenth, 1);
    (void)above; /* nothing reads it: pruned */
}

static int make_model(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 41,
                                       .tree_count = 12,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 25,
                                       .group_count = 1,
                                       .class_count = 3,
                                       .missing_allowed = true};
    uint32_t values[FEATURES];
    synthetic_forest_make(&options, &forest);
    espalier_preparation *const p = calloc(1, sizeof *p);
    assert_non_null(p);
    forest.preparation = p;
    p->feature_count = FEATURES;
    p->value_count = FEATURES;
    fill(p, values);
    uint8_t *const needed = calloc(p->value_count, 1);
    uint32_t *const numbers = calloc(p->value_count, sizeof *numbers);
    for (uint64_t i = 0; i < forest.node_count; i++) {
        if (forest.left[i] != ESPALIER_FOREST_LEAF) {
            const uint32_t feature = forest.feature[i];
            forest.feature[i] = values[feature] + (feature == 5 ? (uint32_t)(i % 4) : 0);
            needed[forest.feature[i]] = 1;
            /* Thresholds where prepared values are. */
            forest.threshold[i] = fmod(forest.threshold[i], 4.0);
            forest.threshold[i] = isnan(forest.threshold[i]) ? 0.5 : forest.threshold[i];
        }
    }
    const uint32_t before = p->operation_count;
    assert_int_equal(espalier_preparation_prune(p, needed, numbers), ESPALIER_OK);
    assert_true(p->operation_count < before);
    for (uint64_t i = 0; i < forest.node_count; i++) {
        forest.feature[i] = forest.left[i] != ESPALIER_FOREST_LEAF ? numbers[forest.feature[i]] : 0;
    }
    free(needed);
    free(numbers);
    sound = model_bytes_of(&forest, 4);
    return 0;
}

static int free_model(void **state)
{
    (void)state;
    model_bytes_free(&sound);
    espalier_forest_free(&forest);
    return 0;
}

static espalier_status open_bytes(const model_bytes *m, bool verify, espalier_model **model,
                                  espalier_error *error)
{
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = verify ? ESPALIER_OPEN_VERIFY : 0;
    return espalier_model_open_memory(m->data, m->bytes, &options, model, error);
}

/* ---- predictions ---- */

static void make_rows(double *rows)
{
    static const double odd[] = {(double)NAN, 0.0, -0.0, 2.0, -1.0, 0.25, 1e-40, 1e30, -0.5};
    uint64_t seed = 7;
    for (uint32_t i = 0; i < ROWS * FEATURES; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        rows[i] = (seed >> 40) % 3 == 0 ? odd[(seed >> 50) % 9]
                                        : (double)(int64_t)(seed >> 20) * 0x1p-42 - 2.0;
    }
}

/* Every row alone, and all in blocks, against the reference. */
static void compare(espalier_predictor *predictor, const espalier_rows *rows, const double *slots)
{
    double found[ROWS * 3];
    espalier_outputs outputs = {.data = found, .data_bytes = sizeof found};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, rows, &outputs),
                     ESPALIER_OK);
    assert_memory_equal(found, slots, sizeof found);
    for (uint32_t row = 0; row < ROWS; row++) {
        espalier_rows one = *rows;
        const size_t bytes = rows->dtype == ESPALIER_DTYPE_FLOAT32 ? 4 : 8;
        one.row_count = 1;
        one.data = (const uint8_t *)rows->data + row * FEATURES * bytes;
        outputs = (espalier_outputs){.data = found, .data_bytes = sizeof found};
        assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &one, &outputs),
                         ESPALIER_OK);
        assert_memory_equal(found, slots + row * (size_t)3, 3 * sizeof *found);
    }
}

static void test_same_as_reference(void **state)
{
    (void)state;
    espalier_error error;
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED;
    options.block_rows_max = 64;
    static double wide[ROWS * FEATURES];
    static float narrow[ROWS * FEATURES];
    static double slots[ROWS * 3];
    make_rows(wide);
    for (uint32_t i = 0; i < ROWS * FEATURES; i++) {
        narrow[i] = (float)wide[i];
    }
    assert_int_equal(open_bytes(&sound, true, &model, &error), ESPALIER_OK);
    assert_int_equal(espalier_predictor_create(model, &options, &predictor), ESPALIER_OK);
    const espalier_rows rows64 = espalier_rows_float64(wide, ROWS, FEATURES);
    espalier_reference_evaluate_float64(&forest, wide, ROWS, slots, NULL);
    compare(predictor, &rows64, slots);
    const espalier_rows rows32 = espalier_rows_float32(narrow, ROWS, FEATURES);
    espalier_reference_evaluate(&forest, narrow, ROWS, slots, NULL);
    compare(predictor, &rows32, slots);
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
}

/* One refused row behind a good one: its feature and status are told, the first is predicted. */
static void refuse(espalier_predictor *predictor, uint32_t feature, double value,
                   espalier_status status)
{
    double rows[3 * FEATURES] = {0};
    double found[9];
    rows[FEATURES + feature] = value;
    const espalier_rows given = espalier_rows_float64(rows, 3, FEATURES);
    espalier_outputs outputs = {.data = found, .data_bytes = sizeof found};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &given, &outputs),
                     status);
    if (status != ESPALIER_OK) {
        assert_int_equal(outputs.rows_written, 1);
        assert_int_equal(outputs.refused_row, 1);
        assert_int_equal(outputs.refused_feature, feature);
        uint32_t refused = 0;
        assert_int_equal(espalier_preparation_check(forest.preparation, rows + FEATURES, false,
                                                    &refused),
                         status);
        assert_int_equal(refused, feature);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    espalier_error error;
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    assert_int_equal(open_bytes(&sound, false, &model, &error), ESPALIER_OK);
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    refuse(predictor, 0, INFINITY, ESPALIER_ERROR_INFINITE);
    refuse(predictor, 0, NAN, ESPALIER_OK);
    refuse(predictor, 1, NAN, ESPALIER_OK); /* filled before it is checked */
    refuse(predictor, 1, INFINITY, ESPALIER_OK);
    refuse(predictor, 5, 1.0, ESPALIER_ERROR_CATEGORY);
    refuse(predictor, 5, 2.0, ESPALIER_OK);
    refuse(predictor, 5, NAN, ESPALIER_OK); /* a category of its own */
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
}

/* ---- broken files ---- */

static espalier_file_preparation *head_of(const model_bytes *m)
{
    return model_bytes_data(m, ESPALIER_SECTION_PREPARATION);
}

/* The first operation of a kind. */
static espalier_file_operation *find(const model_bytes *m, uint32_t operation)
{
    espalier_file_operation *found = (espalier_file_operation *)(void *)(head_of(m) + 1);
    while (found->operation != operation) {
        found++;
    }
    return found;
}

static double *numbers_of(const model_bytes *m, uint32_t operation)
{
    espalier_file_operation *const first = (espalier_file_operation *)(void *)(head_of(m) + 1);
    double *const numbers = (double *)(void *)(first + head_of(m)->operation_count);
    return numbers + find(m, operation)->numbers64;
}

/* Ways to break a rule: a field of an operation, or of the head with operation 0. */
typedef struct broken {
    const char *rule;
    uint32_t operation;
    size_t offset;
    uint32_t value;
} broken;

#define OPERATION(field) offsetof(espalier_file_operation, field)
#define HEAD(field)      offsetof(espalier_file_preparation, field)

static const broken cases[] = {
    {"F-370", 0, HEAD(operation_count), 0},
    {"F-370", 0, HEAD(number_count), UINT32_MAX},
    {"F-370", 0, HEAD(reserved), 1},
    {"F-371", ESPALIER_PREPARE_COPY, OPERATION(operation), 21},
    {"F-371", ESPALIER_PREPARE_COPY, OPERATION(operation), 0},
    {"F-372", ESPALIER_PREPARE_COPY, OPERATION(flags), 4},
    {"F-372", ESPALIER_PREPARE_RANK, OPERATION(flags), 1},
    {"F-372", ESPALIER_PREPARE_CHECK, OPERATION(flags), 32},
    {"F-373", ESPALIER_PREPARE_SUBTRACT, OPERATION(input), FEATURES},
    {"F-373", ESPALIER_PREPARE_CHECK, OPERATION(input), UINT32_MAX},
    {"F-374", ESPALIER_PREPARE_COPY, OPERATION(count), 2},
    {"F-374", ESPALIER_PREPARE_ONE_HOT, OPERATION(count), 0},
    {"F-374", ESPALIER_PREPARE_COPY, OPERATION(output), 0},
    {"F-374", ESPALIER_PREPARE_CHECK, OPERATION(output), 1},
    {"F-375", ESPALIER_PREPARE_CLIP, OPERATION(number_count), 1},
    {"F-375", ESPALIER_PREPARE_INDEX, OPERATION(number_count), 8},
    {"F-375", ESPALIER_PREPARE_RANK, OPERATION(number_count), 0},
    {"F-375", ESPALIER_PREPARE_RANK, OPERATION(number_count), UINT32_MAX},
    {"F-375", ESPALIER_PREPARE_FILL, OPERATION(numbers32), UINT32_MAX},
    {"F-375", ESPALIER_PREPARE_FILL, OPERATION(numbers64), UINT32_MAX - 1},
    {"F-375", ESPALIER_PREPARE_COPY, OPERATION(numbers64), 1},
    {"F-376", 0, HEAD(value_count), FEATURES - 1},
    {"F-376", 0, HEAD(value_count), FEATURES},
    {"F-376", 0, HEAD(value_count), 200},
    {"F-376", ESPALIER_PREPARE_ONE_HOT, OPERATION(count), UINT32_MAX},
    {"F-376", 0, HEAD(value_count), 1u << 24},
    {"F-377", 0, HEAD(value_count), (1u << 24) + 1},
};

static void test_broken_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        model_bytes m = model_bytes_copy(&sound);
        uint8_t *const record = cases[i].operation == 0 ? (uint8_t *)head_of(&m)
                                                        : (uint8_t *)find(&m, cases[i].operation);
        memcpy(record + cases[i].offset, &cases[i].value, sizeof cases[i].value);
        model_bytes_seal(&m);
        espalier_model *model = NULL;
        espalier_error error = {0};
        const espalier_status status = open_bytes(&m, false, &model, &error);
        if (status == ESPALIER_OK || error.format_rule != strtoul(cases[i].rule + 2, NULL, 10)) {
            fail_msg("case %zu: rule %u instead of %s", i, (unsigned)error.format_rule,
                     cases[i].rule);
        }
        model_bytes_free(&m);
    }
}

/* F-376: the last operation writes the last value, and none behind it. */
static void test_values_up_to_the_last(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    espalier_file_operation *const operation = find(&m, ESPALIER_PREPARE_ONE_HOT);
    assert_int_equal(operation->output + operation->count, head_of(&m)->value_count);
    operation->count++;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PREPARATION_VALUES,
                               "writes more values than there are");
}

/* F-376: of all values, no operation is named. */
static void test_counts_of_values(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    head_of(&m)->value_count = FEATURES - 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PREPARATION_VALUES,
                               "PREPARATION[0]: fewer values than features");
    m = model_bytes_copy(&sound);
    head_of(&m)->value_count++;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PREPARATION_VALUES,
                               "PREPARATION[0]: values that no operation writes");
}

/* F-376: a preparation that only checks has no values of its own; the columns miss theirs. */
static void test_nothing_but_a_check(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    const espalier_file_operation check = *find(&m, ESPALIER_PREPARE_CHECK);
    model_bytes_resize(&m, ESPALIER_SECTION_PREPARATION,
                       (int64_t)(sizeof(espalier_file_preparation) + sizeof check) -
                           (int64_t)model_bytes_section(&m, ESPALIER_SECTION_PREPARATION)->bytes);
    espalier_file_preparation *const head = head_of(&m);
    head->operation_count = 1;
    head->number_count = 0;
    head->value_count = FEATURES;
    espalier_file_operation *const only = (espalier_file_operation *)(void *)(head + 1);
    *only = check;
    only->input = 0;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_FEATURE,
                               "feature out of range");
}

static void test_unsorted_numbers(void **state)
{
    (void)state;
    static const uint32_t searched[] = {ESPALIER_PREPARE_RANK, ESPALIER_PREPARE_INDEX};
    for (size_t i = 0; i < 2; i++) {
        model_bytes m = model_bytes_copy(&sound);
        numbers_of(&m, searched[i])[1] = -100.0;
        model_bytes_seal(&m);
        espalier_model *model = NULL;
        espalier_error error = {0};
        assert_int_equal(open_bytes(&m, false, &model, &error), ESPALIER_OK);
        assert_int_equal(espalier_model_verify(model, &error), ESPALIER_ERROR_VALUE);
        assert_int_equal(error.format_rule, 378);
        espalier_model_close(model);
        model_bytes_free(&m);
    }
}

/* Verifies a file that opens, and frees it. */
static void expect_unsorted(model_bytes *m)
{
    espalier_model *model = NULL;
    espalier_error error = {0};
    model_bytes_seal(m);
    assert_int_equal(open_bytes(m, false, &model, &error), ESPALIER_OK);
    assert_int_equal(espalier_model_verify(model, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, 378);
    espalier_model_close(model);
    model_bytes_free(m);
}

/* NaN is in no place but the last of keys, keys are not alike, and the numbers for float64 rows
 * count as those for float32 do. */
static void test_orders_of_numbers(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&sound);
    numbers_of(&m, ESPALIER_PREPARE_RANK)[4] = (double)NAN;
    expect_unsorted(&m);
    m = model_bytes_copy(&sound);
    numbers_of(&m, ESPALIER_PREPARE_INDEX)[0] = (double)NAN;
    expect_unsorted(&m);
    m = model_bytes_copy(&sound);
    numbers_of(&m, ESPALIER_PREPARE_INDEX)[1] = numbers_of(&m, ESPALIER_PREPARE_INDEX)[0];
    expect_unsorted(&m);
    m = model_bytes_copy(&sound);
    numbers_of(&m, ESPALIER_PREPARE_INDEX)[2] = (double)NAN; /* and the one behind it is */
    expect_unsorted(&m);
    m = model_bytes_copy(&sound);
    numbers_of(&m, ESPALIER_PREPARE_INDEX)[3] = -100.0;
    expect_unsorted(&m);
    m = model_bytes_copy(&sound);
    numbers_of(&m, ESPALIER_PREPARE_RANK)[0] = (double)NAN;
    find(&m, ESPALIER_PREPARE_RANK)->number_count = 1;
    expect_unsorted(&m);
    m = model_bytes_copy(&sound);
    model_bytes_resize(&m, ESPALIER_SECTION_PREPARATION, 5 * (int64_t)sizeof(double));
    espalier_file_preparation *const head = model_bytes_data(&m, ESPALIER_SECTION_PREPARATION);
    espalier_file_operation *operation = (espalier_file_operation *)(void *)(head + 1);
    double *const numbers = (double *)(void *)(operation + head->operation_count);
    while (operation->operation != ESPALIER_PREPARE_RANK) {
        operation++;
    }
    for (uint32_t i = 0; i < 5; i++) {
        numbers[head->number_count + i] = -(double)i;
    }
    operation->numbers64 = head->number_count;
    head->number_count += 5;
    expect_unsorted(&m);
}

/* Whatever the section holds, open refuses or predictions end; sanitizers watch the rest. */
static void test_random_bytes(void **state)
{
    (void)state;
    static double rows[ROWS * FEATURES];
    double found[ROWS * 3];
    uint64_t seed = 99;
    uint32_t opened = 0;
    make_rows(rows);
    for (uint32_t i = 0; i < 3000; i++) {
        model_bytes m = model_bytes_copy(&sound);
        uint8_t *const data = (uint8_t *)head_of(&m);
        const uint64_t bytes = model_bytes_section(&m, ESPALIER_SECTION_PREPARATION)->bytes;
        for (uint32_t k = 0; k <= i % 3; k++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            data[(seed >> 33) % bytes] =
                (uint8_t)((seed >> 20) % 5 == 0 ? seed >> 12 : seed >> 30 & 7);
        }
        model_bytes_seal(&m);
        espalier_model *model = NULL;
        espalier_predictor *predictor = NULL;
        if (open_bytes(&m, false, &model, NULL) == ESPALIER_OK) {
            const espalier_rows given = espalier_rows_float64(rows, ROWS, FEATURES);
            espalier_outputs outputs = {.data = found, .data_bytes = sizeof found};
            assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
            (void)espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &given, &outputs);
            opened++;
        }
        espalier_predictor_destroy(predictor);
        espalier_model_close(model);
        model_bytes_free(&m);
    }
    assert_true(opened > 100);
}

/* ---- one feature, and what no list above has ---- */

/* A preparation of one feature: numbers that are no NaN, no keys, no rounding, and values of
 * ONE_HOT that nothing reads. */
static uint32_t fill_edges(espalier_preparation *p)
{
    static const double nudge[] = {1e-8, 1e-5};
    static const double fill_two[] = {0.75, 2.0};
    static const double no_keys[] = {5.0};
    static const double keys[] = {1.0, 2.0, 7.0, 8.0, -1.0};
    p->feature_count = 1;
    p->value_count = 1;
    (void)add(p, ESPALIER_PREPARE_NUDGE, 0, 0, 1, nudge, 2);
    (void)add(p, ESPALIER_PREPARE_FILL, 0, 0, 1, fill_two, 2);
    (void)add(p, ESPALIER_PREPARE_INDEX, 0, 0, 1, no_keys, 1);
    (void)add(p, ESPALIER_PREPARE_INDEX, 0, 0, 1, keys, 5);
    /* Of its values two rest between rows, and two do not, since copies of them are made. */
    const uint32_t hot = add(p, ESPALIER_PREPARE_ONE_HOT, 0, 0, 4, NULL, 0);
    (void)add(p, ESPALIER_PREPARE_COPY, 0, hot + 1, 1, NULL, 0);
    (void)add(p, ESPALIER_PREPARE_COPY, 0, hot + 3, 1, NULL, 0);
    return p->value_count;
}

static void make_edges(espalier_forest *edges)
{
    const synthetic_options options = {.seed = 43,
                                       .tree_count = 5,
                                       .feature_count = 1,
                                       .decision_count_max = 20,
                                       .group_count = 1,
                                       .class_count = 3,
                                       .missing_allowed = true};
    synthetic_forest_make(&options, edges);
    espalier_preparation *const p = calloc(1, sizeof *p);
    assert_non_null(p);
    edges->preparation = p;
    const uint32_t end = fill_edges(p);
    uint32_t next = 1;
    for (uint64_t i = 0; i < edges->node_count; i++) {
        if (edges->left[i] != ESPALIER_FOREST_LEAF) {
            edges->feature[i] = next; /* of ONE_HOT every second value */
            edges->threshold[i] = 0.25 * (double)(i % 9);
            next += next == 5 || next == 7 ? 2 : 1;
            next = next < end ? next : 1;
        }
    }
}

static void test_edges_of_operations(void **state)
{
    (void)state;
    static const double values[] = {(double)NAN, 0.0, 1.0, 2.0, 3.0,   4.0,    0.5,
                                    -1.0,        1.5, 2.5, 7.0, 1e-40, -1e300, (double)INFINITY};
    const size_t count = sizeof values / sizeof values[0];
    espalier_forest edges;
    espalier_error error;
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    double slots[3 * sizeof values / sizeof values[0]];
    double answers[3 * sizeof values / sizeof values[0]];
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED;
    make_edges(&edges);
    model_bytes m = model_bytes_of(&edges, 4);
    if (open_bytes(&m, true, &model, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(espalier_predictor_create(model, &options, &predictor), ESPALIER_OK);
    espalier_reference_evaluate_float64(&edges, values, count, slots, NULL);
    const espalier_rows rows = espalier_rows_float64(values, count, 1);
    espalier_outputs outputs = {.data = answers, .data_bytes = sizeof answers};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                     ESPALIER_OK);
    assert_memory_equal(answers, slots, sizeof answers);
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    model_bytes_free(&m);
    espalier_forest_free(&edges);
}

/* Trees of one leaf each read nothing of what is prepared. */
static void test_nothing_is_read(void **state)
{
    (void)state;
    espalier_error error;
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    model_bytes m = model_bytes_copy(&sound);
    /* All columns but that of leaves are gone; nodes that name them find something in bounds. */
    model_bytes_resize(&m, ESPALIER_SECTION_COLUMNS,
                       (int64_t)sizeof(espalier_file_column) -
                           (int64_t)model_bytes_section(&m, ESPALIER_SECTION_COLUMNS)->bytes);
    ((espalier_file_step *)model_bytes_data(&m, ESPALIER_SECTION_STEPS))->count = 1;
    espalier_file_preparation *const head = model_bytes_data(&m, ESPALIER_SECTION_PREPARATION);
    espalier_file_operation *const operations = (espalier_file_operation *)(void *)(head + 1);
    for (uint32_t i = 0; i < head->operation_count; i++) {
        operations[i].flags &= both; /* nothing is refused, so nothing need be known */
        if (operations[i].operation == ESPALIER_PREPARE_CHECK) {
            operations[i].flags = 0;
        }
    }
    model_bytes_seal(&m);
    if (open_bytes(&m, false, &model, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_UNCHECKED;
    assert_int_equal(espalier_predictor_create(model, &options, &predictor), ESPALIER_OK);
    static double rows_data[ROWS * FEATURES];
    double answers[2][ROWS * 3];
    make_rows(rows_data);
    for (unsigned i = 0; i < 2; i++) {
        const espalier_rows rows = espalier_rows_float64(rows_data, ROWS, FEATURES);
        espalier_outputs outputs = {.data = answers[i], .data_bytes = sizeof answers[i]};
        assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_PROBABILITY, &rows, &outputs),
                         ESPALIER_OK);
        memset(rows_data, 0, sizeof rows_data); /* and so other rows have the same answers */
    }
    assert_memory_equal(answers[0], answers[1], sizeof answers[0]);
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* ---- stages that take values ---- */

#define TAKEN 4u

/* Sums of the features themselves, and behind them numbers of the row: one that a function makes,
 * one that is rounded, one of ONE_HOT, and a feature. */
static void make_values(espalier_forest *values, uint32_t function, uint32_t flags)
{
    static const double tenth[] = {0.1};
    const synthetic_options options = {.seed = 44,
                                       .tree_count = 6,
                                       .feature_count = FEATURES,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .class_count = 3,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .shape = SYNTHETIC_BEST_FIRST};
    synthetic_forest_make(&options, values);
    espalier_preparation *const p = calloc(1, sizeof *p);
    assert_non_null(p);
    values->preparation = p;
    p->feature_count = FEATURES;
    p->value_count = FEATURES;
    const uint32_t centred =
        add(p, ESPALIER_PREPARE_SUBTRACT, ESPALIER_PREPARE_ROUND_FLOAT32, 1, 1, tenth, 1);
    const uint32_t hot = add(p, ESPALIER_PREPARE_ONE_HOT, 0, 2, 3, NULL, 0);
    const uint32_t computed = add(p, function, flags, 0, 1, NULL, 0);
    const double taken[TAKEN] = {computed, centred, hot + 2, 3.0};
    const espalier_forest_stage stage = {.operation = ESPALIER_FOREST_VALUES, .count = TAKEN};
    assert_int_equal(espalier_plan_add_stage(values, &stage, taken), 3);
    const espalier_forest_output outputs[] = {
        {.kind = ESPALIER_OUTPUT_MARGIN, .slot_count = 3},
        {.kind = ESPALIER_OUTPUT_VALUE, .first_slot = 3, .slot_count = TAKEN},
    };
    assert_true(espalier_plan_add_output(values, &outputs[0]));
    assert_true(espalier_plan_add_output(values, &outputs[1]));
    values->default_output = ESPALIER_OUTPUT_VALUE;
    espalier_error error;
    if (espalier_forest_validate(values, "values", &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
}

/* The numbers that a model answers are the reference's, together and row by row. */
static void compare_values(const espalier_forest *values, const model_bytes *m)
{
    static double rows[ROWS * FEATURES];
    static double slots[ROWS * (3 + TAKEN)];
    static double found[ROWS * TAKEN];
    espalier_error error;
    espalier_model *model = NULL;
    espalier_predictor *predictor = NULL;
    make_rows(rows);
    espalier_reference_evaluate_float64(values, rows, ROWS, slots, NULL);
    assert_int_equal(open_bytes(m, false, &model, &error), ESPALIER_OK);
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    for (uint32_t together = 0; together < 2; together++) {
        const size_t step = together != 0 ? ROWS : 1;
        for (size_t row = 0; row < ROWS; row += step) {
            const espalier_rows some = espalier_rows_float64(rows + row * FEATURES, step, FEATURES);
            espalier_outputs outputs = {.data = found + row * TAKEN,
                                        .data_bytes = step * TAKEN * sizeof *found};
            assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_VALUE, &some, &outputs),
                             ESPALIER_OK);
        }
        for (size_t row = 0; row < ROWS; row++) {
            assert_true(rows_are_same((const uint8_t *)(found + row * TAKEN),
                                      (const uint8_t *)(slots + row * (3 + TAKEN) + 3),
                                      TAKEN * sizeof *found, ESPALIER_DTYPE_FLOAT64));
        }
    }
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
}

/* What verify says of a model whose first golden row has another number in a slot. */
static espalier_status verify_changed(const model_bytes *sound_values, uint32_t slot)
{
    model_bytes m = model_bytes_copy(sound_values);
    const espalier_file_golden *const head = model_bytes_data(&m, ESPALIER_SECTION_GOLDEN);
    assert_true(head->row_count > 0);
    double *const slots =
        (double *)(void *)((uint8_t *)model_bytes_data(&m, ESPALIER_SECTION_GOLDEN) +
                           sizeof *head) +
        head->row_count * (size_t)head->feature_count;
    slots[slot] = slots[slot] == 77.0 ? 78.0 : 77.0;
    model_bytes_seal(&m);
    espalier_model *model = NULL;
    espalier_error error = {0};
    const espalier_status status = open_bytes(&m, true, &model, &error);
    espalier_model_close(model);
    model_bytes_free(&m);
    return status;
}

/* The first operation of all is looked at. */
static void test_order_of_the_first_numbers(void **state)
{
    (void)state;
    espalier_forest values;
    make_values(&values, ESPALIER_PREPARE_ABS, 0);
    model_bytes m = model_bytes_of(&values, 0);
    espalier_file_operation *const first = (espalier_file_operation *)(void *)(head_of(&m) + 1);
    double *const numbers = (double *)(void *)(first + head_of(&m)->operation_count);
    assert_int_equal(first->operation, ESPALIER_PREPARE_SUBTRACT);
    first->operation = ESPALIER_PREPARE_RANK;
    first->flags = 0;
    numbers[first->numbers64] = (double)NAN;
    expect_unsorted(&m);
    espalier_forest_free(&values);
}

/* F-464, F-468: VALUES takes what the operations make. Behind a function of a mathematical library
 * no number of a row is exact, and any golden one will do; of the sums still none but one. */
static void test_values_behind_operations(void **state)
{
    (void)state;
    static const struct {
        uint32_t operation;
        bool by_library;
    } functions[] = {
        {ESPALIER_PREPARE_LOG1P, true}, {ESPALIER_PREPARE_EXPM1, true},
        {ESPALIER_PREPARE_LOG, true},   {ESPALIER_PREPARE_EXP, true},
        {ESPALIER_PREPARE_SQRT, false}, {ESPALIER_PREPARE_ABS, false},
    };
    for (size_t twice = 0; twice < 2 * sizeof functions / sizeof functions[0]; twice++) {
        const size_t i = twice / 2;
        espalier_forest values;
        make_values(&values, functions[i].operation,
                    twice % 2 != 0 ? ESPALIER_PREPARE_ROUND_FLOAT64 : 0);
        model_bytes m = model_bytes_of(&values, 4);
        compare_values(&values, &m);
        for (uint32_t slot = 0; slot < 3 + TAKEN; slot++) {
            assert_int_equal(verify_changed(&m, slot), functions[i].by_library && slot >= 3
                                                           ? ESPALIER_OK
                                                           : ESPALIER_ERROR_GOLDEN);
        }
        model_bytes_free(&m);
        espalier_forest_free(&values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_the_first_numbers),
        cmocka_unit_test(test_same_as_reference),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_broken_files),
        cmocka_unit_test(test_values_up_to_the_last),
        cmocka_unit_test(test_counts_of_values),
        cmocka_unit_test(test_nothing_but_a_check),
        cmocka_unit_test(test_unsorted_numbers),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_edges_of_operations),
        cmocka_unit_test(test_nothing_is_read),
        cmocka_unit_test(test_orders_of_numbers),
        cmocka_unit_test(test_values_behind_operations),
    };
    return cmocka_run_group_tests(tests, make_model, free_model);
}
