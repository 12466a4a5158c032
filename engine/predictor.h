// SPDX-License-Identifier: Apache-2.0
/*
 * A predictor: a model's plan made ready for one thread, with all the memory it needs.
 */
#ifndef ESPALIER_ENGINE_PREDICTOR_H
#define ESPALIER_ENGINE_PREDICTOR_H

#include "engine/columns.h"
#include "engine/dispatch.h"
#include "engine/kernels/kernel.h"
#include "engine/model.h"
#include "engine/prepare.h"
#include "engine/rest.h"

#include <stdbool.h>

/* A part of the model: its kernel, and which of its trees are summed. */
typedef struct espalier_predictor_part {
    const espalier_kernel *kernel;
    const espalier_file_part *part;
    espalier_kernel_tree *trees; /* of the iteration range, in file order */
    uint32_t tree_count;
    uint32_t iteration_first;
    uint32_t iterations_used;
    uint32_t answer_groups_least;    /* above ESPALIER_ANSWER_GROUPS: its tests are not shared */
    espalier_kernel_tree *all_trees; /* all of the part, for LEAF; NULL without that flag */
    void *starts; /* [slot_count] what sums start from, of the accumulator's type */
    espalier_kernel_arguments row;       /* ready for one row */
    espalier_kernel_arguments block;     /* ready but for row_count */
    espalier_kernel_arguments row_pairs; /* the same for WALK where cells are filled as pairs */
    espalier_kernel_arguments block_pairs;
} espalier_predictor_part;

/* Cells of a row and of a block, places, answers with their table and sums. */
#define ESPALIER_ALIGNED_MAX 12u

struct espalier_predictor {
    const espalier_model *model;
    uint64_t flags;
    espalier_dispatch dispatch;
    espalier_coder coder;
    espalier_preparer preparer; /* zeroed where rows are taken as they are */
    espalier_rest rest;         /* zeroed where nothing rests */

    /* Rows walked together: up to block_rows, in multiples of flight_rows, which there is room for.
     * Fewer than least_rows go one by one, in all and of what is left behind such a multiple. */
    uint32_t block_rows;
    uint32_t room_rows;
    uint32_t flight_rows;
    uint32_t least_rows;

    espalier_cells row;
    espalier_cells block;
    double *slots;        /* [room_rows][slot_count] */
    float *sums;          /* [room_rows][float32_slots]: sums of a float32 part; NULL without */
    size_t float32_slots; /* the most slots of a float32 part */
    void *places;         /* of SELECT kernels; NULL without */
    espalier_answers *answers; /* of the tests that parts share; NULL without */
    void *numbers;             /* [number_rows][features] of the caller's columns, as float64 */
    uint32_t number_rows;      /* at most block_rows */

    espalier_predictor_part *parts;
    espalier_kernel_tree *tree_pool; /* what parts[].trees and all_trees point into */
    double *start_pool;              /* what parts[].starts point into */
    uint32_t *positions;             /* LEAF: [most trees of a part] */
    uint32_t *preorder;              /* LEAF without NODE_NUMBERS: as NODE_NUMBERS would be */
    uint64_t *linear_firsts;         /* [tree_count] leaf records of linear parts, or NULL */
    uint64_t *number_firsts;         /* LEAF: [tree_count] first index of a tree in the numbers */
    void *aligned[ESPALIER_ALIGNED_MAX]; /* what to free of cells, places and answers */
    uint32_t aligned_count;
    uint64_t memory_bytes;
};

/* Makes the kernels' arguments from the pointers above; to be called again when one is changed. */
void espalier_predictor_bind(espalier_predictor *predictor);

/* Whether the rows can be read and are as wide as the model's. Status: as espalier_predict. */
espalier_status espalier_predict_check_rows(const espalier_model *model, const espalier_rows *rows);

/* Fills the columns in `row` from one of the caller's, which is not checked; as
 * espalier_coder_fill_row, whether they are pairs. */
bool espalier_predictor_fill_row(espalier_predictor *predictor, const espalier_rows *rows);

/* Run the plan on one row whose columns are filled in `row`, or on row_count <= block_rows rows in
 * `block`: afterwards `slots` hold all slots. paired: what the coder said of them. */
void espalier_predictor_run_row(espalier_predictor *predictor, bool paired);
void espalier_predictor_run_block(espalier_predictor *predictor, uint32_t row_count, bool paired);

/* The trainer's leaf numbers of all trees of a part for the row in `row`: leaves[tree_count]. */
void espalier_predictor_leaves(espalier_predictor *predictor, uint32_t part_index, bool paired,
                               int64_t *leaves);

#endif
