// SPDX-License-Identifier: Apache-2.0
/*
 * The categories of pandas that a LightGBM text lists: texts, numbers, and lists that are damaged.
 */
#include "tests/unit/test_lightgbm.h"

#include "convert/categories.h"
#include "convert/preparation.h"

#include <math.h>

/* The good text with a parameter, and with the line of pandas' categories. */
static espalier_status load_pandas(const char *features, const char *lists, espalier_forest *forest,
                                   espalier_error *error)
{
    char text[8192];
    espalier_source_summary summary;
    const char *const end = strstr(good_text, "end of parameters");
    const int written =
        snprintf(text, sizeof text, "%.*s%s\nend of parameters\n\npandas_categorical:%s\n",
                 (int)(end - good_text), good_text, features, lists);
    assert_true(written > 0 && (size_t)written < sizeof text);
    return load_bytes(text, (size_t)written, MEMORY_MAX, forest, &summary, error);
}

static void test_pandas_categories(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_error error = {0};
    assert_int_equal(load_pandas("[categorical_feature: 1]", "[[\"b\", \"\\u00e4\", \"a\"]]",
                                 &forest, &error),
                     ESPALIER_OK);
    assert_int_equal(forest.categories.count, 1);
    const espalier_category_list *const list = espalier_categories_at(&forest.categories, 1);
    assert_non_null(list);
    assert_int_equal(list->count, 3);
    assert_string_equal(list->texts[0], "b");
    assert_string_equal(list->texts[1], "\xC3\xA4");
    assert_true(isnan(list->unknown) && !list->refuses);
    assert_int_equal(list->order[0], 2);
    espalier_forest_free(&forest);
    /* Lists that fit no features, or none that are named, say nothing; numbers that are their own
     * places need not. */
    static const char *const silent[][2] = {
        {"[categorical_feature: 1]", "[[]]"},
        {"[categorical_feature: ]", "[[0, 1, 2.0], [false, true]]"},
        {"[categorical_feature: ]", "[[\"a\"]]"},
        {"[categorical_feature: 0,1]", "[[\"a\"]]"},
        {"[categorical_feature: 1,0]", "[[\"a\"], [\"b\"]]"},
        {"[categorical_feature: 99]", "[[\"a\"]]"},
        {"[other: 1]", "[[\"a\"]]"},
        {"[categorical_feature: name:x]", "[[\"a\"]]"},
        {"[categorical_feature: 1]", "{}"},
        {"[other: 1]", "[[\"a\"]]"},
    };
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        assert_int_equal(load_pandas(silent[i][0], silent[i][1], &forest, &error), ESPALIER_OK);
        assert_int_equal(forest.categories.string_count, 0);
        assert_null(forest.preparation);
        espalier_forest_free(&forest);
    }
    assert_int_equal(load_pandas("[categorical_column: 1]", "[[\"a\", \"a\"]]", &forest, &error),
                     ESPALIER_ERROR_SOURCE_TREE);
    assert_non_null(strstr(error.message, "twice"));
    assert_int_equal(load_pandas("[categorical_feature: 1]", "[[\"a\"", &forest, &error),
                     ESPALIER_ERROR_SOURCE_TRUNCATED);
    assert_int_equal(load_pandas("[categorical_feature: 1]", "[\"a]\nmore", &forest, &error),
                     ESPALIER_ERROR_SOURCE_SYNTAX);
}

static double place_of(const espalier_forest *forest, uint32_t value, double number)
{
    return espalier_preparation_evaluate(forest->preparation, value, number, false);
}

/* Rows have the numbers, in any order; nodes test their places, and what is no category is
 * missing. */
static void test_pandas_numbers(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_error error = {0};
    assert_int_equal(load_pandas("[categorical_feature: 1]",
                                 "[[7, -1.5, 1e300, 18446744073709551615]]", &forest, &error),
                     ESPALIER_OK);
    assert_non_null(forest.preparation);
    assert_int_equal(forest.preparation->operation_count, 1);
    const uint32_t value = forest.feature[0]; /* the root tests feature 1, the next node 0 */
    assert_int_equal(value, 2);
    assert_int_equal(forest.feature[1], 0);
    assert_int_equal(espalier_preparation_root(forest.preparation, value), 1);
    assert_true(place_of(&forest, value, 7.0) == 0.0);
    assert_true(place_of(&forest, value, -1.5) == 1.0);
    assert_true(place_of(&forest, value, 1e300) == 2.0);
    assert_true(place_of(&forest, value, 0x1p64) == 3.0);
    assert_true(isnan(place_of(&forest, value, 0.0)) && isnan(place_of(&forest, value, 8.0)));
    assert_true(isnan(place_of(&forest, value, (double)NAN)));
    espalier_forest_free(&forest);
    /* Nothing tests feature 1 but the tree: two truth values are 0 and 1. */
    assert_int_equal(load_pandas("[categorical_feature: 1]", "[[true, false]]", &forest, &error),
                     ESPALIER_OK);
    assert_true(place_of(&forest, forest.feature[0], 1.0) == 0.0);
    assert_true(place_of(&forest, forest.feature[0], 0.0) == 1.0);
    espalier_forest_free(&forest);
    static const struct {
        const char *features;
        const char *lists;
        espalier_status status;
        const char *words;
    } bad[] = {
        {"[categorical_feature: 1]", "[[\"a\", 1]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
         "neither all text nor all numbers"},
        {"[categorical_feature: 1]", "[[1, null]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED, "neither"},
        {"[categorical_feature: 1]", "[[2, 1, 2.0]]", ESPALIER_ERROR_SOURCE_TREE, "twice"},
        {"[categorical_feature: 1]", "[[1, true]]", ESPALIER_ERROR_SOURCE_TREE, "twice"},
        {"[categorical_feature: ]", "[[1, 2]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
         "which columns have these categories"},
        {"[categorical_feature: 0,1]", "[[1, 2]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
         "which columns have these categories"},
        {"[categorical_feature: 1]", "[[1, NaN]]", ESPALIER_ERROR_SOURCE_TRUNCATED, "not JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(load_pandas(bad[i].features, bad[i].lists, &forest, &error),
                         bad[i].status);
        assert_non_null(strstr(error.message, bad[i].words));
    }
}

/* Without names, as up to LightGBM 2.3, features with categories are those of the lists. */
static void test_pandas_without_names(void **state)
{
    (void)state;
    static const struct {
        const char *infos;
        const char *lists;
        uint32_t feature; /* 2: none */
    } cases[] = {
        {"[-3:4] 1:0", "[[\"a\", \"b\"]]", 1},    {"2:0 none", "[[\"a\", \"b\", \"c\"]]", 0},
        {"[-3:4] 1:0:-1", "[[\"a\", \"b\"]]", 1}, {"[-3:4] 2:0", "[[\"a\", \"b\"]]", 2},
        {"1:0 1:0", "[[\"a\", \"b\"]]", 2},       {"1:0 none", "[[\"a\"], [\"b\"]]", 2},
        {"1:x none", "[[\"a\", \"b\"]]", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char infos[64];
        char line[128];
        (void)snprintf(infos, sizeof infos, "feature_infos=%s\n", cases[i].infos);
        (void)snprintf(line, sizeof line, "pandas_categorical:%s\n", cases[i].lists);
        char *const other = replace_text(good_text, "feature_infos=[-3:4] none\n", infos);
        char *const text = replace_text(other, "pandas_categorical:null\n", line);
        loads(text, &forest);
        for (uint32_t feature = 0; feature < 2; feature++) {
            assert_int_equal(espalier_categories_at(&forest.categories, feature) != NULL,
                             feature == cases[i].feature);
        }
        free(other);
        free(text);
        espalier_forest_free(&forest);
    }
}

/* Of a column that was not named and looks like the one that pandas called categories: which of
 * them the list is of cannot be told. */
static void test_pandas_beside_named_columns(void **state)
{
    (void)state;
    static const struct {
        const char *infos;
        const char *lists;
        espalier_status status;
    } cases[] = {
        {"[0:1] 1:0", "[[10, 20]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[0:2] 1:0", "[[10, 20]]", ESPALIER_OK},
        {"[-1:1] 1:0", "[[10, 20]]", ESPALIER_OK},
        {"[0:1] 1:0", "[[0, 1]]", ESPALIER_OK},
        {"[0:1] 1:0", "[[\"a\", \"b\"]]", ESPALIER_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        espalier_source_summary summary;
        espalier_error error = {0};
        char infos[64];
        char line[128];
        (void)snprintf(infos, sizeof infos, "feature_infos=%s\n", cases[i].infos);
        (void)snprintf(line, sizeof line, "pandas_categorical:%s\n", cases[i].lists);
        char *const ranged = replace_text(good_text, "feature_infos=[-3:4] none\n", infos);
        char *const named = replace_text(ranged, "end of parameters",
                                         "[categorical_feature: 1]\nend of parameters");
        char *const text = replace_text(named, "pandas_categorical:null\n", line);
        assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &forest, &summary, &error),
                         cases[i].status);
        if (cases[i].status == ESPALIER_OK) {
            espalier_forest_free(&forest);
        } else {
            assert_non_null(strstr(error.message, "which columns have these categories"));
        }
        free(ranged);
        free(named);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pandas_categories),
        cmocka_unit_test(test_pandas_numbers),
        cmocka_unit_test(test_pandas_without_names),
        cmocka_unit_test(test_pandas_beside_named_columns),
    };
    return cmocka_run_group_tests_name("lightgbm pandas", tests, NULL, NULL);
}
