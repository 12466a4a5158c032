// SPDX-License-Identifier: Apache-2.0
/*
 * Trees of every layout with a field just beyond what it may be, in another tree than the first:
 * the rule that verify names, and the place in the file. Numbers of leaves that are alike, of any
 * two leaves. F-160 to F-164, F-176, F-210 to F-226.
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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define TREE        1u /* the tree that is damaged, of three */
#define NOT_FOUND   UINT32_MAX

/* ---- models ---- */

static model_bytes make_model(uint32_t layout, const synthetic_options *options)
{
    espalier_forest forest;
    synthetic_forest_make(options, &forest);
    const model_bytes m = model_bytes_of_layout(&forest, 2, layout);
    espalier_forest_free(&forest);
    return m;
}

static model_bytes make_trees(uint32_t layout, uint32_t tree_count)
{
    const bool is_heap = layout == ESPALIER_LAYOUT_HEAP;
    const synthetic_options options = {.seed = 71,
                                       .trainer = is_heap ? SYNTHETIC_XGBOOST : SYNTHETIC_LIGHTGBM,
                                       .tree_count = tree_count,
                                       .feature_count = 3,
                                       .decision_count_max = 14,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST,
                                       .depth_max = is_heap ? 4 : 0};
    return make_model(layout, &options);
}

static model_bytes make_three(uint32_t layout)
{
    return make_trees(layout, 3);
}

static espalier_file_tree *tree_of(const model_bytes *m, uint32_t tree)
{
    return &RECORD(m, TREES, espalier_file_tree)[tree];
}

static uint8_t *node_of(const model_bytes *m, uint32_t tree, uint32_t position)
{
    return RECORD(m, NODES, uint8_t) + (tree_of(m, tree)->first_node + position) *
                                           RECORD(m, PARTS, espalier_file_part)->node_bytes;
}

/* Opens, which must do, and verifies. */
static espalier_status verify(model_bytes *m, espalier_error *error)
{
    espalier_model *model = NULL;
    memset(error, 0, sizeof *error);
    model_bytes_seal(m);
    if (espalier_model_open_memory(m->data, m->bytes, NULL, &model, error) != ESPALIER_OK) {
        fail_msg("%s", error->message);
    }
    const espalier_status status = espalier_model_verify(model, error);
    espalier_model_close(model);
    return status;
}

/* Verify names a rule and a position of a tree; what was damaged is freed. */
static void expect(model_bytes *m, uint32_t rule, uint32_t tree, uint32_t position,
                   const char *what)
{
    espalier_error error;
    const espalier_status status = verify(m, &error);
    if (status != ESPALIER_ERROR_INDEX || error.format_rule != rule) {
        fail_msg("%s: rule %u, not %u (%s)", what, error.format_rule, rule, error.message);
    }
    assert_int_equal(error.file_offset, node_of(m, tree, position) - m->data);
    char place[48];
    (void)snprintf(place, sizeof place, "tree %u, position %u:", (unsigned)tree,
                   (unsigned)position);
    assert_non_null(strstr(error.message, place));
    model_bytes_free(m);
}

static uint32_t bank_count(const model_bytes *m, uint32_t bank)
{
    const espalier_file_column *const columns = RECORD(m, COLUMNS, espalier_file_column);
    uint32_t count = 0;
    for (uint64_t i = 0; i < SECTION(m, COLUMNS)->bytes / sizeof *columns; i++) {
        count += columns[i].bank == bank;
    }
    return count;
}

/* ---- WALK ---- */

/* A node of 8 bytes. */
static espalier_file_node *walk_node(const model_bytes *m, uint32_t position)
{
    assert_int_equal(RECORD(m, PARTS, espalier_file_part)->node_bytes, sizeof(espalier_file_node));
    return (espalier_file_node *)(void *)node_of(m, TREE, position);
}

static void set_child(const model_bytes *m, uint32_t position, uint32_t child)
{
    const uint32_t bits = RECORD(m, PARTS, espalier_file_part)->child_bits;
    espalier_file_node *const node = walk_node(m, position);
    node->word = (node->word >> bits << bits) | child;
}

/* An inner node, or a leaf that the root leads to, behind the first two pairs. */
static uint32_t find_node(const model_bytes *m, bool inner)
{
    const uint32_t bits = RECORD(m, PARTS, espalier_file_part)->child_bits;
    for (uint32_t i = 2; i < tree_of(m, TREE)->source_node_count; i++) {
        if ((walk_node(m, i)->word >> bits != 0) == inner) {
            return i;
        }
    }
    fail();
    return NOT_FOUND;
}

static void test_walk(void **state)
{
    (void)state;
    model_bytes m = make_three(ESPALIER_LAYOUT_WALK);
    set_child(&m, 0, 0);
    expect(&m, RULE_NODE_CHILD, TREE, 0, "a node below itself");
    m = make_three(ESPALIER_LAYOUT_WALK);
    const uint32_t inner = find_node(&m, true);
    const uint32_t leaf = find_node(&m, false);
    set_child(&m, inner, tree_of(&m, TREE)->node_count);
    expect(&m, RULE_NODE_CHILD, TREE, inner, "children behind the tree");
    m = make_three(ESPALIER_LAYOUT_WALK);
    const uint32_t bits = RECORD(&m, PARTS, espalier_file_part)->child_bits;
    walk_node(&m, inner)->word +=
        (bank_count(&m, ESPALIER_BANK_WORD) - (walk_node(&m, inner)->word >> bits)) << bits;
    expect(&m, RULE_NODE_COLUMN, TREE, inner, "the column behind the last");
    m = make_three(ESPALIER_LAYOUT_WALK);
    walk_node(&m, leaf)->threshold = RECORD(&m, PARTS, espalier_file_part)->leaf_count;
    expect(&m, RULE_NODE_LEAF, TREE, leaf, "the leaf row behind the last");
    m = make_three(ESPALIER_LAYOUT_WALK);
    tree_of(&m, TREE)->source_node_count -= 2;
    RECORD(&m, MODEL, espalier_file_model)->node_count -= 2;
    expect(&m, RULE_NODE_PARENT, TREE, 0, "more nodes");
    m = make_three(ESPALIER_LAYOUT_WALK);
    tree_of(&m, TREE)->depth--;
    RECORD(&m, MODEL, espalier_file_model)->visits_per_row--;
    expect(&m, RULE_NODE_DEPTH, TREE, 0, "a deeper tree");
}

/* ---- masks ---- */

/* Columns of HEAP and BITS, and their thresholds, are arrays of bytes. */
static uint8_t *mask_columns(const model_bytes *m, uint32_t tree)
{
    assert_int_equal(RECORD(m, PARTS, espalier_file_part)->bank, ESPALIER_BANK_BYTE);
    return node_of(m, tree, 0);
}

static uint8_t *mask_thresholds(const model_bytes *m, uint32_t tree)
{
    return mask_columns(m, tree) + tree_of(m, tree)->node_count;
}

static void change_size(const model_bytes *m)
{
    tree_of(m, TREE)->source_node_count -= 2;
    RECORD(m, MODEL, espalier_file_model)->node_count -= 2;
}

static void change_depth(const model_bytes *m)
{
    espalier_file_tree *const tree = tree_of(m, TREE);
    const uint32_t most = (tree->source_node_count - 1) / 2;
    const uint32_t by = tree->depth < most ? 1 : UINT32_MAX;
    tree->depth += by;
    RECORD(m, MODEL, espalier_file_model)->visits_per_row += (uint64_t)(int32_t)by;
}

static void test_heap(void **state)
{
    (void)state;
    model_bytes m = make_three(ESPALIER_LAYOUT_HEAP);
    const uint32_t leaf_count = tree_of(&m, TREE)->leaf_count;
    assert_true(tree_of(&m, TREE)->node_count > leaf_count);
    mask_thresholds(&m, TREE)[leaf_count] = 1;
    expect(&m, RULE_HEAP_UNUSED, TREE, leaf_count, "the first node that is none");
    m = make_three(ESPALIER_LAYOUT_HEAP);
    mask_columns(&m, TREE)[0] = 1;
    expect(&m, RULE_HEAP_UNUSED, TREE, 0, "the place before the root");
    m = make_three(ESPALIER_LAYOUT_HEAP);
    mask_columns(&m, TREE)[1] = (uint8_t)bank_count(&m, ESPALIER_BANK_BYTE);
    expect(&m, RULE_HEAP_COLUMN, TREE, 1, "the column behind the last");
    m = make_three(ESPALIER_LAYOUT_HEAP);
    change_size(&m);
    expect(&m, RULE_MASK_LEAVES, TREE, 1, "more nodes");
}

/* A node below a filler, on its left and on its right, where the tree before has nodes. */
static void test_below_fillers(void **state)
{
    (void)state;
    enum {
        TREE_COUNT = 16
    };
    model_bytes m = make_trees(ESPALIER_LAYOUT_HEAP, TREE_COUNT);
    uint32_t counts[2] = {0, 0};
    for (uint32_t tree = 1; tree < TREE_COUNT; tree++) {
        for (uint32_t h = 4; h < tree_of(&m, tree)->leaf_count; h++) {
            if (mask_thresholds(&m, tree)[h / 2] != UINT8_MAX) {
                continue;
            }
            model_bytes copy = model_bytes_copy(&m);
            mask_columns(&copy, tree)[h] = mask_columns(&m, tree)[1];
            mask_thresholds(&copy, tree)[h] = mask_thresholds(&m, tree)[1];
            counts[h % 2] += h < tree_of(&m, tree - 1)->leaf_count &&
                             mask_thresholds(&m, tree - 1)[h] != UINT8_MAX;
            expect(&copy, RULE_HEAP_FILLER, tree, h, "a node below a filler");
        }
    }
    assert_true(counts[0] > 0 && counts[1] > 0);
    model_bytes_free(&m);
}

static espalier_file_node_select *select_node(const model_bytes *m, uint32_t position)
{
    return (espalier_file_node_select *)(void *)node_of(m, TREE, position);
}

static void test_select(void **state)
{
    (void)state;
    model_bytes m = make_three(ESPALIER_LAYOUT_SELECT);
    const uint32_t inner_count = tree_of(&m, TREE)->leaf_count - 1;
    const uint32_t behind = 2 * inner_count + 1; /* positions */
    assert_true(inner_count > 3);
    select_node(&m, 2)->left = (uint16_t)(behind - 3);
    expect(&m, RULE_SELECT_CHILD, TREE, 2, "left behind the last position");
    m = make_three(ESPALIER_LAYOUT_SELECT);
    select_node(&m, 2)->right = (uint16_t)(behind - 3);
    expect(&m, RULE_SELECT_CHILD, TREE, 2, "right behind the last position");
    m = make_three(ESPALIER_LAYOUT_SELECT);
    select_node(&m, 2)->right = select_node(&m, 2)->left;
    expect(&m, RULE_SELECT_PARENT, TREE, 2, "one child twice");
    /* A child of the root, which is behind node 1 or a leaf, once more. */
    for (uint32_t side = 0; side < 2; side++) {
        m = make_three(ESPALIER_LAYOUT_SELECT);
        const uint32_t left = select_node(&m, 0)->left + 1u;
        const uint32_t right = select_node(&m, 0)->right + 1u;
        const uint32_t taken = left > right ? left : right;
        assert_true(taken > 1);
        uint16_t *const field = side == 0 ? &select_node(&m, 1)->left : &select_node(&m, 1)->right;
        *field = (uint16_t)(taken - 2);
        expect(&m, RULE_SELECT_PARENT, TREE, 1, "a child of two");
    }
    m = make_three(ESPALIER_LAYOUT_SELECT);
    select_node(&m, 1)->column = (uint16_t)bank_count(&m, ESPALIER_BANK_BYTE);
    expect(&m, RULE_SELECT_COLUMN, TREE, 1, "the column behind the last");
    m = make_three(ESPALIER_LAYOUT_SELECT);
    change_depth(&m);
    expect(&m, RULE_MASK_DEPTH, TREE, 0, "another depth");
}

/* Of a list of more cuts than codes a segment has all codes but the last. */
static void test_last_code(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 72,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 200,
                                       .feature_count = 1,
                                       .decision_count_max = 30,
                                       .group_count = 1,
                                       .shape = SYNTHETIC_BEST_FIRST};
    model_bytes m = make_model(ESPALIER_LAYOUT_SELECT, &options);
    const espalier_file_column *const columns = RECORD(&m, COLUMNS, espalier_file_column);
    assert_int_equal(RECORD(&m, PARTS, espalier_file_part)->bank, ESPALIER_BANK_BYTE);
    uint32_t position = 0;
    uint32_t first = 0; /* of the bank */
    while (columns[first].bank != ESPALIER_BANK_BYTE) {
        first++;
    }
    while (columns[first + select_node(&m, position)->column].segment != 0 ||
           columns[first + select_node(&m, position)->column].cut_count <= 256) {
        position++;
        assert_true(position < tree_of(&m, TREE)->leaf_count - 1);
    }
    select_node(&m, position)->threshold = UINT8_MAX;
    expect(&m, RULE_SELECT_THRESHOLD, TREE, position, "the code behind the last");
}

static void test_bits(void **state)
{
    (void)state;
    model_bytes m = make_three(ESPALIER_LAYOUT_BITS);
    mask_columns(&m, TREE)[1] = (uint8_t)bank_count(&m, ESPALIER_BANK_BYTE);
    expect(&m, RULE_BITS_COLUMN, TREE, 1, "the column behind the last");
    m = make_three(ESPALIER_LAYOUT_BITS);
    change_depth(&m);
    expect(&m, RULE_MASK_DEPTH, TREE, 0, "another depth");
    m = make_three(ESPALIER_LAYOUT_BITS);
    memset(mask_thresholds(&m, TREE) + tree_of(&m, TREE)->node_count, 0xFF, sizeof(uint32_t));
    expect(&m, RULE_BITS_TREE, TREE, 0, "no tree");
}

/* ---- numbers ---- */

/* Where the numbers of a tree begin, and how many there are. */
static uint32_t first_number(const model_bytes *m, uint32_t tree)
{
    const bool is_walk = RECORD(m, PARTS, espalier_file_part)->layout == ESPALIER_FILE_WALK;
    uint32_t first = 0;
    for (uint32_t i = 0; i < tree; i++) {
        first += is_walk ? tree_of(m, i)->node_count : tree_of(m, i)->leaf_count;
    }
    return first;
}

/* Small numbers are named by the position of the second leaf that has one. */
static void test_small_numbers(void **state)
{
    (void)state;
    static const uint32_t layouts[] = {ESPALIER_LAYOUT_HEAP, ESPALIER_LAYOUT_SELECT,
                                       ESPALIER_LAYOUT_BITS};
    for (size_t l = 0; l < COUNT(layouts); l++) {
        model_bytes m = make_three(layouts[l]);
        assert_int_equal(RECORD(&m, MODEL, espalier_file_model)->number_bytes, 1);
        uint8_t *const numbers = RECORD(&m, NODE_NUMBERS, uint8_t) + first_number(&m, TREE);
        const bool is_heap = layouts[l] == ESPALIER_LAYOUT_HEAP;
        const uint32_t leaf_count = tree_of(&m, TREE)->leaf_count;
        uint32_t first = 0;
        uint32_t last = leaf_count - 1;
        while (is_heap && mask_thresholds(&m, TREE)[(leaf_count + first) / 2] == UINT8_MAX) {
            first += 2; /* one that is a filler's */
        }
        while (is_heap && mask_thresholds(&m, TREE)[(leaf_count + last) / 2] == UINT8_MAX) {
            last -= 2;
        }
        assert_true(first < last);
        numbers[first] = is_heap ? 0 : numbers[first]; /* the root's, where nodes have numbers */
        numbers[last] = numbers[first];
        expect(&m, RULE_NUMBERS_VALUES, TREE, is_heap ? leaf_count + last : leaf_count - 1 + last,
               "one number twice");
    }
}

/* Large ones are compared with each other at the end: any two, and the smallest too. */
static void test_large_numbers(void **state)
{
    (void)state;
    model_bytes m = make_three(ESPALIER_LAYOUT_BITS);
    assert_int_equal(RECORD(&m, MODEL, espalier_file_model)->number_bytes, 1);
    uint8_t *const numbers = RECORD(&m, NODE_NUMBERS, uint8_t) + first_number(&m, TREE);
    const uint32_t leaf_count = tree_of(&m, TREE)->leaf_count;
    espalier_error error;
    for (uint32_t k = 0; k < leaf_count; k++) {
        numbers[k] = (uint8_t)(100 + k * 5 % leaf_count * 2);
    }
    assert_true(leaf_count % 5 != 0 && leaf_count < 70);
    assert_int_equal(verify(&m, &error), ESPALIER_ERROR_GOLDEN); /* all else is right */
    for (uint32_t k = 0; k < leaf_count; k++) {
        for (uint32_t other = 0; other < k; other++) {
            model_bytes copy = model_bytes_copy(&m);
            RECORD(&copy, NODE_NUMBERS, uint8_t)[first_number(&m, TREE) + k] = numbers[other];
            expect(&copy, RULE_NUMBERS_VALUES, TREE, 0, "one large number twice");
        }
    }
    model_bytes_free(&m);
}

/* A tree that is larger than any mask, alone, all of whose numbers are large. */
static void test_one_large_tree(void **state)
{
    (void)state;
    const synthetic_options options = {.seed = 73,
                                       .trainer = SYNTHETIC_LIGHTGBM,
                                       .tree_count = 1,
                                       .feature_count = 3,
                                       .decision_count_max = 12000,
                                       .group_count = 1};
    model_bytes m = make_model(ESPALIER_LAYOUT_WALK, &options);
    assert_int_equal(RECORD(&m, MODEL, espalier_file_model)->number_bytes, 2);
    uint16_t *const numbers = RECORD(&m, NODE_NUMBERS, uint16_t);
    const espalier_file_tree *const tree = tree_of(&m, 0);
    const uint32_t leaf_count = (tree->source_node_count + 1) / 2;
    espalier_error error;
    assert_true(tree->node_count + leaf_count < UINT16_MAX && leaf_count > 5000);
    assert_int_equal(verify(&m, &error), ESPALIER_OK);
    for (uint32_t i = 0; i < tree->node_count; i++) {
        numbers[i] = numbers[i] != 0 ? (uint16_t)(tree->node_count + numbers[i]) : 0;
    }
    assert_int_equal(verify(&m, &error), ESPALIER_ERROR_GOLDEN); /* all else is right */
    model_bytes_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),           cmocka_unit_test(test_heap),
        cmocka_unit_test(test_below_fillers),  cmocka_unit_test(test_select),
        cmocka_unit_test(test_last_code),      cmocka_unit_test(test_bits),
        cmocka_unit_test(test_small_numbers),  cmocka_unit_test(test_large_numbers),
        cmocka_unit_test(test_one_large_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
