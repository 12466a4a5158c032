// SPDX-License-Identifier: Apache-2.0
/*
 * See synthetic.h.
 */
#include "tests/support/synthetic.h"

#include "convert/plan.h"
#include "convert/sets.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t synthetic_next(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint32_t draw_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((synthetic_next(state) >> 32) * limit >> 32);
}

static double draw_unit(uint64_t *state)
{
    return (double)(synthetic_next(state) >> 11) * 0x1p-53;
}

static void *take_memory(uint64_t count, size_t bytes)
{
    void *const memory = calloc(count > 0 ? (size_t)count : 1, bytes);
    assert_non_null(memory);
    return memory;
}

static double draw_threshold(uint64_t *state)
{
    static const double odd[] = {0.0,      -0.0,      1e-320,         -1e-320,
                                 1e-40,    -1e-40,    1e300,          -1e300,
                                 INFINITY, -INFINITY, 0x1.fffffep127, -0x1.fffffep127,
                                 0x1p-149, -0x1p-149, 16777217.0};
    if (draw_below(state, 50) == 0) {
        return odd[draw_below(state, sizeof odd / sizeof odd[0])];
    }
    const double value = draw_unit(state) * 20.0 - 10.0;
    return draw_below(state, 2) == 0 ? (double)(float)value : value;
}

/* One of cut_count thresholds; the first few are where rules change. */
static double draw_cut(const synthetic_options *options, uint64_t *state)
{
    static const double odd[] = {0.0, INFINITY, (double)1e-35F, -(double)1e-35F, 1e-310, -INFINITY};
    const uint32_t cut = draw_below(state, options->cut_count);
    return cut < sizeof odd / sizeof odd[0] ? odd[cut]
                                            : (cut - options->cut_count / 2.0) * (10.0 / 3.0);
}

/* Where a tree is being written. */
typedef struct growing {
    const synthetic_options *options;
    espalier_forest *forest;
    uint64_t *state;
    uint64_t first_node;
    uint32_t node_count;
} growing;

static void write_decision(const growing *tree, uint32_t node, uint32_t left, uint32_t right)
{
    espalier_forest *const forest = tree->forest;
    const uint64_t index = tree->first_node + node;
    forest->left[index] = left;
    forest->right[index] = right;
    forest->feature[index] = draw_below(tree->state, forest->feature_count);
    forest->threshold[index] = tree->options->cut_count != 0 ? draw_cut(tree->options, tree->state)
                                                             : draw_threshold(tree->state);
    forest->missing_left[index] = (uint8_t)draw_below(tree->state, 2);
    if (forest->missing_rule != NULL) {
        forest->missing_rule[index] = (uint8_t)draw_below(tree->state, 3);
    }
}

/* Leaves are given to the left-over nodes at the end; only decisions are grown. */
static void grow_best_first(growing *tree, uint32_t decision_count, uint32_t *open)
{
    const uint32_t depth_max = tree->options->depth_max;
    uint32_t *const depths = open + decision_count + 1;
    uint32_t open_count = 1;
    open[0] = 0;
    depths[0] = 0;
    tree->node_count = 1;
    for (uint32_t i = 0; i < decision_count && open_count > 0; i++) {
        const uint32_t pick = draw_below(tree->state, open_count);
        const uint32_t node = open[pick];
        const uint32_t depth = depths[pick] + 1;
        write_decision(tree, node, tree->node_count, tree->node_count + 1);
        if (depth == depth_max) {
            open_count--;
            open[pick] = open[open_count];
            depths[pick] = depths[open_count];
        } else {
            open[pick] = tree->node_count;
            depths[pick] = depth;
            open[open_count] = tree->node_count + 1;
            depths[open_count++] = depth;
        }
        tree->node_count += 2;
    }
}

/* Depth first: `left_over` decisions are shared out between the two sides. */
static void grow_preorder(growing *tree, uint32_t decision_count, uint32_t *open, bool chain)
{
    /* A pair for each node that waits: its decisions, and the parent whose right child it is. */
    uint32_t depth = 0;
    open[depth++] = decision_count;
    open[depth++] = ESPALIER_FOREST_LEAF;
    tree->node_count = 0;
    while (depth > 0) {
        const uint32_t parent = open[--depth];
        const uint32_t count = open[--depth];
        const uint32_t node = tree->node_count++;
        if (parent != ESPALIER_FOREST_LEAF) {
            tree->forest->right[tree->first_node + parent] = node;
        }
        if (count == 0) {
            continue;
        }
        write_decision(tree, node, node + 1, 0);
        const uint32_t left =
            chain ? draw_below(tree->state, 2) * (count - 1) : draw_below(tree->state, count);
        open[depth++] = count - 1 - left;
        open[depth++] = node;
        open[depth++] = left;
        open[depth++] = ESPALIER_FOREST_LEAF;
    }
}

static void finish_tree(const growing *tree, uint32_t tree_index)
{
    espalier_forest *const forest = tree->forest;
    uint32_t leaf = 0;
    for (uint32_t step = 0; step < tree->node_count; step++) {
        /* From the end: children come after their parents, so covers add up. */
        const uint32_t node = tree->node_count - 1 - step;
        const uint64_t index = tree->first_node + node;
        if (forest->left[index] == ESPALIER_FOREST_LEAF) {
            forest->right[index] = leaf++;
            if (forest->number != NULL) {
                forest->number[index] = forest->right[index];
            }
            forest->cover[index] = 1.0 + draw_below(tree->state, 30);
        } else {
            forest->cover[index] = forest->cover[tree->first_node + forest->left[index]] +
                                   forest->cover[tree->first_node + forest->right[index]];
        }
    }
    forest->trees[tree_index] = (espalier_forest_tree){
        .first_node = tree->first_node,
        .first_leaf = forest->leaf_count,
        .node_count = tree->node_count,
        .leaf_count = leaf,
    };
    forest->node_count += tree->node_count;
    forest->leaf_count += leaf;
}

static void grow_trees(const synthetic_options *options, espalier_forest *forest, uint64_t *state)
{
    const uint64_t nodes_max =
        (uint64_t)options->tree_count * ((uint64_t)options->decision_count_max * 2 + 1);
    forest->trees = take_memory(options->tree_count, sizeof *forest->trees);
    forest->left = take_memory(nodes_max, sizeof *forest->left);
    forest->right = take_memory(nodes_max, sizeof *forest->right);
    forest->feature = take_memory(nodes_max, sizeof *forest->feature);
    forest->threshold = take_memory(nodes_max, sizeof *forest->threshold);
    forest->cover = take_memory(nodes_max, sizeof *forest->cover);
    forest->missing_left = take_memory(nodes_max, sizeof *forest->missing_left);
    if (options->trainer == SYNTHETIC_LIGHTGBM) {
        forest->missing_rule = take_memory(nodes_max, sizeof *forest->missing_rule);
        forest->number = take_memory(nodes_max, sizeof *forest->number);
    }
    memset(forest->left, 0xFF, nodes_max * sizeof *forest->left);
    uint32_t *const open = take_memory((uint64_t)options->decision_count_max * 4 + 8, sizeof *open);
    for (uint32_t i = 0; i < options->tree_count; i++) {
        const uint32_t least = options->decision_count_max / 2;
        const uint32_t count = least + draw_below(state, options->decision_count_max - least + 1);
        growing tree = {options, forest, state, forest->node_count, 0};
        if (options->shape == SYNTHETIC_BEST_FIRST) {
            grow_best_first(&tree, count, open);
        } else {
            grow_preorder(&tree, count, open, options->shape == SYNTHETIC_CHAIN);
        }
        finish_tree(&tree, i);
    }
    free(open);
}

static double draw_leaf_value(const synthetic_options *options, uint64_t *state)
{
    if (options->trainer == SYNTHETIC_XGBOOST) {
        return draw_below(state, 20) == 0 ? -0.0 : (double)(float)(draw_unit(state) - 0.5);
    }
    if (options->normalise) {
        return draw_below(state, 3) == 0 ? 0.0 : (double)draw_below(state, 1000) / 8.0;
    }
    if (options->class_count > 0 && options->trainer == SYNTHETIC_FOREST) {
        return draw_below(state, 4) == 0 ? 0.0 : draw_unit(state);
    }
    return draw_below(state, 20) == 0 ? -0.0 : draw_unit(state) * 200.0 - 100.0;
}

static void fill_leaves(const synthetic_options *options, espalier_forest *forest, uint64_t *state)
{
    const uint32_t width = forest->leaf_width;
    const uint64_t distinct =
        options->distinct_count != 0 ? options->distinct_count : forest->leaf_count;
    double *const rows = take_memory(distinct * width, sizeof *rows);
    for (uint64_t i = 0; i < distinct * width; i++) {
        rows[i] = draw_leaf_value(options, state);
    }
    forest->leaf_values = take_memory(forest->leaf_count * width, sizeof *forest->leaf_values);
    for (uint64_t i = 0; i < forest->leaf_count; i++) {
        const uint64_t row =
            options->distinct_count != 0 ? draw_below(state, options->distinct_count) : i;
        memcpy(forest->leaf_values + i * width, rows + row * width, width * sizeof *rows);
    }
    free(rows);
}

static char *print_text(const char *format, uint32_t number)
{
    char text[64];
    (void)snprintf(text, sizeof text, format, (unsigned)number);
    char *const copy = strdup(text);
    assert_non_null(copy);
    return copy;
}

static void fill_labels(espalier_forest_labels *labels, espalier_label_kind kind, uint32_t count)
{
    labels->kind = kind;
    labels->count = count;
    labels->item_bytes = 8;
    if (kind == ESPALIER_LABEL_STRING) {
        labels->item_bytes = 4 * 12;
        labels->texts = take_memory(count, sizeof *labels->texts);
        labels->text_bytes = take_memory(count, sizeof *labels->text_bytes);
        for (uint32_t i = 0; i < count; i++) {
            labels->texts[i] = print_text("cl\xC3\xA4ss %u", i);
            labels->text_bytes[i] = strlen(labels->texts[i]);
        }
        return;
    }
    labels->numbers = take_memory(count, sizeof *labels->numbers);
    for (uint32_t i = 0; i < count; i++) {
        const double real = i * 0.5 - 1.0;
        labels->numbers[i] = (uint64_t)((int64_t)i * 3 - 4);
        if (kind == ESPALIER_LABEL_FLOAT) {
            memcpy(&labels->numbers[i], &real, sizeof real);
        } else if (kind == ESPALIER_LABEL_BOOL) {
            labels->item_bytes = 1;
            labels->numbers[i] = i % 2;
        } else if (kind == ESPALIER_LABEL_UINT) {
            labels->numbers[i] = UINT64_MAX - i;
        }
    }
}

/* What makes a forest a boosted one. */
static void fill_boosted(const synthetic_options *options, espalier_forest *forest)
{
    const uint32_t sums = options->class_count > 0 ? options->class_count : 1;
    const bool narrow = options->trainer == SYNTHETIC_XGBOOST;
    forest->task =
        options->class_count > 0 ? ESPALIER_FOREST_TASK_MARGIN : ESPALIER_FOREST_TASK_VALUE;
    forest->divide = options->averaged ? ESPALIER_FOREST_DIVIDE_TREES : ESPALIER_FOREST_DIVIDE_NONE;
    forest->leaf_is_vector = true;
    forest->missing_allowed = true;
    forest->infinite_allowed = true;
    forest->missing_marked = narrow && options->tree_count % 2 == 0;
    forest->missing_number = forest->missing_marked ? 0.5 : 0.0;
    forest->flush_tiny = !narrow;
    forest->input = narrow ? ESPALIER_FOREST_INPUT_FLOAT32 : ESPALIER_FOREST_INPUT_FLOAT64;
    forest->accumulator = narrow ? ESPALIER_FOREST_SUM_FLOAT32 : ESPALIER_FOREST_SUM_FLOAT64;
    forest->leaf_width = 1;
    forest->slot_count = sums;
    forest->tree_slot = take_memory(options->tree_count, sizeof *forest->tree_slot);
    forest->tree_iteration = take_memory(options->tree_count, sizeof *forest->tree_iteration);
    for (uint32_t i = 0; i < options->tree_count; i++) {
        forest->tree_slot[i] = i % sums;
        forest->tree_iteration[i] = i / sums;
    }
    forest->iteration_count = (options->tree_count + sums - 1) / sums;
    forest->default_iterations = options->default_iterations;
    if (narrow) {
        forest->start = take_memory(sums, sizeof *forest->start);
        for (uint32_t i = 0; i < sums; i++) {
            forest->start[i] = (double)(0.1F * (float)(i + 1));
        }
    }
}

/* The stages and outputs of a classifier of two classes. */
static void fill_links(espalier_forest *forest)
{
    const bool narrow = forest->accumulator == ESPALIER_FOREST_SUM_FLOAT32;
    const double shift = -0.25;
    const uint32_t sum = espalier_plan_add_stage(
        forest,
        &(espalier_forest_stage){.operation = ESPALIER_FOREST_ADD, .count = 1, .narrow = narrow},
        &shift);
    const uint32_t one =
        espalier_plan_add_stage(forest,
                                &(espalier_forest_stage){.operation = ESPALIER_FOREST_SIGMOID,
                                                         .input_slot = sum,
                                                         .count = 1,
                                                         .narrow = narrow},
                                NULL);
    const uint32_t both =
        espalier_plan_add_stage(forest,
                                &(espalier_forest_stage){.operation = ESPALIER_FOREST_TWO_CLASSES,
                                                         .input_slot = one,
                                                         .count = 1,
                                                         .narrow = narrow},
                                NULL);
    const espalier_forest_output outputs[] = {
        {ESPALIER_OUTPUT_MARGIN, 0, 0, 1, ESPALIER_FOREST_NO_DECISION, narrow},
        {ESPALIER_OUTPUT_PROBABILITY, 0, both, 2, ESPALIER_FOREST_NO_DECISION, narrow},
        {ESPALIER_OUTPUT_CLASS, 0, one, 1, ESPALIER_FOREST_ABOVE_HALF, false},
        {ESPALIER_OUTPUT_VALUE, 0, one, 1, ESPALIER_FOREST_NO_DECISION, narrow},
    };
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        assert_true(espalier_plan_add_output(forest, &outputs[i]));
    }
    forest->default_output = ESPALIER_OUTPUT_CLASS;
    assert_true(espalier_plan_number_labels(forest, 2));
}

#define CATEGORIES 250u

/* Numbers for categories: fractions and negative ones among them. */
static void fill_codes(espalier_forest *forest, uint32_t feature)
{
    forest->codes = take_memory(forest->feature_count, sizeof *forest->codes);
    memset(forest->codes, 0, forest->feature_count * sizeof *forest->codes);
    forest->code_count = forest->feature_count;
    espalier_forest_codes *const codes = &forest->codes[feature];
    codes->values = take_memory(CATEGORIES, sizeof *codes->values);
    codes->count = CATEGORIES;
    for (uint32_t i = 0; i < CATEGORIES; i++) {
        codes->values[i] = (double)i * 1.5 - 20.25;
    }
}

/* Sets of no, one and many categories, some of them alike; where a threshold was stands a member,
 * for rows that are drawn from thresholds. */
static void fill_sets(const synthetic_options *options, espalier_forest *forest, uint64_t *state)
{
    static const espalier_forest_category categories[] = {ESPALIER_FOREST_CATEGORY_8,
                                                          ESPALIER_FOREST_CATEGORY_24,
                                                          ESPALIER_FOREST_CATEGORY_INT32};
    forest->category = categories[options->trainer];
    assert_true(espalier_forest_reserve_sets(forest));
    if (options->trainer == SYNTHETIC_LIGHTGBM && options->set_features > 1) {
        fill_codes(forest, 1);
    }
    for (uint64_t i = 0; i < forest->node_count; i++) {
        const uint64_t choice = synthetic_next(state);
        uint32_t members[40];
        uint32_t count = 0;
        if (forest->left[i] == ESPALIER_FOREST_LEAF ||
            forest->feature[i] >= options->set_features) {
            continue;
        }
        const uint32_t wanted = choice % 4 == 0 ? 1 : (uint32_t)(choice / 4 % 40);
        uint64_t own = choice % 3 == 0 ? choice / 512 % 5 : choice; /* some are alike */
        while (count < wanted) {
            members[count++] = (uint32_t)(synthetic_next(&own) % CATEGORIES);
        }
        const espalier_forest_set set = {.feature = forest->feature[i],
                                         .members_left = choice / 256 % 2 != 0,
                                         .missing_left =
                                             forest->missing_allowed && choice / 128 % 2 != 0};
        assert_int_equal(espalier_forest_add_set(forest, &set, members, count), ESPALIER_OK);
        forest->set[i] = forest->set_count - 1;
        forest->missing_left[i] = 0;
        if (forest->missing_rule != NULL) {
            forest->missing_rule[i] = ESPALIER_FOREST_MISSING_NAN;
        }
        forest->threshold[i] =
            count > 0 ? espalier_forest_value_of(forest, set.feature, members[0]) : 0.0;
    }
}

void synthetic_forest_make(const synthetic_options *options, espalier_forest *forest_out)
{
    uint64_t state = options->seed;
    espalier_forest forest;
    memset(&forest, 0, sizeof forest);
    forest.tree_count = options->tree_count;
    forest.feature_count = options->feature_count;
    forest.classifier = options->class_count > 0;
    const bool is_boosted = options->trainer != SYNTHETIC_FOREST;
    forest.group_count = options->group_count;
    forest.divide =
        options->tree_count > 1 ? ESPALIER_FOREST_DIVIDE_TREES : ESPALIER_FOREST_DIVIDE_NONE;
    forest.normalise = options->normalise;
    forest.leaf_is_vector = options->tree_count > 1;
    forest.missing_allowed = options->missing_allowed;
    forest.group_width = take_memory(options->group_count, sizeof *forest.group_width);
    forest.labels = forest.classifier && !is_boosted
                        ? take_memory(options->group_count, sizeof *forest.labels)
                        : NULL;
    for (uint32_t i = 0; i < options->group_count; i++) {
        forest.group_width[i] = forest.classifier ? options->class_count + i : 1;
        forest.leaf_width += forest.group_width[i];
        if (forest.labels != NULL) {
            fill_labels(&forest.labels[i],
                        options->label_kind != 0 ? options->label_kind : ESPALIER_LABEL_INT,
                        forest.group_width[i]);
        }
    }
    if (is_boosted) {
        fill_boosted(options, &forest);
    }
    if (options->linked) {
        fill_links(&forest);
    }
    grow_trees(options, &forest, &state);
    fill_leaves(options, &forest, &state);
    if (options->set_features > 0) {
        fill_sets(options, &forest, &state);
    }
    if (options->named) {
        forest.feature_names = take_memory(options->feature_count, sizeof *forest.feature_names);
        for (uint32_t i = 0; i < options->feature_count; i++) {
            forest.feature_names[i] = print_text("feature %u", i);
        }
    }
    forest.framework = print_text("synthetic", 0);
    forest.version = print_text("%u.0", 1);
    forest.class_name = print_text("tests.Forest%u", options->tree_count);
    forest.parameters_json = print_text("{\"seed\":%u}", (uint32_t)options->seed);
    espalier_error error;
    const espalier_status status = espalier_forest_validate(&forest, "synthetic", &error);
    if (status != ESPALIER_OK) {
        fail_msg("%s", error.message);
    }
    *forest_out = forest;
}
