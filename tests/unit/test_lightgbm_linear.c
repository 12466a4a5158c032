// SPDX-License-Identifier: Apache-2.0
/*
 * LightGBM texts whose leaves are lines: what a row gives, and every lie about them.
 */
#include "tests/unit/test_lightgbm.h"

#include <math.h>

#define LINEAR_LINES(counts, features, coefficients)                                    \
    "is_linear=1\nleaf_const=1 2 3 4\nnum_features=" counts "\nleaf_features=" features \
    "\nleaf_coeff=" coefficients

/* Leaves that are lines: slots 2 and 3 hold the features, 4 the sum. Tree 1 is one constant. */
static void test_linear(void **state)
{
    (void)state;
    char *const text = replace_text(good_text, "is_linear=0",
                                    LINEAR_LINES("1 0 2 1", "1 0 1 0", "2 0.5 -4 1e300"));
    const struct {
        double row[2];
        uint32_t leaf;
        double sum;
    } cases[] = {
        {{-2.0, 0.25}, 0, 1.0 + 2.0 * 0.25},
        {{1.0, 0.25}, 2, 3.0 + 0.5 * 1.0 - 4.0 * 0.25},
        {{1.0, 0.75}, 3, 4.0 + 1e300 * 1.0},
        {{(double)NAN, 0.75}, 3, 7e+1}, /* the leaf's value, since its feature is missing */
        {{1e-36, 0.75}, 3, 4.0},        /* what is nearly 0 is 0 */
        {{5.0, 1e-36}, 2, 5.5},
    };
    espalier_forest forest;
    loads(text, &forest);
    assert_int_equal(espalier_forest_slots(&forest), 2);
    assert_int_equal(forest.term_count, 4);
    assert_int_equal(forest.outputs[0].first_slot, 4);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double slots[8];
        uint32_t leaves[2];
        espalier_reference_evaluate_float64(&forest, cases[i].row, 1, slots, leaves);
        assert_true(slots[0] == (double)leaves[0] && slots[1] == 0.0);
        if (leaves[0] != cases[i].leaf || slots[4] != cases[i].sum) {
            fail_msg("row %zu: leaf %u, %.17g", i, (unsigned)leaves[0], slots[4]);
        }
    }
    espalier_forest_free(&forest);
    free(text);
    /* Lines without slopes are their constants, and nothing is added to the forest. */
    char *const flat = replace_text(good_text, "is_linear=0", LINEAR_LINES("0 0 0 0", "", ""));
    loads(flat, &forest);
    assert_null(forest.linear_leaves);
    assert_int_equal(forest.stage_count, 0);
    assert_true(forest.leaf_values[3] == 4.0);
    espalier_forest_free(&forest);
    free(flat);
}

static const refusal bad_lines[] = {
    {"is_linear=0", "is_linear=1", ESPALIER_ERROR_SOURCE_SYNTAX, "there is no leaf_const"},
    {"is_linear=0", "is_linear=2", ESPALIER_ERROR_SOURCE_SYNTAX, "is_linear is '2'"},
    {"is_linear=0", "is_linear=1\nleaf_const=1 2 3", ESPALIER_ERROR_SOURCE_TREE,
     "leaf_const has 3 values, not 4"},
    {"is_linear=0", "is_linear=1\nleaf_const=1 2 3 nan", ESPALIER_ERROR_SOURCE_SYNTAX,
     "leaf_const[3] is 'nan', not a finite number"},
    {"is_linear=0", "is_linear=1\nleaf_const=1 2 3 4", ESPALIER_ERROR_SOURCE_SYNTAX,
     "there is no num_features"},
    {"is_linear=0", LINEAR_LINES("0 0 0 -1", "", ""), ESPALIER_ERROR_SOURCE_TREE,
     "num_features[3] is -1"},
    {"is_linear=0", LINEAR_LINES("0 0 0 9223372036854775808", "", ""), ESPALIER_ERROR_SOURCE_SYNTAX,
     "num_features[3] is '9223372036854775808', no integer"},
    {"is_linear=0", LINEAR_LINES("0 0 0 3", "0 1 0", "1 1 1"), ESPALIER_ERROR_SOURCE_TREE,
     "num_features[3] is 3, not within 0 to 2"},
    {"is_linear=0", LINEAR_LINES("0 0 0 2", "0", "1"), ESPALIER_ERROR_SOURCE_TREE,
     "num_features ask for more than the 1 items of leaf_coeff"},
    {"is_linear=0", LINEAR_LINES("0 0 0 1", "0 1", "1 1"), ESPALIER_ERROR_SOURCE_TREE,
     "leaf_coeff has 2 items, num_features ask for 1"},
    {"is_linear=0", LINEAR_LINES("0 0 0 1", "0 1", "1"), ESPALIER_ERROR_SOURCE_TREE,
     "leaf_features has 2 values, not 1"},
    {"is_linear=0", LINEAR_LINES("0 0 0 1", "2", "1"), ESPALIER_ERROR_SOURCE_TREE,
     "leaf_features[0] is 2, not within 0 to 1"},
    {"is_linear=0", LINEAR_LINES("0 0 0 1", "0", "inf"), ESPALIER_ERROR_SOURCE_SYNTAX,
     "leaf_coeff[0] is 'inf', not a finite number"},
    {"is_linear=0", LINEAR_LINES("0 0 0 2", "0 0", "1 1"), ESPALIER_ERROR_SOURCE_TREE,
     "leaf_features name a feature twice in a leaf"},
};

static void test_bad_lines(void **state)
{
    (void)state;
    refuse_all(bad_lines, sizeof bad_lines / sizeof bad_lines[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_bad_lines),
    };
    return cmocka_run_group_tests_name("lightgbm linear", tests, NULL, NULL);
}
