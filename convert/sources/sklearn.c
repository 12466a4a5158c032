// SPDX-License-Identifier: Apache-2.0
/*
 * Which objects are models of scikit-learn (and its relatives), and what to say of those that are
 * not converted. See sklearn.h.
 */
#include "convert/sources/sklearn.h"

#include "convert/sources/sklearn_boosted.h"
#include "convert/sources/sklearn_pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the classes of a kind have in common: their modules since 0.22 and before, and the attribute
 * that makes them fitted. */
typedef struct kind_facts {
    const char *modules[2];
    const char *fitted;
} kind_facts;

static const kind_facts kinds[] = {
    [ESPALIER_SKLEARN_TREE] = {{"sklearn.tree._classes", "sklearn.tree.tree"}, "tree_"},
    [ESPALIER_SKLEARN_FOREST] = {{"sklearn.ensemble._forest", "sklearn.ensemble.forest"},
                                 "estimators_"},
    [ESPALIER_SKLEARN_BOOSTING] = {{"sklearn.ensemble._gb", "sklearn.ensemble.gradient_boosting"},
                                   "estimators_"},
    [ESPALIER_SKLEARN_HISTOGRAM] = {{"sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
                                     ""},
                                    "_predictors"},
    [ESPALIER_SKLEARN_ISOLATION] = {{"sklearn.ensemble._iforest", "sklearn.ensemble.iforest"},
                                    "estimators_"},
    [ESPALIER_SKLEARN_BAGGING] = {{"sklearn.ensemble._bagging", "sklearn.ensemble.bagging"},
                                  "estimators_"},
    [ESPALIER_SKLEARN_ADABOOST] = {{"sklearn.ensemble._weight_boosting",
                                    "sklearn.ensemble.weight_boosting"},
                                   "estimators_"},
    [ESPALIER_SKLEARN_VOTING] = {{"sklearn.ensemble._voting", "sklearn.ensemble.voting"},
                                 "estimators_"},
    [ESPALIER_SKLEARN_CALIBRATED] = {{"sklearn.calibration", ""}, "calibrated_classifiers_"},
    [ESPALIER_SKLEARN_MULTI_OUTPUT] = {{"sklearn.multioutput", ""}, "estimators_"},
    [ESPALIER_SKLEARN_ONE_VS_REST] = {{"sklearn.multiclass", ""}, "estimators_"},
    [ESPALIER_SKLEARN_TRANSFORMED] = {{"sklearn.compose._target", ""}, "regressor_"},
};

static const espalier_sklearn_class classes[] = {
    {"DecisionTreeClassifier", ESPALIER_SKLEARN_TREE, true, false},
    {"DecisionTreeRegressor", ESPALIER_SKLEARN_TREE, false, false},
    {"ExtraTreeClassifier", ESPALIER_SKLEARN_TREE, true, true},
    {"ExtraTreeRegressor", ESPALIER_SKLEARN_TREE, false, true},
    {"RandomForestClassifier", ESPALIER_SKLEARN_FOREST, true, false},
    {"RandomForestRegressor", ESPALIER_SKLEARN_FOREST, false, false},
    {"ExtraTreesClassifier", ESPALIER_SKLEARN_FOREST, true, true},
    {"ExtraTreesRegressor", ESPALIER_SKLEARN_FOREST, false, true},
    {"GradientBoostingClassifier", ESPALIER_SKLEARN_BOOSTING, true, false},
    {"GradientBoostingRegressor", ESPALIER_SKLEARN_BOOSTING, false, false},
    {"HistGradientBoostingClassifier", ESPALIER_SKLEARN_HISTOGRAM, true, false},
    {"HistGradientBoostingRegressor", ESPALIER_SKLEARN_HISTOGRAM, false, false},
    {"IsolationForest", ESPALIER_SKLEARN_ISOLATION, false, true},
    {"BaggingClassifier", ESPALIER_SKLEARN_BAGGING, true, false},
    {"BaggingRegressor", ESPALIER_SKLEARN_BAGGING, false, false},
    {"AdaBoostClassifier", ESPALIER_SKLEARN_ADABOOST, true, false},
    {"AdaBoostRegressor", ESPALIER_SKLEARN_ADABOOST, false, false},
    {"VotingClassifier", ESPALIER_SKLEARN_VOTING, true, false},
    {"VotingRegressor", ESPALIER_SKLEARN_VOTING, false, false},
    {"CalibratedClassifierCV", ESPALIER_SKLEARN_CALIBRATED, true, false},
    {"MultiOutputClassifier", ESPALIER_SKLEARN_MULTI_OUTPUT, true, false},
    {"MultiOutputRegressor", ESPALIER_SKLEARN_MULTI_OUTPUT, false, false},
    {"OneVsRestClassifier", ESPALIER_SKLEARN_ONE_VS_REST, true, false},
    {"TransformedTargetRegressor", ESPALIER_SKLEARN_TRANSFORMED, false, false},
};

#define CONVERTED_CLASSES                                                   \
    "trees and forests, GradientBoosting, HistGradientBoosting, "           \
    "IsolationForest, estimators of XGBoost and LightGBM, and Bagging, "    \
    "AdaBoost, Voting, CalibratedClassifierCV, MultiOutput, OneVsRest and " \
    "TransformedTarget of them are, also at the end of a Pipeline"

/* Searches inside each other; nobody honest goes deeper. */
#define SEARCHES_MAX 8u

const espalier_sklearn_class *espalier_sklearn_class_of(const espalier_pickle_value *value)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    if (name == NULL || espalier_pickle_kind_of(value) != ESPALIER_PICKLE_OBJECT) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        const char *const *const modules = kinds[classes[i].kind].modules;
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

/* Of what is no pipeline. */
static espalier_source_class classify_model(const espalier_pickle *pickle,
                                            const espalier_pickle_value *value)
{
    if (espalier_pickle_kind_of(value) != ESPALIER_PICKLE_OBJECT) {
        return ESPALIER_SOURCE_OTHER;
    }
    const espalier_sklearn_class *const known = espalier_sklearn_class_of(value);
    if (known != NULL) {
        return peek_attribute(pickle, value, kinds[known->kind].fitted) != NULL
                   ? ESPALIER_SOURCE_SUPPORTED
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

espalier_source_class espalier_sklearn_classify(const espalier_pickle *pickle,
                                                const espalier_pickle_value *value)
{
    if (espalier_sklearn_is_pipeline(value)) {
        espalier_source_path *const path = calloc(1, sizeof *path);
        const espalier_pickle_value *const end =
            path != NULL ? espalier_sklearn_pipeline_end(pickle, value, path) : NULL;
        free(path);
        return end != NULL && classify_model(pickle, end) == ESPALIER_SOURCE_SUPPORTED
                   ? ESPALIER_SOURCE_SUPPORTED
                   : ESPALIER_SOURCE_UNSUPPORTED;
    }
    return classify_model(pickle, value);
}

/* What answers for another estimator and adds nothing; the attribute that holds that, or NULL. */
static const char *find_frozen(const espalier_pickle_value *value)
{
    return espalier_pickle_is(value, "sklearn.frozen._frozen", "FrozenEstimator") ? "estimator"
                                                                                  : NULL;
}

const espalier_pickle_value *espalier_sklearn_thaw(const espalier_pickle *pickle,
                                                   const espalier_pickle_value *value,
                                                   espalier_source_path *path)
{
    for (uint32_t i = 0; i < SEARCHES_MAX && value != NULL && find_frozen(value) != NULL; i++) {
        const espalier_pickle_value *const inner =
            peek_attribute(pickle, value, find_frozen(value));
        if (inner == NULL) {
            break;
        }
        value = inner;
        if (path != NULL) {
            espalier_source_path_attribute(path, "estimator");
        }
    }
    return value;
}

static bool is_search(const espalier_pickle_value *value)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    return name != NULL && starts_with(name->module, "sklearn.model_selection._search");
}

const espalier_pickle_value *espalier_sklearn_best_of(const espalier_pickle *pickle,
                                                      const espalier_pickle_value *value,
                                                      espalier_source_path *path)
{
    for (uint32_t i = 0; i < SEARCHES_MAX && value != NULL; i++) {
        const char *const name = is_search(value) ? "best_estimator_" : find_frozen(value);
        if (name == NULL) {
            break;
        }
        value = peek_attribute(pickle, value, name);
        if (path != NULL) {
            espalier_source_path_attribute(path, name);
        }
    }
    return value;
}

/* Searches predict with their best estimator and add nothing to it, nor does a frozen one. */
const espalier_pickle_value *espalier_sklearn_resolve(const espalier_pickle *pickle,
                                                      const espalier_pickle_value *value,
                                                      espalier_source_path *path)
{
    const size_t path_bytes = path->bytes;
    const espalier_pickle_value *const best = espalier_sklearn_best_of(pickle, value, path);
    if (best != NULL && best != value &&
        espalier_sklearn_classify(pickle, best) == ESPALIER_SOURCE_SUPPORTED) {
        return best;
    }
    espalier_source_path_cut(path, path_bytes);
    return value;
}

/* Which attribute of an estimator that is not converted holds a model that is; NULL: none does. */
static const char *find_nearest(const espalier_pickle *pickle, const espalier_pickle_value *value)
{
    static const char *const names[] = {"estimator_", "base_estimator_", "regressor_",
                                        "classifier_"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const espalier_pickle_value *const inner = peek_attribute(pickle, value, names[i]);
        if (inner != NULL && classify_model(pickle, inner) == ESPALIER_SOURCE_SUPPORTED) {
            return names[i];
        }
    }
    return NULL;
}

/* Of one that is no search and no pipeline. */
static void explain_model(const espalier_pickle *pickle, const espalier_pickle_value *value,
                          const char *path, char *text, size_t capacity)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    const espalier_sklearn_class *const known = espalier_sklearn_class_of(value);
    if (name == NULL) {
        (void)snprintf(text, capacity, "no model that is converted; " CONVERTED_CLASSES);
    } else if (known != NULL) {
        (void)snprintf(text, capacity, "a %s that was never fitted: it has no %s", known->name,
                       kinds[known->kind].fitted);
    } else if (espalier_sklearn_boosted_explain(pickle, value, path, text, capacity)) {
        return;
    } else if (find_nearest(pickle, value) != NULL) {
        (void)snprintf(text, capacity,
                       "%.*s.%.*s is not converted; the model in it, whose predict may differ, is "
                       "--select '%s.%s'",
                       (int)name->module.bytes, name->module.data, (int)name->name.bytes,
                       name->name.data, path, find_nearest(pickle, value));
    } else {
        (void)snprintf(text, capacity, "%.*s.%.*s is not converted; " CONVERTED_CLASSES,
                       (int)name->module.bytes, name->module.data, (int)name->name.bytes,
                       name->name.data);
    }
}

/* Of a pipeline whose last step is not converted: why that is not. */
static void explain_pipeline(const espalier_pickle *pickle, const espalier_pickle_value *value,
                             const char *path, char *text, size_t capacity)
{
    espalier_source_path *const inner = calloc(1, sizeof *inner);
    int length = snprintf(text, capacity, "a Pipeline predicts with its last step: ");
    if (inner == NULL || length < 0 || (size_t)length >= capacity) {
        free(inner);
        return;
    }
    (void)snprintf(inner->text, sizeof inner->text, "%s", path);
    inner->bytes = strlen(inner->text);
    const espalier_pickle_value *const end = espalier_sklearn_pipeline_end(pickle, value, inner);
    if (end == NULL) {
        (void)snprintf(text + length, capacity - (size_t)length,
                       "there is none, or pipelines are nested too deep");
    } else {
        explain_model(pickle, end, inner->text, text + length, capacity - (size_t)length);
    }
    free(inner);
}

/* Of one that is no search. */
static void explain_any(const espalier_pickle *pickle, const espalier_pickle_value *value,
                        const char *path, char *text, size_t capacity)
{
    if (espalier_sklearn_is_pipeline(value)) {
        explain_pipeline(pickle, value, path, text, capacity);
    } else {
        explain_model(pickle, value, path, text, capacity);
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
    explain_any(pickle, best, inner.text, text + length, capacity - (size_t)length);
}

void espalier_sklearn_explain(const espalier_pickle *pickle, const espalier_pickle_value *value,
                              const char *path, char *text, size_t capacity)
{
    if (is_search(value)) {
        explain_search(pickle, value, path, text, capacity);
    } else {
        explain_any(pickle, value, path, text, capacity);
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
