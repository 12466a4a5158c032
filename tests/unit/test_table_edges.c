// SPDX-License-Identifier: Apache-2.0
/*
 * Edges of tables that a reader checks at open, which the files of test_format_rules.c do not come
 * to: tables of another length, plans of several parts, lists of cuts beside each other, outputs
 * without labels, and names that hold a NUL.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier.h"
#include "format/rules.h"
#include "tests/support/damage.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const synthetic_options classifier = {.seed = 61,
                                             .tree_count = 3,
                                             .feature_count = 4,
                                             .decision_count_max = 12,
                                             .group_count = 2,
                                             .class_count = 2,
                                             .missing_allowed = true,
                                             .named = true};
static const synthetic_options counts = {.seed = 62,
                                         .tree_count = 1,
                                         .feature_count = 4,
                                         .decision_count_max = 12,
                                         .group_count = 1,
                                         .class_count = 2,
                                         .normalise = true};
static const synthetic_options linked = {.seed = 63,
                                         .trainer = SYNTHETIC_LIGHTGBM,
                                         .tree_count = 8,
                                         .feature_count = 2,
                                         .decision_count_max = 40,
                                         .group_count = 1,
                                         .linked = true};
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
static const synthetic_options categories = {.seed = 66,
                                             .trainer = SYNTHETIC_XGBOOST,
                                             .tree_count = 20,
                                             .feature_count = 4,
                                             .set_features = 2,
                                             .decision_count_max = 30,
                                             .group_count = 1};
static const synthetic_options three_sums = {.seed = 67,
                                             .trainer = SYNTHETIC_XGBOOST,
                                             .tree_count = 6,
                                             .feature_count = 3,
                                             .decision_count_max = 9,
                                             .group_count = 1,
                                             .class_count = 3};

/* A walk over features or, of 64-bit trainers, ranks. */
static model_bytes make_walk(const synthetic_options *options)
{
    return model_bytes_synthetic(options, ESPALIER_LAYOUT_WALK);
}

/* Room for more records at the front of a table; what is there moves back. */
static void insert_records(model_bytes *m, uint32_t type, size_t bytes)
{
    model_bytes_resize(m, type, (int64_t)bytes);
    uint8_t *const data = model_bytes_data(m, type);
    const size_t all = (size_t)model_bytes_section(m, type)->bytes;
    memmove(data + bytes, data, all - bytes);
    memset(data, 0, bytes);
}

/* Seals the file and opens it, which the rule forbids; `text` is in the message. Frees the file. */
static void expect(model_bytes *m, espalier_status status, uint32_t rule, const char *text)
{
    espalier_model *model = NULL;
    espalier_error error;
    memset(&error, 0, sizeof error);
    model_bytes_seal(m);
    const espalier_status answer =
        espalier_model_open_memory(m->data, m->bytes, NULL, &model, &error);
    if (answer != status || error.format_rule != rule || strstr(error.message, text) == NULL) {
        fail_msg("%s, F-%u instead of F-%u: %s", espalier_status_name(answer),
                 (unsigned)error.format_rule, (unsigned)rule, error.message);
    }
    model_bytes_free(m);
}

/* Resizing by nothing changes nothing that a reader could tell. */
static void test_a_file_laid_out_again(void **state)
{
    (void)state;
    espalier_model *model = NULL;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.flags = ESPALIER_OPEN_VERIFY;
    model_bytes m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
    model_bytes_resize(&m, 0, 0);
    model_bytes_seal(&m);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, &options, &model, NULL),
                     ESPALIER_OK);
    espalier_model_close(model);
    model_bytes_free(&m);
}

/* ---- tables of another length ---- */

static void test_lengths_of_tables(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    model_bytes_resize(&m, ESPALIER_SECTION_MODEL, sizeof(espalier_file_model));
    expect(&m, ESPALIER_ERROR_SECTION, RULE_TABLE_BYTES, "section MODEL is not one record");
    m = make_walk(&classifier);
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS,
                       (int64_t)ESPALIER_LIMIT_STEPS * (int64_t)sizeof(espalier_file_step));
    expect(&m, ESPALIER_ERROR_LIMIT, RULE_LIMITS, "section STEPS has more than");
    /* Nothing but tables: read in whole, and then there are no nodes. */
    m = make_walk(&classifier);
    model_bytes_cut(&m, ESPALIER_SECTION_NODES);
    expect(&m, ESPALIER_ERROR_SECTION_MISSING, RULE_SECTIONS_NEEDED, "section NODES is missing");
    m = make_walk(&classifier);
    model_bytes_cut(&m, ESPALIER_SECTION_LEAVES);
    expect(&m, ESPALIER_ERROR_SECTION_MISSING, RULE_SECTIONS_NEEDED, "section LEAVES is missing");
}

static void test_too_many_operations(void **state)
{
    (void)state;
    model_bytes m =
        model_bytes_convert(ESPALIER_TEST_SOURCE_DIR "/fixtures/pipelines-1.9.1/scaled.joblib");
    const int64_t bytes = (int64_t)SECTION(&m, PREPARATION)->bytes;
    const uint32_t count = ESPALIER_LIMIT_OPERATIONS + 1;
    const int64_t wanted = (int64_t)sizeof(espalier_file_preparation) +
                           count * (int64_t)sizeof(espalier_file_operation);
    model_bytes_resize(&m, ESPALIER_SECTION_PREPARATION, wanted - bytes);
    espalier_file_preparation *const head = RECORD(&m, PREPARATION, espalier_file_preparation);
    head->operation_count = count;
    head->number_count = 0;
    expect(&m, ESPALIER_ERROR_LIMIT, RULE_PREPARATION_LIMITS, "too many operations or values");
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

/* One column more than a SHORT node can name. */
static void test_too_many_columns_of_shorts(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    const espalier_file_column pattern = RECORD(&m, COLUMNS, espalier_file_column)[0];
    const int64_t more = UINT16_MAX + 2;
    assert_int_equal(pattern.bank, ESPALIER_BANK_BYTE);
    model_bytes_resize(&m, ESPALIER_SECTION_COLUMNS, more * (int64_t)sizeof pattern);
    espalier_file_column *const end =
        (espalier_file_column *)(void *)section_end(&m, ESPALIER_SECTION_COLUMNS);
    for (int64_t i = 1; i <= more; i++) {
        end[-i] = pattern;
        end[-i].bank = ESPALIER_BANK_SHORT;
    }
    expect(&m, ESPALIER_ERROR_LIMIT, RULE_COLUMN_LIMIT, "65537 columns of codes of 2 bytes");
}

/* ---- the plan ---- */

static void test_parts_and_stages_without_a_step(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS, -(int64_t)sizeof(espalier_file_step));
    expect(&m, ESPALIER_ERROR_VALUE, RULE_STEP_TREES, "a part or a stage without a step");
    m = make_walk(&counts);
    model_bytes_resize(&m, ESPALIER_SECTION_STEPS, -(int64_t)sizeof(espalier_file_step));
    expect(&m, ESPALIER_ERROR_VALUE, RULE_STEP_STAGES, "a part or a stage without a step");
    /* And the other way round: a step of the part behind the last. */
    m = make_walk(&counts);
    RECORD(&m, STEPS, espalier_file_step)
    [2] = (espalier_file_step){.kind = ESPALIER_STEP_TREES, .first = 1, .count = 1};
    expect(&m, ESPALIER_ERROR_VALUE, RULE_STEP_TREES, "through the parts");
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
    expect(&m, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
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
    expect(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_ARITHMETIC, "float32 of a slot");
    /* In float32 alone, as XGBoost has it. */
    m = make_walk(&linked);
    stage = RECORD(&m, STAGES, espalier_file_stage);
    stage->operation = ESPALIER_STAGE_EXPECTILES;
    assert_int_equal(stage->arithmetic, ESPALIER_ARITHMETIC_FLOAT64);
    expect(&m, ESPALIER_ERROR_VALUE, RULE_STAGE_ARITHMETIC, "an arithmetic that the operation");
}

static void test_dtypes_of_groups(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    espalier_file_output *const outputs = RECORD(&m, OUTPUTS, espalier_file_output);
    assert_int_equal(outputs[0].kind, outputs[1].kind);
    outputs[1].dtype = ESPALIER_DTYPE_FLOAT32;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_DTYPE, "OUTPUTS[1]: wrong dtype");
}

/* Probabilities of classes that have no names. */
static void test_probabilities_without_labels(void **state)
{
    (void)state;
    model_bytes m = make_walk(&counts);
    espalier_file_output *const outputs = RECORD(&m, OUTPUTS, espalier_file_output);
    const size_t count = (size_t)SECTION(&m, OUTPUTS)->bytes / sizeof *outputs;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (outputs[i].kind != ESPALIER_OUTPUT_CLASS) {
            outputs[kept++] = outputs[i];
        }
    }
    assert_int_equal(kept, count - 1);
    RECORD(&m, MODEL, espalier_file_model)->default_output = ESPALIER_OUTPUT_PROBABILITY;
    SECTION(&m, CLASS_LABELS)->encoding = 2; /* which no reader knows, nor needs */
    SECTION(&m, CLASS_LABELS)->flags = 0;
    model_bytes_resize(&m, ESPALIER_SECTION_OUTPUTS, -(int64_t)sizeof *outputs);
    expect(&m, ESPALIER_ERROR_VALUE, RULE_OUTPUT_LABELS, "do not fit each other");
}

/* Mask trees need the trainer's numbers for one output alone. */
static void test_masks_without_numbers(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, MODEL, espalier_file_model)->number_bytes = 0;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_NUMBERS_NEEDED, "without the trainer's numbers");
    m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, MODEL, espalier_file_model)->number_bytes = 0;
    assert_int_equal(last_output(&m)->kind, ESPALIER_OUTPUT_LEAF);
    model_bytes_resize(&m, ESPALIER_SECTION_OUTPUTS, -(int64_t)sizeof(espalier_file_output));
    expect(&m, ESPALIER_ERROR_SECTION, RULE_SECTIONS_CONDITIONAL,
           "section NODE_NUMBERS is there, and nothing uses it");
}

/* ---- parts ---- */

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

static void test_two_parts_write_one_slot(void **state)
{
    (void)state;
    model_bytes m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
    split_part(&m, 2);
    expect(&m, ESPALIER_ERROR_VALUE, RULE_SLOTS_WRITTEN,
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
    expect(&m, ESPALIER_ERROR_VALUE, RULE_PART_TREES, "trees without a part");
    m = model_bytes_synthetic(&selecting, ESPALIER_LAYOUT_SELECT);
    const uint32_t between = find_tree(&m, false);
    make_bits(&m, between);
    expect(&m, ESPALIER_ERROR_VALUE, RULE_TREE_TILES, "does not follow the tree before");
}

static void test_values_of_parts(void **state)
{
    (void)state;
    model_bytes m = make_walk(&three_sums);
    const espalier_file_part *const part = RECORD(&m, PARTS, espalier_file_part);
    assert_int_equal(part->start, ESPALIER_START_CONSTANTS);
    assert_true(part->slot_count > 1);
    RECORD(&m, CONSTANTS, double)[part->start_index] = 0.1;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_PART_START, "from a number that is none");
    m = make_walk(&three_sums);
    RECORD(&m, CONSTANTS, double)[RECORD(&m, PARTS, espalier_file_part)->start_index] = (double)NAN;
    espalier_model *model = NULL; /* NaN is a float32 as well */
    model_bytes_seal(&m);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    espalier_model_close(model);
    RECORD(&m, PARTS, espalier_file_part)->start = ESPALIER_START_SLOTS;
    RECORD(&m, PARTS, espalier_file_part)->start_index = 0;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_PART_START_SLOTS, "float32 sums start from slots");
    m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, TREES, espalier_file_tree)->source_node_count = 0;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_TREE_SOURCE_NODES, "number of the trainer's nodes");
    m = model_bytes_synthetic(&heap, ESPALIER_LAYOUT_HEAP);
    RECORD(&m, PARTS, espalier_file_part)->layout = ESPALIER_FILE_WALK;
    RECORD(&m, PARTS, espalier_file_part)->bank = ESPALIER_BANK_WORD;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_PART_BANK, "a bank that the layout does not have");
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
    expect(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    columns = columns_of_select(&m);
    columns[0].cut_count = UINT8_MAX + 1;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    columns = columns_of_select(&m);
    columns[0].cut_count = UINT8_MAX + 1;
    columns[1].cut_count = UINT8_MAX + 1;
    columns[0].first_cut = ESPALIER_ALIGNMENT_MIN;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    columns = columns_of_select(&m);
    columns[1].missing = columns[0].missing == 0 ? ESPALIER_MISSING_LEFT : 0;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    columns = columns_of_select(&m);
    columns[1].segment = 2;
    columns[0].segment = 0;
    columns[1].cut_count = columns[0].cut_count;
    if (columns[0].cut_count > 2 * UINT8_MAX) {
        expect(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
    } else {
        expect(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, "segment out of range");
    }
    /* The same list in another bank. */
    (void)columns_of_select(&m);
    insert_records(&m, ESPALIER_SECTION_COLUMNS, 2 * sizeof *columns);
    columns = RECORD(&m, COLUMNS, espalier_file_column);
    columns[0] = (espalier_file_column){.kind = ESPALIER_COLUMN_LEAF, .bank = ESPALIER_BANK_WORD};
    columns[1] = columns[2];
    columns[1].bank = ESPALIER_BANK_WORD;
    columns[2].segment = 1;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_COLUMN_SEGMENT, text);
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
    expect(&m, ESPALIER_ERROR_VALUE, RULE_SET_LIST, "the segment before is not in front of it");
    /* Codes may follow sets, in a bank of their own; here the plan does not know the column. */
    m = make_walk(&categories);
    const espalier_file_column pattern = *first_set_of(&m);
    model_bytes_resize(&m, ESPALIER_SECTION_COLUMNS, sizeof pattern);
    espalier_file_column *const last =
        (espalier_file_column *)(void *)section_end(&m, ESPALIER_SECTION_COLUMNS) - 1;
    *last = pattern;
    last->kind = ESPALIER_COLUMN_CODE;
    last->bank = ESPALIER_BANK_BYTE;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_STEP_COLUMNS, "must compute all columns");
    /* A matrix of sets that no column has. */
    m = make_walk(&categories);
    set = first_set_of(&m);
    const espalier_file_column *const end =
        (const espalier_file_column *)(const void *)section_end(&m, ESPALIER_SECTION_COLUMNS);
    for (; set < end; set++) {
        set->kind = ESPALIER_COLUMN_CODE;
        set->segment = 0;
    }
    expect(&m, ESPALIER_ERROR_SECTION, RULE_SECTIONS_CONDITIONAL,
           "section SETS is there, and nothing uses it");
}

/* ---- names ---- */

/* A name that holds a NUL was compared beyond the end of the caller's. */
static void test_names_that_hold_a_nul(void **state)
{
    (void)state;
    model_bytes m = make_walk(&classifier);
    espalier_file_strings *const head = RECORD(&m, FEATURE_NAMES, espalier_file_strings);
    const uint32_t *const ends = (const uint32_t *)(const void *)(head + 1);
    char *const text = (char *)(head + 1) + head->count * sizeof *ends;
    assert_true(ends[0] > 3);
    char first[64] = {text[0]}; /* zero bytes behind its end, as if they belonged to it */
    text[1] = '\0';
    model_bytes_seal(&m);
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    const char *names[4] = {first};
    for (uint32_t i = 1; i < 4; i++) {
        names[i] = espalier_model_feature_name(model, i);
    }
    size_t order[4] = {9, 9, 9, 9};
    uint32_t missing = 9;
    assert_int_equal(espalier_model_feature_order(model, names, 4, order, &missing),
                     ESPALIER_ERROR_FEATURE_COUNT);
    assert_int_equal(missing, 0);
    assert_int_equal(order[1], 9);
    espalier_model_close(model);
    model_bytes_free(&m);
}

static void test_orders_without_an_answer(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b"};
    size_t order[4];
    uint32_t missing = 0;
    espalier_model *model = NULL;
    model_bytes m = make_walk(&linked); /* its features have no names */
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    assert_int_equal(espalier_model_feature_order(model, names, 2, order, &missing),
                     ESPALIER_ERROR_ARGUMENT);
    espalier_model_close(model);
    model_bytes_free(&m);
    m = make_walk(&classifier);
    assert_int_equal(espalier_model_open_memory(m.data, m.bytes, NULL, &model, NULL), ESPALIER_OK);
    assert_int_equal(espalier_model_feature_order(NULL, names, 2, order, &missing),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_feature_order(model, NULL, 2, order, &missing),
                     ESPALIER_ERROR_ARGUMENT);
    assert_int_equal(espalier_model_feature_order(model, names, 2, NULL, &missing),
                     ESPALIER_ERROR_ARGUMENT);
    const char *const none[] = {NULL, NULL};
    assert_int_equal(espalier_model_feature_order(model, none, 2, order, NULL),
                     ESPALIER_ERROR_FEATURE_COUNT);
    espalier_model_close(model);
    model_bytes_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_laid_out_again),
        cmocka_unit_test(test_lengths_of_tables),
        cmocka_unit_test(test_too_many_operations),
        cmocka_unit_test(test_golden_rows_without_a_head),
        cmocka_unit_test(test_too_many_columns_of_shorts),
        cmocka_unit_test(test_parts_and_stages_without_a_step),
        cmocka_unit_test(test_a_part_writes_what_is_written),
        cmocka_unit_test(test_arithmetic_of_stages),
        cmocka_unit_test(test_dtypes_of_groups),
        cmocka_unit_test(test_probabilities_without_labels),
        cmocka_unit_test(test_masks_without_numbers),
        cmocka_unit_test(test_two_parts_write_one_slot),
        cmocka_unit_test(test_parts_of_two_layouts),
        cmocka_unit_test(test_values_of_parts),
        cmocka_unit_test(test_segments_of_other_lists),
        cmocka_unit_test(test_sets_beside_others),
        cmocka_unit_test(test_names_that_hold_a_nul),
        cmocka_unit_test(test_orders_without_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
