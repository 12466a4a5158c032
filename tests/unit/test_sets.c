// SPDX-License-Identifier: Apache-2.0
/*
 * Sets of categories: what a number is to one, the matrices they become ([F-305]), what a file says
 * of its nodes, and what no layout or file can hold.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/flatten.h"
#include "convert/flatten_sets.h"
#include "convert/reference.h"
#include "convert/sets.h"
#include "espalier_inspect.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers and categories ---- */

static bool is_left(espalier_forest *forest, double value)
{
    return espalier_forest_set_left(forest, 0, value);
}

/* Category 0 and the last one there is, by each trainer's rule. */
static void test_categories_of_numbers(void **state)
{
    (void)state;
    static const struct {
        espalier_forest_category category;
        bool truncates; /* numbers between -1 and 0 are category 0 */
        double end;
    } rules[] = {
        {ESPALIER_FOREST_CATEGORY_INT32, true, 0x1p31},
        {ESPALIER_FOREST_CATEGORY_24, false, 0x1p24},
        {ESPALIER_FOREST_CATEGORY_8, false, 0x1p8},
        {ESPALIER_FOREST_CATEGORY_UINT8, true, 0x1p8},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        espalier_forest forest = {.category = rules[i].category,
                                  .feature_count = 1,
                                  .missing_allowed = true};
        const uint32_t members[] = {(uint32_t)(rules[i].end - 1.0), 0, 0};
        const espalier_forest_set set = {.members_left = true};
        assert_int_equal(espalier_forest_add_set(&forest, &set, members, 3), ESPALIER_OK);
        assert_int_equal(forest.sets[0].member_count, 2);
        assert_null(espalier_forest_find_set_fault(&forest));
        assert_true(is_left(&forest, 0.0) && is_left(&forest, -0.0) && is_left(&forest, 0.99));
        assert_int_equal(is_left(&forest, -0.5), rules[i].truncates);
        assert_int_equal(is_left(&forest, -5e-324), rules[i].truncates);
        assert_false(is_left(&forest, -1.0) || is_left(&forest, 1.0) ||
                     is_left(&forest, (double)NAN));
        assert_true(is_left(&forest, rules[i].end - 1.0));
        assert_true(is_left(&forest, nextafter(rules[i].end, 0.0)));
        assert_false(is_left(&forest, rules[i].end) || is_left(&forest, (double)INFINITY));
        assert_false(is_left(&forest, (double)-INFINITY) || is_left(&forest, 1e300));
        forest.sets[0].members_left = false;
        forest.sets[0].missing_left = true;
        assert_true(is_left(&forest, 1.0) && is_left(&forest, (double)NAN));
        assert_false(is_left(&forest, 0.0));
        forest.members[1] = UINT32_MAX;
        assert_non_null(espalier_forest_find_set_fault(&forest));
        espalier_forest_free(&forest);
    }
}

static void test_codes(void **state)
{
    (void)state;
    espalier_forest forest = {.feature_count = 1, .missing_allowed = true};
    double values[] = {-2.5, 0.0, 7.0};
    espalier_forest_codes codes = {values, 3};
    forest.codes = &codes;
    forest.code_count = 1;
    const uint32_t members[] = {0, 1};
    const espalier_forest_set set = {.members_left = true};
    assert_int_equal(espalier_forest_add_set(&forest, &set, members, 2), ESPALIER_OK);
    assert_null(espalier_forest_find_set_fault(&forest));
    assert_true(is_left(&forest, -2.5) && is_left(&forest, 0.0) && is_left(&forest, -0.0));
    assert_false(is_left(&forest, 7.0) || is_left(&forest, 1.0) || is_left(&forest, 5e-324));
    values[1] = -3.0;
    assert_non_null(espalier_forest_find_set_fault(&forest));
    values[1] = 0.0;
    codes.count = 1;
    assert_non_null(espalier_forest_find_set_fault(&forest));
    forest.codes = NULL;
    forest.missing_allowed = false;
    forest.sets[0].missing_left = true;
    assert_non_null(espalier_forest_find_set_fault(&forest));
    forest.sets[0].missing_left = false;
    forest.sets[0].feature = 1;
    assert_non_null(espalier_forest_find_set_fault(&forest));
    forest.feature_count = 2;
    forest.sets[0].member_count = 3;
    assert_non_null(espalier_forest_find_set_fault(&forest));
    espalier_forest_free(&forest);
}

/* ---- matrices ---- */

static void make_forest(uint64_t seed, synthetic_trainer trainer, espalier_forest *forest)
{
    const synthetic_options options = {.seed = seed,
                                       .trainer = trainer,
                                       .tree_count = 30,
                                       .feature_count = 5,
                                       .set_features = 3,
                                       .decision_count_max = 30,
                                       .group_count = 1,
                                       .missing_allowed = true};
    synthetic_forest_make(&options, forest);
}

static bool has_bit(const espalier_set_list *list, uint32_t row, uint32_t bit)
{
    return (list->matrix[(size_t)row * list->word_count + bit / 32] >> (31 - bit % 32) & 1) != 0;
}

/* F-305: each set once, neighbouring ranks differ, nothing in unused bits. */
static void check_list(const espalier_set_list *list)
{
    const size_t row_bytes = list->word_count * sizeof *list->matrix;
    assert_int_equal(list->word_count, (list->set_count + 31) / 32);
    for (uint32_t r = 1; r <= list->cut_count && list->cut_count > 1; r++) {
        const uint32_t *const row = list->matrix + (size_t)r * list->word_count;
        assert_memory_not_equal(row, row - list->word_count, row_bytes);
    }
    for (uint32_t r = 0; r < list->cut_count + 2; r++) {
        for (uint32_t bit = list->set_count; bit < list->word_count * 32; bit++) {
            assert_false(has_bit(list, r, bit));
        }
    }
    for (uint32_t i = 1; i < list->cut_count; i++) {
        assert_true(list->cuts[i] > list->cuts[i - 1]);
    }
    for (uint32_t a = 0; a < list->set_count; a++) {
        for (uint32_t b = 0; b < a; b++) {
            uint32_t r = 0;
            while (r < list->cut_count + 2 && has_bit(list, r, a) == has_bit(list, r, b)) {
                r++;
            }
            /* Of a set without members and its like only how they are written differs. */
            assert_true(r < list->cut_count + 2 || list->set_count < 8);
        }
    }
}

static void test_matrices(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        espalier_forest forest;
        espalier_set_columns columns;
        uint64_t bytes = 0;
        make_forest(seed, (synthetic_trainer)(seed % 3), &forest);
        assert_int_equal(espalier_set_columns_init(&columns, &forest, &bytes), ESPALIER_OK);
        assert_int_equal(columns.list_count, 3);
        for (uint32_t i = 0; i < columns.list_count; i++) {
            check_list(&columns.lists[i]);
        }
        espalier_set_columns_free(&columns);
        espalier_forest_free(&forest);
    }
}

/* Each set's side of each category and of the missing value, by the ranks of the list. */
static void expect_sides(espalier_forest *forest, const espalier_set_columns *columns,
                         const double *values, size_t count)
{
    const espalier_set_list *const list = &columns->lists[0];
    check_list(list);
    for (size_t i = 0; i < count; i++) {
        uint32_t rank = 0;
        while (rank < list->cut_count && list->cuts[rank] < values[i]) {
            rank++;
        }
        for (uint32_t set = 0; set < forest->set_count; set++) {
            assert_int_equal(has_bit(list, rank, columns->bit_of[set]),
                             !espalier_forest_set_left(forest, set, values[i]));
        }
    }
}

/* Categories are found by marks where the largest is below the number of all members, else by
 * sorting: the same sets without and with a large category. */
static void test_marks_and_sorting(void **state)
{
    (void)state;
    static const uint32_t members[][11] = {{9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 9},
                                           {7, 2, 9, 2},
                                           {5},
                                           {6, 0, 6, 1, 2, 3},
                                           {2, 9, 7},
                                           {16000000, 4, 9999999}};
    static const uint32_t counts[] = {11, 4, 1, 6, 3, 3};
    static const double values[] = {-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 9999999, 1e7, 16000000};
    for (size_t large = 0; large < 2; large++) {
        espalier_forest forest = {.category = ESPALIER_FOREST_CATEGORY_24, .feature_count = 1};
        for (size_t i = 0; i < 5 + large; i++) {
            const espalier_forest_set set = {.members_left = i % 2 == 0 || i == 4};
            assert_int_equal(espalier_forest_add_set(&forest, &set, members[i], counts[i]),
                             ESPALIER_OK);
        }
        /* The second set and the fifth are one but for their side. */
        forest.sets[4].members_left = forest.sets[1].members_left;
        forest.node_count = 1;
        assert_true(espalier_forest_reserve_sets(&forest));
        espalier_set_columns columns;
        uint64_t bytes = 0;
        assert_int_equal(espalier_set_columns_init(&columns, &forest, &bytes), ESPALIER_OK);
        assert_int_equal(columns.bit_of[4], columns.bit_of[1]);
        assert_int_equal(columns.lists[0].set_count, 4 + large);
        expect_sides(&forest, &columns, values, sizeof values / sizeof *values);
        espalier_set_columns_free(&columns);
        espalier_forest_free(&forest);
    }
}

static void test_marks_to_the_last(void **state)
{
    (void)state;
    static const uint32_t members[] = {3, 1, 4, 0, 2, 5};
    static const double values[] = {-1, 0, 1, 2, 3, 4, 5, 6, 7};
    for (size_t first = 0; first < 2; first++) {
        /* 0 to 5 are below the count of 6; of 1 to 5 and 1, the last is not. */
        espalier_forest forest = {.category = ESPALIER_FOREST_CATEGORY_24, .feature_count = 1};
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
            const espalier_forest_set set = {.members_left = true};
            if (first == 0 || members[i] != 0) {
                assert_int_equal(espalier_forest_add_set(&forest, &set, &members[i], 1),
                                 ESPALIER_OK);
            }
        }
        forest.node_count = 1;
        assert_true(espalier_forest_reserve_sets(&forest));
        espalier_set_columns columns;
        uint64_t bytes = 0;
        assert_int_equal(espalier_set_columns_init(&columns, &forest, &bytes), ESPALIER_OK);
        expect_sides(&forest, &columns, values, sizeof values / sizeof *values);
        espalier_set_columns_free(&columns);
        espalier_forest_free(&forest);
    }
}

/* Many sets of many categories: the matrix is counted before it is made. */
static void test_too_many_bits(void **state)
{
    (void)state;
    const uint32_t count = 150000;
    espalier_forest forest = {.category = ESPALIER_FOREST_CATEGORY_24, .feature_count = 1};
    for (uint32_t i = 0; i < count; i++) {
        const espalier_forest_set set = {.members_left = true};
        const uint32_t member = 2 * i;
        assert_int_equal(espalier_forest_add_set(&forest, &set, &member, 1), ESPALIER_OK);
    }
    forest.node_count = 1;
    assert_true(espalier_forest_reserve_sets(&forest));
    espalier_set_columns columns;
    uint64_t bytes = 0;
    assert_int_equal(espalier_set_columns_init(&columns, &forest, &bytes), ESPALIER_ERROR_LIMIT);
    assert_true(bytes > ESPALIER_SET_BYTES_MAX);
    espalier_set_columns_free(&columns);
    espalier_forest_free(&forest);
}

/* ---- layouts ---- */

static void test_layouts(void **state)
{
    (void)state;
    static const uint32_t masks[] = {ESPALIER_LAYOUT_MASK, ESPALIER_LAYOUT_HEAP,
                                     ESPALIER_LAYOUT_SELECT, ESPALIER_LAYOUT_BITS};
    for (int trainer = SYNTHETIC_FOREST; trainer <= SYNTHETIC_LIGHTGBM; trainer++) {
        espalier_forest forest;
        espalier_flat flat;
        espalier_error error;
        make_forest(9, (synthetic_trainer)trainer, &forest);
        for (size_t i = 0; i < sizeof masks / sizeof masks[0]; i++) {
            assert_int_equal(espalier_flatten_to(&forest, masks[i], "here", &flat, &error),
                             ESPALIER_ERROR_LIMIT);
            assert_non_null(strstr(error.message, "cannot hold it: it has splits on categories"));
        }
        assert_int_equal(espalier_flatten_to(&forest, ESPALIER_LAYOUT_ANY, "here", &flat, &error),
                         ESPALIER_OK);
        assert_string_equal(flat.layout, "walk");
        assert_non_null(strstr(flat.why, "categories"));
        espalier_flat_free(&flat);
        espalier_forest_free(&forest);
    }
}

/* ---- what a file says ---- */

/* The position where a row ends by what the model says of its nodes. */
static uint32_t follow(const espalier_model *model, uint32_t tree, const float *row,
                       uint32_t *sets_met)
{
    uint32_t position = 0;
    espalier_node node;
    for (uint32_t step = 0; step < 1000; step++) {
        assert_int_equal(espalier_model_node(model, tree, position, &node), ESPALIER_OK);
        if (node.feature == ESPALIER_FEATURE_NONE) {
            return position;
        }
        const double value = (double)row[node.feature];
        bool left = isnan(value) ? node.missing_left != 0 : value <= node.threshold;
        if (node.is_set != 0) {
            (*sets_met)++;
            left = espalier_model_set_left(model, &node, value) != 0;
            assert_int_equal(espalier_model_set_left(model, &node, (double)NAN), node.missing_left);
        }
        position = left ? node.left : node.right;
    }
    fail_msg("no leaf");
    return 0;
}

/* Nodes, followed one by one, lead to the leaves that predict finds. */
static void test_nodes(void **state)
{
    (void)state;
    const size_t row_count = 40;
    uint32_t sets_met = 0;
    espalier_forest forest;
    make_forest(4, SYNTHETIC_XGBOOST, &forest);
    model_bytes bytes = model_bytes_of(&forest, 3);
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(espalier_model_open_memory(bytes.data, bytes.bytes, NULL, &model, &error),
                     ESPALIER_OK);
    float *const rows = model_rows_make(&forest, 5, row_count, 1);
    double *const slots = calloc(row_count * espalier_reference_slot_count(&forest), sizeof *slots);
    assert_non_null(slots);
    espalier_reference_evaluate(&forest, rows, row_count, slots, NULL);
    for (size_t r = 0; r < row_count; r++) {
        float sum = (float)(forest.start != NULL ? forest.start[0] : 0.0);
        for (uint32_t t = 0; t < forest.tree_count; t++) {
            double leaf = 0.0;
            espalier_node node;
            const uint32_t position = follow(model, t, rows + r * forest.feature_count, &sets_met);
            assert_int_equal(espalier_model_node(model, t, position, &node), ESPALIER_OK);
            assert_int_equal(espalier_model_leaf(model, 0, node.leaf_index, &leaf, 1), ESPALIER_OK);
            sum += (float)leaf;
        }
        assert_true((double)sum == slots[r * espalier_reference_slot_count(&forest)]);
    }
    assert_true(sets_met > row_count);
    const espalier_node none = {.feature = 0};
    assert_int_equal(espalier_model_set_left(model, &none, 0.0), 0);
    const espalier_node wild = {.is_set = 1, .set_column = UINT32_MAX, .set_bit = UINT32_MAX};
    assert_int_equal(espalier_model_set_left(model, &wild, 0.0), 0);
    assert_int_equal(espalier_model_set_left(NULL, &none, 0.0), 0);
    assert_int_equal(espalier_model_set_left(model, NULL, 0.0), 0);
    free(rows);
    free(slots);
    espalier_model_close(model);
    model_bytes_free(&bytes);
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_categories_of_numbers),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_matrices),
        cmocka_unit_test(test_marks_and_sorting),
        cmocka_unit_test(test_marks_to_the_last),
        cmocka_unit_test(test_too_many_bits),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
