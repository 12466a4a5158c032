// SPDX-License-Identifier: Apache-2.0
/*
 * Running a model's PREPARATION: from the caller's rows to the values that columns read, all as
 * float64, and the rows that the trainer's pipeline would refuse. All scratch is allocated when the
 * predictor is made; running allocates nothing and visits every operation once per block.
 */
#ifndef ESPALIER_ENGINE_PREPARE_H
#define ESPALIER_ENGINE_PREPARE_H

#include "engine/columns.h"
#include "engine/model.h"
#include "espalier.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an operation has; ONE_HOT writes any number of values, RANK and INDEX take any numbers. */
typedef struct espalier_prepare_shape {
    uint32_t outputs;
    uint32_t numbers;
    uint32_t flags; /* that it may have */
} espalier_prepare_shape;

/* False: there is no such operation. */
bool espalier_prepare_describe(uint32_t operation, espalier_prepare_shape *shape_out);

/* Values that some column or operation needs have places, side by side. */
typedef struct espalier_preparer {
    const espalier_model *model;
    uint32_t *places; /* [value_count]; ESPALIER_PREPARE_UNUSED where nothing needs the value */
    uint32_t *roots;  /* [operation_count] the feature that it all began with */
    uint32_t *runs;   /* [run_count] the operations that have something to do, rising */
    uint32_t run_count;
    uint8_t *resting;   /* [value_count] not 0: rests, has no place, is never computed (rest.h) */
    uint32_t *features; /* [feature_count] the caller's, of those needed */
    uint32_t feature_count;
    uint32_t place_count;
    double *values; /* [place_count][rows]; the row count of the last run is their stride */
    uint64_t memory_bytes;
} espalier_preparer;

#define ESPALIER_PREPARE_UNUSED UINT32_MAX

/* Finds what is needed; place_count is then known. Status: MEMORY. Free in any case. */
espalier_status espalier_preparer_create(espalier_preparer *preparer, const espalier_model *model);
/* Room for so many rows. Status: MEMORY. */
espalier_status espalier_preparer_reserve(espalier_preparer *preparer, size_t row_count);
void espalier_preparer_free(espalier_preparer *preparer);

/*
 * Prepares rows [first, first + count), which there is room for. The result describes `count` rows
 * whose feature numbers are places. With `checks`, *good_out gets how many rows come before the
 * first that is refused, told in *refusal_out (whose row counts in `rows`); else count.
 */
espalier_rows espalier_preparer_run(const espalier_preparer *preparer, const espalier_rows *rows,
                                    size_t first, size_t count, bool checks, size_t *good_out,
                                    espalier_refusal *refusal_out);

#endif
