// SPDX-License-Identifier: Apache-2.0
/*
 * GradientBoostingClassifier and GradientBoostingRegressor: regression trees whose leaves, times
 * the learning rate, are added to a first guess. See sklearn_internal.h and docs/semantics.md.
 */
#include "convert/sources/sklearn_internal.h"

#include "format/layout.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t one_width[1] = {1};

/* ---- outputs -------------------------------------------------------------------------------- */

/* The loss by its name: another one might mean other probabilities. */
static espalier_status read_loss(espalier_sklearn_import *import, const char *const *known)
{
    const espalier_pickle_value *value;
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "loss", true, &value);
    if (status != ESPALIER_OK) {
        return status;
    }
    for (size_t i = 0; known[i] != NULL; i++) {
        if (espalier_pickle_text_equal(value, known[i])) {
            import->forest->objective = strdup(known[i]);
            return import->forest->objective != NULL
                       ? ESPALIER_OK
                       : espalier_sklearn_fail(import, value, ESPALIER_ERROR_MEMORY,
                                               "no memory for the loss");
        }
    }
    espalier_pickle_slice text = {"object", 6};
    (void)espalier_pickle_get_text(value, &text);
    return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                 "the loss %.*s is not converted",
                                 text.bytes < 64 ? (int)text.bytes : 64, text.data);
}

espalier_status espalier_sklearn_open_boosting(espalier_sklearn_import *import,
                                               const char *const *losses)
{
    espalier_forest *const forest = import->forest;
    void *widths = NULL;
    espalier_status status =
        espalier_sklearn_allocate(import, 1, sizeof *forest->group_width, &widths);
    if (status != ESPALIER_OK) {
        return status;
    }
    forest->group_count = 1;
    forest->group_width = widths;
    forest->group_width[0] = 1;
    forest->leaf_width = 1;
    forest->leaf_is_vector = true;
    forest->classifier = import->class->classifier;
    status = forest->classifier ? espalier_sklearn_read_classes(import) : ESPALIER_OK;
    return status == ESPALIER_OK ? read_loss(import, losses) : status;
}

/* estimators_: an array of trees, a row a stage and a column a class (one for two classes). */
static espalier_status read_stages(espalier_sklearn_import *import, espalier_sklearn_trees *trees)
{
    espalier_forest *const forest = import->forest;
    *trees = (espalier_sklearn_trees){0};
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "estimators_", true,
                                   &trees->estimators);
    if (status != ESPALIER_OK) {
        return status;
    }
    const espalier_pickle_array *const array = espalier_pickle_get_array(trees->estimators);
    if (array == NULL || array->items == NULL || array->form->dim_count != 2 ||
        array->form->element_count == 0 || array->form->element_count > ESPALIER_LIMIT_TREES) {
        return espalier_sklearn_fail(import, trees->estimators, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "estimators_ is no two-dimensional array of 1 to %u trees",
                                     ESPALIER_LIMIT_TREES);
    }
    const uint32_t classes = forest->labels != NULL ? forest->labels[0].count : 1;
    const uint32_t columns = classes > 2 ? classes : 1;
    if (array->form->shape[1] != columns || (forest->labels != NULL && classes < 2)) {
        return espalier_sklearn_fail(import, trees->estimators, ESPALIER_ERROR_SOURCE_TREE,
                                     "estimators_ has %" PRIu64 " columns for %" PRIu32 " classes",
                                     array->form->shape[1], classes);
    }
    trees->count = (uint32_t)array->form->element_count;
    trees->columns = columns;
    return ESPALIER_OK;
}

/* ---- trees ---------------------------------------------------------------------------------- */

espalier_status espalier_sklearn_number_stages(espalier_sklearn_import *import, uint32_t columns)
{
    espalier_forest *const forest = import->forest;
    void *slots = NULL;
    void *iterations = NULL;
    espalier_status status =
        espalier_sklearn_allocate(import, forest->tree_count, sizeof *forest->tree_slot, &slots);
    forest->tree_slot = slots;
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_allocate(import, forest->tree_count,
                                           sizeof *forest->tree_iteration, &iterations);
        forest->tree_iteration = iterations;
    }
    if (status != ESPALIER_OK) {
        return status;
    }
    for (uint32_t i = 0; i < forest->tree_count; i++) {
        forest->tree_slot[i] = i % columns;
        forest->tree_iteration[i] = i / columns;
    }
    forest->slot_count = columns;
    forest->iteration_count = forest->tree_count / columns;
    forest->group_width[0] = columns;
    return ESPALIER_OK;
}

/* The trainer rounds the product of each leaf before it adds it. */
static espalier_status scale_leaves(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    const espalier_pickle_value *value;
    const espalier_status status =
        espalier_sklearn_attribute(import, import->estimator, "learning_rate", true, &value);
    double rate = 0;
    if (status != ESPALIER_OK) {
        return status;
    }
    if (!espalier_pickle_get_double(value, &rate) || !isfinite(rate)) {
        return espalier_sklearn_fail(import, value, ESPALIER_ERROR_SOURCE_UNSUPPORTED,
                                     "learning_rate is no finite number");
    }
    for (uint64_t i = 0; i < forest->leaf_count; i++) {
        forest->leaf_values[i] = rate * forest->leaf_values[i];
    }
    return ESPALIER_OK;
}

static const char *const losses[2][7] = {
    {"squared_error", "ls", "absolute_error", "lad", "huber", "quantile"},
    {"log_loss", "deviance", "exponential"},
};

espalier_status espalier_sklearn_load_boosting(espalier_sklearn_import *import)
{
    espalier_forest *const forest = import->forest;
    espalier_sklearn_trees trees;
    const espalier_pickle_value *init = NULL;
    uint32_t sums = 0;
    if (!import->version.known &&
        espalier_sklearn_is_set(import, import->estimator, "n_trees_per_iteration_")) {
        import->version = (espalier_sklearn_version){true, 1, 4}; /* the oldest that writes it */
    }
    espalier_status status =
        espalier_sklearn_open_boosting(import, losses[import->class->classifier ? 1 : 0]);
    if (status == ESPALIER_OK) {
        status = read_stages(import, &trees);
    }
    if (status == ESPALIER_OK) {
        import->tree_name = "DecisionTreeRegressor";
        import->tree_outputs = 1;
        import->tree_widths = one_width;
        import->class_count_max = 1;
        status = espalier_sklearn_read_trees(import, &trees);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_number_stages(import, trees.columns);
    }
    if (status == ESPALIER_OK) {
        status = scale_leaves(import);
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_read_first_guess(import, &init);
    }
    if (status == ESPALIER_OK) {
        /* No version takes missing values here; directions that are recorded are never used. */
        memset(forest->missing_left, 0, (size_t)forest->node_count);
        forest->leaf_classes = forest->classifier ? trees.columns : 0;
        status = init != NULL ? espalier_sklearn_start_from(import, init, &sums) : ESPALIER_OK;
    }
    if (status == ESPALIER_OK) {
        status = espalier_sklearn_link_boosting(import, sums);
    }
    return status;
}
