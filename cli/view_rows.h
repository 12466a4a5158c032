// SPDX-License-Identifier: Apache-2.0
/*
 * Rows of a file as the nodes of a model see them, one after the other. Includes tree_view.h and
 * libc.
 */
#ifndef ESPALIER_CLI_VIEW_ROWS_H
#define ESPALIER_CLI_VIEW_ROWS_H

#include "tree_view.h"

/* Takes row `row` of the file: its features as numbers, and what nodes compare by node->feature.
 * False ends the reading, with the message set. */
typedef bool (*espalier_view_row_taker)(void *context, uint64_t row, const double *features,
                                        const double *values, espalier_message *message);

/*
 * Reads rows [first, first + count_max) of an .npy or .csv file, fewer when it ends; *count_out is
 * how many were taken. False, and the message set, when a row cannot be read or was not taken.
 */
bool espalier_view_rows_read(const espalier_view *view, const char *path, uint64_t first,
                             uint64_t count_max, espalier_view_row_taker take, void *context,
                             uint64_t *count_out, espalier_message *message);

#endif
