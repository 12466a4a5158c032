// SPDX-License-Identifier: Apache-2.0
/*
 * Which objects are models of scikit-learn (and its relatives), and what to say of those that are
 * not converted. See sklearn.h.
 */
#include "convert/sources/sklearn.h"

#include "convert/sources/sklearn_boosted.h"

#include <stdio.h>
#include <string.h>

/* Modules since 0.22, and before. */
static const char *const tree_modules[] = {"sklearn.tree._classes", "sklearn.tree.tree"};
static const char *const forest_modules[] = {"sklearn.ensemble._forest", "sklearn.ensemble.forest"};

static const espalier_sklearn_class classes[] = {
    {"DecisionTreeClassifier", false, true, false}, {"DecisionTreeRegressor", false, false, false},
    {"ExtraTreeClassifier", false, true, true},     {"ExtraTreeRegressor", false, false, true},
    {"RandomForestClassifier", true, true, false},  {"RandomForestRegressor", true, false, false},
    {"ExtraTreesClassifier", true, true, true},     {"ExtraTreesRegressor", true, false, true},
};

#define CONVERTED_CLASSES                                                                       \
    "DecisionTree, ExtraTree, RandomForest and ExtraTrees classifiers and regressors, and the " \
    "estimators of XGBoost and LightGBM are"

/* Searches inside each other; nobody honest goes deeper. */
#define SEARCHES_MAX 8u

const espalier_sklearn_class *espalier_sklearn_class_of(const espalier_pickle_value *value)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    if (name == NULL || espalier_pickle_kind_of(value) != ESPALIER_PICKLE_OBJECT) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        const char *const *const modules = classes[i].forest ? forest_modules : tree_modules;
        if (espalier_pickle_slice_equal(name->name, classes[i].name) &&
            (espalier_pickle_slice_equal(name->module, modules[0]) ||
             espalier_pickle_slice_equal(name->module, modules[1]))) {
            return &classes[i];
        }
    }
    return NULL;
}

static bool starts_with(espalier_pickle_slice text, const char *prefix)
{
    const size_t bytes = strlen(prefix);
    return text.bytes >= bytes && memcmp(text.data, prefix, bytes) == 0;
}

/* An attribute, or NULL; a state that is damaged is reported by whoever loads it. */
static const espalier_pickle_value *peek_attribute(const espalier_pickle *pickle,
                                                   const espalier_pickle_value *object,
                                                   const char *name)
{
    const espalier_pickle_value *value = NULL;
    if (espalier_pickle_state(object) == NULL ||
        espalier_pickle_attribute(pickle, object, name, &value, NULL) != ESPALIER_OK) {
        return NULL;
    }
    return value;
}

/* Modules of what prepares rows for a model. */
static bool prepares_rows(espalier_pickle_slice module)
{
    static const char *const prefixes[] = {
        "sklearn.preprocessing.",      "sklearn.impute.",
        "sklearn.feature_extraction.", "sklearn.feature_selection.",
        "sklearn.decomposition.",      "sklearn.compose._column_transformer",
        "sklearn.random_projection",   "sklearn.kernel_approximation",
    };
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (starts_with(module, prefixes[i])) {
            return true;
        }
    }
    return false;
}

/* Libraries whose objects are models in the shape that scikit-learn gave. */
static bool makes_models(espalier_pickle_slice module)
{
    static const char *const prefixes[] = {"xgboost.",  "lightgbm.", "catboost.",
                                           "imblearn.", "sksurv.",   "quantile_forest."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (starts_with(module, prefixes[i])) {
            return true;
        }
    }
    return false;
}

espalier_source_class espalier_sklearn_classify(const espalier_pickle *pickle,
                                                const espalier_pickle_value *value)
{
    if (espalier_pickle_kind_of(value) != ESPALIER_PICKLE_OBJECT) {
        return ESPALIER_SOURCE_OTHER;
    }
    const espalier_sklearn_class *const known = espalier_sklearn_class_of(value);
    if (known != NULL) {
        const char *const fitted = known->forest ? "estimators_" : "tree_";
        return peek_attribute(pickle, value, fitted) != NULL ? ESPALIER_SOURCE_SUPPORTED
                                                             : ESPALIER_SOURCE_UNFITTED;
    }
    const espalier_source_class boosted = espalier_sklearn_boosted_classify(pickle, value);
    if (boosted != ESPALIER_SOURCE_OTHER) {
        return boosted;
    }
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    if (name == NULL || espalier_pickle_state(value) == NULL) {
        return ESPALIER_SOURCE_OTHER;
    }
    /* Every estimator of scikit-learn records its version; bunches, losses and splitters do not. */
    const bool estimator = starts_with(name->module, "sklearn.") &&
                           peek_attribute(pickle, value, "_sklearn_version") != NULL;
    if (!estimator && !makes_models(name->module)) {
        return ESPALIER_SOURCE_OTHER;
    }
    return prepares_rows(name->module) ? ESPALIER_SOURCE_TRANSFORMER : ESPALIER_SOURCE_UNSUPPORTED;
}

/* The last step of a pipeline, and its number; NULL when there is none. */
static const espalier_pickle_value *find_last_step(const espalier_pickle *pickle,
                                                   const espalier_pickle_value *pipeline,
                                                   size_t *index_out)
{
    const espalier_pickle_value *const steps = peek_attribute(pickle, pipeline, "steps");
    const size_t count = steps == NULL ? 0 : espalier_pickle_item_count(steps);
    if (count == 0) {
        return NULL;
    }
    *index_out = count - 1;
    return espalier_pickle_item(espalier_pickle_item(steps, count - 1), 1);
}

static void explain_pipeline(const espalier_pickle *pickle, const espalier_pickle_value *value,
                             const char *path, char *text, size_t capacity)
{
    size_t index = 0;
    const espalier_pickle_value *const last = find_last_step(pickle, value, &index);
    const int length =
        snprintf(text, capacity, "a Pipeline is not converted: its preprocessing would be lost");
    if (last != NULL && length > 0 && (size_t)length < capacity &&
        espalier_sklearn_classify(pickle, last) == ESPALIER_SOURCE_SUPPORTED) {
        (void)
            snprintf(text + length, capacity - (size_t)length,
                     "; for rows that are preprocessed elsewhere, exactly as the pipeline does it, "
                     "its last step alone is --select '%s.steps[%zu][1]'",
                     path, index);
    }
}

static bool is_search(const espalier_pickle_value *value)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    return name != NULL && starts_with(name->module, "sklearn.model_selection._search");
}

/* Searches predict with their best estimator and add nothing to it. */
const espalier_pickle_value *espalier_sklearn_resolve(const espalier_pickle *pickle,
                                                      const espalier_pickle_value *value,
                                                      espalier_source_path *path)
{
    const espalier_pickle_value *best = value;
    const size_t path_bytes = path->bytes;
    for (uint32_t i = 0; i < SEARCHES_MAX && best != NULL && is_search(best); i++) {
        best = peek_attribute(pickle, best, "best_estimator_");
        espalier_source_path_attribute(path, "best_estimator_");
    }
    if (best != NULL && best != value &&
        espalier_sklearn_classify(pickle, best) == ESPALIER_SOURCE_SUPPORTED) {
        return best;
    }
    espalier_source_path_cut(path, path_bytes);
    return value;
}

/* Of one that is no search. */
static void explain_model(const espalier_pickle *pickle, const espalier_pickle_value *value,
                          const char *path, char *text, size_t capacity)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    const espalier_sklearn_class *const known = espalier_sklearn_class_of(value);
    if (name == NULL) {
        (void)snprintf(text, capacity, "no model that is converted; " CONVERTED_CLASSES);
    } else if (known != NULL) {
        (void)snprintf(text, capacity, "a %s that was never fitted: it has no %s", known->name,
                       known->forest ? "estimators_" : "tree_");
    } else if (espalier_pickle_slice_equal(name->module, "sklearn.pipeline") &&
               espalier_pickle_slice_equal(name->name, "Pipeline")) {
        explain_pipeline(pickle, value, path, text, capacity);
    } else if (!espalier_sklearn_boosted_explain(pickle, value, path, text, capacity)) {
        (void)snprintf(text, capacity, "%.*s.%.*s is not converted; " CONVERTED_CLASSES,
                       (int)name->module.bytes, name->module.data, (int)name->name.bytes,
                       name->name.data);
    }
}

/* Of a search whose best estimator is not converted: why that is not. */
static void explain_search(const espalier_pickle *pickle, const espalier_pickle_value *value,
                           const char *path, char *text, size_t capacity)
{
    const espalier_pickle_slice name = espalier_pickle_class(value)->name;
    const espalier_pickle_value *const best = peek_attribute(pickle, value, "best_estimator_");
    const int length =
        best == NULL
            ? snprintf(text, capacity,
                       "a %.*s without best_estimator_: it was never fitted, or with refit=False",
                       (int)name.bytes, name.data)
            : snprintf(text, capacity,
                       "a %.*s predicts with its best_estimator_: ", (int)name.bytes, name.data);
    if (best == NULL || length < 0 || (size_t)length >= capacity) {
        return;
    }
    espalier_source_path inner;
    (void)snprintf(inner.text, sizeof inner.text, "%s", path);
    inner.bytes = strlen(inner.text);
    espalier_source_path_attribute(&inner, "best_estimator_");
    explain_model(pickle, best, inner.text, text + length, capacity - (size_t)length);
}

void espalier_sklearn_explain(const espalier_pickle *pickle, const espalier_pickle_value *value,
                              const char *path, char *text, size_t capacity)
{
    if (is_search(value)) {
        explain_search(pickle, value, path, text, capacity);
    } else {
        explain_model(pickle, value, path, text, capacity);
    }
}

void espalier_sklearn_version_text(const espalier_pickle *pickle,
                                   const espalier_pickle_value *estimator, char *text,
                                   size_t capacity)
{
    text[0] = '\0';
    const espalier_pickle_value *const value =
        peek_attribute(pickle, estimator, "_sklearn_version");
    espalier_pickle_slice version;
    if (value != NULL && espalier_pickle_get_text(value, &version) && version.bytes < capacity) {
        memcpy(text, version.data, version.bytes);
        text[version.bytes] = '\0';
    }
}
