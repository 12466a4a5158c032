// SPDX-License-Identifier: Apache-2.0
/*
 * Comparing a forest, and later the model made from it, with the trainer's own answers. May include
 * public headers and reference.h.
 */
#ifndef ESPALIER_CONVERT_CHECK_H
#define ESPALIER_CONVERT_CHECK_H

#include "convert/forest.h"
#include "espalier_convert.h"

#include <stdint.h>

/* The trainer's answers, what they turned out to be, and how far the forest is from them. */
typedef struct espalier_check {
    const espalier_forest *forest;
    const espalier_rows *rows;
    const espalier_array *expected;
    espalier_output_kind kind;
    size_t item_bytes;   /* of an answer of the model */
    size_t column_count; /* of the model's answers; of leaves expected may have fewer */
    uint64_t values;
    uint64_t differing; /* in any bit */
    uint64_t ulp_max;
    espalier_check_cause cause;
    uint64_t *block_hashes; /* of the forest's answers, for espalier_check_model; malloc */
} espalier_check;

/*
 * Evaluates the rows with the reference and compares bit for bit. What `expected` is
 * (probabilities, margins, values, classes or leaves) follows from its dtype and shape; where two
 * fit, the one that differs less. Differences that adding the trees in another order explains, and
 * up to 64 units in the last place otherwise, are counted; larger ones are refused. `name` names
 * the source in messages. Status: ARGUMENT, DTYPE, FEATURE_COUNT, MISSING, INFINITE, CHECK, MEMORY.
 * Free with espalier_check_free in any case.
 */
espalier_status espalier_check_forest(espalier_check *check, const espalier_forest *forest,
                                      const espalier_rows *rows, const espalier_array *expected,
                                      const char *name, espalier_error *error_out);

/*
 * Predicts the same rows with an open model: the bits must be the reference's. Status: PROOF, ...
 */
espalier_status espalier_check_model(const espalier_check *check, const espalier_model *model,
                                     const char *name, espalier_error *error_out);

void espalier_check_free(espalier_check *check);

/* "all 450 probabilities equal" and the like, for people. */
void espalier_check_describe(const espalier_check *check, char *text, size_t text_bytes);

#endif
