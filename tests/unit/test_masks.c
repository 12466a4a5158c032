// SPDX-License-Identifier: Apache-2.0
/*
 * Mask models made by hand from docs/format.md, byte by byte: what they answer, how they are
 * decoded, and the limits that no synthetic forest reaches. Rules F-058, F-129, F-137, F-225,
 * F-254, F-255, F-421.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier_inspect.h"
#include "format/layout.h"
#include "format/rules.h"
#include "format/word.h"
#include "format/writer.h"
#include "tests/support/own_folder.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PATH        "test_masks.espalier"
#define TREES_MAX   2u
#define COLUMNS_MAX 300u
#define CUT_ITEMS   ESPALIER_CUT_BLOCK

/* One part; HEAP trees have 32 positions of 2 bytes, SELECT trees 8 of 8 bytes: 64 bytes each. */
typedef struct mask_model {
    espalier_file_model head;
    espalier_file_step steps[2];
    espalier_file_part part;
    espalier_file_column columns[COLUMNS_MAX];
    uint32_t column_count;
    espalier_file_tree trees[TREES_MAX];
    uint8_t nodes[TREES_MAX][64];
    uint32_t node_trees; /* of these, in the file; 0: one a tree */
    float leaves[TREES_MAX * 256 + 256];
    float cuts[2][CUT_ITEMS]; /* column i uses list i % 2 */
    uint8_t numbers[TREES_MAX * 256];
    uint32_t number_count;
    espalier_file_output outputs[2];
} mask_model;

/* Two features with the cuts {1, 2} and {5}, columns of bank BYTE, float32 sums. */
static void mask_init(mask_model *m, uint32_t layout, uint32_t tree_count)
{
    memset(m, 0, sizeof *m);
    m->head =
        (espalier_file_model){.feature_count = 2,
                              .slot_count = 1,
                              .input_rule = ESPALIER_INPUT_KNOWN & ~ESPALIER_INPUT_MISSING_NUMBER,
                              .default_output = ESPALIER_OUTPUT_MARGIN,
                              .group_count = 1,
                              .number_bytes = 1};
    m->part = (espalier_file_part){.layout = layout,
                                   .node_bytes = layout == ESPALIER_FILE_HEAP ? 2 : 8,
                                   .accumulator = ESPALIER_ACCUMULATOR_FLOAT32,
                                   .aggregate = ESPALIER_AGGREGATE_SUM,
                                   .leaf_width = 1,
                                   .slot_count = 1,
                                   .tree_count = tree_count,
                                   .leaf_count = TREES_MAX * 256 + 256,
                                   .iteration_count = tree_count,
                                   .default_iteration_count = tree_count,
                                   .bank = ESPALIER_BANK_BYTE};
    for (uint32_t list = 0; list < 2; list++) {
        for (uint32_t i = 0; i < CUT_ITEMS; i++) {
            m->cuts[list][i] = INFINITY;
        }
    }
    m->cuts[0][0] = 1.0f;
    m->cuts[0][1] = 2.0f;
    m->cuts[1][0] = 5.0f;
    m->column_count = 2;
    for (uint32_t i = 0; i < COLUMNS_MAX; i++) {
        m->columns[i] = (espalier_file_column){.kind = ESPALIER_COLUMN_CODE,
                                               .feature = i % 2,
                                               .bank = ESPALIER_BANK_BYTE,
                                               .first_cut = i % 2 * sizeof m->cuts[0],
                                               .cut_count = i % 2 == 0 ? 2 : 1};
    }
    for (uint32_t i = 0; i < TREES_MAX * 256; i++) {
        m->numbers[i] = (uint8_t)i;
        m->leaves[i] = (float)(i % 256 + 1) * (i < 256 ? 1.0f : 1000.0f);
    }
    m->outputs[0] = (espalier_file_output){.kind = ESPALIER_OUTPUT_MARGIN,
                                           .dtype = ESPALIER_DTYPE_FLOAT32,
                                           .slot_count = 1};
    m->outputs[1] =
        (espalier_file_output){.kind = ESPALIER_OUTPUT_LEAF, .dtype = ESPALIER_DTYPE_INT64};
}

/* Appends a tree whose leaves begin at row 256 x its number. */
static espalier_file_tree *mask_tree(mask_model *m, uint32_t index, uint32_t depth,
                                     uint32_t leaf_count, uint32_t source_leaves)
{
    const bool heap = m->part.layout == ESPALIER_FILE_HEAP;
    m->trees[index] = (espalier_file_tree){.first_node = (uint64_t)index * (heap ? 32 : 8),
                                           .node_count = heap ? 32 : 8,
                                           .source_node_count = 2 * source_leaves - 1,
                                           .depth = depth,
                                           .number = index,
                                           .iteration = index,
                                           .first_leaf = index * 256,
                                           .leaf_count = leaf_count};
    m->head.visits_per_row += depth;
    m->head.node_count += m->trees[index].source_node_count;
    m->number_count += leaf_count;
    return &m->trees[index];
}

static void heap_node(mask_model *m, uint32_t tree, uint32_t h, uint8_t column, uint8_t threshold)
{
    m->nodes[tree][h] = column;
    m->nodes[tree][32 + h] = threshold;
}

static espalier_status mask_open(mask_model *m, uint64_t flags, espalier_model **model_out,
                                 espalier_error *error)
{
    m->steps[0] = (espalier_file_step){ESPALIER_STEP_COLUMNS, 0, m->column_count, 0};
    m->steps[1] = (espalier_file_step){ESPALIER_STEP_TREES, 0, 1, 0};
    const espalier_writer_section sections[] = {
        {ESPALIER_SECTION_MODEL, 1, &m->head, sizeof m->head},
        {ESPALIER_SECTION_STEPS, 1, m->steps, sizeof m->steps},
        {ESPALIER_SECTION_PARTS, 1, &m->part, sizeof m->part},
        {ESPALIER_SECTION_OUTPUTS, 1, m->outputs, sizeof m->outputs},
        {ESPALIER_SECTION_COLUMNS, 1, m->columns, m->column_count * sizeof *m->columns},
        {ESPALIER_SECTION_TREES, 1, m->trees, m->part.tree_count * sizeof *m->trees},
        {ESPALIER_SECTION_NODES, 1, m->nodes,
         (m->node_trees != 0 ? m->node_trees : m->part.tree_count) * sizeof *m->nodes},
        {ESPALIER_SECTION_LEAVES, 1, m->leaves, sizeof m->leaves},
        {ESPALIER_SECTION_CUTS, 1, m->cuts, sizeof m->cuts},
        {ESPALIER_SECTION_NODE_NUMBERS, 1, m->numbers, m->number_count},
        {ESPALIER_SECTION_METADATA, 0, "{}", 2},
    };
    char *temporary = NULL;
    uint64_t bytes = 0;
    assert_int_equal(espalier_writer_write(PATH, sections, sizeof sections / sizeof sections[0],
                                           &temporary, &bytes, error),
                     ESPALIER_OK);
    const espalier_open_options options = {sizeof options, flags, 0, {0}};
    const espalier_status status = espalier_model_open(temporary, &options, model_out, error);
    espalier_writer_discard(temporary);
    free(temporary);
    return status;
}

static espalier_model *mask_model_of(mask_model *m)
{
    espalier_model *model = NULL;
    espalier_error error;
    if (mask_open(m, ESPALIER_OPEN_VERIFY, &model, &error) != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    return model;
}

/* The margin of one row, and of the same row in a block of 70. */
static float margin_of(const espalier_model *model, float a, float b)
{
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    float rows_of[70][2];
    float margins[70];
    for (size_t i = 0; i < 70; i++) {
        rows_of[i][0] = a;
        rows_of[i][1] = b;
    }
    for (size_t count = 70; count > 0; count = count == 70 ? 1 : 0) {
        const espalier_rows rows = espalier_rows_float32(rows_of[0], count, 2);
        espalier_outputs outputs = {.data = margins, .data_bytes = sizeof margins};
        assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_MARGIN, &rows, &outputs),
                         ESPALIER_OK);
        for (size_t i = 0; i < count; i++) {
            assert_true(margins[i] == margins[0]);
        }
        float columns[2 * 70];
        for (size_t i = 0; i < count; i++) {
            columns[i] = a;
            columns[count + i] = b;
        }
        const float first = margins[0];
        espalier_rows by_column = espalier_rows_float32(columns, count, 2);
        by_column.row_stride = 1;
        by_column.feature_stride = (ptrdiff_t)count;
        assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_MARGIN, &by_column, &outputs),
                         ESPALIER_OK);
        for (size_t i = 0; i < count; i++) {
            assert_true(margins[i] == first);
        }
    }
    espalier_predictor_destroy(predictor);
    return margins[0];
}

/*
 * Tree 0:  a <= 1 ? leaf 0 : (b <= 5 ? leaf 2 : leaf 3), the left side a filler.
 * Tree 1:  a single leaf.
 */
static void make_heap(mask_model *m)
{
    mask_init(m, ESPALIER_FILE_HEAP, 2);
    (void)mask_tree(m, 0, 2, 4, 3);
    heap_node(m, 0, 1, 0, 0);
    heap_node(m, 0, 2, 0, 255);
    heap_node(m, 0, 3, 1, 0);
    m->leaves[1] = m->leaves[0];
    m->numbers[1] = m->numbers[0];
    (void)mask_tree(m, 1, 1, 2, 1);
    heap_node(m, 1, 1, 0, 255);
    m->leaves[257] = m->leaves[256];
    m->numbers[4] = m->numbers[5] = 7;
}

static void test_heap_by_hand(void **state)
{
    (void)state;
    mask_model m;
    make_heap(&m);
    espalier_model *const model = mask_model_of(&m);
    assert_true(margin_of(model, 1.0f, 9.0f) == 1.0f + 1000.0f);
    assert_true(margin_of(model, 1.5f, 5.0f) == 3.0f + 1000.0f);
    assert_true(margin_of(model, nextafterf(1.0f, 2.0f), nextafterf(5.0f, 6.0f)) == 4.0f + 1000.0f);
    assert_true(margin_of(model, NAN, NAN) == 4.0f + 1000.0f);
    assert_true(margin_of(model, -INFINITY, 0.0f) == 1.0f + 1000.0f);
    assert_true(margin_of(model, INFINITY, -INFINITY) == 3.0f + 1000.0f);
    espalier_tree_info tree;
    assert_int_equal(espalier_model_tree(model, 0, &tree), ESPALIER_OK);
    assert_int_equal(tree.position_count, 7);
    espalier_node node;
    assert_int_equal(espalier_model_node(model, 0, 0, &node), ESPALIER_OK);
    assert_int_equal(node.feature, 0);
    assert_true(node.threshold == 1.0);
    assert_int_equal(node.left, 1);
    assert_int_equal(node.right, 2);
    assert_int_equal(espalier_model_node(model, 0, 1, &node), ESPALIER_OK); /* a filler is a leaf */
    assert_int_equal(node.feature, ESPALIER_FEATURE_NONE);
    assert_int_equal(node.leaf_index, 0);
    assert_int_equal(espalier_model_node(model, 0, 2, &node), ESPALIER_OK);
    assert_int_equal(node.feature, 1);
    assert_true(node.threshold == 5.0);
    assert_int_equal(espalier_model_node(model, 0, node.right, &node), ESPALIER_OK);
    assert_int_equal(node.leaf_index, 3);
    assert_int_equal(espalier_model_node(model, 1, 0, &node), ESPALIER_OK);
    assert_int_equal(node.feature, ESPALIER_FEATURE_NONE);
    assert_int_equal(node.leaf_index, 256);
    double value = 0.0;
    assert_int_equal(espalier_model_leaf(model, 0, 256, &value, 1), ESPALIER_OK);
    assert_true(value == 1000.0);
    assert_int_equal(espalier_model_node(model, 0, 7, &node), ESPALIER_ERROR_ARGUMENT);
    espalier_model_close(model);
}

/*
 * Places of 4 leaves: inner nodes 253 to 255, leaves from 256.
 * a <= 2 ? (b <= 5 ? leaf 0 : (a <= 1 ? leaf 1 : leaf 2)) : leaf 3.
 */
static void make_select(mask_model *m)
{
    mask_init(m, ESPALIER_FILE_SELECT, 1);
    (void)mask_tree(m, 0, 3, 4, 4);
    const espalier_file_node_select nodes[3] = {{0, 1, 254 - 254, 259 - 254},
                                                {1, 0, 256 - 255, 255 - 255},
                                                {0, 0, 257 - 256, 258 - 256}};
    memcpy(m->nodes[0], nodes, sizeof nodes);
}

static void test_select_by_hand(void **state)
{
    (void)state;
    mask_model m;
    make_select(&m);
    espalier_model *const model = mask_model_of(&m);
    assert_true(margin_of(model, 2.0f, 5.0f) == 1.0f);
    assert_true(margin_of(model, 1.0f, 6.0f) == 2.0f);
    assert_true(margin_of(model, 2.0f, 6.0f) == 3.0f);
    assert_true(margin_of(model, 2.5f, 5.0f) == 4.0f);
    assert_true(margin_of(model, NAN, 5.0f) == 4.0f);
    espalier_node node;
    assert_int_equal(espalier_model_node(model, 0, 0, &node), ESPALIER_OK);
    assert_true(node.threshold == 2.0);
    assert_int_equal(node.left, 1);
    assert_int_equal(node.right, 6);
    assert_int_equal(espalier_model_node(model, 0, 6, &node), ESPALIER_OK);
    assert_int_equal(node.leaf_index, 3);
    espalier_part_info part = ESPALIER_PART_INFO_INIT;
    assert_int_equal(espalier_model_part(model, 0, &part), ESPALIER_OK);
    assert_int_equal(part.layout, ESPALIER_LAYOUT_SELECT);
    assert_int_equal(part.code_bytes, 1);
    assert_int_equal(part.sum_dtype, ESPALIER_DTYPE_FLOAT32);
    assert_int_equal(part.depth_max, 3);
    assert_int_equal(part.node_section_bytes, 64);
    espalier_model_close(model);
}

/* A tree of one leaf: no inner node, and yet eight positions. */
static void test_select_of_one_leaf(void **state)
{
    (void)state;
    mask_model m;
    mask_init(&m, ESPALIER_FILE_SELECT, 1);
    (void)mask_tree(&m, 0, 0, 1, 1);
    espalier_model *const model = mask_model_of(&m);
    assert_true(margin_of(model, 2.0f, 5.0f) == 1.0f);
    espalier_node node;
    assert_int_equal(espalier_model_node(model, 0, 0, &node), ESPALIER_OK);
    assert_int_equal(node.feature, ESPALIER_FEATURE_NONE);
    espalier_model_close(model);
}

/* A number that is read as NaN, before what is tiny is flushed; -0 is 0. */
static void test_missing_number(void **state)
{
    (void)state;
    static const float numbers[] = {-999.0f, 1e-36f, 0.0f, INFINITY};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        mask_model m;
        make_heap(&m);
        m.head.input_rule |= ESPALIER_INPUT_MISSING_NUMBER;
        m.head.missing_number = (double)numbers[i];
        m.columns[0].missing = numbers[i] > 1.0f ? ESPALIER_MISSING_LEFT : ESPALIER_MISSING_RIGHT;
        m.cuts[0][0] = 1.0f;
        espalier_model *const model = mask_model_of(&m);
        const float right = 4.0f + 1000.0f, left = 1.0f + 1000.0f;
        assert_true(margin_of(model, NAN, 9.0f) == (numbers[i] > 1.0f ? left : right));
        assert_true(margin_of(model, numbers[i], 9.0f) == margin_of(model, NAN, 9.0f));
        assert_true(margin_of(model, -1.0f, 9.0f) == left);
        assert_true(margin_of(model, -0.0f, 9.0f) == (numbers[i] == 0.0f ? right : left));
        assert_true(margin_of(model, nextafterf(numbers[i], 0.5f), 9.0f) ==
                    (numbers[i] > 1.0f ? right : left));
        espalier_model_close(model);
    }
}

/* Each missing rule, with NaN, zero and what is nearly zero. Cut 0 of feature 0 becomes -1. */
static void test_missing_rules(void **state)
{
    (void)state;
    static const struct {
        uint32_t missing;
        bool nan_right, tiny_right;
    } rules[] = {
        {ESPALIER_MISSING_RIGHT, true, true},       {ESPALIER_MISSING_LEFT, false, true},
        {ESPALIER_MISSING_AS_ZERO, true, true},     {ESPALIER_MISSING_ZERO_RIGHT, true, true},
        {ESPALIER_MISSING_ZERO_LEFT, false, false},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        for (uint32_t flush = 0; flush < 2; flush++) {
            mask_model m;
            make_heap(&m);
            m.columns[0].missing = rules[i].missing;
            m.cuts[0][0] = -1.0f;
            if (flush == 0) {
                m.head.input_rule &= ~ESPALIER_INPUT_FLUSH_TINY;
            }
            espalier_model *const model = mask_model_of(&m);
            const float right = 4.0f + 1000.0f, left = 1.0f + 1000.0f;
            assert_true(margin_of(model, NAN, 9.0f) == (rules[i].nan_right ? right : left));
            assert_true(margin_of(model, 0.0f, 9.0f) == (rules[i].tiny_right ? right : left));
            assert_true(margin_of(model, -1e-35f, 9.0f) == (rules[i].tiny_right ? right : left));
            assert_true(margin_of(model, 2e-35f, 9.0f) == right);
            assert_true(margin_of(model, -2.0f, 9.0f) == left);
            espalier_model_close(model);
            /* Between 0 and what is flushed to it: only flushing tells them apart. */
            m.cuts[0][0] = 0.0f;
            espalier_model *const fine = mask_model_of(&m);
            const bool zero_rule = rules[i].missing >= ESPALIER_MISSING_ZERO_RIGHT;
            const float want =
                zero_rule ? (rules[i].tiny_right ? right : left) : (flush != 0 ? left : right);
            assert_true(margin_of(fine, 1e-36f, 9.0f) == want);
            espalier_model_close(fine);
        }
    }
}

/* F-129: a byte names 256 columns. */
static void test_many_byte_columns(void **state)
{
    (void)state;
    mask_model m;
    make_heap(&m);
    espalier_model *model = NULL;
    espalier_error error;
    m.column_count = 256;
    assert_int_equal(mask_open(&m, ESPALIER_OPEN_VERIFY, &model, &error), ESPALIER_OK);
    assert_true(margin_of(model, 1.0f, 9.0f) == 1.0f + 1000.0f);
    espalier_model_close(model);
    m.column_count = 257;
    assert_int_equal(mask_open(&m, 0, &model, &error), ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, RULE_COLUMN_LIMIT);
    assert_non_null(strstr(error.message, "257 columns"));
}

/* F-058: three inner nodes may be walked whatever the depth says. */
static void test_select_work_is_bounded(void **state)
{
    (void)state;
    mask_model m;
    espalier_error error;
    espalier_model *model = NULL;
    make_select(&m);
    m.trees[0].leaf_count = 256;
    m.trees[0].source_node_count = 511;
    m.head.node_count = 511;
    m.trees[0].depth = 1;
    m.head.visits_per_row = 1;
    /* Only sizes matter: the nodes are not looked at. 255 positions need 2,048 bytes. */
    m.trees[0].node_count = 256;
    m.number_count = 256;
    m.steps[0] = (espalier_file_step){ESPALIER_STEP_COLUMNS, 0, m.column_count, 0};
    m.steps[1] = (espalier_file_step){ESPALIER_STEP_TREES, 0, 1, 0};
    static const uint8_t nodes[2048];
    const espalier_writer_section sections[] = {
        {ESPALIER_SECTION_MODEL, 1, &m.head, sizeof m.head},
        {ESPALIER_SECTION_STEPS, 1, m.steps, sizeof m.steps},
        {ESPALIER_SECTION_PARTS, 1, &m.part, sizeof m.part},
        {ESPALIER_SECTION_OUTPUTS, 1, m.outputs, sizeof m.outputs},
        {ESPALIER_SECTION_COLUMNS, 1, m.columns, m.column_count * sizeof *m.columns},
        {ESPALIER_SECTION_TREES, 1, m.trees, sizeof *m.trees},
        {ESPALIER_SECTION_NODES, 1, nodes, sizeof nodes},
        {ESPALIER_SECTION_LEAVES, 1, m.leaves, sizeof m.leaves},
        {ESPALIER_SECTION_CUTS, 1, m.cuts, sizeof m.cuts},
        {ESPALIER_SECTION_NODE_NUMBERS, 1, m.numbers, m.number_count},
        {ESPALIER_SECTION_METADATA, 0, "{}", 2},
    };
    char *temporary = NULL;
    uint64_t bytes = 0;
    assert_int_equal(espalier_writer_write(PATH, sections, sizeof sections / sizeof sections[0],
                                           &temporary, &bytes, &error),
                     ESPALIER_OK);
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.visits_per_row_max = 3; /* 64 x 3 + 63 is the most */
    assert_int_equal(espalier_model_open(temporary, &options, &model, &error), ESPALIER_OK);
    espalier_model_close(model);
    options.visits_per_row_max = 2;
    assert_int_equal(espalier_model_open(temporary, &options, &model, &error),
                     ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, RULE_SELECT_LIMIT);
    espalier_writer_discard(temporary);
    free(temporary);
}

/* F-225: two levels of which only one decides. */
static void test_heap_depth(void **state)
{
    (void)state;
    mask_model m;
    mask_init(&m, ESPALIER_FILE_HEAP, 1);
    (void)mask_tree(&m, 0, 2, 4, 2);
    heap_node(&m, 0, 1, 0, 0);
    heap_node(&m, 0, 2, 0, 255);
    heap_node(&m, 0, 3, 0, 255);
    m.leaves[1] = m.leaves[0];
    m.leaves[3] = m.leaves[2];
    m.numbers[1] = m.numbers[0];
    m.numbers[3] = m.numbers[2];
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(mask_open(&m, ESPALIER_OPEN_VERIFY, &model, &error), ESPALIER_ERROR_INDEX);
    assert_int_equal(error.format_rule, RULE_MASK_DEPTH);
}

/*
 * A walk whose columns are features and ranks by turns, which no converter writes: column 1 the
 * rank of a, 2 b, 3 the rank of b, 4 a. The tree: a <= 1 (as a rank) ? (b <= 3 ? leaf 0 : leaf 1)
 * : (b <= 5 (as a rank) ? (a <= 1.5 ? leaf 2 : leaf 3) : leaf 4).
 */
static void test_features_among_ranks(void **state)
{
    (void)state;
    mask_model m;
    mask_init(&m, ESPALIER_FILE_WALK, 1);
    m.part.bank = ESPALIER_BANK_WORD;
    m.part.child_bits = 16;
    m.part.leaf_count = TREES_MAX * 256 + 256; /* more rows than leaves do no harm */
    m.head.number_bytes = 1;
    m.head.visits_per_row = 3;
    m.head.node_count = 9;
    const espalier_file_column columns[5] = {
        {.kind = ESPALIER_COLUMN_LEAF, .bank = ESPALIER_BANK_WORD},
        {ESPALIER_COLUMN_CODE, 0, 0, ESPALIER_BANK_WORD, 0, 2, 0},
        {ESPALIER_COLUMN_FEATURE, 1, 0, ESPALIER_BANK_WORD, 0, 0, 0},
        {ESPALIER_COLUMN_CODE, 1, 0, ESPALIER_BANK_WORD, sizeof m.cuts[0], 1, 0},
        {ESPALIER_COLUMN_FEATURE, 0, ESPALIER_MISSING_LEFT, ESPALIER_BANK_WORD, 0, 0, 0}};
    memcpy(m.columns, columns, sizeof columns);
    m.column_count = 5;
    m.trees[0] = (espalier_file_tree){.node_count = 16, .source_node_count = 9, .depth = 3};
    const struct {
        float threshold;
        uint32_t child, column, leaf;
    } tree[16] = {{0.0f, 2, 1, 0}, {0, 1, 0, 0},  {3.0f, 4, 2, 0}, {0.0f, 6, 3, 0},
                  {0, 4, 0, 0},    {0, 5, 0, 1},  {1.5f, 8, 4, 0}, {0, 7, 0, 4},
                  {0, 8, 0, 2},    {0, 9, 0, 3},  {0, 10, 0, 0},   {0, 11, 0, 0},
                  {0, 12, 0, 0},   {0, 13, 0, 0}, {0, 14, 0, 0},   {0, 15, 0, 0}};
    espalier_file_node nodes[16];
    for (uint32_t i = 0; i < 16; i++) {
        nodes[i].threshold = tree[i].leaf;
        nodes[i].word = tree[i].child | tree[i].column << 16;
        if (tree[i].column != 0) {
            nodes[i].threshold = UINT32_MAX - (columns[tree[i].column].kind == ESPALIER_COLUMN_CODE
                                                   ? (uint32_t)tree[i].threshold
                                                   : espalier_word_of(tree[i].threshold));
        }
        m.numbers[i] = tree[i].column == 0 ? (uint8_t)tree[i].leaf : 0;
    }
    m.number_count = 16;
    static_assert(sizeof nodes == sizeof m.nodes, "two trees of 64 bytes are room for 16 nodes");
    memcpy(m.nodes, nodes, sizeof nodes);
    m.node_trees = 2;
    espalier_model *const model = mask_model_of(&m);
    assert_true(margin_of(model, 1.0f, 3.0f) == 1.0f);
    assert_true(margin_of(model, 0.5f, 3.5f) == 2.0f);
    assert_true(margin_of(model, 1.25f, 5.0f) == 3.0f);
    assert_true(margin_of(model, 2.0f, 4.0f) == 4.0f);
    assert_true(margin_of(model, 2.0f, 6.0f) == 5.0f);
    assert_true(margin_of(model, NAN, 4.0f) == 3.0f); /* right as a rank, left as a feature */
    assert_true(margin_of(model, NAN, NAN) == 5.0f);
    espalier_node node;
    assert_int_equal(espalier_model_node(model, 0, 3, &node), ESPALIER_OK);
    assert_int_equal(node.feature, 1);
    assert_true(node.threshold == 5.0);
    espalier_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_by_hand),           cmocka_unit_test(test_select_by_hand),
        cmocka_unit_test(test_select_of_one_leaf),     cmocka_unit_test(test_missing_rules),
        cmocka_unit_test(test_missing_number),         cmocka_unit_test(test_many_byte_columns),
        cmocka_unit_test(test_select_work_is_bounded), cmocka_unit_test(test_heap_depth),
        cmocka_unit_test(test_features_among_ranks),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
