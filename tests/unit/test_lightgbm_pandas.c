// SPDX-License-Identifier: Apache-2.0
/*
 * The categories of pandas that a LightGBM text lists: texts, numbers, and lists that are damaged.
 */
#include "tests/unit/test_lightgbm.h"

#include "convert/categories.h"

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
    /* Numbers are the caller's; lists that fit no features, or none that are named, say nothing. */
    static const char *const silent[][2] = {
        {"[categorical_feature: 1]", "[[1, 2]]"},
        {"[categorical_feature: 1]", "[[]]"},
        {"[categorical_feature: ]", "[[\"a\"]]"},
        {"[categorical_feature: 0,1]", "[[\"a\"]]"},
        {"[categorical_feature: 1,0]", "[[\"a\"], [\"b\"]]"},
        {"[categorical_feature: 99]", "[[\"a\"]]"},
        {"[other: 1]", "[[\"a\"]]"},
        {"[categorical_feature: name:x]", "[[\"a\"]]"},
        {"[categorical_feature: 1]", "{}"},
        {"[categorical_feature: 1]", "[[\"a\", 1]]"},
    };
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        assert_int_equal(load_pandas(silent[i][0], silent[i][1], &forest, &error), ESPALIER_OK);
        assert_int_equal(forest.categories.string_count, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pandas_categories),
    };
    return cmocka_run_group_tests_name("lightgbm pandas", tests, NULL, NULL);
}
