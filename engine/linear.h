// SPDX-License-Identifier: Apache-2.0
/*
 * Leaves that are lines: the stage LINEAR (docs/format.md, 15.9, 18.4). A part whose trees write
 * the numbers of their leaves comes before it. Reads the mapping with every index bounded, since
 * LINEAR is not looked at when a file is opened.
 */
#ifndef ESPALIER_ENGINE_LINEAR_H
#define ESPALIER_ENGINE_LINEAR_H

#include "engine/model.h"

#include <stddef.h>
#include <stdint.h>

/* Marks the parts that some stage LINEAR names: marks[part_count], zeroed before. */
void espalier_linear_mark_parts(const espalier_model *model, uint8_t *marks);

/* A stage LINEAR and what it needs besides: which iterations are used of its part, and the first
 * leaf record of every tree of the model, firsts[tree_count]. */
typedef struct espalier_linear_call {
    const espalier_model *model;
    const espalier_file_stage *stage;
    const uint64_t *firsts;
    uint32_t iteration_first;
    uint32_t iteration_count;
} espalier_linear_call;

/* Runs it on row_count rows of slots, slot_stride apart. */
void espalier_linear_run(const espalier_linear_call *call, double *slots, size_t slot_stride,
                         size_t row_count);

/* Fills firsts[tree_count] of linear parts; marks as above. */
void espalier_linear_count_firsts(const espalier_model *model, const uint8_t *marks,
                                  uint64_t *firsts);

/* Leaf record `index`, below linear_leaf_count, and a term, below linear_term_count. */
espalier_file_linear_leaf espalier_linear_load_leaf(const espalier_model *model, uint64_t index);
espalier_file_term espalier_linear_load_term(const espalier_model *model, uint32_t index);

/* The same record with its terms bounded: at most `count`, all of them in the section. */
espalier_file_linear_leaf espalier_linear_bound_leaf(const espalier_model *model, uint64_t index,
                                                     uint32_t count);

/* A leaf number that a tree wrote; what lies in a hostile file counts as 0. */
uint64_t espalier_linear_bound_number(double number, uint64_t leaf_count);

#endif
