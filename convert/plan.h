// SPDX-License-Identifier: Apache-2.0
/*
 * What is made of a forest's sums: the stages and outputs that a source adds to it, and the same
 * list for every forest, whatever its task. May include public headers and forest.h only.
 *
 * A source first says how many sums there are (slot_count, leaf_width), then adds stages, each of
 * slots that are already there, then outputs by kind and group:
 *
 *     uint32_t p = espalier_plan_add_stage(forest, &(espalier_forest_stage){
 *         .operation = ESPALIER_FOREST_SIGMOID, .input_slot = 0, .count = 1}, NULL);
 *     ok = p != ESPALIER_PLAN_NO_SLOT && espalier_plan_add_output(forest, ...);
 */
#ifndef ESPALIER_CONVERT_PLAN_H
#define ESPALIER_CONVERT_PLAN_H

#include "convert/forest.h"

#define ESPALIER_PLAN_NO_SLOT          UINT32_MAX
#define ESPALIER_PLAN_LINEAR_CONSTANTS 3u

/*
 * Appends a stage, and its `count` constants where the operation has any; output_slot and
 * first_constant are set here. Returns the first slot it writes, or ESPALIER_PLAN_NO_SLOT when
 * memory runs out or there are too many slots. Sets the task to PLAN.
 */
uint32_t espalier_plan_add_stage(espalier_forest *forest, const espalier_forest_stage *stage,
                                 const double *constants);

/* Appends an output; they must come sorted. False when memory runs out. */
bool espalier_plan_add_output(espalier_forest *forest, const espalier_forest_output *output);

/* Gives every group the labels 0 to label_count - 1, as int64. False when memory runs out. */
bool espalier_plan_number_labels(espalier_forest *forest, uint32_t label_count);

/* How many slots a stage reads and writes, and how many constants it has. */
uint32_t espalier_plan_stage_inputs(const espalier_forest_stage *stage);
uint64_t espalier_plan_stage_outputs(const espalier_forest_stage *stage);
uint64_t espalier_plan_stage_constants(const espalier_forest_stage *stage);

/* Whether a stage writes what the row has, of the values that its constants number. */
static inline bool espalier_plan_takes_values(const espalier_forest_stage *stage)
{
    return stage->operation == ESPALIER_FOREST_VALUES ||
           stage->operation == ESPALIER_FOREST_FLUSHED_VALUES;
}

/* Why stages and outputs of a forest whose task is PLAN do not fit each other; NULL if they do. */
const char *espalier_plan_find_fault(const espalier_forest *forest);

/* Stages and outputs of any forest, all of them in memory of its own. */
typedef struct espalier_plan {
    espalier_forest_stage *stages;
    uint32_t stage_count;
    espalier_forest_output *outputs; /* without LEAF */
    uint32_t output_count;
    uint32_t slot_count;
    espalier_output_kind default_output;
} espalier_plan;

/* Status: MEMORY. */
espalier_status espalier_plan_make(const espalier_forest *forest, espalier_plan *plan_out,
                                   espalier_error *error_out);
void espalier_plan_free(espalier_plan *plan);

/* One kind of output over all groups: where each of its columns is. */
typedef struct espalier_plan_columns {
    espalier_output_kind kind;
    espalier_dtype dtype;
    uint32_t width;
    uint32_t *slots; /* [width]; NULL for CLASS and LEAF */
} espalier_plan_columns;

#define ESPALIER_PLAN_KINDS_MAX 6u

/* All kinds of the forest, LEAF with them. Status: MEMORY. */
espalier_status espalier_plan_list(const espalier_forest *forest,
                                   espalier_plan_columns columns[ESPALIER_PLAN_KINDS_MAX],
                                   uint32_t *count_out, espalier_error *error_out);
void espalier_plan_list_free(espalier_plan_columns *columns, uint32_t count);

#endif
