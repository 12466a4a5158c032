// SPDX-License-Identifier: Apache-2.0
/*
 * Sets of categories as columns: for each feature with sets a list of cuts between its categories
 * and a matrix of bits, a row for each rank, a column for each distinct set. Inside
 * convert/flatten*.
 */
#ifndef ESPALIER_CONVERT_FLATTEN_SETS_H
#define ESPALIER_CONVERT_FLATTEN_SETS_H

#include "convert/forest.h"
#include "espalier.h"
#include "format/layout.h"

#include <stdint.h>

/* The sets of one feature. */
typedef struct espalier_set_list {
    uint32_t feature;
    uint32_t set_count;    /* distinct ones */
    uint32_t word_count;   /* columns */
    uint32_t first_column; /* in bank WORD */
    uint32_t cut_count;
    double *cuts; /* [cut_count] as the forest compares numbers */
    uint32_t
        *matrix; /* [cut_count + 2][word_count]: by rank, then of a missing value; set: right */
} espalier_set_list;

typedef struct espalier_set_columns {
    const espalier_forest *forest;
    espalier_set_list *lists; /* rising by feature */
    uint32_t list_count;
    uint32_t *list_of; /* [feature_count] 1 + index in lists; 0: no sets */
    uint32_t *bit_of;  /* [set_count] of the forest's set among its feature's distinct ones */
    uint32_t column_count;
} espalier_set_columns;

/* The most bytes of all matrices, so that a small source does not make a file that fills a disk. */
#define ESPALIER_SET_BYTES_MAX (UINT64_C(1) << 31)

/*
 * Nothing is made where no node has a set. Status: LIMIT, with the bytes of all matrices in
 * *bytes_out; MEMORY. Free also after a failure.
 */
espalier_status espalier_set_columns_init(espalier_set_columns *columns,
                                          const espalier_forest *forest, uint64_t *bytes_out);
void espalier_set_columns_free(espalier_set_columns *columns);

#endif
