// SPDX-License-Identifier: Apache-2.0
/*
 * Edges of tables that a reader checks at open, which the files of test_format_rules.c do not come
 * to: tables of another length, plans of several parts, trees at their limits, and lists of cuts
 * beside each other. Of MODEL and OUTPUTS: test_output_edges.c.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "engine/model.h"
#include "espalier.h"
#include "format/rules.h"
#include "tests/unit/test_edges.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One feature of more than 255 cuts: byte codes in segments. */
static const synthetic_options selecting = {.seed = 64,
                                            .trainer = SYNTHETIC_LIGHTGBM,
                                            .tree_count = 60,
                                            .feature_count = 1,
                                            .decision_count_max = 60,
                                            .group_count = 1,
                                            .shape = SYNTHETIC_BEST_FIRST};
static const synthetic_options heap = {.seed = 65,
                                       .trainer = SYNTHETIC_XGBOOST,
                                       .tree_count = 12,
                                       .feature_count = 4,
                                       .decision_count_max = 9,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = 6};
static const synthetic_options three_sums = {.seed = 67,
                                             .trainer = SYNTHETIC_XGBOOST,
                                             .tree_count = 6,
                                             .feature_count = 3,
                                             .decision_count_max = 9,
                                             .group_count = 1,
                                             .class_count = 3};

/* Room for more records at the front of a table; what is there moves back. */
static void insert_records(model_bytes *m, uint32_t type, size_t bytes)
{
    model_bytes_resize(m, type, (int64_t)bytes);
    uint8_t *const data = model_bytes_data(m, type);
    const size_t all = (size_t)model_bytes_section(m, type)->bytes;
    memmove(data + bytes, data, all - bytes);
    memset(data, 0, bytes);
}

/* Resizing by nothing changes nothing that a reader could tell. */
static void test_a_file_laid_out_again(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
    model_bytes_resize(&m, 0, 0);
    model_bytes_expect_opens(&m, ESPALIER_OPEN_VERIFY);
}

/* ---- tables of another length ---- */

static void test_lengths_of_tables(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    model_bytes_resize(&m, ESPALIER_SECTION_MODEL, sizeof(espalier_file_model));
    model_bytes_expect_refused(&m, ESPALIER_ERROR_SECTION, RULE_TABLE_BYTES,
                               "section MODEL is not one record");
    m = make_walk(&classifier);
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS,
                       (int64_t)ESPALIER_LIMIT_STEPS * (int64_t)sizeof(espalier_file_step));
    model_bytes_expect_refused(&m, ESPALIER_ERROR_LIMIT, RULE_LIMITS,
                               "section STEPS has more than");
    m = make_walk(&linked);
    model_bytes_resize(&m, ESPALIER_SECTION_STAGES, 1 - (int64_t)SECTION(&m, STAGES)->bytes);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_SECTION, RULE_TABLE_BYTES,
                               "section STAGES holds no whole records");
    /* Nothing but tables: read in whole, and then there are no nodes. */
    m = make_walk(&classifier);
    model_bytes_cut(&m, ESPALIER_SECTION_NODES);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_SECTION_MISSING, RULE_SECTIONS_NEEDED,
                               "section NODES is missing");
    m = make_walk(&classifier);
    model_bytes_cut(&m, ESPALIER_SECTION_LEAVES);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_SECTION_MISSING, RULE_SECTIONS_NEEDED,
                               "section LEAVES is missing");
}

static void test_too_many_operations(void **state)
{
    (void)state;
    for (uint32_t beyond = 0; beyond < 2; beyond++) {
        model_bytes m =
            model_bytes_convert(ESPALIER_TEST_SOURCE_DIR "/fixtures/pipelines-1.9.1/scaled.joblib");
        const int64_t bytes = (int64_t)SECTION(&m, PREPARATION)->bytes;
        const uint32_t count = ESPALIER_LIMIT_OPERATIONS + beyond;
        const int64_t wanted = (int64_t)sizeof(espalier_file_preparation) +
                               count * (int64_t)sizeof(espalier_file_operation);
        model_bytes_resize(&m, ESPALIER_SECTION_PREPARATION, wanted - bytes);
        espalier_file_preparation *const head = RECORD(&m, PREPARATION, espalier_file_preparation);
        head->operation_count = count;
        head->number_count = 0;
        if (beyond == 0) {
            RECORD(&m, PREPARATION, uint32_t)[sizeof *head / 4] = 0; /* the first is unknown */
            model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PREPARATION_OPERATION,
                                       "PREPARATION[0]: unknown operation");
            continue;
        }
        model_bytes_expect_refused(&m, ESPALIER_ERROR_LIMIT, RULE_PREPARATION_LIMITS,
                                   "too many operations or values");
    }
}

/* A head of fewer bytes than it has. */
static void test_golden_rows_without_a_head(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    espalier_error error;
    model_bytes m = make_walk(&classifier);
    const int64_t bytes = (int64_t)SECTION(&m, GOLDEN)->bytes;
    model_bytes_resize(&m, ESPALIER_SECTION_GOLDEN,
                       (int64_t)sizeof(espalier_file_golden) - 1 - bytes);
    model_bytes_seal(&m);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, &error),
                     ESPALIER_OK);
    assert_int_equal(espalier_model_verify(model, &error), ESPALIER_ERROR_SECTION);
    assert_int_equal(error.format_rule, RULE_GOLDEN_SHAPE);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* Appends so many copies of the last column to a file. */
static void repeat_last_column(model_bytes *m, int64_t more, uint32_t bank)
{
    model_bytes_resize(m, ESPALIER_SECTION_COLUMNS, more * (int64_t)sizeof(espalier_file_column));
    RECORD(m, STEPS, espalier_file_step)->count += (uint32_t)more;
    espalier_file_column *const end =
        (espalier_file_column *)(void *)section_end(m, ESPALIER_SECTION_COLUMNS);
    const espalier_file_column pattern = end[-more - 1];
    for (int64_t i = 1; i <= more; i++) {
        end[-i] = pattern;
        end[-i].segment = 0;
        end[-i].bank = bank;
    }
}

/* As many columns as a SHORT node can name, and one more. */
static void test_too_many_columns_of_shorts(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    repeat_last_column(&m, UINT16_MAX + 1, ESPALIER_BANK_SHORT);
    model_bytes_expect_opens(&m, 0);
    m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    repeat_last_column(&m, UINT16_MAX + 2, ESPALIER_BANK_SHORT);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_LIMIT, RULE_COLUMN_LIMIT,
                               "65537 columns of codes of 2 bytes");
}

/* Nodes of 8 bytes have as many bits for a column as a child leaves them. */
static void test_too_many_columns_of_words(void **state)
{
    (void)state;
    for (int64_t beyond = 0; beyond < 2; beyond++) {
        model_bytes m = make_walk(&linked);
        const espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part);
        assert_true(part->node_bytes == 8 && part->child_bits == 16);
        const int64_t count = (int64_t)(SECTION(&m, COLUMNS)->bytes / sizeof(espalier_file_column));
        repeat_last_column(&m, UINT16_MAX + 1 - count + beyond, ESPALIER_BANK_WORD);
        if (beyond == 0) {
            model_bytes_expect_opens(&m, 0);
            continue;
        }
        model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_COLUMNS,
                                   "columns do not fit the nodes");
    }
}

/* As many cuts as may be are looked for, which this file does not have. */
static void test_most_cuts(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, COLUMNS, espalier_file_column)->cut_count = ESPALIER_LIMIT_CUTS;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_CUTS,
                               "COLUMNS[0]: cuts out of range");
    m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, COLUMNS, espalier_file_column)->cut_count = ESPALIER_LIMIT_CUTS + 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_CUTS,
                               "number of cuts out of range");
}

/* 255 cuts are those of one segment of bytes. */
static void test_last_cut_of_a_segment(void **state)
{
    (void)state;
    for (uint32_t count = 254; count <= 256; count++) {
        model_bytes m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
        espalier_file_column *const columns = RECORD(&m, COLUMNS, espalier_file_column);
        assert_true(columns[1].segment == 1 && columns[2].segment == 0);
        columns[0].cut_count = columns[1].cut_count = count;
        if (count == 256) {
            model_bytes_expect_opens(&m, 0);
            continue;
        }
        model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT,
                                   "COLUMNS[1]: segment out of range");
    }
}

/* What follows the columns is none: here a tree of one node, which is the number of a bank. */
static void test_table_behind_the_columns(void **state)
{
    (void)state;
    const synthetic_options options = {
        .seed = 68, .tree_count = 2, .feature_count = 1, .decision_count_max = 1, .group_count = 1};
    espalier_model *model = NULL;
    model_bytes m = make_walk(&options);
    insert_records(&m, ESPALIER_SECTION_COLUMNS, sizeof(espalier_file_column));
    *RECORD(&m, COLUMNS, espalier_file_column) =
        (espalier_file_column){.kind = ESPALIER_COLUMN_LEAF, .bank = ESPALIER_BANK_WORD};
    const uint32_t count = ++RECORD(&m, STEPS, espalier_file_step)->count;
    model_bytes_seal(&m);
    const espalier_file_tree *const trees = RECORD(&m, TREES, espalier_file_tree);
    assert_ptr_equal(section_end(&m, ESPALIER_SECTION_COLUMNS), trees);
    assert_int_equal(trees[0].source_node_count, ESPALIER_BANK_WORD);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    assert_int_equal(model->banks[ESPALIER_BANK_WORD].count, count);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* ---- the plan ---- */

/* Two parts of one: the second has the trees from `first` on. */
static void split_part(model_bytes *m, uint32_t first)
{
    insert_records(m, ESPALIER_SECTION_PARTS, sizeof(espalier_file_part));
    espalier_file_part *const parts = RECORD(m, PARTS, espalier_file_part);
    parts[0] = parts[1];
    parts[0].tree_count = first;
    parts[1].first_tree = first;
    parts[1].tree_count -= first;
    model_bytes_resize(m, ESPALIER_SECTION_STEPS, sizeof(espalier_file_step));
    espalier_file_step *const end =
        (espalier_file_step *)(void *)section_end(m, ESPALIER_SECTION_STEPS);
    end[-1] = (espalier_file_step){.kind = ESPALIER_STEP_TREES, .first = 1, .count = 1};
}

/* The first words of a set are of a set too. */
static void test_words_of_a_set_behind_a_number(void **state)
{
    (void)state;
    model_bytes m = make_walk(&categories);
    espalier_file_column *column = RECORD(&m, COLUMNS, espalier_file_column);
    while (column[1].kind != ESPALIER_COLUMN_SET) {
        column++;
    }
    column[0] = column[1];
    column[0].kind = ESPALIER_COLUMN_CODE;
    column[1].segment = 1;
    char what[64];
    (void)snprintf(what, sizeof what, "COLUMNS[%u]: the segment before is not in front",
                   (unsigned)(column + 1 - RECORD(&m, COLUMNS, espalier_file_column)));
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_SET_LIST, what);
}

/* A segment stands behind the one before it, which is of the same list, feature and bank. */
static void test_segments_without_the_one_before(void **state)
{
    (void)state;
    enum {
        LIST = 2
    };
    for (unsigned i = 0; i < 7; i++) {
        model_bytes m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
        insert_records(&m, ESPALIER_SECTION_COLUMNS, LIST * sizeof(espalier_file_column));
        espalier_file_column *const columns = RECORD(&m, COLUMNS, espalier_file_column);
        espalier_file_column *const first = &columns[LIST];
        uint32_t segments = LIST + 2; /* the first list that has three */
        while (columns[segments].segment != 2) {
            segments++;
        }
        memmove(first, &columns[segments - 2], 3 * sizeof *first);
        columns[0] =
            (espalier_file_column){.kind = ESPALIER_COLUMN_LEAF, .bank = ESPALIER_BANK_WORD};
        columns[1] = *first;
        columns[1].bank = ESPALIER_BANK_WORD;
        if (i == 0) {
            *first = first[1]; /* behind the same list of another bank */
        }
        first[1].missing ^= i == 1;
        first[0].first_cut += i == 2 ? ESPALIER_ALIGNMENT_MIN : 0;
        first[0].cut_count -= i == 3 ? 1 : 0;
        first[1].segment = i == 4 ? 2 : 1; /* one is left out */
        first[2].segment = i == 5 ? 1 : 2; /* one is there twice */
        if (i == 6) {
            RECORD(&m, MODEL, espalier_file_model)->feature_count = 2;
            first[0].feature = 1;
        }
        const char *const places[] = {"COLUMNS[2]", "COLUMNS[3]", "COLUMNS[3]", "COLUMNS[3]",
                                      "COLUMNS[3]", "COLUMNS[4]", "COLUMNS[3]"};
        char what[64];
        (void)snprintf(what, sizeof what, "%s: the segment before is not in front", places[i]);
        model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, what);
    }
}

static void test_parts_and_stages_without_a_step(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS, -(int64_t)sizeof(espalier_file_step));
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STEP_TREES,
                               "a part or a stage without a step");
    m = make_walk(&counts);
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS, -(int64_t)sizeof(espalier_file_step));
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STEP_STAGES,
                               "a part or a stage without a step");
    /* And the other way round: steps of stages behind the last, and of the part there. */
    m = make_walk(&linked);
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS, sizeof(espalier_file_step));
    espalier_file_step *const steps = RECORD(&m, STEPS, espalier_file_step);
    steps[3] = steps[2];
    steps[2].count = 1;
    steps[3].first = 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STEP_STAGES,
                               "STEPS[3]: steps must go once, in order");
    m = make_walk(&counts);
    RECORD(&m, STEPS, espalier_file_step)
    [2] = (espalier_file_step){.kind = ESPALIER_STEP_TREES, .first = 1, .count = 1};
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STEP_TREES, "through the parts");
}

/* The second part of a plan writes what a stage has written. */
static void test_a_part_writes_what_is_written(void **state)
{
    (void)state;
    model_bytes m = make_walk(&linked);
    espalier_file_step *const steps = RECORD(&m, STEPS, espalier_file_step);
    espalier_file_stage *const stage = RECORD(&m, STAGES, espalier_file_stage);
    const espalier_file_step trees = steps[1];
    assert_int_equal(trees.kind, ESPALIER_STEP_TREES);
    steps[1] = steps[2];
    steps[2] = trees;
    stage->operation = ESPALIER_STAGE_CONSTANTS;
    stage->input_slot = 0;
    RECORD(&m, PARTS, espalier_file_part)->first_slot = stage->output_slot;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                               "PARTS[0]: writes a slot that an earlier step writes");
}

static void test_arithmetic_of_stages(void **state)
{
    (void)state;
    model_bytes m = make_walk(&linked);
    espalier_file_stage *stage = RECORD(&m, STAGES, espalier_file_stage);
    stage->operation = ESPALIER_STAGE_ADD_SLOTS;
    stage->arithmetic = ESPALIER_ARITHMETIC_FLOAT32;
    stage->table = 0; /* the sum, in float64 */
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_ARITHMETIC,
                               "float32 of a slot");
    /* In float32 alone, as XGBoost has it. */
    m = make_walk(&linked);
    stage = RECORD(&m, STAGES, espalier_file_stage);
    stage->operation = ESPALIER_STAGE_EXPECTILES;
    assert_int_equal(stage->arithmetic, ESPALIER_ARITHMETIC_FLOAT64);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_ARITHMETIC,
                               "an arithmetic that the operation");
}

/* The parts, constants and slots behind the last that a stage could name. */
static void test_tables_of_stages(void **state)
{
    (void)state;
    model_bytes m = make_walk(&linked);
    espalier_file_stage *stages = RECORD(&m, STAGES, espalier_file_stage);
    stages[0].operation = ESPALIER_STAGE_DIVIDE_ITERATIONS;
    stages[0].table = 2;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_TABLE,
                               "STAGES[0]: no such part");
    m = make_walk(&linked);
    split_part(&m, 2);
    stages = RECORD(&m, STAGES, espalier_file_stage);
    assert_int_equal(stages[LINKED_SIGMOID].operation, ESPALIER_STAGE_SIGMOID);
    stages[LINKED_SIGMOID].table = 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_TABLE,
                               "STAGES[1]: no such part, or a table");
    m = make_walk(&linked);
    stages = RECORD(&m, STAGES, espalier_file_stage);
    stages[0].operation = ESPALIER_STAGE_PICK;
    stages[0].input_slot = 0;
    RECORD(&m, CONSTANTS, double)
    [stages[0].table] = (double)RECORD(&m, MODEL, espalier_file_model)->slot_count;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_GATHERED,
                               "a constant that numbers no slot");
    m = make_walk(&linked);
    stages = RECORD(&m, STAGES, espalier_file_stage);
    stages[0].operation = ESPALIER_STAGE_PICK;
    stages[0].arithmetic = ESPALIER_ARITHMETIC_FLOAT32;
    stages[0].input_slot = 0;
    RECORD(&m, CONSTANTS, double)[stages[0].table] = 0.0; /* the sum, in float64 */
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_ARITHMETIC,
                               "float32 of a slot");
    m = make_walk(&linked);
    stages = RECORD(&m, STAGES, espalier_file_stage);
    stages[0].operation = ESPALIER_STAGE_PICK;
    stages[0].input_slot = 0;
    stages[0].slot_count = 2;
    const uint32_t table = stages[0].table;
    model_bytes_resize(&m, ESPALIER_SECTION_CONSTANTS, sizeof(double));
    RECORD(&m, CONSTANTS, double)[table] = 0.0;
    RECORD(&m, CONSTANTS, double)[table + 1] = 1.0; /* its own first */
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                               "reads a slot that no earlier step");
    synthetic_options narrow = linked;
    narrow.trainer = SYNTHETIC_XGBOOST;
    m = make_walk(&narrow);
    stages = RECORD(&m, STAGES, espalier_file_stage);
    assert_int_equal(stages[0].arithmetic, ESPALIER_ARITHMETIC_FLOAT32);
    RECORD(&m, CONSTANTS, double)[stages[0].table] = 0.1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_TABLE,
                               "float32 constants that are none");
}

/* Constants that only the second part starts from are used. */
static void test_constants_of_the_second_part(void **state)
{
    (void)state;
    model_bytes m = make_walk(&heap);
    split_part(&m, 2);
    espalier_file_part *const parts = RECORD(&m, PARTS, espalier_file_part);
    assert_int_equal(parts[1].start, ESPALIER_START_CONSTANTS);
    parts[0].start = ESPALIER_START_ZERO;
    parts[0].start_index = 0;
    parts[1].first_slot = RECORD(&m, MODEL, espalier_file_model)->slot_count++;
    model_bytes_expect_opens(&m, 0);
    m = make_walk(&heap);
    espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part);
    part->start = ESPALIER_START_ZERO;
    part->start_index = 0;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_SECTION, RULE_SECTIONS_CONDITIONAL,
                               "section CONSTANTS is there, and nothing uses it");
}

/* Numbers of nodes may have four bytes, which only large trees need. */
static void test_numbers_of_four_bytes(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    const uint64_t count = SECTION(&m, NODE_NUMBERS)->bytes;
    assert_int_equal(RECORD(&m, MODEL, espalier_file_model)->number_bytes, 1);
    model_bytes_resize(&m, ESPALIER_SECTION_NODE_NUMBERS, 3 * (int64_t)count);
    RECORD(&m, MODEL, espalier_file_model)->number_bytes = 4;
    uint8_t *const narrow = RECORD(&m, NODE_NUMBERS, uint8_t);
    uint32_t *const wide = RECORD(&m, NODE_NUMBERS, uint32_t);
    for (uint64_t i = count; i > 0; i--) {
        wide[i - 1] = narrow[i - 1];
    }
    model_bytes_expect_opens(&m, ESPALIER_OPEN_VERIFY);
    for (uint32_t bytes = 3; bytes <= 5; bytes += 2) {
        m = make_walk(&counts);
        RECORD(&m, MODEL, espalier_file_model)->number_bytes = bytes;
        model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_NUMBER_BYTES, "node number size");
    }
}

/* Float32 of two numbers, the second of which a stage before wrote as float64. */
static void test_float32_stage_of_the_first_slot(void **state)
{
    (void)state;
    synthetic_options narrow = linked;
    narrow.trainer = SYNTHETIC_XGBOOST;
    model_bytes m = make_walk(&narrow);
    espalier_file_stage *const stages = RECORD(&m, STAGES, espalier_file_stage);
    espalier_file_stage *const last = &stages[LINKED_TWO_CLASSES];
    stages[LINKED_SIGMOID].arithmetic = ESPALIER_ARITHMETIC_FLOAT64;
    last->operation = ESPALIER_STAGE_SIGMOID;
    last->input_slot = stages[LINKED_SIGMOID].output_slot - 1;
    last->slot_count = 2;
    assert_int_equal(last->arithmetic, ESPALIER_ARITHMETIC_FLOAT32);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_ARITHMETIC,
                               "STAGES[2]: float32 of a slot");
}

/* Mask trees need the trainer's numbers for one output alone. */
static void test_masks_without_numbers(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, MODEL, espalier_file_model)->number_bytes = 0;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_NUMBERS_NEEDED,
                               "MODEL[0]: leaves of mask layouts without the trainer's numbers");
    m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, MODEL, espalier_file_model)->number_bytes = 0;
    assert_int_equal(last_output(&m)->kind, ESPALIER_OUTPUT_LEAF);
    model_bytes_resize(&m, ESPALIER_SECTION_OUTPUTS, -(int64_t)sizeof(espalier_file_output));
    model_bytes_expect_refused(&m, ESPALIER_ERROR_SECTION, RULE_SECTIONS_CONDITIONAL,
                               "section NODE_NUMBERS is there, and nothing uses it");
}

/* ---- parts ---- */

/* How far nodes can reach behind the last tree, in each layout; only walk kernels can do with
 * less. */
static void test_bytes_that_nodes_reach(void **state)
{
    (void)state;
    synthetic_options small = selecting;
    small.decision_count_max = 30;
    const struct {
        const synthetic_options *options;
        uint32_t layout;
        uint32_t stored;
    } kinds[] = {{&classifier, ESPALIER_LAYOUT_WALK, ESPALIER_FILE_WALK},
                 {&heap, ESPALIER_LAYOUT_HEAP, ESPALIER_FILE_HEAP},
                 {&selecting, ESPALIER_LAYOUT_SELECT, ESPALIER_FILE_SELECT},
                 {&small, ESPALIER_LAYOUT_BITS, ESPALIER_FILE_BITS}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        espalier_model *model = NULL;
        model_bytes m = model_bytes_synthetic(kinds[i].options, kinds[i].layout);
        assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL),
                         ESPALIER_OK);
        const espalier_file_part *const part = model->parts;
        const espalier_file_tree *const last = &model->trees[model->tree_count - 1];
        const bool is_walk = kinds[i].stored == ESPALIER_FILE_WALK;
        const uint64_t reach = is_walk ? (UINT64_C(1) << part->child_bits) + 1
                               : kinds[i].stored == ESPALIER_FILE_SELECT ? ESPALIER_SELECT_REACH
                                                                         : last->node_count;
        const uint64_t bytes =
            SECTION(&m, NODES)->offset + part->node_bytes * (last->first_node + reach);
        assert_int_equal(part->layout, kinds[i].stored);
        assert_int_equal(model->readable_bytes, bytes);
        uint32_t depth = 0;
        for (uint32_t t = 0; t < model->tree_count; t++) {
            depth = model->trees[t].depth > depth ? model->trees[t].depth : depth;
        }
        assert_int_equal(model->depth_max, depth);
        assert_int_equal(model->readable_bytes_least, is_walk ? 0 : bytes);
        espalier_model_close(model);
        model_bytes_free(&m);
    }
}

/* Leaves begin at a multiple of 64 bytes, though others would be in range. */
static void test_leaves_of_a_part(void **state)
{
    (void)state;
    model_bytes m = make_walk(&linked);
    espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part);
    part->leaf_offset = 8;
    part->leaf_count = 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_LEAVES,
                               "PARTS[0]: leaf values out of range");
}

/* The largest trees that a part of nodes of 8 bytes, or of heaps, can have. */
static void test_largest_trees(void **state)
{
    (void)state;
    model_bytes m = make_walk(&counts);
    espalier_file_tree *tree = RECORD(&m, TREES, espalier_file_tree);
    RECORD(&m, MODEL, espalier_file_model)->node_count +=
        tree->node_count - tree->source_node_count;
    tree->source_node_count = tree->node_count;
    model_bytes_expect_opens(&m, 0);
    m = make_walk(&counts);
    tree = RECORD(&m, TREES, espalier_file_tree);
    const int64_t more = (1 << 16) - (int64_t)tree->node_count;
    assert_int_equal(RECORD(&m, PARTS, espalier_file_part)->child_bits, 16);
    tree->node_count = 1 << 16;
    model_bytes_resize(&m, ESPALIER_SECTION_NODES, more * (int64_t)sizeof(espalier_file_node));
    model_bytes_expect_opens(&m, 0);
    synthetic_options deep = heap;
    deep.decision_count_max = 120;
    deep.depth_max = ESPALIER_HEAP_LEVELS;
    m = model_bytes_synthetic(&deep, ESPALIER_LAYOUT_HEAP);
    assert_int_equal(RECORD(&m, TREES, espalier_file_tree)->depth, ESPALIER_HEAP_LEVELS);
    model_bytes_expect_opens(&m, ESPALIER_OPEN_VERIFY);
}

/* What a part starts from, every number of it, and which iterations it runs. */
static void test_rules_of_a_part(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < three_sums.class_count; i++) {
        model_bytes m = make_walk(&three_sums);
        const espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part);
        assert_int_equal(part->slot_count, three_sums.class_count);
        RECORD(&m, CONSTANTS, double)[part->start_index + i] = 0.1;
        model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_START,
                                   "PARTS[0]: float32 sums start from a number that is none");
    }
    model_bytes m = make_walk(&linked);
    RECORD(&m, PARTS, espalier_file_part)->range = ESPALIER_RANGE_DEFAULT + 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_RANGE,
                               "PARTS[0]: unknown range");
    m = make_walk(&linked);
    RECORD(&m, PARTS, espalier_file_part)->range = ESPALIER_RANGE_DEFAULT;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_RANGE,
                               "PARTS[0]: no part has the iterations");
}

/* One step deeper than the trainer's nodes allow, and eight positions more than there are. */
static void test_trees_beyond_their_nodes(void **state)
{
    (void)state;
    model_bytes m = make_walk(&counts);
    espalier_file_tree *const tree = RECORD(&m, TREES, espalier_file_tree);
    tree->depth = (tree->source_node_count - 1) / 2;
    RECORD(&m, MODEL, espalier_file_model)->visits_per_row = tree->depth;
    model_bytes deep = model_bytes_copy(&m);
    model_bytes_expect_opens(&m, 0);
    model_bytes other = model_bytes_copy(&deep);
    RECORD(&other, MODEL, espalier_file_model)->visits_per_row++;
    model_bytes_expect_refused(&other, ESPALIER_ERROR_VALUE, RULE_VISITS_SUM,
                               "MODEL[0]: visits per row are not");
    RECORD(&deep, TREES, espalier_file_tree)->depth++;
    model_bytes_expect_refused(&deep, ESPALIER_ERROR_VALUE, RULE_TREE_DEPTH,
                               "TREES[0]: deeper than its nodes allow");
    m = make_walk(&linked);
    RECORD(&m, TREES, espalier_file_tree)[linked.tree_count - 1].node_count += 8;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_TREE_TILES,
                               "TREES[7]: reaches beyond the nodes");
}

/* As many leaf values as the visits allow, and one more; the slots are found fault with later. */
static void test_additions_of_a_row(void **state)
{
    (void)state;
    model_bytes m = make_walk(&counts);
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    const uint32_t visits = (uint32_t)RECORD(&m, MODEL, espalier_file_model)->visits_per_row;
    const uint32_t most = (visits + 1) * ESPALIER_LIMIT_ADDITIONS_PER_VISIT - 1;
    model_bytes_resize(&m, ESPALIER_SECTION_LEAVES, (int64_t)(most + 1) * 8);
    espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part);
    part->leaf_count = 1;
    options.visits_per_row_max = visits;
    for (uint32_t beyond = 0; beyond < 2; beyond++) {
        espalier_model *model = NULL;
        espalier_error error;
        part->leaf_width = part->slot_count = most + beyond;
        RECORD(&m, MODEL, espalier_file_model)->slot_count = most + beyond;
        model_bytes_seal(&m);
        assert_int_not_equal(espalier_model_open_memory(m.data, m.bytes, &options, &model, &error),
                             ESPALIER_OK);
        assert_int_equal(error.format_rule,
                         beyond == 0 ? RULE_SLOTS_WRITTEN : RULE_ADDITIONS_LIMIT);
    }
    model_bytes_free(&m);
}

/* A tree of an iteration behind the last. */
static void test_iteration_of_a_tree(void **state)
{
    (void)state;
    model_bytes m = make_walk(&linked);
    RECORD(&m, TREES, espalier_file_tree)
    [1].iteration = RECORD(&m, PARTS, espalier_file_part)->iteration_count;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_TREE_ITERATION,
                               "TREES[1]: iteration out of range");
}

/* The first tree from 1 on whose nodes begin at a multiple of 24, or do not. */
static uint32_t find_tree(const model_bytes *m, bool at_multiple)
{
    const espalier_file_tree *const trees = RECORD(m, TREES, espalier_file_tree);
    const uint32_t count = (uint32_t)(SECTION(m, TREES)->bytes / sizeof *trees);
    uint32_t i = 1;
    while (i < count && (trees[i].first_node % 3 == 0) != at_multiple) {
        i++;
    }
    assert_true(i + 1 < count);
    return i;
}

static void test_two_parts_write_one_slot(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
    split_part(&m, 2);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
                               "PARTS[1]: writes a slot that an earlier step writes");
}

/* Behind trees of SELECT, which may reach far, one of BITS, whose 192 bytes do not. */
static void make_bits(model_bytes *m, uint32_t first)
{
    split_part(m, first);
    espalier_file_part *const part = &RECORD(m, PARTS, espalier_file_part)[1];
    espalier_file_tree *const tree = &RECORD(m, TREES, espalier_file_tree)[first];
    part->layout = ESPALIER_FILE_BITS;
    part->node_bytes = ESPALIER_BITS_NODE_BYTES;
    part->tree_count = 1;
    tree->first_node = tree->first_node * sizeof(espalier_file_node_select) / part->node_bytes;
    tree->node_count = ESPALIER_BITS_LEAVES;
    tree->leaf_count = 2;
    tree->source_node_count = 3;
    tree->depth = 1;
}

static void test_parts_of_two_layouts(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
    make_bits(&m, find_tree(&m, true));
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_TREES, "trees without a part");
    m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
    const uint32_t between = find_tree(&m, false);
    make_bits(&m, between);
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_TREE_TILES,
                               "does not follow the tree before");
}

static void test_values_of_parts(void **state)
{
    (void)state;
    model_bytes m = make_walk(&three_sums);
    const espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part);
    assert_int_equal(part->start, ESPALIER_START_CONSTANTS);
    assert_true(part->slot_count > 1);
    RECORD(&m, CONSTANTS, double)[part->start_index] = 0.1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_START,
                               "from a number that is none");
    m = make_walk(&three_sums);
    RECORD(&m, CONSTANTS, double)[RECORD(&m, PARTS, espalier_file_part)->start_index] = (double)NAN;
    espalier_model *model = NULL; /* NaN is a float32 as well */
    model_bytes_seal(&m);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    espalier_model_close(model);
    RECORD(&m, PARTS, espalier_file_part)->start = ESPALIER_START_SLOTS;
    RECORD(&m, PARTS, espalier_file_part)->start_index = 0;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_START_SLOTS,
                               "float32 sums start from slots");
    m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, TREES, espalier_file_tree)->source_node_count = 0;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_TREE_SOURCE_NODES,
                               "number of the trainer's nodes");
    m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, PARTS, espalier_file_part)->layout = ESPALIER_FILE_WALK;
    RECORD(&m, PARTS, espalier_file_part)->bank = ESPALIER_BANK_WORD;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_PART_BANK,
                               "a bank that the layout does not have");
}

/* ---- columns ---- */

static espalier_file_column *columns_of_select(model_bytes *m)
{
    *m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
    espalier_file_column *const columns = RECORD(m, COLUMNS, espalier_file_column);
    assert_true(columns[0].cut_count > UINT8_MAX);
    assert_int_equal(columns[0].bank, ESPALIER_BANK_BYTE);
    assert_int_equal(columns[1].segment, 1);
    return columns;
}

/* A segment is the next of just the list that the column before it has. */
static void test_segments_of_other_lists(void **state)
{
    (void)state;
    static const char *const text = "the segment before is not in front of it";
    model_bytes m;
    espalier_file_column *columns = columns_of_select(&m);
    columns[0].segment = 1; /* nothing is before it */
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    columns = columns_of_select(&m);
    columns[0].cut_count = UINT8_MAX + 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    columns = columns_of_select(&m);
    columns[0].cut_count = UINT8_MAX + 1;
    columns[1].cut_count = UINT8_MAX + 1;
    columns[0].first_cut = ESPALIER_ALIGNMENT_MIN;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    columns = columns_of_select(&m);
    columns[1].missing = columns[0].missing == 0 ? ESPALIER_MISSING_LEFT : 0;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    columns = columns_of_select(&m);
    columns[1].segment = 2;
    columns[0].segment = 0;
    columns[1].cut_count = columns[0].cut_count;
    if (columns[0].cut_count > 2 * UINT8_MAX) {
        model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    } else {
        model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT,
                                   "segment out of range");
    }
    /* The same list in another bank. */
    (void)columns_of_select(&m);
    insert_records(&m, ESPALIER_SECTION_COLUMNS, 2 * sizeof *columns);
    columns = RECORD(&m, COLUMNS, espalier_file_column);
    columns[0] = (espalier_file_column){.kind = ESPALIER_COLUMN_LEAF, .bank = ESPALIER_BANK_WORD};
    columns[1] = columns[2];
    columns[1].bank = ESPALIER_BANK_WORD;
    columns[2].segment = 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
}

/* The first column of sets; behind another kind, which is no list of theirs. */
static espalier_file_column *first_set_of(const model_bytes *m)
{
    espalier_file_column *column = RECORD(m, COLUMNS, espalier_file_column);
    while (column->kind != ESPALIER_COLUMN_SET) {
        column++;
    }
    return column;
}

static void test_sets_beside_others(void **state)
{
    (void)state;
    model_bytes m = make_walk(&categories);
    espalier_file_column *set = first_set_of(&m);
    assert_int_not_equal(set[-1].kind, ESPALIER_COLUMN_SET);
    set->segment = 1;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_SET_LIST,
                               "the segment before is not in front of it");
    /* Codes may follow sets, in a bank of their own; here the plan does not know the column. */
    m = make_walk(&categories);
    const espalier_file_column pattern = *first_set_of(&m);
    model_bytes_resize(&m, ESPALIER_SECTION_COLUMNS, sizeof pattern);
    espalier_file_column *const last =
        (espalier_file_column *)(void *)section_end(&m, ESPALIER_SECTION_COLUMNS) - 1;
    *last = pattern;
    last->kind = ESPALIER_COLUMN_CODE;
    last->bank = ESPALIER_BANK_BYTE;
    model_bytes_expect_refused(&m, ESPALIER_ERROR_VALUE, RULE_STEP_COLUMNS,
                               "must compute all columns");
    /* A matrix of sets that no column has. */
    m = make_walk(&categories);
    set = first_set_of(&m);
    const espalier_file_column *const end =
        (const espalier_file_column *)(const void *)section_end(&m, ESPALIER_SECTION_COLUMNS);
    for (; set < end; set++) {
        set->kind = ESPALIER_COLUMN_CODE;
        set->segment = 0;
    }
    model_bytes_expect_refused(&m, ESPALIER_ERROR_SECTION, RULE_SECTIONS_CONDITIONAL,
                               "section SETS is there, and nothing uses it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_laid_out_again),
        cmocka_unit_test(test_lengths_of_tables),
        cmocka_unit_test(test_too_many_operations),
        cmocka_unit_test(test_golden_rows_without_a_head),
        cmocka_unit_test(test_too_many_columns_of_shorts),
        cmocka_unit_test(test_too_many_columns_of_words),
        cmocka_unit_test(test_leaves_of_a_part),
        cmocka_unit_test(test_most_cuts),
        cmocka_unit_test(test_last_cut_of_a_segment),
        cmocka_unit_test(test_table_behind_the_columns),
        cmocka_unit_test(test_words_of_a_set_behind_a_number),
        cmocka_unit_test(test_segments_without_the_one_before),
        cmocka_unit_test(test_parts_and_stages_without_a_step),
        cmocka_unit_test(test_a_part_writes_what_is_written),
        cmocka_unit_test(test_arithmetic_of_stages),
        cmocka_unit_test(test_tables_of_stages),
        cmocka_unit_test(test_bytes_that_nodes_reach),
        cmocka_unit_test(test_trees_beyond_their_nodes),
        cmocka_unit_test(test_rules_of_a_part),
        cmocka_unit_test(test_additions_of_a_row),
        cmocka_unit_test(test_iteration_of_a_tree),
        cmocka_unit_test(test_largest_trees),
        cmocka_unit_test(test_constants_of_the_second_part),
        cmocka_unit_test(test_numbers_of_four_bytes),
        cmocka_unit_test(test_float32_stage_of_the_first_slot),
        cmocka_unit_test(test_masks_without_numbers),
        cmocka_unit_test(test_two_parts_write_one_slot),
        cmocka_unit_test(test_parts_of_two_layouts),
        cmocka_unit_test(test_values_of_parts),
        cmocka_unit_test(test_segments_of_other_lists),
        cmocka_unit_test(test_sets_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
