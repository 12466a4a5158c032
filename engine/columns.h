// SPDX-License-Identifier: Apache-2.0
/*
 * From the caller's rows to cells: cast to float32, refuse what the trainer refuses, place missing
 * values. The only file of the engine that reads caller rows.
 */
#ifndef ESPALIER_ENGINE_COLUMNS_H
#define ESPALIER_ENGINE_COLUMNS_H

#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row that was refused. */
typedef struct espalier_refusal {
    espalier_status status; /* OK, MISSING or INFINITE */
    size_t row;
    size_t feature;
} espalier_refusal;

/*
 * How many of rows [first, first + count) may be predicted before the first one the trainer would
 * refuse; that one is told in *refusal_out.
 */
size_t espalier_columns_check(const espalier_rows *rows, size_t first, size_t count,
                              bool missing_allowed, espalier_refusal *refusal_out);

/*
 * Computes columns[0 .. column_count) of rows [first, first + count) into cells, a row every
 * cell_stride cells; column 0 is the leaf column.
 */
void espalier_columns_fill(const espalier_rows *rows, size_t first, size_t count,
                           const espalier_file_column *columns, uint32_t column_count, float *cells,
                           size_t cell_stride);

#endif
