// SPDX-License-Identifier: Apache-2.0
/*
 * See flatten_place.h. A cache line of 64 bytes holds four sibling pairs (two of wide nodes). A
 * line is filled greedily: of the decisions that wait for their children, those below the line's
 * first one, the most popular one gets its pair next. What is left over waits on a stack, the most
 * popular on top, so that a hot subtree follows its line and shares its page. One row of a forest
 * of 1.4 million nodes (200 trees, 3,230 decisions, weighted by cover) touches 1,328 lines and 535
 * pages this way, 3,018 and 1,673 in breadth-first order.
 *
 * Filling pages by popularity as well touches 1,238 lines and 416 pages, but one row took 9 to 13 %
 * longer (Sapphire Rapids class, 11 MB of nodes): the next line then seldom is the neighbour, which
 * the prefetcher brings for nothing.
 */
#include "convert/flatten_place.h"

#include "convert/flatten.h"
#include "format/layout.h"

#include <string.h>

#define LINE_BYTES 64u
/* Each pair that is placed takes one decision off the list and puts at most two on. */
#define WAITING_MAX 8u

static_assert(LINE_BYTES / (2 * sizeof(espalier_file_node)) < WAITING_MAX, "a line's decisions");

/* One tree on its way: its arrays, and where its positions go. */
typedef struct placing {
    const espalier_placer *placer;
    const uint32_t *left;
    const uint32_t *right;
    const double *cover;
    uint64_t first_node;
    uint64_t first_leaf;
    uint8_t *nodes;
    uint8_t *numbers;
    uint32_t next_position; /* always even */
} placing;

float espalier_round_threshold(double threshold)
{
    const float nearest = (float)threshold;
    if (!((double)nearest > threshold)) {
        return nearest;
    }
    /* One step down: for positive numbers one bit pattern less, for negative ones one more. */
    uint32_t bits = 0;
    memcpy(&bits, &nearest, sizeof bits);
    if (nearest > 0.0F) {
        bits -= 1;
    } else if (nearest < 0.0F) {
        bits += 1;
    } else {
        bits = UINT32_C(0x80000001); /* below zero: minus the least denormal */
    }
    float below = 0.0F;
    memcpy(&below, &bits, sizeof below);
    return below;
}

uint64_t espalier_place_positions(uint32_t node_count)
{
    return ((uint64_t)node_count + 1 + 7) & ~UINT64_C(7);
}

static void store_node(const placing *tree, uint32_t position, uint32_t threshold, uint32_t child,
                       uint32_t column)
{
    const espalier_placer *const placer = tree->placer;
    uint8_t *const place = tree->nodes + (uint64_t)position * placer->node_bytes;
    if (placer->node_bytes == sizeof(espalier_file_node)) {
        const espalier_file_node node = {threshold, child | column << placer->child_bits};
        memcpy(place, &node, sizeof node);
    } else {
        const espalier_file_node_wide node = {threshold, child, column, 0};
        memcpy(place, &node, sizeof node);
    }
}

static void store_number(const placing *tree, uint32_t position, uint32_t number)
{
    const uint32_t bytes = tree->placer->number_bytes;
    if (bytes != 0) {
        espalier_flatten_store(tree->numbers + (uint64_t)position * bytes, number, bytes);
    }
}

static uint32_t node_number(const placing *tree, uint32_t node)
{
    return espalier_flatten_number(tree->placer->work, tree->first_node + node, node);
}

static void store_filler(const placing *tree, uint32_t position)
{
    store_node(tree, position, 0, position, 0);
    store_number(tree, position, 0);
}

static espalier_status store_leaf(const placing *tree, uint32_t node, uint32_t position)
{
    uint32_t number = 0;
    const espalier_status status =
        espalier_leaf_table_add(tree->placer->leaves, tree->first_leaf + tree->right[node],
                                &number);
    if (status == ESPALIER_OK) {
        store_node(tree, position, number, position, 0);
        store_number(tree, position, node_number(tree, node));
    }
    return status;
}

/* A child that has got its position: a leaf is finished, a decision waits. */
static espalier_status enter_child(const placing *tree, uint32_t node, uint32_t position,
                                   espalier_place_item *waiting, uint32_t *count)
{
    if (tree->left[node] == ESPALIER_FOREST_LEAF) {
        return store_leaf(tree, node, position);
    }
    waiting[*count].node = node;
    waiting[*count].position = position;
    (*count)++;
    return ESPALIER_OK;
}

/* Writes a decision and gives its children the next two positions. */
static espalier_status place_pair(placing *tree, espalier_place_item item,
                                  espalier_place_item *waiting, uint32_t *count)
{
    const uint64_t index = tree->first_node + item.node;
    const uint32_t child = tree->next_position;
    tree->next_position = child + 2;

    const espalier_column_test test = espalier_columns_test(&tree->placer->work->columns, index);
    store_node(tree, item.position, test.threshold, child, test.column);
    store_number(tree, item.position, node_number(tree, item.node));

    espalier_status status = enter_child(tree, tree->left[item.node], child, waiting, count);
    if (status == ESPALIER_OK) {
        status = enter_child(tree, tree->right[item.node], child + 1, waiting, count);
    }
    return status;
}

/* Takes the most popular one off the list, the first of equals; keeps the others' order. */
static espalier_place_item take_popular(const placing *tree, espalier_place_item *waiting,
                                        uint32_t *count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < *count; i++) {
        if (tree->cover[waiting[i].node] > tree->cover[waiting[best].node]) {
            best = i;
        }
    }
    const espalier_place_item item = waiting[best];
    (*count)--;
    for (uint32_t i = best; i < *count; i++) {
        waiting[i] = waiting[i + 1];
    }
    return item;
}

/* Places all decisions below the root, line by line. */
static espalier_status place_lines(placing *tree)
{
    const uint32_t line_pairs = LINE_BYTES / (2 * tree->placer->node_bytes);
    espalier_place_item *const stack = tree->placer->stack;
    uint32_t depth = 0;
    stack[depth++] = (espalier_place_item){0, 0};
    /* The root and its filler are the first pair of the first line. */
    uint32_t room = line_pairs - 1;
    /* Every round places a pair at least, so there are fewer rounds than nodes. */
    while (depth > 0) {
        espalier_place_item waiting[WAITING_MAX];
        uint32_t count = 1;
        waiting[0] = stack[--depth];
        room = room == 0 ? line_pairs : room;
        while (room > 0 && count > 0) {
            const espalier_place_item item = take_popular(tree, waiting, &count);
            const espalier_status status = place_pair(tree, item, waiting, &count);
            if (status != ESPALIER_OK) {
                return status;
            }
            room--;
        }
        /* The most popular goes on last and comes off first. */
        const uint32_t left_over = count;
        for (uint32_t i = 0; i < left_over; i++) {
            stack[depth + left_over - 1 - i] = take_popular(tree, waiting, &count);
        }
        depth += left_over;
    }
    return ESPALIER_OK;
}

espalier_status espalier_place_tree(const espalier_placer *placer, const espalier_forest_tree *tree,
                                    uint8_t *nodes, uint8_t *numbers)
{
    const espalier_forest *const forest = placer->work->forest;
    placing state = {
        .placer = placer,
        .left = forest->left + tree->first_node,
        .right = forest->right + tree->first_node,
        .cover = forest->cover + tree->first_node,
        .first_node = tree->first_node,
        .first_leaf = tree->first_leaf,
        .nodes = nodes,
        .numbers = numbers,
        .next_position = 2,
    };
    espalier_status status = ESPALIER_OK;
    if (state.left[0] == ESPALIER_FOREST_LEAF) {
        status = store_leaf(&state, 0, 0);
    } else {
        status = place_lines(&state);
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    store_filler(&state, 1);
    const uint64_t positions = espalier_place_positions(tree->node_count);
    for (uint64_t position = state.next_position; position < positions; position++) {
        store_filler(&state, (uint32_t)position);
    }
    return ESPALIER_OK;
}
