// SPDX-License-Identifier: Apache-2.0
/*
 * Creating predictors and running a model's plan on a block of rows.
 */
#include "engine/predictor.h"

#include "engine/dispatch.h"
#include "engine/stages.h"
#include "format/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAGS_KNOWN    ((uint64_t)(ESPALIER_PREDICTOR_UNCHECKED | ESPALIER_PREDICTOR_LEAF))
#define BLOCK_ROWS_MAX 4096u
/* The default block: as many rows as amortise a pass over the nodes, in scratch that fits a usual
 * second-level cache. */
#define BLOCK_ROWS_DEFAULT  512u
#define BLOCK_BYTES_DEFAULT ((size_t)256 << 10)
/* The most scratch for a block, whatever the caller asked for: a small file may have 2^20 slots. */
#define BLOCK_BYTES_MAX   ((size_t)64 << 20)
#define SCRATCH_ALIGNMENT 64u /* a cache line */

static espalier_status read_options(const espalier_predictor_options *options,
                                    espalier_predictor_options *known_out)
{
    const espalier_predictor_options defaults = ESPALIER_PREDICTOR_OPTIONS_INIT;
    *known_out = defaults;
    if (options == NULL) {
        return ESPALIER_OK;
    }
    if (!espalier_options_known(options, sizeof *options) || (options->flags & ~FLAGS_KNOWN) != 0) {
        return ESPALIER_ERROR_OPTIONS;
    }
    for (size_t i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++) {
        if (options->reserved[i] != 0) {
            return ESPALIER_ERROR_OPTIONS;
        }
    }
    if (options->block_rows_max > BLOCK_ROWS_MAX ||
        (options->iteration_first != 0 && options->iteration_count == 0)) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    *known_out = *options;
    return ESPALIER_OK;
}

/* count x bytes of zeroed memory, or NULL. calloc, so that pages nobody touches cost nothing: a
 * predictor of single rows never touches its block. */
static void *allocate_zeroed(size_t count, size_t bytes)
{
    return calloc(count > 0 ? count : 1, bytes);
}

static espalier_kernel_tree kernel_tree(const espalier_model *model, const espalier_file_part *part,
                                        const espalier_file_tree *tree)
{
    const uint8_t *const nodes = model->nodes + tree->first_node * (size_t)part->node_bytes;
    return (espalier_kernel_tree){
        nodes, tree->depth, tree->slot, tree->node_count - 1, tree->first_leaf, tree->leaf_count,
        0};
}

/* Chooses kernels, and the trees of the iteration range. */
static espalier_status prepare_parts(espalier_predictor *predictor, uint32_t level,
                                     const espalier_predictor_options *options)
{
    const espalier_model *const model = predictor->model;
    const bool wants_leaf = (options->flags & ESPALIER_PREDICTOR_LEAF) != 0;
    espalier_kernel_tree *pool = predictor->tree_pool;
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        espalier_predictor_part *const own = &predictor->parts[p];
        uint32_t first = part->default_iteration_first;
        uint32_t count = part->default_iteration_count;
        if (options->iteration_count != 0) {
            first = options->iteration_first;
            count = options->iteration_count;
        }
        if (first > part->iteration_count || count > part->iteration_count - first) {
            return ESPALIER_ERROR_ARGUMENT;
        }
        own->part = part;
        own->kernel = espalier_dispatch_kernel(level, model->clamps, part);
        if (p == 0) {
            (void)snprintf(predictor->kernel_name, sizeof predictor->kernel_name, "%s",
                           own->kernel->name);
        }
        own->iterations_used = count;
        own->trees = pool;
        for (uint32_t i = 0; i < part->tree_count; i++) {
            const espalier_file_tree *const tree = &model->trees[part->first_tree + i];
            if (tree->iteration - first < count) {
                own->trees[own->tree_count++] = kernel_tree(model, part, tree);
            }
        }
        pool += own->tree_count;
        if (wants_leaf) {
            own->all_trees = pool;
            for (uint32_t i = 0; i < part->tree_count; i++) {
                own->all_trees[i] = kernel_tree(model, part, &model->trees[part->first_tree + i]);
            }
            pool += part->tree_count;
        }
    }
    return ESPALIER_OK;
}

/* Node numbers for LEAF: read from the file, or counted here once. */
static espalier_status prepare_leaves(espalier_predictor *predictor)
{
    const espalier_model *const model = predictor->model;
    uint64_t positions = 0;
    uint32_t tree_count_max = 0;
    uint32_t node_count_max = 0;
    predictor->number_firsts = allocate_zeroed(model->tree_count, sizeof(uint64_t));
    if (predictor->number_firsts == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    for (uint32_t p = 0; p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        tree_count_max = part->tree_count > tree_count_max ? part->tree_count : tree_count_max;
        for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
            const uint32_t node_count = model->trees[i].node_count;
            predictor->number_firsts[i] = positions;
            positions += node_count;
            node_count_max = node_count > node_count_max ? node_count : node_count_max;
        }
    }
    predictor->positions = allocate_zeroed(tree_count_max, sizeof(uint32_t));
    if (predictor->positions == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    if (model->numbers != NULL) {
        return ESPALIER_OK;
    }
    uint32_t *const stack = allocate_zeroed((size_t)node_count_max + 1, sizeof(uint32_t));
    predictor->preorder =
        positions <= SIZE_MAX ? allocate_zeroed((size_t)positions, sizeof(uint32_t)) : NULL;
    const bool allocated = stack != NULL && predictor->preorder != NULL;
    for (uint32_t p = 0; allocated && p < model->part_count; p++) {
        const espalier_file_part *const part = &model->parts[p];
        for (uint32_t i = part->first_tree; i < part->first_tree + part->tree_count; i++) {
            espalier_model_count_preorder(model, part, &model->trees[i],
                                          predictor->preorder + predictor->number_firsts[i], stack);
        }
    }
    free(stack);
    return allocated ? ESPALIER_OK : ESPALIER_ERROR_MEMORY;
}

/* Rows per block: at most what was asked for, or what keeps the scratch within a cache. */
static uint32_t choose_block_rows(const espalier_predictor *predictor, uint32_t asked)
{
    const size_t row_bytes = predictor->cell_stride * sizeof(float) +
                             (size_t)predictor->model->head->slot_count * sizeof(double);
    const size_t rows = (asked != 0 ? BLOCK_BYTES_MAX : BLOCK_BYTES_DEFAULT) / row_bytes;
    const uint32_t rows_max = asked != 0 ? asked : BLOCK_ROWS_DEFAULT;
    if (rows > rows_max) {
        return rows_max;
    }
    return rows > 0 ? (uint32_t)rows : 1;
}

static espalier_status prepare_scratch(espalier_predictor *predictor,
                                       const espalier_predictor_options *options)
{
    const espalier_model *const model = predictor->model;
    predictor->cell_stride = (size_t)model->column_mask + 1;
    predictor->block_rows = choose_block_rows(predictor, options->block_rows_max);
    const size_t rows = predictor->block_rows;
    predictor->slots = allocate_zeroed(rows, model->head->slot_count * sizeof(double));
    size_t cell_count = 0;
    if (__builtin_mul_overflow(rows, predictor->cell_stride, &cell_count) ||
        cell_count > SIZE_MAX - SCRATCH_ALIGNMENT) {
        return ESPALIER_ERROR_MEMORY;
    }
    predictor->cells_memory = allocate_zeroed(cell_count + SCRATCH_ALIGNMENT, sizeof(float));
    if (predictor->cells_memory == NULL || predictor->slots == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    uint8_t *const memory = predictor->cells_memory;
    const size_t past = (uintptr_t)memory % SCRATCH_ALIGNMENT;
    predictor->cells = (float *)(void *)(memory + (SCRATCH_ALIGNMENT - past));
    return ESPALIER_OK;
}

static espalier_status prepare(espalier_predictor *predictor,
                               const espalier_predictor_options *options)
{
    const espalier_model *const model = predictor->model;
    uint32_t level = ESPALIER_ISA_SCALAR;
    espalier_status status = espalier_dispatch_level(options->isa, &level);
    if (status != ESPALIER_OK) {
        return status;
    }
    const bool wants_leaf = (options->flags & ESPALIER_PREDICTOR_LEAF) != 0;
    predictor->parts = allocate_zeroed(model->part_count, sizeof *predictor->parts);
    predictor->tree_pool = allocate_zeroed((size_t)model->tree_count * (wants_leaf ? 2 : 1),
                                           sizeof *predictor->tree_pool);
    if (predictor->parts == NULL || predictor->tree_pool == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    status = prepare_parts(predictor, level, options);
    if (status == ESPALIER_OK) {
        status = prepare_scratch(predictor, options);
    }
    if (status == ESPALIER_OK && wants_leaf) {
        status = prepare_leaves(predictor);
    }
    return status;
}

espalier_status espalier_predictor_create(const espalier_model *model,
                                          const espalier_predictor_options *options,
                                          espalier_predictor **predictor_out)
{
    if (model == NULL || predictor_out == NULL) {
        return ESPALIER_ERROR_ARGUMENT;
    }
    espalier_predictor_options known;
    espalier_status status = read_options(options, &known);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_predictor *const predictor = calloc(1, sizeof *predictor);
    if (predictor == NULL) {
        return ESPALIER_ERROR_MEMORY;
    }
    predictor->model = model;
    predictor->flags = known.flags;
    status = prepare(predictor, &known);
    if (status != ESPALIER_OK) {
        espalier_predictor_destroy(predictor);
        return status;
    }
    *predictor_out = predictor;
    return ESPALIER_OK;
}

void espalier_predictor_destroy(espalier_predictor *predictor)
{
    if (predictor == NULL) {
        return;
    }
    free(predictor->cells_memory);
    free(predictor->slots);
    free(predictor->parts);
    free(predictor->tree_pool);
    free(predictor->positions);
    free(predictor->preorder);
    free(predictor->number_firsts);
    free(predictor);
}

const char *espalier_predictor_kernel(const espalier_predictor *predictor)
{
    return predictor != NULL ? predictor->kernel_name : "";
}

/* The arguments of a kernel for block rows from `row` on. */
static espalier_kernel_arguments kernel_arguments(const espalier_predictor *predictor,
                                                  const espalier_predictor_part *own, uint32_t row)
{
    const espalier_model *const model = predictor->model;
    const espalier_file_part *const part = own->part;
    const size_t slot_stride = model->head->slot_count;
    const void *const leaf_values = model->leaves + part->leaf_offset;
    return (espalier_kernel_arguments){
        .trees = own->trees,
        .tree_count = own->tree_count,
        .child_bits = part->child_bits,
        .child_mask = (UINT32_C(1) << part->child_bits) - 1,
        .column_mask = model->column_mask,
        .cells = predictor->cells + row * predictor->cell_stride,
        .cell_stride = predictor->cell_stride,
        .row_count = 1,
        .leaf_values = leaf_values,
        .leaf_last = part->leaf_count - 1,
        .leaf_width = part->leaf_width,
        .sums = predictor->slots + row * slot_stride + part->first_slot,
        .sum_stride = slot_stride,
    };
}

/* Sets a part's slots to what its sums start from. */
static void start_sums(const espalier_model *model, const espalier_file_part *part, double *slots)
{
    if (part->start == ESPALIER_START_CONSTANTS) {
        memcpy(slots, model->constants + part->start_index, part->slot_count * sizeof *slots);
        return;
    }
    memset(slots, 0, part->slot_count * sizeof *slots);
}

static void divide_sums(const espalier_model *model, const espalier_predictor_part *own,
                        double *slots)
{
    const espalier_file_part *const part = own->part;
    if (part->divisor == ESPALIER_DIVISOR_NONE) {
        return;
    }
    for (uint32_t i = 0; i < part->slot_count; i++) {
        slots[i] /= part->divisor == ESPALIER_DIVISOR_CONSTANTS
                        ? model->constants[part->divisor_index + i]
                        : (double)own->iterations_used;
    }
}

static void run_part(espalier_predictor *predictor, const espalier_predictor_part *own,
                     uint32_t row_count)
{
    const espalier_model *const model = predictor->model;
    const size_t slot_stride = model->head->slot_count;
    double *const slots = predictor->slots + own->part->first_slot;
    for (uint32_t r = 0; r < row_count; r++) {
        start_sums(model, own->part, slots + r * slot_stride);
    }
    /* What fills no flight of rows goes row by row, with trees in flight instead: 15 rows cost more
     * than 16 when their last seven walked one by one. */
    const uint32_t together = row_count - row_count % own->kernel->flight_rows;
    if (together > 0) {
        espalier_kernel_arguments arguments = kernel_arguments(predictor, own, 0);
        arguments.row_count = together;
        own->kernel->sum_block(&arguments);
    }
    for (uint32_t r = together; r < row_count; r++) {
        const espalier_kernel_arguments arguments = kernel_arguments(predictor, own, r);
        own->kernel->sum_row(&arguments);
    }
    for (uint32_t r = 0; r < row_count; r++) {
        divide_sums(model, own, slots + r * slot_stride);
    }
}

void espalier_predictor_run(espalier_predictor *predictor, uint32_t row_count)
{
    const espalier_model *const model = predictor->model;
    for (uint32_t i = 0; i < model->step_count; i++) {
        const espalier_file_step *const step = &model->steps[i];
        if (step->kind == ESPALIER_STEP_TREES) {
            run_part(predictor, &predictor->parts[step->first], row_count);
        }
        for (uint32_t j = 0; step->kind == ESPALIER_STEP_STAGES && j < step->count; j++) {
            espalier_stage_run(&model->stages[step->first + j], predictor->slots,
                               model->head->slot_count, row_count);
        }
    }
}

void espalier_predictor_leaves(espalier_predictor *predictor, uint32_t part_index, uint32_t row,
                               int64_t *leaves)
{
    const espalier_model *const model = predictor->model;
    const espalier_predictor_part *const own = &predictor->parts[part_index];
    espalier_kernel_arguments arguments = kernel_arguments(predictor, own, row);
    arguments.trees = own->all_trees;
    arguments.tree_count = own->part->tree_count;
    arguments.positions = predictor->positions;
    own->kernel->each_row(&arguments);
    for (uint32_t i = 0; i < own->part->tree_count; i++) {
        const uint32_t tree = own->part->first_tree + i;
        /* A hostile walk may end anywhere below 2^child_bits + 1; only the tree has numbers. */
        const uint32_t node_count = model->trees[tree].node_count;
        const uint32_t position =
            predictor->positions[i] < node_count ? predictor->positions[i] : 0;
        const uint64_t index = predictor->number_firsts[tree] + position;
        leaves[i] = predictor->preorder != NULL
                        ? (int64_t)predictor->preorder[index]
                        : (int64_t)espalier_model_stored_number(model, index);
    }
}
