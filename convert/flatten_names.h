// SPDX-License-Identifier: Apache-2.0
/*
 * The text sections of a model: feature names and class labels. Inside convert/flatten*.
 */
#ifndef ESPALIER_CONVERT_FLATTEN_NAMES_H
#define ESPALIER_CONVERT_FLATTEN_NAMES_H

#include "convert/flatten.h"

/* FEATURE_NAMES; leaves *section_out empty when the forest has no names. Status: LIMIT, MEMORY. */
espalier_status espalier_flatten_feature_names(const espalier_forest *forest,
                                               espalier_flat_bytes *section_out);

/* CLASS_LABELS; leaves *section_out empty for regression. Status: LIMIT, MEMORY. */
espalier_status espalier_flatten_labels(const espalier_forest *forest,
                                        espalier_flat_bytes *section_out);

/* CATEGORIES; leaves *section_out empty when no feature has strings. Status: LIMIT, MEMORY. */
espalier_status espalier_flatten_categories(const espalier_forest *forest,
                                            espalier_flat_bytes *section_out);

#endif
