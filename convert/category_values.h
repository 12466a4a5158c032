// SPDX-License-Identifier: Apache-2.0
/*
 * Categories that are numbers, while a model is read whose trees test their places: pandas'
 * categories of numbers in LightGBM and XGBoost. Rows have the numbers; the forest's preparation
 * makes places of them.
 * May include: include/, forest.h. Must never: know a source format.
 */
#ifndef ESPALIER_CONVERT_CATEGORY_VALUES_H
#define ESPALIER_CONVERT_CATEGORY_VALUES_H

#include "convert/forest.h"

#include <inttypes.h>

/* Of one feature: numbers[i] is its category i. */
typedef struct espalier_category_numbers {
    uint32_t feature;
    uint32_t count;
    double *numbers;
    /* For messages alone: */
    uint64_t at;  /* where the source has them */
    int64_t type; /* of the source's own types */
} espalier_category_numbers;

/* Zeroed: no feature has any. */
typedef struct espalier_category_values {
    espalier_category_numbers *features;
    uint32_t count;
    uint32_t room;
} espalier_category_values;

/* Whose numbers are at fault: `first` and `second` are one number; where these are the same, some
 * number is not finite, or there is no such feature. */
typedef struct espalier_category_fault {
    uint32_t feature;
    uint32_t list; /* in espalier_category_values */
    uint32_t first;
    uint32_t second;
} espalier_category_fault;

/* Adds a feature's, in malloc'ed memory that then belongs to *values, also after a failure.
 * Status: MEMORY. */
espalier_status espalier_category_values_add(espalier_category_values *values,
                                             const espalier_category_numbers *numbers);

/*
 * Gives a forest without preparation, whose trees are read, one that makes places of the numbers: a
 * number that is no category becomes a missing value, or is refused. Features that nothing tests
 * get none, but where unknown numbers are refused. forest->category_numbers tells which features
 * have numbers. Status: SOURCE_TREE (a feature that is not there, a number that stands twice or is
 * not finite: *fault_out says which), LIMIT, MEMORY.
 */
espalier_status espalier_category_values_apply(const espalier_category_values *values,
                                               espalier_forest *forest, bool refuses,
                                               espalier_category_fault *fault_out);

/*
 * Whether the number that XGBoost takes for missing is the place of a category, of a feature that
 * *feature_out gets. It is compared with places in the order of each data frame's own categories,
 * so that an answer would not be that of a row alone.
 */
bool espalier_category_values_clash(const espalier_forest *forest, uint32_t *feature_out);

/* What is said then: the number and the feature, "%g", "%" PRIu32. */
#define ESPALIER_CATEGORY_CLASH                                                                    \
    "missing=%g is the place of a category of feature %" PRIu32                                    \
    ": XGBoost takes for missing what has that place in each data frame's own order, which is no " \
    "property of a row; train with a negative number or NaN for missing"

void espalier_category_values_free(espalier_category_values *values);

#endif
