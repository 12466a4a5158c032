// SPDX-License-Identifier: Apache-2.0
/*
 * What rows touch of a model's nodes, counted by following paths node by node through the public
 * decoder. Includes bench.h and libc.
 */
#include "bench.h"
#include "espalier_inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 64u
#define PAGE_BYTES 4096u
#define TINY       1e-35f /* what LightGBM takes for zero */

/* A set of numbers that is emptied for every row: open addressing, a stamp a row. */
typedef struct number_set {
    uint64_t *numbers;
    uint32_t *stamps;
    uint64_t mask;
    uint32_t stamp;
} number_set;

static bool open_set(number_set *set, uint64_t count_max)
{
    uint64_t room = 64;
    while (room < count_max * 2) {
        room *= 2;
    }
    set->numbers = calloc(room, sizeof *set->numbers);
    set->stamps = calloc(room, sizeof *set->stamps);
    set->mask = room - 1;
    set->stamp = 0;
    return set->numbers != NULL && set->stamps != NULL;
}

static void close_set(number_set *set)
{
    free(set->numbers);
    free(set->stamps);
}

/* Whether the number was new. There is room for count_max numbers. */
static bool add_number(number_set *set, uint64_t number)
{
    uint64_t at = (number * UINT64_C(0x9E3779B97F4A7C15)) >> 20 & set->mask;
    while (set->stamps[at] == set->stamp) {
        if (set->numbers[at] == number) {
            return false;
        }
        at = (at + 1) & set->mask;
    }
    set->stamps[at] = set->stamp;
    set->numbers[at] = number;
    return true;
}

typedef struct counting {
    const espalier_model *model;
    const espalier_rows *rows;
    bool is_float32; /* what thresholds are compared in */
    number_set lines;
    number_set pages;
    uint64_t visits;
    uint64_t line_count;
    uint64_t page_count;
} counting;

static double load_value(const counting *c, size_t row, uint32_t feature)
{
    const ptrdiff_t at =
        (ptrdiff_t)row * c->rows->row_stride + (ptrdiff_t)feature * c->rows->feature_stride;
    const char *const data = c->rows->data;
    if (c->rows->dtype == ESPALIER_DTYPE_FLOAT32) {
        float value;
        memcpy(&value, data + at * (ptrdiff_t)sizeof value, sizeof value);
        return (double)value;
    }
    double value;
    memcpy(&value, data + at * (ptrdiff_t)sizeof value, sizeof value);
    return c->is_float32 ? (double)(float)value : value;
}

static bool goes_left(const counting *c, const espalier_node *node, double value)
{
    if (node->is_set != 0) {
        return espalier_model_set_left(c->model, node, value) != 0;
    }
    if (node->missing == ESPALIER_MISSING_NEVER) {
        return (isnan(value) ? 0.0 : value) <= node->threshold;
    }
    const bool is_missing =
        isnan(value) || (node->missing == ESPALIER_MISSING_ZERO && fabs(value) <= (double)TINY);
    return is_missing ? node->missing_left != 0 : value <= node->threshold;
}

/* The bytes a step reads: the node's own, or of a complete tree its column and its threshold. */
static void touch(counting *c, const espalier_tree_info *tree, const espalier_part_info *part,
                  uint32_t position)
{
    uint64_t at[2];
    uint32_t count = 1;
    const uint64_t width = part->node_bytes;
    at[0] = tree->nodes_offset + position * width;
    if (part->layout == ESPALIER_LAYOUT_HEAP) {
        const uint64_t half = width / 2;
        at[0] = tree->nodes_offset + (position + 1) * half;
        at[1] = at[0] + tree->nodes_bytes / 2;
        count = 2;
    }
    for (uint32_t i = 0; i < count; i++) {
        c->line_count += add_number(&c->lines, at[i] / LINE_BYTES) ? 1 : 0;
        c->page_count += add_number(&c->pages, at[i] / PAGE_BYTES) ? 1 : 0;
    }
}

static bool follow(counting *c, uint32_t tree_index, const espalier_tree_info *tree,
                   const espalier_part_info *part, size_t row)
{
    uint32_t position = 0;
    for (uint32_t step = 0; step <= tree->depth; step++) {
        espalier_node node;
        if (espalier_model_node(c->model, tree_index, position, &node) != ESPALIER_OK) {
            return false;
        }
        const bool is_leaf = node.feature == ESPALIER_FEATURE_NONE;
        /* A walk sees that a leaf is one by loading it; the mask layouts keep no leaf nodes. */
        if (!is_leaf || part->layout == ESPALIER_LAYOUT_WALK) {
            touch(c, tree, part, position);
        }
        if (is_leaf) {
            return true;
        }
        c->visits++;
        const double value = load_value(c, row, node.feature);
        position = goes_left(c, &node, value) ? node.left : node.right;
    }
    return true;
}

static bool follow_rows(counting *c, const espalier_model_info *info, size_t row_count,
                        espalier_bench_visits *visits)
{
    for (size_t row = 0; row < row_count; row++) {
        c->lines.stamp++;
        c->pages.stamp++;
        for (uint32_t t = 0; t < info->tree_count; t++) {
            espalier_tree_info tree;
            espalier_part_info part = ESPALIER_PART_INFO_INIT;
            if (espalier_model_tree(c->model, t, &tree) != ESPALIER_OK ||
                espalier_model_part(c->model, tree.part_index, &part) != ESPALIER_OK ||
                !follow(c, t, &tree, &part, row)) {
                return false;
            }
            if (row == 0) {
                visits->nodes += tree.position_count;
                visits->nodes_bytes += (double)tree.nodes_bytes;
            }
        }
    }
    const double rows = (double)row_count;
    visits->row_count = row_count;
    visits->visits = (double)c->visits / rows;
    visits->lines = (double)c->line_count / rows;
    visits->pages = (double)c->page_count / rows;
    return true;
}

bool espalier_bench_visits_count(const espalier_model *model, const espalier_rows *rows,
                                 size_t row_count, espalier_bench_visits *visits_out,
                                 espalier_message *message)
{
    espalier_model_info info = ESPALIER_MODEL_INFO_INIT;
    *visits_out = (espalier_bench_visits){0};
    if (espalier_model_info_get(model, &info) != ESPALIER_OK) {
        return espalier_message_set(message, "the model's info cannot be read");
    }
    counting c = {.model = model,
                  .rows = rows,
                  .is_float32 = info.input_dtype != ESPALIER_DTYPE_FLOAT64};
    /* A row goes through visits_per_row nodes and tree_count leaves at most, two places each. */
    const uint64_t touched_max = (info.visits_per_row + info.tree_count) * 2;
    const size_t count = row_count < rows->row_count ? row_count : rows->row_count;
    const bool done = open_set(&c.lines, touched_max) && open_set(&c.pages, touched_max) &&
                      count > 0 && follow_rows(&c, &info, count, visits_out);
    close_set(&c.lines);
    close_set(&c.pages);
    return done || espalier_message_set(message, "the paths of the rows cannot be followed");
}
