// SPDX-License-Identifier: Apache-2.0
/*
 * A predictor: a model's plan made ready for one thread, with all the memory it needs.
 */
#ifndef ESPALIER_ENGINE_PREDICTOR_H
#define ESPALIER_ENGINE_PREDICTOR_H

#include "engine/kernels/kernel.h"
#include "engine/model.h"

#include <stdbool.h>

/* A part of the model: its kernel, and which of its trees are summed. */
typedef struct espalier_predictor_part {
    const espalier_kernel *kernel;
    const espalier_file_part *part;
    espalier_kernel_tree *trees; /* of the iteration range, in file order */
    uint32_t tree_count;
    uint32_t iterations_used;
    espalier_kernel_tree *all_trees; /* all of the part, for LEAF; NULL without that flag */
} espalier_predictor_part;

struct espalier_predictor {
    const espalier_model *model;
    uint64_t flags;
    uint32_t block_rows; /* rows walked together */
    size_t cell_stride;  /* column_mask + 1 */
    float *cells;        /* [block_rows][cell_stride], 64-byte aligned, in cells_memory */
    void *cells_memory;
    double *slots; /* [block_rows][slot_count] */
    espalier_predictor_part *parts;
    espalier_kernel_tree *tree_pool; /* what parts[].trees and all_trees point into */
    uint32_t *positions;             /* LEAF: [most trees of a part] */
    uint32_t *preorder;      /* LEAF without NODE_NUMBERS: a number a position, over all trees */
    uint64_t *number_firsts; /* LEAF: [tree_count] first index of a tree in the numbers */
    char kernel_name[64];
};

/*
 * Runs the plan on row_count <= block_rows rows whose columns are filled: afterwards `slots` hold
 * all slots. For verify, which compares slots.
 */
void espalier_predictor_run(espalier_predictor *predictor, uint32_t row_count);

/* The trainer's leaf numbers of all trees of a part for block row `row` into leaves[tree_count]. */
void espalier_predictor_leaves(espalier_predictor *predictor, uint32_t part_index, uint32_t row,
                               int64_t *leaves);

#endif
