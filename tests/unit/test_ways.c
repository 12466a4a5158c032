// SPDX-License-Identifier: Apache-2.0
/*
 * Rows followed node by node through the public decoder end at the leaves that predict gives, in
 * every layout, for odd numbers too; and the refusals of what a caller looks into a model with.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier_inspect.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROW_COUNT = 60
};

static espalier_model *open_bytes(const model_bytes *bytes)
{
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(espalier_model_open_memory(bytes->data, bytes->bytes, NULL, &model, &error),
                     ESPALIER_OK);
    return model;
}

/* The trainer's number of the leaf where values lead. */
static uint32_t follow(const espalier_model *model, uint32_t tree, const double *values)
{
    espalier_tree_info info;
    espalier_node node;
    uint32_t position = 0;
    assert_int_equal(espalier_model_tree(model, tree, &info), ESPALIER_OK);
    uint32_t *const numbers = malloc(info.position_count * sizeof *numbers);
    assert_non_null(numbers);
    assert_int_equal(espalier_model_leaf_numbers(model, tree, numbers, info.position_count - 1),
                     ESPALIER_ERROR_OUTPUT_SIZE);
    assert_int_equal(espalier_model_leaf_numbers(model, tree, numbers, info.position_count),
                     ESPALIER_OK);
    for (uint32_t step = 0; step <= info.depth; step++) {
        assert_int_equal(espalier_model_node(model, tree, position, &node), ESPALIER_OK);
        if (node.feature == ESPALIER_FEATURE_NONE) {
            const uint32_t number = numbers[position];
            free(numbers);
            return number;
        }
        assert_int_equal(numbers[position], ESPALIER_NUMBER_NONE);
        const int left = espalier_model_node_left(model, &node, values[node.feature]);
        position = left != 0 ? node.left : node.right;
    }
    fail_msg("no leaf");
    return 0;
}

static void compare(const espalier_forest *forest, uint32_t layout, bool is_float32)
{
    model_bytes bytes = model_bytes_of_layout(forest, 2, layout);
    espalier_model *const model = open_bytes(&bytes);
    espalier_predictor *predictor = NULL;
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.flags = ESPALIER_PREDICTOR_LEAF | ESPALIER_PREDICTOR_UNCHECKED;
    assert_int_equal(espalier_predictor_create(model, &options, &predictor), ESPALIER_OK);
    float *const narrow = model_rows_make(forest, 5, ROW_COUNT, 1);
    double *const wide = model_rows_make_float64(forest, 6, ROW_COUNT, 1);
    const size_t features = forest->feature_count;
    espalier_rows rows = is_float32 ? espalier_rows_float32(narrow, ROW_COUNT, features)
                                    : espalier_rows_float64(wide, ROW_COUNT, features);
    int64_t *const leaves = malloc(ROW_COUNT * forest->tree_count * sizeof *leaves);
    double *const values = malloc(features * sizeof *values);
    assert_true(leaves != NULL && values != NULL);
    espalier_outputs outputs = {.data = leaves,
                                .data_bytes = ROW_COUNT * forest->tree_count * sizeof *leaves};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_LEAF, &rows, &outputs),
                     ESPALIER_OK);
    assert_int_equal(espalier_model_value_count(model), features);
    for (size_t r = 0; r < ROW_COUNT; r++) {
        rows.data = is_float32 ? (const void *)(narrow + r * features) : wide + r * features;
        rows.row_count = 1;
        assert_int_equal(espalier_predictor_values(predictor, &rows, values, features),
                         ESPALIER_OK);
        for (uint32_t t = 0; t < forest->tree_count; t++) {
            assert_int_equal(follow(model, t, values), leaves[r * forest->tree_count + t]);
        }
    }
    free(leaves);
    free(values);
    free(narrow);
    free(wide);
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    model_bytes_free(&bytes);
}

static void test_every_layout(void **state)
{
    (void)state;
    static const uint32_t layouts[] = {ESPALIER_LAYOUT_WALK, ESPALIER_LAYOUT_HEAP,
                                       ESPALIER_LAYOUT_SELECT, ESPALIER_LAYOUT_BITS};
    for (uint32_t trainer = SYNTHETIC_FOREST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
        for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
            const synthetic_options options = {.seed = 31 + i,
                                               .trainer = (synthetic_trainer)trainer,
                                               .tree_count = 7,
                                               .feature_count = 5,
                                               .decision_count_max = 20,
                                               .group_count = 1,
                                               .missing_allowed = true,
                                               .shape = SYNTHETIC_BEST_FIRST,
                                               .depth_max = 6};
            espalier_forest forest;
            synthetic_forest_make(&options, &forest);
            compare(&forest, layouts[i], false);
            compare(&forest, layouts[i], true);
            espalier_forest_free(&forest);
        }
    }
}

static void make_sets(synthetic_trainer trainer, espalier_forest *forest)
{
    const synthetic_options options = {.seed = 3,
                                       .trainer = trainer,
                                       .tree_count = 6,
                                       .feature_count = 4,
                                       .decision_count_max = 30,
                                       .group_count = 1,
                                       .set_features = 2,
                                       .shape = SYNTHETIC_PREORDER};
    synthetic_forest_make(&options, forest);
}

/* Between two cuts of a set all values go the same way. */
static void test_sets(void **state)
{
    (void)state;
    espalier_forest forest;
    uint32_t sets = 0;
    make_sets(SYNTHETIC_XGBOOST, &forest);
    compare(&forest, ESPALIER_LAYOUT_WALK, true);
    model_bytes bytes = model_bytes_of(&forest, 2);
    espalier_model *const model = open_bytes(&bytes);
    espalier_tree_info tree;
    assert_int_equal(espalier_model_tree(model, 0, &tree), ESPALIER_OK);
    for (uint32_t p = 0; p < tree.position_count; p++) {
        espalier_node node;
        assert_int_equal(espalier_model_node(model, 0, p, &node), ESPALIER_OK);
        const size_t count = espalier_model_set_cuts(model, &node, NULL, 0);
        assert_int_equal(count > 0, node.is_set);
        double *const cuts = malloc((count + 1) * sizeof *cuts);
        assert_non_null(cuts);
        assert_int_equal(espalier_model_set_cuts(model, &node, cuts, count), count);
        for (size_t i = 1; i < count; i++) {
            const double first = (double)nextafterf((float)cuts[i - 1], INFINITY);
            assert_true(cuts[i - 1] < cuts[i]);
            assert_int_equal(espalier_model_node_left(model, &node, first),
                             espalier_model_node_left(model, &node, cuts[i]));
        }
        sets += node.is_set;
        free(cuts);
    }
    assert_true(sets > 0);
    espalier_model_close(model);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
    make_sets(SYNTHETIC_LIGHTGBM, &forest);
    compare(&forest, ESPALIER_LAYOUT_WALK, false);
    espalier_forest_free(&forest);
}

static void test_sections(const espalier_model *model, size_t file_bytes)
{
    espalier_section_info section = {0};
    uint64_t end = 0;
    uint32_t count = 0;
    while (espalier_model_section(model, count, &section) == ESPALIER_OK) {
        assert_true(section.offset >= end);
        assert_string_not_equal(section.name, "unknown");
        assert_int_equal(section.offset % section.alignment, 0);
        end = section.offset + section.bytes;
        count++;
    }
    assert_true(count > 8 && end <= file_bytes);
    assert_int_equal(espalier_model_section(NULL, 0, &section), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_section(model, 0, NULL), ESPALIER_ERROR_ARGUMENT);
}

static void test_refusals(void **state)
{
    (void)state;
    espalier_forest forest;
    make_sets(SYNTHETIC_XGBOOST, &forest);
    model_bytes bytes = model_bytes_of(&forest, 2);
    espalier_model *const model = open_bytes(&bytes);
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    test_sections(model, bytes.bytes);
    uint32_t number = 0;
    double value = 7.0;
    double values[4] = {0};
    const float row[4] = {0};
    const espalier_node leaf = {.feature = ESPALIER_FEATURE_NONE};
    const espalier_node wild = {.is_set = 1, .set_column = UINT32_MAX, .set_bit = UINT32_MAX};
    espalier_value_info info;
    assert_int_equal(espalier_model_node_left(model, &leaf, 0.0), 0);
    assert_int_equal(espalier_model_node_left(model, &wild, 0.0), 0);
    assert_int_equal(espalier_model_node_left(model, NULL, 0.0), 0);
    assert_int_equal(espalier_model_node_left(NULL, &leaf, 0.0), 0);
    assert_int_equal(espalier_model_set_cuts(model, &wild, NULL, 0), 0);
    assert_int_equal(espalier_model_set_cuts(model, NULL, NULL, 0), 0);
    assert_int_equal(espalier_model_leaf_numbers(model, 6, &number, 1), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_leaf_numbers(model, 0, NULL, 99), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_value_count(NULL), 0);
    assert_int_equal(espalier_model_value(model, 3, &info), ESPALIER_OK);
    assert_true(info.operation[0] == '\0' && info.input == 3);
    assert_int_equal(espalier_model_value(model, 4, &info), ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_missing_number(NULL, &value), 0);
    assert_true(value == 7.0);
    assert_int_equal(espalier_model_missing_number(model, &value), forest.missing_marked);
    assert_true(forest.missing_marked && value == forest.missing_number);
    espalier_rows rows = espalier_rows_float32(row, 1, 4);
    assert_int_equal(espalier_predictor_values(predictor, &rows, values, 3),
                     ESPALIER_ERROR_OUTPUT_SIZE);
    assert_int_equal(espalier_predictor_values(NULL, &rows, values, 4), ESPALIER_ERROR_ARGUMENT);
    rows.feature_count = 3;
    assert_int_equal(espalier_predictor_values(predictor, &rows, values, 4),
                     ESPALIER_ERROR_FEATURE_COUNT);
    rows.row_count = 0;
    assert_int_equal(espalier_predictor_values(predictor, &rows, values, 4),
                     ESPALIER_ERROR_ARGUMENT);
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layout),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
