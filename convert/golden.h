// SPDX-License-Identifier: Apache-2.0
/*
 * Golden rows: rows drawn from a forest's own thresholds, where a wrong predictor shows. Some are
 * stored in the file with the reference's results; many are compared with the written file through
 * the public API before it is published. Deterministic: the same forest gives the same rows.
 */
#ifndef ESPALIER_CONVERT_GOLDEN_H
#define ESPALIER_CONVERT_GOLDEN_H

#include "convert/flatten.h"
#include "convert/forest.h"
#include "espalier.h"
#include "espalier_convert.h"

#include <stdint.h>

/* Draws rows. A row's number alone decides it, whatever was drawn before. */
typedef struct espalier_golden {
    const espalier_forest *forest;
    double *low;      /* [feature_count] least finite threshold; above high: never tested */
    double *high;     /* [feature_count] */
    uint64_t *pinned; /* [feature_count] 1 + the row whose value was set on a threshold */
} espalier_golden;

/* O(nodes + features). Free with espalier_golden_free. Status: MEMORY. */
espalier_status espalier_golden_init(espalier_golden *golden, const espalier_forest *forest,
                                     espalier_error *error_out);
void espalier_golden_free(espalier_golden *golden);

/* Writes row `index`: float64 [feature_count]. */
void espalier_golden_row(espalier_golden *golden, uint64_t index, double *row);

/* How many rows are stored and how many compared; the stored ones are the first of these. */
uint32_t espalier_golden_stored_count(const espalier_forest *forest);
uint32_t espalier_golden_compared_count(const espalier_forest *forest);

/* How many are predicted in one call, and by what predictor: so many that it goes by the kernels of
 * blocks, unless rows are so wide that they would take more memory than the model. */
uint32_t espalier_golden_call_rows(const espalier_forest *forest);
void espalier_golden_options(const espalier_forest *forest, espalier_predictor_options *options);

/* The GOLDEN section with the reference's results; empty when not one row fits. Status: MEMORY. */
espalier_status espalier_golden_section(espalier_golden *golden, espalier_flat_bytes *section_out,
                                        espalier_error *error_out);

/* What espalier_golden_compare will have compared when it succeeds, for the proof. */
void espalier_golden_counts(const espalier_forest *forest, espalier_proof *proof);

/*
 * Predicts the rows with an open model in float32 and float64, row- and column-major, in batches
 * and one by one, and compares every output with the reference bit for bit. `name` names the model
 * in messages. Status: PROOF at the first difference; what predicting returns; MEMORY.
 */
espalier_status espalier_golden_compare(espalier_golden *golden, const espalier_model *model,
                                        const char *name, espalier_progress *progress,
                                        void *progress_context, espalier_error *error_out);

#endif
