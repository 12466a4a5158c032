// SPDX-License-Identifier: Apache-2.0
/*
 * See sklearn_boosted.h.
 */
#include "convert/sources/sklearn_boosted.h"

#include "convert/plan.h"
#include "convert/sources/lightgbm.h"
#include "convert/sources/sklearn_internal.h"
#include "convert/sources/xgboost.h"
#include "format/error.h"
#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
/* What one name costs besides its bytes: the pointer and the allocator's rounding. */
#define NAME_BYTES 40u

/* A class of one of the libraries. */
typedef struct boosted_class {
    const char *module;
    const char *name;
    bool xgboost;   /* else LightGBM */
    bool estimator; /* keeps a Booster in _Booster; else it is one */
    bool classifier;
    bool forest; /* XGBRF: n_estimators trees grown at once */
    bool ranker;
} boosted_class;

static const boosted_class known_classes[] = {
    {"xgboost.core", "Booster", true, false, false, false, false},
    {"xgboost.sklearn", "XGBModel", true, true, false, false, false},
    {"xgboost.sklearn", "XGBClassifier", true, true, true, false, false},
    {"xgboost.sklearn", "XGBRegressor", true, true, false, false, false},
    {"xgboost.sklearn", "XGBRanker", true, true, false, false, true},
    {"xgboost.sklearn", "XGBRFClassifier", true, true, true, true, false},
    {"xgboost.sklearn", "XGBRFRegressor", true, true, false, true, false},
    {"lightgbm.basic", "Booster", false, false, false, false, false},
    {"lightgbm.sklearn", "LGBMModel", false, true, false, false, false},
    {"lightgbm.sklearn", "LGBMClassifier", false, true, true, false, false},
    {"lightgbm.sklearn", "LGBMRegressor", false, true, false, false, false},
    {"lightgbm.sklearn", "LGBMRanker", false, true, false, false, true},
};

/* One conversion. */
typedef struct boosted_import {
    const espalier_sklearn_object *boosted;
    const boosted_class *class;
    const espalier_pickle_value *booster;
    const espalier_pickle_value *model; /* the bytes or the text of it */
    espalier_pickle_slice slice;
    char *name; /* of the file, and the model's place in it, for messages */
    espalier_source_wrapper wrapper;
    int64_t best_iterations;        /* LightGBM: predict uses the first so many; 0: all */
    espalier_sklearn_import common; /* for what it shares with scikit-learn's own estimators */
} boosted_import;

/* ---- classes -------------------------------------------------------------------------------- */

static const boosted_class *find_class(const espalier_pickle_value *value)
{
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    if (name == NULL || espalier_pickle_kind_of(value) != ESPALIER_PICKLE_OBJECT) {
        return NULL;
    }
    for (size_t i = 0; i < COUNT(known_classes); i++) {
        if (espalier_pickle_slice_equal(name->module, known_classes[i].module) &&
            espalier_pickle_slice_equal(name->name, known_classes[i].name)) {
            return &known_classes[i];
        }
    }
    return NULL;
}

/* An attribute that is there and not None, or NULL; damage is reported by whoever loads it. */
static const espalier_pickle_value *peek_attribute(const espalier_pickle *pickle,
                                                   const espalier_pickle_value *object,
                                                   const char *name)
{
    const espalier_pickle_value *value = NULL;
    if (espalier_pickle_state(object) == NULL ||
        espalier_pickle_attribute(pickle, object, name, &value, NULL) != ESPALIER_OK ||
        value == NULL || espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE) {
        return NULL;
    }
    return value;
}

/* What a Booster keeps its model under; LightGBM 4 renamed it. */
static const char *model_name(const espalier_pickle *pickle, const espalier_pickle_value *booster)
{
    return peek_attribute(pickle, booster, "_handle") != NULL ? "_handle" : "handle";
}

static bool is_linear(const espalier_pickle *pickle, const espalier_pickle_value *value)
{
    const espalier_pickle_value *const booster = peek_attribute(pickle, value, "booster");
    return booster != NULL && espalier_pickle_text_equal(booster, "gblinear");
}

espalier_source_class espalier_sklearn_boosted_classify(const espalier_pickle *pickle,
                                                        const espalier_pickle_value *value)
{
    const boosted_class *const class = find_class(value);
    if (class == NULL) {
        return ESPALIER_SOURCE_OTHER;
    }
    const char *const fitted = class->estimator ? "_Booster" : model_name(pickle, value);
    if (peek_attribute(pickle, value, fitted) == NULL) {
        return ESPALIER_SOURCE_UNFITTED;
    }
    return class->xgboost && is_linear(pickle, value) ? ESPALIER_SOURCE_UNSUPPORTED
                                                      : ESPALIER_SOURCE_SUPPORTED;
}

bool espalier_sklearn_boosted_is_xgboost(const espalier_pickle_value *value)
{
    const boosted_class *const class = find_class(value);
    return class != NULL && class->xgboost;
}

/* Another class of theirs (of Dask, of Spark) that keeps a Booster as the known ones do. */
static bool holds_booster(const espalier_pickle *pickle, const espalier_pickle_value *value)
{
    const espalier_pickle_value *const booster = peek_attribute(pickle, value, "_Booster");
    return booster != NULL && find_class(booster) != NULL && !find_class(booster)->estimator;
}

bool espalier_sklearn_boosted_explain(const espalier_pickle *pickle,
                                      const espalier_pickle_value *value, const char *path,
                                      char *text, size_t capacity)
{
    const boosted_class *const class = find_class(value);
    const espalier_pickle_name *const name = espalier_pickle_class(value);
    if (class != NULL && is_linear(pickle, value)) {
        (void)snprintf(text, capacity,
                       "gblinear is a linear model, not trees; gbtree and dart are converted");
    } else if (class != NULL && class->estimator) {
        (void)snprintf(text, capacity, "a %s that was never fitted: it has no _Booster",
                       class->name);
    } else if (class != NULL) {
        (void)snprintf(text, capacity, "a Booster without a model: it has no %s",
                       model_name(pickle, value));
    } else if (name != NULL && holds_booster(pickle, value)) {
        (void)snprintf(text, capacity,
                       "%.*s.%.*s is not converted; the model in it, whose predict may differ, is "
                       "--select '%s._Booster'",
                       (int)name->module.bytes, name->module.data, (int)name->name.bytes,
                       name->name.data, path);
    } else {
        return false;
    }
    return true;
}

/* ---- what the objects say ------------------------------------------------------------------- */

static espalier_status find_attribute(const boosted_import *import,
                                      const espalier_pickle_value *object, const char *name,
                                      const espalier_pickle_value **value_out)
{
    const espalier_status status =
        espalier_sklearn_attribute(&import->common, object, name, false, value_out);
    if (status == ESPALIER_OK && *value_out != NULL &&
        espalier_pickle_kind_of(*value_out) == ESPALIER_PICKLE_NONE) {
        *value_out = NULL;
    }
    return status;
}

/* An integer attribute that is not negative; absent or None leaves *out as it is. */
static espalier_status read_integer(const boosted_import *import,
                                    const espalier_pickle_value *object, const char *name,
                                    int64_t *out)
{
    const espalier_pickle_value *value;
    const espalier_status status = find_attribute(import, object, name, &value);
    if (status != ESPALIER_OK || value == NULL) {
        return status;
    }
    int64_t integer;
    if (!espalier_pickle_get_int64(value, &integer)) {
        return espalier_sklearn_fail(&import->common, value, ESPALIER_ERROR_SOURCE_SYNTAX,
                                     "%s is of type %s, no integer", name,
                                     espalier_pickle_kind_name(espalier_pickle_kind_of(value)));
    }
    if (integer >= 0) {
        *out = integer;
    }
    return ESPALIER_OK;
}

/* The Booster, and in it the model. */
static espalier_status find_model(boosted_import *import)
{
    const espalier_pickle *const pickle = import->boosted->pickle;
    import->booster = import->boosted->value;
    if (import->class->estimator) {
        const espalier_status status =
            find_attribute(import, import->boosted->value, "_Booster", &import->booster);
        if (status != ESPALIER_OK) {
            return status;
        }
        espalier_source_path_attribute(&import->common.path, "_Booster");
        const boosted_class *const class =
            import->booster == NULL ? NULL : find_class(import->booster);
        if (class == NULL || class->estimator || class->xgboost != import->class->xgboost) {
            return espalier_sklearn_fail(&import->common, import->booster,
                                         ESPALIER_ERROR_SOURCE_UNSUPPORTED, "no Booster of %s",
                                         import->class->xgboost ? "XGBoost" : "LightGBM");
        }
    }
    const char *const name = model_name(pickle, import->booster);
    const espalier_status status = find_attribute(import, import->booster, name, &import->model);
    if (status != ESPALIER_OK) {
        return status;
    }
    espalier_source_path_attribute(&import->common.path, name);
    if (import->model == NULL) {
        return espalier_sklearn_fail(&import->common, import->booster,
                                     ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "a Booster without a model");
    }
    if (import->class->xgboost ? !espalier_pickle_get_bytes(import->model, &import->slice)
                               : !espalier_pickle_get_text(import->model, &import->slice)) {
        return espalier_sklearn_fail(&import->common, import->model,
                                     ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "of type %s, not the %s of a model",
                                     espalier_pickle_kind_name(
                                         espalier_pickle_kind_of(import->model)),
                                     import->class->xgboost ? "bytes" : "text");
    }
    return ESPALIER_OK;
}

/* What messages about the model begin with. From here on they are about the object again. */
static espalier_status name_model(boosted_import *import)
{
    const char *const source = import->boosted->source;
    const size_t capacity = strlen(source) + import->common.path.bytes + 3;
    import->name = malloc(capacity);
    if (import->name == NULL) {
        return espalier_sklearn_fail(&import->common, NULL, ESPALIER_ERROR_MEMORY,
                                     "no memory to read a model");
    }
    (void)snprintf(import->name, capacity, "%s: %s", source, import->common.path.text);
    espalier_source_path_cut(&import->common.path, strlen(import->boosted->path));
    return ESPALIER_OK;
}

/* XGBoost: a number; None, as NaN, is nothing but NaN. */
static espalier_status read_missing(boosted_import *import)
{
    const espalier_pickle_value *value;
    const espalier_status status =
        find_attribute(import, import->boosted->value, "missing", &value);
    if (status != ESPALIER_OK || value == NULL) {
        return status;
    }
    double missing;
    if (!espalier_pickle_get_double(value, &missing)) {
        return espalier_sklearn_fail(&import->common, value, ESPALIER_ERROR_SOURCE_SYNTAX,
                                     "missing is of type %s, no number",
                                     espalier_pickle_kind_name(espalier_pickle_kind_of(value)));
    }
    import->wrapper.missing = (float)missing;
    return ESPALIER_OK;
}

/* Who names a predictor (up to 1.7) is predicted for by way of a matrix. */
static espalier_status read_predictor(boosted_import *import)
{
    const espalier_pickle_value *value;
    const espalier_status status =
        find_attribute(import, import->boosted->value, "predictor", &value);
    import->wrapper.in_place = value == NULL || espalier_pickle_text_equal(value, "auto");
    return status;
}

/* Up to 1.5 the model does not say how many trees an iteration has. */
static espalier_status read_parallel_count(boosted_import *import)
{
    const espalier_pickle_value *const value = import->boosted->value;
    const espalier_pickle_value *others;
    espalier_status status =
        read_integer(import, value, import->class->forest ? "n_estimators" : "num_parallel_tree",
                     &import->wrapper.parallel_count);
    if (status != ESPALIER_OK || import->class->forest) {
        return status;
    }
    /* 0.90 keeps what it has no name for in kwargs. */
    status = find_attribute(import, value, "kwargs", &others);
    if (status == ESPALIER_OK && others != NULL && espalier_pickle_pair_count(others) > 0) {
        const espalier_pickle_value *count = NULL;
        int64_t number;
        status = espalier_pickle_find(import->boosted->pickle, others, "num_parallel_tree", &count,
                                      import->common.error);
        if (status == ESPALIER_OK && count != NULL && espalier_pickle_get_int64(count, &number) &&
            number > 0) {
            import->wrapper.parallel_count = number;
        }
    }
    return status;
}

static espalier_status read_xgboost_facts(boosted_import *import)
{
    const espalier_pickle_value *const value = import->boosted->value;
    espalier_source_wrapper *const wrapper = &import->wrapper;
    espalier_status status = read_missing(import);
    if (status == ESPALIER_OK) {
        status = read_predictor(import);
    }
    if (status == ESPALIER_OK) {
        status = read_parallel_count(import);
    }
    /* Up to 1.3, where these count, predict of an XGBRanker takes all trees. */
    if (status == ESPALIER_OK && !import->class->ranker) {
        status = read_integer(import, value, "best_iteration", &wrapper->best_iteration);
    }
    if (status == ESPALIER_OK && !import->class->ranker) {
        status = read_integer(import, value, "best_ntree_limit", &wrapper->best_tree_limit);
    }
    return status == ESPALIER_OK ? read_integer(import, import->booster, "best_iteration",
                                                &wrapper->booster_best_iteration)
                                 : status;
}

static espalier_status read_facts(boosted_import *import)
{
    if (import->class->xgboost) {
        return import->class->estimator ? read_xgboost_facts(import) : ESPALIER_OK;
    }
    /* Bare Boosters, too. */
    return read_integer(import, import->booster, "best_iteration", &import->best_iterations);
}

/* ---- what is added to the forest ------------------------------------------------------------ */

/* Up to 1.3 the names are with the Booster, not in the model. */
static espalier_status add_names(boosted_import *import)
{
    espalier_forest *const forest = import->common.forest;
    const espalier_pickle_value *names;
    espalier_status status = find_attribute(import, import->booster, "feature_names", &names);
    if (status != ESPALIER_OK || names == NULL || forest->feature_names != NULL) {
        return status;
    }
    if (espalier_pickle_item_count(names) != forest->feature_count) {
        return espalier_sklearn_fail(&import->common, names, ESPALIER_ERROR_SOURCE_TREE,
                                     "%zu feature_names for %" PRIu32 " features",
                                     espalier_pickle_item_count(names), forest->feature_count);
    }
    void *list = NULL;
    status = espalier_sklearn_allocate(&import->common, forest->feature_count,
                                       sizeof *forest->feature_names, &list);
    forest->feature_names = list;
    for (uint32_t i = 0; status == ESPALIER_OK && i < forest->feature_count; i++) {
        const espalier_pickle_value *const name = espalier_pickle_item(names, i);
        espalier_pickle_slice text;
        if (!espalier_pickle_get_text(name, &text) || memchr(text.data, '\0', text.bytes) != NULL) {
            return espalier_sklearn_fail(&import->common, name, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                         "feature name %" PRIu32 " is no text", i);
        }
        void *copy = NULL;
        status =
            espalier_sklearn_allocate(&import->common, 1, (uint64_t)text.bytes + NAME_BYTES, &copy);
        if (status == ESPALIER_OK) {
            memcpy(copy, text.data, text.bytes);
            forest->feature_names[i] = copy;
        }
    }
    return status;
}

/* The labels that predict's place among the classes stands for; NULL: 0, 1, ... */
static espalier_status find_classes(boosted_import *import,
                                    const espalier_pickle_value **classes_out)
{
    const espalier_pickle_value *const value = import->boosted->value;
    const espalier_pickle_value *encoder;
    *classes_out = NULL;
    espalier_status status = find_attribute(import, value, "_le", &encoder);
    if (status != ESPALIER_OK) {
        return status;
    }
    if (encoder == NULL) {
        /* XGBoost has classes_ as well, but its predict gives places then. */
        return import->class->xgboost ? ESPALIER_OK
                                      : find_attribute(import, value, "_classes", classes_out);
    }
    espalier_source_path_attribute(&import->common.path, "_le");
    if (espalier_pickle_kind_of(encoder) != ESPALIER_PICKLE_OBJECT) {
        return espalier_sklearn_fail(&import->common, encoder, ESPALIER_ERROR_SOURCE_SYNTAX,
                                     "of type %s, no encoder of labels",
                                     espalier_pickle_kind_name(espalier_pickle_kind_of(encoder)));
    }
    return find_attribute(import, encoder, "classes_", classes_out);
}

/* How many classes the estimator was trained on; 0: it does not say. */
static espalier_status find_class_count(boosted_import *import,
                                        const espalier_pickle_value *classes, uint64_t *count_out)
{
    const espalier_pickle_array *const array =
        classes != NULL ? espalier_pickle_get_array(classes) : NULL;
    int64_t count = 0;
    espalier_status status = ESPALIER_OK;
    if (classes == NULL) {
        status = read_integer(import, import->boosted->value,
                              import->class->xgboost ? "n_classes_" : "_n_classes", &count);
    } else if (array == NULL) {
        status = espalier_sklearn_fail(&import->common, classes, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "the class labels are no array");
    }
    *count_out = array != NULL ? array->form->element_count : (uint64_t)count;
    return status;
}

/* The estimator's labels in place of the numbers that the model alone has. */
static espalier_status replace_labels(boosted_import *import, const espalier_pickle_value *classes)
{
    espalier_forest_labels *const labels = import->common.forest->labels;
    uint64_t count = 0;
    const espalier_status status = find_class_count(import, classes, &count);
    if (status != ESPALIER_OK || (count == 0 && classes == NULL)) {
        return status;
    }
    if (count != labels->count) {
        return espalier_sklearn_fail(&import->common, classes, ESPALIER_ERROR_SOURCE_TREE,
                                     "%" PRIu64 " class labels for %" PRIu32 " classes", count,
                                     labels->count);
    }
    if (classes == NULL) {
        return ESPALIER_OK;
    }
    free(labels->numbers);
    *labels = (espalier_forest_labels){0};
    return espalier_sklearn_read_labels(&import->common, classes, labels);
}

/* The one output that LightGBM's text has beside the margin where it knows the objective. */
static const espalier_forest_output *find_value(const espalier_forest *forest)
{
    for (uint32_t i = 0; i < forest->output_count; i++) {
        if (forest->outputs[i].kind == ESPALIER_OUTPUT_VALUE) {
            return &forest->outputs[i];
        }
    }
    return NULL;
}

/* LightGBM 3 noted the features' number once more, 4 renamed the Booster's text. */
static bool is_before_3(const boosted_import *import)
{
    const espalier_pickle *const pickle = import->boosted->pickle;
    return peek_attribute(pickle, import->booster, "_handle") == NULL &&
           peek_attribute(pickle, import->boosted->value, "_n_features_in") == NULL;
}

/*
 * LGBMClassifier takes any objective's value for the second class's probability, and 1 less it for
 * the first's. Of more classes it trains multiclass, but for an objective of the caller's, whose
 * sums it takes for probabilities.
 */
static espalier_status add_value_classes(boosted_import *import)
{
    espalier_forest *const forest = import->common.forest;
    const espalier_forest_output *const found = find_value(forest);
    if (found == NULL) {
        return espalier_sklearn_fail(&import->common, import->boosted->value,
                                     ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "the classes of a %s with the objective %s are not "
                                     "converted; its Booster is, --select '%s._Booster'",
                                     import->class->name, forest->objective, import->boosted->path);
    }
    const espalier_forest_output value = *found;
    const uint32_t count = value.slot_count == 1 ? 2 : value.slot_count;
    const espalier_forest_stage stage = {.operation = ESPALIER_FOREST_TWO_CLASSES,
                                         .input_slot = value.first_slot,
                                         .count = 1};
    const uint32_t slot =
        value.slot_count == 1 ? espalier_plan_add_stage(forest, &stage, NULL) : value.first_slot;
    const espalier_forest_output probability = {.kind = ESPALIER_OUTPUT_PROBABILITY,
                                                .first_slot = slot,
                                                .slot_count = count};
    const espalier_forest_output class = {.kind = ESPALIER_OUTPUT_CLASS,
                                          .first_slot = slot,
                                          .slot_count = count,
                                          .decision = ESPALIER_FOREST_FIRST_MAXIMUM};
    forest->output_count--; /* outputs stand in the order of their kinds, value last */
    const bool good = slot != ESPALIER_PLAN_NO_SLOT && espalier_plan_number_labels(forest, count) &&
                      espalier_plan_add_output(forest, &probability) &&
                      espalier_plan_add_output(forest, &class) &&
                      espalier_plan_add_output(forest, &value);
    forest->classifier = true;
    return good ? ESPALIER_OK
                : espalier_sklearn_fail(&import->common, NULL, ESPALIER_ERROR_MEMORY,
                                        "no memory for the outputs");
}

/* What a classifier's predict gives. Several outputs (of several labels a row) have 0 and 1. */
static espalier_status add_labels(boosted_import *import)
{
    espalier_forest *const forest = import->common.forest;
    const bool chosen = forest->labels == NULL && forest->objective == NULL;
    if (!import->class->classifier || forest->group_count != 1 ||
        (chosen && !is_before_3(import))) {
        return ESPALIER_OK; /* of an objective of the caller's own LightGBM gives the sums */
    }
    const espalier_pickle_value *classes = NULL;
    espalier_status status = forest->labels == NULL ? add_value_classes(import) : ESPALIER_OK;
    if (status == ESPALIER_OK) {
        status = find_classes(import, &classes);
    }
    if (status == ESPALIER_OK && forest->labels != NULL) { /* they are there by now */
        status = replace_labels(import, classes);
    }
    forest->default_output = ESPALIER_OUTPUT_CLASS;
    return status;
}

static espalier_status add_class_name(boosted_import *import)
{
    espalier_forest *const forest = import->common.forest;
    const size_t capacity = strlen(import->class->module) + strlen(import->class->name) + 2;
    char *const name = malloc(capacity);
    if (name == NULL) {
        return espalier_sklearn_fail(&import->common, NULL, ESPALIER_ERROR_MEMORY,
                                     "no memory for metadata");
    }
    (void)snprintf(name, capacity, "%s.%s", import->class->module, import->class->name);
    free(forest->class_name);
    forest->class_name = name;
    return ESPALIER_OK;
}

/* Whether an option of LightGBM's is on, as its text says it. */
static bool is_on(const espalier_pickle_value *value)
{
    bool flag = true;
    if (value == NULL || espalier_pickle_kind_of(value) == ESPALIER_PICKLE_NONE ||
        espalier_pickle_text_equal(value, "false") || espalier_pickle_text_equal(value, "False") ||
        espalier_pickle_text_equal(value, "-")) {
        return false;
    }
    return !espalier_pickle_get_bool(value, &flag) || flag;
}

/* Objectives whose answers LightGBM lets pred_early_stop end early. */
static bool may_stop(const char *objective)
{
    static const char *const names[] = {"binary", "multiclass", "lambdarank", "rank_xendcg"};
    for (size_t i = 0; objective != NULL && i < COUNT(names); i++) {
        if (strncmp(objective, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* From LightGBM 4 on, whose Boosters have _handle, predict of an estimator takes the options of
 * training with it, and with this one leaves out trees of rows that are far from the threshold. */
static espalier_status refuse_stopping(boosted_import *import)
{
    const espalier_pickle *const pickle = import->boosted->pickle;
    const espalier_pickle_value *others = NULL;
    const espalier_pickle_value *option = NULL;
    if (!import->class->estimator || !may_stop(import->common.forest->objective) ||
        peek_attribute(pickle, import->booster, "_handle") == NULL) {
        return ESPALIER_OK;
    }
    espalier_status status =
        find_attribute(import, import->boosted->value, "_other_params", &others);
    if (status == ESPALIER_OK && others != NULL && espalier_pickle_pair_count(others) > 0) {
        status =
            espalier_pickle_find(pickle, others, "pred_early_stop", &option, import->common.error);
    }
    return status != ESPALIER_OK || !is_on(option)
               ? status
               : espalier_sklearn_fail(&import->common, option, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                       "pred_early_stop leaves out trees, which is not converted; "
                                       "set it to False, or take the Booster, whose predict has no "
                                       "such option: --select '%s._Booster'",
                                       import->boosted->path);
}

static espalier_status complete_forest(boosted_import *import)
{
    espalier_forest *const forest = import->common.forest;
    if (!import->class->xgboost && import->best_iterations > 0 &&
        import->best_iterations < (int64_t)espalier_forest_iterations(forest)) {
        forest->default_iterations = (uint32_t)import->best_iterations;
        forest->leaf_iterations = forest->default_iterations;
    }
    espalier_status status = add_class_name(import);
    if (status == ESPALIER_OK && import->class->xgboost) {
        status = add_names(import);
    }
    if (status == ESPALIER_OK && !import->class->xgboost) {
        status = refuse_stopping(import);
    }
    return status == ESPALIER_OK ? add_labels(import) : status;
}

/* ---- the model ------------------------------------------------------------------------------ */

/* From a place in the model to one in the stream: where its bytes lie, or where they appeared. */
static void move_offset(const boosted_import *import, espalier_error *error_out)
{
    if (error_out == NULL || error_out->file_offset == ESPALIER_OFFSET_NONE) {
        return;
    }
    const uintptr_t data = (uintptr_t)import->slice.data;
    const uintptr_t stream = (uintptr_t)import->boosted->stream;
    error_out->file_offset = data >= stream && data - stream < import->boosted->stream_bytes
                                 ? error_out->file_offset + (data - stream)
                                 : espalier_pickle_offset(import->model);
}

static espalier_status load_model(boosted_import *import, espalier_source_summary *summary)
{
    const espalier_source_kind *const kind =
        import->class->xgboost ? &espalier_xgboost_kind : &espalier_lightgbm_kind;
    const espalier_sklearn_object *const boosted = import->boosted;
    if (!kind->recognise((const uint8_t *)import->slice.data, import->slice.bytes)) {
        return espalier_error_set(import->common.error, ESPALIER_ERROR_SOURCE_UNSUPPORTED, 0,
                                  espalier_pickle_offset(import->model),
                                  "%s: no model in a form of %s that is known; load it in the "
                                  "version that saved it, and save it with save_model",
                                  import->name, kind->name);
    }
    const espalier_source_input input = {.data = (const uint8_t *)import->slice.data,
                                         .bytes = import->slice.bytes,
                                         .path = import->name,
                                         .memory_bytes_max = boosted->memory_bytes_max,
                                         .wrapper = &import->wrapper,
                                         .categorical = boosted->categorical};
    const espalier_status status =
        kind->load(&input, import->common.forest, summary, import->common.error);
    if (status != ESPALIER_OK) {
        move_offset(import, import->common.error);
    }
    return status;
}

/* Bytes of a model that one step of the work stands for: a pickle may name one selector, and the
 * model in it, a million times. */
#define BYTES_A_STEP 4u

static espalier_status spend_work(const boosted_import *import, uint64_t work)
{
    uint64_t *const left = import->boosted->work_left;
    if (work > *left) {
        return espalier_sklearn_fail(&import->common, import->model, ESPALIER_ERROR_SOURCE_LIMIT,
                                     "the models of the pipelines' selectors are too many, or too "
                                     "large, to be gone through for their importances");
    }
    *left -= work;
    return ESPALIER_OK;
}

/* charged: it is one of many that are read for what their splits brought. */
static espalier_status load_boosted(const espalier_sklearn_object *boosted, bool charged,
                                    espalier_source_splits *splits, espalier_forest *forest,
                                    espalier_source_summary *summary, espalier_error *error_out)
{
    boosted_import *const import = calloc(1, sizeof *import);
    if (import == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no memory to read a model", boosted->source);
    }
    import->boosted = boosted;
    import->class = find_class(boosted->value);
    import->wrapper = (espalier_source_wrapper){.estimator = import->class->estimator,
                                                .classifier = import->class->classifier,
                                                .missing = NAN,
                                                .best_iteration = ESPALIER_SOURCE_UNSAID,
                                                .best_tree_limit = ESPALIER_SOURCE_UNSAID,
                                                .booster_best_iteration = ESPALIER_SOURCE_UNSAID,
                                                .parallel_count = ESPALIER_SOURCE_UNSAID,
                                                .splits = splits};
    import->common = (espalier_sklearn_import){.pickle = boosted->pickle,
                                               .source = boosted->source,
                                               .error = error_out,
                                               .forest = forest,
                                               .estimator = boosted->value,
                                               .memory_bytes_max = boosted->memory_bytes_max,
                                               .memory_left = boosted->memory_bytes_max};
    (void)snprintf(import->common.path.text, sizeof import->common.path.text, "%s", boosted->path);
    import->common.path.bytes = strlen(import->common.path.text);
    espalier_status status = find_model(import);
    if (status == ESPALIER_OK) {
        status = name_model(import);
    }
    if (status == ESPALIER_OK) {
        status = read_facts(import);
    }
    if (status == ESPALIER_OK && charged) {
        status = spend_work(import, import->slice.bytes / BYTES_A_STEP);
    }
    if (status == ESPALIER_OK && splits != NULL && import->best_iterations > 0) {
        splits->iterations =
            import->best_iterations < UINT32_MAX ? (uint32_t)import->best_iterations : UINT32_MAX;
    }
    if (status == ESPALIER_OK) {
        status = load_model(import, summary);
    }
    if (status == ESPALIER_OK && charged) {
        /* A model of few bytes may say that it has a million classes. */
        status = spend_work(import, (uint64_t)forest->slot_count + forest->feature_count +
                                        forest->node_count);
    }
    if (status == ESPALIER_OK) {
        status = complete_forest(import);
    }
    free(import->name);
    free(import);
    return status;
}

espalier_status espalier_sklearn_boosted_load(const espalier_sklearn_object *boosted,
                                              espalier_forest *forest,
                                              espalier_source_summary *summary,
                                              espalier_error *error_out)
{
    return load_boosted(boosted, false, NULL, forest, summary, error_out);
}

espalier_status espalier_sklearn_boosted_splits(const espalier_sklearn_object *boosted,
                                                espalier_source_splits *splits,
                                                espalier_error *error_out)
{
    espalier_forest *const forest = calloc(1, sizeof *forest);
    espalier_source_summary summary = {0};
    if (forest == NULL) {
        return espalier_error_set(error_out, ESPALIER_ERROR_MEMORY, 0, ESPALIER_OFFSET_NONE,
                                  "%s: no memory to read a model", boosted->source);
    }
    const bool counts = splits->feature_count == 0;
    espalier_status status =
        load_boosted(boosted, true, counts ? NULL : splits, forest, &summary, error_out);
    splits->feature_count = counts ? forest->feature_count : splits->feature_count;
    if (status == ESPALIER_OK && forest->feature_count != splits->feature_count) {
        status = espalier_error_set(error_out, ESPALIER_ERROR_SOURCE_TREE, 0, ESPALIER_OFFSET_NONE,
                                    "%s: %s: a model of %" PRIu32 " features, where %" PRIu32
                                    " are selected from",
                                    boosted->source, boosted->path, forest->feature_count,
                                    splits->feature_count);
    }
    espalier_forest_free(forest);
    free(forest);
    return status;
}
