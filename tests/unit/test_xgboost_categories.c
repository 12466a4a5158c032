// SPDX-License-Identifier: Apache-2.0
/*
 * Categories in XGBoost documents made by hand: the lists of splits, the names and numbers that
 * 3.1 began to save, and the lies about them.
 */
#include "convert/preparation.h"
#include "convert/sets.h"
#include "tests/unit/test_xgboost.h"

#include <math.h>
#include <stdbool.h>

/* ---- names of categories ------------------------------------------------------------------ */

#define INDPTR    "\"iteration_indptr\":[0,1,2,3]"
#define CATS(enc) "\"cats\":{\"enc\":" enc ",\"feature_segments\":[]}," INDPTR

/* Categories, from 3.1 on: text of feature 1, in no order, and numbers, which become places. */
static void test_category_names(void **state)
{
    (void)state;
    espalier_forest forest;
    char *const text = replace(whole, INDPTR,
                               CATS("[{\"type\":15,\"values\":[10,20]},"
                                    "{\"offsets\":[0,1,3,3],\"values\":[98,-61,164]}]"));
    assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &forest), ESPALIER_OK);
    free(text);
    assert_int_equal(forest.categories.count, 1);
    const espalier_category_list *const list = espalier_categories_at(&forest.categories, 1);
    assert_non_null(list);
    assert_int_equal(list->count, 3);
    assert_string_equal(list->texts[0], "b");
    assert_string_equal(list->texts[1], "\xC3\xA4");
    assert_int_equal(list->text_bytes[2], 0);
    assert_true(list->refuses);
    assert_non_null(forest.preparation);
    assert_int_equal(forest.preparation->operation_count, 1);
    const double rows[][2] = {{20.0, 0.0}, {10.0, 0.0}, {(double)NAN, 0.0}, {11.0, 0.0}};
    uint32_t refused = 1;
    for (uint32_t i = 0; i < 4; i++) {
        const double place = espalier_preparation_evaluate(forest.preparation, 2, rows[i][0], true);
        assert_true(i < 2 ? place == (double)(1 - i) : isnan(place));
        assert_int_equal(espalier_preparation_check(forest.preparation, rows[i], true, &refused),
                         i < 3 ? ESPALIER_OK : ESPALIER_ERROR_CATEGORY);
    }
    assert_int_equal(refused, 0);
    espalier_forest_free(&forest);
    static const struct {
        const char *cats;
        espalier_status status;
        const char *words;
    } bad[] = {
        {CATS("[{\"offsets\":[0,2],\"values\":[98]}]"), ESPALIER_ERROR_SOURCE_SYNTAX, "offsets"},
        {CATS("[{\"offsets\":[1,0],\"values\":[98]}]"), ESPALIER_ERROR_SOURCE_SYNTAX, "offsets"},
        {CATS("[{\"offsets\":[-1,1],\"values\":[98]}]"), ESPALIER_ERROR_SOURCE_SYNTAX, "offsets"},
        {CATS("[{\"offsets\":[0,1],\"values\":[255]}]"), ESPALIER_ERROR_SOURCE_UNSUPPORTED,
         "UTF-8"},
        {CATS("[{\"offsets\":[0,1,2],\"values\":[98,98]}]"), ESPALIER_ERROR_SOURCE_TREE, "twice"},
        {CATS("[{},{},{\"offsets\":[0,1],\"values\":[98]}]"), ESPALIER_ERROR_SOURCE_TREE,
         "not there"},
        {CATS("[{},{},{\"type\":7,\"values\":[1]}]"), ESPALIER_ERROR_SOURCE_TREE, "not there"},
        {CATS("[{\"type\":7,\"values\":[3,1,3]}]"), ESPALIER_ERROR_SOURCE_TREE, "twice"},
        {CATS("[{\"type\":9,\"values\":[9007199254740993,5,9007199254740992]}]"),
         ESPALIER_ERROR_SOURCE_TREE,
         "the categories 9007199254740993 and 9007199254740992 of feature 0 are one number"},
        {CATS("[{\"type\":16,\"values\":[-1,-2]}]"), ESPALIER_ERROR_SOURCE_TREE,
         "the categories 18446744073709551615 and 18446744073709551614 of feature 0"},
        {CATS("[{\"type\":8,\"values\":[0.30000000000000004,1e300,0.30000000000000004]}]"),
         ESPALIER_ERROR_SOURCE_TREE,
         "the categories 0.30000000000000004 and 0.30000000000000004 of feature 0"},
        {CATS("[{\"type\":8,\"values\":[1e300,0.5,1e300]}]"), ESPALIER_ERROR_SOURCE_TREE,
         "the categories 1.0000000000000001e+300 and 1.0000000000000001e+300 of feature 0"},
        {CATS("[{\"type\":7,\"values\":[0.100000001,0.5,0.100000001]}]"),
         ESPALIER_ERROR_SOURCE_TREE, "the categories 0.100000001 and 0.100000001 of feature 0"},
        {CATS("[{\"type\":8,\"values\":[0.0,0.0]}]"), ESPALIER_ERROR_SOURCE_TREE,
         "the categories 0 and 0 of feature 0"},
        {CATS("[{\"type\":2,\"values\":[1,NaN]}]"), ESPALIER_ERROR_SOURCE_TREE, "not finite"},
        {CATS("[{\"type\":7,\"values\":[\"a\"]}]"), ESPALIER_ERROR_SOURCE_SYNTAX, "number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        check_change_refused(INDPTR, bad[i].cats, bad[i].status, bad[i].words);
    }
}

/* UBJSON's signed numbers stand for unsigned ones where the type says so. */
static void test_unsigned_categories(void **state)
{
    (void)state;
    static const struct {
        const char *cats;
        double number;
    } cases[] = {
        {CATS("[{\"type\":12,\"values\":[7,-5536]}]"), 60000.0},
        {CATS("[{\"type\":14,\"values\":[7,-294967296]}]"), 4e9},
        {CATS("[{\"type\":16,\"values\":[7,-9223372036854775808]}]"), 0x1p63},
        {CATS("[{\"type\":11,\"values\":[7,-5536]}]"), -5536.0},
        {CATS("[{\"type\":12,\"values\":[7,60000]}]"), 60000.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char *const text = replace(whole, INDPTR, cases[i].cats);
        assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &forest), ESPALIER_OK);
        free(text);
        assert_true(espalier_preparation_evaluate(forest.preparation, 2, cases[i].number, true) ==
                    1.0);
        espalier_forest_free(&forest);
    }
}

/* ---- splits on categories ------------------------------------------------------------------- */

#define LISTS                                    \
    "\"categories\":[],\"categories_nodes\":[]," \
    "\"categories_segments\":[],\"categories_sizes\":[]"
#define LISTS_OF(categories, nodes, segments, sizes)               \
    "\"categories\":[" categories "],\"categories_nodes\":[" nodes \
    "],\"categories_segments\":[" segments "],\"categories_sizes\":[" sizes "]"

/* Tree 0 with such lists, and with node 0, which asks feature 1, a split on categories. */
static char *categorical_text(const char *lists)
{
    char *const typed = replace(whole, "\"split_type\":[0,0,0,0,0]", "\"split_type\":[1,0,0,0,0]");
    char *const text = replace(typed, LISTS, lists);
    free(typed);
    return text;
}

static void test_categories(void **state)
{
    (void)state;
    static const struct {
        double value;
        bool left;
    } cases[] = {
        {0.0, true},   {1.0, false},        {1.5, false},       {2.0, true},  {-0.5, true},
        {70.0, false}, {16777215.0, false}, {16777216.0, true}, {1e30, true}, {-1.0, true},
        {NAN, true},   {3.0, true},         {0.99999994, true}, {71.0, true}, {-INFINITY, true},
    };
    espalier_forest forest;
    char *const text = categorical_text(LISTS_OF("1,70,16777215", "0", "0", "3"));
    load_text(text, &forest);
    assert_int_equal(forest.set_count, 1);
    assert_int_equal(forest.set[0], 0);
    assert_int_equal(forest.sets[0].feature, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(espalier_forest_set_left(&forest, 0, cases[i].value), cases[i].left);
    }
    for (uint64_t i = 1; i < forest.node_count; i++) {
        assert_int_equal(forest.set[i], ESPALIER_FOREST_NO_SET);
    }
    espalier_forest_free(&forest);
    free(text);
}

static void test_bad_categories(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {LISTS, "node 0 is a split on categories without a list"},
        {LISTS_OF("1", "0", "0", ""), "categories_nodes, _segments and _sizes have 1, 1 and 0"},
        {LISTS_OF("1", "1", "0", "1"), "there is no split on categories at node 1"},
        {LISTS_OF("1", "-1", "0", "1"), "there is no split on categories at node -1"},
        {LISTS_OF("1", "5", "0", "1"), "there is no split on categories at node 5"},
        {LISTS_OF("1", "0,0", "0,0", "1,1"), "there are two lists for node 0"},
        {LISTS_OF("1", "0", "0", "2"), "the list is empty or out of range, of size 2"},
        {LISTS_OF("1", "0", "1", "1"), "out of range"},
        {LISTS_OF("1", "0", "-1", "1"), "out of range"},
        {LISTS_OF("1", "0", "0", "0"), "the list is empty"},
        {LISTS_OF("1", "0", "2147483647", "2147483647"), "out of range"},
        {LISTS_OF("-1", "0", "0", "1"), "there is no category -1"},
        {LISTS_OF("16777216", "0", "0", "1"), "there is no category 16777216"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char *const text = categorical_text(cases[i][0]);
        assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &forest),
                         ESPALIER_ERROR_SOURCE_TREE);
        if (strstr(error.message, cases[i][1]) == NULL) {
            fail_msg("%s: %s", cases[i][0], error.message);
        }
        free(text);
    }
    check_change_refused(LISTS, LISTS_OF("1", "0", "0", "1"), ESPALIER_ERROR_SOURCE_TREE,
                         "there is no split on categories at node 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_category_names),
        cmocka_unit_test(test_unsigned_categories),
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_bad_categories),
    };
    return cmocka_run_group_tests_name("xgboost categories", tests, NULL, NULL);
}
