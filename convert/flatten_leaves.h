// SPDX-License-Identifier: Apache-2.0
/*
 * The leaf table while it is built: rows of leaf values, each distinct one once, in order of first
 * use. Inside convert/flatten*. Rows differ when a bit does: 0.0 and -0.0 are two.
 */
#ifndef ESPALIER_CONVERT_FLATTEN_LEAVES_H
#define ESPALIER_CONVERT_FLATTEN_LEAVES_H

#include "espalier.h"

#include <stdint.h>

/* Rows are looked at only where the hashes agree: they lie anywhere in memory. */
typedef struct espalier_leaf_slot {
    uint32_t entry; /* 0: free, else distinct row + 1 */
    uint32_t hash;  /* the high half of the row's */
} espalier_leaf_slot;

typedef struct espalier_leaf_table {
    const double *values; /* the forest's, [row][width]; borrowed */
    uint32_t width;
    uint64_t *rows; /* [count] where each distinct row stands first in values */
    uint32_t count;
    uint32_t capacity;
    espalier_leaf_slot *slots; /* [slot_count] open addressing */
    uint64_t slot_count;
} espalier_leaf_table;

/* Status: MEMORY. Free with espalier_leaf_table_free, also after a failure. */
espalier_status espalier_leaf_table_init(espalier_leaf_table *table, const double *values,
                                         uint32_t width);
void espalier_leaf_table_free(espalier_leaf_table *table);

/* The number of a row's bits in the table, added when new. Status: LIMIT, MEMORY. */
espalier_status espalier_leaf_table_add(espalier_leaf_table *table, uint64_t row,
                                        uint32_t *number_out);

/* Frees what only espalier_leaf_table_add needs. */
void espalier_leaf_table_close(espalier_leaf_table *table);

#endif
