// SPDX-License-Identifier: Apache-2.0
/*
 * What XGBoost answers with: objectives, and the stages and outputs behind the sums. See
 * xgboost_internal.h. Everything is float32, as in XGBoost; a classifier decides as its wrapper for
 * scikit-learn does.
 */
#include "convert/sources/xgboost_internal.h"

#include "convert/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const espalier_xgboost_objective objectives[] = {
    {"binary:hinge", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_STEP},
    {"binary:logistic", ESPALIER_XGBOOST_BASE_LOGIT, ESPALIER_XGBOOST_VALUE_SIGMOID},
    {"binary:logitraw", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"count:poisson", ESPALIER_XGBOOST_BASE_LOG, ESPALIER_XGBOOST_VALUE_EXP},
    {"multi:softmax", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_INDEX},
    {"multi:softprob", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_SOFTMAX},
    {"rank:map", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"rank:ndcg", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"rank:pairwise", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"reg:absoluteerror", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"reg:expectileerror", ESPALIER_XGBOOST_BASE_EXPECTILES, ESPALIER_XGBOOST_VALUE_EXPECTILES},
    {"reg:gamma", ESPALIER_XGBOOST_BASE_LOG, ESPALIER_XGBOOST_VALUE_EXP},
    {"reg:linear", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"reg:logistic", ESPALIER_XGBOOST_BASE_LOGIT, ESPALIER_XGBOOST_VALUE_SIGMOID},
    {"reg:pseudohubererror", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"reg:quantileerror", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_QUANTILES},
    {"reg:squarederror", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"reg:squaredlogerror", ESPALIER_XGBOOST_BASE_MARGIN, ESPALIER_XGBOOST_VALUE_MARGIN},
    {"reg:tweedie", ESPALIER_XGBOOST_BASE_LOG, ESPALIER_XGBOOST_VALUE_EXP},
    {"survival:aft", ESPALIER_XGBOOST_BASE_LOG, ESPALIER_XGBOOST_VALUE_EXP},
    {"survival:cox", ESPALIER_XGBOOST_BASE_LOG, ESPALIER_XGBOOST_VALUE_EXP},
};

const espalier_xgboost_objective *espalier_xgboost_find_objective(const char *name)
{
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++) {
        if (strcmp(name, objectives[i].name) == 0) {
            return &objectives[i];
        }
    }
    return NULL;
}

/* Where a run of slots is; count 0: memory ran out. */
typedef struct slot_range {
    uint32_t first;
    uint32_t count;
} slot_range;

static slot_range add_stage(espalier_xgboost_import *import, espalier_forest_operation operation,
                            slot_range input, bool pairwise)
{
    const espalier_forest_stage stage = {.operation = operation,
                                         .input_slot = input.first,
                                         .count = input.count,
                                         .narrow = true,
                                         .pairwise = pairwise};
    const uint64_t count = espalier_plan_stage_outputs(&stage);
    const uint32_t first = espalier_document_charge(&import->document, count * sizeof(uint32_t))
                               ? espalier_plan_add_stage(import->forest, &stage, NULL)
                               : ESPALIER_PLAN_NO_SLOT;
    return (slot_range){first, first != ESPALIER_PLAN_NO_SLOT ? (uint32_t)count : 0};
}

/* The margins: the sums, or where the base score comes last, that on top of sums from 0. */
static slot_range add_margins(espalier_xgboost_import *import)
{
    espalier_forest *const forest = import->forest;
    slot_range margins = {0, forest->slot_count};
    if (import->base_last) {
        const espalier_forest_stage stage = {.operation = ESPALIER_FOREST_ADD,
                                             .count = forest->slot_count,
                                             .narrow = true};
        margins.first =
            espalier_document_charge(&import->document, forest->slot_count * sizeof(double))
                ? espalier_plan_add_stage(forest, &stage, forest->start)
                : ESPALIER_PLAN_NO_SLOT;
        margins.count = margins.first != ESPALIER_PLAN_NO_SLOT ? forest->slot_count : 0;
        free(forest->start);
        forest->start = NULL;
    }
    import->sums_slot = margins.first;
    return margins;
}

/* What Booster.predict gives. */
static slot_range add_value(espalier_xgboost_import *import,
                            const espalier_xgboost_objective *objective)
{
    const slot_range sums = {import->sums_slot, import->forest->slot_count};
    /* From 3.4 on the quantiles of a row are sorted. */
    const bool sorts = !espalier_xgboost_is_before(import, 3, 4);
    /* From 1.6 on exp gets at most 88.7, so that no probability is 0. */
    const uint32_t sigmoid =
        espalier_xgboost_is_before(import, 1, 6) ? ESPALIER_FOREST_EXPIT : ESPALIER_FOREST_SIGMOID;
    switch (objective->value) {
    case ESPALIER_XGBOOST_VALUE_SIGMOID:
        return add_stage(import, sigmoid, sums, false);
    case ESPALIER_XGBOOST_VALUE_EXP:
        return add_stage(import, ESPALIER_FOREST_EXP, sums, false);
    case ESPALIER_XGBOOST_VALUE_STEP:
        return add_stage(import, ESPALIER_FOREST_STEP, sums, false);
    case ESPALIER_XGBOOST_VALUE_SOFTMAX:
        return add_stage(import, ESPALIER_FOREST_SOFTMAX, sums, false);
    case ESPALIER_XGBOOST_VALUE_INDEX:
        return add_stage(import, ESPALIER_FOREST_INDEX, sums, false);
    case ESPALIER_XGBOOST_VALUE_QUANTILES:
        return sorts && sums.count > 1 ? add_stage(import, ESPALIER_FOREST_SORT, sums, false)
                                       : sums;
    case ESPALIER_XGBOOST_VALUE_EXPECTILES:
        return sums.count > 1 ? add_stage(import, ESPALIER_FOREST_EXPECTILES, sums, false) : sums;
    default:
        return sums;
    }
}

/* Probabilities, and what classes are decided on. */
typedef struct class_outputs {
    slot_range probability;
    slot_range decided;
    espalier_forest_decision decision;
} class_outputs;

/* As XGBClassifier: one class of several, one of two, several of two. */
static class_outputs add_classes(espalier_xgboost_import *import,
                                 const espalier_xgboost_objective *objective, slot_range value)
{
    const slot_range sums = {import->sums_slot, import->forest->slot_count};
    if (objective->value == ESPALIER_XGBOOST_VALUE_SOFTMAX) {
        return (class_outputs){value, value, ESPALIER_FOREST_FIRST_MAXIMUM};
    }
    if (objective->value == ESPALIER_XGBOOST_VALUE_INDEX) {
        /* SciPy's softmax of the margins. */
        return (class_outputs){add_stage(import, ESPALIER_FOREST_SOFTMAX, sums, true), sums,
                               ESPALIER_FOREST_FIRST_MAXIMUM};
    }
    const bool several = import->forest->group_count > 1;
    return (class_outputs){several ? value
                                   : add_stage(import, ESPALIER_FOREST_TWO_CLASSES, value, false),
                           value, ESPALIER_FOREST_ABOVE_HALF};
}

/* A kind's output for each group, all of the same width. */
static bool add_outputs(espalier_xgboost_import *import, espalier_output_kind kind,
                        slot_range slots, espalier_forest_decision decision)
{
    espalier_forest *const forest = import->forest;
    const uint32_t groups = kind == ESPALIER_OUTPUT_VALUE ? 1 : forest->group_count;
    const uint32_t width = slots.count / groups;
    bool good = slots.count > 0;
    for (uint32_t group = 0; group < groups && good; group++) {
        const espalier_forest_output output = {.kind = kind,
                                               .group = group,
                                               .first_slot = slots.first + group * width,
                                               .slot_count = width,
                                               .decision = decision,
                                               .narrow = kind != ESPALIER_OUTPUT_CLASS};
        good = espalier_document_charge(&import->document, sizeof output) &&
               espalier_plan_add_output(forest, &output);
    }
    return good;
}

/* The labels of the wrapper's note, or 0, 1, ... in the type that its predict has. */
static bool add_labels(espalier_xgboost_import *import, const espalier_xgboost_objective *objective)
{
    espalier_forest *const forest = import->forest;
    const bool several = forest->group_count > 1;
    const bool of_many = objective->value == ESPALIER_XGBOOST_VALUE_SOFTMAX ||
                         objective->value == ESPALIER_XGBOOST_VALUE_INDEX;
    const uint32_t count = of_many ? forest->slot_count : 2;
    if (!espalier_document_charge(&import->document,
                                  (uint64_t)forest->group_count * count * sizeof(uint64_t)) ||
        !espalier_plan_number_labels(forest, count)) {
        return false;
    }
    for (uint32_t group = 0; group < forest->group_count; group++) {
        espalier_forest_labels *const labels = &forest->labels[group];
        labels->item_bytes = objective->value == ESPALIER_XGBOOST_VALUE_INDEX ? 4 : 8;
        if (several) { /* an array of float64 zeroes and ones */
            const double one = 1.0;
            labels->kind = ESPALIER_LABEL_FLOAT;
            memcpy(&labels->numbers[1], &one, sizeof one);
        }
    }
    if (import->encoder.count == 0 || !forest->classifier || several) {
        return true;
    }
    if (import->encoder.count != count) {
        return espalier_document_fail(&import->document, ESPALIER_ERROR_SOURCE_TREE,
                                      ESPALIER_OFFSET_NONE,
                                      "%" PRIu32 " class labels for %" PRIu32 " classes",
                                      import->encoder.count, count);
    }
    free(forest->labels[0].numbers);
    forest->labels[0] = import->encoder;
    import->encoder = (espalier_forest_labels){.count = 0};
    return true;
}

bool espalier_xgboost_add_outputs(espalier_xgboost_import *import,
                                  const espalier_xgboost_objective *objective)
{
    espalier_forest *const forest = import->forest;
    const slot_range sums = add_margins(import);
    const bool classifies = forest->classifier ||
                            objective->value == ESPALIER_XGBOOST_VALUE_SOFTMAX ||
                            objective->value == ESPALIER_XGBOOST_VALUE_INDEX ||
                            strcmp(objective->name, "binary:logistic") == 0;
    const slot_range value = sums.count > 0 ? add_value(import, objective) : sums;
    class_outputs classes = {value, value, ESPALIER_FOREST_NO_DECISION};
    bool good = value.count > 0;
    if (good && classifies) {
        classes = add_classes(import, objective, value);
    }
    good = good && add_outputs(import, ESPALIER_OUTPUT_MARGIN, sums, ESPALIER_FOREST_NO_DECISION);
    if (good && classifies) {
        good = add_labels(import, objective) &&
               add_outputs(import, ESPALIER_OUTPUT_PROBABILITY, classes.probability,
                           ESPALIER_FOREST_NO_DECISION) &&
               add_outputs(import, ESPALIER_OUTPUT_CLASS, classes.decided, classes.decision);
    }
    good = good && add_outputs(import, ESPALIER_OUTPUT_VALUE, value, ESPALIER_FOREST_NO_DECISION);
    forest->default_output = forest->classifier ? ESPALIER_OUTPUT_CLASS : ESPALIER_OUTPUT_VALUE;
    return good || import->document.status != ESPALIER_OK ||
           espalier_document_fail(&import->document, ESPALIER_ERROR_MEMORY, ESPALIER_OFFSET_NONE,
                                  "no memory for the outputs");
}
