// SPDX-License-Identifier: Apache-2.0
/*
 * convert/reference against answers worked out by hand and by NumPy: decisions, missing values,
 * order and type of sums, iterations, division, normalising, first maximum.
 */
#include "convert/reference.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Stumps: tree i tests feature 0 against thresholds[i] and gives values[2 * i] or the next. */
#define STUMPS_MAX 3

typedef struct stumps {
    espalier_forest forest;
    espalier_forest_tree trees[STUMPS_MAX];
    uint32_t left[3 * STUMPS_MAX];
    uint32_t right[3 * STUMPS_MAX];
    uint32_t feature[3 * STUMPS_MAX];
    double threshold[3 * STUMPS_MAX];
    double cover[3 * STUMPS_MAX];
    uint8_t missing_left[3 * STUMPS_MAX];
    double values[2 * STUMPS_MAX];
    uint32_t width;
} stumps;

static void make_stumps(stumps *s, uint32_t count, const double *thresholds, const double *values)
{
    memset(s, 0, sizeof *s);
    s->width = 1;
    for (uint32_t i = 0; i < count; i++) {
        s->trees[i] = (espalier_forest_tree){.first_node = 3 * i,
                                             .first_leaf = 2 * i,
                                             .node_count = 3,
                                             .leaf_count = 2};
        s->left[3 * i] = 1;
        s->right[3 * i] = 2;
        s->left[3 * i + 1] = ESPALIER_FOREST_LEAF;
        s->left[3 * i + 2] = ESPALIER_FOREST_LEAF;
        s->right[3 * i + 2] = 1;
        s->threshold[3 * i] = thresholds[i];
    }
    memcpy(s->values, values, 2 * count * sizeof *values);
    s->forest = (espalier_forest){
        .trees = s->trees,
        .tree_count = count,
        .node_count = 3 * count,
        .leaf_count = 2 * count,
        .left = s->left,
        .right = s->right,
        .feature = s->feature,
        .threshold = s->threshold,
        .cover = s->cover,
        .missing_left = s->missing_left,
        .leaf_values = s->values,
        .leaf_width = 1,
        .group_count = 1,
        .group_width = &s->width,
        .divide = count > 1 ? ESPALIER_FOREST_DIVIDE_TREES : ESPALIER_FOREST_DIVIDE_NONE,
        .feature_count = 1,
    };
    espalier_error error;
    assert_int_equal(espalier_forest_validate(&s->forest, "stumps", &error), ESPALIER_OK);
}

static double evaluate_one(const espalier_forest *forest, float value, uint32_t *leaf)
{
    double slot = 0.0;
    uint32_t leaves[STUMPS_MAX] = {0};
    espalier_reference_evaluate(forest, &value, 1, &slot, leaves);
    *leaf = leaves[0];
    return slot;
}

static void expect_bits(double actual, double expected)
{
    uint64_t bits[2];
    memcpy(&bits[0], &actual, sizeof actual);
    memcpy(&bits[1], &expected, sizeof expected);
    assert_int_equal(bits[0], bits[1]);
}

static void test_decides_in_float64(void **state)
{
    (void)state;
    /* Halfway between two float32: the lower one goes left, the upper one right. */
    const float lower = 1.0F;
    const float upper = nextafterf(lower, 2.0F);
    const double values[] = {-1.0, 1.0};
    const double middle = ((double)lower + (double)upper) / 2.0;
    stumps s;
    uint32_t leaf = 0;
    make_stumps(&s, 1, &middle, values);
    expect_bits(evaluate_one(&s.forest, lower, &leaf), -1.0);
    assert_int_equal(leaf, 1);
    expect_bits(evaluate_one(&s.forest, upper, &leaf), 1.0);
    assert_int_equal(leaf, 2);
    expect_bits(evaluate_one(&s.forest, INFINITY, &leaf), 1.0);
    expect_bits(evaluate_one(&s.forest, -INFINITY, &leaf), -1.0);
    /* Exactly on it: left. Zeroes of both signs are one number. */
    const double zero = -0.0;
    make_stumps(&s, 1, &zero, values);
    expect_bits(evaluate_one(&s.forest, 0.0F, &leaf), -1.0);
    expect_bits(evaluate_one(&s.forest, 0x1p-149F, &leaf), 1.0);
}

static void test_missing_goes_where_the_node_says(void **state)
{
    (void)state;
    const double threshold = 0.5;
    const double values[] = {-1.0, 1.0};
    stumps s;
    uint32_t leaf = 0;
    make_stumps(&s, 1, &threshold, values);
    s.missing_left[0] = 1;
    /* A trainer that refuses NaN has no missing direction: right. */
    expect_bits(evaluate_one(&s.forest, NAN, &leaf), 1.0);
    s.forest.missing_allowed = true;
    expect_bits(evaluate_one(&s.forest, NAN, &leaf), -1.0);
    s.missing_left[0] = 0;
    expect_bits(evaluate_one(&s.forest, NAN, &leaf), 1.0);
}

static double evaluate_wide(const espalier_forest *forest, double value)
{
    double slot = 0.0;
    espalier_reference_evaluate_float64(forest, &value, 1, &slot, NULL);
    return slot;
}

static void test_compares_in_the_trainers_type(void **state)
{
    (void)state;
    const double threshold = 0.1; /* no float32: the nearest is above it */
    const double values[] = {-1.0, 1.0};
    stumps s;
    uint32_t leaf = 0;
    make_stumps(&s, 1, &threshold, values);
    expect_bits(evaluate_wide(&s.forest, 0.1), 1.0); /* rounded, it is above */
    s.forest.input = ESPALIER_FOREST_INPUT_FLOAT64;
    expect_bits(evaluate_wide(&s.forest, 0.1), -1.0);
    expect_bits(evaluate_wide(&s.forest, nextafter(0.1, 1.0)), 1.0);
    expect_bits(evaluate_one(&s.forest, 0.1F, &leaf), 1.0); /* float32 rows are widened */
}

static void test_missing_rules_of_each_node(void **state)
{
    (void)state;
    const double values[] = {-1.0, 1.0};
    const double edge = (double)1e-35F;
    double threshold = -0.5;
    uint8_t rules[3] = {ESPALIER_FOREST_MISSING_NEVER, 0, 0};
    stumps s;
    make_stumps(&s, 1, &threshold, values);
    s.forest.input = ESPALIER_FOREST_INPUT_FLOAT64;
    s.forest.missing_allowed = true;
    s.forest.missing_rule = rules;
    s.missing_left[0] = 1;
    expect_bits(evaluate_wide(&s.forest, (double)NAN), 1.0); /* as 0.0 > -0.5 */
    rules[0] = ESPALIER_FOREST_MISSING_ZERO;
    expect_bits(evaluate_wide(&s.forest, (double)NAN), -1.0);
    expect_bits(evaluate_wide(&s.forest, -0.0), -1.0);
    expect_bits(evaluate_wide(&s.forest, edge), -1.0);
    expect_bits(evaluate_wide(&s.forest, nextafter(edge, 1.0)), 1.0);
    s.missing_left[0] = 0;
    threshold = 0.5;
    s.threshold[0] = threshold;
    expect_bits(evaluate_wide(&s.forest, -edge), 1.0);
    rules[0] = ESPALIER_FOREST_MISSING_NAN;
    expect_bits(evaluate_wide(&s.forest, -edge), -1.0);
    /* Flushed to zero, a tiny value no longer exceeds a tinier threshold. */
    s.threshold[0] = 1e-40;
    expect_bits(evaluate_wide(&s.forest, 1e-36), 1.0);
    s.forest.flush_tiny = true;
    expect_bits(evaluate_wide(&s.forest, 1e-36), -1.0);
    expect_bits(evaluate_wide(&s.forest, edge), -1.0);
    expect_bits(evaluate_wide(&s.forest, nextafter(edge, 1.0)), 1.0);
}

/* A number that the trainer was told to take for missing, compared as a float32. */
static void test_missing_number(void **state)
{
    (void)state;
    const double values[] = {-1.0, 1.0};
    const double threshold = 0.5;
    stumps s;
    make_stumps(&s, 1, &threshold, values);
    s.forest.missing_allowed = true;
    s.forest.missing_marked = true;
    s.forest.missing_number = (double)0.1F;
    expect_bits(evaluate_wide(&s.forest, (double)NAN), 1.0);
    expect_bits(evaluate_wide(&s.forest, 0.1), 1.0); /* rounds to it */
    expect_bits(evaluate_wide(&s.forest, (double)nextafterf(0.1F, 1.0F)), -1.0);
    s.forest.input = ESPALIER_FOREST_INPUT_FLOAT64;
    expect_bits(evaluate_wide(&s.forest, 0.1), -1.0);
    expect_bits(evaluate_wide(&s.forest, (double)0.1F), 1.0);
    s.forest.missing_number = 0.0;
    s.forest.flush_tiny = true;
    expect_bits(evaluate_wide(&s.forest, -0.0), 1.0);
    expect_bits(evaluate_wide(&s.forest, 1e-36), -1.0); /* flushed afterwards */
}

static void test_boosted_sums(void **state)
{
    (void)state;
    const double thresholds[] = {0.0, 0.0, 0.0};
    const double values[] = {0x1p-25, 0.5, 0x1p-25, 0.25, -1.0, 0.125};
    double start = 1.0;
    stumps s;
    uint32_t leaf = 0;
    make_stumps(&s, 3, thresholds, values);
    s.forest.divide = ESPALIER_FOREST_DIVIDE_NONE;
    s.forest.task = ESPALIER_FOREST_TASK_VALUE;
    s.forest.start = &start;
    expect_bits(evaluate_one(&s.forest, -1.0F, &leaf), 0x1p-24);
    /* In float32 each of the two is lost beside 1. */
    s.forest.accumulator = ESPALIER_FOREST_SUM_FLOAT32;
    expect_bits(evaluate_one(&s.forest, -1.0F, &leaf), 0.0);
    /* The first two iterations only. */
    s.forest.default_iterations = 2;
    expect_bits(evaluate_one(&s.forest, 1.0F, &leaf), 1.75);
    double magnitude = 0.0;
    const double row = 1.0;
    espalier_reference_magnitudes(&s.forest, &row, &magnitude);
    expect_bits(magnitude, 1.75);
    /* The first tree adds to a sum of its own, and so does the last. */
    uint32_t slots[] = {1, 0, 1};
    uint32_t iterations[] = {0, 0, 1};
    uint32_t numbers[9] = {9, 4, 5, 9, 6, 7, 9, 1, 8};
    const float rows[2] = {1.0F, -1.0F};
    double starts[] = {0.0, -8.0};
    double sums[4];
    uint32_t leaves[6];
    s.forest.slot_count = 2;
    s.forest.tree_slot = slots;
    s.forest.tree_iteration = iterations;
    s.forest.iteration_count = 2;
    s.forest.default_iterations = 0;
    s.forest.start = starts;
    s.forest.number = numbers;
    assert_int_equal(espalier_reference_slot_count(&s.forest), 2);
    espalier_reference_evaluate(&s.forest, rows, 2, sums, leaves);
    const double expected[] = {0.25, -7.375, 0x1p-25, -9.0};
    const uint32_t expected_leaves[] = {5, 7, 8, 4, 6, 1};
    assert_memory_equal(sums, expected, sizeof expected);
    assert_memory_equal(leaves, expected_leaves, sizeof expected_leaves);
}

static void test_sums_in_tree_order_and_divides_once(void **state)
{
    (void)state;
    const double thresholds[] = {0.0, 0.0, 0.0};
    /* (1e16 + 1) - 1e16 is 0 in this order; any other gives 1. */
    const double values[] = {1e16, 0.1, 1.0, 0.2, -1e16, 0.3};
    stumps s;
    uint32_t leaf = 0;
    make_stumps(&s, 3, thresholds, values);
    expect_bits(evaluate_one(&s.forest, -1.0F, &leaf), 0.0);
    expect_bits(evaluate_one(&s.forest, 1.0F, &leaf), (0.1 + 0.2 + 0.3) / 3.0);
    double magnitude = 0.0;
    const double row = -1.0;
    espalier_reference_magnitudes(&s.forest, &row, &magnitude);
    expect_bits(magnitude, 2e16);
}

static void test_a_single_tree_keeps_its_leaf(void **state)
{
    (void)state;
    const double thresholds[] = {0.0, 0.0};
    const double values[] = {-0.0, 5.0, -0.0, 5.0};
    stumps s;
    uint32_t leaf = 0;
    make_stumps(&s, 1, thresholds, values);
    expect_bits(evaluate_one(&s.forest, -1.0F, &leaf), -0.0);
    /* A forest starts its sum from 0.0. */
    make_stumps(&s, 2, thresholds, values);
    expect_bits(evaluate_one(&s.forest, -1.0F, &leaf), 0.0);
}

static void test_first_maximum_wins(void **state)
{
    (void)state;
    const uint32_t widths[] = {3, 2};
    espalier_forest forest = {.leaf_width = 5, .group_count = 2};
    uint32_t width_copy[2];
    memcpy(width_copy, widths, sizeof widths);
    forest.group_width = width_copy;
    const double slots[] = {0.25, 0.5, 0.5, 0.0, -0.0, 0.1, 0.1, 0.2, 0.4, 0.6};
    int32_t classes[4];
    espalier_reference_classes(&forest, slots, 2, classes);
    const int32_t expected[] = {1, 0, 2, 1};
    assert_memory_equal(classes, expected, sizeof expected);
}

/*
 * values.sum(axis=1) of NumPy 1.24.2 and 2.5.5 for n numbers of the tests' generator, seeded with
 * n.
 */
static const struct {
    uint32_t count;
    double sum;
} numpy_sums[] = {
    {1, 0x1.22145bd91204bp-1},      {2, 0x1.57207bee28936p+0},    {7, 0x1.87b2849dec7eap+1},
    {8, 0x1.0d244351b2c17p+2},      {9, 0x1.2d5c210dfd32ep+2},    {15, 0x1.bfd10cddd84b2p+2},
    {16, 0x1.e796ca94a8670p+2},     {127, 0x1.e8c2852e6707cp+5},  {128, 0x1.0f633e682c993p+6},
    {129, 0x1.f04b4e7b47e7fp+5},    {136, 0x1.24941e8956f4ap+6},  {137, 0x1.11879d02be33fp+6},
    {255, 0x1.0c23dde4b7de8p+7},    {256, 0x1.03bcaec525550p+7},  {257, 0x1.012d9a8cf3646p+7},
    {300, 0x1.1c6df7468c74cp+7},    {1000, 0x1.003e26db89ee8p+9}, {5000, 0x1.3bae62e7e41fcp+11},
    {40001, 0x1.37fe8c873af5cp+14},
};

/* One node with `count` values of one output, normalised. */
static void normalise_values(uint32_t count, double *values, double *slots)
{
    espalier_forest_tree tree = {.node_count = 1, .leaf_count = 1};
    uint32_t left = ESPALIER_FOREST_LEAF;
    uint32_t right = 0;
    espalier_forest forest = {
        .trees = &tree,
        .tree_count = 1,
        .node_count = 1,
        .leaf_count = 1,
        .left = &left,
        .right = &right,
        .leaf_values = values,
        .leaf_width = count,
        .group_count = 1,
        .group_width = &count,
        .normalise = true,
        .feature_count = 1,
    };
    const float row = 0.0F;
    assert_int_equal(espalier_reference_slot_count(&forest), 2 * count);
    espalier_reference_evaluate(&forest, &row, 1, slots, NULL);
}

static void test_normalises_as_numpy_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof numpy_sums / sizeof numpy_sums[0]; i++) {
        const uint32_t count = numpy_sums[i].count;
        double *const values = calloc(count, sizeof *values);
        double *const slots = calloc((size_t)count * 2, sizeof *slots);
        assert_non_null(values);
        assert_non_null(slots);
        uint64_t random = count;
        for (uint32_t j = 0; j < count; j++) {
            values[j] = (double)(synthetic_next(&random) >> 11) * 0x1p-53;
        }
        normalise_values(count, values, slots);
        assert_memory_equal(slots, values, count * sizeof *values);
        for (uint32_t j = 0; j < count; j++) {
            expect_bits(slots[count + j], values[j] / numpy_sums[i].sum);
        }
        free(values);
        free(slots);
    }
}

static void test_a_sum_of_zero_divides_by_one(void **state)
{
    (void)state;
    double values[3] = {1.0, -1.0, 0.0};
    double slots[6];
    normalise_values(3, values, slots);
    assert_memory_equal(slots + 3, values, sizeof values);
}

static void test_blocks_and_single_rows_agree(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 3,
                                       .tree_count = 11,
                                       .feature_count = 4,
                                       .decision_count_max = 60,
                                       .group_count = 2,
                                       .class_count = 3,
                                       .missing_allowed = true};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    enum {
        ROWS = 40,
        WIDTH = 7,
        TREES = 11,
        FEATURES = 4
    };
    float rows[ROWS][FEATURES];
    uint64_t random = 1;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < FEATURES; j++) {
            const uint64_t bits = synthetic_next(&random);
            rows[i][j] = bits % 9 == 0 ? NAN : (float)(int32_t)bits * 0x1p-27F;
        }
    }
    double block[ROWS][WIDTH];
    uint32_t leaves[ROWS][TREES];
    espalier_reference_evaluate(&forest, &rows[0][0], ROWS, &block[0][0], &leaves[0][0]);
    for (size_t i = 0; i < ROWS; i++) {
        double single[WIDTH];
        uint32_t single_leaves[TREES];
        espalier_reference_evaluate(&forest, rows[i], 1, single, single_leaves);
        assert_memory_equal(single, block[i], sizeof single);
        assert_memory_equal(single_leaves, leaves[i], sizeof single_leaves);
    }
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decides_in_float64),
        cmocka_unit_test(test_missing_goes_where_the_node_says),
        cmocka_unit_test(test_compares_in_the_trainers_type),
        cmocka_unit_test(test_missing_rules_of_each_node),
        cmocka_unit_test(test_missing_number),
        cmocka_unit_test(test_boosted_sums),
        cmocka_unit_test(test_sums_in_tree_order_and_divides_once),
        cmocka_unit_test(test_a_single_tree_keeps_its_leaf),
        cmocka_unit_test(test_first_maximum_wins),
        cmocka_unit_test(test_normalises_as_numpy_does),
        cmocka_unit_test(test_a_sum_of_zero_divides_by_one),
        cmocka_unit_test(test_blocks_and_single_rows_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
