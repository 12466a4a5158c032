// SPDX-License-Identifier: Apache-2.0
/*
 * Verifying NODES and NODE_NUMBERS: that every tree is a tree, of the size and depth its record
 * says. Bounds first: the file may change while it is verified.
 */
#include "engine/cuts.h"
#include "engine/kernels/bits_tree.h"
#include "engine/verify.h"
#include "format/error.h"
#include "format/rules.h"
#include "format/word.h"

#include <stdlib.h>
#include <string.h>

/* One tree under check: what was learnt of each position so far. */
typedef struct tree_check {
    const espalier_verify *verify;
    const espalier_file_part *part;
    const espalier_file_tree *tree;
    uint32_t tree_index;
    uint64_t number_first; /* index of the tree's first number */
    uint32_t *depths;      /* [positions] 1 + steps from the root; 0: not reached */
    uint8_t *seen;         /* [positions] numbers that some leaf has */
    uint32_t *large;       /* [positions] numbers beyond these, in order of discovery */
    uint32_t large_count;
} tree_check;

/* Room for the positions of a tree: WALK as in the file, masks inner nodes and leaves. */
#define MASK_POSITIONS ((size_t)2 * ESPALIER_SELECT_LEAVES)

static espalier_status refuse_node(const tree_check *c, uint32_t position, uint32_t rule,
                                   const char *what)
{
    const espalier_model *const model = c->verify->model;
    const uint64_t offset = (uint64_t)(model->nodes - model->map.base) +
                            (c->tree->first_node + position) * (uint64_t)c->part->node_bytes;
    return espalier_error_set(c->verify->error_out, ESPALIER_ERROR_INDEX, rule, offset,
                              "%s: tree %u, position %u: %s", c->verify->name,
                              (unsigned)c->tree_index, (unsigned)position, what);
}

/* ---- numbers ---- */

static int compare_numbers(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Notes the number of a leaf; small ones are compared at once, large ones at the end. */
static espalier_status note_number(tree_check *c, uint32_t position, uint32_t index)
{
    if (c->verify->model->numbers == NULL) {
        return ESPALIER_OK;
    }
    const uint32_t number = espalier_model_stored_number(c->verify->model, c->number_first + index);
    if (number >= espalier_tree_number_count(c->part, c->tree)) {
        c->large[c->large_count++] = number;
        return ESPALIER_OK;
    }
    if (c->seen[number] != 0) {
        return refuse_node(c, position, RULE_NUMBERS_VALUES, "two leaves have one number");
    }
    c->seen[number] = 1;
    return ESPALIER_OK;
}

static espalier_status compare_large_numbers(const tree_check *c)
{
    qsort(c->large, c->large_count, sizeof *c->large, compare_numbers);
    for (uint32_t i = 1; i < c->large_count; i++) {
        if (c->large[i] == c->large[i - 1]) {
            return refuse_node(c, 0, RULE_NUMBERS_VALUES, "two leaves have one number");
        }
    }
    return ESPALIER_OK;
}

/* ---- WALK ---- */

/* The parts of a stored node that loading masks away must hold nothing. */
static bool node_has_excess(const tree_check *c, uint32_t position, uint32_t *rule_out)
{
    const espalier_model *const model = c->verify->model;
    const uint8_t *const node =
        model->nodes + (c->tree->first_node + position) * (size_t)c->part->node_bytes;
    uint32_t words[4] = {0, 0, 0, 0};
    memcpy(words, node, c->part->node_bytes);
    uint32_t column = words[2];
    *rule_out = RULE_NODE_WIDE;
    if (c->part->node_bytes == 8) {
        column = words[1] >> c->part->child_bits;
    } else if (words[3] != 0 || words[1] >> c->part->child_bits != 0) {
        return true;
    }
    *rule_out = RULE_NODE_COLUMN;
    return column >= model->banks[ESPALIER_BANK_WORD].count;
}

static espalier_status verify_inner(const tree_check *c, uint32_t position,
                                    const espalier_walk_node *node)
{
    const espalier_model *const model = c->verify->model;
    const espalier_file_column *const column =
        &model->columns[model->banks[ESPALIER_BANK_WORD].first + node->column];
    if (column->kind == ESPALIER_COLUMN_LEAF) {
        return refuse_node(c, position, RULE_NODE_LEAF, "a leaf that tests another leaf column");
    }
    if (column->kind == ESPALIER_COLUMN_SET &&
        node->threshold - ESPALIER_SET_TEST >= ESPALIER_SET_BITS) {
        return refuse_node(c, position, RULE_NODE_BIT, "no bit of a word of sets");
    }
    const uint32_t word = UINT32_MAX - node->threshold;
    if (column->kind == ESPALIER_COLUMN_FEATURE &&
        (word > ESPALIER_WORD_LAST || espalier_word_of(espalier_word_value(word)) != word)) {
        return refuse_node(c, position, RULE_NODE_CHILD, "threshold is no number's word");
    }
    if (column->kind == ESPALIER_COLUMN_CODE && word >= column->cut_count) {
        return refuse_node(c, position, RULE_NODE_RANK, "threshold is no cut of its column");
    }
    if (node->child <= position || node->child % 2 != 0 || node->child >= c->tree->node_count - 1) {
        return refuse_node(c, position, RULE_NODE_CHILD,
                           "children out of range, or not after their parent");
    }
    if (c->depths[position] == 0) {
        return refuse_node(c, position, RULE_NODE_FILLER, "a filler that is no leaf");
    }
    if (c->depths[node->child] != 0) {
        return refuse_node(c, position, RULE_NODE_PARENT, "a node with two parents");
    }
    c->depths[node->child] = c->depths[position] + 1;
    c->depths[node->child + 1] = c->depths[position] + 1;
    return ESPALIER_OK;
}

static espalier_status verify_leaf(tree_check *c, uint32_t position, const espalier_walk_node *node)
{
    if (node->child != position || node->threshold >= c->part->leaf_count) {
        return refuse_node(c, position, RULE_NODE_LEAF, "a leaf whose row is out of range");
    }
    if (c->depths[position] != 0) {
        return note_number(c, position, position);
    }
    if (node->threshold != 0) {
        return refuse_node(c, position, RULE_NODE_FILLER, "a filler with a leaf row");
    }
    return c->verify->model->numbers == NULL ||
                   espalier_model_stored_number(c->verify->model, c->number_first + position) == 0
               ? ESPALIER_OK
               : refuse_node(c, position, RULE_NUMBERS_VALUES, "a filler's number");
}

/* Children come after their parents, so one pass in order sees every parent first. */
static espalier_status verify_walk(tree_check *c)
{
    const uint32_t node_count = c->tree->node_count;
    memset(c->depths, 0, node_count * sizeof *c->depths);
    memset(c->seen, 0, node_count);
    c->depths[0] = 1;
    uint32_t reached = 0;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < node_count; i++) {
        uint32_t rule = 0;
        if (node_has_excess(c, i, &rule)) {
            return refuse_node(c, i, rule, "column or unused bits out of range");
        }
        const espalier_walk_node node =
            espalier_model_load_node(c->verify->model, c->part, c->tree, i);
        const espalier_status status =
            node.column != 0 ? verify_inner(c, i, &node) : verify_leaf(c, i, &node);
        if (status != ESPALIER_OK) {
            return status;
        }
        reached += c->depths[i] != 0;
        depth = c->depths[i] > depth ? c->depths[i] : depth;
    }
    if (c->depths[1] != 0) {
        return refuse_node(c, 1, RULE_NODE_FILLER, "position 1 is a node");
    }
    if (reached != c->tree->source_node_count) {
        return refuse_node(c, 0, RULE_NODE_PARENT, "another number of nodes than its record says");
    }
    if (depth - 1 != c->tree->depth) {
        return refuse_node(c, 0, RULE_NODE_DEPTH, "another depth than its record says");
    }
    return ESPALIER_OK;
}

/* ---- masks ---- */

/* Whether a code's threshold is one of its column's cuts. */
static bool is_code(const espalier_file_column *column, uint32_t threshold)
{
    const uint32_t code_max = espalier_bank_code_max(column->bank);
    const uint64_t cut = (uint64_t)column->segment * code_max + threshold;
    return threshold < code_max && cut < column->cut_count;
}

static const espalier_file_column *column_of(const tree_check *c, uint32_t column)
{
    const espalier_bank *const bank = &c->verify->model->banks[c->part->bank];
    return column < bank->count ? &c->verify->model->columns[bank->first + column] : NULL;
}

/* Leaf k of a tree and leaf `other` have the same values and the same number. */
static bool leaves_agree(const tree_check *c, uint32_t k, uint32_t other)
{
    const espalier_model *const model = c->verify->model;
    const size_t row_bytes = (size_t)c->part->leaf_width * espalier_part_value_bytes(c->part);
    const uint8_t *const leaves =
        model->leaves + c->part->leaf_offset + c->tree->first_leaf * row_bytes;
    return memcmp(leaves + k * row_bytes, leaves + other * row_bytes, row_bytes) == 0 &&
           (model->numbers == NULL ||
            espalier_model_stored_number(model, c->number_first + k) ==
                espalier_model_stored_number(model, c->number_first + other));
}

/* Position 0 and those behind the last node, which nothing reads. */
static espalier_status verify_heap_unused(const tree_check *c)
{
    for (uint32_t i = 0; i < c->tree->node_count; i++) {
        const espalier_mask_node node =
            espalier_model_load_heap(c->verify->model, c->part, c->tree, i);
        if ((i == 0 || i >= c->tree->leaf_count) && (node.column != 0 || node.threshold != 0)) {
            return refuse_node(c, i, RULE_HEAP_UNUSED, "not zero, and no node");
        }
    }
    return ESPALIER_OK;
}

/* depths[h]: 1 + steps from the root to inner node or leaf h; below a filler, 0. */
static espalier_status verify_heap_node(const tree_check *c, uint32_t h)
{
    const uint32_t filler = espalier_bank_code_max(c->part->bank);
    const espalier_mask_node node = espalier_model_load_heap(c->verify->model, c->part, c->tree, h);
    const espalier_file_column *const column = column_of(c, node.column);
    uint32_t *const below = c->depths + (size_t)2 * h;
    if (node.threshold == filler) {
        if (node.column != 0) {
            return refuse_node(c, h, RULE_HEAP_FILLER, "a filler with a column");
        }
        below[0] = below[1] = 0;
        return ESPALIER_OK;
    }
    if (c->depths[h] == 0) {
        return refuse_node(c, h, RULE_HEAP_FILLER, "a node below a filler");
    }
    if (column == NULL) {
        return refuse_node(c, h, RULE_HEAP_COLUMN, "column out of range");
    }
    if (!is_code(column, node.threshold)) {
        return refuse_node(c, h, RULE_HEAP_THRESHOLD, "threshold is no cut of its column");
    }
    below[0] = below[1] = c->depths[h] + 1;
    return ESPALIER_OK;
}

/* The leaves of the trainer's tree: those whose parent is a node, and one for every topmost
 * filler. */
static espalier_status verify_heap_leaves(tree_check *c)
{
    const uint32_t leaf_count = c->tree->leaf_count;
    uint32_t real = 0;
    uint32_t depth = 0;
    uint32_t repeated = 0; /* the leaf that those below the present filler repeat */
    for (uint32_t k = 0; k < leaf_count; k++) {
        /* The topmost filler above: the last node on the way up that is one. */
        uint32_t top = 0;
        for (uint32_t h = (leaf_count + k) / 2; h > 0; h /= 2) {
            const espalier_mask_node node =
                espalier_model_load_heap(c->verify->model, c->part, c->tree, h);
            top = node.threshold == espalier_bank_code_max(c->part->bank) ? h : top;
        }
        const uint32_t node = top != 0 ? top : leaf_count + k;
        uint32_t first = node;
        while (first < leaf_count) {
            first *= 2;
        }
        if (first != leaf_count + k) {
            if (!leaves_agree(c, k, repeated)) {
                return refuse_node(c, top, RULE_HEAP_FILLER, "leaves below a filler differ");
            }
            continue;
        }
        repeated = k;
        real++;
        const uint32_t steps = c->depths[node] - 1;
        depth = steps > depth ? steps : depth;
        const espalier_status status = note_number(c, node, k);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    if (2 * real - 1 != c->tree->source_node_count) {
        return refuse_node(c, 1, RULE_MASK_LEAVES, "another number of nodes than its record says");
    }
    if (depth != c->tree->depth && (depth != 0 || c->tree->depth != 1)) {
        return refuse_node(c, 1, RULE_MASK_DEPTH, "another depth than its record says");
    }
    return ESPALIER_OK;
}

static espalier_status verify_heap(tree_check *c)
{
    memset(c->seen, 0, c->tree->leaf_count);
    c->depths[1] = 1;
    espalier_status status = verify_heap_unused(c);
    for (uint32_t h = 1; h < c->tree->leaf_count && status == ESPALIER_OK; h++) {
        status = verify_heap_node(c, h);
    }
    return status == ESPALIER_OK ? verify_heap_leaves(c) : status;
}

static espalier_status verify_select_node(const tree_check *c, uint32_t i)
{
    const espalier_model *const model = c->verify->model;
    espalier_file_node_select stored;
    memcpy(&stored, model->nodes + (c->tree->first_node + i) * (size_t)c->part->node_bytes,
           sizeof stored);
    const espalier_file_column *const column = column_of(c, stored.column);
    if (column == NULL) {
        return refuse_node(c, i, RULE_SELECT_COLUMN, "column out of range");
    }
    if (!is_code(column, stored.threshold)) {
        return refuse_node(c, i, RULE_SELECT_THRESHOLD, "threshold is no cut of its column");
    }
    /* Positions: inner nodes, then leaves; the field counts from the one behind the node. */
    const uint32_t position_count = 2 * c->tree->leaf_count - 1;
    const uint32_t left = i + 1 + stored.left;
    const uint32_t right = i + 1 + stored.right;
    if (left >= position_count || right >= position_count) {
        return refuse_node(c, i, RULE_SELECT_CHILD, "children out of range");
    }
    if (c->depths[i] == 0 || left == right || c->depths[left] != 0 || c->depths[right] != 0) {
        return refuse_node(c, i, RULE_SELECT_PARENT, "a node with two parents, or none");
    }
    c->depths[left] = c->depths[right] = c->depths[i] + 1;
    return ESPALIER_OK;
}

/* The depths and numbers of the leaves of a tree of any shape. */
static espalier_status verify_leaves(tree_check *c)
{
    const uint32_t inner_count = c->tree->leaf_count - 1;
    uint32_t depth = 0;
    for (uint32_t k = 0; k <= inner_count; k++) {
        const uint32_t steps = c->depths[inner_count + k] - 1;
        depth = steps > depth ? steps : depth;
        const espalier_status status = note_number(c, inner_count + k, k);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    return depth == c->tree->depth
               ? ESPALIER_OK
               : refuse_node(c, 0, RULE_MASK_DEPTH, "another depth than its record says");
}

static void begin_shape(const tree_check *c)
{
    memset(c->depths, 0, MASK_POSITIONS * sizeof *c->depths);
    memset(c->seen, 0, c->tree->leaf_count);
    c->depths[0] = 1;
}

/* With two children each, all of them different, every position has its one parent. */
static espalier_status verify_select(tree_check *c)
{
    const uint32_t inner_count = c->tree->leaf_count - 1;
    begin_shape(c);
    for (uint32_t i = 0; i < inner_count; i++) {
        const espalier_status status = verify_select_node(c, i);
        if (status != ESPALIER_OK) {
            return status;
        }
    }
    const uint8_t *const unused =
        c->verify->model->nodes + (c->tree->first_node + inner_count) * (size_t)c->part->node_bytes;
    const size_t unused_bytes = (c->tree->node_count - inner_count) * (size_t)c->part->node_bytes;
    if (!espalier_bytes_are_zero(unused, unused_bytes)) {
        return refuse_node(c, inner_count, RULE_SELECT_FILLER, "not zero, and no node");
    }
    return verify_leaves(c);
}

static espalier_status verify_bits(tree_check *c)
{
    const uint8_t *const nodes =
        c->verify->model->nodes + c->tree->first_node * (size_t)c->part->node_bytes;
    const uint8_t *const thresholds = nodes + ESPALIER_BITS_LEAVES;
    const uint32_t inner_count = c->tree->leaf_count - 1;
    espalier_bits_tree children;
    if (!espalier_bits_tree_of(nodes, c->tree->leaf_count, &children)) {
        return refuse_node(c, 0, RULE_BITS_TREE, "words that are no tree in preorder");
    }
    begin_shape(c);
    for (uint32_t i = 0; i < inner_count; i++) {
        const espalier_file_column *const column = column_of(c, nodes[i]);
        if (column == NULL) {
            return refuse_node(c, i, RULE_BITS_COLUMN, "column out of range");
        }
        if (!is_code(column, thresholds[i])) {
            return refuse_node(c, i, RULE_BITS_THRESHOLD, "threshold is no cut of its column");
        }
        c->depths[children.left[i]] = c->depths[children.right[i]] = c->depths[i] + 1;
    }
    for (uint32_t i = inner_count; i < ESPALIER_BITS_LEAVES; i++) {
        if (nodes[i] != 0 || thresholds[i] != UINT8_MAX) {
            return refuse_node(c, i, RULE_BITS_UNUSED, "no node, and not as those must be");
        }
    }
    return verify_leaves(c);
}

/* ---- all trees ---- */

static espalier_status verify_tree(tree_check *c)
{
    switch (c->part->layout) {
    case ESPALIER_FILE_WALK:
        return verify_walk(c);
    case ESPALIER_FILE_HEAP:
        return verify_heap(c);
    case ESPALIER_FILE_BITS:
        return verify_bits(c);
    default:
        return verify_select(c);
    }
}

static espalier_status verify_all(const espalier_verify *v, tree_check *c)
{
    const espalier_model *const model = v->model;
    for (uint32_t p = 0; p < model->part_count; p++) {
        c->part = &model->parts[p];
        for (uint32_t i = 0; i < c->part->tree_count; i++) {
            c->tree_index = c->part->first_tree + i;
            c->tree = &model->trees[c->tree_index];
            c->large_count = 0;
            espalier_status status = verify_tree(c);
            status = status == ESPALIER_OK ? compare_large_numbers(c) : status;
            if (status != ESPALIER_OK) {
                return status;
            }
            c->number_first += espalier_tree_number_count(c->part, c->tree);
        }
    }
    return ESPALIER_OK;
}

espalier_status espalier_verify_trees(const espalier_verify *v)
{
    size_t positions = MASK_POSITIONS;
    for (uint32_t i = 0; i < v->model->tree_count; i++) {
        const uint32_t node_count = v->model->trees[i].node_count;
        positions = node_count > positions ? node_count : positions;
    }
    tree_check check;
    memset(&check, 0, sizeof check);
    check.verify = v;
    check.depths = malloc(positions * sizeof *check.depths);
    check.seen = malloc(positions);
    check.large = malloc(positions * sizeof *check.large);
    const bool allocated = check.depths != NULL && check.seen != NULL && check.large != NULL;
    const espalier_status status = allocated ? verify_all(v, &check) : espalier_verify_no_memory(v);
    free(check.depths);
    free(check.seen);
    free(check.large);
    return status;
}
