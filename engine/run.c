// SPDX-License-Identifier: Apache-2.0
/*
 * Running a model's plan on rows whose columns are filled. Never allocates, locks or makes a system
 * call.
 */
#include "engine/linear.h"
#include "engine/predictor.h"
#include "engine/stages.h"

#include <string.h>

/* Sets the sums of row_count rows, which are slots themselves, to other slots of theirs. */
static void copy_starts(const espalier_predictor *predictor, const espalier_predictor_part *own,
                        const espalier_kernel_arguments *rows)
{
    const size_t stride = predictor->model->head->slot_count;
    double *const sums = rows->sums;
    for (uint32_t r = 0; r < rows->row_count; r++) {
        memcpy(sums + r * rows->sum_stride, predictor->slots + r * stride + own->part->start_index,
               own->part->slot_count * sizeof *sums);
    }
}

/* Sets the sums of row_count rows to what they start from; stride in values. */
static void start_sums(const espalier_predictor *predictor, const espalier_predictor_part *own,
                       const espalier_kernel_arguments *rows)
{
    if (own->part->start == ESPALIER_START_SLOTS) {
        copy_starts(predictor, own, rows);
        return;
    }
    const size_t value_bytes = espalier_part_value_bytes(own->part);
    const size_t bytes = own->part->slot_count * value_bytes;
    uint8_t *const sums = rows->sums;
    for (uint32_t r = 0; r < rows->row_count; r++) {
        memcpy(sums + r * rows->sum_stride * value_bytes, own->starts, bytes);
    }
}

/* Brings float32 sums to their slots, as the same numbers. */
static void widen_sums(const espalier_predictor_part *own, const espalier_kernel_arguments *rows,
                       double *slots, size_t slot_stride, uint32_t row_count)
{
    const float *const sums = rows->sums;
    for (uint32_t r = 0; r < row_count; r++) {
        for (uint32_t i = 0; i < own->part->slot_count; i++) {
            slots[r * slot_stride + i] = (double)sums[r * rows->sum_stride + i];
        }
    }
}

static void divide_sums(const espalier_model *model, const espalier_predictor_part *own,
                        double *slots, size_t slot_stride, uint32_t row_count)
{
    const espalier_file_part *const part = own->part;
    const bool by_constants = part->divisor == ESPALIER_DIVISOR_CONSTANTS;
    for (uint32_t r = 0; r < row_count; r++) {
        for (uint32_t i = 0; i < part->slot_count; i++) {
            slots[r * slot_stride + i] /= by_constants ? model->constants[part->divisor_index + i]
                                                       : (double)own->iterations_used;
        }
    }
}

/* Runs a part on arguments->row_count rows, of which the first row_count are meant. */
static void run_part(espalier_predictor *predictor, const espalier_predictor_part *own,
                     const espalier_kernel_arguments *arguments, espalier_kernel_function *function,
                     uint32_t row_count)
{
    const espalier_model *const model = predictor->model;
    const size_t slot_stride = model->head->slot_count;
    double *const slots = predictor->slots + own->part->first_slot;
    start_sums(predictor, own, arguments);
    function(arguments);
    if (own->part->accumulator == ESPALIER_ACCUMULATOR_FLOAT32) {
        widen_sums(own, arguments, slots, slot_stride, row_count);
    }
    if (own->part->divisor != ESPALIER_DIVISOR_NONE) {
        divide_sums(model, own, slots, slot_stride, row_count);
    }
}

static void run_linear(const espalier_predictor *predictor, const espalier_file_stage *stage,
                       uint32_t row_count)
{
    const espalier_model *const model = predictor->model;
    const espalier_predictor_part *const own =
        &predictor->parts[(uint32_t)model->constants[stage->table]];
    const espalier_linear_call call = {model, stage, predictor->linear_firsts, own->iteration_first,
                                       own->iterations_used};
    espalier_linear_run(&call, predictor->slots, model->head->slot_count, row_count);
}

static void run_stages(espalier_predictor *predictor, const espalier_file_step *step,
                       uint32_t row_count)
{
    const espalier_model *const model = predictor->model;
    for (uint32_t i = 0; i < step->count; i++) {
        const espalier_file_stage *const stage = &model->stages[step->first + i];
        if (espalier_stage_takes_values(stage)) {
            continue; /* filled with the columns */
        }
        if (stage->operation == ESPALIER_STAGE_LINEAR) {
            run_linear(predictor, stage, row_count);
            continue;
        }
        const bool divides = stage->operation == ESPALIER_STAGE_DIVIDE_ITERATIONS;
        const double iterations =
            divides ? (double)predictor->parts[stage->table].iterations_used : 0.0;
        espalier_stage_run(stage, model->constants, iterations, predictor->slots,
                           model->head->slot_count, row_count);
    }
}

/* Pairs are of bank WORD. */
static const espalier_kernel_arguments *row_arguments(const espalier_predictor_part *own,
                                                      bool paired)
{
    return paired && own->part->bank == ESPALIER_BANK_WORD ? &own->row_pairs : &own->row;
}

bool espalier_predictor_fill_row(espalier_predictor *predictor, const espalier_rows *rows)
{
    if (predictor->preparer.model == NULL) {
        espalier_coder_fill_slots(&predictor->coder, rows, 0, 1, predictor->slots);
        return espalier_coder_fill_row(&predictor->coder, rows, 0, &predictor->row);
    }
    size_t good = 0;
    espalier_refusal refusal = {ESPALIER_OK, 0, 0};
    const espalier_rows prepared =
        espalier_preparer_run(&predictor->preparer, rows, 0, 1, false, &good, &refusal);
    espalier_coder_fill_slots(&predictor->coder, &prepared, 0, 1, predictor->slots);
    return espalier_coder_fill_row(&predictor->coder, &prepared, 0, &predictor->row);
}

void espalier_predictor_run_row(espalier_predictor *predictor, bool paired)
{
    const espalier_model *const model = predictor->model;
    for (uint32_t i = 0; i < model->step_count; i++) {
        const espalier_file_step *const step = &model->steps[i];
        if (step->kind == ESPALIER_STEP_TREES) {
            const espalier_predictor_part *const own = &predictor->parts[step->first];
            run_part(predictor, own, row_arguments(own, paired), own->kernel->sum_row, 1);
        } else if (step->kind == ESPALIER_STEP_STAGES) {
            run_stages(predictor, step, 1);
        }
    }
}

void espalier_predictor_run_block(espalier_predictor *predictor, uint32_t row_count, bool paired)
{
    const espalier_model *const model = predictor->model;
    const uint32_t flight = predictor->flight_rows;
    for (uint32_t i = 0; i < model->step_count; i++) {
        const espalier_file_step *const step = &model->steps[i];
        if (step->kind == ESPALIER_STEP_TREES) {
            const espalier_predictor_part *const own = &predictor->parts[step->first];
            const bool pairs = paired && own->part->bank == ESPALIER_BANK_WORD;
            espalier_kernel_arguments arguments = pairs ? own->block_pairs : own->block;
            /* Whole flights: the rows behind the last are some earlier block's. */
            arguments.row_count = (row_count + flight - 1) / flight * flight;
            run_part(predictor, own, &arguments, own->kernel->sum_block, row_count);
        } else if (step->kind == ESPALIER_STEP_STAGES) {
            run_stages(predictor, step, row_count);
        }
    }
}

void espalier_predictor_leaves(espalier_predictor *predictor, uint32_t part_index, bool paired,
                               int64_t *leaves)
{
    const espalier_model *const model = predictor->model;
    const espalier_predictor_part *const own = &predictor->parts[part_index];
    espalier_kernel_arguments arguments = *row_arguments(own, paired);
    arguments.trees = own->all_trees;
    arguments.tree_count = own->part->tree_count;
    own->kernel->each_row(&arguments);
    for (uint32_t i = 0; i < own->part->tree_count; i++) {
        const uint32_t tree = own->part->first_tree + i;
        /* Hostile nodes may lead anywhere that can be read; only the tree has numbers. */
        const uint32_t count = espalier_tree_number_count(own->part, &model->trees[tree]);
        const uint32_t position = predictor->positions[i] < count ? predictor->positions[i] : 0;
        const uint64_t index = predictor->number_firsts[tree] + position;
        leaves[i] = predictor->preorder != NULL
                        ? (int64_t)predictor->preorder[index]
                        : (int64_t)espalier_model_stored_number(model, index);
    }
}
