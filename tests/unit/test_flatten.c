// SPDX-License-Identifier: Apache-2.0
/*
 * convert/flatten: every node of many made-up forests is found again in the sections, decoded here
 * with layout.h alone, at a place the format allows; the same forest gives the same bytes.
 */
#include "convert/flatten.h"
#include "format/word.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static espalier_flat flatten_or_fail(const espalier_forest *forest)
{
    espalier_flat flat;
    espalier_error error;
    if (espalier_flatten(forest, "synthetic", &flat, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return flat;
}

/* ---- decoding ---- */

typedef struct decoded {
    float threshold;
    uint32_t bits;
    uint32_t child;
    uint32_t column;
} decoded;

static decoded decode_node(const espalier_flat *flat, const espalier_file_tree *tree,
                           uint32_t position)
{
    const uint8_t *const place = (const uint8_t *)flat->nodes.data +
                                 (tree->first_node + position) * flat->parts[0].node_bytes;
    espalier_file_node_wide node = {0, 0, 0, 0};
    memcpy(&node, place, flat->parts[0].node_bytes);
    decoded result = {0.0F, node.threshold, node.child, node.column};
    if (flat->parts[0].node_bytes == sizeof(espalier_file_node)) {
        result.child = node.child & ((UINT32_C(1) << flat->parts[0].child_bits) - 1);
        result.column = node.child >> flat->parts[0].child_bits;
    } else {
        assert_int_equal(node.reserved, 0);
    }
    result.threshold = espalier_word_value(UINT32_MAX - result.bits);
    return result;
}

static uint32_t decode_number(const espalier_flat *flat, const espalier_file_tree *tree,
                              uint32_t position)
{
    uint32_t number = 0;
    const uint32_t bytes = flat->model.number_bytes;
    memcpy(&number,
           (const uint8_t *)flat->node_numbers.data + (tree->first_node + position) * bytes, bytes);
    return number;
}

static void check_leaf(const espalier_forest *forest, const espalier_forest_tree *source,
                       const espalier_flat *flat, uint32_t node, decoded leaf, uint32_t position)
{
    assert_int_equal(leaf.child, position);
    assert_int_equal(leaf.column, 0);
    const uint32_t row = leaf.bits;
    assert_true(row < flat->parts[0].leaf_count);
    const uint64_t source_row = source->first_leaf + forest->right[source->first_node + node];
    const double *const values = flat->leaves.data;
    assert_memory_equal(values + (uint64_t)row * forest->leaf_width,
                        forest->leaf_values + source_row * forest->leaf_width,
                        forest->leaf_width * sizeof *values);
}

/* [F-283]: thresholds are rounded down. */
static void check_decision(const espalier_forest *forest, const espalier_forest_tree *source,
                           const espalier_flat *flat, uint32_t node, decoded at, uint32_t position)
{
    const uint64_t index = source->first_node + node;
    const espalier_file_column *const columns = flat->columns.data;
    assert_true(at.column > 0);
    assert_true(UINT32_MAX - at.bits <= ESPALIER_WORD_LAST);
    assert_true(at.column < flat->columns.bytes / sizeof *columns);
    assert_int_equal(columns[at.column].kind, ESPALIER_COLUMN_FEATURE);
    assert_int_equal(columns[at.column].feature, forest->feature[index]);
    assert_int_equal(columns[at.column].missing,
                     forest->missing_allowed ? forest->missing_left[index] : 0);
    /* The largest float32 not above the trainer's: the next one is above. */
    assert_true((double)at.threshold <= forest->threshold[index]);
    if (at.threshold < INFINITY) {
        assert_true((double)nextafterf(at.threshold, INFINITY) > forest->threshold[index]);
    }
    assert_true(at.child > position);
    assert_int_equal(at.child % 2, 0);
}

/* A node of the source and the position where it should be. */
typedef struct pair {
    uint32_t node;
    uint32_t position;
} pair;

static void check_tree(const espalier_forest *forest, const espalier_flat *flat, uint32_t index)
{
    const espalier_forest_tree *const source = &forest->trees[index];
    const espalier_file_tree *const tree = (const espalier_file_tree *)flat->trees.data + index;
    uint8_t *const seen = calloc(tree->node_count, 1);
    pair *const stack = calloc((size_t)source->node_count + 1, sizeof *stack);
    assert_non_null(seen);
    assert_non_null(stack);
    uint32_t depth = 0;
    uint32_t reached = 0;
    stack[depth++] = (pair){0, 0};
    while (depth > 0) {
        const pair at = stack[--depth];
        const decoded node = decode_node(flat, tree, at.position);
        assert_int_equal(seen[at.position], 0);
        seen[at.position] = 1;
        reached++;
        if (flat->model.number_bytes != 0) {
            assert_int_equal(decode_number(flat, tree, at.position), at.node);
        }
        if (forest->left[source->first_node + at.node] == ESPALIER_FOREST_LEAF) {
            check_leaf(forest, source, flat, at.node, node, at.position);
            continue;
        }
        check_decision(forest, source, flat, at.node, node, at.position);
        assert_true(node.child + 1 < tree->node_count);
        stack[depth++] = (pair){forest->right[source->first_node + at.node], node.child + 1};
        stack[depth++] = (pair){forest->left[source->first_node + at.node], node.child};
    }
    assert_int_equal(reached, source->node_count);
    for (uint32_t position = 0; position < tree->node_count; position++) {
        if (!seen[position]) {
            const decoded filler = decode_node(flat, tree, position);
            assert_int_equal(filler.child, position);
            assert_int_equal(filler.column, 0);
            assert_int_equal(filler.bits, 0);
            assert_true(flat->model.number_bytes == 0 || decode_number(flat, tree, position) == 0);
        }
    }
    assert_int_equal(seen[1], 0);
    free(seen);
    free(stack);
}

/* [F-123]: columns ascend; [F-136]: numbers tell trees apart. */
static void check_tables(const espalier_forest *forest, const espalier_flat *flat)
{
    const espalier_file_tree *const trees = flat->trees.data;
    uint64_t first = 0;
    uint64_t visits = 0;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        assert_int_equal(trees[i].first_node, first);
        assert_int_equal(trees[i].node_count % 8, 0);
        assert_true(trees[i].node_count <= UINT64_C(1) << flat->parts[0].child_bits);
        assert_int_equal(trees[i].depth, forest->trees[i].depth);
        assert_int_equal(trees[i].iteration, i);
        assert_int_equal(trees[i].number, i);
        first += trees[i].node_count;
        visits += trees[i].depth;
    }
    assert_int_equal(flat->nodes.bytes, first * flat->parts[0].node_bytes);
    assert_int_equal(flat->model.visits_per_row, visits);
    assert_int_equal(flat->model.node_count, forest->node_count);
    const espalier_file_column *const columns = flat->columns.data;
    assert_int_equal(columns[0].kind, ESPALIER_COLUMN_LEAF);
    const uint64_t count = flat->columns.bytes / sizeof *columns;
    const uint64_t leaves = 1u + (count > 1 && columns[1].kind == ESPALIER_COLUMN_LEAF);
    for (uint64_t i = leaves + 1; i < count; i++) {
        const uint64_t before = (uint64_t)columns[i - 1].feature * 2 + columns[i - 1].missing;
        assert_true((uint64_t)columns[i].feature * 2 + columns[i].missing > before);
        assert_true(forest->missing_allowed || columns[i].missing == 0);
    }
}

static void check_forest(const espalier_forest *forest, const espalier_flat *flat)
{
    check_tables(forest, flat);
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        check_tree(forest, flat, i);
    }
}

/* ---- tests ---- */

static const synthetic_options options_list[] = {
    {.seed = 1, .tree_count = 1, .feature_count = 1, .group_count = 1},
    {.seed = 2,
     .tree_count = 20,
     .feature_count = 5,
     .decision_count_max = 40,
     .group_count = 1,
     .class_count = 3,
     .distinct_count = 7},
    {.seed = 3,
     .tree_count = 30,
     .feature_count = 9,
     .decision_count_max = 300,
     .group_count = 3,
     .class_count = 1,
     .missing_allowed = true,
     .shape = SYNTHETIC_BEST_FIRST},
    {.seed = 4,
     .tree_count = 1,
     .feature_count = 4,
     .decision_count_max = 100,
     .group_count = 2,
     .class_count = 4,
     .normalise = true,
     .shape = SYNTHETIC_BEST_FIRST,
     .named = true},
    {.seed = 5,
     .tree_count = 9,
     .feature_count = 3,
     .decision_count_max = 5000,
     .group_count = 1,
     .shape = SYNTHETIC_CHAIN},
    {.seed = 6,
     .tree_count = 4,
     .feature_count = 70000,
     .decision_count_max = 120000,
     .group_count = 1,
     .missing_allowed = true,
     .shape = SYNTHETIC_BEST_FIRST},
    {.seed = 7,
     .tree_count = 3,
     .feature_count = 2,
     .decision_count_max = 3,
     .group_count = 1,
     .class_count = 2,
     .label_kind = ESPALIER_LABEL_STRING,
     .shape = SYNTHETIC_BEST_FIRST},
    {.seed = 8, .tree_count = 2, .feature_count = 8, .decision_count_max = 40000, .group_count = 2},
};

static void test_every_node_is_found_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof options_list / sizeof options_list[0]; i++) {
        espalier_forest forest;
        synthetic_forest_make(&options_list[i], &forest);
        espalier_flat flat = flatten_or_fail(&forest);
        check_forest(&forest, &flat);
        espalier_flat_free(&flat);
        espalier_forest_free(&forest);
    }
}

/* F-280. */
/* [F-280] */
static void test_same_forest_same_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        espalier_forest forest;
        synthetic_forest_make(&options_list[i], &forest);
        espalier_flat flats[2] = {flatten_or_fail(&forest), flatten_or_fail(&forest)};
        espalier_writer_section sections[2][ESPALIER_FLAT_SECTIONS_MAX];
        const uint32_t count = espalier_flat_sections(&flats[0], sections[0]);
        assert_int_equal(espalier_flat_sections(&flats[1], sections[1]), count);
        for (uint32_t j = 0; j < count; j++) {
            assert_int_equal(sections[0][j].type, sections[1][j].type);
            assert_int_equal(sections[0][j].bytes, sections[1][j].bytes);
            assert_memory_equal(sections[0][j].data, sections[1][j].data,
                                (size_t)sections[0][j].bytes);
        }
        espalier_flat_free(&flats[0]);
        espalier_flat_free(&flats[1]);
        espalier_forest_free(&forest);
    }
}

static void test_wide_nodes_when_columns_do_not_fit(void **state)
{
    (void)state;
    espalier_forest forest;
    synthetic_forest_make(&options_list[5], &forest);
    espalier_flat flat = flatten_or_fail(&forest);
    assert_true(flat.columns.bytes / sizeof(espalier_file_column) > 65536);
    assert_int_equal(flat.parts[0].node_bytes, 16);
    espalier_flat_free(&flat);
    espalier_forest_free(&forest);

    synthetic_forest_make(&options_list[1], &forest);
    flat = flatten_or_fail(&forest);
    assert_int_equal(flat.parts[0].node_bytes, 8);
    assert_int_equal(flat.parts[0].child_bits, 16);
    espalier_flat_free(&flat);
    espalier_forest_free(&forest);
}

/* F-091. */
/* [F-091] */
static void test_child_bits_follow_the_largest_tree(void **state)
{
    (void)state;
    espalier_forest forest;
    synthetic_forest_make(&options_list[7], &forest);
    espalier_flat flat = flatten_or_fail(&forest);
    const espalier_file_tree *const trees = flat.trees.data;
    const uint32_t largest =
        trees[0].node_count > trees[1].node_count ? trees[0].node_count : trees[1].node_count;
    assert_true(largest > 65536 || flat.parts[0].child_bits == 16);
    assert_true(largest <= UINT32_C(1) << flat.parts[0].child_bits);
    assert_true(flat.parts[0].child_bits == 16 || largest > UINT32_C(1)
                                                                << (flat.parts[0].child_bits - 1));
    espalier_flat_free(&flat);
    espalier_forest_free(&forest);
}

static void test_leaves_are_shared_where_it_pays(void **state)
{
    (void)state;
    synthetic_options options = {.seed = 11,
                                 .tree_count = 10,
                                 .feature_count = 6,
                                 .decision_count_max = 200,
                                 .group_count = 1,
                                 .class_count = 2,
                                 .distinct_count = 5};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    espalier_flat flat = flatten_or_fail(&forest);
    assert_int_equal(flat.parts[0].leaf_count, 5);
    espalier_flat_free(&flat);

    /* One repeated row in many: every leaf keeps a row of its own, in the order of the file. */
    espalier_forest_free(&forest);
    options.distinct_count = 0;
    options.class_count = 3;
    synthetic_forest_make(&options, &forest);
    memcpy(forest.leaf_values, forest.leaf_values + 3, 3 * sizeof(double));
    flat = flatten_or_fail(&forest);
    assert_int_equal(flat.parts[0].leaf_count, forest.leaf_count);
    const espalier_file_tree *const trees = flat.trees.data;
    uint32_t next = 0;
    for (uint32_t i = 0; i < forest.tree_count; i++) {
        for (uint32_t position = 0; position < trees[i].node_count; position++) {
            const decoded node = decode_node(&flat, &trees[i], position);
            if (node.child == position && position != 1 && position <= trees[i].source_node_count) {
                assert_int_equal(node.bits, next++);
            }
        }
    }
    assert_int_equal(next, forest.leaf_count);
    check_forest(&forest, &flat);
    espalier_flat_free(&flat);
    espalier_forest_free(&forest);
}

/* [F-092]: constants only where the part uses them. */
static void test_zeroes_of_both_signs_are_two_leaves(void **state)
{
    (void)state;
    const synthetic_options options = {
        .seed = 12, .tree_count = 1, .feature_count = 1, .decision_count_max = 1, .group_count = 1};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    assert_int_equal(forest.leaf_count, 2);
    forest.leaf_values[0] = 0.0;
    forest.leaf_values[1] = -0.0;
    espalier_flat flat = flatten_or_fail(&forest);
    assert_int_equal(flat.parts[0].leaf_count, 2);
    /* So that a lone -0.0 stays one, the sum starts from -0.0. */
    assert_int_equal(flat.parts[0].start, ESPALIER_START_CONSTANTS);
    assert_int_equal(flat.constants.bytes, sizeof(double));
    assert_true(signbit(*(const double *)flat.constants.data));
    espalier_flat_free(&flat);
    espalier_forest_free(&forest);
}

/* F-177. */
/* [F-177] */
static void test_numbers_only_where_preorder_fails(void **state)
{
    (void)state;
    const uint32_t widths[][2] = {{60, 1}, {3000, 2}, {60000, 4}};
    for (size_t i = 0; i < 3; i++) {
        synthetic_options options = {.seed = 13,
                                     .tree_count = 2,
                                     .feature_count = 3,
                                     .decision_count_max = widths[i][0],
                                     .group_count = 1};
        espalier_forest forest;
        synthetic_forest_make(&options, &forest);
        espalier_flat flat = flatten_or_fail(&forest);
        assert_int_equal(flat.model.number_bytes, 0);
        assert_null(flat.node_numbers.data);
        espalier_flat_free(&flat);
        espalier_forest_free(&forest);

        options.shape = SYNTHETIC_BEST_FIRST;
        synthetic_forest_make(&options, &forest);
        flat = flatten_or_fail(&forest);
        assert_int_equal(flat.model.number_bytes, widths[i][1]);
        check_forest(&forest, &flat);
        espalier_flat_free(&flat);
        espalier_forest_free(&forest);
    }
}

/* Cover times the number of cache lines on the way to each leaf, over the root's cover. */
static double count_lines(const espalier_flat *flat, const espalier_forest *forest)
{
    double lines = 0.0;
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        const espalier_forest_tree *const source = &forest->trees[i];
        const espalier_file_tree *const tree = (const espalier_file_tree *)flat->trees.data + i;
        for (uint32_t position = 0; position < tree->node_count; position++) {
            const decoded node = decode_node(flat, tree, position);
            if (node.child != position && node.child / 8 != position / 8) {
                const uint32_t number = decode_number(flat, tree, position);
                lines +=
                    forest->cover[source->first_node + number] / forest->cover[source->first_node];
            }
        }
    }
    return lines / forest->tree_count + 1.0;
}

static void test_lines_hold_popular_neighbours(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 14,
                                       .tree_count = 10,
                                       .feature_count = 10,
                                       .decision_count_max = 4000,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    espalier_flat flat = flatten_or_fail(&forest);
    const double lines = count_lines(&flat, &forest);
    double visits = 0.0;
    for (uint32_t i = 0; i < forest.tree_count; i++) {
        const espalier_forest_tree *const tree = &forest.trees[i];
        for (uint32_t j = 0; j < tree->node_count; j++) {
            const uint64_t index = tree->first_node + j;
            if (forest.left[index] != ESPALIER_FOREST_LEAF) {
                visits += forest.cover[index] / forest.cover[tree->first_node];
            }
        }
    }
    visits /= forest.tree_count;
    print_message("%.2f lines for %.2f decisions\n", lines, visits);
    assert_true(lines < 0.6 * visits);
    espalier_flat_free(&flat);
    espalier_forest_free(&forest);
}

static void test_plan_of_a_normalised_tree(void **state)
{
    (void)state;
    espalier_forest forest;
    synthetic_forest_make(&options_list[3], &forest);
    espalier_flat flat = flatten_or_fail(&forest);
    assert_int_equal(flat.steps.bytes / sizeof(espalier_file_step), 3);
    assert_int_equal(flat.model.slot_count, 18);
    assert_int_equal(flat.parts[0].divisor, ESPALIER_DIVISOR_NONE);
    const espalier_file_stage *const stages = flat.stages.data;
    assert_int_equal(flat.stages.bytes, 2 * sizeof *stages);
    assert_int_equal(stages[1].input_slot, 4);
    assert_int_equal(stages[1].output_slot, 13);
    assert_int_equal(stages[1].slot_count, 5);
    const espalier_file_output *const outputs = flat.outputs.data;
    assert_int_equal(flat.outputs.bytes, 5 * sizeof *outputs);
    assert_int_equal(outputs[1].kind, ESPALIER_OUTPUT_PROBABILITY);
    assert_int_equal(outputs[1].first_slot, 13);
    assert_int_equal(outputs[3].kind, ESPALIER_OUTPUT_CLASS);
    assert_int_equal(outputs[3].first_slot, 4);
    assert_int_equal(outputs[4].kind, ESPALIER_OUTPUT_LEAF);
    const espalier_file_strings *const names = flat.feature_names.data;
    assert_int_equal(names->count, 4);
    espalier_flat_free(&flat);
    espalier_forest_free(&forest);
}

/* F-283. */
static void test_thresholds_round_down(void **state)
{
    (void)state;
    uint64_t random = 99;
    for (uint32_t i = 0; i < 2000000; i++) {
        uint64_t bits = synthetic_next(&random);
        double threshold = 0.0;
        memcpy(&threshold, &bits, sizeof bits);
        if (i % 2 == 0) { /* near float32's range, where most bits patterns are not */
            threshold = ldexp((double)(int64_t)bits, (int)(bits % 320) - 220);
        }
        if (isnan(threshold)) {
            continue;
        }
        const float rounded = espalier_round_threshold(threshold);
        assert_true((double)rounded <= threshold);
        assert_true(rounded == INFINITY || (double)nextafterf(rounded, INFINITY) > threshold);
    }
}

static void test_limits_are_named(void **state)
{
    (void)state;
    const synthetic_options options = {
        .seed = 15, .tree_count = 2, .feature_count = 3, .decision_count_max = 9, .group_count = 1};
    espalier_forest forest;
    synthetic_forest_make(&options, &forest);
    espalier_flat flat;
    espalier_error error;
    const uint32_t feature_count = forest.feature_count;
    forest.feature_count = ESPALIER_LIMIT_FEATURES + 1;
    assert_int_equal(espalier_flatten(&forest, "x.pkl", &flat, &error), ESPALIER_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "x.pkl: 16777217 features"));
    forest.feature_count = feature_count;
    forest.trees[0].depth = 5000000;
    assert_int_equal(espalier_flatten(&forest, "x.pkl", &flat, &error), ESPALIER_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "4194304"));
    forest.trees[0].depth = 1;
    const uint32_t node_count = forest.trees[0].node_count;
    forest.trees[0].node_count = UINT32_C(0x40000001);
    assert_int_equal(espalier_flatten(&forest, "x.pkl", &flat, &error), ESPALIER_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "nodes in one tree"));
    forest.trees[0].node_count = node_count;
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_node_is_found_again),
        cmocka_unit_test(test_same_forest_same_bytes),
        cmocka_unit_test(test_wide_nodes_when_columns_do_not_fit),
        cmocka_unit_test(test_child_bits_follow_the_largest_tree),
        cmocka_unit_test(test_leaves_are_shared_where_it_pays),
        cmocka_unit_test(test_zeroes_of_both_signs_are_two_leaves),
        cmocka_unit_test(test_numbers_only_where_preorder_fails),
        cmocka_unit_test(test_lines_hold_popular_neighbours),
        cmocka_unit_test(test_plan_of_a_normalised_tree),
        cmocka_unit_test(test_thresholds_round_down),
        cmocka_unit_test(test_limits_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
