// SPDX-License-Identifier: Apache-2.0
/*
 * Estimators and Boosters of XGBoost and LightGBM inside a saved object: the model that a Booster
 * keeps as bytes or text goes to the reader of that format, and what the objects around it say
 * (labels, best iteration, missing value, names) goes with it. What they mean by that is in
 * docs/semantics.md.
 * May include: include/, convert/forest.h, format/, the pickle reader, source_kind.h.
 * Must never: copy a model, or guess. What does not fit is refused by name.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_BOOSTED_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_BOOSTED_H

#include "convert/sources/sklearn.h"
#include "convert/sources/source_kind.h"

/* What a value is, if it is of one of the two libraries; else OTHER. */
espalier_source_class espalier_sklearn_boosted_classify(const espalier_pickle *pickle,
                                                        const espalier_pickle_value *value);

/* Whether it is one of XGBoost. */
bool espalier_sklearn_boosted_is_xgboost(const espalier_pickle_value *value);

/* Why one of theirs is not converted, into text[capacity]; false: there is nothing to say. */
bool espalier_sklearn_boosted_explain(const espalier_pickle *pickle,
                                      const espalier_pickle_value *value, const char *path,
                                      char *text, size_t capacity);

/*
 * Fills *forest (zeroed before; on failure the caller frees it), which is not validated yet, and
 * *summary (zeroed before). Status: those of espalier_source_kind's load.
 */
espalier_status espalier_sklearn_boosted_load(const espalier_sklearn_object *boosted,
                                              espalier_forest *forest,
                                              espalier_source_summary *summary,
                                              espalier_error *error_out);

/* The same for what its splits brought alone, into arrays of zeroes; the model is dropped. Without
 * a feature_count only that is set. */
espalier_status espalier_sklearn_boosted_splits(const espalier_sklearn_object *boosted,
                                                espalier_source_splits *splits,
                                                espalier_error *error_out);

#endif
