// SPDX-License-Identifier: Apache-2.0
/*
 * See exhaust_models.h.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "tests/exhaustive/exhaust_models.h"

#include "convert/plan.h"
#include "convert/preparation.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define FIXTURES    ESPALIER_TEST_SOURCE_DIR "/fixtures/"

/* ---- changes of flattened models ---- */

/* Nodes of 16 bytes, which a writer makes of more than 65,536 columns. */
static void widen_nodes(espalier_flat *flat)
{
    const uint64_t count = flat->nodes.bytes / sizeof(espalier_file_node);
    const espalier_file_node *const narrow = flat->nodes.data;
    espalier_file_node_wide *const wide = calloc(count, sizeof *wide);
    assert_non_null(wide);
    const uint32_t child_bits = flat->parts[0].child_bits;
    for (uint64_t i = 0; i < count; i++) {
        wide[i].threshold = narrow[i].threshold;
        wide[i].child = narrow[i].word & ((UINT32_C(1) << child_bits) - 1);
        wide[i].column = narrow[i].word >> child_bits;
    }
    free(flat->nodes.data);
    flat->nodes = (espalier_flat_bytes){wide, count * sizeof *wide};
    flat->parts[0].node_bytes = sizeof *wide;
}

/* Sums divided by constants, here by one, so that answers stay. */
static void divide_by_ones(espalier_flat *flat)
{
    const uint32_t count = flat->parts[0].slot_count;
    double *const ones = calloc(count, sizeof *ones);
    assert_non_null(ones);
    assert_null(flat->constants.data);
    for (uint32_t i = 0; i < count; i++) {
        ones[i] = 1.0;
    }
    flat->constants = (espalier_flat_bytes){ones, count * sizeof *ones};
    flat->parts[0].divisor = ESPALIER_DIVISOR_CONSTANTS;
}

/* ---- trees that share their tests ---- */

/* One test a feature: answering it for all trees pays from the third group of rows on. */
static void share_tests(espalier_forest *forest)
{
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] != ESPALIER_FOREST_LEAF) {
            forest->threshold[i] = 0.5 * (double)forest->feature[i];
        }
    }
}

/* ---- trees that most rows go down to their end ---- */

/* Of a chain: ordinary rows leave it at every fourth decision alone. */
static void lead_down(espalier_forest *forest)
{
    for (uint64_t i = 0; i < forest->node_count; i++) {
        const uint32_t left = forest->left[i];
        if (left != ESPALIER_FOREST_LEAF && i % 4 != 3) {
            /* Nodes of a tree are numbered from its root. */
            const bool goes_left = forest->left[i + 1] != ESPALIER_FOREST_LEAF;
            forest->threshold[i] = goes_left ? 1e30 : -1e30;
        }
    }
}

/* ---- a preparation of every operation ---- */

#define BOTH (ESPALIER_PREPARE_ROUND_FLOAT32 | ESPALIER_PREPARE_ROUND_FLOAT64)

typedef struct prepare_line {
    uint32_t operation;
    uint32_t flags;
    uint32_t count; /* values written */
    uint32_t number_count;
    double numbers[9];
} prepare_line;

/* Each reads a feature; ONE_HOT what INDEX in front of it writes. */
static const prepare_line prepare_lines[] = {
    {ESPALIER_PREPARE_CHECK, ESPALIER_PREPARE_REFUSE_INFINITE, 0, 0, {0}},
    {ESPALIER_PREPARE_COPY, 0, 1, 0, {0}},
    {ESPALIER_PREPARE_SUBTRACT, ESPALIER_PREPARE_ROUND_FLOAT32, 1, 1, {0.1}},
    {ESPALIER_PREPARE_ADD, BOTH, 1, 1, {0.1}},
    {ESPALIER_PREPARE_MULTIPLY, BOTH, 1, 1, {0.1}},
    {ESPALIER_PREPARE_DIVIDE, 0, 1, 1, {0.1}},
    {ESPALIER_PREPARE_CLIP, 0, 1, 2, {-3.0, 2.7}},
    {ESPALIER_PREPARE_FILL, 0, 1, 2, {0.75, (double)NAN}},
    {ESPALIER_PREPARE_IS_MISSING, 0, 1, 1, {(double)NAN}},
    {ESPALIER_PREPARE_ABOVE, 0, 1, 1, {0.1}},
    {ESPALIER_PREPARE_RANK, 0, 1, 5, {-2.0, -0.5, -0.5, 0.25, 1.5}},
    {ESPALIER_PREPARE_LOG1P, 0, 1, 0, {0}},
    {ESPALIER_PREPARE_EXPM1, BOTH, 1, 0, {0}},
    {ESPALIER_PREPARE_LOG, 0, 1, 0, {0}},
    {ESPALIER_PREPARE_EXP, 0, 1, 0, {0}},
    {ESPALIER_PREPARE_SQRT, BOTH, 1, 0, {0}},
    {ESPALIER_PREPARE_ABS, 0, 1, 0, {0}},
    {ESPALIER_PREPARE_NUDGE, BOTH, 1, 2, {1e-8, 1e-5}},
    {ESPALIER_PREPARE_INDEX,
     ESPALIER_PREPARE_REFUSE_UNKNOWN,
     1,
     9,
     {-1.0, 0.0, 2.0, (double)NAN, 2.0, 0.0, 1.0, 3.0, -1.0}},
    {ESPALIER_PREPARE_ONE_HOT, 0, 4, 0, {0}},
};

/* Nodes test what the operations write, one after the other. */
static void prepare_everything(espalier_forest *forest)
{
    const uint32_t features = forest->feature_count;
    espalier_preparation *const p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->feature_count = features;
    p->value_count = features;
    forest->preparation = p;
    uint32_t index = 0;
    for (uint32_t i = 0; i < COUNT(prepare_lines); i++) {
        const prepare_line *const line = &prepare_lines[i];
        espalier_prepare_numbers own = {0, 0, 0};
        uint32_t value = 0;
        assert_int_equal(espalier_preparation_add_numbers(p, line->numbers, line->number_count,
                                                          line->flags & BOTH, &own),
                         ESPALIER_OK);
        const bool one_hot = line->operation == ESPALIER_PREPARE_ONE_HOT;
        assert_int_equal(espalier_preparation_add(p, line->operation, line->flags,
                                                  one_hot ? index : i % features, line->count, &own,
                                                  &value),
                         ESPALIER_OK);
        index = value;
    }
    uint32_t next = features;
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] != ESPALIER_FOREST_LEAF) {
            forest->feature[i] = next;
            forest->threshold[i] = 0.25 * (double)(i % 7);
            next = next + 1 < p->value_count ? next + 1 : features;
        }
    }
}

/* ---- stages ---- */

typedef struct stage_line {
    espalier_forest_operation operation;
    bool narrow;
    bool pairwise;
} stage_line;

static const stage_line stage_lines[] = {
    {ESPALIER_FOREST_NORMALISE, false, false},
    {ESPALIER_FOREST_NORMALISE, false, true},
    {ESPALIER_FOREST_ADD, false, false},
    {ESPALIER_FOREST_ADD, true, false},
    {ESPALIER_FOREST_MULTIPLY, false, false},
    {ESPALIER_FOREST_MULTIPLY, true, false},
    {ESPALIER_FOREST_DIVIDE, false, false},
    {ESPALIER_FOREST_DIVIDE, true, false},
    {ESPALIER_FOREST_DIVIDE_ITERATIONS, false, false},
    {ESPALIER_FOREST_SIGMOID, false, false},
    {ESPALIER_FOREST_SIGMOID, true, false},
    {ESPALIER_FOREST_SOFTMAX, false, false},
    {ESPALIER_FOREST_SOFTMAX, true, true},
    {ESPALIER_FOREST_SOFTMAX_LOG, false, true},
    {ESPALIER_FOREST_EXP, false, false},
    {ESPALIER_FOREST_EXP, true, false},
    {ESPALIER_FOREST_LOG1P_EXP, false, false},
    {ESPALIER_FOREST_SIGNED_SQUARE, false, false},
    {ESPALIER_FOREST_NEGATIVE_POWER, false, false},
    {ESPALIER_FOREST_TWO_CLASSES, false, false},
    {ESPALIER_FOREST_TWO_CLASSES, true, false},
    {ESPALIER_FOREST_STEP, false, false},
    {ESPALIER_FOREST_STEP, true, false},
    {ESPALIER_FOREST_INDEX, false, false},
    {ESPALIER_FOREST_INDEX, true, false},
    {ESPALIER_FOREST_SORT, false, false},
    {ESPALIER_FOREST_SORT, true, false},
    {ESPALIER_FOREST_SPREAD, false, false},
    {ESPALIER_FOREST_PRODUCTS, false, false},
    {ESPALIER_FOREST_CONSTANTS, false, false},
    {ESPALIER_FOREST_CONSTANTS, true, false},
    {ESPALIER_FOREST_EXPECTILES, true, false},
    {ESPALIER_FOREST_PICK, false, false},
    {ESPALIER_FOREST_PICK, true, false},
    {ESPALIER_FOREST_ADD_SLOTS, false, false},
    {ESPALIER_FOREST_ADD_SLOTS, true, false},
    {ESPALIER_FOREST_CHOOSE, false, false},
    {ESPALIER_FOREST_ISOTONIC, false, false},
    {ESPALIER_FOREST_ISOTONIC, true, false},
    {ESPALIER_FOREST_NORMALISE_EVEN, false, false},
    {ESPALIER_FOREST_CUT_ONE, false, false},
    {ESPALIER_FOREST_WEIGHTED_MEDIAN, false, false},
    {ESPALIER_FOREST_EXPM1, false, false},
    {ESPALIER_FOREST_EXPM1, true, false},
    {ESPALIER_FOREST_EXP2, false, false},
    {ESPALIER_FOREST_EXP2, true, false},
    {ESPALIER_FOREST_SQUARE, false, false},
    {ESPALIER_FOREST_SQUARE, true, false},
    {ESPALIER_FOREST_SQRT, false, false},
    {ESPALIER_FOREST_SQRT, true, false},
    {ESPALIER_FOREST_LOG, false, false},
    {ESPALIER_FOREST_LOG, true, false},
    {ESPALIER_FOREST_LOG1P, false, false},
    {ESPALIER_FOREST_LOG1P, true, false},
    {ESPALIER_FOREST_CLAMP, false, false},
    {ESPALIER_FOREST_LOG_ODDS, false, false},
    {ESPALIER_FOREST_LOGIT, false, false},
    {ESPALIER_FOREST_LOG_CENTRED, false, true},
    {ESPALIER_FOREST_ROUND, true, false},
    {ESPALIER_FOREST_EXPIT, true, false},
    {ESPALIER_FOREST_NUMPY_EXP, true, false},
    {ESPALIER_FOREST_ISOTONIC_SHARES, true, false},
};

/* Adds every stage of an arithmetic, each of the same sums, and an output of all they write. */
static void add_stages(espalier_forest *forest)
{
    static const double constants[] = {0.0, 1.0, 2.0, 0.5, -1.0, 2.0};
    static const double picked[] = {-1.0, 1.0, 2.0}; /* -1: no slot, zero */
    const bool narrow = forest->accumulator == ESPALIER_FOREST_SUM_FLOAT32;
    const uint32_t sums = forest->slot_count;
    uint32_t end = sums;
    for (size_t i = 0; i < COUNT(stage_lines); i++) {
        const espalier_forest_stage stage = {.operation = stage_lines[i].operation,
                                             .count = sums,
                                             .narrow = narrow,
                                             .pairwise = stage_lines[i].pairwise};
        if (stage_lines[i].narrow == narrow) {
            const bool picks = stage.operation == ESPALIER_FOREST_PICK;
            const uint32_t slot =
                espalier_plan_add_stage(forest, &stage, picks ? picked : constants);
            assert_int_equal(slot, end);
            end += (uint32_t)espalier_plan_stage_outputs(&stage);
        }
    }
    const espalier_forest_output outputs[] = {
        {.kind = ESPALIER_OUTPUT_MARGIN, .slot_count = sums, .narrow = narrow},
        {.kind = ESPALIER_OUTPUT_VALUE,
         .first_slot = sums,
         .slot_count = end - sums,
         .narrow = narrow},
    };
    for (size_t i = 0; i < COUNT(outputs); i++) {
        assert_true(espalier_plan_add_output(forest, &outputs[i]));
    }
    forest->default_output = ESPALIER_OUTPUT_VALUE;
    espalier_error error;
    if (espalier_forest_validate(forest, "stages", &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
}

/* ---- the list ---- */

#define FEATURES 4u
/* Two trees of a few decisions each: files of ten to twenty kilobytes, most of it padding. */
#define BOOSTED(of)                                                                          \
    .trainer = SYNTHETIC_##of, .tree_count = 2, .feature_count = FEATURES, .group_count = 1, \
    .shape = SYNTHETIC_BEST_FIRST, .decision_count_max = 9

typedef struct model_line {
    const char *name;
    const char *fixture; /* a saved model of a trainer; NULL: made from `options` */
    synthetic_options options;
    uint32_t layout;
    void (*change_forest)(espalier_forest *forest);
    void (*change_flat)(espalier_flat *flat);
} model_line;

static const model_line lines[] = {
    {"classifier",
     .options = {.seed = 1,
                 .tree_count = 3,
                 .feature_count = FEATURES,
                 .decision_count_max = 9,
                 .group_count = 2,
                 .class_count = 2,
                 .missing_allowed = true,
                 .named = true,
                 .shape = SYNTHETIC_BEST_FIRST,
                 .label_kind = ESPALIER_LABEL_STRING},
     .layout = ESPALIER_LAYOUT_WALK},
    {"counts",
     .options = {.seed = 2,
                 .tree_count = 1,
                 .feature_count = FEATURES,
                 .decision_count_max = 12,
                 .group_count = 1,
                 .class_count = 9,
                 .normalise = true,
                 .label_kind = ESPALIER_LABEL_BOOL},
     .layout = ESPALIER_LAYOUT_WALK},
    {"regressor",
     .options = {.seed = 3,
                 .tree_count = 4,
                 .feature_count = FEATURES,
                 .decision_count_max = 5,
                 .group_count = 1},
     .layout = ESPALIER_LAYOUT_WALK},
    {"walk_deep", /* deeper than blocks go before they look at which walks have ended */
     .options = {.seed = 23,
                 .tree_count = 2,
                 .feature_count = FEATURES,
                 .decision_count_max = 26,
                 .group_count = 1,
                 .class_count = 2,
                 .shape = SYNTHETIC_CHAIN},
     .layout = ESPALIER_LAYOUT_WALK, .change_forest = lead_down},
    {"walk_wide", .options = {BOOSTED(XGBOOST), .seed = 4}, .layout = ESPALIER_LAYOUT_WALK,
     .change_flat = widen_nodes},
    {"walk_ranks", .options = {BOOSTED(LIGHTGBM), .seed = 5, .default_iterations = 1},
     .layout = ESPALIER_LAYOUT_WALK},
    {"walk_sets_float32", .options = {BOOSTED(XGBOOST), .seed = 6, .set_features = 2},
     .layout = ESPALIER_LAYOUT_WALK},
    {"walk_sets_float64", .options = {BOOSTED(LIGHTGBM), .seed = 7, .set_features = 2},
     .layout = ESPALIER_LAYOUT_WALK},
    {"heap", .options = {BOOSTED(XGBOOST), .seed = 8, .depth_max = 3},
     .layout = ESPALIER_LAYOUT_HEAP},
    {"heap_float64", .options = {BOOSTED(LIGHTGBM), .seed = 9, .depth_max = 3, .averaged = true},
     .layout = ESPALIER_LAYOUT_HEAP},
    {"heap_short", .options = {BOOSTED(XGBOOST), .seed = 10, .depth_max = 3},
     .layout = ESPALIER_LAYOUT_HEAP, .change_flat = model_bytes_widen_codes},
    {"heap_shared",
     .options = {.trainer = SYNTHETIC_XGBOOST,
                 .seed = 22,
                 .tree_count = 16,
                 .feature_count = FEATURES,
                 .decision_count_max = 7,
                 .group_count = 1,
                 .shape = SYNTHETIC_BEST_FIRST,
                 .depth_max = 3},
     .layout = ESPALIER_LAYOUT_HEAP, .change_forest = share_tests},
    {"select", .options = {BOOSTED(LIGHTGBM), .seed = 11}, .layout = ESPALIER_LAYOUT_SELECT},
    {"select_float32", .options = {BOOSTED(XGBOOST), .seed = 12}, .layout = ESPALIER_LAYOUT_SELECT},
    {"select_short", .options = {BOOSTED(LIGHTGBM), .seed = 13}, .layout = ESPALIER_LAYOUT_SELECT,
     .change_flat = model_bytes_widen_codes},
    {"bits", .options = {BOOSTED(LIGHTGBM), .seed = 14}, .layout = ESPALIER_LAYOUT_BITS},
    {"bits_float32", .options = {BOOSTED(XGBOOST), .seed = 15}, .layout = ESPALIER_LAYOUT_BITS},
    {"linked_float32", .options = {BOOSTED(XGBOOST), .seed = 16, .linked = true},
     .layout = ESPALIER_LAYOUT_WALK},
    {"linked_float64", .options = {BOOSTED(LIGHTGBM), .seed = 17, .linked = true, .named = true},
     .layout = ESPALIER_LAYOUT_SELECT},
    {"stages_float32", .options = {BOOSTED(XGBOOST), .seed = 18, .class_count = 3},
     .layout = ESPALIER_LAYOUT_WALK, .change_forest = add_stages},
    {"stages_float64", .options = {BOOSTED(LIGHTGBM), .seed = 19, .class_count = 3},
     .layout = ESPALIER_LAYOUT_WALK, .change_forest = add_stages},
    {"divided", .options = {BOOSTED(LIGHTGBM), .seed = 20}, .layout = ESPALIER_LAYOUT_WALK,
     .change_flat = divide_by_ones},
    {"prepared",
     .options = {.seed = 21,
                 .tree_count = 3,
                 .feature_count = FEATURES,
                 .decision_count_max = 16,
                 .group_count = 1,
                 .class_count = 3,
                 .missing_allowed = true},
     .layout = ESPALIER_LAYOUT_WALK, .change_forest = prepare_everything},
    {"bagging", .fixture = FIXTURES "ensembles-1.9.1/bagging_histogram.joblib"},
    {"voting", .fixture = FIXTURES "ensembles-1.9.1/voting.joblib"},
    {"start", .fixture = FIXTURES "boosting-1.9.1/gradient_start_two.joblib"},
    {"calibrated", .fixture = FIXTURES "ensembles-1.9.1/isotonic.joblib"},
    {"median", .fixture = FIXTURES "ensembles-1.9.1/adaboost_values.joblib"},
    {"columns", .fixture = FIXTURES "pipelines-1.9.1/columns.joblib"},
    {"kept", .fixture = FIXTURES "pipelines-1.9.1/kept.joblib"},
    {"narrow median", .fixture = FIXTURES "boosted-3.4.1-4.7.0/members_median.joblib"},
    {"narrow rest", .fixture = FIXTURES "boosted-3.4.1-4.7.0/members_rest.joblib"},
    {"text", .fixture = FIXTURES "pipelines-1.9.1/text.joblib"},
    {"linear", .fixture = FIXTURES "lightgbm-4.7.0/linear.txt"},
    {"linear start", .fixture = FIXTURES "lines-4.7.0/start_voting.joblib"},
    {"linear voting", .fixture = FIXTURES "lines-4.7.0/voting.joblib"},
    {"scaled", .fixture = FIXTURES "pipelines-1.9.1/scaled.joblib"},
    {"isolation", .fixture = FIXTURES "boosting-1.9.1/isolation.joblib"},
};

uint32_t exhaust_model_count(void)
{
    return (uint32_t)COUNT(lines);
}

const char *exhaust_model_name(uint32_t index)
{
    return lines[index].name;
}

model_bytes exhaust_model_make(uint32_t index)
{
    const model_line *const line = &lines[index];
    if (line->fixture != NULL) {
        return model_bytes_convert(line->fixture);
    }
    espalier_forest forest;
    synthetic_forest_make(&line->options, &forest);
    if (line->change_forest != NULL) {
        line->change_forest(&forest);
    }
    const model_bytes model = model_bytes_of_changed(&forest, 2, line->layout, line->change_flat);
    espalier_forest_free(&forest);
    return model;
}
