// SPDX-License-Identifier: Apache-2.0
/*
 * The LightGBM importer on texts made by hand: what it reads, what a row then gives, and every lie
 * and every kind of damage a file can have; linear leaves and pandas have files of their own. Real
 * files are compared in tests/interop.
 */
#include "tests/unit/test_lightgbm.h"
#include "tests/unit/test_lightgbm_lies.h"

#include "convert/sets.h"

#include <math.h>

/* ---- what is read --------------------------------------------------------------------------- */

static void test_good_text(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_error error = {0};
    espalier_source_summary summary;
    assert_int_equal(load_bytes(good_text, strlen(good_text), MEMORY_MAX, &forest, &summary,
                                &error),
                     ESPALIER_OK);
    assert_string_equal(summary.format, "LightGBM text v4");
    assert_string_equal(summary.class_name, "lightgbm.Booster");
    assert_string_equal(summary.version, "");
    assert_int_equal(summary.consumed_bytes, strlen(good_text));
    assert_int_equal(forest.tree_count, 2);
    assert_int_equal(forest.node_count, 8);
    assert_int_equal(forest.leaf_count, 5);
    assert_int_equal(forest.leaf_width, 1);
    assert_int_equal(forest.slot_count, 1);
    assert_int_equal(forest.iteration_count, 2);
    assert_int_equal(forest.default_iterations, 0);
    assert_int_equal(forest.feature_count, 2);
    assert_string_equal(forest.feature_names[1], "na=me");
    assert_int_equal(forest.group_count, 1);
    assert_int_equal(forest.group_width[0], 1);
    assert_int_equal(forest.accumulator, ESPALIER_FOREST_SUM_FLOAT64);
    assert_int_equal(forest.input, ESPALIER_FOREST_INPUT_FLOAT64);
    assert_int_equal(forest.divide, ESPALIER_FOREST_DIVIDE_NONE);
    assert_true(forest.flush_tiny && forest.missing_allowed && forest.infinite_allowed);
    assert_int_equal(forest.task, ESPALIER_FOREST_TASK_PLAN);
    assert_int_equal(forest.default_output, ESPALIER_OUTPUT_VALUE);
    assert_false(forest.classifier);
    assert_string_equal(forest.objective, "regression");
    assert_string_equal(forest.framework, "LightGBM");
    assert_string_equal(forest.class_name, "lightgbm.Booster");
    assert_null(forest.version);
    assert_string_equal(forest.parameters_json,
                        "{\"boosting\":\"gbdt\",\"data\":\"\",\"learning_rate\":0.1,"
                        "\"metric\":\"l2,\\\"q\\\"\",\"num_leaves\":31}");
    static const uint32_t left[] = {1, 3, 4};
    static const uint32_t right[] = {2, 5, 6};
    static const uint8_t rules[] = {ESPALIER_FOREST_MISSING_NAN, ESPALIER_FOREST_MISSING_NEVER,
                                    ESPALIER_FOREST_MISSING_ZERO};
    static const uint8_t missing_left[] = {1, 0, 0};
    static const double covers[] = {100, 40, 60, 10, 20, 30, 40, 0};
    assert_memory_equal(forest.left, left, sizeof left);
    assert_memory_equal(forest.right, right, sizeof right);
    assert_memory_equal(forest.missing_rule, rules, sizeof rules);
    assert_memory_equal(forest.missing_left, missing_left, sizeof missing_left);
    assert_memory_equal(forest.cover, covers, sizeof covers);
    for (uint32_t leaf = 0; leaf < 4; leaf++) {
        assert_int_equal(forest.number[3 + leaf], leaf);
    }
    espalier_forest_free(&forest);
}

/* One row through the evaluator. */
static void check_row(const espalier_forest *forest, double first, double second, double sum,
                      uint32_t leaf)
{
    const double row[2] = {first, second};
    double slots[4];
    uint32_t leaves[8];
    assert_true(forest->tree_count <= 8 && espalier_reference_slot_count(forest) <= 4);
    espalier_reference_evaluate_float64(forest, row, 1, slots, leaves);
    if (memcmp(&slots[0], &sum, sizeof sum) != 0 || leaves[0] != leaf) {
        fail_msg("row %g, %g: %.17g, leaf %u, not %.17g, leaf %u", first, second, slots[0],
                 (unsigned)leaves[0], sum, (unsigned)leaf);
    }
}

/* The answers are those of LightGBM 4.7.0 for this text. */
static void test_rows(void **state)
{
    (void)state;
    const double nan = (double)NAN;
    const double infinity = (double)INFINITY;
    const double tiny = (double)1e-35f;
    espalier_forest forest;
    loads(good_text, &forest);
    check_row(&forest, -2, 0, 0.1, 0);
    check_row(&forest, -1.25, 0.5, 0.1, 0);
    check_row(&forest, -1, 0.5, 0.001, 2);
    check_row(&forest, -1, nextafter(0.5, 1), 70, 3);
    /* Node 0: NaN is missing and goes left. Node 1: NaN counts as 0. */
    check_row(&forest, nan, nan, 0.001, 2);
    check_row(&forest, -infinity, nan, 0.1, 0);
    check_row(&forest, infinity, -infinity, 0.001, 2);
    check_row(&forest, 0, infinity, 70, 3);
    espalier_forest_free(&forest);
    /* Node 2 alone: zero, what counts as zero, and NaN go right, by default. */
    char *const text = replace_text(good_text, "threshold=0.5", "threshold=-inf");
    loads(text, &forest);
    check_row(&forest, 0, 0, 70, 3);
    check_row(&forest, 0, -0.0, 70, 3);
    check_row(&forest, 0, tiny, 70, 3);
    check_row(&forest, 0, -tiny, 70, 3);
    check_row(&forest, 0, nextafter(tiny, 1), 70, 3);
    check_row(&forest, 0, nextafter(-tiny, -1), -2.5, 1);
    check_row(&forest, 0, -1, -2.5, 1);
    check_row(&forest, nan, nan, 0.001, 2); /* still missing at node 0 */
    espalier_forest_free(&forest);
    free(text);
    /* A sum begins with 0.0, which -0 does not change. */
    loads(HEADER "\n"
                 "Tree=0\nnum_leaves=1\nleaf_value=-0\n\nend of trees\n",
          &forest);
    check_row(&forest, 1, 1, 0.0, 0);
    assert_true(forest.leaf_is_vector);
    espalier_forest_free(&forest);
}

static void test_classes(void **state)
{
    (void)state;
    static const char text[] =
        "tree\nversion=v3\nnum_class=3\nnum_tree_per_iteration=3\nlabel_index=0\n"
        "max_feature_idx=0\nobjective=multiclass num_class:3\nfeature_names=a\n"
        "feature_infos=none\n\n"
        "Tree=0\nnum_leaves=1\nleaf_value=1\n\n"
        "Tree=1\nnum_leaves=1\nleaf_value=2\n\n"
        "Tree=2\nnum_leaves=1\nleaf_value=3\n\n"
        "Tree=3\nnum_leaves=1\nleaf_value=0.1\n\n"
        "Tree=4\nnum_leaves=1\nleaf_value=0.2\n\n"
        "Tree=5\nnum_leaves=1\nleaf_value=0.3\n\n"
        "end of trees\n";
    espalier_forest forest;
    loads(text, &forest);
    assert_int_equal(forest.slot_count, 3);
    assert_int_equal(forest.group_width[0], 3);
    assert_int_equal(forest.iteration_count, 2);
    assert_int_equal(forest.tree_slot[5], 2);
    assert_int_equal(forest.tree_iteration[5], 1);
    assert_int_equal(forest.labels[0].count, 3);
    assert_true(forest.classifier);
    assert_string_equal(forest.objective, "multiclass num_class:3");
    assert_null(forest.parameters_json);
    const double row = 0;
    double slots[9];
    uint32_t leaves[6];
    espalier_reference_evaluate_float64(&forest, &row, 1, slots, leaves);
    assert_true(slots[0] == 1 + 0.1 && slots[1] == 2 + 0.2 && slots[2] == 3 + 0.3);
    espalier_forest_free(&forest);
    /* In forest mode the sums, which are the margins, are divided by the iterations. */
    char *const averaged = replace_text(text, "feature_names", "average_output\nfeature_names");
    loads(averaged, &forest);
    assert_int_equal(forest.stages[0].operation, ESPALIER_FOREST_DIVIDE_ITERATIONS);
    espalier_reference_evaluate_float64(&forest, &row, 1, slots, leaves);
    assert_true(slots[0] == 1 + 0.1 && slots[1] == 2 + 0.2);
    assert_true(slots[3] == (1 + 0.1) / 2 && slots[4] == (2 + 0.2) / 2);
    espalier_forest_free(&forest);
    free(averaged);
    char *const uneven = replace_text(text, "Tree=5\nnum_leaves=1\nleaf_value=0.3\n\n", "");
    refuses(uneven, ESPALIER_ERROR_SOURCE_TREE, "5 trees are not whole iterations of 3");
    free(uneven);
}

static void test_objectives(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint32_t stages[4]; /* operations */
        espalier_output_kind default_output;
        uint32_t label_count;
    } objectives[] = {
        {"objective=regression_l1\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=huber\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=fair\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=quantile alpha:0.9\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=mape\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=lambdarank\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=rank_xendcg\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=regression sqrt\n", {11}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=poisson\n", {9}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=gamma\n", {9}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=tweedie tweedie_variance_power:1.5\n", {9}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=binary sigmoid:1\n", {6, 13}, ESPALIER_OUTPUT_VALUE, 2},
        {"objective=binary sigmoid:0.7\n", {3, 6, 13}, ESPALIER_OUTPUT_VALUE, 2},
        {"average_output\nobjective=binary sigmoid:2\n", {5, 3, 6, 13}, ESPALIER_OUTPUT_VALUE, 2},
        {"objective=multiclassova num_class:1 sigmoid:1\n", {6}, ESPALIER_OUTPUT_VALUE, 1},
        {"objective=cross_entropy\n", {6}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=cross_entropy_lambda\n", {10}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=xentropy\n", {6}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=xentlambda\n", {10}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=custom\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=\n", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"", {0}, ESPALIER_OUTPUT_VALUE, 0},
        {"objective=another\n", {0}, ESPALIER_OUTPUT_MARGIN, 0},
    };
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++) {
        espalier_forest forest;
        char *const text = replace_text(good_text, "objective=regression\n", objectives[i].line);
        loads(text, &forest);
        assert_int_equal(espalier_forest_validate(&forest, "objective", NULL), ESPALIER_OK);
        for (uint32_t k = 0; k < 4; k++) {
            const uint32_t operation = k < forest.stage_count ? forest.stages[k].operation : 0;
            assert_int_equal(operation, objectives[i].stages[k]);
        }
        assert_int_equal(forest.default_output, objectives[i].default_output);
        assert_int_equal(forest.labels != NULL ? forest.labels[0].count : 0,
                         objectives[i].label_count);
        espalier_forest_free(&forest);
        free(text);
    }
}

/* Up to LightGBM 3.2 the sum behind cross_entropy_lambda's logarithm is rounded. */
static void test_lambda_of_each_version(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        const char *parameters; /* instead of the line before their first */
        bool adds;
    } cases[] = {
        {"version=v2\n", "\nparameters:\n", true},
        {"version=v3\n", "\nparameters:\n", true},
        {"version=v3\n", "\nparameters:\n[precise_float_parser: 0]\n", false},
        {"version=v3\n", "\nwhat was said:\n", false},
        {"version=v4\n", "\nparameters:\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest;
        char *const first = replace_text(good_text, "version=v4\n", cases[i].version);
        char *const second =
            replace_text(first, "objective=regression\n", "objective=cross_entropy_lambda\n");
        char *const text = replace_text(second, "\nparameters:\n", cases[i].parameters);
        loads(text, &forest);
        assert_int_equal(espalier_forest_validate(&forest, "lambda", NULL), ESPALIER_OK);
        assert_int_equal(forest.stage_count, cases[i].adds ? 3 : 1);
        assert_int_equal(forest.stages[0].operation,
                         cases[i].adds ? ESPALIER_FOREST_EXP : ESPALIER_FOREST_LOG1P_EXP);
        if (cases[i].adds) {
            assert_int_equal(forest.stages[1].operation, ESPALIER_FOREST_ADD);
            assert_true(forest.constants[0] == 1.0);
            assert_int_equal(forest.stages[2].operation, ESPALIER_FOREST_LOG);
        }
        espalier_forest_free(&forest);
        free(text);
        free(second);
        free(first);
    }
}

/* The factor of a sigmoid, as LightGBM reads it, and what it cannot be. */
static void test_sigmoid_factors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double factor;
    } factors[] = {
        {"0.7", 0.7}, {"2.7", 2.7},   {"3e-05", 3e-5}, {"0.333333", 0.333333},
        {"12", 12.0}, {"1e+06", 1e6}, {"5.", 5.0},
    };
    for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++) {
        espalier_forest forest;
        char line[64];
        (void)snprintf(line, sizeof line, "objective=binary sigmoid:%s\n", factors[i].text);
        char *const text = replace_text(good_text, "objective=regression\n", line);
        loads(text, &forest);
        assert_int_equal(forest.constant_count, 1);
        assert_true(fabs(forest.constants[0] - factors[i].factor) <= 1e-16 * factors[i].factor);
        espalier_forest_free(&forest);
        free(text);
    }
    static const char *const wrong[] = {"sigmoid:0",     "sigmoid:-1",
                                        "sigmoid:",      "sigmoid:1x",
                                        "sigmoid:nan",   "sigmoid:1e999",
                                        "sigmoid:1.2.3", "sigmoid:00000000000000000001"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "objective=binary %s\n", wrong[i]);
        char *const text = replace_text(good_text, "objective=regression\n", line);
        refuses(text, ESPALIER_ERROR_SOURCE_SYNTAX, "is no positive number");
        free(text);
    }
    char *const none = replace_text(good_text, "objective=regression\n", "objective=binary\n");
    refuses(none, ESPALIER_ERROR_SOURCE_SYNTAX, "has no sigmoid");
    free(none);
}

/* Windows line ends, no "end of trees", names that are no UTF-8, infinite thresholds. */
static void test_variants(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"end of trees\n", "feature importances:\n"},
        {"version=v4", "version=v2"},
        {"version=v4", "version=v3"},
        {"threshold=0.5", "threshold=inf"},
        {"threshold=0.5", "threshold=  0.5  "},
        {"num_tree_per_iteration=1\n", ""},
        {"label_index=0\n", ""},
        {"monotone_constraints=0 1\n", ""},
        {"leaf_count=10 20 30 40\n", ""},
        {"internal_count=100 40 60\n", ""},
        {"num_cat=0\n", ""},
        {"is_linear=0\n", ""},
        {"pandas_categorical:null\n", ""},
    };
    espalier_forest forest;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char *const text = replace_text(good_text, pairs[i][0], pairs[i][1]);
        loads(text, &forest);
        assert_int_equal(forest.tree_count, 2);
        espalier_forest_free(&forest);
        free(text);
    }
    char *const named = replace_text(good_text, "feature_names=width", "feature_names=w\xFFth");
    loads(named, &forest);
    assert_string_equal(forest.feature_names[0], "w\\xffth");
    espalier_forest_free(&forest);
    free(named);
}

/* ---- tree_sizes and line ends ---------------------------------------------------------------- */

/* The good text with sizes of its trees that are off by `error` in the second, LF or CR LF. */
static char *make_sized(const char *items, bool windows)
{
    char line[64];
    (void)snprintf(line, sizeof line, "tree_sizes=%s\n\nTree=0", items);
    char *const sized = replace_text(good_text, "\nTree=0", line);
    if (!windows) {
        return sized;
    }
    char *const text = malloc(strlen(sized) * 2 + 1);
    assert_non_null(text);
    size_t at = 0;
    for (const char *from = sized; *from != '\0'; from++) {
        if (*from == '\n') {
            text[at++] = '\r';
        }
        text[at++] = *from;
    }
    text[at] = '\0';
    free(sized);
    return text;
}

static void test_tree_sizes(void **state)
{
    (void)state;
    const int first = (int)strlen(TREE_0);
    const int second = (int)strlen(TREE_1);
    const struct {
        int items[3];
        int count;
        const char *words; /* NULL: loads */
    } cases[] = {
        {{first, second}, 2, NULL},
        {{first, second - 1}, 2, NULL}, /* an empty line more behind the last */
        {{first, second + 1}, 2, "tree 1: tree_sizes says"},
        {{first - 1, second + 1}, 2, "tree 0: tree_sizes says"},
        {{first, 0}, 2, "tree 1: tree_sizes says"},
        {{first, -5}, 2, "an item of tree_sizes is '-5'"},
        {{first}, 1, "tree 1: tree_sizes ends before the trees do"},
        {{first, second, 7}, 3, "more items than there are trees, 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char items[48] = "";
        for (int j = 0; j < cases[i].count; j++) {
            const size_t bytes = strlen(items);
            (void)snprintf(items + bytes, sizeof items - bytes, "%s%d", j > 0 ? " " : "",
                           cases[i].items[j]);
        }
        for (int windows = 0; windows < 2; windows++) {
            char *const text = make_sized(items, windows != 0);
            if (cases[i].words == NULL) {
                espalier_forest forest;
                loads(text, &forest);
                check_row(&forest, -1, 0.5, 0.001, 2);
                espalier_forest_free(&forest);
            } else {
                refuses(text,
                        cases[i].items[1] < 0 ? ESPALIER_ERROR_SOURCE_SYNTAX
                                              : ESPALIER_ERROR_SOURCE_TREE,
                        cases[i].words);
            }
            free(text);
        }
    }
    char *const words = make_sized("12x 3", false);
    refuses(words, ESPALIER_ERROR_SOURCE_SYNTAX, "line 11, tree 0: an item of tree_sizes is '12x'");
    free(words);
}

/* ---- what is refused ------------------------------------------------------------------------- */

/* No text of a pickle. */
static const refusal odd_key[] = {
    {"label_index=0", "\xFF\x01=2", ESPALIER_ERROR_SOURCE_UNSUPPORTED,
     "line 5: the key '\\xff\\x01' is not known"},
};

static void test_bad_header(void **state)
{
    (void)state;
    refuse_all(bad_headers, sizeof bad_headers / sizeof bad_headers[0]);
    refuse_all(odd_key, 1);
    char objective[400];
    memset(objective, 'o', sizeof objective);
    memcpy(objective, "objective=", 10);
    objective[sizeof objective - 1] = '\0';
    char *const text = replace_text(good_text, "objective=regression", objective);
    refuses(text, ESPALIER_ERROR_SOURCE_SYNTAX, "the objective has 389 characters");
    free(text);
}

/* Node 1 of tree 0 asks feature 0 for a category: 0, 2 or 32. */
static char *categorical_text(const char *decisions, const char *thresholds)
{
    char *const counted =
        replace_text(good_text, "num_cat=0", "num_cat=1\ncat_boundaries=0 2\ncat_threshold=5 1");
    char *const decided = replace_text(counted, "decision_type=10 2", decisions);
    char *const text = replace_text(decided, "threshold=0.5 -1.25", thresholds);
    free(counted);
    free(decided);
    return text;
}

static void test_categories(void **state)
{
    (void)state;
    static const struct {
        double value;
        bool left;
    } cases[] = {
        {0.0, true},   {-0.5, true},  {0.99, true},   {1.0, false},      {2.0, true},
        {2.75, true},  {3.0, false},  {31.0, false},  {32.0, true},      {33.0, false},
        {-1.0, false}, {64.0, false}, {1e300, false}, {-1e9, false},     {4294967296.0, false},
        {NAN, false},  {-0.0, true},  {1e-36, true},  {INFINITY, false},
    };
    /* The missing type of such a node says nothing. */
    static const char *const decisions[] = {"decision_type=10 1", "decision_type=10 11",
                                            "decision_type=10 5"};
    for (size_t d = 0; d < sizeof decisions / sizeof decisions[0]; d++) {
        char *const text = categorical_text(decisions[d], "threshold=0.5 0");
        espalier_forest forest;
        loads(text, &forest);
        assert_int_equal(forest.set_count, 1);
        assert_int_equal(forest.member_count, 3);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            assert_int_equal(espalier_forest_set_left(&forest, 0, cases[i].value), cases[i].left);
        }
        assert_int_equal(forest.set[0], ESPALIER_FOREST_NO_SET);
        assert_int_equal(forest.set[1], 0);
        espalier_forest_free(&forest);
        free(text);
    }
    char *const beyond = categorical_text("decision_type=10 1", "threshold=0.5 1");
    refuses(beyond, ESPALIER_ERROR_SOURCE_TREE, "threshold[1] is 1, not one of 1 bit fields");
    free(beyond);
    char *const negative = categorical_text("decision_type=10 1", "threshold=0.5 -1");
    refuses(negative, ESPALIER_ERROR_SOURCE_TREE, "threshold[1] is -1");
    free(negative);
    char *const typed = categorical_text("decision_type=10 13", "threshold=0.5 0");
    refuses(typed, ESPALIER_ERROR_SOURCE_TREE, "decision_type[1] is 13, which has no known");
    free(typed);
}

static void test_bad_trees(void **state)
{
    (void)state;
    refuse_all(bad_trees, sizeof bad_trees / sizeof bad_trees[0]);
    refuses(HEADER "\nend of trees\n", ESPALIER_ERROR_SOURCE_TREE, "no trees");
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Cut anywhere before the end of the trees, and inside the parameters, it says so. */
static void test_truncations(void **state)
{
    (void)state;
    const size_t bytes = strlen(good_text);
    const size_t trees_end = (size_t)(strstr(good_text, "end of trees") - good_text) + 12;
    const size_t parameters = (size_t)(strstr(good_text, "parameters:\n") - good_text) + 12;
    const size_t parameters_end = (size_t)(strstr(good_text, "end of parameters") - good_text) + 17;
    const size_t pandas = (size_t)(strstr(good_text, "pandas_categorical:") - good_text) + 19;
    for (size_t cut = 0; cut <= bytes; cut++) {
        espalier_forest forest;
        espalier_error error = {0};
        espalier_source_summary summary;
        const espalier_status status =
            load_bytes(good_text, cut, MEMORY_MAX, &forest, &summary, &error);
        const bool whole = cut >= trees_end && (cut < parameters - 1 || cut >= parameters_end) &&
                           (cut <= pandas || cut >= pandas + 4);
        if (whole != (status == ESPALIER_OK) ||
            (!whole && (status != ESPALIER_ERROR_SOURCE_TRUNCATED ||
                        strncmp(error.message, "here.txt: ", 10) != 0))) {
            fail_msg("cut at %zu: status %d, %s", cut, (int)status, error.message);
        }
        if (status == ESPALIER_OK) {
            check_row(&forest, -1, 0.5, 0.001, 2);
            espalier_forest_free(&forest);
        }
    }
}

/* Any byte changed: refused with a message, or a forest that holds. */
static void test_changed_bytes(void **state)
{
    (void)state;
    static const char others[] = "\0\n\r =-.09ex~\xFF[Tn";
    const size_t bytes = strlen(good_text);
    char *const text = malloc(bytes + 1);
    assert_non_null(text);
    size_t refused = 0;
    for (size_t at = 0; at < bytes; at++) {
        for (size_t i = 0; i < sizeof others - 1; i++) {
            espalier_forest forest;
            espalier_error error = {0};
            espalier_source_summary summary;
            memcpy(text, good_text, bytes + 1);
            text[at] = others[i];
            const espalier_status status =
                load_bytes(text, bytes, MEMORY_MAX, &forest, &summary, &error);
            if (status != ESPALIER_OK) {
                assert_true(strncmp(error.message, "here.txt: ", 10) == 0);
                refused++;
                continue;
            }
            const double row[2] = {-1, 0.5};
            double slots[1];
            uint32_t leaves[2];
            assert_true(forest.tree_count <= 2 && forest.slot_count == 1 &&
                        forest.feature_count == 2);
            espalier_reference_evaluate_float64(&forest, row, 1, slots, leaves);
            espalier_forest_free(&forest);
        }
    }
    free(text);
    assert_true(refused > bytes * (sizeof others - 1) / 3);
}

/* What a file claims costs nothing before it is shown; what it shows is charged. */
static void test_memory_limit(void **state)
{
    (void)state;
    espalier_forest forest;
    espalier_error error = {0};
    espalier_source_summary summary;
    uint64_t limit = 64;
    espalier_status status;
    do {
        status = load_bytes(good_text, strlen(good_text), limit, &forest, &summary, &error);
        assert_true(status == ESPALIER_OK || status == ESPALIER_ERROR_SOURCE_LIMIT);
        limit += 64;
    } while (status != ESPALIER_OK && limit < MEMORY_MAX);
    assert_int_equal(status, ESPALIER_OK);
    assert_true(limit > 512 && limit < 4096);
    espalier_forest_free(&forest);
}

/* A tree of a hundred thousand leaves: lines of megabytes, a chain as deep as it has nodes. */
static void test_long_lines(void **state)
{
    (void)state;
    enum {
        LEAVES = 100000
    };
    static const struct {
        const char *key;
        size_t count;
        int kind; /* 0: "0", 1: the next inner node or the last leaf, 2: leaf i */
    } arrays[] = {{"split_feature", LEAVES - 1, 0}, {"threshold", LEAVES - 1, 0},
                  {"decision_type", LEAVES - 1, 0}, {"left_child", LEAVES - 1, 1},
                  {"right_child", LEAVES - 1, 2},   {"leaf_value", LEAVES, 0}};
    const size_t capacity = (size_t)LEAVES * 40;
    char *const text = malloc(capacity);
    assert_non_null(text);
    size_t at = (size_t)snprintf(text, capacity, HEADER "\nTree=0\nnum_leaves=%d\n", LEAVES);
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        at += (size_t)snprintf(text + at, capacity - at, "%s=", arrays[i].key);
        for (size_t j = 0; j < arrays[i].count; j++) {
            const long last = (long)j == LEAVES - 2 ? -(long)LEAVES : (long)j + 1;
            const long item = arrays[i].kind == 0 ? 0 : arrays[i].kind == 1 ? last : -(long)j - 1;
            at += (size_t)snprintf(text + at, capacity - at, "%ld ", item);
        }
        text[at - 1] = '\n';
    }
    (void)snprintf(text + at, capacity - at, "\nend of trees\n");
    espalier_forest forest;
    espalier_error error = {0};
    espalier_source_summary summary;
    assert_int_equal(load_bytes(text, strlen(text), UINT64_C(64) << 20, &forest, &summary, &error),
                     ESPALIER_OK);
    assert_int_equal(forest.trees[0].depth, LEAVES - 1);
    espalier_forest_free(&forest);
    assert_int_equal(load_bytes(text, strlen(text), MEMORY_MAX, &forest, &summary, &error),
                     ESPALIER_ERROR_SOURCE_LIMIT);
    free(text);
}

static void test_recognise(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool known;
    } starts[] = {{"tree\nversion=v4\n", true},
                  {"tree\r\nversion=v3\r\n", true},
                  {"tree\n", true},
                  {"tree", false},
                  {"tree version\n", false},
                  {"trees\n", false},
                  {"Tree=0\n", false},
                  {"", false},
                  {"tr", false},
                  {"\ntree\n", false},
                  {"(tree\n", false}};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        const espalier_source_kind *const kind =
            espalier_source_recognise((const uint8_t *)starts[i].text, strlen(starts[i].text));
        assert_int_equal(kind == &espalier_lightgbm_kind, starts[i].known);
    }
}

/* A second tree that splits, too: on feature 0, with a gain of 4. */
#define SPLIT_TREE                                                                     \
    "Tree=1\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=4\nthreshold=0.5\n"  \
    "decision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=1 2\nleaf_count=3 4\n" \
    "internal_value=0\ninternal_count=7\nshrinkage=1\n\n\n"

/* What splits gained: those above 0 alone, up to the best iteration. */
static void test_gains(void **state)
{
    (void)state;
    static const char two_trees[] = HEADER "\n" TREE_0 SPLIT_TREE TAIL;
    static const struct {
        const char *gains;
        uint32_t iterations;
        double sums[2];
        double counts[2];
        espalier_status status;
    } cases[] = {
        {"9.5 3 2", 0, {7.0, 11.5}, {2.0, 2.0}, ESPALIER_OK},
        {"9.5 3 2", 1, {3.0, 11.5}, {1.0, 2.0}, ESPALIER_OK},
        {"9.5 3 2", 2, {7.0, 11.5}, {2.0, 2.0}, ESPALIER_OK},
        {"9.5 3 2", UINT32_MAX, {7.0, 11.5}, {2.0, 2.0}, ESPALIER_OK},
        {"9.5 0 -1", 0, {4.0, 9.5}, {1.0, 1.0}, ESPALIER_OK},
        {"0.1 3 1e-60", 1, {3.0, (double)0.1F}, {1.0, 1.0}, ESPALIER_OK},
        {"9.5 3", 0, {0.0, 0.0}, {0.0, 0.0}, ESPALIER_ERROR_SOURCE_TREE},
        {"9.5 3 x", 0, {0.0, 0.0}, {0.0, 0.0}, ESPALIER_ERROR_SOURCE_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        espalier_forest forest = {0};
        espalier_source_summary summary = {0};
        espalier_error error = {0};
        double gains[2] = {0.0, 0.0};
        double counts[2] = {0.0, 0.0};
        espalier_source_splits splits = {2, cases[i].iterations, gains, counts};
        const espalier_source_wrapper wrapper = {.splits = &splits};
        char line[64];
        (void)snprintf(line, sizeof line, "split_gain=%s\n", cases[i].gains);
        char *const text = replace_text(two_trees, "split_gain=9.5 3 2\n", line);
        const espalier_source_input input = {
            (const uint8_t *)text, strlen(text), "here.txt", MEMORY_MAX, &wrapper, NULL};
        assert_int_equal(espalier_lightgbm_kind.load(&input, &forest, &summary, &error),
                         cases[i].status);
        if (cases[i].status == ESPALIER_OK) {
            assert_true(gains[0] == cases[i].sums[0] && gains[1] == cases[i].sums[1]);
            assert_true(counts[0] == cases[i].counts[0] && counts[1] == cases[i].counts[1]);
        }
        espalier_forest_free(&forest);
        free(text);
    }
    /* Nobody asks: what the line holds does not matter. */
    espalier_forest forest;
    char *const text = replace_text(good_text, "split_gain=9.5 3 2\n", "split_gain=x\n");
    loads(text, &forest);
    espalier_forest_free(&forest);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_text),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_objectives),
        cmocka_unit_test(test_lambda_of_each_version),
        cmocka_unit_test(test_sigmoid_factors),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_tree_sizes),
        cmocka_unit_test(test_bad_header),
        cmocka_unit_test(test_bad_trees),
        cmocka_unit_test(test_categories),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_gains),
        cmocka_unit_test(test_recognise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
