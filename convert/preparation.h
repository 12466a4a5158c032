// SPDX-License-Identifier: Apache-2.0
/*
 * What a pipeline makes of a row before its trees see it: operations on numbered values, in the
 * form of the file (format/layout.h). Importers build it step by step; flattening copies it; the
 * reference evaluates it value by value, by code of its own.
 * May include: include/, format/layout.h. Must never: know an engine or a source format.
 */
#ifndef ESPALIER_CONVERT_PREPARATION_H
#define ESPALIER_CONVERT_PREPARATION_H

#include "espalier.h"
#include "format/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Operations behind each other; a pipeline's steps make a few each. */
#define ESPALIER_PREPARATION_DEPTH_MAX 1024u

/* Zeroed but for feature_count, and value_count the same, it prepares nothing. */
typedef struct espalier_preparation {
    uint32_t feature_count; /* of the caller's rows */
    uint32_t value_count;
    uint32_t operation_count;
    uint32_t number_count;
    espalier_file_operation *operations;
    double *numbers;
    uint32_t *writers; /* [value_count - feature_count] the operation that writes a value */
    uint32_t operation_room;
    uint32_t number_room;
    uint32_t writer_room;
} espalier_preparation;

/* Where an operation's numbers begin, for rows of float32 and of float64. */
typedef struct espalier_prepare_numbers {
    uint32_t count;
    uint32_t narrow;
    uint32_t wide;
} espalier_prepare_numbers;

/*
 * Adds numbers; those for rows of float32, and those for rows of float64, are rounded to float32
 * if `flags` has ESPALIER_PREPARE_ROUND_FLOAT32, ..._FLOAT64. Status: LIMIT, MEMORY.
 */
espalier_status espalier_preparation_add_numbers(espalier_preparation *preparation,
                                                 const double *numbers, uint32_t count,
                                                 uint32_t flags, espalier_prepare_numbers *out);

/*
 * Adds an operation that reads `input` and writes `count` values, from *value_out (may be NULL) on.
 * numbers may be NULL. One that is there already is not added again. Status: LIMIT, MEMORY.
 */
espalier_status espalier_preparation_add(espalier_preparation *preparation, uint32_t operation,
                                         uint32_t flags, uint32_t input, uint32_t count,
                                         const espalier_prepare_numbers *numbers,
                                         uint32_t *value_out);

/*
 * Adds an INDEX that reads `input` and makes i of numbers[i], which may come in any order, of the
 * missing value itself, and `other` of all else, or refuses that. Status: SOURCE_TREE (a number
 * that is not finite, or stands twice), LIMIT, MEMORY.
 */
espalier_status espalier_preparation_add_places(espalier_preparation *preparation, uint32_t input,
                                                const double *numbers, uint32_t count, double other,
                                                bool refuses, uint32_t *value_out);

/*
 * Adds an operation of another preparation, which reads `input` here, as it is for rows of float32
 * and of float64, or for both as it is for float32. One that is there already adds no numbers.
 * Status: LIMIT, MEMORY.
 */
espalier_status espalier_preparation_copy(espalier_preparation *preparation,
                                          const espalier_preparation *from, uint32_t index,
                                          uint32_t input, bool narrow, uint32_t *value_out);

/*
 * Drops the operations that neither make a value for which needed[value] is set nor can refuse a
 * row, and numbers the rest anew: values_out[value_count] gets the new numbers. needed is changed.
 * Status: MEMORY.
 */
espalier_status espalier_preparation_prune(espalier_preparation *preparation, uint8_t *needed,
                                           uint32_t *values_out);

/* Whether it makes no values: it can only refuse a row. */
bool espalier_preparation_only_checks(const espalier_preparation *preparation);

/* The feature that a value is made of. */
uint32_t espalier_preparation_root(const espalier_preparation *preparation, uint32_t value);

/* A value, from what its feature is in a row of float32 (narrow) or float64. */
double espalier_preparation_evaluate(const espalier_preparation *preparation, uint32_t value,
                                     double feature, bool narrow);

/*
 * A row whose values are kept once they are known: trees ask for many of the same, and thousands of
 * one-hot columns for one place among the categories.
 */
typedef struct espalier_prepared_row {
    const float *narrow; /* [feature_count] of float32 */
    const double *wide;  /* or of float64; the other is NULL */
    bool as_narrow;      /* evaluated as a row of float32 */
    double *values;      /* [value_count] */
    uint8_t *known;      /* [value_count] 1: in `values`; all 0 at first */
} espalier_prepared_row;

/* The same as espalier_preparation_evaluate. */
double espalier_preparation_recall(const espalier_preparation *preparation,
                                   const espalier_prepared_row *row, uint32_t value);

/* Whether the trainer's pipeline takes a row: OK, or MISSING, INFINITE, CATEGORY and where. */
espalier_status espalier_preparation_check(const espalier_preparation *preparation,
                                           const double *row, bool narrow, uint32_t *feature_out);

/*
 * A feature that brings a value near to `target` in rows of float64, often exactly there; where
 * several do, `pick` chooses. Behind a function of a mathematical library: NaN, ask for another.
 */
double espalier_preparation_invert(const espalier_preparation *preparation, uint32_t value,
                                   double target, uint32_t pick);

void espalier_preparation_free(espalier_preparation *preparation);

#endif
