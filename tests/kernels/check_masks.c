// SPDX-License-Identifier: Apache-2.0
/*
 * The mask kernels of every level this machine has against a plain evaluator, bit for bit: all
 * depths and shapes, both banks and accumulators, sound nodes and nodes that hold anything. What
 * kernels read and write ends where an inaccessible page begins. Stands alone, so that it also runs
 * where only the kernels were built. Leaves with 1 at the first difference. An argument N makes it
 * check every Nth model only: emulators are slow.
 */
#include "engine/kernels/kernel.h"
#include "espalier.h"
#include "format/layout.h"
#include "tests/kernels/kernel_levels.h"
#include "tests/kernels/kernel_memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREES_MAX   270u
#define GROUPS_FEW  3u
#define GROUPS_MAX  (ESPALIER_ANSWER_GROUPS + 2) /* of blocks that share tests, and some */
#define ROWS_MAX    (GROUPS_MAX * ESPALIER_GROUP_ROWS)
#define ANSWERS_MAX 65536u
#define SLOTS_MAX   16u

/* ---- memory ---- */

/* Memory that ends where an inaccessible page begins; never freed, reused by later cases. */
typedef struct guarded {
    uint8_t *end;
    size_t bytes;
} guarded;

static guarded guarded_make(size_t bytes)
{
    return (guarded){guarded_end(bytes), whole_pages(bytes)};
}

/* The last `bytes` before the inaccessible page. */
static void *last_bytes(const guarded *memory, size_t bytes)
{
    if (bytes > memory->bytes) {
        (void)fprintf(stderr, "%zu bytes of %zu\n", bytes, memory->bytes);
        exit(1);
    }
    return memory->end - bytes;
}

/* ---- cases ---- */

typedef enum shape {
    SHAPE_LEFT = 0,
    SHAPE_RIGHT = 1,
    SHAPE_BALANCED = 2,
    SHAPE_RANDOM = 3,
    SHAPE_HOSTILE = 4,
    SHAPE_COUNT = 5
} shape;

typedef struct mask_case {
    uint32_t layout;
    uint32_t bank;
    uint32_t accumulator;
    uint32_t size; /* HEAP: levels, 0: mixed; SELECT, BITS: leaves, 0: mixed */
    shape form;
    uint32_t tree_count;
    uint32_t column_count;
    uint32_t leaf_width;
    uint32_t extra_slots;
    uint32_t group_count;
    bool narrow; /* codes and thresholds from a few values only */
    bool shares; /* blocks are offered answers: HEAP, bank BYTE */
    bool blanks; /* there is room for all columns, zeros from column_count on, as in predictors */
} mask_case;

/* What a case was made into. */
typedef struct mask_model {
    espalier_kernel_tree trees[TREES_MAX];
    espalier_kernel_arguments arguments;
    size_t code_bytes;
    size_t sum_bytes;
    size_t row_count;
    uint32_t slot_count;
    espalier_answers *answers; /* at an inaccessible page, as its answers are */
    uint32_t answer_count;
} mask_model;

static struct {
    guarded nodes, leaves, codes, row_codes, sums, positions, places, tables, answers, lanes;
} memory;

static uint32_t random_code(const mask_case *c)
{
    static const uint32_t bytes[] = {0, 1, 2, 126, 127, 128, 129, 254, 255};
    static const uint32_t shorts[] = {0, 1, 255, 256, 32767, 32768, 32769, 65534, 65535};
    if (c->bank == ESPALIER_BANK_BYTE) {
        return c->narrow ? bytes[random_below(9)] : random_next() & 255;
    }
    return c->narrow ? shorts[random_below(9)] : random_next() & 65535;
}

static void store_code(void *at, size_t index, size_t width, uint32_t code)
{
    const uint8_t byte = (uint8_t)code;
    const uint16_t both = (uint16_t)code;
    memcpy((uint8_t *)at + index * width, width == 1 ? (const void *)&byte : &both, width);
}

static uint32_t load_code(const void *at, size_t index, size_t width)
{
    uint8_t byte = 0;
    uint16_t both = 0;
    memcpy(width == 1 ? (void *)&byte : &both, (const uint8_t *)at + index * width, width);
    return width == 1 ? byte : both;
}

static uint32_t random_column(const mask_case *c)
{
    return c->form == SHAPE_HOSTILE ? random_next() & 65535 : random_below(c->column_count);
}

static void fill_heap(const mask_case *c, const espalier_kernel_tree *tree, uint8_t *nodes)
{
    const size_t width = c->bank == ESPALIER_BANK_BYTE ? 1 : 2;
    const size_t positions = (size_t)tree->last + 1;
    for (size_t h = 0; h < positions; h++) {
        store_code(nodes, h, width, random_column(c));
        store_code(nodes, positions + h, width, random_code(c));
    }
}

/* How many of `inner` nodes, less the root, go below its left child. */
static uint32_t left_share(shape form, uint32_t inner)
{
    switch (form) {
    case SHAPE_LEFT:
        return inner - 1;
    case SHAPE_RIGHT:
        return 0;
    case SHAPE_BALANCED:
        return (inner - 1) / 2;
    default:
        return random_below(inner);
    }
}

/* A sound tree in preorder, leaves numbered as they come. */
static void fill_select(const mask_case *c, const espalier_kernel_tree *tree, uint8_t *nodes)
{
    struct {
        uint32_t inner, parent, right;
    } stack[300];
    const uint32_t inner = tree->leaf_count - 1;
    uint32_t depth = 0;
    uint32_t node = 0;
    uint32_t leaf = 0;
    stack[depth].inner = inner;
    stack[depth].parent = UINT32_MAX;
    stack[depth++].right = 0;
    espalier_file_node_select *const file = (espalier_file_node_select *)(void *)nodes;
    while (depth > 0) {
        depth--;
        const uint32_t count = stack[depth].inner;
        const uint32_t parent = stack[depth].parent;
        const uint32_t at = count == 0 ? inner + leaf++ : node++;
        if (parent != UINT32_MAX) {
            uint16_t *const field =
                stack[depth].right != 0 ? &file[parent].right : &file[parent].left;
            *field = (uint16_t)(at - parent - 1);
        }
        if (count == 0) {
            continue;
        }
        file[at].column = (uint16_t)random_column(c);
        file[at].threshold = (uint16_t)random_code(c);
        const uint32_t left = left_share(c->form, count);
        stack[depth].inner = count - 1 - left;
        stack[depth].parent = at;
        stack[depth++].right = 1;
        stack[depth].inner = left;
        stack[depth].parent = at;
        stack[depth++].right = 0;
    }
}

/* A sound tree from a list of spans of leaves, the left one of two on top. */
static void fill_bits(const mask_case *c, const espalier_kernel_tree *tree, uint8_t *nodes)
{
    struct {
        uint32_t first, count;
    } stack[64];
    uint32_t words[ESPALIER_BITS_LEAVES] = {0};
    uint32_t depth = 0;
    uint32_t node = 0;
    memset(nodes, 0, ESPALIER_BITS_LEAVES);
    memset(nodes + ESPALIER_BITS_LEAVES, UINT8_MAX, ESPALIER_BITS_LEAVES);
    stack[depth].first = 0;
    stack[depth++].count = tree->leaf_count;
    while (depth > 0) {
        depth--;
        const uint32_t first = stack[depth].first;
        const uint32_t count = stack[depth].count;
        if (count == 1) {
            continue;
        }
        const uint32_t left = 1 + left_share(c->form, count - 1);
        nodes[node] = (uint8_t)random_column(c);
        nodes[ESPALIER_BITS_LEAVES + node] = (uint8_t)random_code(c);
        words[espalier_bits_word(node++)] = ((UINT32_C(1) << left) - 1) << first;
        stack[depth].first = first + left;
        stack[depth++].count = count - left;
        stack[depth].first = first;
        stack[depth++].count = left;
    }
    memcpy(nodes + 2 * ESPALIER_BITS_LEAVES, words, sizeof words);
}

static void fill_random(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[i] = (uint8_t)random_next();
    }
}

static size_t node_bytes(const mask_case *c)
{
    const size_t width = c->bank == ESPALIER_BANK_BYTE ? 1 : 2;
    return c->layout == ESPALIER_FILE_HEAP   ? 2 * width
           : c->layout == ESPALIER_FILE_BITS ? 2 + sizeof(uint32_t)
                                             : sizeof(espalier_file_node_select);
}

static uint32_t leaf_room(const mask_case *c, const espalier_kernel_tree *tree)
{
    return c->layout == ESPALIER_FILE_HEAP   ? tree->leaf_count
           : c->layout == ESPALIER_FILE_BITS ? ESPALIER_BITS_LEAVES
                                             : ESPALIER_SELECT_LEAVES;
}

/* Lays out the trees' nodes; the last tree's readable nodes end at the inaccessible page. */
static void make_trees(const mask_case *c, mask_model *m)
{
    const bool heap = c->layout == ESPALIER_FILE_HEAP;
    const bool select = c->layout == ESPALIER_FILE_SELECT;
    size_t bytes = 0;
    uint32_t leaf_rows = 0;
    for (uint32_t t = 0; t < c->tree_count; t++) {
        espalier_kernel_tree *const tree = &m->trees[t];
        *tree = (espalier_kernel_tree){.first_leaf = leaf_rows};
        if (heap) {
            tree->depth = c->size != 0 ? c->size : 1 + random_below(ESPALIER_HEAP_LEVELS);
            tree->leaf_count = UINT32_C(1) << tree->depth;
            tree->last = (tree->depth > 5 ? tree->leaf_count : ESPALIER_HEAP_NODES) - 1;
        } else {
            tree->leaf_count = c->size != 0 ? c->size : 1 + random_below(leaf_room(c, tree));
            /* Depths may lie: one row may not rely on them. */
            tree->depth = select && random_below(3) == 0 ? random_below(tree->leaf_count)
                                                         : tree->leaf_count - 1;
            tree->last = select ? (tree->leaf_count + 6) / 8 * 8 - (tree->leaf_count > 1 ? 1 : 0)
                                : ESPALIER_BITS_LEAVES - 1;
        }
        bytes += ((size_t)tree->last + 1) * node_bytes(c);
        /* Tables overlap here and there, as deduplication may have it. */
        leaf_rows += random_below(4) == 0 ? tree->leaf_count / 2 : tree->leaf_count;
        tree->slot = random_below(c->extra_slots + 1);
    }
    if (select) {
        bytes -= ((size_t)m->trees[c->tree_count - 1].last + 1) * sizeof(espalier_file_node_select);
        bytes += ESPALIER_SELECT_REACH * sizeof(espalier_file_node_select);
    }
    uint8_t *nodes = last_bytes(&memory.nodes, bytes);
    fill_random(nodes, bytes);
    uint32_t leaf_last = 0;
    for (uint32_t t = 0; t < c->tree_count; t++) {
        espalier_kernel_tree *const tree = &m->trees[t];
        tree->nodes = nodes;
        if (heap) {
            fill_heap(c, tree, nodes);
        } else if (select && c->form != SHAPE_HOSTILE) {
            fill_select(c, tree, nodes);
        } else if (!select && (c->form != SHAPE_HOSTILE || random_below(2) == 0)) {
            fill_bits(c, tree, nodes); /* hostile: columns, and one bit that makes it no tree */
            nodes[2 * ESPALIER_BITS_LEAVES + random_below(128)] ^=
                c->form == SHAPE_HOSTILE ? (uint8_t)(1u << random_below(8)) : 0;
        }
        nodes += ((size_t)tree->last + 1) * node_bytes(c);
        const uint32_t end = tree->first_leaf + leaf_room(c, tree);
        leaf_last = end - 1 > leaf_last ? end - 1 : leaf_last;
    }
    m->arguments.trees = m->trees;
    m->arguments.tree_count = c->tree_count;
    m->arguments.leaf_last = leaf_last;
}

/* Numbers of several magnitudes, so that the order of additions shows. */
static void fill_values(void *values, size_t count, uint32_t accumulator)
{
    static const double scales[] = {1, 1e-3, 1e4, 3e-7, -1, 1e9};
    for (size_t i = 0; i < count; i++) {
        const double value = ((double)random_next() / 2147483648.0 - 0.5) * scales[random_below(6)];
        if (accumulator == ESPALIER_ACCUMULATOR_FLOAT64) {
            ((double *)values)[i] = value;
        } else {
            ((float *)values)[i] = (float)value;
        }
    }
}

/* The most that a row has in a column. */
static uint32_t most_code(const mask_case *c, const uint8_t *codes, size_t code_columns,
                          size_t column)
{
    uint32_t most = 0;
    for (size_t g = 0; g < c->group_count; g++) {
        const uint8_t *const own = codes + (g * code_columns + column) * ESPALIER_GROUP_ROWS;
        for (size_t r = 0; r < ESPALIER_GROUP_ROWS; r++) {
            most = own[r] > most ? own[r] : most;
        }
    }
    return most;
}

/* The table of answers. Thresholds may lie behind a column's last test; hostile nodes name any
 * column, so without blanks there are answers for whatever is read. */
static void make_answers(const mask_case *c, mask_model *m)
{
    const bool all = c->form == SHAPE_HOSTILE && !c->blanks;
    espalier_answers *const table = last_bytes(&memory.tables, sizeof *table);
    const uint8_t *const codes = last_bytes(&memory.codes, m->code_bytes);
    memset(table, 0, sizeof *table);
    table->column_count = all ? ESPALIER_ANSWER_COLUMNS : c->column_count;
    uint32_t first = 0;
    for (uint32_t i = 0; i < table->column_count; i++) {
        table->firsts[i] = (uint16_t)first;
        table->lasts[i] =
            (uint16_t)(all ? UINT8_MAX : most_code(c, codes, m->arguments.code_columns, i));
        first += table->lasts[i] + 1u;
    }
    for (uint32_t i = table->column_count; i < ESPALIER_ANSWER_COLUMNS; i++) {
        table->firsts[i] = table->lasts[0];
    }
    table->sum_slots = random_below(SLOTS_MAX + 1);
    table->sums = last_bytes(&memory.lanes,
                             table->sum_slots * ESPALIER_ANSWER_ROWS *
                                 (c->accumulator == ESPALIER_ACCUMULATOR_FLOAT64 ? sizeof(double)
                                                                                 : sizeof(float)));
    m->answers = table;
    m->answer_count = first;
    table->answers = last_bytes(&memory.answers, first * sizeof *table->answers);
    fill_random((uint8_t *)table->answers, first * sizeof *table->answers);
    for (uint32_t i = 0; i < table->column_count; i++) {
        memset(&table->answers[table->firsts[i] + table->lasts[i]], 0, sizeof *table->answers);
    }
}

static void make_model(const mask_case *c, mask_model *m)
{
    memset(m, 0, sizeof *m);
    make_trees(c, m);
    m->row_count = (size_t)c->group_count * ESPALIER_GROUP_ROWS;
    espalier_kernel_arguments *const a = &m->arguments;
    const size_t item = c->accumulator == ESPALIER_ACCUMULATOR_FLOAT64 ? 8 : 4;
    const size_t width = c->bank == ESPALIER_BANK_BYTE ? 1 : 2;
    uint32_t mask = 1;
    while (mask + 1 < c->column_count) {
        mask = 2 * mask + 1;
    }
    a->column_mask = c->bank == ESPALIER_BANK_BYTE ? 255 : mask;
    a->code_columns = c->blanks ? ESPALIER_ANSWER_COLUMNS : c->column_count;
    a->leaf_width = c->leaf_width;
    m->slot_count = c->leaf_width + c->extra_slots;
    a->sum_stride = m->slot_count;
    const size_t leaf_numbers = ((size_t)a->leaf_last + 1) * c->leaf_width;
    void *const leaves = last_bytes(&memory.leaves, leaf_numbers * item);
    fill_values(leaves, leaf_numbers, c->accumulator);
    a->leaf_values = leaves;
    m->sum_bytes = m->row_count * m->slot_count * item;
    const size_t lanes =
        ((c->group_count - 1) * a->code_columns + a->column_mask + 1) * ESPALIER_GROUP_ROWS;
    m->code_bytes = lanes * width;
    void *const codes = last_bytes(&memory.codes, m->code_bytes);
    for (size_t i = 0; i < lanes; i++) {
        const size_t column = i / ESPALIER_GROUP_ROWS % a->code_columns;
        const bool blank = c->blanks && column >= c->column_count;
        store_code(codes, i, width, blank ? 0 : random_code(c));
    }
    if (c->shares) {
        make_answers(c, m);
    }
}

/* ---- the plain evaluator ---- */

/* The leaf of one row, by the words of layout.h. `stride`: how far apart the row's codes lie. */
static uint32_t plain_leaf(const mask_case *c, const mask_model *m,
                           const espalier_kernel_tree *tree, const void *codes, size_t first,
                           size_t stride)
{
    const size_t width = c->bank == ESPALIER_BANK_BYTE ? 1 : 2;
    const uint32_t column_mask = m->arguments.column_mask;
    if (c->layout == ESPALIER_FILE_HEAP) {
        uint32_t h = 1;
        for (uint32_t level = 0; level < tree->depth; level++) {
            const uint32_t column = load_code(tree->nodes, h, width) & column_mask;
            const uint32_t threshold = load_code(tree->nodes, (size_t)tree->last + 1 + h, width);
            h = 2 * h + (load_code(codes, first + column * stride, width) > threshold ? 1 : 0);
        }
        return h - (UINT32_C(1) << tree->depth);
    }
    if (c->layout == ESPALIER_FILE_BITS) {
        uint32_t cleared = 0;
        for (uint32_t i = 0; i < ESPALIER_BITS_LEAVES; i++) {
            uint32_t word = 0;
            memcpy(&word,
                   tree->nodes + 2 * ESPALIER_BITS_LEAVES + sizeof word * espalier_bits_word(i),
                   sizeof word);
            const uint32_t code = load_code(codes, first + tree->nodes[i] * stride, width);
            cleared |= code > tree->nodes[ESPALIER_BITS_LEAVES + i] ? word : 0;
        }
        uint32_t leaf = 0;
        while (leaf < ESPALIER_BITS_LEAVES - 1 && (cleared >> leaf & 1) != 0) {
            leaf++;
        }
        return leaf;
    }
    const uint32_t root = ESPALIER_SELECT_LEAVES - (tree->leaf_count - 1);
    uint32_t place = root;
    while (place < ESPALIER_SELECT_LEAVES) {
        espalier_file_node_select node;
        memcpy(&node, tree->nodes + (place - root) * sizeof node, sizeof node);
        const uint32_t code = load_code(codes, first + (node.column & column_mask) * stride, width);
        /* A byte's code never passes a threshold of two bytes. */
        const uint32_t field = code > node.threshold ? node.right : node.left;
        place += 1 + field % ESPALIER_SELECT_REACH;
    }
    const uint32_t leaf = place - ESPALIER_SELECT_LEAVES;
    return leaf < ESPALIER_SELECT_LEAVES ? leaf : 0;
}

static void plain_add(const mask_case *c, const mask_model *m, const espalier_kernel_tree *tree,
                      uint32_t leaf, uint8_t *sums)
{
    const size_t from = ((size_t)tree->first_leaf + leaf) * c->leaf_width;
    for (uint32_t i = 0; i < c->leaf_width; i++) {
        if (c->accumulator == ESPALIER_ACCUMULATOR_FLOAT64) {
            ((double *)(void *)sums)[tree->slot + i] +=
                ((const double *)m->arguments.leaf_values)[from + i];
        } else {
            ((float *)(void *)sums)[tree->slot + i] +=
                ((const float *)m->arguments.leaf_values)[from + i];
        }
    }
}

typedef struct mask_answers {
    uint32_t leaves[ROWS_MAX][TREES_MAX];
    uint8_t starts[ROWS_MAX * 16 * 8];
    uint8_t sums[ROWS_MAX * 16 * 8];
} mask_answers;

static void evaluate(const mask_case *c, const mask_model *m, mask_answers *want)
{
    const size_t item = c->accumulator == ESPALIER_ACCUMULATOR_FLOAT64 ? 8 : 4;
    fill_values(want->starts, m->row_count * m->slot_count, c->accumulator);
    memcpy(want->sums, want->starts, m->sum_bytes);
    const void *const codes = last_bytes(&memory.codes, m->code_bytes);
    for (uint32_t r = 0; r < m->row_count; r++) {
        const size_t first =
            r / ESPALIER_GROUP_ROWS * m->arguments.code_columns * ESPALIER_GROUP_ROWS +
            r % ESPALIER_GROUP_ROWS;
        for (uint32_t t = 0; t < c->tree_count; t++) {
            const espalier_kernel_tree *const tree = &m->trees[t];
            const uint32_t leaf = plain_leaf(c, m, tree, codes, first, ESPALIER_GROUP_ROWS);
            want->leaves[r][t] = leaf;
            plain_add(c, m, tree, leaf, want->sums + (size_t)r * m->slot_count * item);
        }
    }
}

/* ---- comparing ---- */

static const char *fail(const mask_case *c, const espalier_kernel *kernel, const char *what)
{
    (void)fprintf(stderr,
                  "%s: %s: layout %u bank %u accumulator %u size %u form %d trees %u columns %u "
                  "width %u slots +%u\n",
                  kernel->name, what, c->layout, c->bank, c->accumulator, c->size, (int)c->form,
                  c->tree_count, c->column_count, c->leaf_width, c->extra_slots);
    exit(1);
}

/* One row's codes, as the one-row kernels want them. */
static void *copy_row(const mask_case *c, const mask_model *m, uint32_t row)
{
    const size_t width = c->bank == ESPALIER_BANK_BYTE ? 1 : 2;
    const size_t columns = (size_t)m->arguments.column_mask + 1;
    const size_t bytes = (columns * width + 63) / 64 * 64;
    void *const to = last_bytes(&memory.row_codes, bytes);
    const void *const codes = last_bytes(&memory.codes, m->code_bytes);
    const size_t first =
        row / ESPALIER_GROUP_ROWS * m->arguments.code_columns * ESPALIER_GROUP_ROWS +
        row % ESPALIER_GROUP_ROWS;
    for (size_t i = 0; i < columns; i++) {
        store_code(to, i, width, load_code(codes, first + i * ESPALIER_GROUP_ROWS, width));
    }
    return to;
}

static void compare_rows(const mask_case *c, const mask_model *m, const mask_answers *want,
                         const espalier_kernel *kernel)
{
    const size_t row_bytes = m->sum_bytes / m->row_count;
    for (uint32_t r = 0; r < m->row_count; r += 1 + random_below(23)) {
        espalier_kernel_arguments a = m->arguments;
        a.row_count = 1;
        a.codes = copy_row(c, m, r);
        a.positions = last_bytes(&memory.positions, c->tree_count * sizeof *a.positions);
        kernel->each_row(&a);
        if (memcmp(a.positions, want->leaves[r], c->tree_count * sizeof *a.positions) != 0) {
            (void)fail(c, kernel, "leaves of a row");
        }
        a.positions = NULL;
        a.sums = last_bytes(&memory.sums, row_bytes);
        memcpy(a.sums, want->starts + r * row_bytes, row_bytes);
        kernel->sum_row(&a);
        if (memcmp(a.sums, want->sums + r * row_bytes, row_bytes) != 0) {
            (void)fail(c, kernel, "sums of a row");
        }
    }
}

/* Groups [first, end) as a block. */
static void compare_block(const mask_case *c, const mask_model *m, const mask_answers *want,
                          const espalier_kernel *kernel, uint32_t first, uint32_t end)
{
    const size_t row_bytes = m->sum_bytes / m->row_count;
    const size_t width = c->bank == ESPALIER_BANK_BYTE ? 1 : 2;
    const size_t group_bytes = m->arguments.code_columns * ESPALIER_GROUP_ROWS * width;
    espalier_kernel_arguments a = m->arguments;
    a.row_count = (end - first) * ESPALIER_GROUP_ROWS;
    if (a.row_count % kernel->flight_rows != 0) {
        return;
    }
    const size_t bytes = a.row_count * row_bytes;
    const size_t skipped = (size_t)first * ESPALIER_GROUP_ROWS * row_bytes;
    a.codes = (const uint8_t *)last_bytes(&memory.codes, m->code_bytes) + first * group_bytes;
    a.places =
        last_bytes(&memory.places, (size_t)ESPALIER_PLACE_COUNT * ESPALIER_GROUP_ROWS * width);
    a.sums = last_bytes(&memory.sums, bytes);
    if (c->shares && kernel->answer_cost != 0) {
        a.answers = m->answers;
        a.answer_groups_least = 1 + random_below(ESPALIER_ANSWER_GROUPS);
    }
    memcpy(a.sums, want->starts + skipped, bytes);
    kernel->sum_block(&a);
    if (memcmp(a.sums, want->sums + skipped, bytes) != 0) {
        (void)fail(c, kernel, a.answers != NULL ? "sums of a block, shared" : "sums of a block");
    }
}

static void compare_blocks(const mask_case *c, const mask_model *m, const mask_answers *want,
                           const espalier_kernel *kernel)
{
    for (uint32_t first = 0; first < c->group_count; first++) {
        for (uint32_t end = first + 1; end <= c->group_count; end++) {
            /* Of many groups those that begin or end with the first or last. */
            if (c->group_count <= GROUPS_FEW || first == 0 || end == c->group_count) {
                compare_block(c, m, want, kernel, first, end);
            }
        }
    }
}

static unsigned long comparisons;
static unsigned long models_made;
static unsigned long every_nth = 1;

static void check_case(const mask_case *c, uint32_t level)
{
    static mask_model model;
    static mask_answers want;
    const espalier_kernel_list *const list = levels_kernels(level);
    if (models_made++ % every_nth != 0) {
        return;
    }
    make_model(c, &model);
    evaluate(c, &model, &want);
    for (size_t i = 0; i < list->count; i++) {
        const espalier_kernel *const kernel = &list->kernels[i];
        if (kernel->layout != c->layout || kernel->bank != c->bank ||
            kernel->accumulator != c->accumulator ||
            (kernel->column_count_max != 0 && kernel->column_count_max < c->column_count)) {
            continue;
        }
        memset(memory.places.end - memory.places.bytes, 0, memory.places.bytes);
        compare_rows(c, &model, &want, kernel);
        compare_blocks(c, &model, &want, kernel);
        comparisons++;
    }
}

static void check_sizes(mask_case c, uint32_t level, uint32_t size)
{
    static const uint32_t widths[] = {1, 1, 2, 3, 7};
    static const uint32_t tree_counts[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 33, TREES_MAX};
    static const uint32_t columns[] = {1, 2, 7, 16, 33, 64, 100, 128, 200, 256};
    for (uint32_t form = 0; form < SHAPE_COUNT; form++) {
        c.size = size;
        c.form = (shape)form;
        c.leaf_width = widths[random_below(5)];
        c.extra_slots = random_below(3) == 0 ? random_below(9) : 0;
        c.tree_count = tree_counts[random_below(11)];
        c.column_count = columns[random_below(10)];
        if (c.bank == ESPALIER_BANK_SHORT && random_below(8) == 0) {
            c.column_count = 300 + random_below(1500);
        }
        c.narrow = random_below(2) == 0;
        c.shares =
            c.layout == ESPALIER_FILE_HEAP && c.bank == ESPALIER_BANK_BYTE && random_below(2) == 0;
        c.blanks = c.shares && random_below(2) == 0;
        c.group_count = c.shares ? GROUPS_MAX : GROUPS_FEW;
        check_case(&c, level);
    }
}

static void check_level(uint32_t level)
{
    static const uint32_t leaf_counts[] = {1,  2,  3,  4,  5,   8,   9,   16,  17,  31, 32,
                                           33, 63, 64, 65, 127, 128, 129, 200, 255, 256};
    for (uint32_t bank = ESPALIER_BANK_BYTE; bank <= ESPALIER_BANK_SHORT; bank++) {
        for (uint32_t sums = ESPALIER_ACCUMULATOR_FLOAT64; sums <= ESPALIER_ACCUMULATOR_FLOAT32;
             sums++) {
            mask_case c = {.layout = ESPALIER_FILE_HEAP, .bank = bank, .accumulator = sums};
            for (uint32_t size = 0; size <= ESPALIER_HEAP_LEVELS; size++) {
                for (int repeat = 0; repeat < 3; repeat++) {
                    check_sizes(c, level, size);
                }
            }
            c.layout = ESPALIER_FILE_SELECT;
            check_sizes(c, level, 0);
            check_sizes(c, level, 0);
            for (size_t i = 0; i < sizeof leaf_counts / sizeof leaf_counts[0]; i++) {
                check_sizes(c, level, leaf_counts[i]);
            }
            c.layout = ESPALIER_FILE_BITS;
            for (uint32_t size = 0; size <= ESPALIER_BITS_LEAVES && bank == ESPALIER_BANK_BYTE;
                 size++) {
                check_sizes(c, level, size);
                check_sizes(c, level, size);
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        every_nth = strtoul(argv[1], NULL, 10);
        every_nth = every_nth > 0 ? every_nth : 1;
    }
    memory.nodes = guarded_make((size_t)TREES_MAX * 4096 + 16384);
    memory.leaves = guarded_make((size_t)(TREES_MAX + 2) * 256 * 7 * 8);
    memory.codes = guarded_make((size_t)GROUPS_MAX * 2048 * ESPALIER_GROUP_ROWS * 2);
    memory.row_codes = guarded_make(4096);
    memory.sums = guarded_make((size_t)ROWS_MAX * 16 * 8);
    memory.positions = guarded_make(TREES_MAX * sizeof(uint32_t));
    memory.places = guarded_make((size_t)ESPALIER_PLACE_COUNT * ESPALIER_GROUP_ROWS * 2);
    memory.tables = guarded_make(sizeof(espalier_answers));
    memory.lanes = guarded_make(SLOTS_MAX * ESPALIER_ANSWER_ROWS * sizeof(double));
    memory.answers = guarded_make(ANSWERS_MAX * sizeof(espalier_answer));
    uint32_t checked = 0;
    for (uint32_t level = ESPALIER_ISA_SCALAR; level < ESPALIER_ISA_COUNT; level++) {
        if (!levels_can_run(level)) {
            continue;
        }
        random_state = level;
        comparisons = 0;
        check_level(level);
        (void)printf("%s: %lu kernels x models\n", levels_name(level), comparisons);
        checked++;
    }
    return checked > 0 ? 0 : 77;
}
