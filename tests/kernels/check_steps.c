// SPDX-License-Identifier: Apache-2.0
/*
 * Walk kernels of 8-byte nodes of every level this machine has, those with tops among them, against
 * a plain walk, bit for bit: sound trees and nodes that hold anything, one row and blocks.
 * What kernels read and write ends where an inaccessible page begins. Stands alone like
 * check_masks; an argument N makes it check every Nth model only.
 */
#include "engine/kernels/kernel.h"
#include "espalier.h"
#include "format/layout.h"
#include "format/word.h"
#include "tests/kernels/kernel_levels.h"
#include "tests/kernels/kernel_memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TREES_MAX   600u /* more than kernels take at once */
#define TREES_USUAL 70u
#define NODES_MAX   4096u /* of a tree */
#define ROWS_MAX    2128u /* more than kernels take at once */
#define CHILD_MAX   17u
#define COLUMNS_MAX 256u
#define WIDTH_MAX   18u /* more than a register of either type holds */
#define SLOTS_MAX   (WIDTH_MAX + 2)
#define LEAF_ROWS   500u

static float random_value(void)
{
    static const float odd[] = {0.0F, -0.0F, INFINITY, -INFINITY, 1e-44F, NAN};
    const uint32_t which = random_below(40);
    return which < 6 ? odd[which] : (float)random_below(1000) / 1000.0F;
}

/* As a node stores it. */
static uint32_t threshold_of(float value)
{
    return UINT32_MAX - espalier_word_of(value);
}

typedef struct walk_model {
    espalier_kernel_tree trees[TREES_MAX];
    espalier_kernel_arguments arguments;
    uint32_t accumulator;
    size_t item;
    bool sets; /* columns from set_first on are words of sets */
} walk_model;

static struct {
    uint8_t *nodes, *leaves, *cells, *sums, *positions;
} ends;

/* A sound tree of at most `limit` positions, bushy or long: pairs of siblings in the order they
 * come. */
static uint32_t fill_tree(espalier_file_node *nodes, uint32_t limit, uint32_t child_bits,
                          uint32_t column_count, uint32_t *depth_out)
{
    static uint32_t levels[NODES_MAX];
    uint32_t count = 1;
    uint32_t depth = 0;
    const uint32_t leaf_in = random_below(2) == 0 ? 8 : 2;
    levels[0] = 0;
    for (uint32_t at = 0; at < count; at++) {
        depth = levels[at] > depth ? levels[at] : depth;
        if (count + 2 <= limit && (at + 1 == count || random_below(leaf_in) != 0)) {
            nodes[at].threshold = threshold_of((float)random_below(1000) / 1000.0F);
            nodes[at].word = count | (1 + random_below(column_count - 1)) << child_bits;
            levels[count] = levels[at] + 1;
            levels[count + 1] = levels[at] + 1;
            count += 2;
        } else {
            nodes[at].threshold = random_below(LEAF_ROWS);
            nodes[at].word = at;
        }
    }
    *depth_out = depth;
    return count;
}

static void fill_values(void *values, size_t count, uint32_t accumulator)
{
    for (size_t i = 0; i < count; i++) {
        const double value =
            ((double)random_next() / 2147483648.0 - 0.5) * (random_below(3) == 0 ? 1e6 : 1e-2);
        if (accumulator == ESPALIER_ACCUMULATOR_FLOAT64) {
            ((double *)values)[i] = value;
        } else {
            ((float *)values)[i] = (float)value;
        }
    }
}

static void make_model(walk_model *m, bool hostile)
{
    memset(m, 0, sizeof *m);
    espalier_kernel_arguments *const a = &m->arguments;
    m->accumulator =
        random_below(2) == 0 ? ESPALIER_ACCUMULATOR_FLOAT64 : ESPALIER_ACCUMULATOR_FLOAT32;
    m->item = m->accumulator == ESPALIER_ACCUMULATOR_FLOAT64 ? 8 : 4;
    const uint32_t child_bits = 16 + random_below(2);
    const uint32_t column_count = UINT32_C(2) << random_below(8);
    const bool many = random_below(8) == 0;
    const uint32_t tree_count = 1 + random_below(many ? TREES_MAX : TREES_USUAL);
    const uint32_t limit = 1 + random_below(!many && random_below(4) == 0 ? NODES_MAX : 60);
    /* The last tree's reach ends at the inaccessible page. */
    const size_t stride = limit + 7;
    const size_t positions = (tree_count - 1) * stride + (UINT32_C(1) << child_bits) + 1;
    espalier_file_node *const nodes =
        (espalier_file_node *)(void *)(ends.nodes - positions * sizeof *nodes);
    for (size_t i = 0; i < positions; i++) {
        nodes[i].threshold = random_below(5) == 0 ? random_next() : threshold_of(random_value());
        nodes[i].word = random_next() << 1;
    }
    const bool shared = random_below(2) == 0;
    const bool shallow = random_below(2) == 0; /* kernels take such trees together */
    for (uint32_t t = 0; t < tree_count; t++) {
        espalier_kernel_tree *const tree = &m->trees[t];
        tree->nodes = (const uint8_t *)(nodes + t * stride);
        tree->depth = shallow ? 4 + random_below(12) : random_below(40);
        tree->last = limit - 1;
        if (!hostile) {
            tree->last =
                fill_tree(nodes + t * stride, limit, child_bits, column_count, &tree->depth) - 1;
        }
        tree->slot = shared ? 1 : random_below(3);
    }
    a->trees = m->trees;
    a->tree_count = tree_count;
    a->child_bits = child_bits;
    a->child_mask = (UINT32_C(1) << child_bits) - 1;
    a->column_mask = column_count - 1;
    m->sets = random_below(3) == 0;
    a->column_shift = m->sets ? 0 : random_below(2);
    a->set_first = m->sets ? 1 + random_below(column_count) : UINT32_MAX;
    a->cell_stride = column_count;
    a->leaf_last = LEAF_ROWS - 1;
    a->leaf_width = 1 + random_below(random_below(3) == 0 ? WIDTH_MAX : 4);
    a->sum_stride = a->leaf_width + 2;
    const size_t numbers = (size_t)LEAF_ROWS * a->leaf_width;
    void *const leaves = ends.leaves - numbers * m->item;
    fill_values(leaves, numbers, m->accumulator);
    a->leaf_values = leaves;
}

static uint32_t plain_walk(const walk_model *m, const espalier_kernel_tree *tree,
                           const uint32_t *cells, size_t spacing)
{
    const espalier_kernel_arguments *const a = &m->arguments;
    uint32_t at = 0;
    for (uint32_t step = 0; step < tree->depth; step++) {
        espalier_file_node node;
        memcpy(&node, tree->nodes + (size_t)at * sizeof node, sizeof node);
        const uint32_t cell = node.word >> (a->child_bits + a->column_shift) & a->column_mask;
        const uint32_t shift = cell >= a->set_first ? node.threshold % ESPALIER_SET_BITS : 0;
        const bool right = cells[cell * spacing] << shift > UINT32_MAX - node.threshold;
        at = ((node.word & a->child_mask) + right) & a->child_mask;
    }
    return at;
}

static void plain_add(const walk_model *m, const espalier_kernel_tree *tree, uint32_t at,
                      uint8_t *sums)
{
    const espalier_kernel_arguments *const a = &m->arguments;
    uint32_t number;
    memcpy(&number, tree->nodes + (size_t)at * sizeof(espalier_file_node), sizeof number);
    const size_t row = number < a->leaf_last ? number : a->leaf_last;
    for (uint32_t i = 0; i < a->leaf_width; i++) {
        const size_t from = row * a->leaf_width + i;
        if (m->accumulator == ESPALIER_ACCUMULATOR_FLOAT64) {
            ((double *)(void *)sums)[tree->slot + i] += ((const double *)a->leaf_values)[from];
        } else {
            ((float *)(void *)sums)[tree->slot + i] += ((const float *)a->leaf_values)[from];
        }
    }
}

static void fail(const espalier_kernel *kernel, const char *what, const walk_model *m)
{
    (void)fprintf(stderr, "%s: %s: %u trees, %u columns, child_bits %u, width %u\n", kernel->name,
                  what, m->arguments.tree_count, m->arguments.column_mask + 1,
                  m->arguments.child_bits, m->arguments.leaf_width);
    exit(1);
}

static uint32_t *make_cells(size_t count)
{
    uint32_t *const cells = (uint32_t *)(void *)(ends.cells - count * sizeof(uint32_t));
    for (size_t i = 0; i < count; i++) {
        cells[i] = random_below(30) == 0 ? random_next() : espalier_word_of(random_value());
    }
    return cells;
}

static void check_row(const walk_model *m, const espalier_kernel *kernel)
{
    static uint8_t want[(SLOTS_MAX)*8];
    static uint32_t positions[TREES_MAX];
    espalier_kernel_arguments a = m->arguments;
    const size_t bytes = a.sum_stride * m->item;
    uint32_t *const cells = make_cells(a.cell_stride);
    cells[0] = 0;
    a.cells = cells;
    a.row_count = 1;
    a.positions = (uint32_t *)(void *)(ends.positions - a.tree_count * sizeof(uint32_t));
    a.sums = ends.sums - bytes;
    fill_values(a.sums, a.sum_stride, m->accumulator);
    memcpy(want, a.sums, bytes);
    for (uint32_t t = 0; t < a.tree_count; t++) {
        positions[t] = plain_walk(m, &a.trees[t], cells, 1);
        plain_add(m, &a.trees[t], positions[t], want);
    }
    kernel->sum_row(&a);
    if (memcmp(a.sums, want, bytes) != 0) {
        fail(kernel, "sums of a row", m);
    }
    kernel->each_row(&a);
    if (memcmp(a.positions, positions, a.tree_count * sizeof(uint32_t)) != 0) {
        fail(kernel, "positions of a row", m);
    }
}

static void check_block(const walk_model *m, const espalier_kernel *kernel, uint32_t row_count)
{
    static uint8_t want[ROWS_MAX * SLOTS_MAX * 8];
    espalier_kernel_arguments a = m->arguments;
    const size_t bytes = row_count * a.sum_stride * m->item;
    uint32_t *const cells = make_cells(row_count * a.cell_stride);
    for (uint32_t r = 0; r < row_count; r++) {
        cells[r / ESPALIER_FLIGHT_ROWS * a.cell_stride * ESPALIER_FLIGHT_ROWS +
              r % ESPALIER_FLIGHT_ROWS] = 0;
    }
    a.cells = cells;
    a.row_count = row_count;
    a.sums = ends.sums - bytes;
    fill_values(a.sums, row_count * a.sum_stride, m->accumulator);
    memcpy(want, a.sums, bytes);
    for (uint32_t r = 0; r < row_count; r++) {
        const uint32_t *const row =
            cells + r / ESPALIER_FLIGHT_ROWS * a.cell_stride * ESPALIER_FLIGHT_ROWS +
            r % ESPALIER_FLIGHT_ROWS;
        for (uint32_t t = 0; t < a.tree_count; t++) {
            plain_add(m, &a.trees[t], plain_walk(m, &a.trees[t], row, ESPALIER_FLIGHT_ROWS),
                      want + r * a.sum_stride * m->item);
        }
    }
    kernel->sum_block(&a);
    if (memcmp(a.sums, want, bytes) != 0) {
        fail(kernel, "sums of a block", m);
    }
}

static unsigned long check_level(uint32_t level, unsigned long every_nth)
{
    static walk_model model;
    static const uint32_t flights[] = {1, 2, 3, 7, 35, 67, 133};
    const espalier_kernel_list *const list = levels_kernels(level);
    unsigned long compared = 0;
    random_state = 5;
    for (unsigned long i = 0; i < 300; i += every_nth) {
        make_model(&model, i % 3 == 0);
        for (size_t k = 0; k < list->count; k++) {
            const espalier_kernel *const kernel = &list->kernels[k];
            if (kernel->layout != ESPALIER_FILE_WALK || kernel->node_bytes != 8 ||
                kernel->clamps != 0 || kernel->accumulator != model.accumulator ||
                (kernel->sets != 0) != model.sets) {
                continue;
            }
            check_row(&model, kernel);
            check_block(&model, kernel, flights[i % 7] * ESPALIER_FLIGHT_ROWS);
            compared++;
        }
    }
    return compared;
}

int main(int argc, char **argv)
{
    unsigned long every_nth = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    every_nth = every_nth > 0 ? every_nth : 1;
    const size_t reach = (size_t)1 << CHILD_MAX;
    ends.nodes = guarded_end(((size_t)TREES_USUAL * (NODES_MAX + 8) + reach + 1) *
                             sizeof(espalier_file_node));
    ends.leaves = guarded_end((size_t)LEAF_ROWS * WIDTH_MAX * 8);
    ends.cells = guarded_end((size_t)ROWS_MAX * COLUMNS_MAX * sizeof(float));
    ends.sums = guarded_end((size_t)ROWS_MAX * SLOTS_MAX * 8);
    ends.positions = guarded_end(TREES_MAX * sizeof(uint32_t));
    unsigned long checked = 0;
    for (uint32_t level = ESPALIER_ISA_SCALAR; level < ESPALIER_ISA_COUNT; level++) {
        if (levels_can_run(level)) {
            const unsigned long compared = check_level(level, every_nth);
            (void)printf("%s: %lu walk kernels x models\n", levels_name(level), compared);
            checked += compared;
        }
    }
    return checked > 0 ? 0 : 77;
}
