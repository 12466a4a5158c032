// SPDX-License-Identifier: Apache-2.0
/*
 * Files of a few kilobytes whose tables name large numbers: what they may cost in time and memory.
 * Models are made by hand, so that each table says exactly one thing.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "espalier.h"
#include "format/layout.h"
#include "format/rules.h"
#include "format/writer.h"
#include "tests/support/own_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATH      "test_hostile_cost.espalier"
#define POSITIONS 8u

/* A regressor of one tree that is a leaf, with slot_count slots that start from zero. */
typedef struct tiny_model {
    espalier_file_model head;
    espalier_file_step steps[2];
    espalier_file_part part;
    espalier_file_column column;
    espalier_file_tree tree;
    espalier_file_node nodes[POSITIONS];
    double leaf;
    espalier_file_output *outputs;
    uint32_t output_count;
    const void *labels; /* a CLASS_LABELS section, or NULL */
    uint64_t labels_bytes;
} tiny_model;

static tiny_model tiny_make(uint32_t slot_count, uint32_t output_count)
{
    tiny_model m;
    memset(&m, 0, sizeof m);
    m.head.feature_count = 1;
    m.head.slot_count = slot_count;
    m.head.input_rule = ESPALIER_INPUT_FLOAT32;
    m.head.default_output = ESPALIER_OUTPUT_VALUE;
    m.head.group_count = 1;
    m.head.node_count = 1;
    m.steps[0] = (espalier_file_step){ESPALIER_STEP_COLUMNS, 0, 1, 0};
    m.steps[1] = (espalier_file_step){ESPALIER_STEP_TREES, 0, 1, 0};
    m.part.layout = ESPALIER_FILE_WALK;
    m.part.node_bytes = sizeof(espalier_file_node);
    m.part.child_bits = ESPALIER_LIMIT_CHILD_BITS_MIN;
    m.part.accumulator = ESPALIER_ACCUMULATOR_FLOAT64;
    m.part.aggregate = ESPALIER_AGGREGATE_SUM;
    m.part.leaf_width = 1;
    m.part.slot_count = slot_count;
    m.part.tree_count = 1;
    m.part.leaf_count = 1;
    m.part.iteration_count = 1;
    m.part.default_iteration_count = 1;
    m.column.kind = ESPALIER_COLUMN_LEAF;
    m.column.bank = ESPALIER_BANK_WORD;
    m.part.bank = ESPALIER_BANK_WORD;
    m.tree.node_count = POSITIONS;
    m.tree.source_node_count = 1;
    for (uint32_t i = 0; i < POSITIONS; i++) {
        m.nodes[i] = (espalier_file_node){0, i};
    }
    m.leaf = 1.5;
    m.output_count = output_count;
    m.outputs = calloc(output_count, sizeof *m.outputs);
    assert_non_null(m.outputs);
    m.outputs[0] =
        (espalier_file_output){ESPALIER_OUTPUT_VALUE, 0, ESPALIER_DTYPE_FLOAT64, 0, 1, 0, 0, 0};
    return m;
}

static void tiny_free(tiny_model *m)
{
    free(m->outputs);
    (void)unlink(PATH);
}

static espalier_status tiny_open(const tiny_model *m, espalier_model **model_out,
                                 espalier_error *error)
{
    const espalier_writer_section sections[] = {
        {ESPALIER_SECTION_MODEL, 1, &m->head, sizeof m->head},
        {ESPALIER_SECTION_STEPS, 1, m->steps, sizeof m->steps},
        {ESPALIER_SECTION_PARTS, 1, &m->part, sizeof m->part},
        {ESPALIER_SECTION_OUTPUTS, 1, m->outputs, m->output_count * sizeof *m->outputs},
        {ESPALIER_SECTION_COLUMNS, 1, &m->column, sizeof m->column},
        {ESPALIER_SECTION_TREES, 1, &m->tree, sizeof m->tree},
        {ESPALIER_SECTION_NODES, 1, m->nodes, sizeof m->nodes},
        {ESPALIER_SECTION_LEAVES, 1, &m->leaf, sizeof m->leaf},
        {ESPALIER_SECTION_METADATA, 0, "{}", 2},
        {ESPALIER_SECTION_CLASS_LABELS, 1, m->labels, m->labels_bytes},
    };
    const uint32_t count = sizeof sections / sizeof sections[0] - (m->labels == NULL ? 1 : 0);
    char *temporary = NULL;
    uint64_t bytes = 0;
    assert_int_equal(espalier_writer_write(PATH, sections, count, &temporary, &bytes, error),
                     ESPALIER_OK);
    const espalier_status status = espalier_model_open(temporary, NULL, model_out, error);
    espalier_writer_discard(temporary);
    free(temporary);
    return status;
}

static double seconds_used(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* Every output may read all slots; open must not look at all of them again for each output. (It
 * did: 1.5 s for this file of 140 kB, 6 minutes for one of 32 MB.) */
static void test_many_outputs_of_many_slots(void **state)
{
    (void)state;
    enum {
        GROUPS = 4096
    };
    tiny_model m = tiny_make(ESPALIER_LIMIT_SLOTS, GROUPS);
    m.head.group_count = GROUPS;
    m.head.default_output = ESPALIER_OUTPUT_CLASS;
    for (uint32_t i = 0; i < GROUPS; i++) {
        m.outputs[i] = (espalier_file_output){ESPALIER_OUTPUT_CLASS,
                                              i,
                                              ESPALIER_DTYPE_INT32,
                                              0,
                                              ESPALIER_LIMIT_SLOTS,
                                              ESPALIER_DECISION_FIRST_MAXIMUM,
                                              0,
                                              0};
    }
    const uint64_t no_labels = 0;
    m.labels = &no_labels;
    m.labels_bytes = sizeof no_labels;
    espalier_model *model = NULL;
    espalier_error error;
    const double before = seconds_used();
    assert_int_equal(tiny_open(&m, &model, &error), ESPALIER_ERROR_VALUE);
    assert_int_equal(error.format_rule, RULE_LABEL_GROUPS);
    const double used = seconds_used() - before;
    assert_true(used < 1.0);
    tiny_free(&m);
}

/* block_rows_max is the most rows, not a promise of memory: 4096 rows of 2^20 slots are 32 GiB. */
static void test_large_blocks_of_many_slots(void **state)
{
    (void)state;
    tiny_model m = tiny_make(ESPALIER_LIMIT_SLOTS, 1);
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(tiny_open(&m, &model, &error), ESPALIER_OK);
    espalier_predictor_options options = ESPALIER_PREDICTOR_OPTIONS_INIT;
    options.block_rows_max = 4096;
    espalier_predictor *predictor = NULL;
    const double before = seconds_used();
    assert_int_equal(espalier_predictor_create(model, &options, &predictor), ESPALIER_OK);
    assert_true(seconds_used() - before < 1.0);
    const float x[3] = {1.0f, 2.0f, 3.0f};
    double y[3] = {0.0, 0.0, 0.0};
    const espalier_rows rows = espalier_rows_float32(x, 3, 1);
    espalier_outputs outputs = {.data = y, .data_bytes = sizeof y};
    assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_VALUE, &rows, &outputs),
                     ESPALIER_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_true(y[i] == 1.5);
    }
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    tiny_free(&m);
}

/* The stride of a single feature is never used, so any is allowed and none may overflow. */
static void test_any_stride_of_one_feature(void **state)
{
    (void)state;
    tiny_model m = tiny_make(1, 1);
    espalier_model *model = NULL;
    espalier_error error;
    assert_int_equal(tiny_open(&m, &model, &error), ESPALIER_OK);
    espalier_predictor *predictor = NULL;
    assert_int_equal(espalier_predictor_create(model, NULL, &predictor), ESPALIER_OK);
    const double x[2] = {1.0, 2.0};
    const ptrdiff_t strides[] = {PTRDIFF_MAX, PTRDIFF_MIN, PTRDIFF_MAX / 8, 0, -1};
    for (size_t i = 0; i < sizeof strides / sizeof strides[0]; i++) {
        double y[2] = {0.0, 0.0};
        espalier_rows rows = espalier_rows_float64(x, 2, 1);
        rows.feature_stride = strides[i];
        espalier_outputs outputs = {.data = y, .data_bytes = sizeof y};
        assert_int_equal(espalier_predict(predictor, ESPALIER_OUTPUT_VALUE, &rows, &outputs),
                         ESPALIER_OK);
        assert_true(y[0] == 1.5 && y[1] == 1.5);
    }
    espalier_predictor_destroy(predictor);
    espalier_model_close(model);
    tiny_free(&m);
}

/* Writes the tiny model with tree_count copies of its tree, leaves of leaf_width zeroes and
 * `golden` rows, and opens it. */
static espalier_status grown_open(uint32_t tree_count, uint32_t leaf_width, uint32_t golden,
                                  const espalier_open_options *options, espalier_error *error)
{
    tiny_model m = tiny_make(leaf_width, 1);
    m.part.leaf_width = leaf_width;
    m.part.tree_count = tree_count;
    m.head.node_count = tree_count;
    espalier_file_tree *const trees = calloc(tree_count, sizeof *trees);
    espalier_file_node *const nodes = calloc(tree_count, sizeof m.nodes);
    double *const leaves = calloc(leaf_width, sizeof *leaves);
    const size_t golden_bytes = sizeof(espalier_file_golden) +
                                golden * (8 + (size_t)leaf_width * 8 + (size_t)tree_count * 4);
    uint8_t *const rows = calloc(1, golden_bytes);
    assert_true(trees != NULL && nodes != NULL && leaves != NULL && rows != NULL);
    for (uint32_t i = 0; i < tree_count; i++) {
        trees[i] = m.tree;
        trees[i].first_node = (uint64_t)i * POSITIONS;
        memcpy(nodes + (size_t)i * POSITIONS, m.nodes, sizeof m.nodes);
    }
    const espalier_file_golden head = {golden, 1, leaf_width, tree_count};
    memcpy(rows, &head, sizeof head);
    const espalier_writer_section sections[] = {
        {ESPALIER_SECTION_MODEL, 1, &m.head, sizeof m.head},
        {ESPALIER_SECTION_STEPS, 1, m.steps, sizeof m.steps},
        {ESPALIER_SECTION_PARTS, 1, &m.part, sizeof m.part},
        {ESPALIER_SECTION_OUTPUTS, 1, m.outputs, sizeof *m.outputs},
        {ESPALIER_SECTION_COLUMNS, 1, &m.column, sizeof m.column},
        {ESPALIER_SECTION_TREES, 1, trees, tree_count * sizeof *trees},
        {ESPALIER_SECTION_NODES, 1, nodes, tree_count * sizeof m.nodes},
        {ESPALIER_SECTION_LEAVES, 1, leaves, leaf_width * sizeof *leaves},
        {ESPALIER_SECTION_GOLDEN, 0, rows, golden_bytes},
    };
    char *temporary = NULL;
    uint64_t bytes = 0;
    assert_int_equal(espalier_writer_write(PATH, sections, sizeof sections / sizeof sections[0],
                                           &temporary, &bytes, error),
                     ESPALIER_OK);
    espalier_model *model = NULL;
    const espalier_status status = espalier_model_open(temporary, options, &model, error);
    espalier_model_close(model);
    espalier_writer_discard(temporary);
    free(temporary);
    free(trees);
    free(nodes);
    free(leaves);
    free(rows);
    tiny_free(&m);
    return status;
}

/* F-057: trees of depth 0 visit nothing and add all the same. */
static void test_many_additions(void **state)
{
    (void)state;
    espalier_error error;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    options.visits_per_row_max = 10;
    assert_int_equal(grown_open(64, 10, 1, &options, &error), ESPALIER_OK);
    assert_int_equal(grown_open(71, 10, 1, &options, &error), ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, RULE_ADDITIONS_LIMIT);
}

/* F-182: golden rows that would keep verify busy for minutes. */
static void test_many_golden_rows(void **state)
{
    (void)state;
    espalier_error error;
    espalier_open_options options = ESPALIER_OPEN_OPTIONS_INIT;
    assert_int_equal(grown_open(1100, 1u << 16, 64, &options, &error), ESPALIER_OK);
    options.flags = ESPALIER_OPEN_VERIFY;
    assert_int_equal(grown_open(1100, 1u << 16, 64, &options, &error), ESPALIER_ERROR_LIMIT);
    assert_int_equal(error.format_rule, RULE_GOLDEN_WORK);
    assert_int_equal(grown_open(11, 1u << 10, 3, &options, &error), ESPALIER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_additions),
        cmocka_unit_test(test_many_golden_rows),
        cmocka_unit_test(test_many_outputs_of_many_slots),
        cmocka_unit_test(test_large_blocks_of_many_slots),
        cmocka_unit_test(test_any_stride_of_one_feature),
    };
    own_folder_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
