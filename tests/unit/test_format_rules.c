// SPDX-License-Identifier: Apache-2.0
/*
 * One broken file per way to break a rule of docs/format.md: each must be refused with its status
 * and with the number of the very rule it breaks, at open or at verify as the document says:
 * F-001, and F-051 for every enumerated field. F-021 shows as F-023, which comes first.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier.h"
#include "tests/support/damage.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static model_bytes models[MODEL_COUNT];

static const synthetic_options model_options[MODEL_COUNT] = {
    [CLASSIFIER] = {.seed = 31,
                    .tree_count = 3,
                    .feature_count = 4,
                    .decision_count_max = 20,
                    .group_count = 2,
                    .class_count = 2,
                    .missing_allowed = true,
                    .named = true,
                    .shape = SYNTHETIC_BEST_FIRST,
                    .label_kind = ESPALIER_LABEL_STRING},
    [COUNTS] = {.seed = 32,
                .tree_count = 1,
                .feature_count = 4,
                .decision_count_max = 15,
                .group_count = 1,
                .class_count = 2,
                .normalise = true,
                .label_kind = ESPALIER_LABEL_BOOL},
    [REGRESSOR] = {.seed = 33,
                   .tree_count = 3,
                   .feature_count = 4,
                   .decision_count_max = 15,
                   .group_count = 1},
    [HEAP] = {.seed = 34,
              .trainer = SYNTHETIC_XGBOOST,
              .tree_count = 12,
              .feature_count = 4,
              .decision_count_max = 9,
              .group_count = 1,
              .shape = SYNTHETIC_BEST_FIRST,
              .depth_max = 6},
    [SELECT] = {.seed = 35,
                .trainer = SYNTHETIC_LIGHTGBM,
                .tree_count = 60,
                .feature_count = 1,
                .decision_count_max = 60,
                .group_count = 1,
                .shape = SYNTHETIC_BEST_FIRST},
    [BITS] = {.seed = 37,
              .trainer = SYNTHETIC_LIGHTGBM,
              .tree_count = 60,
              .feature_count = 1,
              .decision_count_max = 30,
              .group_count = 1,
              .shape = SYNTHETIC_BEST_FIRST},
    [RANKS] = {.seed = 36,
               .trainer = SYNTHETIC_LIGHTGBM,
               .tree_count = 8,
               .feature_count = 2,
               .decision_count_max = 40,
               .group_count = 1,
               .shape = SYNTHETIC_BEST_FIRST},
    [LINKED] = {.seed = 37,
                .trainer = SYNTHETIC_LIGHTGBM,
                .tree_count = 8,
                .feature_count = 2,
                .decision_count_max = 40,
                .group_count = 1,
                .linked = true},
    [CATEGORIES] = {.seed = 38,
                    .trainer = SYNTHETIC_XGBOOST,
                    .tree_count = 20,
                    .feature_count = 4,
                    .set_features = 2,
                    .decision_count_max = 30,
                    .group_count = 1},
};

static const uint32_t model_layouts[MODEL_COUNT] = {
    [CLASSIFIER] = ESPALIER_LAYOUT_WALK, [COUNTS] = ESPALIER_LAYOUT_WALK,
    [REGRESSOR] = ESPALIER_LAYOUT_WALK,  [HEAP] = ESPALIER_LAYOUT_HEAP,
    [SELECT] = ESPALIER_LAYOUT_SELECT,   [BITS] = ESPALIER_LAYOUT_BITS,
    [RANKS] = ESPALIER_LAYOUT_WALK,      [LINKED] = ESPALIER_LAYOUT_WALK,
    [CATEGORIES] = ESPALIER_LAYOUT_WALK,
};

static int make_models(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++) {
        espalier_forest forest;
        synthetic_forest_make(&model_options[i], &forest);
        models[i] = model_bytes_of_layout(&forest, 4, model_layouts[i]);
        espalier_forest_free(&forest);
    }
    return 0;
}

static int free_models(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++) {
        model_bytes_free(&models[i]);
    }
    return 0;
}

static espalier_status open_and_verify(const model_bytes *m, bool verify, espalier_error *error)
{
    espalier_model *model = NULL;
    const espalier_open_options options = {sizeof options,
                                           verify ? ESPALIER_OPEN_VERIFY : 0u,
                                           0,
                                           {0}};
    const espalier_status status =
        espalier_model_open_memory(m->data, m->bytes, &options, &model, error);
    espalier_model_close(model);
    return status;
}

static void test_sound_models(void **state)
{
    (void)state;
    for (int i = 0; i < MODEL_COUNT; i++) {
        espalier_error error;
        const espalier_status status = open_and_verify(&models[i], true, &error);
        if (status != ESPALIER_OK) {
            fail_msg("model %d: %s", i, error.message);
        }
    }
}

/* False, with a message, when a case is not refused as it must be. */
static bool case_holds(const rule_case *test, size_t index)
{
    model_bytes broken = model_bytes_copy(&models[test->model]);
    test->damage(&broken);
    if (test->when == SEALED || test->when == VERIFY) {
        model_bytes_seal(&broken);
    }
    const bool late = test->when == VERIFY || test->when == RAW_VERIFY;
    espalier_error error;
    espalier_status status = open_and_verify(&broken, false, &error);
    bool holds = !late || status == ESPALIER_OK;
    if (!holds) {
        print_error("case %zu, %s: refused at open: %s\n", index, test->rule, error.message);
    }
    status = late ? open_and_verify(&broken, true, &error) : status;
    const unsigned long rule = strtoul(test->rule + 2, NULL, 10);
    if (status != test->status || error.format_rule != rule) {
        print_error("case %zu, %s: %s, rule %u: %s\n", index, test->rule,
                    espalier_status_name(status), (unsigned)error.format_rule,
                    status != ESPALIER_OK ? error.message : "");
        holds = false;
    }
    model_bytes_free(&broken);
    return holds;
}

static void check_cases(const rule_case *cases, size_t count)
{
    size_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        failed += !case_holds(&cases[i], i);
    }
    assert_true(count > 10);
    assert_int_equal(failed, 0);
}

static void test_header_and_sections(void **state)
{
    (void)state;
    check_cases(rule_cases_outside, rule_cases_outside_count);
}

static void test_plan(void **state)
{
    (void)state;
    check_cases(rule_cases_plan, rule_cases_plan_count);
}

static void test_tables(void **state)
{
    (void)state;
    check_cases(rule_cases_tables, rule_cases_tables_count);
}

static void test_verify(void **state)
{
    (void)state;
    check_cases(rule_cases_verify, rule_cases_verify_count);
}

static void test_masks(void **state)
{
    (void)state;
    check_cases(rule_cases_masks, rule_cases_masks_count);
}

static void test_mask_nodes(void **state)
{
    (void)state;
    check_cases(rule_cases_mask_nodes, rule_cases_mask_nodes_count);
}

static void test_sets(void **state)
{
    (void)state;
    check_cases(rule_cases_sets, rule_cases_sets_count);
}

/* F-058: all 32 nodes of a BITS tree may be visited whatever the depth says; here it says 0. */
static void test_work_of_bits(void **state)
{
    (void)state;
    model_bytes m = model_bytes_copy(&models[BITS]);
    espalier_file_tree *const trees = RECORD(&m, TREES, espalier_file_tree);
    const size_t tree_count = SECTION(&m, TREES)->bytes / sizeof *trees;
    for (size_t i = 0; i < tree_count; i++) {
        trees[i].depth = 0;
    }
    RECORD(&m, MODEL, espalier_file_model)->visits_per_row = 0;
    model_bytes_seal(&m);
    espalier_model *model = NULL;
    espalier_error error;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.visits_per_row_max = (tree_count + 1) / 2; /* 32 nodes a tree, 64 times the limit */
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, &options, &model, &error),
                     ESPALIER_OK);
    espalier_model_close(model);
    options.visits_per_row_max--;
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, &options, &model, &error),
                     ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, 58);
    model_bytes_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_models), cmocka_unit_test(test_header_and_sections),
        cmocka_unit_test(test_plan),         cmocka_unit_test(test_tables),
        cmocka_unit_test(test_verify),       cmocka_unit_test(test_masks),
        cmocka_unit_test(test_mask_nodes),   cmocka_unit_test(test_sets),
        cmocka_unit_test(test_work_of_bits),
    };
    return cmocka_run_group_tests(tests, make_models, free_models);
}
