// SPDX-License-Identifier: Apache-2.0
/*
 * Columns at rest: those of the values of ONE_HOT, of which each row has one that is 1 and all
 * others 0. Their cells hold what 0 gives, a row changes the cells of its one value, and the next
 * row changes them back, so that ten thousand such columns cost a row no more than one.
 *
 * Must not look at the caller's rows but by way of what the preparer made of them.
 */
#ifndef ESPALIER_ENGINE_REST_H
#define ESPALIER_ENGINE_REST_H

#include "engine/columns.h"
#include "engine/model.h"
#include "espalier.h"

#include <stddef.h>
#include <stdint.h>

/* A column's cell: what it holds for 0 and for 1. */
typedef struct espalier_rest_cell {
    uint32_t bank;
    uint32_t column; /* in its bank */
    uint32_t cold;
    uint32_t hot;
} espalier_rest_cell;

/* An operation ONE_HOT some of whose values columns read. */
typedef struct espalier_rest_group {
    uint32_t place; /* of its input in prepared rows */
    uint32_t first; /* of its values */
    uint32_t count;
} espalier_rest_group;

typedef struct espalier_rest {
    uint32_t *firsts; /* [value_count + 1] by value: its first cell; NULL: nothing rests */
    espalier_rest_cell *cells;
    uint32_t cell_count;
    espalier_rest_group *groups;
    uint32_t group_count;
    uint32_t *row_values;   /* [group_count] the value that is 1, or none, in the row's cells, */
    uint32_t *block_values; /* [room_rows][group_count] and in the block's */
    uint64_t memory_bytes;
} espalier_rest;

/*
 * Marks the values that rest: marks[value_count], 1 where ONE_HOT writes the value, nothing but
 * columns and checks reads it, and these compare it as it is. A check of such a value never fails.
 */
void espalier_rest_mark(const espalier_model *model, uint8_t *marks);

/* Finds the cells and groups; places and marks are the preparer's. Status: MEMORY. Free in any
 * case. */
espalier_status espalier_rest_create(espalier_rest *rest, const espalier_model *model,
                                     const uint32_t *places, const uint8_t *marks);
/* Puts the cells of a row, and of a block of room_rows (0: there is none), to rest. Status:
 * MEMORY. */
espalier_status espalier_rest_settle(espalier_rest *rest, const espalier_cells *row,
                                     const espalier_cells *block, size_t room_rows);
void espalier_rest_free(espalier_rest *rest);

/* Row `row` of prepared rows, into a row's cells; rows [first, first + count) into a block's. */
void espalier_rest_fill_row(const espalier_rest *rest, const espalier_rows *rows, size_t row,
                            const espalier_cells *cells);
void espalier_rest_fill_block(const espalier_rest *rest, const espalier_rows *rows, size_t first,
                              size_t count, const espalier_cells *cells);

#endif
