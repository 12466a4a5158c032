// SPDX-License-Identifier: Apache-2.0
/*
 * Categorical features of HistGradientBoosting: which they are, in which order its trees see
 * features, which categories they know, and the encoder in front of them (from 1.4 on). Included by
 * sklearn_histogram.c and sklearn_categories.c alone.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_CATEGORIES_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_CATEGORIES_H

#include "convert/sources/sklearn_internal.h"

#define ESPALIER_SKLEARN_BITSET_WORDS 8u /* 256 categories */

/* The categories of a feature that training met, by bits. */
typedef struct espalier_sklearn_known {
    uint32_t words[ESPALIER_SKLEARN_BITSET_WORDS];
} espalier_sklearn_known;

typedef struct espalier_sklearn_categories {
    uint32_t *feature_of;          /* [feature_count] the user's, of the trees'; NULL: the same */
    espalier_sklearn_known *known; /* [feature_count] by the trees' features; NULL: no categories */
} espalier_sklearn_categories;

/* Reads them; what encoders make of numbers goes to forest->codes. Close also after a failure. */
espalier_status espalier_sklearn_open_categories(espalier_sklearn_import *import,
                                                 espalier_sklearn_categories *categories);
void espalier_sklearn_close_categories(espalier_sklearn_categories *categories);

/* The raw_left_cat_bitsets of a TreePredictor; count 0 where it has none. */
espalier_status espalier_sklearn_find_bitsets(const espalier_sklearn_import *import,
                                              const espalier_pickle_value *predictor,
                                              espalier_pickle_view *bitsets);

/* The set of a node, `at` in the forest, where its feature and missing direction stand already:
 * bitset number `index`. */
espalier_status espalier_sklearn_add_set(espalier_sklearn_import *import,
                                         const espalier_sklearn_categories *categories,
                                         const espalier_pickle_value *predictor,
                                         const espalier_pickle_view *bitsets, int64_t index,
                                         uint32_t tree_feature, uint64_t at);

#endif
