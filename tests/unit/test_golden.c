// SPDX-License-Identifier: Apache-2.0
/*
 * convert/golden: rows are the same every time and sit on thresholds; written models of many kinds
 * of forests reproduce them in every shape; one wrong leaf, threshold or number does not get
 * through.
 */
#include "convert/golden.h"
#include "convert/reference.h"
#include "engine/predictor.h"
#include "format/writer.h"
#include "tests/support/own_folder.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL_PATH "test_golden.espalier"

static const synthetic_options options_list[] = {
    {.seed = 1, .tree_count = 1, .feature_count = 1, .group_count = 1},
    {.seed = 2, .tree_count = 1, .feature_count = 3, .decision_count_max = 50, .group_count = 2},
    {.seed = 3,
     .tree_count = 40,
     .feature_count = 5,
     .decision_count_max = 100,
     .group_count = 1,
     .class_count = 3,
     .distinct_count = 9},
    {.seed = 4,
     .tree_count = 33,
     .feature_count = 9,
     .decision_count_max = 300,
     .group_count = 3,
     .class_count = 1,
     .missing_allowed = true,
     .shape = SYNTHETIC_BEST_FIRST},
    {.seed = 5,
     .tree_count = 1,
     .feature_count = 4,
     .decision_count_max = 200,
     .group_count = 2,
     .class_count = 150,
     .normalise = true,
     .shape = SYNTHETIC_BEST_FIRST},
    {.seed = 6,
     .tree_count = 7,
     .feature_count = 3,
     .decision_count_max = 3000,
     .group_count = 1,
     .missing_allowed = true,
     .shape = SYNTHETIC_CHAIN},
    {.seed = 7,
     .tree_count = 3,
     .feature_count = 70000,
     .decision_count_max = 120000,
     .group_count = 1,
     .missing_allowed = true,
     .shape = SYNTHETIC_BEST_FIRST},
    {.seed = 8,
     .tree_count = 300,
     .feature_count = 20,
     .decision_count_max = 64,
     .group_count = 1,
     .class_count = 2,
     .label_kind = ESPALIER_LABEL_STRING,
     .named = true},
    {.seed = 9,
     .trainer = SYNTHETIC_XGBOOST,
     .tree_count = 12,
     .feature_count = 4,
     .decision_count_max = 30,
     .group_count = 1,
     .linked = true},
    {.seed = 10,
     .trainer = SYNTHETIC_LIGHTGBM,
     .tree_count = 12,
     .feature_count = 4,
     .decision_count_max = 30,
     .group_count = 1,
     .linked = true},
};

/* A forest, flattened, with its golden rows. */
typedef struct fixture {
    espalier_forest forest;
    espalier_flat flat;
    espalier_golden golden;
    espalier_flat_bytes golden_section;
    espalier_error error;
} fixture;

static void make_fixture_in(fixture *f, const synthetic_options *options, uint32_t layout)
{
    memset(f, 0, sizeof *f);
    synthetic_forest_make(options, &f->forest);
    assert_int_equal(espalier_flatten_to(&f->forest, layout, "synthetic", &f->flat, &f->error),
                     ESPALIER_OK);
    assert_int_equal(espalier_golden_init(&f->golden, &f->forest, &f->error), ESPALIER_OK);
    assert_int_equal(espalier_golden_section(&f->golden, &f->golden_section, &f->error),
                     ESPALIER_OK);
}

static void make_fixture(fixture *f, const synthetic_options *options)
{
    make_fixture_in(f, options, ESPALIER_LAYOUT_WALK);
}

static void free_fixture(fixture *f)
{
    espalier_golden_free(&f->golden);
    espalier_flat_free(&f->flat);
    espalier_forest_free(&f->forest);
    free(f->golden_section.data);
}

/* Writes the fixture's sections and opens them; the status of the open with verify. */
static espalier_status write_and_open(fixture *f, bool with_golden, espalier_model **model_out)
{
    static const char metadata[] = "{}";
    espalier_writer_section sections[ESPALIER_FLAT_SECTIONS_MAX + 2];
    uint32_t count = espalier_flat_sections(&f->flat, sections);
    if (with_golden) {
        sections[count++] =
            (espalier_writer_section){ESPALIER_SECTION_GOLDEN, 0, f->golden_section.data,
                                      f->golden_section.bytes};
    }
    sections[count++] = (espalier_writer_section){ESPALIER_SECTION_METADATA, 0, metadata, 2};
    char *temporary = NULL;
    uint64_t bytes = 0;
    assert_int_equal(espalier_writer_write(MODEL_PATH, sections, count, &temporary, &bytes,
                                           &f->error),
                     ESPALIER_OK);
    assert_int_equal(espalier_writer_publish(temporary, MODEL_PATH, &f->error), ESPALIER_OK);
    free(temporary);
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    return espalier_model_open(MODEL_PATH, &options, model_out, &f->error);
}

/*
 * Sums, divisor, normalising, classes and leaf numbers against the reference, which shares no code
 * with the engine: [F-244], [F-248], [F-251], [F-252], [F-253].
 */
static void test_written_models_reproduce_their_forests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof options_list / sizeof options_list[0]; i++) {
        fixture f;
        make_fixture(&f, &options_list[i]);
        espalier_model *model = NULL;
        if (write_and_open(&f, true, &model) != ESPALIER_OK ||
            espalier_golden_compare(&f.golden, model, MODEL_PATH, NULL, NULL, &f.error) !=
                ESPALIER_OK) {
            fail_msg("forest %zu: %s", i, f.error.message);
        }
        espalier_model_close(model);
        free_fixture(&f);
    }
    (void)unlink(MODEL_PATH);
}

/* Forests of every trainer that every layout can hold. */
static const synthetic_options shallow[] = {
    {.seed = 21, .tree_count = 19, .feature_count = 7, .decision_count_max = 60, .depth_max = 6},
    {.seed = 22,
     .tree_count = 18,
     .feature_count = 9,
     .decision_count_max = 200,
     .depth_max = 8,
     .class_count = 3,
     .missing_allowed = true},
    {.seed = 23,
     .tree_count = 33,
     .feature_count = 12,
     .decision_count_max = 63,
     .depth_max = 6,
     .cut_count = 90,
     .trainer = SYNTHETIC_XGBOOST},
    {.seed = 24,
     .tree_count = 36,
     .feature_count = 200,
     .decision_count_max = 200,
     .depth_max = 8,
     .class_count = 3,
     .default_iterations = 11,
     .trainer = SYNTHETIC_XGBOOST},
    {.seed = 25,
     .tree_count = 20,
     .feature_count = 10,
     .decision_count_max = 40,
     .depth_max = 8,
     .cut_count = 25,
     .trainer = SYNTHETIC_LIGHTGBM},
    {.seed = 26,
     .tree_count = 20,
     .feature_count = 6,
     .decision_count_max = 150,
     .depth_max = 8,
     .class_count = 5,
     .averaged = true,
     .trainer = SYNTHETIC_LIGHTGBM},
    {.seed = 27,
     .tree_count = 20,
     .feature_count = 2,
     .decision_count_max = 1,
     .depth_max = 8,
     .default_iterations = 3,
     .trainer = SYNTHETIC_LIGHTGBM},
    /* Thousands of cuts on a feature: codes of one byte in segments. */
    {.seed = 28,
     .tree_count = 17,
     .feature_count = 2,
     .decision_count_max = 250,
     .depth_max = 8,
     .trainer = SYNTHETIC_XGBOOST},
};

/* The written model against its forest, on the plainest kernels and on the best. */
static void expect_proof(fixture *f, const char *what)
{
    const char *const levels[] = {"scalar", "auto"};
    espalier_model *model = NULL;
    espalier_status status = write_and_open(f, true, &model);
    for (size_t i = 0; status == ESPALIER_OK && i < sizeof levels / sizeof levels[0]; i++) {
        assert_int_equal(setenv("ESPALIER_ISA", levels[i], 1), 0);
        status = espalier_golden_compare(&f->golden, model, levels[i], NULL, NULL, &f->error);
    }
    assert_int_equal(unsetenv("ESPALIER_ISA"), 0);
    if (status != ESPALIER_OK) {
        fail_msg("%s (%s): %s", what, f->flat.why, f->error.message);
    }
    espalier_model_close(model);
    (void)unlink(MODEL_PATH);
}

static const uint32_t layouts[] = {ESPALIER_LAYOUT_WALK, ESPALIER_LAYOUT_HEAP,
                                   ESPALIER_LAYOUT_SELECT, ESPALIER_LAYOUT_BITS};
#define LAYOUT_COUNT (sizeof layouts / sizeof layouts[0])

/* Margins, values, classes and leaf numbers. */
static void test_every_layout_reproduces_its_forest(void **state)
{
    (void)state;
    for (size_t i = 0; i < LAYOUT_COUNT * sizeof shallow / sizeof shallow[0]; i++) {
        const uint32_t layout = layouts[i % LAYOUT_COUNT];
        synthetic_options options = shallow[i / LAYOUT_COUNT];
        options.group_count = 1;
        options.shape = SYNTHETIC_BEST_FIRST;
        if (layout == ESPALIER_LAYOUT_BITS) {
            options.decision_count_max %= 32;
            options.feature_count %= 97;
        }
        char what[32];
        (void)snprintf(what, sizeof what, "forest %zu", i / LAYOUT_COUNT);
        fixture f;
        make_fixture_in(&f, &options, layout);
        expect_proof(&f, what);
        free_fixture(&f);
    }
}

/* Rules that no float32 trainer has yet: zero as missing, NaN as zero, tiny values flushed. */
static void test_every_missing_rule_in_float32(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 29,
                                       .tree_count = 20,
                                       .feature_count = 6,
                                       .decision_count_max = 30,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 7,
                                       .cut_count = 20,
                                       .trainer = SYNTHETIC_XGBOOST};
    for (size_t i = 0; i < 2 * sizeof layouts / sizeof layouts[0]; i++) {
        fixture f;
        memset(&f, 0, sizeof f);
        synthetic_forest_make(&options, &f.forest);
        f.forest.missing_rule = calloc(f.forest.node_count, 1);
        assert_non_null(f.forest.missing_rule);
        uint64_t random = 30;
        for (uint64_t j = 0; j < f.forest.node_count; j++) {
            f.forest.missing_rule[j] = (uint8_t)(synthetic_next(&random) % 3);
        }
        f.forest.flush_tiny = i % 2 != 0;
        assert_int_equal(espalier_flatten_to(&f.forest, layouts[i / 2], "synthetic", &f.flat,
                                             &f.error),
                         ESPALIER_OK);
        assert_int_equal(espalier_golden_init(&f.golden, &f.forest, &f.error), ESPALIER_OK);
        assert_int_equal(espalier_golden_section(&f.golden, &f.golden_section, &f.error),
                         ESPALIER_OK);
        expect_proof(&f, "missing rules");
        free_fixture(&f);
    }
}

/* 86,000 cuts on one feature: two-byte codes in two segments. */
static void test_more_cuts_than_two_bytes_count(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 71,
                                       .tree_count = 450,
                                       .feature_count = 1,
                                       .decision_count_max = 255,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_PREORDER};
    fixture f;
    make_fixture_in(&f, &options, ESPALIER_LAYOUT_SELECT);
    assert_int_equal(f.flat.columns.bytes, 2 * sizeof(espalier_file_column));
    expect_proof(&f, "86,000 cuts");
    free_fixture(&f);
}

/* A converter that gets one thing of a mask wrong. */
static void expect_mask_refusal(uint32_t layout, size_t forest, void (*damage)(fixture *f))
{
    synthetic_options options = shallow[forest];
    options.group_count = 1;
    options.shape = SYNTHETIC_BEST_FIRST;
    fixture f;
    make_fixture_in(&f, &options, layout);
    damage(&f);
    espalier_model *model = NULL;
    assert_int_equal(write_and_open(&f, false, &model), ESPALIER_OK);
    assert_int_equal(espalier_golden_compare(&f.golden, model, "x", NULL, NULL, &f.error),
                     ESPALIER_ERROR_PROOF);
    espalier_model_close(model);
    free_fixture(&f);
    (void)unlink(MODEL_PATH);
}

/* The root's threshold of the first tree, one code too low. */
static void lower_heap_root(fixture *f)
{
    const espalier_file_tree *const trees = f->flat.trees.data;
    uint8_t *const thresholds = (uint8_t *)f->flat.nodes.data + trees[0].node_count;
    thresholds[1] = thresholds[1] > 0 ? thresholds[1] - 1 : 1;
}

static void lower_select_root(fixture *f)
{
    espalier_file_node_select *const nodes = f->flat.nodes.data;
    nodes[0].threshold = nodes[0].threshold > 0 ? (uint16_t)(nodes[0].threshold - 1) : 1;
}

static void turn_missing(fixture *f)
{
    espalier_file_column *const columns = f->flat.columns.data;
    columns[0].missing = columns[0].missing == ESPALIER_MISSING_LEFT ? ESPALIER_MISSING_RIGHT
                                                                     : ESPALIER_MISSING_LEFT;
}

static void raise_start(fixture *f)
{
    double *const start = f->flat.constants.data;
    start[0] = 4.0;
}

static void add_iteration(fixture *f)
{
    f->flat.parts[0].default_iteration_count++;
}

/* Some leaves are out of every row's reach; not all. */
static void rotate_numbers(fixture *f)
{
    const espalier_file_tree *const trees = f->flat.trees.data;
    uint8_t *const numbers = f->flat.node_numbers.data;
    const uint8_t first = numbers[0];
    assert_int_equal(f->flat.model.number_bytes, 1);
    memmove(numbers, numbers + 1, trees[0].leaf_count - 1);
    numbers[trees[0].leaf_count - 1] = first;
}

static void test_wrong_masks_are_found(void **state)
{
    (void)state;
    expect_mask_refusal(ESPALIER_LAYOUT_HEAP, 0, lower_heap_root);
    expect_mask_refusal(ESPALIER_LAYOUT_SELECT, 2, lower_select_root);
    expect_mask_refusal(ESPALIER_LAYOUT_HEAP, 2, turn_missing);
    expect_mask_refusal(ESPALIER_LAYOUT_SELECT, 2, raise_start);
    expect_mask_refusal(ESPALIER_LAYOUT_HEAP, 3, add_iteration);
    expect_mask_refusal(ESPALIER_LAYOUT_SELECT, 4, rotate_numbers);
}

/* The rows a forest is proved with, and what they are made of. */
/*
 * Boosted trees of one value each, but a million sums to go through for every row: 4,096 rows of
 * them kept a conversion of 8 kB busy for hours.
 */
static void test_many_sums_take_few_rows(void **state)
{
    (void)state;
    uint32_t width = 1;
    espalier_forest_tree tree = {.node_count = 1, .leaf_count = 1};
    espalier_forest forest = {.trees = &tree,
                              .tree_count = 1,
                              .node_count = 1,
                              .leaf_width = 1,
                              .slot_count = 1,
                              .group_count = 1,
                              .group_width = &width,
                              .feature_count = 1};
    assert_int_equal(espalier_golden_compared_count(&forest), 4096);
    forest.slot_count = UINT32_C(1) << 20;
    assert_in_range(espalier_golden_compared_count(&forest), 4, 16);
    forest.slot_count = 1;
    forest.feature_count = UINT32_C(1) << 20;
    assert_in_range(espalier_golden_compared_count(&forest), 4, 16);
}

/* Beyond 256 trees each costs the proof its turn, so rows are fewer; never below 64 for it. */
static void test_many_trees_take_few_rows(void **state)
{
    (void)state;
    static const struct {
        uint32_t trees;
        uint32_t rows;
    } cases[] = {{1, 4096},   {256, 4096}, {257, 4080}, {1000, 1048},
                 {4096, 256}, {16384, 64}, {16385, 64}, {32768, 64}};
    uint32_t width = 1;
    espalier_forest_tree *const trees = calloc(32768, sizeof *trees);
    assert_non_null(trees);
    for (uint32_t i = 0; i < 32768; i++) {
        trees[i] = (espalier_forest_tree){.node_count = 3, .leaf_count = 2, .depth = 1};
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const espalier_forest forest = {.trees = trees,
                                        .tree_count = cases[i].trees,
                                        .node_count = 3 * (uint64_t)cases[i].trees,
                                        .leaf_width = 1,
                                        .slot_count = 1,
                                        .group_count = 1,
                                        .group_width = &width,
                                        .feature_count = 20};
        assert_int_equal(espalier_golden_compared_count(&forest), cases[i].rows);
    }
    free(trees);
}

/* Of how many rows of a block the proof asks for in one call. */
static void test_rows_of_a_call(void **state)
{
    (void)state;
    static const struct {
        uint32_t trees;
        uint32_t leaves;
        uint32_t features;
        uint32_t least;
        uint32_t most;
    } cases[] = {
        {1, 31, 10, 500, 500},      /* small */
        {5000, 127, 20, 64, 500},   /* leaves of 51 rows took 2 MiB */
        {25000, 2, 20, 64, 64},     /* all that are compared */
        {5000, 127, 1500, 64, 500}, /* rows of 2.3 MB beside nodes of 10 */
        {100, 31, 10000, 8, 8},     /* 2 MiB of rows */
        {1, 31, 1 << 20, 1, 1},     /* nothing but features */
    };
    espalier_forest_tree *const trees = calloc(25000, sizeof *trees);
    assert_non_null(trees);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t width = 1;
        for (uint32_t k = 0; k < cases[i].trees; k++) {
            trees[k] = (espalier_forest_tree){.node_count = 2 * cases[i].leaves - 1,
                                              .leaf_count = cases[i].leaves,
                                              .depth = cases[i].leaves / 10 + 1};
        }
        const espalier_forest forest = {.input = ESPALIER_FOREST_INPUT_FLOAT64,
                                        .trees = trees,
                                        .tree_count = cases[i].trees,
                                        .node_count =
                                            cases[i].trees * (2 * (uint64_t)cases[i].leaves - 1),
                                        .leaf_width = 1,
                                        .slot_count = 1,
                                        .group_count = 1,
                                        .group_width = &width,
                                        .feature_count = cases[i].features};
        assert_in_range(espalier_golden_call_rows(&forest), cases[i].least, cases[i].most);
    }
    free(trees);
}

/* The proof's calls go by the kernels of blocks, at every level: shallow, wide and deep trees, of
 * which so many rows are compared that blocks would begin with more by themselves. */
static void test_calls_go_by_blocks(void **state)
{
    (void)state;
    static const synthetic_options forests[] = {
        {.seed = 81, .tree_count = 1500, .feature_count = 9, .decision_count_max = 126},
        {.seed = 82,
         .tree_count = 90,
         .feature_count = 9,
         .decision_count_max = 1000,
         .trainer = SYNTHETIC_LIGHTGBM,
         .shape = SYNTHETIC_CHAIN},
        {.seed = 83,
         .tree_count = 1500,
         .feature_count = 9,
         .decision_count_max = 254,
         .depth_max = 8,
         .cut_count = 200,
         .trainer = SYNTHETIC_LIGHTGBM},
    };
    for (size_t i = 0; i < sizeof forests / sizeof *forests; i++) {
        fixture f;
        synthetic_options options = forests[i];
        options.group_count = 1;
        make_fixture_in(&f, &options, i < 2 ? ESPALIER_LAYOUT_WALK : ESPALIER_LAYOUT_ANY);
        espalier_model *model = NULL;
        assert_int_equal(write_and_open(&f, false, &model), ESPALIER_OK);
        for (uint32_t isa = ESPALIER_ISA_SCALAR; isa < ESPALIER_ISA_COUNT; isa++) {
            espalier_predictor_options how = ESPALIER_PREDICTOR_OPTIONS_INIT;
            espalier_predictor *predictor = NULL;
            espalier_golden_options(&f.forest, &how);
            how.isa = isa;
            if (espalier_isa_supported((espalier_isa)isa)) {
                assert_int_equal(espalier_predictor_create(model, &how, &predictor), ESPALIER_OK);
                assert_true(predictor->room_rows > 1);
                assert_in_range(predictor->least_rows, 2, espalier_golden_call_rows(&f.forest));
                espalier_predictor_destroy(predictor);
            }
        }
        espalier_model_close(model);
        free_fixture(&f);
    }
    (void)unlink(MODEL_PATH);
}

/* Thresholds that are float32: rows on them are the same in float32, rows beside them are not, and
 * the reference is asked about these alone. So many trees that a call's rows are several runs. */
static void test_rows_that_float32_changes(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 91,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 700,
                                       .feature_count = 1,
                                       .decision_count_max = 7,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    fixture f;
    memset(&f, 0, sizeof f);
    synthetic_forest_make(&options, &f.forest);
    for (uint64_t i = 0; i < f.forest.node_count; i++) {
        f.forest.threshold[i] = (double)(float)f.forest.threshold[i];
    }
    assert_int_equal(espalier_flatten_to(&f.forest, ESPALIER_LAYOUT_WALK, "synthetic", &f.flat,
                                         &f.error),
                     ESPALIER_OK);
    assert_int_equal(espalier_golden_init(&f.golden, &f.forest, &f.error), ESPALIER_OK);
    assert_int_equal(espalier_golden_section(&f.golden, &f.golden_section, &f.error), ESPALIER_OK);
    uint32_t changed = 0;
    assert_int_equal(espalier_golden_call_rows(&f.forest), 500);
    for (uint32_t row = 0; row < 500; row++) {
        double value = 0.0;
        espalier_golden_row(&f.golden, row, &value);
        changed += !((double)(float)value == value);
    }
    assert_in_range(changed, 100, 400);
    expect_proof(&f, "rows that float32 changes");
    free_fixture(&f);
}

static void test_rows_are_telling(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &options_list[3]);
    const uint32_t row_count = espalier_golden_compared_count(&f.forest);
    assert_in_range(row_count, 1000, 4096);
    const uint32_t features = f.forest.feature_count;
    double *const row = calloc(features, sizeof *row);
    double *const again = calloc(features, sizeof *again);
    uint64_t exact = 0;
    uint64_t missing = 0;
    uint64_t infinite = 0;
    for (uint32_t i = 0; i < row_count; i++) {
        espalier_golden_row(&f.golden, i, row);
        for (uint32_t j = 0; j < features; j++) {
            missing += isnan(row[j]) != 0;
            infinite += isinf((float)row[j]) != 0;
        }
        for (uint64_t node = 0; node < f.forest.node_count; node++) {
            exact += f.forest.left[node] != ESPALIER_FOREST_LEAF &&
                     row[f.forest.feature[node]] == f.forest.threshold[node];
        }
    }
    assert_true(exact > row_count); /* a row in eight has all its features on thresholds */
    assert_true(missing > row_count / 8);
    assert_true(infinite > row_count / 16);
    /* A row depends on its number alone. */
    espalier_golden_row(&f.golden, 5, row);
    espalier_golden_row(&f.golden, 900, again);
    espalier_golden_row(&f.golden, 5, again);
    assert_memory_equal(row, again, features * sizeof *row);
    free(row);
    free(again);
    free_fixture(&f);
}

static void test_section_holds_reference_results(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &options_list[4]);
    const uint8_t *at = f.golden_section.data;
    espalier_file_golden head;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    const uint32_t slots = espalier_reference_slot_count(&f.forest);
    assert_int_equal(head.feature_count, 4);
    assert_int_equal(head.slot_count, slots);
    assert_int_equal(head.tree_count, 1);
    assert_in_range(head.row_count, 4, 64);
    assert_int_equal(f.golden_section.bytes, sizeof head + head.row_count * ((4 + slots) * 8 + 4));
    assert_true(f.golden_section.bytes <= 256 << 10);
    double *const expected = calloc(slots, sizeof *expected);
    for (uint32_t i = 0; i < head.row_count; i++) {
        double row[4];
        float cast[4];
        uint32_t leaf = 0;
        memcpy(row, at + i * sizeof row, sizeof row);
        for (size_t j = 0; j < 4; j++) {
            cast[j] = (float)row[j];
        }
        espalier_reference_evaluate(&f.forest, cast, 1, expected, &leaf);
        const uint8_t *const stored = at + head.row_count * sizeof row;
        assert_memory_equal(stored + i * slots * 8, expected, slots * 8);
        assert_memory_equal(stored + head.row_count * slots * 8 + i * 4, &leaf, 4);
    }
    free(expected);
    free_fixture(&f);
}

/* Wide models store fewer rows, huge ones none. */
static void test_stored_rows_are_bounded(void **state)
{
    (void)state;
    espalier_forest forest = {.tree_count = 1, .leaf_width = 1};
    const uint32_t cases[][2] = {
        {10, 16}, {1 << 12, 7}, {(1 << 15) - 1, 3}, {1 << 16, 1}, {1 << 24, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        forest.feature_count = cases[i][0];
        const uint32_t stored = espalier_golden_stored_count(&forest);
        assert_int_equal(stored, cases[i][1]);
    }
    /* A forest whose nodes take four times as much. */
    forest.feature_count = 10;
    forest.node_count = 100000;
    assert_int_equal(espalier_golden_stored_count(&forest), 64);
}

/* A converter that gets one thing wrong: verify, or the comparison alone, must see it. */
static void expect_refusal(fixture *f)
{
    espalier_model *model = NULL;
    const espalier_status opened = write_and_open(f, true, &model);
    assert_true(opened == ESPALIER_ERROR_GOLDEN || opened == ESPALIER_OK);
    if (opened == ESPALIER_OK) {
        espalier_model_close(model);
    }
    assert_int_equal(write_and_open(f, false, &model), ESPALIER_OK);
    assert_int_equal(espalier_golden_compare(&f->golden, model, "x", NULL, NULL, &f->error),
                     ESPALIER_ERROR_PROOF);
    assert_non_null(strstr(f->error.message, "x: golden row"));
    espalier_model_close(model);
    (void)unlink(MODEL_PATH);
}

static void test_a_wrong_leaf_is_found(void **state)
{
    (void)state;
    for (size_t i = 1; i < 5; i++) {
        fixture f;
        make_fixture(&f, &options_list[i]);
        /* The last bit of the row that most leaves share, or of all rows where none is shared. */
        uint64_t *const bits = f.flat.leaves.data;
        for (uint64_t j = 0; j < f.flat.leaves.bytes / sizeof *bits; j++) {
            bits[j] ^= UINT64_C(1) << 20;
        }
        expect_refusal(&f);
        free_fixture(&f);
    }
}

static void test_a_wrong_threshold_is_found(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &options_list[2]);
    /* One float32 too high at the root of the first tree. */
    espalier_file_node *const nodes = f.flat.nodes.data;
    assert_true(nodes[0].word >> f.flat.parts[0].child_bits != 0);
    nodes[0].threshold += 1;
    espalier_model *model = NULL;
    assert_int_equal(write_and_open(&f, false, &model), ESPALIER_OK);
    assert_int_equal(espalier_golden_compare(&f.golden, model, "x", NULL, NULL, &f.error),
                     ESPALIER_ERROR_PROOF);
    espalier_model_close(model);
    free_fixture(&f);
    (void)unlink(MODEL_PATH);
}

static void test_wrong_node_numbers_are_found(void **state)
{
    (void)state;
    fixture f;
    make_fixture(&f, &options_list[3]);
    /* Two leaves of the first tree change their numbers; nothing else shows it. */
    assert_int_equal(f.flat.model.number_bytes, 2);
    uint16_t *const numbers = f.flat.node_numbers.data;
    const espalier_file_node *const nodes = f.flat.nodes.data;
    const uint32_t mask = (UINT32_C(1) << f.flat.parts[0].child_bits) - 1;
    const espalier_file_tree *const trees = f.flat.trees.data;
    uint32_t last = 0;
    for (uint32_t i = 2; i <= trees[0].source_node_count; i++) {
        if ((nodes[i].word & mask) == i && last != 0) {
            const uint16_t number = numbers[i];
            numbers[i] = numbers[last];
            numbers[last] = number;
        }
        last = (nodes[i].word & mask) == i ? i : last;
    }
    expect_refusal(&f);
    free_fixture(&f);
}

static void test_a_model_of_another_forest_is_refused(void **state)
{
    (void)state;
    fixture f;
    fixture other;
    make_fixture(&f, &options_list[2]);
    make_fixture(&other, &options_list[3]);
    espalier_model *model = NULL;
    assert_int_equal(write_and_open(&f, true, &model), ESPALIER_OK);
    assert_int_equal(espalier_golden_compare(&other.golden, model, "x", NULL, NULL, &other.error),
                     ESPALIER_ERROR_PROOF);
    assert_non_null(strstr(other.error.message, "output kind 2"));
    espalier_model_close(model);
    free_fixture(&f);
    free_fixture(&other);
    (void)unlink(MODEL_PATH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_models_reproduce_their_forests),
        cmocka_unit_test(test_every_layout_reproduces_its_forest),
        cmocka_unit_test(test_every_missing_rule_in_float32),
        cmocka_unit_test(test_more_cuts_than_two_bytes_count),
        cmocka_unit_test(test_wrong_masks_are_found),
        cmocka_unit_test(test_many_sums_take_few_rows),
        cmocka_unit_test(test_many_trees_take_few_rows),
        cmocka_unit_test(test_rows_of_a_call),
        cmocka_unit_test(test_calls_go_by_blocks),
        cmocka_unit_test(test_rows_that_float32_changes),
        cmocka_unit_test(test_rows_are_telling),
        cmocka_unit_test(test_section_holds_reference_results),
        cmocka_unit_test(test_stored_rows_are_bounded),
        cmocka_unit_test(test_a_wrong_leaf_is_found),
        cmocka_unit_test(test_a_wrong_threshold_is_found),
        cmocka_unit_test(test_wrong_node_numbers_are_found),
        cmocka_unit_test(test_a_model_of_another_forest_is_refused),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
