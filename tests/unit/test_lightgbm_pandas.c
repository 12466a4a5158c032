// SPDX-License-Identifier: Apache-2.0
/*
 * The categories of pandas that a LightGBM text lists: texts, numbers, and lists that are damaged.
 */
#include "tests/unit/test_lightgbm.h"

#include "convert/categories.h"
#include "convert/preparation.h"

#include <math.h>

/* The good text with other feature_infos, a parameter, and the line of pandas' categories. */
static espalier_status load_told_infos(const char *infos, const char *features, const char *lists,
                                       espalier_source_categorical *categorical,
                                       espalier_forest *forest, espalier_error *error)
{
    char text[8192];
    char words[128];
    espalier_source_summary summary;
    (void)snprintf(words, sizeof words, "feature_infos=%s\n", infos);
    char *const start = replace_text(good_text, "feature_infos=[-3:4] none\n", words);
    const char *const end = strstr(start, "end of parameters");
    const int written =
        snprintf(text, sizeof text, "%.*s%s\nend of parameters\n\npandas_categorical:%s\n",
                 (int)(end - start), start, features, lists);
    free(start);
    assert_true(written > 0 && (size_t)written < sizeof text);
    return load_told(text, (size_t)written, MEMORY_MAX, categorical, forest, &summary, error);
}

static espalier_status load_infos(const char *infos, const char *features, const char *lists,
                                  espalier_forest *forest, espalier_error *error)
{
    return load_told_infos(infos, features, lists, NULL, forest, error);
}

static espalier_status load_pandas(const char *features, const char *lists, espalier_forest *forest,
                                   espalier_error *error)
{
    return load_infos("[-3:4] none", features, lists, forest, error);
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
    /* Lists that fit no columns, or several, say nothing. */
    static const char *const silent[][3] = {
        {"none none", "[categorical_feature: 1]", "[[]]"},
        {"none none", "[categorical_feature: ]", "[[0, 1, 2.0], [false, true], [0]]"},
        {"[0:0] none", "[categorical_feature: ]", "[[\"a\"]]"},
        {"[0:0] none", "[categorical_feature: ]", "[[0]]"},
        {"none 0", "[categorical_feature: 0,1]", "[[\"a\"]]"},
        {"0 0", "[categorical_feature: 1,0]", "[[\"a\"]]"},
        {"[0:0] 0", "[categorical_feature: 99]", "[[\"a\"]]"},
        {"0 0", "[other: 1]", "[[\"a\"]]"},
        {"none none", "[categorical_feature: name:x]", "[[\"a\"]]"},
        {"none none", "[categorical_feature: 1]", "{}"},
        {"[1:1] [0:2]", "[categorical_feature: ]", "[[\"a\"]]"},
        {"[-1:0] [0:0.5]", "[categorical_feature: ]", "[[\"a\"]]"},
    };
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++) {
        assert_int_equal(load_infos(silent[i][0], silent[i][1], silent[i][2], &forest, &error),
                         ESPALIER_OK);
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
         "feature 1 \"na=me\" are neither all text nor all numbers"},
        {"[categorical_feature: 1]", "[[1, null]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED, "neither"},
        {"[categorical_feature: 1]", "[[2, 1, 2.0]]", ESPALIER_ERROR_SOURCE_TREE,
         "the categories 2 and 2.0 of feature 1 are one number"},
        {"[categorical_feature: 1]", "[[1, true]]", ESPALIER_ERROR_SOURCE_TREE, "1 and true"},
        {"[categorical_feature: ]", "[[1, 2], [1]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
         "which columns have these categories, numbers among them, is not known: they fit none"},
        {"[categorical_feature: 1]", "[[1, NaN]]", ESPALIER_ERROR_SOURCE_TRUNCATED, "not JSON"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(load_pandas(bad[i].features, bad[i].lists, &forest, &error),
                         bad[i].status);
        assert_non_null(strstr(error.message, bad[i].words));
    }
}

/* What rows of float64 cannot tell from each other is shown as it stands in the file. */
static void test_pandas_numbers_beyond_float64(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[[5, 9007199254740993, 7, 9007199254740992]]", "9007199254740993 and 9007199254740992"},
        {"[[-9223372036854775807,-9223372036854775808]]",
         "-9223372036854775807 and -9223372036854775808"},
        {"[[18446744073709551615, 18446744073709551614]]",
         "18446744073709551615 and 18446744073709551614"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        espalier_error error = {0};
        assert_int_equal(load_pandas("[categorical_feature: 1]", cases[i][0], &forest, &error),
                         ESPALIER_ERROR_SOURCE_TREE);
        assert_non_null(strstr(error.message, cases[i][1]));
    }
    /* Behind lists with brackets and commas in them. */
    espalier_forest forest;
    espalier_error error = {0};
    assert_int_equal(load_infos("1:0 1:0", "[categorical_feature: 0,1]",
                                "[[\"],[\", \"\\\"],\"], [9007199254740993, 9007199254740992]]",
                                &forest, &error),
                     ESPALIER_ERROR_SOURCE_TREE);
    assert_non_null(strstr(error.message, "9007199254740993 and 9007199254740992 of feature 1"));
}

/* Ordered categories are numbers to LightGBM, and no file names their columns: a list is known to
 * be of a column where it can be of no other. Feature 0 is compared with -1.25, feature 1 with 0.5.
 */
static void test_pandas_ordered(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_error error = {0};
    assert_int_equal(load_infos("[-3:4] [0:2]", "[categorical_feature: ]", "[[30, 10, 20]]",
                                &forest, &error),
                     ESPALIER_OK);
    assert_non_null(forest.preparation);
    assert_int_equal(forest.feature[0], 2);
    assert_int_equal(forest.feature[1], 0);
    assert_true(place_of(&forest, 2, 20.0) == 2.0 && isnan(place_of(&forest, 2, 2.0)));
    assert_int_equal(forest.category_number_count, 2);
    assert_true(forest.category_numbers[0] == 0 && forest.category_numbers[1] == 1);
    espalier_forest_free(&forest);
    /* Text, too; beside a column that was named. */
    assert_int_equal(load_infos("1:0 [0:2]", "[categorical_feature: 0]",
                                "[[\"a\", \"b\"], [\"s\", \"m\", \"l\"]]", &forest, &error),
                     ESPALIER_OK);
    assert_int_equal(forest.categories.string_count, 5);
    assert_string_equal(espalier_categories_at(&forest.categories, 1)->texts[2], "l");
    espalier_forest_free(&forest);
    static const char *const doubtful[][3] = {
        {"[0:2] [0:2]", "[categorical_feature: ]", "[[30, 10, 20]]"},
        {"[0:2] [0:1]", "[categorical_feature: ]", "[[30, 10, 20]]"}, /* one never appeared */
        {"[0:2] none", "[categorical_feature: ]", "[[30, 10, 20]]"},
        {"1:0 [0:2]", "[categorical_feature: 0]", "[[30, 10, 20]]"}, /* the caller named another */
        {"[0:1] [1:1]", "[categorical_feature: ]", "[[\"a\", 7]]"},
    };
    for (size_t i = 0; i < sizeof doubtful / sizeof doubtful[0]; i++) {
        assert_int_equal(load_infos(doubtful[i][0], doubtful[i][1], doubtful[i][2], &forest,
                                    &error),
                         ESPALIER_ERROR_SOURCE_UNSUPPORTED);
        assert_non_null(strstr(error.message, "is not known: feature 0 \"width\" may be one"));
    }
}

/* Of a feature that no tree asks for categories may be anything, also where it is in doubt. */
static void test_pandas_untested(void **state)
{
    (void)state;
    static const struct {
        const char *infos;
        const char *features;
        const char *lists;
        uint8_t numbers[3];
    } cases[] = {
        {"[-3:4] [0.5:2] 1:0", "[categorical_feature: 2]", "[[\"a\", 7]]", {0, 0, 0}},
        {"[-3:4] [0.5:2] 1:0", "[categorical_feature: 2]", "[[10, 7]]", {0, 0, 1}},
        {"[-3:4] [0.5:2] [0:1]", "[categorical_feature: ]", "[[10, 7]]", {0, 0, 1}},
        {"[0:1] [0.5:2] [0:1]", "[categorical_feature: ]", "[[0, 1]]", {1, 0, 1}},
        {"[-3:4] [0.5:2] 1:0", "[categorical_feature: 2]", "[[7, 8, 9]]", {0, 0, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        espalier_source_summary summary;
        espalier_error error = {0};
        char infos[64];
        char lines[128];
        (void)snprintf(infos, sizeof infos, "feature_infos=%s\n", cases[i].infos);
        (void)snprintf(lines, sizeof lines, "%s\nend of parameters\n\npandas_categorical:%s\n",
                       cases[i].features, cases[i].lists);
        char *const counted = replace_text(good_text, "max_feature_idx=1", "max_feature_idx=2");
        char *const named = replace_text(counted, "na=me\n", "na=me last\n");
        char *const ranged = replace_text(named, "feature_infos=[-3:4] none\n", infos);
        char *const free_of = replace_text(ranged, "monotone_constraints=0 1\n", "");
        char *const text =
            replace_text(free_of, "end of parameters\n\npandas_categorical:null\n", lines);
        assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &forest, &summary, &error),
                         ESPALIER_OK);
        assert_null(forest.preparation);
        assert_int_equal(forest.category_number_count, 3);
        assert_memory_equal(forest.category_numbers, cases[i].numbers, 3);
        espalier_forest_free(&forest);
        free(counted);
        free(named);
        free(ranged);
        free(free_of);
        free(text);
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
        /* A list longer than what its column had: ordered categories with a level unused, perhaps.
         */
        {"[0:2] -1:2:1:0", "[[10, 20, 30, 40]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[1:2] 2:1:0", "[[10, 20, 30, 40]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[1:3] 2:1:0", "[[10, 20, 30, 40]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[0:3] 2:1:0", "[[10, 20, 30, 40]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"none 2:1:0", "[[10, 20, 30, 40]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[0:1] none", "[[10, 20, 30, 40]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[0:2] [0:3]", "[[10, 20, 30, 40]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[0:4] 2:1:0", "[[10, 20, 30, 40]]", ESPALIER_OK},
        {"[-1:2] 2:1:0", "[[10, 20, 30, 40]]", ESPALIER_OK},
        {"[0:2] 2:1:0", "[[\"a\", \"b\", \"c\", \"d\"]]", ESPALIER_OK},
        {"[0:2] 2:1:0", "[[0, 1, 2, 3]]", ESPALIER_OK},
        {"[0:1] 3:1:0", "[[10, 20, 30, 40]]", ESPALIER_OK}, /* and a flag */
        {"[1:3] 3:1:0", "[[10, 20, 30, 40]]", ESPALIER_OK},
        {"[0:2] 9223372036854775807", "[[10, 20]]", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
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

/* Features 2 and 3 are such that no tree asks for: a list that may be of one of two columns does
 * harm where trees ask for either. Once an ordered column that none asks for gave its list to the
 * named one. */
static void test_pandas_beside_untested_columns(void **state)
{
    (void)state;
    static const struct {
        const char *infos;
        const char *named;
        espalier_status status;
    } cases[] = {
        {"[-3:4] 2:1:0 [0:3] [-1:9]", "1", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[-3:4] 2:1:0 none [-1:9]", "1", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[0:3] [-3:4] 2:1:0 [-1:9]", "2", ESPALIER_ERROR_SOURCE_UNSUPPORTED},
        {"[-3:4] [-3:4] 2:1:0 [0:3]", "2", ESPALIER_OK},
        {"[-3:4] [-3:4] 2:1:0 none", "2", ESPALIER_OK},
        {"[-3:4] 2:1:0 [0:4] [-1:9]", "1", ESPALIER_OK}, /* more than the list has */
        {"[-3:4] 3:2:1:0 [0:2] [-1:9]", "1", ESPALIER_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        espalier_source_summary summary;
        espalier_error error = {0};
        char infos[64];
        char lines[128];
        (void)snprintf(infos, sizeof infos, "feature_infos=%s\n", cases[i].infos);
        (void)snprintf(lines, sizeof lines,
                       "[categorical_feature: %s]\nend of parameters\n\n"
                       "pandas_categorical:[[10, 20, 30, 40]]\n",
                       cases[i].named);
        const char *const from[] = {"max_feature_idx=1", "na=me\n", "feature_infos=[-3:4] none\n",
                                    "monotone_constraints=0 1\n",
                                    "end of parameters\n\npandas_categorical:null\n"};
        const char *const to[] = {"max_feature_idx=3", "na=me y z\n", infos, "", lines};
        char *text = replace_text(good_text, NULL, "");
        for (size_t k = 0; k < sizeof to / sizeof to[0]; k++) {
            char *const other = replace_text(text, from[k], to[k]);
            free(text);
            text = other;
        }
        const espalier_status status =
            load_bytes(text, strlen(text), MEMORY_MAX, &forest, &summary, &error);
        free(text);
        if (status != cases[i].status) {
            fail_msg("%s, %s named: %d, %s", cases[i].infos, cases[i].named, (int)status,
                     error.message);
        }
        if (status == ESPALIER_OK) {
            espalier_forest_free(&forest);
        }
    }
}

/* The features are "width" and "na=me". What may be of either is of those that the caller names. */
static void test_pandas_told(void **state)
{
    (void)state;
    static const struct {
        const char *columns;
        const char *lists;
        const char *words; /* of the refusal; NULL: feature 1 has the last list */
    } cases[] = {
        {"na=me", "[[10, 20]]", NULL},
        {"1", "[[10, 20]]", NULL},
        {"na=me", "[[\"a\", \"b\"]]", NULL},
        {"width,na=me", "[[1, 3], [\"a\", \"b\"]]", NULL},
        {"0,1", "[[\"a\", \"b\"], [10, 20, 30]]", NULL},
        {"", "[[10, 20]]", "\"\" are fewer than"},
        {"na=m", "[[10, 20]]", "\"na=m\" is no feature"},
        {"na=me,", "[[10, 20], [1, 2]]", "\"\" is no feature"},
        {"2", "[[10, 20]]", "\"2\" is no feature"},
        {"-1", "[[10, 20]]", "\"-1\" is no feature"},
        {"width", "[[10, 20], [1, 2]]", "\"width\" are fewer than"},
        {"width,na=me", "[[10, 20]]", "\"width,na=me\" are more than"},
        {"na=me,width", "[[10, 20], [1, 2]]", "\"width\" is named again, or out of the order"},
        {"0,width", "[[10, 20], [1, 2]]", "\"width\" is named again"},
        {"na=me", "[[7]]", "\"na=me\" held what is no place"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        espalier_error error = {0};
        espalier_source_categorical told = {.columns = cases[i].columns};
        const espalier_status status = load_told_infos("[0:1] [0:1]", "[categorical_feature: ]",
                                                       cases[i].lists, &told, &forest, &error);
        if (cases[i].words != NULL) {
            assert_int_equal(status, ESPALIER_ERROR_OPTIONS);
            if (strstr(error.message, cases[i].words) == NULL) {
                fail_msg("%s: %s", cases[i].columns, error.message);
            }
            continue;
        }
        assert_int_equal(status, ESPALIER_OK);
        assert_true(told.used);
        const bool has_text = espalier_categories_at(&forest.categories, 1) != NULL;
        assert_true(has_text || place_of(&forest, forest.feature[0], 20.0) == 1.0);
        espalier_forest_free(&forest);
    }
    espalier_forest forest;
    espalier_error error = {0};
    assert_int_equal(load_infos("[0:1] [0:1]", "[categorical_feature: ]", "[[10, 20]]", &forest,
                                &error),
                     ESPALIER_ERROR_SOURCE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "--categorical"));
}

/* `first` and then `next`, count - 1 times, malloc'ed. */
static char *repeat_text(const char *first, const char *next, size_t count)
{
    const size_t bytes = strlen(first);
    const size_t step = strlen(next);
    char *const text = malloc(bytes + step * (count - 1) + 1);
    assert_non_null(text);
    memcpy(text, first, bytes + 1);
    for (size_t i = 0; i + 1 < count; i++) {
        memcpy(text + bytes + step * i, next, step + 1);
    }
    return text;
}

/* The good text with so many features [0:0] and lists like `list`. */
static espalier_status load_many(size_t features, const char *list, size_t lists,
                                 espalier_forest *forest, espalier_error *error)
{
    char last[32];
    char item[16];
    espalier_source_summary summary;
    (void)snprintf(last, sizeof last, "max_feature_idx=%zu", features - 1);
    (void)snprintf(item, sizeof item, ", %s", list);
    const char *const from[] = {"max_feature_idx=1", "width na=me", "[-3:4] none",
                                "monotone_constraints=0 1\n", "categorical:null"};
    char *const names = repeat_text("width na=me", " x", features - 1);
    char *const infos = repeat_text("[0:0]", " [0:0]", features);
    char *const middle = repeat_text(list, item, lists);
    char *const line = malloc(strlen(middle) + 32);
    assert_non_null(line);
    (void)snprintf(line, strlen(middle) + 32, "categorical:[%s]", middle);
    const char *const to[] = {last, names, infos, "", line};
    char *text = replace_text(good_text, NULL, "");
    for (size_t i = 0; i < sizeof to / sizeof to[0]; i++) {
        char *const other = replace_text(text, from[i], to[i]);
        free(text);
        text = other;
    }
    const espalier_status status =
        load_bytes(text, strlen(text), MEMORY_MAX * 16, forest, &summary, error);
    free(names);
    free(infos);
    free(middle);
    free(line);
    free(text);
    return status;
}

/* Many lists that may be of many features: of numbers they are too many to look at each pair, and
 * are refused before the first look; of text no pair is looked at. */
static void test_pandas_many(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        size_t lists;
        espalier_status status;
    } cases[] = {
        {"[0]", 1 << 15, ESPALIER_ERROR_SOURCE_LIMIT},
        {"[7]", 1 << 15, ESPALIER_ERROR_SOURCE_LIMIT},
        {"[\"a\"]", 1 << 15, ESPALIER_OK},
        {"[0]", 3, ESPALIER_OK},
        {"[7]", 3, ESPALIER_ERROR_SOURCE_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        espalier_error error = {0};
        assert_int_equal(load_many(1 << 16, cases[i].list, cases[i].lists, &forest, &error),
                         cases[i].status);
        if (cases[i].status == ESPALIER_OK) {
            assert_int_equal(forest.category_numbers[65535], cases[i].lists == 3 ? 1 : 0);
            espalier_forest_free(&forest);
        } else if (cases[i].status == ESPALIER_ERROR_SOURCE_LIMIT) {
            assert_non_null(strstr(error.message, "here.txt: line "));
            assert_non_null(strstr(error.message, "too many of the lists of pandas_categorical"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pandas_categories),
        cmocka_unit_test(test_pandas_numbers),
        cmocka_unit_test(test_pandas_numbers_beyond_float64),
        cmocka_unit_test(test_pandas_ordered),
        cmocka_unit_test(test_pandas_untested),
        cmocka_unit_test(test_pandas_without_names),
        cmocka_unit_test(test_pandas_beside_named_columns),
        cmocka_unit_test(test_pandas_beside_untested_columns),
        cmocka_unit_test(test_pandas_told),
        cmocka_unit_test(test_pandas_many),
    };
    return cmocka_run_group_tests_name("lightgbm pandas", tests, NULL, NULL);
}
