// SPDX-License-Identifier: Apache-2.0
/*
 * The mask layouts: trees of HEAP by levels, trees of SELECT and BITS in preorder, the leaves of
 * each tree side by side. Inside convert/flatten*. Trees here have at most 256 leaves.
 */
#include "convert/flatten_work.h"

#include <stdlib.h>
#include <string.h>

#define LEAVES_MAX ESPALIER_SELECT_LEAVES
#define NODES_MAX  (2 * LEAVES_MAX) /* of a tree, and one */

static_assert(1u << ESPALIER_HEAP_LEVELS == LEAVES_MAX, "both masks hold as many leaves");

/* One tree on its way. */
typedef struct mask_tree {
    const espalier_flattening *work;
    const espalier_forest_tree *source;
    const espalier_file_tree *tree;
    uint8_t *nodes;   /* of position 0 */
    uint8_t *numbers; /* of leaf 0 */
} mask_tree;

static bool is_leaf(const mask_tree *state, uint32_t node)
{
    return state->work->forest->left[state->source->first_node + node] == ESPALIER_FOREST_LEAF;
}

static uint32_t find_child(const mask_tree *state, uint32_t node, bool right)
{
    const espalier_forest *const forest = state->work->forest;
    const uint64_t index = state->source->first_node + node;
    return right ? forest->right[index] : forest->left[index];
}

/* Leaf `number` of the tree is the trainer's `node`: its values, and the trainer's number. */
static void store_leaf(const mask_tree *state, uint32_t number, uint32_t node)
{
    const espalier_flattening *const work = state->work;
    const uint64_t index = state->source->first_node + node;
    const uint32_t number_bytes = work->flat->model.number_bytes;
    espalier_flatten_store_leaf(work, (uint64_t)state->tree->first_leaf + number,
                                state->source->first_leaf + work->forest->right[index]);
    espalier_flatten_store(state->numbers + (uint64_t)number * number_bytes,
                           espalier_flatten_number(work, index, node), number_bytes);
}

/* ---- HEAP ---- */

/* Columns, then thresholds. Below a leaf that lies higher up, fillers lead to its copies. */
static void place_heap(const mask_tree *state)
{
    const uint32_t width = state->work->part->node_bytes / 2;
    const uint32_t count = state->tree->node_count;
    const uint32_t first_leaf = state->tree->leaf_count; /* in the heap */
    uint32_t node_at[NODES_MAX] = {0};
    node_at[1] = 0;
    for (uint32_t h = 1; h < first_leaf; h++) {
        const uint32_t node = node_at[h];
        const bool filler = is_leaf(state, node);
        espalier_column_test test = {0, UINT32_MAX};
        if (!filler) {
            test = espalier_columns_test(&state->work->columns, state->source->first_node + node);
        }
        espalier_flatten_store(state->nodes + (uint64_t)h * width, test.column, width);
        espalier_flatten_store(state->nodes + (uint64_t)(count + h) * width, test.threshold, width);
        const size_t child = (size_t)h * 2;
        node_at[child] = filler ? node : find_child(state, node, false);
        node_at[child + 1] = filler ? node : find_child(state, node, true);
    }
    for (uint32_t h = first_leaf; h < 2 * first_leaf; h++) {
        store_leaf(state, h - first_leaf, node_at[h]);
    }
}

/* ---- SELECT ---- */

/*
 * Gives every node its place, in preorder with the more popular child first: so the way that most
 * rows go is short, and leaves that are reached together are neighbours. Inner nodes fill the
 * places below LEAVES_MAX, leaves those from there on.
 */
static void number_places(const mask_tree *state, uint16_t *place_of)
{
    const double *const cover = state->work->forest->cover + state->source->first_node;
    uint32_t inner = LEAVES_MAX - (state->tree->leaf_count - 1);
    uint32_t leaf = LEAVES_MAX;
    uint32_t stack[NODES_MAX];
    uint32_t depth = 0;
    stack[depth++] = 0;
    /* Every node is taken off once. */
    while (depth > 0) {
        const uint32_t node = stack[--depth];
        if (is_leaf(state, node)) {
            place_of[node] = (uint16_t)leaf++;
            continue;
        }
        place_of[node] = (uint16_t)inner++;
        const uint32_t left = find_child(state, node, false);
        const uint32_t right = find_child(state, node, true);
        const bool right_first = cover[right] > cover[left];
        stack[depth++] = right_first ? left : right;
        stack[depth++] = right_first ? right : left;
    }
}

static void place_select(const mask_tree *state)
{
    const uint32_t first = LEAVES_MAX - (state->tree->leaf_count - 1);
    uint16_t place_of[NODES_MAX] = {0};
    number_places(state, place_of);
    for (uint32_t node = 0; node < state->source->node_count; node++) {
        const uint32_t place = place_of[node];
        if (place >= LEAVES_MAX) {
            store_leaf(state, place - LEAVES_MAX, node);
            continue;
        }
        const espalier_column_test test =
            espalier_columns_test(&state->work->columns, state->source->first_node + node);
        uint8_t *const at =
            state->nodes + (uint64_t)(place - first) * sizeof(espalier_file_node_select);
        espalier_flatten_store(at, test.column, 2);
        espalier_flatten_store(at + 2, test.threshold, 2);
        espalier_flatten_store(at + 4, place_of[find_child(state, node, false)] - place - 1, 2);
        espalier_flatten_store(at + 6, place_of[find_child(state, node, true)] - place - 1, 2);
    }
}

/* ---- BITS ---- */

/* Writes inner node `index`, of which the leaves [first, first + left_count) are on the left. */
static void place_bits_node(const mask_tree *state, uint32_t index, uint32_t node, uint32_t first,
                            uint32_t left_count)
{
    const espalier_column_test test =
        espalier_columns_test(&state->work->columns, state->source->first_node + node);
    const uint32_t word = ((UINT32_C(1) << left_count) - 1) << first;
    uint8_t *const words = state->nodes + (size_t)2 * ESPALIER_BITS_LEAVES;
    state->nodes[index] = (uint8_t)test.column;
    state->nodes[ESPALIER_BITS_LEAVES + index] = (uint8_t)test.threshold;
    espalier_flatten_store(words + sizeof word * espalier_bits_word(index), word, sizeof word);
}

/* leaf_counts[node]: the leaves below it. Children come after their parents. */
static void count_leaves(const mask_tree *state, uint8_t *leaf_counts)
{
    for (uint32_t node = state->source->node_count; node-- > 0;) {
        leaf_counts[node] = is_leaf(state, node)
                                ? 1
                                : (uint8_t)(leaf_counts[find_child(state, node, false)] +
                                            leaf_counts[find_child(state, node, true)]);
    }
}

/* In preorder, left first: so the leaves of every subtree are neighbours. */
static void place_bits(const mask_tree *state)
{
    uint8_t leaf_counts[2 * ESPALIER_BITS_LEAVES];
    uint32_t stack[2 * ESPALIER_BITS_LEAVES];
    uint32_t depth = 0;
    uint32_t inner = 0;
    uint32_t leaf = 0;
    count_leaves(state, leaf_counts);
    memset(state->nodes + ESPALIER_BITS_LEAVES, UINT8_MAX, ESPALIER_BITS_LEAVES);
    stack[depth++] = 0;
    /* Every node is taken off once. */
    while (depth > 0) {
        const uint32_t node = stack[--depth];
        if (is_leaf(state, node)) {
            store_leaf(state, leaf++, node);
            continue;
        }
        const uint32_t left = find_child(state, node, false);
        place_bits_node(state, inner++, node, leaf, leaf_counts[left]);
        stack[depth++] = find_child(state, node, true);
        stack[depth++] = left;
    }
}

/* ---- all trees ---- */

/* SELECT and BITS look up as if the last tree had all leaves; rows of zeroes follow it. */
static uint64_t count_rows(const espalier_flattening *work)
{
    const espalier_file_tree *const trees = work->flat->trees.data;
    const espalier_file_tree *const last =
        &trees[work->part->first_tree + work->part->tree_count - 1];
    const uint32_t layout = work->part->layout;
    return last->first_leaf + (uint64_t)(layout == ESPALIER_FILE_SELECT ? ESPALIER_SELECT_LEAVES
                                         : layout == ESPALIER_FILE_BITS ? ESPALIER_BITS_LEAVES
                                                                        : last->leaf_count);
}

espalier_status espalier_flatten_mask(espalier_flattening *work)
{
    const uint32_t number_bytes = work->flat->model.number_bytes;
    const espalier_file_part *const part = work->part;
    const espalier_file_tree *const trees =
        (const espalier_file_tree *)work->flat->trees.data + part->first_tree;
    const espalier_status status = espalier_flatten_make_leaves(work, count_rows(work));
    for (uint32_t i = 0; i < part->tree_count && status == ESPALIER_OK; i++) {
        const mask_tree state = {
            .work = work,
            .source = &work->forest->trees[part->first_tree + i],
            .tree = &trees[i],
            .nodes = work->nodes + (trees[i].first_node - trees[0].first_node) * part->node_bytes,
            .numbers = work->numbers + (uint64_t)trees[i].first_leaf * number_bytes,
        };
        if (part->layout == ESPALIER_FILE_HEAP) {
            place_heap(&state);
        } else if (part->layout == ESPALIER_FILE_BITS) {
            place_bits(&state);
        } else {
            place_select(&state);
        }
    }
    return status;
}
