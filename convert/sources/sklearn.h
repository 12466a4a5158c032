// SPDX-License-Identifier: Apache-2.0
/*
 * scikit-learn's decision trees, forests, boosting and isolation forests, 0.22 to 1.9, from parsed
 * pickle values to the forest in memory. What the versions do differently is in docs/semantics.md.
 * May include: include/, convert/forest.h, format/error.h, the pickle reader, jansson (params).
 * Must never: guess. A field, count or version fact that does not fit is refused by name.
 */
#ifndef ESPALIER_CONVERT_SOURCES_SKLEARN_H
#define ESPALIER_CONVERT_SOURCES_SKLEARN_H

#include "convert/forest.h"
#include "convert/sources/pickle.h"
#include "convert/sources/source_find.h"

/* How a class keeps its trees and what it does with them. */
typedef enum espalier_sklearn_kind {
    ESPALIER_SKLEARN_TREE = 1,
    ESPALIER_SKLEARN_FOREST = 2,    /* several trees, their mean */
    ESPALIER_SKLEARN_BOOSTING = 3,  /* GradientBoosting: regression trees, their sum */
    ESPALIER_SKLEARN_HISTOGRAM = 4, /* HistGradientBoosting: TreePredictors, their sum */
    ESPALIER_SKLEARN_ISOLATION = 5, /* IsolationForest: lengths of paths */
    /* Those of other estimators: */
    ESPALIER_SKLEARN_BAGGING = 6,
    ESPALIER_SKLEARN_ADABOOST = 7,
    ESPALIER_SKLEARN_VOTING = 8,
    ESPALIER_SKLEARN_CALIBRATED = 9,
    ESPALIER_SKLEARN_MULTI_OUTPUT = 10,
    ESPALIER_SKLEARN_ONE_VS_REST = 11,
    ESPALIER_SKLEARN_TRANSFORMED = 12
} espalier_sklearn_kind;

/* A class that is converted. */
typedef struct espalier_sklearn_class {
    const char *name;
    espalier_sklearn_kind kind;
    bool classifier;
    bool extra; /* ExtraTree: other rules for missing values */
} espalier_sklearn_class;

/* NULL when the value is no object of a class that is converted. */
const espalier_sklearn_class *espalier_sklearn_class_of(const espalier_pickle_value *value);

/* Whether a value is a model, and whether it can be converted. */
espalier_source_class espalier_sklearn_classify(const espalier_pickle *pickle,
                                                const espalier_pickle_value *value);

/*
 * The model that a search over parameters predicts with, if it can be converted; else the value
 * itself. The steps there are appended to *path.
 */
const espalier_pickle_value *espalier_sklearn_resolve(const espalier_pickle *pickle,
                                                      const espalier_pickle_value *value,
                                                      espalier_source_path *path);

/* What searches and frozen estimators inside each other predict or transform with; what is neither,
 * itself. NULL: one that has nothing. The steps there are appended to *path, which may be NULL. */
const espalier_pickle_value *espalier_sklearn_best_of(const espalier_pickle *pickle,
                                                      const espalier_pickle_value *value,
                                                      espalier_source_path *path);

/* What is inside a FrozenEstimator, which has its attributes; what is none, itself. The steps there
 * are appended to *path, which may be NULL. */
const espalier_pickle_value *espalier_sklearn_thaw(const espalier_pickle *pickle,
                                                   const espalier_pickle_value *value,
                                                   espalier_source_path *path);

/* "A Pipeline is not converted: ..."; text[capacity] gets a reason for an unsupported class. */
void espalier_sklearn_explain(const espalier_pickle *pickle, const espalier_pickle_value *value,
                              const char *path, char *text, size_t capacity);

/*
 * The estimator's own `_sklearn_version` into text[capacity], "" when it does not say or the text
 * is too long.
 */
void espalier_sklearn_version_text(const espalier_pickle *pickle,
                                   const espalier_pickle_value *estimator, char *text,
                                   size_t capacity);

/* Steps and columns that the pipelines of a source may go through, over and over again. */
#define ESPALIER_SKLEARN_WORK_MAX (UINT64_C(1) << 28)

/* An estimator, where it is, and how much memory it may take. */
typedef struct espalier_sklearn_object {
    const espalier_pickle *pickle;
    const uint8_t *stream; /* what the pickle was read from, for places in it */
    size_t stream_bytes;
    const char *source;
    const char *path;                   /* of the value */
    const espalier_pickle_value *value; /* classified as SUPPORTED */
    uint64_t memory_bytes_max;
    uint64_t *work_left; /* steps and columns that all pipelines may still go through */
    struct espalier_source_categorical *categorical; /* or NULL */
    uint32_t depth; /* estimators that it is inside of; such a one is read without its names */
} espalier_sklearn_object;

/*
 * Fills *forest (zeroed before; on failure the caller frees it) from the estimator.
 * memory_bytes_max bounds what the forest's arrays take. The forest is not validated yet.
 * Status: SOURCE_UNSUPPORTED, SOURCE_TREE, SOURCE_SYNTAX, SOURCE_LIMIT, MEMORY.
 */
espalier_status espalier_sklearn_load(const espalier_sklearn_object *object,
                                      espalier_forest *forest, espalier_error *error_out);

#endif
