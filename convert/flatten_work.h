// SPDX-License-Identifier: Apache-2.0
/*
 * What the steps of flattening share. Inside convert/flatten*.
 */
#ifndef ESPALIER_CONVERT_FLATTEN_WORK_H
#define ESPALIER_CONVERT_FLATTEN_WORK_H

#include "convert/flatten.h"
#include "convert/flatten_columns.h"

#include <stddef.h>
#include <stdint.h>

typedef struct espalier_flattening {
    const espalier_forest *forest;
    const char *source;
    espalier_error *error;
    espalier_flat *flat;
    espalier_columns columns;
    espalier_file_part form; /* layout, node size and bank of all parts */
    bool own_numbers;        /* the trainer's numbers are not the nodes' indices */
    uint32_t node_count_max; /* the trainer's, of the largest tree of all */
    /* Of the part that is being made: */
    espalier_forest_part source_part;
    espalier_file_part *part;
    uint8_t *nodes;          /* its place in NODES, */
    uint8_t *numbers;        /* in NODE_NUMBERS, NULL without, */
    double *leaves;          /* and in LEAVES (or float *) */
    uint64_t position_count; /* of its trees */
    uint64_t leaf_row_count; /* masks: of its trees, without what follows the last */
    uint32_t positions_max;  /* of its largest tree */
} espalier_flattening;

/* The result of a step that failed; they give the status they report. */
espalier_status espalier_flatten_fail_memory(const espalier_flattening *work, const char *what);
espalier_status espalier_flatten_fail_limit(const espalier_flattening *work, const char *what,
                                            uint64_t count, uint64_t limit);

/* A zeroed table of count records that becomes the section, or NULL. */
void *espalier_flatten_table(espalier_flat_bytes *section, uint64_t count, size_t record_bytes);

/* Little-endian numbers of 1, 2 or 4 bytes. */
void espalier_flatten_store(uint8_t *place, uint32_t number, uint32_t bytes);

/* The trainer's number of a node; `index` counts in the forest, `node` in its tree. */
uint32_t espalier_flatten_number(const espalier_flattening *work, uint64_t index, uint32_t node);

/* Makes the part's leaf table of row_count rows: `width` values of its accumulator, zeroes. */
espalier_status espalier_flatten_make_leaves(espalier_flattening *work, uint64_t row_count);
void espalier_flatten_store_leaf(const espalier_flattening *work, uint64_t to, uint64_t from);

/* flatten_choose.c: sets the form of all parts, and gives the columns their places.
 * Status: LIMIT, MEMORY. */
espalier_status espalier_flatten_choose(espalier_flattening *work, uint32_t asked);

/* flatten_plan.c: all but nodes, leaves and numbers. Status: LIMIT, MEMORY. */
espalier_status espalier_flatten_check_limits(const espalier_flattening *work);
espalier_status espalier_flatten_make_trees(espalier_flattening *work);
espalier_status espalier_flatten_make_plan(espalier_flattening *work);
espalier_status espalier_flatten_make_constants(espalier_flattening *work);

/* flatten_preparation.c. Status: MEMORY. */
espalier_status espalier_flatten_preparation(espalier_flattening *work);

/* flatten_cover.c, after make_columns: COVER, if the trainer's counts can be added up. Status:
 * MEMORY. */
espalier_status espalier_flatten_cover(espalier_flattening *work);

/* flatten_walk.c, flatten_mask.c: a part's nodes, leaves and numbers. Status: LIMIT, MEMORY. */
espalier_status espalier_flatten_walk(espalier_flattening *work);
espalier_status espalier_flatten_mask(espalier_flattening *work);

#endif
