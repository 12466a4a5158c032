// SPDX-License-Identifier: Apache-2.0
/*
 * Covers: what flattening adds up (F-514), what a caller reads of it, and what a section that lies
 * makes of that (F-513). The rules that verify checks are in tests/oracle/test_oracle_cover.py.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "convert/combine.h"
#include "espalier.h"
#include "espalier_inspect.h"
#include "format/layout.h"
#include "format/rules.h"
#include "tests/support/model_bytes.h"
#include "tests/support/synthetic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES 9u

static const synthetic_options forest_options = {.seed = 21,
                                                 .tree_count = 5,
                                                 .feature_count = FEATURES,
                                                 .decision_count_max = 12,
                                                 .group_count = 1,
                                                 .class_count = 2,
                                                 .missing_allowed = true};

static void make_forest(espalier_forest *forest, espalier_forest_cover unit)
{
    synthetic_forest_make(&forest_options, forest);
    forest->cover_unit = unit;
}

static espalier_model *open_model(const model_bytes *m)
{
    espalier_model *model = NULL;
    assert_int_equal(espalier_model_open_memory(m->data, m->bytes, NULL, &model, NULL),
                     ESPALIER_OK);
    return model;
}

/* What the file of a forest says, or NONE. */
static uint32_t read_unit(const espalier_forest *forest)
{
    model_bytes m = model_bytes_of(forest, 2);
    espalier_model *const model = open_model(&m);
    assert_int_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
    const uint32_t unit = espalier_model_covers(model, NULL, 0);
    espalier_model_close(model);
    model_bytes_free(&m);
    return unit;
}

/* The sums once more, from the arrays. */
static void add_up(const espalier_forest *forest, double covers[FEATURES])
{
    memset(covers, 0, FEATURES * sizeof *covers);
    for (uint64_t i = 0; i < forest->node_count; i++) {
        if (forest->left[i] != ESPALIER_FOREST_LEAF) {
            covers[forest->feature[i]] += forest->cover[i];
        }
    }
}

static void test_sums_by_value(void **state)
{
    (void)state;
    static const uint32_t layouts[] = {ESPALIER_LAYOUT_WALK, ESPALIER_LAYOUT_SELECT};
    espalier_forest forest;
    double expected[FEATURES];
    make_forest(&forest, ESPALIER_FOREST_COVER_WEIGHTS);
    /* A feature that no node tests lies between others. */
    for (uint64_t i = 0; i < forest.node_count; i++) {
        forest.feature[i] = forest.feature[i] == 4 ? 5 : forest.feature[i];
    }
    add_up(&forest, expected);
    for (size_t k = 0; k < 2; k++) {
        model_bytes m = model_bytes_of_layout(&forest, 2, layouts[k]);
        espalier_model *const model = open_model(&m);
        assert_int_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
        for (size_t count = 0; count <= FEATURES + 1; count++) {
            double covers[FEATURES + 2];
            for (size_t i = 0; i < FEATURES + 2; i++) {
                covers[i] = -7.0;
            }
            assert_int_equal(espalier_model_covers(model, covers, count), ESPALIER_COVER_WEIGHTS);
            for (size_t i = 0; i < FEATURES + 2; i++) {
                assert_true(covers[i] == (i < count && i < FEATURES ? expected[i] : -7.0));
            }
        }
        assert_int_equal(espalier_model_covers(NULL, expected, FEATURES), ESPALIER_COVER_NONE);
        assert_int_equal(espalier_model_covers(model, NULL, 1), ESPALIER_COVER_NONE);
        espalier_model_close(model);
        model_bytes_free(&m);
    }
    assert_true(expected[4] == 0.0 && expected[5] > 0.0);
    espalier_forest_free(&forest);
}

/* F-514 */
static void test_left_out_where_sums_mean_nothing(void **state)
{
    (void)state;
    espalier_forest forest;
    make_forest(&forest, ESPALIER_FOREST_COVER_NONE);
    assert_int_equal(read_unit(&forest), ESPALIER_COVER_NONE);
    forest.cover_unit = ESPALIER_FOREST_COVER_HESSIANS;
    assert_int_equal(read_unit(&forest), ESPALIER_COVER_HESSIANS);

    /* A tree whose nodes hold zeroes, as one of a file without counts. */
    const espalier_forest_tree *const last = &forest.trees[forest.tree_count - 1];
    assert_true(last->node_count > 1);
    const double root = forest.cover[last->first_node];
    forest.cover[last->first_node] = 0.0;
    assert_int_equal(read_unit(&forest), ESPALIER_COVER_NONE);

    /* Sums beyond the range. */
    forest.cover[last->first_node] = root;
    for (uint64_t i = 0; i < forest.node_count; i++) {
        forest.cover[i] = 1e308;
    }
    assert_int_equal(read_unit(&forest), ESPALIER_COVER_NONE);
    espalier_forest_free(&forest);
}

static void test_a_tree_that_tests_nothing(void **state)
{
    (void)state;
    espalier_forest forest;
    synthetic_options options = forest_options;
    options.decision_count_max = 0;
    synthetic_forest_make(&options, &forest);
    forest.cover_unit = ESPALIER_FOREST_COVER_ROWS;
    assert_int_equal(forest.node_count, forest.tree_count);
    assert_int_equal(read_unit(&forest), ESPALIER_COVER_NONE);
    espalier_forest_free(&forest);
}

/* Members of one unit keep it, of several none. */
static void test_members(void **state)
{
    (void)state;
    static const espalier_forest_cover units[][3] = {
        {ESPALIER_FOREST_COVER_ROWS, ESPALIER_FOREST_COVER_ROWS, ESPALIER_FOREST_COVER_ROWS},
        {ESPALIER_FOREST_COVER_ROWS, ESPALIER_FOREST_COVER_HESSIANS, ESPALIER_FOREST_COVER_NONE},
        {ESPALIER_FOREST_COVER_NONE, ESPALIER_FOREST_COVER_ROWS, ESPALIER_FOREST_COVER_NONE},
    };
    for (size_t k = 0; k < 3; k++) {
        espalier_forest whole;
        espalier_forest members[2];
        memset(&whole, 0, sizeof whole);
        espalier_combine combine;
        memset(&combine, 0, sizeof combine);
        combine.whole = &whole;
        combine.memory_left = UINT64_C(1) << 30;
        for (size_t i = 0; i < 2; i++) {
            uint32_t offset = 0;
            make_forest(&members[i], units[k][i]);
            assert_int_equal(espalier_combine_add(&combine, &members[i], NULL, &offset),
                             ESPALIER_OK);
        }
        assert_int_equal(whole.cover_unit, units[k][2]);
        assert_true(whole.cover[members[0].node_count] == members[1].cover[0]);
        for (size_t i = 0; i < 2; i++) {
            espalier_forest_free(&members[i]);
        }
        (void)espalier_combine_close(&combine);
        espalier_forest_free(&whole);
    }
}

/* F-513: whatever the section holds, what is read lies inside it and is finite. */
static void test_a_section_that_lies(void **state)
{
    (void)state;
    espalier_forest forest;
    double covers[FEATURES];
    make_forest(&forest, ESPALIER_FOREST_COVER_ROWS);
    model_bytes m = model_bytes_of(&forest, 2);
    espalier_file_section *const section = model_bytes_section(&m, ESPALIER_SECTION_COVER);
    assert_non_null(section);
    const uint64_t whole = section->bytes;
    espalier_file_cover *const head = model_bytes_data(&m, ESPALIER_SECTION_COVER);
    double *const stored = (double *)(void *)(head + 1);
    assert_true(whole > sizeof *head + 2 * sizeof *stored);
    const double odd[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    for (size_t i = 0; i < 3; i++) {
        stored[0] = odd[i];
        model_bytes_seal(&m);
        espalier_model *const model = open_model(&m);
        assert_int_equal(espalier_model_covers(model, covers, FEATURES), ESPALIER_COVER_ROWS);
        assert_true(covers[0] == 0.0 && covers[1] == stored[1]);
        assert_int_not_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
        espalier_model_close(model);
    }
    head->unit = 4;
    model_bytes_seal(&m);
    espalier_model *const model = open_model(&m);
    covers[0] = -7.0;
    assert_int_equal(espalier_model_covers(model, covers, FEATURES), ESPALIER_COVER_NONE);
    assert_true(covers[0] == -7.0);
    espalier_model_close(model);
    model_bytes_free(&m);
    espalier_forest_free(&forest);
}

/* One rule broken: what verify says, and where. */
static void expect(const model_bytes *m, espalier_status status, uint32_t rule, uint64_t place)
{
    model_bytes changed = model_bytes_copy(m);
    model_bytes_seal(&changed);
    espalier_model *const model = open_model(&changed);
    espalier_error error = {.format_rule = 0};
    assert_int_equal(espalier_model_verify(model, &error), status);
    assert_int_equal(error.format_rule, rule);
    assert_int_equal(error.file_offset, place);
    espalier_model_close(model);
    model_bytes_free(&changed);
}

/* F-510 to F-512: the section's length, its unit, and each of its numbers. */
static void test_what_verify_finds(void **state)
{
    (void)state;
    espalier_forest forest;
    make_forest(&forest, ESPALIER_FOREST_COVER_ROWS);
    model_bytes m = model_bytes_of(&forest, 2);
    const espalier_file_section *const section = model_bytes_section(&m, ESPALIER_SECTION_COVER);
    espalier_file_cover *const head = model_bytes_data(&m, ESPALIER_SECTION_COVER);
    double *const stored = (double *)(void *)(head + 1);
    const uint64_t count = (section->bytes - sizeof *head) / sizeof *stored;
    for (uint32_t unit = 0; unit <= 4; unit += 4) {
        head->unit = unit;
        expect(&m, ESPALIER_ERROR_VALUE, RULE_COVER_UNIT, section->offset);
    }
    head->unit = ESPALIER_FILE_COVER_ROWS;
    head->reserved = 1;
    expect(&m, ESPALIER_ERROR_VALUE, RULE_COVER_UNIT, section->offset);
    head->reserved = 0;
    for (uint64_t i = 0; i < count; i++) {
        const double before = stored[i];
        stored[i] = (double)INFINITY;
        expect(&m, ESPALIER_ERROR_VALUE, RULE_COVER_FINITE,
               section->offset + sizeof *head + i * sizeof *stored);
        stored[i] = before;
    }
    for (int64_t more = -8; more <= 8; more += 16) {
        model_bytes other = model_bytes_copy(&m);
        model_bytes_resize(&other, ESPALIER_SECTION_COVER, more);
        expect(&other, ESPALIER_ERROR_SECTION, RULE_COVER_BYTES,
               model_bytes_section(&other, ESPALIER_SECTION_COVER)->offset);
        model_bytes_free(&other);
    }
    model_bytes_free(&m);
    espalier_forest_free(&forest);
}

/* A column of leaves holds no value, not that of feature 0 either. */
static void test_columns_of_leaves(void **state)
{
    (void)state;
    espalier_forest forest;
    make_forest(&forest, ESPALIER_FOREST_COVER_ROWS);
    for (uint64_t i = 0; i < forest.node_count; i++) {
        forest.feature[i] += forest.feature[i] == 0;
    }
    model_bytes m = model_bytes_of(&forest, 2);
    const espalier_file_column *const column = model_bytes_data(&m, ESPALIER_SECTION_COLUMNS);
    assert_int_equal(column->kind, ESPALIER_COLUMN_LEAF);
    assert_int_equal(column->feature, 0);
    espalier_model *const model = open_model(&m);
    assert_int_equal(espalier_model_verify(model, NULL), ESPALIER_OK);
    espalier_model_close(model);
    model_bytes_free(&m);
    espalier_forest_free(&forest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_by_value),
        cmocka_unit_test(test_left_out_where_sums_mean_nothing),
        cmocka_unit_test(test_a_tree_that_tests_nothing),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_a_section_that_lies),
        cmocka_unit_test(test_what_verify_finds),
        cmocka_unit_test(test_columns_of_leaves),
    };
    return cmocka_run_group_tests_name("cover", tests, NULL, NULL);
}
