// SPDX-License-Identifier: Apache-2.0
/*
 * convert/check: what expected answers are taken for, which differences pass under which cause, and
 * which are refused; labels of every kind.
 */
#include "convert/check.h"
#include "convert/check_labels.h"
#include "convert/reference.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 700u

/* A forest, rows for it, and its own answers, to be changed by a test. */
typedef struct fixture {
    espalier_forest forest;
    float *data;
    espalier_rows rows;
    double *slots;
    uint32_t *leaves;
    int32_t *classes;
    espalier_check check;
    espalier_error error;
} fixture;

static void make_fixture(fixture *f, const synthetic_options *options)
{
    memset(f, 0, sizeof *f);
    synthetic_forest_make(options, &f->forest);
    f->data = model_rows_make(&f->forest, 5, ROWS, 0);
    f->rows = espalier_rows_float32(f->data, ROWS, f->forest.feature_count);
    f->slots = calloc((size_t)ROWS * espalier_reference_slot_count(&f->forest), sizeof *f->slots);
    f->leaves = calloc((size_t)ROWS * f->forest.tree_count, sizeof *f->leaves);
    f->classes = calloc((size_t)ROWS * f->forest.group_count, sizeof *f->classes);
    assert_non_null(f->slots);
    assert_non_null(f->leaves);
    assert_non_null(f->classes);
    espalier_reference_evaluate(&f->forest, f->data, ROWS, f->slots, f->leaves);
    espalier_reference_classes(&f->forest, f->slots, ROWS, f->classes);
}

static void free_fixture(fixture *f)
{
    espalier_check_free(&f->check);
    espalier_forest_free(&f->forest);
    free(f->data);
    free(f->slots);
    free(f->leaves);
    free(f->classes);
}

static espalier_status run_check(fixture *f, const void *data, char kind, uint32_t item_bytes,
                                 size_t columns)
{
    const espalier_array expected = {data, kind, item_bytes, ROWS, columns};
    espalier_check_free(&f->check);
    const espalier_status status =
        espalier_check_forest(&f->check, &f->forest, &f->rows, &expected, "model.pkl", &f->error);
    f->check.expected = NULL; /* about to go out of scope */
    return status;
}

static const synthetic_options classifier = {.seed = 21,
                                             .tree_count = 30,
                                             .feature_count = 5,
                                             .decision_count_max = 40,
                                             .group_count = 1,
                                             .class_count = 3};
static const synthetic_options regressor = {
    .seed = 22, .tree_count = 40, .feature_count = 5, .decision_count_max = 60, .group_count = 1};

static void test_own_answers_are_equal(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &classifier);
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 3), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_PROBABILITY);
    assert_int_equal(f.check.values, 3 * ROWS);
    assert_int_equal(f.check.differing, 0);
    assert_int_equal(f.check.cause, ESPALIER_CHECK_NONE);
    char text[128];
    espalier_check_describe(&f.check, text, sizeof text);
    assert_string_equal(text, "all 2100 probabilities are the trainer's");
    assert_int_equal(run_check(&f, f.leaves, 'u', 4, 30), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_LEAF);
    free_fixture(&f);

    make_fixture(&f, &regressor);
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 1), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_VALUE);
    free_fixture(&f);
}

/* The same sums, added from the last tree to the first: what threads may do. */
static void reverse_trees(espalier_forest *forest)
{
    for (uint32_t i = 0; i < forest->tree_count / 2; i++) {
        const espalier_forest_tree tree = forest->trees[i];
        forest->trees[i] = forest->trees[forest->tree_count - 1 - i];
        forest->trees[forest->tree_count - 1 - i] = tree;
    }
}

static void test_another_order_of_trees_is_named(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &regressor);
    reverse_trees(&f.forest);
    double *const other = calloc(ROWS, sizeof *other);
    assert_non_null(other);
    espalier_reference_evaluate(&f.forest, f.data, ROWS, other, NULL);
    assert_memory_not_equal(other, f.slots, ROWS * sizeof *other);
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 1), ESPALIER_OK);
    assert_int_equal(f.check.cause, ESPALIER_CHECK_THREADS);
    /* Sums that cancel: more than a few units in the last place, still only rounding. */
    assert_true(f.check.ulp_max > 64);
    assert_true(f.check.differing > 0);
    char text[160];
    espalier_check_describe(&f.check, text, sizeof text);
    assert_non_null(strstr(text, "n_jobs"));
    free(other);
    free_fixture(&f);
}

static double step_ulp(double value, int64_t count)
{
    int64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    bits += count;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_small_differences_pass_and_large_ones_do_not(void **state)
{
    (void)state;
    const synthetic_options single = {.seed = 23,
                                      .tree_count = 1,
                                      .feature_count = 4,
                                      .decision_count_max = 90,
                                      .group_count = 1,
                                      .class_count = 2,
                                      .normalise = true};
    fixture f;
    make_fixture(&f, &single);
    double *const expected = calloc((size_t)ROWS * 2, sizeof *expected);
    assert_non_null(expected);
    for (size_t i = 0; i < ROWS; i++) {
        memcpy(expected + 2 * i, f.slots + 4 * i + 2, 2 * sizeof *expected);
    }
    assert_int_equal(run_check(&f, expected, 'f', 8, 2), ESPALIER_OK);
    assert_int_equal(f.check.differing, 0);
    /* A single tree adds nothing, so no order explains this. */
    size_t place = 0;
    while (expected[place] == 0.0) {
        place++;
    }
    expected[place] = step_ulp(expected[place], 64);
    assert_int_equal(run_check(&f, expected, 'f', 8, 2), ESPALIER_OK);
    assert_int_equal(f.check.cause, ESPALIER_CHECK_UNKNOWN);
    assert_int_equal(f.check.differing, 1);
    assert_int_equal(f.check.ulp_max, 64);
    expected[place] = step_ulp(expected[place], 1);
    assert_int_equal(run_check(&f, expected, 'f', 8, 2), ESPALIER_ERROR_CHECK);
    expected[place] = step_ulp(expected[place], -65);
    expected[301] = 2.0;
    assert_int_equal(run_check(&f, expected, 'f', 8, 2), ESPALIER_ERROR_CHECK);
    assert_non_null(strstr(f.error.message, "model.pkl: not the trainer's answers: row 150, "
                                            "column 1: the trainer gave 2, the forest gives "));
    expected[301] = (double)NAN;
    assert_int_equal(run_check(&f, expected, 'f', 8, 2), ESPALIER_ERROR_CHECK);
    free(expected);
    free_fixture(&f);
}

static void test_wrong_leaves_and_classes_are_refused(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &classifier);
    f.leaves[ROWS * 30 - 1]++;
    assert_int_equal(run_check(&f, f.leaves, 'i', 4, 30), ESPALIER_ERROR_CHECK);
    assert_non_null(strstr(f.error.message, "row 699, column 29"));
    int64_t labels[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        labels[i] = (int64_t)f.forest.labels[0].numbers[f.classes[i]];
    }
    assert_int_equal(run_check(&f, labels, 'i', 8, 1), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_CLASS);
    labels[699] = 12345;
    assert_int_equal(run_check(&f, labels, 'i', 8, 1), ESPALIER_ERROR_CHECK);
    assert_non_null(strstr(f.error.message, "the trainer gave 12345"));
    assert_non_null(strstr(f.error.message, "1 of 700 classes differ"));
    free_fixture(&f);
}

static void test_shapes_that_fit_nothing_are_refused(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &classifier);
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 2), ESPALIER_ERROR_ARGUMENT);
    assert_non_null(strstr(f.error.message, "2 columns of kind 'f' with 8 bytes"));
    assert_int_equal(run_check(&f, f.slots, 'f', 4, 3), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(run_check(&f, f.slots, 'U', 8, 1), ESPALIER_ERROR_ARGUMENT);
    f.rows.row_count--;
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 3), ESPALIER_ERROR_ARGUMENT);
    assert_non_null(strstr(f.error.message, "699 rows to check, and answers for 700"));
    f.rows.row_count++;
    f.rows.feature_count--;
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 3), ESPALIER_ERROR_FEATURE_COUNT);
    f.rows.feature_count++;
    f.rows.dtype = ESPALIER_DTYPE_INT32;
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 3), ESPALIER_ERROR_DTYPE);
    free_fixture(&f);
}

static void test_rows_the_trainer_refuses_are_refused(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &classifier);
    f.data[5 * 300 + 2] = NAN;
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 3), ESPALIER_ERROR_MISSING);
    assert_non_null(strstr(f.error.message, "row 300, feature 2 is missing"));
    f.data[5 * 300 + 2] = -INFINITY;
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 3), ESPALIER_ERROR_INFINITE);
    free_fixture(&f);
}

/* Rows as float64, by column, from the last row to the first: any strides. */
static void test_rows_of_any_shape(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &classifier);
    double *const columns = calloc((size_t)ROWS * 5, sizeof *columns);
    assert_non_null(columns);
    for (size_t row = 0; row < ROWS; row++) {
        for (size_t feature = 0; feature < 5; feature++) {
            columns[feature * ROWS + ROWS - 1 - row] = (double)f.data[row * 5 + feature];
        }
    }
    f.rows.data = columns + ROWS - 1;
    f.rows.dtype = ESPALIER_DTYPE_FLOAT64;
    f.rows.row_stride = -1;
    f.rows.feature_stride = ROWS;
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 3), ESPALIER_OK);
    assert_int_equal(f.check.differing, 0);
    free(columns);
    free_fixture(&f);
}

/* ---- boosted models ---- */

/* The margins of a fixture as float32, malloc'ed. */
static float *copy_margins(const fixture *f)
{
    const size_t count = (size_t)ROWS * espalier_reference_slot_count(&f->forest);
    float *const margins = calloc(count, sizeof *margins);
    assert_non_null(margins);
    for (size_t i = 0; i < count; i++) {
        margins[i] = (float)f->slots[i];
    }
    return margins;
}

static float step_float(float value, int32_t count)
{
    int32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    bits += count;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void test_float32_margins(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 25,
                                       .tree_count = 30,
                                       .feature_count = 5,
                                       .decision_count_max = 20,
                                       .group_count = 1,
                                       .class_count = 3,
                                       .trainer = SYNTHETIC_XGBOOST};
    fixture f;
    make_fixture(&f, &options);
    float *const margins = copy_margins(&f);
    f.data[7] = INFINITY; /* a number like others here */
    espalier_reference_evaluate(&f.forest, f.data, ROWS, f.slots, f.leaves);
    for (size_t i = 0; i < 6; i++) {
        margins[i] = (float)f.slots[i];
    }
    assert_int_equal(run_check(&f, margins, 'f', 4, 3), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_MARGIN);
    assert_int_equal(f.check.differing, 0);
    char text[128];
    espalier_check_describe(&f.check, text, sizeof text);
    assert_string_equal(text, "all 2100 margins are the trainer's");
    /* As float64 too: what NumPy makes of them. */
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 3), ESPALIER_OK);
    assert_int_equal(f.check.differing, 0);
    margins[5] = step_float(margins[5], 3);
    assert_int_equal(run_check(&f, margins, 'f', 4, 3), ESPALIER_OK);
    assert_int_equal(f.check.differing, 1);
    assert_int_equal(f.check.ulp_max, 3);
    assert_int_equal(f.check.cause, ESPALIER_CHECK_UNKNOWN);
    margins[5] = step_float(margins[5], 100);
    assert_int_equal(run_check(&f, margins, 'f', 4, 3), ESPALIER_ERROR_CHECK);
    assert_non_null(strstr(f.error.message, "row 1, column 2"));
    assert_int_equal(run_check(&f, margins, 'f', 4, 2), ESPALIER_ERROR_ARGUMENT);
    assert_non_null(strstr(f.error.message, "3 float32 margins, 30 integer leaves"));
    free(margins);
    free_fixture(&f);
}

/* XGBoost gives leaf numbers as float32, LightGBM as integers. */
static void test_leaves_of_boosted_models(void **state)
{
    (void)state;
    synthetic_options options = {.seed = 26,
                                 .tree_count = 12,
                                 .feature_count = 5,
                                 .decision_count_max = 20,
                                 .group_count = 1,
                                 .trainer = SYNTHETIC_XGBOOST};
    fixture f;
    make_fixture(&f, &options);
    float *const numbers = calloc((size_t)ROWS * 12, sizeof *numbers);
    assert_non_null(numbers);
    for (size_t i = 0; i < (size_t)ROWS * 12; i++) {
        numbers[i] = (float)f.leaves[i];
    }
    assert_int_equal(run_check(&f, numbers, 'f', 4, 12), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_LEAF);
    numbers[25] = 0.5F;
    assert_int_equal(run_check(&f, numbers, 'f', 4, 12), ESPALIER_ERROR_CHECK);
    free(numbers);
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 1), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_VALUE);
    free_fixture(&f);

    options.trainer = SYNTHETIC_LIGHTGBM;
    make_fixture(&f, &options);
    assert_int_equal(run_check(&f, f.leaves, 'i', 4, 12), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_LEAF);
    assert_int_equal(run_check(&f, f.slots, 'f', 4, 1), ESPALIER_ERROR_ARGUMENT);
    free_fixture(&f);
}

/* Rows of a float64 trainer are compared as they are. */
static void test_float64_rows_are_not_rounded(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 27,
                                       .tree_count = 20,
                                       .feature_count = 3,
                                       .decision_count_max = 20,
                                       .group_count = 1,
                                       .trainer = SYNTHETIC_LIGHTGBM};
    fixture f;
    make_fixture(&f, &options);
    double *const wide = calloc((size_t)ROWS * 3, sizeof *wide);
    assert_non_null(wide);
    uint64_t random = 1;
    for (size_t i = 0; i < (size_t)ROWS * 3; i++) {
        /* Beside some threshold: rounded to float32 it may change sides. */
        uint64_t node = synthetic_next(&random) % f.forest.node_count;
        wide[i] = nextafter(f.forest.threshold[node], i % 2 == 0 ? INFINITY : -INFINITY);
    }
    espalier_reference_evaluate_float64(&f.forest, wide, ROWS, f.slots, NULL);
    f.rows = espalier_rows_float64(wide, ROWS, 3);
    assert_int_equal(run_check(&f, f.slots, 'f', 8, 1), ESPALIER_OK);
    assert_int_equal(f.check.differing, 0);
    free(wide);
    free_fixture(&f);
}

/* Leaf numbers of a single tree and its labels look alike; the better fit decides. */
static void test_the_better_fit_decides(void **state)
{
    (void)state;
    const synthetic_options single = {.seed = 24,
                                      .tree_count = 1,
                                      .feature_count = 4,
                                      .decision_count_max = 30,
                                      .group_count = 1,
                                      .class_count = 4};
    fixture f;
    make_fixture(&f, &single);
    assert_int_equal(run_check(&f, f.leaves, 'u', 4, 1), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_LEAF);
    int64_t labels[ROWS];
    for (size_t i = 0; i < ROWS; i++) {
        labels[i] = (int64_t)f.forest.labels[0].numbers[f.classes[i]];
    }
    assert_int_equal(run_check(&f, labels, 'i', 8, 1), ESPALIER_OK);
    assert_int_equal(f.check.kind, ESPALIER_OUTPUT_CLASS);
    free_fixture(&f);
}

static void test_the_model_is_held_against_the_same_bits(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &classifier);
    model_bytes bytes = model_bytes_of(&f.forest, 0);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, &f.error),
                     ESPALIER_OK);
    const espalier_array expected = {f.slots, 'f', 8, ROWS, 3};
    assert_int_equal(espalier_check_forest(&f.check, &f.forest, &f.rows, &expected, "model.pkl",
                                           &f.error),
                     ESPALIER_OK);
    assert_int_equal(espalier_check_model(&f.check, model, "model", &f.error), ESPALIER_OK);
    espalier_model_close(model);
    /* The last bit of all leaves. */
    uint64_t *const leaves = model_bytes_data(&bytes, ESPALIER_SECTION_LEAVES);
    const espalier_file_section *const section =
        model_bytes_section(&bytes, ESPALIER_SECTION_LEAVES);
    for (uint64_t i = 0; i < section->bytes / 8; i++) {
        leaves[i] ^= 1;
    }
    model_bytes_seal(&bytes);
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, &f.error),
                     ESPALIER_OK);
    assert_int_equal(espalier_check_model(&f.check, model, "model", &f.error),
                     ESPALIER_ERROR_PROOF);
    assert_non_null(strstr(f.error.message, "model: rows 0 to 255 to check"));
    espalier_model_close(model);
    model_bytes_free(&bytes);
    free_fixture(&f);
}

/* ---- labels ---- */

static void test_integer_labels(void **state)
{
    (void)state;
    uint64_t numbers[] = {(uint64_t)INT64_C(-3), 200, UINT64_C(1) << 63};
    espalier_forest_labels labels = {.kind = ESPALIER_LABEL_INT,
                                     .item_bytes = 8,
                                     .count = 3,
                                     .numbers = numbers};
    const int8_t small[] = {-3, 2};
    const uint8_t small_unsigned[] = {253, 200};
    const uint64_t large[] = {UINT64_C(1) << 63, 200};
    const espalier_array a = {small, 'i', 1, 2, 1};
    const espalier_array b = {small_unsigned, 'u', 1, 2, 1};
    const espalier_array c = {large, 'u', 8, 2, 1};
    assert_true(espalier_check_labels_fit(&a, &labels));
    assert_true(espalier_check_is_label(&a, 0, 0, &labels, 0));
    assert_false(espalier_check_is_label(&b, 0, 0, &labels, 0)); /* 253 is not -3 */
    assert_true(espalier_check_is_label(&b, 1, 0, &labels, 1));
    assert_false(espalier_check_is_label(&c, 0, 0, &labels, 2)); /* 2^63 is not -2^63 */
    labels.kind = ESPALIER_LABEL_UINT;
    assert_true(espalier_check_is_label(&c, 0, 0, &labels, 2));
    assert_true(espalier_check_is_label(&c, 1, 0, &labels, 1));
    const espalier_array real = {large, 'f', 8, 2, 1};
    assert_false(espalier_check_labels_fit(&real, &labels));
    char text[32];
    espalier_check_print_item(&c, 0, 0, text, sizeof text);
    assert_string_equal(text, "9223372036854775808");
    espalier_check_print_item(&a, 0, 0, text, sizeof text);
    assert_string_equal(text, "-3");
}

static void test_text_labels(void **state)
{
    (void)state;
    /* One to four bytes of UTF-8 a character. */
    char *texts[] = {(char *)"a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8C\xB3", (char *)"a", (char *)""};
    size_t text_bytes[] = {10, 1, 0};
    espalier_forest_labels labels = {.kind = ESPALIER_LABEL_STRING,
                                     .item_bytes = 20,
                                     .count = 3,
                                     .texts = texts,
                                     .text_bytes = text_bytes};
    const uint32_t items[][5] = {{'a', 0xE4, 0x20AC, 0x1F333, 0},
                                 {'a', 0, 0, 0, 0},
                                 {0, 0, 0, 0, 0},
                                 {'a', 0xE4, 0, 0, 0}};
    const espalier_array array = {items, 'U', 20, 4, 1};
    assert_true(espalier_check_labels_fit(&array, &labels));
    for (size_t row = 0; row < 4; row++) {
        for (uint32_t label = 0; label < 3; label++) {
            assert_int_equal(espalier_check_is_label(&array, row, 0, &labels, label), row == label);
        }
    }
    /* As wide as the text: no NUL ends it. */
    const espalier_array tight = {items, 'U', 16, 1, 1};
    assert_true(espalier_check_is_label(&tight, 0, 0, &labels, 0));
    /* What stands behind a NUL is part of the text; it was once not looked at. */
    const uint32_t behind[][5] = {{'a', 0, 'b', 0, 0}, {0, 0, 0, 0, 'b'}};
    const espalier_array longer = {behind, 'U', 20, 2, 1};
    assert_false(espalier_check_is_label(&longer, 0, 0, &labels, 1));
    assert_false(espalier_check_is_label(&longer, 1, 0, &labels, 2));
    char text[32];
    espalier_check_print_item(&array, 0, 0, text, sizeof text);
    assert_string_equal(text, "a???");
}

static void test_float_and_bool_labels(void **state)
{
    (void)state;
    const double reals[] = {0.5, (double)NAN};
    uint64_t numbers[2];
    memcpy(numbers, reals, sizeof numbers);
    espalier_forest_labels labels = {.kind = ESPALIER_LABEL_FLOAT,
                                     .item_bytes = 8,
                                     .count = 2,
                                     .numbers = numbers};
    const float items[] = {0.5F, NAN};
    const espalier_array array = {items, 'f', 4, 2, 1};
    assert_true(espalier_check_labels_fit(&array, &labels));
    assert_true(espalier_check_is_label(&array, 0, 0, &labels, 0));
    assert_true(espalier_check_is_label(&array, 1, 0, &labels, 1));
    assert_false(espalier_check_is_label(&array, 1, 0, &labels, 0));
    uint64_t truths[] = {0, 1};
    const espalier_forest_labels two = {.kind = ESPALIER_LABEL_BOOL,
                                        .item_bytes = 1,
                                        .count = 2,
                                        .numbers = truths};
    const uint8_t bytes[] = {1, 0};
    const espalier_array bools = {bytes, 'b', 1, 2, 1};
    assert_true(espalier_check_labels_fit(&bools, &two));
    assert_true(espalier_check_is_label(&bools, 0, 0, &two, 1));
    assert_false(espalier_check_is_label(&bools, 1, 0, &two, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_answers_are_equal),
        cmocka_unit_test(test_another_order_of_trees_is_named),
        cmocka_unit_test(test_small_differences_pass_and_large_ones_do_not),
        cmocka_unit_test(test_wrong_leaves_and_classes_are_refused),
        cmocka_unit_test(test_shapes_that_fit_nothing_are_refused),
        cmocka_unit_test(test_rows_the_trainer_refuses_are_refused),
        cmocka_unit_test(test_rows_of_any_shape),
        cmocka_unit_test(test_float32_margins),
        cmocka_unit_test(test_leaves_of_boosted_models),
        cmocka_unit_test(test_float64_rows_are_not_rounded),
        cmocka_unit_test(test_the_better_fit_decides),
        cmocka_unit_test(test_the_model_is_held_against_the_same_bits),
        cmocka_unit_test(test_integer_labels),
        cmocka_unit_test(test_text_labels),
        cmocka_unit_test(test_float_and_bool_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
