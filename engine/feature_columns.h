// SPDX-License-Identifier: Apache-2.0
/*
 * The caller's rows as columns of many dtypes: checked once per call, then brought block by block
 * into an array of numbers that the rest of the engine takes for rows. With columns.c and prepare.c
 * the only files that read the caller's data; allocates nothing.
 */
#ifndef ESPALIER_ENGINE_FEATURE_COLUMNS_H
#define ESPALIER_ENGINE_FEATURE_COLUMNS_H

#include "engine/model.h"
#include "espalier.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Whether the columns can be read. *dtype_out: of the rows that they stand for. *feature_out: the
 * column at fault, or the number of features. Status: ARGUMENT, DTYPE, FEATURE_COUNT, STRIDE.
 */
espalier_status espalier_feature_columns_check(const espalier_model *model,
                                               const espalier_feature_columns *columns,
                                               uint32_t *dtype_out, size_t *feature_out);

/*
 * Rows [first, first + count) of checked columns: values[feature_count][count] of dtype. The result
 * describes these.
 */
espalier_rows espalier_feature_columns_fill(const espalier_feature_columns *columns, size_t first,
                                            size_t count, uint32_t dtype, void *values);

#endif
